"""What differs from site.toml, as the planners of all commands find it. It starts no program and writes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from userconda import locks, thin
from userconda.environments import versions_of
from userconda.errors import UcenvError
from userconda.parallel import Pool
from userconda.site.configure import plan_configure
from userconda.site.definition import Site
from userconda.site.environments import EnvironmentPlan, plan_environments
from userconda.site.index import environments_of
from userconda.site.modules import hook_problems, plan_modules

_CONFIGURE = "ucenv site configure"
_ENVIRONMENTS = "ucenv site environments"
_MODULES = "ucenv site modules"
_INDEX = "ucenv site index"
_INSTALL = "python -m pip install --force-reinstall --no-deps ucenv"

#: Packages whose version a site may name its conda by.
_NAMING = ("conda", "mamba", "anaconda", "anaconda-core", "miniconda", "miniforge3")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    Attributes:
        area: conda, configure, environments, modules or index.
        mend: the command, or what to do by hand.
    """

    area: str
    text: str
    mend: str

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def check_site(
    site: Site, *, permissions: bool = True, expose_all: bool = False, private: tuple[str, ...] = ()
) -> tuple[list[Difference], list[str]]:
    """
    Args:
        permissions: look at those of every file.
        expose_all: environments too that the file does not name have modules.
        private: as `clone.private`, with which was indexed.

    Returns:
        What differs, and what to be warned of that no command mends.
    """
    found: list[Difference] = []
    warnings: list[str] = []
    with _as_difference(found, "conda", "mend [conda] in site.toml, or install the conda there"):
        found += _conda(site)
    if versions_of(site.root) is None:  # all else would only say so again
        return found, warnings
    with _as_difference(found, "configure", _CONFIGURE):
        plan = plan_configure(site, permissions=permissions)
        found += [
            Difference("configure", f"{change.action}: {change.path}: {change.what}", _CONFIGURE)
            for change in plan.changes
            if change.action != "left"
        ]
        warnings += plan.warnings
    with _as_difference(found, "environments", _ENVIRONMENTS):
        for environment in plan_environments(site).environments:
            found += _environment(environment)
            warnings += [f"{environment.name}: {note}" for note in environment.notes if environment.state == "exists"]
        found += _leftovers(site)
    with _as_difference(found, "modules", _INSTALL):
        found += [Difference("modules", problem, _INSTALL) for problem in hook_problems(site)]
    if site.modules.tree and not any(difference.mend == _INSTALL for difference in found):
        with _as_difference(found, "modules", _MODULES):
            found += _modules(site, expose_all)
    with _as_difference(found, "index", _INDEX):
        found += _index(site, private)
    return found, warnings


@contextlib.contextmanager
def _as_difference(found: list[Difference], area: str, mend: str) -> Iterator[None]:
    """What stops one command is one difference more; the others are looked at all the same."""
    try:
        yield
    except UcenvError as exc:
        found.append(Difference(area, exc.message.replace("\n", ";"), exc.hints[0] if exc.hints else mend))


def _conda(site: Site) -> Iterator[Difference]:
    versions = versions_of(site.root)
    if versions is None:
        yield Difference("conda", f"{site.root} is no conda (it has no conda-meta)", "mend [conda] in site.toml")
        return
    named = {versions[name] for name in _NAMING if name in versions}
    if named and site.version not in named:
        has = ", ".join(f"{name} {versions[name]}" for name in _NAMING if name in versions)
        text = f"the base module is {site.base_module}, and {site.root} has {has}"
        yield Difference("conda", text, "mend conda.version in site.toml, then ucenv site modules")


def _environment(plan: EnvironmentPlan) -> Iterator[Difference]:
    why = f" ({'; '.join(plan.notes)})" if plan.notes else ""
    by_hand = f"make it by hand, or take it out of site.toml: {plan.name}"
    if plan.state in ("missing", "half-made"):
        yield Difference("environments", f"{plan.name} is {plan.state}{why}", _ENVIRONMENTS if plan.action else by_hand)
    elif plan.state == "under way":
        yield Difference("environments", f"{plan.name} is being made{why}", "wait for it")
    elif plan.state == "foreign":
        yield Difference("environments", f"{plan.name} is no finished environment{why}", f"look at {plan.prefix}")
    elif plan.state == "differs":
        mend = "remove it, then ucenv site environments makes it anew; or put into site.toml what it has"
        yield Difference("environments", f"{plan.name} is not what was asked{why}", mend)
    if plan.action == "freeze":
        yield Difference("environments", f"{plan.name} is not frozen", _ENVIRONMENTS)
    meta = os.path.join(plan.prefix, "conda-meta")
    if plan.state in ("exists", "differs") and (closed := _unreadable(meta)):
        text = f"{plan.name}: {closed} cannot be read by you"
        yield Difference("environments", text, f"{_CONFIGURE}, as the owner of {plan.prefix}")


def _unreadable(meta: str) -> str:
    """A record that we cannot read: then nobody knows what the environment has."""
    with os.scandir(meta) as entries:
        paths = [entry.path for entry in entries if entry.name.endswith(".json") or entry.name == "history"]
    return next((path for path in paths if not os.access(path, os.R_OK, effective_ids=True)), "")


def _leftovers(site: Site) -> Iterator[Difference]:
    """Of runs of `site environments` that were killed: half-made environments on their way out, and notes of them that
    nothing else tells of."""
    state = os.path.join(site.root, "envs", ".ucenv")
    known = {environment.name for environment in site.environments}
    for what in ("trash", "making"):
        try:
            names = sorted(os.listdir(os.path.join(state, what)))
        except OSError:  # nothing was ever made, or it is not ours to see
            continue
        for name in names:
            path = os.path.join(state, what, name)
            if what == "trash":
                yield Difference("environments", f"{path} is left of an interrupted run", f"rm -rf {shlex.quote(path)}")
            elif name not in known and not ((holder := locks.read_holder(path)) and locks.is_alive(holder)):
                text = f"{name} is half-made by an interrupted run, and no longer in site.toml"
                yield Difference("environments", text, f"rm -rf {shlex.quote(site.prefix(name))} {shlex.quote(path)}")


def _modules(site: Site, expose_all: bool) -> Iterator[Difference]:
    plan = plan_modules(site, expose_all=expose_all)
    mend = f"{_MODULES} --all" if expose_all else _MODULES
    actions = {"written": "missing", "replaced": "not as site.toml has it", "removed": "no longer in site.toml"}
    for change in plan.changes:
        if change.action in actions:
            what = actions[change.action]
            yield Difference("modules", f"{os.path.join(plan.tree, change.path)}: {what}", mend)
    there = {change.path.removesuffix(".lua") for change in plan.changes if change.action != "removed"}
    for name in site.modules.defaults:
        if name not in there:
            text = f"there is no module {name}, which [modules] defaults has"
            yield Difference("modules", text, "mend modules.defaults in site.toml")


def _index(site: Site, private: tuple[str, ...]) -> Iterator[Difference]:
    """What was indexed and is not true any more. Whether to index at all is the site's choice."""
    pool = Pool()
    for name, prefix in environments_of(site):
        file = thin.site_file(prefix, site.root)
        if os.path.lexists(file) and thin.find_analysis(prefix, (file,), private, pool) is None:
            yield Difference("index", f"{name} was changed since it was indexed", f"{_INDEX} {shlex.quote(name)}")
