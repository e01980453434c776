"""A logarithmic axis that has a place for zero.

A fold difference of 0 is a measurement ("not detected"), and a logarithm has no room for it. Dropping it would be a
lie, adding a small number too: so zero gets a lane of its own, left of a gap in the axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from app.cohorts.figures.contents import Boxes, Floats, Spread

_LANE: Final = 0.55
_ROOM: Final = 0.12


class FoldAxis:
    """Places on the axis: decades, from the smallest positive value to the largest, and zero left of them."""

    def __init__(self, values: Iterable[float]) -> None:
        found = [value for value in values if value >= 0]
        positive = [value for value in found if value > 0] or [1.0]
        self.has_zero = len(positive) < len(found) or 0 in found
        self.low = math.log10(min(*positive, 0.5)) - _ROOM
        self.high = math.log10(max(*positive, 2.0)) + _ROOM
        self.zero = self.low - _LANE
        self.start = self.zero - _ROOM * 1.5 if self.has_zero else self.low

    @classmethod
    def of(cls, contents: Boxes) -> FoldAxis:
        """Return the axis that holds every value of a figure, and the quartiles, which may lie between values."""
        boxes = [box for row in contents.rows for box in row.boxes if box.is_drawn]
        return cls(end for box in boxes for end in (*_ends(box.values), *_quartiles(box.spread)))

    def place(self, value: float) -> float:
        """Return where a value stands."""
        return math.log10(value) if value > 0 else self.zero

    def places(self, values: Floats) -> Floats:
        """Return where values stand."""
        positive = values > 0
        return np.where(positive, np.log10(np.where(positive, values, 1.0)), self.zero)

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return the labelled ticks, places and text: 0, and powers of ten (with 3s where there is room)."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        few = self.high - self.low < 3  # noqa: PLR2004  # decades that leave room for more ticks
        values = [factor * 10.0**decade for decade in decades for factor in ((1, 3) if few else (1,))]
        shown = [value for value in values if self.low <= math.log10(value) <= self.high]
        zero: Sequence[float] = [self.zero] if self.has_zero else []
        return [*zero, *map(math.log10, shown)], [*("0" for _ in zero), *(f"{value:g}" for value in shown)]

    def minor(self) -> list[float]:
        """Return the places of the small ticks between."""
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        places = [decade + math.log10(factor) for decade in decades for factor in range(2, 10)]
        return [place for place in places if self.low <= place <= self.high]


def _quartiles(spread: Spread) -> list[float]:
    return [value for value in spread if value is not None]


def _ends(values: Floats) -> list[float]:
    if not values.size:
        return []
    positive = values[values > 0]
    ends = [float(values.min()), float(values.max())]
    return [*ends, float(positive.min())] if positive.size else ends
