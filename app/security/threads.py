"""Threads for one kind of question, and how many of it may be under way and waiting."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Final, TypeVar

from app.security.errors import CallersUnavailableError

T = TypeVar("T")
_RETRY_SECONDS: Final = 1


class Threads:
    """At most `most` calls at once, on `number` threads. The threads are started when they are needed."""

    def __init__(self, number: int, name: str, most: int) -> None:
        self._threads = ThreadPoolExecutor(number, name)
        self._most = most
        self._taken = 0
        self._lock = Lock()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have something called. CallersUnavailableError when as many are waiting as may be."""
        with self._lock:
            if self._taken >= self._most:
                raise CallersUnavailableError("Too many callers are being verified at once.", _RETRY_SECONDS)
            self._taken += 1
        submitted = self._threads.submit(call)
        submitted.add_done_callback(self._give_back)
        return submitted

    def _give_back(self, _: Future[T]) -> None:
        with self._lock:
            self._taken -= 1
