"""Whether the database can be used, for `/readyz`: asked on a thread of its own, and not more often than needed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Final, Protocol

from app.database.database import DatabaseStatus

_KEPT_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0
_UNUSABLE: Final = DatabaseStatus("unreachable", None, "The database cannot be used.")
_SILENT: Final = DatabaseStatus("unreachable", None, "The database did not answer in time.")


class Asked(Protocol):
    """Something that can be asked for the state of a database, and blocks until it answers."""

    def status(self) -> DatabaseStatus:
        """Return the state."""


class Readiness:
    """Answers from a fresh enough memory, or asks; all who ask at once share one answer.

    A database that hangs holds up one thread, which no request needs, and is told as unreachable meanwhile.
    """

    def __init__(
        self,
        database: Asked,
        *,
        kept: float = _KEPT_SECONDS,
        patience: float = _PATIENCE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._kept = kept
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._asked: Future[tuple[float, DatabaseStatus]] | None = None

    async def status(self) -> DatabaseStatus:
        """Return the state of the database, at most a second old."""
        asking = asyncio.wrap_future(self._ask())
        done, _ = await asyncio.wait((asking,), timeout=self._patience)
        return asking.result()[1] if done else _SILENT

    def close(self) -> None:
        """Stop asking. A question under way is not waited for."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=False)
            self._executor = self._asked = None

    def _ask(self) -> Future[tuple[float, DatabaseStatus]]:
        with self._lock:
            if self._asked is None or self._is_old(self._asked):
                if self._executor is None:
                    self._executor = ThreadPoolExecutor(1, thread_name_prefix="readiness")
                self._asked = self._executor.submit(self._look)
            return self._asked

    def _is_old(self, asked: Future[tuple[float, DatabaseStatus]]) -> bool:
        if not asked.done():
            return False
        return self._clock() - asked.result()[0] > self._kept

    def _look(self) -> tuple[float, DatabaseStatus]:
        try:
            found = self._database.status()
        except Exception:  # noqa: BLE001  # whatever it is (a URL that the driver cannot read): not usable
            found = _UNUSABLE
        return self._clock(), found
