"""Quota readings as bars with words: for `ucenv quota`, and above the table of `ucenv usage`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from userconda.report.terminal import columns_available, print_styled, print_text
from userconda.units import format_bytes, format_span, printable

if TYPE_CHECKING:
    from userconda.cli.quota import QuotaResult
    from userconda.models import QuotaReading, UnknownText

_BAR_WIDTH: Final = 20
_NEAR: Final = 0.80
_NEARER: Final = 0.95

_FILESYSTEMS: Final = {
    "lustre": "Lustre", "gpfs": "GPFS", "nfs": "NFS", "nfs4": "NFS", "xfs": "XFS", "beegfs": "BeeGFS", "ceph": "CephFS",
    "cephfs": "CephFS", "zfs": "ZFS", "btrfs": "btrfs", "panfs": "Panasas", "panasas": "Panasas",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Line:
    """One bar: what it is of, the bar, the figures, and what to say of them."""

    label: str
    word: str
    bar: str
    figures: str
    percent: str
    remarks: str
    style: str


def render_quota(result: QuotaResult) -> None:
    print_readings(result.answer.readings)
    if not result.answer.readings:
        print_text("No quota could be read.")
    if result.show_texts:
        for text in result.answer.texts:
            _print_unknown(text)


def print_readings(readings: Sequence[QuotaReading]) -> None:
    """A bar for the bytes and one for the files of each reading, as far as a terminal has room for them."""
    lines = [line for reading in readings for line in _lines(reading, several=len(readings) > 1)]
    if not lines:
        return
    label, word, bar, figures = (
        max(map(len, column))
        for column in zip(*((line.label, line.word, line.bar, line.figures) for line in lines), strict=True)
    )
    available = columns_available()
    for line in lines:
        said = f"{line.word:<{word}}  {line.bar:<{bar}}  {line.figures:>{figures}}  {line.percent:>5}"
        text = f"{line.label:<{label}}  {said}"
        if len(text) > available:
            if len(said) + 2 > available:
                said = " ".join(filter(None, (line.word, line.figures, line.percent)))
            text = f"{line.label}\n  {said}" if line.label else f"  {said}"
        gap = "   " if len(text.rpartition("\n")[2]) + 3 + len(line.remarks) <= available else "\n  "
        print_styled(f"{text}{gap}{line.remarks}".rstrip(), line.style)


def _lines(reading: QuotaReading, *, several: bool) -> Iterator[_Line]:
    label = _label(reading)
    remarks = [] if not (several and reading.tightest) else ["the tightest"]
    remarks += _of_the_reading(reading)
    approximately = "about " if reading.rounded else ""
    used, limit = reading.used_bytes, reading.limit_bytes
    if used is not None or limit is not None or reading.used_files is None:
        doubt = f" and {format_bytes(reading.in_doubt_bytes)} in doubt" if reading.in_doubt_bytes else ""
        figures = _figures(
            None if used is None else approximately + format_bytes(used) + doubt,
            None if limit is None else format_bytes(limit),
            reading,
        )
        hard = None if reading.hard_bytes is None else format_bytes(reading.hard_bytes)
        over = reading.over_bytes or reading.said_over
        state = _state(over, reading.fraction_bytes, reading.bytes_grace_seconds, hard)
        yield _line(label, "", figures, reading.fraction_bytes, [*filter(None, (state,)), *remarks], reading.over_bytes)
        label, remarks = "", []
    if reading.used_files is not None or reading.limit_files is not None:
        figures = _figures(
            None if reading.used_files is None else f"{reading.used_files:,}",
            None if reading.limit_files is None else f"{reading.limit_files:,}",
            reading,
        )
        hard = None if reading.hard_files is None else f"{reading.hard_files:,}"
        state = _state(reading.over_files, reading.fraction_files, reading.files_grace_seconds, hard)
        remarks = [*filter(None, (state,)), *remarks]
        yield _line(label, "files", figures, reading.fraction_files, remarks, reading.over_files)


def _label(reading: QuotaReading) -> str:
    where = printable(reading.mount or reading.device or "")
    who = " ".join(filter(None, (reading.scope, printable(reading.name or ""))))
    if reading.part:
        who += f" in {printable(reading.part)}"
    name = _FILESYSTEMS.get(reading.filesystem, reading.filesystem)
    return "   ".join(filter(None, (where, ", ".join(filter(None, (who, name))))))


def _figures(used: str | None, limit: str | None, reading: QuotaReading) -> str:
    if limit is None and used is None:
        return "no limit" if reading.limits_known else reading.said_over or "unknown"
    if limit is None:
        return f"{used}, no limit" if reading.limits_known else f"{used}, limit unknown"
    return f"{used or '?'} of {limit}"


def _line(
    label: str, word: str, figures: str, fraction: float | None, remarks: Sequence[str], over: str | None
) -> _Line:
    # Rounded down: 79.6 % is not yet over 80 %, and 99.9 % not full. What a float lacks to a whole percent is put back.
    percent = "" if fraction is None else f"{int(fraction * 100 + 1e-9)} %"
    style = "bold red" if over not in (None, "no") else "yellow" if (fraction or 0) >= _NEAR else ""
    return _Line(label, word, _bar(fraction), figures, percent, "; ".join(remarks), style)


def _bar(fraction: float | None) -> str:
    """Neither full before the limit nor empty with anything in it."""
    if fraction is None:
        return ""
    full = min(_BAR_WIDTH, int(fraction * _BAR_WIDTH))
    full = max(full, 1) if fraction > 0 else 0
    return f"[{'#' * full}{'-' * (_BAR_WIDTH - full)}]"


def _state(over: str | None, fraction: float | None, grace_seconds: int | None, hard: str | None) -> str:
    """The state in words; colour only repeats it."""
    if over == "hard":
        return "at the limit: nothing more can be written"
    if over == "soft-expired":
        return "over the soft limit, and its grace has run out: nothing more can be written"
    if over == "soft":
        left = "" if grace_seconds is None else f"; {format_span(grace_seconds)} of grace left"
        return f"over the soft limit{f' (hard: {hard})' if hard else ''}{left}"
    if fraction is None or fraction < _NEAR:
        return ""
    return "nearly full (over 95 %)" if fraction >= _NEARER else "filling up (over 80 %)"


def _of_the_reading(reading: QuotaReading) -> Iterator[str]:
    if reading.unreliable:
        yield "the filesystem calls these figures inaccurate"
    if reading.read_at is not None:
        yield f"as of {time.strftime('%Y-%m-%d %H:%M', time.localtime(reading.read_at))}"
    if reading.scope == "filesystem":
        yield "everybody's"


def _print_unknown(text: UnknownText) -> None:
    code = "" if text.exit_code is None else f", exit {text.exit_code}"
    print_text(f"\nnot understood: {printable(text.command)} ({text.reason}{code})")
    for line in (*text.stdout.splitlines(), *text.stderr.splitlines()):
        print_text(f"  | {printable(line)}")
