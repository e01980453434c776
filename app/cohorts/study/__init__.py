"""The synthetic study cohort: 46 invented patients who give the study's printed numbers.

No patient of the study is in it. `python -m app.cohorts.study.build` makes it, and docs/decisions/0036-study-cohort.md
says which readings were chosen. Study: Dizon BLP et al., Pediatr Rheumatol 2023;21:76, doi 10.1186/s12969-023-00858-z.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

FILE: Final = "study_cohort.json"


def study_cohort_bytes() -> bytes:
    """Return the cohort as JSON bytes, as they can be posted to /v1/cohorts."""
    return files(__name__).joinpath(FILE).read_bytes()


def study_cohort() -> dict[str, Any]:
    """Return the cohort as posted: `name`, `description` and `patients`; a fresh copy at each call."""
    found: dict[str, Any] = json.loads(study_cohort_bytes())
    return found


def study_records() -> list[dict[str, Any]]:
    """Return the 46 patient records alone, `SYN-01` to `SYN-46`."""
    records: list[dict[str, Any]] = study_cohort()["patients"]
    return records
