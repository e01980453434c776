"""Jobs: work that outlives its request, and that is found out when its process is gone."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from app.cohorts.errors import JobLostError
from app.cohorts.store.board import Board
from app.cohorts.store.doing import DoingWriter
from app.cohorts.store.model import Job, JobState
from app.cohorts.store.reader import job_of
from app.database.tables import JOBS

# A process that has not been heard of for so long has ended.
LEASE: Final = timedelta(seconds=60)
UNDER_WAY: Final[tuple[JobState, ...]] = ("queued", "running")
LOST: Final = {
    "code": "job_lost",
    "message": "Nothing was heard of the process that ran it. Nothing of it was kept; send the request again.",
}


def is_silent(heard_at: datetime, now: datetime) -> bool:
    """Say whether a process is taken for dead by its last sign of life.

    One that lies as far in the future was given by a clock that has been set back since: who waited for that moment
    might wait for years.
    """
    return abs(now - heard_at) > LEASE


class JobWriter(DoingWriter):
    """The part of a writer that keeps jobs. `created` and `ended` are those that its commit keeps or ends."""

    def __init__(self, connection: sa.Connection, board: Board, now: datetime, tenant: str) -> None:
        super().__init__(connection, board, now, tenant)
        self.created: list[str] = []
        self.ended: list[str] = []

    def create_job(
        self, kind: str, cohort_id: str | None = None, total: int | None = None, *, job_id: str | None = None
    ) -> Job:
        """Create a job in state `queued`; without `job_id` it is given a random id.

        It belongs to this process, which shows that it lives by `Store.show_life`, and has to end it.
        """
        kept_id = job_id or secrets.token_hex(16)
        kept = {
            "tenant": self.tenant,
            "id": kept_id,
            "kind": kind,
            "cohort_id": cohort_id,
            "state": "queued",
            "progress": 0,
            "total": total,
            "owner": self._board.owner,
            "created_at": self.now,
            "updated_at": self.now,
        }
        row = self._connection.execute(sa.insert(JOBS).values(kept).returning(*JOBS.columns)).one()
        self._board.hold(kept_id)
        self.created.append(kept_id)
        self._did("job.create", cohort_id, subject=kept_id, details={"kind": kind})
        return job_of(row, self._board)

    def start_job(self, job_id: str) -> Job:
        """Move a job from `queued` to `running`. JobLostError if it was given up meanwhile."""
        return self._move(job_id, {"state": "running"})

    def finish_job(
        self, job_id: str, *, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
    ) -> Job:
        """End a job (`failed` when there is an error), best in the transaction that keeps what the job did.

        Raises JobLostError if it was given up meanwhile: let the exception leave the transaction, which undoes it.
        """
        told = self._board.told(job_id)
        state = "succeeded" if error is None else "failed"
        kept: dict[str, Any] = {"state": state, "result": _text(result), "error": _text(error)}
        if told is not None:
            kept["progress"] = told[0]
        job = self._move(job_id, kept)
        self._did(
            "job.finish",
            job.cohort_id,
            subject=job_id,
            outcome="success" if error is None else "failed",
            details={"kind": job.kind},
        )
        self.ended.append(job_id)
        return job

    def _move(self, job_id: str, kept: dict[str, Any]) -> Job:
        mine = sa.update(JOBS).where(
            JOBS.c.tenant == self.tenant,
            JOBS.c.id == job_id,
            JOBS.c.owner == self._board.owner,
            JOBS.c.state.in_(UNDER_WAY),
        )
        moved = mine.values(**kept, updated_at=self.now).returning(*JOBS.columns)
        row = self._connection.execute(moved).one_or_none()
        if row is None:
            self._board.forget(job_id)
            raise JobLostError("The job was given up.")
        return job_of(row, self._board)

    def give_up_jobs(self) -> int:
        """Fail the jobs of whom nobody was heard for the lease, whosever they are; returns how many.

        This process knows what it has to do: of its own jobs it gives up those that it does not know of, because their
        commit was not answered.
        """
        # The same as `is_silent` says.
        heard = JOBS.c.updated_at.between(self.now - LEASE, self.now + LEASE)
        others = sa.or_(JOBS.c.owner != self._board.owner, JOBS.c.id.not_in(self._board.held()))
        silent = sa.update(JOBS).where(JOBS.c.state.in_(UNDER_WAY), others, ~heard)
        lost = silent.values(state="failed", error=_text(LOST), updated_at=self.now)
        rows = self._connection.execute(lost.returning(JOBS.c.id, JOBS.c.cohort_id, JOBS.c.kind, JOBS.c.tenant)).all()
        for row in rows:
            details = {"kind": row.kind}
            self._did("job.lost", row.cohort_id, subject=row.id, outcome="failed", details=details, tenant=row.tenant)
        return len(rows)

    def excuse_silence(self, now: datetime) -> None:
        """Count this transaction's time as nobody's silence: who holds an SQLite database lets no other show life."""
        heard = JOBS.c.updated_at.between(self.now - LEASE, self.now + LEASE)
        excused = sa.update(JOBS).where(JOBS.c.state.in_(UNDER_WAY), heard)
        self._connection.execute(excused.values(updated_at=now))


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
