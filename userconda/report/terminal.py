"""What every renderer prints through: text that the terminal's encoding can show, tables, notes on stderr."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from userconda.units import printable

if TYPE_CHECKING:
    from rich.table import Table


def print_text(text: str) -> None:
    print(_encodable(text, sys.stdout.encoding))


def print_styled(text: str, style: str) -> None:
    """A line, in colour where that is wanted: rich asks NO_COLOR, FORCE_COLOR and TERM."""
    if not style:
        print_text(text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(_encodable(text, sys.stdout.encoding), style))


def columns_available() -> int:
    """Of the terminal; without end for a pipe."""
    if not sys.stdout.isatty():
        return sys.maxsize
    import shutil

    return shutil.get_terminal_size().columns


def note(text: str) -> None:
    to_stderr(f"note: {text}")


def to_stderr(text: str) -> None:
    # Nobody may be listening any more; that is no reason for another exit code. And print takes None for stdout.
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(_encodable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def _encodable(text: str, encoding: str | None) -> str:
    """What a terminal's or pipe's encoding lacks is escaped."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def print_table(table: Table) -> None:
    """Folded to a terminal's width; whole lines for a pipe, whose reader looks for paths."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    with console.capture() as capture:
        console.print(table)
    print_text("\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n")))


def escape(text: str) -> str:
    """For a cell of a table: no markup, nothing that moves the cursor."""
    from rich.markup import escape as escape_markup

    return escape_markup(printable(text))
