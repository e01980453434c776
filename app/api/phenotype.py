"""`/v1/phenotype`: the phenotype of one child, or of many in a batch."""

from __future__ import annotations

from typing import Any, Final, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.bulkhead import Bulkhead
from app.api.callers import MayCalculate
from app.api.fast_json import encode
from app.api.item_batch import BatchAnswer, ItemBatch, lines_answer, request_body
from app.api.routes import CalculatorRoute, bulk, written_by
from app.clinical.phenotype import PhenotypeAnswer, PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.rulebook import Rulebook

_EXAMPLE: Final = cast("dict[str, Any]", Presentation.model_config["json_schema_extra"])["examples"][0]


def build_router(rulebook: Rulebook, heavy: Bulkhead) -> APIRouter:
    """Make the phenotype operations over a rulebook."""
    router = APIRouter(prefix="/v1/phenotype", tags=["phenotype"], route_class=CalculatorRoute)
    classifier = PhenotypeClassifier(rulebook)
    batch = ItemBatch(Presentation, classifier.classify, encode, heavy)

    @router.post("", summary="Phenotype of one child", operation_id="phenotype")
    @written_by(encode)
    async def phenotype(body: Presentation, _: MayCalculate) -> PhenotypeAnswer:
        """Classify as the study does: KD-like, cardiovascular shock, both (KDSS-like) or neither (non-specific).

        What is absent or null is unknown. While a flag is unknown the class is `indeterminate`: `possible_phenotypes`
        lists what remains, `missing` the fewest inputs that could decide, `missing_in_full` inputs that surely do.
        """
        return classifier.classify(body)

    @router.post(
        "/batch",
        summary="Phenotypes of many children",
        operation_id="phenotype_batch",
        response_model=BatchAnswer[PhenotypeAnswer],
        responses=lines_answer("One answer per child, as JSON or as NDJSON"),
        openapi_extra=request_body("Presentation", _EXAMPLE),
    )
    @bulk
    async def phenotype_batch(request: Request, _: MayCalculate) -> Response:
        """Classify each child by itself: `{"items": [...]}`, or NDJSON with one child on each line.

        A child that is refused has status 422 and its problem; the others are answered. The answers come in order.
        """
        return await batch(request)

    return router
