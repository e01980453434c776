"""Mixed traffic for minutes: `python -m bench.sustained [--minutes 10] [--rate 2] [--database URL]`, or `make load`.

A real server (`defervesce serve`, one process) answers doses, phenotypes, grades, batches, tests, analyses, figures,
imports, exports and deletions at a multiple of the rated load. Requests begin when they are due, whether or not earlier
ones are answered: a service that falls behind is seen to. Reported are statuses, the latency of each kind, and resident
memory in the first and the last third. Anything but success, 429 and 503 is an error, and so is memory that grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.server import free_port, resident_mb

RATED = 30
"""Requests a second of this mixture that one process is rated for: see docs/decisions/0051-load.md."""
MOST_WAITING = 400
COHORTS = 200
YOUNGEST = 10
GROWTH = 1.10
NDJSON = "application/x-ndjson"
JSON = "application/json"
LIGHT = frozenset({"dose", "phenotype", "grade", "cohort", "patients"})


def record(number: int) -> dict[str, object]:
    """Return one invented patient."""
    return {
        "patient_id": f"SYN-{number}",
        "age_years": 2 + number % 15,
        "sex": "male" if number % 2 else "female",
        "weight_kg": 12 + number % 50,
        "phenotype": {"kd_like": bool(number % 3), "cv_shock": not number % 3},
        "treatment": {
            "ivig": {"dose_g_kg": 2, "ended_hour": 20},
            "anakinra": {"started_hour": 26} if number % 2 else None,
        },
        "defervescence": {"hours": 20 + number % 90, "observed": number % 5 > 0},
        "echocardiograms": [
            {"day": 1, "lvef_percent": 40 + number % 25},
            {"day": 11, "lvef_percent": 55 + number % 10},
        ],
        "labs": [{"analyte": "crp", "value": 20 + number % 200, "unit": "mg/L", "hour": 2}],
        "adverse_events": [{"term": "alanine_aminotransferase_increased", "grade": 1 + number % 3}],
    }


@dataclass
class Seen:
    """What a run saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    waiting: int = 0
    not_begun: int = 0


