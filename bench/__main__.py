"""Run the benchmarks: `python -m bench [http|ctcae|startup|cohorts ...]`; prints, and writes results.md when all ran.

A part may be given sizes: `cohorts:10000,100000`.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import cohorts, ctcae, http, startup

PARTS = {"startup": startup.rows, "http": http.rows, "ctcae": ctcae.rows, "cohorts": cohorts.rows}
RESULTS = Path(__file__).parent / "results.md"


def main(names: list[str]) -> None:
    lines = ["# Benchmark results", "", _header(), ""]
    print("\n".join(lines), flush=True)
    for name in names or PARTS:
        lines += [f"## {name}", ""]
        print(f"## {name}\n", flush=True)
        part, _, sizes = name.partition(":")
        for row in PARTS[part](*filter(None, [sizes])):
            lines.append(row)
            print(row, flush=True)
        lines.append("")
    if not names:
        RESULTS.write_text("\n".join(lines))


def _header() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("fastapi", "pydantic", "uvicorn", "numpy"))
    sha = commit.stdout.strip() or "unknown"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {sha}, Python {platform.python_version()}, {versions}."
        f" Ratios within one run are what counts; absolute figures wander on shared machines."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
