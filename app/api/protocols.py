"""`/v1/protocols`: the dosing protocols, their numbers and sources."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.callers import MayCalculate
from app.api.problems import not_found
from app.api.routes import CalculatorRoute
from app.clinical.anakinra.catalogue import Catalogue, ProtocolDetail, ProtocolList
from app.clinical.anakinra.protocol import DEFAULT_PROTOCOL, Protocols
from app.clinical.rulebook import Rulebook


def build_router(rulebook: Rulebook) -> APIRouter:
    """Make the operations over the protocols of a rulebook."""
    router = APIRouter(prefix="/v1/protocols", tags=["protocols"], route_class=CalculatorRoute)
    catalogue = Catalogue(Protocols(rulebook))

    @router.get("", summary="The dosing protocols", operation_id="list_protocols")
    async def list_protocols(_: MayCalculate) -> ProtocolList:
        """List the protocols a request can name: the study's, which is the default, and the hospital's own.

        Each with its starting bands, ceiling, cap, rounding and weaning rules.
        """
        return catalogue.all

    @router.get("/{id}", summary="One dosing protocol", operation_id="get_protocol")
    async def get_protocol(
        protocol_id: Annotated[
            str, Path(alias="id", description="Id of the protocol", max_length=100, examples=[DEFAULT_PROTOCOL])
        ],
        _: MayCalculate,
    ) -> ProtocolDetail:
        """Show a protocol with every number, its unit and its source, and what to keep in mind about it."""
        found = catalogue.by_id.get(protocol_id)
        if found is None:
            raise not_found("There is no such dosing protocol.", allowed=catalogue.by_id, pointer="/id")
        return found

    return router
