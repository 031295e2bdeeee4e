"""What ucenv writes is what conda writes, and conda goes on working in what ucenv made."""

import base64
import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from demo import PLACEHOLDER, install_packages, odd_packages
from tests.conda.conftest import Conda
from tests.support import Unavailable
from userconda.placeholder import FileMode, NoRoom, replace, rewrite_content
from userconda.records import parse_record

pytestmark = pytest.mark.conda

NAMES = ["python", "ucdemo-lib", *(package.name for package in odd_packages())]

# conda's own code -----------------------------------------------------------------------------------------------

DRIVER = """
import base64, json, sys
from conda.base.constants import PREFIX_PLACEHOLDER
from conda.core.portability import _PaddingError, generate_shebang_for_entry_point, replace_long_shebang, replace_prefix
from conda.models.enums import FileMode

request = json.load(sys.stdin)
answers = []
for data, placeholder, prefix, mode in request["files"]:
    mode = FileMode(mode)
    try:
        data = replace_long_shebang(mode, replace_prefix(mode, base64.b64decode(data), placeholder, prefix))
        answers.append(base64.b64encode(data).decode())
    except _PaddingError:
        answers.append("no room")
    except UnicodeDecodeError:  # a shebang that is not UTF-8: conda gives up
        answers.append("undecodable")
json.dump({"files": answers, "shebangs": list(map(generate_shebang_for_entry_point, request["shebangs"]))}, sys.stdout)
"""


def ask(conda: Conda, **request: list[Any]) -> dict[str, list[Any]]:
    answer: dict[str, list[Any]] = json.loads(conda.python(DRIVER, json.dumps({"files": [], "shebangs": []} | request)))
    return answer


def some_file(rng: random.Random) -> tuple[bytes, str, str, FileMode]:
    """A file with placeholders in any encoding, and the prefix it is installed at."""
    mode = rng.choice(list(FileMode))
    placeholder = rng.choice([PLACEHOLDER.decode(), "/opt/anaconda1anaconda2anaconda3", "/b/é_(p)[+]*\\|{2}.$^"])
    length = rng.choice([3, 20, len(placeholder.encode()) - 1, len(placeholder.encode()), 114, 120, 255, 256])
    prefix = (
        (rng.choice(["/n/", "/sp ace/", "/é世/", "/\\1.*/"]) + "x" * length).encode()[:length].decode(errors="ignore")
    )
    encodings = ["utf-8"] * 8 + ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
    pieces = [b"", b"/lib", b":", b"\n", b"\r\n", b" ", b"#!", "世".encode(), prefix.encode()]
    if mode is FileMode.BINARY:
        pieces += [b"\0", b"\0", b"\0\0", b"\0" * 7, b"\xff\xfe", b"\1\2"]
    parts = [
        placeholder.encode(rng.choice(encodings)) if rng.random() < 0.4 else rng.choice(pieces)
        for _ in range(rng.randrange(12))
    ]
    if rng.random() < 0.5:
        options = rng.choice(["", " -w", "\r", " --x " + placeholder, "\\ y"])
        name = rng.choice(["python", "perl", "a\\ b"])
        parts.insert(0, f"#!{rng.choice(['', ' '])}{placeholder}/bin/{name}{options}\n".encode())
    return b"".join(parts), placeholder, prefix, mode


def test_replacement_is_condas_own(conda: Conda) -> None:
    rng = random.Random(20)
    cases = [some_file(rng) for _ in range(5000)]
    files = [[base64.b64encode(d).decode(), p, prefix, mode.value] for d, p, prefix, mode in cases]
    answers = ask(conda, files=files)["files"]
    changed = 0
    assert answers.count("undecodable") < 100
    for (data, placeholder, prefix, mode), answer in zip(cases, answers, strict=True):
        if answer == "undecodable":
            continue
        if answer == "no room":
            with pytest.raises(NoRoom):
                replace(data, placeholder, prefix, mode)
            continue
        installed = base64.b64decode(answer)
        assert replace(data, placeholder, prefix, mode) == installed
        changed += installed != data
    assert changed > len(cases) // 2
    assert "no room" in answers


def test_an_entry_points_shebang_is_condas_own(conda: Conda) -> None:
    paths = [f"/{'e' * (length - len('//bin/python3.11'))}/bin/python3.11" for length in range(100, 141)]
    paths += ["/sp ace/bin/python3.11", "/é/bin/python3.11", f"/{'sp ace/' * 30}bin/python3.11"]
    shebangs = ask(conda, shebangs=paths)["shebangs"]
    assert len(set(map(len, shebangs[:41]))) > 1
    for path, shebang in zip(paths, shebangs, strict=True):
        target = path.removesuffix("/bin/python3.11")
        ours = rewrite_content(b"#!/opt/source/bin/python3.11\nimport x\n", ("/opt/source",), target)
        assert ours.data.decode() == shebang + "import x\n"


