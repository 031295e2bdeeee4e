"""Every captured output, and the values that a reader must find in it."""

from __future__ import annotations

import ast
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from userconda.models import QuotaReading
from userconda.quota import DIALECTS, parse
from userconda.quota.text import Unknown, parse_seconds

SAMPLES = Path(__file__).parents[1] / "data/quota-samples"
INDEX: dict[str, dict[str, Any]] = json.loads((SAMPLES / "index.json").read_text())

#: A moment before any end of grace in the samples, but for the one that says when it was taken.
NOW = 1795358960

FIGURES = ("used_bytes", "soft_bytes", "hard_bytes", "used_files", "soft_files", "hard_files")

#: Their text has no word of whose quota it is: that is known from what was asked (-p, -u, --uid).
NO_SCOPE = {
    "beegfs/mila_csv.txt", "beegfs/mila_table.txt", "lustre/cardiff_myquota_newheader_h.txt",
    "lustre/mila_home_default_h.txt", "quota/scw_home_wrapped_human.txt", "xfs/local_report_N.txt",
    "xfs/local_user_N_expired.txt",
}  # fmt: skip

#: The index calls figures exact whose unit could have lost digits ("2T").
NOT_CALLED_ROUNDED = {"lustre/sanger_group_wrapped_h.txt", "lustre/user_default_soft_hard_h.txt"}


def text_of(name: str) -> str:
    return (SAMPLES / name).read_text()


def read(name: str) -> list[QuotaReading]:
    entry = INDEX[name]
    return parse(entry["fs"], text_of(name), entry["expected"].get("now", NOW))


def rows(name: str) -> list[dict[str, Any]]:
    """What the index expects, but for a snapshot's row, which shows its volume again."""
    entry = INDEX[name]
    return [row for row in entry.get("expected_rows", [entry["expected"]]) if not row.get("snapshot")]


def figures(row: dict[str, Any]) -> dict[str, int | None]:
    sentinel = row.get("files_unlimited_sentinel")
    return {key: None if sentinel and key in ("soft_files", "hard_files") else row[key] for key in FIGURES}


def of(reading: QuotaReading) -> dict[str, int | None]:
    return {key: getattr(reading, key) for key in FIGURES}


def grace(value: int | str | None, over: str | None, now: int) -> int | None:
    if isinstance(value, int):
        return max(0, value - now)
    return 0 if over == "soft-expired" else parse_seconds(value) if value else None


def told(text: str, value: str | None) -> str | None:
    return value if value is not None and value in text else None


READABLE = sorted(name for name, entry in INDEX.items() if "error" not in entry["expected"])
REFUSED = sorted(name for name, entry in INDEX.items() if "error" in entry["expected"])


def test_there_are_86_of_every_family() -> None:
    assert len(READABLE) + len(REFUSED) == 86 == len([*SAMPLES.rglob("*.txt")])
    assert {entry["fs"] for entry in INDEX.values()} == set(DIALECTS)


@pytest.mark.parametrize("name", READABLE)
def test_the_figures(name: str) -> None:
    found = [of(reading) for reading in read(name)]
    if "expected_rows" in INDEX[name]:
        assert found == [figures(row) for row in rows(name)]
    else:  # the row to check; the text may have more
        assert figures(INDEX[name]["expected"]) in found


def matching(name: str) -> list[tuple[QuotaReading, dict[str, Any]]]:
    """Readings with the row that the index has for them. Where it has one row, the text may have more."""
    found, expected = read(name), rows(name)
    if "expected_rows" not in INDEX[name]:
        found = [reading for reading in found if of(reading) == figures(expected[0])]
    assert found
    return list(zip(found, expected, strict=True))


@pytest.mark.parametrize("name", READABLE)
def test_over_and_grace_follow_from_the_figures(name: str) -> None:
    now = INDEX[name]["expected"].get("now", NOW)
    for reading, row in matching(name):
        over_bytes = row.get("over_blocks", row["over"])
        assert reading.over == row["over"]
        assert reading.over_bytes == row.get("over_blocks", reading.over_bytes)
        assert reading.over_files == row.get("over_files", reading.over_files)
        assert reading.bytes_grace_seconds == (grace(row["grace"], over_bytes, now) if row["grace"] else None)
        if "grace_files" in row:
            assert reading.files_grace_seconds == grace(row["grace_files"], row["over_files"], now)


@pytest.mark.parametrize("name", READABLE)
def test_whose_and_where(name: str) -> None:
    """What stands in the text is found; what does not is not made up."""
    text, family = text_of(name), INDEX[name]["fs"]
    for reading, row in matching(name):
        # statvfs cannot tell a project's quota from one on a directory.
        scope = "directory" if family == "statvfs" else row.get("scope", reading.scope)
        assert reading.scope == scope or (reading.scope is None and name in NO_SCOPE)
        assert reading.name == told(text, row["user"]) or (reading.name is None and family == "site")
        if row["mount"] is not None and row["mount"] in text:
            assert reading.mount == row["mount"]
        if "device" in row:
            assert reading.device == row["device"]
        assert reading.number in (row.get("id", reading.number), None)
        assert reading.part in (row.get("fileset"), row.get("pool", "Default" if "backend" in row else None), None)
        assert reading.in_doubt_bytes == row.get("in_doubt_bytes", 0)
        assert reading.in_doubt_files == row.get("in_doubt_files", 0)


@pytest.mark.parametrize("name", READABLE)
def test_what_may_be_off_is_marked(name: str) -> None:
    for reading, row in matching(name):
        assert reading.unreliable == row.get("inaccurate", False)
        assert reading.rounded == (row.get("rounded", False) or name in NOT_CALLED_ROUNDED)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_no_reading(name: str) -> None:
    with pytest.raises(Unknown) as unknown:
        read(name)
    first, *_ = text_of(name).strip().splitlines()
    assert first.strip() in ast.literal_eval(unknown.value.reason.removeprefix("it answered ")) or "\t-" in first


@pytest.mark.parametrize("name", sorted(INDEX))
def test_another_familys_text_gives_no_other_figure(name: str) -> None:
    """Where the family was set wrongly: a wrapper's text may hold the rows of two."""
    try:
        right = [of(reading) for reading in read(name)]
    except Unknown:
        right = []
    for family in DIALECTS:
        with contextlib.suppress(Unknown):
            assert all(of(reading) in right for reading in parse(family, text_of(name), NOW))
