"""The variables of a patient, one line each: what is tallied, in which unit, at which precision, in which section.

A value is kept as an integer: the number times ten to the power of `digits` ("8.25 mg/kg/day" at two digits is 825).
Binary variables are 1 and 0, categories small codes. A variable that is not known for a patient is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, NamedTuple

Kind = Literal["binary", "continuous", "category"]
Applies = Literal["all", "anakinra"]
Section = Literal["characteristics", "anakinra", "adverse_events", "cytokines", "labs", "defervescence", "cardiac"]

PERCENT: Final = "%"
HOURS: Final = "h"
DAYS: Final = "d"
MG_KG_DAY: Final = "mg/kg/day"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: `digits` decimals are kept; `applies` says for whom a missing value counts as missing.

    Without `sections` it is counted and stands in no row.
    """

    name: str
    label: str
    kind: Kind
    digits: int = 0
    unit: str | None = None
    sections: tuple[Section, ...] = ()
    applies: Applies = "all"
    note: str | None = None


# Why a patient has no time to defervescence: the codes of `defervescence.excluded` and its like.
EXCLUDED: Final[Mapping[str, int]] = {
    "never_febrile": 1,
    "no_temperature": 2,
    "no_accepted_site": 3,
    "afebrile_at_time_zero": 4,
    "time_zero_unknown": 5,
    "no_temperature_after_time_zero": 6,
}
EXCLUDED_IN_WORDS: Final[Mapping[str, str]] = {
    "never_febrile": "No accepted temperature of fever was recorded",
    "no_temperature": "No temperature was recorded",
    "no_accepted_site": "Temperatures were recorded, none of them oral or rectal",
    "afebrile_at_time_zero": "The fever had ended before time zero and did not come back",
    "time_zero_unknown": "It is not known when time zero was",
    "no_temperature_after_time_zero": "No accepted temperature was recorded after time zero",
}

_CHARACTERISTICS: Final[tuple[Section, ...]] = ("characteristics",)
_ANAKINRA: Final[tuple[Section, ...]] = ("anakinra",)
_EVENTS: Final[tuple[Section, ...]] = ("adverse_events",)
_DEFERVESCENCE: Final[tuple[Section, ...]] = ("defervescence",)
_CARDIAC: Final[tuple[Section, ...]] = ("cardiac",)


def _characteristics() -> Iterator[Variable]:
    def binary(name: str, label: str, note: str | None = None) -> Variable:
        return Variable(name, label, "binary", sections=_CHARACTERISTICS, note=note)

    yield Variable("age_years", "Age", "continuous", 2, "years", _CHARACTERISTICS)
    yield binary("male", "Male")
    yield binary("race.african_american", "African American")
    yield binary("race.latin_american", "Latin American")
    yield binary("race.caucasian", "Caucasian")
    yield binary("race.other", "Other race or ethnicity")
    yield Variable("weight_kg", "Weight", "continuous", 2, "kg", _CHARACTERISTICS)
    yield binary("sars_cov_2_pcr_positive", "SARS-CoV-2 PCR positive")
    yield binary("phenotype.non_specific", "Non-specific")
    yield binary("phenotype.kd_like", "KD-like", "KDSS-like included")
    yield binary("phenotype.cv_shock", "CV shock", "KDSS-like included")
    yield binary("phenotype.kdss_like", "KDSS-like")
    yield binary("treatment.ivig", "IVIG")
    yield binary("treatment.aspirin", "Aspirin")
    both: tuple[Section, ...] = (*_CHARACTERISTICS, *_ANAKINRA)
    yield Variable("corticosteroids.inflammatory", "Inflammatory corticosteroids", "binary", sections=both)
    yield Variable("corticosteroids.stress", "Stress hydrocortisone", "binary", sections=both)
    yield Variable("length_of_stay_days", "Length of stay", "continuous", 1, DAYS, _CHARACTERISTICS)


