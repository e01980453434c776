"""The route of a calculator: bytes in, one call, bytes out.

FastAPI reads the signature, documents it and can also serve it. For the plain case (one body model or none, no
further parameters) the middleware serves it by its `LeanOperation`, without dependency solving, exit stacks and a
second validation of the answer. Every other signature goes through FastAPI, with the same strictness towards the body.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property, partial
from typing import Annotated, Any, Final, TypeVar, cast, get_origin
from urllib.parse import parse_qsl

from fastapi import params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute, RouteContext
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from app.api.auditing import is_audited
from app.api.body import parse, receive_body
from app.api.callers import Needs, caller_of, needs_of, require
from app.api.context import Limits, RequestContext, context_of
from app.api.long_lists import parse_large
from app.api.media import require_json, require_json_accepted
from app.api.messages import step, unknown_field
from app.api.problems import refused
from app.api.reply import JSON, Reply
from app.clinical.refusal import InputError
from app.security.caller import NOBODY

_BULK: Final = "__bulk_body__"
_WRITER: Final = "__answer_writer__"
_ASKED_FOR_JSON: Final = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "query_string": b"",
    "headers": [(b"accept", b"application/json")],
}
F = TypeVar("F", bound=Callable[..., Any])
Endpoint = Callable[..., Awaitable[Any]]
Keep = Callable[[bytes, Any, Reply | Response, RequestContext], Awaitable[Reply | Response]]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def bulk(endpoint: F) -> F:
    """Mark an operation whose body may be as large as DEFERVESCE_MAX_BODY_MB, not just a single record's 1 MB."""
    setattr(endpoint, _BULK, True)
    return endpoint


def written_by(write: Callable[[Any], bytes]) -> Callable[[F], F]:
    """Name a faster writer of an operation's answers, which must write what pydantic would."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _WRITER, write)
        return endpoint

    return mark


class CalculatorRoute(APIRoute):
    """A route that answers `async def f(body: Model) -> Answer` on the shortest way that keeps every check.

    `request: Request` may be a further parameter, for an endpoint that negotiates its format; the endpoint may return
    a Response of its own. With no body parameter at all it answers a plain GET.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401  # FastAPI's own
        super().__init__(path, endpoint, **options)
        if self._embed_body_fields:
            raise TypeError(f"{path}: an operation takes one body model, so that its body can be checked strictly")
        self.lean = LeanOperation(self) if _is_plain(self, self.dependant) else None

    @cached_property
    def needs(self) -> Needs:
        """What the operation asks of its caller."""
        return needs_of(self.endpoint, self.dependant)

    def get_route_handler(self) -> Handler:
        """Return FastAPI's handler with our checks before it."""
        answer = super().get_route_handler()
        parameters, lists = _known_parameters(self.dependant), _list_parameters(self.dependant)
        adapter = _body_adapter(self.dependant)
        negotiates, scope = bool(self.dependant.request_param_name), self.needs.scope

        async def checked(request: Request) -> Response:
            if scope is not None:
                require(context_of(request.scope), scope)
            refuse_unknown_parameters(request.scope["query_string"], parameters, lists)
            context = context_of(request.scope)
            if not negotiates:
                require_json_accepted(context.headers)
            if adapter is not None:
                request = await _CheckedRequest.read(request, adapter, _limit(self.endpoint, context.limits))
            return await answer(request)

        return self._audited(checked)

    def _audited(self, handler: Handler) -> Handler:
        """Put the recording around a handler, where the operation is one that is recorded."""
        by_itself, operation = is_audited(self.path), self.operation_id or self.name

        async def audited(request: Request) -> Response:
            auditor = request.app.state.auditor
            if by_itself or auditor.everything:
                found: Response = await auditor.around(request, operation, handler)
                return found
            return await handler(request)

        return audited


