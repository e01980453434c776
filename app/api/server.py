"""The server around the application: limits of time and size for connections, and an end that loses nothing.

What uvicorn leaves out: a client that sends its head one byte a minute, that never reads what it asked for, or that
sends a head in which two readers would see two different requests. Such a head is refused and its connection closed,
because nobody can say where the next request begins.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct
import threading
from types import FrameType
from typing import Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server
from uvicorn.supervisors import multiprocess

from app.api.context import SCHEME, fresh_id
from app.api.kinds import BAD_REQUEST, HEAD_TOO_LARGE, OVERLOADED, URI_TOO_LONG
from app.api.problems import ProblemError, reply_to
from app.api.reply import Reply
from app.api.stopping import STATE, Stopping

_BYTES_PER_SECOND: Final = 100_000
_MOST_FIELDS: Final = 200
_LONGEST_URL: Final = 16_000
# Answered whatever the load: a supervisor must not restart a service because it is busy.
_ALWAYS: Final = frozenset({"/livez", "/readyz", "/metrics"})
# SO_LINGER: on, for no time.
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_GIVE_UP_BEFORE_SECONDS: Final = 2.0


class _RefusedHeadError(Exception):
    """A request's head is refused; raised inside the parser, which then stops."""


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection whose request head takes longer than ten seconds or grows larger than 64 kB.

    The same clock runs while a client sends on after it was answered: the rest of a refused body, or blank lines.
    Another runs while a client does not read its answer: it has `send_seconds`, and a second for every 100 kB.
    A request that comes in one piece and is read at once, as nearly all are, costs no timer.
    """

    head_seconds = 10.0
    head_bytes = 64_000
    send_seconds = 30.0
    most_connections = 1_000
    grace_seconds = 0.5
    _clock: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None
    _patience = 0.0
    _paused_at = 0.0
    _open = False
    _size = 0
    _fields = 0
    _head = 0
    _refusal: ProblemError | None = None
    _answering: RequestResponseCycle

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        """Start the clock: a connection that says nothing is closed, too."""
        super().connection_made(transport)
        self.send_seconds = getattr(self.config, "send_seconds", self.send_seconds)
        self.most_connections = getattr(self.config, "most_connections", self.most_connections)
        if len(self.connections) > 2 * self.most_connections:
            transport.abort()
        elif len(self.connections) > self.most_connections:
            self.app = _Overloaded(self.app)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks with the connection."""
        self._stop()
        self._stop_reader()
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
        self._open, self._size, self._fields, self._head = True, 0, 0, 0
        super().on_message_begin()
        self.scope[SCHEME] = self.scheme  # type: ignore[typeddict-unknown-key]  # a key of ours

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        super().on_url(url)
        if len(self.url) > _LONGEST_URL:
            self._reject(ProblemError(URI_TOO_LONG, f"The address is longer than {_LONGEST_URL} characters."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._fields += 1
        self._head += len(name) + len(value)
        if self._fields > _MOST_FIELDS or self._head > self.head_bytes:
            most = f"{_MOST_FIELDS} header fields and {self.head_bytes // 1000} kB"
            self._reject(ProblemError(HEAD_TOO_LARGE, f"The request's head has more than {most}."))
        # A trailer comes behind the body, where no proxy has looked for a header: it is dropped.
        if self._open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: what follows is a body, whose pace the application watches."""
        self._open, self._size = False, 0
        self._stop()
        self._check_head()
        super().on_headers_complete()
        self._patience = self.send_seconds
        if self.parser.should_upgrade() or getattr(self.server_state, "is_draining", False):
            # No other protocol is spoken here: the request is answered as it stands, and the connection closed.
            self.cycle.keep_alive = False

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: that a client offers another protocol is no fault, and it may not fill the log."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  # uvicorn's signature
        """Remember which of the requests of a pipeline is being answered."""
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _check_head(self) -> None:
        """Refuse a head that proxies and servers are known to read differently."""
        version, hosts, has_body = self.parser.get_http_version(), 0, False
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                if value.strip().lower() != b"chunked" or version != "1.1":
                    self._reject(_broken("Of the transfer codings only chunked is read, and in HTTP/1.1 alone."))
                has_body = True
            elif name == b"content-length":
                has_body = has_body or value != b"0"
        if version == "0.9":
            self._reject(_broken("HTTP/0.9 is not spoken here."))
        if hosts > 1 or (not hosts and version == "1.1"):
            self._reject(_broken("A request in HTTP/1.1 has one Host header."))
        if has_body and self.parser.should_upgrade():
            self._reject(_broken("A request that asks for another protocol has no body here."))

    def _reject(self, problem: ProblemError) -> None:
        self._refusal = problem
        raise _RefusedHeadError

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Say why what was sent cannot be read, and close: nobody knows where the next request begins."""
        newest: RequestResponseCycle | None = self.cycle
        if newest is not None and not newest.response_complete and newest.more_body and self.pipeline:
            # It waits, and will never be whole: it is not begun.
            self.pipeline.popleft()
            newest = self.cycle = self.pipeline[0][0] if self.pipeline else self._answering
        if newest is None or newest.response_complete or (newest.more_body and not newest.response_started):
            problem = self._refusal or _broken("What was sent is not a well-formed HTTP request.")
            self.transport.write(_written(reply_to(problem, "", fresh_id())))
            self.transport.close()
        elif newest.more_body:
            self.transport.close()
        else:
            # What came before is answered first, however long that takes, so that no answer is taken for another's.
            newest.keep_alive = False
            self.flow.pause_reading()
            self._open, self._size = False, 0
            self._stop()

    def pause_writing(self) -> None:
        """Start the reader's clock: the client has not taken what it was sent."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Stop the reader's clock, and count what it showed."""
        super().resume_writing()
        if self._reader is not None:
            sent = self._patience - (self.loop.time() - self._paused_at)
            self._patience = min(max(sent, 1.0), self.send_seconds)
            self._stop_reader()

    def on_response_complete(self) -> None:
        """Watch a reader whose connection ends: what it has not taken yet must not stay for ever."""
        super().on_response_complete()
        if self.transport.is_closing() and self._reader is None and self.transport.get_write_buffer_size():
            self._watch_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; what its client has not taken by now has its clock."""
        super().timeout_keep_alive_handler()
        if self._reader is None and self.transport.get_write_buffer_size():
            self._watch_reader()

    def _watch_reader(self) -> None:
        self._stop_reader()
        seconds = self._patience + self.transport.get_write_buffer_size() / _BYTES_PER_SECOND
        self._patience, self._paused_at = seconds, self.loop.time()
        self._reader = self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        """Reset the connection: what the system holds for it, which its client will not take, is freed, too."""
        if self._was_late(self._reader):
            self._reader = self.loop.call_later(self.grace_seconds, self._cut)
            return
        if (connection := self.transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _start(self) -> None:
        self._clock = self.loop.call_later(self.head_seconds, self._time_is_up)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _time_is_up(self) -> None:
        """Close, unless it was this process that was late: then what waits in the socket is read first."""
        if self._was_late(self._clock):
            self._clock = self.loop.call_later(self.grace_seconds, self._time_is_up)
        else:
            self._refuse()

    def _was_late(self, clock: asyncio.TimerHandle | None) -> bool:
        # The loop runs its clocks before it looks at its sockets: after a pause (a stopped machine, a starved process)
        # every connection would seem to have been silent.
        return clock is not None and self.loop.time() - clock.when() > self.grace_seconds

    def _refuse(self) -> None:
        self._stop()
        self.transport.close()


class _Overloaded:
    """Answers in place of the application on a connection too many."""

    _problem: ClassVar = ProblemError(
        OVERLOADED, "As many connections are open as this service holds.", headers={"Retry-After": "5"}
    )

    def __init__(self, app: Any) -> None:  # noqa: ANN401  # an ASGI application as uvicorn types it
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  # as above
        if scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        reply = reply_to(self._problem, scope["path"], fresh_id())
        headers = [(b"content-type", reply.media_type), (b"content-length", b"%d" % len(reply.body)), *reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": [*headers, _CLOSE]})
        await send({"type": "http.response.body", "body": reply.body})


_CLOSE: Final = (b"connection", b"close")


class PatientServer(Server):
    """Ends in steps. Told to stop it is not ready any more and answers on for `drain_seconds`, closing connections
    as it answers; then it takes nothing new and finishes what it has; what is not done shortly before the end of that
    time is cut short and answered so.
    """  # noqa: D205  # one thought

    _drains_until: float | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.drain_seconds: float = getattr(config, "drain_seconds", 0.0)

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401  # uvicorn's signature
        """Start; what was made until now stays for good, and the garbage collector need not look through it again."""
        await super().startup(sockets)
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Say whether to end; once it was asked for, after the time to drain."""
        if not await super().on_tick(counter):
            return False
        now = asyncio.get_running_loop().time()
        if self._drains_until is None:
            self._drains_until = now + self.drain_seconds
            self.server_state.is_draining = True  # type: ignore[attr-defined]  # told to the connections
            if (stopping := self._stopping()) is not None:
                stopping.begin()
        return self.force_exit or now >= self._drains_until

    async def shutdown(self, sockets: Any = None) -> None:  # noqa: ANN401  # uvicorn's signature
        """Finish what is under way, and shortly before its time is over have it cut short."""
        stopping, limit = self._stopping(), self.config.timeout_graceful_shutdown or 0
        timer = None
        if stopping is not None:
            stopping.begin()
            delay = max(limit - _GIVE_UP_BEFORE_SECONDS, limit / 2)
            timer = asyncio.get_running_loop().call_later(delay, stopping.give_up)
        try:
            await super().shutdown(sockets)
        finally:
            if timer is not None:
                timer.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; a second one of any kind ends the draining."""
        if self.should_exit:
            self.drain_seconds = 0.0
            self._drains_until = 0.0 if self._drains_until is not None else None
        super().handle_exit(sig, frame)

    def _stopping(self) -> Stopping | None:
        found = self.lifespan.state.get(STATE)
        return found if isinstance(found, Stopping) else None


class _PatientProcess(multiprocess.Process):
    """One of several processes, with our server in it."""

    @property
    def server(self) -> Server:
        if self._server is None:
            self._server = PatientServer(self.config)
        return self._server


class PatientConfig(uvicorn.Config):
    """The server's configuration with our limits; it is handed to every process."""

    drain_seconds = 0.0
    send_seconds = 30.0
    most_connections = 1_000


def run(
    app: str,
    *,
    drain_seconds: float,
    send_seconds: float,
    most_connections: int,
    **options: Any,  # noqa: ANN401  # whatever uvicorn takes
) -> bool:
    """Serve `module:app` until told to stop; returns whether it had started. `options` are uvicorn's."""
    config = PatientConfig(app, http=DeadlineProtocol, **options)
    config.drain_seconds, config.send_seconds, config.most_connections = drain_seconds, send_seconds, most_connections
    started = _serve(config)
    _leave(0 if started else 1)
    return started


def _serve(config: PatientConfig) -> bool:
    if config.workers > 1:
        # The supervisor makes its processes by this name, at the start and when one has died.
        multiprocess.Process = _PatientProcess  # type: ignore[misc]  # ours is one of theirs
        multiprocess.Multiprocess(config, sockets=[config.bind_socket()]).run()
        return True
    config.load_app()
    server = PatientServer(config)
    server.run()
    return server.started


def _leave(code: int) -> None:
    """End the process at once when threads are still at work: what they do was given up, and nobody waits for it."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon and t.is_alive()]
    if others:
        os._exit(code)


def _broken(detail: str) -> ProblemError:
    return ProblemError(BAD_REQUEST, f"{detail} The connection is closed.")


def _written(reply: Reply) -> bytes:
    """Write an answer as bytes, where there is no request to answer by the application."""
    phrase = {400: b"Bad Request", 414: b"URI Too Long", 431: b"Request Header Fields Too Large"}[reply.status]
    head = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (reply.status, phrase, reply.media_type, len(reply.body)) + reply.body
