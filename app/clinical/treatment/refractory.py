"""Refractory to IVIG, by one of three published definitions; unknown until the definition's window has elapsed."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from app.clinical.arithmetic import said
from app.clinical.evidence import UNKNOWN, Combination, Criterion, Finding
from app.clinical.patient import Fact, strict
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.rulebook.model import Threshold

Definition = Literal["aha_36h", "jcs_24h", "nih_24h"]
DEFINITIONS: Final[tuple[Definition, ...]] = ("aha_36h", "jcs_24h", "nih_24h")
HOURS: Final = "ivig.hours_since_end"
FEVER: Final = "ivig.fever"


class IvigCourse(BaseModel):
    """How the child did after IVIG. Absent and null mean unknown."""

    model_config = strict()

    given: Fact = Field(default=None, description="IVIG was given; false: the illness cannot be refractory to it")
    hours_since_end: float | None = Field(
        default=None, description="Hours since the END of the IVIG infusion, plausible from 0 to 2400"
    )
    fever: Fact = Field(
        default=None, description="Fever now, persistent or recurred, as stated; counts once the window has elapsed"
    )
    temperature_celsius: float | None = Field(
        default=None,
        description="Temperature now, Celsius, plausible from 30 to 43.5; fever from 38.0; a stated fever outranks it",
    )
    improved: Fact = Field(default=None, description="Improved since the initial therapy (used by nih_24h)")


NOTHING_KNOWN: Final = IvigCourse()


class Refractory:
    """One definition of refractory to IVIG. Until its window has elapsed the answer is unknown, never no."""

    def __init__(self, definition: Definition, rules: LoadedRuleSet) -> None:
        self.window = rules.threshold(definition)
        cite = rules.cite(self.window)
        self._window = Criterion(
            f"ivig.{definition}.window", _label(self.window), HOURS, source=cite, threshold=self.window
        )
        self._sign = _Fever(rules, cite) if definition != "nih_24h" else _NoImprovement(cite)
        self._given = Criterion("ivig.given", "IVIG was given", "ivig.given", source=cite)
        label = f"Refractory to IVIG ({definition})"
        self._all = Combination(f"ivig.refractory.{definition}", label, "all", source=cite)
        self._too_early = f"The window has not elapsed: ask again {said(self.window.value)} h after the end of IVIG."

    def __call__(self, ivig: IvigCourse) -> Finding:
        """Judge the course after IVIG."""
        given = self._given.stated(True if ivig.hours_since_end is not None else ivig.given)
        elapsed = self._elapsed(ivig.hours_since_end)
        sign = self._sign(ivig)
        if elapsed.status == UNKNOWN:
            # A child without fever now may have it again when the window closes: the sign does not count yet.
            sign = _too_early(sign, elapsed.missing)
        return self._all(given, elapsed, sign)

    def _elapsed(self, hours: float | None) -> Finding:
        if hours is None:
            return self._window.unknown()
        if self.window.is_met(hours):
            return self._window.measured(hours)
        return self._window.unknown(HOURS, used={HOURS: hours}, note=self._too_early)


def _label(window: Threshold) -> str:
    return window.label or window.text


def _too_early(sign: Finding, missing: tuple[str, ...]) -> Finding:
    inputs = tuple(dict.fromkeys((*missing, *sign.missing)))
    return Finding(sign.id, sign.label, UNKNOWN, sign.used, sign.threshold, sign.source, inputs)


class _Fever:
    """Fever now: as stated, or by the temperature."""

    def __init__(self, rules: LoadedRuleSet, cite: str) -> None:
        limit = rules.threshold("fever")
        self._stated = Criterion("ivig.fever_stated", "Fever, as stated", "ivig.fever", source=cite)
        temperature = "ivig.temperature_celsius"
        self._measured = Criterion(
            "ivig.fever_measured", "Fever, by temperature", temperature, source=cite, threshold=limit
        )
        self._fever = Combination(FEVER, "Fever persists or has recurred", "first_known", source=cite)

    def __call__(self, ivig: IvigCourse) -> Finding:
        return self._fever(self._stated.stated(ivig.fever), self._measured.measured(ivig.temperature_celsius))


class _NoImprovement:
    """No improvement since the initial therapy."""

    def __init__(self, cite: str) -> None:
        self._improved = Criterion("ivig.improved", "Improved since the initial therapy", "ivig.improved", source=cite)
        self._not = Combination("ivig.no_improvement", "No improvement", "not", source=cite)

    def __call__(self, ivig: IvigCourse) -> Finding:
        return self._not(self._improved.stated(ivig.improved))
