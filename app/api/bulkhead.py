"""The bulkhead: heavy work has few threads of its own and a short queue, so that light calls never wait for it.

Heavy is whatever may take longer than some milliseconds: analyses, figures, reports, statistics, batches. At most
`workers` of them run at once and at most `queue` wait; the next is refused with 503 and Retry-After before anything was
begun. Whoever has waited and run for `seconds` in all is answered 503, too: the work is told to stop, and gives its
thread back at its next checkpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Final, TypeVar

from app.api.context import RequestContext
from app.api.kinds import NOT_READY, TOOK_TOO_LONG
from app.api.places import Places
from app.api.problems import ProblemError
from app.statistics.checkpoint import GivenUpError, unless

T = TypeVar("T")
_BUSY: Final = "As many analyses, reports, tests and batches are under way and waiting as this service takes at once."
_WORKERS: Final = 2
_QUEUE: Final = 16
_SECONDS: Final = 60.0
UNCHANGED: Final = "Nothing was changed."


class Bulkhead:
    """Runs heavy calls; used on the event loop."""

    def __init__(self, workers: int = _WORKERS, queue: int = _QUEUE, seconds: float = _SECONDS) -> None:
        self.places = Places(workers + queue, _BUSY)
        self.workers = workers
        self.seconds = seconds
        self.given_up = 0
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="heavy")
        self._calls: set[_Call] = set()

    @property
    def running(self) -> int:
        """How many threads are at work now."""
        return sum(call.is_running for call in tuple(self._calls))

    @property
    def waiting(self) -> int:
        """How many requests have a place and no thread."""
        return max(self.places.taken - self.running, 0)

    async def run(self, call: Callable[[], T]) -> T:
        """Run a whole call within its time, or raise the 503."""
        with self.places.place():
            return await self.within(call)

    def hold(self, context: RequestContext) -> None:
        """Take a place for as long as a request lasts: for an answer that is made piece by piece (`piece`)."""
        context.hold(self.places.take())

    async def within(self, call: Callable[[], T]) -> T:
        """Run a call that has a place; it is given up, told to stop and answered with 503 when its time is over."""
        made = _Call()
        work = asyncio.wrap_future(self._submit(call, made))
        work.add_done_callback(_look)
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.shield(work)
        except TimeoutError:
            self.given_up += 1
            raise took_too_long(self.seconds) from None
        except GivenUpError:
            raise stopping() from None
        finally:
            made.stop.set()
            work.cancel()

    async def piece(self, call: Callable[[], T]) -> T:
        """Run the next piece of an answer that has begun: it has its place, and is small."""
        try:
            return await asyncio.wrap_future(self._submit(call, _Call()))
        except GivenUpError:
            raise stopping() from None

    def stop(self) -> None:
        """Tell everything that runs to stop, and what waits not to begin: the service ends."""
        for call in tuple(self._calls):
            call.stop.set()

    def _submit(self, call: Callable[[], T], made: _Call) -> Future[T]:
        self._calls.add(made)
        submitted = self._threads.submit(made, call)
        submitted.add_done_callback(lambda _: self._calls.discard(made))
        return submitted


class _Call:
    """One call on its way through a thread."""

    def __init__(self) -> None:
        self.stop = Event()
        self.is_running = False

    def __call__(self, call: Callable[[], T]) -> T:
        self.is_running = True
        try:
            with unless(self.stop.is_set):
                return call()
        finally:
            self.is_running = False


def took_too_long(seconds: float) -> ProblemError:
    """Make the 503 of work that was given up."""
    return ProblemError(TOOK_TOO_LONG, f"The work was not done within {seconds:g} seconds and was given up.")


def stopping(outcome: str = UNCHANGED) -> ProblemError:
    """Make the 503 of work that the end of the service cut short; `outcome` says in the answer what became of it."""
    return ProblemError(NOT_READY, f"The service is stopping. {outcome}", headers={"Retry-After": "5"})


def _look(work: asyncio.Future[T]) -> None:
    """Take note of how it ended, so that nobody complains of an outcome that no one waited for."""
    if not work.cancelled():
        work.exception()
