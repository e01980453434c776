"""The study's numbers through the service's whole way: which agree, and that the rest are print's contradictions."""

from __future__ import annotations

from collections import Counter

import pytest

from app.cli import main
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.records import PatientRecord
from app.cohorts.study import build, study_cohort_bytes, study_records
from app.cohorts.study.counts import audited_table_3, counted
from app.cohorts.study.printed import printed
from app.cohorts.study.reproduce import compared, stored
from tests.study_print import CONTRADICTED


@pytest.fixture(scope="module")
def found():
    return compared(stored())


def test_all_printed_numbers_agree_but_those_that_print_contradicts(found):
    others = {(one.row.place, one.row.label, one.what, one.column) for one in found if not one.agrees}
    assert others == CONTRADICTED
    assert len(found) == 360


def test_whatever_does_not_agree_has_its_reason(found):
    assert all(one.row.reason(one.what, one.column) for one in found if not one.agrees)


def test_the_p_values_of_tables_1_and_2_follow_from_the_counts_alone():
    results = counted()
    assert len(results) == 13
    assert all(one.agrees for one in results)


def test_table_3_does_not_follow_from_its_own_counts():
    audit = audited_table_3()
    codes = {finding.code for finding in audit.findings}
    assert {"columns_sum_differs", "no_n_fits_percents", "p_values_differ", "denominators_explain"} <= codes
    assert audit.column_sum == 48
    (finding,) = (finding for finding in audit.findings if finding.code == "denominators_explain")
    assert finding.denominators == [12, 25, 9]
    assert finding.only_one


def test_nothing_in_a_record_contradicts_what_is_derived_of_it():
    deriver = Deriver(load_rulebook())
    warned: Counter[str] = Counter()
    for record in study_records():
        accepted = deriver.accept(PatientRecord.model_validate(record))
        assert accepted.derived.disagreements == []
        assert accepted.derived.rounded == []
        warned.update(caution["code"] for caution in accepted.derived.warnings)
    # The study's own peculiarities: doses outside its protocol, and a BNP that looks like NT-proBNP.
    assert set(warned) == {
        "anakinra_start_above_band",
        "anakinra_start_below_band",
        "limit_maybe_nt_probnp",
        "value_maybe_nt_probnp",
    }


def test_doses_weights_and_stays_fit_each_other():
    for record in study_records():
        course = record["treatment"]["anakinra"]
        if course is False:
            continue
        assert abs(course["maximum_mg_kg_day"] * record["weight_kg"] / 4 - course["maximum_mg_per_dose"]) < 0.5
        assert course["starting_mg_kg_day"] == course["doses"][0]["mg_kg_day"]
        assert course["maximum_mg_kg_day"] == max(dose["mg_kg_day"] for dose in course["doses"])
        assert course["doses"][-1] == {"hour": course["stopped_hour"], "mg_kg_day": 0}
        assert course["stopped_hour"] <= 24 * record["outcome"]["length_of_stay_days"]


def test_the_search_finds_the_file_again_byte_for_byte():
    assert build.built() == study_cohort_bytes()


@pytest.mark.parametrize(("found", "code"), [(study_cohort_bytes(), 0), (b"{}", 1)])
def test_the_check_says_whether_the_file_stands(monkeypatch, capsys, found, code):
    monkeypatch.setattr(build, "built", lambda: found)
    monkeypatch.setattr("sys.argv", ["build", "--check"])
    assert build.main() == code
    assert ("build it again" in capsys.readouterr().err) == bool(code)


def test_the_build_writes_the_file(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "built", lambda: b"{}")
    monkeypatch.setattr(build, "PATH", tmp_path / "cohort.json")
    monkeypatch.setattr("sys.argv", ["build"])
    assert build.main() == 0
    assert (tmp_path / "cohort.json").read_bytes() == b"{}"


def test_every_row_names_columns_that_there_are():
    columns = printed().columns
    for row in printed().rows:
        assert {*row.cells, *row.by} <= columns.keys()


def test_the_page_is_what_the_command_writes(tmp_path, capsys):
    assert main(["reproduction", "--check", "docs/reproduction.md"]) == 0
    other = tmp_path / "page.md"
    assert main(["reproduction", "--output", str(other)]) == 0
    other.write_text(other.read_text(encoding="utf-8").replace("346", "347"), encoding="utf-8")
    assert main(["reproduction", "--check", str(other)]) == 1
    assert "differs" in capsys.readouterr().err
