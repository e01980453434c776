"""The safety case hangs together, says what it must, and does not claim what nobody gave it."""

from __future__ import annotations

import re
import shutil

import pytest
from pydantic import ValidationError

from app.clinical.rulebook import load_rulebook
from app.safety.case import safety_case
from app.safety.files import DATA, SafetyDataError, load, read

DOS = "hazards-1-treatment.toml"
PLANNED = "hazards-9-planned.toml"


@pytest.fixture(scope="module")
def case():
    return safety_case(load_rulebook())


def test_every_hazard_has_a_control_with_a_test(case):
    for hazard in case.hazards:
        assert hazard.control
        if hazard.status != "planned":
            assert hazard.verification, hazard.id
            assert all(control.tests for control in hazard.control), hazard.id


def test_planned_hazards_are_told_openly(case):
    assert case.summary.planned == tuple(h.id for h in case.hazards if h.status == "planned")
    assert case.summary.open == tuple(h.id for h in case.hazards if h.status == "open")
    assert sum(case.summary.by_status.values()) == case.summary.hazards == len(case.hazards)
    assert sum(case.summary.by_residual_level.values()) == len(case.hazards)


def test_no_residual_risk_has_to_be_eliminated(case):
    assert [h.id for h in case.hazards if h.residual_risk.level > 3] == []


def test_risks_are_those_of_the_matrix(case):
    for hazard in case.hazards:
        # Controls that are being built lower nothing yet.
        likelihood = hazard.likelihood if hazard.status == "planned" else hazard.likelihood_after
        row, column = likelihood - 1, hazard.severity - 1
        assert hazard.residual_risk.level == case.matrix.risk[row][column]
        assert hazard.initial_risk.level >= hazard.residual_risk.level


def test_every_hazard_of_a_requirement_is_there_and_the_gravest_are_asked_for(case):
    helped = {h for r in case.requirements for h in r.hazards}
    assert helped <= {h.id for h in case.hazards}
    gravest = {h.id for h in case.hazards if h.severity == 5 and h.status == "controlled"}
    assert gravest <= helped


def test_the_intended_use_is_told_plainly(case):
    use = case.use
    told = " ".join((*use.standing, *use.forbidden, *use.residual_risks))
    for words in ("Not a medical device", "signed", "no independent assessor", "pump", "minutes in shock"):
        assert words in told
    assert min(map(len, (use.users, use.setting, use.patients, use.not_for, use.duties))) >= 2


def test_nothing_is_claimed_that_nobody_gave(case):
    text = case.model_dump_json().lower()
    claims = ("fda-cleared", "fda cleared", "ce-marked", "ce mark", "is compliant", "complies with", "is certified")
    assert [claim for claim in claims if claim in text] == []
    for word in re.findall(r".{40}\b(?:approved|cleared)\b", text):
        assert re.search(r"\b(no|not|nobody|none|has)\b", word), word


RATED = "severity = 4\nlikelihood = 3\nlikelihood_after"
BROKEN = {
    "a control without a test": (DOS, re.compile(r"tests = \[\"[^\]]*\]\n"), "", "no test shows the control"),
    "a residual risk that is not acceptable": (DOS, f"{RATED} = 1", f"{RATED} = 2", "is not controlled"),
    "a risk too high to be tolerated": (DOS, "likelihood_after = 1", "likelihood_after = 3", "not one to be tolerated"),
    "a tolerated risk without a reason": (DOS, re.compile(r'reason = ".*"\n'), "", "tolerated needs a reason"),
    "controls that make it likelier": (DOS, "likelihood_after = 2", "likelihood_after = 5", "make it likelier"),
    "an id twice": (DOS, 'id = "H-DOS-02"', 'id = "H-DOS-01"', "H-DOS-01 stands twice"),
    "a planned hazard taken up without a test": (PLANNED, '"planned"\n', '"controlled"\n', "no test shows"),
    "a matrix that falls": ("case.toml", "[1, 1, 2, 2, 3]", "[2, 1, 2, 2, 3]", "does not rise"),
    "a matrix that is too small": ("case.toml", "  [1, 2, 2, 3, 4],\n", "", "not 5 by 5"),
    "a hazard that is not there": ("requirements.toml", '["H-RUL-03"]', '["H-RUL-99"]', "no hazard"),
    "a requirement without a test": (
        "requirements.toml",
        re.compile(r"tests = \[\n(?:  .*\n)*\]\n"),
        "",
        "no test verifies it",
    ),
}


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("fault", BROKEN)
def test_data_that_contradict_themselves_are_refused(folder, fault):
    name, old, new, words = BROKEN[fault]
    path = folder / name
    text = path.read_text(encoding="utf-8")
    changed = text.replace(old, new, 1) if isinstance(old, str) else old.sub(new, text, count=1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(SafetyDataError, match=words):
        read(folder)


@pytest.mark.parametrize(("old", "new"), [("severity = 4", "severity = 6"), ("residual =", "residuum =")])
def test_data_of_another_shape_are_refused(folder, old, new):
    path = folder / DOS
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValidationError):
        read(folder)


def test_the_data_as_they_are_are_sound():
    assert read(DATA) == load()


def test_the_gate_asks_for_all_but_the_planned():
    data = load()
    asked = data.tests()
    assert {h.id for h in data.hazards if h.status != "planned"} <= asked.keys()
    assert not {h.id for h in data.hazards if h.status == "planned"} & asked.keys()
    assert all(asked.values())
