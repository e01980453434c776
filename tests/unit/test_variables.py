import pytest

from app.clinical.rulebook import load_rulebook
from app.cohorts import strata
from app.cohorts.records import Cytokines
from app.cohorts.strata import Stratum
from app.cohorts.variables import (
    CATALOGUE,
    CYTOKINES,
    EVENTS,
    EXCLUDED,
    EXCLUDED_IN_WORDS,
    LABS,
    NOT_LISTED,
    UNGRADED,
    pack_pair,
    unpack_pair,
)


def test_labs_are_those_of_the_rule_file():
    analytes = {a.slug: a.canonical for a in load_rulebook()["quantities"].content.analyte}
    assert {slug: row.unit for slug, row in LABS.items()} == analytes


def test_cytokines_are_fields_and_analytes():
    assert set(CYTOKINES) == set(Cytokines.model_fields)
    assert set(CYTOKINES) <= set(LABS)


def test_every_variable_stands_in_a_section_and_has_a_label():
    for name, variable in CATALOGUE.items():
        assert variable.name == name
        assert variable.label
        assert bool(variable.sections) is (name != NOT_LISTED)
        assert variable.digits >= 0
        assert (variable.unit is None) == (variable.kind != "continuous")
        assert variable.digits == 0 or variable.kind == "continuous"


def test_every_event_has_a_grade_but_one():
    graded = {name.split(".")[1] for name in CATALOGUE if name.endswith(".grade")}
    assert graded == set(EVENTS) - {UNGRADED}


def test_every_reason_has_words():
    assert set(EXCLUDED) == set(EXCLUDED_IN_WORDS)
    assert sorted(EXCLUDED.values()) == list(range(1, len(EXCLUDED) + 1))


@pytest.mark.parametrize("pair", [(0, 0), (480, 590), (-132, -178), (-50_000, 49_999)])
def test_a_pair_is_packed_and_unpacked(pair):
    assert unpack_pair(pack_pair(*pair)) == pair


def test_pairs_keep_their_order():
    pairs = [(a, b) for a in (-600, 0, 480) for b in (-600, 0, 590)]
    assert [unpack_pair(p) for p in sorted(pack_pair(*pair) for pair in pairs)] == sorted(pairs)


@pytest.mark.parametrize("pair", [(50_000, 0), (0, -50_001)])
def test_a_pair_that_does_not_fit_is_refused(pair):
    with pytest.raises(ValueError, match="a pair holds"):
        pack_pair(*pair)


def test_a_stratum_goes_to_its_key_and_back():
    for key, stratum in strata.ALL.items():
        assert stratum.key() == key
        assert strata.parse(key) == stratum
    assert strata.parse("ivig_anakinra/yes/no/none/male") == Stratum("ivig_anakinra", "yes", "no", "none", "male")


@pytest.mark.parametrize("key", ["", "ivig_anakinra", "ivig_anakinra/yes/no/none/male/", "a/b/c/d/e"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match="no key"):
        strata.parse(key)


@pytest.mark.parametrize(
    ("kd_like", "cv_shock", "phenotype", "possible"),
    [
        ("no", "no", "non_specific", {"non_specific"}),
        ("yes", "no", "kd_like", {"kd_like"}),
        ("no", "yes", "cv_shock", {"cv_shock"}),
        ("yes", "yes", "kdss_like", {"kdss_like"}),
        ("unknown", "yes", "indeterminate", {"cv_shock", "kdss_like"}),
        ("no", "unknown", "indeterminate", {"non_specific", "cv_shock"}),
        ("unknown", "unknown", "indeterminate", {"non_specific", "kd_like", "cv_shock", "kdss_like"}),
    ],
)
def test_phenotype_by_two_flags(kd_like, cv_shock, phenotype, possible):
    stratum = Stratum("other", cv_shock, kd_like, "none", "male")
    assert strata.phenotype(stratum) == phenotype
    assert set(strata.possible_phenotypes(kd_like, cv_shock)) == possible
