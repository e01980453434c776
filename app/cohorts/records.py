"""A patient's record: what a cohort is made of. Times are hours since admission, never dates.

Everything is optional but `patient_id`. Absent and null both mean unknown, with one exception that is said where it
holds: within `treatment`, what is not listed was not given. Models only; what must fit together stands in
`derivation.contradictions`, what a pseudonym is in `pseudonym`.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Annotated, Final, Literal

from msgspec import UnsetType
from pydantic import Discriminator, Field, Strict, Tag

from app.clinical.patient import strict
from app.clinical.presentation import Echocardiogram, Fact, Part, Presentation
from app.clinical.quantities import LabMeasurement

MAXIMUM_LABS: Final = 5000
MAXIMUM_TEMPERATURES: Final = 5000
MAXIMUM_ECHOCARDIOGRAMS: Final = 100
MAXIMUM_DOSES: Final = 1000
MAXIMUM_EVENTS: Final = 500
MAXIMUM_ID: Final = 64
MAXIMUM_AGENT: Final = 40

Ancestry = Literal[
    "african_american",
    "latin_american",
    "caucasian",
    "asian",
    "native_american",
    "pacific_islander",
    "middle_eastern",
    "other",
]
Site = Literal[
    "oral", "rectal", "axillary", "tympanic", "temporal", "forehead", "bladder", "esophageal", "central", "other"
]
Purpose = Literal["stress", "inflammatory"]
Role = Literal["adjunct", "rescue"]


class AtPresentation(Presentation):
    """The phenotype request's fields. The age may stand here or at the record, the sex and the weight too."""

    model_config = strict()

    age_years: float | None = Field(  # type: ignore[assignment]  # a record may give it one floor up
        default=None, description="Age, years (0.5 = six months), 0 to 60; must equal the record's where both are sent"
    )


def _branch(value: object) -> str:
    """Say which branch a treatment takes, so that a fault inside its object is the only one reported."""
    return "said" if isinstance(value, bool) else "given"


class StatedPhenotype(Part):
    """The two flags as the clinicians stated them. They decide; what is derived is kept beside them."""

    kd_like: Fact = Field(default=None, description="KD-like: complete or incomplete Kawasaki disease (KDSS-like too)")
    cv_shock: Fact = Field(default=None, description="Cardiovascular shock (KDSS-like too)")


class Ivig(Part):
    """Intravenous immunoglobulin."""

    dose_g_kg: float | None = Field(default=None, description="Dose, g/kg, above 0 and up to 8; usually 2")
    started_hour: float | None = Field(default=None, description="Start of the infusion, hours since admission")
    ended_hour: float | None = Field(default=None, description="End of the infusion, hours since admission")


class DoseStep(Part):
    """A dose and since when it held, until the next entry."""

    hour: float = Field(description="Hours since admission, -720 to 8760")
    mg_kg_day: float = Field(description="Dose of the whole day, mg/kg/day, 0 (stopped) to 48")


