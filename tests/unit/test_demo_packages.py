"""The demo's packages are real: rattler installs them, Python starts, programs know where they are."""

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rattler import PrefixRecord

from demo import (
    PLACEHOLDER,
    SOURCE_DATE,
    Package,
    PackageFile,
    SystemConda,
    index_channel,
    install_from_cache,
    install_packages,
    make_big_environment,
    make_system_conda,
    package_from_python,
    package_with_compiled_library,
    write_package,
)

SITE_PACKAGES = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SystemConda:
    return make_system_conda(tmp_path_factory.mktemp("small") / "conda", None, small=True)


@pytest.fixture(scope="module")
def python_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with a real Python, the compiled library and a noarch package with an entry point."""
    root = tmp_path_factory.mktemp("python") / "conda"
    entry_point = Package(
        "hello",
        "1.0",
        noarch="python",
        depends=("python >=3.8",),
        entry_points=("hello = hello:main",),
        files=(
            PackageFile(
                "site-packages/hello.py", b"import sys\n\n\ndef main():\n    print('hello from', sys.prefix)\n"
            ),
        ),
    )
    packages = [package_from_python(), package_with_compiled_library(), entry_point]
    prefix = root / "envs/real"
    install_packages([write_package(package, root / "conda-bld") for package in packages], prefix, root / "pkgs")
    return prefix


def output(*command: str | Path) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, env=environment, cwd="/", check=True, capture_output=True, text=True)
    return result.stdout.splitlines()


def entries(prefix: Path, name: str) -> dict[str, dict[str, object]]:
    (record,) = (prefix / "conda-meta").glob(f"{name}-[0-9]*.json")
    return {entry["_path"]: entry for entry in json.loads(record.read_bytes())["paths_data"]["paths"]}


def test_python_knows_its_prefix(python_prefix: Path) -> None:
    script = "import ctypes, ssl, sys, sysconfig; print(sys.prefix, sys.base_prefix, sysconfig.get_path('purelib'))"
    site_packages = python_prefix / SITE_PACKAGES
    assert output(python_prefix / "bin/python", "-c", script) == [f"{python_prefix} {python_prefix} {site_packages}"]
    path = output(python_prefix / "bin/python", "-c", "import sys; print(*sys.path[1:], sep='\\n')")
    assert str(site_packages) in path
    assert all(Path(entry).is_relative_to(python_prefix) for entry in path)


def test_python_uses_the_packed_bytecode(python_prefix: Path) -> None:
    verbose = subprocess.run(
        [python_prefix / "bin/python", "-v", "-c", "import json"], check=True, capture_output=True, text=True
    ).stderr
    json_lines = [line for line in verbose.splitlines() if f"{python_prefix}/lib" in line and "json/__init__" in line]
    assert any(" matches " in line for line in json_lines)
    assert not any("wrote" in line for line in json_lines)


def test_sysconfig_holds_the_prefix(python_prefix: Path) -> None:
    script = "import sysconfig; print(sysconfig.get_config_var('prefix'))"
    assert output(python_prefix / "bin/python", "-c", script) == [str(python_prefix)]
    (data,) = (entry for path, entry in entries(python_prefix, "python").items() if "_sysconfigdata_" in path
               and path.endswith(f"{sys.platform}_{sys.implementation._multiarch}.py"))  # fmt: skip
    assert data["prefix_placeholder"] == PLACEHOLDER.decode()


def test_entry_point_runs(python_prefix: Path) -> None:
    assert output(python_prefix / "bin/hello") == [f"hello from {python_prefix}"]


def test_compiled_code_knows_its_prefix(python_prefix: Path) -> None:
    search_path = f"{python_prefix}/share/ucdemo:{python_prefix}/lib/ucdemo"
    assert output(python_prefix / "bin/ucdemo-where") == [
        f"program {python_prefix}/bin",
        str(python_prefix),
        search_path,
    ]
    library = ctypes.CDLL(str(python_prefix / "lib/libucdemo.so"))
    library.ucdemo_search_path.restype = ctypes.c_char_p
    assert library.ucdemo_search_path() == search_path.encode()


def test_packages_are_reproducible(tmp_path: Path) -> None:
    package = package_with_compiled_library()
    first, second = (write_package(package, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_channel_can_be_indexed(small: SystemConda) -> None:
    index_channel(small.channel)
    noarch = json.loads((small.channel / "noarch/repodata.json").read_bytes())
    assert "odd-python-1.0-pyh0000000_0.conda" in noarch["packages.conda"]


def test_small_system_conda(small: SystemConda) -> None:
    prefix = small.prefix()
    records = [PrefixRecord.from_path(path) for path in (prefix / "conda-meta").glob("*.json")]
    assert {record.name.normalized for record in records} >= {"python", "ucdemo-lib", "odd-prefix", "odd-python"}
    assert all(record.channel == small.channel.as_uri() for record in records)
    assert PLACEHOLDER not in (prefix / "etc/odd.conf").read_bytes()
    assert f"other={prefix}-other" in (prefix / "etc/odd.conf").read_text()
    assert b"\r\n" in (prefix / "etc/odd-dos.conf").read_bytes()
    assert (prefix / "share/odd/pair-1").samefile(prefix / "share/odd/pair-2")
    assert (prefix / "share/odd/not-linked").stat().st_nlink == 1
    assert (prefix / "share/odd/nul.dat").samefile(small.pkgs / "odd-files-1.0-h7777777_0/share/odd/nul.dat")
    assert (prefix / "lib64").readlink() == Path("lib")
    assert (prefix / "bin/odd").read_text().startswith(f"#!{prefix}/bin/python")


def test_small_system_conda_has_a_stale_record(small: SystemConda) -> None:
    path = f"{SITE_PACKAGES}/odd_upgraded.py"
    recorded = entries(small.prefix(), "odd-upgraded")[path]["sha256"]
    assert hashlib.sha256((small.prefix() / path).read_bytes()).hexdigest() != recorded
    packed = small.pkgs / "odd-upgraded-1.0-pyh0000000_0/site-packages/odd_upgraded.py"
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == recorded


def test_rattler_redates_only_what_it_rewrites(small: SystemConda) -> None:
    for path, entry in entries(small.prefix(), "odd-prefix").items():
        expected = SOURCE_DATE + 1 if "prefix_placeholder" in entry else SOURCE_DATE
        assert (small.prefix() / path).stat().st_mtime == expected, path


def test_big_environment_is_what_rattler_would_make(tmp_path: Path) -> None:
    prefix = make_big_environment(tmp_path / "conda", files=1500, directories=240, packages=12, fill_cache=True)
    installed = tmp_path / "installed"
    install_from_cache(prefix, installed, tmp_path / "conda/pkgs")
    for record in (prefix / "conda-meta").glob("*.json"):
        theirs = json.loads((installed / "conda-meta" / record.name).read_bytes())
        ours = json.loads(record.read_bytes())
        for entry in ours["paths_data"]["paths"]:
            mine, other = prefix / entry["_path"], installed / entry["_path"]
            assert mine.stat().st_mtime == other.stat().st_mtime
            # The two prefixes differ in length, so what holds one differs in content and size.
            if "prefix_placeholder" not in entry:
                assert mine.samefile(other)
            else:
                assert mine.read_bytes().rstrip(b"\0").count(os.fsencode(prefix)) == 1
        assert list(ours) == list(theirs)
        assert ours["files"] == theirs["files"]
        assert [list(entry) for entry in ours["paths_data"]["paths"]] == [
            list(entry) for entry in theirs["paths_data"]["paths"]
        ]


def test_big_environment_has_the_size_asked_for(tmp_path: Path) -> None:
    prefix = make_big_environment(tmp_path / "conda", files=3000, directories=480, packages=10)
    files = [path for path in prefix.rglob("*") if path.is_file() and path.parent.name != "conda-meta"]
    directories = [path for path in prefix.rglob("*") if path.is_dir()]
    assert len(files) == 3000
    assert len(directories) == pytest.approx(480, rel=0.1)
    assert sum(path.suffix == ".pyc" for path in files) == pytest.approx(525, rel=0.1)
