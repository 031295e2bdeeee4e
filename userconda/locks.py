"""Leases: one run a target prefix, on filesystems where flock(2) is a promise nobody keeps.

A lease is a file that comes into being by link(2), which is atomic on NFS and Lustre too. It holds who took it; its
mtime, which the file server sets, is its heartbeat. A lease is stale when its process is seen to be dead on this host,
or when it has not beaten for ten minutes by the file server's clock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import time
from dataclasses import dataclass
from typing import Any, Final

from userconda import fsops, processes
from userconda.errors import LockTimeout, UcenvError

STALE_SECONDS: Final = 600.0
BEAT_SECONDS: Final = 30.0

#: link(2) is not there: the lease is created exclusively instead, which local filesystems do atomically.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: float | None
    job: str
    token: str

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"


def this_process(job: str = "") -> Holder:
    pid = os.getpid()
    token = os.urandom(8).hex()
    return Holder(platform.node(), _boot_id(), _pid_namespace(), pid, processes.start_time(pid), job, token)


def _pid_namespace() -> str:
    """Two containers of one host may have the same name and each its own process 1."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        return ""


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:  # not Linux
        return ""


class Lease:
    """Held from `acquire` to `release`; `beat` now and then in between."""

    def __init__(self, path: str, holder: Holder) -> None:
        self.path = path
        self.holder = holder
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Tell that the holder lives. The server sets the time: UTIME_NOW, not this host's clock."""
        if time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            with contextlib.suppress(OSError):  # a missed beat is not worth a clone; ten minutes of them are noticed
                os.utime(self.path)

    def release(self) -> None:
        if read_holder(self.path) == self.holder:
            with contextlib.suppress(OSError):  # its holder is dead in a moment, and so is the lease
                os.unlink(self.path)


def acquire(path: str, job: str = "") -> Lease:
    """Take the lease at `path`, over a stale one if need be.

    Raises:
        LockTimeout: somebody alive holds it.
        SpaceNotWritable, NotEnoughSpace, NotEnoughInodes, QuotaExceeded: its directory cannot be made or written.
    """
    holder = this_process(job)
    fresh = f"{path}.{holder.host}.{holder.pid}.{holder.token}"
    try:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                _write(fresh, holder)
            except FileNotFoundError:  # another run that ended tidied the empty directory away
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write(fresh, holder)
        except OSError as exc:
            raise _refused(path, exc) from None
        for _ in range(10):
            if _take(fresh, path, holder):
                return Lease(path, holder)
            other = read_holder(path)
            if other is None:
                continue  # released between the two calls
            if not is_stale(path, other, fresh):
                raise LockTimeout(path, str(other))
            break_stale(path, other, holder)
        raise LockTimeout(path, "several others")
    finally:
        with contextlib.suppress(OSError):  # `recover` knows it by its name
            os.unlink(fresh)


def _refused(path: str, exc: OSError) -> UcenvError:
    return fsops.not_writable(os.path.dirname(path), exc)


def _write(path: str, holder: Holder) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w") as stream:
        json.dump({name: getattr(holder, name) for name in Holder.__slots__}, stream)


def _take(fresh: str, path: str, holder: Holder) -> bool:
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            # A reply lost on NFS: the link may have been made all the same.
            if read_holder(path) == holder:
                return True
            raise _refused(path, exc) from None
        try:
            _write(path, holder)
        except FileExistsError:
            return False
        except OSError as exc:
            raise _refused(path, exc) from None
    return True


def read_holder(path: str) -> Holder | None:
    """Who holds a lease; None where it is gone. One that says nothing is somebody's all the same, until it is old."""
    try:
        with open(path, encoding="utf-8") as stream:
            fields: dict[str, Any] = json.load(stream)
        holder = Holder(**fields)
        if type(holder.pid) is int and isinstance(holder.started, (int, float, type(None))):
            return holder
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        pass  # another user's, killed before it was written, or not ours at all
    return Holder("an unknown host", "", "", -1, None, "", "")


def is_stale(path: str, holder: Holder, clock: str) -> bool:
    """Whether a lease's holder is dead.

    Args:
        clock: a file of ours beside the lease; touched now, its mtime is the file server's time.
    """
    if is_dead_here(holder):
        return True
    if is_alive(holder):
        return False
    try:
        os.utime(clock)
        now = os.stat(clock).st_mtime
        return now - os.stat(path).st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return False


def is_dead_here(holder: Holder) -> bool:
    """Whether the holder's process is seen to be gone, on this host."""
    if holder.host != platform.node() or holder.pid <= 0 or not holder.boot:
        return False
    if holder.boot != _boot_id():
        return True
    return _is_in_sight(holder) and not processes.is_running(holder.pid, holder.started)


def is_alive(holder: Holder) -> bool:
    """Whether the holder's process is seen to run, on this host."""
    return _is_in_sight(holder) and processes.is_running(holder.pid, holder.started)


def _is_in_sight(holder: Holder) -> bool:
    """Whether its number means the same process to us as to it."""
    here = (platform.node(), _boot_id(), _pid_namespace())
    return holder.pid > 0 and bool(holder.boot) and (holder.host, holder.boot, holder.namespace) == here


def break_stale(path: str, stale: Holder, holder: Holder) -> None:
    """Take a stale lease away, and no other: rename it, look what was renamed, put a live one back."""
    aside = f"{path}.stale.{holder.token}"
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if read_holder(aside) != stale:
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        except OSError:  # no hard links here
            if not os.path.lexists(path):
                os.rename(aside, path)
    with contextlib.suppress(OSError):
        os.unlink(aside)


def is_named_after_dead(path: str) -> bool:
    """Whether `path` is `*.HOST.PID.*` of a process of this host that is gone: what it was killed over says no more."""
    rest, _, pid = path.rpartition(".")[0].rpartition(".")
    return rest.endswith(f".{platform.node()}") and pid.isdigit() and not processes.is_running(int(pid), None)
