"""Start: seconds from a fresh interpreter to the first ready answer, and resident memory then."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.server import resident_mb, running

RUNS = 5
IMPORT = "import time; t = time.perf_counter(); import app.main; print(time.perf_counter() - t)"


def rows() -> Iterator[str]:
    """Measure, and yield the lines of the results table."""
    yield "| what | median | range |"
    yield "|---|---|---|"
    imports, readies, memory = [], [], []
    for _ in range(RUNS):
        run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
        imports.append(float(run.stdout))
        started = time.perf_counter()
        with running("app.main:app", ready="/readyz") as (_, process):
            readies.append(time.perf_counter() - started)
            memory.append(resident_mb(process.pid))
    yield _row("import and build the app, s", imports)
    yield _row("process start to `/readyz`, s (interpreter and uvicorn included)", readies)
    yield _row("resident at ready, MB", memory)


def _row(what: str, values: list[float]) -> str:
    return f"| {what} | {statistics.median(values):.2f} | {min(values):.2f} - {max(values):.2f} |"
