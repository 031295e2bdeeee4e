"""Thin clones for tests of thawing: one made by hand, so that nobody needs a second user, and what must hold in it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from demo.packages import SITE_PACKAGES
from tests.support.relation import clone_prefix, make_source
from userconda.provenance import FILE_NAME, read_provenance

#: Of `make_deep_source`, linked whole in the clone made by hand.
LINKED = ("libexec/deep", "libexec/odd", f"{SITE_PACKAGES}/odd", f"{SITE_PACKAGES}/odd_space/one", "share/odd/names")
FILES = ("share/odd/nul.dat", "share/odd/pair-1", "share/odd/pair-2", "share/odd/empty")

DEEP = {
    "top.txt": "top",
    "a/one.txt": "one",
    "a/two.txt": "two",
    "a/b/three.txt": "three",
    "a/b/four.txt": "four",
    "c/five.txt": "five",
    "c/d/six.txt": "six",
}


def make_deep_source(root: Path) -> Path:
    """The small source with a tree in which there is something to leave as it is."""
    prefix = make_source(root)
    for name, text in DEEP.items():
        path = prefix / "libexec/deep" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    (prefix / "libexec/deep/a/link").symlink_to("b/three.txt")
    (prefix / "libexec/deep/c/up").symlink_to("../top.txt")
    (prefix / "libexec/deep/c/hard").hardlink_to(prefix / "libexec/deep/a/one.txt")
    (prefix / "libexec/deep/hollow").mkdir()
    return prefix


def make_thin(source: Path, target: Path, directories: Iterable[str] = LINKED, files: Iterable[str] = FILES) -> Path:
    """A clone in which these are links into the source, with the note of a thin one."""
    clone_prefix(source, target)
    for name in directories:
        shutil.rmtree(target / name)
        (target / name).symlink_to(source / name)
    for name in files:
        (target / name).unlink()
        (target / name).symlink_to(source / name)
    note = read_provenance(str(target))
    assert note is not None
    linked = tuple(directories)
    sizes = tuple(sum(p.lstat().st_size for p in (source / name).rglob("*") if is_file(p)) for name in linked)
    thin = dataclasses.replace(note, thin=True, links_to=str(source), linked=linked, linked_bytes=sizes)
    (target / "conda-meta" / FILE_NAME).write_bytes(thin.to_bytes())
    return target


def is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def links_into(prefix: Path, parent: Path) -> set[str]:
    """The symlinks of an environment that lead into another, found without following one."""
    found = set()
    for directory, names, files in os.walk(prefix):
        for name in (*names, *files):
            path = os.path.join(directory, name)
            if os.path.islink(path) and (os.readlink(path) + "/").startswith(f"{parent}/"):
                found.add(os.path.relpath(path, prefix))
    return found


def seen(prefix: Path) -> Mapping[str, tuple[str, object, int, int]]:
    """What a program sees in an environment, through whatever links: kind, content, mode and mtime of each path."""
    found: dict[str, tuple[str, object, int, int]] = {}
    pending = [""]
    while pending:
        above = pending.pop()
        for name in os.listdir(prefix / above):
            path = os.path.join(above, name)
            place = prefix / path
            status = place.lstat()
            if place.is_symlink() and (not place.exists() or not os.path.isabs(os.readlink(place))):
                found[path] = ("symlink", os.readlink(place), 0, 0)
                continue
            status = place.stat()
            if stat.S_ISDIR(status.st_mode):
                found[path] = ("directory", None, 0, 0)
                pending.append(path)
            else:
                found[path] = ("file", place.read_bytes(), status.st_mode & 0o777, status.st_mtime_ns)
    found.pop(f"conda-meta/{FILE_NAME}", None)
    return found


def is_real(prefix: Path, path: str) -> bool:
    """Whether no component of a path is a symlink."""
    return os.path.realpath(prefix / path) == f"{os.path.realpath(prefix)}/{path}"
