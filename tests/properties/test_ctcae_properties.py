"""What must hold of every grade: more knowledge never contradicts less, order and unit spelling do not matter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.grades import Grade, bits, decided, listed, outcome
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.models import record_model
from app.clinical.rulebook import load_rulebook

GRADER = Grader(load_rulebook())
RECORD = record_model(GRADER.facts.values(), ())
LABORATORY = [
    (version, term)
    for version in GRADER.versions.all.values()
    for term in version.terms.values()
    if isinstance(term, LaboratoryTerm)
]
CLINICAL = [
    (version, term)
    for version in GRADER.versions.all.values()
    for term in version.terms.values()
    if isinstance(term, ClinicalTerm)
]
SETS = st.integers(0, bits(Grade))


@st.composite
def laboratory_records(draw: st.DrawFn) -> dict[str, Any]:
    version, term = draw(st.sampled_from(LABORATORY))
    analyte = term.analytes[term.rule.analyte or ""]
    usual, span = analyte.tiers.usual, analyte.tiers.possible
    lowest, highest = max(float(span.low), 0.002), float(span.high)

    def believable(number: float) -> float:
        return min(max(round(number, 4), lowest), highest)

    ratios = st.floats(0.3, 30)
    value = believable(draw(st.floats(float(usual.low), float(usual.high))))
    upper = believable(max(value / draw(ratios), lowest * 2))
    record: dict[str, Any] = {"term": term.rule.slug, "version": version.version, "value": value}
    record |= {"unit": analyte.canonical.code, "upper_limit": upper, "override_plausibility": True}
    record |= {"lower_limit": lowest + (upper - lowest) * draw(st.floats(0, 0.9))}
    record |= {"baseline": believable(value / draw(ratios))}
    names = sorted({n for s in term.scales for n in s.facts if n in version.facts})
    return record | {n: draw(st.booleans()) for n in names}


def possible(record: dict[str, Any]) -> set[int]:
    return set(GRADER.grade(RECORD.model_validate(record)).possible_grades)


def contradicts_itself(record: dict[str, Any]) -> bool:
    """Say whether `baseline_abnormal` states the opposite of what baseline and upper limit say.

    The statement outranks the numbers (decision 10): ALT 1 with a baseline of 0.6, a limit of 40 and an abnormal
    baseline is grade 1 (1.5 x baseline), and 0 without the statement. As on page 4, only consistent inputs can be
    expected never to contradict themselves when one is left out.
    """
    stated, baseline, limit = (record.get(n) for n in ("baseline_abnormal", "baseline", "upper_limit"))
    return None not in {stated, baseline, limit} and stated != (baseline > limit)


@settings(max_examples=300, deadline=None)
@given(laboratory_records(), st.data())
def test_fewer_inputs_never_contradict_more(record: dict[str, Any], data: st.DataObject) -> None:
    """What is answered from less still holds the answer from more, but for the assumptions, which are stated."""
    optional = [n for n in record if n not in {"term", "version", "value", "unit", "override_plausibility"}]
    dropped = data.draw(st.sets(st.sampled_from(optional)))
    less = {n: v for n, v in record.items() if n not in dropped}
    answer = GRADER.grade(RECORD.model_validate(less))
    full = possible(record)
    term = GRADER.versions(record["version"]).terms[record["term"]]
    alternatives = {n for s in term.scales for n in s.optional}  # type: ignore[union-attr]  # a laboratory term
    if not answer.assumptions and not dropped & alternatives and not contradicts_itself(record):
        assert full <= set(answer.possible_grades)


@settings(max_examples=200, deadline=None)
@given(laboratory_records())
def test_answers_are_coherent(record: dict[str, Any]) -> None:
    answer = GRADER.grade(RECORD.model_validate(record))
    assert (answer.grade is not None) == (len(answer.possible_grades) == 1)
    assert answer.possible_grades == tuple(sorted(set(answer.possible_grades)))
    term = GRADER.versions(record["version"]).terms[record["term"]]
    assert set(answer.possible_grades) <= {0, *term.rule.grades}
    assert (answer.criterion is None) == (answer.grade is None)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([(v, t) for v, t in LABORATORY if len(t.scales) == 1 and not t.rule.scale[0].unit]),
    st.floats(0.5, 30),
    st.floats(0.2, 3),
)
def test_ratio_terms_do_not_depend_on_the_scale(term: Any, ratio: float, stretch: float) -> None:
    """Value, limits and baseline all stretched by one factor give the same grade."""
    version, found = term
    names = sorted({n for n in found.scales[0].facts if n in version.facts})

    def judge(size: float) -> tuple[int, ...]:
        sent = {"value": 100 * ratio * size, "lower_limit": 50 * size, "upper_limit": 100 * size, "baseline": 80 * size}
        record = {"term": found.rule.slug, "version": version.version, **sent, **dict.fromkeys(names, False)}
        return GRADER.grade(RECORD.model_validate(record)).possible_grades

    assert judge(1) == judge(round(stretch, 6)) or _is_near_a_bound(ratio)


def _is_near_a_bound(ratio: float) -> bool:
    return any(abs(ratio - k * base) < 1e-9 for k in (1, 1.5, 2, 2.5, 3, 5, 6, 10, 20) for base in (1, 0.8, 0.5))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CLINICAL), st.data())
def test_clinical_answers_shrink_as_facts_come_in(term: Any, data: st.DataObject) -> None:
    version, found = term
    facts: dict[str, Any] = {}
    before: set[int] | None = None
    alternatives = set(found.alternatives(0))
    for name in found.facts:
        rule = version.facts[name]
        if name in alternatives or not data.draw(st.booleans()):
            continue
        facts[name] = data.draw(_values(rule))
        now = set(listed(found.judge(facts).possible))
        assert before is None or now <= before
        before = now


def _values(rule: Any) -> st.SearchStrategy[Any]:
    if rule.kind == "boolean":
        return st.booleans()
    if rule.kind == "choice":
        return st.sampled_from(rule.values)
    if rule.kind == "integer":
        return st.integers(int(rule.low), int(rule.high))
    return st.floats(float(rule.low), float(rule.high))


@given(SETS, SETS, SETS, SETS)
def test_outcomes_never_fall_below_what_holds(met: int, perhaps: int, gap: int, perhaps_gap: int) -> None:
    found = listed(outcome(met, perhaps, gap, perhaps_gap))
    highest = max(listed(met), default=0)
    assert found
    assert min(found) >= highest
    assert decided(outcome(met, 0, 0, 0)) == highest
    assert set(found) >= {g for g in listed(perhaps) if g > highest}


@pytest.mark.parametrize("term", ["alanine_aminotransferase_increased", "neutrophil_count_decreased"])
def test_grades_follow_the_value(term: str) -> None:
    """A worse value never has a lower grade."""
    unit, worse = ("U/L", 1) if term.startswith("alanine") else ("10*3/uL", -1)
    values = [i * 7.5 for i in range(1, 200)] if worse == 1 else [i * 0.02 for i in range(2, 200)]
    sent = {
        "term": term,
        "unit": unit,
        "upper_limit": 40.0 if worse == 1 else None,
        "lower_limit": None if worse == 1 else 2.0,
    }
    grades = [GRADER.grade(RECORD.model_validate({**sent, "value": v, "baseline": None})).grade for v in values]
    assert grades == sorted(grades, reverse=worse == -1)
