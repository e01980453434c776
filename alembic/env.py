"""Runs the migrations: on the database of the settings, or on the one that the caller names in the configuration."""
# ruff: noqa: INP001  # a folder named like the library must not be a package

from __future__ import annotations

import sqlalchemy as sa

from alembic import context
from app.database.engine import WRITES, make_engine
from app.database.tables import METADATA
from app.settings import load_settings

_LOCK = 7_391_202_311


def _url() -> str:
    named: str | None = context.config.attributes.get("url")
    return named or load_settings().database_url.get_secret_value()


def _run(connection: sa.Connection) -> None:
    """One transaction for everything; a second migration at the same time waits, and then finds nothing to do."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    context.configure(
        connection=connection, target_metadata=METADATA, render_as_batch=True, transactional_ddl=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


class _ForeignKeys:
    """SQLite's foreign keys, which are off while a table is made anew: to drop the old one would empty those below it.

    They can be let go outside a transaction only, and are looked at before it is committed.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection if connection.dialect.name == "sqlite" else None

    def let_go(self) -> None:
        """Switch them off."""
        driver = None if self._connection is None else self._connection.connection.driver_connection
        if driver is not None:
            driver.execute("PRAGMA foreign_keys=OFF")

    def check(self) -> None:
        """Undo everything if a row has lost what it refers to."""
        if self._connection is not None and self._connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise RuntimeError("the migration would leave rows without what they refer to; nothing was changed")


def _offline() -> None:
    """Print the statements (`alembic upgrade head --sql`)."""
    engine = make_engine(_url())
    context.configure(dialect_name=engine.dialect.name, target_metadata=METADATA, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def _online() -> None:
    engine = make_engine(_url(), pool_size=1, create=True)
    try:
        with engine.connect().execution_options(**{WRITES: True}) as connection:
            keys = _ForeignKeys(connection)
            keys.let_go()
            with connection.begin():
                _run(connection)
                keys.check()
    finally:
        engine.dispose()


if context.is_offline_mode():
    _offline()
else:
    _online()
