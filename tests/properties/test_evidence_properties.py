"""Kleene's laws, and that knowing more never turns one truth into another."""

from hypothesis import given
from hypothesis import strategies as st

from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Combination, Criterion, truth

VALUES = st.sampled_from([True, False, None])
CRITERIA = [Criterion(f"c{i}", f"criterion {i}", f"input_{i}") for i in range(6)]
SOME = st.lists(VALUES, min_size=1, max_size=6)
ALL = Combination("all", "all", "all")
ANY = Combination("any", "any", "any")
NOT = Combination("not", "not", "not")
FIRST = Combination("first", "first", "first_known")
IF_MET = Combination("if_met", "if met", "if_met")
ORDER = {NOT_MET: 0, UNKNOWN: 1, MET: 2}


def at_least(k):
    return Combination("some", "some", "at_least", at_least=k)


def findings(values):
    return [criterion.stated(value) for criterion, value in zip(CRITERIA, values, strict=False)]


@given(SOME)
def test_and_is_the_least_and_or_the_greatest_truth(values):
    found = findings(values)
    assert ORDER[ALL(*found).status] == min(ORDER[f.status] for f in found)
    assert ORDER[ANY(*found).status] == max(ORDER[f.status] for f in found)


@given(SOME)
def test_de_morgan(values):
    found = findings(values)
    assert NOT(ALL(*found)).status == ANY(*map(NOT, found)).status
    assert NOT(ANY(*found)).status == ALL(*map(NOT, found)).status


@given(VALUES)
def test_not_twice_is_the_same(value):
    finding = CRITERIA[0].stated(value)
    assert NOT(NOT(finding)).status == finding.status == truth(value)


@given(SOME, st.integers(1, 6))
def test_k_of_n_is_the_kth_greatest_truth(values, k):
    found = findings(values)
    ranked = sorted((ORDER[f.status] for f in found), reverse=True)
    assert ORDER[at_least(k)(*found).status] == (ranked[k - 1] if k <= len(ranked) else ORDER[NOT_MET])


@given(SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(values, random):
    found = findings(values)
    other = random.sample(found, len(found))
    for combine in (ALL, ANY, at_least(2)):
        assert combine(*found).status == combine(*other).status


@given(SOME, st.data())
def test_knowing_more_never_contradicts(values, data):
    """Fill in what was unknown: what was decided stays as it was."""
    fuller = [data.draw(VALUES) if value is None else value for value in values]
    before, after = findings(values), findings(fuller)
    for combine in (ALL, ANY, at_least(2), at_least(4), IF_MET, NOT):
        parts = (before[:1], after[:1]) if combine in {IF_MET, NOT} else (before, after)
        early, late = combine(*parts[0]), combine(*parts[1])
        assert early.status in {UNKNOWN, late.status}


@given(SOME)
def test_the_first_that_is_known_decides(values):
    known = [value for value in values if value is not None]
    assert FIRST(*findings(values)).status == truth(known[0] if known else None)


@given(SOME)
def test_only_the_unknown_miss_anything(values):
    for combine in (ALL, ANY, at_least(3), FIRST):
        finding = combine(*findings(values))
        assert bool(finding.missing) == (finding.status == UNKNOWN)
