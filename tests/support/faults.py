"""A stand-in for the module `os` that counts, fails or kills at a chosen call.

    monkeypatch.setattr(fsops, "os", FaultyOs(fail(errno.EPERM, calls={"link"}, path="/lib/")))

To break an operation at every step: run it once with `FaultyOs(counted=CHANGING)`, take `total`, then run it in a
forked child (`users.fork`) with `kill(nth=n)` for each n up to that. Counts are shared with forked children. What
does not go through the patched name is not seen: shutil, pathlib, DirEntry.stat, ctypes, another module's own `os`.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

_LOOKING = (
    "access close fstat fstatvfs getxattr listdir listxattr lseek lstat pread read readlink readv scandir stat statvfs"
)
_CHANGING = (
    "chmod chown copy_file_range fchmod fchown fdatasync fsync ftruncate lchown link makedirs mkdir mkfifo mknod open "
    "pwrite remove removedirs removexattr rename renames replace rmdir sendfile setxattr splice symlink sync truncate "
    "unlink utime write writev"
)
CHANGING = frozenset(_CHANGING.split()) & frozenset(dir(os))
COUNTED = CHANGING | frozenset(_LOOKING.split())

_DIRECTORY_ARGUMENTS = ("dir_fd", "src_dir_fd", "dst_dir_fd")


@dataclass(frozen=True)
class Fault:
    """`error` (None: SIGKILL) at the calls that match, each or only the `nth` of them (from 1), instead or `after`.

    After the call: it took effect and its answer was lost, as over NFS.
    """

    error: int | None
    calls: frozenset[str] | None
    path: re.Pattern[str] | None
    nth: int | None
    after: bool

    def matches(self, name: str, paths: Callable[[], list[str]]) -> bool:
        if self.calls is not None and name not in self.calls:
            return False
        return self.path is None or any(self.path.search(path) for path in paths())


def fail(
    error: int,
    *,
    calls: Collection[str] | None = None,
    path: str | None = None,
    nth: int | None = None,
    after: bool = False,
) -> Fault:
    """OSError(error). `path` is a regular expression, searched in each path argument and in descriptors' paths."""
    return Fault(error, *_where(calls, path), nth, after)


def kill(
    *, calls: Collection[str] | None = None, path: str | None = None, nth: int | None = None, after: bool = False
) -> Fault:
    """SIGKILL to the process that makes the call."""
    return Fault(None, *_where(calls, path), nth, after)


class FaultyOs:
    """Every attribute is the real module's; the functions in `counted` are counted and obey the faults."""

    def __init__(self, *faults: Fault, module: ModuleType = os, counted: Collection[str] = COUNTED) -> None:
        self._faults = faults
        self._module = module
        self._names = sorted(counted)
        for fault in faults:
            if unknown := (fault.calls or frozenset()) - set(counted):
                raise ValueError(f"not counted, so the fault would never act: {', '.join(sorted(unknown))}")
        # First a slot for each function, then one for each fault.
        self._slots = multiprocessing.get_context("fork").Array("Q", len(self._names) + len(faults))

    @property
    def counts(self) -> Counter[str]:
        return Counter({name: n for name, n in zip(self._names, self._slots[:], strict=False) if n})

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def matched(self) -> list[int]:
        """How often each fault's condition was met: a fault that never was is a test that tested nothing."""
        return list(self._slots[len(self._names) :])

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if name in self._names and callable(value):
            value = functools.partial(self._call, name, value)
        elif name.startswith("supports_"):  # `os.stat in os.supports_dir_fd` asks about our functions
            value = value | {getattr(self, known.__name__) for known in value}
        setattr(self, name, value)
        return value

    def _call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        due = self._count(name, lambda: _paths(args, kwargs))
        for fault in due:
            if not fault.after:
                _act(fault, args)
        result = function(*args, **kwargs)
        for fault in due:
            if fault.after:
                _act(fault, args)
        return result

    def _count(self, name: str, paths: Callable[[], list[str]]) -> list[Fault]:
        """The lock is let go before anything happens: a process killed holding it would stop the others."""
        matching = [index for index, fault in enumerate(self._faults) if fault.matches(name, paths)]
        due = []
        with self._slots.get_lock():
            self._slots[self._names.index(name)] += 1
            for index in matching:
                self._slots[len(self._names) + index] += 1
                if self._faults[index].nth in (None, self._slots[len(self._names) + index]):
                    due.append(self._faults[index])
        return due


def _where(calls: Collection[str] | None, path: str | None) -> tuple[frozenset[str] | None, re.Pattern[str] | None]:
    return (None if calls is None else frozenset(calls), None if path is None else re.compile(path))


def _act(fault: Fault, args: tuple[Any, ...]) -> NoReturn:
    if fault.error is None:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("SIGKILL returned")
    named = [arg for arg in args[:2] if isinstance(arg, (str, bytes, os.PathLike))]
    raise OSError(fault.error, os.strerror(fault.error), *named[:1], *([None, named[1]] if named[1:] else []))


def _paths(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """The paths a call is about; a relative one below the directory its descriptor stands for."""
    given = [*args[:2], *(kwargs[name] for name in ("path", "src", "dst", "fd") if name in kwargs)]
    names = [os.fsdecode(arg) for arg in given if isinstance(arg, (str, bytes, os.PathLike))]
    if not names and given and isinstance(given[0], int):
        return [_descriptor_path(given[0])]
    directories = [kwargs.get(name) for name in _DIRECTORY_ARGUMENTS]
    if directories[0] is not None:
        return [os.path.join(_descriptor_path(directories[0]), name) for name in names]
    return [
        name if directory is None else os.path.join(_descriptor_path(directory), name)
        for name, directory in zip(names, directories[1:], strict=False)
    ]


def _descriptor_path(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
