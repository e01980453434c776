"""Tables 1 to 4 and their like: rows of an analysis as lines of a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.cohorts.analysis.answers import (
    AdverseEvents,
    GradeCell,
    GroupCell,
    GroupHead,
    Missing,
    MissingCell,
    Row,
    TableSection,
)
from app.cohorts.figures.numbers import WITHHELD, count, percent, significant
from app.cohorts.report.footnotes import ABSENT, Footnotes
from app.cohorts.report.view import NOBODY, Cell, Column, Line, Marked, Table

_ALL: Final = "All patients"
Sizes = tuple[int | None, ...]


def table(name: str, section: TableSection, anchor: str, csv: str) -> Table:
    """Return a table of a section: all patients, then the groups, then the tests."""
    notes = Footnotes()
    adjusted = any(row.test is not None and row.test.p_value_adjusted is not None for row in section.rows)
    pearson = any(row.pearson_chi_square is not None for row in section.rows)
    tests = ("p", *(["p, adjusted"] if adjusted else []), *(["p, Pearson chi-square"] if pearson else []))
    sizes = (section.n, *(group.n for group in section.groups))
    lines = [_line(row, sizes, notes, adjusted=adjusted, pearson=pearson) for row in section.rows]
    if isinstance(section, AdverseEvents):
        lines = _with_grades(section, lines, len(tests))
    return Table(
        anchor=anchor,
        name=name,
        title=section.title,
        columns=columns(section.groups, section.n),
        lines=tuple(lines),
        tests=tests,
        footnotes=notes.all,
        sentences=_sentences(section),
        csv=csv,
        empty="Nothing of this is known of any patient." if section.n else NOBODY,
    )


def columns(groups: Iterable[GroupHead], n: int | None) -> tuple[Column, ...]:
    """Return the heads of the columns: all patients first."""
    return (Column(_ALL, count(n)), *(Column(g.label, count(g.n), g.in_tests) for g in groups))


def _line(row: Row, sizes: Sizes, notes: Footnotes, *, adjusted: bool, pearson: bool) -> Line:
    tests = [notes.of(row.test)]
    tests += [notes.of(row.test, adjusted=True)] if adjusted else []
    tests += [notes.of(row.pearson_chi_square)] if pearson else []
    cells = row_cells(row, sizes)
    return Line(f"{row.label}, {row.unit}" if row.unit else row.label, row.note or "", cells, tuple(tests))


def row_cells(row: Row, sizes: Sizes) -> tuple[Cell, ...]:
    """Return a row's cells, all patients first; `sizes` are the n of the columns' heads."""
    return tuple(_cell(row, found, n) for found, n in zip((row.overall, *row.groups), sizes, strict=True))


def _cell(row: Row, found: GroupCell, n: int | None) -> Cell:
    """Return count (percent) or median [quartiles], how many are missing, and of how many when the head has others."""
    if found.hidden is not None:
        return _withheld(row, found)
    of = f" of {count(found.n)}" if found.n != n else ""
    missing = f"{count(found.n_missing)}{of} missing" if found.n_missing else of.strip()
    if found.n == found.n_missing:
        return Cell(ABSENT, missing)
    if row.kind == "binary":
        return Cell(f"{count(found.count or 0)} ({percent(found.percent)})", missing)
    quartiles = f"[{significant(found.q1)}, {significant(found.q3)}]"
    return Cell(f"{significant(found.median)} {quartiles}", missing)


def _withheld(row: Row, found: GroupCell) -> Cell:
    """Return what can be told of a cell without how many are missing."""
    told = count(found.count) if row.kind == "binary" else WITHHELD
    if found.median is not None:
        told = f"{significant(found.median)} [{significant(found.q1)}, {significant(found.q3)}]"
    return Cell(told) if told == WITHHELD else Cell(told, f"missing {WITHHELD}")


def _with_grades(section: AdverseEvents, lines: list[Line], n_tests: int) -> list[Line]:
    """Put under each event that anybody had a line that says which grades."""
    graded = {row.variable.removesuffix(".grade"): row for row in section.grades}
    found = []
    for row, line in zip(section.rows, lines, strict=True):
        found.append(line)
        grades = graded.get(row.variable)
        if grades is not None and any(any(cell.counts[1:]) for cell in (grades.overall, *grades.groups)):
            cells = tuple(Cell(_grades(cell)) for cell in (grades.overall, *grades.groups))
            found.append(Line("", "grade: patients", cells, (Marked(""),) * n_tests))
    return found


def _grades(found: GradeCell) -> str:
    told = [f"{grade}: {count(n)}" for grade, n in enumerate(found.counts) if grade and n]
    return ", ".join(told) or ABSENT


def _sentences(section: TableSection) -> tuple[str, ...]:
    said = ["Count (percent of those known), or median [first quartile, third quartile]."]
    if not all(group.in_tests for group in section.groups):
        said.append("\N{DAGGER} Not in the tests: the group has no patients, or is not known for them.")
    return tuple(said)


def missing_table(missing: Missing, csv: str) -> Table:
    """Return how often each variable is not known; variables known of everybody are named in one sentence."""
    gappy = [row for row in missing.rows if row.overall.n_missing != 0]
    full = [row.label for row in missing.rows if row.overall.n and row.overall.n_missing == 0]
    lines = (
        Line(
            row.label,
            "",
            tuple(Cell(_missing(c)) for c in (row.overall, *row.groups)),
        )
        for row in gappy
    )
    return Table(
        anchor="table-missing",
        name="Missing values",
        title="Patients whose value is not known, of those to whom the variable applies",
        columns=columns(missing.groups, missing.n),
        lines=tuple(lines),
        sentences=(f"Known of every patient: {', '.join(full)}.",) if full else (),
        csv=csv,
        empty="No value is missing." if missing.n else NOBODY,
    )


def _missing(cell: MissingCell) -> str:
    if cell.hidden is not None:
        return WITHHELD
    return f"{count(cell.n_missing)} of {count(cell.n)} ({percent(cell.percent)})" if cell.n else ABSENT
