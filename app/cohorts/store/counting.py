"""Counting the values of many patients by variable and stratum: fast, and in little memory.

A dict of counts would take a hundred bytes per distinct value: at a million patients more than all the rest of the
service. Values wait in plain arrays instead; when there are many they are sorted and counted by numpy, all variables
and strata in one go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.statistics.tally import Tally

# So many values wait as Python's own numbers, and so many (16 bytes each) as arrays, before they are counted.
_BLOCK: Final = 5_000
_WAITING: Final = 1_000_000
_LARGEST: Final = 2**63 - 1
# The number of a cell is that of its variable times this, plus that of its stratum, of which there are some hundred.
_STRATA: Final = 2**16
_PAIR: Final = 16

Cell = tuple[str, str]
Numbers = NDArray[np.int64]


class Kept(NamedTuple):
    """A tally as it is stored: its decimals, and what `Tally.to_bytes` writes."""

    digits: int
    counts: bytes

    def tally(self) -> Tally:
        """Return the tally."""
        return Tally.from_bytes(self.counts, self.digits)


class Folded(NamedTuple):
    """How often each value occurs in each cell, sorted by the number of the cell and then by value."""

    cells: Numbers
    values: Numbers
    counts: Numbers


_NOTHING: Final = Folded(*(np.empty(0, np.int64) for _ in range(3)))


class Counting:
    """Strata and tallies of the patients that were counted so far."""

    def __init__(self, digits: Mapping[str, int], waiting: int = _WAITING) -> None:
        self.strata: Counter[str] = Counter()
        self._digits = digits
        self._most = waiting
        self._variable = {name: number for number, name in enumerate(digits)}
        self._stratum: dict[str, int] = {}
        self._folded = _NOTHING
        self._waiting: list[tuple[Numbers, Numbers]] = []
        self._n_waiting = 0
        self._start()

    def _start(self) -> None:
        self._names: list[str] = []
        self._values: list[int] = []
        # One entry per patient: the stratum, and how many values there are.
        self._strata: list[int] = []
        self._sizes: list[int] = []

    def add(self, stratum: str, values: Mapping[str, int]) -> None:
        """Count one patient."""
        self.strata[stratum] += 1
        self._strata.append(self._stratum.setdefault(stratum, len(self._stratum)))
        self._sizes.append(len(values))
        self._names += values
        self._values += values.values()
        if len(self._values) > min(_BLOCK, self._most):
            self._gather()

    def kept(self) -> dict[Cell, Kept]:
        """Return the tally of each (variable, stratum key) that was counted, as it is stored."""
        self._gather()
        self._fold()
        variables, strata = list(self._digits.items()), list(self._stratum)
        found: dict[Cell, Kept] = {}
        for cell, counts in _blobs(self._folded):
            name, digits = variables[cell // _STRATA]
            found[name, strata[cell % _STRATA]] = Kept(digits, counts)
        return found

    def tallies(self) -> dict[Cell, Tally]:
        """Return the same as tallies."""
        return {cell: kept.tally() for cell, kept in self.kept().items()}

    def _gather(self) -> None:
        """Turn the numbers that wait into arrays."""
        size = len(self._values)
        variables = np.fromiter(map(self._variable.__getitem__, self._names), np.int64, size)
        strata = np.repeat(np.array(self._strata, np.int64), np.array(self._sizes, np.int64))
        self._waiting.append((variables * _STRATA + strata, np.fromiter(self._values, np.int64, size)))
        self._n_waiting += size
        self._start()
        if self._n_waiting > self._most:
            self._fold()

    def _fold(self) -> None:
        """Count what waits into what is folded."""
        if self._n_waiting:
            cells, values = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
            self._folded = _joined(self._folded, _counted(cells, values))
        self._waiting, self._n_waiting = [], 0


def summed(blobs: Sequence[Iterable[bytes]]) -> list[bytes]:
    """Add tallies of the same digits, written as `Tally.to_bytes` does: those of each entry to one another."""
    if not blobs:
        return []
    parts = [(place, blob) for place, entry in enumerate(blobs) for blob in entry]
    cells = np.repeat([place for place, _ in parts], [len(blob) // _PAIR for _, blob in parts]).astype(np.int64)
    pairs = np.frombuffer(b"".join(blob for _, blob in parts), "<i8").astype(np.int64).reshape(-1, 2)
    return [blob for _, blob in _blobs(_added(cells, pairs[:, 0], pairs[:, 1]))]


def _counted(cells: Numbers, values: Numbers) -> Folded:
    """Count values in cells."""
    low, span = _span(cells, values)
    if not span:
        return _added(cells, values, np.ones(values.size, np.int64))
    # One number for both: sorted without the order, which is several times as fast.
    keys = cells * span + (values - low)
    keys.sort()
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    cells, values = np.divmod(keys[first], span)
    return Folded(cells, values + low, np.diff(np.append(first, keys.size)))


def _joined(one: Folded, other: Folded) -> Folded:
    if not one.cells.size:
        return other
    return _added(*(np.concatenate(parts) for parts in zip(one, other, strict=True)))


def _added(cells: Numbers, values: Numbers, counts: Numbers) -> Folded:
    """Add the counts of equal values in equal cells."""
    low, span = _span(cells, values)
    order = np.argsort(cells * span + (values - low), kind="stable") if span else np.lexsort((values, cells))
    cells, values, counts = cells[order], values[order], counts[order]
    first = np.flatnonzero(np.r_[True, (cells[1:] != cells[:-1]) | (values[1:] != values[:-1])])
    return Folded(cells[first], values[first], np.add.reduceat(counts, first))


def _span(cells: Numbers, values: Numbers) -> tuple[int, int]:
    """Return the lowest value and how many there can be, so that cell and value fit into one number; 0: they do not."""
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    return low, span if (int(cells.max()) + 1) * span <= _LARGEST else 0


def _blobs(folded: Folded) -> Iterator[tuple[int, bytes]]:
    """Cut the counts into one tally per cell, written as `Tally.to_bytes` does."""
    written = np.column_stack((folded.values, folded.counts)).astype("<i8").tobytes()
    edges = np.flatnonzero(np.diff(folded.cells)) + 1
    for start, end in pairwise([0, *edges.tolist(), folded.cells.size]):
        if start < end:
            yield int(folded.cells[start]), written[start * _PAIR : end * _PAIR]
