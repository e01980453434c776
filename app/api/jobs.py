"""`/v1/jobs`: work that was asked to go on after its request was answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from app.api.callers import MayRead
from app.api.cohort_service import Cohorts
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.cohorts.builtin import EXAMPLE
from app.cohorts.store.model import ENDED, Job, JobState, Remembered
from app.cohorts.summary import Answer

PREFIX: Final = "/v1/jobs"
WAIT_SECONDS: Final = 1
RETRY: Final[dict[str, Any]] = {
    "Retry-After": {"description": "Seconds until it is worth asking again", "schema": {"type": "integer"}}
}

ACCEPTED: Final[dict[str, Any]] = RETRY | {
    "Location": {"description": "Path of the job", "schema": {"type": "string"}},
    "Preference-Applied": {"description": "`respond-async`", "schema": {"type": "string"}},
}


class Progress(Answer):
    """How far a job has come."""

    done: int = Field(ge=0, description="Bytes (of an import) or patients worked through")
    total: int | None = Field(description="How many there are; null when not known")
    percent: float | None = Field(ge=0, le=100, description="Share that is done, %")


class JobAnswer(Answer):
    """A job. Its result is what the request would have answered; a failed one has an error and changed nothing."""

    id: str = Field(description="The job's id")
    kind: str = Field(description="What it does, such as `add_patients`")
    cohort_id: str | None = Field(description="The cohort it works on")
    status: JobState = Field(description="queued, running, succeeded or failed")
    progress: Progress = Field(description="How far it has come")
    result: dict[str, Any] | None = Field(description="Once it has succeeded: the answer to the request")
    error: dict[str, Any] | None = Field(
        description="Once it has failed: the problem the request would have been answered with, or code and message"
    )
    created_at: datetime = Field(description="When it was asked for (UTC)")
    updated_at: datetime = Field(description="When it was last heard of (UTC)")


def build_router(cohorts: Cohorts) -> APIRouter:
    """Make the operation that shows a job."""

    @asynccontextmanager
    async def running(_: object) -> AsyncIterator[None]:
        cohorts.jobs.open()
        yield
        await asyncio.to_thread(cohorts.jobs.close)

    router = APIRouter(prefix=PREFIX, tags=["cohorts"], route_class=CalculatorRoute, lifespan=running)

    @router.get(
        "/{job_id}",
        summary="One job",
        operation_id="get_job",
        responses=declared({200: {"headers": RETRY}}, 503),
    )
    async def get_job(
        job_id: Annotated[
            str,
            Path(
                description="Id of the job; `example` filled the cohort `example`", max_length=100, examples=[EXAMPLE]
            ),
        ],
        response: Response,
        caller: MayRead,
    ) -> JobAnswer:
        """Show how far a job has come, and at its end what came of it. Ask again after the time in Retry-After."""
        job = await asyncio.to_thread(lambda: cohorts.of(caller).job(job_id))
        if job.state not in ENDED:
            response.headers["Retry-After"] = str(WAIT_SECONDS)
        return answer_of(job)

    return router


def answer_of(job: Job) -> JobAnswer:
    """Return a job as it is shown."""
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        cohort_id=job.cohort_id,
        status=job.state,
        progress=_progress(job),
        result=job.result,
        error=job.error,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )


def accepted(job: Job) -> Remembered:
    """Write the 202 that names a job."""
    headers = {
        "Location": f"{PREFIX}/{job.id}",
        "Retry-After": str(WAIT_SECONDS),
        "Preference-Applied": "respond-async",
    }
    return Remembered(202, answer_of(job).model_dump_json().encode(), headers)


def _progress(job: Job) -> Progress:
    done = job.total if job.state == "succeeded" and job.total is not None else job.progress
    percent = round(min(100 * done / job.total, 100), 1) if job.total else None
    return Progress(done=done, total=job.total, percent=percent)
