"""`/v1/statistics`: summary, Fisher's exact test, Mann-Whitney and Wilcoxon signed rank, without a cohort."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from fastapi import APIRouter

from app.api.bulkhead import Bulkhead
from app.api.callers import MayCalculate
from app.api.routes import CalculatorRoute, bulk
from app.clinical.refusal import InputError, RefusedInputError
from app.statistics.errors import StatisticsInputError
from app.statistics.fisher_models import FisherAnswer, FisherRequest
from app.statistics.rank_models import (
    MannWhitneyAnswer,
    MannWhitneyRequest,
    SignedRankAnswer,
    SignedRankRequest,
    SummaryAnswer,
    SummaryRequest,
)


@cache
def _answers() -> ModuleType:
    # Numpy and scipy come with the first question, on a worker thread; a dose needs neither.
    from app.statistics import rank_answers  # noqa: PLC0415  # as said

    return rank_answers


def build_router(heavy: Bulkhead) -> APIRouter:
    """Make the operations on values, ranks and counts."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"], route_class=CalculatorRoute)

    @router.post("/summary", summary="Median, quartiles and range", operation_id="statistics_summary")
    @bulk
    async def statistics_summary(body: SummaryRequest, _: MayCalculate) -> SummaryAnswer:
        """Summarize values by median and quartiles, in exact arithmetic, with missing values counted.

        Quartiles by Weibull's rule as GraphPad Prism's, or by linear interpolation as R's and spreadsheets' default.
        """
        return await heavy.run(lambda: _compute("summary", body))

    @router.post("/fisher-exact", summary="Fisher's exact test of a table of counts", operation_id="statistics_fisher")
    async def statistics_fisher(body: FisherRequest, _: MayCalculate) -> FisherAnswer:
        """Test a table of any size exactly, two-sided: all tables with its margins that are at most as probable.

        2 x 2: with the conditional odds ratio and its exact limits. Larger: the Freeman-Halton test, with Pearson's
        chi-square beside it, which stands in past a fixed amount of work; `method` and `exact` say so.
        """
        return await heavy.run(lambda: _compute("fisher", body))

    @router.post("/mann-whitney", summary="Mann-Whitney test of two groups", operation_id="statistics_mann_whitney")
    @bulk
    async def statistics_mann_whitney(body: MannWhitneyRequest, _: MayCalculate) -> MannWhitneyAnswer:
        """Compare two independent groups by ranks: exact with ties, two-sided, with the size of the difference.

        Past a fixed amount of work the normal approximation stands in; `method` and `exact` say so.
        """
        return await heavy.run(lambda: _compute("mann_whitney", body))

    @router.post(
        "/wilcoxon-signed-rank", summary="Wilcoxon test of pairs", operation_id="statistics_wilcoxon_signed_rank"
    )
    @bulk
    async def statistics_wilcoxon_signed_rank(body: SignedRankRequest, _: MayCalculate) -> SignedRankAnswer:
        """Compare two measurements of the same patients by signed ranks: exact with ties and zeros, two-sided.

        A difference is after - before, taken between the decimal numbers as sent: 0.3 - 0.2 and 0.2 - 0.1 tie. Pairs
        in which a value is missing are left out and counted.
        """
        return await heavy.run(lambda: _compute("signed_rank", body))

    return router


def _compute(name: str, body: object) -> Any:  # noqa: ANN401  # the answer of that request
    try:
        return getattr(_answers(), f"answer_{name}")(body)
    except StatisticsInputError as exc:
        raise RefusedInputError(InputError(exc.pointer, exc.code, exc.message)) from None
