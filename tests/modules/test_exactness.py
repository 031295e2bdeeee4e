"""The shell after a module's unload is the shell before its load, whatever was done with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.modules.conftest import ODD, ModuleSite, module, start
from tests.modules.systems import LMOD, ModuleSystem
from tests.shells.dialects import BASH, DASH, FISH, KSH, TCSH, ZSH, Dialect
from tests.shells.harness import Child, Look, Outcome, changes, code, run, source_hook, ucenv

A, B = "python3/powerai_1.7.0", "python3/powerai_1.6.2"
BASE, PACKAGE = "conda/4.8.3", "tensorflow-py3/2.1.0"

LOADED = {
    "load": [module("load", A)],
    "by default": [module("load", "python3")],
    "twice": [module("load", A), module("load", A)],
    "refresh": [module("load", A), module("refresh")],
    "reload": [module("load", A), module("reload")],
    "with an environment of the user's on top": [module("load", A), ucenv("activate", "hooks")],
    "with several": [module("load", A), ucenv("activate", "state"), ucenv("activate", "--stack", "messy")],
    "after another": [module("load", B), module("swap", B, A)],
    "there and back": [module("load", A), module("swap", A, B), module("swap", B, A)],
    "after base": [module("load", BASE), module("swap", BASE, A)],
}
LEFT = {"unload": [module("unload", A)], "purge": [module("purge")]}
USERS = {
    "CONDA_ENVS_PATH": "/u/envs:/v/envs",
    "CONDA_PKGS_DIRS": "/u/pkgs",
    "MYCONDA_X": "mine",
    "CONDARC": "/u/condarc",
    "PATH": "/usr/bin:/usr/bin:/bin/:/u/a b:/bin",
    "LD_LIBRARY_PATH": "/u/lib::/v/lib",
    "IBM_POWERAI_LICENSE_ACCEPT": "no: of my own",
    "PYTHONPATH": "/u/py",
}


def assert_undone(outcome: Outcome, system: ModuleSystem, before: str = "before", after: str = "after") -> None:
    left = {name: values for name, values in outcome.changes(before, after).items() if name not in system.keeps}
    assert left == {}, outcome.story()
    state = {
        aspect: values
        for aspect, values in outcome.state_changes(before, after).items()
        if not _is_kept(values, system)
    }
    assert state == {}, outcome.story()
    assert outcome.returncode == 0, outcome.story()


def _is_kept(values: tuple[str, str], system: ModuleSystem) -> bool:
    """The same names as they stand in a list of variables."""
    return {*re.findall(r"'(\w+)'", "".join(values))} <= {*system.keeps} and values[0].startswith("lost [")


def assert_quiet(outcome: Outcome) -> None:
    said = [
        (done.step, text)
        for done in outcome.steps
        if ((text := done.stdout + done.stderr) or done.status) and not _is_news(text)
    ]
    assert said == []


def _is_news(text: str) -> bool:
    """That a module was replaced (Lmod), or is loaded with another (Environment Modules)."""
    return "have been reloaded with a version change" in text or "Loading requirement" in text or "useless req" in text


@pytest.mark.parametrize("leave", LEFT)
@pytest.mark.parametrize("how", LOADED)
def test_undone(modules: ModuleSite, system: ModuleSystem, shell: Dialect, how: str, leave: str) -> None:
    steps = [start(system), Look("before"), *LOADED[how], Look("loaded"), *LEFT[leave], Look("after")]
    outcome = run(shell, steps, modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    loaded = outcome["loaded"]
    assert loaded["ODD"] == ODD
    assert loaded["CONDA_ENVS_PATH"].split(":")[0] == f"{modules.site.space}/envs"
    if "on top" not in how and "several" not in how:
        assert loaded["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))
        assert loaded["NATIVE_HOME"] == f"{modules.prefix('py3_powerai_1.7.0')}/share/native"
        assert loaded.entries("PATH")[0] == f"{modules.prefix('py3_powerai_1.7.0')}/bin"


def test_what_the_user_has(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), Look("before"), module("load", A), Look("loaded"), module("unload", A), Look("after")]
    outcome = run(shell, steps, modules.start | USERS)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert outcome["loaded"]["IBM_POWERAI_LICENSE_ACCEPT"] == "yes"


def test_under_strict_settings(modules: ModuleSite, system: ModuleSystem) -> None:
    """`set -u` in a shell that the module system's own function can live with."""
    for shell in (BASH, ZSH):
        steps = [
            start(system),
            code("set -uf"),
            Look("before"),
            module("load", A),
            ucenv("activate", "hooks"),
            module("swap", A, B),
            Look("loaded"),
            module("unload", B),
            Look("after"),
        ]
        outcome = run(shell, steps, modules.start)
        assert_undone(outcome, system)
        assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.6.2"))


def test_after_a_swap_the_new_modules_settings_hold(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), module("load", B), Look("alone"), module("unload", B), module("load", A)]
    outcome = run(shell, [*steps, module("swap", A, B), Look("swapped")], modules.start)
    differ = outcome.changes("alone", "swapped")
    # Modules of one family are swapped by both systems; what they note of it is theirs.
    assert {name for name in differ if not name.startswith(("_Module", "__LMOD", "__MODULES", "LMOD_"))} == set()
    assert outcome["swapped"]["__UCENV_TOKEN"] == B


