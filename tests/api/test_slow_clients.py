"""Clients that are slow, silent, or too many: none of them holds memory, a snapshot or a connection for ever."""

from __future__ import annotations

import json
import select
import shutil
import socket
import time

import pytest

from tests.cohort_api import lines, record
from tests.listening import JSON, serving, statuses

HONEST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
MANY = lines(*(record(n) for n in range(4000))).encode()


def cut_off(connection: socket.socket, seconds: float = 30) -> None:
    """Wait, without reading, until the service has cut the connection."""
    watched = select.poll()
    watched.register(connection, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
    assert watched.poll(seconds * 1000), "the connection is still held"


def large_cohort(server) -> str:
    """Make a cohort whose export is larger than what the sockets between us hold."""
    _, _, body = server.post("/v1/cohorts", {"name": "large"})
    path = f"/v1/cohorts/{json.loads(body)['id']}"
    for part in range(4):
        rows = MANY.replace(b'"P', b'"Q%d' % part)
        status, _, said = server.ask("POST", f"{path}/patients", rows, {"content-type": "application/x-ndjson"})
        assert status == 200, said
    return path


@pytest.fixture
def server(sqlite_template, tmp_path):
    shutil.copyfile(sqlite_template, tmp_path / "cohorts.db")
    url = f"sqlite:///{tmp_path / 'cohorts.db'}"
    with serving(tmp_path, database_url=url, send_timeout_seconds="0.5", database_pool_size="4") as found:
        yield found


def test_a_reader_who_never_reads_loses_connection_snapshot_and_place(server):
    path = large_cohort(server)
    readers = []
    for _ in range(2):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(f"GET {path}/export HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        readers.append(reader)
    while server.metric('defervesce_places_taken{of="exports"}') < 2:
        time.sleep(0.05)
    assert server.metric("defervesce_database_pool_in_use") == 2
    # Of four connections two are for exports: a third is refused, and everything else is answered.
    status, headers, said = server.ask("GET", f"{path}/export")
    assert (status, json.loads(said)["type"], headers["retry-after"]) == (503, "/problems/overloaded", "5")
    assert server.ask("GET", path)[0] == 200
    for reader in readers:
        cut_off(reader)
        reader.close()
    while server.metric('defervesce_places_taken{of="exports"}') or server.metric("defervesce_database_pool_in_use"):
        time.sleep(0.05)
    status, _, exported = server.ask("GET", f"{path}/export")
    assert (status, exported.count(b"\n")) == (200, 16_000)


def test_a_slow_reader_who_keeps_the_pace_gets_all(server):
    path = large_cohort(server)
    with server.connect(60) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        reader.sendall(f"GET {path}/export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        got = 0
        while piece := reader.recv(100_000):
            got += len(piece)
            time.sleep(0.002)
    assert got > 1_000_000


def test_many_answers_that_nobody_reads_do_not_pile_up(server):
    """Requests in a row, and no reading: the service stops reading them, and then closes."""
    with server.connect(60) as silent:
        silent.setblocking(False)
        sent = (b"GET /v1/rules HTTP/1.1\r\nHost: localhost\r\n\r\n") * 100
        for _ in range(10_000):
            try:
                silent.send(sent)
            except BlockingIOError:
                time.sleep(0.05)
            except ConnectionError:
                break
        cut_off(silent)
    assert server.ask("GET", "/livez")[0] == 200


def test_a_body_that_dribbles_is_refused(tmp_path):
    with serving(tmp_path, receive_timeout_seconds="0.5") as server:
        for path in ("/v1/anakinra/dose", "/v1/cohorts", "/v1/ctcae/grade/batch", "/v1/cohorts/example/rederive"):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            head += "Content-Length: 1000\r\n\r\n"
            answers = server.raw(head.encode() + b'{"weight')
            assert statuses(answers) == [408], path
            assert b"connection: close" in answers


def test_one_connection_too_many_is_told_so_and_balancers_are_answered(tmp_path):
    with serving(tmp_path, max_connections="5") as server:
        held = [server.connect() for _ in range(5)]
        for connection in held:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(4_000).startswith(b"HTTP/1.1 200")
        status, headers, said = server.ask("POST", "/v1/anakinra/dose", "{}", JSON)
        assert (status, json.loads(said)["type"], headers["retry-after"]) == (503, "/problems/overloaded", "5")
        assert headers["connection"] == "close"
        for path in ("/livez", "/readyz", "/metrics"):
            assert server.ask("GET", path)[0] == 200
        more = [server.connect() for _ in range(5)]
        # Past twice as many they are not even read.
        with server.connect() as last:
            cut_off(last)
        for connection in (*held, *more):
            connection.close()
        for _ in range(200):
            if statuses(server.raw(HONEST)) == [200] and server.ask("GET", "/version")[0] == 200:
                return
            time.sleep(0.05)
        raise AssertionError("closed connections still count")
