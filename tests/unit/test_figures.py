"""Figures: well-formed, accessible, the same bytes for the same contents, and their text holds the right numbers."""

from __future__ import annotations

import gc
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from app.cohorts.analysis.selection import Question
from app.cohorts.figures import NAMES, drawing, numbers, style
from app.cohorts.figures.contents import (
    AdverseEvents,
    Box,
    Boxes,
    BoxRow,
    Comparison,
    Gap,
    GapRow,
    GradeRow,
    Grades,
    Missingness,
    Paired,
    PairedGroup,
    Spread,
    Step,
    Survival,
    SurvivalGroup,
)
from app.cohorts.figures.fold_axis import FoldAxis
from app.cohorts.figures.gather import pictures
from app.cohorts.figures.survival import at_risk, thinned
from app.cohorts.figures.words import describe, with_bands
from tests.drawn_cohort import analysed

SVG = "{http://www.w3.org/2000/svg}"


def steps(*rows: tuple[float, float, int, int, int]) -> tuple[Step, ...]:
    """Days, survival, at risk, events, censored."""
    return tuple(Step(24 * day, s, s / 2, (1 + s) / 2, n, d, c) for day, s, n, d, c in rows)


FEVER = Survival(
    since="admission",
    groups=(
        SurvivalGroup("IVIG", 4, 1, 3, 48.0, steps(
            (1, 0.75, 4, 1, 0), (2, 0.5, 3, 1, 0), (3, 0.5, 2, 0, 1), (5, 0, 1, 1, 0)), missing=2),
        SurvivalGroup("IVIG + anakinra", 3, 0, 2, 96.0, steps(
            (1.5, 0.667, 3, 1, 0), (4, 0.333, 2, 1, 0), (4.5, 0.333, 1, 0, 1))),
    ),
    tests=(Comparison("Log-rank test (Mantel-Haenszel variance)", 0.0031),),
    left_out={"No accepted temperature of fever was recorded": 1},
    missing={"No temperature was recorded": 2},
)  # fmt: skip
HEART = Paired(
    measure="Left ventricular ejection fraction",
    axis="Left ventricular ejection fraction (%)",
    unit="%",
    normal=55,
    normal_label="normal above 55%",
    groups=(
        PairedGroup(
            "IVIG", np.array([60.0, 62.0]), np.array([64.0, 65.5]), np.array([1, 2]),
            Spread(62, 60.5, 62), Spread(65.5, 64.4, 65.5), Comparison("Wilcoxon matched-pairs signed rank test", 0.25),
        ),
        PairedGroup("IVIG + anakinra", np.empty(0), np.empty(0), np.empty(0, np.int64)),
    ),
)  # fmt: skip
FOLDS = Boxes(
    ("IVIG", "IVIG + anakinra"),
    (
        BoxRow(
            "IL-6",
            (
                Box(np.array([0.0, 3.2, 14.3]), np.array([1, 1, 2]), Spread(8.75, 0.8, 14.3), 2),
                Box(np.array([22.1]), np.array([5]), Spread(22.1, 22.1, 22.1)),
            ),
            Comparison("Mann-Whitney U test, exact distribution given the ties", 0.0057),
        ),
    ),
)
EVENTS = AdverseEvents(
    ("IVIG", "IVIG + anakinra"),
    (
        GradeRow(
            "Neutropenia", (Grades(14, 1, {0: 13, 2: 1}), Grades(30, 5, {0: 25, 1: 3, 3: 2}, 2)),
            Comparison("Fisher's exact test", 0.65)
        ),
        GradeRow("Re-hospitalization", (Grades(14, 0), Grades(32, 1)), Comparison("Fisher's exact test", 1.0)),
    ),
)  # fmt: skip
GAPS = Missingness(
    ("IVIG", "IVIG + anakinra"),
    (
        GapRow("age_years", "Age", (Gap(14, 0), Gap(32, 0))),
        GapRow("lab.bnp", "BNP", (Gap(14, 7), Gap(32, 1))),
        GapRow("anakinra.duration_days", "Duration", (Gap(0, 0), Gap(32, 3))),
    ),
)
CONTENTS = {"defervescence": FEVER, "lvef": HEART, "cytokines": FOLDS, "adverse_events": EVENTS, "missing": GAPS}
TITLE = "A title by treatment"


