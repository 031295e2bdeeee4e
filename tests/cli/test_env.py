"""`ucenv env`: the user's directories first, the system's after, in every shell's own words."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
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
    first = f"setenv CONDA_ENVS_PATH '{prompt.root}/envs:{prompt.site.conda.envs}'"
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
