"""The reader of ELF's dynamic section: against readelf, against files made by hand, and against garbage."""

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import Unavailable
from userconda.elf import Dynamic, Read, parse_dynamic


def reader(data: bytes) -> Read:
    return lambda offset, size: data[offset : offset + size]


def made(needed: list[str], rpath: str | None, runpath: str | None, *, wide: bool, order: str) -> bytes:
    """The smallest file with these: header, one PT_LOAD over everything, PT_DYNAMIC, the entries, the strings."""
    base = 0x400000
    strings, entries = b"\0", []
    for tag, text in [*((1, name) for name in needed), (15, rpath), (29, runpath)]:
        if text is not None:
            entries.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    header_size, segment_size, entry = (64, 56, "QQ") if wide else (52, 32, "II")
    start = header_size + 2 * segment_size
    dynamic_size = (len(entries) + 3) * struct.calcsize(order + entry)
    entries += [(5, base + start + dynamic_size), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack(order + entry, *pair) for pair in entries)
    whole = start + len(dynamic) + len(strings)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "Q" if wide else "I"
    header = ident + struct.pack(f"{order}HHI{word * 3}IHHHHHH", 3, 62, 1, 0, header_size, 0, 0, header_size,
                                 segment_size, 2, 0, 0, 0)  # fmt: skip

    def segment(kind: int, offset: int, size: int) -> bytes:
        if wide:
            return struct.pack(f"{order}IIQQQQQQ", kind, 5, offset, base + offset, base + offset, size, size, 8)
        return struct.pack(f"{order}IIIIIIII", kind, offset, base + offset, base + offset, size, size, 5, 4)

    return header + segment(1, 0, whole) + segment(2, start, len(dynamic)) + dynamic + strings


NAMES = st.text(st.characters(exclude_characters="\0:", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(NAMES, max_size=5), st.none() | NAMES, st.none() | NAMES, st.booleans(), st.sampled_from("<>"))
@example(["libz.so.1"], "$ORIGIN/../lib", None, False, ">")
def test_what_was_put_in_comes_out(
    needed: list[str], rpath: str | None, runpath: str | None, wide: bool, order: str
) -> None:
    data = made(needed, rpath, runpath, wide=wide, order=order)
    search = runpath if runpath is not None else rpath
    assert parse_dynamic(reader(data)) == Dynamic(tuple(needed), (search,) if search is not None else ())


def test_a_search_path_is_split() -> None:
    data = made([], None, "$ORIGIN/../lib:/opt/x::$ORIGIN", wide=True, order="<")
    assert parse_dynamic(reader(data)) == Dynamic((), ("$ORIGIN/../lib", "/opt/x", "$ORIGIN"))


@settings(max_examples=400)
@given(st.data())
def test_a_broken_file_raises_nothing(data: st.DataObject) -> None:
    whole = bytearray(made(["liba.so", "libb.so"], "$ORIGIN", None, wide=data.draw(st.booleans()), order="<"))
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
