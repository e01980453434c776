"""The OpenAPI document: FastAPI's, completed with the problems that every operation can answer with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app.api import kinds
from app.api.kinds import Kind
from app.api.problems import PROBLEM_JSON, Problem, ProblemItem
from app.api.receipts_declared import HEADERS, PARAMETER, gives_receipts

REF: Final = "#/components/schemas/{model}"
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_DEFAULTS: Final = ("HTTPValidationError", "ValidationError")
_ALWAYS: Final = (kinds.NOT_ACCEPTABLE, kinds.VALIDATION, kinds.INTERNAL)
# Not of the paths that balancers and monitors ask.
_UNDER_LOAD: Final = (kinds.RATE_LIMITED, kinds.OVERLOADED)
_ALWAYS_ANSWERED: Final = frozenset({"/livez", "/readyz", "/metrics", "/version"})
_RETRIED: Final = frozenset({429, 503})
_WITH_BODY: Final = (kinds.MALFORMED, kinds.TIMEOUT, kinds.TOO_LARGE, kinds.UNSUPPORTED_MEDIA)
_WITH_PATH: Final = (kinds.NOT_FOUND,)
_REQUEST_ID: Final = {
    "description": "The request's id: the caller's own, or one made here. Every log line of the request carries it.",
    "schema": {"type": "string", "maxLength": 128},
}

RETRY_AFTER: Final = {
    "description": "Seconds to wait before the same request is sent again",
    "schema": {"type": "integer"},
}

Document = dict[str, Any]


def complete(document: Document, tags: Mapping[str, str], named: Iterable[type[BaseModel]] = ()) -> Document:
    """Add problem answers, their schema, the request id and the descriptions of the tags in use.

    `named` are models that answers refer to by name, because they are not loaded at the start.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _DEFAULTS:
        schemas.pop(name, None)
    shown: tuple[type[BaseModel], ...] = (Problem, ProblemItem, *named)
    serialized: JsonSchemaMode = "serialization"
    _, added = models_json_schema([(model, serialized) for model in shown], ref_template=REF)
    schemas |= added["$defs"]
    components["schemas"] = dict(sorted(schemas.items()))
    components["headers"] = {"X-Request-ID": _REQUEST_ID}
    components["responses"] = {name_of(kind): _response(kind) for kind in kinds.KINDS.values()}
    used = set()
    for path, method, operation in operations(document):
        if gives_receipts(method, path):
            _add_receipts(operation)
        used |= set(operation.get("tags", ()))
        _show_path_examples(operation)
        _add_problems(path, operation)
    document["tags"] = [{"name": name, "description": text} for name, text in tags.items() if name in used]
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation of everything in a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def name_of(kind: Kind) -> str:
    """Name a problem's shared response: `validation` is `ValidationProblem`."""
    return "".join(word.capitalize() for word in kind.slug.split("-")) + "Problem"


def _show_path_examples(operation: dict[str, Any]) -> None:
    """Give each part of a path its example where pages look for what to try: beside its schema, not in it."""
    for parameter in operation.get("parameters", ()):
        examples = parameter["schema"].get("examples")
        if parameter["in"] == "path" and examples and "examples" not in parameter:
            parameter["example"] = examples[0]


def _add_problems(path: str, operation: dict[str, Any]) -> None:
    """Declare what the operation can answer with when it cannot answer; what a route declared itself stays."""
    responses = operation["responses"]
    if _is_default(responses.get("422")):
        del responses["422"]
    expected = [*_ALWAYS, *(() if path in _ALWAYS_ANSWERED else _UNDER_LOAD)]
    if "requestBody" in operation:
        expected += _WITH_BODY
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        expected += _WITH_PATH
    for kind in expected:
        responses.setdefault(str(kind.status), {"$ref": f"#/components/responses/{name_of(kind)}"})
    for response in responses.values():
        if "$ref" not in response:
            response.setdefault("headers", {})["X-Request-ID"] = {"$ref": "#/components/headers/X-Request-ID"}
    operation["responses"] = dict(sorted(responses.items()))


def _add_receipts(operation: dict[str, Any]) -> None:
    """Declare that the operation's answer may have a receipt."""
    operation.setdefault("parameters", []).append(PARAMETER)
    operation["responses"]["200"].setdefault("headers", {}).update(HEADERS)
    operation["responses"]["503"] = {"$ref": f"#/components/responses/{name_of(kinds.DATABASE_UNAVAILABLE)}"}


def _headers(kind: Kind) -> dict[str, Any]:
    headers = {"X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"}}
    return headers | ({"Retry-After": RETRY_AFTER} if kind.status in _RETRIED else {})


def _is_default(response: object) -> bool:
    return isinstance(response, dict) and "HTTPValidationError" in str(response.get("content"))


def _response(kind: Kind) -> dict[str, Any]:
    example = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.meaning,
        "instance": "/v1/anakinra/dose",
        "request_id": "0f8fad5bd9cb469fa16570867728950e",
        "errors": [],
    }
    if kind is kinds.VALIDATION:
        extra = Problem.model_config["json_schema_extra"]
        example = extra["examples"][0]  # type: ignore[index,assignment]  # written there as a dict
    return {
        "description": f"{kind.meaning} {kind.remedy}",
        "headers": _headers(kind),
        "content": {
            PROBLEM_JSON.decode(): {
                "schema": {"$ref": REF.format(model="Problem")},
                "example": example,
            }
        },
    }
