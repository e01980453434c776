"""Our tests beside plain enumeration: every table, every choice of ranks, every choice of signs, in fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from scipy.stats.contingency import odds_ratio

from app.statistics import fisher_larger, fisher_two_by_two
from app.statistics.contingency import pearson_chi_square
from app.statistics.descriptive import summarize
from app.statistics.fisher import fisher_exact
from app.statistics.hodges_lehmann import hodges_lehmann, pseudo_median
from app.statistics.mann_whitney import mann_whitney
from app.statistics.mann_whitney_exact import exact_distribution
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

EXACTLY = {"rel": 1e-12, "abs": 0}
SEEDS = range(40)


def sample(generator, size, distinct):
    return generator.integers(0, distinct, size).tolist()


def doubled_midranks(values):
    return [2 * sum(other < value for other in values) + values.count(value) + 1 for value in values]


def permutation_p(x, y):
    """Enumerate every choice of which values are x's."""
    ranks = doubled_midranks(x + y)
    sums = [sum(chosen) for chosen in itertools.combinations(ranks, len(x))]
    observed, expected = sum(ranks[: len(x)]), Fraction(len(x) * sum(ranks), len(ranks))
    as_far = sum(abs(t - expected) >= abs(observed - expected) for t in sums)
    tail = min(sum(t <= observed for t in sums), sum(t >= observed for t in sums))
    return Fraction(as_far, len(sums)), min(Fraction(1), Fraction(2 * tail, len(sums)))


@pytest.mark.parametrize("seed", SEEDS)
def test_mann_whitney_is_the_permutation_test(seed):
    generator = np.random.default_rng(seed)
    n_x, n_y = generator.integers(1, 8, 2).tolist()
    distinct = int(generator.integers(2, 10))
    x, y = sample(generator, n_x, distinct), sample(generator, n_y, distinct)
    found = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y), "exact")
    p_value, doubled = permutation_p(x, y)
    assert found.exact
    assert found.p_value == pytest.approx(float(p_value), **EXACTLY)
    assert found.p_value_doubled == pytest.approx(float(doubled), **EXACTLY)
    assert found.u == sum((a > b) + (a == b) / 2 for a in x for b in y)
    assert found.rank_biserial == pytest.approx(2 * found.u / (n_x * n_y) - 1, abs=1e-15)


@pytest.mark.parametrize("seed", range(8))
def test_mann_whitney_beside_a_plain_count_in_integers(seed):
    """Groups too large to enumerate: how many choices give each rank sum, one value after the other, in a dict."""
    generator = np.random.default_rng(seed)
    x, y = sample(generator, 18, 6 + 4 * seed), sample(generator, 23, 6 + 4 * seed)
    ranks = doubled_midranks(x + y)
    ways = {(0, 0): 1}
    for rank in ranks:
        taken = {(chosen + 1, total + rank): count for (chosen, total), count in ways.items() if chosen < len(x)}
        ways = {key: ways.get(key, 0) + taken.get(key, 0) for key in ways.keys() | taken.keys()}
    sums = {total: count for (chosen, total), count in ways.items() if chosen == len(x)}
    observed, expected = sum(ranks[: len(x)]), Fraction(len(x) * sum(ranks), len(ranks))
    as_far = sum(count for t, count in sums.items() if abs(t - expected) >= abs(observed - expected))
    found = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y), "exact")
    assert sum(sums.values()) == math.comb(41, 18)
    assert found.p_value == pytest.approx(as_far / math.comb(41, 18), **EXACTLY)


def permuted_signs_p(differences, zeros):
    kept = [d for d in differences if d or zeros == "pratt"]
    ranks = [rank for rank, d in zip(doubled_midranks([abs(d) for d in kept]), kept, strict=True) if d]
    observed = sum(rank for rank, d in zip(ranks, [d for d in kept if d], strict=True) if d > 0)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(ranks))]
    as_far = sum(abs(2 * t - sum(ranks)) >= abs(2 * observed - sum(ranks)) for t in sums)
    return Fraction(as_far, len(sums)), observed


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
@pytest.mark.parametrize("seed", SEEDS)
def test_signed_rank_is_the_permutation_test(seed, zeros):
    generator = np.random.default_rng(seed)
    differences = generator.integers(-4, 5, int(generator.integers(1, 12))).tolist()
    found = signed_rank(Tally.from_numbers(differences), zeros, "exact")
    p_value, doubled_sum = permuted_signs_p(differences, zeros)
    assert found.p_value == pytest.approx(float(p_value), **EXACTLY)
    assert found.w_plus == doubled_sum / 2
    assert found.n_zero == differences.count(0)


