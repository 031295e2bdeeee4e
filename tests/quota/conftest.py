from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.clone.sites import Site, make_site
from userconda.config import Config


@dataclass
class Commands:
    """Executables of a test's own, first in PATH. Each call is written to a file beside them."""

    directory: Path
    settings: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, script: str, *, interpreter: str = "/bin/sh", mode: int = 0o755) -> Path:
        path = self.directory / name
        # One write a call: commands run side by side.
        log = f'printf "%s\\0" {name} "$@" "\n" >> "{self.directory}/.calls"\n'
        path.write_text(f"#!{interpreter}\n{log if interpreter == '/bin/sh' else ''}{script}\n")
        path.chmod(mode)
        return path

    def prints(self, name: str, text: str, exit_code: int = 0) -> None:
        """A command that prints a text whatever it is asked."""
        answer = self.directory / f".{name}.answer"
        answer.write_text(text)
        self.add(name, f"cat '{answer}'; exit {exit_code}")

    @property
    def calls(self) -> list[list[str]]:
        """The words of each call so far."""
        log = self.directory / ".calls"
        lines = log.read_text().split("\0\n\0") if log.exists() else []
        return sorted(line.split("\0") for line in lines if line)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.directory}:/usr/bin:/bin", "HOME": str(self.directory), **self.settings}

    @property
    def config(self) -> Config:
        return Config({**self.environment, "UCENV_CONDA_ROOT": "/nonexistent"})


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    directory = tmp_path / "bin"
    directory.mkdir()
    return Commands(directory)


def marked(marker: str) -> list[int]:
    """Processes that still run with a word in their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def gone(marker: str) -> bool:
    """Whether they are; one that was killed a moment ago may still be dying."""
    until = monotonic() + 2
    while marked(marker) and monotonic() < until:
        sleep(0.01)
    return not marked(marker)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)
