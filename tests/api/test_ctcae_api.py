"""`/v1/ctcae` over HTTP: one record, batches in three shapes, the terms; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from app.api import ctcae, ctcae_batches, ctcae_columns
from app.api.bulkhead import Bulkhead
from app.api.ctcae_examples import COLUMNS, NDJSON, RECORD, RECORD_EXAMPLES, RECORDS, ColumnsAnswer, RecordsAnswer
from app.clinical.rulebook import load_rulebook
from app.main import assemble
from app.settings import load_settings

GRADE, BATCH, TERMS = "/v1/ctcae/grade", "/v1/ctcae/grade/batch", "/v1/ctcae/terms"
ANC: dict[str, Any] = {"term": "neutrophil_count_decreased", "value": 0.8, "unit": "10*3/uL", "lower_limit": 1.5}
JSON = {"content-type": "application/json"}
LINES = {"content-type": "application/x-ndjson"}


def make(**settings: str) -> TestClient:
    rulebook = load_rulebook()
    chosen = load_settings(
        {f"DEFERVESCE_{k.upper()}": v for k, v in settings.items()} | {"DEFERVESCE_LOG_LEVEL": "error"}
    )
    return TestClient(assemble(chosen, rulebook, (ctcae.build_router(rulebook, Bulkhead()),)))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return make()


@pytest.fixture(scope="module")
def small() -> TestClient:
    return make(max_batch_items="3")


def batch(client: TestClient, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(BATCH, content=raw, headers=JSON | headers)


def lines(client: TestClient, text: str | bytes, query: str = "", **headers: str) -> Any:
    return client.post(BATCH + query, content=text, headers=LINES | headers)


def first_error(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    error: dict[str, Any] = response.json()["errors"][0]
    return error


class TestGrade:
    def test_the_contract_s_example(self, client: TestClient) -> None:
        answer = client.post(GRADE, json=RECORD).json()
        assert (answer["grade"], answer["possible_grades"], answer["direction"]) == (3, [3], "low")
        assert (answer["name"], answer["meddra_code"]) == ("Neutrophil count decreased", "10029366")
        assert (answer["value_in_canonical_unit"], answer["canonical_unit"]) == (0.8, "10*3/uL")
        assert {"term", "version", "criterion", "conversion", "missing", "warnings"} <= answer.keys()
        assert {"id", "version", "sha256", "sources"} <= answer["rules"].keys()

    @pytest.mark.parametrize("example", RECORD_EXAMPLES)
    def test_examples_run(self, client: TestClient, example: dict[str, Any]) -> None:
        assert client.post(GRADE, json=example).status_code == 200

    def test_the_clinical_example(self, client: TestClient) -> None:
        sent = {"term": "rash_maculo_papular", "body_surface_percent": 20, "symptoms": "moderate"}
        assert client.post(GRADE, json=sent).json()["grade"] == 2

    def test_an_analyte_answers_every_term(self, client: TestClient) -> None:
        answer = client.post(GRADE, json={"analyte": "sodium", "value": 118, "unit": "mmol/L"}).json()
        assert {r["term"]: r["grade"] for r in answer["results"]} == {"hypernatremia": None, "hyponatremia": 4}

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({**ANC, "valeu": 1}, "/valeu", "unknown_field"),
            ({**ANC, "value": "0.8"}, "/value", "not_a_number"),
            ({**ANC, "value": True}, "/value", "not_a_number"),
            ({**ANC, "baseline_abnormal": 1}, "/baseline_abnormal", "not_a_boolean"),
            ({"term": "rash_maculo_papular", "body_surface_percent": 101}, "/body_surface_percent", "out_of_range"),
            ({"term": "rash_maculo_papular", "symptoms": "awful"}, "/symptoms", "value_not_allowed"),
            (
                {"term": "diarrhea", "stools_over_baseline_per_day": 3.5},
                "/stools_over_baseline_per_day",
                "not_an_integer",
            ),
            ({**ANC, "grade": 6}, "/grade", "out_of_range"),
            ({**ANC, "unit": "mg/dL"}, "/unit", "unit_unknown"),
            ({"term": "nothing_of_the_kind"}, "/term", "term_unknown"),
        ],
    )
    def test_refusals(self, client: TestClient, body: dict[str, Any], pointer: str, code: str) -> None:
        response = client.post(GRADE, json=body)
        assert response.status_code == 422
        assert (first_error(response)["pointer"], first_error(response)["code"]) == (pointer, code)

    def test_choices_are_listed(self, client: TestClient) -> None:
        response = client.post(GRADE, json={"term": "headache", "symptoms": "awful"})
        assert first_error(response)["allowed"] == ["none", "mild", "moderate", "severe"]


class TestColumns:
    def test_the_example(self, client: TestClient) -> None:
        answer = batch(client, COLUMNS).json()
        assert (answer["grade"], answer["possible_grades"], answer["problems"]) == ([0, 3, 2], [[0], [3], [2]], {})
        ColumnsAnswer.model_validate(answer)

    def test_bad_rows_never_fail_the_rest(self, client: TestClient) -> None:
        columns = {
            "term": [
                "anemia",
                "zzz",
                "fever",
                None,
                "anemia",
                "anemia",
                "anemia",
                "anemia",
                "platelet_count_decreased",
            ],
            "value": [9, 1, 1, 1, "x", -1, 9, None, 40],
            "unit": ["g/dL"] * 5 + ["g/dL", "U/L", None, "K/uL"],
            "symptomatic": [None, True, None, None, 1, None, None, None, False],
        }
        answer = batch(client, {"version": "6.0", "columns": columns}).json()
        assert answer["grade"] == [2, None, None, None, None, None, None, None, 3]
        assert answer["possible_grades"][7] == [0, 1, 2, 3, 4]
        assert list(answer["problems"]) == ["1", "2", "3", "4", "5", "6"]
        assert "term_unknown" in answer["problems"]["1"]
        assert "term_not_in_columns" in answer["problems"]["2"]
        assert "field_missing" in answer["problems"]["3"]
        assert "/value (not_a_number)" in answer["problems"]["4"]
        assert "/symptomatic (not_a_boolean)" in answer["problems"]["4"]
        assert "Allowed: g/dL, g/L, mmol/L." in answer["problems"]["6"]
        assert answer["warnings"] == {"term_replaced": [8]}

    def test_warnings_name_their_rows(self, client: TestClient) -> None:
        columns = {
            "term": ["alanine_aminotransferase_increased"] * 3
            + ["neutrophil_count_decreased", "platelet_count_decreased"],
            "value": [130, 130, 20_000, 0.01, 3],
            "unit": ["U/L", "U/L", "U/L", "10*3/uL", "10*3/uL"],
            "upper_limit": [40, 40, 40, None, None],
            "baseline": [None, 30, 30, None, None],
        }
        answer = batch(client, {"columns": columns}).json()
        assert answer["grade"] == [2, 2, 4, 4, 4]
        assert answer["warnings"] == {
            "baseline_missing_assumed_normal": [0],
            "value_maybe_thousandfold_low": [3],
            "value_unusual": [2, 4],
        }

    def test_gaps_name_their_rows(self, client: TestClient) -> None:
        columns: dict[str, Any] = {
            "term": ["hyponatremia"] * 4,
            "value": [129, 129.5, 130, 124.5],
            "unit": ["mmol/L"] * 4,
        }
        columns |= {"lower_limit": [135] * 4, "symptomatic": [True, True, True, False]}
        answer = batch(client, {"columns": columns}).json()
        assert answer["possible_grades"] == [[3], [1, 3], [1], [2, 3]]
        assert answer["warnings"] == {"gap_in_printed_ranges": [1, 3]}

    def test_a_column_of_nulls(self, client: TestClient) -> None:
        answer = batch(client, {"columns": {"term": ["anemia"], "value": [None], "unit": ["g/dL"]}}).json()
        assert (answer["grade"], answer["possible_grades"]) == ([None], [[0, 1, 2, 3, 4]])

    @pytest.mark.parametrize(
        ("version", "fact"),
        [
            ("5.0", "fasting"),
            ("5.0", "moderate_or_severe_symptoms"),
            ("4.03", "steroids_initiated"),
            ("4.03", "moderate_or_severe_symptoms"),
        ],
    )
    def test_a_fact_of_another_version_is_refused_in_all_three_shapes(
        self, client: TestClient, version: str, fact: str
    ) -> None:
        sent = [{**ANC, fact: stated} for stated in (True, False, None)]
        alone = [client.post(GRADE, json={**record, "version": version}) for record in sent]
        assert [r.status_code for r in alone] == [422, 422, 200]
        error = alone[0].json()["errors"][0]
        assert (error["pointer"], error["code"]) == (f"/{fact}", "field_not_of_term")
        assert alone[2].json()["grade"] == 3
        results = batch(client, {"version": version, "records": sent}).json()["results"]
        assert [r["status"] for r in results] == [422, 422, 200]
        assert results[0]["problem"]["errors"] == alone[0].json()["errors"]
        assert results[2]["result"]["grade"] == 3
        columns = {name: [record[name] for record in sent] for name in sent[0]}
        answer = batch(client, {"version": version, "columns": columns}).json()
        assert answer["grade"] == [None, None, 3]
        assert list(answer["problems"]) == ["0", "1"]
        assert all(f"/{fact} (field_not_of_term)" in text for text in answer["problems"].values())

    def test_lines_of_several_versions_keep_their_own_facts(self, client: TestClient) -> None:
        sent = [{**ANC, "version": version, "fasting": True} for version in ("4.03", "5.0")]
        answers = lines(client, "\n".join(map(json.dumps, sent))).text.splitlines()
        assert [json.loads(a)["status"] for a in answers] == [200, 422]

    def test_what_no_check_explains_is_refused(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(raw: bytes) -> None:
            raise msgspec.DecodeError(str(len(raw)))

        monkeypatch.setattr(ctcae_batches, "_decode_envelope", refuse)
        assert first_error(batch(client, RECORDS))["code"] == "value_invalid"

    def test_the_override_holds_for_every_row(self, client: TestClient) -> None:
        body = {"columns": {"term": ["anemia"], "value": [30], "unit": ["g/dL"], "lower_limit": [12]}}
        assert "implausible" in batch(client, body).json()["problems"]["0"]
        answer = batch(client, {**body, "override_plausibility": True}).json()
        assert (answer["grade"], answer["warnings"]) == ([0], {"implausible_value_used": [0]})

    def test_many_rows_are_cut_into_pieces(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctcae_columns, "PIECE", 7)
        size = 40
        columns = {
            "term": ["neutrophil_count_decreased", "anemia, of a kind", None, "Anemia"] * (size // 4),
            "value": [0.8, 1, -0.03125, 9] * (size // 4 - 1) + [0.8, None, -0.03125, 9],
            "unit": ["10*3/uL", 'a,"b', "", "g/dL"] * (size // 4),
            "lower_limit": [None, 2.5, None, 11] * (size // 4),
            "symptomatic": [None, True, False, True] * (size // 4),
        }
        whole = batch(client, {"columns": columns}).json()
        assert whole["grade"] == [3, None, None, 2] * (size // 4)
        assert len(whole["problems"]) == size // 2

    def test_empty_and_null_columns(self, client: TestClient) -> None:
        body = {
            "columns": {
                "term": ["leukocytosis"],
                "value": [120],
                "unit": ["10*3/uL"],
                "baseline": None,
                "mi_cutoff": [None],
            }
        }
        assert batch(client, body).json()["grade"] == [3]
        assert first_error(batch(client, {"columns": {"term": [], "value": []}}))["code"] == "batch_empty"

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"columns": {"term": ["anemia"], "value": [1, 2]}}, "/columns/value", "column_length"),
            ({"columns": {"term": ["anemia"]}}, "/columns/value", "field_missing"),
            ({"columns": {"value": [1]}}, "/columns/term", "field_missing"),
            ({"columns": {"term": ["anemia"], "value": [1], "age": [3]}}, "/columns/age", "unknown_field"),
            ({"columns": {"term": "anemia", "value": [1]}}, "/columns/term", "not_a_list"),
            ({"columns": {"term": ["anemia"], "value": 1}}, "/columns/value", "not_a_list"),
            ({"columns": {"term": ["anemia"], "value": None}}, "/columns/value", "not_a_list"),
            (
                {"columns": {"term": ["anemia"], "value": [1], "symptomatic": True}},
                "/columns/symptomatic",
                "not_a_list",
            ),
            ({"columns": [1]}, "/columns", "not_an_object"),
            ({"columns": {}}, "/columns/term", "field_missing"),
            ({"colums": {}}, "/colums", "unknown_field"),
            ({"version": "7", "columns": {"term": ["anemia"], "value": [1]}}, "/version", "version_unknown"),
            ({"version": 5, "records": []}, "/version", "not_a_string"),
            ({"override_plausibility": None, "records": []}, "/override_plausibility", "not_a_boolean"),
            ({}, "/records", "field_missing"),
            ({"records": [], "columns": {"term": [], "value": []}}, "/records", "field_missing"),
            ({"records": None, "columns": None}, "/records", "field_missing"),
            ({"records": []}, "/records", "batch_empty"),
            ({"records": {}}, "/records", "not_a_list"),
            ('{"columns": {"term": ["anemia"], "value": [1e400]}}', "/columns/value/0", "number_too_large"),
            (f'{{"columns": {{"term": ["anemia"], "value": [{"9" * 400}]}}}}', "/columns/value/0", "number_too_large"),
            ('{"columns": {"term": ["anemia"], "value": [1], "value": [2]}}', "/columns/value", "duplicate_key"),
            ('{"columns": {"term": ["anemia"], "value": [NaN]}}', "/columns/value/0", "not_finite"),
        ],
    )
    def test_refusals(self, client: TestClient, body: Any, pointer: str, code: str) -> None:
        response = batch(client, body)
        assert response.status_code == 422
        assert (first_error(response)["pointer"], first_error(response)["code"]) == (pointer, code)

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "[1",
            "{",
            b'{"columns": {"term": ["\xff"], "value": [1]}}',
            "[" * 1000,
            f'{{"columns":{{"term":[{"[" * 70}{"]" * 70}],"value":[1]}}}}',
        ],
    )
    def test_malformed(self, client: TestClient, body: str | bytes) -> None:
        assert batch(client, body).status_code == 400

    def test_a_batch_that_is_too_long(self, small: TestClient) -> None:
        columns = {"term": ["anemia"] * 4, "value": [9] * 4, "unit": ["g/dL"] * 4}
        for body in ({"columns": columns}, {"records": [ANC] * 4}):
            assert first_error(batch(small, body))["code"] == "batch_too_large"
        assert first_error(lines(small, f"{json.dumps(ANC)}\n" * 4))["code"] == "batch_too_large"
        assert batch(small, {"records": [ANC] * 3}).status_code == 200


class TestRecords:
    def test_the_example(self, client: TestClient) -> None:
        answer = batch(client, RECORDS).json()
        assert [(r["index"], r["status"], r["result"]["grade"]) for r in answer["results"]] == [
            (0, 200, 3),
            (1, 200, 2),
        ]
        assert answer["rules"]["sources"]
        RecordsAnswer.model_validate({**answer, "results": []})

    def test_bad_records_never_fail_the_rest(self, client: TestClient) -> None:
        sent = [ANC, {"term": "anemia", "wert": 3}, 5, {**ANC, "value": "x"}, {"term": "urticaria", "grade": 4}, ANC]
        results = batch(client, {"records": sent}).json()["results"]
        assert [r["status"] for r in results] == [200, 422, 422, 422, 422, 200]
        assert [r["problem"]["errors"][0]["code"] for r in results[1:5]] == [
            "unknown_field",
            "not_an_object",
            "not_a_number",
            "grade_not_in_term",
        ]

    def test_lines(self, client: TestClient) -> None:
        response = lines(client, NDJSON)
        assert response.headers["content-type"] == "application/x-ndjson"
        answers = [json.loads(line) for line in response.text.splitlines()]
        assert [(a["index"], a["result"]["grade"]) for a in answers] == [(0, 3), (1, 2)]

    def test_blank_lines_are_no_records(self, client: TestClient) -> None:
        answers = lines(client, f"\n \r\n{json.dumps(ANC)}\r\n\n{{\n{json.dumps(ANC)}").text.splitlines()
        assert [json.loads(a)["status"] for a in answers] == [200, 422, 200]
        assert json.loads(answers[1])["problem"]["status"] == 422
        assert first_error(lines(client, "\n\n"))["code"] == "batch_empty"

    def test_versions_of_lines(self, client: TestClient) -> None:
        sent = "\n".join(json.dumps({**ANC, "version": v}) for v in (None, "5.0", "6.0", "9.9"))
        answers = [json.loads(a) for a in lines(client, sent).text.splitlines()]
        assert [a.get("result", {}).get("grade") for a in answers] == [3, 3, 2, None]
        strict = [json.loads(a) for a in lines(client, sent, "?version=6.0").text.splitlines()]
        assert [a.get("result", {}).get("grade") for a in strict] == [2, None, 2, None]
        assert strict[1]["problem"]["errors"][0]["code"] == "version_conflict"

    def test_the_version_of_a_json_batch_stands_in_it(self, client: TestClient) -> None:
        response = client.post(f"{BATCH}?version=6.0", json=RECORDS)
        assert (response.status_code, first_error(response)["code"]) == (422, "parameter_not_used")

    def test_the_override_holds_for_every_record(self, client: TestClient) -> None:
        record = {"term": "anemia", "value": 30, "unit": "g/dL", "lower_limit": 12}
        assert batch(client, {"records": [record]}).json()["results"][0]["status"] == 422
        answer = batch(client, {"records": [record], "override_plausibility": True}).json()
        assert answer["results"][0]["result"]["grade"] == 0

    def test_duplicate_keys_are_seen_among_good_records(self, client: TestClient) -> None:
        text = json.dumps(ANC)
        answers = lines(client, f'{text}\n{{"term":"anemia","term":"fever"}}\n{text}').text.splitlines()
        assert [json.loads(a)["status"] for a in answers] == [200, 422, 200]
        assert json.loads(answers[1])["problem"]["errors"][0]["code"] == "duplicate_key"

    def test_two_records_on_a_line(self, client: TestClient) -> None:
        text = json.dumps(ANC)
        answers = lines(client, f"{text},{text}\n{text}").text.splitlines()
        assert [json.loads(a)["status"] for a in answers] == [422, 200]

    def test_conversions_are_written_out(self, client: TestClient) -> None:
        records = [
            {"term": "neutrophil_count_decreased", "value": 800, "unit": "/mm3"},
            ANC,
            {"term": "alanine_aminotransferase_increased", "value": 130, "upper_limit": 40, "baseline": 30},
        ]
        converted, plain, ratio = (r["result"] for r in batch(client, {"records": records}).json()["results"])
        assert converted["conversion"]["graded_value"] == 0.8
        assert plain["conversion"] is None
        assert (ratio["value_in_canonical_unit"], ratio["canonical_unit"], ratio["grade"]) == (None, "U/L", 2)

    def test_rows_without_anything_to_judge_in_columns(self, client: TestClient) -> None:
        answers = batch(client, {"records": [{"term": "anemia"}, {"term": "anemia", "value": None}]}).json()["results"]
        assert [a["result"]["missing"] for a in answers] == [["value", "unit"]] * 2
        answers = batch(client, {"records": [{"term": "anemia", "unit": "g/dL"}]}).json()["results"]
        assert answers[0]["result"]["missing"] == ["value"]

    def test_every_term_of_an_analyte(self, client: TestClient) -> None:
        sent = {"analyte": "sodium", "value": 118, "unit": "mmol/L"}
        answer = batch(client, {"records": [sent]}).json()["results"][0]["result"]
        assert {r["term"]: r["grade"] for r in answer["results"]} == {"hypernatremia": None, "hyponatremia": 4}
        assert all(set(r["rules"]) == {"id", "version", "sha256"} for r in answer["results"])

    def test_many_records_go_in_pieces(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctcae_batches, "_RECORDS_AT_ONCE", 2)
        monkeypatch.setattr(ctcae_batches, "_BYTES_AT_ONCE", 100)
        results = batch(client, {"records": [ANC] * 5}).json()["results"]
        assert [r["index"] for r in results] == list(range(5))
        answers = lines(client, f"{json.dumps(ANC)}\n" * 5).text.splitlines()
        assert [json.loads(a)["index"] for a in answers] == list(range(5))

    def test_formats(self, client: TestClient) -> None:
        assert lines(client, NDJSON, accept="application/ndjson").headers["content-type"] == "application/ndjson"
        assert lines(client, NDJSON, accept="text/csv").status_code == 406
        assert batch(client, RECORDS, accept="application/x-ndjson").status_code == 406
        assert client.post(BATCH, content="x", headers={"content-type": "text/plain"}).status_code == 415


class TestTerms:
    def test_all_names_in_pages(self, client: TestClient) -> None:
        terms = [t for page in pages(client, f"{TERMS}?limit=300") for t in page["items"]]
        slugs = [t["slug"] for t in terms]
        assert sum(t["part_of"] is None for t in terms) == 837
        assert {t["slug"]: t["part_of"] for t in terms if t["part_of"]} == {
            "hypercalcemia_ionized": "hypercalcemia",
            "hypocalcemia_ionized": "hypocalcemia",
        }
        assert slugs == sorted(set(slugs))

    def test_search(self, client: TestClient) -> None:
        found = client.get(TERMS, params={"q": "neutropenia febrile"}).json()
        assert [(t["slug"], t["grades"], t["kind"]) for t in found["items"]] == [
            ("febrile_neutropenia", [3, 4, 5], "clinical")
        ]
        assert found["next"] is None
        assert client.get(TERMS, params={"q": "10029366"}).json()["items"][0]["slug"] == "neutrophil_count_decreased"

    def test_versions(self, client: TestClient) -> None:
        found = client.get(TERMS, params={"version": "6.0", "q": "thrombocytopenia"}).json()
        assert [t["meddra_code"] for t in found["items"]] == ["10043554"]
        response = client.get(TERMS, params={"version": "7"})
        assert (response.status_code, first_error(response)["code"]) == (422, "version_unknown")

    @pytest.mark.parametrize("cursor", ["!", "_w", "\u00e9"])
    def test_a_cursor_of_no_page(self, client: TestClient, cursor: str) -> None:
        response = client.get(TERMS, params={"cursor": cursor})
        assert response.status_code in {200, 422}
        assert response.status_code == 200 or first_error(response)["code"] == "cursor_invalid"

    def test_one_term(self, client: TestClient) -> None:
        shown = client.get(f"{TERMS}/anaphylaxis").json()
        assert [g["grade"] for g in shown["how"] if g["exists"]] == [3, 4, 5]
        assert {f["name"] for f in shown["facts"]} >= {"bronchospasm", "hypotension"}
        assert client.get(f"{TERMS}/fatigue").json()["how"][0]["ways"] == []
        assert client.get(f"{TERMS}/Anaphylaxis").status_code == 200

    def test_an_unknown_term(self, client: TestClient) -> None:
        response = client.get(f"{TERMS}/anaphyl")
        assert response.status_code == 404
        assert first_error(response)["allowed"] == ["anaphylaxis"]
        assert client.get(f"{TERMS}/xyzzy").status_code == 404


def pages(client: TestClient, url: str) -> Iterator[dict[str, Any]]:
    """Follow the Link headers."""
    following: str | None = url
    while following is not None:
        response = client.get(following)
        page: dict[str, Any] = response.json()
        yield page
        link = response.headers.get("link")
        assert (link is None) == (page["next"] is None)
        following = None if link is None else link[1 : link.index(">")]


def test_the_document_describes_every_fact(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["components"]["schemas"]["GradeRequest"]
    assert {"body_surface_percent", "symptomatic", "lvef_percent"} <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
