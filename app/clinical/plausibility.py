"""Three tiers of belief in a number: impossible is refused, implausible needs an override, unusual is warned of."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from app.clinical.arithmetic import plain
from app.clinical.refusal import InputError
from app.clinical.warning import Caution

HOW_TO_OVERRIDE: Final = 'Check value and unit; if it is right, send "override_plausibility": true.'
NO_CAUTIONS: Final[tuple[Caution, ...]] = ()


class Interval(NamedTuple):
    """Two ends, each inside or outside."""

    low: Decimal
    high: Decimal
    with_low: bool = True
    with_high: bool = True

    def holds(self, value: Decimal) -> bool:
        """Say whether a value lies inside (a NaN never does)."""
        return (
            self.low < value < self.high
            or (self.with_low and value == self.low)
            or (self.with_high and value == self.high)
        )

    def within(self, other: Interval) -> bool:
        """Say whether this interval lies inside another."""
        low = self.low > other.low or (self.low == other.low and (other.with_low or not self.with_low))
        high = self.high < other.high or (self.high == other.high and (other.with_high or not self.with_high))
        return low and high

    def scaled(self, multiply: Decimal, divide: Decimal) -> Interval:
        """Return the same interval in another unit."""
        return self._replace(low=self.low * multiply / divide, high=self.high * multiply / divide)

    def text(self, unit: str) -> str:
        """Write the interval for people: "0 to 80 mg/dL", "above 0, up to 400 kg"."""
        low, high = plain(self.low.normalize()), plain(self.high.normalize())
        high = amount(high, unit)
        if self.with_low and self.with_high:
            return f"{low} to {high}".rstrip()
        start = f"{low}" if self.with_low else f"above {low}"
        return f"{start}, {'up to' if self.with_high else 'below'} {high}".rstrip()


class Judgement(NamedTuple):
    """What is wrong with a number, or which warnings it carries."""

    error: InputError | None
    cautions: tuple[Caution, ...]


GOOD: Final = Judgement(None, NO_CAUTIONS)


class Tiers(NamedTuple):
    """The three ranges of one quantity, each within the one before."""

    label: str
    unit: str
    possible: Interval
    plausible: Interval
    usual: Interval

    def judge(self, value: Decimal, pointer: str, *, override: bool, shown: Tiers | None = None) -> Judgement:
        """Place a value in its tier. Messages name the range, never the value.

        `shown` are the same ranges in the unit in which the sender thinks.
        """
        if self.usual.holds(value):
            return GOOD
        shown = shown or self
        if not self.possible.holds(value):
            return Judgement(InputError(pointer, "out_of_range", impossible(shown)), NO_CAUTIONS)
        if self.plausible.holds(value):
            return Judgement(None, (unusual(shown),))
        if override:
            return Judgement(None, (overridden(shown),))
        return Judgement(InputError(pointer, "implausible", implausible(shown)), NO_CAUTIONS)

    def for_limits(self) -> Tiers:
        """Return the ranges for a reference limit: none is unusual, so the warning tier is left out."""
        return self._replace(label=f"A reference limit of {self.label}", usual=self.plausible)

    def in_unit(self, unit: str, multiply: Decimal, divide: Decimal) -> Tiers:
        """Return the same ranges in another unit, so that messages speak the sender's."""
        ranges = (r.scaled(multiply, divide) for r in (self.possible, self.plausible, self.usual))
        return Tiers(self.label, unit, *ranges)


def impossible(tiers: Tiers) -> str:
    """Say what is possible."""
    return f"{tiers.label} must lie in the range {tiers.possible.text(tiers.unit)}."


def implausible(tiers: Tiers) -> str:
    """Say what is plausible, and how to insist."""
    return f"{tiers.label} outside {tiers.plausible.text(tiers.unit)} is implausible. {HOW_TO_OVERRIDE}"


def unusual(tiers: Tiers) -> Caution:
    """Warn of a value outside the usual range."""
    text = f"{tiers.label} lies outside the usual {tiers.usual.text(tiers.unit)}. Check value and unit."
    return Caution(code="value_unusual", message=text)


def overridden(tiers: Tiers) -> Caution:
    """Warn of a value that was taken only because of the override."""
    text = f"{tiers.label} lies outside the plausible {tiers.plausible.text(tiers.unit)}; it was used as overridden."
    return Caution(code="implausible_value_used", message=text)


def amount(number: str, unit: str) -> str:
    """Write a number with its unit: "15.4 mg/dL", and "8 x 10*9/L" where the unit itself begins with a number."""
    return f"{number} x {unit}" if unit[:1].isdigit() else f"{number} {unit}"
