"""SQL, formulas and markup through every text field and parameter, into every export and page: text stays text."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from app.cohorts.figures import NAMES
from app.cohorts.intake.columns import Layout
from app.cohorts.intake.csv_rows import csv_rows
from app.cohorts.intake.csv_write import CsvWriter, columns_in_use, in_order
from tests import hostile
from tests.cohort_api import Api, lines, record

NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?\Z")
# How a spreadsheet program tells that it has to calculate.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# What a reader must never have been sent as markup.
RAW = ("<script", "<img", "<iframe", "<svg onload", "<a href='javascript")


@pytest.fixture
def api(database_url):
    made = Api(database_url)
    yield made
    assert "Traceback" not in made.logged()
    made.close()


def safe(text: str) -> bool:
    return not text.startswith(STARTS) or NUMBER.match(text) is not None


class Markup(HTMLParser):
    """Collects the tags and addresses that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def assert_inert(html: str) -> None:
    found = Markup()
    found.feed(html)
    assert not found.tags & {"script", "img", "iframe", "object", "embed", "form", "base", "link"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [
        value
        for name, value in found.attributes
        if name in {"href", "src", "xlink:href"} and ":" in value.partition("?")[0]
    ]


def test_the_schema_has_text_fields_and_they_are_found():
    fields = hostile.text_fields()
    assert ("patient_id",) in fields
    assert ("treatment", "corticosteroids", 0, "agent") in fields
    assert ("cytokines", "il_6", "unit") in fields
    assert ("adverse_events", 0, "facts", "free") in fields
    assert len(fields) > 15


def test_no_text_field_of_a_record_takes_it(api):
    """Every text of a record is a word that the rules know, or a pseudonym: nothing free gets in, and none is repeated.

    Whoever adds a field that takes free text finds it here, and has to show what becomes of it in every export.
    """
    path = api.create(record(1))
    sent = [one for _, _, one in hostile.records()]
    answer = api.add(path, lines(*sent), query="?on_error=skip")
    assert answer.status_code == 200, answer.text
    assert answer.json()["report"]["skipped"] == len(sent)
    for _, payload, one in list(hostile.records())[:: len(hostile.PAYLOADS) // 2]:
        refused = api.add(path, lines(one))
        assert refused.status_code == 422
        assert payload not in [part for error in refused.json()["errors"] for part in error.values()]
        assert json.dumps(payload)[1:-1] not in refused.text
    everything_is_there(api, path, 1)


def test_what_goes_out_is_safe_whatever_is_kept():
    """Behind the door, too: were such a text kept, a spreadsheet would not run it, and it would come back unchanged."""
    layout = Layout(hostile.SCHEMA)
    sent = [one for _, _, one in hostile.records()]
    writer = CsvWriter(layout, in_order(columns_in_use(sent, layout), layout))
    text = writer.header() + writer.rows(sent)
    cells = [cell for row in csv.reader(io.StringIO(text.decode(), newline="")) for cell in row]
    assert [cell for cell in cells if not safe(cell)] == []
    assert [json.loads(row.raw) for row in csv_rows([text], layout)] == sent


def test_tables_and_figures_hold_no_formula_and_no_script(api):
    for asked in ("analysis", "analysis/adverse_events", "analysis/cytokines", "analysis/labs", "analysis/missing"):
        answer = api.client.get(f"/v1/cohorts/study/{asked}", params={"format": "csv"})
        cells = [cell for row in csv.reader(io.StringIO(answer.text, newline="")) for cell in row]
        assert len(cells) > 10
        assert [cell for cell in cells if not safe(cell)] == []
    for name in NAMES:
        figure = api.client.get(f"/v1/cohorts/study/figures/{name}.svg")
        assert "sandbox" in figure.headers["content-security-policy"]
        tags = {one.tag.rpartition("}")[2] for one in ET.fromstring(figure.text).iter()}  # noqa: S314  # our own text
        assert not tags & {"script", "a", "image", "foreignObject"}


def test_through_name_and_description(api):
    for payload in hostile.PAYLOADS:
        named(api, payload)


def named(api: Api, payload: str) -> None:
    answer = api.client.post("/v1/cohorts", json={"name": payload, "description": payload, "patients": [record(1)]})
    if answer.status_code == 422:
        assert payload not in answer.text
        return
    assert answer.status_code == 201
    assert answer.json()["name"] == payload.strip()
    path = answer.headers["location"]
    for asked in (path, "/v1/cohorts", f"{path}/patients", f"{path}/export?format=csv", f"{path}/analysis?format=csv"):
        found = api.client.get(asked)
        assert found.status_code == 200
        assert found.headers["x-content-type-options"] == "nosniff"
        assert not any(payload in value for value in found.headers.values())
    report = api.client.get(f"{path}/report")
    assert "default-src 'none'" in report.headers["content-security-policy"]
    assert "script-src" not in report.headers["content-security-policy"]
    assert_inert(report.text)
    assert not any(raw in report.text for raw in RAW)
    everything_is_there(api, path, 1)


def test_through_parameters_and_headers(api):
    path = api.create(record(1))
    for payload in (*hostile.PAYLOADS, "a\r\nX-Injected: 1", "../../etc/passwd", "study/../../x", "%00"):
        asked_with(api, path, payload)
    everything_is_there(api, path, api.client.get(path).json()["n"])


def test_nul_names_nothing(api):
    """PostgreSQL takes no NUL in a text, not even to look for."""
    path = api.create(record(1))
    for method, asked in (
        ("GET", "/v1/cohorts/%2500"),
        ("GET", "/v1/jobs/%2500"),
        ("GET", f"{path}/patients/%2500"),
        ("DELETE", f"{path}/patients/%2500"),
        ("DELETE", "/v1/cohorts/%2500"),
    ):
        assert api.client.request(method, asked, headers={"if-match": "*"}).status_code == 404
    assert api.add("/v1/cohorts/%2500", lines(record(2)), idempotency_key="a").status_code == 404


def asked_with(api: Api, path: str, payload: str) -> None:
    told = quote(payload, safe="")
    for asked in (
        f"/v1/cohorts/{told}",
        f"/v1/cohorts/{told}/report",
        f"/v1/jobs/{told}",
        f"{path}/patients/{told}",
        f"{path}/analysis?by={told}",
        f"{path}/analysis?where={told}",
        f"{path}/analysis?where=treatment:{told}",
        f"{path}/analysis?adjust={told}&interval={told}",
        f"{path}/analysis/{told}",
        f"{path}/figures/{told}.svg",
        f"{path}/export?format={told}",
        f"/v1/cohorts?cursor={told}&limit={told}",
        f"/v1/ctcae/terms?q={told}",
        f"/v1/rules/{told}",
        f"/{told}",
    ):
        answer = api.client.get(asked)
        assert answer.status_code in {200, 400, 404, 422}, (asked, answer.text)
        assert answer.headers["content-type"].startswith(("application/json", "application/problem+json"))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "x-injected" not in answer.headers
        assert not any(raw in answer.text for raw in RAW)
    visible = payload.encode("ascii", "ignore").replace(b"\r", b"").replace(b"\n", b"").replace(b"\t", b"").strip()
    for name in ("x-request-id", "idempotency-key", "if-match", "traceparent", "prefer", "accept"):
        answer = api.client.post(
            f"{path}/patients",
            content=lines(record(2)),
            headers={"content-type": "application/x-ndjson", name: visible},
        )
        assert answer.status_code in {200, 202, 400, 406, 409, 412, 422}, (name, answer.text)
        assert not any(raw in answer.text for raw in RAW)
        assert not any(raw in value for raw in RAW for value in answer.headers.values())


def everything_is_there(api: Api, path: str, n: int) -> None:
    """Check that nobody dropped or changed what is kept."""
    assert api.client.get(path).json()["n"] == n
    assert api.client.get("/v1/cohorts/study").json()["n"] == 46
    assert {differed for _, differed in api.app.database.store.rebuild()} == {False}
