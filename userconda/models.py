"""The values that are handed forward: request, snapshot, capabilities, plan, result. Frozen, and free of effects.

Paths are relative to a prefix, `/` between names, as `os.fsdecode` gives them: a name that is not UTF-8 keeps its
bytes as surrogates. A directory's own path in a prefix is "" for the prefix itself.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from userconda.placeholder import FileMode

#: Top directories of a conda root that are not the base environment's own.
ROOT_ONLY: Final = frozenset({"pkgs", "envs", "conda-bld", ".ucenv"})


def join_path(directory: str, name: str) -> str:
    """A path in a prefix."""
    return f"{directory}/{name}" if directory else name


def is_within(path: str, top: str) -> bool:
    """Whether a path in a prefix is that of a directory, or below it."""
    return not top or path == top or path.startswith(f"{top}/")


class LinkMode(enum.Enum):
    """How a file of the clone comes to hold its bytes, cheapest first."""

    HARDLINK = "hardlink"  # the source's inode: charged to its owner
    TWIN = "twin"  # hard link to a file the user owns already
    REFLINK = "reflink"  # own inode, shared blocks
    COPY = "copy"
    SYMLINK = "symlink"  # to the source's file; only when asked for


class WhenRefused(enum.Enum):
    """What to do where the kernel refuses links (`clone.when_refused`)."""

    ASK = "ask"
    OWN_COPY = "own-copy"
    THIN = "thin"
    FAIL = "fail"


# the source, as it stands ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileClass:
    """Files that the kernel treats alike when a user asks to link or read them.

    Attributes:
        mode: st_mode's type and permission bits.
        sample: path of one such file.
    """

    uid: int
    gid: int
    mode: int
    sample: str


@dataclass(slots=True)
class Directory:
    """One directory of a prefix; its files in columns, because there are 120,000 of them.

    Attributes:
        names, size_bytes, mtime_ns, inodes, classes: one entry a regular file, in the order of the listing;
            `classes` index PrefixSnapshot.classes.
        symlinks: (name, target as stored).
        children: names of the directories below that were read too.
        kind: the directory's own uid, gid and permission bits.
    """

    path: str
    mtime_ns: int
    names: list[str] = field(default_factory=list)
    size_bytes: array[int] = field(default_factory=lambda: array("q"))
    mtimes_ns: array[int] = field(default_factory=lambda: array("q"))
    inodes: array[int] = field(default_factory=lambda: array("Q"))
    classes: array[int] = field(default_factory=lambda: array("H"))
    symlinks: list[tuple[str, str]] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    kind: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What is kept of a record after its paths were noted."""

    name: str
    version: str
    file_name: str
    stem: str
    mtime_ns: int
    extracted_package_dir: str | None


