"""No value of a patient leaves but in the answer to whoever sent it: canaries through every operation of the app.

They stand in every field of every documented body, in paths, queries and headers, in bodies that are broken, in rows of
NDJSON and CSV. Then everything that the service gave out by itself is searched: problems, the log, the standard
library's log, warnings, what was printed, metrics, traces, the audit trail, jobs, receipts.

The operations are those of the app's own document, and every route is in it: a new one cannot be forgotten. Names of
fields are not values: a problem points at what it refuses.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from fastapi.routing import iter_route_contexts

from app import cli
from app.api.openapi import operations
from app.api.receipts_declared import gives_receipts
from app.main import create_app
from app.settings import load_settings
from tests.cohort_api import CSV, NDJSON, Api, record
from tests.described import DOCUMENT, examples, resolved

TEXT = "canary-qzx7391"
# A pseudonym is no patient's value: it may stand in the audit trail and in a problem that names the row, in no log.
PSEUDONYM = "PSEUDO-qzx515"
DIGITS = "739113"
CANARIES = ("qzx7391", DIGITS)
JSON = "application/json"
OPERATIONS = list(operations(DOCUMENT))
HEADERS = (
    "accept",
    "accept-language",
    "authorization",
    "content-disposition",
    "content-encoding",
    "content-type",
    "cookie",
    "expect",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "origin",
    "prefer",
    "range",
    "referer",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-forwarded-for",
    "x-patient",
)


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        for body in examples(media):
            yield media_type, body


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, (*path, name))
    elif isinstance(value, list):
        # All items of a list are alike: the first two stand for them.
        for index, one in enumerate(value[:2]):
            yield from leaves(one, (*path, index))
    else:
        yield path, value


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = deepcopy(body)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


def spoilt(body: Any) -> Iterator[Any]:
    """Yield a body with a canary in each of its fields: one that may be taken, and ones that cannot be."""
    for path, value in leaves(body):
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        text = PSEUDONYM if name == "patient_id" else TEXT
        yield put(body, path, text)
        yield put(body, path, [text])
        if name != "patient_id":
            yield put(body, path, 739113.739113)
            yield put(body, path, 739113)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield put(body, path, value + 0.000739113)


def spoilt_rows(body: str, media_type: str) -> Iterator[str]:
    """Yield lines with a canary in each part between commas; not in the names of a CSV's columns."""
    rows = body.splitlines()
    for row in range(1 if media_type == CSV else 0, len(rows)):
        cells = rows[row].split(",")
        for cell in range(len(cells)):
            is_id = cell == 0 if media_type == CSV else "patient_id" in cells[cell]
            text = PSEUDONYM if is_id else TEXT
            spoilt_row = ",".join([*cells[:cell], f'"{text}"', *cells[cell + 1 :]])
            yield "\n".join([*rows[:row], spoilt_row, *rows[row + 1 :]])


def broken(text: str) -> Iterator[bytes]:
    yield f'{{"{TEXT}'.encode()
    yield text.encode()[:-1] + f', "a": "{TEXT}"'.encode()
    yield f'{{"a": "{TEXT}", "a": {DIGITS}}}'.encode()
    yield f'{{"a": NaN, "b": "{TEXT}"}}'.encode()
    yield f'{{"a": {DIGITS}e999}}'.encode()
    yield b'{"a": "' + TEXT.encode() + b'\xff"}'
    yield f'"{TEXT}"'.encode()
    yield f"[{DIGITS}]".encode()
    yield TEXT.encode()
    yield (f'{{"{"a"}":' * 200 + f'"{TEXT}"' + "}" * 200).encode()


class Ear:
    """Hears everything that the service says besides its successful answers."""

    def __init__(self, url: str) -> None:
        self.api = Api(url, log_level="debug", cors_origins="https://ehr.example.org")
        self.said: list[tuple[str, str]] = []
        self.records: list[logging.LogRecord] = []
        self.statuses: set[int] = set()

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        answer = self.api.client.request(method, path, **sent)
        self.statuses.add(answer.status_code)
        what = f"{method} {path}"
        if answer.status_code >= 400:
            self.said.append((what, _without_instance(answer.text) + str(dict(answer.headers))))
        told = {name: answer.headers.get(name, "") for name in ("x-request-id", "traceparent", "location")}
        self.said.append((what, str(told)))
        assert answer.status_code != 500, f"{what}: {answer.text}"
        return answer

    def everything(self) -> Iterator[tuple[str, str]]:
        """Yield what was said, and where; logs last."""
        yield from self.said
        with self.api.app.database.engine.connect() as connection:
            for table in ("audit", "audit_heads", "receipts", "signing_keys"):
                for row in connection.execute(sa.text(f"SELECT * FROM {table}")):  # noqa: S608  # of this module
                    yield f"table {table}", str(tuple(row))
            for (error,) in connection.execute(sa.text("SELECT error FROM jobs WHERE error IS NOT NULL")):
                yield "error of a job", _without_instance(error)
        yield from self.logs()

    def logs(self) -> Iterator[tuple[str, str]]:
        yield "log", self.api.logged()
        yield "metrics", self.api.client.get("/metrics").text
        formatter = logging.Formatter("%(name)s %(message)s")
        for one in self.records:
            yield "logging", formatter.format(one)


