"""`/v1/statistics/kaplan-meier`, `/log-rank` and `/restricted-mean`: times to an event, without a cohort."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from app.api.bulkhead import Bulkhead
from app.api.callers import MayCalculate
from app.api.media import JSON_TYPE
from app.api.routes import CalculatorRoute, bulk
from app.statistics.survival_models import KaplanMeierAnswer, LogRankAnswer, RestrictedMeanAnswer
from app.statistics.survival_requests import KaplanMeierRequest, LogRankRequest, RestrictedMeanRequest

_ROWS_IN_ONE_PIECE: Final = 10_000


@cache
def _answers() -> ModuleType:
    # Numpy and scipy come with the first question, on a worker thread; a dose needs neither.
    from app.statistics import survival_answers  # noqa: PLC0415  # as said

    return survival_answers


def build_router(heavy: Bulkhead) -> APIRouter:
    """Make the operations on times to an event."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"], route_class=CalculatorRoute)

    @router.post(
        "/kaplan-meier",
        summary="Kaplan-Meier curve with limits and median",
        operation_id="statistics_kaplan_meier",
        response_model=KaplanMeierAnswer,
    )
    @bulk
    async def statistics_kaplan_meier(body: KaplanMeierRequest, _: MayCalculate) -> Response:
        """Estimate the share without the event over time, with Greenwood's limits and the median.

        At one time events come before censorings. A median that is never reached is null, as is a limit that is not
        defined: nothing is extrapolated. Up to 1,000,000 rows.
        """
        return await heavy.run(lambda: _curve(body))

    @router.post("/log-rank", summary="Log-rank or Gehan-Breslow test", operation_id="statistics_log_rank")
    @bulk
    async def statistics_log_rank(body: LogRankRequest, _: MayCalculate) -> LogRankAnswer:
        """Compare the curves of two groups or more; for two groups with the hazard ratio of the first to the second.

        Mantel-Haenszel variance; the degrees of freedom count the groups that expect an event. Where the test is not
        defined p is null, with the reason. Up to 1,000,000 rows in all.
        """
        return await heavy.run(lambda: _log_rank(body))

    @router.post("/restricted-mean", summary="Mean time up to a horizon", operation_id="statistics_restricted_mean")
    @bulk
    async def statistics_restricted_mean(body: RestrictedMeanRequest, _: MayCalculate) -> RestrictedMeanAnswer:
        """Return the area under each group's Kaplan-Meier curve up to a horizon, with standard error and limits.

        Without a horizon it is the smallest of the groups' last times. For two groups the difference is tested.
        """
        return await heavy.run(lambda: _restricted_mean(body))

    return router


def _curve(body: KaplanMeierRequest) -> Response:
    pieces: Iterator[bytes] = _answers().write_kaplan_meier(body)
    if len(body.durations) <= _ROWS_IN_ONE_PIECE:
        return Response(b"".join(pieces), media_type=JSON_TYPE)
    return StreamingResponse(pieces, media_type=JSON_TYPE)


def _log_rank(body: LogRankRequest) -> LogRankAnswer:
    answer: LogRankAnswer = _answers().answer_log_rank(body)
    return answer


def _restricted_mean(body: RestrictedMeanRequest) -> RestrictedMeanAnswer:
    answer: RestrictedMeanAnswer = _answers().answer_restricted_mean(body)
    return answer
