"""`ucenv env`: the user's directories first, the system's after, in every shell's own words."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from tests.shells.dialects import SHELLS, Dialect
from tests.support import Unavailable
from userconda.shells import CSH, FISH, POSIX, SUPPORTED

HOSTILE = "a b'c\"d$e;f&&g`h`é!i\\j*"


@pytest.mark.parametrize("shell", POSIX)
def test_posix_shells(prompt: Cluster, shell: str) -> None:
    envs, pkgs = prompt.site.conda.envs, prompt.site.conda.pkgs
    assert prompt("env", shell).out == (
        f"export CONDA_ENVS_PATH='{prompt.root}/envs:{envs}'\nexport CONDA_PKGS_DIRS='{prompt.root}/pkgs,{pkgs}'\n"
    )


@pytest.mark.parametrize("shell", CSH)
def test_csh(prompt: Cluster, shell: str) -> None:
    first = f"setenv CONDA_ENVS_PATH {prompt.root}/envs:{prompt.site.conda.envs};"
    assert prompt("env", shell).out.splitlines()[0] == first


@pytest.mark.parametrize("shell", FISH)
def test_fish(prompt: Cluster, shell: str) -> None:
    first = f"set -gx CONDA_ENVS_PATH '{prompt.root}/envs:{prompt.site.conda.envs}'"
    assert prompt("env", shell).out.splitlines()[0] == first


def test_json(prompt: Cluster) -> None:
    variables = prompt("env", "--json").json["result"]["variables"]
    assert variables == {
        "CONDA_ENVS_PATH": f"{prompt.root}/envs:{prompt.site.conda.envs}",
        "CONDA_PKGS_DIRS": f"{prompt.root}/pkgs,{prompt.site.conda.pkgs}",
    }


@pytest.mark.parametrize("shell", SUPPORTED)
def test_a_hostile_path_arrives_as_it_is(prompt: Cluster, tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell, path="/usr/bin:/bin:/usr/local/bin")
    if program is None:
        raise Unavailable(f"needs {shell}", tool=None if shell in ("ash", "busybox") else shell)
    root = tmp_path / HOSTILE
    code = prompt("env", shell, "--root", str(root)).out
    command = [program, "-c", f'{code}printf %s "$CONDA_ENVS_PATH"']
    run = subprocess.run(
        command if shell != "busybox" else [program, "sh", *command[1:]], capture_output=True, check=True
    )
    assert run.stdout.decode() == f"{root}/envs:{prompt.site.conda.envs}"
    assert run.stderr == b""


EVALUATE = {"tcsh": 'eval "`ucenv env{}`"', "fish": "ucenv env{} | source"}


def evaluated(prompt: Cluster, shell: Dialect, scratch: str, named: str = "") -> subprocess.CompletedProcess[bytes]:
    """What a program sees after a job script in that shell has evaluated the real command's output."""
    command = prompt.site.tmp / "bin/ucenv"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m userconda "$@"\n')
    command.chmod(0o755)
    script = prompt.site.tmp / "job"
    script.write_text(EVALUATE.get(str(shell), 'eval "$(ucenv env{})"').format(named) + "\n/usr/bin/env -0\n")
    # In the C locale fish itself gives its children other bytes than it was given.
    more = {"PATH": f"{command.parent}:/usr/bin:/bin", "SCRATCH": scratch, "LC_ALL": "C.UTF-8"}
    environment = {**prompt.environment, **more}
    return subprocess.run([*shell.argv, script], env=environment, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("shell", SHELLS, ids=str)
@pytest.mark.parametrize("named", [True, False], ids=["named", "detected"])
def test_a_job_script_gets_hostile_paths_as_they_are(
    prompt: Cluster, shell: Dialect, named: bool, tmp_path: Path
) -> None:
    newline = "" if str(shell) == "tcsh" else "\n"
    scratch = f"{tmp_path}/{HOSTILE}{newline}  x\x01\x7f\r" + os.fsdecode(b"\xff\x81")
    done = evaluated(prompt, shell, scratch, f" {shell}" if named else "")
    assert (done.returncode, done.stderr) == (0, b"")
    wanted = f"CONDA_ENVS_PATH={scratch}/conda_local/envs:{prompt.site.conda.envs}"
    assert os.fsencode(wanted) in done.stdout.split(b"\0")


def test_tcsh_is_not_given_a_newline_as_a_space(prompt: Cluster, tmp_path: Path) -> None:
    tcsh = next(shell for shell in SHELLS if str(shell) == "tcsh")
    done = evaluated(prompt, tcsh, f"{tmp_path}/a\nb", " tcsh")
    assert b"CONDA_ENVS_PATH" not in done.stdout
    assert done.stderr.startswith(b"ucenv env: tcsh cannot be given the value ")


def test_the_error_for_a_newline_in_tcsh(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCRATCH", f"{tmp_path}/a\nb")
    assert (prompt("env", "tcsh").code, prompt("env", "tcsh").out) == (72, "")


@pytest.mark.parametrize("shell", ["powershell", "xonsh", "../bash", "bash;ls"])
def test_an_unsupported_shell(prompt: Cluster, shell: str) -> None:
    run = prompt("env", shell)
    assert (run.code, run.out) == (70, "")
    assert shell in run.err


def test_without_scratch_stdout_is_code_alone(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRATCH")
    run = prompt("env", "bash")
    assert "$SCRATCH is not set" in run.err
    assert all(line.startswith("export CONDA_") for line in run.out.splitlines())


def test_without_a_system_conda(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCENV_CONDA_ROOT")
    assert prompt("env", "--json").json["result"]["variables"]["CONDA_ENVS_PATH"] == f"{prompt.root}/envs"


def test_more_system_environments(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UCENV_ENVIRONMENTS", "/opt/one:/opt/two")
    value = prompt("env", "--json").json["result"]["variables"]["CONDA_ENVS_PATH"]
    assert value == f"{prompt.root}/envs:{prompt.site.conda.envs}:/opt/one:/opt/two"


def test_it_makes_nothing(prompt: Cluster) -> None:
    prompt("env", "bash")
    assert list(prompt.root.iterdir()) == []
