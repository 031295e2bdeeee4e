"""`ucenv clone`, from the request to the result: read, try, look, plan, decide, execute."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from userconda import probe, thin
from userconda.analysis import analyse
from userconda.contents import find_holding, find_scripts, held_prefixes
from userconda.errors import (
    NotEnoughInodes,
    NotEnoughSpace,
    ParentGone,
    SourceChanged,
    SourceIncomplete,
    TargetExists,
    ThinRefused,
    TooDear,
    UsageError,
)
from userconda.execute import Tally, execute_clone
from userconda.models import (
    Analysis,
    Capabilities,
    Charge,
    ClonePlan,
    CloneRequest,
    CloneResult,
    Content,
    Fallback,
    FileCounts,
    Fit,
    LinkMode,
    PrefixSnapshot,
    QuotaAnswer,
    Refusal,
    WhenRefused,
)
from userconda.parallel import Pool
from userconda.plan import check_fit, check_links, check_space, files_to_look_at, plan_clone
from userconda.prefixes import is_prefix, package_directories, read_prefix
from userconda.provenance import read_provenance
from userconda.recorded import check_records
from userconda.twins import clones_of, find_twins
from userconda.units import format_bytes, format_count, printable

#: Refused links are worth a question when copying instead costs more than this share of the environment.
_WORTH_ASKING = 0.05

#: `progress(phase, done, total)`; total 0 where it is not known yet. Phases: reading, looking, asking, cloning.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the configuration a clone needs.

    Attributes:
        clones: the user's environments, among which may be earlier clones.
        own_copy_share: percent of the remaining quota.
        analyses: files where an analysis of the source may be kept; the last one is the user's to write.
        check_fit: whether what has no room is refused before anything is made.
        read_quotas: asks one quota command about a directory.
    """

    package_caches: tuple[str, ...]
    own_caches: tuple[str, ...]
    clones: Sequence[str]
    when_refused: WhenRefused
    own_copy_share: int
    operations_in_flight: int
    source_is_base: bool
    analyses: tuple[str, ...] = ()
    check_fit: bool = True
    read_quotas: Callable[[str], QuotaAnswer] | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What a user is asked to choose between where links are refused.

    Attributes:
        thin: None where no thin clone may be made.
    """

    source_name: str
    files: int
    all_files: int
    reason: str
    own_copy: Charge
    thin: Charge | None = None


#: Asks the user: OWN_COPY, THIN, or FAIL for neither.
Choose = Callable[[Prices], WhenRefused]


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read of the source: enough for any plan."""

    snapshot: PrefixSnapshot
    prefixes: tuple[str, ...]
    holding: set[str]


def _silent(phase: str, done: int, total: int) -> None:
    return None


