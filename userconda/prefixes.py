"""Disk -> PrefixSnapshot: the listing, ownership and records of an environment, read once and never written.

Directories are opened one below the other by descriptor, never through a symlink, so nothing outside the prefix is
read whatever the listing or a record says.
"""

from __future__ import annotations

import dataclasses
import errno
import marshal
import os
import re
import shlex
import stat
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from userconda.errors import (
    CorruptRecord,
    EnvironmentNotFound,
    FileOperation,
    NotAPrefix,
    PrefixInUse,
    SourceChanged,
    UnsafeName,
)
from userconda.models import ROOT_ONLY, Directory, FileClass, PrefixSnapshot, RecordInfo, Replacement, Skipped, Tracked
from userconda.parallel import Pool, waits
from userconda.placeholder import FileMode
from userconda.records import (
    PathEntry,
    PrefixRecord,
    installed_paths,
    packed_paths,
    parse_paths,
    parse_record,
    site_packages_of,
)

#: Enough subtrees for the workers to share evenly, few enough to be numbered in one pipe.
_MOST_SUBTREES: Final = 800

#: What tells how fast a filesystem is, and how much a worker then does before what is left is shared out again.
_TRIAL_OPERATIONS: Final = 100
_ROUND_OPERATIONS: Final = 400

_OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_name(name: str) -> str:
    """A plain name for an environment.

    Raises:
        UnsafeName: empty, `.`-leading, `-`-leading, or with a slash or control characters.
    """
    reason = (
        "it is empty"
        if not name
        else "it has a '/'; --prefix takes a path"
        if "/" in name
        else f"it begins with {name[0]!r}"
        if name[0] in ".-"
        else "it begins or ends with a space"
        if name != name.strip()
        else "it has control characters"
        if not all(char.isprintable() or "\udc80" <= char <= "\udcff" for char in name)
        else "it is longer than 200 bytes"
        if len(os.fsencode(name)) > 200
        else "conda gives it to the root environment"
        if name in ("base", "root")
        else ""
    )
    if reason:
        raise UnsafeName(name, reason)
    return name


def is_prefix(path: str) -> bool:
    return os.path.isdir(os.path.join(path, "conda-meta"))


def read_prefix(
    prefix: str,
    pool: Pool,
    *,
    is_base: bool = False,
    package_caches: Sequence[str] = (),
    on_tick: Callable[[int], None] = lambda done: None,
) -> PrefixSnapshot:
    """Read a whole environment.

    Args:
        prefix: absolute.
        is_base: it is a conda's root, whose package cache and environments are not its own.
        package_caches: where extracted packages may tell what a record (micromamba's) leaves out.

    Raises:
        NotAPrefix, CorruptRecord, PathEscapesPrefix, PrefixInUse, SourceChanged, FileOperation.
    """
    root_fd = open_prefix(prefix)
    owned = _Owned()
    try:

        def records() -> None:
            _read_records(root_fd, prefix, owned)
            _complete_replacements(owned, package_caches)

        try:
            walk = _walk(root_fd, os.fstat(root_fd).st_dev, is_base, pool, on_tick, records)
        except SourceChanged as exc:  # raised where only the path inside is known
            raise SourceChanged(prefix, exc.paths) from None
        if walk.transactions:
            raise PrefixInUse(prefix, tuple(sorted(walk.transactions)))
        history = _history_prefixes(root_fd)
    finally:
        os.close(root_fd)
    prefixes = dict.fromkeys((prefix, os.path.realpath(prefix), *history))
    walk.directories.sort(key=lambda directory: directory.path.replace("/", "\0"))
    return PrefixSnapshot(
        prefix=prefix,
        prefixes=tuple(prefixes),
        directories=walk.directories,
        classes=[FileClass(*key, sample) for key, sample in walk.classes.items()],
        records=owned.records,
        tracked=owned.tracked,
        replacements=owned.replacements,
        no_link=frozenset(owned.no_link),
        nested=tuple(walk.skipped),
        unreadable=tuple(sorted({*walk.unreadable, *owned.unreadable})),
        site_packages=owned.site_packages,
        is_base=is_base,
    )


