"""Another owner's environment under fs.protected_hardlinks=1: what the first clone costs, and what the second."""

from __future__ import annotations

import os
import statistics
import subprocess

from benchmarks import measure
from benchmarks.measure import OTHER_UID, Bench, Row, Skipped
from demo.sysctl import may_set, protected_hardlinks

#: The real environment has 4.9 GB in 120,584 files, most of it in a few libraries.
LIBRARY_BYTES_A_FILE = 36_000

UNITS = {"seconds": "s", "charged bytes": "MB", "charged inodes": "inodes"}


def run(bench: Bench) -> None:
    if os.geteuid() != 0:
        raise Skipped("needs root, to be another user")
    if not may_set():
        raise Skipped("fs.protected_hardlinks cannot be set here")
    root = bench.fresh("system")
    bench.say("making the environment")
    libraries = LIBRARY_BYTES_A_FILE * bench.options.files
    source = measure.make_environment(root, bench.options.files, bench.options.directories, library_bytes=libraries)
    subprocess.run(["chmod", "-R", "a+rX", root], check=True)
    about = measure.counted(source)
    env = measure.environment(bench.directory, root)
    home = bench.fresh("home")
    home.mkdir()
    os.chown(home, OTHER_UID, OTHER_UID)
    env["HOME"] = str(home)
    try:
        measure.timed([*measure.ucenv(), "config"], env, bench.directory, user=OTHER_UID)
    except (RuntimeError, OSError):
        raise Skipped("this Python or the checkout is closed to other users") from None
    firsts: list[dict[str, float]] = []
    seconds: list[dict[str, float]] = []
    with protected_hardlinks(1):
        for _ in range(min(3, bench.options.pairs)):
            space = bench.fresh("space")
            space.mkdir()
            os.chown(space, OTHER_UID, OTHER_UID)
            for results, name in ((firsts, "first"), (seconds, "second")):
                argv = [*measure.ucenv(), "clone", "--json", "--yes", "--root", str(space), str(source), name]
                wall, output = measure.timed_output(argv, env, bench.directory, user=OTHER_UID)
                result = measure.result_of(output)
                charged = result["bytes"]["charged"], result["inodes"]["charged"]
                results.append(dict(zip(UNITS, (wall, charged[0] / 1e6, charged[1]), strict=True)))
                bench.say(f"{name} {wall:.2f} s, {charged[0] / 1e6:.0f} MB, {charged[1]:,} inodes")
    for what, unit in UNITS.items():
        bench.rows.append(
            Row(
                "refused",
                f"second clone, {what}",
                "first clone",
                tuple(b[what] / a[what] for a, b in zip(firsts, seconds, strict=True)),
                statistics.median(result[what] for result in seconds),
                statistics.median(result[what] for result in firsts),
                unit,
                about,
            )
        )
