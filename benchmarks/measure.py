"""Running commands and timing them in turns."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OTHER_UID = 61002
"""Somebody who owns nothing of what is cloned."""


class Skipped(Exception):
    """This machine cannot give what a measurement needs; the reason is printed."""


@dataclass(frozen=True, slots=True)
class Options:
    files: int
    directories: int
    conda_files: int
    pairs: int
    quick: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: how `subject` compares with `baseline`.

    Attributes:
        ratios: subject / baseline, one a pair (or one in all where nothing varies).
        subject_value, baseline_value: medians, in `unit`.
    """

    group: str
    subject: str
    baseline: str
    ratios: tuple[float, ...]
    subject_value: float
    baseline_value: float
    unit: str = "s"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median, "min": min(self.ratios), "max": max(self.ratios)}


@dataclass(slots=True)
class Bench:
    """What all groups share: options, and a directory on one filesystem in which nothing is deleted before the end."""

    options: Options
    directory: Path
    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    _numbers: int = 0

    def fresh(self, stem: str) -> Path:
        """A path that is not there yet."""
        self._numbers += 1
        return self.directory / f"{stem}-{self._numbers}"

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    def take_turns(
        self,
        group: str,
        subject: tuple[str, Callable[[], float]],
        baseline: tuple[str, Callable[[], float]],
        *,
        note: str = "",
        pairs: int | None = None,
        warm_up: bool = True,
    ) -> Row:
        """Measure subject and baseline in turns, after a run of each that does not count: A B, B A, A B ..."""
        (name, measure), (baseline_name, measure_baseline) = subject, baseline
        pairs = pairs or self.options.pairs
        measured: list[tuple[float, float]] = []
        for number in range(0 if warm_up else 1, pairs + 1):
            # Who comes second finds what the first has left in the caches, and in the journal.
            if number % 2:
                second = measure_baseline()
                first = measure()
            else:
                first = measure()
                second = measure_baseline()
            if number:
                measured.append((first, second))
                self.say(f"{name} {first:.2f} s, {baseline_name} {second:.2f} s: {first / second:.2f}")
        row = Row(
            group,
            name,
            baseline_name,
            tuple(a / b for a, b in measured),
            statistics.median(a for a, _ in measured),
            statistics.median(b for _, b in measured),
            note=note,
        )
        self.rows.append(row)
        return row


# ----------------------------------------------------------------------------------------------------- commands


def ucenv() -> list[str]:
    """ucenv as a user starts it."""
    script = Path(sys.executable).parent / "ucenv"
    return [str(script)] if script.exists() else [sys.executable, "-m", "userconda"]


def environment(directory: Path, conda_root: Path | None = None) -> dict[str, str]:
    home = directory / "home"
    home.mkdir(exist_ok=True, mode=0o755)
    settings = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(home), "LANG": "C.UTF-8"}
    return settings | ({"UCENV_CONDA_ROOT": str(conda_root)} if conda_root else {})


def timed(argv: Sequence[str | Path], env: dict[str, str], directory: Path, *, user: int | None = None) -> float:
    """Wall seconds of a command, its start included. What was written before is on the disk by then."""
    seconds, _ = timed_output(argv, env, directory, user=user)
    return seconds


def timed_output(
    argv: Sequence[str | Path], env: dict[str, str], directory: Path, *, user: int | None = None
) -> tuple[float, str]:
    settle(directory)
    identity: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    started = time.perf_counter()
    done = subprocess.run(
        argv, env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, umask=0o022, **identity
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def settle(directory: Path) -> None:
    """syncfs: what one measurement left to be written would be paid by the next."""
    subprocess.run(["sync", "-f", directory], check=True)


def python(code: str, *arguments: str | Path) -> list[str | Path]:
    """A Python that has this checkout's `demo`."""
    checkout = Path(__file__).resolve().parents[1]
    start = f"import sys; sys.path.insert(0, {str(checkout)!r}); {code}"
    return [sys.executable, "-c", start, *arguments]


#: A package has so many files, on average, in the environment that the big one is like.
_FILES_A_PACKAGE = 480


def make_environment(
    root: Path,
    files: int,
    directories: int,
    *,
    fill_cache: bool = False,
    packages: int | None = None,
    within: Sequence[str | Path] = (),
    library_bytes: int = 0,
) -> Path:
    """demo.make_big_environment in a process of its own: a large parent would show in what is forked from it.

    `within` is a command that runs it.
    """
    code = (
        "from pathlib import Path; import os, demo; root, files, directories, packages, fill, libraries = sys.argv[1:];"
        "demo.make_big_environment(Path(root), int(files), int(directories), packages=int(packages), "
        "fill_cache=fill == 'yes', library_bytes=int(libraries)); os._exit(0)"
    )
    packages = packages or max(1, min(250, files // _FILES_A_PACKAGE))
    arguments = (root, str(files), str(directories), str(packages), "yes" if fill_cache else "no", str(library_bytes))
    subprocess.run([*within, *python(code, *arguments)], check=True)
    return root / "envs" / "big"


def counted(prefix: Path) -> str:
    """ "120,251 files in 19,002 directories" """
    files = directories = 0
    for _, inside, names in os.walk(prefix):
        files += len(names)
        directories += len(inside)
    return f"{files:,} files in {directories:,} directories"


def clone_command(source: Path, space: Path, *options: str) -> list[str | Path]:
    """A clone into a space of its own, so that the number of earlier ones does not matter."""
    return [*ucenv(), "clone", *options, "--root", space, str(source), "clone"]


def result_of(output: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(output)["result"]
    return document


# ------------------------------------------------------------------------------------------------------- memory

# A forked child begins with its parent's ru_maxrss, so a process of a few megabytes stands between.
_RUN_SMALL = (
    "import os,sys,resource;pid=os.spawnv(os.P_NOWAIT,sys.argv[1],sys.argv[1:]);_,status,usage=os.wait4(pid,0);"
    "print(usage.ru_maxrss,file=sys.stderr);os._exit(os.waitstatus_to_exitcode(status)&255)"
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks in bytes: of the largest process, and of the processes together (PSS: what they share counts once)."""

    largest: int
    together: int


def memory_of(argv: Sequence[str | Path], env: dict[str, str]) -> Memory:
    program = shutil.which(str(argv[0])) or str(argv[0])
    small = [sys.executable, "-I", "-S", "-c", _RUN_SMALL, program, *map(str, argv[1:])]
    process = subprocess.Popen(small, env=env, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    sampler = _PssSampler(process.pid)
    _, errors = process.communicate()
    together = sampler.stop()
    if process.returncode:
        raise RuntimeError(f"{argv}: {errors}")
    return Memory(int(errors.split()[-1]) * 1024, together)


class _PssSampler:
    _EVERY_SECONDS = 0.02

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _sample(self) -> None:
        while not self._ended.wait(self._EVERY_SECONDS):
            # Not the small process itself.
            self._peak = max(self._peak, sum(map(_pss, _descendants(self._pid))))


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
                for child in map(int, children):
                    found += [child, *_descendants(child)]
    return found


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
