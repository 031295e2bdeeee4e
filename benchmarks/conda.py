"""Beside `conda create --clone` of an environment that this conda has installed, offline, links allowed to it too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bench, Skipped

#: As in the big environment.
FILES_A_PACKAGE = 480


def run(bench: Bench) -> None:
    if bench.options.quick:
        raise Skipped("conda create --clone takes longer than --quick has")
    named = os.environ.get("UCENV_TEST_CONDA")
    if not named:
        raise Skipped("set UCENV_TEST_CONDA to the root of a real conda")
    conda = Path(named) / "bin" / "conda"
    directory = bench.fresh("conda")
    channel, source = directory / "channel", directory / "envs" / "source"
    code = (
        "from pathlib import Path; import os; from benchmarks.conda import write_channel;"
        "write_channel(Path(sys.argv[1]), int(sys.argv[2])); os._exit(0)"
    )
    directory.mkdir()
    env = measure.environment(bench.directory)
    subprocess.run(measure.python(code, channel, str(bench.options.conda_files)), check=True, env=env)
    env |= {
        "CONDA_PKGS_DIRS": str(directory / "pkgs"),
        "CONDA_ENVS_PATH": str(directory / "envs"),
        "CONDA_REGISTER_ENVS": "false",
    }
    offline = ["--yes", "--quiet", "--offline", "--override-channels", "--channel", channel.as_uri()]
    names = [f"synthetic-{number:03}" for number in range(package_count(bench.options.conda_files))]
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
        "conda",
        ("ucenv clone", ucenv),
        ("conda create --clone", conda_clone),
        note=f"{measure.counted(source)}, {len(names)} noarch packages, {version}",
        pairs=min(3, bench.options.pairs),
    )


def package_count(files: int) -> int:
    return max(10, files // FILES_A_PACKAGE)


def write_channel(channel: Path, files: int) -> None:
    """A local channel of noarch packages like those of the big environment, and of the Python that compiles them."""
    import random
    from dataclasses import replace

    from demo.packages import SITE_PACKAGES, index_channel, package_from_python, write_package
    from demo.system_conda import HOLDING_FILES, Filler, apportion, synthetic_package

    rng = random.Random(1)
    filler = Filler(rng)
    weights = [rng.lognormvariate(0, 1.4) for _ in range(package_count(files))]
    directories = apportion(files * 19 // 120, weights)
    write_package(package_from_python(), channel)
    # conda compiles what it clones: that takes as long as it does only with modules as long as real ones.
    sources = [path.read_bytes() for path in sorted(Path(os.__file__).parent.glob("*.py"))]
    for number, count in enumerate(apportion(files, weights)):
        holding = HOLDING_FILES * 7 if number % 7 == 0 else 0.0
        package = synthetic_package(f"synthetic-{number:03}", count, directories[number], rng, filler, holding)
        members = tuple(
            replace(
                file,
                path=file.path.replace(SITE_PACKAGES, "site-packages", 1),
                data=rng.choice(sources) if file.path.endswith(".py") else file.data,
            )
            for file in package.files
            if not file.path.endswith(".pyc")
        )
        write_package(replace(package, noarch="python", depends=("python",), files=members), channel)
    index_channel(channel)
