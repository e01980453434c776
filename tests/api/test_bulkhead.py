"""Heavy work has few threads and a short queue: past it 503, and light calls are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import uvicorn

from app.api import statistics
from app.api.bulkhead import Bulkhead
from app.api.context import Limits, RequestContext
from app.api.places import Places
from app.api.problems import ProblemError
from app.main import create_app
from app.settings import load_settings
from app.statistics.checkpoint import GivenUpError, checkpoint, unless
from tests.listening import DOSE, JSON, Serving
from tests.serving import free_port

AUDIT = json.dumps(
    {"columns": [{"label": "a", "n": 14}, {"label": "b", "n": 32}], "rows": [{"label": "x", "counts": [3, 20]}]}
)
SUMMARY = json.dumps({"values": [1, 2, 3]})
LIGHT = (
    ("POST", "/v1/anakinra/dose", json.dumps(DOSE)),
    ("POST", "/v1/phenotype", json.dumps({"age_years": 8})),
    ("POST", "/v1/ctcae/grade", json.dumps({"term": "rash_maculo_papular", "body_surface_percent": 20})),
    ("GET", "/v1/cohorts/study", None),
    ("GET", "/v1/cohorts/study/patients", None),
    ("GET", "/livez", None),
    ("GET", "/readyz", None),
    ("GET", "/metrics", None),
)
HEAVY = (
    ("POST", "/v1/statistics/summary", SUMMARY),
    ("POST", "/v1/statistics/fisher-exact", json.dumps({"table": [[3, 11], [20, 12]]})),
    ("POST", "/v1/statistics/table-audit", AUDIT),
    ("POST", "/v1/statistics/kaplan-meier", json.dumps({"durations": [1], "events": [True]})),
    ("GET", "/v1/cohorts/study/analysis", None),
    ("GET", "/v1/cohorts/study/analysis/cardiac", None),
    ("GET", "/v1/cohorts/study/figures/lvef.svg", None),
    ("GET", "/v1/cohorts/study/figures/lvef.png", None),
    ("GET", "/v1/cohorts/study/report", None),
    ("POST", "/v1/phenotype/batch", json.dumps({"items": [{"age_years": 8}]})),
    ("POST", "/v1/ctcae/grade/batch", json.dumps({"records": [{"term": "rash_maculo_papular"}]})),
)


@contextmanager
def in_thread(**settings: str):
    """Serve on a thread of this process, so that a test can hold its heavy work."""
    named = {"database_url": "sqlite://", "log_level": "error"} | settings
    app = create_app(load_settings({f"DEFERVESCE_{name.upper()}": value for name, value in named.items()}))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_keep_alive=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    try:
        yield Serving(port, None, None)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def held(monkeypatch):
    """Hold every statistic until the test lets go; yields what lets go, and what counts those that began."""
    let_go, begun = threading.Event(), threading.Semaphore(0)
    compute = statistics._compute

    def waiting(name, body):
        begun.release()
        let_go.wait(60)
        return compute(name, body)

    monkeypatch.setattr(statistics, "_compute", waiting)
    yield let_go, begun
    let_go.set()


def test_light_calls_are_answered_while_the_bulkhead_is_full(held):
    let_go, begun = held
    with in_thread(heavy_workers="2", heavy_queue="1") as server, ThreadPoolExecutor(3) as clients:
        server.ask("GET", "/v1/cohorts/study")
        asked = [clients.submit(server.ask, "POST", "/v1/statistics/summary", SUMMARY, JSON) for _ in range(3)]
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        while server.metric("defervesce_heavy_waiting") < 1:
            pass
        assert server.metric("defervesce_heavy_running") == 2
        for method, path, body in LIGHT:
            assert server.ask(method, path, body, JSON if body else {})[0] == 200, path
        for number, (method, path, body) in enumerate(HEAVY, 1):
            status, headers, said = server.ask(method, path, body, JSON if body else {})
            assert status == 503, path
            assert int(headers["retry-after"]) > 0
            assert json.loads(said)["type"] == "/problems/overloaded"
            assert server.metric('defervesce_places_refused_total{of="heavy"}') == number
        let_go.set()
        assert [one.result()[0] for one in asked] == [200, 200, 200]
        assert server.metric('defervesce_places_taken{of="heavy"}') == 0
        for method, path, body in HEAVY:
            assert server.ask(method, path, body, JSON if body else {})[0] in {200, 422}, path


def test_what_takes_too_long_is_given_up_and_its_thread_comes_back(monkeypatch):
    ended = threading.Event()

    def endless(_name, _body):
        try:
            while True:
                checkpoint()
        finally:
            ended.set()

    monkeypatch.setattr(statistics, "_compute", endless)
    with in_thread(heavy_workers="1", request_timeout_seconds="0.3") as server:
        status, _, said = server.ask("POST", "/v1/statistics/summary", SUMMARY, JSON)
        assert (status, json.loads(said)["type"]) == (503, "/problems/took-too-long")
        assert ended.wait(30), "it was told to stop"
        monkeypatch.undo()
        assert server.ask("POST", "/v1/statistics/summary", SUMMARY, JSON)[0] == 200
        assert server.metric("defervesce_heavy_given_up_total") == 1


def test_what_waits_too_long_never_begins(held):
    let_go, begun = held
    with in_thread(heavy_workers="1", request_timeout_seconds="0.5") as server, ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(server.ask, "POST", "/v1/statistics/summary", SUMMARY, JSON) for _ in range(2)]
        assert [one.result()[0] for one in asked] == [503, 503]
        let_go.set()
        assert server.ask("POST", "/v1/statistics/summary", SUMMARY, JSON)[0] == 200
        # The first, and the one just now.
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        assert not begun.acquire(blocking=False)


def test_the_end_of_the_service_cuts_short_what_runs_and_what_waits():
    async def scenario():
        heavy, began = Bulkhead(workers=1, queue=1), threading.Event()

        def endless():
            began.set()
            while True:
                checkpoint()

        running, waiting = (asyncio.ensure_future(heavy.run(endless)) for _ in range(2))
        await asyncio.to_thread(began.wait)
        assert (heavy.running, heavy.waiting) == (1, 1)
        heavy.stop()
        for call in (running, waiting):
            with pytest.raises(ProblemError) as caught:
                await call
            assert caught.value.kind.slug == "not-ready"
        assert (heavy.running, heavy.waiting, heavy.places.taken) == (0, 0, 0)

    asyncio.run(scenario())


def test_a_checkpoint_ends_work_that_was_given_up_and_no_other():
    checkpoint()
    with unless(lambda: False):
        checkpoint()
    asked = iter([False, True])
    with pytest.raises(GivenUpError), unless(lambda: next(asked)):
        checkpoint()
    checkpoint()


def test_places_are_given_back_once_and_by_the_end_of_the_request():
    places = Places(2, "Too many.")
    context = RequestContext({"headers": [], "path": "/"}, Limits())
    release = places.take()
    context.hold(places.take())
    with pytest.raises(ProblemError) as caught:
        places.take()
    assert (caught.value.kind.status, caught.value.headers["Retry-After"]) == (503, "5")
    release()
    release()
    assert (places.taken, places.refused) == (1, 1)
    context.let_go()
    context.let_go()
    assert places.taken == 0


def test_large_bodies_have_few_places(monkeypatch):
    monkeypatch.setattr("app.api.context.LARGE_BODIES", 1)
    large = json.dumps({"values": [1.5] * 400_000}).encode()
    with in_thread() as server, server.connect() as slow:
        head = "POST /v1/statistics/summary HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: {len(large)}\r\n\r\n".encode() + large[:1000])
        while server.metric('defervesce_places_taken{of="large_bodies"}') < 1:
            pass
        for sent in (large, iter([large])):
            status, _, said = server.ask("POST", "/v1/statistics/summary", sent, JSON)
            assert (status, json.loads(said)["type"]) == (503, "/problems/overloaded")
        assert server.ask("POST", "/v1/statistics/summary", SUMMARY, JSON)[0] == 200
        slow.sendall(large[1000:])
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        while server.metric('defervesce_places_taken{of="large_bodies"}'):
            pass
        assert server.ask("POST", "/v1/statistics/summary", iter([large]), JSON)[0] == 200
