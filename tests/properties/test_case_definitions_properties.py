"""What fewer inputs decide, more inputs never contradict; what is missing is really missing; unknown is not no."""

import json
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.clinical.case_definitions import CaseDefinitions
from app.clinical.facts import Facts
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.rulebook import load_rulebook
from app.clinical.shock import CardiovascularShock
from app.clinical.vasoactive import Vasoactives

RULEBOOK = load_rulebook()
QUANTITIES = Quantities(RULEBOOK)
SHOCK = CardiovascularShock(RULEBOOK, Vasoactives(RULEBOOK))
DEFINITIONS = CaseDefinitions(RULEBOOK)
NAMES = ("cdc_2020", "cste_2023", "who_2020", "rcpch_2020")

FACTS = (
    "hospitalized",
    "died",
    "death_certificate_names_mis",
    "alternative_diagnosis",
    "final_diagnosis_kawasaki",
    "microbial_cause",
    "fever.subjective",
    "fever.persistent",
    *(f"kawasaki_signs.{s}" for s in ("conjunctival_injection", "oral_changes", "rash", "extremity_changes")),
    "kawasaki_signs.cervical_lymphadenopathy",
    *(f"symptoms.{s}" for s in ("abdominal_pain", "vomiting", "diarrhea", "other_pims_ts_features")),
    "stated_results.troponin_elevated",
    "stated_results.coagulopathy",
    *(f"echocardiogram.{s}" for s in ("coronary_aneurysm", "coronary_dilation", "ventricular_dysfunction")),
    *(f"echocardiogram.{s}" for s in ("mitral_regurgitation", "pericardial_effusion")),
    *(f"hemodynamics.{s}" for s in ("hypotension", "fluid_refractory", "vasoactive_support", "shock_documented")),
    *(f"organ_involvement.{s}" for s in ("cardiac", "renal", "respiratory", "hematologic", "gastrointestinal")),
    *(f"organ_involvement.{s}" for s in ("mucocutaneous", "neurologic")),
    *(f"sars_cov_2.{s}" for s in ("pcr_positive", "antigen_positive", "serology_positive", "exposure")),
)
# Just below, at and just above the numbers of the rule files, so that every side is drawn often.
NUMBERS = {
    "age_years": (8, 19.9, 20, 21),
    "fever.maximum_celsius": (37.9, 38.0, 38.1, 40),
    "fever.duration_hours": (23, 24, 71, 72, 100),
    "echocardiogram.lvef_percent": (40, 54, 55, 60),
    "echocardiogram.lad_z": (0, 1.9, 2, 3),
    "echocardiogram.rca_z": (0, 1.9, 2, 3),
    "echocardiogram.lad_mm": (3, 7.9, 8),
    "hemodynamics.systolic_bp_mmhg": (60, 75, 110),
    "sars_cov_2.days_before_admission": (20, 60, 61),
    "sars_cov_2.exposure_days_before_onset": (-1, 20, 28, 29),
    "sars_cov_2.exposure_days_before_admission": (-1, 20, 60, 61),
}
LABS = {
    "crp": ("mg/dL", (1, 2.9, 3, 20)),
    "esr": ("mm/h", (10, 40)),
    "fibrinogen": ("mg/dL", (200, 500)),
    "procalcitonin": ("ng/mL", (0.1, 3)),
    "d_dimer_feu": ("ug/mL", (0.2, 3)),
    "d_dimer_ddu": ("ng/mL", (100, 900)),
    "ferritin": ("ng/mL", (100, 900)),
    "ldh": ("U/L", (200, 500)),
    "il_6": ("pg/mL", (3, 100)),
    "neutrophils": ("10*3/uL", (4, 12)),
    "lymphocytes": ("10*3/uL", (0.9, 1, 3)),
    "albumin": ("g/dL", (2.5, 4)),
    "platelets": ("10*3/uL", (149, 150, 300)),
    "troponin_i": ("ng/mL", (0.01, 0.5)),
    "troponin_t": ("ng/mL", (0.01, 0.5)),
    "bnp": ("pg/mL", (30, 900)),
    "nt_probnp": ("pg/mL", (100, 5000)),
    "pt": ("s", (12, 20)),
    "inr": ("{INR}", (1, 2)),
    "aptt": ("s", (30, 60)),
}
LIMITS = {name: sum(map(Decimal, map(str, values))) / len(values) for name, (_, values) in LABS.items()}


WIDE = 8
# Statements that outrank measurements, and second assays: without one side of these nothing contradicts itself.
OUTRANKING = {
    "alternative_diagnosis",
    "died",
    "sars_cov_2.exposure",
    "hemodynamics.shock_documented",
    "hemodynamics.hypotension",
    "echocardiogram.coronary_dilation",
    "echocardiogram.ventricular_dysfunction",
    *(f"stated_results.{s}" for s in ("troponin_elevated", "coagulopathy")),
    *(f"organ_involvement.{s}" for s in ("cardiac", "gastrointestinal", "mucocutaneous")),
}
OUTRANKED = {
    "final_diagnosis_kawasaki",
    "death_certificate_names_mis",
    *(n for n in (*FACTS, *NUMBERS) if n.startswith(("symptoms.", "kawasaki_signs."))),
    *(n for n in (*FACTS, *NUMBERS) if n.startswith(("echocardiogram.", "hemodynamics.")) and n not in OUTRANKING),
    *(n for n in NUMBERS if n.startswith("sars_cov_2.exposure_days")),
    *(f"labs.{n}" for n in ("troponin_i", "bnp", "nt_probnp", "pt", "aptt", "d_dimer_feu")),
}
SECOND_ASSAYS = {f"labs.{n}" for n in ("d_dimer_ddu", "troponin_t", "inr")}


