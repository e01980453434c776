"""What the store and an import refuse, as problems."""

from __future__ import annotations

from app.api.kinds import (
    CONFLICT,
    DATABASE_UNAVAILABLE,
    KEY_REUSED,
    MALFORMED,
    NOT_FOUND,
    READ_ONLY,
    STALE,
    VALIDATION,
    Kind,
)
from app.api.problems import ProblemError
from app.clinical.refusal import InputError
from app.cohorts import errors
from app.cohorts.intake.rows import IntakeError
from app.cohorts.intake.taking import DuplicateRowsError, RowsRefusedError

_PLAIN: dict[type[errors.StoreError], tuple[Kind, str]] = {
    errors.CohortNotFoundError: (NOT_FOUND, "There is no such cohort."),
    errors.PatientNotFoundError: (NOT_FOUND, "The cohort has no patient of this id."),
    errors.JobNotFoundError: (NOT_FOUND, "There is no such job; jobs are deleted with their cohort."),
    errors.CohortReadOnlyError: (READ_ONLY, "This cohort is built in and never changed."),
    errors.IdempotencyConflictError: (KEY_REUSED, "This Idempotency-Key was sent before with another body."),
    errors.JobLostError: (DATABASE_UNAVAILABLE, "The job was given up. Nothing was changed."),
}


def of_store(exc: errors.StoreError) -> ProblemError:
    """Return the problem that an error of the store stands for."""
    if isinstance(exc, errors.DatabaseUnavailableError):
        return ProblemError(DATABASE_UNAVAILABLE, str(exc), headers={"Retry-After": str(exc.retry_after)})
    if isinstance(exc, errors.StaleVersionError):
        detail = f'It is at version {exc.current} now (ETag "{exc.current}"). Nothing was changed.'
        return ProblemError(STALE, detail, headers={"ETag": f'"{exc.current}"'})
    if isinstance(exc, errors.DuplicatePatientsError):
        return ProblemError(CONFLICT, str(exc), map(_duplicate, exc.duplicates))
    kind, detail = _PLAIN.get(type(exc), (DATABASE_UNAVAILABLE, "The database could not do it. Nothing was changed."))
    return ProblemError(kind, detail)


def of_import(exc: IntakeError) -> ProblemError:
    """Return the problem that a refused import stands for."""
    if isinstance(exc, DuplicateRowsError):
        return ProblemError(CONFLICT, f"{exc} Nothing was changed.", exc.errors)
    if isinstance(exc, RowsRefusedError):
        return ProblemError(VALIDATION, _told(exc), exc.errors)
    return ProblemError(MALFORMED, str(exc))


def _told(exc: RowsRefusedError) -> str:
    rows = "1 row was refused" if exc.rows == 1 else f"{exc.rows} rows were refused"
    rest = "" if exc.is_all else ", and the rest was not looked at"
    advice = "Patients can be added with ?on_error=skip, which leaves bad rows out."
    return f"{rows} of the {exc.seen} read{rest}. Nothing was changed. {advice}"


def _duplicate(found: errors.Duplicate) -> InputError:
    message = f"The id {found.patient_id} came before, or is in the cohort already."
    return InputError("/patient_id", "duplicate_patient", message)
