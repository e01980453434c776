"""A synthetic cohort into a database by the service's own import path, and its columns for the peers.

Rows go the way of an import: NDJSON text, strict JSON, model, derivation, store. For large cohorts reading and deriving
run in several processes (each the same code), and one transaction of the store takes the rows in their order.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from app.api.cohort_service import read_record
from app.clinical.rulebook import load_rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.derivers import Derivers, rules_of
from app.cohorts.intake.ndjson import ndjson_rows
from app.cohorts.intake.taking import Intake, RowsRefusedError
from app.cohorts.store.model import NewPatient
from app.cohorts.variables import CATALOGUE
from app.database.schema import migrate
from bench.generate import CHUNK, chunk

BINARY = (
    "male",
    "sars_cov_2_pcr_positive",
    "phenotype.kd_like",
    "phenotype.cv_shock",
    "corticosteroids.stress",
    "corticosteroids.inflammatory",
    "treatment.aspirin",
    "ae.neutropenia",
)
CONTINUOUS = (
    "age_years",
    "weight_kg",
    "length_of_stay_days",
    "cytokine.il_6",
    "cytokine.il_8",
    "cytokine.sil_2r",
    "lab.crp",
    "lab.ferritin",
    "lab.alt",
    "lab.bnp",
    "lab.platelets",
    "lab.hemoglobin",
)
PAIRED = tuple(f"{name}.{part}" for name in ("lvef", "strain") for part in ("first", "follow_up"))
GROUPS = ("ivig_monotherapy", "ivig_anakinra")
FEVER = "defervescence.admission"
_DERIVERS = Derivers(load_rulebook())


def text_of(number: int, size: int = CHUNK) -> bytes:
    """Write one chunk of the synthetic cohort as NDJSON."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in chunk(number, size))


def taken(texts: Iterator[bytes]) -> Iterator[NewPatient]:
    """Read, check and derive: what an import does with what was sent."""
    yield from Intake(read_record, _DERIVERS.default).patients(ndjson_rows(texts))


def _made(number: int, size: int) -> list[NewPatient]:
    try:
        return list(taken(iter([text_of(number, size)])))
    except RowsRefusedError as exc:
        # Said here: this exception does not pass from one process to another.
        raise RuntimeError(f"chunk {number}: {exc.errors}") from None


def patients(size: int, processes: int) -> Iterator[NewPatient]:
    """Yield the patients of a cohort in order, made in several processes."""
    asked = [(number, min(CHUNK, size - number * CHUNK)) for number in range(-(-size // CHUNK))]
    if processes == 1:
        for number, part in asked:
            yield from _made(number, part)
        return
    with get_context("spawn").Pool(processes) as pool:
        waiting = [pool.apply_async(_made, one) for one in asked[: 2 * processes]]
        rest = iter(asked[2 * processes :])
        while waiting:
            yield from waiting.pop(0).get()
            if (following := next(rest, None)) is not None:
                waiting.append(pool.apply_async(_made, following))


def database(path: Path) -> CohortDatabase:
    """Make an empty, migrated SQLite database."""
    migrate(f"sqlite:///{path}")
    return CohortDatabase(f"sqlite:///{path}", timeout_seconds=60)


def load(path: Path, size: int) -> tuple[str, float]:
    """Load a cohort in one transaction and keep its columns beside it; returns its id and the seconds."""
    columns = Columns(size)
    held = database(path)
    started = time.perf_counter()
    with held.store.write() as writer:
        cohort = writer.create(f"Synthetic, {size}", None, rules_of(_DERIVERS.default))
        processes = 1 if size <= 10 * CHUNK else os.cpu_count() or 1
        writer.add(cohort, columns.watched(patients(size, processes)))
    seconds = time.perf_counter() - started
    held.dispose()
    columns.write(path.with_suffix(".npz"))
    return cohort.id, seconds


class Columns:
    """The derived values as the peers take them: columns of doubles, NaN where unknown, the two study groups alone."""

    def __init__(self, size: int) -> None:
        self._names = [*BINARY, *CONTINUOUS, *PAIRED]
        self._values = np.full((len(self._names) + 2, size), np.nan)
        self._group = np.full(size, -1, dtype=np.int8)

    def watched(self, rows: Iterator[NewPatient]) -> Iterator[NewPatient]:
        """Hand the rows on and take down their values."""
        units = [10.0 ** CATALOGUE[name].digits for name in self._names]
        for place, row in enumerate(rows):
            values = row.derived.values
            if row.derived.stratum.treatment in GROUPS:
                self._group[place] = GROUPS.index(row.derived.stratum.treatment)
            for line, name in enumerate(self._names):
                if name in values:
                    self._values[line, place] = values[name] / units[line]
            for happened, outcome in ((1, "event"), (0, "censored")):
                if (hours := values.get(f"{FEVER}.{outcome}")) is not None:
                    self._values[-2:, place] = hours / 10, happened
            yield row

    def write(self, path: Path) -> None:
        """Keep the columns for the peers."""
        kept = self._group >= 0
        prefix = dict.fromkeys(BINARY, "b") | dict.fromkeys(CONTINUOUS, "c") | dict.fromkeys(PAIRED, "p")
        named = {f"{prefix[name]}:{name}": self._values[line, kept] for line, name in enumerate(self._names)}
        np.savez(
            path,
            group=self._group[kept],
            **named,
            **{"s:time": self._values[-2, kept], "s:event": self._values[-1, kept]},
        )


def writing(path: Path, size: int) -> tuple[float, float]:
    """Measure rows per second of the store's own writing, and of a plain executemany of the same rows into SQLite."""
    made = list(patients(size, 1))
    held, rules = database(path), rules_of(_DERIVERS.default)
    held.warm_up()
    with held.store.write() as writer:
        writer.add(writer.create("Warm", None, rules), made[:100])
    started = time.perf_counter()
    with held.store.write() as writer:
        writer.add(writer.create("Written", None, rules), made)
    ours = size / (time.perf_counter() - started)
    held.dispose()
    with sqlite3.connect(path) as source:
        rows = source.execute(
            "SELECT * FROM patients WHERE cohort_number = (SELECT max(number) FROM cohorts) ORDER BY position"
        ).fetchall()
    source.close()
    return ours, size / _plainly(path.with_name("plain.db"), rows)


def _plainly(path: Path, rows: list[tuple[object, ...]]) -> float:
    """Write the same rows as the driver does, with the same pragmas, keys and constraints, in one transaction."""
    migrate(f"sqlite:///{path}")
    target = sqlite3.connect(path, isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=NORMAL")
    started = time.perf_counter()
    target.execute("BEGIN IMMEDIATE")
    places = ", ".join("?" * len(rows[0]))
    target.executemany(f"INSERT INTO patients VALUES ({places})", rows)  # noqa: S608  # question marks
    target.execute("COMMIT")
    seconds = time.perf_counter() - started
    target.close()
    return seconds
