"""Jobs on real databases: each one that was accepted ends, whatever holds the database up, and none is called lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from app.cohorts import jobs as module
from app.cohorts.errors import JobNotFoundError
from app.cohorts.intake.taking import StoppedError
from app.cohorts.jobs import Jobs
from app.database.engine import WRITES, make_engine
from tests.clock import Clock
from tests.cohort_rows import DIGITS, RULES, row


@pytest.fixture
def clock():
    return Clock(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def store(database_url, open_store, clock):
    return open_store(database_url, digits=DIGITS, clock=clock, timeout_seconds=0.2)


@pytest.fixture
def other(database_url, open_store, clock):
    """Open the same database as another process does."""
    return open_store(database_url, digits=DIGITS, clock=clock)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
def jobs(store, threads, monkeypatch) -> Iterator[Jobs]:
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.05)
    service = SimpleNamespace(store=store, of=lambda _: service)
    made = Jobs(service, threads)
    yield made
    made.close()


@pytest.fixture
def held(database_url) -> Callable:
    """Give what holds back all writers of jobs, as another process's import does."""
    engine = make_engine(database_url)

    @contextmanager
    def hold() -> Iterator[None]:
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("LOCK TABLE jobs IN EXCLUSIVE MODE"))
            yield

    yield hold
    engine.dispose()


def job_in(store, cohort_id: str | None = None):
    with store.write() as writer:
        return writer.create_job("add_patients", cohort_id, total=10)


def finishing(store) -> Callable:
    def call(work) -> None:
        with store.write() as writer:
            writer.create("made by it", None, RULES)
            writer.finish_job(work.job_id, result={"added": 1})

    return call


def described(exc: Exception) -> dict[str, str]:
    return {"code": type(exc).__name__}


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(jobs, job, call, describe=described) -> threading.Event:
    """Start a job; returns what is set once its place is free."""
    released = threading.Event()
    jobs.start(job, 10, call, describe, released.set)
    return released


def made(store) -> int:
    with store.read() as reader:
        return len(reader.cohorts())


class TestAnotherChangeHoldsTheDatabase:
    def test_when_the_job_is_to_begin(self, jobs, store, held):
        job = job_in(store)
        with held():
            released = begin(jobs, job, finishing(store))
            time.sleep(1)
            assert store.job(job.id).state == "queued"
            assert (jobs.counts["failed"], released.is_set()) == (0, False)
        assert released.wait(20)
        assert (store.job(job.id).state, made(store)) == ("succeeded", 1)
        assert jobs.counts == {"queued": 0, "running": 0, "succeeded": 1, "failed": 0}

    def test_while_it_waits_its_thread_is_free(self, jobs, store, held, threads):
        waiting = [job_in(store) for _ in range(2)]
        with held():
            released = [begin(jobs, job, finishing(store)) for job in waiting]
            assert threads.submit(lambda: "free").result(5) == "free"
        assert all(one.wait(20) for one in released)

    def test_when_its_work_is_to_begin(self, jobs, store, held):
        job, calls = job_in(store), []

        def call(work) -> None:
            calls.append(work.job_id)
            if len(calls) > 1:
                finishing(store)(work)
                return
            with held():
                finishing(store)(work)

        assert begin(jobs, job, call).wait(20)
        assert (store.job(job.id).state, made(store), len(calls)) == ("succeeded", 1, 2)

    def test_when_no_connection_is_free_for_its_work(self, jobs, store, open_store, database_url, clock):
        job, calls = job_in(store), []
        narrow = open_store(database_url, digits=DIGITS, clock=clock, timeout_seconds=0.1, pool_size=1)

        def call(work) -> None:
            calls.append(work.job_id)
            if len(calls) == 1:
                with narrow.read() as reader, narrow.write():
                    reader.cohorts()
            finishing(store)(work)

        assert begin(jobs, job, call).wait(20)
        assert (store.job(job.id).state, len(calls)) == ("succeeded", 2)

    def test_when_it_has_failed(self, jobs, store, held):
        """Its outcome is kept until the database takes it; its place is free at once."""
        job, entered, leave = job_in(store), threading.Event(), threading.Event()

        def call(_: object) -> None:
            entered.set()
            assert leave.wait(20)
            raise ValueError

        released = begin(jobs, job, call)
        assert entered.wait(20)
        with held():
            leave.set()
            assert released.wait(20)
            time.sleep(0.5)
            assert store.job(job.id).state == "running"
            assert jobs.counts["running"] == 1
        until(lambda: store.job(job.id).state == "failed")
        assert store.job(job.id).error == {"code": "ValueError"}
        until(lambda: jobs.counts == {"queued": 0, "running": 0, "succeeded": 0, "failed": 1})

    def test_when_the_service_stops(self, jobs, store, held):
        job = job_in(store)
        with held():
            released = begin(jobs, job, finishing(store))
            time.sleep(0.5)
            jobs.close()
            assert released.is_set()
        until(lambda: store.job(job.id).state == "failed")
        assert store.job(job.id).error["code"] == "service_stopped"
        assert made(store) == 0


