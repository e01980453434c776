"""Columns of numbers, facts, grades and three-valued truth."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.clinical.ctcae.grades import SETS_OF_GRADES, decided, highest_bit

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Bits: TypeAlias = NDArray[np.uint8]
Places: TypeAlias = NDArray[np.int16]
Facts: TypeAlias = NDArray[np.int8]  # -1 unknown, 0 no, 1 yes
Rows: TypeAlias = NDArray[np.intp]

UNKNOWN: Final = -1
_HIGHEST: Final[Bits] = np.array([highest_bit(b) for b in range(SETS_OF_GRADES)], dtype=np.uint8)
DECIDED: Final[Mask] = np.array([decided(b) is not None for b in range(SETS_OF_GRADES)])
GRADE: Final[NDArray[np.int8]] = np.array(
    [UNKNOWN if (grade := decided(b)) is None else grade for b in range(SETS_OF_GRADES)], dtype=np.int8
)


class Truth(NamedTuple):
    """A three-valued column: where it holds, and where it is unknown (None: nowhere)."""

    holds: Mask
    unknown: Mask | None


def both(first: Truth, second: Truth) -> Truth:
    """AND: unknown where one is unknown and neither is known not to hold."""
    holds = first.holds & second.holds
    if first.unknown is None and second.unknown is None:
        return Truth(holds, None)
    return Truth(holds, _not_false(first) & _not_false(second) & ~holds)


def _not_false(truth: Truth) -> Mask:
    return truth.holds if truth.unknown is None else truth.holds | truth.unknown


def added(found: Bits | None, mask: Mask, grades: int) -> Bits:
    """Add grades to the rows of a mask."""
    more = mask.view(np.uint8) * np.uint8(grades)
    return more if found is None else found | more


def remaining(met: Bits, perhaps: Bits | None, gap: Bits | None) -> Bits:
    """Return what remains possible: `grades.outcome`, in columns; `perhaps` holds gaps and bands alike."""
    floor: Bits = _HIGHEST[met]
    if perhaps is None and gap is None:
        return floor
    every: Bits = floor if gap is None else np.where(gap != 0, gap, floor)
    every = every if perhaps is None else every | perhaps
    lower: Bits = every & (floor - np.uint8(1))
    found: Bits = (every ^ lower) | np.where(lower != 0, floor, np.uint8(0))
    return found
