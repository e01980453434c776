"""Missing values: variables by groups, as shaded cells that carry their percent."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.patches import Rectangle

from app.cohorts.figures import measure, style, words
from app.cohorts.figures.canvas import LEFT_MM, Paper
from app.cohorts.figures.contents import Gap, GapRow, Missingness
from app.cohorts.figures.numbers import WITHHELD, percent

MOST_ROWS: Final = 48
_CELL_MM: Final = 32.0
_ROW_MM: Final = 4.3
_SHADES: Final = LinearSegmentedColormap.from_list("missing", ["#ffffff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"])


def draw(contents: Missingness, title: str) -> Paper:
    """Draw the variables that anybody misses, most missing first when there are too many, then in their order."""
    gappy = [row for row in contents.rows if any(cell.missing or cell.withheld for cell in row.cells)]
    shown = _shown(gappy)
    left = LEFT_MM + measure.widest((row.label for row in shown), style.SMALL) + 4
    width = min(_CELL_MM, (style.WIDTH_MM - left - LEFT_MM) / max(1, len(contents.groups)))
    heads = [measure.wrapped(label, style.SMALL, width - 2, "bold") for label in contents.groups]
    top = 10.0 + 3.4 * max(map(len, heads), default=1)
    notes = _notes(contents, gappy, shown)
    paper = Paper(top + _ROW_MM * len(shown) + 3.4 * len(notes) + 5, title)
    _heads(paper, heads, (left, width), top)
    axes = paper.axes(left, top, width * len(contents.groups), _ROW_MM * len(shown))
    axes.set_xlim(0, len(contents.groups))
    axes.set_ylim(len(shown), 0)
    axes.set_axis_off()
    for number, row in enumerate(shown):
        paper.text(LEFT_MM, top + _ROW_MM * (number + 0.5), row.label, size=style.SMALL, middle=True)
        for column, cell in enumerate(row.cells):
            _cell(axes, cell, column, number)
    paper.notes(notes)
    return paper


def _shown(gappy: list[GapRow]) -> list[GapRow]:
    if len(gappy) <= MOST_ROWS:
        return gappy
    worst = sorted(range(len(gappy)), key=lambda place: -_share(gappy[place]))[:MOST_ROWS]
    return [gappy[place] for place in sorted(worst)]


def _share(row: GapRow) -> float:
    everybody = sum(cell.n for cell in row.cells)
    return sum(cell.missing for cell in row.cells) / everybody if everybody else 0.0


def _heads(paper: Paper, heads: list[list[str]], place: tuple[float, float], top: float) -> None:
    left, width = place
    for column, lines in enumerate(heads):
        for number, line in enumerate(reversed(lines)):
            x, y = left + width * (column + 0.5), top - 1.4 - 3.4 * number
            paper.text(x, y, line, size=style.SMALL, align="center", weight="bold")


def _cell(axes: Axes, cell: Gap, column: int, row: int) -> None:
    share = cell.percent
    shade = style.PAPER if share is None else to_hex(_SHADES(share / 100))
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=shade, edgecolor=style.RULE, linewidth=0.5))
    text = (
        WITHHELD
        if cell.withheld
        else "does not apply"
        if share is None
        else f"{percent(share)} ({cell.missing}/{cell.n})"
    )
    axes.text(column + 0.5, row + 0.5, text, size=6.5, ha="center", va="center_baseline", color=style.ink_on(shade))


def _notes(contents: Missingness, gappy: list[GapRow], shown: list[GapRow]) -> list[str]:
    complete = len(contents.rows) - len(gappy)
    lines = ["Percent of the patients to whom a variable applies (missing/patients). Nothing is imputed."]
    if len(shown) < len(gappy):
        lines.append(f"The {len(shown)} variables with most missing; {len(gappy) - len(shown)} more miss some.")
    if complete:
        lines.append(f"Complete, and not shown: {complete} variable{'' if complete == 1 else 's'}.")
    lines += [words.withheld(contents.profile)] if contents.profile else []
    return measure.notes(lines)
