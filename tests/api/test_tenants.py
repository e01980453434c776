"""What one tenant keeps is not there for another: every route of the app is walked by two, so none can forget."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from app.api.openapi import operations
from app.api.routes import CalculatorRoute
from app.cli import main
from app.main import create_app
from app.settings import load_settings
from tests.callers import bearer, key_in
from tests.cohort_api import Api, lines, record

CANARY = "belongs-to-a-7391"
# Parameters of a path that name something that is a tenant's, and those that name what all share.
OWNED = {"cohort_id", "job_id", "receipt_id"}
FREE = {"hazard_id", "id", "name", "patient_id", "section", "slug"}
DOCUMENT: dict[str, Any] = create_app(load_settings({})).openapi()
OPERATIONS = [(method, path, operation) for path, method, operation in operations(DOCUMENT)]
GUARDED = [one for one in OPERATIONS if one[2]["security"]]


def names_in(path: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", path))


@pytest.fixture
def service(sqlite_url):
    """Give the service, and the headers of tenants a and b."""
    made = Api(sqlite_url)
    made.a, made.b = (bearer(key_in(sqlite_url, tenant)) for tenant in ("a", "b"))
    yield made
    made.close()


def cohort_of_a(service) -> dict[str, str]:
    """Make a cohort with patients, and a job on it; return what stands for each parameter of a path."""
    body = {"name": CANARY, "description": CANARY, "patients": [record(1), record(2)]}
    made = service.client.post("/v1/cohorts", json=body, headers=service.a)
    assert made.status_code == 201, made.text
    path = made.headers["location"]
    job = service.client.post(f"{path}/rederive", json={}, headers=service.a | {"prefer": "respond-async"})
    assert job.status_code == 202, job.text
    dose = {"weight_kg": 25, "critically_ill": True}
    proved = service.client.post("/v1/anakinra/dose", json=dose, headers=service.a | {"prefer": "return=receipt"})
    return {
        "cohort_id": path.rsplit("/", 1)[1],
        "job_id": job.json()["id"],
        "patient_id": "P01",
        "receipt_id": proved.headers["defervesce-receipt"],
    }


def call(service, operation, path: str, method: str, names: dict[str, str], headers):  # noqa: PLR0917  # what a request is
    """Send the request that the document shows, to something of somebody's."""
    query, known = {}, dict(names)
    for parameter in operation.get("parameters", ()):
        examples = parameter.get("examples") or parameter["schema"].get("examples") or ()
        example = next(iter(examples.values()))["value"] if isinstance(examples, dict) else next(iter(examples), None)
        if parameter["in"] == "path":
            known.setdefault(parameter["name"], str(example))
    content_types = operation.get("requestBody", {}).get("content", {})
    for content_type, media in content_types.items():
        body = body_of(media)
        if isinstance(body, dict) and body.get("patient_id"):
            body = body | {"patient_id": known["patient_id"]}
        content = body if isinstance(body, str) else json.dumps(body)
        sent = headers | {"content-type": content_type, "if-match": "*"}
        return service.client.request(method, path.format_map(known), params=query, content=content, headers=sent)
    return service.client.request(method, path.format_map(known), params=query, headers=headers | {"if-match": "*"})


def body_of(media: dict[str, Any]) -> Any:
    if "example" in media:
        return media["example"]
    if "examples" in media:
        return next(iter(media["examples"].values()))["value"]
    schema = media["schema"]
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema["examples"][0]


def test_every_parameter_of_a_path_is_known_to_this_test():
    """A new one is either a tenant's (and the walk below tries it) or everybody's: say so above."""
    found = {name for _, path, _ in OPERATIONS for name in names_in(path)}
    assert found <= OWNED | FREE, f"add {found - OWNED - FREE} to OWNED (and to the walk) or to FREE"


