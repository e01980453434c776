"""The search for what would give the printed p-values: other tests, and group sizes near the printed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.statistics.checkpoint import checkpoint
from app.statistics.survival import Floats
from app.statistics.table_audit_models import TestName
from app.statistics.table_audit_printed import Printed
from app.statistics.table_audit_tests import Sizes, candidate_tests, p_values, work_of

MOST_SETS: Final = 4_000
_EXACT_WORK: Final = 12_000_000
_SEARCHED: Final[tuple[TestName, ...]] = ("fisher_exact", "pearson_chi_square", "pearson_chi_square_yates")


@dataclass(frozen=True, slots=True)
class Testable:
    """A row with a printed p that can be recomputed."""

    label: str
    counts: tuple[int, ...]
    printed: Printed

    def p_values(self, test: TestName, sizes: Sizes) -> Floats:
        """Return the p of each set of group sizes; NaN in those that do not hold the counts."""
        holding = np.all(sizes >= np.array(self.counts), axis=1)
        found = np.full(len(sizes), np.nan)
        found[holding] = p_values(test, self.counts, sizes[holding])
        return found

    def matches(self, found: Floats) -> NDArray[np.bool_]:
        """Say which p-values may be printed as this row's is."""
        low, high = self.printed.bounds
        return (found >= low) & (found <= high)


@dataclass(frozen=True, slots=True)
class Search:
    """What each set of group sizes gives, nearest to the printed sizes first (which are the first of all).

    The exact test is made of the first `by_exact_test` sets only, to keep the search short: the rest is NaN there.
    `found[test]` holds a p per row and set, `matches[test]` whether the row's printed p may stand for it.
    """

    sizes: Sizes
    window: int
    narrowed: bool
    by_exact_test: int
    rows: tuple[Testable, ...]
    found: dict[TestName, Floats]
    matches: dict[TestName, NDArray[np.bool_]]

    @property
    def tests(self) -> tuple[TestName, ...]:
        """The tests that were tried, the one of the audit first."""
        return tuple(self.found)

    def explained(self, test: TestName) -> NDArray[np.int64]:
        """Return how many rows each set explains by a test."""
        found: NDArray[np.int64] = self.matches[test].sum(axis=0)
        return found

    def histogram(self) -> dict[TestName, list[int]]:
        """Return per test how many sets explain none of the rows, one, two ..."""
        return {test: np.bincount(self.explained(test), minlength=1).tolist() for test in self.tests}


def search(sizes: Sequence[int], rows: Sequence[Testable], window: int) -> Search:
    """Try every set of group sizes within a window around the printed ones, by every test."""
    tests = tuple(test for test in candidate_tests(len(sizes)) if test in _SEARCHED)
    allowed = _widest(len(sizes), window)
    sets = _sets(sizes, rows, allowed)
    exactly = _affordable(sets, rows)
    found = {test: _found(test, sets[:exactly] if test == "fisher_exact" else sets, rows, len(sets)) for test in tests}
    matches = {
        test: np.array([row.matches(p) for row, p in zip(rows, found[test], strict=True)], bool).reshape(-1, len(sets))
        for test in tests
    }
    return Search(sets, allowed, allowed < window, exactly, tuple(rows), found, matches)


def _found(test: TestName, sets: Sizes, rows: Sequence[Testable], width: int) -> Floats:
    found = np.full((len(rows), width), np.nan)
    for place, row in enumerate(rows):
        checkpoint()
        found[place, : len(sets)] = row.p_values(test, sets)
    return found


def _affordable(sets: Sizes, rows: Sequence[Testable]) -> int:
    """Return of how many of the sets the exact test of every row is made."""
    printed = sets[0].tolist()
    work = sum(work_of(row.counts, printed) for row in rows)
    return len(sets) if work * len(sets) <= _EXACT_WORK else max(1, int(_EXACT_WORK // work))


def _widest(columns: int, window: int) -> int:
    """Return the widest window up to the one asked for that keeps the search short."""
    return max((width for width in range(1, window + 1) if (2 * width + 1) ** columns <= MOST_SETS), default=0)


def _sets(sizes: Sequence[int], rows: Sequence[Testable], window: int) -> Sizes:
    """Return the sets that hold every count, nearest first, and the printed sizes before all others."""
    least = [max([1, *(row.counts[place] for row in rows)]) for place in range(len(sizes))]
    spans = [
        [size, *(near for near in range(size - window, size + window + 1) if near >= low and near != size)]
        for size, low in zip(sizes, least, strict=True)
    ]
    sets = np.array(list(product(*spans)), np.int64)
    away = np.abs(sets - np.array(sizes)).sum(axis=1)
    return sets[np.argsort(away, kind="stable")]
