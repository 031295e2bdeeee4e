"""The package cache of a site's conda, filled beyond its environments: what is wanted, what is there, and the fetch.

A package is there when it is unpacked and has its `info/repodata_record.json`, which conda, mamba and rattler write
last. conda itself takes any that has `info/index.json`: after a power loss it would link half a package. So what a
fetch is about is noted in `pkgs/.ucenv/fetching` before, and what such a fetch left half-unpacked is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from userconda import fsops, locks, processes
from userconda.errors import LockTimeout, NotEnoughSpace, ProgramFailed
from userconda.site.definition import Site
from userconda.site.permissions import execute_permissions, plan_permissions
from userconda.site.program import Program, Ran, ask, run

_SUBDIR: Final = re.compile(r"[a-z0-9]+(-[a-z0-9_]+)*")
#: Runs that bring nothing, until it is taken that there is no way to the channel.
_IN_VAIN: Final = 10
_ENDINGS: Final = (".conda", ".tar.bz2")

#: conda's `create --download-only` refuses a list with two versions of a package, and links what it has downloaded.
#: Its own class for downloads does neither; it has been there since conda 4.3. It gives up all that is under way when
#: one fails, so then each has a try of its own, but not when there is no way to the channel or no space at all.
#: `-I`: none of the caller's modules.
_FETCH: Final = """\
import json, sys
from conda.base.context import reset_context
reset_context()
from conda.core.package_cache_data import ProgressiveFetchExtract
from conda.models.records import PackageRecord
with open(sys.argv[1]) as stream:
    records = tuple(PackageRecord(**record) for record in json.load(stream))
in_a_row = 0
try:
    ProgressiveFetchExtract(records).execute()
except Exception:
    for record in records:
        try:
            ProgressiveFetchExtract((record,)).execute()
            in_a_row = 0
        except Exception as exc:
            print("%s: %s" % (record.fn, exc), flush=True)
            in_a_row += 1
            if in_a_row == 10:
                break
    sys.exit(1)
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a channel.

    Attributes:
        file_name: of its archive; without its ending where that is not known.
        size_bytes: of its archive; None where that is not known.
        record: as the channel has it.
    """

    file_name: str
    subdir: str
    url: str = ""
    size_bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Its directory in a cache."""
        for ending in _ENDINGS:
            if self.file_name.endswith(ending):
                return self.file_name.removesuffix(ending)
        return self.file_name


@dataclass(frozen=True, slots=True)
class CachePlan:
    """
    Attributes:
        wanted: what is to be in the cache.
        missing: what of that is not.
        notes: what cannot be fetched, in words.
    """

    cache: str
    wanted: tuple[Package, ...]
    missing: tuple[Package, ...]
    free_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def missing_bytes(self) -> int:
        return sum(package.size_bytes or 0 for package in self.missing)


@dataclass(frozen=True, slots=True)
class Fetched:
    """
    Attributes:
        failed: what is not in the cache all the same.
        last_lines: what the program said at the end, where something failed.
    """

    packages: tuple[Package, ...] = ()
    failed: tuple[Package, ...] = ()
    exit_code: int = 0
    last_lines: tuple[str, ...] = ()
    log: str = ""


# what is wanted -------------------------------------------------------------------------------------------------


def cache_directory(site: Site) -> str:
    return os.path.join(site.root, "pkgs")


def channel_words(site: Site, channels: Sequence[str]) -> list[str]:
    """Words for the program.

    Args:
        channels: only these; where empty, those of the condarc after those of all groups.
    """
    groups = dict.fromkeys(channel for environment in site.environments for channel in environment.channels)
    words = [word for channel in channels or groups for word in ("-c", channel)]
    return [*(["--override-channels"] if channels else []), *words]


