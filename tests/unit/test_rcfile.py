"""The line in a startup file: in it once, and out of it to the byte, whatever the file was and whoever edited it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shells.dialects import SHELLS, Dialect
from userconda.errors import StartupFileRefused, UnquotableValue
from userconda.rcfile import MARK, source_line, startup_files, with_line, without_line

LINE = source_line("bash", "/opt/conda/etc/profile.d/ucenv.sh", None).encode()
MOVED = source_line("bash", "/opt/other place/ucenv.sh", "/opt/it's").encode()

TEXTS = {
    "none": None,
    "empty": b"",
    "text": b"export A=1\nalias ll='ls -l'\n",
    "no newline": b"export A=1",
    "CRLF": b"export A=1\r\nexport B=2\r\n",
    "CRLF, no newline": b"export A=1\r\nexport B=2",
    "a return without a newline": b"a\r",
    "blank lines": b"\n\n\n",
    "not UTF-8": b"# caf\xe9\nA=\xff\n",
    "our words in another line": b"# " + MARK.encode() + b"\necho if /ucenv.sh # added by\n",
    "our line as a comment": b"# " + LINE + b"\n",
}
pieces = st.sampled_from([b"a", b"\n", b"\r\n", b"\r", b" ", b"#", b"if ", MARK.encode(), b"/ucenv.sh", b"\xff", b"\\"])
texts = st.none() | st.lists(pieces, max_size=12).map(b"".join).filter(lambda text: without_line(text) == text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_undone_the_file_is_as_it_was(text: bytes | None) -> None:
    added = with_line(text, LINE)
    assert LINE in added
    assert added.startswith(text or b"")
    assert added.endswith(b"\n")
    assert without_line(added) == text


@given(text=texts)
def test_undone_any_file_is_as_it_was(text: bytes | None) -> None:
    assert without_line(with_line(text, LINE)) == text


@given(text=texts)
def test_a_second_time_nothing_changes(text: bytes | None) -> None:
    once = with_line(text, LINE)
    assert with_line(once, LINE) == once


@given(text=texts)
def test_another_path_takes_the_place_of_the_line(text: bytes | None) -> None:
    moved = with_line(with_line(text, LINE), MOVED)
    assert (moved.count(MOVED), moved.count(LINE)) == (1, (text or b"").count(LINE))
    assert moved == with_line(text, MOVED)
    assert without_line(moved) == text


@given(text=texts, before=texts.map(bool), after=st.sampled_from([b"", b"export B=2\n", b"export B=2"]))
def test_what_the_user_wrote_around_it_stays(text: bytes | None, before: bool, after: bytes) -> None:
    first = b"# first\n" if before else b""
    left = without_line(first + with_line(text, LINE) + after)
    kept = text or b""
    if after and kept and not kept.endswith(b"\n"):  # the newline that we added is needed now
        kept += b"\r\n" if b"\r\n" in kept else b"\n"
    assert (left or b"") == first + kept + after


def test_a_file_that_was_made_for_it_and_then_used_stays() -> None:
    assert without_line(with_line(None, LINE) + b"mine\n") == b"mine\n"


def test_two_lines_become_one_and_none() -> None:
    one = with_line(b"first\n", LINE)
    two = one + b"between\n" + with_line(b"", LINE)
    assert with_line(two, MOVED) == with_line(b"first\n", MOVED) + b"between\n"
    assert without_line(two) == b"first\nbetween\n"


def test_a_block_that_it_was_moved_into_stays_a_block() -> None:
    block = b"if [ -t 0 ]; then\n    %s\nfi\n"
    moved_into = block % with_line(b"", LINE).strip()
    assert without_line(moved_into) == block % b":"
    assert with_line(moved_into, LINE) == moved_into


@pytest.mark.parametrize("ending", [b"", b"\n", b"   ", b"\r\n"])
def test_it_is_found_whatever_an_editor_did_to_its_end(ending: bytes) -> None:
    assert without_line(b"a\n" + LINE + ending) == b"a\n"


# in the shells --------------------------------------------------------------------------------------------------

PLACES = [
    "plain",
    "a b",
    "it's",
    'say "x"',
    "$HOME `x` $(x)",
    "wow!",
    "a\\b",
    "(a);b&c|d",
    "* [a] {b,c} ~",
    "café",
    "#a #",
]


@pytest.fixture(params=SHELLS, ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


def run_line(shell: Dialect, line: str, tmp_path: Path, before: str = "") -> str:
    script = tmp_path / "startup"
    script.write_text(f"{before}{line}\n/usr/bin/printf after\n")
    done = subprocess.run([*shell.argv, script], env={"HOME": "/"}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("place", PLACES)
def test_the_line_sources_the_hook_and_names_the_root(shell: Dialect, place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir()
    hook = tmp_path / place / "ucenv.hook"
    hook.write_text('/usr/bin/printf "<%s>" "$UCENV_CONDA_ROOT"\n')
    line = source_line(str(shell), str(hook), f"/opt/{place}")
    assert run_line(shell, line, tmp_path) == f"</opt/{place}>after"


def test_a_root_that_is_named_already_stays(shell: Dialect, tmp_path: Path) -> None:
    hook = tmp_path / "ucenv.hook"
    hook.write_text('/usr/bin/printf "<%s>" "$UCENV_CONDA_ROOT"\n')
    before = shell.export("UCENV_CONDA_ROOT", "/mine") + "\n"
    assert run_line(shell, source_line(str(shell), str(hook), "/opt/conda"), tmp_path, before) == "</mine>after"


def test_the_root_is_not_exported(shell: Dialect, tmp_path: Path) -> None:
    hook = tmp_path / "ucenv.hook"
    hook.write_text("/usr/bin/env\n")
    assert "UCENV_CONDA_ROOT" not in run_line(shell, source_line(str(shell), str(hook), "/opt/conda"), tmp_path)


def test_a_hook_that_is_missing_breaks_no_login(shell: Dialect, tmp_path: Path) -> None:
    """On another machine with the same home; errexit on, and the line the last of the file."""
    file = tmp_path / "rc"
    file.write_text(source_line(str(shell), "/nowhere/ucenv.hook", "/opt/conda") + "\n")
    strict = "" if str(shell) in ("tcsh", "fish") else "set -eu\n"  # tcsh has only -e, fish neither
    assert run_line(shell, f"{strict}{shell.source(file)}", tmp_path) == "after"


@pytest.mark.parametrize("path", ["/opt/a\nb/ucenv.sh", "/opt/a\rb/ucenv.sh", "/opt/\x1b/ucenv.sh"])
def test_a_path_that_does_not_fit_into_a_line_is_refused(path: str) -> None:
    with pytest.raises(UnquotableValue):
        source_line("bash", path, None)
    with pytest.raises(UnquotableValue):
        source_line("bash", "/opt/ucenv.sh", path)


# which file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "environment", "expected"),
    [
        ("bash", {}, ".bashrc"),
        ("bash", {"ENV": "/etc/shrc"}, ".bashrc"),
        ("zsh", {}, ".zshrc"),
        ("zsh", {"ZDOTDIR": "/home/z"}, "/home/z/.zshrc"),
        ("ksh", {}, ".kshrc"),
        ("ksh93", {"ENV": "$HOME/.shrc"}, ".shrc"),
        ("mksh", {}, ".mkshrc"),
        ("mksh", {"ENV": "~/.shrc"}, ".shrc"),
        ("dash", {}, ".profile"),
        ("dash", {"ENV": "${HOME}/.shrc"}, ".shrc"),
        ("ash", {"ENV": "/etc/shrc"}, "/etc/shrc"),
        ("busybox", {}, ".profile"),
        ("sh", {}, ".profile"),
        ("tcsh", {}, ".tcshrc"),
        ("csh", {}, ".cshrc"),
        ("fish", {}, ".config/fish/conf.d/ucenv.fish"),
        ("fish", {"XDG_CONFIG_HOME": "/home/x"}, "/home/x/fish/conf.d/ucenv.fish"),
        ("fish", {"XDG_CONFIG_HOME": "x"}, ".config/fish/conf.d/ucenv.fish"),
    ],
)
def test_which_file_gets_the_line(shell: str, environment: dict[str, str], expected: str, tmp_path: Path) -> None:
    assert startup_files(shell, environment, str(tmp_path))[0] == os.path.join(tmp_path, expected)


@pytest.mark.parametrize(
    ("there", "tcsh", "csh"),
    [
        ((".cshrc",), ".cshrc", ".cshrc"),
        ((".tcshrc",), ".tcshrc", ".cshrc"),
        ((".cshrc", ".tcshrc"), ".tcshrc", ".cshrc"),
    ],
)
def test_tcsh_reads_cshrc_only_without_tcshrc(there: tuple[str, ...], tcsh: str, csh: str, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).touch()
    found = [startup_files(shell, {}, str(tmp_path))[0] for shell in ("tcsh", "csh")]
    assert found == [str(tmp_path / tcsh), str(tmp_path / csh)]


@pytest.mark.parametrize("value", ["$DOTS/shrc", "`echo /x`", "relative", "$(echo /x)"])
def test_an_env_that_only_a_shell_could_expand_is_refused(value: str) -> None:
    with pytest.raises(StartupFileRefused):
        startup_files("ksh", {"ENV": value}, "/home/x")
