"""Indication, IVIG and aspirin over HTTP."""

import pytest


def test_the_indication_shows_its_findings(client):
    body = client.post("/v1/treatment/indication", json={"cv_shock": True}).json()
    assert body["indication"] == "adjunct"
    assert body["critically_ill"]["of"][1]["used"] == {"cv_shock": True}
    assert {"warnings", "rules", "missing"} <= set(body)


def test_nothing_known_asks_for_the_least(client):
    body = client.post("/v1/treatment/indication", json={}).json()
    assert (body["indication"], body["missing"]) == ("unknown", ["icu_level_of_care"])


def test_ivig_and_aspirin(client):
    ivig = client.post("/v1/treatment/ivig", json={"weight_kg": 60, "ideal_weight_kg": 55, "ivig_given": False}).json()
    assert (ivig["total_g"], ivig["capped"]) == (100, True)
    aspirin = client.post(
        "/v1/treatment/aspirin", json={"weight_kg": 20, "platelets_10e3_ul": 80, "bleeding": False}
    ).json()
    assert (aspirin["status"], aspirin["options"]) == ("hold", [])


@pytest.mark.parametrize("path", ["indication", "ivig", "aspirin"])
def test_every_operation_is_documented_with_an_example_that_runs(client, app, path):
    operation = app.openapi()["paths"][f"/v1/treatment/{path}"]["post"]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"] == ["treatment"]
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    for example in app.openapi()["components"]["schemas"][name]["examples"]:
        assert client.post(f"/v1/treatment/{path}", json=example).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("indication", {"ivig": {"given": False, "hours_since_end": 3}}, "/ivig/given"),
        ("indication", {"ivig": {"hours_since_end": 1e300}}, "/ivig/hours_since_end"),
        ("indication", {"icu": True}, "/icu"),
        ("ivig", {}, "/weight_kg"),
        ("ivig", {"weight_kg": 1e300}, "/weight_kg"),
        ("ivig", {"weight_kg": 20, "ideal_weight_kg": -1}, "/ideal_weight_kg"),
        ("aspirin", {"weight_kg": 20, "platelets_10e3_ul": 1e300}, "/platelets_10e3_ul"),
    ],
)
def test_bad_input_is_named(client, path, body, pointer):
    answer = client.post(f"/v1/treatment/{path}", json=body)
    assert answer.status_code == 422
    assert pointer in [e["pointer"] for e in answer.json()["errors"]]
