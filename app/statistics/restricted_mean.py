"""The restricted mean: the area under the Kaplan-Meier curve up to a horizon, with Greenwood's variance.

Irwin JO, J Hyg 1949;47:188-189; Royston P, Parmar MKB, BMC Med Res Methodol 2013;13:152. As R's print.survfit with
rmean and survRM2 have it. (lifelines has the same area, but its variance is that of the times, not of their mean.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.statistics.kaplan_meier import curve, normal_quantile
from app.statistics.survival import LifeTable, Survival
from app.statistics.survival_models import RestrictedMean, RestrictedMeanDifference

METHOD: Final = "Restricted mean: area under the Kaplan-Meier curve; Greenwood's variance, normal limits"
DIFFERENCE: Final = "Difference of restricted means, z test"
_NOBODY: Final = "There are no patients."
_NO_HORIZON: Final = "The last time is 0, so there is no time to take a mean of."
_TOO_FAR: Final = (
    "The horizon lies past this group's last time, where the curve is not yet 0: it is not known how it goes on."
)


@dataclass(frozen=True, slots=True)
class Area:
    """A restricted mean and its standard error, or the reason why there is none."""

    mean: float | None
    error: float | None
    reason: str | None = None


def default_horizon(groups: Iterable[Survival]) -> float | None:
    """Return the smallest of the groups' last times; None when nobody was observed."""
    last_times = [LifeTable.of(counted).last_time for counted in groups]
    return min((time for time in last_times if time is not None), default=None)


def area(counted: Survival, horizon: float | None) -> Area:
    """Return the restricted mean of one group up to a horizon above 0."""
    table = LifeTable.of(counted)
    if table.last_time is None or horizon is None:
        return Area(None, None, _NOBODY)
    if horizon <= 0:
        return Area(None, None, _NO_HORIZON)
    at_risk = table.at_risk
    survival, _ = curve(table, at_risk)
    if horizon > table.last_time and survival[-1] > 0:
        return Area(None, None, _TOO_FAR)
    within = table.times < horizon
    edges = np.concatenate(([0.0], table.times[within], [horizon]))
    pieces = np.diff(edges) * np.append(1.0, survival[within])
    after = np.cumsum(pieces[:0:-1])[::-1]
    events, exposed = table.events[within].astype(np.float64), at_risk[within].astype(np.float64)
    # Where the last at risk have the event the curve is 0 from there on, and so is what it adds to the variance.
    weight = np.divide(events, exposed * (exposed - events), out=np.zeros_like(events), where=events < exposed)
    return Area(math.fsum(pieces), math.sqrt(math.fsum(after**2 * weight)))


def restricted_mean(counted: Survival, horizon: float | None = None, confidence: float = 0.95) -> RestrictedMean:
    """Return the restricted mean with limits; without a horizon up to the last time."""
    horizon = default_horizon([counted]) if horizon is None else horizon
    return with_limits(area(counted, horizon), horizon, confidence)


def with_limits(found: Area, horizon: float | None, confidence: float) -> RestrictedMean:
    """Put limits around a restricted mean."""
    if found.mean is None or found.error is None or horizon is None:
        return RestrictedMean(estimate=None, standard_error=None, low=None, high=None, reason=found.reason)
    reach = normal_quantile(confidence) * found.error
    return RestrictedMean(
        estimate=found.mean,
        standard_error=found.error,
        low=max(found.mean - reach, 0.0),
        high=min(found.mean + reach, horizon),
        reason=None,
    )


def difference(first: Area, second: Area, confidence: float = 0.95) -> RestrictedMeanDifference:
    """Return one restricted mean less another up to the same horizon, and whether it differs from zero."""
    if first.mean is None or first.error is None or second.mean is None or second.error is None:
        return _difference(None, None, confidence, first.reason or second.reason)
    return _difference(first.mean - second.mean, math.hypot(first.error, second.error), confidence, None)


def _difference(
    estimate: float | None, error: float | None, confidence: float, reason: str | None
) -> RestrictedMeanDifference:
    reach = None if error is None else normal_quantile(confidence) * error
    z = estimate / error if estimate is not None and error else None
    if reason is None and z is None:
        reason = "Both standard errors are zero, so there is nothing to test by."
    return RestrictedMeanDifference(
        method=DIFFERENCE,
        exact=False,
        estimate=estimate,
        standard_error=error,
        low=None if estimate is None or reach is None else estimate - reach,
        high=None if estimate is None or reach is None else estimate + reach,
        z=z,
        p_value=None if z is None else math.erfc(abs(z) / math.sqrt(2)),
        reason=reason,
    )
