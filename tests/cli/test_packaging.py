"""Who installs the wheel has the hooks where shells and modules look for them, and a command that finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support import CHECKOUT, Unavailable

HOOKS = sorted(path.name for path in (CHECKOUT / "shell").iterdir())
FOR_PROFILE = ["ucenv.csh", "ucenv.fish", "ucenv.sh"]

pytestmark = pytest.mark.xdist_group("packaging")  # one build


def run(*words: str | Path) -> str:
    """With only what an installation may need of the environment: a user's PYTHONPATH would hide the wheel."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONDA", "UCENV"))
    }
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(python: str | Path, *words: str | Path) -> None:
    """By our pip: run as a directory, it needs none in the venv."""
    import pip

    options = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--ignore-installed")
    run(python, os.path.dirname(pip.__file__), "install", *options, *words)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that hatchling makes of the checkout."""
    backend, directory = tmp_path_factory.mktemp("backend"), tmp_path_factory.mktemp("dist")
    try:
        install(sys.executable, "--target", backend, "hatchling")
    except AssertionError as failed:
        raise Unavailable(f"needs hatchling from a package index: {failed}", tool="hatchling") from None
    # It builds what lies in the current directory, and writes nothing there.
    code = f"import sys; sys.path.insert(0, {str(backend)!r}); from hatchling.cli import hatchling; hatchling()"
    command = [sys.executable, "-I", "-c", code, "build", "-d", str(directory)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.fixture(scope="module")
def prefix(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new venv with the wheel alone."""
    directory = tmp_path_factory.mktemp("venv") / "a prefix"
    run(sys.executable, "-m", "venv", "--without-pip", directory)
    install(directory / "bin/python", "--no-deps", *built.glob("*.whl"))
    return directory


def test_the_hooks_are_installed_as_they_are(prefix: Path) -> None:
    for directory, names in (("etc/profile.d", FOR_PROFILE), ("share/ucenv/shell", HOOKS)):
        assert sorted(path.name for path in (prefix / directory).iterdir()) == [name for name in names if name in HOOKS]
        for path in (prefix / directory).iterdir():
            assert path.read_bytes() == (CHECKOUT / "shell" / path.name).read_bytes()


def test_what_acts_is_in_no_directory_that_logins_source(prefix: Path) -> None:
    """csh's logins source each etc/profile.d/*.csh; ucenv-act.csh does what its words say."""
    assert [path for path in prefix.rglob("ucenv-act.csh") if path.parent.name == "profile.d"] == []


@pytest.mark.parametrize(("shell", "name"), [("bash", "ucenv.sh"), ("tcsh", "ucenv.csh"), ("fish", "ucenv.fish")])
def test_the_installed_command_finds_them(prefix: Path, shell: str, name: str) -> None:
    assert run(prefix / "bin/ucenv", "hook", shell) == f"{prefix}/etc/profile.d/{name}\n"


def test_without_etc_it_finds_them_in_share(prefix: Path) -> None:
    aside = (prefix / "etc").rename(prefix / "aside")
    try:
        assert run(prefix / "bin/ucenv", "hook", "bash") == f"{prefix}/share/ucenv/shell/ucenv.sh\n"
    finally:
        aside.rename(prefix / "etc")


def test_another_prefix_than_the_interpreters(built: Path, tmp_path: Path) -> None:
    """As with --user, and on Debian in /usr/local."""
    install(sys.executable, "--no-deps", "--prefix", tmp_path, *built.glob("*.whl"))
    (site_packages,) = tmp_path.glob("lib*/python*/site-packages")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from userconda.cli import main; main(['hook', 'dash'])"
    assert run(sys.executable, "-I", "-c", code, site_packages) == f"{tmp_path}/etc/profile.d/ucenv.sh\n"


def test_the_sdist_has_them(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {f"shell/{name}" for name in HOOKS} <= set(names)
    assert not [name for name in names if name.startswith(("build/", ".venv/", ".ci/"))]
