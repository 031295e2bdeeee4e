"""What the kernel sees: no process is started by any call, and few files are opened."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shells.dialects import Dialect
from tests.shells.harness import Say, Step, source_hook, ucenv
from tests.shells.sites import Site
from tests.shells.test_undo import USERS
from tests.support import Unavailable

OPENS_PER_LEVEL = 12
#: It enters its own file once more for every file that it reads: `all` has two scripts and two state files.
OPENS_OF_TCSH = 18
LEVELS = {"deactivate --all": 3}
"""How many levels a call takes back; the others have one."""

CALLS = {
    "source": None,
    "load": ucenv("load"),
    "unload": ucenv("unload"),
    "load ENV": ucenv("load", "hooks"),
    "activate": ucenv("activate", "state"),
    "activate --stack": ucenv("activate", "--stack", "messy"),
    "deactivate": ucenv("deactivate"),
    "activate again": ucenv("activate", "all"),
    "deactivate --all": ucenv("deactivate", "--all"),
    "activate third": ucenv("activate", "hooks"),
    "unload ENV": ucenv("unload"),
    "unload of nothing": ucenv("unload"),
    "load of nothing": ucenv("load", "nowhere"),
}
STARTS = re.compile(r"\b(?:fork|vfork|clone3?|execve(?:at)?)\((.*)")
#: Not counted is what no hook can help: ksh93 looks for a `.paths` in every directory of PATH after each assignment to
#: it; tcsh opens /dev/null after each builtin, its message catalogue, and after an assignment the directories of PATH.
_OWN = r'/\.paths"|"/dev/null", O_RDONLY|/tcsh\.cat"|bin", O_RDONLY.*O_DIRECTORY'
OPENS = re.compile(rf"\b(?:open|openat|openat2|creat)\((?!.*(?:{_OWN}))")
MARK = re.compile(r'"/ucenv-mark/([^"]*)"')


def mark(name: str) -> Step:
    """A look-up that a builtin makes: seen by strace, and no process."""
    path = f"/ucenv-mark/{name}"
    return Say(
        lambda d: {"tcsh": f"if ( -e '{path}' ) :", "fish": f"test -e '{path}'"}.get(d.name, f"test -e '{path}' || :")
    )


def trace(shell: Dialect, steps: list[Step], environment: dict[str, str], directory: Path) -> list[str]:
    """Lines of strace for one shell: processes and files, from its own start on."""
    program = shutil.which("strace")
    if program is None:
        raise Unavailable("needs strace", tool="strace")
    script, log = directory / f"script{shell.script_suffix}", directory / "strace"
    lines = [step.code(shell, None, 0) for step in steps]  # type: ignore[arg-type]
    script.write_text("\n".join([*lines, ""]))
    argv = [program, "-f", "-qq", "-s", "200", "-e", "trace=%process,%file", "-o", str(log), *shell.argv, str(script)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, cwd="/")
    if "PTRACE" in done.stderr:
        raise Unavailable("strace may not trace here")
    return log.read_text(errors="surrogateescape").splitlines()


def started(lines: list[str]) -> list[str]:
    """Calls that start a process; threads of the shell itself are none."""
    return [line for line in lines if STARTS.search(line) and "CLONE_THREAD" not in line]


def by_call(lines: list[str]) -> dict[str, list[str]]:
    calls: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if found := MARK.search(line):
            current = calls.setdefault(found[1], [])
        else:
            current.append(line)
    return calls


@pytest.fixture
def calls(shell: Dialect, site: Site, tmp_path: Path) -> dict[str, list[str]]:
    steps: list[Step] = []
    for name, step in CALLS.items():
        steps += [mark(name), step or source_hook(site.hooks)]
    lines = trace(shell, [*steps, mark("end")], site.start | USERS, tmp_path)
    assert len([line for line in lines if "execve(" in line]) >= 1, "strace saw nothing"
    # tcsh starts one as it begins, before it reads a script
    first = next(number for number, line in enumerate(lines) if MARK.search(line))
    assert started(lines[first:]) == []
    found = by_call(lines)
    assert list(found) == [*CALLS, "end"]
    return found


def test_no_process_is_started_and_few_files_are_opened(shell: Dialect, calls: dict[str, list[str]]) -> None:
    limit = OPENS_OF_TCSH if shell.name == "tcsh" else OPENS_PER_LEVEL
    opened = {name: [line for line in lines if OPENS.search(line)] for name, lines in calls.items()}
    too_many = {name: lines for name, lines in opened.items() if len(lines) > limit * LEVELS.get(name, 1)}
    assert too_many == {}
    assert opened["load ENV"], "an activation script was run, so a file was opened"


def test_a_process_would_be_seen(shell: Dialect, site: Site, tmp_path: Path) -> None:
    steps = [mark("a"), Say(lambda d: "/bin/true"), mark("b"), Say(lambda d: "/bin/true"), mark("c")]
    assert started(by_call(trace(shell, steps, site.start, tmp_path))["a"]) != []
