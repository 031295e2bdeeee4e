"""Seeding a package cache: errors of the system at every call, and what an entry must not be made of."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.manifest import manifest
from tests.support.users import ChildKilled, fork
from userconda import seed as seed_module
from userconda.errors import NotEnoughSpace, QuotaExceeded, UcenvError
from userconda.seed import STAGING_PREFIX, Installed, LinksRefused, NotSeeded, seed, was_copied

FILES = {"lib/a.txt": b"one\n", "lib/deep/b.bin": bytes(1000), "bin/tool": b"#!/placeholder/bin/sh\n"}


@pytest.fixture
def package(tmp_path: Path) -> Installed:
    """Extracted in one place, and installed as conda does where links are refused."""
    extracted, prefix = tmp_path / "system/pkg-1.0-0", tmp_path / "env"
    entries = []
    for name, data in FILES.items():
        for root in (extracted, prefix):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        entry = {"_path": name, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest()}
        entries.append(entry | {"size_in_bytes": len(data)})
    entries[-1] |= {"prefix_placeholder": "/placeholder", "file_mode": "text"}
    (prefix / "bin/tool").write_bytes(b"#!/env/bin/sh\n")
    entries.append({"_path": "lib/link", "path_type": "softlink", "sha256": "0", "size_in_bytes": 4})
    (extracted / "lib/link").symlink_to("a.txt")
    write_paths(extracted, entries)
    (extracted / "info/index.json").write_text("{}")
    (extracted / "info/test").mkdir()
    (extracted / "info/test/run.py").write_text("pass\n")
    (tmp_path / "pkgs").mkdir()
    return Installed(str(extracted), str(prefix), None, b"{}\n", "https://host/channel/noarch/pkg-1.0-0.conda")


def write_paths(extracted: Path, entries: list[dict[str, Any]]) -> None:
    (extracted / "info").mkdir(exist_ok=True)
    (extracted / "info/paths.json").write_text(json.dumps({"paths": entries, "paths_version": 1}))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "pkgs"


def change_entry(package: Installed, number: int, **values: Any) -> None:
    path = Path(package.extracted, "info/paths.json")
    entries = json.loads(path.read_text())["paths"]
    entries[number] |= values
    write_paths(path.parents[1], entries)


def test_an_entry(package: Installed, cache: Path) -> None:
    before = manifest(package.extracted)
    assert was_copied(package)
    assert seed(package, str(cache))
    entry = cache / "pkg-1.0-0"
    found = sorted(str(path.relative_to(entry)) for path in entry.rglob("*") if not path.is_dir())
    info = ["info/index.json", "info/paths.json", "info/repodata_record.json", "info/test/run.py"]
    assert found == sorted([*FILES, "lib/link", *info])
    assert (entry / "bin/tool").read_bytes() == FILES["bin/tool"]
    assert (entry / "lib/a.txt").samefile(Path(package.prefix, "lib/a.txt"))
    assert (cache / "urls.txt").read_text() == f"{package.url}\n"
    assert os.listdir(cache) != []
    assert not seed(package, str(cache))
    assert sorted(os.listdir(cache)) == ["pkg-1.0-0", "urls.txt"]
    assert manifest(package.extracted) == before


def test_the_records_own_repodata_is_kept(package: Installed, cache: Path) -> None:
    Path(package.extracted, "info/repodata_record.json").write_text('{"name": "pkg"}')
    assert seed(package, str(cache))
    assert (cache / "pkg-1.0-0/info/repodata_record.json").read_text() == '{"name": "pkg"}'


def test_a_url_is_noted_once(package: Installed, cache: Path) -> None:
    (cache / "urls.txt").write_text(f"{package.url}\n")
    assert seed(package, str(cache))
    assert (cache / "urls.txt").read_text() == f"{package.url}\n"


def test_what_a_script_changed_in_the_environment_comes_from_the_package(package: Installed, cache: Path) -> None:
    Path(package.prefix, "lib/a.txt").write_bytes(b"two\n")
    assert seed(package, str(cache))
    assert (cache / "pkg-1.0-0/lib/a.txt").read_bytes() == b"one\n"
    assert (cache / "pkg-1.0-0/lib/deep/b.bin").samefile(Path(package.prefix, "lib/deep/b.bin"))


@pytest.mark.parametrize(
    ("number", "values"),
    [
        (0, {"sha256": "0" * 64}),
        (0, {"sha256": None}),
        (0, {"_path": "../outside"}),
        (0, {"_path": "/etc/passwd"}),
        (2, {"sha256": "0" * 64}),
        (3, {"_path": "lib/no-such-link"}),
    ],
)
def test_what_is_not_true_to_its_record(package: Installed, cache: Path, number: int, values: Any) -> None:
    change_entry(package, number, **values)
    with pytest.raises((NotSeeded, UcenvError)):
        seed(package, str(cache))
    assert os.listdir(cache) == []


def test_a_package_without_hashes(package: Installed, cache: Path) -> None:
    Path(package.extracted, "info/paths.json").unlink()
    with pytest.raises(NotSeeded, match="missing"):
        seed(package, str(cache))
    assert os.listdir(cache) == []


def test_links_that_are_links(package: Installed, cache: Path) -> None:
    name = Path(package.prefix, "lib/a.txt")
    name.unlink()
    name.hardlink_to(Path(package.extracted, "lib/a.txt"))
    assert not was_copied(package)
    name.unlink()
    name.symlink_to(Path(package.extracted, "lib/a.txt"))
    assert not was_copied(package)


def test_what_a_killed_process_left_goes(package: Installed, cache: Path) -> None:
    gone = 1 << 22  # beyond the kernel's largest pid
    left = cache / f"{STAGING_PREFIX}{os.uname().nodename}.{gone}.abcd"
    (left / "half-1.0-0/info").mkdir(parents=True)
    mine = cache / f"{STAGING_PREFIX}{os.uname().nodename}.{os.getpid()}.abcd"
    elsewhere = cache / f"{STAGING_PREFIX}another-host.{gone}.abcd"
    for path in (mine, elsewhere):
        path.mkdir()
    assert seed(package, str(cache))
    assert not left.exists()
    assert mine.exists()
    assert elsewhere.exists()


CALLS = ["mkdir", "link", "symlink", "rename", "open", "write"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, NotEnoughSpace), (errno.EDQUOT, QuotaExceeded)])
def test_no_room_at_any_call(
    package: Installed, cache: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[Exception]
) -> None:
    """The n-th call of each kind fails, for every n until none does; reading is left alone."""
    real: Callable[..., Any] = getattr(os, call)
    failures = 0
    while True:
        before = iter(range(failures))

        def fail(*args: Any, before: Iterator[int] = before, **keywords: Any) -> Any:
            writes = call != "open" or (len(args) > 1 and args[1] & os.O_CREAT)
            if writes and next(before, None) is None:
                raise OSError(code, os.strerror(code), str(args[0]))
            return real(*args, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            try:
                assert seed(package, str(cache))
            except kind:
                assert not (cache / "pkg-1.0-0").exists()
                assert not list(cache.glob(".ucenv*"))
            else:
                break
        failures += 1
    assert failures >= 1
    assert (cache / "pkg-1.0-0/lib/a.txt").exists()


def test_killed_at_any_call(package: Installed, cache: Path, tmp_path: Path) -> None:
    """There is no entry, or the whole; the next run cleans up after the dead one."""
    whole = tmp_path / "elsewhere"
    whole.mkdir()
    assert seed(package, str(whole))
    expected = manifest(whole / "pkg-1.0-0").keys()

    def until(number: int) -> None:
        before = iter(range(number))

        def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **keywords: Any) -> Any:
                if next(before, None) is None:
                    os._exit(9)
                return real(*args, **keywords)

            return call

        for name in CALLS:
            setattr(os, name, deadly(getattr(os, name)))
        seed(package, str(cache))
        os._exit(0)

    for number in range(1000):
        with pytest.raises(ChildKilled) as died:
            fork(lambda number=number: until(number))  # type: ignore[misc]
        if (cache / "pkg-1.0-0").exists():
            assert manifest(cache / "pkg-1.0-0").keys() == expected
            break
        assert died.value.exit_code == 9
    assert number > 20
    shutil.rmtree(cache / "pkg-1.0-0")
    assert seed(package, str(cache))
    assert sorted(os.listdir(cache)) == ["pkg-1.0-0", "urls.txt"]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_no_links_between_environment_and_cache(
    package: Installed, cache: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*args: Any, **keywords: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(LinksRefused):
        seed(package, str(cache))
    assert os.listdir(cache) == []


def test_the_first_of_two_wins(package: Installed, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are at it at once; the other's is published in between."""
    real = seed_module._publish
    other = replace(package, url=None)

    def publish(staging: str, target: str) -> None:
        monkeypatch.setattr(seed_module, "_publish", real)
        assert seed(other, str(cache))
        real(staging, target)

    monkeypatch.setattr(seed_module, "_publish", publish)
    assert not seed(package, str(cache))
    assert os.listdir(cache) == ["pkg-1.0-0"]
