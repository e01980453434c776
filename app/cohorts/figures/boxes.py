"""Fold differences of cytokines: a box per group, its points while they are few, a logarithmic axis with 1 and 0."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from app.cohorts.figures import legend, measure, style, words
from app.cohorts.figures.canvas import LEFT_MM, Paper
from app.cohorts.figures.contents import Box, Boxes, BoxRow, Floats
from app.cohorts.figures.fold_axis import FoldAxis
from app.cohorts.figures.numbers import count, drawn, methods

MOST_POINTS: Final = 120
_BINS: Final = 60
_LABELS_MM: Final = 24.0
_TESTS_MM: Final = 34.0
_TALLEST_MM: Final = 200.0


def draw(contents: Boxes, title: str) -> Paper:
    """Draw a band of boxes for every variable."""
    keys = legend.group_keys(contents.groups)
    lane = _lane(contents)
    band = lane * len(contents.groups) + 2.4
    top = 10.0 + legend.height(keys)
    tall = band * len(contents.rows)
    axis = FoldAxis.of(contents)
    notes = _notes(contents, axis)
    paper = Paper(top + tall + 10 + 3.4 * len(notes) + 2, title)
    legend.draw(paper, 10.5, keys)
    axes = paper.axes(_LABELS_MM, top, style.WIDTH_MM - _LABELS_MM - _TESTS_MM, tall)
    _frame(axes, axis, contents, tall)
    for number, row in enumerate(contents.rows):
        _band(axes, axis, row, (band * number + 1.2, lane))
        middle = top + band * (number + 0.5)
        paper.text(LEFT_MM, middle, row.label, middle=True)
        paper.text(style.WIDTH_MM - _TESTS_MM + 4, middle, drawn(row.test), size=style.SMALL, middle=True)
        if number:
            axes.axhline(band * number, color=style.FAINT, linewidth=0.6, zorder=0)
    paper.notes(notes)
    return paper


def _lane(contents: Boxes) -> float:
    """Return the height of one box with its surroundings: less when there are many."""
    boxes = max(1, len(contents.rows) * len(contents.groups))
    return max(2.2, min(4.6, (_TALLEST_MM - 2.4 * len(contents.rows)) / boxes))


def _frame(axes: Axes, axis: FoldAxis, contents: Boxes, tall: float) -> None:
    axes.set_xlim(axis.start, axis.high)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks(*axis.ticks())
    axes.set_xticks(axis.minor(), minor=True)
    axes.tick_params(axis="x", which="minor", length=1.4, width=0.5)
    axes.axvline(0, color=style.QUIET, linestyle=(0, (5, 3)), linewidth=0.8, zorder=1)
    axes.set_xlabel(contents.axis)
    if axis.has_zero:
        gap = (axis.zero + axis.low) / 2
        axes.axvline(gap, color=style.RULE, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
        axes.spines["bottom"].set_bounds(axis.low, axis.high)


def _band(axes: Axes, axis: FoldAxis, row: BoxRow, place: tuple[float, float]) -> None:
    top, lane = place
    for number, box in enumerate(row.boxes):
        if box.is_drawn:
            _box(axes, axis, box, (top + lane * (number + 0.5), lane), style.look(number))


def _box(axes: Axes, axis: FoldAxis, box: Box, place: tuple[float, float], look: style.Look) -> None:
    middle, lane = place
    places = axis.places(box.values)
    positive = places[box.values > 0]
    if positive.size:
        axes.plot([positive.min(), positive.max()], [middle, middle], color=look.colour, linewidth=0.7, zorder=2)
    if not box.n:
        pass
    elif box.n <= MOST_POINTS:
        _points(axes, places, box, place, look)
    else:
        _shape(axes, axis, box, place, look)
    if box.spread.q1 is None or box.spread.q3 is None or box.spread.median is None:
        return
    q1, median, q3 = (axis.place(value) for value in (box.spread.q1, box.spread.median, box.spread.q3))
    axes.add_patch(
        Rectangle(
            (q1, middle - 0.32 * lane), q3 - q1, 0.64 * lane, facecolor="none", edgecolor=look.colour, linewidth=1.0,
            zorder=3,
        )
    )  # fmt: skip
    axes.plot([median] * 2, [middle - 0.4 * lane, middle + 0.4 * lane], color=look.colour, linewidth=2.0, zorder=4)


def _points(axes: Axes, places: Floats, box: Box, place: tuple[float, float], look: style.Look) -> None:
    """Draw every value as a point; equal and near values are stacked up and down from the middle."""
    middle, lane = place
    x = np.repeat(places, box.counts)
    y, stack = [], dict[int, int]()
    for spot in x.tolist():
        key = round(spot / 0.035)
        height = stack[key] = stack.get(key, -1) + 1
        y.append(middle + _offset(height) * 0.36 * lane)
    axes.plot(
        x, y, linestyle="none", marker=look.marker, markersize=2.3, markerfacecolor=look.colour, markeredgewidth=0,
        alpha=0.6, zorder=2.5,
    )  # fmt: skip


def _offset(height: int) -> float:
    """Return 0, 1/4, -1/4, 1/2 ... of the room, and begin again when it is full."""
    step = (height % 9 + 1) // 2 / 4
    return step if height % 2 else -step


def _shape(axes: Axes, axis: FoldAxis, box: Box, place: tuple[float, float], look: style.Look) -> None:
    """Draw how many values there are as thickness: above zero in narrow bins, and zero as a bin of its own."""
    middle, lane = place
    width = (axis.high - axis.low) / _BINS
    places, above = axis.places(box.values), box.values > 0
    edges = axis.low + width * np.arange(_BINS + 1)
    counts, _ = np.histogram(places[above], edges, weights=box.counts[above])
    zeros = int(box.counts[~above].sum())
    scale = 0.42 * lane / max(zeros, counts.max())
    x, reach = np.repeat(edges, 2)[1:-1], np.repeat(scale * counts, 2)
    drawn: dict[str, Any] = {"color": look.colour, "alpha": 0.22, "linewidth": 0, "zorder": 1.5}
    axes.fill_between(x, middle - reach, middle + reach, **drawn)
    if zeros:
        ends = [axis.zero - width / 2, axis.zero + width / 2]
        axes.fill_between(ends, middle - scale * zeros, middle + scale * zeros, **drawn)


def _notes(contents: Boxes, axis: FoldAxis) -> list[str]:
    if contents.profile:
        lines = ["Boxes: quartiles; thick line: median. Dashed at 1: the upper limit of normal."]
        return measure.notes([*lines, words.withheld(contents.profile)])
    many = any(box.n > MOST_POINTS for row in contents.rows for box in row.boxes)
    points = "shapes: distribution of many values" if many else "points: one child each"
    marks = "Boxes: quartiles; thick line: median; thin line: smallest to largest above 0"
    lines = [f"{marks}; {points}. Dashed at 1: the upper limit of normal."]
    if axis.has_zero:
        lines.append("0: sent as zero (not detected); it has no place on a logarithmic axis and stands beside it.")
    lines += [f"{text}." for text in (_sizes(contents), _methods(contents)) if text]
    return measure.notes(lines)


def _sizes(contents: Boxes) -> str:
    """Say how many values there are per group, as a range over the variables."""
    parts = []
    for number, label in enumerate(contents.groups):
        sizes = [row.boxes[number].n for row in contents.rows]
        low, high = min(sizes, default=0), max(sizes, default=0)
        parts.append(f"{label} {count(low)}" + (f" to {count(high)}" if high > low else ""))
    return f"Values per variable: {'; '.join(parts)}" if parts else ""


def _methods(contents: Boxes) -> str:
    told = methods(row.test for row in contents.rows)
    return f"p: {told}" if told else ""
