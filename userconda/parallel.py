"""Work on many files by a few forked processes that die with their parent.

Processes, not threads: on a local filesystem the interpreter lock makes threads useless, and a fork shares what was
read already. At most `limit` of them, because every process has one metadata operation in flight and a hundred users
share one metadata server; fewer while the server answers slowly.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import pickle
import resource
import selectors
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn, TypeVar

from userconda.errors import FileOperation, WorkerDied

U = TypeVar("U")
R = TypeVar("R")

#: Above this a file system call waits for a server, not for a processor.
SLOW_OPERATION_SECONDS: Final = 100e-6

#: Fewer operations than this are done sooner than the processes are started.
_WORTH_FORKING: Final = 3000

#: All unit numbers are put into a pipe before anybody reads it; a pipe holds a page at least.
_MOST_UNITS: Final = 1000

_TICK_SECONDS: Final = 0.1

#: Stands before each answer of a worker.
_LENGTH: Final = struct.Struct("=Q")

#: What ends a run: by the parent's decision, never by a worker's.
_ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class Pool:
    """How many operations at a time, and who does them."""

    def __init__(self, limit: int = 8, processors: int | None = None) -> None:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.limit = max(1, limit)
        self.processors = processors or available
        self.operation_seconds = 0.0

    def observe(self, operations: int, seconds: float, waits: int) -> None:
        """Note how long operations took; decides how many workers the next `map` starts.

        The slowest filesystem that was met decides.

        Args:
            waits: how often the process gave up its processor meanwhile. Who waits for a server does so at nearly
                every call; who only is slow, because the node is busy, is not helped by more processes.
        """
        if operations and waits * 4 > operations:
            self.operation_seconds = max(self.operation_seconds, seconds / operations)

    @property
    def is_slow(self) -> bool:
        """Whether operations wait for a server."""
        return self.operation_seconds > SLOW_OPERATION_SECONDS

    def workers_for(self, operations: int) -> int:
        if operations * max(self.operation_seconds, 5e-6) < _WORTH_FORKING * 5e-6:
            return 1
        return self.limit if self.is_slow else min(self.limit, self.processors)

    def map(
        self,
        units: Sequence[U],
        work: Callable[[U, Callable[[int], None]], R],
        operations: int,
        on_tick: Callable[[int], None] = lambda done: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[R]:
        """`work(unit, advance)` for every unit, in any order, results in the units' order.

        `advance(n)` says that n operations were done; `on_tick(total)` is called now and then in this process, and
        `meanwhile()` once, while the workers work.

        Raises:
            Exception: the first that a worker raised; the others are killed.
            WorkerDied: one was killed, by the kernel as a rule, for want of memory.
        """
        results: list[Any] = [None] * len(units)
        self.each(units, work, operations, results.__setitem__, on_tick, meanwhile)
        return results

    def each(
        self,
        units: Sequence[U],
        work: Callable[[U, Callable[[int], None]], R],
        operations: int,
        receive: Callable[[int, R], None],
        on_tick: Callable[[int], None] = lambda done: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """As `map`, but `receive(number, result)` takes each result when it comes, so that nobody keeps them all."""
        workers = min(self.workers_for(operations), len(units))
        if workers > 1:
            _each_forked(units, work, workers, receive, on_tick, meanwhile)
            return
        meanwhile()
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            on_tick(done)

        for number, unit in enumerate(units):
            receive(number, work(unit, advance))


def _each_forked(
    units: Sequence[U],
    work: Callable[[U, Callable[[int], None]], R],
    workers: int,
    receive: Callable[[int, R], None],
    on_tick: Callable[[int], None],
    meanwhile: Callable[[], None],
) -> None:
    if len(units) > _MOST_UNITS:
        raise ValueError(f"{len(units)} units")
    board = _Board(workers)
    queue_read, queue_write = os.pipe()
    os.write(queue_write, b"".join(struct.pack("=I", number) for number in range(len(units))))
    os.close(queue_write)
    die_with_parent = _die_with_parent()
    children: dict[int, int] = {}  # result pipe -> pid
    # Nothing is to be collected in the children, and a collection would copy every page of what was read so far.
    gc.freeze()
    try:
        for index in range(workers):
            result_read, result_write = os.pipe()
            # Until the child has its own handlers a signal would run the parent's in it, and take the clone back twice;
            # and the parent would leave a child behind that it does not know of yet.
            unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
            try:
                pid = os.fork()
                if pid == 0:
                    for descriptor in (result_read, *children):
                        os.close(descriptor)
                    _work(units, work, index, board, queue_read, result_write, die_with_parent, unblocked)
                children[result_read] = pid
            except OSError as exc:  # EAGAIN: the user's limit on processes. Those that there are do the work.
                os.close(result_read)
                if not children:
                    raise FileOperation("starting", "a worker process", exc.errno or 0) from None
                break
            finally:
                os.close(result_write)
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        meanwhile()
        _collect(children, receive, board, on_tick)
    finally:
        gc.unfreeze()
        os.close(queue_read)
        for descriptor, pid in children.items():
            os.close(descriptor)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel has reaped it
                os.waitpid(pid, 0)
        board.close()


def _work(
    units: Sequence[Any],
    work: Callable[[Any, Callable[[int], None]], Any],
    index: int,
    board: _Board,
    queue: int,
    result: int,
    die_with_parent: Callable[[], None],
    unblocked: Iterable[int],
) -> NoReturn:
    """The life of a worker. It leaves by _exit: nothing of the parent's is to be flushed or cleaned up twice."""
    status = 1
    try:
        # Ctrl-C reaches the whole process group; who decides what happens then is the parent.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # what nohup ignores stays ignored
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        die_with_parent()
        # Pickled one by one, which lets go of the results themselves; sent at the end, as nobody may be reading yet.
        answers: list[bytes] = []
        try:
            while True:
                while index >= board.allowed:
                    time.sleep(_TICK_SECONDS)
                token = os.read(queue, 4)
                if not token:
                    break
                (number,) = struct.unpack("=I", token)
                done = work(units[number], lambda count: board.add(index, count))
                answers.append(pickle.dumps(("done", (number, done)), pickle.HIGHEST_PROTOCOL))
        except Exception as exc:
            answers = [_pickled_error(exc)]
        except BaseException:
            answers = [pickle.dumps(("bug", traceback.format_exc()))]
        answers.append(pickle.dumps(("end", None)))
        with os.fdopen(result, "wb") as stream:
            answers.reverse()
            while answers:
                answer = answers.pop()
                stream.write(_LENGTH.pack(len(answer)))
                stream.write(answer)
        status = 0
    finally:
        os._exit(status)


