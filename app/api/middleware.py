"""The one layer around the application: ids, traces, limits, CORS, security headers, problems, metrics, access log.

One layer instead of six, because each costs every request. A plain calculator is answered from here directly, by the
index of lean operations; everything else goes through FastAPI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auditing import CLIENT_GONE, REFUSED, Auditor, Lean
from app.api.context import CONTEXT, Limits, RequestContext
from app.api.cors import Cors
from app.api.draining import DrainingResponse
from app.api.exceptions import problem_of
from app.api.kinds import TOO_LARGE
from app.api.observability import UNMATCHED, AccessLog, Metrics
from app.api.problems import internal, reply_to
from app.api.reply import Reply
from app.api.transport import Answer, BoundedReceive, without_body

Index = Mapping[tuple[str, str], Lean]
TemplateOf = Callable[[Any], str | None]


class Edge:
    """Pure ASGI middleware; nothing that is raised below it leaves it."""

    def __init__(  # noqa: PLR0913  # one layer of seven parts
        self,
        app: ASGIApp,
        *,
        index: Index,
        template_of: TemplateOf,
        limits: Limits,
        cors: Cors,
        metrics: Metrics,
        log: AccessLog,
        auditor: Auditor,
    ) -> None:
        self._app = app
        self._index = index
        self._template_of = template_of
        self._limits = limits
        self._cors = cors
        self._metrics = metrics
        self._log = log
        self._auditor = auditor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, count it and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, method = perf_counter(), scope["method"]
        if method == "HEAD":
            # Answered as the GET it stands for, up to the body: the server and the records keep its own name.
            scope, send = {**scope, "method": "GET"}, without_body(send)
        context = scope[CONTEXT] = RequestContext(scope, self._limits)
        answer = Answer(send, self._headers(context))
        self._metrics.in_progress += 1
        try:
            await self._serve(scope, receive, answer, context)
        except Exception as exc:  # noqa: BLE001  # the last line of defence: every failure becomes an answer
            await self._fail(exc, scope, receive, answer)
        finally:
            self._metrics.in_progress -= 1
            seconds, route = perf_counter() - started, self._route(scope, context)
            self._metrics.count(route, method, answer.status, seconds)
            self._log.request(route, method, answer.status, seconds, context)
        if answer.status in REFUSED:
            await self._auditor.refused(scope, route, answer.status)

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer, context: RequestContext) -> None:
        """Answer by the short way where there is one, else by FastAPI."""
        operation = self._index.get((scope["method"], context.path))
        if operation is not None:
            context.route = context.path
            reply = await operation(scope, receive, context)
            if type(reply) is Reply:
                await answer.reply(reply)
            else:
                await reply(scope, receive, answer.send)  # type: ignore[operator]  # a Response, by the line above
        elif (preflight := self._cors.preflight(scope["method"], context.headers)) is not None:
            await answer.reply(preflight)
        else:
            await self._app(scope, BoundedReceive(receive, context), answer.send)

    async def _fail(self, exc: Exception, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Turn what was raised into a problem; log it when it is a fault of ours."""
        context: RequestContext = scope[CONTEXT]
        if isinstance(exc, ClientDisconnect):
            answer.status = CLIENT_GONE
            return
        problem = problem_of(exc)
        if problem is None or answer.started:
            self._log.fault(exc, self._route(scope, context), context)
        if answer.started:
            return
        problem = problem or internal()
        reply = reply_to(problem, context.path, context.request_id)
        if problem.kind is TOO_LARGE:
            await DrainingResponse(reply)(scope, receive, answer.send)
        else:
            await answer.reply(reply)

    def _route(self, scope: Scope, context: RequestContext) -> str:
        """Return the template of the route that answered, never the path as sent."""
        return context.route or self._template_of(scope.get("endpoint")) or UNMATCHED

    def _headers(self, context: RequestContext) -> list[tuple[bytes, bytes]]:
        """Return the headers that depend on the request."""
        headers = [(b"x-request-id", context.request_id.encode())]
        if context.trace_id is not None:
            headers.append((b"traceparent", context.traceparent))
        if (origin := context.headers.get(b"origin")) is not None:
            headers += self._cors.headers(origin)
        return headers
