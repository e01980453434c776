"""Build the study cohort (`python -m app.cohorts.study.build`); with `--check`, say whether it comes out the same."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from app.cohorts.study import FILE, study_cohort_bytes
from app.cohorts.study.assembly import cohort
from app.cohorts.study.solution import solve

PATH: Final = Path(__file__).with_name(FILE)


def built() -> bytes:
    """Search, assemble and write: the bytes of the file."""
    return written(cohort(solve()))


def written(found: dict[str, Any]) -> bytes:
    """Write a cohort as JSON, a patient a line."""
    lines = ",\n".join(json.dumps(patient, separators=(",", ":")) for patient in found["patients"])
    head = json.dumps({"name": found["name"], "description": found["description"]}, indent=1)
    return f'{head[:-2]},\n "patients": [\n{lines}\n]}}\n'.encode()


def main() -> int:
    """Write the file, or compare with it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m app.cohorts.study.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file; exit 1 when it differs")
    if not parser.parse_args().check:
        PATH.write_bytes(built())
        return 0
    if built() == study_cohort_bytes():
        return 0
    sys.stderr.write(f"{FILE} differs from what the searches find; build it again\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
