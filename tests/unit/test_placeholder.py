"""Prefix replacement and its inverse, against slow references written here from the installers' documented rules."""

import hashlib
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from userconda import placeholder
from userconda.placeholder import Dialect, FileMode, NoRoom, Rewritten, find_origin, is_text, replace, rewrite_content

PACKED = "/croot/build_1577836800000/_h_env" + "_placehold" * 22 + "_p"
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
LIMIT = 127
TEXT, BINARY = FileMode.TEXT, FileMode.BINARY

EXAMPLES = settings(
    derandomize=os.environ.get("CI") == "true",
    deadline=None,
    max_examples=2500,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", autouse=True)
def _limit_of_linux() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placeholder, "MAX_SHEBANG", LIMIT)
        yield


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def prefix_of(length: int, start: str = "/opt/") -> str:
    """A prefix of so many bytes."""
    return start + "e" * (length - len(start.encode()))


def outcome(data: bytes, packed_prefix: str, prefix: str, mode: FileMode, dialect: Dialect) -> bytes | None:
    """None where the replacement has no room."""
    try:
        return replace(data, packed_prefix, prefix, mode, dialect)
    except NoRoom:
        return None


# references -----------------------------------------------------------------------------------------------------


def slow_conda(data: bytes, packed_prefix: str, prefix: str, mode: FileMode) -> bytes | None:
    for encoding in ENCODINGS:
        old, new, zero = (text.encode(encoding) for text in (packed_prefix, prefix, "\0"))
        if mode is TEXT:
            line, newline, rest = data.partition(b"\n")
            if newline:
                marker, escaped = "#!".encode(encoding), prefix.replace(" ", "\\ ").encode(encoding)
                line = (marker + escaped).join(line.split(marker + old))
            data = new.join((line + newline + rest).split(old))
            continue
        done, position = b"", 0
        while (start := data.find(old, position)) >= 0:
            end = data.find(zero, start + len(old))
            if end < 0:
                break
            pieces = data[start : end + len(zero)].split(old)
            if len(new) > len(old):
                return None
            padding = (len(old) - len(new)) * (len(pieces) - 1)
            done += data[position:start] + new.join(pieces) + b"\0" * padding
            position = end + len(zero)
        data = done + data[position:]
    return slow_env_shebang(data) if mode is TEXT else data


def shebang_parts(line: bytes) -> tuple[bytes, bytes] | None:
    """Interpreter and options; a blank with a backslash before it belongs to the interpreter."""
    start = 2
    while line[start : start + 1] == b" ":
        start += 1
    if not line.startswith(b"#!") or line[start : start + 1] != b"/":
        return None
    end = start
    while end < len(line) and (line[end : end + 2] == b"\\ " or line[end] not in b" \r\t"):
        end += 2 if line[end : end + 2] == b"\\ " else 1
    return line[start:end], line[end:]


def slow_env_shebang(data: bytes) -> bytes:
    line = data.split(b"\n")[0]
    parts = shebang_parts(line)
    if parts is None:
        return data
    *directory, name = parts[0].split(b"/")
    if len(line) <= LIMIT and b"\\ " not in b"/".join(directory):
        return data
    return (b"#!/usr/bin/env " + name + parts[1]).join(data.split(line))


def slow_rattler(data: bytes, packed_prefix: str, prefix: str, mode: FileMode) -> bytes | None:
    old, new = packed_prefix.encode(), prefix.encode()
    if mode is BINARY:
        strings = data.split(b"\0")
        if len(new) > len(old):
            return None if old in data else data
        return b"\0".join(new.join(string.split(old)).ljust(len(string), b"\0") for string in strings)
    line, newline, rest = data.partition(b"\n")
    if newline and line.startswith(b"#!"):
        is_unfit = old in line if b" " in new else len(line.replace(old, new)) > LIMIT
        shown = line if b" " in new else line.replace(old, new)
        if is_unfit and (parts := shebang_parts(shown)):
            name = parts[0].split(b"/")[-1]
            version = name.removeprefix(b"python").split(b".")
            is_python = name == b"python" or (len(version) < 3 and all(part.isdigit() for part in version))
            if name.startswith(b"python") and is_python:
                shown = b"#!/bin/sh\n'''exec' \"%b\"%b \"$0\" \"$@\" #'''" % parts
            else:
                shown = b"#!/usr/bin/env " + name + parts[1]
        line = shown.replace(old, new)
    return new.join(line.split(old)) + newline + new.join(rest.split(old)) if newline else data.replace(old, new)


