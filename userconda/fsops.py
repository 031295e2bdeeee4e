"""Every file operation that writes: link, reflink, copy, make, rename, remove; errnos sorted into next mode or error.

Names are relative to directory descriptors. Nothing here follows a symlink, opens a file of the source for writing
or changes the metadata of an inode that existed before.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import stat
import sys
from collections.abc import Iterator
from typing import Final

from userconda.errors import (
    FileOperation,
    NotEnoughInodes,
    NotEnoughSpace,
    QuotaExceeded,
    SpaceNotWritable,
    UcenvError,
)
from userconda.models import LinkMode

#: errno -> why hard linking this one file is impossible here. Anything else is an error, above all ENOSPC and
#: EDQUOT: a copy would fail too, later and dearer.
HARDLINK_REFUSED: Final = {
    errno.EPERM: "the kernel refuses a link to this file",  # fs.protected_hardlinks, an immutable file, no links at all
    errno.EXDEV: "it is on another filesystem, mount or project quota",
    errno.EMLINK: "the file has as many links as its filesystem allows",
    errno.EOPNOTSUPP: "this filesystem has no hard links",
    errno.ENOSYS: "this filesystem has no hard links",  # some FUSE filesystems
    errno.EACCES: "the security policy of this machine refuses a link to this file",  # SELinux, AppArmor
}

#: The same for FICLONE. EINVAL: files of different kinds (swap, nodatacow); ETXTBSY: one is being executed or swapped.
REFLINK_REFUSED: Final = frozenset(
    {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.ETXTBSY, errno.EPERM, errno.EBADF}
)

#: copy_file_range's ways of saying that the kernel cannot do it between these two; reading and writing can.
_COPY_RANGE_REFUSED: Final = frozenset(
    {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.EIO}
)

#: What was listed a moment ago is gone or something else: the source is being changed. ESTALE is the same on NFS.
VANISHED: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})

#: What a fallback without an errno of link(2)'s is counted under.
NO_REFLINK: Final = errno.EOPNOTSUPP
NO_REAL_LINK: Final = errno.EOPNOTSUPP

#: Directories in which links are tried: this, host, pid and something random, with dots between.
PROBE_PREFIX: Final = ".ucenv-probe."

#: _IOW(0x94, 9, int) of linux/fs.h; "write" is another bit on these machines.
_WRITE_BITS: Final = (
    0x80000000 if platform.machine().startswith(("ppc", "powerpc", "mips", "sparc", "alpha")) else 0x40000000
)
_FICLONE: Final = _WRITE_BITS | 4 << 16 | 0x94 << 8 | 9
_CHUNK_BYTES: Final = 1 << 20
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: Only these attributes are the user's to copy: Lustre's layout, ACLs and capabilities are the filesystem's.
_USER_ATTRIBUTE: Final = "user."


def failure(operation: str, path: str, exc: OSError) -> UcenvError:
    """The error for an errno that no other mode can make good."""
    if exc.errno == errno.ENOSPC:
        return NotEnoughSpace(path, 0, None, "no space left on the device, or no inodes")
    if exc.errno == errno.EDQUOT:
        return QuotaExceeded(path, 0, None)
    return FileOperation(operation, path, exc.errno or 0)


def not_writable(directory: str, exc: OSError) -> UcenvError:
    """The error for a directory in which nothing could be made, not even what a run needs for itself."""
    if exc.errno == errno.EDQUOT:
        return QuotaExceeded(directory, 0, None)
    if exc.errno != errno.ENOSPC:
        return SpaceNotWritable(directory, exc.errno or 0)
    place = directory
    while not os.path.isdir(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    space = os.statvfs(place)
    if space.f_files and not space.f_favail:
        return NotEnoughInodes(directory, 1, 0)
    return NotEnoughSpace(directory, space.f_frsize, space.f_bavail * space.f_frsize)


def hardlink(name: str, source_fd: int, target_fd: int, directory: str, target_name: str | None = None) -> int:
    """Link one file into the clone.

    Args:
        directory: for the message, should it fail.

    Returns:
        0, or the errno (a key of HARDLINK_REFUSED) for which the next mode is to be tried.

    Raises:
        ChangedMeanwhile: the source no longer has it.
        FileOperation, NotEnoughSpace, QuotaExceeded: any other failure.
    """
    try:
        os.link(name, target_name or name, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    except OSError as exc:
        if exc.errno in HARDLINK_REFUSED:
            return exc.errno
        if exc.errno in (errno.ENOENT, errno.ESTALE):
            raise ChangedMeanwhile(f"{directory}/{name}" if directory else name) from None
        raise failure("hard link", f"{directory}/{name}", exc) from None
    return 0


def link_twin(name: str, twin_fd: int, target_fd: int, directory: str) -> int:
    """Link a file that the user owns already. ENOENT: its clone was removed meanwhile."""
    try:
        return hardlink(name, twin_fd, target_fd, directory)
    except ChangedMeanwhile:
        return errno.ENOENT


def is_same_inode(name: str, source_fd: int, target_fd: int) -> bool:
    """Whether link(2) made a link: BeeGFS makes a symlink across directories and says nothing."""
    source = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
    target = os.stat(name, dir_fd=target_fd, follow_symlinks=False)
    return source.st_ino == target.st_ino


class ChangedMeanwhile(Exception):
    """A file of the source is no longer what the listing said, or was replaced while it was read."""


def check_listed(name: str, source_fd: int, path: str, size_bytes: int, mtime_ns: int) -> None:
    """Raise ChangedMeanwhile where a file of the source is not the one that was listed and looked into."""
    try:
        status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
    except OSError as exc:
        if exc.errno in VANISHED:
            raise ChangedMeanwhile(path) from None
        raise failure("reading", path, exc) from None
    if (status.st_size, status.st_mtime_ns) != (size_bytes, mtime_ns):
        raise ChangedMeanwhile(path)


def copy(
    name: str,
    source_fd: int,
    target_fd: int,
    path: str,
    *,
    reflink: bool,
    may_copy: bool = True,
    target_name: str | None = None,
    mode_bits: int = 0,
) -> LinkMode | None:
    """Give the clone a file of its own with the source's bytes, mtime, permission bits and user attributes.

    Args:
        may_copy: whether bytes may be copied where blocks cannot be shared.
        mode_bits: permission bits to add.

    Returns:
        REFLINK or COPY, whichever was done; None where only a reflink was allowed and the filesystem has none.

    Raises:
        PermissionError: the source's file cannot be read.
        ChangedMeanwhile: it changed while it was read.
        FileOperation, NotEnoughSpace, QuotaExceeded: anything else.
    """
    source = open_source(name, source_fd, path)
    try:
        status = os.fstat(source)
        target = create(target_name or name, target_fd, path)
        try:
            done = _clone_blocks(source, target) if reflink else False
            if not done:
                if not may_copy:
                    os.unlink(target_name or name, dir_fd=target_fd)
                    return None
                _copy_bytes(source, target, status)
            finish(target, status, source, mode_bits)
        except OSError as exc:
            raise failure("copy", path, exc) from None
        finally:
            os.close(target)
        after = os.fstat(source)
        if (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise ChangedMeanwhile(path)
        return LinkMode.REFLINK if done else LinkMode.COPY
    finally:
        os.close(source)


def open_source(name: str, source_fd: int, path: str) -> int:
    try:
        descriptor = os.open(name, _READ, dir_fd=source_fd)
    except PermissionError:
        raise
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ELOOP, errno.ESTALE):
            raise ChangedMeanwhile(path) from None
        raise failure("opening", path, exc) from None
    return descriptor


def create(name: str, target_fd: int, path: str) -> int:
    """A new file, readable by nobody else until it is finished."""
    try:
        return os.open(name, _CREATE, 0o600, dir_fd=target_fd)
    except OSError as exc:
        raise failure("creating", path, exc) from None


def read_all(descriptor: int, size_bytes: int, path: str = "") -> bytes:
    """A whole file; `size_bytes` is what it should have.

    Raises:
        ChangedMeanwhile: it was written to while it was read.
    """
    before = os.fstat(descriptor)
    parts = []
    while chunk := os.read(descriptor, max(size_bytes + 1, 65536)):
        parts.append(chunk)
    after = os.fstat(descriptor)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ChangedMeanwhile(path)
    return b"".join(parts)


def write_new(
    name: str,
    target_fd: int,
    path: str,
    data: bytes,
    status: os.stat_result | None = None,
    source: int | None = None,
    *,
    keep_mtime: bool = False,
) -> None:
    """A file of ours with these bytes, and the mode and attributes of the file it stands for, writable by its owner.

    Its mtime is the time of writing, so that nothing compiled from the other file is taken for this one's.
    """
    target = create(name, target_fd, path)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
        os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777 | stat.S_IWUSR if status else 0o666 & ~_umask())
        if source is not None:
            _copy_user_attributes(source, target)
        if keep_mtime and status is not None:
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    except OSError as exc:
        raise failure("writing", path, exc) from None
    finally:
        os.close(target)


def finish(target: int, status: os.stat_result, source: int, mode_bits: int = 0) -> None:
    """Permission bits without setuid and setgid, the user's attributes, and the mtime to the nanosecond."""
    os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777 | mode_bits)
    _copy_user_attributes(source, target)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_user_attributes(source: int, target: int) -> None:
    if not hasattr(os, "listxattr"):  # macOS
        return
    try:
        names = os.listxattr(source)
    except OSError as exc:
        if exc.errno in (errno.EOPNOTSUPP, errno.ENODATA, errno.EPERM, errno.EACCES):
            return  # the source's filesystem has none, or keeps them to itself
        raise
    for name in names:
        if name.startswith(_USER_ATTRIBUTE):
            try:
                os.setxattr(target, name, os.getxattr(source, name))
            except OSError as exc:
                # EOPNOTSUPP, ENOTSUP: the target's filesystem has none. E2BIG, ENOSPC: none that large. ENODATA: gone.
                if exc.errno not in (errno.EOPNOTSUPP, errno.ENODATA, errno.E2BIG, errno.EPERM, errno.ENOSPC):
                    raise


