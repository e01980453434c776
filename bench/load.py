"""A small HTTP load generator: keep-alive connections that each send the next request when the answer is in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Count:
    """What a run saw."""

    answers: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    """One connection. Answers are cut by Content-Length; a status other than 200 counts as refused."""

    def __init__(self, request: bytes, count: Count, until: float) -> None:
        self.request = request
        self.count = count
        self.until = until
        self.buffer = b""
        self.sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self.buffer[:head_end].lower()
        start = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(self.buffer) < head_end + 4 + length:
            return
        now = time.perf_counter()
        self.count.answers += 1
        self.count.refused += b" 200 " not in head[:16]
        self.count.seconds.append(now - self.sent)
        self.buffer = b""
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if exc is not None:
            self.count.refused += 1


async def _run(port: int, request: bytes, connections: int, seconds: float) -> Count:
    loop = asyncio.get_running_loop()
    count = Count()
    until = time.perf_counter() + seconds
    clients = [
        (await loop.create_connection(lambda: _Client(request, count, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(c.done for c in clients)), seconds + 30)
    return count


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """Write a POST request."""
    head = (f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def requests_per_second(port: int, request: bytes, connections: int, seconds: float) -> tuple[float, Count]:
    """Load one server for some seconds; returns answers per second and the count."""
    started = time.perf_counter()
    count = asyncio.run(_run(port, request, connections, seconds))
    return count.answers / (time.perf_counter() - started), count
