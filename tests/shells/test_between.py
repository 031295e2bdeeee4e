"""Between load and unload: the user's changes stay, other tools' entries stay, conda works, modules swap."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.shells.dialects import BASH, POSIX, SHELLS, Dialect
from tests.shells.harness import (
    Look,
    Outcome,
    Say,
    Step,
    assign,
    code,
    copy,
    export,
    extend,
    function,
    prompt,
    run,
    source,
    source_hook,
    ucenv,
    unset,
)
from tests.shells.sites import Site
from tests.shells.test_undo import USERS, assert_undone


def around(site: Site, *steps: Step, first: tuple[Step, ...] = ()) -> list[Step]:
    return [*first, Look("before"), source_hook(site.hooks), Look("sourced"), *steps, Look("after")]


def assert_only(outcome: Outcome, expected: Mapping[str, tuple[str | None, str | None]]) -> None:
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == expected


def test_the_users_variables_and_entries_stay(shell: Dialect, site: Site) -> None:
    steps = around(
        site,
        ucenv("load", "all"),
        export("NEW", "it's new"),
        export("OLD", "changed"),
        unset("GONE"),
        extend("PATH", "/front:/usr/bin:", ":/back:/back"),
        extend("MANPATH", "/man:"),
        ucenv("activate", "state"),
        extend("PATH", "/later:"),
        ucenv("deactivate"),
        extend("LD_LIBRARY_PATH", "/users/lib:", ":/users/last"),
        ucenv("unload"),
    )
    given = site.start | {"OLD": "x", "GONE": "x", "LD_LIBRARY_PATH": "/opt/lib", "MANPATH": "/opt/man"}
    assert_only(
        run(shell, steps, given),
        {
            "GONE": ("x", None),
            "LD_LIBRARY_PATH": ("/opt/lib", "/users/lib:/opt/lib:/users/last"),
            "MANPATH": ("/opt/man", "/man:/opt/man"),
            "NEW": (None, "it's new"),
            "OLD": ("x", "changed"),
            "PATH": (given["PATH"], f"/later:/front:/usr/bin:{given['PATH']}:/back:/back"),
        },
    )


def test_what_the_user_put_back_is_left_alone(shell: Dialect, site: Site) -> None:
    steps = around(
        site, ucenv("load", "state"), export("USER_VAR", "mine, before"), unset("STATE_VAR"), ucenv("unload")
    )
    assert_only(run(shell, steps, site.start | USERS), {})


def test_a_conflict_is_kept_and_told_in_one_line(shell: Dialect, site: Site) -> None:
    steps = around(site, ucenv("load", "state"), export("USER_VAR", "changed by the user"), ucenv("unload"))
    outcome = run(shell, steps, site.start | USERS)
    unload = outcome.ours[-1]
    assert (unload.status, unload.stdout) == (0, "")
    assert unload.stderr == "ucenv: kept, because they were changed since: USER_VAR\n"
    assert outcome.changes("before", "after") == {"USER_VAR": ("mine, before", "changed by the user")}


def test_a_changed_setting_of_condas_own_goes(shell: Dialect, site: Site) -> None:
    """Whatever is done to what conda owns, the load's record puts it back."""
    steps = around(
        site,
        ucenv("load", "hooks"),
        export("CONDA_DEFAULT_ENV", "x"),
        export("CONDA_PROMPT_MODIFIER", "x"),
        export("CONDA_EXE", "/gone/bin/conda"),
        ucenv("unload"),
    )
    assert_only(run(shell, steps, site.start | {"CONDA_EXE": f"{site.root}/bin/conda"}), {})


