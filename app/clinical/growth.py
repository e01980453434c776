"""Weight and height against age: finds slips of unit and decimal point before a dose is calculated from them.

This is a check of data, not an assessment of growth. Distance from the median is counted in modified Z (growth_curves).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from app.clinical.arithmetic import MONTHS_PER_YEAR, exact, plain, rounded
from app.clinical.growth_curves import Curve, Point, curve_at, curves
from app.clinical.plausibility import HOW_TO_OVERRIDE, NO_CAUTIONS
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.rulebook.model import Range
from app.clinical.warning import Caution

Sex = Literal["male", "female"]
Measure = Literal["weight", "height"]
BOTH: Final[tuple[Sex, ...]] = ("male", "female")
SLIPS: Final[dict[Measure, tuple[str, ...]]] = {
    "weight": (
        "weight_maybe_pounds",
        "weight_maybe_tenfold_high",
        "weight_maybe_tenfold_low",
        "weight_maybe_converted_twice",
    ),
    "height": ("height_maybe_inches", "height_maybe_metres", "height_maybe_feet", "height_maybe_millimetres"),
}


class Span(NamedTuple):
    """Two distances from the median, both inclusive."""

    low: float
    high: float


class Limits(NamedTuple):
    """The limits of one measure, and what could have slipped."""

    field: str
    unit: str
    believable: Span
    ordinary: Span
    expected: Span
    shown_step: Decimal
    slips: tuple[tuple[float, Caution], ...]
    unusual: Caution
    implausible: Caution


class Found(NamedTuple):
    """What a check found: a warning of each kind that applies, and whether the value is beyond belief."""

    cautions: tuple[Caution, ...]
    allowed: str | None


_EXPECTED: Final = Found(NO_CAUTIONS, None)


class GrowthLimits:
    """Checks weight and height against age and each other (`growth-limits`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["growth-limits"]
        self._curves: dict[tuple[str, str], tuple[Curve, ...]] = {
            (measure, sex): curves(self.rules, measure, sex) for measure in SLIPS for sex in BOTH
        }
        self._weight = _limits(self.rules, "weight", "weight_kg", "kg")
        self._height = _limits(self.rules, "height", "height_cm", "cm")
        self._body_mass_index = _span(self.rules.range("body_mass_index"))
        self._centimetres = float(self.rules.number("centimetres_per_metre"))
        self._disagree = _caution(self.rules, "weight_and_height_disagree")
        # Most ages come in whole or half years: their points are worked out once. An age is nobody's name.
        self._points = lru_cache(maxsize=4096)(self._work_out)

    def cautions(
        self,
        age_years: float | None,
        weight_kg: float | None,
        height_cm: float | None = None,
        sex: Sex | None = None,
    ) -> tuple[Caution, ...]:
        """Return the warnings that a weight (kg) and height (cm) earn at an age (years); None is unknown.

        A whole number of years is read as completed years, so the child may be up to a year older.
        """
        found = self._found(age_years, weight_kg, height_cm, sex)
        return tuple(c for _, one in found for c in one.cautions) + self._fit(weight_kg, height_cm)

    def check(  # noqa: PLR0913 - the child's four facts, where they stand in the request, and the override
        self,
        age_years: float | None,
        weight_kg: float | None,
        height_cm: float | None = None,
        sex: Sex | None = None,
        *,
        pointer: str = "/weight_kg",
        height_pointer: str = "/height_cm",
        override: bool = False,
    ) -> tuple[Caution, ...]:
        """Return the warnings, or refuse what no child of that age weighs or measures unless overridden.

        Raises `RefusedInputError`: `weight_implausible_for_age`, `height_implausible_for_age`.
        """
        found = self._found(age_years, weight_kg, height_cm, sex)
        if all(one is _EXPECTED for _, one in found):
            return self._fit(weight_kg, height_cm)
        pointers = {"weight_kg": pointer, "height_cm": height_pointer}
        errors = [_refusal(pointers[m.field], m, one) for m, one in found if one.allowed is not None]
        if errors and not override:
            raise RefusedInputError(*errors)
        return tuple(c for _, one in found for c in one.cautions) + self._fit(weight_kg, height_cm)

    def _found(
        self, age_years: float | None, weight_kg: float | None, height_cm: float | None, sex: Sex | None
    ) -> list[tuple[Limits, Found]]:
        if age_years is None or age_years < 0:
            return []  # an age below zero is refused by the plausible ranges, in words of its own
        sent = (("weight", self._weight, weight_kg), ("height", self._height, height_cm))
        return [(m, _judge(m, v, self._points(name, age_years, sex))) for name, m, v in sent if v is not None]

    def _work_out(self, measure: str, age_years: float, sex: Sex | None) -> list[Point]:
        """Return the reference points that may apply: of either sex if unknown, of both ends of a whole year."""
        months = age_years * MONTHS_PER_YEAR
        ages = (months, months + MONTHS_PER_YEAR) if age_years == int(age_years) else (months,)
        sexes = BOTH if sex is None else (sex,)
        return [curve_at(self._curves[measure, s], age).at(age) for s in sexes for age in ages]

    def _fit(self, weight_kg: float | None, height_cm: float | None) -> tuple[Caution, ...]:
        if not weight_kg or not height_cm:
            return NO_CAUTIONS
        metres = height_cm / self._centimetres
        square = metres * metres  # a product runs to infinity or zero where a power raises
        if not square:
            return NO_CAUTIONS
        low, high = self._body_mass_index
        index = weight_kg / square
        return NO_CAUTIONS if low <= index <= high else (self._disagree,)


def _judge(limits: Limits, value: float, points: Sequence[Point]) -> Found:
    """Judge a value by the most lenient of the points that may apply."""
    if _within(limits.expected, value, points):
        return _EXPECTED
    slips = tuple(c for factor, c in limits.slips if _within(limits.expected, value * factor, points))
    if not _within(limits.believable, value, points):
        return Found((*slips, limits.implausible), _allowed(limits, points))
    if slips or _within(limits.ordinary, value, points):
        return Found(slips, None)
    return Found((limits.unusual,), None)


def _within(span: Span, value: float, points: Sequence[Point]) -> bool:
    """Say whether the value may lie inside: by one point at the low end, by one, maybe another, at the high end."""
    scores = [p.score(value) for p in points]
    return min(scores) <= span.high and max(scores) >= span.low


def _allowed(limits: Limits, points: Sequence[Point]) -> str:
    low = min(p.at(limits.believable.low) for p in points)
    high = max(p.at(limits.believable.high) for p in points)
    low_text, high_text = (plain(rounded(exact(v), limits.shown_step)) for v in (max(low, 0), high))
    return f"{low_text} to {high_text} {limits.unit}"


def _refusal(pointer: str, limits: Limits, found: Found) -> InputError:
    reasons = " ".join(c.message for c in reversed(found.cautions))
    message = f"{reasons} For this age {limits.field} is taken from {found.allowed}. {HOW_TO_OVERRIDE}"
    return InputError(pointer, limits.implausible.code, message)


def _limits(rules: LoadedRuleSet, measure: Measure, field: str, unit: str) -> Limits:
    return Limits(
        field,
        unit,
        _span(rules.range(f"{measure}.believable")),
        _span(rules.range(f"{measure}.ordinary")),
        _span(rules.range(f"{measure}.expected")),
        rules.number("shown_step"),
        tuple((float(rules.number(code)), _caution(rules, code)) for code in SLIPS[measure]),
        _caution(rules, f"{measure}_unusual_for_age"),
        _caution(rules, f"{measure}_implausible_for_age"),
    )


def _span(row: Range) -> Span:
    return Span(float(row.low), float(row.high))


def _caution(rules: LoadedRuleSet, code: str) -> Caution:
    return Caution(code=code, message=rules.text(code))
