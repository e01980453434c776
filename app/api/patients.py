"""`/v1/cohorts/{cohort_id}/patients`: add, list, show, replace, take out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.auditing import Auditor
from app.api.callers import MayDelete, MayRead, MayWrite
from app.api.cohort_examples import RECORD, ROWS_TYPES, rows_body
from app.api.cohort_intake import PREFIX, Idempotent, OnError, Prefer, added, prefers_async
from app.api.cohort_service import Cohorts
from app.api.cohorts import ChangedCohortId, CohortId
from app.api.context import context_of
from app.api.disclosure import RowsAllowed
from app.api.etag import HEADER as ETAG
from app.api.etag import IfMatch, IfNoneMatch, etag, is_current, optional_match, required_match
from app.api.fast_json import encode
from app.api.idempotency import HEADER as REPLAYED
from app.api.idempotency import IdempotencyKey
from app.api.jobs import ACCEPTED, JobAnswer
from app.api.media import require_json_accepted, require_media_type
from app.api.paging import LINK, Cursor, Limit, link, position_of
from app.api.problems import refused
from app.api.reply import JSON
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.clinical.refusal import InputError
from app.cohorts.builtin import SECOND_RECORD
from app.cohorts.records import PatientRecord
from app.cohorts.store.model import Patient
from app.cohorts.summary import Answer, CohortChanged

_Pseudonym = partial(Path, description="Pseudonym of the patient", min_length=1, max_length=64)
PatientId = Annotated[str, _Pseudonym(examples=["SYN-01"])]
ReplacedId = Annotated[str, _Pseudonym(examples=[RECORD["patient_id"]])]
DeletedId = Annotated[str, _Pseudonym(examples=[SECOND_RECORD["patient_id"]])]
_PAGE: Final = 50
_LISTED: Final = declared({200: {"headers": LINK | ETAG}}, 403, 503)


class PatientAnswer(Answer):
    """A patient: what was sent, and what was derived from it."""

    patient_id: str = Field(description="The pseudonym")
    version: int = Field(ge=1, description="Grows when the patient is changed; the ETag is this number in quotes")
    record: PatientRecord = Field(description="The record as it was sent, at clinical precision")
    derived: dict[str, Any] = Field(description="What was derived of it: groups, phenotype, times, pairs, grades")
    disagreements: list[dict[str, Any]] = Field(description="Where a stated fact and the derived one differ")
    warnings: list[dict[str, Any]] = Field(description="What to look at: code and message")


class PatientReplaced(PatientAnswer):
    """A patient in the place of an earlier one."""

    rounded: list[dict[str, Any]] = Field(description="Numbers that were sent with more digits than are kept")


class PatientDetail(PatientAnswer):
    """A patient with the Findings behind what was derived."""

    findings: dict[str, Any] = Field(description="Each classification as a tree of Findings, with what is missing")


class PatientPage(Answer):
    """A page of patients."""

    items: tuple[PatientAnswer, ...] = Field(description="The patients of this page, in the order of their arrival")
    next: str | None = Field(description="Cursor of the next page; null on the last")


def build_router(cohorts: Cohorts) -> APIRouter:  # five small operations, one after the other
    """Make the operations on a cohort's patients."""
    router = APIRouter(prefix=PREFIX + "/{cohort_id}/patients", tags=["cohorts"], route_class=CalculatorRoute)
    idempotent = Idempotent(cohorts)

    @router.post(
        "",
        summary="Add patients",
        operation_id="add_patients",
        response_model=CohortChanged,
        responses=declared(
            {
                200: {"headers": ETAG | REPLAYED},
                202: {"model": JobAnswer, "description": "The job that does it", "headers": ACCEPTED},
            },
            409,
            412,
            503,
        ),
        openapi_extra=rows_body(),
    )
    async def add_patients(  # noqa: PLR0913, PLR0917  # one parameter each
        request: Request,
        cohort_id: ChangedCohortId,
        caller: MayWrite,
        on_error: Annotated[
            OnError, Query(description="`refuse`: one bad row refuses all; `skip`: bad rows are left out and reported")
        ] = "refuse",
        key: IdempotencyKey = None,
        if_match: IfMatch = None,
        prefer: Prefer = None,
    ) -> Response:
        """Add patients: JSON, NDJSON or CSV, in one transaction, with bounded memory whatever the size.

        A refused row is named by its line, the pointer to its field, and the reason. If the connection closes before
        the answer, nothing is kept. With `Prefer: respond-async` the answer is 202 and a job.
        """
        headers = context_of(request.scope).headers
        require_json_accepted(headers)
        media_type = require_media_type(headers, ROWS_TYPES)
        match = optional_match(if_match)
        if prefers_async(prefer):
            return await idempotent.accept(request, caller, key, media_type, cohort_id, match, on_error)
        service = cohorts.of(caller)
        return await idempotent.take(
            request,
            caller,
            key,
            media_type,
            lambda sent, once, work: service.add(cohort_id, sent, once, cohorts.counted(added), match, work),
            on_error,
        )

    @router.get(
        "",
        summary="The patients",
        operation_id="list_patients",
        response_model=PatientPage,
        responses=_LISTED,
        dependencies=[RowsAllowed],
    )
    async def list_patients(
        request: Request, cohort_id: CohortId, caller: MayRead, cursor: Cursor = None, limit: Limit = _PAGE
    ) -> Response:
        """List the patients in the order of their arrival: what was sent, and what was derived of it."""
        require_json_accepted(context_of(request.scope).headers)
        page = await asyncio.to_thread(cohorts.of(caller).patients, cohort_id, position_of(cursor), limit)
        Auditor.tell(request, _span(page.patients))
        following = str(page.patients[-1].position) if page.has_more else None
        body = encode({"items": [_shown(patient) for patient in page.patients], "next": following})
        answer = Response(body, media_type=JSON.decode(), headers={"ETag": etag(page.cohort.version)})
        link(answer, f"{PREFIX}/{cohort_id}/patients", following, limit)
        return answer

    @router.get(
        "/{patient_id}",
        summary="One patient",
        operation_id="get_patient",
        response_model=PatientDetail,
        responses=declared({200: {"headers": ETAG}}, 304, 403, 503),
        dependencies=[RowsAllowed],
    )
    async def get_patient(
        cohort_id: CohortId, patient_id: PatientId, caller: MayRead, if_none_match: IfNoneMatch = None
    ) -> Response:
        """Show a patient: the record as it was sent, what was derived of it, and the Findings that say why."""
        service = cohorts.of(caller)
        found = await asyncio.to_thread(service.patient, cohort_id, patient_id)
        told = {"ETag": etag(found.version)}
        if is_current(if_none_match, found.version):
            return Response(status_code=304, headers=told)
        findings = await asyncio.to_thread(service.findings, cohort_id, found)
        return Response(encode(_shown(found) | {"findings": findings}), media_type=JSON.decode(), headers=told)

    @router.put(
        "/{patient_id}",
        summary="Replace a patient",
        operation_id="replace_patient",
        response_model=PatientReplaced,
        responses=declared({200: {"headers": ETAG}}, 409, 412, 428, 503),
    )
    async def replace_patient(
        body: PatientRecord,
        cohort_id: ChangedCohortId,
        patient_id: ReplacedId,
        caller: MayWrite,
        if_match: IfMatch = None,
    ) -> Response:
        """Put a record in the place of the patient's, and derive it anew. The `patient_id` of both must be the same."""
        match = required_match(if_match)
        if body.patient_id != patient_id:
            message = "The patient_id of the record must be the one in the path; a patient cannot be renamed."
            raise refused([InputError("/patient_id", "patient_id_differs", message)])
        found = await cohorts.change(partial(cohorts.of(caller).replace, cohort_id, body, match))
        told = {"ETag": etag(found.patient.version)}
        return Response(encode(_shown(found.patient) | {"rounded": found.rounded}), 200, told, JSON.decode())

    @router.delete(
        "/{patient_id}",
        summary="Take a patient out",
        operation_id="delete_patient",
        status_code=204,
        response_class=Response,
        responses=declared({}, 409, 412, 428, 503),
    )
    async def delete_patient(
        cohort_id: ChangedCohortId, patient_id: DeletedId, caller: MayDelete, if_match: IfMatch = None
    ) -> None:
        """Delete a patient with everything derived, for good; the cohort's counts follow at once."""
        await cohorts.change(partial(cohorts.of(caller).remove, cohort_id, patient_id, required_match(if_match)))

    return router


def _span(patients: Sequence[Patient]) -> dict[str, int | str | bool]:
    """Return which patients of a cohort a page shows, by the order of their arrival."""
    if not patients:
        return {"patients": 0}
    return {"patients": len(patients), "first_position": patients[0].position, "last_position": patients[-1].position}


def _shown(patient: Patient) -> dict[str, Any]:
    """Return a patient as it is shown; the record is handed on as the text it is kept as."""
    return {
        "patient_id": patient.patient_id,
        "version": patient.version,
        "record": msgspec.Raw(patient.record_json.encode()),
        "derived": patient.facts,
        "disagreements": patient.disagreements,
        "warnings": patient.warnings,
    }