def _without_instance(text: str) -> str:
    """Leave out the path that was called: a problem names it, but for the patient's id in it."""
    try:
        told = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(told, dict):
        instance = told.pop("instance", "")
        assert PSEUDONYM not in instance or "/patients/" in instance
    return json.dumps(told, ensure_ascii=False)


@pytest.fixture
def ear():
    made = Ear("sqlite://")
    handler = logging.Handler(logging.NOTSET)
    # What the client of these tests and the event loop log of their own is not the service's.
    handler.addFilter(lambda one: not one.name.startswith(("httpx", "httpcore", "asyncio")))
    handler.emit = made.records.append
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield made
    root.removeHandler(handler)
    root.setLevel(before)
    made.api.close()
    assert not [str(one.message) for one in caught if any(canary in str(one.message) for canary in CANARIES)]


@pytest.fixture
def silent(ear, capfd):
    """Fail when a canary is found anywhere, or a pseudonym in a log."""
    yield ear
    found = [(where, text) for where, text in ear.everything() if any(canary in text for canary in CANARIES)]
    assert not found, found[:3]
    assert not [where for where, text in ear.logs() if PSEUDONYM in text]
    printed = "".join(capfd.readouterr())
    assert not [canary for canary in (*CANARIES, PSEUDONYM) if canary in printed]


