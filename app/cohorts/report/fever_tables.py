"""The tables beside Figure 1: time to defervescence, and the heart at first and at follow-up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.cohorts.analysis.answers import (
    Cardiac,
    Exclusion,
    FeverCurve,
    FeverCurves,
    PairedGroup,
    PairedMeasure,
    Summary,
    TestResult,
)
from app.cohorts.figures.numbers import HOURS_PER_DAY, WITHHELD, count, number, p_value, significant
from app.cohorts.report.footnotes import ABSENT, Footnotes
from app.cohorts.report.tables import columns, row_cells
from app.cohorts.report.view import Cell, Column, Line, Marked, Table
from app.statistics.survival_models import RestrictedMean, TimeEstimate

_SINCE: Final = {"admission": "admission", "anakinra_start": "the start of anakinra"}
_FEVER: Final = (
    "On the curve",
    "Afebrile",
    "Censored",
    "Median, days",
    "Mean febrile days",
    "Without fever",
    "Missing",
)
_HEART: Final = ("First echo", "Pairs", "First, of pairs", "Follow-up", "Difference")


def fever_table(name: str, curves: FeverCurves, anchor: str, csv: str, *, exact: bool = True) -> Table:
    """Return one line per group: who was followed, medians and restricted means with their limits, in days.

    Of rounded counts (`exact` false) the difference, how many were censored, is left out.
    """
    what = "sustained defervescence" if curves.sustained else "defervescence"
    labels = {head.group: head.label for head in curves.groups}
    return Table(
        anchor=anchor,
        name=name,
        title=f"Time to {what} since {_SINCE[curves.time_zero]}",
        columns=tuple(Column(label, "") for label in _FEVER),
        lines=tuple(_fever_line(curve, labels[curve.group], exact=exact) for curve in curves.curves),
        sentences=tuple(_fever_sentences(curves, labels)),
        csv=csv,
        head="Group",
    )


def _fever_line(curve: FeverCurve, label: str, *, exact: bool) -> Line:
    censored = curve.n - curve.events if exact and curve.n is not None and curve.events is not None else None
    counts = (curve.n, curve.events, censored)
    estimates = (curve.median, curve.restricted_mean)
    cells = [Cell(count(n)) for n in counts]
    cells += [_days(found, withheld=curve.hidden is not None) for found in estimates]
    cells += [Cell(count(curve.n_excluded), _why(curve.excluded)), Cell(count(curve.n_missing), _why(curve.missing))]
    return Line(label, "", tuple(cells))


def _why(reasons: tuple[Exclusion, ...]) -> str:
    return "; ".join(f"{found.label}: {count(found.n)}" for found in reasons)


def _days(found: TimeEstimate | RestrictedMean, *, withheld: bool = False) -> Cell:
    if found.estimate is None:
        return Cell(ABSENT, found.reason or "")
    if withheld:
        return Cell(number(_in_days(found.estimate)), f"limits {WITHHELD}")
    low, high = (number(_in_days(limit), 1, "not reached") for limit in (found.low, found.high))
    return Cell(f"{number(_in_days(found.estimate))} [{low}, {high}]")


def _in_days(hours: float | None) -> float | None:
    return None if hours is None else hours / HOURS_PER_DAY


def _fever_sentences(curves: FeverCurves, labels: dict[str, str]) -> list[str]:
    said = [_tested(test) for test in (curves.log_rank, curves.gehan_breslow) if test is not None]
    ratio = curves.hazard_ratio
    if ratio is not None and ratio.estimate is not None:
        first, second = labels.get(ratio.of, ratio.of), labels.get(ratio.to, ratio.to)
        limits = f"[{significant(ratio.low)}, {significant(ratio.high)}]"
        said.append(
            f"Hazard ratio of defervescence, {first} to {second}: {significant(ratio.estimate)} {limits}; "
            "above 1, the first group is afebrile sooner."
        )
    horizon = _in_days(curves.restricted_mean_horizon_hours)
    if horizon is not None:
        said.append(f"Mean febrile days are counted up to day {number(horizon)}, which every compared group reaches.")
    return said


def _tested(test: TestResult) -> str:
    reason = f" ({test.reason.rstrip('.')})" if test.reason else ""
    adjusted = "" if test.p_value_adjusted is None else f" (adjusted {p_value(test.p_value_adjusted)[2:]})"
    return f"{test.method}: {p_value(test.p_value)}{adjusted}{reason}."


def _adjusted(tests: Iterable[TestResult | None]) -> bool:
    return any(test is not None and test.p_value_adjusted is not None for test in tests)


def _heads(*, adjusted: bool) -> tuple[str, ...]:
    return ("p", "p, adjusted") if adjusted else ("p",)


def _marks(test: TestResult | None, notes: Footnotes, *, adjusted: bool) -> tuple[Marked, ...]:
    return (notes.of(test), notes.of(test, adjusted=True)) if adjusted else (notes.of(test),)


def heart_table(name: str, measure: PairedMeasure, heart: Cardiac, anchor: str, csv: str) -> Table:
    """Return one line per group: how many had an echocardiogram, medians [quartiles], and the paired test."""
    notes = Footnotes()
    labels = {head.group: head.label for head in heart.groups}
    groups = (("All patients", measure.overall), *((labels[group.group], group) for group in measure.groups))
    adjusted = _adjusted(group.test for _, group in groups)
    lines = tuple(_heart_line(label, group, notes, adjusted=adjusted) for label, group in groups)
    return Table(
        anchor=anchor,
        name=name,
        title=f"{measure.label}, {measure.unit}: first and follow-up of the same patients",
        columns=tuple(Column(label, "") for label in _HEART),
        lines=lines,
        tests=_heads(adjusted=adjusted),
        footnotes=notes.all,
        sentences=("Median [first quartile, third quartile]; the test is within patients.",),
        csv=csv,
        head="Group",
    )


def _heart_line(label: str, group: PairedGroup, notes: Footnotes, *, adjusted: bool) -> Line:
    first = WITHHELD if group.n_first is None else f"{count(group.n_first)} of {count(group.n)}"
    counts = [Cell(first), Cell(count(group.n_pairs))]
    values = [_summary(found) for found in (group.paired_first, group.follow_up, group.difference)]
    return Line(label, "", (*counts, *values), _marks(group.test, notes, adjusted=adjusted))


def _summary(found: Summary) -> Cell:
    if found.median is None:
        return Cell(ABSENT)
    return Cell(f"{significant(found.median)} [{significant(found.q1)}, {significant(found.q3)}]")


def echo_table(heart: Cardiac, csv: str) -> Table:
    """Return who had a reduced ejection fraction, and when the follow-up was."""
    notes = Footnotes()
    rows = [row for row in (heart.lvef.reduced, heart.follow_up_day) if row is not None]
    adjusted = _adjusted(row.test for row in rows)
    lines = (
        Line(
            f"{row.label}, {row.unit}" if row.unit else row.label,
            row.note or "",
            row_cells(row, (heart.n, *(head.n for head in heart.groups))),
            _marks(row.test, notes, adjusted=adjusted),
        )
        for row in rows
    )
    return Table(
        anchor="table-echo",
        name="Echocardiograms",
        title="Reduced ejection fraction, and day of the follow-up",
        columns=columns(heart.groups, heart.n),
        lines=tuple(lines),
        tests=_heads(adjusted=adjusted),
        footnotes=notes.all,
        csv=csv,
    )
