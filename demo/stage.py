"""Where a demonstration plays: a directory of its own, two people, and commands as they type them."""

import contextlib
import hashlib
import importlib.metadata
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]

_ADMIN_UID = 61001
_RESEARCHER_UID = 61002


class StepFailed(Exception):
    """Something the demonstration shows is not so."""


def expect(condition: object, claim: str) -> None:
    if not condition:
        raise StepFailed(claim)


# ------------------------------------------------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class Person:
    """A numeric user; a name is not needed for anything, and no account is made."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        return _name(self.uid) or f"user {self.uid}"


def me() -> Person:
    return Person(os.geteuid(), os.getegid())


def two_people() -> tuple[Person, Person]:
    """An administrator and a researcher who are nobody else on this machine. Only root can act as them."""
    free = (uid for uid in range(_ADMIN_UID, _ADMIN_UID + 1000) if (_name(uid) or "ucenv").startswith("ucenv"))
    admin, researcher = next(free), next(free)
    return Person(admin, admin), Person(researcher, researcher)


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


# -------------------------------------------------------------------------------------------------------- place


@contextlib.contextmanager
def temporary_directory(beside: Path | None, person: Person, *, keep: bool) -> Iterator[Path]:
    """A directory for everything, removed at the end unless `keep`.

    Under $TMPDIR, or in build/ of the checkout where the first is closed to `person`, forbids programs, or is on
    another filesystem than `beside`, from which files are to be linked.
    """
    candidates = (Path(tempfile.gettempdir()).resolve(), CHECKOUT / "build")
    place = next((path for path in candidates if _is_usable(path, beside, person)), candidates[0])
    place.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="ucenv-demo-", dir=place))
    made.chmod(0o755)
    try:
        yield made
    finally:
        if keep:
            print(f"\nKept: {made}")
        else:
            _remove(made)


def _is_usable(directory: Path, beside: Path | None, person: Person) -> bool:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ucenv-demo-", dir=directory) as trial:
            os.chmod(trial, 0o755)
            program = Path(trial, "program")
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
            works = subprocess.run([program], cwd="/", check=False, **identity(person)).returncode == 0
            return works and (beside is None or os.stat(beside).st_dev == os.stat(trial).st_dev)
    except OSError:
        return False


def _remove(directory: Path) -> None:
    """With patience: a background process of a clone may still be deleting its trash in there."""
    for _ in range(20):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)
    shutil.rmtree(directory)


def give(directory: Path, person: Person) -> None:
    """`chown -R` and `chmod -R a+rX`, as an administrator does after an installation: rattler's records are 0600."""
    for path, status in _walk(directory, all_of_base=True):
        os.chown(path, person.uid, person.gid, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(path, stat.S_IMODE(status.st_mode) | (0o555 if status.st_mode & 0o111 else 0o444))


# ----------------------------------------------------------------------------------------------------- commands


def identity(person: Person) -> dict[str, Any]:
    """What subprocess takes to run something as `person`."""
    if person.uid == os.geteuid():
        return {}
    return {"user": person.uid, "group": person.gid, "extra_groups": []}


class Shell:
    """Runs and prints commands as `person` types them."""

    def __init__(self, person: Person, ucenv: Sequence[str], home: Path, settings: Mapping[str, str]) -> None:
        self._person, self._ucenv, self._home = person, ucenv, home
        columns = max(120, shutil.get_terminal_size().columns)
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "COLUMNS": str(columns),
            **settings,
        }
        self._settings = settings

    def show(self, why: str, command: str, *, exit_code: int = 0) -> str:
        """Print a line on what is shown, the command, and what it answers. `$SCRATCH` and its like are expanded.

        Raises:
            StepFailed: it ended with another exit code.
        """
        print(f"\n# {why}\n$ {command}", flush=True)
        done = self.run(command)
        print(done.stdout, end="", flush=True)
        if done.returncode:
            print(f"[exit code {done.returncode}]", flush=True)
        expect(done.returncode == exit_code, f"`{command}` ended with {done.returncode}, not with {exit_code}")
        return done.stdout

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        argv = shlex.split(command)
        for name, value in self._settings.items():
            argv = [word.replace(f"${name}", value) for word in argv]
        if argv[0] == "ucenv":
            argv = [*self._ucenv, *argv[1:]]
        return subprocess.run(
            argv,
            env=self._environment,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            umask=0o022,
            **identity(self._person),
        )


