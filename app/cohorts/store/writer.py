"""Writing: everything of one change in one transaction, and tallies merged once at its end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from app.cohorts.errors import (
    CohortNotFoundError,
    CohortReadOnlyError,
    Duplicate,
    DuplicatePatientsError,
    StaleVersionError,
)
from app.cohorts.store import bulk
from app.cohorts.store.answers import AnswerWriter
from app.cohorts.store.change import Change
from app.cohorts.store.jobs import JobWriter
from app.cohorts.store.model import Cohort, NewPatient, Patient
from app.cohorts.store.reader import cohort_of
from app.cohorts.store.recount import RecountWriter
from app.database.tables import COHORTS, JOBS, PATIENTS, STRATA, TALLIES

Rules = Sequence[Mapping[str, Any]]
OnPatient = Callable[[NewPatient], None]


class Writer(RecountWriter, AnswerWriter, JobWriter):
    """One transaction. Whatever it read is what it sees; whatever it wrote is kept at its end, or nothing is.

    `now` is the transaction's time (UTC). A cohort's version grows by one in a transaction that changes it, however
    many calls it makes; every patient that is written gets the new cohort version as its own. Reading through the
    writer sees what it wrote, new version and n included.
    """

    def create(
        self,
        name: str,
        description: str | None,
        rules: Rules,
        *,
        cohort_id: str | None = None,
        read_only: bool = False,
    ) -> Cohort:
        """Create an empty cohort of version 1; without `cohort_id` it is given a random one. It is locked at once.

        A read-only cohort can be filled in the transaction that creates it, and never again.
        """
        kept = {
            "id": cohort_id or secrets.token_hex(16),
            "tenant": self.tenant,
            "name": name,
            "description": description,
            "version": 1,
            "n": 0,
            "next_position": 1,
            "rules": msgspec.json.encode(rules).decode(),
            "read_only": read_only,
            "created_at": self.now,
            "updated_at": self.now,
        }
        row = self._connection.execute(sa.insert(COHORTS).values(kept).returning(*COHORTS.columns)).one()
        self._did("cohort.create", row.id)
        return self._take(row, created=True)

    def lock(self, cohort_id: str, if_match: int | None = None, *, even_read_only: bool = False) -> Cohort:
        """Take a cohort for writing: other writers of it wait until this transaction ends.

        Raises CohortNotFoundError, CohortReadOnlyError (unless `even_read_only`, for those who mend), and
        StaleVersionError unless the version is `if_match` (None: any version).
        """
        self._settle()
        one = sa.select(COHORTS).where(self._seen, COHORTS.c.id == cohort_id).with_for_update()
        row = self._one(one, cohort_id)
        if row is None:
            raise CohortNotFoundError("There is no such cohort.")
        if row.number in self._changes:
            return cohort_of(row)
        if row.read_only and not even_read_only:
            raise CohortReadOnlyError("The cohort is built in and cannot be changed.")
        if if_match not in {None, row.version}:
            raise StaleVersionError(row.version)
        return self._take(row, created=False)

    def add(
        self,
        cohort: Cohort,
        rows: Iterable[NewPatient],
        on_duplicate: OnPatient | None = None,
        on_added: OnPatient = lambda _: None,
    ) -> int:
        """Add patients in their order, as many as there are, in bounded memory; returns how many were added.

        The rows are drawn from the iterable as they are written. A patient id that the cohort holds already, or that
        came before, raises DuplicatePatientsError; with `on_duplicate` the row is handed to it and skipped instead.
        Each row that is added is handed to `on_added`.
        """
        change, added = self._change(cohort), 0
        for chunk in bulk.chunks(rows):
            fresh = self._fresh(cohort, chunk, on_duplicate)
            if fresh:
                bulk.insert(self._connection, [_row(change, row) for row in fresh])
                for row in fresh:
                    on_added(row)
            added += len(fresh)
        if added:
            self._did("patients.add", cohort.id, details={"patients": added})
        return added

    def _fresh(self, cohort: Cohort, chunk: list[NewPatient], on_duplicate: OnPatient | None) -> list[NewPatient]:
        """Return the rows whose ids are new."""
        seen = bulk.known_ids(self._connection, cohort.number, [row.patient_id for row in chunk])
        fresh: list[NewPatient] = []
        again: list[NewPatient] = []
        for row in chunk:
            (again if row.patient_id in seen else fresh).append(row)
            seen.add(row.patient_id)
        if again and on_duplicate is None:
            raise DuplicatePatientsError(tuple(Duplicate(row.patient_id, row.line) for row in again))
        for row in again:
            if on_duplicate is not None:
                on_duplicate(row)
        return fresh

    def replace(self, cohort: Cohort, row: NewPatient, if_match: int | None = None) -> Patient:
        """Put a patient in the place of the one with its id. PatientNotFoundError, StaleVersionError."""
        change = self._change(cohort)
        old = self._current(cohort, row.patient_id, if_match)
        stratum, derived = row.derived.stratum.key(), row.derived
        new = Patient(
            old.position,
            row.patient_id,
            change.version,
            stratum,
            row.record_json,
            bulk.measures_of(derived),
            bulk.facts_of(derived),
        )
        change.remove(old.stratum, old.values)
        change.add(stratum, derived.values)
        self._connection.execute(_at(cohort, old, sa.update(PATIENTS)).values(_columns(new)))
        self._did("patient.replace", cohort.id, patient_id=row.patient_id)
        return new

    def remove(self, cohort: Cohort, patient_id: str, if_match: int | None = None) -> None:
        """Take a patient out. PatientNotFoundError, StaleVersionError."""
        change = self._change(cohort)
        old = self._current(cohort, patient_id, if_match)
        change.remove(old.stratum, old.values)
        self._connection.execute(_at(cohort, old, sa.delete(PATIENTS)))
        self._did("patient.delete", cohort.id, patient_id=patient_id)

    def describe(self, cohort: Cohort, *, name: str, description: str | None) -> Cohort:
        """Rename a cohort."""
        change = self._change(cohort)
        change.columns |= {"name": name, "description": description}
        change.changed = True
        if change.version != change.cohort.version:
            # A cohort that this transaction makes is named by making it.
            self._did("cohort.describe", cohort.id)
        return self.cohort(cohort.id)

    def delete(self, cohort: Cohort, *, but_job: str | None = None) -> None:
        """Delete a cohort with all its patients and tallies, and the jobs on it (but one), whose reports name patients.

        A job that is under way keeps nothing then: it is found to be gone.
        """
        self._change(cohort)
        del self._changes[cohort.number]
        if self._connection.dialect.name == "postgresql":
            # A million rows take longer than any single statement of another kind may.
            self._connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        for table in (PATIENTS, STRATA, TALLIES):
            self._connection.execute(sa.delete(table).where(table.c.cohort_number == cohort.number))
        self._connection.execute(sa.delete(COHORTS).where(COHORTS.c.number == cohort.number))
        on_it = (JOBS.c.tenant == cohort.tenant, JOBS.c.cohort_id == cohort.id, JOBS.c.id.is_distinct_from(but_job))
        self._connection.execute(sa.delete(JOBS).where(*on_it))
        self._did("cohort.delete", cohort.id, details={"patients": cohort.n})

    def _take(self, row: sa.Row[Any], *, created: bool) -> Cohort:
        cohort = cohort_of(row)
        self._changes[cohort.number] = Change(cohort, row.next_position, self._digits, created=created)
        return cohort

    def _current(self, cohort: Cohort, patient_id: str, if_match: int | None) -> Patient:
        """Return a patient as it is stored, if it is still the one that the caller means."""
        patient = self.patient(cohort, patient_id)
        if if_match not in {None, patient.version}:
            raise StaleVersionError(patient.version)
        return patient


def _row(change: Change, new: NewPatient) -> bulk.PatientRow:
    """Count a new patient in and return its row."""
    derived = new.derived
    stratum = derived.stratum.key()
    change.add(stratum, derived.values)
    return (
        change.cohort.number,
        change.place(),
        new.patient_id,
        change.version,
        stratum,
        new.record_json,
        bulk.measures_of(derived),
        bulk.facts_of(derived),
    )


def _columns(patient: Patient) -> dict[str, Any]:
    return {
        "version": patient.version,
        "stratum": patient.stratum,
        "record": patient.record_json,
        "measures": patient.values_json,
        "facts": patient.facts_json,
    }


def _at(cohort: Cohort, patient: Patient, statement: Any) -> Any:  # noqa: ANN401  # an update or a delete
    return statement.where(PATIENTS.c.cohort_number == cohort.number, PATIENTS.c.position == patient.position)
