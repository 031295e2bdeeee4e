"""Random shells, values and sequences: hypothesis makes them up, real shells act, a model says what has to be left.

The model knows nothing of how the hook works: what the user did to variables and lists stays, all else is as before.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.shells.dialects import SHELLS, TCSH, Dialect
from tests.shells.harness import Child, Look, Step, changes, copy, export, extend, run, source_hook, ucenv, unset
from tests.shells.sites import Site, build_site

EXAMPLES = int(os.environ.get("UCENV_SHELL_EXAMPLES", "25"))
RANDOM = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=os.environ.get("CI") == "true",
    # Every try is a process of 0.1 s: a failure is told as it was found, with all its steps.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

ENVIRONMENTS = [
    "plain",
    "other",
    "third",
    "with space",
    "hooks",
    "messy",
    "state",
    "quotes",
    "hostile",
    "all",
    "py3_powerai_1.7.0",
    "base",
]
QUIET = ["plain", "other", "third"]
"""Environments without scripts and state: what a real conda would do to reach them, a test can do by hand."""

HOSTILE = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.text(st.sampled_from("'\"`$(){}[];&|<>*?!#~\\ \t\n=:,aé世%^@"), max_size=16),
    st.sampled_from(
        ["", "-", "=", "~x", "=x", "-n", "-e x", "$(touch /tmp/x)", "X=CONDA y", "\n", "a\n\n", "%s", "***unset***"]
    ),
)
ENTRY = st.one_of(
    st.sampled_from(
        [
            "",
            ".",
            "/a",
            "/a/",
            "/usr/bin",
            "/b//c",
            "/b/../c",
            "//x",
            "/sp ace",
            "/gl*b",
            "/[x]",
            "/q'q",
            "/new\nline",
            "/ü",
        ]
    ),
    st.sampled_from(
        ["@ROOT@/bin", "@ROOT@/condabin", "@ROOT@-extra/bin", "@SPACE@/envs/plain/bin", "@SPACE@/envs/hooks/lib"]
    ),
    st.text(st.characters(exclude_characters="\0:", exclude_categories=["Cs"]), min_size=1, max_size=6).map(
        "/".__add__
    ),
)
PATHS = st.one_of(
    st.lists(ENTRY, max_size=6).map(lambda entries: ":".join(["/usr/bin", *entries, "/bin"])), st.just("")
)
LISTS = st.one_of(st.none(), st.just(""), st.lists(ENTRY, min_size=1, max_size=4).map(":".join))
START = st.fixed_dictionaries(
    {
        "PATH": PATHS,
        "LD_LIBRARY_PATH": LISTS,
        "MANPATH": LISTS,
        "PKG_CONFIG_PATH": LISTS,
        "EVIL": st.one_of(st.none(), HOSTILE),
        "EVIL_PATH": st.one_of(st.none(), HOSTILE),
        "USER_VAR": st.one_of(st.none(), HOSTILE),
        "STATE_VAR": st.one_of(st.none(), HOSTILE),
        "H1": st.one_of(st.none(), HOSTILE),
        "MESSY_CHANGED": st.one_of(st.none(), HOSTILE),
        "HOOK_VAR": st.one_of(st.none(), HOSTILE),
        "CONDA_ENVS_PATH": st.one_of(st.none(), LISTS),
        "CONDA_PKGS_DIRS": st.one_of(st.none(), HOSTILE),
        "CONDA_DEFAULT_ENV": st.one_of(st.none(), HOSTILE),
        "CONDA_PROMPT_MODIFIER": st.one_of(st.none(), HOSTILE),
        "CONDARC": st.one_of(st.none(), HOSTILE),
    }
)
MINE = st.sampled_from(["MINE", "MY_CONDA_NOTE", "EVIL"])
FRESH = st.sampled_from(["/u1", "/u2", "/u 3", "/u'4"])

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("load"), st.one_of(st.none(), st.sampled_from(ENVIRONMENTS))),
        st.tuples(st.just("activate"), st.sampled_from(ENVIRONMENTS)),
        st.tuples(st.just("stack"), st.sampled_from(ENVIRONMENTS)),
        st.tuples(st.sampled_from(["deactivate", "deactivate all", "unload", "venv"])),
        st.tuples(st.just("conda"), st.sampled_from(QUIET)),
        st.tuples(st.just("set"), MINE, HOSTILE),
        st.tuples(st.just("unset"), MINE),
        st.tuples(st.sampled_from(["front", "back"]), FRESH),
        st.tuples(st.just("child"), st.sampled_from(SHELLS)),
    ),
    min_size=1,
    max_size=9,
)


@dataclass
class Model:
    """What the user did, and how deep the shell is, which only conda's own levels need to know."""

    site: Site
    users: dict[str, str | None] = field(default_factory=dict)
    front: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    loaded: bool = False
    in_venv: bool = False
    conda_made: bool = False

    def expected(self, start: dict[str, str]) -> dict[str, str]:
        environment: dict[str, str | None] = {**start, **self.users}
        venv = ["/venv/bin"] if self.in_venv else []
        environment["PATH"] = ":".join([*self.front, *venv, start["PATH"], *self.back])
        if self.in_venv:
            environment |= {"VIRTUAL_ENV": "/venv", "_OLD_VIRTUAL_PATH": start["PATH"]}
        return {name: value for name, value in environment.items() if value is not None}

    def steps(self, operation: tuple[Any, ...], child_number: int) -> list[Step]:
        """Its steps; none where the operation makes no sense now."""
        match operation:
            case ("load", name):
                self.loaded, self.active = True, [name] if name else []
                return [ucenv("load", *self.active)]
            case ("activate" | "stack" as how, name):
                if not self.loaded:
                    self.loaded, self.active = True, [name]
                elif self.active[-1:] != [name]:
                    self.active.append(name)
                return [ucenv("activate", *(["--stack"] if how == "stack" else []), name)]
            case ("deactivate" | "deactivate all" | "unload" | "child", *_) if not self.loaded:
                return []  # of what was there before: `test_inherited` says what comes of that
            case ("deactivate",):
                self.active = self.active[:-1]
                return [ucenv("deactivate")]
            case ("deactivate all",):
                self.active = []
                return [ucenv("deactivate", "--all")]
            case ("unload",):
                self.loaded, self.active = False, []
                return [ucenv("unload")]
            case ("conda", name) if self.loaded and name not in self.active and not self.in_venv:
                self.conda_made = True
                return self._conda_stacks(name)
            case ("venv",) if not (self.in_venv or self.conda_made or self.front or self.back):
                self.in_venv = True
                return [copy("_OLD_VIRTUAL_PATH", "PATH"), export("VIRTUAL_ENV", "/venv"), extend("PATH", "/venv/bin:")]
            case ("set", name, value):
                self.users[name] = value
                return [export(name, value)]
            case ("unset", name):
                self.users[name] = None
                return [unset(name)]
            case ("front", entry):
                self.front.insert(0, entry)
                return [extend("PATH", f"{entry}:")]
            case ("back", entry):
                self.back.append(entry)
                return [extend("PATH", "", f":{entry}")]
            case ("child", shell):
                return [Child(shell, [source_hook(self.site.hooks), ucenv("unload"), Look(f"child {child_number}")])]
        return []

    def _conda_stacks(self, name: str) -> list[Step]:
        """What `conda activate --stack` of a real conda exports."""
        level, prefix = len(self.active), str(self.site.env(name))
        self.active.append(name)
        below = [copy(f"CONDA_PREFIX_{level}", "CONDA_PREFIX"), export(f"CONDA_STACKED_{level + 1}", "true")]
        return [
            *(below if level else []),
            export("CONDA_PREFIX", prefix),
            export("CONDA_SHLVL", str(level + 1)),
            export("CONDA_DEFAULT_ENV", name),
            export("CONDA_PROMPT_MODIFIER", f"({name}) "),
            extend("PATH", f"{prefix}/bin:"),
        ]


