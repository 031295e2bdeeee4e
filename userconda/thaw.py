"""Thawing: the links of a thin clone that lead to a path become directories and files of the clone's own.

What is needed becomes real and no more: the directories on the way to a path, whose other children are links again. A
thaw is a clone of a part: planned by `plan_clone` over the parent's listing, built by `execute` beside the environment,
and put into the place of the links by `swap`. In an environment without links it gives files inodes of their own.

Nothing of it has to be taken back, by whoever it was for: what is thawed holds what the link led to.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import dataclasses
import difflib
import errno
import hashlib
import os
import posixpath
import re
import stat
import time
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from userconda import fsops, journal, locks, probe, processes, swap
from userconda.division import pip_packages
from userconda.errors import (
    EnvironmentNotFound,
    FileOperation,
    NotAPrefix,
    PackageNotFound,
    ParentDiffers,
    ParentGone,
    ProcessesRunning,
    SourceChanged,
    SourceIncomplete,
    UcenvError,
)
from userconda.execute import Tally, build_part, explained
from userconda.models import (
    Capabilities,
    Charge,
    ClonePlan,
    CloneRequest,
    Directory,
    DirectoryStep,
    Fallback,
    FileClass,
    Fit,
    LinkedDirectory,
    LinkMode,
    PrefixSnapshot,
    QuotaAnswer,
    Tracked,
)
from userconda.parallel import Pool
from userconda.plan import PRIVATE, check_fit, check_space, compile_patterns, directory_bytes, plan_clone
from userconda.prefixes import Walk, open_prefix, read_listing, read_parts, read_record, read_tracked
from userconda.provenance import FILE_NAME, Provenance, read_provenance, source_state
from userconda.records import PrefixRecord, installed_paths, site_packages_of
from userconda.twins import clones_of, find_twins

#: A file server's clock may differ from this node's by so much.
_CLOCKS_NS: Final = 600 * 10**9

_CHUNK_BYTES: Final = 1 << 20

_NOTHING: Final = Charge(0, 0)

#: `progress(phase, done, total)`.
Progress = Callable[[str, int, int], None]


# what is asked for, and what is to be done ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the configuration a thaw needs.

    Attributes:
        clones, own_caches: where files may be that the user owns already.
        private: as `clone.private`.
        read_quotas: asks one quota command about a directory.
    """

    clones: Sequence[str] = ()
    own_caches: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    operations_in_flight: int = 8
    check_fit: bool = True
    read_quotas: Callable[[str], QuotaAnswer] | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What is built from one place.

    Attributes:
        place: its name in the staging directory.
        scaffold: directories that are there only for what is in them to have its path.
        files: path -> where the link leads, or the inode of the file, whose place it takes.
        watched: directory -> mtime: none may have changed when it was built.
    """

    place: str
    plan: ClonePlan
    capabilities: Capabilities
    scaffold: tuple[str, ...]
    files: Mapping[str, str | int]
    watched: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ThawPlan:
    """Everything that will be done, decided.

    Attributes:
        prefix: its real path.
        links_to: the parent's prefix; "" where the environment has no links into another.
        whole: nothing leads to the parent afterwards.
        directories: the links whose place directories take.
        linked: the links that are made instead, in these.
        added: what is charged while both are there; `freed`: what the links were charged.
        why_copied: why the parent's files cannot be linked; "" where they can.
    """

    prefix: str
    note: Provenance | None
    links_to: str
    whole: bool
    own: bool
    parts: tuple[Part, ...] = ()
    directories: tuple[str, ...] = ()
    linked: tuple[LinkedDirectory, ...] = ()
    added: Charge = _NOTHING
    freed: Charge = _NOTHING
    warnings: tuple[str, ...] = ()
    why_copied: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.parts

    @property
    def charge(self) -> Charge:
        return _less(self.added, self.freed)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do at all."""
        return self.is_empty and not (self.whole and self.links_to)


@dataclass(frozen=True, slots=True)
class Thawed:
    """What a thaw did, or would do.

    Attributes:
        packages: as they were asked for; empty for the whole environment or for paths.
        thin: whether links into the parent may be left.
        directories: links that directories took the place of; `files`: those of files, and files with an own inode now.
        made: directories; `linked`: links in them.
        charged, predicted: what is charged more than before.
        exchanged: whether each was replaced in one step; None where no directory was.
    """

    prefix: str
    parent: str
    packages: tuple[str, ...]
    whole: bool
    own: bool
    thin: bool
    dry_run: bool
    nothing_to_do: bool
    seconds: float
    directories: int = 0
    files: int = 0
    made: int = 0
    linked: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    charged: Charge = _NOTHING
    predicted: Charge = _NOTHING
    exchanged: bool | None = None
    why_copied: str = ""
    fallbacks: tuple[Fallback, ...] = ()
    fit: Fit | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        kinds = ("hardlinked", "twins", "reflinked", "symlinked", "copied")
        return {
            "prefix": self.prefix,
            "parent": self.parent,
            "packages": list(self.packages),
            "all": self.whole,
            "own": self.own,
            "thin": self.thin,
            "dry_run": self.dry_run,
            "nothing_to_do": self.nothing_to_do,
            "seconds": round(self.seconds, 3),
            "replaced": {"directories": self.directories, "files": self.files},
            "directories": {"made": self.made, "linked": self.linked},
            "files": {kind: self.counts.get(kind, 0) for kind in kinds},
            "bytes": {"charged": self.charged.size_bytes},
            "inodes": {"charged": self.charged.inodes},
            "predicted": {"bytes": self.predicted.size_bytes, "inodes": self.predicted.inodes},
            "exchanged": self.exchanged,
            "why_copied": self.why_copied,
            "fallbacks": [fallback.to_json() for fallback in self.fallbacks],
            "fit": self.fit.to_json() if self.fit else None,
        }


