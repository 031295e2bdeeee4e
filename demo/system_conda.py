"""Make a conda installation that looks like a cluster's: a root prefix, environments and a package cache.

Packages are installed by rattler; what users and pip leave in an environment is then added, by pip itself or, in the
small one, by hand. `make_big_environment` writes packages of made-up content straight to disk, for measurements.
"""

import asyncio
import hashlib
import itertools
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from rattler import PrefixRecord, RepoDataRecord, install

from demo.packages import (
    PLACEHOLDER,
    PYTHON,
    SITE_PACKAGES,
    SOURCE_DATE,
    Package,
    PackageFile,
    compiled,
    fake_python,
    index_json,
    info_files,
    odd_packages,
    package_from_python,
    package_from_wheel,
    package_with_compiled_library,
    paths_entry,
    with_bytecode,
    write_package,
)

SYSTEM_ENVIRONMENT = "py3_powerai_1.7.0"

WHEELS = (
    "certifi==2024.12.14",
    "charset-normalizer==3.4.0",
    "idna==3.6",
    "markdown-it-py==3.0.0",
    "mdurl==0.1.2",
    "numpy==2.2.6",
    "pip==24.3.1",
    "pygments==2.18.0",
    "requests==2.32.3",
    "rich==13.9.4",
    "setuptools==75.6.0",
    "six==1.17.0",
    "urllib3==2.2.3",
)
"""Made into conda packages."""

PIP_WHEELS = ("idna==3.10", "tabulate==0.9.0")
"""Installed by the environment's pip: an upgrade of a conda package, and a console script."""


@dataclass(frozen=True, slots=True)
class SystemConda:
    """A conda installation. Its packages come from the local channel `conda-bld`, by `file://` URLs."""

    root: Path

    @property
    def envs(self) -> Path:
        return self.root / "envs"

    @property
    def pkgs(self) -> Path:
        return self.root / "pkgs"

    @property
    def channel(self) -> Path:
        return self.root / "conda-bld"

    def prefix(self, name: str = SYSTEM_ENVIRONMENT) -> Path:
        """The environment's directory; `base` is the root."""
        return self.root if name == "base" else self.envs / name


def make_system_conda(root: Path, wheels: Path | None, *, small: bool = False) -> SystemConda:
    """Make a system conda in `root`: base, and the environment `SYSTEM_ENVIRONMENT` with all there is to clone.

    `wheels` is what `download_wheels` filled. `small` takes neither wheels nor a real Python: some dozens of files
    in a fraction of a second, what pip would have left written by hand.
    Raises CompilerNotFound, and ValueError without wheels when not `small`.
    """
    conda = SystemConda(root)
    for directory in (conda.envs, conda.pkgs, conda.channel):
        directory.mkdir(parents=True, exist_ok=True)
    (conda.envs / ".conda_envs_dir_test").touch()
    odd = [package_with_compiled_library(), *odd_packages()]
    if small:
        python, base, extra = fake_python(), ["odd-generic"], []
    elif wheels is None:
        raise ValueError("a full system conda needs wheels")
    else:
        python, base = package_from_python(), ["pip", "setuptools", "six"]
        extra = [package_from_wheel(_find_wheel(wheels, requirement)) for requirement in WHEELS]
    archives = {package.name: write_package(package, conda.channel) for package in [python, *odd, *extra]}
    install_packages([archives[name] for name in ["python", *base]], conda.prefix("base"), conda.pkgs)
    add_stand_in(root / "bin/conda")
    prefix = conda.prefix()
    install_packages(list(archives.values()), prefix, conda.pkgs, requested=[f"python={PYTHON[6:]}"])
    if wheels is not None and not small:
        pip_install(prefix, wheels, "idna==3.10")
        pip_install(prefix, wheels, str(_find_wheel(wheels, "tabulate==0.9.0")))
    else:
        add_pip_files(prefix)
    add_untracked_files(prefix)
    return conda


