"""Kaplan-Meier curves of the fever: steps, limits, censor ticks, and the number at risk under the same axis."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from app.cohorts.figures import legend, measure, style
from app.cohorts.figures.canvas import LEFT_MM, Paper
from app.cohorts.figures.contents import Step, Survival, SurvivalGroup
from app.cohorts.figures.numbers import HOURS_PER_DAY, WITHHELD, count, tested
from app.cohorts.figures.words import MOST_TICKS, limits_and_ticks, with_bands

_MOST_STEPS: Final = 500
_LEFT_MM: Final = 16.0
_RIGHT_MM: Final = 4.0
_AXES_MM: Final = 70.0
_GROUP_MM: Final = 7.8


def draw(contents: Survival, title: str) -> Paper:
    """Draw the curves, and the numbers at risk aligned to the ticks of the time axis."""
    groups = [(place, group) for place, group in enumerate(contents.groups) if group.steps]
    keys = legend.group_keys(map(_key, contents.groups), lines=True)
    foot = measure.notes(limits_and_ticks(contents))
    top = 8.5 + legend.height(keys)
    table = top + _AXES_MM + 12
    paper = Paper(table + _GROUP_MM * len(groups) + 3.4 * len(foot) + 5, title)
    legend.draw(paper, 10.5, keys)
    axes = paper.axes(_LEFT_MM, top, style.WIDTH_MM - _LEFT_MM - _RIGHT_MM, _AXES_MM)
    end, ticks = _time_axis([group for _, group in groups])
    _frame(axes, end, ticks, contents.since)
    banded = with_bands(contents)
    for place, group in groups:
        _curve(axes, group, style.look(place), end, band=group in banded)
    _tests(axes, contents)
    _at_risk(paper, groups, ticks, table)
    paper.notes(foot)
    return paper


def _key(group: SurvivalGroup) -> str:
    if group.withheld:
        return f"{group.label} ({WITHHELD})"
    untested = "" if group.tested or not group.n else "; not in the tests"
    return f"{group.label} (n = {count(group.n)}{untested})"


def _time_axis(groups: Sequence[SurvivalGroup]) -> tuple[float, list[int]]:
    """Return the end of the axis and its ticks, in days."""
    last = max((group.steps[-1].time for group in groups), default=0.0) / HOURS_PER_DAY
    step = next((s for s in (1, 2, 5, 7, 14, 28, 56, 91, 182, 365) if last / s <= 12), 730)  # noqa: PLR2004  # room
    ticks = list(range(0, max(step, math.ceil(last / step) * step) + 1, step))
    return float(ticks[-1]), ticks


def _ends(end: float) -> tuple[float, float]:
    """Return where the time axis begins and stops: a little room on both sides."""
    return -0.012 * end, 1.012 * end


def _frame(axes: Axes, end: float, ticks: list[int], since: str) -> None:
    axes.set_xlim(*_ends(end))
    axes.set_ylim(-2, 103)
    axes.set_xticks(ticks)
    axes.set_yticks(range(0, 101, 25))
    axes.spines["left"].set_bounds(0, 100)
    axes.spines["bottom"].set_bounds(0, end)
    axes.set_xlabel(f"Days since {since}")
    axes.set_ylabel("Patients still febrile (%)", rotation_mode="anchor")
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _curve(axes: Axes, group: SurvivalGroup, look: style.Look, end: float, *, band: bool) -> None:
    steps = thinned(group.steps, end * HOURS_PER_DAY)
    time = [0.0, *(step.time / HOURS_PER_DAY for step in steps)]
    percent = [100.0, *(100 * step.survival for step in steps)]
    if band:
        axes.fill_between(time, *_limits(steps), step="post", color=look.colour, alpha=0.13, linewidth=0)
    axes.plot(
        time, percent, drawstyle="steps-post", color=look.colour, linestyle=look.dashes, linewidth=1.6,
        dash_capstyle="butt",
    )  # fmt: skip
    ticks = [step for step in steps if step.censored]
    ticks = ticks[:: math.ceil(len(ticks) / MOST_TICKS) or 1]
    axes.plot(
        [step.time / HOURS_PER_DAY for step in ticks], [100 * step.survival for step in ticks],
        linestyle="none", marker="|", markersize=7, markeredgewidth=1.1, color=look.colour,
    )  # fmt: skip


def _limits(steps: Sequence[Step]) -> tuple[list[float], list[float]]:
    """Return the limits in percent from time 0 on; where one is undefined the band has no width."""
    low, high = [100.0], [100.0]
    for step in steps:
        defined = step.low is not None and step.high is not None
        low.append(100 * (step.low if defined and step.low is not None else step.survival))
        high.append(100 * (step.high if defined and step.high is not None else step.survival))
    return low, high


def thinned(steps: Sequence[Step], end: float) -> list[Step]:
    """Keep at most five hundred steps: of those too near to tell apart, the last; no tick is lost."""
    if len(steps) <= _MOST_STEPS or not end:
        return list(steps)
    kept: dict[int, Step] = {}
    for step in steps:
        place = int(step.time / end * (_MOST_STEPS - 1))
        before = kept.get(place)
        kept[place] = step._replace(censored=step.censored + before.censored) if before else step
    return list(kept.values())


def at_risk(steps: Sequence[Step], hours: float) -> int:
    """Return how many patients are still at risk just before a time: those whose own time is not earlier."""
    place = bisect_left(steps, hours, key=lambda step: step.time)
    return steps[place].at_risk if place < len(steps) else 0


def _tests(axes: Axes, contents: Survival) -> None:
    """Write the tests into the upper right corner: curves fall, so there is room."""
    lines = "\n".join(f"{test.method.partition(' (')[0]}: {tested(test)}" for test in contents.tests)
    behind = {"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 1.5}
    axes.text(0.995, 0.985, lines, transform=axes.transAxes, ha="right", va="top", size=style.BODY, bbox=behind)


def _at_risk(paper: Paper, groups: Sequence[tuple[int, SurvivalGroup]], ticks: list[int], top: float) -> None:
    """Write the counts under the ticks they belong to, by the same mapping of time to place."""
    paper.text(LEFT_MM, top, "Number at risk", size=style.SMALL, weight="bold")
    low, high = _ends(ticks[-1])
    width = style.WIDTH_MM - _LEFT_MM - _RIGHT_MM
    for row, (place, group) in enumerate(groups):
        y = top + _GROUP_MM * row + 3.8
        paper.text(LEFT_MM, y, group.label, size=style.SMALL, colour=style.look(place).colour)
        for day in ticks:
            x = _LEFT_MM + width * (day - low) / (high - low)
            here = at_risk(group.steps, day * HOURS_PER_DAY)
            paper.text(x, y + 3.4, count(here), size=style.SMALL, align="center")