# pure -----------------------------------------------------------------------------------------------------------


def directories_to_make(links: Collection[str], needed: Iterable[str]) -> dict[str, set[str]]:
    """The least that makes directories reachable without a link.

    Args:
        links: linked directories, none below another.
        needed: directories; what is below no link is left out.

    Returns:
        link -> the directories at and below it that become real: those needed, and all on the way to them.
    """
    known = frozenset(links)
    found: dict[str, set[str]] = {}
    for path in needed:
        below: list[str] = []
        top = path
        while top and top not in known:
            below.append(top)
            top = posixpath.dirname(top)
        if top:
            found.setdefault(top, {top}).update(below)
    return found


def _preorder(path: str) -> str:
    return path.replace("/", "\0")


def _ancestors(paths: Iterable[str]) -> set[str]:
    found = {""}
    for path in paths:
        above = posixpath.dirname(path)
        while above not in found:
            found.add(above)
            above = posixpath.dirname(above)
    return found


def _ancestors_of(path: str) -> Iterator[str]:
    """The path itself, then upwards."""
    while path:
        yield path
        path = posixpath.dirname(path)


def _only(directory: Directory, names: Collection[str]) -> Directory:
    """A directory as if some of its files were all it has."""
    keep = [number for number, name in enumerate(directory.names) if name in names]
    columns = (directory.size_bytes, directory.mtimes_ns, directory.inodes, directory.classes)
    sizes, mtimes, inodes, classes = (array(column.typecode, [column[n] for n in keep]) for column in columns)
    chosen = [directory.names[number] for number in keep]
    return Directory(directory.path, directory.mtime_ns, chosen, sizes, mtimes, inodes, classes, kind=directory.kind)


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _less(one: Charge, other: Charge) -> Charge:
    return Charge(one.size_bytes - other.size_bytes, one.inodes - other.inodes)


# packages -------------------------------------------------------------------------------------------------------


def paths_of(prefix: str, names: Sequence[str]) -> set[str]:
    """The paths of packages, conda's with their records; pip's by their RECORD.

    Raises:
        PackageNotFound: names that are neither, all of them.
        NotAPrefix, CorruptRecord, PathEscapesPrefix, FileOperation.
    """
    _check_records(prefix)
    records, tracked, site_packages = read_tracked(prefix)
    wanted = {_normalized(name): name for name in names}
    numbers = {number for number, record in enumerate(records) if _normalized(record.name) in wanted}
    known = {_normalized(record.name): record.name for record in records}
    found = {_normalized(records[number].name) for number in numbers}
    paths = {path for path in tracked if tracked.get(path) in numbers}
    paths |= {f"conda-meta/{records[number].file_name}" for number in numbers}
    for name, _, files in pip_packages(prefix, site_packages, tracked):
        known.setdefault(_normalized(name), name)
        if _normalized(name) in wanted:
            found.add(_normalized(name))
            paths.update(files)
    if missing := [name for key, name in wanted.items() if key not in found]:
        near = [close for name in missing for close in difflib.get_close_matches(_normalized(name), known, 2, 0.7)]
        raise PackageNotFound(tuple(missing), prefix, tuple(known[key] for key in dict.fromkeys(near)))
    return paths


