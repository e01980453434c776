"""The service as processes of its own, started by its command line, to be killed and stopped as any process may be."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
JSON = "application/json"
NDJSON = "application/x-ndjson"
_POLLS = 1200
_POLL_SECONDS = 0.05


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Client:
    """Asks a service at a port; every question has a connection of its own.

    `headers` go with every question: credentials, where the service wants some.
    """

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.port = port
        self.headers = dict(headers or {})

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, seconds: float = 60, **headers: str
    ) -> Answer:
        """Ask, or raise OSError or HTTPException where no answer comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def create(self, patients: list[Any], name: str = "Invented", **headers: str) -> Answer:
        """Send a cohort."""
        body = json.dumps({"name": name, "patients": patients})
        return self.ask("POST", "/v1/cohorts", body, content_type=JSON, **headers)

    def cohorts(self) -> list[dict[str, Any]]:
        """Return every cohort in the lists, page after page."""
        found: list[dict[str, Any]] = []
        path: str | None = "/v1/cohorts?limit=500"
        while path:
            answer = self.ask("GET", path)
            assert answer.status == 200, answer.body
            found += answer.json["items"]
            path = _next(answer.headers.get("link", ""))
        return found

    def wait(
        self, path: str = "/readyz", until: Callable[[Answer], bool] = lambda answer: answer.status == 200
    ) -> Answer:
        """Ask until the answer is as it should be."""
        last: object = None
        for _ in range(_POLLS):
            try:
                answer = self.ask("GET", path, seconds=10)
            except (OSError, http.client.HTTPException) as exc:
                last = exc
            else:
                if until(answer):
                    return answer
                last = answer
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"{path} is not as it should be: {last}")


class Service(Client):
    """`defervesce serve` on a free port."""

    def __init__(self, url: str, log: Path, port: int | None = None, **settings: str) -> None:
        super().__init__(port or free_port())
        self.log = log
        self._environment = environment(url, **settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that runs."""
        assert self._process is not None, "the service does not run"
        return self._process

    def start(self, *, ready: bool = True) -> Service:
        """Start it; with `ready`, wait until it says that it can be used."""
        self._process = started(self.port, self.log, self._environment)
        self.wait("/readyz" if ready else "/livez")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            finally:
                self._process.kill()
                self._process.wait(30)

    def assert_sound(self) -> None:
        """Check that no request ended in a fault of the service's own."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in text, text[-3000:]
        statuses = [json.loads(line).get("status") for line in text.splitlines() if line.startswith("{")]
        assert 500 not in statuses, text[-3000:]


def started(port: int, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start `defervesce serve`; what it writes goes to the end of a file."""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)


def run(url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=environment(url, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def environment(url: str, **settings: str) -> dict[str, str]:
    """Return an environment with these settings and no others; names in capitals are taken as they are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEFERVESCE_")}
    named = {name if name.isupper() else f"DEFERVESCE_{name.upper()}": value for name, value in settings.items()}
    return kept | {"DEFERVESCE_DATABASE_URL": url} | named


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def recount(url: str) -> dict[str, bool]:
    """Count all tallies anew from the patients; returns by cohort whether the kept ones agreed."""
    told = run(url, "tallies", "rebuild")
    assert told.returncode == 0, told.stderr
    return {line.partition(":")[0]: line.endswith("agree") for line in told.stdout.splitlines()}


def _next(link: str) -> str | None:
    for part in link.split(","):
        address, _, parameters = part.partition(";")
        if 'rel="next"' in parameters:
            return address.strip().strip("<>")
    return None
