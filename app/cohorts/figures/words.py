"""A figure's content in words: what a listener needs to have the figure's numbers without seeing it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import Final

from app.cohorts.figures.contents import (
    AdverseEvents,
    Box,
    Boxes,
    Comparison,
    Contents,
    Gap,
    Grades,
    Missingness,
    Paired,
    PairedGroup,
    Spread,
    Survival,
    SurvivalGroup,
)
from app.cohorts.figures.numbers import WITHHELD, count, days, methods, percent, significant, tested

MOST_TICKS: Final = 60
"""More ticks than these on one curve would hide it; then every so many-th is drawn, and the figure says so."""
MOST_BANDS: Final = 3


@singledispatch
def describe(contents: Contents) -> str:
    """Describe a figure in sentences."""
    raise TypeError(type(contents).__name__)


@describe.register
def _(contents: Survival) -> str:
    lead = f"Kaplan-Meier curves of the patients still febrile, by days since {contents.since}, with "
    groups = " ".join(_survival(group) for group in contents.groups)
    return f"{lead}{contents.limits} and ticks where patients were censored. {groups} {_tests(contents.tests)}".strip()


def withheld(profile: str) -> str:
    """Say in a figure's notes what is not drawn."""
    return f"Disclosure profile {profile}: small numbers, and what would give them back, are {WITHHELD} and not drawn."


def _survival(group: SurvivalGroup) -> str:
    if group.withheld:
        return f"{group.label}: {WITHHELD}."
    if not group.n:
        return f"{group.label}: no patients{_left_out(group)}."
    median = group.median_hours
    half = "the curve does not come down to one half" if median is None else f"median {days(median)} days"
    censored = f", {group.n - group.events} censored" if group.exact else ""
    left_out = _left_out(group)
    return f"{group.label}: n = {count(group.n)}, {group.events} afebrile{censored}, {half}{left_out}."


def _left_out(group: SurvivalGroup) -> str:
    told = ((group.excluded, "left out without fever to follow"), (group.missing, "missing"))
    return "".join(f", {count(n)} {why}" for n, why in told if n)


@describe.register
def _(contents: Paired) -> str:
    groups = " ".join(_paired(group, contents.unit) for group in contents.groups)
    lead = f"{contents.measure} at the first and the follow-up echocardiogram of the same children."
    return f"{lead} {groups} Dashed line: {contents.normal_label}."


def _paired(group: PairedGroup, unit: str) -> str:
    if not group.n:
        return f"{group.label}: {WITHHELD}." if group.withheld else f"{group.label}: no child has both."
    change = f"from {_spread(group.first)} to {_spread(group.follow_up)} {unit}"
    return f"{group.label}: {count(group.n)} pairs, {change}{_comma(group.test)}."


def _spread(spread: Spread) -> str:
    if spread.median is None:
        return "no median"
    return f"{significant(spread.median)} [{significant(spread.q1)}, {significant(spread.q3)}]"


@describe.register
def _(contents: Boxes) -> str:
    lead = f"{contents.axis}: medians [quartiles] by variable and group."
    return " ".join((lead, *(_boxes(contents.groups, row.label, row.boxes, row.test) for row in contents.rows)))


def _boxes(groups: Iterable[str], label: str, boxes: Iterable[Box], test: Comparison | None) -> str:
    told = "; ".join(f"{group} {_box(box)}" for group, box in zip(groups, boxes, strict=True))
    return f"{label}: {told}{_semicolon(test)}."


def _box(box: Box) -> str:
    if box.n:
        return f"{_spread(box.spread)}, n = {count(box.n)}"
    if box.spread.median is not None:
        return _spread(box.spread)
    return WITHHELD if box.withheld else "no values"


@describe.register
def _(contents: AdverseEvents) -> str:
    lead = "Patients with each adverse event by highest CTCAE grade and group, in percent of those known."
    rows = (
        f"{row.label}: "
        + "; ".join(f"{group} {_grades(bar)}" for group, bar in zip(contents.groups, row.bars, strict=True))
        + f"{_semicolon(row.test)}."
        for row in contents.rows
    )
    return " ".join((lead, *rows))


def _grades(bar: Grades) -> str:
    if not bar.n:
        return WITHHELD if bar.withheld else "unknown"
    grades = [f"{found} grade {grade}" for grade, found in sorted(bar.by_grade.items()) if grade and found]
    detail = f" ({', '.join(grades)})" if grades else ""
    of = f" of {bar.n}" if bar.exact else ""
    return f"{bar.count}{of}, {percent(bar.percent)}{detail}" + (f", {bar.missing} unknown" if bar.missing else "")


@describe.register
def _(contents: Missingness) -> str:
    lead = "Missing values in percent of the patients to whom a variable applies, by variable and group."
    rows = (
        f"{row.label}: "
        + "; ".join(f"{group} {_gap(cell)}" for group, cell in zip(contents.groups, row.cells, strict=True))
        + "."
        for row in contents.rows
    )
    return " ".join((lead, *rows))


def _gap(cell: Gap) -> str:
    if cell.n:
        return f"{percent(cell.percent)} ({cell.missing} of {cell.n})"
    return WITHHELD if cell.withheld else "does not apply"


def _tests(tests: Iterable[Comparison]) -> str:
    return " ".join(f"{test.method}: {tested(test)}." for test in tests)


def _comma(test: Comparison | None) -> str:
    return f", {tested(test)} ({test.method})" if test else ""


def _semicolon(test: Comparison | None) -> str:
    return f"; {tested(test)} ({test.method})" if test else ""


def with_bands(contents: Survival) -> tuple[SurvivalGroup, ...]:
    """Return the groups whose limits are drawn: the largest three of those compared. More bands hide one another."""
    return tuple(sorted((g for g in contents.groups if g.n and g.tested), key=lambda group: -group.n)[:MOST_BANDS])


def limits_and_ticks(contents: Survival) -> list[str]:
    """Say what bands and ticks are, what counts as afebrile, and who is left out."""
    what = "sustained defervescence" if contents.sustained else "the first temperature below the limit"
    crowded = any(sum(step.censored > 0 for step in group.steps) > MOST_TICKS for group in contents.groups)
    ticks = "censored patients, where crowded some of them" if crowded else "censored patients"
    few = len(with_bands(contents)) < sum(group.n > 0 for group in contents.groups)
    of = f" of {', '.join(group.label for group in with_bands(contents))}" if few else ""
    if contents.profile:
        return [
            withheld(contents.profile),
            "Steps stand for many patients: their times are moved to the end of a step.",
        ]
    lines = [f"Bands: {contents.limits}{of}. Ticks: {ticks}. Steps: {what}."]
    for lead, found in (("Left out, without fever to follow", contents.left_out), ("Missing", contents.missing)):
        if found:
            lines.append(f"{lead}: {'; '.join(f'{reason} ({count(n)})' for reason, n in found.items())}.")
    if told := methods(contents.tests):
        lines.append(f"p: {told}.")
    return lines