def _normalized(name: str) -> str:
    """PEP 503; what conda calls a package is the same for the ones in question."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_records(prefix: str) -> None:
    """Raise ParentGone where records are links that lead nowhere: the parent has another version by now."""
    meta = os.path.join(prefix, "conda-meta")
    try:
        names = sorted(name for name in os.listdir(meta) if name.endswith(".json"))
    except OSError as exc:
        raise NotAPrefix(prefix, f"its conda-meta cannot be read: {exc.strerror}") from None
    if gone := tuple(f"conda-meta/{name}" for name in names if not os.path.exists(os.path.join(meta, name))):
        note = read_provenance(prefix)
        raise ParentGone(prefix, note.links_to if note else "", gone)


# planning -------------------------------------------------------------------------------------------------------


def plan_thaw(
    prefix: str,
    paths: Iterable[str] | None,
    *,
    directories: Iterable[str] = (),
    own: bool = False,
    as_is: bool = False,
    surroundings: Surroundings | None = None,
    pool: Pool | None = None,
) -> ThawPlan:
    """Decide what has to become real.

    Args:
        paths: of files and directories, relative; None for everything.
        directories: that must be real themselves; what is in them may stay links.
        own: files get inodes of their own, not hard links; those that are files of the environment already too.
        as_is: take what the parent holds now, whatever the clone's records say.

    Raises:
        ParentGone: links lead nowhere; which.
        ParentDiffers: the parent's files are not what the clone's records say; which.
        LockTimeout: another run is thawing it.
        SourceIncomplete, SourceChanged, FileOperation, NotAPrefix, NotEnoughSpace, QuotaExceeded.
    """
    real = os.path.realpath(prefix)
    surroundings = surroundings or Surroundings()
    settle_dead_runs(real)
    return _Planner(real, prefix, own, as_is, surroundings, pool or Pool(surroundings.operations_in_flight)).plan(
        None if paths is None else {*paths}, {*directories}
    )


def settle_dead_runs(prefix: str) -> None:
    """Bring to an end what a thaw of this environment left that was killed."""
    state = journal.StateDirectory.beside(prefix)
    for note in journal.find_runs(state, prefix):
        if note.kind == "thaw":
            state.check()
            lease = locks.acquire(note.lease)
            try:
                swap.settle(note, state)
            finally:
                lease.release()


class _Links:
    """The links of a thin clone into its parent, looked up name by name, each once."""

    def __init__(self, prefix: str, links_to: str) -> None:
        self._prefix, self._links_to = prefix, links_to
        self._above: dict[str, str | None] = {"": None}

    def is_link(self, path: str) -> bool:
        try:
            return bool(self._links_to) and os.readlink(f"{self._prefix}/{path}") == f"{self._links_to}/{path}"
        except OSError:  # EINVAL: no link. ENOENT, ENOTDIR: nothing there.
            return False

    def at_or_above(self, directory: str) -> str | None:
        """The linked directory by which a directory is reached."""
        if directory not in self._above:
            above = self.at_or_above(posixpath.dirname(directory))
            self._above[directory] = above or (directory if self.is_link(directory) else None)
        return self._above[directory]


class _Planner:
    def __init__(self, prefix: str, given: str, own: bool, as_is: bool, surroundings: Surroundings, pool: Pool) -> None:
        self.prefix, self.given, self.own, self.as_is = prefix, given, own, as_is
        self.surroundings, self.pool = surroundings, pool
        self.note = read_provenance(prefix)
        self.links_to = self.note.links_to if self.note is not None and self.note.thin else ""
        self.warnings: list[str] = []
        self.why_copied = ""

    def plan(self, paths: set[str] | None, directories: set[str]) -> ThawPlan:
        walk = None
        if paths is None:
            walk = read_listing(self.prefix, self.pool) if self.links_to or self.own else Walk()
            tops, files = self._all_links(walk)
            single: set[str] = set()
            own_files = self._to_own(walk)
        else:
            tops, files, single, own_files = self._look_up(paths, directories)
        self._check_there([*tops, *files])
        parts = [self._part_from_parent(paths, tops, single, files), self._part_of_own(own_files)]
        made = tuple(part for part in parts if part is not None)
        linked = tuple(linked for part in made for linked in part.plan.linked)
        freed = _NOTHING
        for path in (*tops, *files):
            freed += Charge(os.lstat(f"{self.prefix}/{path}").st_blocks * 512, 1)
        added = _NOTHING
        for part in made:
            added += part.plan.charge
        return ThawPlan(
            self.prefix,
            self.note,
            self.links_to,
            paths is None,
            self.own,
            made,
            tuple(sorted(tops, key=_preorder)),
            linked,
            added,
            freed,
            tuple(self.warnings),
            self.why_copied,
        )

    # which links ------------------------------------------------------------------------------------------------

    def _all_links(self, walk: Walk) -> tuple[set[str], set[str]]:
        tops: set[str] = set()
        files: set[str] = set()
        for directory in walk.directories if self.links_to else ():
            for name, target in directory.symlinks:
                path = _join(directory.path, name)
                if target == f"{self.links_to}/{path}":
                    (tops if os.path.isdir(target) else files).add(path)
        return tops, files

    def _to_own(self, walk: Walk) -> set[str]:
        """Files that need inodes of their own: all, if that was asked; else those that an ordinary clone never shares
        and a thin one does."""
        is_private = compile_patterns((*PRIVATE, *self.surroundings.private))
        files = ((_join(d.path, name), name) for d in walk.directories for name in d.names)
        return {path for path, name in files if self.own or is_private(path, name)}

    def _look_up(self, paths: set[str], directories: set[str]) -> tuple[set[str], set[str], set[str], set[str]]:
        """Linked directories, linked files, the parent's directories that become real, and files that are real."""
        links = _Links(self.prefix, self.links_to)
        files, own_files, needed = set(), set(), set(directories)
        for path in paths:
            if links.at_or_above(posixpath.dirname(path)) is not None:
                needed.add(posixpath.dirname(path))
                # One of the parent's directories is named: it is what must be real, its content need not.
                if _is_directory(f"{self.links_to}/{path}"):
                    needed.add(path)
            elif not links.is_link(path):
                own_files.add(path)
            elif os.path.isdir(f"{self.links_to}/{path}"):
                needed.add(path)
            else:
                files.add(path)
        tops = {top for path in needed if (top := links.at_or_above(path)) is not None}
        single: set[str] = set()
        for top, inside in directories_to_make(tops, needed).items():
            # What the parent does not have, or has as a symlink of its own, is no directory of the clone's.
            there = {top}
            for path in sorted(inside - {top}, key=_preorder):
                if posixpath.dirname(path) in there and _is_directory(f"{self.links_to}/{path}"):
                    there.add(path)
            single |= there
        return tops, files, single, own_files if self.own else set()

    def _check_there(self, paths: Sequence[str]) -> None:
        gone = [path for path in paths if not os.path.exists(f"{self.links_to}/{path}")]
        if gone:
            raise ParentGone(self.prefix, self.links_to, tuple(sorted(gone)))

    # from the parent --------------------------------------------------------------------------------------------

    def _part_from_parent(
        self, paths: set[str] | None, tops: set[str], single: set[str], files: set[str]
    ) -> Part | None:
        if not tops and not files:
            return None
        whole = sorted(tops) if paths is None else []
        in_places = {posixpath.dirname(path) for path in files}
        walk = self._read(sorted(single), whole, sorted(in_places))
        made = [d for d in walk.directories if d.path not in in_places]
        places = [
            _only(d, {posixpath.basename(path) for path in files if posixpath.dirname(path) == d.path})
            for d in walk.directories
            if d.path in in_places
        ]
        real = {directory.path for directory in made}
        if missing := tops - real:
            raise SourceChanged(self.links_to, tuple(sorted(missing)))
        inside = [path for d in made for name in d.children if (path := _join(d.path, name)) not in real]
        if paths is None:
            why = "an environment of its own, or a mount, in the parent"
            self.warnings += [f"left out: {path} ({why})" for path in inside]
            inside = []
        linked = self._sized(tops, made, inside)
        found = sorted([*made, *places], key=lambda directory: _preorder(directory.path))
        if not self.as_is and (differing := self._differing(found)):
            raise ParentDiffers(self.prefix, self.links_to, tuple(differing))
        snapshot = _snapshot(self.links_to, found, walk)
        capabilities = probe.probe_pair(snapshot, os.path.dirname(self.prefix))
        plan = self._plan_clone(snapshot, capabilities, linked, paths)
        kinds = zip(snapshot.classes, capabilities.verdicts, strict=True)
        refused = next(((kind, verdict.link_errno) for kind, verdict in kinds if verdict.link_errno), None)
        if refused is not None and not self.own:
            kind, code = refused
            self.why_copied = probe.reason_for(code, kind, self.links_to, os.path.dirname(self.prefix))
        expected: dict[str, str | int] = {path: f"{self.links_to}/{path}" for path in files}
        return _part(swap.PARENT, plan, capabilities, snapshot, real, expected)

    def _sized(self, tops: set[str], made: Sequence[Directory], inside: Sequence[str]) -> list[LinkedDirectory]:
        """The links that take a link's place, with what is left of its bytes: all at the first of them, as nobody has
        looked into these, and the sum is what is asked for."""
        assert self.note is not None
        left = dict(zip(self.note.linked, self.note.linked_bytes, strict=False))
        for directory in made:
            top = next(top for top in _ancestors_of(directory.path) if top in tops)
            left[top] = max(0, left.get(top, 0) - sum(directory.size_bytes))
        linked = []
        for path in inside:
            top = next(top for top in _ancestors_of(path) if top in tops)
            linked.append(LinkedDirectory(path, 0, 0, left.pop(top, 0), 0))
        return linked

    def _read(self, single: Sequence[str], whole: Sequence[str], places: Sequence[str]) -> Walk:
        walk = read_parts(self.links_to, [*single, *places], whole, self.pool)
        if walk.unreadable:
            raise SourceIncomplete(self.links_to, tuple(sorted(walk.unreadable)))
        return walk

    def _plan_clone(
        self,
        snapshot: PrefixSnapshot,
        capabilities: Capabilities,
        linked: Sequence[LinkedDirectory],
        paths: set[str] | None,
    ) -> ClonePlan:
        assert self.note is not None
        usable = _without_links(capabilities) if self.own else capabilities
        request = CloneRequest(
            self.note.source_name,
            self.links_to,
            os.path.basename(self.given),
            self.given,
            private=self.surroundings.private,
            thin=paths is not None,  # what was not asked for may be a link to the parent's file again
        )
        return plan_clone(
            request,
            snapshot,
            usable,
            prefixes=tuple(dict.fromkeys((self.links_to, self.note.source))),
            twins={} if self.own else self._twins(snapshot, capabilities),
            links_to=self.links_to,
            linked=linked,
            programs=paths or frozenset(),
        )

    def _twins(self, snapshot: PrefixSnapshot, capabilities: Capabilities) -> dict[str, dict[str, str]]:
        refused = [bool(verdict.link_errno) for verdict in capabilities.verdicts]
        others = [c for c in self.surroundings.clones if os.path.realpath(c) not in (self.prefix, self.links_to)]
        if not any(refused) or not (others or self.surroundings.own_caches):
            return {}
        try:
            records, _, site_packages = read_tracked(self.links_to)
        except UcenvError:  # without the parent's records nobody can tell that two files are the same
            return {}
        known = dataclasses.replace(snapshot, records=records, site_packages=site_packages)
        device = os.stat(self.prefix).st_dev
        clones = clones_of(known, others)
        return find_twins(known, refused.__getitem__, clones, self.surroundings.own_caches, device, self.pool)

    # is it what it was ------------------------------------------------------------------------------------------

    def _differing(self, directories: Sequence[Directory]) -> list[str]:
        """Files that are not what the clone's records say, as far as they say something.

        They are hashed only where they may have changed: no transaction changed the parent and a file is older than the
        clone, or nothing has touched its inode since.
        """
        note = self.note
        assert note is not None
        is_parent = os.path.realpath(note.source) == self.links_to
        made_ns = int(note.time * 1e9) if is_parent else 0
        untouched = is_parent and source_state(self.links_to) == note.source_state
        doubtful = [
            _join(directory.path, name)
            for directory in directories
            for name, mtime_ns in zip(directory.names, directory.mtimes_ns, strict=True)
            if not untouched or mtime_ns > made_ns
        ]
        if not doubtful:
            return []
        known = _known_hashes(self.prefix)
        differing = []
        for path in doubtful:
            hashes = known.get(path)
            if hashes and not self._is_as_recorded(path, hashes, made_ns):
                differing.append(path)
        return differing

    def _is_as_recorded(self, path: str, hashes: Collection[str], made_ns: int) -> bool:
        place = f"{self.links_to}/{path}"
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            if exc.errno in fsops.VANISHED:
                return False
            if exc.errno == errno.EACCES:
                return True  # a link may be made to it all the same
            raise fsops.failure("reading", place, exc) from None
        try:
            if os.fstat(descriptor).st_ctime_ns < made_ns - _CLOCKS_NS:
                return True
            digest = hashlib.sha256()
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                digest.update(chunk)
            return digest.hexdigest() in hashes
        finally:
            os.close(descriptor)

    # files that are the environment's already -------------------------------------------------------------------

    def _part_of_own(self, paths: set[str]) -> Part | None:
        """Files whose inode is somebody else's too, or another environment's."""
        user, names = os.geteuid(), {}
        inodes: dict[tuple[int, int], list[str]] = {}
        for path in paths:
            try:
                status = os.lstat(f"{self.prefix}/{path}")
            except (FileNotFoundError, NotADirectoryError):  # a record may list what is not there
                continue
            if stat.S_ISREG(status.st_mode):
                names[path] = status
                inodes.setdefault((status.st_dev, status.st_ino), []).append(path)
        shared: dict[str, str | int] = {}
        for same in inodes.values():
            status = names[same[0]]
            if status.st_uid != user or status.st_nlink > len(same):
                shared |= dict.fromkeys(same, status.st_ino)
        places: dict[str, set[str]] = {}
        for path in shared:
            directory, _, name = path.rpartition("/")
            # A record may list a file through a symlinked directory (lib64); it is named by its other path too.
            if os.path.realpath(f"{self.prefix}/{directory}") == f"{self.prefix}/{directory}".rstrip("/"):
                places.setdefault(directory, set()).add(name)
        if not places:
            return None
        walk = read_parts(self.prefix, sorted(places), [], self.pool)
        found = [_only(directory, places[directory.path]) for directory in walk.directories]
        snapshot = _snapshot(self.prefix, found, walk)
        capabilities = probe.probe_pair(snapshot, os.path.dirname(self.prefix))
        request = CloneRequest(os.path.basename(self.given), self.prefix, os.path.basename(self.given), self.given)
        plan = plan_clone(request, snapshot, _without_links(capabilities), prefixes=())
        planned = {_join(step.path, name) for step in plan.directories for name in _names(step)}
        files = {path: inode for path, inode in shared.items() if path in planned}
        return _part(swap.OWN, plan, capabilities, snapshot, set(), files)


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _names(step: DirectoryStep) -> Iterator[str]:
    for group in step.groups:
        yield from group.names
    for file in step.files:
        yield file.name


