"""Is it alive, is it ready, what is it: for load balancers, monitors and people."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from threading import Event
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.callers import public
from app.api.kinds import KINDS, NOT_READY
from app.api.observability import Metrics
from app.api.problems import ProblemError, not_found
from app.api.readiness import Readiness
from app.api.routes import CalculatorRoute
from app.database.revision import HEAD

_RETRY_SECONDS = "5"
_METRICS_EXAMPLE = """# HELP defervesce_requests_total Requests answered
# TYPE defervesce_requests_total counter
defervesce_requests_total{route="/v1/anakinra/dose",method="POST",status="200"} 12.0
"""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Alive(_Answer):
    """The process runs and answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = Field(description="Always `alive`; no answer means that it is not")


class Ready(_Answer):
    """The service can take requests."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"status": "ready", "rulebook": "loaded", "database": "reachable", "schema_revision": HEAD}]
        },
    )

    status: Literal["ready"] = Field(description="Always `ready`; a service that is not answers 503")
    rulebook: Literal["loaded"] = Field(description="Every rule file was read and validated")
    database: Literal["reachable"] = Field(description="The database answers; one that does not makes a 503")
    schema_revision: str = Field(description="Revision of the database's schema: the one that this release needs")


class RuleSetVersion(_Answer):
    """A rule set in use."""

    id: str = Field(description="The rule set's id")
    version: str = Field(description="Its semantic version")
    sha256: str = Field(description="SHA-256 of its file")


class Version(_Answer):
    """What is running: code, commit, Python and every rule set, for the record of an answer."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "defervesce",
                    "version": "0.1.0",
                    "git_sha": None,
                    "python": "3.12.8",
                    "rule_sets": [{"id": "aha-kd-2017", "version": "1.0.0", "sha256": "0" * 64}],
                }
            ]
        },
    )

    name: str = Field(description="The service's name")
    version: str = Field(description="Version of the code")
    git_sha: str | None = Field(description="Commit it was built from, where the build recorded one")
    python: str = Field(description="Version of Python it runs on")
    rule_sets: list[RuleSetVersion] = Field(description="Every rule set in use, by id")


class ProblemType(_Answer):
    """What a problem type means and what to do about it."""

    type: str = Field(description="The `type` member of such a problem")
    title: str = Field(description="The type in words")
    status: int = Field(description="The HTTP status code it comes with")
    meaning: str = Field(description="What went wrong")
    remedy: str = Field(description="What the caller can do")


def version_of(code: str, git_sha: str | None, rule_sets: list[RuleSetVersion]) -> Version:
    """Gather what is running."""
    return Version(
        name="defervesce",
        version=code,
        git_sha=None if git_sha == "unknown" else git_sha,
        python=platform.python_version(),
        rule_sets=rule_sets,
    )


def build_router(version: Version, metrics: Metrics, is_ready: Callable[[], bool], readiness: Readiness) -> APIRouter:
    """Make the operations that tell about the service itself."""
    router = APIRouter(tags=["service"], route_class=CalculatorRoute)
    alive, is_prepared = Alive(status="alive"), Event()

    @router.get("/livez", summary="Is the process alive?", operation_id="livez")
    @public
    async def livez() -> Alive:
        """Answer as long as the process runs; a supervisor restarts it when this does not answer."""
        return alive

    @router.get(
        "/readyz",
        summary="Can it take requests?",
        operation_id="readyz",
        responses={503: {"$ref": "#/components/responses/NotReadyProblem"}},
    )
    @public
    async def readyz() -> Ready:
        """Answer 200 while the rulebook is loaded, the database answers and is migrated to this release; else 503.

        The calculators need no database and answer all the same: only what is kept in cohorts is missing then.
        """
        if not is_ready():
            raise ProblemError(NOT_READY, "The service is stopping.")
        database = await readiness.status()
        if database.state != "ready" or database.revision is None:
            raise ProblemError(NOT_READY, database.detail, headers={"Retry-After": _RETRY_SECONDS})
        return Ready(status="ready", rulebook="loaded", database="reachable", schema_revision=database.revision)

    @router.get("/version", summary="What is running?", operation_id="version")
    @public
    async def version_() -> Version:
        """Name the code, the commit and every rule set with its hash."""
        return version

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        operation_id="metrics",
        response_class=Response,
        responses={200: {"description": "Prometheus text", "content": {"text/plain": {"example": _METRICS_EXAMPLE}}}},
    )
    @public
    async def metrics_() -> Response:
        """Count requests by route template, method and status, with durations; process and build facts."""
        if not is_prepared.is_set():
            await asyncio.to_thread(metrics.prepare)
            is_prepared.set()
        body, content_type = metrics.exposition()
        return Response(body, headers={"content-type": content_type})

    @router.get("/problems/{slug}", summary="What does a problem type mean?", operation_id="problem_type")
    @public
    async def problem_type(
        slug: Annotated[str, Path(description="Last part of a problem's `type`", examples=["validation"])],
    ) -> ProblemType:
        """Explain one of the `type` URIs that problem answers carry."""
        kind = KINDS.get(slug)
        if kind is None:
            raise not_found("There is no such problem type.", allowed=KINDS, pointer="/slug")
        return ProblemType(
            type=kind.type, title=kind.title, status=kind.status, meaning=kind.meaning, remedy=kind.remedy
        )

    return router
