"""Survival statistics against plain second implementations: rational arithmetic row by row, and lifelines."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.log_rank import log_rank
from app.statistics.restricted_mean import restricted_mean
from app.statistics.survival import SurvivalTally

Rows = list[tuple[int, bool]]
rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=14)
some_rows = rows.filter(bool)


class Step(NamedTuple):
    """One step of a curve, exactly."""

    time: int
    survival: Fraction
    variance: Fraction | None


def tally(patients: Rows) -> SurvivalTally:
    return SurvivalTally.from_rows([time for time, _ in patients], [event for _, event in patients])


def steps(patients: Rows) -> list[Step]:
    """Walk through the times as in a textbook: the product of (n - d) / n, and Greenwood's sum."""
    survival, total = Fraction(1), Fraction(0)
    found = []
    for time in sorted({time for time, _ in patients}):
        n = sum(t >= time for t, _ in patients)
        d = sum(t == time and event for t, event in patients)
        survival *= Fraction(n - d, n)
        total += Fraction(d, n * (n - d)) if n > d else 0
        found.append(Step(time, survival, total if survival else None))
    return found


def plain_median(patients: Rows) -> Fraction | None:
    half = Fraction(1, 2)
    flat = [step.time for step in steps(patients) if step.survival == half]
    below = [step.time for step in steps(patients) if step.survival < half]
    if flat:
        return Fraction(flat[0] + (below[0] if below else flat[-1]), 2)
    return Fraction(below[0]) if below else None


def plain_log_rank(groups: list[Rows], *, gehan: bool) -> tuple[list[Fraction], Fraction | None]:
    """Return expected events, and chi-square of the first two groups alone where there are just two."""
    everybody = [patient for patients in groups for patient in patients]
    expected = [Fraction(0) for _ in groups]
    score, variance = Fraction(0), Fraction(0)
    for time in sorted({t for t, event in everybody if event}):
        n = sum(t >= time for t, _ in everybody)
        d = sum(t == time and event for t, event in everybody)
        at_risk = [sum(t >= time for t, _ in patients) for patients in groups]
        own = sum(t == time and event for t, event in groups[0])
        weight = n if gehan else 1
        for place, mine in enumerate(at_risk):
            expected[place] += Fraction(d * mine, n)
        score += weight * (own - Fraction(d * at_risk[0], n))
        if n > 1:
            variance += weight**2 * Fraction(at_risk[0] * (n - at_risk[0]) * d * (n - d), n * n * (n - 1))
    return expected, score**2 / variance if variance else None


def plain_restricted_mean(patients: Rows, horizon: int) -> tuple[Fraction, Fraction]:
    curve = steps(patients)
    edges = [0, *(step.time for step in curve if step.time < horizon), horizon]
    heights = [Fraction(1), *(step.survival for step in curve if step.time < horizon)]
    pieces = [(b - a) * height for (a, b), height in zip(pairwise(edges), heights, strict=True)]
    variance = Fraction(0)
    for place, time in enumerate(edges[1:-1], 1):
        n = sum(t >= time for t, _ in patients)
        d = sum(t == time and event for t, event in patients)
        if n > d:
            variance += sum(pieces[place:], Fraction(0)) ** 2 * Fraction(d, n * (n - d))
    return sum(pieces, Fraction(0)), variance


@given(some_rows)
def test_the_curve_is_the_rational_one(patients):
    found = kaplan_meier(tally(patients), interval="plain")
    exact = steps(patients)
    assert found.table.times.tolist() == [step.time for step in exact]
    for survival, variance, step in zip(found.survival.tolist(), found.log_variance.tolist(), exact, strict=True):
        assert survival == pytest.approx(float(step.survival), rel=1e-14)
        if step.variance is not None:
            assert variance == pytest.approx(float(step.variance), rel=1e-14)


@given(rows)
def test_the_median_is_the_rational_one(patients):
    exact = plain_median(patients)
    assert kaplan_meier(tally(patients)).median.estimate == (None if exact is None else float(exact))


@given(some_rows, some_rows, st.booleans())
def test_the_log_rank_test_is_the_rational_one(a, b, gehan):
    found = log_rank([("a", tally(a)), ("b", tally(b))], "gehan_breslow" if gehan else "log_rank")
    expected, chi_square = plain_log_rank([a, b], gehan=gehan)
    assert found.expected == pytest.approx([float(each) for each in expected], rel=1e-13)
    if chi_square is None:
        assert found.statistic is None
        assert found.p_value is None
        assert found.reason
    else:
        assert found.statistic == pytest.approx(float(chi_square), rel=1e-11, abs=1e-24)
        assert found.p_value == pytest.approx(math.erfc(math.sqrt(chi_square / 2)), rel=1e-9)


