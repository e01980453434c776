"""The exact distribution of Mann and Whitney's U given the ties, and how much work it is.

Every choice of n_x among the n pooled values is equally likely. Dynamic programming over the blocks of equal values:
Streitberg B, Roehmel J. Exact distributions for permutation and rank tests. Stat Softw Newsl 1986;12:10-17.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.statistics.checkpoint import checkpoint
from app.statistics.scaling import Integers

WORK_LIMIT: Final = 1_000_000_000
"""Additions that an exact distribution may take: about a second, and 100 against 550 values without ties."""
MOST_COUNTS: Final = 20_000_000
"""Counts that are held at once, of 8 bytes each."""
_MOST_ROOM: Final = 250_000_000  # room for counts; where there are many ties most of it is never touched
_OVERFLOW: Final = 690.0
_CALL: Final = 2_000  # what a call of numpy costs, in additions
_LITTLE: Final = 10_000_000
_LOOK: Final = 20  # what it costs to count the work of one block, in calls

Floats = NDArray[np.float64]


def exact_work(blocks: Integers, n_x: int) -> float:
    """Return how many additions the exact distribution takes at most; infinite when its counts pass a double.

    Infinite, too, when there are more of them than MOST_COUNTS.
    """
    n = int(blocks.sum())
    smaller = min(n_x, n - n_x)
    if smaller == 1:
        return blocks.size
    if n * math.log(n / (n - smaller)) > _OVERFLOW or blocks.size * (smaller + _LOOK) * _CALL > WORK_LIMIT:
        return math.inf
    counts = sum(_sizes(n, smaller, _unit(blocks)))
    if counts > _MOST_ROOM:
        return math.inf
    roughly = n * smaller * (2 * smaller * (n - smaller) + _CALL)
    if roughly <= _LITTLE:
        return roughly
    calls, additions = _counted_work(blocks, smaller)
    # Each count that is held was added to.
    return math.inf if min(counts, additions) > MOST_COUNTS else calls * _CALL + additions


def untied_work(n_x: int, n_y: int) -> float:
    """Return the same for two groups without ties."""
    if (n_x + n_y) * min(n_x, n_y) > WORK_LIMIT / _CALL:
        return math.inf
    return exact_work(np.ones(n_x + n_y, dtype=np.int64), n_x)


def _counted_work(blocks: Integers, n_x: int) -> tuple[float, float]:
    """Return how many calls of numpy the distribution takes, and how many additions."""
    n, unit, before, calls, work = int(blocks.sum()), _unit(blocks), 0, 0.0, 0.0
    for size in blocks.tolist():
        chosen = np.arange(min(n_x, before) + 1)
        most = np.minimum(n_x - chosen, size)
        least = np.maximum(1, n_x - (n - before - size) - chosen)
        additions = np.maximum(most - least + 1, 0)
        calls += float(np.sum(additions))
        work += float(np.sum(additions * (2 * chosen * (before - chosen) // unit + 1)))
        before += size
    return calls, work


def exact_distribution(blocks: Integers, n_x: int) -> tuple[Integers, Floats]:
    """Return the values of 2U and how often each occurs, up to a common factor.

    The recursion: among `before` smaller values `chosen` belong to x; taking k more from a block of `size` adds
    2k(before - chosen) + k(size - k) to 2U, in C(size, k) ways.
    """
    n, unit = int(blocks.sum()), _unit(blocks)
    if n_x == 1:
        return 2 * (np.cumsum(blocks) - blocks) + blocks - 1, blocks.astype(np.float64)
    odds = n_x / (n - n_x)  # a factor odds**n_x on everything keeps the counts within a double
    ways = _arrays(list(_sizes(n, n_x, unit)))
    weighted = np.empty(max(each.size for each in ways))
    ways[0][0] = 1.0
    before = 0
    for size in blocks.tolist():
        checkpoint()
        after = before + size
        weights = _weights(size, min(size, n_x), odds)
        for now in range(min(n_x, after), max(1, n_x - (n - after)) - 1, -1):
            for k in range(max(1, now - before), min(size, now) + 1):
                chosen = now - k
                at = (2 * k * (before - chosen) + k * (size - k)) // unit
                known = ways[chosen][: 2 * chosen * (before - chosen) // unit + 1]
                if weights[k] != 1:
                    known = np.multiply(known, weights[k], out=weighted[: known.size])
                ways[now][at : at + known.size] += known
        before = after
    # Not the view: it would keep all the others.
    return np.arange(ways[n_x].size) * unit, ways[n_x].copy()


def _sizes(n: int, n_x: int, unit: int) -> Iterator[int]:
    """Yield how many values 2U of the first j has, for each j."""
    return (2 * j * (n - j) // unit + 1 for j in range(n_x + 1))


def _weights(size: int, most: int, odds: float) -> list[float]:
    """Return C(size, k) x odds**k for each k, without the binomial by itself, which may pass a double."""
    factors = (odds * (size - k + 1) / k for k in range(1, most + 1))
    return list(accumulate(factors, mul, initial=1.0))


def _arrays(sizes: list[int]) -> list[Floats]:
    """Return arrays of zeros that lie in one piece of memory: as hundreds of pieces it would not all be given back."""
    ends = list(accumulate(sizes))
    whole = np.zeros(ends[-1])
    return [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _unit(blocks: Integers) -> int:
    """Return what every value of 2U is a multiple of: k(size - k) is even whenever the size is odd."""
    return 2 if bool(np.all(blocks % 2 == 1)) else 1
