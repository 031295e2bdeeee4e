"""`ucenv usage` as text: quota bars, the table, what it comes to, and what could not be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from userconda.report.quota import print_readings
from userconda.report.terminal import columns_available, note, print_text
from userconda.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from userconda.cli.usage import PackageRow, Row, UsageResult
    from userconda.sharing import Amount, Figures

_HEADER: Final = ("environment", "charged", "shared", "saved", "freed if removed", "files")

#: Packages that --tree prints; --json has all.
_PACKAGES: Final = 20

_LISTED: Final = 5

Cells = tuple[str, ...]


def render_usage(result: UsageResult) -> None:
    print_readings(result.quotas.readings)
    if result.quotas.readings:
        print_text("")
    if not result.rows and result.unreadable:
        _notes(result)
        return
    if not result.rows:
        print_text("No environments or package caches of yours yet: `ucenv clone SOURCE NAME` makes one.")
        return
    amount = _in_inodes if result.inodes else _in_bytes
    lines: list[tuple[Cells, str]] = []
    for row in result.rows:
        lines.append((_cells(row.scope.name, row.figures, amount), _remark(row)))
        lines += ((cells, "") for cells in _package_cells(row, amount))
    if result.selected is not None and len(result.rows) > 1:
        lines.append((_cells("these together", result.selected.figures, amount), ""))
    elif result.selected is None:
        lines.append((_cells("total, each once", result.total, amount), ""))
    _print_lines([((("inodes: " if result.inodes else "") + _HEADER[0], *_HEADER[1:]), ""), *lines])
    print_text("")
    for sentence in _sentences(result):
        print_text(sentence)
    _notes(result)


# the table ------------------------------------------------------------------------------------------------------


def _in_bytes(amount: Amount) -> str:
    return format_bytes(amount.size_bytes) if amount.size_bytes else "-"


def _in_inodes(amount: Amount) -> str:
    return f"{amount.inodes:,}" if amount.inodes else "-"


def _cells(name: str, figures: Figures, amount: Callable[[Amount], str]) -> Cells:
    amounts = (figures.charged, figures.shared, figures.saved, figures.freed)
    return (printable(name), *map(amount, amounts), f"{figures.files:,}")


def _remark(row: Row) -> str:
    return f"clone of {printable(row.scope.parent)}" if row.scope.parent else ""


def _package_cells(row: Row, amount: Callable[[Amount], str]) -> Iterator[Cells]:
    packages = row.packages or ()
    for package in packages[:_PACKAGES]:
        yield _cells(f"  {_package_name(package)}", package.figures, amount)
    if len(packages) > _PACKAGES:
        yield (f"  and {len(packages) - _PACKAGES:,} more", *[""] * (len(_HEADER) - 1))


def _package_name(package: PackageRow) -> str:
    by = " (pip)" if package.by == "pip" else ""
    return f"{package.name} {package.version}".rstrip() + by


def _print_lines(lines: Sequence[tuple[Cells, str]]) -> None:
    """Columns; on a terminal that is too narrow for them, the remark below its line, then a block for each line."""
    widths = [max(_width(cells[column]) for cells, _ in lines) for column in range(len(_HEADER))]
    available = columns_available()
    needed = sum(widths) + 3 * (len(widths) - 1)
    if needed > available:
        _print_blocks(lines[1:])
        return
    for cells, remark in lines:
        first, *others = (
            cell + " " * (width - _width(cell)) if column == 0 else " " * (width - _width(cell)) + cell
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        text = "   ".join((first, *others)).rstrip()
        if remark and needed + 3 + _width(remark) > available:
            print_text(f"{text}\n  {remark}")
        else:
            print_text(f"{text}   {remark}".rstrip())


def _print_blocks(lines: Sequence[tuple[Cells, str]]) -> None:
    for (name, *cells), remark in lines:
        print_text(f"{name}{', ' if remark else ''}{remark}")
        for word, cell in zip(_HEADER[1:], cells, strict=True):
            if cell not in ("", "-"):
                print_text(f"  {word} {cell}")


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


# sentences ------------------------------------------------------------------------------------------------------


def _sentences(result: UsageResult) -> Iterator[str]:
    total, floor = result.total, "at least " if result.at_least else ""
    charged = f"{format_bytes(total.charged.size_bytes)} and {format_count(total.charged.inodes, 'inode')}"
    without = total.charged + total.saved
    sentence = f"You are charged {floor}{charged}"
    if total.saved.size_bytes:
        sentence += f" for what would take {format_bytes(without.size_bytes)} without links"
    yield f"{sentence}.{_left(result)}"
    if result.selected is not None:
        verb = "Removing" if len(result.rows) == 1 else "Removing these together"
        what = f" {printable(result.rows[0].scope.name)}" if len(result.rows) == 1 else ""
        yield f"{verb}{what} would free {floor}{_freed(result.selected.figures)}."
    if result.better_together is not None:
        (name,), freed = result.better_together.names, result.better_together.figures
        yield (
            f"Removing {printable(name)} and cleaning the cache together would free {floor}{_freed(freed)} "
            f"(ucenv usage {_quoted(name)} --with-cache)."
        )
    outside = (result.selected.figures if result.selected else total).linked_outside
    if outside.inodes:
        size = f"{format_bytes(outside.size_bytes)} and " if outside.size_bytes else ""
        yield (
            f"{size}{format_count(outside.inodes, 'inode')} of it are linked from elsewhere too: removing environments "
            "does not free them."
        )


def _freed(figures: Figures) -> str:
    return f"{format_bytes(figures.freed.size_bytes)} and {format_count(figures.freed.inodes, 'inode')}"


def _left(result: UsageResult) -> str:
    reading = result.quotas.tightest
    if reading is None or reading.scope == "filesystem":
        return ""
    left = [format_bytes(reading.left_bytes)] if reading.left_bytes is not None else []
    left += [format_count(reading.left_files, "file")] if reading.left_files is not None else []
    return f" The quota leaves {' and '.join(left)}." if left else ""


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(printable(name))


def _notes(result: UsageResult) -> None:
    """What makes the figures other than whole: on stderr, as it is of them and not among them."""
    if result.unreadable:
        count = format_count(len(result.unreadable), "directory")
        note(f'{count} could not be read, so every figure is "at least": {_some(result.unreadable)}')
    if result.vanished:
        note(f"{format_count(len(result.vanished), 'entry')} vanished meanwhile: {_some(result.vanished)}")
    for skipped in result.skipped[:_LISTED]:
        note(f"{printable(skipped.path)} was not entered: {skipped.reason}")
    if len(result.skipped) > _LISTED:
        note(f"{len(result.skipped) - _LISTED:,} more were not entered (--json lists them)")


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(map(printable, paths[:_LISTED]))
    return shown + (f" and {len(paths) - _LISTED:,} more (--json lists them)" if len(paths) > _LISTED else "")
