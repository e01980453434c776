"""The server's HTTP protocol with what uvicorn leaves out: a deadline and a size limit for a request's head.

A client that sends its headers one byte a minute, or without end, would hold a connection (and memory) for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection whose request head takes longer than ten seconds or grows larger than 64 kB.

    The same clock runs while a client sends on after it was answered: the rest of a refused body, or blank lines.
    A request that comes in one piece, as nearly all do, costs no timer.
    """

    head_seconds = 10.0
    head_bytes = 64_000
    _clock: asyncio.TimerHandle | None = None
    _open = False
    _size = 0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        """Start the clock: a connection that says nothing is closed, too."""
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count and time what arrives while no whole request is at hand."""
        super().data_received(data)
        if self._open:
            self._size += len(data)
        elif not getattr(self.cycle, "response_complete", True):
            return
        if self._size > self.head_bytes:
            self._refuse()
        elif self._clock is None and not self.transport.is_closing():
            self._start()

    def on_message_begin(self) -> None:
        """Begin to count a new head."""
        self._open, self._size = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop the clock: what follows is a body, whose pace the application watches."""
        self._open, self._size = False, 0
        self._stop()
        super().on_headers_complete()

    def _start(self) -> None:
        self._clock = self.loop.call_later(self.head_seconds, self._refuse)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self) -> None:
        self._stop()
        self.transport.close()
