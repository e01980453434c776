"""HTTP: formats, sizes, methods, ids, traces, CORS, security headers, logs and metrics; every failure is a problem."""

from __future__ import annotations

import asyncio
import itertools
import json
import re

import pytest
from fastapi import APIRouter, Depends
from prometheus_client.parser import text_string_to_metric_families
from starlette.exceptions import HTTPException

from app.api.exceptions import problem_of
from app.api.middleware import CLIENT_GONE
from app.api.problems import Problem, document
from app.api.routes import CalculatorRoute

PLAIN = "/v1/example/plain"
CANARY = "canary-7391"
BODY = {"weight_kg": 25}
JSON = {"content-type": "application/json"}
MEGABYTE = b" " * 1_000_000


def test_a_plain_operation_answers(example):
    answer = example.client.post(PLAIN, json=BODY | {"labs": [{"analyte": "crp", "value": 1}]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"weight_kg": 25.0, "labs": 1}


def test_an_operation_without_a_body_answers(example):
    assert example.client.get("/v1/example/none").json() == {"weight_kg": 1.0, "labs": 0}


def test_an_operation_may_answer_in_another_format(example):
    calendar = example.client.post("/v1/example/negotiated", json=BODY, headers={"accept": "text/calendar"})
    assert calendar.text == "BEGIN:VCALENDAR"
    assert calendar.headers["content-type"].startswith("text/calendar")
    assert calendar.headers["cache-control"] == "no-store"
    assert example.client.post("/v1/example/negotiated", json=BODY).json()["weight_kg"] == 25


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json; x=y",
    ],
)
@pytest.mark.parametrize("path", [PLAIN, "/v1/example/named/x", "/v1/example/streamed"])
def test_json_is_read_however_its_type_is_written(example, path, content_type):
    answer = example.client.post(path, content=json.dumps(BODY), headers={"content-type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "text/json"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/fhir+json"},
        {"content-type": "application/jsonx"},
        {"content-type": "application/json, application/json"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
@pytest.mark.parametrize("path", [PLAIN, "/v1/example/named/x", "/v1/example/streamed"])
def test_any_other_format_is_415_with_a_hint(example, path, headers):
    answer = example.client.post(path, content=json.dumps(BODY).encode(), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        ("text/html, application/json;q=0.5", 200),
        ("", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;q=0, */*", 406),
        ("text/html;q=zzz", 406),
        ("x" * 5_000, 200),
    ],
)
@pytest.mark.parametrize("path", [PLAIN, "/v1/example/named/x"])
def test_accept(example, path, accept, status):
    answer = example.client.post(path, json=BODY, headers={"accept": accept})
    assert answer.status_code == status


def test_unknown_paths_are_problems_and_are_not_redirected(example):
    for path in ("/nowhere", PLAIN + "/", "/v1", "/static/nothing.js", "/static/../main.py"):
        answer = example.client.get(path, follow_redirects=False)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}


def test_an_instance_is_a_uri_whatever_the_path(example):
    answer = example.client.get('/no"where/%0d%0aé/' + "x" * 1_000)
    assert re.fullmatch(r"[!-~]+", answer.json()["instance"])
    assert len(answer.json()["instance"]) < 1_000


def test_the_wrong_method_is_405_with_allow(example):
    for method, path, allowed in (
        ("GET", PLAIN, "POST"),
        ("DELETE", "/v1/example/none", "GET"),
        ("POST", "/docs", "GET"),
    ):
        answer = example.client.request(method, path)
        assert answer.status_code == 405
        assert allowed in answer.headers["allow"]
        assert answer.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/version", "/metrics", "/problems/validation", "/v1/example/none", "/docs", "/"]
)
def test_head_is_get_without_the_body(example, path):
    got, head = example.client.get(path), example.client.head(path)
    assert (got.status_code, head.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    ("path", "status"), [("/static/pages.css", 200), ("/nowhere", 404), ("/problems/none", 404), (PLAIN, 405)]
)
def test_head_of_files_and_of_failures_is_get_without_the_body(example, path, status):
    got, head = example.client.get(path), example.client.head(path)
    assert (got.status_code, head.status_code, head.content) == (status, status, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers.get("allow") == got.headers.get("allow")


def test_head_is_allowed_where_get_is(example):
    assert example.client.delete("/v1/example/none").headers["allow"] == "GET, HEAD"
    assert example.client.get(PLAIN).headers["allow"] == "POST"


def test_head_is_counted_and_logged_under_its_own_name(example):
    example.client.head("/livez")
    assert example.logged()[-1]["method"] == "HEAD"
    assert 'method="HEAD",route="/livez"' in example.client.get("/metrics").text


def megabytes(count: int):
    return itertools.repeat(MEGABYTE, count)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (PLAIN, 1_000_000),
        ("/v1/example/named/x", 1_000_000),
        ("/v1/example/bulk", 80_000_000),
        ("/v1/example/streamed", 80_000_000),
        ("/v1/example/raw", 80_000_000),
    ],
)
def test_a_large_body_is_413_and_is_not_kept(example, drive, path, limit):
    declared = drive(example.app, path, [], JSON | {"content-length": "100000000"})
    assert declared.status == 413
    assert declared.pulled == 0
    chunked = drive(example.app, path, megabytes(100), JSON)
    assert chunked.status == 413
    assert chunked.json()["type"] == "/problems/content-too-large"
    assert f"{limit // 1_000_000} MB" in chunked.json()["detail"]
    assert chunked.headers["connection"] == "close"
    assert chunked.pulled == 100_000_000, "drained, so that the client gets to read the answer"


def test_an_endless_body_is_not_drained_for_ever(example, drive):
    answer = drive(example.app, PLAIN, megabytes(10_000), JSON)
    assert answer.status == 413
    assert answer.pulled < 300_000_000


def test_the_limit_is_exact(make_example):
    example = make_example(max_body_mb="1")
    body = json.dumps(BODY).encode()
    for path in (PLAIN, "/v1/example/bulk", "/v1/example/named/x", "/v1/example/streamed"):
        assert example.client.post(path, content=body.ljust(1_000_000), headers=JSON).status_code == 200
        assert example.client.post(path, content=body.ljust(1_000_001), headers=JSON).status_code == 413


def test_a_body_in_small_chunks_is_read_whole(example, drive):
    body = json.dumps(BODY).encode()
    chunks = [body[i : i + 1] for i in range(len(body))]
    for path in (PLAIN, "/v1/example/named/x", "/v1/example/streamed"):
        assert drive(example.app, path, chunks, JSON).status == 200


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30])
def test_a_broken_length_is_400(example, drive, length):
    for path in (PLAIN, "/v1/example/raw"):
        answer = drive(example.app, path, [b"{}"], JSON | {"content-length": length})
        assert answer.status == 400
        assert answer.json()["type"] == "/problems/bad-request"


@pytest.mark.parametrize("path", [PLAIN, "/v1/example/named/x", "/v1/example/streamed", "/v1/example/raw"])
def test_a_body_that_does_not_come_is_408(make_example, drive, path):
    example = make_example(receive_timeout_seconds="0.05")
    for chunks in ([None], [b'{"weight', None]):
        answer = drive(example.app, path, chunks, JSON)
        assert answer.status == 408
        assert answer.headers["connection"] == "close"


def test_a_client_that_leaves_is_no_fault(example):
    async def leave():
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": PLAIN, "query_string": b"", "root_path": ""}
        await example.app(scope | {"headers": [(b"content-type", b"application/json")]}, receive, send)
        return sent

    assert asyncio.run(leave()) == []
    assert example.logged()[-1]["status"] == CLIENT_GONE


@pytest.mark.parametrize("sent", ["abc-123", "A" * 128, "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e", "a/b+c=="])
def test_a_request_id_is_kept(example, sent):
    for path, body in ((PLAIN, BODY), (PLAIN, {}), ("/nowhere", BODY)):
        answer = example.client.post(path, json=body, headers={"x-request-id": sent})
        assert answer.headers["x-request-id"] == sent
    assert answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "A" * 129, "a b", "a\tb", "é", 'a"b', "a{b}", "a;b", "a\x7f"])
def test_an_unsafe_request_id_is_replaced(example, drive, sent):
    answer = drive(example.app, PLAIN, [json.dumps(BODY).encode()], JSON | {"x-request-id": sent})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_header_injection_has_no_way_in(example, drive):
    for name in ("x-request-id", "traceparent", "origin"):
        answer = drive(example.app, PLAIN, [json.dumps(BODY).encode()], JSON | {name: "a\r\nset-cookie: x=1"})
        assert not any("\r" in value or "\n" in value for value in answer.headers.values())
        assert "set-cookie" not in answer.headers
    log = example.logged()
    assert len(log) == 3, "no line was forged"


def test_ids_differ(example):
    ids = {example.client.get("/livez").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_is_continued_under_a_new_span(example):
    answer = example.client.get("/livez", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != "b7ad6b7169203331"
    assert re.fullmatch(r"[0-9a-f]{16}", span)
    line = example.logged()[-1]
    assert (line["trace_id"], line["span_id"]) == (TRACE, span)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "00-abc-def-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
        f"00-{TRACE}-b7ad6b7169203331-0g",
    ],
)
def test_an_invalid_trace_is_ignored(example, sent):
    answer = example.client.get("/livez", headers={"traceparent": sent})
    assert "traceparent" not in answer.headers
    assert answer.status_code == 200


def test_a_trace_of_a_later_version_is_followed(example):
    answer = example.client.get("/livez", headers={"traceparent": f"01-{TRACE}-b7ad6b7169203331-01-more"})
    assert answer.headers["traceparent"].split("-")[1] == TRACE


@pytest.mark.parametrize(
    "path", [PLAIN, "/v1/example/named/x", "/nowhere", "/v1/example/broken", "/docs", "/static/pages.css"]
)
def test_every_answer_carries_the_security_headers(example, path):
    answer = example.client.get(path) if path.startswith(("/docs", "/static")) else example.client.post(path, json=BODY)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert len(answer.headers.get_list("cache-control")) == 1
    if not path.startswith(("/docs", "/static")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


ORIGIN = "https://ehr.example.org"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}


def test_no_origin_is_allowed_by_default(example):
    answer = example.client.post(PLAIN, json=BODY, headers={"origin": ORIGIN})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert example.client.options(PLAIN, headers={"origin": ORIGIN} | PREFLIGHT).status_code == 405


def test_a_listed_origin_may_call(make_example):
    example = make_example(cors_origins=f"{ORIGIN}, https://other.example.org:8443")
    for body in (BODY, {}):
        answer = example.client.post(PLAIN, json=body, headers={"origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
    preflight = example.client.options(PLAIN, headers={"origin": ORIGIN} | PREFLIGHT)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Content-Type" in preflight.headers["access-control-allow-headers"]


def test_any_other_origin_may_not(make_example):
    example = make_example(cors_origins=ORIGIN)
    for origin in ("https://evil.example.org", "null", ORIGIN + ".evil.org", ORIGIN.upper()):
        answer = example.client.post(PLAIN, json=BODY, headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"
        preflight = example.client.options(PLAIN, headers={"origin": origin} | PREFLIGHT)
        assert preflight.status_code == 403
        assert preflight.json()["type"] == "/problems/origin-refused"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/example/broken"), ("GET", f"/v1/example/broken/{CANARY}")],
)
def test_a_fault_is_a_500_that_tells_the_request_id_and_nothing_else(example, method, path):
    answer = example.client.request(method, path, json=BODY if method == "POST" else None)
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["type"] == "/problems/internal-error"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert CANARY not in json.dumps(problem | {"instance": ""})
    fault, line = example.logged()
    assert fault["event"] == "fault"
    assert fault["level"] == "error"
    assert fault["error"] == "builtins.ValueError"
    assert any("conftest.py" in place for place in fault["at"])
    assert fault["request_id"] == line["request_id"] == problem["request_id"]
    assert fault["route"] == line["route"]
    assert CANARY not in example.log.getvalue()


@pytest.mark.parametrize("path", ["/v1/example/late", f"/v1/example/late/{CANARY}"])
def test_a_fault_after_the_answer_began_is_logged_once_and_swallowed(example, drive, path):
    answer = drive(example.app, path, [], {}, "GET")
    assert (answer.status, answer.body) == (200, b"half")
    assert [line["event"] for line in example.logged()] == ["fault", "request"]
    assert CANARY not in example.log.getvalue()


def test_what_breaks_outside_the_router_is_a_problem_too(example, drive):
    def broken(_):
        raise RuntimeError(CANARY)

    example.app.router.routes.insert(0, type("Broken", (), {"matches": lambda *_: broken(0), "path": "/"})())
    answer = drive(example.app, "/anything", [], {}, "GET")
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in example.log.getvalue() + answer.body.decode()


def test_no_value_reaches_a_log(example, drive):
    client = example.client
    client.post(PLAIN, json={"weight_kg": CANARY, CANARY: 1})
    client.post(f"{PLAIN}?name={CANARY}", json=BODY)
    client.post(f"/v1/example/named/{CANARY}?version={CANARY}", json=BODY)
    client.get(f"/{CANARY}")
    client.post(PLAIN, json=BODY, headers={"user-agent": CANARY, "authorization": CANARY, "cookie": CANARY})
    drive(example.app, f"/{CANARY}", [], {}, CANARY)
    client.post("/v1/example/broken", json={"weight_kg": 7.391})
    example.app.writer.flush()
    assert CANARY not in example.log.getvalue()
    assert "7.391" not in example.log.getvalue()
    assert len(example.logged()) == 8


def test_a_log_line_tells_method_template_status_time_and_id(example):
    example.client.post("/v1/example/named/somebody", json=BODY, headers={"x-request-id": "abc"})
    line = example.logged()[-1]
    assert line.pop("time").endswith("Z")
    assert line.pop("duration_ms") > 0
    assert line == {
        "level": "info",
        "event": "request",
        "method": "POST",
        "route": "/v1/example/named/{name}",
        "status": 200,
        "request_id": "abc",
    }


def test_text_logs_and_quiet_logs(make_example):
    text = make_example(log_format="text")
    text.client.get("/livez")
    text.app.writer.flush()
    assert re.search(r"info    GET /livez 200 \d+\.\d+ ms [0-9a-f]{32}\n$", text.log.getvalue())
    quiet = make_example(log_level="warning")
    quiet.client.get("/livez")
    quiet.client.post("/v1/example/broken", json=BODY)
    assert [line["event"] for line in quiet.logged()] == ["fault", "request"]


def test_metrics_count_by_template_and_unknown_paths_do_not_multiply(example, drive):
    for number in range(30):
        example.client.get(f"/unknown-{number}")
        example.client.post(f"/v1/example/named/{number}", json=BODY)
        drive(example.app, "/livez", [], {}, f"METHOD{number}")
    example.client.post(PLAIN, json=BODY)
    text = example.client.get("/metrics").text
    assert 'defervesce_requests_total{method="GET",route="unmatched",status="404"} 30.0' in text
    assert 'defervesce_requests_total{method="POST",route="/v1/example/named/{name}",status="200"} 30.0' in text
    assert f'defervesce_requests_total{{method="POST",route="{PLAIN}",status="200"}} 1.0' in text
    assert 'method="OTHER"' in text
    assert "unknown-1" not in text
    assert "METHOD1" not in text
    assert f'defervesce_request_seconds_bucket{{le="+Inf",method="POST",route="{PLAIN}",status="200"}} 1.0' in text
    assert "defervesce_requests_in_progress 1.0" in text, "this very scrape"
    assert "defervesce_build_info" in text
    assert len(text.splitlines()) < 300


def test_metrics_are_what_prometheus_reads(example):
    example.client.post(PLAIN, json=BODY)
    answer = example.client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["defervesce_request_seconds"].type == "histogram"
    assert answer.headers["content-type"].startswith("text/plain; version=")


def test_problem_types_resolve(example):
    problem = example.client.get("/nowhere").json()
    told = example.client.get(problem["type"]).json()
    assert (told["type"], told["title"], told["status"]) == (problem["type"], problem["title"], 404)
    unknown = example.client.get("/problems/nothing")
    assert unknown.status_code == 404
    assert "validation" in unknown.json()["errors"][0]["allowed"]


def test_any_other_status_that_is_raised_is_a_bare_problem():
    for status, title in ((418, "I'm a Teapot"), (599, "Unknown status")):
        problem = problem_of(HTTPException(status, "Words."))
        assert problem is not None
        told = document(problem, "/x", "id")
        assert (told["type"], told["status"], told["title"], told["detail"]) == ("about:blank", status, title, "Words.")


def test_an_operation_with_two_bodies_is_refused_at_start():
    router = APIRouter(route_class=CalculatorRoute)

    async def two(first: Problem, second: Problem) -> None:
        del first, second

    with pytest.raises(TypeError, match="one body model"):
        router.post("/two")(two)


def test_what_an_inclusion_adds_is_not_bypassed_by_the_short_way(example):
    """A dependency put on a router where it is included (a caller's key, say) must run."""
    router = APIRouter(route_class=CalculatorRoute)

    @router.get("/guarded")
    async def guarded() -> int:
        return 1

    def refuse() -> None:
        raise HTTPException(401)

    example.app.include_router(router, prefix="/open")
    example.app.include_router(router, prefix="/closed", dependencies=[Depends(refuse)])
    assert example.client.get("/open/guarded").status_code == 200
    assert example.client.get("/closed/guarded").status_code == 401
