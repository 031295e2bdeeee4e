"""Quotas that a kernel keeps: btrfs qgroups, and where this kernel has them XFS and ext4 projects.

As root, and as a user who may not ask.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.clone.sites import Site
from tests.quota.conftest import Commands
from tests.support import Unavailable, need_root
from tests.support.filesystems import loop_mount
from tests.support.users import USER, fork_as
from userconda.clone import Surroundings, clone
from userconda.errors import QuotaExceeded
from userconda.models import CloneRequest, QuotaAnswer, WhenRefused
from userconda.quota import read_quotas


def system(*words: str | Path) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise Unavailable(f"needs {words[0]}", tool=str(words[0])) from None
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


@pytest.fixture
def subvolume(btrfs: Path) -> Path:
    """With room for 40 MB."""
    system("btrfs", "quota", "enable", btrfs)
    system("btrfs", "subvolume", "create", btrfs / "home")
    system("btrfs", "qgroup", "limit", "40M", btrfs / "home")
    (btrfs / "home").chmod(0o777)
    return btrfs / "home"


def write(path: Path, size_bytes: int) -> None:
    path.write_bytes(os.urandom(size_bytes))
    subprocess.run(["btrfs", "filesystem", "sync", path.parent], check=True, capture_output=True)


# btrfs ------------------------------------------------------------------------------------------------------------


def test_a_subvolumes_limit(commands: Commands, subvolume: Path) -> None:
    write(subvolume / "file", 8 << 20)
    (subvolume / "deep").mkdir()
    answer = read_quotas(str(subvolume / "deep"), commands.config)
    (reading,) = answer.readings
    assert (reading.scope, reading.filesystem, reading.hard_bytes) == ("subvolume", "btrfs", 40 << 20)
    assert reading.used_bytes is not None
    assert 8 << 20 <= reading.used_bytes < (8 << 20) + (1 << 18)
    assert (reading.over, reading.tightest, reading.rounded) == ("no", True, False)
    assert answer.unknown == ()


def test_the_kernel_refuses_what_is_said_not_to_be_left(commands: Commands, subvolume: Path) -> None:
    write(subvolume / "file", 30 << 20)
    (reading,) = read_quotas(str(subvolume), commands.config).readings
    assert reading.left_bytes is not None
    with pytest.raises(OSError, match="quota"):
        write(subvolume / "more", reading.left_bytes + (1 << 20))
    (subvolume / "more").unlink()
    write(subvolume / "less", reading.left_bytes - (2 << 20))


def test_quotas_that_are_off(commands: Commands, btrfs: Path) -> None:
    answer = read_quotas(str(btrfs), commands.config)
    assert [reading.scope for reading in answer.readings] == ["filesystem"]
    assert "quota unknown: btrfs: " in answer.unknown[0]
    assert "not enabled" in answer.unknown[0]


def test_a_user_may_not_ask(commands: Commands, subvolume: Path, two_users: object) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}

    def ask() -> QuotaAnswer:
        from userconda.config import Config

        return read_quotas(str(subvolume), Config(environment))

    answer = fork_as(USER, ask)
    assert [reading.scope for reading in answer.readings] == ["filesystem"]
    assert "Operation not permitted" in answer.unknown[0] or "not permitted" in answer.texts[0].stderr
    assert "subvolume" in [reading.scope for reading in read_quotas(str(subvolume), commands.config).readings]


@pytest.mark.parametrize("checked", [True, False])
def test_a_clone_into_a_full_subvolume(commands: Commands, subvolume: Path, site: Site, checked: bool) -> None:
    """Foretold, or met while writing: refused with the same exit code, and nothing is left behind."""
    (site.source / "large").write_bytes(os.urandom(20 << 20))
    write(subvolume / "file", 30 << 20)
    target = subvolume / "envs/mine"
    request = CloneRequest("source", str(site.source), "mine", str(target))
    surroundings = Surroundings(
        package_caches=(),
        own_caches=(),
        clones=(),
        when_refused=WhenRefused.OWN_COPY,
        own_copy_share=25,
        operations_in_flight=8,
        source_is_base=False,
        check_fit=checked,
        read_quotas=lambda directory: read_quotas(directory, commands.config, one_command=True),
    )
    with pytest.raises(QuotaExceeded) as refused:
        clone(request, surroundings)
    assert refused.value.foretold is checked
    if checked:
        assert refused.value.free_bytes is not None
        assert refused.value.free_bytes < 10 << 20
        assert not target.parent.exists()
    assert not target.exists()
    assert (subvolume / "file").stat().st_size == 30 << 20


@contextlib.contextmanager
def with_project_quotas(kind: Literal["xfs", "ext4"], *mkfs_options: str) -> Iterator[Path]:
    need_root("project quotas")
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(loop_mount(kind, mkfs_options=mkfs_options, options="prjquota"))
        except Unavailable as missing:
            raise Unavailable(f"this kernel mounts no {kind} with project quotas: {missing.reason}") from None


# project quotas ---------------------------------------------------------------------------------------------------


def test_an_xfs_project(commands: Commands) -> None:
    """As a user sees it: quota(1) and the kernel tell nobody, statvfs everybody."""
    with with_project_quotas("xfs") as xfs:
        (xfs / "p").mkdir()
        (xfs / "p").chmod(0o777)
        system("xfs_quota", "-x", "-c", f"project -s -p {xfs}/p 42", xfs)
        system("xfs_quota", "-x", "-c", "limit -p bhard=80m ihard=900 42", xfs)
        _check_project(commands, xfs / "p")


def test_an_ext4_project(commands: Commands) -> None:
    with with_project_quotas("ext4", "-O", "quota,project", "-E", "quotatype=prjquota") as ext4:
        (ext4 / "p").mkdir()
        (ext4 / "p").chmod(0o777)
        system("chattr", "-p", "42", "+P", ext4 / "p")
        system("setquota", "-P", "42", "0", str(80 << 10), "0", "900", ext4)
        _check_project(commands, ext4 / "p")


def _check_project(commands: Commands, directory: Path) -> None:
    (directory / "file").write_bytes(b"x" * (20 << 20))
    os.sync()
    answer = read_quotas(str(directory), commands.config)
    reading = next(reading for reading in answer.readings if reading.scope in ("directory", "project"))
    assert reading.hard_bytes == 80 << 20
    assert reading.used_bytes is not None
    assert 20 << 20 <= reading.used_bytes < 21 << 20
    assert reading.hard_files in (900, None)
