"""The store on SQLite and PostgreSQL: what is written is read, counted, versioned, and found again in its order."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.cohorts.errors import (
    CohortNotFoundError,
    CohortReadOnlyError,
    DuplicatePatientsError,
    IdempotencyConflictError,
    JobLostError,
    JobNotFoundError,
    PatientNotFoundError,
    StaleVersionError,
)
from app.cohorts.store import bulk
from app.statistics.tally import Tally
from tests.clock import Clock
from tests.cohort_rows import DIGITS, FEMALE, MALE, RULES, Facts, counted, kept, row

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def clock():
    return Clock(START)


@pytest.fixture
def store(database_url, open_store, clock):
    return open_store(database_url, digits=DIGITS, clock=clock)


@pytest.fixture
def cohort(store):
    with store.write() as writer:
        cohort = writer.create("study", "46 children", RULES)
        writer.add(cohort, [row("P1", age_years=83, male=1), row("P2", FEMALE, age_years=83), row("P3", age_years=20)])
    return cohort


def fill(store, cohort, rows):
    with store.write() as writer:
        writer.add(writer.lock(cohort.id), rows)


class TestCohorts:
    def test_it_is_found_as_it_was_made(self, store, cohort):
        with store.read() as reader:
            found = reader.cohort(cohort.id)
        assert (found.name, found.description, found.version, found.n) == ("study", "46 children", 1, 3)
        assert found.rules == tuple(RULES)
        assert found.created_at == found.updated_at == START
        assert not found.read_only

    def test_one_that_is_not_there(self, store):
        with store.read() as reader, pytest.raises(CohortNotFoundError):
            reader.cohort("nix")
        with pytest.raises(CohortNotFoundError), store.write() as writer:
            writer.lock("nix")

    def test_they_are_listed_in_the_order_of_their_making_page_by_page(self, store):
        with store.write() as writer:
            ids = [writer.create(str(number), None, []).id for number in range(5)]
        with store.read() as reader:
            first = reader.cohorts(limit=2)
            second = reader.cohorts(first[-1].number, limit=2)
            rest = reader.cohorts(second[-1].number, limit=2)
        assert [cohort.id for cohort in (*first, *second, *rest)] == ids

    def test_a_cohort_may_be_given_its_id_once(self, store):
        with store.write() as writer:
            assert writer.create("a", None, [], cohort_id="study").id == "study"
        with pytest.raises(sa.exc.IntegrityError), store.write() as writer:
            writer.create("b", None, [], cohort_id="study")

    def test_a_new_name_is_a_new_version(self, store, cohort, clock):
        clock.forward(hours=1)
        with store.write() as writer:
            renamed = writer.describe(writer.lock(cohort.id), name="renamed", description=None)
        assert (renamed.name, renamed.description, renamed.version) == ("renamed", None, 2)
        assert (renamed.created_at, renamed.updated_at) == (START, START + timedelta(hours=1))

    def test_a_cohort_is_deleted_with_all_that_belongs_to_it(self, store, cohort):
        with store.write() as writer:
            other = writer.create("other", None, [])
            writer.add(other, [row("P1", age_years=1)])
            writer.delete(writer.lock(cohort.id, if_match=1))
        with store.read() as reader:
            assert [left.id for left in reader.cohorts()] == [other.id]
            assert kept(reader, other) == counted({"P1": row("P1", age_years=1)})
        with store._engine.connect() as connection:
            for table in ("patients", "strata", "tallies"):
                assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 1  # noqa: S608

    def test_the_number_of_a_deleted_cohort_is_not_used_again(self, store, cohort):
        with store.write() as writer:
            writer.delete(writer.lock(cohort.id))
        with store.write() as writer:
            assert writer.create("next", None, []).number > cohort.number

    def test_a_built_in_cohort_is_filled_once_and_never_changed(self, store):
        with store.write() as writer:
            made = writer.create("built in", None, [], read_only=True)
            writer.add(made, [row("P1")])
        with pytest.raises(CohortReadOnlyError), store.write() as writer:
            writer.lock(made.id)

    def test_a_cohort_is_changed_only_after_it_was_locked(self, store, cohort):
        with pytest.raises(RuntimeError, match="lock"), store.write() as writer:
            writer.add(cohort, [row("P9")])


class TestVersions:
    def test_a_transaction_is_one_version_however_much_it_does(self, store, cohort):
        with store.write() as writer:
            locked = writer.lock(cohort.id, if_match=1)
            writer.add(locked, [row("P4")])
            assert writer.cohort(cohort.id).version == 2
            writer.add(locked, [row("P5")])
            writer.remove(locked, "P4")
            assert (writer.cohort(cohort.id).version, writer.cohort(cohort.id).n) == (2, 4)
        with store.read() as reader:
            assert (reader.cohort(cohort.id).version, reader.cohort(cohort.id).n) == (2, 4)

    def test_a_transaction_that_changes_nothing_is_none(self, store, cohort):
        with store.write() as writer:
            locked = writer.lock(cohort.id)
            assert writer.add(locked, []) == 0
        with store.read() as reader:
            assert reader.cohort(cohort.id).version == 1

    def test_a_stale_version_is_refused_with_the_current_one(self, store, cohort):
        fill(store, cohort, [row("P4")])
        with pytest.raises(StaleVersionError) as caught, store.write() as writer:
            writer.lock(cohort.id, if_match=1)
        assert caught.value.current == 2

    def test_a_patient_has_the_version_that_wrote_it(self, store, cohort):
        fill(store, cohort, [row("P4")])
        with store.write() as writer:
            writer.replace(writer.lock(cohort.id), row("P2", age_years=1), if_match=1)
        with store.read() as reader:
            assert [(p.patient_id, p.version) for p in reader.patients(cohort)] == [
                ("P1", 1),
                ("P2", 3),
                ("P3", 1),
                ("P4", 2),
            ]

    def test_a_patient_who_left_and_came_back_is_another_version(self, store, cohort):
        """The ETag of the first must not match the second."""
        with store.write() as writer:
            writer.remove(writer.lock(cohort.id), "P1")
        fill(store, cohort, [row("P1", age_years=9)])
        with pytest.raises(StaleVersionError) as caught, store.write() as writer:
            writer.remove(writer.lock(cohort.id), "P1", if_match=1)
        assert caught.value.current == 3


class TestPatients:
    def test_what_was_sent_and_what_was_derived(self, store, cohort):
        with store.read() as reader:
            found = reader.patient(cohort, "P1")
        assert found.record == {"patient_id": "P1", "age_years": 83, "male": 1}
        assert found.record_json == '{"patient_id": "P1", "age_years": 83, "male": 1}'
        assert (found.stratum, found.values) == (MALE.key(), {"age_years": 83, "male": 1})
        assert (found.facts, found.disagreements, found.warnings) == ({"of": "P1"}, [], [])

    def test_text_of_any_kind_comes_back_unchanged(self, store, cohort):
        """COPY has characters of its own."""
        odd = row("P\u00e4\\t-\\N")
        odd.record_json = '{"note":"tab \\t, newline \\n, \\\\ back, \\u0000 nul, \\. end, ä, 😀"}'
        odd.derived.facts = {"text": "a\tb\nc\\d"}
        fill(store, cohort, [odd])
        with store.read() as reader:
            found = reader.patient(cohort, odd.patient_id)
        assert (found.record_json, found.facts) == (odd.record_json, odd.derived.facts)

    def test_pages_in_order_of_arrival(self, store, cohort):
        fill(store, cohort, [row(f"Q{number}") for number in (3, 1, 2)])
        with store.write() as writer:
            writer.replace(writer.lock(cohort.id), row("P1", age_years=1))
        with store.read() as reader:
            first = reader.patients(cohort, limit=4)
            second = reader.patients(cohort, first[-1].position, limit=4)
            streamed = [p.patient_id for page in reader.stream(cohort, size=2) for p in page]
        assert streamed == [p.patient_id for p in (*first, *second)] == ["P1", "P2", "P3", "Q3", "Q1", "Q2"]

    def test_one_that_is_not_there(self, store, cohort):
        with store.read() as reader, pytest.raises(PatientNotFoundError):
            reader.patient(cohort, "P9")
        for change in ("replace", "remove"):
            with pytest.raises(PatientNotFoundError), store.write() as writer:
                getattr(writer, change)(writer.lock(cohort.id), row("P9") if change == "replace" else "P9")

    def test_the_same_id_in_another_cohort_is_another_patient(self, store, cohort):
        with store.write() as writer:
            other = writer.create("other", None, [])
            writer.add(other, [row("P1", FEMALE)])
        with store.read() as reader:
            assert reader.patient(cohort, "P1").stratum != reader.patient(other, "P1").stratum

    def test_chunks_are_bounded_in_rows_and_size(self, monkeypatch):
        monkeypatch.setattr(bulk, "ROWS", 3)
        assert [len(chunk) for chunk in bulk.chunks(row(str(n)) for n in range(7))] == [3, 3, 1]
        monkeypatch.setattr(bulk, "CHARACTERS", 30)
        assert [len(chunk) for chunk in bulk.chunks(row(str(n)) for n in range(4))] == [2, 2]
        assert list(bulk.chunks([])) == []


class TestDuplicates:
    def test_they_are_named_with_their_lines_and_nothing_is_kept(self, store, cohort):
        rows = [row("P4", line=2), row("P2", line=3), row("P4", line=4)]
        with pytest.raises(DuplicatePatientsError) as caught:
            fill(store, cohort, rows)
        assert caught.value.duplicates == (("P2", 3), ("P4", 4))
        assert caught.value.ids == ("P2", "P4")
        with store.read() as reader:
            assert (reader.cohort(cohort.id).version, len(reader.patients(cohort))) == (1, 3)

    def test_they_are_found_across_chunks(self, store, cohort, monkeypatch):
        monkeypatch.setattr(bulk, "ROWS", 2)
        with pytest.raises(DuplicatePatientsError) as caught:
            fill(store, cohort, [row(f"Q{number % 5}", line=number) for number in range(6)])
        assert caught.value.duplicates == (("Q0", 5),)

    def test_they_can_be_handed_over_instead(self, store, cohort):
        skipped = []
        with store.write() as writer:
            added = writer.add(
                writer.lock(cohort.id), [row("P1", age_years=99), row("P4"), row("P4", line=7)], skipped.append
            )
        assert (added, [(r.patient_id, r.line) for r in skipped]) == (1, [("P1", None), ("P4", 7)])
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == 4
            assert reader.patient(cohort, "P1").values["age_years"] == 83

    def test_ids_differ_in_case_and_trailing_blanks(self, store, cohort):
        fill(store, cohort, [row("p1"), row("P1 ")])
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == 5


class TestCounts:
    def test_they_are_those_of_the_rows(self, store, cohort):
        rows = {
            "P1": row("P1", age_years=83, male=1),
            "P2": row("P2", FEMALE, age_years=83),
            "P3": row("P3", age_years=20),
        }
        with store.read() as reader:
            assert kept(reader, cohort) == counted(rows)
            (only,) = reader.tallies(cohort, ["male"])
            assert only == ("male", MALE.key(), Tally.from_counts({1: 1}))
            assert list(reader.tallies(cohort, [])) == []
            assert list(reader.tallies(cohort, ["nix"])) == []

    def test_the_last_of_a_kind_leaves_no_trace(self, store, cohort):
        with store.write() as writer:
            writer.remove(writer.lock(cohort.id), "P2")
        with store.read() as reader:
            assert list(reader.strata(cohort)) == [MALE.key()]
            assert {stratum for _, stratum, _ in reader.tallies(cohort)} == {MALE.key()}

    def test_a_recount_of_what_agrees_changes_nothing(self, store, cohort):
        with store.write() as writer:
            assert not writer.rebuild(writer.lock(cohort.id))
        with store.read() as reader:
            assert reader.cohort(cohort.id).version == 1

    @pytest.mark.parametrize(
        "damage",
        [
            "DELETE FROM tallies",
            "DELETE FROM strata",
            "UPDATE strata SET n = n + 1",
            "UPDATE cohorts SET n = 2",
            "UPDATE tallies SET digits = 2",
            "INSERT INTO tallies SELECT cohort_number, 'lvef.first', stratum, 1, counts FROM tallies WHERE digits = 0",
        ],
    )
    def test_a_recount_mends_what_was_damaged(self, store, cohort, damage):
        with store.read() as reader:
            before = kept(reader, cohort)
        with store._engine.begin() as connection:
            connection.execute(sa.text(damage))
        assert [(c.id, c.version, c.n, differed) for c, differed in store.rebuild()] == [(cohort.id, 2, 3, True)]
        with store.read() as reader:
            assert kept(reader, cohort) == before
        assert [differed for _, differed in store.rebuild(cohort.id)] == [False]

    def test_a_built_in_cohort_can_be_mended(self, store):
        with store.write() as writer:
            writer.add(writer.create("built in", None, [], read_only=True), [row("P1", male=1)])
        assert [differed for _, differed in store.rebuild()] == [False]

    def test_a_recount_of_many_cohorts(self, store):
        with store.write() as writer:
            ids = [writer.create(str(number), None, []).id for number in range(60)]
        assert [cohort.id for cohort, _ in store.rebuild()] == ids


class TestRederive:
    def test_rows_counts_rules_and_versions_change_together(self, store, cohort):
        def derive(patient):
            values = dict(patient.values)
            stratum = MALE if patient.stratum == MALE.key() else FEMALE
            if patient.patient_id == "P1":
                stratum, values = FEMALE, {"age_years": 84}
            return Facts(stratum, values, patient.facts)

        with store.write() as writer:
            assert writer.rederive(writer.lock(cohort.id), derive, [{"id": "new"}]) == 3
        rows = {
            "P1": row("P1", FEMALE, age_years=84),
            "P2": row("P2", FEMALE, age_years=83),
            "P3": row("P3", age_years=20),
        }
        with store.read() as reader:
            assert kept(reader, cohort) == counted(rows)
            found = reader.cohort(cohort.id)
            assert (found.version, found.n, found.rules) == (2, 3, ({"id": "new"},))
            assert [p.version for p in reader.patients(cohort)] == [2, 1, 1]
            assert reader.patient(cohort, "P1").record["age_years"] == 83
        assert [differed for _, differed in store.rebuild()] == [False]

    def test_facts_alone_may_change(self, store, cohort):
        with store.write() as writer:
            writer.rederive(
                writer.lock(cohort.id),
                lambda p: Facts(MALE if p.stratum == MALE.key() else FEMALE, dict(p.values), {"new": True}),
                RULES,
            )
        with store.read() as reader:
            assert reader.patient(cohort, "P1").facts == {"new": True}
        assert [differed for _, differed in store.rebuild()] == [False]


class TestTransactions:
    def test_an_exception_leaves_nothing(self, store, cohort):
        with store.read() as reader:
            before = kept(reader, cohort)
        with pytest.raises(ZeroDivisionError), store.write() as writer:  # noqa: PT012  # the whole block is undone
            locked = writer.lock(cohort.id)
            writer.add(locked, [row("P4", male=1)])
            writer.remove(locked, "P1")
            writer.create("half", None, [])
            writer.cohort(cohort.id)
            raise ZeroDivisionError
        with store.read() as reader:
            assert kept(reader, cohort) == before
            assert [found.id for found in reader.cohorts()] == [cohort.id]
            assert [p.patient_id for p in reader.patients(cohort)] == ["P1", "P2", "P3"]

    def test_an_exception_while_rows_are_drawn_leaves_nothing(self, store, cohort, monkeypatch):
        monkeypatch.setattr(bulk, "ROWS", 2)

        def rows():
            yield from (row(f"Q{number}") for number in range(5))
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            fill(store, cohort, rows())
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == len(reader.patients(cohort)) == 3

    def test_a_snapshot_is_of_one_moment(self, store, cohort):
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == 3
            fill(store, cohort, [row("P4", male=1)])
            assert reader.cohort(cohort.id).n == 3
            assert sum(reader.strata(cohort).values()) == 3
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == 4

    def test_what_is_not_committed_is_not_seen(self, store, cohort):
        with store.write() as writer:
            writer.add(writer.lock(cohort.id), [row("P4")])
            with store.read() as reader:
                assert reader.cohort(cohort.id).n == len(reader.patients(cohort)) == 3

    def test_a_reader_cannot_write(self, store):
        with store.read() as reader:
            assert not hasattr(reader, "add")


class TestAnswers:
    def test_an_answer_is_kept_for_its_key_its_route_and_its_time(self, store, clock):
        with store.write() as writer:
            assert writer.recall("POST /v1/cohorts", "k", b"1") is None
            writer.remember("POST /v1/cohorts", "k", b"1", status=201, body=b"\x00{}", headers={"location": "/x"})
        with store.read() as reader:
            found = reader.recall("POST /v1/cohorts", "k", b"1")
            assert found == (201, b"\x00{}", {"location": "/x"})
            assert reader.recall("POST /v1/cohorts/x/patients", "k", b"1") is None
            assert reader.recall("POST /v1/cohorts", "l", b"1") is None
            with pytest.raises(IdempotencyConflictError):
                reader.recall("POST /v1/cohorts", "k", b"2")
        clock.forward(hours=24)
        with store.write() as writer:
            assert writer.recall("POST /v1/cohorts", "k", b"2") is None
            writer.remember("POST /v1/cohorts", "k", b"2", status=200, body=b"")

    def test_a_key_is_answered_once(self, store):
        with store.write() as writer:
            writer.remember("s", "k", b"1", status=200, body=b"first")
            with pytest.raises(IdempotencyConflictError):
                writer.remember("s", "k", b"1", status=200, body=b"second")

    def test_an_answer_of_a_change_that_failed_is_not_kept(self, store):
        with pytest.raises(ZeroDivisionError), store.write() as writer:  # noqa: PT012  # the whole block is undone
            writer.remember("s", "k", b"1", status=200, body=b"")
            raise ZeroDivisionError
        with store.read() as reader:
            assert reader.recall("s", "k", b"1") is None

    def begun(self, store, fingerprint: bytes = b"1") -> str:
        """Begin a job under a key, or find the one that the key names; returns its id."""
        with store.write() as writer:
            earlier = writer.recall("s", "k", fingerprint)
            if earlier is not None:
                return json.loads(earlier.body)["id"]
            job = writer.create_job("import", "c1")
            writer.remember("s", "k", fingerprint, status=202, body=json.dumps({"id": job.id}).encode())
            return job.id

    @pytest.mark.parametrize("fingerprint", [b"1", b"mended"])
    def test_an_answer_that_named_a_job_is_forgotten_once_it_failed(self, store, fingerprint):
        first = self.begun(store)
        assert self.begun(store) == first
        with pytest.raises(IdempotencyConflictError):
            self.begun(store, b"mended")
        with store.write() as writer:
            writer.finish_job(first, error={"code": "x"})
        second = self.begun(store, fingerprint)
        assert second != first
        with store.write() as writer:
            writer.finish_job(second, result={})
        assert self.begun(store, fingerprint) == second

    def test_after_a_lost_job_two_replicas_begin_one(self, store, database_url, open_store, clock):
        other = open_store(database_url, digits=DIGITS, clock=clock)
        lost = self.begun(store)
        clock.forward(seconds=61)
        assert other.job(lost).state == "failed"
        with ThreadPoolExecutor(4) as threads:
            found = set(threads.map(self.begun, [store, other] * 4))
        assert len(found) == 1
        assert lost not in found


class TestJobs:
    @pytest.fixture
    def other(self, open_store, database_url, clock):
        """Open the same database as another process does."""
        return open_store(database_url, digits=DIGITS, clock=clock)

    @pytest.fixture
    def job(self, store):
        with store.write() as writer:
            return writer.create_job("import", "c1", total=10)

    def test_its_life(self, store, job, clock):
        assert (job.state, job.progress, job.total, job.cohort_id) == ("queued", 0, 10, "c1")
        with store.write() as writer:
            assert writer.start_job(job.id).state == "running"
        clock.forward(seconds=1)
        store.beat(job.id, 4)
        assert (store.job(job.id).progress, store.job(job.id).total) == (4, 10)
        with store.write() as writer:
            writer.finish_job(job.id, result={"added": 10})
        ended = store.job(job.id)
        assert (ended.state, ended.result, ended.error, ended.progress) == ("succeeded", {"added": 10}, None, 4)

    def test_one_that_failed(self, store, job):
        with store.write() as writer:
            writer.finish_job(job.id, error={"code": "x"})
        assert (store.job(job.id).state, store.job(job.id).error) == ("failed", {"code": "x"})

    def test_one_that_is_not_there(self, store):
        with pytest.raises(JobNotFoundError):
            store.job("nix")

    def test_it_ends_once(self, store, job):
        with store.write() as writer:
            writer.finish_job(job.id)
        with pytest.raises(JobLostError), store.write() as writer:
            writer.finish_job(job.id)

    def test_another_process_sees_how_far_it_is(self, store, job, other):
        store.beat(job.id, 7, 20)
        assert (other.job(job.id).progress, other.job(job.id).total) == (7, 20)

    def test_a_job_of_a_dead_process_is_failed_by_who_asks(self, store, job, other, clock):
        clock.forward(seconds=59)
        assert other.job(job.id).state == "queued"
        clock.forward(seconds=2)
        assert store.job(job.id).state == "queued", "its own process knows better"
        lost = other.job(job.id)
        assert (lost.state, lost.error["code"]) == ("failed", "job_lost")

    def test_a_job_that_was_given_up_keeps_nothing(self, store, cohort, job, other, clock):
        clock.forward(minutes=5)
        with other.write() as writer:
            assert writer.give_up_jobs() == 1
        with pytest.raises(JobLostError), store.write() as writer:  # noqa: PT012  # the whole block is undone
            writer.add(writer.lock(cohort.id), [row("P4")])
            writer.finish_job(job.id)
        with store.read() as reader:
            assert reader.cohort(cohort.id).n == 3

    def test_a_sign_of_life_keeps_it(self, store, job, other, clock):
        clock.forward(seconds=50)
        store.beat(job.id, 1)
        clock.forward(seconds=50)
        assert other.job(job.id).state == "queued"

    @pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed"])
    def test_it_goes_with_its_cohort(self, store, cohort, job, state):
        """Its report names patients."""
        with store.write() as writer:
            of_it, kept = writer.create_job("import", cohort.id), writer.create_job("import", cohort.id)
            if state == "running":
                writer.start_job(of_it.id)
            elif state != "queued":
                report = {"patient_ids": ["P1"]}
                writer.finish_job(of_it.id, **{"result" if state == "succeeded" else "error": report})
        with store.write() as writer:
            writer.delete(writer.lock(cohort.id), but_job=kept.id)
        with pytest.raises(JobNotFoundError):
            store.job(of_it.id)
        with pytest.raises(JobLostError), store.write() as writer:
            writer.finish_job(of_it.id, error={"patient_ids": ["P1"]})
        assert {store.job(one.id).state for one in (job, kept)} == {"queued"}

    def test_progress_is_told_while_a_change_holds_the_database(self, store, cohort, job):
        with store.write() as writer:
            writer.add(writer.lock(cohort.id), [row("P4")])
            store.beat(job.id, 5)
            assert store.job(job.id).progress == 5

    def test_progress_is_told_while_the_job_itself_is_being_written(self, store, job):
        with store.write() as writer:
            writer.start_job(job.id)
            store.beat(job.id, 5)
        assert store.job(job.id).progress == 5
