"""Which processes are there: psutil where it is installed, the kernel's plain answer where it is not."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

#: Start times come from clock ticks and the boot time, each rounded.
_SAME_START_SECONDS: Final = 2.0


def start_time(pid: int) -> float | None:
    """Seconds since the epoch; None where the process is gone or nobody can tell."""
    try:
        import psutil
    except ImportError:
        return None
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _has_ended(pid: int) -> bool:
    """Whether nothing but its number is left: in containers nobody may collect an orphan's exit status."""
    try:
        import psutil
    except ImportError:
        return False
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def is_running(pid: int, started: float | None) -> bool:
    """Whether that process still runs on this host, and is not another one with its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    except OverflowError:
        return False
    if _has_ended(pid):
        return False
    now = start_time(pid)
    return started is None or now is None or abs(now - started) < _SAME_START_SECONDS


@dataclass(frozen=True, slots=True)
class Process:
    """One that runs on this host."""

    pid: int
    command: str


def find_running(prefix: str, ignoring: Collection[int] = ()) -> tuple[Process, ...] | None:
    """Processes of this host whose program, or the script that it reads, is in an environment. Other users' as far as
    the kernel tells; other hosts' nobody can see.

    Args:
        ignoring: pids, beside the caller's own.

    Returns:
        None where nobody can tell: without psutil.
    """
    try:
        import psutil
    except ImportError:
        return None
    places = tuple({place.rstrip("/") + "/" for place in (prefix, os.path.realpath(prefix))})
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid() or process.pid in ignoring:
            continue
        try:
            words = process.cmdline()
        except psutil.Error:  # it has ended, or is closed to us
            words = []
        try:
            program = process.exe()
        except psutil.Error:
            program = ""
        if any(word.startswith(places) for word in (program, *words[:2])):
            found.append(Process(process.pid, " ".join(words[:4]) or program))
    return tuple(found)