def parsed(raw: bytes | str) -> ET.Element:
    return ET.fromstring(raw)  # noqa: S314  # our own drawing


def svg(name: str, contents=None) -> ET.Element:
    return parsed(drawing.svg_of(name, TITLE, contents or CONTENTS[name]))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", CONTENTS)
def test_an_svg_names_and_describes_itself(name):
    root = svg(name)
    title, description = list(root)[:2]
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert (title.tag, title.text) == (f"{SVG}title", TITLE)
    assert (description.tag, description.text) == (f"{SVG}desc", describe(CONTENTS[name]))
    assert root.get("viewBox")


@pytest.mark.parametrize("name", CONTENTS)
def test_an_svg_needs_nothing_that_a_strict_policy_forbids(name):
    root = svg(name)
    for element in root.iter():
        assert element.tag.split("}")[1] not in {"style", "script", "image", "a", "foreignObject", "metadata"}
        assert "style" not in element.attrib
        assert not any(key.startswith("on") for key in element.attrib)
        assert element.get("href", "#").startswith("#")
    assert "Arial" in root.get("font-family", "")


@pytest.mark.parametrize("name", CONTENTS)
def test_nothing_of_a_drawing_stays_behind(name):
    """Its parts hold one another: they would grow old together, and be looked at when the process has got large."""

    def texts() -> int:
        return sum(isinstance(each, Text) for each in gc.get_objects())

    drawing.svg_of(name, TITLE, CONTENTS[name])
    gc.collect()
    before = texts()
    for _ in range(3):
        drawing.svg_of(name, TITLE, CONTENTS[name])
        drawing.png_of(name, TITLE, CONTENTS[name], 500)
    assert texts() == before


@pytest.mark.parametrize("name", CONTENTS)
def test_every_id_is_the_figures_own_and_every_reference_is_met(name):
    raw = drawing.svg_of(name, TITLE, CONTENTS[name]).decode()
    root = parsed(raw)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(found.startswith(name.replace("_", "-")) for found in ids)
    referred = {element.get("href", "")[1:] for element in root.iter(f"{SVG}use")}
    referred |= {element.get("clip-path", "")[5:-1] for element in root.iter() if element.get("clip-path")}
    assert referred
    assert referred <= set(ids)


@pytest.mark.parametrize("name", CONTENTS)
def test_the_same_contents_give_the_same_bytes_on_any_thread(name):
    def draw(_: int) -> tuple[bytes, bytes]:
        contents = CONTENTS[name]
        return drawing.svg_of(name, TITLE, contents), drawing.png_of(name, TITLE, contents, 500)

    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(draw, range(4)))) == 1


@pytest.mark.parametrize(("name", "width"), [("defervescence", 400), ("lvef", 1600), ("missing", 777)])
def test_a_png_is_as_wide_as_asked_and_prints_180_mm_wide(name, width):
    raw = drawing.png_of(name, TITLE, CONTENTS[name], width)
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    found, height = struct.unpack(">II", raw[16:24])
    assert found == width
    assert 100 < height < 3 * width
    per_metre = struct.unpack(">I", raw[raw.index(b"pHYs") + 4 :][:4])[0]
    assert width / per_metre == pytest.approx(0.18, rel=0.001)
    assert b"Title\x00" + TITLE.encode() in raw or zlib.crc32(raw)  # in a text block, whichever kind
    assert b"matplotlib" not in raw.lower()


def test_the_number_at_risk_stands_under_the_tick_it_belongs_to():
    written = [text for text in svg("defervescence").iter(f"{SVG}text") if text.get("x")]
    placed = [(float(t.get("y")), float(t.get("x")), t.text) for t in written if t.get("text-anchor") == "middle"]
    top = next(float(t.get("y")) for t in written if t.text == "Number at risk")
    ticks = sorted((x, text) for y, x, text in placed if text in set("012345") and top - 40 < y < top)
    table: dict[float, list[tuple[float, str]]] = {}
    for y, x, text in placed:
        if text in set("01234") and y > top:
            table.setdefault(round(y), []).append((x, text))
    rows = [sorted(table[y]) for y in sorted(table)]
    assert [text for _, text in ticks] == list("012345")
    assert ["".join(text for _, text in row) for row in rows] == ["443211", "332220"]
    for row in rows:
        assert [x for x, _ in row] == pytest.approx([x for x, _ in ticks], abs=0.05)


