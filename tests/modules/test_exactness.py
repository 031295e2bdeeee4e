"""The shell after a module's unload is the shell before its load, whatever was done with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.modules.conftest import ODD, ModuleSite, module, start
from tests.modules.systems import ENVIRONMENT_MODULES, LMOD_WITH_TCL, ModuleSystem
from tests.shells.dialects import BASH, DASH, FISH, KSH, TCSH, ZSH, Dialect
from tests.shells.harness import Child, Look, Outcome, Step, View, changes, code, run, source_hook, ucenv

A, B = "python3/powerai_1.7.0", "python3/powerai_1.6.2"
BASE, PACKAGE, OTHER_PACKAGE = "conda/4.8.3", "tensorflow-py3/2.1.0", "tensorflow-py3/2.0.0"
FOREIGN = "foreign/1.0"

#: Each kind of file that is made: one, and one that it is swapped with.
KINDS = {"base": (BASE, A), "environment": (A, B), "package": (PACKAGE, OTHER_PACKAGE)}


def ways(this: str, other: str) -> dict[str, list[Step]]:
    """How a module comes to be loaded, and what is done with it; at the end it is the one that is loaded."""
    load = module("load", this)
    return {
        "load": [load],
        "twice": [load, module("load", this)],
        "refresh": [load, module("refresh")],
        "reload": [load, module("reload")],
        "after another": [module("load", other), module("swap", other, this)],
        "there and back": [load, module("swap", this, other), module("swap", other, this)],
        "with an environment of the user's on top": [load, ucenv("activate", "hooks")],
        "with several": [load, ucenv("activate", "state"), ucenv("activate", "--stack", "messy")],
        "with several, there and back": [
            load,
            ucenv("activate", "state"),
            module("swap", this, other),
            ucenv("activate", "--stack", "messy"),
            module("swap", other, this),
        ],
        "with another's in between": [load, module("load", FOREIGN), module("unload", FOREIGN)],
    }


WAYS = [*ways("", "")]
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


def settings(view: View, system: ModuleSystem) -> dict[str, str]:
    """All that is exported but what the module system notes for itself."""
    return {name: value for name, value in view.environment.items() if not name.startswith(system.notes)}


#: In these shells the hook's code is bash's: of the other two kinds of file the ways that pass through all of it.
_AS_BASH = (ZSH, DASH, KSH)
_LONGEST = ("load", "reload", "with several, there and back")

UNDONE = [
    pytest.param(shell, kind, how, id=f"{shell}-{kind}-{how}")
    for shell in (BASH, ZSH, DASH, KSH, TCSH, FISH)
    for kind in KINDS
    for how in WAYS
    if kind == "environment" or shell not in _AS_BASH or how in _LONGEST
]


@pytest.mark.parametrize(("shell", "kind", "how"), UNDONE, indirect=["shell"])
def test_undone(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str, how: str) -> None:
    """Twice in one shell: by an unload, then by a purge."""
    this, other = KINDS[kind]
    is_as_plain = how != "load" and "of the user's" not in how and "several" not in how
    steps = [start(system), Look("before")]
    if is_as_plain:
        steps += [module("load", this), Look("plain"), module("unload", this), Look("bare")]
    steps += [*ways(this, other)[how], Look("loaded"), module("unload", this), Look("unloaded")]
    steps += [*ways(this, other)[how], module("purge"), Look("purged")]
    outcome = run(shell, steps, modules.start)
    if is_as_plain:
        assert_undone(outcome, system, after="bare")
    assert_undone(outcome, system, after="purged")
    if how == "reload" and kind == "package" and system is not ENVIRONMENT_MODULES:
        # Lmod takes what it has reloaded for loaded by name: the environment's module stays, and says that it does.
        assert outcome["unloaded"]["LOADEDMODULES"] == A
        assert changes(settings(outcome["loaded"], system), settings(outcome["unloaded"], system)) == {}
    else:
        assert_undone(outcome, system, after="unloaded")
    assert_quiet(outcome)
    loaded = outcome["loaded"]
    assert loaded["ODD"] == ODD
    assert loaded["CONDA_ENVS_PATH"].split(":")[0] == f"{modules.site.space}/envs"
    if is_as_plain:
        differ = changes(settings(outcome["plain"], system), settings(loaded, system))
        assert differ == {}
    if (is_as_plain or how == "load") and kind != "base":
        prefix = modules.prefix("py3_powerai_1.7.0")
        assert loaded["CONDA_PREFIX"] == str(prefix)
        assert loaded["NATIVE_HOME"] == f"{prefix}/share/native"
        assert loaded.entries("PATH")[0] == f"{prefix}/bin"


def test_by_default(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), Look("before"), module("load", "python3"), Look("loaded"), module("unload", "python3")]
    outcome = run(shell, [*steps, Look("after")], modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert outcome["loaded"]["LOADEDMODULES"] == A


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_user_has(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str) -> None:
    this, other = KINDS[kind]
    steps = [start(system), Look("before"), module("load", this), Look("loaded"), module("unload", this), Look("after")]
    steps += [module("load", other), ucenv("activate", "state"), module("swap", other, this), module("purge")]
    outcome = run(shell, [*steps, Look("purged")], modules.start | USERS)
    assert_undone(outcome, system)
    assert_undone(outcome, system, after="purged")
    assert_quiet(outcome)
    assert outcome["loaded"]["IBM_POWERAI_LICENSE_ACCEPT"] == "yes"
    assert outcome["loaded"]["MYCONDA_X"] == "mine"


@pytest.mark.parametrize("kind", KINDS)
def test_another_module_in_between(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str) -> None:
    """Loaded before or after ours, unloaded after or before it: what is left of each is what it leaves alone."""
    this, _ = KINDS[kind]
    load, unload = module("load", this), module("unload", this)
    load_foreign, unload_foreign = module("load", FOREIGN), module("unload", FOREIGN)
    steps = [start(system), Look("before"), load_foreign, Look("foreign"), unload_foreign, load, Look("ours")]
    steps += [load_foreign, unload, Look("of ours, foreign"), unload_foreign, Look("nothing")]
    steps += [load_foreign, load, unload, Look("of foreign, ours, foreign"), load, unload_foreign]
    steps += [Look("of foreign, ours, ours"), unload, Look("after")]
    outcome = run(shell, steps, modules.start)
    assert_undone(outcome, system, after="nothing")
    assert_undone(outcome, system)
    assert_quiet(outcome)
    for alone, mixed in (
        ("foreign", "of ours, foreign"),
        ("foreign", "of foreign, ours, foreign"),
        ("ours", "of foreign, ours, ours"),
    ):
        differ = changes(settings(outcome[alone], system), settings(outcome[mixed], system))
        # What a load, and an activation script, notes of before it differs, as it should.
        noted = ("__UCENV_", "NATIVE_OLD_LDLP")
        assert {name for name in differ if not name.startswith(noted)} == set(), (alone, mixed)


@pytest.mark.parametrize("kind", KINDS)
def test_under_strict_settings(modules: ModuleSite, system: ModuleSystem, kind: str) -> None:
    """`set -u` in shells that the module system's own function can live with."""
    this, other = KINDS[kind]
    for shell in (BASH, ZSH, DASH, KSH):
        steps = [
            start(system),
            code("set -uf"),
            Look("before"),
            module("load", this),
            ucenv("activate", "hooks"),
            module("swap", this, other),
            Look("loaded"),
            module("unload", other),
            Look("after"),
        ]
        outcome = run(shell, steps, modules.start)
        assert_undone(outcome, system)
        assert_quiet(outcome)
        assert token(outcome["loaded"]) == loads(other)