def tables_with_margins(rows, columns):
    if len(rows) == 1:
        yield (tuple(columns),)
        return
    for first in itertools.product(*(range(min(rows[0], c) + 1) for c in columns)):
        if sum(first) == rows[0]:
            for rest in tables_with_margins(rows[1:], [c - f for c, f in zip(columns, first, strict=True)]):
                yield (first, *rest)


def freeman_halton(table):
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]

    def weight(candidate):
        return Fraction(1, math.prod(math.factorial(count) for row in candidate for count in row))

    weights = [weight(candidate) for candidate in tables_with_margins(rows, columns)]
    bound = weight(table) * (1 + Fraction(1, 10**7))
    return float(sum(w for w in weights if w <= bound) / sum(weights)), float(weight(table) / sum(weights))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 3), (2, 5), (4, 3), (2, 2)])
@pytest.mark.parametrize("seed", range(8))
def test_fisher_goes_through_every_table(seed, shape):
    table = np.random.default_rng(seed).integers(0, 4, shape).tolist()
    found = fisher_exact(table)
    p_value, probability = freeman_halton(table)
    assert found.exact
    assert found.p_value == pytest.approx(p_value, **EXACTLY)
    if shape != (2, 2):
        assert found.statistic == pytest.approx(probability, **EXACTLY)


@pytest.mark.parametrize("seed", range(12))
def test_the_large_test_and_the_small_one_agree_on_two_by_two(seed):
    table = np.random.default_rng(seed).integers(0, 60, (2, 2)) + 1
    layout = fisher_larger.Layout.of(table)
    assert fisher_larger.p_value(layout) == pytest.approx(fisher_two_by_two.p_value(table), **EXACTLY)


@pytest.mark.parametrize("largest", [5, 60, 3_000, 400_000])
@pytest.mark.parametrize("seed", range(10))
def test_two_by_two_beside_scipy(seed, largest):
    table = np.random.default_rng(seed).integers(1, largest, (2, 2)).tolist()
    if largest > 5_000:  # so that p does not vanish
        table[1] = [int(table[0][0] * 1.003) + 1, int(table[0][1] * 1.001) + 1]
    found = fisher_exact(table)
    assert found.p_value == pytest.approx(scipy.stats.fisher_exact(table).pvalue, rel=1e-9 if largest < 5_000 else 1e-6)
    if largest < 5_000:
        right = odds_ratio(table)
        low, high = right.confidence_interval()
        assert found.odds_ratio.estimate == pytest.approx(right.statistic, rel=1e-9)
        assert (found.odds_ratio.low, found.odds_ratio.high) == pytest.approx((low, high), rel=1e-8)


def test_a_large_two_by_two_in_integers():
    """60,000 patients: binomial coefficients in integers, no rounding before the last division."""
    a, b, c, d = 14_200, 15_100, 15_050, 15_650
    first, column, n = a + b, a + c, a + b + c + d
    weight = observed = math.comb(first, a) * math.comb(n - first, c)
    tables = [weight]
    for k in range(a, a + 1_500):
        weight = weight * (first - k) * (column - k) // ((k + 1) * (n - first - column + k + 1))
        tables.append(weight)
    weight = observed
    for k in range(a, a - 1_000, -1):
        weight = weight * k * (n - first - column + k) // ((first - k + 1) * (column - k + 1))
        tables.append(weight)
    light = sum(w for w in tables if w * 10**7 <= observed * (10**7 + 1))
    right = light / math.comb(n, column)
    assert fisher_exact([[a, b], [c, d]]).p_value == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_chi_square_beside_scipy(seed):
    table = np.random.default_rng(seed).integers(1, 30, (3, 4))
    right = scipy.stats.chi2_contingency(table, correction=False)
    found = pearson_chi_square(table)
    assert (found.statistic, found.p_value) == pytest.approx((right.statistic, right.pvalue), rel=1e-12)
    assert found.degrees_of_freedom == right.dof