def clone(
    request: CloneRequest,
    surroundings: Surroundings,
    *,
    dry_run: bool = False,
    choose: Choose | None = None,
    progress: Progress = _silent,
) -> CloneResult:
    """Clone an environment, or tell what it would cost.

    Args:
        choose: None where nobody can be asked.
    """
    started = time.monotonic()
    _check_places(request, surroundings)
    pool = Pool(surroundings.operations_in_flight)
    if request.thin:
        kept = thin.find_analysis(request.source_prefix, surroundings.analyses, request.private, pool)
        if kept is not None and kept.snapshot.is_base is surroundings.source_is_base:
            # What a look at listings does not show, as an owner far down, the clone itself finds: then it is read anew.
            with contextlib.suppress(SourceChanged, ThinRefused):
                return _clone_thin(request, surroundings, kept, pool, dry_run, progress, started)
    links_to, linked = _inherited(request)
    source = _read_source(
        request.source_prefix, surroundings.source_is_base, surroundings.package_caches, pool, progress
    )
    if request.thin:
        analysis = analyse_source(source.snapshot, source.prefixes, source.holding, request.private)
        del source
        if surroundings.analyses:
            thin.try_to_keep(analysis, surroundings.analyses[-1])
        return _clone_thin(request, surroundings, analysis, pool, dry_run, progress, started)
    capabilities = probe.probe_pair(source.snapshot, os.path.dirname(request.target_prefix))
    plan = make_plan(request, surroundings, source, capabilities, pool)
    if links_to:
        plan = dataclasses.replace(plan, links_to=links_to, inherited=linked)
    explain = _Explain(request, source.snapshot, capabilities)
    check_links(plan, explain.errno)
    refused = _dear_refusals(plan)
    instead = _thin_choice(request, source, links_to) if refused else None
    del source
    other = _plan_thin(request, surroundings, instead, capabilities) if instead else None
    fit, no_room = None, None
    try:
        fit = _check_fit(plan, capabilities, surroundings)
    except (NotEnoughSpace, NotEnoughInodes) as exc:
        if other is None or dry_run:
            raise
        no_room = exc  # there may be room for the thin one
    seconds = time.monotonic() - started
    if dry_run:
        return _with(_planned(plan, explain, seconds, fit.warnings if fit else ()), fit, other)
    progress("asking", 0, 0)
    quota_bytes = capabilities.quota_bytes if fit is None or fit.quota_bytes is None else fit.quota_bytes
    choice, notes = _decide(plan, other, refused, quota_bytes, surroundings, explain, choose)
    if choice is WhenRefused.THIN and instead is not None:
        return _clone_thin(request, surroundings, instead, pool, dry_run, progress, time.monotonic() - seconds)
    if no_room is not None:
        raise no_room
    started = time.monotonic()  # what the user took to answer is not the clone's time
    tally = execute_clone(plan, pool, lambda done, total: progress("cloning", done, total))
    seconds += time.monotonic() - started
    notes = [*notes, *(fit.warnings if fit else ())]
    return _with(_result(plan, tally, explain, notes, seconds), fit, other)


def _with(result: CloneResult, fit: Fit | None, other: ClonePlan | None) -> CloneResult:
    return dataclasses.replace(result, fit=fit, thin=other.charge if other else None)


def _clone_thin(
    request: CloneRequest,
    surroundings: Surroundings,
    analysis: Analysis,
    pool: Pool,
    dry_run: bool,
    progress: Progress,
    started: float,
) -> CloneResult:
    """
    Raises:
        ThinRefused: what the clone's conda removed could be removed in the source.
    """
    if (reason := _why_not_thin(request.source_prefix, analysis)) is not None:
        raise ThinRefused(request.source_name, reason)
    capabilities = probe.probe_pair(analysis.snapshot, os.path.dirname(request.target_prefix))
    plan = _plan_thin(request, surroundings, analysis, capabilities)
    explain = _Explain(request, analysis.snapshot, capabilities)
    fit = _check_fit(plan, capabilities, surroundings)
    warnings = [*(fit.warnings if fit else ())]
    if analysis.uncompiled:
        modules = format_count(analysis.uncompiled, "module")
        warnings.append(f"not compiled in linked directories, where Python can keep no .pyc: {modules}")
    if dry_run:
        return _with(_planned(plan, explain, time.monotonic() - started, warnings), fit, None)
    tally = execute_clone(plan, pool, lambda done, total: progress("cloning", done, total))
    return _with(_result(plan, tally, explain, warnings, time.monotonic() - started), fit, None)


def _why_not_thin(prefix: str, analysis: Analysis) -> str | None:
    note = read_provenance(prefix)
    if note is not None and note.thin:
        return f"it has links into {printable(note.links_to)} itself; clone that one, or this one without --thin"
    if (place := thin.writable_place(analysis)) is not None:
        who = "as root you" if os.geteuid() == 0 else "you"
        return f"{who} may write to {printable(place)}, and what is removed in the clone would be removed there"
    return None


def _thin_choice(request: CloneRequest, source: _Source, links_to: str) -> Analysis | None:
    """The analysis for a thin clone, where one may be made instead."""
    if links_to:
        return None
    analysis = analyse_source(source.snapshot, source.prefixes, source.holding, request.private)
    return analysis if analysis.linked and _why_not_thin(request.source_prefix, analysis) is None else None


