"""The warnings that follow from a dose's own numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.clinical.anakinra.options import Standing
from app.clinical.anakinra.protocol import Amount, Protocol
from app.clinical.arithmetic import said
from app.clinical.warning import Caution


def cautions_of(amounts: Iterable[Amount], protocol: Protocol, standing: Standing) -> tuple[Caution, ...]:
    """Warn of a cap that binds, of rounding that changes a dose notably, and of a dose that rounds to nothing."""
    given = [a for a in amounts if a.per_dose]
    found = [standing.capped] if any(a.capped for a in given) else []
    if any(not a.rounded_per_dose for a in given):
        found.append(_ROUNDS_TO_NOTHING)
    if any(protocol.notable_rounding.is_met(abs(a.rounding_percent)) for a in given):
        found.append(standing.notable_rounding)
    if any(_rounds_above_ceiling(a, protocol) for a in given):
        found.append(standing.rounded_above_ceiling)
    return tuple(found)


def _rounds_above_ceiling(amount: Amount, protocol: Protocol) -> bool:
    given = amount.effective * amount.rounded_per_dose / amount.per_dose
    return amount.effective <= protocol.ceiling < given


_ROUNDS_TO_NOTHING: Final = Caution(
    code="dose_rounds_to_zero", message="A dose is so small that it rounds to 0 mg: a pharmacist must say what to give."
)


def of_effective(first: Amount) -> Caution:
    """Say that the cap binds, so that the wean starts below the dose that was named."""
    text = (
        "The cap per dose binds: the child gets less than current_mg_kg_day says, and the weaning starts from what it"
        f" gets, {said(first.effective)} mg/kg/day."
    )
    return Caution(code="wean_from_effective_dose", message=text)


def above_ceiling(protocol: Protocol) -> Caution:
    """Say that the current dose lies above the ceiling."""
    text = f"The current dose lies above the protocol's ceiling of {said(protocol.ceiling)} mg/kg/day."
    return Caution(code="above_ceiling", message=text)


def uneven(protocol: Protocol) -> Caution:
    """Say that a chosen interval ends between two doses."""
    text = (
        f"interval_hours is no multiple of the {protocol.interval_hours} h between doses:"
        " change the dose at the next one that is due."
    )
    return Caution(code="interval_between_doses", message=text)
