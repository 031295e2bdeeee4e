"""Several runs at once, and leases: who may make a prefix, and when somebody is taken for dead."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import Scene, make_scene
from tests.support.faults import FaultyOs, fail, kill
from tests.support.relation import assert_is_clone, clone_prefix, leftovers
from tests.support.users import USER, ChildKilled, fork, fork_as
from userconda import execute, fsops, locks, recover
from userconda.errors import LockTimeout, NotEnoughSpace, SpaceNotWritable, TargetExists, UcenvError
from userconda.journal import StateDirectory

_PROCESSES = multiprocessing.get_context("fork")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path)


def at_once(functions: list[Callable[[], object]]) -> list[int]:
    """Run each in a process of its own, all released together. 0, or the exit code of the error."""
    barrier = _PROCESSES.Barrier(len(functions))

    def run(function: Callable[[], object]) -> None:
        barrier.wait(30)
        try:
            function()
        except UcenvError as error:
            os._exit(error.exit_code)
        os._exit(0)

    processes = [_PROCESSES.Process(target=run, args=(function,)) for function in functions]
    with warnings.catch_warnings():  # Python 3.12 warns of forks beside threads; xdist's only wait
        warnings.simplefilter("ignore", DeprecationWarning)
        for process in processes:
            process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode if process.exitcode is not None else -1 for process in processes]


# clones ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [2, 5])
def test_one_of_several_clones_of_one_name_is_made(scene: Scene, runs: int) -> None:
    codes = at_once([scene.clone] * runs)
    assert sorted(codes) == [0, *[TargetExists.exit_code] * (runs - 1)]
    scene.assert_complete()
    assert leftovers(scene.target) == []
    scene.assert_source_unchanged()


def test_clones_of_different_names_do_not_disturb_each_other(scene: Scene) -> None:
    targets = [scene.target.with_name(f"clone-{number}") for number in range(10)]
    codes = at_once([lambda target=target: clone_prefix(scene.source, target) for target in targets])  # type: ignore[misc]
    assert codes == [0] * 10
    for target in targets:
        assert_is_clone(scene.source, target, linked=True)
    assert leftovers(scene.target) == []
    scene.assert_source_unchanged()


def test_a_run_beside_this_one_is_named(scene: Scene) -> None:
    lease = locks.acquire(scene.state.lease(str(scene.target)), "4711")
    with pytest.raises(TargetExists, match=rf"being made by another run \(process {os.getpid()} on .*, job 4711\)"):
        scene.clone()
    lease.release()
    scene.clone()


_APPEARANCES: dict[str, Callable[[Path], object]] = {
    "an empty directory": lambda path: path.mkdir(),
    "a directory": lambda path: (path / "conda-meta").mkdir(parents=True),
    "a file": lambda path: path.write_text("mine"),
    "a symlink to nothing": lambda path: path.symlink_to("nowhere"),
    "a symlink to a directory": lambda path: path.symlink_to("/"),
}


@pytest.mark.parametrize("kind", _APPEARANCES)
@pytest.mark.parametrize("moment", ["before publishing", "at the start"])
def test_a_target_that_appears_is_not_overwritten(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, kind: str, moment: str
) -> None:
    module, name = (fsops, "publish") if moment == "before publishing" else (execute, "_build")
    function: Callable[..., Any] = getattr(module, name)

    def appears_first(*args: Any) -> Any:
        _APPEARANCES[kind](scene.target)
        return function(*args)

    monkeypatch.setattr(module, name, appears_first)
    with pytest.raises(TargetExists):
        scene.clone()
    assert scene.target.is_symlink() or list(scene.target.glob("conda-meta/*")) == []
    assert leftovers(scene.target) == []


def test_a_journal_nobody_can_read_is_not_in_the_way(scene: Scene) -> None:
    scene.state.make()
    note = Path(scene.state.journals) / "00.json"
    note.write_text('{"version": 99}')
    scene.clone()
    result = recover.recover(scene.state)
    assert [str(note) in problem for problem in result.problems] == [True]
    assert note.exists()


# leases ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lease_path(tmp_path: Path) -> Path:
    return tmp_path / "locks/envs.mine.lease"


def held_by(path: Path, *, silent_seconds: float = 0.0, **holder: Any) -> None:
    """Write a lease as another run would have, last heard of so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = locks.this_process()
    fields: dict[str, Any] = {name: getattr(ours, name) for name in locks.Holder.__slots__}
    path.write_text(json.dumps(fields | {"token": "theirs"} | holder))
    heard = time.time() - silent_seconds
    os.utime(path, (heard, heard))


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


