"""The exact test of Freeman and Halton for tables larger than 2 x 2.

Freeman GH, Halton JH. Note on an exact treatment of contingency, goodness of fit and other problems of significance.
Biometrika 1951;38:141-149. p is the probability of all tables with the same margins that are at most as probable as the
observed one (within a relative 1e-7, as R's fisher.test).

The columns are divided in two halves. What one half takes from each row is a state. In each state the weights of all
fillings of either half are sorted, and for every filling of one half those of the other that keep the product down to
the observed weight are found by search: the work is the sum of the halves and not their product (meet in the middle).
Fillings of one state and one weight are counted together, as in the network algorithm (Mehta CR, Patel NR. J Am Stat
Assoc 1983;78:427-434). A state whose heaviest table is light enough counts whole; its probability is multivariate
hypergeometric. No factorials and no differences are formed, so that the sums are right to about 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.statistics.checkpoint import checkpoint
from app.statistics.contingency import expected_counts, without_empty
from app.statistics.fisher_fillings import Fillings, Floats, PastLimitError, among, share, together
from app.statistics.fisher_two_by_two import TOLERANCE
from app.statistics.scaling import Integers

WORK_LIMIT: Final = 20_000_000
"""Pairs of a filling and one more column that may be looked at: two seconds or so."""
_MOST_OF_A_COLUMN: Final = 500_000
_OF_A_ROW: Final = 64  # steps of `_heaviest_row` that are as quick as looking at a pair
_TINY: Final = 1e-290
_CODE_BITS: Final = 62
_BEYOND_ALL: Final = 10**30
_AT_ONCE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """A table without empty lines, the fewer lines as rows, with its columns in two halves of about the same work."""

    table: Integers
    halves: tuple[tuple[int, ...], tuple[int, ...]]

    @classmethod
    def of(cls, table: Integers) -> Layout:
        """Lay a table out for the least work."""
        counts = without_empty(table)
        counts = counts if counts.shape[0] <= counts.shape[1] else counts.T
        counts = counts[np.argsort(counts.sum(axis=1), kind="stable")]
        ways = ways_to_fill(counts)
        halves: tuple[list[int], list[int]] = ([], [])
        for column in sorted(range(len(ways)), key=lambda column: -ways[column]):
            min(halves, key=lambda half: math.prod(ways[c] for c in half)).append(column)
        smaller, larger = sorted(halves, key=lambda half: math.prod(ways[c] for c in half))
        return cls(counts, (tuple(smaller), tuple(larger)))

    def work(self) -> float:
        """Bound the work: the ways to fill either half, none counted together."""
        ways = ways_to_fill(self.table)
        work = sum(math.prod(ways[column] for column in half) for half in self.halves)
        return float(work) if work < _BEYOND_ALL else math.inf


def p_value(layout: Layout) -> float:
    """Return the exact p of a table that was laid out; 0 stands for less than a double holds (about 1e-290).

    PastLimitError: it would take more than WORK_LIMIT.
    """
    bits = sum(int(total).bit_length() + 1 for total in layout.table.sum(axis=1))
    if bits > _CODE_BITS or max(ways_to_fill(layout.table)) > _MOST_OF_A_COLUMN:
        raise PastLimitError
    return _Enumeration(layout).p_value()


def ways_to_fill(counts: Integers) -> list[int]:
    """Bound in how many ways each column's total can be spread over the rows: by the rows, and by the total."""
    *others, _ = sorted(counts.sum(axis=1).tolist())
    return [
        min(math.prod(min(row, total) + 1 for row in others), math.comb(total + len(others), len(others)))
        for total in counts.sum(axis=0).tolist()
    ]


