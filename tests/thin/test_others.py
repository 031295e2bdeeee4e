"""What other people can reach, write for us to read, or change below us: notes, kept analyses, a space that several
users share, the name of a parent."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.users import ADMIN, USER
from tests.thin.places import Place
from userconda import thin
from userconda.provenance import read_provenance

pytestmark = [pytest.mark.root, pytest.mark.serial]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# notes ----------------------------------------------------------------------------------------------------------

_ODD_NOTES: dict[str, dict[str, Any]] = {
    "words for sizes": {"linked_bytes": ["x"] * 20},
    "no sizes": {"linked_bytes": [None] * 20},
    "huge sizes": {"linked_bytes": [10**400] * 20},
    "sizes below zero": {"linked_bytes": [-(10**15)] * 20},
    "endless time": {"time": float("inf")},
    "no time": {"time": float("nan")},
    "links out of it": {"links_to": "../..", "linked": ["../..", "/etc", ""], "linked_bytes": [1, 2, 3]},
    "escapes": {"links_to": "/x\x1b]0;hi\x07", "source_name": "a\x1b[31m\n"},
}


@pytest.mark.parametrize("change", _ODD_NOTES.values(), ids=_ODD_NOTES)
def test_a_note_that_says_anything(odd: Place, change: dict[str, Any]) -> None:
    odd.clone()
    note = odd.target() / "conda-meta/ucenv.provenance"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    for words in (
        ["list"],
        ["info", "mine"],
        ["usage"],
        ["usage", "mine", "--json"],
        ["thaw", "--dry-run", "mine", "--all"],
        ["thaw", "--dry-run", "mine", "odd-python"],
        ["clone", "--dry-run", "mine", "second"],
    ):
        done = odd.ucenv(*words)
        assert done.returncode != 3, done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr


def test_a_note_of_very_many_links_is_read(odd: Place) -> None:
    """As one is after directories of many children were thawed."""
    odd.clone()
    note = read_provenance(str(odd.target()))
    assert note is not None
    many = tuple(f"libexec/some/long/name/of/a/directory/{number}" for number in range(30_000))
    large = dataclasses.replace(note, linked=(*note.linked, *many), linked_bytes=(*note.linked_bytes, *[1] * 30_000))
    (odd.target() / "conda-meta/ucenv.provenance").write_bytes(large.to_bytes())
    assert read_provenance(str(odd.target())) == large


# kept analyses --------------------------------------------------------------------------------------------------


def test_the_first_thing_in_a_space_closes_it_to_others(odd: Place) -> None:
    """Where everyone's group is the same, and its members may write what one makes."""
    for name in ("first", "second"):
        done = odd.ucenv("clone", "--thin", str(odd.source), name, umask=0o002)
        assert done.returncode == 0, done.stderr
    assert mode(odd.space / ".ucenv") == 0o700
    (file,) = (odd.space / ".ucenv/analyses").iterdir()
    assert (mode(file.parent), mode(file)) == (0o755, 0o644)


def test_the_sites_can_be_read_whatever_the_administrators_umask(odd: Place) -> None:
    file = Path(thin.site_file(str(odd.source), str(odd.conda.root)))
    (odd.conda.root / "etc").mkdir(exist_ok=True)
    os.chown(odd.conda.root / "etc", ADMIN.uid, ADMIN.gid)
    config = odd.space / "site.toml"
    config.write_text(f'[conda]\nroot = "{odd.conda.root}"\nversion = "4.8.3"\n')
    done = odd.ucenv("site", "index", "--config", config, user=ADMIN, umask=0o077)
    assert done.returncode == 0, done.stderr
    assert (mode(file.parents[1]), mode(file.parent), mode(file)) == (0o755, 0o755, 0o644)


def test_nothing_is_kept_in_somebody_elses_directory(odd: Place) -> None:
    """Who may write there could have put a link to a file of the user's under the name that is written."""
    theirs = odd.space / ".ucenv"
    (theirs / "analyses").mkdir(parents=True)
    theirs.chmod(0o777)
    (theirs / "analyses").chmod(0o777)
    odd.clone()
    assert [*(theirs / "analyses").iterdir()] == []
    assert [path.stat().st_uid for path in (odd.space / f".ucenv-{USER.uid}/analyses").iterdir()] == [USER.uid]


# parents --------------------------------------------------------------------------------------------------------


def state_of(place: Place, name: str) -> str:
    done = place.ucenv("list", "--json")
    (found,) = (e for e in json.loads(done.stdout)["result"]["environments"] if e["name"] == name)
    return str(found["parent_state"])


def thaws(place: Place, name: str) -> bool:
    done = place.ucenv("thaw", name, "--all")
    assert done.returncode == 0, done.stderr
    links = [os.readlink(path) for path in place.target(name).rglob("*") if path.is_symlink()]
    return not any(target.startswith(f"{place.source}/") for target in links)


def test_a_name_that_means_another_version_by_now(odd: Place) -> None:
    """Links lead to the version that was cloned, so its state counts."""
    name = odd.source.parent / "current"
    name.symlink_to(odd.source.name)
    odd.clone("mine", source=name)
    name.unlink()
    shutil.copytree(odd.source, odd.source.parent / "next", symlinks=True)
    next((odd.source.parent / "next/conda-meta").glob("odd-generic-*.json")).unlink()
    name.symlink_to("next")
    assert state_of(odd, "mine") == ""
    assert thaws(odd, "mine")


def test_a_clone_of_a_thin_clone_that_is_gone(odd: Place) -> None:
    odd.clone("first")
    done = odd.ucenv("clone", "first", "second")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(odd.target("first"))
    assert state_of(odd, "second") == ""
    assert thaws(odd, "second")
