"""`ucenv info ENV`: one environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from userconda import thin
from userconda.config import read_config
from userconda.environments import Environment, describe, resolve
from userconda.errors import NotAPrefix
from userconda.models import PrefixSnapshot
from userconda.parallel import Pool
from userconda.prefixes import read_prefix
from userconda.probe import owner_name
from userconda.provenance import read_provenance
from userconda.units import format_count, printable

EXAMPLE = "ucenv info mine"


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose inodes an environment's files are: each inode once."""

    name: str
    files: int
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "files": self.files, "bytes": self.size_bytes}


@dataclass(frozen=True, slots=True)
class InfoResult:
    """
    Attributes:
        missing: files that records list and the environment does not have.
    """

    environment: Environment
    records: tuple[Package, ...]
    pip: tuple[Package, ...]
    owners: tuple[Owner, ...]
    files: int
    directories: int
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.notes

    def to_json(self) -> dict[str, Any]:
        return {
            **self.environment.to_json(),
            "records": [package.to_json() for package in self.records],
            "pip_packages": [package.to_json() for package in self.pip],
            "owners": [owner.to_json() for owner in self.owners],
            "files": self.files,
            "directories": self.directories,
            "missing_files": list(self.missing),
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", metavar="ENV", help="a name (yours first; system:NAME, base), or a path")


def run(args: argparse.Namespace) -> InfoResult:
    config = read_config({"root": args.root})
    found = resolve(args.environment, config)
    snapshot = read_prefix(found.prefix, Pool(config["operations_in_flight"]), is_base=found.is_base)
    environment = describe(found.name, found.prefix, found.system)
    if environment is None:
        raise NotAPrefix(found.prefix, "its conda-meta cannot be read")
    present = _present(snapshot)
    return InfoResult(
        environment,
        tuple(Package(record.name, record.version) for record in snapshot.records),
        tuple(_pip_packages(snapshot, present)),
        tuple(_owners(snapshot)),
        sum(len(directory.names) for directory in snapshot.directories),
        len(snapshot.directories),
        tuple(sorted(path for path in snapshot.tracked if path not in present and not _reached(snapshot, path))),
        tuple(filter(None, (found.note, *_thin_notes(environment, snapshot)))),
    )


def _thin_notes(environment: Environment, snapshot: PrefixSnapshot) -> Iterator[str]:
    """What is wrong with the links of a thin clone."""
    note = read_provenance(environment.prefix)
    if note is None or not note.thin:
        return
    parent = printable(note.links_to)
    if environment.parent_state == "gone":
        yield f"what its links lead to is gone: {parent}"
    elif snapshot.unreadable:
        count = len(snapshot.unreadable)
        records = f"{format_count(count, 'record')} of this clone {'lead' if count > 1 else 'leads'} nowhere"
        yield f"{parent} was changed since: {records}"
    if (place := thin.guarded_place(environment.prefix, note)) is not None:
        yield f"you may write where its links lead ({printable(place)}): what conda removes here is removed there"


def _present(snapshot: PrefixSnapshot) -> set[str]:
    present: set[str] = set()
    for directory in snapshot.directories:
        prefix = f"{directory.path}/" if directory.path else ""
        present.update(prefix + name for name in directory.names)
        present.update(prefix + name for name, _ in directory.symlinks)
    return present


def _reached(snapshot: PrefixSnapshot, path: str) -> bool:
    """A record may list a file through a symlinked directory (lib64), or a directory."""
    return os.path.lexists(os.path.join(snapshot.prefix, path))


def _pip_packages(snapshot: PrefixSnapshot, present: set[str]) -> list[Package]:
    """What pip installed: a dist-info in site-packages that no conda record owns."""
    packages = []
    site_packages = snapshot.site_packages
    for directory in snapshot.directories:
        if os.path.dirname(directory.path) != site_packages or not directory.path.endswith(".dist-info"):
            continue
        metadata = f"{directory.path}/METADATA"
        if metadata in present and metadata not in snapshot.tracked:
            name, _, version = os.path.basename(directory.path)[: -len(".dist-info")].rpartition("-")
            packages.append(Package(name, version))
    return sorted(packages, key=lambda package: package.name.lower())


def _owners(snapshot: PrefixSnapshot) -> list[Owner]:
    counts: dict[int, list[int]] = {}
    seen: set[int] = set()
    for directory in snapshot.directories:
        for size, inode, number in zip(directory.size_bytes, directory.inodes, directory.classes, strict=True):
            if inode in seen:
                continue
            seen.add(inode)
            count = counts.setdefault(snapshot.classes[number].uid, [0, 0])
            count[0] += 1
            count[1] += size
    return [Owner(owner_name(uid), *count) for uid, count in sorted(counts.items(), key=lambda item: -item[1][1])]
