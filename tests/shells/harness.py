"""Steps, told once, run by any of the eight shells as a real process whose environment is given exactly.

    outcome = run(shell, [SOURCE, Look("before"), ucenv("load", "mine"), ucenv("unload"), Look("after")], site.start)
    assert outcome.changes("before", "after") == {}

All steps of a run are one process. After each the status is noted, and how much had been printed. `Look` has an
external program print the environment, so what is seen is what a job's programs would get; builtins print the rest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.shells.dialects import Csh, Dialect, Fish

ENV = shutil.which("env", path="/usr/bin:/bin") or "/usr/bin/env"
STAT = shutil.which("stat", path="/usr/bin:/bin") or "/usr/bin/stat"

Environment = Mapping[str, str]

_UNSTEADY = {
    # of the environment: the name of the program that is started, and what ksh93 sets when a command wants it
    *("_", "_AST_FEATURES"),
    # of the shell's variables: what the harness and the shell itself set at every command
    *("t_status", "status", "pipestatus", "PIPESTATUS", "OLDPWD", "history", "hist", "argv"),
    # of bash's and mksh's: those that are there always and listed only once something has asked for them
    *("BASHPID", "BASH_ALIASES", "BASH_ARGC", "BASH_ARGV", "BASH_ARGV0", "BASH_CMDS", "BASH_COMMAND", "BASH_LINENO"),
    *("BASH_SOURCE", "BASH_SUBSHELL", "COMP_WORDBREAKS", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "FUNCNAME"),
    *("GROUPS", "HISTCMD", "LINENO", "RANDOM", "SECONDS", "SRANDOM", "KSH_MATCH"),
}
_FISHS_OWN = ("fish_", "__fish_")  # made when its own functions are first used
_VARIABLE = re.compile(r"^(?:typeset |declare )?(?:-\S+ )*([A-Za-z_]\w*)(?:[=\t ].*)?$", re.M | re.A)


@dataclass(frozen=True)
class View:
    """What `Look` saw: the environment that a program gets, and the shell's own state as its builtins print it."""

    environment: dict[str, str]
    aspects: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.environment[name]

    def get(self, name: str) -> str | None:
        return self.environment.get(name)

    def entries(self, name: str) -> list[str]:
        return self.environment[name].split(":")

    @property
    def variables(self) -> set[str]:
        """Names of all variables, exported or not."""
        names = set(_VARIABLE.findall(self.aspects.get("variables", ""))) - _UNSTEADY
        return {name for name in names if not name.startswith(_FISHS_OWN)}


@dataclass(frozen=True)
class Done:
    """One step: `status` None where the shell did not survive it."""

    step: Step
    status: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Place:
    """Where a script and what it tells are."""

    directory: Path
    views: Path

    def file(self, number: int, what: str) -> str:
        return str(self.directory / f"{number}.{what}")


class Step:
    def code(self, dialect: Dialect, place: Place, number: int) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Say(Step):
    """Code that a function of the dialect makes. `ours`: a call of the hook, which has to be silent and return 0."""

    make: Callable[[Dialect], str]
    ours: bool = False
    told: str = ""

    def code(self, dialect: Dialect, place: Place, number: int) -> str:
        return self.make(dialect)

    def __repr__(self) -> str:
        return self.told or "code"


@dataclass(frozen=True)
class Look(Step):
    label: str

    def code(self, dialect: Dialect, place: Place, number: int) -> str:
        directory = place.views / self.label
        directory.mkdir()
        environment = dialect.to_file(f"{ENV} -0", f"{directory}/environment")
        return "\n".join([environment, *dialect.look(str(directory))])


@dataclass(frozen=True)
class Child(Step):
    """Another shell, that this one starts. Its looks are among the outcome's."""

    shell: Dialect
    steps: Sequence[Step]

    def code(self, dialect: Dialect, place: Place, number: int) -> str:
        directory = place.directory / f"{number}.child"
        directory.mkdir()
        script = write_script(self.shell, self.steps, Place(directory, place.views))
        return dialect.words([*self.shell.argv, str(script)])


def ucenv(*words: str) -> Step:
    return Say(lambda d: d.call("ucenv", words), ours=True, told=f"ucenv {' '.join(words)}")


def function(word: str, *words: str) -> Step:
    return Say(lambda d: d.call(word, words), ours=True, told=" ".join([word, *words]))


def source(file: str | Path) -> Step:
    return Say(lambda d: d.source(file), told=f"source {file}")


def source_hook(directory: Path) -> Step:
    return Say(lambda d: d.source(directory / d.hook), ours=True, told="source the hook")


def export(name: str, value: str) -> Step:
    return Say(lambda d: d.export(name, value), told=f"export {name}={value!r}")


def assign(name: str, value: str) -> Step:
    return Say(lambda d: d.assign(name, value), told=f"{name}={value!r}")


def unset(name: str) -> Step:
    return Say(lambda d: d.unset(name), told=f"unset {name}")


def extend(name: str, front: str = "", back: str = "") -> Step:
    return Say(lambda d: d.extend(name, front, back), told=f"{name}={front!r}${name}{back!r}")


def copy(name: str, origin: str) -> Step:
    return Say(lambda d: d.copy(name, origin), told=f"{name}=${origin}")


def prompt(text: str | None) -> Step:
    return Say(lambda d: d.prompt(text), told=f"prompt {text!r}")


def code(posix: str = "", *, csh: str | None = None, fish: str | None = None, **named: str) -> Step:
    """The same thing in each language; a shell's own name overrides its family's."""

    def choose(dialect: Dialect) -> str:
        if dialect.name in named:
            return named[dialect.name]
        text = csh if isinstance(dialect, Csh) else fish if isinstance(dialect, Fish) else posix
        assert text is not None, f"the test has no code for {dialect}"
        return text

    return Say(choose, told="code")


