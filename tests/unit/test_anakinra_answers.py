"""What no answer may say, and what every answer must."""

import itertools
import json
import re

import pytest

from app.clinical.anakinra.course import WeanNext, WeanNextRequest
from app.clinical.anakinra.dose import DoseAnswer, DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.stability import Stability
from app.clinical.anakinra.titration import Titration, TitrationRequest
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.quantities import Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.clinical.treatment.aspirin import Aspirin, AspirinRequest
from app.clinical.treatment.indication import Indication, IndicationRequest
from app.clinical.treatment.ivig import Ivig, IvigRequest
from app.clinical.treatment.refractory import IvigCourse

RULEBOOK = load_rulebook()
CHECK = PatientCheck(RULEBOOK)
PARTS = RULEBOOK, Protocols(RULEBOOK), CHECK
DOSE = StartingDose(*PARTS)
CALLS = (
    (DoseRequest, DOSE),
    (TitrationRequest, Titration(*PARTS)),
    (WeanRequest, Weaning(*PARTS)),
    (WeanNextRequest, WeanNext(*PARTS)),
    (IndicationRequest, Indication(RULEBOOK)),
    (IvigRequest, Ivig(RULEBOOK, CHECK)),
    (AspirinRequest, Aspirin(RULEBOOK, CHECK)),
)
# How to prepare a drug for the vein is nowhere sourced (safety: never emitted).
FORBIDDEN = re.compile(
    r"dilut|saline|sodium chloride|dextrose|reconstitut|stability of|refrigerat|room temperature|shelf|expir|discard"
    r"|\bstor(?:e|ed|age)\b|infuse over|latex",
    re.IGNORECASE,
)
EXAMPLES = [
    pytest.param(model, call, example, id=model.__name__)
    for model, call in CALLS
    for example in model.model_config["json_schema_extra"]["examples"]
]


def answer_to(model, call, request):
    return call(model.model_validate_json(json.dumps(request)))