class TestSignsOfLife:
    def test_jobs_that_wait_for_others_are_not_lost(self, jobs, store, other, clock):
        entered, leave = [threading.Event() for _ in range(2)], threading.Event()

        def long(begun: threading.Event) -> Callable:
            def call(work) -> None:
                begun.set()
                assert leave.wait(20)
                finishing(store)(work)

            return call

        calls = [*map(long, entered), finishing(store)]
        waiting = [job_in(store) for _ in calls]
        released = [begin(jobs, job, call) for job, call in zip(waiting, calls, strict=True)]
        assert all(one.wait(20) for one in entered)
        for _ in range(3):
            clock.forward(seconds=50)
            until(lambda: {other.job(job.id).updated_at for job in waiting} == {clock()})
        assert [other.job(job.id).state for job in waiting] == ["running", "running", "queued"]
        leave.set()
        assert all(one.wait(20) for one in released)
        assert {other.job(job.id).state for job in waiting} == {"succeeded"}

    def test_a_job_that_this_process_does_not_know_of_is_lost(self, store, clock):
        """Its commit was kept, and the answer to it did not arrive: nobody will ever begin it."""
        job = job_in(store)
        store._board.forget(job.id)
        clock.forward(seconds=61)
        assert store.job(job.id).error["code"] == "job_lost"

    def test_a_job_that_was_never_kept_is_not_held(self, store):
        with pytest.raises(StoppedError), store.write() as writer:  # noqa: PT012  # the whole block is undone
            job = writer.create_job("add_patients", None)
            raise StoppedError
        assert store._board.held() == []
        with pytest.raises(JobNotFoundError):
            store.job(job.id)

    def test_an_outcome_that_is_undone_leaves_the_job_to_this_process(self, store, clock):
        job = job_in(store)
        with pytest.raises(StoppedError), store.write() as writer:  # noqa: PT012  # as above
            writer.finish_job(job.id, result={})
            raise StoppedError
        clock.forward(seconds=61)
        assert store.job(job.id).state == "queued"

    def test_who_held_the_file_for_long_has_kept_others_silent(self, sqlite_url, open_store, clock):
        """While an import holds an SQLite database, no other process can show that it lives."""
        ours, theirs = (open_store(sqlite_url, digits=DIGITS, clock=clock, timeout_seconds=0.1) for _ in range(2))
        dead = job_in(ours)
        clock.forward(seconds=61)
        job = job_in(ours)
        with theirs.write() as writer:
            writer.add(writer.create("long", None, RULES), [row("P1")])
            clock.forward(minutes=5)
            ours.show_life()
        assert theirs.job(job.id).state == "queued"
        assert theirs.job(dead.id).state == "failed"
        clock.forward(seconds=61)
        assert theirs.job(job.id).state == "failed"


@pytest.mark.parametrize("broken", ["described", "written"])
def test_a_reason_that_cannot_be_told_ends_the_job(jobs, store, broken):
    def describe(_: Exception) -> dict[str, str]:
        if broken == "described":
            raise RuntimeError
        return {"message": "\ud800"}

    def call(_: object) -> None:
        raise ValueError

    job = job_in(store)
    assert begin(jobs, job, call, describe).wait(20)
    assert (store.job(job.id).state, store.job(job.id).error["code"]) == ("failed", "internal_error")
