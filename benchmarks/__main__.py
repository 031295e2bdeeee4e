"""`python -m benchmarks`: measure, and print a table for the docs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import clone, conda, growth, latency, modules, plugin, refused, shells, start, thin, usage
from benchmarks.measure import Bench, Options, Row, Skipped
from tests.support import Unavailable
from tests.support.filesystems import loop_mount, scratch_directory

GROUPS = {
    "clone": clone,
    "conda": conda,
    "refused": refused,
    "thin": thin,
    "latency": latency,
    "growth": growth,
    "start": start,
    "shells": shells,
    "plugin": plugin,
    "modules": modules,
    "usage": usage,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--files", type=int, metavar="N", help="of the environment that is cloned (120,000)")
    parser.add_argument("--directories", type=int, metavar="N", help="of that environment (19 for 120 files)")
    parser.add_argument("--conda-files", type=int, default=5_000, metavar="N", help="of the one conda clones (5,000)")
    parser.add_argument("--pairs", type=int, metavar="N", help="how often two things take turns (5)")
    parser.add_argument("--only", choices=GROUPS, action="append", metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="small and once: to see that it works, not for figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the results as JSON as well")
    arguments = parser.parse_args()
    files = arguments.files or (3_000 if arguments.quick else 120_000)
    directories = arguments.directories or files * 19 // 120
    pairs = arguments.pairs or (1 if arguments.quick else 5)
    options = Options(files, directories, arguments.conda_files, pairs, arguments.quick)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    started = time.monotonic()
    load_before = os.getloadavg()[0]
    names = arguments.only or list(GROUPS)
    try:
        with place(options, needs_room=not set(names) <= {"start", "shells", "modules"}) as (directory, filesystem):
            bench = Bench(options, directory)
            for name in names:
                print(f"{name}:", file=sys.stderr, flush=True)
                try:
                    GROUPS[name].run(bench)
                except Skipped as reason:
                    bench.skipped.append(f"{name}: {reason}")
    except KeyboardInterrupt:
        return 130
    facts = machine(filesystem) | {"load before": f"{load_before:.2f}", "load after": f"{os.getloadavg()[0]:.2f}"}
    facts["taken"] = f"{time.monotonic() - started:.0f} s"
    print(table(bench.rows, bench.skipped, facts))
    if arguments.json:
        results = {"machine": facts, "rows": [row.to_json() for row in bench.rows], "skipped": bench.skipped}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def place(options: Options, *, needs_room: bool) -> Iterator[tuple[Path, str]]:
    """A new ext4 where root may mount one: an old one is slow after large deletions, and fast or slow by its age."""
    with contextlib.ExitStack() as stack:
        if needs_room and os.geteuid() == 0:
            try:
                yield stack.enter_context(new_ext4(options)), "a new ext4 in a sparse file, mounted for this run"
                return
            except Unavailable as missing:
                print(f"no new filesystem: {missing.reason}", file=sys.stderr)
        directory = stack.enter_context(scratch_directory())
        yield directory, f"what {tempfile.gettempdir()} is on, in use by others"


@contextlib.contextmanager
def new_ext4(options: Options) -> Iterator[Path]:
    # An inode for each file, directory and clone that is ever made here, as nothing is deleted.
    inodes = max(200_000, 35 * options.files + 3_500_000 * (not options.quick))
    # Inode tables that are written when first used would be zeroed in the background of the measurements.
    with loop_mount("ext4", 40_960, mkfs_options=("-N", str(inodes)), options="noatime,noinit_itable") as mount_point:
        yield mount_point


def machine(filesystem: str) -> dict[str, str]:
    model = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "kernel": platform.release(),
        "processors": f"{len(os.sched_getaffinity(0))} {model}".strip(),
        "filesystem": filesystem,
        "Python": platform.python_version(),
    }


def table(rows: list[Row], skipped: list[str], facts: dict[str, Any]) -> str:
    lines = ["", "| group | what | beside | ratio | min-max | medians | of |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        spread = f"{_figure(min(row.ratios))}-{_figure(max(row.ratios))}" if len(row.ratios) > 1 else ""
        medians = f"{_figure(row.subject_value)} / {_figure(row.baseline_value)} {row.unit}"
        cells = (row.group, row.subject, row.baseline, _figure(row.median), spread, medians, row.note)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items())]
    lines += [f"- not measured: {reason}" for reason in skipped]
    return "\n".join(lines)


def _figure(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
