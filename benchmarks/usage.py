"""`ucenv usage` beside `du -s` and gdu: warm, where every call waits, by the number of entries, and its memory."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import measure
from benchmarks.latency import DELAY_US, unslowed
from benchmarks.measure import Bench, Row, Skipped
from tests.support import Unavailable
from tests.support.filesystems import fuse_latency_mount

#: Entries by which time and memory are told, each a link to an inode with two links.
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)


def run(bench: Bench) -> None:
    warm(bench)
    slow(bench)
    growth(bench)


def command(space: Path) -> list[str | Path]:
    return [*measure.ucenv(), "usage", "--root", space]


def warm(bench: Bench) -> None:
    """Two environments of 139,000 entries each: the second a copy, or hard links to the first's files."""
    root = bench.fresh("system")
    bench.say("making environments")
    source = measure.make_environment(root, bench.options.files, bench.options.directories)
    env = measure.environment(bench.directory)
    for how, options in (("the second linked to the first", ["-al"]), ("no links", ["-a"])):
        envs = bench.fresh("space") / "envs"
        envs.mkdir(parents=True)
        subprocess.run(["cp", "-a", source, envs / "one"], check=True)
        subprocess.run(["cp", *options, envs / "one", envs / "two"], check=True)
        about = f"{entries(envs):,} entries in two environments, {how}"
        beside(bench, "usage", envs, env, about, bench.options.pairs)


def slow(bench: Bench) -> None:
    files, directories, packages = (200, 32, 2) if bench.options.quick else (2_000, 320, 20)
    for cache_seconds, cached in ((1.0, "names cached for 1 s"), (0.0, "no names cached")):
        behind = bench.fresh("behind")
        behind.mkdir()
        try:
            with fuse_latency_mount(behind, DELAY_US, cache_seconds=cache_seconds) as fuse:
                within = unslowed(behind, fuse.path)
                measure.make_environment(fuse.path / "system", files, directories, packages=packages, within=within)
                (behind / "space/envs").mkdir(parents=True)
                for name in ("one", "two"):
                    subprocess.run(["cp", "-a", behind / "system/envs/big", behind / "space/envs" / name], check=True)
                envs = fuse.path / "space/envs"
                about = f"{entries(behind / 'space/envs'):,} entries, {DELAY_US} us an operation, {cached}"
                beside(bench, "usage", envs, measure.environment(bench.directory), about, min(3, bench.options.pairs))
        except Unavailable as missing:
            raise Skipped(missing.reason) from None


def beside(bench: Bench, group: str, envs: Path, env: dict[str, str], about: str, pairs: int) -> None:
    def timed(argv: Sequence[str | Path]) -> Callable[[], float]:
        return lambda: measure.timed(argv, env, bench.directory)

    ucenv = "ucenv usage", timed(command(envs.parent))
    bench.take_turns(group, ucenv, ("du -s", timed(["du", "-s", envs])), note=about, pairs=pairs)
    if shutil.which("gdu"):
        others = timed(["gdu", "--non-interactive", "--no-progress", "--summarize", envs])
        bench.take_turns(group, ucenv, ("gdu", others), note=about, pairs=pairs)
    else:
        bench.skipped.append(f"{group}: needs gdu, to compare with it")


def entries(top: Path) -> int:
    return sum(len(names) + len(files) for _, names, files in os.walk(top))


def growth(bench: Bench) -> None:
    sizes = QUICK_SIZES if bench.options.quick else SIZES
    env = measure.environment(bench.directory)
    seconds: dict[int, float] = {}
    for size in sizes:
        bench.say(f"making {size:,} entries")
        space = make_links(bench.fresh("links"), size)
        ratios = beside_du(bench, space, env)
        seconds[size] = statistics.median(ours for ours, _ in ratios)
        about = "each an inode that is linked from elsewhere"
        bench.rows.append(
            Row(
                "usage",
                f"{size:,} entries",
                "du -s",
                tuple(ours / du for ours, du in ratios),
                seconds[size],
                statistics.median(du for _, du in ratios),
                note=about,
            )
        )
        together = measure.memory_of(command(space), env).together
        bench.rows.append(
            Row(
                "usage",
                f"{size:,} entries, peak of all processes' PSS",
                "100 MB a million",
                (together / (100e6 * size / 1e6),),
                together / 1e6,
                100 * size / 1e6,
                "MB",
                about,
            )
        )


def beside_du(bench: Bench, space: Path, env: dict[str, str]) -> list[tuple[float, float]]:
    measured = []
    for number in range(min(3, bench.options.pairs) + 1):
        ours = measure.timed(command(space), env, bench.directory)
        du = measure.timed(["du", "-s", space / "envs"], env, bench.directory)
        if number:  # the first round warms up
            measured.append((ours, du))
    return measured


def make_links(top: Path, count: int) -> Path:
    """A user's space of one environment with so many files, each a hard link to one outside: the dearest kind."""
    for start in range(0, count, 100):
        inside, outside = (top / place / str(start // 10_000) / str(start) for place in ("space/envs/one", "outside"))
        inside.mkdir(parents=True)
        outside.mkdir(parents=True)
        for number in range(start, start + 100):
            path = outside / str(number)
            path.touch()
            os.link(path, inside / str(number))
    (top / "space/envs/one/conda-meta").mkdir()
    return top / "space"