def _clone_blocks(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as exc:
        if exc.errno in REFLINK_REFUSED:
            return False
        raise
    return True


def _copy_bytes(source: int, target: int, status: os.stat_result) -> None:
    if status.st_blocks * 512 < status.st_size and hasattr(os, "SEEK_DATA"):
        for start, end in _data_ranges(source, status.st_size):
            _copy_range(source, target, start, end)
        os.ftruncate(target, status.st_size)
    else:
        _copy_range(source, target, 0, None)


def _data_ranges(source: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """The parts of a sparse file that are not holes."""
    end = 0
    while end < size_bytes:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            if exc.errno == errno.EINVAL:  # a filesystem that does not tell
                yield end, size_bytes
                return
            raise
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(source: int, target: int, start: int, end: int | None) -> None:
    os.lseek(source, start, os.SEEK_SET)
    os.lseek(target, start, os.SEEK_SET)
    left = end - start if end is not None else sys.maxsize
    in_kernel = hasattr(os, "copy_file_range")
    while left:
        if in_kernel:
            try:
                count = os.copy_file_range(source, target, min(left, 1 << 30))
            except OSError as exc:
                if exc.errno not in _COPY_RANGE_REFUSED:
                    raise
                in_kernel = False
                continue
            if count:
                left -= count
                continue
            # 0 is the end of the file, and what some filesystems (procfs-like, old FUSE) answer in the middle of one.
            in_kernel = False
        data = os.read(source, min(left, _CHUNK_BYTES))
        if not data:
            return
        left -= len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]


def make_directory(name: str, parent_fd: int, path: str) -> int:
    """A directory with mkdir's mode under the user's umask, the user's own bits on; returns its descriptor."""
    try:
        os.mkdir(name, 0o777, dir_fd=parent_fd)
        mask = _umask()
        if mask & 0o700:
            os.chmod(name, 0o777 & ~mask | 0o700, dir_fd=parent_fd)
    except OSError as exc:
        raise failure("making the directory", path, exc) from None
    return open_directory(name, parent_fd, path)


def open_directory(name: str, parent_fd: int, path: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
    except OSError as exc:
        raise failure("opening the directory", path, exc) from None


def symlink(target: str, name: str, parent_fd: int, path: str) -> None:
    try:
        os.symlink(target, name, dir_fd=parent_fd)
    except OSError as exc:
        raise failure("symbolic link", path, exc) from None


def allocated(name: str, parent_fd: int) -> int:
    """Bytes that an entry of ours takes on disk, as quotas count them."""
    return os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_blocks * 512


def allocated_directory(descriptor: int) -> int:
    return os.fstat(descriptor).st_blocks * 512


def open_below(root_fd: int, path: str) -> int:
    """A directory by its path, no symlink followed on the way; "" is the root itself, opened again."""
    descriptor = os.dup(root_fd)
    for name in path.split("/") if path else ():
        try:
            below = open_directory(name, descriptor, path)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


# exchanging -----------------------------------------------------------------------------------------------------

#: What Lustre, NFS and FUSE filesystems answer to any flag of renameat2(2), old kernels to the call, and filters of
#: system calls (EPERM) to what they do not know. Whether rename(2) may be done, it says itself then.
EXCHANGE_REFUSED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

_RENAME_EXCHANGE: Final = 2

#: renameat2(2) by number, for C libraries older than 2.28.
_RENAMEAT2: Final = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "ppc64le": 357, "s390x": 347, "i686": 353}


def exchange(first: str, first_fd: int, second: str, second_fd: int) -> int:
    """Let two names of one filesystem change places, at once; what they stand for may be of different kinds.

    Returns:
        0, or the errno (one of EXCHANGE_REFUSED) for which it takes two renames.

    Raises:
        OSError: any other failure; nothing was changed.
    """
    code = _renameat2(first_fd, os.fsencode(first), second_fd, os.fsencode(second), _RENAME_EXCHANGE)
    if code and code not in EXCHANGE_REFUSED:
        raise OSError(code, os.strerror(code), second)
    return code


def _renameat2(first_fd: int, first: bytes, second_fd: int, second: bytes, flags: int) -> int:
    """The errno, or 0."""
    if sys.platform != "linux":
        return errno.ENOSYS
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        failed = library.renameat2(first_fd, first, second_fd, second, flags)
    elif number := _RENAMEAT2.get(platform.machine()):
        failed = library.syscall(number, first_fd, first, second_fd, second, flags)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


# publishing -----------------------------------------------------------------------------------------------------


def make_directories(path: str, mode: int | None = None) -> None:
    """A directory and its parents.

    Args:
        mode: of those that are made, whatever the umask.

    Raises:
        OSError: as the system gives it; the caller knows what the directory is for.
    """
    missing = []
    above = path
    while mode is not None and not os.path.lexists(above):
        missing.append(above)
        above = os.path.dirname(above)
    os.makedirs(path, exist_ok=True)
    for made in missing:
        os.chmod(made, mode or 0)


def write_file(path: str, data: bytes, mode: int | None = None) -> None:
    """A small file of ours, complete under its name or not there: written beside, synced, renamed.

    Args:
        mode: permission bits, whatever the umask.
    """
    temporary = f"{path}.{platform.node()}.{os.getpid()}.tmp"  # whose it is, should it be left: see recover
    try:
        descriptor = _open_new(temporary)
        try:
            if mode is not None:
                os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise failure("writing", path, exc) from None


def _open_new(path: str) -> int:
    """A file that was not there: never one that a link leads to, which others may have put where they may write."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileExistsError:  # that, or left by a killed run of this process' number
        os.unlink(path)
        return os.open(path, flags, 0o666)


def replace_file(path: str, data: bytes | None, before: os.stat_result | None, mode_bits: int = 0) -> bool:
    """A user's file with other bytes, complete under its name at any time: written beside, synced, renamed. None: the
    file goes. Mode, owner, ACL and attributes stay, as far as they are the user's to give.

    Args:
        path: no symlink.
        before: what the new bytes were made from; None where there was no file.
        mode_bits: permission bits to add.

    Returns:
        False where the file is no longer that one. Then it was not touched.
    """
    temporary = f"{path}.{platform.node()}.{os.getpid()}.tmp"
    try:
        if data is not None:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                _make_like(descriptor, path, before, mode_bits)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        if _identity(path) != (before and _identity_of(before)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            return False
        if data is None:
            os.unlink(path)
        else:
            os.rename(temporary, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise failure("writing", path, exc) from None
    sync_directory(os.path.dirname(path))
    return True


def _make_like(target: int, path: str, before: os.stat_result | None, mode_bits: int) -> None:
    if before is None:
        os.fchmod(target, 0o666 & ~_umask() | mode_bits)
        return
    made = os.fstat(target)
    if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(PermissionError):  # a group that one is not a member of, a file of somebody else's
            os.fchown(target, before.st_uid, before.st_gid)
    os.fchmod(target, stat.S_IMODE(before.st_mode) | mode_bits)
    if not hasattr(os, "listxattr"):  # macOS
        return
    try:
        names = os.listxattr(path)
    except OSError as exc:
        if exc.errno != errno.EOPNOTSUPP:  # a filesystem without
            raise
        return
    for name in names:
        try:
            os.setxattr(target, name, os.getxattr(path, name))
        except OSError as exc:
            # EPERM, EACCES: `trusted.` and `security.` are the administrator's. EOPNOTSUPP: a namespace that can be
            # listed and not set. ENODATA: gone meanwhile.
            if exc.errno not in (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENODATA):
                raise


def _identity(path: str) -> tuple[int, ...] | None:
    try:
        return _identity_of(os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _identity_of(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def publish(staging: str, target: str) -> None:
    """Give a finished directory its name.

    Raises:
        FileExistsError: something has the name; the staging directory is as it was.
    """
    # rename(2) would replace an empty directory. The lease keeps other runs of ours away; this is for everybody else.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    try:
        os.rename(staging, target)
    except OSError as exc:
        if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(exc.errno, os.strerror(exc.errno), target) from None
        raise failure("renaming to", target, exc) from None
    sync_directory(os.path.dirname(target))


def sync_file(name: str, directory_fd: int) -> None:
    """Bring one of our own small files to the disk before its directory gets its name."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory_fd)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: str) -> None:
    """Best effort: EINVAL and EBADF are filesystems that cannot sync a directory; nothing is lost by that alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def set_aside(path: str, trash: str) -> bool:
    """Rename a directory into the trash, at once; False where it is not there."""
    try:
        os.makedirs(trash, exist_ok=True)
        os.rename(path, os.path.join(trash, f"{os.path.basename(path)}.{os.getpid()}"))
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise failure("setting aside", path, exc) from None
    return True


def remove_tree(path: str, parent_fd: int | None = None) -> None:
    """Delete a directory of ours. Links are unlinked; what they led to is not touched, also where a directory is
    replaced by a link meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            with os.scandir(descriptor) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for name, is_directory in names:
                if is_directory:
                    remove_tree(name, descriptor)
                else:
                    with contextlib.suppress(FileNotFoundError):  # somebody else empties the same trash
                        os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        os.rmdir(path, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    except NotADirectoryError:  # a symlink, whatever it leads to
        os.unlink(path, dir_fd=parent_fd)
    except PermissionError:
        status = os.stat(path, dir_fd=parent_fd, follow_symlinks=False)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o700 == 0o700:
            raise
        os.chmod(path, 0o700, dir_fd=parent_fd)
        remove_tree(path, parent_fd)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
