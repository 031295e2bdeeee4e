"""Everyone may read what a shared conda has: `chmod -R a+rX`, only where it is not so, without following links.

What stays as it is:
- what is not ours: only its owner can tell why it is closed (root could, and does not overrule them);
- what is in a directory that everyone may write, or that is neither ours nor root's nor of the conda's owner: another
  user could have put a link to a file of ours there;
- names that hold keys and passwords by custom (CLOSED, CLOSED_PATHS), and directories in which something is being made
  or thrown away (PASSING): nobody but those at work needs them. `.condarc` is no such name, also with a password in it:
  conda fails for everyone who cannot read it. Locks of conda's and mamba's are empty files, and opened like others.
"""

from __future__ import annotations

import contextlib
import grp
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from userconda.fsops import VANISHED, failure
from userconda.probe import owner_name

#: Keys and passwords, wherever they are.
CLOSED: Final = frozenset({".netrc", "_netrc", ".git-credentials", ".pypirc", ".ssh", ".gnupg", ".aws"})
#: What tools keep in a home, where the conda is one; and the site's own file, of interest to administrators only.
CLOSED_PATHS: Final = frozenset(
    {
        ".anaconda", ".bash_history", ".cache", ".conda", ".config", ".continuum", ".docker", ".local", ".mamba",
        "etc/ucenv/site.toml",
    }
)  # fmt: skip
#: Of conda, mamba and ucenv: transactions under way, what is to be deleted.
PASSING: Final = frozenset({".condatmp", ".trash", ".ucenv", "__clobbers__"})

