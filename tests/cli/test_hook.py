"""`ucenv hook`, and what is said of the words that only the hook knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.support import CHECKOUT
from userconda import shells
from userconda.shells import CSH, FISH, HOOK_WORDS, POSIX, SUPPORTED

FILES = {**dict.fromkeys(POSIX, "ucenv.sh"), **dict.fromkeys(CSH, "ucenv.csh"), **dict.fromkeys(FISH, "ucenv.fish")}


@pytest.mark.parametrize("shell", SUPPORTED)
def test_a_checkout_uses_its_own_files(prompt: Cluster, shell: str) -> None:
    run = prompt("hook", shell)
    assert (run.code, run.out) == (0, f"{CHECKOUT}/shell/{FILES[shell]}\n")


@pytest.mark.parametrize("shell", ["bash", "tcsh", "fish"])
def test_the_text(prompt: Cluster, shell: str) -> None:
    run = prompt("hook", shell, "--print")
    assert run.out == (CHECKOUT / "shell" / FILES[shell]).read_text()
    assert prompt("hook", shell, "--print", "--json").json["result"]["text"] == run.out


def test_json(prompt: Cluster) -> None:
    path, root = f"{CHECKOUT}/shell/ucenv.sh", str(prompt.site.conda.root)
    source = f"UCENV_CONDA_ROOT='{root}'; . '{path}'"
    assert prompt("hook", "bash", "--json").json["result"] == {
        "shell": "bash",
        "path": path,
        "conda_root": root,
        "source": source,
    }


def test_the_shell_is_detected(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 0)
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("fish", "/usr/bin/fish"))
    assert prompt("hook").out.endswith("/ucenv.fish\n")


@pytest.mark.parametrize("words", [["hook", "bash"], ["hook", "bash", "--print"]])
def test_a_hook_that_is_missing(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(shells, "__file__", "/nowhere/userconda/shells.py")
    monkeypatch.setattr("sys.prefix", "/nowhere/at/all")
    run = prompt(*words)
    assert (run.code, run.out) == (71, "")
    assert "/nowhere/at/all/etc/profile.d" in run.err
    assert f"{prompt.site.conda.root}/share/ucenv/shell" in run.err
    assert "pip install" in run.err


def test_the_served_condas_own_is_the_last_resort(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "__file__", "/nowhere/userconda/shells.py")
    monkeypatch.setattr("sys.prefix", "/nowhere/at/all")
    directory = prompt.site.conda.root / "etc/profile.d"
    directory.mkdir(parents=True)
    (directory / "ucenv.sh").touch()
    assert prompt("hook", "bash").out == f"{directory}/ucenv.sh\n"
    # Where the file lies in the root, bash's finds it by itself; dash cannot know where it reads from.
    assert prompt("hook", "bash", "--json").json["result"]["source"] == f". '{directory}/ucenv.sh'"
    assert "UCENV_CONDA_ROOT" in prompt("hook", "dash", "--json").json["result"]["source"]


def test_a_hook_that_cannot_be_read(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userconda.cli.hook.find_hook", lambda *_: "/proc/self/mem")
    run = prompt("hook", "bash", "--print")
    assert (run.code, run.out) == (50, "")
    assert "/proc/self/mem" in run.err


def test_an_unsupported_shell(prompt: Cluster) -> None:
    assert prompt("hook", "powershell").code == 70


# the hook's words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", HOOK_WORDS)
@pytest.mark.parametrize("more", [[], ["mine"], ["--module", "conda/4.8.3", "mine"]])
def test_a_word_of_the_hook_where_it_is_not_sourced(
    prompt: Cluster, monkeypatch: pytest.MonkeyPatch, word: str, more: list[str]
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 0)
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("tcsh", "/bin/tcsh"))
    run = prompt(word, *more)
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"ucenv: `ucenv {word}` is a function of the shell")
    assert run.err.endswith(f"source {CHECKOUT}/shell/ucenv.csh\n")
    assert run.err.count("\n") == 1


def test_a_word_of_the_hook_where_there_is_none(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "__file__", "/nowhere/userconda/shells.py")
    monkeypatch.setattr("sys.prefix", "/nowhere/at/all")
    run = prompt("load", "mine")
    assert (run.code, run.err.count("\n")) == (2, 1)
    assert "is in none of" in run.err


def test_a_word_of_the_hook_in_json(prompt: Cluster) -> None:
    error = prompt("unload", "--json").json["error"]
    assert (error["code"], error["exit_code"]) == ("usage", 2)


def test_help_names_them(prompt: Cluster) -> None:
    assert ", ".join(HOOK_WORDS) in prompt("--help").out


@pytest.mark.parametrize("word", HOOK_WORDS)
def test_every_hook_defines_them(word: str) -> None:
    for name in set(FILES.values()):
        assert f"ucenv_{word}" in Path(CHECKOUT, "shell", name).read_text()
