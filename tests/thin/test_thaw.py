"""Thawing: what becomes real, what stays a link, that nothing else changes, and what it costs."""

from __future__ import annotations

import errno
import multiprocessing
import os
import posixpath
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.packages import SITE_PACKAGES
from tests.filesystems.test_clone import admins_source, users_space
from tests.support.filesystems import fuse_latency_mount, loop_mount
from tests.support.manifest import charged, diff, manifest
from tests.support.relation import assert_is_clone, clone_prefix, leftovers
from tests.support.users import ADMIN, USER, fork_as
from tests.thin.trees import FILES, LINKED, is_file, is_real, links_into, make_deep_source, make_thin, seen
from userconda import fsops, journal, locks, processes, thaw
from userconda.errors import (
    FileOperation,
    LockTimeout,
    NotEnoughSpace,
    PackageNotFound,
    ParentDiffers,
    ParentGone,
    ProcessesRunning,
    SourceChanged,
)
from userconda.plan import PRIVATE, compile_patterns
from userconda.provenance import read_provenance
from userconda.thaw import Surroundings, Thawed, directories_to_make, execute_thaw, plan_thaw

Pair = tuple[Path, Path]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A source and a thin clone of it, both of this user."""
    source = make_deep_source(tmp_path / "conda")
    return source, make_thin(source, tmp_path / "space/envs/mine")


@pytest.fixture
def unchanged(pair: Pair) -> Iterator[None]:
    """The parent is never touched, and nothing is left behind."""
    before = manifest(pair[0])
    yield
    assert diff(before, manifest(pair[0])) == []
    assert leftovers(pair[1]) == []


def thaw_paths(target: Path, paths: set[str] | None, **words: Any) -> Thawed:
    return execute_thaw(plan_thaw(str(target), paths, **words))


def inode(path: Path) -> int:
    return path.lstat().st_ino


# what becomes real ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
def test_one_path_makes_the_least_real(pair: Pair) -> None:
    source, target = pair
    before = seen(target)
    result = thaw_paths(target, {"libexec/deep/a/b/three.txt"})
    assert (result.directories, result.made, result.linked, result.exchanged) == (1, 3, 2, True)
    assert is_real(target, "libexec/deep/a/b/three.txt")
    assert links_into(target, source) == {*LINKED, *FILES} - {"libexec/deep"} | {
        "libexec/deep/c",
        "libexec/deep/hollow",
    }
    assert seen(target) == before
    assert inode(target / "libexec/deep/top.txt") == inode(source / "libexec/deep/top.txt")
    note = read_provenance(str(target))
    assert note is not None
    assert note.thin
    assert {"libexec/deep/c", "libexec/deep/hollow"} <= set(note.linked)
    assert len(note.linked) == len(note.linked_bytes)
    still = sum(size for path, size in zip(note.linked, note.linked_bytes, strict=True) if (target / path).is_symlink())
    behind = [p for path in note.linked if (target / path).is_symlink() for p in (source / path).rglob("*")]
    assert still == sum(p.lstat().st_size for p in behind if is_file(p))


@pytest.mark.usefixtures("unchanged")
def test_a_directory_alone_keeps_what_is_in_it_as_links(pair: Pair) -> None:
    source, target = pair
    thaw_paths(target, set(), directories=("libexec/deep/a",))
    assert is_real(target, "libexec/deep/a")
    assert os.readlink(target / "libexec/deep/a/b") == f"{source}/libexec/deep/a/b"
    (target / "libexec/deep/a/new").write_text("mine")
    assert not (source / "libexec/deep/a/new").exists()
    (target / "libexec/deep/a/new").unlink()


def test_what_is_unlinked_after_a_thaw_stays_in_the_parent(pair: Pair) -> None:
    source, target = pair
    before = manifest(source)
    thaw_paths(target, {"libexec/deep/a/one.txt"})
    (target / "libexec/deep/a/one.txt").unlink()
    assert diff(before, manifest(source)) == []


@pytest.mark.usefixtures("unchanged")
def test_a_package_with_linked_files_and_directories(pair: Pair) -> None:
    source, target = pair
    before = seen(target)
    result = thaw.thaw(str(target), ["odd_files"])  # conda calls it odd-files
    assert result.packages == ("odd_files",)
    assert links_into(target, source) == {*LINKED} - {"libexec/odd", "share/odd/names"}
    assert seen(target) == before
    assert inode(target / "share/odd/pair-1") == inode(target / "share/odd/pair-2")
    assert (target / "share/odd/directory-link").readlink() == Path("names")
    again = thaw.thaw(str(target), ["odd_files"])
    assert again.nothing_to_do
    assert (again.charged.inodes, again.files, again.directories) == (0, 0, 0)


def test_a_distribution_of_pips(pair: Pair) -> None:
    source, target = pair
    package = source / SITE_PACKAGES / "piped"
    package.mkdir()
    (package / "__init__.py").write_text("NAME = 'piped'\n")
    info = source / SITE_PACKAGES / "Piped.Dist-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("piped/__init__.py,,\nPiped.Dist-1.0.dist-info/RECORD,,\n")
    other = make_thin(source, target.with_name("other"), (f"{SITE_PACKAGES}/piped",), ())
    assert thaw.thaw(str(other), ["piped-dist"]).directories == 1
    assert links_into(other, source) == set()
    assert is_real(other, f"{SITE_PACKAGES}/piped/__init__.py")


def test_unknown_packages_are_all_named_with_near_ones(pair: Pair) -> None:
    with pytest.raises(PackageNotFound) as caught:
        thaw.thaw(str(pair[1]), ["odd-fils", "odd-python", "nothing-like-it"])
    assert caught.value.names == ("odd-fils", "nothing-like-it")
    assert "odd-files" in caught.value.similar
    assert links_into(pair[1], pair[0]) == {*LINKED, *FILES}


@pytest.mark.usefixtures("unchanged")
def test_all_is_an_ordinary_clone(pair: Pair) -> None:
    source, target = pair
    before = seen(target)
    price = thaw.thaw(str(target), [], dry_run=True)
    assert links_into(target, source) == {*LINKED, *FILES}
    result = thaw.thaw(str(target), [])
    assert (result.predicted, result.directories, result.files) == (price.predicted, len(LINKED), len(FILES))
    assert links_into(target, source) == set()
    assert_is_clone(source, target)
    assert seen(target) == before
    note = read_provenance(str(target))
    assert note is not None
    assert (note.thin, note.links_to, note.linked, note.linked_bytes) == (False, "", (), ())
    assert note.source == str(source)
    assert thaw.thaw(str(target), []).nothing_to_do


def test_all_is_independent(pair: Pair) -> None:
    source, target = pair
    before = seen(target)
    thaw.thaw(str(target), [])
    source.rename(source.with_name("gone"))
    assert seen(target) == before


# inodes of one's own --------------------------------------------------------------------------------------------


def test_a_package_of_an_ordinary_clone_gets_its_own_inodes(tmp_path: Path) -> None:
    source, target = make_deep_source(tmp_path / "conda"), tmp_path / "space/envs/mine"
    clone_prefix(source, target)
    before, there = manifest(source), seen(target)
    result = thaw.thaw(str(target), ["odd-files"])
    assert result.own
    assert seen(target) == there, "mode and mtime too"
    assert inode(target / "share/odd/nul.dat") != inode(source / "share/odd/nul.dat")
    assert inode(target / "share/odd/pair-1") == inode(target / "share/odd/pair-2"), "a pair stays one"
    assert (target / "share/odd/pair-1").stat().st_nlink == 2
    assert inode(target / "share/odd-generic/data.txt") == inode(source / "share/odd-generic/data.txt")
    (target / "share/odd/nul.dat").chmod(0o600)
    assert diff(before, manifest(source)) == []
    assert thaw.thaw(str(target), ["odd-files"]).nothing_to_do
    assert thaw.thaw(str(target), []).nothing_to_do, "--all without --own: nothing of it is a link"
    everything = thaw.thaw(str(target), [], own=True)
    assert everything.counts["copied"] > 20
    own = [p for p in target.rglob("*") if is_file(p)]
    theirs = {p.lstat().st_ino for p in source.rglob("*") if p.is_file()}
    assert [p for p in own if p.lstat().st_ino in theirs] == []
    assert thaw.thaw(str(target), [], own=True).nothing_to_do
    assert leftovers(target) == []


@pytest.mark.usefixtures("unchanged")
def test_own_in_a_thin_clone_shares_nothing(pair: Pair) -> None:
    source, target = pair
    thaw.thaw(str(target), ["odd-files"], own=True)
    for name in ("share/odd/names/-dash", "share/odd/nul.dat", "libexec/odd/tool"):
        assert is_real(target, name)
        assert inode(target / name) != inode(source / name)
        assert (target / name).stat().st_mtime_ns == (source / name).stat().st_mtime_ns


# two users, filesystems -----------------------------------------------------------------------------------------


def users_thin_clone(root: Path, **words: Any) -> Pair:
    source, target = admins_source(root, make_deep_source), users_space(root)
    fork_as(USER, partial(clone_prefix, source, target, thin=True, **words))
    return source, target


@pytest.mark.root("loop mounts, two users")
@pytest.mark.parametrize("protected", [0, 1], ids=["links allowed", "links refused"])
@pytest.mark.usefixtures("two_users")
def test_another_owners_parent(
    any_filesystem: Path, set_protected_hardlinks: Callable[[int], None], protected: int
) -> None:
    set_protected_hardlinks(protected)
    source, target = users_thin_clone(any_filesystem)
    before, there = manifest(source), seen(target)
    assert links_into(target, source)
    os.sync()
    charged_before = charged(target, USER.uid)
    part = fork_as(USER, lambda: thaw_paths(target, {"libexec/deep/a/b/three.txt"}))
    sibling = target / "libexec/deep/a/one.txt"
    assert sibling.is_symlink() == bool(protected), "what was not asked for is not copied"
    assert part.exchanged
    assert seen(target) == there
    whole = fork_as(USER, lambda: thaw.thaw(str(target), []))
    assert links_into(target, source) == set()
    assert seen(target) == there
    os.sync()
    size_bytes, inodes = charged(target, USER.uid)
    assert part.charged.inodes + whole.charged.inodes == inodes - charged_before[1]
    assert part.predicted.inodes == part.charged.inodes
    assert whole.predicted.inodes == whole.charged.inodes
    if any_filesystem.name == "ext4":
        assert part.charged.size_bytes + whole.charged.size_bytes == size_bytes - charged_before[0]
    own = whole.counts.get("copied", 0) + whole.counts.get("reflinked", 0)
    if protected:
        assert ADMIN.name in whole.why_copied or str(ADMIN.uid) in whole.why_copied
        assert own > 0
        assert whole.counts.get("hardlinked", 0) == 0
        assert (any_filesystem.name == "ext4") == (whole.counts.get("reflinked", 0) == 0)
    else:
        is_private = compile_patterns(PRIVATE)
        private = [p for p in target.rglob("*") if is_file(p) and is_private(os.path.relpath(p, target), p.name)]
        assert whole.counts["hardlinked"] > 5
        assert own <= len(private), "nothing but what a program may write in place"
        assert not {inode(path) for path in private} & {inode(path) for path in source.rglob("*")}
    assert diff(before, manifest(source)) == []
    assert leftovers(target) == []


@pytest.mark.root("loop mounts, two users")
@pytest.mark.usefixtures("two_users")
def test_refused_links_lead_to_files_that_the_user_owns(
    ext4: Path, set_protected_hardlinks: Callable[[int], None]
) -> None:
    set_protected_hardlinks(1)
    source, target = users_thin_clone(ext4)
    first = target.with_name("first")
    fork_as(USER, partial(clone_prefix, source, first))
    result = fork_as(USER, lambda: thaw.thaw(str(target), [], surroundings=Surroundings(clones=[str(first)])))
    assert result.counts["twins"] > 10
    name = "libexec/deep/a/one.txt"
    assert inode(target / name) == inode(first / name) != inode(source / name)


@pytest.mark.root("two users")
@pytest.mark.usefixtures("two_users")
def test_another_users_environment_is_refused(shared_tmp: Path) -> None:
    source = make_deep_source(shared_tmp / "conda")
    target = make_thin(source, shared_tmp / "space/envs/mine")
    with pytest.raises(FileOperation) as caught:
        fork_as(USER, lambda: thaw.thaw(str(target), []))
    assert caught.value.errno == errno.EACCES
    for path in (target, *target.rglob("*")):
        os.chown(path, USER.uid, USER.gid, follow_symlinks=False)
    with pytest.raises(FileOperation) as caught:  # root would leave files that its user cannot change
        thaw.thaw(str(target), [])
    assert caught.value.errno == errno.EPERM


@pytest.mark.root("loop mounts")
@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_parent_on_another_filesystem(ext4: Path, kind: Any) -> None:
    with loop_mount(kind) as other:
        source = make_deep_source(ext4 / "conda")
        target = make_thin(source, other / "space/envs/mine")
        before, there = manifest(source), seen(target)
        result = thaw.thaw(str(target), [])
        assert "another filesystem" in result.why_copied
        assert seen(target) == there
        assert links_into(target, source) == set()
        assert diff(before, manifest(source)) == []


def test_on_tmpfs(elsewhere: Path, tmp_path: Path) -> None:
    source = make_deep_source(tmp_path / "conda")
    target = make_thin(source, elsewhere / "space/envs/mine")
    there = seen(target)
    assert thaw.thaw(str(target), []).exchanged
    assert seen(target) == there
    assert links_into(target, source) == set()


def test_without_renameat2(shared_tmp: Path) -> None:
    """As on Lustre and NFS: two renames, and it is said."""
    make_thin(make_deep_source(shared_tmp / "conda"), shared_tmp / "space/envs/mine")
    with fuse_latency_mount(shared_tmp, 0, rename_flags=False) as fuse:
        source, target = shared_tmp / "conda/envs/py3_powerai_1.7.0", fuse.path / "space/envs/mine"
        there = seen(target)
        result = thaw.thaw(str(target), [])
        assert result.exchanged is False
        assert [warning for warning in result.warnings if "missing for one round trip" in warning]
        assert seen(target) == there
        assert links_into(target, source) == set()
        assert leftovers(target) == []


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP], ids=errno.errorcode.get)
@pytest.mark.usefixtures("unchanged")
def test_a_kernel_without_renameat2(pair: Pair, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(fsops, "_renameat2", lambda *words: code)
    there = seen(pair[1])
    assert thaw.thaw(str(pair[1]), []).exchanged is False
    assert seen(pair[1]) == there
    assert links_into(pair[1], pair[0]) == set()


def test_the_same_system_call_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the C library is too old to have a name for it."""
    import ctypes

    class Old:
        def __init__(self, name: str | None, **words: Any) -> None:
            self.syscall = real(name, **words).syscall

    real = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", Old)
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert fsops.exchange("directory", descriptor, "link", descriptor) == 0
    os.close(descriptor)
    assert (tmp_path / "directory").is_symlink()
    assert (tmp_path / "link").is_dir()


