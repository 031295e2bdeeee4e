"""Shells set up strictly, oddly or with hostility: the hook takes no notice and leaves no trace."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.shells.dialects import ASH, BASH, DASH, KSH, MKSH, POSIX, TCSH, ZSH, Dialect
from tests.shells.harness import (
    ENV,
    Child,
    Look,
    Outcome,
    Step,
    changes,
    code,
    parse_environment,
    prompt,
    run,
    source_hook,
    ucenv,
)
from tests.shells.sites import Site, exports, without
from tests.shells.test_undo import USERS, act, assert_loaded, assert_undone
from tests.support import need_root

SETTINGS: dict[str, tuple[tuple[Dialect, ...], str]] = {
    "set -euo pipefail": ((BASH, ZSH, KSH, MKSH), "set -euo pipefail"),
    "set -eu": (POSIX, "set -eu"),
    "set -a": (POSIX, "set -a"),
    "set -f -C": ((BASH, DASH, KSH, MKSH, ASH), "set -f -C"),
    "set -b -h": ((BASH,), "set -h -b"),
    "ERR trap that exits, inherited": ((BASH,), "set -E; trap 'echo ERR; exit 9' ERR"),
    "ERR trap that exits": ((BASH, KSH, MKSH), "trap 'echo ERR; exit 9' ERR"),
    "ZERR trap that exits": ((ZSH,), "TRAPZERR() { echo ERR; exit 9; }"),
    "errexit with traps inherited": ((BASH,), "set -eETu; trap 'echo ERR; exit 9' ERR; trap : RETURN"),
    "DEBUG trap": ((BASH, ZSH, KSH), "trap : DEBUG"),
    "DEBUG trap, inherited": ((BASH,), "set -T; trap : DEBUG"),
    "EXIT trap": (POSIX, "trap : EXIT"),
    "posix": ((BASH,), "set -o posix"),
    "extdebug": ((BASH,), "shopt -s extdebug"),
    "extglob, nullglob, dotglob": ((BASH,), "shopt -s extglob nullglob dotglob globstar"),
    "failglob": ((BASH,), "shopt -s failglob"),
    "nocasematch, nocaseglob": ((BASH,), "shopt -s nocasematch nocaseglob"),
    "expand_aliases": ((BASH,), "shopt -s expand_aliases"),
    "localvar_inherit": ((BASH,), "shopt -s localvar_inherit localvar_unset xpg_echo"),
    "patsub_replacement off": ((BASH,), "shopt -u patsub_replacement"),
    "compat42": ((BASH,), "BASH_COMPAT=4.2"),
    "GLOBIGNORE": ((BASH,), "GLOBIGNORE='*'"),
    "ksh_arrays": ((ZSH,), "setopt ksh_arrays"),
    "sh_word_split": ((ZSH,), "setopt sh_word_split"),
    "nomatch": ((ZSH,), "setopt nomatch"),
    "null_glob, extended_glob": ((ZSH,), "setopt null_glob extended_glob ksh_glob"),
    "warn_create_global": ((ZSH,), "setopt warn_create_global warn_nested_var"),
    "err_exit and err_return": ((ZSH,), "setopt err_return err_exit"),
    "no_unset": ((ZSH,), "setopt no_unset"),
    "glob_subst, rc_expand_param": ((ZSH,), "setopt glob_subst rc_expand_param magic_equal_subst"),
    "no_equals, no_bang_hist": ((ZSH,), "setopt no_equals bang_hist interactive_comments"),
    "emulate sh": ((ZSH,), "emulate sh"),
    "emulate ksh": ((ZSH,), "emulate ksh"),
    "posix_builtins": ((ZSH,), "setopt posix_builtins posix_identifiers posix_aliases"),
    "cd_silent, auto_pushd": ((ZSH,), "setopt auto_cd auto_pushd auto_name_dirs"),
    "typeset_silent off": ((ZSH,), "unsetopt typeset_silent; setopt all_export"),
    "ksh posix": ((KSH, MKSH), "set -o posix"),
    "mksh sh mode": ((MKSH,), "set -o sh"),
    "ksh globstar": ((KSH,), "set -G"),
    "markdirs": ((KSH, MKSH), "set -o markdirs"),
}
SETTING_OF_SHELL = [(name, shell) for name, (shells, _) in SETTINGS.items() for shell in shells]


@pytest.mark.parametrize(("name", "shell"), SETTING_OF_SHELL, ids=str)
def test_settings(name: str, shell: Dialect, site: Site) -> None:
    environment = site.start | USERS
    outcome = run(shell, act(site, [code(SETTINGS[name][1])]), environment)
    assert_undone(outcome, "unloaded", "after")
    assert_loaded(outcome, environment, site)


@pytest.mark.parametrize(
    ("shell", "flags"), [(BASH, ("--posix",)), (BASH, ("-eu",)), (KSH, ("-eu",)), (DASH, ("-eu",))], ids=str
)
def test_started_with_flags(shell: Dialect, flags: tuple[str, ...], site: Site) -> None:
    outcome = run(shell, act(site, []), site.start | USERS, flags=flags)
    assert_undone(outcome, "unloaded", "after")


@pytest.mark.parametrize("interpreter", ["bash", "ksh93", "zsh"])
def test_a_shell_called_sh(interpreter: str, site: Site, tmp_path: Path) -> None:
    program = tmp_path / "sh"
    base = {"bash": BASH, "ksh93": KSH, "zsh": ZSH}[interpreter]
    program.symlink_to(base.argv[0])
    sh = Dialect(base.name, (str(program),), base.builtin, base.say, base.functions, append=">>")
    outcome = run(sh, act(site, []), site.start | USERS)
    assert_undone(outcome, "unloaded", "after")


FUNCTIONS = (
    *(
        "test",
        "[",
        "printf",
        "echo",
        "print",
        "export",
        "unset",
        "cd",
        "grep",
        "set",
        "eval",
        "read",
        "local",
        "typeset",
    ),
    *("declare", "shift", "return", "break", "continue", "trap", "alias", "unalias", "hash", "type", "true", "false"),
    *(
        "source",
        ".",
        ":",
        "pwd",
        "sed",
        "tr",
        "dirname",
        "basename",
        "shopt",
        "setopt",
        "emulate",
        "integer",
        "let",
        "exec",
    ),
)


@pytest.mark.parametrize("shell", POSIX, ids=str)
def test_functions_named_like_builtins(shell: Dialect, site: Site) -> None:
    """In ksh and dash a special builtin cannot be a function; `.` has to be called to source the hook."""
    special = {
        "set",
        "eval",
        "export",
        "unset",
        "shift",
        "return",
        "break",
        "continue",
        "trap",
        "exec",
        ".",
        ":",
        "typeset",
    }
    special |= {"alias", "unalias", "hash", "local", "declare", "let", "integer", "["}
    allowed = [name for name in FUNCTIONS if shell.name in ("bash", "zsh") or name not in special]
    if shell is ZSH:
        allowed = [
            name
            for name in allowed
            if name not in ("[", ".", "emulate", "integer", "typeset", "declare", "local", "export")
        ]
    if shell is BASH:
        allowed.remove(".")
    # A `conda` of the user's own keeps conda's own file, which is conda's to write, out of it.
    if shell is ASH:
        allowed.remove("source")
    hostile = "conda() { \\command true; }\n"
    hostile += "\n".join(
        f"{name}() {{ \\command echo 'a function of the users: {name}' >&2; \\return 42; }}" for name in allowed
    )
    if shell is BASH:
        hostile = hostile.replace("\\return 42", "\\builtin return 42").replace("\\command echo", "\\builtin echo")
    if shell is ZSH:
        hostile = hostile.replace("\\return 42", "\\builtin return 42").replace("\\command echo", "\\builtin echo")
    steps = act(site, [], without_scripts=True)
    # After the source, which the harness itself has to call.
    at = next(number for number, step in enumerate(steps) if isinstance(step, Look) and step.label == "sourced")
    outcome = run(shell, [*steps[:at], code(hostile), *steps[at:]], site.start | {"USER_VAR": "mine"})
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == {}
    assert outcome.state_changes("sourced", "after") == {}


def test_fish_functions_named_like_builtins(site: Site) -> None:
    from tests.shells.dialects import FISH

    names = (
        "cd",
        "grep",
        "sed",
        "tr",
        "contains",
        "string",
        "test",
        "echo",
        "printf",
        "count",
        "export",
        "unset",
        "source",
        "path",
    )
    hostile = "\n".join(f"function {name}; builtin echo users {name} >&2; return 42; end" for name in names)
    steps = act(site, [])
    at = next(number for number, step in enumerate(steps) if isinstance(step, Look) and step.label == "sourced")
    environment = site.start | USERS
    # The scripts of environments use the names as well: what they suffer from the user's functions is theirs.
    quiet = [
        step
        for step in steps[at:]
        if "messy" not in repr(step) and "all" not in repr(step) and "hooks" not in repr(step)
    ]
    outcome = run(
        FISH, [*steps[:at], code("", fish=hostile), ucenv("load", "state"), ucenv("unload"), *quiet], environment
    )
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == {}


def test_no_process_can_be_started(shell: Dialect, site: Site) -> None:
    """`ulimit -u` reached: the shell ends by becoming the program that prints the environment."""
    need_root("a user of its own")
    uid = 61100 + os.getpid() % 500

    def limited() -> None:
        # fish ends where it cannot start a thread of its own.
        processes = 2 if shell.name == "fish" else 1
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))

    def environment_after(*steps: Step) -> dict[str, str]:
        lines = [step.code(shell, None, 0) for step in steps]  # type: ignore[arg-type]
        script = "\n".join([*lines, f"exec {ENV} -0", ""])
        done = subprocess.run(
            [*shell.argv, "-c", script],
            env=site.start | USERS,
            user=uid,
            group=uid,
            extra_groups=[],
            preexec_fn=limited,
            capture_output=True,
            cwd="/",
            check=False,
        )
        # fish cannot start a thread of its own either, and says so.
        assert [line for line in done.stderr.splitlines() if not line.startswith(b"pthread_create")] == []
        assert done.returncode == 0
        return parse_environment(done.stdout)

    _open_to_others(site.directory)
    before = environment_after()
    hook = source_hook(site.hooks)
    loaded = environment_after(hook, ucenv("load", "hooks"), ucenv("activate", "state"))
    assert loaded["CONDA_PREFIX"] == str(site.env("state"))
    after = environment_after(hook, ucenv("load", "hooks"), ucenv("activate", "--stack", "messy"), ucenv("unload"))
    assert changes(before, after) == {}


def _open_to_others(directory: Path) -> None:
    for parent in (directory, *directory.parents):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


def test_a_process_limit_is_one(shell: Dialect, site: Site) -> None:
    """The test above proves something: under that limit a shell cannot start a program."""
    need_root("a user of its own")

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    argv = [*shell.argv, "-c", "/bin/true; /bin/true; exit 0"]
    uid = 61600 + os.getpid() % 300
    try:
        done = subprocess.run(
            argv,
            env=site.start,
            user=uid,
            group=uid,
            extra_groups=[],
            preexec_fn=limited,
            capture_output=True,
            timeout=1,
        )
    except subprocess.TimeoutExpired:
        return  # bash tries again for some time
    assert done.stderr != b""


# long values ---------------------------------------------------------------------------------------------------------

LIMIT = 131_072


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "USER_VAR"])
def test_a_value_whose_copy_no_program_could_inherit(shell: Dialect, name: str, own_site: Site) -> None:
    """The copy stays in the shell, so that programs can be started: exact there, and a child says what it cannot."""
    site = own_site
    site.environment("long", activate=exports(name, "short"))
    value = ("/" + "l" * 50) * (LIMIT // 51 + 1)
    value = value[: LIMIT - len(f"{name}=\0")]
    steps = [
        Look("before"),
        Child(shell, [Look("control")]),
        source_hook(site.hooks),
        ucenv("load", "long"),
        Look("loaded"),
        Child(shell, [source_hook(site.hooks), ucenv("unload"), Look("child")]),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, without(site.start, ["USER_VAR"]) | {name: value})
    assert outcome.noise() == [], outcome.story()[:2000]
    assert list(outcome.changes("before", "after")) == []
    assert outcome["loaded"][name] == "short"
    said = [done.stderr for done in outcome.steps if isinstance(done.step, Child)][1]
    assert said.startswith("ucenv: ")
    assert (len(said.splitlines()), name in said) == (1, True)
    assert changes(outcome["control"].environment, outcome["child"].environment).keys() == {name}


def test_multibyte_values_are_measured_in_bytes(shell: Dialect, site: Site) -> None:
    """43,600 characters, 130,800 bytes: counted in characters the copy would be taken for one that fits."""
    given = {"LD_LIBRARY_PATH": "世" * 43_600, "LC_ALL": "C.UTF-8"}
    steps = [
        Look("before"),
        source_hook(site.hooks),
        ucenv("load", "plain"),
        Look("loaded"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start | given)
    assert outcome.noise() == []
    assert list(outcome.changes("before", "after")) == []


def test_a_path_of_130_kb(shell: Dialect, site: Site) -> None:
    value = "/usr/bin:/bin" + ":/p" * 43_000
    steps = [
        Look("before"),
        source_hook(site.hooks),
        ucenv("load", "plain"),
        Look("loaded"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, site.start | {"PATH": value})
    assert outcome.noise() == []
    assert list(outcome.changes("before", "after")) == []


# locales -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "xx_YY.UTF-8", ""])
def test_locales(shell: Dialect, locale: str, own_site: Site) -> None:
    site = own_site
    name = "plain" if shell.name == "fish" and locale != "C.UTF-8" else "ünï"  # fish 3.6 re-encodes in LANG=C
    if name == "ünï":
        site.environment(name, activate=None, state={"WORD": "世界"})
    given = site.start | {"LC_ALL": locale, "LETTERS": "Ä" if name != "plain" else "a"}
    steps = [
        prompt("> "),
        Look("before"),
        source_hook(site.hooks),
        ucenv("load", name),
        Look("loaded"),
        ucenv("unload"),
        Look("after"),
    ]
    outcome = run(shell, steps, given)
    assert_undone_silently(outcome)
    assert outcome["loaded"]["CONDA_DEFAULT_ENV"] == name
    if name == "ünï" and shell is not TCSH:  # which cannot decode \u above ASCII
        assert outcome["loaded"]["WORD"] == "世界"


def assert_undone_silently(outcome: Outcome) -> None:
    assert outcome.noise() == [], outcome.story()
    assert outcome.changes("before", "after") == {}
