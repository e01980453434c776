"""`/v1/safety-case`: the hazard log, the trace to tests, the cards and the mappings, as of this release."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import Response

from app.api.callers import MayCalculate
from app.api.etag import IfNoneMatch, known_to
from app.api.media import JSON_TYPE
from app.api.openapi import REF
from app.api.problems import not_found
from app.api.responses import Responses, declared
from app.api.routes import CalculatorRoute
from app.clinical.rulebook import Rulebook

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX: Final = "/v1/safety-case"
EXAMPLE: Final = "H-DOS-01"
_TAG: Final = 32

HazardId = Annotated[str, Path(max_length=40, description="Id of the hazard", examples=[EXAMPLE])]


class Served(NamedTuple):
    """The case as it is sent, written once."""

    body: bytes
    hazards: dict[str, bytes]
    tag: str


def _answers(model: str) -> Responses:
    """Declare an answer whose model is named and not loaded: nothing of the safety case is needed at the start."""
    told: dict[str, Any] = {
        "description": "Successful Response",
        "content": {JSON_TYPE: {"schema": {"$ref": REF.format(model=model)}}},
        "headers": {"ETag": {"description": "Changes with the case", "schema": {"type": "string"}}},
    }
    return declared({200: told}, 304)


def models() -> tuple[type[BaseModel], ...]:
    """Return the models that the answers name, for the OpenAPI document."""
    from app.safety.parts import Hazard, SafetyCase  # noqa: PLC0415  # not needed at the start

    return (SafetyCase, Hazard)


def build_router(rulebook: Rulebook) -> APIRouter:
    """Make the operations over the safety case."""
    router = APIRouter(prefix=PREFIX, tags=["safety"], route_class=CalculatorRoute)
    served = cache(lambda: _served(rulebook))

    @router.get(
        "",
        summary="The safety case",
        operation_id="safety_case",
        response_class=Response,
        responses=_answers("SafetyCase"),
    )
    async def safety_case(_: MayCalculate, if_none_match: IfNoneMatch = None) -> Response:
        """Show intended use, hazards with their risk and the tests of their controls, requirements, cards, mappings.

        It is an argument by the developers. Nobody has cleared, certified or signed it off.
        """
        case = await asyncio.to_thread(served)
        return _sent(case.body, case.tag, if_none_match)

    @router.get(
        "/hazards/{hazard_id}",
        summary="One hazard",
        operation_id="safety_hazard",
        response_class=Response,
        responses=_answers("Hazard"),
    )
    async def safety_hazard(hazard_id: HazardId, _: MayCalculate, if_none_match: IfNoneMatch = None) -> Response:
        """Show one hazard of the log: cause, effect, harm, risk before and after, controls, tests, what is left."""
        case = await asyncio.to_thread(served)
        body = case.hazards.get(hazard_id)
        if body is None:
            raise not_found("There is no such hazard.", allowed=case.hazards, pointer="/hazard_id")
        return _sent(body, case.tag, if_none_match)

    return router


def _served(rulebook: Rulebook) -> Served:
    from app.safety.case import safety_case  # noqa: PLC0415  # not needed at the start

    case = safety_case(rulebook).model_dump(mode="json")
    body = msgspec.json.encode(case)
    hazards = {one["id"]: msgspec.json.encode(one) for one in case["hazards"]}
    return Served(body, hazards, f'"{hashlib.sha256(body).hexdigest()[:_TAG]}"')


def _sent(body: bytes, tag: str, if_none_match: str | None) -> Response:
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if known_to(if_none_match)(tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON_TYPE, headers=headers)
