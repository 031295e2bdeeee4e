"""`ucenv setup --shell`: one line in the right startup file, found by the shell, and gone again to the byte."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.shells.dialects import SHELLS, Dialect
from tests.support import Unavailable, need_root, users
from tests.support.faults import CHANGING, FaultyOs, fail, kill
from userconda import fsops, rcfile
from userconda.errors import FileOperation, UcenvError
from userconda.rcfile import MARK

#: shell -> its startup file below the home, and how it is started to read it.
READS = {
    "bash": (".bashrc", ["-i"]),
    "zsh": (".zshrc", ["-i"]),
    "dash": (".profile", ["-l"]),
    "ksh": (".kshrc", ["-i"]),
    "mksh": (".mkshrc", ["-i"]),
    "ash": (".profile", ["-l"]),
    "tcsh": (".tcshrc", []),
    "fish": (".config/fish/conf.d/ucenv.fish", []),
}
CONDA_INIT = """# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
export PATH=/opt/conda/condabin:$PATH
# <<< conda initialize <<<
"""


@pytest.fixture
def home(ucenv: Cluster, tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hook files in a place with a hostile name, which say that they were read."""
    directory = tmp_path / "it's a hook's $HOME! (`x`)"
    directory.mkdir()
    for name in ("ucenv.sh", "ucenv.csh", "ucenv.fish"):
        (directory / name).write_text('/usr/bin/printf "<read with %s>" "$UCENV_CONDA_ROOT"\n')
    monkeypatch.setattr("userconda.shells._hook_directories", lambda conda_root: iter([str(directory)]))
    return directory


