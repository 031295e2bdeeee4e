"""Putting a package that was just installed into the user's own package cache, out of the files installed.

Where the kernel refuses links to the system's cache, conda copies every file, in every environment again. The first of
these copies becomes the cache's: a hard link to it costs no byte. Only what a package's prefix goes into is copied
from the system's cache, with `info/`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from userconda import fsops, locks
from userconda.errors import CorruptRecord, PathEscapesPrefix, UcenvError
from userconda.records import PathEntry, check_path, noarch_path, on_disk, parse_paths

#: Staging directories in a package cache: this, host, pid, something random, with dots between. The package is one
#: level below: conda takes every directory of a cache that has an info/index.json for a package.
STAGING_PREFIX: Final = ".ucenv-seed."

_CHUNK_BYTES: Final = 1 << 20


class NotSeeded(Exception):
    """Why a package was left where it is; nothing of it is in the cache."""


class LinksRefused(NotSeeded):
    """No file of the environment can be linked from the cache: then conda cannot link the other way either."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A package as conda has just linked it.

    Attributes:
        extracted: where it was extracted, in a cache that it could not be linked from.
        prefix: the environment.
        site_packages: of the environment, for a noarch Python package; None for every other.
        repodata_record: what the new entry's is to be where the old one has none.
        url: for urls.txt, by which conda knows where a cache's packages came from.
    """

    extracted: str
    prefix: str
    site_packages: str | None
    repodata_record: bytes
    url: str | None

    def path(self, entry: PathEntry) -> str:
        """Where a file of the package is in the environment."""
        relative = noarch_path(entry.path, self.site_packages) if self.site_packages else entry.path
        return os.path.join(self.prefix, on_disk(relative))


def was_copied(package: Installed) -> bool:
    """Whether conda, asked for hard links, made copies: by the first file that both could share.

    Raises:
        NotSeeded: there is none.
    """
    for entry in _read_paths(package.extracted):
        if _is_shareable(entry):
            try:
                source = os.stat(os.path.join(package.extracted, on_disk(entry.path)), follow_symlinks=False)
                target = os.stat(package.path(entry), follow_symlinks=False)
            except OSError as exc:
                raise NotSeeded(f"{exc.filename}: {exc.strerror}") from None
            same = (source.st_dev, source.st_ino) == (target.st_dev, target.st_ino)
            return not same and stat.S_ISREG(target.st_mode)
    raise NotSeeded(f"{package.extracted} has no file to share")


def seed(package: Installed, cache: str) -> bool:
    """Make the package an entry of a cache on the environment's filesystem; complete under its name or not there.

    Returns:
        False where the cache has something of that name already.

    Raises:
        NotSeeded: a file is not what the package's paths.json says, or nothing can be linked.
        UcenvError: the system refused; above all NotEnoughSpace and QuotaExceeded.
    """
    name = os.path.basename(package.extracted)
    target = os.path.join(cache, name)
    if os.path.lexists(target):
        return False
    entries = _read_paths(package.extracted)
    _remove_left(cache)
    staging = os.path.join(cache, f"{STAGING_PREFIX}{platform.node()}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        os.mkdir(staging)
        try:
            _fill(os.path.join(staging, name), package, entries)
            _publish(os.path.join(staging, name), target)
        finally:
            with contextlib.suppress(OSError):  # what is left is found by its name, next time
                fsops.remove_tree(staging)
        _note_url(cache, package.url)
    except FileExistsError:  # another transaction was first
        return False
    except fsops.ChangedMeanwhile as exc:
        raise NotSeeded(f"{exc} changed while it was read") from None
    except OSError as exc:
        raise fsops.failure("seeding", exc.filename or target, exc) from None
    return True


def _publish(staging: str, target: str) -> None:
    try:
        os.rename(staging, target)
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(exc.errno, os.strerror(exc.errno), target) from None
        raise


def _read_paths(extracted: str) -> Sequence[PathEntry]:
    path = os.path.join(extracted, "info", "paths.json")
    try:
        with open(path, "rb") as stream:
            entries = parse_paths(stream.read(), path).paths
        for entry in entries:
            check_path(entry.path, path)
    except FileNotFoundError:
        raise NotSeeded(f"{path} is missing: nothing tells what its files should be") from None
    except (CorruptRecord, PathEscapesPrefix) as exc:
        raise NotSeeded(exc.message) from None
    return entries


def _is_shareable(entry: PathEntry) -> bool:
    """Whether conda makes this file a hard link."""
    return entry.path_type in (None, "hardlink") and not entry.prefix_placeholder and not entry.no_link


def _fill(target: str, package: Installed, entries: Sequence[PathEntry]) -> None:
    """Directories and files first, symlinks last: so nothing is written through one of the package's own."""
    os.mkdir(target)
    made = {""}
    symlinks = []
    for entry in entries:
        path = on_disk(entry.path)
        _make_directories(target, path if entry.path_type == "directory" else os.path.dirname(path), made)
        if entry.path_type == "softlink":
            symlinks.append(path)
        elif entry.path_type != "directory":
            _put_file(target, path, package, entry)
    for path in (*_files_below(package.extracted, "info"),):
        _make_directories(target, os.path.dirname(path), made)
        _copy(package.extracted, target, path)
    for path in symlinks:
        os.symlink(os.readlink(os.path.join(package.extracted, path)), os.path.join(target, path))
    record = os.path.join(target, "info", "repodata_record.json")
    if not os.path.exists(record):
        fsops.write_file(record, package.repodata_record)


