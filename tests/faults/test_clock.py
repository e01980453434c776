"""The clock jumps back and forth: nothing is lost or half kept, and what ends by the clock ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.cohorts.errors import JobLostError
from app.cohorts.store.jobs import LEASE
from tests.cohort_api import Api, lines, record
from tests.cohort_rows import DIGITS, RULES, row

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def jump(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ours(database_url, open_store, clock):
    return open_store(database_url, digits=DIGITS, clock=clock)


@pytest.fixture
def theirs(database_url, open_store):
    """Give the store of another replica, whose clock is one of its own."""

    def make(clock):
        return open_store(database_url, digits=DIGITS, clock=clock)

    return make


@pytest.mark.parametrize("jumps", [(-YEAR, HOUR, YEAR), (YEAR, -2 * YEAR, DAY), (-HOUR,) * 4])
def test_changes_go_on(ours, clock, jumps):
    with ours.write() as writer:
        cohort = writer.create("c", None, RULES)
        writer.add(cohort, [row("P0", age_years=3)])
    for number, jump in enumerate(jumps, 1):
        clock.jump(jump)
        with ours.write() as writer:
            writer.add(writer.lock(cohort.id), [row(f"P{number}", age_years=number)])
            writer.create("other", None, RULES)
    with ours.read() as reader:
        found = reader.cohort(cohort.id)
        assert (found.n, found.version) == (1 + len(jumps), 1 + len(jumps))
        # Lists go by number, never by time.
        assert [one.name for one in reader.cohorts()] == ["c", *["other"] * len(jumps)]
        assert found.created_at <= found.updated_at
    assert [differed for _, differed in ours.rebuild(cohort.id)] == [False]


class TestIdempotency:
    def remember(self, store) -> None:
        with store.write() as writer:
            writer.remember("s", "k", b"1", status=201, body=b"kept")

    def recalled(self, store) -> bytes | None:
        with store.write() as writer:
            found = writer.recall("s", "k", b"1")
            return None if found is None else found.body

    def test_a_clock_that_went_back_forgets_nothing(self, ours, clock):
        self.remember(ours)
        for number, jump in enumerate((-HOUR, -YEAR, YEAR)):
            clock.jump(jump)
            assert self.recalled(ours) == b"kept"
            with ours.write() as writer:
                writer.remember("s", f"other {number}", b"2", status=201, body=b"")
            assert self.recalled(ours) == b"kept"

    def test_it_ends_by_the_clock_and_may_be_used_anew(self, ours, clock):
        self.remember(ours)
        clock.jump(DAY + HOUR)
        assert self.recalled(ours) is None
        self.remember(ours)
        clock.jump(-2 * DAY)
        assert self.recalled(ours) == b"kept"

    def test_a_replica_whose_clock_is_ahead_forgets_early_and_breaks_nothing(self, ours, theirs, clock):
        self.remember(ours)
        ahead = theirs(lambda: clock.now + DAY + HOUR)
        assert self.recalled(ahead) is None
        self.remember(ahead)
        assert self.recalled(ours) == b"kept"


class TestJobs:
    @pytest.fixture
    def job(self, ours):
        with ours.write() as writer:
            created = writer.create_job("add_patients", "c")
            return writer.start_job(created.id)

    @pytest.mark.parametrize("jump", [-YEAR, -HOUR, HOUR, YEAR])
    def test_a_job_that_lives_is_finished_whatever_its_own_clock_does(self, ours, clock, job, jump):
        clock.jump(jump)
        assert ours.job(job.id).state == "running"
        ours.beat(job.id, 5)
        with ours.write() as writer:
            writer.give_up_jobs()
            cohort = writer.create("made", None, RULES)
            writer.finish_job(job.id, result={"id": cohort.id})
        assert ours.job(job.id).state == "succeeded"

    @pytest.mark.parametrize("jump", [-YEAR, -HOUR, HOUR, YEAR])
    def test_a_job_that_is_dead_is_found_out_whatever_the_clock_did(self, theirs, clock, job, jump):
        """Its last sign of life may lie in the future: nobody must wait until then."""
        clock.jump(jump)
        found = theirs(clock).job(job.id)
        assert (found.state, found.error["code"]) == ("failed", "job_lost")

    @pytest.mark.parametrize("skew", [-LEASE / 2, LEASE / 2])
    def test_clocks_that_differ_a_little_do_no_harm(self, theirs, clock, job, skew):
        assert theirs(lambda: clock.now + skew).job(job.id).state == "running"

    @pytest.mark.parametrize("skew", [-HOUR, HOUR])
    def test_a_job_that_was_given_up_alive_keeps_nothing(self, ours, theirs, clock, job, skew):
        """Clocks that differ by more than the lease cost the job, and never half of it."""
        assert theirs(lambda: clock.now + skew).job(job.id).state == "failed"

        def finish() -> None:
            with ours.write() as writer:
                writer.create("half", None, RULES)
                writer.finish_job(job.id, result={})

        with pytest.raises(JobLostError):
            finish()
        with ours.read() as reader:
            assert [cohort.name for cohort in reader.cohorts()] == []


def test_through_the_door(sqlite_url, clock):
    """Conditions and retries go by versions and keys; the clock is for people to read."""
    api = Api(sqlite_url)
    api.app.database.store._clock = clock
    try:
        path = api.create(record(1))
        tag = api.client.get(path).headers["etag"]
        for number, jump in enumerate((-YEAR, HOUR, YEAR, -DAY), 2):
            clock.jump(jump)
            for _ in range(2):
                answer = api.add(path, lines(record(number)), if_match=tag, idempotency_key=f"k{number}")
                assert answer.status_code == 200, answer.text
            tag = answer.headers["etag"]
            report = api.client.get(f"{path}/report")
            assert report.status_code == 200
        assert api.client.get(path).json()["n"] == 5
        assert "Traceback" not in api.logged()
    finally:
        api.close()
