"""Three-valued evidence: a criterion is met, not met or unknown, and a Finding shows why.

Missing data never become "not met". AND, OR, NOT and k-of-n follow Kleene's strong logic: what is known is used as
far as it goes, and the rest stays unknown. `Criterion` and `Combination` are built once, from the rulebook; a
request only calls them. Every unknown Finding names the fewest inputs that could decide it (`app.clinical.missing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import Field

from app.clinical.missing import work_out
from app.clinical.pattern import KNOWN, MET, NOT_MET, UNKNOWN, Combine, Pattern, Truth, combined, lacking
from app.clinical.rulebook.model import Bound, Operator, Threshold
from app.clinical.struct import documented

__all__ = [
    "MET",
    "NOT_MET",
    "UNKNOWN",
    "Combination",
    "Combine",
    "Criterion",
    "Finding",
    "ThresholdRef",
    "Truth",
    "Used",
    "disagree",
    "pattern_of",
    "reference",
    "truth",
]

Used = bool | float | str | None

_NOTHING_USED: Final[Mapping[str, Used]] = {}
# A combination remembers the patterns it has seen (a few dozen in practice) and starts afresh past this many.
_KEPT_PATTERNS: Final = 4096


@documented
class ThresholdRef(msgspec.Struct, gc=False):
    """The number a value was compared with."""

    operator: Annotated[Operator, Field(description="The side on which the criterion is met")]
    value: Annotated[float, Field(description="The number, in `unit`")]
    unit: Annotated[str, Field(description="Its unit")]
    bound: Annotated[Bound, Field(description="Whether the number itself meets the criterion")]


class _Patterned:
    """Room for a Finding's pattern, which is no part of any answer."""

    __slots__ = ("pattern",)
    pattern: Pattern


# Neither frozen nor a pydantic model: an answer holds about a hundred and fifty Findings. Nobody writes to one that was
# handed on; many are shared by all answers. They hold no cycles, so the garbage collector need not look at them.
@documented
class Finding(_Patterned, msgspec.Struct, gc=False):
    """One criterion and why it is met, not met or unknown."""

    id: Annotated[str, Field(description="Stable name of the criterion")]
    label: Annotated[str, Field(description="The criterion in words")]
    status: Annotated[Truth, Field(description="met, not_met or unknown (inputs are missing)")]
    used: Annotated[Mapping[str, Used], Field(description="The inputs that were used, by name")] = msgspec.field(
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
        Field(
            description="How `of` combine; first_known: the first that is known decides; "
            "if_met: met when all are met, else unknown"
        ),
    ] = None
    at_least: Annotated[int | None, Field(description="For at_least: how many must be met")] = None
    note: Annotated[str | None, Field(description="A remark on how the criterion was read")] = None


def pattern_of(finding: Finding) -> Pattern:
    """Return a Finding's pattern; one made by hand, without Criterion or Combination, gets its own."""
    try:
        return finding.pattern
    except AttributeError:
        finding.pattern = _new_pattern(finding)
        return finding.pattern


def _new_pattern(finding: Finding) -> Pattern:
    if finding.status != UNKNOWN:
        return KNOWN[finding.status]
    if not finding.of:
        return lacking(finding.missing, finding.id)
    pattern = combined(finding.combine, finding.at_least or 0, tuple(pattern_of(f) for f in finding.of))
    work_out(pattern)
    return pattern


def truth(value: bool | None) -> Truth:  # noqa: FBT001 - the value is the point
    """Read a stated fact: true is met, false is not met, absent is unknown."""
    if value is None:
        return UNKNOWN
    return MET if value else NOT_MET


def reference(finding: Finding) -> Finding:
    """Return a Finding without its parts, for a second place in an answer that shows it in full elsewhere."""
    short = Finding(finding.id, finding.label, finding.status, {}, None, finding.source, finding.missing)
    short.pattern = pattern_of(finding)
    return short


