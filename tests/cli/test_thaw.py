"""`ucenv thaw`: its words, what it prints, its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.thin.trees import FILES, LINKED, links_into, make_deep_source, make_thin
from userconda.cli import main
from userconda.errors import PackageNotFound, ParentDiffers, ParentGone

KEYS = {
    "prefix", "parent", "packages", "all", "own", "thin", "dry_run", "nothing_to_do", "seconds", "replaced",
    "directories", "files", "bytes", "inodes", "predicted", "exchanged", "why_copied", "fallbacks", "fit",
}  # fmt: skip


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    source = make_deep_source(tmp_path / "opt/conda")
    target = make_thin(source, tmp_path / "space/envs/mine")
    monkeypatch.setenv("UCENV_ROOT", str(tmp_path / "space"))
    monkeypatch.setenv("UCENV_CONDA_ROOT", str(tmp_path / "opt/conda"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return source, target


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_package_and_then_all(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thaw", "mine", "odd-files"]) == 0
    output = capsys.readouterr()
    assert "Thawed odd-files in" in output.out
    assert "2 linked directories: now 2 directories of its own" in output.out
    assert "4 linked files: now files" in output.out
    assert "charged to you:" in output.out
    assert f"other links still lead to {pair[0]}" in output.out
    assert "more will be charged to you" in output.err
    assert "other hosts cannot be seen" in output.err
    assert main(["thaw", "mine", "--all"]) == 0
    assert "it depends on no other environment" in capsys.readouterr().out
    assert main(["thaw", "mine", "--all"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to do: ")
    assert links_into(pair[1], pair[0]) == set()


def test_dry_run_and_json(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thaw", "mine", "--all", "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "Would thaw" in output
    assert "it fits: " in output
    assert "it would depend on no other environment" in output
    assert main(["thaw", "mine", "--all", "-n", "--json"]) == 0
    price = answer(capsys)["result"]
    assert links_into(pair[1], pair[0]) == {*LINKED, *FILES}
    assert main(["thaw", "mine", "--all", "--json"]) == 0
    document = answer(capsys)
    result = document["result"]
    assert (document["command"], set(result), set(price)) == ("thaw", KEYS, KEYS)
    assert (price["dry_run"], result["dry_run"], result["thin"], result["all"]) == (True, False, False, True)
    assert result["predicted"] == price["predicted"]
    assert result["replaced"] == {"directories": len(LINKED), "files": len(FILES)}
    assert result["exchanged"] is True
    assert result["files"]["hardlinked"] == price["files"]["hardlinked"]


def test_quiet(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thaw", "-q", "mine", "odd-files", "odd-python"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("words", [["mine"], ["mine", "odd-files", "--all"], ["base", "--all"]])
def test_words_that_make_no_sense(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["thaw", *words]) == 2
    assert capsys.readouterr().err.startswith("ucenv thaw: ")
    assert links_into(pair[1], pair[0]) == {*LINKED, *FILES}


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (["mine", "odd-fils"], PackageNotFound.exit_code, "package_not_found"),
        (["nobody", "--all"], 10, "environment_not_found"),
    ],
)
def test_what_is_not_there(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str], words: list[str], code: int, word: str
) -> None:
    assert main(["thaw", "--json", *words]) == code
    assert answer(capsys)["error"]["code"] == word


def test_a_parent_that_is_gone(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    pair[0].rename(pair[0].with_name("moved"))
    assert main(["thaw", "mine", "--all"]) == ParentGone.exit_code
    error = capsys.readouterr().err
    assert "libexec/deep" in error
    assert str(pair[0]) in error


def test_a_parent_that_changed(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (pair[0] / "share/odd/names/-dash").write_text("another")
    (pair[0] / "conda-meta/new-1-0.json").write_text("{}")
    assert main(["thaw", "mine", "--all"]) == ParentDiffers.exit_code
    assert "share/odd/names/-dash" in capsys.readouterr().err
    assert main(["thaw", "mine", "--all", "--as-is"]) == 0


def test_inodes_of_its_own(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thaw", "mine", "--all"]) == 0
    capsys.readouterr()
    assert main(["thaw", "mine", "odd-files"]) == 0
    assert "files now have inodes of their own" in capsys.readouterr().out
    assert main(["thaw", "mine", "odd-files"]) == 0
    assert "every file of it has an inode of its own" in capsys.readouterr().out