def _snapshot(prefix: str, directories: Sequence[Directory], walk: Walk) -> PrefixSnapshot:
    """Of a part, without its records: nothing in it holds a prefix."""
    used = sorted({number for directory in directories for number in directory.classes})
    numbers = {number: position for position, number in enumerate(used)}
    kinds = [*walk.classes]
    samples: dict[int, str] = {}
    for directory in directories:
        for name, number in zip(directory.names, directory.classes, strict=True):
            samples.setdefault(number, _join(directory.path, name))
        directory.classes = array("H", [numbers[number] for number in directory.classes])
    return PrefixSnapshot(
        prefix=prefix,
        prefixes=(),
        directories=directories,
        classes=[FileClass(*kinds[number], samples[number]) for number in used],
        records=(),
        tracked=Tracked(),
        replacements={},
        no_link=frozenset(),
        nested=(),
        unreadable=(),
        site_packages=None,
        is_base=False,
    )


def _without_links(capabilities: Capabilities) -> Capabilities:
    """As if links were refused: who asks for files of their own gets none that is shared."""
    verdicts = tuple(dataclasses.replace(v, link_errno=v.link_errno or errno.EPERM) for v in capabilities.verdicts)
    return dataclasses.replace(capabilities, verdicts=verdicts)


def _part(
    place: str,
    plan: ClonePlan,
    capabilities: Capabilities,
    snapshot: PrefixSnapshot,
    real: set[str],
    files: Mapping[str, str | int],
) -> Part:
    """
    Args:
        real: directories that are to stay; the rest of what is built is files, in a scaffold.
    """
    block = capabilities.block_bytes
    charge = _less(plan.charge, Charge(block, 1))  # the note of a clone
    for directory in snapshot.directories:
        if directory.path not in real:
            charge = _less(charge, Charge(directory_bytes(directory, block), 1))
    steps = {step.path: step for step in plan.directories}
    scaffold = (_ancestors(steps) | steps.keys()) - real
    for path in scaffold:
        steps.setdefault(path, DirectoryStep(path))
    ordered = tuple(steps[path] for path in sorted(steps, key=_preorder))
    watched = {directory.path: directory.mtime_ns for directory in snapshot.directories if directory.path in real}
    return Part(
        place,
        dataclasses.replace(plan, directories=ordered, watched=(), charge=charge),
        capabilities,
        tuple(sorted(scaffold, key=_preorder)),
        files,
        watched,
    )


