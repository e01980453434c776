"""How it ended: death, thrombosis, length of stay. Readmission is an adverse event (`stated_events`)."""

from __future__ import annotations

from typing import Final

from app.clinical.rulebook import LoadedRuleSet
from app.cohorts.derivation.derived import Notes
from app.cohorts.precision import scaled, tenths_of_days
from app.cohorts.records import Outcome, PatientRecord
from app.cohorts.variables import UNGRADED

_TENTHS: Final = 10
_STAY: Final = "The stated length of stay counts; the hour of discharge gives another one. Check both."
_DIED: Final = "outcome.died counts; presentation.died says otherwise. Check both."
_BOTH: Final = "The child died and was admitted again, which can be so only if the death came after that. Check both."
_NOT_SENT: Final = Outcome()


class Outcomes:
    """Compiled from `misc-cohort-2023`."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._agrees = rules.threshold("calendar.agrees").compiled()

    def __call__(self, record: PatientRecord, values: dict[str, int], notes: Notes) -> float | None:
        """Write the outcome; return the length of stay in days."""
        outcome = record.outcome or _NOT_SENT
        died = _died(record, outcome, notes)
        for name, fact in (("died", died), ("thrombosis", outcome.thrombosis)):
            if fact is not None:
                values[f"outcome.{name}"] = int(fact)
        # Readmission was written with the adverse events, whether the outcome or their list tells it.
        if died and values.get(f"ae.{UNGRADED}"):
            notes.warn("died_and_readmitted", _BOTH)
        stay = self._stay(outcome, notes)
        if stay is not None:
            values["length_of_stay_days"] = scaled(stay, _TENTHS)
        return stay

    def _stay(self, outcome: Outcome, notes: Notes) -> float | None:
        """Return the length of stay: as stated, else by the hour of discharge."""
        stated = outcome.length_of_stay_days
        if outcome.discharged_hour is None:
            return stated
        derived = tenths_of_days(0, outcome.discharged_hour) / _TENTHS
        if stated is None:
            return derived
        if not self._agrees(round(abs(stated - derived), 1)):
            notes.disagree("outcome.length_of_stay_days", stated, derived, _STAY)
        return stated


def _died(record: PatientRecord, outcome: Outcome, notes: Notes) -> bool | None:
    presented = None if record.presentation is None else record.presentation.died
    if outcome.died is None:
        return presented
    if presented is not None and presented is not outcome.died:
        notes.disagree("presentation.died", presented, outcome.died, _DIED)
    return outcome.died
