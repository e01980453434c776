"""The parts of an analysis: what is asked, which test is made, how values are summed, what is kept."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts import strata
from app.cohorts.analysis import comparisons
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.answers import SECTIONS
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.comparisons import compare_binary, compare_continuous, paired
from app.cohorts.analysis.kruskal_wallis import kruskal_wallis
from app.cohorts.analysis.sections import variables_of
from app.cohorts.analysis.selection import Question, parse_by, parse_where
from app.cohorts.analysis.service import Kept, etag_of, normal_of
from app.cohorts.store.model import Cohort
from app.cohorts.strata import Stratum
from app.cohorts.variables import CATALOGUE, EXCLUDED, pack_pair
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NORMAL = normal_of(load_rulebook())
COHORT = Cohort(1, "c", "C", None, 3, 0, (), False, NOW, NOW)


def stratum(treatment="ivig_anakinra", cv_shock="yes", kd_like="no", corticosteroids="none", sex="male"):
    return Stratum(treatment, cv_shock, kd_like, corticosteroids, sex)


def counts_of(*groups):
    """Count groups of (stratum, n, {variable: {scaled value: count}})."""
    kept = [
        (name, place.key(), CATALOGUE[name].digits, Tally.from_counts(values, CATALOGUE[name].digits).to_bytes())
        for place, _, variables in groups
        for name, values in variables.items()
    ]
    return Counts({place.key(): n for place, n, _ in groups}, sorted(kept))


def analysed(*groups, **asked):
    return analyse(COHORT, counts_of(*groups), Question(**asked), NORMAL)


def row_of(section, name):
    return next(row for row in section.rows if row.variable == name)


# What is asked


def test_conditions_are_in_one_order_whatever_was_sent():
    assert parse_where(["sex:female,male", "treatment:other"]) == parse_where(["treatment:other", "sex:male,female"])
    assert parse_where(["sex:male,male"]) == (("sex", ("male",)),)
    assert parse_where([]) == ()


@pytest.mark.parametrize("text", ["", "x", "Treatment", " treatment", "treatment;", "sex'--"])
def test_an_unknown_axis_is_refused(text):
    with pytest.raises(RefusedInputError) as refusal:
        parse_by(text)
    assert refusal.value.errors[0].allowed == tuple(AXES)


def test_too_many_conditions_are_refused():
    with pytest.raises(RefusedInputError):
        parse_where(["sex:male"] * 21)


def test_without_an_axis_each_section_takes_the_studys():
    question = Question()
    assert question.axis_of(None) == question.axis_of("characteristics") == "treatment"
    assert question.axis_of("anakinra") == "cv_shock"
    assert question.axis_of("cardiac") == question.axis_of("adverse_events") == "treatment_corticosteroids"
    assert {Question(by="sex").axis_of(section) for section in (None, *SECTIONS)} == {"sex"}


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_every_stratum_is_in_a_group_that_has_a_label(axis):
    groups = {axis.of(place) for place in strata.ALL.values()}
    assert groups == set(axis.labels)
    assert axis.unknown in axis.labels
    assert axis.forms <= set(CATALOGUE)


@pytest.mark.parametrize(
    ("treatment", "corticosteroids", "group"),
    [
        ("ivig_monotherapy", "stress", "ivig_monotherapy"),
        ("ivig_monotherapy", "unknown", "ivig_monotherapy"),
        ("ivig_anakinra", "none", "ivig_anakinra_without_corticosteroids"),
        ("ivig_anakinra", "stress", "ivig_anakinra_with_corticosteroids"),
        ("ivig_anakinra", "inflammatory", "ivig_anakinra_with_corticosteroids"),
        ("ivig_anakinra", "unknown", "unknown"),
        ("unknown", "none", "unknown"),
        ("other", "none", "other"),
    ],
)
def test_the_third_axis_of_the_study(treatment, corticosteroids, group):
    place = stratum(treatment, corticosteroids=corticosteroids)
    assert AXES["treatment_corticosteroids"].of(place) == group


def test_only_what_is_needed_is_fetched():
    cytokines = {n for n in CATALOGUE if n.startswith("cytokine.")}
    assert set(variables_of(Question().only("cytokines"))) == cytokines | {"treatment.not_listed"}
    assert "lvef.pair" not in variables_of(Question().only("missing"))
    both = variables_of(Question(sections=("defervescence",)))
    assert not any("sustained" in name for name in both)
    assert any("sustained" in name for name in variables_of(Question(sections=("defervescence",), sustained=True)))


# Which test


def test_two_groups_are_compared_by_fisher_as_the_study_prints():
    test, pearson = compare_binary([(3, 11), (20, 12)])
    assert test.method == "Fisher's exact test"
    assert test.exact
    assert pearson is None
    assert test.p_value == pytest.approx(0.0230, abs=5e-5)


def test_three_groups_are_compared_exactly_with_pearson_beside_it():
    test, pearson = compare_binary([(2, 12), (6, 19), (7, 2)])
    assert test.exact
    assert (round(test.p_value, 4), round(pearson.p_value, 4)) == (0.0054, 0.0031)
    assert (pearson.exact, pearson.degrees_of_freedom) == (False, 2)


def test_groups_without_known_values_do_not_count():
    assert compare_binary([(3, 11), (0, 0), (20, 12)])[0] == compare_binary([(3, 11), (20, 12)])[0]
    test, pearson = compare_binary([(3, 11), (0, 0)])
    assert (test.p_value, pearson) == (None, None)
    assert test.reason


@pytest.mark.parametrize("counts", [[(0, 5), (0, 4)], [(5, 0), (4, 0)], [(0, 5), (0, 4), (0, 3)]])
def test_a_trait_of_nobody_or_of_everybody_says_nothing(counts):
    test, pearson = compare_binary(counts)
    assert test.p_value is None
    assert test.reason == "Every known value is the same, so there is nothing to test."
    assert (pearson is None) == (len(counts) == 2)
    assert pearson is None or (pearson.p_value, pearson.reason) == (None, test.reason)


def test_equal_counts_that_are_not_all_alike_keep_their_p_of_1():
    assert compare_binary([(5, 5), (4, 4)])[0].p_value == 1


@pytest.mark.parametrize("groups", [2, 3])
def test_equal_values_are_not_tested(groups):
    test = compare_continuous([Tally.from_numbers([4, 4])] * groups)
    assert (test.p_value, test.reason) == (None, "Every known value is the same, so there is nothing to test.")


def test_rows_that_are_not_tested_do_not_count_in_the_family():
    def adjusted(**more):
        groups = [
            (stratum(sex=sex), 9, {"treatment.aspirin": {1: k, 0: 9 - k}} | {n: {v: 9} for n, v in more.items()})
            for sex, k in (("male", 8), ("female", 2))
        ]
        return analysed(*groups, by="sex", adjust="holm").characteristics

    table = adjusted(**{"treatment.ivig": 1, "corticosteroids.stress": 0, "weight_kg": 1000})
    assert row_of(table, "treatment.ivig").test.p_value is None
    aspirin = row_of(table, "treatment.aspirin").test
    assert aspirin.p_value_adjusted == aspirin.p_value == row_of(adjusted(), "treatment.aspirin").test.p_value


def test_pairs_without_a_change_are_not_tested_and_do_not_count_in_the_family():
    flat = paired(Tally.from_numbers([0, 0, 0]))
    assert (flat.p_value, flat.exact) == (None, True)
    assert flat.reason == "Every difference of a pair is zero, so there is nothing to test."
    assert flat.method == paired(Tally.from_numbers([0, 1, 2])).method
    single = signed_rank(Tally.from_numbers([0, 0, 0]))
    assert (single.p_value, single.warnings[0].code) == (1, "all_differences_zero")

    def heart(low, high):
        steps = range(low, high)
        return {
            "lvef.first": {500: len(steps)},
            "lvef.follow_up": {500 + step: 1 for step in steps},
            "lvef.difference": dict.fromkeys(steps, 1),
            "lvef.pair": {pack_pair(500, 500 + step): 1 for step in steps},
        }

    groups = [(stratum(sex="male"), 9, heart(1, 10)), (stratum(sex="female"), 1, heart(0, 1))]
    male, female = (
        next(
            group.test for group in analysed(*groups, by="sex", adjust="holm").cardiac.lvef.groups if group.group == sex
        )
        for sex in ("male", "female")
    )
    assert female.p_value is female.p_value_adjusted is None
    assert male.p_value_adjusted == male.p_value == 2 / 2**9


def test_a_large_table_is_asymptotic_and_says_so():
    test, pearson = compare_binary([(400, 600), (450, 550), (300, 700)])
    assert not test.exact
    assert "limit" in test.method
    assert test.p_value == pearson.p_value


def test_ranks_of_two_groups_are_exact_up_to_the_limit(monkeypatch):
    x, y = Tally.from_numbers([1, 2, 2, 3]), Tally.from_numbers([2, 3, 4, 5])
    assert compare_continuous([x, y]).exact
    monkeypatch.setattr(comparisons, "RANK_WORK", 1)
    test = compare_continuous([x, y])
    assert not test.exact
    assert "approximation" in test.method


def test_pairs_are_exact_up_to_the_limit():
    few = Tally.from_numbers([*range(1, 200), -5, 0])
    many = Tally.from_numbers([*range(1, 400), -5, 0])
    assert paired(few).exact
    assert not paired(many).exact
    assert paired(Tally.empty()).p_value is None
    assert paired(Tally.empty()).reason


def test_three_groups_of_equal_values_have_no_statistic():
    same = Tally.from_numbers([4, 4])
    test = compare_continuous([same, same, same])
    assert (test.p_value, test.statistic) == (None, None)
    assert test.reason == "Every known value is the same, so there is nothing to test."


@pytest.mark.parametrize(("smallest", "is_poor"), [(4, True), (5, False)])
def test_an_approximation_over_small_groups_is_said_to_be_poor(smallest, is_poor):
    groups = [Tally.from_numbers(range(k, k + n)) for k, n in ((1, smallest), (3, 9), (5, 9))]
    test = compare_continuous(groups)
    assert test.p_value is not None
    assert ("approximation is poor" in (test.reason or "")) is is_poor
    ages = [
        (stratum(t), n, {"age_years": {100 * k + i: 1 for i in range(n)}})
        for t, k, n in (("other", 1, smallest), ("ivig_anakinra", 3, 9), ("ivig_monotherapy", 5, 9))
    ]
    assert ("approximation_poor" in {w.code for w in analysed(*ages, by="treatment").warnings}) is is_poor


def test_kruskal_wallis_needs_two_groups():
    with pytest.raises(ValueError, match="two groups"):
        kruskal_wallis([Tally.from_numbers([1, 2])])
    with pytest.raises(ValueError, match="two groups"):
        kruskal_wallis([Tally.from_numbers([1, 2]), Tally.empty()])


def test_kruskal_wallis_of_a_million_patients_does_not_overflow():
    groups = [Tally.from_counts({1: 3_000_000, 2: 2_000_000 + k, 3: 1_000_000}) for k in (0, 700, 9_000)]
    small = kruskal_wallis(groups)
    halves = kruskal_wallis([Tally.from_counts({1: 3_000, 2: 2_000, 3: 1_000})] * 3)
    assert small.statistic > 0
    assert 0 < small.p_value < 1
    assert halves.p_value == pytest.approx(1)


# What is shown


def test_a_variable_that_makes_the_groups_is_not_tested():
    groups = [
        (stratum(cv_shock="yes"), 3, {"phenotype.cv_shock": {1: 3}, "phenotype.kd_like": {0: 1, 1: 2}}),
        (stratum(cv_shock="no"), 4, {"phenotype.cv_shock": {0: 4}, "phenotype.kd_like": {0: 3, 1: 1}}),
    ]
    table = analysed(*groups, by="cv_shock").characteristics
    assert row_of(table, "phenotype.cv_shock").test is None
    assert row_of(table, "phenotype.kd_like").test.p_value is not None


def test_an_unknown_group_is_shown_and_not_tested():
    values = {"age_years": {100: 2, 300: 2}}
    groups = [(stratum(sex=sex), 5, values) for sex in ("male", "female", "unknown")]
    found = analysed(*groups, by="sex")
    row = row_of(found.characteristics, "age_years")
    assert [(g.group, g.n, g.in_tests) for g in found.groups] == [
        ("male", 5, True),
        ("female", 5, True),
        ("unknown", 5, False),
    ]
    assert row.test.method.startswith("Mann-Whitney")
    assert row.overall.n == 15
    assert row.overall.n_missing == 3
    assert [w.code for w in found.warnings] == ["unknown_group_not_tested"]


def test_treatments_that_were_not_listed_are_counted_and_said():
    groups = [
        (stratum("ivig_monotherapy", sex="male"), 5, {"treatment.not_listed": {1: 2, 0: 3}}),
        (stratum("other", sex="female"), 4, {"treatment.not_listed": {1: 4}}),
    ]
    found = analysed(*groups)
    assert any("count as not given" in sentence for sentence in found.methods)
    told = {w.code: w.message for w in found.warnings}["treatment_not_listed_taken_as_not_given"]
    assert told.startswith("For 6 of 9 patients")
    narrowed = analysed(*groups, where=parse_where(["sex:male"]), sections=("cytokines",))
    assert any(w.message.startswith("For 2 of 5 patients") for w in narrowed.warnings)
    shown = {row.variable for name in ("characteristics", "missing") for row in getattr(found, name).rows}
    assert "treatment.not_listed" not in shown
    listed = analysed((stratum(), 5, {"treatment.not_listed": {0: 5}}))
    assert "treatment_not_listed_taken_as_not_given" not in {w.code for w in listed.warnings}


@pytest.mark.parametrize(
    ("asked", "at_random", "before"),
    [
        ({}, True, True),
        ({"by": "corticosteroids"}, True, True),
        ({"by": "sex"}, False, False),
        ({"sections": ("labs",)}, True, False),
        ({"sections": ("anakinra",)}, False, False),
        ({"sections": ("defervescence",), "time_zero": "anakinra_start"}, True, False),
    ],
)
def test_what_groups_by_treatment_cannot_show_is_said(asked, at_random, before):
    told = " ".join(analysed((stratum(), 5, {}), **asked).methods)
    assert ("not assigned at random" in told) is at_random
    assert ("begins before anakinra does" in told) is before


def test_methods_are_sentences_for_readers():
    told = " ".join(analysed((stratum(), 5, {}), adjust="holm").methods)
    assert not set("`_") & set(told)
    assert "exact is false" not in told


def test_re_hospitalization_stands_once():
    found = analysed((stratum(), 5, {"ae.rehospitalization": {0: 5}}))
    labels = [row.label for row in found.adverse_events.rows]
    assert [label for label in labels if "admission" in label or "hospital" in label] == ["Re-hospitalization"]


def test_a_test_past_its_exact_size_is_warned_of():
    small = [(stratum(sex=sex), 9, {"male": {1: 4, 0: 5}}) for sex in ("male", "female")]
    large = [
        (stratum(phenotype, kd_like=kd), 1_000, {"treatment.aspirin": {1: 400 + 9 * k, 0: 600 - 9 * k}})
        for k, (phenotype, kd) in enumerate([("other", "no"), ("ivig_anakinra", "no"), ("ivig_monotherapy", "yes")])
    ]
    assert "asymptotic_past_exact_limit" not in {w.code for w in analysed(*small, by="treatment").warnings}
    assert "asymptotic_past_exact_limit" in {w.code for w in analysed(*large, by="treatment").warnings}


def test_percentages_are_of_the_known():
    table = analysed((stratum(), 10, {"male": {1: 3, 0: 1}})).characteristics
    cell = row_of(table, "male").overall
    assert (cell.n, cell.n_missing, cell.count, cell.percent) == (10, 6, 3, 75.0)


def test_the_study_groups_stand_even_when_empty_unless_they_are_excluded():
    found = analysed((stratum("other"), 2, {}))
    assert [g.group for g in found.groups] == ["ivig_monotherapy", "ivig_anakinra", "other"]
    narrowed = analysed((stratum("other"), 2, {}), where=parse_where(["treatment:other"]))
    assert [g.group for g in narrowed.groups] == ["other"]


def test_what_is_given_with_anakinra_is_missing_only_of_those_who_had_it():
    groups = [
        (stratum("ivig_monotherapy"), 7, {}),
        (stratum("ivig_anakinra"), 5, {"anakinra.starting_mg_kg_day": {800: 4}}),
    ]
    found = analysed(*groups, by="treatment")
    assert found.anakinra.n == 5
    row = row_of(found.anakinra, "anakinra.starting_mg_kg_day")
    assert [(c.group, c.n, c.n_missing) for c in row.groups] == [("ivig_anakinra", 5, 1)]
    missing = next(r for r in found.missing.rows if r.variable == "anakinra.starting_mg_kg_day")
    assert [(c.group, c.n, c.percent) for c in missing.groups] == [
        ("ivig_monotherapy", 0, None),
        ("ivig_anakinra", 5, 20.0),
    ]


def test_grades_are_counted():
    found = analysed((stratum(), 6, {"ae.neutropenia.grade": {0: 2, 3: 1}}), by="sex").adverse_events
    grades = next(row for row in found.grades if row.variable == "ae.neutropenia.grade")
    assert grades.overall.counts == (2, 0, 0, 1, 0, 0)
    assert (grades.overall.n, grades.overall.n_missing) == (6, 3)
    assert "ae.neutropenia.grade" not in {row.variable for row in found.rows}


def test_who_had_no_fever_to_follow_is_not_missing():
    fever = {
        "defervescence.admission.event": {100: 2},
        "defervescence.admission.censored": {300: 1},
        "defervescence.excluded": {1: 2, 2: 1},
    }
    found = analysed((stratum(), 8, fever), by="sex")
    curve = found.defervescence.from_admission.curves[0]
    assert (curve.n, curve.events, curve.n_excluded, curve.n_missing) == (3, 2, 2, 3)
    assert {e.reason: e.n for e in curve.excluded} == {"never_febrile": 2}
    assert {e.reason: e.n for e in curve.missing} == {"no_temperature": 1}
    missing = next(row for row in found.missing.rows if row.variable == "defervescence.admission")
    assert missing.overall.n_missing == 3


@pytest.mark.parametrize(("reason", "code"), EXCLUDED.items())
def test_a_reason_is_a_lack_of_fever_or_of_data(reason, code):
    fever = {"defervescence.admission.event": {100: 2}, "defervescence.excluded": {code: 3}}
    found = analysed((stratum(), 5, fever), by="sex")
    curve = found.defervescence.from_admission.curves[0]
    lacks_fever = reason in {"never_febrile", "afebrile_at_time_zero"}
    assert (curve.n_excluded, curve.n_missing) == ((3, 0) if lacks_fever else (0, 3))
    missing = next(row for row in found.missing.rows if row.variable == "defervescence.admission")
    assert missing.overall.n_missing == curve.n_missing


def test_the_start_of_anakinra_concerns_those_who_were_given_it():
    found = analysed((stratum("ivig_monotherapy"), 4, {}), (stratum("ivig_anakinra"), 6, {})).defervescence
    groups = found.from_anakinra_start.groups
    assert {g.group: g.n for g in groups} == {
        "ivig_anakinra_without_corticosteroids": 6,
        "ivig_anakinra_with_corticosteroids": 0,
    }


def test_pairs_are_listed_while_they_are_few():
    def heart(n):
        pair = {pack_pair(480, 590): n}
        return {"lvef.first": {480: n}, "lvef.follow_up": {590: n}, "lvef.difference": {110: n}, "lvef.pair": pair}

    few = analysed((stratum(), 5, heart(5))).cardiac.lvef.overall
    many = analysed((stratum(), 5_000, heart(5_000))).cardiac.lvef.overall
    assert few.pairs == ((48.0, 59.0, 5),)
    assert many.pairs == ()
    assert few.paired_first == many.paired_first
    assert many.difference.median == 11.0


def test_labs_are_shown_when_anybody_has_them():
    found = analysed((stratum(), 2, {"lab.crp": {1500: 1}}))
    assert [row.variable for row in found.labs.rows] == ["lab.crp"]
    assert [row.variable for row in found.missing.rows if row.variable.startswith("lab.")] == ["lab.crp"]
    assert len(found.cytokines.rows) == sum(name.startswith("cytokine.") for name in CATALOGUE)


def test_adjusted_values_are_those_of_the_sections_tests():
    groups = [
        (stratum(sex="male"), 9, {"age_years": {k * 100: 1 for k in range(9)}, "treatment.aspirin": {1: 9}}),
        (stratum(sex="female"), 9, {"age_years": {k * 100: 1 for k in range(5, 14)}, "treatment.aspirin": {0: 9}}),
    ]
    found = analysed(*groups, by="sex", adjust="benjamini_hochberg")
    tests = [row.test for row in found.characteristics.rows if row.test and row.test.p_value is not None]
    assert all(test.p_value <= test.p_value_adjusted <= 1 for test in tests)
    assert any("Benjamini" in sentence for sentence in found.methods)


# What is kept


def test_the_answers_asked_for_last_are_kept():
    kept = Kept(100)
    kept.put("a", b"x" * 60)
    kept.put("b", b"y" * 30)
    assert kept.get("a") is not None
    kept.put("c", b"z" * 40)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (b"x" * 60, None, b"z" * 40)
    kept.put("a", b"x")
    kept.put("big", b"!" * 200)
    assert kept.get("big") is None


def test_an_etag_depends_on_all_that_the_answer_depends_on():
    newer = Cohort(1, "c", "C", None, 4, 0, (), False, NOW, NOW)
    reborn = Cohort(2, "c", "C", None, 3, 0, (), False, NOW.replace(year=2027), NOW)
    tags = {
        etag_of(COHORT, Question(), "json"),
        etag_of(COHORT, Question(), "csv"),
        etag_of(COHORT, Question(by="sex"), "json"),
        etag_of(COHORT, Question(sections=("labs",)), "json"),
        etag_of(newer, Question(), "json"),
        etag_of(reborn, Question(), "json"),
    }
    assert len(tags) == 6
    assert etag_of(COHORT, Question(), "json") in tags


def test_what_is_normal_comes_from_the_rules():
    assert (NORMAL.lvef_above, NORMAL.strain) == (55, -21.4)
