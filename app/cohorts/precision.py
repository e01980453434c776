"""Clinical precision: how many decimals of each number are kept. More digits are rounded, and said to be.

Rounding is half up (a half goes away from zero), on the decimal number as it was written: 0.285 at two digits is 0.29
although its binary neighbour lies below. What was rounded once stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from math import inf, nextafter
from typing import Final

from app.clinical.arithmetic import HOURS_PER_DAY, exact
from app.clinical.rulebook.model import Threshold

# Decimals kept, by field. Laboratory values have theirs by analyte and unit (`variables.LABS`).
DIGITS: Final[Mapping[str, int]] = {
    "age_years": 2,
    "weight_kg": 2,
    "height_cm": 1,
    "maximum_celsius": 2,
    "celsius": 2,
    "duration_hours": 1,
    "lvef_percent": 1,
    "ap4_strain_percent": 1,
    "lad_z": 2,
    "rca_z": 2,
    "lad_z_previous": 2,
    "rca_z_previous": 2,
    "lad_mm": 2,
    "rca_mm": 2,
    "systolic_bp_mmhg": 1,
    "baseline_systolic_bp_mmhg": 1,
    "fluid_bolus_ml_kg": 1,
    "rate": 5,
    "days_before_admission": 1,
    "exposure_days_before_onset": 1,
    "exposure_days_before_admission": 1,
    "dose_g_kg": 2,
    "started_hour": 1,
    "stopped_hour": 1,
    "ended_hour": 1,
    "discharged_hour": 1,
    "hour": 1,
    "hours": 1,
    "day": 1,
    "mg_kg_day": 2,
    "starting_mg_kg_day": 2,
    "maximum_mg_kg_day": 2,
    "maximum_mg_per_dose": 1,
    "duration_days": 1,
    "length_of_stay_days": 1,
    "fold": 2,
}

# Digits enough for the largest double times the largest factor: what is impossible is rounded before it is refused.
_HALF_UP: Final = Context(rounding=ROUND_HALF_UP, prec=400)
_ONE: Final = Decimal(1)
_TENTHS_OF_DAY: Final = 10
# Below this size a product of two doubles lies within a millionth of the true one, so that what is no near tie is safe.
_SAFE: Final = 1e9
_NEAR_TIE: Final = 0.4999
# From here on every double is a whole number. Numbers of this size are refused, but not before they are looked at.
_WHOLE: Final = 2.0**53


def scaled(value: float, factor: int) -> int:
    """Return value x factor as the nearest whole number, half up, of the decimal number as written."""
    product = value * factor
    if -_SAFE < product < _SAFE:
        nearest = round(product)
        if -_NEAR_TIE < product - nearest < _NEAR_TIE:
            return nearest
    return scaled_exactly(exact(value), factor)


def tenths_of_days(begin: float, end: float) -> int:
    """Return the time between two hours in tenths of a day: nearest, half up, of the decimal numbers as written."""
    tenths = (end - begin) * _TENTHS_OF_DAY / HOURS_PER_DAY
    if -_SAFE < tenths < _SAFE:
        nearest = round(tenths)
        if -_NEAR_TIE < tenths - nearest < _NEAR_TIE:
            return nearest
    return scaled_exactly((exact(end) - exact(begin)) / HOURS_PER_DAY, _TENTHS_OF_DAY)


def scaled_exactly(value: Decimal, factor: int) -> int:
    """Do the same for a decimal number."""
    return int(_HALF_UP.quantize(value * factor, _ONE))


def at_precision(value: float, factor: int) -> float:
    """Return the number at 1 / factor, half up; one so large that it has no decimals is left as it is."""
    return value if abs(value) >= _WHOLE else scaled(value, factor) / factor


def closed(threshold: Threshold) -> float:
    """Return the last number on a threshold's side, so that a plain <= or >= compares as the threshold does."""
    value = float(threshold.value)
    if threshold.bound == "inclusive":
        return value
    return nextafter(value, inf if threshold.operator == ">" else -inf)


def factor_of(name: str) -> int:
    """Return ten to the power of a field's decimals."""
    return int(10 ** DIGITS[name])
