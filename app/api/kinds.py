"""The problem types that this service answers with: stable slugs, and in words what each means and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """A stable problem type: its slug is the last part of `type`, and `GET /problems/{slug}` explains it.

    Without a slug it is a bare HTTP status, which has no page of its own (`about:blank`).
    """

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The `type` member: a URI reference that this service resolves itself."""
        return f"/problems/{self.slug}" if self.slug else "about:blank"


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
FORBIDDEN: Final = Kind(
    "forbidden",
    403,
    "The caller may not do this",
    "The caller is known, and lacks the scope that the operation needs.",
    "Ask the operator for the scope that the detail names.",
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
CONFLICT: Final = Kind(
    "duplicate-patients",
    409,
    "A patient id is there already",
    "A patient id occurs twice in what was sent, or the cohort holds it already. Nothing was changed.",
    "Leave out the patients that `errors` names, replace them by PUT, or send ?on_error=skip.",
)
READ_ONLY: Final = Kind(
    "cohort-read-only",
    409,
    "This cohort is never changed",
    "The cohort is built in: it can be read, analysed and pictured.",
    "Export it and create a cohort of your own from the export.",
)
IN_PROGRESS: Final = Kind(
    "request-in-progress",
    409,
    "The first request with this key is still being answered",
    "Another request with the same Idempotency-Key has not ended yet.",
    "Wait for the time in Retry-After and send the same request again.",
)
STALE: Final = Kind(
    "precondition-failed",
    412,
    "It was changed meanwhile",
    "If-Match names another version than the current one. Nothing was changed.",
    "Read it again, look at what changed, and send the new ETag.",
)
UNCONDITIONAL: Final = Kind(
    "precondition-required",
    428,
    "If-Match is needed",
    "A change that cannot be undone names the version it was made for.",
    "Send If-Match with the ETag of what you read, or * for whatever is there.",
)
KEY_REUSED: Final = Kind(
    "idempotency-key-reused",
    422,
    "This Idempotency-Key belongs to another request",
    "The key was sent before with another body or to another path. Nothing was changed.",
    "Use a new key for each request, and the same key only to repeat the same request.",
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
    "The service is starting or stopping, or its database cannot be reached or is not migrated.",
    "Try again shortly.",
)
DATABASE_UNAVAILABLE: Final = Kind(
    "database-unavailable",
    503,
    "The database cannot be used now",
    "The database is locked by another change, read-only, full, too busy, not migrated, or gone. Nothing was changed.",
    "Send the same request again after the time in Retry-After; calculators need no database and answer meanwhile.",
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.slug: kind
    for kind in (
        MALFORMED,
        BAD_REQUEST,
        ORIGIN_REFUSED,
        FORBIDDEN,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        NOT_ACCEPTABLE,
        TIMEOUT,
        TOO_LARGE,
        UNSUPPORTED_MEDIA,
        VALIDATION,
        INTERNAL,
        CONFLICT,
        READ_ONLY,
        IN_PROGRESS,
        STALE,
        UNCONDITIONAL,
        KEY_REUSED,
        NOT_READY,
        DATABASE_UNAVAILABLE,
    )
}
BY_STATUS: Final[Mapping[int, Kind]] = {kind.status: kind for kind in reversed(list(KINDS.values()))}
