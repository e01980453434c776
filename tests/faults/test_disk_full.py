"""A disk that is full, really: nothing half is kept, reading goes on, and room is all that writing needs to go on."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.database.schema import migrate
from tests.cohort_api import record
from tests.databases import Server, own_server
from tests.serving import NDJSON, Answer, Service, recount, run


def fill_up(service: Service, most: int = 400) -> tuple[dict[str, int], list[int]]:
    """Create cohorts until one is refused; returns what was acknowledged and the status that ended it."""
    kept: dict[str, int] = {}
    patients = [record(n, patient_id=f"P{n}") for n in range(500)]
    for number in range(most):
        answer = service.create(patients, str(number))
        if answer.status != 201:
            assert answer.status == 503, answer.body
            assert int(answer.headers["retry-after"]) >= 1
            assert "room" in answer.json["detail"]
            return kept, [answer.status]
        kept[answer.json["id"]] = 500
    raise AssertionError("the disk never was full")


def listed(service: Service) -> dict[str, int]:
    return {one["id"]: one["n"] for one in service.cohorts() if one["id"] not in {"study", "example"}}


@pytest.mark.parametrize("disk", [8], indirect=True)
def test_of_an_sqlite_database(disk, tmp_path):
    url = f"sqlite:///{disk.folder}/cohorts.db"
    assert run(url, "migrate").returncode == 0
    disk.fill(leave=4_000_000)
    service = Service(url, tmp_path / "log").start()
    try:
        kept, _ = fill_up(service)
        disk.fill()
        # Full to the last byte: what is there can be read, and nothing of what was refused.
        assert service.create([record(n, patient_id=f"P{n}") for n in range(500)]).status == 503
        assert listed(service) == kept
        assert service.ask("GET", "/v1/cohorts/study/analysis/characteristics").status == 200
        disk.empty()
        again = service.create([record(1)])
        assert again.status == 201
        assert listed(service) == kept | {again.json["id"]: 1}
    finally:
        service.stop()
    service.assert_sound()
    assert set(recount(url).values()) == {True}


@pytest.mark.parametrize("disk", [8], indirect=True)
def test_when_an_sqlite_database_is_opened_again_on_it(disk, tmp_path):
    """A service that was killed and comes up on a full disk has what was acknowledged once there is room."""
    url = f"sqlite:///{disk.folder}/cohorts.db"
    assert run(url, "migrate").returncode == 0
    disk.fill(leave=3_000_000)
    service = Service(url, tmp_path / "log").start()
    try:
        kept, _ = fill_up(service)
        disk.fill()
        service.kill()
        service.start(ready=False)
        disk.empty()
        service.wait("/readyz")
        assert listed(service) == kept
    finally:
        service.stop()
    service.assert_sound()
    assert set(recount(url).values()) == {True}


@pytest.mark.parametrize("disk", [6], indirect=True)
def test_of_the_spool(disk, database_url, tmp_path):
    """What is past 4 MB waits in TMPDIR until it is whole."""
    service = Service(database_url, tmp_path / "log", TMPDIR=str(disk.folder)).start()
    try:
        path = service.create([record(1)]).headers["location"]
        many = "".join(json.dumps(record(n, patient_id=f"P{n}")) + "\n" for n in range(50_000))
        assert len(many) > 2 * 6_000_000
        refused = service.ask("POST", f"{path}/patients", many, content_type=NDJSON)
        assert (refused.status, refused.headers["retry-after"]) == (503, "30")
        assert "room" in refused.json["detail"]
        later = service.ask("POST", f"{path}/patients", many, content_type=NDJSON, prefer="respond-async")
        assert later.status == 503
        # The file goes with its request, and what fits goes on.
        assert disk.free > 5_000_000
        few = json.dumps(record(2)) + "\n"
        assert service.ask("POST", f"{path}/patients", few, content_type=NDJSON).status == 200
        assert service.ask("GET", path).json["n"] == 2
    finally:
        service.stop()
    service.assert_sound()
    assert set(recount(database_url).values()) == {True}


@pytest.mark.parametrize("disk", [200], indirect=True)
def test_of_a_postgresql_server(disk, tmp_path, monkeypatch):
    """Its data folder stands on the small disk. Where it gives up, whoever runs it starts it again: nobody mends."""
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    with own_server() as (server, handle):
        monkeypatch.setattr(tempfile, "tempdir", None)
        url = on_the_disk(server)
        service = Service(url, tmp_path / "log", database_timeout_seconds="3").start()
        try:
            disk.fill(leave=6_000_000)
            kept, _ = fill_up(service)
            disk.fill()
            assert service.create([record(n, patient_id=f"P{n}") for n in range(500)]).status == 503
            disk.empty()
            again = as_clients_do(service, handle.ensure_postgres_running)
            assert listed(service) == kept | {again.json["id"]: 1}
        finally:
            service.stop()
        service.assert_sound()
        assert set(recount(url).values()) == {True}


def as_clients_do(service: Service, supervise: Callable[[], object]) -> Answer:
    """Send one cohort until it is kept, as a client does that is told to come back.

    Where there is no room for its log the server ends some moments after its last answer, whatever was freed meanwhile;
    that it was ready a moment ago promises nothing.
    """
    for _ in range(60):
        supervise()
        answer = service.create([record(1)], idempotency_key="again")
        if answer.status == 201:
            return answer
        assert answer.status == 503, answer.body
        assert int(answer.headers["retry-after"]) >= 1
        time.sleep(0.5)
    raise AssertionError("there is room, and nothing is kept")


def on_the_disk(server: Server) -> str:
    url = server.create("cohorts")
    migrate(url)
    return url


@pytest.mark.parametrize("disk", [3], indirect=True)
def test_of_a_backup(disk, sqlite_url, tmp_path):
    """A backup that finds no room leaves nothing that looks like one."""
    assert run(sqlite_url, "migrate").returncode == 0
    service = Service(sqlite_url, tmp_path / "log").start()
    try:
        for number in range(4):
            assert service.create([record(n, patient_id=f"P{n}") for n in range(1000)], str(number)).status == 201
    finally:
        service.stop()
    assert Path(sqlite_url.removeprefix("sqlite:///")).stat().st_size > 3_000_000
    refused = run(sqlite_url, "backup", str(disk.folder / "cohorts.backup"))
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "room" in refused.stderr
    assert list(disk.folder.iterdir()) == []


@pytest.mark.parametrize("disk", [3], indirect=True)
def test_of_a_restore(disk, sqlite_url, tmp_path):
    """A restore that finds no room leaves the database as it was."""
    big, small = tmp_path / "big", tmp_path / "small"
    service = Service(sqlite_url, tmp_path / "log").start()
    try:
        assert service.create([record(1)]).status == 201
        assert run(sqlite_url, "backup", str(small)).returncode == 0
        for number in range(4):
            assert service.create([record(n, patient_id=f"P{n}") for n in range(1000)], str(number)).status == 201
        assert run(sqlite_url, "backup", str(big)).returncode == 0
    finally:
        service.stop()
    url = f"sqlite:///{disk.folder}/cohorts.db"
    assert run(url, "restore", str(small)).returncode == 0
    before = shutil.copy(disk.folder / "cohorts.db", tmp_path / "before")
    refused = run(url, "restore", "--force", str(big))
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "room" in refused.stderr
    assert {path.name for path in disk.folder.iterdir()} <= {"cohorts.db", "cohorts.db-wal", "cohorts.db-shm"}
    assert recount(url) == recount(f"sqlite:///{before}")
