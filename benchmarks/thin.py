"""Thin clones of a real environment that another owns: what they cost beside `cp -al`, and what imports cost then."""

from __future__ import annotations

import os
import statistics
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import measure
from benchmarks.latency import DELAY_US, unslowed
from benchmarks.measure import OTHER_UID, Bench, Row, Skipped
from demo.sysctl import may_set
from tests.support import Unavailable, real_python
from tests.support.filesystems import fuse_latency_mount
from tests.support.sysctl import protected_hardlinks

ADMIN_UID = 61001

#: What is imported, and an environment that has little more.
MODULES = ("torch", "scipy.linalg", "pandas")
IMPORTED = ("torch", "scipy", "pandas")

QUICK = ("numpy", "six")


def run(bench: Bench) -> None:
    if os.geteuid() != 0:
        raise Skipped("needs root, to be another user")
    if not may_set():
        raise Skipped("fs.protected_hardlinks cannot be set here")
    try:
        everything = real_python.download(
            "big" if not bench.options.quick else "quick", _wanted(bench, real_python.BIG)
        )
        imported = real_python.download("imported" if not bench.options.quick else "quick", _wanted(bench, IMPORTED))
        _clones(bench, everything)
        _imports(bench, imported)
        for cache_seconds, cached in ((1.0, "names cached for 1 s"), (0.0, "no names cached")):
            _slow_imports(bench, imported, cache_seconds, f"{DELAY_US} us an operation, {cached}")
    except Unavailable as missing:
        raise Skipped(missing.reason) from None


def _wanted(bench: Bench, requirements: Sequence[str]) -> Sequence[str]:
    return QUICK if bench.options.quick else requirements


def _make(root: Path, wheels: Sequence[Path], within: Sequence[str | Path] = ()) -> Path:
    """In a process of its own, as `measure.make_environment`; the administrator's."""
    code = (
        "from pathlib import Path; import os; from tests.support import real_python;"
        "real_python.make_big(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]); os._exit(0)"
    )
    subprocess.run([*within, *measure.python(code, root, *wheels)], check=True)
    subprocess.run([*within, "chown", "-Rh", f"{ADMIN_UID}:{ADMIN_UID}", root], check=True)
    return next((root / "envs").iterdir() if not within else iter([root / "envs" / "py3_powerai_1.7.0"]))


def _own_directory(path: Path) -> Path:
    path.mkdir()
    os.chown(path, OTHER_UID, OTHER_UID)
    return path


class _User:
    """Somebody else, with a space on the same filesystem."""

    def __init__(self, bench: Bench, root: Path) -> None:
        self.bench = bench
        self.env = measure.environment(bench.directory, root) | {"HOME": str(_own_directory(bench.fresh("home")))}
        try:
            self.timed([*measure.ucenv(), "config"])
        except (RuntimeError, OSError):
            raise Skipped("this Python or the checkout is closed to other users") from None

    def timed(self, argv: Sequence[str | Path]) -> float:
        return measure.timed(argv, self.env, self.bench.directory, user=OTHER_UID)

    def clone(self, source: Path, space: Path, name: str, *options: str) -> float:
        return self.timed([*measure.ucenv(), "clone", *options, "--yes", "--root", space, source, name])


# clones ---------------------------------------------------------------------------------------------------------


def _clones(bench: Bench, wheels: Sequence[Path]) -> None:
    root = bench.fresh("system")
    bench.say(f"making an environment of {len(wheels)} distributions")
    source = _make(root, wheels)
    about = f"{measure.counted(source)}, {len(wheels)} distributions"
    user = _User(bench, root)
    keeping = _own_directory(bench.fresh("space"))
    made: dict[str, Path] = {}

    def thin() -> float:
        with protected_hardlinks(1):
            space = _own_directory(bench.fresh("space"))
            made["thin"] = space / "envs/clone"
            return user.clone(source, space, "clone", "--thin")

    def kept() -> float:
        with protected_hardlinks(1):
            return user.clone(source, keeping, bench.fresh("clone").name, "--thin")

    def full() -> float:
        with protected_hardlinks(0):
            return user.clone(source, _own_directory(bench.fresh("space")), "clone")

    def cp() -> float:
        with protected_hardlinks(0):
            made["cp -al"] = _own_directory(bench.fresh("cp")) / "clone"
            return user.timed(["cp", "-al", source, made["cp -al"]])

    turns: list[tuple[str, Callable[[], float]]] = [("without", thin), ("with", kept)]
    for word, subject in turns:
        bench.take_turns("thin", (f"thin clone, {word} a kept analysis", subject), ("cp -al", cp), note=about)
    bench.take_turns(
        "thin", ("thin clone, without a kept analysis", thin), ("ucenv clone, links allowed", full), note=about
    )
    charges = {name: _charged(path) for name, path in made.items()}
    for number, (what, unit) in enumerate((("entries", "entries"), ("charged bytes", "MB"))):
        ours, theirs = charges["thin"][number], charges["cp -al"][number]
        bench.rows.append(Row("thin", f"thin clone, {what}", "cp -al", (ours / theirs,), ours, theirs, unit, about))
    for directory, count in _dearest(made["thin"]):
        bench.say(f"{count:6,} entries in {directory}")


