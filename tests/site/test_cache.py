"""`ucenv site cache`: what is fetched, what is not fetched twice, and a mirror that others install from."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rattler

from demo import write_package
from tests.site.centre import Centre, kill, make_channel, package
from tests.support import CHECKOUT, filesystems
from tests.support.manifest import manifest

ALL = {"app-1.0-0", "app-2.0-0", "lib-1.0-0", "lib-1.5-0", "lib-2.0-0", "native-1.0-0"}


def unpacked(centre: Centre) -> set[str]:
    found = centre.pkgs.glob("*/info/repodata_record.json")
    return {path.parent.parent.name for path in found}


def whole(centre: Centre, stem: str) -> bool:
    name = stem.split("-")[0]
    return (centre.pkgs / stem / f"share/{name}/version.txt").exists()


def install_with_rattler(channel: Path, target: Path, *specs: str, cache: Path | None = None) -> set[str]:
    async def act() -> set[str]:
        records = await rattler.solve(
            [channel.as_uri()],
            list(specs),
            gateway=rattler.Gateway(cache_dir=target.parent / "repodata"),
            platforms=[rattler.Subdir.current(), "noarch"],
            virtual_packages=[],
        )
        await rattler.install(records, target, cache_dir=cache or target.parent / "cache", show_progress=False)
        return {f"{record.name.normalized}-{record.version}" for record in records}

    return asyncio.run(act())


def index(mirror: Path, subdir: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((mirror / subdir / "repodata.json").read_text())
    return {**document["packages"], **document["packages.conda"]}


# fetching -------------------------------------------------------------------------------------------------------


def test_packages_with_what_they_depend_on(centre: Centre) -> None:
    before = manifest(centre.root)
    assert {*centre.result("cache", "native", "--dry-run")["missing"]} == {"native-1.0-0", "lib-1.5-0"}
    assert {*centre.result("cache", "--channel-all", "--dry-run")["missing"]} == ALL
    assert manifest(centre.root) == before
    result = centre.result("cache", "native")
    assert {*result["fetched"]} == {"native-1.0-0", "lib-1.5-0"} == unpacked(centre)
    archives = [p for p in centre.pkgs.iterdir() if p.name.endswith(".conda")]
    assert result["fetched_bytes"] == sum(path.stat().st_size for path in archives)
    assert all(whole(centre, stem) for stem in unpacked(centre))
    assert centre.result("cache", "native", "--dry-run")["there_already"] == 2
    again = centre.result("cache", "native", "lib<2")
    assert (again["wanted"], again["there_already"], again["fetched"], again["log"]) == (2, 2, [], "")
    assert "2 packages wanted, 2 there already" in centre("cache", "native").out


def test_pins_bind_what_is_fetched(centre: Centre) -> None:
    centre.pins = {"lib": "<1.5"}
    centre.define()
    assert {*centre.result("cache", "app")["fetched"]} == {"app-2.0-0", "lib-1.0-0"}


def test_everything_that_a_channel_has(centre: Centre) -> None:
    run = centre("cache", "--channel-all")
    assert run.code == 2
    assert "6 packages to be fetched" in run.out
    assert "free" in run.out
    assert "--yes fetches them" in run.err
    assert unpacked(centre) == set()
    result = centre.result("cache", "--channel-all", "--yes")
    assert {*result["fetched"]} == ALL == unpacked(centre)
    assert centre.result("cache", "--channel-all")["fetched"] == [], "nothing to ask about"


def test_only_the_channels_that_are_named(centre: Centre) -> None:
    other = make_channel(centre.directory / "other", [package("other", "1.0")])
    assert centre.result("cache", "--channel-all", "--yes", "-c", other.as_uri())["fetched"] == ["other-1.0-0"]
    run = centre("cache", "app", "-c", other.as_uri())
    assert run.code == 53
    assert "app" in run.err


def test_what_is_there_complete_is_not_fetched_again(centre: Centre) -> None:
    centre.result("cache", "--channel-all", "--yes")
    shutil.rmtree(centre.pkgs / "lib-1.0-0")
    (centre.pkgs / "lib-1.0-0.conda").unlink()
    before = {path: os.stat(path).st_ino for path in centre.pkgs.glob("*.conda")}
    assert centre.result("cache", "--channel-all", "--yes")["fetched"] == ["lib-1.0-0"]
    assert {path: os.stat(path).st_ino for path in before} == before


@pytest.mark.parametrize("words", [("native",), ("--channel-all", "--yes")], ids=["spec", "all"])
def test_power_loss_while_unpacking(centre: Centre, words: tuple[str, ...]) -> None:
    """conda takes what has an info/index.json for whole: by our note it is known that it may not be."""
    centre.result("cache", *words)
    half, others = centre.pkgs / "lib-1.5-0", centre.pkgs / "somebodys-1.0-0"
    (half / "info/repodata_record.json").unlink()
    (half / "share/lib/version.txt").unlink()
    (others / "info").mkdir(parents=True)
    (others / "info/index.json").write_text("{}")
    fields = {"host": "elsewhere", "boot": "", "namespace": "", "pid": -1, "started": None, "job": "", "token": ""}
    note = centre.pkgs / ".ucenv/fetching"
    note.write_text(json.dumps({"holder": fields, "packages": ["lib-1.5-0", "../lib-1.5-0", ""]}))
    result = centre.result("cache", *words)
    # conda unpacks an archive that it has as soon as it looks into its cache, also in a dry run.
    assert result["fetched"] == ["lib-1.5-0"] or centre.real
    assert result["failed"] == []
    assert whole(centre, "lib-1.5-0")
    assert others.exists()
    assert not note.exists()


@pytest.mark.parametrize("words", [("native",), ("--channel-all", "--yes")], ids=["spec", "all"])
def test_a_program_that_is_killed(stand_in: Centre, words: tuple[str, ...]) -> None:
    centre = stand_in
    centre.condarc = {"stand_in": "die"}
    centre.define()
    result = centre.result("cache", *words, code=1)
    assert result["exit_code"] == -signal.SIGKILL
    assert result["failed"]
    assert {*result["fetched"]} == unpacked(centre)
    assert all(whole(centre, stem) for stem in unpacked(centre))
    centre.condarc = {}
    centre.define()
    assert {*centre.result("cache", *words)["fetched"]} == {*result["failed"]}
    assert all(whole(centre, stem) for stem in unpacked(centre))


def test_two_at_a_time(prompt_micromamba: Centre) -> None:
    centre = prompt_micromamba
    centre.condarc = {"stand_in": "wait"}
    centre.define()
    words = ("cache", "--channel-all", "--yes", "-c", centre.channel.as_uri())

    centre.prompt.environment["TMPDIR"] = str(centre.directory)
    process, child = centre.stop_in_the_middle(
        *words, sign=lambda: next(iter(centre.directory.glob("ucenv-site-*/prefix.waits")), centre.directory / "none")
    )
    assert centre(*words).code == 24
    kill(process.pid)
    process.communicate()
    assert centre(*words).code == 24, "the program has outlived ucenv"
    kill(child)
    centre.condarc = {}
    centre.define()
    assert centre.result(*words)["failed"] == []
    assert unpacked(centre) == ALL
    assert all(whole(centre, stem) for stem in ALL)


def test_an_unreadable_channel(centre: Centre) -> None:
    nowhere = (centre.directory / "nowhere").as_uri()
    for words in (("app",), ("--channel-all", "--yes")):
        run = centre("cache", *words, "-c", nowhere)
        assert run.code == 53
        assert "nowhere" in run.err
    assert unpacked(centre) == set()


def test_a_package_file_that_is_gone(centre: Centre) -> None:
    (centre.channel / "noarch/lib-1.0-0.conda").unlink()
    result = centre.result("cache", "--channel-all", "--yes", code=1)
    assert result["failed"] == ["lib-1.0-0"]
    assert {*result["fetched"]} == ALL - {"lib-1.0-0"}
    assert any("lib-1.0-0" in line for line in result["last_lines"])
    make_channel(centre.channel)
    assert centre.result("cache", "--channel-all", "--yes")["fetched"] == ["lib-1.0-0"]
    assert unpacked(centre) == ALL


def test_names_that_are_none(centre: Centre) -> None:
    """A channel's index is somebody's text."""
    path = centre.channel / "noarch/repodata.json"
    document = json.loads(path.read_text())
    good = document["packages.conda"]["lib-1.0-0.conda"]
    dash = write_package(package("-c", "1.0"), centre.channel).read_bytes()
    figures = {"size": len(dash), "sha256": hashlib.sha256(dash).hexdigest(), "md5": hashlib.md5(dash).hexdigest()}
    shutil.copyfile(centre.channel / "noarch/lib-1.0-0.conda", centre.channel / "evil-1.0-0.conda")
    document["packages.conda"]["-c-1.0-0.conda"] = {**good, **figures, "name": "-c"}
    document["packages.conda"]["../evil-1.0-0.conda"] = {**good, "name": "evil"}
    path.write_text(json.dumps(document))
    before = {entry.name for entry in centre.root.iterdir()}
    run = centre("cache", "--channel-all", "--yes", "--json")
    assert unpacked(centre) == ALL | {"-c-1.0-0"}, run.out + run.err
    assert any("impossible name" in warning and "evil" in warning for warning in run.json["warnings"])
    assert {entry.name for entry in centre.root.iterdir()} - {"pkgs", "etc"} == before - {"pkgs", "etc"}


@pytest.mark.parametrize("word", ["--help-me", " --prefix", "-", "", "a\nb"])
def test_a_word_that_would_be_an_option(stand_in: Centre, word: str) -> None:
    run = stand_in("cache", "app", "--", word)
    assert (run.code, run.out) == (2, "")
    assert not stand_in.pkgs.exists()


def test_more_than_there_is_room_for(centre: Centre) -> None:
    for path in centre.channel.glob("*/repodata.json"):
        document = json.loads(path.read_text())
        for record in document["packages.conda"].values():
            record["size"] = 1 << 55
        path.write_text(json.dumps(document))
    for words in (("app",), ("--channel-all", "--yes")):
        run = centre("cache", *words)
        assert run.code == 30
        assert "packages to download" in run.err
    assert unpacked(centre) == set()


@pytest.mark.root("loop mounts")
def test_a_full_disk(centre: Centre) -> None:
    big = make_channel(centre.directory / "big", [package("big", "1.0", size_bytes=5 << 20), package("small", "1.0")])
    with filesystems.loop_mount("ext4", 24) as disk:
        centre.pkgs.symlink_to(disk, target_is_directory=True)
        filler = disk / "filler"
        filler.write_bytes(b"\0" * (14 << 20))
        words = ("--channel-all", "--yes", "-c", big.as_uri())
        result = centre.result("cache", *words, code=1)
        assert "big-1.0-0" in result["failed"]
        filler.unlink()
        assert "big-1.0-0" in centre.result("cache", *words)["fetched"]
        assert unpacked(centre) == {"big-1.0-0", "small-1.0-0"}
        assert (centre.pkgs / "big-1.0-0/share/big/version.txt").stat().st_size == 5 << 20


def test_an_offline_install_from_the_cache(centre: Centre, tmp_path: Path) -> None:
    """rattler finds unpacked what the site's conda has fetched: of the channel it needs the index alone."""
    centre.result("cache", "native")
    for path in centre.channel.glob("*/*.conda"):
        path.unlink()
    found = install_with_rattler(centre.channel, tmp_path / "target", "native", cache=centre.pkgs)
    assert found == {"native-1.0", "lib-1.5"}
    assert (tmp_path / "target/share/lib/version.txt").read_text().startswith("lib 1.5")