class Anakinra(Part):
    """A course of anakinra. What is not stated is derived from `doses` and the hours where they tell it."""

    role: Role | None = Field(
        default=None, description="adjunct: given to a critically ill child; rescue: after IVIG had failed"
    )
    started_hour: float | None = Field(default=None, description="First dose, hours since admission, -720 to 8760")
    stopped_hour: float | None = Field(default=None, description="Stop, hours since admission; not before the start")
    initiation_hospital_day: int | None = Field(
        default=None, description="Hospital day of the first dose; the day of admission is 1; 1 to 365"
    )
    starting_mg_kg_day: float | None = Field(default=None, description="First dose, mg/kg/day, above 0 and up to 48")
    maximum_mg_kg_day: float | None = Field(default=None, description="Highest dose, mg/kg/day, above 0 and up to 48")
    maximum_mg_per_dose: float | None = Field(default=None, description="Highest single dose, mg, above 0, up to 1000")
    duration_days: float | None = Field(default=None, description="Days on anakinra, 0 to 365")
    doses: Annotated[tuple[DoseStep, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=MAXIMUM_DOSES, description="Every change of dose in the order of time"
    )


class Corticosteroid(Part):
    """One course of corticosteroids."""

    purpose: Purpose | None = Field(
        default=None, description="stress: for adrenal support; inflammatory: against inflammation; null: unknown"
    )
    agent: str | None = Field(
        default=None,
        max_length=MAXIMUM_AGENT,
        # No digits, and no second word with a capital: neither numbers nor people's names have a place here. Which
        # words are agents is looked up when the record is derived (`derivation.agents`).
        pattern="^([A-Z]?[a-z]+|[A-Z]+)([ -][a-z]+)*$",
        description='Agent by its generic name, such as "hydrocortisone": up to 40 letters, with a space or hyphen '
        "between words and capitals in the first word only; nothing about a person",
    )


# What a treatment is when nothing is told of it: structs that stand in for it (intake.quick) have UNSET for absent.
_SAID: Final = (bool, UnsetType)
Given = Tag("given")
Said = Tag("said")


class Treatment(Part):
    """What was given. What is not listed here was not given; a treatment listed as null is unknown."""

    ivig: Annotated[Annotated[Ivig, Given] | Annotated[bool, Said], Discriminator(_branch)] | None = Field(
        default=None, description="IVIG: an object or true when given, false when not, null when unknown"
    )
    aspirin: Fact = Field(default=None, description="Aspirin was given; null when unknown")
    anakinra: Annotated[Annotated[Anakinra, Given] | Annotated[Literal[False], Said], Discriminator(_branch)] | None = (
        Field(default=None, description="Anakinra: an object when given, false when not, null when unknown")
    )
    corticosteroids: Annotated[tuple[Corticosteroid, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=20, description="Corticosteroids; [] when none was given, null when unknown"
    )


class Temperature(Part):
    """One temperature. Only oral and rectal ones count for defervescence."""

    hour: float = Field(description="Hours since admission, -720 to 8760; negative before admission")
    celsius: float = Field(description="Degrees Celsius, plausible from 30 to 43.5")
    site: Site | None = Field(default=None, description="Where it was taken; without it, it does not count")


class StatedDefervescence(Part):
    """When the fever ended, as stated: the first oral or rectal temperature below 38.0 Celsius."""

    hours: float = Field(description="Hours from admission to the end of the fever, or to the last look, 0 to 2400")
    observed: bool = Field(description="true: the fever ended then; false: it had not ended when last looked at")


class DatedEchocardiogram(Echocardiogram):
    """One echocardiogram and its day."""

    model_config = strict()

    day: float = Field(description="Hospital day; the day of admission is 1; -30 to 3650; in the order of time")


class TimedLab(LabMeasurement):
    """One laboratory result and its hour. Limits are the reporting laboratory's, in the unit of the value."""

    hour: float | None = Field(default=None, description="Hours since admission, -720 to 8760; without it: no order")


class Cytokine(Part):
    """One cytokine: as a multiple of the upper limit of normal, or as a value with unit and limit."""

    fold: float | None = Field(default=None, description="Value / upper limit of normal, 0 to 100000")
    value: float | None = Field(default=None, description="The result in `unit`")
    unit: str | None = Field(default=None, min_length=1, max_length=40, description='Unit of value and limit ("pg/mL")')
    upper_limit: float | None = Field(default=None, description="Upper limit of normal in `unit`, above 0")


class Cytokines(Part):
    """The cytokines of the study, first values."""

    ifn_gamma: Cytokine | None = Field(default=None, description="Interferon gamma")
    il_1_beta: Cytokine | None = Field(default=None, description="Interleukin 1 beta")
    il_2: Cytokine | None = Field(default=None, description="Interleukin 2")
    il_6: Cytokine | None = Field(default=None, description="Interleukin 6")
    il_8: Cytokine | None = Field(default=None, description="Interleukin 8")
    il_10: Cytokine | None = Field(default=None, description="Interleukin 10")
    il_12: Cytokine | None = Field(default=None, description="Interleukin 12")
    il_17: Cytokine | None = Field(default=None, description="Interleukin 17")
    sil_2r: Cytokine | None = Field(default=None, description="Soluble interleukin 2 receptor")
    tnf_alpha: Cytokine | None = Field(default=None, description="Tumour necrosis factor alpha")


class AdverseEvent(Part):
    """One adverse event: a CTCAE term with its grade or the facts that grade it, or `rehospitalization`."""

    term: str = Field(
        min_length=1,
        max_length=200,
        description="CTCAE 5.0 term by slug, official name or MedDRA code; or an event as the study names it: "
        "elevated_lfts, neutropenia, hemolytic_anemia, anaphylaxis, rash, rehospitalization (not a CTCAE term)",
    )
    grade: int | None = Field(default=None, ge=0, le=5, description="CTCAE grade; 0: looked for and not there")
    facts: dict[str, bool | float | str] | None = Field(
        default=None,
        max_length=30,
        description="The fields of POST /v1/ctcae/grade that grade the term, such as body_surface_percent",
    )


class Outcome(Part):
    """How it ended."""

    died: Fact = Field(default=None, description="The child died")
    thrombosis: Fact = Field(default=None, description="A thrombosis occurred")
    readmitted: Fact = Field(default=None, description="The child was admitted again")
    length_of_stay_days: float | None = Field(
        default=None, description="Days in hospital, 0 to 3650, plausible up to 1000"
    )
    discharged_hour: float | None = Field(default=None, description="Discharge, hours since admission, 0 to 8760")


class PatientRecord(Part):
    """One patient of a cohort, under a pseudonym. Everything is optional but `patient_id`."""

    model_config = strict(
        {
            "patient_id": "P01",
            "age_years": 8,
            "sex": "male",
            "race_ethnicity": ["african_american"],
            "weight_kg": 27,
            "presentation": {
                "fever": {"maximum_celsius": 39.4, "duration_hours": 120},
                "kawasaki_signs": {
                    "conjunctival_injection": True,
                    "oral_changes": True,
                    "rash": True,
                    "extremity_changes": True,
                },
                "hemodynamics": {"systolic_bp_mmhg": 98, "vasoactive_infusions": []},
            },
            "phenotype": {"kd_like": True, "cv_shock": False},
            "sars_cov_2_pcr_positive": True,
            "treatment": {
                "ivig": {"dose_g_kg": 2, "ended_hour": 20},
                "aspirin": True,
                "anakinra": {
                    "role": "adjunct",
                    "started_hour": 26,
                    "stopped_hour": 260,
                    "initiation_hospital_day": 2,
                    "starting_mg_kg_day": 8,
                    "maximum_mg_kg_day": 10,
                    "maximum_mg_per_dose": 60,
                    "duration_days": 9.8,
                    "doses": [{"hour": 26, "mg_kg_day": 8}],
                },
                "corticosteroids": [{"purpose": "stress", "agent": "hydrocortisone"}],
            },
            "temperatures": [{"hour": 0, "celsius": 39.4, "site": "oral"}],
            "defervescence": {"hours": 52, "observed": True},
            "echocardiograms": [
                {"day": 1, "lvef_percent": 48, "ap4_strain_percent": -13.2},
                {"day": 11, "lvef_percent": 59},
            ],
            "labs": [{"analyte": "bnp", "value": 3339, "unit": "pg/mL", "hour": 2, "upper_limit": 1157}],
            "cytokines": {"il_6": {"fold": 22.1}, "sil_2r": {"value": 4100, "unit": "U/mL", "upper_limit": 1000}},
            "adverse_events": [{"term": "alanine_aminotransferase_increased", "grade": 1}],
            "outcome": {"died": False, "thrombosis": False, "readmitted": False, "length_of_stay_days": 11},
        }
    )

    patient_id: str = Field(
        min_length=1,
        max_length=MAXIMUM_ID,
        description="A pseudonym of 1 to 64 letters, digits, full stops, hyphens or underscores, with at least one "
        "digit; names, dates, phone numbers, e-mail addresses and numbers of social security or of a chart are refused",
        examples=["P01"],
    )
    age_years: float | None = Field(default=None, description="Age, years (0.5 = six months), 0 to 60")
    sex: Literal["male", "female"] | None = Field(default=None, description="Sex")
    race_ethnicity: Annotated[tuple[Ancestry, ...], Strict(strict=False)] | None = Field(
        default=None, min_length=1, max_length=8, description="Race and ethnicity as recorded, all that apply"
    )
    weight_kg: float | None = Field(default=None, description="Weight, kg, 0.4 to 250")
    icu_level_of_care: Fact = Field(default=None, description="Needed the care of an intensive care unit")
    presentation: AtPresentation | None = Field(default=None, description="The phenotype request's fields")
    phenotype: StatedPhenotype | None = Field(default=None, description="The phenotype's two flags as stated")
    sars_cov_2_pcr_positive: Fact = Field(default=None, description="A molecular test for SARS-CoV-2 was positive")
    treatment: Treatment | None = Field(
        default=None, description="What was given; what is not listed in it was not given. null: unknown"
    )
    temperatures: Annotated[tuple[Temperature, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=MAXIMUM_TEMPERATURES, description="Temperatures in any order"
    )
    defervescence: StatedDefervescence | None = Field(
        default=None, description="End of the fever as stated; it stands before what the temperatures say"
    )
    echocardiograms: Annotated[tuple[DatedEchocardiogram, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=MAXIMUM_ECHOCARDIOGRAMS, description="Echocardiograms, each day once, earliest first"
    )
    labs: Annotated[tuple[TimedLab, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=MAXIMUM_LABS, description="Laboratory values with their hours, in any order"
    )
    cytokines: Cytokines | None = Field(default=None, description="Cytokines, first values")
    adverse_events: Annotated[tuple[AdverseEvent, ...], Strict(strict=False)] | None = Field(
        default=None,
        max_length=MAXIMUM_EVENTS,
        description="Adverse events since treatment began; [] = none; one not listed was not observed, unless the "
        "record's own laboratory values show it or leave it open. null: unknown",
    )
    outcome: Outcome | None = Field(default=None, description="How it ended")
    override_plausibility: bool | None = Field(
        default=None, description="Accept values outside the plausible (not the possible) range"
    )


_CYTOKINES: Final = tuple(Cytokines.model_fields)
_each: Final = attrgetter(*_CYTOKINES)


def each(cytokines: Cytokines) -> Iterable[tuple[str, Cytokine | None]]:
    """Return the cytokines with their names, in the order of the model."""
    return zip(_CYTOKINES, _each(cytokines), strict=True)


def infusion_of(treatment: Treatment) -> Ivig | None:
    """Return what is told of IVIG beyond that it was given or not."""
    sent = treatment.ivig
    return None if sent is None or isinstance(sent, _SAID) else sent


def course_of(treatment: Treatment) -> Anakinra | None:
    """Return the course of anakinra that is told of."""
    sent = treatment.anakinra
    return None if sent is None or isinstance(sent, _SAID) else sent
