"""Where links are refused, somebody decides whether an own copy is worth its price."""

from __future__ import annotations

import errno
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clone.sites import Site
from tests.support.faults import FaultyOs, fail
from userconda import fsops, probe
from userconda.clone import Prices
from userconda.errors import TooDear
from userconda.models import WhenRefused


@pytest.fixture
def refusing(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(fsops, "os", FaultyOs(fail(errno.EPERM, calls={"link"}, path=f"^{site.source}/")))
    return site


def quota(monkeypatch: pytest.MonkeyPatch, left_bytes: int | None) -> None:
    monkeypatch.setattr(probe, "directory_quota", lambda path: left_bytes)


def test_own_copy_copies(refusing: Site) -> None:
    assert refusing.clone(when_refused=WhenRefused.OWN_COPY).files.copied > 0


def test_fail_fails_with_the_price(refusing: Site) -> None:
    with pytest.raises(TooDear, match=r"an own copy costs [\d.]+ [kM]B and [\d,]+ inodes") as caught:
        refusing.clone(when_refused=WhenRefused.FAIL)
    assert caught.value.exit_code == 33
    assert list(refusing.space.iterdir()) == []


@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_decides(refusing: Site, answer: bool) -> None:
    asked: list[Prices] = []

    def choose(prices: Prices) -> WhenRefused:
        asked.append(prices)
        return WhenRefused.OWN_COPY if answer else WhenRefused.FAIL

    if answer:
        refusing.clone(when_refused=WhenRefused.ASK, choose=choose)
    else:
        with pytest.raises(TooDear):
            refusing.clone(when_refused=WhenRefused.ASK, choose=choose)
    assert len(asked) == 1
    assert refusing.target().exists() == answer
    assert asked[0].own_copy.size_bytes > 0


def test_nobody_is_asked_where_links_work(site: Site) -> None:
    def choose(prices: Prices) -> WhenRefused:
        raise AssertionError("asked")

    assert site.clone(when_refused=WhenRefused.ASK, choose=choose).files.hardlinked > 0


def test_nobody_is_asked_for_what_a_twin_gives(refusing: Site) -> None:
    refusing.clone(refusing.target("first"))
    assert refusing.clone(refusing.target("second"), when_refused=WhenRefused.FAIL).files.twins > 0


@pytest.mark.parametrize(("share", "made"), [(26, True), (25, False)])
def test_without_a_terminal_the_share_of_the_quota_decides(
    refusing: Site, monkeypatch: pytest.MonkeyPatch, share: int, made: bool
) -> None:
    price = refusing.clone(dry_run=True).predicted.size_bytes
    quota(monkeypatch, price * 1000 // 255)  # the price is 25.5 % of it
    if made:
        refusing.clone(when_refused=WhenRefused.ASK, own_copy_share=share)
    else:
        with pytest.raises(TooDear, match="25 %"):
            refusing.clone(when_refused=WhenRefused.ASK, own_copy_share=share)
    assert refusing.target().exists() == made


def test_an_unknown_quota_is_said(refusing: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    quota(monkeypatch, None)
    assert any("quota" in warning for warning in refusing.clone(when_refused=WhenRefused.ASK).warnings)


def test_a_dry_run_asks_nobody(refusing: Site) -> None:
    result = refusing.clone(when_refused=WhenRefused.FAIL, dry_run=True)
    assert result.fallbacks[0].errno == errno.EPERM


# at a terminal --------------------------------------------------------------------------------------------------


def at_a_terminal(site: Site, root: Path, answer: bytes, *options: str) -> tuple[int, str]:
    """Run the command with a terminal for its questions; exit code, and what the terminal showed."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(site.tmp), "UCENV_CONDA_ROOT": str(site.conda.root)}
    command = [sys.executable, "-m", "userconda", "clone", site.source.name, "mine", "--root", str(root), *options]
    with subprocess.Popen(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, env={**environment, "TERM": "xterm"}
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
                if shown.endswith(b"choice [c/a]: "):
                    os.write(ours, answer)
        except OSError:  # EIO: the other end is closed
            pass
        os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def test_the_question_has_the_reason_and_the_prices(site: Site, elsewhere: Path) -> None:
    _, shown = at_a_terminal(site, elsewhere, b"a\n")
    assert re.match(
        r"\d+ of the \d+ files of py3_powerai_1\.7\.0 cannot be hard-linked here: "
        r"they are on another filesystem .*\(EXDEV\)\.\n"
        r"  \[c\] own copy   [\d.]+ [kM]B, [\d,]+ inodes   independent; your next clone of it links to this one\n"
        r"  \[a\] abort\n"
        r"choice \[c/a\]: ",
        shown,
    )


@pytest.mark.parametrize("answer", [b"c\n", b"C\n", b"copy\n"])
def test_c_makes_the_copy(site: Site, elsewhere: Path, answer: bytes) -> None:
    code, _ = at_a_terminal(site, elsewhere, answer)
    assert code == 0
    assert (elsewhere / "envs/mine/conda-meta/history").exists()


@pytest.mark.parametrize("answer", [b"a\n", b"\n", b"what?\n", b"\x04"], ids=["a", "nothing", "anything", "Ctrl-D"])
def test_anything_else_makes_nothing(site: Site, elsewhere: Path, answer: bytes) -> None:
    code, shown = at_a_terminal(site, elsewhere, answer)
    assert code == 33
    assert "\nucenv clone: no clone of py3_powerai_1.7.0 was made: you chose not to" in shown
    assert "\n  to pay it: -y" in shown
    assert list(elsewhere.iterdir()) == []


def test_ctrl_c_at_the_question_is_an_interrupt(site: Site, elsewhere: Path) -> None:
    """No controlling terminal in a test: the character is an answer to be typed on, so the signal is sent instead."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(site.tmp), "UCENV_CONDA_ROOT": str(site.conda.root)}
    command = [sys.executable, "-m", "userconda", "clone", site.source.name, "mine", "--root", str(elsewhere)]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        try:
            shown = b""
            while not shown.endswith(b"choice [c/a]: "):
                shown += os.read(ours, 4096)
            process.send_signal(2)
            process.wait(30)
        finally:
            process.kill()
            os.close(ours)
    assert process.returncode == 130
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("option", ["--yes", "--quiet", "--json"])
def test_these_ask_nothing(site: Site, elsewhere: Path, option: str) -> None:
    code, shown = at_a_terminal(site, elsewhere, b"a\n", option)
    assert "choice" not in shown
    assert code == 0
