"""Patients for tests of the store, made of as little as it looks at."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.cohorts.store import NewPatient, Reader
from app.cohorts.store.model import Cohort
from app.cohorts.strata import Stratum
from app.statistics.tally import Tally

DIGITS = {"age_years": 1, "male": 0, "lvef.first": 1}
MALE = Stratum("ivig_anakinra", "yes", "no", "none", "male")
FEMALE = Stratum("ivig_monotherapy", "no", "unknown", "stress", "female")
RULES = [{"id": "aha-kd-2017", "version": "1.0.0", "sha256": "0" * 64}]


@dataclass(slots=True)
class Facts:
    """Stands in for what is derived of a record."""

    stratum: Stratum = MALE
    values: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


def row(patient_id: str, stratum: Stratum = MALE, line: int | None = None, **values: int) -> NewPatient:
    """Make a patient; `age_years=83` is 8.3."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    record = json.dumps({"patient_id": patient_id, **named})
    return NewPatient(patient_id, record, Facts(stratum, named, {"of": patient_id}), line)


def counted(patients: Mapping[str, NewPatient]) -> tuple[dict[str, int], dict[tuple[str, str], Tally]]:
    """Count strata and tallies by the plainest means."""
    strata = Counter(patient.derived.stratum.key() for patient in patients.values())
    counts: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for patient in patients.values():
        for name, value in patient.derived.values.items():
            counts[name, patient.derived.stratum.key()][value] += 1
    return dict(strata), {cell: Tally.from_counts(c, DIGITS[cell[0]]) for cell, c in counts.items()}


def kept(reader: Reader, cohort: Cohort) -> tuple[dict[str, int], dict[tuple[str, str], Tally]]:
    """Read what the store keeps of it."""
    tallies = {(variable, stratum): tally for variable, stratum, tally in reader.tallies(cohort)}
    return reader.strata(cohort), tallies
