"""A course of anakinra: its numbers, stated or from its doses, and why it was given."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from app.clinical.anakinra.protocol import Protocol
from app.clinical.arithmetic import HOURS_PER_DAY
from app.clinical.flags import Maybe
from app.clinical.rulebook import LoadedRuleSet
from app.cohorts.derivation.derived import Notes
from app.cohorts.derivation.fever import Course as Temperatures
from app.cohorts.derivation.protocol_adherence import ProtocolAdherence, Told
from app.cohorts.derivation.treatment import Given
from app.cohorts.precision import scaled, tenths_of_days
from app.cohorts.records import Anakinra, DoseStep, PatientRecord, Role

_HUNDREDTHS: Final = 100
_TENTHS: Final = 10
_DIFFER: Final = "The stated number counts; the doses and hours of the course give another one. Check both."
_ROLE: Final = "The stated role counts; critical illness and the course after IVIG say otherwise. Check both."


class Circumstances(NamedTuple):
    """What surrounds a course: what else was given, how ill the child was, its temperatures."""

    what: Given
    critical: Maybe
    temperatures: Temperatures


class AnakinraCourse:
    """Compiled from the dosing protocol, the definition of refractory to IVIG and `misc-cohort-2023`."""

    def __init__(self, protocol: Protocol, refractory: LoadedRuleSet, definition: str, rules: LoadedRuleSet) -> None:
        self._protocol_id = protocol.id
        self._has_elapsed = refractory.threshold(definition).compiled()
        self._calendar_agrees = rules.threshold("calendar.agrees").compiled()
        self._adherence = ProtocolAdherence(protocol)

    def __call__(
        self, record: PatientRecord, around: Circumstances, values: dict[str, int], notes: Notes
    ) -> dict[str, Any] | None:
        """Write the variables of a course, and return the answer's facts; None without anakinra."""
        course = around.what.course
        if course is None:
            return None
        told = self._numbers(course, notes)
        fever = self._fever_after_ivig(around, told.started)
        role = self._role(course, around, fever=fever, notes=notes)
        deviations = self._adherence(course, told, around.critical, record)
        for code, message in deviations:
            notes.warn(code, message)
        if role is not None:
            values["anakinra.adjunct"] = int(role == "adjunct")
            values["anakinra.rescue"] = int(role == "rescue")
        _write(told, values)
        if deviations or (told.starting is not None and told.maximum is not None):
            values["anakinra.protocol_deviation"] = int(bool(deviations))
        return {
            "role": role,
            "role_basis": None if role is None else "stated" if course.role is not None else "derived",
            "fever_after_ivig": fever or None,
            "started_hour": told.started,
            "stopped_hour": told.stopped,
            "initiation_hospital_day": told.day,
            "starting_mg_kg_day": told.starting,
            "maximum_mg_kg_day": told.maximum,
            "maximum_mg_per_dose": told.per_dose,
            "duration_days": told.duration,
            "protocol": self._protocol_id,
            "deviations": [code for code, _ in deviations],
        }

    def _numbers(self, course: Anakinra, notes: Notes) -> Told:
        given = [d for d in course.doses or () if d.mg_kg_day > 0]
        started = course.started_hour
        if started is None and given:
            started = given[0].hour
        stopped = course.stopped_hour if course.stopped_hour is not None else _stop(course.doses or ())
        duration = None
        if started is not None and stopped is not None:
            duration = tenths_of_days(started, stopped) / _TENTHS
        day = None if started is None or started < 0 else int(started // HOURS_PER_DAY) + 1
        return Told(
            started,
            stopped,
            self._same("starting_mg_kg_day", course.starting_mg_kg_day, given[0].mg_kg_day if given else None, notes),
            self._maximum(course.maximum_mg_kg_day, max((d.mg_kg_day for d in given), default=None), notes),
            course.maximum_mg_per_dose,
            self._same("duration_days", course.duration_days, duration, notes),
            self._day(course.initiation_hospital_day, day, notes),
        )

    @staticmethod
    def _same(name: str, stated: float | None, derived: float | None, notes: Notes) -> float | None:
        if stated is None:
            return derived
        if derived is not None and derived != stated:
            notes.disagree(f"treatment.anakinra.{name}", stated, derived, _DIFFER)
        return stated

    @staticmethod
    def _maximum(stated: float | None, derived: float | None, notes: Notes) -> float | None:
        """Return the highest dose. The list of doses may be incomplete: only a dose above the stated one disagrees."""
        if stated is None:
            return derived
        if derived is not None and derived > stated:
            notes.disagree("treatment.anakinra.maximum_mg_kg_day", stated, derived, _DIFFER)
        return stated

    def _day(self, stated: int | None, derived: int | None, notes: Notes) -> int | None:
        if stated is None or derived is None:
            return derived if stated is None else stated
        if not self._calendar_agrees(abs(stated - derived)):
            notes.disagree("treatment.anakinra.initiation_hospital_day", stated, derived, _DIFFER)
        return stated

    @staticmethod
    def _role(course: Anakinra, around: Circumstances, *, fever: bool, notes: Notes) -> Role | None:
        """Return the role: as stated, else by the study's indications (adjunct outranks rescue)."""
        derived: Role | None = None
        if around.critical:
            derived = "adjunct"
        elif around.critical is False and fever:
            derived = "rescue"
        if course.role is None:
            return derived
        if derived is not None and derived != course.role:
            notes.disagree("treatment.anakinra.role", course.role, derived, _ROLE)
        return course.role

    def _fever_after_ivig(self, around: Circumstances, started: float | None) -> bool:
        """Say whether fever is on record between the end of the window after IVIG and the first dose."""
        ended = None if around.what.infusion is None else around.what.infusion.ended_hour
        if ended is None or started is None or not self._has_elapsed(round(started - ended, 1)):
            return False
        course = around.temperatures
        return any(
            not is_over and hour <= started and self._has_elapsed(round(hour - ended, 1))
            for hour, is_over in zip(course.hours, course.is_over, strict=True)
        )


def _stop(doses: tuple[DoseStep, ...]) -> float | None:
    """Return the hour of a last entry of no dose."""
    return doses[-1].hour if doses and doses[-1].mg_kg_day == 0 else None


def _write(told: Told, values: dict[str, int]) -> None:
    if told.starting is not None:
        values["anakinra.starting_mg_kg_day"] = scaled(told.starting, _HUNDREDTHS)
    if told.maximum is not None:
        values["anakinra.maximum_mg_kg_day"] = scaled(told.maximum, _HUNDREDTHS)
    if told.per_dose is not None:
        values["anakinra.maximum_mg_per_dose"] = scaled(told.per_dose, _TENTHS)
    if told.duration is not None:
        values["anakinra.duration_days"] = scaled(told.duration, _TENTHS)
    if told.day is not None:
        values["anakinra.initiation_hospital_day"] = told.day
