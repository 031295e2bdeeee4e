"""ucenv's plugin in a real conda: the subcommand, seeding the user's package cache, thin clones in transactions."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo import Package, PackageFile, index_channel, odd_packages, package_from_python, package_with_compiled_library
from demo.packages import text_file, write_package
from tests.conda.conftest import find_root
from tests.conda.plugin import with_plugin
from tests.support.elf import make_elf
from tests.support.filesystems import loop_mount, scratch_directory
from tests.support.manifest import Manifest, diff, manifest
from tests.support.users import ADMIN, USER, User, run_as, two_users
from userconda.seed import STAGING_PREFIX

pytestmark = [pytest.mark.conda, pytest.mark.root("a system conda of another user's"), pytest.mark.serial]

NUMPY = Package(
    "numpyish",
    "1.0",
    "h0_0",
    files=(
        PackageFile("lib/numpyish/core.py", b"VALUE = 1\n" * 3000),
        PackageFile("lib/numpyish/big.dat", bytes(range(256)) * 4000),
        PackageFile("lib/numpyish/latest", symlink="big.dat"),
        PackageFile("share/numpyish/mine.cfg", b"never shared\n", no_link=True),
        text_file("bin/f2py", "#!@PREFIX@/bin/python\n", executable=True),
    ),
)
NUMPY_2 = Package(
    "numpyish",
    "2.0",
    "h0_0",
    files=(
        PackageFile("lib/numpyish/core.py", b"VALUE = 2\n" * 3000),
        PackageFile("lib/numpyish/new/part.py", b"PART = 2\n"),
        text_file("bin/f2py", "#!@PREFIX@/bin/python\n# 2\n", executable=True),
    ),
)
PLUGIN = "lib/scipyish/_special.so"
LIBRARIES = [
    Package("zlibish", version, "0", files=(PackageFile("lib/libzish.so.1", make_elf([]) + version.encode()),))
    for version in ("1.0", "2.0")
]
SCIPY = Package(
    "scipyish",
    "1.0",
    "0",
    depends=("zlibish",),
    files=(
        PackageFile(PLUGIN, make_elf(["libzish.so.1"], "$ORIGIN/..")),
        PackageFile("lib/scipyish/_other.so", make_elf(["libother.so.1"], "$ORIGIN/..")),
        PackageFile("lib/scipyish/data.txt", b"data\n"),
        PackageFile("lib/scipyish/deep/data.txt", b"data\n"),
        PackageFile("libexec/scipyish/data.txt", b"data\n"),
    ),
)
#: A file in another package's directory, and a script that fails after it was linked.
NEIGHBOUR = Package("neighbour", "1.0", "0", files=(PackageFile("lib/numpyish/neighbour.py", b"N = 1\n"),))
FAILING = Package(
    "failing",
    "1.0",
    "0",
    files=(
        PackageFile("lib/numpyish/failing.py", b"N = 1\n"),
        PackageFile("bin/.failing-post-link.sh", b"#!/bin/sh\nexit 1\n", executable=True),
    ),
)
OTHERS = [NUMPY_2, *LIBRARIES, SCIPY, NEIGHBOUR, FAILING]
NAMES = ["numpyish=1.0", "python", "odd-python", "odd-files", "odd-prefix", "ucdemo-lib"]


@dataclass(frozen=True)
class Cluster:
    """A conda of the administrator's with ucenv's plugin in it, its packages extracted there, and a user's space."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "conda"

    @property
    def space(self) -> Path:
        return self.directory / "space"

    @property
    def pkgs(self) -> Path:
        return self.space / "pkgs"

    def conda(
        self, *words: str | Path, user: User = USER, code: int = 0, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        system = str(self.root / "pkgs")
        environment = {
            "CONDARC": os.devnull,
            "CONDA_OFFLINE": "true",
            "CONDA_SOLVER": "classic",
            "CONDA_PKGS_DIRS": system if user is ADMIN else f"{self.pkgs},{system}",
        }
        done = run_as(user, [self.root / "bin/conda", *words], env={**environment, **(variables or {})}, cwd="/")
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def create(self, name: str, *packages: str) -> Path:
        prefix = self.space / "envs" / name
        self.conda("create", *self.words(prefix), *packages)
        return prefix

    def words(self, prefix: Path) -> list[str | Path]:
        channel = (self.directory / "channel").as_uri()
        return ["--yes", "--quiet", "--prefix", prefix, "--channel", channel, "--override-channels"]


@pytest.fixture(scope="module")
def installed() -> Iterator[Cluster]:
    two_users()
    with scratch_directory() as directory:
        cluster = Cluster(directory)
        for package in [package_from_python(), package_with_compiled_library(), *odd_packages(), NUMPY, *OTHERS]:
            write_package(package, directory / "channel")
        index_channel(directory / "channel")
        with_plugin(find_root(), cluster.root)
        for path in [cluster.root, *cluster.root.rglob("*")]:
            os.chown(path, ADMIN.uid, ADMIN.gid, follow_symlinks=False)
        site = [*NAMES[1:], "numpyish=1.0", "scipyish", "zlibish=1.0"]
        cluster.conda("create", *cluster.words(cluster.root / "envs/site"), *site, user=ADMIN)
        yield cluster


@pytest.fixture
def cluster(installed: Cluster, set_protected_hardlinks: Callable[[int], None]) -> Iterator[Cluster]:
    """With an empty space, and a kernel that refuses links to the administrator's files."""
    set_protected_hardlinks(1)
    (installed.space / "envs").mkdir(parents=True)
    for path in (installed.space, installed.space / "envs"):
        os.chown(path, USER.uid, USER.gid)
    before = manifest(installed.root)
    yield installed
    assert _written(before, manifest(installed.root)) == []
    shutil.rmtree(installed.space)


def _written(before: Manifest, after: Manifest) -> list[str]:
    """conda itself notes an environment of root's; nothing else of the system's conda may change."""
    return [line for line in diff(before, after) if "__pycache__" not in line]


def shared(cache: Path, *prefixes: Path) -> tuple[list[str], list[str]]:
    """Files of the extracted package `cache` that all prefixes share with it, and those that they do not."""
    same: list[str] = []
    own: list[str] = []
    for path in sorted(cache.rglob("*")):
        relative = path.relative_to(cache)
        if path.is_file() and not path.is_symlink() and relative.parts[0] != "info":
            inodes = {os.stat(prefix / relative).st_ino for prefix in prefixes}
            (same if inodes == {path.stat().st_ino} else own).append(str(relative))
    return same, own


def entries(cache: Path) -> list[str]:
    """The extracted packages of a package cache."""
    return sorted(path.parents[1].name for path in cache.glob("*/info/index.json"))


# the subcommand -----------------------------------------------------------------------------------------------------


def test_conda_ucenv_is_ucenv(installed: Cluster) -> None:
    done = installed.conda("ucenv", "list", "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "ucenv/1"
    assert str(installed.root / "envs/site") in [entry["prefix"] for entry in document["result"]["environments"]]
    assert installed.conda("ucenv", "--version").stdout.startswith("ucenv ")
    assert "did you mean" in installed.conda("ucenv", "clon", code=2).stderr
    assert installed.conda("ucenv", "info", "no-such-environment", code=10).stderr
    assert installed.conda("ucenv", "clone", "--help").stdout.startswith("example:")
    assert "ucenv" in installed.conda("--help").stdout


# seeding ------------------------------------------------------------------------------------------------------------


def test_what_is_created_twice_is_charged_once(cluster: Cluster) -> None:
    one = cluster.create("one", *NAMES)
    two = cluster.create("two", *NAMES)
    entry = cluster.pkgs / NUMPY.stem
    same, own = shared(entry, one, two)
    assert same == ["lib/numpyish/big.dat", "lib/numpyish/core.py"]
    assert own == ["bin/f2py", "share/numpyish/mine.cfg"]
    assert os.stat(one / "lib/numpyish/big.dat").st_nlink == 3
    assert os.readlink(entry / "lib/numpyish/latest") == "big.dat"
    assert not list(cluster.pkgs.glob(".ucenv*"))
    python = next(cluster.pkgs.glob("python-3*"))
    same, own = shared(python, one, two)
    assert len(same) > 200
    assert len(own) < 10


def test_an_entry_is_what_was_extracted(cluster: Cluster) -> None:
    cluster.create("one", *NAMES)
    names = entries(cluster.pkgs)
    system = cluster.root / "pkgs"
    assert len(names) == len(NAMES) - 1  # ucdemo-lib has no file that could be shared
    for name in names:
        # Owner and directories' times are the user's; the packed files, their modes, times and links are the same.
        lines = diff(_files(system / name), _files(cluster.pkgs / name), ignoring=("uid", "gid"))
        assert lines == [], name
    urls = (cluster.pkgs / "urls.txt").read_text().splitlines()
    assert sorted(os.path.basename(url).removesuffix(".conda") for url in urls) == names


def _files(root: Path) -> Manifest:
    found = {path: entry for path, entry in manifest(root).items() if entry.kind != "directory"}
    return {p: entry._replace(mtime_ns=0) if entry.kind == "symlink" else entry for p, entry in found.items()}


def test_what_is_seeded_is_enough_for_conda(cluster: Cluster) -> None:
    """With the system's cache out of the way, and no channel: by the entries alone."""
    cluster.create("one", *NAMES)
    alone = {"CONDA_PKGS_DIRS": str(cluster.pkgs)}
    url = next(url for url in (cluster.pkgs / "urls.txt").read_text().splitlines() if NUMPY.stem in url)
    prefix = cluster.space / "envs/explicit"
    cluster.conda("create", "--yes", "--quiet", "--prefix", prefix, url, variables=alone)
    assert shared(cluster.pkgs / NUMPY.stem, prefix)[0] == ["lib/numpyish/big.dat", "lib/numpyish/core.py"]
    listed = json.loads(cluster.conda("list", "--json", "--prefix", prefix, variables=alone).stdout)
    assert [record["name"] for record in listed] == [NUMPY.name]


def test_where_links_work_nothing_is_seeded(cluster: Cluster, set_protected_hardlinks: Callable[[int], None]) -> None:
    set_protected_hardlinks(0)
    prefix = cluster.create("one", "numpyish=1.0", "odd-files")
    assert os.stat(prefix / "lib/numpyish/big.dat").st_uid == ADMIN.uid
    assert entries(cluster.pkgs) == []


def test_copies_that_were_asked_for_are_not_seeded(cluster: Cluster) -> None:
    cluster.create("one", "--copy", "numpyish=1.0")
    assert entries(cluster.pkgs) == []


def test_a_package_that_is_not_its_record_is_not_seeded(cluster: Cluster) -> None:
    broken = cluster.root / "pkgs" / NUMPY.stem / "lib/numpyish/core.py"
    data = broken.read_bytes()
    status = broken.stat()
    try:
        broken.write_bytes(data.replace(b"1", b"2"))
        cluster.create("one", "numpyish=1.0", "odd-files")
    finally:
        broken.write_bytes(data)
        os.utime(broken, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert entries(cluster.pkgs) == ["odd-files-1.0-h7777777_0"]


def test_two_transactions_at_once(cluster: Cluster) -> None:
    words = [[cluster.root / "bin/conda", "create", *cluster.words(cluster.space / f"envs/{n}"), *NAMES] for n in "ab"]
    environment = {
        "CONDARC": os.devnull,
        "CONDA_OFFLINE": "true",
        "CONDA_SOLVER": "classic",
        "CONDA_PKGS_DIRS": f"{cluster.pkgs},{cluster.root / 'pkgs'}",
        "HOME": str(cluster.space),
        "PATH": "/usr/bin:/bin",
    }
    identity = {"user": USER.uid, "group": USER.gid, "extra_groups": []}
    processes = [
        subprocess.Popen(word, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **identity)  # type: ignore[call-overload]
        for word in words
    ]
    for process in processes:
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
        assert b"ucenv: " not in output
    assert not list(cluster.pkgs.glob(".ucenv*"))
    names = entries(cluster.pkgs)
    assert len(names) == len(NAMES) - 1
    for name in names:
        assert diff(_files(cluster.root / "pkgs" / name), _files(cluster.pkgs / name), ignoring=("uid", "gid")) == []
    third = cluster.create("third", *NAMES)
    assert len(shared(cluster.pkgs / NUMPY.stem, third)[0]) == 2


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with loop_mount("ext4", mkfs_options=("-N", "1000")) as mount:
        yield mount


def test_no_room_for_an_entry(cluster: Cluster, small_disk: Path) -> None:
    """The environment's inodes fit, an entry's do not: nothing half stays, and the environment is made."""
    pkgs, prefix = small_disk / "pkgs", small_disk / "env"
    variables = {"CONDA_PKGS_DIRS": f"{pkgs},{cluster.root / 'pkgs'}"}
    create = ["create", *cluster.words(prefix), "numpyish=1.0"]
    before = os.statvfs(small_disk).f_favail
    cluster.conda("--no-plugins", *create, variables=variables)
    needed = before - os.statvfs(small_disk).f_favail
    made = manifest(prefix)
    run_as(USER, ["rm", "-r", prefix])
    for number in range(os.statvfs(small_disk).f_favail - needed - 5):
        (small_disk / str(number)).touch()
    done = cluster.conda(*create, variables=variables)
    assert len([line for line in done.stderr.splitlines() if "package cache was left as it is" in line]) == 1
    assert manifest(prefix).keys() == made.keys()
    assert entries(pkgs) == []
    assert not list(pkgs.glob(".ucenv*"))


def test_what_a_killed_process_left_is_no_package(cluster: Cluster) -> None:
    """conda takes each directory of a cache that has an info/index.json for a package."""
    cluster.create("one", "odd-files")
    staging = cluster.pkgs / f"{STAGING_PREFIX}another-host.1.abcd"
    shutil.copytree(cluster.pkgs / "odd-files-1.0-h7777777_0", staging / NUMPY.stem, symlinks=True)
    cached = json.loads(cluster.conda("clean", "--packages", "--dry-run", "--json").stdout)
    assert str(STAGING_PREFIX) not in json.dumps(cached)
    cluster.create("two", "numpyish=1.0")
    assert entries(cluster.pkgs) == [NUMPY.stem, "odd-files-1.0-h7777777_0"]
    assert staging.is_dir()  # of another host's process, which may live


def test_a_fault_of_ours_is_one_line(cluster: Cluster) -> None:
    fault = cluster.space / "fault"
    fault.mkdir()
    (fault / "sitecustomize.py").write_text(
        "import sys\n"
        "import userconda.conda_plugin\n"
        "class Broken:\n"
        "    def __getattr__(self, name): raise ZeroDivisionError('ours')\n"
        "sys.modules['userconda.seed'] = Broken()\n"
    )
    prefix = cluster.space / "envs/one"
    done = cluster.conda("create", *cluster.words(prefix), "numpyish=1.0", variables={"PYTHONPATH": str(fault)})
    assert [line for line in done.stderr.splitlines() if line.startswith("ucenv: ")] == [
        "ucenv: the package cache was left as it is: ZeroDivisionError('ours')"
    ]
    assert (prefix / "lib/numpyish/core.py").exists()
    (fault / "sitecustomize.py").write_text("import sys\nsys.modules['userconda.conda_plugin.actions'] = None\n")
    prefix = cluster.space / "envs/two"
    done = cluster.conda("create", *cluster.words(prefix), "numpyish=1.0", variables={"PYTHONPATH": str(fault)})
    assert "ucenv: the plugin does not work with this conda" in done.stderr
    assert (prefix / "lib/numpyish/core.py").exists()


# thin clones --------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(cluster: Cluster) -> tuple[Path, Path]:
    """A thin clone of the administrator's environment, and a copy; their paths are equally long."""
    envs = cluster.space / "envs"
    variables = {"UCENV_ROOT": str(cluster.space)}
    cluster.conda("ucenv", "clone", "site", "thin", "--thin", variables=variables)
    cluster.conda("ucenv", "clone", "site", "full", "--link-mode", "copy", "-y", variables=variables)
    assert (envs / "thin/lib/numpyish").is_symlink()
    return envs / "thin", envs / "full"


def change(cluster: Cluster, command: str, prefix: Path, *words: str, code: int = 0) -> str:
    done = cluster.conda(command, *cluster.words(prefix), *words, code=code)
    return done.stdout + done.stderr


def content(prefix: Path) -> dict[str, bytes]:
    """What is read by each path of an environment, through whatever links; its own path in it is PREFIX."""
    found = {}
    for directory, _, names in os.walk(prefix, followlinks=True):
        for name in names:
            path = Path(directory, name)
            relative = str(path.relative_to(prefix))
            if path.exists() and "__pycache__" not in relative and not relative.startswith("conda-meta/"):
                data = path.read_bytes().replace(os.fsencode(prefix), b"PREFIX")
                found[relative] = data.replace(str(prefix).encode("utf-16-le"), b"PREFIX")
    return found


def packages(cluster: Cluster, prefix: Path) -> list[tuple[str, str]]:
    listed = json.loads(cluster.conda("list", "--json", "--prefix", prefix).stdout)
    return [(record["name"], record["version"]) for record in listed]


STEPS = {
    "install": [("install", "neighbour")],
    "update": [("install", "numpyish=2.0")],
    "remove": [("remove", "numpyish")],
    "force": [("install", "--force-reinstall", "numpyish=1.0")],
    "rollback": [("install", "numpyish=2.0", "neighbour"), ("install", "--revision", "0")],
    "python": [("remove", "--force", "python")],
    "noarch": [("install", "odd-upgraded"), ("remove", "odd-python")],
    "library": [("install", "zlibish=2.0")],
    "twice": [("install", "neighbour"), ("install", "numpyish=2.0"), ("remove", "neighbour")],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_conda_does_in_a_thin_clone_what_it_does_in_a_copy(
    cluster: Cluster, pair: tuple[Path, Path], steps: list[tuple[str, ...]]
) -> None:
    for command, *words in steps:
        for prefix in pair:
            output = change(cluster, command, prefix, *words)
            assert "ucenv: " not in output
    thin, full = pair
    assert packages(cluster, thin) == packages(cluster, full)
    assert content(thin) == content(full)
    assert any(path.is_symlink() for path in (thin / "lib").iterdir())


def test_env_update(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    channel = (cluster.directory / "channel").as_uri()
    file = cluster.space / "environment.yml"
    file.write_text(f"channels: [{channel}, nodefaults]\ndependencies: [numpyish=2.0, neighbour]\n")
    for prefix in pair:
        cluster.conda("env", "update", "--prefix", prefix, "--file", file)
    thin, full = pair
    assert packages(cluster, thin) == packages(cluster, full)
    assert ("numpyish", "2.0") in packages(cluster, thin)
    assert content(thin) == content(full)


def test_where_conda_uses_threads(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    variables = {"CONDA_EXECUTE_THREADS": "4", "CONDA_VERIFY_THREADS": "4"}
    for prefix in pair:
        done = cluster.conda("install", *cluster.words(prefix), "numpyish=2.0", "zlibish=2.0", variables=variables)
        assert done.stderr == ""
    assert content(pair[0]) == content(pair[1])


def test_a_parent_that_lost_a_directory(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """What leads nowhere is no reason to refuse: conda can still remove the package."""
    thin = pair[0]
    parent = cluster.root / "envs/site/lib"
    status = parent.stat()
    (parent / "scipyish").rename(parent / "away")
    try:
        output = change(cluster, "remove", thin, "scipyish")
    finally:
        (parent / "away").rename(parent / "scipyish")
        os.utime(parent, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "ucenv: " in output
    assert "scipyish" not in dict(packages(cluster, thin))


def test_what_is_left_of_a_parent_is_thawed(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """One of a package's directories is gone, and deep in another is one where the user may remove files."""
    thin, site = pair[0], cluster.root / "envs/site"
    assert (thin / "libexec/scipyish").is_symlink()
    with left_as_it_was(site / "libexec", site / "lib/scipyish/deep"):
        (site / "libexec/scipyish").rename(site / "libexec/away")
        (site / "lib/scipyish/deep").chmod(0o777)
        try:
            output = change(cluster, "remove", thin, "scipyish")
            assert (site / "lib/scipyish/deep/data.txt").exists()
        finally:
            (site / "lib/scipyish/deep").chmod(0o755)
            (site / "libexec/away").rename(site / "libexec/scipyish")
    assert "ucenv: " in output
    assert "scipyish" not in dict(packages(cluster, thin))


@contextlib.contextmanager
def left_as_it_was(*paths: Path) -> Iterator[None]:
    """Their times."""
    before = [path.stat() for path in paths]
    yield
    for path, status in zip(paths, before, strict=True):
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_administrator_updated_the_parent(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """What a package's new version took the place of: the old one can be updated and removed in a thin clone."""
    thin = pair[0]
    core = cluster.root / "envs/site/lib/numpyish/core.py"
    before = core.read_bytes()
    with left_as_it_was(core):
        core.write_bytes(b"VALUE = 9\n" * 3000)
        try:
            assert "are not what the clone's records say" in change(cluster, "install", thin, "neighbour", code=1)
            change(cluster, "install", thin, "numpyish=2.0")
            assert core.read_bytes() == b"VALUE = 9\n" * 3000
        finally:
            core.write_bytes(before)
    assert (thin / "lib/numpyish/core.py").read_bytes() == b"VALUE = 2\n" * 3000


def test_records_that_lead_nowhere_are_said(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """conda itself ends with a traceback on them."""
    thin = pair[0]
    record = thin / "conda-meta/zlibish-1.0-0.json"
    assert record.is_symlink()
    there = Path(os.readlink(record))
    with left_as_it_was(there.parent):
        there.rename(there.with_suffix(".away"))
        try:
            for command in ("list", "install", "remove", "update"):
                words = ["list", "-p", thin] if command == "list" else [command, *cluster.words(thin), "zlibish"]
                done = cluster.conda(*words, code=1)
                assert f"CondaError: ucenv: {thin} is a thin clone, and what its links lead to is gone" in done.stderr
                assert "Traceback" not in done.stderr
            done = cluster.conda("env", "remove", "-y", "-p", thin, code=1)
            assert f"rm -rf {thin}" in done.stderr
            done = cluster.conda("ucenv", "clone", thin, "again", code=18, variables={"UCENV_ROOT": str(cluster.space)})
            assert "conda-meta/zlibish" in done.stderr
            record.unlink()
            change(cluster, "install", thin, "zlibish=1.0")
        finally:
            there.with_suffix(".away").rename(there)
    assert packages(cluster, thin) == packages(cluster, pair[1])
    assert content(thin) == content(pair[1])


def test_only_what_changes_is_thawed(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    thin = pair[0]
    change(cluster, "install", thin, "neighbour")
    directory = thin / "lib/numpyish"
    assert not directory.is_symlink()
    assert (directory / "big.dat").is_symlink()
    assert (thin / "lib/scipyish").is_symlink()
    before = manifest(thin / "lib")
    change(cluster, "install", thin, "odd-generic")
    assert diff(before, manifest(thin / "lib")) == []


def test_what_reaches_a_changed_library_is_thawed(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """Through the link its $ORIGIN is the parent's, and it would load the parent's library."""
    thin = pair[0]
    assert (thin / "lib/scipyish").is_symlink()
    change(cluster, "install", thin, "zlibish=2.0")
    assert not (thin / "lib/scipyish").is_symlink()
    assert not (thin / PLUGIN).is_symlink()
    assert (thin / "lib/scipyish/_other.so").is_symlink()
    assert (thin / "lib/scipyish/data.txt").is_symlink()
    assert (thin / "lib/libzish.so.1").read_bytes().endswith(b"2.0")


def test_a_transaction_that_fails_leaves_what_was_there(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    """conda takes its own steps back; what was thawed for them stays so and is the same to read."""
    thin = pair[0]
    before = content(thin)
    output = change(cluster, "install", thin, "failing", "numpyish=2.0", code=1)
    assert "Rolling back transaction" in output
    assert content(thin) == before
    change(cluster, "install", thin, "numpyish=2.0")
    assert dict(packages(cluster, thin))["numpyish"] == "2.0"


def test_a_parent_that_can_be_written_is_a_refusal(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    thin = pair[0]
    parent = cluster.root / "envs/site/lib/numpyish"
    before = manifest(cluster.root / "envs/site"), content(thin)
    parent.chmod(0o777)
    try:
        for checks in ("warn", "disabled"):
            variables = {"CONDA_SAFETY_CHECKS": checks}
            words = ["remove", *cluster.words(thin), "numpyish"]
            done = cluster.conda(*words, code=1, variables=variables)
            assert "ucenv: " in done.stderr
            assert "is a thin clone, and you may write where its links lead" in done.stderr
    finally:
        parent.chmod(0o755)
    assert (manifest(cluster.root / "envs/site"), content(thin)) == before
    change(cluster, "remove", thin, "numpyish")


def test_root_is_refused(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    done = cluster.conda("remove", *cluster.words(pair[0]), "numpyish", user=User("root", 0, 0), code=1)
    assert "is a thin clone, and you may write where its links lead" in done.stderr
    assert (pair[0] / "lib/numpyish/core.py").exists()


def test_a_thaw_that_fails_ends_the_transaction(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    thin = pair[0]
    before = content(thin)
    shutil.rmtree(cluster.space / ".ucenv", ignore_errors=True)
    for name in (".ucenv", f".ucenv-{USER.uid}"):  # where a thaw is prepared: no directory can be made there
        (cluster.space / name).touch()
    output = change(cluster, "remove", thin, "numpyish", code=1)
    assert "ucenv: " in output
    assert content(thin) == before


def test_a_dry_run_thaws_nothing(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    before = manifest(pair[0])
    cluster.conda("remove", *cluster.words(pair[0]), "--dry-run", "numpyish", code=0)
    assert diff(before, manifest(pair[0])) == []


def test_the_whole_environment_is_removed(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    for prefix in pair:
        cluster.conda("env", "remove", "--yes", "--quiet", "--prefix", prefix)
        assert not prefix.exists()


# costs --------------------------------------------------------------------------------------------------------------


def test_loading_the_plugin_imports_next_to_nothing(installed: Cluster) -> None:
    code = (
        "import sys; from conda.plugins.manager import get_plugin_manager; before = set(sys.modules);"
        "manager = get_plugin_manager();"
        "print([name for name in sys.modules if name.partition('.')[0] == 'userconda'])"
    )
    done = run_as(USER, [installed.root / "bin/python", "-c", code], env={"CONDARC": os.devnull})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['userconda', 'userconda.conda_plugin']"


def test_removing_everything_needs_no_inode(cluster: Cluster, pair: tuple[Path, Path], small_disk: Path) -> None:
    """The user whose inodes are used up is the one who removes environments."""
    thin = small_disk / "envs/thin"
    os.chown(small_disk, USER.uid, USER.gid)
    cluster.conda("ucenv", "clone", "site", "--prefix", thin, "--thin", variables={"UCENV_ROOT": str(cluster.space)})
    spare = 4  # conda writes a file or two of its own
    for number in range(os.statvfs(small_disk).f_favail - spare):
        (small_disk / f"filler-{number}").touch()
    done = cluster.conda("env", "remove", "--yes", "--quiet", "--prefix", thin)
    assert "ucenv: " not in done.stderr
    assert not thin.exists()


def test_a_removal_of_everything_that_fails_leaves_it_thin(cluster: Cluster, pair: tuple[Path, Path]) -> None:
    thin, full = pair
    before = packages(cluster, thin)
    links = {path for path in thin.rglob("*") if path.is_symlink() and path.is_dir()}
    fixed = next(path for path in (thin / "bin").iterdir() if not path.is_symlink())
    subprocess.run(["chattr", "+i", fixed], check=True)
    try:
        cluster.conda("remove", "--yes", "--quiet", "--all", "--prefix", thin, code=1)
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    fixed.with_name(f"{fixed.name}.c~").unlink()  # conda copies what it cannot rename, and leaves the copy
    assert {path for path in thin.rglob("*") if path.is_symlink() and path.is_dir()} == links
    assert packages(cluster, thin) == before
    assert content(thin) == content(full)
