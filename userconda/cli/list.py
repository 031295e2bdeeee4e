"""`ucenv list`: every environment the user can see."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.config import read_config
from userconda.environments import Environment, list_environments

EXAMPLE = "ucenv list"


@dataclass(frozen=True, slots=True)
class ListResult:
    environments: tuple[Environment, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"environments": [environment.to_json() for environment in self.environments]}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", action="store_true", help="only your own")


def run(args: argparse.Namespace) -> ListResult:
    config = read_config({"root": args.root})
    found = list_environments(config)
    warnings: tuple[str, ...] = ()
    if config.conda_root is None:
        warnings = ("no system conda is known: set UCENV_CONDA_ROOT to see its environments",)
    return ListResult(tuple(e for e in found if not (args.user and e.system)), warnings)
