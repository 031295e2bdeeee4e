"""Inode table -> what is charged, what is shared, what a removal would free.

A *scope* is an environment or a package cache. The table counts by *part*: a scope is one part, or, for `--tree`,
one for each package. Any set of parts is a *group*, and every figure is a group's. The formulas, with b the allocated
bytes of an inode (1 for inode figures), n its link count, k(G) the names it has in group G and U all parts together:

    apparent        sum of st_size over the inodes of G
    on_disk         sum of b
    charged         sum of b where the inode is mine: its owner is who the binding quota counts
    shared          sum of b where it is not
    unique          mine, and in no other scope
    shared_own      mine, and in another scope of mine as well
    freed           mine, and k(G) = n; directories always
    linked_outside  mine, and k(U) < n: it has names where nothing was scanned
    saved           each scope with a copy of its own, less what is charged. An inode in several scopes is put down to
                    the first that holds it, in the order given, so that scopes add up to the total.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import repeat
from typing import Any, TypeVar

Group = TypeVar("Group", bound=Hashable)

#: Of inodes with several links, so many are resolved at a time: what bounds the memory.
_AT_A_TIME = 1 << 17

BLOCK_BYTES = 512
"""What st_blocks counts, whatever the filesystem's blocks are."""


# what was scanned -----------------------------------------------------------------------------------------------


class Charging(Enum):
    """What a quota counts an inode by."""

    USER = "user"
    GROUP = "group"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Mine:
    """Who is charged at a place: the user, group or project with this number."""

    by: Charging
    number: int

    def owns(self, owner: Owner) -> bool:
        return owner[("user", "group", "project").index(self.by.value)] == self.number


#: uid, gid, project id (0 where nobody asked).
Owner = tuple[int, int, int]


@dataclass(slots=True)
class Sums:
    """Of which so many are directories."""

    inodes: int = 0
    blocks: int = 0
    size_bytes: int = 0
    directories: int = 0


@dataclass(slots=True)
class Links:
    """Inodes of one device that have several links, in columns: there may be a million.

    Attributes:
        inodes, blocks, size_bytes, links, owners: a row for each inode, or several where several processes met it.
        names: part -> an inode number for each of its names there.
    """

    inodes: array[int] = field(default_factory=lambda: array("Q"))
    blocks: array[int] = field(default_factory=lambda: array("Q"))
    size_bytes: array[int] = field(default_factory=lambda: array("Q"))
    links: array[int] = field(default_factory=lambda: array("I"))
    owners: array[int] = field(default_factory=lambda: array("H"))
    names: dict[int, array[int]] = field(default_factory=dict)

    def add(self, inode: int, blocks: int, size_bytes: int, links: int, owner: int) -> None:
        self.inodes.append(inode)
        self.blocks.append(blocks)
        self.size_bytes.append(size_bytes)
        self.links.append(links)
        self.owners.append(owner)

    def names_in(self, part: int) -> array[int]:
        found = self.names.get(part)
        if found is None:
            found = self.names[part] = array("Q")
        return found

    def merge(self, other: Links, owners: Sequence[int]) -> None:
        """
        Args:
            owners: the other table's numbers of owners -> this one's.
        """
        self.inodes += other.inodes
        self.blocks += other.blocks
        self.size_bytes += other.size_bytes
        self.links += other.links
        same = all(number == position for position, number in enumerate(owners))
        self.owners += other.owners if same else array("H", [owners[number] for number in other.owners])
        for part, names in other.names.items():
            self.names_in(part).extend(names)


@dataclass(slots=True)
class InodeTable:
    """What a scan has counted.

    Attributes:
        owners: owner -> number.
        single: device, part and owner -> sums of inodes with one link, and of directories.
        devices: device -> its inodes with several links.
    """

    owners: dict[Owner, int] = field(default_factory=dict)
    single: dict[tuple[int, int, Owner], Sums] = field(default_factory=dict)
    devices: dict[int, Links] = field(default_factory=dict)

    def number_of(self, owner: Owner) -> int:
        number = self.owners.get(owner)
        if number is None:
            number = self.owners[owner] = len(self.owners)
        return number

    def on(self, device: int) -> Links:
        found = self.devices.get(device)
        if found is None:
            found = self.devices[device] = Links()
        return found

    def add(
        self,
        device: int,
        part: int,
        owner: Owner,
        inodes: int,
        blocks: int,
        size_bytes: int,
        directories: int = 0,
    ) -> None:
        key = device, part, owner
        sums = self.single.get(key)
        if sums is None:
            sums = self.single[key] = Sums()
        sums.inodes += inodes
        sums.blocks += blocks
        sums.size_bytes += size_bytes
        sums.directories += directories

    def all_devices(self) -> set[int]:
        return {device for device, _, _ in self.single} | set(self.devices)

    def merge(self, other: InodeTable) -> None:
        numbers = [self.number_of(owner) for owner in other.owners]
        for key, sums in other.single.items():
            self.add(*key, sums.inodes, sums.blocks, sums.size_bytes, sums.directories)
        for device, links in other.devices.items():
            self.on(device).merge(links, numbers)


