"""The supplemental laboratory criteria of suspected incomplete Kawasaki disease (AHA 2017)."""

from __future__ import annotations

from app.clinical.anemia import AnemiaForAge, HemoglobinLimit
from app.clinical.criteria import Criteria
from app.clinical.evidence import Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution


class SupplementalLabs:
    """Enough of six: anaemia for age, platelets late in the fever, albumin, ALT, white cells in blood and urine."""

    def __init__(self, rules: LoadedRuleSet, hemoglobin_limit: HemoglobinLimit) -> None:
        c = Criteria(rules)
        self._enough = c.at_least("kd.supplemental", "supplemental")
        self._anemia = AnemiaForAge(rules, hemoglobin_limit)
        self._late_platelets = c.compact("kd.supplemental.platelets", "late_platelets", "all")
        self._platelets = c.measured("kd.supplemental.platelets.count", "platelets", "labs.platelets")
        self._after_day_seven = c.measured(
            "kd.supplemental.platelets.day", "fever.after_day_seven", "fever.duration_hours"
        )
        self._albumin = c.measured("kd.supplemental.albumin", "albumin", "labs.albumin")
        self._alt = c.beyond_limit("kd.supplemental.alt", "alt", "alt", "upper")
        self._wbc = c.measured("kd.supplemental.wbc", "wbc", "labs.wbc")
        self._urine = c.measured("kd.supplemental.urine", "urine_wbc_hpf", "labs.urine_wbc_hpf")

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        """Judge one child."""
        return self._enough(
            self._anemia.judge(facts, cautions),
            self._late_platelets(
                self._platelets.measured(facts.lab("platelets")),
                self._after_day_seven.measured(facts.fever.duration_hours),
            ),
            self._albumin.measured(facts.lab("albumin")),
            self._alt.judge(facts),
            self._wbc.measured(facts.lab("wbc")),
            self._urine.measured(facts.lab("urine_wbc_hpf")),
        )
