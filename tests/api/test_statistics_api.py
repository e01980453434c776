"""`/v1/statistics`: summary, Fisher, Mann-Whitney and signed rank over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ROTAROD = {"x": [22, 300, 75, 271, 300, 18, 300, 300, 163, 300, 300, 300], "y": [300] * 12}


@pytest.fixture
def post(client):
    def send(path, body, status=200):
        answer = client.post(f"/v1/statistics/{path}", json=body)
        assert answer.status_code == status, answer.text
        assert "NaN" not in answer.text
        assert "Infinity" not in answer.text
        return answer.json()

    return send


def only_error(answer):
    assert answer["type"] == "/problems/validation"
    assert len(answer["errors"]) == 1, answer["errors"]
    return answer["errors"][0]


def codes(answer):
    return [warning["code"] for warning in answer["warnings"]]


def test_summary(post):
    answer = post("summary", {"values": [10.5, 3.5, None, 13, 8, 4, 10]})
    assert answer == {
        "n": 6,
        "n_missing": 1,
        "median": 9.0,
        "q1": 3.875,
        "q3": 11.125,
        "minimum": 3.5,
        "maximum": 13.0,
        "quantile_method": "weibull",
        "method": "Median and quartiles at position p(n+1) (Weibull, Hyndman-Fan type 6)",
        "warnings": [],
    }
    assert post("summary", {"values": [1, 2, 3, 4], "quantile_method": "linear"})["q1"] == 1.75


@pytest.mark.parametrize("values", [[], [None, None]])
def test_summary_of_nothing(post, values):
    answer = post("summary", {"values": values})
    assert (answer["n"], answer["n_missing"]) == (0, len(values))
    assert [answer[key] for key in ("median", "q1", "q3", "minimum", "maximum")] == [None] * 5


def test_fisher_two_by_two(post):
    answer = post("fisher-exact", {"table": [[3, 11], [20, 12]]})
    assert answer["p_value"] == pytest.approx(0.02304289541951, rel=1e-12)
    assert (answer["method"], answer["exact"]) == ("Fisher's exact test", True)
    assert answer["odds_ratio"] == pytest.approx(
        {"estimate": 0.17056814049, "low": 0.02539751378, "high": 0.82037971808}, rel=1e-9
    )
    assert answer["statistic"] == answer["odds_ratio"]["estimate"]
    assert (answer["n"], answer["row_totals"], answer["column_totals"]) == (46, [14, 32], [23, 23])
    assert (answer["n_missing"], answer["pearson_chi_square"], answer["warnings"]) == (0, None, [])


def test_fisher_larger(post):
    answer = post("fisher-exact", {"table": [[2, 12], [6, 19], [7, 2]]})
    assert answer["exact"]
    assert answer["p_value"] == pytest.approx(0.0054099, abs=5e-8)
    assert answer["pearson_chi_square"] == pytest.approx(
        {"statistic": 11.555647907648, "degrees_of_freedom": 2, "p_value": 0.0030954439137}, rel=1e-9
    )
    assert answer["odds_ratio"] is None


def test_infinite_limits_are_null_with_a_warning(post):
    answer = post("fisher-exact", {"table": [[5, 0], [0, 7]]})
    assert answer["odds_ratio"]["estimate"] is None
    assert answer["odds_ratio"]["high"] is None
    assert answer["odds_ratio"]["low"] > 1
    assert codes(answer) == ["odds_ratio_infinite"]


def test_fisher_by_monte_carlo_is_seeded_and_says_so(post):
    body = {"table": [[2, 12], [6, 19], [7, 2]], "method": "monte_carlo", "replicates": 20_000, "seed": 7}
    answer = post("fisher-exact", body)
    assert not answer["exact"]
    assert "Monte Carlo" in answer["method"]
    assert answer["monte_carlo"]["seed"] == 7
    assert answer == post("fisher-exact", body)


def test_whole_numbers_may_be_written_with_a_point(post):
    pointed = {"table": [[2.0, 3], [4, 5.0]], "replicates": 1000.0, "seed": 0.0}
    assert post("fisher-exact", pointed) == post("fisher-exact", {"table": [[2, 3], [4, 5]], "replicates": 1000})
    message = post("fisher-exact", {"table": [[2.5, 3], [4, 5]]}, 422)["errors"][0]["message"]
    assert message.startswith("table must be a whole number of at least 0 and at most 1000000000.")


def test_large_limits_are_written_alike(post):
    message = post("summary", {"values": [1, "x"]}, 422)["errors"][0]["message"]
    assert "of at least -1000000000000000 and at most 1000000000000000, or null; not text, true or false" in message


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"table": [[2, 12], [6, 19, 3]]}, "/table/1", "table_ragged"),
        ({"table": [[2, -1], [6, 19]]}, "/table/0/1", "out_of_range"),
        ({"table": [[2, 1.5], [6, 19]]}, "/table/0/1", "not_an_integer"),
        ({"table": [[2, "1"], [6, 19]]}, "/table/0/1", "not_an_integer"),
        ({"table": [[2, None], [6, 19]]}, "/table/0/1", "not_an_integer"),
        ({"table": [[2, True], [6, 19]]}, "/table/0/1", "not_an_integer"),
        ({"table": [[2, 3]]}, "/table", "list_length"),
        ({"table": [[2], [3]]}, "/table/0", "list_length"),
        ({"table": [[1, 1]] * 51}, "/table", "list_length"),
        ({"table": [[10**9, 1], [0, 1]]}, "/table", "table_too_large"),
        ({"table": [[10**9 + 1, 1], [0, 1]]}, "/table/0/0", "out_of_range"),
        ({"table": [[200] * 6] * 6, "method": "exact"}, "/method", "too_much_work"),
        ({"table": [[1, 1], [1, 1]], "method": "fast"}, "/method", "value_not_allowed"),
        ({"table": [[1, 1], [1, 1]], "replicates": 10}, "/replicates", "out_of_range"),
        ({"tabel": [[1, 1], [1, 1]], "table": [[1, 1], [1, 1]]}, "/tabel", "unknown_field"),
        ({}, "/table", "field_missing"),
    ],
)
def test_what_is_no_table_is_refused(post, body, pointer, code):
    answer = post("fisher-exact", body, 422)
    assert answer["errors"][0]["pointer"] == pointer
    assert answer["errors"][0]["code"] == code


def test_mann_whitney(post):
    answer = post("mann-whitney", ROTAROD | {"x": [*ROTAROD["x"], None]})
    assert answer["p_value"] == pytest.approx(0.03726708074534, rel=1e-12)
    assert answer["p_value_doubled"] == pytest.approx(0.03726708074534, rel=1e-12)
    assert (answer["u"], answer["statistic"], answer["exact"]) == (42.0, 42.0, True)
    assert answer["rank_biserial"] == pytest.approx(-5 / 12)
    assert (answer["n_x"], answer["n_y"]) == (12, 12)
    assert (answer["n_missing"], answer["n_missing_x"], answer["n_missing_y"]) == (1, 1, 0)
    assert answer["hodges_lehmann"]["estimate"] == 0.0
    assert answer["hodges_lehmann"]["low"] == -137.0
    assert post("mann-whitney", ROTAROD | {"method": "asymptotic"})["exact"] is False


def test_mann_whitney_without_values(post):
    answer = post("mann-whitney", {"x": [], "y": [1, None]})
    assert (answer["p_value"], answer["u"], answer["rank_biserial"]) == (None, None, None)
    assert answer["hodges_lehmann"] == {"estimate": None, "low": None, "high": None, "confidence": None}
    assert codes(answer) == ["group_empty"]


def test_mann_whitney_of_one_and_one(post):
    answer = post("mann-whitney", {"x": [1], "y": [2]})
    assert (answer["p_value"], answer["u"]) == (1.0, 0.0)
    assert codes(answer) == ["confidence_not_reached"]


def test_signed_rank_ranks_decimals_not_doubles(post):
    answer = post(
        "wilcoxon-signed-rank", {"before": [-12.4, -22.4, -16.1, -17.0], "after": [-13.8, -21.0, -13.9, -15.7]}
    )
    assert answer["p_value"] == 0.5
    assert (answer["w_plus"], answer["w_minus"], answer["statistic"]) == (7.5, 2.5, 7.5)
    assert answer["median_difference"] == 1.35
    assert (answer["n_pairs"], answer["n_zero"], answer["n_missing"]) == (4, 0, 0)


def test_a_pair_needs_both(post):
    body = {"before": [1, None, 3, 4, None], "after": [1, 2, None, 6, None], "zeros": "pratt"}
    answer = post("wilcoxon-signed-rank", body)
    assert (answer["n_pairs"], answer["n_zero"], answer["n_missing"], answer["n"]) == (2, 1, 3, 1)
    assert answer["median_difference"] == 1.0
    assert answer["pseudo_median"]["estimate"] == 2.0


@pytest.mark.parametrize(("before", "after", "code"), [([], [], "no_pairs"), ([1, 2], [1, 2], "all_differences_zero")])
def test_signed_rank_without_a_change(post, before, after, code):
    answer = post("wilcoxon-signed-rank", {"before": before, "after": after})
    assert code in codes(answer)
    assert answer["p_value"] == (None if code == "no_pairs" else 1.0)


@pytest.mark.parametrize(
    ("path", "body", "pointer", "code"),
    [
        ("wilcoxon-signed-rank", {"before": [1, 2], "after": [1]}, "/after", "unequal_lengths"),
        ("wilcoxon-signed-rank", {"before": [1, 2]}, "/after", "field_missing"),
        ("wilcoxon-signed-rank", {"before": [1], "after": [1], "zeros": "drop"}, "/zeros", "value_not_allowed"),
        ("mann-whitney", {"x": [1e16], "y": [1]}, "/x/0", "out_of_range"),
        ("mann-whitney", {"x": ["1"], "y": [1]}, "/x/0", "not_a_number"),
        ("mann-whitney", {"x": [True], "y": [1]}, "/x/0", "not_a_number"),
        ("mann-whitney", {"x": 1, "y": [1]}, "/x", "not_a_list"),
        ("summary", {"values": [1], "quantile_method": "type 6"}, "/quantile_method", "value_not_allowed"),
        ("summary", {"values": [0.1, 0.1000000000000001, 1e15]}, "", "span_too_wide"),
        ("summary", {"values": [1], "confidence": 0.9}, "/confidence", "unknown_field"),
    ],
)
def test_bad_input_is_refused_with_its_place(post, path, body, pointer, code):
    error = only_error(post(path, body, 422))
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert "1000000000000001" not in json.dumps(error)


def test_nan_is_refused(client):
    answer = client.post(
        "/v1/statistics/summary", content=b'{"values": [1, NaN]}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "not_finite"


def test_more_digits_than_fit_are_rounded_and_said(post):
    answer = post("summary", {"values": [0.1234567890123456, 1.2345e-12, 900000.5]})
    assert codes(answer) == ["values_rounded"]
    assert answer["median"] == pytest.approx(0.1234567890123456, abs=1e-12)


def test_too_many_values_are_refused(post):
    error = only_error(post("summary", {"values": [0] * 1_000_001}, 422))
    assert (error["pointer"], error["code"]) == ("/values", "list_length")


def test_a_large_comparison(post):
    """200,000 values of which few are distinct: answered by counting, and labelled as asymptotic."""
    x, y = [k % 400 / 10 for k in range(100_000)], [k % 401 / 10 for k in range(100_000)]
    answer = post("mann-whitney", {"x": x, "y": y})
    assert (answer["exact"], answer["n_x"], answer["n_y"]) == (False, 100_000, 100_000)
    assert "normal approximation" in answer["method"]
    assert 0 < answer["p_value"] < 1
    paired = post("wilcoxon-signed-rank", {"before": x, "after": y})
    assert paired["n_pairs"] == 100_000
    assert paired["pseudo_median"]["low"] <= paired["pseudo_median"]["estimate"] <= paired["pseudo_median"]["high"]


def test_numbers_are_crunched_only_once_they_are_asked_for():
    code = (
        "import sys; import app.api.statistics as s; s.build_router(s.Bulkhead()); "
        "print([m for m in ('numpy', 'scipy', 'pandas', 'lifelines') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"
