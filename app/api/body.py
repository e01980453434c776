"""The way of a body into the house: read within limits, strictly JSON, validated straight from its bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.api.context import RequestContext, context_of
from app.api.kinds import BAD_REQUEST, TIMEOUT, TOO_LARGE
from app.api.media import require_json, require_media_type
from app.api.messages import of_body
from app.api.problems import ProblemError, refused
from app.api.strict_json import check_json, check_json_bulk, explain, provably_unique

__all__ = [
    "check_json",
    "check_json_bulk",
    "explain",
    "parse",
    "provably_unique",
    "read_body",
    "read_json",
    "require_json",
    "require_media_type",
]

T = TypeVar("T")
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
# How fast a body must come once the first seconds are over, so that a slow sender cannot hold on for ever.
BYTES_PER_SECOND: Final = 100_000
_LONGEST_LENGTH: Final = 18


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Read a request's whole body, or refuse: 413 past the limit, 408 when it comes too slowly.

    Never holds more than the limit and one further chunk.
    """
    return await receive_body(context_of(request.scope), request.receive, limit_bytes)


async def read_json(request: Request, model: type[T] | TypeAdapter[T], limit_bytes: int) -> T:
    """Read, check and validate a JSON body in one call, for an endpoint that takes the bare request."""
    require_json(context_of(request.scope).headers)
    return parse(await read_body(request, limit_bytes), model)


async def receive_body(context: RequestContext, receive: Receive, limit: int) -> bytes:
    """Read a request's body from ASGI. One that is large has one of few places in memory, or is refused: 503."""
    declared = context.headers.get(b"content-length")
    length = 0 if declared is None else declared_length(declared)
    if length > limit:
        raise too_large(limit)
    if length > context.limits.record_bytes:
        context.hold(context.limits.large_bodies.take())
    try:
        async with asyncio.timeout(context.limits.receive_seconds) as clock:
            message = await receive()
            body = chunk(message)
            if len(body) <= limit and not message.get("more_body", False):
                return body
            return await _rest(bytearray(body), receive, limit, clock, context if declared is None else None)
    except TimeoutError:
        raise too_slow() from None


async def _rest(
    body: bytearray, receive: Receive, limit: int, clock: asyncio.Timeout, undeclared: RequestContext | None
) -> bytes:
    """Read on chunk by chunk; every chunk that comes buys the time that it should take.

    A body that did not say how long it is takes its place in memory once it has grown large.
    """
    more = True
    while len(body) <= limit and more:
        message = await receive()
        fresh = chunk(message)
        body += fresh
        more = message.get("more_body", False)
        if undeclared is not None and len(body) > undeclared.limits.record_bytes:
            undeclared.hold(undeclared.limits.large_bodies.take())
            undeclared = None
        if (deadline := clock.when()) is not None:
            clock.reschedule(deadline + len(fresh) / BYTES_PER_SECOND)
    if len(body) > limit:
        raise too_large(limit)
    return bytes(body)


def chunk(message: MutableMapping[str, Any]) -> bytes:
    """Return the bytes of one ASGI message, or stop when the client has gone."""
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    return body


def declared_length(header: bytes) -> int:
    """Read a Content-Length; what is not a plain number is a broken request."""
    if not header.isdigit() or len(header) > _LONGEST_LENGTH:
        raise ProblemError(BAD_REQUEST, "The Content-Length header is not a number.")
    return int(header)


def too_large(limit: int) -> ProblemError:
    """Make the 413."""
    megabytes = f"{limit / 1_000_000:g}"
    return ProblemError(TOO_LARGE, f"The body is larger than {megabytes} MB ({limit} bytes), the most taken here.")


def too_slow() -> ProblemError:
    """Make the 408."""
    return ProblemError(TIMEOUT, "The body did not arrive in time.", headers={"Connection": "close"})


def parse(raw: bytes, model: type[T] | TypeAdapter[T]) -> T:
    """Check that a body is strict JSON and validate it; a refusal names every field at fault, never its value."""
    check_json(raw)
    adapter: TypeAdapter[T] = model if isinstance(model, TypeAdapter) else _adapter(cast("Hashable", model))
    try:
        found: T = adapter.validator.validate_json(raw, strict=True)
    except ValidationError as exc:
        raise refused(of_body(exc, adapter, json.loads(raw))) from None
    return found


@lru_cache(maxsize=512)
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type[Any]", model))
