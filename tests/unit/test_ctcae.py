"""CTCAE: names, refusals, wording, completeness, and rule files that cannot be used."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.clinical.ctcae.bounds import at_15_digits, bound, order
from app.clinical.ctcae.catalogue import Catalogue
from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.conditions import Choice, Comparison, Flag, parse
from app.clinical.ctcae.grades import decided, listed
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.models import record_model
from app.clinical.ctcae.names import load_names
from app.clinical.ctcae.terms import Version, Versions, slug_of
from app.clinical.quantities import Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError, load_rule_file, load_rulebook
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, FactRule, NamesRule
from app.clinical.rulebook.loader import BUILT_IN

RULEBOOK = load_rulebook()
GRADER = Grader(RULEBOOK)
RECORD = record_model(GRADER.facts.values(), ())
VERSIONS = tuple(GRADER.versions.all)
LAB_TERMS_OF_5 = 49
CLINICAL_TERMS_OF_5 = 27


def grade(**sent: Any) -> Any:
    return GRADER.grade(RECORD.model_validate(sent))


def refusal(**sent: Any) -> Any:
    with pytest.raises(RefusedInputError) as refused:
        grade(**sent)
    return refused.value.errors[0]


class TestConditions:
    def test_a_multiple_of_a_limit(self) -> None:
        read = parse("value > 1.5 x ULN")
        assert isinstance(read, Comparison)
        assert (read.left, read.operator, read.reference, str(read.factor)) == ("value", ">", "upper_limit", "1.5")
        assert read.text == "above 1.5 x ULN"

    def test_a_distance_from_a_limit(self) -> None:
        assert parse("value <= ULN + 2").text == "at most ULN + 2"  # type: ignore[union-attr]  # a comparison

    def test_a_number_and_another_left_side(self) -> None:
        assert parse("baseline < 1 x LLN").text == "baseline below LLN"  # type: ignore[union-attr]  # a comparison
        assert parse("value >= 0.50").text == "at least 0.5"  # type: ignore[union-attr]  # a comparison

    def test_facts(self) -> None:
        assert parse("not symptomatic") == Flag("symptomatic", wanted=False)
        assert parse("symptoms in none, mild") == Choice("symptoms", frozenset({"none", "mild"}))
        assert Flag("on_anticoagulation", wanted=True).text == "on anticoagulation"

    @pytest.mark.parametrize(
        "text", ["", "value >> 3", "value > 3 x XLN", "value > three", "Value > 3", "value > 3 ULN"]
    )
    def test_what_cannot_be_read(self, text: str) -> None:
        with pytest.raises(ValueError, match="cannot be read"):
            parse(text)

    def test_a_laboratory_bound_needs_a_laboratory_number(self) -> None:
        with pytest.raises(ValueError, match="not a number of a laboratory record"):
            bound(parse("stools > 3"))  # type: ignore[arg-type]  # a comparison


class TestFifteenDigits:
    def test_decimals_meet_their_products(self) -> None:
        assert 1.1 * 101 != 111.1
        assert order(111.1, 1.1 * 101) == 0
        assert order(99.9, 3 * 33.3) == 0
        assert at_15_digits(0.1 + 0.2) == 0.3

    def test_the_fifteenth_digit_counts(self) -> None:
        assert order(1.00000000000001, 1.0) == 1
        assert order(1.0, 1.00000000000001) == -1
        assert order(0.0, 0.0) == 0
        assert order(1e-300, 0.0) == 1


class TestNames:
    @pytest.mark.parametrize("name", ["anemia", "Anemia", "ANEMIA", "10002272", " anemia "])
    def test_slug_official_name_and_code(self, name: str) -> None:
        assert grade(term=name, value=9.0, unit="g/dL").term == "anemia"

    def test_a_shared_code_is_the_official_term(self) -> None:
        assert grade(term="10020587", value=12.0, unit="mg/dL").term == "hypercalcemia"

    def test_slugs_are_made_of_names(self) -> None:
        assert slug_of("Hypercalcemia (Ionized)") == "hypercalcemia_ionized"
        for version in GRADER.versions.all.values():
            assert all(slug == slug_of(t.rule.name) for slug, t in version.terms.items())

    def test_unknown_term_is_refused_with_suggestions(self) -> None:
        error = refusal(term="neutrofil_count_decreased", value=1.0)
        assert (error.pointer, error.code) == ("/term", "term_unknown")
        assert "neutrophil_count_decreased" in error.allowed

    def test_unknown_term_without_anything_alike(self) -> None:
        assert refusal(term="xyzzy").allowed == ()

    def test_term_of_another_version(self) -> None:
        error = refusal(term="ejection_fraction_decreased", version="6.0", lvef_percent=45.0)
        assert (error.code, error.allowed) == ("term_not_in_version", ("left_ventricular_dysfunction",))
        assert refusal(term="Eosinophilia", version="4.03", value=1.0).code == "term_not_in_version"

    def test_unknown_version(self) -> None:
        error = refusal(term="anemia", version="5")
        assert (error.pointer, error.code, error.allowed) == ("/version", "version_unknown", ("4.03", "5.0", "6.0"))

    def test_term_or_analyte(self) -> None:
        assert refusal(value=1.0).code == "field_missing"
        assert refusal(term="anemia", analyte="hemoglobin").code == "field_missing"


class TestCompleteness:
    def test_all_names_of_5(self) -> None:
        version = GRADER.versions("5.0")
        assert len(version.listed) == 837
        assert sum(5 in row.grades for row in version.listed.values()) == 494
        kinds = [t.rule.kind for t in version.terms.values()]
        assert (kinds.count("laboratory"), kinds.count("clinical")) == (LAB_TERMS_OF_5, CLINICAL_TERMS_OF_5)

    def test_graded_terms_have_the_grades_of_the_list(self) -> None:
        version = GRADER.versions("5.0")
        for slug, term in version.terms.items():
            if not slug.endswith("_ionized"):
                assert version.listed[slug].grades == term.rule.grades
                assert version.listed[slug].name == term.rule.name
                assert version.listed[slug].soc == term.rule.soc

    @pytest.mark.parametrize("version", VERSIONS)
    def test_no_laboratory_value_gives_grade_5(self, version: str) -> None:
        terms = GRADER.versions(version).terms.values()
        assert all(b.grade < 5 for t in terms for s in t.rule.scale for b in s.band)

    @pytest.mark.parametrize("version", VERSIONS)
    def test_codes_are_given_for_graded_terms_only(self, version: str) -> None:
        for term in Catalogue(GRADER.versions(version)).all:
            assert (term.meddra_code is None) == (term.kind is None)

    def test_no_name_holds_the_word_hospital(self) -> None:
        assert not [n for n in GRADER.versions("5.0").listed if "hospital" in n]

    def test_the_list_is_no_copy_of_grade_texts(self) -> None:
        with (BUILT_IN / "ctcae-5.0-names.csv").open(newline="", encoding="utf-8") as names:
            assert next(csv.reader(names)) == ["slug", "name", "soc", "grades"]


class TestClinicalAndListed:
    def test_a_grade_that_the_term_lacks_is_refused(self) -> None:
        error = refusal(term="urticaria", grade=4)
        assert (error.pointer, error.code, error.allowed) == ("/grade", "grade_not_in_term", ("1", "2", "3"))
        assert refusal(term="anaphylaxis", grade=1).allowed == ("3", "4", "5")
        assert refusal(term="alanine_aminotransferase_increased", grade=5).code == "grade_not_in_term"
        assert refusal(term="fatigue", grade=4).allowed == ("1", "2", "3")

    def test_a_stated_grade_is_taken_where_nothing_else_is_sent(self) -> None:
        answer = grade(term="urticaria", grade=2)
        assert (answer.grade, answer.warnings[0].code) == (2, "stated_grade_not_derived")
        assert grade(term="anemia", grade=0).grade == 0
        listed = grade(term="fatigue", grade=2)
        assert (listed.grade, listed.gradable, listed.possible_grades) == (2, False, (2,))

    def test_a_stated_grade_is_compared(self) -> None:
        answer = grade(term="urticaria", grade=3, body_surface_percent=5.0)
        assert (answer.grade, [w.code for w in answer.warnings]) == (1, ["stated_grade_disagrees"])
        assert grade(term="urticaria", grade=1, body_surface_percent=5.0).warnings == ()
        assert grade(term="rash_maculo_papular", grade=2, body_surface_percent=40.0).warnings == ()
        odd = grade(term="rash_maculo_papular", grade=1, body_surface_percent=40.0)
        assert [w.code for w in odd.warnings] == ["stated_grade_disagrees"]
        routed = grade(term="thromboembolic_event", grade=1, vessel="arterial")
        assert [w.code for w in routed.warnings] == ["use_other_term"]
        low = grade(term="lung_infection", grade=2, treatment_route="none")
        assert [w.code for w in low.warnings] == ["below_lowest_grade"]

    def test_listed_terms_say_which_grades_exist(self) -> None:
        answer = grade(term="Fatigue")
        assert (answer.grade, answer.possible_grades, answer.gradable) == (None, (1, 2, 3), False)
        assert "clinical judgement" in answer.reason
        assert refusal(term="fatigue", symptoms="mild").code == "field_not_of_term"
        assert refusal(term="fatigue", value=3.0).code == "field_not_of_term"

    @pytest.mark.parametrize("name", ["Re-hospitalization", "readmission", "re_hospitalization", "rehospitalisation"])
    def test_rehospitalization_is_no_term(self, name: str) -> None:
        answer = grade(term=name)
        assert (answer.grade, answer.gradable, answer.possible_grades) == (None, False, ())
        assert "no such term" in answer.reason

    def test_of_an_event_without_facts_anything_is_possible(self) -> None:
        answer = grade(term="fever")
        assert (answer.grade, answer.possible_grades) == (None, (0, 1, 2, 3, 4, 5))
        assert answer.missing == ("temperature_celsius", "hours_above_40")
        assert grade(term="death_nos").possible_grades == (0, 5)

    def test_a_number_that_decides_bands_and_routes(self) -> None:
        rule = CtcaeTermRule.model_validate(
            {
                "slug": "made_up",
                "name": "Made up",
                "soc": "Investigations",
                "kind": "clinical",
                "grades": [1, 2],
                "source": "nowhere",
                "band": [{"grade": 1, "when": ["share >= 50"]}, {"grade": 2, "when": ["share >= 100"]}],
                "route": [{"when": ["share < 10"], "to": "other", "text": "Too little."}],
            }
        )
        share = FactRule(name="share", label="Share", kind="number", unit="%", low=Decimal(0), high=Decimal(100))
        term = ClinicalTerm(rule, {"share": share})
        assert [decided(term.judge({"share": s}).possible) for s in (0.0, 49.9, 50.0, 99.9, 100.0)] == [0, 0, 1, 1, 2]
        assert listed(term.judge({"share": None}).possible) == (0, 1, 2)
        assert [term.route({"share": s}) for s in (9.9, 10.0)] == [0, -1]

    def test_foreign_facts_are_refused(self) -> None:
        error = refusal(term="urticaria", body_surface_percent=5.0, stools_over_baseline_per_day=3)
        assert (error.pointer, error.code) == ("/stools_over_baseline_per_day", "field_not_of_term")
        assert error.allowed == ("body_surface_percent", "treatment_route")
        assert refusal(term="urticaria", value=3.0).pointer == "/value"
        assert (
            refusal(term="anemia", value=9.0, unit="g/dL", body_surface_percent=5.0).pointer == "/body_surface_percent"
        )

    def test_facts_that_no_event_has_at_once_are_refused(self) -> None:
        sent = {"neutrophils_10e3_ul": 0.5, "maximum_celsius": 37.9, "hours_at_or_above_38": 2.0}
        with pytest.raises(RefusedInputError) as refused:
            grade(term="febrile_neutropenia", **sent)
        assert [(e.pointer, e.code) for e in refused.value.errors] == [
            ("/hours_at_or_above_38", "contradiction"),
            ("/maximum_celsius", "contradiction"),
        ]
        term = GRADER.versions("5.0").terms["febrile_neutropenia"]
        assert isinstance(term, ClinicalTerm)
        assert term.judge(sent).possible == 0

    def test_a_null_fact_is_as_absent(self) -> None:
        assert grade(term="urticaria", body_surface_percent=5.0, treatment_route=None, value=None).grade == 1

    def test_alternatives_that_were_not_stated_are_named(self) -> None:
        answer = grade(term="ejection_fraction_decreased", lvef_percent=45.0)
        assert answer.assumptions[0].code == "alternatives_not_stated"
        assert "baseline_lvef_percent" in answer.assumptions[0].message
        assert "lvef_percent," not in answer.assumptions[0].message.replace("baseline_lvef_percent", "")
        assert (
            grade(term="anemia", value=9.0, unit="g/dL", lower_limit=11.0).assumptions[0].code
            == "alternatives_not_stated"
        )
        stated = {"transfusion_indicated": False, "life_threatening": False}
        assert grade(term="anemia", value=9.0, unit="g/dL", lower_limit=11.0, **stated).assumptions == ()

    def test_a_foreign_route_has_a_reason(self) -> None:
        answer = grade(term="allergic_reaction", treatment_route="iv", infusion_related=True)
        assert (answer.grade, answer.gradable) == (None, False)
        assert "Infusion related reaction" in answer.reason


class TestLaboratory:
    def test_conversion_is_shown(self) -> None:
        answer = grade(term="neutrophil_count_decreased", value=800.0, unit="/mm3")
        assert (answer.value_in_canonical_unit, answer.canonical_unit) == (0.8, "10*3/uL")
        assert answer.conversion.graded_value == 0.8
        assert answer.conversion.text == "800 /uL = 0.8 10*3/uL, graded by the bounds printed for 10*3/uL"

    def test_a_unit_with_printed_bounds_is_not_converted(self) -> None:
        answer = grade(term="hypomagnesemia", value=0.38, unit="mmol/L", lower_limit=0.7)
        assert (answer.grade, answer.conversion.graded_value, answer.conversion.graded_unit) == (3, 0.38, "mmol/L")
        assert answer.conversion.text.startswith("graded in mmol/L, by the bounds printed for mmol/L")

    def test_ratios_are_not_converted(self) -> None:
        answer = grade(term="creatinine_increased", value=60.0, unit="umol/L", upper_limit=50.0, baseline=45.0)
        assert answer.grade == 1
        assert answer.conversion.text.startswith("graded in umol/L, as a ratio")

    def test_canonical_unit_needs_no_conversion(self) -> None:
        assert grade(term="anemia", value=9.0, unit="g/dL").conversion is None
        assert (
            grade(term="alanine_aminotransferase_increased", value=90.0, upper_limit=40.0).value_in_canonical_unit
            is None
        )

    def test_tiny_numbers_are_written_without_exponent(self) -> None:
        answer = grade(term="cardiac_troponin_i_increased", value=0.00007, unit="ug/L", upper_limit=0.04)
        assert "0.00007 ug/L" in answer.conversion.text

    def test_working_shows_the_numbers(self) -> None:
        answer = grade(
            term="alanine_aminotransferase_increased", value=130.0, unit="U/L", upper_limit=40.0, baseline=30.0
        )
        assert answer.working == ("value 130 > 3 x ULN = 120 U/L", "value 130 <= 5 x ULN = 200 U/L")
        assert answer.criterion == "above 3 x ULN and at most 5 x ULN; not baseline abnormal"
        assert grade(term="leukocytosis", value=120.0, unit="K/uL").working == ("value 120 > 100 x 10*3/uL",)
        assert grade(term="inr_increased", value=1.0, on_anticoagulation=False).working == ()
        assert grade(term="inr_increased", value=1.6, on_anticoagulation=False).working[0] == "value 1.6 > 1.5 {INR}"
        ratio = grade(term="alanine_aminotransferase_increased", value=130.0, upper_limit=40.0, baseline=30.0)
        assert ratio.working[0] == "value 130 > 3 x ULN = 120"

    def test_unknown_unit_and_the_unit_of_another_analyte(self) -> None:
        error = refusal(term="anemia", value=9.0, unit="U/L")
        assert (error.pointer, error.code, error.allowed) == ("/unit", "unit_unknown", ("g/dL", "g/L", "mmol/L"))
        assert refusal(analyte="alt", value=9.0, unit="mg/dL").code == "unit_unknown"

    @pytest.mark.parametrize(
        ("sent", "pointer", "code"),
        [
            ({"value": -1.0}, "/value", "out_of_range"),
            ({"value": 9.0, "lower_limit": -1.0}, "/lower_limit", "out_of_range"),
            ({"value": 9.0, "upper_limit": 0.0}, "/upper_limit", "out_of_range"),
            ({"value": 9.0, "baseline": 0.0}, "/baseline", "out_of_range"),
            ({"value": 9.0, "lower_limit": 12.0, "upper_limit": 11.0}, "/upper_limit", "limits_reversed"),
            ({"value": 9.0, "upper_limit": 16.0, "mi_cutoff": 15.0}, "/mi_cutoff", "mi_cutoff_below_limit"),
            ({"value": 1e6}, "/value", "out_of_range"),
            ({"value": 30.0}, "/value", "implausible"),
        ],
    )
    def test_numbers_that_cannot_be(self, sent: dict[str, float], pointer: str, code: str) -> None:
        error = refusal(term="anemia", unit="g/dL", **sent)
        assert (error.pointer, error.code) == (pointer, code)
        assert not re.search(r"\b(-1|1000000|30(\.0)?)\b", error.message)

    def test_signs_are_checked_without_a_unit_too(self) -> None:
        assert refusal(term="inr_increased", value=1.4, baseline=-1.0).code == "out_of_range"
        assert refusal(term="alanine_aminotransferase_increased", value=-5.0, upper_limit=40.0).code == "out_of_range"

    def test_implausible_values_can_be_insisted_on(self) -> None:
        answer = grade(term="anemia", value=30.0, unit="g/dL", lower_limit=12.0, override_plausibility=True)
        assert (answer.grade, [w.code for w in answer.warnings]) == (0, ["implausible_value_used"])

    def test_likely_slips_are_warned_of(self) -> None:
        answer = grade(term="neutrophil_count_decreased", value=0.01, unit="10*3/uL")
        assert [w.code for w in answer.warnings] == ["value_maybe_thousandfold_low"]

    @pytest.mark.parametrize(
        ("baseline", "limit", "stated", "warned"),
        [
            (80.0, 40.0, False, True),
            (30.0, 40.0, True, True),
            (40.0, 40.0, True, True),
            (80.0, 40.0, True, False),
            (30.0, 40.0, False, False),
            (None, 40.0, True, False),
            (80.0, None, False, False),
            (80.0, 40.0, None, False),
        ],
    )
    def test_a_baseline_stated_against_its_own_numbers_is_warned_of(
        self, baseline: float | None, limit: float | None, stated: bool | None, warned: bool
    ) -> None:
        sent = {"value": 130.0, "unit": "U/L", "upper_limit": limit, "baseline": baseline}
        answer = grade(term="alanine_aminotransferase_increased", baseline_abnormal=stated, **sent)
        assert ("stated_and_measured_disagree" in {w.code for w in answer.warnings}) is warned

    def test_the_statement_about_a_baseline_still_decides(self) -> None:
        sent = {"value": 130.0, "unit": "U/L", "upper_limit": 40.0, "baseline": 80.0}
        stated = grade(term="alanine_aminotransferase_increased", baseline_abnormal=False, **sent)
        measured = grade(term="alanine_aminotransferase_increased", **sent)
        assert (stated.grade, measured.grade) == (2, 1)
        assert [w.code for w in stated.warnings] == ["stated_and_measured_disagree"]
        assert "baseline_abnormal" in stated.warnings[0].message

    @pytest.mark.parametrize(("pediatric", "warned"), [(True, False), (False, True)])
    def test_a_child_that_is_stated_to_be_none_is_warned_of(self, pediatric: bool, warned: bool) -> None:
        sent = {"value": 1.0, "unit": "mg/mg", "age_years": 8.0, "pediatric": pediatric}
        answer = grade(analyte="urine_protein_creatinine_ratio", **sent)
        assert ("stated_and_measured_disagree" in {w.code for w in answer.warnings}) is warned

    def test_both_directions_are_kept_apart(self) -> None:
        answer = grade(analyte="potassium", value=6.5, unit="mmol/L", lower_limit=3.5, upper_limit=5.0)
        assert [(r.term, r.grade, r.direction) for r in answer.results] == [
            ("hyperkalemia", 3, "high"),
            ("hypokalemia", 0, "low"),
        ]

    def test_analyte_by_loinc_code(self) -> None:
        answer = grade(analyte="loinc:1742-6", value=130.0, unit="U/L", upper_limit=40.0)
        assert [r.term for r in answer.results] == ["alanine_aminotransferase_increased"]
        assert [w.code for w in answer.warnings] == ["baseline_missing_assumed_normal"]

    def test_analytes_that_no_term_grades(self) -> None:
        error = refusal(analyte="crp", value=100.0, unit="mg/L")
        assert (error.pointer, error.code) == ("/analyte", "analyte_not_graded")
        assert refusal(analyte="troponin", value=1.0).code == "analyte_ambiguous"
        assert refusal(analyte="alt", value=1.0, grade=1).code == "field_not_used"
        assert refusal(analyte="alt", value=1.0, body_surface_percent=1.0).code == "field_not_of_term"

    def test_total_calcium_is_graded_with_a_warning(self) -> None:
        answer = grade(analyte="calcium_total", value=12.0, unit="mg/dL", upper_limit=10.5)
        assert [w.code for w in answer.results[0].warnings] == ["calcium_not_corrected_for_albumin"]
        assert grade(analyte="calcium_total", value=12.0).results[0].missing == ("unit",)

    def test_reference_limits_by_age(self) -> None:
        sent = {"term": "neutrophil_count_decreased", "value": 1.6, "unit": "10*3/uL", "limits": "reference"}
        answer = grade(**sent, age_years=8.0)
        assert (answer.grade, [w.code for w in answer.warnings]) == (1, ["reference_limits_used"])
        assert answer.rules.includes[0].id == "paediatric-reference-limits"
        assert [w.code for w in grade(**sent).warnings] == ["reference_limits_unavailable"]
        used = grade(**sent, age_years=8.0, lower_limit=1.5)
        assert (used.grade, [w.code for w in used.warnings]) == (0, ["reference_limits_not_used"])

    def test_reference_limits_in_the_unit_of_the_value(self) -> None:
        sent = {"value": 1600.0, "unit": "/uL", "limits": "reference", "age_years": 8.0}
        assert grade(term="neutrophil_count_decreased", **sent).grade == 1

    def test_reference_limits_for_haemoglobin(self) -> None:
        answer = grade(term="anemia", value=11.0, unit="g/dL", limits="reference", age_years=8.0)
        assert (answer.grade, answer.rules.includes[0].id) == (1, "who-anaemia-2024")

    def test_reference_limits_need_a_unit(self) -> None:
        answer = grade(term="alanine_aminotransferase_increased", value=50.0, limits="reference", age_years=8.0)
        assert [w.code for w in answer.warnings] == ["reference_limits_unavailable"]

    def test_age_400_is_refused(self) -> None:
        assert refusal(term="anemia", value=9.0, unit="g/dL", age_years=400.0).pointer == "/age_years"

    def test_a_batch_has_one_version(self) -> None:
        batch = GRADER.versions("6.0")
        sent = RECORD.model_validate({"term": "anemia", "value": 9.0, "unit": "g/dL", "version": "5.0"})
        with pytest.raises(RefusedInputError) as refused:
            GRADER.grade(sent, version=batch)
        assert refused.value.errors[0].code == "version_conflict"
        same = RECORD.model_validate({"term": "anemia", "value": 9.0, "unit": "g/dL", "version": "6.0"})
        assert GRADER.grade(same, version=batch).version == "6.0"


class TestCatalogue:
    def test_search_and_order(self) -> None:
        catalogue = Catalogue(GRADER.versions("5.0"))
        assert [t.slug for t in catalogue.search("Neutro count", None)] == ["neutrophil_count_decreased"]
        slugs = [t.slug for t in catalogue.search(None, None)]
        assert slugs == sorted(slugs)
        assert len(slugs) == 839
        assert next(catalogue.search(None, "anemia")).slug > "anemia"

    @pytest.mark.parametrize("version", VERSIONS)
    def test_every_term_can_be_shown(self, version: str) -> None:
        catalogue = Catalogue(GRADER.versions(version))
        for term in catalogue.all:
            shown = catalogue.detail(term.slug)
            assert [g.grade for g in shown.how if g.exists] == list(term.grades)
            assert all(g.exists or not g.ways for g in shown.how)
            assert (term.kind is None) == (not any(g.ways for g in shown.how))

    def test_facts_of_a_term(self) -> None:
        shown = Catalogue(GRADER.versions("5.0")).detail("ejection_fraction_decreased")
        assert {f.name: f.counts_only_when_stated for f in shown.facts} == {
            "lvef_percent": False,
            "baseline_lvef_percent": True,
        }
        lab = Catalogue(GRADER.versions("5.0")).detail("hyponatremia")
        assert {f.name for f in lab.facts} >= {"symptomatic"}
        assert [g.unit for g in lab.gaps] == ["mmol/L"] * 3

    def test_an_unknown_term(self) -> None:
        with pytest.raises(KeyError):
            Catalogue(GRADER.versions("5.0")).detail("nothing")


class TestRuleFiles:
    def _load(self, folder: Path, change: Any, name: str = "ctcae-4.03.toml") -> Rulebook:
        folder.joinpath(name).write_text(change((BUILT_IN / name).read_text(encoding="utf-8")), encoding="utf-8")
        return load_rulebook(folder)

    def _refused(self, folder: Path, old: str, new: str, name: str = "ctcae-4.03.toml") -> str:
        def change(text: str) -> str:
            assert old in text
            return text.replace(old, new, 1)

        with pytest.raises(RulebookError) as refused:
            Versions(book := self._load(folder, change, name), Quantities(book)).facts()
        return str(refused.value)

    def test_a_condition_that_cannot_be_read(self, tmp_path: Path) -> None:
        message = self._refused(tmp_path, '"value > 3 x ULN"', '"value over 3 x ULN"')
        assert "ctcae-4.03.toml" in message
        assert "cannot be read" in message

    def test_a_fact_that_is_not_declared(self, tmp_path: Path) -> None:
        message = self._refused(
            tmp_path, '"interruption_indicated", "responds_promptly"', '"interruption_indicated", "sung"'
        )
        assert "fact 'sung'" in message

    def test_an_analyte_that_is_not_known(self, tmp_path: Path) -> None:
        assert "analyte 'magic'" in self._refused(tmp_path, 'analyte = "alt"', 'analyte = "magic"')

    def test_a_replacement_that_is_no_term(self, tmp_path: Path) -> None:
        for old, new in (
            ('by = ["neutrophil_count_decreased"]', 'by = ["gone"]'),
            ('part_of = "hypercalcemia"', 'part_of = "gone"'),
        ):
            assert "'gone', which is no term of this file" in self._refused(tmp_path, old, new)

    def test_a_fact_that_two_versions_understand_differently(self, tmp_path: Path) -> None:
        message = self._refused(tmp_path, 'label = "The patient takes an anticoagulant"', 'label = "Blood is thin"')
        assert "differs from that of another version" in message

    def test_a_grade_that_the_term_does_not_have(self, tmp_path: Path) -> None:
        assert "does not have" in self._refused(
            tmp_path, '{ grade = 3, when = ["value > 100"] }', '{ grade = 1, when = ["value > 100"] }'
        )

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('kind = "choice"', 'kind = "boolean"', "lists its values"),
            ('unit = "%"', 'label = "x"\nunit = "%"', "not valid TOML"),
            ("low = 0\n", "", "has unit, low and high"),
            ("same_meaning = true", "same_meaning = true\nno_term = true\nby = []", "not valid TOML"),
            (', true_when = ["value >= 1 x LLN"]', "", "needs true_when or false_when"),
            ('direction = "low"\n', "", "has analyte, direction and scales"),
        ],
    )
    def test_incoherent_rules(self, tmp_path: Path, old: str, new: str, reason: str) -> None:
        assert reason in self._refused(tmp_path, old, new)

    def test_one_meaning_needs_one_term(self, tmp_path: Path) -> None:
        message = self._refused(
            tmp_path, 'by = ["neutrophil_count_decreased"]', 'by = ["neutrophil_count_decreased", "anemia"]'
        )
        assert "exactly one term" in message

    def test_a_clinical_term_needs_bands(self, tmp_path: Path) -> None:
        text = (BUILT_IN / "ctcae-4.03.toml").read_text(encoding="utf-8")
        start = text.index('slug = "death_nos"')
        band = text[text.index("band = [", start) : text.index("]\n", text.index("death that no other", start)) + 2]
        assert "has bands of its own" in self._refused(tmp_path, band, "")

    def test_the_default_version_has_to_be_there(self) -> None:
        sets = [s for s in RULEBOOK.all() if s.id != "ctcae-5.0"]
        with pytest.raises(RulebookError, match=r"ctcae-5\.0"):
            Versions(Rulebook(sets), Quantities(RULEBOOK))

    def test_names_that_are_not_those_of_the_rule_file(self, tmp_path: Path) -> None:
        rule = GRADER.versions("5.0").rules.content.names
        assert rule is not None
        with pytest.raises(RulebookError, match="cannot be read"):
            load_names(rule, tmp_path)
        (tmp_path / rule.file).write_text("slug,name,soc,grades\n", encoding="utf-8")
        with pytest.raises(RulebookError, match="SHA-256"):
            load_names(rule, tmp_path)
        miscounted = NamesRule(file=rule.file, sha256=rule.sha256, count=1, source="ctcae-5.0")
        with pytest.raises(RulebookError, match="holds 837 names"):
            load_names(miscounted, BUILT_IN)

    def test_a_version_without_a_list_of_names(self) -> None:
        rules = load_rule_file(BUILT_IN / "ctcae-6.0.toml")
        version = Version(rules, Quantities(RULEBOOK))
        assert version.listed == {}
        assert all(isinstance(t, LaboratoryTerm) for t in version.by_analyte["alt"])
