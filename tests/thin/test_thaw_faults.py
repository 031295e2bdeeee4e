"""A thaw that is killed or refused at every operation: each path is a link or a complete directory."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.faults import spread
from tests.support.faults import CHANGING, FaultyOs, fail, kill
from tests.support.manifest import Manifest, diff, manifest
from tests.support.relation import leftovers
from tests.support.users import ChildKilled, fork
from tests.thin.trees import FILES, LINKED, links_into, make_deep_source, make_thin, seen
from userconda import execute, fsops, journal, locks, probe, recover, swap, thaw
from userconda.errors import InterruptedRun, UcenvError
from userconda.journal import StateDirectory
from userconda.parallel import Pool
from userconda.provenance import read_provenance

MODULES: Mapping[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (fsops, execute, locks, journal, recover, probe, swap, thaw)
}


@dataclass(frozen=True)
class Scene:
    """A thin clone to be thawed, again and again."""

    source: Path
    target: Path
    kept: Path
    before: Manifest
    there: Mapping[str, object]

    @property
    def state(self) -> StateDirectory:
        return StateDirectory.beside(str(self.target))

    def reset(self) -> None:
        shutil.rmtree(self.target, ignore_errors=True)
        shutil.copytree(self.kept, self.target, symlinks=True, copy_function=os.link)

    def thaw(self) -> None:
        thaw.execute_thaw(thaw.plan_thaw(str(self.target), None))

    def check(self) -> None:
        """Nothing is lost or half made; the parent is as it was."""
        assert dict(seen(self.target)) == dict(self.there)
        assert diff(self.before, manifest(self.source)) == []

    def check_thawed(self) -> None:
        self.check()
        assert links_into(self.target, self.source) == set()
        note = read_provenance(str(self.target))
        assert note is not None
        assert not note.thin
        assert leftovers(self.target) == []


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("thaw")
    source = make_deep_source(root / "conda")
    kept = make_thin(source, root / "kept/envs/mine")
    target = root / "space/envs/mine"
    target.parent.mkdir(parents=True)
    scene = Scene(source, target, kept, manifest(source), seen(kept))
    scene.reset()
    return scene


def broken(
    function: Callable[[], object],
    faulty: Mapping[str, FaultyOs],
    *,
    exchanges: bool,
    dies_in: tuple[int, bool] = (0, False),
) -> None:
    """In a child of ours.

    Args:
        dies_in: it is killed at so manieth exchange, before or after it.
    """
    done = 0

    def exchange(*words: Any) -> int:
        nonlocal done
        done += 1
        nth, after = dies_in
        if done == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        code = real(*words) if exchanges else errno.EINVAL
        if done == nth and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return code

    real = fsops._renameat2

    def run() -> None:
        for name, stand_in in faulty.items():
            setattr(MODULES[name], "os", stand_in)  # noqa: B010 -- a module has no such attribute for mypy
        setattr(fsops, "_renameat2", exchange)  # noqa: B010
        setattr(Pool, "workers_for", lambda pool, operations: 1)  # noqa: B010
        function()

    fork(run)


def operations(function: Callable[[], object], *, exchanges: bool) -> dict[str, dict[str, int]]:
    counters = {name: FaultyOs(counted=CHANGING) for name in MODULES}
    broken(function, counters, exchanges=exchanges)
    return {name: dict(counter.counts) for name, counter in counters.items()}


def died_of(function: Callable[..., object], *arguments: Any, **words: Any) -> BaseException | None:
    """What it raised; a death is one by SIGKILL."""
    try:
        function(*arguments, **words)
    except (ChildKilled, UcenvError, OSError) as exc:
        if isinstance(exc, ChildKilled) and exc.signal != signal.SIGKILL:
            raise
        return exc
    return None


def finish(scene: Scene, number: int) -> None:
    """By `recover` and the next thaw, or by that alone."""
    if number % 2:
        assert recover.recover(scene.state).problems == ()
        scene.check()
        assert leftovers(scene.target) == []
    scene.thaw()
    recover.recover(scene.state)
    scene.check_thawed()


def is_missing_in_the_gap(scene: Scene) -> set[str]:
    return {path for path in LINKED if not os.path.lexists(scene.target / path)}


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanged", "two steps"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("module", [name for name in MODULES if name != "recover"])
def test_killed(scene: Scene, module: str, after: bool, exchanges: bool) -> None:
    scene.reset()
    counts = operations(scene.thaw, exchanges=exchanges)[module]
    if module == "thaw":
        assert "makedirs" in counts
    most = 40 if module == "swap" else 4
    gaps = 0
    for operation, count in counts.items():
        for nth in spread(count, most):
            scene.reset()
            stand_in = {module: FaultyOs(kill(calls={operation}, nth=nth, after=after), counted=CHANGING)}
            died_of(broken, scene.thaw, stand_in, exchanges=exchanges)
            missing = is_missing_in_the_gap(scene)
            assert len(missing) <= (not exchanges)
            gaps += len(missing)
            if not missing:
                scene.check()
            finish(scene, nth)
    if module == "swap":
        # Every directory was caught between its two renames.
        assert gaps == (0 if exchanges else len(LINKED)), "nothing was tested"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_an_exchange(scene: Scene, after: bool) -> None:
    for nth in range(1, len(LINKED) + 2):  # the first is the trial
        scene.reset()
        with pytest.raises(ChildKilled):
            broken(scene.thaw, {}, exchanges=True, dies_in=(nth, after))
        scene.check()
        assert len(links_into(scene.target, scene.source) & {*LINKED}) == len(LINKED) - (
            nth - 1 - (not after and nth > 1)
        )
        finish(scene, nth)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_recover_can_be_killed_too(scene: Scene, after: bool) -> None:
    """While it closes a gap."""

    def interrupt() -> None:
        scene.reset()
        with pytest.raises(ChildKilled):
            broken(
                scene.thaw,
                {"swap": FaultyOs(kill(calls={"rename"}, path="libexec/odd$", nth=2), counted=CHANGING)},
                exchanges=False,
            )
        assert is_missing_in_the_gap(scene) == {"libexec/odd"}

    interrupt()
    counts = operations(lambda: recover.recover(scene.state), exchanges=True)
    assert counts["swap"]
    for module, of_module in counts.items():
        for operation, count in of_module.items():
            for nth in spread(count, 4):
                interrupt()
                stand_in = {module: FaultyOs(kill(calls={operation}, nth=nth, after=after), counted=CHANGING)}
                died_of(broken, lambda: recover.recover(scene.state), stand_in, exchanges=True)
                finish(scene, 1)


def test_a_clone_of_that_name_closes_the_gap_before_it_is_refused(scene: Scene) -> None:
    from tests.support.relation import clone_prefix
    from userconda.errors import TargetExists

    scene.reset()
    stand_in = {"swap": FaultyOs(kill(calls={"rename"}, path="libexec/odd$", nth=2), counted=CHANGING)}
    with pytest.raises(ChildKilled):
        broken(scene.thaw, stand_in, exchanges=False)
    with pytest.raises(TargetExists):
        clone_prefix(scene.source, scene.target)
    finish(scene, 1)


def test_recover_tells(scene: Scene) -> None:
    scene.reset()
    with pytest.raises(ChildKilled):
        broken(scene.thaw, {}, exchanges=True, dies_in=(2, True))
    told = [recover.recover(scene.state, dry_run=dry).runs for dry in (True, False)]
    assert told[0] == told[1] == (recover.Recovered(str(scene.target), "taken back", "thaw"),)
    with pytest.raises(ChildKilled):
        broken(
            scene.thaw, {"swap": FaultyOs(kill(calls={"rename"}, path="provenance"), counted=CHANGING)}, exchanges=True
        )
    (run,) = recover.recover(scene.state).runs
    assert run.state == "complete"
    finish(scene, 0)


def test_a_directory_that_the_user_removed_later_is_not_put_back(scene: Scene) -> None:
    scene.reset()
    with pytest.raises(ChildKilled):
        broken(
            scene.thaw,
            {"swap": FaultyOs(kill(calls={"rename"}, path="libexec/odd$", nth=2, after=True), counted=CHANGING)},
            exchanges=False,
        )
    shutil.rmtree(scene.target / "libexec/odd")
    recover.recover(scene.state)
    assert not (scene.target / "libexec/odd").exists()


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize("after", [False, True], ids=["refused", "its answer lost"])
@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanged", "two steps"])
def test_an_operation_that_fails(scene: Scene, exchanges: bool, after: bool, error: int) -> None:
    scene.reset()
    counts = operations(scene.thaw, exchanges=exchanges)
    raw: list[object] = []
    for module in ("swap", "fsops", "thaw", "journal"):
        for operation, count in counts[module].items():
            for nth in spread(count, 2):
                scene.reset()
                stand_in = {module: FaultyOs(fail(error, calls={operation}, nth=nth, after=after), counted=CHANGING)}
                raised = died_of(broken, scene.thaw, stand_in, exchanges=exchanges)
                if raised is not None and not isinstance(raised, UcenvError):
                    raw.append((module, operation, nth, repr(raised)))
                scene.check()
                finish(scene, 1)
    assert raw == []


def test_a_journal_of_a_later_version_is_left_alone(scene: Scene) -> None:
    scene.reset()
    scene.state.make()
    path = Path(scene.state.journals, "x.json")
    note = journal.Journal(str(path), "x", f"{scene.state.staging}/x", str(scene.target), "lease", "melt")
    note.write()
    with pytest.raises(InterruptedRun):
        journal.read_journal(str(path))
    assert recover.recover(scene.state).problems
    scene.thaw()
    path.unlink()
    scene.check_thawed()


def test_files_of_an_ordinary_clone_are_replaced_one_by_one(scene: Scene) -> None:
    """--own: a file has its bytes at any time."""

    def own() -> None:
        thaw.execute_thaw(thaw.plan_thaw(str(scene.target), {*FILES, "bin/odd-shell"}, own=True))

    for nth in range(1, len(FILES) + 1):
        scene.reset()
        scene.thaw()
        stand_in = {"swap": FaultyOs(kill(calls={"rename"}, path="share/odd", nth=nth), counted=CHANGING)}
        with pytest.raises(ChildKilled):
            broken(own, stand_in, exchanges=True)
        scene.check()
    own()
    recover.recover(scene.state)
    scene.check()
    assert leftovers(scene.target) == []