@pytest.fixture(params=SHELLS, ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


def edit(ucenv: Cluster, *words: str) -> dict[str, object]:
    run = ucenv("setup", "--shell", *words, "--json")
    assert (run.code, run.err) == (0, "")
    startup: dict[str, object] = run.json["result"]["startup"]
    return startup


def started(ucenv: Cluster, shell: Dialect, *environment: tuple[str, str]) -> str:
    """What a new shell of the user's prints, its own flags left out, so that it reads its files."""
    words = shell.argv[:2] if str(shell) == "ash" else shell.argv[:1]
    argv = [*words, *READS[str(shell)][1], "-c", "/usr/bin/printf started"]
    env = {"HOME": ucenv.environment["HOME"], "PATH": "/usr/bin:/bin", **dict(environment)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


# in the shell ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hooks")
def test_new_shells_have_it_until_it_is_undone(ucenv: Cluster, home: Path, shell: Dialect) -> None:
    before = started(ucenv, shell)
    assert edit(ucenv, str(shell))["path"] == str(home / READS[str(shell)][0])
    assert started(ucenv, shell) == f"<read with {ucenv.site.conda.root}>started"
    assert edit(ucenv, str(shell), "--undo")["action"] == "removed"
    assert started(ucenv, shell) == before == "started"
    assert [path for path in home.rglob("*") if path.is_file() and "ucenv" in path.name] == []


def test_a_login_where_the_hook_is_missing(ucenv: Cluster, home: Path, hooks: Path, shell: Dialect) -> None:
    edit(ucenv, str(shell))
    shutil.rmtree(hooks)
    assert started(ucenv, shell) == "started"


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("shell", [s for s in SHELLS if str(s) in ("dash", "ksh", "mksh", "ash")], ids=str)
def test_the_file_that_env_names(
    ucenv: Cluster, home: Path, shell: Dialect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENV", "$HOME/.shrc")
    assert edit(ucenv, str(shell))["path"] == str(home / ".shrc")
    monkeypatch.setitem(READS, str(shell), (".shrc", ["-i"]))
    assert started(ucenv, shell, ("ENV", f"{home}/.shrc")).endswith(f"<read with {ucenv.site.conda.root}>started")


@pytest.mark.usefixtures("hooks")
def test_what_is_to_be_typed_now(ucenv: Cluster, shell: Dialect) -> None:
    now = edit(ucenv, str(shell), "--dry-run")["now"]
    script = ucenv.site.tmp / "script"
    script.write_text(f"{now}\n")
    done = subprocess.run([*shell.argv, script], env={"HOME": "/"}, capture_output=True, text=True, check=True)
    assert done.stdout == f"<read with {ucenv.site.conda.root}>"


# the file -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    "text", [None, b"", b"A=1\n", b"A=1", b"A=1\r\nB=2\r\n", b"A=1\r\nB=2", b"caf\xe9=1\n"], ids=lambda t: repr(t)
)
def test_undone_the_file_is_as_it_was(ucenv: Cluster, home: Path, text: bytes | None) -> None:
    rc = home / ".bashrc"
    if text is not None:
        rc.write_bytes(text)
    assert edit(ucenv, "bash")["action"] == "added"
    added = rc.read_bytes()
    assert added.count(MARK.encode()) == 1
    assert edit(ucenv, "bash")["action"] == "present"
    assert rc.read_bytes() == added
    assert edit(ucenv, "bash", "--undo")["action"] == "removed"
    assert (rc.read_bytes() if rc.exists() else None) == text
    assert edit(ucenv, "bash", "--undo")["action"] == "absent"
    assert sorted(path.name for path in home.iterdir()) == ([".bashrc"] if text is not None else [])


def test_a_hook_that_has_moved_takes_the_lines_place(
    ucenv: Cluster, home: Path, hooks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (home / ".bashrc").write_text("first\n")
    edit(ucenv, "bash")
    with open(home / ".bashrc", "a") as stream:
        stream.write("last\n")
    moved = hooks.rename(tmp_path / "moved")
    monkeypatch.setattr("userconda.shells._hook_directories", lambda conda_root: iter([str(moved)]))
    assert edit(ucenv, "bash")["action"] == "replaced"
    first, line, last = (home / ".bashrc").read_text().splitlines()
    assert (first, last) == ("first", "last")
    assert str(moved) in line
    edit(ucenv, "bash", "--undo")
    assert (home / ".bashrc").read_text() == "first\nlast\n"


@pytest.mark.usefixtures("hooks")
def test_several_shells_each_have_their_own(ucenv: Cluster, home: Path) -> None:
    for name in READS:
        edit(ucenv, name)
    for name in ("bash", "zsh"):
        edit(ucenv, name, "--undo")
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert files == {READS[name][0] for name in READS} - {".bashrc", ".zshrc"}
    assert (home / ".profile").read_text().count(MARK) == 1  # dash's and ash's


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("words", [[], ["--undo"]])
def test_a_dry_run_writes_nothing(ucenv: Cluster, home: Path, words: list[str]) -> None:
    if words:
        edit(ucenv, "bash")
    before = {path: path.read_bytes() for path in home.rglob("*")}
    run = ucenv("setup", "--shell", "bash", "--dry-run", *words)
    assert f"{home}/.bashrc: this line would be {'removed' if words else 'added'}\n" in run.out
    assert MARK in run.out
    assert {path: path.read_bytes() for path in home.rglob("*")} == before
    assert not words or not (ucenv.root / "nothing").exists()


def test_without_shell_nothing_in_the_home_is_written(ucenv: Cluster, home: Path) -> None:
    ucenv("setup")
    assert list(home.iterdir()) == []


def test_undo_makes_nothing(ucenv: Cluster, home: Path) -> None:
    assert edit(ucenv, "bash", "--undo")["action"] == "absent"
    assert (list(home.iterdir()), list(ucenv.root.iterdir())) == ([], [])


def test_undo_alone_is_a_usage_error(ucenv: Cluster) -> None:
    assert ucenv("setup", "--undo").code == 2


@pytest.mark.usefixtures("hooks")
def test_the_words_of_the_report(ucenv: Cluster, home: Path) -> None:
    out = ucenv("setup", "--shell", "bash").out
    assert re.search(rf"^{home}/\.bashrc: this line was added$", out, re.M)
    assert "new shells have `ucenv load`" in out
    assert "`ucenv setup --shell --undo` takes the line out." in out
    assert "new login shells have" in ucenv("setup", "--shell", "dash").out
    assert "there already" in ucenv("setup", "--shell", "bash").out
    assert ucenv("setup", "--shell", "bash", "--undo").out.startswith(f"{home}/.bashrc: this line was removed\n")
    assert ucenv("setup", "--shell", "bash", "--undo").out == f"{home}/.bashrc has no line of ours\n"


# links, modes, owners -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(ucenv: Cluster, home: Path, tmp_path: Path, there: bool) -> None:
    """As dotfile managers make them; where it dangles, the file is made where it leads."""
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (home / ".bashrc").symlink_to("../dotfiles/bashrc")
    if there:
        (dotfiles / "bashrc").write_text("A=1\n")
    edit(ucenv, "bash")
    assert MARK in (dotfiles / "bashrc").read_text()
    edit(ucenv, "bash", "--undo")
    assert os.readlink(home / ".bashrc") == "../dotfiles/bashrc"
    assert [path.read_text() for path in dotfiles.iterdir()] == (["A=1\n"] if there else [])
    assert [path.name for path in home.iterdir()] == [".bashrc"]


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755])
def test_its_mode_stays(ucenv: Cluster, home: Path, mode: int) -> None:
    (home / ".bashrc").write_text("A=1\n")
    (home / ".bashrc").chmod(mode)
    edit(ucenv, "bash")
    assert stat.S_IMODE((home / ".bashrc").stat().st_mode) == mode


@pytest.mark.usefixtures("hooks")
def test_its_acl_and_attributes_stay(ucenv: Cluster, home: Path) -> None:
    rc = home / ".bashrc"
    rc.write_text("A=1\n")
    try:
        os.setxattr(rc, "user.note", b"mine")
        subprocess.run(["setfacl", "-m", "u:65534:r", rc], check=True, capture_output=True)
    except FileNotFoundError:
        raise Unavailable("needs setfacl", tool="setfacl") from None
    except (OSError, subprocess.CalledProcessError):
        raise Unavailable("needs a filesystem with attributes and ACLs") from None
    before = {name: os.getxattr(rc, name) for name in os.listxattr(rc)}
    assert len(before) == 2
    edit(ucenv, "bash")
    assert {name: os.getxattr(rc, name) for name in os.listxattr(rc)} == before


@pytest.mark.usefixtures("hooks")
def test_its_owner_stays(ucenv: Cluster, home: Path) -> None:
    need_root("a file of somebody else's")
    (home / ".bashrc").write_text("A=1\n")
    os.chown(home / ".bashrc", 1234, 1235)
    edit(ucenv, "bash")
    status = (home / ".bashrc").stat()
    assert (status.st_uid, status.st_gid) == (1234, 1235)


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_a_read_only_file_is_left_alone(ucenv: Cluster, home: Path, words: list[str]) -> None:
    (home / ".bashrc").write_text("A=1\n")
    (home / ".bashrc").chmod(0o444)
    run = ucenv("setup", "--shell", "bash", *words)
    assert (run.code, run.out) == (73, "")
    assert f"{home}/.bashrc was left as it is: it is read-only" in run.err
    assert re.search(r"add the line yourself: if \[ -r ", run.err)
    assert (home / ".bashrc").read_text() == "A=1\n"
    assert list(ucenv.root.iterdir()) == []


@pytest.mark.parametrize("target", ["/dev/null", "fifo", "directory", "loop", "NULs", "goes on"])
@pytest.mark.usefixtures("hooks")
def test_what_is_no_text_file_is_left_alone(ucenv: Cluster, home: Path, target: str) -> None:
    rc = home / ".bashrc"
    if target == "/dev/null":
        rc.symlink_to(target)
    elif target == "fifo":
        os.mkfifo(rc)
    elif target == "directory":
        rc.mkdir()
    elif target == "loop":
        rc.symlink_to(".bashrc")
    else:
        rc.write_bytes(b"a\0b\n" if target == "NULs" else b"echo a \\\n")
    before = os.lstat(rc)
    run = ucenv("setup", "--shell", "bash")
    assert run.code == (50 if target == "loop" else 73)
    assert "Traceback" not in run.err
    after = os.lstat(rc)
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_home_that_cannot_be_written(shared_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_root("another user")
    _, user = users.two_users()
    home = shared_tmp / "home"
    home.mkdir(mode=0o755)
    (home / ".bashrc").write_text("A=1\n")
    (home / ".bashrc").chmod(0o666)
    (shared_tmp / "ucenv.sh").touch()
    monkeypatch.setattr("userconda.shells._hook_directories", lambda conda_root: iter([str(shared_tmp)]))

    def setup() -> int:
        try:
            rcfile.edit("bash", {}, str(home), None, dry_run=False)
        except UcenvError as error:
            return error.exit_code
        return 0

    assert users.fork_as(user, setup) == FileOperation.exit_code
    assert (home / ".bashrc").read_text() == "A=1\n"
    assert [path.name for path in home.iterdir()] == [".bashrc"]


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.usefixtures("hooks")
def test_at_every_step_the_file_is_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    """Killed, or refused by a full disk."""
    rc, before = tmp_path / ".bashrc", b"A=1\n" * 1000

    def change() -> None:
        if undone:
            rcfile.undo("bash", {}, str(tmp_path), dry_run=False)
        else:
            rcfile.edit("bash", {}, str(tmp_path), None, dry_run=False)

    def begin() -> None:
        rc.write_bytes(before)
        if undone:
            rcfile.edit("bash", {}, str(tmp_path), None, dry_run=False)

    begin()
    old, counting = rc.read_bytes(), FaultyOs(counted=CHANGING)
    with monkeypatch.context() as patch:
        patch.setattr(fsops, "os", counting)
        change()
    new, steps = rc.read_bytes(), counting.total
    assert steps >= 5
    for step in range(1, steps + 1):
        for fault in (kill(nth=step), fail(errno.ENOSPC, nth=step)):
            begin()
            faulty = FaultyOs(fault, counted=CHANGING)
            with monkeypatch.context() as patch, contextlib.suppress(users.ChildKilled, UcenvError):
                patch.setattr(fsops, "os", faulty)
                users.fork(change)
            assert faulty.matched[0] >= step
            assert rc.read_bytes() in (old, new)


def test_an_editor_that_writes_meanwhile_wins(
    ucenv: Cluster, home: Path, hooks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rc = home / ".bashrc"
    rc.write_text("A=1\n")
    replace = fsops.replace_file

    def late(path: str, data: bytes | None, before: os.stat_result | None) -> bool:
        rc.write_text("A=1\nB=2\n")
        return replace(path, data, before)

    monkeypatch.setattr(fsops, "replace_file", late)
    run = ucenv("setup", "--shell", "bash")
    assert run.code == 73
    assert "somebody else has just changed it" in run.err
    assert rc.read_text() == "A=1\nB=2\n"
    assert [path.name for path in home.iterdir()] == [".bashrc"]


# warnings -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bashrc"),
        ("bash", ".bash_profile"),
        ("zsh", ".zshrc"),
        ("fish", ".config/fish/config.fish"),
        ("tcsh", ".tcshrc"),
    ],
)
def test_the_block_of_conda_init_is_told_of_and_stays(ucenv: Cluster, home: Path, shell: str, file: str) -> None:
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(CONDA_INIT)
    warnings = ucenv("setup", "--shell", shell, "--json").json["warnings"]
    (warning,) = [text for text in warnings if "conda init" in text]
    assert warning.startswith(f"{home}/{file} has the block of `conda init`")
    assert f"conda init --reverse {shell}" in warning
    assert (home / file).read_text().startswith(CONDA_INIT)


@pytest.mark.usefixtures("hooks")
def test_the_block_of_mamba_is_told_of(ucenv: Cluster, home: Path) -> None:
    (home / ".zshrc").write_text(CONDA_INIT.replace("conda init", "mamba init"))
    (warning,) = ucenv("setup", "--shell", "zsh", "--json").json["warnings"]
    assert warning.startswith(f"{home}/.zshrc has the block of `mamba shell init`")


@pytest.mark.parametrize("words", [[], ["--undo"]])
def test_a_shell_that_is_not_supported(ucenv: Cluster, home: Path, words: list[str]) -> None:
    assert ucenv("setup", "--shell", "powershell", *words).code == 70
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({}, True),
        ({".profile": "A=1\n"}, True),
        ({".profile": ". ~/.bashrc\n"}, False),
        ({".bash_profile": "A=1\n", ".profile": ". ~/.bashrc\n"}, True),
    ],
)
def test_login_shells_that_read_no_bashrc_are_told_of(
    ucenv: Cluster, home: Path, profile: dict[str, str], said: bool
) -> None:
    for name, text in profile.items():
        (home / name).write_text(text)
    warnings = ucenv("setup", "--shell", "bash", "--json").json["warnings"]
    assert any("login shells" in text for text in warnings) == said


@pytest.mark.usefixtures("hooks")
def test_other_names_of_the_file_are_told_of(ucenv: Cluster, home: Path) -> None:
    (home / ".zshrc").write_text("A=1\n")
    (home / "other").hardlink_to(home / ".zshrc")
    (warning,) = ucenv("setup", "--shell", "zsh", "--json").json["warnings"]
    assert "2 names" in warning
    assert (home / "other").read_text() == "A=1\n"
