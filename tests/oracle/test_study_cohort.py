"""The synthetic study cohort against what Dizon BLP et al., Pediatr Rheumatol 2023;21:76, print.

The tables below are typed off the print once more, and the records are counted here in plain Python: nothing of the
service's derivation, analysis or search stands between.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from app.cohorts.study import study_cohort, study_records

RECORDS = study_records()
Record = dict[str, Any]


def anakinra(one: Record) -> bool:
    return one["treatment"]["anakinra"] is not False


def shock(one: Record) -> bool:
    return bool(one["presentation"]["hemodynamics"]["vasoactive_infusions"])


def kawasaki(one: Record) -> bool:
    return sum(one["presentation"]["kawasaki_signs"].values()) >= 4


def steroids(one: Record) -> bool:
    return bool(one["treatment"]["corticosteroids"])


GROUPS: dict[str, Callable[[Record], bool]] = {
    "all": lambda _: True,
    "ivig": lambda one: not anakinra(one),
    "anakinra": anakinra,
    "-shock": lambda one: anakinra(one) and not shock(one),
    "+shock": lambda one: anakinra(one) and shock(one),
    "-cs": lambda one: anakinra(one) and not steroids(one),
    "+cs": lambda one: anakinra(one) and steroids(one),
    "kd": lambda one: anakinra(one) and kawasaki(one),
    "kdss": lambda one: anakinra(one) and kawasaki(one) and shock(one),
}


def group(name: str) -> list[Record]:
    return [one for one in RECORDS if GROUPS[name](one)]


def course(field: str) -> Callable[[Record], float]:
    return lambda one: one["treatment"]["anakinra"][field]


def fold(name: str) -> Callable[[Record], float]:
    def of(one: Record) -> float:
        sent = one["cytokines"][name]
        return sent["fold"] if "fold" in sent else sent["value"] / sent["upper_limit"]

    return of


def first_lab(analyte: str) -> Callable[[Record], float]:
    return lambda one: min((lab for lab in one["labs"] if lab["analyte"] == analyte), key=lambda lab: lab["hour"])[
        "value"
    ]


def weibull(numbers: list[float], p: Decimal) -> Decimal:
    """Median and quartiles by (n + 1) p, in decimals."""
    ordered = sorted(Decimal(str(round(number, 6))) for number in numbers)
    place = (len(ordered) + 1) * p
    low = int(place)
    return ordered[low - 1] + (place - low) * (ordered[min(low, len(ordered) - 1)] - ordered[low - 1])


def printed(number: Decimal, like: str) -> str:
    return str(number.quantize(Decimal(like), ROUND_HALF_UP))


SIZES = {"all": 46, "ivig": 14, "anakinra": 32, "-shock": 12, "+shock": 20, "-cs": 23, "+cs": 9, "kd": 17, "kdss": 11}

COUNTS = [  # what, all, IVIG, IVIG + anakinra
    ("male", lambda one: one["sex"] == "male", 25, 8, 17),
    ("african_american", lambda one: one["race_ethnicity"] == ["african_american"], 25, 8, 17),
    ("latin_american", lambda one: one["race_ethnicity"] == ["latin_american"], 20, 6, 14),
    ("caucasian", lambda one: one["race_ethnicity"] == ["caucasian"], 1, 0, 1),
    ("pcr", lambda one: one["sars_cov_2_pcr_positive"], 19, 5, 14),
    ("non-specific", lambda one: not shock(one) and not kawasaki(one), 15, 9, 6),
    ("kd-like", kawasaki, 20, 3, 17),
    ("cv shock", shock, 23, 3, 20),
    ("kdss-like", lambda one: shock(one) and kawasaki(one), 12, 1, 11),
    ("ivig", lambda one: one["treatment"]["ivig"]["dose_g_kg"] == 2, 46, 14, 32),
    ("inflammatory", lambda one: purposes(one) == ["inflammatory"], 3, 0, 3),
    ("stress", lambda one: purposes(one) == ["stress"], 7, 1, 6),
    ("died", lambda one: one["outcome"]["died"], 0, 0, 0),
    ("thrombosis", lambda one: one["outcome"]["thrombosis"], 0, 0, 0),
]

QUARTILES = [
    ("age", lambda one: one["age_years"], "all", "8 [4, 13]"),
    ("age", lambda one: one["age_years"], "ivig", "10.5 [3.5, 13]"),
    ("age", lambda one: one["age_years"], "anakinra", "8 [4, 10]"),
    ("start", course("starting_mg_kg_day"), "-shock", "7.7 [4.5, 8.0]"),
    ("start", course("starting_mg_kg_day"), "+shock", "7.9 [7.7, 9.9]"),
    ("start", course("starting_mg_kg_day"), "anakinra", "7.9 [7.5, 8.2]"),
    ("day", course("initiation_hospital_day"), "-shock", "2.0 [2.0, 4.8]"),
    ("day", course("initiation_hospital_day"), "+shock", "2.0 [1.0, 3.0]"),
    ("maximum", course("maximum_mg_kg_day"), "-shock", "8.0 [4.5, 9.2]"),
    ("maximum", course("maximum_mg_kg_day"), "+shock", "9.8 [8.1, 10.0]"),
    ("maximum", course("maximum_mg_kg_day"), "anakinra", "9.5 [7.7, 10.0]"),
    ("mg", course("maximum_mg_per_dose"), "-shock", "41 [30, 94]"),
    ("mg", course("maximum_mg_per_dose"), "+shock", "55 [46, 100]"),
    ("duration", course("duration_days"), "-shock", "7.1 [4.6, 8.8]"),
    ("duration", course("duration_days"), "+shock", "10.6 [9.7, 13.3]"),
    ("duration", course("duration_days"), "anakinra", "9.8 [7.0, 11.3]"),
    ("ifn", fold("ifn_gamma"), "all", "1.0 [0.4, 1.6]"),
    ("ifn", fold("ifn_gamma"), "ivig", "0.4 [0.4, 1.2]"),
    ("ifn", fold("ifn_gamma"), "anakinra", "1.0 [0.5, 2.1]"),
    ("il-1", fold("il_1_beta"), "all", "0.9 [0.2, 1.0]"),
    ("il-1", fold("il_1_beta"), "ivig", "0.9 [0.7, 0.9]"),
    ("il-1", fold("il_1_beta"), "anakinra", "0.9 [0.2, 1.0]"),
    ("il-2", fold("il_2"), "all", "1.0 [1.0, 1.0]"),
    ("il-2", fold("il_2"), "ivig", "1.0 [1.0, 1.0]"),
    ("il-2", fold("il_2"), "anakinra", "1.0 [1.0, 1.0]"),
    ("il-6", fold("il_6"), "all", "14.3 [3.2, 34.4]"),
    ("il-6", fold("il_6"), "ivig", "3.0 [1.6, 15.8]"),
    ("il-6", fold("il_6"), "anakinra", "22.1 [9.9, 39.0]"),
    ("il-8", fold("il_8"), "all", "0.6 [0.3, 1.0]"),
    ("il-8", fold("il_8"), "ivig", "0.3 [0.3, 0.6]"),
    ("il-8", fold("il_8"), "anakinra", "1.0 [0.3, 1.0]"),
    ("il-12", fold("il_12"), "all", "0.4 [0.4, 1.0]"),
    ("il-12", fold("il_12"), "ivig", "0.4 [0.4, 0.4]"),
    ("il-12", fold("il_12"), "anakinra", "0.7 [0.4, 1.0]"),
    ("il-17", fold("il_17"), "all", "1.0 [0.6, 1.6]"),
    ("il-17", fold("il_17"), "ivig", "1.0 [0.6, 3.0]"),
    ("il-17", fold("il_17"), "anakinra", "1.0 [0.6, 1.0]"),
    ("sil-2r", fold("sil_2r"), "all", "4.0 [2.0, 6.7]"),
    ("sil-2r", fold("sil_2r"), "ivig", "1.4 [0.9, 3.2]"),
    ("sil-2r", fold("sil_2r"), "anakinra", "5.7 [3.7, 7.8]"),
    ("tnf", fold("tnf_alpha"), "all", "0.3 [0.1, 0.5]"),
    ("tnf", fold("tnf_alpha"), "ivig", "0.2 [0.1, 0.3]"),
    ("tnf", fold("tnf_alpha"), "anakinra", "0.3 [0.2, 0.6]"),
    ("stay", lambda one: one["outcome"]["length_of_stay_days"], "all", "11 [9, 14]"),
]

MEDIANS = [
    ("troponin", first_lab("troponin_i"), "-shock", "0.02"),
    ("troponin", first_lab("troponin_i"), "+shock", "0.05"),
    ("bnp", first_lab("bnp"), "-shock", "1472"),
    ("bnp", first_lab("bnp"), "+shock", "3339"),
]

PAIRS = [
    ("lvef_percent", "ivig", "62", "65"),
    ("lvef_percent", "-cs", "59.0", "62.5"),
    ("lvef_percent", "+cs", "51", "57"),
    ("lvef_percent", "+shock", "49", "59"),
    ("lvef_percent", "kdss", "49", "59"),
    ("ap4_strain_percent", "ivig", "-15.5", "-18.9"),
    ("ap4_strain_percent", "-cs", "-13.2", "-17.8"),
    ("ap4_strain_percent", "+cs", "-14.6", "-16.1"),
    ("ap4_strain_percent", "kd", "-14.4", "-18.4"),
]

EVENTS = [  # Table 3's counts, on the study's real groups
    ("elevated_lfts", 2, 6, 7),
    ("neutropenia", 1, 5, 3),
    ("hemolytic_anemia", 1, 1, 1),
    ("anaphylaxis", 0, 0, 0),
    ("rash", 0, 2, 0),
]


def purposes(one: Record) -> list[str]:
    return [given["purpose"] for given in one["treatment"]["corticosteroids"]]


def named(rows: list[tuple[Any, ...]]) -> list[str]:
    return [f"{row[0]} of {row[2]}" for row in rows]


def afebrile_after(one: Record, hour: float = 0) -> float:
    """Return the hour of the first oral or rectal temperature below 38.0 from an hour on."""
    over = (
        t["hour"]
        for t in one["temperatures"]
        if t["hour"] >= hour and t["site"] in {"oral", "rectal"} and t["celsius"] < 38.0
    )
    return min(over, default=math.inf)


def test_it_says_that_it_is_synthetic():
    cohort = study_cohort()
    assert "synthetic" in cohort["name"].lower()
    assert "no patient here exists" in cohort["description"]
    assert [one["patient_id"] for one in cohort["patients"]] == [f"SYN-{number:02d}" for number in range(1, 47)]


@pytest.mark.parametrize(("name", "n"), SIZES.items())
def test_the_groups_have_their_sizes(name, n):
    assert len(group(name)) == n


@pytest.mark.parametrize(
    ("has", "everybody", "ivig", "both"), [row[1:] for row in COUNTS], ids=[row[0] for row in COUNTS]
)
def test_counts(has, everybody, ivig, both):
    assert [sum(map(bool, map(has, group(g)))) for g in ("all", "ivig", "anakinra")] == [everybody, ivig, both]


@pytest.mark.parametrize(("value", "name", "shown"), [row[1:] for row in QUARTILES], ids=named(QUARTILES))
def test_quartiles(value, name, shown):
    numbers = [value(one) for one in group(name)]
    median, q1, q3 = re.findall(r"[\d.]+", shown)
    for p, text in (("0.5", median), ("0.25", q1), ("0.75", q3)):
        assert printed(weibull(numbers, Decimal(p)), text) == text


@pytest.mark.parametrize(("value", "name", "median"), [row[1:] for row in MEDIANS], ids=named(MEDIANS))
def test_medians(value, name, median):
    assert printed(weibull([value(one) for one in group(name)], Decimal("0.5")), median) == median


@pytest.mark.parametrize(("field", "name", "first", "follow_up"), PAIRS)
def test_first_and_follow_up(field, name, first, follow_up):
    pairs = [[echo[field] for echo in one["echocardiograms"] if field in echo] for one in group(name)]
    found = [pair for pair in pairs if pair]
    assert all(len(pair) == 2 for pair in found)
    for place, shown in ((0, first), (1, follow_up)):
        assert printed(weibull([pair[place] for pair in found], Decimal("0.5")), shown) == shown


def test_27_of_32_had_a_first_ejection_fraction_and_10_of_them_a_reduced_one():
    for name, seen, reduced in (("anakinra", 27, 10), ("ivig", 14, 0)):
        first = [one["echocardiograms"][0]["lvef_percent"] for one in group(name) if one["echocardiograms"]]
        assert (len(first), sum(lvef < 55 for lvef in first)) == (seen, reduced)


def test_the_follow_up_came_after_11_days():
    days = [b["day"] - a["day"] for a, b in (one["echocardiograms"] for one in RECORDS if one["echocardiograms"])]
    assert [printed(weibull(days, Decimal(p)), "1") for p in ("0.5", "0.25", "0.75")] == ["11", "9", "14"]


@pytest.mark.parametrize(("event", "ivig", "without", "with_cs"), EVENTS)
def test_adverse_events(event, ivig, without, with_cs):
    terms = {name: [[one["term"] for one in record["adverse_events"]] for record in group(name)] for name in GROUPS}
    assert [sum(event in listed for listed in terms[g]) for g in ("ivig", "-cs", "+cs")] == [ivig, without, with_cs]


def test_liver_tests_are_mildly_elevated_in_most():
    grades = [e["grade"] for one in RECORDS for e in one["adverse_events"] if e["term"] == "elevated_lfts"]
    assert sum(grade < 2 for grade in grades) > len(grades) / 2
    assert max(grades) <= 2


def test_fever_ends_within_5_days_with_ivig_alone_and_in_half_with_anakinra():
    assert all(afebrile_after(one) <= 120 for one in group("ivig"))
    assert sum(afebrile_after(one) <= 120 for one in group("anakinra")) == 16


def test_kawasaki_like_patients_are_afebrile_within_7_days_of_anakinra():
    for one in group("kd"):
        start = one["treatment"]["anakinra"]["started_hour"]
        assert start < afebrile_after(one, start) <= start + 168


def test_corticosteroids_with_anakinra_go_with_shock_adjuncts_too():
    for one in group("anakinra"):
        assert one["treatment"]["anakinra"]["role"] == ("adjunct" if shock(one) else "rescue")
        assert shock(one) or not steroids(one)
    assert [shock(one) for one in group("ivig") if steroids(one)] == [True]
