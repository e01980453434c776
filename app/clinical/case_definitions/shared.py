"""Evidence that several case definitions ask for in the same words: signs, symptoms, tests, elevated laboratory values.

Judged once per request and shared. Nothing here compares with a number of a definition: each keeps its own. The one
number is the diameter of a giant aneurysm, from the rule set of the coronary classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from app.clinical.case_definitions.compact import Compact, Either, Proven, StatedFirst
from app.clinical.evidence import MET, NOT_MET, Criterion, Finding, reference
from app.clinical.facts import Facts, LimitCriterion
from app.clinical.giant_aneurysm import GiantAneurysm
from app.clinical.presentation import StatedResults, Symptoms
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution

BY_LIMITS: Final = "the reporting laboratory's own limits"
NO_SYMPTOMS: Final = Symptoms()
NO_RESULTS: Final = StatedResults()
_EXPOSURE: Final = "sars_cov_2.exposure"
_ONSET: Final = "sars_cov_2.exposure_days_before_onset"
_ADMISSION: Final = "sars_cov_2.exposure_days_before_admission"


@dataclass(slots=True)
class Shared:
    """Findings of one request that several definitions use, and the warnings they give rise to."""

    cautions: list[Caution]
    pcr: Finding
    antigen: Finding
    serology: Finding
    contact: Finding
    rash: Finding
    oral: Finding
    extremities: Finding
    skin_and_mucosa: Finding
    bowel: Finding
    shock: Finding
    hypotension: Finding
    microbial: Finding
    troponin: Finding
    crp: Finding
    esr: Finding
    procalcitonin: Finding
    d_dimer: Finding
    neutrophils: Finding
    lymphocytes: Finding
    giant_aneurysm: tuple[Finding, ...]


class SharedCriteria:
    """The criteria behind `Shared`, built once; a giant aneurysm by diameter is that of the coronary classes."""

    def __init__(self, coronaries: LoadedRuleSet) -> None:
        self._signs = _Signs()
        self._tests = _Tests()
        self._circulation = _Circulation()
        self._giant = GiantAneurysm(coronaries, "coronary.giant")
        self._pcr = fact("sars_cov_2.pcr_positive", "SARS-CoV-2 RNA was found")
        self._antigen = fact("sars_cov_2.antigen_positive", "SARS-CoV-2 antigen was found")
        self._serology = fact("sars_cov_2.serology_positive", "Antibodies against SARS-CoV-2 were found")
        self._contact = fact(_EXPOSURE, "Exposure to COVID-19 or likely contact with a patient")
        self._microbial = fact("microbial_cause", "Another microbial cause is obvious")

    def judge(self, facts: Facts, hypotension: Finding | None, cv_shock: Finding | None) -> Shared:
        """Judge what the definitions share; the two Findings of shock come from where they are shown in full."""
        cautions: list[Caution] = []
        sars, tests, signs = facts.sars, self._tests, self._signs
        rash, oral, extremities, conjunctivae = signs.each(facts)
        return Shared(
            cautions,
            self._pcr.stated(sars.pcr_positive),
            self._antigen.stated(sars.antigen_positive),
            self._serology.stated(sars.serology_positive),
            self._contact_of(facts),
            rash,
            oral,
            extremities,
            signs.skin_and_mucosa(rash, oral, conjunctivae, extremities),
            signs.bowel(facts.request.symptoms or NO_SYMPTOMS),
            self._circulation.shock(facts, cv_shock, cautions),
            self._circulation.hypotension(facts, hypotension),
            self._microbial.stated(facts.request.microbial_cause),
            tests.troponin(facts, cautions),
            tests.crp.judge(facts),
            tests.esr.judge(facts),
            tests.procalcitonin.judge(facts),
            tests.d_dimer.judge(facts, cautions),
            tests.neutrophils.judge(facts),
            tests.lymphocytes.judge(facts),
            self._giant.proofs(facts),
        )

    def _contact_of(self, facts: Facts) -> Finding:
        """Take a time since an exposure for the exposure itself; one after onset or admission proves nothing."""
        sars = facts.sars
        times = {_ONSET: sars.exposure_days_before_onset, _ADMISSION: sars.exposure_days_before_admission}
        for name, days in times.items():
            if days is not None and days >= 0:
                return self._contact.finding(MET, {name: days})
        return self._contact.stated(sars.exposure)


class _Signs:
    """Signs of skin and mucosa, and symptoms of the bowel."""

    def __init__(self) -> None:
        self._rash = fact("kawasaki_signs.rash", "Rash")
        self._oral = fact("kawasaki_signs.oral_changes", "Inflammation of lips or oral mucosa")
        self._extremities = fact("kawasaki_signs.extremity_changes", "Red, swollen or peeling hands or feet")
        self._conjunctivae = fact("kawasaki_signs.conjunctival_injection", "Conjunctival injection without exudate")
        self.skin_and_mucosa = Compact(
            "signs.mucocutaneous", "Rash, conjunctival injection, oral changes, or changes of hands and feet", "any"
        )
        self._pain = fact("symptoms.abdominal_pain", "Abdominal pain")
        self._vomiting = fact("symptoms.vomiting", "Vomiting")
        self._diarrhea = fact("symptoms.diarrhea", "Diarrhea")
        self._bowel = Compact("symptoms.gastrointestinal", "Abdominal pain, vomiting or diarrhea", "any")

    def each(self, facts: Facts) -> tuple[Finding, Finding, Finding, Finding]:
        signs = facts.signs
        return (
            self._rash.stated(signs.rash),
            self._oral.stated(signs.oral_changes),
            self._extremities.stated(signs.extremity_changes),
            self._conjunctivae.stated(signs.conjunctival_injection),
        )

    def bowel(self, symptoms: Symptoms) -> Finding:
        return self._bowel(
            self._pain.stated(symptoms.abdominal_pain),
            self._vomiting.stated(symptoms.vomiting),
            self._diarrhea.stated(symptoms.diarrhea),
        )


class _Tests:
    """Laboratory values judged by the reporting laboratory's own limits."""

    def __init__(self) -> None:
        self.crp = limit("crp", "C-reactive protein")
        self.esr = limit("esr", "Erythrocyte sedimentation rate")
        self.procalcitonin = limit("procalcitonin", "Procalcitonin")
        self.neutrophils = limit("neutrophils", "Neutrophils")
        self.lymphocytes = limit("lymphocytes", "Lymphocytes", "lower")
        self.d_dimer = Either(
            "d_dimer", "D-dimer", limit("d_dimer_feu", "D-dimer (FEU)"), limit("d_dimer_ddu", "D-dimer (DDU)")
        )
        self._assays = Either(
            "troponin", "Troponin", limit("troponin_i", "Troponin I"), limit("troponin_t", "Troponin T")
        )
        self._stated = fact("stated_results.troponin_elevated", "Troponin elevated, as a clinical note says")
        self._troponin = StatedFirst("troponin", "Troponin elevated, as stated or by the laboratory's limits")

    def troponin(self, facts: Facts, cautions: list[Caution]) -> Finding:
        stated = self._stated.stated((facts.request.stated_results or NO_RESULTS).troponin_elevated)
        return self._troponin.decide(stated, self._assays.judge(facts, cautions), cautions)


