"""Disclosure control by one partition: how finely patients may be divided so that no small count can be reckoned back.

Whatever is published about a variable is a sum over blocks of one partition of the patients, in which every level of
the variable is safe (see `Policy.safe`) in every block. All that a reader can combine, subtract or compare is therefore
a function of a table that has no small cell. The partition depends on the cohort and the policy alone, never on what
was asked before, so there is no ledger to keep. See docs/decisions/0047.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.statistics.disclosure_policy import Policy

Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Allowed: TypeAlias = Callable[[Integers], bool]
Step: TypeAlias = tuple[int, int]
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """A division of cells (groups of patients that are never divided further) into blocks.

    `blocks`: the block of each cell. `steps`: which axes made it, in order, and how many of each one's last groups were
    put together.
    """

    blocks: Integers
    steps: tuple[Step, ...] = ()

    @classmethod
    def whole(cls, cells: int) -> Partition:
        """Return the partition of one block."""
        return cls(np.zeros(cells, np.int64))

    def sums(self, counts: Integers) -> Integers:
        """Return what the cells of each block count together; counts is one row of levels."""
        return np.bincount(_numbered(self.blocks), weights=counts).astype(np.int64)

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return int(np.count_nonzero(np.bincount(self.blocks)))

    def composes(self, chosen: Flags) -> bool:
        """Say whether chosen cells are whole blocks. No cells at all are."""
        held = np.zeros(int(self.blocks.max(initial=-1)) + 1, bool)
        held[self.blocks[chosen]] = True
        return not held[self.blocks[~chosen]].any()


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One way to divide cells. `rank` gives each cell's group, 0 for the group that is put together with others first.

    The order is fixed beforehand: an order by size would tell that what is shown is larger than what is not.
    """

    rank: Integers

    @classmethod
    def of(cls, groups: Integers) -> Axis:
        """Rank groups: the one of the highest number is put together first."""
        distinct, place = np.unique(groups, return_inverse=True)
        return cls(distinct.size - 1 - place)

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self.rank.max(initial=-1)) + 1

    def pooled(self, last: int) -> Integers:
        """Return the groups with so many of the last put together."""
        return np.maximum(self.rank - max(last - 1, 0), 0)

    def choices(self, fewest: int = 0) -> Sequence[int]:
        """Return how many groups may be put together: none, or two and more, and two blocks remain at least."""
        return [n for n in (0, *range(_PAIR, self.n_groups)) if n >= fewest]


def levels_are_safe(levels: Integers, blocks: Integers, policy: Policy) -> bool:
    """Say whether each level (a row: patients by cell) counts a safe number of patients in every block.

    A row may also be the difference of two counts; its size is what counts.
    """
    place = _numbered(blocks)
    inside = place[:, None] == np.arange(int(place.max(initial=-1)) + 1)
    # Doubles hold counts exactly, and are multiplied much faster than integers.
    small = np.abs(levels.astype(np.float64) @ inside.astype(np.float64))
    return bool(np.all((small > policy.threshold) | (policy.zero_shown & (small == 0))))


def crossed(blocks: Integers, groups: Integers) -> Integers:
    """Divide blocks by groups; numbered from 0 without gaps."""
    return _numbered(blocks * (int(groups.max(initial=0)) + 1) + groups)


def _numbered(blocks: Integers) -> Integers:
    """Return blocks numbered from 0 without gaps, in the same order."""
    return (np.cumsum(np.bincount(blocks) > 0) - 1)[blocks]


def finest(
    axes: Sequence[Axis], start: Partition, limit: Sequence[Step], policy: Policy, allowed: Allowed
) -> Partition:
    """Divide `start` by the axes of `limit`, in order, each as finely as is allowed, up to the first that is not.

    `limit` says of each axis how many of its last groups are put together at least. Groups are put together in an order
    that does not depend on what is counted in them, so that it tells nothing of it. For the same reason nothing is
    tried after an axis that was refused: two refusals together could give a small number away.
    """
    found, taken = start, {axis for axis, _ in start.steps}
    for axis, fewest in limit:
        # An axis of one group divides nothing.
        if axis not in taken and axes[axis].n_groups >= _PAIR:
            ways = (_divided(found, axis, axes[axis].pooled(n), n) for n in axes[axis].choices(fewest))
            finer = next(
                (way for way in ways if _is_told(way, found, axes[axis], policy) and allowed(way.blocks)), None
            )
            if finer is None:
                break
            found = finer
    return found


def _divided(found: Partition, axis: int, groups: Integers, last: int) -> Partition:
    return Partition(crossed(found.blocks, groups), (*found.steps, (axis, last)))


def _is_told(finer: Partition, before: Partition, axis: Axis, policy: Policy) -> bool:
    """Say whether it may be seen which blocks are empty: where a 0 is withheld there must be none."""
    groups = axis.pooled(finer.steps[-1][1])
    return policy.zero_shown or finer.n_blocks == before.n_blocks * np.unique(groups).size
