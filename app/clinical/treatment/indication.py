"""Indication for anakinra: adjunct of the critically ill, rescue of the refractory, or neither (the study)."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, Field

from app.clinical.arithmetic import exact, shown
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Combination, Criterion, Finding, Truth, reference
from app.clinical.missing import fewest, in_full
from app.clinical.patient import Answer, Fact, strict
from app.clinical.quantities import Quantities
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Provenance, Rulebook
from app.clinical.treatment.refractory import DEFINITIONS, FEVER, NOTHING_KNOWN, Definition, IvigCourse, Refractory
from app.clinical.warning import Caution

Indicated = Literal["adjunct", "rescue", "not_indicated", "unknown"]
EVIDENCE_FROM: Final = "childrens-national-2020"


class IndicationRequest(BaseModel):
    """Whether the child is critically ill, and how it did after IVIG. Everything is optional."""

    model_config = strict(
        """{"icu_level_of_care": false, "cv_shock": false, "ivig": {"given": true, "hours_since_end": 40,
            "fever": true, "temperature_celsius": 39.1, "improved": false}, "refractory_definition": "aha_36h"}"""
    )

    icu_level_of_care: Fact = Field(default=None, description="Needs the care of an intensive care unit")
    cv_shock: Fact = Field(default=None, description="Cardiovascular shock (see POST /v1/phenotype)")
    ivig: IvigCourse | None = Field(default=None, description="The course after IVIG")
    refractory_definition: Definition = Field(
        default="aha_36h",
        description="aha_36h: fever 36 h or more after the end of IVIG; jcs_24h: the same from 24 h; "
        "nih_24h: no improvement within 24 h",
    )
    override_plausibility: bool = Field(
        default=False, description="Accept values outside the plausible (not the possible) range"
    )


class IndicationAnswer(Answer):
    """The indication by the study's protocol, and why. Not advice to treat: the clinicians judge."""

    indication: Indicated = Field(description="adjunct outranks rescue; unknown: see possible_indications and missing")
    possible_indications: tuple[Indicated, ...] = Field(description="What remains possible; one, when it is decided")
    critically_ill: Finding = Field(description="Intensive-care level of care, or cardiovascular shock")
    refractory: Finding = Field(description="Refractory to IVIG by the definition chosen")
    indicated: Finding = Field(description="Either of the two")
    refractory_definition: Definition = Field(description="The definition used")
    hours_to_wait: float | None = Field(description="Hours until the window has elapsed; null when it has, or unknown")
    missing: tuple[str, ...] = Field(description="The fewest inputs that could decide")
    missing_in_full: tuple[str, ...] = Field(description="The inputs that decide whatever they turn out to be")
    warnings: tuple[Caution, ...] = Field(description="What to know beside it")
    rules: Provenance = Field(description="The rule sets behind the answer")


class Outcome(NamedTuple):
    """The indication, and what else it could be."""

    indication: Indicated
    possible: tuple[Indicated, ...]


