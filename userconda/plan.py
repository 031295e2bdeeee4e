"""Request + snapshot + what was tried -> ClonePlan. Pure: everything a clone will do is decided here."""

from __future__ import annotations

import dataclasses
import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from userconda.errors import (
    LinksRequired,
    NotEnoughInodes,
    NotEnoughSpace,
    PlaceholderTooShort,
    QuotaExceeded,
    SourceIncomplete,
    UcenvError,
)
from userconda.models import (
    ROOT_ONLY,
    Capabilities,
    Charge,
    ClonePlan,
    CloneRequest,
    Content,
    Directory,
    DirectoryStep,
    FileStep,
    Fit,
    LinkGroup,
    LinkMode,
    PrefixSnapshot,
    PycStep,
    QuotaAnswer,
    QuotaReading,
    RecordInfo,
    RecordStep,
    Refusal,
    Replacement,
    Skipped,
)
from userconda.placeholder import FileMode
from userconda.units import format_bytes, format_count, printable

#: Files that a user, or a program on their behalf, writes in place: always the clone's own. A pattern without `/` is
#: a file's name anywhere; one with `/` is a path from the prefix, `**` any depth. `clone.private` adds to them.
PRIVATE: Final = (
    "conda-meta/history",
    "conda-meta/state",
    "conda-meta/pinned",
    "etc/**",
    "*.pth",
    "*.egg-link",
    "RECORD",
    "INSTALLER",
    "direct_url.json",
    "share/jupyter/**",
    "ssl/**",
    "lib/R/etc/**",
    ".condarc",
)

#: What makes a prefix a conda root, beside the files of these packages.
_ROOT_PACKAGES: Final = frozenset({"conda", "ucenv"})
_ROOT_FILES: Final = re.compile(
    r"condabin/.*|shell/condabin/.*|etc/profile\.d/(?:conda|ucenv)\..*|etc/fish/conf\.d/conda\.fish"
    r"|bin/(?:conda|conda-env|activate|deactivate)|lib/python[^/]*/site-packages/xontrib/conda\.xsh|\.condarc"
)

#: Marks by which a site freezes an environment; a clone is its user's.
_FROZEN: Final = re.compile(r"conda-meta/frozen|lib/[^/]+/EXTERNALLY-MANAGED")

_PROVENANCE: Final = "ucenv.provenance"

#: Written by the executor after everything else: what makes a directory an environment, and when that was.
WRITTEN_LAST: Final = ("created_at", "history")

#: Left as they are whatever they hold: they tell where something came from.
_NEVER_LOOKED_AT: Final = frozenset({"direct_url.json"})


def compile_patterns(patterns: Iterable[str]) -> Callable[[str, str], bool]:
    """Glob patterns -> a test of (path, name)."""
    names = [_glob(pattern) for pattern in patterns if "/" not in pattern]
    paths = [_glob(pattern) for pattern in patterns if "/" in pattern]
    name_match = re.compile("|".join(names) or "(?!)").fullmatch
    path_match = re.compile("|".join(paths) or "(?!)").fullmatch
    return lambda path, name: name_match(name) is not None or path_match(path) is not None


def _private_places(patterns: Sequence[str]) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
    """Two tests of a whole directory: may it hold private paths; is any of its names (NUL between them) private."""
    places = re.compile("|".join(_holders(pattern) for pattern in patterns if "/" in pattern) or "(?!)").fullmatch
    names = "|".join(_glob(pattern).replace("[^/]", r"[^/\0]") for pattern in patterns if "/" not in pattern)
    name = re.compile(rf"(?:\A|\0)(?:{names or '(?!)'})(?:\0|\Z)").search
    return lambda path: places(path) is not None, lambda joined: name(joined) is not None


def _holders(pattern: str) -> str:
    """Matches the directories that may hold a match: share/jupyter/** -> share, share/jupyter and what is below."""
    *directories, name = pattern.strip("/").split("/")
    expression = ".*" if "**" in name else ""
    for part in reversed(directories):
        expression = ".*" if "**" in part else _glob(part) + (f"(?:/{expression})?" if expression else "")
    return expression


def _glob(pattern: str) -> str:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    meaning = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "(?:" + "".join(meaning.get(part, re.escape(part)) for part in parts) + ")"


# what is left out -----------------------------------------------------------------------------------------------


