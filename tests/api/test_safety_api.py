"""`GET /v1/safety-case`: served whole, by hazard, with an ETag, and without any cost at the start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.main import create_app
from app.safety.files import load
from app.safety.parts import Hazard, SafetyCase
from app.settings import load_settings

START = """
import sys
from app.main import create_app
from app.settings import load_settings
create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))
print(*sorted(m for m in sys.modules if m.startswith("app.safety")))
"""


@pytest.fixture(scope="module")
def client():
    return TestClient(
        create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))
    )


@pytest.fixture(scope="module")
def served(client):
    return client.get("/v1/safety-case")


def test_the_case_is_served_as_documented(served):
    assert served.status_code == 200
    assert served.headers["content-type"] == "application/json"
    case = SafetyCase.model_validate_json(served.content)
    assert [h.id for h in case.hazards] == [h.id for h in load().hazards]
    assert [r.id for r in case.requirements] == [r.id for r in load().requirements]
    assert len(case.cards) == len(load().cards)


def test_what_is_open_and_planned_stands_in_the_summary(served):
    case = served.json()
    for status in ("open", "planned"):
        assert case["summary"][status] == [h["id"] for h in case["hazards"] if h["status"] == status]
    for hazard in case["hazards"]:
        assert hazard["verification"] or hazard["status"] == "planned"


def test_who_has_the_case_is_not_sent_it_again(client, served):
    etag = served.headers["etag"]
    again = client.get("/v1/safety-case", headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/v1/safety-case", headers={"if-none-match": '"other"'}).content == served.content


def test_its_schemas_have_names_of_their_own():
    """They are added to the document afterwards, and must not take the place of another model's."""
    app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))
    others = FastAPI.openapi(app)["components"]["schemas"].keys()
    added = set(SafetyCase.model_json_schema()["$defs"]) | {"SafetyCase"}
    assert len(added) > 15
    assert added & others == set()
    assert added <= app.openapi()["components"]["schemas"].keys()


def test_one_hazard(client, served):
    for hazard in served.json()["hazards"][:3]:
        answer = client.get(f"/v1/safety-case/hazards/{hazard['id']}")
        assert (answer.status_code, answer.json()) == (200, hazard)
        Hazard.model_validate_json(answer.content)
        assert client.get(f"/v1/safety-case/hazards/{hazard['id']}", headers={"if-none-match": "*"}).status_code == 304


def test_no_such_hazard(client):
    answer = client.get("/v1/safety-case/hazards/H-XXX-99")
    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/hazard_id", "unknown_name")
    assert "H-DOS-01" in error["allowed"]


def test_a_parameter_that_is_none_is_refused(client):
    assert client.get("/v1/safety-case?status=open").status_code == 422


def test_the_start_loads_nothing_of_it():
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
