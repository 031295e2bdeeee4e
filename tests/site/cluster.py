"""A cluster from an empty directory on: a conda without environments, a channel, its administrator and a researcher.

The packages are the demo's, the conda is a stand-in or a real one; both people are users of this machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo import Package, PackageFile, index_channel, install_packages, write_package
from demo.packages import fake_python, odd_packages
from tests.modules.systems import ModuleSystem
from tests.shells.dialects import BASH
from tests.shells.sites import conda_sh
from tests.support import CHECKOUT
from tests.support.conda_stand_in import install_stand_in
from tests.support.users import User, run_as

HOOKS = ("ucenv.sh", "ucenv.csh", "ucenv-act.csh", "ucenv.fish")


def plain_package(name: str, version: str, *depends: str) -> Package:
    files = [PackageFile(f"share/{name}/version.txt", f"{version}\n".encode())]
    if name == "powerai":
        script = 'export POWERAI_VERSION="$(cat "$CONDA_PREFIX/share/powerai/version.txt")"\n'
        files.append(PackageFile("etc/conda/activate.d/powerai.sh", script.encode()))
    return Package(name, version, depends=depends, noarch="generic", files=tuple(files))


PACKAGES = (
    *(plain_package("tensorflow", version) for version in ("1.15.0", "2.0.0", "2.1.0")),
    plain_package("powerai", "1.6.1", "tensorflow 1.15.0"),
    plain_package("powerai", "1.6.2", "tensorflow 2.0.0"),
    plain_package("powerai", "1.7.0", "tensorflow 2.1.0"),
)


@dataclass
class Cluster:
    """
    Attributes:
        directory: has `apps` of the administrator's and `scratch` of the users'.
        real: its conda is a real one, not a stand-in.
    """

    directory: Path
    administrator: User
    user: User
    real: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.directory / "apps/conda"

    @property
    def tree(self) -> Path:
        return self.directory / "apps/modulefiles"

    @property
    def channel(self) -> Path:
        return self.directory / "apps/channel"

    @property
    def file(self) -> Path:
        return self.root / "etc/ucenv/site.toml"

    @property
    def scratch(self) -> Path:
        return self.directory / "scratch" / self.user.name

    def prefix(self, name: str) -> Path:
        return self.root / "envs" / name

    def as_administrator(self, script: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Run by bash, with the conda's programs first."""
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "HOME": str(self.directory / "apps/admin")}
        return self._run(self.administrator, script, {**environment, **options})

    def as_user(self, script: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Run by bash, which knows of no conda."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.scratch), "SCRATCH": str(self.scratch)}
        return self._run(self.user, script, {**environment, "MODULEPATH": str(self.tree), **options})

    def _run(self, who: User, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        # Wide, so that no table is broken; what it says of errors is said in its place.
        fixed = {"COLUMNS": "160", "TZ": "UTC", **self.environment}
        return run_as(
            who, ["bash", "-c", script], env={**fixed, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def start_of(self, system: ModuleSystem) -> str:
        assert system.program
        return system.start(BASH)


def make_cluster(directory: Path, administrator: User, user: User, real: Path | None = None) -> Cluster:
    """What an administrator has after installing conda, and ucenv into its base."""
    cluster = Cluster(directory, administrator, user, real is not None)
    root = cluster.root
    archives = [write_package(package, cluster.channel) for package in (fake_python(), *odd_packages(), *PACKAGES)]
    index_channel(cluster.channel)
    base = [archive for archive in archives if archive.name.startswith(("python-", "odd-generic"))]
    install_packages(base, root, directory / "unpacked")  # in a cache of conda's the archives are too
    for path in (root / "envs", root / "pkgs"):
        path.mkdir()
    for path in (root / "conda-meta").iterdir():
        path.chmod(0o644)
    if real is None:
        install_stand_in(root)
    else:
        (root / "bin/conda").write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        (root / "bin/conda").chmod(0o755)
    _install_ucenv(root)
    (root / "etc/profile.d/conda.sh").write_text(conda_sh(root))
    for path in (cluster.tree, cluster.directory / "apps/admin", cluster.scratch):
        path.mkdir(parents=True)
    for top, who in ((directory / "apps", administrator), (cluster.scratch, user)):
        for path in (top, *top.rglob("*")):
            os.chown(path, who.uid, who.gid, follow_symlinks=False)
    return cluster


def _install_ucenv(root: Path) -> None:
    """As pip does from the wheel, but for the package itself: tests/cli/test_packaging.py installs that."""
    for directory in ("etc/profile.d", "share/ucenv/shell"):
        (root / directory).mkdir(parents=True)
        for name in HOOKS:
            if (directory, name) != ("etc/profile.d", "ucenv-act.csh"):
                (root / directory / name).write_bytes((CHECKOUT / "shell" / name).read_bytes())
    command = root / "bin/ucenv"
    command.write_text(
        f'#!/bin/sh\nUCENV_CONDA_ROOT=${{UCENV_CONDA_ROOT-{root}}} exec {sys.executable} -m userconda "$@"\n'
    )
    command.chmod(0o755)