class Unresolved(Exception):
    """Names whose inode nobody looked at: a listing's inode numbers were wrong."""


# figures --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Amount:
    size_bytes: int = 0
    inodes: int = 0

    def add(self, sums: Sums) -> None:
        self.size_bytes += sums.blocks * BLOCK_BYTES
        self.inodes += sums.inodes

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.size_bytes + other.size_bytes, self.inodes + other.inodes)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.size_bytes - other.size_bytes, self.inodes - other.inodes)


@dataclass(slots=True)
class Figures:
    """A group's; the module says what each is.

    Attributes:
        apparent: its bytes are lengths of files, not blocks.
        files: names that are not directories'.
    """

    apparent: Amount = field(default_factory=Amount)
    on_disk: Amount = field(default_factory=Amount)
    charged: Amount = field(default_factory=Amount)
    shared: Amount = field(default_factory=Amount)
    unique: Amount = field(default_factory=Amount)
    shared_own: Amount = field(default_factory=Amount)
    freed: Amount = field(default_factory=Amount)
    linked_outside: Amount = field(default_factory=Amount)
    saved: Amount = field(default_factory=Amount)
    files: int = 0
    directories: int = 0


def figures_of(
    table: InodeTable,
    groups: Mapping[Group, Collection[int]],
    scopes: Sequence[Collection[int]],
    mine: Mapping[int, Mine],
) -> dict[Group, Figures]:
    """The figures of each group of parts.

    Args:
        scopes: the parts of each scope; what several hold is put down to who comes first.
        mine: device -> who is charged there.

    Raises:
        Unresolved: see there.
    """
    counting = _Counting(groups, scopes)
    owners = list(table.owners)
    for (device, part, owner), sums in table.single.items():
        counting.add({part: 1}, 1, mine[device].owns(owner), sums)
    for device, links in table.devices.items():
        for counts, link_count, number, sums in resolve(links):
            counting.add(counts, link_count, mine[device].owns(owners[number]), sums)
    return counting.finish(*_names(table))


def _names(table: InodeTable) -> tuple[Counter[int], Counter[int]]:
    """By part: names that are not directories', and directories."""
    files: Counter[int] = Counter()
    directories: Counter[int] = Counter()
    for (_, part, _), sums in table.single.items():
        files[part] += sums.inodes - sums.directories
        directories[part] += sums.directories
    for links in table.devices.values():
        files.update({part: len(names) for part, names in links.names.items()})
    return files, directories


class _Counting:
    """Adds what is alike (the same parts, the same number of names in each) to every group that it touches."""

    def __init__(self, groups: Mapping[Group, Collection[int]], scopes: Sequence[Collection[int]]) -> None:
        self._groups: dict[Hashable, frozenset[int]] = {group: frozenset(parts) for group, parts in groups.items()}
        self._figures: dict[Hashable, Figures] = {group: Figures() for group in groups}
        self._scope_of = {part: number for number, parts in enumerate(scopes) for part in parts}
        self._touched: dict[int, list[Hashable]] = {}
        for group, parts in self._groups.items():
            for part in parts:
                self._touched.setdefault(part, []).append(group)
        # Inodes held by each scope on its own, and those put down to it: by part, as groups are made of parts.
        self._scopes_in = {group: {self._scope_of[part] for part in parts} for group, parts in self._groups.items()}

    def add(self, counts: Mapping[int, int], links: int, is_mine: bool, sums: Sums) -> None:
        """
        Args:
            counts: part -> names of each of these inodes in it.
            links: st_nlink of each.
        """
        bearer = min(counts, key=lambda part: (self._scope_of[part], part))
        scopes = {self._scope_of[part] for part in counts}
        in_all = sum(counts.values())
        for group in {group: None for part in counts for group in self._touched.get(part, ())}:
            figures, parts = self._figures[group], self._groups[group]
            figures.on_disk.add(sums)
            figures.apparent.size_bytes += sums.size_bytes
            figures.apparent.inodes += sums.inodes
            # A copy for each scope of the group, less the one that is paid for here.
            copies = len(scopes & self._scopes_in[group]) - (is_mine and bearer in parts)
            figures.saved.add(Sums(copies * sums.inodes, copies * sums.blocks))
            if not is_mine:
                figures.shared.add(sums)
                continue
            figures.charged.add(sums)
            (figures.unique if len(scopes) == 1 else figures.shared_own).add(sums)
            # More names than links: the tree changed while it was scanned.
            if sum(count for part, count in counts.items() if part in parts) >= links:
                figures.freed.add(sums)
            if in_all < links:
                figures.linked_outside.add(sums)

    def finish(self, files: Counter[int], directories: Counter[int]) -> dict[Any, Figures]:
        for group, parts in self._groups.items():
            self._figures[group].files = sum(files[part] for part in parts)
            self._figures[group].directories = sum(directories[part] for part in parts)
        return self._figures


