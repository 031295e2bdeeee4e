"""The administrator's side: modules for a conda from one file, and a researcher's shell that loads and unloads one."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.stage import CHECKOUT, Person, Shell, expect, identity


@dataclass(frozen=True, slots=True)
class ModuleSystem:
    """
    Attributes:
        start: what gives bash the word `module`.
        keeps: variables that the system itself has in the environment once a module was loaded, as `grep -E` has them.
    """

    name: str
    start: str
    keeps: str


_LMOD = ("Lmod", "_ModuleTable.*|__LMOD_REF_COUNT_MODULEPATH")
_ENVIRONMENT_MODULES = ("Environment Modules", "LOADEDMODULES")

#: Where distributions and sites install them.
_INSTALLED = (
    (_LMOD, ("$LMOD_PKG/init/bash", "/usr/share/lmod/lmod/init/bash", "/opt/apps/lmod/lmod/init/bash")),
    (_ENVIRONMENT_MODULES, ("$MODULESHOME/init/bash", "/usr/share/modules/init/bash", "/usr/share/Modules/init/bash")),
)


def find_module_systems(person: Person, directory: Path) -> list[ModuleSystem]:
    """Those installed, else those that `make tools` has unpacked, copied to `directory`; as far as they work."""
    found = []
    for (name, keeps), places in _INSTALLED:
        starts = [f". {shlex.quote(file)}" for file in map(os.path.expandvars, places) if os.path.isfile(file)]
        for start in (*starts, *_unpacked(name, directory)):
            if _works(start, name, person):
                found.append(ModuleSystem(name, start, keeps))
                break
    return found


def _unpacked(name: str, directory: Path) -> Iterator[str]:
    if name == _LMOD[0] and (unpacked := CHECKOUT / "build/lmod/usr/share/lmod").is_dir():
        shutil.copytree(unpacked, directory / "lmod", dirs_exist_ok=True)
        init = directory / "lmod/lmod/init/bash"
        # It has the place in it where the package would have been installed.
        init.write_text(init.read_text().replace("/usr/share/lmod", str(directory / "lmod")))
        yield f". {shlex.quote(str(init))}"
    elif name == _ENVIRONMENT_MODULES[0] and (unpacked := CHECKOUT / "build/environment-modules/usr/lib").is_dir():
        program = shutil.copyfile(unpacked / "modulecmd.tcl", directory / "modulecmd.tcl")
        yield f'eval "$(tclsh8.6 {shlex.quote(str(program))} bash autoinit)"'


def _works(start: str, name: str, person: Person) -> bool:
    """Its interpreter and libraries are there; and it is that one: both set MODULESHOME."""
    done = subprocess.run(
        ["bash", "-c", f"{start}\nmodule --version"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        **identity(person),
    )
    said = done.stdout + done.stderr
    return done.returncode == 0 and ("Lua" in said) == (name == _LMOD[0]) and "ersion" in said + "Version"


# ------------------------------------------------------------------------------------------------- administrator

SITE_FILE = """\
[conda]
root = "{root}"
version = "{version}"

[modules]
tree = "{tree}"
setenv = {{ PYTHONNOUSERSITE = "1" }}
{environments}"""

MATRIX = """
[condarc]
default_threads = 4
channel_priority = "strict"

[[environments]]
name = "py{python}_powerai_{powerai}"
module = "python{python}/powerai_{powerai}"
matrix = { python = ["3"], powerai = ["1.7.0"] }
"""

ONE = """
[[environments]]
name = "{name}"
module = "{name}/demo"
"""


def configure_conda(shell: Shell, root: Path, tree: Path) -> str:
    """From no file to a check that finds nothing, on a conda of ours; return the module of its environment."""
    shell.show("Now the administrator, with no modules yet: a file in which every key is explained.", "ucenv site init")
    file = root / "etc/ucenv/site.toml"
    file.write_text(SITE_FILE.format(root=root, version="4.8.3", tree=tree, environments=MATRIX))
    shell.show("Edited, and without the explanations.", f"cat {file}")
    shell.show("The conda's settings, and everything readable by everyone.", "ucenv site configure")
    shell.show("A module for conda and one for each environment.", "ucenv site modules")
    shell.show("What cron runs each night.", "ucenv site check")
    return "python3/powerai_1.7.0"


def expose_conda(shell: Shell, root: Path, tree: Path, source: str, file: Path) -> str:
    """Modules for a conda of somebody's, in which nothing is written."""
    versions = sorted(path.name.split("-")[1] for path in root.glob("conda-meta/conda-[0-9]*.json"))
    version = versions[0] if versions else "0"
    environments = "" if source == "base" else ONE.format(name=source)
    file.write_text(SITE_FILE.format(root=root, version=version, tree=tree, environments=environments))
    shell.show("Now the administrator: modules for this conda, from one file.", f"cat {file}")
    shell.show("Written beside it; in the conda nothing changes.", f"ucenv site modules --config {file}")
    return f"conda/{version}" if source == "base" else f"{source}/demo"


# ---------------------------------------------------------------------------------------------------- researcher

SESSION = """\
look() {{ env -0 | grep -zvE '^({keeps})=' | sort -z; declare -f; alias; set +o; shopt; }}
{start}
export MODULEPATH={tree}
look >before
module load {module}
ucenv clone -q -y {source} $1
ucenv activate $1
echo "$CONDA_DEFAULT_ENV: $(command -v python)"
look >loaded
module unload {module}
look >after
cmp -s before loaded || echo "loaded: another shell"
cmp before after && echo "unloaded: as it was, byte for byte (variables, functions, aliases, options)"
"""


def sessions(
    shell: Shell, home: Path, systems: Sequence[ModuleSystem], tree: Path, module: str, source: str, *names: str
) -> list[str]:
    """With each module system a shell that loads, clones, activates and unloads; return the clones' names."""
    made = []
    for number, (system, name) in enumerate(zip(systems, names, strict=False)):
        script = home / f"{system.name.lower().replace(' ', '-')}.sh"
        words = {"tree": shlex.quote(str(tree)), "module": module, "source": source}
        script.write_text(SESSION.format(start=system.start, keeps=system.keeps, **words))
        script.chmod(0o755)
        if number == 0:
            shell.show(f"And the researcher, with {system.name}.", f"cat {script.name}")
        why = "Loaded, cloned, used, unloaded." if number == 0 else f"The same with {system.name}."
        answer = shell.show(why, f"bash {script.name} {name}")
        expect(f"/envs/{name}/bin/python" in answer, "the clone is activated")
        expect("loaded: another shell" in answer, "the load changed the shell")
        expect("unloaded: as it was, byte for byte" in answer, "the unload gave the shell back")
        made.append(name)
    if not made:
        print(
            "\nNo module system is here (Debian: apt-get install lmod, or environment-modules; or make tools): "
            "`module load` is not shown."
        )
    return made
