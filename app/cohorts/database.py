"""The database as the service holds it: made at start without being touched, opened by whoever needs it first."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pydantic import SecretStr

from app.cohorts.errors import DatabaseUnavailableError, StoreError
from app.cohorts.probe import revision_of, sqlite_path
from app.cohorts.revision import HEAD
from app.cohorts.watched_file import Appearance, WatchedFile

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from app.cohorts.store import Store


class DatabaseStatus(NamedTuple):
    """Whether the database can be used: `ready` or why not, and the revision its schema is at (None: none)."""

    state: Literal["ready", "unreachable", "schema"]
    revision: str | None
    detail: str


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
        self._pool_size = pool_size
        self._timeout = timeout_seconds
        path = sqlite_path(url)
        self._file = WatchedFile(path) if path else None
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store; the same one every time."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self._store = self._open()
        return self._store

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

    def warm_up(self) -> None:
        """Load what the first use would load, and fail the jobs that an earlier process left behind.

        Does nothing to a database that cannot be used now.
        """
        with suppress(StoreError), self.store.write() as writer:
            writer.give_up_jobs()

    def dispose(self) -> None:
        """Close every connection. The database may be used again afterwards."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()

    def _open(self) -> Store:
        from app.cohorts.engine import make_engine  # noqa: PLC0415  # it loads SQLAlchemy
        from app.cohorts.store.session import Store  # noqa: PLC0415  # as above

        self._engine = make_engine(self._url, pool_size=self._pool_size, timeout_seconds=self._timeout, file=self._file)
        return Store(self._engine)


def database_of(settings: DatabaseSettings) -> Database:
    """Make the database of the settings."""
    return Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        timeout_seconds=settings.database_timeout_seconds,
    )
