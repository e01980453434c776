"""Adverse events of the study: as stated, else from the laboratory values since treatment began.

A stated event (with its grade) stays; the derived one is kept beside it. A list that is sent is a statement: an event
that is not in it was not observed, unless the record's own values show it, which counts and is reported, or leave it
open, which is unknown and warned of. No list: unknown, but for what the values tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from app.clinical.ctcae.emergent import EmergentTerm, highest
from app.clinical.ctcae.grades import SETS_OF_GRADES, WITHIN_LIMITS, Grade, bits, decided, listed
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.terms import Version
from app.clinical.measurement import LabMeasurement
from app.clinical.rulebook import LoadedRuleSet
from app.cohorts.derivation.derived import Notes
from app.cohorts.derivation.event_accounts import EventAccount, EventSample
from app.cohorts.derivation.labs import LabReading, Result
from app.cohorts.derivation.stated_events import GradeFacts, Said, StatedEvents, readmission
from app.cohorts.derivation.terms import EventTerms
from app.cohorts.derivation.treatment import Given, Start, treatment_start
from app.cohorts.records import PatientRecord
from app.cohorts.variables import EVENTS, UNGRADED

_STATED: Final = (
    "The stated adverse event counts; the laboratory values since treatment began say otherwise. Check both."
)
_UNLISTED: Final = (
    "Not in the list of adverse events, yet the laboratory values since treatment began show it: it counts."
)
_LEFT_OPEN: Final = (
    "Not in the list of adverse events, yet left open by the laboratory values since treatment began, and so unknown: "
)
LEFT_OPEN: Final = "event_not_listed_left_open_by_labs"
_FROM_IVIG_END: Final = "The start of IVIG is not known: events are looked for since its end."

_NAMES: Final = {event: (f"ae.{event}", f"ae.{event}.grade") for event in EVENTS if event != UNGRADED}


class Verdict(NamedTuple):
    """What the grades that remain come to: observed (1, 0, None), the grade, and both as facts of an answer.

    The facts name the grades where several remain.
    """

    observed: int | None
    grade: int | None
    facts: Mapping[str, Any]


class AdverseEvents:
    """Compiled from a CTCAE version and `misc-cohort-2023`."""

    def __init__(self, version: Version, rules: LoadedRuleSet, terms: EventTerms, grade_facts: GradeFacts) -> None:
        self._stated = StatedEvents(terms, grade_facts)
        self._counts = bits(int(g) for g in Grade if rules.threshold("event.grade").is_met(int(g)))
        self._verdicts = {possible: _verdict(possible, self._counts) for possible in range(SETS_OF_GRADES)}
        self._by_analyte: dict[str, tuple[str, EmergentTerm]] = {}
        for slug, event in terms.events.items():
            term = version.terms[slug]
            if isinstance(term, LaboratoryTerm) and term.rule.analyte is not None:
                self._by_analyte[term.rule.analyte] = (event, EmergentTerm(term))
        self.analytes = tuple(self._by_analyte)

    def __call__(
        self, record: PatientRecord, what: Given, reading: LabReading, values: dict[str, int], notes: Notes
    ) -> dict[str, Any]:
        """Write the variables of every event, and return the answer's facts."""
        start = treatment_start(what)
        derived = self._derived(reading.courses, start) if start is not None and reading.courses else {}
        said = None if record.adverse_events is None else self._stated.said(record.adverse_events)
        told: dict[str, Any] = {}
        if start is not None and derived:
            told["since"] = {"hour": start.hour, "basis": start.basis}
            if start.basis == "ivig_end":
                notes.warn("treatment_start_taken_from_ivig_end", _FROM_IVIG_END)
        self._warn_of_open(said, derived, notes)
        for event, (name, name_of_grade) in _NAMES.items():
            possible = self._counted(event, said, derived, notes)
            if possible:
                verdict = self._verdicts[possible]
                if verdict.observed is not None:
                    values[name] = verdict.observed
                if verdict.grade is not None:
                    values[name_of_grade] = verdict.grade
                told[event] = dict(verdict.facts)
                if said is not None and event in derived:
                    told[event]["derived_grades"] = list(listed(derived[event]))
        readmission(record, said, values, notes)
        if record.adverse_events:
            told["listed"] = self._stated.listed(record, notes)
        return told

    def accounts(self, what: Given, reading: LabReading) -> Iterator[EventAccount]:
        """Yield what was judged of each analyte: the value before, the worst since, and the grades that remain."""
        start = treatment_start(what)
        if start is None:
            return
        for analyte, results in reading.courses.items():
            event, term = self._by_analyte[analyte]
            since = [r for r in results if r.hour > start.hour]
            after, before = _parted(results, start.hour)
            if not since:
                continue
            side = 1 if term.rises else -1
            worst = max(since, key=lambda r: (term.possible([r.lab], before), side * (r.lab.value or 0)))
            last = max((r for r in results if r.hour <= start.hour), key=lambda r: r.hour, default=None)
            grades = listed(term.possible(after, before))
            yield EventAccount(
                event=event,
                term=term.slug,
                analyte=analyte,
                since_hour=start.hour,
                since=start.basis,
                before=None if last is None else EventSample.of(last),
                worst=EventSample.of(worst),
                possible_grades=grades,
            )

    def _derived(self, courses: Mapping[str, list[Result]], start: Start) -> dict[str, int]:
        """Return the grades that remain of each event by the values since treatment began."""
        found: dict[str, int] = {}
        for analyte, results in courses.items():
            event, term = self._by_analyte[analyte]
            after, before = _parted(results, start.hour)
            if after:
                found[event] = highest(found.get(event, 0), term.possible(after, before))
        return found

    def _warn_of_open(self, said: dict[str, Said] | None, derived: Mapping[str, int], notes: Notes) -> None:
        """Warn of events that are not in the list, and that the values neither show nor exclude."""
        if said is None:
            return
        left = [e for e in _NAMES if e not in said and self._verdicts[derived.get(e, WITHIN_LIMITS)].observed is None]
        if left:
            notes.warn(LEFT_OPEN, f"{_LEFT_OPEN}{', '.join(left)}. To say that it was not there, list it with grade 0.")

    def _counted(self, event: str, said: dict[str, Said] | None, every: Mapping[str, int], notes: Notes) -> int:
        """Return the grades that remain of one event; no bits: unknown."""
        derived = every.get(event, 0)
        if said is None:
            return derived
        stated = said.get(event)
        if stated is None:
            if derived and derived & self._counts == derived:
                notes.disagree(f"adverse_events.{event}", 0, _told(derived), _UNLISTED)
            # What the values leave open is not decided by leaving it out.
            return derived or WITHIN_LIMITS
        if derived and not stated.possible & derived:
            notes.disagree(f"adverse_events.{event}", _told(stated.possible), _told(derived), _STATED)
        return stated.possible


def _verdict(possible: int, counts: int) -> Verdict:
    grade = decided(possible)
    observed = None if possible & counts and possible & ~counts else int(bool(possible & counts))
    facts: dict[str, Any] = {"observed": None if observed is None else observed == 1, "grade": grade}
    if grade is None and possible:
        facts["possible_grades"] = list(listed(possible))
    return Verdict(observed, grade, facts)


def _parted(results: list[Result], start: float) -> tuple[list[LabMeasurement], LabMeasurement | None]:
    """Part a course into the results after a time and the last one up to it."""
    after: list[LabMeasurement] = []
    last: Result | None = None
    for result in results:
        if result.hour > start:
            after.append(result.lab)
        elif last is None or result.hour >= last.hour:
            last = result
    return after, None if last is None else last.lab


def _told(possible: int) -> int | list[int]:
    grade = decided(possible)
    return list(listed(possible)) if grade is None else grade