def _known_hashes(prefix: str) -> dict[str, set[str]]:
    """Path -> sha256 of the file as conda's records and pip's RECORD files have it."""
    _check_records(prefix)
    root_fd = open_prefix(prefix)
    try:
        names = sorted(name for name in os.listdir(f"{prefix}/conda-meta") if name.endswith(".json"))
        records = [read_record(root_fd, prefix, name) for name in names]
    finally:
        os.close(root_fd)
    site_packages = next((site_packages_of(record) for record in records if record.name == "python"), None)
    known: dict[str, set[str]] = {}
    for record in records:
        for path, sha256 in _recorded(record, site_packages):
            known.setdefault(path, set()).add(sha256)
    for path, sha256 in _recorded_by_pip(prefix, site_packages):
        known.setdefault(path, set()).add(sha256)
    return known


def _recorded(record: PrefixRecord, site_packages: str | None) -> Iterator[tuple[str, str]]:
    for path, entry in installed_paths(record, site_packages):
        if entry is not None and entry.path_type != "unix_python_entry_point":
            sha256 = entry.sha256_in_prefix or entry.sha256
            if sha256:
                yield path, sha256


def _recorded_by_pip(prefix: str, site_packages: str | None) -> Iterator[tuple[str, str]]:
    place = f"{prefix}/{site_packages}"
    if site_packages is None or not os.path.isdir(place):
        return
    for name in sorted(os.listdir(place)):
        if not name.endswith(".dist-info"):
            continue
        try:
            with open(f"{place}/{name}/RECORD", newline="", errors="surrogateescape") as stream:
                rows = [row for row in csv.reader(stream) if len(row) >= 2]
        except (OSError, csv.Error):  # no help, and no harm
            continue
        for row in rows:
            algorithm, _, digest = row[1].partition("=")
            if algorithm == "sha256" and not row[0].startswith("/"):
                with contextlib.suppress(ValueError):
                    raw = base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4))
                    yield posixpath.normpath(posixpath.join(site_packages, row[0])), raw.hex()