# environments ---------------------------------------------------------------------------------------------------


def install_with_conda(conda: Conda, prefix: Path) -> None:
    conda.change("create", prefix, *NAMES)


def install_with_rattler(conda: Conda, prefix: Path) -> None:
    archives = [next(conda.channel.glob(f"*/{name}-[0-9]*.conda")) for name in NAMES]
    install_packages(archives, prefix, conda.directory / "pkgs-of-rattler")


def install_as_micromamba(conda: Conda, prefix: Path) -> None:
    """conda's installation under records as micromamba writes them: no placeholders, paths as installed."""
    install_with_conda(conda, prefix)
    for path in (prefix / "conda-meta").glob("*.json"):
        record = json.loads(path.read_bytes())
        for name, entry in zip(record["files"], record["paths_data"]["paths"], strict=True):
            for key in ("prefix_placeholder", "file_mode"):
                entry.pop(key, None)
            if entry["path_type"] in ("pyc_file", "unix_python_entry_point"):
                entry.pop("size_in_bytes", None)
            entry["_path"] = name
        path.unlink()  # not in place: the package cache may share it
        path.write_text(json.dumps(record, indent=4, sort_keys=True, ensure_ascii=False))


INSTALLERS = {"conda": install_with_conda, "rattler": install_with_rattler, "micromamba": install_as_micromamba}


@pytest.fixture(scope="module", params=INSTALLERS)
def installer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def source(conda: Conda, installer: str) -> Path:
    prefix = conda.directory / installer / "source"
    INSTALLERS[installer](conda, prefix)
    return prefix


@pytest.fixture
def clone(conda: Conda, source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "clone"
    conda.ucenv_clone(source, target)
    return target


def records(prefix: Path) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_bytes()) for path in (prefix / "conda-meta").glob("*.json")}


def owned_files(prefix: Path, of: Path) -> dict[str, bytes]:
    """Every regular file that the packages of the prefix `of` own, save .pyc files, which hold dates."""
    names = [name for record in records(of).values() for name in record["files"] if not name.endswith(".pyc")]
    return {name: (prefix / name).read_bytes() for name in names if (of / name).is_file()}


def moved(files: dict[str, bytes], old: Path, new: Path) -> dict[str, bytes]:
    assert len(str(old)) == len(str(new))
    for encoding in ("utf-8", "utf-16-le"):
        files = {
            name: data.replace(str(old).encode(encoding), str(new).encode(encoding)) for name, data in files.items()
        }
    return files


def shortens(prefix: Path) -> bool:
    return " " in str(prefix) or len(f"#!{prefix}/bin/python3.11") > 127


#: rattler indents it with a tab, conda with spaces; either keeps what it finds.
ENTRY_POINT = "bin/odd"


@pytest.mark.parametrize("depth", ["", "sp ace/", "a-rather-long-directory-name/" * 4, "é/"])
def test_packages_files_are_as_their_installer_writes_them(
    conda: Conda, installer: str, source: Path, tmp_path: Path, depth: str
) -> None:
    target, fresh = tmp_path / f"{depth}target", tmp_path / f"{depth}fresh_"
    # Where nothing was shortened at the source, nothing tells conda's files from rattler's; then conda's way is taken.
    writer = install_with_conda if shortens(target) else INSTALLERS[installer]
    conda.ucenv_clone(source, target)
    writer(conda, fresh)
    cloned, installed = owned_files(target, fresh), moved(owned_files(fresh, fresh), fresh, target)
    if installer == "rattler" and shortens(target):
        del installed[ENTRY_POINT]
    assert {name for name in installed if cloned[name] != installed[name]} == set()
    assert len(installed) > 600
    assert sum(str(target).encode() in data for data in cloned.values()) > 15


def test_packages_files_are_as_condas_clone_has_them(conda: Conda, installer: str, source: Path, clone: Path) -> None:
    by_conda = clone.with_name("conda")
    conda.run("create", "--yes", "--quiet", "--prefix", by_conda, "--clone", source)
    cloned, expected = owned_files(clone, by_conda), moved(owned_files(by_conda, by_conda), by_conda, clone)
    reworded = {ENTRY_POINT} if installer == "rattler" else set()
    assert {name for name in expected if cloned[name] != expected[name]} == reworded


