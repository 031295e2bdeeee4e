"""SIGKILL at every file operation that changes something, before it and after it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.faults import MODULES, Scene, faulty, in_child, make_scene, operations, spread
from tests.support.faults import kill
from tests.support.relation import leftovers, make_big_source
from tests.support.users import ChildKilled
from userconda.models import LinkMode
from userconda.parallel import Pool
from userconda.recover import recover

MODES = (None, LinkMode.COPY)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("kill"), MODES)


def killed(scene: Scene, function: Callable[[], object], module: str, operation: str, nth: int, after: bool) -> None:
    """A call that fails has no afterwards: the next one's beforehand is the same moment."""
    stand_in = faulty(module, kill(calls={operation}, nth=nth, after=after))
    died_of = None
    try:
        in_child(function, stand_in)
    except ChildKilled as dead:
        died_of = dead.signal
    assert died_of == signal.SIGKILL or (after and died_of is None and stand_in[module].matched[0] >= nth)
    scene.assert_source_unchanged()


def recovered(scene: Scene, mode: LinkMode | None, *, again: bool = True) -> None:
    """`recover`, then a second clone of the same name."""
    complete = scene.target.exists()
    result = recover(scene.state)
    assert result.problems == ()
    assert leftovers(scene.target) == []
    assert scene.target.exists() == complete
    if complete:
        scene.remove()
    if not again:
        return
    scene.clone(mode)
    scene.assert_complete(mode)
    scene.remove()
    assert leftovers(scene.target) == []
    scene.assert_source_unchanged()


@pytest.mark.parametrize("module", [name for name in MODULES if name != "recover"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("mode", MODES, ids=["links", "copies"])
def test_target_is_absent_or_complete(scene: Scene, mode: LinkMode | None, after: bool, module: str) -> None:
    counts = operations(lambda: scene.clone(mode))[module]
    scene.remove()
    assert counts, f"{module} changes nothing: then nothing is tested here"
    for operation, count in counts.items():
        # Copies differ in how a file comes to its name, one as the other.
        moments = range(1, count + 1) if mode is None else spread(count, 10)
        sometimes = spread(count, 8)  # what recover leaves is nothing, so that a second clone is as the first
        for nth in moments:
            killed(scene, lambda: scene.clone(mode), module, operation, nth, after)
            scene.assert_absent_or_complete(mode)
            recovered(scene, mode, again=nth in sometimes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("clone_ends", ["half made", "complete"])
def test_recover_can_be_killed_too(scene: Scene, clone_ends: str, after: bool) -> None:
    def interrupt() -> None:
        place = ("execute", "fsync", 1) if clone_ends == "half made" else ("journal", "unlink", 1)
        killed(scene, scene.clone, *place, after=False)

    interrupt()
    counts = operations(lambda: recover(scene.state))
    assert counts["recover"] or counts["fsops"] or counts["journal"]
    scene.remove()
    for module, of_module in counts.items():
        for operation, count in of_module.items():
            for nth in spread(count, 6):
                interrupt()
                killed(scene, lambda: recover(scene.state), module, operation, nth, after)
                scene.assert_absent_or_complete(None)
                recovered(scene, None)


def test_a_new_clone_takes_over_what_a_killed_one_left(scene: Scene) -> None:
    killed(scene, scene.clone, "execute", "fsync", 1, after=False)
    scene.clone()
    scene.assert_complete()
    recover(scene.state)
    assert leftovers(scene.target) == []
    scene.remove()


# workers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("workers"), (None,), lambda root: make_big_source(root, 3000))


@pytest.fixture
def forced_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "workers_for", lambda pool, operations: request.param)


@pytest.mark.parametrize("forced_workers", [2, 4], indirect=True, ids=["2 workers", "4 workers"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("forced_workers")
def test_workers_die_with_their_parent(big_scene: Scene, seed: int) -> None:
    rng, started = random.Random(seed), time.monotonic()
    big_scene.clone()
    undisturbed_seconds = time.monotonic() - started
    big_scene.remove()
    for _ in range(3):
        children = clone_and_kill(big_scene, undisturbed_seconds * rng.random())
        _, alive = psutil.wait_procs(children, timeout=5)
        assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
        assert busy_in(big_scene.target.parents[1]) == []
        big_scene.assert_source_unchanged()
        big_scene.assert_absent_or_complete(None)
        recover(big_scene.state)
        assert leftovers(big_scene.target) == []
        big_scene.remove()


def clone_and_kill(scene: Scene, after_seconds: float) -> list[psutil.Process]:
    """Kill a clone, in a process of its own, after that time. Returns the workers that it had."""
    process = multiprocessing.get_context("fork").Process(target=scene.clone)
    with warnings.catch_warnings():  # Python 3.12 warns of forks beside threads; xdist's only wait
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    time.sleep(after_seconds)
    try:
        parent = psutil.Process(process.pid)
        parent.suspend()
        # A fork that is under way ends first, and its child is one of the workers.
        while parent.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            time.sleep(0.001)
        children = parent.children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.kill()
    process.join()
    return list(children)


def busy_in(directory: Path) -> list[str]:
    """Processes with an open file or their working directory in there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for link in (process / "cwd", *(process / "fd").glob("*")):
            try:
                place = os.readlink(link)
            except OSError:
                continue
            if place.startswith(f"{directory}/"):
                found.append(f"{process.name}: {place}")
    return found
