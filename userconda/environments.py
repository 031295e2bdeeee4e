"""Names -> prefixes, and every environment a user can see."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from userconda.config import Config, home_directory, is_conda_root
from userconda.errors import EnvironmentNotFound, NoSystemConda
from userconda.prefixes import check_name, is_prefix
from userconda.probe import owner_name
from userconda.provenance import Provenance, read_provenance, source_state


@dataclass(frozen=True, slots=True)
class Resolved:
    """A prefix that a name or path means.

    Attributes:
        note: what the user should know of the choice.
    """

    name: str
    prefix: str
    system: bool
    is_base: bool
    note: str = ""


def resolve(word: str, config: Config) -> Resolved:
    """What SOURCE means: a path, `base`, `system:NAME`, or a name; the user's environments before the system's.

    Raises:
        EnvironmentNotFound, NoSystemConda, UnsafeName.
    """
    root = config.conda_root
    if "/" in word or word in (".", ".."):
        prefix = os.path.normpath(os.path.join(os.getcwd(), os.path.expanduser(word)))
        is_base = root is not None and os.path.realpath(prefix) == os.path.realpath(root)
        # Another conda's root. An environment with the package conda in it has condabin too, but no package cache.
        is_base = is_base or (is_conda_root(prefix) and os.path.isdir(os.path.join(prefix, "pkgs")))
        return Resolved(os.path.basename(prefix), prefix, _is_system(prefix, config), is_base)
    system_only, _, name = word.rpartition(":") if word.startswith("system:") else ("", "", word)
    if name in ("base", "root"):
        if root is None:
            raise NoSystemConda
        return Resolved("base", root, True, True)
    check_name(name)
    user = [] if system_only else [d for d in config.user_envs if is_prefix(os.path.join(d, name))]
    system = [d for d in config.system_envs if is_prefix(os.path.join(d, name))]
    found = [*user, *system]
    if not found:
        searched = (*([] if system_only else config.user_envs), *config.system_envs)
        # A directory of that name that is no environment is said to be none, not to be missing.
        for directory in searched:
            if os.path.isdir(os.path.join(directory, name)):
                return Resolved(name, os.path.join(directory, name), directory in config.system_envs, False)
        import difflib

        names = {entry.name for entry in list_environments(config)}
        raise EnvironmentNotFound(word, searched, tuple(difflib.get_close_matches(name, names, 2, 0.7)))
    note = ""
    if user and system:
        note = f"{name} is an environment of yours and of the system's: yours is taken; system:{name} means the other"
    return Resolved(name, os.path.join(found[0], name), not user, False, note)


def _is_system(prefix: str, config: Config) -> bool:
    root = config.conda_root
    places = [*config.system_envs, *([root] if root else [])]
    return any(prefix == place or prefix.startswith(place.rstrip("/") + "/") for place in places)


@dataclass(frozen=True, slots=True)
class Environment:
    """One line of `ucenv list`.

    Attributes:
        python: its version; None without Python.
        parent: name of what it is a clone of.
        parent_state: "", "changed since" or "gone".
        thin: it has links into another environment, and stops working without that.
    """

    name: str
    prefix: str
    owner: str
    writable: bool
    system: bool
    python: str | None
    packages: int
    parent: str | None
    parent_prefix: str | None
    parent_state: str
    thin: bool = False

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


_RECORD_NAME = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-[^-]+\.json")


def list_environments(config: Config) -> list[Environment]:
    """The user's, then the system's with base first, then those conda has registered elsewhere."""
    seen: dict[str, Environment] = {}
    for prefix, system in candidates(config):
        real = os.path.realpath(prefix)
        if real not in seen and is_prefix(prefix):
            name = "base" if prefix == config.conda_root else os.path.basename(prefix)
            environment = describe(name, prefix, system)
            if environment is not None:
                seen[real] = environment
    return list(seen.values())


def candidates(config: Config) -> Iterator[tuple[str, bool]]:
    """Paths where environments may be, and whether they are the system's; not all are there, some come twice."""
    for directory in config.user_envs:
        for name in _names(directory):
            yield os.path.join(directory, name), False
    root = config.conda_root
    if root is not None:
        yield root, True
    for directory in config.system_envs:
        for name in _names(directory):
            yield os.path.join(directory, name), True
    register = os.path.join(home_directory(config.environment), ".conda", "environments.txt")
    try:
        with open(register, encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("/"):
                    prefix = os.path.normpath(line.rstrip("\n"))
                    yield prefix, _is_system(prefix, config)
    except (OSError, UnicodeDecodeError):  # conda's own register, and only a register
        return


def _names(directory: str) -> Sequence[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError:  # not there yet, or not ours to read
        return ()


def describe(name: str, prefix: str, system: bool) -> Environment | None:
    """Read from names and one note only: listing a hundred environments must not read a hundred of records each."""
    try:
        records = [entry for entry in os.listdir(os.path.join(prefix, "conda-meta")) if entry.endswith(".json")]
        owner = owner_name(os.stat(prefix).st_uid)
    except OSError:
        return None
    versions = _versions(records)
    provenance = read_provenance(prefix)
    return Environment(
        name,
        prefix,
        owner,
        os.access(prefix, os.W_OK, effective_ids=True),
        system,
        versions.get("python"),
        len(records),
        provenance.source_name if provenance else None,
        provenance.source if provenance else None,
        parent_state(provenance) if provenance else "",
        provenance is not None and provenance.thin,
    )


def versions_of(prefix: str) -> dict[str, str] | None:
    """Package -> version, by the names of the records; None where there is no environment."""
    try:
        return _versions(os.listdir(os.path.join(prefix, "conda-meta")))
    except OSError:
        return None


def _versions(records: Sequence[str]) -> dict[str, str]:
    return {match["name"]: match["version"] for record in records if (match := _RECORD_NAME.fullmatch(record))}


def parent_state(provenance: Provenance) -> str:
    """Whether what an environment was cloned from is still what it was; of a thin clone, what its links lead to.

    That is not its source where this was a thin clone itself, or a symlink that means another version by now.
    """
    if provenance.links_to:
        if not is_prefix(provenance.links_to):
            return "gone"
        if source_state(provenance.links_to) == provenance.source_state:
            return ""
    now = source_state(provenance.source)
    if now is None and not provenance.links_to:
        return "gone"
    return "" if now == provenance.source_state else "changed since"
