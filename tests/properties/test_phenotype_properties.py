"""What fewer inputs decide more never contradict; missing inputs are enough and none too many; units do not matter."""

import json
from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.api.fast_json import encode
from app.clinical.phenotype import PhenotypeAnswer, PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.rulebook import load_rulebook

CLASSIFIER = PhenotypeClassifier(load_rulebook())
WRITE = TypeAdapter(PhenotypeAnswer).dump_json

BOTH = (True, False)
# Just below, at and above the numbers of the rule files, so that every side is drawn often.
INPUTS = {
    "alternative_diagnosis": BOTH,
    "sex": ("male", "female"),
    "fever.duration_hours": (60, 95, 96, 119, 120, 167, 168, 200),
    "fever.maximum_celsius": (37.9, 38.3, 39.5),
    "kawasaki_signs.oral_changes": BOTH,
    "kawasaki_signs.conjunctival_injection": BOTH,
    "kawasaki_signs.rash": BOTH,
    "kawasaki_signs.extremity_changes": BOTH,
    "kawasaki_signs.cervical_lymphadenopathy": BOTH,
    "echocardiogram.lvef_percent": (54, 55, 60),
    "echocardiogram.lad_z": (0, 1.99, 2, 2.5, 5, 10),
    "echocardiogram.rca_z": (0, 2.2, 2.49, 4.9, 9),
    "echocardiogram.lad_mm": (3, 9),
    "echocardiogram.rca_mm": (3, 7.9),
    "echocardiogram.coronary_aneurysm": BOTH,
    "echocardiogram.mitral_regurgitation": BOTH,
    "echocardiogram.pericardial_effusion": BOTH,
    "echocardiogram.ventricular_dysfunction": BOTH,
    "hemodynamics.systolic_bp_mmhg": (58, 75, 92, 110),
    "hemodynamics.baseline_systolic_bp_mmhg": (100, 115),
    "hemodynamics.hypotension": BOTH,
    "hemodynamics.poor_perfusion": BOTH,
    "hemodynamics.fluid_bolus_ml_kg": (20, 39, 40, 60),
    "hemodynamics.fluid_refractory": BOTH,
    "hemodynamics.vasoactive_infusions": ((), ("milrinone",), ("norepinephrine", "phenylephrine")),
    "hemodynamics.vasoactive_infusions.milrinone.rate": (0, 0.5),
    "hemodynamics.vasoactive_infusions.norepinephrine.rate": (0, 0.1),
    "hemodynamics.vasoactive_infusions.phenylephrine.rate": (0, 1),
    "hemodynamics.vasoactive_support": BOTH,
    "labs.crp": (1, 3, 12),
    "labs.esr": (10, 40),
    "labs.hemoglobin": (9, 11.2, 12.5, 14),
    "labs.hemoglobin.lower_limit": (9.5, 11.5),
    "labs.platelets": (300, 450),
    "labs.albumin": (3, 3.1),
    "labs.alt": (30, 60),
    "labs.alt.upper_limit": (40, 70),
    "labs.wbc": (14, 15),
    "labs.urine_wbc_hpf": (5, 10),
}
AGES = (0.05, 0.4, 0.9, 1.5, 8.5, 16.5)
UNITS = {
    "crp": "mg/dL",
    "esr": "mm/h",
    "hemoglobin": "g/dL",
    "platelets": "10*3/uL",
    "albumin": "g/dL",
    "alt": "U/L",
    "wbc": "10*3/uL",
    "urine_wbc_hpf": "/[HPF]",
}
# Another unit of the same analyte, and how many of it make one of ours.
OTHER_UNITS = {
    "crp": ("mg/L", 10),
    "hemoglobin": ("g/L", 10),
    "platelets": ("/uL", 1000),
    "albumin": ("g/L", 10),
    "wbc": ("cells/uL", 1000),
}
# What a clinician states, and what it is otherwise derived from: without one of the two nothing contradicts itself.
STATED = {"hemodynamics.hypotension", "hemodynamics.fluid_refractory", "hemodynamics.vasoactive_support"}
STATED |= {"echocardiogram.ventricular_dysfunction", "labs.hemoglobin.lower_limit"}
DERIVED_FROM = {"hemodynamics.systolic_bp_mmhg", "hemodynamics.fluid_bolus_ml_kg", "echocardiogram.lvef_percent"}
DERIVED_FROM |= {"hemodynamics.vasoactive_infusions"}
DISAGREEMENTS = {"stated_and_measured_disagree", "anemia_limits_disagree", "coronary_z_and_mm_disagree"}


