"""Re-targeting a file from one prefix to another: forward replacement, its exact inverse, and the search for a path.

A package holds a placeholder P where its files will hold their prefix. An installer at prefix A wrote A for P. With
the record's sha256 of the packed file that can be undone and checked, so a file installed at A can be re-targeted
to B without the package: invert A -> P, compare, replace P -> B.

Two dialects of forward replacement exist. They differ in C strings that end with the file instead of a NUL (conda
leaves them, rattler replaces them) and in how a shebang too long for the kernel is shortened. An inversion that
hashes right tells which one wrote the file.

Sources: conda/core/portability.py, rattler/src/install/link.rs, and their entry point writers.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap

#: The encodings in which conda looks for a placeholder, in its order.
ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")

#: Longest first line, `#!` included and newline excluded, that conda leaves as it is (Linux: 255 since 5.1).
MAX_SHEBANG: Final = 127 if sys.platform == "linux" else 512

_SHEBANG: Final = re.compile(rb"^(#!(?: *)(/(?:\\ |[^ \n\r\t])*)(.*))$", re.MULTILINE)

#: What stands around a whole path. Before it: no part of a longer path, save after an option letter (-I/opt/x), an
#: escaped newline or tab, or a URL's authority (file:///opt/x). After it: nothing that would continue the last name.
_BEFORE: Final = rb"(?:(?<![\w.~+/\x80-\xff-])|(?<=[^\w]-[A-Za-z])|(?<=\A-[A-Za-z])|(?<=\\[nrt])|(?<=://))"
_AFTER: Final = rb"(?!\.*[\w~+@%\x80-\xff-]|\\ )"

#: The first two lines by which a script starts an interpreter whose path the kernel would not take, as conda and
#: rattler (one line and a comment), and pip's distlib (two lines) write them.
_EXEC_SHEBANG: Final = re.compile(
    rb"\A#!/bin/sh\n'''exec' "
    rb'(?:"(?P<quoted>/[^"\n]*)"|(?P<bare>/[^"\s]*))(?P<options>[^\n]*?) "\$0" "\$@"'
    rb"(?: #'''\n|\n' '''\n)"
)
#: What sh would act on between double quotes, or Python between triple ones: no such path goes into a script's text.
_SPECIAL: Final = re.compile(rb"""["$`\\]|'''""")
_PYTHON_NAME: Final = re.compile(rb"python[0-9.]*t?\Z")
_RATTLER_PYTHON_NAME: Final = re.compile(rb"python(?:\d+(?:\.\d+)?)?\Z")

