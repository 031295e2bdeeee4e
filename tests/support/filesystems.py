"""Real filesystems for tests: loop mounts, bind and overlay mounts, and the project's FUSE filesystem.

Everything lives in a scratch directory whose name holds the maker's pid and start time, so that what a killed
run left mounted is recognised, and removed by the next (`sweep`). It is never inside pytest's `tmp_path`: pytest
deletes old ones recursively, and would go through a mount left there.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support import CHECKOUT, Unavailable, need_root

Kind = Literal["ext4", "xfs", "btrfs"]
KINDS: tuple[Kind, ...] = ("ext4", "xfs", "btrfs")

_PREFIX = "ucenv-test-"
_OWNER = re.compile(rf"{_PREFIX}(\d+)-(\d+)-")
_SMALLEST_MB = {"ext4": 1, "xfs": 300, "btrfs": 128}  # what mkfs accepts; images are sparse
_MKFS: dict[str, list[str]] = {
    "ext4": ["mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard"],
    "xfs": ["mkfs.xfs", "-q", "-K", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q", "-K"],
}
_PACKAGES = {"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs", "setpriv": "util-linux"}


@dataclass(frozen=True)
class FuseMount:
    """A mounted latfs. `path` shows what is in `source`."""

    path: Path
    source: Path
    process: subprocess.Popen[bytes]
    counts_file: Path

    def counts(self) -> dict[str, int]:
        """Operations so far, by kind. Subtract two readings to have those of a phase."""
        self.counts_file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        _wait_until(self.counts_file.exists, f"latfs to write {self.counts_file}")
        return {name: int(count) for name, count in map(str.split, self.counts_file.read_text().splitlines())}


# -- scratch directories and what earlier runs left ---------------------------------------------------------


def _start_time(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat: a pid is used again, a pid with its start time is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


@contextlib.contextmanager
def scratch_directory(tmp: Path | None = None) -> Iterator[Path]:
    """A directory that other users can reach (pytest's own is 0700); what is mounted in it goes with it."""
    pid = os.getpid()
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{pid}-{_start_time(pid)}-", dir=tmp)).resolve()
    path.chmod(0o755)
    try:
        yield path
    finally:
        _remove(path)


def _mount_points() -> list[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])) for line in lines]


