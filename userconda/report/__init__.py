"""Results -> text or JSON. The only package that prints, and the only one that imports rich.

Data to stdout, everything else to stderr. Words carry the state; colour is extra, and rich honours NO_COLOR,
FORCE_COLOR and TERM=dumb.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from userconda.report.making import render_cache, render_environments
from userconda.report.quota import render_quota
from userconda.report.site import (
    render_check,
    render_configure,
    render_index,
    render_init,
    render_modules,
    render_package,
    render_users,
)
from userconda.report.terminal import escape, note, print_table, print_text, to_stderr
from userconda.report.thaw import announce_thaw as announce_thaw
from userconda.report.thaw import render_thaw
from userconda.report.usage import render_usage
from userconda.units import format_bytes, format_count, format_seconds, printable

if TYPE_CHECKING:
    from userconda.cli.config import ConfigResult
    from userconda.cli.info import InfoResult
    from userconda.cli.list import ListResult
    from userconda.cli.setup import SetupResult
    from userconda.clone import Prices, Progress
    from userconda.errors import UcenvError
    from userconda.models import CloneResult, WhenRefused
    from userconda.rcfile import RcEdit
    from userconda.recover import RecoverResult

SCHEMA = "ucenv/1"

#: A bar for what takes less would only flicker.
_BAR_AFTER_SECONDS = 0.5


# both ways ------------------------------------------------------------------------------------------------------


def show(command: str, result: Any, *, as_json: bool, quiet: bool) -> None:
    warnings = list(getattr(result, "warnings", ()))
    if as_json:
        _print_json(command, result.to_json(), warnings)
        return
    if not quiet:
        _RENDERERS[command](result)
        sys.stdout.flush()  # where both go to one log, the notes come after what they are of
        for warning in warnings:
            note(warning)


def _print_json(
    command: str, result: dict[str, Any] | None, warnings: list[str], error: dict[str, Any] | None = None
) -> None:
    import json

    document = {
        "schema": SCHEMA,
        "command": command,
        "ok": error is None,
        "result": _presentable(result),
        "warnings": warnings,
        "error": error,
    }
    print(json.dumps(document, indent=2))


def _presentable(value: Any) -> Any:
    """Names that are not UTF-8 cannot stand in JSON as they are: escaped, as on a terminal."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {key: _presentable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_presentable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _presentable(dataclasses.asdict(value))
    return value


def _failure(code: str, exit_code: int, message: str, hints: Sequence[str]) -> dict[str, Any]:
    return {"code": code, "exit_code": exit_code, "message": message, "hints": hints, "details": {}}


def show_error(command: str, error: UcenvError, *, as_json: bool) -> None:
    if as_json:
        fields = {key: value for key, value in vars(error).items() if not key.startswith("_")}
        answer = _failure(error.code, error.exit_code, error.message, error.hints)
        _print_json(command, None, [], {**answer, "details": _presentable(fields)})
    else:
        to_stderr(f"ucenv{' ' + command if command else ''}: {error.message}")
        for hint in error.hints:
            to_stderr(f"  {hint}")


def show_interrupted(command: str, *, as_json: bool) -> None:
    text, hints = "interrupted", []
    if command == "clone":
        text += "; nothing half made is left under the final name"
        hints.append("your next clone there deletes what is set aside, as does `ucenv recover` (DIR after --prefix)")
    elif command == "thaw":
        text += "; each name is a link or what it led to, and the same command goes on"
    if as_json:
        _print_json(command, None, [], _failure("interrupted", 130, text, hints))
    else:
        to_stderr("\n".join((f"\nucenv {command}: {text}", *(f"  {hint}" for hint in hints))))


def show_bug(command: str, exc: BaseException, *, as_json: bool) -> None:
    """Version facts and traceback to a file; one line to the screen."""
    path = _write_log(exc)
    where = f"please report it with {path}" if path else "its traceback could not be written anywhere"
    text = f"this is a bug in ucenv ({type(exc).__name__}); {where}"
    if as_json:
        _print_json(command, None, [], _failure("bug", 3, text, []))
    else:
        to_stderr(f"ucenv {command}: {text}")


