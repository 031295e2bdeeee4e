"""Disk -> inode table: every environment and package cache of a user in one pass, never written to.

Nothing is followed and nothing is read twice. A file with one link is added to a sum at once; of files with several
links a row is kept for the inode and its number for each name, and what they share is worked out afterwards
(`sharing`). Directories are opened one below the other by descriptor. Where calls are answered at once, subtrees are
shared out to a process a core; where each waits for a server, threads ask for many at a time.

An inode that was met is not asked for again: the listing tells its number. That holds within one run only, because
link counts change; and only where the listing's numbers were found to be those of the inodes, at every file with
several links that is asked for, and at some that need not be (overlays and some FUSE filesystems list others).
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from userconda.errors import FileOperation
from userconda.fsops import VANISHED
from userconda.models import Skipped
from userconda.mounts import Mount, mount_of, project_of_opened, read_mounts
from userconda.parallel import Pool, waits
from userconda.sharing import InodeTable, Owner

#: Enough units for the workers to share evenly; every one costs some microseconds to hand over.
_UNITS: Final = 96

#: What tells how fast a filesystem is.
_TRIAL_OPERATIONS: Final = 24

#: Entries of one directory that a thread asks for, where others have nothing to do.
_CHUNK: Final = 24

#: Levels below a unit's top that are held open: what is deeper is a unit of its own later.
_DEEPEST: Final = 400

#: Of a mount with quotas on projects; Lustre has none in the mount table.
_PROJECT_OPTIONS: Final = frozenset({"prjquota", "pquota", "pqnoenforce"})

_OPEN_TOP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_DIRECTORY: Final = _OPEN_TOP | os.O_NOFOLLOW

#: Of the inodes that were met, one in so many is asked for again, to see that the listing tells their numbers.
_SAMPLED: Final = 64

#: Inodes that were met, by the low bits of their number: a later one may take a place, which costs a stat and no more.
#: One place more tells whether there are any.
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
        unreadable: directories; every figure is a floor then.
        vanished: what was listed and then gone.
        skipped: what was not entered, and why.
        projects_known: project ids were asked for everywhere.
    """

    table: InodeTable = field(default_factory=InodeTable)
    unreadable: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    projects_known: bool = True


