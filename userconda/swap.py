"""Putting what was built beside into the place of links: in one step where the filesystem can, else in two that a
journal remembers.

rename(2) takes the place of a link with a file, but not with a directory (ENOTDIR). So the two names are exchanged;
where that is refused the link is moved to the journal's staging directory first, and for one round trip nothing has its
name. `settle` puts the directory there where a run died in that gap: it was complete before the link was touched.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import stat
from collections.abc import Iterator
from typing import Final

from userconda import fsops
from userconda.errors import UcenvError
from userconda.journal import Journal, StateDirectory

#: In a staging directory: what came from the parent, what came from the environment itself, and links moved aside.
PARENT: Final = "parent"
OWN: Final = "own"
_ASIDE: Final = "aside"


class Swap:
    """One run's staging directory and the environment that it changes, open."""

    def __init__(self, note: Journal) -> None:
        self._note = note
        self._prefix_fd = os.open(note.target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._staging_fd = -1

    def __enter__(self) -> Swap:
        try:
            self._staging_fd = os.open(self._note.staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            os.close(self._prefix_fd)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._prefix_fd)
        os.close(self._staging_fd)

    def can_exchange(self) -> bool:
        """Whether this filesystem exchanges a directory with a link: tried."""
        os.mkdir("probe", dir_fd=self._staging_fd)
        os.symlink("nowhere", "probe-link", dir_fd=self._staging_fd)
        return not fsops.exchange("probe", self._staging_fd, "probe-link", self._staging_fd)

    def directory(self, path: str, expected: str, *, exchange: bool) -> bool:
        """Put the directory that was built for `path` into the place of the link there.

        Args:
            expected: where that link leads.

        Returns:
            False where it is not that link any more; nothing was done.
        """
        name = posixpath.basename(path)
        with self._open(path, PARENT) as (place_fd, staged_fd):
            if _link_target(name, place_fd) != expected:
                return False
            if exchange and not fsops.exchange(name, staged_fd, name, place_fd):
                return True
            with contextlib.suppress(FileExistsError):
                os.mkdir(_ASIDE, 0o700, dir_fd=self._staging_fd)
            aside_fd = fsops.open_directory(_ASIDE, self._staging_fd, _ASIDE)
            try:
                os.rename(name, self._number(path), src_dir_fd=place_fd, dst_dir_fd=aside_fd)
                os.rename(name, name, src_dir_fd=staged_fd, dst_dir_fd=place_fd)
            except BaseException as exc:
                self._settle(path, place_fd, staged_fd, aside_fd)
                # Its answer may have been lost, not its effect.
                if not isinstance(exc, OSError) or not _is_directory(name, place_fd):
                    raise
            finally:
                os.close(aside_fd)
        return True

    def file(self, path: str, part: str, expected: str | int) -> bool:
        """The same for a file.

        Args:
            part: PARENT or OWN.
            expected: where the link leads, or the inode of the file, whose place it takes.
        """
        name = posixpath.basename(path)
        with self._open(path, part) as (place_fd, staged_fd):
            try:
                status = os.stat(name, dir_fd=place_fd, follow_symlinks=False)
            except FileNotFoundError:
                return False
            there = _link_target(name, place_fd) if stat.S_ISLNK(status.st_mode) else status.st_ino
            if there != expected:
                return False
            os.rename(name, name, src_dir_fd=staged_fd, dst_dir_fd=place_fd)
        return True

    def note(self, name: str, data: bytes) -> None:
        """A small file in conda-meta, complete under its name at any time."""
        meta_fd = fsops.open_below(self._prefix_fd, "conda-meta")
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._staging_fd)
            fsops.write_new(name, self._staging_fd, name, data)
            fsops.sync_file(name, self._staging_fd)
            os.rename(name, name, src_dir_fd=self._staging_fd, dst_dir_fd=meta_fd)
        finally:
            os.close(meta_fd)

    def settle(self) -> None:
        """Close the gap that a run may have left."""
        try:
            aside_fd = fsops.open_directory(_ASIDE, self._staging_fd, _ASIDE)
        except UcenvError:  # no link was moved
            return
        try:
            numbers = {*os.listdir(aside_fd)}
            for path in self._note.directories:
                if self._number(path) in numbers:
                    with contextlib.suppress(UcenvError), self._open(path, PARENT) as (place_fd, staged_fd):
                        self._settle(path, place_fd, staged_fd, aside_fd)
        finally:
            os.close(aside_fd)

    def _settle(self, path: str, place_fd: int, staged_fd: int, aside_fd: int) -> None:
        name, number = posixpath.basename(path), self._number(path)
        # Only between the two renames all of these hold; a directory that the user removed later is not put back.
        if _exists(name, place_fd) or not _exists(number, aside_fd) or not _is_directory(name, staged_fd):
            return
        try:
            os.rename(name, name, src_dir_fd=staged_fd, dst_dir_fd=place_fd)
        except OSError:
            os.rename(number, name, src_dir_fd=aside_fd, dst_dir_fd=place_fd)

    def _number(self, path: str) -> str:
        return str(self._note.directories.index(path))

    @contextlib.contextmanager
    def _open(self, path: str, part: str) -> Iterator[tuple[int, int]]:
        parent = posixpath.dirname(path)
        place_fd = fsops.open_below(self._prefix_fd, parent)
        try:
            staged_fd = fsops.open_below(self._staging_fd, f"{part}/{parent}".rstrip("/"))
            try:
                yield place_fd, staged_fd
            finally:
                os.close(staged_fd)
        finally:
            os.close(place_fd)


def settle(note: Journal, state: StateDirectory) -> None:
    """Bring a thaw that died to an end: every path is a link or a complete directory. The caller holds its lease.

    Raises:
        FileOperation: nothing could be done; the journal stays.
    """
    try:
        with Swap(note) as swap:
            swap.settle()
    except FileNotFoundError:  # nothing was built yet, or the environment is gone
        pass
    except OSError as exc:
        raise fsops.failure("finishing the thaw", note.target, exc) from None
    fsops.set_aside(note.staging, state.trash)
    note.close()


def is_thawed(note: Journal) -> bool:
    """Whether every directory of a thaw has its place."""
    return not any(os.path.islink(os.path.join(note.target, path)) for path in note.directories)


def _link_target(name: str, directory_fd: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=directory_fd)
    except OSError:  # EINVAL: no link. ENOENT: nothing.
        return None


def _exists(name: str, directory_fd: int) -> bool:
    try:
        os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _is_directory(name: str, directory_fd: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
