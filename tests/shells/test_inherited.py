"""A job inherits variables, not functions: every state that a real conda left is met by a fresh shell of each kind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.shells.dialects import Dialect
from tests.shells.harness import Environment, Look, changes, prompt, run, source_hook, ucenv
from tests.shells.sites import Site
from tests.shells.test_undo import BROKEN, expand
from tests.shells.transcripts import SCENARIOS, Scenario

OURS = {"CONDA_ENVS_PATH", "CONDA_PKGS_DIRS"}
"""Set before conda in every scenario, with nothing but conda's and the user's space in them: taken for conda's."""

LEFT_BY_CONDA = {
    "state variables over the user's": {"STATE_VAR"},
    "state variables, none before": {"MY_CONDA_OPT", "STATE_VAR", "USER_VAR"},
    "state values with quotes": {"Q1", "Q2", "Q3"},
    "stacked": {"LD_LIBRARY_PATH"},
}
"""Names that conda's own deactivation left, in states it had come back from, and nothing tells that they are its: state
variables as empty strings, and a library path that a script, run again on the way back, put in twice."""


def cleaned(scenario: Scenario, site: Site, inherited: Environment) -> dict[str, str]:
    """The scenario's environment before conda, with what the user did in between."""
    expected = {name: value for name, value in scenario.initial(site).items() if name not in OURS}
    if "/opt/tool/bin" in inherited["PATH"]:
        expected["PATH"] = f"/opt/tool/bin:{expected['PATH']}:/opt/late/bin"
    for name in LEFT_BY_CONDA.get(scenario.name, set()):
        if scenario.name == "stacked":
            left = inherited.get(name) if "HOOK_VAR" not in inherited else None
        else:
            left = inherited.get(name) if inherited.get(name) == "" else expected.get(name)
        if left is not None:
            expected[name] = left
    return expected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_load_and_unload_leave_what_conda_made_and_a_further_unload_cleans_it(
    shell: Dialect, scenario: Scenario, site: Site
) -> None:
    for state in scenario.states(site):
        steps = [
            Look("before"),
            source_hook(site.hooks),
            Look("sourced"),
            ucenv("load", "hooks"),
            ucenv("activate", "--stack", "other"),
            ucenv("unload"),
            Look("after"),
            ucenv("unload"),
            Look("clean"),
            ucenv("unload"),
            Look("clean again"),
        ]
        outcome = run(shell, steps, state.environment)
        assert outcome.noise() == [], state.command
        assert outcome.changes("before", "after") == {}, state.command
        assert outcome.state_changes("sourced", "after") == {}, state.command
        expected = changes(state.environment, cleaned(scenario, site, state.environment))
        if shell.name in ("dash", "ash") and state.level == 0:
            # Copies of values that conda had put back: no prefix tells their names, and these shells cannot list.
            expected = {name: value for name, value in expected.items() if not name.startswith("__CONDA_SHLVL_")}
        assert outcome.changes("before", "clean") == expected, state.command
        assert outcome.changes("clean", "clean again") == {}


RUN_AGAIN = {"HOOK_OLD_LDLP", "LD_LIBRARY_PATH"}
"""conda runs activate.d of an environment that was stacked upon again, which doubles its library path. We do not."""


@pytest.mark.parametrize(
    "scenario", [scenario for scenario in SCENARIOS if "deactivate" in str(scenario.document)], ids=str
)
def test_native_deactivation_is_condas(shell: Dialect, scenario: Scenario, site: Site) -> None:
    for before, after in scenario.deactivations(site):
        steps = [source_hook(site.hooks), Look("before"), ucenv("deactivate"), Look("after")]
        outcome = run(shell, steps, before.environment)
        assert outcome.noise() == []
        got, expected = visible(outcome["after"].environment), visible(after.environment)
        theirs = {
            name for name in got.keys() - expected.keys() if before.environment.get(name) is None
        }  # the shell's own
        again = RUN_AGAIN if before.environment.get(f"CONDA_STACKED_{before.level}") and before.level == 3 else set()
        doubled = {"LD_LIBRARY_PATH"} if scenario.name == "stacked" and before.level <= 2 else set()
        found = {name: value for name, value in changes(expected, got).items() if name not in theirs | again | doubled}
        # Copies that conda leaves behind after it has put the values back.
        found = {
            name: value for name, value in found.items() if not (name.startswith("__CONDA_SHLVL_") and not value[1])
        }
        assert found == {}, f"level {before.level}"
        if again:
            assert outcome["after"]["LD_LIBRARY_PATH"] == f"{site.env('hooks')}/lib"