# mirror ---------------------------------------------------------------------------------------------------------


def test_a_mirror_is_a_channel(centre: Centre, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    result = centre.result("cache", "native", "app=1.0", "--mirror", mirror)["mirror"]
    assert {path.partition("/")[2] for path in result["added"]} == {f"{stem}.conda" for stem in unpacked(centre)}
    shutil.rmtree(centre.channel)
    assert install_with_rattler(mirror, tmp_path / "target", "native", "app") == {"native-1.0", "lib-1.5", "app-1.0"}
    assert (tmp_path / "target/share/native/version.txt").read_text().startswith("native 1.0")
    for subdir in ("noarch", str(rattler.Subdir.current())):
        for name, record in index(mirror, subdir).items():
            data = (mirror / subdir / name).read_bytes()
            assert record["sha256"] == hashlib.sha256(data).hexdigest()
            assert (record["size"], record["subdir"]) == (len(data), subdir)
            assert not {"url", "channel", "fn"} & record.keys()


def test_what_a_channel_has_corrected_is_in_the_mirror(centre: Centre, tmp_path: Path) -> None:
    """The index of a channel goes before what is in the packages: so are dependencies corrected."""
    path = centre.channel / "noarch/repodata.json"
    document = json.loads(path.read_text())
    document["packages.conda"]["app-2.0-0.conda"]["depends"] = ["lib <1.5"]
    path.write_text(json.dumps(document))
    centre.result("cache", "app=2", "--mirror", tmp_path / "one")
    assert index(tmp_path / "one", "noarch")["app-2.0-0.conda"]["depends"] == ["lib <1.5"]
    shutil.rmtree(centre.pkgs)
    centre.result("cache", "--channel-all", "--yes", "--mirror", tmp_path / "all")
    assert index(tmp_path / "all", "noarch")["app-2.0-0.conda"]["depends"] == ["lib <1.5"]
    assert index(tmp_path / "all", "noarch")["app-1.0-0.conda"]["depends"] == ["lib"]


def test_a_mirror_grows(centre: Centre, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    centre.result("cache", "lib=1.0", "--mirror", mirror)
    before = manifest(mirror)
    assert centre.result("cache", "lib=1.0", "--mirror", mirror)["mirror"]["same"] == 1
    assert manifest(mirror) == before, "nothing to do"
    shutil.rmtree(centre.pkgs)
    added = centre.result("cache", "app=2", "--mirror", mirror)["mirror"]["added"]
    assert {*added} == {"noarch/app-2.0-0.conda", "noarch/lib-2.0-0.conda"}
    assert index(mirror, "noarch").keys() == {"lib-1.0-0.conda", "lib-2.0-0.conda", "app-2.0-0.conda"}


def test_a_file_that_was_taken_away_leaves_the_index(centre: Centre, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    centre.result("cache", "app=2", "--mirror", mirror)
    (mirror / "noarch/lib-2.0-0.conda").unlink()
    shutil.rmtree(centre.pkgs)
    result = centre.result("cache", "lib=1.0", "--mirror", mirror)["mirror"]
    assert result["gone"] == ["noarch/lib-2.0-0.conda"]
    assert index(mirror, "noarch").keys() == {"app-2.0-0.conda", "lib-1.0-0.conda"}


def test_a_mirror_of_the_whole_cache_asks_no_program(stand_in: Centre, tmp_path: Path) -> None:
    stand_in.result("cache", "--channel-all", "--yes")
    (stand_in.root / "bin" / stand_in.program).unlink()
    before = manifest(tmp_path)
    dry = stand_in.result("cache", "--mirror", tmp_path / "mirror", "--dry-run")["mirror"]
    assert manifest(tmp_path) == before
    assert stand_in.result("cache", "--mirror", tmp_path / "mirror")["mirror"] == dry
    assert {p.name for p in (tmp_path / "mirror").glob("*/*.conda")} == {f"{s}.conda" for s in unpacked(stand_in)}


def test_packages_of_a_mirror_are_links_where_they_can_be(
    prompt_micromamba: Centre, tmp_path: Path, elsewhere: Path
) -> None:
    centre = prompt_micromamba
    centre.result("cache", "lib=2", "--mirror", tmp_path / "mirror")
    name = "lib-2.0-0.conda"
    assert (tmp_path / "mirror/noarch" / name).samefile(centre.pkgs / name)
    centre.result("cache", "lib=2", "--mirror", elsewhere / "mirror")
    assert (elsewhere / "mirror/noarch" / name).read_bytes() == (centre.pkgs / name).read_bytes()
    assert [path.name for path in (elsewhere / "mirror/noarch").iterdir() if ".tmp" in path.name] == []


def test_a_channel_of_somebody_else_is_left_alone(prompt_micromamba: Centre, tmp_path: Path) -> None:
    mirror = make_channel(tmp_path / "theirs", [package("theirs", "1.0")])
    before = manifest(mirror)
    run = prompt_micromamba("cache", "lib", "--mirror", mirror)
    assert run.code == 29
    assert manifest(mirror) == before
    (mirror / "noarch/repodata.json").write_text("no index\n")
    assert prompt_micromamba("cache", "lib", "--mirror", mirror).code == 29


def test_an_archive_that_is_not_what_its_record_says(centre: Centre, tmp_path: Path) -> None:
    centre.result("cache", "app=2")
    archive = centre.pkgs / "lib-2.0-0.conda"
    archive.write_bytes(archive.read_bytes()[:-1] + b"?")
    run = centre("cache", "--mirror", tmp_path / "mirror", "--json")
    assert run.code == 1
    assert any("lib-2.0-0.conda: its" in warning for warning in run.json["warnings"])
    assert index(tmp_path / "mirror", "noarch").keys() == {"app-2.0-0.conda"}
    assert not (tmp_path / "mirror/noarch/lib-2.0-0.conda").exists()


def test_an_unpacked_package_without_its_archive(centre: Centre, tmp_path: Path) -> None:
    centre.result("cache", "app=2")
    (centre.pkgs / "lib-2.0-0.conda").unlink()
    run = centre("cache", "--mirror", tmp_path / "mirror", "--json")
    assert run.code == 0
    assert any("lib-2.0-0 has no archive" in warning for warning in run.json["warnings"])
    assert index(tmp_path / "mirror", "noarch").keys() == {"app-2.0-0.conda"}


@pytest.mark.root("loop mounts")
def test_a_mirror_on_a_full_disk(prompt_micromamba: Centre) -> None:
    centre = prompt_micromamba
    big = make_channel(centre.directory / "big", [package("big", "1.0", size_bytes=6 << 20), package("small", "1.0")])
    with filesystems.loop_mount("ext4", 16) as disk:
        centre.result("cache", "small", "-c", big.as_uri(), "--mirror", disk / "mirror")
        filler = disk / "filler"
        filler.write_bytes(b"\0" * (9 << 20))
        before = index(disk / "mirror", "noarch")
        assert centre("cache", "big", "-c", big.as_uri(), "--mirror", disk / "mirror").code == 30
        assert index(disk / "mirror", "noarch") == before
        filler.unlink()
        centre.result("cache", "big", "-c", big.as_uri(), "--mirror", disk / "mirror")
        assert index(disk / "mirror", "noarch").keys() == {"small-1.0-0.conda", "big-1.0-0.conda"}
        assert [path.name for path in (disk / "mirror/noarch").iterdir() if ".tmp" in path.name] == []


def test_conda_itself_installs_from_the_mirror(centre: Centre, tmp_path: Path) -> None:
    centre.result("cache", "native", "--mirror", tmp_path / "mirror")
    shutil.rmtree(centre.pkgs)
    centre.condarc = {"channels": [(tmp_path / "mirror").as_uri()]}
    centre.define({"name": "e", "packages": ["native"]})
    assert centre.done() == {"e": "made"}
    assert centre.installed("e") == {"native": "1.0", "lib": "1.5"}


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 130), ("n\n", 130)])
def test_a_person_is_asked_before_a_whole_channel(prompt_micromamba: Centre, answer: str, code: int) -> None:
    centre = prompt_micromamba
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "userconda", "site", "cache", "--channel-all"]
    environment = {**centre.prompt.environment, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(words, env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    os.write(ours, answer.encode())
    out, _ = process.communicate(timeout=60)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert process.returncode == code
    assert "6 packages to be fetched" in out
    assert "fetch them? [y/N]" in said
    assert ("fetching lib-1.0-0.conda" in said) is (code == 0), "what the program says is shown on a terminal"
    assert unpacked(centre) == (ALL if code == 0 else set())