def _anakinra() -> Iterator[Variable]:
    def binary(name: str, label: str, note: str | None = None) -> Variable:
        return Variable(name, label, "binary", 0, None, _ANAKINRA, "anakinra", note)

    def number(name: str, label: str, digits: int, unit: str) -> Variable:
        return Variable(name, label, "continuous", digits, unit, _ANAKINRA, "anakinra")

    yield binary("anakinra.adjunct", "Adjunct therapy")
    yield binary("anakinra.rescue", "First-line rescue")
    yield number("anakinra.starting_mg_kg_day", "Starting dose", 2, MG_KG_DAY)
    yield number("anakinra.initiation_hospital_day", "Initiation, hospital day", 0, DAYS)
    yield number("anakinra.maximum_mg_kg_day", "Maximum dose", 2, MG_KG_DAY)
    yield number("anakinra.maximum_mg_per_dose", "Maximum single dose", 1, "mg")
    yield number("anakinra.duration_days", "Duration", 1, DAYS)
    yield binary("anakinra.protocol_deviation", "Any deviation from the protocol", "Reported, not judged")


# Adverse events as the study names them; the last has no CTCAE grade.
EVENTS: Final[Mapping[str, str]] = {
    "elevated_lfts": "Elevated LFTs",
    "neutropenia": "Neutropenia",
    "hemolytic_anemia": "Hemolytic anemia",
    "anaphylaxis": "Anaphylaxis",
    "rash": "Rash",
    "rehospitalization": "Re-hospitalization",
}
UNGRADED: Final = "rehospitalization"

NOT_LISTED: Final = "treatment.not_listed"
"""Whether a list of treatments that was sent leaves any out, which is taken as not given."""


def _adverse_events() -> Iterator[Variable]:
    for event, label in EVENTS.items():
        yield Variable(f"ae.{event}", label, "binary", sections=_EVENTS)
    for event, label in EVENTS.items():
        if event != UNGRADED:
            yield Variable(f"ae.{event}.grade", f"{label}, CTCAE grade", "category", sections=_EVENTS)
    yield Variable("outcome.died", "Death", "binary", sections=_EVENTS)
    yield Variable("outcome.thrombosis", "Thrombosis", "binary", sections=_EVENTS)


CYTOKINES: Final[Mapping[str, str]] = {
    "ifn_gamma": "IFN-gamma",
    "il_1_beta": "IL-1 beta",
    "il_2": "IL-2",
    "il_6": "IL-6",
    "il_8": "IL-8",
    "il_10": "IL-10",
    "il_12": "IL-12",
    "il_17": "IL-17",
    "sil_2r": "sIL-2R",
    "tnf_alpha": "TNF-alpha",
}


def _cytokines() -> Iterator[Variable]:
    for slug, label in CYTOKINES.items():
        yield Variable(f"cytokine.{slug}", label, "continuous", 2, "x upper limit of normal", ("cytokines",))


class LabRow(NamedTuple):
    """One analyte: its label, its canonical unit (that of the rule file `quantities`), the decimals that are kept."""

    label: str
    unit: str
    digits: int


