"""`/v1/audit`: the audit trail of the caller's tenant, for administrators."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.callers import MayAdmin
from app.api.context import context_of
from app.api.media import require_json_accepted
from app.api.paging import LINK, Cursor, Limit
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.cohorts.summary import Answer
from app.database.database import Database
from app.database.deeds import Outcome

if TYPE_CHECKING:
    from app.security.audit.entry import Row
    from app.security.store.audit import Wanted

_PAGE: Final = 100
_HASH: Final = "SHA-256 in hexadecimal"
# Stands for what somebody wrote into a row by hand and what is no text.
_UNREADABLE: Final = "unreadable"
_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _as_text(sent: object) -> object:
    """Refuse a time as a number of seconds, which pydantic would take."""
    if isinstance(sent, str) and not _WRITTEN.match(sent):
        raise ValueError("A time is written such as 2020-06-01T08:00:00-04:00.")
    return sent


Moment = Annotated[AwareDatetime, BeforeValidator(_as_text)]


class AuditRow(Answer):
    """One row of the audit trail. It holds no value of a patient."""

    position: int = Field(ge=1, description="Place in the tenant's chain, from 1, without gaps")
    id: str = Field(description="Id of the entry")
    at: datetime = Field(description="When (UTC)")
    caller: str = Field(description="Who: id of the caller; `local`, `service`, `command-line` or `anonymous`")
    tenant: str = Field(description="Tenant of the caller")
    operation: str = Field(description="Operation of this API, or command")
    event: str = Field(description="What it did, such as read, patients.add, cohort.delete, request.failed")
    outcome: Outcome = Field(description="success, denied (401, 403) or failed")
    status: int | None = Field(description="Status that was answered; null for what a transaction recorded itself")
    cohort_id: str | None = Field(description="The cohort")
    patient_id: str | None = Field(description="The patient's pseudonym")
    subject: str | None = Field(description="Id of a job, a receipt or a key")
    request_id: str | None = Field(description="The request's id, as in the log")
    details: dict[str, Any] | None = Field(description="Counts, and names of ours")
    prev_hash: str = Field(description=f"`row_hash` of the row before; {_HASH}")
    row_hash: str = Field(description=f"Hash of this row and of `prev_hash`; {_HASH}")
    algorithm: str = Field(description="How `row_hash` is made")


class AuditPage(Answer):
    """A page of the audit trail."""

    items: tuple[AuditRow, ...] = Field(description="The rows of this page, newest first")
    next: str | None = Field(description="Cursor of the next page (older rows); null on the last")


def build_router(database: Database) -> APIRouter:
    """Make the operation that shows the audit trail."""
    router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=CalculatorRoute)

    @router.get(
        "",
        summary="The audit trail",
        operation_id="list_audit",
        responses=declared({200: {"headers": LINK}}, 503),
    )
    async def list_audit(  # noqa: PLR0913  # one parameter each
        request: Request,
        response: Response,
        asks: MayAdmin,
        *,
        cohort: Annotated[str | None, Query(max_length=64, description="Rows about this cohort")] = None,
        patient: Annotated[str | None, Query(max_length=64, description="Rows about this patient's pseudonym")] = None,
        caller: Annotated[str | None, Query(max_length=200, description="Rows of this caller")] = None,
        outcome: Annotated[
            Literal["success", "denied", "failed"] | None, Query(description="Rows of this outcome")
        ] = None,
        since: Annotated[
            Moment | None, Query(alias="from", description="Rows at this time or later, with an offset")
        ] = None,
        until: Annotated[Moment | None, Query(alias="to", description="Rows before this time, with an offset")] = None,
        cursor: Cursor = None,
        limit: Limit = _PAGE,
    ) -> AuditPage:
        """Show the rows of the caller's own tenant, newest first; the scope `admin` is needed.

        Who read, changed, exported or deleted what, and who was refused. This look at it is recorded, too.
        """
        from app.security.store.audit import Wanted  # noqa: PLC0415  # it loads SQLAlchemy

        context = context_of(request.scope)
        require_json_accepted(context.headers)
        wanted = Wanted(cohort, patient, caller, outcome, since, until)
        before = None if cursor is None else int(cursor)
        found = await asyncio.to_thread(_rows, database, asks.tenant, wanted, before, limit + 1)
        following = str(found[limit - 1].position) if len(found) > limit else None
        if following is not None:
            target = request.url.include_query_params(cursor=following)
            response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
        return AuditPage(items=tuple(map(_shown, found[:limit])), next=following)

    return router


def _rows(database: Database, tenant: str, wanted: Wanted, before: int | None, limit: int) -> list[Row]:
    from app.security.store import audit  # noqa: PLC0415  # it loads SQLAlchemy
    from app.security.store.session import reading  # noqa: PLC0415  # as above

    with reading(database.engine) as connection:
        return audit.newest(connection, tenant, wanted, before, limit)


def _shown(row: Row) -> AuditRow:
    """Show a row, also one into which somebody wrote by hand what no column of it holds."""
    entry = row.entry
    return AuditRow(
        position=row.position,
        id=_text(entry.id),
        at=entry.at,
        caller=_text(entry.caller),
        tenant=_text(entry.tenant),
        operation=_text(entry.operation),
        event=_text(entry.event),
        outcome=entry.outcome,
        status=entry.status if isinstance(entry.status, int) else None,
        cohort_id=_text_or_none(entry.cohort_id),
        patient_id=_text_or_none(entry.patient_id),
        subject=_text_or_none(entry.subject),
        request_id=_text_or_none(entry.request_id),
        details=None if entry.details is None else _details(entry.details),
        prev_hash=_text(row.prev_hash),
        row_hash=_text(row.row_hash),
        algorithm=_text(row.algorithm),
    )


def _text(kept: object) -> str:
    return kept if isinstance(kept, str) else _UNREADABLE


def _text_or_none(kept: object) -> str | None:
    return None if kept is None else _text(kept)


def _details(kept: object) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(kept) if isinstance(kept, str) else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {_UNREADABLE: True}
