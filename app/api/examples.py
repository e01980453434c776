"""`/v1/examples`: data to try the service with."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.callers import MayRead
from app.api.etag import IfNoneMatch, known_to
from app.api.media import JSON_TYPE
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.cohorts.study import study_cohort_bytes

PREFIX: Final = "/v1/examples"
_TAG: Final = 32
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Name of the cohort"},
        "description": {"type": "string", "description": "Says that the patients are synthetic"},
        "patients": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/PatientRecord"},
            "minItems": 46,
            "maxItems": 46,
            "description": "46 synthetic patients, SYN-01 to SYN-46",
        },
    },
    "required": ["name", "description", "patients"],
    "additionalProperties": False,
}
_ANSWERS: Final = declared(
    {
        200: {
            "description": "A body for POST /v1/cohorts",
            "content": {JSON_TYPE: {"schema": _SCHEMA}},
            "headers": {"ETag": {"description": "Changes with the cohort", "schema": {"type": "string"}}},
        }
    },
    304,
)


def build_router() -> APIRouter:
    """Make the operations over the examples."""
    router = APIRouter(prefix=PREFIX, tags=["cohorts"], route_class=CalculatorRoute)

    @router.get(
        "/study-cohort",
        summary="The synthetic study cohort",
        operation_id="study_cohort_example",
        response_class=Response,
        responses=_ANSWERS,
    )
    async def study_cohort_example(_: MayRead, if_none_match: IfNoneMatch = None) -> Response:
        """46 synthetic patients who give the study's printed numbers; goes into POST /v1/cohorts as it stands.

        No patient here exists. The same cohort is built in, read-only, under the id `study`.
        """
        body, etag = _served()
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if known_to(if_none_match)(etag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=JSON_TYPE, headers=headers)

    return router


@cache
def _served() -> tuple[bytes, str]:
    """Return the file as it is sent, and its ETag; read once."""
    body = study_cohort_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:_TAG]}"'
