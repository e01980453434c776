"""The audit against the study's printed tables (Dizon BLP et al., Pediatr Rheumatol 2023;21:76).

Tables 1 and 2 follow from their counts. Table 3 does not, and the audit must find that from its print alone.
"""

from __future__ import annotations

import pytest

from app.statistics.table_audit import audit_table
from app.statistics.table_audit_models import TableAuditAnswer, TableAuditRequest

# Label, counts, percents of the groups where they follow, printed p, exact p.
TABLE_1 = (
    ("male", (8, 17), ">0.99", 1.0),
    ("African American", (8, 17), ">0.99", 1.0),
    ("Latin-American", (6, 14), ">0.99", 1.0),
    ("Caucasian", (0, 1), ">0.99", 1.0),
    ("SARS-CoV-2 PCR +", (5, 14), "0.75", 0.7489),
    ("non-specific", (9, 6), "0.005", 0.0051),
    ("KD-like", (3, 17), "0.06", 0.0588),
    ("CV shock", (3, 20), "0.02", 0.0230),
    ("KDSS-like", (1, 11), "0.07", 0.0730),
    ("inflammatory steroids", (0, 3), "0.54", 0.5426),
    ("stress hydrocortisone", (1, 6), "0.41", 0.4131),
)
TABLE_2 = (("inflammatory steroids", (0, 3), "0.27", 0.2742), ("stress hydrocortisone", (0, 6), "0.06", 0.0613))
# Label, counts, printed percents, printed p, exact p.
TABLE_3 = (
    ("elevated LFTs", [2, 6, 7], [14, 24, 67], "0.008", 0.0054),
    ("neutropenia", [1, 5, 3], [7, 20, 33], "0.36", 0.2985),
    ("hemolytic anemia", [1, 1, 1], [7, 4, 11], "0.73", 0.7572),
    ("anaphylaxis", [0, 0, 0], [0, 0, 0], None, 1.0),
    ("rash", [0, 2, 0], [0, 8, 0], "0.42", 0.6897),
    ("re-hospitalization", [0, 0, 0], [0, 0, 0], None, 1.0),
)
COLUMNS_3 = [{"label": "IVIG", "n": 14}, {"label": "no CS", "n": 25}, {"label": "CS", "n": 9}]


def audit_3(**changes: object) -> TableAuditAnswer:
    rows = [{"label": label, "counts": c, "percents": p, "p_value": text} for label, c, p, text, _ in TABLE_3]
    return audit_table(TableAuditRequest.model_validate({"columns": COLUMNS_3, "rows": rows, **changes}))


@pytest.fixture(scope="module")
def table_3() -> TableAuditAnswer:
    return audit_3()


@pytest.mark.parametrize(("table", "sizes"), [(TABLE_1, (14, 32)), (TABLE_2, (12, 20))], ids=["table-1", "table-2"])
def test_tables_1_and_2_follow_from_their_counts(table, sizes):
    columns = [{"label": str(place), "n": size} for place, size in enumerate(sizes)]
    rows = [
        {
            "label": label,
            "counts": list(counts),
            "percents": [round(100 * c / n + 1e-9) for c, n in zip(counts, sizes, strict=True)],
            "p_value": p,
            "total": sum(counts),
        }
        for label, counts, p, _ in table
    ]
    request = TableAuditRequest.model_validate({"columns": columns, "rows": rows, "total_n": sum(sizes)})
    answer = audit_table(request)
    assert answer.agrees
    assert answer.n_rows_agree == len(table)
    assert answer.findings == []
    for row, (_, _, _, p_value) in zip(answer.rows, table, strict=True):
        assert row.p_value == pytest.approx(p_value, abs=5e-5)
        assert (row.agrees, row.exact, row.reasons, row.explained_by) == (True, True, [], [])


def test_the_columns_sum_to_48(table_3):
    assert table_3.column_sum == 48
    finding = next(f for f in table_3.findings if f.code == "columns_sum")
    assert "48" in finding.message
    against = audit_3(total_n=46)
    finding = next(f for f in against.findings if f.code == "columns_sum_differs")
    assert "48" in finding.message
    assert "46" in finding.message


def test_7_of_9_is_not_67_percent(table_3):
    row = table_3.rows[0]
    assert row.percents[2] == pytest.approx(77.78, abs=0.005)
    assert not row.percents_agree
    assert "7 of 9 is 78%, not 67% (6 of 9 is)." in [reason.message for reason in row.reasons]
    finding = next(f for f in table_3.findings if f.code == "no_n_fits_percents")
    assert (finding.columns, finding.rows) == (["CS"], ["elevated LFTs"])
    assert [column.n_by_percents for column in table_3.columns] == [[14], [25], []]


def test_the_exact_p_values_differ(table_3):
    for row, (_, _, _, printed, exact) in zip(table_3.rows, TABLE_3, strict=True):
        assert row.p_value == pytest.approx(exact, abs=5e-5)
        assert row.exact
        assert row.p_value_agrees is (None if printed is None else False)
    finding = next(f for f in table_3.findings if f.code == "p_values_differ")
    assert finding.rows == ["elevated LFTs", "neutropenia", "hemolytic anemia", "rash"]
    assert (table_3.agrees, table_3.n_rows_agree) == (False, 2)


def test_chi_square_on_12_25_9_gives_three_of_the_four(table_3):
    (finding,) = [f for f in table_3.findings if f.code == "denominators_explain"]
    assert finding.denominators == [12, 25, 9]
    assert finding.test == "pearson_chi_square"
    assert finding.rows == ["neutropenia", "hemolytic anemia", "rash"]
    assert finding.only_one
    assert table_3.searched.sets_of_denominators == 125
    assert table_3.searched.sets_by_rows_explained["pearson_chi_square"] == [107, 17, 0, 1]
    for label, p_value in (("neutropenia", 0.359), ("hemolytic anemia", 0.727), ("rash", 0.416)):
        row = next(row for row in table_3.rows if row.label == label)
        first = row.explained_by[0]
        assert (first.kind, first.test, first.denominators) == ("denominators", "pearson_chi_square", [12, 25, 9])
        assert first.p_value == pytest.approx(p_value, abs=5e-4)


def test_freeman_halton_on_12_25_9_gives_the_fourth(table_3):
    """0.00750305, which rounds to the printed 0.008."""
    first = table_3.rows[0].explained_by[0]
    assert (first.kind, first.test, first.denominators) == ("denominators", "fisher_exact", [12, 25, 9])
    assert first.p_value == pytest.approx(0.00750305, abs=1e-8)
    (finding,) = [f for f in table_3.findings if f.code == "denominators_explain"]
    assert "with the same denominators gives elevated LFTs" in finding.message


def test_a_wider_search_finds_a_second_set_that_does_not_sum_to_46():
    answer = audit_3(window=3, total_n=46)
    found = [f for f in answer.findings if f.code == "denominators_explain"]
    assert [f.denominators for f in found] == [[12, 25, 9], [11, 24, 9]]
    assert [f.only_one for f in found] == [False, False]
    assert "the total that is stated" in found[0].message
    assert "the total that is stated" not in found[1].message
