"""ZFS: `zfs get`, whose figures lag some seconds behind; a user may ask for their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from userconda.models import QuotaReading
from userconda.quota.place import Place, Question
from userconda.quota.text import Subject, Unknown, limit, parse_size, parse_sizes, refusal, whole_lines

_PROPERTY = re.compile(r"(user|group|project)(obj)?(used|quota)@(\S+)")
_SPACE_TYPES: Final = {"POSIX User": "user", "POSIX Group": "group", "Project": "project"}
_SPACE_HEADER: Final = ["TYPE", "NAME", "USED", "QUOTA"]
_SPACE_ROW = re.compile(r"(POSIX User|POSIX Group|Project)\s+(\S+)\s+(.*)")
_NO_VALUE: Final = ("-", "none")


def ask(place: Place) -> tuple[Question, ...]:
    """Everything in one command; one that is refused because a property is unknown (before 0.8) is asked for less."""
    subjects = [("user", place.uid), ("group", place.gid)]
    if place.project_id:
        subjects.append(("project", place.project_id))
    plain = [f"{scope}{what}@{number}" for scope, number in subjects[:2] for what in ("used", "quota")]
    objects = [f"{scope}obj{what}@{number}" for scope, number in subjects for what in ("used", "quota")]
    projects = [f"{scope}{what}@{number}" for scope, number in subjects[2:] for what in ("used", "quota")]
    whole = ["used", "quota", "referenced", "refquota"]
    lists = ([*plain, *objects, *projects, *whole], [*plain, *whole])
    return (Question(tuple((_get(names, place), parse_zfs) for names in lists)),)


def _get(names: Sequence[str], place: Place) -> tuple[str, ...]:
    return ("zfs", "get", "-Hp", "-o", "name,property,value", ",".join(names), place.directory)


def parse_zfs(text: str, now: float = 0) -> list[QuotaReading]:
    """What `zfs get`, `zfs userspace` and `zfs projectspace` print, raw or for people.

    Raises:
        Unknown: no value in it; "-" for another user's is none.
    """
    lines = whole_lines(text)
    found = [*_from_properties(lines), *_from_space(lines)]
    if not found:
        raise refusal(text)
    return found


def _from_properties(lines: Sequence[str]) -> Iterator[QuotaReading]:
    datasets: dict[str | None, dict[str, str]] = {}
    for line in lines:
        fields = line.split("\t") if "\t" in line else line.split()
        if fields == ["NAME", "PROPERTY", "VALUE", "SOURCE"]:
            continue
        if "\t" in line and len(fields) == 2:
            datasets.setdefault(None, {})[fields[0]] = fields[1]
        elif len(fields) in (3, 4):
            datasets.setdefault(fields[0], {})[fields[1]] = fields[2]
    for dataset, values in datasets.items():
        subjects = dict.fromkeys((found[1], found[4]) for found in map(_PROPERTY.fullmatch, values) if found)
        for scope, name in subjects:
            keys = [f"{scope}used@{name}", f"{scope}quota@{name}", f"{scope}objused@{name}", f"{scope}objquota@{name}"]
            yield from _reading(dataset, Subject(scope, name), *(values.get(key) for key in keys))
        for used, quota in (("used", "quota"), ("referenced", "refquota")):
            if values.get(quota, "0") not in ("0", *_NO_VALUE) and used in values:
                yield from _reading(dataset, Subject("dataset"), values[used], values[quota], None, None)


def _from_space(lines: Sequence[str]) -> Iterator[QuotaReading]:
    columns = 5
    for line in lines:
        if "\t" in line:
            kind, _, rest = line.partition("\t")
            fields = rest.split("\t")
        elif line.split()[:4] == _SPACE_HEADER:
            columns = len(line.split()) - 1
            continue
        elif found := _SPACE_ROW.fullmatch(line):
            kind, fields = found[1], [found[2], *found[3].split()]
        else:
            continue
        if kind in _SPACE_TYPES and len(fields) == columns:
            name, *values = fields
            yield from _reading(None, Subject(_SPACE_TYPES[kind], name), *values, *([None] * (4 - len(values))))


def _reading(
    dataset: str | None,
    subject: Subject,
    used: str | None,
    quota: str | None,
    objused: str | None,
    objquota: str | None,
) -> Iterator[QuotaReading]:
    """Nothing where the usage is hidden from this user. Usage of which no limit was printed is left out."""
    name = subject.name
    told = [token for token in (used, quota) if token is not None and token not in _NO_VALUE]
    try:
        sizes = dict(zip(told, parse_sizes(*told, unit_bytes=1), strict=True))
        used_files, hard_files = (_count(token) for token in (objused if objquota else None, objquota))
    except Unknown:
        return
    used_bytes, hard_bytes = sizes.get(used or ""), sizes.get(quota or "")
    if used_bytes is None and used_files is None:
        return
    yield QuotaReading(
        "zfs",
        dataset,
        subject.scope,
        name,
        int(name) if name and name.isdigit() else None,
        used_bytes,
        hard_bytes=limit(hard_bytes or 0),
        used_files=used_files,
        hard_files=limit(hard_files or 0),
        limits_known=quota is not None,
        rounded=any(token[-1:].isalpha() for token in told),
    )


def _count(token: str | None) -> int | None:
    """Objects; for people, from some thousands on with a unit of powers of 1024."""
    return None if token is None or token in _NO_VALUE else parse_size(token, 1)
