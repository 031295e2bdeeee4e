"""Which shell a user runs, and values as code for it. Values are data: each is quoted for the shell it goes to."""

from __future__ import annotations

POSIX = ("bash", "zsh", "dash", "ksh", "ksh93", "mksh", "ash", "sh", "busybox")
CSH = ("tcsh", "csh")
FISH = ("fish",)
SUPPORTED = (*POSIX, *CSH, *FISH)


def detect_shell(environment_shell: str) -> str:
    """The shell that called this process, by shellingham; else the login shell's name.

    The parent's own name is asked first: it mostly is the shell, and shellingham's import costs more file system calls
    than all the rest of `ucenv env`.
    """
    import os

    try:
        with open(f"/proc/{os.getppid()}/comm", encoding="utf-8") as stream:
            parent = stream.read().strip().lstrip("-")
        if parent in SUPPORTED:
            return parent
    except (OSError, UnicodeDecodeError):  # no /proc on macOS
        pass
    try:
        import shellingham

        name, _ = shellingham.detect_shell()
        return str(name)
    except Exception:  # ShellDetectionFailure, or no shellingham on this machine
        return os.path.basename(environment_shell)


def assignment(shell: str, name: str, value: str) -> str:
    """One line that exports a variable.

    Raises:
        UnsupportedShell: no code can be made for that shell.
    """
    if shell in POSIX:
        return f"export {name}={_quote_posix(value)}"
    if shell in CSH:
        return f"setenv {name} {_quote_csh(value)}"
    if shell in FISH:
        return f"set -gx {name} {_quote_fish(value)}"
    from userconda.errors import UnsupportedShell

    raise UnsupportedShell(shell, SUPPORTED)


def _quote_posix(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _quote_csh(value: str) -> str:
    """csh expands `!` even in single quotes, and takes no newline there without a backslash."""
    return "'" + value.replace("'", "'\\''").replace("!", "\\!").replace("\n", "\\\n") + "'"


def _quote_fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
