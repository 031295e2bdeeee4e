"""`ucenv quota`, and what `ucenv clone` does about quotas."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cluster
from tests.quota.conftest import gone
from tests.quota.test_samples import INDEX, READABLE, REFUSED, SAMPLES

SOURCE = "py3_powerai_1.7.0"
READING_KEYS = [
    "filesystem", "mount", "scope", "name", "used_bytes", "soft_bytes", "hard_bytes", "used_files", "soft_files",
    "hard_files", "grace_seconds", "over", "source", "id", "device", "part", "in_doubt_bytes", "in_doubt_files",
    "over_bytes", "over_files", "limits_known", "rounded", "unreliable", "read_at", "tightest",
]  # fmt: skip
PLENTY = 1 << 50


class SiteQuota:
    """A site's quota command, whose answer a test sets."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer, self.calls, self.command = directory / "answer", directory / "calls", directory / "siteq"
        self.script(f"cat {self.answer}")
        monkeypatch.setenv("UCENV_QUOTA_COMMAND", f"{self.command} {{directory}}")

    def script(self, text: str) -> None:
        self.command.write_text(f'#!/bin/sh\necho "$1" >> {self.calls}\n{text}\n')
        self.command.chmod(0o755)

    def says(self, *readings: dict[str, Any]) -> None:
        default = {"scope": "project", "name": "p1", "mount": "/"}
        self.answer.write_text(json.dumps({"readings": [{**default, **reading} for reading in readings]}))


@pytest.fixture
def siteq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SiteQuota:
    return SiteQuota(tmp_path, monkeypatch)


# the command ------------------------------------------------------------------------------------------------------


def test_your_space_and_your_home_by_default(prompt: Cluster, siteq: SiteQuota, tmp_path: Path) -> None:
    siteq.says({"used_bytes": 5, "hard_bytes": 10})
    run = prompt("quota", "--json")
    assert run.json["result"]["directories"] == [str(prompt.root), str(tmp_path / "home")]
    assert siteq.calls.read_text().split() == [str(prompt.root), str(tmp_path / "home")]
    (reading,) = (r for r in run.json["result"]["readings"] if r["scope"] != "filesystem")  # the same quota, once
    assert (reading["used_bytes"], reading["hard_bytes"], reading["tightest"]) == (5, 10, True)


def test_the_keys_of_a_reading(prompt: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 5, "hard_bytes": 10})
    for reading in prompt("quota", "--json").json["result"]["readings"]:
        assert list(reading) == READING_KEYS


def test_the_look(prompt: Cluster, siteq: SiteQuota) -> None:
    siteq.says(
        {
            "used_bytes": 612 * 10**9, "hard_bytes": 10**12, "used_files": 412_331, "hard_files": 10**6,
            "filesystem": "lustre",
        },
        {"scope": "user", "name": None, "used_bytes": 40 * 10**9, "filesystem": "gpfs", "mount": "/home/alice"},
    )  # fmt: skip
    assert prompt("quota", "--family", "site", "--from", str(siteq.answer)).out == (
        "/   project p1, Lustre           [############--------]      612 GB of 1.0 TB   61 %   the tightest\n"
        "                          files  [########------------]  412,331 of 1,000,000   41 %\n"
        "/home/alice   user, GPFS                                      40 GB, no limit\n"
    )


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        ({"used_bytes": 79, "hard_bytes": 100}, ""),
        ({"used_bytes": 80, "hard_bytes": 100}, "filling up (over 80 %)"),
        ({"used_bytes": 95, "hard_bytes": 100}, "nearly full (over 95 %)"),
        ({"used_bytes": 100, "hard_bytes": 100}, "at the limit: nothing more can be written"),
        ({"used_files": 99, "hard_files": 100}, "nearly full (over 95 %)"),
        ({"used_bytes": 90, "hard_bytes": 100, "in_doubt_bytes": 10}, "at the limit: nothing more can be written"),
        ({"used_bytes": 60, "soft_bytes": 50, "hard_bytes": 10**9}, "over the soft limit (hard: 1.0 GB)"),
        (
            {"used_bytes": 60, "soft_bytes": 50, "grace_seconds": 541723},
            "over the soft limit; 6 days of grace left",
        ),
        (
            {"used_files": 60, "soft_files": 50, "hard_files": 90, "grace_seconds": 35220},
            "over the soft limit (hard: 90); 9 h 47 min of grace left",
        ),
        (
            {"used_bytes": 60, "soft_bytes": 50, "grace_seconds": 0},
            "over the soft limit, and its grace has run out: nothing more can be written",
        ),
        ({"used_bytes": 5, "hard_bytes": 100, "unreliable": True}, "the filesystem calls these figures inaccurate"),
        ({"used_bytes": 5, "hard_bytes": 100, "read_at": 1546455993}, "as of 2019-01-0"),
    ],
)
def test_states_are_words(prompt: Cluster, siteq: SiteQuota, reading: dict[str, Any], words: str) -> None:
    siteq.says(reading)
    (line,) = (line for line in prompt("quota", "/").out.splitlines() if "project p1" in line)
    after = line.partition("%")[2].strip()
    assert after.startswith(words) if words else after == "the tightest" or after == ""


