"""Code that `ucenv env` prints, run by the real shells as users run it: every value arrives as it was, to the byte."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shells.dialects import SHELLS, Dialect
from tests.support import CHECKOUT
from userconda.errors import HookMissing, UnquotableValue, UnsupportedShell
from userconda.shells import SUPPORTED, assignment, detect_shell, family, find_hook, quote, source_command

VALUES = [
    "/scratch/user/conda_local/envs:/opt/conda/envs",
    "",
    "  two  words ",
    "it's '' here'",
    'say "x"',
    "$HOME ${PATH} $(echo no) $$",
    "`echo no`",
    "a;b && c | d > /nowhere & # e",
    "wow! !! !x !$ ^a^b^ %1 @",
    "a\\b \\n \\\\ \\' end\\",
    "\\! \\\\!",
    "* ? [a-z] {b,c} ~",
    "::a::b:",
    "one\ntwo\n\nthree",
    "\nbetween newlines\n",
    "a\tb\rc\x01\x07\x08\x0b\x1b[31m\x7f",
    "é 世界 🐍 \x85 \u2028 \ufdd0 \uf600",
    "%s %n 100%",
    os.fsdecode(b"/data/\xff\xfe\x81\x88"),
    "x" * 5000,
]
PIECES = ["'", '"', "!", "!!", "$(echo x)", "`echo y`", "$x", "${", "\\", "\\\\", " ", "  ", "\t", "\n", "*", "?", "["]
PIECES += [
    "{a,b}",
    "~",
    "#",
    ";",
    "&",
    "|",
    "<",
    ">",
    "(",
    ")",
    "^",
    "%",
    "=",
    "@",
    ":",
    "-",
    "a",
    "\r",
    "\x01",
    "\x7f",
]
values = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        st.integers(0x80, 0xFF).map(lambda byte: os.fsdecode(bytes([byte]))),
    ),
    max_size=12,
).map("".join)

#: How the code is used: evaluated as users do, or sourced.
EVALUATE = {
    "posix": 'eval "$(/bin/cat printed)"',
    "csh": 'eval "`/bin/cat printed`"',
    "fish": "/bin/cat printed | source",
}
SOURCE = {"posix": ". ./printed", "csh": "source printed", "fish": "source printed"}

#: Settings under which a quote means something else. csh: `!` is `@`, and a backslash is special inside quotes.
HOSTILE_SETTINGS = {
    "bash": ["set -H", "shopt -s xpg_echo"],
    "zsh": ["setopt banghist rcquotes extendedglob shwordsplit"],
    "tcsh": ["set histchars = '@^'", "set backslash_quote", "set nonomatch"],
}


def name(number: int) -> str:
    """fish splits a variable whose name ends so at colons."""
    return f"UCENV_{number}{'_PATH' if number % 2 else ''}"


def printed(shell: Dialect, given: Sequence[str]) -> bytes:
    return os.fsencode("".join(assignment(str(shell), name(i), value) + "\n" for i, value in enumerate(given)))


def holdable(shell: Dialect, value: str) -> bool:
    return family(str(shell)) != "csh" or "\n" not in value


def values_after(shell: Dialect, given: Sequence[str], commands: Sequence[str], locale: str = "C.UTF-8") -> list[bytes]:
    """What the variables hold for a program that the shell starts after the commands."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "printed").write_bytes(printed(shell, given))
        Path(directory, "script").write_text("\n".join([*commands, "/usr/bin/env -0"]) + "\n")
        environment = {"PATH": "/usr/bin:/bin", "HOME": directory, "LC_ALL": locale}
        argv = [*shell.argv, "script"]
        done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, check=True, timeout=60)
        assert done.stderr == b""
        return _in_order(done.stdout, len(given))


def _in_order(environment: bytes, count: int) -> list[bytes]:
    held = dict(line.split(b"=", 1) for line in environment.split(b"\0") if line)
    return [held.get(name(number).encode(), b"<unset>") for number in range(count)]


@pytest.fixture(params=SHELLS, ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    """Each of the eight; one that is missing is Unavailable."""
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


# values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [EVALUATE, SOURCE], ids=["evaluated", "sourced"])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_values_arrive_as_they_were(shell: Dialect, how: dict[str, str], locale: str) -> None:
    given = [value for value in VALUES if holdable(shell, value)]
    commands = [how[family(str(shell))]]
    assert values_after(shell, given, commands, locale) == [os.fsencode(value) for value in given]


@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(values, min_size=20, max_size=40))
@pytest.mark.parametrize("shell", SHELLS, ids=str)
def test_any_value_arrives_as_it_was(shell: Dialect, drawn: list[str]) -> None:
    drawn = [value for value in drawn if holdable(shell, value)]
    commands = [EVALUATE[family(str(shell))]]
    assert values_after(shell, drawn, commands) == [os.fsencode(value) for value in drawn]


@pytest.mark.parametrize("shell", [s for s in SHELLS if str(s) in HOSTILE_SETTINGS], ids=str)
@pytest.mark.parametrize("how", [EVALUATE, SOURCE], ids=["evaluated", "sourced"])
@pytest.mark.parametrize("hostile", [False, True], ids=["as it comes", "other settings"])
def test_values_arrive_at_a_prompt(shell: Dialect, how: dict[str, str], hostile: bool, tmp_path: Path) -> None:
    """On a terminal, where history is on: csh expands `!` even between single quotes."""
    given = [value for value in VALUES if holdable(shell, value)]
    (tmp_path / "printed").write_bytes(printed(shell, given))
    typed = [*(HOSTILE_SETTINGS[str(shell)] if hostile else []), "echo something for the history"]
    at_a_prompt(shell, [*typed, how[family(str(shell))], "/usr/bin/env -0 > held", "exit"], tmp_path)
    assert _in_order((tmp_path / "held").read_bytes(), len(given)) == [os.fsencode(value) for value in given]


