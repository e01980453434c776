"""What speaks against anakinra, by the label: met is a concern, unknown was not checked, and nothing is presumed."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.clinical.anakinra.inputs import UNKNOWN_CONDITIONS, AnakinraPatient
from app.clinical.anakinra.protocol import Amount
from app.clinical.arithmetic import MONTHS_PER_YEAR, exact, shown, significant
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Criterion, Finding, Truth
from app.clinical.renal import BedsideSchwartz, Renal
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.rulebook.model import Threshold
from app.clinical.warning import Caution

_EGFR: Final = "egfr_ml_min_1_73m2"
_EGFR_INPUTS: Final = ("age_years", "height_cm", "creatinine_mg_dl")
_NEUTROPHILS: Final = "neutrophils_10e3_ul"


class Concern(NamedTuple):
    """One condition of the label: the criterion, the warning when it is met, and whether it forbids a plan."""

    field: str
    criterion: Criterion
    caution: Caution
    blocks: bool


class EgfrRule(NamedTuple):
    """A bound on the estimated GFR."""

    criterion: Criterion
    threshold: Threshold


class Safety(NamedTuple):
    """The outcome of all checks. With `blocks` there is no plan."""

    blocks: tuple[Caution, ...]
    cautions: tuple[Caution, ...]
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]
    egfr: float | None
    working: tuple[str, ...]


class _Found:
    """Collects what the checks find."""

    def __init__(self) -> None:
        self.blocks: list[Caution] = []
        self.cautions: list[Caution] = []
        self.findings: list[Finding] = []
        self.not_checked: dict[str, None] = {}

    def add(self, finding: Finding, caution: Caution, *, blocks: bool = False) -> None:
        """Note a finding, and its warning when it is met."""
        self.findings.append(finding)
        if finding.status == MET:
            (self.blocks if blocks else self.cautions).append(caution)
        elif finding.status == UNKNOWN:
            self.not_checked.update(dict.fromkeys(finding.missing))


class SafetyChecks:
    """The label's contraindications, interactions, renal and neutrophil rules (`kineret-label`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        label = rulebook["kineret-label"]
        self._label = label
        self._renal = BedsideSchwartz(rulebook)
        self._concerns = _concerns(label)
        self._maximum = label.threshold("maximum")
        self._above_maximum = Caution(code="above_label_maximum", message=label.text("above_maximum"))
        self._compile_organs(label)
        self._compile_eu(label)

    def _compile_organs(self, label: LoadedRuleSet) -> None:
        self._severe = _egfr_rule(label, "renal.severe", "Severe renal impairment")
        self._severe_caution = Caution(code="specialist_review_renal", message=label.text("renal.severe"))
        eu_too = f"{label.text('renal.severe')} {label.text('renal.severe.eu')}"
        self._severe_caution_eu = Caution(code="specialist_review_renal", message=eu_too)
        self._moderate = _egfr_rule(label, "renal.moderate", "Renal impairment, moderate or worse")
        self._moderate_caution = Caution(code="renal_impairment_moderate", message=label.text("renal.moderate"))
        self._neutropenia = _measured(label, "neutrophils", "Neutropenia at the start", _NEUTROPHILS)
        self._neutropenia_cautions = {
            key: Caution(code="neutropenia", message=label.text(f"neutrophils.{key}"))
            for key in ("us", "eu", "overridden")
        }

    def _compile_eu(self, label: LoadedRuleSet) -> None:
        self._eu_age, self._eu_weight = label.threshold("eu.age"), label.threshold("eu.weight")
        cite = label.cite(self._eu_age)
        self._eu_population = Criterion(
            "anakinra.safety.eu_population", "Outside the population of the EU label", ("age_years",), source=cite
        )
        self._eu_caution = Caution(code="outside_eu_label_population", message=label.text("eu.population"))

    def assess(self, patient: AnakinraPatient) -> Safety:
        """Check all that was sent, and name what was not. The numbers must have been found believable before."""
        found = _Found()
        self._check_conditions(patient, found)
        renal = self._renal(patient.age_years, patient.height_cm, patient.creatinine_mg_dl)
        self._check_renal(patient, renal, found)
        self._check_neutrophils(patient, found)
        if patient.jurisdiction == "eu":
            self._check_population(patient, found)
        if patient.age_years is None:
            found.not_checked["age_years"] = None
        return _closed(found, renal)

    def of_doses(self, *amounts: Amount) -> tuple[Caution, ...]:
        """Warn of doses that exceed the highest labelled one, as they are really given."""
        return (self._above_maximum,) if any(self._maximum.is_met(a.effective) for a in amounts) else ()

    def _check_conditions(self, patient: AnakinraPatient, found: _Found) -> None:
        conditions = patient.conditions or UNKNOWN_CONDITIONS
        for concern in self._concerns:
            finding = concern.criterion.stated(getattr(conditions, concern.field))
            found.add(finding, concern.caution, blocks=concern.blocks)

    def _check_renal(self, patient: AnakinraPatient, renal: Renal, found: _Found) -> None:
        severe = _judge_egfr(self._severe, renal)
        caution = self._severe_caution_eu if patient.jurisdiction == "eu" else self._severe_caution
        found.add(severe, caution, blocks=True)
        moderate = _judge_egfr(self._moderate, renal)
        found.findings.append(moderate)
        if moderate.status == MET and severe.status == NOT_MET:
            found.cautions.append(self._moderate_caution)
        if renal.caution is not None:
            found.cautions.append(renal.caution)

    def _check_neutrophils(self, patient: AnakinraPatient, found: _Found) -> None:
        finding = self._neutropenia.measured(patient.neutrophils_10e3_ul)
        key = "overridden" if patient.jurisdiction == "eu" and patient.override_neutrophils else patient.jurisdiction
        found.add(finding, self._neutropenia_cautions[key], blocks=key == "eu")

    def _check_population(self, patient: AnakinraPatient, found: _Found) -> None:
        used: dict[str, float] = {"weight_kg": patient.weight_kg}
        status: Truth = MET if self._eu_weight.is_met(patient.weight_kg) else NOT_MET
        if patient.age_years is not None:
            used["age_years"] = patient.age_years
            status = MET if self._eu_age.is_met(exact(patient.age_years) * MONTHS_PER_YEAR) else status
        elif status == NOT_MET:
            status = UNKNOWN
        found.add(self._eu_population.finding(status, used), self._eu_caution)


