"""`ucenv usage`: what a user is told they are charged, and would get back."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cluster, Run
from tests.support import Unavailable, filesystems, slow_count, users

SOURCE = "py3_powerai_1.7.0"

FIGURES = [
    "apparent_bytes", "on_disk_bytes", "charged_bytes", "shared_bytes", "shared_own_bytes", "unique_bytes",
    "freed_if_removed_bytes", "linked_outside_bytes", "saved_bytes", "files", "directories", "on_disk_inodes",
    "charged_inodes", "shared_inodes", "shared_own_inodes", "unique_inodes", "freed_if_removed_inodes",
    "linked_outside_inodes", "saved_inodes",
]  # fmt: skip


@pytest.fixture
def mine(ucenv: Cluster) -> Cluster:
    """A user with a clone of the system's environment, a clone of that, and a package cache that shares a file."""
    assert ucenv("clone", SOURCE, "mine").code == 0
    assert ucenv("clone", "mine", "second").code == 0
    package = ucenv.root / "pkgs/numpy-1.0-py_0/lib"
    package.mkdir(parents=True)
    (package / "file").write_bytes(bytes(100_000))
    (ucenv.root / "envs/mine/lib/from-cache").hardlink_to(package / "file")
    (ucenv.root / "pkgs/numpy-1.0-py_0.conda").write_bytes(bytes(30_000))
    (ucenv.root / "pkgs/urls.txt").write_text("nothing\n")
    (ucenv.root / "envs/mine/lib/between").write_bytes(bytes(200_000))
    (ucenv.root / "envs/second/lib/between").hardlink_to(ucenv.root / "envs/mine/lib/between")
    return ucenv


@pytest.fixture
def other_owner(mine: Cluster) -> Cluster:
    """The system's files are somebody else's."""
    if os.geteuid() == 0:
        for directory, names, files in os.walk(mine.site.conda.root):
            for name in (*names, *files):
                os.lchown(os.path.join(directory, name), users.ADMIN.uid, users.ADMIN.gid)
    return mine


def usage(ucenv: Cluster, *words: str) -> dict[str, Any]:
    run = ucenv("usage", "--json", *words)
    assert run.code == 0, run.err
    result: dict[str, Any] = run.json["result"]
    return result


def tops(ucenv: Cluster) -> dict[str, Path]:
    """In the order in which `saved` is put down: caches, then environments by name."""
    return {
        "package cache": ucenv.root / "pkgs",
        "mine": ucenv.root / "envs/mine",
        "second": ucenv.root / "envs/second",
    }


def truth(ucenv: Cluster, groups: Mapping[str, list[str]]) -> dict[str, dict[str, int]]:
    """The slow count, with JSON's keys."""
    trees = {name: slow_count.walk(path) for name, path in tops(ucenv).items()}
    counted = slow_count.figures(trees, groups, lambda status: status.st_uid == os.geteuid())
    keys = {"freed": "freed_if_removed"}
    answer = {}
    for group, figures in counted.items():
        files, directories = figures.pop("files")
        found = {f"{keys.get(name, name)}_bytes": size for name, (size, _) in figures.items()}
        found |= {f"{keys.get(name, name)}_inodes": n for name, (_, n) in figures.items() if name != "apparent"}
        answer[group] = found | {"files": files, "directories": directories}
    return answer


def figures_in(row: Mapping[str, Any]) -> dict[str, int]:
    return {key: row[key] for key in FIGURES}


def by_name(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (*result["environments"], *result["package_caches"])}


# figures --------------------------------------------------------------------------------------------------------


def test_the_keys(mine: Cluster) -> None:
    result = usage(mine)
    assert list(result) == [
        "root", "user", "charged_by", "quota", "quota_unknown", "environments", "package_caches", "total", "selected",
        "at_least", "unreadable", "vanished", "not_entered",
    ]  # fmt: skip
    assert list(result["environments"][0]) == ["name", "prefix", "parent", *FIGURES]
    assert list(result["package_caches"][0]) == ["name", "prefix", *FIGURES]
    assert list(result["total"]) == FIGURES
    assert list(usage(mine, "mine")["selected"]) == ["names", "with_cache", *FIGURES]
    package = usage(mine, "--tree")["environments"][0]["packages"][0]
    assert list(package) == ["name", "version", "by", *FIGURES]


