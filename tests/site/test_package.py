"""`ucenv site package`: what is in an rpm, a deb and a tar, and that a module loads from where one was installed."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster, Run
from tests.modules.conftest import ModuleSite, build_modules, module, start
from tests.modules.systems import SYSTEMS, ModuleSystem
from tests.modules.test_exactness import A, assert_quiet, assert_undone
from tests.shells.dialects import BASH
from tests.shells.harness import Look, run
from tests.support import Unavailable
from userconda.errors import SiteFileInvalid, UsageError
from userconda.site.definition import parse_site
from userconda.site.package import FORMATS, build, plan_package

NEEDS = {"rpm": ("rpmbuild", "rpm", "rpm2cpio", "cpio"), "deb": ("dpkg-deb", "dpkg"), "tar": ("tar",)}
EPOCH = "1600000000"


def need(kind: str) -> None:
    for program in NEEDS[kind]:
        if shutil.which(program) is None:
            raise Unavailable(f"needs {program}", tool=program)


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


def definition(ucenv: Cluster) -> Path:
    return ucenv.site.conda.root / "etc/ucenv/site.toml"


def packed(ucenv: Cluster, kind: str, *words: str) -> Run:
    done = ucenv("site", "package", "--format", kind, "--output", str(ucenv.site.tmp / "out"), "--json", *words)
    assert done.code == 0, done.out
    return done


def command(*words: str | Path, **options: object) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done
    text: str = done.stdout.decode()
    return text


def unpack(package: Path, root: Path) -> None:
    """As the format's own tools do it for everybody."""
    root.mkdir()
    if package.suffix == ".deb":
        command("dpkg-deb", "-x", package, root)
    elif package.suffix == ".rpm":
        cpio = subprocess.run(["rpm2cpio", package], capture_output=True, check=True).stdout
        command("cpio", "-id", "--quiet", cwd=root, input=cpio)
    else:
        command("tar", "-xf", package, "-C", root)


def files_below(root: Path) -> dict[str, str]:
    return {f"/{path.relative_to(root)}": path.read_text() for path in root.rglob("*") if path.is_file()}


# what is in it --------------------------------------------------------------------------------------------------