class Tracked:
    """Which record owns which path: 120,000 of them, by directory, so that no directory's path is kept twice."""

    def __init__(self) -> None:
        self._directories: dict[str, dict[str, int]] = {}

    def add(self, path: str, record: int) -> None:
        directory, _, name = path.rpartition("/")
        names = self._directories.get(directory)
        if names is None:
            names = self._directories[directory] = {}
        names[name] = record

    def in_directory(self, directory: str) -> Mapping[str, int]:
        """Name -> index of the record."""
        return self._directories.get(directory, {})

    def get(self, path: str) -> int | None:
        directory, _, name = path.rpartition("/")
        return self.in_directory(directory).get(name)

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        for directory, names in self._directories.items():
            yield from (f"{directory}/{name}" if directory else name for name in names)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A tracked file that holds its prefix, as its record tells.

    Attributes:
        placeholder: None where the record does not tell it (micromamba).
        packed_path: the file's path in its package.
    """

    placeholder: str | None
    file_mode: FileMode | None
    sha256: str | None
    record: int
    packed_path: str
    entry_point: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something of the source that a clone does not have, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PrefixSnapshot:
    """A prefix read once: listing, ownership, records.

    Attributes:
        prefix: absolute, as it was given.
        prefixes: what its files may hold as their prefix: as given, its real path, what its history names.
        directories: in preorder, every parent before its children.
        tracked: path -> index into `records`.
        replacements: the tracked paths that hold a prefix.
        no_link: tracked paths marked so.
        nested: environments, mount points and package caches inside that were not entered; FIFOs and the like.
        unreadable: directories.
    """

    prefix: str
    prefixes: tuple[str, ...]
    directories: Sequence[Directory]
    classes: Sequence[FileClass]
    records: Sequence[RecordInfo]
    tracked: Tracked
    replacements: Mapping[str, Replacement]
    no_link: frozenset[str]
    nested: tuple[Skipped, ...]
    unreadable: tuple[str, ...]
    site_packages: str | None
    is_base: bool


@dataclass(frozen=True, slots=True)
class LinkedDirectory:
    """A directory that is linked whole, with what is below it.

    Attributes:
        size_bytes: of the files.
        own_bytes: what a copy would take, its directories with it.
    """

    path: str
    files: int
    directories: int
    size_bytes: int
    own_bytes: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a thin clone needs to know of its source.

    Attributes:
        snapshot: the directories that are not linked whole, alone.
        prefixes, holding: as for `plan_clone`.
        programs: paths in `bin` that must not be behind a symlink: where they are is where they find the rest.
        kinds: of the directories that are linked, at any depth: uid, gid, permission bits and the path of one.
        loose: those of them that their group or everybody may write.
        private: the patterns it was made with.
        uncompiled: modules in linked directories without a .pyc, which Python cannot write there either.
    """

    snapshot: PrefixSnapshot
    linked: tuple[LinkedDirectory, ...]
    prefixes: tuple[str, ...]
    holding: frozenset[str]
    programs: frozenset[str]
    kinds: tuple[tuple[int, int, int, str], ...]
    loose: tuple[str, ...]
    private: tuple[str, ...]
    uncompiled: int = 0


# what the source and target pair supports -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClassVerdict:
    """What a trial showed for one FileClass.

    Attributes:
        link_errno: 0, or why link(2) was refused.
        readable, writable: by this user.
        owned: the user is charged for these files already.
    """

    link_errno: int
    readable: bool
    writable: bool
    owned: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What was tried between a source and a target directory."""

    verdicts: tuple[ClassVerdict, ...]
    reflink: bool
    free_bytes: int
    free_inodes: int | None
    block_bytes: int
    quota_bytes: int | None = None


# the plan ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CloneRequest:
    """What the user asked for, resolved.

    Attributes:
        thin: link directories whole, whatever the kernel says.
    """

    source_name: str
    source_prefix: str
    target_name: str
    target_prefix: str
    link_mode: LinkMode | None = None  # None: auto
    require_links: bool = False
    private: tuple[str, ...] = ()
    thin: bool = False


class Content(enum.Enum):
    """What is known of the prefix inside a file that gets bytes of its own."""

    AS_IS = "as it is"
    RECORDED = "recorded"  # a placeholder in the package
    ENTRY_POINT = "entry point"  # written by the installer of a noarch package
    FOUND = "found"  # nobody recorded it: a look found the path


@dataclass(frozen=True, slots=True)
class FileStep:
    """A file that gets an inode of its own whatever the kernel allows.

    Attributes:
        packed: where the packed file may be found, should the installed one not invert.
        size_bytes, mtime_ns: as listed; a file that has others when it is copied was changed meanwhile.
        leader: path, in the clone, of an earlier step with the same source inode: a hard link to that is made.
    """

    name: str
    content: Content = Content.AS_IS
    replacement: Replacement | None = None
    packed: tuple[str, ...] = ()
    size_bytes: int = 0
    mtime_ns: int = 0
    leader: str | None = None


@dataclass(frozen=True, slots=True)
class LinkGroup:
    """Files of one directory that may be shared, and how.

    Attributes:
        modes: allowed, in the order to try; the executor never adds one.
        size_bytes: of all together.
        twin_directory: with LinkMode.TWIN, where the user's own files of these names are.
    """

    modes: tuple[LinkMode, ...]
    names: tuple[str, ...]
    size_bytes: int
    twin_directory: str | None = None


@dataclass(frozen=True, slots=True)
class DirectoryStep:
    """One directory to make, with what goes into it.

    Attributes:
        symlinks: (name, target as it is to be stored); directories that are linked whole are among them.
    """

    path: str
    groups: tuple[LinkGroup, ...] = ()
    files: tuple[FileStep, ...] = ()
    symlinks: tuple[tuple[str, str], ...] = ()

    @property
    def operations(self) -> int:
        """Roughly how many file system calls it takes; making a directory costs as much as fifteen links."""
        return 15 + sum(len(group.names) for group in self.groups) + 8 * len(self.files) + len(self.symlinks)


@dataclass(frozen=True, slots=True)
class PycStep:
    """A .pyc to compile again, because its .py now holds another path."""

    source_path: str
    pyc_path: str


@dataclass(frozen=True, slots=True)
class RecordStep:
    """A record that cannot stay as it is.

    Attributes:
        rewritten: paths whose hash in the prefix changes.
        dropped: paths that the clone does not have.
    """

    file_name: str
    rewritten: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Charge:
    """What the user is charged."""

    size_bytes: int
    inodes: int

    def __add__(self, other: Charge) -> Charge:
        return Charge(self.size_bytes + other.size_bytes, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files that a link mode was not possible for, and why."""

    errno: int
    files: int
    size_bytes: int
    to: LinkMode


