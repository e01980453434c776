"""Log lines: JSON or plain text, one per line, written off the event loop; never a value that a caller sent.

A line is handed to a buffer that a thread empties at most ten times a second, and sleeps over while it is empty: a
request pays for the text of its line, not for the write. When the reader of our output stalls, lines past a bound are
dropped and counted; the service goes on.
"""

from __future__ import annotations

import atexit
import json
import logging
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from typing import Any, Final, TextIO

_PAUSE_SECONDS: Final = 0.1
_MOST_WAITING: Final = 100_000
_FRAMES: Final = 12


class LineWriter:
    """Writes lines to a stream from a thread of its own; the thread starts with the first line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._ending = threading.Event()
        self._some = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Take one line; never blocks and never fails."""
        if len(self._lines) >= _MOST_WAITING:
            self._dropped += 1
            return
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Write everything that waits."""
        with self._lock:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                lines.append(record("warning", "log_lines_dropped", count=self._dropped))
                self._dropped = 0
            if lines:
                self._put("\n".join(lines) + "\n")

    def _put(self, text: str) -> None:
        stream = self._stream or sys.stdout
        with suppress(OSError, ValueError):  # nobody reads any more: not a reason to stop answering
            stream.write(text)
            stream.flush()

    def close(self) -> None:
        """Write what waits and let the thread end."""
        self._ending.set()
        self._some.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._ending.clear()
        self.flush()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def _run(self) -> None:
        while self._some.wait() and not self._ending.wait(_PAUSE_SECONDS):
            # Before the lines are taken: one that comes in between is written now or wakes this thread again.
            self._some.clear()
            self.flush()


def record(level: str, event: str, **fields: object) -> str:
    """Write one JSON log line."""
    return json.dumps({"time": timestamp(time.time()), "level": level, "event": event} | fields, default=str)


def failure(exc: BaseException) -> dict[str, Any]:
    """Describe an exception by its type and where it was raised: its message may hold values, so it is left out."""
    frames = traceback.extract_tb(exc.__traceback__)[-_FRAMES:]
    return {
        "error": f"{type(exc).__module__}.{type(exc).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class _Second:
    """The text of the current second, made once a second."""

    number = -1
    text = ""


def timestamp(now: float) -> str:
    """Write a time as RFC 3339 in UTC with milliseconds."""
    second = int(now)
    if second != _Second.number:
        _Second.number, _Second.text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_Second.text}.{int((now - second) * 1000):03d}Z"


class SafeFormatter(logging.Formatter):
    """Formats the standard library's records (the server's own, above all) like ours, without exception messages."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record_: logging.LogRecord) -> str:
        """Return the line of one record."""
        exc = record_.exc_info[1] if record_.exc_info else None
        details: dict[str, Any] = failure(exc) if exc is not None else {}
        level, message = record_.levelname.lower(), record_.getMessage().strip()
        if self._as_json:
            return record(level, "log", logger=record_.name, message=message, **details)
        where = f" {details['error']} at {' < '.join(reversed(details['at']))}" if details else ""
        return f"{timestamp(record_.created)} {level:8s}{message}{where}"


def config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return the standard library's logging configuration with our format, for the server and its workers."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"safe": {"()": f"{__name__}.SafeFormatter", "as_json": as_json}},
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "safe"}},
        "root": {"level": level.upper(), "handlers": ["out"]},
        "loggers": {"uvicorn.access": {"handlers": [], "propagate": False}},
    }


def silence_access_log() -> None:
    """Take the server's access log out: our own line has no query string and no path that a caller made up."""
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
