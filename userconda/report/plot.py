"""Charged, shared and freed, a bar each for every environment: an SVG of our own, for a report or a web page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from userconda.units import format_bytes, printable

if TYPE_CHECKING:
    from userconda.cli.usage import UsageResult
    from userconda.sharing import Amount, Figures

#: Word, colour (told apart also by those who see few colours), figure.
_BARS: Final[tuple[tuple[str, str, Callable[[Figures], Amount]], ...]] = (
    ("charged to you", "#0b5394", lambda figures: figures.charged),
    ("shared with the system", "#a9c4e0", lambda figures: figures.shared),
    ("freed if removed", "#e69138", lambda figures: figures.freed),
)

_LEFT, _WIDTH, _RIGHT = 190, 520, 90
_TOP, _BAR, _GAP = 74, 11, 16
_LONGEST_NAME = 26


def plot(result: UsageResult) -> str:
    """The whole document. Widths are to one scale, from zero."""
    rows = [(row.scope.name, row.figures) for row in result.rows]
    most = max((of(figures).size_bytes for _, figures in rows for _, _, of in _BARS), default=0) or 1
    unit = _tick(most)
    block = len(_BARS) * _BAR + _GAP
    bottom = _TOP + len(rows) * block
    size = f'width="{_LEFT + _WIDTH + _RIGHT}" height="{bottom + 40}"'
    view = f'viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {bottom + 40}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view} font-family="sans-serif" font-size="12" role="img">',
        f"<title>{_text(f'What {result.user} is charged for environments')}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15">{_text(_heading(result))}</text>',
        *_legend(),
        *_grid(unit, most, bottom),
    ]
    for number, (name, figures) in enumerate(rows):
        lines += _block(name, figures, _TOP + number * block, most)
    return "\n".join((*lines, "</svg>", ""))


def _heading(result: UsageResult) -> str:
    at_least = "at least " if result.at_least else ""
    return f"{result.user} is charged {at_least}{format_bytes(result.total.charged.size_bytes)} for environments"


def _legend() -> Iterator[str]:
    x = 16
    for word, colour, _ in _BARS:
        yield f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="48">{word}</text>'
        x += 40 + 7 * len(word)


def _grid(unit: int, most: int, bottom: int) -> Iterator[str]:
    for value in range(0, most + 1, unit):
        x = _LEFT + value * _WIDTH // most
        yield f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}" stroke="#d0d0d0"/>'
        yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" fill="#505050">{format_bytes(value)}</text>'


def _tick(most: int) -> int:
    """1, 2 or 5 times a power of ten, so that there are three to seven of them."""
    power = int(10 ** (len(str(most)) - 1))
    for unit in (power // 5, power // 2, power, 2 * power):
        if unit and most // unit <= 6:
            return unit
    return 2 * power


def _block(name: str, figures: Figures, y: int, most: int) -> Iterator[str]:
    whole = printable(name)
    shown = whole if len(whole) <= _LONGEST_NAME else f"{whole[: _LONGEST_NAME - 1]}…"
    middle = y + len(_BARS) * _BAR // 2 + 4
    yield f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{_text(shown)}<title>{_text(whole)}</title></text>'
    for number, (word, colour, of) in enumerate(_BARS):
        value = of(figures).size_bytes
        # Something is never drawn as nothing.
        width = max(value * _WIDTH / most, 1 if value else 0)
        top = y + number * _BAR
        title = f"{whole}: {format_bytes(value)} {word}"
        yield (
            f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 1}" fill="{colour}">'
            f"<title>{_text(title)}</title></rect>"
        )
        if value:
            yield (
                f'<text x="{_LEFT + width + 5:.1f}" y="{top + _BAR - 2}" font-size="10">{format_bytes(value)}</text>'
            )


def _text(text: str) -> str:
    """`printable` has left no control characters, which XML has no way to write."""
    return escape(printable(text))
