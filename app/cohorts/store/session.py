"""The store itself: transactions and snapshots on one engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from app.cohorts.errors import StoreError
from app.cohorts.store.board import Board
from app.cohorts.store.jobs import UNDER_WAY, is_silent
from app.cohorts.store.model import ENDED, Cohort, Job
from app.cohorts.store.reader import Reader
from app.cohorts.store.writer import Writer
from app.database.deeds import Trail
from app.database.engine import IN_MEMORY, WRITES, translated
from app.database.tables import COHORTS, JOBS
from app.database.tenants import DEFAULT_TENANT

_PAGE: Final = 50
# A transaction that holds an SQLite database for longer may have kept others from showing that they live.
_LONG: Final = timedelta(seconds=5)
_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


WRITES_IN_TURN: Final = {WRITES: True}
WRITES_AT_ONCE: Final = {WRITES: "at once"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """One tenant's cohorts, patients, tallies, remembered answers and jobs in one database."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        tenant: str = DEFAULT_TENANT,
        digits: Mapping[str, int] | None = None,
        clock: Callable[[], datetime] = _utc_now,
        trail: Trail | None = None,
    ) -> None:
        """`digits` are the decimal digits of each variable; without them, the catalogue's.

        `trail` is told what each transaction did, right before it is committed, and writes it into the transaction.
        """
        self._engine = engine
        self.tenant = tenant
        self._digits = _catalogue() if digits is None else digits
        self._clock = clock
        self._board = Board()
        self._trail = trail

    def of(self, tenant: str) -> Store:
        """Return the store of a tenant in the same database."""
        if tenant == self.tenant:
            return self
        theirs = copy(self)
        theirs.tenant = tenant
        return theirs

    @contextmanager
    def write(self, *, by_service: bool = False) -> Iterator[Writer]:
        """Begin a transaction; it is committed at the end of the block and rolled back by an exception.

        `by_service`: what it does is the service's own doing, whoever's request brought it about.
        """
        with self._writing(WRITES_IN_TURN, by_service=by_service) as writer:
            yield writer

    @contextmanager
    def _writing(self, writes: Mapping[str, Any], *, by_service: bool) -> Iterator[Writer]:
        writer: Writer | None = None
        try:
            with self._transaction(writes) as connection:
                writer = self._writer(connection)
                yield writer
                writer.settle()
                now = self._clock()
                if self._engine.dialect.name == "sqlite" and now - writer.now > _LONG:
                    writer.excuse_silence(now)
                if writer.deeds and self._trail is not None:
                    # Last: whoever writes to the chain holds back the others until the commit.
                    self._trail(connection, writer.deeds, by_service=by_service)
        except BaseException:
            self._board.forget(*(writer.created if writer else ()))
            raise
        self._board.forget(*writer.ended)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Begin a snapshot: all that is read within the block is of one moment."""
        options = _SNAPSHOT if self._engine.dialect.name == "postgresql" else {}
        with self._transaction(options) as connection:
            yield Reader(connection, self._board, self._clock(), self.tenant)

    def _writer(self, connection: sa.Connection) -> Writer:
        return Writer(connection, self._board, self._clock(), self.tenant, self._digits)

    @contextmanager
    def _transaction(self, options: Mapping[str, Any]) -> Iterator[sa.Connection]:
        with (
            translated(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    def job(self, job_id: str) -> Job:
        """Return a job, or raise JobNotFoundError. One whose process is gone is failed by asking for it."""
        with self.read() as reader:
            job = reader.job(job_id)
        if job.state in ENDED or not is_silent(job.updated_at, self._clock()):
            return job
        with suppress(StoreError), self._writing(WRITES_AT_ONCE, by_service=True) as writer:
            writer.give_up_jobs()
        with self.read() as reader:
            return reader.job(job_id)

    def show_life(self) -> None:
        """Say that this process lives, and will end the jobs that it holds, queued ones too. Never raises.

        It waits for its turn as a change does: call it where none is under way.
        """
        held = self._board.held()
        if not held or self._engine.get_execution_options().get(IN_MEMORY):
            return
        mine = self._under_way.where(JOBS.c.id.in_(held)).with_for_update(skip_locked=True)
        with suppress(StoreError), self._transaction(WRITES_IN_TURN) as connection:
            connection.execute(sa.update(JOBS).where(JOBS.c.id.in_(mine)).values(updated_at=self._clock()))

    @property
    def _under_way(self) -> sa.Select[tuple[str]]:
        """The ids of this process's jobs that have not ended."""
        return sa.select(JOBS.c.id).where(JOBS.c.owner == self._board.owner, JOBS.c.state.in_(UNDER_WAY))

    def rebuild(self, cohort_id: str | None = None) -> Iterator[tuple[Cohort, bool]]:
        """Count the tallies of one of the tenant's cohorts, or of everybody's, anew from their rows.

        Each in a transaction of its own. Yields each cohort as it is then, and whether the kept tallies had differed.
        CohortNotFoundError.
        """
        for tenant, found in self._all() if cohort_id is None else ((self.tenant, cohort_id),):
            with self.of(tenant).write() as writer:
                cohort = writer.lock(found, even_read_only=True)
                differed = writer.rebuild(cohort)
                cohort = writer.cohort(found)
            yield cohort, differed

    def _all(self) -> Iterator[tuple[str, str]]:
        """Yield tenant and id of every cohort there is, in order of creation."""
        after = 0
        columns = sa.select(COHORTS.c.number, COHORTS.c.tenant, COHORTS.c.id).order_by(COHORTS.c.number).limit(_PAGE)
        while True:
            with self._transaction({}) as connection:
                page = connection.execute(columns.where(COHORTS.c.number > after)).all()
            if not page:
                return
            yield from ((tenant, cohort_id) for _, tenant, cohort_id in page)
            after = page[-1].number

    def beat(self, job_id: str, progress: int, total: int | None = None) -> None:
        """Say how far a job of this process has come, and that it lives. Cheap: written at most once a second.

        Never raises, and waits for no other change: while one holds an SQLite database, it is told within this process
        only.
        """
        if not self._board.tell(job_id, progress, total) or self._engine.get_execution_options().get(IN_MEMORY):
            return
        mine = self._under_way.where(JOBS.c.id == job_id).with_for_update(skip_locked=True)
        told = {"progress": progress, "updated_at": self._clock()} | ({} if total is None else {"total": total})
        update = sa.update(JOBS).where(JOBS.c.id.in_(mine)).values(told)
        with suppress(StoreError), self._transaction(WRITES_AT_ONCE) as connection:
            connection.execute(update)


def _catalogue() -> Mapping[str, int]:
    from app.cohorts.variables import CATALOGUE  # noqa: PLC0415  # a store with digits of its own needs none

    return {name: variable.digits for name, variable in CATALOGUE.items()}


__all__ = ["Reader", "Store", "Writer"]
