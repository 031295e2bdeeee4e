"""fs.protected_hardlinks for the time of a demonstration: put back whatever happens to this process."""

import contextlib
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PATH = Path("/proc/sys/fs/protected_hardlinks")

# Waits for the end of its input, which comes when this process closes it or dies, by whatever signal.
_WATCHDOG = 'trap "" HUP INT TERM; echo armed; read -r _; echo "$1" >"$2"'


def may_set() -> bool:
    """Whether this process may change it: root outside of a container as a rule."""
    if os.geteuid() != 0:
        return False
    try:
        with _lock():
            PATH.write_text(PATH.read_text())
    except OSError:
        return False
    return True


@contextlib.contextmanager
def protected_hardlinks(value: int) -> Iterator[None]:
    """`value` inside, afterwards what it was, also when this process is killed. Needs root.

    It is one setting for the whole machine; the lock is the one that the tests take for it.
    """
    with _lock() as lock_fd:
        before = PATH.read_text().strip()
        # In a session of its own, so that Ctrl-C does not reach it; it holds the lock until the value is back.
        with subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "restore-sysctl", before, PATH],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[lock_fd],
            start_new_session=True,
        ) as watchdog:
            assert watchdog.stdout is not None
            if watchdog.stdout.readline() != b"armed\n":
                raise RuntimeError("the watchdog for fs.protected_hardlinks did not start")
            try:
                PATH.write_text(f"{value}\n")
                yield
            finally:
                watchdog.communicate()


@contextlib.contextmanager
def _lock() -> Iterator[int]:
    with (Path(tempfile.gettempdir()) / "ucenv-test-sysctl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
