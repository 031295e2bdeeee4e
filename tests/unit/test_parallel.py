"""The pool: results in order, errors as they were, and no worker that outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from userconda import parallel
from userconda.errors import NotEnoughSpace, UcenvError, WorkerDied
from userconda.parallel import Pool

Advance = Callable[[int], None]

MANY = 1_000_000
"""Operations: more than one process is worth it."""

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def pool() -> Pool:
    return Pool(4, processors=4)


#: Of other tests' (multiprocessing keeps a process of its own).
_BEFORE: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def others_children() -> None:
    _BEFORE.clear()
    _BEFORE.update(psutil.Process().children())


def children() -> list[psutil.Process]:
    now = [child for child in psutil.Process().children() if child not in _BEFORE]
    return [child for child in now if child.status() != psutil.STATUS_ZOMBIE]


def square(unit: int, advance: Advance) -> int:
    advance(1)
    return unit * unit


@pytest.mark.parametrize("operations", [10, MANY], ids=["in this process", "in workers"])
def test_results_are_in_the_units_order(pool: Pool, operations: int) -> None:
    assert pool.map(range(200), square, operations) == [n * n for n in range(200)]


def test_no_units_no_results(pool: Pool) -> None:
    assert pool.map([], square, MANY) == []


def test_work_is_done_in_several_processes(pool: Pool) -> None:
    def whose(unit: int, advance: Advance) -> int:
        time.sleep(0.02)
        return os.getpid()

    pids = set(pool.map(range(20), whose, MANY))
    assert len(pids) > 1
    assert os.getpid() not in pids


def test_results_larger_than_a_pipe(pool: Pool) -> None:
    sizes = [1 << 20, 3, 1 << 21]
    assert [len(data) for data in pool.map(sizes, lambda size, advance: bytes(size), MANY)] == sizes


@pytest.mark.parametrize(
    "error",
    [NotEnoughSpace("/somewhere", 10, 3), FileNotFoundError(2, "No such file", "/gone"), ValueError("x")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("operations", [10, MANY], ids=["in this process", "in workers"])
def test_an_error_arrives_as_itself(pool: Pool, error: Exception, operations: int) -> None:
    def fail(unit: int, advance: Advance) -> None:
        if unit == 7:
            raise error

    with pytest.raises(type(error)) as caught:
        pool.map(range(20), fail, operations)
    assert str(caught.value) == str(error)
    if isinstance(error, UcenvError):
        assert vars(caught.value).items() >= {"needed_bytes": 10, "free_bytes": 3}.items()
    assert children() == []


def test_an_error_that_cannot_be_sent_still_tells_where(pool: Pool) -> None:
    class Local(Exception):
        pass

    def fail(unit: int, advance: Advance) -> None:
        raise Local("told")

    with pytest.raises(RuntimeError, match=r"(?s)in a worker process.*Local: told"):
        pool.map(range(4), fail, MANY)


def test_the_first_error_stops_the_others(pool: Pool) -> None:
    def work(unit: int, advance: Advance) -> None:
        if unit == 0:
            raise ValueError("at once")
        time.sleep(30)

    started = time.monotonic()
    with pytest.raises(ValueError, match="at once"):
        pool.map(range(4), work, MANY)
    assert time.monotonic() - started < 10
    assert children() == []


@pytest.mark.parametrize("death", ["killed", "left"])
def test_a_dead_worker_is_an_error(pool: Pool, death: str) -> None:
    def work(unit: int, advance: Advance) -> None:
        if unit == 3:
            os.kill(os.getpid(), signal.SIGKILL) if death == "killed" else os._exit(0)

    with pytest.raises(WorkerDied):
        pool.map(range(8), work, MANY)
    assert children() == []


def test_a_worker_killed_while_it_answers_is_an_error(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.fdopen

    def half(descriptor: int, mode: str) -> object:
        stream = whole(descriptor, mode)
        stream.write(parallel._LENGTH.pack(100) + b"half of it")
        stream.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        return stream

    monkeypatch.setattr(os, "fdopen", half)
    with pytest.raises(WorkerDied):
        pool.map(range(8), square, MANY)


def test_each_hands_over_every_result_once(pool: Pool) -> None:
    received: dict[int, bytes] = {}

    def receive(number: int, data: bytes) -> None:
        assert number not in received
        received[number] = data

    pool.each(range(100), lambda unit, advance: bytes([unit]) * 50_000, MANY, receive)
    assert received == {number: bytes([number]) * 50_000 for number in range(100)}


def test_more_units_than_a_pipes_page_are_refused(pool: Pool) -> None:
    pool.map(range(1000), square, MANY)
    with pytest.raises(ValueError, match="1001 units"):
        pool.map(range(1001), square, MANY)


@pytest.mark.parametrize("operations", [10, MANY], ids=["in this process", "in workers"])
def test_progress_reaches_the_total(pool: Pool, operations: int) -> None:
    seen: list[int] = []

    def work(unit: int, advance: Advance) -> None:
        advance(unit)

    pool.map(range(30), work, operations, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == sum(range(30))


def test_descriptors_are_closed(pool: Pool) -> None:
    before = os.listdir("/proc/self/fd")
    pool.map(range(30), square, MANY)
    with pytest.raises(WorkerDied):
        pool.map(range(30), lambda unit, advance: os._exit(1), MANY)
    assert len(os.listdir("/proc/self/fd")) == len(before)


# how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation_us", "operations", "workers"),
    [(5, 100, 1), (5, 100_000, 2), (500, 100_000, 8), (500, 2, 1), (500, 1000, 8), (0, 100_000, 2)],
)
def test_workers_follow_the_speed_of_the_filesystem(operation_us: int, operations: int, workers: int) -> None:
    pool = Pool(8, processors=2)
    pool.observe(100, 100 * operation_us / 1e6, waits=100)
    assert pool.workers_for(operations) == workers


def test_a_busy_node_is_not_taken_for_a_slow_filesystem() -> None:
    pool = Pool(8, processors=2)
    pool.observe(100, 1.0, waits=3)
    assert pool.workers_for(100_000) == 2


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_is_never_passed(limit: int) -> None:
    pool = Pool(limit, processors=16)
    for seconds in (1e-6, 1e-2):
        pool.observe(1, seconds, waits=1)
        assert pool.workers_for(MANY) == limit


def throttled(seconds_per_operation: Sequence[float], workers: int = 4) -> list[int]:
    """What is allowed after each second, in which the server took that long for an operation."""
    throttle = parallel._Throttle(workers)
    throttle.allowed(0, 0.0)
    done, allowed, answers = 0, workers, []
    for second, cost in enumerate(seconds_per_operation, 1):
        done += max(1, round(allowed / cost))
        allowed = throttle.allowed(done, float(second))
        answers.append(allowed)
    return answers


def test_throttle_leaves_a_fast_server_alone() -> None:
    assert throttled([0.001, 0.002, 0.003, 0.0015]) == [4, 4, 4, 4]


def test_throttle_steps_back_from_a_slow_server_and_returns() -> None:
    assert throttled([0.001, *[0.01] * 5, *[0.001] * 4]) == [4, 3, 2, 1, 1, 1, 2, 3, 4, 4]


@pytest.mark.timeout(60)
def test_workers_held_back_to_the_end_do_not_stop_it(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel._Throttle, "allowed", lambda throttle, done, now: 1)

    def slow(unit: int, advance: Advance) -> int:
        time.sleep(0.02)
        return unit

    assert pool.map(range(40), slow, MANY) == list(range(40))


# signals and death -----------------------------------------------------------------------------------------------


@contextmanager
def parent_with_workers(directory: Path) -> Iterator[tuple[int, list[psutil.Process]]]:
    """A forked process whose workers sleep. The pid and the workers."""

    def map_for_ever() -> None:
        def work(unit: int, advance: Advance) -> None:
            (directory / str(os.getpid())).touch()
            time.sleep(60)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        Pool(3, processors=3).map(range(3), work, MANY)

    process = multiprocessing.get_context("fork").Process(target=map_for_ever)
    process.start()
    deadline = time.monotonic() + 20
    while len(pids := os.listdir(directory)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        assert process.pid is not None
        yield process.pid, [psutil.Process(int(pid)) for pid in pids]
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_workers_die_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    """SIGINT is KeyboardInterrupt: the parent's own work."""
    with parent_with_workers(tmp_path) as (pid, workers):
        os.kill(pid, number)
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_worker_never_runs_its_parents_handlers(pool: Pool, tmp_path: Path, number: signal.Signals) -> None:
    """Those take the clone back; twice would be once too often."""
    handled = tmp_path / "handled"
    before = signal.signal(number, lambda *_: handled.touch())
    try:
        with pytest.raises(WorkerDied) if number != signal.SIGINT else _nothing():
            pool.map(range(8), lambda unit, advance: os.kill(os.getpid(), number), MANY)
    finally:
        signal.signal(number, before)
    assert not handled.exists()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_a_worker_ignores_what_its_parent_was_told_to_ignore(pool: Pool, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        pool.map(range(8), lambda unit, advance: os.kill(os.getpid(), number), MANY)
    finally:
        signal.signal(number, before)


def test_signals_are_unblocked_again(pool: Pool) -> None:
    def blocked(unit: int, advance: Advance) -> list[int]:
        return sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    here = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    assert pool.map(range(4), blocked, MANY) == [here] * 4
    assert sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])) == here


@pytest.mark.parametrize("forks", [0, 1])
def test_a_limit_on_processes_leaves_fewer_workers(pool: Pool, monkeypatch: pytest.MonkeyPatch, forks: int) -> None:
    fork = os.fork
    made: list[int] = []

    def limited() -> int:
        if len(made) == forks:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        made.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    if forks:
        assert pool.map(range(20), square, MANY) == [n * n for n in range(20)]
    else:
        with pytest.raises(UcenvError, match=r"worker process.*temporarily unavailable"):
            pool.map(range(20), square, MANY)
