"""The surveillance definition of CSTE and CDC in force since 2023: confirmed, probable, suspect or not a case."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from app.clinical.case_definitions.compact import Compact
from app.clinical.case_definitions.exposure import Exposure
from app.clinical.case_definitions.heart import Coronaries
from app.clinical.case_definitions.shared import Shared, fact
from app.clinical.case_definitions.surveillance import CaseClass, Evidence, possible_classes
from app.clinical.criteria import Criteria
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Combination, Finding, Truth
from app.clinical.facts import Facts
from app.clinical.missing import fewest
from app.clinical.presentation import Presentation
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.struct import documented
from app.clinical.warning import Caution

RULE_SET: Final = "cste-cdc-2023"
_ID: Final = "cste_2023"


@documented
class CsteFinding(Finding, gc=False):
    """The Finding "is a case" with the class of the case; its `missing` names what would decide the class."""

    case_class: Annotated[
        CaseClass | None, Field(description="The class, or null when what is known leaves several possible")
    ] = None
    possible_case_classes: Annotated[
        tuple[CaseClass, ...], Field(description="The classes that what is known leaves possible")
    ] = ()


class Cste2023:
    """Clinical criteria with laboratory evidence or linkage, or vital records; numbers from `cste-cdc-2023.toml`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        source = rules.cite(rules.threshold("age"))
        self._age = Criteria(rules).measured(f"{_ID}.age", "age", "age_years")
        self._clinical = _Clinical(rules)
        self._laboratory = _Laboratory(rules)
        self._linkage = Exposure(_ID, rules, "sars_cov_2.exposure_days_before_admission")
        self._evidence = Combination(f"{_ID}.evidence", "Laboratory evidence or linkage", "any")
        self._with_evidence = Combination(f"{_ID}.with_evidence", "Clinical criteria with evidence", "all")
        self._confirmed = Combination(f"{_ID}.confirmed", "Clinical criteria with laboratory evidence", "all")
        self._records = _VitalRecords()
        self._either = Combination(f"{_ID}.either", "Clinical criteria with evidence, or vital records", "any")
        self._all = Combination(_ID, rules.content.rule_set.title, "all", source=source)

    def judge(self, facts: Facts, shared: Shared) -> CsteFinding:
        """Decide whether it is a case, and of which class."""
        age = self._age.measured(facts.age_years)
        clinical = self._clinical.judge(facts, shared)
        laboratory = self._laboratory.judge(facts, shared)
        sars = facts.sars
        linkage = self._linkage.judge(sars.exposure, sars.exposure_days_before_admission, shared.cautions)
        records = self._records.judge(facts, shared.cautions)
        with_evidence = self._with_evidence(clinical, self._evidence(laboratory, linkage))
        case = self._all(age, self._either(with_evidence, records))
        request = facts.request
        return _classify(
            case,
            (self._confirmed(clinical, laboratory), with_evidence),
            Evidence(
                age.status,
                self._clinical.status_but_severity(clinical),
                laboratory.status,
                linkage.status,
                request.hospitalized,
                _died(request),
                request.death_certificate_names_mis,
            ),
        )


def _classify(case: Finding, by_evidence: tuple[Finding, Finding], evidence: Evidence) -> CsteFinding:
    """Add the class. Of a case it turns on whether there is evidence, and from a laboratory; else it is suspect."""
    classes = possible_classes(evidence)
    decided = len(classes) == 1
    missing = fewest(*by_evidence) if case.status == MET and not decided else case.missing
    finding = CsteFinding(
        case.id,
        case.label,
        case.status,
        {},
        None,
        case.source,
        missing,
        case.of,
        case.combine,
        case_class=classes[0] if decided else None,
        possible_case_classes=classes,
    )
    finding.pattern = case.pattern
    return finding