def test_colour_repeats_the_words_where_it_is_wanted(
    prompt: Cluster, siteq: SiteQuota, monkeypatch: pytest.MonkeyPatch
) -> None:
    siteq.says({"used_bytes": 99, "hard_bytes": 100})
    plain = prompt("quota", "/").out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in prompt("quota", "/").out


def test_names_that_would_move_the_cursor(prompt: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"name": "\x1b[2J", "used_bytes": 5, "hard_bytes": 10})
    assert "\\x1b[2J" in prompt("quota", "/").out


def test_unknown_is_said_and_is_no_failure(prompt: Cluster, siteq: SiteQuota) -> None:
    siteq.script("echo what is this; echo oops >&2; exit 7")
    run = prompt("quota", "/")
    assert run.code == 0
    assert f"note: quota unknown: {siteq.command}: it answered 'what is this' (/)\n" in run.err
    assert "oops" not in run.out + run.err


def test_v_and_json_show_the_text(prompt: Cluster, siteq: SiteQuota) -> None:
    siteq.script("echo what is this; echo oops >&2; exit 7")
    out = prompt("quota", "/", "-v").out
    assert (
        f"not understood: {siteq.command} / (it answered 'what is this', exit 7)\n  | what is this\n  | oops\n" in out
    )
    run = prompt("quota", "/", "--json")
    (text,) = run.json["result"]["texts"]
    assert text == {
        "command": f"{siteq.command} /", "reason": "it answered 'what is this'", "exit_code": 7,
        "stdout": "what is this\n", "stderr": "oops\n",
    }  # fmt: skip
    assert run.json["warnings"] == run.json["result"]["unknown"]


@pytest.mark.parametrize(("percent", "code"), [("59.9", 1), ("60", 1), ("60.1", 0), ("100", 0)])
def test_fail_over(prompt: Cluster, siteq: SiteQuota, percent: str, code: int) -> None:
    siteq.says({"used_bytes": 10, "hard_bytes": 100, "used_files": 60, "hard_files": 100})
    run = prompt("quota", "/", "--fail-over", percent, "--json")
    assert (run.code, run.json["ok"], run.json["result"]["reached"]) == (code, True, bool(code))


def test_a_full_filesystem_is_no_quota(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UCENV_QUOTA_FAMILY", "statvfs")
    assert prompt("quota", "/", "--fail-over", "0.000001").code == 0


@pytest.mark.parametrize("percent", ["0", "-1", "much", "nan", "1001"])
def test_what_is_no_percentage(prompt: Cluster, percent: str) -> None:
    assert prompt("quota", f"--fail-over={percent}").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--from", "x"], ["--from", "x", "--family", "lustre", "/"], ["--family", "nosuch"], ["/no/such/directory"],
        ["--family", "site"],
    ],
)  # fmt: skip
def test_words_that_are_off(prompt: Cluster, words: list[str]) -> None:
    run = prompt("quota", *words)
    assert (run.code, run.out) == (2, "")


# captured outputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READABLE)
def test_every_sample_is_read(prompt: Cluster, name: str) -> None:
    run = prompt("quota", "--family", INDEX[name]["fs"], "--from", str(SAMPLES / name), "--json")
    assert run.code == 0
    assert run.json["result"]["unknown"] == []
    assert INDEX[name]["expected"]["used_bytes"] in [r["used_bytes"] for r in run.json["result"]["readings"]]
    text = prompt("quota", "--family", INDEX[name]["fs"], "--from", str(SAMPLES / name))
    assert (text.code, text.err) == (0, "")
    assert text.out


