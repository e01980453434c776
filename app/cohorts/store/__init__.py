"""The store of cohorts: the only place that speaks SQL.

`Store.write()` is one transaction, `Store.read()` one snapshot. Both block: call them on a worker thread. Every error
of the database comes out as DatabaseUnavailableError.

`Store`, `Reader` and `Writer` load SQLAlchemy when they are first asked for; all else here is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cohorts.errors import (
    CohortNotFoundError,
    CohortReadOnlyError,
    DatabaseUnavailableError,
    Duplicate,
    DuplicatePatientsError,
    IdempotencyConflictError,
    JobLostError,
    JobNotFoundError,
    PatientNotFoundError,
    StaleVersionError,
    StoreError,
)
from app.cohorts.store.model import Cohort, Job, JobState, NewPatient, Patient, Remembered

if TYPE_CHECKING:
    from app.cohorts.store.reader import Reader
    from app.cohorts.store.session import Store
    from app.cohorts.store.writer import Writer


def __getattr__(name: str) -> Any:  # noqa: ANN401  # one of three classes
    if name not in {"Reader", "Store", "Writer"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from app.cohorts.store import session  # noqa: PLC0415  # it loads SQLAlchemy

    return getattr(session, name)


__all__ = [
    "Cohort",
    "CohortNotFoundError",
    "CohortReadOnlyError",
    "DatabaseUnavailableError",
    "Duplicate",
    "DuplicatePatientsError",
    "IdempotencyConflictError",
    "Job",
    "JobLostError",
    "JobNotFoundError",
    "JobState",
    "NewPatient",
    "Patient",
    "PatientNotFoundError",
    "Reader",
    "Remembered",
    "StaleVersionError",
    "Store",
    "StoreError",
    "Writer",
]
