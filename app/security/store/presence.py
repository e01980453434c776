"""Are there callers at all? Asked through the bare drivers: a service without any must not wait for SQLAlchemy."""

from __future__ import annotations

from typing import Final

from app.database.errors import DatabaseUnavailableError
from app.database.probe import ask, sqlite_path

_FOUND: Final = "SELECT EXISTS (SELECT 1 FROM api_keys) OR EXISTS (SELECT 1 FROM clients)"


def has_callers(url: str, timeout_seconds: float) -> bool | None:
    """Say whether a database holds a key or a client, revoked ones included; None when it cannot be told.

    A database that was not made or migrated yet holds none; nor does one in memory when it is made.
    """
    if sqlite_path(url) == "":
        return False
    try:
        return bool(ask(url, timeout_seconds, _FOUND)[0][0])
    except DatabaseUnavailableError as exc:
        return False if exc.reason == "schema" else None
