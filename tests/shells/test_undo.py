"""The property: whatever a shell was before the load, it is after the unload. The specification has the cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.shells.dialects import SHELLS, Dialect
from tests.shells.harness import Look, Outcome, Step, code, function, prompt, run, source_hook, ucenv
from tests.shells.sites import Site

STEADY = ("options", "flags", "shopt", "ifs", "traps", "umask", "directory")
"""What no call of ours may change, not even while something is loaded."""

USERS = {"MESSY_CHANGED": "before", "MESSY_REMOVED": "was there", "USER_VAR": "mine, before"}


@dataclass(frozen=True)
class Case:
    """A shell to begin with. In `given`, None unsets; @ROOT@, @SPACE@, @SCRATCH@ stand for the site's directories."""

    name: str
    given: Mapping[str, str | None] = field(default_factory=dict)
    steps: Callable[[Dialect], Sequence[Step]] = lambda shell: []
    root: str = "conda-4.8.3"
    without_scripts: bool = False
    """Environments' own scripts could not run here, whoever sources them."""
    not_in: Mapping[str, str] = field(default_factory=dict)
    """Shells in which the case makes no sense, with the reason."""

    def environment(self, site: Site) -> dict[str, str]:
        start: dict[str, str | None] = {**site.start, **USERS, **self.given}
        return {name: expand(value, site) for name, value in start.items() if value is not None}


def expand(value: str, site: Site) -> str:
    for word, path in (("@ROOT@", site.root), ("@SPACE@", site.space), ("@SCRATCH@", site.scratch)):
        value = value.replace(word, str(path))
    return value


def in_shell(
    posix: str, *, csh: str | None = None, fish: str | None = None, **named: str
) -> Callable[[Dialect], list[Step]]:
    return lambda shell: [code(posix, csh=csh, fish=fish, **named)]


NO_OPTIONS = {"fish": "has no such options", "tcsh": "has no such options"}
NO_ALIASES = "alias %s=false\n"
ALIASED = ("grep", "tr", "sed", "cd", "export", "unset", "eval", "set", "test", "echo", "printf", "read")