@pytest.mark.parametrize("seed", range(10))
def test_rank_tests_without_ties_beside_scipy(seed):
    generator = np.random.default_rng(seed)
    pooled = generator.permutation(1000)[:60].tolist()
    x, y = pooled[:25], pooled[25:]
    tallies = Tally.from_numbers(x), Tally.from_numbers(y)
    for method in ("exact", "asymptotic"):
        right = scipy.stats.mannwhitneyu(x, y, method=method)
        found = mann_whitney(*tallies, method)
        assert (found.u, found.p_value) == pytest.approx((right.statistic, right.pvalue), rel=1e-12)
    differences = [value * (-1) ** (value % 3) for value in x]
    right = scipy.stats.wilcoxon(differences, method="exact")
    found = signed_rank(Tally.from_numbers(differences))
    assert found.p_value == pytest.approx(right.pvalue, rel=1e-12)
    right = scipy.stats.wilcoxon(differences, correction=True, method="asymptotic")
    found = signed_rank(Tally.from_numbers(differences), method="asymptotic")
    assert found.p_value == pytest.approx(right.pvalue, rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_asymptotic_with_ties_beside_scipy(seed):
    generator = np.random.default_rng(seed)
    x, y = sample(generator, 60, 9), sample(generator, 80, 9)
    right = scipy.stats.mannwhitneyu(x, y, method="asymptotic").pvalue
    found = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y), "asymptotic")
    assert found.p_value == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_hodges_lehmann_beside_all_pairs(seed):
    generator = np.random.default_rng(seed)
    x, y = sample(generator, int(generator.integers(1, 30)), 40), sample(generator, int(generator.integers(1, 30)), 40)
    found = hodges_lehmann(Tally.from_numbers(x), Tally.from_numbers(y))
    pairs = sorted(a - b for a in x for b in y)
    assert found.estimate == np.median(pairs)
    _, ways = exact_distribution(np.ones(len(x) + len(y), dtype=np.int64), min(len(x), len(y)))
    tails = np.cumsum(ways) / ways.sum()
    place = max(1, next(u for u, tail in enumerate(tails) if tail >= 0.025))  # as R's qwilcox
    assert (found.low, found.high) == (pairs[place - 1], pairs[-place])
    assert found.confidence == pytest.approx(1 - 2 * tails[place - 1], abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_pseudo_median_beside_all_means(seed):
    differences = np.random.default_rng(seed).integers(-9, 30, seed + 1).tolist()
    found = pseudo_median(Tally.from_numbers(differences))
    kept = [d for d in differences if d]
    means = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(kept, 2))
    if means:
        assert found.estimate == np.median(means)
        assert found.low in means
        assert found.high in means
        assert means.index(found.low) + 1 <= len(means) + 1 - means.index(found.high)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 46, 101])
def test_quartiles_beside_numpy(size):
    values = (np.random.default_rng(size).integers(0, 200, size) / 10).tolist()
    for method in ("weibull", "linear"):
        found = summarize(Tally.from_numbers(values), method)
        right = np.quantile(values, [0, 0.25, 0.5, 0.75, 1], method=method)
        assert [found.minimum, found.q1, found.median, found.q3, found.maximum] == pytest.approx(
            right.tolist(), rel=1e-14
        )


def test_monte_carlo_comes_near_the_exact_p():
    table = [[1, 3, 10, 6], [2, 3, 10, 7], [1, 6, 14, 12], [0, 1, 9, 11]]
    found = fisher_exact(table, "monte_carlo", replicates=200_000, seed=1)
    assert not found.exact
    exact = fisher_exact(table).p_value
    assert abs(found.p_value - exact) < 4 * found.monte_carlo.standard_error
    assert found == fisher_exact(table, "monte_carlo", replicates=200_000, seed=1)
    assert found.p_value != fisher_exact(table, "monte_carlo", replicates=200_000, seed=2).p_value
