"""A record at the door: a pseudonym, believable numbers, nothing that contradicts itself, at clinical precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.clinical.arithmetic import exact
from app.clinical.growth import GrowthLimits
from app.clinical.left_ventricle import LeftVentricle
from app.clinical.presentation import Echocardiogram
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.clinical.vasoactive import rates
from app.clinical.warning import Caution
from app.cohorts.derivation.contradictions import contradictions
from app.cohorts.derivation.cytokines import measurements
from app.cohorts.derivation.event_grades import EventGrades
from app.cohorts.derivation.labs import ENOUGH_FAULTS, LabReader, LabReading, rounded_numbers
from app.cohorts.derivation.record_parts import Odd, Path, RecordNumbers, pointer_of
from app.cohorts.derivation.terms import EventTerms, check_grade
from app.cohorts.precision import at_precision
from app.cohorts.pseudonym import fault_of
from app.cohorts.records import AdverseEvent, Cytokines, PatientRecord

_STRAIN: Final = "ap4_strain_percent"
Changes = dict[Path, float]


@dataclass(slots=True)
class Admitted:
    """What the door found: the laboratory reading, warnings, and the numbers that have too many digits."""

    labs: LabReading
    cautions: list[Caution]
    changes: Changes


class RecordAdmission:
    """Refuses what cannot be or is not believable, with every fault at once, and warns of what is unusual."""

    def __init__(
        self,
        rulebook: Rulebook,
        numbers: RecordNumbers,
        labs: LabReader,
        terms: EventTerms,
        grades: EventGrades,
    ) -> None:
        self._grades = grades
        self._numbers = numbers
        self._labs = labs
        self._terms = terms
        self._growth = GrowthLimits(rulebook)
        self._left_ventricle = LeftVentricle(rulebook)

    def __call__(self, record: PatientRecord) -> Admitted:
        """Admit a record. Raises `RefusedInputError` naming every field at fault."""
        errors: list[InputError] = list(contradictions(record))
        fault = fault_of(record.patient_id)
        if fault is not None:
            errors.insert(0, fault)
        reading = self._labs.read(record, errors)
        admitted = Admitted(reading, [], {})
        odd = self._numbers.odd(record)
        odd += reading.odd_hours
        override = bool(record.override_plausibility or (record.presentation or record).override_plausibility)
        if odd:
            self._second_look(record, odd, admitted, errors, override=override)
        for path, lab, entry in reading.odd:
            admitted.cautions += self._labs.judge(lab, pointer_of(path), errors, override=override)
            admitted.changes |= {(*path, name): number for name, number in rounded_numbers(lab, entry).items()}
        if record.cytokines is not None:
            self._cytokines(record.cytokines, admitted, errors, override=override)
        self._body(record, admitted, errors, override=override)
        if record.presentation is not None and record.presentation.hemodynamics is not None:
            _infusions(record, errors)
        for place, event in enumerate(record.adverse_events or ()):
            if len(errors) < ENOUGH_FAULTS:
                self._event(event, place, errors)
        if errors:
            raise RefusedInputError(*errors)
        return admitted

    def _second_look(
        self, record: PatientRecord, odd: list[Odd], admitted: Admitted, errors: list[InputError], *, override: bool
    ) -> None:
        for path, value, rule in odd:
            believed = value
            if rule.field == _STRAIN:
                strain = self._strain(_at(record, path[:-1]), pointer_of(path[:-1]), errors)
                if strain is None:
                    continue
                believed = strain
            error, cautions = rule.tiers.judge(exact(believed), pointer_of(path), override=override)
            if error is not None:
                errors.append(error)
            admitted.cautions += cautions
            kept = at_precision(value, rule.factor)
            if kept != value:
                admitted.changes[path] = kept

    def _cytokines(self, cytokines: Cytokines, admitted: Admitted, errors: list[InputError], *, override: bool) -> None:
        for slug, lab in measurements(cytokines):
            path: Path = ("cytokines", slug)
            entry = self._labs.entry(lab, pointer_of(path), errors)
            if entry is None or lab.value is None:
                continue
            if not entry.is_unremarkable(lab.value, None, lab.upper_limit):
                admitted.cautions += self._labs.judge(lab, pointer_of(path), errors, override=override)
                admitted.changes |= {(*path, name): kept for name, kept in rounded_numbers(lab, entry).items()}

    def _strain(self, echo: Echocardiogram, pointer: str, errors: list[InputError]) -> float | None:
        try:
            return self._left_ventricle.strain(echo)
        except RefusedInputError as refusal:
            moved = (InputError(f"{pointer}/{_STRAIN}", e.code, e.message, e.allowed) for e in refusal.errors)
            errors += moved
            return None

    def _body(self, record: PatientRecord, admitted: Admitted, errors: list[InputError], *, override: bool) -> None:
        child = record.presentation
        age, weight, sex, height = record.age_years, record.weight_kg, record.sex, None
        pointer = "/weight_kg"
        if child is not None:
            age = child.age_years if age is None else age
            sex = sex or child.sex
            height = child.height_cm
            if weight is None and child.weight_kg is not None:
                weight, pointer = child.weight_kg, "/presentation/weight_kg"
        if age is None or (weight is None and height is None):
            return
        try:
            admitted.cautions += self._growth.check(
                age,
                weight,
                height,
                sex,
                pointer=pointer,
                height_pointer="/presentation/height_cm",
                override=override,
            )
        except RefusedInputError as refusal:
            errors += refusal.errors

    def _event(self, event: AdverseEvent, place: int, errors: list[InputError]) -> None:
        pointer = f"/adverse_events/{place}"
        try:
            term = self._terms.find(event.term, suggest=not errors)
        except RefusedInputError as refusal:
            errors += refusal.under(pointer).errors
            return
        fault = check_grade(term, event.grade)
        if fault is not None:
            errors.append(InputError(pointer + fault.pointer, fault.code, fault.message, fault.allowed))
        if event.facts:
            try:
                self._grades(event, term)
            except RefusedInputError as refusal:
                errors += refusal.under(pointer).errors


def _infusions(record: PatientRecord, errors: list[InputError]) -> None:
    """Refuse one agent twice."""
    child = record.presentation
    infusions = child.hemodynamics.vasoactive_infusions if child is not None and child.hemodynamics else None
    if infusions and len(infusions) > 1:
        try:
            list(rates(infusions))
        except RefusedInputError as refusal:
            errors += refusal.under("/presentation").errors


def _at(record: PatientRecord, path: Path) -> Any:  # noqa: ANN401 - a part of a record
    found: Any = record
    for step in path:
        found = found[step] if isinstance(step, int) else getattr(found, step)
    return found


def changed(text: str, changes: Changes) -> PatientRecord:
    """Return the record of a text with some numbers replaced. What was absent stays absent, and null stays null."""
    sent = msgspec.json.decode(text)
    for path, number in changes.items():
        part: Any = sent
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = number
    return PatientRecord.model_validate(sent)
