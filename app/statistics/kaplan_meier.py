"""The Kaplan-Meier curve, its limits and its median.

Kaplan EL, Meier P, J Am Stat Assoc 1958;53:457-481; variance by Greenwood; limits of the median by Brookmeyer R,
Crowley J, Biometrics 1982;38:29-41.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from app.statistics.scaling import Integers
from app.statistics.survival import Floats, LifeTable, Survival
from app.statistics.survival_models import CurvePoint, Limits, Note, TimeEstimate

_NAMES: Final = {"log-log": "log-log", "log": "log", "plain": "plain"}
# R takes a limit within this distance of one half for one half.
_HALF_OF_A_LIMIT: Final = math.sqrt(2.0**-52)
_DOUBT: Final = 2.0**-50
_AT_ZERO: Final = Note(
    code="limits_undefined_at_zero",
    message="Where the curve is 0 Greenwood's variance is not defined, so there are no limits.",
)
_AT_ONE: Final = Note(
    code="limits_undefined_at_one",
    message="Before the first event the curve is 1, where the log-log scale is not defined, so there are no limits.",
)


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """A curve in columns, one place per distinct time; `low` and `high` are NaN where they are not defined."""

    table: LifeTable
    at_risk: Integers
    survival: Floats
    log_variance: Floats
    low: Floats
    high: Floats
    confidence: float
    interval: Limits
    median: TimeEstimate
    warnings: tuple[Note, ...]
    exact: bool = False

    @property
    def method(self) -> str:
        """Say what was computed."""
        return f"Kaplan-Meier; Greenwood's variance, {_NAMES[self.interval]} limits"

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the curve's points, or some of them, as plain objects with the fields of CurvePoint."""
        part = slice(first, last)
        columns = (
            self.table.times[part].tolist(),
            self.survival[part].tolist(),
            _or_null(self.low[part]),
            _or_null(self.high[part]),
            self.at_risk[part].tolist(),
            self.table.events[part].tolist(),
            self.table.censored[part].tolist(),
        )
        names = tuple(CurvePoint.model_fields)
        for point in zip(*columns, strict=True):
            yield dict(zip(names, point, strict=True))

    def points(self) -> list[CurvePoint]:
        """Return the curve's points as models."""
        return [CurvePoint.model_construct(**point) for point in self.rows()]


def kaplan_meier(counted: Survival, confidence: float = 0.95, interval: Limits = "log-log") -> KaplanMeier:
    """Estimate the share without the event over time, with pointwise limits and the median.

    The curve is summed over stretches without censoring, in which it is a ratio of two counts: it carries the
    rounding of one multiplication per censoring time. No patients: an empty curve.
    """
    table = LifeTable.of(counted)
    at_risk = table.at_risk
    survival, log_variance = curve(table, at_risk)
    low, high = _limits(survival, log_variance, confidence, interval)
    return KaplanMeier(
        table=table,
        at_risk=at_risk,
        survival=survival,
        log_variance=log_variance,
        low=low,
        high=high,
        confidence=confidence,
        interval=interval,
        median=_median(table, at_risk, survival, low, high),
        warnings=_warnings(survival, interval),
    )


def normal_quantile(confidence: float) -> float:
    """Return how many standard errors limits of a confidence lie away: 1.96 for 0.95."""
    return -NormalDist().inv_cdf((1 - confidence) / 2)


def curve(table: LifeTable, at_risk: Integers) -> tuple[Floats, Floats]:
    """Return the curve and the variance of its logarithm just after each time."""
    if not table.times.size:
        return np.empty(0), np.empty(0)
    remaining = (at_risk - table.events).astype(np.float64)
    begins = np.append(True, table.censored[:-1] > 0)
    stretch = np.cumsum(begins) - 1
    started = at_risk[begins].astype(np.float64)
    ends = np.append(np.flatnonzero(begins)[1:], table.times.size) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        share = remaining / started[stretch]
        added = (started[stretch] - remaining) / (started[stretch] * remaining)
    survival = np.cumprod(np.append(1.0, share[ends[:-1]]))[stretch] * share
    return survival, np.cumsum(np.append(0.0, added[ends[:-1]]))[stretch] + added


