"""A site's conda without environments, a channel to make them from, and what is to make them: a stand-in by
py-rattler under conda's and micromamba's names, and the real conda where one is named."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo import Package, PackageFile, index_channel, write_package
from tests.cli.conftest import Cluster, Run
from tests.support import CHECKOUT, Unavailable
from tests.support.conda_stand_in import install_stand_in
from userconda import processes

STAND_INS = ("conda", "micromamba")
PROGRAMS = (*STAND_INS, "real")


def package(name: str, version: str, *depends: str, platform: bool = False, size_bytes: int = 20) -> Package:
    data = f"{name} {version}\n".encode().ljust(size_bytes, b"x")
    files = (PackageFile(f"share/{name}/version.txt", data), PackageFile(f"share/{name}/second.txt", b"2\n"))
    return Package(name, version, depends=depends, noarch=None if platform else "generic", files=files)


PACKAGES = (
    package("lib", "1.0"), package("lib", "1.5"), package("lib", "2.0"),
    package("app", "1.0", "lib"), package("app", "2.0", "lib"), package("native", "1.0", "lib <2", platform=True),
)  # fmt: skip


def make_channel(directory: Path, packages: Sequence[Package] = PACKAGES) -> Path:
    for one in packages:
        write_package(one, directory)
    index_channel(directory)
    return directory


#: Before a prompt takes the variables away.
_REAL = os.environ.get("UCENV_TEST_CONDA")


def real_conda() -> Path:
    if not _REAL:
        raise Unavailable("no real conda: UCENV_TEST_CONDA=<root of one> names it")
    return Path(_REAL) / "bin/conda"


@dataclass
class Centre:
    """`site.toml` and an administrator's prompt."""

    prompt: Cluster
    program: str
    directory: Path
    channel: Path
    real: Path | None = None
    condarc: dict[str, Any] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.prompt.site.conda.root

    @property
    def pkgs(self) -> Path:
        return self.root / "pkgs"

    def prefix(self, name: str) -> Path:
        return self.root / "envs" / name

    def define(self, *environments: Mapping[str, Any]) -> None:
        """Write site.toml. Environments by name, with their packages and what else a group has."""
        program = self.program if self.real is None else str(self.real)
        lines = ["[conda]", f'root = "{self.root}"', 'version = "1"', f'program = "{program}"', "[condarc]"]
        settings = {"channels": [self.channel.as_uri()], "offline": True, **self.condarc}
        if self.real is not None:
            settings["solver"] = "classic"
        lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines += ["[pins]", *(f"{name} = {json.dumps(value)}" for name, value in self.pins.items())]
        for environment in environments:
            whole = {"module": f"m/{environment['name']}", **environment}
            lines += ["[[environments]]", *(f"{name} = {json.dumps(value)}" for name, value in whole.items())]
        path = self.root / "etc/ucenv/site.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def __call__(self, command: str, *words: str | Path) -> Run:
        return self.prompt("site", command, *map(str, words))

    def result(self, command: str, *words: str | Path, code: int = 0) -> Any:
        run = self(command, *words, "--json")
        assert run.code == code, run.out + run.err
        return run.json["result"]

    def states(self, *words: str) -> dict[str, str]:
        result = self.result("environments", "--dry-run", *words)
        return {entry["name"]: entry["state"] for entry in result["environments"]}

    def done(self, *words: str, code: int = 0) -> dict[str, str]:
        result = self.result("environments", *words, code=code)
        return {entry["name"]: entry["done"] for entry in result["environments"]}

    def installed(self, name: str) -> dict[str, str]:
        records = [json.loads(p.read_text()) for p in (self.prefix(name) / "conda-meta").glob("*.json")]
        return {record["name"]: record["version"] for record in records}

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """In a process, and a session, of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "userconda", "site", *map(str, words)],
            env={
                "TMPDIR": str(self.directory),
                **self.prompt.environment,
                "PYTHONPATH": str(CHECKOUT),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stop_in_the_middle(self, *words: str | Path, sign: Callable[[], Path]) -> tuple[subprocess.Popen[str], int]:
        """Run until the stand-in waits in the middle (`stand_in = "wait"`); the run, and the stand-in's number."""
        process = self.start(*words)
        deadline = time.monotonic() + 60
        while not (sign().exists() and sign().read_text()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, int(sign().read_text())


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while processes.is_running(pid, None):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def make_centre(prompt: Cluster, program: str, directory: Path) -> Centre:
    directory.mkdir(exist_ok=True)
    centre = Centre(prompt, program, directory, make_channel(directory / "channel"))
    (centre.root / "conda-meta").mkdir(exist_ok=True)
    if program == "real":
        centre.real = real_conda()
    else:
        install_stand_in(centre.root, program)
    centre.define()
    return centre
