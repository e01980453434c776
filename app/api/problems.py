"""Every refusal and failure as RFC 9457 `application/problem+json`, in one shape with stable types and codes.

A problem repeats no value that was sent: only names, pointers, ranges and units.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from app.api.kinds import INTERNAL, NOT_FOUND, VALIDATION, Kind
from app.api.reply import Reply
from app.clinical.refusal import InputError
from app.cohorts.pseudonym import fault_of

PROBLEM_JSON: Final = b"application/problem+json"
LISTED_ERRORS: Final = 50
_LONGEST_POINTER: Final = 256
_LONGEST_INSTANCE: Final = 256
_PATIENT: Final = re.compile(r"(?s)/v1/cohorts/[^/]*/patients/(.+)\Z")
_PATIENT_TEMPLATE: Final = "/v1/cohorts/{cohort_id}/patients/{patient_id}"
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
    instance: str = Field(description="The path that was called; its route where the patient's id in it was refused")
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


def document(problem: ProblemError, instance: str, request_id: str) -> dict[str, Any]:
    """Write a problem as the object that is sent; the errors past the fiftieth are counted, not listed."""
    kind = problem.kind
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail + _rest(len(problem.errors)),
        "instance": _shown(instance, kind),
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


def _shown(path: str, kind: Kind) -> str:
    """Return a path, or its route's template where the patient's id in it is none of ours: it may be a name."""
    found = _PATIENT.match(path)
    if found is None or (kind is not NOT_FOUND and fault_of(found[1]) is None):
        return quote(path[:_LONGEST_INSTANCE], safe=_PATH_CHARACTERS)
    return _PATIENT_TEMPLATE


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
