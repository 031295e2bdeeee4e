"""From a directory to readings: commands that tests put in PATH, which answer as the real ones do."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.quota.conftest import Commands, gone
from tests.quota.test_samples import INDEX, SAMPLES
from tests.support import Unavailable
from tests.support.filesystems import bind_mount, loop_mount
from userconda.models import QuotaAnswer, QuotaReading
from userconda.quota import FAMILIES, cephfs, charged_to, place_of, read_quotas, statvfs
from userconda.quota.place import Place
from userconda.quota.text import Unknown
from userconda.sharing import Charging, Mine

UID, GID = os.geteuid(), os.getegid()

HEADER = "     Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace\n"
LFS = f"""case $2 in
-u) echo "Disk quotas for usr me (uid $3):"; printf '%s' '{HEADER}'; echo "$4 1000 0 4000 - 10 0 50 -" ;;
-g) echo "Disk quotas for grp us (gid $3):"; printf '%s' '{HEADER}'; echo "$4 9000 0 9999 - 10 0 0 -" ;;
-p) echo "Disk quotas for prj $3 (pid $3):"; printf '%s' '{HEADER}'; echo "$4 7000 0 70000 - 10 0 0 -" ;;
esac"""


def read(commands: Commands, directory: Path | str, family: str | None = None, *, one: bool = False) -> QuotaAnswer:
    return read_quotas(str(directory), commands.config, family=family, one_command=one)


def quotas(answer: QuotaAnswer) -> list[QuotaReading]:
    return [reading for reading in answer.readings if reading.scope != "filesystem"]


# Lustre -----------------------------------------------------------------------------------------------------------


def test_user_and_group_of_a_directory(commands: Commands, tmp_path: Path) -> None:
    commands.add("lfs", LFS)
    answer = read(commands, tmp_path, "lustre")
    user, group = quotas(answer)
    assert (user.scope, user.number, user.used_bytes, user.hard_bytes) == ("user", UID, 1_024_000, 4_096_000)
    assert (group.scope, group.number, group.used_bytes, group.hard_bytes) == ("group", GID, 9_216_000, 10_238_976)
    assert user.mount == group.mount == place_of(str(tmp_path)).mount
    assert user.source == f"lfs quota -u {UID} {tmp_path}"
    assert [reading.tightest for reading in (user, group)] == [False, True]
    assert answer.unknown == ()
    assert [call[:3] for call in commands.calls] == [["lfs", "quota", "-g"], ["lfs", "quota", "-u"]]


def test_the_project_is_asked_for_where_there_is_one(commands: Commands, xfs: Path) -> None:
    if shutil.which("xfs_io") is None:
        raise Unavailable("needs xfs_io (package xfsprogs)", tool="xfs_io")
    (xfs / "project").mkdir()
    subprocess.run(["xfs_io", "-c", "chproj 4242", xfs / "project"], check=True)
    commands.add("lfs", LFS)
    scopes = {reading.scope: reading for reading in quotas(read(commands, xfs / "project", "lustre"))}
    assert scopes.keys() == {"project", "user", "group"}
    assert (scopes["project"].number, scopes["project"].name) == (4242, "4242")
    (first,) = quotas(read(commands, xfs / "project", "lustre", one=True))
    assert first.scope == "project"


def test_the_group_that_new_files_get(commands: Commands, tmp_path: Path) -> None:
    if UID != 0:
        raise Unavailable("needs root: a directory of another group's")
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, -1, 4711)
    assert place_of(str(shared)).gid == GID
    os.chmod(shared, 0o2755)
    assert place_of(str(shared)).gid == 4711


def test_one_command_is_one_command(commands: Commands, tmp_path: Path) -> None:
    commands.add("lfs", LFS)
    (reading,) = quotas(read(commands, tmp_path, "lustre", one=True))
    assert reading.scope == "user"
    assert len(commands.calls) == 1


def test_all_are_asked_at_once_so_that_a_dead_server_costs_one_time_limit(commands: Commands, tmp_path: Path) -> None:
    commands.add("lfs", "exec sleep 2001.25")
    started = time.monotonic()
    answer = read(commands, tmp_path, "lustre")
    assert 5 <= time.monotonic() - started < 7
    (reason,) = answer.unknown
    assert re.match(r"quota unknown: lfs: lfs did not answer within (5\.0|4\.\d) s \(/", reason)
    assert quotas(answer) == []
    assert gone("2001.25")


def test_one_after_the_other_have_one_time_limit_too(commands: Commands, tmp_path: Path) -> None:
    commands.add("mmlsattr", "exec sleep 2002.25")
    commands.add("mmlsquota", "exec sleep 2002.25")
    started = time.monotonic()
    assert quotas(read(commands, tmp_path, "gpfs")) == []
    assert time.monotonic() - started < 6.5


# quota(1) and XFS -------------------------------------------------------------------------------------------------


def quota_text(place: Place, uid: int = UID, *, gid: int = GID) -> str:
    header = "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
    other = "/elsewhere   46080*  40960   61440 1795963732       3      20      30       0\n"
    return (
        f"Disk quotas for user me (uid {uid}): \n{header}{other}{place.root}   10 20 30 0 2 20 30 0\n"
        f"Disk quotas for group us (gid {gid}): \n{header}{place.root}   11 0 0 0 2 0 0 0\n"
        f"Disk quotas for group them (gid 4711): \n{header}{place.root}   12 0 0 0 2 0 0 0\n"
    )


def test_rows_of_other_filesystems_and_groups_are_not_this_directorys(commands: Commands, tmp_path: Path) -> None:
    place = place_of(str(tmp_path))
    commands.prints("quota", quota_text(place), exit_code=1)
    found = quotas(read(commands, tmp_path, "quota"))
    assert [(r.scope, r.number, r.used_bytes, r.mount) for r in found] == [
        ("user", UID, 10_240, place.mount), ("group", GID, 11_264, place.mount),
    ]  # fmt: skip
    assert commands.calls == [["quota", "-w", "-p", "--show-mntpoint", "--hide-device", "-f", place.root, "-u", "-g"]]


def test_another_users_figures_are_no_ones_here(commands: Commands, tmp_path: Path) -> None:
    commands.prints("quota", quota_text(place_of(str(tmp_path)), UID + 1, gid=GID + 1))
    answer = read(commands, tmp_path, "quota")
    assert quotas(answer) == []
    assert "says nothing of" in answer.unknown[0]


def test_no_quota_for_this_user(commands: Commands, tmp_path: Path) -> None:
    commands.prints("quota", f"Disk quotas for user me (uid {UID}): none\n")
    assert "no quota is set for user me" in read(commands, tmp_path, "quota").unknown[0]


def test_a_sites_program_named_quota(commands: Commands, tmp_path: Path) -> None:
    commands.prints("quota", (SAMPLES / "site/uchicago_rcc_quota.txt").read_text())
    answer = read(commands, tmp_path, "quota")
    assert quotas(answer) == []
    assert "it answered '-----" in answer.unknown[0]
    assert "Midway2 home" in answer.texts[0].stdout


def test_a_directory_of_a_bound_part_is_asked_for_where_all_of_it_is_mounted(commands: Commands, ext4: Path) -> None:
    (ext4 / "home").mkdir()
    with bind_mount(ext4 / "home") as bound:
        place = place_of(str(bound))
        assert (place.mount, place.root) == (str(bound), str(ext4))
        commands.prints("quota", quota_text(place))
        found = quotas(read(commands, bound))
    assert {reading.mount for reading in found} == {str(bound)}
    assert str(ext4) in commands.calls[0]


def test_xfs_quota_stands_in_where_quota_is_not_installed(commands: Commands, xfs: Path) -> None:
    line = f"/dev/vda 46080 40960 61440 00 [6 days] 3 20 30 00 [--------] {xfs}"
    commands.prints("xfs_quota", f"{line}\n")
    (reading,) = quotas(read(commands, xfs))
    assert (reading.scope, reading.number, reading.over) == ("user", UID, "soft")
    assert reading.bytes_grace_seconds == 6 * 86_400
    assert commands.calls == [["xfs_quota", "-c", f"quota -N -u -b -i -v {UID}", str(xfs)]]


# GPFS ------------------------------------------------------------------------------------------------------------

GPFS_HEADER = (
    "mmlsquota:user:HEADER:version:reserved:reserved:filesystemName:quotaType:id:name:blockUsage:blockQuota:blockLimit:"
    "blockInDoubt:blockGrace:filesUsage:filesQuota:filesLimit:filesInDoubt:filesGrace:remarks:fid:filesetname:\n"
)


def gpfs_row(kind: str, number: int, name: str, used_kib: int, limit_kib: int, fileset: str = "") -> str:
    figures = f"{used_kib}:0:{limit_kib}:50:7%20days:23:0:0:0:none"
    return f"mmlsquota:user:0:1:::fs1:{kind}:{number}:{name}:{figures}:::{fileset}:\n"


def test_the_fileset_is_found_and_asked_for(commands: Commands, tmp_path: Path) -> None:
    commands.add("mmlsattr", 'echo "file name:            $2"; echo "fileset name:         home"')
    users = GPFS_HEADER + gpfs_row("USR", UID, "me", 100, 200, "home") + gpfs_row("USR", UID, "me", 7, 9, "software")
    filesets = GPFS_HEADER + gpfs_row("FILESET", 3, "home", 1000, 5000)
    (tmp_path / "users").write_text(users)
    (tmp_path / "filesets").write_text(filesets)
    commands.add("mmlsquota", f"case $2 in -u) cat {tmp_path}/users ;; -j) cat {tmp_path}/filesets ;; esac")
    user, fileset = quotas(read(commands, tmp_path, "gpfs"))
    assert (user.part, user.used_bytes, user.in_doubt_bytes) == ("home", 102_400, 51_200)
    assert user.left_bytes == (200 - 100 - 50) * 1024
    assert (fileset.scope, fileset.name, fileset.used_bytes) == ("fileset", "home", 1_024_000)
    device = place_of(str(tmp_path)).device.removeprefix("/dev/")
    assert ["mmlsquota", "-Y", "-j", "home", device] in commands.calls


def test_without_the_fileset_nobody_knows_which_row_binds(commands: Commands, tmp_path: Path) -> None:
    rows = gpfs_row("USR", UID, "me", 100, 200, "home") + gpfs_row("USR", UID, "me", 7, 9, "software")
    commands.prints("mmlsquota", GPFS_HEADER + rows)
    found = quotas(read(commands, tmp_path, "gpfs"))
    assert [(reading.part, reading.unreliable) for reading in found] == [("home", True), ("software", True)]


def test_gpfs_prints_nothing_and_calls_it_success(commands: Commands, tmp_path: Path) -> None:
    commands.add("mmlsquota", "exit 0")
    answer = read(commands, tmp_path, "gpfs")
    assert quotas(answer) == []
    assert "mmlsquota: it printed nothing" in answer.unknown[0]


# BeeGFS, ZFS, btrfs, Panasas ---------------------------------------------------------------------------------------


def beegfs_8(kind: str, number: int, space: str, inode: str) -> str:
    entry = {"name": "me", "id": number, "type": kind, "pool": "storage_pool_default", "space": space, "inode": inode}
    return json.dumps(entry)


def test_beegfs_8(commands: Commands, tmp_path: Path) -> None:
    user, group = beegfs_8("user", UID, "9300000/11000000", "12/∞"), beegfs_8("group", GID, "1/-1", "?/5")
    commands.add(
        "beegfs", f"case $* in *--uids*) echo '{user}' ;; *) echo '{group}' ;; esac; echo INFO: fetched every 30s"
    )
    answer = read(commands, tmp_path, "beegfs")
    (reading,) = quotas(answer)
    assert (reading.used_bytes, reading.hard_bytes, reading.used_files, reading.hard_files) == (
        9300000,
        11000000,
        12,
        None,
    )
    assert (reading.part, reading.rounded) == ("storage_pool_default", False)
    assert "quota unknown: beegfs: " in answer.unknown[0]  # a group whose usage is not known


def test_beegfs_7(commands: Commands, tmp_path: Path) -> None:
    header = "\nQuota information for storage pool Default (ID: 1):\n\nname,id,size,hard,files,hard\n"
    commands.prints("beegfs-ctl", f"{header}me,{UID},51046633472,107374182400,201276,0\n")
    (reading,) = {r.used_bytes: r for r in quotas(read(commands, tmp_path, "beegfs", one=True))}.values()
    assert (reading.scope, reading.hard_bytes, reading.hard_files) == ("user", 107374182400, None)


def test_an_older_zfs_is_asked_for_less(commands: Commands, tmp_path: Path) -> None:
    commands.add(
        "zfs",
        f"""case $* in *userobjused*) echo "bad property list: invalid property" >&2; exit 2 ;; esac