SLOW = {Dialect.CONDA: slow_conda, Dialect.RATTLER: slow_rattler}


# what is generated ----------------------------------------------------------------------------------------------

NAMES = st.text("abe-_.+*[](){}$^\\|?é世 ", min_size=1, max_size=12)


def clipped(path: str, length: int) -> str:
    """At most so many bytes of it."""
    return path.encode()[:length].decode("utf-8", "ignore")


@st.composite
def packed_prefixes(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)):
        return draw(st.sampled_from([PACKED, "/opt/anaconda1anaconda2anaconda3", PACKED[:80]]))
    return clipped("/build/" + draw(NAMES).replace(" ", "_") + "_placehold" * draw(st.integers(0, 25)), 255)


@st.composite
def pairs_of_prefixes(draw: st.DrawFn) -> tuple[str, str]:
    first = "/" + draw(st.sampled_from(["opt/", "srv/con da/", "home/é/", "e"])) + draw(NAMES)
    first = first.rstrip() + "x"
    if draw(st.integers(0, 2)) == 0:
        first = clipped(first + "y" * 256, draw(st.sampled_from([40, 114, 124, 200, 255, 256])))
    size = len(first.encode())
    second = draw(
        st.sampled_from(
            [
                prefix_of(max(size - 3, 8)),
                prefix_of(max(size, 8)),
                prefix_of(size + 9),
                prefix_of(255),
                prefix_of(256),
                first + "-2",
                first + "/sub dir",
                "/x y",
            ]
        )
    )
    return (first, second) if draw(st.booleans()) else (second, first)


@st.composite
def packed_files(draw: st.DrawFn, mode: FileMode, packed_prefix: str, prefix: str) -> bytes:
    """Text or binary with any number of placeholders, beside fragments of the prefix that will replace them."""
    fragments = [prefix[:3].encode(), prefix[-2:].encode(), prefix[:2].encode("utf-16-le"), packed_prefix[:9].encode()]
    plain = st.sampled_from([b"", b":", b"/lib", b" x", b"\n", b"\r\n", b'"', "é".encode(), b"-suffix", *fragments])
    zeros = st.sampled_from([b"\0", b"\0\0", b"\0" * 9, b"\0\xff\0\0"])
    places = st.sampled_from([packed_prefix.encode(encoding) for encoding in (*("utf-8",) * 6, *ENCODINGS)])
    piece = st.one_of(places, plain, zeros, st.binary(max_size=4)) if mode is BINARY else st.one_of(places, plain)
    body = b"".join(draw(st.lists(piece, max_size=9)))
    if mode is BINARY:
        ends = [b"", b"\0", b"\0\0\0\0", b"\0" * 600]
        return body + draw(st.sampled_from(ends))
    name = draw(st.sampled_from(["python", "python3.11", "perl", "bash", "Rscript", "python3.11.2"]))
    options = draw(st.sampled_from(["", " -w", " -x --y", "\r", " " + packed_prefix]))
    blank = draw(st.sampled_from(["", "", "", " "]))
    shebang = f"#!{blank}{packed_prefix}/bin/{name}{options}".encode() + draw(st.sampled_from([b"\n", b"\n", b""]))
    return draw(st.sampled_from([b"", shebang, b"#!/bin/sh\n", b"#!/usr/bin/env python\n"])) + body


