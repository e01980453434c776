"""Criteria and combinations: what a Finding shows, and what is refused when they are built wrongly."""

from decimal import Decimal

import pytest

from app.clinical import evidence
from app.clinical.evidence import (
    MET,
    NOT_MET,
    UNKNOWN,
    Combination,
    Criterion,
    Finding,
    disagree,
    pattern_of,
    reference,
)
from app.clinical.missing import fewest, in_full
from app.clinical.rulebook.model import Threshold

LOW = Threshold(id="low", source="s", operator="<", value=Decimal(55), unit="%")
LVEF = Criterion("lvef", "LVEF below 55 %", "echo.lvef", threshold=LOW, source="book", note="n")
RASH = Criterion("rash", "Rash", "signs.rash")
NODES = Criterion("nodes", "Nodes", "signs.nodes")
ALT = Criterion("alt", "ALT", ("labs.alt", "labs.alt.upper_limit"))


def test_a_number_is_shown_with_its_threshold():
    finding = LVEF.measured(Decimal("54.9"))
    assert (finding.status, finding.used, finding.source, finding.note) == (MET, {"echo.lvef": 54.9}, "book", "n")
    assert (finding.threshold.operator, finding.threshold.value, finding.threshold.bound) == ("<", 55.0, "exclusive")
    assert LVEF.measured(55.0).status == NOT_MET
    assert LVEF.holds(54)


def test_an_absent_number_or_fact_is_unknown_and_asks_for_its_input():
    for finding in (LVEF.measured(None), RASH.stated(None)):
        assert (finding.status, finding.used) == (UNKNOWN, {})
    assert LVEF.measured(None).missing == ("echo.lvef",)


def test_stated_facts_share_their_findings():
    assert RASH.stated(True) is RASH.stated(True)
    assert RASH.stated(False).used == {"signs.rash": False}


def test_a_criterion_without_a_threshold_measures_nothing():
    with pytest.raises(TypeError, match="rash has no threshold"):
        RASH.measured(1)


def test_unknown_can_ask_for_a_part_of_its_inputs():
    assert ALT.unknown() is ALT.stated(None)
    partly = ALT.unknown("labs.alt.upper_limit", used={"labs.alt": 60.0})
    assert (partly.missing, partly.used) == (("labs.alt.upper_limit",), {"labs.alt": 60.0})
    assert partly.pattern is ALT.unknown("labs.alt.upper_limit").pattern
    assert ALT.unknown(note="why").missing == ALT.inputs


def test_only_at_least_takes_a_count():
    with pytest.raises(ValueError, match="at_least"):
        Combination("x", "x", "all", at_least=2)
    with pytest.raises(ValueError, match="at_least"):
        Combination("x", "x", "at_least")


def test_a_combination_shows_its_parts_and_what_is_missing():
    both = Combination("both", "Both", "all", source="book", note="n")
    finding = both(RASH.stated(True), NODES.stated(None), note="other")
    assert (finding.status, finding.missing, finding.note) == (UNKNOWN, ("signs.nodes",), "other")
    assert [part.id for part in finding.of] == ["rash", "nodes"]
    assert both(RASH.stated(True), NODES.stated(True)).note == "n"


def test_a_combination_starts_afresh_when_it_remembers_too_much(monkeypatch):
    monkeypatch.setattr(evidence, "_KEPT_PATTERNS", 1)
    both = Combination("both", "Both", "all")
    for value in (True, False, None, True):
        assert both(RASH.stated(value)).status == RASH.stated(value).status


def test_findings_made_by_hand_can_be_combined():
    known = Finding("a", "A", MET)
    unknown = Finding("b", "B", UNKNOWN, missing=("b.input",))
    whole = Finding("c", "C", UNKNOWN, of=(known, unknown), combine="all")
    both = Combination("both", "Both", "all")
    assert both(known, unknown).missing == ("b.input",)
    assert both(known, unknown).pattern is both(known, unknown).pattern
    assert pattern_of(whole).missing == ("b.input",)
    assert both(Finding("d", "D", MET), RASH.stated(None)).pattern is both(RASH.stated(True), RASH.stated(None)).pattern
    assert both(Finding("e", "E", MET), RASH.stated(None)).missing == ("signs.rash",)


def test_a_reference_keeps_what_is_missing_but_not_the_parts():
    both = Combination("both", "Both", "all")
    whole = both(RASH.stated(None), NODES.stated(None))
    short = reference(whole)
    assert (short.id, short.status, short.missing, short.of) == ("both", UNKNOWN, whole.missing, ())
    assert Combination("again", "Again", "any")(short).missing == whole.missing


@pytest.mark.parametrize(
    ("stated", "derived", "expected"), [(True, False, True), (True, True, False), (None, True, False)]
)
def test_a_statement_disagrees_only_with_what_is_known(stated, derived, expected):
    assert disagree(RASH.stated(stated), NODES.stated(derived)) is expected


def test_alternatives_ask_for_the_one_with_the_fewest_inputs():
    first = Combination("first", "First", "first_known")
    finding = first(ALT.stated(None), RASH.stated(None))
    assert finding.missing == fewest(finding) == in_full(finding) == ("signs.rash",)


def test_an_example_proves_when_met_and_proves_nothing_otherwise():
    proof = Combination("proof", "Proof", "if_met")
    first = Combination("first", "First", "first_known")
    finding = first(RASH.stated(None), proof(NODES.stated(False)))
    assert (finding.missing, in_full(finding)) == (("signs.rash",), ("signs.rash",))
    open_both = first(RASH.stated(None), proof(NODES.stated(None)))
    assert in_full(open_both) == ("signs.rash",)
    assert in_full(first(proof(NODES.stated(None)))) == ("signs.nodes",)
    stuck = proof(NODES.stated(False))
    assert fewest(stuck, RASH.stated(None)) == ()


def test_what_is_decided_asks_for_nothing():
    assert fewest(RASH.stated(True)) == in_full(RASH.stated(True)) == ()


def test_inputs_that_findings_share_are_asked_for_once():
    one = Combination("one", "One", "all")(RASH.stated(None), NODES.stated(None))
    other = Combination("other", "Other", "any")(RASH.stated(None))
    assert fewest(one, other) == ("signs.rash",)
    assert in_full(one, other) == ("signs.rash", "signs.nodes")
