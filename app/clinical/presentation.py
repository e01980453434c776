"""What is known of a child at presentation: the phenotype request, by system. Absent and null both mean unknown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Strict

from app.clinical.patient import strict
from app.clinical.quantities import LabMeasurement


class Part(BaseModel):
    """Base of the request's parts: frozen, strict, no unknown fields, finite numbers."""

    model_config = strict()


Fact = Annotated[bool | None, Field(description="true, false, or null for unknown")]


class Fever(Part):
    """Fever as measured or reported."""

    maximum_celsius: float | None = Field(default=None, description="Highest temperature, degrees Celsius")
    duration_hours: float | None = Field(default=None, description="How long the fever has lasted, hours")
    subjective: Fact = Field(default=None, description="Fever reported but not measured")
    persistent: Fact = Field(default=None, description="Persistent fever, as the clinician states it")


class KawasakiSigns(Part):
    """The five principal features of Kawasaki disease."""

    conjunctival_injection: Fact = Field(default=None, description="Bilateral bulbar injection without exudate")
    oral_changes: Fact = Field(default=None, description="Red or cracked lips, strawberry tongue, red oral mucosa")
    rash: Fact = Field(default=None, description="Maculopapular, diffuse erythroderma or erythema-multiforme-like")
    extremity_changes: Fact = Field(
        default=None, description="Red or swollen hands and feet, or peeling around the nails"
    )
    cervical_lymphadenopathy: Fact = Field(default=None, description="A cervical node of at least 1.5 cm")


ZScoreFormula = Literal["boston", "dallaire", "phn", "lopez", "other"]
StrainSign = Literal["shortening_is_negative", "shortening_is_positive"]


class Echocardiogram(Part):
    """The first echocardiogram."""

    lvef_percent: float | None = Field(default=None, description="Left ventricular ejection fraction, %")
    lad_z: float | None = Field(default=None, description="Z-score of the left anterior descending artery")
    rca_z: float | None = Field(default=None, description="Z-score of the right coronary artery")
    lad_mm: float | None = Field(default=None, description="Inner diameter of the LAD, mm")
    rca_mm: float | None = Field(default=None, description="Inner diameter of the RCA, mm")
    lad_z_previous: float | None = Field(default=None, description="LAD Z-score on an earlier echocardiogram")
    rca_z_previous: float | None = Field(default=None, description="RCA Z-score on an earlier echocardiogram")
    z_score_formula: ZScoreFormula | None = Field(default=None, description="Formula behind the Z-scores: they differ")
    coronary_aneurysm: Fact = Field(default=None, description="A coronary aneurysm was seen")
    coronary_dilation: Fact = Field(
        default=None, description="Coronary dilatation or ectasia, as reported; outranks the Z-scores"
    )
    ventricular_dysfunction: Fact = Field(
        default=None, description="Ventricular dysfunction, as reported; outranks the ejection fraction"
    )
    mitral_regurgitation: Fact = Field(default=None, description="Mitral regurgitation was seen")
    pericardial_effusion: Fact = Field(default=None, description="A pericardial effusion was seen")
    ap4_strain_percent: float | None = Field(
        default=None,
        description="Apical four-chamber longitudinal strain, %. Negative: more negative is better; "
        "a positive number is refused unless `sign_convention` says what it means",
    )
    sign_convention: StrainSign | None = Field(
        default=None, description="Which sign of strain means that the ventricle shortens; absent: negative"
    )


Agent = Literal[
    "epinephrine",
    "norepinephrine",
    "dopamine",
    "dobutamine",
    "milrinone",
    "vasopressin",
    "phenylephrine",
    "terlipressin",
    "angiotensin_ii",
    "levosimendan",
]


class VasoactiveInfusion(Part):
    """One vasoactive infusion at its rate."""

    agent: Agent = Field(description="The drug")
    rate: float | None = Field(
        default=None,
        description="ug/kg/min, but vasopressin units/kg/min; null: it is not known whether or how fast it runs",
    )


