"""A process that forks children which import a cohort, to be killed: `python -m tests.faults.victim URL PATIENTS`.

It reads a key per line and forks a child for it. The child does what a request with that Idempotency-Key does, and
tells how far it is: its process id, `commit` right before the commit, `answered ID` once the answer would leave.
"""

from __future__ import annotations

import io
import json
import os
import sys

import sqlalchemy as sa

from app.api.cohort_intake import created
from app.api.cohort_service import Cohorts
from app.clinical.rulebook import load_rulebook
from app.cohorts.database import CohortDatabase
from app.cohorts.importing import Once
from app.cohorts.intake.sent import Sent
from app.security.caller import LOCAL
from tests.cohort_api import record


def tell(*words: object) -> None:
    """Say something at once, in one piece."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def create(cohorts: Cohorts, key: str, patients: int) -> None:
    """Create the cohort that is named as the key."""
    body = json.dumps({"name": key, "patients": [record(n, patient_id=f"P{n}") for n in range(patients)]}).encode()
    once = Once("POST /v1/cohorts", key, b"0" * 32)
    sa.event.listen(cohorts.of(LOCAL).store._engine, "commit", lambda _: tell("commit"))
    answered = cohorts.of(LOCAL).create(Sent(io.BytesIO(body), "json", len(body)), once, created)
    tell("answered", json.loads(answered.answer.body)["id"])


def main() -> None:
    """Fork for every line."""
    url, patients = sys.argv[1], int(sys.argv[2])
    rulebook = load_rulebook()
    # Everything is loaded before the first fork, and nothing is open.
    warm = Cohorts(rulebook, CohortDatabase("sqlite://"))
    warm.of(LOCAL).create(
        Sent(io.BytesIO(b'{"name":"warm","patients":[{"patient_id":"P1"}]}'), "json", 48), None, created
    )
    tell("ready")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            tell(os.getpid())
            create(Cohorts(rulebook, CohortDatabase(url)), line.strip(), patients)
            os._exit(0)
        os.waitpid(child, 0)
        tell("ended")


if __name__ == "__main__":
    main()
