"""What a thin clone asks of the system: may its links be there at all, is its parent what it was, is an analysis kept.

A thin clone's directories lead into its parent. Who may write there would remove the parent's files when a program
removes the clone's, so that is asked when the clone is made and each time it is worked on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Sequence

from userconda import fsops
from userconda.analysis import analysis_from_json, analysis_to_json
from userconda.errors import ParentWritable, UcenvError
from userconda.journal import StateDirectory
from userconda.models import Analysis
from userconda.parallel import Pool
from userconda.prefixes import reread_directories, same_listing
from userconda.provenance import Provenance, read_provenance

# whether it may be ----------------------------------------------------------------------------------------------


def writable_place(analysis: Analysis) -> str | None:
    """A directory, of those that would be linked, in which this user could remove something; None where there is none.

    Asked of every directory that is linked, of one of each owner and mode below them, and of each that its group may
    write.
    """
    prefix, user = analysis.snapshot.prefix, os.geteuid()
    for uid, _, _, path in analysis.kinds:
        if uid == user:
            return os.path.join(prefix, path)
    samples = (path for _, _, _, path in analysis.kinds)
    for path in (*samples, *(linked.path for linked in analysis.linked), *analysis.loose):
        if _is_writable(os.path.join(prefix, path)):
            return os.path.join(prefix, path)
    return None


def _is_writable(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def check_guard(prefix: str) -> Provenance | None:
    """The note of a thin clone; None for any other environment.

    Raises:
        ParentWritable: this user could write to one of the directories that its links lead to, as root can.
    """
    note = read_provenance(prefix)
    if note is None or not note.thin:
        return None
    if (place := guarded_place(prefix, note)) is not None:
        raise ParentWritable(prefix, place)
    return note


def guarded_place(prefix: str, note: Provenance) -> str | None:
    """Which linked directory of the parent's the user may write; None where there is none."""
    user = os.geteuid()
    for path in note.linked:
        place = os.path.join(note.links_to, path)
        try:
            if os.readlink(os.path.join(prefix, path)) != place:
                continue
            if os.stat(place).st_uid == user or _is_writable(place):
                return place
        except OSError:  # thawed since, or the parent is gone: nothing can be written through it
            continue
    return None


# what is kept ---------------------------------------------------------------------------------------------------


def site_file(prefix: str, conda_root: str) -> str:
    """The site's, which `ucenv site index` writes."""
    return _file_in(os.path.join(conda_root, "etc", "ucenv"), prefix)


def own_file(prefix: str, space: str) -> str:
    """The user's, in their space; in one that several users share, in a directory that is theirs."""
    return _file_in(StateDirectory.beside(os.path.join(space, "envs", "any")).path, prefix)


def _file_in(directory: str, prefix: str) -> str:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(prefix))).hexdigest()[:16]
    return os.path.join(directory, "analyses", f"{digest}.json")


def find_analysis(prefix: str, files: Sequence[str], private: tuple[str, ...], pool: Pool) -> Analysis | None:
    """A kept analysis that is still true, or None.

    True means: each of the directories that are not linked whole has the names, sizes and times it had, among them
    conda-meta with every record, bin and site-packages. A file changed in place inside a linked directory is missed.
    """
    real = os.path.realpath(prefix)
    for file in files:
        analysis = _read(file, real)
        if analysis is not None and analysis.private == private and is_current(analysis, pool):
            return analysis
    return None


def _read(file: str, prefix: str) -> Analysis | None:
    """None for what is not there, is nobody's whom the environment's programs are not trusted to, or is none."""
    try:
        with open(file, "rb") as stream:
            status = os.fstat(stream.fileno())
            trusted = {0, os.geteuid(), os.stat(prefix).st_uid}
            if status.st_uid not in trusted or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            analysis = analysis_from_json(json.load(stream))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        return None
    if analysis is None or os.path.realpath(analysis.snapshot.prefix) != prefix:
        return None
    return analysis


def is_current(analysis: Analysis, pool: Pool) -> bool:
    snapshot = analysis.snapshot
    paths = [directory.path for directory in snapshot.directories]
    try:
        now = reread_directories(snapshot.prefix, paths, snapshot.is_base, pool)
    except (UcenvError, OSError):
        return False
    return all(
        after is not None and same_listing(before, after) and before.kind == after.kind
        for before, after in zip(snapshot.directories, now, strict=True)
    )


def keep_analysis(analysis: Analysis, file: str) -> None:
    """For everyone who reaches its directory, and nobody else to write, whatever the umask: see `find_analysis`.

    Raises:
        FileOperation, NotEnoughSpace: it cannot be written.
    """
    directory = os.path.dirname(file)
    for path in (os.path.dirname(directory), directory):
        try:
            fsops.make_directories(os.path.dirname(path))
            with contextlib.suppress(FileExistsError):
                os.mkdir(path)
                os.chmod(path, 0o755)
        except OSError as exc:
            raise fsops.failure("making the directory", path, exc) from None
    fsops.write_file(file, json.dumps(analysis_to_json(analysis), separators=(",", ":")).encode())
    os.chmod(file, 0o644)


def try_to_keep(analysis: Analysis, file: str) -> None:
    """As a help for the next clone, in `own_file`: that it cannot be kept is no failure of this one."""
    with contextlib.suppress(UcenvError):
        StateDirectory(os.path.dirname(os.path.dirname(file))).make()  # the first to make it closes it to others
        keep_analysis(analysis, file)