def test_the_curves_say_their_test_their_groups_and_who_is_left_out():
    found = " ".join(texts(svg("defervescence")))
    for told in ("Log-rank test: p = 0.003", "IVIG (n = 4)", "Days since admission"):
        assert told in found
    assert "Left out, without fever to follow: No accepted temperature of fever was recorded (1)." in found
    assert "Missing: No temperature was recorded (2)." in found
    assert "1 left out without fever to follow, 2 missing." in describe(FEVER)
    assert "median 2 days" in describe(FEVER)
    assert "3 afebrile, 1 censored" in describe(FEVER)


def test_a_median_that_is_not_reached_says_nothing_of_those_who_were_censored():
    group = SurvivalGroup("IVIG", 10, 0, 1, None, steps((1, 0.9, 10, 1, 0), (2, 0.9, 9, 0, 9)))
    told = describe(replace(FEVER, groups=(group,), tests=()))
    assert "1 afebrile, 9 censored, the curve does not come down to one half." in told


def test_bands_are_those_of_the_three_largest_groups_that_are_compared():
    curve = FEVER.groups[0].steps
    sizes = {"A": 4, "B": 9, "C": 20, "D": 7, "E": 30}
    groups = tuple(SurvivalGroup(label, n, steps=curve, tested=label != "E") for label, n in sizes.items())
    crowded = Survival("admission", groups)
    found = " ".join(texts(svg("defervescence", crowded)))
    assert [group.label for group in with_bands(crowded)] == ["C", "B", "D"]
    assert "limits of C, B, D." in found
    assert "E (n = 30; not in the tests)" in found
    assert with_bands(FEVER) == FEVER.groups


def test_at_risk_counts_those_whose_own_time_is_not_earlier():
    curve = FEVER.groups[0].steps
    assert [at_risk(curve, 24 * day) for day in (0, 1, 1.01, 5, 5.01)] == [4, 4, 3, 1, 0]


def test_thinning_bounds_the_steps_and_loses_no_censoring():
    many = tuple(Step(t / 10, 1 - t / 20_000, None, None, 20_000 - t, 1, t % 2) for t in range(1, 20_000))
    few = thinned(many, many[-1].time)
    assert len(few) <= 500
    assert few[-1][:6] == many[-1][:6]
    assert sum(step.censored for step in few) == sum(step.censored for step in many)
    assert thinned(many[:10], many[-1].time) == list(many[:10])


def test_pairs_are_lines_while_they_are_few_and_shapes_when_they_are_many():
    few = svg("lvef")
    values = np.arange(400.0, 700.0)
    many = PairedGroup(
        "IVIG", values / 10, values / 10 + 3, np.full(300, 1_000), Spread(55, 48, 62), Spread(58, 51, 65)
    )
    drawn = Paired(HEART.measure, HEART.axis, "%", 55, "normal above 55%", (many,))
    found = svg("lvef", drawn)
    assert "Thin lines: one child each." in " ".join(texts(few))
    assert "distribution of many pairs" in " ".join(texts(found))
    assert "300\u202f000 pairs" in " ".join(texts(found))
    assert len(list(found.iter())) < 500


def test_a_panel_says_how_many_pairs_its_medians_and_its_p():
    found = texts(svg("lvef"))
    for told in ("3 pairs", "median 62 \u2192 65.5%", "p = 0.250", "IVIG"):
        assert told in found
    assert "No pairs: IVIG + anakinra." in found


def test_zero_has_a_place_beside_the_logarithms():
    axis = FoldAxis([0.0, 0.02, 80.0])
    assert axis.has_zero
    assert axis.start < axis.place(0) < axis.low < axis.place(0.02) < axis.place(1) == 0 < axis.place(80) < axis.high
    places, labels = axis.ticks()
    assert labels[0] == "0"
    assert places == sorted(places)
    assert dict(zip(labels, places, strict=True))["10"] == 1
    assert not FoldAxis([0.02, 80.0]).has_zero
    assert "not detected" in " ".join(texts(svg("cytokines")))