@st.composite
def installations(draw: st.DrawFn) -> tuple[bytes, str, str, str, FileMode, Dialect]:
    """Packed bytes, their placeholder, the prefixes A and B, mode and dialect."""
    packed_prefix = draw(packed_prefixes())
    first, second = draw(pairs_of_prefixes())
    mode, dialect = draw(st.sampled_from(FileMode)), draw(st.sampled_from(Dialect))
    return draw(packed_files(mode, packed_prefix, first)), packed_prefix, first, second, mode, dialect


# forward --------------------------------------------------------------------------------------------------------


@EXAMPLES
@given(installations())
def test_replacement_is_what_the_slow_reference_gives(case: tuple[bytes, str, str, str, FileMode, Dialect]) -> None:
    packed, packed_prefix, prefix, _, mode, dialect = case
    assert outcome(packed, packed_prefix, prefix, mode, dialect) == SLOW[dialect](packed, packed_prefix, prefix, mode)


P = PACKED.encode()
GAP = len(P) - len(b"/n")


@pytest.mark.parametrize(
    ("packed", "installed"),
    [
        pytest.param(b"x" + P + b"\0tail", b"x/n\0" + b"\0" * GAP + b"tail", id="once"),
        pytest.param(P + b":" + P + b"/x\0t", b"/n:/n/x\0" + b"\0" * 2 * GAP + b"t", id="twice in a string"),
        pytest.param(P + b"\n" + P + b"\0", b"/n\n/n\0" + b"\0" * 2 * GAP, id="a newline ends no string"),
        pytest.param(P + b"/x", P + b"/x", id="no NUL at the end: left alone"),
        pytest.param(P + b"XY\0", b"/nXY\0" + b"\0" * GAP, id="no boundary is asked for"),
        pytest.param(
            PACKED.encode("utf-16-le") + b"\0\0",
            "/n".encode("utf-16-le") + b"\0\0" + b"\0" * 2 * GAP,
            id="utf-16",
        ),
        pytest.param(PACKED.encode("utf-16-le") + b"x", PACKED.encode("utf-16-le") + b"x", id="utf-16 without its NUL"),
        pytest.param(
            PACKED.encode("utf-32-be") + b"\0" * 4,
            "/n".encode("utf-32-be") + b"\0" * 4 + b"\0" * 4 * GAP,
            id="utf-32",
        ),
    ],
)
def test_binary_replacement_of_conda(packed: bytes, installed: bytes) -> None:
    assert replace(packed, PACKED, "/n", BINARY) == installed


def test_rattler_replaces_a_string_that_ends_with_the_file() -> None:
    assert replace(P + b"/x", PACKED, "/n", BINARY, Dialect.RATTLER) == b"/n/x" + b"\0" * GAP


@pytest.mark.parametrize("length", [254, 255])
def test_a_binary_takes_a_prefix_as_long_as_the_placeholder(length: int) -> None:
    assert len(replace(P + b"\0", PACKED, prefix_of(length), BINARY)) == 256


@pytest.mark.parametrize("dialect", Dialect)
def test_a_binary_has_no_room_for_a_prefix_of_256_bytes(dialect: Dialect) -> None:
    with pytest.raises(NoRoom):
        replace(P + b"\0", PACKED, prefix_of(256), BINARY, dialect)


def test_text_has_room_for_any_prefix() -> None:
    assert replace(b"a=" + P + b"\r\n", PACKED, prefix_of(300), TEXT) == b"a=" + prefix_of(300).encode() + b"\r\n"


def test_text_is_replaced_in_every_encoding() -> None:
    packed = b"".join(PACKED.encode(encoding) + b"\n" for encoding in ENCODINGS)
    assert replace(packed, PACKED, "/n", TEXT) == b"".join("/n".encode(encoding) + b"\n" for encoding in ENCODINGS)


# shebangs -------------------------------------------------------------------------------------------------------