@pytest.mark.parametrize("name", REFUSED)
def test_a_dialect_that_is_not_understood_is_an_answer_too(prompt: Cluster, name: str) -> None:
    run = prompt("quota", "--family", INDEX[name]["fs"], "--from", str(SAMPLES / name), "-v")
    assert run.code == 1
    assert run.out.startswith("No quota could be read.\n\nnot understood: ")
    assert "note: quota unknown: " in run.err


def test_from_stdin(prompt: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (SAMPLES / "lustre/sds_user_h.txt").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    run = prompt("quota", "--family", "lustre", "--from", "-", "--json")
    assert [r["source"] for r in run.json["result"]["readings"]] == ["stdin"]


def test_from_a_file_that_is_not_there(prompt: Cluster) -> None:
    assert prompt("quota", "--family", "lustre", "--from", "/no/such/file").code == 50


def test_from_a_file_without_end(prompt: Cluster) -> None:
    run = prompt("quota", "--family", "lustre", "--from", "/dev/zero")
    assert run.code == 2
    assert "larger than 1 MiB" in run.err


# settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('command = "siteq --user me"', ["siteq", "--user", "me"]),
        ("command = 'siteq \"a b\" ; rm'", ["siteq", "a b", ";", "rm"]),
        ('command = ["siteq", "a b"]', ["siteq", "a b"]),
    ],
)
def test_the_command_is_words(prompt: Cluster, tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "home/.config/ucenv/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"[quota]\n{text}\n")
    settings = {s["key"]: s for s in prompt("config", "--json").json["result"]["settings"]}
    assert settings["quota.command"]["value"] == words
    assert prompt("config").code == 0


def test_the_users_command_is_not_added_to_the_sites(
    prompt: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "home/.config/ucenv/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[quota]\ncommand = "siteq"\n')
    monkeypatch.setenv("UCENV_QUOTA_COMMAND", "mine -x")
    settings = {s["key"]: s for s in prompt("config", "--json").json["result"]["settings"]}
    assert settings["quota.command"]["value"] == ["mine", "-x"]


@pytest.mark.parametrize(
    "text", ["command = 3", "command = [3]", "command = ''", "command = []", 'command = "a \'b"', 'family = "nfs3"']
)
def test_what_is_no_command_or_family(prompt: Cluster, tmp_path: Path, text: str) -> None:
    file = tmp_path / "home/.config/ucenv/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f"[quota]\n{text}\n")
    run = prompt("quota")
    assert run.code == 2
    assert f"quota.{text.partition(' ')[0]}" in run.err


# a clone that would not fit ---------------------------------------------------------------------------------------


def test_too_few_bytes(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 612 * 10**9, "hard_bytes": 612 * 10**9 + 5})
    run = ucenv("clone", SOURCE, "mine", "--json")
    assert (run.code, run.json["error"]["code"]) == (32, "quota_exceeded")
    details = run.json["error"]["details"]
    assert (details["free_bytes"], details["needed_bytes"] > 5) == (5, True)
    run = ucenv("clone", SOURCE, "mine")
    assert "needed, 5 B is left (quota of project p1 on /: 612 GB of 612 GB)" in run.err
    assert "--no-fit-check" in run.err
    assert not (ucenv.root / "envs/mine").exists()


def test_too_few_inodes(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 5, "hard_bytes": PLENTY, "used_files": 999_999, "hard_files": 1_000_000})
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 31
    assert "1 left (quota of project p1 on /: 5 B of 1.1 PB, 999,999 of 1,000,000 files)" in run.err


def test_exactly_what_is_needed_is_enough(ucenv: Cluster, siteq: SiteQuota) -> None:
    predicted = ucenv("clone", SOURCE, "mine", "--dry-run", "--no-fit-check", "--json").json["result"]["predicted"]
    limits = {"hard_bytes": predicted["bytes"], "hard_files": predicted["inodes"]}
    siteq.says({"used_bytes": 0, "used_files": 0, **limits})
    fit = ucenv("clone", SOURCE, "mine", "--json").json["result"]["fit"]
    assert fit == {
        "left_bytes": predicted["bytes"], "left_inodes": predicted["inodes"], "quota_known": True, "doubtful": False,
    }  # fmt: skip
    siteq.says({"used_bytes": 1, "used_files": 0, **limits})
    assert ucenv("clone", SOURCE, "second").code == 32
    siteq.says({"used_bytes": 0, "used_files": 1, **limits})
    assert ucenv("clone", SOURCE, "second").code == 31


