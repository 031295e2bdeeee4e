"""Records of conda, mamba and rattler: read strictly, mapped to installed paths, rewritten where they must be."""

import contextlib
import copy
import functools
import hashlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from demo import SystemConda, make_system_conda
from demo.packages import SITE_PACKAGES as DEMO_SITE_PACKAGES
from userconda import records
from userconda.errors import CorruptRecord, PathEscapesPrefix
from userconda.records import (
    FileChange,
    PathEntry,
    PrefixRecord,
    check_path,
    installed_paths,
    noarch_path,
    parse_paths,
    parse_record,
    retarget_record,
    site_packages_of,
)

SITE_PACKAGES = "lib/python3.11/site-packages"
PATH = "conda-meta/nopy-1.0-py_0.json"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CONDA: dict[str, Any] = {
    "name": "nopy",
    "version": "1.0",
    "build": "py_0",
    "build_number": 0,
    "fn": "nopy-1.0-py_0.conda",
    "depends": ["python >=3.8"],
    "noarch": "python",
    "size": 2105,
    "extracted_package_dir": "/conda/pkgs/nopy-1.0-py_0",
    "files": ["bin/nopy-script", f"{SITE_PACKAGES}/nopy/conf.txt", "bin/nopy"],
    "paths_data": {
        "paths_version": 1,
        "paths": [
            {
                "_path": "python-scripts/nopy-script",
                "prefix_placeholder": "/placehold",
                "file_mode": "text",
                "path_type": "hardlink",
                "sha256": sha256("packed script"),
                "size_in_bytes": 294,
                "sha256_in_prefix": sha256("script"),
            },
            {
                "_path": "site-packages/nopy/conf.txt",
                "path_type": "hardlink",
                "sha256": sha256("conf"),
                "size_in_bytes": 263,
                "sha256_in_prefix": sha256("conf"),
            },
            {"_path": "bin/nopy", "path_type": "unix_python_entry_point", "size_in_bytes": 233},
        ],
    },
    "link": {"source": "/conda/pkgs/nopy-1.0-py_0", "type": 1},
    "requested_specs": ["nopy=1.0"],
}


def mamba_record() -> dict[str, Any]:
    """No placeholders, paths as installed, entry points without a size."""
    record = copy.deepcopy(CONDA)
    for name, entry in zip(record["files"], record["paths_data"]["paths"], strict=True):
        entry["_path"] = name
        entry.pop("prefix_placeholder", None)
        entry.pop("file_mode", None)
    del record["paths_data"]["paths"][2]["size_in_bytes"]
    return record


def rattler_record() -> dict[str, Any]:
    """Paths as installed, hashes of what was written, nothing where nothing was replaced."""
    record = copy.deepcopy(CONDA)
    script, conf, entry_point = record["paths_data"]["paths"]
    for name, entry in zip(record["files"], (script, conf, entry_point), strict=True):
        entry["_path"] = name
    script["size_in_bytes"] = 50
    del conf["sha256_in_prefix"]
    entry_point["sha256"] = sha256("entry point")
    return record


def as_conda(record: Any) -> bytes:
    return json.dumps(record, indent=2).encode()


def as_mamba(record: Any) -> bytes:
    return json.dumps(record, indent=4, sort_keys=True, ensure_ascii=False).encode()


def as_rattler(record: Any) -> bytes:
    return json.dumps(record, indent=2, ensure_ascii=False).encode()


WRITTEN = {
    "conda": as_conda(CONDA),
    "mamba": as_mamba(mamba_record()),
    "rattler": as_rattler(rattler_record()),
}

plain: Callable[[bytes], PrefixRecord] = functools.partial(records._plain_decode, wanted=PrefixRecord)


@pytest.fixture(params=["msgspec", "plain"])
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    decode = msgspec.json.Decoder(PrefixRecord).decode if request.param == "msgspec" else plain
    monkeypatch.setitem(records._decoders, PrefixRecord, decode)
    return str(request.param)


# reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITTEN)
def test_a_record_is_read(decoder: str, writer: str) -> None:
    record = parse_record(WRITTEN[writer], PATH)
    assert (record.stem, record.noarch, record.files) == ("nopy-1.0-py_0", "python", CONDA["files"])
    assert record.paths_data is not None
    script, conf, entry_point = record.paths_data.paths
    assert (script.replaced, conf.replaced, entry_point.replaced) == (True, False, False)
    assert script.prefix_placeholder == (None if writer == "mamba" else "/placehold")
    assert conf.sha256_in_prefix == (None if writer == "rattler" else sha256("conf"))
    assert entry_point.path_type == "unix_python_entry_point"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SystemConda:
    return make_system_conda(tmp_path_factory.mktemp("small") / "conda", None, small=True)


