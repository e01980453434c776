"""Pages by key: `{"items": [...], "next": cursor | null}` and a Link header (RFC 8288)."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

LARGEST_PAGE: Final = 500

Cursor = Annotated[
    str | None,
    Query(
        description="`next` of the page before; absent: from the start",
        max_length=18,
        pattern=r"^[0-9]+$",
    ),
]
Limit = Annotated[int, Query(description="Items on a page", ge=1, le=LARGEST_PAGE)]
LINK: Final[dict[str, Any]] = {
    "Link": {"description": 'The next page (RFC 8288, `rel="next"`)', "schema": {"type": "string"}}
}


def position_of(cursor: str | None) -> int:
    """Return the key that a cursor stands for; 0 lies before the first."""
    return 0 if cursor is None else int(cursor)


def link(response: Response, path: str, following: str | None, limit: int) -> None:
    """Name the next page in the Link header, if there is one."""
    if following is not None:
        asked = urlencode({"cursor": following, "limit": limit})
        response.headers["Link"] = f'<{path}?{asked}>; rel="next"'
