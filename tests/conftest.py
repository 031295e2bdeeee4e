"""Fixtures for real filesystems and users. What a machine cannot give is skipped with its reason, never passed."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.support import Unavailable, filesystems, sysctl, users

_IN_CI = os.environ.get("CI") == "true"
_NEEDS: tuple[Callable[[], object], ...] = (users.two_users, filesystems.latfs_program, filesystems.mkfs_programs)


def pytest_configure(config: pytest.Config) -> None:
    # Run by nohup, or by a script in the background, the signals that tests send would be ignored.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    config.addinivalue_line("markers", "serial: changes or depends on what the whole machine shares (a sysctl)")
    if not hasattr(config, "workerinput"):  # one process sweeps, before the workers mount anything
        filesystems.sweep()


def pytest_report_header() -> list[str]:
    return [f"not tested here: {reason}" for reason in map(_why_not, _NEEDS) if reason]


def _why_not(make: Callable[[], object]) -> str | None:
    try:
        make()
    except Unavailable as missing:
        return missing.reason
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares the machine's settings runs in one worker of xdist, under `--dist loadgroup`."""
    for item in items:
        if "set_protected_hardlinks" in getattr(item, "fixturenames", ()):
            item.add_marker("serial")
        if item.get_closest_marker("serial") and item.config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group("serial"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    if (root := item.get_closest_marker("root")) and os.geteuid() != 0:
        pytest.skip(": ".join(["needs root", *root.args]))
    with _as_outcome():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    with _as_outcome():
        return (yield)


@contextlib.contextmanager
def _as_outcome() -> Iterator[None]:
    try:
        yield
    except Unavailable as missing:
        if _IN_CI and missing.tool:
            pytest.fail(f"{missing.reason}, and CI=true wants every tool: run tests/tools.sh", pytrace=False)
        pytest.skip(missing.reason)


@pytest.fixture
def shared_tmp() -> Iterator[Path]:
    """A directory that other users reach; pytest's `tmp_path` is closed to them."""
    with filesystems.scratch_directory() as path:
        yield path


@pytest.fixture
def ext4() -> Iterator[Path]:
    with filesystems.loop_mount("ext4") as path:
        yield path


@pytest.fixture
def xfs() -> Iterator[Path]:
    with filesystems.loop_mount("xfs") as path:
        yield path


@pytest.fixture
def btrfs() -> Iterator[Path]:
    with filesystems.loop_mount("btrfs") as path:
        yield path


@pytest.fixture(params=filesystems.KINDS)
def any_filesystem(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The test runs once on each of ext4, XFS and btrfs."""
    with filesystems.loop_mount(request.param) as path:
        yield path


@pytest.fixture
def no_hardlinks() -> Iterator[Path]:
    with filesystems.no_hardlinks_mount() as path:
        yield path


@pytest.fixture
def two_users() -> tuple[users.User, users.User]:
    return users.two_users()


@pytest.fixture
def set_protected_hardlinks() -> Iterator[Callable[[int], None]]:
    """Sets the sysctl until the test ends. The test runs in the serial group."""
    with contextlib.ExitStack() as stack:
        yield lambda value: stack.enter_context(sysctl.protected_hardlinks(value))


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another filesystem than pytest's: link(2) from one to the other gives EXDEV."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        raise Unavailable("needs /dev/shm, writable")
    with filesystems.scratch_directory(memory) as path:
        yield path