PATHS = {
    "root-extra on PATH": "@ROOT@-extra/bin:@ROOT@_tools/bin:/usr/bin:/bin",
    "root with other dots on PATH": "@SCRATCH@/../opt/conda-4x8y3/bin:/usr/bin:/bin",
    "PATH with empty entries": "/usr/bin::/bin",
    "PATH with a leading colon": ":/usr/bin:/bin",
    "PATH with a trailing colon": "/usr/bin:/bin:",
    "PATH of colons around": "::/usr/bin:/bin::",
    "PATH with duplicates": "/a:/usr/bin:/a:/bin:/usr/bin:/a",
    "PATH with entries that conda rewrites": "/a/:/usr/bin//x:/usr/bin/../bin:./b:.:/usr/bin:/bin/:///c://d",
    "PATH with the environment's bin": "/usr/bin:@SPACE@/envs/hooks/bin:/bin:@SPACE@/envs/hooks/bin",
    "PATH with condabin": "/usr/bin:@ROOT@/condabin:/bin",
    "PATH with odd characters": "/sp ace:/gl*b?[x]:/q'u\"o`te:/d$HOME:/back\\slash:/b!ng:/n\new:/ü:/usr/bin:/~:~/x",
    "PATH empty": "",
}
PROMPTS = {
    "prompt with a modifier in it": "me (a) (hooks) $ ",
    "prompt with quotes": 'it\'s "me" `x` $ ',
    "prompt with code": "$(echo code) ${HOME} \\w\\$ %~ ",
    "prompt with a newline": "one\ntwo> ",
    "prompt empty": "",
}
BROKEN = {
    "CONDA_SHLVL abc": {"CONDA_SHLVL": "abc"},
    "CONDA_SHLVL empty": {"CONDA_SHLVL": ""},
    "CONDA_SHLVL -1": {"CONDA_SHLVL": "-1"},
    "CONDA_SHLVL 99": {"CONDA_SHLVL": "99"},
    "CONDA_SHLVL 08": {"CONDA_SHLVL": "08"},
    "CONDA_PREFIX_1 missing": {
        "CONDA_SHLVL": "2",
        "CONDA_PREFIX": "@SPACE@/envs/plain",
        "CONDA_EXE": "@ROOT@/bin/conda",
    },
    "CONDA_PREFIX unset at level 1": {"CONDA_SHLVL": "1", "CONDA_EXE": "@ROOT@/bin/conda"},
    "environment deleted": {
        "CONDA_SHLVL": "1",
        "CONDA_PREFIX": "@SPACE@/envs/never was",
        "CONDA_DEFAULT_ENV": "never was",
        "CONDA_PROMPT_MODIFIER": "(never was) ",
        "PATH": "@SPACE@/envs/never was/bin:@ROOT@/condabin:/usr/bin:/bin",
    },
}
INHERITED = {
    "someone's conda at level 2": {
        "CONDA_SHLVL": "2",
        "CONDA_PREFIX": "@SPACE@/envs/plain",
        "CONDA_PREFIX_1": "@ROOT@",
        "CONDA_DEFAULT_ENV": "plain",
        "CONDA_PROMPT_MODIFIER": "(plain) ",
        "CONDA_EXE": "@ROOT@/bin/conda",
        "_CE_M": "",
        "_CE_CONDA": "",
        "CONDA_PYTHON_EXE": "@ROOT@/bin/python",
        "PATH": "@SPACE@/envs/plain/bin:@ROOT@/condabin:/usr/bin:/bin",
    },
    "stacked by someone": {
        "CONDA_SHLVL": "2",
        "CONDA_PREFIX": "@SPACE@/envs/other",
        "CONDA_PREFIX_1": "@SPACE@/envs/plain",
        "CONDA_STACKED_2": "true",
        "CONDA_DEFAULT_ENV": "other",
        "CONDA_EXE": "@ROOT@/bin/conda",
        "PATH": "@SPACE@/envs/other/bin:@SPACE@/envs/plain/bin:@ROOT@/condabin:/usr/bin:/bin",
    },
    "CONDA_STACKED_2 empty": {
        "CONDA_SHLVL": "2",
        "CONDA_PREFIX": "@SPACE@/envs/other",
        "CONDA_PREFIX_1": "@SPACE@/envs/plain",
        "CONDA_STACKED_2": "",
        "CONDA_DEFAULT_ENV": "other",
        "PATH": "@SPACE@/envs/other/bin:@SPACE@/envs/plain/bin:@ROOT@/condabin:/usr/bin:/bin",
    },
    "another conda's": {
        "CONDA_SHLVL": "1",
        "CONDA_PREFIX": "/home/me/miniforge3",
        "CONDA_DEFAULT_ENV": "base",
        "CONDA_EXE": "/home/me/miniforge3/bin/conda",
        "CONDA_PYTHON_EXE": "/home/me/miniforge3/bin/python",
        "_CONDA_ROOT": "/home/me/miniforge3",
        "PATH": "/home/me/miniforge3/bin:/home/me/miniforge3/condabin:/usr/bin:/bin",
    },
    "deactivated, with conda's empty strings": {
        "CONDA_SHLVL": "0",
        "CONDA_PREFIX": "",
        "CONDA_DEFAULT_ENV": "",
        "CONDA_PROMPT_MODIFIER": "",
        "CONDA_PREFIX_1": "",
        "CONDA_EXE": "@ROOT@/bin/conda",
        "_CE_M": "",
        "_CE_CONDA": "",
        "PATH": "@ROOT@/condabin:/usr/bin:/bin",
    },
}

