"""The clocks of defervescence: from admission and from the start of anakinra, first end and sustained end.

A stated end stands before what the temperatures say, which is kept beside it.
"""

from __future__ import annotations

from typing import Any, Final

from app.cohorts.derivation.derived import Notes
from app.cohorts.derivation.fever import Course, Defervescence, Ending
from app.cohorts.derivation.treatment import Given
from app.cohorts.precision import scaled
from app.cohorts.records import PatientRecord
from app.cohorts.variables import EXCLUDED

_ADMISSION: Final = 0.0
_TENTHS: Final = 10
_STATED: Final = "The stated end of the fever counts; the temperatures say otherwise. Check both."
_CAME_BACK: Final = "The fever came back after it had first ended; the first end counts, as in the study."
Facts = dict[str, Any]


class FeverClocks:
    """Writes the variables of every clock."""

    def __init__(self, defervescence: Defervescence) -> None:
        self._fever = defervescence

    def __call__(  # noqa: PLR0913, PLR0917 - a record, what was read of it, and where it is written
        self,
        record: PatientRecord,
        course: Course,
        what: Given,
        started: float | None,
        values: dict[str, int],
        notes: Notes,
    ) -> Facts:
        """Write the clocks, that of anakinra for those who had it; return the answer's facts."""
        said = _stated(record)
        told = self._from_admission(said, course, values, notes)
        if what.anakinra:
            told |= self._from_anakinra(said, course, started, values)
        return told

    def _from_admission(self, said: Ending | None, course: Course, values: dict[str, int], notes: Notes) -> Facts:
        derived = self._fever.ending(course, _ADMISSION)
        if said is not None:
            _compare(said, derived, notes)
        elif course.came_back(derived, _ADMISSION):
            notes.warn("fever_came_back", _CAME_BACK)
        ending = said or derived
        _write("defervescence.admission", ending, values)
        if ending.excluded is not None:
            values["defervescence.excluded"] = EXCLUDED[ending.excluded]
        sustained = self._fever.ending(course, _ADMISSION, sustained=True)
        _write("defervescence_sustained.admission", sustained, values)
        return {
            "from_admission": _facts(ending, said, None if said is None else derived),
            "sustained_from_admission": _facts(sustained, None),
        }

    def _from_anakinra(
        self, said: Ending | None, course: Course, started: float | None, values: dict[str, int]
    ) -> Facts:
        ending = self._fever.ending(course, started) if said is None else _moved(said, started)
        _write("defervescence.anakinra_start", ending, values)
        if ending.excluded is not None:
            values["defervescence.anakinra_start.excluded"] = EXCLUDED[ending.excluded]
        sustained = self._fever.ending(course, started, sustained=True)
        _write("defervescence_sustained.anakinra_start", sustained, values)
        return {
            "from_anakinra_start": _facts(ending, said),
            "sustained_from_anakinra_start": _facts(sustained, None),
        }


def _stated(record: PatientRecord) -> Ending | None:
    """Return the end of the fever from admission as the record states it."""
    said = record.defervescence
    return None if said is None else Ending(said.hours, said.observed, None)


def _moved(said: Ending, zero: float | None) -> Ending:
    """Move a stated end to another time zero: what had ended before it is not on that curve."""
    if zero is None or said.hours is None:
        return Ending(None, None, "time_zero_unknown")
    if said.hours >= zero:
        return Ending(round(said.hours - zero, 1), said.observed, None)
    return Ending(None, None, "afebrile_at_time_zero" if said.observed else "no_temperature_after_time_zero")


def _compare(said: Ending, derived: Ending, notes: Notes) -> None:
    """Note where the temperatures contradict the stated end; that they stop earlier is no contradiction."""
    if said.hours is None or derived.hours is None:
        return
    if said.observed:
        differs = derived.hours != said.hours if derived.observed else derived.hours > said.hours
    else:
        differs = bool(derived.observed) and derived.hours <= said.hours
    if differs:
        notes.disagree("defervescence", _told(said), _told(derived), _STATED)


def _told(ending: Ending) -> dict[str, Any]:
    return {"hours": ending.hours, "observed": ending.observed}


def _write(name: str, ending: Ending, values: dict[str, int]) -> None:
    """Write the time of a clock, as event or as censored."""
    if ending.hours is not None:
        values[f"{name}.{'event' if ending.observed else 'censored'}"] = scaled(ending.hours, _TENTHS)


def _facts(ending: Ending, said: Ending | None, derived: Ending | None = None) -> Facts:
    """Write the answer's facts of one clock."""
    told: Facts = {"hours": ending.hours, "observed": ending.observed}
    if ending.excluded is not None:
        told["excluded"] = ending.excluded
    else:
        told["basis"] = "temperatures" if said is None else "stated"
    if derived is not None and derived.hours is not None:
        told["from_temperatures"] = _told(derived)
    return told