def packages_for(
    specs: Sequence[str], program: Program, environment: Mapping[str, str], channels: Sequence[str]
) -> tuple[list[Package], list[str]]:
    """What installing `specs` into a new environment would take, and what is odd about it, in words.

    Raises:
        ProgramFailed: with what it said, such as that there is no such package.
    """
    words = [program.path, "create", "--dry-run", "--json", "--yes", "--prefix", _throw_away(environment), *channels]
    ran, answer = ask([*words, "--", *specs], environment)
    actions = answer.get("actions") if isinstance(answer, dict) else None
    if ran.exit_code or not isinstance(actions, dict):
        raise _failed(program, ran, answer)
    packages, notes = _packages(_entries(actions, "FETCH"))
    known = {package.stem for package in packages}
    for entry in _entries(actions, "LINK"):  # those too that need no download
        stem, subdir = entry.get("dist_name"), entry.get("platform", "")
        if not isinstance(stem, str):  # mamba has the whole record
            more, _ = _packages([entry])
            packages += [package for package in more if package.stem not in known]
        elif stem not in known and _is_file_name(stem) and _SUBDIR.fullmatch(str(subdir)):
            packages.append(Package(stem, str(subdir)))
    return packages, notes


def packages_of_channels(
    program: Program, environment: Mapping[str, str], channels: Sequence[str]
) -> tuple[list[Package], list[str]]:
    """Everything that channels have for this platform and for all.

    Raises:
        ProgramFailed: with what it said, such as that a channel cannot be read.
    """
    search = ["search"] if program.kind == "conda" else ["repoquery", "search", "*"]
    ran, answer = ask([program.path, *search, "--json", *channels], environment)
    if ran.exit_code or not isinstance(answer, dict) or "error" in answer:
        raise _failed(program, ran, answer)
    if program.kind == "conda":
        return _packages(entry for found in answer.values() if isinstance(found, list) for entry in found)
    return _packages(_entries(answer.get("result"), "pkgs"))


