"""Looking into files for a path that nobody recorded, and finding out which prefix an environment's files hold."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Sequence

from userconda import fsops
from userconda.errors import FileOperation, SourceChanged, SourceIncomplete
from userconda.models import ROOT_ONLY, PrefixSnapshot
from userconda.parallel import Pool
from userconda.placeholder import PathFinder, find_origin
from userconda.plan import Look

#: Of this many bytes a file is read; larger ones are mapped, so that the search may stop before it has read them.
_READ_BYTES = 1 << 18

#: So many files show which prefix the installer wrote.
_SAMPLES = 12


def held_prefixes(snapshot: PrefixSnapshot) -> tuple[str, ...]:
    """The prefixes that this environment's files hold: the given one, its real path, and what inversions prove.

    An environment that was moved holds neither of the first two; its history may still name the third. A candidate
    from the history counts only where undoing it gives the packed bytes back.
    """
    given = tuple(dict.fromkeys((snapshot.prefix, os.path.realpath(snapshot.prefix))))
    others = tuple(prefix for prefix in snapshot.prefixes if prefix not in given)
    if not others:
        return given
    proven: dict[str, None] = {}
    samples = 0
    for path, replacement in snapshot.replacements.items():
        if replacement.placeholder is None or replacement.file_mode is None or replacement.sha256 is None:
            continue
        installed, place = os.path.join(snapshot.prefix, path), os.path.join(given[-1], os.path.dirname(path))
        try:
            # A record may list what lies behind a symlinked directory, or is a FIFO by now.
            if os.path.realpath(place) != place.rstrip("/") or not stat.S_ISREG(os.lstat(installed).st_mode):
                continue
            with open(installed, "rb") as stream:
                data = stream.read()
        except OSError:
            continue
        origin = find_origin(
            data, snapshot.prefixes, replacement.placeholder, replacement.file_mode, replacement.sha256
        )
        if origin is not None and origin.prefix in others and any(os.fsencode(p) in data for p in others):
            proven[origin.prefix] = None
        samples += 1
        if samples == _SAMPLES:
            break
    return (*given, *proven)


def find_holding(snapshot: PrefixSnapshot, looks: Sequence[Look], prefixes: tuple[str, ...], pool: Pool) -> set[str]:
    """The paths among `looks` whose content holds one of the prefixes as a whole path.

    Raises:
        SourceIncomplete: files that cannot be read, all of them.
    """
    finder = PathFinder(prefixes, ROOT_ONLY if snapshot.is_base else ())

    def look(unit: Sequence[Look], advance: Callable[[int], None]) -> tuple[list[str], list[str]]:
        found, unreadable = [], []
        for part in unit:
            path = part.path
            try:
                directory_fd = os.open(os.path.join(snapshot.prefix, path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    for name in part.names:
                        path = f"{part.path}/{name}" if part.path else name
                        try:
                            if _holds(name, directory_fd, finder, part.scripts_only):
                                found.append(path)
                        except PermissionError:
                            unreadable.append(path)
                finally:
                    os.close(directory_fd)
            except OSError as exc:
                if exc.errno in fsops.VANISHED:
                    raise SourceChanged(snapshot.prefix, (path,)) from None
                raise FileOperation("reading", os.path.join(snapshot.prefix, path), exc.errno or 0) from None
            advance(len(part.names))
        return found, unreadable

    units = _batches(looks, 64)
    operations = 3 * sum(len(part.names) for part in looks) + sum(part.size_bytes for part in looks) // (1 << 16)
    results = pool.map(units, look, operations)
    unreadable = sorted(path for _, paths in results for path in paths)
    if unreadable:
        raise SourceIncomplete(snapshot.prefix, tuple(unreadable))
    return {path for paths, _ in results for path in paths}


def _batches(looks: Sequence[Look], parts: int) -> list[list[Look]]:
    """Units of about the same work: files to open, and bytes to search."""
    weights = [len(look.names) + look.size_bytes // 50_000 for look in looks]
    limit = sum(weights) // parts + 1
    batches: list[list[Look]] = []
    filled = limit
    for look, weight in zip(looks, weights, strict=True):
        if filled >= limit:
            batches.append([])
            filled = 0
        batches[-1].append(look)
        filled += weight
    return batches


def _holds(name: str, directory_fd: int, finder: PathFinder, scripts_only: bool) -> bool:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        data = os.read(descriptor, 2 if scripts_only else _READ_BYTES)
        if scripts_only:
            if data != b"#!":
                return False
            data += os.read(descriptor, _READ_BYTES)
        if len(data) < _READ_BYTES:
            return finder.find(data) is not None
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapped:
            return finder.find(mapped) is not None
    finally:
        os.close(descriptor)
