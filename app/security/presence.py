"""Whether there are callers at all: asked now and then, remembered for good once there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import monotonic
from typing import Final

KEPT_SECONDS: Final = 2.0
_BRIEF_SECONDS: Final = 1.0


class Presence:
    """True: there are callers, or were. False: there never were any. None: it cannot be told now.

    Every replica asks the database every two seconds at most, and never again after the first yes: a key that was
    revoked does not open the service to people without one.
    """

    def __init__(self, ask: Callable[[], bool | None], clock: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._asking: Future[bool | None] | None = None
        self._said: bool | None = None
        self._until = -1.0

    async def known(self, patience: float) -> bool | None:
        """Return what is known, at most two seconds old; None when that takes longer than the patience in seconds."""
        # Who has time asks anew after a database that was away: it may be back.
        asks_anew = self._said is None and patience > _BRIEF_SECONDS
        if self._said is True or (self._clock() < self._until and not asks_anew):
            return self._said
        asking = asyncio.wrap_future(self._begin())
        done, _ = await asyncio.wait((asking,), timeout=patience)
        return asking.result() if done else None

    def look(self) -> bool | None:
        """Ask now, and wait for the answer."""
        return self._begin().result()

    def close(self) -> None:
        """Stop asking."""
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown(wait=False)
            self._threads = self._asking = None

    def _begin(self) -> Future[bool | None]:
        with self._lock:
            if self._asking is None or self._asking.done():
                if self._threads is None:
                    self._threads = ThreadPoolExecutor(1, "presence")
                self._asking = self._threads.submit(self._look)
            return self._asking

    def _look(self) -> bool | None:
        try:
            said = self._ask()
        except Exception:  # noqa: BLE001  # a URL that the driver cannot read, say: it cannot be told
            said = None
        self._said = self._said is True or said
        self._until = self._clock() + KEPT_SECONDS
        return self._said
