"""Which processes run."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from userconda.processes import is_running, start_time


def test_one_that_has_ended_and_whose_status_nobody_has_collected_does_not_run() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_time(process.pid)
    assert is_running(process.pid, started)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert os.path.exists(f"/proc/{process.pid}")
    assert not is_running(process.pid, started)
    process.communicate()
    assert not is_running(process.pid, started)


def test_another_with_its_number_is_not_it() -> None:
    assert is_running(os.getpid(), start_time(os.getpid()))
    assert not is_running(os.getpid(), time.time() - 86400 * 365)
