"""Work that goes on after its request was answered: on a thread of this process, with its state in the database.

A job's outcome is kept in the transaction that keeps what it did. When the process ends first, the job is found to be
lost, and nothing of it was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from threading import Event
from typing import Any, Final

from app.cohorts.errors import JobLostError, StoreError
from app.cohorts.intake.taking import StoppedError, Work
from app.cohorts.service import CohortService
from app.cohorts.store.model import Job

Describe = Callable[[Exception], dict[str, Any]]
Release = Callable[[], None]
_PATIENCE_SECONDS: Final = 5.0
_STOPPED: Final[dict[str, Any]] = {
    "code": "service_stopped",
    "message": "The service was stopped. Nothing of it was kept; send the request again.",
}


class Jobs:
    """Runs jobs one after the other."""

    def __init__(self, service: CohortService, threads: ThreadPoolExecutor) -> None:
        self._service = service
        self._threads = threads
        self._stop = Event()
        self._running: set[Future[None]] = set()

    def start(self, job: Job, total: int, call: Callable[[Work], object], describe: Describe, release: Release) -> None:
        """Begin a job that was created.

        `call` does it and finishes it, `describe` writes what went wrong as the problem that is shown, `release` frees
        what it needed.
        """
        running = self._threads.submit(copy_context().run, self._run, job, total, call, describe, release)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def open(self) -> None:
        """Take jobs, after a stop again."""
        self._stop.clear()

    def close(self) -> None:
        """Stop what is under way, which takes back what it did, and wait for it."""
        self._stop.set()
        wait(tuple(self._running), _PATIENCE_SECONDS)

    def _run(self, job: Job, total: int, call: Callable[[Work], object], describe: Describe, release: Release) -> None:
        store = self._service.store
        work = Work(lambda done: store.beat(job.id, done, total), self._stop.is_set, job.id)
        try:
            with store.write() as writer:
                writer.start_job(job.id)
            call(work)
        except JobLostError:
            pass
        except Exception as exc:  # noqa: BLE001  # whatever went wrong is the job's outcome
            self._fail(job, _STOPPED if isinstance(exc, StoppedError) else describe(exc))
        finally:
            release()

    def _fail(self, job: Job, error: dict[str, Any]) -> None:
        # A database that cannot be written now leaves the job to be found lost.
        with suppress(StoreError), self._service.store.write() as writer:
            writer.finish_job(job.id, error=error)
