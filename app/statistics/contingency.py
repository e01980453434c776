"""Tables of counts: what is a table, its margins, and Pearson's chi-square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc  # type: ignore[import-untyped]  # scipy has no types

from app.statistics.errors import StatisticsInputError
from app.statistics.fisher_models import LARGEST_COUNT, PearsonChiSquare
from app.statistics.scaling import Integers

Table: TypeAlias = Sequence[Sequence[int]]
CHI_SQUARE: Final = "Pearson chi-square test without Yates' correction"


def table_of(rows: Table) -> Integers:
    """Return a table as an array. StatisticsInputError: ragged, smaller than 2 x 2, no counts, or too many patients."""
    widths = [len(row) for row in rows]
    for place, width in enumerate(widths):
        if width != widths[0]:
            raise StatisticsInputError(f"/table/{place}", "table_ragged", "The rows of a table must be equally long.")
    if len(widths) < 2 or widths[0] < 2:  # noqa: PLR2004  # the smallest table there is
        raise StatisticsInputError("/table", "table_too_small", "A table has at least 2 rows and 2 columns.")
    for i, row in enumerate(rows):
        for j, count in enumerate(row):
            if int(count) != count or count < 0:
                raise StatisticsInputError(f"/table/{i}/{j}", "not_a_count", "A count is a whole number of at least 0.")
    if sum(sum(row) for row in rows) > LARGEST_COUNT:
        message = f"The counts of a table may add up to at most {LARGEST_COUNT:,}."
        raise StatisticsInputError("/table", "table_too_large", message)
    return np.array(rows, dtype=np.int64)


def without_empty(table: Integers) -> Integers:
    """Leave out rows and columns that hold nothing: they say nothing about dependence."""
    return table[np.ix_(table.sum(axis=1) > 0, table.sum(axis=0) > 0)]


def expected_counts(table: Integers) -> NDArray[np.float64]:
    """Return what independence would lead to expect: row total times column total over n, rounded once."""
    rows, columns, n = table.sum(axis=1).tolist(), table.sum(axis=0).tolist(), int(table.sum())
    return np.array([[row * column / n for column in columns] for row in rows])


def pearson_chi_square(table: Table | Integers) -> PearsonChiSquare:
    """Test independence by Pearson's chi-square, without Yates' correction."""
    counts = without_empty(np.asarray(table, dtype=np.int64))
    freedom = max(counts.shape[0] - 1, 0) * max(counts.shape[1] - 1, 0)
    if not freedom:
        return PearsonChiSquare(statistic=None, degrees_of_freedom=0, p_value=None)
    expected = expected_counts(counts)
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    return PearsonChiSquare(
        statistic=statistic, degrees_of_freedom=freedom, p_value=min(1.0, float(chdtrc(freedom, statistic)))
    )
