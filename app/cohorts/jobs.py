"""Work that goes on after its request was answered: on a thread of this process, with its state in the database.

A job's outcome is kept in the transaction that keeps what it did. When the process ends first, the job is found to be
lost, and nothing of it was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, get_args

from app.cohorts.errors import JobLostError, StoreError
from app.cohorts.intake.taking import StoppedError, Work
from app.cohorts.service import CohortService
from app.cohorts.store.model import Job, JobState

if TYPE_CHECKING:
    from app.cohorts.store import Store

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
        # By state: of this process, the ended ones since its start.
        self.counts: dict[JobState, int] = dict.fromkeys(get_args(JobState), 0)
        self._lock = Lock()

    def start(self, job: Job, total: int, call: Callable[[Work], object], describe: Describe, release: Release) -> None:
        """Begin a job that was created.

        `call` does it and finishes it, `describe` writes what went wrong as the problem that is shown, `release` frees
        what it needed.
        """
        self._count(None, "queued")
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
        store = self._service.of(job.tenant).store
        self._count("queued", "running")
        work = Work(lambda done: store.beat(job.id, done, total), self._stop.is_set, job.id)
        ended: JobState = "failed"
        try:
            with store.write() as writer:
                writer.start_job(job.id)
            call(work)
            ended = "succeeded"
        except JobLostError:
            pass
        except Exception as exc:  # noqa: BLE001  # whatever went wrong is the job's outcome
            self._fail(store, job, _STOPPED if isinstance(exc, StoppedError) else describe(exc))
        finally:
            self._count("running", ended)
            release()

    def _count(self, before: JobState | None, now: JobState) -> None:
        with self._lock:
            self.counts[now] += 1
            if before is not None:
                self.counts[before] -= 1

    @staticmethod
    def _fail(store: Store, job: Job, error: dict[str, Any]) -> None:
        # A database that cannot be written now leaves the job to be found lost.
        with suppress(StoreError), store.write() as writer:
            writer.finish_job(job.id, error=error)