def test_a_venv_on_top(shell: Dialect, site: Site) -> None:
    """Its own copy of PATH is put right too, so that its `deactivate` afterwards brings nothing of ours back."""
    activate_venv = [
        copy("_OLD_VIRTUAL_PATH", "PATH"),
        export("VIRTUAL_ENV", "/v"),
        extend("PATH", "/v/bin:"),
    ]
    deactivate_venv = [copy("PATH", "_OLD_VIRTUAL_PATH"), unset("_OLD_VIRTUAL_PATH"), unset("VIRTUAL_ENV"), Look("end")]
    loaded = [ucenv("load", "hooks"), ucenv("activate", "--stack", "state"), *activate_venv, ucenv("unload")]
    outcome = run(shell, [*around(site, *loaded), *deactivate_venv], site.start | USERS)
    path = site.start["PATH"]
    expected = {"PATH": (path, f"/v/bin:{path}"), "VIRTUAL_ENV": (None, "/v"), "_OLD_VIRTUAL_PATH": (None, path)}
    assert_only(outcome, expected)
    assert outcome.changes("before", "end") == {}


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_a_venvs_prompt(shell: Dialect, site: Site) -> None:
    venv = code('_OLD_VIRTUAL_PS1="${PS1-}"; PS1="(v) ${PS1-}"; export PS1')
    end = code('PS1="$_OLD_VIRTUAL_PS1"; unset _OLD_VIRTUAL_PS1')
    steps = around(site, ucenv("load", "plain"), Look("loaded"), venv, ucenv("unload"), first=(prompt("> "),))
    outcome = run(shell, [*steps, end, Look("end")], site.start)
    assert outcome.noise() == []
    assert outcome["loaded"].aspects["prompt"] == "(plain) > \n"
    assert outcome["end"].aspects["prompt"] == "> \n"


def test_the_prompt_shows_the_environment(shell: Dialect, site: Site) -> None:
    steps = [prompt("me> "), source_hook(site.hooks), ucenv("load", "plain"), Look("one"), ucenv("activate", "other")]
    outcome = run(
        shell, [*steps, Look("two"), ucenv("deactivate"), Look("back"), ucenv("unload"), Look("none")], site.start
    )
    assert outcome.noise() == []
    prompts = [_prompt(outcome, label) for label in ("one", "two", "back", "none")]
    if shell.name in ("tcsh", "fish"):  # theirs to handle: CONDA_PROMPT_MODIFIER is there to be shown
        assert all(shown.endswith("me> ") for shown in prompts)
        assert prompts[3] == "me> "
    else:
        assert prompts == ["(plain) me> ", "(other) me> ", "(plain) me> ", "me> "]


def _prompt(outcome: Outcome, label: str) -> str:
    aspects = outcome[label].aspects
    if "settings" in aspects:
        return next(line for line in aspects["settings"].splitlines() if line.startswith("prompt\t")).split("\t")[1]
    return aspects["prompt"].removesuffix("\n")


def test_a_modules_python_after(shell: Dialect, site: Site) -> None:
    module = [
        extend("PATH", "/opt/python/bin:"),
        export("LD_LIBRARY_PATH", "/opt/python/lib"),
        export("PYTHONHOME", "/opt/python"),
    ]
    steps = around(site, ucenv("load", "plain"), *module, ucenv("activate", "other"), ucenv("unload"))
    assert_only(
        run(shell, steps, site.start),
        {
            "LD_LIBRARY_PATH": (None, "/opt/python/lib"),
            "PATH": (site.start["PATH"], f"/opt/python/bin:{site.start['PATH']}"),
            "PYTHONHOME": (None, "/opt/python"),
        },
    )


def test_a_module_unloaded_while_active(shell: Dialect, site: Site) -> None:
    given = site.start | {
        "PATH": "/opt/mpi/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": "/opt/mpi/lib:/opt/x",
        "MPI_HOME": "/opt/mpi",
    }
    loaded = f"{site.env('hooks')}/bin:{site.root}/condabin:/usr/bin:/bin"
    unload_module = [
        export("PATH", loaded),
        export("LD_LIBRARY_PATH", f"{site.env('hooks')}/lib:/opt/x"),
        unset("MPI_HOME"),
    ]
    steps = around(site, ucenv("load", "hooks"), Look("loaded"), *unload_module, ucenv("unload"))
    outcome = run(shell, steps, given)
    assert outcome["loaded"]["PATH"] == loaded.replace("/usr/bin:/bin", "/opt/mpi/bin:/usr/bin:/bin")
    assert_only(
        outcome,
        {
            "LD_LIBRARY_PATH": ("/opt/mpi/lib:/opt/x", "/opt/x"),
            "MPI_HOME": ("/opt/mpi", None),
            "PATH": (given["PATH"], "/usr/bin:/bin"),
        },
    )


