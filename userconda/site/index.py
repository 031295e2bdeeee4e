"""What may be linked whole in a site's environments, found out once: `ucenv clone --thin` looks here first.

Kept in `<conda root>/etc/ucenv/analyses`. Users take a file only while it is true, and only of the environment's owner
or root.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from userconda import thin
from userconda.clone import analyse_prefix
from userconda.errors import EnvironmentNotFound, ProgramFailed, UcenvError
from userconda.models import Analysis
from userconda.parallel import Pool
from userconda.prefixes import is_prefix
from userconda.site.definition import Site


@dataclass(frozen=True, slots=True)
class Indexed:
    """One environment.

    Attributes:
        state: current, missing or stale (to be made, or as a dry run found it), made, made again, or failed.
        linked: directories that a thin clone links whole.
        entries: what a thin clone has, about: directories, files and links.
        uncompiled: modules in linked directories without a .pyc.
    """

    name: str
    prefix: str
    state: str
    linked: int = 0
    entries: int = 0
    uncompiled: int = 0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def environments_of(site: Site, names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Names and prefixes of what is there; `base` only where it is named.

    Raises:
        EnvironmentNotFound: there is none of such a name.
    """
    envs = os.path.join(site.root, "envs")
    try:
        found = [name for name in sorted(os.listdir(envs)) if not name.startswith(".")]
    except FileNotFoundError:
        found = []
    there = {name: prefix for name in found if is_prefix(prefix := os.path.join(envs, name))}
    for name in names:
        if name != "base" and name not in there:
            raise EnvironmentNotFound(name, (envs,))
    return [(name, there.get(name, site.root)) for name in names or there]


def plan_index(site: Site, names: Sequence[str], private: tuple[str, ...], pool: Pool) -> Iterator[Indexed]:
    """What is kept, and whether it is still true."""
    for name, prefix in environments_of(site, names):
        file = thin.site_file(prefix, site.root)
        kept = thin.find_analysis(prefix, (file,), private, pool)
        if kept is not None:
            yield _described(name, prefix, "current", kept)
        else:
            yield Indexed(name, prefix, "stale" if os.path.lexists(file) else "missing")


def execute_index(
    site: Site, indexed: Indexed, private: tuple[str, ...], pool: Pool, *, compile_first: bool
) -> Indexed:
    """Make what is missing or stale. What fails for one environment is no matter of the others."""
    if indexed.state == "current" and not (compile_first and indexed.uncompiled):
        return indexed
    try:
        if compile_first:
            _compile(indexed.prefix)
        caches = (os.path.join(site.root, "pkgs"),)
        analysis = analyse_prefix(
            indexed.prefix, is_base=indexed.prefix == site.root, package_caches=caches, private=private, pool=pool
        )
        thin.keep_analysis(analysis, thin.site_file(indexed.prefix, site.root))
    except UcenvError as exc:
        return dataclasses.replace(indexed, state="failed", reason=exc.message)
    state = "made" if indexed.state == "missing" else "made again"
    return _described(indexed.name, indexed.prefix, state, analysis)


def _described(name: str, prefix: str, state: str, analysis: Analysis) -> Indexed:
    directories = analysis.snapshot.directories
    own = sum(1 + len(directory.names) + len(directory.symlinks) for directory in directories)
    return Indexed(name, prefix, state, len(analysis.linked), own + len(analysis.linked), analysis.uncompiled)


def _compile(prefix: str) -> None:
    """With the environment's own Python, isolated from the caller's.

    Raises:
        ProgramFailed: it could not be started. Modules that do not compile are no failure: packages have such.
    """
    python = os.path.join(prefix, "bin", "python")
    if not os.path.exists(python):
        return
    code = "import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path('stdlib'), quiet=2, workers=0)"
    try:
        done = subprocess.run([python, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True)
    except OSError as exc:
        raise ProgramFailed(python, 127, exc.strerror or "") from None
    if done.returncode:
        raise ProgramFailed(python, done.returncode, done.stderr.decode(errors="backslashreplace").strip())