def test_every_operation_of_the_app_is_walked():
    routes = list(iter_route_contexts(create_app(load_settings({})).routes))
    walked = {(method.upper(), path) for method, path, _ in OPERATIONS}
    operated = {(m, r.path) for r in routes if isinstance(r.original_route, CalculatorRoute) for m in r.methods}
    assert operated == walked, "an operation that is not in the document is not walked"


OF_SOMEBODY = [one for one in OPERATIONS if names_in(one[1]) & OWNED]


@pytest.mark.parametrize(("method", "path", "operation"), OF_SOMEBODY, ids=[o["operationId"] for *_, o in OF_SOMEBODY])
def test_what_is_another_tenants_is_not_there(service, method, path, operation):
    names = cohort_of_a(service)
    before = service.client.get(f"/v1/cohorts/{names['cohort_id']}/export", headers=service.a).content
    refused = call(service, operation, path, method, names, service.b)
    assert refused.status_code == 404, f"{method} {path}: {refused.status_code} {refused.text[:500]}"
    assert CANARY not in refused.text
    invented = names | {"cohort_id": "0" * len(names["cohort_id"]), "job_id": "0" * len(names["job_id"])}
    nowhere = call(service, operation, path, method, invented, service.b)
    # What is another's and what never was are answered alike, but for what the caller sent.
    assert (refused.json()["title"], refused.json()["detail"]) == (nowhere.json()["title"], nowhere.json()["detail"])
    assert service.client.get(f"/v1/cohorts/{names['cohort_id']}/export", headers=service.a).content == before
    # The same request is sound: its owner is answered.
    allowed = call(service, operation, path, method, names, service.a)
    assert allowed.status_code < 300, f"{method} {path}: {allowed.status_code} {allowed.text[:500]}"


OF_NOBODY = [one for one in OPERATIONS if not names_in(one[1]) & OWNED and one[2]["operationId"] != "token"]


@pytest.mark.parametrize(("method", "path", "operation"), OF_NOBODY, ids=[o["operationId"] for *_, o in OF_NOBODY])
def test_no_list_and_no_answer_tells_of_another_tenant(service, method, path, operation):
    names = cohort_of_a(service)
    answer = call(service, operation, path, method, {}, service.b)
    assert answer.status_code < 300, f"{method} {path}: {answer.text[:500]}"
    assert CANARY not in answer.text
    assert names["cohort_id"] not in answer.text
    assert names["job_id"] not in answer.text
    assert names["receipt_id"] not in answer.text


@pytest.mark.parametrize(("method", "path", "operation"), GUARDED, ids=[o["operationId"] for *_, o in GUARDED])
def test_nobody_gets_in_without_a_key_and_no_key_does_more_than_it_may(service, sqlite_url, method, path, operation):
    names = cohort_of_a(service)
    assert call(service, operation, path, method, names, {}).status_code == 401
    needed = operation["security"][0]["bearer"][0]
    scopes = {"calculate", "cohort:read", "cohort:write", "cohort:delete", "admin"} - {needed}
    answer = call(service, operation, path, method, names, bearer(key_in(sqlite_url, "a", frozenset(scopes))))
    assert answer.status_code == 403
    assert needed in answer.json()["detail"]
    assert f'scope="{needed}"' in answer.headers["www-authenticate"]


def test_the_built_in_cohort_is_seen_by_all_and_changed_by_none(service):
    for headers in (service.a, service.b):
        assert service.client.get("/v1/cohorts/study", headers=headers).json()["n"] == 46
        refused = service.client.delete("/v1/cohorts/study", headers=headers | {"if-match": "*"})
        assert refused.status_code == 409
        listed = service.client.get("/v1/cohorts", headers=headers).json()["items"]
        assert [one["id"] for one in listed] == ["study"]


def test_each_tenant_has_an_example_of_its_own(service):
    client, path = service.client, "/v1/cohorts/example"
    assert client.get(path, headers=service.a).json()["n"] == 2
    added = client.post(
        f"{path}/patients", content=lines(record(7)), headers=service.a | {"content-type": "application/x-ndjson"}
    )
    assert added.json()["n"] == 3
    assert client.get(path, headers=service.b).json()["n"] == 2
    assert client.get("/v1/jobs/example", headers=service.b).json()["status"] == "succeeded"
    assert client.delete(path, headers=service.b | {"if-match": "*"}).status_code == 204
    assert client.get(path, headers=service.a).json()["n"] == 3


