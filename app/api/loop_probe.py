"""How late the event loop is: what a light call waits for when something holds the loop or the interpreter."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from time import perf_counter
from typing import Final

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_EVERY_SECONDS: Final = 0.1


class LoopProbe:
    """Sleeps a tenth of a second at a time and notes how much later it is woken."""

    def __init__(self, every: float = _EVERY_SECONDS) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.latest = 0.0
        self._every = every

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            due = perf_counter() + self._every
            await asyncio.sleep(self._every)
            self.note(max(perf_counter() - due, 0.0))

    def note(self, late: float) -> None:
        """Count one waking, so many seconds late."""
        self.counts[bisect_left(BUCKETS, late)] += 1
        self.seconds += late
        self.latest = late
