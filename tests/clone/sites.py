"""A system conda of the demo's, a user's space beside it, and clones from one into the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import SOURCE_DATE, Package, SystemConda, install_packages, make_system_conda, write_package
from demo.packages import PYTHON, compiled
from userconda.clone import Prices, Surroundings, clone
from userconda.models import CloneRequest, CloneResult, LinkMode, WhenRefused

SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
CACHE_TAG = sys.implementation.cache_tag


@dataclass
class Site:
    """`source` is the system's environment. Tests change it before they clone it."""

    tmp: Path
    conda: SystemConda
    clones: list[str] = field(default_factory=list)

    @property
    def source(self) -> Path:
        return self.conda.prefix()

    @property
    def space(self) -> Path:
        return self.tmp / "scratch/conda_local"

    def target(self, name: str = "mine") -> Path:
        return self.space / "envs" / name

    def target_of_length(self, length: int) -> Path:
        """A path in the user's space of exactly so many bytes, its last parts filled up."""
        path = str(self.space / "envs")
        while length - len(path) > 200:
            path += "/" + "d" * 150
        return Path(path + "/" + "x" * (length - len(path) - 1))

    def clone(
        self,
        target: Path | None = None,
        *,
        source: Path | None = None,
        mode: LinkMode | None = None,
        private: Sequence[str] = (),
        require_links: bool = False,
        is_base: bool = False,
        when_refused: WhenRefused = WhenRefused.OWN_COPY,
        own_copy_share: int = 25,
        own_caches: Sequence[str] = (),
        dry_run: bool = False,
        choose: Callable[[Prices], WhenRefused] | None = None,
    ) -> CloneResult:
        source, target = source or self.source, target or self.target()
        request = CloneRequest(
            source.name, str(source), target.name, str(target), mode, require_links, private=tuple(private)
        )
        surroundings = Surroundings(
            package_caches=(str(self.conda.pkgs), *own_caches),
            own_caches=tuple(own_caches),
            clones=tuple(self.clones),
            when_refused=when_refused,
            own_copy_share=own_copy_share,
            operations_in_flight=8,
            source_is_base=is_base,
        )
        result = clone(request, surroundings, dry_run=dry_run, choose=choose)
        if not dry_run:
            self.clones.append(str(target))
        return result

    def install(self, name: str, *packages: Package) -> Path:
        """One more environment of the system's."""
        archives = [write_package(package, self.conda.channel) for package in packages]
        install_packages(archives, self.conda.prefix(name), self.conda.pkgs)
        return self.conda.prefix(name)


def make_site(tmp: Path) -> Site:
    site = Site(tmp, make_system_conda(tmp / "opt/conda", None, small=True))
    site.space.mkdir(parents=True)
    return site


def use_real_python(prefix: Path) -> None:
    """The demo's small Python only prints; this one compiles and imports."""
    (prefix / "bin/python").unlink()
    (prefix / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (prefix / "bin/python").chmod(0o755)


def add_module(prefix: Path, name: str, text: str) -> tuple[Path, Path]:
    """A module as pip leaves it: its .py, and a .pyc that is valid for that .py's mtime."""
    module = prefix / SITE_PACKAGES / f"{name}.py"
    pyc = module.parent / "__pycache__" / f"{name}.{CACHE_TAG}.pyc"
    pyc.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(text)
    pyc.write_bytes(compiled(text.encode(), str(module)))
    os.utime(module, (SOURCE_DATE, SOURCE_DATE))
    return module, pyc


def mentioning(prefix: Path, path: Path) -> set[str]:
    """The files and symlinks of an environment that hold a path."""
    needle, found = os.fsencode(path), set()
    for directory, _, names in os.walk(os.fsencode(prefix)):
        for name in names:
            entry = os.path.join(directory, name)
            if os.path.islink(entry):
                data = os.readlink(entry)
            elif os.path.isfile(entry):
                with open(entry, "rb") as stream:
                    data = stream.read()
            else:
                continue
            if needle in data:
                found.add(os.fsdecode(os.path.relpath(entry, os.fsencode(prefix))))
    return found


def same_file(first: Path, second: Path) -> bool:
    return first.lstat().st_ino == second.lstat().st_ino