def ucenv_for(person: Person, directory: Path) -> list[str] | None:
    """How `person` starts ucenv: as it is installed, else from a copy in `directory`; None where neither works.

    A checkout or Python below a closed directory (/root) is one that other users cannot read.
    """
    installed = [sys.executable, "-m", "userconda"]
    if person.uid == os.geteuid() or _starts(installed, person):
        return installed
    library = directory / "lib"
    _copy_distribution("ucenv", library, set())
    for name in ("userconda", "shell"):
        shutil.copytree(CHECKOUT / name, library / name, dirs_exist_ok=True)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    start = f"import sys; sys.path.insert(0, {str(library)!r}); from userconda.cli import main; sys.exit(main())"
    for python in (os.path.realpath(sys.executable), f"/usr/bin/{minor}", f"/usr/local/bin/{minor}"):
        if _starts([python, "-c", start], person):
            return [python, "-c", start]
    return None


def _starts(ucenv: Sequence[str], person: Person) -> bool:
    # All that it imports: a directory that is closed may hold one dependency only.
    command = [*ucenv, "config"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SCRATCH": "/"}
    try:
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, check=False, **identity(person))
    except OSError:
        return False
    return bool(done.returncode == 0)


def _copy_distribution(name: str, library: Path, seen: set[str]) -> None:
    """The files of an installed distribution and of what it needs."""
    if name in seen:
        return
    seen.add(name)
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:  # for another Python, by its marker
        return
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            (library / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, library / file)
            (library / file).chmod(0o755 if source.suffix == ".so" else 0o644)
    for requirement in distribution.requires or ():
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
            _copy_distribution(match[0], library, seen)


# -------------------------------------------------------------------------------------------------- measurements


@dataclass(frozen=True, slots=True)
class Charge:
    size_bytes: int
    inodes: int

    def __str__(self) -> str:
        size = f"{self.size_bytes / 1e6:,.1f} MB" if self.size_bytes < 1e8 else f"{self.size_bytes / 1e6:,.0f} MB"
        return f"{size} and {self.inodes:,} inodes"


def charge_of(prefix: Path, person: Person, *but_not: Path) -> Charge:
    """What the person's quota is charged for `prefix`, beyond `but_not`: blocks of each inode of theirs, once."""
    before = {inode for other in but_not for inode in _inodes(other)}
    charged = {
        inode: status
        for inode, status in _inodes(prefix).items()
        if status.st_uid == person.uid and inode not in before
    }
    return Charge(sum(status.st_blocks * 512 for status in charged.values()), len(charged))


def charged_inodes(prefix: Path, person: Person) -> set[tuple[int, int]]:
    """Device and number of each inode of the person's in `prefix`."""
    return {inode for inode, status in _inodes(prefix).items() if status.st_uid == person.uid}


def full_charge(prefix: Path) -> Charge:
    """What a copy of all of it would be charged."""
    inodes = _inodes(prefix).values()
    return Charge(sum(status.st_blocks * 512 for status in inodes), len(inodes))


def _inodes(prefix: Path) -> dict[tuple[int, int], os.stat_result]:
    return {(status.st_dev, status.st_ino): status for _, status in _walk(prefix)}


_NOT_OF_BASE = {"pkgs", "envs", "conda-bld"}


def _walk(prefix: Path, *, all_of_base: bool = False) -> Iterator[tuple[str, os.stat_result]]:
    yield str(prefix), os.lstat(prefix)
    for parent, directories, files in os.walk(prefix):
        if parent == str(prefix) and (prefix / "envs").is_dir() and not all_of_base:
            directories[:] = [name for name in directories if name not in _NOT_OF_BASE]
        for name in (*directories, *files):
            path = os.path.join(parent, name)
            yield path, os.lstat(path)


def fingerprint(prefix: Path, *, contents: bool) -> dict[str, tuple[object, ...]]:
    """All that a clone must not change: type, mode, owner, size, mtime, link target and, if asked, content."""
    found: dict[str, tuple[object, ...]] = {}
    for path, status in _walk(prefix):
        facts: list[object] = [status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns]
        if stat.S_ISLNK(status.st_mode):
            facts.append(os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            facts.append(status.st_size)
            if contents:
                facts.append(hashlib.sha256(Path(path).read_bytes()).digest())
        found[path] = tuple(facts)
    return found
