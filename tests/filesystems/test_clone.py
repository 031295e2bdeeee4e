"""Cloning on real filesystems, as real users: what is linked, what is charged, and what a refusal leads to."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.packages import SITE_PACKAGES
from tests.support import Unavailable
from tests.support.filesystems import (
    bind_mount,
    full_filesystem,
    fuse_latency_mount,
    loop_mount,
    overlay_mount,
)
from tests.support.manifest import charged, diff, manifest
from tests.support.relation import assert_is_clone, clone_prefix, leftovers, make_big_source, make_source
from tests.support.users import ADMIN, USER, fork_as
from userconda.errors import NotEnoughInodes, NotEnoughSpace, SourceIncomplete
from userconda.models import CloneResult, LinkMode

pytestmark = pytest.mark.root("loop mounts, two users")


def admins_source(root: Path, make: Callable[[Path], Path] = make_source) -> Path:
    """ADMIN's conda on that filesystem, which everybody can read."""
    source = make(root / "conda")
    for directory, _, names in os.walk(root / "conda"):
        for path in (directory, *(os.path.join(directory, name) for name in names)):
            os.chown(path, ADMIN.uid, ADMIN.gid, follow_symlinks=False)
    return source


def users_space(root: Path) -> Path:
    """USER's space there; the prefix of a clone to be."""
    envs = root / "space/envs"
    envs.mkdir(parents=True)
    for path in (envs.parent, envs):
        os.chown(path, USER.uid, USER.gid)
    return envs / "mine"


def clone_as_user(source: Path, target: Path, **words: Any) -> CloneResult:
    return fork_as(USER, partial(clone_prefix, source, target, **words))


def inode(path: Path) -> int:
    return path.lstat().st_ino


# one filesystem --------------------------------------------------------------------------------------------------


def test_a_clone_on_one_filesystem(any_filesystem: Path) -> None:
    source = make_source(any_filesystem / "conda")
    target = any_filesystem / "space/envs/mine"
    before = manifest(source)
    result = clone_prefix(source, target)
    assert result.fallbacks == ()
    assert_is_clone(source, target, linked=True)
    assert diff(before, manifest(source)) == []
    assert leftovers(target) == []


@pytest.mark.parametrize("protected", [0, 1], ids=["links allowed", "links refused"])
@pytest.mark.usefixtures("two_users")
def test_the_charge_is_what_a_count_gives(
    any_filesystem: Path, set_protected_hardlinks: Callable[[int], None], protected: int
) -> None:
    set_protected_hardlinks(protected)
    source, target = admins_source(any_filesystem, partial(make_big_source, files=1500)), users_space(any_filesystem)
    result = clone_as_user(source, target)
    os.sync()  # XFS and btrfs give blocks when they write them
    size_bytes, inodes = charged(target, USER.uid)
    assert result.charged.inodes == inodes
    assert (result.files.hardlinked > 0) == (protected == 0)
    if any_filesystem.name == "ext4":
        assert result.charged.size_bytes == size_bytes
        assert result.predicted.size_bytes == pytest.approx(size_bytes, rel=0.05)
        assert result.predicted.inodes == pytest.approx(inodes, rel=0.05)
    # elsewhere block counts lag; see docs


@pytest.mark.usefixtures("two_users")
def test_refused_links_are_told_and_the_next_clone_links_to_the_first(
    ext4: Path, set_protected_hardlinks: Callable[[int], None]
) -> None:
    set_protected_hardlinks(1)
    source, first = admins_source(ext4, partial(make_big_source, files=1500)), users_space(ext4)
    second = first.with_name("second")
    before = manifest(source)
    result = clone_as_user(source, first)
    assert result.files.hardlinked == 0
    (fallback,) = result.fallbacks
    assert (fallback.errno, fallback.to_mode) == (errno.EPERM, LinkMode.COPY)
    assert ADMIN.name in fallback.reason or str(ADMIN.uid) in fallback.reason
    assert "fs.protected_hardlinks=1" in fallback.reason

    again = clone_as_user(source, second, clones=(first,))
    assert (again.files.twins, again.files.copied) == (result.files.copied - 1, 1)  # the history is its own
    own = again.charged.size_bytes - again.directories_charged.size_bytes
    rewritten = result.charged.size_bytes - result.directories_charged.size_bytes
    assert own < 0.3 * rewritten
    assert inode(first / "lib") != inode(second / "lib")
    assert charged(second.parent, USER.uid)[1] <= result.charged.inodes + again.charged.inodes + 1
    assert diff(before, manifest(source)) == []


