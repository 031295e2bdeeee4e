"""The one line in a shell's startup file that sources the hook: put in, found again, taken out to the byte."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from userconda import fsops
from userconda.errors import StartupFileRefused, UnquotableValue
from userconda.shells import CSH, FISH, POSIX, family, find_hook, quote, root_for_hook, source_command

#: Ends the line. What stands after it in parentheses is what the file was before, so that it can be that again.
MARK: Final = "# added by ucenv setup --shell"
_NEW_FILE: Final = " (new file)"
_NO_NEWLINE: Final = " (no newline before)"

_OURS: Final = re.compile(
    rb"^(?P<indent>[ \t]*)if [^\n]*/ucenv\.(?:sh|csh|fish)[^\n]*"
    + re.escape(MARK.encode())
    + rb"(?P<note>(?: \([a-z ]+\))?)(?P<end>[ \t]*\r?(?:\n|\Z))",
    re.MULTILINE,
)
_GOES_ON: Final = re.compile(rb"\\\r?\n?\Z")
_CONDA_INIT: Final = re.compile(rb"^# >>> (conda|mamba) initialize >>>", re.MULTILINE)
_INIT_BLOCK: Final = {
    "conda": "{path} has the block of `conda init`: each shell starts with that conda and, unless told otherwise, its "
    "base active; `ucenv load` starts from there, and `ucenv unload` goes back there. To be rid of it: "
    "conda init --reverse {shell} (docs/job-scripts.md)",
    "mamba": "{path} has the block of `mamba shell init`, whose functions `ucenv load` and `ucenv unload` leave as they"
    " are. To be rid of it: mamba shell deinit -s {shell}, or micromamba's",
}


@dataclass(frozen=True, slots=True)
class RcEdit:
    """What is done to a startup file.

    Attributes:
        action: added, replaced, present (nothing to do), removed, absent (nothing to do).
        now: what to type in a shell that runs already.
    """

    shell: str
    path: str
    line: str
    action: str
    now: str
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "shell": self.shell,
            "path": self.path,
            "line": self.line,
            "action": self.action,
            "now": self.now,
        }


def edit(shell: str, environment: Mapping[str, str], home: str, conda_root: str | None, *, dry_run: bool) -> RcEdit:
    """Put the line into the shell's startup file, in place of an older one of ours.

    Raises:
        UnsupportedShell, HookMissing, UnquotableValue: there is no line that would do.
        StartupFileRefused: the file is one that is not edited.
        UcenvError: it could not be written.
    """
    hook = find_hook(shell, conda_root)
    root = root_for_hook(shell, hook, conda_root)
    line, now = source_line(shell, hook, root), source_command(shell, hook, root)
    path, *others = startup_files(shell, environment, home)
    startup = _StartupFile(path, f"add the line yourself: {line}")
    text = with_line(startup.data, os.fsencode(line))
    action = "present" if text == startup.data else "replaced" if _OURS.search(startup.data or b"") else "added"
    if action != "present":
        startup.write(text, dry_run=dry_run)
    warnings = (*_conda_init(shell, [path, *others, *_read_too(shell, path)]), *_login_shells(shell, home))
    return RcEdit(shell, path, line, action, now, (*warnings, *startup.warnings))


def undo(shell: str, environment: Mapping[str, str], home: str, *, dry_run: bool) -> RcEdit:
    """Take our line out of the first of the shell's startup files that has it.

    Raises:
        StartupFileRefused: the file is one that is not edited.
        UcenvError: it could not be written.
    """
    paths = startup_files(shell, environment, home)
    for path in paths:
        startup = _StartupFile(path, "take the line out yourself")
        if startup.data is not None and (found := _OURS.search(startup.data)):
            startup.write(without_line(startup.data), dry_run=dry_run)
            line = os.fsdecode(found[0].strip())
            return RcEdit(shell, path, line, "removed", "", startup.warnings)
    return RcEdit(shell, paths[0], "", "absent", "")


# which file -----------------------------------------------------------------------------------------------------


def startup_files(shell: str, environment: Mapping[str, str], home: str) -> list[str]:
    """What the shell reads when it starts, interactive: the file that gets the line, then others that may have it.

    fish's is a file of our own in conf.d: fish reads it wherever config.fish is, and whoever keeps config.fish in a
    repository does not find it changed. tcsh reads ~/.cshrc only where there is no ~/.tcshrc.
    """
    if shell in FISH:
        base = environment.get("XDG_CONFIG_HOME", "")
        if not base.startswith("/"):
            base = os.path.join(home, ".config")
        return [os.path.join(base, "fish", "conf.d", "ucenv.fish")]
    if shell in CSH:
        files = [os.path.join(home, name) for name in (".tcshrc", ".cshrc")]
        first_is_read = shell == "tcsh" and (os.path.lexists(files[0]) or not os.path.lexists(files[1]))
        return files if first_is_read else files[::-1]
    if shell == "bash":
        return [os.path.join(home, ".bashrc")]
    if shell == "zsh":
        directory = environment.get("ZDOTDIR", "")
        return [os.path.join(directory if directory.startswith("/") else home, ".zshrc")]
    family(shell)
    own = {"ksh": ".kshrc", "ksh93": ".kshrc", "mksh": ".mkshrc"}.get(shell, ".profile")
    named = _expanded(environment.get("ENV", ""), home)
    return [*([named] if named else []), os.path.join(home, own)]


def _expanded(value: str, home: str) -> str:
    """$ENV, in which shells expand variables (and ksh93 commands, which nobody should run for us)."""
    for start in ("~/", "$HOME/", "${HOME}/"):
        if value.startswith(start):
            value = os.path.join(home, value[len(start) :])
    if value and (not value.startswith("/") or "$" in value or "`" in value):
        raise StartupFileRefused(value, "$ENV is no plain path", "set ENV to the absolute path of a file")
    return value


def _read_too(shell: str, path: str) -> list[str]:
    """Files beside the one that gets the line, in which `conda init` writes."""
    if shell in FISH:
        return [os.path.join(os.path.dirname(os.path.dirname(path)), "config.fish")]
    return [os.path.join(os.path.dirname(path), ".bash_profile")] if shell == "bash" else []


# the line -------------------------------------------------------------------------------------------------------


def source_line(shell: str, hook: str, conda_root: str | None) -> str:
    """Sources the hook where it can be read; its status is 0 where it cannot, so that no `set -e` ends there.

    Args:
        conda_root: what UCENV_CONDA_ROOT becomes where it has no value; not exported.

    Raises:
        UnquotableValue: a path that does not fit into a line.
    """
    for path in (hook, conda_root or ""):
        if any(ord(character) < 32 for character in path):
            raise UnquotableValue(shell, path, "a control character does not belong into a startup file")
    source, root = quote(shell, hook), quote(shell, conda_root) if conda_root else ""
    if shell in POSIX:
        if root:
            root = f'[ -n "${{UCENV_CONDA_ROOT-}}" ] || UCENV_CONDA_ROOT={root}; '
        return f"if [ -r {source} ]; then {root}. {source}; fi {MARK}"
    if shell in CSH:
        if root:
            root = f"if ( -r {source} && ! $?UCENV_CONDA_ROOT ) set UCENV_CONDA_ROOT = {root}; "
        return f"{root}if ( -r {source} ) source {source} {MARK}"
    if root:
        root = f"set -q UCENV_CONDA_ROOT; or set -g UCENV_CONDA_ROOT {root}; "
    return f"if test -r {source}; {root}source {source}; end {MARK}"


def with_line(data: bytes | None, line: bytes) -> bytes:
    """A startup file's text with our line once: where the first of ours stood, else at the end.

    Args:
        data: the text, None where there is no file.
    """
    if data is None:
        return line + _NEW_FILE.encode() + b"\n"
    if first := _OURS.search(data):
        rest = data[first.end() :]
        while _OURS.search(rest):
            rest = without_line(rest) or b""
        return data[: first.start()] + first["indent"] + line + first["note"] + first["end"] + rest
    newline, note = b"\r\n" if b"\r\n" in data else b"\n", b""
    if data and not data.endswith(b"\n"):
        data, note = data + newline, _NO_NEWLINE.encode()
    return data + line + note + newline


def without_line(data: bytes) -> bytes | None:
    """A startup file's text with the lines that are ours taken out: what `with_line` was given, where nothing else was
    changed since. None where there was no file, and nothing else has come into it."""
    note = b""
    while found := _OURS.search(data):
        start, end, note = found.start(), found.end(), found["note"]
        if found["indent"]:
            # Somebody has put it into a block, which may not be empty.
            data = data[:start] + found["indent"] + b":" + found["end"] + data[end:]
            continue
        if note == _NO_NEWLINE.encode() and end == len(data):
            start -= 2 if found["end"].endswith(b"\r\n") and data[:start].endswith(b"\r\n") else 1
        data = data[: max(start, 0)] + data[end:]
    return None if not data and note == _NEW_FILE.encode() else data


# the file -------------------------------------------------------------------------------------------------------


class _StartupFile:
    """A file of the user's: read, checked, and replaced by rename where a link to it, if any, leads."""

    def __init__(self, path: str, advice: str) -> None:
        """
        Raises:
            StartupFileRefused: it is no text file that its owner writes.
            UcenvError: it cannot be read.
        """
        self.path, self.target, self.advice = path, os.path.realpath(path), advice
        self.data: bytes | None = None
        self.status: os.stat_result | None = None
        try:
            self.status = os.stat(path)
            if not stat.S_ISREG(self.status.st_mode):  # /dev/null, a FIFO
                raise self._refused("it is no regular file")
            with open(path, "rb") as stream:
                self.data = stream.read()
        except FileNotFoundError:
            return
        except OSError as exc:
            raise fsops.failure("reading", path, exc) from None
        if b"\0" in self.data:
            raise self._refused("it is no text file")

    @property
    def warnings(self) -> tuple[str, ...]:
        names = self.status.st_nlink if self.status else 1
        return (f"{self.path} had {names} names (hard links); only this one has the change",) if names > 1 else ()

    def write(self, data: bytes | None, *, dry_run: bool) -> None:
        if self.status is not None:
            if not self.status.st_mode & 0o222 or not os.access(self.target, os.W_OK):
                raise self._refused("it is read-only")
            if data is not None and data.startswith(self.data or b"") and _GOES_ON.search(self.data or b""):
                raise self._refused("its last line ends in a backslash, and would go on in ours")
        if dry_run:
            return
        if self.status is None and os.path.basename(os.path.dirname(self.path)) == "conf.d":
            self._make_directory()
        if not fsops.replace_file(self.target, data, self.status):
            raise self._refused("somebody else has just changed it")

    def _make_directory(self) -> None:
        """fish's own, not a home that is missing."""
        try:
            fsops.make_directories(os.path.dirname(self.target))
        except OSError as exc:
            raise fsops.failure("making the directory", os.path.dirname(self.target), exc) from None

    def _refused(self, reason: str) -> StartupFileRefused:
        return StartupFileRefused(self.path, reason, self.advice)


# warnings -------------------------------------------------------------------------------------------------------


def _conda_init(shell: str, paths: list[str]) -> tuple[str, ...]:
    found = [(path, tool.decode()) for path in paths for tool in sorted(set(_CONDA_INIT.findall(_text(path))))]
    return tuple(_INIT_BLOCK[tool].format(path=path, shell=shell) for path, tool in found)


def _login_shells(shell: str, home: str) -> tuple[str, ...]:
    """bash reads ~/.bashrc in login shells only where their own file says so."""
    if shell != "bash":
        return ()
    own = [os.path.join(home, name) for name in (".bash_profile", ".bash_login", ".profile")]
    read = next((path for path in own if os.path.exists(path)), None)
    if read is None or b"bashrc" not in _text(read):
        why = f"{read} does not" if read else "there is no ~/.bash_profile that would"
        return (f"login shells (ssh) have it only where ~/.bashrc is read, and {why}: . ~/.bashrc",)
    return ()


def _text(path: str) -> bytes:
    """Empty where a file cannot be read: a warning is not worth an error."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
