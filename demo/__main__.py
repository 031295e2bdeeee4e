"""`python -m demo`: what ucenv does, on a system conda made for it or on the one CONDA_EXE names."""

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo.modules import configure_conda, expose_conda, find_module_systems, sessions
from demo.packages import PYTHON, CompilerNotFound, package_with_compiled_library
from demo.stage import (
    CHECKOUT,
    Charge,
    Person,
    Shell,
    StepFailed,
    charge_of,
    charged_inodes,
    expect,
    fingerprint,
    full_charge,
    give,
    me,
    temporary_directory,
    two_people,
    ucenv_for,
)
from demo.sysctl import may_set, protected_hardlinks
from demo.system_conda import SYSTEM_ENVIRONMENT, download_wheels, make_system_conda


@dataclass(frozen=True, slots=True)
class Scene:
    """All that the story needs to know of where it plays.

    Attributes:
        source: what to clone; `source_prefix` is its directory.
        made: the system conda was made for this; otherwise it is somebody's, and only read.
        two: the researcher is not the owner of the system conda.
        sysctl: fs.protected_hardlinks may be set.
        hook: the file that a shell sources.
        administrator: the owner of the system conda; of somebody's it is you, and nothing is written in it.
        directory: where all of it is.
        root: of the system conda.
    """

    shell: Shell
    administrator: Shell
    directory: Path
    root: Path
    researcher: Person
    home: Path
    hook: Path
    space: Path
    source: str
    source_prefix: Path
    made: bool
    two: bool
    sysctl: bool

    def prefix(self, name: str) -> Path:
        return self.space / "envs" / name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Show what ucenv does.")
    parser.add_argument("--keep", action="store_true", help="leave the directory it was made in")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        play(keep=arguments.keep)
    except StepFailed as error:
        print(f"\ndemo: FAILED: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except subprocess.CalledProcessError as error:
        output = (error.stderr or error.stdout or b"").decode(errors="replace")
        print(f"\ndemo: FAILED: {error}\n{output}", file=sys.stderr)
        return 1
    return 0


def _leave(number: int, frame: object) -> None:
    # Once: a second Ctrl-C must not interrupt the cleaning up.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    print("\ndemo: interrupted; cleaning up", file=sys.stderr, flush=True)
    raise SystemExit(128 + number)


def play(*, keep: bool) -> None:
    started = time.monotonic()
    executable = os.environ.get("CONDA_EXE", "")
    theirs = Path(os.path.normpath(executable)).parent.parent if executable.startswith("/") else None
    if theirs is not None:
        expect((theirs / "conda-meta").is_dir(), f"CONDA_EXE={executable}: {theirs} is no conda")
    admin, researcher = two_people() if os.geteuid() == 0 else (me(), me())
    with temporary_directory(theirs, researcher, keep=keep) as directory:
        scene = set_stage(directory, theirs, admin, researcher)
        # A package a second in somebody's own conda is much to read twice; what was made here is small.
        before = fingerprint(scene.source_prefix, contents=scene.made)
        tell(scene)
        after = fingerprint(scene.source_prefix, contents=scene.made)
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        expect(not changed, f"{scene.source} changed: {changed[:5]}")
        print(f"{scene.source} is as it was: {len(before):,} files and directories compared.")
        print(f"All of it took {time.monotonic() - started:.0f} s.", flush=True)


# -------------------------------------------------------------------------------------------------------- stage


def set_stage(directory: Path, theirs: Path | None, admin: Person, researcher: Person) -> Scene:
    """The system conda, the researcher's home and scratch space, and how ucenv is started."""
    print(f"Everything is in {directory}, and removed at the end unless --keep is given.")
    if theirs is None:
        root = directory / "opt/conda"
        make_conda(root, directory)
        source, source_prefix = SYSTEM_ENVIRONMENT, root / "envs" / SYSTEM_ENVIRONMENT
    else:
        root = theirs
        source, source_prefix = smallest_environment(root)
        print(f"The system conda is {root}, as CONDA_EXE says; it is only read.")
    ucenv = ucenv_for(researcher, directory / "tool")
    if ucenv is not None and not _can_read(researcher, source_prefix, theirs):
        print(f"{source_prefix} is closed to other users.")
        ucenv = None
    if ucenv is None:
        # Root owns and clones: what another owner's files cost cannot be seen, all else can.
        print("This Python, the checkout or the conda is closed to other users, so one user plays both parts.")
        researcher = admin = me()
        ucenv = ucenv_for(researcher, directory / "tool")
    assert ucenv is not None
    install_command(tool := directory / "tool" if theirs else root, ucenv)
    if theirs is None:
        give(root, admin)
    owner = Person(source_prefix.stat().st_uid, source_prefix.stat().st_gid)
    two = owner.uid != researcher.uid
    if two:
        print(f"It belongs to {owner.name}. The commands are run by {researcher.name}.")
    else:
        print("It belongs to you, who clone it: a refusal of links to another owner's files cannot be shown.")
        if os.geteuid() != 0:
            print("(As root, `make demo` shows that too, with two users.)")
    home, scratch = directory / "home", directory / "scratch"
    for path in (home, scratch):
        path.mkdir()
        os.chown(path, researcher.uid, researcher.gid)
    print(f"The user's SCRATCH is {scratch}.")
    conda = {"CONDA_EXE": os.environ["CONDA_EXE"]} if theirs else {"UCENV_CONDA_ROOT": str(root)}
    if theirs:
        conda["PATH"] = f"{tool}/bin:/usr/local/bin:/usr/bin:/bin"
    shell = Shell(researcher, ucenv, home, {"SCRATCH": str(scratch), **conda})
    if theirs:
        admin = me()
    admins_home = directory / "admin"
    for path in (admins_home, directory / "modulefiles"):
        path.mkdir()
        os.chown(path, admin.uid, admin.gid)
    administrator = Shell(admin, ucenv, admins_home, conda)
    sysctl = may_set()
    if two and not sysctl:
        print("fs.protected_hardlinks cannot be set here (a container): what it is now is all that can be shown.")
    return Scene(
        shell,
        administrator,
        directory,
        root,
        researcher,
        home,
        tool / "etc/profile.d/ucenv.sh",
        scratch / "conda_local",
        source,
        source_prefix,
        theirs is None,
        two,
        two and sysctl,
    )


def make_conda(root: Path, directory: Path) -> None:
    started = time.monotonic()
    print("Making a system conda of real packages (Python, numpy, rich, pip, a compiled library ...).", flush=True)
    wheels = CHECKOUT / "build/cache/wheels"
    if not os.access(CHECKOUT, os.W_OK):
        wheels = directory / "wheels"
    download_wheels(wheels)
    try:
        package_with_compiled_library()
    except CompilerNotFound:
        print("No C compiler here: taking one from PyPI (ziglang, about 80 MB).", flush=True)
        target = directory / "compiler"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), "ziglang"]
        subprocess.run(pip, check=True, capture_output=True)
        sys.path.append(str(target))
        os.environ["PYTHONPATH"] = str(target)
    make_system_conda(root, wheels)
    os.environ.pop("PYTHONPATH", None)
    prefix = root / "envs" / SYSTEM_ENVIRONMENT
    print(f"{prefix}: {full_charge(prefix)}, made in {time.monotonic() - started:.0f} s.")


