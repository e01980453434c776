"""PostgreSQL stopped at once and started again under load: 503 meanwhile, nothing lost, and nobody lends a hand."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from app.database.schema import migrate
from tests.cohort_api import record
from tests.databases import own_server
from tests.serving import Answer, Service, recount

PATIENTS = 40


class Sender(threading.Thread):
    """Creates one cohort after the other, each until it is acknowledged; takes down every answer."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._service, self._number = service, number
        self.ended = threading.Event()
        self.answers: list[Answer] = []
        self.acknowledged: dict[str, str] = {}

    def run(self) -> None:
        turn = 0
        while not self.ended.is_set():
            turn += 1
            self._until_acknowledged(f"{self._number}-{turn}")

    def _until_acknowledged(self, key: str) -> None:
        while True:
            answer = self._service.create([record(n) for n in range(PATIENTS)], key, idempotency_key=key)
            self.answers.append(answer)
            if answer.status == 201:
                self.acknowledged[key] = answer.headers["location"].rpartition("/")[2]
                return
            if self.ended.is_set():
                return
            time.sleep(0.1)


class Reader(threading.Thread):
    """Reads all the while what needs the database, and what does not."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self.ended = threading.Event()
        self.answers: list[Answer] = []
        self.alive: set[int] = set()

    def run(self) -> None:
        while not self.ended.is_set():
            self.answers.append(self._service.ask("GET", "/v1/cohorts/study/analysis/characteristics"))
            self.alive.add(self._service.ask("GET", "/livez").status)
            self.alive.add(self._service.ask("GET", "/v1/ctcae/terms?limit=1").status)
            time.sleep(0.02)


@pytest.fixture
def server():
    """Give a server of this test's own, even where one is named: that one is not ours to stop."""
    with own_server() as (server, handle):
        yield server, handle


def stop_at_once(handle) -> None:
    """Stop it as `pg_ctl stop -m immediate` does: no transaction is ended, no file is closed."""
    postmaster = int(Path(handle.pgdata, "postmaster.pid").read_text().split("\n")[0])
    os.kill(postmaster, signal.SIGQUIT)
    while Path(f"/proc/{postmaster}").exists() and "Z (" not in Path(f"/proc/{postmaster}/status").read_text():
        time.sleep(0.02)


def test_under_load(server, tmp_path):
    postgresql, handle = server
    url = postgresql.create("cohorts")
    migrate(url)
    service = Service(url, tmp_path / "log", database_timeout_seconds="2").start()
    senders, reader = [Sender(service, number) for number in range(3)], Reader(service)
    everybody = [*senders, reader]
    try:
        for one in everybody:
            one.start()
        for _ in range(2):
            before = sum(len(sender.acknowledged) for sender in senders)
            while sum(len(sender.acknowledged) for sender in senders) < before + 6:
                time.sleep(0.05)
            stop_at_once(handle)
            not_ready = service.wait("/readyz", lambda answer: answer.status == 503)
            assert b"cannot be reached" in not_ready.body
            time.sleep(1)
            handle.ensure_postgres_running()
            service.wait("/readyz")
        before = sum(len(sender.acknowledged) for sender in senders)
        while sum(len(sender.acknowledged) for sender in senders) < before + 6:
            time.sleep(0.05)
    finally:
        for one in everybody:
            one.ended.set()
        for one in everybody:
            one.join()
    try:
        answers = [answer for one in everybody for answer in one.answers]
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.status for answer in answers} == {200, 201, 503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert {answer.headers["content-type"] for answer in refused} == {"application/problem+json"}
        assert reader.alive == {200}, "what needs no database was not answered"
        found = {cohort["name"]: (cohort["id"], cohort["n"]) for cohort in service.cohorts()}
        listed = [cohort["name"] for cohort in service.cohorts()]
    finally:
        service.stop()
    service.assert_sound()
    acknowledged = {name: (one, PATIENTS) for sender in senders for name, one in sender.acknowledged.items()}
    assert {name: found.get(name) for name in acknowledged} == acknowledged
    assert len(set(listed)) == len(listed), "a retry made a second cohort"
    assert {n for name, (_, n) in found.items() if "-" in name[:4]} == {PATIENTS}
    assert set(recount(url).values()) == {True}
