"""The case definitions as a part of an answer: their shape, their warnings, what they share."""

import json

import pytest
from pydantic import TypeAdapter

from app.clinical import compact
from app.clinical.case_definitions import CaseDefinitions, CaseDefinitionsResult
from app.clinical.case_definitions.compact import Compact, StatedFirst
from app.clinical.case_definitions.surveillance import Evidence, possible_classes
from app.clinical.evidence import Criterion, Finding
from app.clinical.facts import Facts
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.rulebook import RulebookError, load_rulebook
from app.clinical.rulebook.model import Threshold

RULEBOOK = load_rulebook()
QUANTITIES = Quantities(RULEBOOK)
DEFINITIONS = CaseDefinitions(RULEBOOK)
LABS = {
    ("cste-cdc-2023", "inflammation.crp"): "crp",
    ("cste-cdc-2023", "hematologic.platelets"): "platelets",
    ("cste-cdc-2023", "hematologic.lymphocytes"): "lymphocytes",
    ("ravelli-mas-2016", "ferritin"): "ferritin",
    ("ravelli-mas-2016", "platelets"): "platelets",
    ("ravelli-mas-2016", "ast"): "ast",
    ("ravelli-mas-2016", "triglycerides"): "triglycerides",
    ("ravelli-mas-2016", "fibrinogen"): "fibrinogen",
    ("hscore-2014", "cytopenia.hemoglobin"): "hemoglobin",
    ("hscore-2014", "cytopenia.wbc"): "wbc",
    ("hscore-2014", "cytopenia.platelets"): "platelets",
}
LAB_TABLES = ("ferritin", "triglycerides", "fibrinogen", "ast")


def judge(**request):
    presentation = Presentation.model_validate_json(json.dumps({"age_years": 8} | request))
    return DEFINITIONS.judge(Facts.of(presentation, QUANTITIES.measure_all(presentation.labs or ())))


def every(finding):
    yield finding
    for part in finding.of:
        yield from every(part)


@pytest.mark.parametrize(("rule", "slug"), LABS.items())
def test_a_laboratory_threshold_is_in_the_unit_in_which_values_are_compared(rule, slug):
    rule_set, key = rule
    assert RULEBOOK[rule_set].threshold(key).unit == QUANTITIES.analytes[slug].canonical.code


@pytest.mark.parametrize("slug", LAB_TABLES)
def test_a_laboratory_table_is_in_the_unit_in_which_values_are_compared(slug):
    assert RULEBOOK["hscore-2014"].table(slug).input_unit == QUANTITIES.analytes[slug].canonical.code


def test_every_laboratory_value_that_is_asked_for_is_an_analyte():
    result = judge()
    names = [
        n
        for f in (result.cdc_2020, result.cste_2023, result.who_2020, result.rcpch_2020)
        for e in every(f)
        for n in e.missing
    ]
    slugs = {n.split(".")[1] for n in names if n.startswith("labs.")}
    assert slugs
    assert slugs <= set(QUANTITIES.analytes)


def test_the_answer_has_the_class_beside_the_finding_and_neither_warnings_nor_patterns():
    answer = json.loads(TypeAdapter(CaseDefinitionsResult).dump_json(judge()))
    assert set(answer) == {"cdc_2020", "cste_2023", "who_2020", "rcpch_2020"}
    finding = {"id", "label", "status", "used", "threshold", "source", "missing", "of", "combine", "at_least", "note"}
    assert set(answer["cdc_2020"]) == finding
    assert set(answer["cste_2023"]) == finding | {"case_class", "possible_case_classes"}
    assert answer["cste_2023"]["case_class"] is None
    assert answer["cste_2023"]["possible_case_classes"] == ["confirmed", "probable", "suspect", "not_a_case"]


def test_absent_and_null_are_the_same():
    parts = ("fever", "kawasaki_signs", "echocardiogram", "hemodynamics", "symptoms", "stated_results", "sars_cov_2")
    assert judge() == judge(**dict.fromkeys(parts))


def test_each_definition_shows_its_rule_set():
    assert [r.id for r in DEFINITIONS.rule_sets] == ["cdc-han-2020", "cste-cdc-2023", "who-2020", "rcpch-2020"]
    for finding in (judge().cdc_2020, judge().cste_2023, judge().who_2020, judge().rcpch_2020):
        assert finding.source


def test_a_warning_stands_once_though_two_definitions_give_it():
    echo = {"coronary_dilation": False, "lad_z": 3, "rca_z": 1}
    codes = [(c.code, c.message) for c in judge(echocardiogram=echo).cautions]
    assert len(codes) == len(set(codes))
    assert {c for c, _ in codes} == {"stated_and_measured_disagree"}


def test_no_warning_without_disagreement():
    assert judge(organ_involvement={"cardiac": True}, echocardiogram={"lvef_percent": 40}).cautions == ()


def test_the_proof_of_an_organ_is_shown_with_its_threshold():
    organs = next(f for f in judge(echocardiogram={"lvef_percent": 40}).cdc_2020.of if f.id == "cdc_2020.organs")
    cardiac = organs.of[0]
    assert cardiac.status == "met"
    assert cardiac.used == {"echocardiogram.lvef_percent": 40}
    assert (cardiac.threshold.operator, cardiac.threshold.value) == ("<", 55)
    assert cardiac.note.startswith("Not stated; proven by")


