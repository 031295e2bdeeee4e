"""What is known of a source is kept: the next thin clone reads neither the tree nor its records."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.packages import SITE_PACKAGES
from tests.support import CHECKOUT, Unavailable, manifest
from tests.support.users import ADMIN, USER, run_as
from tests.thin.places import Place, assert_reads_as_clone

pytestmark = [pytest.mark.root, pytest.mark.serial]


def kept(place: Place) -> Path:
    (file,) = (place.space / ".ucenv/analyses").iterdir()
    return file


def directories_read(place: Place, name: str, trace: Path) -> set[str]:
    """Of the source, while a thin clone is made: what was listed."""
    if shutil.which("strace") is None:
        raise Unavailable("needs strace", tool="strace")
    trace.touch()
    os.chown(trace, USER.uid, USER.gid)
    words = ["strace", "-f", "-qq", "-y", "-s", "500", "-e", "trace=getdents64,openat", "-o", trace, sys.executable]
    words += ["-m", "userconda", "clone", "--thin", place.source, name, "--root", place.space]
    done = run_as(USER, list(map(str, words)), env={"UCENV_CONDA_ROOT": str(place.conda.root)}, cwd=CHECKOUT)
    if "ptrace" in done.stderr:
        raise Unavailable(f"strace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found = re.findall(rf"getdents64\(\d+<{re.escape(str(place.source))}/?([^>]*)>", trace.read_text())
    return set(found)


def test_the_second_clone_does_not_read_the_tree(odd: Place, shared_tmp: Path) -> None:
    deep = odd.source / "libexec/odd/more/below"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    first = directories_read(odd, "first", shared_tmp / "1")
    second = directories_read(odd, "second", shared_tmp / "2")
    assert {"libexec/odd/more/below", "libexec/odd", SITE_PACKAGES, ""} <= first
    assert {"", "bin", "conda-meta", SITE_PACKAGES} <= second
    assert "libexec/odd" not in second
    assert "libexec/odd/more/below" not in second
    # But for their own names, the two are alike.
    one, other = (tree(odd.target(name)) for name in ("first", "second"))
    assert one == other
    assert_reads_as_clone(odd.source, odd.target("second"))


def tree(prefix: Path) -> dict[str, str]:
    found = {}
    for directory, inside, names in os.walk(prefix):
        for name in (*inside, *names):
            path = os.path.join(directory, name)
            link = os.readlink(path).replace(str(prefix), "@") if os.path.islink(path) else ""
            found[os.path.relpath(path, prefix)] = link or f"{os.lstat(path).st_mode:o}"
    return found


# what is stale --------------------------------------------------------------------------------------------------


def add_a_record(source: Path) -> None:
    shutil.copy(next((source / "conda-meta").glob("odd-generic-*.json")), source / "conda-meta/added-1.0-0.json")
    text = (source / "conda-meta/added-1.0-0.json").read_text()
    (source / "conda-meta/added-1.0-0.json").write_text(text.replace("odd-generic", "added"))


def pip_install(source: Path) -> None:
    module = source / SITE_PACKAGES / "from_pip/__init__.py"
    module.parent.mkdir()
    module.write_text(f"HERE = '{source}'\n")


def edit_in_conda_meta(source: Path) -> None:
    (source / "conda-meta/pinned").write_text("python 3.*\n# edited\n")


def edit_in_bin(source: Path) -> None:
    (source / "bin/untracked-shell").write_text(f"#!/bin/sh\n# edited\nexec {source}/bin/python\n")


def edit_in_place(source: Path) -> None:
    """The same size."""
    path = source / "etc/odd.conf"
    path.write_bytes(path.read_bytes().replace(b"home", b"HOME"))


def add_at_the_top(source: Path) -> None:
    (source / "opt/new").mkdir(parents=True)
    (source / "opt/new/file").write_text(str(source))


def add_a_library(source: Path) -> None:
    (source / "lib/libnew.so").write_bytes(b"\x7fELF")


def add_to_a_namespace(source: Path) -> None:
    path = source / SITE_PACKAGES / "odd_space/three/__init__.py"
    path.parent.mkdir()
    path.touch()


def remove_a_package(source: Path) -> None:
    shutil.rmtree(source / "share/odd-generic")


@pytest.mark.parametrize(
    "change",
    [
        add_a_record,
        pip_install,
        edit_in_conda_meta,
        edit_in_bin,
        edit_in_place,
        add_at_the_top,
        add_a_library,
        add_to_a_namespace,
        remove_a_package,
    ],
    ids=lambda function: function.__name__,
)
def test_a_stale_one_is_made_again(odd: Place, change: Callable[[Path], None]) -> None:
    odd.clone("first")
    before = kept(odd).read_bytes()
    change(odd.source)
    subprocess.run(["chown", "-Rh", f"{ADMIN.uid}:{ADMIN.gid}", odd.source], check=True)
    odd.clone("second")
    assert_reads_as_clone(odd.source, odd.target("second"))
    assert kept(odd).read_bytes() != before


def test_a_current_one_is_kept(odd: Place) -> None:
    odd.clone("first")
    before = kept(odd).stat()
    odd.clone("second")
    assert kept(odd).stat().st_mtime_ns == before.st_mtime_ns


def test_other_private_patterns_make_another(odd: Place) -> None:
    odd.clone("first")
    assert os.path.islink(odd.target("first") / "libexec/odd")
    words = [sys.executable, "-m", "userconda", "clone", "--thin", str(odd.source), "second", "--root", str(odd.space)]
    (odd.conda.root / "etc/ucenv").mkdir(parents=True)
    (odd.conda.root / "etc/ucenv/config.toml").write_text('[clone]\nprivate = ["libexec/odd/**"]\n')
    done = run_as(USER, words, env={"UCENV_CONDA_ROOT": str(odd.conda.root)})
    assert done.returncode == 0, done.stderr
    assert not os.path.islink(odd.target("second") / "libexec/odd")
    assert not os.path.islink(odd.target("second") / "libexec/odd/tool")


# what somebody else wrote ---------------------------------------------------------------------------------------


def others(file: Path) -> None:
    os.chown(file, 61003, 61003)


def group_writable(file: Path) -> None:
    file.chmod(0o664)


def writable_to_all(file: Path) -> None:
    file.chmod(0o646)


def garbage(file: Path) -> None:
    file.write_bytes(b"\x80\0{")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def a_list(file: Path) -> None:
    file.write_text("[]")


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def edited(file: Path, **members: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | members))


def another_prefix(file: Path) -> None:
    edited(file, prefix="/")


def another_version(file: Path) -> None:
    edited(file, version=10**6)


def wrong_types(file: Path) -> None:
    edited(file, directories=[[1]])


def numbers_too_large(file: Path) -> None:
    document = json.loads(file.read_text())
    document["directories"][0][3] = [2**70] * len(document["directories"][0][2])
    file.write_text(json.dumps(document))


_HOSTILE = (
    others,
    group_writable,
    writable_to_all,
    garbage,
    empty,
    a_list,
    half,
    another_prefix,
    another_version,
    wrong_types,
    numbers_too_large,
)


@pytest.mark.parametrize("spoil", _HOSTILE, ids=lambda function: function.__name__)
def test_one_that_cannot_be_trusted_is_not_used(odd: Place, spoil: Callable[[Path], None]) -> None:
    """It would link all of the source but one directory that is not there: it is seen whether it is believed."""
    odd.clone("first")
    file = kept(odd)
    if spoil in (others, group_writable, writable_to_all):
        edited(file, linked=[["libexec/odd", 1, 1, 1, 1]])
        os.chown(file, USER.uid, USER.gid)
    spoil(file)
    odd.clone("second")
    assert_reads_as_clone(odd.source, odd.target("second"))
    assert tree(odd.target("first")) == tree(odd.target("second"))


def test_where_it_cannot_be_kept_the_clone_is_made(odd: Place) -> None:
    (odd.space / ".ucenv").mkdir()
    os.chown(odd.space / ".ucenv", USER.uid, USER.gid)
    (odd.space / ".ucenv/analyses").write_text("a file")
    before = manifest.manifest(odd.source)
    odd.clone()
    assert manifest.diff(before, manifest.manifest(odd.source)) == []
