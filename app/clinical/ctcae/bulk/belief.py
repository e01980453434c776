"""`believe`, in columns: which rows hold ordinary numbers only. The others are left to `believe` itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from app.clinical.ctcae.bounds import NEAR
from app.clinical.ctcae.bulk.truth import Floats, Mask
from app.clinical.ctcae.conditions import NUMBERS
from app.clinical.ctcae.laboratory_terms import Placement
from app.clinical.plausibility import Interval
from app.clinical.units import Unit


class Belief:
    """The numbers of many rows of one placement, as sent; every row has a value."""

    def __init__(self, placement: Placement, value: Floats, others: Sequence[Floats | None]) -> None:
        self.analyte = placement.analyte
        self.unit = placement.unit
        self.value = value
        self.lower, self.upper, self.baseline, self.cutoff = others
        self.by_name = dict(zip(NUMBERS, (value, *others), strict=True))

    def judge(self) -> tuple[Mask, Mask]:
        """Return the ordinary rows, and the rows with an unusual value, which is ordinary and warned of."""
        ordinary = self._in_order()
        if self.unit is None:
            return ordinary, np.zeros(len(self.value), np.bool_)
        usual = self._within(self.value, self.unit, self.analyte.tiers.usual)
        unusual = self._beyond(self.value, self.unit, self.analyte.tiers.usual)
        ordinary &= usual | (unusual & self._within(self.value, self.unit, self.analyte.tiers.plausible))
        ordinary &= self._believable(self.unit)
        ordinary &= ~self._slips(self.unit)
        return ordinary, unusual

    def _in_order(self) -> Mask:
        ordinary = self.value >= 0
        for column in (self.upper, self.baseline, self.cutoff):
            ordinary &= _either(column, lambda c: c > 0)
        ordinary &= _either(self.lower, lambda c: c >= 0)
        if self.lower is not None and self.upper is not None:
            ordinary &= ~(self.lower >= self.upper)
        if self.cutoff is not None and self.upper is not None:
            ordinary &= ~(self.cutoff < self.upper)
        return ordinary

    def _believable(self, unit: Unit) -> Mask | bool:
        tiers = self.analyte.tiers
        found: Mask | bool = _either(self.baseline, lambda c: self._within(c, unit, tiers.usual))
        for column in (self.lower, self.upper, self.cutoff):
            found = found & _either(column, lambda c: self._within(c, unit, tiers.plausible) | (c == 0))
        return found

    @staticmethod
    def _within(column: Floats, unit: Unit, span: Interval) -> Mask:
        """Say which numbers lie inside a range for certain: with a hair's breadth to spare, or sent as its very end."""
        number, low, high = _canonical(column, unit), float(span.low), float(span.high)
        found: Mask = (number > low * (1 + NEAR)) & (number < high * (1 - NEAR))
        if unit.multiply == unit.divide:
            found |= (number == low) | (number == high)
        return found

    @staticmethod
    def _beyond(column: Floats, unit: Unit, span: Interval) -> Mask:
        """Say which numbers lie outside a range for certain."""
        number, low, high = _canonical(column, unit), float(span.low), float(span.high)
        found: Mask = (number < low * (1 - NEAR)) | (number > high * (1 + NEAR))
        return found

    def _slips(self, unit: Unit) -> Mask:
        """Say where a likely slip might have to be warned of: a hair's breadth too many rows."""
        found = np.zeros(len(self.value), np.bool_)
        for of, slip in self.analyte.cautions:
            column = self.by_name[of]
            if column is not None:
                number = _canonical(column, unit)
                above = True if slip.above is None else number >= float(slip.above) * (1 - NEAR)
                below = True if slip.below is None else number <= float(slip.below) * (1 + NEAR)
                found |= above & below
        return found


def _canonical(column: Floats, unit: Unit) -> Floats:
    return column if unit.multiply == unit.divide else column * float(unit.multiply) / float(unit.divide)


def _either(column: Floats | None, test: Callable[[Floats], Mask]) -> Mask | bool:
    """Say which rows pass a test or have nothing to be tested."""
    return True if column is None else test(column) | np.isnan(column)
