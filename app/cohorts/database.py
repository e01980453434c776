"""The database with the cohorts that it keeps."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from app.database.database import Database, DatabaseSettings
from app.database.deeds import Trail
from app.database.errors import StoreError

if TYPE_CHECKING:
    from app.cohorts.store import Store


class CohortDatabase(Database):
    """A database and the store of cohorts in it. `trail` is told what each transaction did, before its commit."""

    trail: Trail | None = None

    @cached_property
    def store(self) -> Store:
        """The store; the same one every time."""
        from app.cohorts.store.session import Store  # noqa: PLC0415  # it loads SQLAlchemy

        return Store(self.engine, trail=self.trail)

    def warm_up(self) -> None:
        """Load what the first use would load, and fail the jobs that an earlier process left behind.

        Does nothing to a database that cannot be used now.
        """
        with suppress(StoreError), self.store.write(by_service=True) as writer:
            writer.give_up_jobs()


def database_of(settings: DatabaseSettings) -> CohortDatabase:
    """Make the database of the settings."""
    return CohortDatabase(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_pool_size,
        timeout_seconds=settings.database_timeout_seconds,
    )
