"""What it takes to start: file system calls, which a job script on a busy filesystem waits for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.measure import Bench, Row, Skipped


def run(bench: Bench) -> None:
    if shutil.which("strace") is None:
        raise Skipped("needs strace")
    env = measure.environment(bench.directory) | {"SCRATCH": str(bench.directory)}
    baseline = "python -c pass"
    commands = {
        baseline: [sys.executable, "-c", "pass"],
        "ucenv --version": [*measure.ucenv(), "--version"],
        "ucenv env bash": [*measure.ucenv(), "env", "bash"],
        "ucenv hook bash": [*measure.ucenv(), "hook", "bash"],
        "ucenv list": [*measure.ucenv(), "list"],
    }
    calls = {name: calls_of(argv, env) for name, argv in commands.items()}
    for name, count in calls.items():
        if name != baseline:
            bench.rows.append(
                Row("start", name, baseline, (count / calls[baseline],), count, calls[baseline], "file system calls")
            )


def calls_of(argv: list[str], env: dict[str, str]) -> int:
    """System calls that name or use a file, of the command and its children."""
    subprocess.run(argv, env=env, check=True, capture_output=True)  # writes what .pyc are missing
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "trace")
        strace = ["strace", "-f", "-qq", "-e", "trace=%file,%desc", "-e", "signal=none", "-o", str(output)]
        done = subprocess.run([*strace, *argv], env=env, capture_output=True, text=True, check=False)
        if done.returncode or not output.exists():
            raise Skipped(f"strace: {done.stderr.strip()}")
        return sum("resumed>" not in line and "+++" not in line for line in output.read_text().splitlines())
