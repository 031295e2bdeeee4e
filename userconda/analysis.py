"""PrefixSnapshot -> which directories of an environment a thin clone links whole, and what it needs of the others.

Pure. An analysis is small (a few hundred directories of a big environment are not linked whole) and holds no target, so
it can be kept: the next thin clone reads neither the tree nor its records.
"""

from __future__ import annotations

import posixpath
import re
from array import array
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from userconda.models import (
    Analysis,
    Directory,
    FileClass,
    LinkedDirectory,
    PrefixSnapshot,
    RecordInfo,
    Replacement,
    Skipped,
    Tracked,
    is_within,
    join_path,
)
from userconda.placeholder import FileMode
from userconda.plan import THIN_PRIVATE, directory_bytes, is_newer, left_out, module_of, private_places

#: Of what is kept. One of another version is made again.
VERSION: Final = 1

#: What a copy is reckoned to take, in whole blocks: for the price of an own copy.
_BLOCK_BYTES: Final = 4096

#: Directories that packages share, beside the top ones, `share` and site-packages: never linked whole.
_MEETING_PLACES: Final = re.compile(r"lib/R/library|lib/node_modules(?:/@[^/]+)?")

#: An environment's Python decides by its own resolved path where the environment is.
_PYTHON: Final = re.compile(r"bin/(?:python|pypy)[^/]*")

#: The owner of what no record names.
_NOBODY: Final = -1


# which directories ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Subtree:
    """What is known of a directory with all that is below it.

    Attributes:
        shareable: every file may be shared.
        owners: records (or _NOBODY) that have files in it; two are as good as more.
        meets: the deepest directory in which every symlink below stays.
        uncompiled: modules without a .pyc.
        compiled: modules whose .pyc is in this very directory.
    """

    shareable: bool
    owners: set[int]
    meets: str
    files: int
    directories: int
    size_bytes: int
    own_bytes: int
    kinds: dict[tuple[int, int, int], str] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)
    uncompiled: int = 0
    compiled: int = 0


def analyse(
    snapshot: PrefixSnapshot,
    *,
    prefixes: tuple[str, ...],
    holding: Set[str] = frozenset(),
    scripts: Set[str] = frozenset(),
    private: tuple[str, ...] = (),
) -> Analysis:
    """Decide which directories may be one symlink each.

    Args:
        prefixes, holding: as for `plan_clone`.
        scripts: the files in `bin` that an interpreter reads.
        private: patterns of files that are never shared, beside the built-in ones.
    """
    search = _Search(snapshot, holding, private)
    subtrees: dict[str, _Subtree] = {}
    for directory in reversed(snapshot.directories):  # children before parents
        below = [subtrees.get(join_path(directory.path, name)) for name in directory.children]
        subtrees[directory.path] = search.subtree(directory, below)
    linked: list[LinkedDirectory] = []
    kept: list[Directory] = []
    kinds: dict[tuple[int, int, int], str] = {}
    loose: list[str] = []
    uncompiled = 0
    top: str | None = None
    for directory in snapshot.directories:
        path = directory.path
        if top is not None and path.startswith(top):
            continue
        found = subtrees[path]
        if not search.is_linkable(directory, found):
            kept.append(directory)
            continue
        top = f"{path}/"
        linked.append(LinkedDirectory(path, found.files, found.directories, found.size_bytes, found.own_bytes))
        kinds = found.kinds | kinds
        loose += found.loose
        uncompiled += found.uncompiled
    python = {path for d in kept if d.path == "bin" for n in d.names if _PYTHON.fullmatch(path := f"bin/{n}")}
    return Analysis(
        _reduced(snapshot, kept),
        tuple(linked),
        prefixes,
        frozenset(holding),
        frozenset({*scripts, *python}),
        tuple((*kind, path) for kind, path in kinds.items()),
        tuple(loose),
        private,
        uncompiled,
    )