def install_command(prefix: Path, ucenv: Sequence[str]) -> None:
    """The hooks where the wheel puts them, and the command that pip makes of it."""
    for directory, names in (
        ("etc/profile.d", ("ucenv.sh", "ucenv.csh", "ucenv.fish")),
        ("share/ucenv/shell", ("ucenv.sh", "ucenv.csh", "ucenv-act.csh", "ucenv.fish")),
    ):
        (prefix / directory).mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(CHECKOUT / "shell" / name, prefix / directory / name)
            (prefix / directory / name).chmod(0o644)
    command = prefix / "bin/ucenv"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {shlex.join(ucenv)} "$@"\n')
    command.chmod(0o755)


def smallest_environment(root: Path) -> tuple[str, Path]:
    """The environment with the fewest packages, or base."""
    found = [path.parent for path in sorted((root / "envs").glob("*/conda-meta"))]
    if not found:
        return "base", root
    prefix = min(found, key=lambda path: len(list((path / "conda-meta").glob("*.json"))))
    return prefix.name, prefix


def _can_read(person: Person, prefix: Path, theirs: Path | None) -> bool:
    if theirs is None or person.uid == os.geteuid():
        return True  # ours is made below a directory that was tried
    argv = ["/bin/sh", "-c", 'ls "$1/conda-meta" && cat "$1/conda-meta/history"', "sh", str(prefix)]
    done = subprocess.run(argv, capture_output=True, check=False, user=person.uid, group=person.gid, extra_groups=[])
    return done.returncode == 0


# -------------------------------------------------------------------------------------------------------- story


