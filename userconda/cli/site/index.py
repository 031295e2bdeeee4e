"""`ucenv site index`: system environments analysed once, for everyone's thin clones."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from userconda.cli.site import add_config_argument, read_site
from userconda.config import read_config
from userconda.parallel import Pool
from userconda.site.index import Indexed, execute_index, plan_index

EXAMPLE = "ucenv site index"


@dataclass(frozen=True, slots=True)
class IndexResult:
    environments: tuple[Indexed, ...]
    dry_run: bool

    @property
    def exit_code(self) -> int:
        return int(any(indexed.state == "failed" for indexed in self.environments))

    def to_json(self) -> dict[str, Any]:
        return {"environments": [indexed.to_json() for indexed in self.environments], "dry_run": self.dry_run}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="ENV", nargs="*", help="only these; base too (default: all environments)")
    add_config_argument(parser)
    parser.add_argument("--compile", action="store_true", help="before, make the .pyc files that modules lack")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what is missing or stale")


def run(args: argparse.Namespace) -> IndexResult:
    site, config = read_site(args), read_config({"root": args.root})
    pool, private = Pool(config["operations_in_flight"]), tuple(config["clone.private"])
    found = plan_index(site, args.names, private, pool)
    if not args.dry_run:
        found = (execute_index(site, indexed, private, pool, compile_first=args.compile) for indexed in found)
    return IndexResult(tuple(found), args.dry_run)
