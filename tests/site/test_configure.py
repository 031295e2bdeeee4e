"""`ucenv site configure`: what it writes, what it leaves, and what a run leaves that does not end."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.support import users
from tests.support.faults import CHANGING, FaultyOs, fail, kill
from userconda import fsops
from userconda.errors import FileOperation, FileRefused, NotEnoughSpace
from userconda.site import configure as configuring
from userconda.site import edits, permissions
from userconda.site.configure import configure, plan_configure
from userconda.site.definition import parse_site
from userconda.site.permissions import execute_permissions, plan_permissions
from userconda.site.pins import BEGIN, END, with_pins

ENVIRONMENT = "py3_powerai_1.7.0"


def root_of(ucenv: Cluster) -> Path:
    return ucenv.site.conda.root


def condarc(ucenv: Cluster) -> Path:
    return root_of(ucenv) / ".condarc"


def say(ucenv: Cluster, tables: str) -> None:
    """site.toml with these tables."""
    text = f'[conda]\nroot = "{root_of(ucenv)}"\nversion = "4.8.3"\n{tables}\n'
    text += f'[[environments]]\nname = "{ENVIRONMENT}"\nmodule = "python3/1"\n'
    (root_of(ucenv) / "etc/ucenv/site.toml").write_text(text)


def actions(ucenv: Cluster, *words: str) -> list[tuple[str, str]]:
    """What was done to keys and pins."""
    run = ucenv("site", "configure", "--json", *words)
    assert run.code == 0, run.out
    changes = run.json["result"]["changes"]
    return [(change["action"], change["what"]) for change in changes if change["action"] != "opened"]


# .condarc -------------------------------------------------------------------------------------------------------


def test_settings_are_written_once(ucenv: Cluster) -> None:
    say(ucenv, '[condarc]\ndefault_threads = 4\nchannels = ["https://example.org/wmlce", "defaults"]')
    assert actions(ucenv, "--dry-run")[0] == ("set", "default_threads: 4")
    assert not condarc(ucenv).exists()
    assert len(actions(ucenv)) == 2
    assert condarc(ucenv).read_text() == (
        "default_threads: 4\nchannels:\n  - https://example.org/wmlce\n  - defaults\n"
    )
    assert stat.S_IMODE(condarc(ucenv).stat().st_mode) == 0o644
    before = condarc(ucenv).stat()
    assert actions(ucenv) == []
    assert condarc(ucenv).stat() == before
    assert "nothing to do" in ucenv("site", "configure").out


def test_what_others_wrote_stays_to_the_byte(ucenv: Cluster) -> None:
    theirs = (
        "# ask Ann before\noffline : yes   # really\nproxy_servers: {http: http://p:80}\r\n\nenv_prompt: |\n  x\n# end"
    )
    condarc(ucenv).write_bytes(theirs.encode())
    condarc(ucenv).chmod(0o664)
    say(ucenv, "[condarc]\ndefault_threads = 4")
    actions(ucenv)
    assert condarc(ucenv).read_bytes() == (theirs + "\r\ndefault_threads: 4\r\n").encode()
    assert stat.S_IMODE(condarc(ucenv).stat().st_mode) == 0o664
    say(ucenv, "[condarc]")
    assert actions(ucenv) == [("removed", "default_threads: 4")]
    assert condarc(ucenv).read_bytes() == (theirs + "\r\n").encode()
    assert actions(ucenv) == []


def test_a_key_of_somebody_else_is_not_removed(ucenv: Cluster) -> None:
    condarc(ucenv).write_text("default_threads: 4\nalways_yes: true\n")
    say(ucenv, "[condarc]\ndefault_threads = 4")
    assert actions(ucenv) == []
    say(ucenv, "[condarc]")
    assert actions(ucenv) == []
    assert condarc(ucenv).read_text() == "default_threads: 4\nalways_yes: true\n"


def test_what_was_changed_by_hand_is_shown(ucenv: Cluster) -> None:
    say(ucenv, "[condarc]\ndefault_threads = 4\nalways_yes = true\noffline = true")
    actions(ucenv)
    condarc(ucenv).write_text("default_threads: 2\nalways_yes: true\noffline: false\n")
    say(ucenv, "[condarc]\ndefault_threads = 8\nalways_yes = false")
    run = ucenv("site", "configure")
    assert "overwritten: default_threads: 2 -> 8  (not as ucenv had written it)\n" in run.out
    assert "\nchanged: always_yes: true -> false\n" in run.out
    assert "left: offline: false  (no longer in site.toml, but changed by hand since" in run.out
    assert condarc(ucenv).read_text() == "default_threads: 8\nalways_yes: false\noffline: false\n"
    assert actions(ucenv) == []


def test_a_note_that_is_none_removes_nothing(ucenv: Cluster) -> None:
    say(ucenv, "[condarc]\noffline = true")
    actions(ucenv)
    (root_of(ucenv) / "etc/ucenv/configured.json").write_text('{"condarc": ["x"]}')
    say(ucenv, "[condarc]")
    assert actions(ucenv) == []
    assert condarc(ucenv).read_text() == "offline: true\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("offline: true\noffline: false\n", "line 2: offline is there twice"),
        ("offline: &x true\n", "line 1: anchors"),
        ("- a\n", "line 1: a key is wanted"),
    ],
)
def test_a_condarc_that_is_not_understood_is_left(ucenv: Cluster, text: str, said: str) -> None:
    condarc(ucenv).write_text(text)
    say(ucenv, "[condarc]\noffline = false")
    run = ucenv("site", "configure")
    assert run.code == 27
    assert said in run.err
    assert condarc(ucenv).read_text() == text


def test_a_condarc_that_is_no_file(ucenv: Cluster) -> None:
    os.mkfifo(condarc(ucenv))
    say(ucenv, "[condarc]\noffline = false")
    assert "it is no regular file" in ucenv("site", "configure").err


def test_a_link_is_followed_to_where_the_text_is(ucenv: Cluster) -> None:
    target = ucenv.site.tmp / "condarc.git"
    target.write_text("always_yes: true\n")
    condarc(ucenv).symlink_to(target)
    say(ucenv, "[condarc]\noffline = false")
    actions(ucenv)
    assert condarc(ucenv).is_symlink()
    assert target.read_text() == "always_yes: true\noffline: false\n"


def test_passwords_are_not_shown_or_noted(ucenv: Cluster) -> None:
    say(ucenv, '[condarc]\nchannels = ["https://ann:s3cret@example.org/t/tk-123/c"]')
    run = ucenv("site", "configure")
    assert "https://***@example.org/t/***/c" in run.out
    assert "holds a password or token" in run.err
    said = run.out + run.err + ucenv("site", "check", "--json").out + ucenv("site", "configure", "--json").out
    assert "s3cret" not in said + (root_of(ucenv) / "etc/ucenv/configured.json").read_text()
    assert "tk-123" not in said


def test_other_files_of_the_root_that_conda_reads_later(ucenv: Cluster) -> None:
    (root_of(ucenv) / "condarc.d").mkdir()
    (root_of(ucenv) / "condarc.d/x.yml").write_text("offline: true\n")
    say(ucenv, "[condarc]\noffline = false")
    assert "condarc.d/x.yml is read after .condarc and has offline too" in ucenv("site", "configure").err


def test_without_a_conda_nothing_is_validated_and_that_is_said(ucenv: Cluster) -> None:
    (root_of(ucenv) / "bin/conda").unlink()
    say(ucenv, "[condarc]\nnonsense = 1")
    run = ucenv("site", "configure", "--json")
    assert run.json["result"]["validated"] is False
    assert run.json["warnings"][0].startswith("the settings were not validated: there is no ")
    assert condarc(ucenv).read_text() == "nonsense: 1\n"


# pins -----------------------------------------------------------------------------------------------------------


def test_pins_are_in_the_condarc_and_in_each_environment(ucenv: Cluster) -> None:
    pinned = root_of(ucenv) / "envs" / ENVIRONMENT / "conda-meta/pinned"
    pinned.write_text("# mine\nnumpy 1.*\n")
    say(ucenv, '[pins]\ncudatoolkit = "<10.3"\nnumpy = "2.*"')
    run = ucenv("site", "configure", "--json")
    assert any("has a line of its own for numpy, which stays" in warning for warning in run.json["warnings"])
    assert 'pinned_packages:\n  - "cudatoolkit <10.3"\n  - "numpy 2.*"\n' in condarc(ucenv).read_text()
    assert pinned.read_text() == f"# mine\nnumpy 1.*\n{BEGIN}\ncudatoolkit <10.3\n{END}\n"
    assert actions(ucenv) == []
    assert not (root_of(ucenv) / "conda-meta/pinned").exists()
    say(ucenv, "")
    assert [action for action, _ in actions(ucenv)] == ["removed", "pinned"]
    assert pinned.read_text() == "# mine\nnumpy 1.*\n"


@pytest.mark.parametrize("before", ["", "a 1\n", "a 1", "# c\r\na 1\r\n", "conda-forge::a[version='>=1']\n"])
def test_pins_come_and_go(before: str) -> None:
    with_ours, _ = with_pins(before, {"b": "<2", "c": "1.*"})
    assert with_pins(with_ours, {"b": "<2", "c": "1.*"})[0] == with_ours
    changed, _ = with_pins(with_ours, {"b": "3"})
    assert "b 3" in changed
    assert "c 1" not in changed
    assert with_pins(changed, {})[0].rstrip("\n") == before.rstrip("\n")
    assert with_pins(before, {"a": "2"}) == ((before, ("a",)) if before else (f"{BEGIN}\na 2\n{END}\n", ()))


# permissions ----------------------------------------------------------------------------------------------------


def modes(root: Path) -> dict[str, int]:
    found = {}
    for directory, _, names in os.walk(root):
        for path in (directory, *(os.path.join(directory, name) for name in names)):
            if not os.path.islink(path):
                found[os.path.relpath(path, root)] = stat.S_IMODE(os.lstat(path).st_mode)
    return found


def test_everything_is_readable_and_nothing_else_changes(ucenv: Cluster, tmp_path: Path) -> None:
    outside, root = tmp_path / "secret", root_of(ucenv)
    outside.write_text("")
    outside.chmod(0o600)
    odd = root / "odd"
    (odd / "closed/deeper").mkdir(parents=True)
    (odd / "closed/deeper/file").touch()
    (odd / "link").symlink_to(outside)
    (odd / "closed/link").symlink_to(tmp_path)
    shapes = {
        "plain": 0o600,
        "tool": 0o700,
        "suid": 0o4710,
        "sgid": 0o2510,
        "nothing": 0,
        "own": 0o644,
        ".netrc": 0o600,
    }
    for name, mode in shapes.items():
        (odd / name).touch()
        (odd / name).chmod(mode)
    os.mkfifo(odd / "fifo", 0o600)
    (odd / "closed/deeper").chmod(0o2700)
    (odd / "closed").chmod(0o700)
    (root / ".cache").mkdir(mode=0o700)
    (root / "etc/ucenv/site.toml").chmod(0o600)
    os.link(odd / "plain", odd / "same")
    say(ucenv, "")
    before = modes(root)
    assert ucenv("site", "configure").code == 0
    after = modes(root)
    kept = {"odd/.netrc", ".cache", "etc/ucenv/site.toml", "odd/fifo"}
    for path, mode in before.items():
        is_directory = (root / path).is_dir()
        wanted = mode | 0o444 | (0o111 if is_directory or mode & 0o111 else 0)
        assert after[path] == (mode if path in kept else wanted), path
    assert (after["odd/suid"], after["odd/sgid"], after["odd/closed/deeper"]) == (0o4755, 0o2555, 0o2755)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert plan_permissions(str(root)).opened == []


def test_many_are_summed_up(ucenv: Cluster) -> None:
    for number in range(30):
        (root_of(ucenv) / f"share/{number}").touch(mode=0o600)
    say(ucenv, "")
    assert ucenv("site", "configure").code == 0
    for number in range(30):
        (root_of(ucenv) / f"share/{number}").chmod(0o600)
    run = ucenv("site", "configure", "--dry-run")
    assert run.out.count("would be opened for everyone") == 6
    assert "25 more (--json lists them)\n" in run.out
    assert len(ucenv("site", "configure", "--dry-run", "--json").json["result"]["changes"]) == 30


def test_what_others_may_write_is_told(ucenv: Cluster) -> None:
    (root_of(ucenv) / "share/open").mkdir()
    (root_of(ucenv) / "share/open").chmod(0o777)
    (root_of(ucenv) / "share/open/theirs").touch(mode=0o600)
    say(ucenv, "")
    run = ucenv("site", "configure")
    assert "can be written by everyone, who could change what others run: share/open (below" in run.err
    assert "stays closed: everyone may write the directory it is in: share/open/theirs" in run.err
    assert stat.S_IMODE((root_of(ucenv) / "share/open/theirs").stat().st_mode) == 0o600


def test_a_file_that_is_another_by_then_is_left(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o755)
    secret, file = tmp_path / "secret", tmp_path / "root/file"
    for path in (secret, file):
        path.touch()
        path.chmod(0o600)
    plan = plan_permissions(str(tmp_path / "root"))
    file.unlink()
    file.symlink_to(secret)
    assert execute_permissions(plan) == 0
    file.unlink()
    os.link(secret, file)
    assert execute_permissions(plan) == 0
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_what_users_own_and_what_they_could_have_put_there(
    shared_tmp: Path, two_users: tuple[users.User, users.User]
) -> None:
    admin, user = two_users
    root = shared_tmp / "root"
    for directory, owner in ((root, admin), (root / "theirs", user), (root / "closed", admin)):
        directory.mkdir()
        os.chown(directory, owner.uid, owner.gid)
    for path, owner in (("a", admin), ("b", user), ("theirs/c", admin), ("closed/d", admin), ("theirs/e", user)):
        (root / path).touch()
        os.chown(root / path, owner.uid, owner.gid)
        (root / path).chmod(0o600)
    (root / "closed").chmod(0o000)

    def run() -> tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]:
        plan = plan_permissions(str(root))
        execute_permissions(plan)
        return sorted(opened.path for opened in plan.opened), sorted(plan.foreign), sorted(plan.kept)

    opened, foreign, kept = users.fork_as(admin, run)
    assert opened == ["a", "closed"]  # and what was in it, once it was open
    assert foreign == [("b", "of ucenvuser"), ("theirs/e", "of ucenvuser")]
    assert kept == [("theirs/c", "the directory it is in is of ucenvuser")]
    assert modes(root) == {
        ".": 0o755, "a": 0o644, "b": 0o600, "theirs": 0o755, "theirs/c": 0o600, "theirs/e": 0o600, "closed": 0o555,
        "closed/d": 0o644,
    }  # fmt: skip
    assert users.fork_as(user, lambda: (root / "closed/d").read_bytes()) == b""


def test_a_setgid_bit_that_would_be_lost(shared_tmp: Path, two_users: tuple[users.User, users.User]) -> None:
    admin, user = two_users
    directory = shared_tmp / "group"
    directory.mkdir()
    os.chown(directory, admin.uid, user.gid)
    directory.chmod(0o2750)
    os.chown(shared_tmp, admin.uid, admin.gid)

    def run() -> list[tuple[str, str]]:
        plan = plan_permissions(str(shared_tmp))
        execute_permissions(plan)
        return plan.kept

    assert users.fork_as(admin, run) == [("group", "it would lose its setgid bit (you are not in ucenvuser)")]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o2750


def test_a_group_of_ones_own_is_nobody_else(shared_tmp: Path, two_users: tuple[users.User, users.User]) -> None:
    admin, user = two_users
    os.chown(shared_tmp, admin.uid, admin.gid)
    for name, group in (("own", admin.gid), ("shared", user.gid)):
        (shared_tmp / name).touch()
        os.chown(shared_tmp / name, admin.uid, group)
        (shared_tmp / name).chmod(0o664)
    assert plan_permissions(str(shared_tmp)).writable == [("shared", "group ucenvuser")]


def test_a_user_reads_what_an_administrator_with_a_strict_umask_has_configured(
    shared_tmp: Path, two_users: tuple[users.User, users.User]
) -> None:
    admin, user = two_users
    os.chown(shared_tmp, admin.uid, admin.gid)

    def run() -> None:
        text = f'[conda]\nroot = "{shared_tmp}"\nversion = "1"\n[condarc]\noffline = true\n'
        configure(parse_site(text, ""), text)

    users.fork_as(admin, run, umask=0o077)
    assert users.fork_as(user, (shared_tmp / ".condarc").read_text) == "offline: true\n"
    with pytest.raises(FileOperation):
        users.fork_as(user, lambda: _set_offline(shared_tmp, "false"))


def _set_offline(root: Path, value: str) -> None:
    text = f'[conda]\nroot = "{root}"\nversion = "1"\n[condarc]\noffline = {value}\n'
    configure(parse_site(text, ""), text)


# what does not go well ------------------------------------------------------------------------------------------


BEFORE, AFTER = "# by hand\nalways_yes: true\noffline: true\n", "# by hand\nalways_yes: true\noffline: false\n"


@pytest.fixture
def half(tmp_path: Path) -> tuple[Path, Callable[[], object]]:
    """A root that one run has configured; and another run, with changes of each kind."""
    root = tmp_path / "root"
    (root / "envs/e/conda-meta").mkdir(parents=True)
    head = f'[conda]\nroot = "{root}"\nversion = "1"\n[[environments]]\nname = "e"\nmodule = "e/1"\n'
    first = f'{head}[condarc]\noffline = true\n[pins]\na = "1"\n'
    (root / ".condarc").write_text("# by hand\nalways_yes: true\n")
    configure(parse_site(first, ""), first)
    assert (root / ".condarc").read_text().startswith(BEFORE)
    (root / "file").touch(mode=0o600)
    text = f"{head}[condarc]\noffline = false\n"
    return root, lambda: configure(parse_site(text, ""), text)


def instead_of_os(monkeypatch: pytest.MonkeyPatch, faulty: FaultyOs) -> None:
    for module in (fsops, edits, permissions, configuring):
        monkeypatch.setattr(module, "os", faulty)


def states(root: Path) -> tuple[str, str]:
    pinned = root / "envs/e/conda-meta/pinned"
    return (root / ".condarc").read_text(), pinned.read_text() if pinned.exists() else ""


def test_killed_at_every_step_each_file_is_old_or_new(
    half: tuple[Path, Callable[[], object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, run = half
    subprocess.run(["cp", "-a", root, tmp_path / "kept"], check=True)
    counting = FaultyOs(counted=CHANGING)
    with monkeypatch.context() as patch:
        instead_of_os(patch, counting)
        users.fork(run)
    after = states(root)
    assert after == (AFTER, "")
    assert counting.total > 15
    for step in range(1, counting.total + 1):
        subprocess.run(["rm", "-rf", root], check=True)
        subprocess.run(["cp", "-a", tmp_path / "kept", root], check=True)
        before = states(root)
        with monkeypatch.context() as patch:
            instead_of_os(patch, FaultyOs(kill(nth=step), counted=CHANGING))
            with pytest.raises(users.ChildKilled):
                users.fork(run)
        for now, old, new in zip(states(root), before, after, strict=True):
            assert now in (old, new), step
        run()
        assert states(root) == after, step
        assert list(root.rglob("*.tmp")) == [], step
        assert stat.S_IMODE((root / "file").stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "fchmod"])
def test_a_refusal_leaves_the_file_that_was_there(
    half: tuple[Path, Callable[[], object]], monkeypatch: pytest.MonkeyPatch, error: int, call: str
) -> None:
    root, run = half
    before = states(root)
    faulty = FaultyOs(fail(error, calls={call}, path=r"\.condarc\..*tmp$"))
    with monkeypatch.context() as patch:
        instead_of_os(patch, faulty)
        wanted = NotEnoughSpace if error in (errno.ENOSPC, errno.EDQUOT) else FileOperation
        with pytest.raises(wanted):
            run()
    assert faulty.matched[0] >= 1
    assert states(root) == before
    assert list(root.glob(".condarc.*")) == []
    run()
    assert states(root)[0] == AFTER


def test_a_chmod_that_is_refused_is_said(
    half: tuple[Path, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = half
    faulty = FaultyOs(fail(errno.EPERM, calls={"chmod"}))
    with monkeypatch.context() as patch:
        instead_of_os(patch, faulty)
        with pytest.raises(FileOperation) as caught:
            run()
    assert caught.value.path == str(root / "file")
    assert states(root)[0] == AFTER


def test_a_change_between_reading_and_writing_is_taken_in(
    half: tuple[Path, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = half
    original, times = fsops.replace_file, list[str]()

    def late(path: str, *rest: object) -> bool:
        if path.endswith("/.condarc") and not times:
            times.append(path)
            (root / ".condarc").write_text("auto_stack: 1\n" + (root / ".condarc").read_text())
        return original(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(fsops, "replace_file", late)
    run()
    assert times
    assert (root / ".condarc").read_text() == f"auto_stack: 1\n{AFTER}"


def test_one_that_changes_all_the_time_is_left(
    half: tuple[Path, Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsops, "replace_file", lambda *_: False)
    with pytest.raises(FileRefused):
        half[1]()


def test_two_administrators_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    programs, root = [], tmp_path / "root"
    (root / "etc/ucenv").mkdir(parents=True)
    (root / "conda-meta").mkdir()
    condarcs = set()
    for number in range(2):
        channels = [f"https://example.org/{number}/{n}" for n in range(200)]
        file = tmp_path / f"{number}.toml"
        file.write_text(f'[conda]\nroot = "{root}"\nversion = "1"\n[condarc]\nchannels = {channels}\n')
        condarcs.add("channels:\n" + "".join(f"  - {channel}\n" for channel in channels))
        code = "import sys; from userconda.cli import main\nfor _ in range(15): main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "site", "configure", "--config", str(file)]
        programs.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    seen = 0
    while any(program.poll() is None for program in programs):
        if (root / ".condarc").exists():
            assert (root / ".condarc").read_text() in condarcs
            seen += 1
        time.sleep(0.001)
    assert seen > 5
    assert {path.name for path in root.iterdir()} == {"etc", "conda-meta", ".condarc"}
    assert {path.name for path in (root / "etc/ucenv").iterdir()} == {"configured.json"}


def test_a_mistake_in_site_toml_comes_before_everything(ucenv: Cluster) -> None:
    say(ucenv, "[condarc]\noffline = true\nexclude_newer = 2026-01-01\n")
    run = ucenv("site", "configure")
    assert (run.code, run.out) == (2, "")
    assert "line 6: condarc.exclude_newer: " in run.err
    assert not condarc(ucenv).exists()
    assert not (root_of(ucenv) / "etc/ucenv/configured.json").exists()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    text = f'[conda]\nroot = "{tmp_path}/none"\nversion = "1"\n[condarc]\noffline = true\n'
    with pytest.raises(FileOperation):
        plan_configure(parse_site(text, ""))
    assert not (tmp_path / "none").exists()
