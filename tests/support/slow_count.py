"""The figures of `ucenv usage`, counted the slow way: os.walk, lstat, and the formulas as written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

Inode = tuple[int, int]


@dataclass
class Tree:
    """What a walk finds in a scope: how many names each inode has there, and what lstat says of it."""

    names: Counter[Inode]
    status: dict[Inode, os.stat_result]
    directories: set[Inode]


def walk(top: Path | str | bytes, leave_out: Collection[bytes] = ()) -> Tree:
    """
    Args:
        leave_out: absolute paths of what is not to be entered or counted.
    """
    tree = Tree(Counter(), {}, set())

    def note(path: bytes) -> None:
        status = os.lstat(path)
        inode = status.st_dev, status.st_ino
        tree.names[inode] += 1
        tree.status[inode] = status

    def fail(error: OSError) -> None:
        raise error

    for directory, below, files in os.walk(os.fsencode(top), onerror=fail):
        below[:] = [name for name in below if os.path.join(directory, name) not in leave_out]
        note(directory)
        status = os.lstat(directory)
        tree.directories.add((status.st_dev, status.st_ino))
        for name in [*files, *(name for name in below if os.path.islink(os.path.join(directory, name)))]:
            if os.path.join(directory, name) not in leave_out:
                note(os.path.join(directory, name))
    return tree


def figures(
    trees: Mapping[str, Tree], groups: Mapping[str, Collection[str]], is_mine: Callable[[os.stat_result], bool]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Group -> figure -> bytes and inodes, for groups of scopes; `trees` in the order that `saved` goes by."""
    everywhere = sum((tree.names for tree in trees.values()), Counter[Inode]())
    answer = {}
    for group, scopes in groups.items():
        inodes: dict[Inode, os.stat_result] = {}
        names: Counter[Inode] = Counter()
        directories: set[Inode] = set()
        for scope in scopes:
            inodes |= trees[scope].status
            names += trees[scope].names
            directories |= trees[scope].directories
        mine = {inode for inode, status in inodes.items() if is_mine(status)}
        within = {inode: sum(inode in tree.names for tree in trees.values()) for inode in inodes}

        def total(some: Collection[Inode], inodes: dict[Inode, os.stat_result] = inodes) -> tuple[int, int]:
            return sum(512 * inodes[inode].st_blocks for inode in some), len(some)

        own_copies = [total(trees[scope].status, trees[scope].status) for scope in scopes]
        borne = {inode for inode in mine if next(s for s, tree in trees.items() if inode in tree.names) in scopes}
        answer[group] = {
            "apparent": (sum(status.st_size for status in inodes.values()), len(inodes)),
            "on_disk": total(inodes),
            "charged": total(mine),
            "shared": total(inodes.keys() - mine),
            "unique": total({inode for inode in mine if within[inode] == 1}),
            "shared_own": total({inode for inode in mine if within[inode] > 1}),
            "freed": total({i for i in mine if i in directories or names[i] == inodes[i].st_nlink}),
            "linked_outside": total({i for i in mine if i not in directories and everywhere[i] < inodes[i].st_nlink}),
            "saved": (
                sum(size for size, _ in own_copies) - total(borne)[0],
                sum(count for _, count in own_copies) - total(borne)[1],
            ),
            "files": (sum(count for inode, count in names.items() if inode not in directories), len(directories)),
        }
    return answer
