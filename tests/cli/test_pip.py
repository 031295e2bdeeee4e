"""`ucenv pip`: the environment's own pip, and in a thin clone what it changes is thawed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo import SystemConda, install_packages, package_from_python
from demo.packages import PYTHON, write_package
from tests.support import CHECKOUT
from tests.support.filesystems import scratch_directory
from tests.support.manifest import diff, manifest
from tests.support.users import ADMIN, USER, User, run_as, two_users
from tests.support.wheels import add_pip, make_wheel

SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
MODULE = {"extra/deep/__init__.py": "", "share/readme": "nothing\n"}


@dataclass(frozen=True)
class Prompt:
    """A user's, where the administrator's environment `site` has a Python, a pip and `demo` 1.0."""

    directory: Path

    @property
    def wheels(self) -> Path:
        return self.directory / "wheels"

    @property
    def site(self) -> Path:
        return self.directory / "conda/envs/site"

    @property
    def space(self) -> Path:
        return self.directory / "space"

    def __call__(self, *words: str | Path, user: User = USER) -> subprocess.CompletedProcess[str]:
        environment = {
            "PYTHONPATH": str(CHECKOUT),
            "UCENV_CONDA_ROOT": str(self.directory / "conda"),
            "UCENV_ROOT": str(self.space),
        }
        return run_as(user, [sys.executable, "-m", "userconda", *words], env=environment)

    def pip(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        offline = ["--no-index", "--find-links", str(self.wheels)] if words[0] == "install" else []
        return self("pip", name, words[0], *offline, *words[1:])

    def version(self, name: str) -> str:
        python = self.space / "envs" / name / "bin/python"
        code = "import demo.core; print(demo.core.VERSION)"
        return run_as(USER, [python, "-c", code], env={"PYTHONDONTWRITEBYTECODE": "1"}).stdout.strip()


@pytest.fixture(scope="module")
def made() -> Iterator[Prompt]:
    two_users()
    with scratch_directory() as directory:
        prompt = Prompt(directory)
        for version in ("1.0", "2.0"):
            files = {"demo/__init__.py": "", "demo/core.py": f"VERSION = {version!r}\n"}
            files |= {f"demo/sub/{n}.py": f"N = {n}\n" for n in range(3)}
            make_wheel(prompt.wheels, "demo", version, files, entry_points="demo = demo.core:main")
        leaf = {"newcomer.py": "X = 1\n", "newcomer-1.0.data/data/share/man/man1/newcomer.1": "a page\n"}
        make_wheel(prompt.wheels, "newcomer", "1.0", leaf)
        conda = SystemConda(directory / "conda")
        for place in (conda.envs, conda.pkgs, conda.channel, conda.root / "conda-meta", conda.root / "condabin"):
            place.mkdir(parents=True, exist_ok=True)
        install_packages([write_package(package_from_python(), conda.channel)], prompt.site, conda.pkgs)
        add_pip(prompt.site / SITE_PACKAGES)
        (prompt.site / "share/man/man1").mkdir(parents=True)
        (prompt.site / "share/man/man1/other.1").write_text("another page\n")
        offline = ["--no-index", "--find-links", str(prompt.wheels), "--no-compile"]
        python = [str(prompt.site / "bin/python"), "-m", "pip", "install", *offline, "demo==1.0"]
        subprocess.run(python, check=True, capture_output=True)
        for path in [conda.root, *conda.root.rglob("*")]:
            os.chown(path, ADMIN.uid, ADMIN.gid, follow_symlinks=False)
        for record in prompt.site.glob("conda-meta/*"):  # rattler writes them for their owner alone
            record.chmod(0o644)
        yield prompt


@pytest.fixture
def prompt(made: Prompt) -> Iterator[Prompt]:
    (made.space / "envs").mkdir(parents=True)
    for path in (made.space, made.space / "envs"):
        os.chown(path, USER.uid, USER.gid)
    before = manifest(made.site)
    yield made
    assert diff(before, manifest(made.site)) == []
    shutil.rmtree(made.space)


@pytest.fixture
def ordinary(prompt: Prompt) -> Prompt:
    done = prompt("clone", "site", "mine", "--link-mode", "copy", "-y", "--no-fit-check")
    assert done.returncode == 0, done.stderr
    return prompt


@pytest.fixture
def thin(prompt: Prompt) -> Prompt:
    done = prompt("clone", "site", "mine", "--thin")
    assert done.returncode == 0, done.stderr
    return prompt


pytestmark = pytest.mark.root("an environment of another user's")


def test_in_an_ordinary_environment_it_is_pip(ordinary: Prompt) -> None:
    done = ordinary.pip("mine", "install", "--upgrade", "demo")
    assert done.returncode == 0, done.stderr
    assert "Successfully installed demo-2.0" in done.stdout
    assert "thaw" not in done.stderr
    assert ordinary.version("mine") == "2.0"
    assert "demo" in ordinary.pip("mine", "list").stdout
    assert ordinary.pip("mine", "uninstall", "-y", "demo").returncode == 0
    assert ordinary.version("mine") == ""


def test_its_exit_code_and_message_are_pips(ordinary: Prompt) -> None:
    done = ordinary.pip("mine", "install", "no-such-distribution")
    assert done.returncode == 1
    assert "No matching distribution" in done.stderr
    assert ordinary.pip("mine", "no-such-subcommand").returncode != 0
    assert ordinary.pip("mine", "--version").stdout.startswith("pip ")


def test_nothing_goes_to_the_users_home(ordinary: Prompt) -> None:
    done = ordinary.pip("mine", "install", "--user", "newcomer")
    assert done.returncode == 2
    assert "--user" in done.stderr
    configured = ordinary("pip", "mine", "config", "--site", "set", "install.user", "true")
    assert configured.returncode == 0, configured.stderr
    assert ordinary.pip("mine", "install", "newcomer").returncode == 0
    assert (ordinary.space / "envs/mine" / SITE_PACKAGES / "newcomer.py").exists()


def test_without_a_pip(ordinary: Prompt) -> None:
    shutil.rmtree(ordinary.space / "envs/mine" / SITE_PACKAGES / "pip")
    done = ordinary.pip("mine", "list")
    assert done.returncode == 19
    assert "has no pip of its own" in done.stderr
    (ordinary.space / "envs/mine/bin/python").unlink()
    done = ordinary.pip("mine", "list")
    assert done.returncode == 19
    assert "has no Python of its own" in done.stderr
    assert ordinary.pip("no-such-environment", "list").returncode == 10


def test_an_upgrade_in_a_thin_clone(thin: Prompt) -> None:
    assert thin.version("mine") == "1.0"
    package = thin.space / "envs/mine" / SITE_PACKAGES / "demo"
    assert package.is_symlink()
    assert not (package.parent / "pip").is_symlink() or (package.parent / "pip").resolve().is_relative_to(thin.site)
    done = thin.pip("mine", "install", "--upgrade", "demo")
    assert done.returncode == 0, done.stderr
    assert "Successfully installed demo-2.0" in done.stdout
    assert thin.version("mine") == "2.0"
    assert not package.is_symlink()
    assert (package.parent / "pip").is_symlink()  # what pip does not change stays a link
    again = thin.pip("mine", "install", "--upgrade", "demo")
    assert again.returncode == 0
    assert "thawed" not in again.stderr


def test_an_uninstall_in_a_thin_clone(thin: Prompt) -> None:
    done = thin.pip("mine", "uninstall", "-y", "demo")
    assert done.returncode == 0, done.stderr
    assert not (thin.space / "envs/mine" / SITE_PACKAGES / "demo").exists()
    assert "demo" not in thin.pip("mine", "list").stdout


def test_files_in_a_directory_that_is_a_link(thin: Prompt) -> None:
    manual = thin.space / "envs/mine/share/man/man1"
    assert manual.is_symlink()
    done = thin.pip("mine", "install", "newcomer")
    assert done.returncode == 0, done.stderr
    assert (manual / "newcomer.1").read_text() == "a page\n"
    assert (manual / "other.1").read_text() == "another page\n"


def test_what_pip_refuses_thaws_nothing(thin: Prompt) -> None:
    before = manifest(thin.space / "envs/mine")
    done = thin.pip("mine", "install", "--upgrade", "demo==9.9")
    assert done.returncode == 1
    assert "No matching distribution" in done.stderr
    assert diff(before, manifest(thin.space / "envs/mine")) == []
    assert thin.pip("mine", "install", "--upgrade", "--dry-run", "demo").returncode == 0
    assert diff(before, manifest(thin.space / "envs/mine")) == []


def test_where_the_parent_can_be_written_it_refuses(thin: Prompt) -> None:
    done = thin("pip", thin.space / "envs/mine", "uninstall", "-y", "demo", user=User("root", 0, 0))
    assert done.returncode != 0
    assert "thin clone" in done.stderr
    assert thin.version("mine") == "1.0"
