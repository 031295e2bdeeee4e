"""What a change of a thin clone meets behind links."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.elf import make_elf
from userconda.reach import Touched, find_reaching, find_touched

SITE = "lib/python3.11/site-packages"


@dataclass
class Thin:
    """A thin clone by hand: `whole` are directory links, `files` file links, all else real."""

    parent: Path
    clone: Path

    def put(self, path: str, data: bytes = b"x") -> None:
        (self.parent / path).parent.mkdir(parents=True, exist_ok=True)
        (self.parent / path).write_bytes(data)

    def link(self, *paths: str) -> None:
        for path in paths:
            (self.clone / path).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / path).symlink_to(self.parent / path)

    def touched(self, removed: list[str], added: list[str]) -> Touched:
        return find_touched(str(self.clone), str(self.parent), removed, added)

    def reaching(self, *changed: str) -> set[str]:
        return find_reaching(str(self.clone), str(self.parent), set(changed))


@pytest.fixture
def thin(tmp_path: Path) -> Thin:
    for name in ("parent", "clone"):
        (tmp_path / name).mkdir()
    return Thin(tmp_path / "parent", tmp_path / "clone")


def test_directories(thin: Thin) -> None:
    for path in (f"{SITE}/numpy/core/a.py", f"{SITE}/numpy/b.py", "share/man/man1/x.1", "lib/libz.so.1"):
        thin.put(path)
    thin.link(f"{SITE}/numpy", "share/man/man1", "lib/libz.so.1")
    (thin.clone / "lib64").symlink_to("lib")
    removed = [f"{SITE}/numpy/core/a.py", f"{SITE}/numpy/b.py", "bin/f2py", "lib/libz.so.1", "lib64/x"]
    assert thin.touched(removed, []).directories == (f"{SITE}/numpy", f"{SITE}/numpy/core")
    added = ["share/man/man1/y.1", "share/man/man1/new/deep/z", f"{SITE}/scipy/a.py", "new/x", "top"]
    assert thin.touched([], added) == Touched(("share/man/man1",), ())
    assert not thin.touched(["bin/f2py"], ["bin/f2py", f"{SITE}/new/__init__.py"])


def test_links_that_lead_elsewhere_are_nothing_of_ours(thin: Thin, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (thin.clone / "data").symlink_to(tmp_path / "data")
    assert not thin.touched(["data/x"], ["data/y"])


def test_a_library_is_reached_by_its_soname_through_others(thin: Thin) -> None:
    ext = f"{SITE}/pkg/_ext.so"
    thin.put("lib/libz.so.1.3", make_elf([]))
    (thin.parent / "lib/libz.so.1").symlink_to("libz.so.1.3")
    thin.put("lib/libpng.so.16.2", make_elf(["libz.so.1", "libc.so.6"], "$ORIGIN/."))
    (thin.parent / "lib/libpng.so.16").symlink_to("libpng.so.16.2")
    thin.put("lib/liblone.so", make_elf(["libc.so.6"], "$ORIGIN"))
    thin.put(ext, make_elf(["libpng.so.16"], None, "/nowhere:${ORIGIN}/../../../"))
    thin.put(f"{SITE}/pkg/sub/_other.so", make_elf(["liblone.so"], "$ORIGIN/../../../.."))
    thin.put("libexec/tool", make_elf(["libz.so.1"], f"{thin.parent}/lib"))
    thin.put("libexec/plain", b"#!/bin/sh\n")
    thin.link("lib/libz.so.1.3", "lib/libpng.so.16.2", "lib/liblone.so", f"{SITE}/pkg", "libexec")
    for name in ("libz.so.1", "libpng.so.16"):
        (thin.clone / "lib" / name).symlink_to((thin.parent / "lib" / name).readlink())
    assert thin.reaching("lib/libz.so.1", "lib/libz.so.1.3") == {"lib/libpng.so.16.2", ext, "libexec/tool"}
    assert thin.reaching("lib/libpng.so.16.2") == {ext}
    assert thin.reaching("lib/liblone.so") == {f"{SITE}/pkg/sub/_other.so"}
    assert thin.reaching("lib/libother.so") == set()
    found = thin.touched(["lib/libz.so.1.3"], ["lib/libz.so.1.4"])
    assert found == Touched((), tuple(sorted(["lib/libpng.so.16.2", ext, "libexec/tool"])))


def test_a_file_that_is_the_clones_own_finds_the_clones(thin: Thin) -> None:
    thin.put("lib/libz.so.1", make_elf([]))
    thin.put("lib/libpng.so", make_elf(["libz.so.1"], "$ORIGIN"))
    thin.link("lib/libz.so.1")
    (thin.clone / "lib/libpng.so").hardlink_to(thin.parent / "lib/libpng.so")
    assert thin.reaching("lib/libz.so.1") == set()


def test_circles_end(thin: Thin) -> None:
    thin.put("lib/liba.so", make_elf(["libb.so"], "$ORIGIN"))
    thin.put("lib/libb.so", make_elf(["liba.so"], "$ORIGIN"))
    (thin.parent / "lib/libc.so").symlink_to("libd.so")
    (thin.parent / "lib/libd.so").symlink_to("libc.so")
    thin.put("lib/libe.so", make_elf(["libc.so"], "$ORIGIN"))
    thin.link("lib/liba.so", "lib/libb.so", "lib/libe.so")
    assert thin.reaching("lib/liba.so") == {"lib/liba.so", "lib/libb.so"}
    assert thin.reaching("lib/libc.so") == {"lib/libe.so"}
