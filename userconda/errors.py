"""What can go wrong, as data: one class a cause, each with a stable code word and an exit code.

A class holds the figures; `message` and `hints` make the sentences. `docs/reference/exit-codes.md` is made
from this module. Exit codes are grouped: 10 not found, 20 conflict, 30 capacity, 40 integrity, 50 filesystem,
60 state, 70 shell.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from userconda.units import format_bytes, format_count, printable

#: How many paths a message lists before it says "and N more".
_LISTED = 20


def _listing(paths: Sequence[str]) -> str:
    shown = [f"\n  {printable(path)}" for path in paths[:_LISTED]]
    if len(paths) > _LISTED:
        shown.append(f"\n  and {len(paths) - _LISTED:,} more")
    return "".join(shown)


class UcenvError(Exception):
    """Something the user can act on. Never shown with a traceback."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    @property
    def message(self) -> str:
        return "ucenv failed"

    @property
    def hints(self) -> tuple[str, ...]:
        return ()

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross from worker processes: rebuilt from their fields, however they were constructed.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(cls: type[UcenvError], fields: dict[str, Any]) -> UcenvError:
    error = cls.__new__(cls)
    error.__dict__.update(fields)
    return error


@dataclass(eq=False)
class UsageError(UcenvError):
    """The command's words are off."""

    text: str
    hint: str = ""
    code: ClassVar[str] = "usage"
    exit_code: ClassVar[int] = 2

    @property
    def message(self) -> str:
        return self.text

    @property
    def hints(self) -> tuple[str, ...]:
        return (self.hint,) if self.hint else ()


@dataclass(eq=False)
class ConfigError(UsageError):
    """A configuration file or variable holds what cannot be used."""

    code: ClassVar[str] = "config"


@dataclass(frozen=True)
class SiteFileProblem:
    """One mistake in `site.toml`: where it is, and what is wanted there."""

    line: int
    key: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}{': ' if self.key else ''}{self.text}"


@dataclass(eq=False)
class SiteFileInvalid(UcenvError):
    """`site.toml` holds what cannot be used. Nothing was written."""

    path: str
    problems: tuple[SiteFileProblem, ...]
    code: ClassVar[str] = "site_file"
    exit_code: ClassVar[int] = 2

    @property
    def message(self) -> str:
        what = format_count(len(self.problems), "mistake")
        return f"{printable(self.path)} has {what}:" + "".join(f"\n  {printable(str(p))}" for p in self.problems)

    @property
    def hints(self) -> tuple[str, ...]:
        return ("nothing was written; `ucenv site init --print` shows a file with every key explained",)


@dataclass(eq=False)
class SiteTemplateInvalid(UcenvError):
    """A template for modulefiles with a word that there is none of, or without the one that there has to be."""

    path: str
    word: str
    code: ClassVar[str] = "site_template"
    exit_code: ClassVar[int] = 2

    @property
    def message(self) -> str:
        what = f"there is no @{self.word}@" if self.word else "@made_by@ is missing: by that ucenv knows what it wrote"
        return f"{printable(self.path)}: {what}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("docs/administrator.md lists the words; nothing was written",)


@dataclass(eq=False)
class SiteKeyMissing(UcenvError):
    """A key of `site.toml` that this command cannot do without."""

    path: str
    key: str
    meaning: str
    code: ClassVar[str] = "site_key_missing"
    exit_code: ClassVar[int] = 2

    @property
    def message(self) -> str:
        return f"{printable(self.path)} has no {self.key}: {self.meaning}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("`ucenv site init --print` shows a file with every key explained",)


# 10: not found ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class EnvironmentNotFound(UcenvError):
    """No environment of that name in any directory that was looked in."""

    name: str
    searched: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()
    code: ClassVar[str] = "environment_not_found"
    exit_code: ClassVar[int] = 10

    @property
    def message(self) -> str:
        places = ", ".join(printable(path) for path in self.searched) or "no environments directory is known"
        return f"no environment named {printable(self.name)!r} (looked in {places})"

    @property
    def hints(self) -> tuple[str, ...]:
        near = (f"did you mean {' or '.join(self.similar)}?",) if self.similar else ()
        return (*near, "`ucenv list` shows every environment you can see; a path works too")


