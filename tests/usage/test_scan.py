"""The scan beside the slow count: every kind of entry, every kind of link."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import filesystems, users
from tests.usage.trees import Eager, Slow, numbers_of, scanned, truth
from userconda.errors import FileOperation
from userconda.parallel import Pool
from userconda.scan import MOUNTED, NESTED, OTHER_FILESYSTEM
from userconda.sharing import Charging, Mine

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(params=[Pool, Eager, Slow], ids=["in this process", "in workers", "by threads"])
def pool(request: pytest.FixtureRequest) -> Pool:
    kind: type[Pool] = request.param
    return kind(4)


@pytest.fixture
def scopes(tmp_path: Path) -> dict[str, Path]:
    """Two environments and a cache, linked among each other, to the system and to places nobody scans."""
    names = {name: tmp_path / name for name in ("pkgs", "one", "two")}
    for directory in (*names.values(), tmp_path / "system", tmp_path / "elsewhere"):
        (directory / "lib/deep/er").mkdir(parents=True)
    for number, name in enumerate(("alone", "twice", "between", "cached", "systems", "outside", "everywhere")):
        (tmp_path / "one/lib" / name).write_bytes(bytes(5000 * number + 1))

    def link(source: str, *targets: str) -> None:
        for target in targets:
            (tmp_path / target).hardlink_to(tmp_path / source)

    link("one/lib/twice", "one/lib/deep/twice", "one/lib/deep/er/twice")
    link("one/lib/between", "two/lib/between")
    link("one/lib/cached", "two/lib/cached", "pkgs/lib/cached")
    link("one/lib/systems", "system/lib/systems")
    link("one/lib/outside", "elsewhere/lib/outside")
    link("one/lib/everywhere", "two/lib/1", "two/lib/2", "pkgs/lib/3", "system/lib/4", "elsewhere/lib/5")
    (tmp_path / "two/lib/own").write_bytes(bytes(9000))
    return names


def test_every_kind_of_link(scopes: dict[str, Path], pool: Pool) -> None:
    assert numbers_of(scanned(scopes, pool), scopes) == truth(scopes)


@pytest.mark.root("files of another owner")
def test_other_owners(scopes: dict[str, Path], pool: Pool) -> None:
    for path in ("one/lib/systems", "one/lib/everywhere", "one/lib/deep", "two/lib/own", "pkgs"):
        os.chown(scopes["one"].parent / path, 61001, 61001)
    for uid in (0, 61001, 61002):
        found = numbers_of(scanned(scopes, pool), scopes, Mine(Charging.USER, uid))
        assert found == truth(scopes, lambda status, uid=uid: status.st_uid == uid)  # type: ignore[misc]
    found = numbers_of(scanned(scopes, pool), scopes, Mine(Charging.GROUP, 61001))
    assert found == truth(scopes, lambda status: status.st_gid == 61001)


def test_every_kind_of_entry(scopes: dict[str, Path], pool: Pool) -> None:
    one = scopes["one"]
    (one / "link").symlink_to("lib")
    (one / "long").symlink_to("x" * 500)
    (one / "dangling").symlink_to("nowhere")
    os.link(one / "link", scopes["two"] / "link", follow_symlinks=False)
    os.mkfifo(one / "fifo")
    os.link(one / "fifo", one / "fifo too")
    with (one / "sparse").open("wb") as stream:
        stream.truncate(10 << 30)
    (one / "empty").touch()
    (one / "no files at all").mkdir()
    (one / os.fsdecode(b"not \xff utf-8 \xfe")).mkdir()
    (one / os.fsdecode(b"not \xff utf-8 \xfe/\xfd")).write_bytes(b"1" * 5000)
    here = os.getcwd()
    os.chdir(one)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    os.chdir(here)
    found = numbers_of(scanned(scopes, pool), scopes)
    assert found == truth(scopes)
    assert found["one"]["apparent"][0] > 10 << 30
    assert found["one"]["on_disk"][0] < 1 << 20


def test_a_top_that_is_a_symlink(scopes: dict[str, Path]) -> None:
    alias = scopes["one"].parent / "alias"
    alias.symlink_to("one")
    assert numbers_of(scanned({"one": alias}), ["one"]) == truth({"one": scopes["one"]})


def test_a_scope_within_another_is_counted_once(scopes: dict[str, Path], pool: Pool) -> None:
    inner = scopes["one"] / "envs/inner"
    (inner / "lib").mkdir(parents=True)
    (inner / "lib/file").write_bytes(bytes(7000))
    (inner / "lib/linked").hardlink_to(scopes["one"] / "lib/alone")
    tops = {**scopes, "inner": inner}
    result = scanned(tops, pool)
    assert numbers_of(result, tops) == truth(tops, leave_out=[inner])
    assert [(skipped.path, skipped.reason) for skipped in result.skipped] == [(str(inner), NESTED)]


def test_deeper_than_there_are_descriptors(tmp_path: Path, pool: Pool) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    found = numbers_of(scanned({"deep": tmp_path}, pool), ["deep"])
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest's own way is recursive
    assert found["deep"]["files"] == (1, 1201)


@pytest.mark.parametrize("kind", [Eager, Slow])
def test_many_directories(tmp_path: Path, kind: type[Pool]) -> None:
    """More than one worker reads, and each meets inodes that another has met."""
    for scope in ("one", "two"):
        for number in range(600):
            directory = tmp_path / scope / str(number % 20) / str(number)
            directory.mkdir(parents=True)
            for name in "abc":
                if scope == "one":
                    (directory / name).write_bytes(bytes(number))
                else:
                    (directory / name).hardlink_to(tmp_path / "one" / str(number % 20) / str(number) / name)
    tops = {"one": tmp_path / "one", "two": tmp_path / "two"}
    assert numbers_of(scanned(tops, kind(4)), tops) == truth(tops)


def test_gnu_du_agrees(scopes: dict[str, Path]) -> None:
    """Where du is right: one directory, everything mine."""
    for name, path in scopes.items():
        done = subprocess.run(["du", "-s", "--block-size=1", path], capture_output=True, text=True, check=True)
        assert numbers_of(scanned({name: path}), [name])[name]["on_disk"][0] == int(done.stdout.split()[0])
    every = subprocess.run(
        ["du", "-s", "-c", "--block-size=1", *scopes.values()], capture_output=True, text=True, check=True
    )
    assert numbers_of(scanned(scopes), scopes)["total"]["on_disk"][0] == int(every.stdout.split()[-2])


# generated trees ------------------------------------------------------------------------------------------------

PLACES = ("pkgs", "one", "two", "three", "system", "elsewhere")
OWNERS = (0, 61001, 61002)

placement = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 3)), min_size=1, max_size=8)
inode = st.tuples(st.sampled_from(["file", "symlink", "sparse"]), st.integers(0, 20_000), st.sampled_from(OWNERS))


@given(
    inodes=st.lists(st.tuples(inode, placement), max_size=25),
    directories=st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 3), st.sampled_from(OWNERS)), max_size=6),
    how=st.sampled_from([Pool, Eager, Slow]),
)
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_trees(
    inodes: list[tuple[tuple[str, int, int], list[tuple[str, int]]]],
    directories: list[tuple[str, int, int]],
    how: type[Pool],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tmp = tmp_path_factory.mktemp("tree")
    for place in PLACES:
        for depth in range(4):
            tmp.joinpath(place, *["d"] * depth).mkdir(exist_ok=True)
    for number, ((kind, size, owner), names) in enumerate(inodes):
        paths = [tmp.joinpath(place, *["d"] * depth, f"{number}-{n}") for n, (place, depth) in enumerate(names)]
        if kind == "symlink":
            paths[0].symlink_to("x" * (size % 300 + 1))
        else:
            with paths[0].open("wb") as stream:
                stream.write(bytes(0 if kind == "sparse" else size))
                stream.truncate(size)
        if os.geteuid() == 0:
            os.lchown(paths[0], owner, owner)
        for path in paths[1:]:
            os.link(paths[0], path, follow_symlinks=False)
    for place, depth, owner in directories if os.geteuid() == 0 else ():
        os.chown(tmp.joinpath(place, *["d"] * depth), owner, owner)
    tops = {place: tmp / place for place in ("pkgs", "one", "two", "three")}
    result = scanned(tops, how(2))
    for uid in OWNERS if os.geteuid() == 0 else (os.geteuid(),):
        found = numbers_of(result, tops, Mine(Charging.USER, uid))
        assert found == truth(tops, lambda status, uid=uid: status.st_uid == uid)  # type: ignore[misc]
    shutil.rmtree(tmp)


# what cannot be read --------------------------------------------------------------------------------------------


@pytest.mark.root("a second user")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100, 0o300], ids=oct)
def test_unreadable_directories(shared_tmp: Path, two_users: tuple[users.User, users.User], mode: int) -> None:
    admin, user = two_users
    top = shared_tmp / "env"
    for name in ("open", "closed/below", "closed/other"):
        (top / name).mkdir(parents=True)
        (top / name / "file").write_bytes(bytes(5000))
    for path in (top, *top.rglob("*")):
        os.chown(path, user.uid, user.gid)
    for path in (top / "closed", *(top / "closed").rglob("*")):
        os.chown(path, admin.uid, admin.gid)
    (top / "closed").chmod(mode << 6 | mode >> 6)

    def look() -> tuple[list[str], tuple[int, int], list[str]]:
        result = scanned({"env": top})
        return result.unreadable, numbers_of(result, ["env"])["env"]["files"], result.vanished

    unreadable, counted, vanished = users.fork_as(user, look)
    assert unreadable == [str(top / "closed")]
    assert counted == (1, 3)  # the top, "open" and the closed one, which is an inode all the same
    assert vanished == []


@pytest.mark.root("a second user")
def test_an_unreadable_top(shared_tmp: Path, two_users: tuple[users.User, users.User]) -> None:
    _, user = two_users
    (shared_tmp / "env").mkdir(mode=0o700)

    def look() -> tuple[list[str], tuple[int, int]]:
        result = scanned({"env": shared_tmp / "env"})
        return result.unreadable, numbers_of(result, ["env"])["env"]["files"]

    assert users.fork_as(user, look) == ([str(shared_tmp / "env")], (0, 1))


def test_a_top_that_is_gone(tmp_path: Path, scopes: dict[str, Path]) -> None:
    tops = {**scopes, "gone": tmp_path / "gone"}
    result = scanned(tops)
    assert result.vanished == [str(tmp_path / "gone")]
    assert {n: f for n, f in numbers_of(result, tops).items() if "gone" not in n} == truth(scopes)


@pytest.mark.parametrize("kind", [Pool, Slow])
def test_what_the_system_refuses_is_an_error(scopes: dict[str, Path], kind: type[Pool]) -> None:
    """EMFILE for real: no descriptor is left for the first directory below the top."""
    tops = {"one": scopes["one"]}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = os.listdir("/proc/self/fd")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, before)) + 20, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(2):
            os.close(taken.pop())
        with pytest.raises(FileOperation):
            scanned(tops, kind(2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
    assert os.listdir("/proc/self/fd") == before


# mounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.root("mounts")
def test_mounts_inside_are_not_crossed(ext4: Path, pool: Pool) -> None:
    """Another filesystem; the same one again, which has the same device number; and one file."""
    top, other = ext4 / "env", ext4 / "other"
    for name in ("bound", "memory", "real"):
        (top / name).mkdir(parents=True)
        (top / name / "covered").write_bytes(bytes(4000))
    other.mkdir()
    (other / "file").write_bytes(bytes(50_000))
    (top / "config").write_bytes(bytes(100))
    with (
        filesystems._mounted(["--bind", other], top / "bound"),
        filesystems._mounted(["-t", "tmpfs", "tmpfs"], top / "memory"),
    ):
        filesystems._run(["mount", "--bind", other / "file", top / "config"])
        try:
            result = scanned({"env": top}, pool)
            found = numbers_of(result, ["env"])
            expected = truth({"env": top}, leave_out=[top / "bound", top / "memory", top / "config"])
        finally:
            filesystems._unmount(top / "config")
    assert found == expected
    assert {(s.path, s.reason) for s in result.skipped} == {
        (str(top / name), MOUNTED) for name in ("bound", "memory", "config")
    }


@pytest.mark.root("btrfs")
def test_a_subvolume_is_another_filesystem(btrfs: Path) -> None:
    """It is no mount, and has inode numbers of its own."""
    filesystems._run(["btrfs", "-q", "subvolume", "create", btrfs / "env"])
    (btrfs / "env/file").write_bytes(bytes(9000))
    filesystems._run(["btrfs", "-q", "subvolume", "create", btrfs / "env/inner"])
    (btrfs / "env/inner/file").write_bytes(bytes(9000))
    result = scanned({"env": btrfs / "env"})
    assert [(s.path, s.reason) for s in result.skipped] == [(str(btrfs / "env/inner"), OTHER_FILESYSTEM)]
    assert numbers_of(result, ["env"]) == truth({"env": btrfs / "env"}, leave_out=[btrfs / "env/inner"])


@pytest.mark.root("loop mounts")
def test_each_filesystem(any_filesystem: Path, pool: Pool) -> None:
    for name in ("one", "two"):
        (any_filesystem / name / "lib").mkdir(parents=True)
    for number in range(50):
        (any_filesystem / f"one/lib/{number}").write_bytes(bytes(number * 3000))
        (any_filesystem / f"two/lib/{number}").hardlink_to(any_filesystem / f"one/lib/{number}")
    tops = {name: any_filesystem / name for name in ("one", "two")}
    os.sync()
    assert numbers_of(scanned(tops, pool), tops) == truth(tops)


@pytest.mark.root("loop mounts")
def test_the_same_inode_number_on_two_filesystems(ext4: Path, xfs: Path) -> None:
    for top in (ext4, xfs):
        (top / "env/lib").mkdir(parents=True)
        for number in range(200):
            (top / f"env/{number}").touch()
            (top / f"env/lib/{number}").hardlink_to(top / f"env/{number}")
    tops = {"one": ext4 / "env", "two": xfs / "env"}
    assert {path.stat().st_ino for path in tops["one"].iterdir()} & {
        path.stat().st_ino for path in tops["two"].iterdir()
    }
    assert numbers_of(scanned(tops), tops) == truth(tops)


@pytest.mark.root("overlay mounts")
def test_a_filesystem_whose_listing_has_other_inode_numbers(ext4: Path, shared_tmp: Path, pool: Pool) -> None:
    """An overlay over two filesystems: each layer has a device number, and a listing tells the layers' inodes."""
    (ext4 / "env/lib").mkdir(parents=True)
    for number in range(20):
        (ext4 / f"env/{number}").write_bytes(bytes(number * 1000))
        (ext4 / f"env/lib/{number}").hardlink_to(ext4 / f"env/{number}")
    with filesystems.overlay_mount(ext4, Path("/dev/shm")) as top:
        for number in range(20):
            (top / f"env/upper-{number}").write_bytes(bytes(number * 1000))
            (top / f"env/lib/upper-{number}").hardlink_to(top / f"env/upper-{number}")
        tops = {"env": top / "env"}
        assert numbers_of(scanned(tops, pool), tops) == truth(tops)


