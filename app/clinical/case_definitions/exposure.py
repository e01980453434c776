"""COVID-19 exposure within a definition's window."""

from __future__ import annotations

from app.clinical.criteria import Criteria
from app.clinical.evidence import NOT_MET, Finding
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution


class Exposure:
    """An exposure counts when its day is known and falls within the window; no exposure at all decides too."""

    def __init__(self, prefix: str, rules: LoadedRuleSet, name: str) -> None:
        self._name = name
        self._within = Criteria(rules).measured(f"{prefix}.exposure.days", "exposure.days", name)
        self._caution = Caution(
            code="exposure_disagrees",
            message="sars_cov_2.exposure is false, yet a time of exposure was sent; the time was used.",
        )

    def judge(self, exposed: bool | None, days: float | None, cautions: list[Caution]) -> Finding:  # noqa: FBT001 - a fact
        """Compare the days since exposure with the window; without them only "no exposure" decides."""
        if days is not None:
            if exposed is False:
                cautions.append(self._caution)
            if days < 0:
                return self._within.finding(NOT_MET, {self._name: days}, "Later than the window: it does not count.")
            return self._within.measured(days)
        if exposed is False:
            return self._within.finding(NOT_MET, {"sars_cov_2.exposure": False})
        return self._within.measured(None)
