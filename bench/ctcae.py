"""CTCAE: grades per second in columns and as records, beside a plain Python function that grades row by row.

The peer is what one would write by hand for these five terms: a chain of comparisons at 15 significant digits, one row
at a time, without any check of the input. It gives the grade only; its grades are compared with ours first.
admiral in R grades some 0.22 million rows per second: that figure was stated elsewhere, it is not measured here.
"""

from __future__ import annotations

import json
import random
import statistics
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from app.api.ctcae_columns import answer_columns
from app.clinical.ctcae.bulk.columns import Columns, judge_columns
from app.clinical.ctcae.bulk.names import numbered, place_names
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import record_model
from app.clinical.rulebook import load_rulebook
from bench.server import running

ROUNDS = 5
SIZES = (10_000, 100_000, 1_000_000)
STATED_ADMIRAL = 220_000
TERMS = (
    ("neutrophil_count_decreased", "10*3/uL", 0.2, 8.0, 1.5, None),
    ("platelet_count_decreased", "K/uL", 10.0, 400.0, 150.0, None),
    ("alanine_aminotransferase_increased", "U/L", 10.0, 900.0, None, 40.0),
    ("anemia", "g/dL", 6.0, 15.0, 11.5, None),
    ("hyperkalemia", "mmol/L", 3.0, 7.5, None, 5.0),
)
NUMBERS = ("value", "lower_limit", "upper_limit", "baseline")


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
    grader = Grader(load_rulebook())
    yield "| what | records | records/s (median) | records/s (range) | x the peer |"
    yield "|---|---|---|---|---|"
    floor = _rates(_by_the_peer(grader), 100_000)
    yield _row("the peer: plain Python, row by row, no checks", 100_000, floor, floor)
    yield _row("one record after the other, whole answers", 2_000, _rates(_one_by_one(grader), 2_000), floor)
    for size in SIZES:
        yield _row("columns, from arrays", size, _rates(_from_arrays(grader, size), size), floor)
    yield _row("columns, from lists", SIZES[-1], _rates(_from_lists(grader, SIZES[-1]), SIZES[-1]), floor)
    yield _row("columns, from JSON to JSON", SIZES[-1], _rates(_from_json(grader, SIZES[-1]), SIZES[-1]), floor)
    with running("app.main:app") as (port, _):
        for size in SIZES:
            yield _row("columns through HTTP", size, _rates(_posting(port, _columns(size)), size), floor)
        for size in SIZES[:2]:
            work = _posting(port, _lines(size), "application/x-ndjson")
            yield _row("NDJSON through HTTP", size, _rates(work, size), floor)
    yield ""
    yield f"admiral in R: {STATED_ADMIRAL:,} rows/s stated for 1,000,000 rows, not measured in this run."


def _row(what: str, size: int, rates: list[float], floor: list[float]) -> str:
    middle = statistics.median(rates)
    ratio = middle / statistics.median(floor)
    return f"| {what} | {size:,} | {middle:,.0f} | {min(rates):,.0f} - {max(rates):,.0f} | {ratio:.2f} |"


def _rates(work: Callable[[], object], size: int) -> list[float]:
    work()
    found = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        found.append(size / (time.perf_counter() - started))
    return found


def _by_the_peer(grader: Grader) -> Callable[[], list[int]]:
    columns = made(100_000)
    rows_ = list(zip(*(columns[n] for n in ("term", *NUMBERS)), strict=True))
    ours = judge_columns(_placed(grader, columns)).grade.tolist()
    if [_peer(*row) for row in rows_] != ours:
        raise RuntimeError("the peer grades otherwise: the benchmark would compare apples with pears")
    return lambda: [_peer(*row) for row in rows_]


def _peer(term: str, value: float, lower: float | None, upper: float | None, baseline: float | None) -> int:
    grade = 0
    v = float(f"{value:.15g}")
    if term == "neutrophil_count_decreased":
        grade = 4 if v < 0.5 else 3 if v < 1 else 2 if v < 1.5 else 1 if lower is not None and v < lower else 0
    elif term == "platelet_count_decreased":
        grade = 4 if v < 25 else 3 if v < 50 else 2 if v < 75 else 1 if lower is not None and v < lower else 0
    elif term == "anemia":
        grade = 3 if v < 8 else 2 if v < 10 else 1 if lower is not None and v < lower else 0
    elif term == "hyperkalemia":
        grade = 4 if v > 7 else 3 if v > 6 else 2 if v > 5.5 else 1 if upper is not None and v > upper else 0
    elif upper is not None:
        abnormal = baseline is not None and baseline > upper
        over = baseline if abnormal and baseline is not None else upper
        for bound, reached in ((1.5 if abnormal else 1, 1), (3, 2), (5, 3), (8 if abnormal else 20, 4)):
            if v > float(f"{bound * over:.15g}"):
                grade = reached
    return grade


def _one_by_one(grader: Grader) -> Callable[[], object]:
    model = record_model(grader.facts.values(), ())
    columns = made(2_000)
    records = [model(**dict(zip(columns, v, strict=True))) for v in zip(*columns.values(), strict=True)]
    return lambda: [grader.grade(r) for r in records]


def _placed(grader: Grader, columns: dict[str, list[Any]]) -> Columns:
    placed = place_names(grader, grader.versions("5.0"), numbered(columns["term"]), numbered(columns["unit"]))
    numbers = [np.array(columns[n], np.float64) for n in NUMBERS]
    return Columns(placed.place, placed.placements, [*numbers, None], {})


def _from_arrays(grader: Grader, size: int) -> Callable[[], object]:
    sent = _placed(grader, made(size))
    return lambda: judge_columns(sent)


def _from_lists(grader: Grader, size: int) -> Callable[[], object]:
    columns = made(size)
    return lambda: judge_columns(_placed(grader, columns)).grade.tolist()  # noqa: PLW0108  # all of it is measured


def _from_json(grader: Grader, size: int) -> Callable[[], object]:
    body = _columns(size)
    version = grader.versions("5.0")

    def work() -> object:
        sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["columns"]
        columns = msgspec.json.decode(sent, type=dict[str, msgspec.Raw])
        return b"".join(answer_columns(grader, version, columns, override=False, most=size))

    return work


def _columns(size: int) -> bytes:
    return json.dumps({"version": "5.0", "columns": made(size)}).encode()


def _lines(size: int) -> bytes:
    columns = made(size)
    lines = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return "\n".join(map(json.dumps, lines)).encode()


def _posting(port: int, body: bytes, content_type: str = "application/json") -> Callable[[], object]:
    address = f"http://127.0.0.1:{port}/v1/ctcae/grade/batch"
    request = urllib.request.Request(address, body, {"Content-Type": content_type})
    return lambda: urllib.request.urlopen(request, timeout=120).read()  # noqa: S310  # our own server
