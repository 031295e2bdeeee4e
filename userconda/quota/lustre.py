"""Lustre: `lfs quota`. KiB without a suffix; the header has changed its words (2.16) and can be a selection."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import (
    Row,
    Subject,
    grace_seconds,
    if_understood,
    is_rounded,
    is_wrapped_name,
    limit,
    parse_count,
    parse_sizes,
    parse_subject,
    refusal,
    split_row,
    whole_lines,
)

#: Words of the header -> figure; "quota", "limit" and "grace" are of files once the column "files" has come.
_COLUMNS: Final = {
    "kbytes": "used_bytes", "used": "used_bytes", "bquota": "soft_bytes", "blimit": "hard_bytes",
    "bgrace": "bytes_grace", "files": "used_files", "iquota": "soft_files", "ilimit": "hard_files",
    "igrace": "files_grace",
}  # fmt: skip
#: More than any limit.
MANY: Final = 1 << 64

_ERRORS: Final = "Some errors happened when getting quota info"
_EITHER: Final = {"quota": "soft", "limit": "hard", "grace": ""}


def ask(place: Place) -> tuple[Question, ...]:
    """The project's first: where there is one, it is what sites limit."""
    project = place.project_id
    return (
        *((_question(place, "project", "-p", project),) if project else ()),
        _question(place, "user", "-u", place.uid),
        _question(place, "group", "-g", place.gid),
    )


def _question(place: Place, scope: str, option: str, number: int) -> Question:
    command = ("lfs", "quota", option, str(number), place.directory)
    return Question(((command, parse_lustre),), Subject(scope, None, number))


def parse_lustre(text: str, now: float | None = None) -> list[QuotaReading]:
    """What `lfs quota` prints, with or without -h and -q, also within a site's wrapper.

    Raises:
        Unknown: no line of it is a filesystem's.
    """
    found = list(_readings(whole_lines(text), time.time() if now is None else now))
    if not found:
        raise refusal(text)
    # lfs could not reach every server: its figures are what those it reached have.
    partial = _ERRORS in text or any(reading.unreliable for reading in found)
    return [dataclasses.replace(reading, unreliable=partial) for reading in found]


def _readings(lines: Sequence[str], now: float) -> Iterator[QuotaReading]:
    subject, wrapped = Subject(), ""
    # Without -q a header comes first; `lfs quota -q` prints the full row.
    columns: tuple[str, ...] | None = tuple(Row._fields[1:])
    for line in lines:
        if not line.strip():
            subject, wrapped = Subject(), ""
        elif new := parse_subject(line):
            subject, wrapped = new, ""
        elif line.split()[0] == "Filesystem":
            columns, wrapped = _columns(line.split()[1:]), ""
        elif is_wrapped_name(line):
            wrapped = line.strip()
        elif columns is not None:
            row = _row(line, columns)
            if row is not None and (row.get("name") or wrapped):
                row["name"] = row.get("name") or wrapped
                yield from if_understood(_reading, row, subject, now)
            wrapped = ""


def _columns(words: Sequence[str]) -> tuple[str, ...] | None:
    """None for a header that is not Lustre's."""
    columns, section = [], "bytes"
    for word in words:
        section = "files" if word == "files" else section
        if word in _EITHER:
            column = f"{_EITHER[word]}_{section}" if _EITHER[word] else f"{section}_grace"
        elif word in _COLUMNS:
            column = _COLUMNS[word]
        else:
            return None
        columns.append(column)
    return tuple(columns) if len(set(columns)) == len(columns) else None


def _row(line: str, columns: tuple[str, ...]) -> dict[str, str | None] | None:
    if columns == Row._fields[1:]:
        row = split_row(line)
        return dict(row._asdict()) if row else None
    tokens = line.split()
    if len(tokens) not in (len(columns), len(columns) + 1):
        return None
    name = tokens.pop(0) if len(tokens) > len(columns) else ""
    return {**dict(zip(columns, tokens, strict=True)), "name": name}


def _reading(row: dict[str, str | None], subject: Subject, now: float) -> QuotaReading:
    """Of a selection of columns, what is not there is None."""
    sizes = {column: token for column in ("used_bytes", "soft_bytes", "hard_bytes") if (token := row.get(column))}
    counts = {column: token for column in ("used_files", "soft_files", "hard_files") if (token := row.get(column))}
    figures = dict(zip(sizes, parse_sizes(*sizes.values()), strict=True))
    figures |= {column: parse_count(token) for column, token in counts.items()}
    used_bytes, soft_bytes = figures.get("used_bytes"), limit(figures.get("soft_bytes", 0))
    used_files, soft_files = figures.get("used_files"), limit(figures.get("soft_files", 0))
    over_bytes, over_files = (used_bytes or 0) > (soft_bytes or MANY), (used_files or 0) > (soft_files or MANY)
    return QuotaReading(
        "lustre",
        row["name"],
        subject.scope,
        subject.name,
        subject.number,
        used_bytes,
        soft_bytes,
        limit(figures.get("hard_bytes", 0)),
        used_files,
        soft_files,
        limit(figures.get("hard_files", 0)),
        bytes_grace_seconds=grace_seconds(row.get("bytes_grace"), now, over_soft=over_bytes),
        files_grace_seconds=grace_seconds(row.get("files_grace"), now, over_soft=over_files),
        limits_known=bool(figures.keys() & {"soft_bytes", "hard_bytes", "soft_files", "hard_files"}),
        rounded=is_rounded(*sizes.values()),
        unreliable=any("[" in token for token in (*sizes.values(), *counts.values())),
    )
