"""Can the database be reached, and is it migrated? Asked through the bare drivers, so that it can be asked at once.

So are other questions of one statement that must not wait.

SQLAlchemy takes a third of a second to load: a service that has just been started says sooner that it is ready.
"""

from __future__ import annotations

import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import quote, unquote

from app.database.errors import DatabaseUnavailableError
from app.database.reasons import reason_of

_REVISION: Final = "SELECT version_num FROM alembic_version"
_DRIVER: Final = re.compile(r"\A(sqlite|postgresql)(\+\w+)?://")


def sqlite_path(url: str) -> str | None:
    """Return the file of an `sqlite://` URL, "" for a database in memory, None for a URL of another kind."""
    found = _DRIVER.match(url)
    if found is None or found[1] != "sqlite":
        return None
    path = unquote(url[found.end() :].partition("?")[0].removeprefix("/")).removeprefix("file:")
    return "" if path == ":memory:" else path


def file_address(path: str, mode: str) -> str:
    """Return SQLite's own address of a file, to be opened in a mode (`ro`, `rw`, `rwc`)."""
    return f"file:{quote(path)}?mode={mode}"


def revision_of(url: str, timeout_seconds: float) -> str | None:
    """Return the revision that a database's schema is at, None when it has none. DatabaseUnavailableError."""
    rows = ask(url, timeout_seconds, _REVISION)
    return str(rows[0][0]) if rows else None


def ask(url: str, timeout_seconds: float, statement: LiteralString) -> list[Any]:
    """Return the rows that a statement finds, over a connection of its own. DatabaseUnavailableError."""
    path = sqlite_path(url)
    try:
        if path is None:
            return _postgresql(url, timeout_seconds, statement)
        return _sqlite(path, timeout_seconds, statement)
    except Exception as exc:
        found = reason_of(exc)
        if found is None:
            raise
        raise DatabaseUnavailableError(*found) from None


def _sqlite(path: str, timeout_seconds: float, statement: str) -> list[Any]:
    if not Path(path).exists():
        raise DatabaseUnavailableError("schema", "no_file")
    with closing(sqlite3.connect(file_address(path, "ro"), uri=True, timeout=timeout_seconds)) as connection:
        return connection.execute(statement).fetchall()


def _postgresql(url: str, timeout_seconds: float, statement: LiteralString) -> list[Any]:
    import psycopg  # noqa: PLC0415  # SQLite needs no driver

    address = _DRIVER.sub("postgresql://", url)
    named = "connect_timeout=" in url
    wait = None if named else math.ceil(timeout_seconds)
    with psycopg.connect(address, application_name="defervesce ready", connect_timeout=wait) as connection:
        return connection.execute(statement).fetchall()