# links ----------------------------------------------------------------------------------------------------------


def resolve(links: Links) -> Iterator[tuple[Mapping[int, int], int, int, Sums]]:
    """Inodes that are alike, together: part -> names in it, link count, owner's number, sums.

    120,000 inodes are a handful of kinds: what an inode's names were found in is kept as a number, and one more name
    leads from number to number.

    Raises:
        Unresolved: see there.
    """
    portions = 1 + len(links.inodes) // _AT_A_TIME
    kinds = _Kinds()
    found: dict[tuple[int, int, int], Sums] = {}
    for rows, names in _portions(links, portions):
        held: dict[int, int] = {}
        for part, numbers in names:
            # Name for name: the kind that the inode has so far, the kind that follows, and that is its kind.
            held.update(zip(numbers, map(kinds.following(part), map(held.get, numbers, repeat(0))), strict=True))
        _add_up(rows, held, found)
        if held:
            raise Unresolved
    for (kind, link_count, owner), sums in found.items():
        yield kinds.counts(kind), link_count, owner, sums


def _add_up(rows: _Rows, held: dict[int, int], found: dict[tuple[int, int, int], Sums]) -> None:
    """Add inodes to the sums of their kind, and take them out of `held`."""
    take = held.pop
    current, sums = (-1, -1, -1), Sums()
    for inode, blocks, size_bytes, link_count, owner in rows:
        kind = take(inode, 0)
        if kind:  # else another process met it too, and its row came first
            key = kind, link_count, owner
            if key != current:
                current, sums = key, found.setdefault(key, Sums())
            sums.inodes += 1
            sums.blocks += blocks
            sums.size_bytes += size_bytes


class _Kinds:
    """Numbers for multisets of parts; 0 is the empty one."""

    def __init__(self) -> None:
        self._made_by: list[tuple[int, int]] = [(0, 0)]
        self._following: dict[int, _Following] = {}

    def following(self, part: int) -> Callable[[int], int]:
        """Kind -> the kind with one more name in this part."""
        if part not in self._following:
            self._following[part] = _Following(part, self._made_by)
        return self._following[part].__getitem__

    def counts(self, kind: int) -> Mapping[int, int]:
        counts: Counter[int] = Counter()
        while kind:
            kind, part = self._made_by[kind]
            counts[part] += 1
        return counts


class _Following(dict[int, int]):
    """A dict, as only a dict is looked through without running any Python for what it has."""

    def __init__(self, part: int, made_by: list[tuple[int, int]]) -> None:
        super().__init__()
        self._part, self._made_by = part, made_by

    def __missing__(self, kind: int) -> int:
        self._made_by.append((kind, self._part))
        self[kind] = len(self._made_by) - 1
        return self[kind]


_Rows = Iterable[tuple[int, int, int, int, int]]


def _portions(links: Links, portions: int) -> Iterator[tuple[_Rows, list[tuple[int, array[int]]]]]:
    """Rows and names by inode number, so that a portion has every name of its inodes."""
    columns = links.inodes, links.blocks, links.size_bytes, links.links, links.owners
    if portions == 1:
        yield zip(*columns, strict=True), list(links.names.items())
        return
    scattered = {part: _scatter(numbers, portions) for part, numbers in links.names.items()}
    places = [array("L") for _ in range(portions)]
    for place, inode in enumerate(links.inodes):
        places[inode % portions].append(place)
    for portion in range(portions):
        rows = zip(*(map(column.__getitem__, places[portion]) for column in columns), strict=True)
        yield rows, [(part, numbers[portion]) for part, numbers in scattered.items()]


def _scatter(numbers: array[int], portions: int) -> list[array[int]]:
    scattered = [array("Q") for _ in range(portions)]
    append = [part.append for part in scattered]
    for number in numbers:
        append[number % portions](number)
    return scattered
