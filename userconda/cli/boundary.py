"""Parsing, and the one place where exceptions become messages and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from userconda.cli import COMMANDS, GROUPS, broken_pipe, write_exactly
from userconda.shells import HOOK_WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from userconda.cli import Command
    from userconda.errors import UcenvError

_SIGNALLED = 130
_BUG = 3


class _Parser(argparse.ArgumentParser):
    example = ""

    def format_help(self) -> str:
        return f"example:\n  {self.example}\n\n{super().format_help()}"

    def error(self, message: str) -> NoReturn:
        from userconda.errors import UsageError

        raise UsageError(message, f"`{self.prog} --help` shows an example")


def parser_for(command: str, module: Command) -> argparse.ArgumentParser:
    """A command's parser. Its help begins with an example."""
    parser = _Parser(
        prog=f"ucenv {command}",
        description=_sentence(_meaning(command)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # `--js` would be JSON when all goes well and text when it fails
    )
    parser.example = module.EXAMPLE
    module.add_arguments(parser)
    if command.startswith("site "):  # a user's space is nothing to them, and would be taken for the conda's root
        parser.set_defaults(root=None)
    else:
        parser.add_argument("--root", metavar="DIR", help="your space (default: $SCRATCH/conda_local)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout (schema ucenv/1)")
    return parser


def _meaning(command: str) -> str:
    first, _, second = command.partition(" ")
    return group(first)[second] if second else COMMANDS[first]


def run(words: Sequence[str]) -> int:
    try:
        code = _run(words)
        sys.stdout.flush()  # here, not at exit: help and a failure's JSON may not be out yet
    except BrokenPipeError:
        return broken_pipe()
    except OSError as exc:
        return output_refused("", exc)
    return code


def output_refused(command: str, exc: OSError) -> int:
    """A full disk under a redirection. It is said on stderr, with --json too: stdout is what fails."""
    from userconda.errors import FileOperation

    # Python would complain again when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _fail(command, FileOperation("writing", "the standard output", exc.errno or 0), as_json=False)


def _run(words: Sequence[str]) -> int:
    command, rest = _command_of(words)
    as_json = "--json" in words
    try:
        if command in GROUPS:
            name, rest = _command_of(rest)
            if name not in (parts := group(command)):
                return _group(command, parts, rest, name)
            command = f"{command} {name}"
        elif command not in COMMANDS:
            return _general(words, command)
        module: Command = import_module(f"userconda.cli.{command.replace(' ', '.')}")
        args = parser_for(command, module).parse_args(rest)
        if command not in ("env", "hook"):
            _catch_signals()
        return _show(command, module.run(args), args)
    except SystemExit as exc:  # argparse, after --help
        return exc.code if isinstance(exc.code, int) else 2
    except BrokenPipeError:
        raise
    except BaseException as exc:
        return _fail(command, exc, as_json)


def _show(command: str, result: object, args: argparse.Namespace) -> int:
    try:
        if isinstance(result, str):  # code or text that needs no rendering
            write_exactly(result)
        else:
            from userconda import report

            report.show(command, result, as_json=args.json, quiet=getattr(args, "quiet", False))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        return output_refused(command, exc)
    return int(getattr(result, "exit_code", 0))


def _command_of(words: Sequence[str]) -> tuple[str, list[str]]:
    """The command, and the words without it. Options may stand before; only `--root` takes a word of its own."""
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] == "--root" else 1
    return (words[position] if position < len(words) else ""), [*words[:position], *words[position + 1 :]]


def group(name: str) -> dict[str, str]:
    """Commands of two words: the second one, and what it does."""
    parts: dict[str, str] = import_module(f"userconda.cli.{name}").COMMANDS
    return parts


def _group(name: str, parts: dict[str, str], words: Sequence[str], wanted: str) -> int:
    """`ucenv site`, `ucenv site --help`, and words that are no command of it."""
    from userconda.errors import UsageError

    asked = any(word in ("-h", "--help") for word in words)
    if wanted or ("--json" in words and not asked):
        raise UsageError(
            f"there is no command '{name} {wanted}'" if wanted else f"`ucenv {name}` wants one more word",
            _suggestion(f"ucenv {name}", wanted, parts),
        )
    example = import_module(f"userconda.cli.{name}").EXAMPLE
    text = (
        f"example:\n  {example}\n\nusage: ucenv {name} COMMAND ...\n\n{_sentence(COMMANDS[name])}\n\ncommands:\n"
        f"{_listed(parts)}\n\n`ucenv {name} COMMAND --help` shows an example first.\n"
    )
    (sys.stdout if asked else sys.stderr).write(text)
    return 0 if asked else 2


def _suggestion(before: str, word: str, commands: dict[str, str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, commands, 1)
    return f"did you mean `{before} {near[0]}`?" if near else f"`{before} --help` lists the commands"


def _listed(commands: dict[str, str]) -> str:
    width = max(map(len, commands))
    return "\n".join(f"  {name.ljust(width)}  {meaning}" for name, meaning in commands.items())


def _sentence(meaning: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]}."


def _general(words: Sequence[str], command: str) -> int:
    """`ucenv`, `ucenv --help`, and words that are no command."""
    if command in HOOK_WORDS:
        from userconda.errors import UsageError

        raise UsageError(_function_of_the_shell(command))
    if command:
        from userconda.errors import UsageError

        raise UsageError(f"there is no command {command!r}", _suggestion("ucenv", command, COMMANDS))
    asked = any(word in ("-h", "--help") for word in words)
    if "--json" in words and not asked:
        from userconda.errors import UsageError

        raise UsageError("a command is missing", "`ucenv --help` lists the commands")
    text = (
        "example:\n  ucenv clone py3_powerai_1.7.0 mine\n\nusage: ucenv COMMAND ...\n\n"
        "Clone, share and account for conda environments on clusters.\n\ncommands:\n"
        + _listed(COMMANDS)
        + f"\n\nfunctions of the shell that has sourced `ucenv hook`: {', '.join(HOOK_WORDS)}\n"
        "\n`ucenv COMMAND --help` shows an example first; `ucenv --version` the version.\n"
    )
    (sys.stdout if asked else sys.stderr).write(text)
    return 0 if asked else 2


def _function_of_the_shell(word: str) -> str:
    from userconda.cli import hook
    from userconda.errors import UcenvError

    try:
        how = f"type this, or put it into the job script: {hook.find('', None).source}"
    except UcenvError as exc:
        how = exc.message
    return f"`ucenv {word}` is a function of the shell, which ucenv's hook defines; {how}"


def _catch_signals() -> None:
    """SIGINT, SIGTERM (a job's time limit) and SIGHUP leave at once, through the code that takes half a clone back."""
    import signal

    from userconda.errors import Interrupted

    def leave(number: int, frame: object) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # What a parent chose to ignore (nohup) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def _fail(command: str, exc: BaseException, as_json: bool) -> int:
    from userconda import report
    from userconda.errors import Interrupted, UcenvError

    error: UcenvError
    if isinstance(exc, (KeyboardInterrupt, Interrupted)):
        report.show_interrupted(command, as_json=as_json)
        return _SIGNALLED
    if isinstance(exc, UcenvError):
        error = exc
        report.show_error(command if command.partition(" ")[0] in COMMANDS or as_json else "", error, as_json=as_json)
        return error.exit_code
    report.show_bug(command, exc, as_json=as_json)
    return _BUG
