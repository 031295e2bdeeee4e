"""On a filesystem whose every metadata operation takes a network's time."""

from __future__ import annotations

from benchmarks import measure
from benchmarks.measure import Bench, Skipped
from tests.support import Unavailable
from tests.support.filesystems import fuse_latency_mount

DELAY_US = 500


def run(bench: Bench) -> None:
    files, directories = (300, 48) if bench.options.quick else (2_000, 320)
    behind = bench.fresh("behind")
    behind.mkdir()
    # Made where the mount will show it: the records hold the paths.
    measure.make_environment(behind / "system", files, directories)
    try:
        with fuse_latency_mount(behind, DELAY_US) as fuse:
            root = fuse.path / "system"
            source = root / "envs" / "big"
            about = f"{measure.counted(source)}, {DELAY_US} us an operation"
            env = measure.environment(bench.directory, root)

            def ucenv() -> float:
                space = fuse.path / bench.fresh("space").name
                return measure.timed(measure.clone_command(source, space), env, bench.directory)

            def cp() -> float:
                target = fuse.path / bench.fresh("cp").name
                return measure.timed(["cp", "-al", source, target], env, bench.directory)

            pairs = min(3, bench.options.pairs)
            bench.take_turns("latency", ("ucenv clone", ucenv), ("cp -al", cp), note=about, pairs=pairs)
    except Unavailable as missing:
        raise Skipped(missing.reason) from None