def test_every_figure_is_the_slow_counts(other_owner: Cluster) -> None:
    groups = {name: [name] for name in tops(other_owner)} | {"total": list(tops(other_owner))}
    expected = truth(other_owner, groups)
    result = usage(other_owner)
    assert {name: figures_in(row) for name, row in by_name(result).items()} | {
        "total": figures_in(result["total"])
    } == expected
    if os.geteuid() == 0:
        assert expected["mine"]["shared_bytes"] > 0
    assert expected["mine"]["shared_own_bytes"] > 0
    assert expected["total"]["saved_bytes"] == sum(row["saved_bytes"] for row in by_name(result).values())


@pytest.mark.parametrize("tree", [(), ("--tree",)], ids=["", "tree"])
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["mine"], ["mine"]),
        (["mine", "second"], ["mine", "second"]),
        (["mine", "--with-cache"], ["package cache", "mine"]),
        (["second", "mine", "mine", "--with-cache"], ["package cache", "mine", "second"]),
    ],
    ids=["one", "a pair", "with the cache", "all"],
)
def test_a_named_set(mine: Cluster, words: list[str], names: list[str], tree: tuple[str, ...]) -> None:
    result = usage(mine, *words, *tree)
    expected = truth(mine, {"together": names, "total": list(tops(mine))})
    assert figures_in(result["selected"]) == expected["together"]
    assert figures_in(result["total"]) == expected["total"]
    assert set(by_name(result)) == set(names)


def test_a_pair_frees_more_than_its_parts(mine: Cluster) -> None:
    alone = [row["freed_if_removed_bytes"] for row in usage(mine)["environments"]]
    assert usage(mine, "mine", "second")["selected"]["freed_if_removed_bytes"] >= sum(alone) + 200_000


