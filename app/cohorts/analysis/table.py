"""An analysis as CSV: one line per variable and group, one per test, one per point of a curve; the same columns always.

Every cell is a number or one of our own names; nothing a caller sent is in it, so no cell can become a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any, Final

from app.cohorts.analysis.answers import (
    SECTIONS,
    AdverseEvents,
    Analysis,
    Cardiac,
    Defervescence,
    FeverCurve,
    FeverCurves,
    GradeCell,
    GroupCell,
    Missing,
    MissingCell,
    PairedGroup,
    PairedMeasure,
    Row,
    TableSection,
    TestResult,
)

COLUMNS: Final = (
    "section",
    "record",
    "variable",
    "label",
    "kind",
    "unit",
    "group",
    "n",
    "n_missing",
    "count",
    "percent",
    "median",
    "q1",
    "q3",
    "grade",
    "n_excluded",
    "events",
    "low",
    "high",
    "method",
    "exact",
    "statistic",
    "degrees_of_freedom",
    "p_value",
    "p_value_adjusted",
    "reason",
    "time",
    "survival",
    "at_risk",
    "censored",
    "hidden",
)
_CELL: Final = ("group", "n", "n_missing", "count", "percent", "median", "q1", "q3")
# A test that stands beside another.
BESIDE: Final = "test_beside"
Line = dict[str, Any]
Part = GroupCell | TestResult | GradeCell | FeverCurve | PairedGroup | MissingCell


def csv_of(analysis: Analysis) -> str:
    """Write the sections that an analysis holds as one table, RFC 4180 with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for name in SECTIONS:
        section = getattr(analysis, name)
        if section is not None:
            lines = _cardiac(section, exact=analysis.exact) if isinstance(section, Cardiac) else _lines(section)
            writer.writerows({"section": name} | _written(line) for line in lines)
    return text.getvalue()


def _written(line: Line) -> Line:
    return {name: _text(value) for name, value in line.items()}


def _text(value: object) -> object:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else value


@singledispatch
def _lines(_: object) -> Iterator[Line]:
    """Write one section, line by line."""
    raise TypeError("an analysis has no such section")


@_lines.register
def _(section: TableSection) -> Iterator[Line]:
    for row in section.rows:
        yield from _row(row)


@_lines.register
def _(section: AdverseEvents) -> Iterator[Line]:
    for row in section.rows:
        yield from _row(row)
    yield from _grades(section)


@_lines.register
def _(section: Missing) -> Iterator[Line]:
    for row in section.rows:
        head = {"record": "missing", "variable": row.variable, "label": row.label}
        for cell in (*row.groups, row.overall):
            yield head | cell.model_dump() | _why(cell)


@_lines.register
def _(section: Defervescence) -> Iterator[Line]:
    for name in Defervescence.model_fields:
        curves = getattr(section, name)
        if isinstance(curves, FeverCurves):
            yield from _curves(name, curves)


def _cardiac(section: Cardiac, *, exact: bool) -> Iterator[Line]:
    for measure in (section.lvef, section.strain):
        yield from _measure(measure, exact=exact)
    for row in filter(None, (section.lvef.reduced, section.follow_up_day)):
        yield from _row(row)


def _row(row: Row) -> Iterator[Line]:
    head = {"variable": row.variable, "label": row.label, "kind": row.kind, "unit": row.unit}
    for record, cell in [*(("group", cell) for cell in row.groups), ("overall", row.overall)]:
        yield {"record": record, **head, **{name: getattr(cell, name) for name in _CELL}} | _why(cell)
    if row.test is not None:
        yield _test(head, row.test)
    if row.pearson_chi_square is not None:
        yield _test(head, row.pearson_chi_square, BESIDE)


def _test(head: Mapping[str, Any], test: TestResult, record: str = "test") -> Line:
    return {"record": record, **head, **test.model_dump()} | _why(test)


def _why(part: Part) -> Line:
    """Return the column that says why numbers are withheld, when they are."""
    return {} if part.hidden is None else {"hidden": part.hidden.reason}


def _grades(section: AdverseEvents) -> Iterator[Line]:
    for row in section.grades:
        head = {"record": "grade", "variable": row.variable, "label": row.label}
        for cell in (*row.groups, row.overall):
            for grade, count in enumerate(cell.counts):
                yield (
                    head
                    | {"group": cell.group, "n": cell.n, "n_missing": cell.n_missing}
                    | _why(cell)
                    | {
                        "grade": grade,
                        "count": count,
                    }
                )


def _curves(name: str, curves: FeverCurves) -> Iterator[Line]:
    head = {"variable": name, "label": "Time to defervescence", "kind": "survival", "unit": "h"}
    for curve in curves.curves:
        found = {n: getattr(curve, n) for n in ("group", "n", "n_missing", "n_excluded", "events")}
        limits = {"median": curve.median.estimate, "low": curve.median.low, "high": curve.median.high}
        yield {"record": "group", **head, **found, **limits} | _why(curve)
    if curves.log_rank is not None:
        yield _test(head, curves.log_rank)
    if curves.gehan_breslow is not None:
        yield _test(head, curves.gehan_breslow, BESIDE)
    for curve in curves.curves:
        for point in curve.curve:
            yield {"record": "curve", **head, "group": curve.group, **dict(point)}


def _measure(measure: PairedMeasure, *, exact: bool) -> Iterator[Line]:
    """Write a measurement; how many miss it is a difference, which rounded counts do not give."""
    for group in (*measure.groups, measure.overall):
        for part, n in (("first", group.n_first), ("follow_up", group.n_pairs), ("difference", group.n_pairs)):
            head = {"variable": f"{measure.variable}.{part}", "label": measure.label, "kind": "continuous"}
            head |= {"unit": measure.unit, "group": group.group}
            record = "overall" if group is measure.overall else "group"
            yield {
                "record": record,
                **head,
                "n": group.n,
                "n_missing": group.n - n if exact and group.n is not None and n is not None else None,
                **getattr(group, part).model_dump(),
            } | _why(group)
            if part == "difference":
                yield _test(head, group.test)
