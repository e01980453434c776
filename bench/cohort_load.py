"""A synthetic cohort into a database by the service's own command, and its columns for the peers.

The text is made in several processes; `defervesce import` takes it in as anybody's, in one process, and that is what is
measured: seconds, processor time, memory.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from app.api.cohort_service import read_record
from app.clinical.rulebook import load_rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.derivers import Derivers
from app.cohorts.intake.ndjson import ndjson_rows
from app.cohorts.intake.taking import Intake
from app.cohorts.store.model import NewPatient
from app.cohorts.strata import parse
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
# So many chunks are written sooner than other processes have started.
_FEW = 50
DERIVER = Derivers(load_rulebook()).default


def text_of(number: int, size: int = CHUNK) -> bytes:
    """Write one chunk of the synthetic cohort as NDJSON."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in chunk(number, size))


def taken(texts: Iterator[bytes]) -> Iterator[NewPatient]:
    """Read, check and derive: what an import does with what was sent."""
    yield from Intake(read_record, DERIVER).patients(ndjson_rows(texts))


def texts(size: int) -> Iterator[bytes]:
    """Write a cohort in order, chunk by chunk, in several processes where it is large."""
    asked = [(number, min(CHUNK, size - number * CHUNK)) for number in range(-(-size // CHUNK))]
    if len(asked) <= _FEW:
        yield from (text_of(*one) for one in asked)
        return
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap(_text, asked, chunksize=4)


def _text(asked: tuple[int, int]) -> bytes:
    return text_of(*asked)


def database(path: Path) -> CohortDatabase:
    """Make an empty, migrated SQLite database."""
    migrate(f"sqlite:///{path}")
    return CohortDatabase(f"sqlite:///{path}", timeout_seconds=60)


class Loaded(NamedTuple):
    """A cohort in a database, and what it took one process: seconds by the clock and of processor time, peak memory."""

    cohort: str
    seconds: float
    processor: float
    peak_mb: float


def load(path: Path, size: int) -> Loaded:
    """Load a cohort by `defervesce import`, in one transaction, and keep its columns beside it."""
    sent = path.with_suffix(".ndjson")
    with sent.open("wb") as file:
        file.writelines(texts(size))
    migrate(f"sqlite:///{path}")
    command = [sys.executable, "-m", "app.cli", "import", str(sent), "--name", f"Synthetic, {size}"]
    environment = {**os.environ, "DEFERVESCE_DATABASE_URL": f"sqlite:///{path}"}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status, used, peak = _waited(process.pid)
    seconds = time.perf_counter() - started
    if status:
        raise RuntimeError(f"the import of {size} patients failed")
    sent.unlink()
    with sqlite3.connect(path) as connection:
        number, cohort = connection.execute("SELECT number, id FROM cohorts ORDER BY number DESC").fetchone()
        columns = Columns(size)
        columns.take(connection.execute("SELECT stratum, measures FROM patients WHERE cohort_number = ?", (number,)))
    connection.close()
    columns.write(path.with_suffix(".npz"))
    return Loaded(cohort, seconds, used.ru_utime + used.ru_stime, peak)


def _waited(pid: int) -> tuple[int, resource.struct_rusage, float]:
    """Wait for a child; returns its status, what it used, and the most memory that it held, in MB.

    That is read while it runs: what the system tells at its end begins with what this process held at its start.
    """
    peak = 0.0
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            return status, used, peak
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
            peak = max([peak, *(float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)


class Columns:
    """The derived values as the peers take them: columns of doubles, NaN where unknown, the two study groups alone."""

    def __init__(self, size: int) -> None:
        self._names = [*BINARY, *CONTINUOUS, *PAIRED]
        self._values = np.full((len(self._names) + 2, size), np.nan)
        self._group = np.full(size, -1, dtype=np.int8)

    def take(self, rows: Iterable[tuple[str, str]]) -> None:
        """Take down the values of patients: stratum, and values as they are kept."""
        units = [10.0 ** CATALOGUE[name].digits for name in self._names]
        decode = msgspec.json.Decoder(dict[str, int]).decode
        for place, (stratum, measures) in enumerate(rows):
            values, treatment = decode(measures), parse(stratum).treatment
            if treatment in GROUPS:
                self._group[place] = GROUPS.index(treatment)
            for line, name in enumerate(self._names):
                if name in values:
                    self._values[line, place] = values[name] / units[line]
            for happened, outcome in ((1, "event"), (0, "censored")):
                if (hours := values.get(f"{FEVER}.{outcome}")) is not None:
                    self._values[-2:, place] = hours / 10, happened

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
