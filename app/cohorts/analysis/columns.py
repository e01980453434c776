"""The tallies of a cohort, and how they are summed over the strata of each group in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.cohorts.analysis.answers import By
from app.cohorts.analysis.axes import AXES
from app.cohorts.store.model import Cohort
from app.cohorts.strata import ALL
from app.statistics.tally import Tally

if TYPE_CHECKING:
    from app.cohorts.store.reader import Reader

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Kept: TypeAlias = tuple[str, str, int, bytes]
"""Variable, stratum key, digits, and the bytes of a tally."""
OUTSIDE: Final = -1
_PAIR_BYTES: Final = 16
_SPARSE: Final = 4
_SMALL: Final = 1 << 14
STRATA: Final = tuple(ALL.values())
EVERYBODY: Final[Flags] = np.ones(len(STRATA), bool)
_PLACE: Final[Mapping[str, int]] = {key: place for place, key in enumerate(ALL)}


class Split(NamedTuple):
    """One variable's tally in each group, and over all of them."""

    groups: tuple[Tally, ...]
    overall: Tally


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One variable over all strata: its (value, count) pairs, and the stratum of each, by place."""

    values: Integers
    counts: Integers
    strata: Integers
    digits: int

    @classmethod
    def of(cls, parts: Sequence[tuple[int, int, bytes]]) -> Column:
        """Lay the strata's tallies, given as place, digits and bytes, end to end."""
        digits = max(part[1] for part in parts)
        joined = b"".join(data if own == digits else _rescaled(data, own, digits) for _, own, data in parts)
        pairs = np.frombuffer(joined, dtype="<i8").reshape(-1, 2)
        values, counts = (np.ascontiguousarray(pairs[:, side], dtype=np.int64) for side in (0, 1))
        lengths = [len(data) // _PAIR_BYTES for *_, data in parts]
        return cls(values, counts, np.repeat([place for place, *_ in parts], lengths), digits)

    def split(self, group_of: Integers, n_groups: int) -> Split:
        """Sum the counts of equal values within each group; pairs outside every group are left out."""
        groups = group_of[self.strata]
        inside = groups != OUTSIDE
        if not inside.any():
            return nothing(n_groups, self.digits)
        if inside.all():
            values, counts = self.values, self.counts
        else:
            values, counts, groups = self.values[inside], self.counts[inside], groups[inside]
        distinct, offsets = _numbered(values)
        # Sums of counts are patients: doubles hold them exactly.
        sums = np.bincount(groups * distinct.size + offsets, weights=counts, minlength=distinct.size * n_groups)
        table = sums.astype(np.int64).reshape(n_groups, distinct.size)
        return Split(tuple(self._tally(distinct, row) for row in table), self._tally(distinct, table.sum(axis=0)))

    def _tally(self, distinct: Integers, sums: Integers) -> Tally:
        present = sums.nonzero()[0]
        return Tally(distinct[present], sums[present], self.digits)


def nothing(n_groups: int, digits: int) -> Split:
    """Return the split of a variable that nobody has a value of."""
    return Split((Tally.empty(digits),) * n_groups, Tally.empty(digits))


def _numbered(values: Integers) -> tuple[Integers, Integers]:
    """Return candidates for the distinct values, rising, and the place of each value among them.

    Where the values lie close together every integer between them is a candidate, which spares the sorting.
    """
    low, high = int(values.min()), int(values.max())
    if high - low < _SPARSE * values.size + _SMALL:
        return np.arange(low, high + 1), values - low
    return np.unique(values, return_inverse=True)


def _rescaled(data: bytes, own: int, digits: int) -> bytes:
    return Tally.from_bytes(data, own).rescaled(digits).to_bytes()


@cache
def places(by: By) -> Integers:
    """Return the group of every stratum there is, by its place among the axis's labels."""
    axis = AXES[by]
    numbers = {group: number for number, group in enumerate(axis.labels)}
    found = np.array([numbers[axis.of(stratum)] for stratum in STRATA], dtype=np.int64)
    found.setflags(write=False)
    return found


class Counts:
    """A cohort as an analysis sees it: patients per stratum, and columns of tallies. No row is in it.

    Every stratum there is has its place, whether anybody is in it or not: which are empty is a count like any other.
    """

    strata: Final = STRATA

    def __init__(self, strata: Mapping[str, int], kept: Iterable[Kept]) -> None:
        self.n: Integers = np.zeros(len(STRATA), np.int64)
        for key, n in strata.items():
            self.n[_PLACE[key]] = n
        self.columns = {
            variable: Column.of([(_PLACE[key], digits, data) for _, key, digits, data in parts])
            for variable, parts in groupby(kept, itemgetter(0))
        }

    @classmethod
    def read(cls, reader: Reader, cohort: Cohort, variables: Collection[str]) -> Counts:
        """Fetch what an analysis of these variables needs, from the reader's one snapshot."""
        return cls(reader.strata(cohort), reader.tallies_as_kept(cohort, variables))

    def patients(self, group_of: Integers, n_groups: int) -> tuple[int, ...]:
        """Return how many patients each group holds."""
        return tuple(int(self.n[group_of == place].sum()) for place in range(n_groups))

    def split(self, variable: str, group_of: Integers, n_groups: int, digits: int) -> Split:
        """Return a variable's tally in each group, and over all groups."""
        column = self.columns.get(variable)
        return nothing(n_groups, digits) if column is None else column.split(group_of, n_groups)
