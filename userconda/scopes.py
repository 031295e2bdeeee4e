"""Which environments and package caches are the user's: what `ucenv usage` counts."""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

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
        identity: device and inode.
        parent: name of what an environment is a clone of.
        own: among the user's; else it was only asked for by name.
    """

    name: str
    prefix: str
    kind: Kind
    identity: tuple[int, int]
    parent: str | None = None
    own: bool = True


def own_scopes(config: Config) -> list[Scope]:
    """The user's environments, then their package caches, each once whatever paths lead to it.

    An environment is the user's that is not the system's and that they own or may write. A directory that is closed to
    them may be one.
    """
    found: dict[tuple[int, int], Scope] = {}

    def note(prefix: str, kind: Kind, name: str, parent: str | None = None) -> None:
        try:
            status = os.stat(prefix)
        except OSError:  # not there yet, or a name that leads nowhere
            return
        is_own = status.st_uid == os.geteuid() or os.access(prefix, os.W_OK, effective_ids=True)
        if is_own and stat.S_ISDIR(status.st_mode):
            identity = status.st_dev, status.st_ino
            found.setdefault(identity, Scope(name, prefix, kind, identity, parent))

    for prefix, system in candidates(config):
        if not system and (is_prefix(prefix) or _is_closed(prefix)):
            note(prefix, Kind.ENVIRONMENT, os.path.basename(prefix), _parent(prefix))
    for path in _package_caches(config, [scope.prefix for scope in found.values()]):
        note(path, Kind.PACKAGE_CACHE, "package cache")
    return _distinct(list(found.values()))


def closed_directories(config: Config) -> list[str]:
    """Where the user's environments may be and nobody can see them."""
    return [directory for directory in config.user_envs if _is_closed(directory)]


def named_scopes(words: Sequence[str], scopes: list[Scope], config: Config) -> list[int]:
    """Where in `scopes` the environments of these names or paths are; those that are not the user's are put in.

    Raises:
        EnvironmentNotFound, NotAPrefix, NoSystemConda, UnsafeName.
    """
    places = {scope.identity: number for number, scope in enumerate(scopes)}
    named = []
    for word in words:
        found = resolve(word, config)
        descriptor = open_prefix(found.prefix)
        status = os.fstat(descriptor)
        os.close(descriptor)
        identity = status.st_dev, status.st_ino
        if identity not in places:
            places[identity] = len(scopes)
            parent = _parent(found.prefix)
            scopes.append(Scope(found.name, found.prefix, Kind.ENVIRONMENT, identity, parent, own=False))
        named.append(places[identity])
    scopes[:] = _distinct(scopes)
    return list(dict.fromkeys(named))


def _is_closed(path: str) -> bool:
    """Whether a directory, or one above it, is closed to the user. Other people's are no matter of theirs."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except PermissionError:
        try:
            return os.stat(path).st_uid == os.geteuid()
        except OSError:
            return True
    except OSError:
        return False
    return False


def _package_caches(config: Config, prefixes: Sequence[str]) -> Iterator[str]:
    """Ours, those conda is told of that are not the system's, and those of conda roots of the user's own."""
    yield from config.user_pkgs
    listed = [path for path in config.environment.get("CONDA_PKGS_DIRS", "").split(",") if path.startswith("/")]
    listed.append(os.path.join(home_directory(config.environment), ".conda", "pkgs"))
    system = {os.path.normpath(path) for path in config.system_pkgs}
    yield from (path for path in map(os.path.normpath, listed) if path not in system)
    yield from (os.path.join(prefix, "pkgs") for prefix in prefixes if is_conda_root(prefix))


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
        distinct.append(replace(scope, name=name))
    return distinct