class Hemodynamics(Part):
    """Blood pressure, fluids and vasoactive support. A stated fact outranks what the numbers say."""

    systolic_bp_mmhg: float | None = Field(default=None, description="Lowest systolic blood pressure, mmHg")
    baseline_systolic_bp_mmhg: float | None = Field(default=None, description="The child's usual systolic pressure")
    hypotension: Fact = Field(default=None, description="Hypotension for age, as the clinician states it")
    poor_perfusion: Fact = Field(default=None, description="Clinical signs of poor perfusion")
    fluid_bolus_ml_kg: float | None = Field(default=None, description="Isotonic bolus given so far, mL/kg")
    fluid_refractory: Fact = Field(default=None, description="Hypotension persists despite fluid, as stated")
    vasoactive_infusions: Annotated[tuple[VasoactiveInfusion, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=20, description="Infusions now running; [] = none, null = unknown"
    )
    vasoactive_support: Fact = Field(default=None, description="Needs vasoactive support, as stated")
    shock_documented: Fact = Field(default=None, description="A clinician has documented shock")


class OrganInvolvement(Part):
    """Organ systems that are involved, as the clinician states it."""

    cardiac: Fact = None
    renal: Fact = None
    respiratory: Fact = None
    hematologic: Fact = None
    gastrointestinal: Fact = None
    mucocutaneous: Fact = None
    neurologic: Fact = None


class Symptoms(Part):
    """Symptoms that count in case definitions."""

    abdominal_pain: Fact = Field(default=None, description="Abdominal pain")
    vomiting: Fact = Field(default=None, description="Vomiting")
    diarrhea: Fact = Field(default=None, description="Diarrhea")
    other_pims_ts_features: Fact = Field(
        default=None,
        description="Any other feature of the RCPCH list: need of oxygen, cough or other respiratory symptoms, "
        "sore throat, headache, confusion, fainting, neck swelling",
    )


class StatedResults(Part):
    """Results as a clinical note states them; they outrank what is read from `labs`."""

    troponin_elevated: Fact = Field(default=None, description="Troponin above the laboratory's normal range")
    coagulopathy: Fact = Field(default=None, description="Coagulopathy by PT, PTT or D-dimer")


class Hemophagocytic(Part):
    """What the HScore asks beside fever and laboratory values."""

    known_immunosuppression: Fact = Field(
        default=None, description="HIV positive, or on long-term immunosuppressive treatment"
    )
    hepatomegaly: Fact = Field(default=None, description="The liver is enlarged")
    splenomegaly: Fact = Field(default=None, description="The spleen is enlarged")
    marrow_hemophagocytosis: Fact = Field(default=None, description="Hemophagocytosis in the bone marrow aspirate")


class SarsCov2(Part):
    """Evidence of SARS-CoV-2 infection or exposure."""

    pcr_positive: Fact = Field(default=None, description="A molecular test was positive")
    antigen_positive: Fact = Field(default=None, description="An antigen test was positive")
    serology_positive: Fact = Field(default=None, description="Antibodies were found")
    days_before_admission: float | None = Field(
        default=None, description="Days from the positive molecular or antigen specimen to admission"
    )
    exposure_days_before_onset: float | None = Field(
        default=None, description="Days from COVID-19 exposure to the onset of symptoms"
    )
    exposure_days_before_admission: float | None = Field(
        default=None, description="Days from contact with a confirmed or probable case to admission"
    )
    exposure: Fact = Field(default=None, description="COVID-19 exposure or contact, time not given")


class Presentation(Part):
    """Everything the phenotype needs. Only the age is required; what is absent stays unknown."""

    model_config = strict(
        {
            "age_years": 8.0,
            "sex": "male",
            "weight_kg": 27.0,
            "height_cm": 130,
            "hospitalized": True,
            "alternative_diagnosis": False,
            "fever": {"maximum_celsius": 39.4, "duration_hours": 120, "subjective": False},
            "kawasaki_signs": {
                "conjunctival_injection": True,
                "oral_changes": True,
                "rash": True,
                "extremity_changes": True,
                "cervical_lymphadenopathy": None,
            },
            "echocardiogram": {
                "lvef_percent": 48,
                "lad_z": 1.4,
                "rca_z": 0.9,
                "coronary_aneurysm": False,
                "mitral_regurgitation": None,
                "pericardial_effusion": None,
                "ap4_strain_percent": -13.2,
            },
            "hemodynamics": {
                "systolic_bp_mmhg": 72,
                "hypotension": None,
                "fluid_bolus_ml_kg": 60,
                "fluid_refractory": None,
                "vasoactive_infusions": [{"agent": "norepinephrine", "rate": 0.05}],
                "vasoactive_support": None,
            },
            "organ_involvement": {
                "cardiac": True,
                "renal": None,
                "respiratory": None,
                "hematologic": True,
                "gastrointestinal": True,
                "mucocutaneous": True,
                "neurologic": None,
            },
            "sars_cov_2": {
                "pcr_positive": True,
                "antigen_positive": None,
                "serology_positive": None,
                "days_before_admission": 20,
                "exposure_days_before_onset": None,
            },
            "labs": [{"analyte": "crp", "value": 154, "unit": "mg/L", "lower_limit": None, "upper_limit": 10}],
        }
    )

    age_years: float = Field(description="Age, years (0.5 = six months)")
    sex: Literal["male", "female"] | None = Field(default=None, description="Sex, for limits that differ by it")
    weight_kg: float | None = Field(default=None, description="Weight, kg")
    height_cm: float | None = Field(default=None, description="Height, cm")
    hospitalized: Fact = Field(default=None, description="The illness needs or needed a stay in hospital")
    died: Fact = Field(default=None, description="The child has died of it")
    death_certificate_names_mis: Fact = Field(
        default=None, description="The death certificate lists MIS as underlying or significant contributing cause"
    )
    alternative_diagnosis: Fact = Field(default=None, description="Another diagnosis is more plausible")
    final_diagnosis_kawasaki: Fact = Field(
        default=None, description="The treating team's final diagnosis is Kawasaki disease (CSTE/CDC 2023 asks)"
    )
    microbial_cause: Fact = Field(
        default=None, description="Another microbial cause: sepsis, staphylococcal or streptococcal shock, enterovirus"
    )
    fever: Fever | None = Field(default=None, description="Fever as measured or reported")
    kawasaki_signs: KawasakiSigns | None = Field(
        default=None, description="The five principal features of Kawasaki disease"
    )
    echocardiogram: Echocardiogram | None = Field(default=None, description="The first echocardiogram")
    hemodynamics: Hemodynamics | None = Field(default=None, description="Blood pressure, fluids, vasoactive support")
    organ_involvement: OrganInvolvement | None = Field(default=None, description="Organ systems involved, as stated")
    symptoms: Symptoms | None = Field(default=None, description="Symptoms that single definitions ask for")
    stated_results: StatedResults | None = Field(
        default=None, description="Results known only as elevated or low, without a number"
    )
    hemophagocytic: Hemophagocytic | None = Field(default=None, description="What the HScore asks for beside the labs")
    sars_cov_2: SarsCov2 | None = Field(default=None, description="Evidence of SARS-CoV-2 infection or exposure")
    labs: Annotated[tuple[LabMeasurement, ...], Strict(strict=False)] | None = Field(
        default=None, max_length=200, description="Laboratory values"
    )
    override_plausibility: bool | None = Field(
        default=None, description="Accept values outside the plausible (not the possible) range"
    )
