"""The built-in cohorts: `study`, which is only read, and `example`, on which the documented changes can be tried.

`study` is the synthetic study cohort; it belongs to no tenant and is seen by all. `example` holds two invented
patients, and each tenant has its own. It is made when a request names it and there is none, with the job that made it,
and is an ordinary cohort from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from app.cohorts.errors import CohortNotFoundError, JobNotFoundError, StoreError
from app.cohorts.importing import add_to, fill
from app.cohorts.intake.rows import SentRow
from app.cohorts.study import study_cohort

if TYPE_CHECKING:
    from app.cohorts.derivers import Rules
    from app.cohorts.intake.rows import Rows
    from app.cohorts.intake.taking import Intake
    from app.cohorts.store import Reader, Store, Writer
    from app.cohorts.store.model import Cohort

STUDY: Final = "study"
EXAMPLE: Final = "example"
"""Id of the cohort to try changes on, and of the job that made it."""
_NAME: Final = "Example"
_DESCRIPTION: Final = (
    "Two invented patients, to try the documented changes on; nobody in it exists. It can be changed and deleted like "
    "any cohort; once deleted, it is made anew by the next request that names it."
)
SECOND_RECORD: Final = {
    "patient_id": "P02",
    "age_years": 11,
    "sex": "female",
    "phenotype": {"kd_like": False, "cv_shock": True},
    "treatment": {"ivig": {"dose_g_kg": 2, "ended_hour": 14}, "anakinra": False},
    "defervescence": {"hours": 31, "observed": True},
}


def example_records() -> tuple[dict[str, Any], ...]:
    """Return the records of the cohort `example`: the documented one, P01, and P02."""
    from app.cohorts.records import PatientRecord  # noqa: PLC0415  # a large model, needed here alone

    documented = cast("dict[str, Any]", PatientRecord.model_config["json_schema_extra"])["examples"][0]
    return documented, SECOND_RECORD


def has_example(store: Store, *, job: bool = False) -> bool:
    """Say whether the cohort `example` is there; with `job`, whether the job of that id is."""
    with store.read() as reader:
        return _has_job(reader) if job else _has_example(reader)


def seed_example(store: Store, intake: Intake, rules: Rules) -> None:
    """Create the cohort `example` and its job, each unless it is there. Safe to call twice at once."""
    with store.write(by_service=True) as writer:
        writer.recall("seed", EXAMPLE, b"")  # holds back whoever seeds at the same time
        if not _has_example(writer):
            made = writer.create(_NAME, _DESCRIPTION, rules, cohort_id=EXAMPLE)
            result = add_to(writer, made, _rows(example_records()), intake).model_dump(mode="json")
            if not _has_job(writer):
                writer.create_job("add_patients", EXAMPLE, len(example_records()), job_id=EXAMPLE)
                writer.finish_job(EXAMPLE, result=result)


def _has_example(reader: Reader) -> bool:
    try:
        reader.cohort(EXAMPLE)
    except CohortNotFoundError:
        return False
    return True


def _has_job(reader: Reader) -> bool:
    try:
        reader.job(EXAMPLE)
    except JobNotFoundError:
        return False
    return True


def seed(store: Store, intake: Intake, rules: Rules) -> None:
    """Create the cohort unless it is there, and derive it anew when the rules are not those it was derived by.

    Safe to call twice at once. A cohort that is there is not refused because it cannot be brought up to date now.
    """
    found = _kept(store)
    if found is None:
        with store.write(by_service=True) as writer:
            _create(writer, intake, rules)
    elif found.rules != rules:
        with suppress(StoreError), store.write(by_service=True) as writer:
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
        fill(writer, cohort, _rows(study["patients"]), intake)


def _rows(records: Iterable[dict[str, Any]]) -> Rows:
    return (
        SentRow(index, None, f"/patients/{index}", msgspec.json.encode(record)) for index, record in enumerate(records)
    )


def _renew(writer: Writer, intake: Intake, rules: Rules) -> None:
    cohort = writer.lock(STUDY, even_read_only=True)
    if cohort.rules != rules:
        writer.rederive(cohort, lambda patient: intake.again(patient.record_json.encode()), rules)