def read_tracked(prefix: str) -> tuple[list[RecordInfo], Tracked, str | None]:
    """What the records alone say: packages, whose each path is, and where site-packages is.

    Raises:
        NotAPrefix, CorruptRecord, PathEscapesPrefix, FileOperation.
    """
    root_fd, owned = open_prefix(prefix), _Owned()
    try:
        _read_records(root_fd, prefix, owned)
    finally:
        os.close(root_fd)
    return owned.records, owned.tracked, owned.site_packages


def open_prefix(prefix: str) -> int:
    """A descriptor for an environment's top directory; the prefix itself may be a symlink."""
    try:
        descriptor = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise EnvironmentNotFound(prefix, (os.path.dirname(prefix),)) from None
    except NotADirectoryError:
        raise NotAPrefix(prefix, "it is not a directory") from None
    except PermissionError:
        raise NotAPrefix(prefix, "you have no permission to read it") from None
    try:
        os.stat("conda-meta", dir_fd=descriptor)
    except OSError as exc:
        os.close(descriptor)
        missing = isinstance(exc, FileNotFoundError)
        reason = "it has no conda-meta directory" if missing else f"conda-meta: {exc.strerror}"
        raise NotAPrefix(prefix, reason) from None
    return descriptor


# the walk -------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """Directories read so far, what was met on the way, and which are still to be read."""

    directories: list[Directory] = field(default_factory=list)
    classes: dict[tuple[int, int, int], str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    operations: int = 0

    def __reduce__(self) -> tuple[object, ...]:
        # 120,000 names and figures cross from the workers: pickling them one by one takes as long as reading them.
        columns = [
            (d.path, d.mtime_ns, d.names, *map(bytes, _columns(d)), d.symlinks, d.children) for d in self.directories
        ]
        skipped = [(skipped.path, skipped.reason) for skipped in self.skipped]
        rest = (self.classes, skipped, self.unreadable, self.transactions, self.rest, self.operations)
        return _unpack_walk, (marshal.dumps((columns, rest)),)

    def merge(self, other: Walk) -> None:
        numbers = {key: number for number, key in enumerate(self.classes)}
        table = []
        for key, sample in other.classes.items():
            table.append(numbers.setdefault(key, len(numbers)))
            self.classes.setdefault(key, sample)
        if table != list(range(len(table))):
            for directory in other.directories:
                directory.classes = array("H", [table[number] for number in directory.classes])
        self.directories += other.directories
        self.skipped += other.skipped
        self.unreadable += other.unreadable
        self.transactions += other.transactions
        self.rest += other.rest
        self.operations += other.operations


def _columns(directory: Directory) -> tuple[array[int], ...]:
    return directory.size_bytes, directory.mtimes_ns, directory.inodes, directory.classes


def _unpack_walk(data: bytes) -> Walk:
    columns, (classes, skipped, unreadable, transactions, rest, operations) = marshal.loads(data)
    directories = [
        Directory(
            path,
            mtime_ns,
            names,
            array("q", sizes),
            array("q", mtimes),
            array("Q", inodes),
            array("H", numbers),
            symlinks,
            children,
        )
        for path, mtime_ns, names, sizes, mtimes, inodes, numbers, symlinks, children in columns
    ]
    skips = [Skipped(*item) for item in skipped]
    return Walk(directories, classes, skips, unreadable, transactions, rest, operations)


def _nothing() -> None:
    return None


def _walk(
    root_fd: int,
    device: int,
    is_base: bool,
    pool: Pool,
    on_tick: Callable[[int], None] = lambda done: None,
    meanwhile: Callable[[], None] = _nothing,
) -> Walk:
    """Breadth first, until it is known how fast the filesystem is and there are subtrees for the workers, who go on.

    Where every call waits for a server they come back after some hundred calls with what they have not read, and it
    is shared out again: nobody knows beforehand which subtree is the big one.
    """
    walk = Walk(rest=[""])
    started, waited = time.perf_counter(), waits()
    while walk.rest and not _is_enough(len(walk.rest), walk.operations, pool):
        level, walk.rest = walk.rest, []
        for position, path in enumerate(level):
            directory = _read_below(root_fd, path, walk, device, is_base)
            walk.rest += [f"{path}/{name}" if path else name for name in directory.children] if directory else []
            if _is_enough(len(walk.rest) + len(level) - position, walk.operations, pool):
                walk.rest += level[position + 1 :]
                break
            pool.observe(walk.operations, time.perf_counter() - started, waits() - waited)
    most = _ROUND_OPERATIONS if pool.is_slow else sys.maxsize

    def subtree(tops: Sequence[str], advance: Callable[[int], None]) -> Walk:
        part = Walk()
        for top in tops:
            _read_subtree(root_fd, top, part, device, is_base, most, advance)
        return part

    while walk.rest:
        frontier, walk.rest = walk.rest, []
        # Neighbours go to one unit: the biggest packages have many subdirectories, side by side.
        size = len(frontier) // _MOST_SUBTREES + 1
        units = [frontier[start : start + size] for start in range(0, len(frontier), size)]
        for part in pool.map(units, subtree, 40 * len(frontier), on_tick, meanwhile):
            walk.merge(part)
        meanwhile = _nothing
    meanwhile()
    return walk


def _is_enough(subtrees: int, operations: int, pool: Pool) -> bool:
    """Whether the workers can start: sooner where one process alone mostly waits."""
    return subtrees >= _MOST_SUBTREES // 4 or (pool.is_slow and operations >= _TRIAL_OPERATIONS and subtrees > 1)


def _read_below(root_fd: int, path: str, walk: Walk, device: int, is_base: bool) -> Directory | None:
    descriptor = _descend(root_fd, path)
    if descriptor is None:
        walk.unreadable.append(path)
        return None
    try:
        return _read_directory(descriptor, path, walk, device, is_base)
    finally:
        os.close(descriptor)


def _read_subtree(
    root_fd: int, top: str, walk: Walk, device: int, is_base: bool, most: int, advance: Callable[[int], None]
) -> None:
    """Depth first with one descriptor a level, so that no path is looked up from the top again.

    Args:
        most: when `walk` has taken so many operations, what is left is noted in `walk.rest`.
    """
    descriptor = _descend(root_fd, top)
    if descriptor is None:
        walk.unreadable.append(top)
        return
    stack: list[tuple[int, str, list[str]]] = []
    try:
        directory = _read_directory(descriptor, top, walk, device, is_base)
        stack.append((descriptor, top, list(directory.children) if directory else []))
        while stack:
            descriptor, path, children = stack[-1]
            if walk.operations > most:
                walk.rest += [f"{path}/{name}" for name in children]
                children.clear()
            if not children:
                os.close(stack.pop()[0])
                continue
            name = children.pop()
            below = f"{path}/{name}"
            try:
                child = os.open(name, _OPEN_DIRECTORY, dir_fd=descriptor)
            except PermissionError:
                walk.unreadable.append(below)
                continue
            except OSError as exc:
                raise _vanished(below, exc) from None
            stack.append((child, below, []))
            directory = _read_directory(child, below, walk, device, is_base)
            if directory is not None:
                stack[-1][2].extend(directory.children)
                advance(1 + len(directory.names))
    finally:
        for descriptor, _, _ in stack:
            os.close(descriptor)


def _descend(root_fd: int, path: str) -> int | None:
    """Open a directory below the prefix name by name, no symlink followed; None where permission lacks."""
    descriptor = os.dup(root_fd)
    for name in path.split("/") if path else ():
        try:
            below = os.open(name, _OPEN_DIRECTORY, dir_fd=descriptor)
        except PermissionError:
            return None
        except OSError as exc:
            raise _vanished(path, exc) from None
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _vanished(path: str, exc: OSError) -> Exception:
    """ENOENT, ENOTDIR, ELOOP: somebody is changing the source. ESTALE the same, on NFS. Others are the system's."""
    if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE):
        return SourceChanged(path, (path,))
    return FileOperation("reading", path, exc.errno or 0)


