"""What an echocardiogram shows, by the thresholds of the definition that asks."""

from __future__ import annotations

from app.clinical.case_definitions.compact import Compact, StatedFirst
from app.clinical.case_definitions.shared import Shared, fact
from app.clinical.criteria import Criteria
from app.clinical.evidence import Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution


class Coronaries:
    """A coronary aneurysm or dilatation, stated or by the Z-scores or diameters of the two arteries measured."""

    def __init__(self, prefix: str, rules: LoadedRuleSet, key: str) -> None:
        criteria = Criteria(rules)
        self._aneurysm = fact("echocardiogram.coronary_aneurysm", "Coronary aneurysm")
        self._stated = fact("echocardiogram.coronary_dilation", "Coronary dilatation, as reported")
        self._lad = criteria.measured(f"{prefix}.coronary.lad", key, "echocardiogram.lad_z")
        self._rca = criteria.measured(f"{prefix}.coronary.rca", key, "echocardiogram.rca_z")
        self._measured = Compact(f"{prefix}.coronary.measured", "Dilatation by Z-score", "any")
        self._dilation = StatedFirst(f"{prefix}.coronary.dilation", "Coronary dilatation or ectasia")
        source = rules.cite(rules.threshold(key))
        self._any = Compact(f"{prefix}.coronary", "Coronary dilatation, aneurysm or ectasia", "any", source=source)

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        """Judge aneurysm, then dilatation: as reported first, else by the Z-scores."""
        echo = facts.echo
        measured = self._measured(self._lad.measured(echo.lad_z), self._rca.measured(echo.rca_z))
        dilation = self._dilation.decide(self._stated.stated(echo.coronary_dilation), measured, shared.cautions)
        return self._any(self._aneurysm.stated(echo.coronary_aneurysm), *shared.giant_aneurysm, dilation)


class VentricularDysfunction:
    """Ventricular dysfunction, as reported or by the ejection fraction."""

    def __init__(self, prefix: str, rules: LoadedRuleSet, key: str) -> None:
        self._stated = fact("echocardiogram.ventricular_dysfunction", "Ventricular dysfunction, as reported")
        self._lvef = Criteria(rules).measured(f"{prefix}.lvef", key, "echocardiogram.lvef_percent")
        source = rules.cite(rules.threshold(key))
        self._either = StatedFirst(f"{prefix}.ventricle", "Ventricular dysfunction", source=source)

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        """Take the report first, else the ejection fraction."""
        echo = facts.echo
        stated = self._stated.stated(echo.ventricular_dysfunction)
        return self._either.decide(stated, self._lvef.measured(echo.lvef_percent), cautions)
