"""From an analysis and its tallies to the contents of figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from app.cohorts.analysis.answers import AdverseEvents as AdverseEventsSection
from app.cohorts.analysis.answers import (
    Analysis,
    Cardiac,
    FeverCurve,
    FeverCurves,
    GradeCell,
    GroupCell,
    GroupHead,
    MissingCell,
    PairedMeasure,
    Row,
    Section,
    Summary,
    TableSection,
    TestResult,
)
from app.cohorts.analysis.answers import Missing as MissingSection
from app.cohorts.analysis.answers import PairedGroup as PairedAnswer
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.selection import Question
from app.cohorts.figures import FigureName
from app.cohorts.figures.contents import (
    AdverseEvents,
    Box,
    Boxes,
    BoxRow,
    Comparison,
    Contents,
    Gap,
    GapRow,
    GradeRow,
    Grades,
    Missingness,
    Paired,
    PairedGroup,
    Spread,
    Step,
    Survival,
    SurvivalGroup,
)
from app.cohorts.figures.numbers import number
from app.cohorts.variables import CATALOGUE, unpack_pair
from app.statistics.tally import Tally

SECTION: Final[Mapping[FigureName, Section]] = {
    "defervescence": "defervescence",
    "lvef": "cardiac",
    "strain": "cardiac",
    "cytokines": "cytokines",
    "adverse_events": "adverse_events",
    "missing": "missing",
}
"""The section of the analysis that a figure shows."""

_SINCE: Final = {"admission": "admission", "anakinra_start": "the start of anakinra"}
_EVENT: Final = "ae."


class Picture(NamedTuple):
    """A figure to be drawn: its name, what it is in a line, and what it shows."""

    name: FigureName
    title: str
    contents: Contents


def pictures(name: FigureName, analysis: Analysis, counts: Counts, question: Question) -> Iterator[Picture]:
    """Yield the figures of a name: one, or one for each set of curves that the analysis holds."""
    profile = analysis.disclosure.profile if analysis.disclosure else ""
    if analysis.defervescence is not None and name == "defervescence":
        fever = analysis.defervescence
        for curves in (fever.from_admission, fever.from_anakinra_start,
                       fever.sustained_from_admission, fever.sustained_from_anakinra_start):  # fmt: skip
            if curves is not None:
                drawn = survival(curves, question, profile, exact=analysis.exact)
                yield Picture(name, _title(_fever_title(curves), curves.by, question), drawn)
    elif analysis.cardiac is not None and name in {"lvef", "strain"}:
        heart = analysis.cardiac
        measure = heart.lvef if name == "lvef" else heart.strain
        found = paired(measure, heart, Division.of(counts, question, heart.by), profile)
        yield Picture(name, _title(f"{found.measure}, first and at follow-up", heart.by, question), found)
    elif analysis.cytokines is not None and name == "cytokines":
        table = analysis.cytokines
        boxes = folds(table, Division.of(counts, question, table.by), profile)
        yield Picture(name, _title("Cytokines", table.by, question), boxes)
    elif analysis.adverse_events is not None and name == "adverse_events":
        events = analysis.adverse_events
        bars = graded(events, profile, exact=analysis.exact)
        yield Picture(name, _title("Adverse events", events.by, question), bars)
    elif analysis.missing is not None and name == "missing":
        missing = analysis.missing
        yield Picture(name, _title("Missing values", missing.by, question), gaps(missing, profile))


def _title(what: str, by: str, question: Question) -> str:
    """Say what is shown by which groups, and of which patients when they are selected."""
    selected = "; ".join(", ".join(AXES[axis].labels[value] for value in values) for axis, values in question.where)
    axes = next(axis for name, axis in AXES.items() if name == by)
    return f"{what} by {axes.title}" + (f" ({selected})" if selected else "")


def _fever_title(curves: FeverCurves) -> str:
    return f"{'Sustained defervescence' if curves.sustained else 'Defervescence'} from {_SINCE[curves.time_zero]}"


def survival(curves: FeverCurves, question: Question, profile: str = "", *, exact: bool = True) -> Survival:
    """Return the curves of the groups; `profile` names the disclosure profile that some are withheld under.

    `exact`: its counts are not rounded.
    """
    heads = {head.group: head for head in curves.groups}
    left_out, missing = Counter[str](), Counter[str]()
    for curve in curves.curves:
        left_out.update({reason.label: reason.n for reason in curve.excluded})
        missing.update({reason.label: reason.n for reason in curve.missing})
        unsaid = 0 if curve.hidden else (curve.n_missing or 0) - sum(reason.n for reason in curve.missing)
        missing.update({"Nothing was recorded": unsaid} if unsaid > 0 else {})
    tests = (_test(found) for found in (curves.log_rank, curves.gehan_breslow))
    return Survival(
        since=_SINCE[curves.time_zero],
        groups=tuple(_followed(curve, heads[curve.group], exact=exact) for curve in curves.curves),
        tests=tuple(test for test in tests if test is not None),
        limits=f"{100 * question.confidence:g}% confidence limits ({question.interval})",
        sustained=curves.sustained,
        left_out=left_out,
        missing=missing,
        profile=profile,
    )


def _followed(curve: FeverCurve, head: GroupHead, *, exact: bool) -> SurvivalGroup:
    steps = (Step(p.time, p.survival, p.low, p.high, p.at_risk, p.events, p.censored) for p in curve.curve)
    return SurvivalGroup(
        label=head.label,
        n=curve.n or 0,
        excluded=curve.n_excluded or 0,
        missing=curve.n_missing or 0,
        events=curve.events or 0,
        median_hours=curve.median.estimate,
        steps=tuple(steps) if curve.n else (),
        tested=head.in_tests,
        withheld=curve.n is None,
        exact=exact,
    )


def paired(measure: PairedMeasure, heart: Cardiac, division: Division, profile: str = "") -> Paired:
    """Return first and follow-up values as distinct pairs and their counts, whatever their number.

    Under a disclosure profile quartiles stand alone: a pair is a patient.
    """
    labels = _labels(heart.groups)
    digits = CATALOGUE[f"{measure.variable}.first"].digits
    tallies = division.split(f"{measure.variable}.pair").groups
    groups = zip(measure.groups, tallies, strict=True)
    if measure.normal_above is not None:
        normal, told = measure.normal_above, f"normal above {number(measure.normal_above)}{measure.unit}"
    else:
        normal = measure.normal or 0.0
        told = f"the study's normal value, {number(measure.normal)}{measure.unit}; more negative is stronger"
    return Paired(
        measure=measure.label,
        axis=f"{measure.label} ({measure.unit})",
        unit=measure.unit,
        normal=normal,
        normal_label=told,
        groups=tuple(
            _spreads(group, labels[group.group]) if profile else _pairs(group, labels[group.group], tally, digits)
            for group, tally in groups
        ),
        profile=profile,
    )


def _spreads(group: PairedAnswer, label: str) -> PairedGroup:
    return PairedGroup(
        label=label,
        before=np.empty(0),
        after=np.empty(0),
        counts=np.empty(0, np.int64),
        first=_spread(group.paired_first),
        follow_up=_spread(group.follow_up),
        test=_test(group.test),
        told=group.n_pairs or 0,
        withheld=group.n_pairs is None,
    )


def _pairs(group: PairedAnswer, label: str, packed: Tally, digits: int) -> PairedGroup:
    before, after = unpack_pair(packed.values)  # type: ignore[arg-type]  # divmod takes arrays as it takes integers
    unit = 10.0**digits
    return PairedGroup(
        label=label,
        before=np.asarray(before) / unit,
        after=np.asarray(after) / unit,
        counts=packed.counts,
        first=_spread(group.paired_first),
        follow_up=_spread(group.follow_up),
        test=_test(group.test),
    )


def folds(table: TableSection, division: Division, profile: str = "") -> Boxes:
    """Return the cytokines that anybody has a value of; under a disclosure profile their quartiles alone."""
    known = (row for row in table.rows if row.overall.median is not None)
    rows = tuple(_quartiles(row) if profile else _folds(row, division) for row in known)
    return Boxes(tuple(head.label for head in table.groups), rows, profile=profile)


def _quartiles(row: Row) -> BoxRow:
    none = np.empty(0), np.empty(0, np.int64)
    boxes = (Box(*none, Spread(cell.median, cell.q1, cell.q3), withheld=cell.hidden is not None) for cell in row.groups)
    return BoxRow(row.label, tuple(boxes), _test(row.test))


def _folds(row: Row, division: Division) -> BoxRow:
    tallies = division.split(row.variable).groups
    boxes = (
        Box(tally.as_floats(), tally.counts, Spread(cell.median, cell.q1, cell.q3), cell.n_missing or 0)
        for tally, cell in zip(tallies, row.groups, strict=True)
    )
    return BoxRow(row.label, tuple(boxes), _test(row.test))


def graded(events: AdverseEventsSection, profile: str = "", *, exact: bool = True) -> AdverseEvents:
    """Return the adverse events, with grades where CTCAE has them; `exact`: their counts are not rounded."""
    grades = {row.variable.removesuffix(".grade"): row for row in events.grades}
    rows = []
    for row in events.rows:
        if row.variable.startswith(_EVENT):
            by_grade = grades.get(row.variable)
            counts = [_by_grade(cell) for cell in by_grade.groups] if by_grade else [{}] * len(row.groups)
            bars = (_bar(cell, found, exact=exact) for cell, found in zip(row.groups, counts, strict=True))
            rows.append(GradeRow(row.label, tuple(bars), _test(row.test)))
    return AdverseEvents(tuple(head.label for head in events.groups), tuple(rows), profile)


def _by_grade(cell: GradeCell) -> dict[int, int]:
    return {grade: found for grade, found in enumerate(cell.counts) if found is not None}


def _bar(cell: GroupCell, by_grade: dict[int, int], *, exact: bool) -> Grades:
    if cell.n is None or cell.n_missing is None or cell.count is None:
        return Grades(0, 0, withheld=True)
    if exact:
        return Grades(cell.n - cell.n_missing, cell.count, by_grade, cell.n_missing)
    # Rounded counts differ by no count: the percentage is of the known ones, rounded for themselves.
    known = round(100 * cell.count / cell.percent) if cell.percent else 0 if cell.percent is None else cell.n
    return Grades(known, cell.count, by_grade, cell.n_missing, exact=False)


def gaps(missing: MissingSection, profile: str = "") -> Missingness:
    """Return what is missing."""
    rows = (GapRow(row.variable, row.label, tuple(_gap(cell) for cell in row.groups)) for row in missing.rows)
    return Missingness(tuple(head.label for head in missing.groups), tuple(rows), profile)


def _gap(cell: MissingCell) -> Gap:
    if cell.n is None or cell.n_missing is None:
        return Gap(0, 0, withheld=True)
    return Gap(cell.n, cell.n_missing)


def _labels(groups: tuple[GroupHead, ...]) -> dict[str, str]:
    return {head.group: head.label for head in groups}


def _spread(summary: Summary) -> Spread:
    return Spread(summary.median, summary.q1, summary.q3)


def _test(found: TestResult | None) -> Comparison | None:
    if found is None:
        return None
    return Comparison(found.method, found.p_value, found.reason, found.p_value_adjusted)
