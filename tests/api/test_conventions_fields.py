"""Refused fields: each has its pointer, a stable code, what is allowed with its unit, and never the value sent."""

from __future__ import annotations

import json

import jsonschema
import pytest

PLAIN = "/v1/example/plain"
CANARY = "canary-7391"
REQUIRED = {"weight_kg": 25}

CASES = {
    "misspelt": ({"wieght_kg": 25} | REQUIRED, "/wieght_kg", "unknown_field", ["weight_kg"]),
    "unlike any field": ({"zzz": 1} | REQUIRED, "/zzz", "unknown_field", ["at", "doses", "either", "labs", "sex"]),
    "misspelt inside": (
        {"labs": [{"analyt": "crp", "analyte": "crp", "value": 1}]} | REQUIRED,
        "/labs/0/analyt",
        "unknown_field",
        ["analyte"],
    ),
    "missing": ({}, "/weight_kg", "field_missing", None),
    "missing inside": ({"labs": [{"value": 1}]} | REQUIRED, "/labs/0/analyte", "field_missing", None),
    "text for a number": ({"weight_kg": CANARY}, "/weight_kg", "not_a_number", None),
    "digits in text": ({"weight_kg": "25"}, "/weight_kg", "not_a_number", None),
    "true for a number": ({"weight_kg": True}, "/weight_kg", "not_a_number", None),
    "list for a number": ({"weight_kg": [25]}, "/weight_kg", "not_a_number", None),
    "null for a required number": ({"weight_kg": None}, "/weight_kg", "not_a_number", None),
    "negative": ({"weight_kg": -7391.25}, "/weight_kg", "out_of_range", None),
    "zero": ({"weight_kg": 0}, "/weight_kg", "out_of_range", None),
    "huge": ({"weight_kg": 1e300}, "/weight_kg", "out_of_range", None),
    "whole number out of range": ({"doses": 9} | REQUIRED, "/doses", "out_of_range", None),
    "fraction for a whole number": ({"doses": 7391.25} | REQUIRED, "/doses", "not_an_integer", None),
    "text for true": ({"stable": "yes"} | REQUIRED, "/stable", "not_a_boolean", None),
    "one for true": ({"stable": 1} | REQUIRED, "/stable", "not_a_boolean", None),
    "number for text": ({"labs": [{"analyte": 7391, "value": 1}]} | REQUIRED, "/labs/0/analyte", "not_a_string", None),
    "text too long": (
        {"labs": [{"analyte": CANARY * 2, "value": 1}]} | REQUIRED,
        "/labs/0/analyte",
        "text_length",
        None,
    ),
    "empty text": ({"labs": [{"analyte": "", "value": 1}]} | REQUIRED, "/labs/0/analyte", "text_length", None),
    "word not on the list": ({"sex": CANARY} | REQUIRED, "/sex", "value_not_allowed", ["male", "female"]),
    "naive time": ({"at": "2020-06-01T08:00:00"} | REQUIRED, "/at", "offset_missing", None),
    "not a time": ({"at": CANARY} | REQUIRED, "/at", "not_a_datetime", None),
    "number for a time": ({"at": 1591000000} | REQUIRED, "/at", "not_a_datetime", None),
    "object for a list": ({"labs": {}} | REQUIRED, "/labs", "not_a_list", None),
    "too many": ({"labs": [{"analyte": "a", "value": 1}] * 4} | REQUIRED, "/labs", "list_length", None),
    "number for an object": ({"labs": [7391]} | REQUIRED, "/labs/0", "not_an_object", None),
    "list for the body": ([CANARY], "", "not_an_object", None),
    "null for the body": (None, "", "not_an_object", None),
}