def _limits(survival: Floats, log_variance: Floats, confidence: float, interval: Limits) -> tuple[Floats, Floats]:
    """Return lower and upper limits, NaN where the curve is 0, and for log-log where it is 1."""
    undefined = survival == 0
    with np.errstate(all="ignore"):
        reach = normal_quantile(confidence) * np.sqrt(log_variance)
        if interval == "plain":
            low, high = survival - survival * reach, survival + survival * reach
        elif interval == "log":
            low, high = survival * np.exp(-reach), survival * np.exp(reach)
        else:
            undefined |= survival == 1
            log = np.log(survival)
            low, high = np.exp(log * np.exp(-reach / log)), np.exp(log * np.exp(reach / log))
    return tuple(np.where(undefined, np.nan, np.clip(limit, 0, 1)) for limit in (low, high))  # type: ignore[return-value]  # two in, two out


def _warnings(survival: Floats, interval: Limits) -> tuple[Note, ...]:
    found = [_AT_ZERO] if np.any(survival == 0) else []
    if interval == "log-log" and np.any(survival == 1):
        found.append(_AT_ONE)
    return tuple(found)


def _median(table: LifeTable, at_risk: Integers, survival: Floats, low: Floats, high: Floats) -> TimeEstimate:
    estimate = _crossing(table, at_risk, survival)
    if not table.times.size:
        reason = "There are no patients."
    elif estimate is None:
        reason = "The curve does not come down to one half."
    else:
        reason = None
    lower, upper = _limit_crossing(table.times, low), _limit_crossing(table.times, high)
    if reason is None and (lower is None or upper is None):
        reason = "A limit of the curve does not come down to one half, or is not defined there."
    return TimeEstimate(estimate=estimate, low=lower, high=upper, reason=reason)


def _crossing(table: LifeTable, at_risk: Integers, survival: Floats) -> float | None:
    """Return where the curve crosses one half, decided in integers wherever rounding could decide.

    Flat at exactly one half: the middle of the flat part, which ends with the last observation if nothing ends it.
    """
    doubt = _DOUBT * (table.times.size + 1)
    place = int(np.argmax(np.append(survival <= 0.5 + doubt, True)))
    while place < survival.size and (sign := _against_half(table, at_risk, survival, place, doubt)) > 0:
        place = _next_drop(table, place)
    if place == survival.size:
        return None
    if sign < 0:
        return float(table.times[place])
    end = min(_next_drop(table, place), survival.size - 1)
    return _middle(float(table.times[place]), float(table.times[end]))


def _next_drop(table: LifeTable, place: int) -> int:
    """Return the next place with events, before which the curve is flat; past the last place if there is none."""
    drops = table.events[place + 1 :] > 0
    return place + 1 + int(np.argmax(drops)) if drops.any() else table.times.size


def _against_half(table: LifeTable, at_risk: Integers, survival: Floats, place: int, doubt: float) -> int:
    """Say whether the curve lies above (1), at (0) or below (-1) one half: in integers when a double leaves doubt."""
    distance = float(survival[place]) - 0.5
    if abs(distance) > doubt:
        return 1 if distance > 0 else -1
    counted = table.events[: place + 1] > 0
    before = at_risk[: place + 1][counted]
    powers = Counter((before - table.events[: place + 1][counted]).tolist())
    powers[2] += 1
    powers.subtract(before.tolist())
    above = _product([value**power for value, power in powers.items() if power > 0])
    below = _product([value**-power for value, power in powers.items() if power < 0])
    return (above > below) - (above < below)


def _product(factors: list[int]) -> int:
    """Multiply integers in pairs, which keeps the factors of each multiplication of one size."""
    while len(factors) > 1:
        pairs = zip(factors[::2], factors[1::2], strict=False)
        factors = [a * b for a, b in pairs] + (factors[-1:] if len(factors) % 2 else [])
    return factors[0] if factors else 1


def _middle(first: float, last: float) -> float:
    """Return the middle of two times as their decimal text has it."""
    return float((Fraction(Decimal(repr(first))) + Fraction(Decimal(repr(last)))) / 2)


def _limit_crossing(times: Floats, limit: Floats) -> float | None:
    """Return where a limit crosses one half, by the rule of R's survfit."""
    defined = np.flatnonzero(limit < 0.5 + _HALF_OF_A_LIMIT)
    if not defined.size:
        return None
    first = int(defined[0])
    later = defined[limit[defined] < limit[first]]
    if abs(limit[first] - 0.5) < _HALF_OF_A_LIMIT and later.size:
        return _middle(float(times[first]), float(times[later[0]]))
    return float(times[first])


def _or_null(numbers: Floats) -> list[float | None]:
    return [None if math.isnan(number) else number for number in numbers.tolist()]
