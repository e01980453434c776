"""The cohorts as the HTTP layer uses them: the service with strict JSON at its door, and the threads it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from app.api.body import parse
from app.api.connected import while_connected
from app.api.context import context_of
from app.api.exceptions import problem_of, problem_of_item
from app.api.problems import ProblemError, document, internal
from app.api.strict_json import provably_unique
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.taking import Read, Work
from app.cohorts.jobs import Describe, Jobs
from app.cohorts.records import PatientRecord
from app.cohorts.service import CohortService
from app.security.audit.asking import carried

T = TypeVar("T")
_CHANGES: Final = 4
_IMPORTS: Final = 2
# What is larger than this runs where it cannot keep small changes waiting for a thread.
_LARGE: Final = 1_000_000
_RECORD: Final = TypeAdapter(PatientRecord)


class Cohorts:
    """The service, and threads for what changes something: reading never waits for one of those."""

    def __init__(self, rulebook: Rulebook, database: CohortDatabase) -> None:
        """Nothing is opened before it is used."""
        self.service = CohortService(database, rulebook, read_record)
        self._changes = ThreadPoolExecutor(_CHANGES, thread_name_prefix="change")
        self.imports = ThreadPoolExecutor(_IMPORTS, thread_name_prefix="import")
        self.jobs = Jobs(self.service, self.imports)

    async def change(self, call: Callable[[], T]) -> T:
        """Run a short change to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._changes, carried(call))

    async def take_in(self, request: Request, size: int, call: Callable[[Work], T]) -> T:
        """Run an import of so many bytes; it is given up and taken back when the client goes away."""
        threads = self.imports if size > _LARGE else self._changes
        return await while_connected(request, threads, lambda stopped: call(Work(stopped=stopped)))


def read_record(raw: bytes) -> Read:
    """Read one record: strict JSON, then the model. Raises RefusedInputError.

    A sound record is parsed once: the members that its canonical text has are those that were kept, and with as many
    colons sent as members kept no key can have been sent twice. Whatever that does not prove goes the slow way.
    """
    try:
        record = _RECORD.validator.validate_json(raw, strict=True)
    except ValidationError:
        return _explained(raw)
    text = canonical(record)
    return Read(record, text) if b"\\" not in raw and provably_unique(raw, text.count('":')) else _explained(raw)


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
