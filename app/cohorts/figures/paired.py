"""First and follow-up echocardiogram of the same children, a panel per group, with the normal line.

Few pairs are drawn as one line each; many as two histograms with their medians and quartiles joined, so that what is
drawn does not grow with the cohort.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from app.cohorts.figures import style
from app.cohorts.figures.canvas import Paper
from app.cohorts.figures.contents import Floats, Paired, PairedGroup, Spread
from app.cohorts.figures.measure import notes, text_mm, wrapped
from app.cohorts.figures.numbers import count, methods, significant, tested
from app.cohorts.figures.words import withheld

MOST_LINES: Final = 80
_FEWEST_BINS: Final = 10
_MOST_BINS: Final = 50
_LEFT_AXIS_MM: Final = 16.0
_RIGHT_MM: Final = 3.0
_GAP_MM: Final = 3.5
_AXES_MM: Final = 72.0
_LINE_MM: Final = 3.6
_OUTSIDE: Final = 0.16
_HEAD_MM: Final = 9.0
_NUMBERS: Final = 3
_LIMITS: Final = (-0.5, 1.5)


def draw(contents: Paired, title: str) -> Paper:
    """Draw a panel for every group that has pairs."""
    groups = [(place, group) for place, group in enumerate(contents.groups) if group.n]
    width = (style.WIDTH_MM - _LEFT_AXIS_MM - _RIGHT_MM - _GAP_MM * (len(groups) - 1)) / max(1, len(groups))
    heads = [_head(group, contents.unit, width) for _, group in groups]
    top = _HEAD_MM + _LINE_MM * max(map(len, heads), default=0)
    foot = _notes(contents, [group for _, group in groups])
    paper = Paper(top + _AXES_MM + 8.5 + 3.4 * len(foot) + 2, title)
    low, high = _range(contents)
    first: Axes | None = None
    for column, ((place, group), head) in enumerate(zip(groups, heads, strict=True)):
        left = _LEFT_AXIS_MM + column * (width + _GAP_MM)
        axes = paper.axes(left, top, width, _AXES_MM, share_y=first)
        first = first or axes
        _head_text(paper, (left + width / 2, top), head, style.look(place).colour)
        _frame(axes, contents, (low, high), leads=column == 0)
        _panel(axes, group, style.look(place))
    paper.notes(foot)
    return paper


def _head(group: PairedGroup, unit: str, width: float) -> list[str]:
    """Return what stands over a panel: the group's name in as many lines as it takes, then three of numbers."""
    medians = f"{significant(group.first.median)} \N{RIGHTWARDS ARROW} {significant(group.follow_up.median)}"
    pairs = f"{count(group.n)} pair" + ("s" if group.n > 1 else "")
    name = wrapped(group.label, style.BODY, width, "bold")
    named = f"median {medians}{unit}"
    shown = named if text_mm(named, style.SMALL) <= width + _GAP_MM - 1 else f"{medians}{unit}"
    return [*name, pairs, shown, tested(group.test).partition(":")[0]]


def _head_text(paper: Paper, place: tuple[float, float], lines: list[str], colour: str) -> None:
    x, bottom = place
    for number, line in enumerate(reversed(lines)):
        y = bottom - 2.0 - _LINE_MM * number
        if number < _NUMBERS:
            paper.text(x, y, line, size=style.SMALL, align="center")
        else:
            paper.text(x, y - 0.6, line, align="center", colour=colour, weight="bold")


def _range(contents: Paired) -> tuple[float, float]:
    ends = [contents.normal]
    for group in contents.groups:
        if group.n:
            ends += [float(part.min()) for part in (group.before, group.after) if part.size]
            ends += [float(part.max()) for part in (group.before, group.after) if part.size]
            ends += [end for spread in (group.first, group.follow_up) for end in spread if end is not None]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def _frame(axes: Axes, contents: Paired, limits: tuple[float, float], *, leads: bool) -> None:
    axes.set_xlim(*_LIMITS)
    axes.set_ylim(*limits)
    axes.set_xticks([0, 1], ["First", "Follow-up"])
    axes.tick_params(axis="x", length=0, labelsize=style.SMALL)
    axes.axhline(contents.normal, color=style.QUIET, linestyle=(0, (5, 3)), linewidth=0.8, zorder=1)
    if leads:
        axes.set_ylabel(contents.axis, rotation_mode="anchor")
    else:
        axes.tick_params(axis="y", labelleft=False)


