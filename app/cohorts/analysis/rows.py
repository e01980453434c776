"""The rows of a table: one variable over the groups, with its test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.cohorts.analysis.answers import GradeCell, GradeRow, GroupCell, MissingCell, Row, Summary, TestResult
from app.cohorts.analysis.comparisons import compare_binary, compare_continuous
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.selection import Question
from app.cohorts.disclosure.withhold import Teller
from app.cohorts.variables import CATALOGUE, Variable
from app.statistics.descriptive import summarize
from app.statistics.fisher import TWO_BY_TWO
from app.statistics.mann_whitney import EXACT as MANN_WHITNEY
from app.statistics.tally import Tally

ALL: Final = "all"
GRADES: Final = 6
_YES: Final = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Makes rows over one division of the patients; `teller` withholds what a disclosure policy does not let out."""

    division: Division
    question: Question
    teller: Teller | None = None

    def rows(self, variables: Iterable[str]) -> tuple[Row, ...]:
        """Make one row per variable."""
        return tuple(self.row(name) for name in variables)

    def row(self, name: str) -> Row:
        """Make the row of a binary or continuous variable."""
        variable, here = CATALOGUE[name], self.division.applying(name)
        split = here.split(name)
        sized = zip((*here.groups, ALL), (*here.sizes, here.n), (*split.groups, split.overall), strict=True)
        *groups, overall = self._told(here, name, [self._cell(variable, *one) for one in sized])
        kind: Literal["binary", "continuous"] = "binary" if variable.kind == "binary" else "continuous"
        test, pearson = self._test(variable, split.groups, groups)
        return Row(
            variable=name,
            label=variable.label,
            kind=kind,
            unit=variable.unit,
            groups=tuple(groups),
            overall=overall,
            test=test,
            pearson_chi_square=pearson,
            note=variable.note,
        )

    def _cell(self, variable: Variable, group: str, n: int, tally: Tally) -> GroupCell:
        known = tally.n
        if variable.kind != "binary":
            found = self.summary(tally)
            return GroupCell(group=group, n=n, n_missing=n - known, median=found.median, q1=found.q1, q3=found.q3)
        count = yes(tally)
        return GroupCell(group=group, n=n, n_missing=n - known, count=count, percent=percent(count, known))

    def summary(self, tally: Tally) -> Summary:
        """Return median and quartiles by the question's method."""
        found = summarize(tally, self.question.quantile_method)
        return Summary(median=found.median, q1=found.q1, q3=found.q3)

    def _told(self, here: Division, name: str, cells: Sequence[GroupCell]) -> Sequence[GroupCell]:
        if self.teller is None:
            return cells
        return [self.teller.cell(name, cell, chosen) for cell, chosen in zip(cells, here.chosen, strict=True)]

    def _test(
        self, variable: Variable, groups: Sequence[Tally], cells: Sequence[GroupCell]
    ) -> tuple[TestResult | None, TestResult | None]:
        places = self.division.tested if self.teller is None else self.division.named
        if len(places) < 2 or variable.name in self.division.axis.forms:  # noqa: PLR2004  # nothing to compare
            return None, None
        if self.teller is None:
            return _compared(variable, [groups[place] for place in places])
        return _compared_seen(variable, [(groups[place], cells[place]) for place in places], self.teller)

    def grades(self, name: str) -> GradeRow:
        """Make the row of an adverse event by grade."""
        here = self.division.applying(name)
        split = here.split(name)
        sized = zip((*here.groups, ALL), (*here.sizes, here.n), (*split.groups, split.overall), strict=True)
        cells = [_grade_cell(group, n, tally) for group, n, tally in sized]
        if self.teller is not None:
            cells = [self.teller.grades(name, *told) for told in zip(cells, here.chosen, strict=True)]
        *groups, overall = cells
        return GradeRow(variable=name, label=CATALOGUE[name].label, groups=tuple(groups), overall=overall)

    def missing(self, name: str) -> tuple[tuple[MissingCell, ...], MissingCell]:
        """Say how often a variable is not known, in each group and in all."""
        here = self.division.applying(name)
        split = here.split(name)
        sized = zip((*here.groups, ALL), (*here.sizes, here.n), (*split.groups, split.overall), strict=True)
        cells = [missing_cell(group, n, tally.n) for group, n, tally in sized]
        if self.teller is not None:
            cells = [self.teller.missing(name, *told) for told in zip(cells, here.chosen, strict=True)]
        return tuple(cells[:-1]), cells[-1]


def _compared(variable: Variable, tested: Sequence[Tally]) -> tuple[TestResult | None, TestResult | None]:
    if variable.kind == "binary":
        return compare_binary([(yes(tally), tally.n - yes(tally)) for tally in tested])
    return compare_continuous(tested), None


def _compared_seen(
    variable: Variable, tested: Sequence[tuple[Tally, GroupCell]], teller: Teller
) -> tuple[TestResult | None, TestResult | None]:
    """Compare the groups of which all that the test is made from is shown; without two of them there is no test."""
    binary = variable.kind == "binary"
    seen = [tally for tally, cell in tested if cell.hidden is None or (not binary and cell.median is not None)]
    if len(seen) < 2:  # noqa: PLR2004  # the names do not depend on what is withheld
        method = TWO_BY_TWO if binary else MANN_WHITNEY
        return teller.test(TestResult(method=method, exact=True), seen=False), None
    test, pearson = _compared(variable, seen)
    if test is None or not binary:
        return test and teller.ranked(test), None
    return teller.test(test, seen=True), pearson and teller.test(pearson, seen=True)


def yes(tally: Tally) -> int:
    """Return how many patients have a trait."""
    return int(tally.counts[tally.values == _YES].sum())


def percent(count: int, of: int) -> float | None:
    """Return a share as a percentage; None of nothing."""
    return 100 * count / of if of else None


def missing_cell(group: str, n: int, known: int) -> MissingCell:
    """Say how many of n are not known."""
    return MissingCell(group=group, n=n, n_missing=n - known, percent=percent(n - known, n))


def _grade_cell(group: str, n: int, tally: Tally) -> GradeCell:
    counts = [0] * GRADES
    for grade, patients in zip(tally.values.tolist(), tally.counts.tolist(), strict=True):
        counts[grade] += patients
    return GradeCell(group=group, n=n, n_missing=n - tally.n, counts=tuple(counts))
