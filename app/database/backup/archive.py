"""A PostgreSQL database as a ZIP archive: each table as CSV with a header line, and a manifest that says what is there.

No program of PostgreSQL's is needed, and the archive fits no one version of it: `unzip` and psql would do.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from psycopg import Connection, sql

from app.database.backup.state import (
    BackupError,
    Contents,
    fresh_version,
    holds_anything,
    renumber,
    revision_in,
    tables_in,
)
from app.database.engine import make_engine
from app.database.revision import HEAD
from app.database.schema import migrate

_FORMAT: Final = "defervesce-backup-1"
_MANIFEST: Final = "manifest.json"
_PIECE: Final = 1_000_000
_HINTS: Final = "(FORMAT csv, HEADER true, ENCODING 'UTF8')"
_OUT: Final = sql.SQL(f"COPY {{table}} ({{columns}}) TO STDOUT WITH {_HINTS}")
_IN: Final = sql.SQL(f"COPY {{table}} ({{columns}}) FROM STDIN WITH {_HINTS}")
_SEQUENCE: Final = sa.text("SELECT pg_get_serial_sequence(:table, :column)")
# A large table takes longer than any request may.
_PATIENCE: Final = tuple(
    sa.text(f"SET LOCAL {name} = 0") for name in ("statement_timeout", "idle_in_transaction_session_timeout")
)


def dump(url: str, file: Path, timeout_seconds: float) -> Contents:
    """Write every table of a database in use into an archive, all of one moment."""
    with _connected(url, timeout_seconds, isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        revision = revision_in(connection)
        if revision is None:
            raise BackupError("the database has no schema yet; there is nothing to back up")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            tables = [_write(connection, table, archive) for table in tables_in(connection)]
            manifest = {"format": _FORMAT, "revision": revision, "tables": tables}
            archive.writestr(_MANIFEST, json.dumps(manifest, indent=1))
    return _contents(manifest)


def look(file: Path) -> Contents:
    """Check an archive through, every byte of every table against its hash, and say what it holds; BackupError."""
    with _archive(file) as (archive, manifest):
        for table in manifest["tables"]:
            digest = sha256()
            with archive.open(_member(table)) as rows:
                for piece in iter(lambda: rows.read(_PIECE), b""):
                    digest.update(piece)
            if digest.hexdigest() != table["sha256"]:
                raise BackupError(f"{file.name} is damaged: {_member(table)} is not what was written")
        return _contents(manifest)


def load(file: Path, url: str, timeout_seconds: float, *, force: bool) -> None:
    """Put what a checked archive holds in the place of all that a database holds, in one transaction."""
    with _archive(file) as (archive, manifest):
        _fit(url, timeout_seconds, manifest["revision"])
        with _connected(url, timeout_seconds) as connection:
            if not force and holds_anything(connection):
                raise BackupError("the database holds cohorts already; --force replaces all that it holds")
            _replace(connection, archive, manifest)
    migrate(url)


def _fit(url: str, timeout_seconds: float, revision: str) -> None:
    """Give an empty database the schema of the archive; another one must have it."""
    with _connected(url, timeout_seconds) as connection:
        found = revision_in(connection)
    if found is None:
        migrate(url, revision)
    elif found != revision:
        message = f"the backup is of revision {revision} and the database at {found}: restore into a database without"
        raise BackupError(f"{message} a schema; it is brought to revision {HEAD} then")


def _replace(connection: sa.Connection, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    """Readers see what was there until all is there; writers wait."""
    tables = tables_in(connection)
    names = sql.SQL(", ").join(sql.Identifier(table.name) for table in tables)
    driver = _driver(connection)
    driver.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
    first = fresh_version(connection)
    # Not TRUNCATE: whoever began to read before would find nothing.
    for table in reversed(tables):
        connection.execute(sa.delete(table))
    known = {table.name for table in tables}
    for table in manifest["tables"]:
        if table["name"] not in known:
            raise BackupError(f"the backup holds the table {table['name']}, which this release does not know")
        _read(connection, table, archive)
    renumber(connection, first)


def _write(connection: sa.Connection, table: sa.Table, archive: zipfile.ZipFile) -> dict[str, Any]:
    """Write a table, and say what was written."""
    digest = sha256()
    columns = [column.name for column in table.columns]
    made: dict[str, Any] = {"name": table.name, "columns": columns}
    with (
        archive.open(_member(made), "w", force_zip64=True) as rows,
        _driver(connection).cursor() as cursor,
    ):
        with cursor.copy(_statement(_OUT, made)) as copy:
            for piece in copy:
                digest.update(piece)
                rows.write(piece)
        made |= {"rows": cursor.rowcount, "sha256": digest.hexdigest(), "last": _last_number(connection, table)}
    return made


def _read(connection: sa.Connection, table: dict[str, Any], archive: zipfile.ZipFile) -> None:
    with archive.open(_member(table)) as rows, _driver(connection).cursor() as cursor:
        with cursor.copy(_statement(_IN, table)) as copy:
            for piece in iter(lambda: rows.read(_PIECE), b""):
                copy.write(piece)
        if cursor.rowcount != table["rows"]:
            raise BackupError(f"{table['name']}: {cursor.rowcount} rows came back of {table['rows']}; nothing was kept")
    for column, last in table["last"].items():
        sequence = connection.execute(_SEQUENCE, {"table": table["name"], "column": column}).scalar_one()
        connection.execute(sa.text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})


def _last_number(connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    """Return the last number that each numbered column gave away: after a restore none is given twice."""
    found: dict[str, int] = {}
    for column in table.columns:
        sequence = connection.execute(_SEQUENCE, {"table": table.name, "column": column.name}).scalar_one()
        if sequence is not None:
            last, is_used = connection.execute(sa.text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608  # the server's own name
            found |= {column.name: last} if is_used else {}
    return found


def _statement(form: sql.SQL, table: dict[str, Any]) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    return form.format(table=sql.Identifier(table["name"]), columns=columns)


def _member(table: dict[str, Any]) -> str:
    return f"{table['name']}.csv"


def _contents(manifest: dict[str, Any]) -> Contents:
    return Contents(manifest["revision"], {table["name"]: table["rows"] for table in manifest["tables"]})


def _driver(connection: sa.Connection) -> Connection[Any]:
    found = connection.connection.driver_connection
    if not isinstance(found, Connection):
        raise TypeError("not a connection to PostgreSQL")
    return found


@contextmanager
def _archive(file: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest["format"] != _FORMAT:
                raise BackupError(f"{file.name} is of another format than {_FORMAT}")
            yield archive, manifest
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, zlib.error) as exc:
        raise BackupError(f"{file.name} is no backup of a PostgreSQL database, or is damaged") from exc


@contextmanager
def _connected(url: str, timeout_seconds: float, **options: bool | str) -> Iterator[sa.Connection]:
    engine = make_engine(url, pool_size=1, timeout_seconds=timeout_seconds)
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            for statement in _PATIENCE:
                connection.execute(statement)
            yield connection
    finally:
        engine.dispose()
