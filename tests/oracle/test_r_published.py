"""Our tests beside what R and its packages printed: to the last digit of p that was published."""

from __future__ import annotations

import math
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from app.statistics.fisher import fisher_exact
from app.statistics.hodges_lehmann import pseudo_median
from app.statistics.mann_whitney import mann_whitney
from app.statistics.rank_answers import answer_signed_rank
from app.statistics.rank_models import SignedRankRequest
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

HERE = Path(__file__).parent
TABLES = tomllib.loads((HERE / "r_tables.toml").read_text(encoding="utf-8"))["fisher"]
RANKS = tomllib.loads((HERE / "r_ranks.toml").read_text(encoding="utf-8"))


def printed(text: str) -> object:
    """Return what equals a printed number: anything that rounds to its digits."""
    _, digits, exponent = Decimal(text).as_tuple()
    assert digits
    return pytest.approx(float(text), rel=0, abs=0.5000001 * 10.0**exponent)


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def test_every_case_says_where_it_is_from():
    cases = [*TABLES, *RANKS["mann_whitney"], *RANKS["signed_rank"]]
    assert all(case["command"] and case["version"] for case in cases)
    assert len({case["name"] for case in cases}) == len(cases)


@named(TABLES)
def test_fisher(case):
    found = fisher_exact(case["table"])
    assert found.exact
    assert found.p_value == printed(case["p"])
    if "pearson" in case:
        assert found.pearson_chi_square.p_value == printed(case["pearson"])


@named([case for case in TABLES if "odds_ratio" in case])
def test_odds_ratio(case):
    found = fisher_exact(case["table"]).odds_ratio
    assert found.estimate == pytest.approx(case["odds_ratio"], rel=1e-4)
    assert found.low == pytest.approx(case["low"], rel=3e-3)
    if math.isinf(case["high"]):
        assert found.high is None
    else:
        assert found.high == pytest.approx(case["high"], rel=8e-3)  # uniroot in 1/odds


def test_all_of_the_study_is_here():
    tables = [case["name"].partition(":")[0] for case in TABLES if case["name"].startswith("Table")]
    assert [tables.count(f"Table {number}") for number in (1, 2, 3)] == [11, 2, 4]


@named(RANKS["mann_whitney"])
def test_mann_whitney(case):
    x, y = Tally.from_numbers(case["x"]), Tally.from_numbers(case["y"])
    found = mann_whitney(x, y, case.get("method", "auto"))
    assert found.exact == ("method" not in case)
    assert found.u == case["u"]
    if "one_sided" in case:
        assert found.p_value / 2 == printed(case["one_sided"])
    else:
        assert found.p_value == printed(case["p"])
    if "p_doubled" in case:
        assert found.p_value_doubled == printed(case["p_doubled"])


@named(RANKS["signed_rank"])
def test_signed_rank(case):
    method = case.get("method", "auto")
    if "differences" in case:
        found = signed_rank(Tally.from_numbers(case["differences"]), case.get("zeros", "wilcox"), method)
    else:
        asked = SignedRankRequest(before=list(map(float, case["before"])), after=case["after"], method=method)
        found = answer_signed_rank(asked)
    assert found.exact == ("method" not in case)
    if "w_minus" in case:
        assert found.w_minus == case["w_minus"]
    if "one_sided" in case:
        assert found.p_value / 2 == printed(case["one_sided"])
    else:
        assert found.p_value == printed(case["p"])
    if "pseudo_median" in case:
        shift = found.pseudo_median
        assert [shift.estimate, shift.low, shift.high] == pytest.approx(case["pseudo_median"], rel=1e-12)
    if "limits_of_before_minus_after" in case:
        low, high = case["limits_of_before_minus_after"]
        assert (-found.pseudo_median.high, -found.pseudo_median.low) == (low, high)


def test_zeros_are_dropped_from_the_pseudo_median_as_in_r():
    """R drops the zero before it forms the means: 1.4 with it left in would be smaller."""
    sleep = next(case for case in RANKS["signed_rank"] if "sleep" in case["name"])
    differences = Tally.from_numbers(
        [Decimal(str(a)) - Decimal(str(b)) for b, a in zip(sleep["before"], sleep["after"], strict=True)]
    )
    assert pseudo_median(differences).estimate == pytest.approx(1.4, abs=1e-3)
