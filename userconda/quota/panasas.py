"""Panasas: `pan_quota`. Its unit stands in the header; GB is taken as 10^9 bytes."""

from __future__ import annotations

import re
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import limit, refusal, scaled, whole_lines

_HEADER = re.compile(
    r"<([KMGT]B)> +<soft> +<hard> : +<files> +<soft> +<hard> : +<path to volume> +<pan_identity\(name\)>"
)
_UNITS: Final = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE, _NUMBER = r"(\d+(?:\.\d+)?)", r"(\d+)"
_ROW = re.compile(
    rf"{_SIZE} +{_SIZE} +{_SIZE} : +{_NUMBER} +{_NUMBER} +{_NUMBER} : +(/.*?) +(uid|gid):(\d+)\(([^)]*)\)"
)


def ask(place: Place) -> tuple[Question, ...]:
    """Of all volumes: the rows of others are dropped by their path."""
    return (Question(((("pan_quota",), parse_pan_quota),)),)


def parse_pan_quota(text: str, now: float = 0) -> list[QuotaReading]:
    """
    Raises:
        Unknown: no row below its header.
    """
    found, unit = [], ""
    for line in map(str.strip, whole_lines(text)):
        if header := _HEADER.fullmatch(line):
            unit = header[1]
        elif unit and (row := _ROW.fullmatch(line)):
            if len({"." in value for value in row.groups()[:3]}) > 1:  # one has lost its decimals, or what is before
                continue
            sizes = [scaled(value, _UNITS[unit]) for value in row.groups()[:3]]
            files = [int(value) for value in row.groups()[3:6]]
            found.append(
                QuotaReading(
                    "panasas",
                    row[7],
                    "user" if row[8] == "uid" else "group",
                    row[10],
                    int(row[9]),
                    sizes[0],
                    limit(sizes[1]),
                    limit(sizes[2]),
                    files[0],
                    limit(files[1]),
                    limit(files[2]),
                    rounded=True,
                )
            )
    if not found:
        raise refusal(text)
    return found