def test_another_of_the_family(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    """Lmod replaces the one that is loaded, Environment Modules refuses; in both the shell agrees with what it says."""
    steps = [start(system), Look("before"), module("load", A), module("load", BASE), Look("both"), module("purge")]
    outcome = run(shell, [*steps, Look("after")], modules.start)
    assert_undone(outcome, system)
    loaded = BASE if system is LMOD else A
    assert (outcome["both"]["__UCENV_TOKEN"], outcome["both"]["LOADEDMODULES"]) == (loaded, loaded)
    assert ("CONDA_PREFIX" in outcome["both"].environment) == (loaded == A)
    assert system.is_error(outcome.steps[3].stderr) == (system is not LMOD)


def test_a_package_loads_its_environment(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), Look("before"), module("load", PACKAGE), Look("loaded"), module("unload", PACKAGE)]
    outcome = run(shell, [*steps, Look("after")], modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert {*outcome["loaded"]["LOADEDMODULES"].split(":")} == {A, PACKAGE}
    assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))


def test_save_and_restore(modules: ModuleSite, system: ModuleSystem, shell: Dialect, tmp_path: Path) -> None:
    steps = [
        start(system),
        Look("before"),
        module("load", A),
        Look("loaded"),
        module("save", "mine"),
        module("purge"),
        Look("purged"),
        module("restore", "mine"),
        Look("restored"),
        module("unload", A),
        Look("after"),
    ]
    outcome = run(shell, steps, modules.start | {"HOME": str(tmp_path)})
    assert_undone(outcome, system, "before", "purged")
    assert_undone(outcome, system)
    assert outcome["restored"]["CONDA_PREFIX"] == outcome["loaded"]["CONDA_PREFIX"]
    assert outcome["restored"]["__UCENV_TOKEN"] == A


@pytest.mark.parametrize("child", [BASH, ZSH, DASH, KSH, TCSH, FISH], ids=str)
def test_a_child_unloads(modules: ModuleSite, system: ModuleSystem, shell: Dialect, child: Dialect) -> None:
    """It has then what a child of a shell has in which nothing was loaded."""
    environment = modules.start | {"PS1": "> "}
    bare = run(shell, [start(system), Child(child, [start(system), Look("child")])], environment)
    inner = [start(system), module("unload", A), Look("child")]
    outcome = run(shell, [start(system), module("load", A), Child(child, inner)], environment)
    left = changes(bare["child"].environment, outcome["child"].environment)
    assert {name: values for name, values in left.items() if name not in system.keeps} == {}
    assert_quiet(outcome)


def test_words_that_were_there_before_stay(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), source_hook(modules.site.hooks), Look("before"), module("load", A), module("unload", A)]
    outcome = run(shell, [*steps, Look("after"), ucenv("load", "plain")], modules.start)
    assert_undone(outcome, system)
    assert outcome.steps[-1].status == 0


def test_a_load_of_the_users_own_is_not_the_modules_to_undo(
    modules: ModuleSite, system: ModuleSystem, shell: Dialect
) -> None:
    """`ucenv unload` in between, and a load after it: the module's unload is of what is no more."""
    steps = [start(system), module("load", A), ucenv("unload"), ucenv("load", "plain"), Look("loaded")]
    outcome = run(shell, [*steps, module("unload", A), Look("after")], modules.start)
    assert outcome["after"]["CONDA_PREFIX"] == outcome["loaded"]["CONDA_PREFIX"] == str(modules.site.env("plain"))
    assert outcome["after"].get("__UCENV_TOKEN") is None


# errors, odd sites ----------------------------------------------------------------------------------------------


def test_without_scratch(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    environment = {name: value for name, value in modules.start.items() if name != "SCRATCH"}
    outcome = run(shell, [start(system), Look("before"), module("load", A), Look("after")], environment)
    assert_undone(outcome, system)
    said = outcome.steps[2].stderr
    assert system.is_error(said)
    assert "SCRATCH is not set: your environments would be in $SCRATCH/conda_local" in " ".join(said.split())
    assert "traceback" not in said.lower()
    assert "while executing" not in said


def test_without_the_environment(make_modules: Callable[..., ModuleSite], system: ModuleSystem, shell: Dialect) -> None:
    modules = make_modules()
    shutil.rmtree(modules.prefix("py3_powerai_1.7.0"))
    outcome = run(shell, [start(system), Look("before"), module("load", A), Look("after")], modules.start)
    assert_undone(outcome, system)
    assert system.is_error(outcome.steps[2].stderr)
    assert "py3_powerai_1.7.0" in outcome.steps[2].stderr


@pytest.mark.parametrize("variable", ["WORK", "UCENV_ROOT"])
def test_a_space_elsewhere(
    make_modules: Callable[..., ModuleSite], system: ModuleSystem, shell: Dialect, variable: str, tmp_path: Path
) -> None:
    modules = make_modules(space="$WORK/my/conda")
    environment = modules.start | {"WORK": str(tmp_path / "a work")} | {variable: str(tmp_path / "a work")}
    steps = [start(system), Look("before"), module("load", A), Look("loaded"), module("unload", A), Look("after")]
    outcome = run(shell, steps, environment)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    space = tmp_path / "a work" / ("my/conda" if variable == "WORK" else "")
    assert outcome["loaded"]["CONDA_ENVS_PATH"] == f"{space}/envs:{modules.site.root}/envs"
    assert outcome["loaded"]["UCENV_ROOT"] == str(space)


def test_a_hostile_root(make_modules: Callable[..., ModuleSite], system: ModuleSystem, shell: Dialect) -> None:
    modules = make_modules(root_name='it\'s "a" conda; $HOME `id` & [x] {y ü')
    steps = [start(system), Look("before"), module("load", A), Look("loaded"), module("unload", A), Look("after")]
    outcome = run(shell, steps, modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))