def test_quartiles_between_zero_and_the_smallest_value_lie_on_the_axis():
    values = np.array([0.0, 0.9, 1.2, 1.4])
    box = Box(values, np.ones(4, np.int64), Spread(1.05, 0.225, 1.35))
    axis = FoldAxis.of(Boxes(("IVIG",), (BoxRow("IL-6", (box,)),)))
    assert axis.zero < axis.low < axis.place(0.225) < axis.place(0.9)
    only_quartiles = replace(box, values=np.empty(0), counts=np.empty(0, np.int64))
    withheld = FoldAxis.of(Boxes(("IVIG",), (BoxRow("IL-6", (only_quartiles,)),)))
    assert (withheld.low, withheld.has_zero) == (axis.low, False)


def test_an_axis_of_nothing_or_zeros_alone_still_stands():
    for values in ([], [0.0], [1.0]):
        axis = FoldAxis(values)
        assert axis.start < 0 < axis.high


def test_adverse_events_show_counts_percent_grades_and_what_is_missing():
    found = texts(svg("adverse_events"))
    for told in ("1/14 (7%)", "5/30 (17%), 2 missing", "p = 0.650", "p > 0.999", "No CTCAE grade", "0/14 (0%)"):
        assert told in found
    assert "5 of 30, 17% (3 grade 1, 2 grade 3), 2 unknown" in describe(EVENTS)


def test_a_row_that_is_not_tested_has_a_dash_and_says_why_in_words():
    alike = Comparison("Fisher's exact test", reason="Every known value is the same.")
    contents = replace(EVENTS, rows=tuple(replace(row, test=alike) for row in EVENTS.rows))
    assert "p \u2013" in texts(svg("adverse_events", contents))
    assert "no p: Every known value is the same" in describe(contents)


def test_missing_values_leave_out_what_is_complete_and_say_what_does_not_apply():
    found = texts(svg("missing"))
    for told in ("50% (7/14)", "3% (1/32)", "does not apply", "9% (3/32)"):
        assert told in found
    assert "Age" not in found
    assert "Complete, and not shown: 1 variable." in found


def test_a_long_list_of_missing_values_is_cut_and_says_so():
    rows = tuple(GapRow(f"v{n}", f"Variable {n}", (Gap(100, n + 1),)) for n in range(80))
    found = texts(svg("missing", Missingness(("All",), rows)))
    assert "Variable 79" in found
    assert "Variable 0" not in found
    assert "The 48 variables with most missing; 32 more miss some." in found


EMPTY = [
    ("defervescence", Survival("admission", (SurvivalGroup("IVIG", 0),))),
    ("lvef", Paired("LVEF", "LVEF (%)", "%", 55, "normal", ())),
    ("cytokines", Boxes(("IVIG",), ())),
    ("adverse_events", AdverseEvents(("IVIG",), (GradeRow("Rash", (Grades(0, 0, {}, 4),)),))),
    ("missing", Missingness(("IVIG",), (GapRow("a", "A", (Gap(0, 0),)),))),
    ("missing", Missingness(("IVIG",), (GapRow("a", "A", (Gap(3, 0),)),))),
]


@pytest.mark.parametrize(("name", "contents"), EMPTY)
def test_nothing_to_draw_is_a_figure_that_says_so(name, contents):
    root = svg(name, contents)
    reason = drawing.nothing(contents)
    assert reason
    assert texts(root) == [TITLE, reason]
    assert root[1].text == reason
    assert drawing.png_of(name, TITLE, contents, 400).startswith(b"\x89PNG")


def test_hostile_text_stays_text():
    label = "$x^{<script>alert(1)</script> & \"'"
    contents = Missingness((label,), (GapRow("a", label, (Gap(3, 1),)),))
    raw = drawing.svg_of("missing", label, contents)
    root = parsed(raw)
    assert b"<script" not in raw
    assert root[0].text == label
    assert label in texts(root)


@pytest.mark.parametrize("place", range(len(style.LOOKS)))
def test_groups_differ_in_three_channels_and_stand_out_from_paper(place):
    looks = style.LOOKS
    assert contrast(looks[place].colour, style.PAPER) >= 4
    others = [look for n, look in enumerate(looks) if n != place]
    for channel in range(3):
        assert all(looks[place][channel] != other[channel] for other in others)


