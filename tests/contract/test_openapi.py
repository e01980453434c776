"""The OpenAPI document: it is the committed file, it is complete, and every example in it runs as it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from starlette.testclient import TestClient

from app.api.openapi import operations
from app.cli import document, main
from app.main import create_app
from app.settings import load_settings
from tests.callers import AUDIENCE, Signer, assertion_claims, client_in
from tests.described import DOCUMENT, examples, resolved

ROOT = Path(__file__).parents[2]
OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in operations(DOCUMENT)}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def requests() -> Iterator[Any]:
    """Yield every request that the document shows: each example body with the first example of each parameter."""
    for name, (path, method, operation) in OPERATIONS.items():
        parameters = {p["name"]: (p["in"], examples(p)) for p in map(resolved, operation.get("parameters", ()))}
        first = {
            place: {key: values[0] for key, (where, values) in parameters.items() if where == place and values}
            for place in ("path", "query", "header")
        }
        bodies = [
            (content_type, body)
            for content_type, media in operation.get("requestBody", {}).get("content", {}).items()
            for body in examples(media)
        ]
        for number, (content_type, body) in enumerate(bodies or [(None, None)]):
            yield pytest.param(method, path, first, content_type, body, operation, id=f"{name}-{number}")


def test_the_committed_file_is_the_application():
    committed = ROOT / "openapi.yaml"
    assert committed.is_file(), "write it with `make openapi`"
    assert committed.read_text(encoding="utf-8") == document(DOCUMENT), "write it again with `make openapi`"


def test_the_file_says_what_the_application_says():
    assert yaml.safe_load(document(DOCUMENT)) == json.loads(json.dumps(DOCUMENT))


def test_the_document_is_the_same_in_every_process():
    texts = {
        subprocess.run(
            [sys.executable, "-m", "app.cli", "openapi"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "DEFERVESCE_MAX_BODY_MB": "5"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {document(DOCUMENT).encode()}


def test_the_command_writes_and_compares(tmp_path, capsys):
    path = tmp_path / "openapi.yaml"
    assert main(["openapi", "--check", str(path)]) == 1
    assert main(["openapi", "--output", str(path)]) == 0
    assert main(["openapi", "--check", str(path)]) == 0
    path.write_text(path.read_text() + "x: 1\n")
    assert main(["openapi", "--check", str(path)]) == 1
    assert "make openapi" in capsys.readouterr().err


def test_it_is_openapi_3_1_with_only_sound_references():
    assert DOCUMENT["openapi"].startswith("3.1.")
    text = json.dumps(DOCUMENT)
    assert "HTTPValidationError" not in text
    for part in text.split('"$ref": "')[1:]:
        assert resolved({"$ref": part.partition('"')[0]}) is not None


def test_every_tag_is_described_and_used():
    described = {tag["name"] for tag in DOCUMENT["tags"]}
    used = {tag for _, _, operation in OPERATIONS.values() for tag in operation["tags"]}
    assert described == used
    assert all(len(tag["description"]) > 10 for tag in DOCUMENT["tags"])


def test_operation_ids_are_unique():
    assert len(OPERATIONS) == sum(1 for _ in operations(DOCUMENT))


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_described(path, method, operation):
    assert len(operation["tags"]) == 1
    assert operation["summary"]
    assert operation["description"]
    assert operation["operationId"].replace("_", "").isalnum()
    assert operation["operationId"] == operation["operationId"].lower()
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description"), f"{path}: parameter {parameter['name']}"
        if parameter["required"]:
            assert examples(parameter), f"{path}: parameter {parameter['name']} has no example"
    for content_type, media in operation.get("requestBody", {}).get("content", {}).items():
        assert examples(media), f"{method} {path}: no example of {content_type}"


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_declares_its_errors(path, method, operation):
    expected = {"406", "422", "500"}
    if "requestBody" in operation:
        expected |= {"400", "408", "413", "415"}
    if "{" in path:
        expected |= {"404"}
    # Balancers and monitors are answered whatever the load.
    if path not in {"/livez", "/readyz", "/metrics", "/version"}:
        expected |= {"429", "503"}
        for status in ("429", "503"):
            assert "Retry-After" in resolved(operation["responses"][status])["headers"]
    assert expected <= set(operation["responses"])
    for status, response in operation["responses"].items():
        found = resolved(response)
        assert found["description"]
        if int(status) >= 400:
            assert found["content"]["application/problem+json"]["schema"] == PROBLEM, f"{method} {path} {status}"


@pytest.mark.parametrize("model", sorted(DOCUMENT["components"]["schemas"]))
def test_every_field_is_described(model):
    schema = DOCUMENT["components"]["schemas"][model]
    silent = [
        name
        for name, field in schema.get("properties", {}).items()
        if "description" not in field and "description" not in resolved(field) and "const" not in field
    ]
    assert silent == []


# An assertion is good once and for minutes: the one that is shown stands for a signed one.
SIGNED_ANEW = {"token"}
AS_THEY_STAND = [case for case in requests() if case.values[-1]["operationId"] not in SIGNED_ANEW]


def test_the_example_of_a_token_runs_with_an_assertion_signed_anew(sqlite_url):
    signer, operation = Signer("ES384"), OPERATIONS["token"][2]
    client_in(sqlite_url, "loader", {"keys": [signer.public]})
    app = create_app(load_settings({"DEFERVESCE_DATABASE_URL": sqlite_url, "DEFERVESCE_PUBLIC_URL": AUDIENCE}))
    (form,) = examples(operation["requestBody"]["content"]["application/x-www-form-urlencoded"])
    signed = form | {"client_assertion": signer.sign(assertion_claims("loader"))}
    answer = TestClient(app).post("/token", data=signed)
    assert answer.status_code == 200, answer.text
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(answer.json())
    refused = TestClient(app).post("/token", data=form)
    assert refused.status_code == 401
    schema = {"$ref": "#/components/schemas/OAuthError", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(refused.json())
    app.database.dispose()


@pytest.mark.parametrize(("method", "path", "first", "content_type", "body", "operation"), AS_THEY_STAND)
def test_an_example_runs_as_it_stands(  # noqa: PLR0917  # pytest passes them by name
    client, method, path, first, content_type, body, operation
):
    headers = first["header"] | ({} if content_type is None else {"content-type": content_type})
    content = body if body is None or isinstance(body, str) else json.dumps(body)
    answer = client.request(
        method, path.format_map(first["path"]), params=first["query"], content=content, headers=headers
    )
    assert 200 <= answer.status_code < 300, answer.text
    if answer.status_code == 204:
        assert answer.content == b""
        return
    documented = operation["responses"][str(answer.status_code)]["content"]
    media = documented[answer.headers["content-type"].partition(";")[0]]
    if "ndjson" in answer.headers["content-type"]:
        assert all(json.loads(line) for line in answer.text.splitlines())
    elif "schema" in media and "json" in answer.headers["content-type"]:
        schema = media["schema"] | {"components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_the_changes_shown_run_in_any_order():
    """Each starts from whatever the others left, as when somebody tries them one after the other."""
    shown = [case.values for case in requests() if "{cohort_id}" in case.values[1] and case.values[0] != "get"]
    fresh = TestClient(create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"})))
    assert fresh.get("/v1/jobs/example").json()["status"] == "succeeded"
    for method, path, first, content_type, body, _ in reversed(shown):
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = first["header"] | ({} if content_type is None else {"content-type": content_type})
        answer = fresh.request(method, path.format_map(first["path"]), content=content, headers=headers)
        assert 200 <= answer.status_code < 300, f"{method} {path}: {answer.text}"
    assert {method for method, *_ in shown} == {"post", "put", "delete"}


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["responses"]))
def test_the_example_of_a_problem_is_one(name):
    media = DOCUMENT["components"]["responses"][name]["content"]["application/problem+json"]
    schema = PROBLEM | {"components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(media["example"])
