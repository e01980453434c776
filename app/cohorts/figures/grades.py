"""Adverse events: a bar per event and group, stacked by CTCAE grade, in percent, with its counts beside it."""

from __future__ import annotations

import math
from typing import Final

from matplotlib.axes import Axes

from app.cohorts.figures import legend, measure, style, words
from app.cohorts.figures.canvas import LEFT_MM, Paper
from app.cohorts.figures.contents import AdverseEvents, Grades
from app.cohorts.figures.numbers import WITHHELD, count, drawn, methods, percent

_COUNTS_MM: Final = 34.0
_HEAD_MM: Final = 4.6
_LANE_MM: Final = 4.0
_HIGHEST: Final = 5
_WIDE_ENOUGH_MM: Final = 3.0


def draw(contents: AdverseEvents, title: str) -> Paper:
    """Draw the bars, one block of groups per event."""
    keys, foot = _keys(contents), _notes(contents)
    block = _HEAD_MM + _LANE_MM * len(contents.groups) + 2.0
    top, tall = 10.0 + legend.height(keys), block * len(contents.rows)
    paper = Paper(top + tall + 11 + 3.4 * len(foot) + 2, title)
    legend.draw(paper, 10.5, keys)
    left = _labels_mm(contents)
    width = style.WIDTH_MM - left - _COUNTS_MM
    axes = paper.axes(left, top, width, tall)
    end = _end(contents)
    _frame(axes, end, tall)
    for number, row in enumerate(contents.rows):
        paper.text(LEFT_MM, top + block * number + 3.2, row.label, weight="bold")
        paper.text(left + 1.5, top + block * number + 3.2, drawn(row.test), size=style.SMALL)
        for place, (label, bar) in enumerate(zip(contents.groups, row.bars, strict=True)):
            y = block * number + _HEAD_MM + _LANE_MM * (place + 0.5)
            paper.text(left - 2, top + y, label, size=style.SMALL, align="right", middle=True)
            _beside(axes, bar, _bar(axes, bar, y, width / end), y, end)
    paper.notes(foot)
    return paper


def _labels_mm(contents: AdverseEvents) -> float:
    """Return the width of the column of names."""
    events = measure.widest((row.label for row in contents.rows), style.BODY, "bold")
    return LEFT_MM + max(events, 6 + measure.widest(contents.groups, style.SMALL)) + 3


def _frame(axes: Axes, end: float, tall: float) -> None:
    axes.set_xlim(0, end)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    step = next(step for step in (1, 2, 5, 10, 20, 25) if end / step <= 6)  # noqa: PLR2004  # room for labels
    axes.set_xticks([step * tick for tick in range(int(end / step) + 1)])
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("Patients with the event, % of those known")


def _end(contents: AdverseEvents) -> float:
    """Return the end of the axis: the next ten above the longest bar, 10 to 100."""
    longest = max((bar.percent or 0.0 for row in contents.rows for bar in row.bars), default=0.0)
    return float(min(100, max(10, 10 * math.ceil(longest / 10))))


def _bar(axes: Axes, bar: Grades, y: float, mm_per_percent: float) -> float:
    """Draw one bar; returns how far it reaches."""
    left = 0.0
    parts = [(str(grade), bar.by_grade.get(grade, 0), style.GRADE_COLOURS[grade]) for grade in range(1, _HIGHEST + 1)]
    parts.append(("?", bar.ungraded, style.UNGRADED))
    for text, found, colour in parts:
        if not found:
            continue
        width = 100 * found / bar.n
        axes.barh(y, width, height=0.78 * _LANE_MM, left=left, color=colour, edgecolor=style.INK, linewidth=0.4)
        if text != "?" and width * mm_per_percent >= _WIDE_ENOUGH_MM:
            ink = style.ink_on(colour)
            axes.text(left + width / 2, y, text, size=6.5, ha="center", va="center_baseline", color=ink)
        left += width
    return left


def _beside(axes: Axes, bar: Grades, reached: float, y: float, end: float) -> None:
    of = f"/{count(bar.n)}" if bar.exact else ""
    known = WITHHELD if bar.withheld else f"{count(bar.count)}{of} ({percent(bar.percent)})" if bar.n else "not known"
    missing = f", {count(bar.missing)} missing" if bar.missing and bar.n else ""
    axes.text(
        reached + end * 0.012,
        y,
        known + missing,
        size=style.SMALL,
        va="center_baseline",
        color=style.INK,
        clip_on=False,
    )


def _keys(contents: AdverseEvents) -> list[legend.Key]:
    bars = [bar for row in contents.rows for bar in row.bars]
    keys = [legend.Key(f"Grade {grade}", colour) for grade, colour in style.GRADE_COLOURS.items()]
    return [*keys, legend.Key("No CTCAE grade", style.UNGRADED)] if any(bar.ungraded for bar in bars) else keys


def _notes(contents: AdverseEvents) -> list[str]:
    told = methods(row.test for row in contents.rows)
    lines = ["Bars: highest grade of each child; numbers in them: the grade. Beside them: patients with the event."]
    lines += [f"p: {told}."] if told else []
    return measure.notes([*lines, words.withheld(contents.profile)] if contents.profile else lines)
