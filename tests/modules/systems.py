"""Lmod and Environment Modules, each as its own Debian package unpacked: installed, they exclude each other."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tests.shells.dialects import Dialect
from tests.support import CHECKOUT, Unavailable


@dataclass(frozen=True)
class ModuleSystem:
    """
    Attributes:
        needs: file below build/ that tests/tools.sh unpacks.
        keeps: what it has in the environment once a module was loaded, or has not any more; nothing else may differ.
        notes: beginnings of the names it has there of what is loaded now.
        formats: what is in its tree. Lmod takes Lua where both are.
    """

    name: str
    needs: str
    interpreter: str
    keeps: tuple[str, ...]
    notes: tuple[str, ...]
    formats: tuple[str, ...] = ("lua", "tcl")

    def __str__(self) -> str:
        return self.name

    @property
    def program(self) -> Path:
        path = CHECKOUT / "build" / self.needs
        if not path.exists() or shutil.which(self.interpreter) is None:
            raise Unavailable(f"needs {self.name}, unpacked by tests/tools.sh", tool=self.name)
        return path

    def start(self, shell: Dialect) -> str:
        """Code that gives a shell `module`."""
        raise NotImplementedError

    def is_error(self, text: str) -> bool:
        raise NotImplementedError


class Lmod(ModuleSystem):
    def start(self, shell: Dialect) -> str:
        if shell.name == "ksh":  # its own file has `local`, which ksh93 has not
            return f'export LMOD_CMD={self.program}\nmodule() {{ eval "$($LMOD_CMD ksh "$@")"; }}'
        directory = self.program.parents[1]
        init = (directory / "init" / {"dash": "sh"}.get(shell.name, shell.name)).read_text()
        # It has the place in it where the package would have been installed.
        moved = CHECKOUT / "build/lmod/moved" / shell.name
        moved.parent.mkdir(exist_ok=True)
        draft = moved.with_suffix(f".{os.getpid()}")  # other tests read it at the same time
        draft.write_text(init.replace("/usr/share/lmod", str(directory.parent)))
        draft.replace(moved)
        return shell.source(moved)

    def is_error(self, text: str) -> bool:
        return "Lmod has detected the following error" in text


class EnvironmentModules(ModuleSystem):
    def start(self, shell: Dialect) -> str:
        name = {"dash": "sh"}.get(shell.name, shell.name)
        words = f"tclsh8.6 {self.program} {name} autoinit"
        return {"tcsh": f'eval "`{words}`"', "fish": f"{words} | source -"}.get(shell.name, f'eval "$({words})"')

    def is_error(self, text: str) -> bool:
        return "ERROR: " in text


LMOD = Lmod(
    "Lmod",
    "lmod/usr/share/lmod/lmod/libexec/lmod",
    "lua5.3",
    # Its table of modules, in pieces; how often each entry was put into MODULEPATH, and, where a module was loaded that
    # has prepend_path (none of ours has), into that variable.
    (
        *("_ModuleTable001_", "_ModuleTable002_", "_ModuleTable003_", "_ModuleTable_Sz_"),
        *("__LMOD_REF_COUNT_MODULEPATH", "__LMOD_REF_COUNT_PATH", "__LMOD_REF_COUNT_LD_LIBRARY_PATH"),
    ),
    ("_ModuleTable", "__LMOD_", "LMOD_FAMILY_", "LOADEDMODULES", "_LMFILES_"),
)
LMOD_WITH_TCL = replace(LMOD, name="Lmod with Tcl", formats=("tcl",))
ENVIRONMENT_MODULES = EnvironmentModules(
    "Environment Modules",
    "environment-modules/usr/lib/modulecmd.tcl",
    "tclsh8.6",
    # The first is empty from the start and unset after the last unload; the others are variables of its function, where
    # a shell has no local ones.
    ("LOADEDMODULES", "_mlstatus", "_mlredir"),
    ("__MODULES_", "MODULES_FAMILY_", "LOADEDMODULES", "_LMFILES_", "_ml"),
)

SYSTEMS = (LMOD, ENVIRONMENT_MODULES)
#: Every language that each of them reads.
READERS = (LMOD, LMOD_WITH_TCL, ENVIRONMENT_MODULES)
