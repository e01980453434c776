"""Phenotype over HTTP: one child, and batches in which no child fails the others."""

import json

import pytest

from app.api import fast_json, item_batch
from app.api.fast_json import encode

ONE, MANY = "/v1/phenotype", "/v1/phenotype/batch"
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def example(app):
    return app.openapi()["components"]["schemas"]["Presentation"]["examples"][0]


def ndjson(client, *lines, **headers):
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return client.post(MANY, content=body, headers=NDJSON | headers)


def lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def test_the_worked_example_answers_as_documented(client, example):
    answer = client.post(ONE, json=example)
    assert answer.status_code == 200
    body = answer.json()
    assert body["phenotype"] == "kdss_like"
    assert body["possible_phenotypes"] == ["kdss_like"]
    assert body["kd_like"]["status"] == body["cv_shock"]["status"] == "met"
    assert body["kd_subtype"] == "complete"
    assert set(body["case_definitions"]) == {"cdc_2020", "cste_2023", "who_2020", "rcpch_2020"}
    assert body["case_definitions"]["cste_2023"]["case_class"] == "confirmed"
    assert set(body["macrophage_activation"]) == {"ravelli_2016", "hscore"}
    assert body["coronary"]["class"] == "none"
    assert body["vasoactive_inotropic_score"] == 5.0
    assert (body["missing"], body["warnings"]) == ([], [])
    assert {"id", "version", "sha256", "sources"} <= set(body["rules"])
    assert set(body["kd_like"]) == {
        *("id", "label", "status", "used", "threshold", "source", "missing", "of"),
        *("combine", "at_least", "note"),
    }


def test_the_answer_is_what_its_schema_says(client, app, example):
    schema = app.openapi()["components"]["schemas"]["PhenotypeAnswer"]
    assert set(client.post(ONE, json=example).json()) == set(schema["properties"]) == set(schema["required"])


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/age_years", "field_missing"),
        ({"age_years": "8"}, "/age_years", "not_a_number"),
        ({"age_years": True}, "/age_years", "not_a_number"),
        ({"age_years": 400}, "/age_years", "out_of_range"),
        ({"age_years": 8, "wieght_kg": 25}, "/wieght_kg", "unknown_field"),
        ({"age_years": 8, "fever": {"duraton_hours": 3}}, "/fever/duraton_hours", "unknown_field"),
        ({"age_years": 8, "fever": {"subjective": 1}}, "/fever/subjective", "not_a_boolean"),
        ({"age_years": 8, "sex": "m"}, "/sex", "value_not_allowed"),
        ({"age_years": 8, "labs": {"crp": 3}}, "/labs", "not_a_list"),
        (
            {"age_years": 8, "hemodynamics": {"vasoactive_infusions": [{"agent": "dopamin", "rate": 5}]}},
            "/hemodynamics/vasoactive_infusions/0/agent",
            "value_not_allowed",
        ),
        (
            {"age_years": 8, "labs": [{"analyte": "bnp", "value": 9, "unit": "mg/dL"}]},
            "/labs/0/unit",
            "unit_unknown",
        ),
    ],
)
def test_bad_input_is_named(client, body, pointer, code):
    answer = client.post(ONE, json=body)
    assert answer.status_code == 422
    assert (pointer, code) in {(e["pointer"], e["code"]) for e in answer.json()["errors"]}


def test_a_batch_answers_each_child_in_order(client, example):
    answer = client.post(MANY, json={"items": [example, {"age_years": 400}, {"age_years": 8.5}]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    items = answer.json()["items"]
    assert [(i["index"], i["status"]) for i in items] == [(0, 200), (1, 422), (2, 200)]
    assert items[0]["result"] == client.post(ONE, json=example).json()
    problem = items[1]["problem"]
    assert (problem["status"], problem["errors"][0]["pointer"]) == (422, "/age_years")
    assert items[2]["result"]["phenotype"] == "indeterminate"


def test_a_batch_as_lines_answers_as_lines(client, example):
    answer = ndjson(client, example, b"", {"age_years": "8"}, b"  ", {"age_years": 8.5}, b"")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [(i["index"], i["status"]) for i in lines(answer)] == [(0, 200), (1, 422), (2, 200)]


def test_accept_chooses_the_form_of_the_answer(client, example):
    assert len(ndjson(client, example, example, accept="application/json").json()["items"]) == 2
    answer = client.post(MANY, json={"items": [example]}, headers={"accept": "application/x-ndjson"})
    assert len(lines(answer)) == 1
    assert client.post(MANY, json={"items": [example]}, headers={"accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"age_years": 8, "age_years": 9}',
        b'{"age_years": NaN}',
        b'{"age_years": 1e400}',
        b"[" * 1000 + b"]" * 1000,
        b"null",
        b"3",
        b'"x"',
        b"[]",
        b'{"age_years": 8, "sex": "\\ud800"}',
    ],
)
def test_a_line_that_cannot_be_read_fails_alone(client, line):
    first, bad, last = lines(ndjson(client, {"age_years": 8.5}, line, {"age_years": 8.5}))
    assert (first["status"], last["status"]) == (200, 200)
    assert (bad["index"], bad["status"], bad["problem"]["status"]) == (1, 422, 422)
    assert bad["problem"]["errors"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"items": []}', 422, "batch_empty"),
        (b'{"items": [{"age_years": 8}], "more": 1}', 422, "unknown_field"),
        (b'{"itmes": []}', 422, "field_missing"),
        (b'{"items": {"age_years": 8}}', 422, "not_a_list"),
        (b'{"items": null}', 422, "not_a_list"),
        (b"[]", 422, "not_an_object"),
        (b'{"items": [{"age_years": 8}], "items": [{"age_years": 9}]}', 422, "duplicate_key"),
        (b'{"items": [{"age_years": NaN}]}', 422, "not_finite"),
        (b"", 400, None),
        (b'{"items": [', 400, None),
        (b'{"items": [' + b"[" * 1000 + b"]" * 1000 + b"]}", 400, None),
        (b'{"items": ["\xff"]}', 400, None),
    ],
)
def test_a_batch_that_is_none_is_refused(client, body, status, code):
    answer = client.post(MANY, content=body, headers=JSON)
    assert answer.status_code == status
    assert [e["code"] for e in answer.json()["errors"]][:1] == ([code] if code else [])