# doing it -------------------------------------------------------------------------------------------------------


def check_running(prefix: str, ignoring: Collection[int] = ()) -> tuple[str, ...]:
    """Raise ProcessesRunning where processes of this host run out of an environment; else what nobody can see."""
    found = processes.find_running(prefix, ignoring)
    if found:
        raise ProcessesRunning(prefix, tuple((process.pid, process.command) for process in found))
    if found is None:
        return ("whether processes run out of it cannot be told here: psutil is not installed",)
    return ("no process of this host runs out of it; other hosts cannot be seen from here",)


def execute_thaw(plan: ThawPlan, pool: Pool | None = None, progress: Progress = lambda *_: None) -> Thawed:
    """Build beside, then put into place: whenever it is killed, each path is a link or what it led to.

    Whether processes run out of the environment is the caller's to ask (`check_running`): they go on, as each name
    leads to the same files before and after.

    Raises:
        LockTimeout: another run works on this environment.
        SourceChanged: the parent changed meanwhile; nothing was thawed.
        NotEnoughSpace, NotEnoughInodes, QuotaExceeded, FileOperation, SpaceNotWritable.
    """
    started = time.monotonic()
    if plan.is_done:
        return _result(plan, time.monotonic() - started)
    pool = pool or Pool()
    state = journal.StateDirectory.beside(plan.prefix)
    state.make()
    lease = locks.acquire(state.lease(plan.prefix))
    try:
        for note in journal.find_runs(state, plan.prefix):
            if note.kind == "thaw":
                swap.settle(note, state)
        token = lease.holder.token
        staging = os.path.join(state.staging, f"{os.path.basename(plan.prefix)}.{token}")
        path = os.path.join(state.journals, f"{token}.json")
        note = journal.Journal(path, token, staging, plan.prefix, lease.path, "thaw", directories=plan.directories)
        run = _Run(plan, note, pool, lease, progress)
        try:
            note.write()
            run.build()
            run.put()
        except BaseException as exc:
            # Where that fails too the journal stays, and `recover` tries again: what is told is what failed first.
            with contextlib.suppress(UcenvError, OSError):
                swap.settle(note, state)
                if isinstance(exc, Exception):
                    _empty(note, state)
            error = _explained(exc, plan, state)
            if error is exc:
                raise
            raise error from exc
        with contextlib.suppress(UcenvError, OSError):  # all is in its place; what is left over is a later command's
            swap.settle(note, state)
            _empty(note, state)
        return run.result(time.monotonic() - started)
    finally:
        lease.release()
        state.tidy()


