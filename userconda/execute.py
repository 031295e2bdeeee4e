"""Carrying out a ClonePlan: build aside, under a lease and a journal, publish by rename, or leave nothing.

What may fail is ordered so that the death of the process at any moment leaves the target absent or complete: the
journal before the staging directory, `conda-meta/history` after everything else, one rename(2), the journal's end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import posixpath
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from userconda import __version__, fsops, journal, locks, provenance, swap
from userconda.errors import (
    FileOperation,
    LinksRequired,
    LockTimeout,
    NotEnoughInodes,
    NotEnoughSpace,
    QuotaExceeded,
    SourceChanged,
    SourceIncomplete,
    TargetExists,
    UcenvError,
)
from userconda.models import (
    Charge,
    ClonePlan,
    Content,
    Directory,
    DirectoryStep,
    FileCounts,
    FileStep,
    LinkGroup,
    LinkMode,
    RecordStep,
    is_within,
    join_path,
)
from userconda.parallel import Pool, waits
from userconda.plan import WRITTEN_LAST, partition
from userconda.prefixes import open_prefix, read_file, reread_directory, same_listing
from userconda.records import FileChange, retarget_record
from userconda.retarget import PipRecords, compile_modules, retarget_file, sha256_of, sign

#: How many units each worker gets on average: enough to even out, few enough to descend to.
_UNITS_A_WORKER: Final = 16

#: The pool numbers at most 1,000 units; as many as these make no more than twice so many.
_MOST_PARTS: Final = 400

#: Reading, editing and writing one takes as long as so many links.
_RECORD_OPERATIONS: Final = 200
_RECORD_UNITS: Final = 64

Progress = Callable[[int, int], None]


@dataclass
class Tally:
    """What was done. A worker's is sent to the parent and added up."""

    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    own_bytes: int = 0
    charged: Charge = Charge(0, 0)  # noqa: RUF009 -- frozen
    directories: Charge = Charge(0, 0)  # noqa: RUF009
    fallbacks: dict[tuple[int, LinkMode, LinkMode], list[int]] = field(default_factory=dict)
    changes: dict[str, FileChange] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def count(self, kind: str, number: int = 1, size_bytes: int = 0) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + number
        self.sizes[kind] = self.sizes.get(kind, 0) + size_bytes

    def own(self, allocated_bytes: int) -> None:
        self.own_bytes += allocated_bytes
        self.charge(allocated_bytes)

    def charge(self, size_bytes: int) -> None:
        self.charged += Charge(size_bytes, 1)

    def fall_back(self, code: int, from_mode: LinkMode, to_mode: LinkMode, files: int, size_bytes: int) -> None:
        counts = self.fallbacks.setdefault((code, from_mode, to_mode), [0, 0])
        counts[0] += files
        counts[1] += size_bytes

    def add(self, other: Tally) -> None:
        for kind, number in other.counts.items():
            self.count(kind, number, other.sizes.get(kind, 0))
        self.own_bytes += other.own_bytes
        self.charged += other.charged
        self.directories += other.directories
        for key, (files, size_bytes) in other.fallbacks.items():
            self.fall_back(*key, files, size_bytes)
        self.changes |= other.changes
        self.warnings += other.warnings
        self.unreadable += other.unreadable
        self.changed += other.changed

    @property
    def files(self) -> FileCounts:
        return FileCounts(**{f.name: self.counts.get(f.name, 0) for f in dataclasses.fields(FileCounts)})


_COUNTED_AS: Final = {
    LinkMode.HARDLINK: "hardlinked",
    LinkMode.TWIN: "twins",
    LinkMode.REFLINK: "reflinked",
    LinkMode.SYMLINK: "symlinked",
    LinkMode.COPY: "copied",
}


