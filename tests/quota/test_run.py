"""Real commands: what they are given, and what becomes of those that hang, fork, rave or are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.quota.conftest import Commands, gone, marked
from userconda.quota.run import MOST_BYTES, run
from userconda.quota.text import Unknown

TIMEOUT = 0.7


def test_what_it_says_and_how_it_ends(commands: Commands) -> None:
    commands.add("quota", "echo figures; echo noise >&2; exit 3")
    output = run(("quota",), commands.environment)
    assert (output.stdout, output.stderr, output.exit_code) == ("figures\n", "noise\n", 3)


def test_it_speaks_plain_english(commands: Commands) -> None:
    commands.settings = {"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de:fr", "LANG": "de_DE.UTF-8"}
    commands.add("quota", 'echo "$LC_ALL,$LANGUAGE"')
    assert run(("quota",), commands.environment).stdout == "C,\n"


def test_it_has_no_input(commands: Commands) -> None:
    commands.add("quota", "read word || echo nothing to read")
    assert run(("quota",), commands.environment).stdout == "nothing to read\n"


def test_no_shell_reads_its_words(commands: Commands, tmp_path: Path) -> None:
    commands.add("quota", 'for word in "$@"; do echo "<$word>"; done')
    words = ("; touch pwned", "$(touch pwned)", "a b", "*", "'", "-x", "\\")
    assert run(("quota", *words), commands.environment).stdout == "".join(f"<{word}>\n" for word in words)
    assert not Path("pwned").exists()


def test_output_that_is_no_utf_8(commands: Commands) -> None:
    commands.add("quota", r"printf 'a\377b\000c\n'")
    assert run(("quota",), commands.environment).stdout == "a\ufffdb\0c\n"


def test_a_group_of_its_own_that_no_terminal_interrupts(commands: Commands) -> None:
    commands.add("quota", "ps -o pgid= -p $$ | tr -d ' '; echo $$")
    group, pid = run(("quota",), commands.environment).stdout.split()
    assert group == pid != str(os.getpgrp())


# what does not answer -------------------------------------------------------------------------------------------


def refused(commands: Commands, timeout: float = TIMEOUT) -> tuple[str, float]:
    """Why there was no answer, and the seconds it took to know."""
    started = time.monotonic()
    with pytest.raises(Unknown) as unknown:
        run(("quota",), commands.environment, timeout)
    return unknown.value.reason, time.monotonic() - started


def test_one_that_hangs_is_killed(commands: Commands) -> None:
    commands.add("quota", "echo some; exec sleep 1001.25")
    reason, seconds = refused(commands)
    assert reason == f"quota did not answer within {TIMEOUT} s"
    assert TIMEOUT <= seconds < TIMEOUT + 1
    assert gone("1001.25")


def test_one_that_ignores_being_asked_to_leave(commands: Commands) -> None:
    commands.add("quota", "trap '' TERM INT HUP; while :; do sleep 1002.25; done")
    assert refused(commands)[1] < TIMEOUT + 1
    assert gone("1002.25")


def test_its_children_and_theirs_are_killed(commands: Commands) -> None:
    """Each starts two more, five generations deep, and none of them ends by itself."""
    commands.add("quota", '[ "$1" = xxxxx ] || { "$0" "x$1" & "$0" "x$1" & }\nsleep 1003.25; :')
    assert refused(commands)[1] < TIMEOUT + 2
    assert gone("1003.25")
    assert len(commands.calls) > 30


def test_one_that_leaves_a_child_with_its_output(commands: Commands) -> None:
    """The answer is there; nobody waits for the child, and it does not stay."""
    commands.add("quota", "sleep 1004.25 & echo figures")
    started = time.monotonic()
    assert run(("quota",), commands.environment, 30).stdout == "figures\n"
    assert time.monotonic() - started < 2
    assert gone("1004.25")


def test_a_child_that_left_the_group_does_not_hold_us(commands: Commands) -> None:
    commands.add("quota", "setsid sleep 1005.25 & echo figures")
    started = time.monotonic()
    try:
        assert run(("quota",), commands.environment, 30).stdout == "figures\n"
        assert time.monotonic() - started < 2
    finally:
        for pid in marked("1005.25"):
            os.kill(pid, signal.SIGKILL)


def test_one_that_closes_its_output_and_stays(commands: Commands) -> None:
    commands.add("quota", "echo figures; exec >&- 2>&-; exec sleep 1006.25")
    assert refused(commands)[0] == f"quota did not end within {TIMEOUT} s"
    assert gone("1006.25")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_one_that_never_stops_printing(commands: Commands, stream: str) -> None:
    """What is cut off is not believed, however it begins."""
    commands.add("quota", f"exec yes 'Disk quotas for user alice' >&{stream}")
    reason, seconds = refused(commands, 30)
    assert reason == f"quota printed more than {MOST_BYTES >> 20} MiB"
    assert seconds < 5


def test_as_much_as_is_taken(commands: Commands) -> None:
    commands.add("quota", f"head -c {MOST_BYTES} /dev/zero | tr '\\0' x")
    assert run(("quota",), commands.environment).stdout == "x" * MOST_BYTES


def test_one_that_is_not_there(commands: Commands) -> None:
    assert refused(commands)[0] == "quota is not installed, or may not be run"


def test_one_that_may_not_be_run(commands: Commands) -> None:
    commands.add("quota", "echo figures", mode=0o644)
    assert refused(commands)[0] == "quota is not installed, or may not be run"


@pytest.mark.parametrize(
    "content", [b"", b"#!/no/such/interpreter\n", b"\x7fELF of another machine", b"no script at all\n"]
)
def test_one_that_cannot_be_started(commands: Commands, content: bytes) -> None:
    path = commands.add("quota", "")
    path.write_bytes(content)
    assert refused(commands)[0].startswith("quota cannot be run (")


def test_a_directory_of_that_name(commands: Commands) -> None:
    (commands.directory / "quota").mkdir()
    assert refused(commands)[0] == "quota is not installed, or may not be run"


def test_a_killed_ucenv_leaves_no_command_behind(commands: Commands) -> None:
    commands.add("quota", "exec sleep 1007.25")
    environment = {**commands.environment, "UCENV_QUOTA_FAMILY": "quota"}
    words = [sys.executable, "-m", "userconda", "quota", "/"]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE)
    while not marked("1007.25"):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130
    assert process.stderr is not None
    process.stderr.close()
    assert gone("1007.25")
