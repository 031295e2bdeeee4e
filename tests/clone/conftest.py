from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clone.sites import Site, make_site
from tests.support import Unavailable, filesystems


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another filesystem than pytest's: link(2) from one to the other gives EXDEV."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        raise Unavailable("needs /dev/shm, writable")
    with filesystems.scratch_directory(memory) as path:
        yield path
