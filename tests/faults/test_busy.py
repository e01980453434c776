"""Another process holds the lock, or every connection is in use: 503 with Retry-After, and it passes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.cohort_api import record
from tests.serving import NDJSON, Answer, Client, Service, recount

ONE = json.dumps(record(50)) + "\n"


@contextmanager
def held(url: str, cohort_id: str) -> Iterator[None]:
    """Hold what a writer of the cohort needs, from outside: the file's lock, or the cohort's row."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as connection:
            connection.execute("SELECT 1 FROM cohorts WHERE id = %s FOR UPDATE", (cohort_id,))
            yield
            connection.rollback()


def at_once(client: Client, *questions: tuple[str, str, str | None]) -> list[Answer]:
    """Ask all of it at the same time."""
    answers: list[Answer | None] = [None] * len(questions)

    def ask(place: int) -> None:
        method, path, body = questions[place]
        answers[place] = client.ask(method, path, body, content_type=NDJSON)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]


@pytest.fixture
def serve(database_url, tmp_path):
    started: list[Service] = []

    def start(**settings: str) -> tuple[Service, str]:
        service = Service(database_url, Path(tmp_path / "log"), **settings).start()
        started.append(service)
        assert service.ask("GET", "/v1/cohorts/study").status == 200
        return service, service.create([record(1)]).headers["location"]

    yield start
    for service in started:
        service.stop()
        service.assert_sound()
    assert set(recount(database_url).values()) == {True}


def test_a_lock_of_another_process(database_url, serve):
    service, path = serve(database_timeout_seconds="0.5")
    with held(database_url, path.rpartition("/")[2]):
        refused = service.ask("POST", f"{path}/patients", ONE, content_type=NDJSON)
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert refused.headers["content-type"] == "application/problem+json"
        # Reading waits for nobody.
        assert service.ask("GET", path).json["n"] == 1
        assert service.ask("GET", f"{path}/analysis/characteristics").status == 200
        assert service.ask("GET", "/readyz").status == 200
    assert service.ask("POST", f"{path}/patients", ONE, content_type=NDJSON).status == 200
    assert service.ask("GET", path).json["n"] == 2


def test_a_lock_that_goes_in_time_is_waited_for(database_url, serve):
    service, path = serve(database_timeout_seconds="20")
    found: list[Answer] = []
    asking = threading.Thread(
        target=lambda: found.append(service.ask("POST", f"{path}/patients", ONE, content_type=NDJSON))
    )
    with held(database_url, path.rpartition("/")[2]):
        asking.start()
        asking.join(0.7)
        assert asking.is_alive()
    asking.join()
    assert found[0].status == 200


def test_every_connection_is_in_use(database_url, serve):
    """The one connection waits for a lock; whoever else needs one is told so, and what needs none is answered."""
    service, path = serve(database_pool_size="1", database_timeout_seconds="1")
    light = b'{"weight_kg": 25, "critically_ill": true}'
    with held(database_url, path.rpartition("/")[2]):
        writes = [("POST", f"{path}/patients", ONE)] * 4
        answers = at_once(service, *writes, *[("GET", path, None)] * 6, ("GET", "/livez", None))
        assert {answer.status for answer in answers[:4]} == {503}
        assert {answer.status for answer in answers[4:-1]} <= {200, 503}
        assert answers[-1].status == 200
        busy = [answer for answer in answers if answer.status == 503]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in busy)
        assert any("too busy" in answer.json["detail"] for answer in busy)
        dose = service.ask("POST", "/v1/anakinra/dose", light, content_type="application/json")
        assert dose.status == 200
    assert {answer.status for answer in at_once(service, *[("GET", path, None)] * 6)} == {200}
    assert service.ask("POST", f"{path}/patients", ONE, content_type=NDJSON).status == 200
