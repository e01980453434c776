"""Fillings of some columns of a table: the currency of the Freeman-Halton test, see `fisher_larger`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.statistics.scaling import Integers

_MOST_HELD: Final = 2_000_000  # fillings of 24 bytes, several times over while they are sorted
_SAME: Final = 1e-11

Floats = NDArray[np.float64]


class PastLimitError(Exception):
    """The exact test of a table takes more than WORK_LIMIT."""


class Fillings(NamedTuple):
    """Ways to fill some columns: what they take from the rows, the weight of one such way, and of all together."""

    codes: Integers
    weights: Floats
    masses: Floats

    @classmethod
    def none(cls) -> Fillings:
        """Return the one way to fill no column."""
        return cls(np.zeros(1, dtype=np.int64), np.ones(1), np.ones(1))

    @classmethod
    def joined(cls, parts: Sequence[Fillings]) -> Fillings:
        """Lay parts end to end."""
        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def arranged(self) -> Fillings:
        """Sort by what is taken."""
        order = np.argsort(self.codes, kind="stable")
        return Fillings(self.codes[order], self.weights[order], self.masses[order])

    def merged(self) -> Fillings:
        """Count those together that take the same and weigh the same; sorted by both."""
        order = np.lexsort((self.weights, self.codes))
        codes, weights, masses = self.codes[order], self.weights[order], self.masses[order]
        fresh = (codes[1:] != codes[:-1]) | (weights[1:] > weights[:-1] * (1 + _SAME))
        starts = np.flatnonzero(np.concatenate([np.ones(min(codes.size, 1), dtype=bool), fresh]))
        return Fillings(codes[starts], weights[starts], np.add.reduceat(masses, starts) if starts.size else masses)

    def of_states(self, states: Integers) -> list[tuple[Floats, Floats]]:
        """Return weights, ascending, and masses of each state; the fillings must be arranged."""
        starts, ends = (np.searchsorted(self.codes, states, side=side).tolist() for side in ("left", "right"))
        return [self._ascending(slice(start, end)) for start, end in zip(starts, ends, strict=True)]

    def _ascending(self, some: slice) -> tuple[Floats, Floats]:
        order = np.argsort(self.weights[some], kind="stable")
        return self.weights[some][order], self.masses[some][order]


def together(parts: Iterable[Fillings]) -> Fillings:
    """Put parts into one, counting together only when they are many. PastLimitError: more than are held at once."""
    kept, held = list[Fillings](), 0
    for part in parts:
        kept.append(part)
        held += part.codes.size
        if held > _MOST_HELD:
            kept = [Fillings.joined(kept).merged()]
            held = kept[0].codes.size
            if held > _MOST_HELD // 2:
                raise PastLimitError
    return Fillings.joined(kept)


def among(codes: Integers, wanted: Integers) -> NDArray[np.bool_]:
    """Say which codes are among the wanted ones, which are sorted."""
    if not wanted.size:
        return np.zeros(codes.shape, dtype=bool)
    found: NDArray[np.bool_] = wanted[np.minimum(np.searchsorted(wanted, codes), wanted.size - 1)] == codes
    return found


def share(one: tuple[Floats, Floats], other: tuple[Floats, Floats], bound: float) -> float:
    """Return which share of all products of two sorted lists, by mass, is not above a bound."""
    (weights, masses), (facing, facing_masses) = (one, other) if one[0].size <= other[0].size else (other, one)
    upto = np.concatenate([[0.0], np.cumsum(facing_masses)])
    light = upto[np.searchsorted(facing, bound / weights, side="right")]
    return float(np.sum(masses * light) / (masses.sum() * upto[-1]))