@dataclass(eq=False)
class NotAPrefix(UcenvError):
    """A directory that is no conda environment, or no directory at all."""

    path: str
    reason: str = "it has no conda-meta directory"
    code: ClassVar[str] = "not_a_prefix"
    exit_code: ClassVar[int] = 11

    @property
    def message(self) -> str:
        return f"{printable(self.path)} is not a conda environment: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("`ucenv list` shows every environment you can see",)


@dataclass(eq=False)
class SourceIncomplete(UcenvError):
    """Files or directories of the source that cannot be read, so that a true clone cannot be made."""

    prefix: str
    paths: tuple[str, ...]
    code: ClassVar[str] = "source_incomplete"
    exit_code: ClassVar[int] = 12

    @property
    def message(self) -> str:
        what = format_count(len(self.paths), "file or directory" if len(self.paths) == 1 else "path")
        return f"cannot read {what} of {printable(self.prefix)}:{_listing(self.paths)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("ask the environment's owner for read access (chmod -R a+rX), then clone again",)


@dataclass(eq=False)
class NoSystemConda(UcenvError):
    """A command needs the site's conda and none is known."""

    code: ClassVar[str] = "no_system_conda"
    exit_code: ClassVar[int] = 13

    @property
    def message(self) -> str:
        return "no conda was found: ucenv is not installed in one, and CONDA_EXE is not set"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("set UCENV_CONDA_ROOT to the root of the conda that ucenv serves",)


@dataclass(eq=False)
class PackageNotFound(UcenvError):
    """No package of that name in the environment, by conda's records or pip's."""

    names: tuple[str, ...]
    prefix: str
    similar: tuple[str, ...] = ()
    code: ClassVar[str] = "package_not_found"
    exit_code: ClassVar[int] = 17

    @property
    def message(self) -> str:
        return f"{printable(self.prefix)} has no package named {', '.join(map(printable, self.names))}"

    @property
    def hints(self) -> tuple[str, ...]:
        near = (f"did you mean {' or '.join(self.similar)}?",) if self.similar else ()
        return (*near, "`conda list` and `ucenv info` show an environment's packages")


@dataclass(eq=False)
class ParentGone(UcenvError):
    """What a thin clone's links lead to is not there any more.

    Attributes:
        paths: in the clone, of those that were looked for.
    """

    prefix: str
    parent: str
    paths: tuple[str, ...] = ()
    code: ClassVar[str] = "parent_gone"
    exit_code: ClassVar[int] = 18

    @property
    def message(self) -> str:
        gone = f"{printable(self.prefix)} is a thin clone, and what its links lead to is gone: {printable(self.parent)}"
        return f"{gone}; of this clone:{_listing(self.paths)}" if self.paths else gone

    @property
    def hints(self) -> tuple[str, ...]:
        rid = f"to be rid of it: rm -rf {shlex.quote(printable(self.prefix))} (its links go, not what they lead to)"
        if self.paths and all(path.startswith("conda-meta/") for path in self.paths):
            return (
                "packages were updated there, and conda cannot read this clone: make a new one; or remove these links, "
                "then `conda install` the packages",
                rid,
            )
        return (
            "ask its owner to bring it back or, where it was moved, to leave a symlink at its old path",
            "or make a new clone; what you installed yourself is still in this one",
            rid,
        )


@dataclass(eq=False)
class PipMissing(UcenvError):
    """`ucenv pip` runs the environment's own pip, and there is none."""

    prefix: str
    what: str
    code: ClassVar[str] = "pip_missing"
    exit_code: ClassVar[int] = 19

    @property
    def message(self) -> str:
        return f"{printable(self.prefix)} has no {self.what} of its own, or one that does not start"

    @property
    def hints(self) -> tuple[str, ...]:
        return (f"conda install -p {printable(self.prefix)} {self.what.lower()}",)


