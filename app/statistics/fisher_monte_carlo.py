"""The Freeman-Halton test by simulation: only when asked for, seeded, and said in the answer.

Tables with the same margins are drawn cell by cell, each cell hypergeometric given those before it, many tables at a
time. p counts the observed table among the drawn ones, as R's fisher.test(simulate.p.value=TRUE).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln  # type: ignore[import-untyped]  # scipy has no types

from app.statistics.checkpoint import checkpoint
from app.statistics.contingency import without_empty
from app.statistics.errors import StatisticsInputError
from app.statistics.fisher_models import MonteCarlo
from app.statistics.fisher_two_by_two import TOLERANCE
from app.statistics.scaling import Integers

_TWO: Final = 2
# So many tables are held at once.
_AT_ONCE: Final = 100_000
# Cells that are drawn: about ten seconds.
_MOST_CELLS: Final = 100_000_000


def sampled_p_value(table: Integers, replicates: int, seed: int) -> tuple[float, MonteCarlo]:
    """Return p from so many drawn tables, and how it came about. StatisticsInputError: that would take too long."""
    counts = without_empty(table)
    _refuse_too_much(counts, replicates)
    if min(counts.shape) < _TWO:
        # One table alone has these margins.
        return 1.0, MonteCarlo(replicates=replicates, seed=seed, standard_error=0.0)
    bound = float(gammaln(counts + 1.0).sum()) - TOLERANCE
    generator = np.random.Generator(np.random.PCG64(seed))
    lighter = 0
    for start in range(0, replicates, _AT_ONCE):
        drawn = _minus_log(counts, min(_AT_ONCE, replicates - start), generator)
        lighter += int(np.sum(drawn >= bound))
    p_value = (lighter + 1) / (replicates + 1)
    error = math.sqrt(p_value * (1 - p_value) / replicates)
    return p_value, MonteCarlo(replicates=replicates, seed=seed, standard_error=error)


def _refuse_too_much(counts: Integers, replicates: int) -> None:
    if counts.size * replicates > _MOST_CELLS:
        most = _MOST_CELLS // counts.size
        message = f"Of a table of this size at most {most:,} are drawn."
        raise StatisticsInputError("/replicates", "too_much_work", message)


def _minus_log(counts: Integers, replicates: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return minus the log probability of each drawn table, up to a constant: the sum of its cells' log factorials."""
    columns = np.repeat(counts.sum(axis=0)[None, :], replicates, axis=0)
    total = np.zeros(replicates)
    for row in counts.sum(axis=1).tolist()[:-1]:
        wanted = np.full(replicates, row)
        later = columns.sum(axis=1)
        for column in range(counts.shape[1]):
            checkpoint()
            later -= columns[:, column]
            drawn = generator.hypergeometric(columns[:, column], later, wanted)
            wanted -= drawn
            columns[:, column] -= drawn
            total += gammaln(drawn + 1.0)
    minus_log: NDArray[np.float64] = total + gammaln(columns + 1.0).sum(axis=1)
    return minus_log