LABS: Final[Mapping[str, LabRow]] = {
    "crp": LabRow("C-reactive protein", "mg/dL", 2),
    "hs_crp": LabRow("High-sensitivity C-reactive protein", "mg/L", 2),
    "esr": LabRow("Erythrocyte sedimentation rate", "mm/h", 0),
    "ferritin": LabRow("Ferritin", "ng/mL", 1),
    "d_dimer_feu": LabRow("D-dimer (FEU)", "ug/mL{FEU}", 2),
    "d_dimer_ddu": LabRow("D-dimer (DDU)", "ng/mL{DDU}", 1),
    "fibrinogen": LabRow("Fibrinogen", "mg/dL", 1),
    "procalcitonin": LabRow("Procalcitonin", "ng/mL", 3),
    "ldh": LabRow("Lactate dehydrogenase", "U/L", 1),
    "il_6": LabRow("Interleukin 6", "pg/mL", 2),
    "triglycerides": LabRow("Triglycerides", "mg/dL", 1),
    "haptoglobin": LabRow("Haptoglobin", "mg/dL", 1),
    "wbc": LabRow("White blood cells", "10*3/uL", 3),
    "neutrophils": LabRow("Neutrophils", "10*3/uL", 3),
    "lymphocytes": LabRow("Lymphocytes", "10*3/uL", 3),
    "eosinophils": LabRow("Eosinophils", "10*3/uL", 3),
    "cd4": LabRow("CD4 lymphocytes", "/uL", 0),
    "platelets": LabRow("Platelets", "10*3/uL", 1),
    "hemoglobin": LabRow("Hemoglobin", "g/dL", 2),
    "albumin": LabRow("Albumin", "g/dL", 2),
    "alt": LabRow("ALT", "U/L", 1),
    "ast": LabRow("AST", "U/L", 1),
    "ggt": LabRow("GGT", "U/L", 1),
    "alp": LabRow("Alkaline phosphatase", "U/L", 1),
    "bilirubin_total": LabRow("Total bilirubin", "mg/dL", 2),
    "troponin_i": LabRow("Troponin I", "ng/mL", 4),
    "troponin_t": LabRow("Troponin T", "ng/mL", 4),
    "bnp": LabRow("BNP", "pg/mL", 1),
    "nt_probnp": LabRow("NT-proBNP", "pg/mL", 1),
    "creatinine": LabRow("Creatinine", "mg/dL", 2),
    "pt": LabRow("Prothrombin time", "s", 1),
    "inr": LabRow("INR", "{INR}", 2),
    "aptt": LabRow("aPTT", "s", 1),
    "urine_wbc_hpf": LabRow("White cells in urine sediment", "/[HPF]", 1),
    "sodium": LabRow("Sodium", "mmol/L", 1),
    "potassium": LabRow("Potassium", "mmol/L", 2),
    "bicarbonate": LabRow("Bicarbonate", "mmol/L", 1),
    "calcium_total": LabRow("Total calcium", "mg/dL", 2),
    "calcium_corrected": LabRow("Albumin-corrected calcium", "mg/dL", 2),
    "calcium_ionized": LabRow("Ionized calcium", "mmol/L", 2),
    "magnesium": LabRow("Magnesium", "mg/dL", 2),
    "phosphate": LabRow("Phosphate", "mg/dL", 2),
    "glucose": LabRow("Glucose", "mg/dL", 1),
    "uric_acid": LabRow("Uric acid", "mg/dL", 2),
    "cholesterol": LabRow("Cholesterol", "mg/dL", 1),
    "cpk": LabRow("Creatine kinase", "U/L", 1),
    "lipase": LabRow("Lipase", "U/L", 1),
    "amylase": LabRow("Amylase", "U/L", 1),
    "pancreatic_elastase": LabRow("Pancreatic elastase in stool", "ug/g", 1),
    "tsh": LabRow("TSH", "m[IU]/L", 3),
    "ph": LabRow("Blood pH", "[pH]", 3),
    "methemoglobin": LabRow("Methemoglobin", PERCENT, 1),
    "egfr": LabRow("eGFR", "mL/min/{1.73_m2}", 1),
    "urine_protein_24h": LabRow("Protein in 24-hour urine", "g/(24.h)", 3),
    "urine_protein_creatinine_ratio": LabRow("Urine protein to creatinine ratio", "mg/mg", 3),
    "il_1_beta": LabRow("Interleukin 1 beta", "pg/mL", 2),
    "il_2": LabRow("Interleukin 2", "pg/mL", 2),
    "il_8": LabRow("Interleukin 8", "pg/mL", 2),
    "il_10": LabRow("Interleukin 10", "pg/mL", 2),
    "il_12": LabRow("Interleukin 12", "pg/mL", 2),
    "il_17": LabRow("Interleukin 17", "pg/mL", 2),
    "tnf_alpha": LabRow("TNF-alpha", "pg/mL", 2),
    "ifn_gamma": LabRow("Interferon gamma", "pg/mL", 2),
    "sil_2r": LabRow("Soluble interleukin 2 receptor", "U/mL", 1),
}


