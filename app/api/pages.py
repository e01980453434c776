"""Pages for people: a front page, Swagger UI and ReDoc, every asset from our own files.

Hospital networks are closed: nothing here asks another host for anything, and the content security policy forbids it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.callers import public
from app.api.context import context_of
from app.api.media import negotiated

STATIC: Final = Path(__file__).parent / "static"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# ReDoc writes its styles into the page as it goes and does not run without; it alone is let.
REDOC_POLICY: Final = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_REVALIDATE: Final = {"cache-control": "no-cache"}
_HTML: Final = "text/html"


def add_pages(app: Starlette, openapi: Callable[[], dict[str, Any]]) -> None:
    """Add the pages and the OpenAPI document to an application."""
    app.add_route("/", _front(), methods=["GET"], include_in_schema=False)
    app.add_route("/docs", _page("swagger.html", POLICY), methods=["GET"], include_in_schema=False)
    app.add_route("/redoc", _page("redoc.html", REDOC_POLICY), methods=["GET"], include_in_schema=False)
    app.add_route("/openapi.json", _document(openapi), methods=["GET"], include_in_schema=False)
    app.mount("/static", _Assets(directory=STATIC), name="static")


@public
class _Assets(StaticFiles):
    """Our files, which a browser may keep but must ask about: names carry no hash."""

    def file_response(self, *args: Any, **options: Any) -> Response:  # noqa: ANN401  # Starlette's own signature
        response = super().file_response(*args, **options)
        response.headers.update(_REVALIDATE)
        return response


def _page(name: str, policy: str) -> Callable[[Request], Any]:
    text = (STATIC / name).read_text(encoding="utf-8")
    headers = _REVALIDATE | {"content-security-policy": policy}

    @public
    async def page(_: Request) -> Response:
        return HTMLResponse(text, headers=headers)

    return page


def _front() -> Callable[[Request], Any]:
    page = _page("index.html", POLICY)
    links = msgspec.json.encode(
        {
            "name": "defervesce",
            "docs": "/docs",
            "redoc": "/redoc",
            "openapi": "/openapi.json",
            "version": "/version",
            "ready": "/readyz",
            "metrics": "/metrics",
        }
    )

    @public
    async def front(request: Request) -> Response:
        wanted = negotiated(context_of(request.scope).headers, ("application/json", _HTML))
        if wanted == _HTML:
            found: Response = await page(request)
            return found
        return Response(links, media_type="application/json")

    return front


def _document(openapi: Callable[[], dict[str, Any]]) -> Callable[[Request], Any]:
    written: list[bytes] = []

    @public
    async def document(_: Request) -> Response:
        if not written:
            # Half a second of work, once.
            written.append(await asyncio.to_thread(lambda: msgspec.json.encode(openapi())))
        return Response(written[0], media_type="application/json")

    return document
