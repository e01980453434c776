"""Work that goes on after its request was answered: on a thread of this process, with its state in the database.

A job's outcome is kept in the transaction that keeps what it did. When the process ends first, the job is found to be
lost, and nothing of it was kept. As long as the process lives it shows so for all its jobs, and a database that cannot
be used is tried again: no job is lost to it, or stays without an end.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import Context, copy_context
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any, Final, NamedTuple, get_args

from app.cohorts.errors import DatabaseUnavailableError, JobLostError, StoreError
from app.cohorts.intake.taking import StoppedError, Work
from app.cohorts.service import CohortService
from app.cohorts.store.model import Job, JobState

Describe = Callable[[Exception], dict[str, Any]]
Release = Callable[[], None]
_PATIENCE_SECONDS: Final = 5.0
# How often the process shows that it lives (far within the lease), and tries again what the database did not take.
_TURN_SECONDS: Final = 5.0
_STOPPED: Final[dict[str, Any]] = {
    "code": "service_stopped",
    "message": "The service was stopped. Nothing of it was kept; send the request again.",
}
_UNTOLD: Final[dict[str, Any]] = {
    "code": "internal_error",
    "message": "The job could not be done, and the reason could not be written. Nothing of it was kept.",
}


class _Task(NamedTuple):
    """A job and what `Jobs.start` was given with it."""

    job: Job
    total: int
    call: Callable[[Work], object]
    describe: Describe
    release: Release


class Jobs:
    """Runs jobs one after the other."""

    def __init__(self, service: CohortService, threads: ThreadPoolExecutor) -> None:
        self._service = service
        self._threads = threads
        self._stop = Event()
        self._running: set[Future[None]] = set()
        # What the database could not take yet: jobs to begin, and outcomes. Each with the context of who asked.
        self._put_off: list[tuple[Context, _Task]] = []
        self._unwritten: list[tuple[Context, Job, dict[str, Any]]] = []
        self._keeper: Thread | None = None
        # By state: of this process, the ended ones since its start.
        self.counts: dict[JobState, int] = dict.fromkeys(get_args(JobState), 0)
        self._lock = Lock()

    def start(self, job: Job, total: int, call: Callable[[Work], object], describe: Describe, release: Release) -> None:
        """Begin a job that was created.

        `call` does it and finishes it, and is called again when another change held the database or the cohort for too
        long; `describe` writes what went wrong as the problem that is shown, `release` frees what it needed.
        """
        self._count(None, "queued")
        self._keep()
        self._submit(copy_context(), _Task(job, total, call, describe, release))

    def open(self) -> None:
        """Take jobs, after a stop again."""
        self._stop.clear()

    def close(self) -> None:
        """Stop what is under way, which takes back what it did, and wait for it."""
        self._stop.set()
        self._track(self._threads.submit(self._try_again))
        deadline = monotonic() + _PATIENCE_SECONDS
        while self._running and (left := deadline - monotonic()) > 0:
            wait(tuple(self._running), left)

    def _submit(self, context: Context, task: _Task) -> None:
        self._track(self._threads.submit(context.run, self._run, task))

    def _track(self, running: Future[None]) -> None:
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    def _run(self, task: _Task) -> None:
        job = task.job
        store = self._service.of(job.tenant).store
        self._count("queued", "running")
        work = Work(lambda done: store.beat(job.id, done, task.total), self._stop.is_set, job.id)
        is_begun = False
        try:
            with store.write() as writer:
                writer.start_job(job.id)
            is_begun = True
            task.call(work)
        except JobLostError:
            self._count("running", "failed")
        except Exception as exc:  # noqa: BLE001  # whatever went wrong is the job's outcome
            if isinstance(exc, DatabaseUnavailableError) and (not is_begun or _is_held(exc)):
                if self._puts_off(task):
                    return
                exc = StoppedError()
            self._fail(job, _told(task.describe, exc))
        else:
            self._count("running", "succeeded")
        task.release()

    def _puts_off(self, task: _Task) -> bool:
        """Keep a job for the next turn, unless there will be none. Its thread is free for others meanwhile."""
        if self._stop.is_set():
            return False
        self._count("running", "queued")
        with self._lock:
            self._put_off.append((copy_context(), task))
        return True

    def _fail(self, job: Job, error: dict[str, Any]) -> None:
        """Write a failed job's outcome, or keep it until the database takes it."""
        try:
            with self._service.of(job.tenant).store.write() as writer:
                writer.finish_job(job.id, error=error)
        except JobLostError:
            pass  # It has ended already.
        except Exception as exc:  # noqa: BLE001  # an outcome that cannot be written must not leave the job without one
            if not isinstance(exc, StoreError) and error is not _UNTOLD:
                self._fail(job, _UNTOLD)
                return
            with self._lock:
                self._unwritten.append((copy_context(), job, error))
            return
        self._count("running", "failed")

    def _keep(self) -> None:
        """Let a thread keep the jobs as long as there are any."""
        with self._lock:
            if self._keeper is None:
                self._keeper = Thread(target=self._turns, name="jobs", daemon=True)
                self._keeper.start()

    def _turns(self) -> None:
        while True:
            sleep(_TURN_SECONDS)
            with self._lock:
                if not self.counts["queued"] + self.counts["running"]:
                    self._keeper = None
                    return
            with suppress(Exception):  # The next turn comes, whatever was wrong with this one.
                self._service.store.show_life()
                self._try_again()

    def _try_again(self) -> None:
        """Begin the jobs that were put off, and write the outcomes that were not taken."""
        with self._lock:
            tasks, self._put_off = self._put_off, []
            outcomes, self._unwritten = self._unwritten, []
        for context, task in tasks:
            self._submit(context, task)
        for told_by, job, error in outcomes:
            told_by.run(self._fail, job, error)

    def _count(self, before: JobState | None, now: JobState) -> None:
        with self._lock:
            self.counts[now] += 1
            if before is not None:
                self.counts[before] -= 1


def _is_held(exc: DatabaseUnavailableError) -> bool:
    """Say whether others kept the work from being done: they end, and it can be done then."""
    return exc.reason == "locked" or exc.code == "pool"


def _told(describe: Describe, exc: Exception) -> dict[str, Any]:
    """Return what went wrong as it is shown."""
    if isinstance(exc, StoppedError):
        return _STOPPED
    try:
        return describe(exc)
    except Exception:  # noqa: BLE001  # a reason that cannot be described is none
        return _UNTOLD
