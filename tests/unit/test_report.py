"""The report: everything in it, everything escaped, nothing asked of anybody else."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.answers import TestResult
from app.cohorts.analysis.selection import Question, parse_where
from app.cohorts.figures.numbers import p_value
from app.cohorts.report import page
from app.cohorts.report.compose import Links, compose
from app.cohorts.report.disagreements import counted
from app.cohorts.report.fever_tables import echo_table, fever_table, heart_table
from app.cohorts.report.footnotes import Footnotes
from app.cohorts.report.page import policy, render
from app.cohorts.store.model import Patient
from tests.drawn_cohort import NORMAL, analysed, cohort_of, counts_of

AGREED = ((), "All agree.")
VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}<svg onload=x>"


class Reader(HTMLParser):
    """Reads a page: its tags balanced, its links, ids, texts and everything that could ask for something."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags[tag] += 1
        self.attributes |= set(found)
        if tag == "a":
            self.links.append(found["href"])
        if "id" in found:
            self.ids[found["id"]] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def written(n: int = 60, question: Question | None = None, **cohort: str) -> str:
    question = question or Question()
    analysis, counts = analysed(n, question)
    return render(compose(cohort_of(n, **cohort), analysis, counts, question, AGREED)).decode()


@pytest.fixture(scope="module")
def html() -> str:
    return written()


def test_the_page_is_balanced_and_every_id_is_met_once(html):
    found = Reader(html)
    assert found.open == []
    assert {name for name, n in found.ids.items() if n > 1} == set()
    for link in found.links:
        assert not link.startswith("#") or link[1:] in found.ids


def test_the_page_asks_nobody_and_runs_nothing(html):
    found = Reader(html)
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(found.tags)
    assert not any(name.startswith("on") or name in {"src", "srcset", "style"} for name in found.attributes)
    assert not any(link.startswith(("http:", "https:", "//", "/", "javascript:")) for link in found.links)
    assert "@import" not in html
    assert "url(" not in html.partition("</style>")[0]


def test_the_policy_allows_the_one_style_sheet_by_its_hash(html):
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy()
    assert policy().startswith("default-src 'none'")
    assert "unsafe" not in policy()


def test_the_page_holds_every_part(html):
    found = Reader(html).text
    for part in (
        "Methods",
        "Table 1.",
        "Table 2.",
        "Table 3.",
        "Table 4.",
        "Figure 1A.",
        "Figure 1D.",
        "Figure 2.",
        "Figure 3.",
        "Figure 4.",
        "What is missing",
        "Stated and derived facts",
        "All agree.",
        "SHA-256",
        "matplotlib",
        "Made up by a seed.",
        "Group statistics for research use.",
        "made-up, version 3",
    ):
        assert part in found, part
    for rule in cohort_of(1).rules:
        assert rule["sha256"] in found
    assert html.count("<svg") == 7


def test_the_tables_hold_the_analysis_numbers(html):
    analysis, _ = analysed(60)
    found = Reader(html).text
    assert analysis.characteristics is not None
    for section in (analysis.characteristics, analysis.anakinra, analysis.adverse_events, analysis.cytokines):
        for row in section.rows:
            assert row.label in found
            for cell in row.groups:
                if row.kind == "binary" and cell.n > cell.n_missing:
                    assert f"{cell.count} (" in found
                if cell.n_missing:
                    assert f"{cell.n_missing} missing" in found
            if row.test is not None and row.test.p_value is not None:
                assert p_value(row.test.p_value).removeprefix("p = ").removeprefix("p ") in found
                assert row.test.method in found
    for group in analysis.groups:
        assert f"n = {group.n}" in found


def test_the_methods_say_how_treatment_is_read_and_what_it_cannot_show(html):
    found = Reader(html).text
    for told in ("count as not given", "not assigned at random", "begins before anakinra does"):
        assert told in found
    methods = found.partition("Methods")[2].partition("Table 1.")[0]
    assert "n_missing" not in methods
    assert "exact is false" not in methods
    assert "not assigned at random" not in Reader(written(20, Question(by="sex"))).text


def test_the_fever_tables_tell_missing_from_left_out():
    question = Question()
    analysis, _ = analysed(60, question)
    curves = analysis.defervescence.from_admission
    table = fever_table("A", curves, "a", "a.csv")
    for line, curve in zip(table.lines, curves.curves, strict=True):
        assert [cell.main for cell in line.cells[-2:]] == [str(curve.n_excluded), str(curve.n_missing)]
        assert [cell.small for cell in line.cells[-2:]] == [
            "; ".join(f"{e.label}: {e.n}" for e in told) for told in (curve.excluded, curve.missing)
        ]
    missing = next(row for row in analysis.missing.rows if row.variable == "defervescence.admission")
    assert missing.overall.n_missing == sum(curve.n_missing for curve in curves.curves)


def test_texts_of_others_stay_texts():
    html = written(5, name=HOSTILE, description=HOSTILE)
    found = Reader(html)
    assert found.open == []
    assert not {"script"} & set(found.tags)
    assert "onload" not in found.attributes
    assert "{{ 7 * 7 }}" in found.text
    assert html.count("&lt;script&gt;alert(1)") == 3


def test_a_name_that_is_missing_is_an_error_and_not_a_blank():
    with pytest.raises(UndefinedError):
        page._environment().from_string("{{ report.nothing }}").render(report={})


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_or_one_patient_makes_a_page_that_says_so(n):
    found = Reader(written(n))
    assert found.open == []
    assert "None" not in found.text
    assert "nan" not in re.findall(r"\w+", found.text)
    if not n:
        assert "No patient is selected: every number is 0 or null." in found.text
        assert "so there is no curve" in found.text


