"""The phenotype of MIS-C as the study defines it, with everything it rests on, and what is said beside it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.admission import Admission
from app.clinical.case_definitions import CaseDefinitions, CaseDefinitionsResult
from app.clinical.coronary import Coronaries, CoronaryAnswer
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Finding, Truth
from app.clinical.facts import Facts
from app.clinical.kawasaki import Kawasaki, Subtype
from app.clinical.left_ventricle import LeftVentricle, LeftVentricleAnswer
from app.clinical.macrophage_activation import MacrophageActivation, MacrophageActivationResult
from app.clinical.missing import fewest, in_full
from app.clinical.presentation import Presentation
from app.clinical.quantities import Conversion
from app.clinical.reference_limits import ReferenceLimits
from app.clinical.rulebook import Rulebook
from app.clinical.rulebook.model import Provenance
from app.clinical.shock import CardiovascularShock, KawasakiShockSyndrome
from app.clinical.vasoactive import Vasoactives
from app.clinical.warning import Caution

Phenotype = Literal["non_specific", "kd_like", "cv_shock", "kdss_like"]
PhenotypeOrNot = Literal["non_specific", "kd_like", "cv_shock", "kdss_like", "indeterminate"]

# The study's four classes, by the two flags (KD-like, cardiovascular shock).
_CLASSES: Final[dict[tuple[Truth, Truth], Phenotype]] = {
    (NOT_MET, NOT_MET): "non_specific",
    (MET, NOT_MET): "kd_like",
    (NOT_MET, MET): "cv_shock",
    (MET, MET): "kdss_like",
}


def _possible(kd_like: Truth, cv_shock: Truth) -> tuple[Phenotype, ...]:
    return tuple(
        phenotype
        for (kd, shock), phenotype in _CLASSES.items()
        if kd_like in {kd, UNKNOWN} and cv_shock in {shock, UNKNOWN}
    )


# Where a single part decides a combination; elsewhere all parts that came out alike do.
_ONE_IS_ENOUGH: Final = {("any", MET), ("all", NOT_MET), ("first_known", MET), ("first_known", NOT_MET)}
_TRUTHS: Final[tuple[Truth, ...]] = (MET, NOT_MET, UNKNOWN)
POSSIBLE: Final = {(kd, shock): _possible(kd, shock) for kd in _TRUTHS for shock in _TRUTHS}


class PhenotypeAnswer(BaseModel):
    """The phenotype, why, and what is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phenotype: PhenotypeOrNot = Field(
        description="The study's class: KD-like, cardiovascular shock, both (kdss_like) or neither (non_specific); "
        "indeterminate while a flag that it needs is unknown"
    )
    possible_phenotypes: tuple[Phenotype, ...] = Field(description="The classes that remain")
    kd_like: Finding = Field(description="Complete or incomplete Kawasaki disease (AHA 2017)")
    kd_subtype: Subtype | None = Field(
        description="Which Kawasaki disease; null: not KD-like, or not known which (see the Finding)"
    )
    cv_shock: Finding = Field(description="Cardiovascular shock as the study defines it")
    kd_shock_syndrome: Finding = Field(
        description="Kawasaki disease shock syndrome by Kanegaye 2009: a separate rule set, not the kdss_like class"
    )
    case_definitions: CaseDefinitionsResult = Field(description="The MIS-C case definitions, side by side")
    macrophage_activation: MacrophageActivationResult = Field(
        description="Macrophage activation syndrome (2016 criteria) and HScore"
    )
    coronary: CoronaryAnswer = Field(description="Coronary class by Z-score and diameter (AHA 2017)")
    left_ventricle: LeftVentricleAnswer = Field(description="The left ventricle by the study's cut-off")
    vasoactive_inotropic_score: float | None = Field(
        description="Gaies 2010, points; null while an infusion or its rate is unknown"
    )
    decided_by: tuple[str, ...] = Field(description="The criteria that decided the flags, by id")
    missing: tuple[str, ...] = Field(
        description="The fewest inputs that could decide the phenotype: for some of their values they do"
    )
    missing_in_full: tuple[str, ...] = Field(
        description="Inputs that decide the phenotype whatever their values turn out to be"
    )
    conversions: tuple[Conversion, ...] = Field(description="How laboratory values were converted")
    warnings: tuple[Caution, ...] = Field(description="What to know before using the answer")
    rules: Provenance = Field(description="The rule sets behind the answer")


