"""Which of two pieces of evidence decides, and the warning when both are known and disagree."""

from __future__ import annotations

from app.clinical.compact import Compact
from app.clinical.evidence import MET, Criterion, Finding, disagree
from app.clinical.facts import Facts, LimitCriterion
from app.clinical.warning import Caution

__all__ = ["Compact", "Either", "Proven", "StatedFirst", "statement_disagrees"]


class StatedFirst(Compact):
    """A clinician's statement outranks what is measured; a disagreement is warned of."""

    def __init__(self, id: str, label: str, *, source: str | None = None) -> None:  # noqa: A002 - the field's name
        super().__init__(id, label, "first_known", source=source)
        self._caution = statement_disagrees(label, id)

    def decide(self, stated: Finding, measured: Finding, cautions: list[Caution]) -> Finding:
        """Combine the two, and warn when they disagree."""
        if disagree(stated, measured):
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
        if disagree(first, second):
            cautions.append(self._caution)
        return self._either(second, first) if second.status == MET else self._either(first, second)


def statement_disagrees(label: str, name: str) -> Caution:
    """Make the warning that a statement outranked contrary measurements."""
    return Caution(
        code="stated_and_measured_disagree",
        message=f"{label} ({name}): what was stated contradicts what was measured; the statement was used.",
    )