def _closed(found: _Found, renal: Renal) -> Safety:
    missing = tuple(found.not_checked)
    cautions = (*found.cautions, not_checked(missing)) if missing else tuple(found.cautions)
    egfr = None if renal.egfr is None else shown(renal.egfr)
    working = () if renal.working is None else (renal.working,)
    return Safety(tuple(found.blocks), cautions, tuple(found.findings), missing, egfr, working)


def not_checked(inputs: tuple[str, ...]) -> Caution:
    """Warn that inputs were not sent, so that what they would tell was not checked."""
    names = ", ".join(inputs)
    return Caution(code="not_checked", message=f"Not sent, so not checked (unknown, which is not no): {names}.")


def _judge_egfr(rule: EgfrRule, renal: Renal) -> Finding:
    criterion = rule.criterion
    if renal.egfr is not None:
        egfr = significant(renal.egfr)
        status: Truth = MET if rule.threshold.is_met(egfr) else NOT_MET
        return criterion.finding(status, {_EGFR: shown(egfr)})
    if renal.missing:
        return criterion.unknown(*renal.missing)
    # The estimate does not hold at this age, and no input would change that: nothing is missing.
    note = renal.caution.message if renal.caution else None
    return Finding(criterion.id, criterion.label, UNKNOWN, {}, criterion.threshold, criterion.source, note=note)


def _egfr_rule(label: LoadedRuleSet, key: str, text: str) -> EgfrRule:
    return EgfrRule(_measured(label, key, text, *_EGFR_INPUTS), label.threshold(key))


def _measured(label: LoadedRuleSet, key: str, text: str, *inputs: str) -> Criterion:
    row = label.threshold(key)
    return Criterion(f"anakinra.safety.{key}", text, inputs, source=label.cite(row), threshold=row)


def _concerns(label: LoadedRuleSet) -> tuple[Concern, ...]:
    rows = (
        ("e_coli_protein_hypersensitivity", "hypersensitivity", "Hypersensitivity", True),
        ("tnf_blocker", "tnf_blocker", "TNF blocker", False),
        ("active_serious_infection", "active_infection", "Active serious infection", False),
        ("live_vaccine_planned", "live_vaccine", "Live vaccine planned", False),
    )
    return tuple(_concern(label, *row) for row in rows)


def _concern(label: LoadedRuleSet, field: str, key: str, text: str, blocks: bool) -> Concern:  # noqa: FBT001 - a column of the table above
    row = next(t for t in label.content.text if t.id == key)
    criterion = Criterion(f"anakinra.safety.{field}", text, f"conditions.{field}", source=label.cite(row))
    return Concern(field, criterion, Caution(code=field, message=row.text), blocks)
