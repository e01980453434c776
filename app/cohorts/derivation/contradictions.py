"""What within one record cannot be: things out of order, one fact sent twice and differently."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from app.clinical.refusal import InputError
from app.cohorts.derivation.agents import unknown_agents
from app.cohorts.records import (
    Anakinra,
    Cytokine,
    DoseStep,
    Ivig,
    PatientRecord,
    Treatment,
    course_of,
    each,
    infusion_of,
)

_ORDER: Final = "order"
_CONTRADICTION: Final = "contradiction"
_MISSING: Final = "field_missing"


def contradictions(record: PatientRecord) -> Iterator[InputError]:
    """Yield every fault of a record that takes two fields to see."""
    if record.presentation is not None:
        yield from _twice(record)
    if record.treatment is not None:
        yield from _treatment(record.treatment)
    if record.echocardiograms:
        yield from _echocardiograms(record)
    outcome = record.outcome
    if outcome is not None and outcome.discharged_hour is not None and outcome.discharged_hour < 0:
        yield InputError("/outcome/discharged_hour", _ORDER, "Discharge cannot lie before admission.")
    if record.cytokines is not None:
        for name, one in each(record.cytokines):
            if one is not None and one.unit is None and (one.value is not None or one.upper_limit is not None):
                yield _without_unit(name, one)


def _treatment(treatment: Treatment) -> Iterator[InputError]:
    ivig, course = infusion_of(treatment), course_of(treatment)
    if ivig is not None:
        yield from _ivig(ivig)
    if course is not None:
        yield from _course(course)
    yield from unknown_agents(treatment)


def _twice(record: PatientRecord) -> Iterator[InputError]:
    child = record.presentation
    for name in ("age_years", "sex"):
        one, other = getattr(record, name), getattr(child, name)
        if one is not None and other is not None and one != other:
            message = f"{name} is sent here and at /{name}, and the two differ. A record is about one child: send one."
            yield InputError(f"/presentation/{name}", _CONTRADICTION, message)


def _ivig(ivig: Ivig) -> Iterator[InputError]:
    if ivig.started_hour is not None and ivig.ended_hour is not None and ivig.ended_hour < ivig.started_hour:
        yield InputError("/treatment/ivig/ended_hour", _ORDER, "IVIG cannot have ended before it started.")


def _course(course: Anakinra) -> Iterator[InputError]:
    base = "/treatment/anakinra"
    started, stopped = course.started_hour, course.stopped_hour
    if started is not None and stopped is not None and stopped < started:
        yield InputError(f"{base}/stopped_hour", _ORDER, "Anakinra cannot have been stopped before it started.")
    starting, maximum = course.starting_mg_kg_day, course.maximum_mg_kg_day
    if starting is not None and maximum is not None and maximum < starting:
        message = "The highest dose cannot lie below the starting dose."
        yield InputError(f"{base}/maximum_mg_kg_day", _CONTRADICTION, message)
    if course.doses:
        yield from _doses(course, course.doses)


def _doses(course: Anakinra, doses: tuple[DoseStep, ...]) -> Iterator[InputError]:
    base, started, stopped = "/treatment/anakinra", course.started_hour, course.stopped_hour
    for place, (one, other) in enumerate(pairwise(doses), start=1):
        if other.hour <= one.hour:
            message = "List the doses in the order of time, each hour once."
            yield InputError(f"{base}/doses/{place}/hour", _ORDER, message)
    for place, dose in enumerate(doses):
        if started is not None and dose.hour < started:
            message = "A dose lies before started_hour."
            yield InputError(f"{base}/doses/{place}/hour", _ORDER, message)
        if stopped is not None and dose.hour > stopped and dose.mg_kg_day > 0:
            message = "A dose lies after stopped_hour."
            yield InputError(f"{base}/doses/{place}/hour", _ORDER, message)


def _echocardiograms(record: PatientRecord) -> Iterator[InputError]:
    for place, (one, other) in enumerate(pairwise(record.echocardiograms or ()), start=1):
        pointer = f"/echocardiograms/{place}/day"
        if other.day < one.day:
            message = "A follow-up echocardiogram cannot lie before the first: list them in the order of time."
            yield InputError(pointer, _ORDER, message)
        elif other.day == one.day:
            message = "Each day may have one echocardiogram: send the one that should count."
            yield InputError(pointer, "day_repeated", message)


def _without_unit(name: str, one: Cytokine) -> InputError:
    number = "upper_limit" if one.value is None else "value"
    return InputError(f"/cytokines/{name}/unit", _MISSING, f"{number} needs a unit here; it is not guessed.")