def visible(environment: Mapping[str, str]) -> dict[str, str]:
    """Unset before conda 25.7, an empty string since: both mean gone."""
    return {name: value for name, value in environment.items() if value}


def test_deactivate_all_ends_at_level_0(shell: Dialect, site: Site) -> None:
    three = next(scenario for scenario in SCENARIOS if scenario.name == "three levels").states(site)[3]
    assert three.level == 3
    outcome = run(shell, [source_hook(site.hooks), ucenv("deactivate", "--all"), Look("after")], three.environment)
    assert outcome.noise() == []
    after = outcome["after"]
    assert after["CONDA_SHLVL"] == "0"
    assert visible(after.environment).keys() & {"CONDA_PREFIX", "CONDA_PREFIX_1", "CONDA_PREFIX_2", "HOOK_VAR"} == set()
    assert after["PATH"] == f"{site.root}/condabin:/usr/local/bin:/usr/bin:/bin"


@pytest.mark.parametrize("name", [name for name in BROKEN if name != "environment deleted"])
def test_a_broken_state_ends_clean_with_one_line(shell: Dialect, name: str, site: Site) -> None:
    given = {key: expand(value, site) for key, value in BROKEN[name].items()}
    path = f"{site.root}/condabin:/usr/bin:/bin"
    inherited = site.start | {"PATH": path, "CONDA_EXE": f"{site.root}/bin/conda", "CONDA_DEFAULT_ENV": "x"} | given
    outcome = run(shell, [Look("before"), source_hook(site.hooks), ucenv("unload"), Look("after")], inherited)
    unload = outcome.ours[-1]
    lines = unload.stderr.splitlines()
    # An empty level is no level: conda reads it as 0.
    assert len(lines) == (0 if name == "CONDA_SHLVL empty" else 1) or name == "CONDA_SHLVL 08", outcome.story()
    assert all(line.startswith("ucenv: ") for line in lines)
    assert (unload.status, unload.stdout) == (0, "")
    expected = site.start | {"PATH": "/usr/bin:/bin"}
    assert outcome.changes("before", "after") == changes(inherited, expected)


def test_a_deleted_environment_and_a_deleted_conda(shell: Dialect, own_site: Site) -> None:
    site = own_site
    inherited = site.start | {
        "CONDA_SHLVL": "2",
        "CONDA_PREFIX": "/gone/envs/x",
        "CONDA_PREFIX_1": "/gone",
        "CONDA_DEFAULT_ENV": "x",
        "CONDA_PROMPT_MODIFIER": "(x) ",
        "CONDA_EXE": "/gone/bin/conda",
        "CONDA_PYTHON_EXE": "/gone/bin/python",
        "_CONDA_ROOT": "/gone",
        "_CONDA_EXE": "/gone/bin/conda",
        "_CE_M": "",
        "_CE_CONDA": "",
        "PATH": "/gone/envs/x/bin:/gone/condabin:/gone-not/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": "/gone/envs/x/lib:/gone/lib",
        "CONDA_EXAMPLE": "the user's",
    }
    outcome = run(shell, [Look("before"), source_hook(site.hooks), ucenv("unload"), Look("after")], inherited)
    assert outcome.ours[-1].status == 0
    assert len(outcome.ours[-1].stderr.splitlines()) <= 1
    expected = site.start | {"PATH": "/gone-not/bin:/usr/bin:/bin", "CONDA_EXAMPLE": "the user's"}
    assert outcome.changes("before", "after") == changes(inherited, expected)


CONDA_4_4 = {
    "CONDA_SHLVL": "1",
    "CONDA_PREFIX": "@SPACE@/envs/hooks",
    "CONDA_DEFAULT_ENV": "hooks",
    "CONDA_PROMPT_MODIFIER": "(hooks) ",
    "CONDA_PYTHON_EXE": "@ROOT@/bin/python",
    "CONDA_EXE": "@ROOT@/bin/conda",
    "PATH": "@SPACE@/envs/hooks/bin:@ROOT@/condabin:/usr/bin:/bin",
    "HOOK_VAR": "set by @SPACE@/envs/hooks",
    "HOOK_OLD_LDLP": "",
    "LD_LIBRARY_PATH": "@SPACE@/envs/hooks/lib",
}
MICROMAMBA = {
    "MAMBA_EXE": "/home/me/bin/micromamba",
    "MAMBA_ROOT_PREFIX": "@ROOT@",
    "CONDA_SHLVL": "2",
    "CONDA_PREFIX": "@SPACE@/envs/state",
    "CONDA_PREFIX_1": "@SPACE@/envs/plain",
    "CONDA_DEFAULT_ENV": "state",
    "CONDA_PROMPT_MODIFIER": "(state) ",
    "PATH": "@SPACE@/envs/state/bin:@ROOT@/condabin:/usr/bin:/bin",
    "STATE_VAR": "from state",
    "USER_VAR": "from state too",
    "MY_CONDA_OPT": "7",
    "__CONDA_SHLVL_1_USER_VAR": "mine, before",
}


