"""Write conda packages (`.conda`, format 2) with the standard library, and make some worth cloning.

Every package is the same bytes each time: members are sorted, owned by root and dated `SOURCE_DATE`. A `.pyc` in a
package carries the mtime its `.py` has in the archive, as conda-build's do, so Python uses it after installation.
"""

import asyncio
import atexit
import base64
import configparser
import email
import functools
import hashlib
import importlib.util
import io
import json
import marshal
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
from rattler import Subdir
from rattler.index import index_fs

FileMode = Literal["text", "binary"]
Noarch = Literal["python", "generic"]

SOURCE_DATE = 1_577_836_800
"""mtime of every packed file, in seconds: 2020-01-01 UTC."""

PLACEHOLDER = (b"/croot/demo_1577836800000/_h_env" + b"_placehold" * 25)[:255]
"""Prefix recorded at build time, padded to 255 characters as conda-build does."""

PYTHON_VERSION = ".".join(map(str, sys.version_info[:3]))
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/{PYTHON}/site-packages"
PLATFORM = str(Subdir.current())

# A worker thread of rattler that drops a Python object while the interpreter ends crashes it (seen in 1 of 10 short
# processes; PyO3/pyo3-async-runtimes#40). There is nothing to join, so give the threads a moment to fall idle.
atexit.register(time.sleep, 0.1)


class CompilerNotFound(Exception):
    """Neither `cc` nor the PyPI package `ziglang` is there to compile the demo's library."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One member of a package.

    `path` is relative to the prefix; in a `noarch: python` package `site-packages/` and `python-scripts/` are mapped
    at installation. `symlink` and `hardlink` (another member's path) exclude `data`. A file that holds `placeholder`
    names the `file_mode` in which it is replaced.
    """

    path: str
    data: bytes = b""
    symlink: str | None = None
    hardlink: str | None = None
    executable: bool = False
    placeholder: bytes | None = None
    file_mode: FileMode | None = None
    no_link: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A conda package before it is written. `entry_points` (`name = module:function`) need `noarch="python"`."""

    name: str
    version: str
    build: str = "0"
    depends: tuple[str, ...] = ()
    noarch: Noarch | None = None
    entry_points: tuple[str, ...] = ()
    files: tuple[PackageFile, ...] = ()

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else PLATFORM

    @property
    def stem(self) -> str:
        """`name-version-build`: the file name without its extension, and the directory in a package cache."""
        return f"{self.name}-{self.version}-{self.build}"


def text_file(path: str, text: str, *, executable: bool = False) -> PackageFile:
    """A text file in which `@PREFIX@` stands for the placeholder."""
    data = text.encode().replace(b"@PREFIX@", PLACEHOLDER)
    if PLACEHOLDER not in data:
        return PackageFile(path, data, executable=executable)
    return PackageFile(path, data, executable=executable, placeholder=PLACEHOLDER, file_mode="text")


# ---------------------------------------------------------------------------------------------------- archive


def write_package(package: Package, channel: Path) -> Path:
    """Write `<channel>/<subdir>/<name>-<version>-<build>.conda` and return its path."""
    target = channel / package.subdir / f"{package.stem}.conda"
    target.parent.mkdir(parents=True, exist_ok=True)
    members = {
        "metadata.json": _json({"conda_pkg_format_version": 2}),
        f"pkg-{package.stem}.tar.zst": _zstd_stored(_tar(package.files)),
        f"info-{package.stem}.tar.zst": _zstd_stored(_tar(info_files(package))),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return target


def index_channel(channel: Path) -> None:
    """Write `repodata.json` for each subdirectory of the channel, as a channel on the web has."""
    (channel / "noarch").mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False, force=True))


def info_files(package: Package) -> list[PackageFile]:
    """The package's `info/` directory."""
    by_path = {file.path: file for file in package.files}
    if dangling := [file.path for file in package.files if file.hardlink and file.hardlink not in by_path]:
        raise ValueError(f"hard links to no member: {dangling}")
    paths = [paths_entry(file, by_path) for file in sorted(package.files, key=lambda file: file.path)]
    info = {
        "info/about.json": _json({"summary": f"{package.name}, made for the ucenv demo", "license": "MIT"}),
        "info/files": "".join(f"{entry['_path']}\n" for entry in paths).encode(),
        "info/index.json": _json(index_json(package)),
        "info/paths.json": _json({"paths": paths, "paths_version": 1}),
    }
    if prefixed := [file for file in package.files if file.placeholder]:
        info["info/has_prefix"] = b"".join(
            b'"%s" %s "%s"\n' % (file.placeholder, str(file.file_mode).encode(), file.path.encode())
            for file in prefixed
        )
    if unlinked := [file.path for file in package.files if file.no_link]:
        info["info/no_link"] = "".join(f"{path}\n" for path in unlinked).encode()
    if package.noarch:
        noarch: dict[str, Any] = {"type": package.noarch}
        if package.noarch == "python":
            noarch["entry_points"] = list(package.entry_points)
        info["info/link.json"] = _json({"noarch": noarch, "package_metadata_version": 1})
    return [PackageFile(path, data) for path, data in sorted(info.items())]