def test_packed_is_what_the_file_asks_for(ucenv: Cluster, kind: str) -> None:
    """Not what lies in the tree: something of somebody else's, something out of date, or nothing yet."""
    tree = ucenv.site.tmp / "modulefiles"
    (tree / "conda").mkdir(parents=True)
    (tree / "conda/4.8.3").write_text("#%Module1.0\n# by hand\n")
    (tree / "theirs").write_text("#%Module1.0\n")
    result = packed(ucenv, kind).json["result"]
    unpack(Path(result["path"]), ucenv.site.tmp / "root")
    found = files_below(ucenv.site.tmp / "root")
    shutil.rmtree(tree)
    assert ucenv("site", "modules").code == 0
    assert found == {str(path): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert result["files"] == sorted(found)
    assert result["action"] == "written"


def test_all_is_roots_and_of_one_time(ucenv: Cluster, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    mask = os.umask(0o077)
    try:
        package = Path(packed(ucenv, kind).json["result"]["path"])
    finally:
        os.umask(mask)
    if kind == "rpm":
        asked = "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMTIMES}\\n]"
        lines = command("rpm", "-qp", "--qf", asked, package).splitlines()
        assert {*lines} == {f"{mode} root root {EPOCH}" for mode in ("-rw-r--r--", "drwxr-xr-x")}
        facts = command("rpm", "-qp", "--qf", "%{ARCH} %{BUILDHOST} %{BUILDTIME}", package)
        assert facts == f"noarch localhost {EPOCH}"
        return
    data = package.read_bytes()
    if kind == "deb":
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = archive.getmembers()
    assert {(e.uname or "root", e.uid, e.gname or "root", e.gid, e.mtime) for e in entries} == {
        ("root", 0, "root", 0, int(EPOCH))
    }
    assert {(e.isdir(), e.mode) for e in entries} == {(True, 0o755), (False, 0o644)}


def test_a_tar_says_nothing_of_directories_above_the_tree(ucenv: Cluster) -> None:
    with tarfile.open(packed(ucenv, "tar").json["result"]["path"]) as archive:
        directories = [entry.name for entry in archive if entry.isdir()]
    tree = f"{ucenv.site.tmp}/modulefiles"[1:]
    assert directories == [f"{tree}/conda", f"{tree}/python3"]


def test_twice_the_same_bytes(ucenv: Cluster, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At another time, with other settings of the packager's own."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    path = Path(packed(ucenv, kind).json["result"]["path"])
    first = path.read_bytes()
    home = Path(ucenv.environment["HOME"])
    (home / ".rpmmacros").write_text("%_buildhost elsewhere\n%dist .mine\n%_binary_payload w1.gzdio\n")
    time.sleep(1.1)
    assert packed(ucenv, kind).json["result"]["action"] == "same"
    path.write_bytes(b"half")
    assert packed(ucenv, kind).json["result"]["action"] == "replaced"
    assert path.read_bytes() == first
    text = ucenv("site", "package", "--format", kind, "--output", str(path.parent)).out
    assert text.startswith(f"{path}: nothing to do: it is there already, 4 files for ")
    assert os.listdir(path.parent) == [path.name]


def test_a_dry_run_writes_nothing(ucenv: Cluster, kind: str) -> None:
    run = ucenv("site", "package", "--format", kind, "--dry-run", "--output", str(ucenv.site.tmp / "out"))
    assert not (ucenv.site.tmp / "out").exists()
    assert f"  {ucenv.site.tmp}/modulefiles/python3/powerai_1.7.0.lua\n" in run.out
    assert run.out.startswith(f"would be written: {ucenv.site.tmp}/out/ucenv-modules")


# versions -------------------------------------------------------------------------------------------------------


def is_later(kind: str, version: str, before: str) -> bool:
    if kind == "deb":
        return subprocess.run(["dpkg", "--compare-versions", version, "gt", before]).returncode == 0
    return command("rpm", "--eval", f"%{{lua: print(rpm.vercmp('{version}', '{before}'))}}").strip() == "1"


@pytest.mark.parametrize("kind", ["rpm", "deb"])
def test_each_change_is_a_later_version(ucenv: Cluster, kind: str) -> None:
    need(kind)
    before = packed(ucenv, kind).json["result"]
    changes: list[Callable[[], object]] = [
        lambda: definition(ucenv).write_text(definition(ucenv).read_text() + "\n"),
        lambda: (ucenv.site.conda.root / "envs/py3_powerai_1.7.0/conda-meta/more-1-0.json").write_text("{}"),
        lambda: (ucenv.site.conda.root / "envs/other").mkdir(),
        lambda: os.utime(definition(ucenv), (1, 1)),  # an older file in its place is a change too
    ]
    for change in changes:
        time.sleep(1.1)
        change()
        result = packed(ucenv, kind).json["result"]
        assert is_later(kind, f"{result['version']}-{result['release']}", f"{before['version']}-{before['release']}")
        before = result


def test_versions_of_the_sites_own(ucenv: Cluster, kind: str) -> None:
    with definition(ucenv).open("a") as stream:
        stream.write('[package]\nname = "site-modules"\nversion = "2026.11"\nrelease = "3~rc1"\n')
        stream.write('maintainer = "HPC <hpc@example.org>"\n')
    path = packed(ucenv, kind).json["result"]["path"]
    name = os.path.basename(path)
    assert name.startswith(("site-modules-2026.11-3~rc1", "site-modules_2026.11-3~rc1"))
    if kind == "deb":
        asked = command("dpkg-deb", "-f", path, "Package", "Version", "Maintainer", "Architecture")
        assert asked.split("\n")[:4] == [
            "Package: site-modules",
            "Version: 2026.11-3~rc1",
            "Maintainer: HPC <hpc@example.org>",
            "Architecture: all",
        ]
    if kind == "rpm":
        assert command("rpm", "-qp", "--qf", "%{NEVRA} %{PACKAGER}", path) == (
            "site-modules-2026.11-3~rc1.noarch HPC <hpc@example.org>"
        )


@pytest.mark.parametrize(("conda", "version"), [("23.1.0-1_x", "23.1.0.1.x"), ("py39_4.9", "0.py39.4.9")])
def test_a_condas_version_becomes_one_of_theirs(conda: str, version: str) -> None:
    site = parse_site(
        f'[conda]\nroot = "/nowhere"\nversion = "{conda}"\n[modules]\ntree = "/t"\n', "/nowhere/site.toml"
    )
    assert plan_package(site, "deb", source_date_epoch=EPOCH).version == version


# what nothing may lead out of -----------------------------------------------------------------------------------

HOSTILE = (
    "%(touch {canary}) %{{lua: os.execute('touch {canary}')}} $(touch {canary}) `touch {canary}` %% %install \\ \""
)


@pytest.mark.parametrize("kind", ["rpm", "deb"])
def test_no_text_is_a_macro_or_a_field(tmp_path: Path, kind: str) -> None:
    need(kind)
    canary = tmp_path / "canary"
    hostile = HOSTILE.format(canary=canary)
    root = f"/nowhere/{hostile.replace(':', '')}"
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in (root, hostile)]
    site = parse_site(
        f'[conda]\nroot = "{quoted[0]}"\nversion = "1"\n[modules]\ntree = "/opt/modulefiles"\n'
        f'[package]\nmaintainer = "{quoted[1]} <a@b>"\n',
        "site.toml",
    )
    package = tmp_path / f"made.{kind}"
    package.write_bytes(build(plan_package(site, kind, source_date_epoch=EPOCH), os.environ["PATH"]))
    if kind == "deb":
        asked = [command("dpkg-deb", "-f", package, field) for field in ("Maintainer", "Description")]
        fields = re.findall(r"^\S+(?=:)", command("dpkg-deb", "-f", package), re.MULTILINE)
        wanted = ["Architecture", "Description", "Maintainer", "Package", "Priority", "Section", "Version"]
        assert sorted(fields) == wanted
    else:
        asked = [command("rpm", "-qp", "--qf", f"%{{{tag}}}", package) for tag in ("PACKAGER", "SUMMARY")]
        assert command("rpm", "-qp", "--scripts", package) == ""
    assert asked[0].rstrip("\n") == f"{hostile} <a@b>"
    assert asked[1].rstrip("\n") == f"Environment modules for the conda in {os.path.normpath(root)}"
    assert not canary.exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('maintainer = "a <a@b>\\nPre-Depends: x"', "without control characters"),
        ('maintainer = "nobody"', "'Name <mail@example.org>' is wanted"),
        ('name = "Modules%(x)"', "small letters"),
        ('version = "1-2"', "a version in quotes"),
        ('release = "%{x}"', "a version in quotes"),
        ("version = 1.10", "a version in quotes"),
    ],
)
def test_what_is_no_field_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(SiteFileInvalid) as caught:
        parse_site(f'[conda]\nroot = "/x"\nversion = "1"\n[package]\n{line}\n', "site.toml")
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [(5, f"package.{line.split()[0]}")]
    assert said in caught.value.problems[0].text


