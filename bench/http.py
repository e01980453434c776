"""Our calculators against a bare FastAPI app with the same models that answers a constant, in one run.

Both run on one uvicorn worker; rounds alternate between them, so that a noisy machine disturbs both alike, and the
ratio of each pair of rounds is what counts: its median and its spread are printed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator

from bench.load import post, requests_per_second
from bench.peer import EXAMPLES
from bench.server import running

ROUNDS = 7
SECONDS = 2.0


def rows() -> Iterator[str]:
    """Measure, and yield one line of the results table per calculator and number of connections."""
    yield "| calculator | connections | ours, requests/s | bare FastAPI, requests/s | ratio (median) | ratio (range) |"
    yield "|---|---|---|---|---|---|"
    with running("app.main:app") as (ours, _), running("bench.peer:app", ready="/ready") as (bare, _):
        for path, body in EXAMPLES.items():
            request = post(path, json.dumps(body).encode())
            for connections in (1, 32):
                yield _row(path, connections, _pairs(ours, bare, request, connections))


def _pairs(ours: int, bare: int, request: bytes, connections: int) -> list[tuple[float, float]]:
    for port in (ours, bare):
        requests_per_second(port, request, connections, 0.5)
    pairs = []
    for _ in range(ROUNDS):
        a, seen = requests_per_second(ours, request, connections, SECONDS)
        b, peer_seen = requests_per_second(bare, request, connections, SECONDS)
        if seen.refused or peer_seen.refused:
            raise RuntimeError(f"{seen.refused} of ours and {peer_seen.refused} of the peer's were not 200")
        pairs.append((a, b))
    return pairs


def _row(path: str, connections: int, pairs: list[tuple[float, float]]) -> str:
    ratios = [a / b for a, b in pairs]
    ours, bare = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}"
    return f"| `{path}` | {connections} | {ours:,.0f} | {bare:,.0f} | {statistics.median(ratios):.2f} | {spread} |"