def _write_log(exc: BaseException) -> str | None:
    import platform
    import tempfile

    from userconda import __version__

    text = "".join(
        (
            f"ucenv {__version__}\nPython {sys.version}\n{platform.platform()}\n",
            f"argv {sys.argv!r}\ntime {time.strftime('%Y-%m-%dT%H:%M:%S%z')}\n\n",
            *traceback.format_exception(type(exc), exc, exc.__traceback__),
        )
    )
    try:
        descriptor, path = tempfile.mkstemp(prefix="ucenv-bug-", suffix=".log")
        with os.fdopen(descriptor, "w", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError:
        return None
    return path


# progress and questions -----------------------------------------------------------------------------------------

_PHASES = {
    "reading": "reading the source",
    "looking": "looking into its files",
    "cloning": "cloning",
    "thawing": "thawing",
    "counting": "counting",
}


@contextlib.contextmanager
def progress(*, enabled: bool) -> Iterator[Progress]:
    """A bar on a terminal, once it has taken half a second; otherwise nothing."""
    if not enabled or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda phase, done, total: None
        return
    bar = _Bar()
    try:
        yield bar.update
    finally:
        bar.close()


class _Bar:
    def __init__(self) -> None:
        self._since = time.monotonic()
        self._progress: Any = None
        self._task: Any = None

    def update(self, phase: str, done: int, total: int) -> None:
        if phase == "asking":  # the question needs the line
            self.close()
            return
        if time.monotonic() - self._since < _BAR_AFTER_SECONDS:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            # Drawn by hand at each update: a thread of rich's would be forked with the workers.
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        fields: dict[str, Any] = {"completed": done, "total": total or None}
        self._progress.update(self._task, description=_PHASES[phase], **fields)
        self._progress.refresh()

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._since = time.monotonic()


def ask_price(prices: Prices) -> WhenRefused:
    """Where links are refused: show what the choices cost, and ask. Ctrl-D and anything unknown mean no."""
    from userconda.models import WhenRefused

    name = printable(prices.source_name)
    all_files = prices.files >= 0.95 * prices.all_files
    which = "No file" if all_files else f"{prices.files:,} of the {prices.all_files:,} files"
    verb = "can" if all_files else "cannot"
    rows = [("c", "own copy", prices.own_copy, "independent; your next clone of it links to this one")]
    if prices.thin is not None:
        rows.insert(0, ("t", "thin clone", prices.thin, f"depends on {name} staying where it is"))
    cells = [(format_bytes(cost.size_bytes), format_count(cost.inodes, "inode")) for _, _, cost, _ in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widest = max(len(label) for _, label, *_ in rows)
    to_stderr(f"{which} of {name} {verb} be hard-linked here: {prices.reason}.")
    for (key, label, _, remark), (size, inodes) in zip(rows, cells, strict=True):
        to_stderr(f"  [{key}] {label:<{widest}}   {size:>{widths[0]}}, {inodes:>{widths[1]}}   {remark}")
    to_stderr("  [a] abort")
    sys.stderr.write(f"choice [{'/'.join([*(key for key, *_ in rows), 'a'])}]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D: what is said next would stand behind the question
        to_stderr("")
    word = answer.strip().lower()
    if word in ("t", "thin") and prices.thin is not None:
        return WhenRefused.THIN
    return WhenRefused.OWN_COPY if word in ("c", "copy", "own-copy", "y", "yes") else WhenRefused.FAIL


# text -----------------------------------------------------------------------------------------------------------


def _render_clone(result: CloneResult) -> None:
    verb = "Would clone" if result.dry_run else "Cloned"
    timing = "" if result.dry_run else f" in {format_seconds(result.seconds)}"
    print_text(f"{verb} {printable(result.source_name)} -> {printable(result.target_name)}{timing}")
    counted = [row for row in _file_rows(result) if row[0]]
    width = max((len(f"{count:,}") for count, *_ in counted), default=0)
    labels = [f"{count:>{width},} {label}" for count, label, *_ in counted]
    widest = max(map(len, labels), default=0)
    for label, (_, _, size, remark) in zip(labels, counted, strict=True):
        print_text(f"  {label:<{widest}}   {size:>7}   {remark}".rstrip())
    charged, directories = result.charged, result.directories_charged
    print_text(
        f"  charged to you: {format_bytes(charged.size_bytes)}, {format_count(charged.inodes, 'inode')}"
        f" ({format_bytes(directories.size_bytes)} and {directories.inodes:,} of them are directories)"
    )
    if result.dry_run and result.fit:
        fit = result.fit
        inodes = "" if fit.left_inodes is None else f" and {format_count(fit.left_inodes, 'inode')}"
        known = "" if fit.quota_known else "; no quota could be read"
        verb = "may not fit" if fit.doubtful else "fits"
        print_text(f"  it {verb}: {format_bytes(fit.left_bytes)}{inodes} are left{known}")
    predicted = result.predicted
    if not result.dry_run and abs(predicted.size_bytes - charged.size_bytes) > 0.05 * max(charged.size_bytes, 1):
        why = " (this filesystem's block counts differ, or lag)" if predicted.inodes == charged.inodes else ""
        print_text(f"  predicted: {format_bytes(predicted.size_bytes)}, {format_count(predicted.inodes, 'inode')}{why}")
    saved = result.own_copy.size_bytes - charged.size_bytes
    if saved > 0.05 * result.own_copy.size_bytes:
        own = result.own_copy
        print_text(f"  a copy would be charged {format_bytes(own.size_bytes)}, {format_count(own.inodes, 'inode')}")
    if result.thin is not None:
        thin = f"{format_bytes(result.thin.size_bytes)} and {format_count(result.thin.inodes, 'inode')}"
        print_text(f"  a thin clone would be charged {thin}: ucenv clone --thin")
    if result.links_to:
        print_text(
            f"  it depends on {printable(result.links_to)} staying as it is; before pip changes one of its packages: "
            "ucenv thaw"
        )
    if result.foreign_writable and not result.owned_by_user:
        print_text(
            f"  careful: you may write {format_count(result.foreign_writable, 'shared file')} in place, which changes "
            "them in the source too"
        )
    elif result.foreign_writable and result.files.hardlinked:
        print_text("  the source is yours: writing a shared file in place changes it in both")
    for skipped in result.skipped[:10]:
        print_text(f"  left out: {printable(skipped.path)} ({skipped.reason})")
    if len(result.skipped) > 10:
        print_text(f"  left out: {len(result.skipped) - 10:,} more (--json lists them)")


def _file_rows(result: CloneResult) -> Iterator[tuple[int, str, str, str]]:
    files, fallbacks = result.files, result.fallbacks
    sizes = {mode: sum(f.size_bytes for f in fallbacks if f.to_mode.value == mode) for mode in ("copy", "reflink")}
    counts = {mode: sum(f.files for f in fallbacks if f.to_mode.value == mode) for mode in ("copy", "reflink")}
    twin_bytes = sum(f.size_bytes for f in fallbacks if f.to_mode.value == "twin")
    linked_bytes = max(0, result.shared_bytes - twin_bytes)
    whose = "yours already, not charged again" if result.owned_by_user else f"charged to {result.owner}, not to you"
    if result.linked:
        through = result.files_in_linked
        size = format_bytes(sum(linked.size_bytes for linked in result.linked))
        yield through, f"{_noun(through)} in {format_count(len(result.linked), 'linked directory')}", size, whose
    yield files.hardlinked, f"{_noun(files.hardlinked)} hard-linked", format_bytes(linked_bytes), whose
    yield (
        files.twins,
        f"{_noun(files.twins)} linked to files of yours",
        format_bytes(twin_bytes),
        "charged to you once, before",
    )
    yield (
        files.symlinked,
        f"{_noun(files.symlinked)} symlinked",
        format_bytes(result.shared_bytes),
        "they depend on the source staying where it is",
    )
    refused = {f.reason: f for f in fallbacks if f.to_mode.value in ("copy", "reflink")}
    for reason, fallback in refused.items():
        same = [f for f in fallbacks if f.reason == reason and f.to_mode is fallback.to_mode]
        number = sum(f.files for f in same)
        size = format_bytes(sum(f.size_bytes for f in same))
        how = "copied" if fallback.to_mode.value == "copy" else "copied, blocks shared"
        yield number, f"{_noun(number)} {how}", size, f"not linked: {reason}"
    own = files.copied + files.reflinked + files.rewritten - counts["copy"] - counts["reflink"]
    forced = result.link_mode in ("copy", "reflink")
    own_bytes = max(0, result.own_bytes - sizes["copy"] - sizes["reflink"])
    remark = "as --link-mode asked" if forced else "they hold the environment's path, or are yours to edit"
    yield max(0, own), f"{_noun(own)} of its own", format_bytes(own_bytes), remark


def _noun(count: int) -> str:
    return "file" if count == 1 else "files"


def _render_list(result: ListResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("environment", "owner", "Python", "packages", "clone of", "where"):
        table.add_column(
            column,
            justify="right" if column == "packages" else "left",
            no_wrap=column != "where",
            overflow="fold",
        )
    for e in result.environments:
        remarks = ", ".join(filter(None, ("thin" if e.thin else "", e.parent_state)))
        parent = (e.parent or "") + (f" ({remarks})" if remarks else "")
        owner = f"{e.owner} (system)" if e.system else e.owner
        table.add_row(*map(escape, (e.name, owner, e.python or "-", str(e.packages), parent, e.prefix)))
    if result.environments:
        print_table(table)
    if not result.environments:
        print_text("No environments yet: `ucenv clone SOURCE NAME` makes one.")


def _render_info(result: InfoResult) -> None:
    e = result.environment
    print_text(f"{printable(e.name)}   {printable(e.prefix)}")
    print_text(f"  owner      {e.owner}{'' if e.writable else ' (you may only read it)'}")
    print_text(f"  Python     {e.python or 'none'}")
    print_text(f"  packages   {len(result.records)} by conda, {len(result.pip)} by pip")
    if e.parent:
        state = f" -- {e.parent_state}" if e.parent_state else ""
        print_text(f"  clone of   {printable(e.parent)} ({printable(e.parent_prefix or '')}){state}")
    if e.thin:
        print_text("  thin       most of it is links to what it is a clone of, and stops working without that")
    print_text(f"  files      {result.files:,} in {format_count(result.directories, 'directory')}")
    for owner in result.owners:
        print_text(f"             {owner.files:,} are {owner.name}'s ({format_bytes(owner.size_bytes)})")
    if result.missing:
        print_text(f"  missing    {format_count(len(result.missing), 'file')} that packages list:")
        for path in result.missing[:5]:
            print_text(f"             {printable(path)}")
        if len(result.missing) > 5:
            print_text(f"             and {len(result.missing) - 5:,} more (--json lists them)")
    else:
        print_text("  health     every file that its packages list is there")
    if result.pip:
        print_text("  pip        " + ", ".join(f"{p.name} {p.version}" for p in result.pip))


def _render_setup(result: SetupResult) -> None:
    made = "would be made" if result.dry_run else "made"
    for path in result.made:
        print_text(f"{made}: {printable(path)}")
    for check in result.checks:
        print_text(f"{'ok' if check.good else 'careful'}: {printable(check.text)}")
    if result.startup is not None:
        _render_startup(result.startup, dry_run=result.dry_run)
    if not result.job_script:  # --undo
        return
    print_text("\nIn a job script, before conda is used:\n")
    if result.hook:
        print_text(f"  {printable(result.hook)}\n  ucenv load ENVIRONMENT\n\nor, without the shell's functions,\n")
    print_text('  eval "$(ucenv env bash)"\n\nwhich sets\n')
    for line in result.job_script:
        print_text(f"  {line}")


def _render_startup(edit: RcEdit, *, dry_run: bool) -> None:
    """What became of the line in a shell's startup file."""
    if edit.action == "absent":
        print_text(f"{printable(edit.path)} has no line of ours")
        return
    would = "would be " if dry_run and edit.action != "present" else ""
    done = {"replaced": "put in the place of an older one", "present": "there already"}.get(edit.action, edit.action)
    print_text(f"{printable(edit.path)}: this line {would or 'was '}{done}\n\n  {printable(edit.line)}\n")
    if edit.now:
        shells = "new login shells" if edit.path.endswith("/.profile") else "new shells"
        text = f"{shells} have `ucenv load` and `ucenv unload` by it; one that runs already, and a job script, by\n"
        print_text(text)
        print_text(f"  {printable(edit.now)}\n\n`ucenv setup --shell --undo` takes the line out.")


def _render_config(result: ConfigResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    columns = ["setting", "value", *(["from", "variable"] if result.show_origin else ["meaning"])]
    for column in columns:
        table.add_column(column, no_wrap=column in ("setting", "variable"), overflow="fold")
    for shown in result.settings:
        if isinstance(shown.value, list):
            value = ", ".join(shown.value) or "-"
        else:
            value = "-" if shown.value is None else str(shown.value)
        rest = (shown.origin, shown.variable) if result.show_origin else (shown.meaning,)
        table.add_row(*map(escape, (shown.key, value, *rest)))
    print_table(table)


def _render_recover(result: RecoverResult) -> None:
    for run in result.runs:
        detail = f" ({run.detail})" if run.detail else ""
        would = "would be " if result.dry_run and run.state == "taken back" else ""
        print_text(f"{printable(run.target)}: {would}{run.state}{detail}")
    if result.trash:
        would = "would be " if result.dry_run else ""
        print_text(f"{format_count(result.trash, 'half-made directory')} {would}deleted")
    for problem in result.problems:
        note(problem)
    if not result.runs and not result.trash and not result.problems:
        print_text(f"Nothing to recover in {printable(result.directory)}.")


_RENDERERS: dict[str, Callable[[Any], None]] = {
    "clone": _render_clone,
    "list": _render_list,
    "info": _render_info,
    "setup": _render_setup,
    "config": _render_config,
    "recover": _render_recover,
    "quota": render_quota,
    "usage": render_usage,
    "thaw": render_thaw,
    "site init": render_init,
    "site configure": render_configure,
    "site check": render_check,
    "site environments": render_environments,
    "site cache": render_cache,
    "site modules": render_modules,
    "site package": render_package,
    "site index": render_index,
    "site users": render_users,
}
