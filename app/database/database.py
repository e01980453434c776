"""The database as the service holds it: made at start without being touched, opened by whoever needs it first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pydantic import SecretStr

from app.database.errors import DatabaseUnavailableError
from app.database.probe import revision_of, sqlite_path
from app.database.revision import HEAD
from app.database.watched_file import Appearance, WatchedFile

if TYPE_CHECKING:
    from sqlalchemy import Engine


class DatabaseStatus(NamedTuple):
    """Whether the database can be used: `ready` or why not, and the revision its schema is at (None: none)."""

    state: Literal["ready", "unreachable", "schema"]
    revision: str | None
    detail: str


class Connections(NamedTuple):
    """The connections of one process: how many there may be and are in use; what was waited for them so far."""

    most: int
    in_use: int
    handed_out: int
    waited_seconds: float
    timeouts: int


class DatabaseSettings(Protocol):
    """What the service's settings say of the database."""

    @property
    def database_url(self) -> SecretStr:
        """`sqlite://` or `postgresql://` URL."""

    @property
    def database_pool_size(self) -> int:
        """Most connections of one process."""

    @property
    def database_timeout_seconds(self) -> float:
        """How long to wait for the database."""


class Database:
    """One database by its URL. Nothing is loaded or opened before it is used; every method may be called on any thread.

    The first use loads SQLAlchemy (a third of a second): use it on a worker thread.
    """

    def __init__(self, url: str, *, pool_size: int = 10, timeout_seconds: float = 5) -> None:
        self._url = url
        self.pool_size = pool_size
        self._timeout = timeout_seconds
        path = sqlite_path(url)
        self._file = WatchedFile(path) if path else None
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine; the same one every time."""
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = self._open()
        return self._engine

    @property
    def sqlite_file(self) -> str | None:
        """The path of an SQLite database that is a file; None for any other database."""
        return sqlite_path(self._url) or None

    @property
    def appearance(self) -> Appearance | None:
        """What is another as soon as another file is the database; None for a database that is no file."""
        return None if self._file is None else self._file.appearance()

    def status(self) -> DatabaseStatus:
        """Ask the database whether it can be reached and is migrated. Blocks for as long as the time-out.

        It asks through a connection of its own: a database whose connections are busy is not one that is down.
        """
        found = self._asked()
        if self._file is not None and found.state == "ready":
            self._file.found_sound()
        elif self._file is not None and self._file.is_lost():
            return DatabaseStatus("unreachable", found.revision, str(DatabaseUnavailableError("moved")))
        return found

    def _asked(self) -> DatabaseStatus:
        if sqlite_path(self._url) == "":
            return DatabaseStatus("ready", HEAD, "The database lives in this process, and ends with it.")
        try:
            revision = revision_of(self._url, self._timeout)
        except DatabaseUnavailableError as exc:
            return DatabaseStatus("schema" if exc.reason == "schema" else "unreachable", None, str(exc))
        if revision == HEAD:
            return DatabaseStatus("ready", revision, "The database can be reached and is migrated.")
        found = f"The database is at revision {revision or 'none'}; this release needs {HEAD}."
        return DatabaseStatus("schema", revision, f"{found} The operator runs `defervesce migrate`.")

    def connections(self) -> Connections:
        """Tell of the connections, as of a database that was not used yet when none was opened."""
        if self._engine is None:
            return Connections(self.pool_size, 0, 0, 0.0, 0)
        return self._engine.pool.told()  # type: ignore[attr-defined,no-any-return]  # a MeasuredPool

    def dispose(self) -> None:
        """Close every connection. The database may be used again afterwards."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()

    def _open(self) -> Engine:
        from app.database.engine import make_engine  # noqa: PLC0415  # it loads SQLAlchemy

        return make_engine(self._url, pool_size=self.pool_size, timeout_seconds=self._timeout, file=self._file)
