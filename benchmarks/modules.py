"""What a modulefile of ours costs beside an empty one of the same module system, in each shell."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Bench, Row, Skipped
from benchmarks.shells import SHELLS, Site, make_site
from tests.modules.systems import SYSTEMS, ModuleSystem
from tests.shells.dialects import BASH, FISH, TCSH, ZSH, Dialect
from tests.support import Unavailable
from userconda.site.definition import parse_site
from userconda.site.modules import execute_modules, plan_modules

EMPTY = "empty/1.0"
SUBJECTS = {"base": "conda/1.0", "an environment": "plain/1.0", "one with scripts": "hooks/1.0"}


def run(bench: Bench) -> None:
    site = make_site(bench.fresh("modules"))
    tree = make_tree(site)
    measured = False
    for system in SYSTEMS:
        for shell in (BASH, ZSH, TCSH, FISH):
            try:
                if not system.program or shutil.which(SHELLS[shell.name][0]) is None:
                    continue
            except Unavailable as missing:
                bench.skipped.append(f"modules: {missing.reason}")
                break
            for what, name in SUBJECTS.items():
                beside_empty(bench, site, tree, system, shell, what, name)
            measured = True
    if not measured:
        raise Skipped("neither Lmod nor Environment Modules is here: tests/tools.sh")


def make_tree(site: Site) -> Path:
    """Our modulefiles for three environments, and an empty one in each language."""
    tree = site.root / "modulefiles"
    (site.root / "envs").mkdir()
    for name in ("plain", "hooks"):
        shutil.move(site.scratch / "conda_local/envs" / name, site.root / "envs" / name)
    text = f'[conda]\nroot = "{site.root}"\nversion = "1.0"\n[modules]\ntree = "{tree}"\n'
    text += "".join(f'[[environments]]\nname = "{name}"\nmodule = "{name}/1.0"\n' for name in ("plain", "hooks"))
    execute_modules(plan_modules(parse_site(text, "site.toml")))
    (tree / EMPTY).parent.mkdir()
    (tree / EMPTY).write_text("#%Module1.0\n")
    (tree / f"{EMPTY}.lua").touch()
    return tree


def beside_empty(
    bench: Bench, site: Site, tree: Path, system: ModuleSystem, shell: Dialect, what: str, name: str
) -> None:
    """Both in one shell, in turns, so that they meet the same machine."""
    pairs = 2 if bench.options.quick else 31
    wait = {"tcsh": 'set answer = "$<"', "fish": "read answer"}.get(shell.name, "read answer")
    lines = [system.start(shell)]
    for number in range(pairs + 1):
        for module in (EMPTY, name) if number % 2 else (name, EMPTY):
            for action in ("load", "unload"):
                lines += ["echo", wait, f"module {action} {module}", f"echo {module} {action}"]
    script = site.scratch / f"{system.name.split()[0]}-{shell.name}-{name.replace('/', '-')}"
    script.write_text("\n".join(lines) + "\n")
    seconds = timed([*SHELLS[shell.name], str(script)], site.environment | {"MODULEPATH": str(tree)})
    for action in ("load", "unload"):
        ours, empty = seconds[name, action][1:], seconds[EMPTY, action][1:]
        ratios = tuple(a / b for a, b in zip(ours, empty, strict=True))
        first, second = 1000 * statistics.median(ours), 1000 * statistics.median(empty)
        row = Row("modules", f"{system}, {shell}: {action} {what}", "an empty modulefile", ratios, first, second, "ms")
        bench.rows.append(row)
        bench.say(f"{row.subject}: {first:.1f} ms, empty {second:.1f} ms: {row.median:.2f}")


def timed(argv: list[str], environment: dict[str, str]) -> dict[tuple[str, str], list[float]]:
    """Module and action -> seconds, one for each time. The shell says by an empty line that it is ready, waits for an
    answer, and names what it has done: no process of its own is between."""
    found: dict[tuple[str, str], list[float]] = {}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        argv, env=environment, cwd="/", stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        assert shell.stderr is not None
        started = 0.0
        for line in shell.stdout:
            now = time.perf_counter()
            if words := line.split():
                found.setdefault((words[0], words[1]), []).append(now - started)
            else:
                started = time.perf_counter()
                shell.stdin.write("\n")
        errors = shell.stderr.read()
    if shell.returncode or errors:
        raise RuntimeError(f"{argv}: {shell.returncode}\n{errors}")
    return found
