"""The service as a process: it starts, refuses to start, takes in 100 MB without keeping them, and stops cleanly."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from app.api.server import DeadlineProtocol

ROOT = Path(__file__).parents[2]
STATUS = "/proc/{}/status"


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEFERVESCE_")}
    kept["DEFERVESCE_DATABASE_URL"] = "sqlite://"
    return kept | {f"DEFERVESCE_{name.upper()}": value for name, value in settings.items()}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # our own command
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def server(request, tmp_path_factory):
    """Both ways to serve: our own command, and plain uvicorn."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    commands = {
        "serve": ["app.cli", "serve", "--port", str(port)],
        "uvicorn": ["uvicorn", "app.main:app", "--port", str(port)],
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # our own command
            [sys.executable, "-m", *commands[request.param]],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(port, process, log)
        yield port, process, log
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in {0, -signal.SIGTERM}
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError("the service did not become ready\n" + log.read_text())


def ask(port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def peak_memory_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(STATUS.format(process.pid)).read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


def test_it_answers(server):
    port, _, _ = server
    status, headers, body = ask(port, "GET", "/version")
    assert status == 200
    assert json.loads(body)["name"] == "defervesce"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


@pytest.mark.skipif(not Path(STATUS.format("self")).exists(), reason="reads /proc, which only Linux has")
@pytest.mark.parametrize("declared", [True, False], ids=["with Content-Length", "chunked"])
def test_100_mb_are_refused_without_being_kept(server, declared):
    port, process, _ = server
    # What is loaded in the background after the start is loaded now, and is not counted.
    assert ask(port, "GET", "/v1/cohorts")[0] == 200
    before = peak_memory_mb(process)
    megabyte = b" " * 1_000_000
    headers = {"Content-Type": "application/json"} | ({"Content-Length": "100000000"} if declared else {})
    status, answered, body = ask(port, "POST", "/v1/anakinra/dose", (megabyte for _ in range(100)), headers)
    assert status == 413
    assert answered["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 413
    assert peak_memory_mb(process) - before < 20


def test_values_and_query_strings_stay_out_of_the_log(server):
    port, _, log = server
    canary = "canary7391"
    ask(port, "GET", f"/version?name={canary}")
    ask(port, "GET", f"/{canary}")
    ask(port, "POST", "/v1/anakinra/dose", json.dumps({"name": canary}), {"Content-Type": "application/json"})
    for _ in range(100):
        lines = log.read_text()
        if lines.count('"route":"unmatched"') or lines.count('"status":404'):
            break
        time.sleep(0.05)
    assert '"status":404' in lines
    assert canary not in lines


def test_bytes_that_are_not_http_are_refused_politely(server):
    port, _, _ = server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert ask(port, "GET", "/livez")[0] == 200


class Impatient(DeadlineProtocol):
    head_seconds = 0.3


@pytest.fixture
def impatient():
    """Serve in a thread, wait a third of a second for a head, and echo the size of a body."""

    async def app(scope, receive, send):
        if scope["path"] == "/paused":
            time.sleep(1.5)  # noqa: ASYNC251  # the process does nothing at all, as when its machine is stopped
        if scope["path"] == "/slow":
            await asyncio.sleep(0.8)
        size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        body = str(size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    port = free_port()
    config = uvicorn.Config(app, port=port, http=Impatient, log_config=None, lifespan="off", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1_000) == b""
    except ConnectionError:
        return True


def test_a_connection_that_says_nothing_is_closed(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        assert _is_closed(connection)


def _send_until_closed(connection: socket.socket, piece: bytes, pause: float = 0.01) -> None:
    for _ in range(10_000):
        connection.sendall(piece)
        time.sleep(pause)


def test_a_head_that_dribbles_in_is_cut_off(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection, pytest.raises(ConnectionError):
        _send_until_closed(connection, b"G")


def test_a_head_without_end_is_cut_off(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        with pytest.raises(ConnectionError):
            _send_until_closed(connection, b"X-Padding: " + b"x" * 10_000 + b"\r\n", 0)


def test_a_slow_body_and_a_pause_between_requests_are_let_be(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 80000\r\n\r\n")
            time.sleep(0.5)
            connection.sendall(b"x" * 80_000)
            assert connection.recv(1_000).endswith(b"80000")
            time.sleep(0.5)


def test_who_spoke_while_the_process_was_paused_is_answered(impatient):
    with (
        socket.create_connection(("127.0.0.1", impatient), timeout=10) as waiting,
        socket.create_connection(("127.0.0.1", impatient), timeout=10) as pausing,
    ):
        pausing.sendall(b"GET /paused HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert waiting.recv(1_000).endswith(b"0")
        assert pausing.recv(1_000).endswith(b"0")


@pytest.mark.parametrize("good", [1, 2])
def test_answers_before_what_is_broken_may_take_longer_than_a_head(impatient, good):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n" * good + b"GET /broken\0")
        got = b""
        while piece := connection.recv(1_000):
            got += piece
    assert (got.count(b" 200 OK"), got.count(b"connection: close")) == (good, 1)


def test_a_body_that_goes_on_after_the_answer_is_cut_off(impatient):
    with socket.create_connection(("127.0.0.1", impatient), timeout=10) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(1_000).endswith(b"0")
        with pytest.raises(ConnectionError):
            _send_until_closed(connection, b"1\r\nx\r\n")


REFUSALS = {
    "unknown variable": ({"max_body": "5"}, "DEFERVESCE_MAX_BODY is not a setting"),
    "bad value": ({"port": "canary7391"}, "DEFERVESCE_PORT must be"),
    "secret": ({"database_url": "mysql://user:canary7391@db"}, "DEFERVESCE_DATABASE_URL must be"),
    "no folder": ({"rules_dir": "/nowhere/canary7391"}, "DEFERVESCE_RULES_DIR must be an existing folder"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("command", [["app.cli", "serve"], ["uvicorn", "app.main:app"]], ids=["serve", "uvicorn"])
def test_a_start_that_is_refused_says_why_without_a_traceback(command, settings, message):
    result = run(*command, **settings)
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert message in said
    assert "Traceback" not in said
    assert "canary7391" not in said


@pytest.mark.parametrize("command", [["app.cli", "serve"], ["uvicorn", "app.main:app"]], ids=["serve", "uvicorn"])
def test_a_bad_rule_file_stops_the_start_with_file_and_reason(command, tmp_path):
    (tmp_path / "ours.toml").write_text("format = 1\n[rule_set]\nid = 5\n")
    result = run(*command, rules_dir=str(tmp_path))
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "ours.toml: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104  # what is refused
def test_it_does_not_listen_to_others_without_callers(address, tmp_path):
    result = run(
        "app.cli", "serve", "--host", address, "--port", str(free_port()), database_url=f"sqlite:///{tmp_path}/x"
    )
    assert result.returncode == 2
    assert f"would listen on {address}, and there are no callers" in result.stderr
    assert "Traceback" not in result.stderr


def test_it_does_not_listen_to_others_with_a_default_secret():
    url = "postgresql://defervesce:changeme@127.0.0.1:1/none"
    result = run("app.cli", "serve", "--host", "0.0.0.0", auth="required", database_url=url)  # noqa: S104  # refused
    assert result.returncode == 2
    assert "DEFERVESCE_DATABASE_URL holds a password that is a default" in result.stderr
    assert "changeme" not in result.stderr


def test_plain_uvicorn_on_every_address_answers_only_who_may_be_answered(tmp_path):
    """It does not know where it listens: each request is judged by its connection."""
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104  # as said
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(port, process, log)
        own = socket.gethostbyname(socket.gethostname())
        for host, headers, expected in (
            ("127.0.0.1", {}, 200),
            ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
            ("127.0.0.1", {"Host": "evil.example"}, 403),
            *([] if own.startswith("127.") else [(own, {}, 403), (own, {"Host": "127.0.0.1"}, 403)]),
        ):
            connection = http.client.HTTPConnection(host, port, timeout=30)
            connection.request("GET", "/v1/protocols", headers=headers)
            assert connection.getresponse().status == expected, (host, headers)
            connection.close()
    finally:
        process.terminate()
        process.wait(20)