@pytest.mark.usefixtures("two_users")
def test_a_users_package_cache_has_twins(ext4: Path, set_protected_hardlinks: Callable[[int], None]) -> None:
    set_protected_hardlinks(1)
    source, target = admins_source(ext4), users_space(ext4)
    os.utime(source / SITE_PACKAGES / "odd_upgraded.py")  # as with the real pip; the demo's has the package's time
    cache = target.parents[1] / "pkgs"
    subprocess.run(["cp", "-a", source.parents[1] / "pkgs", cache], check=True)
    for path in (cache, *cache.rglob("*")):
        os.chown(path, USER.uid, USER.gid, follow_symlinks=False)
    result = clone_as_user(source, target)
    assert result.files.twins > 10
    name = "share/odd/nul.dat"
    assert inode(target / name) in {inode(path) for path in cache.rglob("nul.dat")}
    assert_is_clone(source, target)


@pytest.mark.parametrize(
    ("mode", "linked"),
    [(0o644, False), (0o666, True), (0o664, False), (0o4777, False), (0o2777, False), (0o2666, True)],
    ids=oct,
)
@pytest.mark.usefixtures("two_users")
def test_the_kernels_rule_for_each_mode(
    ext4: Path, set_protected_hardlinks: Callable[[int], None], mode: int, linked: bool
) -> None:
    """fs.protected_hardlinks=1: regular, readable and writable, and neither setuid nor setgid and executable."""
    set_protected_hardlinks(1)
    source, target = admins_source(ext4), users_space(ext4)
    name = "share/odd/nul.dat"
    (source / name).chmod(mode)
    clone_as_user(source, target)
    assert (inode(source / name) == inode(target / name)) == linked
    if not linked:
        assert stat.S_IMODE((target / name).stat().st_mode) == mode & 0o777


@pytest.mark.usefixtures("two_users")
def test_files_that_cannot_be_read_are_all_listed(ext4: Path, set_protected_hardlinks: Callable[[int], None]) -> None:
    set_protected_hardlinks(1)
    source, target = admins_source(ext4), users_space(ext4)
    closed = ["bin/untracked", "etc/odd.conf", "share/odd/nul.dat"]
    for name in closed:
        (source / name).chmod(0o600)
    (source / "share/odd-generic").chmod(0o700)
    with pytest.raises(SourceIncomplete) as caught:
        clone_as_user(source, target)
    assert caught.value.paths == (*closed[:2], "share/odd-generic", closed[2]) or sorted(caught.value.paths) == sorted(
        [*closed, "share/odd-generic"]
    )
    assert not target.exists()
    assert leftovers(target) == []


def for_ever(act: Callable[[int], None]) -> None:
    for number in range(70_000):
        act(number)


def test_a_file_at_its_link_limit_is_copied_alone(ext4: Path) -> None:
    source = make_source(ext4 / "conda")
    name = "share/odd/nul.dat"
    (source / name).unlink()
    (source / name).write_bytes(b"full")
    links = ext4 / "links"
    links.mkdir()
    with pytest.raises(OSError, match="Too many links"):
        for_ever(lambda number: os.link(source / name, links / str(number)))
    target = ext4 / "space/envs/mine"
    result = clone_prefix(source, target)
    assert [(f.errno, f.files, f.size_bytes, f.to_mode) for f in result.fallbacks] == [
        (errno.EMLINK, 1, 4, LinkMode.COPY)
    ]
    assert inode(target / name) != inode(source / name)
    assert inode(target / "share/odd/empty") == inode(source / "share/odd/empty")


def test_an_immutable_file_is_copied_and_not_blamed_on_the_sysctl(ext4: Path) -> None:
    source, target = make_source(ext4 / "conda"), ext4 / "space/envs/mine"
    name = "share/odd/nul.dat"
    subprocess.run(["chattr", "+i", source / name], check=True)
    try:
        result = clone_prefix(source, target)
    finally:
        subprocess.run(["chattr", "-i", source / name], check=True)
    (fallback,) = result.fallbacks
    assert (fallback.errno, fallback.files) == (errno.EPERM, 1)
    assert "immutable" in fallback.reason
    assert "protected_hardlinks" not in fallback.reason
    assert inode(target / name) != inode(source / name)


# reflinks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
@pytest.mark.usefixtures("two_users")
def test_a_reflink_shares_blocks(kind: Any, set_protected_hardlinks: Callable[[int], None]) -> None:
    if shutil.which("filefrag", path="/usr/sbin:/sbin:/usr/bin") is None:
        raise Unavailable("needs filefrag (package e2fsprogs)", tool="filefrag")
    set_protected_hardlinks(1)
    with loop_mount(kind) as root:
        source, target = admins_source(root), users_space(root)
        name = "share/odd/nul.dat"
        (source / name).unlink()
        (source / name).write_bytes(os.urandom(1 << 20))
        os.sync()
        result = clone_as_user(source, target)
        assert result.files.hardlinked == 0
        assert result.files.reflinked > 20
        assert {fallback.to_mode for fallback in result.fallbacks} == {LinkMode.REFLINK}
        assert inode(target / name) != inode(source / name)
        os.sync()
        assert (
            "shared"
            in subprocess.run(["filefrag", "-v", target / name], capture_output=True, text=True, check=True).stdout
        )
        assert_is_clone(source, target, linked=False)