# the parent changed, or is gone ---------------------------------------------------------------------------------


def test_a_parent_that_is_gone(pair: Pair) -> None:
    source, target = pair
    source.rename(source.with_name("moved"))
    with pytest.raises(ParentGone) as caught:
        thaw.thaw(str(target), [])
    assert set(caught.value.paths) == {*LINKED, *FILES}
    source.with_name("moved").rename(source)
    (source / "share/odd/empty").rename(source / "share/odd/elsewhere")
    with pytest.raises(ParentGone) as caught:
        thaw.thaw(str(target), ["odd-files"])
    assert caught.value.paths == ("share/odd/empty",)
    assert links_into(target, source) == {*LINKED, *FILES}
    assert leftovers(target) == []


@pytest.mark.parametrize("how", ["newer", "as old, by a transaction"])
def test_a_parent_that_changed(pair: Pair, how: str) -> None:
    source, target = pair
    changed = source / "share/odd/names/-dash"
    status = changed.stat()
    changed.unlink()
    changed.write_text("-DASH\n")  # as long as before
    if how == "newer":
        os.utime(changed, (time.time() + 60, time.time() + 60))
    else:
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
        (source / "conda-meta/another-1.0-0.json").write_text("{}")
    for call in (partial(thaw.thaw, str(target), ["odd-files"]), partial(thaw.thaw, str(target), [])):
        with pytest.raises(ParentDiffers) as caught:
            call()
        assert caught.value.paths == ("share/odd/names/-dash",)
        assert links_into(target, source) == {*LINKED, *FILES}
    thaw.thaw(str(target), ["odd-python"])  # not concerned
    thaw.thaw(str(target), ["odd-files"], as_is=True)
    assert (target / "share/odd/names/-dash").read_text() == "-DASH\n"


