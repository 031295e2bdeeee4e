"""`ucenv site package`: the module tree as an rpm, a deb or a tar."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.config import read_config
from userconda.errors import SiteKeyMissing
from userconda.site.package import FORMATS, PackagePlan, build, plan_package, publish

EXAMPLE = "ucenv site package --format rpm --output /srv/repository"


@dataclass(frozen=True, slots=True)
class PackageResult:
    """
    Attributes:
        action: written, replaced or same; empty for a dry run.
        size_bytes: of the package; None for a dry run.
    """

    plan: PackagePlan
    path: str
    action: str = ""
    size_bytes: int | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.plan.notes

    def to_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "path": self.path,
            "action": self.action,
            "dry_run": not self.action,
            "format": plan.format,
            "name": plan.name,
            "version": plan.version,
            "release": plan.release,
            "tree": plan.tree,
            "files": plan.paths,
            "time": plan.time,
            "size_bytes": self.size_bytes,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--format", choices=FORMATS, required=True, help="what the nodes' package manager reads")
    parser.add_argument("--output", metavar="DIR", default=".", help="where the package is written (default: here)")
    parser.add_argument("--all", action="store_true", help="environments too that the file does not name")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be in it")


def run(args: argparse.Namespace) -> PackageResult:
    site = read_site(args)
    if not site.modules.tree:
        raise SiteKeyMissing(site.path, "modules.tree", "where the modulefiles go")
    environment = read_config({"root": args.root}).environment
    epoch = environment.get("SOURCE_DATE_EPOCH", "")
    plan = plan_package(site, args.format, source_date_epoch=epoch, expose_all=args.all)
    path = os.path.join(os.path.abspath(args.output), plan.file_name)
    if args.dry_run:
        return PackageResult(plan, path)
    data = build(plan, environment.get("PATH", os.defpath))
    return PackageResult(plan, path, publish(path, data), len(data))
