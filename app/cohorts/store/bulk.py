"""Writing many patient rows as fast as the driver writes them: tuples through executemany, or COPY on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from app.cohorts.store.model import NewPatient
from app.database.tables import PATIENTS

if TYPE_CHECKING:
    from app.cohorts.derivation import Derived

ROWS: Final = 1_000
CHARACTERS: Final = 8_000_000

_KNOWN: Final = {
    "sqlite": "patient_id IN (SELECT value FROM json_each(:ids))",
    "postgresql": "patient_id = ANY(CAST(:ids AS text[]))",
}

_encode: Final = msgspec.json.Encoder().encode

# cohort_number, position, patient_id, version, stratum, record, measures, facts
PatientRow = tuple[int, int, str, int, str, str, str, str]


def chunks(rows: Iterable[NewPatient]) -> Iterator[list[NewPatient]]:
    """Cut a stream of patients into pieces that are bounded in rows and in size."""
    chunk: list[NewPatient] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.record_json)
        if len(chunk) >= ROWS or size >= CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def measures_of(derived: Derived) -> str:
    """Write what is tallied as JSON."""
    return _encode(derived.values).decode()


def facts_of(derived: Derived) -> str:
    """Write what is told of a patient as JSON."""
    kept = {"facts": derived.facts, "disagreements": derived.disagreements, "warnings": derived.warnings}
    return _encode(kept).decode()


def insert(connection: sa.Connection, rows: Sequence[tuple[Any, ...]], table: sa.Table = PATIENTS) -> None:
    """Insert rows, their values in the order of the table's columns, within the connection's transaction."""
    if not rows:
        return
    columns = ", ".join(table.columns.keys())
    if connection.dialect.name == "sqlite":
        places = ", ".join("?" * len(table.columns))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", list(rows))  # noqa: S608  # our own names
        return
    driver = connection.connection.driver_connection
    if driver is None:
        raise sa.exc.InvalidRequestError("the connection was given back")
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def known_ids(connection: sa.Connection, cohort_number: int, ids: list[str]) -> set[str]:
    """Return those of some patient ids that the cohort holds."""
    dialect = connection.dialect.name
    found = sa.text(f"SELECT patient_id FROM patients WHERE cohort_number = :cohort AND {_KNOWN[dialect]}")  # noqa: S608  # our own words
    sent = msgspec.json.encode(ids).decode() if dialect == "sqlite" else ids
    return set(connection.execute(found, {"cohort": cohort_number, "ids": sent}).scalars())