TAKEN_OVER: dict[str, Callable[[], dict[str, Any]]] = {
    "a dead process of this host": lambda: {"pid": dead_pid()},
    "another process of that number": lambda: {"started": 1.0},
    "this host before it was started again": lambda: {"boot": "another"},
    "another host, silent for ten minutes": lambda: {"host": "elsewhere", "silent_seconds": 601.0},
}
RESPECTED: dict[str, Callable[[], dict[str, Any]]] = {
    "this process": dict,
    "this process, silent for an hour": lambda: {"silent_seconds": 3600.0},
    "another host": lambda: {"host": "elsewhere", "pid": 1},
    "another host with another boot": lambda: {"host": "elsewhere", "boot": "another"},
    "another host, silent for nine minutes": lambda: {"host": "elsewhere", "silent_seconds": 540.0},
}


@pytest.mark.parametrize("whose", TAKEN_OVER)
def test_a_dead_holders_lease_is_taken_over(lease_path: Path, whose: str) -> None:
    held_by(lease_path, **TAKEN_OVER[whose]())
    lease = locks.acquire(str(lease_path))
    assert locks.read_holder(str(lease_path)) == lease.holder
    lease.release()
    assert list(lease_path.parent.iterdir()) == []


@pytest.mark.parametrize("whose", RESPECTED)
def test_a_living_holders_lease_is_respected(lease_path: Path, whose: str) -> None:
    held_by(lease_path, **RESPECTED[whose]())
    before = lease_path.read_text()
    with pytest.raises(LockTimeout):
        locks.acquire(str(lease_path))
    assert lease_path.read_text() == before
    assert list(lease_path.parent.iterdir()) == [lease_path]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", '"x"', '{"pid": 1}', '{"host":"h","boot":"b","pid":"x","started":1,"job":"","token":""}', "\xff"],
)
@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_lease_that_says_nothing_counts_until_it_is_old(lease_path: Path, text: str, old: bool) -> None:
    held_by(lease_path)
    lease_path.write_text(text, encoding="latin-1")
    if not old:
        with pytest.raises(LockTimeout, match="an unknown host"):
            locks.acquire(str(lease_path))
        return
    os.utime(lease_path, (0, 0))
    locks.acquire(str(lease_path)).release()
    assert not lease_path.exists()


def test_a_process_of_another_container_is_not_taken_for_dead(lease_path: Path) -> None:
    held_by(lease_path, pid=dead_pid(), namespace="pid:[1]")
    with pytest.raises(LockTimeout):
        locks.acquire(str(lease_path))


@pytest.mark.root("a lease of another user's")
@pytest.mark.usefixtures("two_users")
def test_a_lease_that_cannot_be_read_is_respected(shared_tmp: Path) -> None:
    path = shared_tmp / "locks/envs.mine.lease"
    held_by(path)
    path.parent.chmod(0o777)
    path.chmod(0o600)
    with pytest.raises(LockTimeout, match="an unknown host"):
        fork_as(USER, lambda: locks.acquire(str(path)).release())


