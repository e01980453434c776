"""Fisher's exact test: a probability, the same for every order of lines, never far from what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.statistics.fisher import fisher_exact

two_by_two = arrays(np.int64, (2, 2), elements=st.integers(0, 60))
larger = st.tuples(st.integers(2, 4), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.integers(0, 5))
)


@given(two_by_two)
def test_two_by_two(table):
    found = fisher_exact(table.tolist())
    if not table.sum():
        assert found.p_value is None
        return
    assert 0 < found.p_value <= 1
    odds = found.odds_ratio
    assert odds.low <= (odds.estimate if odds.estimate is not None else np.inf)
    if odds.high is not None and odds.estimate is not None:
        assert odds.estimate <= odds.high
    swapped = fisher_exact(table[::-1].tolist())
    assert swapped.p_value == pytest.approx(found.p_value, rel=1e-12)
    if odds.estimate and swapped.odds_ratio.estimate and odds.high and swapped.odds_ratio.high:
        assert swapped.odds_ratio.estimate == pytest.approx(1 / odds.estimate, rel=1e-9)
        assert swapped.odds_ratio.low == pytest.approx(1 / odds.high, rel=1e-9)


@given(larger, st.randoms(use_true_random=False))
def test_larger(table, random):
    found = fisher_exact(table.tolist())
    if not table.sum():
        assert found.p_value is None
        return
    assert 0 < found.p_value <= 1
    rows, columns = list(range(table.shape[0])), list(range(table.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    other = fisher_exact(table[rows][:, columns].T.tolist())
    assert other.exact == found.exact
    assert other.p_value == pytest.approx(found.p_value, rel=1e-12)
    if table.shape != (2, 2):
        assert found.statistic <= found.p_value * (1 + 1e-9)  # the table itself counts
