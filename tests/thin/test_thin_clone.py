"""Thin clones of odd sources, and those that are refused."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from demo import Package, PackageFile, SystemConda
from tests.support import CHECKOUT, Unavailable, filesystems, manifest, real_python, relation
from tests.support.users import ADMIN, USER, fork_as, run_as
from tests.thin.places import Place, assert_reads_as_clone, handed_over
from userconda.errors import ThinRefused
from userconda.provenance import read_provenance

pytestmark = [pytest.mark.root, pytest.mark.serial]


def as_admin(*argv: str | Path) -> None:
    done = run_as(ADMIN, argv)
    assert done.returncode == 0, done.stderr


def linked(place: Place, name: str = "mine") -> list[str]:
    note = read_provenance(str(place.target(name)))
    assert note is not None
    assert note.thin
    assert note.links_to == str(place.source)
    return [path for path in note.linked if os.readlink(place.target(name) / path) == str(place.source / path)]


# what it is -----------------------------------------------------------------------------------------------------


def test_it_reads_as_the_source_does(odd: Place) -> None:
    before = odd.manifest()
    odd.clone()
    assert_reads_as_clone(odd.source, odd.target())
    assert linked(odd)
    assert manifest.diff(before, odd.manifest()) == []


def test_every_link_out_leads_to_the_source(odd: Place) -> None:
    odd.clone()
    for directory, subdirectories, names in os.walk(odd.target()):
        for name in (*subdirectories, *names):
            path = Path(directory, name)
            if path.is_symlink() and os.readlink(path).startswith(f"{odd.source}/"):
                assert os.readlink(path) == str(odd.source / path.relative_to(odd.target()))


@pytest.mark.parametrize("words", [(), ("--json",)], ids=["text", "JSON"])
def test_a_dry_run_makes_nothing_and_foretells_it(odd: Place, words: tuple[str, ...]) -> None:
    done = odd.ucenv("clone", "--thin", "--dry-run", *words, str(odd.source), "mine")
    assert done.returncode == 0, done.stderr
    assert not odd.target().exists()
    made = odd.clone()
    if words:
        foretold = json.loads(done.stdout)["result"]
        assert foretold["directories"] == made["directories"]
        # The small Python compiles nothing.
        left_out = foretold["files"]["rewritten"] - made["files"]["rewritten"]
        assert left_out == 2
        assert foretold["files"]["symlinked"] == made["files"]["symlinked"] > 0
        assert foretold["inodes"]["charged"] - left_out == made["inodes"]["charged"]
    else:
        assert "linked director" in done.stdout


def test_the_charge_is_what_a_slow_count_finds(odd: Place) -> None:
    result = odd.clone()
    _, inodes = manifest.charged(odd.target(), USER.uid)
    assert result["inodes"]["charged"] == inodes


def test_an_environment_without_python(odd: Place) -> None:
    bare = SystemConda(odd.conda.root).prefix("bare")
    files = (PackageFile("share/tool/deep/data.txt", b"x\n"), PackageFile("lib/R/library/stats/R/stats.rdb", b"\0"))
    _install(odd, bare, Package("r-tool", "1.0", "0", files=files))
    odd.clone(source=bare)
    assert_reads_as_clone(bare, odd.target())
    assert not (odd.target() / "lib/R/library").is_symlink()
    assert (odd.target() / "lib/R/library/stats").is_symlink()


def test_python_2(odd: Place) -> None:
    old = odd.conda.prefix("old")
    names = ("__init__.py", "__init__.pyc", "part/__init__.py", "part/__init__.pyc")
    files = tuple(PackageFile(f"lib/python2.7/site-packages/thing/{name}", b"# 2\n") for name in names)
    python = Package("python", "2.7.18", "0", files=(PackageFile("bin/python2.7", b"\x7fELF", executable=True),))
    _install(odd, old, python, Package("thing", "1.0", "0", files=files))
    odd.clone(source=old)
    assert_reads_as_clone(old, odd.target())
    assert not (odd.target() / "lib/python2.7/site-packages").is_symlink()
    assert (odd.target() / "lib/python2.7/site-packages/thing").is_symlink()


def test_base(odd: Place) -> None:
    tool = Package("tool", "1.0", "0", files=(PackageFile("libexec/tool/data.txt", b"x\n"),))
    conda = Package("conda", "26.7.0", "0", files=(PackageFile("libexec/conda/own.txt", b"conda's\n"),))
    _install(odd, odd.conda.root, tool, conda)
    done = odd.ucenv("clone", "--thin", "base", "mine")
    assert done.returncode == 0, done.stderr
    assert (odd.target() / "libexec/tool/data.txt").read_bytes() == b"x\n"
    present = set(os.listdir(odd.target()))
    assert present & {"envs", "pkgs", "conda-bld", "condabin"} == set()
    assert not (odd.target() / "libexec/conda").exists()


def _install(place: Place, prefix: Path, *packages: Package) -> None:
    from demo import install_packages, write_package

    archives = [write_package(package, place.conda.channel) for package in packages]
    install_packages(archives, prefix, place.conda.pkgs)
    subprocess.run(["chmod", "-R", "a+rX", prefix], check=True)
    subprocess.run(["chown", "-Rh", f"{ADMIN.uid}:{ADMIN.gid}", place.conda.root], check=True)


def test_records_of_micromamba(odd: Place) -> None:
    """Which names neither placeholder nor file mode."""
    for path in (odd.source / "conda-meta").glob("*.json"):
        record = json.loads(path.read_text())
        for entry in record["paths_data"]["paths"]:
            entry.pop("prefix_placeholder", None)
            entry.pop("file_mode", None)
        path.write_text(json.dumps(record))
    odd.clone()
    assert_reads_as_clone(odd.source, odd.target())


def test_another_filesystem(refused_links: None, shared_tmp: Path) -> None:
    with filesystems.loop_mount("ext4") as mount:
        relation.make_source(mount / "conda")
        place = handed_over(SystemConda(mount / "conda"), shared_tmp / "space")
        assert os.stat(place.source).st_dev != os.stat(place.space).st_dev
        place.clone()
        assert_reads_as_clone(place.source, place.target())
        assert linked(place)


def test_a_clone_of_a_thin_clone(odd: Place) -> None:
    odd.clone("first")
    assert "thin" in odd.refused("2nd", source=odd.target("first"))
    done = odd.ucenv("clone", "first", "2nd")
    assert done.returncode == 0, done.stderr
    assert_reads_as_clone(odd.source, odd.target("2nd"))
    assert os.fsencode(odd.target("first")) not in (odd.target("2nd") / "bin/odd-shell").read_bytes()


# what is refused ------------------------------------------------------------------------------------------------


def test_the_owner_is_refused(odd: Place) -> None:
    os.chown(odd.space, ADMIN.uid, ADMIN.gid)
    message = odd.refused(user=ADMIN)
    assert message.startswith(f"thin_refused: no thin clone of {odd.source.name}")
    assert f"you may write to {odd.source}/" in message


def test_root_is_refused(odd: Place) -> None:
    words = [sys.executable, "-m", "userconda", "clone", "--thin", "--json", str(odd.source), "mine"]
    words += ["--root", str(odd.space)]
    done = subprocess.run(words, capture_output=True, text=True, env={"HOME": str(odd.space), "PATH": os.defpath})
    assert done.returncode == ThinRefused.exit_code, done.stderr
    assert "as root you may write to" in json.loads(done.stdout)["error"]["message"]


def deep(place: Place) -> Path:
    """Not the top of what is linked."""
    path = place.source / "libexec/odd/more/below"
    as_admin("mkdir", "-p", path)
    as_admin("touch", path / "file")
    return path


def owned_by_the_user(path: Path) -> None:
    os.chown(path, USER.uid, USER.gid)


def read_only_but_owned(path: Path) -> None:
    """Whoever owns a directory can open it for themselves."""
    os.chown(path, USER.uid, USER.gid)
    path.chmod(0o555)


def group_writable(path: Path) -> None:
    os.chown(path, ADMIN.uid, USER.gid)
    path.chmod(0o2775)


def writable_to_all(path: Path) -> None:
    path.chmod(0o777)


def by_acl(path: Path) -> None:
    done = subprocess.run(["setfacl", "-m", f"u:{USER.uid}:rwx", path], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"setfacl: {done.stderr.strip()}")


@pytest.mark.parametrize(
    "open_up",
    [owned_by_the_user, read_only_but_owned, group_writable, writable_to_all, by_acl],
    ids=lambda f: f.__name__,
)
def test_a_directory_that_the_user_may_write_is_a_refusal(odd: Place, open_up: Callable[[Path], None]) -> None:
    path = deep(odd)
    open_up(path)
    assert f"you may write to {path}, and what is removed" in odd.refused()
    path.chmod(0o755)
    os.chown(path, ADMIN.uid, ADMIN.gid)
    subprocess.run(["setfacl", "-b", path], check=True)
    odd.clone()


@pytest.mark.parametrize("open_up", [owned_by_the_user, writable_to_all, by_acl], ids=lambda f: f.__name__)
def test_the_guard_is_asked_each_time(odd: Place, open_up: Callable[[Path], None]) -> None:
    odd.clone()
    path = odd.source / linked(odd)[0]
    open_up(path)
    done = odd.ucenv("clone", "--json", "mine", "second")
    assert json.loads(done.stdout)["error"]["code"] == "parent_writable"
    assert str(path) in json.loads(done.stdout)["error"]["message"]
    done = odd.ucenv("info", "mine")
    assert done.returncode == 0
    assert f"you may write where its links lead ({path})" in done.stdout + done.stderr


def test_without_the_bits_of_its_group_a_directory_may_be_linked(odd: Place) -> None:
    path = deep(odd)
    os.chown(path, ADMIN.uid, USER.gid)
    path.chmod(0o2755)
    odd.clone()


# when links are refused -----------------------------------------------------------------------------------------


def test_when_refused_is_thin(odd: Place) -> None:
    environment = {"UCENV_CONDA_ROOT": str(odd.conda.root), "UCENV_CLONE_WHEN_REFUSED": "thin"}
    words = [sys.executable, "-m", "userconda", "clone", "--json", str(odd.source), "mine"]
    words += ["--root", str(odd.space)]
    done = run_as(USER, words, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["thin"] is True
    assert linked(odd)


def test_t_at_a_terminal_makes_a_thin_clone(odd: Place) -> None:
    shown = _at_a_terminal(odd, b"t\n")
    assert "  [t] thin clone " in shown
    assert f"depends on {odd.source.name} staying where it is" in shown
    assert linked(odd)


def _at_a_terminal(place: Place, answer: bytes) -> str:
    ours, theirs = pty.openpty()
    os.chmod(os.ttyname(theirs), 0o666)
    words = [sys.executable, "-m", "userconda", "clone", str(place.source), "mine", "--root", str(place.space)]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm"}
    with subprocess.Popen(
        words,
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        env={**environment, "UCENV_CONDA_ROOT": str(place.conda.root)},
        user=USER.uid,
        group=USER.gid,
        extra_groups=[],
        cwd="/",
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
                if shown.endswith(b"]: "):
                    os.write(ours, answer)
        except OSError:  # EIO: the other end is closed
            pass
        os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n")


# a parent that changes ------------------------------------------------------------------------------------------


def remove_all(source: Path) -> None:
    shutil.rmtree(source)


def make_it_a_file(source: Path) -> None:
    shutil.rmtree(source)
    source.write_text("")


def hollow_it_out(source: Path) -> None:
    for path in source.iterdir():
        if path.name != "conda-meta":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def close_it(source: Path) -> None:
    source.chmod(0o700)


@pytest.mark.parametrize("change", [remove_all, make_it_a_file, hollow_it_out, close_it], ids=lambda f: f.__name__)
def test_a_parent_that_is_gone_is_said(odd: Place, change: Callable[[Path], None]) -> None:
    odd.clone()
    change(odd.source)
    for words in (("list", "--json"), ("info", "mine", "--json"), ("clone", "mine", "second", "--json")):
        done = odd.ucenv(*words)
        document = json.loads(done.stdout)
        assert done.returncode not in (3, -11), done.stdout
        if words[0] == "list":
            (mine,) = [e for e in document["result"]["environments"] if e["name"] == "mine"]
            assert mine["thin"] is True
            # A list does not look further than conda-meta.
            assert mine["parent_state"] == ("" if change is hollow_it_out else "gone"), mine
        if words[0] == "clone" and change is not hollow_it_out:  # that one is a clone as it stands
            assert document["ok"] is False
            assert document["error"]["code"] in ("parent_gone", "source_incomplete", "source_changed"), document
            assert not odd.target("second").exists()


_IN_A_SHELL = """set -eu
. "$HOOK"
before=$(env | sort; alias; set -o)
ucenv load "$1"
echo "$CONDA_PREFIX"
ucenv activate "$1"
ucenv unload
after=$(env | sort; alias; set -o)
[ "$before" = "$after" ] && echo as it was
"""


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_shell_loads_and_unloads_one_whose_parent_is_gone(odd: Place, shell: str) -> None:
    odd.clone()
    program = odd.conda.root / "bin/conda"
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    odd.source.rename(odd.source.with_name("moved"))
    variables = {"UCENV_CONDA_ROOT": str(odd.conda.root), "UCENV_ROOT": str(odd.space), "_": ""}
    hook = str(CHECKOUT / "shell/ucenv.sh")
    done = run_as(USER, [shell, "-c", _IN_A_SHELL, shell, "mine"], env={**variables, "HOOK": hook})
    assert done.stdout == f"{odd.target()}\nas it was\n", done.stderr
    assert done.returncode == 0


def test_a_parent_that_was_updated_is_said(odd: Place) -> None:
    odd.clone()
    record = next((odd.source / "conda-meta").glob("odd-generic-*.json"))
    as_admin("rm", record)
    done = odd.ucenv("list", "--json")
    (mine,) = [e for e in json.loads(done.stdout)["result"]["environments"] if e["name"] == "mine"]
    assert mine["parent_state"] == "changed since"
    done = odd.ucenv("info", "mine")
    assert done.returncode == 0
    assert "was changed since" in done.stdout + done.stderr


def test_what_a_clone_reads_of_the_source_it_never_writes(odd: Place) -> None:
    """With everything the user may do in the clone: remove it all."""
    before = odd.manifest()
    odd.clone()
    fork_as(USER, lambda: shutil.rmtree(odd.target()))
    assert not odd.target().exists()
    assert manifest.diff(before, odd.manifest()) == []


# conda-pack -----------------------------------------------------------------------------------------------------


def test_conda_pack_takes_a_thin_clone_once_it_is_thawed(odd: Place, tmp_path: Path) -> None:
    program = odd.conda.root.parent / "conda-pack"
    wheels = real_python.download("conda-pack", ("conda-pack==0.9.2", "setuptools==75.6.0"))
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(program)]
    subprocess.run([*words, *map(str, wheels)], check=True, capture_output=True)
    subprocess.run(["chmod", "-R", "a+rX", program], check=True)

    def pack(name: str, *options: str) -> tuple[str, list[tarfile.TarInfo]]:
        archive = odd.space / name
        argv = [
            sys.executable,
            "-m",
            "conda_pack.cli",
            "--quiet",
            "-p",
            str(odd.target()),
            "-o",
            str(archive),
            *options,
        ]
        done = run_as(USER, argv, env={"PYTHONPATH": str(program), "PYTHONWARNINGS": "ignore"})
        if done.returncode:
            return done.stdout + done.stderr, []
        with tarfile.open(archive) as members:
            return "", members.getmembers()

    odd.clone()
    said, _ = pack("thin.tar")
    assert "Files managed by conda were found to have been deleted/overwritten" in said
    assert "share/odd/names/" in said
    assert odd.ucenv("thaw", "mine", "--all").returncode == 0
    # pip has replaced a package's files in this source.
    said, members = pack("thawed.tar", "--ignore-missing-files")
    assert said == ""
    assert "share/odd/nul.dat" in {member.name for member in members}
    assert [member.name for member in members if member.issym() and str(odd.source) in member.linkname] == []
