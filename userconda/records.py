"""conda-meta JSON <-> typed records: which package put which file where, and what the file was before.

conda, mamba and rattler write the same document with different gaps; every field that one of them leaves out is
optional here. Source: conda/models/records.py, rattler_conda_types/src/prefix_record.rs, libmamba's link.cpp.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from userconda.errors import CorruptRecord, PathEscapesPrefix


@dataclass(slots=True)
class PathEntry:
    """One file of a package, as `paths_data.paths` has it. The names are the JSON's.

    Attributes:
        _path: relative to the prefix; with conda's noarch packages relative to the *package*.
        sha256: of the packed file. In rattler's entries of entry points, of the file as installed.
        sha256_in_prefix: of the installed file, where a prefix was put in.
        prefix_placeholder: recorded at build time, at most 255 bytes long. micromamba leaves it out.
        file_mode: "text" or "binary", with prefix_placeholder.
    """

    _path: str
    path_type: str | None = None
    prefix_placeholder: str | None = None
    file_mode: str | None = None
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size_in_bytes: int | None = None
    no_link: bool | None = None

    @property
    def path(self) -> str:
        return self._path

    @property
    def replaced(self) -> bool:
        """Whether the installer put a prefix into the file, as far as the record tells."""
        return bool(self.prefix_placeholder) or (
            self.sha256 is not None and self.sha256_in_prefix is not None and self.sha256 != self.sha256_in_prefix
        )


@dataclass(slots=True)
class PathsData:
    paths: list[PathEntry] = field(default_factory=list)


@dataclass(slots=True)
class PrefixRecord:
    """One package in an environment: `conda-meta/<name>-<version>-<build>.json`."""

    name: str
    version: str
    build: str = ""
    noarch: str | bool | None = None
    files: list[str] = field(default_factory=list)
    paths_data: PathsData | None = None
    extracted_package_dir: str | None = None
    python_site_packages_path: str | None = None

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"


T = TypeVar("T")


class _Malformed(ValueError):
    pass


class _Object(tuple[tuple[str, Any], ...]):
    """A JSON object as its pairs: a name given twice is checked twice, and the last one counts."""

    __slots__ = ()


def _plain_decode(data: bytes, wanted: type[T]) -> T:
    """What msgspec does, for machines it has no wheel for: as strict, at a third of the speed."""
    document = json.loads(data.decode(), object_pairs_hook=_Object, parse_constant=_refuse, parse_int=_parse_int)
    if _SURROGATE.search(data):
        json.dumps(document, ensure_ascii=False).encode()  # raises where one stands alone
    value: T = _convert(wanted, document, "$")
    return value


_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def _refuse(constant: str) -> None:
    raise _Malformed(f"{constant} is not JSON")


def _parse_int(digits: str) -> int | float:
    """Past Python's own limit for digits a number is no size of a file."""
    return int(digits) if len(digits) <= 4300 else float("inf")


