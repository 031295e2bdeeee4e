"""Which environments and package caches are the user's: what `ucenv usage` counts."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from userconda.config import Config, home_directory, is_conda_root
from userconda.environments import candidates, resolve
from userconda.prefixes import is_prefix, open_prefix
from userconda.provenance import read_provenance


class Kind(enum.Enum):
    ENVIRONMENT = "environment"
    PACKAGE_CACHE = "package cache"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Attributes:
        parent: name of what an environment is a clone of.
        own: among the user's; else it was only asked for by name.
    """

    name: str
    prefix: str
    kind: Kind
    parent: str | None = None
    own: bool = True


def own_scopes(config: Config) -> list[Scope]:
    """The user's environments, then their package caches, each once whatever paths lead to it.

    An environment is the user's that is not the system's and that they own or may write.
    """
    found: dict[tuple[int, int], Scope] = {}
    for prefix, system in candidates(config):
        if not system and is_prefix(prefix):
            _note(found, Scope(os.path.basename(prefix), prefix, Kind.ENVIRONMENT, _parent(prefix)))
    for path in _package_caches(config, [scope.prefix for scope in found.values()]):
        _note(found, Scope("package cache", path, Kind.PACKAGE_CACHE))
    return _distinct(list(found.values()))


def named_scopes(words: Sequence[str], scopes: list[Scope], config: Config) -> list[int]:
    """Where in `scopes` the environments of these names or paths are; those that are not the user's are put in.

    Raises:
        EnvironmentNotFound, NotAPrefix, NoSystemConda, UnsafeName.
    """
    places = {_identity(scope.prefix): number for number, scope in enumerate(scopes)}
    named = []
    for word in words:
        found = resolve(word, config)
        os.close(open_prefix(found.prefix))
        identity = _identity(found.prefix)
        if identity not in places:
            places[identity] = len(scopes)
            scopes.append(Scope(found.name, found.prefix, Kind.ENVIRONMENT, _parent(found.prefix), own=False))
        named.append(places[identity])
    return list(dict.fromkeys(named))


def _note(found: dict[tuple[int, int], Scope], scope: Scope) -> None:
    try:
        status = os.stat(scope.prefix)
    except OSError:  # not there yet, or a name that leads nowhere
        return
    if status.st_uid == os.geteuid() or os.access(scope.prefix, os.W_OK, effective_ids=True):
        found.setdefault((status.st_dev, status.st_ino), scope)


def _package_caches(config: Config, prefixes: Sequence[str]) -> Iterator[str]:
    """Ours, those conda is told of that are not the system's, and those of conda roots of the user's own."""
    yield from config.user_pkgs
    listed = [path for path in config.environment.get("CONDA_PKGS_DIRS", "").split(",") if path.startswith("/")]
    listed.append(os.path.join(home_directory(config.environment), ".conda", "pkgs"))
    system = {os.path.normpath(path) for path in config.system_pkgs}
    yield from (path for path in map(os.path.normpath, listed) if path not in system)
    yield from (os.path.join(prefix, "pkgs") for prefix in prefixes if is_conda_root(prefix))


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _parent(prefix: str) -> str | None:
    provenance = read_provenance(prefix)
    return provenance.source_name if provenance else None


def _distinct(scopes: list[Scope]) -> list[Scope]:
    """Where two have one name, the later is known by its path."""
    seen: set[str] = set()
    distinct = []
    for scope in scopes:
        name = scope.name if scope.name not in seen else f"{scope.name} ({scope.prefix})"
        seen.add(scope.name)
        distinct.append(Scope(name, scope.prefix, scope.kind, scope.parent, scope.own))
    return distinct
