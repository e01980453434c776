"""The child itself: age, sex, weight, race and ethnicity, SARS-CoV-2."""

from __future__ import annotations

from typing import Final

from app.cohorts.derivation.child import UNKNOWN, Child
from app.cohorts.derivation.derived import FACTORS, Notes
from app.cohorts.precision import scaled
from app.cohorts.records import PatientRecord

# In this order: what is stored must not depend on the run.
_NAMED: Final = ("african_american", "latin_american", "caucasian")
_AGE: Final = FACTORS["age_years"]
_KILOGRAMS: Final = FACTORS["weight_kg"]
_PCR: Final = "sars_cov_2_pcr_positive counts; presentation.sars_cov_2 says otherwise. Check both."
_WEIGHT: Final = "weight_kg counts; the weight at presentation is another one. Check both."


def characteristics(record: PatientRecord, child: Child, values: dict[str, int], notes: Notes) -> None:
    """Write the variables of the child."""
    if child.age_years is not None:
        values["age_years"] = scaled(child.age_years, _AGE)
    if child.sex != UNKNOWN:
        values["male"] = int(child.sex == "male")
    if child.weight_kg is not None:
        _weight(record, child.weight_kg, values, notes)
    if record.race_ethnicity:
        named = set(record.race_ethnicity)
        for name in _NAMED:
            values[f"race.{name}"] = int(name in named)
        values["race.other"] = int(not named.issubset(_NAMED))
    _pcr(record, values, notes)


def _weight(record: PatientRecord, weight: float, values: dict[str, int], notes: Notes) -> None:
    values["weight_kg"] = scaled(weight, _KILOGRAMS)
    presented = None if record.presentation is None else record.presentation.weight_kg
    if presented is not None and presented != weight:
        notes.disagree("presentation.weight_kg", presented, weight, _WEIGHT)


def _pcr(record: PatientRecord, values: dict[str, int], notes: Notes) -> None:
    at, positive = record.presentation, record.sars_cov_2_pcr_positive
    presented = None if at is None or at.sars_cov_2 is None else at.sars_cov_2.pcr_positive
    if positive is None:
        positive = presented
    elif presented is not None and positive is not presented:
        notes.disagree("presentation.sars_cov_2.pcr_positive", presented, positive, _PCR)
    if positive is not None:
        values["sars_cov_2_pcr_positive"] = int(positive)
