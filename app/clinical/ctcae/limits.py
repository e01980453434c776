"""The limits of normal of a record: those sent, or paediatric reference limits where the caller asks for them."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.clinical.ctcae.believe import known_lower
from app.clinical.ctcae.laboratory_terms import Placement
from app.clinical.ctcae.models import GradeRecord
from app.clinical.reference_limits import ReferenceInterval, ReferenceLimits
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution

_REFERENCE: Final = "reference"
_SENT: Final = Caution(
    code="reference_limits_not_used", message="Limits were sent; the reference limits asked for were not used."
)
_NONE: Final = Caution(
    code="reference_limits_unavailable",
    message="No reference limits are known for this analyte, age and sex (a unit and age_years are needed).",
)


class Found(NamedTuple):
    """Limits in the record's unit, the warnings that go with them, and the rule set they come from."""

    lower: float | None
    upper: float | None
    warnings: tuple[Caution, ...] = ()
    rules: LoadedRuleSet | None = None


class Limits:
    """Finds the limits of a record."""

    def __init__(self, reference: ReferenceLimits) -> None:
        self._reference = reference

    def __call__(self, placement: Placement, record: GradeRecord) -> Found:
        """Return the limits sent; with `"limits": "reference"` and none sent, those for age and sex."""
        lower, upper = known_lower(record.lower_limit), record.upper_limit
        if record.limits != _REFERENCE:
            return Found(lower, upper)
        if lower is not None or upper is not None:
            return Found(lower, upper, (_SENT,))
        interval = self._reference.limits(placement.analyte.slug, record.age_years, record.sex)
        if interval is None or placement.unit is None:
            return Found(None, None, (_NONE,))
        return self._found(placement, interval)

    def _found(self, placement: Placement, interval: ReferenceInterval) -> Found:
        lower, upper = (_in_unit(placement, interval, limit) for limit in (interval.lower, interval.upper))
        message = f"Limits of normal were not sent; reference limits for age were used: {interval.source}."
        caution = Caution(code="reference_limits_used", message=message)
        rules = self._reference.rules if interval.upper is not None else self._reference.anaemia_rules
        return Found(lower, upper, (caution,), rules)


def _in_unit(placement: Placement, interval: ReferenceInterval, limit: object) -> float | None:
    if limit is None or placement.unit is None:
        return None
    canonical = placement.analyte.units[interval.unit].to_canonical(limit)  # type: ignore[arg-type]  # a Decimal
    return float(placement.unit.from_canonical(canonical))
