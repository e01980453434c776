"""Whatever a JSON number can be, the growth check answers or refuses: it never fails."""

from __future__ import annotations

import contextlib
from itertools import product

from app.clinical.growth import GrowthLimits
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

EXTREMES = (None, -1e308, -1.0, -0.0, 0.0, 5e-324, 1e-300, 0.5, 8.0, 400.0, 1e300, 1.7e308)


def test_no_number_breaks_the_check():
    growth = GrowthLimits(load_rulebook())
    answered = 0
    for age, weight, height in product(EXTREMES, repeat=3):
        with contextlib.suppress(RefusedInputError):
            growth.check(age, weight, height)
            answered += 1
    assert answered


def test_a_negative_age_is_left_to_the_plausible_ranges():
    assert GrowthLimits(load_rulebook()).check(-1e40, 20.0) == ()
