"""Code that `ucenv env` prints, run by the real shells: every value arrives as it was."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import CHECKOUT, Unavailable
from userconda.errors import UnsupportedShell
from userconda.shells import SUPPORTED, assignment, detect_shell

SHELLS = {
    "bash": ("--norc", "--noprofile"),
    "dash": (),
    "zsh": ("-f",),
    "ksh": (),
    "mksh": (),
    "tcsh": ("-f",),
    "fish": ("--no-config",),
}

VALUES = {
    "plain": "/scratch/user/conda_local/envs:/opt/conda/envs",
    "empty": "",
    "spaces": "  two  words ",
    "single quote": "it's '' here'",
    "double quote": 'say "x"',
    "dollar": "$HOME ${PATH} $(echo no) $$",
    "backquote": "`echo no`",
    "semicolons": "a;b && c | d > /nowhere & # e",
    "bang": "wow! !! !x !$",
    "backslash": "a\\b \\n \\\\ \\' end\\",
    "backslash and bang": "\\! \\\\!",
    "pattern": "* ? [a-z] {b,c} ~",
    "newline": "one\ntwo\n\nthree",
    "tab": "a\tb",
    "unicode": "é 世界 🐍",
    "percent": "%s %n 100%",
    "not utf-8": os.fsdecode(b"/data/\xff\xfe"),
}


def assignments(shell: str) -> bytes:
    lines = [assignment(shell, f"UCENV_{number}", value) for number, value in enumerate(VALUES.values())]
    return os.fsencode("\n".join(lines) + "\n")


def values_after(shell: str, code: bytes, tmp_path: Path) -> dict[str, str | None]:
    """What the variables hold for a program that the shell starts after the code."""
    program = shutil.which(shell)
    if program is None:
        raise Unavailable(f"needs {shell}", tool=shell)
    script = tmp_path / "script"
    script.write_bytes(code + b"env -0\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([program, *SHELLS[shell], script], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    held = dict(line.split("=", 1) for line in os.fsdecode(done.stdout).split("\0") if line)
    return {name: held.get(f"UCENV_{number}") for number, name in enumerate(VALUES)}


@pytest.mark.parametrize("shell", SHELLS)
def test_values_arrive_as_they_were(shell: str, tmp_path: Path) -> None:
    assert values_after(shell, assignments(shell), tmp_path) == VALUES


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "ksh", "mksh"])
def test_values_arrive_through_eval(shell: str, tmp_path: Path) -> None:
    (tmp_path / "printed").write_bytes(assignments(shell))
    assert values_after(shell, b'cd "$HOME"; eval "$(cat printed)"\n', tmp_path) == VALUES


@pytest.mark.parametrize("shell", SUPPORTED)
def test_a_variable_is_set_in_the_words_of_the_shell(shell: str) -> None:
    words = {"csh": "setenv X 'v'", "tcsh": "setenv X 'v'", "fish": "set -gx X 'v'"}
    assert assignment(shell, "X", "v") == words.get(shell, "export X='v'")


def test_a_shell_without_code_is_refused() -> None:
    with pytest.raises(UnsupportedShell) as caught:
        assignment("powershell", "X", "v")
    assert (caught.value.shell, caught.value.supported) == ("powershell", SUPPORTED)


@pytest.fixture
def _parent_is_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 0)


@pytest.mark.usefixtures("_parent_is_no_shell")
def test_the_login_shell_counts_where_none_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[str, str]:
        raise RuntimeError

    monkeypatch.setattr("shellingham.detect_shell", fail)
    assert detect_shell("/usr/bin/fish") == "fish"


@pytest.mark.usefixtures("_parent_is_no_shell")
def test_the_detected_shell_counts_before_the_login_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("zsh", "/bin/zsh"))
    assert detect_shell("/usr/bin/fish") == "zsh"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_that_calls_is_detected(shell: str) -> None:
    if (program := shutil.which(shell)) is None:
        raise Unavailable(f"needs {shell}", tool=shell)
    code = "from userconda.shells import detect_shell; print(detect_shell('/bin/other'))"
    # Two commands: a shell replaces itself by the last one.
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}; echo after"
    done = subprocess.run([program, *SHELLS[shell], "-c", command], cwd=CHECKOUT, capture_output=True, text=True)
    assert done.stdout.split() in ([shell, "after"], ["ksh93", "after"])
