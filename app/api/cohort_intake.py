"""How an import comes in over HTTP: its format, its key, its preferences, and the answer it is given."""

from __future__ import annotations

from collections.abc import Callable
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
from app.cohorts.summary import CohortChanged

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

    async def take(
        self, request: Request, key: str | None, media_type: str, call: Take, on_error: OnError = "refuse"
    ) -> Response:
        """Read a request's body, hand it to `call` on a thread, and answer."""
        with self._under_way.hold(scope_of(request), key_of(key)):
            async with spooled(request, context_of(request.scope).limits.import_bytes) as body:
                sent, once = sent_of(body, media_type, on_error), once_of(request, key, body, media_type)
                answered = await self._cohorts.take_in(request, body.size, lambda work: call(sent, once, work))
        return response_of(answered)

    async def accept(  # noqa: PLR0913, PLR0917  # what a conditional, repeatable addition consists of
        self, request: Request, key: str | None, media_type: str, cohort_id: str, match: Match, on_error: OnError
    ) -> Response:
        """Read a request's body, begin a job that adds it to a cohort, and answer with the job."""
        with self._under_way.hold(scope_of(request), key_of(key)):
            body = await receive(request, context_of(request.scope).limits.import_bytes)
            try:
                sent, once = sent_of(body, media_type, on_error), once_of(request, key, body, media_type)
                begun = partial(self._begin, describing(request), cohort_id, sent, once, match)
                answered = await self._cohorts.change(begun)
            except BaseException:
                body.body.close()
                raise
        return response_of(answered)

    def _begin(self, describe: Describe, cohort_id: str, sent: Sent, once: Once | None, match: Match) -> Answered:
        """Create a job and hand it its work, or repeat the answer that named an earlier one."""
        service = self._cohorts.service
        answered, job = service.begin_adding(cohort_id, sent, once, match, accepted)
        if job is None:
            sent.body.close()
        else:
            work = partial(service.add, cohort_id, sent, None, added, match)
            self._cohorts.jobs.start(job, sent.size, lambda work_: work(work=work_), describe, sent.body.close)
        return answered


def begin_rederiving(
    cohorts: Cohorts, describe: Describe, cohort_id: str, request: RederiveRequest, match: Match
) -> Answered:
    """Create a job that derives a cohort anew, and hand it its work."""
    job = cohorts.service.begin("rederive", cohort_id, match)
    call = partial(cohorts.service.rederive, cohort_id, request, match)
    cohorts.jobs.start(job, job.total or 0, lambda work: call(work=work), describe, lambda: None)
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
