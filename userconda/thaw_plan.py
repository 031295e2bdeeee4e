"""Deciding a thaw: which links are in the way, the least that becomes real instead, and whether it is what it was.

Planned by `plan_clone` over the listing of what the links lead to.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import hashlib
import os
import posixpath
import stat
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from userconda import fsops, journal, locks, probe, swap
from userconda.division import pip_packages
from userconda.errors import (
    PackageNotFound,
    ParentDiffers,
    ParentGone,
    SourceChanged,
    SourceIncomplete,
    UcenvError,
)
from userconda.models import (
    Capabilities,
    Charge,
    ClonePlan,
    CloneRequest,
    Directory,
    DirectoryStep,
    FileClass,
    LinkedDirectory,
    PrefixSnapshot,
    QuotaAnswer,
    Tracked,
    join_path,
)
from userconda.parallel import Pool
from userconda.plan import PRIVATE, compile_patterns, directory_bytes, plan_clone
from userconda.prefixes import Walk, read_listing, read_parts, read_tracked
from userconda.provenance import Provenance, read_provenance, source_state
from userconda.reach import Links
from userconda.recorded import check_records, known_hashes, normalized_name
from userconda.twins import clones_of, find_twins

#: A file server's clock may differ from this node's by so much.
_CLOCKS_NS: Final = 600 * 10**9

_CHUNK_BYTES: Final = 1 << 20

_NOTHING: Final = Charge(0, 0)

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
        return less(self.added, self.freed)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do at all."""
        return self.is_empty and not (self.whole and self.links_to)


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


def less(one: Charge, other: Charge) -> Charge:
    return Charge(one.size_bytes - other.size_bytes, one.inodes - other.inodes)


# packages -------------------------------------------------------------------------------------------------------


def paths_of(prefix: str, names: Sequence[str]) -> set[str]:
    """The paths of packages, conda's with their records; pip's by their RECORD.

    Raises:
        PackageNotFound: names that are neither, all of them.
        NotAPrefix, CorruptRecord, PathEscapesPrefix, FileOperation.
    """
    check_records(prefix)
    records, tracked, site_packages = read_tracked(prefix)
    wanted = {normalized_name(name): name for name in names}
    numbers = {number for number, record in enumerate(records) if normalized_name(record.name) in wanted}
    known = {normalized_name(record.name): record.name for record in records}
    found = {normalized_name(records[number].name) for number in numbers}
    paths = {path for path in tracked if tracked.get(path) in numbers}
    paths |= {f"conda-meta/{records[number].file_name}" for number in numbers}
    for name, _, files in pip_packages(prefix, site_packages, tracked):
        known.setdefault(normalized_name(name), name)
        if normalized_name(name) in wanted:
            found.add(normalized_name(name))
            paths.update(files)
    if missing := [name for key, name in wanted.items() if key not in found]:
        near = [close for name in missing for close in difflib.get_close_matches(normalized_name(name), known, 2, 0.7)]
        raise PackageNotFound(tuple(missing), prefix, tuple(known[key] for key in dict.fromkeys(near)))
    return paths


# planning -------------------------------------------------------------------------------------------------------


def plan_thaw(
    prefix: str,
    paths: Iterable[str] | None,
    *,
    directories: Iterable[str] = (),
    leaving: Collection[str] = frozenset(),
    own: bool = False,
    as_is: bool = False,
    surroundings: Surroundings | None = None,
    pool: Pool | None = None,
) -> ThawPlan:
    """Decide what has to become real.

    Args:
        paths: of files and directories, relative; None for everything.
        directories: that must be real themselves; what is in them may stay links.
        leaving: files that will be removed next: whether they are what they were does not matter.
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
    pool = pool or Pool(surroundings.operations_in_flight)
    return _Planner(real, prefix, leaving, own, as_is, surroundings, pool).plan(
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


class _Planner:
    def __init__(
        self,
        prefix: str,
        given: str,
        leaving: Collection[str],
        own: bool,
        as_is: bool,
        surroundings: Surroundings,
        pool: Pool,
    ) -> None:
        self.prefix, self.given, self.leaving, self.own, self.as_is = prefix, given, leaving, own, as_is
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
                path = join_path(directory.path, name)
                if target == f"{self.links_to}/{path}":
                    (tops if os.path.isdir(target) else files).add(path)
        return tops, files

    def _to_own(self, walk: Walk) -> set[str]:
        """Files that need inodes of their own: all, if that was asked; else those that an ordinary clone never shares
        and a thin one does."""
        is_private = compile_patterns((*PRIVATE, *self.surroundings.private))
        files = ((join_path(d.path, name), name) for d in walk.directories for name in d.names)
        return {path for path, name in files if self.own or is_private(path, name)}

    def _look_up(self, paths: set[str], directories: set[str]) -> tuple[set[str], set[str], set[str], set[str]]:
        """Linked directories, linked files, the parent's directories that become real, and files that are real."""
        links = Links(self.prefix, self.links_to)
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
        inside = [path for d in made for name in d.children if (path := join_path(d.path, name)) not in real]
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
        # The source may be a thin clone itself, whose history is a copy, or by now another version's symlink.
        untouched = source_state(self.links_to) == note.source_state
        is_parent = os.path.realpath(note.source) == self.links_to
        made_ns = int(note.time * 1e9) if untouched or is_parent else 0
        doubtful = [
            join_path(directory.path, name)
            for directory in directories
            for name, mtime_ns in zip(directory.names, directory.mtimes_ns, strict=True)
            if (not untouched or mtime_ns > made_ns) and join_path(directory.path, name) not in self.leaving
        ]
        if not doubtful:
            return []
        known = known_hashes(self.prefix)
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
        planned = {join_path(step.path, name) for step in plan.directories for name in _names(step)}
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
            samples.setdefault(number, join_path(directory.path, name))
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
    charge = less(plan.charge, Charge(block, 1))  # the note of a clone
    for directory in snapshot.directories:
        if directory.path not in real:
            charge = less(charge, Charge(directory_bytes(directory, block), 1))
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
