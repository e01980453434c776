"""What the OpenAPI document says of callers: the ways to prove oneself, and the scope that each operation asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.api import kinds
from app.api.callers import Needs
from app.api.kinds import Kind
from app.api.openapi import Document, name_of, operations

SCOPE_TEXTS: Final[Mapping[str, str]] = {
    "calculate": "Phenotype, doses, grades, statistics, rules: what is sent is not kept",
    "cohort:read": "See the tenant's cohorts, patients, analyses, reports and jobs, and export them",
    "cohort:write": "Create cohorts, add and replace patients, derive anew",
    "cohort:delete": "Delete cohorts and patients",
    "admin": "What the operator alone may see and do",
}
_SCHEMES: Final[Document] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`dfv_...`), an access token of `POST /token`, or a JWT of a configured issuer",
    },
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key (`dfv_...`), where a client cannot set Authorization",
    },
    "backend": {
        "type": "oauth2",
        "description": "SMART Backend Services: client_credentials with private_key_jwt",
        "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": dict(SCOPE_TEXTS)}},
    },
}
_CHALLENGE: Final = {"description": "How to prove oneself (RFC 6750)", "schema": {"type": "string"}}
_CHALLENGED: Final = (kinds.UNAUTHENTICATED, kinds.SCOPE_MISSING)


def secured(document: Document, needs: Mapping[str, Needs]) -> Document:
    """Add the schemes, and to each operation what it asks of its caller, by its operation id."""
    components = document["components"]
    components["securitySchemes"] = dict(_SCHEMES)
    for kind in _CHALLENGED:
        components["responses"][name_of(kind)]["headers"]["WWW-Authenticate"] = _CHALLENGE
    for _, _, operation in operations(document):
        scope = needs[operation["operationId"]].scope
        operation["security"] = [] if scope is None else [{name: [scope]} for name in _SCHEMES]
        _add_answers(operation, (kinds.CREDENTIAL_IN_URL, *(() if scope is None else _CHALLENGED)))
    return document


def _add_answers(operation: Document, expected: tuple[Kind, ...]) -> None:
    responses = operation["responses"]
    for kind in expected:
        responses.setdefault(str(kind.status), {"$ref": f"#/components/responses/{name_of(kind)}"})
    operation["responses"] = dict(sorted(responses.items()))
