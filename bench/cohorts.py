"""Cohorts: the full analysis over HTTP beside tableone and pandas, what imports cost, and doses answered meanwhile.

One seeded cohort per size goes in by the service's own import path; peers get the same derived values as a table in
memory, in processes of their own, and make only tests they have (tableone: no curves, no pairs). Ours reads from the
database and answers everything: the tables, curves, pairs, and what is missing. Each of our requests asks another
confidence level, so that no kept answer is measured. `python -m bench cohorts:10000,100000` chooses the sizes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.cohorts.collector import calm_collector
from app.cohorts.derivers import rules_of
from app.database.schema import migrate
from bench import cohort_load, writing
from bench.generate import measurements, records
from bench.load import Count, post, requests_per_second
from bench.server import resident_mb, running

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 7
SAMPLE = 10_000
IMPORTED = 20_000
SCRIPT = Path(__file__).with_name("peers_cohort.py")
TABLEONE = "tableone==0.9.6"
DOSE = post("/v1/anakinra/dose", json.dumps({"weight_kg": 25, "critically_ill": True}).encode())


def rows(sizes: str = "") -> Iterator[str]:
    """Measure, and yield the lines of the results table."""
    chosen = [int(size) for size in sizes.split(",")] if sizes else list(SIZES)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        tableone = _tableone(home)
        if tableone is None:
            yield f"**tableone was left out**: `uv venv` and `uv pip install {TABLEONE}` (or venv and pip) failed."
            yield ""
        yield from _imports(home)
        yield ""
        yield "| patients | what | seconds (median) | range | x ours | peak MB |"
        yield "|---|---|---|---|---|---|"
        # What it costs to begin: as good as nobody is imported.
        start = cohort_load.load(home / "start.db", 100).processor
        for size in chosen:
            yield from _of_size(home, size, tableone, start)
        yield _doses_beside_an_import(home)


def _imports(home: Path) -> Iterator[str]:
    made = list(records(200))
    yield f"Measurements in a record: {statistics.mean(map(measurements, made)):.0f}."
    texts = list(cohort_load.texts(SAMPLE))
    for _ in cohort_load.taken(iter(texts[:1])):
        pass
    with calm_collector():
        derived = [_rates(lambda: deque(cohort_load.taken(iter(texts)), maxlen=0)) for _ in range(ROUNDS)]
    whole = [_rates(partial(_taken_in, home / f"whole-{round_}.db", texts)) for round_ in range(ROUNDS)]
    for what, rates in (("Reading, checking, deriving", derived), ("End to end, writing included", whole)):
        processor, clock = (statistics.median(found) for found in zip(*rates, strict=True))
        yield f"{what}: {processor:,.0f} patients per second of processor time ({clock:,.0f} by the clock)."
    yield ""
    yield from writing.rows()


def _rates(call: Callable[[], object]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return SAMPLE / (time.process_time() - processor), SAMPLE / (time.perf_counter() - clock)


def _taken_in(path: Path, texts: list[bytes]) -> None:
    """Take a text into a database as an import does, in one process: read, check, derive, write, count, commit."""
    held = cohort_load.database(path)
    with calm_collector(), held.store.write() as writer:
        writer.add(writer.create("Whole", None, rules_of(cohort_load.DERIVER)), cohort_load.taken(iter(texts)))
    held.dispose()
    path.unlink()


def _of_size(home: Path, size: int, tableone: str | None, start: float) -> Iterator[str]:
    path = home / f"cohort-{size}.db"
    cohort, seconds, processor, peak = cohort_load.load(path, size)
    yield (
        f"| {size:,} | `defervesce import`, one process: {size / seconds:,.0f} patients/s by the clock, "
        f"{(processor - start) / size * 1e6:,.0f} us of processor time a patient beyond the start's {start:.1f} s "
        f"| {seconds:,.1f} | | | {peak:,.0f} |"
    )
    ours = _served(path, cohort)
    first, taken, memory = ours["first"], ours["seconds"], ours["peak_mb"]
    middle = statistics.median(taken)
    yield f"| {size:,} | ours, first request of a fresh process | {first:.3f} | | {first / middle:.1f} | |"
    yield _row(size, "ours, whole analysis over HTTP", taken, middle, memory)
    yield _row(size, "ours, the same question again", ours["kept"], middle, memory)
    yield (
        f"| {size:,} | doses while analyses run: p99 {ours['p99'] * 1000:.1f} ms, {ours['doses']:,.0f}/s "
        f"(alone: p99 {ours['p99_alone'] * 1000:.1f} ms) | | | | |"
    )
    for name, python in (("tableone", tableone), ("pandas", sys.executable)):
        if python is not None:
            found = _peer(python, name, path.with_suffix(".npz"))
            versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
            yield _row(
                size,
                f"{name} ({versions}); imports {found['imports']:.1f} s",
                found["seconds"][-1:],
                middle,
                found["peak_mb"],
            )
    path.unlink()


def _row(size: int, what: str, seconds: list[float], ours: float, memory: float) -> str:
    middle = statistics.median(seconds)
    spread = f"{min(seconds):.3f} - {max(seconds):.3f}" if len(seconds) > 1 else ""
    return f"| {size:,} | {what} | {middle:.3f} | {spread} | {middle / ours:.1f} | {memory:,.0f} |"


def _served(path: Path, cohort: str) -> dict[str, Any]:
    with _environment(DEFERVESCE_DATABASE_URL=f"sqlite:///{path}"), running("app.main:app", ready="/readyz") as served:
        port, process = served
        asked = f"http://127.0.0.1:{port}/v1/cohorts/{cohort}/analysis?by=treatment"
        first = _seconds(asked)
        seconds = [_seconds(f"{asked}&confidence={0.951 + round_ / 1000:.3f}") for round_ in range(ROUNDS)]
        kept = [_seconds(asked) for _ in range(ROUNDS)]
        _, alone = requests_per_second(port, DOSE, 4, 2)
        count = _doses_meanwhile(port, asked)
        peak = _peak_mb(process.pid) or resident_mb(process.pid)
    return {
        "first": first,
        "seconds": seconds,
        "kept": kept,
        "p99_alone": _p99(alone),
        "p99": _p99(count),
        "doses": count.answers / 4,
        "peak_mb": peak,
    }


def _seconds(address: str) -> float:
    started = time.perf_counter()
    urllib.request.urlopen(address, timeout=600).read()  # noqa: S310  # our own server
    return time.perf_counter() - started


def _doses_meanwhile(port: int, asked: str) -> Count:
    """Ask doses for four seconds while analyses follow one another."""
    stop = threading.Event()

    def analyse() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            _seconds(f"{asked}&confidence={0.6 + (number % 300) / 1000:.3f}")

    worker = threading.Thread(target=analyse)
    worker.start()
    try:
        _, count = requests_per_second(port, DOSE, 4, 4)
    finally:
        stop.set()
        worker.join()
    return count


def _doses_beside_an_import(home: Path) -> str:
    """Ask doses for as long as the same service takes an import in."""
    body = b"".join(cohort_load.texts(IMPORTED))
    address = f"sqlite:///{home / 'beside.db'}"
    migrate(address)
    with _environment(DEFERVESCE_DATABASE_URL=address), running("app.main:app", ready="/readyz") as (port, process):
        asked = f"http://127.0.0.1:{port}{_empty_cohort(port)}/patients"
        sent = urllib.request.Request(asked, body, {"Content-Type": "application/x-ndjson"})
        _, alone = requests_per_second(port, DOSE, 4, 2)
        taken: list[float] = []

        def take() -> None:
            started = time.perf_counter()
            urllib.request.urlopen(sent, timeout=600).read()  # noqa: S310  # as above
            taken.append(time.perf_counter() - started)

        worker = threading.Thread(target=take)
        counts: list[Count] = []
        worker.start()
        while worker.is_alive():
            counts.append(requests_per_second(port, DOSE, 4, 0.5)[1])
        worker.join()
        peak = _peak_mb(process.pid)
    if not taken:
        raise RuntimeError("the import was refused")
    beside = Count(refused=sum(c.refused for c in counts), seconds=[one for c in counts for one in c.seconds])
    return (
        f"| {IMPORTED:,} | doses while an import runs over HTTP: p99 {_p99(beside) * 1000:.1f} ms, "
        f"{len(beside.seconds) / taken[0]:,.0f}/s (alone: p99 {_p99(alone) * 1000:.1f} ms) | {taken[0]:.1f} | | "
        f"| {peak:,.0f} |"
    )


def _empty_cohort(port: int) -> str:
    """Create a cohort and return its path."""
    made = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/v1/cohorts", b'{"name":"Beside"}', {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(made, timeout=60) as answer:  # noqa: S310  # as above
        return str(urlsplit(answer.headers["Location"]).path)


def _p99(count: Count) -> float:
    if count.refused:
        raise RuntimeError(f"{count.refused} doses were not answered")
    return sorted(count.seconds)[int(len(count.seconds) * 0.99)]


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next((int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def _peer(python: str, name: str, columns: Path) -> dict[str, Any]:
    run = subprocess.run([python, str(SCRIPT), name, str(columns)], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"the peer {name} failed:\n{run.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _tableone(home: Path) -> str | None:
    """Make an environment with tableone, and return its Python; None when that cannot be done here."""
    python = home / "tableone" / "bin" / "python"
    uv = shutil.which("uv")
    if uv is not None:
        steps = [[uv, "venv", str(home / "tableone")], [uv, "pip", "install", "--python", str(python), TABLEONE]]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(home / "tableone")],
            [str(python), "-m", "pip", "install", TABLEONE],
        ]
    done = all(subprocess.run(step, capture_output=True, check=False).returncode == 0 for step in steps)
    return str(python) if done else None


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
