"""Anakinra over HTTP: the contract's worked numbers, refusals, and the plan as a calendar."""

import json
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from app.api import anakinra
from app.clinical.rulebook import load_rulebook
from app.main import assemble
from app.settings import Settings

DOSE = {
    "weight_kg": 25,
    "critically_ill": True,
    "target_mg_kg_day": None,
    "age_years": 8,
    "height_cm": 128,
    "creatinine_mg_dl": 0.4,
    "neutrophils_10e3_ul": 3.1,
    "conditions": {
        "e_coli_protein_hypersensitivity": False,
        "tnf_blocker": False,
        "active_serious_infection": False,
        "live_vaccine_planned": False,
    },
    "protocol": "childrens-national-2020",
}
WEAN = {
    "weight_kg": 25,
    "current_mg_kg_day": 10,
    "clinically_stable": True,
    "step_mg_kg_day": 2,
    "interval_hours": 24,
    "starts_at": "2020-06-01T08:00:00-04:00",
    "planned_discharge": None,
    "strategy": "fixed",
}
CALENDAR = {"Accept": "text/calendar"}


def refusal(answer, status=422):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


def test_the_dose_of_the_contract(client):
    answer = client.post("/v1/anakinra/dose", json=DOSE)
    assert answer.status_code == 200
    body = answer.json()
    assert body["protocol"] == "childrens-national-2020"
    assert body["band"] == {"low_mg_kg_day": 8, "high_mg_kg_day": 10}
    assert [o["at"] for o in body["options"]] == ["low", "high"]
    assert (body["options"][0]["per_dose_mg"], body["options"][0]["volume_ml"]) == (50.0, 0.335)
    assert (body["options"][1]["per_dose_mg"], body["options"][1]["rounded_per_dose_mg"]) == (62.5, 63)
    assert body["missing"] == []
    assert set(body["rules"]) >= {"id", "version", "sha256", "sources"}


def test_numbers_leave_as_json_numbers_without_noise(client):
    text = client.post(
        "/v1/anakinra/dose", json={"weight_kg": 0.7, "critically_ill": True, "target_mg_kg_day": 0.3}
    ).text
    option = json.loads(text)["options"][0]
    assert '"nominal_daily_mg":0.21' in text
    assert (option["daily_mg"], option["per_dose_mg"]) == (0.21, 0.0525)


def test_critically_ill_missing_is_said(client):
    body = client.post("/v1/anakinra/dose", json={"weight_kg": 25}).json()
    assert body["missing"] == ["critically_ill"]
    assert {o["mg_kg_day"] for o in body["options"]} == {6, 8, 10}


def test_the_wean_of_the_contract(client):
    body = client.post("/v1/anakinra/wean", json=WEAN).json()
    assert body["status"] == "planned"
    assert [s["mg_kg_day"] for s in body["steps"]] == [10, 8, 6, 4, 2, 0]
    first = body["steps"][0]
    assert (first["daily_mg"], first["per_dose_mg"], first["rounded_per_dose_mg"]) == (250, 62.5, 63)
    assert (first["from_hour"], first["until_hour"]) == (0, 24)
    assert (body["total_hours"], body["earliest_stop_hour"], body["latest_stop_hour"]) == (120, 120, 240)
    assert body["discharge_conflict"] is False
    assert body["stops_at"] == "2020-06-06T08:00:00-04:00"
    assert body["working"]