def _entries(table: object, key: str) -> list[dict[str, Any]]:
    found = table.get(key) if isinstance(table, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _failed(program: Program, ran: Ran, answer: object) -> ProgramFailed:
    said = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    return ProgramFailed(program.path, ran.exit_code, said if isinstance(said, str) else "\n".join(ran.last_lines))


def _packages(entries: Iterable[object]) -> tuple[list[Package], list[str]]:
    """One of each name; `.conda` rather than `.tar.bz2`, both would be unpacked to one place. What could lead out of
    the cache is left out."""
    found: dict[str, Package] = {}
    notes = []
    for entry in entries:
        package = _package(entry)
        if package is None:
            notes.append(f"a package with an impossible name or address was left out: {str(entry)[:200]}")
            continue
        other = found.get(package.stem)
        if other is None or (other.file_name.endswith(_ENDINGS[1]) and package.file_name.endswith(_ENDINGS[0])):
            found[package.stem] = package
        elif other.subdir != package.subdir or other.sha256 != package.sha256:
            notes.append(f"{package.url} was left out: {other.url} has the same name")
    return list(found.values()), notes


def _package(entry: object) -> Package | None:
    if not isinstance(entry, dict):
        return None
    url, size = entry.get("url"), entry.get("size")
    if not isinstance(url, str) or "#" in url or not url.isprintable() or " " in url:
        return None
    name, subdir = entry.get("fn") or url.rpartition("/")[2], entry.get("subdir")
    if not isinstance(name, str) or not name.endswith(_ENDINGS) or not _is_file_name(name):
        return None
    if not isinstance(subdir, str) or not _SUBDIR.fullmatch(subdir):
        return None
    sha256, md5 = (str(entry.get(key) or "") for key in ("sha256", "md5"))
    return Package(name, subdir, url, size if isinstance(size, int) and size >= 0 else None, sha256, md5, entry)


def _is_file_name(name: str) -> bool:
    return bool(name) and "/" not in name and not name.startswith(".") and name.isprintable()


def _throw_away(environment: Mapping[str, str]) -> str:
    """A prefix that is not there and will not be: beside the home that is made for the program's run."""
    return os.path.join(os.path.dirname(environment["HOME"]), "prefix")


def reading_only(environment: Mapping[str, str]) -> dict[str, str]:
    """Surroundings in which nothing is written to the cache: lists of channels go to one that is thrown away."""
    own = os.path.join(os.path.dirname(environment["HOME"]), "pkgs")
    return {**environment, "CONDA_PKGS_DIRS": f"{own},{environment['CONDA_PKGS_DIRS']}"}


# what is there --------------------------------------------------------------------------------------------------


def read_record(cache: str, stem: str) -> dict[str, Any] | None:
    """What the channel said of an unpacked package; None where it is not there, or not wholly."""
    info = os.path.join(cache, stem, "info")
    try:
        with open(os.path.join(info, "repodata_record.json"), encoding="utf-8") as stream:
            record = json.load(stream)
        os.stat(os.path.join(info, "index.json"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def is_there(cache: str, package: Package) -> bool:
    """Whether a cache has this package and no other of its name."""
    record = read_record(cache, package.stem)
    if record is None:
        return False
    recorded = record.get("sha256")
    return not package.sha256 or not recorded or recorded == package.sha256


def stems_in(cache: str) -> list[str]:
    """Every package that is wholly there."""
    try:
        names = sorted(os.listdir(cache))
    except OSError:  # no cache yet, or none that we may see
        return []
    return [name for name in names if not name.startswith(".") and read_record(cache, name) is not None]


def plan_cache(cache: str, packages: Sequence[Package], notes: Sequence[str] = ()) -> CachePlan:
    """
    Raises:
        FileOperation: there is no place for the cache.
    """
    place = cache
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    try:
        space = os.statvfs(place)
    except OSError as exc:
        raise fsops.failure("asking for free space", place, exc) from None
    missing = _missing(cache, packages)
    return CachePlan(cache, tuple(packages), missing, space.f_bavail * space.f_frsize, tuple(notes))


def check_fit(plan: CachePlan) -> None:
    """
    Raises:
        NotEnoughSpace: the archives alone do not fit; unpacked they take several times that.
    """
    if plan.missing_bytes > plan.free_bytes:
        raise NotEnoughSpace(plan.cache, plan.missing_bytes, plan.free_bytes, "packages to download")


# fetching -------------------------------------------------------------------------------------------------------


class CacheLock:
    """One fetch at a time into a cache; what a killed one left half-unpacked is removed when the next one begins."""

    def __init__(self, cache: str) -> None:
        self.cache = cache
        self.state = os.path.join(cache, ".ucenv")
        self.note = os.path.join(self.state, "fetching")

    def __enter__(self) -> CacheLock:
        """
        Raises:
            LockTimeout: another run, or the program that it started, is at it.
            SpaceNotWritable, NotEnoughSpace, ...: the cache cannot be written.
        """
        self.lease = locks.acquire(os.path.join(self.state, "fetch.lock"))
        try:
            self._clear()
        except BaseException:
            self.lease.release()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.lease.release()

    def begin(self, packages: Sequence[Package], pid: int | None = None) -> None:
        holder = locks.this_process()
        if pid is not None:
            holder = replace(holder, pid=pid, started=processes.start_time(pid))
        fields = {name: getattr(holder, name) for name in locks.Holder.__slots__}
        text = json.dumps({"holder": fields, "packages": [package.stem for package in packages]})
        fsops.write_file(self.note, text.encode("utf-8", "surrogateescape"))
        fsops.sync_directory(self.state)

    def end(self) -> None:
        self._clear(ended=True)

    def _clear(self, *, ended: bool = False) -> None:
        try:
            with open(self.note, encoding="utf-8", errors="surrogateescape") as stream:
                noted = json.load(stream)
            stems, holder = [str(stem) for stem in noted["packages"]], locks.Holder(**noted["holder"])
        except FileNotFoundError:
            stems, holder = [], None
        except (OSError, ValueError, KeyError, TypeError):  # a note is written whole; this is none of ours
            stems, holder = [], None
        if holder is not None and not ended and locks.is_alive(holder):
            raise LockTimeout(self.note, str(holder))
        trash = os.path.join(self.state, "trash")
        for stem in filter(_is_file_name, stems):
            path = os.path.join(self.cache, stem)
            if os.path.lexists(path) and read_record(self.cache, stem) is None:
                fsops.set_aside(path, trash)
        with contextlib.suppress(OSError):  # what cannot be deleted now is tried again by the next run
            os.unlink(self.note)
        with contextlib.suppress(OSError):
            for name in os.listdir(trash):
                fsops.remove_tree(os.path.join(trash, name))


def fetch(
    plan: CachePlan,
    lock: CacheLock,
    program: Program,
    environment: Mapping[str, str],
    log_directory: str,
    *,
    specs: Sequence[str] = (),
    channels: Sequence[str] = (),
    show: Callable[[str], None] | None = None,
) -> Fetched:
    """Have the program download and unpack what is missing.

    Args:
        specs: what was asked; empty for all that the plan has.

    Raises:
        CondaProgramUnusable: it cannot be started.
        FileOperation, NotEnoughSpace, QuotaExceeded: what goes with it cannot be written.
    """
    log = os.path.join(log_directory, "cache.log")
    with contextlib.suppress(FileNotFoundError):
        os.replace(log, f"{log}.old")
    prefix = _throw_away(environment)
    words = [program.path, "create", "--download-only", "--yes", "--prefix", prefix]
    if specs:
        words += [*channels, "--", *specs]
    elif program.kind == "conda":
        words = [_python_of(program, plan.cache), "-I", "-c", _FETCH, _written_list(plan.missing, environment)]
    else:
        words += ["--file", ""]
    queue, in_vain, exit_code, lines = [plan.missing], 0, 0, tuple[str, ...]()
    while queue and in_vain < _IN_VAIN:
        batch = _missing(plan.cache, queue.pop(0))
        if not batch:
            continue
        if words[-2] == "--file":
            words[-1] = _written_explicit(batch, environment)
        lock.begin(plan.missing)
        ran = run(
            words, environment, log, append=bool(exit_code), show=show,
            started=lambda pid: lock.begin(plan.missing, pid), beat=lock.lease.beat,
        )  # fmt: skip
        lock.end()
        if ran.exit_code:
            exit_code, lines = ran.exit_code, ran.last_lines
        left = _missing(plan.cache, batch)
        in_vain = 0 if len(left) < len(batch) else in_vain + 1
        # mamba stops where one package of a list fails: the others are tried without it.
        if words[-2] == "--file" and ran.exit_code > 0 and len(batch) > 1:
            queue[:0] = [left[: len(left) // 2], left[len(left) // 2 :]]
    done, failed = list[Package](), list[Package]()
    for package in plan.missing:
        (done if is_there(plan.cache, package) else failed).append(package)
    execute_permissions(plan_permissions(plan.cache, [package.stem for package in done]))
    return Fetched(tuple(done), tuple(failed), exit_code, lines or (ran.last_lines if failed else ()), log)


def _missing(cache: str, packages: Sequence[Package]) -> tuple[Package, ...]:
    return tuple(package for package in packages if not is_there(cache, package))


def _python_of(program: Program, cache: str) -> str:
    """The Python that conda runs with."""
    beside = os.path.join(os.path.dirname(os.path.realpath(program.path)), "python")
    return beside if os.path.exists(beside) else os.path.join(os.path.dirname(cache), "bin", "python")


def _written_list(packages: Sequence[Package], environment: Mapping[str, str]) -> str:
    return _write(environment, "records.json", json.dumps([dict(package.record) for package in packages]))


def _written_explicit(packages: Sequence[Package], environment: Mapping[str, str]) -> str:
    lines = [f"{package.url}#{package.md5}" if package.md5 else package.url for package in packages]
    return _write(environment, "explicit.txt", "\n".join(["@EXPLICIT", *lines, ""]))


def _write(environment: Mapping[str, str], name: str, text: str) -> str:
    path = os.path.join(os.path.dirname(environment["HOME"]), name)
    fsops.write_file(path, text.encode("utf-8", "surrogateescape"))
    return path