@dataclass(eq=False)
class SiteFileMissing(UcenvError):
    """There is no `site.toml` where it was looked for."""

    path: str
    code: ClassVar[str] = "site_file_missing"
    exit_code: ClassVar[int] = 14

    @property
    def message(self) -> str:
        return f"there is no {printable(self.path)}" if self.path else "no conda is known, and no --config was given"

    @property
    def hints(self) -> tuple[str, ...]:
        if not self.path:
            return ("set UCENV_CONDA_ROOT to the root of the conda, or name its file with --config FILE",)
        return ("`ucenv site init` writes one; --config FILE names another place",)


@dataclass(eq=False)
class ProgramMissing(UcenvError):
    """A program of the system's that a command cannot do without."""

    program: str
    package: str
    purpose: str
    code: ClassVar[str] = "program_missing"
    exit_code: ClassVar[int] = 15

    @property
    def message(self) -> str:
        return f"there is no {self.program}, which {self.purpose}"

    @property
    def hints(self) -> tuple[str, ...]:
        return (f"it is in the package {self.package}",)


@dataclass(eq=False)
class CondaProgramUnusable(UcenvError):
    """The conda, mamba or micromamba that is to make environments is not there, or cannot be run."""

    program: str
    reason: str
    code: ClassVar[str] = "conda_program"
    exit_code: ClassVar[int] = 16

    @property
    def message(self) -> str:
        return f"{printable(self.program)} cannot be used: {printable(self.reason)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("--program, or `program` under [conda] in site.toml, names another: conda, mamba, micromamba, a path",)


# 20: conflict ----------------------------------------------------------------------------------------------


@dataclass(eq=False)
class TargetExists(UcenvError):
    """The clone's place is taken, or another run is taking it now."""

    path: str
    holder: str = ""
    code: ClassVar[str] = "target_exists"
    exit_code: ClassVar[int] = 20

    @property
    def message(self) -> str:
        if self.holder:
            return f"{printable(self.path)} is being made by another run ({self.holder})"
        return f"{printable(self.path)} exists already"

    @property
    def hints(self) -> tuple[str, ...]:
        if self.holder:
            return ("wait for it, or choose another name",)
        return ("choose another name, or remove it first",)


@dataclass(eq=False)
class PrefixInUse(UcenvError):
    """A conda transaction is running in the source, or died in it."""

    prefix: str
    traces: tuple[str, ...]
    code: ClassVar[str] = "prefix_in_use"
    exit_code: ClassVar[int] = 21

    @property
    def message(self) -> str:
        return f"a conda transaction is under way in {printable(self.prefix)}, or died in it:{_listing(self.traces)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("try again when it has ended; its owner can clear what a dead one left with `conda clean --tempfiles`",)


@dataclass(eq=False)
class SourceChanged(UcenvError):
    """The source was modified while it was being cloned; the clone was taken back."""

    prefix: str
    paths: tuple[str, ...]
    code: ClassVar[str] = "source_changed"
    exit_code: ClassVar[int] = 22

    @property
    def message(self) -> str:
        return f"{printable(self.prefix)} changed while it was being read:{_listing(self.paths)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("nothing was left behind: run the same command again when the update has ended",)


@dataclass(eq=False)
class UnsafeName(UcenvError):
    """A name that would not be a plain directory name."""

    name: str
    reason: str
    code: ClassVar[str] = "unsafe_name"
    exit_code: ClassVar[int] = 23

    @property
    def message(self) -> str:
        return f"{printable(self.name)!r} cannot be an environment's name: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("letters, digits, '.', '_', '-', '+' and spaces inside are fine; --prefix takes a path",)


