"""`ucenv thaw ENV [PACKAGE...]`."""

from __future__ import annotations

import argparse
from dataclasses import replace

from userconda import recover, report
from userconda.config import Config, read_config
from userconda.environments import list_environments, resolve
from userconda.errors import UsageError
from userconda.journal import StateDirectory
from userconda.models import QuotaAnswer
from userconda.report import terminal
from userconda.thaw import Surroundings, Thawed, thaw

EXAMPLE = "ucenv thaw mine numpy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENV", help="a name, or a path")
    parser.add_argument("packages", metavar="PACKAGE", nargs="*", help="whose files are to be the environment's own")
    parser.add_argument("--all", action="store_true", help="make the whole environment independent of its parent")
    parser.add_argument(
        "--own", action="store_true", help="no hard links: files that nobody else has, to patch or chmod"
    )
    parser.add_argument("--as-is", action="store_true", help="take what the parent holds now, though it changed")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what it would cost; make nothing")
    parser.add_argument("--no-fit-check", action="store_true", help="do not refuse what quota or disk have no room for")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing unless it fails")


def run(args: argparse.Namespace) -> Thawed:
    if bool(args.packages) is args.all:
        raise UsageError(
            "both PACKAGE and --all were given" if args.all else "what is to be thawed is missing",
            "`ucenv thaw ENV PACKAGE...`, or `ucenv thaw ENV --all`",
        )
    config = read_config({"root": args.root})
    found = resolve(args.environment, config)
    if found.is_base:
        raise UsageError(f"{found.name} is a conda root and nobody's clone", "thaw an environment")
    talks = not args.quiet and not args.json
    notes = (found.note,) if found.note else ()
    for text in notes if talks else ():
        terminal.note(text)
    with report.progress(enabled=talks) as progress:
        result = thaw(
            found.prefix,
            args.packages,
            own=args.own,
            as_is=args.as_is,
            dry_run=args.dry_run,
            surroundings=surroundings(config, check_fit=not args.no_fit_check),
            announce=report.announce_thaw if talks else lambda plan: None,
            progress=progress,
        )
    if not args.dry_run:
        recover.empty_trash_in_background(StateDirectory.beside(result.prefix))
    return replace(result, warnings=(*notes, *result.warnings)) if args.json else result


def surroundings(config: Config, *, check_fit: bool = True) -> Surroundings:
    own = [e.prefix for e in list_environments(config) if not e.system and e.writable]
    return Surroundings(
        clones=own,
        own_caches=tuple(config.user_pkgs),
        private=config["clone.private"],
        operations_in_flight=config["operations_in_flight"],
        check_fit=check_fit,
        read_quotas=lambda directory: _read_quotas(directory, config),
    )


def _read_quotas(directory: str, config: Config) -> QuotaAnswer:
    # Its dozen of modules are not loaded where nothing is asked: file by file, over a network, that takes time.
    from userconda.quota import read_quotas

    return read_quotas(directory, config, one_command=True)