def _convert(wanted: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        choices = typing.get_args(wanted)
        if value is None and type(None) in choices:
            return None
        for choice in choices:
            if choice is not type(None):
                try:
                    return _convert(choice, value, where)
                except _Malformed as exc:
                    reason = exc
        raise reason
    if origin is list and isinstance(value, list):
        (item,) = typing.get_args(wanted)
        return [_convert(item, element, f"{where}[{index}]") for index, element in enumerate(value)]
    if dataclasses.is_dataclass(wanted) and isinstance(value, _Object):
        hints = _hints(wanted)
        known = {name: _convert(hints[name], element, f"{where}.{name}") for name, element in value if name in hints}
        try:
            return wanted(**known)  # type: ignore[operator]
        except TypeError:
            missing = next(name for name in ("_path", "name", "version") if name in hints and name not in known)
            raise _Malformed(f"Object missing required field `{missing}` - at `{where}`") from None
    if isinstance(wanted, type) and type(value) is wanted:
        return value
    expected = getattr(origin or wanted, "__name__", str(wanted))
    raise _Malformed(f"Expected `{expected}`, got `{type(value).__name__}` - at `{where}`")


def _hints(cls: Any, _cache: dict[Any, dict[str, Any]] = {}) -> dict[str, Any]:  # noqa: B006
    if cls not in _cache:
        _cache[cls] = typing.get_type_hints(cls)
    return _cache[cls]


_decoders: dict[type[Any], Callable[[bytes], Any]] = {}


def _decode(data: bytes, wanted: type[T], path: str) -> T:
    if wanted not in _decoders:
        try:
            import msgspec
        except ImportError:
            _decoders[wanted] = functools.partial(_plain_decode, wanted=wanted)
        else:
            _decoders[wanted] = msgspec.json.Decoder(wanted).decode
    try:
        data.decode()  # msgspec passes over what is not UTF-8 in fields it skips; conda fails on it
        value: T = _decoders[wanted](data)
    except (ValueError, RecursionError) as exc:  # msgspec's errors, json's and UnicodeDecodeError are ValueErrors
        raise CorruptRecord(path, str(exc).splitlines()[0] if str(exc) else "not readable as JSON") from None
    return value


def parse_record(data: bytes, path: str) -> PrefixRecord:
    """Decode and check one record.

    Raises:
        CorruptRecord: not JSON, not an object, or a field of the wrong type, named.
        PathEscapesPrefix: it lists an absolute path, or one with `..`.
    """
    record = _decode(data, PrefixRecord, path)
    if not record.name or not record.version:
        raise CorruptRecord(path, "it has no name or no version")
    for name in record.files:
        check_path(name, path)
    for entry in record.paths_data.paths if record.paths_data else ():
        check_path(entry.path, path)
    return record


def parse_paths(data: bytes, path: str) -> PathsData:
    """Decode an extracted package's `info/paths.json`."""
    return _decode(data, PathsData, path)


def check_path(relative: str, record_path: str) -> None:
    """Refuse what could lead out of a prefix: absolute, `..`, empty, a NUL."""
    if not relative or relative[0] == "/" or "\0" in relative or (".." in relative and ".." in relative.split("/")):
        raise PathEscapesPrefix(record_path, relative)


def on_disk(path: str) -> str:
    """A path of a record as the file system calls return it, also where the locale is not UTF-8."""
    if path.isascii() or sys.getfilesystemencoding() == "utf-8":
        return path
    return os.fsdecode(path.encode("utf-8", "surrogatepass"))


def installed_paths(record: PrefixRecord, site_packages: str | None) -> Iterator[tuple[str, PathEntry | None]]:
    """Every path a package owns in its prefix, with its entry where there is one.

    Args:
        site_packages: where the prefix' Python keeps packages (`lib/python3.11/site-packages`); None without Python.
    """
    entries = record.paths_data.paths if record.paths_data else []
    if record.noarch != "python":
        named = set()
        for entry in entries:
            named.add(entry.path)
            yield on_disk(entry.path), entry
        for path in record.files:
            if path not in named:
                yield on_disk(path), None
        return
    # conda lists a noarch package's paths as they are in the package; `files` has where they went, in the same order.
    installed = _noarch_paths([entry.path for entry in entries], record.files, site_packages)
    for path, entry in zip(installed, entries, strict=True):
        yield on_disk(path), entry
    seen = set(installed)
    for path in record.files:
        if path not in seen:
            yield on_disk(path), None


def _noarch_paths(packed: Sequence[str], files: Sequence[str], site_packages: str | None) -> list[str]:
    mapped = [noarch_path(path, site_packages) for path in packed]
    if len(packed) != len(files):
        return mapped
    pairs = zip(files, packed, mapped, strict=True)
    return [file if os.path.basename(file) == os.path.basename(path) else ruled for file, path, ruled in pairs]


def noarch_path(path: str, site_packages: str | None) -> str:
    """Where an installer puts a file of a noarch Python package (conda's get_python_noarch_target_path)."""
    if site_packages and path.startswith("site-packages/"):
        return site_packages + path[len("site-packages") :]
    if path.startswith("python-scripts/"):
        return "bin" + path[len("python-scripts") :]
    return path


def site_packages_of(python: PrefixRecord) -> str:
    """From the record of `python`: it names the directory itself since free-threaded builds exist."""
    if python.python_site_packages_path:
        return python.python_site_packages_path
    return f"lib/python{'.'.join(python.version.split('.')[:2])}/site-packages"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A tracked file before and after it was re-targeted."""

    old_sha256: str
    new_sha256: str
    old_size_bytes: int
    new_size_bytes: int


_NOARCH_PYTHON: Final = re.compile(rb'"noarch"\s*:\s*"python"')
_PATH_KEY: Final = re.compile(rb'"_path"\s*:\s*("(?:[^"\\]|\\.)*")')


def retarget_record(
    data: bytes, changes: Mapping[str, FileChange], dropped: Collection[str], site_packages: str | None
) -> bytes:
    """The record of a package whose files were re-targeted, edited where it stands: nothing else of it changes.

    What a field said truly of the old file it says of the new one: `sha256_in_prefix`; `sha256` of an entry point
    (rattler records what it wrote); `size_in_bytes` where it was the installed size.

    Args:
        changes: by path in the prefix.
        dropped: paths that the clone does not have; their entries go.
    """
    noarch = _NOARCH_PYTHON.search(data) is not None
    places = _entry_places(data) if changes else {}
    edits: list[tuple[int, int, bytes]] = []
    for path, change in changes.items():
        for name in packed_paths(path, site_packages) if noarch else (path,):
            bounds = _find_entry(data, name, places.get(name, ()))
            if bounds is not None:
                edits.append((*bounds, _edit_entry(data[slice(*bounds)], change)))
                break
    parts: list[bytes] = []
    position = 0
    for start, end, entry in sorted(edits):
        parts += data[position:start], entry
        position = end
    data = b"".join((*parts, data[position:]))
    return _without(data, dropped, site_packages) if dropped else data


def packed_paths(path: str, site_packages: str | None) -> tuple[str, ...]:
    """The paths by which a noarch package's record may name an installed file: noarch_path's inverse."""
    names = [path]
    if site_packages and path.startswith(site_packages + "/"):
        names.append("site-packages" + path[len(site_packages) :])
    if path.startswith("bin/"):
        names.append("python-scripts" + path[len("bin") :])
    return tuple(names)


def _entry_places(data: bytes) -> dict[str, list[int]]:
    """`_path` -> where that name stands: in one pass, since a record has thousands of entries."""
    places: dict[str, list[int]] = {}
    for match in _PATH_KEY.finditer(data):
        name = json.loads(match[1]) if b"\\" in match[1] else match[1][1:-1].decode("utf-8", "surrogatepass")
        places.setdefault(name, []).append(match.start())
    return places


def _find_entry(data: bytes, name: str, places: Sequence[int]) -> tuple[int, int] | None:
    """Where the object with that `_path` begins and ends. What looks like one inside a string is no object."""
    for place in places:
        start = data.rfind(b"{", 0, place)
        while start >= 0:
            bounds = _object_at(data, start, name)
            if bounds is not None:
                return bounds
            start = data.rfind(b"{", max(0, place - 65536), start)
    return None


def _object_at(data: bytes, start: int, name: str) -> tuple[int, int] | None:
    """An entry is flat: it ends at the first brace that makes it whole; braces in its strings do not."""
    end = data.find(b"}", start)
    while 0 <= end < start + 65536:
        try:
            entry = json.loads(data[start : end + 1])
        except ValueError:
            end = data.find(b"}", end + 1)
            continue
        return (start, end + 1) if isinstance(entry, dict) and entry.get("_path") == name else None
    return None


_FIELD: Final = re.compile(rb'"(sha256_in_prefix|sha256|size_in_bytes)"(\s*:\s*)("?)([0-9a-f]+)\3')


def _edit_entry(entry: bytes, change: FileChange) -> bytes:
    entry_point = b'"unix_python_entry_point"' in entry

    def edit(match: re.Match[bytes]) -> bytes:
        old, new = change.old_sha256, change.new_sha256
        if match[1] == b"size_in_bytes":
            old, new = str(change.old_size_bytes), str(change.new_size_bytes)
        elif match[1] == b"sha256" and not entry_point:
            return match.group()
        value = new.encode() if match[4] == old.encode() else match[4]
        return b'"%b"%b%b%b%b' % (match[1], match[2], match[3], value, match[3])

    return _FIELD.sub(edit, entry)


def _without(data: bytes, dropped: Collection[str], site_packages: str | None) -> bytes:
    document = json.loads(data)
    files = document.get("files") or []
    entries = (document.get("paths_data") or {}).get("paths")
    if entries is not None:
        paths = [entry["_path"] for entry in entries]
        if document.get("noarch") == "python":
            paths = _noarch_paths(paths, files, site_packages)
        kept = [entry for path, entry in zip(paths, entries, strict=True) if path not in dropped]
        document["paths_data"]["paths"] = kept
    document["files"] = [path for path in files if path not in dropped]
    return json.dumps(document, indent=2).encode()
