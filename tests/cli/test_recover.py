"""`ucenv recover`, as a command; what it recovers is tested with the faults."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from userconda.journal import Journal


def test_nothing_to_do(prompt: Cluster) -> None:
    run = prompt("recover")
    assert (run.code, run.out) == (0, f"Nothing to recover in {prompt.root}/.ucenv.\n")
    assert list(prompt.root.iterdir()) == []


def test_after_a_clone_there_is_nothing_to_do(ucenv: Cluster) -> None:
    ucenv("clone", "py3_powerai_1.7.0", "mine")
    assert ucenv("recover").out.startswith("Nothing to recover")


def test_trash_is_deleted(prompt: Cluster) -> None:
    trash = prompt.root / ".ucenv/trash/old"
    trash.mkdir(parents=True)
    (trash / "file").write_text("")
    assert prompt("recover", "--dry-run").out == "1 half-made directory would be deleted\n"
    assert trash.exists()
    assert prompt("recover").out == "1 half-made directory deleted\n"
    assert not trash.exists()


def test_a_journal_that_nobody_understands_is_named_and_kept(prompt: Cluster) -> None:
    journal = prompt.root / ".ucenv/journal/x.json"
    journal.parent.mkdir(parents=True)
    journal.write_text("{")
    run = prompt("recover")
    assert str(journal) in run.err
    assert run.code == 1
    assert journal.exists()


def test_beside_a_prefix(prompt: Cluster, tmp_path: Path) -> None:
    trash = tmp_path / "project/.ucenv/trash/old"
    trash.mkdir(parents=True)
    prompt("recover", str(tmp_path / "project"))
    assert list((tmp_path / "project").iterdir()) == []


def test_a_dry_run_says_what_would_be(ucenv: Cluster) -> None:
    staging = ucenv.root / ".ucenv/staging/mine.1"
    staging.mkdir(parents=True)
    target, lease = ucenv.root / "envs/mine", ucenv.root / ".ucenv/locks/envs.mine.lease"
    lease.parent.mkdir(parents=True)
    path = ucenv.root / ".ucenv/journal/1.json"
    Journal(str(path), "1", str(staging), str(target), str(lease)).write()
    assert ucenv("recover", "--dry-run").out == f"{target}: would be taken back\n"
    assert ucenv("recover").out.splitlines()[0] == f"{target}: taken back"


def test_where_the_space_should_be_is_a_file(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCRATCH", str(tmp_path / "file"))
    run = prompt("recover")
    assert (run.code, run.out) == (0, f"Nothing to recover in {tmp_path}/file/conda_local/.ucenv.\n")


@pytest.mark.parametrize("name", ["journal", "trash"])
def test_what_cannot_be_listed_is_named(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = prompt.root / ".ucenv" / name
    path.mkdir(parents=True)
    listdir = os.listdir

    def closed(place: str) -> list[str]:
        if place == str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), place)
        return listdir(place)

    monkeypatch.setattr(os, "listdir", closed)
    run = prompt("recover")
    assert run.code == 50
    assert f"listing of {path} failed: Permission denied" in run.err


def test_a_directory_that_is_not_there(prompt: Cluster, tmp_path: Path) -> None:
    assert prompt("recover", str(tmp_path / "nowhere")).code == 2
