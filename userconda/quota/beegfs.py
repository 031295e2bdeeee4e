"""BeeGFS: `beegfs quota list-usage` from version 8, `beegfs-ctl --getquota` before.

Files are counted in chunks on storage targets: one that is striped over four counts four times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import Subject, Unknown, if_understood, limit, parse_iec_size, refusal, scaled, whole_lines

_POOL = re.compile(r"Quota information for storage pool (.+) \(ID: \d+\):")
_CSV_HEADER: Final = "name,id,size,hard,files,hard"
_CSV_ROW = re.compile(r"([^,]+),(\d+),(\d+),(\d+|unlimited),(\d+),(\d+|unlimited)")
_TABLE_HEADER = re.compile(r"\s*name\s*\|\s*id\s*\|\|\s*used\s*\|\s*hard\s*\|\|\s*used\s*\|\s*hard\s*")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)")
_THOUSANDS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

#: How they write "no limit": a word, a sign, no limit set, and (raw) the largest number there is.
_UNLIMITED: Final = frozenset({"unlimited", "∞", "-1", "0", str((1 << 63) - 1)})


def ask(place: Place) -> tuple[Question, ...]:
    questions = []
    for scope, option, number in (("user", "--uid", place.uid), ("group", "--gid", place.gid)):
        new = ("beegfs", "quota", "list-usage", "--raw", "--output", "ndjson", f"{option}s", "current")
        old = ("beegfs-ctl", "--getquota", option, str(number), "--csv", f"--mount={place.mount}")
        questions.append(Question(((new, parse_beegfs), (old, parse_beegfs)), Subject(scope, None, number)))
    return tuple(questions)


def parse_beegfs(text: str, now: float = 0) -> list[QuotaReading]:
    """What either command prints: lines of JSON, CSV (bytes), or a table; a reading for each storage pool.

    Raises:
        Unknown: no row of theirs.
    """
    found = [*_from_json(text), *_from_rows(whole_lines(text))]
    if not found:
        raise refusal(text)
    return found


def _from_rows(lines: Sequence[str]) -> Iterator[QuotaReading]:
    pool, scope, form = None, None, ""
    for line in lines:
        if found := _POOL.fullmatch(line.strip()):
            pool, form = found[1], ""
        elif re.match(r"(User|Group): ", line):
            scope = line.partition(":")[0].lower()
        elif line.strip() == _CSV_HEADER:
            form = "csv"
        elif _TABLE_HEADER.fullmatch(line):
            form = "table"
        elif form:
            fields = _csv(line) if form == "csv" else _table(line)
            if fields:
                yield from if_understood(_reading, Subject(scope, fields[0], int(fields[1])), pool, fields[2:])


def _csv(line: str) -> tuple[str, ...] | None:
    found = _CSV_ROW.fullmatch(line.strip())
    return found.groups() if found else None


def _table(line: str) -> tuple[str, ...] | None:
    parts = [[column.strip() for column in part.split("|")] for part in line.split("||")]
    if [len(part) for part in parts] != [2, 2, 2] or not parts[0][1].isdigit():
        return None
    return tuple(column for part in parts for column in part)


def _from_json(text: str) -> Iterator[QuotaReading]:
    for line in whole_lines(text):
        try:
            entry = json.loads(line) if line.startswith("{") else None
            if entry:
                yield _from_entry(entry)
        except (ValueError, KeyError, AttributeError, Unknown):
            continue


def _from_entry(entry: dict[str, Any]) -> QuotaReading:
    if entry["type"] not in ("user", "group"):
        raise Unknown("neither a user nor a group")
    subject = Subject(entry["type"], str(entry["name"]), int(entry["id"]))
    space, space_limit = entry["space"].split("/")
    inode, inode_limit = entry["inode"].split("/")
    return _reading(subject, str(entry["pool"]), (space, space_limit, inode, inode_limit))


def _reading(subject: Subject, pool: str | None, tokens: Sequence[str]) -> QuotaReading:
    """
    Args:
        tokens: bytes used and their limit, files used and theirs.
    """
    used_bytes, hard_bytes, used_files, hard_files = tokens
    return QuotaReading(
        "beegfs",
        scope=subject.scope,
        name=subject.name,
        number=subject.number,
        used_bytes=parse_iec_size(used_bytes),
        hard_bytes=None if hard_bytes in _UNLIMITED else limit(parse_iec_size(hard_bytes)),
        used_files=_count(used_files),
        hard_files=None if hard_files in _UNLIMITED else limit(_count(hard_files)),
        part=pool,
        rounded=any("iB" in token for token in tokens),
    )


def _count(token: str) -> int:
    found = _COUNT.fullmatch(token)
    if found is None or (not found[2] and "." in found[1]):
        raise Unknown(f"{token!r} is no number of files")
    return scaled(found[1], _THOUSANDS[found[2]])