def _charged(prefix: Path) -> tuple[float, float]:
    """Entries, and MB of the user's own."""
    entries, blocks = 1, 0
    for directory, inside, names in os.walk(prefix):
        for name in (*inside, *names):
            status = os.lstat(os.path.join(directory, name))
            entries += 1
            blocks += status.st_blocks if status.st_uid == OTHER_UID else 0
    return entries, blocks * 512 / 1e6


def _dearest(prefix: Path, depth: int = 5, most: int = 12) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for directory, inside, names in os.walk(prefix):
        parts = os.path.relpath(directory, prefix).split(os.sep)
        counts["/".join(parts[:depth])] += len(inside) + len(names)
    return counts.most_common(most)


# imports --------------------------------------------------------------------------------------------------------


def _importing(prefix: Path, bench: Bench, modules: Sequence[str] = MODULES) -> list[str | Path]:
    modules = QUICK if bench.options.quick else modules
    return [prefix / "bin/python", "-c", f"import {', '.join(modules)}"]


def _imports(bench: Bench, wheels: Sequence[Path]) -> None:
    root = bench.fresh("system")
    source = _make(root, wheels)
    user = _User(bench, root)
    space = _own_directory(bench.fresh("space"))
    _three_clones(user, source, space)
    for other in ("linked", "copied"):
        bench.take_turns(
            "thin",
            ("import from a thin clone", lambda: user.timed(_importing(space / "envs/thin", bench))),
            (f"from a {other} one", lambda other=other: user.timed(_importing(space / "envs" / other, bench))),  # type: ignore[misc]
            note=f"{', '.join(MODULES)}, warm",
        )


def _three_clones(user: _User, source: Path, space: Path) -> None:
    with protected_hardlinks(0):
        user.clone(source, space, "linked")
    with protected_hardlinks(1):
        user.clone(source, space, "copied", "--link-mode", "copy")
        user.clone(source, space, "thin", "--thin")


def _slow_imports(bench: Bench, wheels: Sequence[Path], cache_seconds: float, about: str) -> None:
    behind = bench.fresh("behind")
    behind.mkdir()
    with fuse_latency_mount(behind, DELAY_US, cache_seconds=cache_seconds) as fuse:
        root, space = fuse.path / "system", fuse.path / "space"
        within = unslowed(behind, fuse.path)
        source = _make(root, wheels, within)
        _own_directory(behind / "space")
        user = _User(bench, root)
        as_user = ["setpriv", f"--reuid={OTHER_UID}", f"--regid={OTHER_UID}", "--clear-groups"]
        for name, links, *options in (("linked", 0), ("thin", 1, "--thin")):
            argv = [
                *measure.ucenv(),
                "clone",
                *map(str, options),
                "--yes",
                "--root",
                str(space),
                str(source),
                str(name),
            ]
            with protected_hardlinks(int(links)):
                subprocess.run([*within, *as_user, *argv], check=True, env=user.env, capture_output=True)
        # Without a cache torch takes minutes; the delay is the same each time.
        modules = MODULES if cache_seconds else MODULES[1:2]
        # The first of all fills the page cache of the files themselves, which are the same.
        user.timed(_importing(space / "envs/linked", bench, modules))
        seconds: dict[str, list[float]] = {"thin": [], "linked": []}
        for _ in range(min(3, bench.options.pairs) if cache_seconds else 1):
            for name, taken in seconds.items():
                taken.append(user.timed(_importing(space / "envs" / name, bench, modules)))
        medians = [statistics.median(taken) for taken in seconds.values()]
        ratios = tuple(a / b for a, b in zip(*seconds.values(), strict=True))
        about = f"{', '.join(modules)}, {about}"
        bench.say(f"{about}: thin {medians[0]:.2f} s, linked {medians[1]:.2f} s")
        bench.rows.append(
            Row("thin", "import from a thin clone", "from a linked one", ratios, medians[0], medians[1], note=about)
        )
