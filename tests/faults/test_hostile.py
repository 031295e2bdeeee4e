"""What others may have put where a clone is made, or in the source: nothing of it is followed or waited for."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clone.sites import Site, make_site
from tests.support import manifest, users
from tests.support.faults import FaultyOs, fail
from userconda import contents, fsops, locks
from userconda.errors import FileOperation, SourceChanged, SpaceNotWritable
from userconda.journal import StateDirectory
from userconda.recover import empty_trash_in_background, recover

#: Above any pid of this machine.
_DEAD = 1 << 22


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """What an attacker would have deleted."""
    path = tmp_path / "treasure"
    (path / "below").mkdir(parents=True)
    (path / "below/file").write_text("precious\n")
    return path


# where the clone is made ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "trash", "staging", "journal"])
def test_a_symlink_in_place_of_a_state_directory_is_refused(site: Site, treasure: Path, place: str) -> None:
    state = site.space / ".ucenv" / place
    state.parent.mkdir(exist_ok=True)
    state.symlink_to(treasure)
    before = manifest.manifest(treasure)
    if place:
        with pytest.raises(SpaceNotWritable):
            site.clone()
        assert not site.target().exists()
    else:  # one of one's own stands in for it
        site.clone()
    empty_trash_in_background(StateDirectory(str(site.space / ".ucenv")))
    with pytest.raises(SpaceNotWritable):
        recover(StateDirectory(str(site.space / ".ucenv")))
    assert manifest.diff(before, manifest.manifest(treasure)) == []


def test_a_symlink_in_the_trash_is_unlinked(site: Site, treasure: Path) -> None:
    trash = site.space / ".ucenv/trash"
    trash.mkdir(parents=True)
    (trash / "link").symlink_to(treasure)
    assert recover(StateDirectory(str(site.space / ".ucenv"))).trash == 1
    assert list(trash.iterdir()) == []
    assert (treasure / "below/file").exists()


def test_a_directory_that_becomes_a_symlink_is_not_followed(
    tmp_path: Path, treasure: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = tmp_path / "doomed"
    (doomed / "below").mkdir(parents=True)
    unlinked: list[str] = []

    class Swapping(FaultyOs):
        def open(self, path: str, *args: Any, **words: Any) -> int:
            if path.endswith("below") and not unlinked:
                unlinked.append(path)
                (doomed / "below").rmdir()
                (doomed / "below").symlink_to(treasure / "below")
            return os.open(path, *args, **words)

    monkeypatch.setattr(fsops, "os", Swapping(counted=()))
    fsops.remove_tree(str(doomed))
    assert unlinked
    assert not doomed.exists()
    assert (treasure / "below/file").exists()


def test_what_looks_like_a_probe_is_deleted_only_where_it_is_one(site: Site, treasure: Path) -> None:
    probe = site.space / f"{fsops.PROBE_PREFIX}{platform.node()}.{_DEAD}.ab"
    probe.symlink_to(treasure)
    assert recover(StateDirectory(str(site.space / ".ucenv"))).problems == ()
    assert (treasure / "below/file").exists()


def test_a_journal_cannot_name_another_directory(site: Site, treasure: Path) -> None:
    state = StateDirectory.beside(str(site.target()))
    state.make()
    fields = {"token": "x", "staging": str(treasure), "target": str(site.target()), "lease": f"{state.path}/locks/x"}
    (Path(state.journals) / "x.json").write_text(json.dumps(fields))
    site.clone()
    assert len(recover(state).problems) == 1
    assert (treasure / "below/file").exists()


def test_only_its_user_may_look_into_a_half_made_clone(site: Site) -> None:
    state = StateDirectory.beside(str(site.target()))
    state.make()
    assert Path(state.path).stat().st_mode & 0o777 == 0o700


@pytest.mark.root("two users")
def test_two_users_clone_into_one_directory(shared_tmp: Path) -> None:
    first, second = users.two_users()
    site = make_site(shared_tmp)
    subprocess.run(["chmod", "-R", "a+rX", site.conda.root], check=True)
    envs = shared_tmp / "project/envs"
    envs.mkdir(parents=True)
    for path in (envs, envs.parent):
        path.chmod(0o1777)
    users.fork_as(first, lambda: site.clone(envs / "first").files)
    users.fork_as(second, lambda: site.clone(envs / "second").files)
    assert (envs / "first/conda-meta/history").exists()
    assert (envs / "second/conda-meta/history").stat().st_uid == second.uid


def test_envs_may_be_a_symlink_to_another_filesystem(site: Site, tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("needs /dev/shm, writable")
    place = memory / f"ucenv-test-{os.getpid()}"
    place.mkdir()
    try:
        (site.space / "envs").symlink_to(place)
        site.clone()
        assert (place / "mine/conda-meta/history").exists()
        assert os.listdir(place) == ["mine"]
    finally:
        shutil.rmtree(place)


def test_a_long_name_on_a_host_with_a_long_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "node0123.cluster.science.university.example.org")
    state = StateDirectory.beside(str(site.target()))
    locks.acquire(state.lease(str(site.target("x" * 200)))).release()


def test_a_name_by_two_paths_has_one_lease(site: Site) -> None:
    (site.space / "envs").mkdir()
    (site.space / "link").symlink_to("envs")
    paths = [str(site.space / place / "mine") for place in ("envs", "link")]
    assert len({StateDirectory.beside(path).lease(path) for path in paths}) == 1
    assert locks.read_holder(StateDirectory.beside(paths[0]).lease(paths[0])) is None


# the source -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x-1-0.json", "history"])
def test_a_fifo_among_the_records_is_not_waited_for(site: Site, name: str) -> None:
    path = site.source / "conda-meta" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)

    def clone() -> list[str]:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        skipped = [entry.path for entry in site.clone().skipped]
        signal.alarm(0)
        return skipped

    assert users.fork(clone) == [f"conda-meta/{name}"]


@pytest.mark.parametrize(
    ("code", "error"), [(errno.EIO, FileOperation), (errno.ELOOP, SourceChanged), (errno.ESTALE, SourceChanged)]
)
@pytest.mark.parametrize("path", ["bin$", "bin/untracked$"])
def test_a_look_that_fails_is_an_error_of_ours(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str, code: int, error: type[Exception]
) -> None:
    monkeypatch.setattr(contents, "os", FaultyOs(fail(code, calls={"open"}, path=f"{site.source}/{path}")))
    with pytest.raises(error):
        site.clone()


def test_a_directory_that_cannot_be_opened_is_not_said_to_have_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsops, "os", FaultyOs(fail(errno.EIO, calls={"open"}, path=f"^{site.source}/share$")))
    with pytest.raises(FileOperation) as caught:
        site.clone()
    assert caught.value.errno == errno.EIO
    assert not site.target().exists()