def test_a_beat_is_heard_and_not_too_often(lease_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    lease = locks.acquire(str(lease_path))

    def heard_after(seconds: float) -> bool:
        os.utime(lease_path, (0, 0))
        clock[0] += seconds
        lease.beat()
        return lease_path.stat().st_mtime > 0

    assert [heard_after(seconds) for seconds in (29, 2, 29, 2, 31)] == [False, True, False, True, True]


def test_a_clone_beats(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", -1.0)
    stand_in = FaultyOs(fail(errno.EIO, calls={"utime"}, path=r"\.lease$"))
    monkeypatch.setattr(locks, "os", stand_in)
    scene.clone()  # and a beat that fails does not end it
    assert stand_in.matched[0] > 0


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK], ids=errno.errorcode.get)
def test_without_hard_links_a_lease_is_created_exclusively(
    lease_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(locks, "os", FaultyOs(fail(error, calls={"link"})))
    lease = locks.acquire(str(lease_path))
    assert list(lease_path.parent.iterdir()) == [lease_path]
    with pytest.raises(LockTimeout):
        locks.acquire(str(lease_path))
    lease.release()
    assert not lease_path.exists()
    held_by(lease_path, pid=dead_pid())
    locks.acquire(str(lease_path)).release()


def test_a_lost_answer_to_link_is_no_error(lease_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "os", FaultyOs(fail(errno.EIO, calls={"link"}, nth=1, after=True)))
    lease = locks.acquire(str(lease_path))
    assert locks.read_holder(str(lease_path)) == lease.holder


@pytest.mark.parametrize("operation", ["makedirs", "open", "link"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(errno.EACCES, SpaceNotWritable), (errno.ENOSPC, NotEnoughSpace), (errno.EROFS, SpaceNotWritable)],
    ids=["EACCES", "ENOSPC", "EROFS"],
)
def test_a_lease_that_cannot_be_made(
    lease_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str, error: int, expected: type[UcenvError]
) -> None:
    monkeypatch.setattr(locks, "os", FaultyOs(fail(error, calls={operation})))
    with pytest.raises(expected):
        locks.acquire(str(lease_path))
    assert list(lease_path.parent.glob("*")) == []


def test_only_ones_own_lease_is_released(lease_path: Path) -> None:
    lease = locks.acquire(str(lease_path))
    held_by(lease_path)
    lease.release()
    assert lease_path.exists()
    lease_path.unlink()
    lease.release()


@pytest.mark.parametrize("round_number", range(5))
def test_one_of_several_breakers_gets_a_dead_lease(lease_path: Path, round_number: int) -> None:
    held_by(lease_path, pid=dead_pid())

    def take_and_keep() -> None:
        locks.acquire(str(lease_path))
        time.sleep(0.3)

    codes = at_once([take_and_keep] * 6)
    assert sorted(codes) == [0, *[LockTimeout.exit_code] * 5]


@pytest.mark.parametrize("links", [True, False], ids=["", "no hard links"])
def test_a_living_lease_broken_by_mistake_is_put_back(
    lease_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Between a breaker's look and its rename another one has taken the lease."""
    held_by(lease_path)
    monkeypatch.setattr(locks, "os", FaultyOs(*([] if links else [fail(errno.EPERM, calls={"link"})])))
    dead = locks.Holder("here", "boot", "", 1, None, "", "dead")
    locks.break_stale(str(lease_path), dead, locks.this_process())
    holder = locks.read_holder(str(lease_path))
    assert holder is not None
    assert holder.token == "theirs"
    assert list(lease_path.parent.iterdir()) == [lease_path]


@pytest.mark.parametrize("call", ["open", "link", "unlink"])
def test_recover_removes_what_a_killed_taker_left(tmp_path: Path, call: str) -> None:
    state = StateDirectory(str(tmp_path / ".ucenv"))
    lease = state.lease(str(tmp_path / "envs/mine"))

    def take() -> None:
        setattr(locks, "os", FaultyOs(kill(calls={call}, after=True)))  # noqa: B010
        locks.acquire(lease)

    with pytest.raises(ChildKilled):
        fork(take)
    assert os.listdir(os.path.dirname(lease))
    recover.recover(state)
    assert os.listdir(os.path.dirname(lease)) == []


def test_recover_leaves_leases_that_may_live(tmp_path: Path) -> None:
    state = StateDirectory(str(tmp_path / ".ucenv"))
    lease = Path(state.lease(str(tmp_path / "envs/mine")))
    held_by(lease)
    held_by(lease.with_name("envs.other.lease"), host="elsewhere", pid=1)
    being_made = lease.with_name(f"{lease.name}.{platform.node()}.{os.getpid()}.00")
    being_made.touch()
    recover.recover(state)
    assert len(list(lease.parent.iterdir())) == 3
