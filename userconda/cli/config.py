"""`ucenv config`: every setting, and where its value came from."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.config import SETTINGS, read_config

EXAMPLE = "ucenv config --show-origin"


@dataclass(frozen=True, slots=True)
class Shown:
    key: str
    value: Any
    origin: str
    variable: str
    meaning: str

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ConfigResult:
    settings: tuple[Shown, ...]
    files: tuple[str, ...]
    show_origin: bool

    def to_json(self) -> dict[str, Any]:
        return {"settings": [shown.to_json() for shown in self.settings], "files": list(self.files)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--show-origin", action="store_true", help="where each value came from, and its variable")


def run(args: argparse.Namespace) -> ConfigResult:
    config = read_config({"root": args.root})
    shown = []
    for setting in SETTINGS.values():
        value, origin = config[setting.key], config.values[setting.key].origin
        if setting.key == "root":
            value, origin = config.root_and_origin()
        elif setting.key == "conda_root" and value is None:
            value, origin = config.conda_root, "found" if config.conda_root else "default"
        elif setting.key == "clone.when_refused" and not value:
            value = "ask"
        value = list(value) if isinstance(value, tuple) else value
        shown.append(Shown(setting.key, value, origin, setting.variable, setting.meaning))
    return ConfigResult(tuple(shown), tuple(config.files), args.show_origin)
