"""`ucenv site environments`: what is made, what is left alone, and what a failure in the middle leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from demo import Package, PackageFile
from tests.cli.conftest import Cluster
from tests.site.centre import PACKAGES, Centre, kill, make_centre, make_channel, package
from tests.support import filesystems
from tests.support.manifest import manifest
from userconda.site.definition import parse_site
from userconda.site.environments import plan_environments
from userconda.site.program import surroundings

APP = {"name": "app{v}", "module": "app/{v}", "matrix": {"v": ["1.0", "2.0"]}, "packages": ["app={v}"]}


def toml_of(group: Mapping[str, object]) -> dict[str, object]:
    """JSON tables are no TOML; a matrix as its dotted keys."""
    rest = {key: value for key, value in group.items() if key != "matrix"}
    matrix = group["matrix"]
    assert isinstance(matrix, dict)
    return {**rest, **{f"matrix.{axis}": values for axis, values in matrix.items()}}


def one(name: str, *packages: str, **more: object) -> dict[str, object]:
    return {"name": name, "packages": list(packages), **more}


def test_a_matrix_is_made_once(centre: Centre) -> None:
    centre.define(toml_of(APP))
    assert centre.states() == {"app1.0": "missing", "app2.0": "missing"}
    assert centre.done() == {"app1.0": "made", "app2.0": "made"}
    assert centre.installed("app1.0") == {"app": "1.0", "lib": "2.0"}
    assert centre.installed("app2.0") == {"app": "2.0", "lib": "2.0"}
    assert "app" in (centre.root / "etc/ucenv/log/app1.0.log").read_text()
    before = manifest(centre.root / "envs")
    if centre.real is None:
        (centre.root / "bin" / centre.program).unlink()  # nothing is asked of it when there is nothing to do
    assert centre.done() == {"app1.0": "exists", "app2.0": "exists"}
    assert centre("environments").out.endswith("nothing to do\n")
    assert manifest(centre.root / "envs") == before


def test_a_dry_run_shows_the_matrix_and_writes_nothing(centre: Centre) -> None:
    centre.define(toml_of(APP))
    before = manifest(centre.root)
    run = centre("environments", "--dry-run")
    assert run.code == 0
    assert [line.split()[:3] for line in run.out.splitlines()[1:3]] == [
        ["app1.0", "app/1.0", "app=1.0"],
        ["app2.0", "app/2.0", "app=2.0"],
    ]
    assert "2 environments to be made with" in run.out
    assert f"create --yes --prefix {centre.prefix('app1.0')} -- app=1.0" in run.out
    assert manifest(centre.root) == before


def test_a_groups_channels_go_before_the_sites(centre: Centre) -> None:
    first = make_channel(centre.directory / "first", [package("lib", "0.5")])
    second = make_channel(centre.directory / "second", [package("lib", "0.7"), package("other", "1.0")])
    centre.define(one("e", "lib", "app", "other", channels=[first.as_uri(), second.as_uri()]))
    assert centre.done() == {"e": "made"}
    assert centre.installed("e") == {"lib": "0.5", "app": "2.0", "other": "1.0"}


def test_pins_bind_while_it_is_made_and_afterwards(centre: Centre) -> None:
    centre.pins = {"lib": "<2"}
    centre.define(one("e", "app"))
    centre.done()
    assert centre.installed("e") == {"app": "2.0", "lib": "1.5"}
    assert "\nlib <2\n" in (centre.prefix("e") / "conda-meta/pinned").read_text()


def test_one_failure_does_not_stop_the_rest(centre: Centre) -> None:
    centre.define(one("a", "app"), one("b", "no-such-thing"), one("c", "lib=1"))
    run = centre("environments", "--json")
    assert run.code == 1
    entries = {entry["name"]: entry for entry in run.json["result"]["environments"]}
    assert {name: entry["done"] for name, entry in entries.items()} == {"a": "made", "b": "failed", "c": "made"}
    assert entries["b"]["exit_code"] == 1
    assert any("no-such-thing" in line for line in entries["b"]["last_lines"])
    assert "no-such-thing" in Path(entries["b"]["log"]).read_text()
    assert not centre.prefix("b").exists()
    text = centre("environments")
    assert text.code == 1
    assert "b: failed" in text.out
    assert "2 there already, 1 failed" in text.out


def test_only_those_named(centre: Centre) -> None:
    centre.define(one("a", "app"), one("b", "lib"))
    assert centre.done("b") == {"b": "made"}
    assert not centre.prefix("a").exists()
    run = centre("environments", "bb")
    assert run.code == 2
    assert "did you mean b?" in run.err


def test_what_an_environment_lacks_of_what_was_asked(centre: Centre) -> None:
    centre.define(one("e", "lib=1.5"))
    centre.done()
    for asked, state, judged in (
        ("lib=1", "exists", True),
        ("lib=1.5", "exists", True),
        ("lib==1.5", "exists", True),
        ("lib=1.5.*", "exists", True),
        ("lib 1.*", "exists", True),
        ("lib", "exists", True),
        ("conda-forge::lib=1", "exists", True),
        ("lib 1.5", "exists", True),
        ("lib=1.5=0", "exists", True),
        ("lib=1.5=any*", "exists", True),
        ("lib==1", "differs", True),
        ("lib 1", "differs", True),
        ("lib=1=0", "differs", True),
        ("lib=1.50", "differs", True),
        ("lib=2", "differs", True),
        ("app", "differs", True),
        ("lib>=2", "exists", False),
        ("lib[version=2]", "exists", False),
    ):
        centre.define(one("e", asked))
        run = centre("environments", "--dry-run", "--json").json
        entry = run["result"]["environments"][0]
        assert entry["state"] == state, asked
        assert any("not judged" in note for note in entry["notes"]) is not judged, asked
        assert (entry["notes"] == []) is (state == "exists" and judged), asked
    assert centre.done() == {"e": "exists"}


def test_what_is_there_and_not_ours_is_left_alone(centre: Centre) -> None:
    """No conda-meta/history: a directory of somebody's, or the half of an environment that they are making."""
    centre.define(one("a", "app"), one("b", "app"), one("c", "lib"))
    centre.prefix("a").mkdir(parents=True)
    (centre.prefix("a") / "thesis.txt").write_text("irreplaceable\n")
    (centre.prefix("b") / "conda-meta").mkdir(parents=True)
    before = manifest(centre.prefix("a")), manifest(centre.prefix("b"))
    assert centre.done(code=1) == {"a": "foreign", "b": "foreign", "c": "made"}
    assert (manifest(centre.prefix("a")), manifest(centre.prefix("b"))) == before