@dataclass(frozen=True, slots=True)
class ClonePlan:
    """Everything that will be done, decided.

    Attributes:
        staying: names below the source's prefix that the clone does not have and still means (a conda root's `envs`).
        records: conda-meta files that need work after the files are in place.
        pip_records: RECORD files of pip's that may list rewritten files.
        watched: directories whose listing must be the same afterwards: conda-meta, bin, site-packages.
        refusals: expected ones, from the trial.
        foreign_writable: shared files that this user could write in place, and so change in the source.
        own_copy: what an own copy would be charged; equal to `charge` where that is the plan.
        linked: directories that are one symlink each; they count in `files` and `size_bytes`.
        links_to: where these and file symlinks lead, a real path; "" where the clone depends on no other environment.
        inherited: directories that are such links in the source already, and the bytes in each.
    """

    request: CloneRequest
    prefixes: tuple[str, ...]
    staying: frozenset[str]
    directories: tuple[DirectoryStep, ...]
    records: tuple[RecordStep, ...]
    pycs: tuple[PycStep, ...]
    pip_records: tuple[str, ...]
    watched: tuple[Directory, ...]
    skipped: tuple[Skipped, ...]
    files: int
    size_bytes: int
    charge: Charge
    directories_charge: Charge
    own_copy: Charge
    refusals: tuple[Refusal, ...]
    foreign_writable: int
    site_packages: str | None
    source_owner_uid: int
    linked: tuple[LinkedDirectory, ...] = ()
    links_to: str = ""
    inherited: tuple[tuple[str, int], ...] = ()