def _put_file(target: str, path: str, package: Installed, entry: PathEntry) -> None:
    if entry.sha256 is None:
        raise NotSeeded(f"{path} of {package.extracted} has no recorded hash")
    if _is_shareable(entry) and _is_true(package.path(entry), entry):
        try:
            os.link(package.path(entry), os.path.join(target, path), follow_symlinks=False)
            return
        except OSError as exc:
            if exc.errno != errno.EMLINK:
                if exc.errno in fsops.HARDLINK_REFUSED:
                    raise LinksRefused(fsops.HARDLINK_REFUSED[exc.errno]) from None
                raise
    _copy(package.extracted, target, path)
    if not _is_true(os.path.join(target, path), entry):
        raise NotSeeded(f"{path} of {package.extracted} is not what its paths.json says")


def _is_true(path: str, entry: PathEntry) -> bool:
    """Whether a file is the one that was packed, and the user's own."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        if exc.errno in (*fsops.VANISHED, errno.EACCES):
            return False
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        if entry.size_in_bytes is not None and status.st_size != entry.size_in_bytes:
            return False
        digest = hashlib.sha256()
        while data := os.read(descriptor, _CHUNK_BYTES):
            digest.update(data)
        return digest.hexdigest() == entry.sha256
    finally:
        os.close(descriptor)


def _copy(source: str, target: str, path: str) -> None:
    """One file, or symlink, of an extracted package."""
    directory, name = os.path.split(path)
    with _directory(os.path.join(source, directory)) as source_fd, _directory(os.path.join(target, directory)) as fd:
        if stat.S_ISLNK(os.stat(name, dir_fd=source_fd, follow_symlinks=False).st_mode):
            os.symlink(os.readlink(name, dir_fd=source_fd), name, dir_fd=fd)
        else:
            fsops.copy(name, source_fd, fd, path, reflink=True)


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_directories(target: str, path: str, made: set[str]) -> None:
    if path not in made:
        _make_directories(target, os.path.dirname(path), made)
        os.mkdir(os.path.join(target, path))
        made.add(path)


def _files_below(root: str, top: str) -> Iterator[str]:
    with os.scandir(os.path.join(root, top)) as entries:
        for entry in entries:
            path = f"{top}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(root, path)
            elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                yield path


def _note_url(cache: str, url: str | None) -> None:
    """One write of one line: two transactions at once leave two lines."""
    if not url or "\n" in url:
        return
    path = os.path.join(cache, "urls.txt")
    line = url.encode() + b"\n"
    with open(path, "ab+") as stream:
        stream.seek(0)
        if line not in stream.readlines():
            stream.write(line)


def _remove_left(cache: str) -> None:
    """What a process of this host left that was killed meanwhile."""
    try:
        names = os.listdir(cache)
    except OSError:
        return
    for name in names:
        path = os.path.join(cache, name)
        if name.startswith(STAGING_PREFIX) and locks.is_named_after_dead(path):
            with contextlib.suppress(OSError, UcenvError):
                fsops.remove_tree(path)
