"""What a command of pip's will change in an environment: asked of the environment's own pip before it runs.

`pip install --dry-run --report` (pip 22.2) names the distributions; what is installed of them names its files in
RECORD, and their wheels name those that come.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from userconda.errors import PipMissing, PipTooOld
from userconda.recorded import normalized_name

#: pip's options before the subcommand that take a word of their own (pip/_internal/cli/cmdoptions.py, general_group).
_WITH_VALUE: Final = frozenset(
    {
        "--python", "--log", "--log-file", "--local-log", "--keyring-provider", "--proxy", "--retries", "--timeout",
        "--exists-action", "--trusted-host", "--cert", "--client-cert", "--cache-dir", "--use-feature",
        "--use-deprecated", "--default-timeout", "--resume-retries",
    }
)  # fmt: skip

#: `pip install` puts things elsewhere with these, or nowhere.
_ELSEWHERE: Final = ("--target", "--prefix", "--root", "--dry-run", "--help", "-h")

#: Where no environment's files are, whatever a RECORD or a wheel says.
_OUTSIDE: Final = ("/", "../")

_ASK: Final = "import sysconfig; print(sysconfig.get_path('purelib')); import pip"
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")


class PipRefused(Exception):
    """With pip's own exit code and message."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code, self.text = exit_code, text


@dataclass(frozen=True, slots=True)
class Pip:
    """The environment's own.

    Attributes:
        environment: of its processes, where `--user` installs are off: those are in no environment.
        site_packages: relative to the prefix.
    """

    prefix: str
    environment: Mapping[str, str]
    site_packages: str

    @property
    def command(self) -> list[str]:
        return [_python(self.prefix), "-m", "pip"]


def _python(prefix: str) -> str:
    return os.path.join(prefix, "bin", "python")


