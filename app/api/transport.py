"""The two ends of a request as ASGI sees them: a bounded way in, and a way out that adds what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.types import Message, Receive, Send

from app.api.auditing import REFUSED
from app.api.body import BYTES_PER_SECOND, declared_length, too_large, too_slow
from app.api.context import RequestContext
from app.api.reply import Reply

_NO_BODY: Final = frozenset({204, 304})
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
# Pages and static files bring a policy and a lifetime of their own.
_UNLESS_SET: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_PLAIN: Final = (*_ALWAYS, *_UNLESS_SET)


class Answer:
    """Sends one answer and remembers how it began. `refusing` is called before a 401 or a 403 leaves."""

    __slots__ = ("_headers", "_refusing", "_send", "started", "status")

    def __init__(
        self, send: Send, headers: list[tuple[bytes, bytes]], refusing: Callable[[int], Awaitable[None]]
    ) -> None:
        self._send = send
        self._headers = headers
        self._refusing = refusing
        self.started = False
        self.status = 500

    async def send(self, message: Message) -> None:
        """Pass on a message of the application, with our headers on the first one."""
        if message["type"] == "http.response.start":
            if message["status"] in REFUSED:
                await self._refusing(message["status"])
            self.status, self.started = message["status"], True
            own = list(message.get("headers", ()))
            names = {name.lower() for name, _ in own}
            added = (header for header in _UNLESS_SET if header[0] not in names)
            message = {**message, "headers": [*own, *_ALWAYS, *added, *self._headers]}
        await self._send(message)

    def add(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Put further headers on the answer."""
        self._headers += headers

    async def reply(self, reply: Reply) -> None:
        """Send a whole answer."""
        if reply.status in REFUSED:
            await self._refusing(reply.status)
        self.status, self.started = reply.status, True
        headers: Iterable[tuple[bytes, bytes]] = (*_PLAIN, *self._headers, *reply.headers)
        if reply.status not in _NO_BODY:
            headers = (
                (b"content-type", reply.media_type),
                (b"content-length", b"%d" % len(reply.body)),
                *headers,
            )
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body})


def without_body(send: Send) -> Send:
    """Return what sends an answer's beginning as it is, Content-Length and all, and none of its body."""

    async def send_(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_


def metered(receive: Receive, charge: Callable[[int], None]) -> Receive:
    """Return what receives and tells the size of each piece that came."""

    async def receive_() -> Message:
        message = await receive()
        if size := len(message.get("body", b"")):
            charge(size)
        return message

    return receive_


class BoundedReceive:
    """Receives a body for FastAPI's own ways of reading it: no larger and no slower than the service takes.

    Only the time spent waiting for the sender counts, not the time that what was received takes to be worked on.
    """

    __slots__ = ("_begun", "_complete", "_context", "_patience", "_receive", "_received")

    def __init__(self, receive: Receive, context: RequestContext) -> None:
        self._receive = receive
        self._context = context
        self._received = 0
        self._patience = context.limits.receive_seconds
        self._begun = False
        self._complete = False

    async def __call__(self) -> Message:
        """Receive the next message, or raise the 413 or the 408."""
        if self._complete or self._context.draining:
            return await self._receive()
        if not self._begun:
            self._begin()
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._patience):
                message = await self._receive()
        except TimeoutError:
            raise too_slow() from None
        self._patience -= clock() - started
        if message["type"] == "http.request":
            self._account(message)
        return message

    def _begin(self) -> None:
        self._begun = True
        declared = self._context.headers.get(b"content-length")
        if declared is not None and declared_length(declared) > self._context.body_bytes:
            raise too_large(self._context.body_bytes)

    def _account(self, message: Message) -> None:
        size = len(message.get("body", b""))
        self._received += size
        self._complete = not message.get("more_body", False)
        if self._received > self._context.body_bytes:
            raise too_large(self._context.body_bytes)
        self._patience += size / BYTES_PER_SECOND
