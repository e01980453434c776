"""`/v1/anakinra`: starting dose, titration, weaning schedule and the next step of a wean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.callers import MayCalculate
from app.api.context import context_of
from app.api.fast_json import encode
from app.api.media import JSON_TYPE, negotiated
from app.api.routes import CalculatorRoute, written_by
from app.clinical.anakinra import icalendar
from app.clinical.anakinra.course import WeanNext, WeanNextAnswer, WeanNextRequest
from app.clinical.anakinra.dose import DoseAnswer, DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.titration import Titration, TitrationAnswer, TitrationRequest
from app.clinical.anakinra.weaning import WeanAnswer, Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.rulebook import Rulebook

_CALENDAR: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The schedule, as JSON or (Accept: text/calendar) as iCalendar",
        "content": {icalendar.MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build_router(rulebook: Rulebook, now: Callable[[], datetime] = _utc_now) -> APIRouter:
    """Make the anakinra operations over a rulebook; `now` stamps calendars."""
    router = APIRouter(prefix="/v1/anakinra", tags=["anakinra"], route_class=CalculatorRoute)
    parts = rulebook, Protocols(rulebook), PatientCheck(rulebook)
    starting_dose, titration = StartingDose(*parts), Titration(*parts)
    weaning, wean_next = Weaning(*parts), WeanNext(*parts)

    @router.post("/dose", summary="Starting dose of anakinra", operation_id="anakinra_dose")
    @written_by(encode)
    async def anakinra_dose(body: DoseRequest, _: MayCalculate) -> DoseAnswer:
        """Show the starting band as options: both ends, the middle, and a target of the caller's choice.

        With `critically_ill` unknown both bands are answered. A target above the protocol's ceiling is refused. Below
        an estimated GFR of 30, and with a contraindication, there is no plan.
        """
        return starting_dose(body)

    @router.post("/titration", summary="May the dose of anakinra go up?", operation_id="anakinra_titration")
    async def anakinra_titration(body: TitrationRequest, _: MayCalculate) -> TitrationAnswer:
        """Say what ceiling and cap leave above the dose now, and whether a target fits.

        No step is proposed: those of the study are not published.
        """
        return titration(body)

    @router.post(
        "/wean",
        summary="Weaning schedule of anakinra",
        operation_id="anakinra_wean",
        response_model=WeanAnswer,
        responses=_CALENDAR,
    )
    async def anakinra_wean(body: WeanRequest, request: Request, _: MayCalculate) -> WeanAnswer | Response:
        """Plan the way down from the dose the child really gets, step by step to nothing, while clinically stable.

        Without `interval_hours` each step is a window. `Accept: text/calendar` answers the plan as iCalendar, for which
        `starts_at` and `interval_hours` must be sent.
        """
        media_type = _format(context_of(request.scope).headers)
        plan = weaning(body)
        if media_type == JSON_TYPE:
            return plan
        return _as_calendar(plan, now())

    @router.post("/wean/next", summary="Next step of a wean", operation_id="anakinra_wean_next")
    async def anakinra_wean_next(body: WeanNextRequest, _: MayCalculate) -> WeanNextAnswer:
        """Say for a course under way: advance to the next lower dose, hold, or step back up; and why.

        What is not known holds the wean. A clinician's confirmation is needed for every step.
        """
        return wean_next(body)

    return router


def _format(headers: Mapping[bytes, bytes]) -> str:
    """Return what to answer in. A caller that names text/calendar and not JSON means it, wildcards beside or not."""
    accept = headers.get(b"accept", b"").lower()
    named_alone = icalendar.MEDIA_TYPE.encode() in accept and JSON_TYPE.encode() not in accept
    offered = (icalendar.MEDIA_TYPE, JSON_TYPE) if named_alone else (JSON_TYPE, icalendar.MEDIA_TYPE)
    return negotiated(headers, offered)


def _as_calendar(plan: WeanAnswer, now: datetime) -> Response:
    headers = {"Content-Disposition": 'attachment; filename="anakinra-wean.ics"', "Vary": "Accept"}
    return Response(icalendar.calendar(plan, now), media_type=f"{icalendar.MEDIA_TYPE}; charset=utf-8", headers=headers)
