"""The built-in cohort `study`: the synthetic study cohort, there to be read in every database, and never changed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from app.cohorts.errors import CohortNotFoundError, StoreError
from app.cohorts.importing import fill
from app.cohorts.intake.rows import SentRow
from app.cohorts.study import study_cohort

if TYPE_CHECKING:
    from app.cohorts.derivers import Rules
    from app.cohorts.intake.taking import Intake
    from app.cohorts.store import Store, Writer
    from app.cohorts.store.model import Cohort

STUDY: Final = "study"


def seed(store: Store, intake: Intake, rules: Rules) -> None:
    """Create the cohort unless it is there, and derive it anew when the rules are not those it was derived by.

    Safe to call twice at once. A cohort that is there is not refused because it cannot be brought up to date now.
    """
    found = _kept(store)
    if found is None:
        with store.write() as writer:
            _create(writer, intake, rules)
    elif found.rules != rules:
        with suppress(StoreError), store.write() as writer:
            _renew(writer, intake, rules)


def _kept(store: Store) -> Cohort | None:
    with store.read() as reader:
        try:
            return reader.cohort(STUDY)
        except CohortNotFoundError:
            return None


def _create(writer: Writer, intake: Intake, rules: Rules) -> None:
    # Holds back whoever seeds at the same time until this transaction ends.
    writer.recall("seed", STUDY, b"")
    try:
        writer.cohort(STUDY)
    except CohortNotFoundError:
        study = study_cohort()
        cohort = writer.create(study["name"], study["description"], rules, cohort_id=STUDY, read_only=True)
        rows = (
            SentRow(index, None, f"/patients/{index}", msgspec.json.encode(record))
            for index, record in enumerate(study["patients"])
        )
        fill(writer, cohort, rows, intake)


def _renew(writer: Writer, intake: Intake, rules: Rules) -> None:
    cohort = writer.lock(STUDY, even_read_only=True)
    if cohort.rules != rules:
        writer.rederive(cohort, lambda patient: intake.again(patient.record_json.encode()), rules)