def analyse_prefix(
    prefix: str, *, is_base: bool, package_caches: Sequence[str], private: tuple[str, ...], pool: Pool
) -> Analysis:
    """What thin clones of an environment will need to know, read anew.

    Raises:
        NotAPrefix, CorruptRecord, PathEscapesPrefix, PrefixInUse, SourceChanged, FileOperation.
    """
    source = _read_source(prefix, is_base, package_caches, pool, _silent)
    return analyse_source(source.snapshot, source.prefixes, source.holding, private)


def analyse_source(
    snapshot: PrefixSnapshot, prefixes: tuple[str, ...], holding: Set[str], private: tuple[str, ...]
) -> Analysis:
    return analyse(snapshot, prefixes=prefixes, holding=holding, scripts=find_scripts(snapshot), private=private)


def _plan_thin(
    request: CloneRequest, surroundings: Surroundings, analysis: Analysis, capabilities: Capabilities
) -> ClonePlan:
    return plan_clone(
        dataclasses.replace(request, thin=True),
        analysis.snapshot,
        capabilities,
        prefixes=analysis.prefixes,
        holding=analysis.holding,
        package_directories=lambda record: package_directories(record, surroundings.package_caches),
        links_to=os.path.realpath(request.source_prefix),
        linked=analysis.linked,
        programs=analysis.programs,
    )


def _inherited(request: CloneRequest) -> tuple[str, tuple[tuple[str, int], ...]]:
    """Where links lead that the source has itself, and which of its directories are such links.

    Raises:
        ParentGone: they lead nowhere.
        ParentWritable: where they lead this user may write by now.
    """
    if request.thin:
        return "", ()
    note = thin.check_guard(request.source_prefix)
    if note and not is_prefix(note.links_to):
        raise ParentGone(request.source_prefix, note.links_to)
    if note:
        check_records(request.source_prefix)
    return (note.links_to, tuple(zip(note.linked, note.linked_bytes, strict=False))) if note else ("", ())


def _check_fit(plan: ClonePlan, capabilities: Capabilities, surroundings: Surroundings) -> Fit | None:
    """None where it is not to be asked, or nothing is charged."""
    if not surroundings.check_fit or plan.charge == Charge(0, 0):
        return None
    check_space(plan, capabilities)
    read = surroundings.read_quotas
    answer = read(os.path.dirname(plan.request.target_prefix)) if read else QuotaAnswer()
    return check_fit(plan, capabilities, answer)


def _read_source(prefix: str, is_base: bool, package_caches: Sequence[str], pool: Pool, progress: Progress) -> _Source:
    """Everything that has to be read before a decision."""
    snapshot = read_prefix(
        prefix,
        pool,
        is_base=is_base,
        package_caches=package_caches,
        on_tick=lambda done: progress("reading", done, 0),
    )
    progress("looking", 0, 0)
    prefixes = held_prefixes(snapshot)
    try:
        holding = find_holding(snapshot, files_to_look_at(snapshot), prefixes, pool)
    except SourceIncomplete as exc:  # the plan may know of more that cannot be read: they are told of together
        holding, snapshot = set(), dataclasses.replace(snapshot, unreadable=(*snapshot.unreadable, *exc.paths))
    return _Source(snapshot, prefixes, holding)


def make_plan(
    request: CloneRequest, surroundings: Surroundings, source: _Source, capabilities: Capabilities, pool: Pool
) -> ClonePlan:
    snapshot = source.snapshot
    twins = {}
    refused = [bool(verdict.link_errno) for verdict in capabilities.verdicts]
    if request.link_mode is None and any(refused):
        clones = [c for c in clones_of(snapshot, surroundings.clones) if os.path.realpath(c) != snapshot.prefix]
        place = probe.existing_ancestor(os.path.dirname(request.target_prefix))
        device = os.stat(place).st_dev
        twins = find_twins(snapshot, refused.__getitem__, clones, surroundings.own_caches, device, pool)
    return plan_clone(
        request,
        snapshot,
        capabilities,
        prefixes=source.prefixes,
        holding=source.holding,
        twins=twins,
        package_directories=lambda record: package_directories(record, surroundings.package_caches),
        links_to=os.path.realpath(request.source_prefix) if request.link_mode is LinkMode.SYMLINK else "",
    )


