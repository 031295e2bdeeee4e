"""Disk -> inode table: every environment and package cache of a user in one pass, never written to.

Nothing is followed and nothing is read twice. A file with one link is added to a sum at once; of files with several
links a row is kept for the inode and its number for each name, and what they share is worked out afterwards
(`sharing`). Directories are opened one below the other by descriptor, subtrees shared out to a process a core.

An inode that was met is not asked for again: the listing tells its number. That holds within one run only, because
link counts change; and only where the listing's numbers were found to be those of the inodes, at every file that has
several links (overlays and some FUSE filesystems list others).
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from userconda.errors import FileOperation
from userconda.fsops import VANISHED
from userconda.models import Skipped
from userconda.mounts import Mount, mount_of, project_of_opened, read_mounts
from userconda.parallel import Pool, waits
from userconda.sharing import InodeTable

#: Enough units for the workers to share evenly; every one costs some microseconds to hand over.
_UNITS: Final = 96

#: What tells how fast a filesystem is, and how much a worker then does before what is left is shared out again.
_TRIAL_OPERATIONS: Final = 60
_ROUND_OPERATIONS: Final = 400

#: Levels below a unit's top that are held open: what is deeper is a unit of its own later.
_DEEPEST: Final = 100

_OPEN_TOP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_DIRECTORY: Final = _OPEN_TOP | os.O_NOFOLLOW

#: Inodes that were met, by the low bits of their number: a later one may take a place, which costs a stat and no more.
_KNOWN: Final = 1 << 20

NESTED: Final = "it is counted on a line of its own"
MOUNTED: Final = "something is mounted there"
OTHER_FILESYSTEM: Final = "it is another filesystem"


class Division(Protocol):
    """How a scope's entries are told apart by package."""

    def directory(self, path: str) -> int:
        """The part that a directory counts to."""

    def names(self, path: str) -> Mapping[str, int]:
        """The parts of a directory's entries; those that are not in it count to `rest`."""

    @property
    def rest(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Top:
    """Where a scope begins.

    Attributes:
        part: the number that its inodes are counted under, where there is no division.
    """

    prefix: str
    part: int
    division: Division | None = None


@dataclass(slots=True)
class Scan:
    """What was counted, and what could not be.

    Attributes:
        devices: of each top; None where it could not be opened.
        unreadable: directories; every figure is a floor then.
        vanished: what was listed and then gone.
        skipped: what was not entered, and why.
    """

    table: InodeTable = field(default_factory=InodeTable)
    devices: list[int | None] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def scan(
    tops: Sequence[Top],
    pool: Pool,
    *,
    projects: bool | None = None,
    units: int = _UNITS,
    on_tick: Callable[[int], None] = lambda done: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Scan:
    """Count everything below the tops.

    Args:
        projects: whether project ids are asked for; None: where the mount table says that there may be quotas on them.
        meanwhile: called once, while the workers work.
        units: into how many the work is divided.

    Raises:
        FileOperation: the system refuses what nothing can stand in for.
    """
    for trust in (True, False):
        reader = _Reader(tops, trust, projects, units)
        try:
            return reader.run(pool, on_tick, meanwhile)
        except _ListingLies:
            meanwhile = _nothing
        finally:
            reader.close()
    raise AssertionError("without trust there is nothing to be disappointed in")


def _nothing() -> None:
    return None


class _ListingLies(Exception):
    """A listing gave another inode number than the inode has."""


@dataclass
class _Found:
    """What a worker brings back from a unit."""

    table: InodeTable = field(default_factory=InodeTable)
    unreadable: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    rest: list[tuple[int, str]] = field(default_factory=list)
    operations: int = 0

    def merge(self, other: _Found) -> None:
        self.table.merge(other.table)
        self.unreadable += other.unreadable
        self.vanished += other.vanished
        self.skipped += other.skipped
        self.rest += other.rest
        self.operations += other.operations


@dataclass(slots=True)
class _Opened:
    """A directory that is being read.

    Attributes:
        path: relative to its top; "" is the top itself.
        children: the directories in it that are to be read.
    """

    descriptor: int
    top: int
    path: str
    device: int = 0
    project: int = 0
    children: list[str] = field(default_factory=list)


class _Reader:
    """The state of one scan. Workers inherit it by fork."""

    def __init__(self, tops: Sequence[Top], trust: bool, projects: bool | None, units: int) -> None:
        self.tops = tops
        self.units = units
        self.found = _Found()
        self.descriptors: list[int | None] = []
        self.devices: list[int | None] = []
        self.projects: list[bool] = []
        self.mounted: list[frozenset[str]] = []
        self.top_inodes: set[tuple[int, int]] = set()
        self.known: dict[int, memoryview] = {}
        mounts = read_mounts()
        try:
            for number, top in enumerate(tops):
                self._open_top(number, top, mounts, projects)
        except BaseException:
            self.close()
            raise
        if trust:
            for device in {device for device in self.devices if device is not None}:
                self.known[device] = memoryview(mmap.mmap(-1, 8 * (_KNOWN + 1))).cast("Q")

    def _open_top(self, number: int, top: Top, mounts: Sequence[Mount], projects: bool | None) -> None:
        descriptor: int | None = None
        try:
            descriptor = os.open(top.prefix, _OPEN_TOP)
            status = os.fstat(descriptor)
        except PermissionError:
            self._count_closed(number, "", lambda: os.stat(top.prefix), self.found)
        except OSError as exc:
            self._refused(exc, top.prefix, self.found)
        self.descriptors.append(descriptor)
        self.devices.append(status.st_dev if descriptor is not None else None)
        if descriptor is not None:
            self.top_inodes.add((status.st_dev, status.st_ino))
        real = os.path.realpath(top.prefix)
        below = real.rstrip("/") + "/"
        self.mounted.append(frozenset(m.path[len(below) :] for m in mounts if m.path.startswith(below)))
        if projects is None:
            projects = _may_have_projects(mount_of(real, mounts))
        self.projects.append(projects)

    def close(self) -> None:
        for descriptor in self.descriptors:
            if descriptor is not None:
                os.close(descriptor)

    # the walk ---------------------------------------------------------------------------------------------------

    def run(self, pool: Pool, on_tick: Callable[[int], None], meanwhile: Callable[[], None]) -> Scan:
        """Breadth first, until it is known how fast the filesystem is and there are subtrees for the workers.

        Where every call waits for a server they come back after some hundred calls with what they have not read, and
        it is shared out again: nobody knows beforehand which subtree is the big one.
        """
        found = self.found
        found.rest = [(number, "") for number, descriptor in enumerate(self.descriptors) if descriptor is not None]
        started, waited = time.perf_counter(), waits()
        while found.rest and not self._is_enough(pool, len(found.rest)):
            level, found.rest = found.rest, []
            for position, (top, path) in enumerate(level):
                self._read_tree(top, path, found, 0)
                if self._is_enough(pool, len(found.rest) + len(level) - position):
                    found.rest += level[position + 1 :]
                    break
                pool.observe(found.operations, time.perf_counter() - started, waits() - waited)
        most = _ROUND_OPERATIONS if pool.is_slow else sys.maxsize
        while found.rest:
            frontier, found.rest = found.rest, []
            units = max(1, min(len(frontier), 8 * self.units if pool.is_slow else self.units))
            # Not neighbours together: the biggest packages have many subdirectories, side by side.
            shares = [frontier[start::units] for start in range(units)]
            for part in pool.map(shares, self._unit(most), 40 * len(frontier), on_tick, meanwhile):
                found.merge(part)
            meanwhile = _nothing
        meanwhile()
        skipped = [Skipped(*item) for item in found.skipped]
        return Scan(found.table, self.devices, sorted(set(found.unreadable)), found.vanished, skipped)

    def _is_enough(self, pool: Pool, subtrees: int) -> bool:
        """Whether the workers can start: sooner where one process alone mostly waits."""
        if pool.is_slow and self.found.operations >= _TRIAL_OPERATIONS:
            return subtrees > 1
        return subtrees >= 4 * self.units

    def _unit(self, most: int) -> Callable[[Sequence[tuple[int, str]], Callable[[int], None]], _Found]:
        def read(share: Sequence[tuple[int, str]], advance: Callable[[int], None]) -> _Found:
            found = _Found()
            for position, (top, path) in enumerate(share):
                if found.operations > most:
                    found.rest += share[position:]
                    break
                before = found.operations
                self._read_tree(top, path, found, most)
                advance(found.operations - before)
            return found

        return read

    def _read_tree(self, top: int, path: str, found: _Found, most: int) -> None:
        """Depth first, one descriptor a level. When `found` has taken `most` operations the rest is noted in it."""
        descriptor = self._descend(top, path, found)
        if descriptor is None:
            return
        opened: list[_Opened] = []
        try:
            opened.append(_Opened(descriptor, top, path))
            self._read_directory(opened[-1], found)
            while opened:
                directory = opened[-1]
                children = directory.children
                if children and (found.operations > most or len(opened) > _DEEPEST):
                    prefix = f"{directory.path}/" if directory.path else ""
                    found.rest += [(top, prefix + name) for name in children]
                    children.clear()
                if not children:
                    os.close(opened.pop().descriptor)
                    continue
                name = children.pop()
                below = f"{directory.path}/{name}" if directory.path else name
                child = self._open(directory.descriptor, name, top, below, found)
                if child is not None:
                    opened.append(_Opened(child, top, below))
                    self._read_directory(opened[-1], found)
        finally:
            for directory in opened:
                os.close(directory.descriptor)

    def _descend(self, top: int, path: str, found: _Found) -> int | None:
        """Open a directory name by name, no symlink followed."""
        descriptor: int | None = os.dup(self.descriptors[top] or 0)
        for name in path.split("/") if path else ():
            assert descriptor is not None
            try:
                below = self._open(descriptor, name, top, path, found)
            finally:
                os.close(descriptor)
            if below is None:
                return None
            descriptor = below
        return descriptor

    def _open(self, descriptor: int, name: str, top: int, path: str, found: _Found) -> int | None:
        found.operations += 2
        try:
            return os.open(name, _OPEN_DIRECTORY, dir_fd=descriptor)
        except PermissionError:
            self._count_closed(top, path, lambda: os.stat(name, dir_fd=descriptor, follow_symlinks=False), found)
        except OSError as exc:
            self._refused(exc, self._absolute(top, path), found)
        return None

    # one directory ----------------------------------------------------------------------------------------------

    def _read_directory(self, directory: _Opened, found: _Found) -> None:
        """One listing; a stat for each file that is not known yet."""
        descriptor, top, path = directory.descriptor, directory.top, directory.path
        status = os.fstat(descriptor)
        directory.device = status.st_dev
        if status.st_dev != self.devices[top]:
            found.skipped.append((self._absolute(top, path), OTHER_FILESYSTEM))
            return
        if path and (status.st_dev, status.st_ino) in self.top_inodes:
            found.skipped.append((self._absolute(top, path), NESTED))
            return
        if self.projects[top]:
            directory.project = project_of_opened(descriptor)
        division, part = self.tops[top].division, self.tops[top].part
        if division is not None:
            part = division.directory(path)
        found.table.directories[part] = found.table.directories.get(part, 0) + 1
        try:
            with os.scandir(descriptor) as listing:
                entries: Iterable[os.DirEntry[str]] = listing
                if self.mounted[top]:
                    entries = self._not_mounted(listing, directory, found)
                if division is None:
                    self._count(entries, directory, part, status, found)
                else:
                    self._count_divided(entries, directory, division, part, status, found)
        except OSError as exc:
            self._refused(exc, self._absolute(top, path), found)

    def _count_divided(
        self,
        entries: Iterable[os.DirEntry[str]],
        directory: _Opened,
        division: Division,
        part: int,
        status: os.stat_result,
        found: _Found,
    ) -> None:
        self._count((), directory, part, status, found)
        parts, of_part = division.names(directory.path), dict[int, list[os.DirEntry[str]]]()
        for entry in entries:
            of_part.setdefault(parts.get(entry.name, division.rest), []).append(entry)
        for part, some in of_part.items():
            self._count(some, directory, part, None, found)

    def _count(
        self,
        entries: Iterable[os.DirEntry[str]],
        directory: _Opened,
        part: int,
        status: os.stat_result | None,
        found: _Found,
    ) -> None:
        """Add entries to the table; directories among them are noted for later.

        Args:
            status: of the directory itself, where it is to be counted with them.
        """
        # The innermost loop of everything: names are looked up once, sums are local until the owner changes.
        device, project, table = directory.device, directory.project, found.table
        links, known, children = table.on(device), self.known.get(device), directory.children.append
        name, any_known, mask = links.names_in(part).append, known is not None and known[_KNOWN], _KNOWN - 1
        uid, gid = (status.st_uid, status.st_gid) if status else (-1, -1)
        inodes, blocks, size = (1, status.st_blocks, status.st_size) if status else (0, 0, 0)
        asked = 3
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    children(entry.name)
                    continue
                if any_known:
                    inode = entry.inode()
                    if known[inode & mask] == inode:  # type: ignore[index]
                        name(inode)
                        continue
                status = entry.stat(follow_symlinks=False)
            except OSError as exc:
                self._unseen(exc, directory, entry.name, found)
                continue
            asked += 1
            if status.st_dev != device:
                self._count_foreign(status, directory, part, found)
            elif status.st_nlink > 1:
                inode = status.st_ino
                if known is not None:
                    if inode != entry.inode():
                        raise _ListingLies
                    known[inode & mask] = inode
                    known[_KNOWN] = any_known = 1
                if self.projects[directory.top]:
                    project = _project_of_file(entry.name, directory)
                owner = table.number_of((status.st_uid, status.st_gid, project))
                links.add(inode, status.st_blocks, status.st_size, status.st_nlink, owner)
                name(inode)
            else:
                if status.st_uid != uid or status.st_gid != gid:
                    table.add(device, part, (uid, gid, directory.project), inodes, blocks, size)
                    uid, gid, inodes, blocks, size = status.st_uid, status.st_gid, 0, 0, 0
                inodes += 1
                blocks += status.st_blocks
                size += status.st_size
        table.add(device, part, (uid, gid, directory.project), inodes, blocks, size)
        found.operations += asked

    def _count_foreign(self, status: os.stat_result, directory: _Opened, part: int, found: _Found) -> None:
        """A file whose device is not its directory's: overlays have one for each of their layers."""
        if directory.device in self.known:
            raise _ListingLies
        owner = status.st_uid, status.st_gid, directory.project
        if status.st_nlink > 1:
            links = found.table.on(status.st_dev)
            number = found.table.number_of(owner)
            links.add(status.st_ino, status.st_blocks, status.st_size, status.st_nlink, number)
            links.names_in(part).append(status.st_ino)
        else:
            found.table.add(status.st_dev, part, owner, 1, status.st_blocks, status.st_size)

    def _not_mounted(
        self, listing: Iterable[os.DirEntry[str]], directory: _Opened, found: _Found
    ) -> Iterator[os.DirEntry[str]]:
        """The entries that no other filesystem, directory or file is mounted on; also of the same device (bind)."""
        prefix = f"{directory.path}/" if directory.path else ""
        for entry in listing:
            if prefix + entry.name in self.mounted[directory.top]:
                found.skipped.append((self._absolute(directory.top, prefix + entry.name), MOUNTED))
            else:
                yield entry

    # what cannot be read ----------------------------------------------------------------------------------------

    def _absolute(self, top: int, path: str) -> str:
        return os.path.join(self.tops[top].prefix, path) if path else self.tops[top].prefix

    def _unseen(self, exc: OSError, directory: _Opened, name: str, found: _Found) -> None:
        path = self._absolute(directory.top, directory.path)
        if not isinstance(exc, PermissionError):
            self._refused(exc, os.path.join(path, name), found)
        else:
            self._note_unreadable(path, found)

    def _refused(self, exc: OSError, path: str, found: _Found) -> None:
        """Raise, but for what was there a moment ago: somebody removes it meanwhile."""
        if exc.errno not in VANISHED:
            raise FileOperation("reading", path, exc.errno or 0) from None
        found.vanished.append(path)

    def _count_closed(self, top: int, path: str, ask: Callable[[], os.stat_result], found: _Found) -> None:
        """A directory that cannot be opened is an inode all the same, unless the one above it keeps even that back."""
        try:
            status = ask()
        except OSError:
            self._note_unreadable(self._absolute(top, os.path.dirname(path)), found)
            return
        self._note_unreadable(self._absolute(top, path), found)
        division, part = self.tops[top].division, self.tops[top].part
        if division is not None:
            part = division.directory(path)
        found.table.add(status.st_dev, part, (status.st_uid, status.st_gid, 0), 1, status.st_blocks, status.st_size)
        found.table.directories[part] = found.table.directories.get(part, 0) + 1

    def _note_unreadable(self, path: str, found: _Found) -> None:
        if path not in found.unreadable[-1:]:  # a directory without x: each of its entries says so
            found.unreadable.append(path)


def _project_of_file(name: str, directory: _Opened) -> int:
    """Its own, as link(2) may have brought it from another directory; the directory's where it cannot be opened.

    O_NONBLOCK: a FIFO would wait for its writer. ELOOP: a symlink.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=directory.descriptor)
    except OSError:
        return directory.project
    try:
        return project_of_opened(descriptor)
    finally:
        os.close(descriptor)


_PROJECT_OPTIONS: Final = frozenset({"prjquota", "pquota", "pqnoenforce"})


def _may_have_projects(mount: Mount | None) -> bool:
    """Lustre says nothing of its quotas in the mount table."""
    return mount is not None and (mount.fstype == "lustre" or not _PROJECT_OPTIONS.isdisjoint(mount.options))
