"""ELF files made by hand, with nothing in them but what the dynamic linker is asked for."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def make_elf(
    needed: Sequence[str], rpath: str | None = None, runpath: str | None = None, *, wide: bool = True, order: str = "<"
) -> bytes:
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
    sizes = (header_size, segment_size, 2, 0, 0, 0)
    header = ident + struct.pack(f"{order}HHI{word * 3}IHHHHHH", 3, 62, 1, 0, header_size, 0, 0, *sizes)

    def segment(kind: int, offset: int, size: int) -> bytes:
        if wide:
            return struct.pack(f"{order}IIQQQQQQ", kind, 5, offset, base + offset, base + offset, size, size, 8)
        return struct.pack(f"{order}IIIIIIII", kind, offset, base + offset, base + offset, size, size, 5, 4)

    return header + segment(1, 0, whole) + segment(2, start, len(dynamic)) + dynamic + strings