def tell(scene: Scene) -> None:
    shell, source = scene.shell, scene.source
    with allowed(scene):
        why = f"{_links_may(scene)}Your own space, and whether links to the system's files work there."
        shell.show(why, "ucenv setup")
        listed = shell.show("What there is to clone.", "ucenv list")
        expect(source in listed, f"`ucenv list` shows {source}")
        cheap = clone(scene, "Your own variant: hard links, and real files where it must differ.", "mine")
        show_it_works(scene, "mine")
        shell.show("A name is given once; nothing is overwritten.", f"ucenv clone {source} mine", exit_code=20)
        shell.show("A mistake is answered with a way on.", f"ucenv clone {source}x other", exit_code=10)
    whole = full_charge(scene.source_prefix)

    if scene.sysctl:
        copies, label = refused(scene), "links refused"
    elif scene.two:
        copies, label = as_it_is(scene), "the next"
    else:
        copies, label = forced(scene), "forced copy"
    listed = shell.show("All there is now.", "ucenv list")
    for name in ("mine", *copies):
        expect(re.search(rf"^{name}\b.*\b{re.escape(source)}\b", listed, re.M), f"{name} is listed as a clone")
    usage(scene, "mine", *copies)
    job(scene, "mine")
    site(scene)

    print("\nIn sum, as the filesystem counts it")
    links_were_allowed = cheap.size_bytes < whole.size_bytes / 2
    print(f"  {'links allowed' if links_were_allowed else 'mine':<14} charged {cheap}, instead of {whole}")
    for name, charge in copies.items():
        print(f"  {label:<14} {name}: charged {charge}")


def _links_may(scene: Scene) -> str:
    return "Links to another's files are allowed (fs.protected_hardlinks=0). " if scene.sysctl else ""


@contextlib.contextmanager
def allowed(scene: Scene) -> Iterator[None]:
    with ExitStack() as stack:
        if scene.sysctl:
            stack.enter_context(protected_hardlinks(0))
        yield


def clone(scene: Scene, why: str, name: str, *but_not: str, options: str = "") -> Charge:
    """Clone, and compare what ucenv says of the charge with what the filesystem says."""
    started = time.monotonic()
    answer = scene.shell.show(why, f"ucenv clone {options}{scene.source} {name}")
    seconds = time.monotonic() - started
    expect(scene.prefix(name).is_dir(), f"{name} is there")
    charge = charge_of(scene.prefix(name), scene.researcher, *map(scene.prefix, but_not), scene.source_prefix)
    said = re.search(r"charged to you: .*?, ([\d,]+) inode", answer)
    expect(said, "ucenv says what is charged")
    assert said is not None
    expect(
        int(said[1].replace(",", "")) == charge.inodes,
        f"ucenv says {said[1]} inodes are charged for {name}; the filesystem says {charge.inodes:,}",
    )
    print(f"  (measured: {charge}, {seconds:.1f} s)", flush=True)
    return charge


def refused(scene: Scene) -> dict[str, Charge]:
    """Links to another owner's files are refused: the first clone is a copy, the second links to it."""
    shell, source = scene.shell, scene.source
    with protected_hardlinks(1):
        shell.show(
            "The usual fs.protected_hardlinks=1: no links to another's files. A script can insist on links.",
            f"ucenv clone --require-links {source} second",
            exit_code=51,
        )
        expect(not scene.prefix("second").exists(), "nothing is left of a clone that was refused")
        why = "Without a terminal to ask on, -y pays for an own copy. It is said that it is one, and why."
        first = clone(scene, why, "second", "mine", options="-y ")
        why = "The next clone links to your first: what N copies cost is paid once."
        second = clone(scene, why, "third", "mine", "second")
        why = "Or whole directories are linked: next to nothing is charged, and it depends on the source."
        thin = clone(scene, why, "light", "mine", "second", "third", options="--thin ")
        shell.show("What it would cost to make that independent.", "ucenv thaw --all --dry-run light")
    expect(second.size_bytes < first.size_bytes / 2, "the second clone costs less than half of the first")
    expect(thin.inodes < first.inodes, "a thin clone has fewer entries than a copy")
    show_it_works(scene, "third", briefly=True)
    show_it_works(scene, "light", briefly=True)
    return {"second": first, "third": second, "light": thin}


def as_it_is(scene: Scene) -> dict[str, Charge]:
    """The sysctl is what it is: whether the first clone was a copy or not, the second links."""
    return {"second": clone(scene, "Another clone.", "second", "mine")}


def forced(scene: Scene) -> dict[str, Charge]:
    copy = clone(scene, "What an independent copy costs.", "second", options="--link-mode copy ")
    return {"second": copy}


