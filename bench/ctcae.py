"""CTCAE: grades per second in columns and streams, beside a grader that takes one record after the other.

The reference peer, admiral in R, was measured once at about 0.22 million rows per second; it is not run here.
"""

from __future__ import annotations

import json
import random
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from app.clinical.ctcae.bulk.columns import Columns, judge_columns
from app.clinical.ctcae.bulk.names import numbered, place_names
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import record_model
from app.clinical.rulebook import load_rulebook
from bench.server import running

ROUNDS = 5
SIZES = (10_000, 100_000, 1_000_000)
TERMS = (
    ("neutrophil_count_decreased", "10*3/uL", 0.2, 8.0, 1.5, None),
    ("platelet_count_decreased", "K/uL", 10.0, 400.0, 150.0, None),
    ("alanine_aminotransferase_increased", "U/L", 10.0, 900.0, None, 40.0),
    ("anemia", "g/dL", 6.0, 15.0, 11.5, None),
    ("hyperkalemia", "mmol/L", 3.0, 7.5, None, 5.0),
)


def made(size: int) -> dict[str, list[Any]]:
    """Draw columns of records, the same in every run."""
    draw = random.Random(7)  # noqa: S311 - data for a benchmark
    rows = [draw.choice(TERMS) for _ in range(size)]
    return {
        "term": [r[0] for r in rows],
        "value": [round(draw.uniform(r[2], r[3]), 2) for r in rows],
        "unit": [r[1] for r in rows],
        "lower_limit": [r[4] for r in rows],
        "upper_limit": [r[5] for r in rows],
        "baseline": [None if r[5] is None else r[5] * 0.8 for r in rows],
    }


def rows() -> Iterator[str]:
    """Measure, and yield the lines of the results table."""
    yield "| what | records | per second (median) | of one by one |"
    yield "|---|---|---|---|"
    floor = _one_by_one()
    yield f"| one record after the other, in process | 10,000 | {floor:,.0f} | 1 |"
    for size in SIZES:
        yield _row("columns from arrays, in process", size, _rate(_in_process(size), size), floor)
    with running("app.main:app") as (port, _):
        for size in SIZES:
            columns = made(size)
            body = json.dumps({"version": "5.0", "columns": columns}).encode()
            yield _row("columns through HTTP", size, _rate(_posting(port, body, "application/json"), size), floor)
        names = list(columns)
        lines = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)][:100_000]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        yield _row("NDJSON through HTTP", 100_000, _rate(_posting(port, body, "application/x-ndjson"), 100_000), floor)


def _row(what: str, size: int, rate: float, floor: float) -> str:
    return f"| {what} | {size:,} | {rate:,.0f} | {rate / floor:.0f} |"


def _rate(work: Callable[[], object], size: int) -> float:
    work()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return size / statistics.median(seconds)


def _one_by_one() -> float:
    grader = Grader(load_rulebook())
    model = record_model(grader.facts.values(), ())
    columns = made(10_000)
    records = [model(**dict(zip(columns, v, strict=True))) for v in zip(*columns.values(), strict=True)]
    return _rate(lambda: [grader.grade(r) for r in records], len(records))


def _in_process(size: int) -> Callable[[], object]:
    grader = Grader(load_rulebook())
    columns = made(size)
    placed = place_names(grader, grader.versions("5.0"), numbered(columns["term"]), numbered(columns["unit"]))
    names = ("value", "lower_limit", "upper_limit", "baseline")
    numbers = [np.array([np.nan if v is None else v for v in columns[n]]) for n in names]
    sent = Columns(placed.place, placed.placements, [*numbers, None], {})
    return lambda: judge_columns(sent)


def _posting(port: int, body: bytes, content_type: str) -> Callable[[], object]:
    address = f"http://127.0.0.1:{port}/v1/ctcae/grade/batch"
    request = urllib.request.Request(address, body, {"Content-Type": content_type})  # our own server
    return lambda: urllib.request.urlopen(request, timeout=120).read()  # noqa: S310  # as above
