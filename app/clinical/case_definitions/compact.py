"""Combinations shown as one Finding, so that an answer stays readable: `used` names the inputs that decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from app.clinical.evidence import MET, UNKNOWN, Combination, Criterion, Finding, ThresholdRef, Truth, Used, pattern_of
from app.clinical.facts import Facts, LimitCriterion
from app.clinical.pattern import Pattern
from app.clinical.warning import Caution

Plain = Literal["any", "all", "not", "first_known"]
# Patterns hold no value of any patient; past this many a combination starts afresh.
KEPT_SHAPES: Final = 4096


class Shape(NamedTuple):
    """What depends on the pattern of the parts alone: which of them decide, and the Finding when none used anything."""

    pattern: Pattern
    deciding: tuple[int, ...]
    blank: Finding


class Compact:
    """A combination without its parts: what they used stands in one place, with the first deciding part's threshold."""

    def __init__(self, id: str, label: str, combine: Plain, *, source: str | None = None) -> None:  # noqa: A002 - a field
        self._combination = Combination(id, label, combine, source=source)
        self._shapes: dict[tuple[Pattern | None, ...], Shape] = {}

    def __call__(self, *of: Finding) -> Finding:
        """Combine the Findings as `Combination` does, and show the deciding inputs."""
        try:
            shape = self._shapes[tuple([f.pattern for f in of])]
        except (AttributeError, KeyError):
            shape = self._shape(of)
        deciding = shape.deciding
        if len(deciding) == 1:
            part = of[deciding[0]]
            return self._finding(shape.pattern, part.used, part.threshold) if part.used else shape.blank
        used: dict[str, Used] = {}
        threshold = None
        for place in deciding:
            part = of[place]
            if part.used:
                used |= part.used
                threshold = threshold or part.threshold
        return self._finding(shape.pattern, used, threshold) if used else shape.blank

    def _finding(self, pattern: Pattern, used: Mapping[str, Used], threshold: ThresholdRef | None) -> Finding:
        c = self._combination
        finding = Finding(c.id, c.label, pattern.status, used, threshold, c.source, pattern.missing)
        finding.pattern = pattern
        return finding

    def _shape(self, of: Sequence[Finding]) -> Shape:
        if len(self._shapes) >= KEPT_SHAPES:
            self._shapes.clear()
        pattern = pattern_of(self._combination(*of))
        shape = Shape(pattern, self._deciding(of, pattern.status), self._finding(pattern, {}, None))
        self._shapes[tuple([pattern_of(f) for f in of])] = shape
        return shape

    def _deciding(self, of: Sequence[Finding], status: Truth) -> tuple[int, ...]:
        """Return the parts that decided: of an "any" the met ones, of a precedence the first known; else all."""
        combine = self._combination.combine
        if status == UNKNOWN or combine == "not":
            return tuple(range(len(of)))
        same = tuple(i for i, f in enumerate(of) if f.status == status)
        return same[:1] if combine == "first_known" else same


class StatedFirst(Compact):
    """A clinician's statement outranks what is measured; a disagreement is warned of."""

    def __init__(self, id: str, label: str, *, source: str | None = None) -> None:  # noqa: A002 - the field's name
        super().__init__(id, label, "first_known", source=source)
        self._caution = statement_disagrees(label, id)

    def decide(self, stated: Finding, measured: Finding, cautions: list[Caution]) -> Finding:
        """Combine the two, and warn when they disagree."""
        if _disagree(stated, measured):
            cautions.append(self._caution)
        return self(stated, measured)


class Proven:
    """A stated fact that examples can prove but not disprove; a statement outranks them."""

    def __init__(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self.stated = criterion.stated
        self._caution = statement_disagrees(criterion.label, criterion.id)

    def decide(self, stated: bool | None, proof: Finding, cautions: list[Caution]) -> Finding:  # noqa: FBT001 - a fact
        """Take the statement, else the proof, else leave it unknown."""
        if proof.status != MET or stated:
            return self._criterion.stated(stated)
        if stated is False:
            cautions.append(self._caution)
            return self._criterion.stated(stated)
        finding = self._criterion.finding(MET, proof.used, f"Not stated; proven by: {proof.label}")
        finding.threshold = proof.threshold
        return finding


class Either:
    """One substance by either of two assays: one result is enough, and an abnormal one outranks a normal one.

    Laboratories run one of the two, so the other's absence leaves nothing open.
    """

    def __init__(self, name: str, label: str, first: LimitCriterion, second: LimitCriterion) -> None:
        self._first, self._second = first, second
        self._either = Compact(f"labs.{name}.elevated", f"{label} above the laboratory's upper limit", "first_known")
        self._caution = Caution(
            code="assays_disagree",
            message=f"{label}: one assay is above its limit, the other is not; the one above its limit was used.",
        )

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        """Judge both assays, the abnormal one first, and warn when they disagree."""
        first, second = self._first.judge(facts), self._second.judge(facts)
        if _disagree(first, second):
            cautions.append(self._caution)
        return self._either(second, first) if second.status == MET else self._either(first, second)


def statement_disagrees(label: str, name: str) -> Caution:
    """Make the warning that a statement outranked contrary measurements."""
    return Caution(
        code="stated_and_measured_disagree",
        message=f"{label} ({name}): what was stated contradicts what was measured; the statement was used.",
    )


def _disagree(one: Finding, other: Finding) -> bool:
    return one.status != other.status and UNKNOWN not in {one.status, other.status}