@st.composite
def children(draw, *, most_absent=None):
    known = {name: draw(st.sampled_from(values)) for name, values in INPUTS.items()}
    absent = draw(st.sampled_from([STATED, DERIVED_FROM, set()]))
    absent = absent | draw(
        st.sets(st.sampled_from(sorted(INPUTS)), max_size=len(INPUTS) if most_absent is None else most_absent)
    )
    return {"age_years": draw(st.sampled_from(AGES))} | sound({n: v for n, v in known.items() if n not in absent})


def sound(known):
    """Leave out limits without their value, and rates of infusions that are not listed."""
    running = known.get("hemodynamics.vasoactive_infusions", ())
    without_value = {n for n in known if n.endswith("_limit") and n.rpartition(".")[0] not in known}
    not_running = {n for n in known if n.endswith(".rate") and n.split(".")[-2] not in running}
    return {n: v for n, v in known.items() if n not in without_value | not_running}


def request_of(known, units=UNITS, order=1):
    """Build the request; a limit without its value and the rate of an infusion that is not listed fall away."""
    request, labs = {}, []
    for name, value in known.items():
        *parents, last = name.split(".")
        if name.startswith("labs."):
            if len(parents) == 1:
                labs.append(_lab(last, value, known, units))
        elif name.endswith(".rate"):
            continue
        elif name == "hemodynamics.vasoactive_infusions":
            rates = [{"agent": a, "rate": known.get(f"{name}.{a}.rate")} for a in value]
            request.setdefault("hemodynamics", {})[last] = rates
        else:
            target = request
            for parent in parents:
                target = target.setdefault(parent, {})
            target[last] = value
    return Presentation.model_validate_json(
        json.dumps(request | {"labs": labs[::order], "override_plausibility": True})
    )


def _lab(slug, value, known, units):
    unit = units[slug]
    factor = OTHER_UNITS[slug][1] if unit != UNITS[slug] else 1
    lab = {"analyte": slug, "value": value * factor, "unit": unit}
    for limit in ("lower_limit", "upper_limit"):
        if f"labs.{slug}.{limit}" in known:
            lab[limit] = known[f"labs.{slug}.{limit}"] * factor
    return lab


def classify(known, **options):
    return CLASSIFIER.classify(request_of(known, **options))


def disagrees(answer):
    return bool({w.code for w in answer.warnings} & DISAGREEMENTS)


def statuses(*findings):
    return {f.id: f.status for finding in findings for f in every(finding)}


def every(finding):
    yield finding
    for part in finding.of:
        yield from every(part)


def trees(answer):
    return answer.kd_like, answer.cv_shock, answer.kd_shock_syndrome, answer.left_ventricle.reduced


def left_out(data, known):
    """Choose inputs to leave out; a lab takes its limits with it, the list of infusions their rates."""
    names = data.draw(st.sets(st.sampled_from(sorted(known.keys() - {"age_years"}) or ["sex"])))
    return sound({n: v for n, v in known.items() if n not in names})


