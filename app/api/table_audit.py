"""`/v1/statistics/table-audit`: a published table beside what its own counts give."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from fastapi import APIRouter

from app.api.bulkhead import Bulkhead
from app.api.callers import MayCalculate
from app.api.routes import CalculatorRoute
from app.clinical.refusal import InputError, RefusedInputError
from app.statistics.errors import StatisticsInputError
from app.statistics.table_audit_models import TableAuditAnswer, TableAuditRequest


@cache
def _numerics() -> ModuleType:
    # Numpy and scipy come with the first question, on a worker thread; a dose needs neither.
    from app.statistics import table_audit  # noqa: PLC0415  # as said

    return table_audit


def build_router(heavy: Bulkhead) -> APIRouter:
    """Make the audit of published tables."""
    router = APIRouter(prefix="/v1/statistics", tags=["statistics"], route_class=CalculatorRoute)

    @router.post("/table-audit", summary="Audit of a published table", operation_id="statistics_table_audit")
    async def statistics_table_audit(body: TableAuditRequest, _: MayCalculate) -> TableAuditAnswer:
        """Recompute every percent and p-value of a printed table from its counts, and say what does not follow.

        Where a printed p does not follow, other tests and group sizes near the printed ones are searched for what
        gives it: evidence of how the table was made, no proof. How much was searched is told.
        """
        return await heavy.run(lambda: _audit(body))

    return router


def _audit(body: TableAuditRequest) -> TableAuditAnswer:
    try:
        answer: TableAuditAnswer = _numerics().audit_table(body)
    except StatisticsInputError as exc:
        raise RefusedInputError(InputError(exc.pointer, exc.code, exc.message)) from None
    return answer
