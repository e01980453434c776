"""Laws of the derivation: a kept record is accepted again unchanged, JSON loses nothing, what is known stays known."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from app.clinical.flags import Flags
from app.clinical.presentation import Presentation
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.records import PatientRecord
from app.cohorts.strata import ALL
from app.cohorts.variables import CATALOGUE

DERIVER = Deriver(load_rulebook())
FLAGS = Flags(load_rulebook())
FACT = st.sampled_from((True, False, None))


def numbers(low, high):
    """Draw numbers with few and with many digits."""
    return st.one_of(st.integers(int(low), int(high)), st.floats(low, high).map(lambda x: round(x, 5)))


def sent(**fields):
    """Draw an object with any of its fields."""
    return st.fixed_dictionaries({}, optional=fields)


HOURS = numbers(-20, 400)
TEMPERATURE = st.fixed_dictionaries(
    {"hour": HOURS, "celsius": numbers(35.5, 41)},
    optional={"site": st.sampled_from(("oral", "rectal", "axillary", None))},
)
LAB = st.one_of(
    st.fixed_dictionaries(
        {"analyte": st.just("alt"), "unit": st.sampled_from(("U/L", "IU/L")), "value": numbers(10, 900)},
        optional={"upper_limit": st.sampled_from((40, 33.3)), "hour": HOURS},
    ),
    st.fixed_dictionaries(
        {"analyte": st.just("neutrophils"), "unit": st.just("10*3/uL"), "value": numbers(0.1, 9)},
        optional={"lower_limit": st.sampled_from((1.5, 1.2)), "hour": HOURS},
    ),
    st.fixed_dictionaries(
        {"analyte": st.just("crp"), "unit": st.sampled_from(("mg/L", "mg/dL")), "value": numbers(1, 40)},
        optional={"hour": HOURS},
    ),
    st.fixed_dictionaries(
        {"analyte": st.just("creatinine"), "unit": st.just("umol/L"), "value": numbers(20, 90)},
        optional={"hour": HOURS, "upper_limit": st.just(62.1)},
    ),
)
ANAKINRA = st.one_of(
    st.none(),
    st.just(value=False),
    sent(
        role=st.sampled_from(("adjunct", "rescue", None)),
        started_hour=numbers(0, 100),
        stopped_hour=numbers(100, 400),
        starting_mg_kg_day=numbers(2, 8),
        maximum_mg_kg_day=numbers(8, 12),
        maximum_mg_per_dose=numbers(10, 100),
        duration_days=numbers(1, 20),
    ),
)
TREATMENT = sent(
    ivig=st.one_of(FACT, sent(dose_g_kg=numbers(1, 2), ended_hour=numbers(1, 30))),
    aspirin=FACT,
    anakinra=ANAKINRA,
    corticosteroids=st.one_of(
        st.none(), st.lists(sent(purpose=st.sampled_from(("stress", "inflammatory", None))), max_size=2)
    ),
)
ECHOES = st.lists(sent(lvef_percent=numbers(20, 75), ap4_strain_percent=numbers(-30, -5)), max_size=3).map(
    lambda echoes: [{"day": 1 + 4 * place} | echo for place, echo in enumerate(echoes)]
)
PRESENTATION = sent(
    fever=sent(duration_hours=numbers(20, 200), maximum_celsius=numbers(38, 41)),
    kawasaki_signs=sent(oral_changes=FACT, rash=FACT, extremity_changes=FACT, conjunctival_injection=FACT),
    hemodynamics=sent(systolic_bp_mmhg=numbers(50, 130), fluid_refractory=FACT, vasoactive_support=FACT),
)
RECORD = sent(
    age_years=st.sampled_from((3, 8.25, 12)),
    sex=st.sampled_from(("male", "female", None)),
    race_ethnicity=st.one_of(st.none(), st.lists(st.sampled_from(("caucasian", "asian")), min_size=1, max_size=2)),
    icu_level_of_care=FACT,
    phenotype=sent(kd_like=FACT, cv_shock=FACT),
    presentation=st.one_of(st.none(), PRESENTATION),
    treatment=st.one_of(st.none(), TREATMENT),
    temperatures=st.lists(TEMPERATURE, max_size=8),
    defervescence=st.one_of(st.none(), st.fixed_dictionaries({"hours": numbers(0, 200), "observed": st.booleans()})),
    echocardiograms=ECHOES,
    labs=st.lists(LAB, max_size=8),
    cytokines=sent(il_6=sent(fold=numbers(0, 90)), il_8=st.none()),
    adverse_events=st.one_of(
        st.none(),
        st.lists(
            st.sampled_from(
                (
                    {"term": "neutropenia", "grade": 2},
                    {"term": "urticaria"},
                    {"term": "rehospitalization"},
                    {"term": "rash_maculo_papular", "facts": {"body_surface_percent": 5}},
                )
            ),
            max_size=3,
        ),
    ),
    outcome=sent(died=FACT, readmitted=FACT, length_of_stay_days=numbers(1, 40), discharged_hour=numbers(400, 900)),
)


def read(fields):
    return PatientRecord.model_validate_json(json.dumps({"patient_id": "P01", **fields}))


def written(record):
    return record.model_dump_json(exclude_unset=True)


@given(RECORD)
def test_a_record_goes_to_json_and_back(fields):
    record = read(fields)
    again = PatientRecord.model_validate_json(written(record))
    assert again == record
    assert written(again) == written(record)


@given(RECORD)
@settings(max_examples=200)
def test_a_kept_record_is_accepted_again_unchanged(fields):
    first = DERIVER.accept(read(fields))
    second = DERIVER.accept(PatientRecord.model_validate_json(written(first.record)))
    assert second.derived.rounded == []
    assert written(second.record) == written(first.record)
    assert second.derived.stratum == first.derived.stratum
    assert second.derived.values == first.derived.values
    assert second.derived.facts == first.derived.facts
    assert second.derived.disagreements == first.derived.disagreements


@given(RECORD)
def test_what_was_rounded_is_named(fields):
    accepted = DERIVER.accept(read(fields))
    assert (accepted.record == read(fields)) == (accepted.derived.rounded == [])
    kept = json.loads(written(accepted.record))
    for note in accepted.derived.rounded:
        part = kept
        for step in note["field"].split("/")[1:]:
            part = part[int(step)] if isinstance(part, list) else part[step]
        assert part == note["kept"]


@given(RECORD)
def test_what_is_derived_fits_the_catalogue(fields):
    derived = DERIVER.derive(read(fields))
    assert derived.values.keys() <= CATALOGUE.keys()
    assert derived.stratum.key() in ALL
    for name, value in derived.values.items():
        assert type(value) is int
        assert CATALOGUE[name].kind != "binary" or value in {0, 1}
        assert (
            CATALOGUE[name].applies == "all"
            or derived.stratum.treatment in {"ivig_anakinra", "anakinra_only"}
            or (derived.stratum.treatment == "unknown")
        )
    assert json.loads(json.dumps(derived.facts))


@given(RECORD)
def test_one_clock_one_outcome(fields):
    values = DERIVER.derive(read(fields)).values
    clock = [f"defervescence.admission.{end}" in values for end in ("event", "censored")]
    assert sum(clock) + ("defervescence.excluded" in values) == 1
    ends = ("event", "censored", "excluded")
    assert sum(f"defervescence.anakinra_start.{end}" in values for end in ends) <= 1


@given(RECORD, st.randoms(use_true_random=False))
def test_the_order_of_temperatures_and_labs_does_not_matter(fields, shuffle):
    hours = [lab.get("hour") for lab in fields.get("labs", ())]
    other = dict(fields)
    for name in ("temperatures", "labs"):
        if name in other and (name == "temperatures" or len(set(hours)) == len(hours)):
            other[name] = shuffle.sample(other[name], len(other[name]))
    if any(round(h, 1) != h for h in hours if h is not None):
        return
    assert DERIVER.derive(read(other)).values == DERIVER.derive(read(fields)).values


# Facts that do not outrank anything: to know one more of them can decide, never change what was decided.
PLAIN = {
    "fever": {"duration_hours": numbers(50, 200)},
    "kawasaki_signs": dict.fromkeys(
        ("oral_changes", "rash", "extremity_changes", "conjunctival_injection", "cervical_lymphadenopathy"),
        st.booleans(),
    ),
    "echocardiogram": {
        "lad_z": numbers(0, 4),
        "rca_z": numbers(0, 4),
        "coronary_aneurysm": st.booleans(),
        "lvef_percent": numbers(30, 70),
        "mitral_regurgitation": st.booleans(),
        "pericardial_effusion": st.booleans(),
    },
    "hemodynamics": {
        "systolic_bp_mmhg": numbers(50, 120),
        "fluid_bolus_ml_kg": numbers(10, 80),
        "vasoactive_infusions": st.lists(
            st.fixed_dictionaries({"agent": st.just("dopamine"), "rate": st.sampled_from((0, 5))}), max_size=1
        ),
    },
}


@given(
    st.fixed_dictionaries({name: st.fixed_dictionaries(fields) for name, fields in PLAIN.items()}),
    st.sampled_from((0.04, 0.7, 3, 8, 12)),
    st.randoms(use_true_random=False),
)
def test_what_is_known_never_flips(full, age, choose):
    less = {name: {n: v for n, v in fields.items() if choose.random() < 0.6} for name, fields in full.items()}
    known, all_known = (
        FLAGS.judge(child, child.echocardiogram, age, None, {})
        for child in (Presentation.model_validate({"age_years": age, **one}) for one in (less, full))
    )
    for before, after in zip(known, all_known, strict=True):
        assert before is None or before is after


def test_rounding_is_named_by_pointer():
    accepted = DERIVER.accept(read({"labs": [{"analyte": "crp", "unit": "mg/L", "value": 1.23456, "hour": 1.26}]}))
    assert [note["field"] for note in accepted.derived.rounded] == ["/labs/0/hour", "/labs/0/value"]
    assert accepted.record.labs[0].value == 1.2
    assert accepted.record.labs[0].hour == 1.3