#: Each waits for a file server most of the time.
_THREADS: Final = 16
#: Directories whose entries are held at a time.
_BATCH: Final = 256
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_CONTENT: Final = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry that gets permission bits.

    Attributes:
        path: below the root, "" for itself.
        mode, wanted: permission bits before and after.
        identity: of the inode that was looked at.
    """

    path: str
    mode: int
    wanted: int
    identity: tuple[int, int]


@dataclass(slots=True)
class PermissionsPlan:
    """
    Attributes:
        foreign: closed, and another user's: path and owner.
        kept: closed, and to stay so: path and why.
        writable: path and who may write it.
        unlisted: directories of ours that cannot be looked into before they are opened.
        entries: how many were looked at.
    """

    root: str
    opened: list[Opened] = field(default_factory=list)
    foreign: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    writable: list[tuple[str, str]] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    entries: int = 0


def plan_permissions(root: str, below: Sequence[str] = ("",)) -> PermissionsPlan:
    """Look at everything below the root once.

    Args:
        below: only these directories of it.

    Raises:
        FileOperation: the root itself cannot be looked at.
    """
    plan = PermissionsPlan(root)
    try:
        first = os.stat(root)
    except OSError as exc:
        raise failure("reading", root, exc) from None
    if "" in below:
        _judge(plan, "", first, "")
    trusted, seen = {0, os.geteuid(), first.st_uid}, set[tuple[int, int]]()
    with ThreadPoolExecutor(_THREADS) as pool:
        level = list(below)
        while level:
            batch, level = level[:_BATCH], level[_BATCH:]
            for directory, listed in zip(batch, pool.map(_listed, (os.path.join(root, d) for d in batch)), strict=True):
                if isinstance(listed, OSError):
                    _unlisted(plan, directory, listed)
                else:
                    level += _directories(plan, directory, listed, trusted, seen)
    return plan


_Listed = tuple[os.stat_result, list[tuple[str, os.stat_result]]]


def _listed(path: str) -> _Listed | OSError:
    """The directory itself, and what is in it, links left out."""
    found = []
    try:
        descriptor = os.open(path, _DIRECTORY)
        try:
            status = os.fstat(descriptor)
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if not entry.is_symlink():
                        with contextlib.suppress(FileNotFoundError):
                            found.append((entry.name, entry.stat(follow_symlinks=False)))
        finally:
            os.close(descriptor)
    except OSError as exc:
        return exc
    return status, found


def _unlisted(plan: PermissionsPlan, directory: str, exc: OSError) -> None:
    if exc.errno in VANISHED:
        return
    if not isinstance(exc, PermissionError):
        raise failure("reading", os.path.join(plan.root, directory), exc)
    if any(opened.path == directory for opened in plan.opened):
        plan.unlisted.append(directory)
    elif all(path != directory for path, _ in plan.foreign):
        plan.foreign.append((directory, "which cannot be looked into"))


def _directories(
    plan: PermissionsPlan, directory: str, listed: _Listed, trusted: set[int], seen: set[tuple[int, int]]
) -> Iterator[str]:
    """Judge what a directory has; the directories in it that are to be looked into."""
    above, entries = listed
    why = "everyone may write the directory it is in" if above.st_mode & stat.S_IWOTH else ""
    if above.st_uid not in trusted:
        why = f"the directory it is in is of {owner_name(above.st_uid)}"
    plan.entries += len(entries)
    for name, status in entries:
        path = os.path.join(directory, name)
        is_directory = stat.S_ISDIR(status.st_mode)
        if name in CLOSED or name in PASSING or path in CLOSED_PATHS or name.endswith((".c~", ".conda_trash")):
            continue
        if not is_directory and status.st_nlink > 1:
            # The same file in the package cache and in environments.
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            if status.st_mode & 0o022 or _wanted(status.st_mode) != stat.S_IMODE(status.st_mode):
                seen.add(identity)
        _judge(plan, path, status, why)
        if is_directory:
            yield path


def _wanted(mode: int) -> int:
    """a+rX"""
    bits = stat.S_IMODE(mode)
    return bits | 0o444 | (0o111 if stat.S_ISDIR(mode) or bits & 0o111 else 0)


def _judge(plan: PermissionsPlan, path: str, status: os.stat_result, why: str) -> None:
    mode, wanted = stat.S_IMODE(status.st_mode), _wanted(status.st_mode)
    if mode & 0o002 or (mode & 0o020 and not _is_own_group(status.st_uid, status.st_gid)):
        who = "everyone" if mode & 0o002 else f"group {_group_name(status.st_gid)}"
        plan.writable.append((path, who))
    if mode == wanted or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return
    if status.st_uid != os.geteuid():
        plan.foreign.append((path, f"of {owner_name(status.st_uid)}"))
    elif why:
        plan.kept.append((path, why))
    elif mode & stat.S_ISGID and os.geteuid() and status.st_gid not in (os.getegid(), *_groups()):
        # The kernel would take the bit away: one is not in that group.
        plan.kept.append((path, f"it would lose its setgid bit (you are not in {_group_name(status.st_gid)})"))
    else:
        plan.opened.append(Opened(path, mode, wanted, (status.st_dev, status.st_ino)))


def execute_permissions(plan: PermissionsPlan) -> int:
    """Open what the plan names, and what is found in directories that were closed to us too; how many.

    Raises:
        FileOperation: a change was refused; what was done before stays.
    """
    done = 0
    while plan.opened:
        directory_fd, directory = -1, ""
        try:
            for opened in plan.opened:
                parent, name = os.path.split(opened.path)
                if directory_fd < 0 or parent != directory:
                    if directory_fd >= 0:
                        os.close(directory_fd)
                    directory_fd, directory = _open_below(plan.root, parent), parent
                if directory_fd >= 0:
                    done += _change(name or ".", directory_fd, opened, plan.root)
        finally:
            if directory_fd >= 0:
                os.close(directory_fd)
        if not plan.unlisted:
            break
        plan = plan_permissions(plan.root, plan.unlisted)
    return done


def _open_below(root: str, directory: str) -> int:
    """A descriptor of a directory, no link followed on the way down; -1 where it is gone or a link now."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in directory.split("/") if directory else ():
        try:
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
        except OSError as exc:
            if exc.errno in VANISHED:
                return -1
            raise failure("opening the directory", os.path.join(root, directory), exc) from None
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _change(name: str, directory_fd: int, opened: Opened, root: str) -> bool:
    """False where it is another file by now."""
    path = os.path.join(root, opened.path)
    try:
        descriptor = os.open(name, _NO_CONTENT, dir_fd=directory_fd)
    except OSError as exc:
        if exc.errno in VANISHED:
            return False
        raise failure("opening", path, exc) from None
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino, stat.S_IMODE(status.st_mode)) != (*opened.identity, opened.mode):
            return False
        if hasattr(os, "O_PATH"):
            # fchmod(2) does not take a descriptor of this kind; what it stands for in /proc is that very inode.
            os.chmod(f"/proc/self/fd/{descriptor}", opened.wanted)
        else:
            os.fchmod(descriptor, opened.wanted)
    except OSError as exc:
        raise failure("chmod", path, exc) from None
    finally:
        os.close(descriptor)
    return True


# who ------------------------------------------------------------------------------------------------------------


@cache
def _is_own_group(uid: int, gid: int) -> bool:
    """A group of the name of a user, with nobody else in it: what distributions give each user."""
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == owner_name(uid) and set(group.gr_mem) <= {group.gr_name}


@cache
def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


@cache
def _groups() -> Iterable[int]:
    return frozenset(os.getgroups())
