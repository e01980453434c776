"""SIGTERM under load: what was accepted is answered in full, what was answered is kept, and nothing half stays."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.cohorts.service import CohortService
from tests.cohort_api import Api, lines, record
from tests.listening import DOSE, JSON, Serving, received, serving, statuses

NDJSON = {"content-type": "application/x-ndjson"}
ROWS = lines(*(record(n) for n in range(4000))).encode()
BODY = json.dumps(DOSE)


@pytest.fixture
def database(sqlite_template, tmp_path):
    shutil.copyfile(sqlite_template, tmp_path / "cohorts.db")
    return f"sqlite:///{tmp_path / 'cohorts.db'}"


class Client:
    """Asks one thing after the other over a kept connection: doses, or cohorts to be made."""

    def __init__(self, server: Serving, number: int) -> None:
        self.answered: list[int] = []
        self.made: list[str] = []
        self.halves: list[str] = []
        self._server = server
        self._number = number
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def run(self) -> None:
        while self._server.process.poll() is None:
            answer = None
            try:
                self._connection.request("POST", *self._wanted(), JSON)
                answer = self._connection.getresponse()
                self._took(answer.status, json.loads(answer.read()))
            except (OSError, http.client.HTTPException, ValueError) as exc:
                self.halves += [] if answer is None else [repr(exc)]
                self._connection.close()

    def _wanted(self) -> tuple[str, str]:
        if self._number % 4:
            return "/v1/anakinra/dose", BODY
        name = f"{self._number}-{len(self.answered)}"
        return "/v1/cohorts", json.dumps({"name": name, "patients": [record(n) for n in range(20)]})

    def _took(self, status: int, body: dict[str, str]) -> None:
        self.answered.append(status)
        if status == 201:
            self.made.append(body["id"])


def kept(server: Serving) -> dict[str, int]:
    """Return the cohorts that were made, with the number of their patients."""
    found, path = {}, "/v1/cohorts?limit=100"
    while True:
        page = json.loads(server.ask("GET", path)[2])
        found |= {one["id"]: one["n"] for one in page["items"] if one["id"] not in {"study", "example"}}
        if page["next"] is None:
            return found
        path = f"/v1/cohorts?limit=100&cursor={page['next']}"


@pytest.mark.parametrize("drain", ["0", "1"])
def test_under_load_every_request_that_was_read_is_answered_in_full(tmp_path, database, drain):
    with serving(tmp_path, database_url=database, drain_seconds=drain) as server, ThreadPoolExecutor(8) as threads:
        clients = [Client(server, number) for number in range(8)]
        running = [threads.submit(client.run) for client in clients]
        while sum(len(client.answered) for client in clients) < 200:
            time.sleep(0.02)
        server.stop()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
        for one in running:
            one.result()
        logged = [line for line in server.lines() if line.get("event") == "request"]
    answered = [status for client in clients for status in client.answered]
    assert [half for client in clients for half in client.halves] == []
    assert set(answered) <= {200, 201, 503}
    # What the service says that it answered has arrived, and the other way round.
    own = [line["status"] for line in logged if line["route"] in {"/v1/anakinra/dose", "/v1/cohorts"}]
    assert sorted(own) == sorted(answered)
    with serving(tmp_path, database_url=database) as server:
        found = kept(server)
    assert sorted(found) == sorted(name for client in clients for name in client.made)
    assert set(found.values()) == {20}


def test_a_request_under_way_is_answered_while_new_ones_are_refused(tmp_path, database):
    with serving(tmp_path, database_url=database) as server, server.connect(60) as sender:
        path = "/v1/cohorts/example/patients"
        rows = ROWS.replace(b'"P', b'"Q')
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson"
        head += f"\r\nContent-Length: {len(rows)}"
        sender.sendall(f"{head}\r\n\r\n".encode() + rows[:1000])
        while server.metric("defervesce_requests_in_progress") < 2:
            time.sleep(0.02)
        server.stop()
        refused = 0
        for _ in range(200):
            try:
                server.ask("GET", "/livez")
            except OSError:
                refused += 1
                break
            time.sleep(0.02)
        assert refused, "nothing new is taken"
        sender.sendall(rows[1000:])
        answer = received(sender)
        assert statuses(answer) == [200]
        assert b"connection: close" in answer
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    with serving(tmp_path, database_url=database) as server:
        assert json.loads(server.ask("GET", "/v1/cohorts/example")[2])["n"] == 4002


def test_while_it_drains_it_is_not_ready_and_answers(tmp_path):
    with serving(tmp_path, drain_seconds="3") as server, server.connect() as kept:
        kept.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"connection: close" not in kept.recv(4_000)
        server.stop()
        while server.ask("GET", "/readyz")[0] == 200:
            time.sleep(0.02)
        status, headers, said = server.ask("GET", "/readyz")
        assert (status, json.loads(said)["type"]) == (503, "/problems/not-ready")
        assert headers["connection"] == "close"
        assert server.post("/v1/anakinra/dose", DOSE)[0] == 200
        kept.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"connection: close" in received(kept)
        assert server.process.wait(60) in {0, -signal.SIGTERM}


def test_an_import_that_does_not_end_in_time_is_taken_back_and_told_so(tmp_path, database):
    many = b"".join(ROWS.replace(b'"P', b'"Q%d' % part) for part in range(40))
    with serving(tmp_path, database_url=database, shutdown_seconds="3") as server, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(server.ask, "POST", "/v1/cohorts/example/patients", many, NDJSON)
        while server.metric('defervesce_places_taken{of="large_imports"}') < 1:
            time.sleep(0.02)
        server.stop()
        status, headers, said = asked.result()
        assert (status, json.loads(said)["type"]) == (503, "/problems/not-ready")
        assert "Nothing was changed" in json.loads(said)["detail"]
        assert headers["retry-after"]
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    with serving(tmp_path, database_url=database) as server:
        assert json.loads(server.ask("GET", "/v1/cohorts/example")[2])["n"] == 2


class Asked:
    """A request to the application that its server cuts short, as it does at the end of its time."""

    def __init__(self, app, method: str, path: str, **headers: str) -> None:
        self.status = 0
        self.detail = ""
        sent = {"host": "127.0.0.1"} | {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }
        self._came = asyncio.Event()
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self):
        if self._came.is_set():
            await asyncio.Event().wait()
        self._came.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.detail += json.loads(message["body"])["detail"]

    async def cut(self) -> None:
        self.task.cancel()
        await self.task


@pytest.fixture
def deleting(monkeypatch):
    """Give events around the deletion of a cohort in its thread: it has begun, it may go on, it has ended."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()
    delete = CohortService.delete

    def waiting(*args):
        begun.set()
        go.wait(30)
        try:
            delete(*args)
        finally:
            ended.set()

    monkeypatch.setattr(CohortService, "delete", waiting)
    yield begun, go, ended
    go.set()


