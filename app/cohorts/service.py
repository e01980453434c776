"""What can be done with cohorts: plain calls that block, each one transaction. Call them on a worker thread.

Whoever makes the service brings the reader of records: strict JSON is the HTTP layer's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import RulebookError
from app.cohorts.builtin import EXAMPLE, STUDY
from app.cohorts.collector import calm_collector
from app.cohorts.derivers import options_of, rules_of
from app.cohorts.errors import CohortReadOnlyError, StaleVersionError
from app.cohorts.importing import Named, Once, add_to, create_from, create_named
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.sent import Sent
from app.cohorts.intake.taking import NO_WORK, Cautions, Intake, Read, StoppedError, Work
from app.cohorts.reading import CohortReader
from app.cohorts.rederivation import Rederivation, RederiveAnswer, RederiveRequest, rederived
from app.cohorts.store.model import Cohort, Job, Patient, Remembered
from app.cohorts.summary import CohortChanged

if TYPE_CHECKING:
    from app.cohorts.derivation import Deriver
    from app.cohorts.records import PatientRecord
    from app.cohorts.store import Writer

Compose = Callable[[CohortChanged], Remembered]
Match = Callable[[int], bool]
_OTHER_RULES: Final[Cautions] = (
    (
        "rules_differ",
        "The rule files have changed since this cohort was derived; POST .../rederive derives all of it by today's.",
    ),
)


def any_version(_: int) -> bool:
    """Match whatever version there is."""
    return True


class Answered(NamedTuple):
    """An answer, and whether it is an earlier one that was repeated."""

    answer: Remembered
    is_replayed: bool


class Replaced(NamedTuple):
    """A patient in the place of an earlier one, and which numbers of the record were rounded."""

    patient: Patient
    rounded: list[dict[str, Any]]


class CohortService(CohortReader):
    """Creates, fills, changes and deletes cohorts; shows them, as its base does."""

    def create(self, sent: Sent, once: Once | None, compose: Compose, work: Work = NO_WORK) -> Answered:
        """Create a cohort from a JSON body; `compose` writes the answer that an idempotency key would repeat."""

        def act(writer: Writer) -> CohortChanged:
            deriver = self._derivers.default
            return create_from(writer, sent, self._intake(deriver, sent, work), rules_of(deriver))

        return self._once(once, act, compose, work)

    def add(  # noqa: PLR0913, PLR0917  # what a conditional, repeatable, long call consists of
        self,
        cohort_id: str,
        sent: Sent,
        once: Once | None,
        compose: Compose,
        match: Match = any_version,
        work: Work = NO_WORK,
    ) -> Answered:
        """Add what was sent to a cohort: all rows or none, unless bad ones are to be skipped."""
        self.offer(cohort_id)
        return self._once(once, lambda writer: self._add(writer, cohort_id, sent, match, work), compose, work)

    def _add(self, writer: Writer, cohort_id: str, sent: Sent, match: Match, work: Work) -> CohortChanged:
        cohort = self._lock(writer, cohort_id, match)
        deriver = self._derivers.of(cohort)
        cautions = () if rules_of(deriver) == cohort.rules else _OTHER_RULES
        return add_to(writer, cohort, sent.rows(self.layout), self._intake(deriver, sent, work, cautions))

    def create_now(self, sent: Sent, name: str | None, description: str | None, work: Work = NO_WORK) -> CohortChanged:
        """Create a cohort from a file of any format; a name in a JSON file gives way to the one that is named here."""
        deriver, named = self._derivers.default, Named(name, description)
        intake, rules = self._intake(deriver, sent, work), rules_of(deriver)
        with self.store.write() as writer:
            if sent.format == "json":
                return create_from(writer, sent, intake, rules, named)
            return create_named(writer, sent.rows(self.layout), named, intake, rules)

    def add_now(self, cohort_id: str, sent: Sent, work: Work = NO_WORK) -> CohortChanged:
        """Add a file to a cohort."""
        with self._writing(cohort_id) as writer:
            return self._add(writer, cohort_id, sent, any_version, work)

    def begin_adding(
        self, cohort_id: str, sent: Sent, once: Once | None, match: Match, compose: Callable[[Job], Remembered]
    ) -> tuple[Answered, Job | None]:
        """Create the job that will add what was sent; without one when the answer repeats an earlier one."""
        with self._writing(cohort_id) as writer:
            if once is not None and (earlier := writer.recall(*once)) is not None:
                return Answered(earlier, is_replayed=True), None
            _refuse_built_in(cohort_id)
            _require(match, writer.cohort(cohort_id).version)
            job = writer.create_job("add_patients", cohort_id, sent.size)
            answer = compose(job)
            if once is not None:
                writer.remember(*once, status=answer.status, body=answer.body, headers=answer.headers)
        return Answered(answer, is_replayed=False), job

    def begin(self, kind: str, cohort_id: str, match: Match) -> Job:
        """Create a job on a cohort's patients."""
        with self._writing(cohort_id) as writer:
            _refuse_built_in(cohort_id)
            cohort = writer.cohort(cohort_id)
            _require(match, cohort.version)
            return writer.create_job(kind, cohort_id, cohort.n)

    def rederive(
        self, cohort_id: str, request: RederiveRequest, match: Match = any_version, work: Work = NO_WORK
    ) -> RederiveAnswer:
        """Derive a cohort anew, or say what that would change. Raises RefusedInputError for unknown options."""
        if request.dry_run:
            with self.open(cohort_id) as (reader, cohort):
                _require(match, cohort.version)
                made = self._rederivation(cohort, request, work)
                made.try_out(reader.stream(cohort))
                return rederived(made, cohort, cohort.version, request)
        with self._writing(cohort_id) as writer:
            cohort = self._lock(writer, cohort_id, match)
            made = self._rederivation(cohort, request, work)
            with calm_collector():
                writer.rederive(cohort, made.derive, made.rules)
            answer = rederived(made, cohort, writer.cohort(cohort_id).version, request)
            if work.job_id is not None:
                writer.finish_job(work.job_id, result=answer.model_dump(mode="json"))
            if work.stopped():
                raise StoppedError
        return answer

    def _rederivation(self, cohort: Cohort, request: RederiveRequest, work: Work) -> Rederivation:
        options = options_of(cohort.rules)
        try:
            deriver = self._derivers.under(type(options).model_validate(options.model_dump() | request.options()))
        except RulebookError as exc:
            message = f"The rules cannot be applied under these options: {exc}."
            raise RefusedInputError(InputError("", "options_not_supported", message)) from None
        return Rederivation(self._read, deriver, rules_of(deriver), work)

    def replace(self, cohort_id: str, record: PatientRecord, match: Match) -> Replaced:
        """Put a record in the place of the one with its id."""
        with self._writing(cohort_id) as writer:
            cohort = self._lock(writer, cohort_id, any_version)
            patient = Intake(self._read, self._derivers.of(cohort)).of(Read(record, canonical(record)))
            _require(match, writer.patient(cohort, patient.patient_id).version)
            return Replaced(writer.replace(cohort, patient), patient.derived.rounded)

    def remove(self, cohort_id: str, patient_id: str, match: Match) -> None:
        """Take a patient out of a cohort."""
        with self._writing(cohort_id) as writer:
            cohort = self._lock(writer, cohort_id, any_version)
            _require(match, writer.patient(cohort, patient_id).version)
            writer.remove(cohort, patient_id)

    def delete(self, cohort_id: str, match: Match) -> None:
        """Delete a cohort with everything in it and the jobs on it; the job `example` tells of nobody."""
        with self._writing(cohort_id) as writer:
            writer.delete(self._lock(writer, cohort_id, match), but_job=EXAMPLE)

    def _once(
        self, once: Once | None, act: Callable[[Writer], CohortChanged], compose: Compose, work: Work
    ) -> Answered:
        """Act in one transaction, or repeat the answer that was given before."""
        with self.store.write() as writer:
            if once is not None and (earlier := writer.recall(*once)) is not None:
                return Answered(earlier, is_replayed=True)
            answer = compose(act(writer))
            if once is not None:
                writer.remember(*once, status=answer.status, body=answer.body, headers=answer.headers)
            if work.job_id is not None:
                writer.finish_job(work.job_id, result=msgspec.json.decode(answer.body))
            if work.stopped():
                raise StoppedError
        return Answered(answer, is_replayed=False)

    def _intake(self, deriver: Deriver, sent: Sent, work: Work, cautions: Cautions = ()) -> Intake:
        by_bytes = work._replace(told=lambda _: work.told(sent.done()))
        return Intake(self._read, deriver, skip=sent.skip, work=by_bytes, cautions=cautions)

    @contextmanager
    def _writing(self, cohort_id: str) -> Iterator[Writer]:
        """Begin a transaction that changes a cohort."""
        self.offer(cohort_id)
        with self.store.write() as writer:
            yield writer

    def _lock(self, writer: Writer, cohort_id: str, match: Match) -> Cohort:
        """Take a cohort for writing if its version is one of those asked for."""
        _refuse_built_in(cohort_id)
        cohort = writer.lock(cohort_id)
        _require(match, cohort.version)
        return cohort


def _refuse_built_in(cohort_id: str) -> None:
    if cohort_id == STUDY:
        raise CohortReadOnlyError("The cohort is built in.")


def _require(match: Match, version: int) -> None:
    if not match(version):
        raise StaleVersionError(version)
