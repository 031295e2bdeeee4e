"""Sizes, counts and times as people read them."""

from __future__ import annotations

import re
from typing import Final

#: user:password@ and /t/TOKEN/ in an address.
_SECRET: Final = re.compile(r"(?<=//)[^/@\s\"]+(?=@)|(?<=/t/)[^/\s\"]+")

_STEPS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def format_bytes(size_bytes: int) -> str:
    """Decimal units, as quota commands and disk vendors count: 4_900_000_000 is "4.9 GB"."""
    value, unit = float(size_bytes), 0
    while abs(value) >= 999.5 and unit < len(_STEPS) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if unit == 0 or abs(value) >= 9.95 else 1
    return f"{value:.{digits}f} {_STEPS[unit]}"


def format_count(count: int, noun: str = "") -> str:
    """120584, "file" -> "120,584 files"."""
    is_y = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    plural = "" if count == 1 or not noun else "ies" if is_y else "s"
    stem = noun[:-1] if plural == "ies" else noun
    return f"{count:,} {stem}{plural}".rstrip()


def format_seconds(seconds: float) -> str:
    """3.14 -> "3.1 s"; 75 -> "1 min 15 s"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def format_span(seconds: float) -> str:
    """What is left of some days: 541723 -> "6 days", 35220 -> "9 h 47 min"."""
    minutes = int(seconds // 60)
    if minutes >= 48 * 60:
        return format_count(minutes // (24 * 60), "day")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def printable(path: str) -> str:
    """A path fit for a terminal or JSON: what is not UTF-8 or would move the cursor is escaped."""
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte: JSON can spell one
        raw = path.encode("utf-8", "surrogatepass")
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def hide_secrets(text: str) -> str:
    """A text without the passwords and tokens in its addresses."""
    return _SECRET.sub("***", text)


def percent(text: str) -> float:
    """ "90" or "90%" -> 90.0. argparse says this function's name where it raises ValueError."""
    value = float(text.removesuffix("%"))
    if not 0 < value <= 1000:
        raise ValueError
    return value
