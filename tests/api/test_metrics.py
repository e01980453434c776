"""What an operator sees: every route's rate, errors and durations, and everything there is only so much of."""

from __future__ import annotations

import asyncio
import json
import re
import shutil

import pytest

from app.api.loop_probe import LoopProbe
from tests.cohort_api import lines, record
from tests.listening import DOSE, JSON, serving

CANARY = "Canary7391"
FAMILIES = {
    "defervesce_requests_total",
    "defervesce_request_seconds_bucket",
    "defervesce_requests_in_progress",
    "defervesce_heavy_running",
    "defervesce_heavy_waiting",
    "defervesce_heavy_given_up_total",
    "defervesce_places",
    "defervesce_places_taken",
    "defervesce_places_refused_total",
    "defervesce_database_pool_size",
    "defervesce_database_pool_in_use",
    "defervesce_database_pool_wait_seconds_sum",
    "defervesce_database_pool_timeouts_total",
    "defervesce_jobs",
    "defervesce_jobs_ended_total",
    "defervesce_import_rows_total",
    "defervesce_event_loop_lag_seconds_bucket",
    "defervesce_rate_callers",
    "defervesce_rate_refused_total",
    "defervesce_build_info",
    "process_resident_memory_bytes",
}
LABELS = {"route", "method", "status", "le", "of", "state", "git_sha", "version", "implementation", "major", "minor",
          "patchlevel"}  # fmt: skip


@pytest.fixture(scope="module")
def server(sqlite_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    shutil.copyfile(sqlite_template, folder / "cohorts.db")
    with serving(folder, database_url=f"sqlite:///{folder / 'cohorts.db'}", rate_limit="100000") as found:
        yield found


def test_everything_is_told_and_nothing_of_anybody(server):
    assert server.post("/v1/anakinra/dose", DOSE)[0] == 200
    _, _, made = server.post("/v1/cohorts", {"name": CANARY, "patients": [record(1) | {"patient_id": CANARY}]})
    path = f"/v1/cohorts/{json.loads(made)['id']}"
    rows = lines(*(record(n) for n in range(7))).encode()
    wanted = {"content-type": "application/x-ndjson", "prefer": "respond-async"}
    job = server.ask("POST", f"{path}/patients", rows, wanted)[1]["location"]
    while json.loads(server.ask("GET", job)[2])["status"] in {"queued", "running"}:
        pass
    assert server.ask("GET", f"{path}/patients/{CANARY}")[0] == 200
    assert server.ask("GET", f"{path}/patients/{CANARY}0")[0] == 404
    assert server.ask("GET", f"/{CANARY}?{CANARY}={CANARY}")[0] == 404
    assert server.ask(CANARY.upper()[:6], "/livez")[0] == 400
    text = server.ask("GET", "/metrics")[2].decode()
    told = {line.partition(" ")[0].partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert told >= FAMILIES
    assert CANARY.lower() not in text.lower()
    assert path.rpartition("/")[2] not in text
    assert set(re.findall(r'[{,](\w+)="', text)) <= LABELS
    assert server.metric("defervesce_import_rows_total") == 8
    assert server.metric('defervesce_jobs_ended_total{state="succeeded"}') == 1
    assert server.metric('defervesce_jobs{state="running"}') == 0
    assert server.metric("defervesce_database_pool_wait_seconds_count") > 5
    assert server.metric("defervesce_rate_callers") == 1
    assert server.metric('defervesce_places{of="receipts"}') == 64
    route = 'route="/v1/cohorts/{cohort_id}/patients/{patient_id}"'
    assert server.metric(f'defervesce_requests_total{{method="GET",{route},status="200"}}') == 1
    assert server.metric(f'defervesce_requests_total{{method="GET",{route},status="404"}}') == 1
    assert server.metric(f'defervesce_request_seconds_count{{method="GET",{route},status="200"}}') == 1


def test_callers_cannot_multiply_what_is_told(server):
    before = server.ask("GET", "/metrics")[2].count(b"\n")
    for number in range(100):
        server.ask("GET", f"/v1/cohorts/study/patients/x{number}", headers={"x-request-id": f"x{number}"})
        server.ask("GET", f"/nowhere/{number}")
        server.ask("GET", f"/v1/cohorts/c{number}/analysis?by=x{number}")
    # The series of two or three routes, and no more.
    assert server.ask("GET", "/metrics")[2].count(b"\n") - before < 100


def test_the_rate_limit_is_told_and_kept(tmp_path):
    with serving(tmp_path, rate_limit="20") as server:
        status, headers, _ = server.post("/v1/anakinra/dose", DOSE)
        assert status == 200
        assert headers["ratelimit-policy"] == '"default";q=20;w=60'
        assert re.fullmatch(r'"default";r=19;t=[0-9]+', headers["ratelimit"])
        assert server.post("/v1/statistics/summary", {"values": [1.5] * 100_000})[0] == 200
        status, headers, said = server.post("/v1/anakinra/dose", DOSE)
        assert (status, json.loads(said)["type"]) == (429, "/problems/rate-limited")
        assert int(headers["retry-after"]) > 0
        assert headers["ratelimit"].startswith('"default";r=0;t=')
        assert server.metric("defervesce_rate_refused_total") == 1
        assert server.ask("GET", "/livez")[0] == 200
        # Who is refused while still sending is told why.
        large = iter([b" " * 1_000_000] * 30)
        assert server.ask("POST", "/v1/statistics/summary", large, JSON)[0] == 429


def test_chunks_are_charged_as_they_come(tmp_path):
    with serving(tmp_path, rate_limit="20") as server:
        body = json.dumps({"values": [1.5] * 100_000}).encode()
        assert server.ask("POST", "/v1/statistics/summary", iter([body]), JSON)[0] == 200
        assert server.post("/v1/anakinra/dose", DOSE)[0] == 429


def test_on_loopback_nobody_is_counted_unless_asked_for(tmp_path):
    with serving(tmp_path) as server:
        assert "ratelimit" not in server.post("/v1/anakinra/dose", DOSE)[1]


def test_the_probe_notes_how_late_the_loop_is():
    probe = LoopProbe(every=0.0001)

    async def scenario():
        probing = asyncio.ensure_future(probe.run())
        await asyncio.sleep(0.05)
        probing.cancel()

    asyncio.run(scenario())
    assert sum(probe.counts) > 0
    probe.note(0.3)
    probe.note(99)
    assert probe.counts[8] >= 1
    assert probe.counts[-1] == 1
    assert probe.seconds >= 99.3