def shebang_prefix(line_length: int, rest: str) -> str:
    """The prefix with which `#!<prefix><rest>` has so many bytes."""
    return prefix_of(line_length - len("#!") - len(rest))


@pytest.mark.parametrize("rest", ["/bin/python", "/bin/perl -w", "/bin/R --slave --no-save\r"])
@pytest.mark.parametrize(("length", "is_kept"), [(126, True), (127, True), (128, False)])
@pytest.mark.parametrize("dialect", Dialect)
def test_a_shebang_past_127_bytes_is_shortened(dialect: Dialect, length: int, is_kept: bool, rest: str) -> None:
    prefix = shebang_prefix(length, rest)
    installed = replace(f"#!{PACKED}{rest}\nbody\n".encode(), PACKED, prefix, TEXT, dialect)
    short = f"#!/usr/bin/env {rest.removeprefix('/bin/')}"
    if dialect is Dialect.RATTLER and "python" in rest:
        short = f"#!/bin/sh\n'''exec' \"{prefix}/bin/python\" \"$0\" \"$@\" #'''"
    assert installed == (f"#!{prefix}{rest}" if is_kept else short).encode() + b"\nbody\n"


@pytest.mark.parametrize(
    ("dialect", "first_lines"),
    [
        (Dialect.CONDA, b"#!/usr/bin/env python3.11 -s\n"),
        (Dialect.RATTLER, b"#!/bin/sh\n'''exec' \"/sp ace/n/bin/python3.11\" -s \"$0\" \"$@\" #'''\n"),
    ],
)
def test_a_space_in_the_prefix_shortens_the_shebang(dialect: Dialect, first_lines: bytes) -> None:
    packed = b"#!" + P + b"/bin/python3.11 -s\nhome=" + P + b"\n"
    assert replace(packed, PACKED, "/sp ace/n", TEXT, dialect) == first_lines + b"home=/sp ace/n\n"


def test_conda_keeps_a_broken_shebang_that_has_a_blank_after_its_mark() -> None:
    packed = b"#! " + P + b"/bin/x\n"
    assert replace(packed, PACKED, "/a b", TEXT) == b"#! /a b/bin/x\n"


def test_conda_shortens_a_long_shebang_that_holds_no_placeholder() -> None:
    line = b"#!/" + b"x" * 130 + b"/perl -w"
    packed = line + b"\n" + P + b"\n" + line + b"\n"
    assert replace(packed, PACKED, "/n", TEXT) == b"#!/usr/bin/env perl -w\n/n\n#!/usr/bin/env perl -w\n"


@pytest.mark.parametrize("rest", ["/bin/python3.11", "/bin/python -s", "/bin/perl -w", "/bin/Rscript"])
@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("long_prefix", [prefix_of(150), "/sp ace/env"])
@pytest.mark.parametrize("dialect", Dialect)
def test_a_shortened_shebang_is_restored(dialect: Dialect, long_prefix: str, blank: str, rest: str) -> None:
    packed = f"#!{blank}{PACKED}{rest}\nbody {PACKED}\n".encode()
    installed = replace(packed, PACKED, long_prefix, TEXT, dialect)
    origin = find_origin(installed, (long_prefix,), PACKED, TEXT, sha256(packed))
    assert origin is not None
    return_to = f"#!{blank}/opt/b{rest}\nbody /opt/b\n"
    assert replace(origin.packed, PACKED, "/opt/b", TEXT, origin.dialect) == return_to.encode()


def test_rattlers_shebang_keeps_an_interpreter_that_is_not_in_bin() -> None:
    packed = f"#!{PACKED}/libexec/tool/python\n".encode()
    installed = replace(packed, PACKED, prefix_of(150), TEXT, Dialect.RATTLER)
    origin = find_origin(installed, (prefix_of(150),), PACKED, TEXT, sha256(packed))
    assert origin is not None
    assert (origin.packed, origin.dialect) == (packed, Dialect.RATTLER)


# inverse --------------------------------------------------------------------------------------------------------


