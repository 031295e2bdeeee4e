"""A clone is the source as it stands, save that it knows its own prefix: each thing that conda's clone gets wrong, each
kind of file that is never shared, each rule for the prefix."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from demo import PLACEHOLDER, SOURCE_DATE, Package, PackageFile
from demo.packages import PYTHON, compiled, odd_packages, package_with_compiled_library, text_file
from tests.clone.sites import (
    CACHE_TAG,
    SITE_PACKAGES,
    Site,
    add_module,
    make_site,
    mentioning,
    same_file,
    use_real_python,
)
from tests.support import manifest, need_root, users
from userconda.errors import (
    EnvironmentNotFound,
    NotAPrefix,
    PathEscapesPrefix,
    PlaceholderTooShort,
    PrefixInUse,
    SourceIncomplete,
    TargetExists,
    UsageError,
)
from userconda.models import LinkMode
from userconda.provenance import read_provenance

UPGRADED = f"{SITE_PACKAGES}/odd_upgraded.py"


def rewritten(site: Site, data: bytes, target: Path, path: str = "share/untracked/test-file") -> bytes:
    """What the clone has for an untracked file of these bytes."""
    (site.source / path).write_bytes(data)
    site.clone(target)
    return (target / path).read_bytes()


def record_of(prefix: Path, name: str) -> Path:
    return next((prefix / "conda-meta").glob(f"{name}-*.json"))


def edit_record(prefix: Path, name: str, edit: Callable[[dict[str, object]], object]) -> None:
    """Replaced, as an installer does: the package cache and other environments keep theirs."""
    path = record_of(prefix, name)
    record = json.loads(path.read_text())
    edit(record)
    path.unlink()
    path.write_text(json.dumps(record))


def replace_file(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


# what conda's clone gets wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_python", [True, False], ids=["python compiles", "no python"])
def test_a_pip_module_knows_the_clone_where_prefixes_are_equally_long(site: Site, with_python: bool) -> None:
    module, pyc = add_module(site.source, "where", f"PREFIX = '{site.source}'\n")
    if with_python:
        use_real_python(site.source)
    target = site.target_of_length(len(str(site.source)))
    site.clone(target)
    code = f"import sys; sys.path.insert(0, {str(target / SITE_PACKAGES)!r}); import where; print(where.PREFIX)"
    run = subprocess.run([sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, check=True)
    clones_pyc = target / pyc.relative_to(site.source)
    assert run.stdout.strip() == str(target)
    assert clones_pyc.exists() == with_python
    if with_python:
        mtime, size = struct.unpack("<II", clones_pyc.read_bytes()[8:16])
        assert (mtime, size) == (int((target / module.relative_to(site.source)).stat().st_mtime), module.stat().st_size)
        assert os.fsencode(site.source) not in clones_pyc.read_bytes()


def test_pycs_that_were_left_out_are_told_of(site: Site) -> None:
    add_module(site.source, "where", f"PREFIX = '{site.source}'\n")
    assert any(".pyc" in warning for warning in site.clone().warnings)


@pytest.mark.parametrize(
    "text", ["{}", "{}/bin", "{}:{}/x", "-I{}/include", "file://{}/a", "'{}'", "{}.", "{}\r\n", "PATH={}", "({})"]
)
def test_the_prefix_in_untracked_text_becomes_the_clones(site: Site, text: str) -> None:
    found = rewritten(site, text.replace("{}", str(site.source)).encode(), site.target())
    assert found == text.replace("{}", str(site.target())).encode()


@pytest.mark.parametrize("text", ["{}-other", "{}2/x", "{}.bak/x", "/mnt{}/x", "{}_old", "{}é"])
def test_what_only_begins_like_the_prefix_stays(site: Site, text: str) -> None:
    data = text.replace("{}", str(site.source)).encode()
    assert rewritten(site, data, site.target()) == data


@pytest.mark.parametrize("tail", [b"", b"\xff\xfe"], ids=["decodes as UTF-8", "does not"])
def test_binary_data_keeps_its_length_by_padding(site: Site, tail: bytes) -> None:
    here, target = os.fsencode(site.source), site.target_of_length(len(str(site.source)) - 4)
    found = rewritten(site, b"text\0" + here + b"/lib\0rest" + b"\0" + tail, target)
    assert found == b"text\0" + os.fsencode(target) + b"/lib" + b"\0" * 5 + b"rest" + b"\0" + tail


def test_a_binary_without_room_is_kept_and_reported_by_name(site: Site) -> None:
    data = b"\x7f\0" + os.fsencode(site.source) + b"/lib\0"
    (site.source / "share/untracked/tight.bin").write_bytes(data)
    target = site.target_of_length(len(str(site.source)) + 1)
    warnings = site.clone(target).warnings
    assert (target / "share/untracked/tight.bin").read_bytes() == data
    assert any("share/untracked/tight.bin" in warning for warning in warnings)


@pytest.mark.parametrize("place", ["long", "with space"])
@pytest.mark.parametrize("script", ["untracked", "odd-python", "odd-script", "odd"])
def test_scripts_start_the_clones_python_at_a_path_no_kernel_takes(site: Site, script: str, place: str) -> None:
    target = site.target_of_length(180) if place == "long" else site.space / "a b/envs/my env"
    site.clone(target)
    environment = {"PATH": f"{target}/bin:/usr/bin:/bin"}
    run = subprocess.run([target / "bin" / script], env=environment, capture_output=True, text=True, check=True)
    assert f" at {target}/bin/python" in run.stdout


def test_a_shebang_that_was_shortened_is_whole_again_where_it_fits(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.clone(site.target_of_length(180))
    target = site.target("short")
    site.clone(target, source=site.target_of_length(180))
    assert (target / "bin/odd-perl").read_text().startswith(f"#!{target}/bin/perl -w\n")
    assert (target / "bin/odd-python").read_text().startswith(f"#!{target}/bin/python\n")


def test_what_pip_upgraded_stays_upgraded(site: Site) -> None:
    site.clone()
    assert (site.target() / UPGRADED).read_text() == "VERSION = '2.0'\n"
    assert not (site.target() / SITE_PACKAGES / "odd_upgraded-1.0.dist-info").exists()


@pytest.mark.parametrize("path", ["share/odd-generic/data.txt", "etc/odd.conf", "bin/odd-shell"])
def test_a_tracked_file_that_was_edited_stays_edited(site: Site, path: str) -> None:
    replace_file(site.source / path, f"edited, at {site.source}/x\n".encode())
    site.clone()
    assert (site.target() / path).read_text() == f"edited, at {site.target()}/x\n"


def test_an_edited_file_that_held_a_placeholder_is_named(site: Site) -> None:
    replace_file(site.source / "etc/odd.conf", f"edited, at {site.source}/x\n".encode())
    assert any("etc/odd.conf" in warning for warning in site.clone().warnings)


@pytest.mark.parametrize("path", ["share/odd-generic/data.txt", "etc/odd.conf", "lib/libucdemo.so.1"])
def test_what_was_deleted_stays_deleted(site: Site, path: str) -> None:
    (site.source / path).unlink()
    site.clone()
    assert not os.path.lexists(site.target() / path)


def test_pinned_is_copied(site: Site) -> None:
    site.clone()
    assert (site.target() / "conda-meta/pinned").read_bytes() == (site.source / "conda-meta/pinned").read_bytes()


def test_environment_variables_of_conda_lead_into_the_clone(site: Site) -> None:
    site.clone()
    variables = json.loads((site.target() / "conda-meta/state").read_text())["env_vars"]
    assert variables == {"POWERAI_HOME": str(site.target()), "OMP_NUM_THREADS": "8"}


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("lib64", "lib"),
        ("share/odd/directory-link", "names"),
        ("share/odd/relative-link", "../odd/empty"),
        ("share/untracked/dangling", "no/such/file"),
        ("share/odd/dangling-link", "no/such/file"),
        ("share/untracked/outside", "/etc/hostname"),
        ("share/untracked/absolute", "{}/share/untracked/notes.txt"),
        ("share/untracked/absolute-directory", "{}/share/odd"),
    ],
)
def test_symlinks_stay_symlinks(site: Site, path: str, leads_to: str) -> None:
    site.clone()
    assert os.readlink(site.target() / path) == leads_to.format(site.target())


def test_an_absolute_link_to_a_name_that_begins_alike_stays(site: Site) -> None:
    (site.source / "share/neighbour").symlink_to(f"{site.source}-other/x")
    site.clone()
    assert os.readlink(site.target() / "share/neighbour") == f"{site.source}-other/x"


def test_a_relative_link_out_of_the_prefix_leads_to_the_same_place(site: Site) -> None:
    (site.conda.envs / "common.txt").write_text("common\n")
    (site.source / "share/common").symlink_to("../../common.txt")
    site.clone(site.space / "deeper/than/before/mine")
    assert (site.space / "deeper/than/before/mine/share/common").read_text() == "common\n"


def test_a_relative_link_by_way_of_the_prefix_own_name_leads_into_the_clone(site: Site) -> None:
    (site.source / "share/self").symlink_to(f"../../{site.source.name}/share/odd")
    site.clone()
    assert (site.target() / "share/self").resolve() == site.target() / "share/odd"


@pytest.mark.parametrize("path", ["share/untracked/empty/nested", "var/log"])
def test_empty_directories_are_kept(site: Site, path: str) -> None:
    site.clone()
    assert list((site.target() / path).iterdir()) == []


@pytest.mark.parametrize("kind", ["FIFO", "socket"])
def test_what_is_no_file_is_reported(site: Site, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "FIFO":
        os.mkfifo(site.source / "var/thing")
    else:
        monkeypatch.chdir(site.source / "var")  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("thing")
    skipped = {entry.path: entry.reason for entry in site.clone().skipped}
    assert kind in skipped["var/thing"]
    assert not os.path.lexists(site.target() / "var/thing")


NAMES = (b"\xff\xfe.dat", b"two\nlines", b" spaces around ", b"caf\xe9 \xe2\x98\x95", b"-dash", b"*[a]?", b"q'\"$(x)`;")


@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize("content", ["plain", "{}/bin"], ids=["shared", "rewritten"])
@pytest.mark.parametrize("mode", [None, LinkMode.COPY, LinkMode.SYMLINK], ids=str)
def test_any_name_works(site: Site, name: bytes, content: str, mode: LinkMode | None) -> None:
    for place in (b"share/%b" % name, b"lib/%b/%b" % (name, name)):
        path = os.path.join(os.fsencode(site.source), place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(content.format(site.source))
    site.clone(mode=mode)
    for place in (b"share/%b" % name, b"lib/%b/%b" % (name, name)):
        with open(os.path.join(os.fsencode(site.target()), place)) as stream:
            assert stream.read() == content.format(site.target())


@pytest.mark.parametrize("mode", [None, LinkMode.COPY], ids=["linked", "copied"])
@pytest.mark.parametrize("pair", ["share/odd/pair-{}", "etc/pair-{}", "share/untracked/notes{}.txt"])
def test_hard_link_groups_are_kept(site: Site, pair: str, mode: LinkMode | None) -> None:
    (site.source / "etc/pair-1").write_text("private\n")
    (site.source / "etc/pair-2").hardlink_to(site.source / "etc/pair-1")
    site.clone(mode=mode)
    ends = ("", "-2") if "notes" in pair else ("1", "2")
    first, second = (site.target() / pair.format(end) for end in ends)
    assert same_file(first, second)


def test_a_hard_link_group_across_directories_is_kept(site: Site) -> None:
    (site.source / "zlib-link").hardlink_to(site.source / "share/odd/pair-1")
    site.clone(mode=LinkMode.COPY)
    assert same_file(site.target() / "zlib-link", site.target() / "share/odd/pair-2")


@pytest.mark.parametrize("path", ["conda-meta/frozen", f"lib/{PYTHON}/EXTERNALLY-MANAGED"])
def test_the_sites_marks_are_left_out_and_said(site: Site, path: str) -> None:
    (site.source / path).write_text("{}")
    skipped = {entry.path for entry in site.clone().skipped}
    assert path in skipped
    assert not (site.target() / path).exists()


def test_a_mark_that_is_a_symlink_is_left_out_and_said(site: Site) -> None:
    path = f"lib/{PYTHON}/EXTERNALLY-MANAGED"
    (site.source / path).symlink_to("/etc/hostname")
    skipped = {entry.path for entry in site.clone().skipped}
    assert not os.path.lexists(site.target() / path)
    assert path in skipped


def test_a_clone_needs_no_package_cache(site: Site) -> None:
    shutil.rmtree(site.conda.pkgs)
    shutil.rmtree(site.conda.channel)
    site.clone()
    assert (site.target() / "ssl/openssl.cnf").read_text() == f"dir = {site.target()}/ssl\n"


@pytest.mark.parametrize("cache", ["warm", "cleaned"])
@pytest.mark.parametrize("difference", [-5, 0, 40])
def test_prefix_files_are_what_an_installer_writes_there(site: Site, cache: str, difference: int) -> None:
    target = site.target_of_length(len(str(site.source)) + difference)
    if cache == "cleaned":
        shutil.rmtree(site.conda.pkgs)
    site.clone(target)
    binary = (target / "share/odd/prefix.bin").read_bytes()
    here, gap = os.fsencode(target), len(PLACEHOLDER) - len(os.fsencode(target))
    assert (
        binary
        == (
            b"\x7fODD\0"
            + here
            + b"/share/odd\0"
            + bytes(gap)
            + bytes(8)
            + here
            + b":"
            + here
            + b"/b\0"
            + bytes(2 * gap)
        )
        + b"end"
    )
    assert (target / "etc/odd.conf").read_text() == f"home={target}\npath={target}/a:{target}/b\nother={target}-other\n"


def test_a_compiled_program_knows_the_clone(site: Site) -> None:
    site.clone()
    run = subprocess.run([site.target() / "bin/ucdemo-where"], capture_output=True, text=True, check=True)
    here = site.target()
    assert run.stdout == f"program {here}/bin\n{here}\n{here}/share/ucdemo:{here}/lib/ucdemo\n"


def test_nothing_but_where_it_came_from_names_the_source(site: Site) -> None:
    site.clone()
    allowed = {"conda-meta/history", "conda-meta/ucenv.provenance"}
    allowed |= {f"share/untracked/{name}" for name in ("notes.txt", "notes-2.txt", "cache.bin")}  # "...-other"
    named = mentioning(site.target(), site.source)
    assert {path for path in named if not path.endswith(".pyc")} == allowed


# never half a clone ---------------------------------------------------------------------------------------------


def test_a_placeholder_too_short_is_told_before_anything_is_written(site: Site) -> None:
    target = site.target_of_length(256)
    with pytest.raises(PlaceholderTooShort) as caught:
        site.clone(target)
    assert caught.value.path in ("bin/ucdemo-where", "lib/libucdemo.so.1", "share/odd/prefix.bin")
    assert list(site.space.iterdir()) == []


def test_a_prefix_of_255_bytes_fits(site: Site) -> None:
    target = site.target_of_length(255)
    site.clone(target)
    assert os.fsencode(target) + b"/b\0end" in (target / "share/odd/prefix.bin").read_bytes()


def test_a_name_that_is_taken_is_left_alone(site: Site) -> None:
    site.target().mkdir(parents=True)
    with pytest.raises(TargetExists):
        site.clone()
    assert list(site.target().iterdir()) == []


def test_a_dangling_symlink_takes_a_name_too(site: Site) -> None:
    site.target().parent.mkdir()
    site.target().symlink_to("nowhere")
    with pytest.raises(TargetExists):
        site.clone()


def test_a_clone_inside_its_source_is_refused(site: Site) -> None:
    with pytest.raises(UsageError):
        site.clone(site.source / "share/mine")


@pytest.mark.parametrize("trace", ["share/thing.c~", ".condatmp/x", "conda-meta/conda-meta.lock"])
def test_a_transaction_under_way_in_the_source_is_a_refusal(site: Site, trace: str) -> None:
    (site.source / trace).parent.mkdir(exist_ok=True)
    (site.source / trace).write_text("")
    with pytest.raises(PrefixInUse) as caught:
        site.clone()
    assert trace.partition("/x")[0] in caught.value.traces


def test_files_that_cannot_be_read_fail_the_clone_and_are_all_listed(shared_tmp: Path) -> None:
    site = make_site(shared_tmp)
    _, user = users.two_users()
    subprocess.run(["chmod", "-R", "a+rX", site.conda.root], check=True)
    record = next((site.source / "conda-meta").glob("odd-generic-*.json"))
    record.chmod(0o600)
    for path in ("etc/odd.conf", "share/untracked/notes.txt", "share/odd-generic"):
        (site.source / path).chmod(0o700 if path.endswith("generic") else 0o600)
    os.chown(site.space, user.uid, user.gid)
    with pytest.raises(SourceIncomplete) as caught:
        users.fork_as(user, lambda: site.clone() and None)
    listed = {"etc/odd.conf", "share/untracked/notes.txt", "share/odd-generic", f"conda-meta/{record.name}"}
    assert set(caught.value.paths) >= listed
    assert not any((site.space / "envs").glob("*"))


@pytest.mark.parametrize("name", ["a $(touch x) b", "a `x` b", 'a "b" c', "a \\ b"])
def test_no_script_holds_a_path_that_sh_would_act_on(site: Site, name: str) -> None:
    target = site.target(name)
    site.clone(target)
    for script in (target / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            assert not script.read_bytes().startswith(b"#!/bin/sh\n'''exec' \"" + os.fsencode(target))


def test_a_history_that_is_a_symlink_leads_nowhere_else(site: Site) -> None:
    history = site.source / "conda-meta/history"
    history.rename(site.source / "conda-meta/elsewhere")
    history.symlink_to("elsewhere")
    site.clone()
    assert (site.target() / "conda-meta/history").is_file()
    assert not (site.target() / "conda-meta/history").is_symlink()


def test_root_does_not_run_the_programs_of_a_user(shared_tmp: Path) -> None:
    site = make_site(shared_tmp)
    _, user = users.two_users()
    use_real_python(site.source)
    module, pyc = add_module(site.source, "mine", f"HERE = {str(site.source)!r}\n")
    os.chown(site.source / "bin/python", user.uid, user.gid)
    site.clone()
    assert not (site.target() / pyc.relative_to(site.source)).exists()
    assert str(site.target()) in (site.target() / module.relative_to(site.source)).read_text()


# private files --------------------------------------------------------------------------------------------------

PRIVATE = (
    "conda-meta/history", "conda-meta/pinned", "etc/conda/deactivate.d/odd.sh", f"{SITE_PACKAGES}/odd.pth",
    f"{SITE_PACKAGES}/some.egg-link", f"{SITE_PACKAGES}/untracked-3.1.dist-info/RECORD",
    f"{SITE_PACKAGES}/untracked-3.1.dist-info/INSTALLER", f"{SITE_PACKAGES}/untracked-3.1.dist-info/direct_url.json",
    "share/jupyter/lab/settings.json", "ssl/odd.cnf", "lib/R/etc/Renviron", ".condarc",
)  # fmt: skip


@pytest.mark.parametrize("mode", [None, LinkMode.SYMLINK], ids=str)
def test_private_files_are_the_clones_own(site: Site, mode: LinkMode | None) -> None:
    for path in PRIVATE:
        (site.source / path).parent.mkdir(parents=True, exist_ok=True)
        if not (site.source / path).exists():
            (site.source / path).write_text("settings\n")
    site.clone(mode=mode)
    assert [path for path in PRIVATE if (site.target() / path).is_symlink()] == []
    assert [path for path in PRIVATE if same_file(site.source / path, site.target() / path)] == []


def test_a_private_file_that_was_read_only_is_the_users_to_write(site: Site) -> None:
    (site.source / "ssl/odd.cnf").chmod(0o444)
    site.clone()
    assert (site.target() / "ssl/odd.cnf").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("pattern", ["share/odd-generic/**", "data.txt", "*.txt", "share/*/data.???"])
def test_clone_private_adds_patterns(site: Site, pattern: str) -> None:
    site.clone(private=[pattern])
    path = "share/odd-generic/data.txt"
    assert not same_file(site.source / path, site.target() / path)
    assert same_file(site.source / "share/odd/nul.dat", site.target() / "share/odd/nul.dat")


def test_a_path_marked_no_link_is_copied(site: Site) -> None:
    site.clone()
    assert not same_file(site.source / "share/odd/not-linked", site.target() / "share/odd/not-linked")


def test_a_record_that_need_not_change_is_shared(site: Site) -> None:
    site.clone()
    shared = record_of(site.source, "odd-files")
    assert same_file(shared, site.target() / "conda-meta" / shared.name)


def test_a_record_says_what_is_true_after_the_change(site: Site) -> None:
    site.clone()
    record = json.loads(record_of(site.target(), "odd-prefix").read_text())
    for entry in record["paths_data"]["paths"]:
        data = (site.target() / entry["_path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry.get("sha256_in_prefix", entry["sha256"])
        assert entry["size_in_bytes"] == len(data)


# what tells where it came from ----------------------------------------------------------------------------------


def test_the_provenance_note_names_the_source(site: Site) -> None:
    site.clone()
    note = read_provenance(str(site.target()))
    assert note is not None
    assert (note.source, note.thin) == (str(site.source), False)
    assert note.source_state["records"] == len(list((site.source / "conda-meta").glob("*.json")))


def test_no_file_of_ours_in_conda_meta_ends_in_json(site: Site) -> None:
    site.clone()
    names = {
        prefix: {path.name for path in (prefix / "conda-meta").iterdir()} for prefix in (site.source, site.target())
    }
    assert names[site.target()] - names[site.source] == {"ucenv.provenance"}


def test_created_at_is_the_clones(site: Site) -> None:
    (site.source / "conda-meta/created_at").write_text("1577836800.0")
    before = time.time()
    site.clone()
    assert before <= float((site.target() / "conda-meta/created_at").read_text()) <= time.time()


def test_direct_url_is_untouched(site: Site) -> None:
    path = f"{SITE_PACKAGES}/untracked-3.1.dist-info/direct_url.json"
    (site.source / path).write_text(json.dumps({"url": f"file://{site.source}/src", "dir_info": {}}))
    site.clone()
    assert (site.target() / path).read_bytes() == (site.source / path).read_bytes()


def test_pth_lines_inside_follow_and_lines_outside_stay(site: Site) -> None:
    site.clone()
    text = (site.target() / SITE_PACKAGES / "untracked.pth").read_text()
    assert text == f"/opt/site/python\n{site.target()}/share/untracked\n"


def test_an_editable_install_outside_stays(site: Site) -> None:
    text = "/home/someone/project/src\n"
    (site.source / SITE_PACKAGES / "__editable__.project.pth").write_text(text)
    site.clone()
    assert (site.target() / SITE_PACKAGES / "__editable__.project.pth").read_text() == text


def _pip_row(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


@pytest.mark.parametrize("extra", ["", "{}/share/a file.txt,,\n"], ids=["relative paths", "an absolute path"])
@pytest.mark.parametrize("tracked", [False, True], ids=["pip's", "of a package that pip installed again"])
def test_hashes_in_pips_record_are_true(site: Site, tracked: bool, extra: str) -> None:
    dist_info = f"{SITE_PACKAGES}/{'odd_python-1.0' if tracked else 'untracked-3.1'}.dist-info"
    script = (site.source / "bin/untracked").read_bytes()
    rows = _pip_row("../../../bin/untracked", script) + _pip_row("untracked.py", b"x") + extra.format(site.source)
    replace_file(site.source / dist_info / "RECORD", rows.encode())
    site.clone()
    found = list(csv.reader((site.target() / dist_info / "RECORD").read_text().splitlines()))
    wanted = _pip_row("../../../bin/untracked", (site.target() / "bin/untracked").read_bytes()).strip()
    assert ",".join(found[0]) == wanted
    assert ",".join(found[1]) == _pip_row("untracked.py", b"x").strip()


# .pyc -----------------------------------------------------------------------------------------------------------


def test_a_pyc_is_shared_where_its_module_is(site: Site) -> None:
    _, pyc = add_module(site.source, "plain", "VALUE = 1\n")
    site.clone()
    assert same_file(pyc, site.target() / pyc.relative_to(site.source))


def test_a_pyc_is_valid_where_its_module_was_copied(site: Site) -> None:
    module, pyc = add_module(site.source, "plain", "VALUE = 1\n")
    site.clone(mode=LinkMode.COPY)
    assert (site.target() / pyc.relative_to(site.source)).read_bytes() == pyc.read_bytes()
    assert (site.target() / module.relative_to(site.source)).stat().st_mtime_ns == module.stat().st_mtime_ns


def test_a_tracked_pyc_that_was_left_out_is_not_in_the_record(site: Site) -> None:
    path = f"{SITE_PACKAGES}/odd_space/two/__pycache__/paths.{CACHE_TAG}.pyc"
    site.clone()
    record = json.loads(record_of(site.target(), "odd-namespace").read_text())
    assert not (site.target() / path).exists()
    assert path not in record["files"]
    assert path not in {entry["_path"] for entry in record["paths_data"]["paths"]}


@pytest.mark.parametrize("holds_prefix", [True, False])
def test_python_2_compiles_beside_its_modules(site: Site, holds_prefix: bool) -> None:
    text = "PREFIX = '@PREFIX@'\n" if holds_prefix else "VALUE = 1\n"
    module = text_file("lib/python2.7/site-packages/foo.py", text)
    pyc = PackageFile("lib/python2.7/site-packages/foo.pyc", b"\x03\xf3\r\n" + compiled(b"", "foo.py"))
    prefix = site.install("two", Package("python", "2.7.18", "0", files=(module, pyc)))
    site.clone(source=prefix)
    assert (site.target() / pyc.path).exists() != holds_prefix
    assert (site.target() / module.path).read_text() == text.replace("@PREFIX@", str(site.target()))


# kinds of sources -----------------------------------------------------------------------------------------------


def test_an_environment_without_python(site: Site) -> None:
    files = next(package for package in odd_packages() if package.name == "odd-files")
    prefix = site.install("tools", files, package_with_compiled_library())
    site.clone(source=prefix)
    run = subprocess.run([site.target() / "bin/ucdemo-where"], capture_output=True, text=True, check=True)
    assert f"program {site.target()}/bin\n" in run.stdout


def test_a_source_given_through_a_symlink(site: Site) -> None:
    latest = site.conda.envs / "latest"
    latest.symlink_to(site.source.name)
    (site.source / "share/both").write_text(f"{latest}/a:{site.source}/b\n")
    (site.source / "share/link").symlink_to(f"{latest}/share/odd")
    site.clone(source=latest)
    assert (site.target() / "share/both").read_text() == f"{site.target()}/a:{site.target()}/b\n"
    assert os.readlink(site.target() / "share/link") == f"{site.target()}/share/odd"
    assert os.readlink(site.target() / "share/untracked/absolute") == f"{site.target()}/share/untracked/notes.txt"


def test_a_source_that_was_moved_holds_the_prefix_of_its_history(site: Site) -> None:
    before, moved = site.source, site.conda.envs / "moved"
    before.rename(moved)
    site.clone(source=moved)
    named = mentioning(site.target(), before) - {"conda-meta/history"}
    allowed = {f"share/untracked/{name}" for name in ("notes.txt", "notes-2.txt", "cache.bin")}  # "...-other"
    assert {path for path in named if not path.endswith(".pyc")} == allowed
    assert f"here {site.target()}\n" in (site.target() / "share/untracked/notes.txt").read_text()


def test_a_prefix_that_only_the_history_names_is_not_the_sources(site: Site) -> None:
    """A command may name another environment; what leads there is left as it is."""
    other = site.conda.envs / "other"
    with (site.source / "conda-meta/history").open("a") as history:
        history.write(f"# cmd: conda create --prefix {other} x\n")
    (site.source / "share/untracked/other").write_text(f"{other}/bin\n")
    site.clone()
    assert (site.target() / "share/untracked/other").read_text() == f"{other}/bin\n"


def test_a_clone_of_a_clone_is_as_good_as_the_first(site: Site) -> None:
    first, second = site.target("first"), site.target("other")
    site.clone(first)
    site.clone(second, source=first)
    allowed = {"conda-meta/ucenv.provenance"}
    assert {path for path in mentioning(second, first) if not path.endswith(".pyc")} == allowed
    assert (second / "share/odd/prefix.bin").read_bytes().replace(os.fsencode(second), os.fsencode(first)) == (
        first / "share/odd/prefix.bin"
    ).read_bytes()


def _as_micromamba(record: dict[str, object]) -> None:
    paths = record["paths_data"]["paths"]  # type: ignore[index]
    for entry in paths:
        entry.pop("prefix_placeholder", None)
        entry.pop("file_mode", None)


@pytest.mark.parametrize("cache", ["warm", "cleaned"])
def test_records_of_micromamba(site: Site, cache: str) -> None:
    """They tell neither placeholder nor file mode; an extracted package does, and a look at the file serves."""
    for name in ("odd-prefix", "ucdemo-lib"):
        edit_record(site.source, name, _as_micromamba)
    target = site.target_of_length(len(str(site.source)) + (40 if cache == "warm" else -4))
    if cache == "cleaned":
        shutil.rmtree(site.conda.pkgs)
    site.clone(target)
    assert (target / "ssl/openssl.cnf").read_text() == f"dir = {target}/ssl\n"
    assert os.fsencode(site.source) not in (target / "share/odd/prefix.bin").read_bytes()
    run = subprocess.run([target / "bin/ucdemo-where"], capture_output=True, text=True, check=True)
    assert f"program {target}/bin\n" in run.stdout


def test_a_longer_path_without_placeholder_or_package_is_reported_by_name(site: Site) -> None:
    edit_record(site.source, "odd-prefix", _as_micromamba)
    shutil.rmtree(site.conda.pkgs)
    warnings = site.clone(site.target_of_length(len(str(site.source)) + 1)).warnings
    assert any("share/odd/prefix.bin" in warning for warning in warnings)


# `base` ---------------------------------------------------------------------------------------------------------

ROOT_FILES = (
    "bin/conda", "bin/activate", "bin/deactivate", "condabin/conda", ".condarc", "conda-bld/linux-64/x.conda",
    "etc/profile.d/conda.sh", "etc/profile.d/conda.csh", "etc/profile.d/ucenv.sh",
    "share/conda/own.txt", "share/ucenv/hook.sh",
)  # fmt: skip


def _make_base(site: Site) -> Path:
    conda = Package("conda", "26.7.0", "0", files=(PackageFile("share/conda/own.txt", b"conda's\n"),))
    ucenv = Package("ucenv", "1.0", "0", files=(PackageFile("share/ucenv/hook.sh", b"ucenv's\n"),))
    tool = Package("tool", "1.0", "0", files=(PackageFile("share/tool/data.txt", b"a tool's\n"),))
    base = site.install("base", conda, ucenv, tool)
    for path in (
        *ROOT_FILES,
        "share/own/notes.txt",
        "etc/own.conf",
        "tools/nested/conda-meta/history",
        "tools/nested/x",
    ):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        if not (base / path).exists():
            (base / path).write_text(f"{path}\n")
    return base


def test_what_makes_base_a_root_is_left_out(site: Site) -> None:
    site.clone(source=_make_base(site), is_base=True)
    assert [path for path in ROOT_FILES if os.path.lexists(site.target() / path)] == []
    assert sorted({"pkgs", "envs", "condabin", "conda-bld"} & set(os.listdir(site.target()))) == []


def test_what_else_is_in_base_is_cloned(site: Site) -> None:
    site.clone(source=_make_base(site), is_base=True)
    for path in ("share/own/notes.txt", "etc/own.conf", "share/tool/data.txt"):
        assert (site.target() / path).read_bytes() == (site.conda.root / path).read_bytes()


def test_conda_and_ucenv_are_no_packages_of_a_clone_of_base(site: Site) -> None:
    site.clone(source=_make_base(site), is_base=True)
    records = {path.name.rsplit("-", 2)[0] for path in (site.target() / "conda-meta").glob("*.json")}
    assert records == {"tool"}


@pytest.mark.parametrize("is_base", [True, False])
def test_an_environment_inside_is_not_entered_and_said(site: Site, is_base: bool) -> None:
    source = _make_base(site) if is_base else site.source
    (source / "tools/nested/conda-meta").mkdir(parents=True, exist_ok=True)
    (source / "tools/nested/conda-meta/history").write_text("")
    skipped = {entry.path for entry in site.clone(source=source, is_base=is_base).skipped}
    assert "tools/nested" in skipped
    assert not (site.target() / "tools/nested").exists()


def test_package_cache_and_environments_of_base_are_never_read(site: Site) -> None:
    base = _make_base(site)
    for name in ("pkgs", "envs", "conda-bld"):
        (base / name / "running.c~").write_text("")  # a refusal, were it seen
    site.clone(source=base, is_base=True)
    assert (site.target() / "conda-meta/history").exists()


@pytest.mark.parametrize("target", ["{}/envs/{}/share/odd", "../envs/{1}/share/odd"], ids=["absolute", "relative"])
def test_a_link_from_base_to_an_environment_leads_there_still(site: Site, target: str) -> None:
    base = _make_base(site)
    (base / "share/shortcut").symlink_to(target.format(base, site.source.name))
    site.clone(source=base, is_base=True)
    assert (site.target() / "share/shortcut").resolve() == site.source / "share/odd"


def test_text_in_base_that_names_an_environment_means_it_still(site: Site) -> None:
    base = _make_base(site)
    tool = base / "bin/tool-of-an-environment"
    tool.write_text(f"#!{base}/envs/tools/bin/python\nPKGS={base}/pkgs\nHERE={base}/envsx:{base}/share\n")
    site.clone(source=base, is_base=True)
    expected = f"#!{base}/envs/tools/bin/python\nPKGS={base}/pkgs\nHERE={site.target()}/envsx:{site.target()}/share\n"
    assert (site.target() / "bin/tool-of-an-environment").read_text() == expected


def test_a_mount_point_is_not_entered_and_said(shared_tmp: Path) -> None:
    need_root("a mount")
    site = make_site(shared_tmp)
    (site.source / "share/mounted").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", site.source / "share/mounted"], check=True)
    (site.source / "share/mounted/elsewhere").write_text("not the environment's\n")
    result = site.clone()
    assert [entry.reason for entry in result.skipped if entry.path == "share/mounted"] == [
        "another filesystem is mounted there"
    ]
    assert not (site.target() / "share/mounted").exists()


# what leads out of the prefix -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "share/../../x", ""])
@pytest.mark.parametrize("where", ["files", "paths_data"])
def test_a_record_that_lists_a_path_outside_is_refused(site: Site, path: str, where: str) -> None:
    def escape(record: dict[str, object]) -> None:
        if where == "files":
            record["files"].append(path)  # type: ignore[attr-defined]
        else:
            record["paths_data"]["paths"].append({"_path": path, "path_type": "hardlink"})  # type: ignore[index]

    edit_record(site.source, "odd-generic", escape)
    with pytest.raises(PathEscapesPrefix):
        site.clone()
    assert not (site.space / "envs").exists()


@pytest.mark.parametrize("moved", [False, True], ids=["in place", "moved"])
def test_nothing_behind_a_symlinked_parent_is_read(site: Site, moved: bool) -> None:
    """A FIFO behind it: whoever opened it would wait for ever."""
    outside = site.tmp / "outside"
    outside.mkdir()
    os.mkfifo(outside / "secret.txt")
    (site.source / "bin-out").symlink_to(outside)
    entry = {"_path": "bin-out/secret.txt", "path_type": "hardlink", "sha256": "0" * 64, "sha256_in_prefix": "1" * 64}
    entry |= {"prefix_placeholder": PLACEHOLDER.decode(), "file_mode": "text"}
    edit_record(site.source, "odd-generic", lambda r: r["paths_data"]["paths"].append(entry))  # type: ignore[index]
    source = site.source
    if moved:
        source = site.source.rename(site.conda.envs / "moved")
    users.fork(lambda: _with_deadline(lambda: site.clone(source=source)))
    assert os.readlink(site.target() / "bin-out") == str(outside)
    assert (outside / "secret.txt").stat().st_nlink == 1


def _with_deadline(function: Callable[[], object]) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(10)
    function()
    signal.alarm(0)


# files and directories ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bit", [0o4000, 0o2000])
@pytest.mark.parametrize("private", [True, False], ids=["private", "copied"])
def test_setuid_and_setgid_are_not_copied(site: Site, bit: int, private: bool) -> None:
    path = site.source / ("etc/tool" if private else "libexec/odd/untracked")
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755 | bit)
    site.clone(mode=None if private else LinkMode.COPY)
    assert (site.target() / path.relative_to(site.source)).stat().st_mode & 0o7777 == 0o755


def test_a_rewritten_file_keeps_its_mode(site: Site) -> None:
    (site.source / "bin/untracked-shell").chmod(0o750)
    site.clone()
    assert (site.target() / "bin/untracked-shell").stat().st_mode & 0o7777 == 0o750


@pytest.mark.parametrize("mode", [0o555, 0o700, 0o2775])
def test_directories_get_the_users_own_mode(site: Site, mode: int) -> None:
    (site.source / "share/odd").chmod(mode)
    old = os.umask(0o027)
    try:
        site.clone()
    finally:
        os.umask(old)
    assert (site.target() / "share/odd").stat().st_mode & 0o7777 == 0o750


def test_directories_take_the_group_of_a_setgid_parent(site: Site) -> None:
    need_root("another group")
    os.chown(site.space, -1, 61001)
    site.space.chmod(0o2775)
    site.clone()
    status = (site.target() / "share/odd").stat()
    assert (status.st_gid, status.st_mode & 0o2000) == (61001, 0o2000)


# the source -----------------------------------------------------------------------------------------------------


def _edit_by_rename(clone: Path) -> None:
    for path in [path for path in clone.rglob("*") if path.is_file() and not path.is_symlink()]:
        draft = path.with_name("draft")
        draft.write_text("edited\n")
        draft.replace(path)


def _replace_as_pip(clone: Path) -> None:
    (clone / UPGRADED).unlink()
    (clone / UPGRADED).write_text("VERSION = '3.0'\n")
    os.utime(clone / UPGRADED, (SOURCE_DATE, SOURCE_DATE))


@pytest.mark.parametrize("then", [None, _edit_by_rename, _replace_as_pip, shutil.rmtree])
@pytest.mark.parametrize("mode", [None, LinkMode.COPY, LinkMode.SYMLINK], ids=str)
def test_the_source_is_never_changed(site: Site, mode: LinkMode | None, then: Callable[[Path], None] | None) -> None:
    before = manifest.manifest(site.conda.root)
    site.clone(mode=mode)
    if then is not None:
        then(site.target())
    assert manifest.diff(before, manifest.manifest(site.conda.root)) == []


def test_a_path_that_is_no_environment(site: Site) -> None:
    with pytest.raises(NotAPrefix):
        site.clone(source=site.conda.pkgs)


def test_a_path_that_is_not_there(site: Site) -> None:
    with pytest.raises(EnvironmentNotFound):
        site.clone(source=site.conda.envs / "nothing")


@pytest.mark.parametrize("place", ["share/mine", "mine"])
def test_a_clone_of_base_is_not_made_inside_it_but_in_envs(site: Site, place: str) -> None:
    base = _make_base(site)
    before = manifest.manifest(base)
    with pytest.raises(UsageError):
        site.clone(base / place, source=base, is_base=True)
    assert manifest.diff(before, manifest.manifest(base)) == []
    site.clone(base / "envs/mine", source=base, is_base=True)
    assert (base / "envs/mine/share/own/notes.txt").exists()


def test_an_environment_with_a_directory_envs_takes_no_clone_either(site: Site) -> None:
    (site.source / "envs").mkdir()
    with pytest.raises(UsageError):
        site.clone(site.source / "envs/mine")
