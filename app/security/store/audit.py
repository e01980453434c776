"""The chains of the audit trail: one per tenant, each linear however many replicas write.

Whoever appends holds the tenant's head until the end of its transaction: take it last, right before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from app.database.errors import DatabaseUnavailableError
from app.database.tables import AUDIT, AUDIT_HEADS
from app.security.audit.entry import FIRST, Entry, Head, Row, chained

Seal = Callable[[bytes], tuple[str, str]]
"""Signs a head: the bytes in; id of the key and signature (base64url) out."""
_PAGE: Final = 1_000
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
    return {head.tenant: head for head in map(_head, connection.execute(sa.select(AUDIT_HEADS)))}


def tenants(connection: sa.Connection) -> list[str]:
    """Return every tenant that has a row or a head, in order."""
    found = sa.union(sa.select(AUDIT.c.tenant), sa.select(AUDIT_HEADS.c.tenant))
    return sorted(connection.execute(found).scalars())


def chain(connection: sa.Connection, tenant: str) -> Iterator[Row]:
    """Yield a tenant's rows as they are kept, by position, in bounded memory."""
    after = 0
    page = sa.select(AUDIT).where(AUDIT.c.tenant == tenant, AUDIT.c.position > sa.bindparam("after"))
    page = page.order_by(AUDIT.c.position).limit(_PAGE)
    while rows := _read(connection, page, {"after": after}):
        yield from map(_row, rows)
        after = rows[-1].position


def newest(connection: sa.Connection, tenant: str, wanted: Wanted, before: int | None, limit: int) -> list[Row]:
    """Return a tenant's rows that are wanted, newest first, those before a position."""
    rows = sa.select(AUDIT).where(AUDIT.c.tenant == tenant)
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


def _read(
    connection: sa.Connection, rows: sa.Select[Any], named: dict[str, Any] | None = None
) -> Sequence[sa.Row[Any]]:
    """Return rows; where a time among them is none, which somebody wrote by hand, each row with its time as text."""
    try:
        with connection.begin_nested():
            return connection.execute(rows, named or {}).all()
    except (ValueError, sa.exc.DataError):
        others = [column for column in AUDIT.c if column is not AUDIT.c.at]
        at = sa.cast(AUDIT.c.at, sa.Text).label(AUDIT.c.at.name)
        told: Sequence[Any] = connection.execute(rows.with_only_columns(*others, at), named or {}).all()
        return told


def _moment(kept: datetime | str) -> datetime:
    """Return the time of a row; of one whose time is none, the first there is: its hash cannot fit."""
    if isinstance(kept, datetime):
        return kept
    try:
        read = datetime.fromisoformat(kept)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


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
    return Head(row.tenant, row.position, row.row_hash, row.key_id, row.signature)


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
