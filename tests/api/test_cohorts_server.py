"""Imports over a real connection: it breaks in the middle, it comes slowly, others ask meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.cohort_api import lines, record

ROOT = Path(__file__).parents[2]
MANY = lines(*(record(n) for n in range(4000))).encode()


class Server:
    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def create(self) -> str:
        status, body = self.ask("POST", "/v1/cohorts", b'{"name": "a"}', content_type="application/json")
        assert status == 201, body
        return f"/v1/cohorts/{json.loads(body)['id']}"

    def n(self, path: str) -> int:
        return int(json.loads(self.ask("GET", path)[1])["n"])

    def begin(self, path: str, body: bytes, declared: int) -> socket.socket:
        """Send the head of an addition and a part of its body."""
        sender = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        head = f"POST {path}/patients HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        sender.sendall(f"{head}Content-Length: {declared}\r\n\r\n".encode() + body)
        return sender

    def await_log(self, status: int, times: int) -> None:
        for _ in range(600):
            found = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
            if sum(one.get("status") == status for one in found) >= times:
                return
            time.sleep(0.05)
        raise AssertionError(f"no request ended with {status}")

    def logged(self) -> str:
        return self._log.read_text()


@pytest.fixture
def server(database_url, tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEFERVESCE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", str(port)],
            cwd=ROOT,
            env=kept | {"DEFERVESCE_DATABASE_URL": database_url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    made = Server(port, log)
    try:
        for _ in range(600):
            try:
                if made.ask("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        yield made
        process.terminate()
        process.wait(30)
        assert "Traceback" not in made.logged()
    finally:
        process.kill()
        process.wait()


def test_a_connection_that_closes_in_mid_import_leaves_nothing(server):
    path = server.create()
    # In the middle of the body, and of a line.
    server.begin(path, MANY[: len(MANY) // 2], len(MANY)).close()
    server.await_log(499, 1)
    assert server.n(path) == 0
    # After the body, before the answer.
    server.begin(path, MANY, len(MANY)).close()
    server.await_log(499, 2)
    assert server.n(path) == 0
    # The same import goes through afterwards, whole: nothing of the others stands in its way.
    status, body = server.ask("POST", f"{path}/patients", MANY, content_type="application/x-ndjson")
    assert status == 200, body
    assert server.n(path) == 4000


def test_a_slow_sender_keeps_nobody_waiting(server):
    path, other = server.create(), server.create()
    sender = server.begin(path, MANY[:5000], len(MANY))
    try:
        few = lines(record(1), record(2)).encode()
        assert server.ask("POST", f"{other}/patients", few, content_type="application/x-ndjson")[0] == 200
        assert server.ask("POST", f"{path}/patients", few, content_type="application/x-ndjson")[0] == 200
        assert (server.n(other), server.n(path)) == (2, 2)
    finally:
        sender.close()


def test_others_are_answered_while_an_import_runs(server):
    path = server.create()
    ended = threading.Event()
    answers: list[int] = []

    def ask() -> None:
        while not ended.is_set():
            answers.append(server.ask("GET", path)[0])

    asking = threading.Thread(target=ask)
    asking.start()
    chunked = iter([MANY[start : start + 50_000] for start in range(0, len(MANY), 50_000)])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request(
        "POST", f"{path}/patients", chunked, {"content-type": "application/x-ndjson"}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    connection.close()
    ended.set()
    asking.join()
    assert set(answers) == {200}
    assert server.n(path) == 4000