# while it changes -----------------------------------------------------------------------------------------------


@pytest.fixture
def churn(tmp_path: Path) -> Iterator[Callable[[], int]]:
    """A directory in which files and directories come and go until the test ends."""
    ended, rounds = threading.Event(), [0]
    top = tmp_path / "moving"

    def change() -> None:
        while not ended.is_set():
            for number in range(30):
                (top / f"d{number}/sub").mkdir(parents=True, exist_ok=True)
                (top / f"d{number}/sub/file").write_bytes(b"x")
            for number in range(30):
                shutil.rmtree(top / f"d{number}")
            rounds[0] += 1

    thread = threading.Thread(target=change)
    top.mkdir()
    thread.start()
    yield lambda: rounds[0]
    ended.set()
    thread.join()


@pytest.mark.parametrize("kind", [Pool, Slow])
def test_a_tree_that_changes(
    tmp_path: Path, scopes: dict[str, Path], churn: Callable[[], int], kind: type[Pool]
) -> None:
    """What stays is counted exactly; what goes is said, and no error."""
    tops = {**scopes, "moving": tmp_path / "moving"}
    expected = truth(scopes)
    vanished: list[str] = []
    deadline = time.monotonic() + 20
    scans = 0
    while (not vanished or scans < 5) and time.monotonic() < deadline:
        result = scanned(tops, kind(2))
        scans += 1
        vanished += result.vanished
        assert {n: f for n, f in numbers_of(result, tops).items() if "moving" not in n and n != "total"} == {
            n: f for n, f in expected.items() if n != "total"
        }
        assert result.unreadable == []
    assert vanished
    assert all(path.startswith(str(tmp_path / "moving")) for path in vanished)


