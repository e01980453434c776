"""Which browsers' origins may call: an explicit list, empty by default, never `*` and never credentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from app.api.kinds import ORIGIN_REFUSED
from app.api.problems import ProblemError
from app.api.reply import JSON, Reply

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS: Final = (
    b"Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, "
    b"traceparent, tracestate, X-API-Key, X-Request-ID"
)
_ANSWER_HEADERS: Final = (
    b"Defervesce-Receipt, ETag, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, "
    b"traceparent, WWW-Authenticate, X-Request-ID"
)
_REMEMBER_SECONDS: Final = b"600"
_VARY: Final = (b"vary", b"Origin")

HeaderList = list[tuple[bytes, bytes]]


class Cors:
    """Answers a browser's questions about cross-origin calls."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._allowed = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes) -> HeaderList:
        """Return the headers that let a page of this origin read the answer; without any list: none."""
        if not self._allowed:
            return []
        if origin not in self._allowed:
            return [_VARY]
        allow = (b"access-control-allow-origin", origin)
        return [allow, (b"access-control-expose-headers", _ANSWER_HEADERS), _VARY]

    def preflight(self, method: str, headers: Mapping[bytes, bytes]) -> Reply | None:
        """Answer a preflight; None when it is not one, or when no origin is allowed at all."""
        if method != "OPTIONS" or not self._allowed or b"access-control-request-method" not in headers:
            return None
        if headers.get(b"origin") not in self._allowed:
            raise ProblemError(ORIGIN_REFUSED, "The Origin header names no origin on the allow-list.")
        allowed = (
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _REMEMBER_SECONDS),
        )
        return Reply(204, JSON, b"", allowed)