def _labs() -> Iterator[Variable]:
    for slug, row in LABS.items():
        yield Variable(
            f"lab.{slug}", row.label, "continuous", row.digits, row.unit, ("labs",), note="First value of the first day"
        )


def _clock(name: str, label: str, applies: Applies, note: str | None) -> Iterator[Variable]:
    for outcome, words in (("event", "reached"), ("censored", "not yet reached at the last temperature")):
        yield Variable(f"{name}.{outcome}", f"{label}, {words}", "continuous", 1, HOURS, _DEFERVESCENCE, applies, note)


def _defervescence() -> Iterator[Variable]:
    for name, label, note in (
        ("defervescence", "Defervescence", None),
        ("defervescence_sustained", "Sustained defervescence", "Without fever for 24 h"),
    ):
        yield from _clock(f"{name}.admission", f"{label} from admission", "all", note)
        yield from _clock(f"{name}.anakinra_start", f"{label} from start of anakinra", "anakinra", note)
    codes = "; ".join(f"{code}: {EXCLUDED_IN_WORDS[reason]}" for reason, code in EXCLUDED.items())
    yield Variable(
        "defervescence.excluded", "Not on the curve from admission", "category", sections=_DEFERVESCENCE, note=codes
    )
    yield Variable(
        "defervescence.anakinra_start.excluded",
        "Not on the curve from start of anakinra",
        "category",
        sections=_DEFERVESCENCE,
        applies="anakinra",
        note=codes,
    )


def _cardiac() -> Iterator[Variable]:
    for name, label in (("lvef", "LVEF"), ("strain", "Apical four-chamber strain")):
        yield Variable(f"{name}.first", f"{label}, first", "continuous", 1, PERCENT, _CARDIAC)
        yield Variable(f"{name}.follow_up", f"{label}, follow-up", "continuous", 1, PERCENT, _CARDIAC)
        difference = f"{label}, follow-up minus first"
        yield Variable(f"{name}.difference", difference, "continuous", 1, "percentage points", _CARDIAC)
        yield Variable(
            f"{name}.pair", f"{label}, both", "category", sections=_CARDIAC, note="Packed; see `unpack_pair`"
        )
    yield Variable("lvef.reduced", "LVEF below 55 % at the first echocardiogram", "binary", sections=_CARDIAC)
    yield Variable(
        "echo.follow_up_day", "Follow-up echocardiogram, days after the first", "continuous", 1, DAYS, _CARDIAC
    )


def _counted_only() -> Iterator[Variable]:
    yield Variable(NOT_LISTED, "Treatments that were not listed and taken as not given", "binary")


CATALOGUE: Final[Mapping[str, Variable]] = {
    v.name: v
    for v in chain(
        _characteristics(),
        _anakinra(),
        _adverse_events(),
        _cytokines(),
        _labs(),
        _defervescence(),
        _cardiac(),
        _counted_only(),
    )
}

# Two scaled integers in one: each moved above zero, the first in the higher digits. Holds -50,000 to 49,999.
_WIDTH: Final = 100_000
_OFFSET: Final = 50_000


def pack_pair(before: int, after: int) -> int:
    """Return two scaled integers as one. Raises ValueError outside -50,000 to 49,999."""
    first, second = before + _OFFSET, after + _OFFSET
    if not (0 <= first < _WIDTH and 0 <= second < _WIDTH):
        raise ValueError("a pair holds scaled numbers from -50000 to 49999")
    return first * _WIDTH + second


def unpack_pair(packed: int) -> tuple[int, int]:
    """Return the two scaled integers, (before, after), of a packed pair."""
    first, second = divmod(packed, _WIDTH)
    return first - _OFFSET, second - _OFFSET