@pytest.mark.parametrize("colour", [*style.GRADE_COLOURS.values(), "#ffffff", "#6baed6", "#2171b5", "#08306b"])
def test_text_in_a_shade_is_legible(colour):
    assert contrast(style.ink_on(colour), colour) >= 4.5


def test_grades_darken():
    luminances = [luminance(colour) for _, colour in sorted(style.GRADE_COLOURS.items())]
    assert luminances == sorted(luminances, reverse=True)


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (None, "no p"),
        (0.0, "p < 0.0001"),
        (0.00005, "p < 0.0001"),
        (0.00057, "p = 0.0006"),
        (0.0054, "p = 0.005"),
        (0.25, "p = 0.250"),
        (0.9989, "p = 0.999"),
        (0.0125, "p = 0.013"),
        (0.0045, "p = 0.005"),
        (0.9995, "p > 0.999"),
        (1.0, "p > 0.999"),
    ],
)
def test_p_is_written_without_pretending(p, told):
    assert numbers.p_value(p) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "\u2013"),
        (0.0, "0%"),
        (0.04, "<1%"),
        (0.4, "0.4%"),
        (1.0, "1%"),
        (62.5, "63%"),
        (99.6, ">99%"),
        (100.0, "100%"),
    ],
)
def test_percents_are_never_0_or_100_for_what_is_not(value, told):
    assert numbers.percent(value) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "\u2013"),
        (0.0, "0"),
        (-21.4, "\u221221.4"),
        (3339.0, "3339"),
        (0.0325, "0.0325"),
        (10.5, "10.5"),
        (-0.0, "0"),
        (8.0, "8"),
        (4.475, "4.48"),
        (4.525, "4.53"),
        (-4.475, "\u22124.48"),
        (2.675, "2.68"),
        (0.1 + 0.2, "0.3"),
        (1.0049999999999, "1"),
        (1e18, "1000000000000000000"),
    ],
)
def test_numbers_keep_three_digits_and_a_true_minus(value, told):
    assert numbers.significant(value) == told


def test_a_test_over_several_groups_has_no_two_sides():
    assert numbers.method_of("Fisher's exact test") == "Fisher's exact test, two-sided"
    assert numbers.method_of("Fisher's exact test for larger tables (Freeman-Halton)").endswith("Halton)")
    assert numbers.method_of("Log-rank test") == "Log-rank test"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", [None, "phenotype"])
def test_an_analysis_becomes_figures(name, by):
    question = Question(by=by)
    analysis, counts = analysed(60, question)
    drawn = list(pictures(name, analysis, counts, question))
    assert len(drawn) == (2 if name == "defervescence" else 1)
    for picture in drawn:
        root = parsed(drawing.svg_of(picture.name, picture.title, picture.contents))
        found = " ".join(texts(root))
        assert drawing.nothing(picture.contents) is None
        assert " by " in found
        assert "None" not in found
        assert "nan" not in found


def test_a_figure_shows_the_analysis_numbers():
    question = Question()
    analysis, counts = analysed(60, question)
    heart = analysis.cardiac
    assert heart is not None
    (picture,) = pictures("lvef", analysis, counts, question)
    found = texts(parsed(drawing.svg_of("lvef", picture.title, picture.contents)))
    for group in heart.lvef.groups:
        assert f"{group.n_pairs} pairs" in found
    for drawn, group in zip(picture.contents.groups, heart.lvef.groups, strict=True):
        assert drawn.n == group.n_pairs
        pairs = zip(drawn.before.tolist(), drawn.after.tolist(), drawn.counts.tolist(), strict=True)
        assert tuple(pairs) == group.pairs


def test_a_million_patients_make_no_larger_figures():
    question = Question(by="phenotype")
    analysis, counts = analysed(3_000, question)
    for name in NAMES:
        for picture in pictures(name, analysis, counts, question):
            raw = drawing.svg_of(picture.name, picture.title, picture.contents)
            assert len(raw) < 600_000, name
            assert len(list(parsed(raw).iter())) < 3_000, name