@settings(max_examples=300, deadline=None)
@given(children(), st.data())
def test_fewer_inputs_never_contradict_more(known, data):
    more = classify(known)
    assume(not disagrees(more))
    fewer = classify(left_out(data, known))
    with_more = statuses(*trees(more))
    for name, status in statuses(*trees(fewer)).items():
        assert status in {"unknown", with_more.get(name, status)}, name
    assert set(more.possible_phenotypes) <= set(fewer.possible_phenotypes)
    assert fewer.phenotype in {"indeterminate", more.phenotype}
    assert fewer.kd_subtype in {None, more.kd_subtype}
    assert fewer.vasoactive_inotropic_score in {None, more.vasoactive_inotropic_score}
    assert set(more.coronary.possible_classes) <= set(fewer.coronary.possible_classes)
    assert fewer.coronary.coronary_class in {None, more.coronary.coronary_class}
    wider, narrower = fewer.macrophage_activation.hscore, more.macrophage_activation.hscore
    assert wider.minimum <= narrower.minimum <= narrower.maximum <= wider.maximum


@settings(max_examples=200, deadline=None)
@given(children())
def test_the_phenotype_is_what_its_flags_say(known):
    answer = classify(known)
    flags = (answer.kd_like.status, answer.cv_shock.status)
    classes = {("met", "met"): "kdss_like", ("met", "not_met"): "kd_like", ("not_met", "met"): "cv_shock"}
    classes[("not_met", "not_met")] = "non_specific"
    assert answer.phenotype == classes.get(flags, "indeterminate")
    open_flags = "unknown" in flags
    assert open_flags == bool(answer.missing) == bool(answer.missing_in_full) == (len(answer.possible_phenotypes) > 1)
    # An aneurysm that is stated although both arteries are known not to have one leaves nothing to ask for.
    assert disagrees(answer) or (answer.coronary.coronary_class is None) == bool(answer.coronary.missing)
    if answer.kd_subtype is not None:
        assert answer.kd_like.status == "met"


def decided(known, names, *, in_agreement=False):
    """Say whether some values of these inputs decide the phenotype; or do so without contradicting what is known."""
    filled = (known | dict(zip(names, values, strict=True)) for values in product(*(INPUTS[name] for name in names)))
    answers = (classify(each) for each in filled)
    return any(a.phenotype != "indeterminate" and not (in_agreement and disagrees(a)) for a in answers)


FEW = st.lists(st.sampled_from(sorted(INPUTS)), max_size=14, unique=True).flatmap(
    lambda names: st.fixed_dictionaries(
        {"age_years": st.sampled_from(AGES)} | {name: st.sampled_from(INPUTS[name]) for name in names}
    ).map(sound)
)


@settings(max_examples=100, deadline=None)
@given(FEW)
def test_the_missing_inputs_can_decide_and_fewer_cannot(known):
    answer = classify(known)
    if answer.phenotype != "indeterminate":
        return
    assert not set(answer.missing) & set(known)
    assert decided(known, answer.missing)
    if len(answer.missing) == 2 and not disagrees(answer):
        absent = [name for name in INPUTS if name not in known]
        # A diameter beside a small Z-score would decide, and contradict it.
        assert not any(decided(known, (name,), in_agreement=name.endswith("_mm")) for name in absent)


@settings(max_examples=150, deadline=None)
@given(children(), st.data())
def test_the_inputs_in_full_decide_whatever_they_are(known, data):
    answer = classify(known)
    if answer.phenotype != "indeterminate":
        return
    assert not set(answer.missing_in_full) & set(known)
    filled = {name: data.draw(st.sampled_from(INPUTS[name]), label=name) for name in answer.missing_in_full}
    assert classify(known | filled).phenotype != "indeterminate"


@settings(max_examples=100, deadline=None)
@given(children(most_absent=10), st.sets(st.sampled_from(sorted(OTHER_UNITS))))
def test_units_and_the_order_of_labs_do_not_matter(known, changed):
    units = {slug: OTHER_UNITS[slug][0] if slug in changed else unit for slug, unit in UNITS.items()}
    one, other = classify(known), classify(known, units=units, order=-1)
    assert statuses(*trees(one)) == statuses(*trees(other))
    assert (one.phenotype, one.missing) == (other.phenotype, other.missing)


@settings(max_examples=150, deadline=None)
@given(children())
def test_the_fast_writer_writes_what_pydantic_writes(known):
    answer = classify(known)
    assert json.loads(encode(answer)) == json.loads(WRITE(answer, by_alias=True))