printf 'tank/home\\tuserused@{UID}\\t16861184\\ntank/home\\tuserquota@{UID}\\t52428800\\n'""",
    )
    (reading,) = quotas(read(commands, tmp_path, "zfs"))
    assert (reading.scope, reading.number, reading.used_bytes, reading.hard_bytes) == ("user", UID, 16861184, 52428800)
    assert len(commands.calls) == 2


def test_panasas_volumes_that_are_elsewhere(commands: Commands, tmp_path: Path) -> None:
    header = "    <GB>  <soft>  <hard> : <files> <soft>  <hard> :      <path to volume> <pan_identity(name)>\n"
    rows = ("1.00", "/elsewhere"), ("2.00", tmp_path)
    lines = (f"  {used} 6.00 7.00 : 13 90 100 : {path} uid:{UID}(me)\n" for used, path in rows)
    commands.prints("pan_quota", header + "".join(lines))
    (reading,) = quotas(read(commands, tmp_path, "panasas"))
    assert reading.used_bytes == 2_000_000_000


# a site's own command ---------------------------------------------------------------------------------------------


def own(**values: object) -> str:
    return json.dumps({"readings": [{"scope": "user", "used_bytes": 5, "hard_bytes": 10, **values}]})


def test_the_sites_command_is_asked_instead_of_the_familys(commands: Commands, tmp_path: Path) -> None:
    commands.add("siteq", f"echo '{own(mount=str(tmp_path))}'")
    commands.settings = {"UCENV_QUOTA_COMMAND": "siteq --of '{user}' {directory}"}
    (tmp_path / "a b").mkdir()
    (reading,) = quotas(read(commands, tmp_path / "a b"))
    assert (reading.used_bytes, reading.hard_bytes, reading.mount) == (5, 10, str(tmp_path))
    place = place_of(str(tmp_path))
    assert commands.calls == [["siteq", "--of", place.user, f"{tmp_path}/a b"]]


def test_open_ondemand(commands: Commands, tmp_path: Path) -> None:
    place = place_of(str(tmp_path))
    entry = {"path": str(tmp_path), "block_limit": "100", "file_limit": "unlimited", "total_block_usage": 90}
    entries = [
        {**entry, "user": place.user, "total_file_usage": 3},
        {**entry, "user": "somebody", "total_file_usage": 4},
        {**entry, "user": place.user, "total_file_usage": 5, "path": "/elsewhere"},
    ]
    file = tmp_path / "quota.json"
    file.write_text(json.dumps({"version": 1, "timestamp": 1546455993, "quotas": entries}))
    commands.settings = {"UCENV_QUOTA_COMMAND": f"cat {file}"}
    (reading,) = quotas(read(commands, tmp_path))
    assert (reading.used_bytes, reading.hard_bytes, reading.used_files) == (92_160, 102_400, 3)
    assert (reading.hard_files, reading.read_at, reading.name) == (None, 1546455993, place.user)


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense\n", "{", "[]", "null", "3", '"x"', "{}", '{"readings": []}', '{"readings": 3}',
        '{"readings": [3]}', '{"result": null}', '{"version": 2, "quotas": []}', '{"version": 1, "quotas": [{}]}',
        '{"version": 1, "quotas": {}}',
        own(used_bytes="5"), own(used_bytes=5.5), own(used_bytes=-5), own(used_bytes=True), own(scope="planet"),
        own(grace_seconds="soon"), own(said_over="a bit"), own(rounded="yes"), own(name=7), own(number="1"),
        own(mount="/elsewhere"), own(name="somebody"), "[" * 100_000,
        '{"a":' * 100_000, own(used_bytes=1 << 64), own(hard_files=1 << 64), own(read_at=1 << 40),
        own(grace_seconds=1 << 40), f'{{"readings": [{{"used_bytes": {"9" * 5000}}}]}}',
        '{"version": 1, "timestamp": 1e400, "quotas": [{"path": "/", "user": "root", "total_block_usage": 1, '
        '"block_limit": 2, "total_file_usage": 1, "file_limit": 1}]}',
    ],
)  # fmt: skip
def test_a_command_that_does_not_keep_to_the_form(commands: Commands, tmp_path: Path, text: str) -> None:
    commands.prints("siteq", text)
    commands.settings = {"UCENV_QUOTA_COMMAND": "siteq"}
    answer = read(commands, tmp_path)
    assert quotas(answer) == []
    assert answer.unknown[0].startswith("quota unknown: siteq: ")
    assert answer.texts[0].stdout == text


def test_what_ucenv_prints_it_reads(commands: Commands, tmp_path: Path) -> None:
    reading = QuotaReading(
        "lustre", str(tmp_path), "project", "p1", place_of(str(tmp_path)).project_id, 10, 5, 20, 7, 8, 9, 1, 2, 100,
        None, "lfs quota", "dev", "part", True, True, True, 1546455993, None, False,
    )  # fmt: skip
    commands.prints("siteq", json.dumps({"schema": "ucenv/1", "result": {"readings": [reading.to_json()]}}))
    commands.settings = {"UCENV_QUOTA_COMMAND": "siteq"}
    (found,) = quotas(read(commands, tmp_path))
    ours = {"tightest", "source"}
    assert {k: v for k, v in found.to_json().items() if k not in ours} == {
        key: value for key, value in reading.to_json().items() if key not in ours
    }


# never a failure --------------------------------------------------------------------------------------------------

PROGRAMS = {
    "lustre": ["lfs"], "gpfs": ["mmlsquota", "mmlsattr"], "quota": ["quota"], "xfs": ["quota", "xfs_quota"],
    "beegfs": ["beegfs", "beegfs-ctl"], "zfs": ["zfs"], "btrfs": ["btrfs"], "panasas": ["pan_quota"],
}  # fmt: skip


@pytest.mark.parametrize("digits", [40, 5000])
def test_figures_larger_than_any_filesystem(commands: Commands, tmp_path: Path, digits: int) -> None:
    place = place_of(str(tmp_path))
    commands.prints("quota", quota_text(place))
    assert quotas(read(commands, tmp_path, "quota"))
    commands.prints("quota", re.sub(r"(?m)^(/\S*\s+)1[012] ", rf"\g<1>{'9' * digits} ", quota_text(place)))
    answer = read(commands, tmp_path, "quota")
    assert quotas(answer) == []
    assert answer.unknown[0].startswith("quota unknown: quota: ")


@pytest.mark.parametrize("family", PROGRAMS)
@pytest.mark.parametrize(
    "script", ["echo 1 2 3 4 5 6 7 8 9", "head -c 5000 /dev/urandom", "exit 255", "kill -9 $$", None]
)
def test_what_is_not_an_answer_is_no_figure(
    commands: Commands, tmp_path: Path, family: str, script: str | None
) -> None:
    for name in PROGRAMS[family]:
        if script is not None:
            commands.add(name, script)
    if script is None and any(shutil.which(name) for name in PROGRAMS[family]):
        pytest.skip("installed here")
    answer = read(commands, tmp_path, family)
    assert quotas(answer) == []
    assert answer.unknown
    assert all(line.startswith("quota unknown: ") for line in answer.unknown)


@pytest.mark.parametrize("family", ["cephfs", "statvfs"])
def test_families_without_a_command(commands: Commands, tmp_path: Path, family: str) -> None:
    answer = read(commands, tmp_path, family)
    assert quotas(answer) == []
    assert answer.unknown[0].startswith("quota unknown: ")


@pytest.mark.parametrize("name", sorted(name for name, entry in INDEX.items() if entry["fs"] in PROGRAMS))
def test_other_peoples_outputs_hold_nothing_of_this_directory(commands: Commands, tmp_path: Path, name: str) -> None:
    """Whatever the samples' commands say of their users: a figure that is shown as this user's names nobody else."""
    family = INDEX[name]["fs"]
    for program in PROGRAMS[family]:
        commands.prints(program, (SAMPLES / name).read_text())
    for reading in quotas(read(commands, tmp_path, family)):
        assert reading.scope != "user" or reading.number == UID or reading.name == place_of(str(tmp_path)).user


def test_every_family_of_a_mount_can_be_asked(commands: Commands, tmp_path: Path) -> None:
    for family in set(FAMILIES.values()):
        read(commands, tmp_path, family, one=True)


# who is charged, and which is tightest -----------------------------------------------------------------------------


def reading(
    scope: str, number: int, used: int, limit: int | None, files: int | None = None, most_files: int | None = None
) -> QuotaReading:
    return QuotaReading(
        "lustre", "/s", scope, None, number, used, hard_bytes=limit, used_files=files, hard_files=most_files
    )


def test_the_tightest_limit_decides_who_is_charged() -> None:
    user, group, project = reading("user", 1, 10, 100), reading("group", 2, 50, 100), reading("project", 3, 20, 100)
    assert charged_to(QuotaAnswer((user, group, project))) == Mine(Charging.GROUP, 2)
    assert charged_to(QuotaAnswer((user, project))) == Mine(Charging.PROJECT, 3)


@pytest.mark.parametrize(
    "readings",
    [(), (reading("group", 2, 50, None),), (QuotaReading("statvfs", "/s", "directory", used_bytes=1, hard_bytes=2),)],
)
def test_without_a_limit_the_owner_is(readings: tuple[QuotaReading, ...]) -> None:
    assert charged_to(QuotaAnswer(readings)) == Mine(Charging.USER, UID)


def test_files_can_be_tighter_than_bytes() -> None:
    bytes_full, files_full = reading("user", 1, 60, 100), reading("group", 2, 10, 100, 9, 10)
    both = QuotaAnswer((bytes_full,)) + QuotaAnswer((files_full,))
    assert both.tightest is not None
    assert both.tightest.scope == "group"
    assert [r.tightest for r in both.readings] == [False, True]


# statvfs ----------------------------------------------------------------------------------------------------------


def test_the_filesystem_is_shown_where_nothing_else_is_known(commands: Commands, ext4: Path) -> None:
    (ext4 / "file").write_bytes(b"x" * 1_000_000)
    os.sync()
    answer = read(commands, ext4)
    (reading,) = answer.readings
    status = os.statvfs(ext4)
    assert (reading.scope, reading.mount, reading.filesystem) == ("filesystem", str(ext4), "ext4")
    assert reading.left_bytes == status.f_bavail * status.f_frsize
    assert reading.left_files == status.f_favail
    assert answer.unknown[0].startswith("quota unknown: quota: ")


def test_and_where_it_leaves_less_than_the_quota(commands: Commands, ext4: Path) -> None:
    place = place_of(str(ext4))
    header = "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
    for limit_kib, scopes in ((1 << 30, ["user", "filesystem"]), (100, ["user"])):
        text = f"Disk quotas for user me (uid {UID}): \n{header}{place.root}   10 0 {limit_kib} 0 2 0 100 0\n"
        commands.prints("quota", text)
        assert [reading.scope for reading in read(commands, ext4).readings] == scopes


def test_a_place_that_does_not_exist_yet(commands: Commands, ext4: Path) -> None:
    assert place_of(str(ext4 / "a/b/c")).directory == str(ext4)
    assert read(commands, ext4 / "a/b/c").readings[0].mount == str(ext4)


def test_a_directory_whose_figures_are_not_its_filesystems(ext4: Path) -> None:
    """As a quota on the directory shows: here, that of a smaller filesystem which the place takes for its directory."""
    with loop_mount("ext4", 16) as small:
        (small / "file").write_bytes(b"x" * 1_000_000)
        os.sync()
        place = dataclasses.replace(place_of(str(ext4)), directory=str(small))
        found = statvfs.read_directory(place)
        status = os.statvfs(small)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        assert found is not None
        assert (found.scope, found.mount, found.used_bytes) == ("directory", str(small), used)
        assert found.left_bytes == status.f_bavail * status.f_frsize
        assert found.left_files == status.f_favail
        # The other way round it is no quota: a quota is no larger than its filesystem.
        assert statvfs.read_directory(dataclasses.replace(place_of(str(small)), directory=str(ext4))) is None
    assert statvfs.read_directory(place_of(str(ext4))) is None


# CephFS: no such filesystem here, so its attributes are given --------------------------------------------------------


class Ceph:
    """Attributes of a tree, as getxattr(2) gives them."""

    def __init__(self, **attributes: dict[str, str]) -> None:
        self.attributes = {"/" + path.replace("_", "/"): values for path, values in attributes.items()}
        self.asked: list[str] = []

    def __call__(self, path: str, name: str) -> bytes:
        self.asked.append(path)
        value = self.attributes.get(path, {}).get(name)
        if value is None:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return value.encode()


CEPH = Place("/c/lab/me/envs", "/c", "/c", "ceph", "mon:/", UID, "me", GID, 0)
USED = {"ceph.dir.rbytes": "70", "ceph.dir.rentries": "7"}


def test_limits_of_directories_above_hold_too() -> None:
    tree = Ceph(
        c={**USED, "ceph.quota.max_files": "1000"},
        c_lab={**USED, "ceph.quota.max_bytes": "100", "ceph.quota.max_files": "0"},
        c_lab_me={**USED, "ceph.quota.max_bytes": "0"},
        c_lab_me_envs={"ceph.dir.rbytes": "1"},
    )
    lab, top = cephfs.read(CEPH, tree)
    assert (lab.mount, lab.used_bytes, lab.hard_bytes, lab.hard_files) == ("/c/lab", 70, 100, None)
    assert (top.mount, top.used_files, top.hard_bytes, top.hard_files) == ("/c", 7, None, 1000)
    assert set(tree.asked) == {"/c", "/c/lab", "/c/lab/me", "/c/lab/me/envs"}


def test_no_limit_anywhere() -> None:
    with pytest.raises(Unknown, match="no quota is set on /c/lab/me/envs or above it"):
        cephfs.read(CEPH, Ceph())


def test_attributes_that_are_no_numbers() -> None:
    with pytest.raises(Unknown):
        cephfs.read(CEPH, Ceph(c_lab={"ceph.quota.max_bytes": "100 GB"}))


def test_a_filesystem_that_fails_is_no_quota() -> None:
    def broken(path: str, name: str) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OSError, match="Input/output"):
        cephfs.read(CEPH, broken)
