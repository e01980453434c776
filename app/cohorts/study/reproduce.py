"""The study's numbers from the synthetic cohort by the service's own way: record, derivation, store, analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, Final, NamedTuple, cast

from app.clinical.rulebook import load_rulebook
from app.cohorts.analysis.answers import Analysis, GroupCell, PairedGroup, Section, TableSection
from app.cohorts.analysis.answers import Row as AnalysisRow
from app.cohorts.analysis.selection import Question, parse_by, parse_where
from app.cohorts.analysis.service import Analyses
from app.cohorts.builtin import STUDY
from app.cohorts.database import CohortDatabase
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.taking import Read
from app.cohorts.records import PatientRecord
from app.cohorts.service import CohortService
from app.cohorts.study.printed import Column, Row, Shown, printed
from app.cohorts.variables import CATALOGUE

Ask = Callable[[Question], Analysis]
Number = float | int | None
HOURS: Final = {"by_day_5": 120.0, "by_day_7": 168.0}
PERCENT: Final = 100
NOISE: Final = 9  # decimals that a double surely has
IN_MEMORY: Final = "sqlite://"
NONE: Final = "-"


class Compared(NamedTuple):
    """One printed number beside ours."""

    row: Row
    what: str
    column: str | None
    printed: str
    ours: str
    agrees: bool


def stored() -> Ask:
    """Put the cohort through the whole service into a database in memory; return what answers questions about it."""
    rulebook = load_rulebook()
    service = CohortService(CohortDatabase(IN_MEMORY), rulebook, _read)
    analyses = Analyses.over(service.open, rulebook)
    return cache(lambda question: analyses.analysis(STUDY, question))


def _read(raw: bytes) -> Read:
    record = PatientRecord.model_validate_json(raw)
    return Read(record, canonical(record))


def compared(ask: Ask) -> list[Compared]:
    """Compare every printed number."""
    return [one for row in printed().rows for one in (*_cells(ask, row), *_p(ask, row))]


def _cells(ask: Ask, row: Row) -> list[Compared]:
    found = []
    for name in row.cells:
        ours = _KINDS[row.kind](ask, row, name)
        for (what, number), shown in zip(ours.items(), row.shown(name), strict=False):
            text = rounded(number, shown.digits)
            found.append(Compared(row, what, name, shown.text, text, text == shown.text))
    return found


def _p(ask: Ask, row: Row) -> list[Compared]:
    if row.p is None:
        return []
    p = p_value(ask, row)
    if row.p.startswith(">"):
        bound = row.p.removeprefix(">")
        above = p is not None and p > float(bound)
        return [Compared(row, "p", None, row.p, row.p if above else rounded(p, len(bound) - 2), above)]
    shown = Shown(row.p)
    text = rounded(p, shown.digits)
    return [Compared(row, "p", None, shown.text, text, text == shown.text)]


def rounded(number: Number, digits: int) -> str:
    """Write a number with so many decimals, halves away from zero as on paper; a dash for none."""
    if number is None:
        return NONE
    unit = Decimal(1).scaleb(-digits)
    return str(Decimal(repr(round(float(number), NOISE))).quantize(unit, ROUND_HALF_UP))


def p_value(ask: Ask, row: Row) -> float | None:
    """Return the p of a printed row as the analysis gives it."""
    if row.test == "signed_rank":
        return _pair(ask, row, row.by[0]).test.p_value
    test = _curves(ask, row, row.by).log_rank if row.test == "log_rank" else _analysed(ask, row, row.by).test
    return None if test is None else test.p_value


def p_values_of_three(ask: Ask, row: Row) -> tuple[float | None, ...]:
    """Return the exact p of three groups, and Pearson's."""
    found = _analysed(ask, row, row.by)
    return tuple(None if test is None else test.p_value for test in (found.test, found.pearson_chi_square))


def question(section: Section, names: Sequence[str]) -> Question:
    """Return the question whose groups are the columns: on the last one's axis, which has the first one's group too."""
    columns = [printed().columns[name] for name in names]
    by, where = columns[-1].by, columns[-1].where
    conditions = [where] if where else []
    if len(columns) > 1:
        conditions.append(f"{by}:{','.join(column.group for column in columns)}")
    return Question(by=parse_by(by), where=parse_where(conditions), sections=(section,))


