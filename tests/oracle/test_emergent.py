"""Adverse events from courses equal what the grader gives, sample by sample, on random courses.

The plain way: grade every sample after treatment with the grader, with the last one before as its baseline; keep the
worst grade; of a term without a baseline of its own, only where it is worse than the grade before.
"""

import random
from typing import NamedTuple

import pytest

from app.clinical.ctcae.emergent import EmergentTerm, highest
from app.clinical.ctcae.grades import listed
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import GradeRecord
from app.clinical.rulebook import load_rulebook

GRADER = Grader(load_rulebook())
TERMS = {
    "alanine_aminotransferase_increased": (
        (("U/L", 1),),
        (10, 39.9, 40, 40.1, 60, 61, 100, 119.9, 120, 121, 200, 201, 300, 800, 801, 1300),
        (None, 40, 55),
        "upper_limit",
    ),
    "aspartate_aminotransferase_increased": (
        (("U/L", 1),),
        (33.3, 50, 75, 75.1, 99.9, 150, 166.5, 250, 666, 1000),
        (33.3, 50),
        "upper_limit",
    ),
    "neutrophil_count_decreased": (
        (("10*3/uL", 1), ("/uL", 1000)),
        (0.2, 0.49, 0.5, 0.99, 1, 1.2, 1.49, 1.5, 1.7, 1.8, 4),
        (None, 1.2, 1.5, 1.8),
        "lower_limit",
    ),
}
COURSES = 1500


class Sample(NamedTuple):
    value: float
    unit: str
    lower_limit: float | None = None
    upper_limit: float | None = None


def sample(draw, term, limit=...):
    units, values, limits, side = TERMS[term]
    unit, times = draw.choice(units)
    limit = draw.choice(limits) if limit is ... else limit
    return Sample(draw.choice(values) * times, unit, **{side: None if limit is None else limit * times})


def graded(term, one, baseline=None):
    record = GradeRecord(
        term=term,
        value=one.value,
        unit=one.unit,
        lower_limit=one.lower_limit,
        upper_limit=one.upper_limit,
        baseline=baseline,
    )
    return GRADER.grade(record)


def in_unit_of(one, other):
    if one.unit == other.unit:
        return one.value
    return one.value * 1000 if other.unit == "/uL" else one.value / 1000


@pytest.mark.parametrize("term", TERMS)
def test_every_number_known(term):
    draw = random.Random(term)  # noqa: S311  # drawn for a test
    emergent = EmergentTerm(GRADER.versions("5.0").terms[term])
    seen = set()
    for _ in range(COURSES):
        limit = draw.choice([x for x in TERMS[term][2] if x is not None])
        before = sample(draw, term, limit)
        after = [sample(draw, term, limit) for _ in range(draw.randrange(1, 5))]
        if term == "neutrophil_count_decreased":
            was = graded(term, before).grade
            expected = max(g if g > was else 0 for g in (graded(term, one).grade for one in after))
        else:
            expected = max(graded(term, one, in_unit_of(before, one)).grade for one in after)
        assert listed(emergent.possible(after, before)) == (expected,), (before, after)
        seen.add(expected)
    assert seen >= {0, 1, 2, 3}


@pytest.mark.parametrize("term", TERMS)
def test_what_is_missing_never_decides_otherwise(term):
    """What is known without baseline or limits stays true whatever they turn out to be (one laboratory: one limit)."""
    draw = random.Random(term)  # noqa: S311  # drawn for a test
    emergent = EmergentTerm(GRADER.versions("5.0").terms[term])
    for _ in range(COURSES):
        limit = draw.choice([x for x in TERMS[term][2] if x is not None])
        after = [sample(draw, term, draw.choice((limit, None))) for _ in range(draw.randrange(1, 4))]
        before = sample(draw, term, limit)
        less = set(listed(emergent.possible(after, None)))
        assert set(listed(emergent.possible(after, before))) <= less, (before, after)


def test_within_limits_without_a_baseline_is_no_event():
    emergent = EmergentTerm(GRADER.versions("5.0").terms["alanine_aminotransferase_increased"])
    assert listed(emergent.possible([Sample(40, "U/L", None, 40)], None)) == (0,)
    assert listed(emergent.possible([Sample(41, "U/L", None, 40)], None)) == (0, 1)
    assert listed(emergent.possible([Sample(201, "U/L", None, 40)], None)) == (0, 1, 2, 3)
    assert listed(emergent.possible([Sample(41, "U/L")], None)) == (0, 1, 2, 3, 4)


def test_a_baseline_is_judged_by_its_own_limit():
    emergent = EmergentTerm(GRADER.versions("5.0").terms["alanine_aminotransferase_increased"])
    after = [Sample(61, "U/L", None, 55)]
    assert listed(emergent.possible(after, Sample(50, "U/L", None, 55))) == (1,), "normal before: above the limit"
    assert listed(emergent.possible(after, Sample(50, "U/L", None, 40))) == (0,), "abnormal before: below 1.5 times"


def test_no_sample_is_no_judgement():
    emergent = EmergentTerm(GRADER.versions("5.0").terms["neutrophil_count_decreased"])
    assert emergent.possible([], None) == 0
    assert highest(0, 1) == 1