def words(node, path=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from words(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from words(value, path)
    elif isinstance(node, str):
        yield path, node


@pytest.mark.parametrize(("model", "call", "example"), EXAMPLES)
def test_every_example_runs_and_carries_warnings_and_rules(model, call, example):
    answer = answer_to(model, call, example)
    assert answer.rules.sha256
    assert answer.rules.sources
    assert isinstance(answer.warnings, tuple)


def dose_requests():
    truths = (True, None)
    for critically_ill, condition, jurisdiction in itertools.product((True, False, None), truths, ("us", "eu")):
        yield {
            "weight_kg": 60,
            "age_years": 15,
            "height_cm": 165,
            "creatinine_mg_dl": 2.0,
            "neutrophils_10e3_ul": 1.0,
            "critically_ill": critically_ill,
            "target_mg_kg_day": 5,
            "jurisdiction": jurisdiction,
            "conditions": {
                "tnf_blocker": condition,
                "active_serious_infection": condition,
                "live_vaccine_planned": condition,
            },
        }


def everything_said():
    for model, call, example in (p.values for p in EXAMPLES):
        yield from words(answer_to(model, call, example).model_dump(mode="json"))
    for request in dose_requests():
        yield from words(answer_to(DoseRequest, DOSE, request).model_dump(mode="json"))
    for rules in RULEBOOK.all():
        if rules.topic in {"anakinra-protocol", "drug-label", "guideline"}:
            yield from ((f"{rules.id}/{t.id}", t.text) for t in rules.content.text)


def test_no_answer_says_how_to_dilute_store_or_keep_the_drug():
    said = list(everything_said())
    assert len(said) > 500
    assert [(path, text) for path, text in said if FORBIDDEN.search(text)] == []


@pytest.mark.parametrize("text", ["Dilute in saline", "store at 4 degrees", "discard after 8 h", "contains latex"])
def test_the_search_for_such_words_finds_them(text):
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize(
    "request_",
    [
        {"creatinine_mg_dl": 3.0, "height_cm": 120, "age_years": 8},
        {"conditions": {"e_coli_protein_hypersensitivity": True}},
        {"jurisdiction": "eu", "neutrophils_10e3_ul": 0.9},
    ],
)
def test_without_a_plan_no_dose_stands_anywhere(request_):
    answer = answer_to(DoseRequest, DOSE, {"weight_kg": 25, "critically_ill": True, "target_mg_kg_day": 9, **request_})
    assert answer.status == "no_plan"
    empty = {"options", "bands", "band", "midpoint"}
    assert all(not getattr(answer, name) for name in empty)
    assert not any("mg/kg/day =" in line or "mg every" in line for line in answer.steps)
    assert answer.warnings[0].message in answer.reason


def test_a_refusal_never_repeats_the_value():
    requests = [
        {"weight_kg": -987.654},
        {"weight_kg": 25, "target_mg_kg_day": 987.654},
        {"weight_kg": 25, "protocol": "987.654"},
        {"weight_kg": 25, "age_years": 987.654},
        {"weight_kg": 25, "creatinine_mg_dl": 987.654},
        {"weight_kg": 25, "neutrophils_10e3_ul": 98765.4},
    ]
    for request in requests:
        with pytest.raises(RefusedInputError) as caught:
            answer_to(DoseRequest, DOSE, request)
        for error in caught.value.errors:
            assert "987" not in error.message
            assert "987" not in "".join(error.allowed)


def test_the_ceiling_stands_in_the_refusal():
    with pytest.raises(RefusedInputError) as caught:
        answer_to(DoseRequest, DOSE, {"weight_kg": 25, "target_mg_kg_day": 12})
    (error,) = caught.value.errors
    assert "10 mg/kg/day" in error.message
    assert error.allowed == ("above 0, up to 10 mg/kg/day",)


def test_all_faults_of_the_body_are_named_at_once():
    with pytest.raises(RefusedInputError) as caught:
        answer_to(DoseRequest, DOSE, {"weight_kg": 0, "age_years": 400, "height_cm": 1000, "creatinine_mg_dl": 0})
    assert {e.pointer for e in caught.value.errors} == {"/weight_kg", "/age_years", "/height_cm", "/creatinine_mg_dl"}


def test_the_warnings_that_matter_most_lead():
    request = {"weight_kg": 55, "age_years": 8, "critically_ill": True, "conditions": {"tnf_blocker": True}}
    codes = [w.code for w in answer_to(DoseRequest, DOSE, request).warnings]
    assert codes[0] == "tnf_blocker"
    assert codes.index("weight_maybe_pounds") < codes.index("off_label")
    assert len(codes) == len(set(codes))


def test_the_working_of_a_capped_dose_names_the_cap():
    answer = answer_to(DoseRequest, DOSE, {"weight_kg": 60, "critically_ill": False, "target_mg_kg_day": 10})
    assert answer.steps[:5] == (
        "60 kg x 10 mg/kg/day = 600 mg/day",
        "600 mg/day / 4 = 150 mg every 6 h",
        "150 mg is above the cap of 100 mg per dose: 100 mg x 4 / 60 kg = 6.6667 mg/kg/day",
        "100 mg to the nearest 1 mg = 100 mg (no change)",
        "100 mg of a syringe of 100 mg in 0.67 mL = 0.67 mL",
    )


def test_the_contract_of_the_dose_answer():
    """The field names of the contract, which clients rely on."""
    named = {"protocol", "band", "options", "steps", "missing", "warnings", "rules"}
    assert named <= set(DoseAnswer.model_fields)
    answer = answer_to(DoseRequest, DOSE, {"weight_kg": 25, "critically_ill": True}).model_dump(mode="json")
    assert answer["band"] == {"low_mg_kg_day": 8, "high_mg_kg_day": 10}
    option = {
        "at": "low",
        "mg_kg_day": 8.0,
        "daily_mg": 200.0,
        "doses_per_day": 4,
        "interval_hours": 6,
        "per_dose_mg": 50.0,
        "rounded_per_dose_mg": 50,
        "rounding_percent": 0.0,
        "volume_ml": 0.335,
        "effective_mg_kg_day": 8.0,
        "capped": False,
    }
    assert option.items() <= answer["options"][0].items()
    assert answer["steps"][:2] == ["25 kg x 8 mg/kg/day = 200 mg/day", "200 mg/day / 4 = 50 mg every 6 h"]


NAMES = {
    "hours_since_last_step": "duration_hours",
    "hours_since_end": "duration_hours",
}


def plausible_ranges():
    models = [*(model for model, _ in CALLS), Stability, IvigCourse]
    for model, (name, field) in ((m, item) for m in models for item in m.model_fields.items()):
        found = re.search(r"plausible from ([0-9.]+) to ([0-9.]+)", field.description or "")
        if found:
            yield pytest.param(name, float(found[1]), float(found[2]), id=f"{model.__name__}.{name}")


@pytest.mark.parametrize(("name", "low", "high"), list(plausible_ranges()))
def test_a_field_says_the_range_that_is_checked(name, low, high):
    quantities = Quantities(RULEBOOK)
    known = NAMES.get(name, name)
    for value in (low, high):
        quantities.check(known, value, "/x")
    for beyond in (low - 0.01, high + 0.01):
        with pytest.raises(RefusedInputError):
            quantities.check(known, beyond, "/x")
