"""A small conda root, a user's space and environments with scripts in every shell's language.

`bin/conda` is a program that notes that it was called: the hooks must never do so themselves. `conda.sh` has the
functions and the exports that conda 26's has; where UCENV_TEST_CONDA names a conda, its own text is used.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.shells.dialects import BASH, FISH, TCSH, Dialect
from tests.support import CHECKOUT

HOOKS = ("ucenv.sh", "ucenv.csh", "ucenv-act.csh", "ucenv.fish")

CONDA = """#!/bin/sh
printf '%s\\n' "$*" >>{calls}
printf 'conda was called: %s\\n' "$*"
"""

CONDA_SH = """export CONDA_EXE={root}/bin/conda
export _CONDA_EXE={root}/bin/conda
export _CE_M=''
export _CE_CONDA=''
export CONDA_PYTHON_EXE={root}/bin/python
export _CONDA_ROOT={root}

__conda_exe() (
    "$CONDA_EXE" "$@"
)
__conda_hashr() {{
    if [ -n "${{ZSH_VERSION:+x}}" ]; then \\rehash; else \\hash -r; fi
}}
__conda_activate() {{
    \\local ask_conda
    ask_conda="$(PS1="${{PS1:-}}" __conda_exe shell.posix "$@")" || \\return
    \\eval "$ask_conda"
    __conda_hashr
}}
__conda_reactivate() {{
    __conda_activate reactivate
}}
conda() {{
    case "${{1-__missing__}}" in
        activate|deactivate) __conda_activate "$@" ;;
        install|update|upgrade|remove|uninstall) __conda_exe "$@" || \\return; __conda_activate reactivate ;;
        *) __conda_exe "$@" ;;
    esac
}}
if [ -z "${{CONDA_SHLVL+x}}" ]; then
    \\export CONDA_SHLVL=0
    PATH="$(\\dirname "$(\\dirname "$CONDA_EXE")")/condabin${{PATH:+":${{PATH}}"}}"
    \\export PATH
    if [ -z "${{PS1+x}}" ]; then
        PS1=
    fi
fi
"""


def conda_sh(root: Path) -> str:
    real = Path(os.environ.get("UCENV_TEST_CONDA", "/nonexistent"))
    if (real / "etc/profile.d/conda.sh").exists():
        text = (real / "etc/profile.d/conda.sh").read_text()
        return text.replace(f"'{real}", BASH.quote(str(root))[:-1])
    return CONDA_SH.format(root=BASH.quote(str(root)))


# Activation scripts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Script:
    """An activation script in each of three languages."""

    sh: str = ""
    csh: str = ""
    fish: str = ""

    def write(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for suffix, text in ((".sh", self.sh), (".csh", self.csh), (".fish", self.fish)):
            if text:
                (directory / f"{name}{suffix}").write_bytes(os.fsencode(text))

    def __add__(self, other: Script) -> Script:
        return Script(self.sh + other.sh, self.csh + other.csh, self.fish + other.fish)


def exports(name: str, value: str) -> Script:
    """Double quotes: `$CONDA_PREFIX` in the value is expanded."""
    return Script(f'export {name}="{value}"\n', f'setenv {name} "{value}"\n', f'set -gx {name} "{value}"\n')


def unsets(name: str) -> Script:
    return Script(f"unset {name}\n", f"unsetenv {name}\n", f"set -e {name}\n")


def prepends(name: str, entry: str) -> Script:
    return Script(
        f'export {name}="{entry}${{{name}:+:${name}}}"\n',
        f'if ( $?{name} ) then\n  setenv {name} "{entry}":${{{name}:q}}\nelse\n  setenv {name} "{entry}"\nendif\n',
        f'if set -q {name}; set -gx {name} "{entry}:${name}"; else; set -gx {name} "{entry}"; end\n',
    )


def appends_to(file: Path, word: str) -> Script:
    """Note a word in a file, by builtins alone."""
    line = f"echo {word} >>"
    return Script(f"{line}'{file}'\n", f"{line}'{file}'\n", f"{line}'{file}'\n")


def saves_and_prepends(saved: str) -> Script:
    """As the scripts in the transcripts do, which take an empty LD_LIBRARY_PATH for an unset one."""
    return Script(
        f'export {saved}="${{LD_LIBRARY_PATH-}}"\n',
        f'if ( $?LD_LIBRARY_PATH ) then\n  setenv {saved} ${{LD_LIBRARY_PATH:q}}\nelse\n  setenv {saved} ""\nendif\n',
        f'set -gx {saved} "$LD_LIBRARY_PATH"\n',
    ) + prepends("LD_LIBRARY_PATH", "$CONDA_PREFIX/lib")


def restores(saved: str) -> Script:
    put_back, drop = 'LD_LIBRARY_PATH "$' + saved + '"', "LD_LIBRARY_PATH"
    return Script(
        f'if [ -n "${saved}" ]; then export LD_LIBRARY_PATH="${saved}"; else unset {drop}; fi\n',
        f"if ( x${{{saved}:q}} != x ) then\n  setenv LD_LIBRARY_PATH ${{{saved}:q}}\nelse\n  unsetenv {drop}\nendif\n",
        f'if test -n "${saved}"; set -gx {put_back}; else; set -e {drop}; end\n',
    ) + unsets(saved)


HOOKS_ACTIVATE = exports("HOOK_VAR", "set by $CONDA_PREFIX") + saves_and_prepends("HOOK_OLD_LDLP")
HOOKS_DEACTIVATE = unsets("HOOK_VAR") + restores("HOOK_OLD_LDLP")

MESSY_ACTIVATE = (
    exports("MESSY_NEW", "$CONDA_PREFIX/share")
    + exports("MESSY_CHANGED", "from the script")
    + unsets("MESSY_REMOVED")
    + prepends("LD_LIBRARY_PATH", "$CONDA_PREFIX/lib")
    + prepends("PKG_CONFIG_PATH", "$CONDA_PREFIX/lib/pkgconfig")
    + prepends("PATH", "$CONDA_PREFIX/tools/bin")
)
"""Nothing undoes this one."""

STATE = {"STATE_VAR": "from state", "USER_VAR": "from state too", "MY_CONDA_OPT": "7"}
QUOTES = {"Q1": "it's", "Q2": 'two words "q"', "Q3": "$HOME `id`"}
HOSTILE_STATE = {
    "H1": "a\\b \\n $(touch /nonexistent/x) `id` ;&& | > < * ? [a] {b} ~ # !x",
    "H2": "line\nline\ttab",
    "H3": "",
    "H4": " ' \" ",
    "H_UNSET": "***unset***",
}


# The tree ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    directory: Path
    root: Path

    @property
    def scratch(self) -> Path:
        return self.directory / "scratch"

    @property
    def space(self) -> Path:
        return self.scratch / "conda_local"

    @property
    def hooks(self) -> Path:
        return self.root / "etc/profile.d"

    @property
    def calls(self) -> Path:
        """Holds a line for every time that conda was started."""
        return self.directory / "calls"

    @property
    def start(self) -> dict[str, str]:
        """What a user's job has before anything of conda: enough for every shell to start."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory / "home"),
            "LC_ALL": "C.UTF-8",
            "SCRATCH": str(self.scratch),
            "UCENV_CONDA_ROOT": str(self.root),
            "USER": "researcher",
        }

    def env(self, name: str) -> Path:
        return self.space / "envs" / name

    def environment(
        self,
        name: str,
        *,
        activate: Mapping[str, Script] | Script | None = None,
        deactivate: Mapping[str, Script] | Script | None = None,
        state: Mapping[str, str] | None = None,
        env_vars: Mapping[str, Mapping[str, str]] | None = None,
        prefix: Path | None = None,
    ) -> Path:
        """Make an environment: scripts by name (one alone is called `script`), conda-meta/state, env_vars.d."""
        prefix = prefix or self.env(name)
        (prefix / "conda-meta").mkdir(parents=True)
        (prefix / "conda-meta/history").touch()
        (prefix / "bin").mkdir(exist_ok=True)
        for which, scripts in (("activate.d", activate), ("deactivate.d", deactivate)):
            named = {"script": scripts} if isinstance(scripts, Script) else scripts or {}
            for stem, script in named.items():
                script.write(prefix / "etc/conda" / which, stem)
        if state is not None:
            document = {"version": 1, "env_vars": dict(state)}
            (prefix / "conda-meta/state").write_text(json.dumps(document, indent=2, ensure_ascii=False))
        for file, values in (env_vars or {}).items():
            directory = prefix / "etc/conda/env_vars.d"
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"{file}.json").write_text(json.dumps(values))
        return prefix


