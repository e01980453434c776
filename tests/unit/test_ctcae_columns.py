"""Columns: names that mean nothing are refused for their own rows; rows without a placement are left out."""

import numpy as np

from app.clinical.ctcae.bulk.columns import NOT_JUDGED, Columns, judge_columns
from app.clinical.ctcae.bulk.names import numbered, place_names
from app.clinical.ctcae.grading import Grader
from app.clinical.rulebook import load_rulebook

GRADER = Grader(load_rulebook())
VERSION = GRADER.versions("5.0")


def placed(terms, units):
    return place_names(GRADER, VERSION, numbered(terms), numbered(units))


def codes(found, row):
    return [e.code for e in found.kinds[found.kind[row]].errors]


def test_each_name_is_refused_for_its_own_reason_and_the_rest_is_placed():
    found = placed(
        [None, "neutrofils", "neutrophil counts", "rash_maculo_papular", "anemia", "anemia"],
        ["g/dL", "g/dL", "g/dL", "g/dL", "mmHg", "g/dL"],
    )
    assert [codes(found, row) for row in range(6)] == [
        ["field_missing"],
        ["term_unknown"],
        ["term_unknown"],
        ["term_not_in_columns"],
        ["unit_unknown"],
        [],
    ]
    assert found.place.tolist() == [NOT_JUDGED] * 5 + [0]


def test_similar_names_are_searched_for_the_first_unknown_term_only():
    found = placed(["neutrophil_count_decrease", "anemie"], ["g/dL", "g/dL"])
    first, second = (found.kinds[found.kind[row]].errors[0] for row in range(2))
    assert "neutrophil_count_decreased" in first.allowed
    assert second.allowed == ()


def test_many_names_and_few_rows_are_placed_alike():
    terms = [t.rule.slug for t in VERSION.terms.values() if hasattr(t, "analytes")]
    sparse = placed(terms, [None if n % 2 else f"unit {n}" for n in range(len(terms))])
    for row, term in enumerate(terms):
        kind = sparse.kinds[sparse.kind[row]]
        assert kind == placed([term], [None if row % 2 else f"unit {row}"]).kinds[0]


def test_rows_without_a_placement_stay_unjudged():
    found = placed(["nonsense", "anemia", "anemia"], ["g/dL", "g/dL", "g/dL"])
    numbers = [np.array([7.0, 7.0, 9.0]), None, None, None, None]
    judged = judge_columns(Columns(found.place, found.placements, numbers, {}))
    assert judged.grade.tolist()[1:] == [3, 2]
    assert judged.grade[0] not in {0, 1, 2, 3, 4, 5}


def test_no_rows_at_all():
    found = placed([], [])
    judged = judge_columns(Columns(found.place, found.placements, [np.array([]), None, None, None, None], {}))
    assert judged.grade.tolist() == []


def test_nothing_is_assumed_where_every_row_is_decided():
    found = placed(["alanine_aminotransferase_increased"], ["U/L"])
    upper, baseline = np.array([40.0]), np.array([30.0])
    judged = judge_columns(Columns(found.place, found.placements, [np.array([300.0]), None, upper, baseline, None], {}))
    assert judged.grade.tolist() == [3]
    assert judged.assumption.tolist() == [-1]
