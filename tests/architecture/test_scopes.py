"""Every route says in its signature who may call it; what everybody may call is listed here, and not left to chance."""

from __future__ import annotations

import inspect

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Route, WebSocketRoute

from app.api.openapi import operations
from app.api.routes import CalculatorRoute
from app.main import create_app
from app.security.caller import SCOPES, Caller
from app.settings import load_settings

PUBLIC = {
    "/",
    "/.well-known/smart-configuration",
    "/docs",
    "/livez",
    "/metrics",
    "/openapi.json",
    "/problems/{slug}",
    "/readyz",
    "/redoc",
    "/static",
    "/token",
    "/version",
}
APP = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))
ROUTES = list(iter_route_contexts(APP.routes))
OPERATIONS = [route for route in ROUTES if isinstance(route.original_route, CalculatorRoute)]


def name_of(route) -> str:
    return f"{'/'.join(sorted(route.methods or ()))} {route.path}"


@pytest.mark.parametrize("route", OPERATIONS, ids=map(name_of, OPERATIONS))
def test_an_operation_says_who_may_call_it(route):
    needs = route.original_route.needs
    assert needs.is_declared, f"{name_of(route)}: say `caller: MayRead` (or another scope) in its signature, or @public"
    if needs.scope is None:
        assert route.path in PUBLIC
        return
    assert needs.scope in SCOPES
    parameter = inspect.signature(route.original_route.endpoint, eval_str=False).parameters[needs.parameter]
    assert "May" in str(parameter.annotation) or Caller.__name__ in str(parameter.annotation)


def test_only_what_is_listed_is_for_everybody():
    gate = APP.build_middleware_stack()
    found = {route.path for route in ROUTES if gate._paths.is_public((route.path or "").replace("{slug}", "x"))}
    found |= {"/static"} if gate._paths.is_public("/static/pages.css") else set()
    assert found == PUBLIC


def test_what_leads_nowhere_is_not_for_everybody():
    paths = APP.build_middleware_stack()._paths
    assert not any(
        paths.is_public(path) for path in ("/nowhere", "/docs/", "/livez/x", "/problems/a/b", "/staticx", "")
    )


def test_a_changing_operation_never_asks_for_a_reader_alone():
    for route in OPERATIONS:
        scope = route.original_route.needs.scope
        if "DELETE" in route.methods:
            assert scope == "cohort:delete", name_of(route)
        elif route.methods & {"PUT", "PATCH"}:
            assert scope in {"cohort:write", "admin"}, name_of(route)
        elif "POST" in route.methods:
            assert scope in {"cohort:write", "calculate", "admin", None}, name_of(route)


def test_the_document_says_the_same():
    needs = {route.unique_id: route.original_route.needs.scope for route in OPERATIONS}
    document = APP.openapi()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "api_key", "backend"}
    for path, method, operation in operations(document):
        scope = needs.pop(operation["operationId"])
        expected = [] if scope is None else [{name: [scope]} for name in ("bearer", "api_key", "backend")]
        assert operation["security"] == expected, f"{method} {path}"
        assert {"401", "403"} <= set(operation["responses"]) or scope is None
    assert needs == {}


@pytest.mark.parametrize("kind", [Route, WebSocketRoute])
def test_a_route_that_checks_no_scope_keeps_the_service_from_starting(kind):
    app: FastAPI = create_app(load_settings({"DEFERVESCE_DATABASE_URL": "sqlite://"}))

    async def unguarded(*_: object) -> None:
        """Answer whoever is known."""

    app.router.routes.append(kind("/v1/unguarded", unguarded))
    with pytest.raises(TypeError, match="/v1/unguarded"):
        app.build_middleware_stack()