def execute_clone(plan: ClonePlan, pool: Pool, progress: Progress = lambda done, total: None) -> Tally:
    """Make the clone.

    Raises:
        TargetExists: the name is taken, or another run is taking it.
        SourceChanged, SourceIncomplete: the source is not what it was, or not to be read; all the paths.
        NotEnoughSpace, NotEnoughInodes, QuotaExceeded, FileOperation, LinksRequired.
    """
    target = plan.request.target_prefix
    state = journal.StateDirectory.beside(target)
    state.make()
    try:
        lease = locks.acquire(state.lease(target))
    except LockTimeout as exc:
        raise TargetExists(target, exc.holder) from None
    try:
        _forget_dead_run(state, target)
        token = lease.holder.token
        staging = os.path.join(state.staging, f"{os.path.basename(target)}.{token}")
        note = journal.Journal(os.path.join(state.journals, f"{token}.json"), token, staging, target, lease.path)
        if os.path.lexists(target):
            raise TargetExists(target)
        try:
            note.write()
            tally = _build(plan, staging, token, pool, lease, progress)
            try:
                fsops.make_directories(os.path.dirname(target))
                fsops.publish(staging, target)
            except FileExistsError:
                raise TargetExists(target) from None
        except BaseException as exc:
            # Deleting may take longer than cloning did: at an interrupt it is left to a later command.
            # Where that fails too, the journal stays and `recover` tries again: what is told is what failed first.
            with contextlib.suppress(UcenvError, OSError):
                fsops.set_aside(staging, state.trash)
                note.close()
                if isinstance(exc, Exception):
                    fsops.remove_tree(_trashed(staging, state))
            error = explained(exc, plan, state)
            if error is exc:
                raise
            raise error from exc
        note.close()
        return tally
    finally:
        lease.release()
        state.tidy()


def _trashed(staging: str, state: journal.StateDirectory) -> str:
    return os.path.join(state.trash, f"{os.path.basename(staging)}.{os.getpid()}")


def explained(error: BaseException, plan: ClonePlan, state: journal.StateDirectory) -> BaseException:
    """What the system answered, as an error of ours."""
    if isinstance(error, fsops.ChangedMeanwhile):
        return SourceChanged(plan.request.source_prefix, (str(error),))
    if isinstance(error, OSError):
        error = fsops.failure("cloning", os.fsdecode(error.filename or plan.request.target_prefix), error)
    return _with_figures(error, plan, state) if isinstance(error, NotEnoughSpace) else error


def _with_figures(
    error: NotEnoughSpace, plan: ClonePlan, state: journal.StateDirectory
) -> NotEnoughSpace | NotEnoughInodes:
    """How much was needed and what is left, now that what was written is gone."""
    target = plan.request.target_prefix
    if isinstance(error, QuotaExceeded):  # what a quota leaves is not in the filesystem's figures
        error.path, error.needed_bytes = target, plan.charge.size_bytes
        return error
    space = os.statvfs(state.path)
    if space.f_files and space.f_favail < plan.charge.inodes:
        return NotEnoughInodes(target, plan.charge.inodes, space.f_favail)
    error.path, error.needed_bytes = target, plan.charge.size_bytes
    error.free_bytes = space.f_bavail * space.f_frsize
    return error


def _forget_dead_run(state: journal.StateDirectory, target: str) -> None:
    """We hold the target's lease: whatever else was making it is dead."""
    for note in journal.find_runs(state, target):
        if note.kind == "thaw":
            swap.settle(note, state)
            continue
        fsops.set_aside(note.staging, state.trash)
        note.close()


def build_part(
    plan: ClonePlan, staging: str, pool: Pool, lease: locks.Lease, scaffold: Sequence[str], progress: Progress
) -> Tally:
    """Some directories of an environment with what goes into them, and nothing that makes them one.

    Args:
        staging: an empty directory; everything gets its path in there.
        scaffold: directories that are made for that and that nobody is charged for in the end.
    """
    with _opened(plan, staging) as work:
        tally = work.directories(pool, lease, progress, scaffold)
        work.followers(tally)
        work.measure_made(tally, scaffold)
        return tally


@contextlib.contextmanager
def _opened(plan: ClonePlan, staging: str) -> Iterator[_Work]:
    source_fd = open_prefix(plan.request.source_prefix)
    staging_fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield _Work(plan, source_fd, staging, staging_fd)
    finally:
        os.close(source_fd)
        os.close(staging_fd)


def _build(plan: ClonePlan, staging: str, token: str, pool: Pool, lease: locks.Lease, progress: Progress) -> Tally:
    try:
        os.makedirs(staging)
    except OSError as exc:
        raise fsops.failure("making the directory", staging, exc) from None
    with _opened(plan, staging) as work:
        tally = work.directories(pool, lease, progress, ["conda-meta"])
        work.followers(tally)
        work.compile(tally)
        work.pip_records(tally)
        work.records(tally, pool)
        work.check_source(tally)
        work.last(tally, token)
        os.fsync(work.staging_fd)
        return tally


