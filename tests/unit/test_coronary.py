"""Every combination of Z-scores and diameters: the classes that remain, and what is asked for."""

from itertools import product

import pytest

from app.clinical.coronary import CLASSES, Coronaries, worst
from app.clinical.facts import Facts
from app.clinical.presentation import Presentation
from app.clinical.rulebook import load_rulebook

CORONARIES = Coronaries(load_rulebook())
Z = (None, 0, 1.99, 2, 2.5, 5, 10)
MM = (None, 3, 8)
ARTERIES = list(product(Z, MM))


def judge(lad_z=None, lad_mm=None, rca_z=None, rca_mm=None, **more):
    echo = {"lad_z": lad_z, "lad_mm": lad_mm, "rca_z": rca_z, "rca_mm": rca_mm} | more
    return CORONARIES.judge(Facts.of(Presentation(age_years=8.5, echocardiogram=echo), {}))


def fillings(artery):
    """Yield an artery with its unknown Z and diameter filled in, each way that does not contradict itself."""
    for z, mm in product(Z[1:] if artery[0] is None else [artery[0]], MM[1:] if artery[1] is None else [artery[1]]):
        if z >= 5 or mm != 8 or artery[1] == 8:
            yield z, mm


@pytest.mark.parametrize("lad", ARTERIES)
def test_what_remains_is_what_a_fuller_echocardiogram_could_show(lad):
    for rca in ARTERIES:
        answer = judge(*lad, *rca).answer
        fuller = {judge(*a, *b).answer.coronary_class for a, b in product(fillings(lad), fillings(rca))}
        assert fuller == set(answer.possible_classes)
        assert answer.coronary_class == (answer.possible_classes[0] if len(fuller) == 1 else None)


@pytest.mark.parametrize("lad", ARTERIES)
def test_the_one_input_that_is_asked_for_can_decide(lad):
    for rca in ARTERIES:
        known = dict(zip(("lad_z", "lad_mm", "rca_z", "rca_mm"), (*lad, *rca), strict=True))
        answer = judge(**known).answer
        assert (answer.coronary_class is None) == bool(answer.missing)
        for name in answer.missing:
            field = name.removeprefix("echocardiogram.")
            assert known[field] is None
            assert any(judge(**known | {field: value}).answer.coronary_class for value in (0, 9, 11))


def test_the_worse_of_two():
    assert worst(("none",), ("giant",)) == ("giant",)
    assert worst(("small",), CLASSES) == ("small", "medium", "giant")


def test_the_basis_names_the_bounds_on_either_side():
    answer = judge(3, 3, 0, 3).answer
    assert [f.id for f in answer.basis] == ["coronary.lad.small", "coronary.lad.medium", "coronary.rca.dilation_only"]
    assert [f.status for f in answer.basis] == ["met", "not_met", "not_met"]
    assert [f.id for f in judge(11, None, 6, None).answer.basis] == [
        "coronary.lad.giant",
        "coronary.rca.medium",
        "coronary.rca.giant",
        "coronary.rca.giant_mm",
    ]


def test_a_fall_stands_in_the_basis():
    answer = judge(0.5, 3, 0, 3, lad_z_previous=1.9).answer
    assert (answer.coronary_class, answer.basis[0].id) == ("dilation_only", "coronary.lad.fall")


@pytest.mark.parametrize(("previous", "fall", "status"), [(1.8, 1.3, "met"), (1.4, 0.9, "not_met")])
def test_a_fall_is_shown_beside_both_z_scores_as_sent(previous, fall, status):
    shown = judge(0.5, 3, 0, 3, lad_z_previous=previous).answer.basis[0]
    sent = {"echocardiogram.lad_z": 0.5, "echocardiogram.lad_z_previous": previous}
    assert (shown.used, shown.status) == (sent | {"fall": fall}, status)
    assert (shown.threshold.operator, shown.threshold.value) == (">=", 1)