def test_a_change_that_was_cut_off_is_not_said_to_be_none(sqlite_url, deleting):
    """The server no longer waits for it; its thread commits all the same if the process lives long enough."""
    begun, go, ended = deleting
    api = Api(sqlite_url)
    path = api.create(record(1))

    async def run() -> Asked:
        asked = Asked(api.app, "DELETE", path, if_match="*")
        await asyncio.to_thread(begun.wait, 10)
        await asked.cut()
        return asked

    asked = asyncio.run(run())
    go.set()
    assert ended.wait(10)
    assert api.client.get(path).status_code == 404, "it was carried out"
    assert asked.status == 503
    assert "Nothing was changed" not in asked.detail
    assert "may be carried out all the same" in asked.detail
    api.close()


def test_a_read_that_was_cut_off_changed_nothing(sqlite_url, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    api = Api(sqlite_url)
    path = api.create(record(1))
    monkeypatch.setattr(CohortService, "detail", lambda *_: begun.set() or go.wait(30))

    async def run() -> Asked:
        asked = Asked(api.app, "GET", path)
        await asyncio.to_thread(begun.wait, 10)
        await asked.cut()
        go.set()
        return asked

    asked = asyncio.run(run())
    assert (asked.status, asked.detail) == (503, "The service is stopping. Nothing was changed.")
    api.close()


def test_a_job_that_does_not_end_in_time_has_failed_clearly(tmp_path, database):
    many = b"".join(ROWS.replace(b'"P', b'"Q%d' % part) for part in range(40))
    with serving(tmp_path, database_url=database) as server:
        wanted = NDJSON | {"prefer": "respond-async"}
        status, headers, _ = server.ask("POST", "/v1/cohorts/example/patients", many, wanted)
        assert status == 202
        while json.loads(server.ask("GET", headers["location"])[2])["status"] != "running":
            time.sleep(0.02)
        assert server.metric('defervesce_jobs{state="running"}') >= 1
        server.stop()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    with serving(tmp_path, database_url=database) as server:
        job = json.loads(server.ask("GET", headers["location"])[2])
        assert (job["status"], job["result"]) == ("failed", None)
        assert job["error"]["code"] == "service_stopped"
        assert json.loads(server.ask("GET", "/v1/cohorts/example")[2])["n"] == 2


def test_clients_who_never_end_do_not_hold_the_end_up(tmp_path, database):
    """A body that never comes and an answer that nobody reads: cut, within the bound that is documented."""
    with serving(tmp_path, database_url=database, shutdown_seconds="2") as server:
        sender, reader, idle = server.connect(), server.connect(), server.connect()
        sender.sendall(
            b"POST /v1/cohorts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99\r\n\r\n"
        )
        reader.sendall(b"GET /v1/cohorts/study/export HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        while server.metric("defervesce_requests_in_progress") < 2:
            time.sleep(0.02)
        server.stop()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
        assert statuses(received(sender)) in ([503], [])
        for connection in (sender, reader, idle):
            connection.close()
        assert not [line for line in server.lines() if line.get("status") == 500]


def test_several_processes_end_as_one(tmp_path, database):
    with serving(tmp_path, database_url=database, workers="2") as server:
        assert server.post("/v1/anakinra/dose", DOSE)[0] == 200
        server.stop()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)