def test_an_old_condas_state_is_cleaned(shell: Dialect, site: Site) -> None:
    inherited = site.start | {name: expand(value, site) for name, value in CONDA_4_4.items()}
    outcome = run(shell, [Look("before"), source_hook(site.hooks), ucenv("unload"), Look("after")], inherited)
    assert outcome.noise() == []
    assert outcome.changes("before", "after") == changes(inherited, site.start | {"PATH": "/usr/bin:/bin"})


def test_micromambas_levels_are_taken_back(shell: Dialect, site: Site) -> None:
    inherited = site.start | {name: expand(value, site) for name, value in MICROMAMBA.items()}
    steps = [
        Look("before"),
        source_hook(site.hooks),
        ucenv("load", "hooks"),
        ucenv("unload"),
        Look("again"),
        ucenv("deactivate"),
        Look("one back"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, inherited)
    assert outcome.noise() == []
    assert outcome.changes("before", "again") == {}
    assert outcome["one back"]["USER_VAR"] == "mine, before"
    assert outcome["one back"].entries("PATH")[0] == f"{site.env('plain')}/bin"
    after = outcome["after"].environment
    assert after.keys() & {"CONDA_SHLVL", "CONDA_PREFIX", "CONDA_PREFIX_1", "STATE_VAR", "MY_CONDA_OPT"} == set()
    assert (after["USER_VAR"], after["MAMBA_EXE"]) == ("mine, before", "/home/me/bin/micromamba")
    assert f"{site.env('plain')}/bin" not in outcome["after"].entries("PATH")


def test_nothing_of_conda_nothing_done(shell: Dialect, site: Site) -> None:
    given = {
        "CONDARC": "/x",
        "MYCONDA_X": "x",
        "ANACONDA_TOKEN": "t",
        "CONDA_ENVS_PATH": "/my/envs",
        "LD_LIBRARY_PATH": "",
    }
    steps = [prompt("> "), source_hook(site.hooks), Look("before"), ucenv("unload"), ucenv("deactivate"), Look("after")]
    outcome = run(shell, steps, site.start | given)
    assert outcome.noise() == []
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("before", "after") == {}


def test_names_that_merely_contain_conda_stay_unless_all_are_asked_for(shell: Dialect, site: Site) -> None:
    given = {"CONDARC": "/x", "MYCONDA_X": "x", "CONDA_ENVS_PATH": "/my/envs", "CONDA_SHLVL": "0", "KEEP": "CONDA"}
    steps = [source_hook(site.hooks), ucenv("unload"), Look("kept"), ucenv("unload", "--all-names"), Look("all")]
    outcome = run(shell, steps, site.start | given)
    assert (
        outcome["kept"].environment.items()
        >= {"CONDARC": "/x", "MYCONDA_X": "x", "CONDA_ENVS_PATH": "/my/envs"}.items()
    )
    asked = outcome.ours[-1]
    if shell.name in ("dash", "ash", "tcsh"):  # no builtin of theirs lists names
        assert (asked.status, len(asked.stderr.splitlines())) == (1, 1)
        return
    assert asked.status == 0
    assert not [name for name in outcome["all"].environment if "CONDA" in name and name != "UCENV_CONDA_ROOT"]
    assert outcome["all"]["KEEP"] == "CONDA"
    assert all(name in asked.stdout + asked.stderr for name in ("CONDARC", "MYCONDA_X", "CONDA_ENVS_PATH"))


def test_lists_of_envs_are_condas_only_where_every_entry_is(shell: Dialect, site: Site) -> None:
    for value, stays in ((f"{site.root}/envs:/my/envs", True), (f"{site.space}/envs:{site.root}/envs", False)):
        given = {"CONDA_SHLVL": "0", "CONDA_EXE": f"{site.root}/bin/conda", "CONDA_ENVS_PATH": value}
        outcome = run(shell, [source_hook(site.hooks), ucenv("unload"), Look("after")], site.start | given)
        assert outcome["after"].get("CONDA_ENVS_PATH") == (value if stays else None)
        assert "CONDA_EXE" not in outcome["after"].environment
