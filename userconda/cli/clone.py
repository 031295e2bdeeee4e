"""`ucenv clone SOURCE NAME`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from dataclasses import replace

from userconda import recover, report, thin
from userconda.clone import Surroundings, clone
from userconda.config import Config, read_config
from userconda.environments import Resolved, list_environments, resolve
from userconda.errors import UsageError
from userconda.journal import StateDirectory
from userconda.models import CloneRequest, CloneResult, LinkMode, QuotaAnswer, WhenRefused
from userconda.prefixes import check_name
from userconda.report import terminal

EXAMPLE = "ucenv clone py3_powerai_1.7.0 mine"

_MODES = ("auto", "hardlink", "reflink", "copy", "symlink")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a name (yours first; system:NAME, base), or a path")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the clone's name in your space")
    parser.add_argument("--prefix", metavar="PATH", help="the clone's path, instead of a name")
    parser.add_argument(
        "--link-mode",
        choices=_MODES,
        default="auto",
        help="auto: hard link, else a link to a file of yours, else a copy (default); the others force one way",
    )
    parser.add_argument(
        "--thin",
        action="store_true",
        help="link whole directories: next to nothing is charged, whatever the kernel says; it depends on SOURCE",
    )
    parser.add_argument("--require-links", action="store_true", help="fail rather than copy what could not be linked")
    parser.add_argument("-n", "--dry-run", action="store_true", help="tell what it would cost; make nothing")
    parser.add_argument("--no-fit-check", action="store_true", help="do not refuse what quota or disk have no room for")
    parser.add_argument("-y", "--yes", action="store_true", help="pay for an own copy where links are refused")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing unless it fails")


def run(args: argparse.Namespace) -> CloneResult:
    config = read_config({"root": args.root})
    source = resolve(args.source, config)
    request = _request(args, config, source)
    notes = [source.note] if source.note else []
    if config.scratch_missing and not args.prefix:
        notes.append(f"{config.scratch_missing}; the clone goes to {config.root}, in your home's quota")
    notes += _name_notes(request)
    if not args.quiet and not args.json:
        for note in notes:
            terminal.note(note)
    # A snapshot is a million objects without a cycle; looking for cycles among them takes longer than planning.
    gc.disable()
    with report.progress(enabled=not args.quiet and not args.json) as progress:
        result = clone(
            request,
            _surroundings(args, config, source),
            dry_run=args.dry_run,
            choose=report.ask_price if _may_ask(args, config) else None,
            progress=progress,
        )
    state = StateDirectory.beside(request.target_prefix)
    if not args.dry_run:
        recover.empty_trash_in_background(state)
    return replace(result, warnings=(*notes, *result.warnings)) if args.json else result


def _request(args: argparse.Namespace, config: Config, source: Resolved) -> CloneRequest:
    if args.require_links and args.link_mode == "copy":
        raise UsageError("--require-links and --link-mode copy exclude each other", "leave one of them out")
    if args.thin and args.link_mode != "auto":
        raise UsageError(f"--thin and --link-mode {args.link_mode} exclude each other", "leave one of them out")
    if args.name is not None and args.prefix is not None:
        raise UsageError("both a NAME and --prefix were given", "give one of them: the clone's name, or its path")
    if args.name is None and args.prefix is None:
        raise UsageError("the clone's NAME is missing", "`ucenv clone SOURCE NAME`, or --prefix PATH for its path")
    if args.prefix is not None:
        target = os.path.normpath(os.path.join(os.getcwd(), os.path.expanduser(args.prefix)))
        name = check_name(os.path.basename(target))
    else:
        name = check_name(args.name)
        target = os.path.join(config.root, "envs", name)
    return CloneRequest(
        source_name=source.name,
        source_prefix=source.prefix,
        target_name=args.prefix or name,
        target_prefix=target,
        link_mode=None if args.link_mode == "auto" else LinkMode(args.link_mode),
        require_links=args.require_links,
        private=config["clone.private"],
        thin=args.thin,
    )


def _surroundings(args: argparse.Namespace, config: Config, source: Resolved) -> Surroundings:
    own = [e.prefix for e in list_environments(config) if not e.system and e.writable]
    return Surroundings(
        package_caches=(*config.system_pkgs, *config.user_pkgs),
        own_caches=tuple(config.user_pkgs),
        clones=own,
        when_refused=_when_refused(args, config),
        own_copy_share=config["clone.own_copy_share"],
        operations_in_flight=config["operations_in_flight"],
        source_is_base=source.is_base,
        analyses=(
            *([thin.site_file(source.prefix, config.conda_root)] if config.conda_root else []),
            thin.own_file(source.prefix, config.root),
        ),
        check_fit=not args.no_fit_check,
        read_quotas=lambda directory: _read_quotas(directory, config),
    )


def _read_quotas(directory: str, config: Config) -> QuotaAnswer:
    # Its dozen of modules are not loaded where nothing is asked: file by file, over a network, that takes time.
    from userconda.quota import read_quotas

    return read_quotas(directory, config, one_command=True)


def _when_refused(args: argparse.Namespace, config: Config) -> WhenRefused:
    return WhenRefused.OWN_COPY if args.yes else WhenRefused(config["clone.when_refused"] or "ask")


def _may_ask(args: argparse.Namespace, config: Config) -> bool:
    """Only a person at a terminal can be asked; a script and a pipe cannot."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return terminal and not args.json and not args.quiet and _when_refused(args, config) is WhenRefused.ASK


def _name_notes(request: CloneRequest) -> list[str]:
    notes = []
    name = os.path.basename(request.target_prefix)
    if any(char in name for char in " #"):
        notes.append(f"conda itself refuses names like {name!r} in some commands; the path always works")
    parent = os.path.dirname(request.target_prefix)
    if os.path.realpath(parent) != parent:
        notes.append(f"{parent} leads through a symlink; the clone keeps the path as it was given")
    return notes
