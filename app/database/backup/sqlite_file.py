"""An SQLite database into a file and back, by SQLite's online backup: one snapshot out, one transaction in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from app.database.backup.files import remove, sync
from app.database.backup.state import (
    BackupError,
    Contents,
    counted,
    fresh_version,
    holds_anything,
    renumber,
    revision_in,
)
from app.database.probe import file_address
from app.database.reasons import reason_of
from app.database.schema import migrate


def dump(path: str, file: Path, timeout_seconds: float) -> Contents:
    """Copy a database in use into a file that is whole and on the disk when this returns."""
    with _opened(path, "ro", timeout_seconds) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)
        # One file and no log beside it; what was copied says that it has one.
        target.execute("PRAGMA journal_mode=DELETE")
    return look(file)


def look(file: Path) -> Contents:
    """Check a backup through and say what it holds; BackupError."""
    try:
        with _opened(str(file), "ro", 0) as found:
            faults = found.execute("PRAGMA integrity_check(1)").fetchall()
            orphans = found.execute("PRAGMA foreign_key_check").fetchone()
            pages, size = (found.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    except sqlite3.Error:
        raise BackupError(f"{file.name} is no SQLite database, or is damaged") from None
    # A page that was cut where it holds nothing passes SQLite's own check.
    is_cut = file.stat().st_size != pages * size
    if faults != [("ok",)] or orphans is not None or is_cut:
        raise BackupError(f"{file.name} is damaged: the integrity check of SQLite fails")
    with _connected(str(file)) as connection:
        revision = revision_in(connection)
        if revision is None:
            raise BackupError(f"{file.name} is no backup of this service: it has no revision")
        return Contents(revision, counted(connection))


def load(file: Path, path: str, timeout_seconds: float, *, force: bool) -> None:
    """Bring a checked backup into the database at a path, in one transaction of that database."""
    target = Path(path)
    first = _replaceable(path, force=force)
    # Beside the database, where there is room for as much.
    ready = target.with_name(target.name + ".restoring")
    try:
        _prepare(file, ready, first)
        with _opened(str(ready), "ro", 0) as source, _opened(path, "rwc", timeout_seconds) as database:
            database.execute("PRAGMA synchronous=FULL")
            source.backup(database)
            database.execute("PRAGMA journal_mode=WAL")
        sync(target)
    finally:
        remove(ready)


def _prepare(file: Path, ready: Path, first: int) -> None:
    """Copy a backup, bring it to this release's schema, and let its versions go on where nobody was."""
    remove(ready)
    ready.touch(mode=0o600)
    with _opened(str(file), "ro", 0) as source, closing(sqlite3.connect(ready)) as target:
        source.backup(target)
    migrate(f"sqlite:///{ready.absolute()}")
    with _connected(str(ready), "rw") as connection:
        renumber(connection, first)


def _replaceable(path: str, *, force: bool) -> int:
    """Return the version to go on from, or refuse to replace the database at a path."""
    target = Path(path)
    try:
        # One that is not there yet has reached no version.
        with _connected(path) if target.exists() else _connected("", "memory") as connection:
            if not force and holds_anything(connection):
                raise BackupError("the database holds cohorts already; --force replaces all that it holds")
            return fresh_version(connection)
    except sa.exc.DatabaseError as exc:
        found = reason_of(exc.orig)
        if found is None or found[0] != "damaged":
            raise
        # What cannot be read may be all that is left of something.
        message = f"{target.name} is damaged: move it away with its -wal and -shm files, and restore again"
        raise BackupError(message) from None


@contextmanager
def _opened(path: str, mode: str, timeout_seconds: float) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file_address(path, mode), uri=True, timeout=timeout_seconds)) as connection:
        yield connection


@contextmanager
def _connected(path: str, mode: str = "ro") -> Iterator[sa.Connection]:
    """Connect as little as can be: the service's own engine would change the file's mode by looking at it."""
    made = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(file_address(path, mode), uri=True), poolclass=sa.pool.NullPool
    )
    with made.begin() as connection:
        yield connection
