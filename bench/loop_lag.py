"""What light calls wait for while the heaviest request of each kind is answered: `python -m bench.loop_lag`.

One light call after the other over one connection, as fast as they are answered, beside one heavy request. What counts
is the longest wait: how long the heavy request held the event loop or the interpreter at a stretch.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator

from bench.server import running

ROWS = 1_000_000
DOSE = json.dumps({"weight_kg": 25, "critically_ill": True}).encode()
JSON = {"Content-Type": "application/json"}


def bodies() -> Iterator[tuple[str, str, str, bytes | None]]:
    """Yield name, method, path and body of heavy requests."""
    drawn = random.Random(7)  # noqa: S311  # numbers to count, no secrets
    times = [round(drawn.uniform(0, 300), 1) for _ in range(ROWS)]
    events = [drawn.random() < 0.5 for _ in range(ROWS)]
    half = ROWS // 2
    groups = [
        {"label": "a", "durations": times[:half], "events": events[:half]},
        {"label": "b", "durations": times[half:], "events": events[half:]},
    ]
    yield "log-rank, 1,000,000 rows", "POST", "/v1/statistics/log-rank", _json({"groups": groups})
    yield "restricted mean, 1,000,000 rows", "POST", "/v1/statistics/restricted-mean", _json({"groups": groups})
    whole = {"durations": times, "events": events}
    yield "kaplan-meier, 1,000,000 rows", "POST", "/v1/statistics/kaplan-meier", _json(whole)
    yield "summary, 1,000,000 values", "POST", "/v1/statistics/summary", _json({"values": times})
    ranks = {"x": times[:half], "y": times[half:]}
    yield "mann-whitney, 1,000,000 values", "POST", "/v1/statistics/mann-whitney", _json(ranks)
    pairs = {"before": times[:half], "after": times[half:]}
    yield "wilcoxon, 500,000 pairs", "POST", "/v1/statistics/wilcoxon-signed-rank", _json(pairs)
    wrong = {"values": ["x"] * ROWS}
    yield "summary, 1,000,000 texts for numbers", "POST", "/v1/statistics/summary", _json(wrong)
    columns = {
        "term": ["neutrophil_count_decreased"] * ROWS,
        "value": times,
        "unit": ["10*3/uL"] * ROWS,
        "lower_limit": [1.5] * ROWS,
    }
    yield "ctcae, columns of 1,000,000", "POST", "/v1/ctcae/grade/batch", _json({"version": "5.0", "columns": columns})
    record = {"term": "neutrophil_count_decreased", "value": 0.8, "unit": "10*3/uL", "lower_limit": 1.5}
    records = _json({"version": "5.0", "records": [record] * 300_000})
    yield "ctcae, 300,000 records", "POST", "/v1/ctcae/grade/batch", records
    yield "phenotype, 5,000 children", "POST", "/v1/phenotype/batch", _json({"items": [{"age_years": 8}] * 5_000})
    yield "fisher 4 x 4", "POST", "/v1/statistics/fisher-exact", _json({"table": _table()})
    yield "whole analysis", "GET", "/v1/cohorts/study/analysis", None
    yield "figure as SVG", "GET", "/v1/cohorts/study/figures/cytokines.svg", None
    yield "report", "GET", "/v1/cohorts/study/report?by=treatment", None
    yield "export as CSV", "GET", "/v1/cohorts/study/export?format=csv", None


def _table() -> list[list[int]]:
    return [[12, 9, 7, 5], [8, 14, 6, 9], [5, 6, 15, 8], [9, 4, 7, 12]]


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def rows() -> Iterator[str]:
    """Measure, and yield one line of a table per heavy request."""
    yield "| heavy request | body, MB | answer after, s | status | light calls | median, ms | p99, ms | longest, ms |"
    yield "|---|---|---|---|---|---|---|---|"
    with running("app.main:app") as (port, _):
        ask(port, "GET", "/v1/cohorts/study/report", None)
        for name, method, path, body in bodies():
            yield _row(port, name, method, path, body)


def _row(port: int, name: str, method: str, path: str, body: bytes | None) -> str:
    ended, waits = threading.Event(), list[float]()
    light = threading.Thread(target=_light, args=(port, ended, waits))
    light.start()
    started = time.perf_counter()
    status = ask(port, method, path, body)
    seconds = time.perf_counter() - started
    ended.set()
    light.join()
    waits.sort()
    milliseconds = [1000 * w for w in waits]
    p99 = milliseconds[int(0.99 * len(milliseconds))]
    return (
        f"| {name} | {len(body or b'') / 1e6:.1f} | {seconds:.2f} | {status} | {len(waits)} "
        f"| {statistics.median(milliseconds):.1f} | {p99:.1f} | {milliseconds[-1]:.1f} |"
    )


def ask(port: int, method: str, path: str, body: bytes | None) -> int:
    """Send a request, read its answer to the end, and return its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request(method, path, body, JSON if body else {})
        answer = connection.getresponse()
        while answer.read(1_000_000):
            pass
        return answer.status
    finally:
        connection.close()


def _light(port: int, ended: threading.Event, waits: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    while not ended.is_set() or not waits:
        started = time.perf_counter()
        connection.request("POST", "/v1/anakinra/dose", DOSE, JSON)
        connection.getresponse().read()
        waits.append(time.perf_counter() - started)
        time.sleep(0.002)
    connection.close()


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
    sys.exit(0)