def _left_out(snapshot: PrefixSnapshot) -> Callable[[str], str | None]:
    """A test that tells why a path is not the clone's, or None."""
    root_records = {n for n, record in enumerate(snapshot.records) if record.name in _ROOT_PACKAGES}
    record_files = {snapshot.records[n].file_name for n in root_records}

    def reason(path: str) -> str | None:
        if _FROZEN.fullmatch(path):
            return "the mark is the site's, not the clone's"
        if path == f"conda-meta/{_PROVENANCE}":
            return ""
        if not snapshot.is_base:
            return None
        if _ROOT_FILES.fullmatch(path) or snapshot.tracked.get(path) in root_records:
            return "it makes a prefix a conda root"
        if path.startswith("conda-meta/") and path[len("conda-meta/") :] in record_files:
            return "it makes a prefix a conda root"
        return None

    return reason


def _module_of(path: str, name: str) -> str:
    """The .py that a .pyc was compiled from (PEP 3147, and Python 2 beside it)."""
    directory = posixpath.dirname(path)
    if posixpath.basename(directory) == "__pycache__":
        return posixpath.join(posixpath.dirname(directory), name.split(".", 1)[0] + ".py")
    return path[:-1]


# what has to be looked into -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """Files of one directory whose content may hold the prefix though no record says so.

    Attributes:
        scripts_only: tracked programs of which only scripts matter; their first bytes decide.
    """

    path: str
    names: tuple[str, ...]
    scripts_only: bool
    size_bytes: int


def files_to_look_at(snapshot: PrefixSnapshot) -> list[Look]:
    """Untracked files, tracked ones newer than their record, and all scripts in bin."""
    looks = []
    records, replacements = snapshot.records, snapshot.replacements
    left_out = _left_out(snapshot)
    oldest_record = min((record.mtime_ns for record in records), default=0)
    for directory in snapshot.directories:
        in_meta = directory.path == "conda-meta"
        prefix = f"{directory.path}/" if directory.path else ""
        tracked = snapshot.tracked.in_directory(directory.path)
        untouched_all = directory.path != "bin" and max(directory.mtimes_ns, default=0) <= oldest_record
        # Nothing in it was touched since it was installed, and every file has its record: most directories.
        if untouched_all and all(map(tracked.__contains__, directory.names)):
            continue
        chosen: dict[bool, list[str]] = {False: [], True: []}
        sizes = {False: 0, True: 0}
        for name, size, mtime_ns in zip(directory.names, directory.size_bytes, directory.mtimes_ns, strict=True):
            path = prefix + name
            record = tracked.get(name)
            if record is not None:
                untouched = mtime_ns <= records[record].mtime_ns
                if path in replacements or (untouched and directory.path != "bin"):
                    continue
            else:
                untouched = False
            if not size or name.endswith(".pyc") or name in _NEVER_LOOKED_AT:
                continue
            if in_meta and name not in ("state", "pinned"):
                continue
            if left_out(path) is not None:
                continue
            chosen[untouched].append(name)
            sizes[untouched] += size
        looks += [Look(directory.path, tuple(chosen[key]), key, sizes[key]) for key in chosen if chosen[key]]
    return looks


# the plan -------------------------------------------------------------------------------------------------------


#: (modes, twin directory) -> names and sizes.
_Shared = dict[tuple[tuple[LinkMode, ...], str | None], tuple[list[str], list[int]]]


@dataclass(slots=True)
class _Tally:
    """What accumulates while the directories are planned."""

    files: int = 0
    size_bytes: int = 0
    charge_bytes: int = 0
    charge_inodes: int = 0
    directories_bytes: int = 0
    linked_bytes: int = 0
    linked_files: int = 0
    foreign_writable: int = 0
    refusals: dict[tuple[int, LinkMode], list[int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    leaders: dict[tuple[int, object], str] = field(default_factory=dict)
    rewritten: dict[int, list[str]] = field(default_factory=dict)
    dropped: dict[int, list[str]] = field(default_factory=dict)
    pycs: list[PycStep] = field(default_factory=list)
    pip_records: list[str] = field(default_factory=list)


def plan_clone(
    request: CloneRequest,
    snapshot: PrefixSnapshot,
    capabilities: Capabilities,
    *,
    prefixes: tuple[str, ...],
    holding: Set[str] = frozenset(),
    twins: Mapping[str, Mapping[str, str]] | None = None,
    package_directories: Callable[[RecordInfo], tuple[str, ...]] = lambda record: (),
) -> ClonePlan:
    """Decide how every file of the source comes into the clone.

    Args:
        prefixes: what files that no record describes hold as their prefix.
        holding: paths in which a look found one of those.
        twins: directory -> name -> directory, outside the source, with a file of that name which the user owns
            and which is the same.

    Raises:
        SourceIncomplete: files that must be read and cannot be.
        PlaceholderTooShort: the target prefix is longer than a binary has room for.
        LinksRequired: links only were asked for and some files cannot be linked.
    """
    planner = _Planner(request, snapshot, capabilities, prefixes, holding, twins or {}, package_directories)
    # conda-meta last: which records must differ depends on every other directory.
    steps = {d.path: planner.directory(d) for d in sorted(snapshot.directories, key=lambda d: d.path == "conda-meta")}
    compiled = {posixpath.dirname(step.pyc_path) for step in planner.tally.pycs}
    return planner.finish(_prune([steps[d.path] for d in snapshot.directories], snapshot.directories, compiled))


class _Planner:
    """One pass over the directories."""

    def __init__(
        self,
        request: CloneRequest,
        snapshot: PrefixSnapshot,
        capabilities: Capabilities,
        prefixes: tuple[str, ...],
        holding: Set[str],
        twins: Mapping[str, Mapping[str, str]],
        package_directories: Callable[[RecordInfo], tuple[str, ...]],
    ) -> None:
        self.request, self.snapshot, self.capabilities = request, snapshot, capabilities
        self.prefixes, self.holding, self.twins = prefixes, holding, twins
        self.package_directories = package_directories
        self.tally = _Tally(skipped=list(snapshot.nested))
        self.private_directory, self.private_name = _private_places((*PRIVATE, *request.private))
        self.special = self._special_directories()
        self.rewritten_modules = {path for path in (*snapshot.replacements, *holding) if path.endswith(".py")}
        self.private = compile_patterns((*PRIVATE, *request.private))
        self.left_out = _left_out(snapshot)
        self.modes = [self._modes(verdict.link_errno) for verdict in capabilities.verdicts]
        self.target_bytes = len(os.fsencode(request.target_prefix))

    def _special_directories(self) -> set[str]:
        """Directories in which some file needs a decision of its own, and those of the .pyc of such a module."""
        paths = (*self.snapshot.replacements, *self.holding, *self.snapshot.no_link)
        directories = {posixpath.dirname(path) for path in paths}
        return directories | {f"{directory}/__pycache__" for directory in directories}

    def _modes(self, link_errno: int) -> tuple[LinkMode, ...]:
        if self.request.link_mode is not None:
            return (self.request.link_mode,)
        own = (LinkMode.REFLINK, LinkMode.COPY) if self.capabilities.reflink else (LinkMode.COPY,)
        if link_errno:
            return own
        return (LinkMode.HARDLINK,) if self.request.require_links else (LinkMode.HARDLINK, *own)

    def directory(self, directory: Directory) -> DirectoryStep:
        shared: _Shared = {}
        files: list[FileStep] = []
        if not self._share_whole(directory, shared):
            self._plan_files(directory, shared, files)
        prefix = f"{directory.path}/" if directory.path else ""
        links: list[tuple[str, str]] = []
        for name, target in directory.symlinks:
            if (reason := self.left_out(prefix + name)) is not None:
                self._leave_out(prefix + name, reason)
            elif directory.path != "conda-meta" or name not in WRITTEN_LAST:
                links.append((name, self._symlink_target(prefix, target)))
        for _, target in links:
            self._charge(self._allocated(len(os.fsencode(target)) + 1) if len(target) >= 60 else 0)
        self._charge_directory(directory)
        return DirectoryStep(
            directory.path,
            tuple(LinkGroup(modes, tuple(names), sum(sizes), twin) for (modes, twin), (names, sizes) in shared.items()),
            tuple(files),
            tuple(links),
        )

    def _share_whole(self, directory: Directory, shared: _Shared) -> bool:
        """Most directories hold nothing but files that are linked: decided by a look at all the names at once."""
        path, classes = directory.path, directory.classes
        if not classes or path in self.special or self.snapshot.is_base or path.count("/") < 2:
            return not classes
        modes = self.modes[classes[0]]
        if modes[0] is not LinkMode.HARDLINK or any(number != classes[0] for number in classes):
            return False
        if self.private_directory(path) or self.private_name("\0".join(directory.names)):
            return False
        verdict, size_bytes, count = self.capabilities.verdicts[classes[0]], sum(directory.size_bytes), len(classes)
        tally = self.tally
        tally.files += count
        tally.size_bytes += size_bytes
        block = self.capabilities.block_bytes
        tally.linked_bytes += sum([-(-size // block) for size in directory.size_bytes]) * block
        tally.linked_files += count
        tally.foreign_writable += count if verdict.writable else 0
        shared[(modes, None)] = (directory.names, [size_bytes])
        return True

    def _plan_files(self, directory: Directory, shared: _Shared, files: list[FileStep]) -> None:
        tally, snapshot, prefix = self.tally, self.snapshot, f"{directory.path}/" if directory.path else ""
        replacements, holding = snapshot.replacements, self.holding
        in_meta = directory.path == "conda-meta"
        verdicts, private, no_link = self.capabilities.verdicts, self.private, snapshot.no_link
        changed = (*tally.rewritten, *tally.dropped) if in_meta else ()
        changing = {snapshot.records[number].file_name for number in changed}
        check_left_out = snapshot.is_base or in_meta or directory.path.count("/") <= 1
        twins = self.twins.get(directory.path, {})
        columns = (directory.size_bytes, directory.mtimes_ns, directory.inodes, directory.classes)
        for name, size, mtime_ns, inode, number in zip(directory.names, *columns, strict=True):
            path = prefix + name
            if check_left_out and (reason := self.left_out(path)) is not None:
                self._leave_out(path, reason)
                continue
            if in_meta and name in WRITTEN_LAST:
                tally.files += 1
                tally.size_bytes += size
                self._charge_file(size)
                if not verdicts[number].readable:
                    tally.unreadable.append(path)
                continue
            if name.endswith(".pyc") and self._stale(path, name):
                continue
            tally.files += 1
            tally.size_bytes += size
            verdict = verdicts[number]
            if name in changing:  # by the executor, when it knows the files
                self._charge_file(size)
                if not verdict.readable:
                    tally.unreadable.append(path)
                continue
            replacement = replacements.get(path)
            if name == "RECORD" and self._is_newer(path, mtime_ns):
                tally.pip_records.append(path)
            if replacement is not None or path in holding:
                step = self._rewrite(path, name, replacement)
            elif private(path, name) or path in no_link:
                step = FileStep(name)
            else:
                modes, twin = self.modes[number], None
                if verdict.link_errno and self.request.link_mode is None and name in twins:
                    modes, twin = (LinkMode.TWIN, *(() if self.request.require_links else modes)), twins[name]
                if modes[0] in (LinkMode.REFLINK, LinkMode.COPY):
                    leader = tally.leaders.setdefault((inode, None), path)
                    if leader != path:
                        self._count_refused(modes[0], verdict.link_errno, size)
                        files.append(FileStep(name, leader=leader))
                        continue
                    if not verdict.readable:
                        tally.unreadable.append(path)
                self._count_shared(modes, verdict.link_errno, size, verdict.writable)
                names, sizes = shared.setdefault((modes, twin), ([], []))
                names.append(name)
                sizes.append(size)
                continue
            if not verdict.readable:
                tally.unreadable.append(path)
            leader = tally.leaders.setdefault((inode, (step.content, step.replacement)), path)
            if leader != path:
                step = FileStep(name, step.content, leader=leader)
            else:
                self._charge_file(size)
                step = dataclasses.replace(step, size_bytes=size, mtime_ns=mtime_ns)
            files.append(step)

    # one file ---------------------------------------------------------------------------------------------------

    def _is_newer(self, path: str, mtime_ns: int) -> bool:
        """Untracked, or newer than its record: pip writes a tracked RECORD when it installs a version again."""
        record = self.snapshot.tracked.get(path)
        return record is None or mtime_ns > self.snapshot.records[record].mtime_ns

    def _leave_out(self, path: str, reason: str) -> None:
        tally, record = self.tally, self.snapshot.tracked.get(path)
        if _FROZEN.fullmatch(path):
            tally.skipped.append(Skipped(path, reason))
        if record is not None:
            tally.dropped.setdefault(record, []).append(path)

    def _stale(self, path: str, name: str) -> bool:
        """Whether a .pyc would not be true: its module now holds another path, or is not the clone's."""
        module = _module_of(path, name)
        if module in self.rewritten_modules:
            if (record := self.snapshot.tracked.get(path)) is not None:
                self.tally.rewritten.setdefault(record, []).append(path)
            self.tally.pycs.append(PycStep(module, path))
            self.tally.files += 1
            self._charge_file(4096)
            return True
        if self.snapshot.is_base and self.left_out(module) is not None:
            self._leave_out(path, "")
            return True
        return False

    def _rewrite(self, path: str, name: str, replacement: Replacement | None) -> FileStep:
        tally = self.tally
        record = self.snapshot.tracked.get(path)
        if record is not None:
            tally.rewritten.setdefault(record, []).append(path)
        if replacement is None or (replacement.placeholder is None and not replacement.entry_point):
            return FileStep(name, Content.FOUND)
        if replacement.entry_point:
            return FileStep(name, Content.ENTRY_POINT)
        if replacement.file_mode is FileMode.BINARY:
            room = len((replacement.placeholder or "").encode())
            if self.target_bytes > room:
                raise PlaceholderTooShort(path, self.request.target_prefix, room)
        directories = self.package_directories(self.snapshot.records[replacement.record])
        packed = tuple(f"{directory}/{replacement.packed_path}" for directory in directories)
        return FileStep(name, Content.RECORDED, replacement, packed)

    def _symlink_target(self, prefix: str, target: str) -> str:
        """Where a symlink of the clone leads: into the clone what led into the source, else to the same place.

        A relative target that leaves the source's prefix is made absolute: from another directory it would lead
        elsewhere.
        """
        if not target.startswith("/"):
            inside = posixpath.normpath(prefix + target)
            if inside != ".." and not inside.startswith("../") and not self._not_cloned(inside):
                return target
            target = posixpath.normpath(posixpath.join(self.snapshot.prefix, prefix + target))
        for source in sorted(self.prefixes, key=len, reverse=True):
            normal = posixpath.normpath(target)
            if normal == source or normal.startswith(source.rstrip("/") + "/"):
                if self._not_cloned(normal[len(source.rstrip("/")) + 1 :]):
                    return target
                return self.request.target_prefix + normal[len(source.rstrip("/")) :]
        return target

    def _not_cloned(self, path: str) -> bool:
        """Whether it lies in a conda root's environments or package cache: a link there leads to them still."""
        return self.snapshot.is_base and path.partition("/")[0] in ROOT_ONLY

    # figures ----------------------------------------------------------------------------------------------------

    def _count_shared(self, modes: tuple[LinkMode, ...], link_errno: int, size: int, writable: bool) -> None:
        tally = self.tally
        if modes[0] is LinkMode.SYMLINK:
            # Of about the longest that an inode holds itself; the file's own path is not known here.
            link_bytes = self._allocated(1) if len(os.fsencode(self.request.source_prefix)) >= 50 else 0
            self._charge(link_bytes)
            tally.linked_bytes += self._allocated(size) - link_bytes  # the inode is the copy's in its place
            tally.foreign_writable += writable
        elif modes[0] in (LinkMode.HARDLINK, LinkMode.TWIN):
            tally.linked_bytes += self._allocated(size)
            tally.linked_files += 1
            if modes[0] is LinkMode.HARDLINK:
                tally.foreign_writable += writable
        else:
            self._charge_file(size)
        self._count_refused(modes[0], link_errno, size)

    def _count_refused(self, mode: LinkMode, link_errno: int, size: int) -> None:
        if link_errno and self.request.link_mode in (None, LinkMode.HARDLINK):
            counts = self.tally.refusals.setdefault((link_errno, mode), [0, 0])
            counts[0] += 1
            counts[1] += size

    def _allocated(self, size_bytes: int) -> int:
        block = self.capabilities.block_bytes
        return -(-size_bytes // block) * block

    def _charge(self, size_bytes: int) -> None:
        self.tally.charge_bytes += size_bytes
        self.tally.charge_inodes += 1

    def _charge_file(self, size_bytes: int) -> None:
        self._charge(self._allocated(size_bytes))

    def _charge_directory(self, directory: Directory) -> None:
        """A block, or what its names take in a hashed directory, whose blocks are about three quarters full."""
        names = [*directory.names, *directory.children, *[name for name, _ in directory.symlinks]]
        block = self.capabilities.block_bytes
        # An entry takes eight bytes and its name, rounded up to four.
        entry_bytes = sum(map(len, names)) + 10 * len(names) + 24
        size_bytes = block if entry_bytes <= block - 12 else self._allocated(entry_bytes * 4 // 3) + block
        self.tally.directories_bytes += size_bytes
        self._charge(size_bytes)

    # the records and the whole ----------------------------------------------------------------------------------

    def finish(self, steps: list[DirectoryStep]) -> ClonePlan:
        tally, snapshot, request = self.tally, self.snapshot, self.request
        unreadable = (*snapshot.unreadable, *tally.unreadable)
        if unreadable:
            raise SourceIncomplete(snapshot.prefix, tuple(sorted({*unreadable})))
        most_first = sorted(tally.refusals.items(), key=lambda item: -item[1][0])
        refusals = tuple(Refusal(code, files, size, mode) for (code, mode), (files, size) in most_first)
        watched = {"conda-meta", "bin", snapshot.site_packages}
        roots = {n for n, record in enumerate(snapshot.records) if snapshot.is_base and record.name in _ROOT_PACKAGES}
        changing = sorted({*tally.rewritten, *tally.dropped} - roots)
        self._charge_file(1)  # the provenance note
        charge = Charge(tally.charge_bytes, tally.charge_inodes)
        directories = len(steps)
        return ClonePlan(
            request=request,
            prefixes=self.prefixes,
            staying=ROOT_ONLY if snapshot.is_base else frozenset(),
            directories=tuple(steps),
            records=tuple(
                RecordStep(
                    snapshot.records[n].file_name, tuple(tally.rewritten.get(n, ())), tuple(tally.dropped.get(n, ()))
                )
                for n in changing
            ),
            pycs=tuple(tally.pycs),
            pip_records=tuple(tally.pip_records),
            watched=tuple(directory for directory in snapshot.directories if directory.path in watched),
            skipped=tuple(tally.skipped),
            files=tally.files,
            size_bytes=tally.size_bytes,
            charge=charge,
            directories_charge=Charge(tally.directories_bytes, directories),
            own_copy=charge + Charge(tally.linked_bytes, tally.linked_files),
            refusals=refusals,
            foreign_writable=tally.foreign_writable,
            site_packages=snapshot.site_packages,
            source_owner_uid=snapshot.classes[0].uid if snapshot.classes else -1,
        )


def _prune(
    steps: list[DirectoryStep], directories: Sequence[Directory], filled_later: Iterable[str]
) -> list[DirectoryStep]:
    """Drop directories that are empty only because what they held was left out."""
    emptied = {
        directory.path
        for directory in directories
        if directory.path and (directory.names or directory.symlinks or directory.children)
    }
    kept: list[DirectoryStep] = []
    needed = set(filled_later)
    for step in reversed(steps):  # children before parents
        if step.groups or step.files or step.symlinks or step.path in needed or step.path not in emptied:
            needed.add(posixpath.dirname(step.path))
            kept.append(step)
    return kept[::-1]


def check_links(plan: ClonePlan, reason: Callable[[int], str]) -> None:
    """Raise LinksRequired where links only were asked for and the trial showed that files cannot be linked."""
    wants_links = plan.request.require_links or plan.request.link_mode is LinkMode.HARDLINK
    refused = [r for r in plan.refusals if r.to is not LinkMode.TWIN]
    if wants_links and refused:
        raise LinksRequired(plan.request.source_name, sum(r.files for r in refused), reason(refused[0].errno))


def check_space(plan: ClonePlan, capabilities: Capabilities) -> None:
    """Raise NotEnoughSpace or NotEnoughInodes where the target's filesystem cannot take the clone."""
    # A reflink is charged in full and takes no blocks.
    groups = [group for step in plan.directories for group in step.groups]
    reflinked = sum(group.size_bytes for group in groups if group.modes[0] is LinkMode.REFLINK)
    target, charge, free = plan.request.target_prefix, plan.charge, capabilities.free_bytes
    if charge.size_bytes - reflinked > free:
        raise NotEnoughSpace(target, charge.size_bytes, free, foretold=True)
    if capabilities.free_inodes is not None and charge.inodes > capabilities.free_inodes:
        raise NotEnoughInodes(target, charge.inodes, capabilities.free_inodes, foretold=True)


def check_fit(plan: ClonePlan, capabilities: Capabilities, answer: QuotaAnswer) -> Fit:
    """Whether the quotas have room for what the clone will be charged. No reading is no refusal.

    Returns:
        What is left, with warnings: of a soft limit that it passes, and where figures that are old or inaccurate have
        no room for it.

    Raises:
        QuotaExceeded, NotEnoughInodes: a quota has no room for it.
    """
    target, charge = plan.request.target_prefix, plan.charge
    doubts: list[str] = []
    soft: list[str] = []
    quotas = [reading for reading in answer.readings if reading.scope != "filesystem"]
    for reading in quotas:
        whose = _in_words(reading)
        refusals: list[UcenvError] = []
        if reading.left_bytes is not None and charge.size_bytes > reading.left_bytes:
            refusals.append(QuotaExceeded(target, charge.size_bytes, reading.left_bytes, whose, foretold=True))
        if reading.left_files is not None and charge.inodes > reading.left_files:
            refusals.append(NotEnoughInodes(target, charge.inodes, reading.left_files, whose, foretold=True))
        if refusals and not reading.unreliable and reading.read_at is None:
            raise refusals[0]
        doubts += [f"this may not fit: {refusal.message}" for refusal in refusals]
        if _passes(reading.used_bytes, charge.size_bytes, reading.soft_bytes) or _passes(
            reading.used_files, charge.inodes, reading.soft_files
        ):
            soft.append(f"this passes the soft limit: {whose}; when its grace is over, nothing more can be written")
    left_bytes = [reading.left_bytes for reading in quotas if reading.left_bytes is not None]
    left_files = [reading.left_files for reading in quotas if reading.left_files is not None]
    free_inodes = [] if capabilities.free_inodes is None else [capabilities.free_inodes]
    return Fit(
        min([*left_bytes, capabilities.free_bytes]),
        min([*left_files, *free_inodes], default=None),
        min(left_bytes, default=None),
        bool(quotas),
        bool(doubts),
        (*doubts, *soft),
    )


def _passes(used: int | None, more: int, soft: int | None) -> bool:
    return used is not None and soft is not None and used + more > soft


def _in_words(reading: QuotaReading) -> str:
    """ "quota of user alice on /scratch: 612 GB of 1.0 TB, 412,331 of 1,000,000 files"."""
    figures = []
    if reading.used_bytes is not None and reading.limit_bytes is not None:
        figures.append(f"{format_bytes(reading.used_bytes)} of {format_bytes(reading.limit_bytes)}")
    if reading.used_files is not None and reading.limit_files is not None:
        figures.append(f"{reading.used_files:,} of {format_count(reading.limit_files, 'file')}")
    whose = " ".join(filter(None, (reading.scope, printable(reading.name or ""))))
    where = f" on {printable(reading.mount)}" if reading.mount else ""
    return f"quota{f' of {whose}' if whose else ''}{where}: {', '.join(figures)}"


def partition(steps: Sequence[DirectoryStep], parts: int) -> tuple[list[str], list[list[DirectoryStep]]]:
    """Split the directories into a spine, to be made first, and units about equally dear, dearest first.

    Args:
        steps: in preorder.
        parts: how many units to aim at.

    Returns:
        The spine's paths, parents first, and the units: whole subtrees, and single directories of the spine, of
        which only the content is left to be made.
    """
    weights: dict[str, int] = {}
    for step in reversed(steps):
        weights[step.path] = weights.get(step.path, 0) + step.operations
        if step.path:
            parent = posixpath.dirname(step.path)
            weights[parent] = weights.get(parent, 0) + weights[step.path]
    limit = max(200, weights.get("", 0) // max(1, parts))
    spine: list[str] = []
    units: list[tuple[int, list[DirectoryStep]]] = []
    top: str | None = None
    for step in steps:
        if top is not None and step.path.startswith(top + "/"):
            units[-1][1].append(step)
        elif not step.path or weights[step.path] > limit:
            spine.append(step.path)
            units.append((step.operations, [step]))
            top = None
        else:
            top = step.path
            units.append((weights[top], [step]))
    return spine, _merge_small(units, limit)


def _merge_small(units: list[tuple[int, list[DirectoryStep]]], limit: int) -> list[list[DirectoryStep]]:
    merged: list[tuple[int, list[DirectoryStep]]] = []
    for weight, unit in units:
        if merged and merged[-1][0] + weight <= limit:
            merged[-1] = (merged[-1][0] + weight, merged[-1][1] + unit)
        else:
            merged.append((weight, unit))
    return [unit for _, unit in sorted(merged, key=lambda item: -item[0])]
