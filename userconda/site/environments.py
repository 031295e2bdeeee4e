"""The environments of a site: which are there, and those that are not made by its own conda, one after another.

What is under way is noted beside the environments, in `envs/.ucenv/making`, before the first file and until the last.
So a half-made environment of ours is known as such after a power loss, and what others began is never removed.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from userconda import fsops, locks, processes
from userconda.environments import versions_of
from userconda.errors import LockTimeout, UcenvError, UsageError
from userconda.site.definition import Site, SiteEnvironment
from userconda.site.permissions import execute_permissions, plan_permissions
from userconda.site.pins import write_pinned
from userconda.site.program import Program, run

#: name, `=version` or `==version`; with a channel before, and a build after.
_SPEC: Final = re.compile(
    r"(?:[^\s\[]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?:\s*(?P<how>={1,2}|\s)\s*(?P<version>[\w.+!-]+?)(?P<star>\.?\*)?)?"
    r"(?P<build>[=\s][^\s=]+)?\s*"
)
_NAME: Final = re.compile(r"(?:[^\s\[]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")

#: What conda leaves of a transaction that was killed (see `prefixes`).
_TRACES: Final = (".condatmp",)


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """One environment of `site.toml`, and what is to be done about it.

    Attributes:
        state: missing, exists, differs (from what was asked), half-made (by us, and to be made again), under way, or
            foreign (what is there is no finished environment, and not our doing).
        action: make, make again, freeze, or "" for nothing.
        notes: what differs, and what could not be judged.
        frozen: conda refuses changes in it.
    """

    environment: SiteEnvironment
    prefix: str
    state: str
    action: str = ""
    notes: tuple[str, ...] = ()
    frozen: bool = False

    @property
    def name(self) -> str:
        return self.environment.name

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "prefix": self.prefix,
            "module": self.environment.module,
            "packages": list(self.environment.packages),
            "channels": list(self.environment.channels),
            "state": self.state,
            "action": self.action,
            "frozen": self.frozen,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class EnvironmentsPlan:
    root: str
    environments: tuple[EnvironmentPlan, ...]

    @property
    def to_make(self) -> tuple[EnvironmentPlan, ...]:
        return tuple(plan for plan in self.environments if plan.action.startswith("make"))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{plan.name}: {note}" for plan in self.environments for note in plan.notes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one environment.

    Attributes:
        done: made, made again, frozen, failed, under way, foreign, missing, differs or exists.
        exit_code: of the program, where it failed.
        last_lines: what it said at the end.
        log: all that it said.
    """

    plan: EnvironmentPlan
    done: str
    reason: str = ""
    exit_code: int | None = None
    last_lines: tuple[str, ...] = ()
    log: str = ""

    @property
    def failed(self) -> bool:
        return self.done in ("failed", "under way") or (self.done == "foreign" and bool(self.plan.environment.packages))

    def to_json(self) -> dict[str, Any]:
        return {
            **self.plan.to_json(),
            "done": self.done,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "last_lines": list(self.last_lines),
            "log": self.log,
        }


# deciding -------------------------------------------------------------------------------------------------------


def plan_environments(site: Site, names: Sequence[str] = (), *, freeze: bool = False) -> EnvironmentsPlan:
    """What there is of a site's environments, by the names of their records.

    Args:
        names: only these; all where empty.
        freeze: all of them, also where `site.toml` does not say so.

    Raises:
        UsageError: `site.toml` has no such environment.
    """
    known = [environment.name for environment in site.environments]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known) or 'none'}"
            raise UsageError(f"{site.path} has no environment {name!r}", hint)
    chosen = [environment for environment in site.environments if not names or environment.name in names]
    return EnvironmentsPlan(site.root, tuple(_plan(site, environment, freeze=freeze) for environment in chosen))


