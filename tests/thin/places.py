"""An administrator's environment, and a user whom the kernel refuses hard links to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import SystemConda
from tests.support import manifest, real_python, relation
from tests.support.users import ADMIN, USER, User, run_as


@dataclass(frozen=True)
class Place:
    """`source` is the administrator's; what is in `space` the user's."""

    conda: SystemConda
    space: Path

    @property
    def source(self) -> Path:
        return self.conda.prefix()

    def target(self, name: str = "mine") -> Path:
        return self.space / "envs" / name

    def ucenv(self, *words: str | Path, user: User = USER, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "userconda", *words]
        environment = {"UCENV_CONDA_ROOT": str(self.conda.root), "UCENV_ROOT": str(self.space)}
        return run_as(user, command, env=environment, **options)

    def clone(self, name: str = "mine", *words: str | Path, source: Path | None = None) -> dict[str, Any]:
        """The result, of a thin clone that was made."""
        done = self.ucenv("clone", "--thin", "--json", *words, str(source or self.source), name)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)["result"]
        return result

    def refused(self, name: str = "mine", *, source: Path | None = None, user: User = USER) -> str:
        """The error's code and message; nothing was made."""
        done = self.ucenv("clone", "--thin", "--json", str(source or self.source), name, user=user)
        assert done.returncode != 0
        assert not self.target(name).exists()
        error = json.loads(done.stdout)["error"]
        return f"{error['code']}: {error['message']}"

    def python(self, prefix: Path, *words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """The environment's Python, as the user runs it."""
        return run_as(USER, [prefix / "bin/python", *words], **options)

    def answer(self, prefix: Path, code: str) -> Any:
        """What code prints as JSON."""
        done = self.python(prefix, "-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def manifest(self) -> manifest.Manifest:
        return manifest.manifest(self.source)


def make_odd_place(root: Path) -> Place:
    """With the small system conda in which there is one of everything."""
    relation.make_source(root / "conda")
    return handed_over(SystemConda(root / "conda"), root / "space")


def make_real_place(root: Path) -> Place:
    return handed_over(real_python.make_small(root / "conda"), root / "space")


def handed_over(conda: SystemConda, space: Path) -> Place:
    subprocess.run(["chown", "-Rh", f"{ADMIN.uid}:{ADMIN.gid}", conda.root], check=True)
    space.mkdir()
    os.chown(space, USER.uid, USER.gid)
    return Place(conda, space)


def assert_reads_as_clone(source: Path, clone: Path) -> None:
    """`relation.assert_is_clone`, as a program sees the clone: links between the two prefixes are followed."""
    old, new = os.fsencode(source), os.fsencode(clone)
    left_out = {b"conda-meta/" + name for name in (b"frozen",)}
    for directory, subdirectories, names in os.walk(old):
        inside = os.path.relpath(directory, old)
        there = os.path.normpath(os.path.join(new, inside))
        expected = {*subdirectories, *names}
        found = set(os.listdir(there)) - ({b"ucenv.provenance"} if inside == b"conda-meta" else set())
        missing = {name for name in expected - found if not name.endswith(b".pyc")}
        assert {os.path.normpath(os.path.join(inside, name)) for name in missing} <= left_out
        assert found - expected == set(), inside
        for name in sorted(found):
            _assert_same(os.path.join(directory, name), os.path.join(there, name), old, new)


def _assert_same(here: bytes, there: bytes, old: bytes, new: bytes) -> None:
    if os.path.islink(here):
        target = os.readlink(here)
        if os.path.realpath(there).startswith(old + b"/") and os.path.realpath(there) == os.path.realpath(here):
            assert os.path.exists(here)
        else:
            assert os.readlink(there) == relation.moved(target, old, new), there
    elif os.path.isdir(here):
        assert os.path.isdir(there), there
    elif os.path.isfile(here):
        assert os.path.isfile(there), there
        first, second = Path(os.fsdecode(here)), Path(os.fsdecode(there))
        same = os.path.samefile(here, there) or first.read_bytes() == second.read_bytes()
        relation.check_file(first, second, same, (old, new))
        assert os.access(there, os.X_OK) == os.access(here, os.X_OK), there