def test_our_own_entries_taken_out_by_hand(shell: Dialect, site: Site) -> None:
    steps = around(site, ucenv("load", "hooks"), export("PATH", "/mine"), unset("LD_LIBRARY_PATH"), ucenv("unload"))
    outcome = run(shell, steps, site.start)
    assert outcome.noise() == []
    # Whether the entries that were there before are the user's to lose is not ours to say: nothing comes back.
    assert outcome.changes("before", "after") == {"PATH": (site.start["PATH"], "/mine")}


def test_load_twice_and_unload_twice(shell: Dialect, site: Site) -> None:
    steps = around(
        site,
        ucenv("load", "hooks"),
        ucenv("load", "hooks"),
        ucenv("activate", "all"),
        ucenv("load", "state"),
        Look("state"),
        ucenv("load"),
        Look("level 0"),
        ucenv("unload"),
        Look("unloaded"),
        ucenv("unload"),
    )
    outcome = run(shell, steps, site.start | USERS)
    assert_undone(outcome, "unloaded", "after")
    state = outcome["state"]
    assert (state["CONDA_SHLVL"], state["CONDA_PREFIX"]) == ("1", str(site.env("state")))
    assert "HOOK_VAR" not in state.environment
    assert outcome["level 0"]["CONDA_SHLVL"] == "0"


def test_the_same_environment_again_stays_one_level(shell: Dialect, site: Site) -> None:
    steps = around(
        site,
        ucenv("load", "all"),
        Look("once"),
        ucenv("activate", "all"),
        Look("twice"),
        ucenv("deactivate"),
        Look("level 0"),
        ucenv("unload"),
    )
    outcome = run(shell, steps, site.start | USERS)
    assert_undone(outcome, "after")
    changed = outcome.changes("once", "twice")
    assert [name for name in changed if not name.startswith("__UCENV")] == []
    assert outcome["level 0"]["CONDA_SHLVL"] == "0"


def test_activate_without_a_load_loads(shell: Dialect, site: Site) -> None:
    steps = around(
        site,
        ucenv("activate", "hooks"),
        Look("hooks"),
        ucenv("unload"),
        Look("between"),
        ucenv("activate"),
        Look("base"),
    )
    outcome = run(shell, [*steps, ucenv("unload"), Look("end")], site.start)
    assert outcome.noise() == []
    assert outcome["hooks"]["CONDA_PREFIX"] == str(site.env("hooks"))
    assert (outcome["base"]["CONDA_PREFIX"], outcome["base"]["CONDA_DEFAULT_ENV"]) == (str(site.root), "base")
    assert outcome.changes("before", "between") == outcome.changes("before", "end") == {}


def test_where_an_environment_is_found(shell: Dialect, own_site: Site) -> None:
    site = own_site
    site.environment("both")
    site.environment("both", prefix=site.root / "envs/both")
    (site.space / "envs/no environment").mkdir()
    wanted = {
        "both": site.env("both"),
        "py3_powerai_1.7.0": site.root / "envs/py3_powerai_1.7.0",
        "base": site.root,
        "root": site.root,
        str(site.root / "envs/both"): site.root / "envs/both",
        f"{site.root}/envs/../envs/both/": site.root / "envs/both",
        "./scratch/conda_local/envs/plain": site.env("plain"),
        "with space": site.env("with space"),
    }
    for name, prefix in wanted.items():
        steps = around(site, ucenv("load", name), Look("loaded"), ucenv("unload"))
        outcome = run(shell, steps, site.start, cwd=site.directory)
        assert_only(outcome, {})
        assert outcome["loaded"]["CONDA_PREFIX"] == str(prefix), name
        default = "base" if prefix == site.root else prefix.name
        assert outcome["loaded"]["CONDA_DEFAULT_ENV"] == default


