"""`/v1/cohorts/{cohort_id}/analysis`: the study's whole analysis of a cohort, from its tallies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.callers import MayRead
from app.api.cohort_service import Cohorts
from app.api.cohorts import CohortId
from app.api.context import context_of
from app.api.disclosure import Chosen
from app.api.etag import IfNoneMatch, known_to
from app.api.media import JSON_TYPE, negotiated
from app.api.problems import not_found, refused
from app.api.responses import declared
from app.api.routes import CalculatorRoute
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook
from app.cohorts.analysis.answers import SECTIONS, Adjust, Analysis, Interval, QuantileMethod, TimeZero
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.selection import MOST_CONDITIONS, Question, parse_by, parse_where
from app.security.caller import NOBODY, Caller

if TYPE_CHECKING:
    from app.cohorts.analysis.service import Analyses

CSV_TYPE: Final = "text/csv"
_TAG: Final[dict[str, Any]] = {
    "ETag": {
        "description": "Changes with the cohort's version, the question and the disclosure profile",
        "schema": {"type": "string"},
    }
}
_ANSWERS: Final = declared(
    {200: {"headers": _TAG, "content": {CSV_TYPE: {"schema": {"type": "string", "description": "One table"}}}}},
    304,
    503,
)

Form = Literal["json", "csv"]
Format = Annotated[
    Form | None,
    Query(
        alias="format",
        description="`json`, or `csv` (a line per variable and group, test, and point of a curve); absent: as the "
        "Accept header says",
    ),
]
SectionName = Annotated[
    str,
    Path(
        max_length=100,
        description=f"One of {', '.join(SECTIONS)}",
        json_schema_extra={"enum": [*SECTIONS]},
        examples=["characteristics"],
    ),
]


async def question_of(  # noqa: PLR0913  # one parameter each
    *,
    by: Annotated[
        str | None,
        Query(
            max_length=100,
            description=f"Axis that divides the patients: {', '.join(AXES)}. Absent: for each section the study's own",
            json_schema_extra={"enum": [*AXES]},
            examples=["treatment"],
        ),
    ] = None,
    where: Annotated[
        list[str],
        Query(
            max_length=MOST_CONDITIONS,
            description="Narrows the patients: `axis:value`, or `axis:value,value` for any of several. It may stand "
            "several times, for different axes: then all must hold",
        ),
    ] = [],  # noqa: B006  # FastAPI copies it
    quantile_method: Annotated[
        QuantileMethod, Query(description="Rule of the quartiles: `weibull` (R type 6, Prism) or `linear` (R type 7)")
    ] = "weibull",
    adjust: Annotated[
        Adjust | None, Query(description="Adjust the p-values over the tests of each section; absent: not")
    ] = None,
    confidence: Annotated[float, Query(ge=0.5, le=0.999, description="Level of the confidence limits")] = 0.95,
    interval: Annotated[Interval, Query(description="Scale of the limits of Kaplan-Meier curves")] = "log-log",
    time_zero: Annotated[
        TimeZero | None, Query(description="Defervescence from this time zero only; absent: from both")
    ] = None,
    sustained: Annotated[bool, Query(description="Also the curves of sustained defervescence")] = False,
    disclosure: Chosen,
) -> Question:
    """Read what is asked, strictly."""
    try:
        divided, narrowed = parse_by(by), parse_where(where)
    except RefusedInputError as exc:
        raise refused(exc.errors, location="query") from None
    return Question(
        divided,
        narrowed,
        quantile_method,
        adjust,
        confidence,
        interval,
        time_zero,
        sustained,
        disclosure=disclosure,
    )


Asked = Annotated[Question, Depends(question_of)]


def build_router(rulebook: Rulebook, cohorts: Cohorts) -> APIRouter:
    """Make the operations over the stored cohorts."""
    router = APIRouter(prefix="/v1/cohorts/{cohort_id}/analysis", tags=["analysis"], route_class=CalculatorRoute)

    @cache
    def analyses() -> Analyses:
        # Numpy and scipy come with the first analysis, on a worker thread.
        from app.cohorts.analysis.service import Analyses  # noqa: PLC0415  # as said

        return Analyses.over(cohorts.of(NOBODY).open, rulebook)

    async def answer(caller: Caller, cohort_id: str, question: Question, form: Form, known: str | None) -> Response:
        def work() -> tuple[str, bytes | None]:
            return analyses().within(cohorts.of(caller).open).answer(cohort_id, question, form, known_to(known))

        etag, body = await cohorts.heavy.run(work)
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
        if body is None:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=CSV_TYPE if form == "csv" else JSON_TYPE, headers=headers)

    @router.get(
        "", summary="The whole analysis", operation_id="cohort_analysis", response_model=Analysis, responses=_ANSWERS
    )
    async def cohort_analysis(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        cohort_id: CohortId,
        question: Asked,
        caller: MayRead,
        form: Format = None,
        known: IfNoneMatch = None,
    ) -> Response:
        """Compute every section: patients, anakinra, adverse events, cytokines, labs, defervescence, heart, missing.

        From counts kept with the cohort, not from rows: two-sided tests, exact where the size allows, unadjusted unless
        asked. Without `by` each section is divided as in the study. Nothing is imputed; `n_missing` stands everywhere.
        """
        return await answer(caller, cohort_id, question, form or _accepted(request), known)

    @router.get(
        "/{section}",
        summary="One section of the analysis",
        operation_id="cohort_analysis_section",
        response_model=Analysis,
        responses=_ANSWERS,
    )
    async def cohort_analysis_section(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        cohort_id: CohortId,
        section: SectionName,
        question: Asked,
        caller: MayRead,
        form: Format = None,
        known: IfNoneMatch = None,
    ) -> Response:
        """Compute one section; `section` names it, and of the sections only its own key is in the answer."""
        if section not in SECTIONS:
            raise not_found("There is no such section.", allowed=SECTIONS, pointer="/section")
        return await answer(caller, cohort_id, question.only(section), form or _accepted(request), known)

    return router


def _accepted(request: Request) -> Form:
    chosen = negotiated(context_of(request.scope).headers, (JSON_TYPE, CSV_TYPE))
    return "csv" if chosen == CSV_TYPE else "json"
