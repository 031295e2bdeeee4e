"""`ucenv setup`: what it makes, and what it says of the place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.support import manifest, need_root, users


def check(ucenv: Cluster, name: str) -> tuple[bool, str]:
    checks = {entry["name"]: entry for entry in ucenv("setup", "--json").json["result"]["checks"]}
    return checks[name]["good"], checks[name]["text"]


def test_it_makes_envs_and_pkgs(ucenv: Cluster) -> None:
    run = ucenv("setup", "--json")
    assert run.json["result"]["made"] == [str(ucenv.root / "envs"), str(ucenv.root / "pkgs")]
    assert sorted(path.name for path in ucenv.root.iterdir()) == ["envs", "pkgs"]


def test_a_second_time_it_makes_nothing(ucenv: Cluster) -> None:
    ucenv("setup")
    before = manifest.manifest(ucenv.site.tmp)
    run = ucenv("setup", "--json")
    assert (run.code, run.json["result"]["made"]) == (0, [])
    assert manifest.diff(before, manifest.manifest(ucenv.site.tmp), ignoring={"mtime_ns"}) == []


def test_a_dry_run_makes_nothing(ucenv: Cluster) -> None:
    before = manifest.manifest(ucenv.site.tmp)
    run = ucenv("setup", "--dry-run")
    assert f"would be made: {ucenv.root}/envs\n" in run.out
    assert manifest.diff(before, manifest.manifest(ucenv.site.tmp), ignoring={"mtime_ns"}) == []


def test_the_lines_for_a_job_script(ucenv: Cluster) -> None:
    out = ucenv("setup").out
    hook = re.search(r"^  (.*/ucenv\.\w+'?)\n  ucenv load ENVIRONMENT$", out, re.MULTILINE)
    assert hook is not None
    assert Path(shlex.split(hook[1])[-1]).is_file()
    assert '  eval "$(ucenv env bash)"\n' in out
    assert f"  export CONDA_ENVS_PATH='{ucenv.root}/envs:{ucenv.site.conda.envs}'\n" in out
    assert f"  export CONDA_PKGS_DIRS='{ucenv.root}/pkgs,{ucenv.site.conda.pkgs}'\n" in out


def test_links_that_work_are_said(ucenv: Cluster) -> None:
    good, text = check(ucenv, "links")
    assert good
    assert "can be hard-linked here" in text


def test_another_filesystem_than_the_systems_is_said(
    ucenv: Cluster, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRATCH", str(elsewhere))
    good, text = check(ucenv, "links")
    assert not good
    assert "another filesystem" in text


def test_envs_and_pkgs_on_two_filesystems_are_said(ucenv: Cluster, elsewhere: Path) -> None:
    (ucenv.root / "pkgs").symlink_to(elsewhere)
    good, text = check(ucenv, "one filesystem")
    assert not good
    assert "two filesystems" in text


def test_no_scratch_is_said(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SCRATCH")
    good, text = check(ucenv, "space")
    assert not good
    assert f"$SCRATCH is not set: your space is {tmp_path}/home/.local/share/ucenv/conda_local" in text


def test_a_relative_scratch_is_none(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "scratch")
    good, text = check(ucenv, "space")
    assert not good
    assert "$SCRATCH is no absolute path ('scratch'): your space is " in text


def test_a_place_with_a_colon_is_said_to_be_of_no_use(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    (ucenv.root / "a:b").mkdir()
    monkeypatch.setenv("SCRATCH", str(ucenv.root / "a:b"))
    good, text = check(ucenv, "space")
    assert not good
    assert "has a ':'" in text


@pytest.mark.parametrize("words", [["setup"], ["setup", "--dry-run"]])
@pytest.mark.parametrize("scratch", ["/proc/1", "{tmp}/file"])
def test_a_place_that_cannot_be_made(
    ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], scratch: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCRATCH", scratch.format(tmp=tmp_path))
    run = ucenv(*words)
    assert run.code == 52
    assert scratch.format(tmp=tmp_path) in run.err
    assert "SCRATCH" in run.err


def test_a_space_of_another_users(ucenv: Cluster, shared_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_root("another user")
    _, user = users.two_users()
    monkeypatch.setenv("SCRATCH", str(shared_tmp))

    def setup() -> int:
        import os

        from userconda.cli import main

        os.environ["SCRATCH"] = str(shared_tmp)
        return main(["setup", "--json"])

    assert users.fork_as(user, setup) == 52


def test_without_a_system_conda(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCENV_CONDA_ROOT")
    good, text = check(ucenv, "system conda")
    assert not good
    assert "UCENV_CONDA_ROOT" in text


def test_no_trace_of_the_trial_is_left(ucenv: Cluster) -> None:
    before = manifest.manifest(ucenv.site.conda.root)
    ucenv("setup")
    assert manifest.diff(before, manifest.manifest(ucenv.site.conda.root)) == []
    assert sorted(path.name for path in ucenv.root.iterdir()) == ["envs", "pkgs"]
