"""Clinically stable, as decision D16 reads it: four facts, of which the clinician's word must be among them."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from app.clinical.anakinra.protocol import Protocol
from app.clinical.evidence import MET, UNKNOWN, Combination, Criterion, Finding
from app.clinical.patient import Fact, strict


class Stability(BaseModel):
    """The last 24 hours. Absent and null mean unknown, and unknown holds the wean."""

    model_config = strict()

    fever: Fact = Field(
        default=None,
        description="A fever in the last 24 h, as stated; if maximum_celsius disagrees, the graver one counts",
    )
    maximum_celsius: float | None = Field(
        default=None,
        description="Highest temperature of the last 24 h in Celsius, plausible from 30 to 43.5; fever from 38.0",
    )
    vasoactive_support: Fact = Field(default=None, description="Any vasoactive infusion in the last 24 h")
    organ_function_worsening: Fact = Field(default=None, description="Any organ's function is getting worse")


NOTHING_KNOWN: Final = Stability()


class Judged(NamedTuple):
    """Stable or not, and whether it is the illness (and not only the clinician's word) that speaks against it."""

    stable: Finding
    has_deteriorated: bool


class StabilityGate:
    """All of: no fever, no vasoactive support, organ function not worsening, and the clinician's confirmation."""

    def __init__(self, protocol: Protocol) -> None:
        hours = f"in the last {protocol.stable_hours} h"
        source = protocol.rules.cite(protocol.fever)
        self._fever_stated = _criterion("fever_stated", f"Fever {hours}, as stated", "stability.fever", source)
        self._fever_measured = Criterion(
            "anakinra.wean.fever_measured",
            f"Fever {hours}, by the highest temperature",
            "stability.maximum_celsius",
            source=source,
            threshold=protocol.fever,
        )
        self._fever = Combination("anakinra.wean.fever", f"Fever {hours}", "first_known", source=source)
        self._either = Combination("anakinra.wean.fever", f"Fever {hours}", "any", source=source)
        support = f"Vasoactive support {hours}"
        self._vasoactive = _criterion("vasoactive_support", support, "stability.vasoactive_support", source)
        worsening = "Organ function worsening"
        self._worsening = _criterion(
            "organ_function_worsening", worsening, "stability.organ_function_worsening", source
        )
        self._confirmed = _criterion("confirmed", "Confirmed stable by a clinician", "clinically_stable", source)
        self._no_fever = _negation("no_fever", f"No fever {hours}", source)
        self._no_vasoactive = _negation("no_vasoactive_support", f"No vasoactive support {hours}", source)
        self._not_worsening = _negation("organ_function_not_worsening", "Organ function not worsening", source)
        self._stable = Combination("anakinra.wean.stable", "Clinically stable", "all", source=source)

    def __call__(self, stability: Stability | None, confirmed: bool | None) -> Judged:  # noqa: FBT001 - three-valued
        """Judge the four facts; what is not known leaves it unknown."""
        known = stability or NOTHING_KNOWN
        fever = self._judge_fever(known)
        vasoactive = self._vasoactive.stated(known.vasoactive_support)
        worsening = self._worsening.stated(known.organ_function_worsening)
        stable = self._stable(
            self._no_fever(fever),
            self._no_vasoactive(vasoactive),
            self._not_worsening(worsening),
            self._confirmed.stated(confirmed),
        )
        return Judged(stable, MET in {fever.status, vasoactive.status, worsening.status})

    def _judge_fever(self, known: Stability) -> Finding:
        """Take what is known; should statement and temperature disagree, the graver one counts."""
        stated, measured = self._fever_stated.stated(known.fever), self._fever_measured.measured(known.maximum_celsius)
        combine = self._fever if UNKNOWN in {stated.status, measured.status} else self._either
        return combine(stated, measured)


def _criterion(name: str, label: str, field: str, source: str) -> Criterion:
    return Criterion(f"anakinra.wean.{name}", label, field, source=source)


def _negation(name: str, label: str, source: str) -> Combination:
    return Combination(f"anakinra.wean.{name}", label, "not", source=source)
