"""What the errors of SQLite and PostgreSQL mean to somebody who wants to use the database. Loads no library."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from app.database.errors import Reason

_SQLITE: Final[dict[int, Reason]] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "gone",
    sqlite3.SQLITE_CANTOPEN: "gone",
    sqlite3.SQLITE_PERM: "gone",
    sqlite3.SQLITE_AUTH: "gone",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
# What SQLite has no code for. The text is its own, and repeats no value.
_NOT_THERE: Final = re.compile(r"\Ano such (table|column)|has no column named|\AON CONFLICT clause does not match")
# An extended result code holds the primary one in its lowest byte.
PRIMARY: Final = 0xFF
# SQLSTATEs, and classes of them (two or three characters), as appendix A of PostgreSQL's manual lists them.
_POSTGRESQL: Final[dict[str, Reason]] = {
    "08": "gone",
    "28": "gone",
    "3D000": "gone",
    "57P": "gone",
    "58": "gone",
    "25P03": "gone",
    "53100": "full",
    "53": "busy",
    "57014": "busy",
    "40001": "locked",
    "40P01": "locked",
    "55P03": "locked",
    "25006": "read_only",
    # A table, a column or a key that the code knows is not there, or one that it does not know must be filled: an older
    # release beside a newer schema, or the other way round.
    "42P01": "schema",
    "42703": "schema",
    "42P10": "schema",
    "23502": "schema",
    "XX001": "damaged",
    "XX002": "damaged",
}


def reason_of(exc: BaseException | None) -> tuple[Reason, str | None] | None:
    """Return why the database could not be used and its own code, or None for an error of another kind."""
    if isinstance(exc, sqlite3.Error):
        return _of_sqlite(exc)
    if type(exc).__module__.split(".")[0] == "psycopg":
        return _of_postgresql(exc)
    return None


def _of_sqlite(exc: sqlite3.Error) -> tuple[Reason, str | None] | None:
    code: int | None = getattr(exc, "sqlite_errorcode", None)
    if code is None:
        return None
    of_schema = code == sqlite3.SQLITE_ERROR and _NOT_THERE.search(str(exc)) is not None
    if of_schema or code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        return "schema", exc.sqlite_errorname
    reason = _SQLITE.get(code & PRIMARY)
    return None if reason is None else (reason, exc.sqlite_errorname)


def _of_postgresql(exc: BaseException | None) -> tuple[Reason, str | None] | None:
    state: str | None = getattr(exc, "sqlstate", None)
    if state is None:
        # An error without a state was not sent by the server: it is one of the connection.
        of_connection = any(kind.__name__ in {"OperationalError", "InterfaceError"} for kind in type(exc).__mro__)
        return ("gone", None) if of_connection else None
    reason = next((_POSTGRESQL[state[:size]] for size in (5, 3, 2) if state[:size] in _POSTGRESQL), None)
    return None if reason is None else (reason, state)
