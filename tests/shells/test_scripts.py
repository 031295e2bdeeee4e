"""Activation scripts as they are in the wild: that do not clean up, fail, exit, are unbound, change options, print."""

from __future__ import annotations

import pytest

from tests.shells.dialects import ASH, BASH, DASH, FISH, KSH, LISTING, MKSH, POSIX, TCSH, ZSH, Dialect
from tests.shells.harness import Look, Say, Step, code, export, prompt, run, source_hook, ucenv
from tests.shells.sites import (
    HOOKS_ACTIVATE,
    HOOKS_DEACTIVATE,
    Script,
    Site,
    appends_to,
    exports,
    prepends,
    unsets,
)
from tests.shells.test_undo import USERS, assert_undone

LISTS = {"LD_LIBRARY_PATH": "/opt/lib", "PKG_CONFIG_PATH": "/opt/pc:/x", "PERL5LIB": "/p"}


def cycle(site: Site, name: str, *between: Step, first: tuple[Step, ...] = ()) -> list[Step]:
    return [
        *first,
        Look("before"),
        source_hook(site.hooks),
        Look("sourced"),
        ucenv("load", name),
        Look("loaded"),
        *between,
        ucenv("unload"),
        Look("after"),
    ]


def test_scripts_that_do_not_undo_themselves(shell: Dialect, site: Site) -> None:
    between = [ucenv("activate", "hooks"), ucenv("activate", "messy"), Look("again"), ucenv("deactivate"), Look("back")]
    outcome = run(shell, cycle(site, "messy", *between), site.start | USERS | LISTS)
    assert_undone(outcome, "after")
    loaded, back = outcome["loaded"], outcome["back"]
    assert loaded["PKG_CONFIG_PATH"] == f"{site.env('messy')}/lib/pkgconfig:/opt/pc:/x"
    assert loaded["MESSY_CHANGED"] == "from the script"
    assert (back["CONDA_PREFIX"], back["HOOK_VAR"]) == (str(site.env("hooks")), f"set by {site.env('hooks')}")
    assert f"{site.env('messy')}/bin" not in back.entries("PATH")


def test_names_made_at_run_time_are_found_where_the_shell_can_list(shell: Dialect, own_site: Site) -> None:
    made = Script(
        'for n in A B; do eval "export MADE_$n=\\"made $n\\""; done\n',
        "foreach n (A B)\n  setenv MADE_$n 'made '$n\nend\n",
        "for n in A B; set -gx MADE_$n 'made '$n; end\n",
    )
    own_site.environment("made", activate=made)
    outcome = run(shell, cycle(own_site, "made"), own_site.start | {"MADE_B": "before"})
    assert outcome["loaded"]["MADE_A"] == "made A"
    assert outcome.noise() == []
    if shell in LISTING:
        assert outcome.changes("before", "after") == {}
    else:  # documented: these shells cannot list without a process, and the name is not in the text
        assert outcome.changes("before", "after") == {"MADE_A": (None, "made A"), "MADE_B": ("before", "made B")}


def test_scripts_that_hand_the_work_on(shell: Dialect, own_site: Site) -> None:
    """`openjdk`, `gdal` and others keep the old value in a variable of theirs and undo themselves half."""
    own_site.environment(
        "java",
        activate=Script(
            'export JAVA_HOME_CONDA_BACKUP="${JAVA_HOME:-}"\n',
            "setenv JAVA_HOME_CONDA_BACKUP\n"
            'if ( $?JAVA_HOME ) then\n  setenv JAVA_HOME_CONDA_BACKUP "$JAVA_HOME"\nendif\n',
            'set -gx JAVA_HOME_CONDA_BACKUP "$JAVA_HOME"\n',
        )
        + exports("JAVA_HOME", "$CONDA_PREFIX/lib/jvm"),
        deactivate=Script(
            'export JAVA_HOME="${JAVA_HOME_CONDA_BACKUP}"\n',
            'setenv JAVA_HOME "$JAVA_HOME_CONDA_BACKUP"\n',
            'set -gx JAVA_HOME "$JAVA_HOME_CONDA_BACKUP"\n',
        ),
    )
    for given in ({}, {"JAVA_HOME": "/opt/java"}):
        assert_undone(run(shell, cycle(own_site, "java"), own_site.start | given), "after")