@dataclass(eq=False)
class LockTimeout(UcenvError):
    """Another run holds what this one needs."""

    path: str
    holder: str
    code: ClassVar[str] = "lock_timeout"
    exit_code: ClassVar[int] = 24

    @property
    def message(self) -> str:
        return f"{printable(self.path)} is held by another run ({self.holder})"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("wait for it; a lease whose holder died is taken over after ten minutes, on the same host at once",)


@dataclass(eq=False)
class PipTooOld(UcenvError):
    """In a thin clone, what pip will change has to be known before."""

    prefix: str
    code: ClassVar[str] = "pip_too_old"
    exit_code: ClassVar[int] = 28

    @property
    def message(self) -> str:
        return f"the pip of {printable(self.prefix)} cannot tell what it will change (--report is of pip 22.2)"

    @property
    def hints(self) -> tuple[str, ...]:
        return (f"`ucenv thaw {printable(self.prefix)} PACKAGE...` first, then pip by itself",)


@dataclass(eq=False)
class ModuleTreeConflict(UcenvError):
    """Modulefiles that ucenv did not write, or wrote for another conda, are where its own would be."""

    tree: str
    paths: tuple[str, ...]
    code: ClassVar[str] = "module_tree_conflict"
    exit_code: ClassVar[int] = 25

    @property
    def message(self) -> str:
        what = format_count(len(self.paths), "file")
        return f"{printable(self.tree)} has {what} there that ucenv did not write for this conda:{_listing(self.paths)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("nothing was written; move them away, or give the modules other names in site.toml",)


@dataclass(eq=False)
class SiteFileExists(UcenvError):
    """`site.toml` is there already."""

    path: str
    code: ClassVar[str] = "site_file_exists"
    exit_code: ClassVar[int] = 26

    @property
    def message(self) -> str:
        return f"{printable(self.path)} is there already"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("`ucenv site init --print` shows what it would be; --config FILE names another place",)


@dataclass(eq=False)
class FileRefused(UcenvError):
    """A file of the conda's that is better edited by hand, or that somebody else is changing."""

    path: str
    line: int
    reason: str
    code: ClassVar[str] = "file_refused"
    exit_code: ClassVar[int] = 27

    @property
    def message(self) -> str:
        where = f", line {self.line}" if self.line else ""
        return f"{printable(self.path)}{where}: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("the file was left as it is; change that by hand, then try again",)


@dataclass(eq=False)
class MirrorNotOurs(UcenvError):
    """A directory that is somebody else's channel, whose index ours would replace."""

    path: str
    code: ClassVar[str] = "mirror_not_ours"
    exit_code: ClassVar[int] = 29

    @property
    def message(self) -> str:
        return f"{printable(self.path)} is an index that ucenv did not write"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("nothing was written; give --mirror a directory of its own",)


# 30: capacity ----------------------------------------------------------------------------------------------


def _override(foretold: bool) -> tuple[str, ...]:
    return ("--no-fit-check tries it all the same",) if foretold else ()


@dataclass(eq=False)
class NotEnoughSpace(UcenvError):
    """The filesystem, or a quota, has too few bytes for what is to be written."""

    path: str
    needed_bytes: int
    free_bytes: int | None
    cause: str = "space"
    foretold: bool = False  # nothing was begun
    code: ClassVar[str] = "not_enough_space"
    exit_code: ClassVar[int] = 30

    @property
    def message(self) -> str:
        if not self.needed_bytes and self.free_bytes is None:  # met while writing
            return f"{printable(self.path)}: nothing more can be written ({self.cause})"
        left = "an unknown amount is" if self.free_bytes is None else f"{format_bytes(self.free_bytes)} is"
        return f"{printable(self.path)}: {format_bytes(self.needed_bytes)} needed, {left} left ({self.cause})"

    @property
    def hints(self) -> tuple[str, ...]:
        left = "" if self.foretold else "nothing was left behind; "
        return (f"{left}free some space, or give another place with --root or --prefix", *_override(self.foretold))