def test_a_parent_whose_transaction_changed_nothing_here(pair: Pair) -> None:
    source, target = pair
    (source / "conda-meta/another-1.0-0.json").write_text("{}")
    there = seen(target)
    thaw.thaw(str(target), [])
    assert seen(target) == there


def test_records_that_are_links_and_gone(pair: Pair) -> None:
    source, target = pair
    record = next((target / "conda-meta").glob("odd-files-*.json"))
    record.unlink()
    record.symlink_to(source / "conda-meta" / record.name)
    (source / "conda-meta" / record.name).rename(source / "conda-meta/odd-files-2.0-0.json")
    with pytest.raises(ParentGone) as caught:
        thaw.thaw(str(target), ["odd-python"])
    assert caught.value.paths == (f"conda-meta/{record.name}",)


def test_a_parent_that_changes_meanwhile(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = pair
    plan = plan_thaw(str(target), None)
    (source / "libexec/deep/a/b/new").write_text("new")
    with pytest.raises(SourceChanged) as caught:
        execute_thaw(plan)
    assert caught.value.paths == ("libexec/deep/a/b",)
    assert links_into(target, source) == {*LINKED, *FILES}
    assert leftovers(target) == []


def test_a_link_that_the_user_replaced_meanwhile_is_left_alone(pair: Pair) -> None:
    source, target = pair
    before = manifest(source)
    plan = plan_thaw(str(target), None)
    for name in ("libexec/odd", "share/odd/nul.dat"):
        (target / name).unlink()
        (target / name).write_text("mine")
    result = execute_thaw(plan)
    assert {warning.split(" was changed")[0] for warning in result.warnings} >= {"libexec/odd", "share/odd/nul.dat"}
    assert (target / "libexec/odd").read_text() == (target / "share/odd/nul.dat").read_text() == "mine"
    assert links_into(target, source) == set()
    note = read_provenance(str(target))
    assert note is not None
    assert note.thin, "whether it is independent is for the next one to see"
    assert not thaw.thaw(str(target), []).thin
    assert diff(before, manifest(source)) == []


def test_never_through_a_link(pair: Pair) -> None:
    """A directory that became a link into the parent after the plan: a rename through it would change the parent."""
    source, target = pair
    before = manifest(source)
    plan = plan_thaw(str(target), {"share/odd/nul.dat"})
    (target / "share/odd").rename(target / "share/aside")
    (target / "share/odd").symlink_to(source / "share/odd")
    with pytest.raises(FileOperation):
        execute_thaw(plan)
    assert diff(before, manifest(source)) == []


# who else is there ----------------------------------------------------------------------------------------------


def test_a_running_process_is_named(pair: Pair) -> None:
    target = pair[1]
    program = target / "bin/wait"
    program.write_text("#!/bin/sh\nread line\n")
    program.chmod(0o755)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            while not processes.find_running(str(target)) and time.monotonic() < deadline:
                time.sleep(0.01)  # until it has become the program
            with pytest.raises(ProcessesRunning) as caught:
                thaw.thaw(str(target), [])
            assert [pid for pid, _ in caught.value.processes] == [process.pid]
            assert str(program) in caught.value.message
            assert "other hosts" in caught.value.hints[0]
            thaw_paths(target, {"libexec/deep/top.txt"})  # whoever knows better does not ask
            thaw.check_running(str(target), ignoring=[process.pid])
        finally:
            process.kill()
    assert any("other hosts cannot be seen" in warning for warning in thaw.thaw(str(target), []).warnings)


def test_without_psutil_it_is_said(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert any("psutil" in warning for warning in thaw.thaw(str(pair[1]), []).warnings)


def test_one_run_at_a_time(pair: Pair) -> None:
    state = journal.StateDirectory.beside(str(pair[1]))
    state.make()
    lease = locks.acquire(state.lease(str(pair[1])))
    with pytest.raises(LockTimeout):
        thaw_paths(pair[1], None)
    lease.release()
    assert links_into(*pair[::-1]) == {*LINKED, *FILES}


def _look(path: str, stop: Any, missed: Any) -> None:
    while not stop.value:
        try:
            with open(path, encoding="ascii") as stream:
                assert stream.read() == "three"
        except OSError:
            missed.value += 1


def test_a_reader_sees_the_file_at_any_time(pair: Pair) -> None:
    source, target = pair
    context = multiprocessing.get_context("spawn")
    stop, missed = context.Value("b", 0), context.Value("i", 0)
    path = "libexec/deep/a/b/three.txt"
    reader = context.Process(target=_look, args=(str(target / path), stop, missed))
    reader.start()
    try:
        for _ in range(20):
            thaw_paths(target, {path})
            assert is_real(target, path)
            # And back to a link, in one step as well.
            (target / "libexec/again").symlink_to(source / "libexec/deep")
            descriptor = os.open(target / "libexec", os.O_RDONLY)
            assert fsops.exchange("again", descriptor, "deep", descriptor) == 0
            os.close(descriptor)
            fsops.remove_tree(str(target / "libexec/again"))
    finally:
        stop.value = 1
        reader.join(20)
    assert (reader.exitcode, missed.value) == (0, 0)


# room -----------------------------------------------------------------------------------------------------------


@pytest.mark.root("loop mounts")
def test_what_does_not_fit_is_refused_before(tmp_path: Path) -> None:
    source = make_deep_source(tmp_path / "conda")
    (source / "libexec/deep/big").write_bytes(os.urandom(4 << 20))
    with loop_mount("ext4", 8) as root:
        target = make_thin(source, root / "envs/mine", ("libexec/deep",), ())
        (root / "ballast").write_bytes(bytes(max(0, os.statvfs(root).f_bavail * os.statvfs(root).f_frsize - (2 << 20))))
        there = seen(target)
        with pytest.raises(NotEnoughSpace) as caught:
            thaw.thaw(str(target), [])
        assert caught.value.foretold
        with pytest.raises(NotEnoughSpace) as caught:
            thaw.thaw(str(target), [], surroundings=Surroundings(check_fit=False))
        assert not caught.value.foretold
        assert seen(target) == there
        assert links_into(target, source) == {"libexec/deep"}
        assert leftovers(target) == []


# pure -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)


@given(links=st.sets(PATHS, max_size=6), needed=st.sets(PATHS, max_size=8))
def test_the_least_is_made(links: set[str], needed: set[str]) -> None:
    tops = {top for top in links if not any(top.startswith(f"{other}/") for other in links)}
    found = directories_to_make(tops, needed)
    real = {path for inside in found.values() for path in inside}
    for top, inside in found.items():
        assert top in inside
        assert all(path == top or path.startswith(f"{top}/") for path in inside)
        # Every one is needed, or on the way to one; and everything on the way is made.
        assert all(any(n == path or n.startswith(f"{path}/") for n in needed) for path in inside)
        assert all(posixpath.dirname(path) in inside for path in inside - {top})
    for path in needed:
        assert path in real or not any(path == top or path.startswith(f"{top}/") for top in tops)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_tree_of_links_and_any_paths(data: st.DataObject) -> None:
    """On real trees: what was asked for is reached without a link, all else is as it was, and no more was made."""
    tree = data.draw(st.dictionaries(PATHS, st.text("xyz", max_size=3), min_size=1, max_size=10), "tree")
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary, "parent"), Path(temporary, "envs/mine")
        (source / "conda-meta").mkdir(parents=True)
        for name, text in tree.items():
            path = source / "lib" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        every = [os.path.relpath(p, source) for p in source.rglob("*") if p.is_dir() and p.name != "conda-meta"]
        below_lib = sorted(set(every) - {"lib"})
        drawn = data.draw(st.sets(st.sampled_from(below_lib), max_size=4), "linked") if below_lib else set()
        linked = {path for path in drawn if not any(path.startswith(f"{other}/") for other in drawn)}
        _copy_thin(source, target, linked)
        files = [os.path.relpath(p, source) for p in source.rglob("*.txt")]
        paths = data.draw(st.sets(st.sampled_from(files), max_size=3), "paths")
        directories = data.draw(st.sets(st.sampled_from(every), max_size=2), "directories")
        there = seen(target)
        result = thaw_paths(target, paths, directories=directories)
        assert seen(target) == there
        assert all(is_real(target, path) for path in (*paths, *directories))
        wanted = {*paths, *directories}
        for directory in every:
            if any(directory == top or directory.startswith(f"{top}/") for top in linked) and is_real(
                target, directory
            ):
                assert any(path == directory or path.startswith(f"{directory}/") for path in wanted), directory
        assert thaw_paths(target, paths, directories=directories).nothing_to_do
        assert result.nothing_to_do == all(not _is_below(path, linked) for path in wanted)
        thaw_paths(target, None)
        assert links_into(target, source) == set()
        assert seen(target) == there


def _is_below(path: str, tops: set[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def _copy_thin(source: Path, target: Path, linked: set[str]) -> None:
    from userconda.provenance import Provenance, source_state

    (target / "conda-meta").mkdir(parents=True)
    for directory, names, files in os.walk(source / "lib"):
        place = target / os.path.relpath(directory, source)
        place.mkdir(exist_ok=True)
        for name in [*names]:
            path = os.path.relpath(os.path.join(directory, name), source)
            if path in linked:
                (target / path).symlink_to(source / path)
                names.remove(name)
        for name in files:
            os.link(os.path.join(directory, name), place / name)
    state = source_state(str(source)) or {}
    note = Provenance(str(source), "parent", state, time.time(), "0", "0", True, {}, str(source), tuple(linked))
    (target / "conda-meta/ucenv.provenance").write_bytes(note.to_bytes())