def _explained(error: BaseException, plan: ThawPlan, state: journal.StateDirectory) -> BaseException:
    if isinstance(error, OSError):
        error = fsops.failure("thawing", os.fsdecode(error.filename or plan.prefix), error)
    return explained(error, plan.parts[0].plan, state) if plan.parts else error


def _empty(note: journal.Journal, state: journal.StateDirectory) -> None:
    """What is left of the staging directory, links as a rule."""
    fsops.remove_tree(os.path.join(state.trash, f"{os.path.basename(note.staging)}.{os.getpid()}"))


class _Run:
    def __init__(
        self, plan: ThawPlan, note: journal.Journal, pool: Pool, lease: locks.Lease, progress: Progress
    ) -> None:
        self.plan, self.note, self.pool, self.lease, self.progress = plan, note, pool, lease, progress
        self.tally = Tally()
        self.files = 0
        self.replaced = 0
        self.exchanged: bool | None = None
        self.warnings: list[str] = []

    def build(self) -> None:
        for name in ("", *(part.place for part in self.plan.parts)):
            place = os.path.join(self.note.staging, name)
            try:
                os.makedirs(place)
            except OSError as exc:
                raise fsops.failure("making the directory", place, exc) from None
        for part in self.plan.parts:
            place = os.path.join(self.note.staging, part.place)
            tally = build_part(
                part.plan,
                place,
                self.pool,
                self.lease,
                part.scaffold,
                lambda done, total: self.progress("thawing", done, total),
            )
            self.tally.add(tally)
            _check_unchanged(part)

    def put(self) -> None:
        plan = self.plan
        with swap.Swap(self.note) as swapping:
            note = plan.note
            if note is not None and plan.links_to and plan.linked:
                # Before they are there: whoever asks what is linked learns of too much, never of too little.
                known = dict.fromkeys(note.linked, 0) | dict(zip(note.linked, note.linked_bytes, strict=False))
                known |= {linked.path: linked.size_bytes for linked in plan.linked}
                note = dataclasses.replace(note, linked=tuple(known), linked_bytes=tuple(known.values()))
                swapping.note(FILE_NAME, note.to_bytes())
            exchange = swapping.can_exchange() if plan.directories else None
            for path in plan.directories:
                self.lease.beat()
                if swapping.directory(path, f"{plan.links_to}/{path}", exchange=bool(exchange)):
                    self.replaced += 1
                else:
                    self._was_changed(path)
            self.exchanged = exchange
            for part in plan.parts:
                for path, expected in part.files.items():
                    self.lease.beat()
                    if swapping.file(path, part.place, expected):
                        self.files += 1
                    else:
                        self._was_changed(path)
            if note is not None and plan.whole and plan.links_to and not self.warnings:
                independent = dataclasses.replace(note, thin=False, links_to="", linked=(), linked_bytes=())
                swapping.note(FILE_NAME, independent.to_bytes())

    def _was_changed(self, path: str) -> None:
        self.warnings.append(f"{path} was changed meanwhile and left as it is")

    def result(self, seconds: float) -> Thawed:
        plan = self.plan
        warnings = [*plan.warnings, *self.warnings, *self.tally.warnings]
        if self.exchanged is False:
            warnings.append("this filesystem does not exchange names: each directory was missing for one round trip")
        return dataclasses.replace(
            _result(plan, seconds),
            dry_run=False,
            thin=bool(plan.links_to) and not (plan.whole and not self.warnings),
            directories=self.replaced,
            files=self.files,
            counts=self.tally.counts,
            charged=_less(self.tally.charged, plan.freed),
            exchanged=self.exchanged,
            fallbacks=tuple(self._fallbacks()),
            warnings=tuple(warnings),
        )

    def _fallbacks(self) -> Iterator[Fallback]:
        """Those that came file by file, against what the trial had shown."""
        for (code, from_mode, to_mode), (files, size_bytes) in self.tally.fallbacks.items():
            if from_mode is not LinkMode.REFLINK:  # a copy in place of one costs time, not space
                reason = "its twin is gone" if code == errno.ENOENT else probe.reason_for(code, None, "/", "/")
                yield Fallback(code, from_mode, to_mode, files, size_bytes, reason)


