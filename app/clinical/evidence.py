"""Three-valued evidence: a criterion is met, not met or unknown, and a Finding shows why.

Missing data never become "not met". AND, OR, NOT and k-of-n follow Kleene's strong logic: what is known is used as
far as it goes, and the rest stays unknown. `Criterion` and `Combination` are built once, from the rulebook; a
request only calls them. `app.clinical.missing` then says which inputs would decide what is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.rulebook.model import Bound, Operator, Threshold

Truth = Literal["met", "not_met", "unknown"]
MET: Final = "met"
NOT_MET: Final = "not_met"
UNKNOWN: Final = "unknown"

Combine = Literal["all", "any", "at_least", "not", "first_known"]
Used = bool | float | str | None


class ThresholdRef(BaseModel):
    """The number a value was compared with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: Operator
    value: float
    unit: str
    bound: Bound


# Neither frozen nor a pydantic model: an answer holds about a hundred Findings, and a frozen dataclass costs five
# times as much to make, a pydantic model eight times (measured). Only `app.clinical.missing` writes to one, and only
# its `missing`.
@dataclass(slots=True)
class Finding:
    """One criterion and why it is met, not met or unknown."""

    id: Annotated[str, Field(description="Stable name of the criterion")]
    label: Annotated[str, Field(description="The criterion in words")]
    status: Annotated[Truth, Field(description="met, not_met or unknown (inputs are missing)")]
    used: Annotated[Mapping[str, Used], Field(description="The inputs that were used, by name")] = field(
        default_factory=dict
    )
    threshold: Annotated[ThresholdRef | None, Field(description="The number compared with, if any")] = None
    source: Annotated[str | None, Field(description="Where the criterion comes from")] = None
    missing: Annotated[
        tuple[str, ...], Field(description="For an unknown: the fewest inputs that could decide it")
    ] = ()
    of: Annotated[tuple[Finding, ...], Field(description="The criteria this one is made of")] = ()
    combine: Annotated[
        Combine | None,
        Field(description="How `of` combine; first_known: the first that is known decides"),
    ] = None
    at_least: Annotated[int | None, Field(description="For at_least: how many must be met")] = None
    note: Annotated[str | None, Field(description="A remark on how the criterion was read")] = None


def truth(value: bool | None) -> Truth:  # noqa: FBT001 - the value is the point
    """Read a stated fact: true is met, false is not met, absent is unknown."""
    if value is None:
        return UNKNOWN
    return MET if value else NOT_MET


class Criterion:
    """A single criterion, built once: either stated outright or measured against a threshold."""

    def __init__(  # noqa: PLR0913 - one description, six parts
        self,
        id: str,  # noqa: A002 - the field's name
        label: str,
        inputs: str | tuple[str, ...],
        *,
        source: str | None = None,
        threshold: Threshold | None = None,
        note: str | None = None,
    ) -> None:
        self.id = id
        self.label = label
        self.inputs = (inputs,) if isinstance(inputs, str) else inputs
        self.source = source
        self.note = note
        self._is_met = threshold.is_met if threshold else None
        self.threshold = _reference(threshold) if threshold else None
        # A stated fact has three possible Findings; they are made here and shared by all answers.
        self._stated = {value: self.finding(truth(value), {self.inputs[0]: value}) for value in (True, False)}
        self._unknown = self.finding(UNKNOWN, {})

    def stated(self, value: bool | None) -> Finding:  # noqa: FBT001 - the value is the point
        """Judge a stated fact; None is unknown."""
        return self._unknown if value is None else self._stated[value]

    def measured(self, value: float | Decimal | None) -> Finding:
        """Judge a number against the criterion's threshold; None is unknown."""
        if value is None:
            return self._unknown
        if self._is_met is None:
            raise TypeError(f"criterion {self.id} has no threshold")
        return self.finding(MET if self._is_met(value) else NOT_MET, {self.inputs[0]: float(value)})

    def unknown(self, *missing: str, used: Mapping[str, Used] | None = None, note: str | None = None) -> Finding:
        """Say that the criterion is unknown, for want of these inputs (default: the criterion's own)."""
        if not missing and not used and note is None:
            return self._unknown
        return Finding(
            self.id,
            self.label,
            UNKNOWN,
            used or {},
            self.threshold,
            self.source,
            missing or self.inputs,
            note=note or self.note,
        )

    def finding(self, status: Truth, used: Mapping[str, Used], note: str | None = None) -> Finding:
        """Make the Finding of a status that the caller has decided."""
        missing = self.inputs if status == UNKNOWN else ()
        return Finding(self.id, self.label, status, used, self.threshold, self.source, missing, note=note or self.note)


class Combination:
    """A criterion made of others, built once and called with their Findings."""

    def __init__(  # noqa: PLR0913 - one description, six parts
        self,
        id: str,  # noqa: A002 - the field's name
        label: str,
        combine: Combine,
        *,
        at_least: int | None = None,
        source: str | None = None,
        note: str | None = None,
    ) -> None:
        if (combine == "at_least") != (at_least is not None):
            raise ValueError("at_least takes a count, and only at_least does")
        self.id = id
        self.label = label
        self.combine: Combine = combine
        self.at_least = at_least
        self.source = source
        self.note = note
        self._judge = _JUDGES[combine]

    def __call__(self, *of: Finding, note: str | None = None) -> Finding:
        """Combine the Findings; `missing` of an unknown is filled in by `app.clinical.missing.fill`."""
        status = self._judge(of, self.at_least or 0)
        return Finding(
            self.id,
            self.label,
            status,
            {},
            None,
            self.source,
            (),
            of,
            self.combine,
            self.at_least,
            note or self.note,
        )


def all_of(statuses: Sequence[Finding], _: int = 0) -> Truth:
    """AND: one not met decides; else one unknown leaves it unknown. Of nothing: met."""
    result: Truth = MET
    for finding in statuses:
        if finding.status == NOT_MET:
            return NOT_MET
        if finding.status == UNKNOWN:
            result = UNKNOWN
    return result


def any_of(statuses: Sequence[Finding], _: int = 0) -> Truth:
    """OR: one met decides; else one unknown leaves it unknown. Of nothing: not met."""
    result: Truth = NOT_MET
    for finding in statuses:
        if finding.status == MET:
            return MET
        if finding.status == UNKNOWN:
            result = UNKNOWN
    return result


def at_least(statuses: Sequence[Finding], k: int) -> Truth:
    """k-of-n: met with k met; not met when k can no longer be reached; else unknown."""
    met = unknown = 0
    for finding in statuses:
        if finding.status == MET:
            met += 1
        elif finding.status == UNKNOWN:
            unknown += 1
    if met >= k:
        return MET
    return UNKNOWN if met + unknown >= k else NOT_MET


def negate(statuses: Sequence[Finding], _: int = 0) -> Truth:
    """NOT: unknown stays unknown."""
    status = statuses[0].status
    if status == UNKNOWN:
        return UNKNOWN
    return NOT_MET if status == MET else MET


def first_known(statuses: Sequence[Finding], _: int = 0) -> Truth:
    """Take the first that is known: a clinician's statement before what is derived from measurements."""
    return next((f.status for f in statuses if f.status != UNKNOWN), UNKNOWN)


_JUDGES: Final[dict[Combine, Callable[[Sequence[Finding], int], Truth]]] = {
    "all": all_of,
    "any": any_of,
    "at_least": at_least,
    "not": negate,
    "first_known": first_known,
}


def _reference(threshold: Threshold) -> ThresholdRef:
    return ThresholdRef(
        operator=threshold.operator, value=float(threshold.value), unit=threshold.unit, bound=threshold.bound
    )