# results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fallback:
    """One reason why files were not linked."""

    errno: int
    from_mode: LinkMode
    to_mode: LinkMode
    files: int
    size_bytes: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "errno": self.errno,
            "from": self.from_mode.value,
            "to": self.to_mode.value,
            "files": self.files,
            "bytes": self.size_bytes,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Regular files of a clone, by how they came."""

    hardlinked: int = 0
    twins: int = 0
    reflinked: int = 0
    symlinked: int = 0
    copied: int = 0
    rewritten: int = 0

    @property
    def total(self) -> int:
        return self.hardlinked + self.twins + self.reflinked + self.symlinked + self.copied + self.rewritten


@dataclass(frozen=True, slots=True)
class Fit:
    """What was left, before a clone, where it was to go.

    Attributes:
        left_bytes, left_inodes: the least that a quota or the filesystem left; None where nothing limits inodes.
        quota_bytes: the least that a quota left; None where none is known.
        quota_known: whether a quota could be read.
        doubtful: figures that are old or inaccurate have no room for it.
    """

    left_bytes: int
    left_inodes: int | None
    quota_bytes: int | None
    quota_known: bool
    doubtful: bool = False
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "left_bytes": self.left_bytes,
            "left_inodes": self.left_inodes,
            "quota_known": self.quota_known,
            "doubtful": self.doubtful,
        }


@dataclass(frozen=True, slots=True)
class CloneResult:
    """What a clone is, or would be.

    Attributes:
        charged: measured: what a count of the user's own inodes in the clone gives, less those charged before.
        predicted: the same by the plan.
        directories_charged: the directories' share of `charged`.
        own_copy: what a clone without any link would be charged.
        foreign_writable: files shared with the source that this user could write in place.
        dry_run: nothing was made; every figure is the plan's.
        fit: None where it was not asked for.
        linked: directories that are one symlink each.
        links_to: the environment that symlinks lead to, on which the clone depends; "" where there is none.
        thin: what a thin clone would be charged, where that is known and less.
    """

    source_name: str
    target_name: str
    source_prefix: str
    target_prefix: str
    link_mode: str
    seconds: float
    files: FileCounts
    directories_made: int
    total_bytes: int
    shared_bytes: int
    own_bytes: int
    charged: Charge
    predicted: Charge
    directories_charged: Charge
    own_copy: Charge
    fallbacks: tuple[Fallback, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    owner: str
    owned_by_user: bool
    foreign_writable: int
    dry_run: bool = False
    plan: ClonePlan | None = None
    fit: Fit | None = None
    linked: tuple[LinkedDirectory, ...] = ()
    links_to: str = ""
    thin: Charge | None = None

    @property
    def files_in_linked(self) -> int:
        return sum(linked.files for linked in self.linked)

    def to_json(self) -> dict[str, Any]:
        return {
            "source_prefix": self.source_prefix,
            "target_prefix": self.target_prefix,
            "link_mode": self.link_mode,
            "thin": bool(self.linked),
            "links_to": self.links_to,
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 3),
            "files": {
                "hardlinked": self.files.hardlinked,
                "twins": self.files.twins,
                "reflinked": self.files.reflinked,
                "symlinked": self.files.symlinked,
                "copied": self.files.copied,
                "rewritten": self.files.rewritten,
                "in_linked_directories": self.files_in_linked,
                "total": self.files.total + self.files_in_linked,
            },
            "directories": {"made": self.directories_made, "linked": len(self.linked)},
            "bytes": {"total": self.total_bytes, "shared": self.shared_bytes, "charged": self.charged.size_bytes},
            "inodes": {"charged": self.charged.inodes},
            "predicted": {"bytes": self.predicted.size_bytes, "inodes": self.predicted.inodes},
            "own_copy": {"bytes": self.own_copy.size_bytes, "inodes": self.own_copy.inodes},
            "thin_clone": {"bytes": self.thin.size_bytes, "inodes": self.thin.inodes} if self.thin else None,
            "fallbacks": [fallback.to_json() for fallback in self.fallbacks],
            "left_out": [{"path": skipped.path, "reason": skipped.reason} for skipped in self.skipped],
            "writable_shared_files": self.foreign_writable,
            "fit": self.fit.to_json() if self.fit else None,
            **({"plan": plan_to_json(self.plan)} if self.plan is not None else {}),
        }


def plan_to_json(plan: ClonePlan) -> dict[str, Any]:
    """The whole plan, for `--dry-run --json`."""
    return {
        "prefixes": list(plan.prefixes),
        "directories": [
            {
                "path": step.path,
                "share": [
                    {
                        "modes": [mode.value for mode in group.modes],
                        "names": list(group.names),
                        "bytes": group.size_bytes,
                        "twins": group.twin_directory,
                    }
                    for group in step.groups
                ],
                "own": [
                    {"name": file.name, "content": file.content.value, "same_as": file.leader} for file in step.files
                ],
                "symlinks": [{"name": name, "target": target} for name, target in step.symlinks],
            }
            for step in plan.directories
        ],
        "linked": [linked.path for linked in plan.linked],
        "records": [step.file_name for step in plan.records],
        "compile": [step.pyc_path for step in plan.pycs],
    }


# quota ------------------------------------------------------------------------------------------------------------

#: How far a user is over, in words, from good to bad. "soft-expired": the grace is over, nothing more can be written.
OVER_WORDS: Final = ("no", "soft", "soft-expired", "hard")


@dataclass(frozen=True, slots=True)
class QuotaReading:
    """What one quota says. A limit that is not set is None; so is a figure that the filesystem does not tell.

    Attributes:
        filesystem: the mount's type where it was read here, else the family whose command printed it.
        mount: the mount point, or the directory that the quota is for; None where the text does not tell.
        scope: user, group, project, fileset, dataset, subvolume, directory or filesystem.
        number: uid, gid or project id.
        source: the command that said it, or statvfs, or a file.
        part: the fileset (GPFS) or storage pool (BeeGFS) that is counted.
        in_doubt_bytes, in_doubt_files: given out to nodes and perhaps not used (GPFS): they count against hard limits.
        bytes_grace_seconds, files_grace_seconds: what is left of the time over a soft limit; 0 when it has run out.
        limits_known: False where only the usage was printed.
        rounded: from figures like 1.4G.
        unreliable: the filesystem itself says that the figures may be off.
        read_at: seconds since the epoch, where a site keeps readings and tells how old this one is.
        said_over: one of OVER_WORDS, where words are all that was printed.
        tightest: of those read together, the nearest to a limit.
    """

    filesystem: str
    mount: str | None = None
    scope: str | None = None
    name: str | None = None
    number: int | None = None
    used_bytes: int | None = None
    soft_bytes: int | None = None
    hard_bytes: int | None = None
    used_files: int | None = None
    soft_files: int | None = None
    hard_files: int | None = None
    in_doubt_bytes: int = 0
    in_doubt_files: int = 0
    bytes_grace_seconds: int | None = None
    files_grace_seconds: int | None = None
    source: str = ""
    device: str | None = None
    part: str | None = None
    limits_known: bool = True
    rounded: bool = False
    unreliable: bool = False
    read_at: int | None = None
    said_over: str | None = None
    tightest: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """Which quota it is of, whenever and however it was asked for."""
        return self.filesystem, self.mount, self.device, self.part, self.scope, self.name, self.number

    @property
    def is_possible(self) -> bool:
        """Whether its figures fit into the kernel's 64 bits, and its times into a calendar."""
        figures = (
            self.used_bytes, self.soft_bytes, self.hard_bytes, self.used_files, self.soft_files, self.hard_files,
            self.in_doubt_bytes, self.in_doubt_files,
        )  # fmt: skip
        seconds = (self.bytes_grace_seconds, self.files_grace_seconds, self.read_at)
        return all((figure or 0) < 1 << 64 for figure in figures) and all((span or 0) < 1 << 34 for span in seconds)

    @property
    def over_bytes(self) -> str | None:
        """From the numbers, never from the stars that commands print."""
        if not self.limits_known:
            return None
        grace = self.bytes_grace_seconds
        return _over(self.used_bytes, self.in_doubt_bytes, self.soft_bytes, self.hard_bytes, grace)

    @property
    def over_files(self) -> str | None:
        if not self.limits_known:
            return None
        grace = self.files_grace_seconds
        return _over(self.used_files, self.in_doubt_files, self.soft_files, self.hard_files, grace)

    @property
    def over(self) -> str | None:
        """The worse of both, a word of OVER_WORDS; None where nothing tells."""
        words = [word for word in (self.over_bytes, self.over_files) if word is not None]
        return max(words, key=OVER_WORDS.index) if words else self.said_over

    @property
    def grace_seconds(self) -> int | None:
        running = [seconds for seconds in (self.bytes_grace_seconds, self.files_grace_seconds) if seconds is not None]
        return min(running, default=None)

    @property
    def limit_bytes(self) -> int | None:
        """The limit that is met first."""
        return min((limit for limit in (self.soft_bytes, self.hard_bytes) if limit is not None), default=None)

    @property
    def limit_files(self) -> int | None:
        return min((limit for limit in (self.soft_files, self.hard_files) if limit is not None), default=None)

    @property
    def fraction_bytes(self) -> float | None:
        """Used, of the limit that is met first; None without a limit."""
        return _fraction(self.used_bytes, self.limit_bytes)

    @property
    def fraction_files(self) -> float | None:
        return _fraction(self.used_files, self.limit_files)

    @property
    def fraction(self) -> float | None:
        known = [part for part in (self.fraction_bytes, self.fraction_files) if part is not None]
        return max(known, default=None)

    @property
    def left_bytes(self) -> int | None:
        """What may still be written; None without a hard limit, or where the usage is not known."""
        return _left(self.used_bytes, self.in_doubt_bytes, self.hard_bytes, self.over_bytes)

    @property
    def left_files(self) -> int | None:
        return _left(self.used_files, self.in_doubt_files, self.hard_files, self.over_files)

    def to_json(self) -> dict[str, Any]:
        return {
            "filesystem": self.filesystem,
            "mount": self.mount,
            "scope": self.scope,
            "name": self.name,
            "used_bytes": self.used_bytes,
            "soft_bytes": self.soft_bytes,
            "hard_bytes": self.hard_bytes,
            "used_files": self.used_files,
            "soft_files": self.soft_files,
            "hard_files": self.hard_files,
            "grace_seconds": self.grace_seconds,
            "over": self.over,
            "source": self.source,
            "id": self.number,
            "device": self.device,
            "part": self.part,
            "in_doubt_bytes": self.in_doubt_bytes,
            "in_doubt_files": self.in_doubt_files,
            "over_bytes": self.over_bytes,
            "over_files": self.over_files,
            "limits_known": self.limits_known,
            "rounded": self.rounded,
            "unreliable": self.unreliable,
            "read_at": self.read_at,
            "tightest": self.tightest,
        }