def scan(
    tops: Sequence[Top],
    pool: Pool,
    *,
    projects: bool | None = None,
    units: int = _UNITS,
    in_flight: int = 32,
    trust: bool = True,
    on_tick: Callable[[int], None] = lambda done: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Scan:
    """Count everything below the tops.

    Args:
        projects: whether project ids are asked for; None: where there may be quotas on them, by the mount's options
            or because the top has one.
        meanwhile: called once, while the workers work.
        units: into how many the work is divided.
        in_flight: questions at a time, where each waits for a server.
        trust: whether an inode that a listing names and that was met is taken for known.

    Raises:
        FileOperation: the system refuses what nothing can stand in for.
    """
    for trusting in (True, False) if trust else (False,):
        reader = _Reader(tops, trusting, projects, units, in_flight)
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


class _Entry:
    """An os.DirEntry that lets other threads run while it asks."""

    __slots__ = ("_descriptor", "_entry", "inode", "is_dir", "name")

    def __init__(self, entry: os.DirEntry[str], descriptor: int) -> None:
        self._entry, self._descriptor = entry, descriptor
        self.name, self.inode, self.is_dir = entry.name, entry.inode, entry.is_dir

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        return os.stat(self.name, dir_fd=self._descriptor, follow_symlinks=follow_symlinks)


Entry = os.DirEntry[str] | _Entry


class _Opened:
    """A directory that is being read.

    Attributes:
        path: relative to its top; "" is the top itself.
        project: its project id.
        children: the directories in it that are to be read.
    """

    __slots__ = ("children", "descriptor", "path", "project")

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor, self.path, self.project = descriptor, path, 0
        self.children: list[str] = []


@dataclass(slots=True)
class _Place:
    """A top as it was found.

    Attributes:
        mounted: paths below it that something is mounted on.
        projects: whether project ids are asked for.
    """

    top: Top
    number: int
    descriptor: int
    device: int
    mounted: frozenset[str]
    projects: bool

    def absolute(self, path: str) -> str:
        return f"{self.top.prefix}/{path}" if path else self.top.prefix


class _Reader:
    """The state of one scan. Workers inherit it by fork, threads share it."""

    def __init__(self, tops: Sequence[Top], trust: bool, projects: bool | None, units: int, in_flight: int) -> None:
        self.units = units
        self.in_flight = in_flight
        self.found = _Found()
        self.places: list[_Place | None] = []
        self.nested: set[tuple[int, int]] = set()
        self.known: dict[int, memoryview] = {}
        mounts = read_mounts()
        try:
            for number, top in enumerate(tops):
                self.places.append(self._open_top(number, top, mounts, projects))
        except BaseException:
            self.close()
            raise
        if trust:
            for device in {place.device for place in self.places if place is not None}:
                self.known[device] = memoryview(mmap.mmap(-1, 8 * (_KNOWN + 1))).cast("Q")

    def _open_top(self, number: int, top: Top, mounts: Sequence[Mount], projects: bool | None) -> _Place | None:
        try:
            descriptor = os.open(top.prefix, _OPEN_TOP)
        except PermissionError:
            self.found.unreadable.append(top.prefix)
            with contextlib.suppress(OSError):
                _add_directory(os.stat(top.prefix), top, "", self.found)
            return None
        except OSError as exc:
            _vanished(exc, top.prefix, self.found)
            return None
        status = os.fstat(descriptor)
        self.nested.add((status.st_dev, status.st_ino))
        real = os.path.realpath(top.prefix)
        below = real.rstrip("/") + "/"
        mounted = frozenset(mount.path[len(below) :] for mount in mounts if mount.path.startswith(below))
        if projects is None:
            mount = mount_of(real, mounts)
            by_options = mount is not None and not _PROJECT_OPTIONS.isdisjoint(mount.options)
            projects = by_options or project_of_opened(descriptor) != 0
        return _Place(top, number, descriptor, status.st_dev, mounted, projects)

    def close(self) -> None:
        for place in self.places:
            if place is not None:
                os.close(place.descriptor)

    def run(self, pool: Pool, on_tick: Callable[[int], None], meanwhile: Callable[[], None]) -> Scan:
        """Breadth first, until it is known how fast the filesystem is and there are subtrees for the workers."""
        found = self.found
        found.rest = [(place.number, "") for place in self.places if place is not None]
        started, waited = time.perf_counter(), waits()
        while found.rest and not self._is_enough(pool, len(found.rest)):
            level, found.rest = found.rest, []
            for position, (number, path) in enumerate(level):
                self.branch(number, found).read_one(path)
                if self._is_enough(pool, len(found.rest) + len(level) - position):
                    found.rest += level[position + 1 :]
                    break
                pool.observe(found.operations, time.perf_counter() - started, waits() - waited)
        if found.rest and pool.is_slow:
            _Threads(self, self.in_flight).run(on_tick, meanwhile)
            meanwhile = _nothing
        while found.rest:
            frontier, found.rest = found.rest, []
            units = min(len(frontier), self.units)
            # Not neighbours together: the biggest packages have many subdirectories, side by side.
            shares = [frontier[start::units] for start in range(units)]
            pool.each(shares, self._read_unit, 40 * len(frontier), self._receive, on_tick, meanwhile)
            meanwhile = _nothing
        meanwhile()
        skipped = [Skipped(*item) for item in found.skipped]
        projects_known = all(place.projects for place in self.places if place is not None)
        return Scan(found.table, sorted(set(found.unreadable)), found.vanished, skipped, projects_known)

    def _receive(self, number: int, part: _Found) -> None:
        self.found.merge(part)

    def _is_enough(self, pool: Pool, subtrees: int) -> bool:
        """Whether the workers can start: sooner where one process alone mostly waits."""
        if pool.is_slow and self.found.operations >= _TRIAL_OPERATIONS:
            return subtrees > 1
        return subtrees >= 4 * self.units

    def _read_unit(self, share: Sequence[tuple[int, str]], advance: Callable[[int], None]) -> _Found:
        found, before = _Found(), 0
        for number, path in share:
            self.branch(number, found).read_tree(path)
            advance(found.operations - before)
            before = found.operations
        return found

    def branch(self, number: int, found: _Found) -> _Branch:
        place = self.places[number]
        assert place is not None
        return _Branch(place, self.known.get(place.device), self.nested, found)


class _Branch:
    """Reads below one top; what stays the same from directory to directory is looked up once.

    Args:
        known: numbers of inodes that were met, in common with the other processes; None: listings are not trusted.
        nested: tops, where another scope begins.
    """

    def __init__(
        self, place: _Place, known: memoryview | None, nested: Collection[tuple[int, int]], found: _Found
    ) -> None:
        self._place, self._known, self._nested, self._found = place, known, nested, found
        self._device, self._part, self._division = place.device, place.top.part, place.top.division
        self._links = found.table.on(place.device)
        #: Where threads read: takes parts of large directories, for others.
        self.put_off: Callable[[list[_Entry]], None] | None = None

    def read_one(self, path: str) -> None:
        """One directory; those in it are noted in `found.rest`."""
        descriptor = self.descend(path)
        if descriptor is not None:
            directory = _Opened(descriptor, path)
            try:
                self.read_directory(directory)
            finally:
                os.close(descriptor)
            self._leave_for_later(directory)

    def read_tree(self, path: str) -> None:
        """Depth first, one descriptor a level."""
        descriptor = self.descend(path)
        if descriptor is None:
            return
        opened = [_Opened(descriptor, path)]
        try:
            self.read_directory(opened[0])
            while opened:
                directory = opened[-1]
                if len(opened) > _DEEPEST:
                    self._leave_for_later(directory)
                if not directory.children:
                    os.close(opened.pop().descriptor)
                    continue
                name = directory.children.pop()
                below = f"{directory.path}/{name}" if directory.path else name
                child = self.open(directory.descriptor, name, below)
                if child is not None:
                    opened.append(_Opened(child, below))
                    self.read_directory(opened[-1])
        finally:
            for directory in opened:
                os.close(directory.descriptor)

    def _leave_for_later(self, directory: _Opened) -> None:
        prefix = f"{directory.path}/" if directory.path else ""
        self._found.rest += [(self._place.number, prefix + name) for name in directory.children]
        directory.children.clear()

    def descend(self, path: str) -> int | None:
        """Open a directory name by name, no symlink followed."""
        descriptor: int | None = os.dup(self._place.descriptor)
        above = ""
        for name in path.split("/") if path else ():
            assert descriptor is not None
            above = f"{above}/{name}" if above else name
            try:
                below = self.open(descriptor, name, above, is_new=above == path)
            finally:
                os.close(descriptor)
            if below is None:
                return None
            descriptor = below
        return descriptor

    def open(self, descriptor: int, name: str, path: str, *, is_new: bool = True) -> int | None:
        """
        Args:
            is_new: it was not counted before. One that cannot be opened is an inode all the same.
        """
        try:
            return os.open(name, _OPEN_DIRECTORY, dir_fd=descriptor)
        except PermissionError:
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:  # the one above keeps even that back
                self._unreadable(os.path.dirname(path))
                return None
            self._unreadable(path)
            if is_new:
                _add_directory(status, self._place.top, path, self._found)
        except OSError as exc:
            _vanished(exc, self._place.absolute(path), self._found)
        return None

    def read_directory(self, directory: _Opened) -> None:
        """One listing; a stat for each file that is not known yet."""
        place, path = self._place, directory.path
        status = os.fstat(directory.descriptor)
        if status.st_dev != self._device:
            self._found.skipped.append((place.absolute(path), OTHER_FILESYSTEM))
            return
        if path and (status.st_dev, status.st_ino) in self._nested:
            self._found.skipped.append((place.absolute(path), NESTED))
            return
        if place.projects:
            directory.project = project_of_opened(directory.descriptor)
        try:
            with os.scandir(directory.descriptor) as listing:
                present: Iterable[os.DirEntry[str]] = listing
                if place.mounted:
                    present = self._not_mounted(listing, path)
                entries: Iterable[Entry] = present
                if self.put_off is not None:
                    # DirEntry.stat would keep all other threads waiting.
                    entries = [_Entry(entry, directory.descriptor) for entry in present]
                if self._division is None:
                    self._count(self._first(entries), directory, self._part, status)
                else:
                    self._count_divided(entries, directory, self._division, status)
        except OSError as exc:
            _vanished(exc, place.absolute(path), self._found)

    def _not_mounted(self, listing: Iterable[os.DirEntry[str]], path: str) -> Iterator[os.DirEntry[str]]:
        """The entries that no other filesystem, directory or file is mounted on; also of the same device (bind)."""
        prefix = f"{path}/" if path else ""
        for entry in listing:
            if prefix + entry.name in self._place.mounted:
                self._found.skipped.append((self._place.absolute(prefix + entry.name), MOUNTED))
            else:
                yield entry

    def _first(self, entries: Iterable[Entry]) -> Iterable[Entry]:
        """Where threads read: what this one asks for; the rest is for others."""
        if self.put_off is None or not isinstance(entries, list) or len(entries) <= _CHUNK:
            return entries
        for start in range(_CHUNK, len(entries), _CHUNK):
            self.put_off(entries[start : start + _CHUNK])
        return entries[:_CHUNK]

    def read_more(self, directory: _Opened, entries: list[_Entry]) -> None:
        self._count(entries, directory, self._part, None)

    def _count_divided(
        self, entries: Iterable[Entry], directory: _Opened, division: Division, status: os.stat_result
    ) -> None:
        self._count((), directory, division.directory(directory.path), status)
        parts, of_part = division.names(directory.path), dict[int, list[Entry]]()
        for entry in entries:
            of_part.setdefault(parts.get(entry.name, division.rest), []).append(entry)
        for part, some in of_part.items():
            self._count(some, directory, part, None)

    def _count(self, entries: Iterable[Entry], directory: _Opened, part: int, own: os.stat_result | None) -> None:
        """Add entries to the table; directories among them are noted for later.

        Args:
            own: of the directory itself, where it is to be counted with them.
        """
        # The innermost loop of everything: names are looked up once, sums are local until the owner changes, and what
        # has several links is added to the columns a directory at a time.
        device, known, children = self._device, self._known, directory.children
        names, project, projects = self._links.names_in(part), directory.project, self._place.projects
        listed, linked, owners = list[int](), list[os.stat_result](), list[Owner]()
        name, mask, any_known = names.append, _KNOWN - 1, known is not None and known[_KNOWN]
        uid, gid = (own.st_uid, own.st_gid) if own else (-1, -1)
        inodes = directories = 1 if own else 0
        blocks, size = (own.st_blocks, own.st_size) if own else (0, 0)
        table, asked = self._found.table, 5
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    children.append(entry.name)
                    continue
                if any_known:
                    inode = entry.inode()
                    if known[inode & mask] == inode and inode % _SAMPLED:  # type: ignore[index]
                        name(inode)
                        continue
                status = entry.stat(follow_symlinks=False)
            except OSError as exc:
                self._unseen(exc, directory.path, entry.name)
                continue
            asked += 1
            if status.st_dev != device:
                self._count_foreign(status, directory, part)
            elif status.st_nlink > 1:
                listed.append(entry.inode())
                linked.append(status)
                if projects:
                    owners.append((status.st_uid, status.st_gid, _project_of_file(entry.name, directory)))
            else:
                if status.st_uid != uid or status.st_gid != gid:
                    if inodes:
                        table.add(device, part, (uid, gid, project), inodes, blocks, size, directories)
                    uid, gid, inodes, blocks, size, directories = status.st_uid, status.st_gid, 0, 0, 0, 0
                inodes += 1
                blocks += status.st_blocks
                size += status.st_size
        if inodes:
            table.add(device, part, (uid, gid, project), inodes, blocks, size, directories)
        if linked:
            names.extend(self._add_linked(listed, linked, owners))
        self._found.operations += asked

    def _add_linked(self, listed: list[int], linked: list[os.stat_result], owners: list[Owner]) -> list[int]:
        """Rows for inodes with several links.

        Args:
            listed: their numbers, by the listing.
            owners: theirs, where project ids had to be asked for.

        Returns:
            Their numbers.
        """
        inodes, known = [status.st_ino for status in linked], self._known
        if known is not None:
            if inodes != listed:
                raise _ListingLies
            for inode in inodes:
                known[inode & _KNOWN - 1] = inode
            known[_KNOWN] = 1
        owners = owners or [(status.st_uid, status.st_gid, 0) for status in linked]
        number_of, links = self._found.table.number_of, self._links
        links.inodes.extend(inodes)
        links.blocks.extend([status.st_blocks for status in linked])
        links.size_bytes.extend([status.st_size for status in linked])
        links.links.extend([status.st_nlink for status in linked])
        if owners.count(owners[0]) == len(owners):
            links.owners.extend([number_of(owners[0])] * len(owners))
        else:
            links.owners.extend(map(number_of, owners))
        return inodes

    def _count_foreign(self, status: os.stat_result, directory: _Opened, part: int) -> None:
        """A file whose device is not its directory's: overlays have one for each of their layers."""
        if self._known is not None:
            raise _ListingLies
        table, owner = self._found.table, (status.st_uid, status.st_gid, directory.project)
        if status.st_nlink > 1:
            links, number = table.on(status.st_dev), table.number_of(owner)
            links.add(status.st_ino, status.st_blocks, status.st_size, status.st_nlink, number)
            links.names_in(part).append(status.st_ino)
        else:
            table.add(status.st_dev, part, owner, 1, status.st_blocks, status.st_size)

    def _unseen(self, exc: OSError, directory: str, name: str) -> None:
        if isinstance(exc, PermissionError):
            self._unreadable(directory)
        else:
            _vanished(exc, self._place.absolute(f"{directory}/{name}" if directory else name), self._found)

    def _unreadable(self, path: str) -> None:
        absolute, noted = self._place.absolute(path), self._found.unreadable
        if absolute not in noted[-1:]:  # a directory without x: each of its entries says so
            noted.append(absolute)


@dataclass(slots=True)
class _Task:
    """
    Attributes:
        parent: None for one that is to be looked up from its top.
        entries: some of the parent's own entries, instead of a directory in it.
    """

    number: int
    parent: _Held | None
    path: str
    entries: list[_Entry] = field(default_factory=list)


class _Held:
    """A directory that stays open until all in it was asked for."""

    def __init__(self, directory: _Opened) -> None:
        self.directory, self._uses, self._lock = directory, 1, threading.Lock()

    def use(self, count: int = 1) -> None:
        with self._lock:
            self._uses += count

    def release(self) -> None:
        with self._lock:
            self._uses -= 1
            if not self._uses:
                os.close(self.directory.descriptor)


class _Threads:
    """Threads that ask for many things at a time. The last directory found is read first, so that few are open."""

    def __init__(self, reader: _Reader, count: int) -> None:
        self._reader, self._count = reader, count
        self._tasks = [_Task(number, None, path) for number, path in reader.found.rest]
        reader.found.rest = []
        self._change = threading.Condition()
        self._busy = 0
        self._error: BaseException | None = None
        self._found = [_Found() for _ in range(count)]

    def run(self, on_tick: Callable[[int], None], meanwhile: Callable[[], None]) -> None:
        threads: list[threading.Thread] = []
        try:
            for found in self._found:
                thread = threading.Thread(target=self._work, args=(found,), daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the user's limit on processes: those that there are do the work
                    if not threads:
                        raise FileOperation("starting", "a thread", errno.EAGAIN) from None
                    break
                threads.append(thread)
            meanwhile()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
                    on_tick(sum(found.operations for found in self._found))
        except BaseException as exc:  # a signal: no thread begins anything more
            self._error = exc
            raise
        for task in self._tasks:  # where an error ended it
            if task.parent is not None:
                task.parent.release()
        if self._error is not None:
            raise self._error
        for found in self._found:
            self._reader.found.merge(found)

    def _work(self, found: _Found) -> None:
        while (task := self._next()) is not None:
            new: list[_Task] = []
            try:
                self._do(task, found, new)
            except BaseException as exc:
                self._error = self._error or exc
            with self._change:
                self._busy -= 1
                self._tasks += new
                self._change.notify_all()

    def _next(self) -> _Task | None:
        """None when there is nothing to do, and nobody left who could find something."""
        with self._change:
            self._change.wait_for(lambda: self._tasks or not self._busy or self._error is not None)
            if self._error is not None or not self._tasks:
                return None
            self._busy += 1
            return self._tasks.pop()

    def _do(self, task: _Task, found: _Found, new: list[_Task]) -> None:
        branch, parent = self._reader.branch(task.number, found), task.parent
        if parent is not None and task.entries:
            directory, held = _Opened(parent.directory.descriptor, task.path), parent
            directory.project = parent.directory.project
        else:
            try:
                if parent is None:
                    descriptor = branch.descend(task.path)
                else:
                    name = os.path.basename(task.path)
                    descriptor = branch.open(parent.directory.descriptor, name, task.path)
            finally:
                if parent is not None:
                    parent.release()
            if descriptor is None:
                return
            directory = _Opened(descriptor, task.path)
            held = _Held(directory)

        def put_off(path: str, entries: list[_Entry]) -> None:
            held.use()
            new.append(_Task(task.number, held, path, entries))

        try:
            branch.put_off = lambda entries: put_off(task.path, entries)
            if task.entries:
                branch.read_more(directory, task.entries)
            else:
                branch.read_directory(directory)
            for name in directory.children:
                put_off(f"{task.path}/{name}" if task.path else name, [])
        finally:
            held.release()


def _add_directory(status: os.stat_result, top: Top, path: str, found: _Found) -> None:
    """One that cannot be read."""
    part = top.part if top.division is None else top.division.directory(path)
    owner = status.st_uid, status.st_gid, 0
    found.table.add(status.st_dev, part, owner, 1, status.st_blocks, status.st_size, 1)


def _vanished(exc: OSError, path: str, found: _Found) -> None:
    """Note what was there a moment ago: somebody removes it meanwhile. Any other errno is raised."""
    if exc.errno not in VANISHED:
        raise FileOperation("reading", path, exc.errno or 0) from None
    found.vanished.append(path)


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
