"""The note a clone carries: what it was cloned from, when, how. `conda-meta/ucenv.provenance`.

Not `.json`: conda, mamba and rattler load every file of that name in conda-meta as a package and fail on it.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Final

FILE_NAME: Final = "ucenv.provenance"
SCHEMA: Final = "ucenv-provenance/1"

#: A thin clone's note has a line for each directory that is linked; without it nobody would know that it is one.
_SMALL_BYTES: Final = 1 << 24

#: A note is somebody's file: what is beyond these is no figure, and must not spoil a sum over many environments.
_MOST_BYTES: Final = 1 << 60
_YEAR_3000: Final = 32503680000


@dataclass(frozen=True, slots=True)
class Provenance:
    """
    Attributes:
        source: the source's prefix.
        source_state: how many records it had, of what names, and its history's mtime: what tells that it changed.
        time: seconds since the epoch; 0 where the note says something impossible.
        token: the run's; tells recovery that a target is the finished clone of a journal.
        files: how many files came by which link mode.
        thin: it has links into another environment, and depends on that.
        links_to: where those links lead: a real path.
        linked: directories that were linked whole. What is no link any more was thawed since.
        linked_bytes: of the files in each of them.
    """

    source: str
    source_name: str
    source_state: dict[str, int]
    time: float
    version: str
    token: str
    thin: bool = False
    files: dict[str, int] = field(default_factory=dict)
    links_to: str = ""
    linked: tuple[str, ...] = ()
    linked_bytes: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2).encode() + b"\n"


def read_provenance(prefix: str) -> Provenance | None:
    """None where there is no note, or one that nobody can read: then the prefix is simply nobody's clone."""
    try:
        return load_provenance(prefix)
    except (OSError, ValueError):
        return None


def load_provenance(prefix: str) -> Provenance:
    """
    Raises:
        OSError: there is no note, or none that we may read.
        ValueError: it is not one, in words.
    """
    data = read_small_file(os.path.join(prefix, "conda-meta", FILE_NAME))
    try:
        document: dict[str, Any] = json.loads(data)
        known = {name: document[name] for name in Provenance.__slots__ if name in document}
        sizes = (size if type(size) is int and 0 <= size < _MOST_BYTES else 0 for size in known.get("linked_bytes", ()))
        known |= {"linked": tuple(known.get("linked", ())), "linked_bytes": tuple(sizes)}
        known["time"] = float(known["time"]) if 0 < known["time"] < _YEAR_3000 else 0.0
        note = Provenance(**known)
        words = (note.source, note.source_name, note.token, note.links_to, *note.linked)
        good = all(type(word) is str and b"\0" not in os.fsencode(word) for word in words)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        good = False
    if not good:
        raise ValueError("its note of where it comes from cannot be understood")
    return note


def read_small_file(path: str) -> bytes:
    """A file in somebody else's directory, where a pipe or a device may have its name, or no end.

    Raises:
        OSError: it is not there, is closed to us, or is a link.
        ValueError: it is no file, or none of a reasonable size.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("this is no file")
        data = stream.read(_SMALL_BYTES + 1)
    if len(data) > _SMALL_BYTES:
        raise ValueError("this is too long")
    return data


def reached_bytes(prefix: str, note: Provenance) -> int:
    """Of the files that a thin clone has through linked directories; those that were thawed since are its own."""
    sizes = dict(zip(note.linked, note.linked_bytes, strict=False))
    return sum(size for path, size in sizes.items() if os.path.islink(os.path.join(prefix, path)))


def source_state(prefix: str) -> dict[str, int] | None:
    """What `Provenance.source_state` would be now; None where the source is gone.

    Pins, marks and other files of conda-meta are no part of it: a site writes them without changing a package.
    """
    meta = os.path.join(prefix, "conda-meta")
    try:
        records = sorted(name for name in os.listdir(meta) if name.endswith(".json"))
        names = zlib.crc32("\0".join(records).encode("utf-8", "surrogateescape"))
        history = os.path.join(meta, "history")
        changed_ns = os.stat(history).st_mtime_ns if os.path.exists(history) else 0
    except OSError:
        return None
    return {"records": len(records), "names_crc32": names, "history_mtime_ns": changed_ns}
