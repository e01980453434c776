"""The chains of the audit trail: one per tenant, each linear however many replicas write.

Whoever appends holds the tenant's head until the end of its transaction: take it last, right before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from app.database.errors import DatabaseUnavailableError
from app.database.reasons import reason_of
from app.database.tables import AUDIT, AUDIT_HEADS
from app.security.audit.entry import FIRST, Entry, Head, Row, chained

Seal = Callable[[bytes], tuple[str, str]]
"""Signs a head: the bytes in; id of the key and signature (base64url) out."""
_PAGE: Final = 1_000
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)
_OF_ENTRY: Final = tuple(column for column in AUDIT.c if column.name in Entry.__dataclass_fields__)
_NEW_HEAD: Final = sa.text(
    "INSERT INTO audit_heads (tenant, position, row_hash) VALUES (:tenant, 0, :row_hash) ON CONFLICT DO NOTHING"
)


class Wanted(NamedTuple):
    """Which rows of a tenant are asked for; None: any."""

    cohort_id: str | None = None
    patient_id: str | None = None
    caller: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def append(connection: sa.Connection, entries: Iterable[Entry], seal: Seal | None = None) -> None:
    """Add entries to the chains of their tenants, in the order they come in."""
    by_tenant = sorted(entries, key=_tenant)  # stable; and in one order for everybody, so that no two block each other
    for tenant, group in groupby(by_tenant, key=_tenant):
        rows = chained(_locked(connection, tenant), list(group))
        _insert(connection, rows)
        _move(connection, Head(tenant, rows[-1].position, rows[-1].row_hash), seal)


def known(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Return which of the entries stand in a chain already."""
    return set(connection.execute(sa.select(AUDIT.c.id).where(AUDIT.c.id.in_(ids))).scalars())


def heads(connection: sa.Connection) -> dict[str, Head]:
    """Return the heads of all chains, by tenant."""
    with _any_text(connection):
        found = connection.execute(sa.select(AUDIT_HEADS))
        return {row.tenant: _head(row) for row in found if isinstance(row.tenant, str)}


def tenants(connection: sa.Connection) -> list[str]:
    """Return every tenant that has a row or a head, in order."""
    found = sa.union(sa.select(AUDIT.c.tenant), sa.select(AUDIT_HEADS.c.tenant))
    with _any_text(connection):
        # What is no text on SQLite is no tenant's name: its rows are missed in the chain that they were of.
        return sorted(name for name in connection.execute(found).scalars() if isinstance(name, str))


def chain(connection: sa.Connection, tenant: str) -> Iterator[Row]:
    """Yield a tenant's rows as they are kept, by position, in bounded memory.

    Where rows have a position that is no whole number, one of them comes last, with a time that cannot be its own.
    """
    after = 0
    whole = _has_place(connection)
    every = sa.select(AUDIT).where(AUDIT.c.tenant == tenant)
    page = every.where(AUDIT.c.position > sa.bindparam("after"), whole).order_by(AUDIT.c.position).limit(_PAGE)
    while rows := _read(connection, page, {"after": after}):
        yield from map(_row, rows)
        after = rows[-1].position
    for row in map(_row, _read(connection, every.where(sa.not_(whole)).limit(1))):
        yield replace(row, position=after + 1, entry=replace(row.entry, at=_NO_TIME))


