"""`kill -9` at any instant of an import: whole or not there, what was answered is there, and a retry makes one."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.cohort_api import record
from tests.serving import JSON, NDJSON, ROOT, Service, recount

PATIENTS = 300
TRIALS = int(os.environ.get("DEFERVESCE_TEST_KILLS", "12"))


class Victim:
    """The process that forks imports."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.faults.victim", url, str(PATIENTS)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._heard() == "ready"

    def _heard(self) -> str:
        line = self._process.stdout.readline()
        assert line, "the victim ended by itself"
        return line.strip()

    def begin(self, key: str) -> int:
        """Let it fork; returns the child's process id."""
        self._process.stdin.write(f"{key}\n")
        return int(self._heard())

    def until(self, word: str) -> None:
        """Listen until the child says this."""
        while self._heard() != word:
            pass

    def rest(self) -> list[str]:
        """Return what else the child said until it ended."""
        return list(iter(self._heard, "ended"))

    def whole(self, key: str) -> tuple[str, float]:
        """Import to the end; returns the cohort's id and how long it took."""
        started = time.monotonic()
        self.begin(key)
        said = self.rest()
        return said[-1].removeprefix("answered "), time.monotonic() - started

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture
def victim(database_url):
    made = Victim(database_url)
    yield made
    made.close()


def named(store, name: str) -> list[tuple[str, int, int]]:
    """Return the cohorts of a name: id, n as kept, and patients that are really there."""
    with store.read() as reader:
        return [
            (cohort.id, cohort.n, sum(len(page) for page in reader.stream(cohort)))
            for cohort in reader.cohorts(limit=10_000)
            if cohort.name == name
        ]


@pytest.mark.parametrize("around", ["anywhere", "the commit"])
def test_at_many_instants(database_url, open_store, victim, around):
    """Half of the children are killed anywhere, half within a few milliseconds of their commit."""
    chance = random.Random(around)  # noqa: S311  # instants, no secrets
    _, seconds = victim.whole("measure")
    store = open_store(database_url, timeout_seconds=20)
    left: dict[bool, int] = {True: 0, False: 0}
    for trial in range(TRIALS):
        key = f"{around} {trial}"
        child = victim.begin(key)
        if around == "the commit":
            victim.until("commit")
            time.sleep(chance.choice([0, chance.uniform(0, 0.001), chance.uniform(0, 0.01)]))
        else:
            time.sleep(chance.uniform(0, seconds * 1.1))
        with suppress(ProcessLookupError):  # it may be done already
            os.kill(child, signal.SIGKILL)
        answered = [line.removeprefix("answered ") for line in victim.rest() if line.startswith("answered ")]
        found = named(store, key)
        assert found in ([], [(found[0][0] if found else "", PATIENTS, PATIENTS)])
        if answered:
            assert [cohort_id for cohort_id, _, _ in found] == answered
        left[bool(found)] += 1
        # The caller, who heard nothing, sends the same again.
        retried, _ = victim.whole(key)
        assert named(store, key) == [(retried, PATIENTS, PATIENTS)]
        if found:
            assert retried == found[0][0]
    assert [cohort.id for cohort, differed in store.rebuild() if differed] == []
    if around == "anywhere":
        assert left[False], "every child was done before it was killed"


def test_the_service_itself(database_url, tmp_path):
    """The same through the door: `defervesce serve` is killed under requests, and started again."""
    service = Service(database_url, tmp_path / "log").start()
    chance = random.Random(3)  # noqa: S311  # instants, no secrets
    acknowledged: dict[str, str] = {}
    try:
        for trial in range(4):
            answers: list[tuple[str, int, str]] = []

            def create(key: str, into: list[tuple[str, int, str]] = answers) -> None:
                try:
                    answer = service.create([record(n) for n in range(PATIENTS)], key, idempotency_key=key)
                except (OSError, http.client.HTTPException):
                    return
                into.append((key, answer.status, answer.headers.get("location", "")))

            keys = [f"{trial}-{number}" for number in range(4)]
            senders = [threading.Thread(target=create, args=(key,)) for key in keys]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0.05, 1.2))
            service.kill()
            for sender in senders:
                sender.join()
            assert {status for _, status, _ in answers} <= {201}
            acknowledged |= {key: location for key, _, location in answers}
            service.start()
            # Everybody sends again, whether they heard an answer or not.
            for key in keys:
                again = service.create([record(n) for n in range(PATIENTS)], key, idempotency_key=key)
                assert again.status == 201
                assert acknowledged.setdefault(key, again.headers["location"]) == again.headers["location"]
        listed = [cohort for cohort in service.cohorts() if cohort["id"] not in {"study", "example"}]
        assert sorted(cohort["name"] for cohort in listed) == sorted(acknowledged)
        assert {cohort["n"] for cohort in listed} == {PATIENTS}
    finally:
        service.stop()
    service.assert_sound()
    assert set(recount(database_url).values()) == {True}


def test_a_job_whose_process_was_killed_is_told_as_failed(database_url, tmp_path, open_store):
    """It is found out by whoever asks once its lease is over; here the asker's clock is past that."""
    service = Service(database_url, tmp_path / "log").start()
    try:
        path = service.ask("POST", "/v1/cohorts", b'{"name":"a"}', content_type=JSON).headers["location"]
        many = "".join(json.dumps(record(n, patient_id=f"P{n}")) + "\n" for n in range(20_000))
        begun = service.ask("POST", f"{path}/patients", many, content_type=NDJSON, prefer="respond-async")
        assert begun.status == 202
        service.kill()
        service.start()
        assert service.ask("GET", path).json["n"] == 0
        job = service.ask("GET", begun.headers["location"])
        assert job.json["status"] in {"queued", "running"}
    finally:
        service.stop()
    store = open_store(database_url, clock=lambda: datetime.now(UTC) + timedelta(minutes=2))
    lost = store.job(begun.headers["location"].rpartition("/")[2])
    assert (lost.state, lost.error["code"]) == ("failed", "job_lost")
