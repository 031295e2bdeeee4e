"""One site for the whole run, which no test changes, and one of its own for a test that breaks something."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shells.dialects import SHELLS, Dialect
from tests.shells.sites import Site, build_site


@pytest.fixture(scope="session")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    yield shared_site
    assert not shared_site.calls.exists(), "a hook has started conda"


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Site]:
    """`make_site(root_name)`: a site that the test may break."""

    def make(root_name: str = "conda-4.8.3") -> Site:
        return build_site(tmp_path / "own", root_name)

    return make


@pytest.fixture
def own_site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture(params=SHELLS, ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    """The test runs once in each of the eight shells."""
    dialect: Dialect = request.param
    assert dialect.argv  # raises Unavailable where it is missing
    return dialect
