"""A channel in a directory, made of what a package cache has: other machines use it as `file://DIR`.

A package is published under its name when it is whole, and the index after it, each by a rename: a conda that reads
meanwhile sees the old channel or the new one. What is there stays; a file that somebody took away leaves the index.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from userconda import fsops, locks
from userconda.errors import MirrorNotOurs
from userconda.site.cache import read_record
from userconda.site.permissions import execute_permissions, plan_permissions

#: In `info` of an index, where conda and mamba see nothing that they know.
MADE_BY: Final = "ucenv site cache --mirror"

#: What an index has of a package; a record in a cache also says where it came from.
_KEYS: Final = frozenset(
    ["arch", "build", "build_number", "constrains", "depends", "extra_depends", "features", "flags", "legacy_bz2_md5",
     "legacy_bz2_size", "license", "license_family", "md5", "name", "noarch", "platform", "python_site_packages_path",
     "sha256", "size", "subdir", "timestamp", "track_features", "version"]
)  # fmt: skip
_SECTIONS: Final = {".conda": "packages.conda", ".tar.bz2": "packages"}
_ALWAYS: Final = "noarch"  # a channel without it is none
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A package that a mirror is to have.

    Attributes:
        path: of its archive, in the cache.
        record: for the index.
    """

    path: str
    subdir: str
    file_name: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """
    Attributes:
        added: archives that it lacks.
        same: how many it has.
        gone: subdir/file of what its index has and it has not.
        notes: packages that cannot be had, and why.
        subdirs: whose index is to be written.
    """

    directory: str
    added: tuple[Entry, ...]
    same: int
    gone: tuple[str, ...]
    notes: tuple[str, ...]
    subdirs: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "directory": self.directory,
            "added": [f"{entry.subdir}/{entry.file_name}" for entry in self.added],
            "same": self.same,
            "gone": list(self.gone),
        }


def plan_mirror(
    directory: str, cache: str, stems: Sequence[str], records: Mapping[str, Mapping[str, Any]] | None = None
) -> MirrorPlan:
    """What a mirror lacks of these packages of a cache.

    Args:
        records: as their channels have them now, by stem, as far as that is known: with what was corrected since, and
            what mamba does not keep of a package that it was given by its address.

    Raises:
        MirrorNotOurs: it is a channel that ucenv did not make.
        FileOperation: it cannot be read.
    """
    notes: list[str] = []
    wanted = [
        entry for stem in stems if (entry := _entry(cache, stem, (records or {}).get(stem, {}), notes)) is not None
    ]
    subdirs = sorted({_ALWAYS, *_subdirs(directory), *(entry.subdir for entry in wanted)})
    indexes = {subdir: read_index(directory, subdir) for subdir in subdirs}
    gone = [
        f"{subdir}/{name}"
        for subdir, index in indexes.items()
        for section in _SECTIONS.values()
        for name, record in index.get(section, {}).items()
        if not _is_whole(os.path.join(directory, subdir, name), record)
    ]
    added = []
    for entry in wanted:
        known = indexes[entry.subdir].get(_section(entry.file_name), {}).get(entry.file_name)
        same = known is not None and known.get("sha256") == entry.record.get("sha256", known.get("sha256"))
        if not same or f"{entry.subdir}/{entry.file_name}" in gone:
            added.append(entry)
    changed = {entry.subdir for entry in added} | {path.partition("/")[0] for path in gone}
    changed |= {subdir for subdir, index in indexes.items() if not index}
    again = {f"{entry.subdir}/{entry.file_name}" for entry in added}
    return MirrorPlan(
        directory,
        tuple(added),
        len(wanted) - len(added),
        tuple(path for path in gone if path not in again),
        tuple(notes),
        tuple(sorted(changed)),
    )


def _entry(cache: str, stem: str, now: Mapping[str, Any], notes: list[str]) -> Entry | None:
    record = read_record(cache, stem)
    if record is None:
        notes.append(f"{stem} is not in the cache")
        return None
    record |= now
    named = record.get("fn")
    for name in dict.fromkeys([named, f"{stem}.conda", f"{stem}.tar.bz2"]):
        # The record is somebody's text: only what can be its archive's name.
        if name in (f"{stem}.conda", f"{stem}.tar.bz2") and os.path.isfile(path := os.path.join(cache, name)):
            subdir = record.get("subdir")
            if not isinstance(subdir, str) or not subdir.replace("-", "").replace("_", "").isalnum():
                break
            fields = {key: value for key, value in record.items() if key in _KEYS}
            if name != named:  # the other format's archive: these are not its figures
                fields = {key: value for key, value in fields.items() if key not in ("md5", "sha256", "size")}
            return Entry(path, subdir, name, fields)
    notes.append(f"{stem} has no archive in the cache (conda clean --tarballs?): not in the mirror")
    return None


def _section(name: str) -> str:
    return next(section for ending, section in _SECTIONS.items() if name.endswith(ending))