def test_records_of_an_installation_are_read_alike_by_both_decoders(small: SystemConda) -> None:
    fast = msgspec.json.Decoder(PrefixRecord).decode
    paths = sorted((small.prefix() / "conda-meta").glob("*.json"))
    assert len(paths) == 8
    for path in paths:
        data = path.read_bytes()
        assert plain(data) == fast(data) == parse_record(data, str(path))
        assert parse_record(data, str(path)).stem == path.stem


def test_a_packages_paths_are_read(small: SystemConda) -> None:
    data = (small.pkgs / "odd-prefix-1.0-h8888888_0/info/paths.json").read_bytes()
    entry = next(entry for entry in parse_paths(data, "paths.json").paths if entry.path == "bin/odd-perl")
    assert (entry.file_mode, len(entry.prefix_placeholder or "")) == ("text", 255)


# what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ""),
        (b"null", "null|None"),
        (b"[]", "array|_Object|list"),
        (b"{}", "name"),
        (b'{"name": "a"}', "version"),
        (b'{"name": "", "version": "1"}', "no name"),
        (b'{"name": "a", "version": 1}', "version"),
        (b'{"name": "a", "version": "1"} x', ""),
        (b'{"name": "a", "version": "1", "files": null}', "files"),
        (b'{"name": "a", "version": "1", "files": ["x", 1]}', r"files\[1\]"),
        (b'{"name": "a", "version": "1", "files": [1], "files": ["x"]}', r"files\[0\]"),
        (b'{"name": "a", "version": "1", "noarch": 2}', "noarch"),
        (b'{"name": "a", "version": "1", "paths_data": {"paths": [{}]}}', "_path"),
        (b'{"name": "a", "version": "1", "paths_data": {"paths": [{"_path": "x", "size_in_bytes": 1.5}]}}', "size"),
        (b'{"name": "a", "version": "1", "paths_data": {"paths": [{"_path": "x", "size_in_bytes": true}]}}', "size"),
        (b'{"name": "a", "version": "1", "other": NaN}', ""),
        (b'{"name": "a", "version": "1", "other": [-Infinity]}', ""),
        (b'{"name": "a", "version": "1", "other": "\\ud800"}', ""),
        (b'{"name": "a", "version": "1", "files": ["\\udcff"]}', ""),
        (b'{"name": "a", "version": "1", "other": "\xff"}', "utf-8"),
        (b'\xef\xbb\xbf{"name": "a", "version": "1"}', ""),
        ('{"name": "a", "version": "1"}'.encode("utf-16"), ""),
        (b'{"name": "a", "version": "1", "other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ],
)
def test_a_corrupt_record_is_named(decoder: str, data: bytes, reason: str) -> None:
    with pytest.raises(CorruptRecord, match=f"(?is){reason}") as caught:
        parse_record(data, PATH)
    assert caught.value.path == PATH
    assert PATH in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b'{"name": "a", "version": "1", "files": [1e3], "files": []}',
        b'{"name": "a", "version": "1", "other": ' + b"9" * 5000 + b"}",
        b'{"name": "a", "version": "1", "other": "\\ud83d\\ude00", "files": ["\\ud83d\\ude00"]}',
        b'{"name": "a", "version": "1", "name": "b", "files": ["x"], "files": ["y"]}',
        b'{"name": "a", "version": "1", "noarch": false, "unknown": {"deep": [{}]}}',
        b' {"n\\u0061me": "a", "version": "1"}\n',
    ],
)
def test_both_decoders_judge_alike(data: bytes) -> None:
    assert verdict(plain, data) == verdict(msgspec.json.Decoder(PrefixRecord).decode, data)


@pytest.mark.parametrize("path", ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "a\0b"])
@pytest.mark.parametrize("place", ["files", "paths"])
def test_a_path_out_of_the_prefix_is_refused(place: str, path: str) -> None:
    record: dict[str, Any] = {"name": "a", "version": "1", "files": ["bin/x"]}
    if place == "files":
        record["files"].append(path)
    else:
        record["paths_data"] = {"paths": [{"_path": path}]}
    with pytest.raises(PathEscapesPrefix) as caught:
        parse_record(as_conda(record), PATH)
    assert (caught.value.record, caught.value.path) == (PATH, path)


@pytest.mark.parametrize("path", ["a", "..a", "a..", "a/..b/c", "...", "a/...", "é世", ".hidden", "a b", "a\nb"])
def test_a_path_within_the_prefix_is_allowed(path: str) -> None:
    assert check_path(path, PATH) is None  # type: ignore[func-returns-value]


