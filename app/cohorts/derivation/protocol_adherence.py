"""How a course of anakinra kept to the dosing protocol.

Doses outside the protocol happen (the study's own quartiles lie below it): they are reported, never refused.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

from app.clinical.anakinra.protocol import Protocol
from app.clinical.arithmetic import plain
from app.clinical.flags import Maybe
from app.cohorts.precision import scaled
from app.cohorts.records import Anakinra, DoseStep, PatientRecord

_HUNDREDTHS: Final = 100
Deviation = tuple[str, str]
_OF: Final[dict[Maybe, str]] = {
    True: " for the critically ill",
    False: " for those not critically ill",
    None: " (critically ill or not is unknown)",
}


class Told(NamedTuple):
    """The numbers of a course that count."""

    started: float | None
    stopped: float | None
    starting: float | None
    maximum: float | None
    per_dose: float | None
    duration: float | None
    day: int | None


class ProtocolAdherence:
    """Compiled from the dosing protocol."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        low, high = protocol.bands
        self._bands: dict[Maybe, tuple[float, float]] = {
            True: (float(protocol.critically_ill.low), float(protocol.critically_ill.high)),
            False: (float(protocol.not_critically_ill.low), float(protocol.not_critically_ill.high)),
            None: (float(low.low), float(high.high)),
        }
        self._ceiling, self._cap = float(protocol.ceiling), float(protocol.cap)
        self._fall = scaled(float(protocol.step + protocol.residue), _HUNDREDTHS)
        self._shortest, self._longest = float(protocol.interval.low), float(protocol.interval.high)

    def __call__(self, course: Anakinra, told: Told, critical: Maybe, record: PatientRecord) -> list[Deviation]:
        """Return the deviations of a course, each with its code and in words."""
        found: list[Deviation] = []
        low, high = self._bands[critical]
        if told.starting is not None and not low <= told.starting <= high:
            where = "below" if told.starting < low else "above"
            words = f"The starting dose lies {where} the protocol's {low:g} to {high:g} mg/kg/day{_OF[critical]}."
            found.append((f"anakinra_start_{where}_band", words))
        if told.maximum is not None and told.maximum > self._ceiling:
            words = f"The highest dose lies above the protocol's ceiling of {plain(self._protocol.ceiling)} mg/kg/day."
            found.append(("anakinra_above_ceiling", words))
        if told.per_dose is not None and told.per_dose > self._cap:
            words = f"The highest single dose lies above the protocol's {plain(self._protocol.cap)} mg."
            found.append(("anakinra_above_single_dose_cap", words))
        found += self._weaning(course.doses or (), told)
        discharged = None if record.outcome is None else record.outcome.discharged_hour
        if discharged is not None and told.stopped is not None and told.stopped > discharged:
            found.append(("anakinra_beyond_discharge", "The protocol stops anakinra before discharge."))
        return found

    def _weaning(self, doses: tuple[DoseStep, ...], told: Told) -> list[Deviation]:
        """Compare every fall of the dose with the protocol's step, and the time between two falls with its interval."""
        changes = _changes(doses, told.stopped)
        falls = [(one, other) for one, other in pairwise(changes) if other.mg_kg_day < one.mg_kg_day]
        found: dict[str, str] = {}
        for one, other in falls:
            if scaled(one.mg_kg_day - other.mg_kg_day, _HUNDREDTHS) > self._fall:
                found["wean_step_large"] = (
                    f"The dose fell by more than the protocol's {plain(self._protocol.step)} mg/kg/day at once."
                )
        for (_, one), (_, other) in pairwise(falls):
            hours = round(other.hour - one.hour, 1)
            if hours < self._shortest:
                found["wean_interval_short"] = f"Two falls of the dose lie less than {self._shortest:g} h apart."
            if hours > self._longest:
                found["wean_interval_long"] = f"Two falls of the dose lie more than {self._longest:g} h apart."
        return list(found.items())


def _changes(doses: tuple[DoseStep, ...], stopped: float | None) -> list[DoseStep]:
    """Return the entries that change the dose, the stop as the last."""
    found: list[DoseStep] = []
    for dose in doses:
        if not found or dose.mg_kg_day != found[-1].mg_kg_day:
            found.append(dose)
    if found and found[-1].mg_kg_day > 0 and stopped is not None and len(found) > 1:
        found.append(DoseStep(hour=stopped, mg_kg_day=0.0))
    return found
