"""Scanning and comparing with the slow count."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

from tests.support import slow_count
from userconda.parallel import Pool
from userconda.scan import Scan, Top, scan
from userconda.sharing import Amount, Charging, Figures, Mine, figures_of

Numbers = dict[str, dict[str, tuple[int, int]]]


class Eager(Pool):
    """Starts processes however little there is to do."""

    def workers_for(self, operations: int) -> int:
        return self.limit


class Slow(Pool):
    """Takes every filesystem for one whose calls wait for a server, and so has it read by threads."""

    @property
    def is_slow(self) -> bool:
        return True


def groups_of(names: Collection[str]) -> dict[str, list[str]]:
    """Each scope, all together, and every pair that stands side by side."""
    listed = list(names)
    groups = {name: [name] for name in listed} | {"total": listed}
    return groups | {f"{a}+{b}": [a, b] for a, b in pairwise(listed)}


def scanned(tops: Mapping[str, Path], pool: Pool | None = None) -> Scan:
    """With few units where workers are to be started, so that there are enough subtrees for them in a small tree."""
    pool = pool or Pool(4)
    listed = [Top(str(path), number) for number, path in enumerate(tops.values())]
    return scan(listed, pool, units=2) if isinstance(pool, Eager) else scan(listed, pool)


def numbers_of(result: Scan, names: Collection[str], mine: Mine | None = None) -> Numbers:
    """What the scan says, in the slow count's form."""
    mine = mine or Mine(Charging.USER, os.geteuid())
    numbered = {name: number for number, name in enumerate(names)}
    groups = {group: [numbered[name] for name in some] for group, some in groups_of(names).items()}
    found = figures_of(
        result.table,
        groups,
        [[number] for number in numbered.values()],
        dict.fromkeys(result.table.all_devices(), mine),
    )
    return {group: _plain(figures) for group, figures in found.items()}


def _plain(figures: Figures) -> dict[str, tuple[int, int]]:
    amounts = {field.name: getattr(figures, field.name) for field in fields(figures)}
    plain = {name: (a.size_bytes, a.inodes) for name, a in amounts.items() if isinstance(a, Amount)}
    return plain | {"files": (figures.files, figures.directories)}


def truth(
    tops: Mapping[str, Path],
    is_mine: Callable[[os.stat_result], bool] = lambda status: status.st_uid == os.geteuid(),
    leave_out: Collection[Path] = (),
) -> Numbers:
    left_out = {os.fsencode(path) for path in leave_out}
    trees = {name: slow_count.walk(path, left_out - {os.fsencode(path)}) for name, path in tops.items()}
    return slow_count.figures(trees, groups_of(tops), is_mine)
