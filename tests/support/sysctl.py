"""The kernel's setting that decides whether a user may hard-link another user's file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support import Unavailable, need_root

PATH = Path("/proc/sys/fs/protected_hardlinks")

# Waits for the end of its input, which comes when the test process closes it or dies, by whatever signal.
_WATCHDOG = 'trap "" HUP INT TERM; echo armed; read -r _; echo "$1" >"$2"'

_depth = 0
_watchdog: subprocess.Popen[bytes] | None = None


def _let_go_in_child() -> None:
    """A forked child would otherwise hold the watchdog's pipe open after its parent's death."""
    if _watchdog and _watchdog.stdin:
        _watchdog.stdin.close()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextlib.contextmanager
def protected_hardlinks(value: int) -> Iterator[None]:
    """fs.protected_hardlinks is `value` inside, and afterwards what it was, also when this process is killed.

    It is one setting for the whole machine. A lock keeps other test processes from entering meanwhile, so a test
    that depends on the value says so by entering too, also with the usual 1. Nested use is fine.
    """
    global _depth
    need_root("fs.protected_hardlinks is set")
    with contextlib.ExitStack() as stack:
        if _depth == 0:
            lock_fd = stack.enter_context(_lock())
            stack.enter_context(_restored_by_watchdog(PATH.read_text().strip(), lock_fd))
        before = int(PATH.read_text())
        _depth += 1
        try:
            _write(value)
            yield
        finally:
            _depth -= 1
            _write(before)


def usual_value() -> int:
    """The value while no test has changed it."""
    need_root("the lock is root's")
    with _lock():
        return int(PATH.read_text())


@contextlib.contextmanager
def _lock() -> Iterator[int]:
    with (Path(tempfile.gettempdir()) / "ucenv-test-sysctl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


@contextlib.contextmanager
def _restored_by_watchdog(value: str, lock_fd: int) -> Iterator[None]:
    """The watchdog holds the lock too: free before the value is back, the next would take ours for the usual one."""
    global _watchdog
    # In a session of its own: a signal for the test run's process group does not reach it.
    with subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "restore-sysctl", value, PATH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[lock_fd],
        start_new_session=True,
    ) as _watchdog:
        assert _watchdog.stdout is not None
        if _watchdog.stdout.readline() != b"armed\n":
            raise RuntimeError("the watchdog for fs.protected_hardlinks did not start")
        try:
            yield
        finally:
            _watchdog.communicate()
            _watchdog = None


def _write(value: int) -> None:
    try:
        PATH.write_text(f"{value}\n")
    except OSError as error:
        raise Unavailable(f"{PATH} cannot be set: {error.strerror}") from error
