"""The note a clone carries: what it was cloned from, when, how. `conda-meta/ucenv.provenance`.

Not `.json`: conda, mamba and rattler load every file of that name in conda-meta as a package and fail on it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Final

FILE_NAME: Final = "ucenv.provenance"
SCHEMA: Final = "ucenv-provenance/1"


@dataclass(frozen=True, slots=True)
class Provenance:
    """
    Attributes:
        source: the source's prefix.
        source_state: conda-meta's mtime in nanoseconds, and how many records it had: what tells that it changed.
        time: seconds since the epoch.
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
        with open(os.path.join(prefix, "conda-meta", FILE_NAME), "rb") as stream:
            document: dict[str, Any] = json.load(stream)
        known = {name: document[name] for name in Provenance.__slots__ if name in document}
        note = Provenance(
            **{**known, "linked": tuple(known.get("linked", ())), "linked_bytes": tuple(known.get("linked_bytes", ()))}
        )
        words = (note.source, note.source_name, note.token, note.links_to, *note.linked)
        return note if all(type(word) is str for word in words) and isinstance(note.time, (int, float)) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def reached_bytes(prefix: str, note: Provenance) -> int:
    """Of the files that a thin clone has through linked directories; those that were thawed since are its own."""
    sizes = dict(zip(note.linked, note.linked_bytes, strict=False))
    return sum(size for path, size in sizes.items() if os.path.islink(os.path.join(prefix, path)))


def source_state(prefix: str) -> dict[str, int] | None:
    """What `Provenance.source_state` would be now; None where the source is gone."""
    meta = os.path.join(prefix, "conda-meta")
    try:
        records = sum(name.endswith(".json") for name in os.listdir(meta))
        return {"conda_meta_mtime_ns": os.stat(meta).st_mtime_ns, "records": records}
    except OSError:
        return None
