"""What conda takes with ucenv's plugin and without: two copies of one conda, in one of which ucenv is installed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bench, Row, Skipped
from demo.packages import Package, PackageFile, index_channel, write_package
from tests.conda.plugin import with_plugin
from tests.support.sysctl import protected_hardlinks
from tests.support.users import ADMIN, USER, run_as, two_users

_PACKAGES = 40
_FILES = 50


def run(bench: Bench) -> None:
    named = os.environ.get("UCENV_TEST_CONDA")
    if not named:
        raise Skipped("set UCENV_TEST_CONDA to the root of a real conda")
    directory = bench.fresh("plugin")
    directory.mkdir()
    # Without what ucenv imports itself: another directory of modules would slow every import of conda's.
    subject = with_plugin(Path(named), directory / "with", dependencies=False)
    baseline = with_plugin(Path(named), directory / "without", dependencies=False)
    shutil.rmtree(next(baseline.glob("lib/python3.*/site-packages/ucenv-*.dist-info")))
    channel = directory / "channel"
    names = write_channel(channel)
    env = measure.environment(bench.directory) | {
        "CONDARC": os.devnull,
        "CONDA_OFFLINE": "true",
        "CONDA_SOLVER": "classic",
        "CONDA_REGISTER_ENVS": "false",
        "CONDA_PKGS_DIRS": str(directory / "pkgs"),
    }
    offline = ["--yes", "--quiet", "--override-channels", "--channel", channel.as_uri()]
    existing = directory / "existing"
    fill: list[str | Path] = ["create", *offline, "--prefix", existing, *names]
    measure.timed([baseline / "bin/conda", *fill], env, bench.directory)

    def command(conda: Path, *words: str | Path) -> Callable[[], float]:
        return lambda: measure.timed([conda / "bin/conda", *words], env, bench.directory)

    def create(conda: Path) -> Callable[[], float]:
        argv: list[str | Path] = [conda / "bin/conda", "create", *offline]
        return lambda: measure.timed([*argv, "--prefix", bench.fresh("new"), *names], env, bench.directory)

    pairs = 1 if bench.options.quick else max(21, bench.options.pairs)
    for name, words in {
        "conda --version": ["--version"],
        "conda activate": ["shell.posix", "activate", str(existing)],
        "conda list": ["list", "--prefix", str(existing)],
    }.items():
        bench.take_turns(
            "plugin", (name, command(subject, *words)), ("without", command(baseline, *words)), pairs=pairs
        )
    bench.take_turns(
        "plugin",
        ("conda create", create(subject)),
        ("without", create(baseline)),
        note=f"{_PACKAGES} packages, {_PACKAGES * _FILES:,} files, links allowed",
        pairs=1 if bench.options.quick else max(7, bench.options.pairs),
    )
    if os.geteuid() == 0:
        refused(bench, directory, channel, names)


def refused(bench: Bench, directory: Path, channel: Path, names: list[str]) -> None:
    """Two environments alike, from the packages of a cache that the kernel refuses links from."""
    two_users()
    os.chmod(directory, 0o755)
    charged: dict[str, float] = {}
    seconds: dict[tuple[str, str], float] = {}
    with protected_hardlinks(1):
        for name in ("with", "without"):
            space = directory / f"space-{name}"
            space.mkdir()
            os.chown(space, USER.uid, USER.gid)
            for path in (directory / "pkgs", *(directory / "pkgs").rglob("*")):
                os.chown(path, ADMIN.uid, ADMIN.gid, follow_symlinks=False)
            env = {
                "CONDARC": os.devnull,
                "CONDA_OFFLINE": "true",
                "CONDA_SOLVER": "classic",
                "CONDA_PKGS_DIRS": f"{space / 'pkgs'},{directory / 'pkgs'}",
            }
            offline = ["--yes", "--quiet", "--override-channels", "--channel", channel.as_uri()]
            for number in ("one", "two"):
                conda = directory / name / "bin/conda"
                argv: list[str | Path] = [conda, "create", *offline, "--prefix", space / number, *names]
                started = time.perf_counter()
                done = run_as(USER, argv, env=env, cwd="/")
                seconds[name, number] = time.perf_counter() - started
                if done.returncode:
                    raise Skipped(f"conda as another user: {done.stderr}")
            charged[name] = charged_mb(space)
    for number in ("one", "two"):
        a, b = seconds["with", number], seconds["without", number]
        label = {"one": "first", "two": "second"}[number]
        bench.rows.append(Row("plugin", f"conda create, links refused, {label}", "without", (a / b,), a, b))
    a, b = charged["with"], charged["without"]
    bench.rows.append(Row("plugin", "charged for both", "without", (a / b,), a, b, "MB"))


def charged_mb(space: Path) -> float:
    inodes = {(status.st_dev, status.st_ino): status.st_blocks * 512 for status in map(os.lstat, space.rglob("*"))}
    return sum(inodes.values()) / 1e6


def write_channel(channel: Path) -> list[str]:
    """Packages of nothing but data, so that no Python takes part."""
    names = []
    for number in range(_PACKAGES):
        name = f"made-{number:02}"
        data = bytes(range(256)) * 64
        files = tuple(
            PackageFile(f"share/{name}/part-{n % 5}/file-{n}.dat", data + f"{number} {n}".encode())
            for n in range(_FILES)
        )
        write_package(Package(name, "1.0", "0", files=files), channel)
        names.append(name)
    index_channel(channel)
    return names
