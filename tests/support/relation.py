"""Cloning without the command line, and what must hold between a source and its clone."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from pathlib import Path
from typing import Any

import demo
from tests.support.manifest import Manifest, diff, manifest
from userconda.clone import Surroundings, clone
from userconda.journal import StateDirectory
from userconda.models import CloneRequest, CloneResult, WhenRefused

PROVENANCE = b"conda-meta/ucenv.provenance"


def make_source(root: Path) -> Path:
    """A small system conda that every user can read; the prefix of its environment."""
    prefix = demo.make_system_conda(root, None, small=True).prefix()
    for record in (prefix / "conda-meta").iterdir():  # rattler's are closed to others
        record.chmod(0o644)
    return prefix


def make_big_source(root: Path, files: int) -> Path:
    return demo.make_big_environment(root, files, files // 6, packages=20)


def clone_prefix(source: Path, target: Path, clones: tuple[Path, ...] = (), **request: Any) -> CloneResult:
    """As `ucenv clone`: own copies are made unasked."""
    surroundings = Surroundings(
        package_caches=(str(source.parents[1] / "pkgs"),),
        own_caches=(str(target.parents[1] / "pkgs"),),
        clones=[str(path) for path in clones],
        when_refused=WhenRefused.OWN_COPY,
        own_copy_share=100,
        operations_in_flight=4,
        source_is_base=False,
    )
    words = (source.name, str(source), target.name, str(target))
    return clone(CloneRequest(*words, **request), surroundings)


def leftovers(target: Path) -> list[str]:
    """What a run that has ended must not leave: journals, leases, staging, trash, trials."""
    state = StateDirectory.beside(str(target))
    inside = [path for path in Path(state.path).rglob("*") if path.parent != Path(state.path)]
    trials = [*target.parent.glob(".ucenv-probe*"), *target.parents[1].glob(".ucenv-probe*")]
    return sorted(str(path) for path in (*inside, *trials))


def content(prefix: Path) -> Manifest:
    """A clone's manifest without its provenance, in which the time and the run's token are."""
    return {path: entry for path, entry in manifest(prefix).items() if path != PROVENANCE}


def differences(clone: Manifest, undisturbed: Manifest) -> list[str]:
    """Between two clones made at the same path: nothing but the times at which they were written may differ."""
    return diff(undisturbed, clone, ignoring=("mtime_ns",))


def assert_is_clone(
    source: Path, clone: Path, *, linked: bool | None = None, held: Path | None = None, prefix: Path | None = None
) -> None:
    """The whole relation.

    `linked`: True: every file that may be shared is the source's inode. False: none is. None: not looked at.
    `held`, `prefix`: what the source's and the clone's files hold, where they are seen at other paths.
    """
    here, there = manifest(source), manifest(clone)
    assert there.pop(PROVENANCE).kind == "file"
    left_out = here.keys() - there.keys()
    assert {path for path in left_out if not path.endswith(b".pyc")} == set()
    assert there.keys() - here.keys() == set()
    old, new = os.fsencode(held or source), os.fsencode(prefix or clone)
    for path, entry in there.items():
        was, name = here[path], os.fsdecode(path)
        assert entry.kind == was.kind, name
        if entry.kind == "symlink":
            assert entry.symlink_target == moved(was.symlink_target or b"", old, new), name
        if entry.kind == "file":
            shared = os.lstat(clone / name).st_ino == os.lstat(source / name).st_ino
            check_file(source / name, clone / name, was.sha256 == entry.sha256, (old, new))
            if linked is not None:
                same_record = is_record(name) and was.sha256 == entry.sha256
                expected = linked and (same_record or (not is_record(name) and is_shareable(name, source, old)))
                assert shared == expected, f"{name} shared: {shared}"
            if not shared:
                assert entry.mode & 0o6000 == 0, name
                assert entry.mode == was.mode & 0o777 | (entry.mode & stat.S_IWUSR), name
                if was.sha256 == entry.sha256 and not name.startswith("conda-meta/"):
                    assert entry.mtime_ns == was.mtime_ns, name
    assert _groups(clone) >= _groups(source)


def is_record(name: str) -> bool:
    return name.startswith("conda-meta/") and name.endswith(".json")


def is_shareable(name: str, source: Path, prefix: bytes) -> bool:
    """Told apart by hand for the small source: what is a user's to edit, and what holds the prefix."""
    base = os.path.basename(name)
    if name.startswith(("etc/", "ssl/", "share/jupyter/")) or base in ("history", "state", "pinned", "direct_url.json"):
        return False
    if base.endswith(".pth") or base in ("RECORD", "INSTALLER") or name == "share/odd/not-linked":
        return False
    if name == "bin/odd":  # an entry point of a noarch package holds the prefix though no record says so
        return False
    if base.endswith(".pyc"):  # one whose module is not rewritten; pip's name the source in tracebacks, no more
        return True
    data = (source / name).read_bytes()
    return prefix not in data and os.fsdecode(prefix).encode("utf-16-le") not in data


def check_file(source: Path, clone: Path, same: bool, prefixes: tuple[bytes, bytes]) -> None:
    """An own file is equal but for the prefix; records also for the hashes that follow from that."""
    if same or "conda-meta" in source.parts:
        return
    old, new = prefixes
    data = clone.read_bytes()
    assert new in data or os.fsdecode(new).encode("utf-16-le") in data or clone.name in ("RECORD",), clone
    for ending in (b"/", b"\0", b"\n", b'"'):
        assert old + ending not in data, clone


def moved(target: bytes, old: bytes, new: bytes) -> bytes:
    return new + target[len(old) :] if target == old or target.startswith(old + b"/") else target


def _groups(prefix: Path) -> set[frozenset[str]]:
    """Files of one prefix that are hard links of each other."""
    inodes: dict[int, set[str]] = defaultdict(set)
    for path in prefix.rglob("*"):
        if path.is_file() and not path.is_symlink():
            inodes[path.lstat().st_ino].add(str(path.relative_to(prefix)))
    return {frozenset(names) for names in inodes.values() if len(names) > 1}