def loads(name: str) -> str:
    """The module that does the work."""
    return {PACKAGE: A, OTHER_PACKAGE: B}.get(name, name)


def token(view: View) -> str:
    return view["__UCENV_TOKEN"]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_swap_the_new_modules_settings_hold(
    modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str
) -> None:
    this, other = KINDS[kind]
    steps = [start(system), module("load", other), Look("alone"), module("unload", other), module("load", this)]
    outcome = run(shell, [*steps, module("swap", this, other), Look("swapped")], modules.start)
    assert changes(settings(outcome["alone"], system), settings(outcome["swapped"], system)) == {}
    assert token(outcome["swapped"]) == loads(other)
    assert_quiet(outcome)


def test_another_of_the_family(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    """Lmod replaces the one that is loaded, Environment Modules refuses; in both the shell agrees with what it says."""
    steps = [start(system), Look("before"), module("load", A), module("load", BASE), Look("both"), module("purge")]
    outcome = run(shell, [*steps, Look("after")], modules.start)
    assert_undone(outcome, system)
    replaces = system is not ENVIRONMENT_MODULES
    loaded = BASE if replaces else A
    assert (outcome["both"]["__UCENV_TOKEN"], outcome["both"]["LOADEDMODULES"]) == (loaded, loaded)
    assert ("CONDA_PREFIX" in outcome["both"].environment) == (loaded == A)
    assert system.is_error(outcome.steps[3].stderr) == (not replaces)


def test_a_package_loads_its_environment(modules: ModuleSite, system: ModuleSystem, shell: Dialect) -> None:
    steps = [start(system), Look("before"), module("load", PACKAGE), Look("loaded"), module("unload", PACKAGE)]
    outcome = run(shell, [*steps, Look("after")], modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert {*outcome["loaded"]["LOADEDMODULES"].split(":")} == {A, PACKAGE}
    assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_restore(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str, tmp_path: Path) -> None:
    this, other = KINDS[kind]
    steps = [
        start(system),
        Look("before"),
        module("load", this),
        Look("loaded"),
        module("save", "mine"),
        module("purge"),
        Look("purged"),
        module("restore", "mine"),
        Look("restored"),
        module("unload", this),
        Look("after"),
        module("load", other),
        module("restore", "mine"),
        Look("restored over another"),
    ]
    outcome = run(shell, steps, modules.start | {"HOME": str(tmp_path)})
    assert_undone(outcome, system, "before", "purged")
    assert_undone(outcome, system)
    for restored in ("restored", "restored over another"):
        assert changes(settings(outcome["loaded"], system), settings(outcome[restored], system)) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_unloads(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str) -> None:
    """Of each kind. It has then what a child of a shell has in which nothing was loaded."""
    environment = modules.start | {"PS1": "> "}
    children = (BASH, ZSH, DASH, KSH, TCSH, FISH)
    bare = [Child(child, [start(system), Look(f"bare {child}")]) for child in children]
    unload = [Child(c, [start(system), module("unload", KINDS[kind][0]), Look(f"{c}")]) for c in children]
    load = module("load", KINDS[kind][0])
    outcome = run(shell, [start(system), *bare, load, *unload, Look("after")], environment)
    for child in children:
        left = changes(outcome[f"bare {child}"].environment, outcome[f"{child}"].environment)
        assert {name: values for name, values in left.items() if name not in system.keeps} == {}, child
    assert_quiet(outcome)
    assert token(outcome["after"]) == loads(KINDS[kind][0])


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


@pytest.mark.parametrize("kind", KINDS)
def test_without_scratch(modules: ModuleSite, system: ModuleSystem, shell: Dialect, kind: str) -> None:
    environment = {name: value for name, value in modules.start.items() if name != "SCRATCH"}
    load = module("load", KINDS[kind][0])
    outcome = run(shell, [start(system), Look("before"), load, Look("after")], environment)
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
    name = 'it\'s "a" conda; $HOME `id` & [x] {y ü'
    # Lmod hands LD_LIBRARY_PATH to its Tcl in quotes of its own: no module whatever loads where one is in it.
    modules = make_modules(root_name=name.replace('"', "") if system is LMOD_WITH_TCL else name)
    steps = [start(system), Look("before"), module("load", A), Look("loaded"), module("unload", A), Look("after")]
    outcome = run(shell, steps, modules.start)
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))
