"""The one layer around the application: ids, traces, callers, limits, CORS, headers, problems, metrics, access log.

One layer instead of six, because each costs every request. A plain calculator is answered from here directly, by the
index of lean operations; everything else goes through FastAPI.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auditing import CLIENT_GONE, Auditor, Lean
from app.api.bulkhead import UNCHANGED, stopping
from app.api.context import CONTEXT, Limits, RequestContext
from app.api.cors import Cors
from app.api.draining import DrainingResponse, is_still_sent
from app.api.exceptions import problem_of
from app.api.gate import LONG_PATIENCE, SHORT_PATIENCE, Gate, refuse_credentials_in_url
from app.api.observability import UNMATCHED, AccessLog, Metrics
from app.api.paths import Paths
from app.api.problems import ProblemError, internal, reply_to
from app.api.rate import RateLimit
from app.api.reply import Reply
from app.api.transport import Answer, BoundedReceive, metered, without_body

Index = Mapping[tuple[str, str], Lean]
TemplateOf = Callable[[Any], str | None]

Trace = Callable[[str, str, int, float, RequestContext], None]

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# A change that has begun goes on in its thread, up to the process's last moment.
_UNSURE: Final = (
    "What was asked for may be carried out all the same: look first, or send it again with the same Idempotency-Key if "
    "it had one."
)


class Edge:
    """Pure ASGI middleware; nothing that is raised below it leaves it."""

    def __init__(  # noqa: PLR0913  # one layer of its parts
        self,
        app: ASGIApp,
        *,
        index: Index,
        template_of: TemplateOf,
        paths: Paths,
        gate: Gate,
        limits: Limits,
        cors: Cors,
        metrics: Metrics,
        log: AccessLog,
        auditor: Auditor,
        rate: RateLimit | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._app = app
        self._index = index
        self._template_of = template_of
        self._paths = paths
        self._gate = gate
        self._limits = limits
        self._cors = cors
        self._metrics = metrics
        self._log = log
        self._rate = rate
        self._trace = trace
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
        answer = Answer(send, self._headers(context), lambda status: self._record_refusal(scope, context, status))
        self._metrics.in_progress += 1
        try:
            await self._serve(scope, receive, answer, context)
        except asyncio.CancelledError:
            # The server has waited long enough for this request, and ends.
            if answer.started:
                raise
            problem = stopping(UNCHANGED if scope["method"] in _READS else _UNSURE)
            await answer.reply(reply_to(problem, context.path, context.request_id))
        except Exception as exc:  # noqa: BLE001  # the last line of defence: every failure becomes an answer
            await self._fail(exc, scope, receive, answer)
        finally:
            self._metrics.in_progress -= 1
            if context.held is not None:
                context.let_go()
            seconds, route = perf_counter() - started, self._route(scope, context)
            self._metrics.count(route, method, answer.status, seconds)
            self._log.request(route, method, answer.status, seconds, context)
            if self._trace is not None:
                self._trace(route, method, answer.status, seconds, context)

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer, context: RequestContext) -> None:
        """Answer by the short way where there is one, else by FastAPI."""
        if scope["query_string"] or "." in context.path or "_" in context.path:
            refuse_credentials_in_url(scope, context)
        operation = self._index.get((scope["method"], context.path))
        if operation is not None:
            context.route = context.path
            if operation.scope is not None:
                receive = await self._admit(scope, receive, answer, SHORT_PATIENCE)
            else:
                receive = self._count(scope, receive, answer)
            reply = await operation(scope, receive, context)
            if type(reply) is Reply:
                await answer.reply(reply)
            else:
                await reply(scope, receive, answer.send)  # type: ignore[operator]  # a Response, by the line above
        elif (preflight := self._preflight(scope, receive, answer, context)) is not None:
            await answer.reply(preflight)
        else:
            if self._paths.is_public(context.path):
                receive = self._count(scope, receive, answer)
            else:
                receive = await self._let_in(scope, receive, answer, context)
            await self._app(scope, BoundedReceive(receive, context), answer.send)

    def _preflight(self, scope: Scope, receive: Receive, answer: Answer, context: RequestContext) -> Reply | None:
        """Answer a browser's question about an origin; one that is refused is counted for the client's address."""
        try:
            return self._cors.preflight(scope["method"], context.headers)
        except ProblemError:
            self._count(scope, receive, answer)
            raise

    async def _let_in(self, scope: Scope, receive: Receive, answer: Answer, context: RequestContext) -> Receive:
        """Admit a caller. One who is not let in has not been routed: the log is told where they wanted to go."""
        try:
            return await self._admit(scope, receive, answer, LONG_PATIENCE)
        except Exception:
            context.route = self._paths.template(context.path)
            raise

    async def _admit(self, scope: Scope, receive: Receive, answer: Answer, patience: float) -> Receive:
        """Find out who calls, and count the request for them; who is turned away is counted for their address."""
        context: RequestContext = scope[CONTEXT]
        try:
            context.caller = await self._gate.admit(scope, context, patience)
        except ProblemError:
            self._count(scope, receive, answer)
            raise
        return self._count(scope, receive, answer)

    def _count(self, scope: Scope, receive: Receive, answer: Answer) -> Receive:
        """Count a request for its caller; a body of a size not told is charged when it has come."""
        rate = self._rate
        if rate is None:
            return receive
        context: RequestContext = scope[CONTEXT]
        answer.add(rate.admit(scope, context))
        if b"transfer-encoding" not in context.headers:
            return receive
        return metered(receive, lambda size: rate.charge(scope, context, size))

    async def _record_refusal(self, scope: Scope, context: RequestContext, status: int) -> None:
        """Record a refusal before it leaves; whatever keeps it from being recorded, it is answered."""
        route = self._route(scope, context)
        try:
            await self._auditor.refused(scope, route, status)
        except Exception as exc:  # noqa: BLE001  # a fault of ours shows nothing to whoever is refused
            self._log.fault(exc, route, context)

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
        if is_still_sent(problem.kind, context):
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
