"""The World Health Organization's preliminary case definition of 15 May 2020."""

from __future__ import annotations

from typing import Final

from app.clinical.case_definitions.compact import Compact, Either, StatedFirst
from app.clinical.case_definitions.heart import Coronaries, VentricularDysfunction
from app.clinical.case_definitions.shared import NO_RESULTS, Shared, fact, limit
from app.clinical.criteria import Criteria
from app.clinical.evidence import Combination, Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet, Rulebook

RULE_SET: Final = "who-2020"
_ID: Final = "who_2020"


class Who2020:
    """Six criteria, all needed; numbers from `who-2020.toml`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        c, source = Criteria(rules), rules.cite(rules.threshold("age"))
        self._age = c.measured(f"{_ID}.age", "age", "age_years")
        self._fever = c.measured(f"{_ID}.fever.duration", "fever.duration", "fever.duration_hours")
        self._circulation = Compact(f"{_ID}.circulation", "Hypotension or shock", "any")
        self._heart = _Heart(rules)
        self._clotting = _Clotting()
        self._features = c.at_least(f"{_ID}.features", "features.needed")
        self._inflammation = Compact(f"{_ID}.inflammation", "ESR, CRP or procalcitonin elevated", "any", source=source)
        self._no_microbe = Compact(f"{_ID}.no_microbial_cause", "No other microbial cause", "not", source=source)
        self._sars = Compact(f"{_ID}.sars_cov_2", "Evidence of COVID-19, or likely contact", "any", source=source)
        self._all = Combination(_ID, rules.content.rule_set.title, "all", source=source)

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        """Decide the definition; another microbial cause must be stated or denied, it is never inferred."""
        return self._all(
            self._age.measured(facts.age_years),
            self._fever.measured(facts.fever.duration_hours),
            self._features_of(facts, shared),
            self._inflammation(shared.esr, shared.crp, shared.procalcitonin),
            self._no_microbe(shared.microbial),
            self._sars(shared.pcr, shared.antigen, shared.serology, shared.contact),
        )

    def _features_of(self, facts: Facts, shared: Shared) -> Finding:
        return self._features(
            shared.skin_and_mucosa,
            self._circulation(shared.hypotension, shared.shock),
            self._heart.judge(facts, shared),
            self._clotting.judge(facts, shared),
            shared.bowel,
        )


class _Heart:
    """Myocardial dysfunction, pericarditis, valvulitis or coronary abnormality, by echocardiogram or heart markers."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._ventricle = VentricularDysfunction(f"{_ID}.cardiac", rules, "cardiac.lvef")
        self._coronaries = Coronaries(f"{_ID}.cardiac", rules, "cardiac.coronary_z")
        self._valve = fact("echocardiogram.mitral_regurgitation", "Valvulitis: mitral regurgitation")
        self._pericardium = fact("echocardiogram.pericardial_effusion", "Pericarditis: pericardial effusion")
        self._nt_probnp = limit("nt_probnp", "NT-proBNP")
        self._any = Combination(f"{_ID}.cardiac", "Features of the heart", "any")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        echo = facts.echo
        return self._any(
            self._ventricle.judge(facts, shared.cautions),
            self._pericardium.stated(echo.pericardial_effusion),
            self._valve.stated(echo.mitral_regurgitation),
            self._coronaries.judge(facts, shared),
            shared.troponin,
            self._nt_probnp.judge(facts),
        )


class _Clotting:
    """Coagulopathy, as stated or by PT (or its INR), PTT and D-dimer."""

    def __init__(self) -> None:
        self._stated = fact("stated_results.coagulopathy", "Coagulopathy, as stated")
        self._pt = Either("prothrombin", "Prothrombin time", limit("pt", "Prothrombin time"), limit("inr", "INR"))
        self._aptt = limit("aptt", "Partial thromboplastin time")
        self._measured = Compact(f"{_ID}.coagulopathy.measured", "PT, PTT or D-dimer elevated", "any")
        self._either = StatedFirst(f"{_ID}.coagulopathy", "Coagulopathy, as stated or by PT, PTT and D-dimer")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        stated = self._stated.stated((facts.request.stated_results or NO_RESULTS).coagulopathy)
        pt = self._pt.judge(facts, shared.cautions)
        measured = self._measured(pt, self._aptt.judge(facts), shared.d_dimer)
        return self._either.decide(stated, measured, shared.cautions)