class LeanOperation:
    """A plain operation, resolved at start into the few calls that a request costs."""

    __slots__ = (
        "_adapter",
        "_body",
        "_bulk",
        "_caller",
        "_endpoint",
        "_request",
        "_status",
        "_write",
        "keep",
        "methods",
        "scope",
    )

    def __init__(self, route: CalculatorRoute) -> None:
        dependant = route.dependant
        self.scope, self._caller, _ = route.needs
        self.methods = frozenset(route.methods or ())
        self._endpoint: Endpoint = route.endpoint
        self._bulk = bool(getattr(route.endpoint, _BULK, False))
        self._status = route.status_code or 200
        self._request = dependant.request_param_name
        self._body = dependant.body_params[0].name if dependant.body_params else None
        self._adapter = _body_adapter(dependant)
        write = partial(TypeAdapter(route.response_model or Any).serializer.to_json, by_alias=True)
        self._write: Callable[[Any], bytes] = getattr(route.endpoint, _WRITER, write)
        # What keeps a receipt of an answer for a caller who prefers that; None where there are none.
        self.keep: Keep | None = None

    async def __call__(self, scope: Scope, receive: Receive, context: RequestContext) -> Reply | Response:
        """Answer one request of the context's caller, or raise the problem."""
        caller = context.caller if self.scope is None else require(context, self.scope)
        if scope["query_string"]:
            refuse_unknown_parameters(scope["query_string"], frozenset())
        arguments: dict[str, Any] = {} if self._caller is None else {self._caller: caller}
        if self._request is None:
            require_json_accepted(context.headers)
        else:
            arguments[self._request] = Request(scope, receive)
        if self._adapter is not None and self._body is not None:
            require_json(context.headers)
            limit = context.limits.body_bytes if self._bulk else context.limits.record_bytes
            raw = await receive_body(context, receive, limit)
            arguments[self._body] = await _parsed(raw, self._adapter, context.limits)
        answer = await self._endpoint(**arguments)
        reply = answer if isinstance(answer, Response) else Reply(self._status, JSON, self._write(answer))
        if self.keep is not None and (prefer := context.headers.get(b"prefer")) is not None and self._body:
            return await self.keep(prefer, arguments[self._body], reply, context)
        return reply

    def read(self, raw: bytes) -> Any:  # noqa: ANN401  # the body's model
        """Read a body, or refuse it."""
        if self._adapter is None:
            raise TypeError("the operation takes no body")
        return parse(raw, self._adapter)

    def as_json(self, body: Any) -> Any:  # noqa: ANN401  # model in, JSON values out
        """Return a body as JSON values: defaults filled in, nulls left out, since absent and null say the same."""
        if self._adapter is None:
            raise TypeError("the operation takes no body")
        # Without pydantic's warnings: they repeat values.
        return self._adapter.dump_python(body, mode="json", by_alias=True, exclude_none=True, warnings="none")

    async def written(self, body: Any) -> bytes:  # noqa: ANN401  # the body's model
        """Answer a body as JSON."""
        arguments: dict[str, Any] = {self._body: body} if self._body else {}
        if self._caller is not None:
            # Made again is an answer for nobody in particular: what a calculator answers depends on no caller.
            arguments[self._caller] = NOBODY
        if self._request is not None:
            arguments[self._request] = Request(dict(_ASKED_FOR_JSON))
        return self._write(await self._endpoint(**arguments))


def lean_operation(found: RouteContext) -> LeanOperation | None:
    """Return the short way to a route as it was included, or None where the inclusion added something to it."""
    route = found.original_route
    if isinstance(route, CalculatorRoute) and route.lean is not None and "{" not in (found.path or "{"):
        return route.lean if _is_plain(route, found.dependant) else None
    return None


def refuse_unknown_parameters(query: bytes, known: frozenset[str], lists: frozenset[str] = frozenset()) -> None:
    """Refuse a misspelt or repeated query parameter: to ignore it would be to answer another question.

    `lists` are those that may stand several times.
    """
    if not query:
        return
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    errors = [
        unknown_field(name, step(name), known, what="parameter") for name in dict.fromkeys(names) if name not in known
    ]
    errors += [
        InputError(step(name), "duplicate_parameter", "This parameter occurs more than once.")
        for name in sorted(known - lists)
        if names.count(name) > 1
    ]
    if errors:
        raise refused(errors, location="query")


class _CheckedRequest(Request):
    """A request whose body was already checked and validated: FastAPI is handed the finished model."""

    _raw: bytes
    _model: Any

    @classmethod
    async def read(cls, request: Request, adapter: TypeAdapter[Any], limit: int) -> _CheckedRequest:
        context = context_of(request.scope)
        require_json(context.headers)
        checked = cls(request.scope, request.receive)
        checked._raw = await receive_body(context, request.receive, limit)
        checked._model = await _parsed(checked._raw, adapter, context.limits)
        return checked

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:  # noqa: ANN401  # whatever model the endpoint takes
        return self._model


async def _parsed(raw: bytes, adapter: TypeAdapter[Any], limits: Limits) -> Any:  # noqa: ANN401  # the body's model
    """Parse a body: a large one in a thread, so that small requests beside it are answered meanwhile."""
    if len(raw) <= limits.record_bytes:
        return parse(raw, adapter)
    return await asyncio.to_thread(parse_large, raw, adapter)


def _body_adapter(dependant: Dependant) -> TypeAdapter[Any] | None:
    if not dependant.body_params:
        return None
    info = dependant.body_params[0].field_info
    return TypeAdapter(cast("type[Any]", Annotated[info.annotation, info]))


def _limit(endpoint: Callable[..., Any], limits: Limits) -> int:
    return limits.body_bytes if getattr(endpoint, _BULK, False) else limits.record_bytes


def _is_plain(route: APIRoute, dependant: Dependant) -> bool:
    """Say whether an operation needs nothing but (at most) its one JSON body and the request."""
    others = (
        dependant.path_params
        or dependant.query_params
        or dependant.header_params
        or dependant.cookie_params
        or any(part.call is not caller_of for part in dependant.dependencies)
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.websocket_param_name
        or dependant.http_connection_param_name
    )
    one_body = len(dependant.body_params) < 2  # noqa: PLR2004  # one or none
    return not others and one_body and inspect.iscoroutinefunction(route.endpoint)


def _known_parameters(dependant: Dependant) -> frozenset[str]:
    """Name the query parameters that an operation and its dependencies read."""
    elsewhere = (params.Path, params.Header, params.Cookie)
    return frozenset(f.alias for f in get_flat_params(dependant) if not isinstance(f.field_info, elsewhere))


def _list_parameters(dependant: Dependant) -> frozenset[str]:
    """Name the query parameters that are lists, one item each time they stand."""
    found = (f for f in get_flat_params(dependant) if isinstance(f.field_info, params.Query))
    return frozenset(f.alias for f in found if get_origin(f.field_info.annotation) is list)


__all__ = ["CalculatorRoute", "LeanOperation", "bulk", "lean_operation", "refuse_unknown_parameters", "written_by"]