def test_an_inode_is_asked_for_once(tmp_path: Path) -> None:
    """By the round trips that a filesystem counts: a second environment of links costs its listings."""
    asked = []
    for link in (False, True):
        behind = tmp_path / str(link)
        for name in ("one", "two"):
            (behind / name / "lib").mkdir(parents=True)
        for number in range(200):
            (behind / f"one/lib/{number}").write_text("x")
            if link:
                (behind / f"one/lib/{number}.too").hardlink_to(behind / f"one/lib/{number}")
                (behind / f"two/lib/{number}").hardlink_to(behind / f"one/lib/{number}")
        with filesystems.fuse_latency_mount(behind, 0, cache_seconds=1000) as fuse:
            tops = {name: fuse.path / name for name in ("one", "two")}
            result = scanned(tops)
            asked.append(fuse.counts()["getattr"])
            assert numbers_of(result, tops) == truth(tops)
    assert 400 <= asked[1] < asked[0] + 220


def test_nothing_is_written(scopes: dict[str, Path]) -> None:
    def states() -> list[tuple[int, int, int]]:
        paths = [path for top in scopes.values() for path in (top, *top.rglob("*"))]
        return [(s.st_mtime_ns, s.st_ctime_ns, s.st_nlink) for s in map(os.lstat, paths)]

    before = states()
    scanned(scopes)
    assert states() == before
    assert not any(stat.S_ISSOCK(path.lstat().st_mode) for path in scopes["one"].iterdir())
