"""Every refusal and failure as RFC 9457 `application/problem+json`, in one shape with stable types and codes.

The exceptions, from the outside in::

    Exception                     anything unforeseen: 500, logged without its message
    ├── ProblemError              an answer this layer gives itself (4xx, 503)
    ├── RefusedInputError         a clinical function refused an input: 422
    ├── StoreError                a stored cohort or the database refused: 404, 409, 412, 422, 503
    ├── IntakeError               what was sent to be taken into a cohort was refused: 400, 409, 422
    ├── RequestValidationError    FastAPI refused a query or path parameter: 422
    └── HTTPException             Starlette's and FastAPI's own: 404, 405 ...

A problem repeats no value that was sent: only names, pointers, ranges and units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.api.kinds import BY_STATUS, INTERNAL, NOT_FOUND, VALIDATION, Kind
from app.api.reply import Reply
from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.errors import StoreError
from app.cohorts.intake.rows import IntakeError

PROBLEM_JSON: Final = b"application/problem+json"
LISTED_ERRORS: Final = 50
_LONGEST_POINTER: Final = 256
_LONGEST_INSTANCE: Final = 256
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~-._"


class ProblemItem(BaseModel):
    """One field that was refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body; `/name` of a parameter")
    code: str = Field(description="Stable, machine-readable reason in snake_case", examples=["out_of_range"])
    message: str = Field(description="What is wrong and what is allowed, in words")
    allowed: list[str] | None = Field(default=None, description="What would be accepted, or what was probably meant")
    line: int | None = Field(
        default=None, ge=1, description="Line of NDJSON or CSV that the row starts on, from 1; absent elsewhere"
    )
    location: str | None = Field(
        default=None, description="`query`, `path` or `header`; absent when the pointer leads into the body"
    )


class Problem(BaseModel):
    """An answer that says what went wrong (RFC 9457). It repeats none of the values sent."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/validation",
                    "title": VALIDATION.title,
                    "status": 422,
                    "detail": "1 field was refused.",
                    "instance": "/v1/anakinra/dose",
                    "request_id": "0f8fad5bd9cb469fa16570867728950e",
                    "errors": [
                        {
                            "pointer": "/wieght_kg",
                            "code": "unknown_field",
                            "message": "There is no such field here.",
                            "allowed": ["weight_kg"],
                        }
                    ],
                }
            ]
        },
    )

    type: str = Field(description="Stable URI reference of the problem type; it resolves on this service")
    title: str = Field(description="The type in words; the same for every occurrence")
    status: int = Field(description="The HTTP status code", ge=400, le=599)
    detail: str = Field(description="This occurrence in words")
    instance: str = Field(description="The path that was called")
    request_id: str = Field(description="The id under which this request is logged")
    errors: list[ProblemItem] = Field(description="The fields refused, at most 50; empty when none is to blame")


class ProblemError(Exception):
    """An answer other than success that the HTTP layer gives: a kind, a sentence, the fields to blame."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        errors: Iterable[InputError] = (),
        *,
        location: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.location = location
        self.headers = headers or {}


def not_found(detail: str, *, allowed: Iterable[str] = (), pointer: str = "") -> ProblemError:
    """Make the 404 for a name that does not exist; `allowed` lists what was probably meant."""
    names = tuple(allowed)
    errors = (InputError(pointer, "unknown_name", detail, names),) if names else ()
    return ProblemError(NOT_FOUND, detail, errors, location="path" if pointer else None)


def refused(errors: Iterable[InputError], *, location: str | None = None) -> ProblemError:
    """Make the 422 for fields that were refused."""
    found = tuple(errors)
    return ProblemError(VALIDATION, _count(len(found)), found, location=location)


def problem_of(exc: Exception) -> ProblemError | None:
    """Return the problem an exception stands for, or None for a fault of our own."""
    if isinstance(exc, ProblemError):
        return exc
    if isinstance(exc, StoreError | IntakeError):
        return _of_cohorts(exc)
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


def document(problem: ProblemError, instance: str, request_id: str) -> dict[str, Any]:
    """Write a problem as the object that is sent; the errors past the fiftieth are counted, not listed."""
    kind = problem.kind
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail + _rest(len(problem.errors)),
        "instance": quote(instance[:_LONGEST_INSTANCE], safe=_PATH_CHARACTERS),
        "request_id": request_id,
        "errors": [_item(error, problem.location) for error in problem.errors[:LISTED_ERRORS]],
    }


def reply_to(problem: ProblemError, instance: str, request_id: str) -> Reply:
    """Write a problem as an answer."""
    body = msgspec.json.encode(document(problem, instance, request_id))
    headers = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items())
    return Reply(problem.kind.status, PROBLEM_JSON, body, headers)


def internal() -> ProblemError:
    """Make the 500: it says nothing of the cause, which may hold values."""
    return ProblemError(INTERNAL, "The request could not be answered. Nothing was changed.")


def _item(error: InputError, location: str | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pointer": _short(error.pointer),
        "code": error.code,
        "message": error.message,
    }
    if error.allowed:
        item["allowed"] = list(error.allowed)
    if (line := getattr(error, "line", None)) is not None:
        item["line"] = line
    if location is not None:
        item["location"] = location
    return item


def _short(pointer: str) -> str:
    return pointer if len(pointer) <= _LONGEST_POINTER else pointer[: _LONGEST_POINTER - 1] + "…"


def _count(number: int) -> str:
    return "1 field was refused." if number == 1 else f"{number} fields were refused."


def _rest(number: int) -> str:
    return f" The first {LISTED_ERRORS} are listed." if number > LISTED_ERRORS else ""


def _of_parameters(exc: RequestValidationError) -> ProblemError:
    from app.api.messages import of_parameters  # noqa: PLC0415  # words are needed on this path alone

    location, errors = of_parameters(exc.errors())
    return refused(errors, location=location)


def _of_cohorts(exc: StoreError | IntakeError) -> ProblemError:
    from app.api.store_problems import of_import, of_store  # noqa: PLC0415  # as above

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
