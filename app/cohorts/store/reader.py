"""Reading: one consistent snapshot, and no more rows than asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from app.cohorts.errors import (
    CohortNotFoundError,
    IdempotencyConflictError,
    JobNotFoundError,
    PatientNotFoundError,
)
from app.cohorts.store.board import Board
from app.cohorts.store.model import ENDED, Cohort, Job, Patient, Remembered
from app.database.tables import COHORTS, IDEMPOTENCY, JOBS, PATIENTS, STRATA, TALLIES

if TYPE_CHECKING:
    from app.statistics.tally import Tally

_COHORT: Final = sa.select(COHORTS)
_PATIENT: Final = sa.select(
    PATIENTS.c.position,
    PATIENTS.c.patient_id,
    PATIENTS.c.version,
    PATIENTS.c.stratum,
    PATIENTS.c.record,
    PATIENTS.c.measures,
    PATIENTS.c.facts,
)


class Reader:
    """What may be asked of one snapshot of the database."""

    def __init__(self, connection: sa.Connection, board: Board, now: datetime) -> None:
        self._connection = connection
        self._board = board
        self.now = now

    def _settle(self) -> None:
        """Write what waits to be written, so that what is read tells of it. A reader has nothing of the kind."""

    def _one(self, statement: sa.Select[Any], name: str) -> Any:  # noqa: ANN401  # a row of whatever was selected
        """Return the row of a name that was sent, None when there is none. PostgreSQL takes no NUL to look for."""
        return None if "\x00" in name else self._connection.execute(statement).one_or_none()

    def cohort(self, cohort_id: str) -> Cohort:
        """Return a cohort with its current version and n, or raise CohortNotFoundError."""
        self._settle()
        row = self._one(_COHORT.where(COHORTS.c.id == cohort_id), cohort_id)
        if row is None:
            raise CohortNotFoundError("There is no such cohort.")
        return cohort_of(row)

    def cohorts(self, after: int = 0, limit: int = 50) -> list[Cohort]:
        """Return up to `limit` cohorts in order of creation, those past the cohort number `after`."""
        self._settle()
        page = _COHORT.where(COHORTS.c.number > after).order_by(COHORTS.c.number).limit(limit)
        return [cohort_of(row) for row in self._connection.execute(page)]

    def patient(self, cohort: Cohort, patient_id: str) -> Patient:
        """Return one patient, or raise PatientNotFoundError."""
        one = _PATIENT.where(PATIENTS.c.cohort_number == cohort.number, PATIENTS.c.patient_id == patient_id)
        row = self._one(one, patient_id)
        if row is None:
            raise PatientNotFoundError("The cohort has no such patient.")
        return Patient(*row)

    def patients(self, cohort: Cohort, after: int = 0, limit: int = 50) -> list[Patient]:
        """Return up to `limit` patients in order of arrival, those past the position `after`."""
        of_cohort = _PATIENT.where(PATIENTS.c.cohort_number == cohort.number, PATIENTS.c.position > after)
        page = of_cohort.order_by(PATIENTS.c.position).limit(limit)
        return [Patient(*row) for row in self._connection.execute(page)]

    def stream(self, cohort: Cohort, size: int = 500) -> Iterator[list[Patient]]:
        """Yield all patients in order of arrival, `size` at a time: memory is bounded whatever the cohort's size.

        Pages by key: rows may be changed between two pages, which an open cursor would not bear on SQLite.
        """
        after = 0
        while page := self.patients(cohort, after, size):
            yield page
            after = page[-1].position

    def disagreeing(self, cohort: Cohort) -> Iterator[Patient]:
        """Yield the patients of whom a stated fact and the derived one differ, in order of arrival; fetch no others."""
        # JSON as the writer writes it: within a JSON text this cannot stand, for its quotes would be escaped.
        differs = PATIENTS.c.facts.contains('"disagreements":[{', autoescape=True)
        found = _PATIENT.where(PATIENTS.c.cohort_number == cohort.number, differs).order_by(PATIENTS.c.position)
        with self._connection.execute(found.execution_options(yield_per=500)) as rows:
            for row in rows:
                yield Patient(*row)

    def strata(self, cohort: Cohort) -> dict[str, int]:
        """Return how many patients each stratum holds, by stratum key; strata without patients are absent."""
        self._settle()
        counted = sa.select(STRATA.c.stratum, STRATA.c.n).where(STRATA.c.cohort_number == cohort.number)
        return {row.stratum: row.n for row in self._connection.execute(counted.order_by(STRATA.c.stratum))}

    def tallies(self, cohort: Cohort, variables: Collection[str] | None = None) -> Iterator[tuple[str, str, Tally]]:
        """Yield (variable, stratum key, tally) for the variables asked for, or for all. No patient row is read."""
        from app.statistics.tally import Tally  # noqa: PLC0415  # it loads numpy, which the service starts without

        for variable, stratum, digits, counts in self.tallies_as_kept(cohort, variables):
            yield variable, stratum, Tally.from_bytes(counts, digits)

    def tallies_as_kept(
        self, cohort: Cohort, variables: Collection[str] | None = None
    ) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield (variable, stratum key, digits, bytes of the tally), by variable: for who sums them all at once."""
        self._settle()
        kept = sa.select(TALLIES.c.variable, TALLIES.c.stratum, TALLIES.c.digits, TALLIES.c.counts)
        kept = kept.where(TALLIES.c.cohort_number == cohort.number).order_by(TALLIES.c.variable, TALLIES.c.stratum)
        if variables is not None:
            kept = kept.where(TALLIES.c.variable.in_(list(variables)))
        with self._connection.execute(kept.execution_options(yield_per=500)) as rows:
            yield from map(tuple, rows)

    def recall(self, scope: str, key: str, fingerprint: bytes) -> Remembered | None:
        """Return the answer kept for an idempotency key, None if there is none (any more).

        `scope` names the route (and the path's ids); `fingerprint` is a hash of what was sent. Raises
        IdempotencyConflictError when the key was used with another fingerprint. Within a `write` it also holds back
        every other transaction with the same key until this one ends.
        """
        one = sa.select(IDEMPOTENCY).where(IDEMPOTENCY.c.scope == scope, IDEMPOTENCY.c.key == key)
        row = self._connection.execute(one.where(IDEMPOTENCY.c.expires_at > self.now)).one_or_none()
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise IdempotencyConflictError("The key was used for another request.")
        return Remembered(row.status, row.body, msgspec.json.decode(row.headers))

    def job(self, job_id: str) -> Job:
        """Return a job as far as it has come, or raise JobNotFoundError."""
        row = self._one(sa.select(JOBS).where(JOBS.c.id == job_id), job_id)
        if row is None:
            raise JobNotFoundError("There is no such job.")
        return job_of(row, self._board)


def cohort_of(row: sa.Row[Any]) -> Cohort:
    """Make a cohort of its row."""
    return Cohort(
        number=row.number,
        id=row.id,
        name=row.name,
        description=row.description,
        version=row.version,
        n=row.n,
        rules=tuple(msgspec.json.decode(row.rules)),
        read_only=row.read_only,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def job_of(row: sa.Row[Any], board: Board) -> Job:
    """Make a job of its row, and of what this process knows better when it is its own."""
    told = None if row.state in ENDED else board.told(row.id)
    progress, total = told or (row.progress, row.total)
    return Job(
        id=row.id,
        kind=row.kind,
        cohort_id=row.cohort_id,
        state=row.state,
        progress=max(progress, row.progress),
        total=row.total if total is None else total,
        result=_json(row.result),
        error=_json(row.error),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])
