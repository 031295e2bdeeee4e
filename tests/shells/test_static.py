"""What can be read off the hook files, and what sourcing them defines."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.shells.dialects import SHELLS, Dialect
from tests.shells.harness import Look, Say, code, export, prompt, run, source, source_hook, ucenv
from tests.shells.sites import HOOKS, Site
from tests.shells.test_undo import only_words
from tests.support import CHECKOUT, Unavailable

HOOK = CHECKOUT / "shell"
PREFIX = re.compile(r"_{0,2}(ucenv|UCENV)(_|$)")
SECTION = re.compile(r"^# (\d+) (.+?) -{3,}$", re.M)


def text(name: str) -> str:
    return (HOOK / name).read_text()


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_are_plain_text(name: str) -> None:
    content = (HOOK / name).read_bytes()
    assert content.isascii()
    assert content.endswith(b"\n")
    assert b"\r" not in content


def test_sections_are_the_same_in_the_same_order() -> None:
    """tcsh's are in two files: what defines the words, and what they run."""
    sections = {
        "ucenv.sh": SECTION.findall(text("ucenv.sh")),
        "ucenv.fish": SECTION.findall(text("ucenv.fish")),
        "ucenv.csh": SECTION.findall(text("ucenv.csh")) + SECTION.findall(text("ucenv-act.csh")),
    }
    numbered = {name: sorted(set(found), key=lambda section: int(section[0])) for name, found in sections.items()}
    assert len(numbered["ucenv.sh"]) >= 6
    assert numbered["ucenv.fish"] == numbered["ucenv.sh"]
    assert numbered["ucenv.csh"] == numbered["ucenv.sh"]


def test_every_name_has_our_prefix_in_sh() -> None:
    body = _without_comments(text("ucenv.sh"))
    functions = re.findall(r"^\s*([A-Za-z_]\w*)\(\)", body, re.M)
    assigned = re.findall(r"(?:^|[\s;(])([A-Za-z_]\w*)=(?![=~])", body, re.M)
    known = {
        "conda",
        "exit",
        "IFS",
        "CONDA_SHLVL",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "CONDA_PROMPT_MODIFIER",
        "CONDA_EXE",
    }
    known |= {
        "CONDA_ENVS_PATH",
        "CONDA_PKGS_DIRS",
        "CONDA_PYTHON_EXE",
        "_CE_M",
        "_CE_CONDA",
        "_CONDA_EXE",
        "_CONDA_ROOT",
        "PATH",
        "LC_ALL",
    }
    assert len(functions) > 20
    assert {name for name in functions + assigned if not PREFIX.match(name)} - known == set()


def test_every_name_has_our_prefix_in_fish() -> None:
    body = _without_comments(text("ucenv.fish"))
    functions = re.findall(r"^\s*function (\S+)", body, re.M)
    scoped = re.findall(r"\bset (-\w*g\w*|--global)(?: -\S+)* ([A-Za-z_]\w*)", body)
    conda = re.compile(r"_?(CONDA|_CE|_CONDA)_?|PATH$")
    assert len(functions) > 5
    assert {name for name in functions if not PREFIX.match(name)} <= {"conda"}
    assert {name for _, name in scoped if not PREFIX.match(name) and not conda.match(name)} == set()


def test_every_name_has_our_prefix_in_csh() -> None:
    body = _without_comments(text("ucenv.csh") + text("ucenv-act.csh"))
    aliases = re.findall(r"\balias (\S+)", body)
    assigned = re.findall(r"^\s*set ([A-Za-z_]\w*)", body, re.M) + re.findall(r"^\s*@ (\w+)", body, re.M)
    options = {"noglob", "nonomatch", "argv", "prompt", "status"}
    assert {name for name in aliases if not PREFIX.match(name.strip("'\""))} <= {"conda"}
    assert {name for name in assigned if not PREFIX.match(name)} - options == set()


def _without_comments(body: str) -> str:
    return re.sub(r"^\s*#.*$", "", body, flags=re.M)


