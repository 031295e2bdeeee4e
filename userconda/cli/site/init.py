"""`ucenv site init`: a site's file, with every key explained."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

from userconda import fsops
from userconda.cli.site import add_config_argument, site_file
from userconda.config import read_config
from userconda.environments import versions_of
from userconda.errors import NoSystemConda, NotAPrefix, SiteFileExists
from userconda.site.definition import is_module_name
from userconda.site.template import site_file_text

EXAMPLE = "ucenv site init"


@dataclass(frozen=True, slots=True)
class InitResult:
    path: str
    conda_root: str
    text: str
    dry_run: bool

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument("--print", action="store_true", dest="print_only", help="print the file instead of writing it")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be written")


def run(args: argparse.Namespace) -> InitResult | str:
    config = read_config({"root": args.root})
    root = config.conda_root
    if root is None:
        raise NoSystemConda
    if not os.path.isdir(os.path.join(root, "conda-meta")):
        raise NotAPrefix(root)
    path = site_file(args, config)
    versions = versions_of(root) or {}
    text = site_file_text(root, versions.get("conda", "0"), _environments(root))
    if args.print_only and not args.json:
        return text
    if os.path.lexists(path) and not args.print_only:
        raise SiteFileExists(path)
    if not (args.dry_run or args.print_only):
        directory = os.path.dirname(path)
        try:
            fsops.make_directories(directory)
        except OSError as exc:
            raise fsops.failure("making the directory", directory, exc) from None
        fsops.write_file(path, text.encode())
    return InitResult(path, root, text, args.dry_run or args.print_only)


def _environments(root: str) -> list[tuple[str, str]]:
    """What is there already, as name and module."""
    try:
        names = sorted(os.listdir(os.path.join(root, "envs")))
    except OSError:  # a root without environments, or none that we may see
        return []
    found = []
    for name in names:
        versions = versions_of(os.path.join(root, "envs", name))
        module = f"{name}/{(versions or {}).get('python', '0')}"
        if versions is not None and is_module_name(module):
            found.append((name, module))
    return found