def test_an_idempotency_key_is_its_tenants(service):
    body, key = {"name": CANARY, "patients": []}, {"idempotency-key": "the-same"}
    first = service.client.post("/v1/cohorts", json=body, headers=service.a | key)
    again = service.client.post("/v1/cohorts", json=body, headers=service.a | key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    theirs = service.client.post("/v1/cohorts", json=body, headers=service.b | key)
    assert theirs.status_code == 201
    assert "idempotency-replayed" not in theirs.headers
    assert theirs.json()["id"] != first.json()["id"]
    other = service.client.post("/v1/cohorts", json={"name": "other"}, headers=service.b | key)
    assert other.status_code == 422, "its own key, sent with another body"


@pytest.mark.parametrize("tail", ["analysis", "report", "figures/defervescence.svg"])
def test_what_is_kept_of_an_analysis_is_its_tenants(service, tail):
    """The cohorts `example` of two tenants have the same id and version; their patients differ."""
    path = "/v1/cohorts/example"
    for headers, number in ((service.a, 7), (service.b, 8)):
        body = lines(record(number, age_years=number))
        service.client.post(
            f"{path}/patients", content=body, headers=headers | {"content-type": "application/x-ndjson"}
        )
    mine = service.client.get(f"{path}/{tail}", headers=service.a)
    theirs = service.client.get(f"{path}/{tail}", headers=service.b)
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert mine.headers["etag"] != theirs.headers["etag"]
    known = service.b | {"if-none-match": mine.headers["etag"]}
    assert service.client.get(f"{path}/{tail}", headers=known).status_code == 200


def test_paging_through_a_list_meets_nobody_else(service):
    for number in range(3):
        for headers in (service.a, service.b):
            service.client.post("/v1/cohorts", json={"name": f"{number}"}, headers=headers)
    seen, cursor = [], None
    while True:
        query = {"limit": 1} | ({} if cursor is None else {"cursor": cursor})
        page = service.client.get("/v1/cohorts", params=query, headers=service.a).json()
        seen += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert sorted(one["name"] for one in seen if one["id"] != "study") == ["0", "1", "2"]


def test_ids_cannot_be_guessed(service):
    ids = [cohort_of_a(service) for _ in range(8)]
    for name in ("cohort_id", "job_id"):
        found = [one[name] for one in ids]
        assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in found), "128 random bits"
        assert len({one[:8] for one in found}) == len(found)


def test_the_command_line_imports_and_exports_for_a_tenant(service, sqlite_url, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DEFERVESCE_DATABASE_URL", sqlite_url)
    file = tmp_path / "a.ndjson"
    file.write_text(lines(record(1)))
    assert main(["import", str(file), "--name", "Mine", "--tenant", "a"]) == 0
    cohort = capsys.readouterr().out.split()[1]
    assert service.client.get(f"/v1/cohorts/{cohort}", headers=service.a).json()["n"] == 1
    assert service.client.get(f"/v1/cohorts/{cohort}", headers=service.b).status_code == 404
    assert main(["export", cohort, "--tenant", "b"]) == 2
    assert main(["export", cohort]) == 2
    assert main(["export", cohort, "--tenant", "a", "--output", str(tmp_path / "out")]) == 0
    assert main(["export", cohort, "--tenant", "*"]) == 2
    assert main(["import", str(file), "--cohort", cohort, "--tenant", "b"]) == 2
    capsys.readouterr()
    assert main(["tallies", "rebuild"]) == 0
    assert f"{cohort}: 1 patients" in capsys.readouterr().out
    assert main(["tallies", "rebuild", "--cohort", cohort, "--tenant", "b"]) == 2