@dataclass(eq=False)
class NotEnoughInodes(UcenvError):
    """The filesystem, or a quota, has too few inodes."""

    path: str
    needed_inodes: int
    free_inodes: int
    cause: str = "inodes"
    foretold: bool = False
    code: ClassVar[str] = "not_enough_inodes"
    exit_code: ClassVar[int] = 31

    @property
    def message(self) -> str:
        needed, left = format_count(self.needed_inodes, "inode"), format_count(self.free_inodes)
        return f"{printable(self.path)}: {needed} needed, {left} left ({self.cause})"

    @property
    def hints(self) -> tuple[str, ...]:
        advice = "remove environments you no longer use, or give another place with --root or --prefix"
        return (advice, *_override(self.foretold))


@dataclass(eq=False)
class QuotaExceeded(NotEnoughSpace):
    """A quota leaves too few bytes: by its figures, or EDQUOT while writing."""

    cause: str = "quota"
    code: ClassVar[str] = "quota_exceeded"
    exit_code: ClassVar[int] = 32


@dataclass(eq=False)
class TooDear(UcenvError):
    """Links are refused and the price of an own copy was not accepted."""

    source: str
    reason: str
    own_copy: str
    thin: str = ""
    code: ClassVar[str] = "too_dear"
    exit_code: ClassVar[int] = 33

    @property
    def message(self) -> str:
        return f"no clone of {printable(self.source)} was made: {self.reason}; an own copy costs {self.own_copy}"

    @property
    def hints(self) -> tuple[str, ...]:
        thin = f"a thin clone costs {self.thin}, and depends on {printable(self.source)} staying where it is: --thin"
        return (
            *([thin] if self.thin else []),
            "to pay it: -y; for every clone: UCENV_CLONE_WHEN_REFUSED=own-copy, or `when_refused` under [clone] in the "
            "configuration",
        )


# 40: integrity ---------------------------------------------------------------------------------------------


@dataclass(eq=False)
class CorruptRecord(UcenvError):
    """A file under conda-meta that is not what every conda writes there."""

    path: str
    reason: str
    code: ClassVar[str] = "corrupt_record"
    exit_code: ClassVar[int] = 40

    @property
    def message(self) -> str:
        return f"{printable(self.path)} is not a valid package record: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("conda fails on it too; reinstalling the package (conda install --force-reinstall) writes it anew",)


@dataclass(eq=False)
class PlaceholderTooShort(UcenvError):
    """A binary has too little room for the clone's path."""

    path: str
    target_prefix: str
    room_bytes: int
    code: ClassVar[str] = "placeholder_too_short"
    exit_code: ClassVar[int] = 41

    @property
    def message(self) -> str:
        length = len(os.fsencode(self.target_prefix))
        return (
            f"{printable(self.path)} has room for a path of {self.room_bytes} bytes, "
            f"and {printable(self.target_prefix)} has {length}"
        )

    @property
    def hints(self) -> tuple[str, ...]:
        return ("choose a shorter name, or a shorter place with --root or --prefix",)


@dataclass(eq=False)
class PathEscapesPrefix(UcenvError):
    """A record names a file outside the environment it belongs to."""

    record: str
    path: str
    code: ClassVar[str] = "path_escapes_prefix"
    exit_code: ClassVar[int] = 42

    @property
    def message(self) -> str:
        return f"{printable(self.record)} lists {printable(self.path)!r}, which is outside the environment"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("do not use this package; tell the environment's owner",)


@dataclass(eq=False)
class VerificationFailed(UcenvError):
    """What was written is not what was meant."""

    path: str
    reason: str
    code: ClassVar[str] = "verification_failed"
    exit_code: ClassVar[int] = 43

    @property
    def message(self) -> str:
        return f"{printable(self.path)}: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("nothing was left behind; please report what it says",)