class _Enumeration:
    """The tables with given margins. A cell weighs as Poisson about its expected count does, its mode being 1.

    The product of the cells' weights is the table's probability up to one factor for all tables, and stays within a
    double. What a half takes from the rows is packed into one integer, a field of bits for each row.
    """

    def __init__(self, layout: Layout) -> None:
        self._halves = layout.halves
        self._rows: list[int] = layout.table.sum(axis=1).tolist()
        self._totals: list[int] = layout.table.sum(axis=0).tolist()
        self._work = sum(row * min(row, total) for row in self._rows for total in self._totals) // _OF_A_ROW
        if self._work > WORK_LIMIT:
            raise PastLimitError
        expected = expected_counts(layout.table)
        self._cells = [
            [_poisson(expected[i, j], min(row, total)) for j, total in enumerate(self._totals)]
            for i, row in enumerate(self._rows)
        ]
        self._observed = math.prod(float(self._cells[i][j][count]) for (i, j), count in np.ndenumerate(layout.table))
        self._bound = self._observed * (1 + TOLERANCE)
        widths = [row.bit_length() + 1 for row in self._rows]
        self._shifts = [sum(widths[:place]) for place in range(len(widths))]
        # A field that passes its row's total, with this added, sets the field's highest bit.
        self._room = sum(
            ((1 << width - 1) - 1 - row) << shift
            for width, row, shift in zip(widths, self._rows, self._shifts, strict=True)
        )
        self._full = sum(1 << shift + width - 1 for width, shift in zip(widths, self._shifts, strict=True))

    def p_value(self) -> float:
        if self._observed < _TINY:
            return 0.0
        one = self._fill(self._halves[0])
        states = np.unique(one.codes)
        likely = self._probabilities(states)
        heavy = self._heaviest(states) > self._bound
        complements = self._pack(np.array([self._rows])) - states[heavy]
        other = self._fill(self._halves[1], np.sort(complements))
        pairs = zip(one.of_states(states[heavy]), other.of_states(complements), strict=True)
        shares = [share(*pair, self._bound) for pair in pairs]
        return min(1.0, float(likely[~heavy].sum()) + math.fsum(likely[heavy] * shares))

    def _fill(self, columns: Sequence[int], wanted: Integers | None = None) -> Fillings:
        """Return every way to fill some columns that ends in one of the wanted states; in any state when None."""
        fillings = Fillings.none()
        for column in columns:
            is_last = column == columns[-1]
            joined = together(self._joined(fillings, self._column(column), wanted if is_last else None))
            # At the end nothing more is saved by counting together what weighs the same.
            fillings = joined.arranged() if is_last else joined.merged()
        return fillings

    def _joined(
        self, fillings: Fillings, column: tuple[Integers, Floats], wanted: Integers | None
    ) -> Iterator[Fillings]:
        """Yield every pairing of what was filled with one more column that the rows have room for."""
        self._work += fillings.codes.size * column[0].size
        if self._work > WORK_LIMIT:
            raise PastLimitError
        at_once = max(1, _AT_ONCE // column[0].size)
        for start in range(0, fillings.codes.size, at_once):
            checkpoint()
            some = slice(start, start + at_once)
            sums: Integers = fillings.codes[some, None] + column[0]
            fits = (sums + self._room) & self._full == 0
            if wanted is not None:
                fits &= among(sums, wanted)
            weights, masses = ((part[some, None] * column[1])[fits] for part in (fillings.weights, fillings.masses))
            yield Fillings(sums[fits], weights, masses)

    def _column(self, column: int) -> tuple[Integers, Floats]:
        """Return every way to spread one column's total over the rows, packed, with its weight."""
        codes, weights, left = np.zeros(1, dtype=np.int64), np.ones(1), np.array([self._totals[column]])
        for place, shift in enumerate(self._shifts):
            cell, rest = self._cells[place][column], sum(self._rows[place + 1 :])
            least, most = np.maximum(left - rest, 0), np.minimum(left, cell.size - 1)
            ways = most - least + 1
            count = np.arange(ways.sum()) - np.repeat(np.cumsum(ways) - ways - least, ways)
            codes = np.repeat(codes, ways) + (count << shift)
            weights = np.repeat(weights, ways) * cell[count]
            left = np.repeat(left, ways) - count
        return codes, weights

    def _probabilities(self, states: Integers) -> Floats:
        """Return the probability of each state: the left half's total is drawn from the rows without replacement."""
        n, drawn = sum(self._rows), sum(self._totals[column] for column in self._halves[0])
        likely: Floats = np.ones(states.size)
        for row, taken in zip(self._rows, self._unpack(states), strict=True):
            likely *= _binomial(row, drawn / n)[taken]
        likely /= likely.sum()
        return likely

    def _heaviest(self, states: Integers) -> Floats:
        """Bound the weight of the heaviest table of each state: row by row, its columns' totals left open."""
        heaviest = np.ones(states.size)
        for place, taken in enumerate(self._unpack(states)):
            left, right = (self._heaviest_row(place, half) for half in self._halves)
            heaviest *= left[taken] * right[self._rows[place] - taken]
        return heaviest

    def _heaviest_row(self, place: int, columns: Sequence[int]) -> Floats:
        """Return for each count the heaviest way to spread it over some cells of a row."""
        row = self._rows[place]
        best = np.zeros(row + 1)
        best[0] = 1.0
        for column in columns:
            cell, before = self._cells[place][column], best
            best = np.zeros(row + 1)
            for count, weight in enumerate(cell.tolist()):
                np.maximum(best[count:], weight * before[: row + 1 - count], out=best[count:])
        return best

    def _pack(self, taken: Integers) -> Integers:
        packed: Integers = np.sum(taken << np.array(self._shifts), axis=1)
        return packed

    def _unpack(self, states: Integers) -> list[Integers]:
        widths = (row.bit_length() + 1 for row in self._rows)
        return [(states >> shift) & ((1 << width) - 1) for shift, width in zip(self._shifts, widths, strict=True)]


def _poisson(mean: float, most: int) -> Floats:
    """Return Poisson weights of 0 to `most`, the mode's being 1."""
    return _from_mode(mean / np.arange(1, most + 1), min(int(mean), most))


def _binomial(size: int, share: float) -> Floats:
    """Return binomial weights of 0 to `size`, the mode's being 1."""
    k = np.arange(size)
    return _from_mode((size - k) / (k + 1) * (share / (1 - share)), min(int((size + 1) * share), size))


def _from_mode(ratios: Floats, mode: int) -> Floats:
    """Return weights from the ratios of neighbours, multiplied outward from the mode."""
    up, down = np.cumprod(ratios[mode:]), np.cumprod(1 / ratios[:mode][::-1])[::-1]
    return np.concatenate([down, [1.0], up])


__all__ = ["WORK_LIMIT", "Layout", "PastLimitError", "p_value", "ways_to_fill"]
