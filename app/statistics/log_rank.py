"""Log-rank and Gehan-Breslow tests of any number of groups, from life tables.

Mantel N, Cancer Chemother Rep 1966;50:163-170; Peto R, Peto J, J R Stat Soc A 1972;135:185-207; Breslow N, Biometrika
1970;57:579-594. Hypergeometric (Mantel-Haenszel) variance, so that ties are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtrc  # type: ignore[import-untyped]  # scipy has no types

from app.statistics.survival import Floats, LabelledGroups, LifeTable, event_times
from app.statistics.survival_models import Note, Weights

_TIMES_AT_ONCE: Final = 50_000
_METHODS: Final = {
    "log_rank": "Log-rank test (Mantel-Haenszel variance), chi-square distribution",
    "gehan_breslow": "Gehan-Breslow-Wilcoxon test (weight: number at risk), chi-square distribution",
}

_UNDERFLOW: Final = Note(
    code="p_value_underflow",
    message="The p-value is smaller than any double can hold (about 1e-308) and is given as 0.",
)
_NO_PATIENTS: Final = Note(code="no_patients", message="There are no patients.")
_NO_EVENTS: Final = Note(code="no_events", message="There are no events.")
_NOTHING_TO_COMPARE: Final = Note(
    code="nothing_to_compare",
    message="Events happened while only one group was under observation, so there is nothing to compare.",
)
_NO_VARIANCE: Final = Note(
    code="no_variance",
    message="The variance is zero: at each event time everybody at risk had the event, so chance had no part.",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the groups' curves come to, compared.

    `observed` and `expected` count events without weights; `score` is the weighted sum of observed less expected and
    `variance` its covariance matrix.
    """

    labels: tuple[str, ...]
    weights: Weights
    n: tuple[int, ...]
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    score: Floats
    variance: Floats
    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    warnings: tuple[Note, ...]
    exact: bool = False

    @property
    def method(self) -> str:
        """Name the test."""
        return _METHODS[self.weights]

    @property
    def reason(self) -> str | None:
        """Why there is no p, in a sentence; None when there is one."""
        return self.warnings[0].message if self.p_value is None else None


def log_rank(groups: LabelledGroups, weights: Weights = "log_rank") -> Comparison:
    """Test whether groups share one hazard. Groups that expect no event are left out of the degrees of freedom.

    Without events, or when nothing could have come out otherwise, there is no p-value but a reason.
    """
    labels = tuple(label for label, _ in groups)
    tables = [LifeTable.of(counted) for _, counted in groups]
    expected, score, variance = _sums(tables, weights)
    compared = np.flatnonzero(expected > 0)
    statistic = _statistic(score[compared], variance[np.ix_(compared, compared)])
    freedom = max(int(compared.size) - 1, 0)
    p_value = None if statistic is None else float(chdtrc(freedom, statistic))
    return Comparison(
        labels=labels,
        weights=weights,
        n=tuple(table.n for table in tables),
        observed=tuple(table.n_events for table in tables),
        expected=tuple(expected.tolist()),
        score=score,
        variance=variance,
        statistic=statistic,
        degrees_of_freedom=freedom,
        p_value=p_value,
        warnings=_warnings(tables, freedom, p_value),
    )


def _sums(tables: list[LifeTable], weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Sum over the event times: expected events, weighted score, and the score's covariances."""
    count = len(tables)
    expected, score, variance = np.zeros(count), np.zeros(count), np.zeros((count, count))
    for events, at_risk in _at_event_times(tables):
        all_events, everyone = events.sum(axis=1), at_risk.sum(axis=1)
        share = at_risk / everyone[:, None]
        weight = everyone if weights == "gehan_breslow" else np.ones_like(everyone)
        due = all_events[:, None] * share
        expected += due.sum(axis=0)
        score += (weight[:, None] * (events - due)).sum(axis=0)
        spread = weight**2 * all_events * (everyone - all_events) / np.maximum(everyone - 1, 1)
        variance += np.diag(spread @ share) - (share * spread[:, None]).T @ share
    return expected, score, variance


def _at_event_times(tables: list[LifeTable]) -> Iterator[tuple[Floats, Floats]]:
    """Yield events and numbers at risk, a row per event time and a column per group, in blocks of bounded size."""
    times = event_times(tables)
    for first in range(0, times.size, _TIMES_AT_ONCE):
        block = times[first : first + _TIMES_AT_ONCE]
        events, at_risk = zip(*(table.at(block) for table in tables), strict=True)
        yield np.column_stack(events).astype(np.float64), np.column_stack(at_risk).astype(np.float64)


def _statistic(score: Floats, variance: Floats) -> float | None:
    """Return the quadratic form of the score; one group is left out, because the scores sum to zero."""
    if score.size <= 1 or not np.all(np.diag(variance) > 0):
        return None
    rest = score[1:]
    return max(float(rest @ np.linalg.solve(variance[1:, 1:], rest)), 0.0)


def _warnings(tables: list[LifeTable], freedom: int, p_value: float | None) -> tuple[Note, ...]:
    """Say why there is no p-value, or that it is too small to be told from 0."""
    if p_value:
        return ()
    if p_value == 0:
        return (_UNDERFLOW,)
    if not any(table.n for table in tables):
        return (_NO_PATIENTS,)
    if not any(table.n_events for table in tables):
        return (_NO_EVENTS,)
    return (_NO_VARIANCE if freedom else _NOTHING_TO_COMPARE,)
