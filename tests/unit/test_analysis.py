"""Which directories a thin clone links whole, for any tree."""

from __future__ import annotations

import json
import posixpath
from array import array
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userconda.analysis import analyse, analysis_from_json, analysis_to_json
from userconda.models import Analysis, Directory, FileClass, PrefixSnapshot, RecordInfo, Replacement, Tracked
from userconda.placeholder import FileMode

SITE_PACKAGES = "lib/python3.11/site-packages"

_PARTS = (
    "lib",
    "python3.11",
    "site-packages",
    "share",
    "bin",
    "etc",
    "google",
    "cloud",
    "thing",
    "__pycache__",
    "jupyter",
)
_NAMES = ("__init__.py", "module.py", "a.pth", "data.bin", "run", "python3.11", "RECORD", "module.cpython-311.pyc")
_LINKS = ("data.bin", "../up", "../../far", "/abs/olute", "thing/data.bin", "../../../../../../out", ".")


def make_snapshot(
    tree: dict[str, dict[str, int | None]], links: dict[str, str], replaced: frozenset[str] = frozenset()
) -> PrefixSnapshot:
    """tree: directory -> name -> record, None for a file of nobody's. links: path -> target."""
    paths = {""}
    for path in (*tree, *(posixpath.dirname(link) for link in links)):
        while path:
            paths.add(path)
            path = posixpath.dirname(path)
    directories = []
    tracked = Tracked()
    for path in sorted(paths, key=lambda path: path.split("/") if path else []):
        files = tree.get(path, {})
        names = sorted(files)
        children = sorted(posixpath.basename(p) for p in paths if p and posixpath.dirname(p) == path)
        names = [name for name in names if name not in children]
        count = len(names)
        here = sorted(
            (posixpath.basename(link), target)
            for link, target in links.items()
            if posixpath.dirname(link) == path and posixpath.basename(link) not in (*names, *children)
        )
        directories.append(
            Directory(
                path,
                1,
                names,
                array("q", [10] * count),
                array("q", [5] * count),
                array("Q", range(count)),
                array("H", [0] * count),
                here,
                children,
                (7, 7, 0o755),
            )
        )
        for name in names:
            if (record := files[name]) is not None:
                tracked.add(posixpath.join(path, name), record)
    present = {posixpath.join(d.path, name) for d in directories for name in d.names}
    return PrefixSnapshot(
        prefix="/opt/env",
        prefixes=("/opt/env",),
        directories=tuple(directories),
        classes=[FileClass(*range(len(fields(FileClass))))],
        records=[RecordInfo(f"r{n}", "1", f"r{n}-1-0.json", f"r{n}-1-0", 9, None) for n in range(3)],
        tracked=tracked,
        replacements={
            path: Replacement("/placeholder", FileMode.TEXT, "0" * 64, 0, path) for path in replaced & present
        },
        no_link=frozenset(),
        nested=(),
        unreadable=(),
        site_packages=SITE_PACKAGES,
        is_base=False,
    )


# any tree -------------------------------------------------------------------------------------------------------

_directories = st.one_of(
    st.lists(st.sampled_from(_PARTS), min_size=0, max_size=5).map("/".join),
    st.lists(st.sampled_from(_PARTS[6:]), min_size=0, max_size=4).map(lambda parts: "/".join((SITE_PACKAGES, *parts))),
)
_files = st.dictionaries(st.sampled_from(_NAMES), st.sampled_from((None, 0, 1, 2)), max_size=4)
_trees = st.dictionaries(_directories, _files, min_size=1, max_size=12)
_link_paths = st.tuples(_directories, st.sampled_from(("link", "other"))).map(lambda pair: posixpath.join(*pair))
_snapshots = st.builds(
    make_snapshot,
    _trees,
    st.dictionaries(_link_paths, st.sampled_from(_LINKS), max_size=4),
    st.frozensets(st.tuples(_directories, st.sampled_from(_NAMES)).map(lambda pair: posixpath.join(*pair)), max_size=5),
)


def below(path: str, tops: list[str]) -> bool:
    return any(path.startswith(f"{top}/") for top in tops)


@given(_snapshots)
def test_what_is_linked_whole_holds_nothing_of_the_clones_own(snapshot: PrefixSnapshot) -> None:
    files = [posixpath.join(d.path, name) for d in snapshot.directories for name in d.names]
    holding = frozenset(files[::5])
    analysis = analyse(
        snapshot, prefixes=("/opt/env",), holding=holding, private=("data.bin",) if len(files) % 2 else ()
    )
    linked = [directory.path for directory in analysis.linked]
    rewritten = {*snapshot.replacements, *holding}
    assert [path for path in rewritten if below(path, linked)] == []
    # A .pyc of a rewritten module is made again.
    caches = {f"{posixpath.dirname(path)}/__pycache__" for path in rewritten if path.endswith(".py")}
    assert [path for path in caches if path in linked or below(path, linked)] == []
    private = [p for p in files if p.endswith(".pth") or p.startswith(("etc/", "share/jupyter/kernels/"))]
    private += [p for p in files if posixpath.basename(p) in analysis.private]
    assert [path for path in private if below(path, linked)] == []
    for directory in snapshot.directories:
        if directory.path not in linked and not below(directory.path, linked):
            continue
        top = next(path for path in linked if f"{directory.path}/".startswith(f"{path}/"))
        for name, target in directory.symlinks:
            leads_to = posixpath.normpath(posixpath.join("/", directory.path, target))
            assert f"{leads_to}/".startswith(f"/{top}/"), (name, target)


