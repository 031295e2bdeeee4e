"""`ucenv site environments` and `ucenv site cache` as text: what there is, what is made, and what a program says."""

from __future__ import annotations

import contextlib
import shlex
import sys
from typing import TYPE_CHECKING

from userconda.report.terminal import escape, print_table, print_text, to_stderr
from userconda.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from userconda.cli.site.cache import CacheResult
    from userconda.cli.site.environments import EnvironmentsResult
    from userconda.site.cache import CachePlan
    from userconda.site.environments import EnvironmentsPlan
    from userconda.site.program import Program

#: How many packages are named where there may be thousands.
_LARGEST = 10

_TO_DO = {"make": "to be made", "make again": "to be made again", "freeze": "to be frozen"}


def show_output(text: str) -> None:
    """What a program says, as it comes, on stderr."""
    with contextlib.suppress(OSError, ValueError):  # the terminal has gone; the log has it all
        sys.stderr.write(text.encode(sys.stderr.encoding or "utf-8", "replace").decode(sys.stderr.encoding or "utf-8"))
        sys.stderr.flush()


def show_environments(plan: EnvironmentsPlan, program: Program | None) -> None:
    """The matrix expanded, with what is to be done."""
    from rich.table import Table

    table = Table("name", "module", "packages", "state", box=None, pad_edge=False, header_style="bold")
    for entry in plan.environments:
        to_do = _TO_DO.get(entry.action, "")
        state = ", ".join(part for part in (entry.state, "frozen" if entry.frozen else "", to_do) if part)
        packages = " ".join(entry.environment.packages) or "-"
        table.add_row(*map(escape, (entry.name, entry.environment.module, packages, state)))
    if plan.environments:
        print_table(table)
    else:
        print_text("site.toml has no environments")
    if program:
        print_text(f"{format_count(len(plan.to_make), 'environment')} to be made with {printable(str(program))}")
    sys.stdout.flush()


def render_environments(result: EnvironmentsResult) -> None:
    """What became of each; a failure with what was said last."""
    if result.dry_run or not any(entry.action for entry in result.plan.environments):
        show_environments(result.plan, result.program)
        if result.program is not None:
            from userconda.site.environments import create_command

            for entry in result.plan.to_make:
                print_text(f"  {printable(shlex.join(create_command(result.program, entry)))}")
        elif not any(entry.action for entry in result.plan.environments):
            print_text("nothing to do")
        return
    print_text("")
    for outcome in result.outcomes:
        about = f": {outcome.reason}" if outcome.reason else ""
        print_text(f"{printable(outcome.plan.name)}: {outcome.done}{printable(about)}")
        if outcome.done != "failed":
            continue
        for line in outcome.last_lines:
            print_text(f"    {printable(line)}")
        if outcome.log:
            print_text(f"    all of it: {printable(outcome.log)}")
    counts: dict[str, int] = {}
    for outcome in result.outcomes:
        what = "there already" if outcome.done in ("exists", "differs") else outcome.done
        counts[what] = counts.get(what, 0) + 1
    print_text(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    if result.exit_code:
        to_stderr("the same command again tries those that failed; the others are kept")
    if any(outcome.done.startswith("made") for outcome in result.outcomes):
        print_text("their modulefiles: `ucenv site modules`")


# cache ----------------------------------------------------------------------------------------------------------


def show_cache(plan: CachePlan, program: Program | None) -> None:
    """What there is to fetch, the largest named, and the room that there is."""
    there = len(plan.wanted) - len(plan.missing)
    unknown = sum(package.size_bytes is None for package in plan.missing)
    print_text(f"{printable(plan.cache)}: {format_count(len(plan.wanted), 'package')} wanted, {there:,} there already")
    if not plan.missing:
        return
    largest = sorted(plan.missing, key=lambda package: package.size_bytes or 0, reverse=True)
    for package in largest[:_LARGEST]:
        size = "?" if package.size_bytes is None else format_bytes(package.size_bytes)
        print_text(f"  {size:>10}  {printable(f'{package.subdir}/{package.file_name}')}")
    if len(largest) > _LARGEST:
        print_text(f"  and {len(largest) - _LARGEST:,} more")
    sizes = f"{format_bytes(plan.missing_bytes)}{f', {unknown:,} of unknown size' if unknown else ''}"
    print_text(
        f"{format_count(len(plan.missing), 'package')} to be fetched: {sizes}; unpacked they take some times that "
        f"beside it; {format_bytes(plan.free_bytes)} free"
    )
    if program:
        print_text(f"with {printable(str(program))}")
    sys.stdout.flush()


def confirm(question: str) -> bool:
    """Ask a person at a terminal; no is the answer of who says nothing."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def render_cache(result: CacheResult) -> None:
    fetched = result.fetched
    if result.plan.wanted and (result.dry_run or not result.plan.missing):
        show_cache(result.plan, result.program)
    if fetched.packages or fetched.failed:
        size = format_bytes(sum(package.size_bytes or 0 for package in fetched.packages))
        failed = f", {len(fetched.failed):,} failed" if fetched.failed else ""
        print_text(f"{format_count(len(fetched.packages), 'package')} fetched, {size}{failed}")
    for package in fetched.failed[:_LARGEST]:
        print_text(f"  failed: {printable(package.url or package.file_name)}")
    if fetched.failed:
        if len(fetched.failed) > _LARGEST:
            print_text(f"  and {len(fetched.failed) - _LARGEST:,} more")
        for line in fetched.last_lines:
            print_text(f"    {printable(line)}")
        print_text(f"    all of it: {printable(fetched.log)}")
        to_stderr("the same command again goes on: what is there complete is not fetched again")
    if (mirror := result.mirror) is not None:
        added = len(mirror.added) - len(result.refused)
        would = "would be " if result.dry_run else ""
        gone = f", {len(mirror.gone):,} gone from the index" if mirror.gone else ""
        print_text(
            f"{printable(mirror.directory)}: {added:,} packages {would}added, {mirror.same:,} there already{gone}"
        )
        if not result.dry_run:
            print_text(f"others use it as `conda install -c file://{printable(mirror.directory)} ...`")
