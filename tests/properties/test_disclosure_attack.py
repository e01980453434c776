"""The attack: whoever knows the rules, the order of axes and all that is published cannot reckon a small count back.

Exhaustive: every table that gives the same publication is made, by the algorithm itself. That is the strongest reader
there can be: one who knows not only the threshold but what each decision of the algorithm tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.statistics.disclosure import Axis, Partition, finest, levels_are_safe
from app.statistics.disclosure_policy import Policy

TWO_BY_TWO = (np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
THREE = (np.array([0, 1, 2]),)
THREE_BY_TWO = (np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1]))


def policy(threshold: int, *, zero_shown: bool = True) -> Policy:
    return Policy(("test",), threshold, zero_shown, 1, tests_shown=True)


@dataclass(frozen=True, eq=False)
class Published:
    """What is published about one variable: sums over blocks of sizes, of all levels, and of the first level."""

    heads: Partition | None
    whole: Partition | None
    part: Partition | None

    @classmethod
    def of(cls, table, axes, rules) -> Published:
        n = table.sum(axis=0)
        ranked = [Axis.of(groups) for groups in axes]

        def divided(levels, limit, start=None):
            allowed, start = partial(levels_are_safe, levels, policy=rules), start or Partition.whole(n.size)
            return finest(ranked, start, limit, rules, allowed) if allowed(start.blocks) else None

        heads = divided(n[None], [(axis, 0) for axis in range(len(axes))])
        limit = list(heads.steps) if heads else []
        whole = divided(table, limit)
        return cls(heads, whole, divided(np.array([table[0], n - table[0]]), limit, whole))

    def key(self, table):
        n = table.sum(axis=0)
        return tuple(_sums(p, rows) for p, rows in ((self.heads, n[None]), (self.whole, table), (self.part, table[:1])))

    def shows(self, level: int, chosen) -> bool:
        if self.whole is not None and self.whole.composes(chosen):
            return True
        return level == 0 and self.part is not None and self.part.composes(chosen)


def _sums(partition, rows):
    if partition is None:
        return None
    blocks = [partition.blocks == block for block in np.unique(partition.blocks)]
    return tuple((tuple(np.flatnonzero(b)), tuple(rows[:, b].sum(axis=1).tolist())) for b in blocks)


def fillings(n: int, levels: int) -> list[tuple[int, ...]]:
    return [found for found in product(range(n + 1), repeat=levels) if sum(found) == n]


def queries(axes) -> Iterator[np.ndarray]:
    """Every group that `by` and `where` can ask for: any groups of one axis, and of them any of another."""
    choices = [[np.isin(a, groups) for groups in _subsets(a)] for a in axes]
    for flags in product(*choices):
        yield np.logical_and.reduce(flags)


def _subsets(groups):
    values = np.unique(groups)
    for picks in product((False, True), repeat=values.size):
        if any(picks):
            yield values[list(picks)]


def pinned(sizes, axes, rules, levels=2) -> tuple[int, int, int]:
    """Count the hidden small numbers, those of them that a reader can tell, and the fewest values that remain."""
    same = defaultdict(list)
    for rows in product(*(fillings(n, levels) for n in sizes)):
        table = np.array(rows).T
        found = Published.of(table, axes, rules)
        same[found.key(table)].append((found, table))
    hidden = told = 0
    fewest = 10**6
    for members in same.values():
        tables = np.array([table for _, table in members])
        for chosen, level in product(queries(axes), range(levels)):
            if not chosen.any() or members[0][0].shows(level, chosen):
                continue
            values = np.unique(tables[:, level][:, chosen].sum(axis=1))
            small = [value for value in values.tolist() if not rules.safe(value)]
            hidden += len(small)
            told += len(small) if len(values) == 1 else 0
            fewest = min(fewest, len(values)) if small else fewest
    return hidden, told, fewest


@pytest.mark.parametrize("zero_shown", [True, False])
@pytest.mark.parametrize(
    ("sizes", "axes", "threshold", "levels"),
    [
        ((4, 7, 8, 9), TWO_BY_TWO, 2, 2),
        ((6, 9, 6, 6), TWO_BY_TWO, 2, 2),
        ((7, 5, 6, 8), TWO_BY_TWO, 3, 2),
        ((3, 3, 3, 3), TWO_BY_TWO, 2, 3),
        ((3, 5, 9), THREE, 2, 2),
        ((9, 11, 12), THREE, 3, 2),
        ((4, 5, 6), THREE, 2, 3),
        ((3, 4, 4, 3, 3), THREE_BY_TWO, 2, 2),
    ],
)
def test_no_small_number_can_be_told_from_every_table_with_the_same_publication(
    sizes, axes, threshold, levels, zero_shown
):
    hidden, told, fewest = pinned(sizes, axes, policy(threshold, zero_shown=zero_shown), levels)
    assert hidden > 50
    assert told == 0
    assert fewest >= 2


@pytest.mark.parametrize(
    ("sizes", "axes", "threshold", "levels"),
    [
        ((0, 7, 8, 9), TWO_BY_TWO, 2, 2),
        ((6, 0, 6, 7), TWO_BY_TWO, 3, 2),
        ((9, 0, 12), THREE, 3, 2),
        ((4, 5, 0), THREE, 2, 3),
    ],
)
def test_nor_where_nobody_is_in_some_of_the_groups(sizes, axes, threshold, levels):
    hidden, told, fewest = pinned(sizes, axes, policy(threshold), levels)
    assert hidden > 50
    assert told == 0
    assert fewest >= 2


@given(st.lists(st.integers(3, 9), min_size=4, max_size=4), st.sampled_from((2, 3)))
@settings(max_examples=4)
def test_nor_of_any_sizes_of_groups(sizes, threshold):
    sizes = [max(n, threshold + 1) for n in sizes]
    _, told, _ = pinned(sizes, TWO_BY_TWO, policy(threshold))
    assert told == 0


def test_naive_suppression_gives_small_numbers_back(monkeypatch):
    """Withhold small cells alone, and keep the totals: the same reader tells them, so this attack can succeed."""

    class Naive(Published):
        def key(self, table):
            shown = [self._shown(table[level][chosen].sum()) for level in (0, 1) for chosen in queries(TWO_BY_TWO)]
            return tuple(shown)

        @staticmethod
        def _shown(count):
            return int(count) if policy(2).safe(int(count)) else None

        def shows(self, level, chosen):  # noqa: ARG002  # what is safe is seen in the key
            return False

    monkeypatch.setattr("tests.properties.test_disclosure_attack.Published", Naive)
    hidden, told, _ = pinned((4, 5, 6, 7), TWO_BY_TWO, policy(2))
    assert hidden > 100
    assert told > 100


def test_sizes_of_groups_cannot_be_told_either():
    """Every division of patients into three groups and every one into two by two, under one publication.

    Either nobody knows which groups are empty, or (`least` 1) that somebody is in each: then a threshold lies above the
    number of groups, as every profile's lies above the number of values that an axis has.
    """
    ways = ((THREE, 3, 12), (TWO_BY_TWO, 4, 7))
    known = ((1, 0, True), (0, 2, True), (0, 5, True), (0, 2, False), (0, 5, False))
    for (axes, cells, largest), (least, threshold, zero_shown) in product(ways, known):
        rules = policy(max(threshold, least * (cells + 1)), zero_shown=zero_shown)
        same = defaultdict(list)
        for sizes in product(range(least, largest + 1), repeat=cells):
            n = np.array(sizes)
            found = Published.of(n[None], axes, rules)
            same[_sums(found.heads, n[None])].append((found.heads, n))
        whole = [found for found in same.values() if max(n.max() for _, n in found) < largest]
        assert whole  # of the others, tables with larger groups were not made
        for members in whole:
            heads, tables = members[0][0], np.array([n for _, n in members])
            for chosen in queries(axes):
                if chosen.any() and not (heads is not None and heads.composes(chosen)):
                    values = np.unique(tables[:, chosen].sum(axis=1))
                    assert len(values) > 1 or rules.safe(int(values[0]))