def first_values(path: str, operation: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the path and the headers of the documented call."""
    named = {"path": {}, "query": {}, "header": {}}
    for one in operation.get("parameters", ()):
        if values := examples(resolved(one)):
            named[one["in"]][one["name"]] = values[0]
    return path.format_map(named["path"]), named["header"]


def test_every_route_is_an_operation_of_the_document():
    app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))
    known = {(method.upper(), path) for path, method, _ in OPERATIONS}
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            if route.path and route.path.startswith("/v1/"):
                assert (method, route.path) in known, "a route that this test would not see"


def test_a_canary_would_be_found(ear):
    """The search itself: what is put where it looks is found."""
    ear.api.app.writer.write(f'{{"x": "{TEXT}"}}')
    logging.getLogger("app").warning("%s", DIGITS)
    assert [where for where, text in ear.everything() if any(canary in text for canary in CANARIES)] == [
        "log",
        "logging",
    ]


WITH_BODY = [(path, method, one) for path, method, one in OPERATIONS if "requestBody" in one]


@pytest.mark.parametrize(
    ("path", "method", "operation"), WITH_BODY, ids=[operation["operationId"] for _, _, operation in WITH_BODY]
)
def test_in_every_field_of_a_body(silent, path, method, operation):
    place, headers = first_values(path, operation)
    for media_type, body in bodies(operation):
        typed = headers | {"content-type": media_type}
        if isinstance(body, str):
            for text in spoilt_rows(body, media_type):
                silent.ask(method.upper(), place, content=text.encode(), headers=typed)
            continue
        for made in spoilt(body):
            asked = typed | ({"prefer": "return=receipt"} if gives_receipts(method, path) else {})
            silent.ask(method.upper(), place, content=json.dumps(made).encode(), headers=asked)
        for raw in broken(json.dumps(body)):
            silent.ask(method.upper(), place, content=raw, headers=typed)
    for media_type in (JSON, NDJSON, CSV, "text/plain", f"text/{TEXT}"):
        for raw in (TEXT.encode(), f"patient_id,age_years\n{PSEUDONYM},{TEXT}\n{TEXT},{DIGITS}\n".encode()):
            silent.ask(method.upper(), place, content=raw, headers=headers | {"content-type": media_type})
    # The token endpoint answers as OAuth 2.0 wants it.
    assert (400 if path == "/token" else 422) in silent.statuses


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[operation["operationId"] for _, _, operation in OPERATIONS]
)
def test_in_paths_queries_and_headers(silent, path, method, operation):
    place, headers = first_values(path, operation)
    sent = next(bodies(operation), None)
    content: dict[str, Any] = {"headers": headers}
    if sent is not None:
        content = {
            "content": sent[1].encode() if isinstance(sent[1], str) else json.dumps(sent[1]).encode(),
            "headers": headers | {"content-type": sent[0]},
        }
    parameters = [resolved(one) for one in operation.get("parameters", ())]
    for one in parameters:
        if one["in"] == "path":
            for value in (TEXT, quote(f"Jane {TEXT}/../x", safe=""), f"{DIGITS}.{DIGITS}", f"{TEXT}%0d%0aset-cookie"):
                others = {p["name"]: examples(p)[0] for p in parameters if p["in"] == "path"}
                silent.ask(method.upper(), path.format_map(others | {one["name"]: value}), **content)
    for name in [one["name"] for one in parameters if one["in"] == "query"] + ["patient"]:
        for value in (TEXT, DIGITS, f"treatment:{TEXT}", f"{TEXT}:x", f"2020-{DIGITS}"):
            silent.ask(method.upper(), f"{place}?{name}={value}", **content)
            silent.ask(method.upper(), f"{place}?{name}={value}&{name}={value}", **content)
    for name in HEADERS:
        spoilt_headers = content["headers"] | {name: f'"{TEXT}"' if name.startswith("if-") else TEXT}
        silent.ask(method.upper(), place, **(content | {"headers": spoilt_headers}))
    silent.ask("PATCH", place, **content)
    silent.ask("OPTIONS", place, headers={"origin": f"https://{TEXT}", "access-control-request-method": "POST"})


def test_in_paths_that_do_not_exist(silent):
    for place in (f"/{TEXT}", f"/v1/{TEXT}", f"/v1/cohorts/study/{TEXT}", f"/v1/cohorts/{TEXT}/patients/{PSEUDONYM}/x"):
        for method in ("GET", "POST", "DELETE"):
            assert silent.ask(method, place, content=TEXT.encode()).status_code in {404, 405}


def test_in_rows_that_a_job_refuses(silent):
    path = silent.api.create(record(1))
    rows = [
        record(2, age_years=739113),
        record(3, sex=TEXT),
        record(4, outcome={"died": TEXT}),
        {"patient_id": "Jane Canary-qzx7391", "age_years": 3},
        record(5, labs=[{"analyte": TEXT, "value": 739113, "unit": TEXT}]),
    ]
    for body, kind in (
        ("".join(json.dumps(row) + "\n" for row in rows), NDJSON),
        (f"patient_id,age_years,sex\nP9,{DIGITS},{TEXT}\nP10,{TEXT},{DIGITS}\n", CSV),
    ):
        headers = {"content-type": kind, "prefer": "respond-async"}
        answer = silent.ask("POST", f"{path}/patients", content=body.encode(), headers=headers)
        assert answer.status_code == 202
        for _ in range(200):
            job = silent.api.client.get(answer.headers["location"]).json()
            if job["status"] == "failed":
                break
            time.sleep(0.02)
        assert job["error"]["status"] == 422
        assert not [canary for canary in CANARIES if canary in json.dumps(job)]
        skipped = silent.ask(
            "POST", f"{path}/patients?on_error=skip", content=body.encode(), headers=headers | {"prefer": ""}
        )
        assert not [canary for canary in CANARIES if canary in skipped.text]


def test_in_exceptions(ear, monkeypatch):
    """A fault of ours is answered and logged by its type and place: its text may hold anything."""

    def fail(*_, **__):
        raise ValueError(f"{TEXT} {DIGITS}")

    calls = {
        "app.cohorts.reading.CohortReader.detail": ("GET", "/v1/cohorts/study", None),
        "app.cohorts.service.CohortService.replace": ("PUT", "/v1/cohorts/example/patients/P01", record(1)),
        "app.clinical.phenotype.PhenotypeClassifier.classify": ("POST", "/v1/phenotype", {"age_years": 8}),
        "app.security.receipts.keeper.ReceiptKeeper.find": ("GET", "/v1/receipts/abc", None),
        "app.security.store.audit.newest": ("GET", "/v1/audit", None),
    }
    for name, (method, path, body) in calls.items():
        with monkeypatch.context() as patched:
            patched.setattr(name, fail)
            answer = ear.api.client.request(method, path, json=body, headers={"if-match": "*"})
            assert answer.status_code == 500, name
            ear.said.append((path, answer.text))
    assert not [where for where, text in ear.everything() if any(canary in text for canary in CANARIES)]
    assert ear.api.logged().count('"event": "fault"') + ear.api.logged().count('"event":"fault"') == len(calls)


def test_on_the_command_line(sqlite_url, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
    path = tmp_path / "patients.ndjson"
    for text in (json.dumps(record(1, sex=TEXT)), json.dumps(record(1, age_years=739113)), f'{{"a": "{TEXT}'):
        path.write_text(text + "\n")
        assert cli.main(["import", str(path), "--name", "a"]) == 2
    printed = "".join(capfd.readouterr())
    assert printed.count("nothing was kept") == 3
    assert not [canary for canary in CANARIES if canary in printed]