def usage(scene: Scene, *names: str) -> None:
    """What is charged, as ucenv and as the filesystem count it."""
    shell = scene.shell
    shell.show("What you are charged, what links save, what a removal would free.", "ucenv usage")
    said = json.loads(shell.run("ucenv usage --json").stdout)["result"]
    expect({row["name"] for row in said["environments"]} == set(names), "`ucenv usage` has your environments")
    inodes: set[tuple[int, int]] = set()
    for row in said["environments"]:
        charge = charge_of(scene.prefix(row["name"]), scene.researcher)
        claim = f"`ucenv usage` says what the filesystem says of {row['name']}: {charge}"
        expect((row["charged_bytes"], row["charged_inodes"]) == (charge.size_bytes, charge.inodes), claim)
        inodes |= charged_inodes(scene.prefix(row["name"]), scene.researcher)
    expect(said["total"]["charged_inodes"] >= len(inodes), "the total has each inode of the environments")


JOB = """env -0 | sort -z >"$HOME/before"
. {hook}
ucenv load {name}
echo "$CONDA_DEFAULT_ENV: $(command -v python)"
ucenv unload
env -0 | sort -z >"$HOME/after"
cmp "$HOME/before" "$HOME/after" && echo "as it was, byte for byte"
"""


def job(scene: Scene, name: str) -> None:
    """A shell that loads, works and unloads, and is as it was."""
    script = scene.home / "job.sh"
    script.write_text(JOB.format(hook=shlex.quote(str(scene.hook)), name=name))
    script.chmod(0o755)
    scene.shell.show("In a job script.", "cat job.sh")
    answer = scene.shell.show("Loaded, used, unloaded.", "bash job.sh")
    expect(f"{name}: {scene.prefix(name)}/bin/python" in answer, "its Python is the first on PATH")
    expect("as it was, byte for byte" in answer, "the shell's environment is what it was before the load")


def site(scene: Scene) -> None:
    """The administrator's side, and what it gives the researcher: modules."""
    tree, shell = scene.directory / "modulefiles", scene.administrator
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", scene.source):
        print(f"\n{scene.source!r} cannot be the name of a module: modules are not shown.")
        return
    if scene.made:
        module = configure_conda(shell, scene.root, tree)
    else:
        module = expose_conda(shell, scene.root, tree, scene.source, scene.directory / "site.toml")
    systems = find_module_systems(scene.researcher, scene.directory / "tool")
    names = sessions(scene.shell, scene.home, systems, tree, module, scene.source, "fourth", "fifth")
    for name in names:
        expect(scene.prefix(name).is_dir(), f"{name} is there")


def show_it_works(scene: Scene, name: str, *, briefly: bool = False) -> None:
    shell, prefix = scene.shell, scene.prefix(name)
    here = f"$SCRATCH/conda_local/envs/{name}"
    if not briefly:
        about = shell.show("What it is, and whose its files are.", f"ucenv info {name}")
        expect(scene.source in about, "`ucenv info` names what it is a clone of")
    if (prefix / "bin/python").exists():
        has_numpy = (prefix / f"lib/{PYTHON}/site-packages/numpy").is_dir()
        code = "import sys; print(sys.prefix)"
        if has_numpy:
            code += "; import numpy; print('numpy', numpy.__version__, numpy.arange(10).sum())"
        why = "Its Python knows where it is"
        answer = shell.show(f"{why}, and imports numpy." if has_numpy else f"{why}.", f'{here}/bin/python -c "{code}"')
        expect(not has_numpy or "numpy" in answer, "numpy computes")
        expect_prefix(answer.splitlines()[0], prefix)
    if scene.made and not briefly:
        answer = shell.show("An entry point starts this Python, not the system's.", f"{here}/bin/odd")
        expect_prefix(answer.removeprefix("odd at ").strip(), prefix)
        answer = shell.show("A compiled program and its library hold the new path.", f"{here}/bin/ucdemo-where")
        expect(answer.count(str(prefix)) == 4, "the program and its library hold the clone's path")
        expect(str(scene.source_prefix) not in answer, "the program does not hold the source's path")
        shell.show(
            "It is yours to change: pip removes a package from it, and the system's keeps it.",
            f"{here}/bin/python -m pip uninstall --yes six",
        )
        module = f"lib/{PYTHON}/site-packages/six.py"
        expect(not (prefix / module).exists(), "the clone has lost six")
        expect((scene.source_prefix / module).exists(), "the system's environment has kept six")


def expect_prefix(said: str, prefix: Path) -> None:
    expect(os.path.realpath(said) == os.path.realpath(prefix), f"{said} is {prefix}")


if __name__ == "__main__":
    sys.exit(main())