def _section(analysis: Analysis, name: Section) -> Any:  # noqa: ANN401  # the sections have no model in common
    return getattr(analysis, name)


def _analysed(ask: Ask, row: Row, names: Sequence[str]) -> AnalysisRow:
    """Return the analysis' row of a variable, over the columns."""
    if row.variable.startswith(("lvef", "echo")):
        heart = _section(ask(question("cardiac", names)), "cardiac")
        found = heart.lvef.reduced if row.variable == "lvef.reduced" else heart.follow_up_day
        return cast("AnalysisRow", found)
    section = CATALOGUE[row.variable].sections[0]
    table: TableSection = _section(ask(question(section, names)), section)
    return next(one for one in table.rows if one.variable == row.variable)


def _cell(ask: Ask, row: Row, name: str) -> GroupCell:
    column = printed().columns[name]
    found = _analysed(ask, row, [name])
    return found.overall if column.group == "all" else _of(column, found.groups)


def _of(column: Column, groups: Sequence[Any]) -> Any:  # noqa: ANN401  # cells, heads, curves and pairs have a group each
    return next(group for group in groups if group.group == column.group)


def _size(ask: Ask, name: str) -> int:
    column = printed().columns[name]
    analysis = ask(question("missing", [name]))
    return cast("int", analysis.n if column.group == "all" else _of(column, analysis.groups).n)


def _counted(ask: Ask, row: Row, name: str) -> dict[str, Number]:
    if row.variable == "patients":
        n, of = _size(ask, name), _size(ask, row.percent_of or name)
    elif row.variable in {"corticosteroids.none", "corticosteroids.any"}:
        n, of = _size(ask, "no_cs" if row.variable.endswith("none") else "cs"), _size(ask, name)
    else:
        cell = _cell(ask, row, name)
        return {"count": cell.count, "percent": cell.percent}
    return {"count": n, "percent": n * PERCENT / of}


def _percent(ask: Ask, row: Row, name: str) -> dict[str, Number]:
    return {"percent": _counted(ask, row, name)["percent"]}


def _size_alone(ask: Ask, _: Row, name: str) -> dict[str, Number]:
    return {"n": _size(ask, name)}


def _quartiles(ask: Ask, row: Row, name: str) -> dict[str, Number]:
    cell = _cell(ask, row, name)
    return {"median": cell.median, "Q1": cell.q1, "Q3": cell.q3}


def _pair(ask: Ask, row: Row, name: str) -> PairedGroup:
    heart = _section(ask(question("cardiac", [name])), "cardiac")
    found: PairedGroup = _of(printed().columns[name], getattr(heart, row.variable).groups)
    return found


def _first_and_follow_up(ask: Ask, row: Row, name: str) -> dict[str, Number]:
    pair = _pair(ask, row, name)
    return {"first": pair.paired_first.median, "follow-up": pair.follow_up.median}


def _curves(ask: Ask, row: Row, names: Sequence[str]) -> Any:  # noqa: ANN401  # which of the two curves the row names
    clock = row.variable.partition(".")[2]
    return getattr(_section(ask(question("defervescence", names)), "defervescence"), f"from_{clock}")


def _afebrile(ask: Ask, row: Row, name: str) -> dict[str, Number]:
    curve = _of(printed().columns[name], _curves(ask, row, [name]).curves)
    febrile = [point.survival for point in curve.curve if point.time <= HOURS[row.kind]]
    return {"afebrile": PERCENT * (1 - (febrile[-1] if febrile else 1.0))}


_KINDS: Final[Mapping[str, Callable[[Ask, Row, str], dict[str, Number]]]] = {
    "counts": _counted,
    "denominators": _size_alone,
    "percent": _percent,
    "quartiles": _quartiles,
    "median": _quartiles,
    "pair": _first_and_follow_up,
    "by_day_5": _afebrile,
    "by_day_7": _afebrile,
    "none": lambda *_: {},
}
