"""The content of files that hold the clone's prefix, and of what describes them: .pyc, pip's RECORD, a signature."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import os
import posixpath
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from userconda.errors import VerificationFailed
from userconda.models import ClonePlan, Content, FileStep, PycStep, Replacement
from userconda.placeholder import Dialect, FileMode, dialect_for, find_origin, makes, replace, rewrite_content
from userconda.records import FileChange
from userconda.units import format_count, printable

_COMPILE_SECONDS: Final = 60


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# files ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retargeted:
    """
    Attributes:
        warning: what the user should know of the file, or "".
    """

    data: bytes
    warning: str = ""


def retarget_file(step: FileStep, path: str, data: bytes, plan: ClonePlan) -> Retargeted:
    """A file of the source as it is to be in the clone: exactly where a record tells how, else at path boundaries."""
    target_prefix, replacement = plan.request.target_prefix, step.replacement
    if step.content is Content.RECORDED and replacement is not None:
        exact = _retarget_exactly(data, replacement, step.packed, plan.prefixes, target_prefix)
        if exact is not None:
            return Retargeted(exact)
    rewritten = rewrite_content(data, plan.prefixes, target_prefix, plan.staying)
    warning = ""
    if rewritten.misfits:
        places = format_count(rewritten.misfits, "place")
        warning = f"still holds the source's path in {places}: a binary without room for the clone's"
    elif step.content is Content.RECORDED and rewritten.data != data:
        warning = (
            "is not as its package installed it; the source's path in it was replaced as in a file that no package owns"
        )
    return Retargeted(rewritten.data, warning and f"{printable(path)} {warning}")


def _retarget_exactly(
    data: bytes, replacement: Replacement, packed_paths: Sequence[str], prefixes: tuple[str, ...], target_prefix: str
) -> bytes | None:
    """By inversion, else by the packed file of a cache; None where neither is proven to be this file."""
    placeholder = replacement.placeholder
    if placeholder is None:
        return None
    for mode in (replacement.file_mode,) if replacement.file_mode else (FileMode.TEXT, FileMode.BINARY):
        if replacement.sha256 is not None:
            origin = find_origin(data, prefixes, placeholder, mode, replacement.sha256)
            if origin is not None:
                return replace(
                    origin.packed, placeholder, target_prefix, mode, dialect_for(target_prefix, mode, origin.dialect)
                )
        for packed in _packed_files(packed_paths, replacement.sha256):
            for prefix, written in itertools.product(prefixes, Dialect):
                # Only a file that still is what its package made of it may be made anew from the package.
                if makes(packed, placeholder, prefix, mode, written, data):
                    return replace(packed, placeholder, target_prefix, mode, dialect_for(target_prefix, mode, written))
    return None


def _packed_files(paths: Sequence[str], sha256: str | None) -> Iterator[bytes]:
    for path in paths:
        try:
            with open(path, "rb") as stream:
                data = stream.read()
        except OSError:  # a cache is a help, never a condition
            continue
        if sha256 is None or sha256_of(data) == sha256:
            yield data


# .pyc -----------------------------------------------------------------------------------------------------------

#: Runs in the source's Python: lines of source, pyc, cache tag and optimization, NUL between; prints what it compiled.
#: The name recorded inside is relative, as in the files that conda compiles: it holds no prefix.
_COMPILER: Final = """
import py_compile, sys
for line in sys.stdin.buffer.read().split(b"\\n"):
    source, target, tag, optimize = [part.decode("utf-8", "surrogateescape") for part in line.split(b"\\0")]
    if tag != sys.implementation.cache_tag:
        continue
    try:
        py_compile.compile(source, target, source, doraise=True, optimize=int(optimize))
    except Exception:
        continue
    sys.stdout.buffer.write(target.encode("utf-8", "surrogateescape") + b"\\n")
"""


def compile_modules(steps: Sequence[PycStep], source_prefix: str, staging: str) -> set[str]:
    """Compile modules of the clone with the source's own Python.

    Returns:
        The .pyc paths that were made. The rest is left to Python's own caching: another version's, or no Python to run.
    """
    python = os.path.join(source_prefix, "bin", "python")
    lines = []
    for step in steps:
        words = posixpath.basename(step.pyc_path).split(".")[1:-1]  # cpython-311, opt-1
        if words and "\n" not in step.pyc_path:
            optimize = words[1].removeprefix("opt-") if len(words) > 1 else "0"
            fields = (step.source_path, step.pyc_path, words[0], optimize)
            lines.append(b"\0".join(map(os.fsencode, fields)))
    if not lines or not os.access(python, os.X_OK):
        return set()
    if os.geteuid() == 0 and os.stat(python).st_uid != 0:
        return set()  # an administrator who clones a user's environment does not run the user's programs as root
    try:
        run = subprocess.run(
            [python, "-I", "-S", "-B", "-c", _COMPILER],
            input=b"\n".join(lines),
            capture_output=True,
            timeout=_COMPILE_SECONDS,
            env={"PATH": "/usr/bin:/bin"},
            check=False,
            cwd=staging,
        )
    except (OSError, subprocess.SubprocessError):
        return set()
    return {os.fsdecode(path) for path in run.stdout.split(b"\n") if path}


# pip's RECORD ---------------------------------------------------------------------------------------------------

_PIP_DIGEST: Final = re.compile(rb"sha256=([\w-]+)")


class PipRecords:
    """Makes RECORD files true of the clone. Rows are path, algorithm=hash, size; paths relative to site-packages."""

    def __init__(self, changes: Mapping[str, FileChange]) -> None:
        self._changes = changes
        self._digests = {_pip_digest(change.old_sha256).encode() for change in changes.values()}

    def retarget(self, data: bytes, path: str) -> bytes:
        """Only a hash that was true of the source's file is made true of the clone's: a RECORD may list other files."""
        if self._digests.isdisjoint(_PIP_DIGEST.findall(data)):
            return data
        try:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
        except (UnicodeDecodeError, csv.Error):
            return data
        base = posixpath.dirname(posixpath.dirname(path))
        for row in rows:
            change = self._changes.get(posixpath.normpath(posixpath.join(base, row[0]))) if len(row) == 3 else None
            if change is not None and row[1] == f"sha256={_pip_digest(change.old_sha256)}":
                row[1:] = [f"sha256={_pip_digest(change.new_sha256)}", str(change.new_size_bytes)]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n" if b"\r\n" in data else "\n").writerows(rows)
        return text.getvalue().encode()


def _pip_digest(sha256: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()


# macOS ----------------------------------------------------------------------------------------------------------

_SIGNED: Final = bool(sys.platform == "darwin")
_MACH_O: Final = frozenset(
    bytes.fromhex(magic) for magic in ("cafebabe", "bebafeca", "feedface", "cefaedfe", "feedfacf", "cffaedfe")
)


def sign(path: str, data: bytes) -> None:
    """arm64 kernels kill a changed program whose signature no longer fits; an ad-hoc one is enough, as conda does."""
    if not _SIGNED or data[:4] not in _MACH_O:
        return
    run = subprocess.run(["/usr/bin/codesign", "-s", "-", "-f", path], capture_output=True, check=False)
    if run.returncode:
        raise VerificationFailed(path, f"codesign failed: {run.stderr.decode(errors='replace').strip()}")
