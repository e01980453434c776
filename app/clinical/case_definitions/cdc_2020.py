"""The CDC's case definition of 14 May 2020 (HAN-00432), under which the study took its patients in."""

from __future__ import annotations

from typing import Final

from app.clinical.case_definitions.compact import Compact, Proven
from app.clinical.case_definitions.exposure import Exposure
from app.clinical.case_definitions.heart import VentricularDysfunction
from app.clinical.case_definitions.shared import Shared, fact, limit
from app.clinical.criteria import Criteria
from app.clinical.evidence import Combination, Criterion, Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet, Rulebook

RULE_SET: Final = "cdc-han-2020"
_ID: Final = "cdc_2020"


class Cdc2020:
    """Seven criteria, all needed; numbers from `cdc-han-2020.toml`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        c, source = Criteria(rules), rules.cite(rules.threshold("age"))
        self._age = c.measured(f"{_ID}.age", "age", "age_years")
        self._temperature = c.measured(f"{_ID}.fever.temperature", "fever.temperature", "fever.maximum_celsius")
        self._subjective = fact("fever.subjective", "Fever reported")
        self._feverish = Compact(f"{_ID}.fever.any", "Fever, measured or reported", "any", source=source)
        self._duration = c.measured(f"{_ID}.fever.duration", "fever.duration", "fever.duration_hours")
        self._fever = Combination(f"{_ID}.fever", "Fever, lasting long enough", "all", source=source)
        self._inflammation = _Inflammation(rules)
        self._severe = Criterion(f"{_ID}.severity", "Severe illness that needs a stay in hospital", "hospitalized")
        self._organs = _Organs(rules)
        self._alternative = fact("alternative_diagnosis", "Another diagnosis is plausible")
        self._no_alternative = Compact(f"{_ID}.no_alternative", "No other plausible diagnosis", "not", source=source)
        self._exposure = Exposure(_ID, rules, "sars_cov_2.exposure_days_before_onset")
        self._sars = Compact(f"{_ID}.sars_cov_2", "SARS-CoV-2 infection or exposure", "any", source=source)
        self._all = Combination(_ID, rules.content.rule_set.title, "all", source=source)

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        """Decide the definition; exactly 38.0 degrees Celsius is no fever here (decision D2)."""
        return self._all(
            self._age.measured(facts.age_years),
            self._fever_of(facts),
            self._inflammation.judge(facts, shared),
            self._severe.stated(facts.request.hospitalized),
            self._organs.judge(facts, shared),
            self._no_alternative(self._alternative.stated(facts.request.alternative_diagnosis)),
            self._sars_of(facts, shared),
        )

    def _fever_of(self, facts: Facts) -> Finding:
        fever = facts.fever
        feverish = self._feverish(
            self._temperature.measured(fever.maximum_celsius), self._subjective.stated(fever.subjective)
        )
        return self._fever(feverish, self._duration.measured(fever.duration_hours))

    def _sars_of(self, facts: Facts, shared: Shared) -> Finding:
        exposure = self._exposure.judge(facts.sars.exposure, facts.sars.exposure_days_before_onset, shared.cautions)
        return self._sars(shared.pcr, shared.serology, shared.antigen, exposure)


class _Inflammation:
    """One of eleven markers by the laboratory's limits; not met only when all eleven are known and normal."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._fibrinogen = limit("fibrinogen", "Fibrinogen")
        self._ferritin = limit("ferritin", "Ferritin")
        self._ldh = limit("ldh", "Lactate dehydrogenase")
        self._il_6 = limit("il_6", "Interleukin 6")
        self._albumin = limit("albumin", "Albumin", "lower")
        self._enough = Criteria(rules).at_least(f"{_ID}.inflammation", "inflammation.markers")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        return self._enough(
            shared.crp,
            shared.esr,
            self._fibrinogen.judge(facts),
            shared.procalcitonin,
            shared.d_dimer,
            self._ferritin.judge(facts),
            self._ldh.judge(facts),
            self._il_6.judge(facts),
            shared.neutrophils,
            shared.lymphocytes,
            self._albumin.judge(facts),
        )


class _Organs:
    """Two of seven organ systems: as stated, else proven by examples of involvement (decision D40).

    The definition does not say what involvement is. Examples can prove it; their absence proves nothing.
    """

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._heart_signs = _HeartSigns(rules)
        self._skin_signs = Compact(
            f"{_ID}.organs.mucocutaneous.signs", "rash, oral changes, or changes of hands and feet", "any"
        )
        self._cardiac, self._mucocutaneous = Proven(_organ("cardiac")), Proven(_organ("mucocutaneous"))
        self._gastrointestinal = Proven(_organ("gastrointestinal"))
        self._renal, self._respiratory = _organ("renal"), _organ("respiratory")
        self._hematologic, self._neurologic = _organ("hematologic"), _organ("neurologic")
        self._enough = Criteria(rules).at_least(f"{_ID}.organs", "organs.needed")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        stated, cautions = facts.organs, shared.cautions
        return self._enough(
            self._heart(facts, shared),
            self._renal.stated(stated.renal),
            self._respiratory.stated(stated.respiratory),
            self._hematologic.stated(stated.hematologic),
            self._gastrointestinal.decide(stated.gastrointestinal, shared.bowel, cautions),
            self._mucocutaneous.decide(
                stated.mucocutaneous, self._skin_signs(shared.rash, shared.oral, shared.extremities), cautions
            ),
            self._neurologic.stated(stated.neurologic),
        )

    def _heart(self, facts: Facts, shared: Shared) -> Finding:
        """Look for signs of the heart only when involvement is not stated: they could add nothing."""
        stated = facts.organs.cardiac
        if stated:
            return self._cardiac.stated(stated)
        return self._cardiac.decide(stated, self._heart_signs.judge(facts, shared), shared.cautions)


def _organ(name: str) -> Criterion:
    return Criterion(f"{_ID}.organs.{name}", f"{name.capitalize()} involvement", f"organ_involvement.{name}")


class _HeartSigns:
    """Examples of cardiac involvement (decision D40)."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._ventricle = VentricularDysfunction(f"{_ID}.organs.cardiac", rules, "organs.cardiac.lvef")
        self._bnp = limit("bnp", "BNP")
        self._nt_probnp = limit("nt_probnp", "NT-proBNP")
        self._aneurysm = fact("echocardiogram.coronary_aneurysm", "Coronary aneurysm")
        self._regurgitation = fact("echocardiogram.mitral_regurgitation", "Mitral regurgitation")
        self._effusion = fact("echocardiogram.pericardial_effusion", "Pericardial effusion")
        label = "troponin, BNP, ventricular dysfunction, aneurysm, mitral regurgitation, pericardial effusion or shock"
        self._any = Compact(f"{_ID}.organs.cardiac.signs", label, "any")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        echo = facts.echo
        return self._any(
            shared.troponin,
            self._bnp.judge(facts),
            self._nt_probnp.judge(facts),
            self._ventricle.judge(facts, shared.cautions),
            self._aneurysm.stated(echo.coronary_aneurysm),
            *shared.giant_aneurysm,
            self._regurgitation.stated(echo.mitral_regurgitation),
            self._effusion.stated(echo.pericardial_effusion),
            shared.shock,
        )
