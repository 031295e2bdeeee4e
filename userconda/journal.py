"""A durable note of the run in flight, and the directories that runs use beside an `envs` directory.

A clone's note holds its staging directory, its target and who makes it: rename(2) decides everything else. That of a
thaw, which changes an environment that is there, holds its steps too.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from typing import Any, Final

from userconda import fsops
from userconda.errors import InterruptedRun, SpaceNotWritable

VERSION: Final = 1

#: Who takes a lease adds host, pid and token to its name, and a name may have 255 bytes.
_LONGEST_LABEL: Final = 100


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Where runs that make prefixes in one directory keep what is not a prefix: `<user space>/.ucenv`.

    It is beside `envs`, not in it: conda shows what is in there as environments.
    """

    path: str

    @classmethod
    def beside(cls, target_prefix: str) -> StateDirectory:
        """On the target's own filesystem, also where `envs` is a symlink or a mount point: the clone is renamed.

        In a directory that several users share each has one: who may write another's could name any directory in it.
        """
        parent = os.path.realpath(os.path.dirname(target_prefix))
        is_envs = os.path.basename(parent) == "envs" and not os.path.ismount(parent)
        path = os.path.join(os.path.dirname(parent) if is_envs else parent, ".ucenv")
        return cls(path if not os.path.lexists(path) or is_ours(path) else f"{path}-{os.geteuid()}")

    @property
    def staging(self) -> str:
        return os.path.join(self.path, "staging")

    @property
    def trash(self) -> str:
        return os.path.join(self.path, "trash")

    @property
    def journals(self) -> str:
        return os.path.join(self.path, "journal")

    def lease(self, target_prefix: str) -> str:
        """By name, and by directory: two runs may make the same name in two directories that share the state."""
        parent, name = os.path.split(target_prefix)
        label = f"{os.path.basename(os.path.realpath(parent))}.{name}"
        if len(os.fsencode(label)) > _LONGEST_LABEL:
            label = hashlib.sha256(os.fsencode(label)).hexdigest()
        return os.path.join(self.path, "locks", f"{label}.lease")

    def tidy(self) -> None:
        """Leave nothing of it where it was made for one `--prefix`; beside an `envs` it stays.

        The locks go first: while another run holds one, that directory is not empty.
        """
        if os.path.isdir(os.path.join(os.path.dirname(self.path), "envs")):
            return
        for path in (os.path.join(self.path, "locks"), self.staging, self.trash, self.journals, self.path):
            try:
                os.rmdir(path)
            except FileNotFoundError:
                continue
            except OSError:  # ENOTEMPTY: somebody else's run, or trash for a later command
                return

    def make(self) -> None:
        """
        Raises:
            SpaceNotWritable: it cannot be made, or is a symlink or another user's.
            NotEnoughSpace, NotEnoughInodes, QuotaExceeded
        """
        try:
            fsops.make_directories(os.path.dirname(self.path))
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path, 0o700)  # who may write a half-made clone would decide what is in the whole one
            for path in (self.staging, self.trash, self.journals):
                fsops.make_directories(path)
        except OSError as exc:
            raise fsops.not_writable(self.path, exc) from None
        self.check()

    def check(self) -> None:
        """Raise SpaceNotWritable where a part of it is a symlink or another user's: nothing in there is to be acted on
        or deleted."""
        for path in (self.path, self.staging, self.trash, self.journals):
            if os.path.lexists(path) and not is_ours(path):
                raise SpaceNotWritable(path, errno.EPERM)


def is_ours(path: str) -> bool:
    """Whether it is a directory, not a link to one, of this user's."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class Journal:
    """One clone or thaw in flight.

    Attributes:
        kind: "clone" or "thaw".
        directories: of a thaw: the links that directories take the place of, in that order; see `swap`.
    """

    path: str
    token: str
    staging: str
    target: str
    lease: str
    kind: str = "clone"
    version: int = VERSION
    directories: tuple[str, ...] = ()

    def write(self) -> None:
        """The directory is made again if need be: another run that ended may just have tidied it away."""
        fsops.make_directories(os.path.dirname(self.path))
        document = {name: value for name, value in asdict(self).items() if name != "path"}
        fsops.write_file(self.path, json.dumps(document).encode())

    def close(self) -> None:
        """The run is over. Where the note cannot be removed, `recover` finds that it is."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def read_journal(path: str) -> Journal | None:
    """None where it is gone: its run has ended.

    Raises:
        InterruptedRun: not written by a version of ucenv that this one understands.
    """
    try:
        with open(path, "rb") as stream:
            document: dict[str, Any] = json.load(stream)
        document["directories"] = tuple(document.get("directories", ()))
        journal = Journal(path=path, **document)
        place = os.path.realpath(os.path.dirname(journal.staging))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        raise InterruptedRun(path, f"it cannot be read ({exc})") from None
    beside = os.path.join(os.path.dirname(os.path.dirname(path)), "staging")
    if place != os.path.realpath(beside):
        raise InterruptedRun(path, f"the staging directory it names is not in {beside}")
    if journal.version != VERSION or journal.kind not in ("clone", "thaw"):
        raise InterruptedRun(path, f"it was written by another version of ucenv ({journal.kind} {journal.version})")
    return journal


def find_journals(state: StateDirectory) -> list[str]:
    try:
        names = sorted(os.listdir(state.journals))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise fsops.failure("listing", state.journals, exc) from None
    return [os.path.join(state.journals, name) for name in names if name.endswith(".json")]


def find_runs(state: StateDirectory, target_prefix: str) -> list[Journal]:
    """The notes of runs that were to make one prefix. What nobody can read is of some other run, and `recover`'s."""
    found = []
    for path in find_journals(state):
        with contextlib.suppress(InterruptedRun):
            note = read_journal(path)
            if note is not None and note.target == target_prefix:
                found.append(note)
    return found