@dataclass(eq=False)
class ParentDiffers(UcenvError):
    """Files that a thin clone's links lead to are no longer what its own records say."""

    prefix: str
    parent: str
    paths: tuple[str, ...]
    code: ClassVar[str] = "parent_differs"
    exit_code: ClassVar[int] = 44

    @property
    def message(self) -> str:
        return (
            f"{printable(self.parent)} changed since {printable(self.prefix)} was made from it; these are not what the "
            f"clone's records say:{_listing(self.paths)}"
        )

    @property
    def hints(self) -> tuple[str, ...]:
        return (
            "nothing was thawed; `ucenv thaw --as-is` takes what is there now, and `conda install --force-reinstall` "
            "of the packages concerned makes the clone whole again",
        )


# 50: filesystem --------------------------------------------------------------------------------------------


@dataclass(eq=False)
class FileOperation(UcenvError):
    """The system refused an operation that nothing can stand in for."""

    operation: str
    path: str
    errno: int
    code: ClassVar[str] = "file_operation"
    exit_code: ClassVar[int] = 50

    @property
    def message(self) -> str:
        of = "" if self.operation.endswith(" directory") else "of "
        return f"{self.operation} {of}{printable(self.path)} failed: {os.strerror(self.errno)}"

    @property
    def hints(self) -> tuple[str, ...]:
        advice = {
            errno.EACCES: "ask the owner of that path for access",
            errno.EPERM: "ask the owner of that path for access",
            errno.EROFS: "that filesystem is mounted read-only; give another place with --root or --prefix",
            errno.EISDIR: "a file is wanted there, and that is a directory",
            errno.ENOTDIR: "a directory is wanted there, and something on the way is none",
            errno.EIO: "the filesystem or its server failed; tell your administrators",
            errno.ESTALE: "the file server lost the file; try again",
            # Of what a command makes, that is NotEnoughSpace: here its report had no room.
            errno.ENOSPC: "only what was to be shown is lost; free some space where the output goes",
            errno.ENAMETOOLONG: "choose a shorter name, or a shorter place with --root or --prefix",
        }
        return (advice.get(self.errno, "try again; if it fails again, tell your administrators what it says"),)


@dataclass(eq=False)
class LinksRequired(UcenvError):
    """Files would have to be copied, and the caller asked for links only."""

    source: str
    files: int
    reason: str
    code: ClassVar[str] = "links_required"
    exit_code: ClassVar[int] = 51

    @property
    def message(self) -> str:
        return f"{format_count(self.files, 'file')} of {printable(self.source)} cannot be linked: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("without --require-links (and with --link-mode auto) they are copied",)


@dataclass(eq=False)
class ThinRefused(UcenvError):
    """Directories cannot be linked whole: what the clone's conda removed would be removed in the source."""

    source: str
    reason: str
    code: ClassVar[str] = "thin_refused"
    exit_code: ClassVar[int] = 54

    @property
    def message(self) -> str:
        return f"no thin clone of {printable(self.source)} was made: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("without --thin its files are hard-linked where the kernel allows it",)


@dataclass(eq=False)
class ParentWritable(UcenvError):
    """A thin clone whose links lead to where its user may write by now."""

    prefix: str
    directory: str
    code: ClassVar[str] = "parent_writable"
    exit_code: ClassVar[int] = 55

    @property
    def message(self) -> str:
        return (
            f"{printable(self.prefix)} is a thin clone, and you may write where its links lead: "
            f"{printable(self.directory)}; what is removed in the clone would be removed there"
        )

    @property
    def hints(self) -> tuple[str, ...]:
        name = os.path.basename(self.prefix)
        return (
            "work as a user who may not write there, not as root",
            f"or make the clone independent: ucenv thaw {printable(name)} --all",
        )


@dataclass(eq=False)
class SpaceNotWritable(UcenvError):
    """The user's space cannot be made or written."""

    path: str
    errno: int
    code: ClassVar[str] = "space_not_writable"
    exit_code: ClassVar[int] = 52

    @property
    def message(self) -> str:
        return f"{printable(self.path)} cannot be written: {os.strerror(self.errno)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("set SCRATCH, UCENV_ROOT or --root to a directory of yours; only its owner writes into a shared conda",)


