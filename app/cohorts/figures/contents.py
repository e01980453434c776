"""What a figure shows, as values: groups, counts, steps, quartiles, p with its method. No patient rows, no drawing.

The order of `groups` is the order of colours, markers and line styles, so a group looks the same in every figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A p-value and the method that gave it; without a p, the reason."""

    method: str
    p_value: float | None = None
    reason: str | None = None
    adjusted: float | None = None


class Spread(NamedTuple):
    """Median and quartiles, in the variable's unit; None where there are none."""

    median: float | None = None
    q1: float | None = None
    q3: float | None = None


_NOTHING: Final = Spread()


class Step(NamedTuple):
    """One point of a Kaplan-Meier curve; time in hours, limits None where undefined."""

    time: float
    survival: float
    low: float | None
    high: float | None
    at_risk: int
    events: int
    censored: int


@dataclass(frozen=True, slots=True)
class SurvivalGroup:
    """One curve: patients at risk at the start, steps in order of time, whether tests compare it.

    `excluded`: had no fever to follow. `missing`: left out for want of data. `withheld`: nothing of it may be told.
    `exact`: counts are not rounded, so that their differences are counts too.
    """

    label: str
    n: int
    excluded: int = 0
    events: int = 0
    median_hours: float | None = None
    steps: tuple[Step, ...] = ()
    tested: bool = True
    missing: int = 0
    withheld: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Survival:
    """Time to defervescence by group. `since` ends the sentence "days since ...".

    `left_out` (no fever to follow) and `missing` (data wanting) say why patients are on no curve, and how many.
    """

    since: str
    groups: tuple[SurvivalGroup, ...]
    tests: tuple[Comparison, ...] = ()
    limits: str = "95% confidence limits"
    sustained: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    profile: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PairedGroup:
    """First and follow-up values of the same children: distinct pairs and how often each occurs.

    `told`: how many pairs there are, where the pairs themselves are withheld; 0 where that is, too.
    """

    label: str
    before: Floats
    after: Floats
    counts: Counts
    first: Spread = _NOTHING
    follow_up: Spread = _NOTHING
    test: Comparison | None = None
    told: int | None = None
    withheld: bool = False

    @property
    def n(self) -> int:
        """How many children have both values."""
        return int(self.counts.sum()) if self.told is None else self.told


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """A measure at the first echocardiogram and at follow-up, by group, with the line that counts as normal."""

    measure: str
    axis: str
    unit: str
    normal: float
    normal_label: str
    groups: tuple[PairedGroup, ...]
    profile: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """The values of one variable in one group: distinct values, how often each occurs, and their quartiles.

    Without values there may be quartiles alone: then a disclosure policy withholds the values, and their number.
    """

    values: Floats
    counts: Counts
    spread: Spread = _NOTHING
    missing: int = 0
    withheld: bool = False

    @property
    def n(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    @property
    def is_drawn(self) -> bool:
        """Whether there is anything to draw."""
        return self.n > 0 or self.spread.median is not None


@dataclass(frozen=True, slots=True, eq=False)
class BoxRow:
    """One variable: a box per group, and the test between them."""

    label: str
    boxes: tuple[Box, ...]
    test: Comparison | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Fold differences to the upper limit of normal, by variable and group."""

    groups: tuple[str, ...]
    rows: tuple[BoxRow, ...]
    axis: str = "Fold difference to the upper limit of normal (log scale)"
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Grades:
    """One adverse event in one group: of `n` patients known, how many had it, by grade where graded; and unknown.

    `exact`: counts are not rounded. Else `n` is what percentages are of, and is not told.
    """

    n: int
    count: int
    by_grade: Mapping[int, int] = field(default_factory=dict)
    missing: int = 0
    withheld: bool = False
    exact: bool = True

    @property
    def ungraded(self) -> int:
        """How many had it without a CTCAE grade; rounded counts by grade do not tell."""
        if self.by_grade and not self.exact:
            return 0
        return max(0, self.count - sum(found for grade, found in self.by_grade.items() if grade > 0))

    @property
    def percent(self) -> float | None:
        """Patients with the event in percent of those known; None when none is known."""
        return 100 * self.count / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class GradeRow:
    """One adverse event: a bar per group, and the test between them."""

    label: str
    bars: tuple[Grades, ...]
    test: Comparison | None = None


@dataclass(frozen=True, slots=True)
class AdverseEvents:
    """Adverse events by grade and group."""

    groups: tuple[str, ...]
    rows: tuple[GradeRow, ...]
    profile: str = ""


class Gap(NamedTuple):
    """Of `n` patients to whom a variable applies, how many miss it."""

    n: int
    missing: int
    withheld: bool = False

    @property
    def percent(self) -> float | None:
        """Missing in percent; None when the variable applies to nobody."""
        return 100 * self.missing / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class GapRow:
    """One variable: what is missing in each group."""

    variable: str
    label: str
    cells: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Missingness:
    """What is missing, by variable and group."""

    groups: tuple[str, ...]
    rows: tuple[GapRow, ...]
    profile: str = ""


Contents = Survival | Paired | Boxes | AdverseEvents | Missingness