def _over(used: int | None, in_doubt: int, soft: int | None, hard: int | None, grace_seconds: int | None) -> str | None:
    if used is None:
        return None
    if hard is not None and used + in_doubt >= hard:
        return "hard"
    if soft is not None and used > soft:
        return "soft-expired" if grace_seconds == 0 else "soft"
    return "no"


def _fraction(used: int | None, limit: int | None) -> float | None:
    return None if used is None or not limit else used / limit


def _left(used: int | None, in_doubt: int, hard: int | None, over: str | None) -> int | None:
    if over == "soft-expired":
        return 0
    return None if used is None or hard is None else max(0, hard - used - in_doubt)


@dataclass(frozen=True, slots=True)
class UnknownText:
    """What a command printed that gave no reading: for whoever wants to know why, and to teach the parser."""

    command: str
    reason: str
    exit_code: int | None
    stdout: str
    stderr: str

    def to_json(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "stdout": self.stdout,
            "stderr": self.stderr,
        }


@dataclass(frozen=True, slots=True)
class QuotaAnswer:
    """All that could be found out of the quotas that hold for a directory.

    Attributes:
        unknown: lines "quota unknown: ...", each with its reason.
    """

    readings: tuple[QuotaReading, ...] = ()
    unknown: tuple[str, ...] = ()
    texts: tuple[UnknownText, ...] = ()

    def __add__(self, other: QuotaAnswer) -> QuotaAnswer:
        """Of two directories: a quota that holds for both is there once, and one of all is the tightest."""
        known = {reading.identity for reading in self.readings}
        readings = [*self.readings, *(reading for reading in other.readings if reading.identity not in known)]
        unknown = dict.fromkeys((*self.unknown, *other.unknown))
        texts = dict.fromkeys((*self.texts, *other.texts))
        return QuotaAnswer(mark_tightest(readings), tuple(unknown), tuple(texts))

    def reaches(self, percent: float) -> bool:
        """Whether a quota is used up to that, or to its end. A filesystem that everybody fills is no quota."""
        quotas = [reading for reading in self.readings if reading.scope != "filesystem"]
        return any(
            (reading.fraction or 0.0) >= percent / 100 or reading.over in ("soft-expired", "hard") for reading in quotas
        )

    @property
    def tightest(self) -> QuotaReading | None:
        return next((reading for reading in self.readings if reading.tightest), None)


def mark_tightest(readings: Sequence[QuotaReading]) -> tuple[QuotaReading, ...]:
    """The readings, the one nearest to a limit marked: by the larger share used, of bytes or of files."""
    limited = [reading for reading in readings if reading.fraction is not None]
    nearest = max(limited, key=lambda reading: reading.fraction or 0.0, default=None)
    return tuple(replace(reading, tightest=reading is nearest) for reading in readings)
