"""quota(1) of Linux: ext4, XFS and others here, and those of NFS servers that answer rpc.rquotad. Blocks are KiB.

Sites put programs of their own under that name: only rows below its own header are read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import (
    Row,
    Subject,
    Unknown,
    file_limit,
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

_QUOTA: Final = ("quota", "-w", "-p", "--show-mntpoint", "--hide-device", "-f")
_HEADERS: Final = {
    ("Filesystem", word, "quota", "limit", "grace", "files", "quota", "limit", "grace") for word in ("blocks", "space")
}
_REPORT = re.compile(r"\*\*\* Report for (user|group|project) quotas on device (\S+)")
_REPORT_HEADER: Final = ["used", "soft", "hard", "grace", "used", "soft", "hard", "grace"]
_REPORT_ROW = re.compile(r"(\S.*?)\s+[-+]{2}\s+(.*)")

#: What `quota -q` says instead of figures.
_QUIET: Final = {
    "limit reached": "hard",
    "grace period": "soft",
    "Over": "soft-expired",
}
_QUIET_LINE = re.compile(
    r"\t(?:(?:Block|File) (limit reached)|In (?:block|file) (grace period)|(Over) (?:block|file) quota) on (\S+)"
)


def ask(place: Place) -> tuple[Question, ...]:
    """Users and groups in one command, as far as it is asked of one filesystem only: elsewhere a server may hang."""
    project = place.project_id
    questions = [Question((((*_QUOTA, place.root, "-u", "-g"), parse_quota),))]
    if project:  # the kernel tells it to administrators only; statvfs shows it to everybody
        command = (*_QUOTA, place.root, "-P", str(project))
        questions.append(Question(((command, parse_quota),), Subject("project", None, project)))
    return tuple(questions)


def parse_quota(text: str, now: float | None = None) -> list[QuotaReading]:
    """What `quota` prints with any of its options, and repquota.

    Raises:
        Unknown: it has no row of a filesystem's; so with "none", where no quota is set.
    """
    found = list(_readings(whole_lines(text), time.time() if now is None else now))
    if not found:
        none = next((subject for subject in map(parse_subject, text.splitlines()) if subject), None)
        raise (
            Unknown(f"no quota is set for {none.scope} {none.name}")
            if none and none.remark == "none"
            else refusal(text)
        )
    return found


def _readings(lines: Sequence[str], now: float) -> Iterator[QuotaReading]:
    subject, wrapped, kind, device = Subject(), "", "", ""
    for line in lines:
        if not line.strip():
            subject, wrapped, kind = Subject(), "", ""
        elif new := parse_subject(line):
            subject, wrapped, kind = new, "", ""
        elif report := _REPORT.fullmatch(line):
            subject, kind, device = Subject(report[1]), "", report[2]
        elif tuple(line.split()) in _HEADERS:
            kind, wrapped = "quota", ""
        elif device and line.split()[1:] == _REPORT_HEADER:
            kind = "report"
        elif quiet := _QUIET_LINE.fullmatch(line):
            yield _quiet(subject, quiet)
        elif kind == "quota" and is_wrapped_name(line):
            wrapped = line.strip()
        elif kind:
            rows = _from_row(line, wrapped, subject) if kind == "quota" else _reported(line, subject, device)
            for row in rows:
                yield from if_understood(_reading, *row, now)
            wrapped = ""


_Parts = tuple[Row, str | None, str | None, Subject]


def _from_row(line: str, wrapped: str, subject: Subject) -> Iterator[_Parts]:
    row = split_row(line)
    # An automounted snapshot directory shows its volume again.
    if row and (row.name or wrapped) and "/.snapshot/" not in (row.name or wrapped):
        device, mount = _device_and_mount(row.name or wrapped)
        yield row, mount, device, subject


def _device_and_mount(name: str) -> tuple[str | None, str]:
    """With --show-mntpoint both stand there, with a blank between."""
    device, blank, mount = name.partition(" ")
    if blank and mount.startswith("/") and ("/" in device or ":" in device) and not device.endswith("\\"):
        return device, mount
    return None, name


def _reported(line: str, subject: Subject, device: str) -> Iterator[_Parts]:
    found = _REPORT_ROW.fullmatch(line)
    row = split_row(f"{device} {found[2]}") if found else None
    if found and row:
        number = int(found[1][1:]) if re.fullmatch(r"#\d+", found[1]) else None
        yield row, None, device, Subject(subject.scope, found[1], number)


def _reading(row: Row, mount: str | None, device: str | None, subject: Subject, now: float) -> QuotaReading:
    used_bytes, soft_bytes, hard_bytes = parse_sizes(row.used_bytes, row.soft_bytes, row.hard_bytes)
    used_files, soft_files, hard_files = (
        parse_count(token, suffixes=True) for token in (row.used_files, row.soft_files, row.hard_files)
    )
    return QuotaReading(
        "quota",
        mount,
        subject.scope,
        subject.name,
        subject.number,
        used_bytes,
        limit(soft_bytes),
        limit(hard_bytes),
        used_files,
        file_limit(soft_files),
        file_limit(hard_files),
        bytes_grace_seconds=grace_seconds(row.bytes_grace, now, over_soft=0 < soft_bytes < used_bytes),
        files_grace_seconds=grace_seconds(row.files_grace, now, over_soft=0 < soft_files < used_files),
        device=device,
        rounded=is_rounded(row.used_bytes, row.soft_bytes, row.hard_bytes, row.used_files, row.soft_files),
    )


def _quiet(subject: Subject, said: re.Match[str]) -> QuotaReading:
    word = _QUIET[said[1] or said[2] or said[3]]
    return QuotaReading("quota", said[4], *subject[:3], limits_known=False, said_over=word)
