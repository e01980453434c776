"""`/v1/cohorts`: create, list, show, export, delete."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.auditing import Auditor
from app.api.callers import MayDelete, MayRead, MayWrite
from app.api.cohort_examples import CSV_TYPE, create_body
from app.api.cohort_export import ExportFormat, export_response
from app.api.cohort_intake import PREFIX, Idempotent, Prefer, begin_rederiving, created, prefers_async, response_of
from app.api.cohort_service import Cohorts, describing
from app.api.context import context_of
from app.api.disclosure import Chosen, RowsAllowed, hiding
from app.api.etag import HEADER as ETAG
from app.api.etag import IfMatch, IfNoneMatch, etag, is_current, optional_match, required_match
from app.api.idempotency import HEADER as REPLAYED
from app.api.idempotency import IdempotencyKey
from app.api.jobs import ACCEPTED, JobAnswer
from app.api.media import JSON_TYPE, NDJSON_TYPES, require_json_accepted, require_media_type
from app.api.paging import LINK, Cursor, Limit, link, position_of
from app.api.reply import JSON
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.cohorts.builtin import EXAMPLE, STUDY
from app.cohorts.importing import LONGEST_DESCRIPTION, LONGEST_NAME
from app.cohorts.rederivation import RederiveAnswer, RederiveRequest
from app.cohorts.summary import Answer, CohortChanged, CohortDetail, CohortSummary, summary_of

CohortId = Annotated[str, Path(description="Id of the cohort", min_length=1, max_length=100, examples=[STUDY])]
ChangedCohortId = Annotated[
    str,
    Path(
        description="Id of the cohort; `example` is there to try changes on, and is made anew once it was deleted",
        min_length=1,
        max_length=100,
        examples=[EXAMPLE],
    ),
]
LOCATION: Final[dict[str, Any]] = {"Location": {"description": "Path of what was made", "schema": {"type": "string"}}}
_PAGE: Final = 100
_TEXT: Final = {"schema": {"type": "string", "description": "One record on each line"}}
_EXPORTED: Final = {
    "description": "The records, streamed; they go back in unchanged",
    "headers": ETAG,
    "content": {NDJSON_TYPES[0]: _TEXT, CSV_TYPE: _TEXT},
}


class CohortPage(Answer):
    """A page of cohorts."""

    items: tuple[CohortSummary, ...] = Field(description="The cohorts of this page, in the order of their creation")
    next: str | None = Field(description="Cursor of the next page; null on the last")


def build_router(cohorts: Cohorts) -> APIRouter:
    """Make the operations on whole cohorts."""
    router = APIRouter(prefix=PREFIX, tags=["cohorts"], route_class=CalculatorRoute)
    idempotent = Idempotent(cohorts)

    @router.post(
        "",
        summary="Create a cohort",
        operation_id="create_cohort",
        status_code=201,
        response_model=CohortChanged,
        responses=declared({201: {"headers": LOCATION | ETAG | REPLAYED}}, 409, 503),
        openapi_extra=create_body(LONGEST_NAME, LONGEST_DESCRIPTION),
    )
    async def create_cohort(request: Request, caller: MayWrite, key: IdempotencyKey = None) -> Response:
        """Create a cohort, with patients or empty, and derive each patient's variables: all of them or nothing.

        The answer counts patients by group and phenotype, and tells what was rounded, what disagrees with what, and
        what to look at. When anything is refused, each field is named and nothing is kept.
        """
        headers = context_of(request.scope).headers
        require_json_accepted(headers)
        media_type = require_media_type(headers, (JSON_TYPE,))
        service = cohorts.of(caller)
        return await idempotent.take(
            request, caller, key, media_type, lambda s, o, w: service.create(s, o, cohorts.counted(created), w)
        )

    @router.get(
        "", summary="The cohorts", operation_id="list_cohorts", responses=declared({200: {"headers": LINK}}, 503)
    )
    async def list_cohorts(
        response: Response, caller: MayRead, disclosure: Chosen, cursor: Cursor = None, limit: Limit = _PAGE
    ) -> CohortPage:
        """List the cohorts in the order of their creation; `study` is built in and read-only.

        `example`, two invented patients to try changes on, is made when a request names it, and listed from then on.
        """
        found, has_more = await asyncio.to_thread(cohorts.of(caller).cohorts, position_of(cursor), limit)
        following = str(found[-1].number) if has_more else None
        link(response, PREFIX, following, limit)
        return CohortPage(items=tuple(summary_of(cohort, disclosure.policy) for cohort in found), next=following)

    @router.get(
        "/{cohort_id}",
        summary="One cohort",
        operation_id="get_cohort",
        response_model=CohortDetail,
        responses=declared({200: {"headers": ETAG}}, 304, 503),
    )
    async def get_cohort(
        cohort_id: CohortId,
        response: Response,
        caller: MayRead,
        disclosure: Chosen,
        if_none_match: IfNoneMatch = None,
    ) -> CohortDetail | Response:
        """Show a cohort: how many patients of each group and phenotype, and the rules they were derived by."""
        service = cohorts.of(caller)
        found = await asyncio.to_thread(lambda: service.detail(cohort_id, hiding(disclosure)))
        tag = etag(found.version, disclosure)
        if is_current(if_none_match, found.version, disclosure):
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return found

    @router.delete(
        "/{cohort_id}",
        summary="Delete a cohort",
        operation_id="delete_cohort",
        status_code=204,
        response_class=Response,
        responses=declared({}, 409, 412, 428, 503),
    )
    async def delete_cohort(cohort_id: ChangedCohortId, caller: MayDelete, if_match: IfMatch = None) -> None:
        """Delete a cohort with all its patients and jobs, for good. `If-Match` names the version that was looked at.

        The cohort `example`, two invented patients to try changes on, is made anew by the next request that names it.
        """
        await cohorts.change(partial(cohorts.of(caller).delete, cohort_id, required_match(if_match)))

    @router.post(
        "/{cohort_id}/rederive",
        summary="Derive anew",
        operation_id="rederive_cohort",
        response_model=RederiveAnswer,
        responses=declared(
            {
                200: {"headers": ETAG},
                202: {"model": JobAnswer, "description": "The job that does it", "headers": ACCEPTED},
            },
            403,
            409,
            412,
            503,
        ),
        dependencies=[RowsAllowed],
    )
    async def rederive_cohort(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        body: RederiveRequest,
        request: Request,
        cohort_id: ChangedCohortId,
        caller: MayWrite,
        if_match: IfMatch = None,
        prefer: Prefer = None,
    ) -> Response:
        """Derive every patient anew under other versions or today's rule files, and say who changes class or grade.

        The records stay as they are. With `dry_run` nothing changes, which also works for the built-in cohort.
        """
        require_json_accepted(context_of(request.scope).headers)
        match = optional_match(if_match)
        Auditor.tell(request, {"dry_run": body.dry_run})
        if prefers_async(prefer) and not body.dry_run:
            begun = partial(begin_rederiving, cohorts, describing(request), caller, cohort_id, body, match)
            return response_of(await cohorts.change(begun))
        call = partial(cohorts.of(caller).rederive, cohort_id, body, match)
        answer = await cohorts.derive_anew(request, lambda work: call(work=work))
        return Response(answer.model_dump_json(), 200, {"ETag": etag(answer.version)}, JSON.decode())

    @router.get(
        "/{cohort_id}/export",
        summary="All records of a cohort",
        operation_id="export_cohort",
        response_class=Response,
        responses=declared({200: _EXPORTED}, 403, 503),
        dependencies=[RowsAllowed],
    )
    async def export_cohort(
        request: Request,
        cohort_id: CohortId,
        caller: MayRead,
        kind: Annotated[ExportFormat, Query(alias="format", description="ndjson or csv")] = "ndjson",
    ) -> Response:
        """Stream every record as it is kept, at one moment: NDJSON or CSV.

        Text that a spreadsheet program would take for a formula stands in quotes in a CSV, and comes back unchanged.
        """
        service = cohorts.of(caller)
        context_of(request.scope).hold(cohorts.exports.take())
        await asyncio.to_thread(service.find, cohort_id)
        # Before the snapshot is opened: a database in memory has no second connection to record by.
        auditor: Auditor = request.app.state.auditor
        auditor.tell(request, {"format": kind})
        await auditor.now(request)
        return await export_response(service, cohort_id, kind)

    return router
