"""The jobs of this process, and how far they have come: known here at once, in the database about once a second."""

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
        self._held: set[str] = set()

    def hold(self, job_id: str) -> None:
        """Take down a job that this process is to end."""
        with self._lock:
            self._held.add(job_id)

    def held(self) -> list[str]:
        """Return the jobs that this process is to end."""
        with self._lock:
            return list(self._held)

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

    def forget(self, *job_ids: str) -> None:
        """Drop jobs that have ended, or that were never kept."""
        with self._lock:
            for job_id in job_ids:
                self._held.discard(job_id)
                self._told.pop(job_id, None)
                self._written.pop(job_id, None)
