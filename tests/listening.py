"""The service as a process of its own, for tests that need real connections, signals and databases."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serving import Answer, Client, environment, free_port, started

JSON = {"content-type": "application/json"}
DOSE = {"weight_kg": 25, "critically_ill": True}


class Serving:
    """A running service: its port, its process, and what it wrote."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.process = process
        self.log = log

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = 60,
    ) -> Answer:
        """Send one request on a connection of its own."""
        return Client(self.port, headers).ask(method, path, body, timeout)

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", path, json.dumps(body), JSON | (headers or {}))

    def raw(self, sent: bytes, *, until: float = 15) -> bytes:
        """Send bytes, and return all that comes back until the service closes the connection."""
        with self.connect(until) as connection:
            connection.sendall(sent)
            return received(connection)

    def connect(self, timeout: float = 15) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def metric(self, name: str) -> float:
        """Return one sample of the metrics, by its name and labels as they are written."""
        text = self.ask("GET", "/metrics")[2].decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"{name} is not told:\n{text}"
        return float(found[1])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def received(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    got = b""
    while True:
        try:
            piece = connection.recv(65_536)
        except ConnectionResetError:
            return got
        if not piece:
            return got
        got += piece


def statuses(answers: bytes) -> list[int]:
    """Return the statuses of the answers on one connection."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Serving]:
    """Start `defervesce serve` with settings (a database in memory by default); it is ended at the end."""
    port, log = free_port(), folder / f"log-{time.monotonic_ns()}"
    named = {"drain_seconds": "0"} | settings
    process = started(port, log, environment(named.pop("database_url", "sqlite://"), **named))
    found = Serving(port, process, log)
    try:
        _await(found)
        yield found
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def _await(found: Serving) -> None:
    for _ in range(600):
        try:
            if found.ask("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        assert found.process.poll() is None, found.log.read_text()
        time.sleep(0.05)
    raise AssertionError("the service did not become ready\n" + found.log.read_text())
