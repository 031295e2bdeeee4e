"""`ucenv site`: what administrators do from one file. One module a command, as for the others."""

from __future__ import annotations

import os
import stat

from userconda.config import Config, read_config
from userconda.errors import FileRefused, SiteFileInvalid, SiteFileMissing, SiteFileProblem
from userconda.fsops import failure
from userconda.site.definition import Site, line_of, parse_site

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

EXAMPLE = "ucenv site modules --dry-run"

#: command -> what it does. The module is `userconda.cli.site.<command>`.
COMMANDS = {
    "init": "write a commented site.toml for the conda it runs in",
    "configure": "the conda's settings and pins as site.toml has them, and everything readable by everyone",
    "environments": "make the environments of the matrix that are missing, with the site's own conda or mamba",
    "cache": "fetch packages into the system's cache; make a directory a channel of them",
    "modules": "write the modulefiles of base, environments and packages; remove those of ours that are no more",
    "check": "what differs from site.toml: exit 0, or 1 with a list, for cron",
    "package": "the modulefiles as an rpm, a deb or a tar, for nodes with a tree of their own",
    "index": "find out once, for everyone's thin clones, what of an environment may be linked whole",
    "users": "who has clones of which system environment",
}


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="the site's file (default: <conda root>/etc/ucenv/site.toml)")


def site_file(args: argparse.Namespace, config: Config) -> str:
    """
    Raises:
        SiteFileMissing: none was named, and no conda is known in which it could be.
    """
    if args.config:
        return os.path.abspath(str(args.config))
    if config.conda_root is None:
        raise SiteFileMissing("")
    return os.path.join(config.conda_root, "etc", "ucenv", "site.toml")


def read_site(args: argparse.Namespace, *, any_root: bool = False) -> Site:
    """
    Args:
        any_root: whether it names a conda is looked at elsewhere.

    Raises:
        SiteFileMissing, SiteFileInvalid: there is no file, or one with mistakes.
        FileOperation: it cannot be read.
    """
    return read_site_and_text(args, any_root=any_root)[0]


def read_site_and_text(args: argparse.Namespace, *, any_root: bool = False) -> tuple[Site, str]:
    """As `read_site`; with the text, in which lines can be found.

    Raises:
        FileRefused: everyone may write it.
    """
    path = site_file(args, read_config({"root": args.root}))
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
                # It names a program to run and directories to write to, for whoever administers the conda.
                raise FileRefused(path, 0, "everyone may write it, so it is not believed: chmod o-w")
            text = stream.read()
    except FileNotFoundError:
        raise SiteFileMissing(path) from None
    except OSError as exc:
        raise failure("reading", path, exc) from None
    site = parse_site(text, path)
    if not any_root and not os.path.isdir(os.path.join(site.root, "conda-meta")):
        # By a slip of the pen modules of nothing would be written, and a second conda begun.
        problem = f"{site.root} is no conda: it has no directory conda-meta"
        raise SiteFileInvalid(path, (SiteFileProblem(line_of(text, ("conda", "root")), "conda.root", problem),))
    return site, text
