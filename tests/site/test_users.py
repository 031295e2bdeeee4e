"""`ucenv site users`: every clone is found with its owner, nothing that users make there holds it up or is hidden."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import SystemConda, make_system_conda
from tests.cli.conftest import Cluster
from tests.support import Unavailable
from tests.support.filesystems import scratch_directory
from tests.support.users import ADMIN, USER, User, fork_as, run_as
from userconda.environments import describe
from userconda.errors import SiteFileInvalid, SiteKeyMissing
from userconda.provenance import FILE_NAME, Provenance, source_state
from userconda.site.definition import parse_site
from userconda.site.users import Dependents, default_patterns, find_users

SYSTEM = "py3_powerai_1.7.0"


def envs(ucenv: Cluster, user: str) -> Path:
    path = ucenv.site.tmp / "scratch" / user / "conda_local/envs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def clone(prefix: Path, source: Path, **fields: Any) -> Path:
    """What a clone leaves that is looked at."""
    (prefix / "conda-meta").mkdir(parents=True)
    state = source_state(str(source)) or {}
    note = Provenance(
        str(source), source.name, state, 1_600_000_000.0, "1", "t", **{"files": {"hardlinked": 3}, **fields}
    )
    (prefix / "conda-meta" / FILE_NAME).write_bytes(note.to_bytes())
    return prefix


def users(ucenv: Cluster, *words: str) -> dict[str, Any]:
    run = ucenv("site", "users", "--json", "--search", f"{ucenv.site.tmp}/scratch/*/conda_local", *words)
    assert run.code == 0, run.out
    answer: dict[str, Any] = run.json
    return answer


def clones(ucenv: Cluster, name: str = SYSTEM) -> list[dict[str, Any]]:
    (found,) = (e for e in users(ucenv)["result"]["environments"] if e["name"] == name)
    return list(found["clones"])


def system(ucenv: Cluster, name: str = SYSTEM) -> Path:
    return ucenv.site.conda.root / "envs" / name


# what is told ---------------------------------------------------------------------------------------------------


def test_a_clone_that_ucenv_made(ucenv: Cluster) -> None:
    assert ucenv("clone", SYSTEM, "mine", "-q", "--root", str(ucenv.site.tmp / "scratch/u/conda_local")).code == 0
    (found,) = clones(ucenv)
    prefix = envs(ucenv, "u") / "mine"
    assert found["prefix"] == str(prefix)
    assert found["owner"] == prefix.owner()
    assert abs(found["made"] - time.time()) < 60
    assert (found["how"], found["state"], found["via"], found["name"]) == ("hard-linked", "", "", "mine")


def test_by_environment_owner_and_path(ucenv: Cluster) -> None:
    for name in ("b", "a"):
        for user in ("v", "u"):
            clone(envs(ucenv, user) / name, system(ucenv))
    clone(envs(ucenv, "u") / "of-base", ucenv.site.conda.root)
    clone(envs(ucenv, "u") / "of-old", system(ucenv, "no-more"))
    result = users(ucenv)["result"]
    assert [(e["name"], e["module"], e["exists"], len(e["clones"])) for e in result["environments"]] == [
        ("base", "conda/4.8.3", True, 1),
        ("no-more", "", False, 1),
        (SYSTEM, "python3/powerai_1.7.0", True, 4),
    ]
    assert [c["prefix"] for c in clones(ucenv)] == [str(envs(ucenv, u) / n) for u in "uv" for n in "ab"]
    assert clones(ucenv, "no-more")[0]["state"] == "gone"
    assert (result["spaces"], result["looked_at"], result["elsewhere"], result["unreadable"]) == (2, 6, 0, [])


@pytest.mark.parametrize(
    ("fields", "how"),
    [
        ({"thin": True}, "thin"),
        ({"files": {"hardlinked": 3, "copied": 9}}, "hard-linked"),
        ({"files": {"reflinked": 3}}, "reflinked"),
        ({"files": {"copied": 3, "hardlinked": 0}}, "copied"),
    ],
)
def test_how_it_depends(ucenv: Cluster, fields: dict[str, Any], how: str) -> None:
    clone(envs(ucenv, "u") / "mine", system(ucenv), **fields)
    assert clones(ucenv)[0]["how"] == how


def test_a_source_that_changed(ucenv: Cluster) -> None:
    clone(envs(ucenv, "u") / "mine", system(ucenv))
    (system(ucenv) / "conda-meta/more-1-0.json").write_text("{}")
    assert clones(ucenv)[0]["state"] == "changed since"


def test_a_clone_of_a_clone_depends_too(ucenv: Cluster) -> None:
    first = clone(envs(ucenv, "u") / "first", system(ucenv))
    second = clone(envs(ucenv, "v") / "second", first)
    clone(envs(ucenv, "v") / "third", second)
    assert [(c["name"], c["via"]) for c in clones(ucenv)] == [
        ("first", ""),
        ("second", str(first)),
        ("third", str(second)),
    ]


def test_clones_in_a_ring_and_of_elsewhere_are_counted(ucenv: Cluster) -> None:
    a, b = envs(ucenv, "u") / "a", envs(ucenv, "u") / "b"
    clone(a, b)
    clone(b, a)
    clone(envs(ucenv, "u") / "c", Path("/another/conda/envs/x"))
    answer = users(ucenv)
    assert answer["result"]["elsewhere"] == 3
    assert answer["warnings"] == ["3 clones are of environments that are not this conda's"]


def test_the_text(ucenv: Cluster) -> None:
    made = clone(envs(ucenv, "u") / "mine", system(ucenv), thin=True)
    clone(envs(ucenv, "u") / "again", made)
    (system(ucenv) / "conda-meta/more-1-0.json").write_text("{}")
    search = f"{ucenv.site.tmp}/scratch/*/conda_local"
    run = ucenv("site", "users", "--search", search)
    date = time.strftime("%Y-%m-%d", time.localtime(1_600_000_000))
    owner = made.owner()
    assert run.out == (
        "base (conda/4.8.3): no clones\n"
        f"{SYSTEM} (python3/powerai_1.7.0): 2 clones of 1 user\n"
        f"  {owner}  {date}  {envs(ucenv, 'u')}/again  hard-linked, through {made}\n"
        f"  {owner}  {date}  {made}   thin, changed since\n"
        f"2 clones among 2 environments in 1 space: {search}\n"
    )
    only = ucenv("site", "users", "--search", search, "--environment", "base")
    assert only.out.splitlines()[0] == "base (conda/4.8.3): no clones"
    assert SYSTEM not in only.out
    none = ucenv("site", "users", "--search", search, "--environment", "bas", "--dry-run")
    assert (none.code, "no environment named 'bas'" in none.err) == (10, True)


# where is looked ------------------------------------------------------------------------------------------------


def site(**keys: str) -> Any:
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return parse_site(f'[conda]\nroot = "/x"\nversion = "1"\n[user_space]\n{lines}', "/x/site.toml")


@pytest.mark.parametrize(
    ("root", "environment", "pattern"),
    [
        ("$SCRATCH/conda_local", {"SCRATCH": "/scratch/ann"}, "/scratch/*/conda_local"),
        ("$SCRATCH/conda_local", {"SCRATCH": "/gpfs/ann/work/ann"}, "/gpfs/*/work/*/conda_local"),
        ("/scratch/$USER/conda", {}, "/scratch/*/conda"),
        ("$WORK/$USER", {"WORK": "/work"}, "/work/*"),
    ],
)
def test_everybodys_space_from_ones_own(root: str, environment: dict[str, str], pattern: str) -> None:
    assert default_patterns(site(root=f'"{root}"'), environment, "ann") == (pattern,)


@pytest.mark.parametrize("environment", [{}, {"SCRATCH": ""}, {"SCRATCH": "/scratch/project"}, {"SCRATCH": "ann"}])
def test_where_it_cannot_be_told(environment: dict[str, str]) -> None:
    with pytest.raises(SiteKeyMissing, match=r"user_space\.search"):
        default_patterns(site(), environment, "ann")


@pytest.mark.parametrize("pattern", ["scratch/*", "/scratch/**", "/scratch/\\u0007"])
def test_patterns_that_are_none(ucenv: Cluster, pattern: str) -> None:
    with pytest.raises(SiteFileInvalid, match=r"user_space\.search"):
        site(search=f'["{pattern}"]')
    if "u0007" not in pattern:
        assert ucenv("site", "users", "--search", pattern).code == 2


def test_where_the_file_says(ucenv: Cluster) -> None:
    clone(envs(ucenv, "u") / "mine", system(ucenv))
    file = ucenv.site.conda.root / "etc/ucenv/site.toml"
    with file.open("a") as stream:
        stream.write(f'[user_space]\nsearch = ["{ucenv.site.tmp}/scr?tch/[u]/conda_local", "/nowhere/*/x"]\n')
    result = ucenv("site", "users", "--json").json["result"]
    assert [len(e["clones"]) for e in result["environments"]] == [0, 1]
    assert result["searched"] == [f"{ucenv.site.tmp}/scr?tch/[u]/conda_local", "/nowhere/*/x"]


def test_what_conda_has_noted_of_environments_elsewhere(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    envs(ucenv, "u")
    far = clone(ucenv.site.tmp / "far/away", system(ucenv))
    home = ucenv.site.tmp / "home"
    (home / ".conda").mkdir()
    register = home / ".conda/environments.txt"
    register.write_bytes(
        b"\n".join([str(far).encode(), b"/gone", str(system(ucenv)).encode(), b"relative", b"/\xff\0"])
    )
    entry = type("entry", (), {"pw_dir": str(home), "pw_name": "somebody"})
    monkeypatch.setattr("pwd.getpwuid", lambda uid: entry)
    assert [c["prefix"] for c in clones(ucenv)] == [str(far)]
    assert users(ucenv, "--no-registers")["result"]["looked_at"] == 0
    register.unlink()
    os.mkfifo(register)
    assert users(ucenv)["result"]["unreadable"] == [{"path": str(register), "reason": "this is no file"}]


# what users make there ------------------------------------------------------------------------------------------


def test_nothing_below_an_environment_is_opened(ucenv: Cluster, tmp_path: Path) -> None:
    prefix = clone(envs(ucenv, "u") / "mine", system(ucenv))
    deep = prefix / "lib"
    for number in range(50):
        (deep / str(number)).mkdir(parents=True)
        clone(deep / str(number) / "envs/inner", system(ucenv))
    trace = tmp_path / "trace"
    if shutil.which("strace") is None:
        raise Unavailable("needs strace", tool="strace")
    words = ["strace", "-f", "-e", "trace=%file", "-o", str(trace), sys.executable, "-m", "userconda", "site", "users"]
    words += ["--search", f"{ucenv.site.tmp}/scratch/*/conda_local"]
    done = subprocess.run(words, env=ucenv.environment, capture_output=True, check=True, text=True)
    assert "1 clone among 1 environment" in done.stdout
    assert str(prefix) in trace.read_text()
    assert f"{prefix}/lib" not in trace.read_text()


def test_odd_things_are_counted_and_hold_nothing_up(ucenv: Cluster) -> None:
    place = envs(ucenv, "u")
    mine = clone(place / "mine", system(ucenv))
    (place / "again").symlink_to(mine)
    (place / "loop").symlink_to("loop")
    (place / "dangling").symlink_to("/nowhere")
    (place / "a file").touch()
    os.mkfifo(place / "a pipe")
    (place / "no environment").mkdir()
    (place / "its own, no clone/conda-meta").mkdir(parents=True)
    ring = ucenv.site.tmp / "scratch/ring/conda_local"
    ring.mkdir(parents=True)
    (ring / "envs").symlink_to(ring)
    (ucenv.site.tmp / "scratch/twice").symlink_to(ucenv.site.tmp / "scratch/u")
    (ucenv.site.tmp / "scratch/self").symlink_to("self")
    for name in ("pipe", "link", "device", "long", "deep", "words", "surrogate", "nul"):
        meta = place / name / "conda-meta"
        meta.mkdir(parents=True)
        note = meta / FILE_NAME
        if name == "pipe":
            os.mkfifo(note)
        elif name == "link":
            note.symlink_to(mine / "conda-meta" / FILE_NAME)
        elif name == "device":
            note.symlink_to("/dev/zero")
        elif name == "long":
            with note.open("wb") as stream:
                stream.truncate(1 << 40)
        elif name == "deep":
            note.write_text("[" * 500_000)
        else:
            source = {"words": 7, "surrogate": "/\ud800", "nul": "/a\0b"}[name]
            note.write_text(
                json.dumps({**json.loads((mine / "conda-meta" / FILE_NAME).read_bytes()), "source": source})
            )
    began = time.monotonic()
    result = users(ucenv)["result"]
    assert time.monotonic() - began < 20
    (found,) = result["environments"][1]["clones"]
    assert os.path.samefile(found["prefix"], mine)
    assert not os.path.islink(found["prefix"])
    assert {(os.path.basename(entry["path"]), entry["reason"]) for entry in result["unreadable"]} == {
        ("loop", "Too many levels of symbolic links"),
        ("envs", "Too many levels of symbolic links"),
        ("link", "Too many levels of symbolic links"),
        ("device", "Too many levels of symbolic links"),
        ("pipe", "this is no file"),
        ("long", "this is too long"),
        *(
            (name, "its note of where it comes from cannot be understood")
            for name in ("deep", "words", "surrogate", "nul")
        ),
    }


@pytest.mark.parametrize(
    "note", [{"time": 1e300}, {"time": -5}, {"time": float("nan")}, {"files": [1]}, {"time": True}]
)
def test_a_note_may_say_anything(ucenv: Cluster, note: dict[str, Any]) -> None:
    made = clone(envs(ucenv, "u") / "mine", system(ucenv))
    file = made / "conda-meta" / FILE_NAME
    file.write_text(json.dumps({**json.loads(file.read_bytes()), **note}))
    assert len(clones(ucenv)) == 1
    assert ucenv("site", "users", "--search", f"{ucenv.site.tmp}/scratch/*/conda_local").code == 0
    assert describe("mine", str(made), system=False) is not None


@pytest.mark.parametrize("name", ["a b", "\x1b[2J", "\udcff\udcfe", "ü", "[x]", "-n"])
def test_odd_names(ucenv: Cluster, name: str) -> None:
    clone(envs(ucenv, name) / name, system(ucenv))
    (found,) = clones(ucenv)
    assert found["prefix"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") == found["prefix"]
    run = ucenv("site", "users", "--search", f"{ucenv.site.tmp}/scratch/*/conda_local")
    assert "\x1b" not in run.out
    assert "1 clone of 1 user" in run.out


def test_the_time_is_bounded(ucenv: Cluster) -> None:
    for number in range(2_000):
        (envs(ucenv, "u") / str(number) / "conda-meta").mkdir(parents=True)
    answer = users(ucenv, "--timeout", "0")
    assert answer["result"]["out_of_time"]
    assert answer["warnings"] == ["the time was over before everything was looked at: see --timeout"]
    began = time.monotonic()
    assert users(ucenv)["result"]["looked_at"] == 2_000
    assert time.monotonic() - began < 10


# two users ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster() -> Iterator[tuple[Path, SystemConda]]:
    with scratch_directory() as directory:
        directory.chmod(0o755)
        conda = make_system_conda(directory / "conda", None, small=True)
        (directory / "conda/etc/ucenv").mkdir(parents=True)
        (directory / "scratch").mkdir()
        subprocess.run(["chmod", "-R", "a+rX", directory], check=True)
        yield directory, conda


def test_two_users(two_users: tuple[User, User], cluster: tuple[Path, SystemConda]) -> None:
    directory, conda = cluster
    for user in two_users:
        space = directory / "scratch" / user.name
        space.mkdir()
        os.chown(space, user.uid, user.gid)
        done = run_as(
            user,
            [sys.executable, "-m", "userconda", "clone", SYSTEM, "mine", "-y", "-q"],
            env={"SCRATCH": str(space), "UCENV_CONDA_ROOT": str(conda.root)},
        )
        assert done.returncode == 0, done.stderr
    closed = directory / "scratch" / USER.name / "conda_local/envs"
    definition = parse_site(f'[conda]\nroot = "{conda.root}"\nversion = "1"\n', "/x")
    pattern = f"{directory}/scratch/*/conda_local"

    def seen() -> tuple[tuple[Dependents, ...], tuple[tuple[str, str], ...]]:
        found = find_users(definition, [pattern])
        return found.environments, found.unreadable

    environments, unreadable = fork_as(ADMIN, seen)
    assert [(c.owner, c.how) for c in environments[1].clones] == [
        (user.name, environments[1].clones[0].how) for user in two_users
    ]
    assert unreadable == ()
    closed.chmod(0o700)
    environments, unreadable = fork_as(ADMIN, seen)
    assert [c.owner for c in environments[1].clones] == [ADMIN.name]
    assert unreadable == ((str(closed), "Permission denied"),)