def _check_places(request: CloneRequest, surroundings: Surroundings) -> None:
    if os.path.lexists(request.target_prefix):
        raise TargetExists(request.target_prefix)
    source, target = os.path.realpath(request.source_prefix), os.path.realpath(request.target_prefix)
    own_envs = surroundings.source_is_base and target.startswith(os.path.join(source, "envs", ""))
    if (target + "/").startswith(source + "/") and not own_envs:
        raise UsageError(f"{request.target_prefix} would be inside its own source", "choose a place outside of it")
    if ":" in request.target_prefix:
        raise UsageError(
            f"{request.target_prefix} has a ':', which PATH and conda cannot take", "choose a place or name without it"
        )


class _Explain:
    """Why links are refused, in words, with the owner of the files that were refused for it."""

    def __init__(self, request: CloneRequest, snapshot: PrefixSnapshot, capabilities: Capabilities) -> None:
        # The classes and not the snapshot: it is large, and not needed once the plan is made.
        self._classes, self._source, self._capabilities = snapshot.classes, snapshot.prefix, capabilities
        self._place = probe.existing_ancestor(os.path.dirname(request.target_prefix))

    def errno(self, code: int) -> str:
        kinds = zip(self._classes, self._capabilities.verdicts, strict=True)
        kind = next((kind for kind, verdict in kinds if verdict.link_errno == code), None)
        return probe.reason_for(code, kind, self._source, self._place)


def _dear_refusals(plan: ClonePlan) -> list[Refusal]:
    """What would be copied because links are refused, where that is worth a question."""
    copied = [r for r in plan.refusals if r.to in (LinkMode.COPY, LinkMode.REFLINK)]
    dear = sum(refusal.size_bytes for refusal in copied) > _WORTH_ASKING * plan.size_bytes
    return copied if plan.request.link_mode is None and dear else []


def _decide(
    plan: ClonePlan,
    other: ClonePlan | None,
    refused: Sequence[Refusal],
    quota_bytes: int | None,
    surroundings: Surroundings,
    explain: _Explain,
    choose: Choose | None,
) -> tuple[WhenRefused, list[str]]:
    """What is done about links that are refused.

    Args:
        other: a thin clone, where one may be made.
        quota_bytes: what a quota leaves, where one is known.

    Returns:
        OWN_COPY or THIN, and what the user should know of the decision.

    Raises:
        TooDear: nothing is.
    """
    if not refused:
        return WhenRefused.OWN_COPY, []
    reason, name = explain.errno(refused[0].errno), plan.request.source_name
    price, thin_price = _price(plan.charge), _price(other.charge) if other else ""
    wanted = surroundings.when_refused
    if wanted is WhenRefused.ASK and choose is not None:
        prices = Prices(
            name, sum(r.files for r in refused), plan.files, reason, plan.charge, other.charge if other else None
        )
        wanted = choose(prices)
        if wanted is WhenRefused.FAIL:
            raise TooDear(name, "you chose not to", price, thin_price)
    if wanted is WhenRefused.THIN and other is not None:
        return wanted, []
    if wanted is WhenRefused.THIN:
        return WhenRefused.OWN_COPY, ["no thin clone can be made of it; the own copy was"]
    if wanted is WhenRefused.OWN_COPY:
        return wanted, []
    why = f"its files cannot be hard-linked: {reason}"
    if wanted is WhenRefused.FAIL:
        raise TooDear(name, f"{why}; clone.when_refused is fail", price, thin_price)
    if quota_bytes is None:
        return WhenRefused.OWN_COPY, ["how much quota is left is not known here; the own copy was made all the same"]
    if plan.charge.size_bytes * 100 > quota_bytes * surroundings.own_copy_share:
        raise TooDear(
            name,
            f"{why}; a copy would take more than {surroundings.own_copy_share} % of the {format_bytes(quota_bytes)} "
            "that the quota leaves (clone.own_copy_share)",
            price,
            thin_price,
        )
    return WhenRefused.OWN_COPY, []


def _price(charge: Charge) -> str:
    return f"{format_bytes(charge.size_bytes)} and {format_count(charge.inodes, 'inode')}"


# the result -----------------------------------------------------------------------------------------------------