def test_an_empty_stream_of_lines_is_refused(client):
    answer = ndjson(client, b"", b" ")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "batch_empty")


def test_too_many_children_are_refused(client, monkeypatch):
    monkeypatch.setattr(item_batch, "context_of", _limited_to(item_batch.context_of, 2))
    allowed = client.post(MANY, json={"items": [{"age_years": 8}] * 2})
    assert allowed.status_code == 200
    answer = client.post(MANY, json={"items": [{"age_years": 8}] * 3})
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["code"], error["pointer"]) == ("batch_too_large", "/items")
    assert " 2 " in error["message"]


def _limited_to(context_of, items):
    def limited(scope):
        context = context_of(scope)
        limits = context.limits
        context.limits = type(limits)(limits.body_bytes, limits.record_bytes, items, limits.receive_seconds)
        return context

    return limited


def test_more_children_than_are_answered_at_a_time(client, monkeypatch):
    monkeypatch.setattr(item_batch, "ITEMS_AT_A_TIME", 2)
    items = [{"age_years": 8}, {"age_years": -1}, {"age_years": 9}, {"age_years": 10}, {"age_years": 11}]
    answers = client.post(MANY, json={"items": items}).json()["items"]
    assert [(a["index"], a["status"]) for a in answers] == [(0, 200), (1, 422), (2, 200), (3, 200), (4, 200)]


@pytest.mark.parametrize(
    "body",
    [
        b'{\n "items" :\t[ {"age_years": 8.5} ,\r\n {"age_years": 9.5} ] }\n',
        b'{"\\u0069tems": [{"age_years": 8.5}]}',
        b'{"items": [{"age_years": 8.5}]}',
    ],
)
def test_white_space_and_escapes_around_the_items_are_fine(client, body):
    answer = client.post(MANY, content=body, headers=JSON)
    assert {a["status"] for a in answer.json()["items"]} == {200}


def test_text_beyond_ascii_is_fine(client):
    items = [{"age_years": 8, "labs": [{"analyte": "crp", "value": 3, "unit": "µg/dL"}]}]
    answer = client.post(MANY, content=json.dumps({"items": items}, ensure_ascii=False).encode(), headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [ONE, MANY])
def test_another_content_type_is_refused_with_a_hint(client, path):
    answer = client.post(path, content=b"age_years=8", headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("path", [ONE, MANY])
def test_the_operations_are_documented_with_an_example_that_runs(client, app, example, path):
    operation = app.openapi()["paths"][path]["post"]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"] == ["phenotype"]
    content = operation["requestBody"]["content"]["application/json"]
    body = content.get("example", example)
    assert client.post(path, json=body).status_code == 200


def test_the_values_sent_are_not_repeated_in_a_problem(client):
    answer = client.post(ONE, json={"age_years": 8, "weight_kg": 98765.4321})
    assert answer.status_code == 422
    assert "98765" not in answer.text


def test_the_fast_writer_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="complex cannot be written"):
        encode(1j)


def test_the_fast_writer_keeps_only_so_many_rule_sets(client, example, monkeypatch):
    monkeypatch.setattr(fast_json, "_KEPT", 0)
    monkeypatch.setattr(fast_json, "_raw", {})
    assert client.post(ONE, json=example).json()["rules"]["id"] == "misc-phenotype-2023"
    assert fast_json._raw == {}