def _panel(axes: Axes, group: PairedGroup, look: style.Look) -> None:
    if group.told is None and group.n <= MOST_LINES:
        _lines(axes, group, look)
    elif group.told is None:
        _histogram(axes, group.before, group, look, outward=-1)
        _histogram(axes, group.after, group, look, outward=1)
        for low, high in ((group.first.q1, group.follow_up.q1), (group.first.q3, group.follow_up.q3)):
            if low is not None and high is not None:
                axes.plot([0, 1], [low, high], color=look.colour, linewidth=0.8, linestyle=(0, (2, 2)))
    for x, spread in ((0, group.first), (1, group.follow_up)):
        _spread(axes, x + (_OUTSIDE if x else -_OUTSIDE) * (group.n <= MOST_LINES), spread, look)
    if group.first.median is not None and group.follow_up.median is not None and group.n > MOST_LINES:
        axes.plot([0, 1], [group.first.median, group.follow_up.median], color=look.colour, linewidth=1.8, zorder=4)


def _lines(axes: Axes, group: PairedGroup, look: style.Look) -> None:
    pairs = list(zip(group.before.tolist(), group.after.tolist(), group.counts.tolist(), strict=True))
    widths = [0.7 + 0.6 * (times - 1) for _, _, times in pairs]
    segments = [[(0.0, before), (1.0, after)] for before, after, _ in pairs]
    axes.add_collection(LineCollection(segments, colors=look.colour, linewidths=widths, alpha=0.45))
    x = [0.0] * len(pairs) + [1.0] * len(pairs)
    y = [before for before, _, _ in pairs] + [after for _, after, _ in pairs]
    axes.plot(
        x, y, linestyle="none", marker=look.marker, markersize=2.6, markerfacecolor=style.PAPER, markeredgewidth=0.7,
        markeredgecolor=look.colour,
    )  # fmt: skip


def _histogram(axes: Axes, values: Floats, group: PairedGroup, look: style.Look, *, outward: int) -> None:
    """Draw one half of a violin, outward from its place, the fullest bin as wide as there is room."""
    low, high = float(values.min()), float(values.max())
    bins = min(_MOST_BINS, max(_FEWEST_BINS, math.isqrt(2 * group.n)))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts, _ = np.histogram(values, edges, weights=group.counts)
    share = 0.42 * counts / counts.max()
    place = 0 if outward < 0 else 1
    axes.fill_betweenx(
        np.repeat(edges, 2)[1:-1],
        place,
        place + outward * np.repeat(share, 2),
        color=look.colour,
        alpha=0.3,
        linewidth=0,
    )


def _spread(axes: Axes, x: float, spread: Spread, look: style.Look) -> None:
    if spread.median is None or spread.q1 is None or spread.q3 is None:
        return
    axes.plot([x, x], [spread.q1, spread.q3], color=look.colour, linewidth=2.2, solid_capstyle="butt", zorder=4)
    axes.plot(
        [x], [spread.median], marker=look.marker, markersize=6.5, color=look.colour, markeredgecolor=style.PAPER,
        markeredgewidth=0.8, zorder=5,
    )  # fmt: skip


def _notes(contents: Paired, drawn: list[PairedGroup]) -> list[str]:
    shapes = []
    if any(group.n <= MOST_LINES for group in drawn):
        shapes.append("Thin lines: one child each. ")
    if any(group.n > MOST_LINES for group in drawn):
        shapes.append("Shapes: distribution of many pairs, their medians and quartiles joined. ")
    if contents.profile:
        shapes = []
    lines = [f"{''.join(shapes)}Large marks and bars, and the numbers above: medians (and quartiles) of the pairs."]
    lines[0] += f" Dashed: {contents.normal_label}."
    told = methods(group.test for group in drawn)
    none = [group.label for group in contents.groups if not group.n and not group.withheld]
    lines += [f"p: {told}."] if told else []
    lines += [f"No pairs: {'; '.join(none)}."] if none else []
    lines += [withheld(contents.profile)] if contents.profile else []
    return notes(lines)
