"""OpenTelemetry: off and unloaded by default; else a span per request that names its route and nothing of anybody."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.testclient import TestClient

import app.main
from app import cli
from app.api import phenotype
from app.api.extras import TracingMissingError
from app.api.tracing import Spans, spans_of
from app.main import create_app
from app.settings import SettingsError, load_settings
from tests.listening import DOSE

CANARY = "Canary7391"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def traced():
    """Give a client, and the spans that its requests have made."""
    app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://", "DEFERVESCE_LOG_LEVEL": "error"}))
    kept = InMemorySpanExporter()
    app.spans = Spans(kept, at_once=True)
    return TestClient(app, raise_server_exceptions=False), kept


def test_a_span_is_a_route_a_method_and_a_status(traced):
    client, kept = traced
    answer = client.post("/v1/anakinra/dose", json=DOSE, headers={"x-request-id": "r-1"})
    (span,) = kept.get_finished_spans()
    assert span.name == "POST /v1/anakinra/dose"
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/anakinra/dose",
        "http.response.status_code": answer.status_code,
        "defervesce.request_id": "r-1",
    }
    assert span.parent is None
    assert span.end_time >= span.start_time
    assert span.resource.attributes["service.name"] == "defervesce"


def test_a_span_belongs_to_the_callers_trace_under_the_id_that_was_answered(traced):
    client, kept = traced
    answer = client.get("/v1/cohorts/study", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    (span,) = kept.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT
    assert answer.headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"


def test_a_trace_that_is_not_sampled_is_not_told(traced):
    client, kept = traced
    client.get("/livez", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert kept.get_finished_spans() == ()


def test_nothing_of_anybody_is_in_a_span(traced):
    client, kept = traced
    client.get(f"/v1/cohorts/{CANARY}/patients/{CANARY}")
    client.get(f"/{CANARY}?{CANARY}={CANARY}", headers={"X-Canary": CANARY})
    client.post("/v1/phenotype", json={CANARY: CANARY})
    client.request(CANARY, "/livez")
    spans = kept.get_finished_spans()
    assert [span.attributes["http.response.status_code"] for span in spans] == [404, 404, 422, 405]
    assert [span.attributes["http.route"] for span in spans][:2] == [
        "/v1/cohorts/{cohort_id}/patients/{patient_id}",
        "unmatched",
    ]
    assert CANARY.lower() not in "".join(span.to_json() for span in spans).lower()
    assert all(span.status.status_code is StatusCode.UNSET and not span.events for span in spans)


def test_a_fault_of_ours_is_told_without_its_message(monkeypatch):
    def broken(*_):
        raise ValueError(CANARY)

    monkeypatch.setattr(phenotype.PhenotypeClassifier, "classify", broken)
    app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://", "DEFERVESCE_LOG_LEVEL": "error"}))
    kept = InMemorySpanExporter()
    app.spans = Spans(kept, at_once=True)
    assert TestClient(app).post("/v1/phenotype", json={"age_years": 8}).status_code == 500
    (span,) = kept.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert not span.status.description
    assert CANARY not in span.to_json()


def test_spans_without_a_trace_of_the_callers_have_ids_of_their_own(traced):
    client, kept = traced
    for _ in range(3):
        client.get("/livez")
    spans = kept.get_finished_spans()
    assert len({span.context.span_id for span in spans}) == len({span.context.trace_id for span in spans}) == 3


def test_it_is_off_and_not_loaded_by_default():
    code = (
        "import sys; from app.main import create_app; from app.settings import load_settings; "
        "app = create_app(load_settings({'DEFERVESCE_DATABASE_URL': 'sqlite://'})); "
        "print(app.spans, [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "None []"


def test_an_endpoint_makes_spans_and_a_missing_extra_is_named(monkeypatch):
    spans = spans_of("http://127.0.0.1:9/v1/traces")
    assert spans is not None
    spans.close()
    assert spans_of(None) is None
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracingMissingError, match=r"defervesce\[otel\]"):
        spans_of("http://127.0.0.1:9/v1/traces")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_missing_extra_ends_the_start_with_a_sentence(monkeypatch, tmp_path, capsys, workers):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", f"sqlite:///{tmp_path}/cohorts.db")
    monkeypatch.setenv("DEFERVESCE_OTEL_ENDPOINT", "http://127.0.0.1:9/v1/traces")
    monkeypatch.setenv("DEFERVESCE_WORKERS", workers)
    if workers == "1":
        with pytest.raises(SystemExit, match=r"defervesce cannot start:\n.*defervesce\[otel\]"):
            app.main.__getattr__("app")
    else:
        assert cli.main(["serve"]) == 2
        assert "defervesce[otel]" in capsys.readouterr().err


@pytest.mark.parametrize("endpoint", ["collector:4318", "http://user:pw@collector/v1", "http://x/?key=1", "ftp://x"])
def test_an_endpoint_is_an_address_without_secrets(endpoint):
    with pytest.raises(SettingsError, match="DEFERVESCE_OTEL_ENDPOINT"):
        load_settings({"DEFERVESCE_OTEL_ENDPOINT": endpoint})