@pytest.mark.parametrize(("kind", "tree"), [("rpm", "/opt/a b"), ("rpm", "/opt/%{x}"), ("deb", "/DEBIAN")])
def test_a_path_that_cannot_be_said(kind: str, tree: str) -> None:
    site = parse_site(f'[conda]\nroot = "/nowhere"\nversion = "1"\n[modules]\ntree = "{tree}"\n', "site.toml")
    with pytest.raises(UsageError, match="cannot be in a package"):
        plan_package(site, kind, source_date_epoch=EPOCH)


@pytest.mark.parametrize(
    ("kind", "program", "package"), [("rpm", "rpmbuild", "rpm-build"), ("deb", "dpkg-deb", "dpkg")]
)
def test_a_program_that_is_missing_is_named(
    ucenv: Cluster, monkeypatch: pytest.MonkeyPatch, kind: str, program: str, package: str
) -> None:
    monkeypatch.setenv("PATH", str(ucenv.site.tmp))
    run = ucenv("site", "package", "--format", kind)
    assert (run.code, run.out) == (15, "")
    assert f"there is no {program}, which builds a package of the kind {kind}" in run.err
    assert f"it is in the package {package}" in run.err


def test_what_a_program_says_is_passed_on(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    program = ucenv.site.tmp / "bin/dpkg-deb"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no room' >&2\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    run = ucenv("site", "package", "--format", "deb", "--output", str(ucenv.site.tmp / "out"))
    assert (run.code, run.out) == (53, "")
    assert re.search(r"dpkg-deb ended with status 7:\n +no room", run.err)
    assert not (ucenv.site.tmp / "out").exists()


def test_an_epoch_that_is_none(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in ucenv("site", "package", "--format", "tar").err


# installed ------------------------------------------------------------------------------------------------------


def install(package: Path, root: Path) -> None:
    """Into a root directory, by the package manager itself."""
    if package.suffix == ".deb":
        (root / "var/lib/dpkg/updates").mkdir(parents=True, exist_ok=True)
        (root / "var/lib/dpkg/info").mkdir(exist_ok=True)
        (root / "var/lib/dpkg/status").touch()
        path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"}
        command("dpkg", f"--root={root}", "--force-not-root", "--force-script-chrootless", "-i", package, env=path)
    elif package.suffix == ".rpm":
        root.mkdir(exist_ok=True)
        command("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "-U", package)
    else:
        root.mkdir(exist_ok=True)
        command("tar", "-xf", package, "-C", root)


def package_of(modules: ModuleSite, kind: str, directory: Path, changed: Mapping[str, str] | None = None) -> Path:
    text = modules.definition
    for before, after in (changed or {}).items():
        assert before in text
        text = text.replace(before, after)
    plan = plan_package(parse_site(text, str(directory / "site.toml")), kind, source_date_epoch=EPOCH)
    path = directory / plan.file_name
    path.write_bytes(build(plan, os.environ["PATH"]))
    return path


@pytest.mark.root("package managers install as root")
@pytest.mark.parametrize("system", SYSTEMS, ids=str)
def test_a_module_loads_from_an_installed_package(tmp_path: Path, kind: str, system: ModuleSystem) -> None:
    assert system.program
    modules = build_modules(tmp_path)
    root = tmp_path / "node"
    install(package_of(modules, kind, tmp_path), root)
    shutil.rmtree(modules.tree)
    installed = root / str(modules.tree)[1:]
    steps = [
        start(system),
        Look("before"),
        module("load", "python3"),
        Look("loaded"),
        module("unload", A),
        Look("after"),
    ]
    outcome = run(BASH, steps, modules.start | {"MODULEPATH": str(installed)})
    assert_undone(outcome, system)
    assert_quiet(outcome)
    assert outcome["loaded"]["LOADEDMODULES"] == A
    assert outcome["loaded"]["CONDA_PREFIX"] == str(modules.prefix("py3_powerai_1.7.0"))


@pytest.mark.root("package managers install as root")
@pytest.mark.parametrize("kind", ["rpm", "deb"])
def test_an_upgrade_takes_away_what_is_no_more(tmp_path: Path, kind: str) -> None:
    need(kind)
    modules = build_modules(tmp_path)
    root = tmp_path / "node"
    install(package_of(modules, kind, tmp_path, {"[modules]": '[package]\nrelease = "1"\n[modules]'}), root)
    tree = root / str(modules.tree)[1:]
    assert (tree / "tensorflow-py3/2.1.0.lua").exists()
    later = {"[modules]": '[package]\nrelease = "2"\n[modules]', "tensorflow-py{python}": "tf-py{python}"}
    install(package_of(modules, kind, tmp_path, later), root)
    assert (tree / "tf-py3/2.1.0.lua").exists()
    assert not (tree / "tensorflow-py3").exists()
    assert (tree / "python3/powerai_1.7.0").exists()