def newest(connection: sa.Connection, tenant: str, wanted: Wanted, before: int | None, limit: int) -> list[Row]:
    """Return a tenant's rows that are wanted, newest first, those before a position."""
    rows = sa.select(AUDIT).where(AUDIT.c.tenant == tenant, _has_place(connection))
    for name in ("cohort_id", "patient_id", "caller", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            if "\x00" in value:
                # PostgreSQL takes no NUL to look for.
                return []
            rows = rows.where(AUDIT.c[name] == value)
    if wanted.since is not None:
        rows = rows.where(AUDIT.c.at >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(AUDIT.c.at < wanted.until)
    if before is not None:
        rows = rows.where(AUDIT.c.position < before)
    return [_row(row) for row in _read(connection, rows.order_by(AUDIT.c.position.desc()).limit(limit))]


def _has_place(connection: sa.Connection) -> sa.ColumnElement[bool]:
    """Return what says of a row that its position is a whole number: SQLite keeps anything in any column."""
    return sa.func.typeof(AUDIT.c.position) == "integer" if _is_sqlite(connection) else sa.true()


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _read(
    connection: sa.Connection, rows: sa.Select[Any], named: dict[str, Any] | None = None
) -> Sequence[sa.Row[Any]]:
    """Return rows; where one among them holds what cannot be read, which somebody wrote by hand, each as it is kept."""
    try:
        with connection.begin_nested():
            return connection.execute(rows, named or {}).all()
    except (ValueError, TypeError, ArithmeticError):
        pass
    except sa.exc.DBAPIError as exc:
        if reason_of(exc.orig) is not None:
            raise
    others = [column for column in AUDIT.c if column is not AUDIT.c.at]
    # PostgreSQL writes a time that Python does not have as text. SQLite gives what is there, of whatever kind.
    as_text = sa.type_coerce if _is_sqlite(connection) else sa.cast
    at = as_text(AUDIT.c.at, sa.Text).label(AUDIT.c.at.name)
    with _any_text(connection):
        told: Sequence[Any] = connection.execute(rows.with_only_columns(*others, at), named or {}).all()
    return told


@contextmanager
def _any_text(connection: sa.Connection) -> Iterator[None]:
    """Read text from SQLite that is no UTF-8, too; what cannot be read is replaced."""
    if not _is_sqlite(connection):
        yield
        return
    driver: Any = connection.connection.driver_connection
    usual = driver.text_factory
    driver.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        yield
    finally:
        driver.text_factory = usual


def _moment(kept: object) -> datetime:
    """Return the time of a row; of one whose time is none, the first there is: its hash cannot fit."""
    if isinstance(kept, datetime):
        return kept
    try:
        read = datetime.fromisoformat(kept) if isinstance(kept, str) else _NO_TIME
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _NO_TIME


def _tenant(entry: Entry) -> str:
    return entry.tenant


def _locked(connection: sa.Connection, tenant: str) -> Head:
    """Take the head of a chain: other writers of it wait until this transaction ends."""
    one = sa.select(AUDIT_HEADS).where(AUDIT_HEADS.c.tenant == tenant).with_for_update()
    row = connection.execute(one).one_or_none()
    if row is None:
        connection.execute(_NEW_HEAD, {"tenant": tenant, "row_hash": FIRST})
        row = connection.execute(one).one()
    return _head(row)


def _insert(connection: sa.Connection, rows: list[Row]) -> None:
    try:
        connection.execute(sa.insert(AUDIT), [_columns(row) for row in rows])
    except sa.exc.IntegrityError:
        # Somebody put rows in where the next ones belong. Its text repeats a row.
        raise DatabaseUnavailableError("trail") from None


def _move(connection: sa.Connection, head: Head, seal: Seal | None) -> None:
    key_id, signature = (None, None) if seal is None else seal(head.signed())
    kept = {"position": head.position, "row_hash": head.row_hash, "key_id": key_id, "signature": signature}
    connection.execute(sa.update(AUDIT_HEADS).where(AUDIT_HEADS.c.tenant == head.tenant).values(kept))


def _head(row: sa.Row[Any]) -> Head:
    """Return a head; what SQLite keeps in it that is of another kind fits no row and no signature."""
    position = row.position if isinstance(row.position, int) else -1
    texts = ("" if isinstance(kept, bytes) else kept for kept in (row.row_hash, row.key_id, row.signature))
    return Head(row.tenant, position, *texts)


def _columns(row: Row) -> dict[str, Any]:
    return asdict(row.entry) | {
        "position": row.position,
        "prev_hash": row.prev_hash,
        "row_hash": row.row_hash,
        "algorithm": row.algorithm,
    }


def _row(row: sa.Row[Any]) -> Row:
    kept = {column.name: row._mapping[column.name] for column in _OF_ENTRY}  # noqa: SLF001  # its public name
    entry = Entry(**kept | {"at": _moment(kept["at"])})
    return Row(row.position, entry, row.prev_hash, row.row_hash, row.algorithm)
