"""Keys above a figure: which colour and marker is which group, which shade which grade."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from app.cohorts.figures import style
from app.cohorts.figures.canvas import LEFT_MM, Paper
from app.cohorts.figures.measure import text_mm

LINE_MM: Final = 4.6
_SWATCH_MM: Final = 4.0
_LINE_SWATCH_MM: Final = 11.0
_GAP_MM: Final = 5.0


class Key(NamedTuple):
    """One entry: a line in its dashes, a marker, or (with neither) a filled square."""

    text: str
    colour: str
    marker: str | None = None
    dashes: style.Dashes | None = None


def group_keys(labels: Iterable[str], *, lines: bool = False) -> list[Key]:
    """Return the keys of groups in their order: their markers, or their lines."""
    looks = ((label, style.look(place)) for place, label in enumerate(labels))
    if lines:
        return [Key(label, look.colour, dashes=look.dashes) for label, look in looks]
    return [Key(label, look.colour, marker=look.marker) for label, look in looks]


def height(keys: list[Key], left: float = LEFT_MM) -> float:
    """Return how many millimetres the keys take, wrapped to the width of the paper."""
    return LINE_MM * (1 + max((line for line, _ in _places(keys, left)), default=0))


def draw(paper: Paper, top: float, keys: list[Key], left: float = LEFT_MM) -> None:
    """Draw the keys in lines from `top` on."""
    for key, (line, x) in zip(keys, _places(keys, left), strict=True):
        y = top + LINE_MM * line
        _swatch(paper, x, y - 1.2, key)
        paper.text(x + _swatch_mm(key), y, key.text, size=style.SMALL)


def _swatch(paper: Paper, x: float, y: float, key: Key) -> None:
    left, height = paper.share(x, y)
    if key.dashes is not None:
        ends = [left, left + (_LINE_SWATCH_MM - 1.5) / style.WIDTH_MM]
        paper.figure.add_artist(
            Line2D(ends, [height] * 2, color=key.colour, linestyle=key.dashes, linewidth=1.6, dash_capstyle="butt")
        )
    elif key.marker is not None:
        middle = left + 1.5 / style.WIDTH_MM
        dot = Line2D([middle], [height], color=key.colour, marker=key.marker, markersize=4.5, linestyle="none")
        paper.figure.add_artist(dot)
    else:
        size = (2.8 / style.WIDTH_MM, 2.8 / paper.height)
        square = Rectangle((left, height - size[1] / 2), *size, transform=paper.figure.transFigure, linewidth=0.4)
        square.set(facecolor=key.colour, edgecolor=style.INK)
        paper.figure.add_artist(square)


def _swatch_mm(key: Key) -> float:
    return _SWATCH_MM if key.dashes is None else _LINE_SWATCH_MM


def _places(keys: list[Key], left: float) -> list[tuple[int, float]]:
    """Return line and left edge of every key."""
    places, line, x = [], 0, left
    for key in keys:
        width = _swatch_mm(key) + text_mm(key.text, style.SMALL)
        if x > left and x + width > style.WIDTH_MM - LEFT_MM:
            line, x = line + 1, left
        places.append((line, x))
        x += width + _GAP_MM
    return places
