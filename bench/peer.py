"""The peer: a bare FastAPI app with our request and response models that answers constants made once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from app.api.routes import CalculatorRoute
from app.main import create_app
from app.security.caller import LOCAL

PATHS = ("/v1/anakinra/dose", "/v1/phenotype", "/v1/ctcae/grade")


def _routes() -> dict[str, APIRoute]:
    found = {context.path: context.original_route for context in iter_route_contexts(create_app().routes)}
    return {path: route for path in PATHS if isinstance(route := found.get(path), APIRoute)}


def _example(model: type[BaseModel]) -> dict[str, Any]:
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)  # noqa: S101 - our own models
    examples = extra["examples"]
    assert isinstance(examples, list)  # noqa: S101 - as above
    first = examples[0]
    assert isinstance(first, dict)  # noqa: S101 - as above
    return first


def _request_model(route: APIRoute) -> type[BaseModel]:
    assert route.body_field is not None  # noqa: S101 - the calculators take a body
    model = route.body_field.field_info.annotation
    assert isinstance(model, type)  # noqa: S101 - as above
    assert issubclass(model, BaseModel)  # noqa: S101 - as above
    return model


ROUTES = _routes()
EXAMPLES = {path: _example(_request_model(ROUTES[path])) for path in PATHS}


def _constant(answer: object) -> Callable[..., Awaitable[object]]:
    async def endpoint(body: BaseModel) -> object:  # noqa: ARG001 - the body is read and validated, then unused
        return answer

    return endpoint


def _bare() -> FastAPI:
    bare = FastAPI()
    for path, route in ROUTES.items():
        model = _request_model(route)
        answer = _answer(route, model)
        endpoint = _constant(answer)
        endpoint.__annotations__ = {"body": model, "return": route.response_model}
        bare.post(path)(endpoint)
    bare.get("/ready")(_ready)
    return bare


async def _ready() -> dict[str, str]:
    return {}


def _answer(route: APIRoute, model: type[BaseModel]) -> object:
    """Ask our endpoint once for the answer to the example."""
    assert isinstance(route, CalculatorRoute)  # noqa: S101 - our own routes
    caller = {route.needs.parameter: LOCAL} if route.needs.parameter else {}
    coroutine = route.endpoint(model.model_validate_json(json.dumps(EXAMPLES[route.path])), **caller)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a calculator waited for something: it should be pure")


app = _bare()
