"""`ucenv site check`: what differs from site.toml."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.config import read_config
from userconda.site.check import Difference, check_site

EXAMPLE = "ucenv site check"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """
    Attributes:
        remarks: what no command mends; counted only, as text, or cron would send them every night.
    """

    path: str
    root: str
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.differences else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "root": self.root,
            "differences": [difference.to_json() for difference in self.differences],
            "remarks": list(self.remarks),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--all", action="store_true", help="as for `ucenv site modules --all`")
    parser.add_argument(
        "--no-permissions", action="store_true", help="leave out who may read what, which looks at every file"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="it never changes anything")


def run(args: argparse.Namespace) -> CheckResult:
    site = read_site(args, any_root=True)
    private = tuple(read_config({"root": args.root})["clone.private"])
    permissions = not args.no_permissions
    differences, warnings = check_site(site, permissions=permissions, expose_all=args.all, private=private)
    return CheckResult(site.path, site.root, tuple(differences), tuple(warnings))
