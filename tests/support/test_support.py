"""The support code is held to what it promises: a fault that never acts, or a mount left behind, hides a defect."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import CHECKOUT, Unavailable, filesystems, sysctl
from tests.support.faults import CHANGING, FaultyOs, fail, kill
from tests.support.filesystems import (
    bind_mount,
    full_filesystem,
    fuse_latency_mount,
    links_refused_with,
    loop_mount,
    overlay_mount,
)
from tests.support.manifest import charged, diff, manifest
from tests.support.users import ADMIN, USER, ChildKilled, User, fork, fork_as, run_as

FICLONE = 0x40049409


class OddError(Exception):
    """Takes keywords only, as the errors of ucenv do; pickle alone would lose it."""

    def __init__(self, *, needed_bytes: int) -> None:
        super().__init__(f"{needed_bytes} bytes")
        self.needed_bytes = needed_bytes


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


def loop_images() -> str:
    return subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout


def expect_errno(number: int, function: Callable[[], object]) -> None:
    with pytest.raises(OSError, match=rf"^\[Errno {number}\]"):
        function()


# -- faults -------------------------------------------------------------------------------------------------


def test_faulty_os_counts_and_delegates(tmp_path: Path) -> None:
    faulty = FaultyOs()
    faulty.mkdir(tmp_path / "d")
    assert faulty.listdir(tmp_path) == ["d"]
    assert faulty.path is os.path
    assert faulty.O_RDONLY == os.O_RDONLY
    assert faulty.counts["mkdir"] == faulty.counts["listdir"] == 1
    assert faulty.total == faulty.counts.total()
    assert faulty.mkdir in faulty.supports_dir_fd


def test_the_nth_matching_call_fails_and_only_it(tmp_path: Path) -> None:
    faulty = FaultyOs(fail(errno.ENOSPC, calls={"mkdir"}, path=r"/b\d$", nth=2))
    faulty.mkdir(tmp_path / "a1")
    faulty.mkdir(tmp_path / "b1")
    expect_errno(errno.ENOSPC, lambda: faulty.mkdir(tmp_path / "b2"))
    faulty.mkdir(tmp_path / "b3")
    assert sorted(os.listdir(tmp_path)) == ["a1", "b1", "b3"]
    assert faulty.matched == [3]


def test_a_path_is_found_behind_descriptors(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/file").touch()
    directory = os.open(tmp_path / "here", os.O_RDONLY)
    faulty = FaultyOs(fail(errno.EPERM, path="/here/file$"))
    try:
        expect_errno(errno.EPERM, lambda: faulty.stat("file", dir_fd=directory))
        expect_errno(errno.EPERM, lambda: faulty.link("file", "other", src_dir_fd=directory, dst_dir_fd=directory))
        faulty.mkdir("elsewhere", dir_fd=directory)
    finally:
        os.close(directory)


def test_an_operation_may_fail_after_it_took_effect(tmp_path: Path) -> None:
    faulty = FaultyOs(fail(errno.EIO, calls={"mkdir"}, after=True))
    expect_errno(errno.EIO, lambda: faulty.mkdir(tmp_path / "made"))
    assert (tmp_path / "made").is_dir()


def test_a_fault_that_could_never_act_is_refused() -> None:
    with pytest.raises(ValueError, match="getpid"):
        FaultyOs(fail(errno.EIO, calls={"getpid"}))


def test_another_module_can_be_made_faulty(tmp_path: Path) -> None:
    faulty = FaultyOs(fail(errno.EOPNOTSUPP), module=fcntl, counted={"ioctl"})
    with (tmp_path / "f").open("wb") as file:
        faulty.flock(file, faulty.LOCK_EX)
        expect_errno(errno.EOPNOTSUPP, lambda: faulty.ioctl(file, FICLONE, file.fileno()))


@pytest.mark.parametrize("after", [False, True])
def test_kill_at_every_step(tmp_path: Path, after: bool) -> None:
    def make(faulty: FaultyOs, root: Path) -> None:
        faulty.mkdir(root)
        for name in ("a", "b", "c"):
            faulty.stat(root)
            faulty.mkdir(root / name)

    counting = FaultyOs(counted=CHANGING)
    make(counting, tmp_path / "whole")
    assert counting.total == 4
    for step in range(1, counting.total + 1):
        root = tmp_path / str(step)
        faulty = FaultyOs(kill(nth=step, after=after), counted=CHANGING)
        with pytest.raises(ChildKilled) as caught:
            fork(lambda faulty=faulty, root=root: make(faulty, root))  # type: ignore[misc]
        assert caught.value.signal == signal.SIGKILL
        assert faulty.total == step, "the child's calls are counted here too"
        assert len(list(tmp_path.glob(f"{step}/*"))) + root.exists() == (step if after else step - 1)


# -- manifests ----------------------------------------------------------------------------------------------


def sample_tree(root: Path) -> None:
    (root / "d").mkdir(parents=True)
    (root / "d/file").write_bytes(b"x" * 10_000)
    (root / "d/again").hardlink_to(root / "d/file")
    (root / "link").symlink_to("d/file")
    (root / "dangling").symlink_to("/nowhere")
    os.mkfifo(root / "fifo")
    (root / os.fsdecode(b"caf\xe9")).touch()


def test_manifest_sees_every_change_but_links(tmp_path: Path) -> None:
    root, file = tmp_path / "t", tmp_path / "t/d/file"
    sample_tree(root)
    before = manifest(root)
    assert len(before) == 8
    assert {b".", b"d/file", b"caf\xe9", b"fifo"} < before.keys()

    (tmp_path / "outside").hardlink_to(file)
    assert diff(before, manifest(root)) == []

    file.chmod(0o600)
    assert [line.split(":")[0] for line in diff(before, manifest(root))] == ["changed", "changed"]
    assert "mode 0o644 -> 0o600" in diff(before, manifest(root))[0]
    assert diff(before, manifest(root), ignoring={"mode"}) == []
    file.chmod(0o644)

    st = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"y")
    os.utime(file, ns=(st.st_atime_ns, st.st_mtime_ns))
    assert all("sha256" in line for line in diff(before, manifest(root)))
    assert len(diff(before, manifest(root))) == 2

    (root / "link").unlink()
    (root / "new").touch()
    names = {line.split(",")[0].split(": ")[0] + line.split(": ")[1] for line in diff(before, manifest(root))}
    assert {"removed'link'", "added'new'", "changed'.'"} <= names
    with pytest.raises(ValueError, match="modes"):
        diff(before, before, ignoring={"modes"})


def test_charged_agrees_with_du(tmp_path: Path) -> None:
    sample_tree(tmp_path / "t")
    du = subprocess.run(["du", "-s", "--block-size=1", tmp_path / "t"], capture_output=True, text=True, check=True)
    size_bytes, inodes = charged(tmp_path / "t", os.geteuid())
    assert size_bytes == int(du.stdout.split()[0])
    assert inodes == 7
    assert charged(tmp_path / "t", 61009) == (0, 0)


# -- users --------------------------------------------------------------------------------------------------


def test_fork_returns_raises_and_reports_death() -> None:
    assert fork(lambda: {"pid": os.getpid() != os.getppid()}) == {"pid": True}

    def refuse() -> None:
        raise OddError(needed_bytes=7)

    with pytest.raises(OddError) as odd:
        fork(refuse)
    assert odd.value.needed_bytes == 7
    assert "refuse" in str(odd.value.__cause__)
    with pytest.raises(FileNotFoundError) as missing:
        fork(lambda: os.stat("/no/such"))
    assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, "/no/such")
    with pytest.raises(ChildKilled) as killed:
        fork(lambda: os._exit(3))
    assert (killed.value.signal, killed.value.exit_code) == (0, 3)


@pytest.mark.root("two users")
def test_two_users_are_themselves_alone(two_users: tuple[User, User], shared_tmp: Path) -> None:
    assert fork_as(USER, lambda: (os.getuid(), os.getgid(), os.getgroups())) == (61002, 61002, [])
    done = run_as(ADMIN, ["/bin/sh", "-c", "id -u; id -G; echo $HOME; env | wc -l; touch mine"], env={"EXTRA": "1"})
    assert done.stderr == ""
    uid, groups, home, _variables = done.stdout.split()
    assert (uid, groups) == ("61001", "61001")
    assert not Path(home).exists()
    expect_errno(errno.EACCES, lambda: fork_as(USER, lambda: (shared_tmp / "f").touch()))


# -- the sysctl ---------------------------------------------------------------------------------------------


@pytest.mark.root("a sysctl")
def test_protected_hardlinks_decides_for_other_owners(
    two_users: tuple[User, User], shared_tmp: Path, set_protected_hardlinks: Callable[[int], None]
) -> None:
    shared_tmp.chmod(0o777)
    fork_as(ADMIN, lambda: (shared_tmp / "admins").touch())
    set_protected_hardlinks(1)
    expect_errno(errno.EPERM, lambda: fork_as(USER, lambda: os.link(shared_tmp / "admins", shared_tmp / "users")))
    set_protected_hardlinks(0)
    fork_as(USER, lambda: os.link(shared_tmp / "admins", shared_tmp / "users"))
    assert (shared_tmp / "users").stat().st_nlink == 2


@pytest.mark.root("a sysctl")
@pytest.mark.serial
def test_the_sysctl_is_restored_when_the_process_is_killed() -> None:
    code = (
        "import os, signal; from tests.support.sysctl import PATH, protected_hardlinks as set_to\n"
        "with set_to(0): print(PATH.read_text(), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    before = sysctl.usual_value()
    died = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert (died.returncode, died.stdout.strip()) == (-signal.SIGKILL, "0")
    assert sysctl.usual_value() == before


@pytest.mark.root("a sysctl")
@pytest.mark.serial
def test_the_sysctl_nests_and_is_restored_after_an_error() -> None:
    with sysctl.protected_hardlinks(1):
        with contextlib.suppress(ZeroDivisionError), sysctl.protected_hardlinks(0):
            assert sysctl.PATH.read_text() == "0\n"
            raise ZeroDivisionError
        assert sysctl.PATH.read_text() == "1\n"


# -- filesystems --------------------------------------------------------------------------------------------


@pytest.mark.root("loop mounts")
@pytest.mark.parametrize("kind", filesystems.KINDS)
def test_loop_mount_is_that_filesystem_and_goes(kind: filesystems.Kind) -> None:
    with loop_mount(kind, 64) as root:
        assert f" - {kind} " in next(line for line in mounts().splitlines() if str(root) in line)
        assert list(root.iterdir()) == []
        (root / "a").write_bytes(b"1" * 4096)
        assert links_refused_with(root) is None
        with (root / "a").open("rb") as source, (root / "b").open("wb") as target:
            if kind == "ext4":
                expect_errno(errno.EOPNOTSUPP, lambda: fcntl.ioctl(target, FICLONE, source.fileno()))
            else:
                fcntl.ioctl(target, FICLONE, source.fileno())
    assert str(root) not in mounts()
    assert str(root.parent) not in loop_images()
    assert not root.parent.exists()


@pytest.mark.root("loop mounts")
def test_what_a_killed_run_left_is_swept() -> None:
    code = (
        "import os, signal; from tests.support.filesystems import loop_mount\n"
        "with loop_mount('ext4', 16) as root: print(root, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL
    root = Path(died.stdout.strip())
    assert str(root) in mounts()
    assert root.parent in filesystems.sweep()
    assert str(root) not in mounts()
    assert str(root.parent) not in loop_images()
    assert not root.parent.exists()


def test_sweep_spares_the_living(shared_tmp: Path) -> None:
    filesystems.sweep()
    assert shared_tmp.is_dir()


@pytest.mark.root("bind mounts")
def test_bind_mount_is_another_mount_of_the_same_device(shared_tmp: Path) -> None:
    (shared_tmp / "file").touch()
    with bind_mount(shared_tmp) as other:
        assert other.stat().st_dev == shared_tmp.stat().st_dev
        expect_errno(errno.EXDEV, lambda: os.link(shared_tmp / "file", other / "linked"))
    assert (shared_tmp / "file").exists()
    with bind_mount(shared_tmp, read_only=True) as other:
        expect_errno(errno.EROFS, (other / "new").touch)


@pytest.mark.root("overlay mounts")
def test_overlay_mount_keeps_its_lower_layer(shared_tmp: Path) -> None:
    (shared_tmp / "file").write_text("lower")
    with overlay_mount(shared_tmp) as merged:
        (merged / "file").write_text("upper")
        assert links_refused_with(merged) is None
    assert (shared_tmp / "file").read_text() == "lower"


@pytest.mark.root("loop mounts")
def test_full_filesystem_has_what_was_asked_and_no_more() -> None:
    with full_filesystem(free_kib=100) as root:
        assert 80 <= os.statvfs(root).f_bavail <= 100
        (root / "fits").write_bytes(b"x" * 64 * 1024)
        expect_errno(errno.ENOSPC, lambda: (root / "does not").write_bytes(b"x" * 128 * 1024))
    with full_filesystem(free_inodes=3) as root:
        for number in range(3):
            (root / str(number)).touch()
        expect_errno(errno.ENOSPC, (root / "4").touch)


def test_links_fail_on_a_filesystem_without_them(no_hardlinks: Path) -> None:
    assert links_refused_with(no_hardlinks) == "EPERM"


@pytest.mark.parametrize("delay_us", [0, 2000])
def test_fuse_mount_delays_counts_and_passes_through(tmp_path: Path, delay_us: int) -> None:
    source = tmp_path / "source"
    sample_tree(source)
    for number in range(2000):
        (source / "d" / f"a-rather-long-name-to-fill-replies-{number}").touch()
    with fuse_latency_mount(source, delay_us) as fuse:
        assert len(os.listdir(fuse.path / "d")) == 2002
        before, start = fuse.counts(), time.perf_counter()
        for number in range(20):
            os.link(fuse.path / "d/file", fuse.path / f"linked-{number}")
        elapsed = time.perf_counter() - start
        after = fuse.counts()
        assert after["link"] - before["link"] == 20
        round_trips = sum(after[name] - before[name] for name in after if name not in ("read", "write"))
        assert elapsed >= round_trips * delay_us / 1e6
        assert (source / "d/file").stat().st_nlink == 22
        assert before["readdir"] > 3
        if delay_us == 0:
            assert diff(manifest(source), manifest(fuse.path)) == []
    assert str(fuse.path) not in mounts()
    assert fuse.process.returncode == 0
    assert not fuse.path.exists()


def test_latfs_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    code = (
        "import os, signal, pathlib; from tests.support.filesystems import fuse_latency_mount\n"
        f"with fuse_latency_mount(pathlib.Path({str(tmp_path)!r}), 0) as fuse:\n"
        "    print(fuse.path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    filesystems.latfs_program()
    died = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    if "Unavailable" in died.stderr:
        raise Unavailable(died.stderr.splitlines()[-1])
    mount_point = died.stdout.strip()
    assert died.returncode == -signal.SIGKILL
    assert mount_point
    filesystems._wait_until(lambda: mount_point not in mounts(), "latfs to unmount")
    assert Path(mount_point).parent in filesystems.sweep()


@pytest.mark.root("two users")
@pytest.mark.serial
def test_fuse_mount_keeps_owners_permissions_and_times(two_users: tuple[User, User], shared_tmp: Path) -> None:
    source = shared_tmp / "source"
    source.mkdir()
    source.chmod(0o777)
    (source / "group").mkdir()
    os.chown(source / "group", 0, 61009)
    (source / "group").chmod(0o2777)
    with fuse_latency_mount(source, 0) as fuse, sysctl.protected_hardlinks(1):
        root = fuse.path

        def as_admin() -> None:
            (root / "d").mkdir()
            (root / "d/file").write_text("x")
            (root / "d/private").touch(0o600)
            (root / "d/program").touch()
            (root / "d/program").chmod(0o4755)
            os.setxattr(root / "d/file", "user.note", b"1")
            assert os.getxattr(root / "d/file", "user.note") == b"1"
            assert os.listxattr(root / "d/file") == ["user.note"]
            (root / "link").symlink_to("d")
            os.mkfifo(root / "d/fifo")
            (root / "group/file").touch()
            with (root / "d/unlinked").open("w+") as file:
                (root / "d/unlinked").unlink()
                file.write("still")
                file.seek(0)
                assert file.read() == "still"

        fork_as(ADMIN, as_admin)
        assert {path.lstat().st_uid for path in source.rglob("*") if path.name != "group"} == {ADMIN.uid}
        assert (source / "d/file").stat().st_mode & 0o7777 == 0o644
        assert (source / "group/file").stat().st_gid == 61009
        assert not (source / "d/unlinked").exists()
        assert not list(source.rglob(".fuse_hidden*"))

        expect_errno(errno.EACCES, lambda: fork_as(USER, lambda: (root / "d/private").read_text()))
        expect_errno(errno.EACCES, lambda: fork_as(USER, lambda: (root / "d/new").touch()))
        expect_errno(errno.EPERM, lambda: fork_as(USER, lambda: os.link(root / "d/file", root / "users")))

        old = (root / "d/file").stat()
        fork_as(ADMIN, lambda: os.link(root / "d/file", root / "admins"))
        new = (root / "d/file").stat()
        assert new.st_ctime_ns > old.st_ctime_ns
        assert (new.st_mtime_ns, new.st_ino, new.st_nlink) == (old.st_mtime_ns, old.st_ino, 2)
        fork_as(ADMIN, lambda: (root / "d/program").write_text("changed"))
        assert (source / "d/program").stat().st_mode & 0o7777 == 0o755, "writing drops setuid"


def test_fuse_mount_can_refuse_what_network_filesystems_refuse(shared_tmp: Path) -> None:
    def exchange(root: Path) -> None:
        (root / "x").touch()
        (root / "y").touch()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(-100, os.fsencode(root / "x"), -100, os.fsencode(root / "y"), 2) == -1:
            raise OSError(ctypes.get_errno(), "renameat2")

    with fuse_latency_mount(shared_tmp, 0, link_error="EXDEV", rename_flags=False) as fuse:
        assert links_refused_with(fuse.path) == "EXDEV"
        expect_errno(errno.EINVAL, lambda: exchange(fuse.path))
    with fuse_latency_mount(shared_tmp, 0) as fuse:
        assert links_refused_with(fuse.path) is None
        exchange(fuse.path)


def test_unavailable_names_the_tool() -> None:
    with pytest.raises(Unavailable, match=r"mkfs\.none.*package") as caught:
        filesystems._run(["mkfs.none"])
    assert caught.value.tool == "mkfs.none"
