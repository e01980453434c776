"""Two replicas write to one cohort at once: no change is lost, and the counts are those of the patients."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from tests.cohort_api import record
from tests.serving import JSON, NDJSON, Client, Service, recount


@pytest.fixture
def replicas(database_url, tmp_path):
    """Give two services on one database."""
    started = [Service(database_url, tmp_path / f"log{n}", database_timeout_seconds="20") for n in range(2)]
    try:
        for service in started:
            service.start()
        yield started
    finally:
        for service in started:
            service.stop()
    for service in started:
        service.assert_sound()
    assert set(recount(database_url).values()) == {True}


def together(*calls: Callable[[], None]) -> None:
    """Run calls on threads of their own; what one of them raises is raised."""
    failures: list[BaseException] = []

    def guarded(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as exc:  # noqa: BLE001  # told below
            failures.append(exc)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_no_update_is_lost(replicas):
    """Each reads the child, adds a kilogram, and puts it back if nobody else did so meanwhile."""
    path = replicas[0].create([record(1, weight_kg=10)]).headers["location"] + "/patients/P01"
    stale: list[int] = []

    def add(client: Client, times: int) -> None:
        while times:
            found = client.ask("GET", path)
            sent = found.json["record"] | {"weight_kg": found.json["record"]["weight_kg"] + 1}
            answer = client.ask("PUT", path, json.dumps(sent), content_type=JSON, if_match=found.headers["etag"])
            if answer.status == 200:
                times -= 1
            else:
                assert answer.status == 412, answer.body
                stale.append(answer.status)

    together(*(lambda client=client: add(client, 8) for client in (*replicas, *replicas)))
    assert replicas[0].ask("GET", path).json["record"]["weight_kg"] == 10 + 4 * 8
    assert stale, "they never met"


def test_of_two_with_one_etag_one_wins(replicas):
    path = replicas[0].create([record(n) for n in range(3)]).headers["location"]
    for turn in range(6):
        tag = replicas[0].ask("GET", path).headers["etag"]
        answers: list[int] = []

        def add(client: Client, number: int, tag: str = tag, into: list[int] = answers) -> None:
            sent = json.dumps(record(number, patient_id=f"N{number}")) + "\n"
            into.append(client.ask("POST", f"{path}/patients", sent, content_type=NDJSON, if_match=tag).status)

        together(lambda: add(replicas[0], 100 + 2 * turn), lambda: add(replicas[1], 101 + 2 * turn))  # noqa: B023  # run at once
        assert sorted(answers) == [200, 412]
    assert replicas[1].ask("GET", path).json["n"] == 3 + 6


def test_additions_and_removals_add_up(replicas):
    path = replicas[0].create([record(n, patient_id=f"P{n}") for n in range(20)]).headers["location"]

    def add(client: Client, prefix: str) -> None:
        for turn in range(5):
            sent = "".join(json.dumps(record(n, patient_id=f"{prefix}{turn}{n}")) + "\n" for n in range(10))
            assert client.ask("POST", f"{path}/patients", sent, content_type=NDJSON).status == 200

    def remove(client: Client, numbers: range) -> None:
        for number in numbers:
            assert client.ask("DELETE", f"{path}/patients/P{number}", if_match="*").status == 204

    together(
        lambda: add(replicas[0], "A"),
        lambda: add(replicas[1], "B"),
        lambda: remove(replicas[0], range(10)),
        lambda: remove(replicas[1], range(10, 20)),
    )
    shown = [client.ask("GET", path) for client in replicas]
    assert [answer.json["n"] for answer in shown] == [100, 100]
    exported = [client.ask("GET", f"{path}/export?format=ndjson").body for client in replicas]
    assert exported[0] == exported[1]
    assert len(exported[0].splitlines()) == 100
    analyses = [client.ask("GET", f"{path}/analysis").body for client in replicas]
    assert analyses[0] == analyses[1]


def test_the_same_request_at_both_replicas_is_carried_out_once(replicas):
    answers: list[str] = []

    def create(client: Client) -> None:
        while True:
            answer = client.create([record(n) for n in range(20)], "once", idempotency_key="the-key")
            if answer.status == 201:
                answers.append(answer.headers["location"])
                return
            assert answer.status in {409, 503}, answer.body

    together(*(lambda client=client: create(client) for client in (*replicas, *replicas)))
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert [cohort["name"] for cohort in replicas[0].cohorts()].count("once") == 1
