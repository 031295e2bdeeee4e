"""A quota on a directory itself, as XFS and ext4 projects, VAST, Isilon, NetApp and WEKA show it: in the directory's
statvfs, which then differs from its mount's. The soft limit is shown where there is one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place
from userconda.quota.text import KIB, Unknown, whole_lines

_BLOCKS: Final = "Filesystem 1K-blocks Used Available Use% Mounted on"
_INODES: Final = "Filesystem Inodes IUsed IFree IUse% Mounted on"
_ROW = re.compile(r"(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+(/.*)")

#: Filesystems without a limit on inodes answer 0 (btrfs), or nonsense beyond any quota.
_MOST_FILES: Final = 1 << 62


def read_directory(place: Place) -> QuotaReading | None:
    """The quota on the directory, where statvfs shows one.

    Raises:
        OSError: the filesystem fails.
    """
    here, whole = os.statvfs(place.directory), os.statvfs(place.mount)
    limits_bytes, limits_files = here.f_blocks != whole.f_blocks, here.f_files != whole.f_files
    # Filesystems that make inodes as they need them show a total that grows with the free space.
    if not limits_bytes or here.f_blocks > whole.f_blocks:
        return None
    return _reading(here, place.directory, "directory", with_files=limits_files)


def read_filesystem(place: Place) -> QuotaReading:
    """All of the filesystem, everybody's files."""
    return _reading(os.statvfs(place.directory), place.mount, "filesystem", with_files=True)


def _reading(status: os.statvfs_result, mount: str, scope: str, *, with_files: bool) -> QuotaReading:
    """What is kept for root counts as used: the limit is what a user can reach."""
    used, unit = status.f_blocks - status.f_bfree, status.f_frsize or 4096
    files = with_files and 0 < status.f_files < _MOST_FILES
    used_files = status.f_files - status.f_ffree
    return QuotaReading(
        "statvfs",
        mount,
        scope,
        used_bytes=used * unit,
        hard_bytes=(used + status.f_bavail) * unit or None,
        used_files=used_files if files else None,
        hard_files=used_files + status.f_favail if files else None,
        source="statvfs",
    )


def parse_df(text: str, now: float = 0) -> list[QuotaReading]:
    """What `df -k MOUNT DIR` or `df -i MOUNT DIR` prints, for captured texts.

    Raises:
        Unknown: not df's header, not two lines of one filesystem, or both alike: then the directory has no quota.
    """
    header, *lines = whole_lines(text) or [""]
    kind = " ".join(header.split())
    rows = [found.groups() for found in map(_ROW.fullmatch, lines) if found]
    if kind not in (_BLOCKS, _INODES) or len(rows) != 2 or len(lines) != 2 or rows[0][0] != rows[1][0]:
        raise Unknown("it is not what `df -k MOUNT DIR` prints")
    if rows[0][1] == rows[1][1]:
        raise Unknown("the directory's figures are its filesystem's: it has no quota of its own")
    size, used, _ = _figures(rows[1])
    if kind == _INODES:
        return [QuotaReading("statvfs", None, "directory", used_files=used, hard_files=size)]
    return [QuotaReading("statvfs", None, "directory", used_bytes=used * KIB, hard_bytes=size * KIB)]


def _figures(row: Sequence[str]) -> tuple[int, int, int]:
    return int(row[1]), int(row[2]), int(row[3])