def build_site(directory: Path, root_name: str = "conda-4.8.3") -> Site:
    """A root with the hooks of this checkout in it, and the environments that most tests use."""
    site = Site(directory, directory / "opt" / root_name)
    for made in ("bin", "condabin", "conda-meta", "envs", "etc/profile.d", "share/ucenv/shell", "pkgs"):
        (site.root / made).mkdir(parents=True)
    (directory / "home").mkdir()
    for made in ("envs", "pkgs"):
        (site.space / made).mkdir(parents=True)
    (site.root / "conda-meta/history").touch()
    conda = site.root / "bin/conda"
    conda.write_text(CONDA.format(calls=BASH.quote(str(site.calls))))
    conda.chmod(0o755)
    (site.root / "condabin/conda").symlink_to("../bin/conda")
    (site.root / "bin/python").symlink_to("conda")
    (site.root / "etc/profile.d/conda.sh").write_bytes(os.fsencode(conda_sh(site.root)))
    for name in HOOKS:
        if (CHECKOUT / "shell" / name).exists():
            for folder in ("etc/profile.d", "share/ucenv/shell"):
                shutil.copyfile(CHECKOUT / "shell" / name, site.root / folder / name)
    for name in ("plain", "other", "third", "with space"):
        site.environment(name)
    site.environment("hooks", activate=HOOKS_ACTIVATE, deactivate=HOOKS_DEACTIVATE)
    site.environment("messy", activate=MESSY_ACTIVATE)
    site.environment("state", state=STATE)
    site.environment("quotes", state=QUOTES)
    site.environment("hostile", state=HOSTILE_STATE)
    site.environment(
        "all",
        activate={"a": HOOKS_ACTIVATE, "b": exports("ALL_B", "second")},
        deactivate={"a": HOOKS_DEACTIVATE, "b": unsets("ALL_B")},
        state=STATE,
        env_vars={"x": {"PKG_VAR": "of a package", "STATE_VAR": "overruled by state"}},
    )
    site.environment(
        "py3_powerai_1.7.0",
        prefix=site.root / "envs/py3_powerai_1.7.0",
        activate=exports("NATIVE_HOME", "$CONDA_PREFIX/share/native") + saves_and_prepends("NATIVE_OLD_LDLP"),
        deactivate=unsets("NATIVE_HOME") + restores("NATIVE_OLD_LDLP"),
    )
    return site


def script_of(shell: Dialect, script: Script) -> str:
    return {TCSH.name: script.csh, FISH.name: script.fish}.get(shell.name, script.sh)


def without(environment: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in names}
