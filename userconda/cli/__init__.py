"""The command line: words -> request -> result -> exit code. One module a command, imported when it is called.

`ucenv --version`, `ucenv env` and `ucenv hook` run in every job script: nothing here imports what they do not need.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Command(Protocol):
        """What a command's module has."""

        EXAMPLE: str

        def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
        def run(self, args: argparse.Namespace) -> Any: ...


#: command -> what it does. The module is `userconda.cli.<command>`.
COMMANDS = {
    "setup": "make your space on the scratch filesystem and tell how to use it",
    "env": "print the settings that point conda at your space, as code to evaluate",
    "hook": "print the path of the file that gives your shell `ucenv load` and `ucenv unload`",
    "clone": "make your own variant of an environment; its files are hard links where the kernel allows",
    "thaw": "make parts of a thin clone, or all of it, real; in any environment, give packages inodes of their own",
    "list": "every environment you can see: whose, which Python, a clone of what",
    "info": "one environment: packages, sharing, parent, health",
    "pip": "run an environment's own pip; in a thin clone, what it will change is made real first",
    "usage": "what you are charged, what links save, what you get back if you remove an environment",
    "quota": "what your quotas leave: bytes, files, grace; or read a captured output of a quota command",
    "recover": "finish or take back what an interrupted run left",
    "site": "for administrators: a shared conda, its environments and modulefiles from one file",
    "config": "settings, and where each came from",
}

#: Commands of two words. The second ones are in the module's own COMMANDS.
GROUPS = ("site",)


_BROKEN_PIPE = 141


def broken_pipe() -> int:
    """Whoever read our output has seen enough. Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE


def _open_closed() -> None:
    """Where the caller closed stdin, stdout or stderr, a file of ours would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))


def write_exactly(text: str) -> None:
    """Text that a shell reads: paths as the bytes they are, whatever stdout's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(text))
    sys.stdout.flush()


def _write(text: str) -> int:
    try:
        write_exactly(text)
    except BrokenPipeError:
        return broken_pipe()
    except OSError as exc:
        from userconda.cli import boundary

        return boundary.output_refused("", exc)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The error boundary: what a user can act on is one message, what is our bug is one line and a log file."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_closed()
    # Not list(): once the command of that name was imported, it is this package's module.
    words = [*(sys.argv[1:] if argv is None else argv)]
    if words in (["--version"], ["-V"]):
        from userconda import __version__

        return _write(f"ucenv {__version__}\n")
    if words[:1] in (["env"], ["hook"]) and len(words) <= 2 and not words[-1].startswith("-"):
        # Every job script runs these: without a parser, whose import costs as many file system calls as Python's start.
        try:
            code = _quick(*words)
        except Exception:  # whatever it is, the boundary meets it again and says it
            pass
        else:
            return _write(code)
    from userconda.cli import boundary

    return boundary.run(words)


def _quick(command: str, shell: str = "") -> str:
    if command == "env":
        from userconda.cli import env

        return env.code(shell, root=None)
    from userconda.cli import hook

    return hook.code(shell)
