"""How far the jobs of this process have come: known here at once, and in the database about once a second."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

_SECONDS: Final = 1.0


class Board:
    """Keeps (progress, total) by job id. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.owner: Final = f"{socket.gethostname()[:120]}:{os.getpid()}:{secrets.token_hex(8)}"
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[int, int | None]] = {}
        self._written: dict[str, float] = {}

    def tell(self, job_id: str, progress: int, total: int | None) -> bool:
        """Take down how far a job has come; returns whether it is time to write it into the database, too."""
        with self._lock:
            self._told[job_id] = progress, total
            now = self._clock()
            if now - self._written.get(job_id, -_SECONDS) < _SECONDS:
                return False
            self._written[job_id] = now
            return True

    def told(self, job_id: str) -> tuple[int, int | None] | None:
        """Return how far a job of this process has come, None for a job of another."""
        with self._lock:
            return self._told.get(job_id)

    def forget(self, job_id: str) -> None:
        """Drop a job that has ended."""
        with self._lock:
            self._told.pop(job_id, None)
            self._written.pop(job_id, None)