def _plan(site: Site, environment: SiteEnvironment, *, freeze: bool, locked: bool = False) -> EnvironmentPlan:
    prefix = site.prefix(environment.name)
    marker = _Marker(prefix)
    wanted, again = ("make", "make again") if environment.packages else ("", "")
    plan = EnvironmentPlan(environment, prefix, "missing")
    if maker := marker.maker(locked=locked):
        return replace(plan, state="under way", notes=(f"{maker} is making it",))
    if not os.path.lexists(prefix):
        notes: tuple[str, ...] = () if wanted else ("it has no `packages` in site.toml, so it is made by hand",)
        return replace(plan, action=wanted, notes=notes)
    if marker.exists():
        return replace(plan, state="half-made", action=again)
    versions = versions_of(prefix)
    if versions is None or not os.path.lexists(os.path.join(prefix, "conda-meta", "history")):
        note = "what is there is no finished environment and was not begun by ucenv; it is left alone"
        return replace(plan, state="foreign", notes=(note,))
    differing, unjudged = _differences(environment.packages, versions)
    traces = [name for name in _TRACES if os.path.lexists(os.path.join(prefix, name))]
    notes = (*differing, *unjudged, *(f"{name} in it is of an interrupted conda" for name in traces))
    frozen = os.path.lexists(os.path.join(prefix, "conda-meta", "frozen"))
    action = "freeze" if (freeze or environment.freeze) and not frozen else ""
    return replace(plan, state="differs" if differing else "exists", action=action, notes=notes, frozen=frozen)


