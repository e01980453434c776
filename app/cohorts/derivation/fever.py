"""The end of the fever: the first accepted temperature below the bound that follows one of fever.

Only oral and rectal temperatures count. From time zero on, the state just before it included, the fever ends with the
first reading below the bound after one that is not; it may come back (the study counts the first). Who had no fever at
or after time zero is not on the curve, with the reason; who still had it is censored at the last accepted reading.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from app.clinical.rulebook import LoadedRuleSet
from app.cohorts.derivation.derived import Notes
from app.cohorts.precision import closed
from app.cohorts.records import PatientRecord

_SITE: Final = "site."
_FEVER: Final = b"\x00"
_OVER: Final = b"\x01"
_WITHOUT_SITE: Final = "Temperatures without a site do not count for defervescence: only oral and rectal ones do."


class Ending(NamedTuple):
    """When the fever ended (hours from time zero), or why there is no such time."""

    hours: float | None
    observed: bool | None
    excluded: str | None


class Course(NamedTuple):
    """The accepted readings in the order of time: their hours, and whether each lies below the bound (1) or not (0)."""

    hours: list[float]
    is_over: bytes
    absent: str | None

    def came_back(self, ending: Ending, zero: float) -> bool:
        """Say whether a temperature of fever follows the end."""
        if not ending.observed or ending.hours is None:
            return False
        place = bisect_left(self.hours, ending.hours + zero)
        return self.is_over.find(_FEVER, place) >= 0


class Defervescence:
    """Compiled from `misc-cohort-2023`."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._over = closed(rules.threshold("defervescence.temperature"))
        self._is_sustained = rules.threshold("defervescence.sustained").compiled()
        self.sites = frozenset(t.id.removeprefix(_SITE) for t in rules.content.text if t.id.startswith(_SITE))

    def course(self, record: PatientRecord, notes: Notes) -> Course:
        """Return the accepted readings; of several at one hour the highest counts."""
        sent = record.temperatures
        if not sent:
            return Course([], b"", "no_temperature")
        sites = self.sites
        readings = [(t.hour, t.celsius) for t in sent if t.site in sites]
        if len(readings) < len(sent) and any(t.site is None for t in sent):
            notes.warn("temperature_without_site", _WITHOUT_SITE)
        if not readings:
            return Course([], b"", "no_accepted_site")
        # Sorted by hour, then degrees: of one hour the last is the highest.
        highest = dict(sorted(readings))
        over = self._over
        return Course(list(highest), bytes([celsius <= over for celsius in highest.values()]), None)

    def ending(self, course: Course, zero: float | None, *, sustained: bool = False) -> Ending:
        """Return the end of the fever from a time zero (hours since admission)."""
        if zero is None:
            return Ending(None, None, "time_zero_unknown")
        if course.absent is not None:
            return Ending(None, None, course.absent)
        hours, is_over = course.hours, course.is_over
        begun = bisect_left(hours, zero)
        febrile = is_over.find(_FEVER, max(begun - 1, 0))
        if febrile < 0:
            return Ending(None, None, _why_none(is_over, begun))
        if begun == len(hours):
            return Ending(None, None, "no_temperature_after_time_zero")
        place = is_over.find(_OVER, max(begun, febrile + 1))
        while place >= 0:
            again = is_over.find(_FEVER, place + 1)  # -1, the last reading, where the fever stays away
            if not sustained or self._is_sustained(round(hours[again] - hours[place], 1)):
                return Ending(round(hours[place] - zero, 1), observed=True, excluded=None)
            place = -1 if again < 0 else is_over.find(_OVER, again + 1)
        return Ending(round(hours[-1] - zero, 1), observed=False, excluded=None)


def _why_none(is_over: bytes, begun: int) -> str:
    """Say why there is no fever from time zero on."""
    if _FEVER in is_over[: max(begun - 1, 0)]:
        return "afebrile_at_time_zero"
    return "never_febrile" if begun < len(is_over) else "no_temperature_after_time_zero"