class Client:
    """A few kept connections, used by whoever needs one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = JSON, **more: str) -> tuple[int, bytes]:
        """Send a request and read its whole answer; a kept connection that was closed meanwhile is replaced."""
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        head += [f"Content-Type: {kind}"] * bool(body) + [f"{n.replace('_', '-')}: {v}" for n, v in more.items()]
        sent = ("\r\n".join(head) + "\r\n\r\n").encode() + body
        while self._idle:
            try:
                return await self._exchange(self._idle.pop(), sent)
            except (asyncio.IncompleteReadError, ConnectionError) as exc:
                if getattr(exc, "partial", b""):
                    raise
        return await self._exchange(await asyncio.open_connection("127.0.0.1", self._port), sent)

    async def _exchange(
        self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], sent: bytes
    ) -> tuple[int, bytes]:
        reader, writer = connection
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head[9:12])
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        body = b""
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        elif "content-length" in fields and status not in {204, 304}:
            body = await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append(connection)
        return status, body


class Traffic:
    """Draws requests of a fixed mixture, the same in every run."""

    def __init__(self, client: Client, seen: Seen) -> None:
        self._client = client
        self._seen = seen
        self._drawn = random.Random(1)  # noqa: S311  # a mixture, no secret
        self._cohorts: list[str] = []
        self._number = 0
        columns = {
            "term": ["neutrophil_count_decreased"] * 2_000,
            "value": [round(self._drawn.uniform(0.1, 9), 2) for _ in range(2_000)],
            "unit": ["10*3/uL"] * 2_000,
            "lower_limit": [1.5] * 2_000,
        }
        self._columns = json.dumps({"version": "5.0", "columns": columns}).encode()
        values = [round(self._drawn.uniform(0, 99), 1) for _ in range(400)]
        self._ranks = json.dumps({"x": values[:200], "y": values[200:]}).encode()
        self._mixture: tuple[tuple[str, int, Callable[[], object]], ...] = (
            ("dose", 480, self._dose),
            ("phenotype", 200, lambda: self._post("/v1/phenotype", {"age_years": 8, "fever": {"duration_hours": 120}})),
            ("grade", 140, self._grade),
            ("cohort", 40, lambda: self._get("")),
            ("patients", 40, lambda: self._get("/patients?limit=20")),
            ("test", 20, lambda: self._client.ask("POST", "/v1/statistics/mann-whitney", self._ranks)),
            ("grade batch", 10, lambda: self._client.ask("POST", "/v1/ctcae/grade/batch", self._columns)),
            ("analysis", 20, lambda: self._get("/analysis?by=treatment")),
            ("figure", 5, lambda: self._get("/figures/lvef.svg")),
            ("report", 1, lambda: self._get("/report")),
            ("export", 10, lambda: self._get("/export?format=csv")),
            ("import", 14, self._import),
            ("turnover", 20, self._turnover),
        )

    def draw(self) -> tuple[str, Callable[[], object]]:
        """Return the kind of the next request, and what sends it."""
        (found,) = self._drawn.choices(self._mixture, [share for _, share, _ in self._mixture])
        return found[0], found[2]

    async def start(self) -> None:
        """Make the cohorts that are there from the beginning, and ask everything once."""
        while len(self._cohorts) < COHORTS:
            await self._turnover()
        # What is loaded with its first use is loaded before memory is watched.
        for _, _, send in self._mixture:
            await send()  # type: ignore[misc]  # every one of the mixture is a coroutine

    def _post(self, path: str, body: object) -> object:
        return self._client.ask("POST", path, json.dumps(body).encode())

    def _dose(self) -> object:
        return self._post("/v1/anakinra/dose", {"weight_kg": self._drawn.randint(5, 70), "critically_ill": True})

    def _grade(self) -> object:
        wanted = {"term": "neutrophil_count_decreased", "value": 0.8, "unit": "10*3/uL", "lower_limit": 1.5}
        return self._post("/v1/ctcae/grade", wanted)

    def _get(self, part: str) -> object:
        # The youngest are not about to be deleted.
        return self._client.ask("GET", f"/v1/cohorts/{self._drawn.choice(self._cohorts[-YOUNGEST:])}{part}")

    def _import(self) -> object:
        self._number += 1
        rows = "\n".join(json.dumps(record(n) | {"patient_id": f"I{self._number}-{n}"}) for n in range(30))
        cohort = self._drawn.choice(self._cohorts[-YOUNGEST:])
        return self._client.ask("POST", f"/v1/cohorts/{cohort}/patients", rows.encode(), NDJSON)

    async def _turnover(self) -> tuple[int, bytes]:
        """Make a cohort, and delete the oldest once there are enough."""
        self._number += 1
        body = {"name": f"load {self._number}", "patients": [record(n) for n in range(30)]}
        status, said = await self._client.ask("POST", "/v1/cohorts", json.dumps(body).encode())
        if status == 201:
            self._cohorts.append(json.loads(said)["id"])
        if len(self._cohorts) <= COHORTS:
            return status, said
        oldest = self._cohorts.pop(0)
        deleted, _ = await self._client.ask("DELETE", f"/v1/cohorts/{oldest}", If_Match="*")
        self._seen.statuses["delete"][deleted] += 1
        if deleted not in {204, 429, 503}:
            self._seen.errors[f"delete: {deleted}"] += 1
        return status, said


async def run(port: int, pid: int, rate: float, seconds: float) -> Seen:
    """Send so many requests a second for so long."""
    seen = Seen()
    traffic = Traffic(Client(port), seen)
    await traffic.start()
    started = time.perf_counter()
    measuring = asyncio.ensure_future(_measure(seen, pid))
    under_way: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        wait = started + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        kind, send = traffic.draw()
        if len(under_way) >= MOST_WAITING:
            seen.not_begun += 1
            continue
        task = asyncio.ensure_future(_one(seen, kind, send))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        seen.waiting = max(seen.waiting, len(under_way))
    await asyncio.gather(*under_way)
    measuring.cancel()
    return seen


async def _one(seen: Seen, kind: str, send: Callable[[], object]) -> None:
    started = time.perf_counter()
    try:
        status, body = await send()  # type: ignore[misc]  # every one of the mixture is a coroutine
    except Exception as exc:  # noqa: BLE001  # whatever went wrong is what is reported
        seen.errors[f"{kind}: {type(exc).__name__}"] += 1
        return
    seen.seconds[kind].append(time.perf_counter() - started)
    seen.statuses[kind][status] += 1
    if status >= 300 and status not in {429, 503}:
        seen.errors[f"{kind}: {status} {body[:200].decode(errors='replace')}"] += 1


async def _measure(seen: Seen, pid: int) -> None:
    while True:
        seen.memory.append(resident_mb(pid))
        await asyncio.sleep(1)


def lines(seen: Seen, rate: float, seconds: float) -> list[str]:
    """Write what was seen."""
    total = sum(map(len, seen.seconds.values()))
    light = sorted(s for kind, found in seen.seconds.items() if kind in LIGHT for s in found)
    third = len(seen.memory) // 3
    first, last = (statistics.median(part) for part in (seen.memory[:third], seen.memory[-third:]))
    said = [
        f"{rate:g} requests/s for {seconds / 60:g} minutes: {total} answered, at most {seen.waiting} at once.",
        f"Not begun, because {MOST_WAITING} were waiting: {seen.not_begun}.",
        f"Light calls: {_spread(light)}; longest {_at(light, 1)}.",
        f"Resident memory, MB: first third {first:.0f}, last third {last:.0f}, at most {max(seen.memory):.0f}.",
        f"Errors: {dict(seen.errors) or 'none'}.",
        "",
        "| kind | answers | latency | statuses |",
        "|---|---|---|---|",
    ]
    for kind, counted in seen.statuses.items():
        found = sorted(seen.seconds.get(kind, []))
        told = ", ".join(f"{status}: {number}" for status, number in sorted(counted.items()))
        said.append(f"| {kind} | {sum(counted.values())} | {_spread(found)} | {told} |")
    return said


def _spread(ordered: list[float]) -> str:
    return f"median {_at(ordered, 0.5)}, p95 {_at(ordered, 0.95)}, p99 {_at(ordered, 0.99)}" if ordered else ""


def _at(ordered: list[float], share: float) -> str:
    return f"{1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]:.1f} ms" if ordered else ""


def is_flat(memory: list[float]) -> bool:
    """Say whether memory is no more than a tenth larger in the last third than in the first."""
    third = len(memory) // 3
    return statistics.median(memory[-third:]) <= GROWTH * statistics.median(memory[:third])


def main() -> int:
    """Run as asked; the exit code is 1 when there were errors or memory grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.sustained")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=2, help=f"multiple of the rated load, {RATED} requests/s")
    parser.add_argument("--database", help="a migrated database; by default a temporary SQLite file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port, url = free_port(), options.database or f"sqlite:///{folder}/load.db"
        env = os.environ | {"DEFERVESCE_DATABASE_URL": url, "DEFERVESCE_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "app.cli", "serve", "--migrate", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        try:
            _await(port)
            seen = asyncio.run(run(port, process.pid, options.rate * RATED, options.minutes * 60))
        finally:
            process.terminate()
            process.wait(60)
    print("\n".join(lines(seen, options.rate * RATED, options.minutes * 60)))
    return 1 if seen.errors or not is_flat(seen.memory) else 0


def _await(port: int) -> None:
    async def ready() -> None:
        while True:
            try:
                if (await Client(port).ask("GET", "/readyz"))[0] == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)

    asyncio.run(asyncio.wait_for(ready(), 60))


if __name__ == "__main__":
    sys.exit(main())
