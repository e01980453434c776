"""Long calls in threads of their own, given up when nobody waits for them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from app.api.bulkhead import stopping as stopped_short
from app.api.stopping import Stopping
from app.cohorts.intake.taking import StoppedError
from app.security.audit.asking import carried

T = TypeVar("T")


async def while_connected(
    request: Request, threads: ThreadPoolExecutor, call: Callable[[Callable[[], bool]], T], stopping: Stopping
) -> T:
    """Run `call(stopped)` in a thread; when the client goes away, `stopped()` turns true and the call is waited for.

    Raises ClientDisconnect when the call gave up for that reason, and the 503 when the service had to end. The
    request's body must have been read.
    """
    stop = Event()
    work: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(
        threads, carried(call), lambda: stop.is_set() or stopping.gives_up
    )
    work.add_done_callback(_look)
    gone: asyncio.Future[None] = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            stop.set()
        return await asyncio.shield(work)
    except StoppedError:
        if stopping.gives_up and not gone.done():
            raise stopped_short() from None
        raise ClientDisconnect from None
    finally:
        stop.set()
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone


def _look(work: asyncio.Future[T]) -> None:
    """Take note of how it ended, so that nobody complains of an outcome that no one waited for."""
    if not work.cancelled():
        work.exception()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
