"""Entries that wait to be taken into the chain, in a small SQLite file beside an SQLite database.

A long import holds an SQLite file against every other writer. What is read meanwhile is recorded here, durably, before
it is answered; whoever writes to the chain next takes it in. PostgreSQL needs none of this.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from app.database.engine import translated
from app.database.errors import DatabaseUnavailableError
from app.security.audit.entry import Entry, packed, unpacked

SUFFIX: Final = "-audit"
_AT_ONCE: Final = 500
_SECONDS: Final = 5.0
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class WaitingRoom:
    """The file beside one SQLite database. It is made when it is first needed."""

    def __init__(self, database: str) -> None:
        """`database`: the path of the SQLite database."""
        self._path = Path(database + SUFFIX)

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep entries; they outlive a power cut. DatabaseUnavailableError."""
        with _of_files():
            self._path.touch(mode=0o600)
        with self._open() as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS waiting (id TEXT PRIMARY KEY, entry TEXT NOT NULL)")
            rows = ((entry.id, packed(entry)) for entry in entries)
            connection.executemany("INSERT INTO waiting VALUES (?, ?)", rows)

    def some(self) -> Sequence[Entry]:
        """Return the entries that came first, some hundred at most, in the order of their coming."""
        with _of_files():
            if not self._path.exists():
                return ()
        with self._open() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'waiting'").fetchone() is None:
                return ()
            rows = connection.execute("SELECT entry FROM waiting ORDER BY rowid LIMIT ?", (_AT_ONCE,))
            return [unpacked(text) for (text,) in rows]

    def drop(self, ids: Iterable[str]) -> None:
        """Forget entries that stand in the chain."""
        with self._open() as connection, connection:
            connection.executemany("DELETE FROM waiting WHERE id = ?", ((one,) for one in ids))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with translated(), closing(sqlite3.connect(self._path, timeout=_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            yield connection


@contextmanager
def _of_files() -> Iterator[None]:
    """Turn the system's errors about the file itself into DatabaseUnavailableError; their text names a path."""
    try:
        yield
    except OSError as exc:
        code = errno.errorcode.get(exc.errno or 0)
        raise DatabaseUnavailableError("full" if exc.errno in _NO_ROOM else "read_only", code) from None
