"""`ucenv recover`, as a command; what it recovers is tested with the faults."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cluster


def test_nothing_to_do(ucenv: Cluster) -> None:
    run = ucenv("recover")
    assert (run.code, run.out) == (0, f"Nothing to recover in {ucenv.root}/.ucenv.\n")
    assert list(ucenv.root.iterdir()) == []


def test_after_a_clone_there_is_nothing_to_do(ucenv: Cluster) -> None:
    ucenv("clone", "py3_powerai_1.7.0", "mine")
    assert ucenv("recover").out.startswith("Nothing to recover")


def test_trash_is_deleted(ucenv: Cluster) -> None:
    trash = ucenv.root / ".ucenv/trash/old"
    trash.mkdir(parents=True)
    (trash / "file").write_text("")
    assert ucenv("recover", "--dry-run").out == "1 half-made directory would be deleted\n"
    assert trash.exists()
    assert ucenv("recover").out == "1 half-made directory deleted\n"
    assert not trash.exists()


def test_a_journal_that_nobody_understands_is_named_and_kept(ucenv: Cluster) -> None:
    journal = ucenv.root / ".ucenv/journals/x.json"
    journal.parent.mkdir(parents=True)
    journal.write_text("{")
    run = ucenv("recover")
    assert str(journal) in run.err
    assert journal.exists()


def test_beside_a_prefix(ucenv: Cluster, tmp_path: Path) -> None:
    trash = tmp_path / "project/.ucenv/trash/old"
    trash.mkdir(parents=True)
    ucenv("recover", str(tmp_path / "project"))
    assert not trash.exists()


def test_a_directory_that_is_not_there(ucenv: Cluster, tmp_path: Path) -> None:
    assert ucenv("recover", str(tmp_path / "nowhere")).code == 2
