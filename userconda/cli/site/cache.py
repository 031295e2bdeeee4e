"""`ucenv site cache`: packages in the system's cache beyond those of its environments, and a mirror of it."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.cli.site.environments import add_program_argument, log_directory
from userconda.config import read_config
from userconda.errors import Interrupted, UsageError
from userconda.report.making import confirm, show_cache, show_output
from userconda.report.terminal import to_stderr
from userconda.site.cache import (
    CacheLock,
    CachePlan,
    Fetched,
    cache_directory,
    channel_words,
    check_fit,
    fetch,
    packages_for,
    packages_of_channels,
    plan_cache,
    reading_only,
    stems_in,
)
from userconda.site.definition import Site
from userconda.site.mirror import MirrorPlan, execute_mirror, plan_mirror
from userconda.site.pins import pin_specs
from userconda.site.program import Program, find_program, surroundings

EXAMPLE = "ucenv site cache numpy=1.26 pandas --mirror /scratch/apps/channel"


@dataclass(frozen=True, slots=True)
class CacheResult:
    """
    Attributes:
        program: None where nothing was asked of it.
        refused: what was not put into the mirror, in words.
    """

    plan: CachePlan
    program: Program | None
    fetched: Fetched
    mirror: MirrorPlan | None
    refused: tuple[str, ...]
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.plan.notes, *(self.mirror.notes if self.mirror else ()), *self.refused)

    @property
    def exit_code(self) -> int:
        return int(bool(self.fetched.failed or self.refused))

    def to_json(self) -> dict[str, Any]:
        fetched = self.fetched
        return {
            "cache": self.plan.cache,
            "program": self.program.to_json() if self.program else None,
            "wanted": len(self.plan.wanted),
            "there_already": len(self.plan.wanted) - len(self.plan.missing),
            "missing": [package.stem for package in self.plan.missing],
            "missing_bytes": self.plan.missing_bytes,
            "free_bytes": self.plan.free_bytes,
            "fetched": [package.stem for package in fetched.packages],
            "fetched_bytes": sum(package.size_bytes or 0 for package in fetched.packages),
            "failed": [package.stem for package in fetched.failed],
            "exit_code": fetched.exit_code,
            "last_lines": list(fetched.last_lines),
            "log": fetched.log,
            "mirror": self.mirror.to_json() if self.mirror else None,
            "dry_run": self.dry_run,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="packages, with all that they depend on")
    parser.add_argument(
        "--channel-all", action="store_true", help="everything the channels have for this platform, sizes shown first"
    )
    parser.add_argument(
        "-c", "--channel", action="append", default=[], dest="channels", metavar="CHANNEL",
        help="only this one, and others given so (default: those of site.toml)",
    )  # fmt: skip
    parser.add_argument("--mirror", metavar="DIR", help="make DIR a channel of it, or of the whole cache without SPEC")
    add_config_argument(parser)
    add_program_argument(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--log-dir", metavar="DIR", help="for what conda says (default: <conda root>/etc/ucenv/log)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be fetched, and how much it is")


def run(args: argparse.Namespace) -> CacheResult:
    _check(args)
    site = read_site(args)
    cache = cache_directory(site)
    if not (args.specs or args.channel_all):
        return _result(args, plan_cache(cache, ()), None, Fetched(), stems_in(cache))
    own = read_config({"root": args.root}).environment
    with surroundings(site, own, pin_specs(site.pins)) as environment:
        program = find_program(site, args.program, environment)
        if args.dry_run:
            plan = _plan(args, site, program, reading_only(environment))
            there = [package.stem for package in plan.wanted if package not in plan.missing]
            return _result(args, plan, program, Fetched(), there)
        try:
            with CacheLock(cache) as lock:
                plan = _plan(args, site, program, environment)
                fetched = Fetched()
                if plan.missing:
                    check_fit(plan)
                    if not args.json:
                        show_cache(plan, program)
                    _confirm(args, plan)
                    fetched = fetch(
                        plan, lock, program, environment, log_directory(args, site.root),
                        specs=args.specs, channels=channel_words(site, args.channels),
                        show=show_output if sys.stderr.isatty() else None,
                    )  # fmt: skip
        except (Interrupted, KeyboardInterrupt):
            to_stderr("the same command again goes on: what is there complete is not fetched again")
            raise
    failed = {package.stem for package in fetched.failed}
    return _result(args, plan, program, fetched, [p.stem for p in plan.wanted if p.stem not in failed])


def _check(args: argparse.Namespace) -> None:
    if args.specs and args.channel_all:
        raise UsageError("both a SPEC and --channel-all were given", "--channel-all is everything")
    if not (args.specs or args.channel_all or args.mirror):
        raise UsageError("nothing is to be fetched", "give a SPEC, --channel-all, or --mirror DIR for what is there")
    for word in (*args.specs, *args.channels):
        # It would be an option of conda's.
        if not word.strip() or word.lstrip().startswith("-") or not word.isprintable():
            raise UsageError(f"{word!r} is neither a package nor a channel", "such as 'numpy=1.26' or conda-forge")


def _plan(args: argparse.Namespace, site: Site, program: Program, environment: dict[str, str]) -> CachePlan:
    channels = channel_words(site, args.channels)
    if args.channel_all:
        packages, notes = packages_of_channels(program, environment, channels)
    else:
        packages, notes = packages_for(args.specs, program, environment, channels)
    return plan_cache(cache_directory(site), packages, notes)


def _confirm(args: argparse.Namespace, plan: CachePlan) -> None:
    """A whole channel can be a terabyte: nobody gets it by mistake."""
    if not args.channel_all or args.yes:
        return
    if args.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{len(plan.missing):,} packages would be fetched, {plan.missing_bytes:,} bytes: that is not done unasked",
            "--yes fetches them; --dry-run only tells",
        )
    if not confirm("fetch them?"):
        raise Interrupted(0)


def _result(
    args: argparse.Namespace, plan: CachePlan, program: Program | None, fetched: Fetched, stems: list[str]
) -> CacheResult:
    mirror, refused = None, tuple[str, ...]()
    if args.mirror:
        mirror = plan_mirror(os.path.abspath(args.mirror), plan.cache, stems, {p.stem: p.record for p in plan.wanted})
        if not args.dry_run:
            refused = execute_mirror(mirror)
    return CacheResult(plan, program, fetched, mirror, refused, args.dry_run)
