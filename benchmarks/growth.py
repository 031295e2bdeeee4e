"""Time and memory by the number of files."""

from __future__ import annotations

import statistics

from benchmarks import measure
from benchmarks.measure import Bench, Memory, Row

SIZES = (1_000, 5_000, 20_000, 60_000, 120_000, 200_000)
QUICK_SIZES = (1_000, 5_000)

#: What the others are compared with.
REFERENCE = 20_000


def run(bench: Bench) -> None:
    sizes = QUICK_SIZES if bench.options.quick else SIZES
    reference = REFERENCE if REFERENCE in sizes else sizes[-1]
    sources = {}
    for files in sizes:
        bench.say(f"making {files:,} files")
        root = bench.fresh("system")
        sources[files] = root, measure.make_environment(root, files, files * 19 // 120)
    seconds: dict[int, list[float]] = {files: [] for files in sizes}
    for number in range(min(3, bench.options.pairs) + 1):
        for files, (root, source) in sources.items():
            env = measure.environment(bench.directory, root)
            taken = measure.timed(measure.clone_command(source, bench.fresh("space")), env, bench.directory)
            if number:  # the first round warms up
                seconds[files].append(taken)
    memory: dict[int, Memory] = {}
    for files, (root, source) in sources.items():
        env = measure.environment(bench.directory, root)
        # Apart from the timing, which reading smaps_rollup would disturb.
        memory[files] = measure.memory_of(measure.clone_command(source, bench.fresh("space")), env)
        bench.say(
            f"{files:,} files: {statistics.median(seconds[files]):.2f} s, largest process "
            f"{memory[files].largest / 1e6:.0f} MB, all together {memory[files].together / 1e6:.0f} MB"
        )
    for files in sizes:
        bench.rows.append(
            Row(
                "growth",
                f"{files:,} files, seconds a 1,000 files",
                f"{reference:,} files",
                tuple((a / files) / (b / reference) for a, b in zip(seconds[files], seconds[reference], strict=True)),
                statistics.median(seconds[files]) * 1000 / files,
                statistics.median(seconds[reference]) * 1000 / reference,
                note=f"{statistics.median(seconds[files]):.2f} s in all",
            )
        )
    for what in ("largest", "together"):
        label = "peak of the largest process" if what == "largest" else "peak of all processes' PSS"
        for files in sizes:
            value, base = (getattr(memory[number], what) for number in (files, reference))
            row = Row("growth", f"{files:,} files, {label}", f"{reference:,} files", (value / base,), value, base)
            bench.rows.append(_in_megabytes(row))


def _in_megabytes(row: Row) -> Row:
    return Row(
        row.group, row.subject, row.baseline, row.ratios, row.subject_value / 1e6, row.baseline_value / 1e6, "MB"
    )
