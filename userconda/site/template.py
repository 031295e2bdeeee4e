"""The text of a new `site.toml`: every key with what it means, those that need not be there as comments."""

from __future__ import annotations

import json
from collections.abc import Sequence

_TEXT = """\
# What this conda has for everyone. `ucenv site` makes it so.

[conda]
root = {root}
version = {version}                        # the base module is conda/<version>
# program = "mamba"                          # what makes environments; conda where it is left out. A name or a path

[user_space]
root = "$SCRATCH/conda_local"                # where users' environments go; the variables are theirs, seen at the load
# search = ["/scratch/*/conda_local"]        # where all of those are: `ucenv site users` looks there

[condarc]                                    # written to <root>/.condarc; any setting that this conda knows
# default_threads = 4
# channels = ["conda-forge"]
# channel_priority = "strict"
# auto_update_conda = false

[pins]                                       # for every environment, users' own too
# cudatoolkit = "<10.3"

[modules]
# tree = "/apps/modulefiles"                 # a directory of MODULEPATH
# formats = ["lua", "tcl"]                   # Lmod reads both and takes Lua, Environment Modules reads Tcl
# base = "conda"
# family = "python"                          # two of one family are not loaded at once; "" for none
# category = "python"
# keywords = ["python", "conda"]
# help = "Questions: support@example.org"    # ends each module's help
# setenv = {{ PYTHONNOUSERSITE = "1" }}        # until the unload; this one keeps ~/.local out of every environment
# defaults = ["python3/powerai_1.7.0"]       # what `module load python3` means
# templates = "/apps/etc/ucenv"              # module.lua and module.tcl there are used instead of ours

[package]                                    # the module tree as rpm, deb or tar: `ucenv site package`
# name = "ucenv-modules"
# version = "4.8.3"                          # conda's where it is left out
# release = "1"                              # the time of the last change where it is left out, so that it grows
# maintainer = "HPC support <support@example.org>"

{environments}
# A matrix: every combination becomes one environment and one module.
# [[environments]]
# name = "py{{python}}_powerai_{{powerai}}"
# module = "python{{python}}/powerai_{{powerai}}"
# description = "WML CE {{powerai}} for Python {{python}}"
# matrix = {{ python = ["3"], powerai = ["1.7.0", "1.6.2"] }}
# packages = ["python={{python}}", "powerai={{powerai}}"]
# channels = ["https://example.org/wmlce"]     # before those of [condarc]
# freeze = true                              # conda install in it is refused

# A module for a package; it loads its environment's. The version is the one that environment has.
# [[package_modules]]
# package = "tensorflow"
# module = "tensorflow-py{{python}}/{{version}}"
# family = "package"
"""


def site_file_text(root: str, version: str, environments: Sequence[tuple[str, str]]) -> str:
    """
    Args:
        environments: name and module of those that exist already: they are only exposed.
    """
    entries = [f"[[environments]]\nname = {_toml(name)}\nmodule = {_toml(module)}\n" for name, module in environments]
    found = ["# These exist already; without `packages` they are only exposed.\n" if entries else "", *entries]
    return _TEXT.format(
        root=_toml(root), version=_toml(version), environments="\n".join(part for part in found if part)
    )


def _toml(text: str) -> str:
    """A JSON string is a TOML string, but for surrogates."""
    return json.dumps(text, ensure_ascii=False)
