"""A real conda: the one at UCENV_TEST_CONDA, else the one that CONDA_EXE is part of."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import Package, PackageFile, index_channel, odd_packages, package_from_python, package_with_compiled_library
from demo.packages import PLACEHOLDER, write_package
from tests.support import CHECKOUT, Unavailable

LATECOMER = Package("latecomer", "1.0", files=(PackageFile("share/latecomer.txt", b"installed later\n"),))


@dataclass(frozen=True)
class Conda:
    """A conda to call, offline, with a home, a package cache and a channel of its own."""

    root: Path
    directory: Path

    @property
    def channel(self) -> Path:
        return self.directory / "channel"

    @property
    def environment(self) -> dict[str, str]:
        # A user's settings, and what an activated environment exports, would make another conda of it.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA", "PYTHON", "UCENV"))}
        return kept | {
            "HOME": str(self.directory / "home"),
            "CONDARC": os.devnull,
            "CONDA_PKGS_DIRS": str(self.directory / "pkgs"),
            "CONDA_OFFLINE": "true",
            "UCENV_ROOT": str(self.directory / "space"),
        }

    def run(self, *words: str | Path) -> str:
        return _output((self.root / "bin/conda", *words), self.environment)

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.run(*words, "--json"))

    def change(self, command: str, prefix: Path, *words: str) -> None:
        """Run a command that changes an environment."""
        channel = ["--channel", self.channel.as_uri(), "--override-channels"]
        self.run(command, "--yes", "--quiet", "--prefix", prefix, *channel, *words)

    def python(self, script: str, stdin: str) -> str:
        return _output((self.root / "bin/python", "-c", script), self.environment, stdin)

    def ucenv_clone(self, source: Path, target: Path) -> None:
        command = (sys.executable, "-m", "userconda", "clone", source, "--prefix", target)
        _output(command, self.environment | {"PYTHONPATH": str(CHECKOUT)})


def _output(command: Sequence[str | Path], environment: dict[str, str], stdin: str = "") -> str:
    done = subprocess.run(command, env=environment, input=stdin, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def find_root() -> Path:
    if named := os.environ.get("UCENV_TEST_CONDA"):
        return Path(named)
    if executable := os.environ.get("CONDA_EXE"):
        return Path(executable).parent.parent
    raise Unavailable("no real conda: UCENV_TEST_CONDA=<root of one> names it")


@pytest.fixture(scope="package")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    root = find_root()
    if not os.access(root / "bin/conda", os.X_OK):
        raise Unavailable(f"no conda in {root}")
    conda = Conda(root, tmp_path_factory.mktemp("conda"))
    (conda.directory / "home").mkdir()
    for package in [package_from_python(), package_with_compiled_library(), *odd_packages(), LATECOMER]:
        write_package(package, conda.channel)
    index_channel(conda.channel)
    assert len(PLACEHOLDER) == 255
    return conda