def test_titration_and_the_next_step_answer(client):
    titration = client.post("/v1/anakinra/titration", json={"weight_kg": 25, "current_mg_kg_day": 8})
    assert titration.json()["status"] == "may_increase"
    step = client.post("/v1/anakinra/wean/next", json={"weight_kg": 25, "current_mg_kg_day": 8})
    assert step.json()["status"] == "hold"


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("dose", {"wieght_kg": 25}, ("/wieght_kg", "unknown_field")),
        ("dose", {"weight_kg": "25"}, ("/weight_kg", "not_a_number")),
        ("dose", {"weight_kg": True}, ("/weight_kg", "not_a_number")),
        ("dose", {"weight_kg": -25}, ("/weight_kg", "out_of_range")),
        ("dose", {"weight_kg": 0}, ("/weight_kg", "out_of_range")),
        ("dose", {"weight_kg": 1e300}, ("/weight_kg", "out_of_range")),
        ("dose", {"weight_kg": 25, "age_years": 400}, ("/age_years", "out_of_range")),
        ("dose", {"weight_kg": 25, "target_mg_kg_day": 10.1}, ("/target_mg_kg_day", "above_ceiling")),
        ("dose", {"weight_kg": 25, "target_mg_kg_day": 1e300}, ("/target_mg_kg_day", "above_ceiling")),
        ("dose", {"weight_kg": 25, "protocol": "x"}, ("/protocol", "protocol_unknown")),
        ("dose", {"weight_kg": 25, "conditions": {"tnf": True}}, ("/conditions/tnf", "unknown_field")),
        (
            "titration",
            {"weight_kg": 25, "current_mg_kg_day": 8, "target_mg_kg_day": 11},
            ("/target_mg_kg_day", "above_ceiling"),
        ),
        ("wean", WEAN | {"interval_hours": 12}, ("/interval_hours", "out_of_range")),
        ("wean", WEAN | {"starts_at": "2020-06-01T08:00:00"}, ("/starts_at", "offset_missing")),
        ("wean", WEAN | {"step_mg_kg_day": 2.5}, ("/step_mg_kg_day", "out_of_range")),
        ("wean", {k: v for k, v in WEAN.items() if k != "clinically_stable"}, ("/clinically_stable", "field_missing")),
        ("wean", WEAN | {"current_mg_kg_day": 1e300}, ("/current_mg_kg_day", "out_of_range")),
        ("wean", WEAN | {"starts_at": "9999-12-31T23:00:00-04:00"}, ("/starts_at", "not_a_datetime")),
        (
            "wean/next",
            {"weight_kg": 25, "current_mg_kg_day": 8, "hours_since_last_step": 1e300},
            ("/hours_since_last_step", "out_of_range"),
        ),
    ],
)
def test_bad_input_is_named(client, path, body, error):
    assert error in refusal(client.post(f"/v1/anakinra/{path}", json=body))


def test_an_unknown_protocol_names_those_that_exist(client):
    answer = client.post("/v1/anakinra/dose", json={"weight_kg": 25, "protocol": "x"})
    assert answer.json()["errors"][0]["allowed"] == ["childrens-national-2020"]


def test_null_means_unknown_and_holds(client):
    body = client.post("/v1/anakinra/wean", json=WEAN | {"clinically_stable": None}).json()
    assert (body["status"], body["steps"]) == ("hold", [])
    assert body["reason"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/calendar", "text/calendar; charset=utf-8"),
        ("text/calendar, */*;q=0.1", "text/calendar; charset=utf-8"),
        ("text/calendar, */*", "text/calendar; charset=utf-8"),
        ("text/*", "text/calendar; charset=utf-8"),
        ("application/json, text/calendar", "application/json"),
        ("application/json;q=0.5, text/calendar", "text/calendar; charset=utf-8"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
    ],
)
def test_the_caller_chooses_the_format(client, accept, media_type):
    answer = client.post("/v1/anakinra/wean", json=WEAN, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type


def test_no_other_format_is_offered(client):
    answer = client.post("/v1/anakinra/wean", json=WEAN, headers={"Accept": "text/html"})
    assert refusal(answer, 406) == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"starts_at": None}, "/starts_at"),
        ({"interval_hours": None}, "/interval_hours"),
        ({"clinically_stable": False}, "/clinically_stable"),
    ],
)
def test_a_calendar_needs_moments(client, changes, pointer):
    answer = client.post("/v1/anakinra/wean", json=WEAN | changes, headers=CALENDAR)
    assert pointer in [p for p, _ in refusal(answer)]


def test_the_calendar_is_stamped_by_the_clock_and_by_nothing_else():
    rulebook = load_rulebook()
    texts = []
    for second in (1, 2):
        now = datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)
        app = assemble(Settings.model_construct(), rulebook, [anakinra.build_router(rulebook, now=lambda now=now: now)])
        texts.append(TestClient(app).post("/v1/anakinra/wean", json=WEAN, headers=CALENDAR).text)
    assert "DTSTAMP:20260102T030401Z" in texts[0]
    assert texts[0].replace("030401Z", "030402Z") == texts[1]


def test_the_clock_is_now(client):
    text = client.post("/v1/anakinra/wean", json=WEAN, headers=CALENDAR).text
    assert f"DTSTAMP:{datetime.now(UTC):%Y}" in text


@pytest.mark.parametrize("path", ["dose", "titration", "wean", "wean/next"])
def test_every_operation_is_documented_with_an_example_that_runs(client, app, path):
    operation = app.openapi()["paths"][f"/v1/anakinra/{path}"]["post"]
    assert operation["summary"]
    assert operation["description"]
    assert operation["operationId"].startswith("anakinra_")
    assert operation["tags"] == ["anakinra"]
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    for example in app.openapi()["components"]["schemas"][name]["examples"]:
        assert client.post(f"/v1/anakinra/{path}", json=example).status_code == 200


def test_the_document_names_the_calendar(app):
    content = app.openapi()["paths"]["/v1/anakinra/wean"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/calendar"}