# conda's own word ----------------------------------------------------------------------------------------------------


def test_conda_works_while_loaded_and_not_afterwards(shell: Dialect, own_site: Site) -> None:
    site = own_site
    call = code("conda list -n x", csh="conda list -n x", fish="conda list -n x")
    # In fish and tcsh an unknown command is no error that ends a script; elsewhere it is status 127.
    steps = [source_hook(site.hooks), ucenv("load"), call, ucenv("unload"), call, Look("after")]
    outcome = run(shell, steps, site.start)
    assert outcome.noise() == []
    first, second = [done for done in outcome.steps if not isinstance(done.step, Look) and done not in outcome.ours]
    assert (first.status, first.stdout) == (0, "conda was called: list -n x\n")
    assert second.status not in (0, None)
    assert site.calls.read_text() == "list -n x\n"


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell.name in ("ksh", "mksh", "tcsh", "fish")], ids=str)
def test_condas_activate_and_deactivate_are_ours_where_its_own_cannot_be(shell: Dialect, site: Site) -> None:
    def conda(*words: str) -> Say:
        return Say(lambda d: d.call("conda", words), ours=True, told=f"conda {' '.join(words)}")

    steps = around(
        site, ucenv("load"), conda("activate", "hooks"), Look("one"), conda("deactivate"), Look("none"), ucenv("unload")
    )
    outcome = run(shell, steps, site.start)
    assert_undone(outcome, "after")
    assert (outcome["one"]["CONDA_PREFIX"], outcome["none"]["CONDA_SHLVL"]) == (str(site.env("hooks")), "0")


def test_a_conda_of_the_users_own_stays(shell: Dialect, site: Site) -> None:
    mine = code(
        'conda() { echo "mine $*"; }', csh='alias conda "echo mine \\!*"', fish='function conda; echo "mine $argv"; end'
    )
    call = code("conda x", csh="conda x", fish="conda x")
    outcome = run(shell, around(site, ucenv("load"), call, ucenv("unload"), call, first=(mine,)), site.start)
    assert_undone(outcome, "after")
    assert [done.stdout for done in outcome.steps if done.stdout] == ["mine x\n", "mine x\n"]


@pytest.mark.parametrize("shell", POSIX[:3] + POSIX[5:], ids=str)
def test_condas_own_functions_of_the_users_rc_stay(shell: Dialect, site: Site) -> None:
    """`conda init` has run: `conda` is there, and was before."""
    conda_sh = site.hooks / "conda.sh"
    look = code("command -v conda __conda_exe __conda_activate", zsh="whence -w conda __conda_exe __conda_activate")
    steps = around(site, look, ucenv("load", "hooks"), ucenv("unload"), look, first=(source(conda_sh),))
    outcome = run(shell, steps, site.start)
    assert_undone(outcome, "after")
    first, second = [done.stdout for done in outcome.steps if done.stdout]
    assert first == second


@pytest.mark.parametrize("shell", [BASH], ids=str)
def test_an_alias_conda_stays(shell: Dialect, site: Site) -> None:
    first = (code("shopt -s expand_aliases\nalias conda='echo mine'"),)
    assert_undone(run(shell, around(site, ucenv("load"), ucenv("unload"), first=first), site.start), "after")


# modules -------------------------------------------------------------------------------------------------------------


def test_modules_swap_as_lmod_orders_it(shell: Dialect, site: Site) -> None:
    """On family replacement Lmod prints load B, unload A, unload B, load B; the token tells which unload counts."""
    steps = around(
        site,
        function("ucenv_load", "--module", "A/1", "hooks"),
        function("ucenv_load", "--module", "B/1", "state"),
        function("ucenv_unload", "--module", "A/1"),
        Look("B"),
        function("ucenv_unload", "--module", "B/1"),
        Look("between"),
        function("ucenv_load", "--module", "B/1", "state"),
        function("ucenv_unload", "--module", "A/1"),
        Look("B again"),
        function("ucenv_unload", "--module", "B/1"),
    )
    outcome = run(shell, steps, site.start | USERS)
    assert_undone(outcome, "between", "after")
    assert outcome["B"]["CONDA_PREFIX"] == outcome["B again"]["CONDA_PREFIX"] == str(site.env("state"))
    assert outcome.changes("B", "B again") == {}


