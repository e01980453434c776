"""Survival statistics against what R and SAS printed (tests/oracle/survival_r.toml), to the digits printed."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.log_rank import log_rank
from app.statistics.restricted_mean import restricted_mean
from app.statistics.survival import SurvivalTally

CORPUS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "survival_r.toml").read_text(encoding="utf-8"))


def tally(printed: str) -> SurvivalTally:
    words = printed.split()
    return SurvivalTally.from_rows([float(w.rstrip("+")) for w in words], [not w.endswith("+") for w in words])


def groups(name: str) -> list[tuple[str, SurvivalTally]]:
    return [(label, tally(printed)) for label, printed in CORPUS[name]["groups"].items()]


def group(case: dict[str, Any]) -> SurvivalTally:
    return tally(CORPUS[case["data"]]["groups"][case["group"]])


def same(computed: float | None, printed: str) -> bool:
    """Say whether a number rounds to the digits that were printed; NA and "" are None."""
    if computed is None or printed in {"", "NA"}:
        return computed is None and printed in {"", "NA"}
    number = Decimal(printed)
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    return abs(Decimal(computed) - number) <= half


def cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=f"{case['data']}-{case.get('group', kind)}") for case in CORPUS[kind]]


@pytest.mark.parametrize("case", cases("median"))
def test_the_median_is_rs(case):
    counted = group(case)
    median = kaplan_meier(counted, interval="log").median
    found = [counted.n, counted.events.n, median.estimate, median.low, median.high]
    assert all(map(same, found, case["printed"])), found


@pytest.mark.parametrize("case", cases("curve"))
def test_the_curve_is_rs(case):
    points = [point for point in kaplan_meier(group(case), interval=case["interval"]).rows() if point["events"]]
    printed = [line.split() for line in case["printed"].strip().splitlines()]
    assert len(points) == len(printed)
    names = ("time", "at_risk", "events", "survival", "low", "high")
    for point, line in zip(points, printed, strict=True):
        assert all(same(point[name], text) for name, text in zip(names, line, strict=True)), (point, line)


@pytest.mark.parametrize("case", cases("log_rank"))
def test_the_log_rank_test_is_rs(case):
    found = log_rank(groups(case["data"]))
    assert all(map(same, found.expected, case["expected"])), found.expected
    assert same(found.statistic, case["chi_square"])
    assert found.degrees_of_freedom == case["degrees_of_freedom"]
    assert same(found.p_value, case["p_value"])


@pytest.mark.parametrize("case", cases("sas"))
def test_both_weights_are_sas(case):
    assert same(log_rank(groups(case["data"])).statistic, case["log_rank"])
    assert same(log_rank(groups(case["data"]), "gehan_breslow").statistic, case["wilcoxon"])


@pytest.mark.parametrize("case", cases("cox"))
def test_coxs_hazard_ratio_is_rs(case):
    found = hazard_ratio(groups(case["data"]), "cox")
    expected = Decimal(case["coefficient"]).exp()
    assert found.estimate == pytest.approx(float(expected), rel=1e-3)
    error = (Decimal(found.high).ln() - Decimal(found.low).ln()) / 2 / Decimal("1.959963984540054")
    assert same(float(error), case["standard_error"])


@pytest.mark.parametrize("case", cases("restricted_mean"))
def test_the_restricted_mean_is_rs(case):
    horizon, mean, error = case["printed"]
    found = restricted_mean(group(case), float(horizon))
    assert same(found.estimate, mean)
    assert same(found.standard_error, error)


@pytest.mark.parametrize(
    ("data", "label", "median"),
    [("glioma", "control", 12.5), ("veteran_treatment", "test", 52.5)],
)
def test_medians_in_which_lifelines_differs(data, label, median):
    """It takes the first time at or below one half, where R and Prism take the middle of the flat part."""
    assert kaplan_meier(dict(groups(data))[label]).median.estimate == median
