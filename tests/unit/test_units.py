import os

import pytest

from userconda.units import format_bytes, format_count, format_seconds, format_span, printable


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (1051, "1.1 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (4_900_000_000, "4.9 GB"),
        (10**15, "1.0 PB"),
        (12_345 * 10**15, "12345 PB"),
        (-1500, "-1.5 kB"),
    ],
)
def test_bytes_have_decimal_units(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (120_584, "file", "120,584 files"),
        (1, "file", "1 file"),
        (0, "file", "0 files"),
        (2, "directory", "2 directories"),
        (1, "directory", "1 directory"),
        (2, "half-made directory", "2 half-made directories"),
        (2, "key", "2 keys"),
        (1234, "", "1,234"),
    ],
)
def test_a_count_has_its_noun_in_the_plural(count: int, noun: str, text: str) -> None:
    assert format_count(count, noun) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.14, "3.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (75, "1 min 15 s"),
        (119.6, "2 min 0 s"),
        (3600, "60 min 0 s"),
    ],
)
def test_seconds_become_minutes(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/opt/a b", "/opt/a b"),
        ("/opt/é世", "/opt/é世"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft", r"right\u202eleft"),
        (os.fsdecode(b"/data/\xff"), r"/data/\xff"),
        ("\ud800", r"\xed\xa0\x80"),
    ],
)
def test_a_path_is_fit_for_a_terminal(path: str, text: str) -> None:
    shown = printable(path)
    assert shown == text
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min"),
        (59, "0 min"),
        (60, "1 min"),
        (35_220, "9 h 47 min"),
        (172_799, "47 h 59 min"),
        (172_800, "2 days"),
        (541_723, "6 days"),
    ],
)
def test_what_is_left_of_some_days(seconds: int, text: str) -> None:
    assert format_span(seconds) == text
