"""A giant aneurysm by diameter: as large at any Z-score, and proof where an aneurysm is asked for."""

from __future__ import annotations

from app.clinical.criteria import Criteria
from app.clinical.evidence import MET, Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet


class GiantAneurysm:
    """The diameter of each artery that is measured (`coronary.giant_mm`)."""

    def __init__(self, rules: LoadedRuleSet, prefix: str) -> None:
        """Take the rule set of the coronary classes, `aha-kd-2017`."""
        criteria = Criteria(rules)
        self._lad = criteria.measured(f"{prefix}.lad_mm", "coronary.giant_mm", "echocardiogram.lad_mm")
        self._rca = criteria.measured(f"{prefix}.rca_mm", "coronary.giant_mm", "echocardiogram.rca_mm")

    def proofs(self, facts: Facts) -> tuple[Finding, ...]:
        """Return a Finding that is met for each artery so wide. A smaller diameter proves nothing and is left out."""
        lad, rca = facts.echo.lad_mm, facts.echo.rca_mm
        if lad is None and rca is None:
            return ()
        return tuple([f for f in (self._lad.measured(lad), self._rca.measured(rca)) if f.status == MET])
