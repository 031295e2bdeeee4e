"""From an empty directory to `module load`, and on: the site's file changes, and the conda follows it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modules.systems import SYSTEMS, ModuleSystem
from tests.site.centre import real_conda
from tests.site.cluster import Cluster, make_cluster
from tests.support import Unavailable
from tests.support.filesystems import scratch_directory
from tests.support.manifest import diff, manifest
from tests.support.users import two_users

GROUP = """
[[environments]]
name = "py{{python}}_powerai_{{powerai}}"
module = "python{{python}}/powerai_{{powerai}}"
matrix = {{ python = ["3"], powerai = [{versions}] }}
packages = ["powerai={{powerai}}", "python"]

[[package_modules]]
package = "tensorflow"
module = "tensorflow-py{{python}}/{{version}}"
family = "package"
"""


@pytest.fixture(scope="module", params=["stand-in", "real conda"])
def site(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """After `init`, an editor, `configure`, `environments` and `modules`."""
    real = real_conda() if request.param == "real conda" else None
    administrator, user = two_users()
    with scratch_directory() as directory:
        cluster = make_cluster(directory, administrator, user, real)
        theirs(cluster)
        before = manifest(cluster.root)
        assert ok(cluster, "ucenv site init").startswith(f"{cluster.file} written")
        edit(cluster, ["1.7.0", "1.6.2"])
        to_do = cluster.as_administrator("ucenv site check")
        assert to_do.returncode == 1, to_do.stdout
        for word in ("ucenv site configure", "ucenv site environments", "py3_powerai_1.7.0 is missing"):
            assert word in to_do.stdout
        for command in ("configure", "environments", "modules"):
            dry = ok(cluster, f"ucenv site {command} --dry-run")
            assert dry, command
        added = ["added: 'etc/ucenv'", "added: 'etc/ucenv/site.toml'"]
        assert diff(before, manifest(cluster.root), ignoring=["mtime_ns"]) == added
        for command in ("configure", "environments", "modules"):
            ok(cluster, f"ucenv site {command}")
        yield cluster


def edit(cluster: Cluster, versions: list[str]) -> None:
    """What an administrator changes in the file that `init` has written."""
    text = re.split(r'\n# A matrix:|\n\[\[environments\]\]\nname = "py\{', cluster.file.read_text())[0]
    changes = {
        r'root = "\$SCRATCH/conda_local"': 'root = "$SCRATCH/conda_local"',
        r"# default_threads = 4": "default_threads = 4\noffline = true" + "\nsolver = 'classic'" * cluster.real,
        r"# channels = .*": f'channels = ["{cluster.channel.as_uri()}"]',
        r'# channel_priority = "strict"': 'channel_priority = "strict"',
        r"# cudatoolkit = .*": 'cudatoolkit = "<10.3"',
        r"# tree = \S+": f'tree = "{cluster.tree}"',
        r"# defaults = \S+": 'defaults = ["python3/powerai_1.7.0"]',
        r'version = "0"': 'version = "4.8.3"',
    }
    for pattern, value in changes.items():
        text = re.sub(rf"^{pattern}", lambda match, value=value: value, text, flags=re.M)
    text += GROUP.format(versions=", ".join(f'"{version}"' for version in versions))
    cluster.file.write_text(text)


def theirs(cluster: Cluster) -> list[Path]:
    """What somebody else has put where ucenv works: another's modules, an environment by hand, settings of conda's."""
    files = {
        cluster.tree / "gcc/12.2.0.lua": 'help("not ours")\n',
        cluster.tree / "python3/notes.txt": "not ours, beside ours\n",
        cluster.root / "envs/by_hand/conda-meta/history": "==> 2020-01-01 00:00:00 <==\n",
        cluster.root / "etc/motd": "welcome\n",
    }
    for path, text in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            for made in (path, path.parent, path.parent.parent):
                os.chown(made, cluster.administrator.uid, cluster.administrator.gid)
    return list(files)


def known_by(paths: list[Path]) -> dict[Path, tuple[object, ...]]:
    return {path: ((s := path.stat()).st_ino, s.st_mtime_ns, s.st_mode, path.read_bytes()) for path in paths}


def ok(cluster: Cluster, script: str) -> str:
    done = cluster.as_administrator(script)
    assert done.returncode == 0, f"{script}: {done.stdout}"
    return done.stdout


def differences(cluster: Cluster) -> str:
    done = cluster.as_administrator("ucenv site check")
    assert done.returncode == (0 if " is as " in done.stdout else 1), done.stdout
    return "" if done.returncode == 0 else done.stdout


SESSION = """
{start}
look() {{ /usr/bin/env -0 | grep -zvE '^({keeps})=' | sort -z; declare -f; alias; set +o; shopt; echo "<$PS1>"; }}
look >before
module load {module} || exit 11
echo "loaded $CONDA_DEFAULT_ENV $POWERAI_VERSION $(command -v python)"
echo "finds $CONDA_ENVS_PATH"
ucenv clone -q -y py3_powerai_1.7.0 {clone} || exit 12
{activate} {clone} || exit 13
echo "active $CONDA_DEFAULT_ENV $POWERAI_VERSION $(python)"
look >loaded
module unload {module} || exit 14
look >after
cmp -s before loaded && exit 15
cmp before after || {{ diff before after; exit 16; }}
echo exact
"""


@pytest.fixture(params=SYSTEMS, ids=str)
def system(request: pytest.FixtureRequest) -> ModuleSystem:
    made: ModuleSystem = request.param
    assert made.program
    return made


def session(
    cluster: Cluster, system: ModuleSystem, clone: str, module: str = "python3/powerai_1.7.0", **how: str
) -> subprocess.CompletedProcess[str]:
    words = {"activate": "ucenv activate", **how}
    text = SESSION.format(
        start=cluster.start_of(system), keeps="|".join(system.keeps), module=module, clone=clone, **words
    )
    return cluster.as_user(f"cd $HOME\n{text}")


def assert_used(cluster: Cluster, done: subprocess.CompletedProcess[str], clone: str) -> None:
    assert done.returncode == 0, done.stdout
    system, space = cluster.prefix("py3_powerai_1.7.0"), cluster.scratch / "conda_local"
    lines = [line for line in done.stdout.splitlines() if line.partition(" ")[0] in ("loaded", "finds", "active")]
    assert lines[0] == f"loaded py3_powerai_1.7.0 1.7.0 {system}/bin/python"
    assert lines[1] == f"finds {space}/envs:{cluster.root}/envs"
    assert lines[2].startswith(f"active {clone} 1.7.0 Python ")
    assert lines[2].rstrip().endswith(f"at {space}/envs/{clone}/bin/python")
    assert done.stdout.endswith("exact\n")


def test_the_site_is_as_its_file_says(site: Cluster) -> None:
    assert differences(site) == ""
    for command in ("configure", "environments", "modules"):
        assert "nothing to do" in ok(site, f"ucenv site {command}")
    for name, version in (("py3_powerai_1.7.0", "2.1.0"), ("py3_powerai_1.6.2", "2.0.0")):
        assert (site.prefix(name) / "share/tensorflow/version.txt").read_text() == f"{version}\n"
        assert "cudatoolkit <10.3" in (site.prefix(name) / "conda-meta/pinned").read_text()
    refused = site.as_user(f"{site.root}/bin/ucenv site configure --dry-run && {site.root}/bin/ucenv site check")
    assert refused.returncode == 0, f"who only reads may look: {refused.stdout}"


def test_a_researcher_uses_it(site: Cluster, system: ModuleSystem) -> None:
    clone = f"mine-{system.name.partition(' ')[0]}"
    assert_used(site, session(site, system, clone), clone)


def test_condas_own_activation_on_top(site: Cluster, system: ModuleSystem) -> None:
    if not site.real:
        raise Unavailable("the stand-in has no `conda activate`")
    clone = f"condas-{system.name.partition(' ')[0]}"
    assert_used(site, session(site, system, clone, activate="conda activate"), clone)


def test_by_its_default_and_by_a_package(site: Cluster, system: ModuleSystem) -> None:
    for module in ("python3", "tensorflow-py3/2.1.0"):
        clone = f"by-{module.partition('/')[0]}-{system.name.partition(' ')[0]}"
        assert_used(site, session(site, system, clone, module), clone)


def test_the_file_changes_and_the_conda_follows(site: Cluster, system: ModuleSystem) -> None:
    """A version comes, another goes; each command mends its part, and nothing of anybody else's is touched."""
    others = known_by(theirs(site))
    gone = site.prefix("py3_powerai_1.6.2")
    kept = manifest(gone)
    edit(site, ["1.7.0", "1.6.1"])
    try:
        said = differences(site)
        assert "py3_powerai_1.6.1 is missing" in said
        assert "python3/powerai_1.6.2.lua: no longer in site.toml" in said
        assert "1.7.0" not in said
        assert "py3_powerai_1.6.1: made" in ok(site, "ucenv site environments")
        said = differences(site)
        assert "py3_powerai_1.6.1 is missing" not in said
        assert "python3/powerai_1.6.1.lua: missing" in said
        written = ok(site, "ucenv site modules")
        for line in ("written: python3/powerai_1.6.1", "removed: python3/powerai_1.6.2"):
            assert line in written
        assert differences(site) == ""
        assert known_by(theirs(site)) == others
        assert manifest(gone) == kept, "an environment that the file names no more is not removed: users have clones"
        clone = f"later-{system.name.partition(' ')[0]}"
        assert_used(site, session(site, system, clone), clone)
        done = site.as_user(f"{site.start_of(system)}\nmodule load python3/powerai_1.6.2 && echo loaded")
        assert "loaded" not in done.stdout.splitlines(), "its module is gone"
    finally:
        edit(site, ["1.7.0", "1.6.2"])
        ok(site, f"rm -rf {site.prefix('py3_powerai_1.6.1')} && ucenv site environments && ucenv site modules")
    assert differences(site) == ""


def test_a_mistake_writes_nothing(site: Cluster) -> None:
    text, before = site.file.read_text(), manifest(site.root)
    trees = known_by([path for path in site.tree.rglob("*") if path.is_file()])
    site.file.write_text(text.replace('python = ["3"]', "python = [3]").replace("default_threads", "default_thread"))
    line = text[: text.index('python = ["3"]')].count("\n") + 1
    try:
        for command in ("configure", "environments", "modules", "check", "package --format tar", "users"):
            done = site.as_administrator(f"ucenv site {command}")
            assert (done.returncode, f"line {line}: " in done.stdout) == (2, True), f"{command}: {done.stdout}"
            assert "a version in quotes is wanted" in done.stdout
    finally:
        site.file.write_text(text)
    changed = [line for line in diff(before, manifest(site.root)) if "site.toml" not in line]
    assert changed == []
    assert known_by([path for path in site.tree.rglob("*") if path.is_file()]) == trees