def test_the_order_of_scripts(shell: Dialect, own_site: Site) -> None:
    """Code point order on the way in, reversed on the way out, each once; conda sorts so in every locale."""
    site, log = own_site, own_site.directory / "log"
    names = ["10-a", "9-b", "B", "Z z", "a", "z", "é"]
    for env in ("one", "two"):
        site.environment(
            env,
            activate={name: appends_to(log, f"{env}+{name.replace(' ', '_')}") for name in names},
            deactivate={name: appends_to(log, f"{env}-{name.replace(' ', '_')}") for name in names},
        )
    flat = [name.replace(" ", "_") for name in sorted(names, key=str.encode)]

    def up(env: str) -> list[str]:
        return [f"{env}+{name}" for name in flat]

    def down(env: str) -> list[str]:
        return [f"{env}-{name}" for name in reversed(flat)]

    log.touch()
    steps = cycle(site, "one", ucenv("activate", "two"), ucenv("deactivate"), ucenv("activate", "--stack", "two"))
    outcome = run(shell, steps, site.start)
    assert_undone(outcome, "after")
    expected = [*up("one"), *down("one"), *up("two"), *down("two"), *up("one"), *up("two"), *down("two"), *down("one")]
    assert log.read_text().split() == expected


def test_only_scripts_of_its_kind_are_run(shell: Dialect, own_site: Site) -> None:
    directory = own_site.environment("kinds", activate=exports("RIGHT", "yes")) / "etc/conda/activate.d"
    for name in ("x.bat", "x.ps1", "x.xsh", "x", ".hidden.sh", ".hidden.csh", ".hidden.fish", "x.sh~", "README"):
        (directory / name).write_text("export WRONG=1\nsetenv WRONG 1\nset -gx WRONG 1\n")
    outcome = run(shell, cycle(own_site, "kinds"), own_site.start)
    assert_undone(outcome, "after")
    assert outcome["loaded"]["RIGHT"] == "yes"
    assert "WRONG" not in outcome["loaded"].environment


def test_a_script_may_print_and_be_heard(shell: Dialect, own_site: Site) -> None:
    own_site.environment("loud", activate=Script(*["echo hello\n"] * 3), deactivate=Script(*["echo bye\n"] * 3))
    outcome = run(shell, cycle(own_site, "loud"), own_site.start)
    assert [done.stdout for done in outcome.ours] == ["", "hello\n", "bye\n"]
    assert outcome.stderr == ""
    assert outcome.changes("before", "after") == {}


def test_options_and_ifs_are_put_back(shell: Dialect, own_site: Site) -> None:
    own_site.environment(
        "options",
        activate={
            "a": Script("set -e; set -u; set -f; IFS=:\n", "set noglob noclobber\n", "") + exports("OPTION_A", "a"),
            "b": Script("false; echo ${NEVER_SET-} >/dev/null; IFS=x\n", "", "") + exports("OPTION_B", "b"),
        },
        deactivate=Script("set -eu; set -f; IFS=/\n", "set noglob\n", "") + unsets("OPTION_A") + unsets("OPTION_B"),
    )
    outcome = run(shell, cycle(own_site, "options", first=(prompt("> "),)), own_site.start)
    if shell is TCSH:  # options are variables there, as a script's own are
        assert outcome.noise() == []
        assert outcome.changes("before", "after") == {}
        return
    assert_undone(outcome, "after")
    assert (outcome["loaded"]["OPTION_A"], outcome["loaded"]["OPTION_B"]) == ("a", "b")


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_users_strictness_is_lifted_for_scripts_and_put_back(shell: Dialect, own_site: Site) -> None:
    sloppy = Script('false\nexport SLOPPY="$NEVER_SET$ALSO_NOT"\n[ x = y ]\ntrue\n')
    own_site.environment("sloppy", activate=sloppy, deactivate=sloppy + Script("unset SLOPPY\n"))
    strict = {"bash": "set -eEuo pipefail; trap 'exit 9' ERR"}.get(shell.name, "set -eu")
    outcome = run(shell, cycle(own_site, "sloppy", first=(code(strict),)), own_site.start)
    assert_undone(outcome, "after")
    assert outcome["loaded"]["SLOPPY"] == ""


# failing -------------------------------------------------------------------------------------------------------------

FAILING = {
    "returns 3": (Script("return 3\n", "exit 3\n", "return 3\n"), 3),
    "last command fails": (Script("sh_does_not_exist_x 2>/dev/null\n", "(exit 4)\n", "sh -c 'exit 4'\n"), None),
    "exits 5 at the top level": (Script("exit 5\n", "exit 5\n", "exit 5\n"), 5),
}


