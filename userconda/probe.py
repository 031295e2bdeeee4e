"""What a source and a target directory support together: tried, not guessed.

One real link(2) for every kind of file the source has (owner, group, mode), one real FICLONE, in a directory of ours
on the target's filesystem, cleaned up at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import pwd
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from userconda import fsops
from userconda.errors import NotEnoughSpace, QuotaExceeded, SourceChanged, SpaceNotWritable
from userconda.models import Capabilities, ClassVerdict, FileClass, LinkMode, PrefixSnapshot
from userconda.prefixes import open_prefix

#: Filesystems that report no inode limit answer 0 here (btrfs), or nonsense beyond any quota.
_MOST_INODES: Final = 1 << 62

_PROTECTED_HARDLINKS: Final = "/proc/sys/fs/protected_hardlinks"


def probe_pair(snapshot: PrefixSnapshot, target_parent: str) -> Capabilities:
    """Try what the kernel allows between a source and the directory a clone will be made in.

    Raises:
        SpaceNotWritable, NotEnoughSpace, NotEnoughInodes, QuotaExceeded: no directory can be made there.
        SourceChanged: a file that was just listed is gone.
        FileOperation: anything else that the system refuses.
    """
    place = existing_ancestor(target_parent)
    root_fd = open_prefix(snapshot.prefix)
    try:
        with _probe_directory(place) as probe_fd:
            verdicts = tuple(_try_class(root_fd, probe_fd, kind, str(n)) for n, kind in enumerate(snapshot.classes))
            reflink = _try_reflink(root_fd, probe_fd, snapshot.classes, verdicts)
        space = os.statvfs(place)
    except fsops.ChangedMeanwhile as exc:
        raise SourceChanged(snapshot.prefix, (str(exc),)) from None
    except FileNotFoundError as exc:
        raise SourceChanged(snapshot.prefix, (exc.filename or "",)) from None
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise fsops.not_writable(place, exc) from None
        raise fsops.failure("trying links in", place, exc) from None
    finally:
        os.close(root_fd)
    return Capabilities(
        verdicts=verdicts,
        reflink=reflink,
        free_bytes=space.f_bavail * space.f_frsize,
        free_inodes=space.f_favail if space.f_files and space.f_favail < _MOST_INODES else None,
        block_bytes=space.f_frsize or 4096,
        quota_bytes=directory_quota(place),
    )


def existing_ancestor(path: str) -> str:
    """The nearest directory that exists already: nothing is mounted on what does not exist yet.

    Raises:
        SpaceNotWritable: a file, or a symlink that leads nowhere, is in the way.
    """
    place = path
    while not os.path.isdir(place) and place != os.path.dirname(place):
        if os.path.lexists(place):
            raise SpaceNotWritable(path, errno.ENOTDIR)
        place = os.path.dirname(place)
    return place


@contextlib.contextmanager
def _probe_directory(place: str) -> Iterator[int]:
    path = os.path.join(place, f"{fsops.PROBE_PREFIX}{platform.node()}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        os.mkdir(path, 0o700)
    except OSError as exc:
        raise fsops.not_writable(place, exc) from None
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise fsops.not_writable(place, exc) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except NotEnoughSpace as exc:  # with the figures that only this directory can tell
        code = errno.EDQUOT if isinstance(exc, QuotaExceeded) else errno.ENOSPC
        raise fsops.not_writable(place, OSError(code, os.strerror(code))) from None
    finally:
        with contextlib.suppress(OSError):  # `recover` knows it by its name
            fsops.remove_tree(path)


def _try_class(root_fd: int, probe_fd: int, kind: FileClass, name: str) -> ClassVerdict:
    link_errno = fsops.hardlink(kind.sample, root_fd, probe_fd, kind.sample, name)
    if not link_errno:
        made = os.stat(name, dir_fd=probe_fd, follow_symlinks=False)
        if made.st_ino != os.stat(kind.sample, dir_fd=root_fd, follow_symlinks=False).st_ino:
            link_errno = errno.EOPNOTSUPP
        os.unlink(name, dir_fd=probe_fd)
    if link_errno == errno.EMLINK:
        link_errno = 0  # that one file has no links left; the others of its kind may
    return ClassVerdict(
        link_errno,
        readable=os.access(kind.sample, os.R_OK, dir_fd=root_fd, effective_ids=True),
        writable=os.access(kind.sample, os.W_OK, dir_fd=root_fd, effective_ids=True),
        owned=kind.uid == os.geteuid(),
    )


def _try_reflink(root_fd: int, probe_fd: int, classes: Sequence[FileClass], verdicts: Sequence[ClassVerdict]) -> bool:
    for kind, verdict in zip(classes, verdicts, strict=True):
        if verdict.readable:
            name = os.path.basename(kind.sample)
            directory_fd = os.open(os.path.dirname(kind.sample) or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root_fd)
            try:
                # Without room for one file there is none for a clone either: the plan has the figures to say so.
                with contextlib.suppress(fsops.ChangedMeanwhile, NotEnoughSpace):
                    mode = fsops.copy(name, directory_fd, probe_fd, kind.sample, reflink=True, may_copy=False)
                    return mode is LinkMode.REFLINK
            finally:
                os.close(directory_fd)
    return False


def tried_link(source: str, place: str) -> int:
    """0, or the errno with which link(2) refuses to link one file into a directory."""
    with _probe_directory(place) as probe_fd:
        directory_fd = os.open(os.path.dirname(source), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return fsops.hardlink(os.path.basename(source), directory_fd, probe_fd, source)
        finally:
            os.close(directory_fd)


# why ------------------------------------------------------------------------------------------------------------


def reason_for(link_errno: int, kind: FileClass | None, source: str, target: str) -> str:
    """Why links were refused, in words; sysctl and owner are read before they are blamed."""
    if link_errno == errno.EPERM and kind is not None:
        if protected_hardlinks() and kind.uid != os.geteuid():
            return (
                f"they belong to {owner_name(kind.uid)}, and this node has fs.protected_hardlinks=1 "
                "(EPERM: no links to files that you neither own nor may write)"
            )
        if kind.mode & stat.S_ISUID or kind.mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP:
            return "they are setuid or setgid (EPERM)"
        return "the kernel refuses a link (EPERM): the files are immutable, or the filesystem has no hard links"
    if link_errno == errno.EXDEV:
        source_filesystem, target_filesystem = filesystem_of(source), filesystem_of(target)
        if source_filesystem != target_filesystem and os.stat(source).st_dev != os.stat(target).st_dev:
            return f"they are on another filesystem ({source_filesystem}, the clone on {target_filesystem}) (EXDEV)"
        return f"they are in another project quota or on another mount of that filesystem ({source_filesystem}) (EXDEV)"
    if link_errno == errno.EPERM:  # the trial with a file of the same owner and mode went well
        return "the kernel refuses a link to these, not to others of their kind (EPERM): most likely they are immutable"
    name = errno.errorcode.get(link_errno, str(link_errno))
    return f"{fsops.HARDLINK_REFUSED.get(link_errno, os.strerror(link_errno))} ({name})"


def protected_hardlinks() -> bool:
    try:
        with open(_PROTECTED_HARDLINKS, encoding="ascii") as stream:
            return stream.read().strip() != "0"
    except OSError:  # not Linux
        return False


def owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a uid of another node's, or of a container's
        return f"user {uid}"


def filesystem_of(path: str) -> str:
    """ "ext4 on /scratch": the mount a path is on, as far as psutil tells."""
    try:
        import psutil

        partitions = psutil.disk_partitions(all=True)
    except Exception:  # no psutil on this architecture, or no mount table in this container: a help for messages only
        return "unknown filesystem"
    real = os.path.realpath(path)
    under = [p for p in partitions if real == p.mountpoint or real.startswith(p.mountpoint.rstrip("/") + "/")]
    if not under:
        return "unknown filesystem"
    mount = max(under, key=lambda p: len(p.mountpoint))
    return f"{mount.fstype} on {mount.mountpoint}"


def directory_quota(path: str) -> int | None:
    """Bytes that a quota on the directory itself leaves, where statvfs tells (XFS projects, VAST, Isilon, NetApp).

    None where the directory's figures are those of its whole mount: then nothing is known of a quota.
    """
    here = os.statvfs(path)
    mount = os.path.realpath(path)
    while not os.path.ismount(mount):
        mount = os.path.dirname(mount)
    there = os.statvfs(mount)
    return here.f_bavail * here.f_frsize if here.f_blocks != there.f_blocks else None
