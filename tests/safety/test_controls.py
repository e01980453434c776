"""Controls of hazards that no other test shows by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from app.clinical.anakinra.icalendar import calendar
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.rulebook import load_rulebook
from tests.unit.test_anakinra_answers import DOSE, PARTS, DoseRequest, Titration, TitrationRequest, everything_said

RULEBOOK = load_rulebook()
WEAN = Weaning(*PARTS)
PLAN = {
    "weight_kg": 25,
    "current_mg_kg_day": 10,
    "clinically_stable": True,
    "interval_hours": 24,
    "starts_at": "2026-06-01T08:00:00-04:00",
}
DIRECTIVE = re.compile(
    r"\b(?:administer|immediately|urgent(?:ly)?|emergency|alarm|at once|act now|(?:give|start|order|inject) now"
    r"|you (?:must|should)|must be (?:given|started))\b",
    re.IGNORECASE,
)


def dose(**more):
    return DOSE(DoseRequest.model_validate({"weight_kg": 25, "critically_ill": True, **more}))


def codes(answer):
    return {w.code for w in answer.warnings}


@pytest.mark.parametrize("critically_ill", [True, False, None])
@pytest.mark.parametrize("weight", [4, 25, 60])
def test_a_dose_is_a_range_and_never_one_number(critically_ill, weight):
    answer = dose(weight_kg=weight, critically_ill=critically_ill)
    ends = [o.at for o in answer.options]
    assert ends.count("low") == ends.count("high") == (2 if critically_ill is None else 1)
    assert (answer.midpoint is None) is (critically_ill is None)
    assert answer.reason
    with_target = dose(weight_kg=weight, critically_ill=critically_ill, target_mg_kg_day=8)
    assert {"target", "low", "high"} == {o.at for o in with_target.options}


def test_no_answer_commands():
    said = list(everything_said())
    assert len(said) > 500
    assert [(path, text) for path, text in said if DIRECTIVE.search(text)] == []


@pytest.mark.parametrize("text", ["Administer 50 mg", "This is an emergency", "You should call", "Give now"])
def test_the_search_for_commands_finds_them(text):
    assert DIRECTIVE.search(text)


def test_every_plan_says_how_little_the_evidence_is():
    titration = Titration(*PARTS)(TitrationRequest.model_validate({"weight_kg": 25, "current_mg_kg_day": 8}))
    for answer in (dose(), titration, WEAN(WeanRequest.model_validate(PLAN))):
        assert {"off_label", "evidence_limited"} <= codes(answer)
        evidence = next(w.message for w in answer.warnings if w.code == "evidence_limited")
        assert "46" in evidence
        assert "observational" in evidence


def test_a_dose_says_where_guidelines_differ_and_what_others_give():
    assert {"differs_from_acr", "differs_from_nih", "other_regimens", "evidence_against"} <= codes(dose())


def test_a_plan_asks_for_a_look_before_every_step():
    plan = WEAN(WeanRequest.model_validate(PLAN))
    assert plan.status == "planned"
    assert "before every step" in plan.reason


def test_every_later_event_of_a_calendar_holds_on_a_condition():
    stream = calendar(WEAN(WeanRequest.model_validate(PLAN)), datetime(2026, 6, 1, tzinfo=UTC))
    events = stream.replace("\r\n ", "").split("BEGIN:VEVENT")[1:]
    assert len(events) == 6
    assert all("STATUS:TENTATIVE" in event for event in events)
    assert "Current dose." in events[0]
    assert all("Only if a clinician finds the child stable\\; otherwise hold." in event for event in events[1:])


def test_no_rule_set_uses_race_or_ethnicity():
    for rules in RULEBOOK.all():
        uses = rules.content.rule_set.uses
        assert (uses.race, uses.ethnicity) == ("not used", "not used"), rules.id


def test_the_doubtful_terms_of_ctcae_6_are_told():
    told = " ".join(RULEBOOK["ctcae-6.0"].content.rule_set.limitations)
    for term in ("Lymphopenia", "urinary protein", "chronic kidney disease", "urticaria"):
        assert term in told