def test_one_without_packages_is_made_by_hand(centre: Centre) -> None:
    centre.define({"name": "by_hand"})
    run = centre("environments", "--json")
    assert (run.code, run.json["result"]["environments"][0]["done"]) == (0, "missing")
    assert "made by hand" in run.json["warnings"][0]


def test_what_the_administrators_shell_has_changes_nothing(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(centre.prompt.environment["HOME"])
    bad = "channels: [file:///no/such/channel]\nalways_copy: maybe\n"
    for name in (".condarc", ".conda/condarc", ".config/conda/.condarc", ".mambarc"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(bad)
    for name, value in {
        "CONDARC": str(home / ".condarc"), "CONDA_CHANNELS": "nowhere", "CONDA_PKGS_DIRS": str(home / "pkgs"),
        "CONDA_PREFIX": str(home), "CONDA_SUBDIR": "win-64", "MAMBA_ROOT_PREFIX": str(home), "PYTHONHOME": "/nowhere",
        "PYTHONPATH": "/nowhere", "XDG_CONFIG_HOME": str(home / ".config"), "CONDA_OVERRIDE_GLIBC": "1.0",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    before = manifest(home)
    centre.define(one("e", "app"))
    assert centre.done() == {"e": "made"}
    assert centre.installed("e") == {"app": "2.0", "lib": "2.0"}
    assert (centre.pkgs / "app-2.0-0/info/index.json").exists()
    assert manifest(home) == before


def test_what_a_run_keeps_of_an_administrators_shell(tmp_path: Path) -> None:
    for name in (".netrc", ".condarc", ".conda/x", ".config/binstar/token", ".config/conda/condarc", ".ssh/id"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    own = {
        "HOME": str(tmp_path), "PATH": "/bin", "https_proxy": "http://proxy:3128", "NO_PROXY": "localhost",
        "SSL_CERT_FILE": "/etc/site.pem", "REQUESTS_CA_BUNDLE": "/etc/site.pem", "LC_ALL": "C", "LD_PRELOAD": "x.so",
        "CONDA_EXE": "/x", "PYTHONPATH": "/y", "UCENV_ROOT": "/z", "LD_LIBRARY_PATH": "/l", "CONDARC": "/c",
    }  # fmt: skip
    site = parse_site('[conda]\nroot = "/r"\nversion = "1"\n[condarc]\nchannels = ["c"]\n', "site.toml")
    with surroundings(site, own, ["lib <2"]) as seen:
        home = Path(seen["HOME"])
        assert {name: value for name, value in seen.items() if name in own and name != "HOME"} == {
            name: own[name]
            for name in ("PATH", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "LC_ALL")
        }
        assert (home / ".netrc").read_text() == ".netrc"
        assert (home / ".ssh/id").read_text() == ".ssh/id"
        assert (home / ".config/binstar/token").read_text() == ".config/binstar/token"
        assert not (home / ".conda").exists()
        assert not (home / ".config/conda").exists()
        settings = json.loads((home / ".condarc").read_text())
        assert settings["channels"] == ["c"]
        assert settings["pinned_packages"] == ["lib <2"]
    assert not home.exists()


def test_everyone_can_read_what_is_made(centre: Centre) -> None:
    mask = os.umask(0o077)
    try:
        centre.define(one("e", "app", freeze=True))
        assert centre.done() == {"e": "made"}
    finally:
        os.umask(mask)
    paths = [centre.prefix("e"), *centre.prefix("e").rglob("*")]
    closed = [path for path in paths if not path.is_symlink() and not path.stat().st_mode & stat.S_IROTH]
    assert closed == []
    assert all(path.stat().st_mode & stat.S_IXOTH for path in paths if path.is_dir())


def test_frozen_where_that_is_asked(centre: Centre) -> None:
    centre.define(one("a", "app"), one("b", "lib=1.5", freeze=True), one("c", "lib"))
    assert centre.done("a", "b") == {"a": "made", "b": "made"}
    frozen = centre.prefix("b") / "conda-meta/frozen"
    assert "ucenv clone b mine" in json.loads(frozen.read_text())["message"]
    assert not (centre.prefix("a") / "conda-meta/frozen").exists()
    assert centre.done("--freeze", "a", "b") == {"a": "frozen", "b": "exists"}
    assert centre.done("--freeze", "a", "b") == {"a": "exists", "b": "exists"}
    assert not centre.prefix("c").exists()
    if centre.real is not None:
        environment = {"HOME": str(centre.directory), "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
        words = ["install", "--yes", "--offline", "--prefix", str(centre.prefix("b")), "-c", centre.channel.as_uri()]
        done = subprocess.run([centre.real, *words, "app"], env=environment, capture_output=True, text=True)
        assert done.returncode != 0
        assert "EnvironmentIsFrozenError" in done.stderr
        assert "ucenv clone b mine" in done.stderr
        assert centre.installed("b") == {"lib": "1.5"}


def test_a_program_that_is_none(stand_in: Centre) -> None:
    stand_in.define(one("e", "app"))
    text = stand_in.directory / "text"
    text.write_text("no program\n")
    text.chmod(0o755)
    for word in ("no-such-program", "/nowhere/conda", "/bin/true", str(text), "/bin/cat"):
        run = stand_in("environments", "--program", word)
        assert run.code == 16, word
        assert word.rpartition("/")[2] in run.err
    assert not stand_in.prefix("e").exists()


def test_planning_asks_no_program(stand_in: Centre) -> None:
    stand_in.define(one("e", "app"))
    (stand_in.root / "bin" / stand_in.program).unlink()
    path = stand_in.root / "etc/ucenv/site.toml"
    before = manifest(stand_in.root)
    plan = plan_environments(parse_site(path.read_text(), str(path)))
    assert [(entry.state, entry.action) for entry in plan.environments] == [("missing", "make")]
    assert manifest(stand_in.root) == before


# in the middle --------------------------------------------------------------------------------------------------


def test_a_program_that_is_killed(stand_in: Centre) -> None:
    stand_in.condarc = {"stand_in": "die"}
    stand_in.define(one("e", "app"))
    run = stand_in("environments", "--json")
    entry = run.json["result"]["environments"][0]
    assert (run.code, entry["done"], entry["exit_code"]) == (1, "failed", -signal.SIGKILL)
    assert not stand_in.prefix("e").exists()
    stand_in.condarc = {}
    stand_in.define(one("e", "app"))
    assert stand_in.done() == {"e": "made"}
    assert stand_in.installed("e") == {"app": "2.0", "lib": "2.0"}


def waiting(stand_in: Centre) -> Path:
    return stand_in.root / "envs/e.waits"


def test_power_loss(stand_in: Centre) -> None:
    stand_in.condarc = {"stand_in": "wait"}
    stand_in.define(one("e", "app"), one("f", "lib"))
    process, child = stand_in.stop_in_the_middle("environments", sign=lambda: waiting(stand_in))
    kill(process.pid)
    process.communicate()
    assert stand_in.states() == {"e": "under way", "f": "missing"}, "the program has outlived ucenv"
    before = manifest(stand_in.prefix("e"))
    assert stand_in.done("e", code=1) == {"e": "under way"}
    assert manifest(stand_in.prefix("e")) == before
    kill(child)
    assert stand_in.states() == {"e": "half-made", "f": "missing"}
    (stand_in.prefix("e") / "left over.txt").write_text("half\n")
    stand_in.condarc = {}
    stand_in.define(one("e", "app"), one("f", "lib"))
    assert stand_in.done() == {"e": "made again", "f": "made"}
    assert stand_in.installed("e") == {"app": "2.0", "lib": "2.0"}
    assert not (stand_in.prefix("e") / "left over.txt").exists()
    assert stand_in.states() == {"e": "exists", "f": "exists"}
    left = [path for path in (stand_in.root / "envs/.ucenv").rglob("*") if not path.is_dir()]
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(stand_in: Centre, number: signal.Signals) -> None:
    stand_in.condarc = {"stand_in": "wait"}
    stand_in.define(one("e", "app"))
    process, child = stand_in.stop_in_the_middle("environments", sign=lambda: waiting(stand_in))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command again goes on" in err
    assert not Path(f"/proc/{child}").exists()
    stand_in.condarc = {}
    stand_in.define(one("e", "app"))
    assert stand_in.done() == {"e": "made again"}


def test_two_administrators(stand_in: Centre) -> None:
    stand_in.condarc = {"stand_in": "wait"}
    stand_in.define(one("e", "app"))
    process, _ = stand_in.stop_in_the_middle("environments", sign=lambda: waiting(stand_in))
    before = manifest(stand_in.root / "envs")
    run = stand_in("environments")
    assert run.code == 1 or "under way" in run.out
    assert f"process {process.pid}" in run.out + run.err
    assert manifest(stand_in.root / "envs") == before
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_hostile_output(stand_in: Centre) -> None:
    stand_in.condarc = {"stand_in": "babble"}
    stand_in.define(one("e", "app"))
    run = stand_in("environments", "--json")
    entry = run.json["result"]["environments"][0]
    assert (run.code, entry["exit_code"]) == (1, 7)
    assert entry["last_lines"][-1].endswith("last \u00e4 words")
    assert all(line.isprintable() and len(line) <= 2000 for line in entry["last_lines"])
    text = stand_in("environments")
    assert "\x1b" not in text.out + text.err
    assert b"\x1b[2Jlast" in Path(entry["log"]).read_bytes(), "the log has what was said, as it was said"
    assert Path(f"{entry['log']}.old").exists()


@pytest.mark.root("loop mounts")
def test_a_full_disk(stand_in: Centre) -> None:
    big = make_channel(stand_in.directory / "big", [package("big", "1.0", size_bytes=6 << 20), package("small", "1.0")])
    with filesystems.loop_mount("ext4", 16) as disk:
        (stand_in.root / "envs").symlink_to(disk, target_is_directory=True)
        filler = disk / "filler"
        filler.write_bytes(b"\0" * (10 << 20))
        stand_in.define(one("e", "big", channels=[big.as_uri()]), one("f", "small", channels=[big.as_uri()]))
        assert stand_in.done(code=1) == {"e": "failed", "f": "made"}
        assert not (disk / "e").exists()
        filler.unlink()
        assert stand_in.done() == {"e": "made", "f": "exists"}
        assert (disk / "e/share/big/version.txt").stat().st_size == 6 << 20


def test_an_unreadable_channel(centre: Centre) -> None:
    centre.condarc = {"channels": [(centre.directory / "nowhere").as_uri()]}
    centre.define(one("e", "app"))
    run = centre("environments")
    assert run.code == 1
    assert "e: failed" in run.out
    assert "nowhere" in run.out
    assert not centre.prefix("e").exists()
    shutil.copytree(centre.channel, centre.directory / "nowhere")
    assert centre.done() == {"e": "made"}


def test_the_default_program_is_the_conda_roots(stand_in: Centre) -> None:
    path = stand_in.root / "etc/ucenv/site.toml"
    stand_in.define(one("e", "app"))
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("program")))
    words = ("--program", str(stand_in.root / "bin/micromamba")) if stand_in.program == "micromamba" else ()
    found = stand_in.result("environments", "--dry-run", *words)["program"]
    assert found["path"] == str(stand_in.root / "bin" / stand_in.program)
    assert found["kind"] == ("conda" if stand_in.program == "conda" else "mamba")


@pytest.mark.parametrize("how", ["power loss", "Ctrl-C"])
def test_conda_itself_stopped_while_it_links(prompt: Cluster, tmp_path: Path, how: str) -> None:
    centre = make_centre(prompt, "real", tmp_path / "centre")
    flag, waits = tmp_path / "flag", tmp_path / "waits"
    flag.touch()
    script = f'#!/bin/sh\n[ -e "{flag}" ] || exit 0\necho $$ > "{waits}"\nsleep 60\n'
    post_link = PackageFile("bin/.slow-post-link.sh", script.encode(), executable=True)
    make_channel(centre.channel, [*PACKAGES, Package("slow", "1.0", noarch="generic", files=(post_link,))])
    centre.define(one("e", "slow", "app"))
    process, _ = centre.stop_in_the_middle("environments", sign=lambda: waits)
    assert centre.states() == {"e": "under way"}
    if how == "Ctrl-C":
        process.send_signal(signal.SIGINT)
        assert "the same command again goes on" in process.communicate(timeout=60)[1]
        assert process.returncode == 130
        wanted = {"made", "made again"}  # conda may have had the time to take it all back
    else:
        conda = json.loads((centre.root / "envs/.ucenv/making/e").read_text())["pid"]
        kill(process.pid)
        process.communicate()
        assert centre.states() == {"e": "under way"}
        os.killpg(conda, signal.SIGKILL)
        kill(conda)
        assert centre.states() == {"e": "half-made"}
        wanted = {"made again"}
    flag.unlink()
    assert centre.done()["e"] in wanted
    assert centre.installed("e") == {"app": "2.0", "lib": "2.0", "slow": "1.0"}
    assert (centre.prefix("e") / "share/app/version.txt").exists()