def _subdirs(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise fsops.failure("reading", directory, exc) from None
    return [name for name in names if os.path.isfile(os.path.join(directory, name, "repodata.json"))]


def _is_whole(path: str, record: object) -> bool:
    try:
        size_bytes = os.stat(path).st_size
    except OSError:  # gone, or not to be had: no reader could have it either
        return False
    return isinstance(record, dict) and record.get("size") in (None, size_bytes)


def read_index(directory: str, subdir: str) -> dict[str, Any]:
    """`repodata.json`; empty where there is none.

    Raises:
        MirrorNotOurs: it is not ours, or no index at all.
        FileOperation: it cannot be read.
    """
    path = os.path.join(directory, subdir, "repodata.json")
    try:
        with open(path, encoding="utf-8") as stream:
            index = json.load(stream)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise fsops.failure("reading", path, exc) from None
    except ValueError:
        raise MirrorNotOurs(path) from None
    info = index.get("info") if isinstance(index, dict) else None
    if not isinstance(info, dict) or info.get("made_by") != MADE_BY:
        raise MirrorNotOurs(path)
    return dict(index)


# acting ---------------------------------------------------------------------------------------------------------


def execute_mirror(plan: MirrorPlan, tell: Callable[[str], None] = lambda text: None) -> tuple[str, ...]:
    """Publish the packages, then the indexes.

    Returns:
        What could not be mirrored, in words: an archive that is not what its record says.

    Raises:
        MirrorNotOurs: it has become somebody else's meanwhile.
        LockTimeout: another run writes to it.
        FileOperation, NotEnoughSpace, QuotaExceeded: what was published until then is in no index.
    """
    if not plan.subdirs:
        return ()
    lease = locks.acquire(os.path.join(plan.directory, ".ucenv", "mirror.lock"))
    try:
        refused: list[str] = []
        for subdir in plan.subdirs:
            target = os.path.join(plan.directory, subdir)
            try:
                fsops.make_directories(target)
            except OSError as exc:
                raise fsops.failure("making the directory", target, exc) from None
            entries = [entry for entry in plan.added if entry.subdir == subdir]
            records = {}
            for entry in entries:
                lease.beat()
                record, why = _publish(entry, target)
                if why:
                    refused.append(f"{entry.file_name}: {why}; it was left out")
                else:
                    records[entry.file_name] = record
            if entries:
                tell(f"{subdir}: {len(records):,} packages")
            fsops.sync_directory(target)
            _write_index(plan.directory, subdir, records)
        execute_permissions(plan_permissions(plan.directory))
        return tuple(refused)
    finally:
        lease.release()


def _publish(entry: Entry, target: str) -> tuple[dict[str, Any], str]:
    """An archive under its name in the mirror: a link to the cache's where that can be, else a copy."""
    temporary = f".{entry.file_name}.{platform.node()}.{os.getpid()}.tmp"
    source_fd = os.open(os.path.dirname(entry.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        target_fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                name = os.path.basename(entry.path)
                if fsops.hardlink(name, source_fd, target_fd, target, temporary):
                    fsops.copy(name, source_fd, target_fd, entry.path, reflink=True, target_name=temporary)
                found = _figures(temporary, target_fd)
                for key, value in found.items():
                    if entry.record.get(key) not in (None, "", value):
                        return {}, f"its {key} is {value}, and {entry.record[key]} in its record"
                os.rename(temporary, entry.file_name, src_dir_fd=target_fd, dst_dir_fd=target_fd)
            except fsops.ChangedMeanwhile:
                return {}, "it was changed meanwhile"
            except PermissionError:
                return {}, "it cannot be read"
            except OSError as exc:
                raise fsops.failure("publishing", os.path.join(target, entry.file_name), exc) from None
            finally:
                try:
                    os.unlink(temporary, dir_fd=target_fd)
                except OSError as exc:
                    if exc.errno != errno.ENOENT:  # renamed, as it should be
                        raise fsops.failure("removing", os.path.join(target, temporary), exc) from None
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)
    return {**entry.record, **found, "subdir": entry.subdir}, ""


def _figures(name: str, directory_fd: int) -> dict[str, Any]:
    """What an index says of a file's bytes. md5 is what conda before 4.9 looks at."""
    sha256, md5, size_bytes = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        while data := os.read(descriptor, _CHUNK_BYTES):
            sha256.update(data)
            md5.update(data)
            size_bytes += len(data)
    finally:
        os.close(descriptor)
    return {"sha256": sha256.hexdigest(), "md5": md5.hexdigest(), "size": size_bytes}


def _write_index(directory: str, subdir: str, records: Mapping[str, Mapping[str, Any]]) -> None:
    """The index as it is now, without what is gone, with these."""
    index = read_index(directory, subdir)
    document: dict[str, Any] = {**index, "info": {"subdir": subdir, "made_by": MADE_BY}, "repodata_version": 1}
    for section in _SECTIONS.values():
        known = {**index.get(section, {})}
        known |= {name: record for name, record in records.items() if _section(name) == section}
        document[section] = {
            name: known[name] for name in sorted(known) if _is_whole(os.path.join(directory, subdir, name), known[name])
        }
    document.setdefault("removed", [])
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    path = os.path.join(directory, subdir, "repodata.json")
    fsops.write_file(path, text.encode("utf-8", "surrogateescape"))
