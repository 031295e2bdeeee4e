"""Figures from inode tables, beside a count that follows the formulas name by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from userconda import sharing
from userconda.sharing import Amount, Charging, InodeTable, Links, Mine, Unresolved, figures_of, resolve

ME = Mine(Charging.USER, 1)
OWNERS = ((1, 10, 0), (2, 10, 7), (1, 20, 7))

names = st.lists(st.integers(0, 4), min_size=1, max_size=6)
inodes = st.lists(st.tuples(names, st.integers(0, 3), st.integers(0, 100), st.sampled_from(OWNERS)), max_size=40)


def table_of(described: list[tuple[list[int], int, int, tuple[int, int, int]]], device: int = 5) -> InodeTable:
    """
    Args:
        described: for each inode the parts that it has names in, how many links lead elsewhere, blocks, owner.
    """
    table = InodeTable()
    for number, (parts, outside, blocks, owner) in enumerate(described):
        links = table.on(device)
        if len(parts) + outside == 1:
            table.add(device, parts[0], owner, 1, blocks, blocks * 100)
            continue
        links.add(number, blocks, blocks * 100, len(parts) + outside, table.number_of(owner))
        for part in parts:
            links.names_in(part).append(number)
    return table


SCOPES = ((0,), (1, 2), (3,), (4,))
GROUPS = {"a": (0,), "b": (1, 2), "part": (2,), "pair": (0, 3), "all": (0, 1, 2, 3, 4)}


def plain(
    described: list[tuple[list[int], int, int, tuple[int, int, int]]], group: tuple[int, ...], mine: Mine
) -> dict[str, Amount]:
    totals = {name: Amount() for name in ("charged", "shared", "unique", "freed", "linked_outside", "on_disk", "saved")}
    for parts, outside, blocks, owner in described:
        inside = [part for part in parts if part in group]
        if not inside:
            continue
        scopes = {number for number, some in enumerate(SCOPES) if set(some) & set(parts)}
        within = {number for number, some in enumerate(SCOPES) if set(some) & set(inside)}
        bearer = min(parts, key=lambda part: (next(n for n, some in enumerate(SCOPES) if part in some), part))
        is_mine = mine.owns(owner)
        holds = {
            "on_disk": 1,
            "charged": is_mine,
            "shared": not is_mine,
            "unique": is_mine and len(scopes) == 1,
            "freed": is_mine and len(inside) == len(parts) + outside,
            "linked_outside": is_mine and outside > 0,
            "saved": len(within) - (is_mine and bearer in group),
        }
        for name, times in holds.items():
            totals[name] += Amount(blocks * 512 * times, int(times))
    return totals


@given(inodes, st.sampled_from([ME, Mine(Charging.GROUP, 10), Mine(Charging.PROJECT, 7)]))
@settings(max_examples=300, deadline=None)
def test_every_figure(described: list[tuple[list[int], int, int, tuple[int, int, int]]], mine: Mine) -> None:
    found = figures_of(table_of(described), GROUPS, SCOPES, {5: mine})
    for group, parts in GROUPS.items():
        expected = plain(described, parts, mine)
        assert {name: getattr(found[group], name) for name in expected} == expected
        assert found[group].files == sum(part in parts for some, *_ in described for part in some)
        assert found[group].charged == found[group].unique + found[group].shared_own


@given(inodes)
@settings(max_examples=50, deadline=None)
def test_scopes_add_up_to_what_is_saved_in_all(
    described: list[tuple[list[int], int, int, tuple[int, int, int]]],
) -> None:
    groups: dict[object, Sequence[int]] = {**dict(enumerate(SCOPES)), "all": range(5)}
    found = figures_of(table_of(described), groups, SCOPES, {5: ME})
    each = [found[number] for number in range(len(SCOPES))]
    assert sum((figures.saved for figures in each), Amount()) == found["all"].saved
    assert sum((figures.on_disk for figures in each), Amount()) == found["all"].saved + found["all"].charged


@given(inodes, st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_portions_change_nothing(
    described: list[tuple[list[int], int, int, tuple[int, int, int]]], at_a_time: int
) -> None:
    whole = figures_of(table_of(described), GROUPS, SCOPES, {5: ME})
    before, sharing._AT_A_TIME = sharing._AT_A_TIME, at_a_time
    try:
        assert figures_of(table_of(described), GROUPS, SCOPES, {5: ME}) == whole
    finally:
        sharing._AT_A_TIME = before


@given(inodes, inodes)
@settings(max_examples=100, deadline=None)
def test_merging_is_counting_together(
    first: list[tuple[list[int], int, int, tuple[int, int, int]]],
    second: list[tuple[list[int], int, int, tuple[int, int, int]]],
) -> None:
    """Of two devices, whose inodes have the same numbers; and of one table into itself, whose rows come twice."""
    merged = table_of(first, device=5)
    merged.merge(table_of(second, device=6))
    found = figures_of(merged, {"all": range(5)}, SCOPES, {5: ME, 6: ME})["all"]
    apart = [figures_of(table_of(some), {"all": range(5)}, SCOPES, {5: ME})["all"] for some in (first, second)]
    assert found.charged == apart[0].charged + apart[1].charged
    assert found.saved == apart[0].saved + apart[1].saved


def test_a_row_that_two_processes_brought_counts_once() -> None:
    links = Links()
    for _ in range(2):
        links.add(7, 3, 300, 2, 0)
        links.names_in(1).append(7)
    ((counts, link_count, owner, sums),) = resolve(links)
    assert (counts, link_count, owner) == (Counter({1: 2}), 2, 0)
    assert (sums.inodes, sums.blocks, sums.size_bytes) == (1, 3, 300)


def test_a_name_without_its_inode_is_no_figure() -> None:
    links = Links()
    links.add(7, 3, 300, 2, 0)
    links.names_in(1).extend([7, 8])
    with pytest.raises(Unresolved):
        list(resolve(links))


def test_directories_are_no_files_and_are_freed() -> None:
    table = InodeTable()
    table.add(5, 0, (1, 1, 0), 3, 24, 12288, directories=2)
    table.add(5, 0, (2, 2, 0), 1, 8, 4096, directories=1)
    found = figures_of(table, {"a": (0,)}, [(0,)], {5: ME})["a"]
    assert (found.files, found.directories) == (1, 3)
    assert found.freed == Amount(24 * 512, 3)
    assert found.shared == Amount(8 * 512, 1)


def test_a_file_with_as_many_links_as_its_filesystem_allows() -> None:
    links = Links()
    links.add(7, 1, 1, 65_000, 0)
    links.names_in(1).extend([7] * 60_000)
    links.names_in(2).extend([7] * 5_000)
    ((counts, *_),) = resolve(links)
    assert counts == {1: 60_000, 2: 5_000}
