"""`ucenv site environments`: those of the matrix that are missing, made with the site's own conda."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from typing import Any

from userconda import fsops
from userconda.cli.site import add_config_argument, read_site
from userconda.config import read_config
from userconda.errors import Interrupted
from userconda.report.making import show_environments, show_output
from userconda.report.terminal import to_stderr
from userconda.site.environments import (
    EnvironmentsPlan,
    Making,
    Outcome,
    create_command,
    execute_environments,
    plan_environments,
)
from userconda.site.pins import pin_specs
from userconda.site.program import Program, find_program, surroundings

EXAMPLE = "ucenv site environments --dry-run"


@dataclass(frozen=True, slots=True)
class EnvironmentsResult:
    """
    Attributes:
        program: None where nothing was to be made.
        outcomes: of a dry run, none.
    """

    plan: EnvironmentsPlan
    program: Program | None
    outcomes: tuple[Outcome, ...]
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.plan.notes

    @property
    def exit_code(self) -> int:
        return int(any(outcome.failed for outcome in self.outcomes))

    def to_json(self) -> dict[str, Any]:
        commands = {
            plan.name: create_command(self.program, plan) for plan in self.plan.to_make if self.program is not None
        }
        return {
            "root": self.plan.root,
            "program": self.program.to_json() if self.program else None,
            "environments": [entry.to_json() for entry in self.outcomes or self.plan.environments],
            "commands": commands,
            "dry_run": self.dry_run,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all of site.toml)")
    add_config_argument(parser)
    add_program_argument(parser)
    parser.add_argument("--freeze", action="store_true", help="mark them: conda then refuses to change them")
    parser.add_argument("--log-dir", metavar="DIR", help="for what conda says (default: <conda root>/etc/ucenv/log)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be made, and with which words")


def add_program_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--program",
        metavar="PROGRAM",
        default="",
        help="conda, mamba, micromamba or a path (default: the conda root's)",
    )


def run(args: argparse.Namespace) -> EnvironmentsResult:
    site = read_site(args)
    own = read_config({"root": args.root}).environment
    plan = plan_environments(site, args.names, freeze=args.freeze)
    if not any(entry.action for entry in plan.environments):
        return EnvironmentsResult(plan, None, () if args.dry_run else tuple(_as_it_is(plan)), args.dry_run)
    with surroundings(site, own, pin_specs(site.pins)) as environment:
        program = find_program(site, args.program, environment) if plan.to_make else None
        if args.dry_run:
            return EnvironmentsResult(plan, program, (), dry_run=True)
        if not args.json:
            show_environments(plan, program)
        making = Making(
            program,
            environment,
            log_directory(args, site.root),
            args.freeze,
            show=show_output if sys.stderr.isatty() else None,
            tell=to_stderr,
        )
        try:
            outcomes = execute_environments(site, plan, making)
        except (Interrupted, KeyboardInterrupt):
            to_stderr("the same command again goes on: what is half-made is known, and made anew")
            raise
    return EnvironmentsResult(plan, program, tuple(outcomes), dry_run=False)


def _as_it_is(plan: EnvironmentsPlan) -> list[Outcome]:
    return [Outcome(entry, entry.state) for entry in plan.environments]


def log_directory(args: argparse.Namespace, root: str) -> str:
    """
    Raises:
        FileOperation, NotEnoughSpace, QuotaExceeded: it cannot be made.
    """
    directory = os.path.abspath(args.log_dir) if args.log_dir else os.path.join(root, "etc", "ucenv", "log")
    try:
        fsops.make_directories(directory)
    except OSError as exc:
        raise fsops.failure("making the directory", directory, exc) from None
    return directory
