"""A finished clone is an environment like any other: rattler reads it, and installs and removes packages in it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from rattler import PrefixRecord, RepoDataRecord, install

from demo import Package, PackageFile, write_package
from tests.clone.sites import SITE_PACKAGES, Site
from tests.support import manifest
from userconda.models import LinkMode


def records(prefix: Path) -> dict[str, PrefixRecord]:
    found = [PrefixRecord.from_path(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    return {record.name.normalized: record for record in found}


@pytest.mark.parametrize("mode", [None, LinkMode.COPY, LinkMode.SYMLINK], ids=str)
def test_rattler_reads_every_record(site: Site, mode: LinkMode | None) -> None:
    site.clone(mode=mode)
    assert records(site.target()).keys() == records(site.source).keys()


def test_rattler_reads_a_clone_of_a_clone(site: Site) -> None:
    site.clone(site.target("first"))
    site.clone(site.target("second"), source=site.target("first"))
    assert records(site.target("second")).keys() == records(site.source).keys()


def test_rattler_reads_a_clone_of_base(site: Site) -> None:
    conda = Package("conda", "26.7.0", "0", files=(PackageFile("share/conda/own.txt", b"conda's\n"),))
    tool = Package("tool", "1.0", "0", files=(PackageFile("share/tool/data.txt", b"a tool's\n"),))
    site.clone(source=site.install("base", conda, tool), is_base=True)
    assert records(site.target()).keys() == {"tool"}


def test_records_list_what_is_there(site: Site) -> None:
    """But for what pip has replaced, in the source as in the clone."""
    site.clone()

    def missing(prefix: Path) -> set[str]:
        listed = {str(file) for record in records(prefix).values() for file in record.files}
        return {path for path in listed if not (prefix / path).is_symlink() and not (prefix / path).exists()}

    assert missing(site.target()) == missing(site.source)


@pytest.mark.parametrize("mode", [None, LinkMode.COPY], ids=str)
def test_rattler_adds_a_package(site: Site, mode: LinkMode | None) -> None:
    site.clone(mode=mode)
    before = manifest.manifest(site.source)
    text = b"added\n"
    archive = write_package(
        Package("added", "1.0", "0", files=(PackageFile("share/added.txt", text),)), site.conda.channel
    )

    async def add() -> None:
        added = await RepoDataRecord.from_package_archive(archive)
        wanted: list[RepoDataRecord] = [*records(site.target()).values(), added]
        await install(wanted, site.target(), cache_dir=site.conda.pkgs, show_progress=False)

    asyncio.run(add())
    assert (site.target() / "share/added.txt").read_bytes() == text
    assert "added" in records(site.target())
    assert manifest.diff(before, manifest.manifest(site.source)) == []


@pytest.mark.parametrize("mode", [None, LinkMode.COPY], ids=str)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("odd-prefix", "share/odd/prefix.bin"),
        ("odd-files", "share/odd/nul.dat"),
        ("odd-python", f"{SITE_PACKAGES}/odd/cli.py"),
    ],
)
def test_rattler_removes_a_package(site: Site, name: str, path: str, mode: LinkMode | None) -> None:
    site.clone(mode=mode)
    before = manifest.manifest(site.source)

    async def remove() -> None:
        wanted = [record for other, record in records(site.target()).items() if other != name]
        await install(list(wanted), site.target(), cache_dir=site.conda.pkgs, show_progress=False)

    asyncio.run(remove())
    assert not (site.target() / path).exists()
    assert name not in records(site.target())
    assert manifest.diff(before, manifest.manifest(site.source)) == []


def test_rattler_needs_nothing_of_the_source(site: Site) -> None:
    site.clone()
    shutil.rmtree(site.source)
    assert "odd-prefix" in records(site.target())
    assert (site.target() / "share/odd/nul.dat").stat().st_size == 4096
