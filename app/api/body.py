"""The way of a body into the house: read within limits, strictly JSON, validated straight from its bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from app.api.context import context_of
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
    context = context_of(request.scope)
    return await receive_body(
        context.headers.get(b"content-length"), request.receive, limit_bytes, context.limits.receive_seconds
    )


async def read_json(request: Request, model: type[T] | TypeAdapter[T], limit_bytes: int) -> T:
    """Read, check and validate a JSON body in one call, for an endpoint that takes the bare request."""
    require_json(context_of(request.scope).headers)
    return parse(await read_body(request, limit_bytes), model)


async def receive_body(declared: bytes | None, receive: Receive, limit: int, patience: float) -> bytes:
    """Read a body from ASGI; `declared` is its Content-Length, `patience` the seconds it may take to begin with."""
    if declared is not None and declared_length(declared) > limit:
        raise too_large(limit)
    try:
        async with asyncio.timeout(patience) as clock:
            message = await receive()
            body = chunk(message)
            if len(body) <= limit and not message.get("more_body", False):
                return body
            return await _rest(bytearray(body), receive, limit, clock)
    except TimeoutError:
        raise too_slow() from None


async def _rest(body: bytearray, receive: Receive, limit: int, clock: asyncio.Timeout) -> bytes:
    """Read on chunk by chunk; every chunk that comes buys the time that it should take."""
    more = True
    while len(body) <= limit and more:
        message = await receive()
        fresh = chunk(message)
        body += fresh
        more = message.get("more_body", False)
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
