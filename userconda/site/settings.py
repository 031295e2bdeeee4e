"""What the conda at hand takes in a `.condarc`: asked of itself, so that a mistake in site.toml is found before it is
written to a file that every user's conda reads."""

from __future__ import annotations

import datetime
import difflib
import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from userconda.condarc import same
from userconda.site.definition import Key

_SECONDS: Final = 120
_WANTED: Final = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """As conda describes it.

    Attributes:
        kind: primitive, sequence or map.
        elements: their types; of a primitive its own.
    """

    name: str
    aliases: tuple[str, ...]
    kind: str
    elements: tuple[str, ...]


class CondaUnusable(Exception):
    """Why it could not be asked."""


def problems_of_types(values: Mapping[str, Any], key: Key) -> Iterator[tuple[Key, str]]:
    """What TOML has and a `.condarc` has not: times, infinities, texts with control characters."""
    for name, value in values.items():
        for wrong in _wrong(value):
            yield (*key, name), f"a text, number, truth value, list or table of these is wanted, not {wrong!r}"
        if not name or not all(map(str.isprintable, _texts({name: value}))):
            yield (*key, name), "texts without control characters are wanted"


def _wrong(value: Any) -> Iterator[object]:
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _wrong(item)
    elif isinstance(value, (datetime.date, datetime.time)) or (isinstance(value, float) and not math.isfinite(value)):
        yield value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


class Conda:
    """The conda of a root, run without its user's settings."""

    def __init__(self, root: str) -> None:
        """
        Raises:
            CondaUnusable: there is none, or it does not work.
        """
        self.program, self.asked = os.path.join(root, "bin", "conda"), ""
        if not os.access(self.program, os.X_OK):
            raise CondaUnusable(f"there is no {self.program}")
        described = self._ask("config", "--describe", "--json")
        try:
            settings = [
                Setting(entry["name"], tuple(entry["aliases"]), entry["parameter_type"], tuple(entry["element_types"]))
                for entry in described
            ]
        except (KeyError, TypeError):
            raise CondaUnusable(f"{self.program} config --describe: {_said(described)}") from None
        self.settings = {setting.name: setting for setting in settings}
        self.aliases = {alias: setting.name for setting in settings for alias in setting.aliases}

    def _ask(self, *words: str, values: Mapping[str, Any] | None = None) -> Any:
        """The answer of a command, with `values` as a user's `.condarc` (JSON is YAML)."""
        with tempfile.TemporaryDirectory(prefix="ucenv-") as home:
            self.asked = file = os.path.join(home, ".condarc")
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(values or {}, stream)
            environment = {"PATH": os.defpath, "HOME": home, "CONDARC": file, "LC_ALL": "C.UTF-8"}
            try:
                done = subprocess.run(
                    [self.program, *words],
                    env=environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_SECONDS,
                    check=False,
                )
                answer = json.loads(done.stdout)
            except (OSError, subprocess.SubprocessError) as exc:
                raise CondaUnusable(f"{self.program} does not work: {exc}") from None
            except ValueError:
                lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
                raise CondaUnusable(f"{self.program} {' '.join(words)}: {lines[-1]}") from None
        if isinstance(answer, dict) and file in answer:  # of all files read, the one that we gave it
            return answer[file]
        return answer

    def problems(self, values: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Key and what is wrong with it.

        Args:
            now: what the root's file has, which conda reads too.

        Raises:
            CondaUnusable: it could not be asked.
        """
        seen: dict[str, str] = {}
        good: dict[str, Any] = {}
        for key, value in values.items():
            name = self.aliases.get(key, key)
            if name in seen:
                yield key, f"this is {name} too, as is {seen[name]}"
                continue
            seen[name] = key
            setting = self.settings.get(name)
            if setting is None and not self._knows(key):
                near = difflib.get_close_matches(key, [*self.settings, *self.aliases], 1)
                hint = f"did you mean {near[0]}?" if near else "`conda config --describe` lists all"
                yield key, f"this conda has no such setting; {hint}"
            elif setting is not None and (wanted := _mistake(setting, value)):
                yield key, f"{wanted} is wanted, not {value!r}"
            else:
                good[name] = value
        answer = self._ask("config", "--show-sources", "--json", values=good)
        for error in answer.get("errors", [answer]) if "error" in answer else ():
            name = str(error.get("parameter_name", "")).lstrip("_")
            name = self.aliases.get(name, name)
            if name not in good:
                raise CondaUnusable(f"{self.program}: {_said(error)}")
            value, source = error.get("parameter_value"), str(error.get("source"))
            # What is wrong in a file that conda reads too may be what is to be replaced.
            theirs = source.startswith("/") or (name in now and same(value, now[name]) and not same(value, good[name]))
            if source == self.asked or not theirs:
                yield seen[name], f"conda refuses it: {_said(error)}"

    def _knows(self, name: str) -> bool:
        """Settings that it has and does not describe."""
        return name == "plugins" or "error" not in self._ask("config", "--show", name, "--json")


def _said(answer: Any) -> str:
    """A message of conda's in one line, without the file that it read, which is ours and gone."""
    message = str(answer.get("message") or answer.get("error") if isinstance(answer, dict) else answer)
    return " ".join(re.sub(r" declared in \S+", "", message).split())[:400]


def _mistake(setting: Setting, value: Any) -> str:
    """What is wanted instead; empty where conda itself can judge. Of another structure it would only die."""
    if setting.kind == "map":
        if not isinstance(value, dict):
            return "a table"
        return _elements(setting, list(value.values()))
    if setting.kind == "sequence":
        if not isinstance(value, list):
            return f'a list, such as ["{value}"],' if isinstance(value, str) else "a list"
        return _elements(setting, value)
    if isinstance(value, (list, dict)):
        return _types(setting)
    types = set(setting.elements)
    given = "bool" if isinstance(value, bool) else type(value).__name__
    if (types <= {"bool", "NoneType"} and given != "bool") or (types <= {"int", "float"} and given == "bool"):
        return _types(setting)
    return ""


def _elements(setting: Setting, values: list[Any]) -> str:
    kinds = {"primitive": (str, int, float), "map": (dict,), "sequence": (list,)}
    wanted = tuple(kind for element in setting.elements for kind in kinds.get(element, (object,)))
    if all(isinstance(value, wanted) for value in values):
        return ""
    inner = {"map": "tables", "sequence": "lists"}.get(setting.elements[0], "texts or numbers")
    return f"a {'table' if setting.kind == 'map' else 'list'} of {inner}"


def _types(setting: Setting) -> str:
    return " or ".join(dict.fromkeys(_WANTED.get(name, "a word") for name in setting.elements if name != "NoneType"))