def add_stand_in(program: Path) -> None:
    """PyPI has no conda. What looks for one in a root, as a shell hook does, finds this."""
    program.parent.mkdir(exist_ok=True)
    program.write_text(
        '#!/bin/sh\necho "conda: this root was made by py-rattler and has no conda of its own" >&2\nexit 1\n'
    )
    program.chmod(0o755)


# ------------------------------------------------------------------------------------------------------ install


def install_packages(
    archives: Sequence[Path], prefix: Path, cache: Path, *, requested: Sequence[str] = ()
) -> list[PrefixRecord]:
    """Install package archives with rattler, extracted to `cache`, and write the history as conda does.

    rattler leaves `channel` out for a local archive and the history empty; conda reads both.
    """

    async def transaction() -> None:
        records = await asyncio.gather(*map(RepoDataRecord.from_package_archive, archives))
        for archive, record in zip(archives, records, strict=True):
            record.channel = archive.parent.parent.as_uri()
        await install(list(records), prefix, cache_dir=cache, show_progress=False)

    asyncio.run(transaction())
    paths = [prefix / "conda-meta" / f"{archive.stem}.json" for archive in archives]
    installed = [PrefixRecord.from_path(path) for path in paths]
    for path, record in zip(paths, installed, strict=True):
        # `install(requested_specs=...)` refuses py-rattler's own MatchSpec (0.28).
        record.requested_specs = [spec for spec in requested if spec.partition("=")[0] == record.name.normalized]
        if record.requested_specs:
            record.write_to_path(path, pretty=True)
    _write_history(prefix, cache.parent, archives, requested)
    return installed


def _write_history(prefix: Path, root: Path, archives: Sequence[Path], requested: Sequence[str]) -> None:
    lines = ["==> 2020-01-15 10:22:03 <==", f"# cmd: {root}/bin/conda create --prefix {prefix} {' '.join(requested)}"]
    lines += ["# conda version: 23.5.0"]
    lines += [f"+{a.parent.parent.as_uri()}/{a.parent.name}::{a.stem}" for a in sorted(archives)]
    if requested:
        lines.append(f"# update specs: {list(requested)}")
    (prefix / "conda-meta" / "history").write_text("\n".join(lines) + "\n")


def install_from_cache(source: Path, target_prefix: Path, cache: Path) -> None:
    """Install what the records of the prefix `source` name into `target_prefix`, with rattler, from a warm cache."""
    records = [PrefixRecord.from_path(path) for path in sorted((source / "conda-meta").glob("*.json"))]

    async def transaction() -> None:
        await install(list(records), target_prefix, cache_dir=cache, installed_packages=[], show_progress=False)

    asyncio.run(transaction())


# ---------------------------------------------------------------------------------------------------------- pip


def download_wheels(target: Path) -> list[Path]:
    """Download `WHEELS` and `PIP_WHEELS` that `target` lacks from PyPI, with pip; return all of them."""
    target.mkdir(parents=True, exist_ok=True)
    # pip takes one version of a distribution a run.
    for requirements in (WHEELS, PIP_WHEELS):
        if missing := [requirement for requirement in requirements if not _wheels_of(target, requirement)]:
            _pip(Path(sys.executable), "download", "--no-deps", "--only-binary=:all:", "-d", str(target), *missing)
    return [_find_wheel(target, requirement) for requirement in (*WHEELS, *PIP_WHEELS)]