@dataclass
class Outcome:
    """`steps` up to the one that ended the shell; `returncode` is the process's own."""

    steps: list[Done]
    views: dict[str, View]
    returncode: int
    script: str
    stdout: str = ""
    stderr: str = ""
    _by_label: dict[str, View] = field(default_factory=dict)

    def __getitem__(self, label: str) -> View:
        assert label in self.views, f"the shell did not get as far as {label!r}\n{self.story()}"
        return self.views[label]

    def changes(self, before: str, after: str) -> dict[str, tuple[str | None, str | None]]:
        """Names whose value differs between two looks: what it was and what it is."""
        return changes(self[before].environment, self[after].environment)

    def state_changes(self, before: str, after: str) -> dict[str, tuple[str, str]]:
        """Aspects of the shell itself that differ: options, IFS, traps, umask, prompt, aliases, functions."""
        first, second = self[before], self[after]
        found = {
            aspect: _lines_that_differ(first.aspects[aspect], second.aspects[aspect])
            for aspect in first.aspects
            if aspect != "variables" and first.aspects[aspect] != second.aspects[aspect]
        }
        left, lost = second.variables - first.variables, first.variables - second.variables
        if left or lost:
            found["variables"] = (f"lost {sorted(lost)}", f"left {sorted(left)}")
        return found

    @property
    def ours(self) -> list[Done]:
        return [done for done in self.steps if isinstance(done.step, Say) and done.step.ours]

    def noise(self) -> list[str]:
        """Calls of ours that said something, failed, or ended the shell."""
        return [
            f"{done.step!r}: status {done.status}, {done.stdout + done.stderr!r}"
            for done in self.ours
            if done.status != 0 or done.stdout or done.stderr
        ]

    def story(self) -> str:
        lines = [f"{done.step!r}: {done.status} {done.stdout!r} {done.stderr!r}" for done in self.steps]
        return "\n".join([*lines, f"exit {self.returncode}"])


def _lines_that_differ(first: str, second: str) -> tuple[str, str]:
    """In a long list only those, else both texts."""
    a, b = first.splitlines(), second.splitlines()
    lost, new = [line for line in a if line not in b], [line for line in b if line not in a]
    return ("\n".join(lost), "\n".join(new)) if len(a) > 3 and (lost or new) else (first, second)


def changes(before: Environment, after: Environment) -> dict[str, tuple[str | None, str | None]]:
    names = sorted((before.keys() | after.keys()) - _UNSTEADY)
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def write_script(shell: Dialect, steps: Sequence[Step], place: Place, *, marks: bool = True) -> Path:
    out, err = str(place.views / "stdout"), str(place.views / "stderr")
    lines: list[str] = []
    for number, step in enumerate(steps):
        lines.append(step.code(shell, place, number))
        if marks:
            lines.append(shell.mark(STAT, out, err, place.file(number, "mark")))
    script = place.directory / f"script{shell.script_suffix}"
    script.write_bytes(os.fsencode("\n".join([*lines, ""])))
    return script


def run(
    shell: Dialect,
    steps: Iterable[Step],
    environment: Environment,
    *,
    flags: Sequence[str] = (),
    prefix: Sequence[str] = (),
    cwd: str | Path = "/",
    timeout_seconds: float = 30,
    **popen: Any,
) -> Outcome:
    """One process of `shell`, started with exactly `environment`, that takes the steps and ends."""
    steps = list(steps)
    with tempfile.TemporaryDirectory(prefix="ucenv-shell-") as name:
        place = Place(Path(name), Path(name) / "views")
        place.views.mkdir()
        out, err = place.views / "stdout", place.views / "stderr"
        script = write_script(shell, steps, place)
        argv = [*prefix, *shell.argv, *flags, str(script)]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            done = subprocess.run(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                timeout=timeout_seconds,
                check=False,
                **popen,
            )
        printed = out.read_bytes(), err.read_bytes()
        return Outcome(
            _steps_done(steps, place, printed),
            {
                directory.name: _view(directory)
                for directory in place.views.iterdir()
                if (directory / "environment").exists()
            },
            done.returncode,
            os.fsdecode(script.read_bytes()),
            os.fsdecode(printed[0]),
            os.fsdecode(printed[1]),
        )


def _steps_done(steps: Sequence[Step], place: Place, printed: tuple[bytes, bytes]) -> list[Done]:
    """What children print counts for the step that starts them."""
    done: list[Done] = []
    seen = [0, 0]
    for number, step in enumerate(steps):
        mark = Path(place.file(number, "mark"))
        lines = mark.read_text().splitlines() if mark.exists() else []
        if len(lines) != 2:
            done.append(
                Done(step, None, *(os.fsdecode(text[start:]) for text, start in zip(printed, seen, strict=True)))
            )
            break
        ends = [int(line.split()[1]) for line in lines]
        parts = (os.fsdecode(text[start:end]) for text, start, end in zip(printed, seen, ends, strict=True))
        done.append(Done(step, int(lines[0].split()[0]), *parts))
        seen = ends
    return done


def _view(directory: Path) -> View:
    aspects = {file.name: os.fsdecode(file.read_bytes()) for file in directory.iterdir() if file.name != "environment"}
    if "settings" in aspects:  # tcsh's options are variables
        lines = aspects["settings"].splitlines()
        aspects["settings"] = "\n".join(line for line in lines if line.split("\t")[0] not in _UNSTEADY)
    return View(parse_environment((directory / "environment").read_bytes()), aspects)


def parse_environment(dump: bytes) -> dict[str, str]:
    pairs = (os.fsdecode(entry).partition("=") for entry in dump.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}
