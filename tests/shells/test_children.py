"""What a parent of one kind loaded, a child of another unloads: the records are in the environment."""

import pytest

from tests.shells.dialects import BASH, DASH, FISH, SHELLS, TCSH, Dialect
from tests.shells.harness import Child, Look, changes, export, run, source_hook, ucenv
from tests.shells.sites import Site
from tests.shells.test_undo import USERS

ODD = {
    "PATH": "/a/::/usr/bin:/bin:/sp ace:/q'uote:/usr/bin",
    "LD_LIBRARY_PATH": "/opt/mpi/lib:",
    "NOTE": "one\nX=CONDA y\n!",
    "STATE_VAR": "the user's; $(own) 'value'\n!",
    "CONDA_ENVS_PATH": "/my/envs",
}


@pytest.mark.parametrize("child", SHELLS, ids=lambda child: f"child {child}")
@pytest.mark.parametrize("parent", SHELLS, ids=str)
def test_a_child_unloads_what_its_parent_loaded(parent: Dialect, child: Dialect, site: Site) -> None:
    steps = [
        Look("before"),
        Child(child, [Look("child before")]),
        source_hook(site.hooks),
        ucenv("load", "hooks"),
        ucenv("activate", "state"),
        ucenv("activate", "--stack", "messy"),
        Look("loaded"),
        Child(child, [source_hook(site.hooks), ucenv("unload"), Look("child after")]),
        Look("loaded still"),
        Child(
            child,
            [
                source_hook(site.hooks),
                ucenv("deactivate"),
                Look("child one back"),
                ucenv("activate", "all"),
                ucenv("unload"),
                Look("child after more"),
            ],
        ),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(parent, steps, site.start | USERS | ODD)
    assert outcome.noise() == []
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert outcome.changes("child before", "child after") == {}
    assert outcome.changes("child before", "child after more") == {}
    assert outcome["child one back"]["CONDA_PREFIX"] == str(site.env("state"))
    assert outcome.changes("loaded", "loaded still") == {}
    assert outcome.changes("before", "after") == {}


@pytest.mark.parametrize("between", [DASH, TCSH, FISH, BASH], ids=lambda shell: f"{shell} between")
def test_a_shell_in_between_that_knows_nothing(shell: Dialect, between: Dialect, site: Site) -> None:
    """As a job script does: it exports more and starts the shell that unloads."""
    inner = [source_hook(site.hooks), ucenv("activate", "state"), ucenv("unload"), Look("inner")]
    steps = [
        Child(between, [export("JOB", "1"), Child(shell, [Look("control")])]),
        source_hook(site.hooks),
        ucenv("load", "all"),
        Child(between, [export("JOB", "1"), Child(shell, inner)]),
        ucenv("unload"),
    ]
    outcome = run(shell, steps, site.start | USERS)
    assert outcome.noise() == []
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert changes(outcome["control"].environment, outcome["inner"].environment) == {}


def test_a_child_goes_on_where_its_parent_was(shell: Dialect, site: Site) -> None:
    """The levels that a child adds are its own, and it can go below its parent's."""
    child = [
        source_hook(site.hooks),
        ucenv("activate", "other"),
        Look("child"),
        ucenv("deactivate"),
        ucenv("deactivate"),
        Look("child at 0"),
        ucenv("load", "state"),
        ucenv("unload"),
        Look("child after"),
    ]
    steps = [Child(shell, [Look("control")]), source_hook(site.hooks), ucenv("load", "hooks"), Child(shell, child)]
    outcome = run(shell, steps, site.start | USERS)
    assert outcome.noise() == []
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert (outcome["child"]["CONDA_SHLVL"], outcome["child"]["CONDA_PREFIX_1"]) == ("2", str(site.env("hooks")))
    assert outcome["child at 0"]["CONDA_SHLVL"] == "0"
    assert "HOOK_VAR" not in outcome["child at 0"].environment
    assert changes(outcome["control"].environment, outcome["child after"].environment) == {}
