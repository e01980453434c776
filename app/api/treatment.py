"""`/v1/treatment`: indication for anakinra, IVIG, aspirin."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.callers import MayCalculate
from app.api.routes import CalculatorRoute
from app.clinical.patient import PatientCheck
from app.clinical.rulebook import Rulebook
from app.clinical.treatment.aspirin import Aspirin, AspirinAnswer, AspirinRequest
from app.clinical.treatment.indication import Indication, IndicationAnswer, IndicationRequest
from app.clinical.treatment.ivig import Ivig, IvigAnswer, IvigRequest


def build_router(rulebook: Rulebook) -> APIRouter:
    """Make the treatment operations over a rulebook."""
    router = APIRouter(prefix="/v1/treatment", tags=["treatment"], route_class=CalculatorRoute)
    check = PatientCheck(rulebook)
    indication, ivig, aspirin = Indication(rulebook), Ivig(rulebook, check), Aspirin(rulebook, check)

    @router.post("/indication", summary="Is anakinra indicated, and as what?", operation_id="anakinra_indication")
    async def anakinra_indication(body: IndicationRequest, _: MayCalculate) -> IndicationAnswer:
        """Decide by the study's protocol: adjunct of the critically ill, rescue of the refractory, or neither.

        Refractory to IVIG by AHA (36 h, the default), JCS (24 h) or NIH (24 h without improvement). Until the window
        has elapsed that is unknown, never no. Every criterion is shown.
        """
        return indication(body)

    @router.post("/ivig", summary="Dose of intravenous immunoglobulin", operation_id="ivig_dose")
    async def ivig_dose(body: IvigRequest, _: MayCalculate) -> IvigAnswer:
        """Work out 2 g/kg by ideal body weight, at most 100 g, perhaps over two days; no second course."""
        return ivig(body)

    @router.post("/aspirin", summary="Dose of aspirin", operation_id="aspirin_dose")
    async def aspirin_dose(body: AspirinRequest, _: MayCalculate) -> AspirinAnswer:
        """Work out 3 to 5 mg/kg/day, at most 81 mg, held with platelets of 80 x 10*3/uL or less or with bleeding."""
        return aspirin(body)

    return router