def occurrences(data: bytes, path: str) -> int:
    """Overlapping ones, in any encoding."""
    needles = {path.encode(encoding) for encoding in ENCODINGS}
    return sum(data.startswith(needle, at) for needle in needles for at in range(len(data)))


def why_ambiguous(packed: bytes, packed_prefix: str, installed: bytes, prefix: str, mode: FileMode) -> str:
    """Why an installed file may not tell what it was made of; "" where it must."""
    if packed_prefix in prefix or prefix in packed_prefix:
        return "one holds the other"
    first, was = (data.partition(b"\n")[0] for data in (installed, packed))
    shortened = first.startswith((b"#!/usr/bin/env ", b"#!/bin/sh")) and not was.startswith(first)
    if mode is TEXT and shortened:
        parts = shebang_parts(was)
        if parts is None or parts[0].rpartition(b"/")[0] != packed_prefix.encode() + b"/bin":
            return "the interpreter is in no bin directory of the placeholder"
        if first.startswith(b"#!/usr/bin/env ") and first.split()[1] != parts[0].rpartition(b"/")[2]:
            return "the interpreter's path was cut at a space"
        if installed.count(first) != 1:
            return "the short line stands elsewhere too"
        installed, packed = installed.partition(b"\n")[2], packed.partition(b"\n")[2]
        if first.startswith(b"#!/bin/sh"):
            installed = installed.partition(b"\n")[2]
    # What was not replaced is left in both.
    if occurrences(installed, prefix) + occurrences(installed, packed_prefix) != occurrences(packed, packed_prefix):
        return "the prefix stands in it by nature"
    if all(packed_prefix.encode(f"utf-16-{order}") in packed for order in ("le", "be")):
        return "UTF-16 that reads in both byte orders"
    return ""


def test_an_installed_file_is_retargeted_exactly() -> None:
    """B's file made from A's is byte for byte the one an installer makes from the package."""
    seen: Counter[str] = Counter()

    @EXAMPLES
    @given(installations())
    def check(case: tuple[bytes, str, str, str, FileMode, Dialect]) -> None:
        packed, packed_prefix, prefix, target, mode, dialect = case
        installed = outcome(packed, packed_prefix, prefix, mode, dialect)
        if installed is None:
            return
        assert find_origin(installed, (prefix,), packed_prefix, mode, sha256(packed + b"x")) is None
        origin = find_origin(installed, (prefix,), packed_prefix, mode, sha256(packed))
        if origin is None:
            reason = why_ambiguous(packed, packed_prefix, installed, prefix, mode)
            assert reason
            seen[reason] += 1
            return
        seen["exact"] += 1
        # Where both installers would have written this file, it is conda's.
        writers = [d for d in Dialect if SLOW[d](packed, packed_prefix, prefix, mode) == installed]
        retargeted = outcome(origin.packed, packed_prefix, target, mode, origin.dialect)
        assert retargeted == SLOW[writers[0]](packed, packed_prefix, target, mode)

    check()
    assert seen["exact"] > 0.85 * seen.total()
    assert seen.total() > 0.6 * EXAMPLES.max_examples


@pytest.mark.parametrize("prefix_bytes", [8, 100, 254, 255])
@pytest.mark.parametrize("mode", FileMode)
@pytest.mark.parametrize("seed", range(5))
def test_a_realistic_file_always_has_an_origin(seed: int, mode: FileMode, prefix_bytes: int) -> None:
    rng = random.Random(seed)
    strings = [rng.choice([b"", P, P + b"/lib:" + P + b"/share"]) + rng.randbytes(20).hex().encode() for _ in range(99)]
    separator = b"\0" if mode is BINARY else b"\r\n"
    packed = separator.join(strings) + separator
    prefix = prefix_of(prefix_bytes, "/home/")
    origin = find_origin(replace(packed, PACKED, prefix, mode), (prefix,), PACKED, mode, sha256(packed))
    assert origin == placeholder.Origin(packed, Dialect.CONDA, prefix)


