"""What can be wrong with a stored cohort or with the database itself. Texts are public and hold no patient's value.

The exceptions, from the outside in::

    StoreError
    ├── DatabaseUnavailableError    locked, read-only, full, gone, busy, not migrated: try again later
    ├── CohortNotFoundError
    ├── PatientNotFoundError
    ├── JobNotFoundError
    ├── CohortReadOnlyError         a built-in cohort, which nobody changes
    ├── StaleVersionError           somebody changed it since it was read
    ├── DuplicatePatientsError      ids that are in the cohort already, or twice in what was sent
    ├── IdempotencyConflictError    the key was used for another body
    └── JobLostError                the job was given up while it ran: nothing of it may be kept

This module is light on purpose: the HTTP layer names these errors before any database library is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

from app.database.errors import DatabaseUnavailableError, StoreError


class CohortNotFoundError(StoreError):
    """No cohort has this id."""


class PatientNotFoundError(StoreError):
    """No patient of the cohort has this id."""


class JobNotFoundError(StoreError):
    """No job has this id."""


class CohortReadOnlyError(StoreError):
    """The cohort is built in: it is read, analysed and pictured, and never changed."""


class StaleVersionError(StoreError):
    """The caller's `If-Match` names another version than the current one, which is `current`."""

    def __init__(self, current: int) -> None:
        super().__init__("It was changed since it was read.")
        self.current = current


class Duplicate(NamedTuple):
    """A patient id that occurs twice, and the line that the caller gave with it."""

    patient_id: str
    line: int | None


class DuplicatePatientsError(StoreError):
    """Patients whose ids the cohort holds already, or that were sent twice. `duplicates` says which, in order."""

    def __init__(self, duplicates: tuple[Duplicate, ...]) -> None:
        super().__init__("A patient id occurs more than once.")
        self.duplicates = duplicates

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids alone."""
        return tuple(found.patient_id for found in self.duplicates)


class IdempotencyConflictError(StoreError):
    """This idempotency key was used for another request."""


class JobLostError(StoreError):
    """The job is not running any more: it was given up for dead. What it was about to commit is rolled back."""


__all__ = [
    "CohortNotFoundError",
    "CohortReadOnlyError",
    "DatabaseUnavailableError",
    "Duplicate",
    "DuplicatePatientsError",
    "IdempotencyConflictError",
    "JobLostError",
    "JobNotFoundError",
    "PatientNotFoundError",
    "StaleVersionError",
    "StoreError",
]