class PhenotypeClassifier:
    """Everything that `POST /v1/phenotype` answers, compiled once from the rulebook."""

    def __init__(self, rulebook: Rulebook) -> None:
        limits = ReferenceLimits(rulebook)
        self._left_ventricle = LeftVentricle(rulebook)
        self._admit = Admission(rulebook, self._left_ventricle)
        self._kawasaki = Kawasaki(rulebook, limits.hemoglobin_lower_limit)
        self._vasoactives = Vasoactives(rulebook)
        self._shock = CardiovascularShock(rulebook, self._vasoactives)
        self._syndrome = KawasakiShockSyndrome(rulebook)
        self._coronaries = Coronaries(rulebook)
        self._definitions = CaseDefinitions(rulebook)
        self._macrophages = MacrophageActivation(rulebook)
        rules = rulebook["misc-phenotype-2023"]
        self._is_fever = rulebook["cste-cdc-2023"].threshold("fever.temperature").is_met
        self._no_fever = Caution(code="fever_duration_without_fever", message=rules.text("disagree.fever"))
        self._rules = rules.provenance(
            self._kawasaki.rules,
            self._shock.rules,
            self._shock.pals.rules,
            self._syndrome.rules,
            self._vasoactives.rules,
            *self._definitions.rule_sets,
            *self._macrophages.rule_sets,
            limits.anaemia_rules,
            self._admit.quantities.rules,
        )

    def classify(self, request: Presentation) -> PhenotypeAnswer:
        """Classify one child.

        Raises `RefusedInputError` for numbers that are impossible or implausible, unknown analytes or units, and a
        strain whose sign is ambiguous.
        """
        facts, cautions = self._admit(request)
        kawasaki = self._kawasaki.judge(facts)
        shock = self._shock.judge(facts)
        kd_like, cv_shock = kawasaki.kd_like, shock.cv_shock
        definitions = self._definitions.judge(facts, hypotension=shock.hypotension, cv_shock=cv_shock)
        coronary = self._coronaries.judge(facts)
        ventricle = self._left_ventricle.judge(facts)
        possible = POSSIBLE[kd_like.status, cv_shock.status]
        return PhenotypeAnswer(
            phenotype=possible[0] if len(possible) == 1 else "indeterminate",
            possible_phenotypes=possible,
            kd_like=kd_like,
            kd_subtype=kawasaki.subtype,
            cv_shock=cv_shock,
            kd_shock_syndrome=self._syndrome.judge(facts, kd_like, shock.hypotension),
            case_definitions=definitions,
            macrophage_activation=self._macrophages.judge(facts),
            coronary=coronary.answer,
            left_ventricle=ventricle.answer,
            vasoactive_inotropic_score=self._vasoactives.score(facts),
            decided_by=deciding(kd_like, cv_shock),
            missing=fewest(kd_like, cv_shock),
            missing_in_full=in_full(kd_like, cv_shock),
            conversions=tuple([m.conversion for m in facts.labs.values() if m.conversion is not None]),
            warnings=_each_once(
                *cautions,
                *self._fever(facts),
                *kawasaki.cautions,
                *shock.cautions,
                *self._vasoactives.outside_score(facts),
                *definitions.cautions,
                *coronary.cautions,
                *ventricle.cautions,
            ),
            rules=self._rules,
        )

    def _fever(self, facts: Facts) -> tuple[Caution, ...]:
        """Warn of a fever that has a duration and no height: neither measured as one nor reported."""
        fever = facts.fever
        if not fever.duration_hours or fever.maximum_celsius is None or fever.subjective:
            return ()
        return () if self._is_fever(fever.maximum_celsius) else (self._no_fever,)


def _each_once(*cautions: Caution) -> tuple[Caution, ...]:
    return tuple(dict.fromkeys(cautions)) if cautions else cautions


def deciding(*findings: Finding) -> tuple[str, ...]:
    """Return the ids of the single criteria that decided these Findings; a Finding that is unknown has none."""
    found: list[str] = []
    for finding in findings:
        if finding.status != UNKNOWN:
            _collect_deciding(finding, found)
    return tuple(dict.fromkeys(found))


def _collect_deciding(finding: Finding, found: list[str]) -> None:
    if not finding.of:
        found.append(finding.id)
    one_is_enough = (finding.combine, finding.status) in _ONE_IS_ENOUGH
    for part in finding.of:
        if part.status == finding.status or finding.combine == "not":
            _collect_deciding(part, found)
            if one_is_enough:
                break