def test_soft_limits_whose_grace_is_over_refuse(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 60, "soft_bytes": 50, "hard_bytes": PLENTY, "grace_seconds": 0})
    assert ucenv("clone", SOURCE, "mine").code == 32


def test_passing_a_soft_limit_is_said(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 50, "soft_bytes": 60, "hard_bytes": PLENTY})
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 0
    assert "note: this passes the soft limit: quota of project p1 on /: 50 B of 60 B; when its grace is over" in run.err
    assert (ucenv.root / "envs/mine").exists()


@pytest.mark.parametrize("doubt", [{"unreliable": True}, {"read_at": 1546455993}])
def test_old_or_inaccurate_figures_warn_and_do_not_refuse(
    ucenv: Cluster, siteq: SiteQuota, doubt: dict[str, Any]
) -> None:
    siteq.says({"used_bytes": 10, "hard_bytes": 11, **doubt})
    dry = ucenv("clone", SOURCE, "mine", "--dry-run")
    assert "  it may not fit: 1 B" in dry.out
    run = ucenv("clone", SOURCE, "mine")
    assert run.code == 0
    assert "note: this may not fit: " in run.err


def test_no_fit_check_asks_nobody(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 10, "hard_bytes": 11})
    run = ucenv("clone", SOURCE, "mine", "--no-fit-check", "--json")
    assert (run.code, run.json["result"]["fit"]) == (0, None)
    assert not siteq.calls.exists()


def test_one_command_is_asked_once(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 10, "hard_bytes": PLENTY})
    ucenv("clone", SOURCE, "mine")
    assert siteq.calls.read_text() == f"{ucenv.root}\n"


def test_a_quota_that_is_not_known_refuses_nothing(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.script("exec sleep 3001.25")
    started = time.monotonic()
    run = ucenv("clone", SOURCE, "mine")
    assert (run.code, "quota" in run.err) == (0, False)
    assert 5 <= time.monotonic() - started < 9
    assert gone("3001.25")


def test_a_dry_run_says_whether_it_would_fit(ucenv: Cluster, siteq: SiteQuota) -> None:
    siteq.says({"used_bytes": 0, "hard_bytes": 10**9, "used_files": 0, "hard_files": 5000})
    assert "  it fits: 1.0 GB and 5,000 inodes are left\n" in ucenv("clone", SOURCE, "mine", "-n").out
    siteq.script("exit 1")
    assert "are left; no quota could be read\n" in ucenv("clone", SOURCE, "mine", "-n").out
    siteq.script(f"cat {siteq.answer}")
    siteq.says({"used_bytes": 10, "hard_bytes": 11})
    assert ucenv("clone", SOURCE, "mine", "-n").code == 32


def test_what_the_quota_leaves_decides_on_an_own_copy(ucenv: Cluster, siteq: SiteQuota, elsewhere: Path) -> None:
    """In a job nobody is asked: up to 25 % of what is left."""
    siteq.says({"used_bytes": 0, "hard_bytes": PLENTY})
    predicted = ucenv("clone", SOURCE, "--prefix", f"{elsewhere}/a", "-n", "--json").json["result"]["predicted"][
        "bytes"
    ]
    for left, code in ((predicted * 4 - 1, 33), (predicted * 4, 0)):
        siteq.says({"used_bytes": 0, "hard_bytes": left})
        assert ucenv("clone", SOURCE, "--prefix", f"{elsewhere}/a").code == code


def test_a_full_disk_refuses_and_can_be_tried_all_the_same(ucenv: Cluster) -> None:
    from tests.support.filesystems import full_filesystem

    with full_filesystem(free_inodes=20) as full:
        run = ucenv("clone", SOURCE, "--prefix", f"{full}/mine", "-y")
        assert run.code == 31
        assert "20 left" in run.err or "left (inodes)" in run.err
        assert "--no-fit-check" in run.err
        assert ucenv("clone", SOURCE, "--prefix", f"{full}/mine", "-y", "--no-fit-check").code in (30, 31)
        assert not os.path.lexists(full / "mine")
