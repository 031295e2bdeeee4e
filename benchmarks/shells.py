"""What the hooks cost: milliseconds over a bare shell, beside conda's own activation, and file system calls."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import Bench, Skipped

HOOKS = Path(__file__).resolve().parents[1] / "shell"

#: 200 variables, as modules leave them in a job. What a hook has to look through grows with them.
MANY = {f"EBROOTPACKAGE{number}": f"/opt/software/package/{number}" for number in range(200)}

#: Each without the user's startup files.
SHELLS = {
    "bash": ("bash", "--norc"),
    "zsh": ("zsh", "-f"),
    "dash": ("dash",),
    "ksh93": ("ksh93",),
    "mksh": ("mksh",),
    "ash": ("busybox", "ash"),
    "tcsh": ("tcsh", "-f"),
    "fish": ("fish", "--no-config"),
}
FAMILY = {"tcsh": "csh", "fish": "fish"}

#: An activation script of the usual kind, and its undoing.
SCRIPTS = {
    "sh": (
        'export HOOK_OLD="${LD_LIBRARY_PATH-}"\n'
        'export LD_LIBRARY_PATH="$CONDA_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\n',
        'export LD_LIBRARY_PATH="$HOOK_OLD"\nunset HOOK_OLD\n',
    ),
    "csh": ('setenv HOOK_OLD set\nsetenv LD_LIBRARY_PATH "$CONDA_PREFIX/lib"\n', "unsetenv HOOK_OLD LD_LIBRARY_PATH\n"),
    "fish": (
        'set -gx HOOK_OLD set\nset -gx LD_LIBRARY_PATH "$CONDA_PREFIX/lib"\n',
        "set -e HOOK_OLD LD_LIBRARY_PATH\n",
    ),
}


@dataclass(frozen=True, slots=True)
class Site:
    """A conda root and a user's space with four environments: two plain, two with scripts."""

    root: Path
    scratch: Path

    @property
    def environment(self) -> dict[str, str]:
        start = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "HOME": str(self.scratch)}
        return start | MANY | {"SCRATCH": str(self.scratch), "UCENV_CONDA_ROOT": str(self.root)}


def run(bench: Bench) -> None:
    site = make_site(bench.fresh("site"))
    for shell in SHELLS:
        if shutil.which(SHELLS[shell][0]) is None:
            bench.skipped.append(f"shells: no {shell}")
            continue
        for name, environments in (("no scripts", ("plain", "other")), ("scripts", ("hooks", "more"))):
            over_bare(bench, site, shell, name, environments)
    root = os.environ.get("UCENV_TEST_CONDA")
    if not root:
        raise Skipped("conda's own activation is not timed: no real conda in UCENV_TEST_CONDA")
    beside_conda(bench, site, Path(root))


def make_site(place: Path) -> Site:
    site = Site(place / "conda", place / "scratch")
    for path in (site.root / "bin", site.root / "conda-meta", site.root / "condabin"):
        path.mkdir(parents=True)
    program = site.root / "bin/conda"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("plain", "other", "hooks", "more"):
        prefix = site.scratch / "conda_local/envs" / name
        for name_below in ("bin", "conda-meta"):
            (prefix / name_below).mkdir(parents=True)
        (prefix / "conda-meta/history").touch()
        if name in ("hooks", "more"):
            for number, kind in enumerate(("activate", "deactivate")):
                scripts = prefix / f"etc/conda/{kind}.d"
                scripts.mkdir(parents=True)
                for suffix, texts in SCRIPTS.items():
                    (scripts / f"hooks.{suffix}").write_text(texts[number])
    return site


def words(shell: str, environments: tuple[str, str]) -> str:
    hook = HOOKS / f"ucenv.{FAMILY.get(shell, 'sh')}"
    source = "." if shell not in FAMILY else "source"
    first, second = environments
    lines = (f"{source} {shlex.quote(str(hook))}", f"ucenv load {first}", f"ucenv activate {second}")
    return "\n".join((*lines, "ucenv deactivate", "ucenv unload", ""))


def over_bare(bench: Bench, site: Site, shell: str, name: str, environments: tuple[str, str]) -> None:
    empty, script = site.scratch / "empty", site.scratch / f"{shell}-{environments[0]}"
    empty.touch()
    script.write_text(words(shell, environments))

    def seconds(path: Path) -> float:
        return timed([*SHELLS[shell], str(path)], site.environment)

    pairs = 1 if bench.options.quick else 21
    row = bench.take_turns(
        "shells",
        (f"{shell}: source, load, activate, deactivate, unload; {name}", lambda: seconds(script)),
        ("bare shell", lambda: seconds(empty)),
        pairs=pairs,
    )
    more = file_calls([*SHELLS[shell], str(script)], site) - file_calls([*SHELLS[shell], str(empty)], site)
    note = f"{1000 * (row.subject_value - row.baseline_value):.1f} ms and {more} file system calls more"
    bench.rows[-1] = replace(row, note=note)


def beside_conda(bench: Bench, site: Site, root: Path) -> None:
    """Two activations and back again in bash: ours, and conda's function."""
    prefixes = [str(site.scratch / "conda_local/envs" / name) for name in ("hooks", "more")]
    source = f". {shlex.quote(str(root / 'etc/profile.d/conda.sh'))}"
    lines = [source, *(f"conda activate {shlex.quote(prefix)}" for prefix in prefixes), *["conda deactivate"] * 2]
    theirs, ours = site.scratch / "conda-words", site.scratch / "ucenv-words"
    theirs.write_text("\n".join(lines) + "\n")
    ours.write_text(words("bash", ("hooks", "more")))
    environment = site.environment | {"CONDARC": os.devnull}

    def measured(path: Path) -> Callable[[], float]:
        return lambda: timed(["bash", "--norc", str(path)], environment)

    row = bench.take_turns(
        "shells",
        ("bash: load, activate, deactivate, unload", measured(ours)),
        ("conda activate, activate, deactivate, deactivate", measured(theirs)),
    )
    calls = [file_calls(["bash", "--norc", str(path)], site) for path in (ours, theirs)]
    bench.rows[-1] = replace(row, note=f"{calls[0]:,} and {calls[1]:,} file system calls")


def timed(argv: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(argv, env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode or done.stderr:
        raise RuntimeError(f"{argv}: {done.returncode}\n{done.stderr}")
    return seconds


def file_calls(argv: list[str], site: Site) -> int:
    """System calls that name a file, of the shell and of all it starts. tcsh opens /dev/null after every builtin."""
    if shutil.which("strace") is None:
        return 0
    with tempfile.TemporaryDirectory() as directory:
        trace = Path(directory, "trace")
        strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-e", "signal=none", "-o", str(trace)]
        subprocess.run([*strace, *argv], env=site.environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True)
        lines = trace.read_text().splitlines()
        return sum("resumed>" not in line and '"/dev/null"' not in line for line in lines)
