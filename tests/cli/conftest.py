from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import SystemConda, make_system_conda
from tests.clone.sites import Site
from userconda.cli import main


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cluster:
    """A site, and a user at its prompt."""

    site: Site
    environment: dict[str, str]
    capsys: pytest.CaptureFixture[str]

    @property
    def root(self) -> Path:
        return self.site.space

    def __call__(self, *words: str) -> Run:
        self.capsys.readouterr()
        code = main(words)
        return Run(code, *self.capsys.readouterr())

    def process(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "userconda", *words]
        return subprocess.Popen(command, env=self.environment, text=True, stderr=subprocess.PIPE, **options)


@pytest.fixture
def prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cluster]:
    """A user where nothing is installed yet."""
    site = Site(tmp_path, SystemConda(tmp_path / "opt/conda"))
    for directory in (tmp_path / "home", site.space, site.conda.root):
        directory.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "SCRATCH": str(tmp_path / "scratch"),
        "SHELL": "/bin/bash",
        "UCENV_CONDA_ROOT": str(site.conda.root),
    }
    for name in list(os.environ):
        if not name.startswith("PYTEST"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Cluster(site, environment, capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def ucenv(prompt: Cluster) -> Cluster:
    """A user of a cluster's conda with one environment, and a file that says so."""
    root = prompt.site.conda.root
    make_system_conda(root, None, small=True)
    (root / "etc/ucenv").mkdir(parents=True)
    (root / "etc/ucenv/site.toml").write_text(
        f'[conda]\nroot = "{root}"\nversion = "4.8.3"\n[modules]\ntree = "{prompt.site.tmp}/modulefiles"\n'
        '[[environments]]\nname = "py3_powerai_1.7.0"\nmodule = "python3/powerai_1.7.0"\n'
    )
    return prompt
