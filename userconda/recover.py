"""Finishing or taking back what interrupted runs left, and emptying the trash."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from typing import Any

from userconda import fsops, journal, locks, swap
from userconda.errors import LockTimeout, UcenvError
from userconda.journal import Journal, StateDirectory
from userconda.provenance import read_provenance
from userconda.units import printable


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one interrupted run."""

    target: str
    state: str  # "complete", "taken back" or "still running"
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target, "state": self.state, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class RecoverResult:
    """
    Attributes:
        trash: how many half-made directories were deleted, or would be.
        problems: journals nobody could act on.
    """

    directory: str
    runs: tuple[Recovered, ...]
    trash: int
    problems: tuple[str, ...]
    dry_run: bool

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "directory": self.directory,
            "runs": [run.to_json() for run in self.runs],
            "trash_removed": self.trash,
            "problems": list(self.problems),
            "dry_run": self.dry_run,
        }


def recover(state: StateDirectory, *, dry_run: bool = False) -> RecoverResult:
    """Bring every interrupted run to one of its two ends: the clone is there, or nothing of it is.

    The rename decides: a target that carries the journal's token is complete, whatever else the run had left to do.
    Of a thaw every directory is decided by itself: it is a link, or the complete directory.
    """
    state.check()
    runs, problems = [], []
    for path in journal.find_journals(state):
        try:
            note = journal.read_journal(path)
            if note is not None:
                runs.append(_recover_run(note, state, dry_run))
        except UcenvError as exc:
            problems.append(f"{exc.message}; {'; '.join(exc.hints)}")
    if not dry_run:
        _forget_dead_leases(state)
        _forget_unfinished(state)
    trash = _trash(state)
    removed = len(trash)
    if not dry_run:
        for path in (*trash, *_dead_probes(state)):
            try:
                fsops.remove_tree(path)
            except OSError as exc:  # an immutable file, a filesystem that went read-only
                removed -= path in trash
                problems.append(f"{printable(exc.filename or path)} cannot be removed: {exc.strerror}")
    return RecoverResult(state.path, tuple(runs), removed, tuple(problems), dry_run)


def _recover_run(note: Journal, state: StateDirectory, dry_run: bool) -> Recovered:
    if dry_run:
        holder = locks.read_holder(note.lease)
        if holder is not None and holder.token == note.token and locks.is_alive(holder):
            return Recovered(note.target, "still running", str(holder))
        return Recovered(note.target, _state(note), "thaw" if note.kind == "thaw" else "")
    try:
        lease = locks.acquire(note.lease)
    except LockTimeout as exc:
        return Recovered(note.target, "still running", exc.holder)
    try:
        if note.kind == "thaw":
            swap.settle(note, state)
            return Recovered(note.target, _state(note), "thaw")
        if _is_complete(note):
            note.close()
            return Recovered(note.target, "complete")
        fsops.set_aside(note.staging, state.trash)
        note.close()
        return Recovered(note.target, "taken back")
    finally:
        lease.release()


def _state(note: Journal) -> str:
    complete = swap.is_thawed(note) if note.kind == "thaw" else _is_complete(note)
    return "complete" if complete else "taken back"


def _is_complete(note: Journal) -> bool:
    provenance = read_provenance(note.target)
    return provenance is not None and provenance.token == note.token


def _trash(state: StateDirectory) -> list[str]:
    try:
        return [os.path.join(state.trash, name) for name in sorted(os.listdir(state.trash))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise fsops.failure("listing", state.trash, exc) from None


def _forget_dead_leases(state: StateDirectory) -> None:
    """Leases, and what was to become one, whose holders are seen to be dead."""
    directory = os.path.join(state.path, "locks")
    ours = locks.this_process()
    for path in _entries(directory):
        if locks.is_named_after_dead(path):
            _unlink(path)
            continue
        holder = locks.read_holder(path)
        if holder is None or not locks.is_dead_here(holder):
            continue
        if path.endswith(".lease"):  # somebody may be taking it over at this moment
            with contextlib.suppress(OSError):
                locks.break_stale(path, holder, ours)
        else:
            _unlink(path)


def _forget_unfinished(state: StateDirectory) -> None:
    """Journals that were never renamed into place: nothing was done under them."""
    for path in _entries(state.journals):
        if path.endswith(".tmp") and locks.is_named_after_dead(path):
            _unlink(path)


def _dead_probes(state: StateDirectory) -> list[str]:
    """What trials of links left whose process was killed: where clones are made, or where that was to be made."""
    space = os.path.dirname(state.path)
    places = (os.path.join(space, "envs"), space, os.path.dirname(space))
    return [
        path
        for place in places
        for path in _entries(place)
        if os.path.basename(path).startswith(fsops.PROBE_PREFIX)
        and locks.is_named_after_dead(path)
        and journal.is_ours(path)
    ]


def _entries(directory: str) -> list[str]:
    try:
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
    except OSError:  # not there, or not ours to look into
        return []


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def empty_trash_in_background(state: StateDirectory) -> None:
    """Delete what earlier runs set aside, in a process of its own that nobody waits for."""
    try:
        state.check()
        if not _trash(state):
            return
        child = os.fork()
    except (UcenvError, OSError):  # the clone is there all the same; `recover` says what is wrong with its trash
        return
    if child:
        os.wait()
        return
    try:
        # Its own session: a Ctrl-C at the terminal is not for it. Twice forked: nobody has to wait for it.
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            devnull = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(devnull, descriptor)
            os.nice(10)
            for path in _trash(state):
                fsops.remove_tree(path)
    except BaseException:  # its parent's screen and exit code are not this process' business
        os._exit(1)
    os._exit(0)
