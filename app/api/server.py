"""The server's HTTP protocol with what uvicorn leaves out: a deadline and a size limit for a request's head.

A client that sends its headers one byte a minute, or without end, would hold a connection (and memory) for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS: Final = 10.0
HEAD_BYTES: Final = 64_000


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection whose request head takes longer than ten seconds or is larger than 64 kB."""

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_body = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives while a head is incomplete."""
        if not self._in_body:
            self._head_bytes += len(data)
            if self._head is None:
                self._arm()
        super().data_received(data)
        if not self._in_body and self._head_bytes > HEAD_BYTES:
            self._refuse()

    def on_headers_complete(self) -> None:
        """Stop the clock: what follows is a body, whose pace the application watches."""
        self._disarm()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin a new count: the next bytes belong to the next request's head."""
        self._in_body = False
        self._head_bytes = 0
        super().on_message_complete()

    def _arm(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._refuse)

    def _disarm(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _refuse(self) -> None:
        self._disarm()
        self.transport.close()
