"""The audit trail of a test's database, and ways to tamper with it as its owner could."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from app.database.database import Database
from app.security.audit.commands import Wanted, verify
from app.security.audit.entry import Entry, Row
from app.security.audit.trail import AuditTrail
from app.security.sealing import seal_of
from app.security.store import audit
from app.security.store.session import reading, writing

KEY = bytes(range(100, 132))


class Kept:
    """A database, its trail, and what can be asked and done beside the service."""

    def __init__(self, url: str, private: bytes | None = None) -> None:
        self.url = url
        self.database = Database(url, pool_size=5, timeout_seconds=5)
        self.trail = AuditTrail(self.database, seal_of(private))

    def record(self, number: int = 1, tenant: str = "default", **fields: Any) -> None:
        for each in range(number):
            told = {"caller": "ward", "operation": "get_patient", "event": "read", "patient_id": f"P{each}"} | fields
            self.trail.record(Entry(tenant=tenant, **told))

    def rows(self, tenant: str = "default") -> list[Row]:
        with reading(self.database.engine) as connection:
            return list(audit.chain(connection, tenant))

    def sql(self, statement: str, **values: Any) -> None:
        """Do what the owner of the database can do."""
        with writing(self.database.engine) as connection:
            connection.execute(sa.text(statement), values)

    def rewrite(self, change: Callable[[int, Entry], Entry | None], tenant: str = "default") -> None:
        """Write a whole chain anew, head and all, as somebody would who knows how it is made."""
        entries = [made for row in self.rows(tenant) if (made := change(row.position, row.entry)) is not None]
        with writing(self.database.engine) as connection:
            connection.execute(sa.text("DELETE FROM audit WHERE tenant = :tenant"), {"tenant": tenant})
            connection.execute(sa.text("DELETE FROM audit_heads WHERE tenant = :tenant"), {"tenant": tenant})
            audit.append(connection, entries)

    def verify(
        self, keys: Mapping[str, str] | None = None, anchors: Mapping[str, Mapping[int, str]] | None = None
    ) -> tuple[bool, list[str]]:
        """Return whether everything is whole, and what was found, without the indent."""
        said = io.StringIO()
        whole = verify(self.database, self.trail, Wanted(None, anchors or {}, keys or {}), said)
        return whole, [line.strip() for line in said.getvalue().splitlines() if line.startswith("  ")]

    def close(self) -> None:
        self.database.dispose()


@contextmanager
def opened(url: str, private: bytes | None = None) -> Iterator[Kept]:
    kept = Kept(url, private)
    try:
        yield kept
    finally:
        kept.close()