def _read_directory(descriptor: int, path: str, walk: Walk, device: int, is_base: bool) -> Directory | None:
    """One listing with one stat an entry. None, with a note, where another environment or a mount point begins."""
    status = os.fstat(descriptor)
    if status.st_dev != device:
        walk.skipped.append(Skipped(path, "another filesystem is mounted there"))
        return None
    directory = Directory(path, status.st_mtime_ns)
    names, sizes, mtimes = directory.names.append, directory.size_bytes.append, directory.mtimes_ns.append
    inodes, classes, known = directory.inodes.append, directory.classes.append, walk.classes
    numbers = {key: number for number, key in enumerate(known)}
    prefix = f"{path}/" if path else ""
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                status = entry.stat(follow_symlinks=False)
                mode = status.st_mode
                if stat.S_ISREG(mode):
                    if name.endswith(".c~") or name == "conda-meta.lock":
                        walk.transactions.append(prefix + name)
                    key = (status.st_uid, status.st_gid, mode)
                    number = numbers.get(key)
                    if number is None:
                        number = numbers[key] = len(numbers)
                        known[key] = prefix + name
                    names(name)
                    sizes(status.st_size)
                    mtimes(status.st_mtime_ns)
                    inodes(status.st_ino)
                    classes(number)
                elif stat.S_ISDIR(mode):
                    if not path and is_base and name in ROOT_ONLY:
                        continue
                    if name == ".condatmp":
                        walk.transactions.append(prefix + name)
                    directory.children.append(name)
                elif stat.S_ISLNK(mode):
                    directory.symlinks.append((name, os.readlink(name, dir_fd=descriptor)))
                else:
                    walk.skipped.append(Skipped(prefix + name, f"it is a {_kind(mode)}"))
    except OSError as exc:
        raise _vanished(path or ".", exc) from None
    walk.operations += len(directory.names) + len(directory.children) + 2 * len(directory.symlinks) + 3
    if path and "conda-meta" in directory.children and _exists(descriptor, "conda-meta/history"):
        walk.skipped.append(Skipped(path, "it is an environment of its own"))
        return None
    walk.directories.append(directory)
    return directory


