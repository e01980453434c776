"""A database that is locked, read-only, full, damaged, busy, gone, or whose process dies: never half a cohort."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from app.cohorts.errors import DatabaseUnavailableError
from app.cohorts.store import bulk
from app.database import engine as engines
from app.database.reasons import reason_of
from app.database.schema import migrate
from tests.cohort_rows import DIGITS, RULES, row
from tests.databases import own_server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def opened(open_store):
    return lambda url, **options: open_store(url, digits=DIGITS, **({"timeout_seconds": 0.2} | options))


def create(store, rows=()):
    with store.write() as writer:
        cohort = writer.create("c", None, RULES)
        writer.add(cohort, rows)
    return cohort


def refused(store, act) -> DatabaseUnavailableError:
    with pytest.raises(DatabaseUnavailableError) as caught, store.write() as writer:
        act(writer)
    assert caught.value.__cause__ is None, "its text may hold a patient's row"
    return caught.value


def many(number: int = 2000, prefix: str = "P"):
    return (row(f"{prefix}{index}", age_years=index % 180, male=index % 2) for index in range(number))


def assert_whole(store, cohort, n: int) -> None:
    """Check that the cohort has so many rows, says so, and that its counts agree."""
    with store.read() as reader:
        assert reader.cohort(cohort.id).n == n
        assert sum(len(page) for page in reader.stream(cohort)) == n
    assert [differed for _, differed in store.rebuild(cohort.id)] == [False]


class TestLocked:
    def test_a_second_writer_waits_no_longer_than_allowed(self, sqlite_url, opened):
        first, second = opened(sqlite_url), opened(sqlite_url)
        cohort = create(first)
        with first.write() as writer:
            writer.add(writer.lock(cohort.id), many(10))
            error = refused(second, lambda w: w.lock(cohort.id))
        assert (error.reason, error.code, error.retry_after) == ("locked", "SQLITE_BUSY", 2)
        assert_whole(second, cohort, 10)

    def test_a_second_writer_of_the_cohort_waits_no_longer_than_allowed(self, postgresql_url, opened):
        store = opened(postgresql_url)
        cohort = create(store)
        with store.write() as writer:
            writer.lock(cohort.id)
            error = refused(store, lambda w: w.lock(cohort.id))
            assert (error.reason, error.code) == ("locked", "55P03")
            other = create(store, many(5, "Q"))
            assert_whole(store, other, 5)

    def test_a_reader_never_waits(self, database_url, opened):
        store = opened(database_url)
        cohort = create(store, many(3))
        with store.write() as writer:
            writer.add(writer.lock(cohort.id), many(10, "Q"))
            assert_whole_by_reading(store, cohort, 3)

    def test_writers_of_one_cohort_queue(self, database_url, opened):
        store = opened(database_url, timeout_seconds=20)
        cohort = create(store)

        def add(writer_number: int) -> None:
            for step in range(5):
                with store.write() as writer:
                    writer.add(writer.lock(cohort.id), many(4, f"W{writer_number}-{step}-"))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        assert_whole(store, cohort, 80)
        with store.read() as reader:
            assert reader.cohort(cohort.id).version == 21

    def test_the_same_key_sent_twice_at_once_is_carried_out_once(self, database_url, opened):
        store = opened(database_url, timeout_seconds=20)
        both = threading.Barrier(2)

        def once(_: int) -> bytes:
            both.wait()
            with store.write() as writer:
                if (kept := writer.recall("s", "k", b"1")) is not None:
                    return kept.body
                body = writer.create("c", None, RULES).id.encode()
                writer.remember("s", "k", b"1", status=201, body=body)
                return body

        with ThreadPoolExecutor(2) as pool:
            answers = set(pool.map(once, range(2)))
        assert len(answers) == 1
        with store.read() as reader:
            assert len(reader.cohorts()) == 1


def assert_whole_by_reading(store, cohort, n: int) -> None:
    with store.read() as reader:
        assert reader.cohort(cohort.id).n == sum(reader.strata(cohort).values()) == len(reader.patients(cohort)) == n


class TestReadOnly:
    def test_sqlite(self, sqlite_url, opened, monkeypatch):
        cohort = create(opened(sqlite_url), many(3))
        monkeypatch.setattr(engines, "file_address", lambda path, _: f"file:{path}?mode=ro")
        store = opened(sqlite_url)
        error = refused(store, lambda w: w.add(w.lock(cohort.id), many(3, "Q")))
        assert (error.reason, error.retry_after) == ("read_only", 30)
        assert_whole_by_reading(store, cohort, 3)

    def test_postgresql(self, postgresql_url, opened):
        cohort = create(opened(postgresql_url), many(3))
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        store = opened(postgresql_url)
        error = refused(store, lambda w: w.create("d", None, RULES))
        assert (error.reason, error.code) == ("read_only", "25006")
        assert_whole_by_reading(store, cohort, 3)


class TestFull:
    def test_a_full_disk_leaves_nothing(self, sqlite_url, opened):
        store = opened(sqlite_url)
        cohort = create(store, many(3))

        def limit(connection, _):
            connection.execute("PRAGMA max_page_count = 60")

        store._engine.dispose()
        sa.event.listen(store._engine, "connect", limit)
        error = refused(store, lambda w: w.add(w.lock(cohort.id), many(5000, "Q")))
        assert (error.reason, error.code) == ("full", "SQLITE_FULL")
        sa.event.remove(store._engine, "connect", limit)
        store._engine.dispose()
        assert_whole(store, cohort, 3)

    @pytest.mark.parametrize(
        ("state", "reason"),
        [("53100", "full"), ("53300", "busy"), ("57P03", "gone"), ("40P01", "locked"), ("XX001", "damaged")],
    )
    def test_postgresqls_states(self, state, reason):
        assert reason_of(psycopg.errors.lookup(state)()) == (reason, state)

    def test_faults_of_our_own_are_not_the_databases(self):
        assert reason_of(psycopg.errors.lookup("42601")()) is None
        assert reason_of(psycopg.errors.lookup("23505")()) is None
        assert reason_of(ValueError()) is None
        with pytest.raises(sqlite3.OperationalError) as caught:
            sqlite3.connect(":memory:").execute("SELEC")
        assert reason_of(caught.value) is None


class TestDamaged:
    def test_a_file_that_is_no_database(self, tmp_path, opened):
        (tmp_path / "x.db").write_bytes(b"not a database, " * 1000)
        error = refused(opened(f"sqlite:///{tmp_path}/x.db"), lambda w: w.cohorts())
        assert error.reason == "damaged"

    def test_an_older_schema(self, database_url, opened):
        store = opened(database_url)
        with store._engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE cohorts RENAME COLUMN n TO m"))
        error = refused(store, lambda w: w.cohorts())
        assert error.reason == "schema"
        assert "defervesce migrate" in str(error)


class TestBusy:
    def test_every_connection_is_in_use(self, database_url, opened):
        store = opened(database_url, pool_size=1)
        with store.read() as reader:
            reader.cohorts()
            assert refused(store, lambda w: w.cohorts()).reason == "busy"
        create(store)

    def test_a_statement_that_takes_too_long(self, postgresql_url, opened):
        store = opened(postgresql_url)

        def sleep(writer):
            writer._connection.execute(sa.text("SET LOCAL statement_timeout = 50"))
            writer._connection.execute(sa.text("SELECT pg_sleep(5)"))

        assert (error := refused(store, sleep)).reason == "busy"
        assert error.code == "57014"


class TestGone:
    def test_a_connection_cut_in_mid_transaction_leaves_nothing(self, postgresql_url, opened):
        store = opened(postgresql_url)
        cohort = create(store, many(3))

        def cut(writer):
            locked = writer.lock(cohort.id)
            writer.add(locked, many(10, "Q"))
            pid = writer._connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            with psycopg.connect(postgresql_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            writer.add(locked, many(10, "R"))

        assert refused(store, cut).reason == "gone"
        assert_whole(store, cohort, 3)

    def test_a_connection_cut_while_rows_are_copied_leaves_nothing(self, postgresql_url, opened, monkeypatch):
        monkeypatch.setattr(bulk, "ROWS", 50)
        store = opened(postgresql_url)
        cohort = create(store)

        def rows(writer):
            yield from many(60)
            pid = writer._connection.connection.driver_connection.info.backend_pid
            with psycopg.connect(postgresql_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            yield from many(60, "Q")

        assert refused(store, lambda w: w.add(w.lock(cohort.id), rows(w))).reason == "gone"
        assert_whole(store, cohort, 0)

    def test_a_server_that_is_stopped_and_started_again(self, opened):
        with own_server() as (server, handle):
            url = server.create("cohorts")
            migrate(url)
            store = opened(url, timeout_seconds=2)
            cohort = create(store, many(3))
            handle.stop()
            assert refused(store, lambda w: w.lock(cohort.id)).reason == "gone"
            handle.ensure_postgres_running()
            fill = refused_or_done(store, cohort)
            assert fill == "done"
            assert_whole(store, cohort, 13)

    def test_a_database_that_was_dropped(self, postgresql_server, opened):
        url = postgresql_server.create("defervesce_dropped")
        migrate(url)
        store = opened(url)
        create(store)
        postgresql_server.drop("defervesce_dropped")
        assert refused(store, lambda w: w.cohorts()).reason == "gone"

    def test_no_password_is_told(self, opened):
        error = refused(opened("postgresql://nobody:canary@127.0.0.1:1/none"), lambda w: w.cohorts())
        assert error.reason == "gone"
        assert "canary" not in f"{error!r}{error}{error.code}"


def refused_or_done(store, cohort) -> str:
    try:
        with store.write() as writer:
            writer.add(writer.lock(cohort.id), many(10, "Q"))
    except DatabaseUnavailableError as exc:
        return exc.reason
    return "done"


IMPORT = """
import sys
from app.database.engine import make_engine
from app.cohorts.store import Store
from tests.cohort_rows import DIGITS, RULES, row
store = Store(make_engine(sys.argv[1]), digits=DIGITS)
with store.write() as writer:
    cohort = writer.create("acknowledged", None, RULES, cohort_id="first")
    writer.add(cohort, (row(f"P{index}", age_years=index % 180) for index in range(1500)))
print("first", flush=True)
def rows():
    for index in range(100_000):
        if index == 2500:
            print("half", flush=True)
            sys.stdin.read()
        yield row(f"Q{index}", age_years=index % 180)
with store.write() as writer:
    writer.add(writer.lock("first"), rows())
"""


def test_a_process_killed_in_mid_import_leaves_what_was_acknowledged(database_url, opened):
    command = [sys.executable, "-c", IMPORT, database_url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert [process.stdout.readline().strip() for _ in range(2)] == ["first", "half"]
        os.kill(process.pid, signal.SIGKILL)
    store = opened(database_url, timeout_seconds=10)
    with store.read() as reader:
        cohort = reader.cohort("first")
    assert_whole(store, cohort, 1500)
    with store.write() as writer:
        writer.add(writer.lock("first"), many(3, "R"))
    assert_whole(store, cohort, 1503)
