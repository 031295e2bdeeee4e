"""Which shell a user runs, its hook file, and values as code for it. Values are data: each is quoted for its shell.

Imported by `ucenv env` and `ucenv hook` in job scripts, so it imports nothing that opens files.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

POSIX = ("bash", "zsh", "dash", "ksh", "ksh93", "mksh", "ash", "sh", "busybox")
CSH = ("tcsh", "csh")
FISH = ("fish",)
SUPPORTED = (*POSIX, *CSH, *FISH)

#: What the hooks define. The command knows them only to say so.
HOOK_WORDS = ("load", "activate", "deactivate", "unload")

#: What csh takes as it is; it has no quotes in which nothing else is special under every setting (`histchars`,
#: `backslash_quote`), but a backslash before a character is a quote always.
_CSH_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.:,=+-%")


def detect_shell(environment_shell: str) -> str:
    """The shell that called this process, by shellingham; else the login shell's name.

    The parent's own name is asked first: it mostly is the shell, and shellingham's import costs more file system calls
    than all the rest of `ucenv env`. A script's process is named after the script, its first word is the shell.
    """
    process = f"/proc/{os.getppid()}"
    try:
        with open(f"{process}/comm", "rb") as stream:
            parent = stream.read().strip()
        if (name := os.fsdecode(parent).lstrip("-")) in SUPPORTED:
            return name
        with open(f"{process}/cmdline", "rb") as stream:
            first, _, _ = stream.read().partition(b"\0")
        if (name := os.path.basename(os.fsdecode(first)).lstrip("-")) in SUPPORTED:
            return name
    except OSError:  # no /proc on macOS
        pass
    try:
        import shellingham

        name, _ = shellingham.detect_shell()
        return str(name)
    except Exception:  # ShellDetectionFailure, or no shellingham on this machine
        return os.path.basename(environment_shell)


# hook files -----------------------------------------------------------------------------------------------------


def hook_name(shell: str) -> str:
    """
    Raises:
        UnsupportedShell: there is no hook for that shell.
    """
    if shell in POSIX:
        return "ucenv.sh"
    if shell in CSH:
        return "ucenv.csh"
    if shell in FISH:
        return "ucenv.fish"
    from userconda.errors import UnsupportedShell

    raise UnsupportedShell(shell, SUPPORTED)


def find_hook(shell: str, conda_root: str | None) -> str:
    """Path of the file that a shell sources.

    Raises:
        UnsupportedShell: there is no hook for that shell.
        HookMissing: it was not installed with ucenv.
    """
    name = hook_name(shell)
    searched = dict.fromkeys(_hook_directories(conda_root))
    for directory in searched:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
    from userconda.errors import HookMissing

    raise HookMissing(name, tuple(searched))


def _hook_directories(conda_root: str | None) -> Iterator[str]:
    """Where a wheel's data go, beside the package as it is imported; for a checkout its own files, which are newer than
    those an editable install has copied."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield os.path.join(above, "shell")
    # With --user, on Debian and in a venv on top of another, sys.prefix is not the prefix that pip installed into.
    library = os.path.dirname(os.path.dirname(above))
    own = os.path.dirname(library) if os.path.basename(library) in ("lib", "lib64") else above
    for prefix in (own, sys.prefix, conda_root):
        if prefix:
            yield os.path.join(prefix, "etc", "profile.d")
            yield os.path.join(prefix, "share", "ucenv", "shell")


def source_command(shell: str, hook: str, conda_root: str | None) -> str:
    """What a user types to have the hook in a shell that runs.

    Args:
        conda_root: given to the hook where it could not find it by its own place.
    """
    assign = {"csh": "set UCENV_CONDA_ROOT = {}; ", "fish": "set -g UCENV_CONDA_ROOT {}; "}
    root = assign.get(family(shell), "UCENV_CONDA_ROOT={}; ").format(quote(shell, conda_root)) if conda_root else ""
    return f"{root}{'.' if shell in POSIX else 'source'} {quote(shell, hook)}"


def root_for_hook(shell: str, hook: str, conda_root: str | None) -> str | None:
    """The conda root, where the hook has to be told: it lies elsewhere, or a shell that reads the same startup file
    ($ENV, ~/.profile) cannot know where a file lies that it sources. In tcsh the hook knows by /proc."""
    knows = shell in ("bash", "zsh", *FISH) or (shell in CSH and os.path.exists("/proc/self/fd"))
    return None if conda_root is None or (knows and hook.startswith(os.path.join(conda_root, ""))) else conda_root


# code -----------------------------------------------------------------------------------------------------------


def family(shell: str) -> str:
    """`posix`, `csh` or `fish`.

    Raises:
        UnsupportedShell: no code can be made for that shell.
    """
    return {"ucenv.sh": "posix", "ucenv.csh": "csh", "ucenv.fish": "fish"}[hook_name(shell)]


def assignment(shell: str, name: str, value: str) -> str:
    """One line that exports a variable, exact in a file that is sourced and through `eval`.

    In csh it ends in a semicolon: what backquotes read is one line to `eval`.

    Raises:
        UnsupportedShell: no code can be made for that shell.
        UnquotableValue: the shell would hold another value.
    """
    form = {"posix": "export {}={}", "csh": "setenv {} {};", "fish": "set -gx {} {}"}[family(shell)]
    return form.format(name, quote(shell, value))


def quote(shell: str, value: str) -> str:
    """A value as one word.

    Raises:
        UnsupportedShell: no code can be made for that shell.
        UnquotableValue: the shell would read another value.
    """
    kind = family(shell)
    if "\0" in value or (kind == "csh" and "\n" in value):
        from userconda.errors import UnquotableValue

        reason = "no variable can hold a NUL" if "\0" in value else "its backquotes and `eval` make spaces of newlines"
        raise UnquotableValue(shell, value, reason)
    if kind == "posix":
        return "'" + value.replace("'", "'\\''") + "'"
    if kind == "fish":
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "".join(c if c in _CSH_PLAIN or c > "\x7f" else f"\\{c}" for c in value) or "''"
