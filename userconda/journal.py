"""A durable note of the run in flight, and the directories that runs use beside an `envs` directory.

A clone's note holds its staging directory, its target and who makes it: rename(2) decides everything else.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Final

from userconda import fsops
from userconda.errors import InterruptedRun

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """Where runs that make prefixes in one directory keep what is not a prefix: `<user space>/.ucenv`.

    It is beside `envs`, not in it: conda shows what is in there as environments.
    """

    path: str

    @classmethod
    def beside(cls, target_prefix: str) -> StateDirectory:
        parent = os.path.dirname(target_prefix)
        return cls(os.path.join(os.path.dirname(parent) if os.path.basename(parent) == "envs" else parent, ".ucenv"))

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
        return os.path.join(self.path, "locks", f"{os.path.basename(parent)}.{name}.lease")

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
        try:
            for path in (self.staging, self.trash, self.journals):
                fsops.make_directories(path)
        except OSError as exc:
            raise fsops.not_writable(self.path, exc) from None


@dataclass(frozen=True, slots=True)
class Journal:
    """One clone in flight."""

    path: str
    token: str
    staging: str
    target: str
    lease: str
    kind: str = "clone"
    version: int = VERSION

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
        journal = Journal(path=path, **document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        raise InterruptedRun(path, f"it cannot be read ({exc})") from None
    if journal.version != VERSION or journal.kind != "clone":
        raise InterruptedRun(path, f"it was written by another version of ucenv ({journal.kind} {journal.version})")
    return journal


def find_journals(state: StateDirectory) -> list[str]:
    try:
        names = sorted(os.listdir(state.journals))
    except FileNotFoundError:
        return []
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
