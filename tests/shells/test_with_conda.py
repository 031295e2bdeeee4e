"""A real conda beside the hook: each undoes what the other left, and the native deactivation is conda's own."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from tests.shells.dialects import BASH, DASH, FISH, SHELLS, TCSH, ZSH, Dialect
from tests.shells.harness import Look, Say, Step, changes, code, run, source, source_hook, ucenv
from tests.shells.sites import Site, build_site
from tests.shells.test_inherited import visible
from tests.shells.test_undo import USERS
from tests.support import Unavailable

pytestmark = pytest.mark.conda

CONDAS_FILE = {"tcsh": "etc/profile.d/conda.csh", "fish": "etc/fish/conf.d/conda.fish"}
WITH_CONDA = [BASH, ZSH, DASH, FISH, TCSH]


class RealSite(Site):
    """The environments of a test site, and the root of a real conda."""

    @property
    def hooks(self) -> Path:
        return self.directory / "opt/conda-4.8.3/etc/profile.d"

    @property
    def start(self) -> dict[str, str]:
        settings = {"CONDARC": os.devnull, "CONDA_OFFLINE": "true", "CONDA_NO_PLUGINS": "true"}
        return super().start | settings


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealSite:
    named = os.environ.get("UCENV_TEST_CONDA") or str(
        Path(os.environ.get("CONDA_EXE", "/nowhere/bin/conda")).parent.parent
    )
    if not os.access(Path(named) / "bin/conda", os.X_OK):
        raise Unavailable("no real conda: UCENV_TEST_CONDA=<root of one> names it")
    site = build_site(tmp_path_factory.mktemp("real"))
    return RealSite(site.directory, Path(named))


def conda(*words: str) -> Step:
    return Say(lambda d: d.call("conda", words), told=f"conda {' '.join(words)}")


def condas_own(shell: Dialect, site: Site) -> list[Step]:
    """What `conda init` puts into the user's rc file."""
    file = site.root / CONDAS_FILE.get(shell.name, "etc/profile.d/conda.sh")
    if not file.exists():
        raise Unavailable(f"this conda has no {file}")
    return [source(file)]


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_conda_runs_after_a_load(shell: Dialect, real: RealSite) -> None:
    call = code("conda info --base", csh="conda info --base", fish="conda info --base")
    steps = [Look("before"), source_hook(real.hooks), ucenv("load", "plain"), call, ucenv("unload"), Look("after")]
    outcome = run(shell, steps, real.start)
    assert outcome.noise() == []
    assert outcome.steps[3].stdout == f"{real.root}\n"
    assert outcome.changes("before", "after") == {}


@pytest.mark.parametrize("shell", WITH_CONDA, ids=str)
@pytest.mark.parametrize("order", ["theirs on top", "ours on theirs", "theirs takes ours back", "stacked"])
def test_levels_of_both(shell: Dialect, order: str, real: RealSite) -> None:
    sequences = {
        "theirs on top": [ucenv("load", "all"), conda("activate", "hooks"), conda("activate", "--stack", "other")],
        "ours on theirs": [
            ucenv("load"),
            conda("activate", "state"),
            ucenv("activate", "messy"),
            conda("activate", "hooks"),
        ],
        "theirs takes ours back": [
            ucenv("load", "hooks"),
            ucenv("activate", "state"),
            conda("deactivate"),
            ucenv("activate", "--stack", "plain"),
            conda("deactivate"),
            conda("deactivate"),
            ucenv("activate", "other"),
        ],
        "stacked": [
            ucenv("load", "plain"),
            conda("activate", "--stack", "hooks"),
            ucenv("activate", "--stack", "state"),
        ],
    }
    hook = [source_hook(real.hooks), Look("sourced")]
    # In tcsh and fish the word is ours after a load unless the user has conda's own.
    own = condas_own(shell, real) if shell in (TCSH, FISH) else []
    steps = [*own, Look("before"), *hook, *sequences[order], Look("deep"), ucenv("unload"), Look("after")]
    outcome = run(shell, steps, real.start | USERS | {"LD_LIBRARY_PATH": "/opt/lib"})
    assert outcome.noise() == [], outcome.story()
    assert int(outcome["deep"]["CONDA_SHLVL"]) >= 1
    assert outcome.changes("before", "after") == {}
    assert of_ours(shell, outcome.state_changes("sourced", "after")) == {}