def test_an_environment_by_its_path(mine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(mine.root / "envs/mine")
    assert usage(mine, path)["selected"] == usage(mine, "mine")["selected"]
    monkeypatch.chdir(mine.root / "envs")
    assert usage(mine, "./mine")["selected"] == usage(mine, "mine")["selected"]


def test_a_system_environment_only_when_it_is_named(mine: Cluster) -> None:
    assert set(by_name(usage(mine))) == {"mine", "second", "package cache"}
    assert set(by_name(usage(mine, f"system:{SOURCE}"))) == {SOURCE}


def test_two_of_one_name(mine: Cluster) -> None:
    assert mine("clone", SOURCE, SOURCE).code == 0
    theirs = mine.site.conda.prefix(SOURCE)
    assert set(by_name(usage(mine, SOURCE, f"system:{SOURCE}"))) == {SOURCE, f"{SOURCE} ({theirs})"}


def test_unknown_names(mine: Cluster) -> None:
    run = mine("usage", "nothing-like-it")
    assert (run.code, run.out) == (10, "")
    assert "no environment named 'nothing-like-it'" in run.err
    assert mine("usage", "/nowhere/at/all").code == 10
    assert mine("usage", str(mine.root)).code == 11


@pytest.mark.parametrize("words", [["--with-cache"], ["--sort", "colour"], ["--fail-over", "much"]])
def test_words_that_are_off(mine: Cluster, words: list[str]) -> None:
    assert mine("usage", *words).code == 2


def test_environments_and_caches_elsewhere_are_the_users_too(mine: Cluster, tmp_path: Path) -> None:
    """Those conda keeps in the home, and those it has registered; each once, whatever paths lead to it."""
    assert mine("clone", SOURCE, "--prefix", str(tmp_path / "project/registered")).code == 0
    assert mine("clone", SOURCE, "--prefix", str(tmp_path / "home/.conda/envs/homely")).code == 0
    (tmp_path / "home/.conda/pkgs").mkdir()
    (tmp_path / "home/.conda/environments.txt").write_text(
        f"{tmp_path}/project/registered/\n{mine.root}/envs/mine\n{mine.site.source}\n"
    )
    (mine.root / "envs/alias").symlink_to("mine")
    result = usage(mine)
    assert [row["name"] for row in result["environments"]] == ["alias", "second", "homely", "registered"]
    assert [row["prefix"] for row in result["package_caches"]] == [
        str(mine.root / "pkgs"),
        str(tmp_path / "home/.conda/pkgs"),
    ]


def test_a_conda_root_of_the_users_own(mine: Cluster, tmp_path: Path) -> None:
    """Its environments and its package cache are lines of their own, not counted in it again."""
    root = tmp_path / "miniconda"
    for directory in ("conda-meta", "condabin", "pkgs/a-1-0", "envs/inner/conda-meta"):
        (root / directory).mkdir(parents=True)
    (root / "pkgs/a-1-0/file").write_bytes(bytes(50_000))
    (root / "envs/inner/file").write_bytes(bytes(70_000))
    (tmp_path / "home/.conda").mkdir()
    (tmp_path / "home/.conda/environments.txt").write_text(f"{root}\n{root}/envs/inner\n")
    run = mine("usage", "--json")
    rows = by_name(run.json["result"])
    assert rows["miniconda"]["files"] == 0
    assert rows["inner"]["files"] == 1
    assert f"{root}/pkgs" in {row["prefix"] for row in run.json["result"]["package_caches"]}
    assert {entry["path"] for entry in run.json["result"]["not_entered"]} == {f"{root}/pkgs", f"{root}/envs/inner"}


def test_nothing_yet(ucenv: Cluster) -> None:
    run = ucenv("usage")
    assert run.code == 0
    assert "No environments or package caches of yours yet" in run.out
    assert usage(ucenv)["total"]["charged_bytes"] == 0


@pytest.mark.root("two users")
def test_two_real_users(
    shared_tmp: Path, two_users: tuple[users.User, users.User], set_protected_hardlinks: Any
) -> None:
    """A clone of the administrator's environment, links allowed: the user is charged for what is theirs."""
    from demo import make_system_conda
    from tests.support.manifest import charged

    admin, user = two_users
    set_protected_hardlinks(0)
    conda = make_system_conda(shared_tmp / "conda", None, small=True)
    subprocess.run(["chown", "-R", f"{admin.uid}:{admin.gid}", conda.root], check=True)
    subprocess.run(["chmod", "-R", "a+rX", conda.root], check=True)
    scratch = shared_tmp / "scratch"
    scratch.mkdir()
    os.chown(scratch, user.uid, user.gid)
    env = {"SCRATCH": str(scratch), "UCENV_CONDA_ROOT": str(conda.root)}
    command: list[str | Path] = [sys.executable, "-m", "userconda"]
    users.run_as(user, [*command, "clone", SOURCE, "mine"], env=env).check_returncode()
    result = json.loads(users.run_as(user, [*command, "usage", "--json"], env=env).stdout)["result"]
    (row,) = result["environments"]
    clone = scratch / "conda_local/envs/mine"
    size, inodes = charged(clone, user.uid)
    assert (row["charged_bytes"], row["charged_inodes"]) == (size, inodes)
    assert (row["shared_bytes"], row["shared_inodes"]) == charged(clone, admin.uid)
    assert row["freed_if_removed_bytes"] == size
    assert row["saved_bytes"] == row["shared_bytes"] > 0
    # And the administrator, who is charged for them, whether or not the clone is there.
    answer = users.run_as(admin, [*command, "usage", "--json", f"system:{SOURCE}"], env=env)
    (row,) = json.loads(answer.stdout)["result"]["environments"]
    assert row["charged_bytes"] == charged(conda.prefix(), admin.uid)[0]
    assert row["linked_outside_bytes"] > 0


@pytest.fixture
def as_user(mine: Cluster) -> Callable[..., Run]:
    """The same space, its owner without rights beyond their own."""
    subprocess.run(["chown", "-R", f"{users.USER.uid}:{users.USER.gid}", mine.root.parent], check=True)
    for directory in mine.root.parents:
        if directory.owner() == "root" and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o055)

    def run(*words: str) -> Run:
        command: list[str | Path] = [sys.executable, "-m", "userconda", "usage", *words]
        done = users.run_as(users.USER, command, env={"SCRATCH": str(mine.root.parent), "HOME": str(mine.root.parent)})
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.mark.root("a second user")
def test_what_cannot_be_read_makes_floors(mine: Cluster, as_user: Callable[..., Run]) -> None:
    closed = mine.root / "envs/mine/closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, users.ADMIN.uid, users.ADMIN.gid)
    run = as_user()
    assert run.code == 0
    assert "You are charged at least " in run.out
    assert f'1 directory could not be read, so every figure is "at least": {closed}' in run.err
    result = as_user("--json").json["result"]
    assert (result["at_least"], result["unreadable"]) == (True, [str(closed)])


