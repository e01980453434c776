"""One spelling of an analyte and a unit, compiled: how far a number is believed, rounded and converted."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10
from typing import Final

from app.clinical.analyte import Analyte, LabCaution
from app.clinical.flags import Level
from app.clinical.measurement import LabMeasurement
from app.clinical.plausibility import Interval
from app.clinical.quantities import Quantities
from app.clinical.units import Unit
from app.cohorts.precision import at_precision, scaled, scaled_exactly
from app.cohorts.variables import LABS

_SHRINK: Final = 1e-9
_FALLBACK_DIGITS: Final = 3
_REMEMBERED: Final = 8192


class LabEntry:
    """An analyte in one of its units. `low` to `high` are values that need no second look, in the unit as sent."""

    __slots__ = (
        "_divide",
        "_kept",
        "_multiply",
        "_plain",
        "_unit",
        "factor",
        "good",
        "good_limits",
        "high",
        "limit_high",
        "limit_low",
        "low",
        "slug",
        "variable",
    )

    def __init__(self, analyte: Analyte, unit: Unit) -> None:
        self.slug = analyte.slug
        self._unit = unit
        row = LABS.get(analyte.slug)
        in_catalogue = row is not None and row.unit == analyte.canonical.code
        self.variable = f"lab.{analyte.slug}" if in_catalogue else None
        digits = row.digits if row is not None and in_catalogue else _FALLBACK_DIGITS
        self._kept = 10**digits
        self._plain = unit.multiply == unit.divide
        self._multiply, self._divide = unit.multiply, unit.divide
        self.factor = 10 ** _digits_in(unit, digits)
        self.good: dict[float, int] = {}
        self.good_limits: set[tuple[float | None, float | None]] = set()
        self.low, self.high = _unremarkable(unit.tiers.usual, analyte.cautions, "value", unit)
        limits = unit.limits.usual
        lower = _unremarkable(limits, analyte.cautions, "lower_limit", unit)
        upper = _unremarkable(limits, analyte.cautions, "upper_limit", unit)
        self.limit_low, self.limit_high = max(lower[0], upper[0]), min(lower[1], upper[1])

    def is_unremarkable(self, value: float, lower: float | None, upper: float | None) -> bool:
        """Say whether nothing about a result needs a second look: believable, and at its precision.

        Numbers at clinical precision repeat: those that were found to be fine are remembered with what is kept of
        them, not whose they were.
        """
        return (value in self.good or self._is_good(value)) and (
            (lower, upper) in self.good_limits or self._are_good(lower, upper)
        )

    def _is_good(self, value: float) -> bool:
        if not self.low < value < self.high or at_precision(value, self.factor) != value:
            return False
        if len(self.good) >= _REMEMBERED:
            self.good.clear()
        self.good[value] = self._scaled(value)
        return True

    def _are_good(self, lower: float | None, upper: float | None) -> bool:
        for limit in (lower, upper):
            if limit and (not self.limit_low < limit < self.limit_high or at_precision(limit, self.factor) != limit):
                return False
        if upper is not None and upper <= (lower or 0):
            return False
        if len(self.good_limits) >= _REMEMBERED:
            self.good_limits.clear()
        self.good_limits.add((lower, upper))
        return True

    def level(self, lab: LabMeasurement) -> Level | None:
        """Return a result for the phenotype's flags."""
        if lab.value is None:
            return None
        lower, upper = lab.lower_limit or None, lab.upper_limit  # a lower limit of 0 says that there is none
        if self._plain:
            return Level(lab.value, lower, upper)
        convert = self._unit.to_canonical
        return Level(
            convert(lab.value),
            None if lower is None else convert(lower),
            None if upper is None else convert(upper),
        )

    def kept(self, value: float) -> int:
        """Return a value as the catalogue keeps it: canonical unit, scaled."""
        known = self.good.get(value)
        return self._scaled(value) if known is None else known

    def _scaled(self, value: float) -> int:
        return scaled(value, self._kept) if self._plain else scaled_exactly(self._unit.to_canonical(value), self._kept)


def _digits_in(unit: Unit, canonical_digits: int) -> int:
    """Return the decimals that matter in a unit, from those of the canonical one."""
    shift = log10(unit.multiply / unit.divide)
    return max(0, ceil(canonical_digits + shift - _SHRINK))


def _unremarkable(
    usual: Interval, cautions: Sequence[tuple[str, LabCaution]], of: str, unit: Unit
) -> tuple[float, float]:
    """Return the ends between which a number (in the unit as sent) is usual and earns no warning."""
    low, high = float(usual.low), float(usual.high)
    for name, caution in cautions:
        if name != of:
            continue
        above = None if caution.above is None else float(unit.from_canonical(caution.above))
        below = None if caution.below is None else float(unit.from_canonical(caution.below))
        if below is None:
            high = high if above is None else min(high, above)
        elif above is None or above <= low:
            low = max(low, below)
        else:
            high = min(high, above)
    return low + abs(low) * _SHRINK, high - abs(high) * _SHRINK


class LabEntries:
    """The entries by (analyte, unit) as sent. A spelling that is not known is refused."""

    # Hospitals use a few spellings each; past this many the memory starts afresh.
    _KEPT: Final = 8192

    def __init__(self, quantities: Quantities) -> None:
        self._quantities = quantities
        self._by_unit: dict[tuple[str, str], LabEntry] = {}
        self._known: dict[tuple[str, str], LabEntry] = {}
        self.get = self._known.get

    def find(self, lab: LabMeasurement, pointer: str) -> LabEntry:
        """Return the entry of a result. Raises `RefusedInputError`: analyte or unit unknown or ambiguous."""
        key = (lab.analyte, lab.unit)
        entry = self._known.get(key)
        if entry is None:
            analyte = self._quantities.analyte(lab.analyte, f"{pointer}/analyte")
            unit = self._quantities.unit(analyte, lab.unit, f"{pointer}/unit")
            entry = self._by_unit.setdefault((analyte.slug, unit.code), LabEntry(analyte, unit))
            if len(self._known) >= self._KEPT:
                self._known.clear()
            self._known[key] = entry
        return entry