def _check_unchanged(part: Part) -> None:
    """Raise SourceChanged where a name came or went in the parent while it was linked."""
    prefix = part.plan.request.source_prefix
    changed = []
    for path, mtime_ns in part.watched.items():
        try:
            if os.stat(f"{prefix}/{path}").st_mtime_ns == mtime_ns:
                continue
        except OSError:
            pass
        changed.append(path)
    if changed:
        raise SourceChanged(prefix, tuple(sorted(changed)))


def _result(plan: ThawPlan, seconds: float) -> Thawed:
    """As the plan has it."""
    counts: dict[str, int] = {}
    kinds = {
        LinkMode.HARDLINK: "hardlinked",
        LinkMode.TWIN: "twins",
        LinkMode.REFLINK: "reflinked",
        LinkMode.COPY: "copied",
        LinkMode.SYMLINK: "symlinked",
    }
    for part in plan.parts:
        for step in part.plan.directories:
            for group in step.groups:
                kind = kinds[group.modes[0]]
                counts[kind] = counts.get(kind, 0) + len(group.names)
            if step.files:
                counts["copied"] = counts.get("copied", 0) + len(step.files)
    return Thawed(
        prefix=plan.prefix,
        parent=plan.links_to or (plan.note.source if plan.note else ""),
        packages=(),
        whole=plan.whole,
        own=plan.own,
        thin=bool(plan.links_to),
        dry_run=not plan.is_done,
        nothing_to_do=plan.is_done,
        seconds=seconds,
        directories=len(plan.directories),
        files=sum(len(part.files) for part in plan.parts),
        made=sum(len(part.plan.directories) - len(part.scaffold) for part in plan.parts),
        linked=len(plan.linked),
        counts=counts,
        charged=plan.charge,
        predicted=plan.charge,
        why_copied=plan.why_copied,
        warnings=plan.warnings,
    )


# the command ----------------------------------------------------------------------------------------------------


def thaw(
    prefix: str,
    packages: Sequence[str],
    *,
    own: bool = False,
    as_is: bool = False,
    dry_run: bool = False,
    surroundings: Surroundings | None = None,
    announce: Callable[[ThawPlan], None] = lambda plan: None,
    progress: Progress = lambda *_: None,
) -> Thawed:
    """Thaw packages, or everything where none is named; say what it costs before.

    In an environment without links packages get inodes of their own, as with `own`.
    """
    started = time.monotonic()
    surroundings = surroundings or Surroundings()
    _check_owner(prefix)
    note = read_provenance(prefix)
    own = own or (bool(packages) and not (note is not None and note.thin))
    seen = () if dry_run else check_running(prefix)
    pool = Pool(surroundings.operations_in_flight)
    progress("reading", 0, 0)
    settle_dead_runs(os.path.realpath(prefix))
    paths = paths_of(os.path.realpath(prefix), packages) if packages else None
    plan = plan_thaw(prefix, paths, own=own, as_is=as_is, surroundings=surroundings, pool=pool)
    fit = _check_fit(plan, surroundings)
    notes = fit.warnings if fit else ()
    if dry_run or plan.is_done:
        result = dataclasses.replace(_result(plan, time.monotonic() - started), dry_run=dry_run)
        return dataclasses.replace(result, packages=tuple(packages), fit=fit, warnings=(*result.warnings, *notes))
    announce(plan)
    result = execute_thaw(plan, pool, progress)
    return dataclasses.replace(
        result,
        packages=tuple(packages),
        fit=fit,
        seconds=time.monotonic() - started,
        warnings=(*result.warnings, *notes, *seen),
    )


def _check_owner(prefix: str) -> None:
    try:
        status = os.stat(prefix)
    except FileNotFoundError:
        raise EnvironmentNotFound(prefix, (os.path.dirname(prefix),)) from None
    except OSError as exc:
        raise fsops.failure("reading", prefix, exc) from None
    foreign_to_root = os.geteuid() == 0 and status.st_uid != 0  # its user could not change what root puts there
    if foreign_to_root or not os.access(prefix, os.W_OK | os.X_OK, effective_ids=True):
        raise FileOperation("thawing", prefix, errno.EPERM if foreign_to_root else errno.EACCES)


def _check_fit(plan: ThawPlan, surroundings: Surroundings) -> Fit | None:
    """None where it is not to be asked, or nothing is made."""
    if not surroundings.check_fit or not plan.parts:
        return None
    first = plan.parts[0]
    request = dataclasses.replace(first.plan.request, target_prefix=plan.prefix)
    directories = tuple(step for part in plan.parts for step in part.plan.directories)
    whole = dataclasses.replace(first.plan, request=request, directories=directories, charge=plan.added)
    check_space(whole, first.capabilities)
    answer = surroundings.read_quotas(os.path.dirname(plan.prefix)) if surroundings.read_quotas else QuotaAnswer()
    return check_fit(whole, first.capabilities, answer)