@pytest.mark.parametrize(("body", "pointer", "code", "allowed"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("path", [PLAIN, "/v1/example/named/x", "/v1/example/streamed"])
def test_a_refused_field(example, path, body, pointer, code, allowed):  # noqa: PLR0917  # pytest passes them by name
    answer = example.client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "/problems/validation"
    assert problem["instance"] == path
    assert (problem["errors"][0]["pointer"], problem["errors"][0]["code"]) == (pointer, code)
    assert len(problem["errors"]) == 1
    if allowed is not None:
        assert problem["errors"][0]["allowed"][: len(allowed)] == allowed
    assert CANARY not in answer.text
    assert "7391" not in answer.text.replace(problem["request_id"], "")


def test_the_message_tells_range_and_unit(example):
    errors = example.client.post(PLAIN, json={"weight_kg": 500}).json()["errors"]
    assert errors[0]["message"] == "weight_kg must be a number of at least 0.3 and at most 300. (Body weight in kg.)"
    errors = example.client.post(PLAIN, json={"weight_kg": "x"}).json()["errors"]
    assert errors[0]["message"] == (
        "weight_kg must be a JSON number of at least 0.3 and at most 300; not text, null, true or false. "
        "(Body weight in kg.)"
    )
    errors = example.client.post(PLAIN, json={"weight_kg": 5, "doses": 1.5}).json()["errors"]
    assert errors[0]["message"] == "doses must be a whole number above 0 and below 9, or null."
    body = {"weight_kg": 5, "labs": [{"analyte": "crp", "value": "1"}]}
    errors = example.client.post(PLAIN, json=body).json()["errors"]
    assert errors[0]["message"].startswith("value must be a JSON number such as 25.5; not text")
    errors = example.client.post(PLAIN, json={"weight_kg": 5, "doses": 0}).json()["errors"]
    assert errors[0]["message"] == "doses must be a number above 0 and below 9."


def test_a_misspelt_field_is_told_the_right_one(example):
    errors = example.client.post(PLAIN, json={"weight_kg": 5, "wieght_kg": 5}).json()["errors"]
    assert errors[0]["message"] == 'There is no such field here. Did you mean "weight_kg"?'


def test_a_union_names_the_field_and_not_its_branches(example):
    errors = example.client.post(PLAIN, json={"weight_kg": 5, "either": "x"}).json()["errors"]
    assert {(e["pointer"], e["code"]) for e in errors} == {
        ("/either", "not_an_integer"),
        ("/either", "value_not_allowed"),
    }


def test_all_fields_at_fault_are_named_at_once(example):
    body = {"weight_kg": -1, "sex": "x", "labs": [{"analyte": "a"}, {"value": 1}]}
    problem = example.client.post(PLAIN, json=body).json()
    assert [e["pointer"] for e in problem["errors"]] == ["/weight_kg", "/sex", "/labs/0/value", "/labs/1/analyte"]
    assert problem["detail"] == "4 fields were refused."


def test_a_long_field_name_is_cut(example):
    errors = example.client.post(PLAIN, json={"weight_kg": 5, "x" * 10_000: 1}).json()["errors"]
    assert len(errors[0]["pointer"]) == 256


def test_ten_thousand_errors_are_not_written_out(example):
    body = {"weight_kg": 5} | {f"f{i}": 1 for i in range(20_000)}
    problem = example.client.post(PLAIN, json=body).json()
    assert [e["code"] for e in problem["errors"]] == ["too_many_errors"]


def test_a_refusal_by_the_pure_function_keeps_its_words(example):
    problem = example.client.post("/v1/example/refused", json={"weight_kg": 25}).json()
    assert problem["status"] == 422
    assert problem["errors"] == [
        {
            "pointer": "/labs/0/unit",
            "code": "unit_unknown",
            "message": "Not a unit of this analyte.",
            "allowed": ["mg/L"],
        }
    ]


def test_a_models_own_validator_keeps_its_words(example):
    errors = example.client.post("/v1/example/custom", json={"low": 2, "high": 1}).json()["errors"]
    assert errors == [{"pointer": "", "code": "low_above_high", "message": "low must not be above high"}]
    errors = example.client.post("/v1/example/custom", json={"low": 1, "high": 1}).json()["errors"]
    assert errors == [{"pointer": "", "code": "value_refused", "message": "low and high must differ"}]


def test_parameters_are_checked_like_fields(example):
    def post(path):
        return example.client.post(path, json=REQUIRED)

    assert post("/v1/example/named/x?version=2").json()["labs"] == 2
    unknown = post("/v1/example/named/x?verison=2").json()
    assert unknown["errors"][0] == {
        "pointer": "/verison",
        "code": "unknown_parameter",
        "message": 'There is no such parameter here. Did you mean "version"?',
        "allowed": ["version"],
        "location": "query",
    }
    assert post("/v1/example/named/x?version=1&version=2").json()["errors"][0]["code"] == "duplicate_parameter"
    wrong = post(f"/v1/example/named/x?version={CANARY}")
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["pointer"] == "/version"
    assert wrong.json()["errors"][0]["code"] == "value_not_allowed"
    assert "'1' or '2'" in wrong.json()["errors"][0]["message"]
    assert CANARY not in wrong.text
    lean = post(f"{PLAIN}?weight_kg={CANARY}")
    assert lean.status_code == 422
    assert lean.json()["errors"][0]["pointer"] == "/weight_kg"
    assert CANARY not in lean.text
    assert example.client.get("/v1/example/none?x").status_code == 422


def test_every_error_matches_the_documented_schema(example):
    document = example.app.openapi()
    schema = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for body, *_ in CASES.values():
        answer = example.client.post(PLAIN, content=json.dumps(body), headers={"content-type": "application/json"})
        jsonschema.validate(answer.json(), schema)
