"""What a change of a thin clone meets that is a link: directories whose content it changes, and programs and libraries
behind links that reach a changed library through their RPATH.

Paths are relative to the clone. `links_to` is the prefix that the clone's links lead to.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from userconda.elf import Dynamic, parse_dynamic


@dataclass(frozen=True, slots=True)
class Touched:
    """
    Attributes:
        directories: must be real directories of the clone; what is in them may stay links.
        paths: files that must be real themselves.
    """

    directories: tuple[str, ...]
    paths: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.directories or self.paths)


def find_touched(prefix: str, links_to: str, removed: Iterable[str], added: Iterable[str]) -> Touched:
    """What has to be thawed before these files go and come."""
    removed, added = [*removed], [*added]
    links = Links(prefix, links_to)
    directories = {os.path.dirname(path) for path in removed}
    directories |= {links.existing(os.path.dirname(path)) for path in added}
    changed = {path for path in (*removed, *added) if is_library(path)}
    return Touched(
        directories=tuple(sorted(path for path in directories if links.at_or_above(path))),
        paths=tuple(sorted(find_reaching(prefix, links_to, changed))) if changed else (),
    )


def is_library(path: str) -> bool:
    return ".so" in os.path.basename(path)


class Links:
    """The links of a thin clone into its parent, looked up name by name, each once."""

    def __init__(self, prefix: str, links_to: str) -> None:
        self._prefix, self._links_to = prefix, links_to
        self._above: dict[str, str | None] = {"": None, "/": None}

    def is_link(self, path: str) -> bool:
        """Whether a path of the clone is a link to the parent's of that name."""
        try:
            return bool(self._links_to) and os.readlink(f"{self._prefix}/{path}") == f"{self._links_to}/{path}"
        except OSError:  # EINVAL: no link. ENOENT, ENOTDIR: nothing there.
            return False

    def at_or_above(self, directory: str) -> str | None:
        """The linked directory by which a directory is reached."""
        if directory not in self._above:
            above = self.at_or_above(os.path.dirname(directory))
            self._above[directory] = above or (directory if self.is_link(directory) else None)
        return self._above[directory]

    def existing(self, directory: str) -> str:
        """The nearest directory that is there."""
        while directory and not os.path.isdir(os.path.join(self._prefix, directory)):
            directory = os.path.dirname(directory)
        return directory


# libraries --------------------------------------------------------------------------------------------------------


def find_reaching(prefix: str, links_to: str, changed: Collection[str]) -> set[str]:
    """Files behind links of which the dynamic linker takes `$ORIGIN` for the parent's, and which by that find the
    parent's libraries where the clone will have others: directly, or through libraries that do.

    Not found: what a program loads by name while it runs (dlopen), and Mach-O files.
    """
    waiting: dict[str, set[str]] = defaultdict(set)
    for path, dynamic in _linked_objects(prefix, links_to):
        for wanted in _wanted(path, dynamic, prefix, links_to):
            waiting[wanted].add(path)
            waiting[_resolved(links_to, wanted)].add(path)
    found: set[str] = set()
    new = [*changed]
    while new:
        for path in waiting.get(new.pop(), ()):
            if path not in found:
                found.add(path)
                new.append(path)
    return found


def _wanted(path: str, dynamic: Dynamic, prefix: str, links_to: str) -> Iterator[str]:
    """The libraries an object asks for, by their paths in the clone."""
    origin = f"/{os.path.dirname(path)}"
    for place in dynamic.search:
        place = place.replace("${ORIGIN}", "$ORIGIN")
        if place.startswith("$ORIGIN"):
            place = os.path.normpath(origin + place[len("$ORIGIN") :])
        else:
            inside = [root for root in (prefix, links_to) if place.startswith(root + "/")]
            if not inside:
                continue
            place = os.path.normpath(place[len(inside[0]) :])
        for name in dynamic.needed:
            yield f"{place}/{name}".lstrip("/")


def _resolved(root: str, path: str, most: int = 8) -> str:
    """Through the links of a library's own directory: libz.so.1 -> libz.so.1.3.1."""
    for _ in range(most):
        try:
            target = os.readlink(os.path.join(root, path))
        except OSError:
            break
        if "/" in target:
            break
        path = os.path.join(os.path.dirname(path), target)
    return path


def _linked_objects(prefix: str, links_to: str) -> Iterator[tuple[str, Dynamic]]:
    """Programs and libraries of the clone that are behind a link, with what they ask for."""
    for path in _linked_files(prefix, links_to):
        dynamic = _read_dynamic(os.path.join(links_to, path))
        if dynamic is not None and dynamic.needed and dynamic.search:
            yield path, dynamic


def _linked_files(prefix: str, links_to: str) -> Iterator[str]:
    links = Links(prefix, links_to)
    pending = [""]
    while pending:
        directory = pending.pop()
        for entry in _entries(os.path.join(prefix, directory)):
            path = f"{directory}/{entry.name}" if directory else entry.name
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif entry.is_symlink() and links.is_link(path):
                if os.path.isdir(os.path.join(links_to, path)):
                    yield from _files_below(links_to, path)
                elif _may_be_object(entry.name):
                    yield path


def _files_below(root: str, top: str) -> Iterator[str]:
    pending = [top]
    while pending:
        directory = pending.pop()
        for entry in _entries(os.path.join(root, directory)):
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{directory}/{entry.name}")
            elif entry.is_file(follow_symlinks=False) and _may_be_object(entry.name):
                yield f"{directory}/{entry.name}"


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [*entries]
    except OSError:  # gone, or closed to this user: the linker finds nothing there either
        return []


def _may_be_object(name: str) -> bool:
    """Libraries and extension modules by their names; a program has seldom a suffix."""
    return ".so" in name or "." not in name


def _read_dynamic(path: str) -> Dynamic | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # gone, or nobody's to read: the linker cannot load it either
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return parse_dynamic(lambda offset, size: os.pread(descriptor, size, offset))
    except OSError:  # a damaged file may ask for an offset that none can have (EINVAL)
        return None
    finally:
        os.close(descriptor)
