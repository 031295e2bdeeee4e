"""`ucenv config`: every setting, and where its value came from."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster
from userconda.config import SETTINGS


def setting(prompt: Cluster, key: str, *words: str) -> tuple[object, str]:
    shown = {s["key"]: s for s in prompt("config", "--json", *words).json["result"]["settings"]}
    return shown[key]["value"], shown[key]["origin"]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def site_file(prompt: Cluster) -> Path:
    return write(prompt.site.conda.root / "etc/ucenv/config.toml", "")


@pytest.fixture
def user_file(prompt: Cluster) -> Path:
    return write(prompt.site.tmp / "home/.config/ucenv/config.toml", "")


def test_every_setting_is_shown_with_its_variable(prompt: Cluster) -> None:
    lines = prompt("config", "--show-origin").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(SETTINGS)
    assert all(line.split()[-1] == SETTINGS[line.split()[0]].variable for line in lines[1:])


def test_defaults(prompt: Cluster) -> None:
    assert setting(prompt, "clone.own_copy_share") == (25, "default")
    assert setting(prompt, "clone.when_refused") == ("ask", "default")


def test_the_root_comes_from_scratch(prompt: Cluster) -> None:
    assert setting(prompt, "root") == (str(prompt.root), "$SCRATCH")


def test_later_wins(prompt: Cluster, site_file: Path, user_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site_file.write_text('root = "/site"\noperations_in_flight = 3\n[clone]\nown_copy_share = 10\nprivate = ["a"]\n')
    user_file.write_text('root = "/user"\noperations_in_flight = 4\n[clone]\nown_copy_share = 20\n')
    monkeypatch.setenv("UCENV_ROOT", "/variable")
    monkeypatch.setenv("UCENV_OPERATIONS_IN_FLIGHT", "5")
    assert setting(prompt, "clone.private") == (["a"], f"site file {site_file}")
    assert setting(prompt, "clone.own_copy_share") == (20, f"user file {user_file}")
    assert setting(prompt, "operations_in_flight") == (5, "UCENV_OPERATIONS_IN_FLIGHT")
    assert setting(prompt, "root", "--root", "/flag") == ("/flag", "flag")


def test_the_files_that_were_read_are_listed(prompt: Cluster, site_file: Path, user_file: Path) -> None:
    assert prompt("config", "--json").json["result"]["files"] == [str(site_file), str(user_file)]


def test_xdg_config_home(prompt: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = write(tmp_path / "xdg/ucenv/config.toml", "operations_in_flight = 7\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert setting(prompt, "operations_in_flight") == (7, f"user file {path}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("root = ", "config.toml"),
        ("rot = '/x'", "'rot'"),
        ("[clone]\nwhen = 'ask'", "'clone.when'"),
        ("root = 'relative'", "'relative'"),
        ("root = 5", "5"),
        ("operations_in_flight = 0", "operations_in_flight = 0"),
        ("operations_in_flight = true", "operations_in_flight = True"),
        ("[clone]\nown_copy_share = 101", "clone.own_copy_share = 101"),
        ("[clone]\nwhen_refused = 'maybe'", "'maybe'"),
        ("[clone]\nprivate = 'x' \nprivate = 'y'", "config.toml"),
        ("[clone]\nprivate = [1]", "clone.private = [1]"),
        ("environments = ['rel']", "environments = ['rel']"),
        ("clone = 3", "'clone'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(prompt: Cluster, user_file: Path, text: str, named: str) -> None:
    user_file.write_text(text)
    run = prompt("config")
    assert run.code == 2
    assert str(user_file) in run.err
    assert named in run.err


def test_a_file_that_is_not_utf_8(prompt: Cluster, user_file: Path) -> None:
    user_file.write_bytes(b"root = '/\xff'\n")
    run = prompt("config")
    assert run.code == 2
    assert str(user_file) in run.err


def test_a_file_that_is_a_directory(prompt: Cluster, user_file: Path) -> None:
    user_file.unlink()
    user_file.mkdir()
    run = prompt("list")
    assert run.code == 2
    assert str(user_file) in run.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UCENV_ROOT", "relative"),
        ("UCENV_OPERATIONS_IN_FLIGHT", "many"),
        ("UCENV_OPERATIONS_IN_FLIGHT", "²"),
        ("UCENV_CLONE_WHEN_REFUSED", "maybe"),
    ],
)
def test_what_is_wrong_in_a_variable_is_named(
    prompt: Cluster, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    run = prompt("config")
    assert run.code == 2
    assert variable in run.err
    assert repr(value) in run.err


@pytest.mark.parametrize("where", ["site_file", "user_file"])
def test_a_file_cannot_name_the_conda_that_its_place_depends_on(
    prompt: Cluster, request: pytest.FixtureRequest, where: str
) -> None:
    path: Path = request.getfixturevalue(where)
    path.write_text('conda_root = "/another"\n')
    value, _ = setting(prompt, "conda_root")
    assert value == str(prompt.site.conda.root)


def test_the_home_is_expanded(prompt: Cluster, user_file: Path, tmp_path: Path) -> None:
    user_file.write_text('root = "~/space"\n')
    assert setting(prompt, "root")[0] == str(tmp_path / "home/space")


def test_more_system_environments_are_seen(ucenv: Cluster, site_file: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    ucenv.site.source.rename(more / "moved")
    site_file.write_text(f'environments = ["{more}"]\n')
    entries = {e["name"]: e for e in ucenv("list", "--json").json["result"]["environments"]}
    assert entries["moved"]["system"] is True


@pytest.mark.parametrize("home", [None, "relative"])
def test_a_home_that_is_not_set_is_looked_up(
    prompt: Cluster, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.delenv("SCRATCH")
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    expected = f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/share/ucenv/conda_local/envs:{prompt.site.conda.envs}"
    assert prompt("env", "--json").json["result"]["variables"]["CONDA_ENVS_PATH"] == expected