def _remove(scratch: Path) -> None:
    for mount_point in reversed([path for path in _mount_points() if scratch in path.parents]):
        _unmount(mount_point)
    if any(scratch in path.parents for path in _mount_points()):
        raise RuntimeError(f"still mounted below {scratch}: not deleting through it")
    try:
        shutil.rmtree(scratch)
    except PermissionError:  # a test of immutable files that died
        subprocess.run(["chattr", "-R", "-f", "-i", "--", scratch], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(scratch)


def _unmount(mount_point: Path) -> None:
    """Detached (-l) where something still has a file open: the loop device is freed when that is closed."""
    if os.geteuid() != 0:
        subprocess.run(["fusermount3", "-u", "-z", "--", mount_point], check=True)
    elif subprocess.run(["umount", "--", mount_point], capture_output=True).returncode:
        subprocess.run(["umount", "-l", "--", mount_point], check=True)


def sweep() -> list[Path]:
    """Remove the mounts and directories of test processes that no longer run. Returns what it removed."""
    candidates = set(Path(tempfile.gettempdir()).resolve().glob(f"{_PREFIX}*"))
    for mount_point in _mount_points():
        candidates.update(mount_point.parents)
    removed = []
    for path in candidates:
        owner = _OWNER.match(path.name)
        if not owner or _start_time(int(owner[1])) == owner[2]:
            continue
        with contextlib.suppress(FileNotFoundError):  # another run sweeps too
            if path.stat().st_uid == os.geteuid():
                _remove(path)
                removed.append(path)
    return removed


def _remove_own() -> None:
    """For a run that ends without its finalizers (an error in one of them, sys.exit)."""
    pid = os.getpid()
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{pid}-{_start_time(pid)}-*"):
        _remove(path.resolve())


atexit.register(_remove_own)


# -- mounts -------------------------------------------------------------------------------------------------


def _program(name: str) -> str:
    """Where a system tool is: an ordinary user's PATH lacks the sbin directories."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise Unavailable(f"needs {name} (package {_PACKAGES.get(name, name)})", tool=name)
    return found


def mkfs_programs() -> list[str]:
    return [_program(argv[0]) for argv in _MKFS.values()]


def _run(argv: list[str | Path]) -> None:
    """Run a system tool; `Unavailable` where it is missing or refused."""
    name = str(argv[0])
    environment = {**os.environ, "LC_ALL": "C"}
    command = [_program(name), *argv[1:]]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Unavailable(f"{name}: {done.stderr.strip() or done.returncode}")


def _have_loop_devices() -> None:
    """Containers often come without the nodes, though the kernel would serve them."""
    wanted = {"/dev/loop-control": (stat.S_IFCHR | 0o600, os.makedev(10, 237))}
    wanted |= {f"/dev/loop{n}": (stat.S_IFBLK | 0o600, os.makedev(7, n)) for n in range(8)}
    for name, (mode, device) in wanted.items():
        if not Path(name).exists():
            try:
                os.mknod(name, mode, device)
            except OSError as error:
                raise Unavailable(f"no {name}, and mknod says {error.strerror}") from error


@contextlib.contextmanager
def _mounted(argv: list[str | Path], mount_point: Path) -> Iterator[Path]:
    mount_point.mkdir(exist_ok=True)
    _run(["mount", *argv, mount_point])
    try:
        yield mount_point
    finally:
        _unmount(mount_point)


@contextlib.contextmanager
def loop_mount(
    kind: Kind, size_mb: int = 512, tmp: Path | None = None, *, mkfs_options: tuple[str, ...] = (), options: str = ""
) -> Iterator[Path]:
    """A new filesystem in a sparse image (XFS with reflink; at least 300 MB, btrfs 128 MB), writable by every user."""
    need_root("loop mounts")
    if not re.search(rf"\b{kind}$", Path("/proc/filesystems").read_text(), re.M):
        subprocess.run(["modprobe", kind], check=False, capture_output=True)
    _have_loop_devices()
    with scratch_directory(tmp) as scratch:
        image = scratch / "image"
        image.touch()
        os.truncate(image, max(size_mb, _SMALLEST_MB[kind]) << 20)
        _run([*_MKFS[kind], *mkfs_options, image])
        with _mounted(["-t", kind, "-o", f"loop,{options}".rstrip(","), image], scratch / kind) as mount_point:
            with contextlib.suppress(FileNotFoundError):
                (mount_point / "lost+found").rmdir()
            mount_point.chmod(0o777)
            yield mount_point


@contextlib.contextmanager
def bind_mount(source: Path, tmp: Path | None = None, *, read_only: bool = False) -> Iterator[Path]:
    """The same filesystem seen through a second mount: same st_dev, and link(2) between the two gives EXDEV."""
    need_root("bind mounts")
    options = "bind,ro" if read_only else "bind"
    with scratch_directory(tmp) as scratch, _mounted(["-o", options, source], scratch / "bind") as mount_point:
        yield mount_point


@contextlib.contextmanager
def overlay_mount(lower: Path, tmp: Path | None = None) -> Iterator[Path]:
    """An overlay with `lower` below and an empty writable layer above."""
    need_root("overlay mounts")
    with scratch_directory(tmp) as scratch:
        upper, work = scratch / "upper", scratch / "work"
        upper.mkdir(mode=0o755)
        work.mkdir()
        layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
        with _mounted(["-t", "overlay", "-o", layers, "overlay"], scratch / "overlay") as mount_point:
            yield mount_point


@contextlib.contextmanager
def full_filesystem(
    free_kib: int | None = None, free_inodes: int | None = None, tmp: Path | None = None, *, size_mb: int = 16
) -> Iterator[Path]:
    """A small ext4 that is full but for `free_kib` KiB (rounded down to its 1 KiB blocks) or `free_inodes` inodes."""
    options = ("-b", "1024", "-O", "^has_journal", "-N", str(max(1024, 2 * (free_inodes or 0))))
    # Blocks are given at write(2), not when the cache is flushed: a test meets ENOSPC at the same call each time.
    with loop_mount("ext4", size_mb, tmp, mkfs_options=options, options="nodelalloc") as root:
        ballast = root / ".ballast"
        ballast.mkdir(mode=0o700)
        if free_inodes is not None:
            for number in range(os.statvfs(root).f_ffree - free_inodes - (free_kib is not None)):
                (ballast / str(number)).touch()
        if free_kib is not None:
            with (ballast / "blocks").open("wb") as file:
                while (surplus := os.statvfs(root).f_bavail - free_kib) > 0:
                    size = os.fstat(file.fileno()).st_size
                    # A little less than the surplus: the file's own index takes blocks too.
                    with contextlib.suppress(OSError):
                        os.posix_fallocate(file.fileno(), size, max(surplus - surplus // 64 - 1, 1) << 10)
        yield root


# -- FUSE ---------------------------------------------------------------------------------------------------


def _wait_until(condition: Callable[[], bool], what: str, timeout_seconds: float = 20) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_seconds} s for {what}")
        time.sleep(0.002)


def latfs_program() -> Path:
    """build/latfs, made where it is missing or older than its source."""
    if shutil.which("pkg-config") is None or subprocess.run(["pkg-config", "--exists", "fuse3"]).returncode:
        raise Unavailable("needs the headers of FUSE 3 (package libfuse3-dev)", tool="libfuse3-dev")
    done = subprocess.run(["make", "-s", "-C", CHECKOUT, "build/latfs"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"build/latfs: {done.stderr}")
    return CHECKOUT / "build" / "latfs"


@contextlib.contextmanager
def fuse_latency_mount(
    source: Path,
    delay_us: int,
    tmp: Path | None = None,
    *,
    cache_seconds: float = 0.0,
    link_error: Literal["EPERM", "EXDEV", "EMLINK", "EOPNOTSUPP"] | None = None,
    rename_flags: bool = True,
) -> Iterator[FuseMount]:
    """`source` seen through latfs, which delays every metadata operation by `delay_us` microseconds.

    `link_error` makes link(2) fail; without `rename_flags`, renameat2(2) takes none (Lustre, NFS).
    """
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Unavailable("needs /dev/fuse, readable and writable")
    program = latfs_program()
    with scratch_directory(tmp) as scratch:
        mount_point, counts_file, log = scratch / "fuse", scratch / "counts", scratch / "log"
        mount_point.mkdir()
        settings: Mapping[str, object] = {
            "LATFS_US": delay_us,
            "LATFS_TTL": cache_seconds,
            "LATFS_COUNTS": counts_file,
            **({"LATFS_NOLINK": link_error} if link_error else {}),
            **({} if rename_flags else {"LATFS_NORENAMEFLAGS": 1}),
        }
        with log.open("wb") as output:
            # On SIGTERM latfs unmounts: it does not outlive the test process, however that ends.
            process = subprocess.Popen(
                [_program("setpriv"), "--pdeathsig", "TERM", program, "-f", source, mount_point],
                env={**os.environ, **{name: str(value) for name, value in settings.items()}},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            _wait_until(lambda: process.poll() is not None or os.path.ismount(mount_point), "latfs to mount")
            if process.returncode is not None:
                raise Unavailable(f"latfs: {log.read_text().strip()}")
            yield FuseMount(mount_point, source, process, counts_file)
        finally:
            if process.poll() is None:
                _unmount(mount_point)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def no_hardlinks_mount(tmp: Path | None = None) -> Iterator[Path]:
    """A filesystem without link(2), which fails with EPERM: vfat where the kernel and mkfs.vfat are there, else latfs.

    Only latfs keeps owners and modes: a test that needs them uses `fuse_latency_mount(..., link_error="EPERM")`.
    """
    if os.geteuid() == 0 and "\tvfat\n" in Path("/proc/filesystems").read_text() and shutil.which("mkfs.vfat"):
        _have_loop_devices()
        with scratch_directory(tmp) as scratch:
            image = scratch / "image"
            image.touch()
            os.truncate(image, 64 << 20)
            _run(["mkfs.vfat", image])
            with _mounted(["-t", "vfat", "-o", "loop,umask=000", image], scratch / "vfat") as mount_point:
                yield mount_point
        return
    with scratch_directory(tmp) as scratch:
        (scratch / "files").mkdir()
        (scratch / "files").chmod(0o777)
        with fuse_latency_mount(scratch / "files", 0, link_error="EPERM") as fuse:
            yield fuse.path


def links_refused_with(directory: Path) -> str | None:
    """The name of the errno that link(2) gives between two files of `directory`; None where it works."""
    first, second = directory / ".link-a", directory / ".link-b"
    first.touch()
    try:
        second.hardlink_to(first)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    else:
        second.unlink()
        return None
    finally:
        first.unlink()