class _Work:
    """One clone's source and staging directory, open."""

    def __init__(self, plan: ClonePlan, source_fd: int, staging: str, staging_fd: int) -> None:
        self.plan, self.source_fd, self.staging, self.staging_fd = plan, source_fd, staging, staging_fd

    # directories and files, by the workers ----------------------------------------------------------------------

    def directories(self, pool: Pool, lease: locks.Lease, progress: Progress, first: Sequence[str]) -> Tally:
        """
        Args:
            first: directories that are made before any other, parents before children.
        """
        steps = self.plan.directories
        total = sum(step.operations for step in steps)
        spine, units = partition(steps, min(_MOST_PARTS, _UNITS_A_WORKER * pool.workers_for(total)))
        # What several workers fill, and what is filled after them, is made first and measured last.
        self.made = {*spine, *first}
        started, waited = time.perf_counter(), waits()
        for path in sorted(self.made - {""}):
            os.close(fsops.make_directory(path, self.staging_fd, path))
        pool.observe(3 * len(self.made), time.perf_counter() - started, waits() - waited)

        def on_tick(done: int) -> None:
            lease.beat()
            progress(done, total)

        tally = Tally()
        for part in pool.map(units, self._unit, total, on_tick):
            tally.add(part)
        if tally.unreadable:
            raise SourceIncomplete(self.plan.request.source_prefix, tuple(sorted(tally.unreadable)))
        if tally.changed:
            raise SourceChanged(self.plan.request.source_prefix, tuple(sorted(tally.changed)))
        return tally

    def _unit(self, unit: Sequence[DirectoryStep], advance: Callable[[int], None]) -> Tally:
        """Subtrees, depth first, one descriptor a level on either side; nothing is looked up from the top again."""
        tally = Tally()
        stack = [("", os.dup(self.source_fd), os.dup(self.staging_fd))]
        try:
            for step in unit:
                while not is_within(step.path, stack[-1][0]):
                    self._leave(stack, tally)
                self._enter(stack, step)
                _, source_fd, target_fd = stack[-1]
                self._fill(step, source_fd, target_fd, tally)
                advance(step.operations)
        finally:
            while stack:
                self._leave(stack, tally)
        return tally

    def _enter(self, stack: list[tuple[str, int, int]], step: DirectoryStep) -> None:
        top = stack[-1][0]
        rest = step.path[len(top) :].strip("/") if top else step.path
        for name in rest.split("/") if rest else ():
            above, source_above, target_above = stack[-1]
            path = f"{above}/{name}" if above else name
            try:
                source_fd = fsops.open_directory(name, source_above, path)
            except FileOperation as exc:
                if exc.errno not in fsops.VANISHED:
                    raise
                raise SourceChanged(self.plan.request.source_prefix, (path,)) from None
            if path == step.path and path not in self.made:
                target_fd = fsops.make_directory(name, target_above, path)
            else:
                target_fd = fsops.open_directory(name, target_above, path)
            stack.append((path, source_fd, target_fd))

    def _leave(self, stack: list[tuple[str, int, int]], tally: Tally) -> None:
        path, source_fd, target_fd = stack.pop()
        if path and path not in self.made:
            self._measure_directory(fsops.allocated_directory(target_fd), tally)
        os.close(source_fd)
        os.close(target_fd)

    def _measure_directory(self, allocated_bytes: int, tally: Tally) -> None:
        charge = Charge(allocated_bytes, 1)
        tally.charged += charge
        tally.directories += charge

    def _fill(self, step: DirectoryStep, source_fd: int, target_fd: int, tally: Tally) -> None:
        own: list[str] = []
        for group in step.groups:
            self._share(step.path, group, source_fd, target_fd, tally, own)
        for file in step.files:
            if file.leader is None:
                path = join_path(step.path, file.name)
                try:
                    fsops.check_listed(file.name, source_fd, path, file.size_bytes, file.mtime_ns)
                    if file.content is Content.AS_IS:
                        mode = fsops.copy(file.name, source_fd, target_fd, path, reflink=True, mode_bits=stat.S_IWUSR)
                        kind = "copied" if mode is LinkMode.COPY else "reflinked"
                        tally.count(kind, 1, _size(file.name, target_fd))
                    else:
                        self._rewrite(file, path, source_fd, target_fd, tally)
                    own.append(file.name)
                except PermissionError:
                    tally.unreadable.append(path)
                except fsops.ChangedMeanwhile:
                    tally.changed.append(path)
        for name, target in step.symlinks:
            fsops.symlink(target, name, target_fd, join_path(step.path, name))
            tally.count("symlinks")
            tally.charge(fsops.allocated(name, target_fd))
        for name in own:
            tally.own(fsops.allocated(name, target_fd))

    def _share(
        self, directory: str, group: LinkGroup, source_fd: int, target_fd: int, tally: Tally, own: list[str]
    ) -> None:
        """Put files in place by the first mode that works for each; the price of every step down is noted."""
        names: Sequence[str] = group.names
        left: dict[str, tuple[int, LinkMode]] = {}  # name -> why and from where it fell
        left_bytes = group.size_bytes
        for mode in group.modes:
            failed: dict[str, int] = {}
            if mode is LinkMode.HARDLINK:
                failed = _link_all(names, source_fd, target_fd, directory)
            elif mode is LinkMode.TWIN and group.twin_directory is not None:
                failed = _link_twins(names, group.twin_directory, target_fd, directory)
            elif mode is LinkMode.SYMLINK:
                for name in names:
                    path = os.path.join(self.plan.links_to, directory, name)
                    fsops.symlink(path, name, target_fd, join_path(directory, name))
                    tally.charge(fsops.allocated(name, target_fd))
            else:
                failed = self._copy_all(names, mode, directory, source_fd, target_fd, tally, own)
            failed_bytes = sum(_size(name, source_fd) for name in failed)
            tally.count(_COUNTED_AS[mode], len(names) - len(failed), left_bytes - failed_bytes)
            for name in left:
                if name not in failed:
                    code, from_mode = left[name]
                    tally.fall_back(code, from_mode, mode, 1, _size(name, source_fd))
            if not failed:
                return
            left = {name: left.get(name, (code, mode)) for name, code in failed.items()}
            names, left_bytes = list(failed), failed_bytes
        code = next(iter(left.values()))[0]
        raise LinksRequired(self.plan.request.source_name, len(left), os.strerror(code))

    def _copy_all(
        self,
        names: Sequence[str],
        mode: LinkMode,
        directory: str,
        source_fd: int,
        target_fd: int,
        tally: Tally,
        own: list[str],
    ) -> dict[str, int]:
        failed: dict[str, int] = {}
        for name in names:
            path = join_path(directory, name)
            try:
                copied = fsops.copy(
                    name,
                    source_fd,
                    target_fd,
                    path,
                    reflink=mode is LinkMode.REFLINK,
                    may_copy=mode is LinkMode.COPY,
                )
            except PermissionError:
                tally.unreadable.append(path)
                continue
            except fsops.ChangedMeanwhile:
                tally.changed.append(path)
                continue
            if copied is None:
                failed[name] = fsops.NO_REFLINK
            else:
                own.append(name)
        return failed

    # files with another content ---------------------------------------------------------------------------------

    def _rewrite(self, step: FileStep, path: str, source_fd: int, target_fd: int, tally: Tally) -> None:
        source = fsops.open_source(step.name, source_fd, path)
        try:
            status = os.fstat(source)
            data = fsops.read_all(source, status.st_size, path)
            retargeted = retarget_file(step, path, data, self.plan)
            content = retargeted.data
            fsops.write_new(step.name, target_fd, path, content, status, source, keep_mtime=content == data)
        finally:
            os.close(source)
        if content != data:
            sign(os.path.join(self.staging, path), content)
            tally.changes[path] = FileChange(sha256_of(data), sha256_of(content), len(data), len(content))
        if retargeted.warning:
            tally.warnings.append(retargeted.warning)
        tally.count("rewritten", 1, len(content))

    # after the workers ------------------------------------------------------------------------------------------

    def followers(self, tally: Tally) -> None:
        """Hard links among the clone's own files, as the source has them."""
        for step in self.plan.directories:
            for file in step.files:
                if file.leader is None:
                    continue
                path = join_path(step.path, file.name)
                try:
                    os.link(file.leader, path, src_dir_fd=self.staging_fd, dst_dir_fd=self.staging_fd)
                except OSError as exc:
                    if exc.errno not in fsops.HARDLINK_REFUSED:
                        raise fsops.failure("hard link", path, exc) from None
                    # Its own filesystem refuses: then the group becomes single files.
                    with _directories(self.staging_fd, file.leader, path) as (leader_fd, target_fd):
                        name = posixpath.basename(file.leader)
                        fsops.copy(name, leader_fd, target_fd, path, reflink=True, target_name=file.name)
                    tally.charge(fsops.allocated(path, self.staging_fd))
                if file.leader in tally.changes:
                    tally.changes[path] = tally.changes[file.leader]
                kind = "copied" if file.content is Content.AS_IS else "rewritten"
                tally.count(kind, 1, _size(path, self.staging_fd))

    def compile(self, tally: Tally) -> None:
        """Compile again what was compiled from a file that now holds another path, with the source's own Python."""
        done = compile_modules(self.plan.pycs, self.plan.request.source_prefix, self.staging)
        for step in self.plan.pycs:
            if step.pyc_path in done:
                old = read_file(self.source_fd, step.pyc_path, step.pyc_path)
                new = read_file(self.staging_fd, step.pyc_path, step.pyc_path)
                tally.changes[step.pyc_path] = FileChange(sha256_of(old), sha256_of(new), len(old), len(new))
                self._own(step.pyc_path, self.staging_fd, tally)
            else:
                tally.count("pycs_left_out")

    def pip_records(self, tally: Tally) -> None:
        """Make the hashes in pip's RECORD files true again for what was rewritten."""
        records = PipRecords(tally.changes)
        for path in self.plan.pip_records:
            data = read_file(self.staging_fd, path, path)
            content = records.retarget(data, path)
            if content != data:
                self._replace(path, content)

    def _replace(self, path: str, content: bytes) -> None:
        with _directories(self.staging_fd, path) as (directory_fd,):
            name = posixpath.basename(path)
            status = os.stat(name, dir_fd=directory_fd)
            os.unlink(name, dir_fd=directory_fd)
            fsops.write_new(name, directory_fd, path, content, status)

    def records(self, tally: Tally, pool: Pool) -> None:
        """conda-meta's records of packages whose files changed."""
        left_out = {step.pyc_path for step in self.plan.pycs} - tally.changes.keys()

        def rewrite(step: RecordStep) -> Tally:
            part = Tally()
            path = f"conda-meta/{step.file_name}"
            source = fsops.open_source(path, self.source_fd, path)
            try:
                status = os.fstat(source)
                data = fsops.read_all(source, status.st_size, path)
            finally:
                os.close(source)
            changes = {p: tally.changes[p] for p in step.rewritten if p in tally.changes}
            dropped = {*step.dropped, *(left_out & {*step.rewritten})}
            content = retarget_record(data, changes, dropped, self.plan.site_packages)
            fsops.write_new(path, self.staging_fd, path, content, status, keep_mtime=content == data)
            self._own(path, self.staging_fd, part)
            return part

        def rewrite_all(steps: Sequence[RecordStep], advance: Callable[[int], None]) -> list[Tally]:
            return [rewrite(step) for step in steps]

        steps = self.plan.records
        units = [steps[start::_RECORD_UNITS] for start in range(min(_RECORD_UNITS, len(steps)))]
        for parts in pool.map(units, rewrite_all, _RECORD_OPERATIONS * len(steps)):
            for part in parts:
                tally.add(part)

    def _own(self, name: str, target_fd: int, tally: Tally, kind: str = "rewritten") -> None:
        tally.count(kind, 1, _size(name, target_fd))
        tally.own(fsops.allocated(name, target_fd))

    def check_source(self, tally: Tally) -> None:
        """Compare what an update of the source would touch with what was planned from."""
        prefix = self.plan.request.source_prefix
        changed = []
        for before in self.plan.watched:
            after = reread_directory(prefix, before.path)
            if after is None:
                changed.append(before.path)
            elif not same_listing(before, after):
                changed += sorted(_differences(before, after)) or [before.path]
        if changed:
            raise SourceChanged(prefix, tuple(changed))

    def last(self, tally: Tally, token: str) -> None:
        """The provenance note, then what makes the directory an environment."""
        prefix = self.plan.request.source_prefix
        names = next((set(d.names) for d in self.plan.watched if d.path == "conda-meta"), set())
        with _directories(self.staging_fd, "conda-meta/x") as (meta_fd,):
            note = provenance.Provenance(
                source=prefix,
                source_name=self.plan.request.source_name,
                source_state=provenance.source_state(prefix) or {},
                time=time.time(),
                version=__version__,
                token=token,
                files=dict(tally.counts),
                thin=bool(self.plan.links_to),
                links_to=self.plan.links_to,
                linked=(*(path for path, _ in self.plan.inherited), *(linked.path for linked in self.plan.linked)),
                linked_bytes=(
                    *(size_bytes for _, size_bytes in self.plan.inherited),
                    *(linked.size_bytes for linked in self.plan.linked),
                ),
            )
            fsops.write_new(provenance.FILE_NAME, meta_fd, provenance.FILE_NAME, note.to_bytes())
            fsops.sync_file(provenance.FILE_NAME, meta_fd)
            tally.charge(fsops.allocated(provenance.FILE_NAME, meta_fd))
            with _directories(self.source_fd, "conda-meta/x") as (source_fd,):
                for name in WRITTEN_LAST:
                    if name == "created_at" and name in names:
                        fsops.write_new(name, meta_fd, name, str(time.time()).encode())
                    elif name in names:
                        fsops.copy(
                            name, source_fd, meta_fd, f"conda-meta/{name}", reflink=False, mode_bits=stat.S_IWUSR
                        )
                    elif name == "history":
                        fsops.write_new(name, meta_fd, name, b"")  # conda knows an environment by it
                    else:
                        continue
                    fsops.sync_file(name, meta_fd)
                    self._own(name, meta_fd, tally, "copied")
        self.measure_made(tally)

    def measure_made(self, tally: Tally, but_not: Collection[str] = ()) -> None:
        for path in self.made.difference(but_not):
            self._measure_directory(fsops.allocated(path or ".", self.staging_fd), tally)