@given(_snapshots)
def test_meeting_places_are_directories_of_the_clones_own(snapshot: PrefixSnapshot) -> None:
    analysis = analyse(snapshot, prefixes=("/opt/env",))
    for linked in analysis.linked:
        path = linked.path
        assert "/" in path
        assert not f"{SITE_PACKAGES}/".startswith(f"{path}/")
        assert path != f"{SITE_PACKAGES}/__pycache__"
        if path.startswith(f"{SITE_PACKAGES}/"):
            tracked = snapshot.tracked
            inside = [p for p in tracked if p.startswith(f"{path}/") and not p.endswith(".pyc")]
            assert len({tracked.get(p) for p in inside}) <= 1, path
            package = f"{SITE_PACKAGES}/{path.removeprefix(f'{SITE_PACKAGES}/').partition('/')[0]}"
            (top,) = [d for d in snapshot.directories if d.path == package]
            assert path != package or "__init__.py" in top.names


@given(_snapshots)
def test_every_directory_is_kept_or_below_one_that_is_linked(snapshot: PrefixSnapshot) -> None:
    analysis = analyse(snapshot, prefixes=("/opt/env",))
    kept = [directory.path for directory in analysis.snapshot.directories]
    linked = [directory.path for directory in analysis.linked]
    assert not [path for path in linked if below(path, linked)]
    under = [d for d in snapshot.directories if d.path in linked or below(d.path, linked)]
    assert sorted([*kept, *(d.path for d in under)]) == sorted(d.path for d in snapshot.directories)
    assert sum(directory.files for directory in analysis.linked) == sum(len(d.names) for d in under)
    assert sum(directory.directories for directory in analysis.linked) == len(under)
    assert {(*d.kind,) for d in under} == {kind[:3] for kind in analysis.kinds}
    assert {path: analysis.snapshot.tracked.get(path) for path in analysis.snapshot.tracked} == {
        path: snapshot.tracked.get(path) for path in snapshot.tracked if posixpath.dirname(path) in kept
    }


@given(_snapshots)
def test_what_is_kept_is_read_as_the_same(snapshot: PrefixSnapshot) -> None:
    analysis = analyse(snapshot, prefixes=("/opt/env", "/real"), scripts=frozenset({"bin/run"}), private=("*.txt",))
    document = json.loads(json.dumps(analysis_to_json(analysis)))
    read = analysis_from_json(document)
    assert read is not None
    assert comparable(read) == comparable(analysis)
    assert json.loads(json.dumps(analysis_to_json(read))) == document


def comparable(analysis: Analysis) -> tuple[Analysis, dict[str, int | None]]:
    tracked = analysis.snapshot.tracked
    without = replace(analysis.snapshot, tracked=_NOTHING_TRACKED)
    return replace(analysis, snapshot=without), {path: tracked.get(path) for path in tracked}


_NOTHING_TRACKED = Tracked()


# some -----------------------------------------------------------------------------------------------------------


def linked_in(*paths: str, owners: dict[str, int] | None = None) -> list[str]:
    tree: dict[str, dict[str, int | None]] = {}
    for path in paths:
        directory, _, name = f"{SITE_PACKAGES}/{path}".rpartition("/")
        tree.setdefault(directory, {})[name] = (owners or {}).get(path, 0)
    found = analyse(make_snapshot(tree, {}), prefixes=("/opt/env",)).linked
    return [directory.path.removeprefix(f"{SITE_PACKAGES}/") for directory in found]


@pytest.mark.parametrize(
    ("paths", "linked"),
    [
        (("thing/__init__.py", "thing/part/data.bin"), ["thing"]),
        (("google/cloud/storage/__init__.py",), ["google/cloud/storage"]),
        (("ansible_collections/community/general/README", "ansible_collections/community/general/plugins/a.py"),
         ["ansible_collections/community/general"]),
        (("thing-1.0.dist-info/METADATA", "thing-1.0.dist-info/RECORD"), ["thing-1.0.dist-info"]),
        (("module.py",), []),
    ],
)  # fmt: skip
def test_namespaces(paths: tuple[str, ...], linked: list[str]) -> None:
    assert linked_in(*paths) == linked


def test_two_owners_meet() -> None:
    owners = {"google/cloud/a/__init__.py": 0, "google/cloud/b/__init__.py": 1}
    assert linked_in(*owners, owners=owners) == ["google/cloud/a", "google/cloud/b"]
    owners = {"thing/__init__.py": 0, "thing/extra/plugin.py": 1}
    assert linked_in(*owners, owners=owners) == ["thing/extra"]