def find_pip(prefix: str, environment: Mapping[str, str]) -> Pip:
    """
    Raises:
        PipMissing: the environment has no Python, or Python no pip.
    """
    environment = {**environment, "PYTHONNOUSERSITE": "1", "PIP_USER": "0"}
    if not os.access(_python(prefix), os.X_OK):
        raise PipMissing(prefix, "Python")
    asked = subprocess.run(
        [_python(prefix), "-c", _ASK], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if asked.returncode:
        raise PipMissing(prefix, "pip")
    directory = os.path.relpath(os.path.realpath(asked.stdout.splitlines()[0]), os.path.realpath(prefix))
    return Pip(prefix, environment, directory)


@dataclass(frozen=True, slots=True)
class Change:
    """Paths in the prefix that a command removes and adds."""

    removed: tuple[str, ...]
    added: tuple[str, ...]


def foretell(pip: Pip, words: Sequence[str]) -> Change | None:
    """What `pip WORDS` will do to the environment; None where it changes nothing in it.

    Raises:
        PipTooOld: it has no --report.
        PipRefused: it will not do it.
    """
    position = subcommand_position(words)
    command, rest = words[position : position + 1], words[position + 1 :]
    if command == ["uninstall"]:
        return Change(tuple(_installed_files(pip, _named(rest))), ())
    if command != ["install"] or _goes_elsewhere(rest):
        return None
    items = _dry_run(pip, words[:position], rest)
    names = [item["metadata"]["name"] for item in items]
    with tempfile.TemporaryDirectory() as directory:
        added = [path for wheel in _wheels(pip, items, directory) for path in _wheel_files(pip, wheel)]
    return Change(tuple(_installed_files(pip, names)), tuple(added))


def subcommand_position(words: Sequence[str]) -> int:
    position = 0
    while position < len(words) and words[position].startswith("-"):
        position += 2 if words[position] in _WITH_VALUE else 1
    return position


def _goes_elsewhere(words: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in _ELSEWHERE or word.startswith("-t") for word in words)


def _dry_run(pip: Pip, before: Sequence[str], rest: Sequence[str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "report.json")
        asked = subprocess.run(
            [*pip.command, *before, "install", "--dry-run", "--quiet", "--report", report, *rest],
            env=pip.environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if asked.returncode:
            if b"no such option" in asked.stderr:
                raise PipTooOld(pip.prefix)
            raise PipRefused(asked.returncode, asked.stderr.decode(errors="surrogateescape"))
        with open(report, encoding="utf-8") as stream:
            return list(json.load(stream)["install"])


def _named(words: Sequence[str]) -> Iterator[str]:
    """The distributions that `pip uninstall` is to remove."""
    following = iter(words)
    for word in following:
        if word in ("-r", "--requirement"):
            yield from _requirements(next(following, ""))
        elif word.startswith("--requirement="):
            yield from _requirements(word.partition("=")[2])
        elif not word.startswith("-"):
            yield word


def _requirements(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if match := _NAME.match(line):
                    yield match[1]
    except OSError:  # pip says so
        return


# files ------------------------------------------------------------------------------------------------------------


def _installed_files(pip: Pip, names: Iterable[str]) -> Iterator[str]:
    """Paths in the prefix of what is installed of these distributions."""
    wanted = {_normal(name) for name in names}
    top = os.path.join(pip.prefix, pip.site_packages)
    for entry in sorted(os.listdir(top)) if wanted else ():
        stem, suffix = os.path.splitext(entry)
        if suffix in (".dist-info", ".egg-info") and _normal(stem.partition("-")[0]) in wanted:
            yield f"{pip.site_packages}/{entry}/x"
            paths = (_inside(pip, path) for path in _record(os.path.join(top, entry)))
            yield from (path for path in paths if not path.startswith(_OUTSIDE))


def _normal(name: str) -> str:
    """Of what pip writes before a version or an extra."""
    match = _NAME.match(name)
    return normalized_name(match[1] if match else name)


def _record(information: str) -> Iterator[str]:
    """Paths relative to site-packages. An .egg-info of setuptools' has no RECORD: then all that it is the top of."""
    try:
        with open(os.path.join(information, "RECORD"), encoding="utf-8", newline="") as stream:
            yield from (row[0] for row in csv.reader(stream) if row)
        return
    except OSError:
        pass
    try:
        with open(os.path.join(information, "top_level.txt"), encoding="utf-8") as stream:
            tops = stream.read().split()
    except OSError:
        return
    above = os.path.dirname(information)
    for top in tops:
        for directory, _, _ in os.walk(os.path.join(above, top)):
            yield os.path.relpath(os.path.join(directory, "x"), above)


def _inside(pip: Pip, path: str) -> str:
    """A path relative to site-packages (`../../../bin/f2py`) as one relative to the prefix."""
    return os.path.normpath(os.path.join(pip.site_packages, path))


def _wheels(pip: Pip, items: Sequence[Mapping[str, Any]], directory: str) -> Iterator[str]:
    """The wheels that would be installed, as files. What pip will build from source cannot be known before.

    pip has those from an index in its HTTP cache since the dry run; it is asked to fetch them, because it alone knows
    the site's proxies and passwords.
    """
    urls = [item["download_info"]["url"] for item in items]
    wheels = [url for url in urls if urlsplit(url).path.endswith(".whl")]
    remote = [url for url in wheels if urlsplit(url).scheme != "file"]
    yield from (unquote(urlsplit(url).path) for url in wheels if urlsplit(url).scheme == "file")
    if remote:
        fetch = [*pip.command, "download", "--quiet", "--no-deps", "--dest", directory, *remote]
        subprocess.run(fetch, env=pip.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield from (os.path.join(directory, name) for name in sorted(os.listdir(directory)))


def _wheel_files(pip: Pip, wheel: str) -> Iterator[str]:
    """Where a wheel's files go (`.data` of the binary distribution format), and the .pyc that are compiled of them."""
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
    for member in members:
        first, _, rest = member.partition("/")
        scheme, _, below = rest.partition("/")
        place = pip.site_packages
        if first.endswith(".data") and below:
            member = below
            if scheme not in ("purelib", "platlib"):
                # Headers go to include/pythonX.Y/NAME, a directory that is the distribution's own.
                place = {"scripts": "bin", "data": ""}.get(scheme, "include")
        path = os.path.normpath(os.path.join(place, member))
        if path.startswith(_OUTSIDE):
            continue
        yield path
        if path.endswith(".py"):
            yield os.path.join(os.path.dirname(path), "__pycache__", "x")