@st.composite
def children(draw):
    """Return what is known of a child, by dotted path; laboratory limits stand apart from their values."""
    known = {name: draw(st.booleans()) for name in FACTS}
    known |= {name: draw(st.sampled_from(values)) for name, values in NUMBERS.items()}
    known |= {f"labs.{name}": draw(st.sampled_from(values)) for name, (_, values) in LABS.items()}
    side = draw(st.sampled_from([OUTRANKING, OUTRANKED, set()]))
    absent = side | SECOND_ASSAYS if side else set()
    absent |= draw(st.sets(st.sampled_from(sorted(known.keys() - {"age_years"})), max_size=len(known)))
    if known["echocardiogram.lad_mm"] == WIDE:
        absent = absent | {"echocardiogram.lad_z"}  # a small Z-score would contradict it
    known = {name: value for name, value in known.items() if name not in absent}
    with_limit = [n for n in LABS if f"labs.{n}" in known]
    return known | {f"labs.{n}.limit": float(LIMITS[n]) for n in with_limit if draw(st.integers(0, 4))}


def without(known, left_out):
    """Leave inputs out; a limit goes with its value."""
    gone = left_out | {f"{name}.limit" for name in left_out}
    return {name: value for name, value in known.items() if name not in gone}


def judge(known):
    request, labs = {}, []
    for path, value in known.items():
        if path.startswith("labs."):
            continue
        target = request
        *parents, last = path.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    for name, (unit, _) in LABS.items():
        if f"labs.{name}" in known:
            bound = known.get(f"labs.{name}.limit")
            labs.append(
                {
                    "analyte": name,
                    "value": known[f"labs.{name}"],
                    "unit": unit,
                    "upper_limit": bound,
                    "lower_limit": None,
                }
            )
            if name in {"lymphocytes", "albumin"}:
                labs[-1] |= {"upper_limit": None, "lower_limit": bound}
    presentation = Presentation.model_validate_json(json.dumps(request | {"labs": labs}))
    facts = Facts.of(presentation, QUANTITIES.measure_all(presentation.labs, override=True))
    shock = SHOCK.judge(facts)
    result = DEFINITIONS.judge(facts, hypotension=shock.hypotension, cv_shock=shock.cv_shock)
    return result, bool(result.cautions or shock.cautions)


def every(finding):
    yield finding
    for part in finding.of:
        yield from every(part)


@settings(max_examples=200, deadline=None)
@given(known=children(), data=st.data())
def test_fewer_inputs_never_contradict_more(known, data):
    more, contradictory = judge(known)
    assume(not contradictory)
    left_out = data.draw(st.sets(st.sampled_from(sorted(known.keys() - {"age_years"}) or [""])))
    fewer, _ = judge(without(known, left_out))
    for name in NAMES:
        with_more = {f.id: f.status for f in every(getattr(more, name))}
        for finding in every(getattr(fewer, name)):
            if finding.status != "unknown":
                assert with_more.get(finding.id, finding.status) == finding.status, finding.id
    assert set(more.cste_2023.possible_case_classes) <= set(fewer.cste_2023.possible_case_classes)


@settings(max_examples=200, deadline=None)
@given(known=children())
def test_what_is_missing_is_not_known_and_only_the_unknown_miss_anything(known):
    result, _ = judge(known)
    known_names = {n.replace(".limit", ".upper_limit") for n in known} | {
        n.replace(".limit", ".lower_limit") for n in known
    }
    for name in NAMES:
        for finding in every(getattr(result, name)):
            assert not set(finding.missing) & known_names, finding.id
            if not hasattr(finding, "case_class"):
                assert bool(finding.missing) == (finding.status == "unknown"), finding.id


@settings(max_examples=100, deadline=None)
@given(known=children())
def test_the_missing_inputs_can_decide(known):
    """Some values of the inputs named as missing decide the definition."""
    result, _ = judge(known)
    for name in ("cdc_2020", "who_2020", "rcpch_2020"):
        finding = getattr(result, name)
        if finding.status == "unknown" and len(finding.missing) <= 2:
            assert any(
                getattr(judge(known | values)[0], name).status != "unknown" for values in fillings(finding.missing)
            )


@settings(max_examples=200, deadline=None)
@given(known=children(), certificate=st.booleans())
def test_an_open_class_of_a_case_has_missing_inputs_that_can_decide_it(known, certificate):
    """Without them the answer would ask for nothing, or for what cannot decide."""
    known = known | {"death_certificate_names_mis": True} if certificate else known
    finding = judge(known)[0].cste_2023
    if finding.case_class is not None:
        return
    assert finding.missing
    if finding.status == "met" and len(finding.missing) <= 2:
        filled = (judge(known | values)[0].cste_2023 for values in fillings(finding.missing))
        assert any(f.case_class is not None for f in filled)


def fillings(missing):
    """Yield every combination of values of the missing inputs."""
    names = [n.replace(".upper_limit", ".limit").replace(".lower_limit", ".limit") for n in missing]
    for values in product(*map(values_of, names)):
        yield dict(zip(names, values, strict=True))


def values_of(name):
    if name.endswith(".limit"):
        values = LABS[name.split(".")[1]][1]
        return (values[0] / 2, values[-1] * 2)
    if name.startswith("labs."):
        return LABS[name.split(".")[1]][1]
    return NUMBERS.get(name, (False, True))


@pytest.mark.parametrize("name", NAMES)
def test_of_a_child_of_whom_only_the_age_is_known_nothing_is_decided_but_by_age(name):
    finding = getattr(judge({"age_years": 8})[0], name)
    assert finding.status == "unknown"
    assert finding.missing
