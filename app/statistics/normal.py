"""The normal distribution, as far as the asymptotic tests need it."""

from __future__ import annotations

import math
from statistics import NormalDist

_STANDARD = NormalDist()


def upper_tail(z: float) -> float:
    """Return P(Z >= z), accurate far out in the tail."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def two_sided(distance: float, deviation: float) -> float:
    """Return the two-sided p of a distance from expectation, with a continuity correction of one half.

    The correction never carries the distance past expectation; without deviation everything is as expected: p = 1.
    """
    if deviation == 0:
        return 1.0
    return min(1.0, 2 * upper_tail(max(abs(distance) - 0.5, 0.0) / deviation))


def normal_quantile(share: float) -> float:
    """Return z with P(Z <= z) = share."""
    return _STANDARD.inv_cdf(share)
