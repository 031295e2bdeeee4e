"""What an ELF file asks the dynamic linker for: DT_NEEDED, DT_RPATH, DT_RUNPATH, and nothing else of it.

32 and 64 bit, both byte orders. Whatever is no ELF file, or a broken one, is None: a file that the linker cannot load
reaches nothing. Source: the System V ABI, chapters 4 and 5 (elf.h).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: `read(offset, size)`: up to that many bytes of the file.
Read = Callable[[int, int], bytes]

_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_STRTAB: Final = 5
_DT_STRSZ: Final = 10
_DT_RPATH: Final = 15
_DT_RUNPATH: Final = 29

#: Beyond these a file is broken, or made to make us read much.
_MOST_SEGMENTS: Final = 4096
_MOST_DYNAMIC_BYTES: Final = 1 << 20
_MOST_STRING_BYTES: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Dynamic:
    """
    Attributes:
        needed: sonames, as they stand there.
        search: DT_RUNPATH's directories, else DT_RPATH's, which counts only where there is no DT_RUNPATH.
    """

    needed: tuple[str, ...]
    search: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def parse_dynamic(read: Read) -> Dynamic | None:
    """None for what is no ELF file, has no dynamic section, or is broken."""
    try:
        return _parse(read)
    except (struct.error, OverflowError):
        return None


def _parse(read: Read) -> Dynamic | None:
    head = read(0, 64)
    if head[:4] != b"\x7fELF" or len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
        return None
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    segments = _segments(read, head, wide, order)
    dynamic = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return None
    data = read(dynamic.offset, min(dynamic.size, _MOST_DYNAMIC_BYTES))
    entry = struct.Struct(order + ("QQ" if wide else "II"))
    values: dict[int, list[int]] = {}
    for tag, value in entry.iter_unpack(data[: len(data) // entry.size * entry.size]):
        if tag == _DT_NULL:
            break
        values.setdefault(tag, []).append(value)
    strings = _strings(read, segments, values)
    if strings is None:
        return None
    needed = tuple(_string(strings, value) for value in values.get(_DT_NEEDED) or [])
    search = [_string(strings, value) for value in values.get(_DT_RUNPATH) or values.get(_DT_RPATH) or []]
    return Dynamic(needed, tuple(part for text in search for part in text.split(":") if part))


def _segments(read: Read, head: bytes, wide: bool, order: str) -> list[_Segment]:
    (offset,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)
    size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
    header = struct.Struct(order + ("IIQQQQ" if wide else "IIIII"))
    if size < header.size or count > _MOST_SEGMENTS:
        return []
    table = read(offset, size * count)
    segments = []
    for start in range(0, len(table) - header.size + 1, size):
        fields = header.unpack_from(table, start)
        # p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz; in 32 bit the flags stand behind the sizes.
        kind, position, address, length = (
            (fields[0], fields[2], fields[3], fields[5]) if wide else (fields[0], fields[1], fields[2], fields[4])
        )
        segments.append(_Segment(kind, position, address, length))
    return segments


def _strings(read: Read, segments: list[_Segment], values: dict[int, list[int]]) -> bytes | None:
    """The string table, which the dynamic section names by the address it is loaded at."""
    if _DT_STRTAB not in values or _DT_STRSZ not in values:
        return None
    address, size = values[_DT_STRTAB][-1], values[_DT_STRSZ][-1]
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return read(segment.offset + address - segment.address, min(size, _MOST_STRING_BYTES))
    return None


def _string(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    return strings[offset : end if end >= 0 else len(strings)].decode("utf-8", "surrogateescape")
