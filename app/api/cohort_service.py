"""The cohorts as the HTTP layer uses them: the service with strict JSON at its door, and the threads it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pydantic import TypeAdapter
from starlette.requests import Request

from app.api.body import parse
from app.api.bulkhead import Bulkhead
from app.api.connected import while_connected
from app.api.context import RequestContext, context_of
from app.api.exceptions import problem_of, problem_of_item
from app.api.places import Places
from app.api.problems import ProblemError, document, internal
from app.api.stopping import Stopping
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.quick import read_quickly
from app.cohorts.intake.taking import Read, Work
from app.cohorts.jobs import Describe, Jobs
from app.cohorts.records import PatientRecord
from app.cohorts.service import CohortService, Compose
from app.cohorts.store.model import Remembered
from app.cohorts.summary import CohortChanged
from app.security.audit.asking import carried
from app.security.caller import Caller

T = TypeVar("T")
_CHANGES: Final = 4
_IMPORTS: Final = 2
_EXPORTS: Final = 4
_LARGE_IMPORTS: Final = 16
_WAITING_CHANGES: Final = 64
_TOO_MANY_CHANGES: Final = "As many changes are under way and waiting as this service takes at once."
_TOO_MANY_EXPORTS: Final = "As many exports are being read as this service sends at once."
_TOO_MANY_IMPORTS: Final = "As many large imports are under way and waiting as this service takes at once."
# What is larger than this runs where it cannot keep small changes waiting for a thread.
_LARGE: Final = 1_000_000
_RECORD: Final = TypeAdapter(PatientRecord)


class Cohorts:
    """The service of each tenant, and threads for what changes something: reading never waits for one of those."""

    def __init__(
        self,
        rulebook: Rulebook,
        database: CohortDatabase,
        heavy: Bulkhead | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        """Nothing is opened before it is used."""
        self.heavy = heavy or Bulkhead()
        self.stopping = stopping or Stopping()
        # What is exported holds a snapshot, and so a connection: some must be left for all the others.
        self.exports = Places(max(1, min(_EXPORTS, database.pool_size // 2)), _TOO_MANY_EXPORTS)
        self.changes = Places(_WAITING_CHANGES, _TOO_MANY_CHANGES)
        self.large_imports = Places(_LARGE_IMPORTS, _TOO_MANY_IMPORTS)
        self.rows_taken_in = 0
        self._service = CohortService(database, rulebook, read_record)
        self._changes = ThreadPoolExecutor(_CHANGES, thread_name_prefix="change")
        self.imports = ThreadPoolExecutor(_IMPORTS, thread_name_prefix="import")
        self.jobs = Jobs(self._service, self.imports)

    def of(self, caller: Caller) -> CohortService:
        """Return what the caller's tenant may see and change."""
        return self._service.of(caller.tenant)

    def counted(self, compose: Compose) -> Compose:
        """Return what composes an import's answer, and counts the patients that came in."""

        def composed(answer: CohortChanged) -> Remembered:
            self.rows_taken_in += answer.report.added
            return compose(answer)

        return composed

    async def change(self, call: Callable[[], T]) -> T:
        """Run a short change to its end."""
        with self.changes.place():
            return await asyncio.get_running_loop().run_in_executor(self._changes, carried(call))

    async def take_in(self, request: Request, size: int, call: Callable[[Work], T]) -> T:
        """Run an import of so many bytes; it is given up and taken back when the client goes away."""
        if size <= _LARGE:
            with self.changes.place():
                return await self._interruptible(request, self._changes, call)
        with self.large_imports.place():
            return await self._interruptible(request, self.imports, call)

    async def derive_anew(self, request: Request, call: Callable[[Work], T]) -> T:
        """Run a long change of a whole cohort, as an import."""
        with self.large_imports.place():
            return await self._interruptible(request, self.imports, call)

    def refuse_if_full(self, context: RequestContext) -> None:
        """Refuse a large import before it is sent, when it would be refused after."""
        declared = context.headers.get(b"content-length", b"")
        is_large = not declared.isdigit() or int(declared) > _LARGE
        if is_large and self.large_imports.is_full():
            raise self.large_imports.refuse()

    async def _interruptible(self, request: Request, threads: ThreadPoolExecutor, call: Callable[[Work], T]) -> T:
        return await while_connected(request, threads, lambda stopped: call(Work(stopped=stopped)), self.stopping)


def read_record(raw: bytes) -> Read:
    """Read one record: strict JSON, then the model or a struct that stands in for it. Raises RefusedInputError.

    A sound record is parsed once. Its canonical text holds what was kept of it: a member that was dropped, because its
    key came again, is a colon fewer than was sent. Whatever that does not prove goes the slow way; so do escapes.
    """
    read = None if b"\\" in raw else read_quickly(raw)
    return read if read is not None and read.text.count(":") == raw.count(b":") else _explained(raw)


def _explained(raw: bytes) -> Read:
    """Read a record that is not plainly sound, or say what is wrong with it."""
    try:
        record = parse(raw, _RECORD)
    except ProblemError as exc:
        raise RefusedInputError(*problem_of_item(exc).errors) from None
    return Read(record, canonical(record))


def describing(request: Request) -> Describe:
    """Return what writes an exception as the problem that this request would have been answered with."""
    context = context_of(request.scope)
    path, request_id = context.path, context.request_id
    return lambda exc: document(problem_of(exc) or internal(), path, request_id)
