"""Finding twins: files that the user owns already and that are the same as the source's.

They are in earlier clones of the same source and in the user's package cache. The same means: same path (or the path
in its package), same size, same mtime to the nanosecond, and the same sha256 in both records. Its owner may do the same
with it, too: a link keeps the mode, which the user may have changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from userconda.errors import UcenvError
from userconda.models import PrefixSnapshot
from userconda.parallel import Pool
from userconda.prefixes import is_prefix, open_prefix, package_directories, read_file, read_listing, read_record
from userconda.provenance import read_provenance
from userconda.records import installed_paths, packed_paths, parse_paths, parse_record

#: directory -> name -> absolute directory of the user's own file of that name
Twins = dict[str, dict[str, str]]


def find_twins(
    snapshot: PrefixSnapshot,
    wanted: Callable[[int], bool],
    clones: Sequence[str],
    package_caches: Sequence[str],
    device: int,
    pool: Pool,
) -> Twins:
    """Twins on one filesystem.

    Args:
        wanted: whether files of that class (an index into snapshot.classes) cannot be linked themselves.
        clones: prefixes of the user's, newest first.
        device: st_dev of the clone to be; a link from elsewhere would be refused.
    """
    search = _Search(snapshot, wanted)
    for clone in clones:
        if not search.complete:
            _match_clone(search, clone, device, pool)
    for cache in package_caches:
        if not search.complete and os.path.isdir(cache) and os.stat(cache).st_dev == device:
            _match_cache(search, cache)
    return search.twins


class _Search:
    """What is looked for, and what was found so far."""

    def __init__(self, snapshot: PrefixSnapshot, wanted: Callable[[int], bool]) -> None:
        self.snapshot, self._wanted = snapshot, wanted
        self._directories = {directory.path: directory for directory in snapshot.directories}
        self._missing = sum(wanted(number) for directory in snapshot.directories for number in directory.classes)
        self.twins: Twins = {}

    @property
    def complete(self) -> bool:
        return not self._missing

    def figures(self, path: str) -> dict[str, tuple[int, int, int]]:
        """Name -> size, mtime and owner's permission bits of the files of a directory that have no twin yet."""
        directory, found = self._directories.get(path), self.twins.get(path, {})
        if directory is None:
            return {}
        columns = zip(directory.names, directory.size_bytes, directory.mtimes_ns, directory.classes, strict=True)
        return {
            name: (size, mtime_ns, self.snapshot.classes[number].mode & stat.S_IRWXU)
            for name, size, mtime_ns, number in columns
            if self._wanted(number) and name not in found
        }

    def found(self, path: str, name: str, place: str) -> None:
        self.twins.setdefault(path, {})[name] = place
        self._missing -= 1


def clones_of(snapshot: PrefixSnapshot, prefixes: Sequence[str]) -> list[str]:
    """Those of the prefixes which say that they were cloned from this source, or from what it was cloned from."""
    parent = read_provenance(snapshot.prefix)
    sources = {os.path.realpath(snapshot.prefix), *((os.path.realpath(parent.source),) if parent else ())}
    found = []
    for prefix in prefixes:
        note = read_provenance(prefix)
        if note is not None and os.path.realpath(note.source) in sources and is_prefix(prefix):
            found.append((note.time, prefix))
    return [prefix for _, prefix in sorted(found, reverse=True)]


def _match_clone(search: _Search, clone: str, device: int, pool: Pool) -> None:
    user = os.geteuid()
    try:
        if os.stat(clone).st_dev != device:
            return
        walk = read_listing(clone, pool)
        differing = _differing_paths(search.snapshot, clone)
    except (UcenvError, OSError):
        return  # a broken clone is nobody's twin
    owned = [uid == user for uid, _, _ in walk.classes]
    modes = [mode & stat.S_IRWXU for _, _, mode in walk.classes]
    for directory in walk.directories:
        wanted = search.figures(directory.path)
        if not wanted:
            continue
        prefix = f"{directory.path}/" if directory.path else ""
        place = os.path.join(clone, directory.path) if directory.path else clone
        columns = zip(directory.names, directory.size_bytes, directory.mtimes_ns, directory.classes, strict=True)
        for name, size, mtime_ns, number in columns:
            same = wanted.get(name) == (size, mtime_ns, modes[number])
            if owned[number] and same and prefix + name not in differing:
                search.found(directory.path, name, place)


def _differing_paths(snapshot: PrefixSnapshot, clone: str) -> set[str]:
    """Paths that the two environments' records do not agree on: another package's, or with another sha256."""
    differing: set[str] = set()
    names = {record.file_name for record in snapshot.records}
    clone_fd, source_fd = open_prefix(clone), open_prefix(snapshot.prefix)
    try:
        others = {name for name in os.listdir(os.path.join(clone, "conda-meta")) if name.endswith(".json")}
        for name in names | others:
            ours = _record_bytes(source_fd, name) if name in names else b""
            theirs = _record_bytes(clone_fd, name) if name in others else b""
            if ours != theirs:  # most are the same to the byte, and need no decoding
                before, after = (_hashes(data, snapshot.site_packages) for data in (ours, theirs))
                differing |= {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    finally:
        os.close(clone_fd)
        os.close(source_fd)
    return differing


def _record_bytes(prefix_fd: int, name: str) -> bytes:
    return read_file(prefix_fd, f"conda-meta/{name}", name)


def _hashes(data: bytes, site_packages: str | None) -> dict[str, str | None]:
    """Path -> sha256; an entry point's is the installed file's with rattler, so it says nothing."""
    if not data:
        return {}
    return {
        path: None if entry is None or entry.path_type == "unix_python_entry_point" else entry.sha256
        for path, entry in installed_paths(parse_record(data, ""), site_packages)
    }


def _match_cache(search: _Search, cache: str) -> None:
    snapshot, user = search.snapshot, os.geteuid()
    source_fd = open_prefix(snapshot.prefix)
    try:
        for record_info in snapshot.records:
            package = next((p for p in package_directories(record_info, (cache,)) if p.startswith(cache + "/")), None)
            if package is None or not os.path.isdir(package):
                continue
            try:
                with open(os.path.join(package, "info", "paths.json"), "rb") as stream:
                    packed = {entry.path: entry.sha256 for entry in parse_paths(stream.read(), package).paths}
                record = read_record(source_fd, snapshot.prefix, record_info.file_name)
            except (OSError, UcenvError):
                continue
            figures: dict[str, dict[str, tuple[int, int, int]]] = {}
            for path, entry in installed_paths(record, snapshot.site_packages):
                directory, _, name = path.rpartition("/")
                if directory not in figures:
                    figures[directory] = search.figures(directory)
                wanted = figures[directory].get(name)
                if wanted is None or entry is None or entry.sha256 is None:
                    continue
                # conda's records of noarch packages have the packed path; those of rattler and mamba the installed.
                names = (entry.path, *packed_paths(path, snapshot.site_packages))
                inside = next((p for p in names if p in packed), None)
                if inside is None or packed[inside] != entry.sha256:
                    continue
                try:
                    status = os.stat(os.path.join(package, inside), follow_symlinks=False)
                except OSError:
                    continue
                here = (status.st_size, status.st_mtime_ns, status.st_mode & stat.S_IRWXU)
                if status.st_uid == user and here == wanted:
                    search.found(directory, name, os.path.dirname(os.path.join(package, inside)))
    finally:
        os.close(source_fd)
