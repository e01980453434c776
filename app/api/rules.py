"""`/v1/rules`: every rule set with its numbers, sources, version and hash."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Response

from app.api.callers import MayCalculate
from app.api.problems import not_found
from app.api.routes import CalculatorRoute
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.rulebook.catalogue import (
    RuleSetDetail,
    RuleSetPage,
    RuleSetSummary,
    SourceAttributes,
    detail,
    source_attributes,
    summary,
)

PATH: Final = "/v1/rules"
LARGEST_PAGE: Final = 100

EXAMPLE: Final = "cdc-han-2020"

Cursor = Annotated[
    str | None,
    Query(
        description="`next` of the page before; absent: from the start",
        max_length=100,
        pattern=r"^[a-z0-9][a-z0-9_.+-]*$",
    ),
]
Limit = Annotated[int, Query(description="Rule sets on a page", ge=1, le=LARGEST_PAGE)]
Topic = Annotated[str | None, Query(description="Only rule sets of this topic", max_length=100, examples=["ctcae"])]


def build_router(rulebook: Rulebook) -> APIRouter:
    """Make the operations over the rulebook."""
    router = APIRouter(prefix=PATH, tags=["rules"], route_class=CalculatorRoute)
    every = tuple(summary(rules) for rules in rulebook.all())
    details = cache(lambda rule_set_id: detail(find(rulebook, rule_set_id)))

    @router.get(
        "",
        summary="The rule sets",
        operation_id="list_rules",
        responses={
            200: {
                "headers": {
                    "Link": {"description": 'The next page (RFC 8288, `rel="next"`)', "schema": {"type": "string"}}
                }
            }
        },
    )
    async def list_rules(
        response: Response,
        _: MayCalculate,
        cursor: Cursor = None,
        limit: Limit = LARGEST_PAGE,
        topic: Topic = None,
    ) -> RuleSetPage:
        """List the rule sets by id, built in and the hospital's own, with version and SHA-256."""
        page = _page([s for s in every if topic in {None, s.topic}], cursor, limit)
        if page.next is not None:
            asked = {"cursor": page.next, "limit": limit} | ({} if topic is None else {"topic": topic})
            response.headers["Link"] = f'<{PATH}?{urlencode(asked)}>; rel="next"'
        return page

    @router.get("/{id}", summary="One rule set in full", operation_id="get_rules")
    async def get_rules(
        rule_set_id: Annotated[
            str, Path(alias="id", description="Id of the rule set", max_length=100, examples=[EXAMPLE])
        ],
        _: MayCalculate,
    ) -> RuleSetDetail:
        """Show every number of a rule set: operator, unit, bound, source, place in the source, effective date."""
        found: RuleSetDetail = details(rule_set_id)
        return found

    @router.get("/{id}/source-attributes", summary="Source attributes", operation_id="get_source_attributes")
    async def get_source_attributes(
        rule_set_id: Annotated[
            str, Path(alias="id", description="Id of the rule set", max_length=100, examples=[EXAMPLE])
        ],
        _: MayCalculate,
    ) -> SourceAttributes:
        """Say who made a rule set, from what evidence, when, and how it uses age, sex, race and other attributes."""
        return source_attributes(find(rulebook, rule_set_id))

    return router


def find(rulebook: Rulebook, rule_set_id: str) -> LoadedRuleSet:
    """Return a rule set, or raise the 404 that lists what exists."""
    found = rulebook.get(rule_set_id)
    if found is None:
        raise not_found("There is no such rule set.", allowed=[r.id for r in rulebook.all()], pointer="/id")
    return found


def _page(found: list[RuleSetSummary], cursor: str | None, limit: int) -> RuleSetPage:
    """Take the page after `cursor`, the id of the last rule set of the page before: stable while sets come and go."""
    rest = [s for s in found if cursor is None or s.id > cursor]
    items = rest[:limit]
    return RuleSetPage(items=tuple(items), next=items[-1].id if len(rest) > len(items) else None)
