"""A migration while replicas of this release serve: what is under way ends whole, and what no longer fits says so.

The schema of a next release is made up here: what such a migration does (a column, a table, a name) is done to a
database that is in use. docs/operations.md gives the order that follows from it.
"""

from __future__ import annotations

import json
import threading

import psycopg
import pytest
import sqlalchemy as sa

from alembic import command
from app.database import schema
from app.database.engine import WRITES, make_engine
from app.database.errors import DatabaseUnavailableError
from app.database.probe import revision_of
from app.database.revision import HEAD
from app.database.schema import config, known_revisions, migrate
from tests.cohort_api import Api, record
from tests.serving import NDJSON, Service, recount, run

NEXT = "9999"
# A column with a default and a table: a release that knows neither goes on.
COMPATIBLE = (
    "ALTER TABLE cohorts ADD COLUMN ward VARCHAR(64) NOT NULL DEFAULT 'none'",
    "CREATE TABLE wards (id VARCHAR(64) PRIMARY KEY)",
)
INCOMPATIBLE = {
    "renamed": ("ALTER TABLE cohorts RENAME COLUMN n TO patients_n",),
    "gone": (
        "ALTER TABLE jobs RENAME TO tasks",
        "ALTER TABLE strata RENAME TO layers",
        "ALTER TABLE cohorts RENAME TO c",
    ),
}


def upgrade(url: str, statements: tuple[str, ...], revision: str = NEXT) -> None:
    """Do what a migration does, as it is done: in one transaction, anew where PostgreSQL breaks it off."""
    for _ in range(schema._ATTEMPTS):
        try:
            return _upgrade(url, statements, revision)
        except sa.exc.OperationalError as exc:
            if getattr(exc.orig, "sqlstate", None) != schema._DEADLOCK:
                raise
    raise AssertionError("broken off every time")


def _upgrade(url: str, statements: tuple[str, ...], revision: str) -> None:
    engine = make_engine(url, timeout_seconds=60)
    try:
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            for statement in statements:
                connection.execute(sa.text(statement))
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    finally:
        engine.dispose()


def must_be_filled(url: str) -> tuple[str, ...]:
    """Return what makes a column that an older release does not fill."""
    if url.startswith("postgresql"):
        return (
            "ALTER TABLE cohorts ADD COLUMN ward TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE cohorts ALTER COLUMN ward DROP DEFAULT",
        )
    columns = "id, kind, cohort_id, state, progress, total, result, error, owner, created_at, updated_at"
    return ("DROP TABLE jobs", f"CREATE TABLE jobs ({columns}, ward NOT NULL)")


