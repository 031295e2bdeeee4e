"""`ucenv env [SHELL]`: the settings that point conda at the user's space, as code to evaluate.

In tcsh that is eval "`ucenv env tcsh`", with both kinds of quotes, in fish: ucenv env fish | source
"""

from __future__ import annotations

import os
import sys

from userconda.config import read_config
from userconda.shells import assignment, detect_shell, hook_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from userconda.config import Config

EXAMPLE = 'eval "$(ucenv env bash)"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh, dash, ksh, mksh, tcsh, fish (detected)")


def settings(config: Config) -> dict[str, str]:
    """The user's directories, the system's after them: as conda looks through them, in order."""
    envs = [os.path.join(config.root, "envs"), *config.system_envs]
    pkgs = [os.path.join(config.root, "pkgs"), *config.system_pkgs]
    return {
        "CONDA_ENVS_PATH": ":".join(dict.fromkeys(envs)),
        "CONDA_PKGS_DIRS": ",".join(dict.fromkeys(pkgs)),
    }


def code(shell: str, root: str | None) -> str:
    """The settings for a shell, which is detected where none is named."""
    config = read_config({"root": root})
    shell = shell or detect_shell(config.environment.get("SHELL", ""))
    lines = [assignment(shell, name, value) + "\n" for name, value in settings(config).items()]
    if config.scratch_missing and sys.stderr is not None:  # print would take stdout instead, which is evaluated
        print(f"ucenv env: {_missing(config)}", file=sys.stderr)
    return "".join(lines)


def run(args: argparse.Namespace) -> str | EnvResult:
    if args.json:
        config = read_config({"root": args.root})
        if args.shell:
            hook_name(args.shell)  # a shell that is not supported is an error here, too
        return EnvResult(settings(config), (_missing(config),) if config.scratch_missing else ())
    return code(args.shell or "", args.root)


def _missing(config: Config) -> str:
    return f"{config.scratch_missing}; your space is {config.root}, in your home's quota"


class EnvResult:
    """For `--json`."""

    def __init__(self, values: dict[str, str], warnings: tuple[str, ...]) -> None:
        self.values, self.warnings = values, warnings

    def to_json(self) -> dict[str, object]:
        return {"variables": self.values}