def of_ours(shell: Dialect, found: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Without the variables that conda's own aliases for tcsh leave behind (`ask_conda` and others)."""
    if shell is not TCSH:
        return found
    prompts = [
        [line for line in text.splitlines() if line.startswith("prompt\t")] for text in found.get("settings", ("", ""))
    ]
    return {"prompt": (str(prompts[0]), str(prompts[1]))} if prompts[0] != prompts[1] else {}


@pytest.mark.parametrize("shell", WITH_CONDA, ids=str)
def test_a_load_over_the_users_own_conda(shell: Dialect, real: RealSite) -> None:
    theirs = [*condas_own(shell, real), conda("activate", "hooks"), conda("activate", "state")]
    steps = [
        *theirs,
        Look("before"),
        source_hook(real.hooks),
        Look("sourced"),
        ucenv("load", "messy"),
        ucenv("activate", "all"),
    ]
    back = [ucenv("unload"), Look("after"), conda("deactivate"), conda("deactivate"), Look("theirs")]
    outcome = run(shell, [*steps, *back], real.start | USERS)
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("sourced", "after") == {}
    assert outcome["theirs"]["CONDA_SHLVL"] == "0"
    assert "HOOK_VAR" not in outcome["theirs"].environment


NAMES = ["plain", "other", "third", "hooks", "state", "quotes", "all", "py3", "with space"]


@pytest.fixture(scope="module", params=range(4), ids="random states {}".format)
def sequence(request: pytest.FixtureRequest, real: RealSite) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Environments before and after each `conda deactivate` of a random nest, as a real conda made them in bash."""
    rng = random.Random(request.param)
    if not real.env("py3").exists():
        real.environment("py3", state={"USER_VAR": "$HOME 'x'", "OTHER_VAR": "y"})
    depth = rng.randint(2, 4)
    ups: list[Step] = []
    for name in rng.sample(NAMES, depth):
        stack = ["--stack"] if ups and rng.random() < 0.3 else []
        ups.append(conda("activate", *stack, name))
    downs = [step for level in range(depth) for step in (Look(f"at {level}"), conda("deactivate"))]
    start = real.start | {
        "CONDA_ENVS_PATH": f"{real.space}/envs",
        "PATH": rng.choice(["/usr/bin:/bin", "/a/::/usr/bin:/bin:/usr/bin", "/usr/bin:/sp ace:/bin:"]),
        **rng.choice([{}, {"LD_LIBRARY_PATH": "/opt/lib:/x"}]),
        **rng.choice([{}, USERS]),
    }
    outcome = run(BASH, [*condas_own(BASH, real), *ups, *downs, Look(f"at {depth}")], start)
    assert outcome["at 0"]["CONDA_SHLVL"] == str(depth), outcome.story()
    views = [outcome[f"at {level}"].environment for level in range(depth + 1)]
    return list(pairwise(views))


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_native_deactivation_is_condas_own(
    shell: Dialect, sequence: list[tuple[dict[str, str], dict[str, str]]], real: RealSite
) -> None:
    stacked_upon = False
    for before, theirs in sequence:
        level = before["CONDA_SHLVL"]
        stacked_upon = stacked_upon or f"CONDA_STACKED_{level}" in before
        steps = [source_hook(real.hooks), Look("before"), ucenv("deactivate"), Look("after")]
        outcome = run(shell, steps, before)
        assert outcome.noise() == []
        own = {*(outcome["before"].environment.keys() - before.keys()), "SHLVL", "USER"}
        found = changes(visible(theirs), visible(outcome["after"].environment))
        found = {
            name: value for name, value in found.items() if name not in own and not name.startswith("__CONDA_SHLVL_")
        }
        if stacked_upon:  # scripts of an environment that was stacked upon: conda runs them again, we do not
            again = {"LD_LIBRARY_PATH", "HOOK_OLD_LDLP", "HOOK_VAR", "ALL_B"}
            found = {name: value for name, value in found.items() if name not in again}
        if shell is FISH and "" in before["PATH"].split(":"):  # fish reads an empty entry as the current directory
            found.pop("PATH", None)
        assert found == {}, f"level {level}"