@pytest.fixture(scope="module")
def random_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("random"), "co nda+[x].1'q")


@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_whatever_happens_in_between(shell: Dialect, random_site: Site) -> None:
    site = random_site

    @RANDOM
    @given(START, OPERATIONS)
    def check(start: dict[str, str | None], operations: list[tuple[Any, ...]]) -> None:
        environment = dict(site.start)
        for name, value in start.items():
            if value is not None:
                environment[name] = value.replace("@ROOT@", str(site.root)).replace("@SPACE@", str(site.space))
        if shell is TCSH and not environment.get("PATH"):  # an empty list and one empty entry are the same to tcsh
            operations = [operation for operation in operations if operation != ("venv",)]
        model, steps, children = Model(site), [Look("before"), source_hook(site.hooks)], {}
        for number, operation in enumerate(operations):
            steps += model.steps(operation, number)
            if operation[0] == "child" and model.loaded:
                children[number] = (
                    operation[1],
                    Model(site, dict(model.users), [*model.front], [*model.back], in_venv=model.in_venv),
                )
        steps += [*model.steps(("unload",), 0), Look("after")]
        outcome = run(shell, steps, environment)
        note(outcome.story())
        assert outcome.noise() == []
        before = outcome["before"].environment
        assert changes(model.expected(before), outcome["after"].environment) == {}
        for number, (child, then) in children.items():
            assert_child_clean(child, then.expected(before), outcome[f"child {number}"].environment)
        assert (outcome.stdout, outcome.stderr) == ("", "")

    check()


def assert_child_clean(child: Dialect, expected: dict[str, str], seen: dict[str, str]) -> None:
    """Shells add variables of their own and read an odd PATH in their own way; all else is the model's."""
    of_shells = {"_", "SHLVL", "PWD", "OLDPWD", "HOME", "USER", "LOGNAME", "A__z", "IFS", "NLSPATH"}
    of_shells |= {"HOST", "HOSTTYPE", "OSTYPE", "MACHTYPE", "VENDOR", "GROUP", "REMOTEHOST", "TERM"}
    lists = {name for name, value in expected.items() if name.endswith("PATH") and "" in value.split(":")}
    of_shells |= lists if child.name == "fish" else lists & {"PATH"}
    assert {name: value for name, value in changes(expected, seen).items() if name not in of_shells} == {}