@pytest.mark.root("a second user")
@pytest.mark.parametrize("closed", ["envs", "", "envs/mine", "pkgs"])
def test_a_closed_directory_hides_nothing(mine: Cluster, as_user: Callable[..., Run], closed: str) -> None:
    """What is not seen is not taken for nothing: wherever the user's own space is closed, figures are floors."""
    whole = as_user("--json").json["result"]
    assert (whole["at_least"], set(by_name(whole))) == (False, {"mine", "second", "package cache"})
    (mine.root / closed).chmod(0)
    run = as_user()
    assert run.code == 0
    assert 'every figure is "at least"' in run.err
    assert "No environments" not in run.out
    result = as_user("--json").json["result"]
    assert result["at_least"]
    assert str(mine.root / (closed or "envs")) in result["unreadable"]
    assert result["total"]["charged_bytes"] < whole["total"]["charged_bytes"]
    if closed == "envs/mine":
        assert by_name(result)["mine"]["directories"] == 1


def test_a_file_where_the_cache_should_be(ucenv: Cluster) -> None:
    assert ucenv("clone", SOURCE, "mine").code == 0
    shutil.rmtree(ucenv.root / "pkgs", ignore_errors=True)
    (ucenv.root / "pkgs").write_text("not a directory")
    result = usage(ucenv)
    assert (result["package_caches"], result["vanished"]) == ([], [])


