"""Two real users: one owns the cluster's conda, the other clones from it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tests.support import CHECKOUT, Unavailable, need_root
from tests.support.filesystems import scratch_directory

T = TypeVar("T")


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int


ADMIN = User("ucenvadmin", 61001, 61001)
USER = User("ucenvuser", 61002, 61002)


class ChildKilled(Exception):
    """A forked child died without an answer. `signal` is 0 where it called os._exit itself."""

    def __init__(self, number: int, exit_code: int) -> None:
        super().__init__(f"child killed by {signal.Signals(number).name}" if number else f"child left with {exit_code}")
        self.signal = number
        self.exit_code = exit_code


def two_users() -> tuple[User, User]:
    """ADMIN and USER, with names where useradd is there (uids without a name work as well)."""
    need_root("tests as two users")
    with (Path(tempfile.gettempdir()) / "ucenv-test-users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for user in (ADMIN, USER):
            with contextlib.suppress(KeyError):
                if pwd.getpwuid(user.uid).pw_name != user.name:
                    raise Unavailable(f"uid {user.uid} belongs to {pwd.getpwuid(user.uid).pw_name}")
                continue
            group = ["groupadd", "--gid", str(user.gid), user.name]
            account = ["useradd", "--uid", str(user.uid), "--gid", str(user.gid), "--no-create-home"]
            account += ["--home-dir", "/nonexistent", "--shell", "/bin/sh", user.name]
            for argv in (group, account):
                if program := shutil.which(argv[0], path="/usr/sbin:/sbin"):
                    subprocess.run([program, *argv[1:]], capture_output=True, check=False)
    for needed in (Path(sys.executable), CHECKOUT / "tests"):
        if not fork_as(USER, lambda path=needed: os.access(path, os.R_OK)):  # type: ignore[misc]
            reason = f"other users cannot reach {needed.resolve()}: a directory above it is closed to them"
            raise Unavailable(reason, tool="a checkout and a Python outside of closed directories")
    return ADMIN, USER


def clean_environment(home: Path, user: User) -> dict[str, str]:
    """Nothing of the caller's but where the programs are."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(home), "USER": user.name, "LOGNAME": user.name, "LANG": "C.UTF-8"}


@contextlib.contextmanager
def home_of(user: User) -> Iterator[Path]:
    with scratch_directory() as home:
        os.chown(home, user.uid, user.gid)
        yield home


def run_as(
    user: User, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, **kw: Any
) -> subprocess.CompletedProcess[str]:
    """subprocess.run as `user` alone: no other groups, a clean environment plus `env`, a home of its own for the run.

    Output is captured as text; `cwd` is the home unless given; `kw` goes to subprocess.run.
    """
    with home_of(user) as home:
        defaults: dict[str, Any] = {
            "cwd": home,
            "text": True,
            "capture_output": not kw.keys() & {"stdout", "stderr"},
            "stdin": None if "input" in kw else subprocess.DEVNULL,
            "timeout": 120,
            "check": False,
            "umask": 0o022,
        }
        identity = {"user": user.uid, "group": user.gid, "extra_groups": []}
        environment = {**clean_environment(home, user), **(env or {})}
        return subprocess.run(argv, env=environment, **{**defaults, **kw, **identity})


def fork_as(user: User, function: Callable[[], T], *, umask: int = 0o022) -> T:
    """Run `function` in a forked child that is `user`. Returns its pickled result or raises its exception.

    Raises `ChildKilled` where it was killed. Modules not imported yet must be readable for the user.
    """
    need_root(f"a process as {user.name}")
    with home_of(user) as home:
        return fork(lambda: _as_user(user, home, umask, function))


def _as_user(user: User, home: Path, umask: int, function: Callable[[], T]) -> T:
    os.setgroups([])
    os.setgid(user.gid)
    os.setuid(user.uid)
    os.umask(umask)
    os.chdir(home)
    os.environ.clear()
    os.environ.update(clean_environment(home, user))
    return function()


def fork(function: Callable[[], T]) -> T:
    """As `fork_as`, without another user: for functions that kill their process."""
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():  # Python 3.12 warns of forks beside threads; xdist's only wait
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _answer(function, write_end)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) or not answer:
        raise ChildKilled(os.WTERMSIG(status), os.waitstatus_to_exitcode(status))
    succeeded, value = pickle.loads(answer)
    if succeeded:
        return value  # type: ignore[no-any-return]
    raise _rebuilt(*value)


def _answer(function: Callable[[], object], write_end: int) -> NoReturn:
    """Never returns, so that no finalizer and no `atexit` of the parent's runs twice."""
    try:
        try:
            answer = pickle.dumps((True, function()))
        except BaseException as error:
            answer = pickle.dumps((False, _taken_apart(error)))
        with open(write_end, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _taken_apart(error: BaseException) -> tuple[type[BaseException], tuple[object, ...], dict[str, object], str]:
    """Not the exception itself: one whose constructor takes keywords does not survive pickle."""
    text = traceback.format_exc()
    parts = (type(error), tuple(error.__reduce__()[1]), dict(vars(error)), text)
    try:
        pickle.loads(pickle.dumps(parts))
    except Exception:
        return RuntimeError, (f"{type(error).__qualname__}: {error}",), {}, text
    return parts


def _rebuilt(
    kind: type[BaseException], arguments: tuple[object, ...], attributes: dict[str, object], text: str
) -> BaseException:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    error.__cause__ = RuntimeError(f"in the child:\n{text}")
    return error
