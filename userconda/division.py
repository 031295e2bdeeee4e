"""What of an environment or a package cache belongs to which package: how a scan's figures are told apart."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from userconda.models import Tracked
from userconda.prefixes import read_tracked

#: By whom a part was installed, as it is told.
CONDA, PIP, SEVERAL, NONE = "conda", "pip", "several", "none"

_ARCHIVES = (".conda", ".tar.bz2")


@dataclass(frozen=True, slots=True)
class Part:
    """
    Attributes:
        by: CONDA, PIP, SEVERAL (directories in which packages meet) or NONE (what no package owns).
    """

    name: str
    version: str
    by: str


class EnvironmentDivision:
    """Conda's records, then pip's RECORD files for what conda does not own, then directories and the rest.

    A directory is its package's where everything in it that a package owns is that one's.
    """

    def __init__(self, prefix: str, first: int) -> None:
        """
        Args:
            first: the number of the first part.

        Raises:
            NotAPrefix, CorruptRecord, PathEscapesPrefix, FileOperation.
        """
        records, tracked, site_packages = read_tracked(prefix)
        self.parts = [Part(record.name, record.version, CONDA) for record in records]
        for number, record in enumerate(records):
            tracked.add(f"conda-meta/{record.file_name}", number)
        for name, version, paths in pip_packages(prefix, site_packages, tracked):
            for path in paths:
                if path not in tracked:
                    tracked.add(path, len(self.parts))
            self.parts.append(Part(name, version, PIP))
        self._several, self._first, self._tracked = first + len(self.parts), first, tracked
        self.parts += [Part("directories of several packages", "", SEVERAL), Part("of no package", "", NONE)]
        self._directories = self._owned_directories()

    @property
    def rest(self) -> int:
        return self._several + 1

    def names(self, path: str) -> Mapping[str, int]:
        return {name: self._first + number for name, number in self._tracked.in_directory(path).items()}

    def directory(self, path: str) -> int:
        return self._directories.get(path, self.rest)

    def _owned_directories(self) -> dict[str, int]:
        owners: dict[str, int] = {"": self._several, "conda-meta": self._several}
        for path in self._tracked:
            directory = os.path.dirname(path)
            part = self._first + (self._tracked.get(path) or 0)
            # Whoever is above one with several owners has several as well.
            while directory and owners.get(directory) not in (part, self._several):
                owners[directory] = self._several if directory in owners else part
                directory = os.path.dirname(directory)
        return owners


def pip_packages(prefix: str, site_packages: str | None, tracked: Tracked) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and paths of what pip installed: a dist-info that no conda record owns."""
    if site_packages is None:
        return
    try:
        names = sorted(os.listdir(os.path.join(prefix, site_packages)))
    except OSError:  # Python without site-packages, or closed to us: then nothing is pip's that we could tell
        return
    for directory in names:
        record = f"{site_packages}/{directory}/RECORD"
        if not directory.endswith(".dist-info") or record in tracked:
            continue
        name, _, version = directory.removesuffix(".dist-info").rpartition("-")
        try:
            with open(os.path.join(prefix, record), newline="", errors="surrogateescape") as stream:
                rows = [row[0] for row in csv.reader(stream) if row]
        except (OSError, csv.Error):
            rows = []
        paths = [os.path.normpath(os.path.join(site_packages, row)) for row in rows if not row.startswith("/")]
        yield name, version, [path for path in paths if not path.startswith("../")]


class CacheDivision:
    """A package cache: an extracted package and its archive are one part."""

    def __init__(self, path: str, first: int) -> None:
        try:
            entries = sorted(os.listdir(path))
        except OSError:  # the scan meets it too, and says so
            entries = []
        stems = {entry: _stem(entry) for entry in entries}
        packages = [stem for stem in dict.fromkeys(stems.values()) if stem.count("-") >= 2]
        numbers = {stem: first + number for number, stem in enumerate(packages)}
        self._parts = {entry: numbers[stem] for entry, stem in stems.items() if stem in numbers}
        self.parts = [*(_named(stem) for stem in packages), Part("of no package", "", NONE)]
        self._rest = first + len(packages)

    @property
    def rest(self) -> int:
        return self._rest

    def directory(self, path: str) -> int:
        return self._parts.get(path.partition("/")[0], self._rest)

    def names(self, path: str) -> Mapping[str, int]:
        return _Everything(self.directory(path)) if path else self._parts


class _Everything(Mapping[str, int]):
    """Every name to one part."""

    def __init__(self, part: int) -> None:
        self._part = part

    def __getitem__(self, name: str) -> int:
        return self._part

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _stem(entry: str) -> str:
    for extension in _ARCHIVES:
        entry = entry.removesuffix(extension)
    return entry


def _named(stem: str) -> Part:
    name, version, _ = stem.rsplit("-", 2)
    return Part(name, version, CONDA)
