"""The reader of ELF's dynamic section: against readelf, against files made by hand, and against garbage."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import Unavailable
from tests.support.elf import make_elf
from userconda.elf import Dynamic, Read, parse_dynamic


def reader(data: bytes) -> Read:
    return lambda offset, size: data[offset : offset + size]


NAMES = st.text(st.characters(exclude_characters="\0:", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(NAMES, max_size=5), st.none() | NAMES, st.none() | NAMES, st.booleans(), st.sampled_from("<>"))
@example(["libz.so.1"], "$ORIGIN/../lib", None, False, ">")
def test_what_was_put_in_comes_out(
    needed: list[str], rpath: str | None, runpath: str | None, wide: bool, order: str
) -> None:
    data = make_elf(needed, rpath, runpath, wide=wide, order=order)
    search = runpath if runpath is not None else rpath
    assert parse_dynamic(reader(data)) == Dynamic(tuple(needed), (search,) if search is not None else ())


def test_a_search_path_is_split() -> None:
    data = make_elf([], None, "$ORIGIN/../lib:/opt/x::$ORIGIN", wide=True, order="<")
    assert parse_dynamic(reader(data)) == Dynamic((), ("$ORIGIN/../lib", "/opt/x", "$ORIGIN"))


@settings(max_examples=400)
@given(st.data())
def test_a_broken_file_raises_nothing(data: st.DataObject) -> None:
    whole = bytearray(make_elf(["liba.so", "libb.so"], "$ORIGIN", None, wide=data.draw(st.booleans()), order="<"))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    found = parse_dynamic(reader(cut))
    assert found is None or all(isinstance(name, str) for name in (*found.needed, *found.search))


@given(st.binary(max_size=300))
def test_garbage_is_none(data: bytes) -> None:
    assert data[:4] == b"\x7fELF" or parse_dynamic(reader(data)) is None


def test_what_readelf_says() -> None:
    """Over the libraries of this Python and of the system."""
    if shutil.which("readelf") is None:
        raise Unavailable("needs readelf", tool="binutils")
    places = [Path(sys.prefix), Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib64"), Path("/usr/bin")]
    paths = [path for place in places for path in sorted(place.rglob("*.so*"))[:60] if path.is_file()]
    paths += [Path(sys.executable).resolve()]
    compared = 0
    for path in paths:
        done = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True)
        if done.returncode or "no dynamic section" in done.stdout:
            continue
        fields = re.findall(r"\((NEEDED|RPATH|RUNPATH)\)[^\[]*\[(.*)\]", done.stdout)
        needed = tuple(value for name, value in fields if name == "NEEDED")
        runpath = [value for name, value in fields if name == "RUNPATH"]
        rpath = [value for name, value in fields if name == "RPATH"]
        search = tuple(part for value in runpath or rpath for part in value.split(":") if part)
        if "Dynamic section" in done.stdout:
            assert parse_dynamic(reader(path.read_bytes())) == Dynamic(needed, search), path
            compared += 1
    if not compared:
        raise Unavailable("no ELF file was found to compare")
    assert compared > 5


@pytest.mark.parametrize("word", [b"", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 58])
def test_a_head_alone(word: bytes) -> None:
    assert parse_dynamic(reader(word)) is None
