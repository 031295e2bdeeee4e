"""A site's own command (`quota.command`): this tool's quota JSON, or Open OnDemand's quota JSON, version 1.

Of five sites whose commands print a table and nothing else, the tables are known too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from userconda.models import OVER_WORDS, QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import KIB, Unknown, limit, refusal, scaled, whole_lines

_SCOPES: Final = ("user", "group", "project", "fileset", "dataset", "subvolume", "directory", "filesystem")
_RENAMED: Final = {"id": "number"}
#: Keys of ours that follow from others, or that only this tool may set.
_DERIVED: Final = frozenset({"grace_seconds", "over", "over_bytes", "over_files", "tightest"})
_NUMBERS: Final = frozenset({
    "used_bytes", "soft_bytes", "hard_bytes", "used_files", "soft_files", "hard_files", "in_doubt_bytes",
    "in_doubt_files", "number", "read_at",
})  # fmt: skip


def ask(place: Place, command: Sequence[str]) -> tuple[Question, ...]:
    """The command's words, with {directory} and {user} filled in."""
    words = [word.replace("{directory}", place.directory).replace("{user}", place.user) for word in command]
    names = {place.user, str(place.uid)}

    def of_this_user(text: str) -> list[QuotaReading]:
        found = [r for r in parse_site(text) if r.scope != "user" or r.name is None or r.name in names]
        if not found:
            raise Unknown(f"it says nothing of the user {place.user}")
        return found

    return (Question(((tuple(words), of_this_user),), all_told=True),)


def parse_site(text: str, now: float = 0) -> list[QuotaReading]:
    """
    Raises:
        Unknown: neither JSON of the two kinds nor a table that is known.
    """
    if text.lstrip().startswith("{"):
        return _from_json(text)
    lines = whole_lines(text)
    for table in _TABLES:
        if found := list(table(lines)):
            return found
    raise refusal(text)


# JSON -------------------------------------------------------------------------------------------------------------


def _from_json(text: str) -> list[QuotaReading]:
    try:
        document = json.loads(text)
    except ValueError:
        raise Unknown("it is not valid JSON") from None
    result = document.get("result") if isinstance(document.get("result"), dict) else document
    try:
        if isinstance(result.get("readings"), list):
            found = [_own(entry) for entry in result["readings"]]
        elif document.get("version") == 1 and isinstance(document.get("quotas"), list):
            found = [_open_ondemand(entry, document.get("timestamp")) for entry in document["quotas"]]
        else:
            raise Unknown("its JSON has neither `readings` nor Open OnDemand's `version` 1 and `quotas`")
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise Unknown(f"its JSON is not as it should be: {exc!r}") from None
    if not found:
        raise Unknown("its JSON lists no quota")
    return found


def _own(entry: Mapping[str, Any]) -> QuotaReading:
    """An entry of `ucenv quota --json`. What is no key of ours is left alone."""
    known = {field.name for field in fields(QuotaReading)}
    values = {_RENAMED.get(key, key): value for key, value in entry.items() if value is not None}
    values = {key: value for key, value in values.items() if key in known and key not in _DERIVED}
    for key, value in values.items():
        wanted = (
            (int,) if key in _NUMBERS or key.endswith("_seconds")
            else (bool,) if key in ("rounded", "unreliable", "limits_known")
            else (str,)
        )  # fmt: skip
        if type(value) not in wanted or (wanted == (int,) and value < 0):
            raise ValueError(f"{key} = {value!r}")
    values.setdefault("filesystem", "site")
    if values.get("scope", "user") not in _SCOPES or values.get("said_over", "no") not in OVER_WORDS:
        raise ValueError("a word that is not known")
    grace = entry.get("grace_seconds")
    if grace is not None:  # one figure for both: it is of what is over its soft limit
        values.setdefault("bytes_grace_seconds", _seconds(grace))
        values.setdefault("files_grace_seconds", _seconds(grace))
    for key in ("soft_bytes", "hard_bytes", "soft_files", "hard_files"):
        values[key] = limit(values.get(key, 0))
    return QuotaReading(**values)


def _seconds(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"grace_seconds = {value!r}")
    return value


def _open_ondemand(entry: Mapping[str, Any], timestamp: object) -> QuotaReading:
    """Blocks are KiB. The limit holds for the total, also where a user's own part of it is told."""
    read_at = entry.get("updated_at", entry.get("timestamp", timestamp))
    kind = str(entry.get("type", "user"))
    return QuotaReading(
        "site",
        str(entry["path"]),
        kind if kind in _SCOPES else None,
        str(entry["user"]) if kind == "user" else None,
        used_bytes=_ood_number(entry["total_block_usage"]) * KIB,
        hard_bytes=limit(_ood_number(entry["block_limit"]) * KIB),
        used_files=_ood_number(entry["total_file_usage"]),
        hard_files=limit(_ood_number(entry["file_limit"])),
        read_at=_ood_number(read_at) or None,
    )


def _ood_number(value: object) -> int:
    """Numbers may be strings; no limit is 0, null or "unlimited"."""
    if value is None or (isinstance(value, str) and value.lower() == "unlimited"):
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is no number")
    number = int(value)
    if number < 0:
        raise ValueError(f"{value!r} is negative")
    return number


# tables -----------------------------------------------------------------------------------------------------------

