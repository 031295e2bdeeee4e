"""A clone of one's own, links allowed: beside `cp -al` and rattler's installer."""

from __future__ import annotations

from benchmarks import measure
from benchmarks.measure import Bench


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
