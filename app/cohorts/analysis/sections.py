"""The sections of an analysis: which variables each shows, and how it is put together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from app.cohorts.analysis.answers import (
    AdverseEvents,
    Cardiac,
    Defervescence,
    GradeRow,
    Missing,
    MissingRow,
    Section,
    TableSection,
)
from app.cohorts.analysis.columns import EVERYBODY, Counts
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.fever import Clock, clocks, fever_curves, known_without_curve
from app.cohorts.analysis.heart import VARIABLES as HEART
from app.cohorts.analysis.heart import Normal, cardiac
from app.cohorts.analysis.rows import ALL, Rows, missing_cell
from app.cohorts.analysis.selection import Question
from app.cohorts.disclosure import levels
from app.cohorts.disclosure.fever import missing_fever, told_curves
from app.cohorts.disclosure.release import releases_of
from app.cohorts.disclosure.withhold import Teller, sized
from app.cohorts.variables import CATALOGUE, NOT_LISTED

TITLES: Final[dict[Section, str]] = {
    "characteristics": "Characteristics of the patients",
    "anakinra": "How anakinra was given",
    "adverse_events": "Adverse events (CTCAE) and outcomes",
    "cytokines": "Cytokines, fold difference to the upper limit of normal",
    "labs": "First laboratory values of the first 24 hours",
    "defervescence": "Time to defervescence",
    "cardiac": "Ejection fraction and strain, first and at follow-up",
    "missing": "What is not known",
}
_FEVER: Final = (Clock("admission"), Clock("anakinra_start"))
_TABLES: Final[tuple[Section, ...]] = ("characteristics", "anakinra", "adverse_events", "cytokines", "labs")
# Shown only when anybody has a value: which of some sixty analytes a hospital measures is its own affair.
_WHEN_MEASURED: Final[tuple[Section, ...]] = ("labs",)

OneSection = TableSection | AdverseEvents | Defervescence | Cardiac | Missing


def variables_of(question: Question) -> tuple[str, ...]:
    """Name every variable that a question needs, so that no other tally is fetched."""
    found: dict[str, None] = {NOT_LISTED: None}
    for section in question.sections:
        found |= dict.fromkeys(_needed(section, question))
    return tuple(dict.fromkeys(levels.needed(found)) if question.disclosure.chain else found)


def _needed(section: Section, question: Question) -> Iterator[str]:
    if section in _TABLES:
        yield from (v.name for v in CATALOGUE.values() if section in v.sections)
    elif section == "cardiac":
        yield from HEART
    elif section == "defervescence":
        yield from (name for clock in clocks(question) for name in clock.variables)
    else:
        yield from (v.name for v in CATALOGUE.values() if _shown_as_missing(v.name))
        yield from (name for clock in _FEVER for name in clock.variables)


def _shown_as_missing(name: str) -> bool:
    """Leave out what another row says already (times by outcome, grades, pairs), and what is counted only."""
    if not CATALOGUE[name].sections:
        return False
    return not name.startswith("defervescence") and not name.endswith((".grade", ".pair"))


class Sections:
    """Makes sections over one cohort's counts; a division that several sections share is made once."""

    def __init__(self, counts: Counts, question: Question, normal: Normal) -> None:
        self._counts = counts
        self._question = question
        self._normal = normal
        releases = releases_of(counts, question.disclosure)
        self.teller = None if releases is None else Teller(releases)
        self._divisions: dict[tuple[str, bool], Division] = {}

    def division(self, section: Section | None, *, anakinra_only: bool = False) -> Division:
        """Return the groups of a section; None: those of the head."""
        by = self._question.axis_of(section)
        key = by, anakinra_only
        if key not in self._divisions:
            self._divisions[key] = Division.of(self._counts, self._question, by, anakinra_only=anakinra_only)
        return self._divisions[key]

    def make(self, section: Section) -> OneSection:
        """Make one section."""
        if section == "defervescence":
            return self._defervescence()
        division = self.division(section, anakinra_only=section == "anakinra")
        rows = Rows(division, self._question, self.teller)
        if section == "cardiac":
            return cardiac(rows, TITLES[section], self._normal)
        if section == "missing":
            return self._missing(rows)
        return self._table(section, rows)

    def _table(self, section: Section, rows: Rows) -> TableSection:
        names = [v.name for v in CATALOGUE.values() if section in v.sections and self._is_shown(section, v.name)]
        shared: dict[str, Any] = {
            "title": TITLES[section],
            "by": rows.division.axis.name,
            **sized(rows.division, self.teller),
            "rows": rows.rows(name for name in names if CATALOGUE[name].kind != "category"),
        }
        if section != "adverse_events":
            return TableSection(**shared)
        grades: tuple[GradeRow, ...] = tuple(rows.grades(name) for name in names if CATALOGUE[name].kind == "category")
        return AdverseEvents(**shared, grades=grades)

    def _is_shown(self, section: Section, name: str) -> bool:
        return section not in _WHEN_MEASURED or self._is_measured(name)

    def _is_measured(self, name: str) -> bool:
        """Say whether anybody has a value, where that may be told."""
        if self.teller is not None:
            return name in self._counts.columns and self.teller.releases.shown(name, EVERYBODY) != "nothing"
        return name in self._counts.columns

    def _defervescence(self) -> Defervescence:
        found = {}
        for clock in clocks(self._question):
            from_admission = clock.time_zero == "admission"
            # Without an axis of their own the curves from the start of anakinra are the study's Figure 1B.
            division = self.division(
                "defervescence" if from_admission else "adverse_events", anakinra_only=not from_admission
            )
            key = f"{'sustained_' if clock.sustained else ''}from_{clock.time_zero}"
            found[key] = (
                fever_curves(division, clock, self._question)
                if self.teller is None
                else told_curves(division, clock, self._question, self.teller)
            )
        return Defervescence(title=TITLES["defervescence"], **found)

    def _missing(self, rows: Rows) -> Missing:
        names = (v for v in CATALOGUE if _shown_as_missing(v) and ("lab." not in v or self._is_measured(v)))
        found = [MissingRow(variable=n, label=CATALOGUE[n].label, **_cells(rows, n)) for n in names]
        found += [_missing_fever(rows.division, clock, self.teller) for clock in _FEVER]
        division = rows.division
        return Missing(
            title=TITLES["missing"], by=division.axis.name, **sized(division, self.teller), rows=tuple(found)
        )


def _cells(rows: Rows, name: str) -> dict[str, Any]:
    groups, overall = rows.missing(name)
    return {"groups": groups, "overall": overall}


def _missing_fever(division: Division, clock: Clock, teller: Teller | None) -> MissingRow:
    """Count who is not on a curve for want of data; who had no fever to follow is not missing."""
    event, censored, excluded = (division.split(name) for name in clock.variables)
    here = division.applying(f"{clock.name}.event")
    known = [
        on.n + left.n + known_without_curve(out)
        for on, left, out in zip(
            *((*split.groups, split.overall) for split in (event, censored, excluded)), strict=True
        )
    ]
    cells = [missing_cell(g, n, k) for g, n, k in zip((*here.groups, ALL), (*here.sizes, here.n), known, strict=True)]
    if teller is not None:
        cells = [missing_fever(teller, clock, *told) for told in zip(cells, here.chosen, strict=True)]
    label = CATALOGUE[f"{clock.name}.event"].label.partition(",")[0]
    return MissingRow(variable=clock.name, label=label, groups=tuple(cells[:-1]), overall=cells[-1])
