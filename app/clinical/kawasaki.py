"""Kawasaki disease by the AHA of 2017: complete, and incomplete by the whole algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.clinical.anemia import HemoglobinLimit
from app.clinical.criteria import Criteria
from app.clinical.evidence import MET, NOT_MET, Finding
from app.clinical.facts import Facts
from app.clinical.kawasaki_echo import KawasakiEcho
from app.clinical.kawasaki_labs import SupplementalLabs
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.warning import Caution

Subtype = Literal["complete", "incomplete"]


@dataclass(slots=True)
class KawasakiJudgement:
    """The flag, which disease it is (None: not KD-like, or not known which), and warnings."""

    kd_like: Finding
    subtype: Subtype | None
    cautions: Sequence[Caution]


class Kawasaki:
    """The criteria of Kawasaki disease, compiled from `aha-kd-2017`."""

    def __init__(self, rulebook: Rulebook, hemoglobin_limit: HemoglobinLimit) -> None:
        self.rules = rulebook["aha-kd-2017"]
        c = Criteria(self.rules)
        self._kd_like = c.combined("kd", "kd", "any")
        self._complete = c.combined("kd.complete", "complete", "all")
        self._fever = c.combined("kd.complete.fever", "complete.fever", "any")
        self._five_days = c.measured("kd.fever.five_days", "fever.five_days", "fever.duration_hours")
        self._four_days = c.measured("kd.fever.four_days", "fever.four_days", "fever.duration_hours")
        self._enough_signs = c.at_least("kd.principal", "principal.complete")
        self._signs = _PrincipalFeatures(c)
        self._incomplete = IncompleteKawasaki(self.rules, hemoglobin_limit)
        self._at_four_days = Caution(code="kd_at_four_days_of_fever", message=self.rules.text("caution.four_days"))
        self._serial = Caution(code="kd_serial_reevaluation", message=self.rules.text("caution.serial"))

    def judge(self, facts: Facts) -> KawasakiJudgement:
        """Judge one child."""
        duration = facts.fever.duration_hours
        five_days = self._five_days.measured(duration)
        signs = self._signs.judge(facts)
        fever = self._fever(five_days, self._four_days.measured(duration))
        complete = self._complete(fever, self._enough_signs(*signs))
        cautions: list[Caution] = []
        incomplete = self._incomplete.judge(facts, five_days, signs, cautions)
        if complete.status == MET:
            if five_days.status == NOT_MET:
                cautions.append(self._at_four_days)
        elif needs_serial_evaluation(incomplete):
            cautions.append(self._serial)
        return KawasakiJudgement(self._kd_like(complete, incomplete), _subtype(complete, incomplete), cautions)


def _subtype(complete: Finding, incomplete: Finding) -> Subtype | None:
    """Name the disease; incomplete only once complete is excluded."""
    if complete.status == MET:
        return "complete"
    return "incomplete" if complete.status == NOT_MET and incomplete.status == MET else None


class _PrincipalFeatures:
    """The five principal features."""

    def __init__(self, c: Criteria) -> None:
        self._oral = c.stated("kd.principal.oral", "principal.oral", "kawasaki_signs.oral_changes")
        self._conjunctival = c.stated(
            "kd.principal.conjunctival", "principal.conjunctival", "kawasaki_signs.conjunctival_injection"
        )
        self._rash = c.stated("kd.principal.rash", "principal.rash", "kawasaki_signs.rash")
        self._extremity = c.stated("kd.principal.extremity", "principal.extremity", "kawasaki_signs.extremity_changes")
        self._nodes = c.stated("kd.principal.nodes", "principal.nodes", "kawasaki_signs.cervical_lymphadenopathy")

    def judge(self, facts: Facts) -> tuple[Finding, ...]:
        """Judge each feature."""
        signs = facts.signs
        return (
            self._oral.stated(signs.oral_changes),
            self._conjunctival.stated(signs.conjunctival_injection),
            self._rash.stated(signs.rash),
            self._extremity.stated(signs.extremity_changes),
            self._nodes.stated(signs.cervical_lymphadenopathy),
        )


class IncompleteKawasaki:
    """The algorithm of suspected incomplete disease: entry, inflammation, then laboratory or echocardiogram."""

    def __init__(self, rules: LoadedRuleSet, hemoglobin_limit: HemoglobinLimit) -> None:
        c = Criteria(rules)
        self._incomplete = c.combined("kd.incomplete", "incomplete", "all")
        self._entry = c.combined("kd.incomplete.entry", "entry", "any")
        self._by_signs = c.compact("kd.incomplete.entry.features", "entry.features", "all")
        self._enough_signs = c.at_least("kd.incomplete.features", "principal.incomplete")
        self._by_age = c.compact("kd.incomplete.entry.infant", "entry.infant", "all")
        self._infant = c.measured("kd.infant", "age.infant", "age_years")
        self._seven_days = c.measured("kd.fever.seven_days", "fever.seven_days", "fever.duration_hours")
        self._unexplained = c.compact("kd.unexplained", "unexplained", "not")
        self._explained = c.stated("kd.other_explanation", "other_explanation", "alternative_diagnosis")
        self._inflamed = c.combined("kd.inflammation", "inflammation", "any")
        self._crp = c.measured("kd.crp", "crp", "labs.crp")
        self._esr = c.measured("kd.esr", "esr", "labs.esr")
        self._supported = c.combined("kd.incomplete.support", "support", "any")
        self._labs = SupplementalLabs(rules, hemoglobin_limit)
        self._echo = KawasakiEcho(rules)

    def judge(self, facts: Facts, five_days: Finding, signs: tuple[Finding, ...], cautions: list[Caution]) -> Finding:
        """Judge one child whose fever and principal features are judged."""
        seven_days = self._seven_days.measured(facts.fever.duration_hours)
        unexplained = self._unexplained(self._explained.stated(facts.request.alternative_diagnosis))
        entry = self._entry(
            self._by_signs(five_days, self._enough_signs(*signs)),
            self._by_age(self._infant.measured(facts.age_years), seven_days, unexplained),
        )
        inflamed = self._inflamed(self._crp.measured(facts.lab("crp")), self._esr.measured(facts.lab("esr")))
        supported = self._supported(self._labs.judge(facts, cautions), self._echo.judge(facts))
        return self._incomplete(entry, inflamed, supported)


def needs_serial_evaluation(incomplete: Finding) -> bool:
    """Say whether a child enters the algorithm and leaves it at its first step, for want of inflammation."""
    entry, inflamed, _ = incomplete.of
    return entry.status == MET and inflamed.status == NOT_MET