def _size(name: str, directory_fd: int) -> int:
    return os.stat(name, dir_fd=directory_fd, follow_symlinks=False).st_size


@dataclass
class _Descriptors:
    opened: list[int]

    def __enter__(self) -> tuple[int, ...]:
        return tuple(self.opened)

    def __exit__(self, *_: object) -> None:
        for descriptor in self.opened:
            os.close(descriptor)


def _directories(root_fd: int, *paths: str) -> _Descriptors:
    """Descriptors of the directories that hold these paths."""
    return _Descriptors(
        [
            os.open(posixpath.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root_fd)
            for path in paths
        ]
    )


def _link_all(names: Sequence[str], source_fd: int, target_fd: int, directory: str) -> dict[str, int]:
    """Link every name; those that were refused, with their errno."""
    refused: dict[str, int] = {}
    hardlink = fsops.hardlink
    first = True
    for name in names:
        code = hardlink(name, source_fd, target_fd, directory)
        if code:
            refused[name] = code
        elif first:
            first = False
            if not fsops.is_same_inode(name, source_fd, target_fd):
                os.unlink(name, dir_fd=target_fd)
                return dict.fromkeys(names, fsops.NO_REAL_LINK)
    return refused


def _link_twins(names: Sequence[str], twin_directory: str, target_fd: int, directory: str) -> dict[str, int]:
    try:
        twin_fd = os.open(twin_directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        return dict.fromkeys(names, exc.errno or 0)  # the user removed that clone meanwhile: the next mode is as good
    try:
        return {name: code for name in names if (code := fsops.link_twin(name, twin_fd, target_fd, directory))}
    finally:
        os.close(twin_fd)


# the source, before and after -----------------------------------------------------------------------------------


def _differences(before: Directory, after: Directory) -> set[str]:
    def entries(directory: Directory) -> set[tuple[str, int, int, int]]:
        return set(zip(directory.names, directory.size_bytes, directory.mtimes_ns, directory.inodes, strict=True))

    return {join_path(before.path, name) for name, *_ in entries(before) ^ entries(after)}