def test_ext4_has_no_reflinks(ext4: Path) -> None:
    result = clone_prefix(make_source(ext4 / "conda"), ext4 / "space/envs/mine", link_mode=LinkMode.COPY)
    assert (result.files.reflinked, result.files.hardlinked) == (0, 0)


# two filesystems -------------------------------------------------------------------------------------------------


def assert_copied(source: Path, target: Path, error: int, reason: str, held: Path | None = None) -> None:
    before = manifest(source)
    result = clone_prefix(source, target)
    assert {fallback.errno for fallback in result.fallbacks} == {error}
    assert reason in result.fallbacks[0].reason
    assert (result.files.hardlinked, result.files.twins) == (0, 0)
    assert_is_clone(source, target, linked=False, held=held)
    assert diff(before, manifest(source)) == []
    assert leftovers(target) == []


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_source_and_clone_on_two_filesystems(ext4: Path, kind: Any) -> None:
    with loop_mount(kind) as other:
        assert_copied(make_source(ext4 / "conda"), other / "space/envs/mine", errno.EXDEV, "another filesystem")


def test_two_mounts_of_one_filesystem(ext4: Path) -> None:
    source = make_source(ext4 / "conda")
    (ext4 / "space/envs").mkdir(parents=True)
    with bind_mount(ext4 / "space") as bound:
        assert source.stat().st_dev == bound.stat().st_dev
        assert_copied(source, bound / "envs/mine", errno.EXDEV, "mount")


def test_a_source_mounted_read_only(ext4: Path) -> None:
    source = make_source(ext4 / "conda")
    with bind_mount(ext4 / "conda", read_only=True) as bound:
        assert_copied(bound / "envs" / source.name, ext4 / "space/envs/mine", errno.EXDEV, "mount", source)


def test_source_and_clone_on_an_overlay(ext4: Path) -> None:
    held = make_source(ext4 / "conda")
    with overlay_mount(ext4) as merged:
        source, target = merged / "conda/envs/py3_powerai_1.7.0", merged / "space/envs/mine"
        before = manifest(source)
        clone_prefix(source, target)
        assert_is_clone(source, target, held=held)
        assert diff(before, manifest(source)) == []


def test_no_hard_links(no_hardlinks: Path, tmp_path: Path) -> None:
    """Leases too do without. vfat keeps no modes, owners or symlinks, so that only our errors are looked at."""
    source = tmp_path / "conda"
    prefix = make_big_source(source, 200)
    result = clone_prefix(prefix, no_hardlinks / "space/envs/mine")
    assert result.files.hardlinked == 0
    assert result.files.copied > 150


def test_a_filesystem_without_hard_links(shared_tmp: Path) -> None:
    with fuse_latency_mount(shared_tmp, 0, link_error="EPERM") as fuse:
        # Not the small source: what installs its packages makes hard links.
        assert_copied(
            make_big_source(fuse.path / "conda", 300), fuse.path / "space/envs/mine", errno.EPERM, "no hard links"
        )


def test_a_slow_server(shared_tmp: Path) -> None:
    held = make_source(shared_tmp / "conda")
    with fuse_latency_mount(shared_tmp, 200) as fuse:
        source, target = fuse.path / held.relative_to(shared_tmp), fuse.path / "space/envs/mine"
        result = clone_prefix(source, target)
        assert result.fallbacks == ()
    assert_is_clone(held, shared_tmp / "space/envs/mine", linked=True, held=held, prefix=target)


# full ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("free_kib", [0, 1, 8, 64])
def test_too_few_bytes(tmp_path: Path, free_kib: int) -> None:
    source = make_source(tmp_path / "conda")
    with full_filesystem(free_kib=free_kib) as root:
        target = root / "envs/mine"
        with pytest.raises(NotEnoughSpace) as caught:
            clone_prefix(source, target)
        assert caught.value.exit_code == 30
        assert caught.value.needed_bytes > (caught.value.free_bytes or 0)
        assert caught.value.free_bytes is not None
        assert not target.exists()
        assert leftovers(target) == []


