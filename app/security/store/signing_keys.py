"""The keys that sign receipts. Public keys are kept for ever: old receipts are verified by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from app.database.tables import SIGNING_KEYS
from app.security.receipts.signing import Signer, decoded, encoded

_LOCK: Final = sa.text("SELECT pg_advisory_xact_lock(:lock)")
_LOCK_NUMBER: Final = 7_391_202_312


def public(connection: sa.Connection) -> dict[str, str]:
    """Return every public key (base64url) by its id, in the order of their making."""
    rows = connection.execute(sa.select(SIGNING_KEYS).order_by(SIGNING_KEYS.c.number))
    return {row.id: row.public_key for row in rows}


def current(connection: sa.Connection) -> Signer | None:
    """Return the newest key that was drawn here; None when there is none."""
    mine = sa.select(SIGNING_KEYS.c.private_key).where(SIGNING_KEYS.c.private_key.is_not(None))
    found = connection.execute(mine.order_by(SIGNING_KEYS.c.number.desc()).limit(1)).scalar_one_or_none()
    return None if found is None else Signer(decoded(found))


def add(connection: sa.Connection, signer: Signer, *, with_private: bool) -> None:
    """Keep a key, unless it is known; with its private half only where it was drawn here."""
    hold(connection)
    if signer.key_id in public(connection):
        return
    kept = {
        "id": signer.key_id,
        "public_key": signer.public,
        "private_key": encoded(signer.private) if with_private else None,
        "created_at": datetime.now(UTC),
    }
    connection.execute(sa.insert(SIGNING_KEYS).values(kept))


def retire(connection: sa.Connection) -> None:
    """Forget the private halves of all keys that were drawn here: they sign nothing any more."""
    connection.execute(sa.update(SIGNING_KEYS).values(private_key=None))


def hold(connection: sa.Connection) -> None:
    """Hold back whoever looks for a key to sign with, until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"lock": _LOCK_NUMBER})
