"""Deriving a cohort anew, under other rule versions or today's rule files: who changes class or grade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.treatment.refractory import Definition
from app.cohorts.derivers import Rules
from app.cohorts.intake.taking import REPORTED, ReadRecord, StoppedError, Work
from app.cohorts.store.model import Cohort, Patient
from app.cohorts.summary import Answer, RuleVersion, versions_of

if TYPE_CHECKING:
    from app.cohorts.derivation import Derived, Deriver

LISTED: Final = 1_000
_EVERY: Final = 100
_CLASSES: Final = ("phenotype", "kd_like", "cv_shock", "treatment_group", "corticosteroids", "anakinra_role")


class RederiveRequest(BaseModel):
    """Under what to derive. What is absent or null stays as the cohort has it; the rule files are today's."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"ctcae_version": "4.03", "dry_run": True}]},
    )

    ctcae_version: str | None = Field(default=None, max_length=40, description="CTCAE version: 4.03, 5.0 or 6.0")
    protocol: str | None = Field(
        default=None, max_length=100, description="Dosing protocol that courses of anakinra are compared with"
    )
    refractory_definition: Definition | None = Field(
        default=None, description="Definition of refractory to IVIG: aha_36h, jcs_24h or nih_24h"
    )
    dry_run: bool = Field(default=False, description="true: only tell who would change, and change nothing")

    def options(self) -> dict[str, str]:
        """Return what was asked for."""
        return {name: value for name, value in self if name != "dry_run" and value is not None}


class Difference(Answer):
    """One class or grade of a patient, before and after."""

    field: str = Field(description="What changes, such as `phenotype` or `adverse_events.neutropenia.grade`")
    before: str | int | bool | None = Field(description="As it was; null when it was unknown")
    after: str | int | bool | None = Field(description="As it is now; null when it is unknown")


class ChangedPatient(Answer):
    """A patient whose class or grade changes."""

    patient_id: str = Field(description="The pseudonym")
    changes: tuple[Difference, ...] = Field(description="What changes")


class RederiveAnswer(Answer):
    """Who changes class or grade."""

    cohort_id: str = Field(description="The cohort")
    version: int = Field(description="The cohort's version now")
    dry_run: bool = Field(description="Nothing was changed")
    n: int = Field(description="Patients derived anew")
    n_changed: int = Field(description="Patients whose class or grade changes")
    n_changed_otherwise: int = Field(description="Patients of whom only values or warnings change")
    by_field: dict[str, int] = Field(description="Patients by what changes")
    changed: tuple[ChangedPatient, ...] = Field(description=f"Who changes, in order of arrival; the first {LISTED}")
    options: dict[str, str] = Field(description="The options the cohort is derived under, all of them")
    rules_before: tuple[RuleVersion, ...] = Field(description="The rule sets it was derived by")
    rules: tuple[RuleVersion, ...] = Field(description="The rule sets it is derived by now")


class Rederivation:
    """Derives stored patients anew, one after the other, and keeps account of what changes."""

    def __init__(self, read: ReadRecord, deriver: Deriver, rules: Rules, work: Work) -> None:
        self._read = read
        self._deriver = deriver
        self.rules = rules
        self._work = work
        self._refused: list[InputError] = []
        self._by_field: Counter[str] = Counter()
        self._changed: list[ChangedPatient] = []
        self.n = self.n_changed = self.n_otherwise = 0

    def derive(self, patient: Patient) -> Derived:
        """Derive a patient. Raises RefusedInputError when the record cannot be derived under these options."""
        self._heartbeat()
        try:
            derived = self._deriver.accept(*self._read(patient.record_json.encode())).derived
        except RefusedInputError as exc:
            raise exc.under(f"/patients/{patient.patient_id}") from None
        self._compare(patient, derived)
        return derived

    def try_out(self, patients: Iterator[list[Patient]]) -> None:
        """Derive without writing. Raises RefusedInputError with the first fifty reasons."""
        for page in patients:
            for patient in page:
                self._try_one(patient)
        if self._refused:
            raise RefusedInputError(*self._refused)

    def found(self) -> dict[str, Any]:
        """Return what was found."""
        return {
            "n": self.n,
            "n_changed": self.n_changed,
            "n_changed_otherwise": self.n_otherwise,
            "by_field": dict(self._by_field),
            "changed": tuple(self._changed),
            "options": {name: str(value) for name, value in self._deriver.options},
        }

    def _heartbeat(self) -> None:
        if self.n % _EVERY == 0:
            if self._work.stopped():
                raise StoppedError
            self._work.told(self.n)

    def _try_one(self, patient: Patient) -> None:
        try:
            self.derive(patient)
        except RefusedInputError as exc:
            self._refused += exc.errors[: REPORTED - len(self._refused)]

    def _compare(self, patient: Patient, derived: Derived) -> None:
        self.n += 1
        changes = differences(patient.facts, derived.facts)
        if not changes:
            self.n_otherwise += patient.values != derived.values or patient.warnings != derived.warnings
            return
        self.n_changed += 1
        self._by_field.update(change.field for change in changes)
        if len(self._changed) < LISTED:
            self._changed.append(ChangedPatient(patient_id=patient.patient_id, changes=changes))


def rederived(made: Rederivation, cohort: Cohort, version: int, request: RederiveRequest) -> RederiveAnswer:
    """Return what a derivation found."""
    return RederiveAnswer(
        cohort_id=cohort.id,
        version=version,
        dry_run=request.dry_run,
        rules_before=versions_of(cohort.rules),
        rules=versions_of(made.rules),
        **made.found(),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the classes and grades in which two derivations of one record differ."""
    old, new = classes(before), classes(after)
    names = dict.fromkeys((*old, *new))
    return tuple(
        Difference(field=name, before=old.get(name), after=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def classes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the classes and grades among what was derived, by name."""
    found = {name: facts.get(name) for name in _CLASSES}
    events = facts.get("adverse_events") or {}
    for event, told in events.items():
        if isinstance(told, Mapping):
            found |= {f"adverse_events.{event}.{key}": told.get(key) for key in ("observed", "grade")}
    for told in events.get("listed", ()):
        found[f"adverse_events.{told['term']}.grade"] = told.get("grade")
    return found
