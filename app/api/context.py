"""What belongs to one request while it is answered: its id, its trace, its headers, and the limits it is under."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.api.places import Places
from app.security.caller import NOBODY, Caller

Scope = MutableMapping[str, Any]

CONTEXT: Final = "defervesce.context"
# The scheme of the connection itself: uvicorn puts what a proxy on this machine says into `scheme`.
SCHEME: Final = "defervesce.scheme"
# Bodies above a single record's size that are held in memory at once.
LARGE_BODIES: Final = 8
TOO_MANY_BODIES: Final = "As many large bodies are being received and worked on as this service holds at once."
_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9._~:+/=@-]{1,128}\Z")
_TRACE: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
_ID_BYTES: Final = 16
_IDS_AT_ONCE: Final = 256
_fresh: Final[list[str]] = []
# Two processes must not hand out the same ids.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh.clear)


def fresh_id() -> str:
    """Return 128 random bits in hexadecimal; drawn in bulk, because each question to the system costs much."""
    try:
        return _fresh.pop()
    except IndexError:
        drawn = os.urandom(_ID_BYTES * _IDS_AT_ONCE)
        _fresh.extend(drawn[i : i + _ID_BYTES].hex() for i in range(_ID_BYTES, len(drawn), _ID_BYTES))
        return drawn[:_ID_BYTES].hex()


@dataclass(frozen=True, slots=True)
class Limits:
    """How large and how slow a request may be. MB are 1,000,000 bytes."""

    body_bytes: int = 80_000_000
    record_bytes: int = 1_000_000
    batch_items: int = 1_000_000
    receive_seconds: float = 30.0
    import_bytes: int = 4_000_000_000
    large_bodies: Places = field(default_factory=lambda: Places(LARGE_BODIES, TOO_MANY_BODIES))


class RequestContext:
    """The ids, headers and limits of one request."""

    __slots__ = (
        "body_bytes",
        "caller",
        "draining",
        "headers",
        "held",
        "limits",
        "path",
        "request_id",
        "route",
        "span_id",
        "trace_flags",
        "trace_id",
    )

    def __init__(self, scope: Scope, limits: Limits) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.limits = limits
        # Until the edge has found out; an operation for everybody is not asked.
        self.caller: Caller = NOBODY
        # What this one body may be; an operation that takes an import raises it before it reads.
        self.body_bytes = limits.body_bytes
        self.path: str = scope["path"]
        self.route: str | None = None
        self.draining = False
        # What gives back what is held for as long as the request lasts; nearly all hold nothing.
        self.held: list[Callable[[], None]] | None = None
        sent = self.headers.get(b"x-request-id")
        self.request_id = sent.decode() if sent is not None and _SAFE_ID.match(sent) else fresh_id()
        self.trace_id: str | None = None
        self.span_id = self.trace_flags = ""
        if (traceparent := self.headers.get(b"traceparent")) is not None:
            self._follow(traceparent)

    def _follow(self, traceparent: bytes) -> None:
        """Take up a W3C trace under a span of our own; one that is not valid is ignored, as the standard says."""
        found = _TRACE.match(traceparent)
        if found is None:
            return
        version, trace, span, flags, more = found.groups()
        if trace == _NO_TRACE or span == _NO_SPAN or (version == b"00" and more):
            return
        self.trace_id, self.trace_flags = trace.decode(), flags.decode()
        self.span_id = os.urandom(8).hex()

    def hold(self, release: Callable[[], None]) -> None:
        """Call `release` when the request has ended, however it ends."""
        self.held = [*(self.held or ()), release]

    def let_go(self) -> None:
        """Give back what was held."""
        held, self.held = self.held, None
        for release in held or ():
            release()

    @property
    def traceparent(self) -> bytes:
        """Return the header that names our span in the caller's trace."""
        return f"00-{self.trace_id}-{self.span_id}-{self.trace_flags}".encode()


def context_of(scope: Scope) -> RequestContext:
    """Return the request's context; outside the service's own middleware it is made on the spot."""
    found = scope.get(CONTEXT)
    if isinstance(found, RequestContext):
        return found
    made = scope[CONTEXT] = RequestContext(scope, Limits())
    return made
