"""`ucenv site users`: who has clones of which system environment."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.config import read_config
from userconda.errors import EnvironmentNotFound
from userconda.probe import owner_name
from userconda.site.users import Found, check_pattern, default_patterns, find_users

EXAMPLE = "ucenv site users --environment py3_powerai_1.7.0"

_TOLD = 5


@dataclass(frozen=True, slots=True)
class UsersResult:
    found: Found

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may hide more clones than are told of."""
        found, told = self.found, []
        if found.unreadable:
            shown = ", ".join(f"{path} ({reason})" for path, reason in found.unreadable[:_TOLD])
            more = f" and {len(found.unreadable) - _TOLD:,} more, which --json lists" * (len(found.unreadable) > _TOLD)
            told.append(f"{len(found.unreadable):,} not read, where more clones may be: {shown}{more}")
        if found.elsewhere:
            told.append(f"{found.elsewhere:,} clones are of environments that are not this conda's")
        if found.out_of_time:
            told.append("the time was over before everything was looked at: see --timeout")
        return tuple(told)

    def to_json(self) -> dict[str, Any]:
        return self.found.to_json()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--environment", metavar="NAME", help="only the clones of this one")
    parser.add_argument(
        "--search", metavar="GLOB", action="append", help="users' spaces (default: user_space.search of site.toml)"
    )
    parser.add_argument("--no-registers", action="store_true", help="leave out users' ~/.conda/environments.txt")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=600, help="stop then (default: 600)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="changes nothing: this command never does")


def run(args: argparse.Namespace) -> UsersResult:
    site = read_site(args)
    environment = read_config({"root": args.root}).environment
    patterns = [check_pattern(pattern) for pattern in args.search or ()]
    patterns = patterns or [*(site.search or default_patterns(site, environment, owner_name(os.getuid())))]
    found = find_users(site, patterns, registers=not args.no_registers, timeout_seconds=args.timeout)
    if args.environment:
        chosen = tuple(e for e in found.environments if e.name == args.environment)
        if not chosen:
            raise EnvironmentNotFound(args.environment, (os.path.join(site.root, "envs"),))
        found = found.only(chosen)
    return UsersResult(found)
