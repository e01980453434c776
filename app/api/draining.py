"""An answer to a client that is still sending: it is told why, and its body runs into the void for a while.

Closing at once would reset the connection under its feet, and it would never read the answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.body import chunk
from app.api.context import RequestContext, context_of
from app.api.kinds import OVERLOADED, RATE_LIMITED, TOO_LARGE, Kind
from app.api.reply import Reply

_SECONDS: Final = 10.0
_BYTES: Final = 256_000_000
# What the server reads before anybody asks for it.
_UNREAD: Final = 64_000
_EARLY: Final = (RATE_LIMITED, OVERLOADED)


def is_still_sent(kind: Kind, context: RequestContext) -> bool:
    """Say whether an answer may meet a client that is still sending its body, more of it than waits unread."""
    if kind is TOO_LARGE:
        return True
    if kind not in _EARLY:
        return False
    length = context.headers.get(b"content-length", b"0")
    return b"transfer-encoding" in context.headers or not length.isdigit() or int(length) > _UNREAD


class DrainingResponse(Response):
    """Sends its answer, takes in and drops what is left of the body (to a limit), and closes the connection."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body, reply.status, media_type=reply.media_type.decode())
        self.raw_headers += [*reply.headers, (b"connection", b"close")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer first, drain then, end last: a server closes the connection with the last message."""
        context_of(scope).draining = True
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(_SECONDS):
                await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    drained, more = 0, True
    while more and drained < _BYTES:
        message = await receive()
        drained += len(chunk(message))
        more = message.get("more_body", False)
