"""Reading cohorts: plain calls that block, each within one snapshot. Call them on a worker thread."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Self

from app.clinical.rulebook import Rulebook
from app.cohorts.builtin import EXAMPLE, STUDY, has_example, seed, seed_example
from app.cohorts.database import CohortDatabase
from app.cohorts.derivers import Derivers, rules_of
from app.cohorts.errors import StoreError
from app.cohorts.export import ExportFormat, exported
from app.cohorts.intake.columns import Layout
from app.cohorts.intake.taking import Intake, ReadRecord
from app.cohorts.store.model import Cohort, Job, Patient
from app.cohorts.summary import CohortDetail, Hide, detail_of
from app.database.tenants import DEFAULT_TENANT, SHARED_TENANT
from app.database.watched_file import Appearance

if TYPE_CHECKING:
    from app.cohorts.derivation import PatientFindings
    from app.cohorts.store import Reader, Store


class Page(NamedTuple):
    """A page of patients, the cohort they are of, and whether more follow."""

    cohort: Cohort
    patients: list[Patient]
    has_more: bool


class _Shared:
    """What the readers of all tenants have in common."""

    def __init__(self) -> None:
        self.seeding = Lock()
        # The file that the built-in cohort is known to be in; a database that is no file has none.
        self.seeded_in: Appearance | None = None
        self.is_seeded = False

    @cached_property
    def layout(self) -> Layout:
        """The columns that a CSV may have."""
        from app.cohorts.records import PatientRecord  # noqa: PLC0415  # its schema is needed here alone

        return Layout(PatientRecord.model_json_schema())


class CohortReader:
    """Shows a tenant's cohorts and their patients, the built-in cohort included. What is another's is not there."""

    def __init__(
        self, database: CohortDatabase, rulebook: Rulebook, read: ReadRecord, tenant: str = DEFAULT_TENANT
    ) -> None:
        self._database = database
        self._derivers = Derivers(rulebook)
        self._read = read
        self._shared = _Shared()
        self.tenant = tenant

    def of(self, tenant: str) -> Self:
        """Return the same for another tenant."""
        if tenant == self.tenant:
            return self
        theirs = copy(self)
        theirs.tenant = tenant
        return theirs

    @property
    def store(self) -> Store:
        """The tenant's store."""
        return self._database.store.of(self.tenant)

    @property
    def layout(self) -> Layout:
        """The columns that a CSV may have."""
        return self._shared.layout

    @contextmanager
    def open(self, cohort_id: str) -> Iterator[tuple[Reader, Cohort]]:
        """Begin a snapshot of a cohort, the built-in ones included. Raises CohortNotFoundError."""
        if cohort_id == STUDY:
            self.prepare()
        self.offer(cohort_id)
        with self.store.read() as reader:
            yield reader, reader.cohort(cohort_id)

    def prepared(self) -> Store:
        """Return the store with the built-in cohort in it, unless the database takes no writes now."""
        with suppress(StoreError):
            self.prepare()
        return self.store

    def prepare(self) -> None:
        """Make sure that the built-in cohort is there; costs next to nothing from the second time on."""
        shared = self._shared
        with shared.seeding:
            file = self._database.appearance
            if not shared.is_seeded or shared.seeded_in != file:
                deriver = self._derivers.default
                seed(self._database.store.of(SHARED_TENANT), Intake(self._read, deriver), rules_of(deriver))
                shared.is_seeded, shared.seeded_in = True, file

    def offer(self, cohort_id: str) -> None:
        """Make the cohort `example` if it is the one that is named and there is none."""
        if cohort_id == EXAMPLE and not has_example(self.store):
            self._seed_example()

    def job(self, job_id: str) -> Job:
        """Return a job, the one of the cohort `example` included. Raises JobNotFoundError."""
        if job_id == EXAMPLE and not has_example(self.store, job=True):
            self._seed_example()
        return self.store.job(job_id)

    def _seed_example(self) -> None:
        deriver = self._derivers.default
        seed_example(self.store, Intake(self._read, deriver), rules_of(deriver))

    def cohorts(self, after: int, limit: int) -> tuple[list[Cohort], bool]:
        """Return a page of the cohorts, and whether more follow."""
        with self.prepared().read() as reader:
            found = reader.cohorts(after, limit + 1)
        return found[:limit], len(found) > limit

    def find(self, cohort_id: str) -> Cohort:
        """Return a cohort without its counts. Raises CohortNotFoundError."""
        with self.open(cohort_id) as (_, cohort):
            return cohort

    def detail(self, cohort_id: str, hide: Hide = None) -> CohortDetail:
        """Return a cohort with its counts."""
        with self.open(cohort_id) as (reader, cohort):
            return detail_of(cohort, reader.strata(cohort), hide)

    def patients(self, cohort_id: str, after: int, limit: int) -> Page:
        """Return a page of a cohort's patients in the order of their arrival."""
        with self.open(cohort_id) as (reader, cohort):
            found = reader.patients(cohort, after, limit + 1)
        return Page(cohort, found[:limit], len(found) > limit)

    def patient(self, cohort_id: str, patient_id: str) -> Patient:
        """Return one patient. Raises CohortNotFoundError, PatientNotFoundError."""
        with self.open(cohort_id) as (reader, cohort):
            return reader.patient(cohort, patient_id)

    def findings(self, cohort_id: str, patient: Patient) -> PatientFindings:
        """Return the Findings behind what was derived of a patient, made anew."""
        with self.open(cohort_id) as (_, cohort):
            deriver = self._derivers.of(cohort)
        return deriver.findings(self._read(patient.record_json.encode()).whole())

    def export(self, cohort_id: str, kind: ExportFormat) -> Generator[bytes, None, None]:
        """Yield the cohort's version in digits, and then its records piece by piece, all of one snapshot."""
        with self.open(cohort_id) as (reader, cohort):
            yield str(cohort.version).encode()
            yield from exported(reader, cohort, kind, self.layout)
