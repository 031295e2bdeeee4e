"""The source changes while it is cloned, or a transaction is under way in it: no clone of a mixture is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.packages import SITE_PACKAGES
from tests.faults import Scene, make_scene
from tests.support.faults import FaultyOs
from tests.support.relation import leftovers
from userconda import clone as clone_module
from userconda import execute, fsops
from userconda.errors import PrefixInUse, SourceChanged
from userconda.models import LinkMode

WATCHED = {"conda-meta": "pinned", "bin": "untracked-shell", SITE_PACKAGES: "untracked.py"}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path)


def add(directory: Path, name: str) -> None:
    (directory / "new-file").write_text("new")


def remove(directory: Path, name: str) -> None:
    (directory / name).unlink()


def replace(directory: Path, name: str) -> None:
    """As an update does it: another inode, of the same size and time."""
    old, new = directory / name, directory / "replacement"
    new.write_bytes(bytes(old.stat().st_size))
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    new.rename(old)


def add_directory(directory: Path, name: str) -> None:
    (directory / "new-directory").mkdir()


def rewrite(directory: Path, name: str) -> None:
    """In place: the directory's own time stays."""
    (directory / name).write_text("rewritten")


#: When: (module, function before which it happens).
MOMENTS: dict[str, tuple[Any, str]] = {
    "after the listing": (clone_module, "make_plan"),
    "after planning": (execute, "_build"),
    "after the files": (execute._Work, "followers"),
    "just before the check": (execute, "reread_directory"),
}


def at(monkeypatch: pytest.MonkeyPatch, moment: str, change: Callable[[], None]) -> list[int]:
    """Make a change when a clone comes to that moment, once."""
    module, name = MOMENTS[moment]
    function = getattr(module, name)
    happened: list[int] = []

    def changes_first(*args: Any) -> Any:
        if not happened:
            happened.append(1)
            change()
        return function(*args)

    monkeypatch.setattr(module, name, changes_first)
    return happened


@pytest.mark.parametrize("change", [add, remove, replace, add_directory, rewrite], ids=lambda change: change.__name__)
@pytest.mark.parametrize("directory", WATCHED)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_change_is_noticed(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    directory: str,
    change: Callable[[Path, str], None],
) -> None:
    happened = at(monkeypatch, moment, lambda: change(scene.source / directory, WATCHED[directory]))
    with pytest.raises(SourceChanged) as caught:
        scene.clone()
    assert happened
    assert any(path.startswith(directory) for path in caught.value.paths)
    assert caught.value.exit_code == 22
    scene.assert_nothing_left()


@pytest.mark.parametrize("path", ["etc/odd.conf", "share/odd/prefix.bin"])
@pytest.mark.parametrize("moment", ["after the listing", "after planning"])
def test_a_file_of_its_own_that_is_replaced_before_it_is_copied(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, path: str, moment: str
) -> None:
    changed = at(monkeypatch, moment, lambda: rewrite(scene.source, path))
    with pytest.raises(SourceChanged) as caught:
        scene.clone()
    assert changed
    assert path in caught.value.paths
    assert not scene.target.exists()


def test_no_change_is_no_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for moment in MOMENTS:
        at(monkeypatch, moment, lambda: None)
    scene.clone()
    scene.assert_complete()


@pytest.mark.parametrize("mode", [None, LinkMode.COPY], ids=["links", "copies"])
@pytest.mark.parametrize("name", ["share/odd/nul.dat", "share/odd/prefix.bin", "etc/odd.conf", "lib/python3.11/os.py"])
def test_a_file_that_vanishes_before_its_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str, mode: LinkMode | None
) -> None:
    at(monkeypatch, "after planning", (scene.source / name).unlink)
    with pytest.raises(SourceChanged) as caught:
        scene.clone(mode)
    assert caught.value.paths == (name,)
    scene.assert_nothing_left()


def test_a_directory_that_vanishes_before_its_turn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, "after planning", lambda: os.rename(scene.source / "share", scene.source.parent / "share"))
    with pytest.raises(SourceChanged):
        scene.clone()
    scene.assert_nothing_left()


def test_a_file_rewritten_while_it_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that holds the prefix: its bytes pass through us."""
    name, read = "etc/odd.conf", os.read

    def rewritten_between(descriptor: int, count: int) -> bytes:
        data = read(descriptor, count)
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(name):
            (scene.source / name).write_text("another text, longer than the old one" * 20)
        return data

    stand_in = FaultyOs(counted=())
    setattr(stand_in, "read", rewritten_between)  # noqa: B010
    monkeypatch.setattr(fsops, "os", stand_in)
    with pytest.raises(SourceChanged) as caught:
        scene.clone()
    assert caught.value.paths == (name,)
    scene.assert_nothing_left()


@pytest.mark.parametrize("name", ["share/odd/not-linked", "share/odd/nul.dat"])
def test_a_file_rewritten_while_it_is_copied(scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    finish = fsops.finish

    def rewritten_first(target: int, status: os.stat_result, source: int, mode_bits: int = 0) -> None:
        if os.readlink(f"/proc/self/fd/{source}").endswith(name):
            (scene.source / name).write_text("another text")
        finish(target, status, source, mode_bits)

    monkeypatch.setattr(fsops, "finish", rewritten_first)
    with pytest.raises(SourceChanged) as caught:
        scene.clone(LinkMode.COPY)
    assert caught.value.paths == (name,)
    scene.assert_nothing_left()


# transactions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trace",
    [
        "bin/python3.11.c~",
        "share/odd/deep.c~",
        "conda-meta/conda-meta.lock",
        ".condatmp/x",
        f"{SITE_PACKAGES}/.condatmp/x",
    ],
)
def test_a_transaction_in_the_source(scene: Scene, trace: str) -> None:
    (scene.source / trace).parent.mkdir(exist_ok=True)
    (scene.source / trace).touch()
    with pytest.raises(PrefixInUse) as caught:
        scene.clone()
    found = trace.removesuffix("/x")
    assert caught.value.traces == (found,)
    assert found in caught.value.message
    assert caught.value.exit_code == 21
    assert not scene.target.exists()
    assert leftovers(scene.target) == []


@pytest.mark.parametrize("name", ["share/odd/x.c", "share/odd/x~", "share/odd/x.c~.txt", "share/condatmp"])
def test_names_that_only_look_alike(scene: Scene, name: str) -> None:
    (scene.source / name).touch()
    scene.clone()
    assert (scene.target / name).exists()
