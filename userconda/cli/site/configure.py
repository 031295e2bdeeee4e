"""`ucenv site configure`: the conda's settings, pins and permissions."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site_and_text
from userconda.site.configure import ConfigurePlan, configure

EXAMPLE = "ucenv site configure --dry-run"


@dataclass(frozen=True, slots=True)
class ConfigureResult:
    plan: ConfigurePlan
    dry_run: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        why = self.plan.unvalidated
        return (*((f"the settings were not validated: {why}",) if why else ()), *self.plan.warnings)

    def to_json(self) -> dict[str, Any]:
        return {
            "root": self.plan.root,
            "changes": [change.to_json() for change in self.plan.changes],
            "validated": not self.plan.unvalidated,
            "entries": self.plan.permissions.entries if self.plan.permissions else None,
            "dry_run": self.dry_run,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument(
        "--no-permissions", action="store_true", help="leave out who may read what, which looks at every file"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be changed")


def run(args: argparse.Namespace) -> ConfigureResult:
    site, text = read_site_and_text(args)
    plan = configure(site, text, permissions=not args.no_permissions, dry_run=args.dry_run)
    return ConfigureResult(plan, args.dry_run)
