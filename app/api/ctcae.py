"""`/v1/ctcae`: the terms, one record, and batches as records, as a stream or in columns."""

from __future__ import annotations

import asyncio
import base64
import binascii
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.bulkhead import Bulkhead
from app.api.callers import MayCalculate
from app.api.ctcae_examples import BATCH_BODY, RECORD_EXAMPLES, ColumnsAnswer, RecordsAnswer
from app.api.media import NDJSON_TYPES
from app.api.problems import not_found, refused
from app.api.routes import CalculatorRoute, bulk
from app.clinical.ctcae.catalogue import Catalogue
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import AnalyteAnswer, GradeAnswer, GradeRecord, TermDetail, TermSummary, record_model
from app.clinical.ctcae.terms import DEFAULT_VERSION, slug_of
from app.clinical.refusal import InputError
from app.clinical.rulebook import Rulebook

if TYPE_CHECKING:
    from app.api.ctcae_batches import Batches

_PAGE: Final = 100
_LONGEST_PAGE: Final = 1_000
_NDJSON: Final = NDJSON_TYPES[0]
VersionQuery = Annotated[str, Query(max_length=40, description="CTCAE version: 4.03, 5.0 or 6.0")]


class TermList(BaseModel):
    """A page of terms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[TermSummary, ...] = Field(description="The terms of this page, by slug")
    next: str | None = Field(description="Cursor of the next page; null on the last")


def build_router(rulebook: Rulebook, heavy: Bulkhead) -> APIRouter:
    """Make the CTCAE operations over a rulebook."""
    router = APIRouter(prefix="/v1/ctcae", tags=["ctcae"], route_class=CalculatorRoute)
    grader = Grader(rulebook)
    model = record_model(grader.facts.values(), RECORD_EXAMPLES)
    catalogues = {name: Catalogue(version) for name, version in grader.versions.all.items()}

    @cache
    def batches() -> Batches:
        # Numpy comes with the first batch: a sixth of a second and 17 MB that no single answer needs.
        from app.api.ctcae_batches import Batches  # noqa: PLC0415  # as said

        return Batches(grader, model, heavy)

    @router.get("/terms", summary="The CTCAE terms", operation_id="ctcae_terms")
    async def ctcae_terms(  # noqa: PLR0913  # one parameter each
        request: Request,
        response: Response,
        _: MayCalculate,
        *,
        version: VersionQuery = DEFAULT_VERSION,
        q: Annotated[str | None, Query(max_length=100, description="Words that the name must hold")] = None,
        cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=_LONGEST_PAGE, description="Terms on a page")] = _PAGE,
    ) -> TermList:
        """List the terms with class and the grades that exist: all 837 of version 5.0, and of others those graded here.

        Ionized calcium has a slug of its own in each direction; `part_of` names the official term.

        MedDRA codes are given for the terms that this service grades; their licence is the MSSO's (see NOTICE).
        """
        catalogue = _of_version(catalogues, version)
        found = tuple(islice(catalogue.search(q, _after(cursor)), limit + 1))
        page = found[:limit]
        following = _cursor(page[-1].slug) if len(found) > limit else None
        if following is not None:
            target = request.url.include_query_params(cursor=following)
            response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
        return TermList(items=page, next=following)

    @router.get("/terms/{slug}", summary="One CTCAE term", operation_id="ctcae_term")
    async def ctcae_term(
        slug: Annotated[
            str, Path(max_length=200, description="Slug of the term", examples=["neutrophil_count_decreased"])
        ],
        _: MayCalculate,
        version: VersionQuery = DEFAULT_VERSION,
    ) -> TermDetail:
        """Show a term with how each grade is reached, in our own words, and the facts that may be stated."""
        catalogue = _of_version(catalogues, version)
        try:
            return catalogue.detail(slug_of(slug))
        except KeyError:
            near = tuple(t.slug for t in islice(catalogue.search(slug.replace("_", " "), None), 5))
            raise not_found("There is no such term in this version.", allowed=near, pointer="/slug") from None

    async def ctcae_grade(body: GradeRecord, _: MayCalculate) -> GradeAnswer | AnalyteAnswer:
        """Grade a laboratory value or a clinical event; by an analyte, every term of it, both directions.

        0 is within limits. `null` means that it cannot be graded with what was sent: `possible_grades` says what
        remains, `missing` what would be needed. Nothing is guessed; what is assumed stands in `assumptions`.
        """
        return grader.grade(body)

    # The request's model holds every fact of the rule files, so it is made at start.
    ctcae_grade.__annotations__["body"] = model
    router.post("/grade", summary="Grade one record", operation_id="ctcae_grade")(ctcae_grade)

    @router.post(
        "/grade/batch",
        summary="Grade a batch: records, NDJSON or columns",
        operation_id="ctcae_grade_batch",
        response_model=RecordsAnswer | ColumnsAnswer,
        responses={200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}},
        openapi_extra={"requestBody": BATCH_BODY},
    )
    @bulk
    async def ctcae_grade_batch(
        request: Request,
        _: MayCalculate,
        version: Annotated[str | None, Query(max_length=40, description="Version for NDJSON")] = None,
    ) -> Response:
        """Grade up to a million laboratory values or events; a bad item never fails the rest.

        `records` and NDJSON answer item by item, in order; `columns` (laboratory terms only) answer columns. In items
        the rule set is named by its reference, and `working` is left out.
        """
        answer = await asyncio.to_thread(batches)
        return await answer(request, version)

    return router


def _of_version(catalogues: dict[str, Catalogue], version: str) -> Catalogue:
    found = catalogues.get(version)
    if found is None:
        error = InputError("/version", "version_unknown", "This CTCAE version is not known here.", tuple(catalogues))
        raise refused((error,), location="query")
    return found


def _cursor(slug: str) -> str:
    return base64.urlsafe_b64encode(slug.encode()).decode().rstrip("=")


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        error = InputError("/cursor", "cursor_invalid", "This is not the `next` of a page.")
        raise refused((error,), location="query") from None
