"""What a backup holds, and what a database holds that is about to be replaced."""

from __future__ import annotations

from time import time
from typing import Final, NamedTuple

import sqlalchemy as sa

from app.database.errors import StoreError
from app.database.tables import AUDIT, AUDIT_HEADS, COHORTS, METADATA

_OF_COHORT: Final = "cohort_number"
_MILLISECONDS: Final = 1000
# Who makes the built-in cohorts, and by what, as the audit trail says it.
_SERVICE: Final = "service"
_COMMANDS: Final = "command-line"
_MAKING: Final = ("service", "migrate")
# ETags are versions. What was changed after the backup was taken has used the next ones up, and its readers still hold
# them: after a restore versions go on from a number that no change can have reached, milliseconds since 1970, and past
# those of the database that is replaced, whatever the clocks were.
_NEW_VERSIONS: Final = (
    sa.update(COHORTS)
    .where(COHORTS.c.read_only.is_(False))
    .values(
        version=sa.case(
            (COHORTS.c.version >= sa.bindparam("first"), COHORTS.c.version + 1), else_=sa.bindparam("first")
        )
    )
)


class BackupError(StoreError):
    """A backup cannot be made or restored; nothing was changed. The text is for whoever typed the command."""


class Contents(NamedTuple):
    """What a backup holds: the revision of its schema, and the rows of each table."""

    revision: str
    rows: dict[str, int]

    def __str__(self) -> str:
        """Say it in a sentence."""
        counted = f"{self.rows.get('cohorts', 0)} cohorts with {self.rows.get('patients', 0)} patients"
        return f"revision {self.revision}, {counted}, {sum(self.rows.values())} rows in {len(self.rows)} tables"


def revision_in(connection: sa.Connection) -> str | None:
    """Return the revision of a database's schema, None when it has none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def tables_in(connection: sa.Connection) -> list[sa.Table]:
    """Return those of our tables that a database has, in an order in which they can be filled.

    They have the columns that they have there: an older schema may lack some. Tables of others are left alone.
    """
    there = sa.MetaData()
    there.reflect(connection, only=lambda name, _: name in METADATA.tables)
    return there.sorted_tables


def counted(connection: sa.Connection) -> dict[str, int]:
    """Count the rows of every table."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in tables_in(connection)
    }


def holds_anything(connection: sa.Connection) -> bool:
    """Say whether a database holds what nobody can make again.

    That is anything but the built-in cohorts, and what the service and its commands recorded of making them.
    """
    return any(connection.execute(_not_built_in(table).limit(1)).first() for table in tables_in(connection))


def _not_built_in(table: sa.Table) -> sa.Select[int]:
    rows = sa.select(sa.literal(1)).select_from(table)
    if table.name == COHORTS.name:
        return rows.where(table.c.read_only.is_(False))
    if table.name == AUDIT.name:
        by_hand = sa.or_(table.c.caller == _SERVICE, table.c.caller.startswith(_COMMANDS))
        return rows.where(sa.not_(sa.and_(by_hand, table.c.operation.in_(_MAKING))))
    if table.name == AUDIT_HEADS.name:
        # They say no more than the rows do.
        return rows.where(sa.false())
    if _OF_COHORT not in table.columns:
        return rows
    built_in = sa.select(COHORTS.c.number).where(COHORTS.c.read_only.is_(True))
    return rows.where(table.c[_OF_COHORT].not_in(built_in))


def fresh_version(connection: sa.Connection) -> int:
    """Return a version that no cohort of a database has reached."""
    highest = sa.select(sa.func.max(COHORTS.c.version))
    is_there = sa.inspect(connection).has_table(COHORTS.name)
    reached = connection.execute(highest).scalar_one() if is_there else None
    return max(int(time() * _MILLISECONDS), (reached or 0) + 1)


def renumber(connection: sa.Connection, first: int) -> None:
    """Let the versions of restored cohorts go on where no ETag that anybody holds can be."""
    connection.execute(_NEW_VERSIONS, {"first": first})
