"""The real command, interrupted: it leaves at once, takes back what it made, and says so."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import demo
from tests.support import CHECKOUT
from tests.support.manifest import Manifest, diff, manifest
from tests.support.relation import assert_is_clone

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Command:
    """`ucenv` in a space of its own."""

    source: Path
    space: Path

    @property
    def target(self) -> Path:
        return self.space / "envs/mine"

    def start(self, *words: str | Path, ignoring: Sequence[signal.Signals] = ()) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.space.parent),
            "UCENV_ROOT": str(self.space),
            "PYTHONPATH": str(CHECKOUT),
        }

        def ignore() -> None:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN if number in ignoring else signal.SIG_DFL)

        return subprocess.Popen(
            [sys.executable, "-m", "userconda", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=ignore,
        )

    def clone(self, *words: str, ignoring: Sequence[signal.Signals] = ()) -> subprocess.Popen[str]:
        return self.start("clone", self.source, "mine", *words, ignoring=ignoring)

    def recover(self) -> None:
        with self.start("recover") as process:
            _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error

    def left(self) -> list[Path]:
        return [path for place in ("staging", "journal", "locks") for path in (self.space / ".ucenv" / place).glob("*")]


@pytest.fixture(scope="module")
def big_source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    prefix = demo.make_big_environment(tmp_path_factory.mktemp("big"), 20_000, 4_000, packages=60)
    return prefix, manifest(prefix)


@pytest.fixture
def command(big_source: tuple[Path, Manifest], tmp_path: Path) -> Iterator[Command]:
    space = tmp_path / "space"
    (space / "envs").mkdir(parents=True)
    yield Command(big_source[0], space)
    # What empties the trash in the background is not to meet pytest, which empties it too.
    deadline = time.monotonic() + 30
    while list((space / ".ucenv/trash").glob("*")) and time.monotonic() < deadline:
        Command(big_source[0], space).recover()


def when_under_way(command: Command, process: subprocess.Popen[str], entries: int = 1) -> None:
    """Wait until the staging directory has some content."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if len(list((command.space / ".ucenv/staging").glob("*/*"))) >= entries:
            return
        time.sleep(0.001)
    pytest.fail(f"it never got that far: {process.poll()}")


def session(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


@pytest.mark.parametrize("whom", ["the process group", "the process"])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("words", [(), ("--link-mode", "copy", "--json")], ids=["links", "copies, JSON"])
def test_an_interrupted_clone_leaves_nothing_under_its_name(
    command: Command,
    big_source: tuple[Path, Manifest],
    words: tuple[str, ...],
    number: signal.Signals,
    whom: str,
) -> None:
    with command.clone(*words) as process:
        when_under_way(command, process)
        workers = session(process)
        sent = time.monotonic()
        (os.killpg if whom == "the process group" else os.kill)(process.pid, number)
        output, error = process.communicate(timeout=30)
        seconds = time.monotonic() - sent
    assert process.returncode == 130, error
    assert seconds < 2
    assert not command.target.exists()
    assert command.left() == []
    assert psutil.wait_procs(workers, timeout=5)[1] == []
    if "--json" in words:
        assert json.loads(output)["error"]["code"] == "interrupted"
    else:
        assert output == ""
        assert "interrupted" in error.lower()
    assert "Traceback" not in error
    command.recover()
    assert list((command.space / ".ucenv/trash").glob("*")) == []
    assert diff(big_source[1], manifest(big_source[0])) == []


@pytest.mark.parametrize("times", [2, 10])
def test_an_impatient_user_does_no_harm(command: Command, times: int) -> None:
    with command.clone() as process:
        when_under_way(command, process)
        for _ in range(times):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.01)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert (command.target.exists(), command.left()) == (False, [])


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3, 0.45])
def test_a_signal_at_any_time(command: Command, delay: float) -> None:
    """From before the handlers are there until after the result was printed."""
    with command.clone() as process:
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGTERM, 0)
    if process.returncode != 0:
        assert not command.target.exists()
    assert command.left() == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_the_parent_ignores_stays_ignored(command: Command, number: signal.Signals) -> None:
    """nohup, and a shell's background jobs."""
    with command.clone(ignoring=[number]) as process:
        when_under_way(command, process)
        os.killpg(process.pid, number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert_is_clone(command.source, command.target)


@pytest.mark.parametrize("words", [("--dry-run", "--json"), ()], ids=["much output", "little output"])
def test_a_broken_pipe_is_silent(command: Command, words: tuple[str, ...]) -> None:
    with command.clone(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.wait(timeout=60)
    assert error == ""
    assert process.returncode in (0, 141)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="with one processor there are no workers")
def test_a_killed_worker_is_told_and_nothing_is_left(command: Command) -> None:
    with command.clone("--link-mode", "copy") as process:
        when_under_way(command, process)
        while process.poll() is None and not (workers := session(process)):
            time.sleep(0.001)
        workers[0].kill()
        _, error = process.communicate(timeout=60)
    assert process.returncode == 61
    assert "memory" in error
    assert (command.target.exists(), command.left()) == (False, [])
