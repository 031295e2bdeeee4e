"""`ucenv site check`: silent where all is well, else what differs and the command that mends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cluster, Run
from tests.support import users
from userconda.site import settings
from userconda.site.check import check_site
from userconda.site.definition import parse_site

ENVIRONMENT = "py3_powerai_1.7.0"
ANOTHER = '[[environments]]\nname = "e"\nmodule = "e/1"\n'
TABLES = """\
[condarc]
default_threads = 4
channels = ["conda-forge"]
[pins]
cudatoolkit = "<10.3"
[modules]
tree = "{tree}"
defaults = ["python3/powerai_1.7.0"]
[[environments]]
name = "py3_powerai_1.7.0"
module = "python3/powerai_1.7.0"
"""


def root_of(ucenv: Cluster) -> Path:
    return ucenv.site.conda.root


def say(ucenv: Cluster, old: str = "", new: str = "") -> None:
    """site.toml, one text in it replaced."""
    tables = TABLES.replace("{tree}", str(ucenv.site.tmp / "modulefiles"))
    assert old in tables
    text = f'[conda]\nroot = "{root_of(ucenv)}"\nversion = "4.8.3"\n{tables.replace(old, new) if old else tables}'
    (root_of(ucenv) / "etc/ucenv/site.toml").write_text(text)


@pytest.fixture
def made(ucenv: Cluster) -> Cluster:
    """A site that is as its file says."""
    say(ucenv)
    for command in ("configure", "modules"):
        assert ucenv("site", command).code == 0
    return ucenv


def differences(run: Run) -> list[tuple[str, str, str]]:
    assert run.code == 1, run.out
    return [(found["area"], found["text"], found["mend"]) for found in run.json["result"]["differences"]]


def test_one_line_where_all_is_well(made: Cluster) -> None:
    run = made("site", "check")
    path = root_of(made) / "etc/ucenv/site.toml"
    assert (run.code, run.out, run.err) == (0, f"{root_of(made)} is as {path} says\n", "")
    assert made("site", "check", "--json").json["result"]["differences"] == []


def test_nothing_of_a_new_site_is_there_yet(ucenv: Cluster) -> None:
    say(ucenv)
    run = ucenv("site", "check")
    assert run.code == 1
    lines = run.out.splitlines()
    assert lines[0] == "configure: ucenv site configure"
    assert f"  set: {root_of(ucenv)}/.condarc: default_threads: 4" in lines
    assert f"  pinned: {root_of(ucenv)}/envs/{ENVIRONMENT}/conda-meta/pinned: cudatoolkit <10.3" in lines
    assert lines[lines.index("modules: ucenv site modules") + 1].endswith("modulefiles/conda/4.8.3: missing")
    assert re.search(r": \d+ differences from .*site\.toml$", lines[-1])


def test_it_writes_nothing_and_starts_nothing(ucenv: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    say(ucenv)
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in root_of(ucenv).rglob("*"))
    monkeypatch.setattr(settings, "Conda", lambda *_, **__: pytest.fail("a process was started"))
    assert ucenv("site", "check").code == 1
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in root_of(ucenv).rglob("*")) == before


def _append(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def _place(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


BREAKAGES: dict[str, tuple[Callable[[Cluster, Path], object], str, str, str]] = {
    "a setting changed by hand": (
        lambda ucenv, root: (root / ".condarc").write_text(
            (root / ".condarc").read_text().replace("threads: 4", "threads: 1")
        ),
        "configure", r"overwritten: .*/\.condarc: default_threads: 1 -> 4", "ucenv site configure",
    ),
    "a setting that is no more": (
        lambda ucenv, root: say(ucenv, "default_threads = 4\n"),
        "configure", r"removed: .*/\.condarc: default_threads: 4", "ucenv site configure",
    ),
    "a file that users cannot read": (
        lambda ucenv, root: (root / "bin/conda").chmod(0o700),
        "configure", r"opened: .*/bin/conda: 0700 -> 0755", "ucenv site configure",
    ),
    "what a killed run has left": (
        lambda ucenv, root: (root / f".condarc.{os.uname().nodename}.4194999.tmp").touch(),
        "configure", r"cleared: .*\.tmp: left by a run that was killed", "ucenv site configure",
    ),
    "a condarc that cannot be edited": (
        lambda ucenv, root: _append(root / ".condarc", "default_threads: 5\n"),
        "configure", r".*\.condarc, line \d+: default_threads is there twice", "the file was left as it is",
    ),
    "an environment that is not there": (
        lambda ucenv, root: say(ucenv, "[[env", f'{ANOTHER}packages = ["x"]\n[[env'),
        "environments", "e is missing", "ucenv site environments",
    ),
    "one that is to be made by hand": (
        lambda ucenv, root: say(ucenv, "[[env", f"{ANOTHER}[[env"),
        "environments", "e is missing .*by hand", "make it by hand, or take it out of site.toml: e",
    ),
    "one without a history": (
        lambda ucenv, root: (root / "envs" / ENVIRONMENT / "conda-meta/history").unlink(),
        "environments", f"{ENVIRONMENT} is no finished environment", "look at ",
    ),
    "one that lacks what was asked": (
        lambda ucenv, root: _append(root / "etc/ucenv/site.toml", 'packages = ["nothing-of-this-name"]\n'),
        "environments", f"{ENVIRONMENT} is not what was asked .*nothing-of-this-name", "remove it, then ucenv",
    ),
    "one that is not frozen": (
        lambda ucenv, root: _append(root / "etc/ucenv/site.toml", "freeze = true\n"),
        "environments", f"{ENVIRONMENT} is not frozen", "ucenv site environments",
    ),
    "half-made, and no longer wanted": (
        lambda ucenv, root: _place(root / "envs/.ucenv/making/old", "{}"),
        "environments", "old is half-made by an interrupted run, and no longer in site.toml", "rm -rf ",
    ),
    "on its way out": (
        lambda ucenv, root: (root / "envs/.ucenv/trash/old.17").mkdir(parents=True),
        "environments", ".*/trash/old.17 is left of an interrupted run", "rm -rf ",
    ),
    "a modulefile changed by hand": (
        lambda ucenv, root: _append(ucenv.site.tmp / "modulefiles/conda/4.8.3", "# mine\n"),
        "modules", ".*/conda/4.8.3: not as site.toml has it", "ucenv site modules",
    ),
    "a modulefile too many": (
        lambda ucenv, root: shutil.copy(
            ucenv.site.tmp / "modulefiles/conda/4.8.3", ucenv.site.tmp / "modulefiles/conda/4.8.2"
        ),
        "modules", ".*/conda/4.8.2: no longer in site.toml", "ucenv site modules",
    ),
    "somebody else's file in its place": (
        lambda ucenv, root: (ucenv.site.tmp / "modulefiles/conda/4.8.3").write_text("#%Module\n"),
        "modules", ".*that ucenv did not write for this conda:; +conda/4.8.3", "nothing was written; move them away",
    ),
    "a conda of another version": (
        lambda ucenv, root: (root / "conda-meta/conda-24.1.0-0.json").touch(),
        "conda", "the base module is conda/4.8.3, and .* has conda 24.1.0", "mend conda.version in site.toml",
    ),
    "no conda at all": (
        lambda ucenv, root: shutil.rmtree(root / "conda-meta"),
        "conda", ".* is no conda", "mend ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_differs_and_what_mends_it(made: Cluster, name: str) -> None:
    spoil, area, text, mend = BREAKAGES[name]
    spoil(made, root_of(made))
    found = differences(made("site", "check", "--json"))
    assert any(
        (where, how.startswith(mend)) == (area, True) and re.match(text, what, re.DOTALL) for where, what, how in found
    ), found
    said = made("site", "check")
    assert (said.code, said.err) == (1, "")
    assert f"{area}: {mend}" in said.out


@pytest.mark.parametrize(
    "name", [n for n, b in BREAKAGES.items() if b[3] in ("ucenv site configure", "ucenv site modules")]
)
def test_the_command_it_names_mends_it(made: Cluster, name: str) -> None:
    spoil, _, _, mend = BREAKAGES[name]
    spoil(made, root_of(made))
    assert made("site", "check").code == 1
    assert made(*mend.split()[1:]).code == 0
    assert made("site", "check").code == 0


def test_a_default_that_there_is_no_module_of(made: Cluster) -> None:
    _append(
        root_of(made) / "etc/ucenv/site.toml",
        '[[package_modules]]\npackage = "no-such"\nmodule = "tf/{version}"\n',
    )
    text = (root_of(made) / "etc/ucenv/site.toml").read_text()
    (root_of(made) / "etc/ucenv/site.toml").write_text(text.replace("defaults = [", 'defaults = ["tf/1.0", '))
    found = differences(made("site", "check", "--json"))
    assert (
        "modules",
        "there is no module tf/1.0, which [modules] defaults has",
        "mend modules.defaults in site.toml",
    ) in found


def test_hooks_that_are_older_than_the_modulefiles(made: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    from userconda.site import modules

    hooks = made.site.tmp / "hooks"
    shutil.copytree(modules.hook_directory(parse_site((root_of(made) / "etc/ucenv/site.toml").read_text(), "")), hooks)
    monkeypatch.setattr(modules, "hook_directory", lambda site: str(hooks))
    (hooks / "ucenv.sh").write_text("ucenv_load() { :; }\n")
    (hooks / "ucenv-act.csh").unlink()
    found = [what for area, what, how in differences(made("site", "check", "--json")) if "pip install" in how]
    assert found == [
        f"{hooks}/ucenv.sh cannot be read, or is older than the modulefiles: it has no --module, --conda, --set",
        f"{hooks}/ucenv-act.csh is missing",
    ]


def test_what_no_command_mends_is_counted_only(made: Cluster) -> None:
    (root_of(made) / "share").chmod(0o777)
    run = made("site", "check")
    assert (run.code, run.err) == (0, "")
    assert run.out.endswith("says (1 remark: ucenv site check --json)\n")
    assert "can be written by everyone" in made("site", "check", "--json").json["result"]["remarks"][0]


def test_a_broken_file_is_said_as_by_the_other_commands(made: Cluster) -> None:
    _append(root_of(made) / "etc/ucenv/site.toml", "nonsense = 1\n")
    run = made("site", "check")
    assert (run.code, run.out) == (2, "")
    assert "environments[0].nonsense: there is no such key" in run.err


def test_no_tree_of_modules_is_no_difference(made: Cluster) -> None:
    text = (root_of(made) / "etc/ucenv/site.toml").read_text()
    (root_of(made) / "etc/ucenv/site.toml").write_text(re.sub("tree = .*\n", "", text))
    assert made("site", "check").code == 0


def test_another_user_may_check_and_is_told_what_is_closed(
    shared_tmp: Path, two_users: tuple[users.User, users.User]
) -> None:
    admin, user = two_users
    meta = shared_tmp / "envs/e/conda-meta"
    meta.mkdir(parents=True)
    (shared_tmp / "conda-meta").mkdir()
    (meta / "history").touch()
    (meta / "python-3.9.1-0.json").touch(mode=0o600)
    for path in (shared_tmp, *shared_tmp.rglob("*")):
        os.chown(path, admin.uid, admin.gid)
    text = f'[conda]\nroot = "{shared_tmp}"\nversion = "1"\n[[environments]]\nname = "e"\nmodule = "e/1"\n'

    def run() -> list[str]:
        found, _ = check_site(parse_site(text, ""))
        return [difference.text for difference in found]

    assert users.fork_as(user, run) == [f"e: {meta}/python-3.9.1-0.json cannot be read by you"]
    assert users.fork_as(admin, run) == [f"opened: {meta}/python-3.9.1-0.json: 0600 -> 0644"]


def test_many_files_take_little_time(tmp_path: Path) -> None:
    """A tenth of a large site, on a local disk."""
    root, count = tmp_path / "root", 50_000
    for number in range(count):
        if number % 100 == 0:
            directory = root / f"pkgs/{number}"
            directory.mkdir(parents=True)
        (directory / str(number)).touch()
    (root / "conda-meta").mkdir()
    text = f'[conda]\nroot = "{root}"\nversion = "1"\n'
    before = time.monotonic()
    assert check_site(parse_site(text, "")) == ([], [])
    assert time.monotonic() - before < 5


def test_json_has_all_of_it(ucenv: Cluster) -> None:
    say(ucenv)
    run = ucenv("site", "check", "--json")
    document = json.loads(run.out)
    assert (document["ok"], document["command"], run.code) == (True, "site check", 1)
    assert document["result"].keys() == {"path", "root", "differences", "remarks"}
