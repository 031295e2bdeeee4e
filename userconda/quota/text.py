"""What the parsers share: whole lines, sizes with units, grace times, and the row that quota(1) and lfs have in common.

A parser gives readings, or raises Unknown. Better no figure than a wrong one: what does not fit exactly is left out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from userconda.models import QuotaReading

KIB: Final = 1024

_UNITS: Final = {letter: KIB**power for power, letter in enumerate("KMGTPE", start=1)}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([BKMGTPE]?)", re.IGNORECASE)
_IEC_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(Byte|B|[KMGTPE]iB)?")
_COUNT = re.compile(r"(\d+)([kmgt]?)")
_THOUSANDS: Final = {letter: 1000**power for power, letter in enumerate("kmgt", start=1)}
_VALUE = re.compile(r"(?:\d+(?:\.\d+)?[KMGTPE]?|\[\d+(?:\.\d+)?[KMGTPE]?\])\*?", re.IGNORECASE)
#: A path, a device, or a device and a path; what begins with a digit, but for an address, is a figure gone wrong.
_NAME = re.compile(r"(?:[^\W\d]\S*|\.\S*|\S*[/:]\S*)(?: (?:/|[^\W\d])\S*)*")
_UNIT_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_SPAN = re.compile(r"(\d+)\s*(weeks?|days?|hours?|minutes?|min|seconds?|[wdhms])", re.IGNORECASE)
_CLOCK = re.compile(r"(\d+):(\d\d)(?::(\d\d))?")
_SUBJECT = re.compile(r"\s*Disk quotas for (usr|user|grp|group|prj|project) (.+?) \([ugp]id (\d+)\):\s*(.*)")
_SCOPES: Final = {"usr": "user", "grp": "group", "prj": "project"}

#: A file count that NetApp prints for "no limit" (2^32 - 1), also when `quota -s` has rounded it to 4295m.
_MOST_FILES: Final = 4_290_000_000


class Unknown(Exception):
    """No reading, and why: the text is none of the forms that are known, or says that there is no answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def whole_lines(text: str) -> list[str]:
    """The lines, without a last one that has no end: of "2000000" cut off, "2000" would be left."""
    return [line.rstrip() for line in text.split("\n")[:-1]]


def refusal(text: str) -> Unknown:
    """For a text without a row: what it says instead, in one line."""
    said = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return Unknown(f"it answered {said[:200]!r}" if said else "it printed nothing")


def if_understood(read: Callable[..., QuotaReading], *parts: Any) -> Iterator[QuotaReading]:
    """A row's reading; nothing where it is not what it looked like: a word that is not known, a column missing."""
    with contextlib.suppress(Unknown, LookupError):
        yield read(*parts)


# values -----------------------------------------------------------------------------------------------------------


def parse_size(token: str, unit_bytes: int = KIB) -> int:
    """ "4858M*" -> bytes. Stars, brackets and a unit of powers of 1024 are understood.

    Args:
        unit_bytes: of a figure without a suffix.

    Raises:
        Unknown: it is no size.
    """
    found = _SIZE.fullmatch(token.rstrip("*").strip("[]"))
    if found is None or ("." in found[1] and not found[2]):
        raise Unknown(f"{token!r} is no size")
    return scaled(found[1], _UNITS.get(found[2].upper(), 1) if found[2] else unit_bytes)


def parse_sizes(*tokens: str, unit_bytes: int = KIB) -> list[int]:
    """The sizes of one row. Either all are for people or none is: "3" beside "1.7G" is a "3T" that lost its unit.

    Raises:
        Unknown: one is no size, or they are mixed.
    """
    sizes = [parse_size(token, unit_bytes) for token in tokens]
    with_unit = [token.rstrip("*").strip("[]")[-1:].isalpha() for token in tokens if token.strip("*[]0")]
    if any(with_unit) and not all(with_unit):
        raise Unknown(f"of {', '.join(tokens)}, some have a unit and some have not")
    return sizes


def parse_iec_size(token: str) -> int:
    """ "76.61 GiB", "0 Byte", "81.54MiB", and bytes without a unit."""
    found = _IEC_SIZE.fullmatch(token)
    if found is None or (not found[2] and "." in found[1]):
        raise Unknown(f"{token!r} is no size")
    return scaled(found[1], _UNITS.get((found[2] or "B")[0], 1))


def scaled(number: str, unit: int) -> int:
    """ "1.5" of a unit, without what a float would lose."""
    return round(Fraction(number) * unit)


def is_rounded(*tokens: str) -> bool:
    """Whether a figure has lost digits. KiB is the finest unit that these commands know."""
    return any(token.rstrip("*").strip("[]")[-1:].upper() in tuple("MGTPE") for token in tokens)