def at_a_prompt(shell: Dialect, lines: Sequence[str], directory: Path) -> None:
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    process = subprocess.Popen(
        [*shell.argv, "-i"],
        cwd=directory,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)

    def drain() -> None:
        try:
            while os.read(master, 65536):
                pass
        except OSError:  # EIO: the shell has gone
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        os.write(master, "".join(f"{line}\n" for line in lines).encode())
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(master)


@pytest.mark.parametrize(("shell", "value"), [("tcsh", "a\nb"), ("csh", "\n"), ("bash", "a\0b"), ("fish", "\0")])
def test_a_value_that_would_arrive_as_another_is_refused(shell: str, value: str) -> None:
    with pytest.raises(UnquotableValue) as caught:
        assignment(shell, "X", value)
    assert (caught.value.shell, caught.value.value) == (shell, value)


def test_in_csh_a_newline_would_indeed_arrive_as_another_value() -> None:
    """Why it is refused: quoted as csh's manual says, and read by backquotes, it becomes a space."""
    tcsh = next(shell for shell in SHELLS if str(shell) == "tcsh")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "printed").write_text("setenv X 'a\\\nb';\n")
        Path(directory, "script").write_text('eval "`/bin/cat printed`"\n/usr/bin/printenv X\n')
        done = subprocess.run([*tcsh.argv, "script"], cwd=directory, env={}, capture_output=True, text=True, check=True)
    assert done.stdout != "a\nb\n"


@pytest.mark.parametrize("shell", SUPPORTED)
def test_a_variable_is_set_in_the_words_of_the_shell(shell: str) -> None:
    words = {"csh": "setenv X v;", "tcsh": "setenv X v;", "fish": "set -gx X 'v'"}
    assert assignment(shell, "X", "v") == words.get(shell, "export X='v'")


def test_a_shell_without_code_is_refused() -> None:
    with pytest.raises(UnsupportedShell) as caught:
        assignment("powershell", "X", "v")
    assert (caught.value.shell, caught.value.supported) == ("powershell", SUPPORTED)


# hook files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [None, "/opt/it's a root"])
def test_what_is_typed_sources_the_hook(shell: Dialect, root: str | None, tmp_path: Path) -> None:
    hook = tmp_path / "a place's $HOME!" / "hook"
    hook.parent.mkdir()
    hook.write_text('/usr/bin/printf "[%s]" "$UCENV_CONDA_ROOT"\n')
    script = tmp_path / "script"
    csh_needs_one = "set UCENV_CONDA_ROOT = ''\n" if str(shell) == "tcsh" else ""
    script.write_text(csh_needs_one + source_command(str(shell), str(hook), root) + "\n")
    done = subprocess.run([*shell.argv, script], env={"HOME": "/"}, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"[{root or ''}]", "")


def test_a_hook_beside_the_conda_that_is_served_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("userconda.shells.__file__", str(tmp_path / "lib/python3/site-packages/userconda/shells.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))
    with pytest.raises(HookMissing) as caught:
        find_hook("bash", "/opt/conda")
    places = (tmp_path, tmp_path / "elsewhere", "/opt/conda")
    below = ("etc/profile.d", "share/ucenv/shell")
    searched = [
        f"{tmp_path}/lib/python3/site-packages/shell",
        *(f"{place}/{name}" for place in places for name in below),
    ]
    assert list(caught.value.searched) == searched
    for place in reversed(searched):  # from the last resort to the first place
        (Path(place.replace("/opt/conda", f"{tmp_path}/conda"))).mkdir(parents=True)
        (path := Path(place.replace("/opt/conda", f"{tmp_path}/conda"), "ucenv.fish")).touch()
        assert find_hook("fish", str(tmp_path / "conda")) == str(path)


# which shell ----------------------------------------------------------------------------------------------------


@pytest.fixture
def _parent_is_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 0)


@pytest.mark.usefixtures("_parent_is_no_shell")
def test_the_login_shell_counts_where_none_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[str, str]:
        raise RuntimeError

    monkeypatch.setattr("shellingham.detect_shell", fail)
    assert detect_shell("/usr/bin/fish") == "fish"


@pytest.mark.usefixtures("_parent_is_no_shell")
def test_the_detected_shell_counts_before_the_login_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("zsh", "/bin/zsh"))
    assert detect_shell("/usr/bin/fish") == "zsh"


#: What the eight may be called.
NAMES = {"ksh": {"ksh", "ksh93"}, "ash": {"ash", "busybox"}}


def asking(shell: Dialect) -> str:
    code = "import sys; from userconda.shells import detect_shell; print(detect_shell('/bin/other'), *sys.modules)"
    # Two commands: a shell replaces itself by the last one.
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}; echo after"


def test_the_shell_that_calls_is_detected(shell: Dialect) -> None:
    argv = [*shell.argv, "-c", asking(shell)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] in NAMES.get(str(shell), {str(shell)})


def test_the_shell_of_a_job_script_is_detected_without_an_import(shell: Dialect, tmp_path: Path) -> None:
    """The batch system runs a file of any name by its first line."""
    script = tmp_path / "slurm_script"
    script.write_text(f"#!{shell.argv[0]}{' ash' if str(shell) == 'ash' else ''}\n{asking(shell)}\n")
    script.chmod(0o755)
    done = subprocess.run([script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    detected, *modules = done.stdout.split()
    assert detected in NAMES.get(str(shell), {str(shell)})
    assert "shellingham" not in modules


@pytest.mark.parametrize("shell", SUPPORTED)
def test_every_supported_shell_quotes(shell: str) -> None:
    assert quote(shell, "") == "''"
