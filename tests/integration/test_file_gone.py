"""An SQLite file that is deleted or replaced under a running service: told, not written to, taken up when it is back.

An open file outlives its name: what is written into it is lost with the last process that holds it.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from app.cohorts.database import CohortDatabase
from app.cohorts.errors import DatabaseUnavailableError
from app.database.engine import make_engine
from app.database.schema import migrate
from app.database.watched_file import FileConnection, WatchedFile
from tests.cohort_api import Api, lines, record
from tests.cohort_rows import DIGITS, RULES, row

GONE = "The database file is gone or was replaced; the operator restores it, or runs `defervesce migrate`."
ASIDE = "aside.db"


@pytest.fixture
def path(sqlite_url) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def api(sqlite_url):
    made = Api(sqlite_url, database_timeout_seconds="1")
    made.app.readiness._kept = -1
    yield made
    made.app.readiness.close()
    made.close()


def delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def put_aside(path: Path) -> None:
    """Move the file away with all that SQLite kept in its log."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    path.rename(path.with_name(ASIDE))
    delete(path)


def replace(path: Path) -> None:
    put_aside(path)
    sqlite3.connect(path).execute("CREATE TABLE other (n INTEGER)").connection.close()


def asked(api: Api, cohort: str):
    client = api.client
    yield client.get("/v1/cohorts")
    yield client.get(cohort)
    yield client.get(f"{cohort}/patients")
    yield client.get("/v1/cohorts/study")
    yield client.post("/v1/cohorts", json={"name": "a"})
    yield client.post("/v1/cohorts", json={"name": "a", "patients": [record(1)]})
    yield api.add(cohort, lines(record(2)))
    yield client.delete(cohort, headers={"if-match": "*"})


@pytest.mark.parametrize("lose", [put_aside, replace])
def test_nothing_is_read_from_or_written_to_a_file_that_is_gone(api, path, lose):
    cohort = api.create(record(1))
    assert api.client.get("/readyz").status_code == 200
    before = api.state(cohort)
    lose(path)
    for answer in asked(api, cohort):
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "/problems/database-unavailable"
        assert int(answer.headers["retry-after"]) > 0
    ready = api.client.get("/readyz")
    assert (ready.status_code, ready.json()["detail"]) == (503, GONE)
    assert ready.headers["retry-after"]
    assert api.client.post("/v1/anakinra/dose", json={"weight_kg": 25, "critically_ill": True}).status_code == 200

    delete(path)
    path.with_name(ASIDE).rename(path)
    assert api.client.get("/readyz").status_code == 200
    assert api.state(cohort) == before
    assert api.add(cohort, lines(record(2))).status_code == 200


def test_a_deleted_file_is_told_with_its_cause_where_readiness_was_never_asked(api, path):
    cohort = api.create(record(1))
    delete(path)
    assert api.client.get(cohort).json()["detail"] == GONE
    assert api.client.get("/readyz").json()["detail"] == GONE


def test_a_new_database_in_its_place_is_taken_up_with_the_built_in_cohort(api, path):
    cohort = api.create(record(1))
    assert api.client.get("/v1/cohorts/study").status_code == 200
    delete(path)
    assert api.client.get(cohort).status_code == 503
    migrate(f"sqlite:///{path}")
    assert api.client.get(cohort).status_code == 404
    assert api.client.get("/v1/cohorts/study").status_code == 200
    assert [one["id"] for one in api.client.get("/v1/cohorts").json()["items"]] == ["study"]
    kept = api.create(record(1))
    assert api.client.get("/readyz").status_code == 200
    again = Api(f"sqlite:///{path}")
    assert again.client.get(kept).status_code == 200
    again.close()


def test_another_sound_database_in_its_place_is_taken_up_at_once(api, path, sqlite_template):
    cohort = api.create(record(1))
    shutil.copyfile(sqlite_template, path.with_name("other.db"))
    delete(path)
    path.with_name("other.db").replace(path)
    assert api.client.get(cohort).status_code == 404
    kept = api.create(record(1))
    again = Api(f"sqlite:///{path}")
    assert again.client.get(kept).status_code == 200
    again.close()


@pytest.mark.parametrize("lose", [delete, replace])
def test_a_file_lost_in_mid_change_is_not_acknowledged(sqlite_url, path, open_store, lose):
    store = open_store(sqlite_url, digits=DIGITS, timeout_seconds=0.2)

    def create() -> None:
        with store.write() as writer:
            writer.add(writer.create("c", None, RULES), [row("P1", age_years=3, male=1)])
            lose(path)

    with pytest.raises(DatabaseUnavailableError) as caught:
        create()
    assert caught.value.reason == "moved"


def held_files() -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(link.readlink()))
    return found


def test_every_connection_to_it_is_closed(sqlite_url, path, open_store):
    store = open_store(sqlite_url, pool_size=3)
    with store.read(), store.read(), store.read():
        pass
    assert len([target for target in held_files() if target == str(path)]) == 3
    delete(path)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailableError), store.read():
            pass
    migrate(sqlite_url)
    with store.read() as one, store.read() as two, store.read() as three:
        assert [reader.cohorts() for reader in (one, two, three)] == [[], [], []]
    assert not [target for target in held_files() if target == f"{path} (deleted)"]


def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken(sqlite_url, path, sqlite_template, monkeypatch):
    class Racing(FileConnection):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            shutil.copyfile(sqlite_template, path.with_name("other.db"))
            path.with_name("other.db").replace(path)

    monkeypatch.setattr("app.database.engine.FileConnection", Racing)
    engine = make_engine(sqlite_url)
    with pytest.raises(DatabaseUnavailableError) as caught:
        engine.connect()
    assert caught.value.reason == "moved"
    engine.dispose()


def test_looking_costs_one_stat(sqlite_url, open_store, monkeypatch):
    store = open_store(sqlite_url)
    with store.read():
        pass
    looks = []
    real = WatchedFile.identity
    monkeypatch.setattr(WatchedFile, "identity", lambda file: looks.append(1) or real(file))
    with store.read() as reader:
        reader.cohorts()
    assert len(looks) == 1
    with store.write() as writer:
        writer.create("c", None, RULES)
    assert len(looks) == 3


def test_a_database_in_memory_has_no_file_to_lose():
    database = CohortDatabase("sqlite://")
    for _ in range(2):
        with database.store.write() as writer:
            writer.create("c", None, RULES)
    assert database.appearance is None
    assert database.status().state == "ready"
    database.dispose()


def test_a_file_that_never_was_is_not_one_that_is_gone(tmp_path):
    database = CohortDatabase(f"sqlite:///{tmp_path}/none.db")
    assert database.status().state == "schema"
    with pytest.raises(DatabaseUnavailableError) as caught, database.store.read():
        pass
    assert caught.value.reason == "schema"