def _exists(descriptor: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=descriptor)
    except OSError:
        return False
    return True


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "FIFO"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def read_listing(prefix: str, pool: Pool) -> Walk:
    """The listing alone, without the records."""
    root_fd = open_prefix(prefix)
    try:
        return _walk(root_fd, os.fstat(root_fd).st_dev, False, pool)
    finally:
        os.close(root_fd)


def reread_directory(prefix: str, path: str) -> Directory | None:
    """One directory's listing again, to see whether it is the same; None where it is gone."""
    try:
        root_fd = open_prefix(prefix)
    except (EnvironmentNotFound, NotAPrefix):
        return None
    try:
        return _read_below(root_fd, path, Walk(), os.fstat(root_fd).st_dev, False)
    except SourceChanged:
        return None
    finally:
        os.close(root_fd)


# the records ----------------------------------------------------------------------------------------------------


@dataclass
class _Owned:
    records: list[RecordInfo] = field(default_factory=list)
    tracked: Tracked = field(default_factory=Tracked)
    replacements: dict[str, Replacement] = field(default_factory=dict)
    no_link: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    site_packages: str | None = None


def _read_records(root_fd: int, prefix: str, owned: _Owned) -> None:
    """Decode every record once; of most paths nothing is kept but whose they are."""
    later: list[tuple[int, PrefixRecord]] = []
    try:
        names = sorted(os.listdir(f"{prefix}/conda-meta"))
    except OSError as exc:
        raise NotAPrefix(prefix, f"its conda-meta cannot be read: {exc.strerror}") from None
    for name in names:
        if not name.endswith(".json") or not _is_regular(root_fd, f"conda-meta/{name}"):
            continue
        try:
            record = read_record(root_fd, prefix, name)
        except FileOperation as exc:
            if exc.errno != errno.EACCES:
                raise
            owned.unreadable.append(f"conda-meta/{name}")
            continue
        number = len(owned.records)
        mtime_ns = os.stat(f"conda-meta/{name}", dir_fd=root_fd).st_mtime_ns
        owned.records.append(
            RecordInfo(record.name, record.version, name, record.stem, mtime_ns, record.extracted_package_dir)
        )
        if record.name == "python":
            owned.site_packages = site_packages_of(record)
        if record.noarch == "python":
            later.append((number, record))  # where its files are is Python's record to say
        else:
            _note_paths(owned, number, record)
    for number, record in later:
        _note_paths(owned, number, record)