CASES = [
    Case("as it is"),
    Case("LD_LIBRARY_PATH unset", {"LD_LIBRARY_PATH": None}),
    Case("LD_LIBRARY_PATH empty", {"LD_LIBRARY_PATH": ""}),
    Case("LD_LIBRARY_PATH set", {"LD_LIBRARY_PATH": "/opt/mpi/lib::/opt/x:", "MANPATH": ":/opt/man:"}),
    Case(
        "user's names with CONDA in them",
        {
            "CONDARC": "/etc/condarc",
            "MYCONDA_X": "x",
            "ANACONDA_TOKEN": "t",
            "MY_CONDA_BACKUP_LIST": "a b",
            "CONDA": "1",
        },
    ),
    Case("own CONDA_ENVS_PATH", {"CONDA_ENVS_PATH": "/my/envs:/other", "CONDA_PKGS_DIRS": "/my/pkgs,/other"}),
    Case("own CONDA_ENVS_DIRS", {"CONDA_ENVS_DIRS": "/my/envs", "CONDA_ENVS_PATH": ""}),
    *(Case(name, {"PATH": value}) for name, value in PATHS.items()),
    Case("PATH unset", {"PATH": None}, not_in={"dash": "cannot tell that the PATH it makes up is not exported"}),
    *(
        Case(f"root {name!r}", root=name)
        for name in (
            "a.b",
            "x[y]",
            "sp ace",
            "c++",
            "it's",
            'q"q',
            "$HOME",
            "b`id`",
            "ex!cl",
            "bäse",
            "back\\slash",
            "a;b&&c",
        )
    ),
    Case("values of many lines", {"NOTE": "one\nX=CONDA y\nPATH=/nowhere\n\n", "A": "k=PATH CONDA HOME", "END": "\n"}),
    Case("a flag with CONDA in it", {"CFLAGS": "-DUSE_CONDA=1 -O2", "CMAKE_ARGS": "--with-CONDA_PREFIX=/x"}),
    Case(
        "an exported function with CONDA in its name", {"BASH_FUNC_my_CONDA_x%%": "() {  echo x\n}", "a.CONDA-b": "c"}
    ),
    Case(
        "hostile values",
        {"EVIL": "'\"`;&& || $(touch /tmp/evil) ${PATH} \\ * ? [a] ! # ~ \t", "EVIL_PATH": "$(id):`id`:'"},
    ),
    Case("not UTF-8", {"BYTES": "\udcff\udcfe/data", "BYTES_PATH": "/\udcff:/b"}),
    Case(
        "commands aliased",
        steps=in_shell(
            "".join(f"alias {name}=false\n" for name in ALIASED),
            csh="".join(f"alias {name} false\n" for name in ALIASED if name not in ("set", "eval")),
            fish="".join(f"function {name}; false; end\n" for name in ("grep", "tr", "sed", "cd", "export")),
            bash="shopt -s expand_aliases\n" + "".join(f"alias {name}=false\n" for name in ALIASED),
        ),
        without_scripts=True,
    ),
    Case(
        "-eu and an ERR trap that exits",
        steps=in_shell(
            "set -eu; trap 'exit 9' ERR",
            dash="set -eu",
            ash="set -eu",
            bash="set -eEu -o pipefail; trap 'exit 9' ERR",
            zsh="set -eu; trap 'exit 9' ZERR",
        ),
        not_in=NO_OPTIONS,
    ),
    Case("-f, -C and IFS", steps=in_shell("set -fC; IFS=:/_", zsh="set -C; setopt noglob; IFS=:/_"), not_in=NO_OPTIONS),
    Case("IFS empty", steps=in_shell("IFS="), not_in=NO_OPTIONS),
    Case("IFS unset", steps=in_shell("unset IFS"), not_in=NO_OPTIONS),
    Case(
        "noglob, noclobber",
        steps=in_shell("", csh="set noglob noclobber"),
        not_in={s.name: "is tcsh's" for s in SHELLS if s.name != "tcsh"},
    ),
    Case("130 KB variable", {"BIG": "x" * 130_000, "LD_LIBRARY_PATH": "/l" * 60_000}),
    Case("many variables", {f"VARIABLE_{number}": f"value {number}" for number in range(400)}),
    Case(
        "bad condarc and PYTHONHOME",
        {"CONDARC": "/dev/null/nowhere", "PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere"},
    ),
    *(Case(name, values) for name, values in BROKEN.items()),
    *(Case(name, values) for name, values in INHERITED.items()),
    Case("state over the user's", {"MY_CONDA_OPT": "user", "STATE_VAR": "user's"}),
    *(Case(name, steps=lambda shell, text=text: [prompt(text)]) for name, text in PROMPTS.items()),  # type: ignore[misc]
    Case("prompt unset", steps=lambda shell: [prompt(None)], not_in={"fish": "its prompt is a function"}),
    Case("prompt exported", {"PS1": "exported> "}),
    Case("left from a venv", {"VIRTUAL_ENV": "/v", "_OLD_VIRTUAL_PATH": "/usr/bin", "PATH": "/v/bin:/usr/bin:/bin"}),
    Case("UCENV_ROOT", {"UCENV_ROOT": "@SPACE@", "SCRATCH": None}),
    Case("no prompt wanted", {"CONDA_CHANGEPS1": "false"}),
]


def act(site: Site, first: Sequence[Step], *, without_scripts: bool = False) -> list[Step]:
    hooks, messy, everything = ("plain", "other", "quotes") if without_scripts else ("hooks", "messy", "all")
    return [
        *first,
        Look("before"),
        source_hook(site.hooks),
        Look("sourced"),
        ucenv("load"),
        Look("loaded"),
        ucenv("unload"),
        Look("unloaded"),
        ucenv("load", hooks),
        Look("hooks"),
        ucenv("activate", "state"),
        ucenv("activate", "--stack", messy),
        Look("deep"),
        ucenv("deactivate"),
        ucenv("activate", everything),
        ucenv("unload"),
        Look("after"),
    ]