def verdict(decode: Callable[[bytes], PrefixRecord], data: bytes) -> PrefixRecord | None:
    """The record as the module reads it with that decoder; None where it is corrupt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(records._decoders, PrefixRecord, decode)
        try:
            return parse_record(data, PATH)
        except (CorruptRecord, PathEscapesPrefix) as error:
            named = PATH in error.message and error.message.encode() != b""
        if named:
            return None
        raise ValueError(f"the message does not name {PATH}")


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    10**30,
    "",
    "/x",
    "../x",
    "a\0",
    "\ud800",
    [],
    {},
    [[]],
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, element in list(items) for place in ((value, key), *places(element))]


def malform(rng: random.Random) -> bytes:
    """A valid record after one to three things went wrong with it."""
    written = rng.choice(list(WRITTEN.values()))
    kind = rng.randrange(6)
    if kind < 3:
        document = json.loads(written)
        for _ in range(rng.randint(1, 3)):
            container, key = rng.choice(places(document))
            with contextlib.suppress(KeyError, IndexError):
                if kind == 0:
                    container[key] = copy.deepcopy(rng.choice(JUNK))
                elif kind == 1:
                    del container[key]
                else:
                    container[key] = [container[key]] * rng.randint(0, 3)
        return json.dumps(document).encode()
    data = bytearray(written)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) or 1)
        if kind == 3:
            del data[at:]
        elif kind == 4:
            data[at : at + 1] = bytes([rng.randrange(256)])
        else:
            inserted = [
                b"\\ud800",
                b"\xff",
                b"NaN",
                b"[" * 5000,
                b"\0",
                b'"name": 1,',
                b'"files": [],',
                b'"',
                b"9" * 5000,
            ]
            data[at:at] = rng.choice(inserted)
    return bytes(data)


def test_ten_thousand_malformed_records_are_read_or_named() -> None:
    rng = random.Random(7)
    fast = msgspec.json.Decoder(PrefixRecord).decode
    started, accepted = time.process_time(), 0
    for _ in range(10_000):
        data = malform(rng)
        read = verdict(fast, data)
        assert read == verdict(plain, data), data
        accepted += read is not None
    assert 500 < accepted < 9_500
    assert time.process_time() - started < 20


# where files are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", WRITTEN)
@pytest.mark.parametrize("site_packages", [SITE_PACKAGES, "lib/python3.13t/site-packages"])
def test_a_noarch_packages_files_are_where_its_list_says(writer: str, site_packages: str) -> None:
    record = parse_record(WRITTEN[writer], PATH)
    found = dict(installed_paths(record, site_packages))
    assert list(found) == CONDA["files"]
    assert all(entry is not None for entry in found.values())


def test_a_noarch_package_without_a_list_follows_the_rules() -> None:
    record = parse_record(as_conda(CONDA | {"files": []}), PATH)
    expected = ["bin/nopy-script", f"{SITE_PACKAGES}/nopy/conf.txt", "bin/nopy"]
    assert [path for path, _ in installed_paths(record, SITE_PACKAGES)] == expected


def test_files_beyond_the_entries_are_owned_too() -> None:
    files = [*CONDA["files"], f"{SITE_PACKAGES}/nopy/extra.pyc"]
    found = list(installed_paths(parse_record(as_conda(CONDA | {"files": files}), PATH), SITE_PACKAGES))
    assert sorted(path for path, _ in found) == sorted(files)
    assert [path for path, entry in found if entry is None] == files[3:]


def test_lists_of_another_order_are_not_taken_for_aligned() -> None:
    files = CONDA["files"][::-1]
    found = dict(installed_paths(parse_record(as_conda(CONDA | {"files": files}), PATH), SITE_PACKAGES))
    script = found["bin/nopy-script"]
    assert script is not None
    assert script.path == "python-scripts/nopy-script"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("site-packages/a/site-packages/b", f"{SITE_PACKAGES}/a/site-packages/b"),
        ("site-packages-x/a", "site-packages-x/a"),
        ("python-scripts/x", "bin/x"),
        ("share/python-scripts/x", "share/python-scripts/x"),
        ("share/x", "share/x"),
    ],
)
def test_a_noarch_path_is_mapped_as_conda_does(path: str, expected: str) -> None:
    assert noarch_path(path, SITE_PACKAGES) == expected


@pytest.mark.parametrize(
    ("version", "told", "expected"),
    [
        ("3.11.2", None, SITE_PACKAGES),
        ("3.9", None, "lib/python3.9/site-packages"),
        ("2.7.18", None, "lib/python2.7/site-packages"),
        ("3.13.1", "lib/python3.13t/site-packages", "lib/python3.13t/site-packages"),
    ],
)
def test_pythons_record_tells_where_packages_go(version: str, told: str | None, expected: str) -> None:
    assert site_packages_of(PrefixRecord("python", version, python_site_packages_path=told)) == expected


# rewriting ------------------------------------------------------------------------------------------------------

CHANGES = {
    "bin/nopy-script": FileChange(sha256("script"), sha256("script at b"), 50, 61),
    "bin/nopy": FileChange(sha256("entry point"), sha256("entry point at b"), 233, 244),
}


def expected_after(writer: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(WRITTEN[writer])
    script, _, entry_point = document["paths_data"]["paths"]
    script["sha256_in_prefix"] = sha256("script at b")
    if writer == "rattler":
        script["size_in_bytes"] = 61
        entry_point["sha256"] = sha256("entry point at b")
    if writer != "mamba":
        entry_point["size_in_bytes"] = 244
    return document


@pytest.mark.parametrize(("writer", "write"), [("conda", as_conda), ("mamba", as_mamba), ("rattler", as_rattler)])
def test_a_record_is_edited_where_it_stands(writer: str, write: Callable[[Any], bytes]) -> None:
    assert retarget_record(WRITTEN[writer], CHANGES, (), SITE_PACKAGES) == write(expected_after(writer))


@pytest.mark.parametrize("write", [as_conda, as_mamba, as_rattler, lambda document: json.dumps(document).encode()])
@pytest.mark.parametrize(
    "name", ["a{b", "a}b", "{{x.y}}", 'q"uote', "back\\slash", '"_path": "x"', "é世", "[a](b)*$^|?+.", 'x"}, {"y']
)
def test_a_strange_path_is_found_and_no_other(name: str, write: Callable[[Any], bytes]) -> None:
    names = ["{", name, f"{name}2", f"2{name}", "}"]
    entries = [
        {"_path": n, "sha256": sha256("p"), "sha256_in_prefix": sha256("old"), "size_in_bytes": 9} for n in names
    ]
    document = {"name": "a", "summary": '{ }} "{', "version": "1", "files": names, "paths_data": {"paths": entries}}
    before = write(document)
    entries[1] |= {"sha256_in_prefix": sha256("new"), "size_in_bytes": 12}
    change = FileChange(sha256("old"), sha256("new"), 9, 12)
    assert retarget_record(before, {name: change}, (), None) == write(document)


def test_a_noarch_file_is_found_by_its_path_in_the_package() -> None:
    conf = FileChange(sha256("conf"), sha256("new"), 1, 2)
    data = retarget_record(WRITTEN["conda"], {f"{SITE_PACKAGES}/nopy/conf.txt": conf}, (), SITE_PACKAGES)
    assert json.loads(data)["paths_data"]["paths"][1] == CONDA["paths_data"]["paths"][1] | {
        "sha256_in_prefix": sha256("new")
    }


def test_a_hash_that_was_not_the_old_files_stays() -> None:
    change = FileChange(sha256("edited by hand"), sha256("new"), 1, 2)
    data = retarget_record(WRITTEN["conda"], {"bin/nopy-script": change}, (), SITE_PACKAGES)
    assert data == WRITTEN["conda"]


@pytest.mark.parametrize("writer", WRITTEN)
def test_dropped_files_leave_no_entry(writer: str) -> None:
    dropped = f"{SITE_PACKAGES}/nopy/conf.txt"
    after = json.loads(retarget_record(WRITTEN[writer], {}, {dropped}, SITE_PACKAGES))
    expected = json.loads(WRITTEN[writer])
    expected["files"].remove(dropped)
    del expected["paths_data"]["paths"][1]
    assert after == expected


def test_dropped_files_leave_no_entry_where_the_lists_differ() -> None:
    dropped = f"{SITE_PACKAGES}/nopy/conf.txt"
    data = as_conda(CONDA | {"files": [*CONDA["files"], "share/more"]})
    after = json.loads(retarget_record(data, {}, {dropped}, SITE_PACKAGES))
    assert dropped not in after["files"]
    names = [entry["_path"] for entry in after["paths_data"]["paths"]]
    assert names == ["python-scripts/nopy-script", "bin/nopy"]


def test_a_real_record_is_edited_byte_for_byte(small: SystemConda) -> None:
    path = Path(small.prefix() / "conda-meta/odd-prefix-1.0-h8888888_0.json")
    data = path.read_bytes()
    document = json.loads(data)
    assert as_rattler(document) == data
    entry = next(entry for entry in document["paths_data"]["paths"] if entry["_path"] == "bin/odd-perl")
    change = FileChange(entry["sha256_in_prefix"], sha256("new"), entry["size_in_bytes"], 98765)
    entry |= {"sha256_in_prefix": sha256("new"), "size_in_bytes": 98765}
    assert retarget_record(data, {"bin/odd-perl": change}, (), DEMO_SITE_PACKAGES) == as_rattler(document)


def test_an_entry_knows_whether_a_prefix_was_put_in() -> None:
    assert PathEntry("x", sha256="a", sha256_in_prefix="b").replaced
    assert PathEntry("x", prefix_placeholder="/p").replaced
    assert not PathEntry("x", sha256="a", sha256_in_prefix="a").replaced
    assert not PathEntry("x", sha256="a").replaced
