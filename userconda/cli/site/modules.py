"""`ucenv site modules`: the modulefiles of a site."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.errors import SiteKeyMissing
from userconda.site.modules import ModulesPlan, execute_modules, plan_modules

EXAMPLE = "ucenv site modules --dry-run"


@dataclass(frozen=True, slots=True)
class ModulesResult:
    plan: ModulesPlan
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.plan.notes

    def to_json(self) -> dict[str, Any]:
        return {
            "tree": self.plan.tree,
            "files": [change.to_json() for change in self.plan.changes],
            "dry_run": self.dry_run,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--all", action="store_true", help="environments too that the file does not name")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be written and removed")


def run(args: argparse.Namespace) -> ModulesResult:
    site = read_site(args)
    if not site.modules.tree:
        raise SiteKeyMissing(site.path, "modules.tree", "where the modulefiles go")
    plan = plan_modules(site, expose_all=args.all)
    if not args.dry_run:
        execute_modules(plan)
    return ModulesResult(plan, args.dry_run)
