"""The fixtures of the other commands' tests: a system conda, and a prompt."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cluster, prompt, ucenv
from tests.site.centre import PROGRAMS, STAND_INS, Centre, make_centre

__all__ = ["prompt", "ucenv"]


@pytest.fixture(params=PROGRAMS)
def centre(request: pytest.FixtureRequest, prompt: Cluster, tmp_path: Path) -> Centre:
    """With each program that can make environments."""
    return make_centre(prompt, request.param, tmp_path / "centre")


@pytest.fixture(params=STAND_INS)
def stand_in(request: pytest.FixtureRequest, prompt: Cluster, tmp_path: Path) -> Centre:
    """With a program that can be made to fail in the middle."""
    return make_centre(prompt, request.param, tmp_path / "centre")


@pytest.fixture
def prompt_micromamba(prompt: Cluster, tmp_path: Path) -> Centre:
    """With the stand-in that takes lists of packages."""
    return make_centre(prompt, "micromamba", tmp_path / "centre")
