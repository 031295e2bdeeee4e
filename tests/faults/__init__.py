"""Breaking a clone at every step: what it is broken with, and what must be left then."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from tests.support.faults import CHANGING, Fault, FaultyOs
from tests.support.manifest import Manifest, diff, manifest
from tests.support.relation import clone_prefix, content, differences, leftovers, make_source
from tests.support.users import fork
from userconda import execute, fsops, journal, locks, probe, recover
from userconda.journal import StateDirectory
from userconda.models import CloneResult, LinkMode
from userconda.parallel import Pool
from userconda.provenance import read_provenance

T = TypeVar("T")

MODULES: Mapping[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module for module in (fsops, execute, locks, journal, recover, probe)
}
REFUSALS = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Scene:
    """A source, the name of a clone to be, and what both were before anything was broken."""

    source: Path
    target: Path
    before: Manifest
    undisturbed: Mapping[LinkMode | None, Manifest]

    @property
    def state(self) -> StateDirectory:
        return StateDirectory.beside(str(self.target))

    def clone(self, mode: LinkMode | None = None) -> CloneResult:
        return clone_prefix(self.source, self.target, link_mode=mode)

    def assert_source_unchanged(self) -> None:
        assert diff(self.before, manifest(self.source)) == []

    def assert_complete(self, mode: LinkMode | None = None) -> None:
        assert differences(content(self.target), self.undisturbed[mode]) == []

    def assert_nothing_left(self) -> None:
        assert not self.target.exists()
        assert leftovers(self.target) == []

    def assert_absent_or_complete(self, mode: LinkMode | None) -> None:
        """A journal that is still there is this clone's."""
        if not self.target.exists():
            return
        self.assert_complete(mode)
        note = read_provenance(str(self.target))
        assert note is not None
        for path in journal.find_journals(self.state):
            run = journal.read_journal(path)
            assert run is not None
            assert run.token == note.token

    def remove(self) -> None:
        if self.target.exists():
            shutil.rmtree(self.target)


def make_scene(
    root: Path, modes: tuple[LinkMode | None, ...] = (None,), make: Callable[[Path], Path] = make_source
) -> Scene:
    source, target = make(root / "conda"), root / "space/envs/clone"
    target.parent.mkdir(parents=True)
    undisturbed = {}
    for mode in modes:
        clone_prefix(source, target, link_mode=mode)
        undisturbed[mode] = content(target)
        shutil.rmtree(target)
    return Scene(source, target, manifest(source), undisturbed)


def in_child(function: Callable[[], T], faulty: Mapping[str, FaultyOs], *, workers: int = 1) -> T:
    """Run in a forked child with the modules' `os` replaced. ChildKilled where it was killed."""

    def run() -> T:
        for name, stand_in in faulty.items():
            setattr(MODULES[name], "os", stand_in)  # noqa: B010 -- a module has no such attribute for mypy
        setattr(Pool, "workers_for", lambda pool, operations: workers)  # noqa: B010
        return function()

    return fork(run)


def operations(function: Callable[[], object]) -> dict[str, dict[str, int]]:
    """module -> operation -> how often, in one undisturbed run of `function`."""
    counters = {name: FaultyOs(counted=CHANGING) for name in MODULES}
    in_child(function, counters)
    return {name: dict(counter.counts) for name, counter in counters.items()}


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers from 1 to `count`, the first and the last among them, evenly."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(step * (count - 1) / (most - 1)) for step in range(most)})


def faulty(module: str, *faults: Fault) -> dict[str, FaultyOs]:
    return {module: FaultyOs(*faults, counted=CHANGING)}
