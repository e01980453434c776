"""The way of a row into a cohort: read strictly, rounded to what is kept, derived, counted; a bad one is reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from app.clinical.refusal import RefusedInputError
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.noticed import Notices
from app.cohorts.intake.rows import IntakeError, RowError, Rows, SentRow, open_row_refused
from app.cohorts.store.model import NewPatient
from app.cohorts.summary import Hide, ImportReport, Refusal

if TYPE_CHECKING:
    from app.cohorts.derivation import Derived, Deriver
    from app.cohorts.records import PatientRecord

REPORTED: Final = 50
"""Reasons that are reported, and bad rows after which an import that takes all or nothing stops reading."""

ROUNDED: Final = "More digits were sent than are kept; the value was rounded half up."
_EVERY: Final = 100
_ITEM: Final = re.compile(r"(?<=\.)[0-9]+(?=\.|\Z)")


class Read(NamedTuple):
    """A record that was read, and its canonical text. The record may be a struct that stands in for the model."""

    record: PatientRecord
    text: str

    def whole(self) -> PatientRecord:
        """Return the record as its model, methods included."""
        from app.cohorts.records import PatientRecord  # noqa: PLC0415  # the models are needed here alone

        known = isinstance(self.record, PatientRecord)
        return self.record if known else PatientRecord.model_validate_json(self.text)


ReadRecord = Callable[[bytes], Read]
Cautions = tuple[tuple[str, str], ...]


class StoppedError(Exception):
    """Nobody waits for the import any more; whatever it wrote is taken back."""


class RowsRefusedError(IntakeError):
    """Rows were refused, and with them the whole import. `rows` of the `seen` were bad; `is_all` when all were seen."""

    def __init__(self, errors: tuple[RowError, ...], rows: int, seen: int, *, is_all: bool) -> None:
        super().__init__("Rows were refused.")
        self.errors = errors
        self.rows = rows
        self.seen = seen
        self.is_all = is_all


class DuplicateRowsError(IntakeError):
    """Patients whose ids the cohort holds already, or that came twice: nothing was kept."""

    def __init__(self, errors: tuple[RowError, ...]) -> None:
        super().__init__("A patient id occurs more than once.")
        self.errors = errors


class Work(NamedTuple):
    """How a long call tells of itself: `told` hears how much is done, `stopped` says whether to give up.

    `hide` withholds small numbers from what is told of the cohort at its end.
    """

    told: Callable[[int], None] = lambda _: None
    stopped: Callable[[], bool] = lambda: False
    job_id: str | None = None
    hide: Hide = None


NO_WORK: Final = Work()


class Intake:
    """Takes rows in and keeps account of them.

    `read` reads a row's JSON text and raises RefusedInputError; `work` hears every hundred rows how many
    were taken, and says whether to stop. `cautions` (code, message) hold for every patient.
    """

    def __init__(
        self,
        read: ReadRecord,
        deriver: Deriver,
        *,
        skip: bool = False,
        work: Work = NO_WORK,
        cautions: Cautions = (),
    ) -> None:
        self._read = read
        self._deriver = deriver
        self.skips = skip
        self.hide = work.hide
        self._work = work
        self._cautions = cautions
        self._base: str | None = None
        self._received = self._refused = 0
        self._errors: list[tuple[int, RowError]] = []
        self._rounded, self._disagreements, self._warnings = Notices(), Notices(), Notices()

    def patients(self, rows: Rows) -> Iterator[NewPatient]:
        """Yield the patients to be kept.

        Raises RowsRefusedError at the end, or at the fiftieth bad row, unless bad rows are to be skipped; StoppedError.
        """
        for row in rows:
            self._heartbeat()
            self._received += 1
            self._base = row.pointer.rpartition("/")[0] if row.line is None else None
            patient = self._taken(row)
            if patient is not None and (self.skips or not self._refused):
                yield patient
            elif self._refused >= REPORTED and not self.skips:
                raise self._refusal(is_all=False)
        if self._refused and not self.skips:
            raise self._refusal(is_all=True)
        self._work.told(self._received)

    def again(self, raw: bytes) -> Derived:
        """Derive a record that was taken in before, and count nothing."""
        return self._deriver.accept(*self._read(raw)).derived

    def duplicate(self, patient: NewPatient) -> None:
        """Note a patient that was left out because of its id."""
        self._refused += 1
        self._note([self.duplicate_error(patient.patient_id, patient.line)], patient.line or 0)

    def duplicate_error(self, patient_id: str, place: int | None) -> RowError:
        """Say which row has an id that is there already. In JSON a row's place is its number among the patients."""
        message = f"The id {patient_id} came before, or is in the cohort already."
        if self._base is not None and place is not None:
            return RowError(f"{self._base}/{place - 1}/patient_id", "duplicate_patient", message)
        return RowError("/patient_id", "duplicate_patient", message, (), place)

    def report(self, added: int) -> ImportReport:
        """Return what became of the rows."""
        return ImportReport(
            received=self._received,
            added=added,
            skipped=self._refused,
            errors=tuple(map(Refusal.of, self._in_order())),
            rounded=self._rounded.all(),
            disagreements=self._disagreements.all(),
            warnings=self._warnings.all(),
        )

    def _taken(self, row: SentRow) -> NewPatient | None:
        """Return a row's patient, or None when it is refused. One that may have been cut is not skipped."""
        place = row.index + 1 if row.line is None else row.line
        try:
            if row.errors:
                raise RefusedInputError(*row.errors)  # noqa: TRY301  # one way out for what every step refuses
            return self.of(self._read(row.raw), place)
        except RefusedInputError as exc:
            if row.is_open and self.skips:
                raise open_row_refused(row.line) from None
            self._refused += 1
            self._note(row.blame(exc.errors), place)
            return None

    def _note(self, errors: Iterable[RowError], place: int) -> None:
        self._errors += ((place, error) for error in islice(errors, REPORTED - len(self._errors)))

    def _in_order(self) -> tuple[RowError, ...]:
        """Return the reasons by row: ids that came before are found later than other faults."""
        return tuple(error for _, error in sorted(self._errors, key=itemgetter(0)))

    def _refusal(self, *, is_all: bool) -> RowsRefusedError:
        return RowsRefusedError(self._in_order(), self._refused, self._received, is_all=is_all)

    def _heartbeat(self) -> None:
        if self._received % _EVERY == 0:
            if self._work.stopped():
                raise StoppedError
            self._work.told(self._received)

    def of(self, read: Read, place: int | None = None) -> NewPatient:
        """Return the patient of a record. Raises RefusedInputError."""
        accepted = self._deriver.accept(read.record, read.text)
        text = read.text if accepted.record is read.record else canonical(accepted.record)
        return NewPatient(read.record.patient_id, text, accepted.derived, place)

    def added(self, patient: NewPatient) -> None:
        """Count what was noticed of a patient that was added: one whose id came before may yet be left out."""
        derived, patient_id = patient.derived, patient.patient_id
        if derived.rounded:
            self._rounded.add(patient_id, [(_anywhere(one["field"]), ROUNDED) for one in derived.rounded])
        if derived.disagreements:
            self._disagreements.add(patient_id, [(one["field"], one["message"]) for one in derived.disagreements])
        if derived.warnings:
            self._warnings.add(patient_id, [(one["code"], one["message"]) for one in derived.warnings])
        if self._cautions:
            self._warnings.add(patient_id, self._cautions)


def _anywhere(pointer: str) -> str:
    """Return a pointer as the name of a field in any item of a list: `labs.*.value`."""
    return _ITEM.sub("*", pointer.removeprefix("/").replace("/", "."))
