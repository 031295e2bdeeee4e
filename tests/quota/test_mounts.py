"""Which mount a directory is on, on real mounts; and the table's text."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import Unavailable
from tests.support.filesystems import bind_mount, loop_mount
from tests.support.users import USER, fork_as
from userconda.mounts import Mount, covers, mount_of, parse_mounts, project_of, read_mounts, whole_mount


def mount(directory: Path | str) -> Mount:
    found = mount_of(str(directory), read_mounts())
    assert found is not None
    return found


def test_a_loop_mount(ext4: Path) -> None:
    (ext4 / "a/b").mkdir(parents=True)
    found = mount(ext4 / "a/b")
    assert (found.path, found.fstype, found.root) == (str(ext4), "ext4", "/")
    assert found.device.startswith("/dev/loop")


def test_a_directory_beside_the_mount_with_the_same_beginning(ext4: Path) -> None:
    beside = Path(f"{ext4}-beside")
    beside.mkdir()
    assert mount(beside).path != str(ext4)


def test_a_mount_inside_another(ext4: Path) -> None:
    (ext4 / "a").mkdir()
    with loop_mount("ext4", tmp=ext4 / "a", size_mb=8) as inner:
        assert mount(inner).path == str(inner)
        assert mount(inner.parent).path == str(ext4)


def test_a_part_that_is_bound_elsewhere(ext4: Path) -> None:
    (ext4 / "home/alice/deep").mkdir(parents=True)
    with bind_mount(ext4 / "home/alice") as bound:
        found = mount(bound / "deep")
        assert (found.path, found.root) == (str(bound), "/home/alice")
        assert whole_mount(found, read_mounts()) == str(ext4)


def test_one_mount_hides_another_on_the_same_directory(ext4: Path) -> None:
    """By their paths alone, both cover it."""
    (ext4 / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", ext4 / "below"], check=True)
    subprocess.run(["mount", "-t", "ramfs", "ramfs", ext4 / "below"], check=True)
    try:
        assert mount(ext4 / "below").fstype == "ramfs"
        subprocess.run(["umount", ext4 / "below"], check=True)
        assert mount(ext4 / "below").fstype == "tmpfs"
    finally:
        subprocess.run(["umount", ext4 / "below"], check=True)


def test_without_the_kernels_number_the_path_decides(ext4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ext4 / "a").mkdir()
    monkeypatch.setattr("userconda.mounts._mount_number", lambda directory: None)
    assert mount(ext4 / "a").path == str(ext4)


@pytest.mark.parametrize("name", ["with blanks", "tab\there", "line\nfeed", "back\\slash", "\udcff", "ümlaut", "#1"])
def test_names_that_the_table_writes_in_another_way(ext4: Path, name: str) -> None:
    place = ext4 / name
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    try:
        found = mount(place)
        assert (found.path, found.fstype) == (str(place), "tmpfs")
        assert found.path in {one.path for one in read_mounts()}
    finally:
        subprocess.run(["umount", place], check=True)


def test_through_a_symlink(ext4: Path, tmp_path: Path) -> None:
    (ext4 / "a").mkdir()
    (tmp_path / "link").symlink_to(ext4 / "a")
    assert mount(tmp_path / "link").path == str(ext4)


def test_a_directory_that_is_closed_to_the_user(ext4: Path, two_users: object) -> None:
    """Not even its listing is needed; above it, the path is."""
    (ext4 / "closed").mkdir(mode=0o700)
    assert fork_as(USER, lambda: mount(ext4 / "closed").path) == str(ext4)
    (ext4 / "closed/inner").mkdir()
    assert fork_as(USER, lambda: mount(ext4 / "closed/inner").path) == str(ext4)


def test_optional_fields_and_lines_that_are_none() -> None:
    text = (
        "36 35 98:0 /mnt1 /mnt/two\\040words rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
        "37 35 0:44 / /s rw - lustre 10.0.0.1@tcp:/lfs rw,flock\nnonsense\n\n"
        "38 35 0:45 / /e rw - tmpfs  rw\n"
    )
    first, second, third = parse_mounts(text)
    assert (first.path, first.root, first.fstype, first.device) == ("/mnt/two words", "/mnt1", "ext3", "/dev/root")
    assert (second.device, second.options) == ("10.0.0.1@tcp:/lfs", frozenset({"rw", "flock"}))
    assert third.fstype == "tmpfs"


@pytest.mark.parametrize(
    ("directory", "path", "expected"),
    [("/", "/a", True), ("/a", "/a", True), ("/a", "/a/b", True), ("/a", "/ab", False), ("/a/b", "/a", False)],
)
def test_what_is_below_a_directory(directory: str, path: str, expected: bool) -> None:
    assert covers(directory, path) is expected


# project ids ------------------------------------------------------------------------------------------------------


def test_no_project(tmp_path: Path) -> None:
    assert project_of(str(tmp_path)) == 0
    assert project_of("/proc") == 0
    assert project_of(str(tmp_path / "nothing")) == 0


def test_the_project_of_a_directory(xfs: Path) -> None:
    if shutil.which("xfs_io") is None:
        raise Unavailable("needs xfs_io (package xfsprogs)", tool="xfs_io")
    (xfs / "project").mkdir()
    subprocess.run(["xfs_io", "-c", "chproj 4242", xfs / "project"], check=True)
    assert project_of(str(xfs / "project")) == 4242
    assert project_of(str(xfs)) == 0
    os.chmod(xfs / "project", 0o700)
    assert fork_as(USER, lambda: project_of(str(xfs / "project"))) == 0
