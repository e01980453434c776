"""Every rule set has a card, and a card says what the rule file says."""

from __future__ import annotations

import pytest

from app.clinical.rulebook import RulebookError, load_rulebook
from app.safety.cards import cards_of, inputs_of
from app.safety.case import safety_case
from app.safety.files import SafetyDataError, load
from tests.unit.test_rules_document import EXAMPLE

RULEBOOK = load_rulebook()
CARDS = {card.id: card for card in cards_of(RULEBOOK, load())}
RULES = {rules.id: rules for rules in RULEBOOK.all()}


def test_every_rule_set_has_a_card():
    assert set(CARDS) == set(RULES)
    assert set(load().cards) == set(RULES)


@pytest.mark.parametrize("rule_set", sorted(RULES))
def test_a_card_is_of_its_rule_file(rule_set):
    card, rules = CARDS[rule_set], RULES[rule_set]
    assert (card.version, card.sha256, card.origin) == (rules.content.rule_set.version, rules.sha256, "built_in")
    assert card.change[-1].version == card.version
    assert len(card.sources) == len(rules.content.source)
    assert card.forbidden
    assert card.failures
    assert any(v.tests for v in card.validation)


def test_every_card_names_its_subgroup_limits():
    assert [card.id for card in CARDS.values() if len(card.subgroups) < 40] == []
    of_the_study = [c for c in CARDS.values() if any(s.key == "dizon-2023" for s in RULES[c.id].content.source)]
    told = [c.id for c in of_the_study if "54 %" in c.subgroups]
    assert {"childrens-national-2020", "misc-phenotype-2023", "misc-cv-shock-2023"} <= set(told)


def test_inputs_have_their_ranges():
    of, protocol = inputs_of(RULEBOOK), RULES["childrens-national-2020"]

    def look_up(name):
        return of(name, protocol)

    weight = look_up("weight_kg")
    assert (weight.unit, weight.possible) == ("kg", "above 0, up to 500 kg")
    assert look_up("creatinine_mg_dl").unit == "mg/dL"
    assert look_up("analyte:crp").plausible
    assert look_up("critically_ill").possible is None
    assert look_up("interval_hours=wean.interval").possible == "24 to 48 h"
    assert look_up("target_mg_kg_day=ceiling").possible == "<= 10 mg/kg/day"
    with pytest.raises(RulebookError):
        look_up("target_mg_kg_day=nothing")
    with pytest.raises(SafetyDataError):
        look_up("analyte:nothing")


def test_a_rule_set_without_notes_is_noticed(tmp_path):
    (tmp_path / "example-hospital-2026.toml").write_text(EXAMPLE, encoding="utf-8")
    case = safety_case(load_rulebook(tmp_path))
    assert case.summary.rule_sets_without_card == ("example-hospital-2026",)


def test_a_hospitals_override_is_marked(tmp_path):
    text = EXAMPLE.replace('id = "example-hospital-2026"', 'id = "childrens-national-2020"')
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    card = next(c for c in safety_case(load_rulebook(tmp_path)).cards if c.id == "childrens-national-2020")
    assert (card.origin, card.version) == ("hospital", "1.0.0")
    assert card.sha256 != CARDS["childrens-national-2020"].sha256
