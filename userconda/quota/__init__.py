"""What quotas hold for a directory: one adapter for each filesystem family, asked without privileges and with a time
limit. What cannot be read is "quota unknown", with the reason: never zero, never a failure.

The texts that were not understood are kept in the answer; `ucenv quota -v` and `--json` show them. Nothing is written.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from userconda.models import QuotaAnswer, QuotaReading, UnknownText, mark_tightest
from userconda.mounts import covers, mount_of, project_of, read_mounts, whole_mount
from userconda.quota import beegfs, btrfs, cephfs, gpfs, linux, lustre, panasas, site, statvfs, xfs, zfs
from userconda.quota.place import Command, Place, Question
from userconda.quota.run import TIMEOUT_SECONDS, Output, run
from userconda.quota.text import Unknown, refusal
from userconda.sharing import Charging, Mine
from userconda.units import printable

#: family -> what reads texts of it. A wrapper for Lustre's command may print BeeGFS's table below.
DIALECTS: Final[dict[str, tuple[Callable[[str, float], list[QuotaReading]], ...]]] = {
    "lustre": (lustre.parse_lustre, beegfs.parse_beegfs),
    "gpfs": (gpfs.parse_mmlsquota,),
    "quota": (linux.parse_quota,),
    "xfs": (xfs.parse_xfs_quota,),
    "beegfs": (beegfs.parse_beegfs,),
    "cephfs": (cephfs.parse_getfattr,),
    "zfs": (zfs.parse_zfs,),
    "btrfs": (btrfs.parse_btrfs,),
    "panasas": (panasas.parse_pan_quota,),
    "statvfs": (statvfs.parse_df,),
    "site": (site.parse_site,),
}


def parse(family: str, text: str, now: float) -> list[QuotaReading]:
    """The readings in a captured output.

    Args:
        now: seconds since the epoch at which it was printed: some commands print when a grace time ends.

    Raises:
        Unknown: none is in it.
    """
    readings: list[QuotaReading] = []
    reasons: list[Unknown] = []
    for dialect in DIALECTS[family]:
        try:
            readings += _possible(lambda dialect=dialect: dialect(text, now))  # type: ignore[misc]
        except Unknown as exc:
            reasons.append(exc)
    if not readings:
        raise reasons[0]
    return readings


def _possible(read: Callable[[], list[QuotaReading]]) -> list[QuotaReading]:
    """The readings that a filesystem could give.

    Raises:
        Unknown: none; or figures that Python does not even take for numbers, or nested too deeply.
    """
    try:
        readings = [reading for reading in read() if reading.is_possible]
    except (ValueError, OverflowError, RecursionError) as exc:
        raise Unknown(f"it cannot be read ({exc})") from None
    if not readings:
        raise Unknown("its figures are larger than any filesystem")
    return readings


# asking -----------------------------------------------------------------------------------------------------------


class Settings(Protocol):
    """What of the configuration is needed: `quota.family`, `quota.command`, and the environment for commands."""

    @property
    def environment(self) -> Mapping[str, str]: ...
    def __getitem__(self, key: str) -> object: ...


#: A mount's type -> family. Of any other type, only what statvfs shows is known.
FAMILIES: Final = {
    **dict.fromkeys(("ext2", "ext3", "ext4", "jfs", "reiserfs", "f2fs", "ocfs2", "gfs2", "nfs", "nfs4"), "quota"),
    "lustre": "lustre",
    "gpfs": "gpfs",
    "xfs": "xfs",
    "beegfs": "beegfs",
    "fhgfs": "beegfs",
    "ceph": "cephfs",
    "fuse.ceph": "cephfs",
    "fuse.ceph-fuse": "cephfs",
    "zfs": "zfs",
    "btrfs": "btrfs",
    "panfs": "panasas",
}

_ASK: Final[Mapping[str, Callable[[Place], tuple[Question, ...]]]] = {
    "lustre": lustre.ask,
    "quota": linux.ask,
    "xfs": xfs.ask,
    "beegfs": beegfs.ask,
    "zfs": zfs.ask,
    "btrfs": btrfs.ask,
    "panasas": panasas.ask,
}


def read_quotas(
    directory: str, config: Settings, *, family: str | None = None, one_command: bool = False
) -> QuotaAnswer:
    """Every quota that holds for a directory, or for the nearest one above it that exists, known within 5 s.

    Args:
        family: instead of the mount's, and of a site's own command.
        one_command: ask no more than one: the one for what most likely binds.
    """
    try:
        place = place_of(directory)
    except OSError as exc:
        return QuotaAnswer((), (f"quota unknown: {printable(directory)}: {exc.strerror}",))
    command = config["quota.command"]
    assert isinstance(command, tuple)
    wanted = family or config["quota.family"] or ("site" if command else FAMILIES.get(place.fstype, "statvfs"))
    asked = QuotaAnswer()
    if wanted == "cephfs":
        asked = _read_cephfs(place)
    elif wanted != "statvfs":
        asker = _Asker(place, config.environment)
        questions = asker.questions(str(wanted), command)
        asked = asker.ask(questions[:1] if one_command else questions)
    readings = [*asked.readings, *_from_statvfs(place, asked.readings)]
    unknown = asked.unknown
    if wanted == "statvfs" and not any(reading.scope == "directory" for reading in readings):
        kind = f"{place.fstype} on " if place.fstype else ""
        unknown = (f"quota unknown: no command is known that tells it for {kind}{printable(place.mount)}",)
    return QuotaAnswer(mark_tightest(readings), unknown, asked.texts)


def charged_to(answer: QuotaAnswer) -> Mine:
    """Who is charged for an inode in that directory, as the tightest of its limits counts.

    A limit on a directory or fileset counts everybody's inodes: of those, the user's are theirs all the same.
    """
    limited = [r for r in answer.readings if r.fraction is not None and r.scope in ("user", "group", "project")]
    binding = max(limited, key=lambda reading: reading.fraction or 0.0, default=None)
    if binding is None or binding.number is None:
        return Mine(Charging.USER, os.geteuid())
    return Mine(Charging(binding.scope), binding.number)


def place_of(directory: str) -> Place:
    """What is asked of a directory: its mount, and whom its files are charged to."""
    real = os.path.realpath(directory)
    while not os.path.isdir(real) and real != os.path.dirname(real):
        real = os.path.dirname(real)
    mounts = read_mounts()
    mount = mount_of(real, mounts)
    uid, status = os.geteuid(), os.stat(real)
    return Place(
        directory=real,
        mount=mount.path if mount else _mount_point(real),
        root=whole_mount(mount, mounts) if mount else _mount_point(real),
        fstype=mount.fstype if mount else "",
        device=mount.device if mount else "",
        uid=uid,
        user=_name(lambda: pwd.getpwuid(uid).pw_name, uid),
        gid=status.st_gid if status.st_mode & stat.S_ISGID else os.getegid(),
        project_id=project_of(real),
    )


def _mount_point(path: str) -> str:
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _name(look_up: Callable[[], str], number: int) -> str:
    try:
        return look_up()
    except KeyError:  # an id of another node's, or of a container's
        return str(number)


class _Asker:
    """Runs the commands for one place: all of them together have one time limit."""

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        self._place, self._environment = place, environment
        self._until = time.monotonic() + TIMEOUT_SECONDS

    def questions(self, family: str, command: Sequence[str]) -> tuple[Question, ...]:
        if family == "site":
            return site.ask(self._place, command)
        if family != "gpfs":
            return _ASK[family](self._place)
        fileset = None
        with contextlib.suppress(Unknown):
            fileset = gpfs.parse_fileset(self._run(gpfs.ask_fileset(self._place)).stdout)
        return gpfs.ask(self._place, fileset)

    def ask(self, questions: Sequence[Question]) -> QuotaAnswer:
        """All at once."""
        if len(questions) == 1:
            return self._ask_one(questions[0])
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(questions)) as pool:
            answers = list(pool.map(self._ask_one, questions))
        readings = dict.fromkeys(reading for answer in answers for reading in answer.readings)
        unknown = dict.fromkeys(line for answer in answers for line in answer.unknown)
        return QuotaAnswer(tuple(readings), tuple(unknown), tuple(text for answer in answers for text in answer.texts))

    def _ask_one(self, question: Question) -> QuotaAnswer:
        """The first of its commands that gives a reading."""
        place, texts = self._place, []
        for command, parser in question.commands:
            output = Output("", "", -1)
            try:
                output = self._run(command)
                readings = tuple(_here(_parsed(output, parser), question, place, shlex.join(command)))
                if readings:
                    return QuotaAnswer(readings)
                raise Unknown(f"it says nothing of {printable(place.mount)}")
            except Unknown as exc:
                code = output.exit_code if output.exit_code >= 0 else None
                texts.append(UnknownText(shlex.join(command), exc.reason, code, output.stdout, output.stderr))
        # The last that is installed tells most: what is missing is only worth a word where all are.
        told = [text for text in texts if text.exit_code is not None] or texts
        name = told[-1].command.partition(" ")[0]
        return QuotaAnswer((), (f"quota unknown: {name}: {told[-1].reason} ({printable(place.mount)})",), tuple(texts))

    def _run(self, command: Command) -> Output:
        return run(command, self._environment, max(0.1, self._until - time.monotonic()))


def _parsed(output: Output, parser: Callable[[str], list[QuotaReading]]) -> list[QuotaReading]:
    try:
        return _possible(lambda: parser(output.stdout))
    except Unknown:
        if not output.stdout.strip():
            raise refusal(output.stderr) from None
        raise


def _here(readings: Sequence[QuotaReading], question: Question, place: Place, source: str) -> Iterator[QuotaReading]:
    """Those that hold at the place, with what the command was not asked to repeat."""
    for reading in readings:
        scope = reading.scope or question.subject.scope
        number = question.subject.number if reading.number is None else reading.number
        if not _is_ours(scope, number, reading.name, place) or not _is_at(reading, question, place):
            continue
        shown = replace(reading, scope=scope, number=number, source=source)
        if not question.all_told:
            shown = replace(
                shown,
                name=_shown_name(shown, place) or question.subject.name,
                mount=place.mount,
                filesystem=place.fstype or reading.filesystem,
                device=reading.device or place.device or None,
                part=reading.part or (reading.mount if reading.filesystem == "btrfs" else None),
            )
        yield shown


def _is_ours(scope: str | None, number: int | None, name: str | None, place: Place) -> bool:
    """Commands may answer for other users, and for all of a user's groups: a new file here counts in one of them."""
    if number is None:
        return scope != "user" or name in (None, place.user, str(place.uid))
    return number == {"user": place.uid, "group": place.gid, "project": place.project_id}.get(scope or "", number)


