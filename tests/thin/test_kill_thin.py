"""SIGKILL while a thin clone is made: it is absent or complete, and the source as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults import MODULES, Scene, operations, spread
from tests.faults.test_kill import killed
from tests.support import filesystems, users
from tests.support.manifest import Manifest, manifest
from tests.support.relation import clone_prefix, content, leftovers, make_source
from userconda.models import CloneResult, LinkMode
from userconda.provenance import read_provenance
from userconda.recover import recover

pytestmark = [pytest.mark.root, pytest.mark.serial]


@dataclass(frozen=True)
class ThinScene(Scene):
    def clone(self, mode: LinkMode | None = None) -> CloneResult:
        """As the user: root is refused a thin clone."""
        return users.fork_as(users.USER, lambda: clone_prefix(self.source, self.target, thin=True))


def recovered(scene: Scene) -> None:
    """`recover`, then a second clone of the same name."""
    complete = scene.target.exists()
    assert users.fork_as(users.USER, lambda: recover(scene.state)).problems == ()
    assert leftovers(scene.target) == []
    assert scene.target.exists() == complete
    if not complete:
        scene.clone()
    scene.assert_complete()
    scene.remove()
    assert leftovers(scene.target) == []


@pytest.fixture(scope="module")
def scene(refused_links: None) -> Iterator[Scene]:
    with filesystems.scratch_directory() as root:
        source, target = make_source(root / "conda"), root / "space/envs/clone"
        target.parent.mkdir(parents=True)
        for path in (target.parents[1], target.parent):
            os.chown(path, users.USER.uid, users.USER.gid)
        scene = ThinScene(source, target, manifest(source), {})
        scene.clone()
        note = read_provenance(str(target))
        assert note is not None
        assert note.thin
        undisturbed: dict[LinkMode | None, Manifest] = {None: content(target)}
        scene.remove()
        yield ThinScene(source, target, manifest(source), undisturbed)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "recover"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_target_is_absent_or_complete(scene: Scene, after: bool, module: str) -> None:
    counts = operations(scene.clone)[module]
    scene.remove()
    assert counts, f"{module} changes nothing: then nothing is tested here"
    for operation, count in counts.items():
        for nth in spread(count, 5):
            killed(scene, scene.clone, module, operation, nth, after)
            scene.assert_absent_or_complete(None)
            recovered(scene)


def test_a_new_clone_takes_over_what_a_killed_one_left(scene: Scene) -> None:
    killed(scene, scene.clone, "execute", "fsync", 1, after=False)
    scene.clone()
    scene.assert_complete()
    users.fork_as(users.USER, lambda: recover(scene.state))
    assert leftovers(scene.target) == []
    scene.remove()