_UNITS: Final = {"": 1, **{letter: 1024**n for n, letter in enumerate("KMGTP", start=1)}}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGTP]?)(?:iB)?")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)([KM]?)")


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None or not (found[2] or not text.strip("0.")):
        raise Unknown(f"{text!r} is no size")
    return scaled(found[1], _UNITS[found[2]])


def _count(text: str) -> int:
    """24K of files is 24,000."""
    found = _COUNT.fullmatch(text)
    if found is None:
        raise Unknown(f"{text!r} is no number of files")
    return scaled(found[1], {"": 1, "K": 10**3, "M": 10**6}[found[2]])


def _below(header: str, row: str, lines: Sequence[str]) -> Iterator[re.Match[str]]:
    """The rows that fit, below a header that fits."""
    seen = False
    for line in lines:
        if seen and (found := re.fullmatch(row, line.strip())):
            yield found
        seen = seen or re.fullmatch(header, line.strip()) is not None


def _csc_workspaces(lines: Sequence[str]) -> Iterator[QuotaReading]:
    header = r"Disk area +Capacity\(used/max\) +Files\(used/max\) +Cleanup"
    for row in _below(header, r"(/\S+) +([\d.]+[KMGT]?)/([\d.]+[KMGT]?) +([\d.]+[KM]?)/([\d.]+[KM]?) +\S+", lines):
        used, most, files, most_files = _size(row[2]), _size(row[3]), _count(row[4]), _count(row[5])
        yield QuotaReading(
            "site", row[1], used_bytes=used, hard_bytes=limit(most), used_files=files, hard_files=limit(most_files),
            rounded=True,
        )  # fmt: skip


def _gladequota(lines: Sequence[str]) -> Iterator[QuotaReading]:
    owner = next(
        (found[1] for found in map(re.compile(r"Current GLADE space usage: (\S+)").fullmatch, lines) if found), None
    )
    row = r"(/\S+) +([\d.]+ [KMGTP]iB) +([\d.]+ [KMGTP]iB) +[\d.]+ % +(\d+)"
    for found in _below(r"Space +Used +Quota +% Full +# Files", row, lines):
        used, most = _size(found[2]), limit(_size(found[3]))
        yield QuotaReading(
            "site", found[1], None, owner, used_bytes=used, hard_bytes=most, used_files=int(found[4]), rounded=True
        )


def _taccinfo(lines: Sequence[str]) -> Iterator[QuotaReading]:
    """Its GB are 2^30 bytes: a quota of 1 TB is 1024.0."""
    owner = next(
        (found[1] for found in map(re.compile(r"-+ Disk quotas for user (\S+) -+").fullmatch, lines) if found), None
    )
    header = r"\| Disk +Usage \(GB\) +Limit +%Used +File Usage +Limit +%Used \|"
    row = r"\| (/\S+) +(\d+\.\d+) +(\d+\.\d+) +[\d.]+ +(\d+) +(\d+) +[\d.]+ \|"
    for found in _below(header, row, lines):
        used, most = _size(f"{found[2]}G"), limit(_size(f"{found[3]}G"))
        yield QuotaReading(
            "site", found[1], "user", owner, used_bytes=used, hard_bytes=most, used_files=int(found[4]),
            hard_files=limit(int(found[5])), rounded=True,
        )  # fmt: skip


def _uchicago(lines: Sequence[str]) -> Iterator[QuotaReading]:
    """Two lines a fileset, the second without its name."""
    header = r"fileset +type +used +quota +limit +grace"
    size = r"([\d.]+[KMGT]?)"
    row = rf"(?:(\S.*?) +blocks \(user\)|(files) +\(user\)) +{size} +{size} +{size} +(none|expired|.*\d.*)"
    blocks = None
    for found in _below(header, row, lines):
        if not found[2]:
            blocks = found
        elif blocks is not None:
            used, soft, hard = (_size(blocks[n]) for n in (3, 4, 5))
            files, soft_files, hard_files = (int(found[n]) for n in (3, 4, 5))
            yield QuotaReading(
                "site", blocks[1], "user", None, None, used, limit(soft), limit(hard), files, limit(soft_files),
                limit(hard_files), bytes_grace_seconds=0 if blocks[6] == "expired" else None,
                files_grace_seconds=0 if found[6] == "expired" else None, rounded=True,
            )  # fmt: skip
            blocks = None


def _uquota(lines: Sequence[str]) -> Iterator[QuotaReading]:
    header = r"Your project +Your File Area +Unit +Usage +Quota Limit +Over Quota"
    row = r"\S+ +(/\S+) +(GiB|files) +(\d+(?:\.\d+)?) +(\d+(?:\.\d+)?)(?: +\S.*)?"
    space: dict[str, re.Match[str]] = {}
    for found in _below(header, row, lines):
        if found[2] == "GiB":
            space[found[1]] = found
        elif of_bytes := space.pop(found[1], None):
            used, most = _size(f"{of_bytes[3]}G"), limit(_size(f"{of_bytes[4]}G"))
            yield QuotaReading(
                "site", found[1], used_bytes=used, hard_bytes=most, used_files=int(found[3]),
                hard_files=limit(int(found[4])), rounded=True,
            )  # fmt: skip


_TABLES: Final[tuple[Callable[[Sequence[str]], Iterator[QuotaReading]], ...]] = (
    _csc_workspaces,
    _gladequota,
    _taccinfo,
    _uchicago,
    _uquota,
)