class Indication:
    """Answers `POST /v1/treatment/indication`."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules, ivig = rulebook["anakinra-indication-2020"], rulebook["ivig-refractory"]
        acr, nih = rulebook["acr-misc-2022"], rulebook["nih-misc-2022"]
        self._quantities = Quantities(rulebook)
        self._rules = rules.provenance(ivig, rulebook[EVIDENCE_FROM], acr, nih, rulebook["body-measures"])
        self._refractory = {d: Refractory(d, ivig) for d in DEFINITIONS}
        self._late = ivig.threshold("aha_late")
        self._late_caution = Caution(code="fever_late_after_ivig", message=ivig.text("late"))
        source = _cite(rules, "critically_ill")
        self._icu = Criterion("anakinra.icu", "Intensive-care level of care", "icu_level_of_care", source=source)
        self._shock = Criterion("anakinra.cv_shock", "Cardiovascular shock", "cv_shock", source=source)
        self._critical = Combination("anakinra.critically_ill", rules.text("critically_ill"), "any", source=source)
        study = _cite(rules, "adjunct")
        self._indicated = Combination("anakinra.indicated", "Anakinra as adjunct or rescue", "any", source=study)
        self._warnings = (
            Caution(code="diagnosis_assumed", message=rules.text("assumed")),
            Caution(code="evidence_limited", message=rulebook[EVIDENCE_FROM].text("evidence")),
            Caution(code="differs_from_acr", message=acr.text("differs")),
            Caution(code="differs_from_nih", message=nih.text("differs")),
        )

    def __call__(self, request: IndicationRequest) -> IndicationAnswer:
        """Decide the indication; raises `RefusedInputError` for numbers that cannot be, or facts that contradict."""
        ivig = request.ivig or NOTHING_KNOWN
        body = self._checked(ivig, override=request.override_plausibility)
        critical = self._critical(self._icu.stated(request.icu_level_of_care), self._shock.stated(request.cv_shock))
        refractory = self._refractory[request.refractory_definition](ivig)
        indicated = self._indicated(reference(critical), reference(refractory))
        outcome = _outcome(critical.status, refractory.status)
        return IndicationAnswer(
            indication=outcome.indication,
            possible_indications=outcome.possible,
            critically_ill=critical,
            refractory=refractory,
            indicated=indicated,
            refractory_definition=request.refractory_definition,
            hours_to_wait=self._to_wait(request.refractory_definition, ivig),
            missing=_missing(outcome, critical, refractory),
            missing_in_full=in_full(critical, refractory) if outcome.indication == "unknown" else (),
            warnings=(*body, *_contradicted(refractory), *self._of_late(request, ivig, refractory), *self._warnings),
            rules=self._rules,
        )

    def _checked(self, ivig: IvigCourse, *, override: bool) -> tuple[Caution, ...]:
        if ivig.hours_since_end is not None and ivig.given is False:
            message = "hours_since_end was sent although given is false: leave one of them out."
            raise RefusedInputError(InputError("/ivig/given", "contradiction", message))
        measured = (
            ("duration_hours", ivig.hours_since_end, "/ivig/hours_since_end"),
            ("temperature_celsius", ivig.temperature_celsius, "/ivig/temperature_celsius"),
        )
        return self._quantities.check_each(measured, override=override)

    def _of_late(self, request: IndicationRequest, ivig: IvigCourse, refractory: Finding) -> tuple[Caution, ...]:
        """Warn of a fever after the AHA's window has closed; the other definitions name no end."""
        hours = ivig.hours_since_end
        if request.refractory_definition != "aha_36h" or refractory.status != MET:
            return ()
        return () if hours is None or not self._late.is_met(hours) else (self._late_caution,)

    def _to_wait(self, definition: Definition, ivig: IvigCourse) -> float | None:
        window = self._refractory[definition].window
        if ivig.hours_since_end is None or window.is_met(ivig.hours_since_end):
            return None
        return shown(window.value - exact(ivig.hours_since_end))


def _outcome(critical: Truth, refractory: Truth) -> Outcome:
    """Adjunct outranks rescue; what is unknown leaves open what it could be."""
    possible: list[Indicated] = []
    if critical != NOT_MET:
        possible.append("adjunct")
    if critical != MET and refractory != NOT_MET:
        possible.append("rescue")
    if MET not in {critical, refractory}:
        possible.append("not_indicated")
    return Outcome(possible[0] if len(possible) == 1 else "unknown", tuple(possible))


def _missing(outcome: Outcome, critical: Finding, refractory: Finding) -> tuple[str, ...]:
    """Ask first what could decide the indication with the fewest inputs: being critically ill settles it alone."""
    if outcome.indication != "unknown":
        return ()
    if critical.status == UNKNOWN:
        return fewest(critical)
    return fewest(refractory)


def _contradicted(refractory: Finding) -> tuple[Caution, ...]:
    """Warn when a stated fever and the temperature disagree."""
    known = {part.status for sign in refractory.of if sign.id == FEVER for part in sign.of} - {UNKNOWN}
    return (_DISAGREE,) if len(known) > 1 else ()


_DISAGREE: Final = Caution(
    code="stated_and_measured_disagree",
    message="ivig.fever and ivig.temperature_celsius disagree; the stated fever counts.",
)


def _cite(rules: LoadedRuleSet, key: str) -> str:
    return rules.cite(next(t for t in rules.content.text if t.id == key))