#: What a Python source says of its encoding, in one of its first two lines (PEP 263).
_CODING: Final = re.compile(rb"(?:[ \t\f]*(?:#.*)?\r?\n)?[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


class FileMode(Enum):
    """How a package marks a file that holds the placeholder."""

    TEXT = "text"
    BINARY = "binary"


class Dialect(Enum):
    """Which installer's rules a file was written by."""

    CONDA = "conda"
    RATTLER = "rattler"


class NoRoom(Exception):
    """A C string cannot take the longer path."""


# forward --------------------------------------------------------------------------------------------------------


def replace(data: bytes, placeholder: str, prefix: str, file_mode: FileMode, dialect: Dialect = Dialect.CONDA) -> bytes:
    """Packed bytes -> the bytes an installer writes at `prefix`.

    Raises:
        NoRoom: binary, and `prefix` is longer than the placeholder.
    """
    if dialect is Dialect.RATTLER and file_mode is FileMode.TEXT:
        return _replace_as_rattler(data, placeholder.encode(), os.fsencode(prefix))
    for encoding in ENCODINGS if dialect is Dialect.CONDA else ENCODINGS[:1]:
        old, new = placeholder.encode(encoding), _encoded(prefix, encoding)
        if old not in data:
            continue
        if file_mode is FileMode.BINARY:
            data = _replace_c_strings(data, old, new, len("\0".encode(encoding)), dialect)
        else:
            first, newline, rest = data.partition(b"\n")
            if newline:  # conda escapes spaces in the first line, so that it is shortened below
                space, escaped, marker = (text.encode(encoding) for text in (" ", "\\ ", "#!"))
                first = first.replace(marker + old, marker + new.replace(space, escaped))
            data = (first + newline + rest).replace(old, new)
    return data if file_mode is FileMode.BINARY else shorten_shebang(data)


def dialect_for(target_prefix: str, file_mode: FileMode, dialect: Dialect) -> Dialect:
    """The dialect to write a clone's file in: its installer's, save that no path which sh would act on goes to sh."""
    special = file_mode is FileMode.TEXT and _SPECIAL.search(os.fsencode(target_prefix))
    return Dialect.CONDA if special else dialect


def shorten_shebang(data: bytes) -> bytes:
    """A first line that the kernel would not take, in conda's `/usr/bin/env` form (it needs the environment active)."""
    match = _SHEBANG.match(data)
    if match is None:
        return data
    whole, executable, options = match.groups()
    directory, _, name = executable.rpartition(b"/")
    if len(whole) <= MAX_SHEBANG and b"\\ " not in directory:
        return data
    return data.replace(whole, b"#!/usr/bin/env " + name + options)


def _replace_as_rattler(data: bytes, old: bytes, new: bytes) -> bytes:
    first, newline, rest = data.partition(b"\n")
    if not newline or not first.startswith(b"#!"):
        return data.replace(old, new)
    if b" " in new:
        first = (_shorten_as_rattler(first) if old in first else first).replace(old, new)
    elif len(first := first.replace(old, new)) > MAX_SHEBANG:
        first = _shorten_as_rattler(first)
    return first + newline + rest.replace(old, new)


def _shorten_as_rattler(line: bytes) -> bytes:
    match = _SHEBANG.match(line)
    if match is None:
        return line
    name = match[2].rpartition(b"/")[2]
    if _RATTLER_PYTHON_NAME.match(name):
        return _exec_lines(match[2], match[3])
    return b"#!/usr/bin/env " + name + match[3]


def _exec_lines(executable: bytes, options: bytes) -> bytes:
    """Two lines that sh takes for a command and Python for a string: no path is too long there, or has a space."""
    return b"#!/bin/sh\n'''exec' \"" + executable + b'"' + options + b' "$0" "$@" #\'\'\''


def _replace_c_strings(data: bytes, old: bytes, new: bytes, width: int, dialect: Dialect) -> bytes:
    zero = b"\0" * width
    end = b"(?:%b)" % re.escape(zero) if dialect is Dialect.CONDA else rb"(?:\0|\Z)"

    def put(match: re.Match[bytes]) -> bytes:
        padding = (len(old) - len(new)) * match.group().count(old)
        if padding < 0:
            raise NoRoom
        return match.group().replace(old, new) + b"\0" * padding

    return re.sub(re.escape(old) + rb"(?:(?!%b).)*" % re.escape(zero) + end, put, data, flags=re.DOTALL)


# inverse --------------------------------------------------------------------------------------------------------


#: In which order encodings are undone. conda's little-endian passes also take big-endian text that a NUL follows, one
#: byte further on; then they padded it, and must be undone first.
_UNDOING: Final = (
    (Dialect.CONDA, ENCODINGS[::-1]),
    (Dialect.RATTLER, ENCODINGS[:1]),
    (Dialect.CONDA, ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be", "utf-8")),
)


def invert(data: bytes, prefix: str, placeholder: str, file_mode: FileMode) -> Iterator[tuple[Dialect, bytes]]:
    """Bytes installed at `prefix` -> what the packed bytes may have been, likeliest first. The caller checks hashes."""
    if file_mode is FileMode.BINARY:
        for dialect, encodings in _UNDOING:
            packed: bytes | None = data
            for encoding in encodings:
                old, new = _encoded(prefix, encoding), placeholder.encode(encoding)
                if packed is not None and old in packed:
                    packed = _restore_c_strings(packed, old, new, len("\0".encode(encoding)), dialect)
            if packed is not None:
                yield dialect, packed
        return
    packed = data
    for encoding in reversed(ENCODINGS):
        old, new = _encoded(prefix, encoding), placeholder.encode(encoding)
        packed = packed.replace(old, new)
        if " " in prefix:  # conda's escape, where it stayed because `#!` did not begin the file
            space, escaped, marker = (text.encode(encoding) for text in (" ", "\\ ", "#!"))
            packed = packed.replace(marker + old.replace(space, escaped), marker + new)
    yield Dialect.CONDA, packed
    for dialect, line, lines_taken in _original_shebangs(packed, placeholder.encode()):
        rest = packed.split(b"\n", lines_taken)[lines_taken:]
        yield dialect, b"\n".join((line, *rest))


def _encoded(prefix: str, encoding: str) -> bytes:
    raw = os.fsencode(prefix)
    return raw if encoding == "utf-8" else raw.decode("utf-8", "replace").encode(encoding)


def _restore_c_strings(data: bytes, old: bytes, new: bytes, width: int, dialect: Dialect) -> bytes | None:
    """None where a string lacks the padding that a replacement would have left."""
    zero = re.escape(b"\0" * width)
    end = b"(?:%b)" % zero if dialect is Dialect.CONDA else rb"(?:\0|\Z)"
    pattern = re.compile(re.escape(old) + rb"(?:(?!%b).)*" % zero + end, re.DOTALL)
    parts: list[bytes] = []
    position = 0
    while match := pattern.search(data, position):
        padding = (len(new) - len(old)) * match.group().count(old)
        text, after = match.group(), match.end() + padding
        if dialect is Dialect.RATTLER and after == len(data) + 1 and text.endswith(b"\0"):
            # The string ended with the file: its padding was taken for a terminator.
            text, after = text[:-1], len(data)
        if padding < 0 or after > len(data) or data[match.end() : after].strip(b"\0"):
            return None
        parts += data[position : match.start()], text.replace(old, new)
        position = after
    return b"".join((*parts, data[position:]))


def _original_shebangs(data: bytes, placeholder: bytes) -> Iterator[tuple[Dialect, bytes, int]]:
    """The first line from which a shortened shebang may have come, and how many lines now stand for it."""
    first = data.partition(b"\n")[0]
    if first.startswith(b"#!/usr/bin/env "):
        for blank in (b"", b" "):
            yield Dialect.CONDA, b"#!" + blank + placeholder + b"/bin/" + first[len(b"#!/usr/bin/env ") :], 1
    if match := _EXEC_SHEBANG.match(data):
        executable = match["quoted"] or match["bare"]
        for blank in (b"", b" "):
            yield Dialect.RATTLER, b"#!" + blank + executable + match["options"], 2


@dataclass(frozen=True, slots=True)
class Origin:
    """What an installed file was made of."""

    packed: bytes
    dialect: Dialect
    prefix: str


def find_origin(
    data: bytes, prefixes: tuple[str, ...], placeholder: str, file_mode: FileMode, sha256: str
) -> Origin | None:
    """Undo an installation: the packed bytes, proven by `sha256`, and the prefix that was put into them."""
    import hashlib  # most commands do without it, and it takes as long to load as this whole module

    for prefix in prefixes:
        for dialect, packed in invert(data, prefix, placeholder, file_mode):
            if hashlib.sha256(packed).hexdigest() == sha256:
                # What one dialect leaves alone another replaces: the one that makes this very file wrote it.
                makers = (d for d in Dialect if makes(packed, placeholder, prefix, file_mode, d, data))
                return Origin(packed, next(makers, dialect), prefix)
    return None


def makes(packed: bytes, placeholder: str, prefix: str, file_mode: FileMode, dialect: Dialect, data: bytes) -> bool:
    """Whether an installer that follows that dialect makes these bytes of the packed ones."""
    try:
        return replace(packed, placeholder, prefix, file_mode, dialect) == data
    except NoRoom:
        return False


# entry points and content nobody recorded -----------------------------------------------------------------------


def path_pattern(prefixes: tuple[str, ...], staying: Iterable[str] = ()) -> re.Pattern[bytes]:
    """Matches any of the prefixes as a whole path: /opt/a, /opt/a/x and -I/opt/a, not /opt/a-b, /opt/ab, /mnt/opt/a.

    Args:
        staying: names below a prefix that stay where they are (`envs` of a conda root): /opt/a/envs/x does not match.
    """
    names = sorted((os.fsencode(prefix) for prefix in prefixes), key=len, reverse=True)
    below = b"".join(b"(?!/+%b%b)" % (re.escape(os.fsencode(name)), _AFTER) for name in sorted(staying))
    return re.compile(_BEFORE + b"(?:" + b"|".join(map(re.escape, names)) + b")" + _AFTER + below)


class PathFinder:
    """Finds whole paths in large files: a plain search for the bytes first, then a look at what stands around them."""

    def __init__(self, prefixes: tuple[str, ...], staying: Iterable[str] = ()) -> None:
        self.pattern = path_pattern(prefixes, staying)
        names = [os.fsencode(prefix) for prefix in prefixes]
        # One prefix may begin like another: what they share finds both.
        self._needles = [n for n in names if not any(other != n and n.startswith(other) for other in names)]

    def find(self, data: bytes | mmap.mmap, start: int = 0) -> re.Match[bytes] | None:
        """The first whole path at or after `start`."""
        while True:
            places = [place for needle in self._needles if (place := data.find(needle, start)) >= 0]
            if not places:
                return None
            if match := self.pattern.match(data, min(places)):
                return match
            start = min(places) + 1


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Content after a rewrite.

    Attributes:
        misfits: places that still hold the old prefix, because a binary has no room there.
    """

    data: bytes
    misfits: int = 0


def rewrite_content(
    data: bytes, prefixes: tuple[str, ...], target_prefix: str, staying: Iterable[str] = ()
) -> Rewritten:
    """Re-target a file that no record describes: at path boundaries only; in a binary only within C strings.

    A C string takes a path no longer than the one it holds: NULs after its terminator may be somebody's zeros.
    """
    finder, target = PathFinder(prefixes, staying), os.fsencode(target_prefix)
    pattern = finder.pattern
    if is_text(data):
        rewritten = pattern.sub(lambda _: target, data)
        return Rewritten(_mend_shebang(data, rewritten, pattern, target))
    misfits = 0
    parts: list[bytes] = []
    position = end = 0
    while match := finder.find(data, end):
        start, end = data.rfind(b"\0", 0, match.start()) + 1, data.find(b"\0", match.end())
        terminated = end >= 0
        end = end if terminated else len(data)
        text, count = pattern.subn(lambda _: target, data[start:end])
        if not terminated or len(text) > end - start:
            misfits += count
            continue
        parts += data[position:start], text.ljust(end - start, b"\0")
        position = end
    return Rewritten(b"".join((*parts, data[position:])), misfits)


def is_text(data: bytes) -> bool:
    """No NUL, and UTF-8, or a script or Python source in an older encoding: what starts with `#!` must be started."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.startswith(b"#!") or _CODING.match(data) is not None
    return True


def _mend_shebang(before: bytes, after: bytes, pattern: re.Pattern[bytes], target: bytes) -> bytes:
    """Make sure that the kernel can still start a script whose interpreter moved.

    Python scripts get the `/bin/sh` form, which works in an environment that is not active; others conda's `env`.
    """
    if old := _EXEC_SHEBANG.match(before):
        executable, options, rest = old["quoted"] or old["bare"], old["options"], before[old.end() - 1 :]
    elif first := _SHEBANG.match(before):
        executable, options, rest = first[2].replace(b"\\ ", b" "), first[3], before[first.end() :]
    else:
        return after
    moved = pattern.sub(lambda _: target, executable)
    if moved == executable:
        return after
    name = moved.rpartition(b"/")[2]
    options = pattern.sub(lambda _: target, options)
    plain = b"#!" + moved + options
    python = _PYTHON_NAME.match(name) is not None
    # conda and distlib count the newline of a Python script's first line, conda not that of a package's script.
    if len(plain) + python <= MAX_SHEBANG and b" " not in moved:
        line = plain
    elif python and not _SPECIAL.search(moved):
        line = _exec_lines(moved, options)
    else:
        line = b"#!/usr/bin/env " + name + options
    return line + pattern.sub(lambda _: target, rest)
