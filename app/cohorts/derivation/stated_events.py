"""Adverse events as the list of a record states them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from app.clinical.ctcae.emergent import highest
from app.clinical.ctcae.grades import WITHIN_LIMITS, Grade, bits
from app.cohorts.derivation.derived import Notes
from app.cohorts.derivation.terms import EventTerm, EventTerms
from app.cohorts.records import AdverseEvent, PatientRecord
from app.cohorts.variables import UNGRADED

_READMITTED: Final = "outcome.readmitted counts; the list of adverse events says otherwise. Check both."
_DEAD: Final = "An adverse event of grade 5 is stated, and outcome.died is false. Check both."
_DEATH_NOT_STATED: Final = (
    "An adverse event of grade 5 is stated, and whether the child died is not: the death is not counted. State it."
)
GradeFacts = Callable[[AdverseEvent, EventTerm], int | None]


class Said(NamedTuple):
    """What the list says of one event: the grades that remain, as bits."""

    possible: int
    terms: tuple[str, ...]


class StatedEvents:
    """Reads the list of adverse events."""

    def __init__(self, terms: EventTerms, grade_facts: GradeFacts) -> None:
        self._terms = terms
        self._grade_facts = grade_facts

    def said(self, events: tuple[AdverseEvent, ...]) -> dict[str, Said]:
        """Return what a list that was sent says of each of the study's events."""
        found: dict[str, Said] = {}
        for sent in events:
            term = self._terms.find(sent.term)
            if term.event is None:
                continue
            possible = self._stated(sent, term)
            before = found.get(term.event)
            if before is not None:
                possible = highest(before.possible, possible)
            found[term.event] = Said(possible, (*(before.terms if before else ()), term.slug))
        return found

    def _stated(self, sent: AdverseEvent, term: EventTerm) -> int:
        grade = self._grade_facts(sent, term) if sent.grade is None and sent.facts else sent.grade
        return bits(term.grades or (1,)) if grade is None else bits((grade,))

    def listed(self, record: PatientRecord, notes: Notes) -> list[dict[str, Any]]:
        """Return the list with slugs and grades, for the answer."""
        found = []
        for sent in record.adverse_events or ():
            term = self._terms.find(sent.term)
            grade = self._grade_facts(sent, term) if sent.grade is None and sent.facts else sent.grade
            found.append({"term": term.slug, "event": term.event, "grade": grade})
        fatal = any(one["grade"] == Grade.DEATH for one in found)
        if fatal:
            _check_death(record, notes)
        return found


def _check_death(record: PatientRecord, notes: Notes) -> None:
    """Look for the death that a fatal event tells of: denied it is a disagreement, not stated it is warned of."""
    said = None if record.outcome is None else record.outcome.died
    if said is None and record.presentation is not None:
        said = record.presentation.died
    if said is False:
        notes.disagree("outcome.died", stated=False, derived=True, message=_DEAD)
    elif said is None:
        notes.warn("fatal_event_death_not_stated", _DEATH_NOT_STATED)


def readmission(record: PatientRecord, said: Mapping[str, Said] | None, values: dict[str, int], notes: Notes) -> None:
    """Write re-hospitalization, which the outcome and the list may both tell: by the outcome, else as listed."""
    counts = None if record.outcome is None else record.outcome.readmitted
    if said is not None:
        is_listed = UNGRADED in said and said[UNGRADED].possible != WITHIN_LIMITS
        if counts is None:
            counts = is_listed
        # Leaving it out says nothing against the outcome: it is no term of CTCAE.
        elif UNGRADED in said and counts is not is_listed:
            notes.disagree("outcome.readmitted", counts, is_listed, _READMITTED)
    if counts is not None:
        values[f"ae.{UNGRADED}"] = int(counts)
