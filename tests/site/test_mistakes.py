"""What an administrator is told at night: what is wrong, where, and what to do; and that nothing was written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cluster
from tests.support import CHECKOUT
from tests.support.filesystems import full_filesystem
from tests.support.manifest import diff, manifest

EVERY = ("configure", "environments", "modules", "check", "users", "package --format tar", "cache numpy")


def edit(ucenv: Cluster, before: str, after: str) -> None:
    file = ucenv.site.conda.root / "etc/ucenv/site.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


@pytest.mark.parametrize("command", EVERY)
def test_no_file(prompt: Cluster, command: str) -> None:
    run = prompt("site", *command.split())
    assert (run.code, run.out) == (14, "")
    assert f"there is no {prompt.site.conda.root}/etc/ucenv/site.toml" in run.err
    assert "`ucenv site init` writes one" in run.err


@pytest.mark.parametrize("command", [*EVERY, "init"])
def test_no_conda(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.delenv("UCENV_CONDA_ROOT")
    run = prompt("site", *command.split())
    assert run.code in (13, 14)
    assert "UCENV_CONDA_ROOT" in run.err


@pytest.mark.parametrize("command", [*EVERY, "init"])
def test_root_is_no_word_of_theirs(ucenv: Cluster, command: str) -> None:
    """It is a user's space elsewhere; here it would be taken for the conda's root, and do nothing."""
    run = ucenv("site", *command.split(), "--root", str(ucenv.site.conda.root))
    assert (run.code, "--root" in run.err) == (2, True)


def test_init_where_no_conda_is(prompt: Cluster) -> None:
    run = prompt("site", "init")
    assert run.code == 11
    assert f"{prompt.site.conda.root} is not a conda environment" in run.err
    assert list(prompt.site.conda.root.iterdir()) == []


@pytest.mark.parametrize("command", EVERY)
def test_a_root_that_is_no_conda(ucenv: Cluster, command: str) -> None:
    """A slip of the pen: no modules of nothing, no second conda."""
    root = ucenv.site.conda.root
    edit(ucenv, f'root = "{root}"', f'root = "{root}x"')
    before = manifest(ucenv.site.tmp)
    run = ucenv("site", *command.split())
    assert f"{root}x is no conda" in run.out + run.err
    assert run.code == (1 if command == "check" else 2)
    if command != "check":
        assert "line 2: conda.root" in run.err
    assert diff(before, manifest(ucenv.site.tmp)) == []


def test_check_says_that_once(ucenv: Cluster) -> None:
    root = ucenv.site.conda.root
    edit(ucenv, f'root = "{root}"', f'root = "{root}x"')
    (difference,) = ucenv("site", "check", "--json").json["result"]["differences"]
    assert (difference["area"], difference["mend"]) == ("conda", "mend [conda] in site.toml")


def test_the_file_is_a_directory(ucenv: Cluster) -> None:
    run = ucenv("site", "modules", "--config", str(ucenv.site.tmp))
    assert (run.code, "a file is wanted there" in run.err) == (50, True)


def test_modules_of_another_conda_are_in_the_way(ucenv: Cluster) -> None:
    assert ucenv("site", "modules").code == 0
    other = ucenv.site.conda.root.with_name("other")
    ucenv.site.conda.root.rename(other)
    file = other / "etc/ucenv/site.toml"
    file.write_text(file.read_text().replace("opt/conda", "opt/other"))
    run = ucenv("site", "modules", "--config", str(file))
    assert (run.code, "did not write for this conda" in run.err) == (25, True)


@pytest.mark.parametrize("left", [{"free_kib": 3}, {"free_kib": 0}, {"free_inodes": 3}, {"free_inodes": 1}], ids=str)
def test_a_full_disk(ucenv: Cluster, left: dict[str, Any]) -> None:
    """Each file complete under its name or not there; with room again the same command goes on."""
    with full_filesystem(**left) as small:
        edit(ucenv, f'tree = "{ucenv.site.tmp}/modulefiles"', f'tree = "{small}/modulefiles"')
        run = ucenv("site", "modules")
        assert run.code in (30, 31), run.err
        assert "nothing more can be written" in run.err
        assert "free some space" in run.err
        written = [path for path in (small / "modulefiles").rglob("*") if path.is_file()]
        assert not [path for path in written if "made by ucenv" not in path.read_text() or path.suffix == ".tmp"]
        shutil.rmtree(small / ".ballast")
        assert ucenv("site", "modules").code == 0
        assert "modulefiles: 4 files, nothing to do" in ucenv("site", "modules").out


def test_the_reader_of_a_pipe_has_gone(ucenv: Cluster) -> None:
    words = [sys.executable, "-m", "userconda", "site", "modules", "--dry-run"]
    process = subprocess.Popen(
        words, env={**ucenv.environment, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err


@pytest.mark.parametrize("command", ["configure", "modules", "check"])
def test_ctrl_c(ucenv: Cluster, command: str, tmp_path: Path) -> None:
    """At its first file of the conda: one line, 130, nothing half-written."""
    fifo = ucenv.site.conda.root / "etc/ucenv/site.toml"
    fifo.rename(tmp_path / "aside")
    os.mkfifo(fifo)
    process = ucenv.process("site", command, stdout=subprocess.PIPE)
    with open(fifo, "wb"):  # opened by now, and read by nobody's leave
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") <= 2, err
    assert "Traceback" not in err
