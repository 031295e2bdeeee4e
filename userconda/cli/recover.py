"""`ucenv recover`: finish or take back what an interrupted run left."""

from __future__ import annotations

import argparse
import os

from userconda import recover
from userconda.config import read_config
from userconda.errors import UsageError
from userconda.journal import StateDirectory

EXAMPLE = "ucenv recover"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where `clone --prefix` was to make its clone")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what would be done")


def run(args: argparse.Namespace) -> recover.RecoverResult:
    config = read_config({"root": args.root})
    if args.directory is None:
        state = StateDirectory.beside(os.path.join(config.root, "envs", "x"))
    else:
        directory = os.path.abspath(args.directory)
        if not os.path.isdir(directory):
            raise UsageError(f"{directory} is not a directory")
        state = StateDirectory.beside(os.path.join(directory, "x"))
    result = recover.recover(state, dry_run=args.dry_run)
    if args.directory is not None and not args.dry_run:
        state.tidy()
    return result