@pytest.mark.parametrize("free_inodes", [0, 1, 3, 60])
def test_too_few_inodes(tmp_path: Path, free_inodes: int) -> None:
    source = make_source(tmp_path / "conda")
    with full_filesystem(free_inodes=free_inodes) as root:
        target = root / "envs/mine"
        with pytest.raises(NotEnoughInodes) as caught:
            clone_prefix(source, target)
        assert caught.value.exit_code == 31
        assert caught.value.needed_inodes > caught.value.free_inodes
        assert not target.exists()
        assert leftovers(target) == []


def test_a_prediction_that_was_too_low(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else fills the filesystem meanwhile: the figures come from the plan."""
    source = make_source(tmp_path / "conda")
    monkeypatch.setattr("userconda.clone.check_space", lambda plan, capabilities: None)
    with full_filesystem(free_kib=100) as root:
        target = root / "envs/mine"
        with pytest.raises(NotEnoughSpace) as caught:
            clone_prefix(source, target)
        assert caught.value.exit_code == 30
        assert caught.value.needed_bytes > (caught.value.free_bytes or 0) > 0
        assert leftovers(target) == []


# what files and directories carry --------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], ids=oct)
@pytest.mark.usefixtures("two_users")
def test_directories_follow_the_users_umask(ext4: Path, umask: int) -> None:
    source, target = admins_source(ext4), users_space(ext4)
    fork_as(USER, partial(clone_prefix, source, target), umask=umask)
    modes = {
        stat.S_IMODE(path.lstat().st_mode) for path in target.rglob("*") if path.is_dir() and not path.is_symlink()
    }
    assert modes == {0o777 & ~umask}
    assert {path.lstat().st_uid for path in target.rglob("*") if path.is_dir()} <= {USER.uid, ADMIN.uid}


@pytest.mark.usefixtures("two_users")
def test_the_group_and_acl_of_the_parent_are_inherited(ext4: Path) -> None:
    source, target = admins_source(ext4), users_space(ext4)
    if shutil.which("setfacl") is None:
        raise Unavailable("needs setfacl (package acl)", tool="setfacl")
    group = 61009
    # Staging is beside `envs`: what is given to the whole space reaches both.
    for path in (target.parents[1], target.parent):
        os.chown(path, USER.uid, group)
        path.chmod(0o2775)
        subprocess.run(["setfacl", "-d", "-m", f"u:{ADMIN.uid}:rwx", path], check=True)
    clone_as_user(source, target)
    for directory in (target, target / "lib", target / "share/untracked/empty/nested"):
        status = directory.stat()
        assert (status.st_gid, bool(status.st_mode & stat.S_ISGID)) == (group, True)
        acl = subprocess.run(["getfacl", "-cnp", directory], capture_output=True, text=True, check=True).stdout
        assert f"default:user:{ADMIN.uid}:rwx" in acl


def test_only_user_attributes_are_copied(ext4: Path) -> None:
    source, target = make_source(ext4 / "conda"), ext4 / "space/envs/mine"
    name = "etc/odd-dos.conf"
    os.setxattr(source / name, "user.note", b"theirs")
    os.setxattr(source / name, "trusted.layout", b"1")
    os.setxattr(source / name, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    clone_prefix(source, target)
    assert {key: os.getxattr(target / name, key) for key in os.listxattr(target / name)} == {"user.note": b"theirs"}


def test_a_sparse_file_stays_sparse(any_filesystem: Path) -> None:
    source, target = make_source(any_filesystem / "conda"), any_filesystem / "space/envs/mine"
    name = "etc/sparse"
    with (source / name).open("wb") as file:
        file.write(b"head")
        file.seek(8 << 20)
        file.write(b"middle")
        file.truncate(32 << 20)
    os.sync()
    clone_prefix(source, target, link_mode=LinkMode.COPY)
    os.sync()
    assert (target / name).read_bytes() == (source / name).read_bytes()
    assert (target / name).stat().st_blocks <= (source / name).stat().st_blocks + 16


@pytest.mark.parametrize("bits", [0o4755, 0o2755, 0o6755], ids=oct)
def test_a_file_of_ones_own_is_never_setuid(ext4: Path, bits: int) -> None:
    source, target = make_source(ext4 / "conda"), ext4 / "space/envs/mine"
    (source / "bin/odd-shell").chmod(bits)
    clone_prefix(source, target)
    assert stat.S_IMODE((target / "bin/odd-shell").stat().st_mode) == 0o755
    assert stat.S_IMODE((source / "bin/odd-shell").stat().st_mode) == bits


def test_a_read_only_file_can_be_edited_in_the_clone(ext4: Path) -> None:
    source, target = make_source(ext4 / "conda"), ext4 / "space/envs/mine"
    for name in ("etc/odd.conf", f"{SITE_PACKAGES}/untracked.pth"):
        (source / name).chmod(0o444)
    clone_prefix(source, target)
    assert stat.S_IMODE((target / "etc/odd.conf").stat().st_mode) == 0o644
