"""Running a quota command: no shell, no input, plain English, and an end to its time and its output."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from userconda.quota.gpfs import DIRECTORY as GPFS_DIRECTORY
from userconda.quota.place import Command
from userconda.quota.text import Unknown

TIMEOUT_SECONDS: Final = 5.0

#: More than any user's quotas: what is longer is a program gone astray.
MOST_BYTES: Final = 1 << 20

#: Beside the user's PATH: quota commands of administrators that users may run.
_DIRECTORIES: Final = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/beegfs/sbin", GPFS_DIRECTORY)

#: How long output may still come when the command has ended: a child of its own may hold the pipe for ever.
_LINGER_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Output:
    """What a command said. Its exit code tells little: quota(1) gives 1 to who is over their quota."""

    stdout: str
    stderr: str
    exit_code: int


def run(command: Command, environment: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS) -> Output:
    """Run a command to its end, as the user, with none of its children left behind.

    Raises:
        Unknown: it is not there, cannot be started, takes too long or prints without end.
    """
    name, *words = command
    path = os.pathsep.join((environment.get("PATH", os.defpath), *_DIRECTORIES))
    program = shutil.which(name, path=path)
    if program is None:
        raise Unknown(f"{name} is not installed, or may not be run")
    # LANGUAGE goes before LC_ALL in GNU's gettext.
    plain = {key: value for key, value in environment.items() if key != "LANGUAGE"} | {"LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            [program, *words],
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:  # no interpreter, another machine's program; a NUL in a configured word
        raise Unknown(f"{name} cannot be run ({exc})") from None
    with contextlib.ExitStack() as stack:
        stack.callback(_end, process)
        stdout, stderr = _collect(process, name, timeout_seconds)
    return Output(stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"), process.returncode)


def _collect(process: subprocess.Popen[bytes], name: str, timeout_seconds: float) -> tuple[bytes, bytes]:
    """Both streams, until they end or the command does."""
    assert process.stdout is not None
    assert process.stderr is not None
    output = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    deadline, ended = time.monotonic() + timeout_seconds, False
    with selectors.DefaultSelector() as selector:
        for descriptor in output:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                if ended:
                    break
                raise Unknown(f"{name} did not answer within {timeout_seconds:.1f} s")
            for key, _ in selector.select(min(left, 0.05)):
                data = os.read(key.fd, 1 << 16)
                output[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
            if sum(map(len, output.values())) > MOST_BYTES:
                raise Unknown(f"{name} printed more than {MOST_BYTES >> 20} MiB")
            if not ended and _has_ended(process):
                ended, deadline = True, min(deadline, time.monotonic() + _LINGER_SECONDS)
    while not _has_ended(process):  # both streams closed, and still at it
        if time.monotonic() > deadline:
            raise Unknown(f"{name} did not end within {timeout_seconds:.1f} s")
        time.sleep(0.005)
    return bytes(output[process.stdout.fileno()]), bytes(output[process.stderr.fileno()])


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without taking its status: until that is taken, nobody else gets the number of its group."""
    if not hasattr(os, "waitid"):  # macOS
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of its group. What another user's rights, or a dead server, protect from that is left alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
