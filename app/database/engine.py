"""The database engine: how SQLite and PostgreSQL are opened, and what their errors mean.

SQLite: write-ahead log, so that readers never wait; `synchronous=FULL`, so that what was acknowledged outlives a power
cut; writers begin with BEGIN IMMEDIATE, so that they queue at the start and no transaction fails half-way for a lock.
A file that does not exist is not made here: `defervesce migrate` makes it. A file that was deleted or replaced is
noticed when a connection leaves the pool, and before a change is committed.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from app.database.errors import DatabaseUnavailableError
from app.database.pool import MeasuredPool
from app.database.probe import file_address, sqlite_path
from app.database.reasons import PRIMARY, reason_of
from app.database.revision import HEAD
from app.database.tables import METADATA
from app.database.watched_file import FileConnection, WatchedFile

# Execution options: of a connection, whether it writes (True, or "at once" for one that waits for nobody); of an
# engine, how long its writers wait, and whether its database lives in this process alone.
WRITES: Final = "defervesce_writes"
WAITS: Final = "defervesce_waits"
IN_MEMORY: Final = "defervesce_in_memory"
_STATEMENT_SECONDS: Final = 60
_IDLE_SECONDS: Final = 900
_KILOBYTES_OF_CACHE: Final = 16_000
_LOG_BYTES: Final = 64_000_000


def make_engine(
    url: str,
    *,
    pool_size: int = 10,
    timeout_seconds: float = 5,
    create: bool = False,
    file: WatchedFile | None = None,
) -> sa.Engine:
    """Make an engine for a `sqlite://` or `postgresql://` URL; nothing is opened before the first use.

    `timeout_seconds`: how long to wait for a connection, for a free one of the pool, and for another writer.
    `create` makes the file of an SQLite database that does not exist (for migrations). `file` is told what is opened.
    """
    path = sqlite_path(url)
    if path is None:
        return _postgresql(make_url(url), pool_size, timeout_seconds)
    return _sqlite(file or WatchedFile(path), pool_size, timeout_seconds, create=create)


def _postgresql(url: URL, pool_size: int, timeout_seconds: float) -> sa.Engine:
    milliseconds = int(timeout_seconds * 1000)
    options = (
        f"-c lock_timeout={milliseconds} -c statement_timeout={_STATEMENT_SECONDS * 1000}"
        f" -c idle_in_transaction_session_timeout={_IDLE_SECONDS * 1000}"
    )
    defaults = {
        "application_name": "defervesce",
        "connect_timeout": str(math.ceil(timeout_seconds)),
        "keepalives_idle": "30",
    }
    # The operator's own options come on top of ours: of two that say the same the server takes the last.
    named = url.query.get("options", ())
    options = " ".join((options, *((named,) if isinstance(named, str) else named)))
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in defaults.items() if name not in url.query} | {"options": options},
        poolclass=MeasuredPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _sqlite(file: WatchedFile, pool_size: int, timeout_seconds: float, *, create: bool) -> sa.Engine:
    in_memory = not file.path
    engine = sa.create_engine(
        "sqlite://",
        creator=_memory if in_memory else _file(file, timeout_seconds, create=create),
        poolclass=MeasuredPool,
        # All threads share the one connection that a database in memory is.
        pool_size=1 if in_memory else pool_size,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        hide_parameters=True,
        execution_options={WAITS: int(timeout_seconds * 1000), IN_MEMORY: in_memory},
    )
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    if in_memory:
        sa.event.listen(engine, "connect", _create_all(engine.dialect))
    else:
        _watch(engine, file)
    return engine


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _file(file: WatchedFile, timeout_seconds: float, *, create: bool) -> Callable[[], sqlite3.Connection]:
    address = file_address(file.path, "rwc" if create else "rw")

    def connect() -> sqlite3.Connection:
        before = file.identity()
        if before is None and not create:
            raise DatabaseUnavailableError("moved" if file.is_lost() else "schema", "no_file")
        if before is None:
            # It will hold patients: nobody else may read it. Its log and index take their modes from it.
            with suppress(OSError):
                Path(file.path).touch(mode=0o600)
            before = file.identity()
        connection = sqlite3.connect(
            address,
            uri=True,
            timeout=timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=FileConnection,
        )
        connection.identity = file.identity()
        if before is not None and before != connection.identity:
            # Replaced while it was opened: nobody can tell which of the two this is.
            connection.close()
            raise DatabaseUnavailableError("moved")
        file.opened(connection.identity)
        return connection

    return connect


def _watch(engine: sa.Engine, file: WatchedFile) -> None:
    """Let nobody read or write a file that is not the one at the path any more; each look costs one `stat`."""

    def leaves_pool(connection: FileConnection, _: object, __: object) -> None:
        if connection.identity != file.identity():
            file.lost()
            # The pool closes this connection and every other one, and opens the file that is there now, if any.
            raise sa.exc.InvalidatePoolError

    def commits(connection: sa.Connection) -> None:
        opened = connection.connection.driver_connection
        if connection.get_execution_options().get(WRITES) and getattr(opened, "identity", None) != file.identity():
            raise DatabaseUnavailableError("moved")

    sa.event.listen(engine, "checkout", leaves_pool)
    sa.event.listen(engine, "commit", commits)


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")
    # What is deleted is overwritten: patients who were taken out do not stay readable in the file.
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA cache_size=-{_KILOBYTES_OF_CACHE}")
    connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as exc:
        # A file that may only be read stays in the mode it has.
        if exc.sqlite_errorcode & PRIMARY != sqlite3.SQLITE_READONLY:
            raise


def _begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    writes = options.get(WRITES, False)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={0 if writes == 'at once' else options[WAITS]}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create_all(dialect: sa.Dialect) -> Callable[[sqlite3.Connection, object], None]:
    """Return what makes a database in memory whole when it is opened: it is empty at each start."""
    tables = METADATA.sorted_tables
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in tables]
    statements += [str(CreateIndex(index).compile(dialect=dialect)) for table in tables for index in table.indexes]
    statements += ["CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"]

    def create(connection: sqlite3.Connection, _: object) -> None:
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))

    return create


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's errors into DatabaseUnavailableError; everything else passes as it is.

    The original is not kept as the cause: its text may repeat a row.
    """
    try:
        yield
    except Exception as exc:
        if isinstance(exc, sa.exc.TimeoutError):
            raise DatabaseUnavailableError("busy", "pool") from None
        found = reason_of(exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc)
        if found is None:
            raise
        raise DatabaseUnavailableError(*found) from None
