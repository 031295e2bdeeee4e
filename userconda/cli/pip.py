"""`ucenv pip ENV ...`: the environment's own pip; in a thin clone what it will change is thawed first."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from userconda import thin
from userconda.config import Config, read_config
from userconda.environments import resolve
from userconda.errors import UsageError
from userconda.pip import Pip, PipRefused, find_pip, foretell
from userconda.provenance import Provenance

EXAMPLE = "ucenv pip mine install --upgrade requests"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENV", help="a name, or a path")
    parser.add_argument("words", metavar="...", nargs=argparse.REMAINDER, help="what pip is to do, in pip's words")


def run(args: argparse.Namespace) -> NoReturn:
    if "--user" in args.words:  # a pip before 24 would do it, where PYTHONNOUSERSITE hides it from the environment
        raise UsageError("--user installs into your home, not into the environment", "leave it out")
    config = read_config({"root": args.root})
    prefix = resolve(args.environment, config).prefix
    note = thin.check_guard(prefix)
    pip = find_pip(prefix, config.environment)
    if note is not None:
        _thaw(pip, note, args.words, config)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [*pip.command, *args.words]
    os.execve(command[0], command, {**pip.environment})


def _thaw(pip: Pip, note: Provenance, words: list[str], config: Config) -> None:
    from userconda.cli.thaw import surroundings
    from userconda.reach import find_touched
    from userconda.report import terminal
    from userconda.thaw import execute_thaw, plan_thaw

    try:
        change = foretell(pip, words)
    except PipRefused as exc:
        terminal.to_stderr(exc.text.rstrip())
        sys.exit(exc.exit_code)
    touched = change and find_touched(pip.prefix, note.links_to, change.removed, change.added)
    if touched:
        places = surroundings(config)
        execute_thaw(plan_thaw(pip.prefix, touched.paths, directories=touched.directories, surroundings=places))
        terminal.note(f"{pip.prefix} is a thin clone: what pip changes in it was thawed")
