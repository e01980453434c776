"""MAS criteria and HScore as a part of an answer, and what a rule file must hold for them."""

import json
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from app.clinical.facts import Facts
from app.clinical.hscore import HScore
from app.clinical.macrophage_activation import MacrophageActivation, MacrophageActivationResult
from app.clinical.presentation import Presentation
from app.clinical.rulebook import LoadedRuleSet, Rulebook, RulebookError, load_rulebook
from app.clinical.rulebook.model import Band

RULEBOOK = load_rulebook()
MACROPHAGES = MacrophageActivation(RULEBOOK)


def judge(**request):
    return MACROPHAGES.judge(Facts.of(Presentation(age_years=8, **request), {}))


def with_bands(key, bands, **update):
    loaded = RULEBOOK["hscore-2014"]
    tables = tuple(
        t.model_copy(update={"band": tuple(bands), **update}) if t.id == key else t for t in loaded.content.table
    )
    content = loaded.content.model_copy(update={"table": tables})
    changed = LoadedRuleSet(content, loaded.sha256, loaded.file, loaded.origin)
    return Rulebook([changed if s.id == loaded.id else s for s in RULEBOOK.all()])


def test_of_nothing_known_the_score_is_its_whole_range():
    hscore = judge().hscore
    assert (hscore.minimum, hscore.maximum) == (0, 337)
    assert hscore.probability == (0.0, 1.0)
    assert not hscore.complete
    assert hscore.reaches_cutoff == "unknown"
    assert len(hscore.missing) == 12


def test_the_answer_serialises_with_its_items():
    answer = json.loads(TypeAdapter(MacrophageActivationResult).dump_json(judge()))
    assert set(answer) == {"ravelli_2016", "hscore"}
    assert {"minimum", "maximum", "complete", "probability", "missing", "items"} <= set(answer["hscore"])
    assert [i["id"] for i in answer["hscore"]["items"]] == [
        "known_immunosuppression",
        "temperature",
        "organomegaly",
        "cytopenia",
        "ferritin",
        "triglycerides",
        "fibrinogen",
        "ast",
        "marrow_hemophagocytosis",
    ]
    assert set(answer["hscore"]["items"][0]) == {"id", "label", "minimum", "maximum", "used", "missing"}


def test_both_say_that_they_were_not_made_for_mis_c():
    assert "MIS-C" in judge().ravelli_2016.note
    assert "MIS-C" in judge().hscore.note


def test_the_rule_sets_are_named():
    assert [r.id for r in MACROPHAGES.rule_sets] == ["ravelli-mas-2016", "hscore-2014"]


BANDS = RULEBOOK["hscore-2014"].table("ast").band


@pytest.mark.parametrize(
    ("key", "bands", "reason"),
    [
        ("ast", (Band(to=30, points=0), Band.model_validate({"from": 30})), "needs whole points"),
        (
            "ast",
            (Band(to=30, points=0), Band.model_validate({"from": 30, "points": Decimal("1.5")})),
            "needs whole points",
        ),
        ("ast", (Band(to=30, points=-1), BANDS[1]), "none below 0"),
        ("ast", (Band(to=30, points=0),), "must cover every value"),
        ("ast", (BANDS[1],), "must cover every value"),
        ("cytopenia", (Band(to=2, points=0),), "no band for 2"),
        ("probability", (Band(to=90, low=0, high=1),), "needs low and high for a score of 90"),
        ("probability", (Band(low=0),), "needs low and high for a score of 0"),
        ("probability", (Band(high=1),), "needs low and high for a score of 0"),
    ],
)
def test_a_table_that_could_leave_a_score_without_an_answer_stops_the_start(key, bands, reason):
    with pytest.raises(RulebookError, match=reason):
        HScore(with_bands(key, bands))


def test_a_table_with_gaps_stops_the_start():
    with pytest.raises(RulebookError, match="without gaps"):
        HScore(with_bands("ast", BANDS, gaps=True))