class Load(threading.Thread):
    """Creates cohorts in several steps; takes down the answers."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._service, self._number = service, number
        self.ended = threading.Event()
        self.statuses: set[int] = set()
        self.acknowledged: dict[str, int] = {}

    def run(self) -> None:
        while not self.ended.is_set():
            made = self._service.create([record(n, patient_id=f"P{n}") for n in range(100)])
            self.statuses.add(made.status)
            if made.status == 201:
                path = made.headers["location"]
                self.acknowledged[made.json["id"]] = 100
                more = "".join(json.dumps(record(n, patient_id=f"Q{n}")) + "\n" for n in range(50))
                added = self._service.ask("POST", f"{path}/patients", more, content_type=NDJSON)
                self.statuses.add(added.status)
                if added.status == 200:
                    self.acknowledged[made.json["id"]] = 150


def under_load(service: Service, act) -> tuple[set[int], dict[str, int]]:
    """Do something while cohorts are created, and let them be created for a while afterwards."""
    writers = [Load(service, number) for number in range(2)]
    for writer in writers:
        writer.start()
    try:
        while sum(len(writer.acknowledged) for writer in writers) < 4:
            writers[0].ended.wait(0.05)
        act()
        writers[0].ended.wait(1)
    finally:
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.join()
    statuses = set.union(*(writer.statuses for writer in writers))
    return statuses, {cohort: n for writer in writers for cohort, n in writer.acknowledged.items()}


def test_a_migration_that_only_adds(database_url, tmp_path):
    """The older release goes on and loses nothing; it says that it is not ready, so that nobody sends it more."""
    service = Service(database_url, tmp_path / "log").start()
    try:
        statuses, acknowledged = under_load(service, lambda: upgrade(database_url, COMPATIBLE))
        assert statuses <= {200, 201, 503}
        told = service.wait("/readyz", lambda answer: answer.status == 503)
        assert f"revision {NEXT}; this release needs {HEAD}" in told.json["detail"]
        assert service.ask("GET", "/livez").status == 200
        found = {one["id"]: one["n"] for one in service.cohorts() if one["id"] != "study"}
        assert {cohort: found.get(cohort, 0) >= n for cohort, n in acknowledged.items()} == dict.fromkeys(
            acknowledged, True
        )
        assert set(found.values()) <= {100, 150}
        # Back again, as a rollback of the release is: ready without a restart.
        upgrade(database_url, (), HEAD)
        service.wait("/readyz")
    finally:
        service.stop()
    service.assert_sound()
    assert set(recount(database_url).values()) == {True}


@pytest.mark.parametrize("change", INCOMPATIBLE)
def test_a_migration_that_takes_away(database_url, tmp_path, change):
    """The older release answers 503 from then on, never a 500, and every change is whole."""
    service = Service(database_url, tmp_path / "log").start()
    try:
        statuses, acknowledged = under_load(service, lambda: upgrade(database_url, INCOMPATIBLE[change]))
        assert statuses <= {200, 201, 503}
        assert 503 in statuses
        refused = service.ask("GET", "/v1/cohorts")
        assert refused.status == 503
        assert "defervesce migrate" in refused.json["detail"]
        assert int(refused.headers["retry-after"]) >= 1
        assert (
            service.ask("POST", "/v1/anakinra/dose", b'{"weight_kg":25}', content_type="application/json").status == 200
        )
    finally:
        service.stop()
    service.assert_sound()
    engine = make_engine(database_url)
    table, n = ("c", "n") if change == "gone" else ("cohorts", "patients_n")
    with engine.connect() as connection:
        kept = {row.id: row[1] for row in connection.execute(sa.text(f"SELECT id, {n} FROM {table}"))}  # noqa: S608  # our own names
        counted = f"SELECT c.id, count(*) FROM {table} c JOIN patients ON cohort_number = number GROUP BY c.id"  # noqa: S608  # as above
        real = {row.id: row[1] for row in connection.execute(sa.text(counted))}
    engine.dispose()
    assert kept == real
    assert {cohort: kept.get(cohort, 0) >= n for cohort, n in acknowledged.items()} == dict.fromkeys(acknowledged, True)


def test_a_column_that_this_release_does_not_fill(database_url):
    """A change that the schema refuses is not a fault of ours: 503, and nothing is kept."""
    api = Api(database_url)
    try:
        assert api.client.get("/v1/cohorts/study").status_code == 200
        path = api.create(record(1))
        upgrade(database_url, must_be_filled(database_url))
        asked = (
            api.client.post("/v1/cohorts", json={"name": "a", "patients": []})
            if database_url.startswith("postgresql")
            else api.add(path, json.dumps(record(2)) + "\n", prefer="respond-async")
        )
        assert asked.status_code == 503, asked.text
        assert "defervesce migrate" in asked.json()["detail"]
        assert "Traceback" not in api.logged()
    finally:
        api.close()


@pytest.mark.parametrize("revision", sorted({"base", *known_revisions()} - {HEAD}))
def test_a_newer_release_before_the_migration(empty_url, tmp_path, revision):
    """It starts, says what is missing, answers what needs no database, and is ready once somebody has migrated."""
    migrate(empty_url)
    if revision != HEAD:
        command.downgrade(config(empty_url), revision)
    service = Service(empty_url, tmp_path / "log").start(ready=False)
    try:
        told = service.wait("/readyz", lambda answer: answer.status == 503 and "revision" in answer.json["detail"])
        assert "defervesce migrate" in told.json["detail"]
        assert (
            service.ask("POST", "/v1/anakinra/dose", b'{"weight_kg":25}', content_type="application/json").status == 200
        )
        assert service.ask("GET", "/v1/cohorts").status in {200, 503}
        assert service.create([record(1)]).status in {201, 503}
        if revision == "base":
            assert service.create([record(1)]).status == 503
        assert run(empty_url, "migrate").returncode == 0
        service.wait("/readyz")
        assert service.create([record(1)]).status == 201
    finally:
        service.stop()
    service.assert_sound()


def test_a_migration_that_is_broken_off_is_tried_again(empty_url, monkeypatch):
    real, broken = command.upgrade, []

    def upgrade_(made, revision):
        if len(broken) < 3:
            broken.append(revision)
            raise psycopg.errors.DeadlockDetected
        real(made, revision)

    monkeypatch.setattr(command, "upgrade", upgrade_)
    migrate(empty_url)
    assert len(broken) == 3
    assert revision_of(empty_url, 5) == HEAD


def test_a_migration_is_not_tried_for_ever(empty_url, monkeypatch):
    tried = []

    def upgrade_(*_):
        tried.append(1)
        raise psycopg.errors.DeadlockDetected

    monkeypatch.setattr(command, "upgrade", upgrade_)
    with pytest.raises(DatabaseUnavailableError):
        migrate(empty_url)
    assert len(tried) == schema._ATTEMPTS