class _Circulation:
    """Shock and hypotension: a clinician's documentation first, then what the numbers prove."""

    def __init__(self) -> None:
        self._shock = Proven(Criterion("shock", "Shock, as documented", "hemodynamics.shock_documented"))
        self._proof = Criterion("shock.cv", "CV shock as the study defines it", "cv_shock")
        self._hypotension = fact("hemodynamics.hypotension", "Hypotension for age, as stated")

    def shock(self, facts: Facts, cv_shock: Finding | None, cautions: list[Caution]) -> Finding:
        status = NOT_MET if cv_shock is None else cv_shock.status
        return self._shock.decide(
            facts.hemodynamics.shock_documented, self._proof.finding(status, {"cv_shock": status}), cautions
        )

    def hypotension(self, facts: Facts, hypotension: Finding | None) -> Finding:
        if hypotension is None:
            return self._hypotension.stated(facts.hemodynamics.hypotension)
        return reference(hypotension)


def limit(slug: str, name: str, side: Literal["upper", "lower"] = "upper") -> LimitCriterion:
    """Make "elevated" (or "reduced") by the limit that the laboratory prints beside its result."""
    word, state = ("above", "elevated") if side == "upper" else ("below", "reduced")
    label = f"{name} {word} the laboratory's {side} limit"
    return LimitCriterion(f"labs.{slug}.{state}", label, slug, side, source=BY_LIMITS)


def fact(name: str, label: str) -> Criterion:
    """Make the criterion of a stated fact, named as its input."""
    return Criterion(name, label, name)