@dataclass(eq=False)
class ProgramFailed(UcenvError):
    """A program of the system's did not do what it was started for."""

    program: str
    status: int
    said: str
    code: ClassVar[str] = "program_failed"
    exit_code: ClassVar[int] = 53

    @property
    def message(self) -> str:
        said = "".join(f"\n  {printable(line)}" for line in self.said.splitlines()[-_LISTED:])
        return f"{self.program} ended with status {self.status}{':' if said else ''}{said}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("mend what it says, then run the same command again",)


# 60: state -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class InterruptedRun(UcenvError):
    """A journal that no version of ucenv can act on."""

    path: str
    reason: str
    code: ClassVar[str] = "interrupted_run"
    exit_code: ClassVar[int] = 60

    @property
    def message(self) -> str:
        return f"cannot act on the journal {printable(self.path)}: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("look at the staging directory it names, remove it if you do not need it, then remove the journal",)


@dataclass(eq=False)
class WorkerDied(UcenvError):
    """A worker process ended without an answer."""

    pid: int
    code: ClassVar[str] = "worker_died"
    exit_code: ClassVar[int] = 61

    @property
    def message(self) -> str:
        return f"worker process {self.pid} was killed, most likely because memory ran out"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("try on a node, or in a job, with more memory",)


@dataclass(eq=False)
class ProcessesRunning(UcenvError):
    """Processes of this host run out of the environment that is to be changed."""

    prefix: str
    processes: tuple[tuple[int, str], ...]
    code: ClassVar[str] = "processes_running"
    exit_code: ClassVar[int] = 62

    @property
    def message(self) -> str:
        lines = [f"{pid}  {command}" for pid, command in self.processes]
        return f"processes of this host run out of {printable(self.prefix)}:{_listing(lines)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("end them and run the same command again; on other hosts nobody can see them: look there too",)


# 70: shell -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class UnsupportedShell(UcenvError):
    """No code can be made for that shell."""

    shell: str
    supported: tuple[str, ...]
    code: ClassVar[str] = "unsupported_shell"
    exit_code: ClassVar[int] = 70

    @property
    def message(self) -> str:
        what = (
            f"the shell {self.shell!r} is not supported" if self.shell else "the shell you run could not be found out"
        )
        return f"{what}; supported: {', '.join(self.supported)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("name one: ucenv env bash",)


@dataclass(eq=False)
class HookMissing(UcenvError):
    """A shell's hook file is not where ucenv's installation puts it."""

    file: str
    searched: tuple[str, ...]
    code: ClassVar[str] = "hook_missing"
    exit_code: ClassVar[int] = 71

    @property
    def message(self) -> str:
        return f"the hook file {self.file} is in none of {', '.join(printable(path) for path in self.searched)}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("install ucenv again, from its wheel: python -m pip install --force-reinstall --no-deps ucenv",)


@dataclass(eq=False)
class UnquotableValue(UcenvError):
    """A value that a shell would change."""

    shell: str
    value: str
    reason: str
    code: ClassVar[str] = "unquotable_value"
    exit_code: ClassVar[int] = 72

    @property
    def message(self) -> str:
        return f"{self.shell} cannot be given the value {printable(self.value)!r}: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return ("give the directory another name, or use another shell",)


@dataclass(eq=False)
class StartupFileRefused(UcenvError):
    """A shell's startup file that is better left alone."""

    path: str
    reason: str
    advice: str
    code: ClassVar[str] = "startup_file_refused"
    exit_code: ClassVar[int] = 73

    @property
    def message(self) -> str:
        return f"{printable(self.path)} was left as it is: {self.reason}"

    @property
    def hints(self) -> tuple[str, ...]:
        return (self.advice,)


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP: leave at once. Not an Exception, so that no handler for those holds it up."""

    exit_code: ClassVar[int] = 130

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
