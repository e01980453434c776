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
        return self.low < value < self.high or (self.with_low and value == self.low) or (self.with_high and value == self.high)

    def scaled(self, multiply: Decimal, divide: Decimal) -> Interval:
        """Return the same interval in another unit."""
        return self._replace(low=self.low * multiply / divide, high=self.high * multiply / divide)

    def text(self, unit: str) -> str:
        """Write the interval for people: "0 to 80 mg/dL", "above 0, up to 400 kg"."""
        low, high = plain(self.low.normalize()), plain(self.high.normalize())
        if self.with_low and self.with_high:
            return f"{low} to {high} {unit}".rstrip()
        start = f"{low}" if self.with_low else f"above {low}"
        return f"{start}, {'up to' if self.with_high else 'below'} {high} {unit}".rstrip()


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

    def judge(self, value: Decimal, pointer: str, *, override: bool) -> Judgement:
        """Place a value in its tier. Messages name the range, never the value."""
        if self.usual.holds(value):
            return GOOD
        if not self.possible.holds(value):
            message = f"{self.label} must lie in the range {self.possible.text(self.unit)}."
            return Judgement(InputError(pointer, "out_of_range", message), NO_CAUTIONS)
        if self.plausible.holds(value):
            return Judgement(None, (self._unusual(),))
        if override:
            return Judgement(None, (self._kept(),))
        return Judgement(InputError(pointer, "implausible", self._implausible()), NO_CAUTIONS)

    def _implausible(self) -> str:
        return f"{self.label} outside {self.plausible.text(self.unit)} is implausible. {HOW_TO_OVERRIDE}"

    def _unusual(self) -> Caution:
        text = f"{self.label} is outside the usual {self.usual.text(self.unit)}: check value and unit."
        return Caution(code="value_unusual", message=text)

    def _kept(self) -> Caution:
        text = f"{self.label} is outside the plausible {self.plausible.text(self.unit)} and was used because of the override."
        return Caution(code="implausible_value_used", message=text)

    def in_unit(self, unit: str, multiply: Decimal, divide: Decimal) -> Tiers:
        """Return the same ranges in another unit, so that messages speak the sender's."""
        ranges = (r.scaled(multiply, divide) for r in (self.possible, self.plausible, self.usual))
        return Tiers(self.label, unit, *ranges)
