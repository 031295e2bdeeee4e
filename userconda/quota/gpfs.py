"""GPFS (IBM Storage Scale): `mmlsquota`. Read by its header row: releases add columns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import (
    KIB,
    Subject,
    Unknown,
    grace_seconds,
    if_understood,
    is_rounded,
    limit,
    parse_count,
    parse_size,
    parse_subject,
    refusal,
    whole_lines,
)

#: mmlsquota stands beside the administrators' commands, in nobody's PATH.
DIRECTORY: Final = "/usr/lpp/mmfs/bin"

_SCOPES: Final = {"USR": "user", "GRP": "group", "FILESET": "fileset"}
_UNITS: Final = {"KB": KIB, "MB": KIB * KIB, "GB": KIB * KIB * KIB, "TB": KIB * KIB * KIB * KIB}
_LEFT_HEADER: Final = ["quota", "limit", "in_doubt", "grace"]
_RIGHT_HEADER: Final = ["files", "quota", "limit", "in_doubt", "grace"]
_GRACE: Final = r"none|expired|-|\d+ ?(?:days?|hours?|minutes?|min|seconds?)"
_FILES = re.compile(rf"(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+({_GRACE})(?:\s.*)?")
_FILESET = re.compile(r"^fileset name:\s*(\S+)\s*$", re.MULTILINE)


def ask(place: Place, fileset: str | None) -> tuple[Question, ...]:
    """
    Args:
        fileset: of the directory, where that could be found out: limits may be of the fileset, and a user's limits may
            differ from one fileset to the next.
    """
    device = place.device.removeprefix("/dev/")

    def of_this_fileset(text: str) -> list[QuotaReading]:
        readings = parse_mmlsquota(text)
        here = [reading for reading in readings if fileset is None or reading.part in (None, fileset)]
        if not here:
            raise Unknown(f"it says nothing of the fileset {fileset}")
        # Without the directory's fileset, nobody knows which of several binds.
        doubtful = fileset is None and len({reading.part for reading in here}) > 1
        return [dataclasses.replace(reading, unreliable=doubtful) for reading in here]

    user = ("mmlsquota", "-Y", "-u", str(place.uid), device)
    questions = [Question(((user, of_this_fileset),), Subject("user", None, place.uid))]
    if fileset is not None:
        command = ("mmlsquota", "-Y", "-j", fileset, device)
        questions.append(Question(((command, parse_mmlsquota),), Subject("fileset", fileset)))
    return tuple(questions)


def ask_fileset(place: Place) -> tuple[str, ...]:
    return ("mmlsattr", "-L", place.directory)


def parse_fileset(text: str) -> str | None:
    """The fileset in what `mmlsattr -L` prints."""
    found = _FILESET.search(text)
    return found[1] if found else None


def parse_mmlsquota(text: str, now: float = 0) -> list[QuotaReading]:
    """What mmlsquota and mmrepquota print, with -Y or as a table.

    Raises:
        Unknown: no row below a header of theirs. They can exit with 0 and print nothing.
    """
    lines = whole_lines(text)
    found = [*_from_fields(lines), *_from_table(lines)]
    if not found:
        raise refusal(text)
    return found


def _from_fields(lines: Sequence[str]) -> Iterator[QuotaReading]:
    header: list[str] = []
    for line in lines:
        fields = line.split(":")
        if len(fields) > 5 and fields[2] == "HEADER":
            header = fields
        elif header and fields[0] == header[0] and len(fields) == len(header):
            yield from if_understood(_from_named, dict(zip(header, map(unquote, fields), strict=True)))


def _from_named(fields: Mapping[str, str]) -> QuotaReading:
    """Blocks are KiB with -Y, whatever --block-size was."""
    figures = [parse_count(fields[f"block{column}"]) * KIB for column in ("Usage", "Quota", "Limit", "InDoubt")]
    files = [parse_count(fields[f"files{column}"]) for column in ("Usage", "Quota", "Limit", "InDoubt")]
    return _reading(
        Subject(_SCOPES[fields["quotaType"]], fields["name"], parse_count(fields["id"])),
        fields["filesystemName"],
        fields.get("filesetname") or None,
        figures,
        files,
        (fields["blockGrace"], fields["filesGrace"]),
    )


def _from_table(lines: Sequence[str]) -> Iterator[QuotaReading]:
    subject, header = Subject(), None
    for line in lines:
        if new := parse_subject(line):
            subject = new
        elif line.split()[:1] == ["Filesystem"]:
            header = _table_header(line)
        elif header is not None and line.strip():
            yield from if_understood(_table_row, line, *header, subject)


def _table_header(line: str) -> tuple[bool, str] | None:
    """Whether there is a column for the fileset, and the unit; None where it is another command's header."""
    left, _, right = line.partition("|")
    columns = left.split()[1:]
    has_fileset = columns[:1] == ["Fileset"]
    columns = columns[has_fileset:]
    good = columns[:1] == ["type"] and columns[2:] == _LEFT_HEADER and right.split()[:5] == _RIGHT_HEADER
    return (has_fileset, columns[1]) if good and columns[1] in (*_UNITS, "blocks") else None


def _table_row(line: str, has_fileset: bool, unit: str, subject: Subject) -> QuotaReading:
    left, bar, right = line.partition("|")
    device, *tokens = left.split()
    fileset = tokens.pop(0) if has_fileset else None
    scope = _SCOPES[tokens.pop(0)] if tokens else ""
    named = Subject(scope, subject.name, subject.number)
    if tokens == ["no", "limits"]:
        return QuotaReading("gpfs", scope=scope, name=subject.name, number=subject.number, device=device, part=fileset)
    files = _FILES.fullmatch(right.strip())
    if not bar or files is None or not re.fullmatch(_GRACE, " ".join(tokens[4:])):
        raise Unknown("no row of mmlsquota's")
    sizes = [_table_size(token, unit) for token in tokens[:4]]
    rounded = unit not in ("KB", "blocks") or is_rounded(*tokens[:4])
    graces = " ".join(tokens[4:]), files[5]
    return _reading(named, device, fileset, sizes, [int(number) for number in files.groups()[:4]], graces, rounded)


def _table_size(token: str, unit: str) -> int:
    if unit in _UNITS:
        return parse_count(token) * _UNITS[unit]
    if token != "0" and token.isdigit():
        raise Unknown(f"{token!r} has no unit")
    return parse_size(token)


def _reading(
    subject: Subject,
    device: str,
    fileset: str | None,
    sizes: Sequence[int],
    files: Sequence[int],
    graces: tuple[str, str],
    rounded: bool = False,
) -> QuotaReading:
    return QuotaReading(
        "gpfs",
        None,
        subject.scope,
        subject.name,
        subject.number,
        sizes[0],
        limit(sizes[1]),
        limit(sizes[2]),
        files[0],
        limit(files[1]),
        limit(files[2]),
        in_doubt_bytes=sizes[3],
        in_doubt_files=files[3],
        bytes_grace_seconds=grace_seconds(graces[0], 0, over_soft=False),
        files_grace_seconds=grace_seconds(graces[1], 0, over_soft=False),
        device=device,
        part=fileset,
        rounded=rounded,
    )