class _Clinical:
    """Severity, fever, CRP and two categories of manifestation, without a more likely diagnosis."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        c = Criteria(rules)
        self._hospital = fact("hospitalized", "Needs a stay in hospital")
        self._death = fact("died", "Resulted in death")
        self._severity = Compact(f"{_ID}.severity", "Stay in hospital or death", "any")
        self._temperature = c.measured(f"{_ID}.fever.temperature", "fever.temperature", "fever.maximum_celsius")
        self._subjective = fact("fever.subjective", "Fever reported")
        self._fever = Compact(f"{_ID}.fever", "Fever, measured or reported", "any")
        self._crp = c.measured(f"{_ID}.inflammation.crp", "inflammation.crp", "labs.crp")
        self._diagnosis = _Diagnosis()
        self._categories = _Categories(rules)
        self._all = Combination(f"{_ID}.clinical", "Clinical criteria", "all")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        fever, request = facts.fever, facts.request
        return self._all(
            self._severity(self._hospital.stated(request.hospitalized), self._death.stated(_died(request))),
            self._fever(self._temperature.measured(fever.maximum_celsius), self._subjective.stated(fever.subjective)),
            self._crp.measured(facts.lab("crp")),
            self._diagnosis.judge(facts, shared.cautions),
            self._categories.judge(facts, shared),
        )

    @staticmethod
    def status_but_severity(clinical: Finding) -> Truth:
        """Return the truth of the clinical criteria but the first: severity shares `died` with the vital records."""
        statuses = [f.status for f in clinical.of[1:]]
        if NOT_MET in statuses:
            return NOT_MET
        return UNKNOWN if UNKNOWN in statuses else MET


class _Diagnosis:
    """No more likely diagnosis; a treating team's final diagnosis of Kawasaki disease is one."""

    def __init__(self) -> None:
        self._alternative = fact("alternative_diagnosis", "Another diagnosis is more likely")
        self._none = Compact(f"{_ID}.no_alternative", "No more likely diagnosis", "not")
        self._caution = Caution(
            code="final_diagnosis_counts",
            message="CSTE/CDC 2023: the final diagnosis of Kawasaki disease was taken as an alternative diagnosis, "
            "though alternative_diagnosis is false.",
        )

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        request = facts.request
        if not request.final_diagnosis_kawasaki:
            return self._none(self._alternative.stated(request.alternative_diagnosis))
        if request.alternative_diagnosis is False:
            cautions.append(self._caution)
        return self._none(self._alternative.finding(MET, {"final_diagnosis_kawasaki": True}))


class _Categories:
    """Two of five categories of new manifestations."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        c = Criteria(rules)
        self._lvef = c.measured(f"{_ID}.cardiac.lvef", "cardiac.lvef", "echocardiogram.lvef_percent")
        self._coronaries = Coronaries(f"{_ID}.cardiac", rules, "cardiac.coronary_z")
        self._cardiac = Combination(f"{_ID}.cardiac", "Cardiac involvement", "any")
        self._platelets = c.measured(f"{_ID}.hematologic.platelets", "hematologic.platelets", "labs.platelets")
        self._lymphocytes = c.measured(f"{_ID}.hematologic.lymphocytes", "hematologic.lymphocytes", "labs.lymphocytes")
        self._hematologic = Combination(f"{_ID}.hematologic", "Hematologic involvement", "any")
        self._enough = c.at_least(f"{_ID}.categories", "categories.needed")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        cardiac = self._cardiac(
            self._lvef.measured(facts.echo.lvef_percent),
            self._coronaries.judge(facts, shared),
            shared.troponin,
        )
        hematologic = self._hematologic(
            self._platelets.measured(facts.lab("platelets")), self._lymphocytes.measured(facts.lab("lymphocytes"))
        )
        return self._enough(cardiac, shared.skin_and_mucosa, shared.shock, shared.bowel, hematologic)


class _Laboratory:
    """RNA or antigen in a specimen of the last 60 days or of the stay, or antibodies with the illness."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._virus = Compact(f"{_ID}.laboratory.virus", "SARS-CoV-2 RNA or antigen", "any")
        self._in_time = Criteria(rules).measured(
            f"{_ID}.laboratory.days", "laboratory.days", "sars_cov_2.days_before_admission"
        )
        self._recent = Compact(f"{_ID}.laboratory.recent", "RNA or antigen, in time", "all")
        self._any = Compact(f"{_ID}.laboratory", "Laboratory evidence: RNA or antigen in time, or antibodies", "any")

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        in_time = self._in_time.measured(facts.sars.days_before_admission)
        return self._any(self._recent(self._virus(shared.pcr, shared.antigen), in_time), shared.serology)


class _VitalRecords:
    """A death certificate that names MIS; who lives has none."""

    def __init__(self) -> None:
        self._death = fact("died", "The child has died")
        self._certificate = fact(
            "death_certificate_names_mis", "The death certificate names MIS as underlying or contributing cause"
        )
        self._both = Compact(f"{_ID}.vital_records", "A death certificate that names MIS", "all")
        self._caution = Caution(
            code="death_certificate_disagrees",
            message="died is false, yet a death certificate was sent as naming MIS; the certificate was used.",
        )

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        request = facts.request
        if request.death_certificate_names_mis and request.died is False:
            cautions.append(self._caution)
        return self._both(
            self._death.stated(_died(request)), self._certificate.stated(request.death_certificate_names_mis)
        )


def _died(request: Presentation) -> bool | None:
    """Say whether the child has died: a certificate that names MIS presupposes it."""
    return True if request.death_certificate_names_mis else request.died
