"""Thawing: the links of a thin clone that lead to a path become directories and files of the clone's own.

What is needed becomes real and no more: the directories on the way to a path, whose other children are links again. A
thaw is a clone of a part: planned by `plan_clone` over the parent's listing, built by `execute` beside the environment,
and put into the place of the links by `swap`. In an environment without links it gives files inodes of their own.

Nothing of it has to be taken back, by whoever it was for: what is thawed holds what the link led to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from userconda import fsops, journal, locks, probe, processes, swap
from userconda.errors import (
    EnvironmentNotFound,
    FileOperation,
    ProcessesRunning,
    SourceChanged,
    UcenvError,
)
from userconda.execute import Tally, build_part, explained
from userconda.models import (
    Charge,
    Fallback,
    Fit,
    LinkMode,
    QuotaAnswer,
)
from userconda.parallel import Pool
from userconda.plan import check_fit, check_space
from userconda.provenance import FILE_NAME, read_provenance
from userconda.thaw_plan import Part, less
from userconda.thaw_plan import Surroundings as Surroundings
from userconda.thaw_plan import ThawPlan as ThawPlan
from userconda.thaw_plan import directories_to_make as directories_to_make
from userconda.thaw_plan import paths_of as paths_of
from userconda.thaw_plan import plan_thaw as plan_thaw
from userconda.thaw_plan import settle_dead_runs as settle_dead_runs

_NOTHING: Final = Charge(0, 0)

#: `progress(phase, done, total)`.
Progress = Callable[[str, int, int], None]


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
            charged=less(self.tally.charged, plan.freed),
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