def _pickled_error(exc: Exception) -> bytes:
    try:
        answer = pickle.dumps(("error", (exc, traceback.format_exc())))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps(("bug", traceback.format_exc()))
    return answer


def _collect(
    children: dict[int, int],
    receive: Callable[[int, Any], None],
    board: _Board,
    on_tick: Callable[[int], None],
) -> None:
    buffers = {descriptor: bytearray() for descriptor in children}
    throttle = _Throttle(len(children))
    drained = False
    with selectors.DefaultSelector() as selector:
        for descriptor in children:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_TICK_SECONDS):
                chunk = os.read(key.fd, 1 << 20)
                buffers[key.fd] += chunk
                ended = _take_answers(buffers[key.fd], receive)
                drained = drained or ended
                if ended:
                    selector.unregister(key.fd)
                elif not chunk:  # it was killed before it had answered, or while
                    raise WorkerDied(children[key.fd])
            total = board.total
            # Who answers has found no unit left. Those held back have to see that too, or they wait for ever.
            board.allowed = len(children) if drained else throttle.allowed(total, time.monotonic())
            on_tick(total)


def _take_answers(buffer: bytearray, receive: Callable[[int, Any], None]) -> bool:
    """Hand over what has come whole. Returns whether that was all of this worker's."""
    start, kind = 0, ""
    while len(buffer) >= start + _LENGTH.size:
        end = start + _LENGTH.size + _LENGTH.unpack_from(buffer, start)[0]
        if len(buffer) < end:
            break
        with memoryview(buffer) as view:
            kind, answer = pickle.loads(view[start + _LENGTH.size : end])
        start = end
        if kind == "done":
            receive(*answer)
        elif kind == "error":
            error, text = answer
            raise error from RuntimeError(f"in a worker process:\n{text}")
        elif kind == "bug":
            raise RuntimeError(f"in a worker process:\n{answer}")
    del buffer[:start]
    return kind == "end"


def waits() -> int:
    """How often this process has given up its processor by itself."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


class _Board:
    """Counters shared with the workers: how many operations each did, and how many of them may work."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, 8 * (workers + 1))
        self._workers = workers
        self.allowed = workers

    def add(self, index: int, count: int) -> None:
        (before,) = struct.unpack_from("=Q", self._memory, 8 * (index + 1))
        struct.pack_into("=Q", self._memory, 8 * (index + 1), before + count)

    @property
    def total(self) -> int:
        return sum(struct.unpack_from(f"={self._workers}Q", self._memory, 8))

    @property
    def allowed(self) -> int:
        (allowed,) = struct.unpack_from("=Q", self._memory, 0)
        return int(allowed)

    @allowed.setter
    def allowed(self, count: int) -> None:
        struct.pack_into("=Q", self._memory, 0, count)

    def close(self) -> None:
        self._memory.close()


class _Throttle:
    """Fewer workers while an operation takes more than four times as long as it did at its best, judged each second."""

    def __init__(self, workers: int) -> None:
        self._workers = self._allowed = workers
        self._since: float | None = None
        self._done = 0
        self._best = float("inf")

    def allowed(self, done: int, now: float) -> int:
        if self._since is None:
            self._since = now
        elif now - self._since >= 1.0 and done > self._done:
            seconds = (now - self._since) * self._allowed / (done - self._done)
            self._best = min(self._best, seconds)
            if seconds > 4 * self._best:
                self._allowed = max(1, self._allowed - 1)
            elif seconds < 2 * self._best:
                self._allowed = min(self._workers, self._allowed + 1)
            self._since, self._done = now, done
        return self._allowed


def _die_with_parent() -> Callable[[], None]:
    """What a child calls so that the kernel kills it when its parent dies, however that happens."""
    parent = os.getpid()
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_death_signal = 1

    def ask() -> None:
        prctl(set_death_signal, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask
