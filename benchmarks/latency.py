"""On a filesystem whose every metadata operation takes a network's time."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bench, Skipped
from tests.support import Unavailable
from tests.support.filesystems import fuse_latency_mount

DELAY_US = 500


def unslowed(behind: Path, mount_point: Path) -> list[str | Path]:
    """A command whose own command sees `behind` itself at `mount_point`, and so fills it fast, under its path there."""
    if os.geteuid() != 0:
        return []
    bind = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", bind, "sh", behind, mount_point]


def run(bench: Bench) -> None:
    files, directories, packages = (200, 32, 2) if bench.options.quick else (2_000, 320, 20)
    for cache_seconds, cached in ((1.0, "names cached for 1 s"), (0.0, "no names cached")):
        behind = bench.fresh("behind")
        behind.mkdir()
        try:
            with fuse_latency_mount(behind, DELAY_US, cache_seconds=cache_seconds) as fuse:
                root = fuse.path / "system"
                within = unslowed(behind, fuse.path)
                source = measure.make_environment(root, files, directories, packages=packages, within=within)
                env = measure.environment(bench.directory, root)
                beside_cp(bench, source, fuse.path, env, f"{DELAY_US} us an operation, {cached}")
        except Unavailable as missing:
            raise Skipped(missing.reason) from None


def beside_cp(bench: Bench, source: Path, mount_point: Path, env: dict[str, str], about: str) -> None:
    def ucenv() -> float:
        space = mount_point / bench.fresh("space").name
        return measure.timed(measure.clone_command(source, space), env, bench.directory)

    def cp() -> float:
        return measure.timed(["cp", "-al", source, mount_point / bench.fresh("cp").name], env, bench.directory)

    bench.take_turns(
        "latency",
        ("ucenv clone", ucenv),
        ("cp -al", cp),
        note=f"{measure.counted(source)}, {about}",
        # Without a cache cp takes a minute; the delay is the same each time.
        pairs=1,
        warm_up=False,
    )
