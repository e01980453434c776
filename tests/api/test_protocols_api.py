"""The dosing protocols over HTTP, the hospital's own among them."""

from starlette.testclient import TestClient

from app.clinical.rulebook.loader import BUILT_IN
from app.main import create_app
from app.settings import Settings

STUDY = "childrens-national-2020"


def test_the_study_is_the_default(client):
    body = client.get("/v1/protocols").json()
    assert [(p["id"], p["is_default"], p["origin"]) for p in body["items"]] == [(STUDY, True, "built_in")]
    assert body["next"] is None


def test_one_protocol_shows_its_numbers_and_sources(client):
    body = client.get(f"/v1/protocols/{STUDY}").json()
    assert [(b["name"], b["low_mg_kg_day"], b["high_mg_kg_day"]) for b in body["bands"]] == [
        ("not_critically_ill", 6, 8),
        ("critically_ill", 8, 10),
    ]
    assert (body["doses_per_day"], body["ceiling_mg_kg_day"], body["per_dose_cap_mg"]) == (4, 10, 100)
    assert body["wean"]["step_mg_kg_day"] == 2
    assert any("10.1186/s12969-023-00858-z" in n["source"] for n in body["numbers"])


def test_an_unknown_protocol_is_not_found(client):
    answer = client.get("/v1/protocols/elsewhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["allowed"] == [STUDY]


def test_a_hospitals_own_protocol_is_listed_and_used(tmp_path):
    text = (BUILT_IN / f"{STUDY}.toml").read_text(encoding="utf-8")
    ours = text.replace(f'id = "{STUDY}"', 'id = "our-hospital"').replace("low = 8\nhigh = 10", "low = 8\nhigh = 9")
    (tmp_path / "ours.toml").write_text(ours, encoding="utf-8")
    client = TestClient(create_app(Settings.model_construct(rules_dir=tmp_path)))
    assert [p["id"] for p in client.get("/v1/protocols").json()["items"]] == [STUDY, "our-hospital"]
    body = client.post(
        "/v1/anakinra/dose", json={"weight_kg": 20, "critically_ill": True, "protocol": "our-hospital"}
    ).json()
    assert body["band"] == {"low_mg_kg_day": 8, "high_mg_kg_day": 9}
    assert body["rules"]["id"] == "our-hospital"


def test_every_operation_is_documented(app):
    for path, name in (("/v1/protocols", "list_protocols"), ("/v1/protocols/{id}", "get_protocol")):
        operation = app.openapi()["paths"][path]["get"]
        assert operation["operationId"] == name
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"] == ["protocols"]