def test_shared_findings_are_the_same_object_in_all_definitions():
    result = judge(kawasaki_signs={"rash": True})
    skin = [
        f
        for d in (result.cste_2023, result.who_2020, result.rcpch_2020)
        for f in every(d)
        if f.id == "signs.mucocutaneous"
    ]
    assert len(skin) == 3
    assert skin[0] is skin[1] is skin[2]


@pytest.mark.parametrize("name", ["cdc-han-2020", "cste-cdc-2023", "who-2020", "rcpch-2020"])
def test_a_file_that_lacks_a_number_stops_the_start(name, without_rows):
    for kind in ("threshold", "parameter"):
        for row in getattr(RULEBOOK[name].content, kind):
            with pytest.raises(RulebookError, match=row.id):
                CaseDefinitions(without_rows(name, kind, row.id))


@pytest.fixture
def without_rows():
    from app.clinical.rulebook import LoadedRuleSet, Rulebook  # noqa: PLC0415 - used here alone

    def build(name, kind, key):
        loaded = RULEBOOK[name]
        rows = tuple(r for r in getattr(loaded.content, kind) if r.id != key)
        content = loaded.content.model_copy(update={kind: rows})
        changed = LoadedRuleSet(content, loaded.sha256, loaded.file, loaded.origin)
        return Rulebook([changed if s.id == name else s for s in RULEBOOK.all()])

    return build


HIGH = Threshold(id="high", operator=">", value=3, unit="mg/dL", source="s")


def test_a_compact_combination_shows_only_what_decided():
    rash, crp = Criterion("rash", "Rash", "rash"), Criterion("crp", "CRP", "labs.crp", threshold=HIGH)
    either = Compact("either", "Either", "any", source="s")
    found = either(rash.stated(False), crp.measured(5))
    assert (found.status, found.used, found.threshold.value, found.of) == ("met", {"labs.crp": 5}, 3, ())
    found = either(rash.stated(False), crp.measured(1))
    assert (found.status, found.used) == ("not_met", {"rash": False, "labs.crp": 1})
    assert found.threshold.value == 3
    found = either(rash.stated(False), crp.measured(None))
    assert (found.status, found.used, found.threshold) == ("unknown", {"rash": False}, None)
    assert found.missing == ("labs.crp",)


def test_a_compact_combination_of_which_nothing_is_known_is_always_the_same_finding():
    rash, pain = Criterion("rash", "Rash", "rash"), Criterion("pain", "Pain", "pain")
    either = Compact("either", "Either", "any")
    assert either(rash.stated(None), pain.stated(None)) is either(rash.stated(None), pain.stated(None))


def test_a_compact_combination_takes_findings_made_by_hand():
    either = Compact("either", "Either", "any")
    by_hand = Finding("a", "A", "unknown", missing=("a",))
    assert either(by_hand, by_hand).missing == ("a",)


def test_a_compact_combination_starts_afresh_past_its_room(monkeypatch):
    monkeypatch.setattr(compact, "KEPT_SHAPES", 1)
    rash = Criterion("rash", "Rash", "rash")
    nothing = Compact("not", "Not", "not")
    assert [nothing(rash.stated(v)).status for v in (True, False, None, True)] == [
        "not_met",
        "met",
        "unknown",
        "not_met",
    ]
    assert len(nothing._shapes) == 1


def test_a_statement_that_agrees_gives_no_warning():
    cautions = []
    either = StatedFirst("e", "E")
    stated, crp = Criterion("s", "S", "s"), Criterion("crp", "CRP", "labs.crp", threshold=HIGH)
    assert either.decide(stated.stated(True), crp.measured(5), cautions).used == {"s": True}
    assert either.decide(stated.stated(None), crp.measured(5), cautions).used == {"labs.crp": 5}
    assert not cautions


@pytest.mark.parametrize(
    ("evidence", "classes"),
    [
        (Evidence("met", "met", "met", "unknown", True, None, None), ("confirmed",)),
        (Evidence("met", "met", "unknown", "met", True, None, None), ("confirmed", "probable")),
        (Evidence("met", "met", "not_met", "met", True, False, None), ("probable",)),
        (Evidence("not_met", "unknown", "unknown", "unknown", None, None, None), ("not_a_case",)),
        (Evidence("met", "not_met", "met", "met", True, None, None), ("suspect", "not_a_case")),
        (Evidence("met", "not_met", "met", "met", True, False, None), ("not_a_case",)),
        # One unknown death settles severity and the records together: suspect cannot be, as the dead are severe.
        (Evidence("met", "met", "met", "not_met", False, None, None), ("confirmed", "not_a_case")),
        (
            Evidence("met", "unknown", "unknown", "unknown", None, None, None),
            ("confirmed", "probable", "suspect", "not_a_case"),
        ),
    ],
)
def test_possible_classes(evidence, classes):
    assert possible_classes(evidence) == classes