def assert_undone(outcome: Outcome, *labels: str) -> None:
    """Silent, exact, and nothing of ours left but the words that sourcing the hook defines."""
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "sourced") == {}
    assert only_words(outcome.state_changes("before", "sourced"))
    for label in labels:
        assert outcome.changes("before", label) == {}, label
        assert outcome.state_changes("sourced", label) == {}, label
    for view in outcome.views.values():
        steady = {name for name in STEADY if view.aspects.get(name) != outcome["before"].aspects.get(name)}
        assert steady == set()
    assert outcome.returncode == 0


def only_words(found: Mapping[str, tuple[str, str]]) -> bool:
    """Only functions, aliases and variables have come, and each has our prefix."""
    new: set[str] = set()
    for aspect, (first, second) in found.items():
        if aspect not in ("functions", "aliases", "variables", "settings", "completions"):
            return False
        new |= {line for line in second.splitlines() if line not in first.splitlines()}
    words = {
        word for line in new for word in line.replace("left ", "").replace("declare -f", "").strip("[]").split(",")
    }
    return all("ucenv" in word.lower() for word in words if word.strip())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_shell_is_left_as_it_was(shell: Dialect, case: Case, site: Site, make_site: Callable[..., Site]) -> None:
    if reason := case.not_in.get(shell.name):
        pytest.skip(f"{shell}: {reason}")
    if case.root != "conda-4.8.3":
        site = make_site(case.root)
    environment = case.environment(site)
    outcome = run(shell, act(site, case.steps(shell), without_scripts=case.without_scripts), environment)
    assert_undone(outcome, "unloaded", "after")
    if not case.without_scripts:
        assert_loaded(outcome, environment, site)


def assert_loaded(outcome: Outcome, environment: Mapping[str, str], site: Site) -> None:
    loaded, hooks, deep = outcome["loaded"], outcome["hooks"], outcome["deep"]
    base = int(hooks["CONDA_SHLVL"]) - 1
    assert base == 0 or str(base) == environment.get("CONDA_SHLVL")  # no broken level but 0 has to be gone on from
    assert loaded["CONDA_EXE"] == f"{site.root}/bin/conda"
    assert loaded["CONDA_ENVS_PATH"] == f"{site.space}/envs:{site.root}/envs"
    assert loaded["CONDA_PKGS_DIRS"] == f"{site.space}/pkgs,{site.root}/pkgs"
    assert f"{site.root}/condabin" in loaded.entries("PATH")
    assert (hooks["CONDA_SHLVL"], hooks["CONDA_PREFIX"]) == (str(base + 1), str(site.env("hooks")))
    assert f"{site.env('hooks')}/bin" in hooks.entries("PATH")
    assert hooks["HOOK_VAR"] == f"set by {site.env('hooks')}"
    assert hooks.entries("LD_LIBRARY_PATH")[0] == f"{site.env('hooks')}/lib"
    assert (deep["CONDA_SHLVL"], deep["STATE_VAR"], deep["MESSY_NEW"]) == (
        str(base + 3),
        "from state",
        f"{site.env('messy')}/share",
    )
    own = [f"{site.env('messy')}/tools/bin", f"{site.env('messy')}/bin", f"{site.env('state')}/bin"]
    assert [entry for entry in deep.entries("PATH") if entry in own] == own
    assert "MESSY_REMOVED" not in deep.environment
    assert (deep["CONDA_PREFIX"], deep[f"CONDA_PREFIX_{base + 2}"]) == (str(site.env("messy")), str(site.env("state")))
    assert deep[f"CONDA_STACKED_{base + 3}"] == "true"


def test_the_functions_do_what_the_words_do(shell: Dialect, site: Site) -> None:
    steps = [
        Look("before"),
        source_hook(site.hooks),
        Look("sourced"),
        function("ucenv_load", "hooks"),
        function("ucenv_activate", "state"),
        Look("deep"),
        function("ucenv_deactivate"),
        Look("one back"),
        function("ucenv_deactivate", "--all"),
        Look("level 0"),
        function("ucenv_unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start | USERS)
    assert_undone(outcome, "after")
    assert [outcome[label]["CONDA_SHLVL"] for label in ("deep", "one back", "level 0")] == ["2", "1", "0"]
    assert outcome["one back"]["CONDA_PREFIX"] == str(site.env("hooks"))
    assert "CONDA_PREFIX" not in outcome["level 0"].environment
