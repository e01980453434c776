"""How an import comes in over HTTP: its format, its key, its preferences, and the answer it is given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from app.api.cohort_examples import CSV_TYPE
from app.api.cohort_service import Cohorts, describing
from app.api.context import context_of
from app.api.disclosure import hiding, served
from app.api.etag import etag
from app.api.idempotency import REPLAYED, UnderWay, key_of
from app.api.jobs import accepted
from app.api.media import JSON_TYPE
from app.api.reply import JSON
from app.api.spool import Spooled, receive, spooled
from app.cohorts.importing import Once
from app.cohorts.intake.sent import Format, Sent
from app.cohorts.intake.taking import Work
from app.cohorts.jobs import Describe
from app.cohorts.rederivation import RederiveRequest
from app.cohorts.service import Answered, Match
from app.cohorts.store.model import Remembered
from app.cohorts.summary import CohortChanged, Hide
from app.security.caller import Caller

OnError = Literal["refuse", "skip"]
Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="`respond-async`: answer at once with 202 and a job to ask for, once the body has arrived",
    ),
]
PREFIX: Final = "/v1/cohorts"
_ASYNC: Final = "respond-async"


Take = Callable[[Sent, Once | None, Work], Answered]


class Idempotent:
    """Takes bodies in: each key once at a time, and an answer that was given is given again."""

    def __init__(self, cohorts: Cohorts) -> None:
        self._cohorts = cohorts
        self._under_way = UnderWay()

    async def take(  # noqa: PLR0913, PLR0917  # what a repeatable addition consists of
        self,
        request: Request,
        caller: Caller,
        key: str | None,
        media_type: str,
        call: Take,
        on_error: OnError = "refuse",
    ) -> Response:
        """Read a request's body, hand it to `call` on a thread, and answer."""
        hide = hiding(served(request))
        with self._under_way.hold(caller.tenant, scope_of(request), key_of(key)):
            self._cohorts.refuse_if_full(context_of(request.scope))
            async with spooled(request, context_of(request.scope).limits.import_bytes) as body:
                sent, once = sent_of(body, media_type, on_error), once_of(request, key, body, media_type)
                answered = await self._cohorts.take_in(
                    request, body.size, lambda w: call(sent, once, w._replace(hide=hide))
                )
        return response_of(answered)

    async def accept(  # noqa: PLR0913, PLR0917  # what a conditional, repeatable addition consists of
        self,
        request: Request,
        caller: Caller,
        key: str | None,
        media_type: str,
        cohort_id: str,
        match: Match,
        on_error: OnError,
    ) -> Response:
        """Read a request's body, begin a job that adds it to a cohort, and answer with the job."""
        with self._under_way.hold(caller.tenant, scope_of(request), key_of(key)):
            self._cohorts.refuse_if_full(context_of(request.scope))
            body = await receive(request, context_of(request.scope).limits.import_bytes)
            with ExitStack() as held:
                held.callback(body.body.close)
                held.callback(self._cohorts.large_imports.take())
                sent, once = sent_of(body, media_type, on_error), once_of(request, key, body, media_type)
                hide = hiding(served(request))
                begun = partial(self._begin, describing(request), caller, cohort_id, sent, once, match, hide, held)
                answered = await self._cohorts.change(begun)
        return response_of(answered)

    def _begin(  # noqa: PLR0913, PLR0917  # as `accept`
        self,
        describe: Describe,
        caller: Caller,
        cohort_id: str,
        sent: Sent,
        once: Once | None,
        match: Match,
        hide: Hide,
        held: ExitStack,
    ) -> Answered:
        """Create a job and hand it its work and what is held for it, or repeat the answer that named an earlier one."""
        service = self._cohorts.of(caller)
        answered, job = service.begin_adding(cohort_id, sent, once, match, accepted)
        if job is not None:
            work = partial(service.add, cohort_id, sent, None, self._cohorts.counted(added), match)
            self._cohorts.jobs.start(
                job, sent.size, lambda w: work(work=w._replace(hide=hide)), describe, held.pop_all().close
            )
        return answered


def begin_rederiving(  # noqa: PLR0913, PLR0917  # as above
    cohorts: Cohorts, describe: Describe, caller: Caller, cohort_id: str, request: RederiveRequest, match: Match
) -> Answered:
    """Create a job that derives a cohort anew, and hand it its work."""
    service = cohorts.of(caller)
    with ExitStack() as held:
        held.callback(cohorts.large_imports.take())
        job = service.begin("rederive", cohort_id, match)
        call = partial(service.rederive, cohort_id, request, match)
        cohorts.jobs.start(job, job.total or 0, lambda work: call(work=work), describe, held.pop_all().close)
    return Answered(accepted(job), is_replayed=False)


def format_of(media_type: str) -> Format:
    """Return the format of a media type that was accepted."""
    if media_type == JSON_TYPE:
        return "json"
    return "csv" if media_type == CSV_TYPE else "ndjson"


def once_of(request: Request, header: str | None, body: Spooled, media_type: str) -> Once | None:
    """Return what makes a request the same as an earlier one, None when the caller sent no key."""
    key = key_of(header)
    if key is None:
        return None
    said = f"{media_type}\n{request.url.query}\n".encode()
    return Once(scope_of(request), key, sha256(said + body.sha256).digest())


def scope_of(request: Request) -> str:
    """Return within what a key is unique: the method and the path, which may hold anything and is kept quoted."""
    return f"{request.method} {quote(request.url.path, safe='/%')}"


def sent_of(body: Spooled, media_type: str, on_error: OnError = "refuse") -> Sent:
    """Return what was sent, ready to be read."""
    return Sent(body.body, format_of(media_type), body.size, skip=on_error == "skip")


def created(answer: CohortChanged) -> Remembered:
    """Write the answer to a creation."""
    return Remembered(201, answer.model_dump_json().encode(), _headers(answer) | {"Location": f"{PREFIX}/{answer.id}"})


def added(answer: CohortChanged) -> Remembered:
    """Write the answer to an addition."""
    return Remembered(200, answer.model_dump_json().encode(), _headers(answer))


def response_of(answered: Answered) -> Response:
    """Return an answer as it was first given."""
    answer = answered.answer
    headers = dict(answer.headers) | ({REPLAYED: "true"} if answered.is_replayed else {})
    return Response(answer.body, answer.status, headers, JSON.decode())


def prefers_async(header: str | None) -> bool:
    """Say whether a Prefer header asks to be answered at once (RFC 7240)."""
    return header is not None and any(part.strip().lower() == _ASYNC for part in header.replace(";", ",").split(","))


def _headers(answer: CohortChanged) -> dict[str, str]:
    return {"ETag": etag(answer.version)}
