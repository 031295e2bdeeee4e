"""`ucenv setup`: make the user's space, tell what follows from where it is, and put the hook into the shell's startup
file where that is asked for."""

from __future__ import annotations

import argparse
import errno
import os
from dataclasses import dataclass
from typing import Any

from userconda import fsops, probe, rcfile
from userconda.cli.env import settings
from userconda.config import Config, home_directory, read_config
from userconda.errors import HookMissing, SpaceNotWritable, UcenvError, UnsupportedShell, UsageError
from userconda.models import FileClass
from userconda.shells import POSIX, assignment, detect_shell, find_hook, root_for_hook, source_command

EXAMPLE = "ucenv setup"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what follows from it."""

    name: str
    good: bool
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "good": self.good, "text": self.text}


@dataclass(frozen=True, slots=True)
class SetupResult:
    root: str
    made: tuple[str, ...]
    checks: tuple[Check, ...]
    job_script: tuple[str, ...]
    dry_run: bool
    startup: rcfile.RcEdit | None = None
    hook: str | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.startup.warnings if self.startup else ()

    def to_json(self) -> dict[str, Any]:
        return {
            "root": self.root,
            "made": list(self.made),
            "checks": [check.to_json() for check in self.checks],
            "job_script": list(self.job_script),
            "dry_run": self.dry_run,
            "startup": self.startup.to_json() if self.startup else None,
            "hook": self.hook,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shell",
        nargs="?",
        const="",
        metavar="SHELL",
        help="source the hook in the startup file of your shell (detected), by one line",
    )
    parser.add_argument("--undo", action="store_true", help="with --shell, and nothing else: take that line out")
    parser.add_argument("-n", "--dry-run", action="store_true", help="look and tell; make nothing")


def run(args: argparse.Namespace) -> SetupResult:
    config = read_config({"root": args.root})
    root, origin = config.root_and_origin()
    shell = args.shell or detect_shell(config.environment.get("SHELL", ""))
    home = home_directory(config.environment)
    if args.undo:
        if args.shell is None:
            raise UsageError("--undo is of --shell", "ucenv setup --shell --undo")
        undone = rcfile.undo(shell, config.environment, home, dry_run=args.dry_run)
        return SetupResult(root, (), (), (), args.dry_run, undone)
    if args.shell is not None:  # what cannot be done is said before anything is made
        rcfile.edit(shell, config.environment, home, config.conda_root, dry_run=True)
    made = []
    for name in ("envs", "pkgs"):
        path = os.path.join(root, name)
        if not os.path.isdir(path):
            made.append(path)
            if not args.dry_run:
                try:
                    fsops.make_directories(path)
                except OSError as exc:
                    raise fsops.not_writable(path, exc) from None
    checks = [_place(config, root, origin), *_one_filesystem(root), *_links(config, root)]
    lines = [assignment(shell if shell in POSIX else "sh", *item) for item in settings(config).items()]
    startup = None
    if args.shell is not None:
        startup = rcfile.edit(shell, config.environment, home, config.conda_root, dry_run=args.dry_run)
    return SetupResult(root, tuple(made), tuple(checks), tuple(lines), args.dry_run, startup, _hook(shell, config))


def _hook(shell: str, config: Config) -> str | None:
    """The line that gives a script of this shell `ucenv load`."""
    try:
        path = find_hook(shell, config.conda_root)
    except (HookMissing, UnsupportedShell):
        return None
    return source_command(shell, path, root_for_hook(shell, path, config.conda_root))


def _place(config: Config, root: str, origin: str) -> Check:
    if config.scratch_missing:
        return Check(
            "space",
            False,
            f"{config.scratch_missing}: your space is {root}, so environments fill the quota of your home. "
            "Set SCRATCH, or `root` in the configuration, to a directory on a large filesystem",
        )
    if ":" in root:
        return Check(
            "space",
            False,
            f"your space is {root} (from {origin}), which has a ':', and PATH and conda cannot take that: no clone can "
            "be made there. Give a directory without one in SCRATCH, `root` in the configuration or --root",
        )
    place = root
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise SpaceNotWritable(root, errno.ENOTDIR)
    if not os.access(place, os.W_OK, effective_ids=True):
        raise SpaceNotWritable(root, errno.EACCES)
    return Check("space", True, f"your space is {root} (from {origin})")


def _one_filesystem(root: str) -> list[Check]:
    """Envs and pkgs apart means that conda copies what it could link."""
    envs, pkgs = os.path.join(root, "envs"), os.path.join(root, "pkgs")
    if not (os.path.isdir(envs) and os.path.isdir(pkgs)):
        return []
    same = os.stat(envs).st_dev == os.stat(pkgs).st_dev
    text = (
        f"environments and packages share one filesystem ({probe.filesystem_of(envs)})"
        if same
        else f"{envs} and {pkgs} are on two filesystems: every package is paid twice, once in each"
    )
    return [Check("one filesystem", same, text)]


def _links(config: Config, root: str) -> list[Check]:
    """Whether the system's files can be hard-linked here: tried with one of them."""
    conda_root = config.conda_root
    if conda_root is None:
        return [
            Check("system conda", False, "no system conda is known: set UCENV_CONDA_ROOT to clone its environments")
        ]
    sample = _sample_file(conda_root)
    if sample is None:
        return [Check("system conda", False, f"{conda_root} has no file to try a link with")]
    try:
        code = probe.tried_link(sample, probe.existing_ancestor(root))
    except UcenvError as exc:
        return [Check("links", False, exc.message)]
    if not code:
        return [Check("links", True, f"files of {conda_root} can be hard-linked here: clones cost little")]
    status = os.stat(sample, follow_symlinks=False)
    kind = FileClass(status.st_uid, status.st_gid, status.st_mode, sample)
    reason = probe.reason_for(code, kind, conda_root, probe.existing_ancestor(root))
    return [
        Check(
            "links",
            False,
            f"files of {conda_root} cannot be hard-linked here: {reason}. The first clone of an environment is charged "
            "in full, the next ones of it link to the first; a thin clone (`ucenv clone --thin`) costs next to nothing",
        )
    ]


def _sample_file(conda_root: str) -> str | None:
    """Any file of a system environment, else of base."""
    for top in (os.path.join(conda_root, "envs"), os.path.join(conda_root, "conda-meta")):
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path) and os.path.isfile(path):
                    return path
    return None
