"""What the system may answer to each operation: another link mode where one is left, else an error that helps."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from tests.faults import MODULES, REFUSALS, Scene, faulty, in_child, make_scene, operations, spread
from tests.support.faults import CHANGING, Fault, FaultyOs, fail
from tests.support.relation import assert_is_clone, leftovers
from userconda import fsops
from userconda.errors import (
    FileOperation,
    LinksRequired,
    NotEnoughSpace,
    QuotaExceeded,
    SourceIncomplete,
    SpaceNotWritable,
    UcenvError,
)
from userconda.models import CloneResult, LinkMode
from userconda.recover import recover

#: Of one directory of the small source, all of them linked.
NAMES = ("-dash", "with space.txt", "tab\there", "héllo-世界.txt")


@pytest.fixture(scope="module")
def module_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("errno"))


@pytest.fixture
def scene(module_scene: Scene) -> Scene:
    module_scene.remove()
    return module_scene


def refused(name: str, error: int) -> Fault:
    return fail(error, calls={"link"}, path=rf"/staging/.*/share/odd/names/{name}$")


def linking(monkeypatch: pytest.MonkeyPatch, scene: Scene, *faults: Fault) -> CloneResult:
    stand_in = FaultyOs(*faults, counted=CHANGING)
    monkeypatch.setattr(fsops, "os", stand_in)
    result = scene.clone()
    assert all(stand_in.matched), "a fault that never acted"
    return result


def is_linked(scene: Scene, name: str) -> bool:
    return (scene.source / name).lstat().st_ino == (scene.target / name).lstat().st_ino


# link(2) refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", REFUSALS, ids=errno.errorcode.get)
def test_one_refused_link_is_a_copy(monkeypatch: pytest.MonkeyPatch, scene: Scene, error: int) -> None:
    whole = scene.clone().files
    scene.remove()
    result = linking(monkeypatch, scene, refused("-dash", error))
    assert [fallback.to_json() | {"reason": ""} for fallback in result.fallbacks] == [
        {"errno": error, "from": "hardlink", "to": "copy", "files": 1, "bytes": 6, "reason": ""}
    ]
    assert (result.files.hardlinked, result.files.copied) == (whole.hardlinked - 1, whole.copied + 1)
    assert errno.errorcode[error] in result.fallbacks[0].reason
    assert not is_linked(scene, "share/odd/names/-dash")
    assert is_linked(scene, "share/odd/names/with space.txt")
    scene.assert_complete()


def test_each_file_of_a_directory_has_its_own_verdict(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    faults = [refused(name, error) for name, error in zip(NAMES, REFUSALS, strict=True)]
    result = linking(monkeypatch, scene, *faults)
    assert sorted((f.errno, f.files) for f in result.fallbacks) == sorted((error, 1) for error in REFUSALS)
    assert sum(f.size_bytes for f in result.fallbacks) == sum(
        (scene.source / "share/odd/names" / name).stat().st_size for name in NAMES
    )
    linked = {path.name for path in (scene.target / "share/odd/names").iterdir() if path.lstat().st_nlink > 1}
    assert linked == set(os.listdir(scene.target / "share/odd/names")) - set(NAMES)
    scene.assert_complete()


@pytest.mark.parametrize("error", REFUSALS, ids=errno.errorcode.get)
def test_no_link_at_all_is_an_own_copy(monkeypatch: pytest.MonkeyPatch, scene: Scene, error: int) -> None:
    result = linking(monkeypatch, scene, fail(error, calls={"link"}, path="/(staging|.ucenv-probe)"))
    shareable = sum(fallback.files for fallback in result.fallbacks)
    assert {(f.errno, f.from_mode, f.to_mode) for f in result.fallbacks} == {(error, LinkMode.HARDLINK, LinkMode.COPY)}
    assert (result.files.hardlinked, shareable) == (0, 35)
    scene.assert_complete()
    if error != errno.EMLINK:
        assert_is_clone(scene.source, scene.target, linked=False)


def test_links_only_is_an_error_where_one_is_refused(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    monkeypatch.setattr(fsops, "os", FaultyOs(refused("-dash", errno.EPERM), counted=CHANGING))
    with pytest.raises(LinksRequired):
        scene.clone(LinkMode.HARDLINK)
    scene.assert_nothing_left()


def test_a_link_that_is_none_is_noticed(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    """BeeGFS makes a symlink across directories, and says nothing."""
    link = os.link

    def symlink_instead(name: str, new: str, **directories: int) -> None:
        if "staging" in os.readlink(f"/proc/self/fd/{directories['dst_dir_fd']}"):
            os.symlink("elsewhere", new, dir_fd=directories["dst_dir_fd"])
        else:
            link(name, new, src_dir_fd=directories["src_dir_fd"], dst_dir_fd=directories["dst_dir_fd"])

    stand_in = FaultyOs(counted=CHANGING)
    monkeypatch.setattr(fsops, "os", stand_in)
    setattr(stand_in, "link", symlink_instead)  # noqa: B010
    result = scene.clone()
    assert result.files.hardlinked == 0
    assert {fallback.errno for fallback in result.fallbacks} == {errno.EOPNOTSUPP}
    scene.assert_complete()


# reflinks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", sorted(fsops.REFLINK_REFUSED), ids=errno.errorcode.get)
def test_a_refused_reflink_is_a_copy(monkeypatch: pytest.MonkeyPatch, scene: Scene, error: int) -> None:
    asked = []

    def refuse(*_: object) -> int:
        asked.append(1)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    result = scene.clone()
    assert asked
    assert (result.files.reflinked, result.fallbacks) == (0, ())
    scene.assert_complete()


def test_a_reflink_that_fails_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fcntl, "ioctl", full)
    with pytest.raises(NotEnoughSpace) as caught:
        scene.clone()
    assert caught.value.needed_bytes > 0
    scene.assert_nothing_left()


# errors that end a clone -----------------------------------------------------------------------------------------

#: (operation, errno) after which a clone goes on all the same: what is lost is no more than a convenience.
_ENDURED = {
    ("link", errno.EACCES): "a security policy: the file is copied",
    ("copy_file_range", errno.EIO): "the kernel cannot do it between these two; reading and writing can",
}
#: Calls of which one or the other is best effort: the sync of a directory's name, removals at the very end.
_BEST_EFFORT = frozenset({"open", "fsync", "unlink", "rmdir", "utime", "link", "close", "rename"})
#: What could not be removed is left to `recover`.
_REMOVALS = frozenset({"unlink", "rmdir"})

_CLASSES: dict[int, tuple[type[UcenvError], ...]] = {
    errno.ENOSPC: (NotEnoughSpace,),
    errno.EDQUOT: (QuotaExceeded,),
    errno.EIO: (FileOperation, SpaceNotWritable),
    errno.EROFS: (FileOperation, SpaceNotWritable),
    errno.EACCES: (FileOperation, SpaceNotWritable, SourceIncomplete),
}
_EXIT_CODES = {errno.ENOSPC: {30}, errno.EDQUOT: {32}, errno.EIO: {50, 52}, errno.EROFS: {50, 52}}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "recover"])
@pytest.mark.parametrize("error", _CLASSES, ids=errno.errorcode.get)
def test_an_error_anywhere_leaves_nothing(scene: Scene, error: int, module: str) -> None:
    counts = operations(scene.clone)[module]
    ended = 0
    for operation, count in counts.items():
        for nth in spread(count, 5):
            scene.remove()
            where = f"{module}.{operation} {nth} of {count}"
            stand_in = faulty(module, fail(error, calls={operation}, nth=nth))
            try:
                in_child(scene.clone, stand_in)
            except _CLASSES[error] as caught:
                ended += 1
                assert_helpful(caught, error, where)
                assert not scene.target.exists(), where
            else:
                assert (operation, error) in _ENDURED or operation in _BEST_EFFORT, f"{where} went unnoticed"
                scene.assert_complete()
            if operation in _REMOVALS:
                recover(scene.state)
            assert stand_in[module].matched[0] >= nth, where
            assert leftovers(scene.target) == [], where
    scene.assert_source_unchanged()
    assert ended or set(counts) <= _BEST_EFFORT, "no operation of this module has ended a clone"


def assert_helpful(caught: UcenvError, error: int, where: str) -> None:
    assert caught.exit_code in _EXIT_CODES.get(error, {12, 50, 52}), where
    assert caught.hints or isinstance(caught, FileOperation), where
    if isinstance(caught, NotEnoughSpace):
        assert caught.needed_bytes > 0 or error == errno.EDQUOT, f"{where}: {caught.message}"
        assert (caught.free_bytes is None) == (error == errno.EDQUOT), f"{where}: {caught.message}"
    else:
        assert os.strerror(error) in caught.message or isinstance(caught, SourceIncomplete), where


@pytest.mark.parametrize("error", [errno.EROFS, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("first", [1, 40, 200])
def test_a_filesystem_that_fails_for_good_is_told_once(scene: Scene, error: int, first: int) -> None:
    """The cleaning fails as well: what is told is what failed first, and a later `recover` has the rest."""

    class Broken(FaultyOs):
        made = 0

        def _count(self, name: str, paths: object) -> list[Fault]:
            self.made += 1
            return [fail(error)] if self.made >= first and name != "open" else []

    with pytest.raises((FileOperation, SpaceNotWritable)) as caught:
        in_child(scene.clone, {"fsops": Broken(counted=CHANGING)})
    assert os.strerror(error) in caught.value.message
    assert "setting aside" not in caught.value.message
    assert not scene.target.exists()
    recover(scene.state)
    scene.assert_nothing_left()
    scene.assert_source_unchanged()


def test_full_before_the_space_was_ever_used(tmp_path: Path) -> None:
    """The clone's directory is not there yet, and so cannot be asked what is left."""
    scene = make_scene(tmp_path)
    scene.target.parent.rmdir()
    with pytest.raises(NotEnoughSpace) as caught:
        in_child(scene.clone, faulty("fsops", fail(errno.ENOSPC, calls={"symlink"}, nth=1)))
    assert (caught.value.exit_code, caught.value.path) == (30, str(scene.target))
    assert caught.value.free_bytes
    assert not scene.target.exists()
