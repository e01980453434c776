"""The way to the schema that this release needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from app.database.errors import DatabaseUnavailableError

_CHECKOUT: Final = Path(__file__).parents[2] / "alembic"
_INSTALLED: Final = Path(sys.prefix) / "share" / "defervesce" / "alembic"

# SQLSTATE of one that was chosen to be broken off; PostgreSQL looks for rings after a second of waiting.
_DEADLOCK: Final = "40P01"
_ATTEMPTS: Final = 10


class MigrationsMissingError(Exception):
    """The migrations are not installed beside the code."""


def migrations() -> Path:
    """Return the folder of the migrations: the checkout's, or that of the installed service."""
    for folder in (_CHECKOUT, _INSTALLED):
        if (folder / "env.py").is_file():
            return folder
    raise MigrationsMissingError(f"the migrations are missing: they belong into {_INSTALLED}")


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision; makes an SQLite file that does not exist. Safe to run twice at once.

    It is one transaction. Where it and requests under way wait for each other in a ring, PostgreSQL breaks one of them
    off; if that is the migration, nothing of it is kept, and it is tried again. DatabaseUnavailableError when the
    database cannot be reached or written.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            _upgrade(url, revision)
        except DatabaseUnavailableError as exc:
            if exc.code != _DEADLOCK:
                raise
        else:
            return
    _upgrade(url, revision)


def _upgrade(url: str, revision: str) -> None:
    from alembic import command  # noqa: PLC0415  # half a second that only a migration needs
    from app.database.engine import translated  # noqa: PLC0415  # as above

    with translated():
        command.upgrade(config(url), revision)


def known_revisions() -> frozenset[str]:
    """Return every revision that this release can start from."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # half a second that few commands need

    return frozenset(script.revision for script in ScriptDirectory(str(migrations())).walk_revisions())


def config(url: str) -> Any:  # noqa: ANN401  # Alembic's Config, which is not loaded to name it
    """Return Alembic's configuration for a database."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    made = Config()
    made.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    made.attributes["url"] = url
    return made
