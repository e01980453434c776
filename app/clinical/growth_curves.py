"""Growth references as curves: the median by age, and how far from it a value lies.

Distance is counted in CDC's modified Z: the unit is half of what lies between the median and the value at Z = 2, on
either side, so that extreme values are not squeezed together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from app.clinical.rulebook import LoadedRuleSet, RulebookError
from app.clinical.rulebook.growth_references import GrowthRule


class Point(NamedTuple):
    """The median at one age, and one modified Z below and above it."""

    age_months: float
    median: float
    below: float
    above: float

    def score(self, value: float) -> float:
        """Return the distance from the median in modified Z."""
        return (value - self.median) / (self.above if value > self.median else self.below)

    def at(self, score: float) -> float:
        """Return the value at a modified Z."""
        return self.median + score * (self.above if score > 0 else self.below)


class Curve:
    """One reference of one sex: points by age, straight lines between them, flat beyond the last."""

    __slots__ = ("_ages", "_points", "starts_at")

    def __init__(self, rule: GrowthRule) -> None:
        self._points = tuple(
            Point(float(age), float(median), float((median - low) / rule.z), float((high - median) / rule.z))
            for age, low, median, high in rule.row
        )
        self._ages = tuple(p.age_months for p in self._points)
        self.starts_at = self._ages[0]

    def at(self, age_months: float) -> Point:
        """Return the point at an age at which the curve has started."""
        index = max(bisect_right(self._ages, age_months) - 1, 0)
        before = self._points[index]
        if index == len(self._points) - 1:
            return before
        after = self._points[index + 1]
        share = (age_months - before.age_months) / (after.age_months - before.age_months)
        return Point(
            age_months,
            before.median + share * (after.median - before.median),
            before.below + share * (after.below - before.below),
            before.above + share * (after.above - before.above),
        )


def curves(rules: LoadedRuleSet, measure: str, sex: str) -> tuple[Curve, ...]:
    """Return the curves of a measure and sex by the age at which they start; raises `RulebookError` for none."""
    found = [g for g in rules.content.growth if g.measure == measure and g.sex == sex]
    if not found:
        raise RulebookError(f"{rules.file}: growth: no table of {measure} for {sex}")
    return tuple(sorted(map(Curve, found), key=lambda c: c.starts_at))


def curve_at(by_start: Sequence[Curve], age_months: float) -> Curve:
    """Return the last curve that has started at this age: WHO below two years, CDC from then on."""
    return next((c for c in reversed(by_start) if c.starts_at <= age_months), by_start[0])