@pytest.mark.parametrize("target", ["/opt/a", "/opt/a-longer", "/opt"])
def test_prefixes_that_begin_alike_are_told_apart(target: str) -> None:
    packed = P + b":" + P + b"/x\0end"
    installed = replace(packed, PACKED, "/opt/a-long", BINARY)
    origin = find_origin(installed, ("/opt", "/opt/a", "/opt/a-long"), PACKED, BINARY, sha256(packed))
    assert origin is not None
    assert origin.prefix == "/opt/a-long"
    assert replace(origin.packed, PACKED, target, BINARY) == replace(packed, PACKED, target, BINARY)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data + b"edited\n", id="edited"),
        pytest.param(lambda data: data.replace(b"/lib", b"/lab"), id="same length"),
        pytest.param(lambda data: b"see /opt/a\n" + data, id="the prefix once more"),
    ],
)
def test_an_edited_file_has_no_origin(spoil: Callable[[bytes], bytes]) -> None:
    packed = b"home=" + P + b"/lib\n"
    installed = replace(packed, PACKED, "/opt/a", TEXT)
    assert find_origin(installed, ("/opt/a",), PACKED, TEXT, sha256(packed)) is not None
    assert find_origin(spoil(installed), ("/opt/a",), PACKED, TEXT, sha256(packed)) is None


def test_a_file_of_rattlers_keeps_what_rattler_does_not_replace() -> None:
    packed = P + b"\0" + PACKED.encode("utf-16-le") + b"\0\0"
    installed = replace(packed, PACKED, "/opt/a", BINARY, Dialect.RATTLER)
    origin = find_origin(installed, ("/opt/a",), PACKED, BINARY, sha256(packed))
    assert origin is not None
    assert origin.dialect is Dialect.RATTLER


# files that no record describes ---------------------------------------------------------------------------------

A, B = "/opt/a", "/srv/other/b"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/opt/a", "B"),
        ("/opt/a/x", "B/x"),
        ("/opt/a:/opt/a/bin", "B:B/bin"),
        ('"/opt/a"', '"B"'),
        ("'/opt/a',", "'B',"),
        ("(/opt/a)", "(B)"),
        ("in /opt/a.", "in B."),
        ("in /opt/a...", "in B..."),
        ("in /opt/a. Then", "in B. Then"),
        ("/opt/a/...", "B/..."),
        ("-I/opt/a/include", "-IB/include"),
        ("cc -I /opt/a -L/opt/a/lib", "cc -I B -LB/lib"),
        ("-Wl,-rpath,/opt/a/lib", "-Wl,-rpath,B/lib"),
        ("--prefix=/opt/a", "--prefix=B"),
        ("file:///opt/a/x", "file://B/x"),
        ("file:/opt/a", "file:B"),
        ("${DESTDIR}/opt/a", "${DESTDIR}B"),
        (r"one\n/opt/a\ntwo", r"one\nB\ntwo"),
        (r"one\t/opt/a", r"one\tB"),
        ("PATH=/opt/a/bin\r\n", "PATH=B/bin\r\n"),
        ("/opt/a-other", None),
        ("/opt/a.bak", None),
        ("/opt/a..x", None),
        ("/opt/a2/x", None),
        ("/opt/ab", None),
        ("/opt/a_1", None),
        ("/opt/a~", None),
        ("/opt/a+x", None),
        ("/opt/a@x", None),
        ("/opt/a%20b", None),
        (r"/opt/a\ b", None),
        ("/opt/aé", None),
        ("é/opt/a", None),
        ("/mnt/opt/a", None),
        ("x/opt/a", None),
        ("./opt/a", None),
        ("~/opt/a", None),
        ("//opt/a", None),
        ("$ROOT/opt/a", None),
        ("x-I/opt/a", None),
    ],
)
def test_a_path_is_replaced_at_its_boundaries_only(before: str, after: str | None) -> None:
    expected = before if after is None else after.replace("B", B)
    assert rewrite_content(before.encode(), (A,), B) == Rewritten(expected.encode())