def disagree(one: Finding, other: Finding) -> bool:
    """Say whether two Findings are both known and contradict each other."""
    return one.status != other.status and UNKNOWN not in {one.status, other.status}


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
        self._input = self.inputs[0]
        self.source = source
        self.note = note
        self.holds: Callable[[float | Decimal], bool] = threshold.compiled() if threshold else self._hold_nothing
        self.threshold = _reference(threshold) if threshold else None
        self._lacking = {self.inputs: self._pattern_of_own_inputs()}
        # A stated fact has three possible Findings; they are made here and shared by all answers.
        self._unknown = self.finding(UNKNOWN, {})
        stated: dict[bool | None, Finding] = {None: self._unknown}
        stated |= {value: self.finding(truth(value), {self.inputs[0]: value}) for value in (True, False)}
        # Judges a stated fact; None is unknown. A dict's own lookup, because an answer asks some eighty times.
        self.stated: Callable[[bool | None], Finding] = stated.__getitem__

    def measured(self, value: float | Decimal | None) -> Finding:
        """Judge a number against the criterion's threshold; None is unknown."""
        if value is None:
            return self._unknown
        status: Truth = MET if self.holds(value) else NOT_MET
        used: dict[str, Used] = {self._input: float(value)}
        finding = Finding(self.id, self.label, status, used, self.threshold, self.source, (), (), None, None, self.note)
        finding.pattern = KNOWN[status]
        return finding

    def _hold_nothing(self, _: float | Decimal) -> bool:
        raise TypeError(f"criterion {self.id} has no threshold")

    def unknown(self, *missing: str, used: Mapping[str, Used] | None = None, note: str | None = None) -> Finding:
        """Say that the criterion is unknown, for want of these inputs (default: the criterion's own)."""
        if not missing and not used and note is None:
            return self._unknown
        names = missing or self.inputs
        finding = Finding(
            self.id, self.label, UNKNOWN, used or {}, self.threshold, self.source, names, note=note or self.note
        )
        finding.pattern = self._pattern_lacking(names)
        return finding

    def finding(self, status: Truth, used: Mapping[str, Used], note: str | None = None) -> Finding:
        """Make the Finding of a status that the caller has decided."""
        if status == UNKNOWN:
            missing, pattern = self.inputs, self._lacking[self.inputs]
        else:
            missing, pattern = (), KNOWN[status]
        finding = Finding(
            self.id, self.label, status, used, self.threshold, self.source, missing, note=note or self.note
        )
        finding.pattern = pattern
        return finding

    def _pattern_of_own_inputs(self) -> Pattern:
        """Make the pattern of a criterion of which nothing is known: what is asked of its input can be compared."""
        single = len(self.inputs) == 1
        if single and self.threshold:
            bound = (self.threshold.operator, self.threshold.value, self.threshold.unit)
            return lacking(self.inputs, self.inputs[0], bound)
        # A stated input has one truth wherever it is asked; several inputs together can only agree with themselves.
        return lacking(self.inputs, self.inputs[0] if single else self.id)

    def _pattern_lacking(self, missing: tuple[str, ...]) -> Pattern:
        pattern = self._lacking.get(missing)
        if pattern is None:
            pattern = self._lacking[missing] = lacking(missing, self.id)
        return pattern


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
        self._known: dict[tuple[Pattern, ...], Pattern] = {}

    def __call__(self, *of: Finding, note: str | None = None) -> Finding:
        """Combine the Findings; an unknown names the fewest inputs that could decide it."""
        try:
            pattern = self._known[tuple([f.pattern for f in of])]
        except (AttributeError, KeyError):
            pattern = self._learn(tuple([pattern_of(f) for f in of]))
        finding = Finding(
            self.id,
            self.label,
            pattern.status,
            _NOTHING_USED,
            None,
            self.source,
            pattern.missing,
            of,
            self.combine,
            self.at_least,
            note or self.note,
        )
        finding.pattern = pattern
        return finding

    def _learn(self, parts: tuple[Pattern, ...]) -> Pattern:
        """Judge a pattern of parts not seen before, and remember it. It holds no value of any patient."""
        pattern = self._known.get(parts)
        if pattern is None:
            if len(self._known) >= _KEPT_PATTERNS:
                self._known.clear()
            pattern = self._known[parts] = self._new(parts)
        return pattern

    def _new(self, parts: tuple[Pattern, ...]) -> Pattern:
        status = self._judge(parts, self.at_least or 0)
        if status != UNKNOWN:
            return KNOWN[status]
        pattern = combined(self.combine, self.at_least or 0, parts)
        work_out(pattern)
        return pattern


def all_of(parts: Sequence[Pattern], _: int = 0) -> Truth:
    """AND: one not met decides; else one unknown leaves it unknown. Of nothing: met."""
    statuses = {p.status for p in parts}
    if NOT_MET in statuses:
        return NOT_MET
    return UNKNOWN if UNKNOWN in statuses else MET


def any_of(parts: Sequence[Pattern], _: int = 0) -> Truth:
    """OR: one met decides; else one unknown leaves it unknown. Of nothing: not met."""
    statuses = {p.status for p in parts}
    if MET in statuses:
        return MET
    return UNKNOWN if UNKNOWN in statuses else NOT_MET


def at_least(parts: Sequence[Pattern], k: int) -> Truth:
    """k-of-n: met with k met; not met when k can no longer be reached; else unknown."""
    statuses = [p.status for p in parts]
    met = statuses.count(MET)
    if met >= k:
        return MET
    return UNKNOWN if met + statuses.count(UNKNOWN) >= k else NOT_MET


def negate(parts: Sequence[Pattern], _: int = 0) -> Truth:
    """NOT: unknown stays unknown."""
    status = parts[0].status
    if status == UNKNOWN:
        return UNKNOWN
    return NOT_MET if status == MET else MET


def first_known(parts: Sequence[Pattern], _: int = 0) -> Truth:
    """Take the first that is known: a clinician's statement before what is derived from measurements."""
    return next((p.status for p in parts if p.status != UNKNOWN), UNKNOWN)


def if_met(parts: Sequence[Pattern], _: int = 0) -> Truth:
    """Take the parts as proof when all are met, and as no proof of anything when not."""
    return MET if all_of(parts) == MET else UNKNOWN


_JUDGES: Final[dict[Combine, Callable[[Sequence[Pattern], int], Truth]]] = {
    "all": all_of,
    "any": any_of,
    "at_least": at_least,
    "not": negate,
    "first_known": first_known,
    "if_met": if_met,
}


def _reference(threshold: Threshold) -> ThresholdRef:
    return ThresholdRef(
        operator=threshold.operator, value=float(threshold.value), unit=threshold.unit, bound=threshold.bound
    )
