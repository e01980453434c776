"""Fisher's exact test of a table of any size, by the way that its size allows; the answer says which."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

from app.statistics import fisher_larger, fisher_two_by_two
from app.statistics.contingency import CHI_SQUARE, Table, expected_counts, pearson_chi_square, table_of, without_empty
from app.statistics.errors import StatisticsInputError
from app.statistics.fisher_models import Fisher, FisherMethod
from app.statistics.fisher_monte_carlo import sampled_p_value
from app.statistics.models import Note
from app.statistics.scaling import Integers

TWO_BY_TWO: Final = "Fisher's exact test"
FREEMAN_HALTON: Final = "Fisher's exact test for larger tables (Freeman-Halton)"
SAMPLED: Final = "Fisher's exact test for larger tables (Freeman-Halton), Monte Carlo"
PAST_LIMIT: Final = f"{CHI_SQUARE}, the exact test being past its work limit"
_SMALL_EXPECTED: Final = 5


def fisher_exact(rows: Table, method: FisherMethod = "auto", *, replicates: int = 100_000, seed: int = 0) -> Fisher:
    """Test whether the rows and columns of a table of counts are independent.

    `auto` is exact up to fisher_larger.WORK_LIMIT and Pearson's chi-square past it. StatisticsInputError: no table of
    counts, or `exact` was asked for past the limit.
    """
    table = table_of(rows)
    if not table.sum():
        note = Note(code="table_empty", message="The table holds no counts, so there is nothing to test.")
        return _result(table, method=_name(table), exact=True, warnings=(note,))
    if method == "chi_square":
        return _chi_square(table, CHI_SQUARE)
    if method == "monte_carlo":
        p_value, how = sampled_p_value(table, replicates, seed)
        return _result(table, method=SAMPLED, exact=False, p_value=p_value, monte_carlo=how)
    if table.shape == (2, 2):
        return _two_by_two(table)
    layout = fisher_larger.Layout.of(table)
    try:
        return _freeman_halton(table, layout)
    except fisher_larger.PastLimitError:
        if method == "exact":
            raise _too_much() from None
    return _chi_square(table, PAST_LIMIT)


def _two_by_two(table: Integers) -> Fisher:
    odds_ratio, notes = fisher_two_by_two.odds_ratio(table)
    p_value = fisher_two_by_two.p_value(table)
    return _result(
        table,
        method=TWO_BY_TWO,
        exact=True,
        statistic=odds_ratio.estimate,
        p_value=p_value,
        odds_ratio=odds_ratio,
        warnings=(*_about(table, p_value), *notes),
    )


def _freeman_halton(table: Integers, layout: fisher_larger.Layout) -> Fisher:
    counts = layout.table
    if min(counts.shape) == 1:
        p_value = 1.0
    elif max(counts.shape) == 2:  # noqa: PLR2004  # 2 x 2 once its empty lines are left out
        p_value = fisher_two_by_two.p_value(counts)
    else:
        p_value = fisher_larger.p_value(layout)
    return _result(
        table,
        method=FREEMAN_HALTON,
        exact=True,
        statistic=_probability(table),
        p_value=p_value,
        warnings=_about(table, p_value),
    )


def _chi_square(table: Integers, method: str) -> Fisher:
    pearson = pearson_chi_square(table)
    notes = [*_about(table, pearson.p_value)]
    if pearson.p_value is not None and expected_counts(without_empty(table)).min() < _SMALL_EXPECTED:
        message = f"Some expected counts are below {_SMALL_EXPECTED}: chi-square is a rough approximation here."
        notes.append(Note(code="approximation_poor", message=message))
    return _result(
        table,
        method=method,
        exact=False,
        statistic=pearson.statistic,
        p_value=pearson.p_value,
        warnings=tuple(notes),
    )


def _result(table: Integers, **found: Any) -> Fisher:  # noqa: ANN401  # the fields of the result
    larger = table.shape != (2, 2)
    return Fisher(
        **{"statistic": None, "p_value": None, **found},
        n=int(table.sum()),
        row_totals=table.sum(axis=1).tolist(),
        column_totals=table.sum(axis=0).tolist(),
        pearson_chi_square=pearson_chi_square(table) if larger else None,
    )


def _name(table: Integers) -> str:
    return TWO_BY_TWO if table.shape == (2, 2) else FREEMAN_HALTON


def _probability(table: Integers) -> float:
    """Return the probability of a table given its margins, a quotient of integers rounded once."""
    ways = math.prod(_arrangements(column) for column in table.T.tolist())
    return ways / _arrangements(table.sum(axis=1).tolist())


def _arrangements(counts: list[int]) -> int:
    """Return in how many ways so many things of each kind can be put in order (a multinomial coefficient)."""
    sums = itertools.accumulate(counts)
    return math.prod(math.comb(total, count) for total, count in zip(sums, counts, strict=True))


def _about(table: Integers, p_value: float | None) -> tuple[Note, ...]:
    notes = []
    if min(without_empty(table).shape) < 2:  # noqa: PLR2004  # one line that is not empty
        message = "All counts stand in one row or one column: no other table is possible, so nothing can be found."
        notes.append(Note(code="empty_margin", message=message))
    if p_value == 0:
        message = "p is smaller than the computation can hold (less than about 1e-290); it is not zero."
        notes.append(Note(code="p_value_underflow", message=message))
    return tuple(notes)


def _too_much() -> StatisticsInputError:
    return StatisticsInputError(
        "/method",
        "too_much_work",
        f"The exact test of this table takes more than the {fisher_larger.WORK_LIMIT:,} steps that are made. "
        "Use auto, chi_square or monte_carlo.",
    )
