"""Transactions of this room's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from app.database.engine import WAITS, WRITES, translated

_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@contextmanager
def writing(engine: sa.Engine, *, patience_ms: int | None = None) -> Iterator[sa.Connection]:
    """Begin a transaction, committed at the end of the block. DatabaseUnavailableError.

    `patience_ms`: how long to wait for another writer of an SQLite file; without it as long as the engine does.
    """
    options: dict[str, Any] = {WRITES: True} | ({} if patience_ms is None else {WAITS: patience_ms})
    with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a snapshot: all that is read within the block is of one moment."""
    options = _SNAPSHOT if engine.dialect.name == "postgresql" else {}
    with translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection
