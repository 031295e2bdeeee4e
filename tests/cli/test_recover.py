"""`ucenv recover`, as a command; what it recovers is tested with the faults."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cluster


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
    assert journal.exists()


def test_beside_a_prefix(prompt: Cluster, tmp_path: Path) -> None:
    trash = tmp_path / "project/.ucenv/trash/old"
    trash.mkdir(parents=True)
    prompt("recover", str(tmp_path / "project"))
    assert not trash.exists()


def test_a_directory_that_is_not_there(prompt: Cluster, tmp_path: Path) -> None:
    assert prompt("recover", str(tmp_path / "nowhere")).code == 2