def test_fish_indent_agrees() -> None:
    program = shutil.which("fish_indent")
    if program is None:
        raise Unavailable("needs fish_indent", tool="fish")
    done = subprocess.run([program, "--check", str(HOOK / "ucenv.fish")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", HOOKS)
def test_no_external_command_is_named(name: str) -> None:
    body = _without_comments(text(name))
    programs = (
        "sed awk grep tr cut dirname basename cat env printenv sort head tail ls rm expr python readlink realpath"
    )
    words = rf"(?:^|[\s;|&({{`])({'|'.join(programs.split())})\s"
    assert re.findall(words, body, re.M) == []


@pytest.mark.parametrize("name", HOOKS)
def test_files_parse(name: str) -> None:
    for shell in SHELLS:
        if shell.hook == name and shell.name != "tcsh":
            done = subprocess.run([*shell.argv, "-n", HOOK / name], capture_output=True)
            assert done.returncode == 0, shell
            assert done.stderr == b"" or shell.name == "ksh"  # it has opinions on style


def test_sourcing_defines_words_and_nothing_else(shell: Dialect, site: Site) -> None:
    outcome = run(shell, [prompt("> "), Look("before"), source_hook(site.hooks), Look("after")], site.start)
    assert outcome.noise() == []
    assert outcome.changes("before", "after") == {}
    assert only_words(outcome.state_changes("before", "after"))


def test_sourcing_twice_and_while_loaded_is_harmless(shell: Dialect, site: Site) -> None:
    hook = source_hook(site.hooks)
    steps = [Look("before"), hook, hook, Look("sourced"), ucenv("load", "all"), hook, ucenv("activate", "plain"), hook]
    outcome = run(shell, [*steps, ucenv("unload"), Look("after")], site.start)
    assert outcome.noise() == []
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("sourced", "after") == {}


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell.name not in ("dash", "mksh", "ash")], ids=str)
def test_the_hook_knows_its_place(shell: Dialect, site: Site) -> None:
    """dash, mksh and ash do not tell a sourced file where it is: there UCENV_CONDA_ROOT or CONDA_EXE says it."""
    given = {name: value for name, value in site.start.items() if name != "UCENV_CONDA_ROOT"}
    for file, cwd in (
        (site.hooks / shell.hook, "/"),
        (site.root / "share/ucenv/shell" / shell.hook, "/"),
        (f"etc/profile.d/{shell.hook}", site.root),
        (f"./{shell.hook}", site.hooks),
    ):
        steps = [
            source(file),
            code("cd /usr", csh="cd /usr", fish="cd /usr"),
            ucenv("load", "plain"),
            Look("loaded"),
            ucenv("unload"),
        ]
        outcome = run(shell, steps, given, cwd=cwd)
        assert outcome.noise() == [], (str(file), outcome.story())
        assert outcome["loaded"]["CONDA_EXE"] == f"{site.root}/bin/conda"


def test_the_conda_root_may_be_named(shell: Dialect, site: Site, own_site: Site) -> None:
    given = {name: value for name, value in site.start.items() if name != "UCENV_CONDA_ROOT"}
    named = given | {"UCENV_CONDA_ROOT": str(own_site.root)}
    steps = [source_hook(site.hooks), ucenv("load"), Look("loaded"), ucenv("unload")]
    assert run(shell, steps, named)["loaded"]["CONDA_EXE"] == f"{own_site.root}/bin/conda"
    if shell.name in ("dash", "mksh", "ash"):
        outcome = run(shell, steps, given | {"CONDA_EXE": f"{own_site.root}/bin/conda"})
        assert outcome["loaded"]["CONDA_EXE"] == f"{own_site.root}/bin/conda"


def test_other_words_go_to_the_command(shell: Dialect, own_site: Site) -> None:
    command = own_site.root / "bin/ucenv"
    command.write_text('#!/bin/sh\nfor word; do printf "<%s>" "$word"; done\nexit 4\n')
    command.chmod(0o755)
    say = Say(lambda d: d.call("ucenv", ("usage", "--by", "it's a *", "", "x y")), told="ucenv usage")
    outcome = run(shell, [source_hook(own_site.hooks), export("X", "x"), say], own_site.start)
    assert (outcome.steps[-1].status, outcome.steps[-1].stdout) == (4, "<usage><--by><it's a *><><x y>")