def test_what_goes_while_it_is_counted(mine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's quota command is run while the workers scan."""
    monkeypatch.setenv("UCENV_QUOTA_COMMAND", f"rm -rf {mine.root}/envs {mine.root}/pkgs")
    run = mine("usage", "--json")
    assert run.code == 0
    assert set(by_name(run.json["result"])) == {"mine", "second", "package cache"}
    assert not (mine.root / "envs").exists()


# by package -----------------------------------------------------------------------------------------------------


def test_every_inode_is_some_packages(mine: Cluster) -> None:
    for row in by_name(usage(mine, "--tree")).values():
        for key in ("files", "directories", "on_disk_bytes", "charged_bytes", "charged_inodes"):
            assert sum(package[key] for package in row["packages"]) == row[key], key


def test_whose_a_file_is(mine: Cluster) -> None:
    rows = by_name(usage(mine, "--tree"))
    packages = {package["name"]: package for package in rows["mine"]["packages"]}
    assert packages["odd-files"]["by"] == "conda"
    assert packages["untracked"]["by"] == "pip"
    assert packages["untracked"]["version"] == "3.1"
    assert packages["of no package"]["by"] == "none"
    assert packages["directories of several packages"]["files"] == 0
    before = packages["of no package"]["files"]
    (mine.root / "envs/mine/lib/mine.txt").write_text("mine")
    again = {p["name"]: p for p in by_name(usage(mine, "--tree"))["mine"]["packages"]}
    assert again["of no package"]["files"] == before + 1
    assert {name: p["files"] for name, p in again.items() if name != "of no package"} == {
        name: p["files"] for name, p in packages.items() if name != "of no package"
    }


def test_a_package_has_the_files_that_its_record_lists(mine: Cluster) -> None:
    prefix = mine.root / "envs/mine"
    (record,) = (prefix / "conda-meta").glob("odd-files-*.json")
    listed = {path for path in json.loads(record.read_text())["files"] if os.path.lexists(prefix / path)}
    (package,) = (p for p in by_name(usage(mine, "--tree"))["mine"]["packages"] if p["name"] == "odd-files")
    assert package["files"] == len(listed) + 1  # and the record


def test_an_extracted_package_and_its_archive_are_one(mine: Cluster) -> None:
    (cache,) = usage(mine, "--tree")["package_caches"]
    packages = {package["name"]: package for package in cache["packages"]}
    assert packages["numpy"]["version"] == "1.0"
    assert (packages["numpy"]["files"], packages["numpy"]["directories"]) == (2, 2)
    assert (packages["of no package"]["files"], packages["of no package"]["directories"]) == (1, 1)


def test_a_broken_record_is_said(mine: Cluster) -> None:
    (record,) = (mine.root / "envs/mine/conda-meta").glob("odd-files-*.json")
    record.unlink()
    record.write_text("{")
    run = mine("usage", "--tree", "--json")
    assert run.code == 0
    assert any("mine is not shown by package" in warning for warning in run.json["warnings"])
    assert "packages" not in by_name(run.json["result"])["mine"]
    assert "packages" in by_name(run.json["result"])["second"]


# the look -------------------------------------------------------------------------------------------------------


def table(text: str) -> list[str]:
    """The lines from the header to the first empty one."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(("environment", "inodes:")))
    return lines[start : lines.index("", start)]


def test_the_table(other_owner: Cluster) -> None:
    run = other_owner("usage")
    lines = table(run.out)
    assert lines[0].split("   ")[0] == "environment"
    assert lines[0].split() == ["environment", "charged", "shared", "saved", "freed", "if", "removed", "files"]
    assert [line.split("  ")[0] for line in lines[1:]] == ["mine", "second", "package cache", "total, each once"]
    assert lines[1].endswith(f"   clone of {SOURCE}")
    assert lines[2].endswith("   clone of mine")
    assert len({len(line.partition("   clone of")[0]) for line in lines}) == 1


def test_the_closing_sentences_hold(mine: Cluster) -> None:
    from userconda.units import format_bytes

    result = usage(mine)
    total = result["total"]
    text = mine("usage").out
    without = sum(row["on_disk_bytes"] for row in by_name(result).values())
    assert (
        f"You are charged {format_bytes(total['charged_bytes'])} and {total['charged_inodes']:,} inodes "
        f"for what would take {format_bytes(without)} without links." in text
    )
    selected = usage(mine, "mine", "--with-cache")["selected"]
    said = f"would free {format_bytes(selected['freed_if_removed_bytes'])} and {selected['freed_if_removed_inodes']:,}"
    assert said in mine("usage", "mine", "--with-cache").out
    assert f"Removing mine and cleaning the cache together {said} inodes (ucenv usage mine --with-cache)." in text


def test_links_that_lead_outside_are_said(mine: Cluster, tmp_path: Path) -> None:
    (tmp_path / "outside").hardlink_to(mine.root / "pkgs/numpy-1.0-py_0.conda")
    outside = usage(mine)["total"]["linked_outside_inodes"]
    assert outside > 0
    assert f"{outside:,} inodes of it are linked from elsewhere too" in mine("usage").out


@pytest.mark.parametrize("key", ["charged", "shared", "saved", "freed", "unique", "on-disk", "files", "name"])
def test_sorting(mine: Cluster, key: str) -> None:
    rows = usage(mine, "--sort", key, "--tree")["environments"] + usage(mine, "--sort", key)["package_caches"]
    keys = {"freed": "freed_if_removed_bytes", "on-disk": "on_disk_bytes", "files": "files", "name": "name"}
    field = keys.get(key, f"{key}_bytes")
    values = [row[field] for row in rows if row["name"] != "package cache"]
    assert values == sorted(values, reverse=key != "name")
    packages = [package[field] for package in rows[0]["packages"]]
    assert packages == sorted(packages, reverse=key != "name", key=str.lower if key == "name" else None)


def test_inodes_instead_of_bytes(mine: Cluster) -> None:
    row = by_name(usage(mine))["mine"]
    lines = table(mine("usage", "--inodes").out)
    assert lines[0].startswith("inodes: environment")
    assert f"{row['charged_inodes']:,}" in lines[1]
    assert " MB" not in lines[1]


def test_the_tree_is_indented_and_ends_with_how_many_more(mine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userconda.report.usage._PACKAGES", 3)
    lines = table(mine("usage", "mine", "--tree").out)
    assert [line.startswith("  ") for line in lines] == [False, False, True, True, True, True]
    assert lines[-1].startswith("  and ")


def on_terminal(ucenv: Cluster, columns: int, *words: str) -> str:
    read_end, write_end = pty.openpty()
    ours = {name: value for name, value in os.environ.items() if name.startswith("UCENV_")}
    env = {**ucenv.environment, **ours, "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "userconda", *words]
    process = subprocess.Popen(command, env=env, stdout=write_end, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    os.close(write_end)
    text = b""
    try:
        while chunk := os.read(read_end, 65536):
            text += chunk
    except OSError:  # EIO: everybody has closed the other end
        pass
    os.close(read_end)
    assert process.wait(timeout=60) == 0
    return text.decode().replace("\r\n", "\n")


def test_a_terminal_that_is_narrow(mine: Cluster) -> None:
    wide = on_terminal(mine, 200, "usage", "mine", "second")
    assert f"clone of {SOURCE}\n" in wide
    medium = on_terminal(mine, 80, "usage", "mine", "second")
    assert f"\n  clone of {SOURCE}\n" in medium
    narrow = on_terminal(mine, 40, "usage", "mine", "second")
    assert "\nmine, clone of" in narrow
    assert "\n  freed if removed " in narrow


def test_bars_on_a_terminal_that_is_narrow(mine: Cluster, quota: Any) -> None:
    quota(used_bytes=96 * 10**9, hard_bytes=100 * 10**9, used_files=10, hard_files=100, scope="project", name="p" * 9)
    words = "nearly full (over 95 %)"
    wide, medium, narrow = (on_terminal(mine, columns, "usage") for columns in (200, 70, 36))
    assert f"]  96 GB of 100 GB   96 %   {words}" in wide
    assert f"]  96 GB of 100 GB   96 %\n  {words}\n" in medium
    assert f"\n  96 GB of 100 GB 96 %\n  {words}\n  files 10 of 100 10 %\n" in narrow
    for text, columns in ((medium, 70), (narrow, 36)):
        assert [line for line in text.partition("\n\n")[0].splitlines() if len(line) > columns] == []


@pytest.mark.parametrize(("used", "shown"), [(796, "79 %"), (290, "29 %"), (999, "99 %"), (1000, "100 %"), (1, "0 %")])
def test_percents_are_rounded_down(mine: Cluster, quota: Any, used: int, shown: str) -> None:
    quota(used_bytes=used, hard_bytes=1000)
    assert f" {shown}" in mine("usage").out.splitlines()[0]


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_no_escapes_for_a_pipe(mine: Cluster, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in mine("usage").out


def test_quiet(mine: Cluster) -> None:
    run = mine("usage", "-q")
    assert (run.code, run.out, run.err) == (0, "", "")


def test_a_hostile_name(mine: Cluster, tmp_path: Path) -> None:
    """In the table, in JSON and in the plot: escaped, and no markup."""
    hostile = mine.root / "envs" / os.fsdecode(b"[red]<b>&\xff")
    (hostile / "conda-meta").mkdir(parents=True)
    run = mine("usage", "--plot", str(tmp_path / "plot.svg"))
    assert run.code == 0
    assert "[red]<b>&\\xff" in run.out
    assert "[red]<b>&\\xff" in by_name(usage(mine))
    text = (tmp_path / "plot.svg").read_text()
    assert "[red]<b>&\\xff" in "".join(ElementTree.fromstring(text).itertext())


# the plot -------------------------------------------------------------------------------------------------------


def test_the_plot(other_owner: Cluster, tmp_path: Path) -> None:
    from userconda.units import format_bytes

    path = tmp_path / "plot.svg"
    assert other_owner("usage", "--plot", str(path)).code == 0
    tree = ElementTree.parse(path)
    svg = "{http://www.w3.org/2000/svg}"
    titles = [element.text for element in tree.iter(f"{svg}title")]
    bars = {
        element.findtext(f"{svg}title"): float(element.attrib["width"])
        for element in tree.iter(f"{svg}rect")
        if element.find(f"{svg}title") is not None
    }
    rows = by_name(usage(other_owner))
    assert rows.keys() <= set(titles)
    for name, row in rows.items():
        assert f"{name}: {format_bytes(row['charged_bytes'])} charged to you" in bars
        assert f"{name}: {format_bytes(row['freed_if_removed_bytes'])} freed if removed" in bars
    most = max(row[key] for row in rows.values() for key in ("charged_bytes", "shared_bytes"))
    for name, row in rows.items():
        width = bars[f"{name}: {format_bytes(row['charged_bytes'])} charged to you"]
        assert width == pytest.approx(max(row["charged_bytes"] / most * 520, 1), abs=0.06)


def test_a_plot_that_cannot_be_written(mine: Cluster) -> None:
    assert mine("usage", "--plot", "/proc/nowhere/plot.svg").code == 50


# quotas ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the site's quota command says."""

    def says(**reading: Any) -> None:
        default = {"scope": "user", "mount": "/", "filesystem": "lustre"}
        (tmp_path / "answer").write_text(json.dumps({"readings": [{**default, **reading}]}))
        monkeypatch.setenv("UCENV_QUOTA_COMMAND", f"cat {tmp_path}/answer")

    return says


def test_bars_above_and_what_the_quota_leaves_below(mine: Cluster, quota: Any) -> None:
    quota(used_bytes=612 * 10**9, hard_bytes=10**12, used_files=412_331, hard_files=10**6)
    lines = mine("usage").out.splitlines()
    assert "612 GB of 1.0 TB   61 %" in lines[0]
    assert "412,331 of 1,000,000   41 %" in lines[1]
    assert any(line.endswith("The quota leaves 388 GB and 587,669 files.") for line in lines)
    assert usage(mine)["quota"][0]["used_bytes"] == 612 * 10**9


@pytest.mark.parametrize(
    ("used", "words"), [(79, ""), (80, "over 80 %"), (96, "over 95 %"), (101, "nothing more can be written")]
)
def test_limits_in_words(mine: Cluster, quota: Any, used: int, words: str) -> None:
    quota(used_bytes=used * 10**9, hard_bytes=100 * 10**9)
    (line,) = (line for line in mine("usage").out.splitlines() if " of 100 GB" in line)
    assert line.endswith(f"{used} %") if not words else words in line


@pytest.mark.parametrize(("percent", "code"), [("95", 0), ("30", 0), ("29.01", 0), ("29", 1), ("20%", 1)])
def test_fail_over(mine: Cluster, quota: Any, percent: str, code: int) -> None:
    """29 / 100 * 100 is less than 29 in floating point."""
    quota(used_bytes=29 * 10**9, hard_bytes=100 * 10**9)
    assert mine("usage", "--fail-over", percent).code == code
    assert mine("usage", "-q", "--fail-over", percent).code == code
    assert mine("usage", "--json", "--fail-over", percent).json["ok"] is True


def test_a_quota_that_nobody_can_read_fails_nothing(mine: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UCENV_QUOTA_COMMAND", "/nowhere/at/all")
    run = mine("usage", "--fail-over", "1")
    assert run.code == 0
    assert "quota unknown: " in run.err
    assert mine("usage", "--json").json["result"]["quota_unknown"]


@pytest.mark.root("files of another group")
def test_where_a_group_quota_binds_its_files_are_mine(mine: Cluster, quota: Any) -> None:
    quota(scope="group", name=None, id=os.getegid(), number=os.getegid(), used_bytes=1, hard_bytes=10)
    before = usage(mine)
    assert before["charged_by"] == "group"
    for path in (mine.root / "envs/mine").rglob("*"):
        os.chown(path, users.ADMIN.uid, -1, follow_symlinks=False)
    after = usage(mine)
    assert figures_in(by_name(after)["mine"]) == figures_in(by_name(before)["mine"])
    assert after["total"]["charged_bytes"] > 0


def project_ids(top: Path) -> dict[tuple[int, int], int]:
    """Inode -> project id, as xfsprogs tell it."""
    found = {}
    for path in (top, *top.rglob("*")):
        if path.is_file() or path.is_dir():
            done = subprocess.run(["xfs_io", "-r", "-c", "lsproj", path], capture_output=True, text=True, check=True)
            status = path.lstat()
            found[status.st_dev, status.st_ino] = int(done.stdout.split()[-1])
    return found


@pytest.mark.root("project ids")
@pytest.mark.parametrize("first", [42, 0], ids=["known at once", "known once the quota was read"])
def test_where_a_project_quota_binds_its_files_are_mine(
    ucenv: Cluster, quota: Any, monkeypatch: pytest.MonkeyPatch, xfs: Path, first: int
) -> None:
    """Project ids for real, also of a file whose directory has another. The kernel need not enforce quotas on them."""
    if shutil.which("xfs_io") is None:
        raise Unavailable("needs xfs_io (package xfsprogs)", tool="xfs_io")
    space, env = xfs / "space", xfs / "space/envs/mine"
    (env / "conda-meta").mkdir(parents=True)

    def set_project(path: Path, number: int, inherit: str) -> None:
        subprocess.run(["xfs_io", "-c", f"chproj {number}", "-c", f"chattr {inherit}P", path], check=True)

    set_project(env, first, "+" if first else "-")
    for name, number in (("ours", 42), ("theirs", 7), ("nobodys", 0)):
        (env / name).mkdir()
        set_project(env / name, number, "+" if number else "-")
        for size in range(5):
            (env / name / str(size)).write_bytes(bytes(5000 * size + 1))
    (space / "outside").mkdir()
    set_project(space / "outside", 42, "+")
    (space / "outside/file").write_bytes(bytes(9000))
    for name, path in (("ours", env / "ours/3"), ("theirs", env / "theirs/3"), ("outside", space / "outside/file")):
        (env / "nobodys" / name).hardlink_to(path)
    set_project(space, 42, "-")
    quota(scope="project", name=None, id=42, used_bytes=1, hard_bytes=10)
    monkeypatch.setenv("UCENV_ROOT", str(space))
    result = usage(ucenv, "--root", str(space))
    ids = project_ids(env)
    assert set(ids.values()) == {0, 7, 42}
    expected = slow_count.figures(
        {"mine": slow_count.walk(env)}, {"mine": ["mine"]}, lambda status: ids[status.st_dev, status.st_ino] == 42
    )["mine"]
    row = by_name(result)["mine"]
    assert result["charged_by"] == "project"
    assert (row["charged_bytes"], row["charged_inodes"]) == expected["charged"]
    assert (row["shared_bytes"], row["shared_inodes"]) == expected["shared"]
    assert (row["freed_if_removed_bytes"], row["freed_if_removed_inodes"]) == expected["freed"]


# ends -----------------------------------------------------------------------------------------------------------


def test_nobody_reads_the_output(mine: Cluster) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with mine.process("usage", stdout=write_end) as process:
        os.close(write_end)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 141
    assert "Broken pipe" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(mine: Cluster, number: int) -> None:
    """While it scans a filesystem so slow that it takes half a minute."""
    with (
        filesystems.fuse_latency_mount(mine.root, 50_000) as slow,
        mine.process("usage", "--root", str(slow.path), stdout=subprocess.PIPE) as process,
    ):
        deadline = time.monotonic() + 30
        while slow.counts().get("readdir", 0) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (out, errors) == ("", "\nucenv usage: interrupted\n")