def test_the_longest_of_several_prefixes_counts() -> None:
    data = b"/opt/a/envs/x/bin /opt/a/bin /real/x"
    assert rewrite_content(data, ("/opt/a", "/opt/a/envs/x", "/real/x"), "/b").data == b"/b/bin /b/bin /b"


@pytest.mark.parametrize("prefix", ["/opt/a+b", "/opt/(x)[y]", "/opt/$HOME^", "/opt/a b", "/opt/é世"])
def test_a_prefix_is_no_pattern(prefix: str) -> None:
    assert rewrite_content(f"x={prefix}/y\n".encode(), (prefix,), r"/new\1\g<0>").data == b"x=/new\\1\\g<0>/y\n"


BIN = b"\x7fBIN\xff\0"


@pytest.mark.parametrize(
    ("before", "after", "misfits"),
    [
        pytest.param(b"/opt/a/lib\0rest", b"/b/lib\0\0\0\0\0rest", 0, id="room"),
        pytest.param(b"/opt/a:/opt/a/x\0", b"/b:/b/x" + b"\0" * 9, 0, id="twice"),
        pytest.param(b"/opt/a-other\0", b"/opt/a-other\0", 0, id="another path"),
        pytest.param(b"-I/opt/a\0", b"-I/b\0\0\0\0\0", 0, id="an option at the start of a string"),
        pytest.param(b"/opt/a/lib", b"/opt/a/lib", 1, id="no NUL at the end"),
    ],
)
def test_a_binary_is_rewritten_in_its_c_strings(before: bytes, after: bytes, misfits: int) -> None:
    assert rewrite_content(BIN + before, (A,), "/b") == Rewritten(BIN + after, misfits)


def test_a_binary_without_room_is_left_and_counted() -> None:
    data = BIN + b"/opt/a:/opt/a/x\0" + b"\0" * 50 + b"/opt/a\0"
    assert rewrite_content(data, (A,), B) == Rewritten(data, 3)


@settings(EXAMPLES, max_examples=500)
@given(
    st.lists(st.sampled_from([b"/opt/a", b"\0", b"/x", b"\xff", b":", b"-o", b"\0\0\0"])), st.sampled_from(["/b", B])
)
def test_the_length_of_a_binary_never_changes(pieces: list[bytes], target: str) -> None:
    data = BIN + b"".join(pieces)
    rewritten = rewrite_content(data, (A,), target)
    assert len(rewritten.data) == len(data)
    for string in re.finditer(rb"[^\0]+", data):
        if A.encode() not in string.group() or string.end() == len(data):
            assert rewritten.data[slice(*string.span())] == string.group()


# scripts that no record describes -------------------------------------------------------------------------------

PLAIN = "#!{exe}{options}\n"
CONDA_EXEC = "#!/bin/sh\n'''exec' \"{exe}\"{options} \"$0\" \"$@\" #'''\n"
DISTLIB_EXEC = "#!/bin/sh\n'''exec' {exe}{options} \"$0\" \"$@\"\n' '''\n"
DISTLIB_QUOTED = "#!/bin/sh\n'''exec' \"{exe}\"{options} \"$0\" \"$@\"\n' '''\n"
BODY = "import sys\nhome = '{prefix}'\n"


@pytest.mark.parametrize("written", [PLAIN, CONDA_EXEC, DISTLIB_EXEC, DISTLIB_QUOTED])
@pytest.mark.parametrize("options", ["", " -s"])
@pytest.mark.parametrize(
    ("target", "form"),
    [
        pytest.param("/b", PLAIN, id="short"),
        pytest.param(prefix_of(150), CONDA_EXEC, id="long"),
        pytest.param("/sp ace/b", CONDA_EXEC, id="space"),
    ],
)
def test_a_python_script_starts_at_its_new_place(written: str, options: str, target: str, form: str) -> None:
    before = written.format(exe=f"{A}/bin/python3.11", options=options) + BODY.format(prefix=A)
    after = form.format(exe=f"{target}/bin/python3.11", options=options) + BODY.format(prefix=target)
    assert rewrite_content(before.encode(), (A,), target).data == after.encode()


