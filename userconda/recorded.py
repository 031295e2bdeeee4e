"""What an environment's own records say of its files: conda's, and pip's RECORD."""

from __future__ import annotations

import base64
import contextlib
import csv
import os
import posixpath
import re
from collections.abc import Iterator

from userconda.errors import (
    NotAPrefix,
    ParentGone,
)
from userconda.prefixes import is_prefix, open_prefix, read_record
from userconda.provenance import read_provenance
from userconda.records import PrefixRecord, installed_paths, site_packages_of


def check_records(prefix: str) -> None:
    """Raise ParentGone where records are links that lead nowhere: which, where the parent has others by now."""
    meta = os.path.join(prefix, "conda-meta")
    try:
        names = sorted(name for name in os.listdir(meta) if name.endswith(".json"))
    except OSError as exc:
        raise NotAPrefix(prefix, f"its conda-meta cannot be read: {exc.strerror}") from None
    if gone := tuple(f"conda-meta/{name}" for name in names if not os.path.exists(os.path.join(meta, name))):
        note = read_provenance(prefix)
        parent = note.links_to if note else ""
        raise ParentGone(prefix, parent, gone if is_prefix(parent) else ())


def normalized_name(name: str) -> str:
    """Of a distribution: PEP 503. What conda calls a package is the same for the ones in question."""
    return re.sub(r"[-_.]+", "-", name).lower()


def known_hashes(prefix: str) -> dict[str, set[str]]:
    """Path -> sha256 of the file as conda's records and pip's RECORD files have it."""
    check_records(prefix)
    root_fd = open_prefix(prefix)
    try:
        names = sorted(name for name in os.listdir(f"{prefix}/conda-meta") if name.endswith(".json"))
        records = [read_record(root_fd, prefix, name) for name in names]
    finally:
        os.close(root_fd)
    site_packages = next((site_packages_of(record) for record in records if record.name == "python"), None)
    known: dict[str, set[str]] = {}
    for record in records:
        for path, sha256 in _recorded(record, site_packages):
            known.setdefault(path, set()).add(sha256)
    for path, sha256 in _recorded_by_pip(prefix, site_packages):
        known.setdefault(path, set()).add(sha256)
    return known


def _recorded(record: PrefixRecord, site_packages: str | None) -> Iterator[tuple[str, str]]:
    for path, entry in installed_paths(record, site_packages):
        if entry is not None and entry.path_type != "unix_python_entry_point":
            sha256 = entry.sha256_in_prefix or entry.sha256
            if sha256:
                yield path, sha256


def _recorded_by_pip(prefix: str, site_packages: str | None) -> Iterator[tuple[str, str]]:
    place = f"{prefix}/{site_packages}"
    if site_packages is None or not os.path.isdir(place):
        return
    for name in sorted(os.listdir(place)):
        if not name.endswith(".dist-info"):
            continue
        try:
            with open(f"{place}/{name}/RECORD", newline="", errors="surrogateescape") as stream:
                rows = [row for row in csv.reader(stream) if len(row) >= 2]
        except (OSError, csv.Error):  # no help, and no harm
            continue
        for row in rows:
            algorithm, _, digest = row[1].partition("=")
            if algorithm == "sha256" and not row[0].startswith("/"):
                with contextlib.suppress(ValueError):
                    raw = base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4))
                    yield posixpath.normpath(posixpath.join(site_packages, row[0])), raw.hex()