def test_conda_lists_a_clone_like_its_source(conda: Conda, source: Path, clone: Path) -> None:
    listed = conda.json("list", "--prefix", clone)
    assert sorted(package["name"] for package in listed) == sorted(NAMES)
    assert listed == conda.json("list", "--prefix", source)


def test_conda_exports_a_clone_like_its_source(conda: Conda, source: Path, clone: Path) -> None:
    exported = conda.json("env", "export", "--prefix", source)
    assert len(exported["dependencies"]) == len(NAMES)
    assert conda.json("env", "export", "--prefix", clone) == exported | {"name": str(clone), "prefix": str(clone)}


def test_conda_doctor_says_of_a_clones_files_what_it_says_of_the_sources(
    conda: Conda, source: Path, clone: Path
) -> None:
    if "doctor" not in conda.run("--help"):
        raise Unavailable(f"{conda.root} has no `conda doctor`")

    def verdict(prefix: Path) -> list[str]:
        report = conda.run("doctor", "--verbose", "--prefix", prefix).splitlines()
        return [line for line in report if line.startswith("  ") or "altered files" in line or "Missing" in line]

    assert "  share/odd/dangling-link" in verdict(source)
    assert verdict(clone) == verdict(source)


def test_conda_installs_into_a_clone(conda: Conda, source: Path, clone: Path) -> None:
    conda.change("install", clone, "latecomer")
    assert (clone / "share/latecomer.txt").read_bytes() == b"installed later\n"
    assert not (source / "share/latecomer.txt").exists()


def test_conda_removes_from_a_clone(conda: Conda, source: Path, clone: Path) -> None:
    of_package = records(source)["odd-python-1.0-pyh0000000_0.json"]["files"]
    before = {name: (source / name).read_bytes() for name in of_package}
    conda.change("remove", clone, "odd-python")
    assert [name for name in of_package if (clone / name).exists()] == []
    assert {name: (source / name).read_bytes() for name in of_package} == before
    assert "odd-python-1.0-pyh0000000_0.json" not in records(clone)


def test_conda_updates_in_a_clone(conda: Conda, source: Path, clone: Path) -> None:
    of_package = records(source)["odd-prefix-1.0-h8888888_0.json"]["files"]
    before = {name: (clone / name).read_bytes() for name in of_package}
    conda.change("install", clone, "odd-prefix", "--force-reinstall")
    assert {name: (clone / name).read_bytes() for name in of_package} == before


def test_records_tell_the_hash_of_each_file(source: Path, clone: Path) -> None:
    checked = 0
    for name, record in records(clone).items():
        in_source = records(source)[name]
        assert record["files"] == in_source["files"]
        for path, entry in zip(record["files"], record["paths_data"]["paths"], strict=True):
            if "sha256_in_prefix" in entry and not (clone / path).is_symlink():
                assert hashlib.sha256((clone / path).read_bytes()).hexdigest() == entry["sha256_in_prefix"], path
                checked += 1
    assert checked > 10


def test_records_differ_from_the_sources_only_where_files_do(source: Path, clone: Path) -> None:
    may_differ = {"sha256_in_prefix", "size_in_bytes", "sha256"}
    for name, record in records(clone).items():
        in_source = records(source)[name]
        for path, entry, before in zip(
            record["files"], record["paths_data"]["paths"], in_source["paths_data"]["paths"], strict=True
        ):
            differing = {key for key in entry.keys() | before.keys() if entry.get(key) != before.get(key)}
            assert differing <= may_differ
            if differing:
                assert (clone / path).read_bytes() != (source / path).read_bytes()
        del record["paths_data"], in_source["paths_data"]
        assert record == in_source


def test_an_entry_point_runs_in_a_clone(conda: Conda, clone: Path) -> None:
    assert conda.run("run", "--prefix", clone, "odd").strip() == f"odd at {clone}"


def test_a_noarch_record_of_conda_names_paths_of_the_package(conda: Conda, installer: str, source: Path) -> None:
    """What the mapping in userconda.records is for."""
    data = (source / "conda-meta/odd-python-1.0-pyh0000000_0.json").read_bytes()
    record = parse_record(data, "odd-python")
    assert record.paths_data is not None
    first = record.paths_data.paths[0].path
    assert first.startswith("python-scripts/" if installer == "conda" else ("bin/", "lib/"))


def test_a_clone_of_a_clone_is_exact_too(conda: Conda, source: Path, clone: Path) -> None:
    second = clone.with_name("again")
    conda.ucenv_clone(clone, second)
    shutil.move(clone, clone.with_name("gone"))
    cloned, expected = owned_files(second, second), moved(owned_files(clone.with_name("gone"), second), clone, second)
    assert {name for name in expected if cloned[name] != expected[name]} == set()