@pytest.mark.parametrize(("executable_bytes", "form"), [(123, PLAIN), (124, PLAIN), (125, CONDA_EXEC)])
def test_an_entry_point_has_condas_limit_of_124_bytes(executable_bytes: int, form: str) -> None:
    target = prefix_of(executable_bytes - len("/bin/python3.11"))
    before = PLAIN.format(exe=f"{A}/bin/python3.11", options="") + "import x\n"
    after = form.format(exe=f"{target}/bin/python3.11", options="") + "import x\n"
    assert rewrite_content(before.encode(), (A,), target).data == after.encode()


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (shebang_prefix(127, "/bin/perl -w"), "#!{target}/bin/perl -w\n"),
        (shebang_prefix(128, "/bin/perl -w"), "#!/usr/bin/env perl -w\n"),
        ("/sp ace", "#!/usr/bin/env perl -w\n"),
    ],
)
def test_another_interpreter_is_found_by_env_where_its_path_is_too_long(target: str, line: str) -> None:
    assert (
        rewrite_content(b"#!/opt/a/bin/perl -w\n1;\n", (A,), target).data
        == (line + "1;\n").format(target=target).encode()
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"#!/opt/a/bin/python", b"#!/b/bin/python", id="no newline at all"),
        pytest.param(b"#!/opt/a/bin/node --require=/opt/a/x.js\n", b"#!/b/bin/node --require=/b/x.js\n", id="options"),
        pytest.param(b"#!/bin/sh\nexec /opt/a/bin/x\n", b"#!/bin/sh\nexec /b/bin/x\n", id="another interpreter"),
        pytest.param(b"#! /opt/a/bin/perl\n", b"#!/b/bin/perl\n", id="blank"),
        pytest.param(b"#!/opt/a/bin/python\r\nx\r\n", b"#!/b/bin/python\r\nx\r\n", id="CRLF"),
        pytest.param(b"#!/opt/a-other/bin/python\n", b"#!/opt/a-other/bin/python\n", id="another environment"),
        pytest.param(b"#!/opt/a/bin/python\n# caf\xe9\n", b"#!/b/bin/python\n# caf\xe9\n", id="latin-1"),
    ],
)
def test_a_shebang_is_mended_and_nothing_else(before: bytes, after: bytes) -> None:
    assert rewrite_content(before, (A,), "/b") == Rewritten(after)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", True),
        (b"plain\r\n", True),
        ("é世".encode(), True),
        (b"a\0b", False),
        (b"caf\xe9", False),
        ("é".encode("utf-16"), False),
        (b"#!/bin/sh\n# caf\xe9\n", True),
        (b"#!/bin/sh\n\0", False),
        (b"# -*- coding: latin-1 -*-\nx = 'caf\xe9'\n", True),
        (b"\n# vim: set fileencoding=latin-1 :\nx = 'caf\xe9'\n", True),
        (b"\n\n# coding: latin-1\nx = 'caf\xe9'\n", False),
        (b"x = 1 # caf\xe9\n# coding: latin-1\n", False),
    ],
)
def test_text_is_utf_8_or_says_that_it_is_a_script(data: bytes, expected: bool) -> None:
    assert is_text(data) is expected


def test_a_prefix_that_is_not_utf_8_is_found_by_its_bytes() -> None:
    assert sys.getfilesystemencoding() == "utf-8"
    assert rewrite_content(b"#!/bin/sh\n/opt/\xff/x\n", (os.fsdecode(b"/opt/\xff"),), B).data == (
        b"#!/bin/sh\n" + B.encode() + b"/x\n"
    )