def parse_count(token: str, *, suffixes: bool = False) -> int:
    """ "921718*" -> 921718, and with `suffixes` "1000k" -> 1000000: quota(1) counts files by thousands."""
    found = _COUNT.fullmatch(token.rstrip("*").strip("[]"))
    if found is None or (found[2] and not suffixes):
        raise Unknown(f"{token!r} is no number of files")
    return int(found[1]) * (_THOUSANDS[found[2]] if found[2] else 1)


def limit(value: int) -> int | None:
    """Everywhere, 0 stands for no limit."""
    return value or None


def file_limit(value: int) -> int | None:
    return value if 0 < value < _MOST_FILES else None


def parse_seconds(text: str) -> int | None:
    """ "7days", "6d6h28m43s", "09:47", "7 days 01:02:03" -> seconds."""
    clock, rest = 0, text.strip()
    if found := _CLOCK.search(rest):
        hours, minutes, seconds = found.groups(default="0")
        clock, rest = int(hours) * 3600 + int(minutes) * 60 + int(seconds), rest.replace(found[0], "")
    spans = _SPAN.findall(rest)
    if _SPAN.sub("", rest).strip() or not (spans or found):
        return None
    return clock + sum(int(number) * _UNIT_SECONDS[unit[0].lower()] for number, unit in spans)


def grace_seconds(token: str | None, now: float, *, over_soft: bool) -> int | None:
    """What is left of a grace time.

    Args:
        token: words, or with `quota -p` the second since the epoch at which it ends, 0 for none.
        over_soft: by the numbers; then "none" means that the time has run out.
    """
    if token in (None, "-", "0", "notify"):
        return None
    if token in ("none", "expired"):
        return 0 if over_soft or token == "expired" else None
    return max(0, int(token) - int(now)) if token.isdigit() else parse_seconds(token)


def _is_raw_grace(token: str) -> bool:
    return token == "0" or (token.isdigit() and len(token) >= 9)


def _is_wordy_grace(token: str) -> bool:
    return token in ("-", "none", "expired", "notify") or (not token.isdigit() and parse_seconds(token) is not None)


# the row of quota(1) and lfs quota --------------------------------------------------------------------------------


class Row(NamedTuple):
    """One filesystem's line. `name` is empty where the name was too long and stands on the line before."""

    name: str
    used_bytes: str
    soft_bytes: str
    hard_bytes: str
    bytes_grace: str | None
    used_files: str
    soft_files: str
    hard_files: str
    files_grace: str | None


class Subject(NamedTuple):
    """Whose quotas the lines below are."""

    scope: str | None = None
    name: str | None = None
    number: int | None = None
    remark: str = ""


def parse_subject(line: str) -> Subject | None:
    """ "Disk quotas for user alice (uid 1000): none"."""
    found = _SUBJECT.fullmatch(line)
    return Subject(_SCOPES.get(found[1], found[1]), found[2], int(found[3]), found[4]) if found else None


def split_row(line: str) -> Row | None:
    """Its columns from the right, as names may have blanks and a grace may be left blank; None for any other line."""
    tokens = line.split()
    first = len(tokens)
    while first and (_VALUE.fullmatch(tokens[first - 1]) or _is_wordy_grace(tokens[first - 1])):
        first -= 1
    names = tokens[:first]
    return _with_graces(" ".join(names), tokens[first:]) if not names or _NAME.fullmatch(" ".join(names)) else None


def _with_graces(name: str, figures: Sequence[str]) -> Row | None:
    """The row of six to eight figures, as graces may be blank; None where more than one reading of them is possible."""
    *before, last = figures or ("",)
    layouts: list[Sequence[str | None]] = []
    if len(figures) == 8:
        graces = figures[3], last
        # Words in both, or with `quota -p` numbers in both.
        layouts = [figures] * (all(map(_is_wordy_grace, graces)) or all(map(_is_raw_grace, graces)))
    elif len(figures) == 7:
        if _is_wordy_grace(figures[3]):
            layouts.append((*figures, None))
        if _is_wordy_grace(last):
            layouts.append((*before[:3], None, *before[3:], last))
    elif len(figures) == 6:
        layouts = [(*figures[:3], None, *figures[3:], None)]
    if len(layouts) != 1:
        return None
    used, soft, hard, grace, files, soft_files, hard_files, files_grace = layouts[0]
    sizes = [size for size in (used, soft, hard, files, soft_files, hard_files) if size and _VALUE.fullmatch(size)]
    if len(sizes) != 6:
        return None
    used, soft, hard, files, soft_files, hard_files = sizes
    return Row(name, used, soft, hard, grace, files, soft_files, hard_files, files_grace)


def is_wrapped_name(line: str) -> bool:
    """A filesystem's name alone on its line, because it was too long for its column."""
    name = line.strip()
    return bool(name) and " " not in name and ("/" in name or ":" in name) and not name.endswith("_UUID")
