"""Every refusal and failure as RFC 9457 `application/problem+json`, in one shape with stable types and codes.

The exceptions, from the outside in::

    Exception                     anything unforeseen: 500, logged without its message
    ├── ProblemError              an answer this layer gives itself (4xx, 503)
    ├── RefusedInputError         a clinical function refused an input: 422
    ├── RequestValidationError    FastAPI refused a query or path parameter: 422
    └── HTTPException             Starlette's and FastAPI's own: 404, 405 ...

A problem repeats no value that was sent: only names, pointers, ranges and units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from app.api.reply import Reply
from app.clinical.refusal import InputError, RefusedInputError

PROBLEM_JSON: Final = b"application/problem+json"
LISTED_ERRORS: Final = 50
_LONGEST_POINTER: Final = 256
_LONGEST_INSTANCE: Final = 256


@dataclass(frozen=True, slots=True)
class Kind:
    """A stable problem type: its slug is the last part of `type`, and `GET /problems/{slug}` explains it."""

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The `type` member: a URI reference that this service resolves itself."""
        return f"/problems/{self.slug}"


MALFORMED: Final = Kind(
    "malformed-json",
    400,
    "The body is not JSON",
    "The body is empty, is not UTF-8, is not well-formed JSON, or is nested too deep.",
    "Send one well-formed JSON value in UTF-8 without a byte order mark.",
)
BAD_REQUEST: Final = Kind(
    "bad-request",
    400,
    "The request cannot be read",
    "The request breaks HTTP itself.",
    "Send a well-formed HTTP request.",
)
ORIGIN_REFUSED: Final = Kind(
    "origin-refused",
    403,
    "This origin may not call from a browser",
    "The browser's origin is not on this service's allow-list.",
    "Ask the operator to add the origin to DEFERVESCE_CORS_ORIGINS.",
)
NOT_FOUND: Final = Kind(
    "not-found",
    404,
    "Nothing is here",
    "No operation has this path, or nothing has this name.",
    "See /docs for the paths; lists name what exists.",
)
METHOD_NOT_ALLOWED: Final = Kind(
    "method-not-allowed",
    405,
    "The path does not take this method",
    "The path exists; the Allow header names its methods.",
    "Use a method from the Allow header.",
)
NOT_ACCEPTABLE: Final = Kind(
    "not-acceptable",
    406,
    "No answer in an acceptable format",
    "The Accept header leaves out every format this operation can answer in.",
    "Accept application/json, or a format that the operation lists.",
)
TIMEOUT: Final = Kind(
    "request-timeout",
    408,
    "The body came too slowly",
    "The body did not arrive in time; the connection is closed.",
    "Send the request again over a better line or in smaller parts.",
)
TOO_LARGE: Final = Kind(
    "content-too-large",
    413,
    "The body is too large",
    "The body is larger than this operation takes.",
    "Split the request; bulk operations take larger bodies than single-record ones.",
)
UNSUPPORTED_MEDIA: Final = Kind(
    "unsupported-media-type",
    415,
    "The body's format is not understood",
    "The Content-Type is missing, names a format this operation does not read, or the body is compressed.",
    "Send Content-Type: application/json with a plain UTF-8 body.",
)
VALIDATION: Final = Kind(
    "validation",
    422,
    "The request cannot be answered as it stands",
    "The request was read, and one or more of its fields were refused. `errors` names each.",
    "Correct the fields that `errors` points at; each says what is allowed.",
)
INTERNAL: Final = Kind(
    "internal-error",
    500,
    "The service failed",
    "The fault lies in the service. It was logged under the request id, without the values sent.",
    "Report the request id to the operator. Do not act on a missing answer.",
)
NOT_READY: Final = Kind(
    "not-ready",
    503,
    "The service is not ready",
    "The service is starting or stopping.",
    "Try again shortly.",
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.slug: kind
    for kind in (
        MALFORMED,
        BAD_REQUEST,
        ORIGIN_REFUSED,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        NOT_ACCEPTABLE,
        TIMEOUT,
        TOO_LARGE,
        UNSUPPORTED_MEDIA,
        VALIDATION,
        INTERNAL,
        NOT_READY,
    )
}
_BY_STATUS: Final[Mapping[int, Kind]] = {kind.status: kind for kind in reversed(KINDS.values())}


class ProblemItem(BaseModel):
    """One field that was refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body; `/name` of a parameter")
    code: str = Field(description="Stable, machine-readable reason in snake_case", examples=["out_of_range"])
    message: str = Field(description="What is wrong and what is allowed, in words")
    allowed: list[str] | None = Field(
        default=None, description="What would be accepted, or what was probably meant"
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
    if isinstance(exc, RefusedInputError):
        return refused(exc.errors)
    if isinstance(exc, RequestValidationError):
        return _of_parameters(exc)
    if isinstance(exc, HTTPException):
        return _of_http(exc)
    return None


def document(problem: ProblemError, instance: str, request_id: str) -> dict[str, Any]:
    """Write a problem as the object that is sent; the errors past the fiftieth are counted, not listed."""
    kind = problem.kind
    return {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail + _rest(len(problem.errors)),
        "instance": quote(instance, safe="/:@!$&'()*+,;=~-._")[:_LONGEST_INSTANCE],
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


def _of_http(exc: HTTPException) -> ProblemError:
    kind = _BY_STATUS.get(exc.status_code) or _plain(exc.status_code)
    detail = exc.detail if exc.detail != _phrase(exc.status_code) else kind.meaning
    return ProblemError(kind, detail, headers=exc.headers)


def _plain(status: int) -> Kind:
    phrase = _phrase(status)
    return Kind(phrase.lower().replace(" ", "-"), status, phrase, phrase, "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"
