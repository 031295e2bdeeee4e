"""The site's own conda, mamba or micromamba: found, asked for its version, run apart from an administrator's shell.

What a run sees is the same for every administrator and for cron: few variables, and a home that has everything of
theirs but conda's settings, so that credentials in it (`.netrc`, tokens of channels) work and a `.condarc` does not.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from userconda.errors import CondaProgramUnusable
from userconda.fsops import failure
from userconda.site.definition import Site
from userconda.units import hide_secrets, printable

#: Variables that a run keeps. Proxies and certificates: without them there may be no way to a channel. DBUS and
#: KRB5: keyrings with its password. PATH: what channels' credential helpers and packages' scripts call.
_KEPT: Final = re.compile(
    r"PATH|USER|LOGNAME|TMPDIR|TZ|LANG|LC_\w+|(https?|ftp|all|no)_proxy|(HTTPS?|FTP|ALL|NO)_PROXY"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC|SSH_AUTH_SOCK|KRB5\w+|AWS_\w+"
    r"|DBUS_SESSION_BUS_ADDRESS|XDG_RUNTIME_DIR"
)

#: In a home and in its `.config`: what changes what conda and mamba do. `.conda` also has the list of one's
#: environments, in which a site's have no place.
_SETTINGS: Final = frozenset({".condarc", ".mambarc", ".conda", ".mamba", ".config"})
_SETTINGS_BELOW_CONFIG: Final = frozenset({"conda", "mamba"})

#: A cold file system gives conda's thousand modules slowly.
_VERSION_SECONDS: Final = 120.0
#: conda's own transaction is rolled back at a SIGINT.
_ROLLBACK_SECONDS: Final = 20.0
_LAST_LINES: Final = 15
_LINE_CHARACTERS: Final = 400
#: A log for a person. What is longer is a program gone astray.
_LOG_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Program:
    """
    Attributes:
        kind: whose command line and JSON it has: conda or mamba (which is micromamba's too).
    """

    path: str
    kind: str
    version: str

    def __str__(self) -> str:
        return f"{self.path} ({self.version})"

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Ran:
    """
    Attributes:
        exit_code: negative for a signal's number.
        last_lines: of both streams, without control characters.
    """

    exit_code: int
    last_lines: tuple[str, ...]


def find_program(site: Site, word: str, environment: Mapping[str, str]) -> Program:
    """
    Args:
        word: a name, which is looked for in the site's conda and then in PATH, or a path; empty for the one of
            `site.toml`.
        environment: what its run would see.

    Raises:
        CondaProgramUnusable: it is not there, cannot be run, or is something else.
    """
    word = word or site.program
    if "/" in word:
        path: str | None = os.path.abspath(word)
    else:
        own = os.pathsep.join(os.path.join(site.root, name) for name in ("bin", "condabin"))
        path = shutil.which(word, path=own) or shutil.which(word, path=environment.get("PATH", os.defpath))
    if path is None:
        raise CondaProgramUnusable(word, f"it is neither in {site.root}/bin nor in PATH")
    try:
        done = subprocess.run(
            [path, "--version"],
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CondaProgramUnusable(path, f"it did not tell its version within {_VERSION_SECONDS:.0f} s") from None
    except OSError as exc:
        raise CondaProgramUnusable(path, f"it cannot be run ({os.strerror(exc.errno or 0)})") from None
    said = (done.stdout or done.stderr).decode("utf-8", "replace").strip()
    first = said.partition("\n")[0][:_LINE_CHARACTERS]
    version = re.fullmatch(r"(?:(conda|mamba|micromamba) )?(\d[\w.+-]*)", first)
    if done.returncode or version is None:
        raise CondaProgramUnusable(path, f"`--version` ended with {done.returncode} and {first!r}")
    return Program(path, "conda" if version[1] == "conda" else "mamba", version[2])


@contextlib.contextmanager
def surroundings(
    site: Site, own: Mapping[str, str], pins: Sequence[str] = (), *, root: str | None = None
) -> Iterator[dict[str, str]]:
    """What a run of the program sees, until the block ends.

    `site.toml`'s `[condarc]` is in force whether or not it has been written to the conda yet, and so are its pins:
    `conda-meta/pinned` of an environment that is not there yet cannot be read, `pinned_packages` can.

    Args:
        own: the administrator's variables.
    """
    conda_root = root or site.root
    with tempfile.TemporaryDirectory(prefix="ucenv-site-") as directory:
        home = os.path.join(directory, "home")
        os.mkdir(home)
        _link_all(own.get("HOME", ""), home, _SETTINGS)
        config = os.path.join(home, ".config")
        os.mkdir(config)
        _link_all(
            own.get("XDG_CONFIG_HOME") or os.path.join(own.get("HOME", ""), ".config"), config, _SETTINGS_BELOW_CONFIG
        )
        settings: dict[str, Any] = {
            # Questions, reports and news nobody is there to read.
            "report_errors": False, "notify_outdated_conda": False, "number_channel_notices": 0, "always_yes": True,
            **site.condarc,
        }  # fmt: skip
        if pins:
            others = settings.get("pinned_packages", [])
            settings["pinned_packages"] = [*(others if isinstance(others, list) else [others]), *pins]
        with open(os.path.join(home, ".condarc"), "w", encoding="utf-8", errors="surrogateescape") as stream:
            json.dump(settings, stream, default=str)  # which is YAML
        yield {
            **{name: value for name, value in own.items() if _KEPT.fullmatch(name)},
            "HOME": home,
            "CONDA_PKGS_DIRS": os.path.join(conda_root, "pkgs"),
            "MAMBA_ROOT_PREFIX": conda_root,
            "PYTHONNOUSERSITE": "1",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
        }


def _link_all(source: str, target: str, but: frozenset[str]) -> None:
    try:
        names = os.listdir(source) if source.startswith("/") else []
    except OSError:  # a service's account without a home, or one that cannot be read now: there is nothing to be had
        return
    for name in names:
        if name not in but:
            os.symlink(os.path.join(source, name), os.path.join(target, name))


# running --------------------------------------------------------------------------------------------------------


class _Watched:
    """A run's output: kept as it comes, shown without control characters, its last lines remembered."""

    def __init__(self, log: int, show: Callable[[str], None] | None) -> None:
        self._log, self._show, self._left = log, show, _LOG_BYTES
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._line = ""

    def take(self, data: bytes, *, final: bool = False) -> None:
        kept = memoryview(data)[: self._left]
        self._left -= len(kept)
        while kept:
            kept = kept[os.write(self._log, kept) :]
        text = self._decoder.decode(data, final)
        if self._show and text:
            self._show("".join(c if c.isprintable() or c in "\n\r\t" else "?" for c in text))
        *whole, rest = (self._line + text).split("\n")
        for line in whole:
            self._keep(line)
        # A bar that is drawn again and again is one line.
        self._line = rest.rpartition("\r")[2][-_LINE_CHARACTERS:] if len(rest) > _LINE_CHARACTERS else rest

    def last_lines(self) -> tuple[str, ...]:
        self._keep(self._line)
        return tuple(self._lines)

    def _keep(self, line: str) -> None:
        line = printable(line.rstrip("\r").rpartition("\r")[2].rstrip()[:_LINE_CHARACTERS])
        if line:
            self._lines.append(line)


def run(
    words: Sequence[str],
    environment: Mapping[str, str],
    log: str,
    *,
    stdout: int | None = None,
    append: bool = False,
    show: Callable[[str], None] | None = None,
    started: Callable[[int], None] = lambda pid: None,
    beat: Callable[[], None] = lambda: None,
) -> Ran:
    """Run a program to its end, what it says in the file `log`; files that it makes may be read by all.

    Args:
        stdout: a file that its standard output goes to instead.
        append: to what is in the log already.
        show: is given what it says, as it comes.
        started: is given its process' number.
        beat: is called every second.

    Raises:
        CondaProgramUnusable: it cannot be started.
        FileOperation, NotEnoughSpace, QuotaExceeded: the log cannot be written.
    """
    how = os.O_APPEND if append else os.O_TRUNC
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | how | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise failure("writing", log, exc) from None
    try:
        watched = _Watched(descriptor, show)
        os.write(descriptor, f"$ {hide_secrets(shlex.join(words))}\n".encode("utf-8", "surrogateescape"))
        exit_code = _watch(words, environment, watched, stdout, started, beat)
        return Ran(exit_code, watched.last_lines())
    except OSError as exc:
        raise failure("writing", log, exc) from None
    finally:
        os.close(descriptor)


def _watch(
    words: Sequence[str],
    environment: Mapping[str, str],
    watched: _Watched,
    stdout: int | None,
    started: Callable[[int], None],
    beat: Callable[[], None],
) -> int:
    try:
        process = subprocess.Popen(
            words,
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.STDOUT if stdout is None else subprocess.PIPE,
            start_new_session=True,  # what it starts goes with it
            umask=0o022,
        )
    except OSError as exc:
        raise CondaProgramUnusable(words[0], f"it cannot be run ({os.strerror(exc.errno or 0)})") from None
    output = process.stdout if stdout is None else process.stderr
    assert output is not None
    try:
        started(process.pid)
        beaten = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                ready = selector.select(1.0)
                if time.monotonic() - beaten >= 1.0:
                    beaten = time.monotonic()
                    beat()
                if ready:
                    data = os.read(output.fileno(), 1 << 16)
                    watched.take(data, final=not data)
                    if not data:
                        break
                elif process.poll() is not None:  # something it left in the background holds the pipe
                    break
        return process.wait()
    finally:
        _end(process)
        output.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it take back what it was doing, if it still is; nothing of it runs on."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ROLLBACK_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ask(
    words: Sequence[str], environment: Mapping[str, str], *, beat: Callable[[], None] = lambda: None
) -> tuple[Ran, Any]:
    """Run a program that answers in JSON on its standard output.

    Returns:
        How it ended, and the answer; None where that is none.

    Raises:
        CondaProgramUnusable: it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="ucenv-site-") as directory:
        answer = os.path.join(directory, "answer")
        with open(answer, "wb") as stream:
            ran = run(words, environment, os.path.join(directory, "log"), stdout=stream.fileno(), beat=beat)
        with open(answer, "rb") as stream:
            try:
                return ran, json.load(stream)
            except ValueError:
                return ran, None
