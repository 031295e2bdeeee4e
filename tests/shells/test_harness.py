"""The harness sees what it is there to see: a test that could not fail would prove nothing."""

import os

import pytest

from tests.shells.dialects import POSIX, SHELLS, Dialect
from tests.shells.harness import Child, Look, assign, code, copy, export, extend, prompt, run, unset
from tests.shells.sites import Site

VALUES = {
    "spaces": "  two  words ",
    "quotes": "it's '' \"x\" `y`",
    "operators": "a;b && c | d > /nowhere & # e",
    "dollar": "$HOME ${PATH} $(echo no) $$",
    "bang": "wow! !! !x !$ \\!",
    "backslash": "a\\b \\n \\\\ end\\",
    "globs": "* ? [a-z] {b,c} ~",
    "newlines": "one\ntwo\n\nX=CONDA y",
    "unicode": "é 世界 🐍",
    "bytes": os.fsdecode(b"/data/\xff\xfe"),
    "empty": "",
}


def test_values_arrive_through_quoting_and_through_the_environment(shell: Dialect, site: Site) -> None:
    steps = [*(export(f"T_{name}", value) for name, value in VALUES.items()), Look("set")]
    given = {f"G_{name}": value for name, value in VALUES.items()}
    seen = run(shell, steps, site.start | given)["set"].environment
    assert {name: seen.get(f"T_{name}") for name in VALUES} == VALUES
    assert {name: seen.get(f"G_{name}") for name in VALUES} == VALUES


def test_changes_are_seen(shell: Dialect, site: Site) -> None:
    steps = [
        export("GOES", "x"),
        export("LIST_PATH", "/b"),
        Look("before"),
        export("COMES", "y"),
        unset("GOES"),
        extend("LIST_PATH", "/a:", ":/c"),
        copy("COPIED", "LIST_PATH"),
        assign("left_behind", "z"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start)
    assert outcome.changes("before", "after") == {
        "COMES": (None, "y"),
        "COPIED": (None, "/a:/b:/c"),
        "GOES": ("x", None),
        "LIST_PATH": ("/b", "/a:/b:/c"),
    }
    left = {"COMES", "COPIED", "left_behind"} if shell.name not in ("tcsh",) else {"left_behind"}
    assert outcome["after"].variables - outcome["before"].variables == left
    assert "left_behind" in outcome.state_changes("before", "after")["variables"][1]


CHANGES = {
    "umask": code("umask 0027", csh="umask 0027", fish="umask 0027"),
    "directory": code("cd /usr", csh="cd /usr", fish="cd /usr"),
    "prompt": prompt("(x) "),
    "aliases": code("alias x_y=ls", csh="alias x_y ls", fish=None),
    "functions": code("x_y() { :; }", fish="function x_y; end"),
    "options": code("set -C", csh="set noclobber"),
    "ifs": code("IFS=:"),
    "traps": code("trap : USR1"),
}


UNSEEN = {
    ("dash", "functions"): "no builtin lists them",
    ("ash", "functions"): "no builtin lists them",
    ("tcsh", "functions"): "has none",
    ("tcsh", "ifs"): "has none",
    ("tcsh", "traps"): "has onintr only, which cannot be asked",
    ("fish", "aliases"): "they are functions",
    ("fish", "options"): "has none",
    ("fish", "ifs"): "has none",
    ("fish", "traps"): "they are functions",
}
SEEN = [(shell, aspect) for shell in SHELLS for aspect in CHANGES if (shell.name, aspect) not in UNSEEN]


@pytest.mark.parametrize(("shell", "aspect"), SEEN, ids=lambda value: str(value))
def test_the_shells_own_state_is_seen(shell: Dialect, aspect: str, site: Site) -> None:
    steps = [prompt("> "), Look("before"), CHANGES[aspect], Look("after")]
    found = run(shell, steps, site.start).state_changes("before", "after")
    assert ("settings" if shell.name == "tcsh" and aspect in ("options", "prompt") else aspect) in found


def test_a_shell_at_rest_changes_nothing(shell: Dialect, site: Site) -> None:
    outcome = run(shell, [prompt("> "), Look("before"), code(":", csh=":", fish="true"), Look("after")], site.start)
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("before", "after") == {}
    assert outcome.returncode == 0


def test_output_and_status_belong_to_their_step(shell: Dialect, site: Site) -> None:
    speak = "echo out; sh -c 'echo err >&2; exit 3'"
    silent = code("true", csh="true", fish="true")
    outcome = run(shell, [code(speak, csh=speak, fish=speak), silent], site.start)
    assert [(done.status, done.stdout, done.stderr) for done in outcome.steps] == [(3, "out\n", "err\n"), (0, "", "")]


def test_a_shell_that_died_is_told(shell: Dialect, site: Site) -> None:
    outcome = run(shell, [code("exit 7", csh="exit 7", fish="exit 7"), Look("never")], site.start)
    assert (outcome.returncode, outcome.steps[-1].status) == (7, None)
    with pytest.raises(AssertionError, match="did not get as far"):
        outcome["never"]


def test_a_child_inherits_and_is_seen(shell: Dialect, site: Site) -> None:
    for child in SHELLS:
        steps = [export("FROM_PARENT", "it's"), Child(child, [export("OF_CHILD", "x"), Look("child")]), Look("parent")]
        outcome = run(shell, steps, site.start)
        assert (outcome["child"]["FROM_PARENT"], outcome["child"]["OF_CHILD"]) == ("it's", "x")
        assert "OF_CHILD" not in outcome["parent"].environment


def test_the_environment_given_is_exact(site: Site) -> None:
    given = {"HOME": "/", "EMPTY": "", "not an identifier": "x", "BAD": os.fsdecode(b"\xff")}
    for shell in POSIX:
        seen = run(shell, [Look("start")], given)["start"].environment
        assert {name: seen.get(name) for name in ("HOME", "EMPTY", "BAD")} == {
            name: given[name] for name in ("HOME", "EMPTY", "BAD")
        }
        assert "SCRATCH" not in seen
