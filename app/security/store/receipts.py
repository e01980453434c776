"""Receipts: kept once, never changed."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from app.database.tables import RECEIPTS
from app.security.receipts.model import Receipt


class StoredReceipt(NamedTuple):
    """A receipt, and input and answer where the caller asked to keep them (canonical JSON)."""

    receipt: Receipt
    input: str | None
    answer: str | None


def add(connection: sa.Connection, stored: StoredReceipt) -> None:
    """Keep a receipt."""
    receipt = stored.receipt
    kept = {
        "tenant": receipt.tenant,
        "id": receipt.id,
        "created_at": receipt.created_at,
        "document": receipt.model_dump_json(),
        "input": stored.input,
        "answer": stored.answer,
    }
    connection.execute(sa.insert(RECEIPTS).values(kept))


def find(connection: sa.Connection, tenant: str, receipt_id: str) -> StoredReceipt | None:
    """Return a tenant's receipt, None when it has none of this id."""
    if "\x00" in receipt_id:
        # PostgreSQL takes no NUL to look for.
        return None
    one = sa.select(RECEIPTS).where(RECEIPTS.c.tenant == tenant, RECEIPTS.c.id == receipt_id)
    row = connection.execute(one).one_or_none()
    return None if row is None else StoredReceipt(Receipt.model_validate_json(row.document), row.input, row.answer)