def _is_regular(root_fd: int, path: str) -> bool:
    """False for a FIFO, whose reader would wait for ever. What is not there is for the reader to say."""
    try:
        return stat.S_ISREG(os.stat(path, dir_fd=root_fd).st_mode)
    except OSError:
        return True


def _note_paths(owned: _Owned, number: int, record: PrefixRecord) -> None:
    tracked, replacements = owned.tracked, owned.replacements
    for path, entry in installed_paths(record, owned.site_packages):
        tracked.add(path, number)
        if entry is None:
            continue
        entry_point = entry.path_type == "unix_python_entry_point"
        if entry.replaced or entry_point:
            mode = FileMode(entry.file_mode) if entry.file_mode in ("text", "binary") else None
            replacements[path] = Replacement(
                entry.prefix_placeholder, mode, entry.sha256, number, entry.path, entry_point
            )
        if entry.no_link:
            owned.no_link.add(path)


def _complete_replacements(owned: _Owned, package_caches: Sequence[str]) -> None:
    """Placeholders that a record does not have, from the extracted package where one is left."""
    unknown = sorted({r.record for r in owned.replacements.values() if r.placeholder is None and not r.entry_point})
    if not unknown:
        return
    told = {number: _packed_entries(package_directories(owned.records[number], package_caches)) for number in unknown}
    for path, replacement in owned.replacements.items():
        known = told.get(replacement.record, {})
        # mamba's records name a noarch package's files as installed, the package as packed.
        names = packed_paths(replacement.packed_path, owned.site_packages)
        entry = next((known[name] for name in names if name in known), None)
        if replacement.placeholder is None and entry is not None and entry.prefix_placeholder:
            mode = FileMode(entry.file_mode) if entry.file_mode in ("text", "binary") else None
            owned.replacements[path] = dataclasses.replace(
                replacement, placeholder=entry.prefix_placeholder, file_mode=mode, packed_path=entry.path
            )


def package_directories(record: RecordInfo, package_caches: Sequence[str]) -> tuple[str, ...]:
    """Where the extracted package of a record may be."""
    own = (record.extracted_package_dir,) if record.extracted_package_dir else ()
    return tuple(dict.fromkeys((*own, *(f"{cache}/{record.stem}" for cache in package_caches))))


def _packed_entries(directories: Sequence[str]) -> dict[str, PathEntry]:
    for directory in directories:
        try:
            with open(f"{directory}/info/paths.json", "rb") as stream:
                return {entry.path: entry for entry in parse_paths(stream.read(), directory).paths}
        except (OSError, CorruptRecord):  # a cache is a help, never a condition
            continue
    return {}


def read_record(root_fd: int, prefix: str, name: str) -> PrefixRecord:
    path = f"{prefix}/conda-meta/{name}"
    return parse_record(read_file(root_fd, f"conda-meta/{name}", path), path)


def read_file(root_fd: int, relative: str, path: str) -> bytes:
    try:
        descriptor = os.open(relative, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root_fd)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read()
    except OSError as exc:
        raise FileOperation("reading", path, exc.errno or 0) from None


_COMMAND: Final = re.compile(r"^# cmd: (.*)$", re.MULTILINE)


def _history_prefixes(root_fd: int) -> list[str]:
    """Prefixes that the commands in conda-meta/history name (`conda create -p /opt/conda/envs/x`)."""
    if not _is_regular(root_fd, "conda-meta/history"):
        return []
    try:
        text = read_file(root_fd, "conda-meta/history", "").decode("utf-8", "replace")
    except FileOperation:
        return []
    found = []
    for command in _COMMAND.findall(text):
        try:
            words = shlex.split(command)
        except ValueError:
            words = command.split()
        for word, following in zip(words, [*words[1:], ""], strict=True):
            value = following if word in ("-p", "--prefix") else word.partition("--prefix=")[2]
            if value.startswith("/") and value.rstrip("/"):
                found.append(os.path.normpath(value))
    return found
