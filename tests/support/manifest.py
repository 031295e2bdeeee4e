"""What a tree holds, to compare before and after; and what its owner is charged, counted the slow way."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


class Entry(NamedTuple):
    """Not ctime and not the link count: link(2) changes those of the source, and is allowed to."""

    kind: str
    sha256: str | None
    mode: int
    mtime_ns: int
    uid: int
    gid: int
    symlink_target: bytes | None


Manifest = dict[bytes, Entry]


def manifest(root: Path | str | bytes) -> Manifest:
    """Everything in `root` by its relative path, `root` itself as b"."; nothing is followed.

    A file or directory that cannot be read is an error: a manifest with holes proves nothing.
    """
    top = os.fsencode(root)
    hashes: dict[tuple[int, int], str] = {}
    return {path[len(top) + 1 :] or b".": _entry(path, st, hashes) for path, st in _walk(top)}


def diff(a: Manifest, b: Manifest, *, ignoring: Collection[str] = ()) -> list[str]:
    """One line for each path that differs; empty where the two are the same but for the fields in `ignoring`."""
    unknown = set(ignoring) - set(Entry._fields)
    if unknown:
        raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
    lines = []
    for path in sorted(a.keys() | b.keys()):
        name = os.fsdecode(path)
        if path not in b:
            lines.append(f"removed: {name!r}")
        elif path not in a:
            lines.append(f"added: {name!r}")
        else:
            changes = [
                f"{field} {_shown(field, old)} -> {_shown(field, new)}"
                for field, old, new in zip(Entry._fields, a[path], b[path], strict=True)
                if old != new and field not in ignoring
            ]
            if changes:
                lines.append(f"changed: {name!r}: {', '.join(changes)}")
    return lines


def charged(root: Path | str | bytes, uid: int) -> tuple[int, int]:
    """Allocated bytes and inodes of `uid` in `root` (itself included), each inode once.

    Inodes shared with files outside of `root` count in full, as a quota counts them.
    """
    inodes = {(st.st_dev, st.st_ino): 512 * st.st_blocks for _, st in _walk(os.fsencode(root)) if st.st_uid == uid}
    return sum(inodes.values()), len(inodes)


def _walk(top: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    pending = [(top, os.lstat(top))]
    while pending:
        path, st = pending.pop()
        yield path, st
        if stat.S_ISDIR(st.st_mode):
            with os.scandir(path) as entries:
                # lstat, not DirEntry.stat: btrfs and overlays give another st_ino in a listing.
                pending.extend((entry.path, os.lstat(entry.path)) for entry in entries)


def _entry(path: bytes, st: os.stat_result, hashes: dict[tuple[int, int], str]) -> Entry:
    sha256 = target = None
    if stat.S_ISREG(st.st_mode):
        inode = (st.st_dev, st.st_ino)
        if inode not in hashes:
            with open(path, "rb", buffering=0) as file:
                hashes[inode] = _sha256(file.fileno())
        sha256 = hashes[inode]
    elif stat.S_ISLNK(st.st_mode):
        target = os.readlink(path)
    kind = _KINDS[stat.S_IFMT(st.st_mode)]
    return Entry(kind, sha256, stat.S_IMODE(st.st_mode), st.st_mtime_ns, st.st_uid, st.st_gid, target)


def _sha256(fd: int) -> str:
    digest = hashlib.sha256()
    while chunk := os.read(fd, 1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _shown(field: str, value: object) -> str:
    if field == "mode" and isinstance(value, int):
        return f"{value:#o}"
    return value[:12] if field == "sha256" and isinstance(value, str) else repr(value)
