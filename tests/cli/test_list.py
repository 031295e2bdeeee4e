"""`ucenv list` and `ucenv info`: what a user is told of environments."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from demo.packages import PYTHON_VERSION
from tests.cli.conftest import Cluster

SOURCE = "py3_powerai_1.7.0"


def listed(ucenv: Cluster, *words: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in ucenv("list", "--json", *words).json["result"]["environments"]}


def test_the_keys_of_an_environment(ucenv: Cluster) -> None:
    assert list(listed(ucenv)[SOURCE]) == [
        "name", "prefix", "owner", "writable", "system", "python", "packages", "parent", "parent_prefix",
        "parent_state", "thin",
    ]  # fmt: skip


def test_the_users_come_first_then_base_then_the_systems(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    assert [(name, e["system"]) for name, e in listed(ucenv).items()] == [
        ("mine", False),
        ("base", True),
        (SOURCE, True),
    ]


def test_user_leaves_the_systems_out(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    assert list(listed(ucenv, "--user")) == ["mine"]


def test_python_and_the_number_of_packages(ucenv: Cluster) -> None:
    entry = listed(ucenv)[SOURCE]
    assert (entry["python"], entry["packages"]) == (PYTHON_VERSION, 8)


def test_an_environment_without_python(ucenv: Cluster) -> None:
    meta = ucenv.site.source / "conda-meta"
    next(meta.glob("python-*.json")).unlink()
    assert listed(ucenv)[SOURCE]["python"] is None


def test_the_owner(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userconda.environments.owner_name", lambda uid: f"user-{uid}")
    assert listed(ucenv)[SOURCE]["owner"] == f"user-{os.geteuid()}"


def test_what_it_is_a_clone_of(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    entry = listed(ucenv)["mine"]
    assert (entry["parent"], entry["parent_prefix"], entry["parent_state"]) == (SOURCE, str(ucenv.site.source), "")


@pytest.mark.parametrize(("change", "state"), [("update", "changed since"), ("remove", "gone")])
def test_what_became_of_its_parent(ucenv: Cluster, change: str, state: str) -> None:
    ucenv("clone", SOURCE, "mine")
    if change == "remove":
        shutil.rmtree(ucenv.site.source)
    else:
        time.sleep(0.01)  # a filesystem's clock ticks every few milliseconds
        next((ucenv.site.source / "conda-meta").glob("odd-files-*.json")).unlink()
    assert listed(ucenv)["mine"]["parent_state"] == state
    assert f"{SOURCE} ({state})" in ucenv("list").out


def test_text_is_a_table_with_whole_paths_for_a_pipe(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    lines = ucenv("list").out.splitlines()
    assert lines[0].split() == ["environment", "owner", "Python", "packages", "clone", "of", "where"]
    assert lines[1].split()[0] == "mine"
    assert lines[1].endswith(f"8  {SOURCE}  {ucenv.root}/envs/mine")


def test_a_system_environment_is_marked_in_words(ucenv: Cluster) -> None:
    (line,) = [line for line in ucenv("list").out.splitlines() if line.startswith(SOURCE)]
    assert "(system)" in line


def test_square_brackets_in_names_are_no_markup(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "[red]x")
    assert "[red]x" in ucenv("list").out


def test_environments_that_conda_registered_elsewhere(ucenv: Cluster, tmp_path: Path) -> None:
    ucenv("clone", SOURCE, "--prefix", str(tmp_path / "project/env"))
    (tmp_path / "home/.conda").mkdir()
    (tmp_path / "home/.conda/environments.txt").write_text(f"{tmp_path}/project/env\n/nowhere/at/all\n")
    assert listed(ucenv)["env"]["prefix"] == str(tmp_path / "project/env")


def test_one_environment_by_two_paths_is_one(ucenv: Cluster) -> None:
    (ucenv.site.conda.envs / "alias").symlink_to(SOURCE)
    assert len([e for e in listed(ucenv).values() if os.path.realpath(e["prefix"]) == str(ucenv.site.source)]) == 1


def test_a_broken_record_hinders_nobody(ucenv: Cluster) -> None:
    next((ucenv.site.source / "conda-meta").glob("odd-files-*.json")).write_text("{")
    assert listed(ucenv)[SOURCE]["packages"] == 8


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"source": 1}', "null", '{"source": 5, "source_name": [], "source_state": 1}']
)
def test_a_broken_provenance_note_hinders_nobody(ucenv: Cluster, text: str) -> None:
    (ucenv.site.source / "conda-meta/ucenv.provenance").write_text(text)
    run = ucenv("list")
    assert run.code == 0
    assert SOURCE in run.out


def test_without_any_environment(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCENV_CONDA_ROOT")
    run = ucenv("list")
    assert run.out == "No environments yet: `ucenv clone SOURCE NAME` makes one.\n"
    assert "no system conda is known" in run.err


# info -----------------------------------------------------------------------------------------------------------


def info(ucenv: Cluster, name: str) -> dict[str, Any]:
    result: dict[str, Any] = ucenv("info", name, "--json").json["result"]
    return result


def test_info_lists_packages_of_conda_and_pip(ucenv: Cluster) -> None:
    result = info(ucenv, SOURCE)
    assert {"name": "odd-upgraded", "version": "1.0"} in result["records"]
    assert result["pip_packages"] == [
        {"name": "odd_upgraded", "version": "2.0"},
        {"name": "untracked", "version": "3.1"},
    ]


def test_info_lists_what_is_missing(ucenv: Cluster) -> None:
    before = info(ucenv, SOURCE)["missing_files"]
    (ucenv.site.source / "share/odd/nul.dat").unlink()
    assert sorted({*info(ucenv, SOURCE)["missing_files"]} - {*before}) == ["share/odd/nul.dat"]


def test_info_counts_each_inode_once(ucenv: Cluster) -> None:
    result = info(ucenv, SOURCE)
    files = [p for p in ucenv.site.source.rglob("*") if p.is_file() and not p.is_symlink()]
    assert result["files"] == len(files)
    assert sum(owner["files"] for owner in result["owners"]) == len({p.stat().st_ino for p in files})


def test_info_names_the_parent(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    shutil.rmtree(ucenv.site.source)
    assert f"  clone of   {SOURCE} ({ucenv.site.source}) -- gone\n" in ucenv("info", "mine").out


def test_info_of_base_does_not_count_what_is_below_envs(ucenv: Cluster) -> None:
    assert info(ucenv, "base")["files"] < 20


def test_info_of_nothing(ucenv: Cluster) -> None:
    run = ucenv("info", "py3_powerai")
    assert run.code == 10
    assert f"did you mean {SOURCE}?" in run.err