def test_the_same_cohort_gives_the_same_bytes(html):
    assert written() == html


def test_adjusted_p_have_a_column_of_their_own():
    found = Reader(written(60, Question(adjust="holm"))).text
    assert "p, adjusted" in found
    assert "Holm" in found


def printed(p: float) -> str:
    return p_value(p).removeprefix("p = ").removeprefix("p ")


def test_a_horizon_is_said_to_be_of_the_groups_that_are_compared():
    curves = analysed(60)[0].defervescence.from_admission
    assert curves.restricted_mean_horizon_hours is not None
    assert fever_table("A", curves, "a", "").sentences[-1].endswith("which every compared group reaches.")


def test_adjusted_p_of_fever_and_heart_stand_beside_the_unadjusted():
    analysis, _ = analysed(60, Question(adjust="holm"))
    curves, heart = analysis.defervescence.from_admission, analysis.cardiac
    test = curves.log_rank
    told = f"{test.method}: {p_value(test.p_value)} (adjusted {p_value(test.p_value_adjusted)[2:]})."
    assert told in fever_table("A", curves, "a", "a.csv").sentences
    table = heart_table("B", heart.lvef, heart, "b", "b.csv")
    assert table.tests == ("p", "p, adjusted")
    for line, group in zip(table.lines[1:], heart.lvef.groups, strict=True):
        assert [mark.text for mark in line.tests] == [printed(group.test.p_value), printed(group.test.p_value_adjusted)]
    beside = table.lines[0].tests[1]
    assert (beside.text, {note.mark: note.text for note in table.footnotes}[beside.mark]) == (
        "\u2013",
        "Not among the tests that are adjusted.",
    )
    reduced = TestResult(method="Fisher's exact test", exact=True, p_value=0.03, p_value_adjusted=0.06)
    lvef = heart.lvef.model_copy(update={"reduced": heart.lvef.reduced.model_copy(update={"test": reduced})})
    echo = echo_table(heart.model_copy(update={"lvef": lvef}), "c.csv")
    assert echo.tests == ("p", "p, adjusted")
    assert [mark.text for mark in echo.lines[0].tests] == ["0.030", "0.060"]


def test_without_adjustment_fever_and_heart_have_one_p():
    analysis, _ = analysed(60)
    heart = analysis.cardiac
    assert "adjusted" not in " ".join(fever_table("A", analysis.defervescence.from_admission, "a", "").sentences)
    for table in (heart_table("B", heart.lvef, heart, "b", ""), echo_table(heart, "")):
        assert table.tests == ("p",)
        assert {len(line.tests) for line in table.lines} == {1}


def test_links_repeat_what_was_asked():
    asked = Question(by="phenotype", where=parse_where(["treatment:ivig_anakinra", "sex:male,unknown"]), adjust="holm")
    links = Links(replace(asked, time_zero="admission", sustained=True))
    expected = "by=phenotype&where=treatment:ivig_anakinra&where=sex:male,unknown&adjust=holm"
    assert links.csv("cytokines") == f"analysis/cytokines?{expected}&format=csv"
    assert links.csv("defervescence").endswith("&time_zero=admission&sustained=true&format=csv")
    assert links.to("figures/lvef.svg") == f"figures/lvef.svg?{expected}"
    assert Links(Question()).to("analysis") == "analysis"


def test_a_selection_is_said_on_the_page_and_in_the_figures():
    question = Question(where=parse_where(["treatment:ivig_anakinra"]))
    counts = counts_of(60)
    analysis = analyse(cohort_of(60), counts, question, NORMAL)
    found = Reader(render(compose(cohort_of(60), analysis, counts, question, AGREED)).decode()).text
    assert "treatment: IVIG + anakinra" in found
    assert "Missing values by treatment (IVIG + anakinra)" in found
    assert f"{analysis.n} of 60" in found


def test_footnotes_give_one_letter_per_method_and_reason():
    notes = Footnotes()
    fisher = TestResult(method="Fisher's exact test", exact=True, p_value=0.03)
    none = TestResult(method="Fisher's exact test", exact=True, reason="Nobody is known.")
    chi = TestResult(method="Pearson chi-square test", exact=False, p_value=0.00001, p_value_adjusted=0.5)
    marks = [notes.of(test) for test in (fisher, none, chi, fisher, None)]
    assert [(m.text, m.mark) for m in marks] == [
        ("0.030", "a"), ("\u2013", "b"), ("< 0.0001", "c"), ("0.030", "a"), ("\u2013", ""),
    ]  # fmt: skip
    assert notes.of(chi, adjusted=True).text == "0.500"
    assert [note.text for note in notes.all] == [
        "Fisher's exact test, two-sided.",
        "No p-value: Nobody is known.",
        "Pearson chi-square test, asymptotic.",
    ]


def patient(*fields: str) -> Patient:
    told = ",".join(f'{{"field":"{f}","stated":true,"derived":false,"message":"{f} differs."}}' for f in fields)
    facts = f'{{"facts":{{}},"disagreements":[{told}],"warnings":[]}}'
    return Patient(1, "P1", 1, "x", "{}", "{}", facts)


def test_disagreements_are_counted_by_patients_without_their_values():
    lines, told = counted(
        [patient("phenotype.kd_like", "phenotype.kd_like"), patient("phenotype.kd_like"), patient("age")]
    )
    assert [(line.field, line.n) for line in lines] == [("phenotype.kd_like", "2"), ("age", "1")]
    assert told.startswith("3 patients have")
    assert counted([])[1].startswith("Wherever a record states a fact")
    assert counted([patient("age")])[1].startswith("1 patient has")
