"""The hazard ratio of two groups: by Mantel-Haenszel, by log-rank, or by Cox's model.

The first two as in Berry G et al., Stat Med 1991;10:749-755 (the names are Prism's).
"""

from __future__ import annotations

import math

from app.statistics.kaplan_meier import normal_quantile
from app.statistics.log_rank import Comparison, log_rank
from app.statistics.survival import LabelledGroups, LifeTable
from app.statistics.survival_models import HazardRatio, HazardRatioMethod

_METHODS: dict[HazardRatioMethod, str] = {
    "mantel_haenszel": "Mantel-Haenszel: exp((O1-E1)/V)",
    "log_rank": "Log-rank: (O1/E1)/(O2/E2)",
    "cox": "Cox proportional hazards, ties by Efron, Wald limits (lifelines)",
}

_ONE_WITHOUT_EVENTS: dict[HazardRatioMethod, str] = {
    "mantel_haenszel": "One group has no events. Its observed hazard is zero, for which exp((O-E)/V) would still give "
    "a finite ratio; that is not to be relied on, so it is not given.",
    "log_rank": "One group has no events, so that the ratio of O1/E1 and O2/E2 is zero or infinite.",
    "cox": "One group has no events, so that the model has no finite estimate.",
}


def hazard_ratio(
    groups: LabelledGroups,
    method: HazardRatioMethod = "mantel_haenszel",
    confidence: float = 0.95,
    compared: Comparison | None = None,
) -> HazardRatio:
    """Estimate the first group's hazard over the second's, with limits. ValueError unless there are two groups.

    `compared` saves the log-rank test of the same groups when it was made already. The ratio is null, with the
    reason, without events, when one group has none (every method, each for its own reason), and when the groups were
    never under observation together at an event.
    """
    first, second = groups
    if compared is None or compared.weights != "log_rank":
        compared = log_rank(groups)
    reason, logarithm, error = _no_ratio(compared, method), None, None
    if reason is None:
        logarithm, error, reason = _log_ratio(groups, method, compared)
    reach = None if error is None else normal_quantile(confidence) * error
    bounds = (None, None) if logarithm is None or reach is None else (logarithm - reach, logarithm + reach)
    ratios = [_exp(value) for value in (logarithm, *bounds)]
    if reason is None and None in ratios:
        reason = "The ratio, or its upper limit, is too large for a double."
    return HazardRatio(
        method=_METHODS[method],
        of=first[0],
        to=second[0],
        estimate=ratios[0],
        low=ratios[1],
        high=ratios[2],
        confidence=confidence,
        reason=reason,
    )


def _no_ratio(compared: Comparison, method: HazardRatioMethod) -> str | None:
    if not sum(compared.observed):
        return "There are no events."
    if not all(compared.observed):
        return _ONE_WITHOUT_EVENTS[method]
    return compared.reason


def _log_ratio(
    groups: LabelledGroups, method: HazardRatioMethod, compared: Comparison
) -> tuple[float | None, float | None, str | None]:
    """Return the ratio's logarithm, its standard error, and a reason when there is none."""
    if method == "cox":
        from app.statistics.survival_cox import cox_log_ratio  # noqa: PLC0415  # lifelines takes seconds to import

        return cox_log_ratio(*(LifeTable.of(counted) for _, counted in groups))
    if method == "mantel_haenszel":
        variance = float(compared.variance[0, 0])
        return float(compared.score[0]) / variance, 1 / math.sqrt(variance), None
    (o1, o2), (e1, e2) = compared.observed, compared.expected
    return math.log(o1 / e1) - math.log(o2 / e2), math.sqrt(1 / e1 + 1 / e2), None


def _exp(logarithm: float | None) -> float | None:
    """Return a ratio; None when no double holds it."""
    if logarithm is None:
        return None
    try:
        return math.exp(logarithm)
    except OverflowError:
        return None
