"""What a command of pip's will change, as far as it can be told without running one."""

from pathlib import Path

import pytest

from tests.support.wheels import make_wheel
from userconda.pip import (
    Change,
    Pip,
    _goes_elsewhere,
    _installed_files,
    _named,
    _wheel_files,
    foretell,
    subcommand_position,
)

SITE_PACKAGES = "lib/python3.11/site-packages"


@pytest.fixture
def pip(tmp_path: Path) -> Pip:
    (tmp_path / "env" / SITE_PACKAGES).mkdir(parents=True)
    return Pip(str(tmp_path / "env"), {}, SITE_PACKAGES)


@pytest.mark.parametrize(
    ("words", "position"),
    [
        ([], 0),
        (["install", "x"], 0),
        (["--no-input", "-q", "install"], 2),
        (["--proxy", "install", "install"], 2),
        (["--proxy=p", "install"], 1),
        (["--python", "/x/python", "list"], 2),
        (["--version"], 1),
    ],
)
def test_the_subcommand(words: list[str], position: int) -> None:
    assert subcommand_position(words) == position


@pytest.mark.parametrize("words", [["-t", "d"], ["-td"], ["--target=d"], ["--root", "d"], ["--dry-run"], ["-h"]])
def test_what_goes_elsewhere(words: list[str]) -> None:
    assert _goes_elsewhere(["x", *words])
    assert not _goes_elsewhere(["x", "-rrequirements.txt", "--upgrade", "-U", "--timeout", "3"])


def test_names_to_uninstall(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("# those\none==1.0\n  two>=3 ; python_version > '3'\n-c other.txt\n\nthree\n")
    words = ["-y", "zero", "-r", str(tmp_path / "r.txt"), f"--requirement={tmp_path}/none.txt", "last"]
    assert [*_named(words)] == ["zero", "one", "two", "three", "last"]


def test_the_files_of_a_distribution(pip: Pip) -> None:
    top = Path(pip.prefix, SITE_PACKAGES)
    (top / "Foo_Bar-1.0.dist-info").mkdir()
    record = 'foo/a.py,sha256=x,1\n"foo/b,c.py",,\n../../../bin/foo,,\n/etc/foo,,\n../../../../foo,,\n'
    (top / "Foo_Bar-1.0.dist-info/RECORD").write_text(record)
    (top / "foo_bar_more-1.0.dist-info").mkdir()
    (top / "old.egg-info").mkdir()
    (top / "old.egg-info/top_level.txt").write_text("old\n")
    (top / "old/deep").mkdir(parents=True)
    found = {*_installed_files(pip, ["foo.bar[extra]>=1"])}
    assert found == {
        f"{SITE_PACKAGES}/Foo_Bar-1.0.dist-info/x",
        f"{SITE_PACKAGES}/foo/a.py",
        f"{SITE_PACKAGES}/foo/b,c.py",
        "bin/foo",
    }
    assert {*_installed_files(pip, ["OLD"])} == {
        f"{SITE_PACKAGES}/{path}/x" for path in ("old.egg-info", "old", "old/deep")
    }
    assert [*_installed_files(pip, [])] == []
    assert foretell(pip, ["uninstall", "-y", "foo_bar"]) == Change(tuple(_installed_files(pip, ["foo-bar"])), ())


def test_where_a_wheel_goes(pip: Pip, tmp_path: Path) -> None:
    files = {
        "w/__init__.py": "",
        "w/data.txt": "",
        "w-1.0.data/purelib/w2/m.py": "",
        "w-1.0.data/scripts/tool": "",
        "w-1.0.data/data/share/man/man1/w.1": "",
        "w-1.0.data/headers/w.h": "",
        "w-1.0.data/data/../../../../outside": "",
    }
    wheel = make_wheel(tmp_path, "w", "1.0", files)
    found = {path for path in _wheel_files(pip, str(wheel)) if "dist-info" not in path}
    assert found == {
        f"{SITE_PACKAGES}/w/__init__.py",
        f"{SITE_PACKAGES}/w/__pycache__/x",
        f"{SITE_PACKAGES}/w/data.txt",
        f"{SITE_PACKAGES}/w2/m.py",
        f"{SITE_PACKAGES}/w2/__pycache__/x",
        "bin/tool",
        "share/man/man1/w.1",
        "include/w.h",
    }


def test_other_subcommands_change_nothing(pip: Pip) -> None:
    for words in (["list"], ["download", "x"], ["install", "--target", "d", "x"], ["--version"], []):
        assert foretell(pip, words) is None
