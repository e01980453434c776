"""Which problem an exception stands for.

The exceptions, from the outside in::

    Exception                     anything unforeseen: 500, logged without its message
    ├── ProblemError              an answer this layer gives itself (4xx, 503)
    ├── RefusedInputError         a clinical function refused an input: 422
    ├── CallersUnavailableError   it cannot be found out who calls: 503
    ├── StoreError                a stored cohort or the database refused: 404, 409, 412, 422, 503
    ├── IntakeError               what was sent to be taken into a cohort was refused: 400, 409, 422
    ├── RequestValidationError    FastAPI refused a query or path parameter: 422
    └── HTTPException             Starlette's and FastAPI's own: 404, 405 ...
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api.kinds import BY_STATUS, CALLERS_UNAVAILABLE, VALIDATION, Kind
from app.api.problems import ProblemError, refused
from app.api.store_problems import of_import, of_store
from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.errors import StoreError
from app.cohorts.intake.rows import IntakeError
from app.security.errors import CallersUnavailableError


def problem_of(exc: Exception) -> ProblemError | None:
    """Return the problem an exception stands for, or None for a fault of our own."""
    if isinstance(exc, ProblemError):
        return exc
    if isinstance(exc, StoreError | IntakeError | CallersUnavailableError):
        return _of_rooms(exc)
    if isinstance(exc, RefusedInputError):
        return refused(exc.errors)
    if isinstance(exc, RequestValidationError):
        return _of_parameters(exc)
    if isinstance(exc, HTTPException):
        return _of_http(exc)
    return None


def problem_of_item(refusal: Exception) -> ProblemError:
    """Return the problem of one item of a batch: an item that cannot be read at all is refused like any other."""
    problem = problem_of(refusal)
    if problem is None or problem.kind is not VALIDATION:
        return refused([InputError("", "malformed_json", str(getattr(problem, "detail", "")))])
    return problem


def _of_parameters(exc: RequestValidationError) -> ProblemError:
    from app.api.messages import of_parameters  # noqa: PLC0415  # words are needed on this path alone

    location, errors = of_parameters(exc.errors())
    return refused(errors, location=location)


def _of_rooms(exc: StoreError | IntakeError | CallersUnavailableError) -> ProblemError:
    if isinstance(exc, CallersUnavailableError):
        return ProblemError(CALLERS_UNAVAILABLE, str(exc), headers={"Retry-After": str(exc.retry_after)})
    return of_store(exc) if isinstance(exc, StoreError) else of_import(exc)


def _of_http(exc: HTTPException) -> ProblemError:
    kind = BY_STATUS.get(exc.status_code) or _plain(exc.status_code)
    detail = exc.detail if exc.detail != _phrase(exc.status_code) else kind.meaning
    return ProblemError(kind, detail, headers=exc.headers)


def _plain(status: int) -> Kind:
    phrase = _phrase(status)
    return Kind("", status, phrase, f"{phrase}.", "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"
