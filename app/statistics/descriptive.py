"""Median, quartiles and range of a tally, in exact rational arithmetic up to the last step.

Hyndman RJ, Fan Y. Sample quantiles in statistical packages. Am Stat 1996;50:361-365: type 6 (Weibull) and type 7.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from app.statistics.rank_models import QuantileMethod, Summary
from app.statistics.scaling import Integers
from app.statistics.tally import Tally

NAMES: Final = {
    "weibull": "Median and quartiles at position p(n+1) (Weibull, Hyndman-Fan type 6)",
    "linear": "Median and quartiles at position 1+p(n-1) (linear, Hyndman-Fan type 7)",
}


def summarize(tally: Tally, method: QuantileMethod = "weibull") -> Summary:
    """Return median, quartiles and range; all None for an empty tally."""
    numbers = [_as_float(tally, quantile(tally, Fraction(k, 4), method)) for k in (2, 1, 3, 0, 4)]
    median, q1, q3, minimum, maximum = numbers
    return Summary(n=tally.n, median=median, q1=q1, q3=q3, minimum=minimum, maximum=maximum, quantile_method=method)


def quantile(tally: Tally, share: Fraction, method: QuantileMethod = "weibull") -> Fraction | None:
    """Return a quantile in units of 10**-digits, exactly; None for an empty tally. `share` lies between 0 and 1."""
    n = tally.n
    if n == 0:
        return None
    position = (n + 1) * share if method == "weibull" else (n - 1) * share + 1
    position = min(max(position, Fraction(1)), Fraction(n))
    whole = int(position)
    low, high = _at(tally, (whole, min(whole + 1, n)))
    return low + (position - whole) * (high - low)


def median(tally: Tally) -> float | None:
    """Return the median in the variable's own unit; None for an empty tally."""
    return _as_float(tally, quantile(tally, Fraction(1, 2)))


def _at(tally: Tally, places: tuple[int, ...]) -> list[int]:
    """Return the values at places of the sorted sample, which count from 1."""
    upto: Integers = np.cumsum(tally.counts)
    return [int(tally.values[np.searchsorted(upto, place)]) for place in places]


def _as_float(tally: Tally, units: Fraction | None) -> float | None:
    return None if units is None else float(units / 10**tally.digits)
