"""The site's pins in an environment: a block of ours in its `conda-meta/pinned`, lines of others left alone.

Pins that bind users' environments are `pinned_packages` in the conda's `.condarc` (see `configure`); conda reads the
`pinned` of a prefix for that prefix only.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from userconda.errors import FileRefused
from userconda.probe import owner_name
from userconda.site.edits import FileEdit, encode, read_text

BEGIN = "# pins of site.toml, by `ucenv site`: what is changed between here and the end is lost"
END = "# end of the pins of site.toml"

_BLOCK = re.compile(rf"^{re.escape(BEGIN)}\r?\n.*?^{re.escape(END)}(?:\r?\n|\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"\s*(?:[^\s#]*::)?([A-Za-z0-9_.+-]+)")


def pin_specs(pins: Mapping[str, str]) -> list[str]:
    """{"cudatoolkit": "<10.3"} -> ["cudatoolkit <10.3"]"""
    return [f"{name} {version}" for name, version in pins.items()]


def with_pins(text: str, pins: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text of a `pinned` with these pins, in the place of those of ours; and the packages that are left out, since
    a line of somebody else's pins them."""
    rest = _BLOCK.sub("", text)
    theirs = {match[1].lower() for line in rest.splitlines() if (match := _NAME.match(line))}
    kept = {name: version for name, version in pins.items() if name.lower() not in theirs}
    left_out = tuple(name for name in pins if name not in kept)
    if not kept:
        return rest, left_out
    newline = "\r\n" if "\r\n" in text else "\n"
    block = newline.join((BEGIN, *pin_specs(kept), END, ""))
    if found := _BLOCK.search(text):
        return text[: found.start()] + block + _BLOCK.sub("", text[found.end() :]), left_out
    return rest + (newline if rest and not rest.endswith("\n") else "") + block, left_out


def plan_pinned(prefix: str, pins: Mapping[str, str]) -> tuple[FileEdit | None, tuple[str, ...]]:
    """What `conda-meta/pinned` of an environment becomes, None where it is right; and warnings.

    Raises:
        FileRefused, FileOperation: it cannot be read.
    """
    path = os.path.join(prefix, "conda-meta", "pinned")
    if owner := _owner_of_link(prefix):
        return None, (f"{path} is left: a link to it is of {owner}",)
    text, target, status = read_text(path)
    new, left_out = with_pins(text, pins)
    warnings = tuple(f"{path} has a line of its own for {name}, which stays" for name in left_out)
    if new == text:
        return None, warnings
    return FileEdit(target, encode(new) if new else None, status, 0 if status else 0o444), warnings


def _owner_of_link(prefix: str) -> str:
    """Another user whose link the file would be reached through: it may lead to any file of ours. Links of root's, our
    own, and of whoever owns the directory of environments are the site's."""
    trusted = {0, os.geteuid(), os.stat(os.path.dirname(prefix)).st_uid}
    for path in (prefix, os.path.join(prefix, "conda-meta"), os.path.join(prefix, "conda-meta", "pinned")):
        try:
            status = os.lstat(path)
        except OSError:  # not there, or read_text says why not
            continue
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in trusted:
            return owner_name(status.st_uid)
    return ""


def write_pinned(prefix: str, pins: Mapping[str, str]) -> tuple[str, ...]:
    """Bring an environment's `pinned` up to date, with what to warn of. It has a `conda-meta`.

    Raises:
        FileRefused: it is no text file, or changes all the time.
        FileOperation, NotEnoughSpace, QuotaExceeded: it is as it was.
    """
    for _ in range(3):
        edit, warnings = plan_pinned(prefix, pins)
        if edit is None or edit.write():
            return warnings
    raise FileRefused(os.path.join(prefix, "conda-meta", "pinned"), 0, "somebody else is changing it")
