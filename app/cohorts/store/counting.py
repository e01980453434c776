"""Counting the values of many patients by variable and stratum: fast, and in little memory.

A dict of counts would take a hundred bytes per distinct value: at a million patients more than all the rest of the
service. Values wait in plain arrays instead; when there are many they are sorted and counted by numpy.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.statistics.tally import Tally

# So many values wait uncounted: 10 bytes each, and five times that for a moment while they are counted.
_WAITING: Final = 2_000_000
_LARGEST: Final = 2**63 - 1

Cell = tuple[str, str]
Strata = NDArray[np.int64]
Values = NDArray[np.int64]


class Folded(NamedTuple):
    """The counts of one variable, sorted by the number of the stratum and then by value."""

    strata: Strata
    values: Values
    counts: NDArray[np.int64]


_NOTHING: Final = Folded(*(np.empty(0, np.int64) for _ in range(3)))


class Counting:
    """Strata and tallies of the patients that were counted so far."""

    def __init__(self, digits: Mapping[str, int], waiting: int = _WAITING) -> None:
        self.strata: Counter[str] = Counter()
        self._digits = digits
        self._most = waiting
        self._folded: dict[str, Folded] = {}
        # Variables and strata by number; an array holds numbers in two bytes where a list holds names in eight.
        self._variable = {name: number for number, name in enumerate(digits)}
        self._stratum: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self._values, self._variables = array("q"), array("h")
        # One entry per patient: the stratum, and how many values there are.
        self._strata, self._sizes = array("i"), array("i")

    def add(self, stratum: str, values: Mapping[str, int]) -> None:
        """Count one patient."""
        self.strata[stratum] += 1
        self._strata.append(self._stratum.setdefault(stratum, len(self._stratum)))
        self._sizes.append(len(values))
        self._variables.extend(map(self._variable.__getitem__, values))
        self._values.extend(values.values())
        if len(self._values) > self._most:
            self._fold()

    def tallies(self) -> dict[Cell, Tally]:
        """Return the tally of each (variable, stratum key) that was counted."""
        self._fold()
        keys = list(self._stratum)
        return {
            (variable, keys[number]): tally
            for variable, folded in self._folded.items()
            for number, tally in _tallies(folded, self._digits[variable])
        }

    def _fold(self) -> None:
        """Count what waits into what is folded, variable by variable."""
        variables = np.frombuffer(self._variables, np.int16)
        # A stable sort of two-byte numbers is a radix sort.
        order = np.argsort(variables, kind="stable")
        values = np.frombuffer(self._values, np.int64)[order]
        strata = np.repeat(np.frombuffer(self._strata, np.int32), np.frombuffer(self._sizes, np.int32))[order]
        ends = np.cumsum(np.bincount(variables, minlength=len(self._variable)))
        for name, (start, end) in zip(self._variable, pairwise([0, *ends.tolist()]), strict=True):
            if start < end:
                known = self._folded.get(name, _NOTHING)
                self._folded[name] = _count(known, strata[start:end].astype(np.int64), values[start:end])
        self._start()


def _count(known: Folded, strata: Strata, values: Values) -> Folded:
    """Count values in strata, and add the counts to those known."""
    strata, values = np.concatenate([known.strata, strata]), np.concatenate([known.values, values])
    counts = np.concatenate([known.counts, np.ones(values.size - known.values.size, np.int64)])
    order = _order(strata, values)
    strata, values, counts = strata[order], values[order], counts[order]
    first = np.flatnonzero(np.r_[True, (strata[1:] != strata[:-1]) | (values[1:] != values[:-1])])
    return Folded(strata[first], values[first], np.add.reduceat(counts, first))


def _order(strata: Strata, values: Values) -> NDArray[np.intp]:
    """Return what sorts by stratum and then value: by one number made of both where it fits, else by the two."""
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    if (int(strata.max()) + 1) * span > _LARGEST:
        return np.lexsort((values, strata))
    return np.argsort(strata * span + (values - low))


def _tallies(folded: Folded, digits: int) -> Iterator[tuple[int, Tally]]:
    """Cut the counts of a variable into one tally per stratum."""
    edges = np.flatnonzero(np.diff(folded.strata)) + 1
    for start, end in pairwise([0, *edges.tolist(), folded.strata.size]):
        yield int(folded.strata[start]), Tally(folded.values[start:end], folded.counts[start:end], digits)
