"""xfs_quota, where quota(1) is not installed. Blocks are KiB without a suffix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota import linux
from userconda.quota.place import Place, Question
from userconda.quota.text import (
    Subject,
    Unknown,
    grace_seconds,
    if_understood,
    is_rounded,
    limit,
    parse_count,
    parse_sizes,
    refusal,
    whole_lines,
)

_REPORT = re.compile(r"(User|Group|Project) quota on (.+) \((\S+)\)")
_SUBJECT = re.compile(r"Disk quotas for (User|Group|Project) (\S+) \((\d+)\)")
_FIGURES = r"([\d.]+[KMGTP]?)\s+([\d.]+[KMGTP]?)\s+([\d.]+[KMGTP]?)\s+\d+\s+\[([^\]]*)\]"
_ROW = re.compile(rf"(?P<name>[^\s\[]\S*)\s+{_FIGURES}(?:\s+{_FIGURES})?(?:\s+(?P<mount>/.*))?")
_KINDS: Final = {("Blocks",): "bytes", ("Inodes",): "files", ("Blocks", "Inodes"): "both"}


def ask(place: Place) -> tuple[Question, ...]:
    """quota(1)'s questions; where that is missing, xfs_quota's for the user."""
    user, *others = linux.ask(place)
    own = ("xfs_quota", "-c", f"quota -N -u -b -i -v {place.uid}", place.root)
    return (Question((*user.commands, (own, parse_xfs_quota)), Subject("user", None, place.uid)), *others)


def parse_xfs_quota(text: str, now: float = 0) -> list[QuotaReading]:
    """What xfs_quota's `quota` and `report` print; with -N only where both -b and -i were asked for.

    Raises:
        Unknown: no row of it.
    """
    found = list(_readings(whole_lines(text)))
    if not found:
        raise refusal(text)
    return found


def _readings(lines: Sequence[str]) -> Iterator[QuotaReading]:
    subject, mount, device, kind = Subject(), None, None, ""
    rows: list[tuple[re.Match[str], Subject, str | None, str | None, str]] = []
    for line in lines:
        if report := _REPORT.fullmatch(line):
            subject, mount, device, kind = Subject(report[1].lower()), report[2], report[3], ""
        elif asked := _SUBJECT.fullmatch(line):
            subject = Subject(asked[1].lower(), asked[2], int(asked[3]))
        elif tuple(line.split()) in _KINDS:
            kind = _KINDS[tuple(line.split())]
        elif row := _ROW.fullmatch(line.strip()):
            rows.append((row, subject, mount, device, kind))
    human = any(is_rounded(*row.groups()[1:4]) for row, *_ in rows)
    for parts in rows:
        yield from if_understood(_reading, *parts, human)


def _reading(
    row: re.Match[str], subject: Subject, mount: str | None, device: str | None, kind: str, human: bool
) -> QuotaReading:
    name, first, second = row["name"], row.groups()[1:5], row.groups()[5:9]
    both = second[0] is not None
    if both != (kind in ("both", "")):
        raise Unknown("the header does not tell what the figures count")
    if row["mount"]:  # one line a filesystem; in a report, one line a user
        mount, device = row["mount"], name
    else:
        subject = Subject(subject.scope, name, None)
    sizes = None if kind == "files" else first
    counts = first if kind == "files" else second if both else None
    values = parse_sizes(*sizes[:3]) if sizes else [None] * 3
    files = [parse_count(token) for token in counts[:3]] if counts else [None] * 3
    return QuotaReading(
        "xfs",
        mount,
        subject.scope,
        subject.name,
        subject.number,
        values[0],
        limit(values[1] or 0),
        limit(values[2] or 0),
        files[0],
        limit(files[1] or 0),
        limit(files[2] or 0),
        bytes_grace_seconds=_grace(sizes, values),
        files_grace_seconds=_grace(counts, files),
        device=device,
        rounded=human,
    )


def _grace(tokens: Sequence[str] | None, values: Sequence[int | None]) -> int | None:
    used, soft, _ = values
    if tokens is None or used is None or not soft or used <= soft:
        return None
    return grace_seconds(tokens[3].strip("- ") or None, 0, over_soft=True)
