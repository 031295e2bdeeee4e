"""`ucenv site index`: an administrator analyses once, and every user's thin clone takes it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support import real_python
from tests.support.users import ADMIN
from tests.thin.places import Place, handed_over
from userconda import thin

pytestmark = [pytest.mark.root, pytest.mark.serial]


@pytest.fixture
def site(odd: Place) -> Place:
    directory = odd.conda.root / "etc/ucenv"
    directory.mkdir(parents=True)
    (directory / "site.toml").write_text(f'[conda]\nroot = "{odd.conda.root}"\nversion = "4.8.3"\n')
    handed_over_again(odd)
    return odd


def handed_over_again(place: Place) -> None:
    for directory, names, files in os.walk(place.conda.root):
        for path in (directory, *(os.path.join(directory, name) for name in (*names, *files))):
            os.lchown(path, ADMIN.uid, ADMIN.gid)


def index(site: Place, *words: str) -> dict[str, Any]:
    done = site.ucenv("site", "index", "--json", *words, user=ADMIN)
    assert done.returncode in (0, 1), done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return {environment["name"]: environment for environment in result["environments"]}


def kept(site: Place) -> Path:
    return Path(thin.site_file(str(site.source), str(site.conda.root)))


def test_a_users_thin_clone_takes_it(site: Place) -> None:
    made = index(site)[site.source.name]
    assert made["state"] == "made"
    assert (kept(site).stat().st_mode & 0o777, kept(site).stat().st_uid) == (0o644, ADMIN.uid)
    result = site.clone()
    assert result["directories"]["linked"] == made["linked"] > 0
    assert not (site.space / ".ucenv/analyses").exists()  # where the user's own would be


def test_again_it_does_nothing(site: Place) -> None:
    index(site)
    before = kept(site).stat().st_mtime_ns
    assert index(site)[site.source.name]["state"] == "current"
    assert kept(site).stat().st_mtime_ns == before
    done = site.ucenv("site", "index", user=ADMIN)
    assert "current" in done.stdout


def test_a_stale_one_is_noticed_and_made_again(site: Place) -> None:
    assert index(site, "--dry-run")[site.source.name]["state"] == "missing"
    assert not kept(site).exists()
    index(site)
    (site.source / "conda-meta/pinned").write_text("odd <9\n")
    assert index(site, "--dry-run")[site.source.name]["state"] == "stale"
    check = site.ucenv("site", "check", "--no-permissions", "--json", user=ADMIN)
    mends = [difference["mend"] for difference in json.loads(check.stdout)["result"]["differences"]]
    assert f"ucenv site index {site.source.name}" in mends
    site.clone()  # a user does not take it
    assert (site.space / ".ucenv/analyses").exists()
    assert index(site)[site.source.name]["state"] == "made again"
    check = site.ucenv("site", "check", "--no-permissions", "--json", user=ADMIN)
    mends = [difference["mend"] for difference in json.loads(check.stdout)["result"]["differences"]]
    assert not any("index" in mend for mend in mends)


def test_what_fails_is_told_and_the_others_are_made(site: Place) -> None:
    broken = site.conda.prefix("broken")
    (broken / "conda-meta").mkdir(parents=True)
    (broken / "conda-meta/x-1-0.json").write_text("{")
    handed_over_again(site)
    done = site.ucenv("site", "index", user=ADMIN)
    assert done.returncode == 1
    assert "x-1-0.json" in done.stdout
    assert kept(site).exists()


def test_only_those_named(site: Place) -> None:
    assert [*index(site, "base")] == ["base"]
    assert not kept(site).exists()
    done = site.ucenv("site", "index", "nothing", user=ADMIN)
    assert done.returncode == 10


def test_it_compiles(refused_links: None, shared_tmp: Path) -> None:
    conda = real_python.make_small(shared_tmp / "conda")
    directory = conda.root / "etc/ucenv"
    directory.mkdir(parents=True, exist_ok=True)
    (conda.root / "conda-meta").mkdir(exist_ok=True)
    (directory / "site.toml").write_text(f'[conda]\nroot = "{conda.root}"\nversion = "4.8.3"\n')
    place = handed_over(conda, shared_tmp / "space")
    (package,) = (conda.prefix() / "lib").glob("python*/site-packages/pip/_internal")
    compiled = next((package / "__pycache__").glob("build_env.*.pyc"))
    compiled.unlink()
    name = place.source.name
    assert index(place)[name]["uncompiled"] == 1
    assert index(place, "--compile")[name]["uncompiled"] == 0
    assert compiled.exists()
