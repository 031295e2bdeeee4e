"""Finding twins: files that the user owns already and that are the same as the source's.

They are in earlier clones of the same source and in the user's package cache. The same means: same path (or the path
in its package), same size, same mtime to the nanosecond, and the same sha256 in both records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from userconda.errors import UcenvError
from userconda.models import Directory, PrefixSnapshot
from userconda.parallel import Pool
from userconda.prefixes import is_prefix, open_prefix, package_directories, read_listing, read_record
from userconda.provenance import read_provenance
from userconda.records import PrefixRecord, installed_paths, packed_paths, parse_paths

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
    missing = {
        directory.path: {
            name: (size, mtime_ns)
            for name, size, mtime_ns, number in zip(
                directory.names, directory.size_bytes, directory.mtimes_ns, directory.classes, strict=True
            )
            if wanted(number)
        }
        for directory in snapshot.directories
    }
    missing = {path: files for path, files in missing.items() if files}
    twins: Twins = {}
    for clone in clones:
        if missing:
            _match_clone(snapshot, clone, device, pool, missing, twins)
    if missing:
        for cache in package_caches:
            if os.path.isdir(cache) and os.stat(cache).st_dev == device:
                _match_cache(snapshot, cache, missing, twins)
    return twins


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


_Missing = dict[str, dict[str, tuple[int, int]]]


def _match_clone(
    snapshot: PrefixSnapshot, clone: str, device: int, pool: Pool, missing: _Missing, twins: Twins
) -> None:
    user = os.geteuid()
    try:
        if os.stat(clone).st_dev != device:
            return
        walk = read_listing(clone, pool)
        differing = _differing_paths(snapshot, clone)
    except (UcenvError, OSError):
        return  # a broken clone is nobody's twin
    owned = [key[0] == user for key in walk.classes]
    for directory in walk.directories:
        wanted = missing.get(directory.path)
        if not wanted:
            continue
        place = os.path.join(clone, directory.path) if directory.path else clone
        for name in _same(directory, wanted, owned):
            path = f"{directory.path}/{name}" if directory.path else name
            if path not in differing:
                twins.setdefault(directory.path, {})[name] = place
                del wanted[name]
        if not wanted:
            del missing[directory.path]


def _same(directory: Directory, wanted: dict[str, tuple[int, int]], owned: Sequence[bool]) -> list[str]:
    return [
        name
        for name, size, mtime_ns, number in zip(
            directory.names, directory.size_bytes, directory.mtimes_ns, directory.classes, strict=True
        )
        if owned[number] and wanted.get(name) == (size, mtime_ns)
    ]


def _differing_paths(snapshot: PrefixSnapshot, clone: str) -> set[str]:
    """Paths that the two environments' records do not agree on: another package's, or with another sha256."""
    differing: set[str] = set()
    names = {record.file_name for record in snapshot.records}
    clone_fd, source_fd = open_prefix(clone), open_prefix(snapshot.prefix)
    try:
        others = {name for name in os.listdir(os.path.join(clone, "conda-meta")) if name.endswith(".json")}
        for record_name in names | others:
            hashes: list[dict[str, str | None]] = []
            for prefix, descriptor, known in (
                (snapshot.prefix, source_fd, names),
                (clone, clone_fd, others),
            ):
                record = read_record(descriptor, prefix, record_name) if record_name in known else None
                hashes.append(_hashes(record, snapshot.site_packages) if record else {})
            ours, theirs = hashes
            if ours != theirs:
                differing |= {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    finally:
        os.close(clone_fd)
        os.close(source_fd)
    return differing


def _hashes(record: PrefixRecord, site_packages: str | None) -> dict[str, str | None]:
    return {
        path: None if entry is None or entry.path_type == "unix_python_entry_point" else entry.sha256
        for path, entry in installed_paths(record, site_packages)
    }


def _match_cache(snapshot: PrefixSnapshot, cache: str, missing: _Missing, twins: Twins) -> None:
    user = os.geteuid()
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
            for path, entry in installed_paths(record, snapshot.site_packages):
                directory, _, name = path.rpartition("/")
                wanted = missing.get(directory, {}).get(name)
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
                if status.st_uid == user and (status.st_size, status.st_mtime_ns) == wanted:
                    twins.setdefault(directory, {})[name] = os.path.dirname(os.path.join(package, inside))
                    del missing[directory][name]
    finally:
        os.close(source_fd)