def index_json(package: Package) -> dict[str, Any]:
    """`info/index.json`: what a solver needs to know."""
    index: dict[str, Any] = {
        "build": package.build,
        "build_number": 0,
        "depends": list(package.depends),
        "license": "MIT",
        "name": package.name,
        "subdir": package.subdir,
        "timestamp": SOURCE_DATE * 1000,
        "version": package.version,
    }
    if package.noarch:
        index["noarch"] = package.noarch
    else:
        system, _, machine = PLATFORM.partition("-")
        index |= {"platform": system, "arch": {"64": "x86_64"}.get(machine, machine)}
    return index


def paths_entry(file: PackageFile, by_path: dict[str, PackageFile]) -> dict[str, Any]:
    """The file's entry in `info/paths.json`. A symlink is hashed as conda-build does where it dangles: as empty."""
    data = by_path[file.hardlink].data if file.hardlink else file.data
    entry: dict[str, Any] = {
        "_path": file.path,
        "path_type": "hardlink" if file.symlink is None else "softlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }
    if file.placeholder:
        entry |= {"file_mode": file.file_mode, "prefix_placeholder": file.placeholder.decode()}
    if file.no_link:
        entry["no_link"] = True
    return entry


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)


def _tar(files: Iterable[PackageFile]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        # A hard link must follow the member it names.
        for file in sorted(files, key=lambda file: (file.hardlink is not None, file.path)):
            member = tarfile.TarInfo(file.path)
            member.mtime = SOURCE_DATE
            member.mode = 0o755 if file.executable else 0o644
            member.uname = member.gname = "root"
            if file.symlink is not None:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, file.symlink, 0o777
            elif file.hardlink is not None:
                member.type, member.linkname = tarfile.LNKTYPE, file.hardlink
            else:
                member.size = len(file.data)
            archive.addfile(member, io.BytesIO(file.data) if member.isreg() else None)
    return buffer.getvalue()


def _zstd_stored(data: bytes) -> bytes:
    """A Zstandard frame of raw blocks (RFC 8878, 3.1.1): the standard library has no compressor before 3.14."""
    block_bytes = 128 * 1024
    window_128_kib = 7 << 3
    frame = [struct.pack("<IBB", 0xFD2FB528, 0, window_128_kib)]
    starts = range(0, max(len(data), 1), block_bytes)
    for start in starts:
        block = data[start : start + block_bytes]
        is_last = start == starts[-1]
        frame += [(len(block) << 3 | is_last).to_bytes(3, "little"), block]
    return b"".join(frame)


# ----------------------------------------------------------------------------------------------------- Python


def compiled(source: bytes, filename: str) -> bytes:
    """The `.pyc` of `source` for the running Python, valid while the `.py` has mtime `SOURCE_DATE`.

    Raises SyntaxError where the source is not for this Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(source, filename, "exec", dont_inherit=True, optimize=0)
    header = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, SOURCE_DATE, len(source))
    return header + marshal.dumps(code)


def with_bytecode(files: Iterable[PackageFile]) -> Iterator[PackageFile]:
    """The files, and the `.pyc` of each `.py`, as an architecture-specific conda package holds them."""
    for file in files:
        yield file
        path = PurePosixPath(file.path)
        if path.suffix != ".py" or file.symlink is not None:
            continue
        pyc = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
        try:
            yield PackageFile(str(pyc), compiled(file.data, file.path))
        except SyntaxError:
            # Templates and sources for other Pythons lie in site-packages too; pip and conda pass over them.
            continue


def package_from_python() -> Package:
    """The package `python`, made from the interpreter that runs (`sys.base_prefix`).

    Without tests, Tk, idle and ensurepip. Debian's changes to `site` and `sysconfig` are undone, so that `sys.prefix`
    and `lib/pythonX.Y/site-packages` are the environment's; a shared libpython is found through `$ORIGIN/../lib`.
    """
    interpreter = Path(sys._base_executable).resolve().read_bytes()  # type: ignore[attr-defined]
    # `site` is frozen into the interpreter since 3.11, Debian's directory names with it; these are equally long.
    interpreter = interpreter.replace(b"dist-packages", b"site-packages")
    files = [
        PackageFile(f"bin/{PYTHON}", _with_relative_rpath(interpreter), executable=True),
        PackageFile("bin/python3", symlink=PYTHON),
        PackageFile("bin/python", symlink=PYTHON),
        text_file(
            f"bin/pydoc{PYTHON[6:]}",
            f"#!@PREFIX@/bin/{PYTHON}\nimport pydoc\nif __name__ == '__main__':\n    pydoc.cli()\n",
            executable=True,
        ),
        PackageFile("bin/pydoc3", symlink=f"pydoc{PYTHON[6:]}"),
        PackageFile("bin/pydoc", symlink="pydoc3"),
        PackageFile(f"{SITE_PACKAGES}/README.txt", b"Third-party modules go here.\n"),
        *_shared_library(interpreter),
        *with_bytecode(_standard_library(Path(sysconfig.get_path("stdlib")))),
    ]
    return Package("python", PYTHON_VERSION, "h5a1c0de_0_cpython", files=tuple(files))


_LEFT_OUT = {
    "EXTERNALLY-MANAGED", "__pycache__", "dist-packages", "ensurepip", "idlelib", "site-packages", "sitecustomize.py",
    "test", "tests", "tkinter", "turtledemo",
}  # fmt: skip
# Debian asks this to choose between site-packages and dist-packages; no environment of conda wants the latter.
_DEBIAN_VENV_TEST = b'sys.base_prefix != sys.prefix or hasattr(sys, "real_prefix")'


def _standard_library(stdlib: Path) -> Iterator[PackageFile]:
    for path in sorted(stdlib.rglob("*")):
        inside = path.relative_to(stdlib)
        if not path.is_file() or _LEFT_OUT.intersection(inside.parts) or inside.parts[0].startswith("config-"):
            continue
        target = f"lib/{PYTHON}/{inside.as_posix()}"
        data = path.read_bytes().replace(_DEBIAN_VENV_TEST, b"True")
        if path.match("_sysconfigdata*.py"):
            data = _at_placeholder(data, sys.base_prefix)
            yield PackageFile(target, data, placeholder=PLACEHOLDER, file_mode="text")
        else:
            yield PackageFile(target, data, executable=bool(path.stat().st_mode & 0o100))


def _at_placeholder(data: bytes, prefix: str) -> bytes:
    """The text with `prefix` replaced where a path begins and a component ends; `/usr` is part of much else."""
    whole = rb"(?:(?<=-[IL])|(?<![\w.]))%s(?![\w.-])" % re.escape(prefix.encode())
    return re.sub(whole, PLACEHOLDER, data)


def _shared_library(interpreter: bytes) -> list[PackageFile]:
    soname = str(sysconfig.get_config_var("INSTSONAME"))
    library = Path(sysconfig.get_config_var("LIBDIR") or "") / soname
    # Debian configures a shared libpython but links its interpreter without it.
    if b"\0%s\0" % soname.encode() not in interpreter or not library.is_file():
        return []
    return [
        PackageFile(f"lib/{soname}", _with_relative_rpath(library.read_bytes()), executable=True),
        PackageFile(f"lib/{soname.partition('.so')[0]}.so", symlink=soname),
    ]


def _with_relative_rpath(binary: bytes) -> bytes:
    """The ELF file with an RPATH of exactly LIBDIR made `$ORIGIN/../lib`, in place, NULs after it.

    A LIBDIR shorter than that (`/usr/lib`) is one the loader searches anyway.
    """
    libdir = str(sysconfig.get_config_var("LIBDIR") or "").encode()
    relative = b"$ORIGIN/../lib"
    if len(libdir) < len(relative):
        return binary
    return binary.replace(b"\0%s\0" % libdir, b"\0%s\0" % relative.ljust(len(libdir), b"\0"))


# ------------------------------------------------------------------------------------------------------ wheels


def package_from_wheel(wheel: Path, *, noarch: bool = True) -> Package:
    """The wheel as conda-build would have packaged it: `noarch: python` if it is `none-any`, else for this platform.

    Without `noarch` for this platform in any case.

    A noarch package names its console scripts in `link.json`; another holds them as files, with the placeholder in
    the shebang, and its `.pyc` files. Dependencies other than Python are left out: nothing here solves.
    """
    name, version, *_, abi, platform = wheel.stem.split("-")
    is_noarch = noarch and (abi, platform) == ("none", "any")
    site_packages = "site-packages" if is_noarch else SITE_PACKAGES
    scripts = "python-scripts" if is_noarch else "bin"
    with zipfile.ZipFile(wheel) as archive:
        dist_info = next(n.partition("/")[0] for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(f"{dist_info}/METADATA"))
        entry_points = _console_scripts(archive, f"{dist_info}/entry_points.txt")
        files = [
            _wheel_member(archive, member, site_packages, scripts)
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith(f"{dist_info}/RECORD")
        ]
    files.append(PackageFile(f"{site_packages}/{dist_info}/INSTALLER", b"conda\n"))
    files.append(PackageFile(f"{site_packages}/{dist_info}/REQUESTED"))
    if not is_noarch:
        files += [_entry_point_script(entry_point) for entry_point in entry_points]
        files = list(with_bytecode(files))
    record = f"{site_packages}/{dist_info}/RECORD"
    files.append(PackageFile(record, _record(files, site_packages, record)))
    return Package(
        name=re.sub(r"[-_.]+", "-", metadata.get("Name", name)).lower(),
        version=version,
        build="pyhd8ed1ab_0" if is_noarch else f"py{sys.version_info.major}{sys.version_info.minor}h5eee18b_0",
        depends=("python >=3.8",) if is_noarch else (f"python {PYTHON[6:]}.*",),
        noarch="python" if is_noarch else None,
        entry_points=tuple(entry_points) if is_noarch else (),
        files=tuple(files),
    )


def _console_scripts(archive: zipfile.ZipFile, name: str) -> list[str]:
    if name not in archive.namelist():
        return []
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(archive.read(name).decode())
    if not parser.has_section("console_scripts"):
        return []
    # conda's link.json has no extras: `name = module:function [extra]` loses them.
    return [f"{key} = {value.partition('[')[0].strip()}" for key, value in parser.items("console_scripts")]


def _wheel_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, site_packages: str, scripts: str) -> PackageFile:
    data = archive.read(member)
    executable = bool(member.external_attr >> 16 & 0o100)
    schemes = {"purelib": site_packages, "platlib": site_packages, "data": "", "headers": f"include/{PYTHON}"}
    first, _, rest = member.filename.partition("/")
    if not first.endswith(".data"):
        return PackageFile(f"{site_packages}/{member.filename}", data, executable=executable)
    scheme, _, path = rest.partition("/")
    if scheme != "scripts":
        return PackageFile(f"{schemes[scheme]}/{path}".lstrip("/"), data, executable=executable)
    script = PackageFile(f"{scripts}/{path}", data, executable=True)
    if not data.startswith(b"#!python"):
        return script
    data = b"#!%s/bin/python" % PLACEHOLDER + data.removeprefix(b"#!python")
    return replace(script, data=data, placeholder=PLACEHOLDER, file_mode="text")


def _entry_point_script(entry_point: str) -> PackageFile:
    name, _, target = entry_point.partition(" = ")
    module, _, function = target.partition(":")
    body = f"import sys\n\nfrom {module} import {function.partition('.')[0]}\n\nsys.exit({function}())\n"
    return text_file(f"bin/{name}", f"#!@PREFIX@/bin/python\n{body}", executable=True)


def _record(files: Sequence[PackageFile], site_packages: str, record: str) -> bytes:
    """RECORD of the distribution: pip reads it when it replaces a package that conda installed."""
    lines = []
    up = "../" * len(PurePosixPath(site_packages).parts)
    for file in files:
        inside = file.path.removeprefix(f"{site_packages}/")
        # The mapping of noarch scripts is not known here; conda-build records them as installed: bin/ of the prefix.
        if inside == file.path:
            up = "../" * len(PurePosixPath(SITE_PACKAGES).parts)
            inside = up + file.path.replace("python-scripts/", "bin/", 1)
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.data).digest()).rstrip(b"=").decode()
        lines.append(f"{inside},," if file.placeholder else f"{inside},sha256={digest},{len(file.data)}")
    lines.append(f"{record.removeprefix(f'{site_packages}/')},,")
    return "".join(f"{line}\n" for line in lines).encode()


# --------------------------------------------------------------------------------------------------- compiled


_LIBRARY = """
static const char prefix[] = "@P@";
static const char search_path[] = "@P@/share/ucdemo:@P@/lib/ucdemo";
const char *ucdemo_prefix(void) { return prefix; }
const char *ucdemo_search_path(void) { return search_path; }
"""
_PROGRAM = """
#include <stdio.h>
const char *ucdemo_prefix(void);
const char *ucdemo_search_path(void);
int main(void) {
    puts("program @P@/bin");
    puts(ucdemo_prefix());
    puts(ucdemo_search_path());
    return 0;
}
"""


def package_with_compiled_library() -> Package:
    """`ucdemo-lib`: `lib/libucdemo.so.1`, and `bin/ucdemo-where`, which prints the prefix that both hold.

    The library's C strings hold the placeholder once and twice; `ucdemo_prefix()` and `ucdemo_search_path()` return
    them. The program prints `program P/bin`, `P` and `P/share/ucdemo:P/lib/ucdemo`, a line each.
    Raises CompilerNotFound.
    """
    library, program = _compile_library()
    in_prefix: dict[str, Any] = {"executable": True, "placeholder": PLACEHOLDER, "file_mode": "binary"}
    return Package(
        "ucdemo-lib",
        "1.0",
        "h1234567_0",
        files=(
            PackageFile("bin/ucdemo-where", program, **in_prefix),
            PackageFile("lib/libucdemo.so.1", library, **in_prefix),
            PackageFile("lib/libucdemo.so", symlink="libucdemo.so.1"),
        ),
    )


def _compiler() -> list[str]:
    if path := shutil.which("cc"):
        return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CompilerNotFound


@functools.cache
def _compile_library() -> tuple[bytes, bytes]:
    """Once per process: tests make this package hundreds of times."""
    compiler = _compiler()
    with tempfile.TemporaryDirectory() as directory:
        for name, source in {"library.c": _LIBRARY, "program.c": _PROGRAM}.items():
            Path(directory, name).write_text(source.replace("@P@", PLACEHOLDER.decode()))
        cc = functools.partial(subprocess.run, cwd=directory, check=True, capture_output=True)
        soname = "libucdemo.so.1"
        cc([*compiler, "-O1", "-s", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", soname, "library.c"])
        cc([*compiler, "-O1", "-s", "-o", "where", "program.c", soname, "-Wl,-rpath,$ORIGIN/../lib"])
        return Path(directory, soname).read_bytes(), Path(directory, "where").read_bytes()


# --------------------------------------------------------------------------------------------------------- odd


def fake_python() -> Package:
    """A `python` record with next to no files: enough for installers, which place noarch packages by its version."""
    script = f'#!/bin/sh\necho "Python {PYTHON_VERSION} at $0" \n'
    return Package(
        "python",
        PYTHON_VERSION,
        "h0000000_0_cpython",
        files=(
            text_file(f"bin/{PYTHON}", script, executable=True),
            PackageFile("bin/python3", symlink=PYTHON),
            PackageFile("bin/python", symlink="python3"),
            text_file(f"bin/pydoc{PYTHON[6:]}", f"#!@PREFIX@/bin/{PYTHON}\nimport pydoc\n", executable=True),
            *with_bytecode(
                [
                    PackageFile(f"lib/{PYTHON}/os.py", b"sep = '/'\n"),
                    text_file(f"lib/{PYTHON}/_sysconfigdata__linux.py", "build_time_vars = {'prefix': '@PREFIX@'}\n"),
                ]
            ),
        ),
    )


def odd_packages() -> list[Package]:
    """Packages that hold, between them, each thing that is hard to clone.

    `odd-files` (names, links, modes), `odd-prefix` (the placeholder in every form), `odd-generic` (noarch generic),
    `odd-python` (noarch python: entry point, python-scripts, .pth, a namespace package), `odd-namespace` (the other
    half of it, with `.pyc`), `odd-upgraded` (1.0; pip will bring 2.0).
    """
    return [_odd_files(), _odd_prefix(), *_odd_noarch(), _odd_namespace()]


def _odd_files() -> Package:
    names = ["with space.txt", "h\u00e9llo-\u4e16\u754c.txt", "-dash", "q'uo\"te$(x);&&`y`.txt", "tab\there", "*[a]?"]
    files = [PackageFile(f"share/odd/names/{name}", f"{name}\n".encode()) for name in names]
    files += [
        PackageFile("share/odd/empty"),
        PackageFile("share/odd/relative-link", symlink="../odd/empty"),
        PackageFile("share/odd/dangling-link", symlink="no/such/file"),
        PackageFile("share/odd/directory-link", symlink="names"),
        PackageFile("share/odd/pair-1", b"two names, one file\n"),
        PackageFile("share/odd/pair-2", hardlink="share/odd/pair-1"),
        PackageFile("share/odd/not-linked", b"copied, never linked\n", no_link=True),
        PackageFile("share/odd/nul.dat", bytes(range(256)) * 16),
        PackageFile("libexec/odd/tool", b"#!/bin/sh\necho tool\n", executable=True),
        PackageFile("ssl/odd.cnf", b"[odd]\n"),
    ]
    return Package("odd-files", "1.0", "h7777777_0", files=tuple(files))


def _odd_prefix() -> Package:
    wide = PLACEHOLDER.decode().encode("utf-16-le")
    binary = b"\x7fODD\0" + PLACEHOLDER + b"/share/odd\0" + b"\0" * 8 + PLACEHOLDER + b":" + PLACEHOLDER + b"/b\0end"
    kernel = {"argv": ["@PREFIX@/bin/python", "-m", "odd", "{connection_file}"], "language": "python"}
    return Package(
        "odd-prefix",
        "1.0",
        "h8888888_0",
        files=(
            text_file("bin/odd-python", "#!@PREFIX@/bin/python\nimport sys\nprint(sys.prefix)\n", executable=True),
            text_file("bin/odd-perl", '#!@PREFIX@/bin/perl -w\nprint "odd\\n";\n', executable=True),
            text_file("bin/odd-shell", '#!/bin/sh\necho "@PREFIX@"\n', executable=True),
            text_file("etc/conda/activate.d/odd.sh", 'export ODD_HOME="@PREFIX@/share/odd"\n'),
            text_file("etc/conda/deactivate.d/odd.sh", "unset ODD_HOME\n"),
            text_file("etc/odd.conf", "home=@PREFIX@\npath=@PREFIX@/a:@PREFIX@/b\nother=@PREFIX@-other\n"),
            text_file("etc/odd-dos.conf", "home=@PREFIX@\r\nhere=@PREFIX@/x\r\n"),
            text_file("share/jupyter/kernels/odd/kernel.json", json.dumps(kernel, indent=1)),
            text_file("ssl/openssl.cnf", "dir = @PREFIX@/ssl\n"),
            text_file("lib/pkgconfig/odd.pc", "prefix=@PREFIX@\nlibdir=${prefix}/lib\n"),
            PackageFile("share/odd/prefix.bin", binary, placeholder=PLACEHOLDER, file_mode="binary"),
            PackageFile(
                "share/odd/prefix-utf16.bin",
                b"\0" + wide + b"\0\0" + PLACEHOLDER + b"\0",
                placeholder=PLACEHOLDER,
                file_mode="binary",
            ),
        ),
    )


def _dist_info(site_packages: str, name: str, version: str) -> list[PackageFile]:
    """The least `.dist-info` with which pip lists a distribution."""
    directory = f"{site_packages}/{name.replace('-', '_')}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    return [
        PackageFile(f"{directory}/METADATA", metadata.encode()),
        PackageFile(f"{directory}/INSTALLER", b"conda\n"),
        PackageFile(f"{directory}/RECORD", f"{directory.rpartition('/')[2]}/RECORD,,\n".encode()),
    ]


def _odd_noarch() -> list[Package]:
    script = text_file("python-scripts/odd-script", "#!@PREFIX@/bin/python\nprint('script')\n", executable=True)
    odd_python = Package(
        "odd-python",
        "1.0",
        "pyh0000000_0",
        depends=("python >=3.8",),
        noarch="python",
        entry_points=("odd = odd.cli:main",),
        files=(
            PackageFile("site-packages/odd/__init__.py"),
            PackageFile(
                "site-packages/odd/cli.py",
                b"import sys\n\n\ndef main():\n    print('odd at', sys.prefix)\n    return 0\n",
            ),
            PackageFile("site-packages/odd.pth", b"odd_extra\n"),
            PackageFile("site-packages/odd_extra/odd_by_pth.py", b"VALUE = 1\n"),
            PackageFile("site-packages/odd_space/one/__init__.py", b"NAME = 'one'\n"),
            script,
            *_dist_info("site-packages", "odd-python", "1.0"),
        ),
    )
    odd_upgraded = Package(
        "odd-upgraded",
        "1.0",
        "pyh0000000_0",
        depends=("python >=3.8",),
        noarch="python",
        files=(
            PackageFile("site-packages/odd_upgraded.py", b"VERSION = '1.0'\n"),
            *_dist_info("site-packages", "odd-upgraded", "1.0"),
        ),
    )
    generic = PackageFile("share/odd-generic/data.txt", b"for every platform\n")
    return [odd_python, odd_upgraded, Package("odd-generic", "1.0", "0", noarch="generic", files=(generic,))]


def _odd_namespace() -> Package:
    return Package(
        "odd-namespace",
        "1.0",
        f"py{sys.version_info.major}{sys.version_info.minor}_0",
        depends=(f"python {PYTHON[6:]}.*",),
        files=tuple(
            with_bytecode(
                [
                    PackageFile(f"{SITE_PACKAGES}/odd_space/two/__init__.py", b"NAME = 'two'\n"),
                    text_file(f"{SITE_PACKAGES}/odd_space/two/paths.py", "PREFIX = '@PREFIX@'\n"),
                    *_dist_info(SITE_PACKAGES, "odd-namespace", "1.0"),
                ]
            )
        ),
    )
