"""CephFS: limits are extended attributes of directories, and a directory's own and its ancestors' all hold."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place
from userconda.quota.text import Unknown, limit, refusal, whole_lines

#: `rentries` counts the files and directories below.
_ATTRIBUTES: Final = ("ceph.quota.max_bytes", "ceph.quota.max_files", "ceph.dir.rbytes", "ceph.dir.rentries")
_LINE = re.compile(r'(ceph\.[a-z_.]+)="(\d+)"')

#: No such attribute here, a client without them, or a directory above that is closed to the user.
_ABSENT: Final = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM})


def read(place: Place, getxattr: Callable[[str, str], bytes] = os.getxattr) -> list[QuotaReading]:
    """The limits of the directory and of those above it, up to the mount point, nearest first.

    Raises:
        Unknown: none of them has one.
        OSError: the filesystem fails.
    """
    found: list[QuotaReading] = []
    directory = place.directory
    while True:
        attributes: dict[str, int] = {}
        for name in _ATTRIBUTES:
            try:
                attributes[name] = int(getxattr(directory, name))
            except OSError as exc:
                if exc.errno not in _ABSENT:
                    raise
            except ValueError:  # ceph prints plain numbers; another filesystem's answer is no quota
                continue
        reading = _reading(directory, attributes)
        if reading.hard_bytes is not None or reading.hard_files is not None:
            found.append(reading)
        if directory == place.mount or directory == os.path.dirname(directory):
            break
        directory = os.path.dirname(directory)
    if not found:
        raise Unknown(f"no quota is set on {place.directory} or above it")
    return found


def parse_getfattr(text: str, now: float = 0) -> list[QuotaReading]:
    """What `getfattr -n ceph.quota.max_bytes DIR` and the like print.

    Raises:
        Unknown: none of CephFS's attributes is in it.
    """
    directory, attributes = None, dict[str, int]()
    readings = []
    for line in [*whole_lines(text), "# file: "]:
        if line.startswith("# file: "):
            if attributes:
                readings.append(_reading(directory, attributes))
            directory, attributes = line.removeprefix("# file: "), dict[str, int]()
        elif (found := _LINE.fullmatch(line)) and found[1] in _ATTRIBUTES:
            attributes[found[1]] = int(found[2])
    if not readings:
        raise refusal(text)
    return readings


def _reading(directory: str | None, attributes: Mapping[str, int]) -> QuotaReading:
    max_bytes, max_files = attributes.get(_ATTRIBUTES[0]), attributes.get(_ATTRIBUTES[1])
    return QuotaReading(
        "cephfs",
        directory,
        "directory",
        used_bytes=attributes.get(_ATTRIBUTES[2]),
        hard_bytes=limit(max_bytes or 0),
        used_files=attributes.get(_ATTRIBUTES[3]),
        hard_files=limit(max_files or 0),
        limits_known=max_bytes is not None or max_files is not None,
    )