def test_a_repeated_load_of_a_module_leaves_what_is_on_top(shell: Dialect, site: Site) -> None:
    load = function("ucenv_load", "--module", "A/1", "hooks")
    steps = around(
        site,
        load,
        ucenv("activate", "--stack", "other"),
        Look("on top"),
        load,
        Look("refreshed"),
        function("ucenv_unload", "--module", "B/1"),
        Look("still"),
        function("ucenv_unload", "--module", "A/1"),
        Look("unloaded"),
        function("ucenv_unload", "--module", "A/1"),
    )
    outcome = run(shell, steps, site.start)
    assert_undone(outcome, "unloaded", "after")
    assert outcome.changes("on top", "refreshed") == outcome.changes("on top", "still") == {}


def test_a_load_without_module_keeps_the_token(shell: Dialect, site: Site) -> None:
    steps = around(
        site,
        function("ucenv_load", "--module", "A/1", "hooks"),
        ucenv("load", "plain"),
        Look("plain"),
        function("ucenv_unload", "--module", "A/1"),
    )
    outcome = run(shell, steps, site.start)
    assert_undone(outcome, "after")
    assert outcome["plain"]["CONDA_PREFIX"] == str(site.env("plain"))


def test_an_unload_of_a_module_leaves_someone_elses_conda_alone(shell: Dialect, site: Site) -> None:
    given = site.start | {
        "CONDA_SHLVL": "1",
        "CONDA_PREFIX": str(site.env("plain")),
        "CONDA_EXE": f"{site.root}/bin/conda",
    }
    outcome = run(shell, around(site, function("ucenv_unload", "--module", "A/1")), given)
    assert_only(outcome, {})


# conda broken while it is loaded -------------------------------------------------------------------------------------


def test_conda_and_the_environments_deleted_while_loaded(shell: Dialect, own_site: Site) -> None:
    site = own_site
    gone = site.directory / "gone"
    gone.mkdir()

    def away(path: Path) -> Step:
        return Say(lambda d: d.words(["/bin/mv", str(path), str(gone)]), told=f"mv {path}")

    steps = around(
        site,
        ucenv("load", "hooks"),
        ucenv("activate", "state"),
        ucenv("activate", "--stack", "messy"),
        away(site.root / "bin"),
        away(site.env("state")),
        away(site.env("messy")),
        away(site.env("hooks")),
        ucenv("unload"),
    )
    outcome = run(shell, steps, site.start | USERS | {"LD_LIBRARY_PATH": "/opt/lib"})
    assert_undone(outcome, "after")


def test_records_damaged_by_hand(shell: Dialect, site: Site) -> None:
    """Whatever stands in a header, no name but a variable's is touched and nothing is evaluated."""
    steps = around(
        site,
        ucenv("load", "hooks"),
        export("__UCENV_1_", "PATH a;b $(echo) ../x HOME[0] 9X HOOK_VAR"),
        ucenv("unload"),
    )
    outcome = run(shell, steps, site.start)
    assert outcome.ours[-1].status == 0
    changed = {name for name in outcome.changes("before", "after") if not name.startswith("__UCENV_1")}
    assert changed <= {"PATH", "LD_LIBRARY_PATH", "HOOK_OLD_LDLP"}


def test_the_variables_of_ours_are_not_taken_for_ours_when_set_by_the_user(shell: Dialect, site: Site) -> None:
    outcome = run(shell, around(site, ucenv("load"), ucenv("unload"), first=(assign("t_users", "x"),)), site.start)
    assert_undone(outcome, "after")
