"""A clone of one's own, links allowed: beside `cp -al`, rattler's installer, and a real conda."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bench, Skipped

CONDA_PACKAGES = 20
CONDA_FILES = 5_000


def run(bench: Bench) -> None:
    root = bench.fresh("system")
    bench.say("making the environment")
    source = measure.make_environment(root, bench.options.files, bench.options.directories, fill_cache=True)
    about = measure.counted(source)
    env = measure.environment(bench.directory, root)

    def ucenv() -> float:
        return measure.timed(measure.clone_command(source, bench.fresh("space")), env, bench.directory)

    def cp() -> float:
        return measure.timed(["cp", "-al", source, bench.fresh("cp")], env, bench.directory)

    def rattler() -> float:
        # Leaves by _exit: what a worker thread of rattler's does at the end is not to be counted.
        code = (
            "from pathlib import Path; import os, demo;demo.install_from_cache(*map(Path, sys.argv[1:])); os._exit(0)"
        )
        target, cache = bench.fresh("rattler"), root / "pkgs"
        return measure.timed(measure.python(code, source, target, cache), env, bench.directory)

    bench.take_turns("clone", ("ucenv clone", ucenv), ("cp -al", cp), note=about)
    try:
        bench.take_turns("clone", ("ucenv clone", ucenv), ("rattler, warm cache", rattler), note=about)
    except RuntimeError as error:
        bench.skipped.append(f"clone: rattler: {str(error).splitlines()[-1]}")
    if bench.options.quick:
        bench.skipped.append("clone: conda create --clone takes longer than --quick has")
        return
    try:
        beside_conda(bench)
    except Skipped as reason:
        bench.skipped.append(f"clone: {reason}")


def beside_conda(bench: Bench) -> None:
    """`conda create --clone` of an environment that this conda has installed, offline, links allowed to it too."""
    named = os.environ.get("UCENV_TEST_CONDA")
    if not named:
        raise Skipped("conda create --clone: set UCENV_TEST_CONDA to the root of a real conda")
    conda = Path(named) / "bin" / "conda"
    directory = bench.fresh("conda")
    channel, source = directory / "channel", directory / "envs" / "source"
    code = (
        "from pathlib import Path; import os; from benchmarks.clone import write_channel;"
        "write_channel(Path(sys.argv[1])); os._exit(0)"
    )
    directory.mkdir()
    env = measure.environment(bench.directory)
    subprocess.run(measure.python(code, channel), check=True, env=env)
    env |= {
        "CONDA_PKGS_DIRS": str(directory / "pkgs"),
        "CONDA_ENVS_PATH": str(directory / "envs"),
        "CONDA_REGISTER_ENVS": "false",
    }
    offline = ["--yes", "--quiet", "--offline", "--override-channels", "--channel", channel.as_uri()]
    names = [f"synthetic-{number:03}" for number in range(CONDA_PACKAGES)]
    bench.say("installing an environment with conda")
    create: list[str | Path] = [conda, "create", *offline, "--prefix", source, *names]
    measure.timed(create, env, bench.directory)

    def ucenv() -> float:
        return measure.timed(measure.clone_command(source, bench.fresh("space")), env, bench.directory)

    def conda_clone() -> float:
        target = directory / "envs" / bench.fresh("clone").name
        argv: list[str | Path] = [
            conda,
            "create",
            "--yes",
            "--quiet",
            "--offline",
            "--clone",
            source,
            "--prefix",
            target,
        ]
        return measure.timed(argv, env, bench.directory)

    version = subprocess.run([conda, "--version"], env=env, capture_output=True, text=True, check=True).stdout.strip()
    bench.take_turns(
        "clone",
        ("ucenv clone", ucenv),
        ("conda create --clone", conda_clone),
        note=f"{measure.counted(source)}, {CONDA_PACKAGES} packages, {version}",
        pairs=min(3, bench.options.pairs),
    )


def write_channel(channel: Path) -> None:
    """A local channel of packages like those of the big environment."""
    import random

    from demo.packages import index_channel, write_package
    from demo.system_conda import _HOLDING_FILES, _apportion, _Filler, _synthetic_package

    rng = random.Random(1)
    filler = _Filler(rng)
    weights = [rng.lognormvariate(0, 1.4) for _ in range(CONDA_PACKAGES)]
    directories = _apportion(CONDA_FILES * 19 // 120, weights)
    for number, files in enumerate(_apportion(CONDA_FILES, weights)):
        holding = _HOLDING_FILES * 7 if number % 7 == 0 else 0.0
        name = f"synthetic-{number:03}"
        write_package(_synthetic_package(name, files, directories[number], rng, filler, holding), channel)
    index_channel(channel)
