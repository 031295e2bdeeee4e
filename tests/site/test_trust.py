"""`ucenv site` where others may write too: what they have put there neither stops it, nor leads it elsewhere."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.site.centre import Centre
from tests.support import users
from userconda import fsops
from userconda.site.configure import configure
from userconda.site.definition import parse_site

PINNED = "envs/py3_powerai_1.7.0/conda-meta/pinned"


def tree(ucenv: Cluster) -> Path:
    return ucenv.site.tmp / "modulefiles"


def give(user: users.User, *paths: Path) -> None:
    for path in paths:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def test_modulefiles_are_for_all_whatever_the_umask(ucenv: Cluster) -> None:
    mask = os.umask(0o077)
    try:
        assert ucenv("site", "modules").code == 0
    finally:
        os.umask(mask)
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tree(ucenv), *tree(ucenv).rglob("*"))}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o644}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o755}


def test_a_pipe_among_the_modulefiles(ucenv: Cluster) -> None:
    """Opened without care it would be waited for, for ever."""
    (tree(ucenv) / "other").mkdir(parents=True)
    os.mkfifo(tree(ucenv) / "other/1.0")
    with ucenv.process("site", "modules") as process:
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert (tree(ucenv) / "conda/4.8.3").exists()


def test_a_pipe_in_the_place_of_a_modulefile(ucenv: Cluster) -> None:
    (tree(ucenv) / "conda").mkdir(parents=True)
    os.mkfifo(tree(ucenv) / "conda/4.8.3")
    with ucenv.process("site", "modules") as process:
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 25, err
    assert (tree(ucenv) / "conda/4.8.3").is_fifo()


def test_nothing_is_removed_where_another_user_could_lead_it_elsewhere(
    ucenv: Cluster, two_users: tuple[users.User, users.User]
) -> None:
    """Between the look and the removal their directory could become a link to one of the administrator's."""
    assert ucenv("site", "modules").code == 0
    ours = (tree(ucenv) / "conda/4.8.3").read_bytes()
    for name in ("theirs", "open", "mine"):
        (tree(ucenv) / name).mkdir(mode=0o755)
        (tree(ucenv) / name / "below").mkdir()
        (tree(ucenv) / name / "below/old").write_bytes(ours)
    give(two_users[1], tree(ucenv) / "theirs")
    (tree(ucenv) / "open").chmod(0o777)
    run = ucenv("site", "modules", "--json")
    removed = [change["path"] for change in run.json["result"]["files"] if change["action"] == "removed"]
    assert removed == ["mine/below/old"]
    assert (tree(ucenv) / "theirs/below/old").exists()
    assert (tree(ucenv) / "open/below/old").exists()


@pytest.mark.parametrize("what", ["pinned", "conda-meta"])
def test_pins_are_not_written_to_where_another_user_has_put_a_link(
    ucenv: Cluster, two_users: tuple[users.User, users.User], what: str
) -> None:
    root = ucenv.site.conda.root
    victim = ucenv.site.tmp / "victim"
    victim.mkdir()
    (victim / "pinned").write_text("export PATH\n")
    meta = (root / PINNED).parent
    if what == "pinned":
        (root / PINNED).unlink(missing_ok=True)
        (root / PINNED).symlink_to(victim / "pinned")
        give(two_users[1], root / PINNED, meta, meta.parent)
    else:
        meta.rename(meta.with_name("kept"))
        meta.symlink_to(victim)
        give(two_users[1], meta, meta.parent)
    text = (root / "etc/ucenv/site.toml").read_text() + '[pins]\ncudatoolkit = "<10.3"\n'
    plan = configure(parse_site(text, ""), text, permissions=False)
    assert (victim / "pinned").read_text() == "export PATH\n"
    assert [warning for warning in plan.warnings if "ucenvuser" in warning and "py3_powerai_1.7.0" in warning]


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr("platform.node", lambda: "node")
    (tmp_path / f"file.node.{os.getpid()}.tmp").symlink_to(victim)
    fsops.write_file(str(tmp_path / "file"), b"new")
    assert victim.read_text() == "kept"
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("command", ["configure", "modules", "environments", "check"])
def test_a_file_that_everyone_may_write_is_not_believed(ucenv: Cluster, command: str) -> None:
    """Its `program` is run, and its `tree` written to, by whoever administers the conda."""
    path = ucenv.site.conda.root / "etc/ucenv/site.toml"
    path.chmod(0o666)
    run = ucenv("site", command, "--json")
    assert run.code == 27
    assert "everyone may write it" in run.json["error"]["message"]
    assert not tree(ucenv).exists()


def test_a_channels_token_is_not_in_the_log(stand_in: Centre) -> None:
    """It is for all to read, and site.toml is not."""
    channel = stand_in.channel.as_uri().replace("file://", "file:///t/SECRETTOKEN")
    stand_in.define(
        {"name": "a", "packages": ["app=1.0"], "channels": ["https://me:SECRETWORD@localhost:1/x", channel]}
    )
    stand_in("environments")
    log = (stand_in.root / "etc/ucenv/log/a.log").read_text()
    assert "-c" in log
    command = log.splitlines()[0]
    assert "SECRET" not in command


def test_a_password_is_not_shown_where_a_long_list_is_cut(ucenv: Cluster) -> None:
    channels = [f"https://example.org/{number:03}" for number in range(9)]
    start = len(str(channels).replace("'", '"'))
    before = "https://me:"
    channels[-1] += "x" * (300 - start - len(before) - 12)
    text = (ucenv.site.conda.root / "etc/ucenv/site.toml").read_text()
    text += f"[condarc]\nchannels = {json.dumps([*channels, before + 'SECRET' * 9 + '@example.org/a'])}\n"
    plan = configure(parse_site(text, ""), text, permissions=False, dry_run=True)
    assert "example.org" in plan.changes[0].what
    assert "SECRET" not in str(plan.changes)