def _wheels_of(wheels: Path, requirement: str) -> list[Path]:
    name, _, version = requirement.partition("==")
    return sorted(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def _find_wheel(wheels: Path, requirement: str) -> Path:
    if not (found := _wheels_of(wheels, requirement)):
        raise FileNotFoundError(f"no wheel of {requirement} in {wheels}")
    return found[0]


def pip_install(prefix: Path, wheels: Path, *requirements: str) -> None:
    """Run the environment's own pip, offline. A requirement that is a wheel's path leaves `direct_url.json` behind."""
    _pip(prefix / "bin/python", "install", "--no-deps", "--no-index", "--find-links", str(wheels), *requirements)


def _pip(python: Path, *arguments: str) -> None:
    # PIP_*, PYTHON* and the user's own packages would make another environment than the one asked for.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment |= {"PYTHONNOUSERSITE": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([python, "-m", "pip", *arguments], env=environment, check=True, capture_output=True)


def add_pip_files(prefix: Path) -> None:
    """What pip would have left, by hand: `untracked` with a console script, and `odd-upgraded` at 2.0.

    The upgrade replaces what conda installed, whose record is then stale, as after a real `pip install -U`.
    """
    site_packages = prefix / SITE_PACKAGES
    scripts = {"untracked": "untracked:main"}
    _pip_distribution(prefix, "untracked", "3.1", "def main():\n    return 0\n", scripts)
    for path in (site_packages / "odd_upgraded-1.0.dist-info").glob("*"):
        path.unlink()
    (site_packages / "odd_upgraded-1.0.dist-info").rmdir()
    # pip replaces files, it does not write into them: the package cache keeps its own.
    (site_packages / "odd_upgraded.py").unlink()
    _pip_distribution(prefix, "odd-upgraded", "2.0", "VERSION = '2.0'\n", {})


def _pip_distribution(prefix: Path, name: str, version: str, source: str, scripts: dict[str, str]) -> None:
    module = name.replace("-", "_")
    dist_info = f"{module}-{version}.dist-info"
    files = {
        f"{SITE_PACKAGES}/{module}.py": source.encode(),
        f"{SITE_PACKAGES}/{dist_info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{SITE_PACKAGES}/{dist_info}/INSTALLER": b"pip\n",
        f"{SITE_PACKAGES}/{dist_info}/REQUESTED": b"",
        f"{SITE_PACKAGES}/{dist_info}/direct_url.json": json.dumps(
            {"archive_info": {}, "url": f"file:///wheels/{module}-{version}-py3-none-any.whl"}
        ).encode(),
    }
    for script, target in scripts.items():
        imported, _, function = target.partition(":")
        text = f"{_pip_shebang(prefix)}import sys\nfrom {imported} import {function}\nsys.exit({function}())\n"
        files[f"bin/{script}"] = text.encode()
    pyc = f"{SITE_PACKAGES}/__pycache__/{module}.{sys.implementation.cache_tag}.pyc"
    files[pyc] = compiled(source.encode(), str(prefix / SITE_PACKAGES / f"{module}.py"))
    up = "../" * len(Path(SITE_PACKAGES).parts)
    names = [path.removeprefix(f"{SITE_PACKAGES}/") if path.startswith(SITE_PACKAGES) else up + path for path in files]
    files[f"{SITE_PACKAGES}/{dist_info}/RECORD"] = "".join(f"{n},,\n" for n in [*names, f"{dist_info}/RECORD"]).encode()
    for path, data in files.items():
        (prefix / path).parent.mkdir(parents=True, exist_ok=True)
        (prefix / path).write_bytes(data)
        # The .pyc above is valid for a source of this date only.
        os.utime(prefix / path, (SOURCE_DATE, SOURCE_DATE))
    for script in scripts:
        (prefix / "bin" / script).chmod(0o755)


def _pip_shebang(prefix: Path) -> str:
    interpreter = f"{prefix}/bin/{PYTHON}"
    # The kernel reads 127 bytes and splits at the first space; pip then takes the way through sh, as distlib does.
    if len(f"#!{interpreter}\n") <= 127 and " " not in interpreter:
        return f"#!{interpreter}\n"
    return f"#!/bin/sh\n'''exec' \"{interpreter}\" \"$0\" \"$@\"\n' '''\n"


# ---------------------------------------------------------------------------------------------------- untracked


def add_untracked_files(prefix: Path) -> None:
    """What no record names: text and binary that mention the prefix, links, empty directories, conda's own state."""
    notes = prefix / "share/untracked"
    (notes / "empty/nested").mkdir(parents=True)
    (prefix / "var/log").mkdir(parents=True)
    (notes / "notes.txt").write_text(
        f"here {prefix}\nbin {prefix}/bin:{prefix}/sbin\nother {prefix}-other\nsecond {prefix}2/x\nurl file://{prefix}/a\n"
    )
    here = os.fsencode(prefix)
    (notes / "cache.bin").write_bytes(
        b"\x7fBIN\0" + here + b"/lib\0" + bytes(8) + here + b"-other\0" + here + b"\0\xff"
    )
    (notes / "mixed.dat").write_bytes(b"text, but with a NUL\0" + here + b"\0")
    (prefix / "bin/untracked-shell").write_text(f'#!/bin/sh\nexec {prefix}/bin/python "$@"\n')
    (prefix / "bin/untracked-shell").chmod(0o755)
    (prefix / SITE_PACKAGES / "untracked.pth").write_text(f"/opt/site/python\n{prefix}/share/untracked\n")
    (notes / "dangling").symlink_to("no/such/file")
    (notes / "absolute").symlink_to(notes / "notes.txt")
    (notes / "absolute-directory").symlink_to(prefix / "share/odd")
    (notes / "outside").symlink_to("/etc/hostname")
    (prefix / "lib64").symlink_to("lib")
    os.link(notes / "notes.txt", notes / "notes-2.txt")
    state = {"version": 1, "env_vars": {"POWERAI_HOME": str(prefix), "OMP_NUM_THREADS": "8"}}
    (prefix / "conda-meta/state").write_text(json.dumps(state))
    (prefix / "conda-meta/pinned").write_text(f"python {PYTHON[6:]}.*\n")


# -------------------------------------------------------------------------------------------------------- large


def make_big_environment(
    root: Path,
    files: int = 120_000,
    directories: int = 19_000,
    *,
    packages: int = 250,
    seed: int = 0,
    fill_cache: bool = False,
    library_bytes: int = 0,
) -> Path:
    """Write the environment `<root>/envs/big` of generated packages, with records like rattler's; return its prefix.

    Sizes are log-normal around 2 KB; 17.5 % of the files are `.py`, as many their `.pyc`; 1 % hold the prefix, one in
    five of these in binary. Directory names, contents and sizes depend on `seed` only. With `fill_cache` the packages
    are also in `<root>/pkgs`, the environment's files are links to them, and `install_from_cache` works.
    `library_bytes` is the size of a further package of large libraries, in which real environments have their bytes.
    """
    conda = SystemConda(root)
    prefix = conda.prefix("big")
    rng = random.Random(seed)
    filler = Filler(rng)
    weights = [rng.lognormvariate(0, 1.4) for _ in range(packages)]
    shares = zip(apportion(files, weights), apportion(directories, weights), strict=True)
    (prefix / "conda-meta").mkdir(parents=True)
    for number, (package_files, package_directories) in enumerate(shares):
        # As in a real one of 254 packages: in 220 of them nothing holds the prefix.
        holding = HOLDING_FILES * 7 if number % 7 == 0 else 0.0
        package = synthetic_package(f"synthetic-{number:03}", package_files, package_directories, rng, filler, holding)
        put_package(conda, prefix, package, fill_cache=fill_cache)
    if library_bytes:
        library = filler.binary(_LIBRARY_BYTES)
        count = max(1, library_bytes // _LIBRARY_BYTES)
        files_of_it = (PackageFile(f"lib/libsynthetic{n:03}.so", library, executable=True) for n in range(count))
        package = Package("synthetic-libraries", "1.0", "h5eee18b_0", files=tuple(files_of_it))
        put_package(conda, prefix, package, fill_cache=fill_cache)
    (prefix / "conda-meta/history").write_text("==> 2020-01-15 10:22:03 <==\n# cmd: conda create --name big\n")
    return prefix


def put_package(conda: SystemConda, prefix: Path, package: Package, *, fill_cache: bool = False) -> None:
    """Write a package's files, none of them there yet, and its record, as rattler would have installed it."""
    extracted = conda.pkgs / package.stem
    if fill_cache:
        _write_files(extracted, (*package.files, *info_files(package)))
        # What rattler writes beside an extracted package: revision and hash of the archive.
        revision = (1).to_bytes(8, "big") + _made_up_sha256(package).digest()
        (conda.pkgs / f"{package.stem}.lock").write_bytes(revision)
    in_prefix = _install_files(prefix, package, extracted if fill_cache else None)
    record = msgspec.json.encode(_prefix_record(package, conda, in_prefix))
    (prefix / "conda-meta" / f"{package.stem}.json").write_bytes(msgspec.json.format(record, indent=2))


class Filler:
    """Bytes and text of any length, cut from one random block: generating each file's own would take the time."""

    _BLOCK_BYTES = 1 << 22

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._binary = rng.randbytes(self._BLOCK_BYTES)
        self._text = self._binary.hex().encode()[: self._BLOCK_BYTES]

    def size_bytes(self) -> int:
        return min(int(self._rng.lognormvariate(math.log(2048), 1.2)), self._BLOCK_BYTES // 4)

    def binary(self, size_bytes: int) -> bytes:
        if size_bytes > self._BLOCK_BYTES:
            return (self._binary * (size_bytes // self._BLOCK_BYTES + 1))[:size_bytes]
        return self._cut(self._binary, size_bytes)

    def text(self, size_bytes: int) -> bytes:
        return self._cut(self._text, size_bytes)

    def _cut(self, block: bytes, size_bytes: int) -> bytes:
        start = self._rng.randrange(self._BLOCK_BYTES - size_bytes)
        return block[start : start + size_bytes]


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `total`, as the weights do."""
    bounds = [round(total * part / sum(weights)) for part in itertools.accumulate(weights)]
    return [high - low for low, high in itertools.pairwise([0, *bounds])]


#: Of one library.
_LIBRARY_BYTES = 1 << 25

#: Share of the files below that hold the prefix. They are 65 % of all files, so that this makes 1 % of all.
HOLDING_FILES = 0.0154


def synthetic_package(
    name: str, files: int, directories: int, rng: random.Random, filler: Filler, holding: float
) -> Package:
    modules = round(files * 0.175)
    # Each directory of modules brings its __pycache__.
    module_directories = min(math.ceil(modules / 6), directories // 2)
    tree = [f"{SITE_PACKAGES}/{name.replace('-', '_')}"]
    while len(tree) < directories - module_directories:
        tree.append(f"{rng.choice(tree[-12:])}/part{len(tree)}")
    sources = []
    for number in range(modules):
        directory = tree[number % max(module_directories, 1)]
        source = b"VALUE = 1\n# " + filler.text(filler.size_bytes()) + b"\n"
        sources.append(PackageFile(f"{directory}/module{number}.py", source))
    members = list(with_bytecode(sources))
    for number in range(files - len(members)):
        path = f"{tree[number % len(tree)]}/data{number}"
        members.append(_synthetic_file(path, filler, rng.random(), holding))
    return Package(name, "1.0", "h5eee18b_0", files=tuple(sorted(members, key=lambda file: file.path)))


def _synthetic_file(path: str, filler: Filler, kind: float, holding: float) -> PackageFile:
    if kind < holding / 5:
        data = filler.binary(filler.size_bytes()) + b"\0" + PLACEHOLDER + b"/share\0" + filler.binary(64)
        return PackageFile(f"{path}.so", data, executable=True, placeholder=PLACEHOLDER, file_mode="binary")
    if kind < holding:
        data = b"prefix=" + PLACEHOLDER + b"\n# " + filler.text(filler.size_bytes()) + b"\n"
        return PackageFile(f"{path}.cfg", data, placeholder=PLACEHOLDER, file_mode="text")
    if kind < 0.3:
        return PackageFile(f"{path}.bin", filler.binary(filler.size_bytes()))
    return PackageFile(f"{path}.txt", filler.text(filler.size_bytes()))


_PATHS_ENTRY_KEYS = (
    "_path", "path_type", "no_link", "sha256", "sha256_in_prefix", "size_in_bytes", "file_mode", "prefix_placeholder",
)  # fmt: skip


def _prefix_record(package: Package, conda: SystemConda, in_prefix: dict[str, bytes]) -> dict[str, Any]:
    """The record as rattler writes it, key for key. No archive exists: its hash and size are made up."""
    paths = [paths_entry(file, {}) for file in package.files]
    for entry in paths:
        if entry["_path"] in in_prefix:
            data = in_prefix[entry["_path"]]
            entry |= {"sha256_in_prefix": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    archive = {"sha256": _made_up_sha256(package).hexdigest(), "size": sum(len(file.data) for file in package.files)}
    extracted = str(conda.pkgs / package.stem)
    return dict(sorted((index_json(package) | archive).items())) | {
        "fn": f"{package.stem}.conda",
        "url": f"{conda.channel.as_uri()}/{package.subdir}/{package.stem}.conda",
        "channel": conda.channel.as_uri(),
        "extracted_package_dir": extracted,
        "requested_specs": [],
        "files": [entry["_path"] for entry in paths],
        "paths_data": {
            "paths_version": 1,
            "paths": [{key: entry[key] for key in _PATHS_ENTRY_KEYS if key in entry} for entry in paths],
        },
        "link": {"source": extracted, "type": 1},
    }


def _made_up_sha256(package: Package) -> "hashlib._Hash":
    return hashlib.sha256(package.stem.encode())


def _install_files(prefix: Path, package: Package, extracted: Path | None) -> dict[str, bytes]:
    """Link the files from `extracted`, or write them where there is none; return those that hold the prefix."""
    replaced = [
        replace(file, data=_with_prefix(file, os.fsencode(prefix))) for file in package.files if file.placeholder
    ]
    plain = [file for file in package.files if not file.placeholder]
    if extracted is None:
        _write_files(prefix, plain)
    else:
        _make_directories(prefix, plain)
        for file in plain:
            os.link(f"{extracted}/{file.path}", f"{prefix}/{file.path}")
    # rattler dates a file it rewrites a second later than packed, so that no .pyc of the packed one is used.
    _write_files(prefix, replaced, SOURCE_DATE + 1)
    return {file.path: file.data for file in replaced}


def _with_prefix(file: PackageFile, prefix: bytes) -> bytes:
    """The file's content with the placeholder, which it holds once, replaced; NULs fill the gap in a binary."""
    if file.file_mode == "text":
        return file.data.replace(PLACEHOLDER, prefix)
    before, _, after = file.data.partition(PLACEHOLDER)
    rest, _, after = after.partition(b"\0")
    return before + prefix + rest + bytes(len(PLACEHOLDER) - len(prefix) + 1) + after


def _write_files(root: Path, files: Sequence[PackageFile], mtime: int = SOURCE_DATE) -> None:
    _make_directories(root, files)
    for file in files:
        path = f"{root}/{file.path}"
        if file.symlink is not None:
            os.symlink(file.symlink, path)
            continue
        # Path.write_bytes takes twice as long, 120,000 times.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if file.executable else 0o644)
        os.write(descriptor, file.data)
        os.close(descriptor)
        os.utime(path, (mtime, mtime))


def _make_directories(root: Path, files: Iterable[PackageFile]) -> None:
    for directory in sorted({file.path.rpartition("/")[0] for file in files}):
        (root / directory).mkdir(parents=True, exist_ok=True)
