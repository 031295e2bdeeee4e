from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import filesystems, manifest, sysctl, users
from tests.thin.places import Place, make_odd_place, make_real_place


@pytest.fixture(scope="module")
def refused_links() -> Iterator[None]:
    """What nearly every cluster has."""
    users.two_users()
    with sysctl.protected_hardlinks(1):
        yield


@pytest.fixture(scope="module")
def real(refused_links: None) -> Iterator[Place]:
    """Real software and its thin clone `mine`; whatever is done in clones, the source stays as it was."""
    with filesystems.scratch_directory() as path:
        place = make_real_place(path)
        before = place.manifest()
        place.clone()
        yield place
        assert manifest.diff(before, place.manifest()) == []


@pytest.fixture
def odd(refused_links: None, shared_tmp: Path) -> Place:
    return make_odd_place(shared_tmp)