class _Search:
    def __init__(self, snapshot: PrefixSnapshot, holding: Set[str], private: tuple[str, ...]) -> None:
        self.snapshot = snapshot
        self.private_directory, self.private_name = private_places((*THIN_PRIVATE, *private))
        self.left_out: Callable[[str], str | None] = left_out(snapshot)
        own = {*snapshot.replacements, *holding, *snapshot.no_link, *(skipped.path for skipped in snapshot.nested)}
        self.own_directories = {posixpath.dirname(path) for path in own}
        rewritten = [path for path in (*snapshot.replacements, *holding) if path.endswith(".py")]
        # A .pyc of a module that holds another path now is compiled again.
        self.own_directories |= {f"{posixpath.dirname(path)}/__pycache__" for path in rewritten}
        site_packages = snapshot.site_packages
        self.site_packages = {site_packages} if site_packages else set()
        self.namespaces = set(self.site_packages)
        self.meeting_places = {"", "conda-meta", *_ancestors(site_packages or "")}

    def subtree(self, directory: Directory, below: Sequence[_Subtree | None]) -> _Subtree:
        path = directory.path
        tracked = self.snapshot.tracked.in_directory(path)
        owners = {tracked.get(name, _NOBODY) for name in directory.names if name in tracked or name[-4:] != ".pyc"}
        owners |= {tracked.get(name, _NOBODY) for name, _ in directory.symlinks}
        meets, is_inside = self._meets(directory)
        own_bytes = sum([-(-size // _BLOCK_BYTES) for size in directory.size_bytes]) * _BLOCK_BYTES
        found = _Subtree(
            is_inside and self._is_shareable(directory) and None not in below,
            owners if len(owners) < 2 else {0, _NOBODY},
            meets,
            len(directory.names),
            1,
            sum(directory.size_bytes),
            own_bytes + directory_bytes(directory, _BLOCK_BYTES),
            {directory.kind: path},
            [path] if directory.kind[2] & 0o022 else [],
            compiled=len({name.split(".", 1)[0] for name in directory.names if name.endswith(".pyc")}),
        )
        for child in below:
            if child is None:
                continue
            found.shareable &= child.shareable
            found.owners |= child.owners
            found.meets = _common(found.meets, child.meets)
            found.files += child.files
            found.directories += child.directories
            found.size_bytes += child.size_bytes
            found.own_bytes += child.own_bytes
            found.kinds = child.kinds | found.kinds
            found.loose += child.loose
            found.uncompiled += child.uncompiled
        modules = sum(name.endswith(".py") for name in directory.names)
        if modules:
            caches = [c for c, name in zip(below, directory.children, strict=True) if c and name == "__pycache__"]
            found.uncompiled += max(0, modules - sum(cache.compiled for cache in caches) - found.compiled)
        return found

    def _is_shareable(self, directory: Directory) -> bool:
        path = directory.path
        if path in self.own_directories or self.private_directory(path):
            return False
        if directory.names and self.private_name("\0".join(directory.names)):
            return False
        if "RECORD" in directory.names and is_newer(self.snapshot, directory, "RECORD"):
            return False  # pip's: it has hashes of files that are rewritten
        if self.snapshot.is_base or path.count("/") <= 1:
            prefix = f"{path}/" if path else ""
            names = (*directory.names, *(name for name, _ in directory.symlinks))
            return all(self.left_out(prefix + name) is None for name in names) and not self._stale(directory)
        return True

    def _stale(self, directory: Directory) -> bool:
        """Whether a .pyc's module is not the clone's."""
        if not self.snapshot.is_base:
            return False
        prefix = f"{directory.path}/" if directory.path else ""
        pycs = [name for name in directory.names if name.endswith(".pyc")]
        return any(self.left_out(module_of(prefix + name, name)) is not None for name in pycs)

    def _meets(self, directory: Directory) -> tuple[str, bool]:
        """The deepest directory in which this one's symlinks stay; False where one leads out of the prefix, or is
        absolute: it may mean another place in the clone."""
        path = meets = directory.path
        for _, target in directory.symlinks:
            inside = posixpath.normpath(posixpath.join(path, target))
            if inside == ".." or inside.startswith(("../", "/")):
                return meets, False
            meets = _common(meets, inside)
        return meets, True

    def is_linkable(self, directory: Directory, found: _Subtree) -> bool:
        """Called from the top down, and only below directories that are not linked."""
        path, parent = directory.path, posixpath.dirname(directory.path)
        if self._is_meeting_place(directory):
            return False
        several = len(found.owners) > 1
        # Other packages may put theirs beside it, as pip does into `google`. Further down, one that has files of its
        # own and one owner is a package's data.
        is_open = parent in self.site_packages or not directory.names or several
        if parent in self.namespaces and is_open and not _is_package(directory):
            self.namespaces.add(path)
            return False
        if several and any(path.startswith(f"{place}/") for place in self.site_packages):
            return False
        return found.shareable and is_within(found.meets, path)

    def _is_meeting_place(self, directory: Directory) -> bool:
        path = directory.path
        if "/" not in path or path in self.meeting_places or _MEETING_PLACES.fullmatch(path):
            return True
        if posixpath.basename(path) == "__pycache__" and posixpath.dirname(path) in self.site_packages:
            return True
        return path.startswith("share/") and bool(directory.children)


def _is_package(directory: Directory) -> bool:
    """Of one distribution alone, to which no other adds."""
    return "__init__.py" in directory.names or directory.path.endswith((".dist-info", ".egg-info", "/__pycache__"))


def _ancestors(path: str) -> set[str]:
    found = set()
    while path:
        found.add(path)
        path = posixpath.dirname(path)
    return found


def _common(one: str, other: str) -> str:
    while not is_within(other, one):
        one = posixpath.dirname(one)
    return one


def _reduced(snapshot: PrefixSnapshot, kept: Sequence[Directory]) -> PrefixSnapshot:
    tracked = Tracked()
    for directory in kept:
        prefix = f"{directory.path}/" if directory.path else ""
        for name, record in snapshot.tracked.in_directory(directory.path).items():
            tracked.add(prefix + name, record)
    return replace(snapshot, directories=tuple(kept), tracked=tracked)


# kept -----------------------------------------------------------------------------------------------------------


def analysis_to_json(analysis: Analysis) -> dict[str, Any]:
    """A document that `analysis_from_json` makes the same analysis of."""
    snapshot = analysis.snapshot
    return {
        "version": VERSION,
        "prefix": snapshot.prefix,
        "prefixes": snapshot.prefixes,
        "directories": [
            [d.path, d.mtime_ns, d.names, *map(list, _columns(d)), d.symlinks, d.children, d.kind]
            for d in snapshot.directories
        ],
        "classes": [list(asdict(kind).values()) for kind in snapshot.classes],
        "records": [list(asdict(record).values()) for record in snapshot.records],
        "tracked": {path: snapshot.tracked.get(path) for path in snapshot.tracked},
        "replacements": {
            path: [*(getattr(r, f.name) for f in fields(r) if f.name != "file_mode"), r.file_mode and r.file_mode.value]
            for path, r in snapshot.replacements.items()
        },
        "no_link": sorted(snapshot.no_link),
        "nested": [[skipped.path, skipped.reason] for skipped in snapshot.nested],
        "unreadable": snapshot.unreadable,
        "site_packages": snapshot.site_packages,
        "is_base": snapshot.is_base,
        "linked": [list(asdict(linked).values()) for linked in analysis.linked],
        "held": analysis.prefixes,
        "holding": sorted(analysis.holding),
        "programs": sorted(analysis.programs),
        "kinds": analysis.kinds,
        "loose": analysis.loose,
        "private": analysis.private,
        "uncompiled": analysis.uncompiled,
    }


def analysis_from_json(document: Mapping[str, Any]) -> Analysis | None:
    """None for one that another version has kept.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    if document["version"] != VERSION:
        return None
    tracked = Tracked()
    for path, record in document["tracked"].items():
        tracked.add(path, record)
    replacements = {}
    for path, (placeholder, sha256, record, packed_path, entry_point, mode) in document["replacements"].items():
        file_mode = FileMode(mode) if mode else None
        replacements[path] = Replacement(placeholder, file_mode, sha256, record, packed_path, entry_point)
    snapshot = PrefixSnapshot(
        prefix=document["prefix"],
        prefixes=tuple(document["prefixes"]),
        directories=tuple(_directory(*columns) for columns in document["directories"]),
        classes=[FileClass(*kind) for kind in document["classes"]],
        records=[RecordInfo(*record) for record in document["records"]],
        tracked=tracked,
        replacements=replacements,
        no_link=frozenset(document["no_link"]),
        nested=tuple(Skipped(*skipped) for skipped in document["nested"]),
        unreadable=tuple(document["unreadable"]),
        site_packages=document["site_packages"],
        is_base=document["is_base"],
    )
    return Analysis(
        snapshot,
        tuple(LinkedDirectory(*linked) for linked in document["linked"]),
        tuple(document["held"]),
        frozenset(document["holding"]),
        frozenset(document["programs"]),
        tuple((uid, gid, mode, path) for uid, gid, mode, path in document["kinds"]),
        tuple(document["loose"]),
        tuple(document["private"]),
        document["uncompiled"],
    )


def _columns(directory: Directory) -> tuple[array[int], ...]:
    return directory.size_bytes, directory.mtimes_ns, directory.inodes, directory.classes


def _directory(
    path: str,
    mtime_ns: int,
    names: list[str],
    sizes: list[int],
    mtimes: list[int],
    inodes: list[int],
    classes: list[int],
    symlinks: list[list[str]],
    children: list[str],
    kind: list[int],
) -> Directory:
    uid, gid, mode = kind
    return Directory(
        path,
        mtime_ns,
        names,
        array("q", sizes),
        array("q", mtimes),
        array("Q", inodes),
        array("H", classes),
        [(name, target) for name, target in symlinks],
        children,
        (uid, gid, mode),
    )
