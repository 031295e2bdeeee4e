"""A load that cannot work says so in one line, returns non-zero and has changed nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from tests.shells.dialects import BASH, POSIX, ZSH, Dialect
from tests.shells.harness import Done, Look, Outcome, Say, Step, code, run, source_hook, ucenv
from tests.shells.sites import Site, without
from tests.shells.test_undo import USERS


def refused(words: tuple[str, ...], *first: Step, site: Site) -> list[Step]:
    return [*first, source_hook(site.hooks), Look("before"), ucenv(*words), Look("after")]


def assert_refused(outcome: Outcome, status: int, says: str) -> Done:
    done = outcome.ours[-1]
    assert (done.status, done.stdout) == (status, ""), outcome.story()
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("ucenv: ")
    assert says in lines[0]
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("before", "after") == {}
    return done


@pytest.mark.parametrize("words", [("load",), ("load", "plain"), ("activate", "plain")], ids=" ".join)
def test_no_conda(shell: Dialect, words: tuple[str, ...], site: Site, own_site: Site) -> None:
    for name in ("bin/conda", "condabin/conda"):
        (own_site.root / name).unlink()
    given = without(own_site.start, ["UCENV_CONDA_ROOT"])
    assert_refused(run(shell, refused(words, site=own_site), given), 1, "conda")
    assert_refused(run(shell, refused(words, site=own_site), given | {"CONDA_EXE": "/nowhere/bin/conda"}), 1, "conda")
    assert_refused(run(shell, refused(words, site=own_site), given | {"UCENV_CONDA_ROOT": "/nowhere"}), 1, "/nowhere")


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/at all", "../x", "no environment", "$HOME", "a*", "p?ain"])
@pytest.mark.parametrize("word", ["load", "activate"])
def test_no_such_environment(shell: Dialect, word: str, name: str, site: Site) -> None:
    (site.space / "envs/no environment").mkdir(exist_ok=True)
    assert_refused(run(shell, refused((word, name), site=site), site.start | USERS), 1, name.lstrip("./"))


def test_no_such_environment_leaves_what_is_loaded(shell: Dialect, site: Site) -> None:
    for word in ("activate", "load"):
        first = (source_hook(site.hooks), ucenv("load", "all"))
        outcome = run(shell, refused((word, "nowhere"), *first, site=site), site.start | USERS)
        assert_refused(outcome, 1, "nowhere")
        assert outcome["after"]["CONDA_PREFIX"] == str(site.env("all"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"SCRATCH": None}, "SCRATCH"),
        ({"SCRATCH": ""}, "SCRATCH"),
        ({"UCENV_ROOT": "/a:b"}, "/a:b"),
        ({"SCRATCH": "/a:b"}, ":"),
    ],
    ids=["SCRATCH unset", "SCRATCH empty", "a colon in the space", "a colon in SCRATCH"],
)
def test_no_user_space(shell: Dialect, given: Mapping[str, str | None], says: str, site: Site) -> None:
    start = {name: value for name, value in {**site.start, **given}.items() if value is not None}
    assert_refused(run(shell, refused(("load",), site=site), start), 1, says)


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_readonly_path(shell: Dialect, site: Site) -> None:
    outcome = run(shell, refused(("load", "plain"), code("readonly PATH"), site=site), site.start)
    assert_refused(outcome, 1, "PATH")


@pytest.mark.parametrize("shell", [BASH, ZSH], ids=str)
def test_restricted_shell(shell: Dialect, site: Site) -> None:
    """The shell may not redirect, so it tells everything on stdout; programs it finds on PATH."""
    restrict = {"bash": "set -r", "zsh": "setopt restricted"}[shell.name]
    script = (
        f"{shell.source(site.hooks / shell.hook)}\n{restrict}\n"
        "env -0\nucenv load plain\necho status=$?\nenv -0\necho END\n"
    )
    done = subprocess.run([*shell.argv, "-c", script], env=site.start, capture_output=True, text=True)
    before, _, after = done.stdout.partition("status=1\n")
    assert after == before + "END\n"
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("ucenv: ")


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_readonly_prompt_is_passed_over(shell: Dialect, site: Site) -> None:
    first = code("PS1='> '; readonly PS1")
    steps = [
        first,
        Look("before"),
        source_hook(site.hooks),
        ucenv("load", "plain"),
        Look("loaded"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start)
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == {}
    assert outcome["loaded"]["CONDA_PREFIX"] == str(site.env("plain"))


@pytest.mark.parametrize(
    "words",
    [
        ("load", "a", "b"),
        ("load", "--what"),
        ("load", "--module"),
        ("activate", "a", "b"),
        ("activate", "--stack", "a", "b"),
        ("activate", "--what", "a"),
        ("deactivate", "a"),
        ("deactivate", "--what"),
        ("unload", "a"),
        ("unload", "--what"),
        ("unload", "--module"),
    ],
    ids=" ".join,
)
def test_usage_errors(shell: Dialect, words: tuple[str, ...], site: Site) -> None:
    assert_refused(run(shell, refused(words, site=site), site.start), 2, "")


def test_true_or_load_stays_one_command(shell: Dialect, site: Site) -> None:
    """A tcsh alias of two commands would run its second."""
    loaded = Say(lambda d: "true || ucenv load plain" if d.name != "fish" else "true; or ucenv load plain")
    steps = [source_hook(site.hooks), Look("before"), loaded, Look("after")]
    assert run(shell, steps, site.start).changes("before", "after") == {}


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_status_serves_conditions(shell: Dialect, site: Site) -> None:
    test = code(
        "set -e\nif ucenv load nowhere 2>/dev/null; then echo yes; else echo no; fi\nucenv load plain && echo loaded"
    )
    outcome = run(shell, [source_hook(site.hooks), test], site.start)
    assert outcome.stdout == "no\nloaded\n"