def _fallbacks(plan: ClonePlan, tally: Tally | None, explain: _Explain) -> tuple[Fallback, ...]:
    """The refusals that the trial foretold, and those that came file by file."""
    first = plan.request.link_mode or LinkMode.HARDLINK
    found = [Fallback(r.errno, first, r.to, r.files, r.size_bytes, explain.errno(r.errno)) for r in plan.refusals]
    for (code, from_mode, to_mode), (files, size_bytes) in tally.fallbacks.items() if tally else ():
        # A reflink that could not be made is a copy: that costs time, not space, and is no news.
        if from_mode is not LinkMode.REFLINK:
            reason = "its twin is gone" if code == errno.ENOENT else explain.errno(code)
            found.append(Fallback(code, from_mode, to_mode, files, size_bytes, reason))
    return tuple(found)


def _result(
    plan: ClonePlan,
    tally: Tally,
    explain: _Explain,
    notes: Sequence[str],
    seconds: float,
) -> CloneResult:
    shared = sum(tally.sizes.get(kind, 0) for kind in ("hardlinked", "twins", "symlinked"))
    left_out = tally.counts.get("pycs_left_out", 0)
    warnings = [*notes, *tally.warnings]
    if left_out:
        warnings.append(
            f"{format_count(left_out, '.pyc file')} could not be compiled again; Python makes them when it needs them"
        )
    return _make_result(plan, explain, tally.files, seconds, warnings, tally=tally, shared_bytes=shared)


def _planned(plan: ClonePlan, explain: _Explain, seconds: float, warnings: Sequence[str]) -> CloneResult:
    counts = dict.fromkeys(LinkMode, 0)
    sizes = dict.fromkeys(LinkMode, 0)
    rewritten = len(plan.records) + len(plan.pycs)
    for step in plan.directories:
        for group in step.groups:
            counts[group.modes[0]] += len(group.names)
            sizes[group.modes[0]] += group.size_bytes
        for file in step.files:
            if file.content is Content.AS_IS:
                counts[LinkMode.COPY] += 1
            else:
                rewritten += 1
    names = {name for directory in plan.watched if directory.path == "conda-meta" for name in directory.names}
    counts[LinkMode.COPY] += len(names & {"history", "created_at"})
    files = FileCounts(
        counts[LinkMode.HARDLINK],
        counts[LinkMode.TWIN],
        counts[LinkMode.REFLINK],
        counts[LinkMode.SYMLINK],
        counts[LinkMode.COPY],
        rewritten,
    )
    shared = sum(sizes[mode] for mode in (LinkMode.HARDLINK, LinkMode.TWIN, LinkMode.SYMLINK))
    return _make_result(plan, explain, files, seconds, warnings, tally=None, shared_bytes=shared)


def _make_result(
    plan: ClonePlan,
    explain: _Explain,
    files: FileCounts,
    seconds: float,
    warnings: Sequence[str],
    *,
    tally: Tally | None,
    shared_bytes: int,
) -> CloneResult:
    request = plan.request
    return CloneResult(
        source_name=request.source_name,
        target_name=request.target_name,
        source_prefix=request.source_prefix,
        target_prefix=request.target_prefix,
        link_mode=request.link_mode.value if request.link_mode else "auto",
        seconds=seconds,
        files=files,
        directories_made=len(plan.directories),
        total_bytes=plan.size_bytes,
        shared_bytes=shared_bytes,
        own_bytes=tally.own_bytes if tally else plan.charge.size_bytes - plan.directories_charge.size_bytes,
        charged=tally.charged if tally else plan.charge,
        predicted=plan.charge,
        directories_charged=tally.directories if tally else plan.directories_charge,
        own_copy=plan.own_copy,
        fallbacks=_fallbacks(plan, tally, explain),
        skipped=plan.skipped,
        warnings=tuple(warnings),
        owner=probe.owner_name(plan.source_owner_uid),
        owned_by_user=plan.source_owner_uid == os.geteuid(),
        foreign_writable=plan.foreign_writable,
        dry_run=tally is None,
        plan=plan if tally is None else None,
        linked=plan.linked,
        links_to=plan.links_to,
    )
