"""`ucenv clone`: words -> request, and what is said of the result."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.conftest import Cluster
from tests.support.faults import FaultyOs

SOURCE = "py3_powerai_1.7.0"


def test_the_report_of_a_clone(ucenv: Cluster) -> None:
    run = ucenv("clone", SOURCE, "mine")
    size, count = r"[\d.]+ (?:B|kB|MB)", r"[\d,]+"
    assert re.fullmatch(
        rf"Cloned py3_powerai_1\.7\.0 -> mine in [\d.]+ s\n"
        rf"  +{count} files hard-linked +{size}   yours already, not charged again\n"
        rf"  +{count} files of its own +{size}   they hold the environment's path, or are yours to edit\n"
        rf"  charged to you: {size}, {count} inodes \({size} and {count} of them are directories\)\n"
        rf"  a copy would be charged {size}, {count} inodes\n"
        rf"  the source is yours: writing a shared file in place changes it in both\n",
        run.out,
    )


def test_the_report_names_the_owner_who_is_charged(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userconda.clone.probe.owner_name", lambda uid: "admin")
    another = FaultyOs(counted=())
    setattr(another, "geteuid", lambda: 4711)  # noqa: B010
    monkeypatch.setattr("userconda.clone.os", another)
    assert "charged to admin, not to you" in ucenv("clone", SOURCE, "mine").out


def test_the_columns_of_the_report_stand_below_each_other(ucenv: Cluster) -> None:
    rows = ucenv("clone", SOURCE, "mine").out.splitlines()[1:3]
    assert len({re.search(r"[kMG]?B   ", row).end() for row in rows}) == 1  # type: ignore[union-attr]


def test_the_report_of_a_dry_run(ucenv: Cluster) -> None:
    run = ucenv("clone", SOURCE, "mine", "--dry-run")
    assert run.out.startswith("Would clone py3_powerai_1.7.0 -> mine\n")
    charged = r"^  charged to you: [\d.]+ kB, \d+ inodes \([\d.]+ kB and \d+ of them are directories\)$"
    assert re.search(charged, run.out, re.M)
    assert not (ucenv.root / "envs").exists()


def test_what_was_copied_says_why(ucenv: Cluster, elsewhere: Path) -> None:
    run = ucenv("clone", SOURCE, "--prefix", str(elsewhere / "mine"), "--yes")
    assert re.search(r"^  \d+ files copied +[\d.]+ kB   not linked: they are on another filesystem", run.out, re.M)


def test_what_was_left_out_is_listed(ucenv: Cluster) -> None:
    for number in range(12):
        os.mkfifo(ucenv.site.source / f"var/fifo-{number:02}")
    out = ucenv("clone", SOURCE, "mine").out
    assert "  left out: var/fifo-00 (it is a FIFO)\n" in out
    assert out.count("left out: var/") == 10
    assert "  left out: 2 more (--json lists them)\n" in out


def test_names_that_would_move_the_cursor_are_escaped(ucenv: Cluster) -> None:
    os.mkfifo(os.fsencode(ucenv.site.source) + b"/var/\x1b[2J\xff")
    run = ucenv("clone", SOURCE, "mine")
    assert "\x1b" not in run.out + run.err
    assert r"var/\x1b[2J\xff" in run.out


def test_names_that_are_not_utf_8_are_escaped_in_json(ucenv: Cluster) -> None:
    os.mkfifo(os.fsencode(ucenv.site.source) + b"/var/\xff")
    assert ucenv("clone", SOURCE, "mine", "--json").json["result"]["left_out"][0]["path"] == r"var/\xff"


def _keys(value: Any) -> Any:
    return {key: _keys(item) for key, item in value.items()} if isinstance(value, dict) else None


CONTRACT = {
    **dict.fromkeys(("source_prefix", "target_prefix", "link_mode", "thin", "dry_run", "seconds", "fallbacks")),
    **dict.fromkeys(("left_out", "writable_shared_files", "links_to", "thin_clone")),
    "files": dict.fromkeys(
        ("hardlinked", "twins", "reflinked", "symlinked", "copied", "rewritten", "in_linked_directories", "total")
    ),
    "directories": dict.fromkeys(("made", "linked")),
    "bytes": dict.fromkeys(("total", "shared", "charged")),
    "inodes": {"charged": None},
    "predicted": dict.fromkeys(("bytes", "inodes")),
    "own_copy": dict.fromkeys(("bytes", "inodes")),
    "fit": dict.fromkeys(("left_bytes", "left_inodes", "quota_known", "doubtful")),
}


def test_the_keys_of_the_json_result(ucenv: Cluster) -> None:
    assert _keys(ucenv("clone", SOURCE, "mine", "--json").json["result"]) == CONTRACT


def test_a_dry_run_in_json_has_the_whole_plan(ucenv: Cluster) -> None:
    result = ucenv("clone", SOURCE, "mine", "--json", "--dry-run").json["result"]
    paths = {f"{d['path']}/{own['name']}" for d in result["plan"]["directories"] for own in d["own"]}
    assert result["dry_run"] is True
    assert "etc/odd.conf" in paths


def test_the_keys_of_a_fallback(ucenv: Cluster, elsewhere: Path) -> None:
    run = ucenv("clone", SOURCE, "--prefix", str(elsewhere / "mine"), "--json", "--yes")
    (fallback,) = run.json["result"]["fallbacks"]
    assert list(fallback) == ["errno", "from", "to", "files", "bytes", "reason"]
    assert (fallback["from"], fallback["to"]) == ("hardlink", "copy")


# quiet ----------------------------------------------------------------------------------------------------------


def test_quiet_is_silent(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRATCH")  # there would be a note
    run = ucenv("clone", SOURCE, "mine", "--quiet")
    assert (run.code, run.out, run.err) == (0, "", "")


def test_quiet_speaks_when_it_fails(ucenv: Cluster) -> None:
    run = ucenv("clone", "nothing", "mine", "--quiet")
    assert run.code == 10
    assert "nothing" in run.err


# which source ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", [SOURCE, f"system:{SOURCE}", "{envs}/py3_powerai_1.7.0", "{envs}/py3_powerai_1.7.0/", "./py3_powerai_1.7.0"]
)
def test_ways_to_name_a_source(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.chdir(ucenv.site.conda.envs)
    run = ucenv("clone", word.format(envs=ucenv.site.conda.envs), "mine", "--json")
    assert run.json["result"]["source_prefix"] == str(ucenv.site.source)


@pytest.mark.parametrize("word", ["base", "root", "system:base", "{root}"])
def test_base_is_a_source(ucenv: Cluster, word: str) -> None:
    run = ucenv("clone", word.format(root=ucenv.site.conda.root), "mine", "--json")
    assert run.json["result"]["source_prefix"] == str(ucenv.site.conda.root)
    assert not (ucenv.root / "envs/mine/pkgs").exists()


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_a_name_that_means_both_is_the_users_and_said(ucenv: Cluster, flags: tuple[str, ...]) -> None:
    ucenv("clone", SOURCE, SOURCE)
    run = ucenv("clone", SOURCE, "mine", *flags)
    said = " ".join(run.json["warnings"]) if flags else run.err
    assert f"system:{SOURCE} means the other" in said
    note = json.loads((ucenv.root / "envs/mine/conda-meta/ucenv.provenance").read_text())
    assert note["source"] == str(ucenv.root / "envs" / SOURCE)


def test_a_name_nearly_right_gets_a_suggestion(ucenv: Cluster) -> None:
    run = ucenv("clone", "py3_powerai", "mine")
    assert run.code == 10
    assert f"did you mean {SOURCE}?" in run.err
    assert str(ucenv.root / "envs") in run.err


def test_a_path_that_is_not_there(ucenv: Cluster) -> None:
    assert ucenv("clone", "/nowhere/at/all", "mine").code == 10


@pytest.mark.parametrize("word", ["{root}/pkgs", "{root}/etc-hostname", "not-one"])
def test_what_is_no_environment(ucenv: Cluster, word: str) -> None:
    (ucenv.site.conda.root / "etc-hostname").write_text("")
    (ucenv.root / "envs/not-one").mkdir(parents=True)
    assert ucenv("clone", word.format(root=ucenv.site.conda.root), "mine").code == 11


def test_base_without_a_system_conda(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UCENV_CONDA_ROOT")
    run = ucenv("clone", "base", "mine")
    assert run.code == 13
    assert "UCENV_CONDA_ROOT" in run.err


# which target ---------------------------------------------------------------------------------------------------

UNSAFE = [
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "../x",
    "/abs",
    "tab\there",
    "new\nline",
    "\x1b[2J",
    " x",
    "x ",
    "base",
    "root",
]


@pytest.mark.parametrize("name", UNSAFE, ids=repr)
def test_unsafe_names(ucenv: Cluster, name: str) -> None:
    run = ucenv("clone", SOURCE, name)
    assert run.code == 23
    assert "\x1b" not in run.err
    assert list(ucenv.root.iterdir()) == []


@pytest.mark.parametrize("name", ["-x", "-rf"])
def test_a_name_like_an_option(ucenv: Cluster, name: str) -> None:
    assert ucenv("clone", "--", SOURCE, name).code == 23


def test_a_name_of_over_200_bytes(ucenv: Cluster) -> None:
    assert ucenv("clone", SOURCE, "é" * 101).code == 23


@pytest.mark.parametrize("name", ["mine", "my env", "a.b-c_d+e", "café", "100%", "@x"])
def test_safe_names(ucenv: Cluster, name: str) -> None:
    assert ucenv("clone", SOURCE, name).code == 0
    assert (ucenv.root / "envs" / name / "conda-meta/history").exists()


@pytest.mark.parametrize("name", ["a:b", "a:"])
def test_a_colon_cannot_be_in_a_path(ucenv: Cluster, name: str) -> None:
    assert ucenv("clone", SOURCE, name).code in (2, 23)


@pytest.mark.parametrize("name", ["my env", "a#b"])
def test_names_that_conda_refuses_are_said(ucenv: Cluster, name: str) -> None:
    assert "conda itself refuses names like" in ucenv("clone", SOURCE, name).err


def test_a_name_that_is_taken(ucenv: Cluster) -> None:
    ucenv("clone", SOURCE, "mine")
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 20
    assert "exists already" in run.err


@pytest.mark.parametrize("words", [[SOURCE], [SOURCE, "mine", "--prefix", "/x"], []])
def test_a_clone_needs_one_target(ucenv: Cluster, words: list[str]) -> None:
    assert ucenv("clone", *words).code == 2


@pytest.mark.parametrize("given", ["{tmp}/else/mine", "else/mine", "~/../else/mine", "else/../else/mine/"])
def test_prefix_takes_a_path(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    run = ucenv("clone", SOURCE, "--prefix", given.format(tmp=tmp_path), "--json")
    assert run.json["result"]["target_prefix"] == str(tmp_path / "else/mine")
    assert (tmp_path / "else/mine/conda-meta/history").exists()


def test_a_target_through_a_symlink_keeps_the_given_path_and_says_so(ucenv: Cluster, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "scratch")
    run = ucenv("clone", SOURCE, "mine", "--root", str(tmp_path / "link/space"))
    assert "leads through a symlink" in run.err
    assert (tmp_path / "scratch/space/envs/mine/ssl/openssl.cnf").read_text() == (
        f"dir = {tmp_path}/link/space/envs/mine/ssl\n"
    )


# where the space is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--json",)], ids=["text", "json"])
def test_without_scratch_it_is_said_where_the_clone_goes(
    ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    monkeypatch.delenv("SCRATCH")
    run = ucenv("clone", SOURCE, "mine", *flags)
    said = " ".join(run.json["warnings"]) if flags else run.err
    root = tmp_path / "home/.local/share/ucenv/conda_local"
    assert f"$SCRATCH is not set; the clone goes to {root}, in your home's quota" in said
    assert (root / "envs/mine/conda-meta/history").exists()


def test_a_scratch_that_is_a_file(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCRATCH", str(tmp_path / "file"))
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 52
    assert f"{tmp_path}/file/conda_local/envs cannot be written: Not a directory" in run.err


def test_a_scratch_that_cannot_be_written(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRATCH", "/proc/1")
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 52
    assert "/proc/1" in run.err
    assert "SCRATCH" in run.err


def test_too_little_space(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    space = os.statvfs(ucenv.root)
    fields = {name: getattr(space, name) for name in dir(space) if name.startswith("f_")} | {"f_bavail": 1}
    full = SimpleNamespace(**fields)
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 30
    assert re.search(r"[\d.]+ kB needed, [\d.]+ k?B is left", run.err)


def test_a_broken_record_is_named(ucenv: Cluster) -> None:
    record = next((ucenv.site.source / "conda-meta").glob("odd-files-*.json"))
    record.unlink()
    record.write_text("{")
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 40
    assert str(record) in run.err


def test_links_required(ucenv: Cluster, elsewhere: Path) -> None:
    run = ucenv("clone", SOURCE, "--prefix", str(elsewhere / "mine"), "--require-links")
    assert run.code == 51
    assert "another filesystem" in run.err


def test_too_dear(ucenv: Cluster, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UCENV_CLONE_WHEN_REFUSED", "fail")
    assert ucenv("clone", SOURCE, "--prefix", str(elsewhere / "mine")).code == 33
    assert ucenv("clone", SOURCE, "--prefix", str(elsewhere / "mine"), "--yes").code == 0


def test_private_patterns_come_from_the_configuration(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UCENV_CLONE_PRIVATE", "*.dat,share/x/**")
    ucenv("clone", SOURCE, "mine")
    path = "share/odd/nul.dat"
    assert (ucenv.root / "envs/mine" / path).stat().st_nlink == 1


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_link_modes_are_reported(ucenv: Cluster, mode: str) -> None:
    assert ucenv("clone", SOURCE, "mine", "--json", "--link-mode", mode).json["result"]["link_mode"] == mode


def test_an_unknown_link_mode(ucenv: Cluster) -> None:
    run = ucenv("clone", SOURCE, "mine", "--link-mode", "magic")
    assert run.code == 2
    assert "magic" in run.err


def test_links_only_and_copies_exclude_each_other(ucenv: Cluster) -> None:
    run = ucenv("clone", SOURCE, "mine", "--require-links", "--link-mode", "copy")
    assert run.code == 2
    assert not (ucenv.root / "envs").exists()


def test_an_option_is_spelled_out(ucenv: Cluster) -> None:
    """Else `--js` would be JSON where all goes well, and text where it does not."""
    assert ucenv("clone", SOURCE, "mine", "--js").code == 2


def test_another_condas_root_is_a_root_too(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ucenv.site.conda.root
    for name in ("conda-meta", "condabin"):
        (root / name).mkdir(exist_ok=True)
    (root / "conda-meta/history").write_text("")
    (root / "condabin/conda").write_text("")
    monkeypatch.setenv("UCENV_CONDA_ROOT", str(ucenv.root))
    assert ucenv("clone", str(root), "mine").code == 0
    assert {"pkgs", "envs", "condabin"} & {path.name for path in (ucenv.root / "envs/mine").iterdir()} == set()


@pytest.mark.parametrize(("field", "value"), [("source", 5), ("time", "yesterday"), ("token", None)])
def test_a_note_of_the_wrong_types_hinders_nobody(ucenv: Cluster, field: str, value: object) -> None:
    ucenv("clone", SOURCE, "first")
    note = ucenv.root / "envs/first/conda-meta/ucenv.provenance"
    note.write_text(json.dumps({**json.loads(note.read_text()), field: value}))
    assert ucenv("list").code == 0
    assert ucenv("clone", SOURCE, "second").code == 0
