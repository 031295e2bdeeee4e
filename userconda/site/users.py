"""Who has clones of which system environment: by the notes that clones carry.

Looked at are directories of environments, one note of each, nothing below. They are other people's: a note may be
anything, and so may what a name leads to.
"""

from __future__ import annotations

import fnmatch
import os
import pwd
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from userconda.environments import parent_state
from userconda.errors import SiteKeyMissing, UsageError
from userconda.prefixes import is_prefix
from userconda.probe import owner_name
from userconda.provenance import Provenance, load_provenance, read_small_file
from userconda.site.definition import Site

#: A clone of a clone of ... : longer chains are a ring, or a joke.
_CHAIN: Final = 20
_MAGIC: Final = re.compile(r"[*?\[]")
_VARIABLE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Clone:
    """
    Attributes:
        made: seconds since the epoch; None where the note does not say.
        how: hard-linked, thin, reflinked or copied: in what way it depends on its source's files.
        state: of what it was cloned from: "", "changed since" or "gone".
        via: prefix of the clone that this one is a clone of.
    """

    owner: str
    name: str
    prefix: str
    made: float | None
    how: str
    state: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Dependents:
    """An environment of the system's and the clones of it, by owner and path.

    Attributes:
        module: NAME/VERSION, where the site's file gives it one.
        exists: whether it still does.
    """

    name: str
    prefix: str
    module: str
    exists: bool
    clones: tuple[Clone, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """
    Attributes:
        spaces: how many directories of environments were read.
        looked_at: how many environments are in them.
        elsewhere: how many clones are of something that is not this conda's.
        unreadable: paths with why not.
    """

    conda_root: str
    searched: tuple[str, ...]
    environments: tuple[Dependents, ...]
    spaces: int
    looked_at: int
    elsewhere: int
    unreadable: tuple[tuple[str, str], ...]
    out_of_time: bool

    def only(self, environments: tuple[Dependents, ...]) -> Found:
        return replace(self, environments=environments)

    def to_json(self) -> dict[str, Any]:
        unreadable = [{"path": path, "reason": reason} for path, reason in self.unreadable]
        return {**asdict(self), "unreadable": unreadable}


# where users' spaces are ----------------------------------------------------------------------------------------


def check_pattern(pattern: str) -> str:
    """
    Raises:
        UsageError: it could mean anything below, or depends on where one is.
    """
    if not pattern.startswith("/") or "**" in pattern or "\0" in pattern:
        raise UsageError(f"--search {pattern!r}: an absolute path is wanted, which may have * ? [] in it but not **")
    return os.path.normpath(pattern)


def default_patterns(site: Site, environment: Mapping[str, str], user: str) -> tuple[str, ...]:
    """What the user's space would be for everybody: where this user's own has their name, others have theirs.

    Raises:
        SiteKeyMissing: that cannot be told from this user's.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] in ("USER", "LOGNAME"):
            return "*"
        return "/".join("*" if part == user else part for part in environment.get(match[1], "").split("/"))

    pattern = _VARIABLE.sub(value, site.space)
    if "*" not in pattern or not pattern.startswith("/"):
        meaning = (
            f'patterns of all users\' spaces, such as ["/scratch/*/conda_local"]; from {site.space} they cannot be '
        )
        raise SiteKeyMissing(site.path, "user_space.search", f"{meaning}told here")
    return (os.path.normpath(pattern),)


# looking --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Search:
    site: Site
    real_root: str
    deadline: float
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)
    owners: set[int] = field(default_factory=set)
    clones: dict[str, list[Clone]] = field(default_factory=dict)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    spaces: int = 0
    looked_at: int = 0
    elsewhere: int = 0
    out_of_time: bool = False

    def is_over(self) -> bool:
        self.out_of_time = self.out_of_time or time.monotonic() > self.deadline
        return self.out_of_time

    def names(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as exc:  # closed to us, a loop of links, a file server that is away
            self.cannot_read(directory, exc)
            return []

    def cannot_read(self, path: str, exc: OSError) -> None:
        self.unreadable.append((path, os.strerror(exc.errno or 0)))

    def matches(self, pattern: str) -> Iterator[str]:
        """Paths that a pattern stands for. What has no pattern's signs in it need not be there."""
        yield from self._below("/", pattern.strip("/").split("/"))

    def _below(self, directory: str, parts: Sequence[str]) -> Iterator[str]:
        if not parts or self.is_over():
            if not parts:
                yield directory
            return
        first, rest = parts[0], parts[1:]
        if not _MAGIC.search(first):
            yield from self._below(os.path.join(directory, first), rest)
            return
        for name in fnmatch.filter(self.names(directory), first):
            if not name.startswith(".") or first.startswith("."):
                yield from self._below(os.path.join(directory, name), rest)

    def space(self, space: str) -> None:
        directory = os.path.join(space, "envs")
        try:
            names = sorted(os.listdir(directory))
            status = os.stat(directory)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            self.cannot_read(directory, exc)
            return
        if (status.st_dev, status.st_ino) in self.seen:
            return
        self.seen.add((status.st_dev, status.st_ino))
        self.owners.add(status.st_uid)
        self.spaces += 1
        for name in names:
            if self.is_over():
                return
            if not name.startswith("."):
                self.environment(os.path.join(directory, name))

    def registers(self) -> None:
        """What conda has noted of environments elsewhere, of those users whose spaces were found."""
        for uid in sorted(self.owners):
            try:
                home = pwd.getpwuid(uid).pw_dir
            except KeyError:  # has left
                continue
            path = os.path.join(home, ".conda", "environments.txt")
            try:
                text = os.fsdecode(read_small_file(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as exc:
                self.cannot_read(path, exc)
                continue
            except ValueError as exc:
                self.unreadable.append((path, str(exc)))
                continue
            for line in text.split("\n"):
                if self.is_over():
                    return
                if line.startswith("/") and "\0" not in line and not self.is_system(os.path.normpath(line)):
                    self.environment(os.path.normpath(line))

    def environment(self, prefix: str) -> None:
        try:
            status = os.stat(prefix)
            if not stat.S_ISDIR(status.st_mode) or (status.st_dev, status.st_ino) in self.seen:
                return
            self.seen.add((status.st_dev, status.st_ino))
            if os.path.islink(prefix):
                prefix = os.path.realpath(prefix)
            if not is_prefix(prefix) and os.access(prefix, os.X_OK, effective_ids=True):
                return
            self.looked_at += 1
            note = load_provenance(prefix)
        except (FileNotFoundError, NotADirectoryError):  # no clone
            return
        except OSError as exc:
            self.cannot_read(prefix, exc)
            return
        except ValueError as exc:
            self.unreadable.append((prefix, str(exc)))
            return
        name, via = self.origin(note)
        if name is None:
            self.elsewhere += 1
            return
        clone = Clone(
            owner_name(status.st_uid),
            os.path.basename(prefix),
            prefix,
            note.time or None,
            _how(note),
            self.state(note),
            via,
        )
        self.clones.setdefault(name, []).append(clone)

    def origin(self, note: Provenance) -> tuple[str | None, str]:
        """The system environment at the end of a chain of clones, and the first of the chain where there is one."""
        via = ""
        for _ in range(_CHAIN):
            if (name := self.is_system(os.path.normpath(note.source))) is not None:
                return name, via
            via = via or os.path.normpath(note.source)
            try:
                note = load_provenance(note.source)
            except (OSError, ValueError):
                return None, via
        return None, via

    def is_system(self, prefix: str) -> str | None:
        """The name of the site's environment that a prefix is, or was."""
        for path in (prefix, os.path.realpath(prefix)):
            for root in (self.site.root, self.real_root):
                if path == root:
                    return "base"
                if os.path.dirname(path) == os.path.join(root, "envs"):
                    return os.path.basename(path)
        return None

    def state(self, note: Provenance) -> str:
        key = (note.source, repr(note.source_state))
        if key not in self.states:
            self.states[key] = parent_state(note)
        return self.states[key]


def _how(note: Provenance) -> str:
    files = note.files if isinstance(note.files, dict) else {}
    if note.thin:
        return "thin"
    return next(
        (how for how, key in (("hard-linked", "hardlinked"), ("reflinked", "reflinked")) if files.get(key)), "copied"
    )


def find_users(site: Site, patterns: Sequence[str], *, registers: bool = True, timeout_seconds: float = 600) -> Found:
    """Every environment of the system's with its clones, base first, then by name; those too that are no more.

    Args:
        patterns: absolute, of users' spaces.
        registers: whether to look into `~/.conda/environments.txt` of those whose spaces were found.
    """
    search = _Search(site, os.path.realpath(site.root), time.monotonic() + timeout_seconds)
    for pattern in patterns:
        for space in search.matches(pattern):
            if search.is_over():
                break
            search.space(space)
    if registers:
        search.registers()
    there = {name for name in search.names(os.path.join(site.root, "envs")) if is_prefix(site.prefix(name))}
    modules = {environment.name: environment.module for environment in site.environments} | {"base": site.base_module}
    names = sorted(there | search.clones.keys() | {"base"}, key=lambda name: (name != "base", name))
    environments = tuple(
        Dependents(
            name,
            site.root if name == "base" else site.prefix(name),
            modules.get(name, ""),
            name in there or name == "base",
            tuple(sorted(search.clones.get(name, ()), key=lambda clone: (clone.owner, clone.prefix))),
        )
        for name in names
    )
    return Found(
        site.root,
        tuple(patterns),
        environments,
        search.spaces,
        search.looked_at,
        search.elsewhere,
        tuple(search.unreadable),
        search.out_of_time,
    )
