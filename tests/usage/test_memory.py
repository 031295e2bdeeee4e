"""What a scan keeps in memory: less than 100 bytes for an entry in all processes. `make bench` shows a million."""

from __future__ import annotations

from pathlib import Path

from benchmarks import measure
from benchmarks.usage import command, make_links

ENTRIES = 200_000

#: Python, what is imported, and two workers before they have read anything.
BASE_BYTES = 35e6


def test_memory(tmp_path: Path, elsewhere: Path) -> None:
    """Every entry is an inode of its own with a link elsewhere, which is the kind that takes most."""
    space = make_links(elsewhere / "links", ENTRIES)
    memory = measure.memory_of(command(space), measure.environment(tmp_path))
    assert memory.together < BASE_BYTES + 100 * ENTRIES