@given(some_rows, st.integers(1, 8))
def test_the_restricted_mean_is_the_rational_one(patients, horizon):
    found = restricted_mean(tally(patients), horizon)
    curve = steps(patients)
    if horizon > curve[-1].time and curve[-1].survival:
        assert found.estimate is None
        assert "past" in found.reason
        return
    mean, variance = plain_restricted_mean(patients, horizon)
    assert found.estimate == pytest.approx(float(mean), rel=1e-14)
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-13)


@given(st.lists(some_rows, min_size=3, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_groups_does_not_matter(groups, random):
    named = [(str(place), tally(patients)) for place, patients in enumerate(groups)]
    one = log_rank(named)
    random.shuffle(named)
    other = log_rank(named)
    assert one.degrees_of_freedom == other.degrees_of_freedom
    assert one.statistic == (None if other.statistic is None else pytest.approx(other.statistic, rel=1e-9, abs=1e-12))


def cohort(seed: int, n: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    times = random.integers(1, 30, n).astype(float) if ties else np.round(random.exponential(50, n), 6)
    return times, random.random(n) < 0.6, random.integers(0, 3, n)


def split(times: np.ndarray, events: np.ndarray, group: np.ndarray) -> list[tuple[str, SurvivalTally]]:
    return [
        (str(name), SurvivalTally.from_rows(times[group == name].tolist(), events[group == name].tolist()))
        for name in np.unique(group)
    ]


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize(("seed", "n"), [(1, 60), (2, 2_000)])
def test_lifelines_agrees(seed, n, ties):
    from lifelines import KaplanMeierFitter  # noqa: PLC0415  # seconds to import
    from lifelines.statistics import multivariate_logrank_test  # noqa: PLC0415
    from lifelines.utils import restricted_mean_survival_time  # noqa: PLC0415

    times, events, group = cohort(seed, n, ties=ties)
    counted = SurvivalTally.from_rows(times.tolist(), events.tolist())
    ours = kaplan_meier(counted)
    theirs = KaplanMeierFitter().fit(times, events)
    assert theirs.survival_function_.to_numpy()[1:, 0] == pytest.approx(ours.survival, rel=1e-12)
    limits = theirs.confidence_interval_.to_numpy()[1:]
    defined = ~np.isnan(ours.low)
    assert limits[defined, 0] == pytest.approx(ours.low[defined], rel=1e-9)
    assert limits[defined, 1] == pytest.approx(ours.high[defined], rel=1e-9)
    horizon = float(np.quantile(times, 0.7))
    area = restricted_mean_survival_time(theirs, t=horizon)
    assert restricted_mean(counted, horizon).estimate == pytest.approx(area, rel=1e-12)
    for ours_name, name in (("log_rank", None), ("gehan_breslow", "wilcoxon")):
        expected = multivariate_logrank_test(times, group, events, weightings=name)
        found = log_rank(split(times, events, group), ours_name)
        assert found.statistic == pytest.approx(expected.test_statistic, rel=1e-10)
        assert found.p_value == pytest.approx(expected.p_value, rel=1e-10)


@pytest.mark.parametrize("ties", [True, False])
def test_coxs_model_of_tallies_is_that_of_rows(ties):
    """Lifelines breaks ties of weighted events wrongly, so events go in one by one and only censorings are weighted."""
    import pandas as pd  # noqa: PLC0415  # as below
    from lifelines import CoxPHFitter  # noqa: PLC0415  # seconds to import

    times, events, group = cohort(3, 120, ties=ties)
    kept = group < 2
    data = pd.DataFrame({"time": times[kept], "event": events[kept], "first": (group[kept] == 0).astype(float)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = CoxPHFitter().fit(data, "time", "event", fit_options={"precision": 1e-12, "max_steps": 100})
    found = hazard_ratio(split(times[kept], events[kept], group[kept]), "cox")
    assert math.log(found.estimate) == pytest.approx(fit.params_["first"], rel=1e-9)
    reach = 1.959963984540054 * fit.standard_errors_["first"]
    assert math.log(found.high / found.low) / 2 == pytest.approx(reach, rel=1e-9)


@settings(max_examples=15)
@given(some_rows, some_rows)
def test_the_hazard_ratio_is_the_formula(a, b):
    found = hazard_ratio([("a", tally(a)), ("b", tally(b))])
    expected, chi_square = plain_log_rank([a, b], gehan=False)
    observed = [sum(event for _, event in patients) for patients in (a, b)]
    if chi_square is None or 0 in observed:
        assert found.estimate is None
        assert found.reason
        return
    difference = float(observed[0] - expected[0])
    if difference == 0:
        assert found.estimate == pytest.approx(1)
        return
    variance = difference**2 / float(chi_square)
    assert math.log(found.estimate) == pytest.approx(difference / variance, rel=1e-9)
    assert math.log(found.high / found.estimate) == pytest.approx(1.959963984540054 / math.sqrt(variance), rel=1e-9)
