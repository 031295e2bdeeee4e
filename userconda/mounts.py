"""The mount that a directory is on, and the project id that it is counted under."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_MOUNTINFO: Final = "/proc/self/mountinfo"

#: struct fsxattr of linux/fs.h: xflags, extsize, nextents, projid, cowextsize, 8 bytes for later.
_FSXATTR: Final = struct.Struct("=IIIII8x")

#: FS_IOC_FSGETXATTR is _IOR('X', 31, struct fsxattr); "read" is another bit on these machines.
_READ_BITS: Final = 0x40000000 if re.match("ppc|powerpc|mips|sparc|alpha", platform.machine()) else 0x80000000
_FSGETXATTR: Final = _READ_BITS | _FSXATTR.size << 16 | ord("X") << 8 | 31


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table.

    Attributes:
        number: the kernel's, unique among those mounted now.
        filesystem: major:minor, the same for every mount of a filesystem.
        root: path inside the filesystem that is shown; "/" unless a part was bound here.
        path: the mount point.
        fstype: lustre, nfs4, ext4.
        device: what is mounted: /dev/sda1, server:/export.
        options: of the filesystem, not of this mount.
    """

    number: int
    filesystem: str
    root: str
    path: str
    fstype: str
    device: str
    options: frozenset[str]


def read_mounts() -> list[Mount]:
    """The mount table, in the order of mounting; nothing where there is none (macOS, or no /proc)."""
    try:
        with open(_MOUNTINFO, "rb") as stream:
            return list(parse_mounts(os.fsdecode(stream.read())))
    except OSError:
        return []


def parse_mounts(text: str) -> Iterator[Mount]:
    """Lines of /proc/PID/mountinfo: number, parent, device, root, path, options, tags, "-", type, source, options."""
    for line in text.split("\n"):
        before, separator, after = line.partition(" - ")
        if separator:
            number, _, filesystem, root, path, *_ = before.split(" ")
            fstype, device, options = (*after.split(" "), "", "")[:3]
            yield Mount(
                int(number),
                filesystem,
                _unescaped(root),
                _unescaped(path),
                fstype,
                _unescaped(device),
                frozenset(options.split(",")),
            )


def _unescaped(text: str) -> str:
    """Blanks, tabs, newlines and backslashes stand as octal numbers."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), os.fsencode(text)))


def mount_of(directory: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that a directory is on. The kernel is asked: paths do not tell where one mount hides another.

    Opening the directory makes an automounter mount it.
    """
    number = _mount_number(directory)
    found = next((mount for mount in mounts if mount.number == number), None)
    if found is not None:
        return found
    real = os.path.realpath(directory)
    above = [mount for mount in mounts if covers(mount.path, real)]
    return max(reversed(above), key=lambda mount: len(mount.path), default=None)  # of two on one path, the later


def covers(directory: str, path: str) -> bool:
    """Whether a path is the directory or below it; both without symlinks in them."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def whole_mount(mount: Mount, mounts: Sequence[Mount]) -> str:
    """A mount point of the same filesystem that shows all of it: quota tools do not know bind mounts of a part."""
    same = [other for other in mounts if other.filesystem == mount.filesystem and other.root == "/"]
    return mount.path if mount.root == "/" or not same else same[0].path


def _mount_number(directory: str) -> int | None:
    """None where the kernel is older than 3.15, or not Linux, or the directory is closed to the user."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        # A number for the directory itself, without permission to read it; O_DIRECTORY wakes the automounter.
        descriptor = os.open(directory, getattr(os, "O_PATH", 0) | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as stream:
                return int(next(line for line in stream if line.startswith("mnt_id:")).split()[1])
        finally:
            os.close(descriptor)
    return None


def project_of(directory: str) -> int:
    """The project id that a directory's new files are counted under, 0 for none.

    0 also where the filesystem has no such ids (ENOTTY, EOPNOTSUPP, EINVAL, ENOSYS), and where nobody may ask: who
    cannot be asked counts with the default project, as it does in the kernel.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return project_of_opened(descriptor)
    finally:
        os.close(descriptor)


def project_of_opened(descriptor: int) -> int:
    """The same of a file or directory that is open."""
    try:
        return int(_FSXATTR.unpack(fcntl.ioctl(descriptor, _FSGETXATTR, bytes(_FSXATTR.size)))[3])
    except OSError:
        return 0
