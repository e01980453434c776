"""Bedside Schwartz: the published factor, the ages it holds for, and what is missing."""

from decimal import Decimal

import pytest

from app.clinical.renal import BedsideSchwartz
from app.clinical.rulebook import load_rulebook

SCHWARTZ = BedsideSchwartz(load_rulebook())


@pytest.mark.parametrize(
    ("height", "creatinine", "egfr"),
    [(100, 0.413, "100"), (128, 0.4, "132.16"), (120, 1.652, "30"), (150, 0.7, "88.5")],
)
def test_the_estimate(height, creatinine, egfr):
    assert SCHWARTZ(8, height, creatinine).egfr == Decimal(egfr)


@pytest.mark.parametrize(("age", "holds"), [(0, False), (0.999, False), (1, True), (18, True), (18.001, False)])
def test_the_ages_it_holds_for(age, holds):
    renal = SCHWARTZ(age, 100, 0.5)
    assert (renal.egfr is not None) == holds
    assert (renal.caution is None) == holds
    assert renal.missing == ()


@pytest.mark.parametrize(
    ("sent", "missing"),
    [
        ((None, None, None), ("age_years", "height_cm", "creatinine_mg_dl")),
        ((8, None, 0.4), ("height_cm",)),
        ((8, 128, None), ("creatinine_mg_dl",)),
        ((None, 128, 0.4), ("age_years",)),
    ],
)
def test_what_is_missing_is_named(sent, missing):
    renal = SCHWARTZ(*sent)
    assert (renal.egfr, renal.working) == (None, None)
    # A creatinine that was sent and could not be judged is said; without one there is nothing to say.
    assert (renal.caution is not None) == (sent[2] is not None)
    assert renal.missing == missing
