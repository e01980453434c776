"""New adverse events from courses: what a sample must have, and baselines in another unit."""

from typing import NamedTuple

import pytest

from app.clinical.ctcae import emergent
from app.clinical.ctcae.emergent import EmergentTerm
from app.clinical.ctcae.grades import listed
from app.clinical.ctcae.grading import Grader
from app.clinical.rulebook import load_rulebook

TERMS = Grader(load_rulebook()).versions("5.0").terms
BILIRUBIN = EmergentTerm(TERMS["blood_bilirubin_increased"])


class Sample(NamedTuple):
    value: float | None
    unit: str | None
    lower_limit: float | None = None
    upper_limit: float | None = None


def grades(after, before=None):
    return listed(BILIRUBIN.possible([after], before))


def test_a_baseline_in_another_unit_is_converted():
    before = Sample(34.2, "umol/L", upper_limit=17.1)  # 2 mg/dL, abnormal
    # 3.2 mg/dL is 1.6 x that baseline: grade 2 by multiples of the baseline, though 3.2 x the limit would be 3.
    assert grades(Sample(3.2, "mg/dL", upper_limit=1.0), before) == (2,)
    assert grades(Sample(3.2, "mg/dL", upper_limit=1.0), Sample(2.0, "mg/dL", upper_limit=1.0)) == (2,)


def test_a_lower_limit_of_0_is_none():
    neutrophils = EmergentTerm(TERMS["neutrophil_count_decreased"])
    open_, none = (listed(neutrophils.alone(Sample(1.6, "10*3/uL", lower_limit=low))) for low in (None, 0))
    assert open_ == none == (0, 1)


def test_a_unit_of_another_analyte_is_a_fault():
    with pytest.raises(ValueError, match="must be one of the term's analyte"):
        grades(Sample(3.2, "mmHg", upper_limit=1.0))


def test_a_baseline_needs_a_value():
    with pytest.raises(ValueError, match="needs a value"):
        grades(Sample(3.2, "mg/dL", upper_limit=1.0), Sample(None, "mg/dL", upper_limit=1.0))


def test_a_baseline_can_be_brought_to_a_unit_only():
    ratio = TERMS["alanine_aminotransferase_increased"].without_unit()
    with pytest.raises(ValueError, match="needs a unit"):
        emergent._unit(ratio)


def test_what_is_remembered_is_bounded_and_changes_nothing(monkeypatch):
    samples = [Sample(v, "mg/dL", upper_limit=1.0) for v in (0.5, 1.2, 2.0, 4.0, 12.0)]
    expected = [grades(s) for s in samples]
    monkeypatch.setattr(emergent, "_KEPT", 1)
    fresh = EmergentTerm(TERMS["blood_bilirubin_increased"])
    assert [listed(fresh.possible([s], None)) for s in samples] == expected
