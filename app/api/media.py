"""Content-Type and Accept: what a body is written in, and what an answer may be written in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from app.api.kinds import NOT_ACCEPTABLE, UNSUPPORTED_MEDIA
from app.api.problems import ProblemError

JSON_TYPE: Final = "application/json"
NDJSON_TYPES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
# What nearly every client sends, so that the header need not be taken apart.
_PLAIN_JSON: Final = frozenset(
    {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=UTF-8"}
)
_TAKES_JSON: Final = frozenset({b"*/*", b"application/json", b"application/json, text/plain, */*"})
_LONGEST_ACCEPT: Final = 2_000

Headers = Mapping[bytes, bytes]


def require_json(headers: Headers) -> None:
    """Refuse with 415 a body that does not say it is plain JSON in UTF-8.

    Only `application/json` itself: a `+json` type names another format (a FHIR bundle, a patch), and taking it as
    ours would answer with a list of unknown fields where one sentence serves better.
    """
    if headers.get(b"content-type") not in _PLAIN_JSON or b"content-encoding" in headers:
        require_media_type(headers, (JSON_TYPE,))


def require_media_type(headers: Headers, accepted: Sequence[str]) -> str:
    """Return which of the accepted media types the body is in, or refuse with 415 and a hint."""
    if headers.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        raise _unsupported("Compressed bodies are not read; send the body without Content-Encoding.", accepted)
    sent = headers.get(b"content-type", b"").decode("latin-1")
    if not sent.strip():
        raise _unsupported("The Content-Type header is missing.", accepted)
    essence, _, parameters = sent.partition(";")
    if (essence := essence.strip().lower()) not in accepted:
        raise _unsupported("The Content-Type is not one that this operation reads.", accepted)
    if not _is_utf8(parameters):
        raise _unsupported("The charset must be utf-8.", accepted)
    return essence


def negotiated(headers: Headers, offered: Sequence[str]) -> str:
    """Return the offered media type that the Accept header ranks highest (the first wins a tie), or refuse: 406."""
    accept = headers.get(b"accept")
    if accept is None or (accept in _TAKES_JSON and offered[0] == JSON_TYPE) or len(accept) > _LONGEST_ACCEPT:
        return offered[0]
    ranges = _ranges(accept.decode("latin-1"))
    quality, best = max(((_quality(offer, ranges), -place) for place, offer in enumerate(offered)))
    if quality <= 0:
        raise ProblemError(NOT_ACCEPTABLE, f"This operation answers in {', '.join(offered)}.")
    return offered[-best]


def require_json_accepted(headers: Headers) -> None:
    """Refuse with 406 a caller that does not take JSON."""
    accept = headers.get(b"accept")
    if accept is not None and accept not in _TAKES_JSON:
        negotiated(headers, (JSON_TYPE,))


def _unsupported(reason: str, accepted: Sequence[str]) -> ProblemError:
    hint = " or ".join(f"Content-Type: {name}" for name in accepted)
    return ProblemError(UNSUPPORTED_MEDIA, f"{reason} Send {hint}.", headers={"Accept": ", ".join(accepted)})


def _is_utf8(parameters: str) -> bool:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            return False
    return True


def _ranges(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept.split(","):
        essence, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [value[2:] for value in parameters if value.startswith("q=")]
        found.append((essence, _weight(weights[0]) if weights else 1.0))
    return [(essence, weight) for essence, weight in found if essence] or [("*/*", 1.0)]


def _weight(text: str) -> float:
    """Read a weight as RFC 9110 writes it; anything else counts as 1, as if it had not been sent."""
    return float(text) if text[:1] in {"0", "1"} and text.replace(".", "", 1).isdecimal() else 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that covers a media type; 0 where none does."""
    for pattern in (offer, offer.partition("/")[0] + "/*", "*/*"):
        weights = [weight for essence, weight in ranges if essence == pattern]
        if weights:
            return max(weights)
    return 0.0
