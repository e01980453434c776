"""What of HTTP goes into the audit trail: every operation, except the calculators and those that show nothing kept.

What an operation changed is recorded by the store, in the transaction of the change. All else is recorded here, before
the answer leaves: what was read, and what was refused or failed. A read that cannot be recorded is refused: 503.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic as _clock
from typing import Any, Final, NamedTuple, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from app.api.context import RequestContext, context_of
from app.api.exceptions import problem_of
from app.api.kinds import STALE
from app.api.problems import internal
from app.api.reply import Reply
from app.cohorts.builtin import EXAMPLE, STUDY
from app.cohorts.errors import StoreError
from app.cohorts.pseudonym import fault_of
from app.database.deeds import Outcome
from app.security.audit.asking import ANONYMOUS, Asking, on_behalf
from app.security.audit.damper import Damper, Dampers
from app.security.audit.entry import Entry, details_of
from app.security.audit.trail import AuditTrail
from app.security.caller import NOBODY, Caller
from app.security.caller import Scope as CallerScope

Handler = Callable[[Request], Awaitable[Response]]
# These answer from what was sent and the rule files, and keep nothing. A new path is recorded unless it is put here.
KEEPS_NOTHING: Final = (
    "/v1/phenotype",
    "/v1/treatment",
    "/v1/protocols",
    "/v1/anakinra",
    "/v1/ctcae",
    "/v1/rules",
    "/v1/statistics",
    "/v1/examples",
    "/v1/receipts/keys",
    "/v1/safety-case",
)
_VERSIONED: Final = "/v1/"
_UNAUTHORIZED, _FORBIDDEN = 401, 403
CLIENT_GONE: Final = 499
"""What the logs of many servers call a client that left before the answer."""
REFUSED: Final = frozenset({_UNAUTHORIZED, _FORBIDDEN})
_LEAST_FAILURE: Final = 400
# Somebody was meant who is there (412), or whom the caller may not even ask for (403).
_OF_SOMEBODY: Final = frozenset({_FORBIDDEN, STALE.status})
# How long a refusal at the door waits to be recorded; a slower database records it while it is answered.
_REFUSAL_SECONDS: Final = 1.0
# So many requests at most are recorded in one transaction.
_THREADS: Final = 16
_OUR_ID: Final = re.compile(rf"[0-9a-f]{{16,64}}|{STUDY}|{EXAMPLE}")
_SUBJECTS: Final = ("job_id", "receipt_id", "key_id", "client_id")
_REQUEST: Final = "defervesce.audit"


def is_audited(path: str) -> bool:
    """Say whether the operation of a path (its template) is recorded whatever the settings are."""
    beneath = any(path == kept or path.startswith(kept + "/") for kept in KEEPS_NOTHING)
    return path.startswith(_VERSIONED) and not beneath


class _Named(NamedTuple):
    """What the path of a request named, as far as it may be recorded."""

    cohort_id: str | None
    patient_id: str | None
    subject: str | None


class Lean(Protocol):
    """An operation on the short way. `scope`: what its caller needs; None: nothing."""

    scope: CallerScope | None

    async def __call__(self, scope: Scope, receive: Receive, context: RequestContext) -> Reply | Response:
        """Answer one request, or raise the problem."""


class RecordedLean:
    """The short way of a calculator with its recording."""

    __slots__ = ("_auditor", "_lean", "_operation", "scope")

    def __init__(self, auditor: Auditor, operation: str, lean: Lean) -> None:
        self._auditor = auditor
        self._operation = operation
        self._lean = lean
        self.scope: CallerScope | None = lean.scope

    async def __call__(self, scope: Scope, receive: Receive, context: RequestContext) -> Reply | Response:
        """Answer one request, or raise the problem, and record it."""
        return await self._auditor.around_lean(self._operation, self._lean, scope, receive, context)


class Auditor:
    """Records requests, on threads of its own."""

    def __init__(self, trail: AuditTrail, *, everything: bool = False) -> None:
        """`everything`: the calculators, too."""
        self.trail = trail
        self.everything = everything
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="audit")
        self._strangers = Damper()
        self._ended = Dampers()

    async def around(self, request: Request, operation: str, handler: Handler) -> Response:
        """Answer a request by its handler, and record it."""
        context = context_of(request.scope)
        asking = request.scope[_REQUEST] = Asking(operation, context.request_id, lambda: context.caller)
        with on_behalf(asking):
            try:
                response = await handler(request)
            except Exception as exc:
                await self._failed(asking, request.path_params, exc)
                raise
            await self._answered(asking, request.path_params, response.status_code)
        return response

    async def around_lean(
        self, operation: str, lean: Lean, scope: Scope, receive: Receive, context: RequestContext
    ) -> Reply | Response:
        """Answer a request by the short way of a calculator, and record it."""
        asking = scope[_REQUEST] = Asking(operation, context.request_id, lambda: context.caller)
        with on_behalf(asking):
            try:
                reply = await lean(scope, receive, context)
            except Exception as exc:
                await self._failed(asking, {}, exc)
                raise
            status = reply.status if isinstance(reply, Reply) else reply.status_code
            await self._answered(asking, {}, status)
        return reply

    @staticmethod
    def tell(request: Request, details: Mapping[str, int | str | bool], subject: str | None = None) -> None:
        """Say what is known of a read beyond its path: an id of ours, counts, names; never a value of a patient."""
        asking = request.scope.get(_REQUEST)
        if isinstance(asking, Asking):
            asking.subject = subject
            asking.details |= details

    async def now(self, request: Request) -> None:
        """Record a read before it begins: for an answer that keeps a snapshot of the database open."""
        asking = request.scope.get(_REQUEST)
        if isinstance(asking, Asking):
            await self._answered(asking, request.path_params, None)
            asking.is_recorded = True

    async def refused(self, scope: Scope, operation: str, status: int) -> None:
        """Record that a caller was turned away (401, 403), unless that stands in the trail already.

        A database that cannot be written now, or is slow, does not keep a refusal from being answered.
        """
        if status not in REFUSED or _REQUEST in scope:
            return
        context = context_of(scope)
        asking = Asking(operation, context.request_id, lambda: context.caller)
        named = _named(scope.get("path_params", {}), status)
        recorded = asyncio.ensure_future(self._refused(asking, named, status))
        # Nobody may be left to hear how it ended.
        recorded.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        done, _ = await asyncio.wait((recorded,), timeout=_REFUSAL_SECONDS)
        if done:
            recorded.result()

    async def _refused(self, asking: Asking, named: _Named, status: int) -> None:
        """Record a refusal; of callers who could not say who they are, or whose key ended, only so many in a minute."""
        held_back = self._held_back(asking.caller, status)
        if held_back is None:
            return
        asking.details |= {"refused_besides": held_back} if held_back else {}
        await self._record(_entry(asking, named, "denied", status), needed=False)

    def _held_back(self, caller: Caller, status: int) -> int | None:
        """Return how many refusals the row of this one has to count besides; None when it gets no row itself."""
        now = _clock()
        if caller is NOBODY:
            return self._strangers.let_through(now)
        if status == _UNAUTHORIZED:
            # Proved, and ended: it stands in its tenant's chain, however many strangers knock, and counts itself alone.
            return self._ended.let_through(caller.id, now)
        return 0

    async def _answered(self, asking: Asking, path: Mapping[str, Any], status: int | None) -> None:
        if status is not None and status >= _LEAST_FAILURE:
            await self._record(_entry(asking, _named(path, status), "failed", status), needed=False)
        elif not asking.is_recorded:
            await self._record(_entry(asking, _named(path, status), "success", status), needed=True)

    async def _failed(self, asking: Asking, path: Mapping[str, Any], exc: Exception) -> None:
        status, slug = _ended(exc)
        asking.details |= {"problem": slug} if slug else {}
        named = _named(path, status)
        if status in REFUSED:
            await self._refused(asking, named, status)
        else:
            await self._record(_entry(asking, named, "failed", status), needed=False)

    async def _record(self, entry: Entry, *, needed: bool) -> None:
        recorded = asyncio.get_running_loop().run_in_executor(self._threads, partial(self.trail.record, entry))
        if needed:
            await recorded
        else:
            with suppress(StoreError):
                await recorded


def _entry(asking: Asking, named: _Named, outcome: Outcome, status: int | None) -> Entry:
    caller = ANONYMOUS if asking.caller is NOBODY else asking.caller
    event = {"success": "read", "denied": "access.refused", "failed": "request.failed"}[outcome]
    return Entry(
        tenant=caller.tenant,
        caller=caller.id,
        operation=asking.operation,
        event=event,
        outcome=outcome,
        status=status,
        cohort_id=named.cohort_id,
        patient_id=named.patient_id,
        subject=named.subject or asking.subject,
        request_id=asking.request_id,
        details=details_of(asking.details),
    )


def _ended(exc: Exception) -> tuple[int, str]:
    """Return the status that a request ended with, and the problem's name."""
    if isinstance(exc, ClientDisconnect):
        return CLIENT_GONE, "client-gone"
    kind = (problem_of(exc) or internal()).kind
    return kind.status, kind.slug


def _named(path: Mapping[str, Any], status: int | None) -> _Named:
    """Return the ids of a path. What is not made as ours are may be anything, a name too, and is left out."""
    cohort_id, patient_id = path.get("cohort_id"), path.get("patient_id")
    subject = next((path[name] for name in _SUBJECTS if name in path), None)
    if patient_id is not None and (_may_be_nobody(status) or fault_of(patient_id) is not None):
        patient_id = None
    return _Named(_ours(cohort_id), patient_id, _ours(subject))


def _may_be_nobody(status: int | None) -> bool:
    """Say whether a patient of a path may not be there at all: what was sent is then no pseudonym of ours."""
    return status is not None and status >= _LEAST_FAILURE and status not in _OF_SOMEBODY


def _ours(sent: str | None) -> str | None:
    return sent if sent is not None and _OUR_ID.fullmatch(sent) else None
