"""btrfs: qgroups, of subvolumes. Only the administrator may list them; where that is refused, nothing is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import Unknown, limit, parse_iec_size, refusal, whole_lines

#: btrfs-progs 6 changed its words.
_HEADERS: Final = (
    (("qgroupid", "rfer", "excl", "max_rfer", "max_excl"), ("parent", "child", "path")),
    (("Qgroupid", "Referenced", "Exclusive", "Max referenced", "Max exclusive"), ("Parent", "Child", "Path")),
)
_DU_HEADER: Final = ["Total", "Exclusive", "Set", "shared", "Filename"]
_IDS = re.compile(r"-+|\d+/\d+(?:,\d+/\d+)*")
_IS_SIZE = re.compile(r"(?:none|\d+(?:\.\d+)?(?:B|[KMGTPE]iB)?)(?:\s|$)")
_DU_ROW = re.compile(r"\s*(\S+)\s+(\S+)\s+(\S+)\s+(/.*|\S.*)")


def ask(place: Place) -> tuple[Question, ...]:
    """Only the qgroups that count for that directory (-f)."""
    return (Question(((("btrfs", "qgroup", "show", "-ref", "--raw", place.directory), parse_btrfs),)),)


def parse_btrfs(text: str, now: float = 0) -> list[QuotaReading]:
    """What `btrfs qgroup show -re` and `btrfs filesystem du` print.

    Raises:
        Unknown: no row, as where quotas are off.
    """
    found = [*_from_qgroups(whole_lines(text)), *_from_du(whole_lines(text))]
    if not found:
        raise refusal(text)
    return found


def _from_qgroups(lines: Sequence[str]) -> Iterator[QuotaReading]:
    inconsistent = any("inconsistent" in line for line in lines)
    more: list[str] | None = None
    for line in lines:
        if (header := _more_columns(line)) is not None:
            more = header
        elif more is not None and re.match(r"\d+/\d+\s", line):
            fields = line.split(None, 4 + len(more))
            try:
                yield from _from_fields(fields, more, inconsistent)
            except (Unknown, ValueError):
                continue


def _more_columns(line: str) -> list[str] | None:
    """The columns after the five that are read; None where the line is not the header."""
    text = " ".join(line.split())
    for first, optional in _HEADERS:
        if text.startswith(" ".join(first)):
            rest = text.removeprefix(" ".join(first)).split()
            return [word.lower() for word in rest] if set(rest) <= set(optional) else None
    return None


def _from_fields(fields: Sequence[str], more: Sequence[str], inconsistent: bool) -> Iterator[QuotaReading]:
    qgroup, *sizes = fields[:5]
    referenced, exclusive = map(parse_iec_size, sizes[:2])
    max_referenced, max_exclusive = (None if most == "none" else limit(parse_iec_size(most)) for most in sizes[2:])
    rounded = any(size.endswith("iB") for size in sizes)
    rest = dict(zip(more, fields[5:], strict=True))
    for column, word in rest.items():
        good = _IDS.fullmatch(word) if column in ("parent", "child") else not _IS_SIZE.match(word)
        if not good:
            raise Unknown(f"{word!r} is no {column}")
    limits = ((referenced, max_referenced, qgroup), (exclusive, max_exclusive, f"{qgroup} exclusive"))
    for used, most, name in limits:
        if name == qgroup or most is not None:
            yield QuotaReading(
                "btrfs",
                rest.get("path"),
                "subvolume",
                name,
                used_bytes=used,
                hard_bytes=most,
                rounded=rounded,
                unreliable=inconsistent,
            )


def _from_du(lines: Sequence[str]) -> Iterator[QuotaReading]:
    """Usage alone, which every user may ask for; blocks that reflinks share are counted for each."""
    has_header = False
    for line in lines:
        if line.split() == _DU_HEADER:
            has_header = True
        elif has_header and (found := _DU_ROW.fullmatch(line)):
            try:
                used = parse_iec_size(found[1])
            except Unknown:
                continue
            yield QuotaReading(
                "btrfs", found[4], "set", used_bytes=used, limits_known=False, rounded=found[1].endswith("iB")
            )
