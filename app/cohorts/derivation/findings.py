"""The Findings behind one patient's derivation, made anew when the patient is read."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.phenotype import PhenotypeAnswer, PhenotypeClassifier
from app.clinical.rulebook import Rulebook
from app.clinical.treatment.indication import Indication, IndicationAnswer, IndicationRequest
from app.clinical.treatment.refractory import Definition, IvigCourse
from app.cohorts.derivation.child import child_of, presentation_of
from app.cohorts.derivation.derived import Derived
from app.cohorts.derivation.event_accounts import EventAccount
from app.cohorts.derivation.labs import LabReading
from app.cohorts.records import Anakinra, Ivig, PatientRecord


class PatientFindings(BaseModel):
    """Why a patient was derived as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phenotype: PhenotypeAnswer | None = Field(
        description="The full answer of POST /v1/phenotype for the record; null without a presentation or an age"
    )
    indication: IndicationAnswer | None = Field(
        description="The indication for anakinra at its first dose; null without anakinra"
    )
    adverse_events: tuple[EventAccount, ...] = Field(
        description="The laboratory values behind adverse events since treatment began"
    )
    missing: tuple[str, ...] = Field(description="What the record lacks for a Finding, by field")


class FindingsMaker:
    """Makes the Findings."""

    def __init__(self, rulebook: Rulebook, definition: Definition) -> None:
        self._classifier = PhenotypeClassifier(rulebook)
        self._indication = Indication(rulebook)
        self._definition = definition

    def __call__(
        self, record: PatientRecord, reading: LabReading, derived: Derived, events: Iterable[EventAccount]
    ) -> PatientFindings:
        """Return the Findings of a record that was admitted."""
        presentation = presentation_of(record, reading)
        missing = []
        if record.presentation is None:
            missing.append("presentation")
        if child_of(record).age_years is None:
            missing.append("age_years")
        return PatientFindings(
            phenotype=None if presentation is None else self._classifier.classify(presentation),
            indication=self._indicated(record, derived),
            adverse_events=tuple(events),
            missing=tuple(missing),
        )

    def _indicated(self, record: PatientRecord, derived: Derived) -> IndicationAnswer | None:
        course = derived.facts.get("anakinra")
        treatment = record.treatment
        if course is None or treatment is None or not isinstance(treatment.anakinra, Anakinra):
            return None
        ended = treatment.ivig.ended_hour if isinstance(treatment.ivig, Ivig) else None
        started = course["started_hour"]
        since = None if ended is None or started is None or started < ended else round(started - ended, 1)
        given = True if isinstance(treatment.ivig, Ivig) else treatment.ivig
        shock = {"yes": True, "no": False}.get(derived.facts["cv_shock"])
        request = IndicationRequest(
            icu_level_of_care=record.icu_level_of_care,
            cv_shock=shock,
            ivig=IvigCourse(given=given, hours_since_end=since, fever=course["fever_after_ivig"]),
            refractory_definition=self._definition,
            override_plausibility=True,
        )
        return self._indication(request)
