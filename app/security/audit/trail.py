"""Recording: into the transaction that did it, or in one of its own before an answer leaves.

Light until it is used: the first entry loads SQLAlchemy, on the thread that records it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

from app.database.database import Database
from app.database.deeds import Deed
from app.database.errors import DatabaseUnavailableError
from app.security.audit.asking import SERVICE, Asking, who_asks
from app.security.audit.entry import Entry, details_of
from app.security.audit.grouping import Grouped

if TYPE_CHECKING:
    import sqlalchemy as sa

    from app.security.store.audit import Seal
    from app.security.store.waiting import WaitingRoom

# How long a read waits for another writer of an SQLite file before its entry is put into the waiting room, ms.
_PATIENCE_MS: Final = 50
_TO_WAIT: Final = frozenset({"locked", "read_only"})


class AuditTrail:
    """Writes to the chains of one database. Every method blocks: call them on a worker thread."""

    def __init__(self, database: Database, seal: Callable[[], Seal | None] = lambda: None) -> None:
        """`seal` returns what signs the heads of the chains, or None; it is asked with the first entry."""
        self._database = database
        self._make_seal = seal
        self._in_group = Grouped(self._record_all)

    def of_transaction(self, connection: sa.Connection, deeds: Sequence[Deed], *, by_service: bool = False) -> None:
        """Record what a transaction did, in that transaction. Call it once, last, right before the commit.

        The entries are of whoever asks (`on_behalf`); of the service itself `by_service`, or when nobody asks.
        """
        from app.security.store import audit  # noqa: PLC0415  # it loads SQLAlchemy

        asking = None if by_service else who_asks()
        entries = [entry_of(deed, asking) for deed in deeds]
        audit.append(connection, [*self._waiting(connection, forget=False), *entries], self._seal)
        if asking is not None:
            asking.is_recorded = True

    def record(self, entry: Entry) -> None:
        """Record what changed nothing, in a transaction of its own. DatabaseUnavailableError when it cannot be.

        On SQLite it never waits for a long import: then the entry waits, durably, to be taken into the chain. What
        several threads record at once goes into one transaction.
        """
        self._in_group(entry)

    def _record_all(self, entries: Sequence[Entry]) -> None:
        try:
            self._append(entries)
        except DatabaseUnavailableError as exc:
            if self._room is None or exc.reason not in _TO_WAIT:
                raise
            self._room.put(entries)

    def take_in(self) -> None:
        """Take what waits into the chains."""
        from app.security.store.session import writing  # noqa: PLC0415  # as above

        if self._room is not None and self._room.some():
            with writing(self._database.engine) as connection:
                self._extend(connection, ())

    def waiting(self) -> int:
        """Return how many entries wait (some hundred at most); those that stand in the chain already do not count."""
        from app.security.store import audit  # noqa: PLC0415  # as above
        from app.security.store.session import reading  # noqa: PLC0415  # as above

        found = () if self._room is None else self._room.some()
        if not found:
            return 0
        with reading(self._database.engine) as connection:
            return len(found) - len(audit.known(connection, [entry.id for entry in found]))

    def _append(self, entries: Sequence[Entry]) -> None:
        from app.security.store.session import writing  # noqa: PLC0415  # as above

        with writing(self._database.engine, patience_ms=_PATIENCE_MS) as connection:
            self._extend(connection, entries)

    def _extend(self, connection: sa.Connection, entries: Iterable[Entry]) -> None:
        from app.security.store import audit  # noqa: PLC0415  # as above

        audit.append(connection, [*self._waiting(connection, forget=True), *entries], self._seal)

    def _waiting(self, connection: sa.Connection, *, forget: bool) -> list[Entry]:
        """Return what waits and is in no chain yet.

        `forget` drops what is: only at the beginning of a transaction, when all that it sees was committed.
        """
        from app.security.store import audit  # noqa: PLC0415  # as above

        found = () if self._room is None else self._room.some()
        if not found or self._room is None:
            return []
        there = audit.known(connection, [entry.id for entry in found])
        if forget and there:
            self._room.drop(there)
        return [entry for entry in found if entry.id not in there]

    @cached_property
    def _room(self) -> WaitingRoom | None:
        from app.security.store.waiting import WaitingRoom  # noqa: PLC0415  # as above

        path = self._database.sqlite_file
        return WaitingRoom(path) if path else None

    @cached_property
    def _seal(self) -> Seal | None:
        return self._make_seal()


def entry_of(deed: Deed, asking: Asking | None) -> Entry:
    """Return the entry that a deed makes in the name of whoever asked; of the service when nobody did."""
    caller = SERVICE if asking is None else asking.caller
    return Entry(
        tenant=deed.tenant or caller.tenant,
        caller=caller.id,
        operation="service" if asking is None else asking.operation,
        request_id=None if asking is None else asking.request_id,
        event=deed.event,
        outcome=deed.outcome,
        cohort_id=deed.cohort_id,
        patient_id=deed.patient_id,
        subject=deed.subject,
        details=details_of(deed.details),
    )