def _differences(packages: Sequence[str], versions: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What was asked and is not there, and what cannot be judged: by name and version alone, not by ranges, builds,
    and channels."""
    differing, unjudged = list[str](), list[str]()
    for spec in packages:
        named, exact = _NAME.match(spec), _SPEC.fullmatch(spec)
        name = named[1].lower() if named else ""
        have = versions.get(name)
        if have is None:
            (differing if named else unjudged).append(
                f"{spec} was asked, it has no {name}" if named else f"{spec!r} is not judged"
            )
        elif exact is None:
            unjudged.append(f"whether {name} {have} is {spec!r} is not judged")
        elif exact["version"] and not _is_version(have, exact["version"], _is_exact(exact)):
            differing.append(f"{spec} was asked, it has {have}")
    return differing, unjudged


def _is_exact(spec: re.Match[str]) -> bool:
    """`=1.2` alone is fuzzy for conda; `==1.2`, ` 1.2` and `=1.2=build` are not."""
    return not spec["star"] and (spec["how"] != "=" or bool(spec["build"]))


def _is_version(have: str, asked: str, exact: bool) -> bool:
    """3.9 is asked by `=3.9`, as is 3.9.1, and not 3.90."""
    return have == asked or (not exact and have.startswith(asked.rstrip(".") + "."))


# marking --------------------------------------------------------------------------------------------------------


class _Marker:
    """The note that an environment is being made by us, and by which process."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        directory, name = os.path.split(prefix)
        self.state = os.path.join(directory, ".ucenv")
        self.path = os.path.join(self.state, "making", name)
        self.lock = os.path.join(self.state, "locks", f"{name}.lock")
        self.trash = os.path.join(self.state, "trash")

    def exists(self) -> bool:
        return os.path.lexists(self.path)

    def maker(self, *, locked: bool) -> str:
        """Who is making it, in words: ucenv, or a conda that has outlived it, as far as this host's processes tell.

        Args:
            locked: the lock is ours.
        """
        for path in (self.path,) if locked else (self.lock, self.path):
            holder = locks.read_holder(path)
            if holder is not None and locks.is_alive(holder):
                return str(holder)
        return ""

    def write(self, pid: int | None = None) -> None:
        """
        Raises:
            FileOperation, NotEnoughSpace, QuotaExceeded: it could not be written.
        """
        holder = locks.this_process()
        if pid is not None:
            holder = replace(holder, pid=pid, started=processes.start_time(pid))
        directory = os.path.dirname(self.path)
        try:
            fsops.make_directories(directory)
        except OSError as exc:
            raise fsops.failure("making the directory", directory, exc) from None
        fsops.write_file(self.path, json.dumps({n: getattr(holder, n) for n in locks.Holder.__slots__}).encode())
        fsops.sync_directory(directory)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        fsops.sync_directory(os.path.dirname(self.path))

    def discard(self) -> None:
        """Take what is half-made out of the way at once, then delete it."""
        fsops.set_aside(self.prefix, self.trash)
        self.empty_trash()

    def empty_trash(self) -> None:
        with contextlib.suppress(OSError):  # what cannot be deleted now is tried again by the next run
            for name in os.listdir(self.trash):
                fsops.remove_tree(os.path.join(self.trash, name))


# acting ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Making:
    """How environments are made.

    Attributes:
        program: None where only to freeze.
        environment: variables of the program's run.
        log_directory: has a file for each environment.
        show: is given what the program says, as it comes.
        tell: is given which environment is next.
    """

    program: Program | None
    environment: Mapping[str, str]
    log_directory: str
    freeze: bool = False
    show: Callable[[str], None] | None = None
    tell: Callable[[str], None] = lambda text: None


def execute_environments(site: Site, plan: EnvironmentsPlan, making: Making) -> list[Outcome]:
    """Make what is missing, freeze what is to be frozen. A failure of one does not stop the others.

    Raises:
        FileOperation, NotEnoughSpace, ...: nothing can be noted or logged, for none of them.
    """
    outcomes = []
    for number, entry in enumerate(plan.environments, 1):
        if entry.action.startswith("make"):
            making.tell(f"[{number}/{len(plan.environments)}] {entry.name}: {' '.join(entry.environment.packages)}")
            outcomes.append(_make_locked(site, entry, making))
        elif entry.action == "freeze":
            outcomes.append(_freeze_only(entry))
        else:
            outcomes.append(Outcome(entry, entry.state))
        if outcomes[-1].done == "failed":
            making.tell(f"{entry.name}: {outcomes[-1].reason}")
    return outcomes


def create_command(program: Program, plan: EnvironmentPlan) -> list[str]:
    """The channels of the group go before those of the condarc, the first one first: so `-c` does it in all three."""
    channels = [word for channel in plan.environment.channels for word in ("-c", channel)]
    return [program.path, "create", "--yes", "--prefix", plan.prefix, *channels, "--", *plan.environment.packages]


def _make_locked(site: Site, plan: EnvironmentPlan, making: Making) -> Outcome:
    marker = _Marker(plan.prefix)
    try:
        lease = locks.acquire(marker.lock)
    except LockTimeout as exc:
        return Outcome(plan, "under way", f"{exc.holder} is making it")
    try:
        now = _plan(site, plan.environment, freeze=making.freeze, locked=True)  # another run may have been faster
        if not now.action.startswith("make"):
            return Outcome(now, now.state, "; ".join(now.notes))
        if marker.exists():
            marker.discard()
        try:
            return _make(site, now, making, marker, lease)
        except UcenvError as exc:
            return Outcome(now, "failed", exc.message)
    finally:
        lease.release()


def _make(site: Site, plan: EnvironmentPlan, making: Making, marker: _Marker, lease: locks.Lease) -> Outcome:
    assert making.program is not None
    log = os.path.join(making.log_directory, f"{plan.name}.log")
    with contextlib.suppress(FileNotFoundError):
        os.replace(log, f"{log}.old")
    marker.write()
    fsops.sync_directory(marker.state)
    ran = run(
        create_command(making.program, plan), making.environment, log,
        show=making.show, started=marker.write, beat=lease.beat,
    )  # fmt: skip
    done = "made again" if plan.action == "make again" else "made"
    reason = ""
    if ran.exit_code:
        how = f"signal {-ran.exit_code}" if ran.exit_code < 0 else f"exit code {ran.exit_code}"
        reason = f"{os.path.basename(making.program.path)} ended with {how}"
    elif not os.path.lexists(os.path.join(plan.prefix, "conda-meta", "history")):
        reason = f"{os.path.basename(making.program.path)} ended well and made no environment"
    if not reason:
        try:
            _finish(site, plan.prefix, freeze=making.freeze or plan.environment.freeze)
        except UcenvError as exc:
            reason = exc.message
    if reason:
        # What it made so far would be taken for an environment.
        marker.discard()
        marker.remove()
        return Outcome(plan, "failed", reason, ran.exit_code, ran.last_lines, log)
    marker.remove()
    return Outcome(plan, done, log=log)


def _finish(site: Site, prefix: str, *, freeze: bool) -> None:
    """What makes it the site's: pins, readable by all, and closed to changes where that is wanted."""
    write_pinned(prefix, site.pins)
    if freeze:
        _freeze(prefix)
    execute_permissions(plan_permissions(prefix))


def _freeze(prefix: str) -> None:
    """conda 25.9 and later refuse to change it: CEP 22. Others ignore the file."""
    name = os.path.basename(prefix)
    message = f"It is the site's, for everyone. A variant of your own: ucenv clone {name} mine"
    path = os.path.join(prefix, "conda-meta", "frozen")
    fsops.write_file(path, (json.dumps({"message": message}) + "\n").encode())
    os.chmod(path, 0o644)  # users' conda reads it too


def _freeze_only(plan: EnvironmentPlan) -> Outcome:
    try:
        _freeze(plan.prefix)
    except UcenvError as exc:
        return Outcome(plan, "failed", exc.message)
    return Outcome(replace(plan, frozen=True), "frozen")
