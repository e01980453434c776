"""The audit of tables: what a printed number stands for, edges, limits of the search."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.statistics.errors import StatisticsInputError
from app.statistics.table_audit import audit_table
from app.statistics.table_audit_models import AuditRow, TableAuditRequest
from app.statistics.table_audit_printed import printed_p, printed_percent
from app.statistics.table_audit_rows import counts_of
from app.statistics.table_audit_tests import candidate_tests, p_values, recomputed


def audit(sizes, rows, **more):
    columns = [{"label": str(place), "n": size} for place, size in enumerate(sizes)]
    return audit_table(TableAuditRequest.model_validate({"columns": columns, "rows": rows, **more}))


def one(sizes, counts, **more):
    (row,) = audit(sizes, [{"label": "x", "counts": counts, **more}]).rows
    return row


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("0.02", (0.015, 0.02, 0.025), (0.0149, 0.0251)),
        ("0.020", (0.0195, 0.0205), (0.0194, 0.0206)),
        (".06", (0.055, 0.065), (0.0549,)),
        ("p = 0.3", (0.25, 0.35), (0.24, 0.36)),
        (">0.99", (0.991, 1.0), (0.99, 0.5)),
        ("≥0.99", (0.99,), (0.989,)),
        (">= 0.99", (0.99,), (0.989,)),
        ("<0.001", (0.0009, 0.0), (0.001,)),
        ("≤.001", (0.001,), (0.0011,)),
        ("0·42", (0.42,), (0.43,)),
        ("1", (0.995, 1.0), (0.99,)),
        ("1.0", (0.95,), (0.94,)),
        ("0", (0.005,), (0.006,)),
        ("NS", (0.05, 1.0), (0.049,)),
        ("n.s.", (0.06,), (0.04,)),
    ],
)
def test_what_a_printed_p_stands_for(text, inside, outside):
    AuditRow(label="x", counts=[1], p_value=text)
    low, high = printed_p(text).bounds
    assert all(low <= p <= high for p in inside)
    assert not any(low <= p <= high for p in outside)


@pytest.mark.parametrize("text", [None, "", " ", "-", "\u2013", "\u2014"])
def test_a_dash_is_no_p(text):
    AuditRow(label="x", counts=[1], p_value=text)
    assert printed_p(text) is None


@pytest.mark.parametrize("text", ["1.1", "2", "0,02", "p", "<", "0.0.2", "-0.1", ".", "significant", "1e-3"])
def test_what_is_no_p_is_refused(text):
    with pytest.raises(ValidationError):
        AuditRow(label="x", counts=[1], p_value=text)


@pytest.mark.parametrize(
    ("sent", "exact", "right"),
    [
        (63, Fraction(125, 2), True),  # 62.5 rounded up
        (62, Fraction(125, 2), True),  # 62.5 rounded to even
        (61, Fraction(125, 2), False),
        (64, Fraction(125, 2), False),
        (62.5, Fraction(125, 2), True),
        ("62.5%", Fraction(125, 2), True),
        ("62.50", Fraction(6256, 100), False),
        (0, Fraction(1, 2), True),
        ("0.0", Fraction(1, 2), False),
        ("<1", Fraction(1, 2), True),
        ("<1", Fraction(1), False),
        (">99", Fraction(100), True),
        (100, Fraction(199, 2), True),
    ],
)
def test_what_a_printed_percent_stands_for(sent, exact, right):
    assert printed_percent(sent).stands_for(exact) is right


@given(st.integers(1, 3000), st.integers(0, 2), st.data())
def test_a_rounded_percent_agrees_with_its_count(n, decimals, data):
    count = data.draw(st.integers(0, n))
    text = f"{100 * count / n:.{decimals}f}"
    assert printed_percent(text).stands_for(Fraction(100 * count, n))
    if n < 50:
        assert count in counts_of(printed_percent(text), n)


def test_a_cut_off_percent_is_named():
    (reason,) = one((3,), [2], percents=[66]).reasons
    assert reason.code == "percent_differs"
    assert reason.message == "2 of 3 is 67%, not 66% (cut off, not rounded)."


def test_a_percent_of_no_count_is_said_to_be_so():
    (reason,) = one((4,), [1], percents=[30]).reasons
    assert reason.message == "1 of 4 is 25%, not 30% (no count of 4 is)."


def test_a_count_above_its_group_is_a_finding_and_not_tested():
    row = one((4, 5), [5, 1], percents=[100, 20], p_value="0.02")
    assert [reason.code for reason in row.reasons] == ["count_exceeds_n"]
    assert (row.p_value, row.method, row.p_value_agrees, row.agrees) == (None, None, None, False)


def test_a_total_that_does_not_add_up():
    (reason,) = one((14, 32), [3, 20], total=24).reasons
    assert (reason.code, reason.message) == ("total_differs", "The counts sum to 23, not 24.")
    assert one((14, 32), [3, 20], total=23).agrees


def test_counts_that_are_not_printed_are_missing():
    answer = audit((14, 32), [{"label": "x", "counts": [3, None], "percents": [21, None], "p_value": "0.02"}])
    assert answer.n_missing == 1
    row = answer.rows[0]
    assert (row.percents[1], row.p_value, row.p_value_agrees, row.agrees) == (None, None, None, True)


def test_nothing_printed_is_nothing_to_compare():
    answer = audit((14, 32), [{"label": "x", "counts": [3, 20]}])
    assert (answer.rows[0].agrees, answer.agrees, answer.n_rows_agree) == (None, None, 0)
    assert answer.rows[0].p_value == pytest.approx(0.02304, abs=1e-5)
    assert answer.searched.rows == 0


def test_one_column_has_percents_and_no_test():
    row = one((14,), [3], percents=[21])
    assert (row.p_value, row.agrees) == (None, True)


@pytest.mark.parametrize(("name", "sent"), [("counts", [1]), ("counts", [1, 2, 3]), ("percents", [1])])
def test_lists_of_another_length_are_refused(name, sent):
    with pytest.raises(StatisticsInputError) as refusal:
        audit((14, 32), [{"label": "x", "counts": [3, 20]}, {"label": "y", "counts": [3, 20], name: sent}])
    assert refusal.value.pointer == f"/rows/1/{name}"
    assert refusal.value.code == "unequal_lengths"


@pytest.mark.parametrize(
    ("test", "counts", "printed"),
    [
        ("pearson_chi_square", [3, 20], "0.010"),  # 0.0104, where Fisher's exact test gives 0.0230
        ("pearson_chi_square_yates", [3, 20], "0.025"),  # 0.0249
        ("fisher_doubled", [3, 17], "0.091"),  # 0.0905, where the sum of small probabilities is 0.0588
    ],
)
def test_another_test_of_the_printed_counts_is_found(test, counts, printed):
    row = one((14, 32), counts, p_value=printed)
    assert row.p_value_agrees is False
    first = row.explained_by[0]
    assert (first.kind, first.test, first.denominators, first.counts) == ("test", test, [14, 32], counts)


def test_the_counts_of_wrong_percents_are_tried():
    row = one((14, 32), [5, 20], percents=[21, 63], p_value="0.02")
    assert next(e for e in row.explained_by if e.kind == "counts").counts == [3, 20]


def test_a_single_row_explains_no_denominators():
    answer = audit((14, 32), [{"label": "x", "counts": [3, 20], "p_value": "0.03"}], total_n=46)
    assert answer.rows[0].explained_by
    assert [finding.code for finding in answer.findings] == ["p_values_differ"]


def test_the_search_can_be_left_out_and_is_narrowed_when_too_wide():
    rows = [{"label": "x", "counts": [3, 4, 5, 6, 7], "p_value": "0.02"}]
    off = audit((20, 20, 20, 20, 20), rows, window=0)
    assert (off.searched.window, off.searched.sets_of_denominators) == (0, 1)
    wide = audit((20, 20, 20, 20, 20), rows, window=10)
    assert wide.searched.window == 2
    assert "search_narrowed" in [finding.code for finding in wide.findings]
    assert wide.searched.sets_by_exact_test < wide.searched.sets_of_denominators == 5**5


def test_a_test_past_its_work_limit_is_named():
    row = one((10**7, 10**7, 10**7), [10**6, 2 * 10**6, 3 * 10**6], p_value="<0.001")
    assert row.exact is False
    assert "chi-square" in row.method.lower()
    assert row.agrees


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.data())
def test_the_search_tests_as_the_audit_does(sizes, data):
    counts = [data.draw(st.integers(0, size)) for size in sizes]
    found = {test: float(p_values(test, counts, np.array([sizes]))[0]) for test in candidate_tests(len(sizes))}
    exact = recomputed(counts, sizes)
    assert found["fisher_exact"] == pytest.approx(exact.p_value, rel=1e-12)
    if 0 < sum(counts) < sum(sizes):
        assert 0 < found["pearson_chi_square"] <= 1
    if len(sizes) == 2:
        assert found["fisher_doubled"] >= found["fisher_exact"] / 2


def test_the_names_of_rows_and_columns_come_back():
    answer = audit((14, 32), [{"label": "a", "counts": [3, 20]}, {"label": "b", "counts": [1, 1]}])
    assert [row.label for row in answer.rows] == ["a", "b"]
    assert [(column.label, column.n) for column in answer.columns] == [("0", 14), ("1", 32)]


@given(
    st.sampled_from(["", "<", ">", "<=", ">="]),
    st.decimals(0, 100, places=1) | st.decimals(0, 100, places=0) | st.sampled_from([Decimal(0), Decimal(100)]),
    st.integers(1, 60),
    st.integers(0, 60),
)
def test_counts_and_sizes_of_a_percent_are_those_that_it_stands_for(sign, value, size, count):
    printed = printed_percent(f"{sign}{value}")
    of_size = [c for c in range(size + 1) if printed.stands_for(Fraction(100 * c, size))]
    assert list(printed.counts_of(size)) == of_size
    of_count = [n for n in range(1, 80) if printed.stands_for(Fraction(100 * count, n))]
    assert list(printed.sizes_of(count, 1, 79)) == of_count


def test_an_audit_of_millions_looks_at_no_number_by_itself():
    """Denominators and counts of ten million patients are reckoned, not tried: these took minutes."""
    printed = printed_percent(">99")
    assert list(printed.counts_of(10_000_000)[:2]) == [9_900_001, 9_900_002]
    rows = [{"label": f"r{n}", "counts": [1], "percents": [50]} for n in range(200)]
    assert audit([10_000_000], rows).columns[0].n_by_percents == []
    assert (
        audit([10_000_000] * 2, [{"label": "x", "counts": [1, 2], "percents": [1, 1]}]).columns[0].n_by_percents == []
    )
