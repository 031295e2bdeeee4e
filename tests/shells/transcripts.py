"""What a real conda 26.7 left behind after each command of 15 scenarios (tests/data/conda-transcripts.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.shells.sites import Site
from tests.support import CHECKOUT

_DOCUMENT: dict[str, Any] = json.loads((CHECKOUT / "tests/data/conda-transcripts.json").read_text())


@dataclass(frozen=True)
class State:
    """The exported environment after `command`, with the directories of a site."""

    command: str
    environment: dict[str, str]

    @property
    def level(self) -> int:
        return int(self.environment.get("CONDA_SHLVL", "0"))


@dataclass(frozen=True)
class Scenario:
    name: str
    document: dict[str, Any]

    def initial(self, site: Site) -> dict[str, str]:
        return _at(site, self.document["initial"])

    def states(self, site: Site) -> list[State]:
        return [State(step["command"], _at(site, step["env"])) for step in self.document["steps"]]

    def deactivations(self, site: Site) -> list[tuple[State, State]]:
        """Before and after each `conda deactivate`."""
        states = self.states(site)
        return [(a, b) for a, b in pairwise(states) if b.command == "conda deactivate"]

    def __str__(self) -> str:
        return self.name


def _at(site: Site, environment: dict[str, str]) -> dict[str, str]:
    directories = (("@CONDA_ROOT@", str(site.root)), ("@SCRATCH@", str(site.scratch)))
    placed = dict(environment)
    for word, directory in directories:
        placed = {name: value.replace(word, directory) for name, value in placed.items()}
    # What the shells of the tests need; the transcripts have neither.
    return placed | {"LC_ALL": "C.UTF-8"}


SCENARIOS = [Scenario(document["name"], document) for document in _DOCUMENT["scenarios"]]
