"""Values that would be code if anything evaluated them: in a state file, in records, in a name, in marks of our own."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from pathlib import Path

import pytest

from tests.shells.dialects import BASH, KSH, MKSH, POSIX, ZSH, Dialect
from tests.shells.harness import Look, code, run, source_hook, ucenv
from tests.shells.sites import Site
from tests.shells.test_errors import assert_refused, refused

#: Names that one shell or another takes for a number, and so evaluates what it is assigned.
NUMBERS = (
    *("SECONDS", "RANDOM", "SRANDOM", "LINENO", "OPTIND", "TMOUT", "HISTSIZE", "SAVEHIST", "HISTCMD", "COLUMNS"),
    *("LINES", "SHLVL", "MAILCHECK", "KEYTIMEOUT", "LISTMAX", "ERRNO", "BASHPID", "PPID", "UID", "PGRP", "USERS_OWN"),
)


def expressions(trap: Path) -> list[str]:
    return ["VICTIM=7", f"a[$(:>{trap})VICTIM=7]", "VICTIM++"]


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_a_number_is_not_given_an_expression(shell: Dialect, own_site: Site, tmp_path: Path) -> None:
    trap = tmp_path / "evaluated"
    declared = code("VICTIM=5; export VICTIM", zsh="export VICTIM=5; typeset -i USERS_OWN")
    if shell in (BASH, KSH, MKSH):
        declared = code("export VICTIM=5; typeset -i USERS_OWN")
    for number, value in enumerate(expressions(trap)):
        own_site.environment(f"numbers{number}", state=dict.fromkeys(NUMBERS, value))
        inside = [
            declared,
            source_hook(own_site.hooks),
            ucenv("load", f"numbers{number}"),
            Look("loaded"),
            ucenv("unload"),
        ]
        outcome = run(shell, [*inside, Look("after")], own_site.start)
        assert [outcome["loaded"]["VICTIM"], outcome["after"]["VICTIM"], trap.exists()] == ["5", "5", False], value
        assert outcome.noise() == []
        records = {f"__UCENV_0_{name}": f"={value}" for name in NUMBERS}
        records |= {"__UCENV_LEVELS": "0", "__UCENV_0": str(own_site.root), "__UCENV_0_": " ".join(NUMBERS)}
        steps = [declared, source_hook(own_site.hooks), ucenv("unload"), Look("after")]
        outcome = run(shell, steps, own_site.start | records)
        assert [outcome["after"]["VICTIM"], trap.exists(), outcome.noise()] == ["5", False, []], value


@pytest.mark.parametrize("shell", [BASH, ZSH, KSH, MKSH], ids=str)
def test_marks_of_ours_are_not_inherited(shell: Dialect, site: Site, tmp_path: Path) -> None:
    """What a Ctrl-C leaves for the next call is taken from this shell only."""
    trap = tmp_path / "evaluated"
    evil = f"a[$(:>{trap})]"
    names = ("open", "close", "noted", "shopt", "flags", "changed", "scripts", "level", "file")
    marks = {f"__ucenv_{name}": evil for name in names} | {"__ucenv_inside": "1", "__ucenv_scripts": "1"}
    steps = [source_hook(site.hooks), ucenv("load"), ucenv("unload"), Look("after")]
    outcome = run(shell, steps, site.start | marks)
    assert not trap.exists()
    assert outcome["after"]["PATH"] == site.start["PATH"]


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_readonly_ifs(shell: Dialect, site: Site) -> None:
    assert_refused(run(shell, refused(("load", "plain"), code("readonly IFS"), site=site), site.start), 1, "IFS")


def test_letters_of_options_are_told_apart_where_case_does_not_matter(site: Site) -> None:
    """set -E is not set -e, and a value in other letters is another value."""
    first = code("shopt -s nocasematch; set -E; export FOO=User")
    change = code("export HOOK_VAR=MINE PATH=$PATH:${CONDA_PREFIX^^}/bin")
    steps = [
        first,
        source_hook(site.hooks),
        Look("before"),
        ucenv("load", "hooks"),
        change,
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(BASH, steps, site.start)
    assert outcome.state_changes("before", "after").keys() == {"variables"}
    assert outcome["after"]["HOOK_VAR"] == "MINE"
    assert outcome["after"]["PATH"] == f"{outcome['before']['PATH']}:{str(site.env('hooks')).upper()}/bin"


# at a prompt ------------------------------------------------------------------------------------------------------


def at_a_prompt(shell: Dialect, lines: list[str], environment: dict[str, str], cwd: Path) -> tuple[str, bool]:
    """What a terminal shows, and whether the shell ended. A line is typed once the last has had its prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # workers of pytest-xdist ignore it
        os.chdir(cwd)
        os.execvpe(shell.argv[0], [*shell.argv, "-i"], environment | {"TERM": "dumb"})
    shown, ended = "", False

    def read_until(text: str, seconds: float) -> None:
        nonlocal shown, ended
        start, deadline = len(shown), time.monotonic() + seconds
        while not ended and text not in shown[start:] and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    shown += os.read(terminal, 65536).decode(errors="replace")
                except OSError:  # EIO: the shell has gone
                    ended = True

    os.write(terminal, b"PS1='PROM''PT> '\n")
    read_until("PROMPT> ", 10)
    for line in lines:
        if line == "\x03":
            read_until("RUNNING", 10)
        os.write(terminal, line.encode() + b"\n" * (line != "\x03"))
        if line.startswith("ucenv load slow"):
            continue
        read_until("PROMPT> ", 10)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown, ended


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_a_name_in_the_prompt_is_not_evaluated(shell: Dialect, own_site: Site, tmp_path: Path) -> None:
    """bash, ksh, dash and others expand a prompt; so does zsh where it is told to."""
    own_site.environment("a$(echo >trap)b`echo >trap`")
    lines = [
        "setopt prompt_subst" if shell is ZSH else ":",
        f". '{own_site.hooks / shell.hook}'",
        r"ucenv load 'a$(echo >trap)b`echo >trap`'",
        "ucenv activate plain",
        "ucenv deactivate",
        "ucenv unload",
    ]
    shown, _ = at_a_prompt(shell, lines, own_site.start, tmp_path)
    assert not (tmp_path / "trap").exists(), shown
    assert "(plain) PROMPT> " in shown


@pytest.mark.parametrize("shell", [BASH, ZSH], ids=str)
def test_an_interrupted_script_is_rolled_back_by_the_next_call(shell: Dialect, own_site: Site, tmp_path: Path) -> None:
    environment = own_site.environment("slow")
    scripts = environment / "etc/conda/activate.d"
    scripts.mkdir(parents=True)
    (scripts / "slow.sh").write_text("export SLOW_VAR=1; echo RUN''NING; while :; do :; done\n")
    lines = [f". '{own_site.hooks / shell.hook}'", "set -u", "ucenv load slow", "\x03", "ucenv unload"]
    shown, ended = at_a_prompt(shell, [*lines, "echo left-${SLOW_VAR-nothing}-$-"], own_site.start, tmp_path)
    assert "left-nothing-" in shown
    assert not ended
    shown, ended = at_a_prompt(shell, [*lines[:-1], "exit"], own_site.start, tmp_path)
    assert ended, shown
