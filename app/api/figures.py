"""`/v1/cohorts/{cohort_id}`: figures as SVG and PNG, and the printable report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from app.api.analysis import Asked
from app.api.callers import MayRead
from app.api.cohort_service import Cohorts
from app.api.cohorts import CohortId
from app.api.context import context_of
from app.api.etag import IfNoneMatch, known_to
from app.api.media import negotiated
from app.api.problems import not_found, refused
from app.api.responses import Responses, declared
from app.api.routes import CalculatorRoute
from app.clinical.refusal import InputError
from app.clinical.rulebook import Rulebook
from app.cohorts.analysis.selection import Question
from app.cohorts.figures import NAMES, FigureName
from app.security.caller import NOBODY, Caller

if TYPE_CHECKING:
    from app.cohorts.report.publisher import Published, Publisher

SVG_TYPE: Final = "image/svg+xml"
PNG_TYPE: Final = "image/png"
HTML_TYPE: Final = "text/html"
_NARROWEST, _DEFAULT_WIDTH, _WIDEST = 400, 1600, 3600

Name = Annotated[
    str,
    Path(
        max_length=100,
        description=f"One of {', '.join(NAMES)}",
        json_schema_extra={"enum": [*NAMES]},
        examples=["defervescence"],
    ),
]
Width = Annotated[
    int,
    Query(
        ge=_NARROWEST,
        le=_WIDEST,
        description="Width in pixels; the figure is 180 mm wide, so 1600 are 226 dpi and 3600 are 508 dpi",
    ),
]
Work = Callable[["Publisher", Callable[[str], bool]], "Published"]


def _answers(media_type: str, schema: dict[str, str]) -> Responses:
    etag = {"description": "Changes with the cohort's version and the question", "schema": {"type": "string"}}
    told: dict[str, Any] = {"content": {media_type: {"schema": schema}}, "headers": {"ETag": etag}}
    return declared({200: told}, 304, 503)


_SVG: Final = _answers(SVG_TYPE, {"type": "string", "description": "An SVG document"})
_PNG: Final = _answers(PNG_TYPE, {"type": "string", "format": "binary", "description": "A PNG file"})
_HTML: Final = _answers(HTML_TYPE, {"type": "string", "description": "An HTML document"})


def build_router(rulebook: Rulebook, cohorts: Cohorts) -> APIRouter:
    """Make the operations over the stored cohorts."""
    router = APIRouter(prefix="/v1/cohorts/{cohort_id}", tags=["analysis"], route_class=CalculatorRoute)

    @cache
    def publisher() -> Publisher:
        # Matplotlib and jinja2 come with the first figure, on the worker thread: more than a second and 60 MB.
        from app.cohorts.report.publisher import Publisher  # noqa: PLC0415  # as said

        return Publisher.over(cohorts.of(NOBODY).open, rulebook)

    async def publish(request: Request, caller: Caller, media_type: str, known: str | None, work: Work) -> Response:
        negotiated(context_of(request.scope).headers, (media_type,))
        # Drawing itself goes one at a time: matplotlib is not made for threads.
        found = await cohorts.heavy.run(lambda: work(publisher().within(cohorts.of(caller).open), known_to(known)))
        headers = {
            "ETag": found.etag,
            "Cache-Control": "private, no-cache",
            "Content-Security-Policy": found.policy,
        }
        if found.body is None:
            return Response(status_code=304, headers=headers)
        return Response(found.body, media_type=media_type, headers=headers)

    @router.get(
        "/figures/{name}.svg",
        summary="A figure as SVG",
        operation_id="cohort_figure_svg",
        response_class=Response,
        responses=_SVG,
    )
    async def cohort_figure_svg(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request, cohort_id: CohortId, name: Name, question: Asked, caller: MayRead, known: IfNoneMatch = None
    ) -> Response:
        """Draw a figure from the cohort's tallies, for screen and print; title and content in words are inside.

        `time_zero` (absent: admission) and `sustained` choose the curves of `defervescence`; the other figures have
        none. The same cohort and question give the same bytes.
        """
        drawn, asked = _figure(name, question)
        return await publish(
            request, caller, SVG_TYPE, known, lambda p, is_known: p.svg(cohort_id, drawn, asked, is_known)
        )

    @router.get(
        "/figures/{name}.png",
        summary="A figure as PNG",
        operation_id="cohort_figure_png",
        response_class=Response,
        responses=_PNG,
    )
    async def cohort_figure_png(  # noqa: PLR0913, PLR0917  # FastAPI passes them by name
        request: Request,
        cohort_id: CohortId,
        name: Name,
        question: Asked,
        caller: MayRead,
        width: Width = _DEFAULT_WIDTH,
        known: IfNoneMatch = None,
    ) -> Response:
        """Draw the same figure in pixels; its resolution is noted in the file, so that it prints 180 mm wide."""
        drawn, asked = _figure(name, question)
        return await publish(
            request, caller, PNG_TYPE, known, lambda p, is_known: p.png(cohort_id, drawn, asked, width, is_known)
        )

    @router.get("/report", summary="The report", operation_id="cohort_report", response_class=Response, responses=_HTML)
    async def cohort_report(
        request: Request, cohort_id: CohortId, question: Asked, caller: MayRead, known: IfNoneMatch = None
    ) -> Response:
        """Write one self-contained page to read and print: methods, tables, figures, what is missing, rules.

        It asks no other address for anything and runs no script. Links to CSV and figures are relative.
        """
        return await publish(
            request, caller, HTML_TYPE, known, lambda p, is_known: p.report(cohort_id, question, is_known)
        )

    return router


def _figure(name: str, question: Question) -> tuple[FigureName, Question]:
    """Return a figure and what it is asked; refuse a name that does not exist, and a clock where there is none."""
    if name not in NAMES:
        raise not_found("There is no such figure.", allowed=NAMES, pointer="/name")
    if name == "defervescence":
        return "defervescence", replace(question, time_zero=question.time_zero or "admission")
    if question.time_zero is not None or question.sustained:
        pointer = "/time_zero" if question.time_zero is not None else "/sustained"
        error = InputError(pointer, "not_of_this_figure", "Only the figure `defervescence` has a time zero.")
        raise refused((error,), location="query")
    return cast("FigureName", name), question
