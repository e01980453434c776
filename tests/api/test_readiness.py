"""Ready is who has a rulebook and a migrated database within reach; alive, and able to calculate, is who has none."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from app.api.readiness import Readiness
from app.api.routes import CalculatorRoute
from app.clinical.rulebook import Rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.errors import DatabaseUnavailableError
from app.database.database import DatabaseStatus
from app.database.revision import HEAD
from app.main import assemble, create_app
from app.settings import load_settings

GONE = "postgresql://nobody:canary@127.0.0.1:1/none"
DOSE = {"weight_kg": 25, "critically_ill": True}
READY = DatabaseStatus("ready", HEAD, "")


def settings(url: str):
    return load_settings({"DEFERVESCE_DATABASE_URL": url, "DEFERVESCE_LOG_LEVEL": "error"})


def test_ready_with_a_migrated_database(database_url):
    with TestClient(create_app(settings(database_url))) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "rulebook": "loaded",
        "database": "reachable",
        "schema_revision": HEAD,
    }


@pytest.fixture(scope="module")
def without_a_database():
    with TestClient(create_app(settings(GONE))) as client:
        yield client


def test_not_ready_without_a_database(without_a_database):
    answer = without_a_database.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["type"] == "/problems/not-ready"
    assert answer.json()["detail"] == "The database cannot be reached."
    assert "canary" not in answer.text


def test_alive_and_able_to_calculate_without_a_database(without_a_database):
    assert without_a_database.get("/livez").status_code == 200
    assert without_a_database.post("/v1/anakinra/dose", json=DOSE).status_code == 200


def test_not_ready_before_the_migration(empty_url):
    with TestClient(create_app(settings(empty_url))) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "defervesce migrate" in answer.json()["detail"]


def test_a_database_that_cannot_be_used_is_a_problem_that_says_when_to_come_back():
    router = APIRouter(route_class=CalculatorRoute)

    @router.get("/v1/kept", operation_id="kept")
    async def kept() -> dict[str, str]:
        raise DatabaseUnavailableError("locked", "SQLITE_BUSY")

    @router.get("/v1/kept/{name}", operation_id="kept_by_fastapi")
    async def kept_by_fastapi(name: str) -> dict[str, str]:
        raise DatabaseUnavailableError("full", name)

    client = TestClient(assemble(settings("sqlite://"), Rulebook([]), [router]))
    for path, seconds in (("/v1/kept", "2"), ("/v1/kept/x", "30")):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, seconds)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/database-unavailable"
    assert client.get("/problems/database-unavailable").json()["status"] == 503


def test_the_start_opens_the_database(sqlite_url, monkeypatch):
    """In the background, after the start."""
    monkeypatch.setattr("app.main._WARM_UP_SECONDS", 0)
    done = threading.Event()
    monkeypatch.setattr(CohortDatabase, "warm_up", lambda _: done.set())
    with TestClient(create_app(settings(sqlite_url))):
        assert done.wait(10)


def test_warming_up_a_database_that_is_not_there_is_no_fault():
    CohortDatabase(GONE, timeout_seconds=1).warm_up()


class Scripted:
    """Answers what it is told to, and counts how often it was asked."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = 0

    def status(self):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ask(readiness: Readiness) -> str:
    return asyncio.run(readiness.status()).state


@pytest.fixture
def make_readiness():
    made = []

    def make(database, **options) -> Readiness:
        made.append(Readiness(database, **options))
        return made[-1]

    yield make
    for readiness in made:
        readiness.close()


def test_the_state_is_remembered_for_a_second(make_readiness):
    now = [0.0]
    database = Scripted(READY, DatabaseStatus("unreachable", None, "gone"))
    readiness = make_readiness(database, clock=lambda: now[0])
    assert [ask(readiness) for _ in range(3)] == ["ready", "ready", "ready"]
    assert database.asked == 1
    now[0] = 1.5
    assert ask(readiness) == "unreachable"
    assert database.asked == 2


def test_a_fault_in_asking_is_not_ready_and_no_500(make_readiness):
    readiness = make_readiness(Scripted(RuntimeError("canary"), READY), kept=-1)
    assert ask(readiness) == "unreachable"
    assert ask(readiness) == "ready"


def test_a_database_that_hangs_is_told_as_unreachable_and_asked_once(make_readiness):
    released, asked = threading.Event(), []

    class Hanging:
        def status(self):
            asked.append(1)
            released.wait(30)
            return READY

    readiness = make_readiness(Hanging(), patience=0.02)

    async def twice():
        states = [(await readiness.status()).state for _ in range(2)]
        released.set()
        while (state := (await readiness.status()).state) != "ready":
            states.append(state)
        return states

    assert set(asyncio.run(twice())) == {"unreachable"}
    assert len(asked) == 1


def test_it_can_be_asked_after_it_was_closed(make_readiness):
    readiness = make_readiness(Scripted(READY))
    assert ask(readiness) == "ready"
    readiness.close()
    assert ask(readiness) == "ready"