@pytest.mark.parametrize("how", FAILING)
def test_a_script_that_fails_is_rolled_back(shell: Dialect, how: str, own_site: Site) -> None:
    site = own_site
    failing, status = FAILING[how]
    prefix = site.environment(
        "fails",
        activate={"a": HOOKS_ACTIVATE, "b": exports("FAIL_NEW", "x") + exports("USER_VAR", "x") + failing},
        deactivate={"a": HOOKS_DEACTIVATE},
        state={"FAIL_STATE": "x"},
    )
    steps = [
        prompt("> "),
        Look("before"),
        source_hook(site.hooks),
        Look("sourced"),
        ucenv("load", "fails"),
        Look("not loaded"),
        ucenv("load", "state"),
        Look("state"),
        ucenv("activate", "fails"),
        Look("state still"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start | USERS | LISTS)
    for done in outcome.ours:
        if done.step.__repr__().endswith("fails"):
            assert (done.status, done.stdout) == (1, ""), outcome.story()
            assert len(done.stderr.splitlines()) == 1
            assert done.stderr.startswith("ucenv: ")
            assert str(prefix) in done.stderr
            assert status is None or f"returned {status}" in done.stderr
        else:
            assert (done.status, done.stdout + done.stderr) == (0, ""), outcome.story()
    assert outcome.changes("before", "not loaded") == outcome.changes("before", "after") == {}
    assert outcome.state_changes("sourced", "not loaded") == {}
    assert outcome.state_changes("sourced", "after") == {}
    assert outcome.changes("state", "state still") == {}
    assert outcome.returncode == 0


@pytest.mark.parametrize("how", FAILING)
def test_a_deactivation_script_that_fails_does_not_keep_the_shell_activated(
    shell: Dialect, how: str, own_site: Site
) -> None:
    failing, _ = FAILING[how]
    own_site.environment("fails", activate=HOOKS_ACTIVATE, deactivate={"z": failing, "a": HOOKS_DEACTIVATE})
    outcome = run(shell, cycle(own_site, "fails", first=(prompt("> "),)), own_site.start | LISTS)
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("sourced", "after") == {}
    assert outcome.returncode == 0


def test_unbound_variables_in_a_script(shell: Dialect, own_site: Site) -> None:
    """tcsh ends the script that uses one, with an error of its own; elsewhere it is empty, whatever is set."""
    unbound = Script('export BOUND="x$NEVER_SET"\n', 'setenv BOUND "x$NEVER_SET"\n', 'set -gx BOUND "x$NEVER_SET"\n')
    own_site.environment("unbound", activate=unbound)
    first = code("set -u", csh="", fish="")
    outcome = run(shell, cycle(own_site, "unbound", first=(first,)), own_site.start)
    if shell is not TCSH:
        assert_undone(outcome, "after")
        assert outcome["loaded"]["BOUND"] == "x"


# what cannot be survived ---------------------------------------------------------------------------------------------

CALLS_STOP = Script(*["stop\n"] * 3)
DEADLY = {
    "exit in a function from elsewhere": (CALLS_STOP, POSIX, (FISH,)),
    "exit in a function of its own": (
        Script("stop() { exit 6; }\nstop\n", "", "function stop; exit 6; end; stop\n"),
        (),
        (*POSIX, FISH),
    ),
    "exec": (Script("exec /bin/true\n", "exec /bin/true\n", "exec /bin/true\n"), (*POSIX, TCSH, FISH), ()),
    "an error of expansion": (Script(": ${NEVER_SET:?is needed}\n"), (BASH, ZSH), (DASH, KSH, MKSH, ASH)),
    "a syntax error": (Script("if then fi (\n", "", "if then (\n"), (), (*POSIX, FISH)),
    "a missing file sourced": (Script(". /nowhere/at/all\n", "", "source /nowhere/at/all\n"), (), (*POSIX, FISH)),
}
"""What the documentation lists as what a shell cannot survive, and the shells that can."""

DEATHS = [(how, shell) for how, (_, dead, _) in DEADLY.items() for shell in dead]
SURVIVORS = [(how, shell) for how, (_, _, alive) in DEADLY.items() for shell in alive]


def _after_deadly(how: str, shell: Dialect, site: Site) -> list[Step]:
    site.environment("deadly", activate=DEADLY[how][0])
    stop = code("stop() { exit 6; }", csh="", fish="function stop; exit 6; end")
    return [stop, source_hook(site.hooks), ucenv("load"), Look("before"), ucenv("activate", "deadly"), Look("after")]


@pytest.mark.parametrize(("how", "shell"), DEATHS, ids=str)
def test_the_shell_really_dies_of(how: str, shell: Dialect, own_site: Site) -> None:
    outcome = run(shell, _after_deadly(how, shell, own_site), own_site.start)
    assert "before" in outcome.views, outcome.story()
    assert "after" not in outcome.views, "it survived: the documentation says too much"


@pytest.mark.parametrize(("how", "shell"), SURVIVORS, ids=str)
def test_the_shell_survives(how: str, shell: Dialect, own_site: Site) -> None:
    outcome = run(shell, _after_deadly(how, shell, own_site), own_site.start)
    assert "after" in outcome.views, outcome.story()
    if outcome.ours[-1].status:
        assert outcome.changes("before", "after") == {}
        assert outcome.ours[-1].stderr.splitlines()[-1].startswith("ucenv: ")


# state files ---------------------------------------------------------------------------------------------------------

ESCAPES = {
    "E1": 'tab\tnewline\nreturn\rquote"backslash\\slash/',
    "E2": "\x01\x1f\x7f",
    "E3": "é 世界 🐍",
    "E4": "it's $HOME `id` $(id) ;&&|><*?[]{}~#!",
    "E5": "",
    "E6": "{}[],:",
    "E7": '","E8":"no',
    "E9": "  two  ",
    "MANY_PATH": "/a::/b:",
}


def test_state_values_arrive_as_they_are(shell: Dialect, own_site: Site) -> None:
    own_site.environment("escapes", state=ESCAPES, env_vars={"b": {"FROM_B": "b", "BOTH": "b"}, "a": {"BOTH": "a"}})
    outcome = run(shell, cycle(own_site, "escapes"), own_site.start | {"E5": "mine"})
    arrived = dict(ESCAPES)
    if shell is DASH:  # it cannot make control characters
        del arrived["E1"], arrived["E2"]
        said = next(done.stderr for done in outcome.ours if done.stderr)
        assert [said.count("\n"), " E1 E2" in said] == [1, True]
        assert {"E1", "E2"}.isdisjoint(outcome["loaded"].environment)
        assert outcome.changes("before", "after") == {}
    else:
        assert_undone(outcome, "after")
    assert {name: outcome["loaded"].get(name) for name in arrived} == arrived
    assert (outcome["loaded"]["BOTH"], outcome["loaded"]["FROM_B"]) == ("b", "b")
    assert outcome["loaded"]["__CONDA_SHLVL_0_E5"] == "mine"


def test_unicode_escapes(shell: Dialect, own_site: Site) -> None:
    """env_vars.d is written by packages, some of which escape. A shell that cannot decode says so and goes without."""
    prefix = own_site.environment("escaped", state={"PLAIN": "x"})
    (prefix / "conda-meta/state").write_text(
        r'{"version": 1, "env_vars": {"ASCII": "\u0041\u000a\"\/\u0027", "WIDE": "\u00e9\u4e16", "PAIR": '
        r'"\ud83d\udc0d", "END": "x"}}'
    )
    outcome = run(shell, cycle(own_site, "escaped"), own_site.start)
    loaded = outcome["loaded"]
    assert outcome.changes("before", "after") == {}
    assert (loaded["ASCII"], loaded["END"]) == ("A\n\"/'", "x")
    if shell in (DASH, ASH, TCSH) and "WIDE" not in loaded.environment:
        said = next(done for done in outcome.ours if done.stderr)
        assert len(said.stderr.splitlines()) == 1
        assert "WIDE" in said.stderr
        assert "PAIR" in said.stderr
    else:
        assert outcome.noise() == []
        assert (loaded["WIDE"], loaded["PAIR"]) == ("é世", "🐍")


ODD_FILES = {
    "empty": "",
    "no JSON": "this is $(touch /nowhere) no JSON",
    "a list": "[1, 2]",
    "cut off": '{"version": 1, "env_vars": {"CUT": "x", "OFF": "y',
    "no env_vars": '{"version": 1}',
    "env_vars null": '{"version": 1, "env_vars": null}',
    "numbers": '{"env_vars": {"NUMBER": 1, "LIST": [1, "x"], "OBJECT": {"a": "b"}, "TRUE": true, "AFTER": "x"}}',
    "names that are none": (
        '{"env_vars": {"a b": "x", "a;b": "x", "$(id)": "x", "9X": "x", "": "x", "A[0]": "x", "é": "x", "GOOD": "x"}}'
    ),
    "names that would hurt": (
        '{"env_vars": {"PATH": "/nowhere", "IFS": "x", "PS1": "y", "__UCENV_LEVELS": "9", "GOOD": "x"}}'
    ),
    "one line": '{"version":1,"env_vars":{"GOOD":"x","MORE":"y"}}',
    "tabs and carriage returns": '{\r\n\t"env_vars" :\r\n {\t"GOOD"\t:\r\n"x" } }\r\n',
    "env_vars inside another": '{"other": {"env_vars": {"WRONG": "x"}}, "env_vars": {"GOOD": "x"}}',
    "the word in a value": '{"env_vars": {"A1": "env_vars", "A2": "}", "GOOD": "x"}, "env_varsx": {"WRONG": "x"}}',
}


@pytest.mark.parametrize("what", ODD_FILES)
def test_odd_state_files(shell: Dialect, what: str, own_site: Site) -> None:
    prefix = own_site.environment("odd")
    (prefix / "conda-meta/state").write_text(ODD_FILES[what])
    outcome = run(shell, cycle(own_site, "odd"), own_site.start)
    assert outcome.changes("before", "after") == {}, outcome.story()
    assert outcome.state_changes("sourced", "after") == {}
    assert all(len(done.stderr.splitlines()) <= 1 for done in outcome.ours)
    loaded = outcome["loaded"]
    assert "WRONG" not in loaded.environment
    assert loaded.entries("PATH")[0] == f"{prefix}/bin"
    if '"GOOD"' in ODD_FILES[what] and what != "names that would hurt":
        assert loaded.get("GOOD") == "x"
        assert outcome.noise() == [] or what.startswith("names")


def test_unset_marks_are_left_out(shell: Dialect, site: Site) -> None:
    outcome = run(shell, cycle(site, "hostile"), site.start | {"H_UNSET": "mine"})
    assert_undone(outcome, "after")
    assert outcome["loaded"]["H_UNSET"] == "mine"
    assert outcome["loaded"]["H1"].startswith("a\\b \\n $(touch")


def test_scripts_see_what_conda_shows_them(shell: Dialect, own_site: Site) -> None:
    """When activate.d runs the variables are the new ones; when deactivate.d runs they still are the old."""
    shown = exports("SAW", "$CONDA_PREFIX $CONDA_SHLVL $CONDA_DEFAULT_ENV") + prepends("SAW_PATH", "$CONDA_PREFIX/x")
    log = own_site.directory / "log"
    seen = Script(*[f"echo $CONDA_PREFIX $CONDA_SHLVL >>'{log}'\n"] * 3)
    log.touch()
    own_site.environment("sees", activate=shown + seen, deactivate=seen)
    outcome = run(shell, cycle(own_site, "plain", ucenv("activate", "sees"), Look("sees")), own_site.start)
    prefix = own_site.env("sees")
    assert_undone(outcome, "after")
    assert outcome["sees"]["SAW"] == f"{prefix} 2 sees"
    assert log.read_text() == f"{prefix} 2\n{prefix} 2\n"


def test_a_script_that_activates_another_environment_is_not_followed(shell: Dialect, own_site: Site) -> None:
    """It calls the hook from inside the hook. What comes of it is not promised; that the unload ends clean is."""
    nested = Script("ucenv activate plain\n", "ucenv activate plain\n", "ucenv activate plain\n")
    own_site.environment("nested", activate=nested)
    outcome = run(shell, cycle(own_site, "nested"), own_site.start)
    assert outcome.changes("before", "after").keys() <= set()


def test_scripts_variables_that_are_not_exported_do_no_harm(shell: Dialect, own_site: Site) -> None:
    """They stay: they are not seen by any program. What must not happen is that they overwrite ours."""
    hostile = Script(
        "i=1; n=2; name=3; r=4; v=5; path_=6; status_=7; set -- a b c\n",
        "set i = 1; set n = 2; set name = 3; set r = 4; set v = 5; set argv = (a b c)\n",
        "set -g i 1; set -g n 2; set -g name 3; set -g r 4; set -g v 5; set -g argv a b c\n",
    )
    own_site.environment("variables", activate={"a": hostile, "b": exports("B", "b")}, deactivate=hostile)
    outcome = run(shell, cycle(own_site, "variables", export("C", "c"), ucenv("activate", "state")), own_site.start)
    assert outcome.noise() == []
    assert outcome.changes("before", "after") == {"C": (None, "c")}
    assert outcome["loaded"]["B"] == "b"


def test_arguments_of_the_script_that_loads_stay(shell: Dialect, site: Site) -> None:
    arguments = Say(
        lambda d: {"tcsh": "set argv = (a 'b c')", "fish": "set argv a 'b c'"}.get(d.name, "set -- a 'b c'")
    )
    show = Say(lambda d: {"tcsh": "echo $argv:q", "fish": "string join ' ' $argv"}.get(d.name, 'echo "$# $*"'))
    steps = [arguments, show, source_hook(site.hooks), ucenv("load", "all"), show, ucenv("unload"), show]
    outcome = run(shell, steps, site.start)
    assert outcome.noise() == []
    said = [done.stdout for done in outcome.steps if done.stdout]
    assert len(said) == 3
    assert len(set(said)) == 1
