"""Kruskal and Wallis's test of three or more groups, from tallies: exact integers up to the last division.

W. H. Kruskal and W. A. Wallis, "Use of ranks in one-criterion variance analysis", J Am Stat Assoc 1952;47:583-621:
H over midranks, divided by 1 - sum(t^3 - t) / (N^3 - N) for ties, and its chi-square approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
from scipy.special import chdtrc  # type: ignore[import-untyped]  # scipy has no types

from app.statistics.scaling import Integers
from app.statistics.tally import Tally

METHOD: Final = "Kruskal-Wallis test, corrected for ties, chi-square approximation"
SMALL: Final = 5
"""Groups smaller than this are too small for the approximation (Kruskal and Wallis 1952)."""
POOR: Final = f"With fewer than {SMALL} values in a group the chi-square approximation is poor"


class KruskalWallis(NamedTuple):
    """H with its degrees of freedom; None where it is not defined. `reason` says why, or that groups are small."""

    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    reason: str | None = None


def kruskal_wallis(groups: Sequence[Tally]) -> KruskalWallis:
    """Compare groups, each with at least one value. ValueError for fewer than two."""
    if len(groups) < 2 or not all(group.n for group in groups):  # noqa: PLR2004  # two groups to compare
        raise ValueError("Kruskal-Wallis compares at least two groups with values.")
    freedom = len(groups) - 1
    pooled = Tally.merge(*groups)
    total = pooled.n
    ties = total**3 - total - _tied(pooled)
    if not ties:
        return KruskalWallis(None, freedom, None, "Every known value is the same, so there is nothing to test.")
    doubled = 2 * np.cumsum(pooled.counts) - pooled.counts + 1
    ranked = sum(Fraction(_rank_sum(group, pooled, doubled) ** 2, group.n) for group in groups)
    # Ranks are doubled, so their squares are four times as large: 12 / 4 = 3.
    h = (3 * ranked - 3 * total * (total + 1) ** 2) * (total - 1) / ties
    statistic = float(h)
    reason = f"{POOR}." if min(group.n for group in groups) < SMALL else None
    return KruskalWallis(statistic, freedom, float(chdtrc(freedom, statistic)), reason)


def _rank_sum(group: Tally, pooled: Tally, doubled: Integers) -> int:
    """Sum the doubled midranks of a group's values: below 2 N^2, which 64 bits hold for two milliard patients."""
    places = np.searchsorted(pooled.values, group.rescaled(pooled.digits).values)
    return int(doubled[places] @ group.counts)


def _tied(pooled: Tally) -> int:
    """Sum t^3 - t over the blocks of ties. Blocks of one size are taken together: cubes need more than 64 bits."""
    sizes, blocks = np.unique(pooled.counts, return_counts=True)
    return sum(n * (t**3 - t) for t, n in zip(sizes.tolist(), blocks.tolist(), strict=True))