def _is_at(reading: QuotaReading, question: Question, place: Place) -> bool:
    """quota(1) and sites' commands answer for other filesystems too. A site's name that is no path is left to it."""
    if question.all_told or reading.filesystem == "panasas":
        path = reading.mount or ""
        return not path.startswith("/") or covers(os.path.realpath(path), place.directory)
    return reading.filesystem not in ("quota", "xfs") or reading.mount in (place.root, place.mount)


def _shown_name(reading: QuotaReading, place: Place) -> str | None:
    number = reading.number
    if number is None:
        return reading.name
    if reading.scope == "user":
        return place.user
    if reading.scope == "group":
        return _name(lambda: grp.getgrgid(number).gr_name, number)
    return reading.name or str(number)


def _read_cephfs(place: Place) -> QuotaAnswer:
    try:
        found = cephfs.read(place)
    except (Unknown, OSError) as exc:
        return QuotaAnswer((), (f"quota unknown: {exc} ({printable(place.mount)})",))
    source = "attributes of the directory"
    return QuotaAnswer(tuple(replace(r, filesystem=place.fstype or r.filesystem, source=source) for r in found))


def _from_statvfs(place: Place, known: Sequence[QuotaReading]) -> Iterator[QuotaReading]:
    """A quota on the directory that nobody told of, and the filesystem itself where that leaves less than they do."""
    try:
        directory, whole = statvfs.read_directory(place), statvfs.read_filesystem(place)
    except OSError:  # a filesystem that is failing: whoever writes there is told
        return
    limits = {limit for reading in known for limit in (reading.soft_bytes, reading.hard_bytes)}
    quotas = list(known)
    if directory is not None and directory.hard_bytes not in limits:
        quotas.append(directory)
        yield replace(directory, filesystem=place.fstype or "statvfs", device=place.device or None)
    left_bytes = [reading.left_bytes for reading in quotas if reading.left_bytes is not None]
    left_files = [reading.left_files for reading in quotas if reading.left_files is not None]
    short_of_bytes = (whole.left_bytes or 0) < min(left_bytes, default=1 << 63)
    short_of_files = whole.left_files is not None and whole.left_files < min(left_files, default=0)
    if directory is None and (short_of_bytes or short_of_files):
        yield replace(whole, filesystem=place.fstype or "statvfs", device=place.device or None)
