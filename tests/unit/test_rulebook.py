"""Rule files: what a good one gives, and how a bad one is reported, with file, key or line, and reason."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from app.clinical.rulebook import Rulebook, RulebookError, load_rule_file, load_rulebook
from app.clinical.rulebook.loader import BUILT_IN
from app.clinical.rulebook.model import Band, Range, Table

HEADER = """\
format = 1
[rule_set]
id = "ours"
version = "1.0.0"
title = "Our protocol"
topic = "test"
purpose = "Show how rule files work."
developer = "Our hospital"
effective = 2026-01-01
released = 2026-01-01
revised = 2026-02-01

[[source]]
key = "paper"
title = "A paper"
year = 2024
doi = "10.1000/xyz"
locator = "Table 2"
"""
THRESHOLD = """
[[threshold]]
id = "crp"
label = "High CRP"
operator = ">="
value = 3.0
unit = "mg/dL"
source = "paper"
"""
RANGE = """
[[range]]
id = "{id}"
low = {low}
high = {high}
unit = "mg/kg/d"
source = "paper"
group = "doses"
"""
TABLE = """
[[table]]
id = "by-age"
input = "age"
input_unit = "a"
unit = "mmHg"
source = "paper"
"""


def band(low=None, high=None, more=""):
    ends = [f"from = {low}"] if low is not None else []
    ends += [f"to = {high}"] if high is not None else []
    return "\n[[table.band]]\n" + "\n".join([*ends, "value = 1", more]) + "\n"


def write(folder, text, name="ours.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder, text):
    return load_rule_file(write(folder, text))


def reason(folder, text):
    with pytest.raises(RulebookError) as caught:
        loaded(folder, text)
    message = str(caught.value)
    assert message.startswith("ours.toml: ")
    assert "\n" not in message
    return message.removeprefix("ours.toml: ")


def test_a_good_file_gives_its_numbers_as_written(tmp_path):
    rules = loaded(
        tmp_path,
        HEADER
        + THRESHOLD
        + '\n[[parameter]]\nid = "step"\nvalue = 0.1\nunit = "mg"\nsource = "paper"\nlocator = "p. 3"\n'
        + '\n[[parameter]]\nid = "count"\nvalue = 2\nunit = "1"\nsource = "paper"\neffective = 2020-05-14\n'
        + '\n[[text]]\nid = "words"\ntext = "Take care."\nsource = "paper"\n'
        + RANGE.format(id="low", low=6, high=8)
        + TABLE
        + band(high=1)
        + band(low=1),
    )
    assert (rules.id, rules.topic, rules.origin) == ("ours", "test", "built_in")
    assert rules.number("step") == Decimal("0.1")
    assert rules.count("count") == 2
    assert rules.parameter("count").effective == date(2020, 5, 14)
    assert rules.text("words") == "Take care."
    assert rules.range("low").high == 8
    assert rules.table("by-age").find(Decimal(1)).lower == 1
    assert rules.threshold("crp").text == ">= 3.0 mg/dL"
    assert rules.cite(rules.threshold("crp")) == "A paper (2024), Table 2, doi 10.1000/xyz"
    assert rules.cite(rules.parameter("step")) == "A paper (2024), p. 3, doi 10.1000/xyz"
    assert rules.has("parameter", "step")
    assert not rules.has("range", "step")
    assert len(rules.sha256) == 64


def test_a_source_without_doi_and_place_is_cited_by_title_and_year(tmp_path):
    text = HEADER.replace('doi = "10.1000/xyz"\n', "").replace('locator = "Table 2"\n', "")
    rules = loaded(tmp_path, text + THRESHOLD)
    assert rules.cite(rules.threshold("crp")) == "A paper (2024)"


@pytest.mark.parametrize(
    ("operator", "met", "bound"),
    [
        (">", {"0.31"}, "exclusive"),
        (">=", {"0.3", "0.31"}, "inclusive"),
        ("<", {"0.29"}, "exclusive"),
        ("<=", {"0.29", "0.3"}, "inclusive"),
    ],
)
def test_a_threshold_by_its_operator(tmp_path, operator, met, bound):
    text = THRESHOLD.replace('">="', f'"{operator}"').replace("3.0", "0.3")
    threshold = loaded(tmp_path, HEADER + text).threshold("crp")
    assert threshold.bound == bound
    for number in (float, Decimal):
        assert {v for v in ("0.29", "0.3", "0.31") if threshold.is_met(number(v))} == met


def test_changing_the_file_changes_its_hash(tmp_path):
    before = loaded(tmp_path, HEADER + THRESHOLD).sha256
    assert loaded(tmp_path, HEADER + THRESHOLD.replace("3.0", "3.1")).sha256 != before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER + THRESHOLD.replace("value = 3.0", "value = "), "not valid TOML"),
        (HEADER + THRESHOLD.replace("value = 3.0", "value = "), "line 24"),
        (HEADER + THRESHOLD.replace("value =", "vlaue ="), "threshold 'crp' vlaue: Extra inputs are not permitted"),
        (HEADER + THRESHOLD.replace('unit = "mg/dL"\n', ""), "threshold 'crp' unit: Field required"),
        (HEADER + THRESHOLD.replace('source = "paper"\n', ""), "threshold 'crp' source: Field required"),
        (HEADER + THRESHOLD.replace('"paper"', '"papre"'), "threshold 'crp': source 'papre' is not among"),
        (
            HEADER + THRESHOLD.replace("3.0", '"3.0"'),
            "threshold 'crp' value: must be a number, without quotation marks",
        ),
        (HEADER + THRESHOLD.replace("3.0", "true"), "threshold 'crp' value: "),
        (HEADER + THRESHOLD.replace("3.0", "nan"), "threshold 'crp' value: "),
        (HEADER + THRESHOLD.replace("3.0", "inf"), "threshold 'crp' value: "),
        (HEADER + THRESHOLD.replace('">="', '"=>"'), "threshold 'crp' operator: "),
        (HEADER + THRESHOLD + THRESHOLD, "threshold 'crp' stands twice"),
        (HEADER + THRESHOLD + '\n[[source]]\nkey = "paper"\ntitle = "X"\nyear = 2020\n', "source 'paper' stands twice"),
        (HEADER.replace("format = 1", "format = 2"), "format: "),
        (HEADER.replace("format = 1\n", ""), "format: Field required"),
        (HEADER.replace('version = "1.0.0"', 'version = "1.0"'), "rule_set version: "),
        (HEADER.replace('id = "ours"', 'id = "Our own"'), "id: "),
        (HEADER.replace("year = 2024\n", ""), "source 'paper' year: Field required"),
        (HEADER.split("[[source]]", maxsplit=1)[0], "source: Field required"),
        (HEADER + "\n[threshhold]\n", "threshhold: Extra inputs are not permitted"),
        (HEADER + RANGE.format(id="a", low=8, high=6), "range 'a': low 8 lies above high 6"),
        (
            HEADER + RANGE.format(id="a", low=6, high=8) + RANGE.format(id="b", low=7, high=10),
            "range 'b' (7 to 10) overlaps range 'a' (6 to 8) of group 'doses'",
        ),
        (
            HEADER + RANGE.format(id="a", low=6, high=8) + RANGE.format(id="b", low=6, high=8),
            "range 'b' (6 to 8) overlaps range 'a' (6 to 8) of group 'doses'",
        ),
        (HEADER + TABLE, "table 'by-age' band: Field required"),
        (
            HEADER + TABLE + band(0, 5) + band(4, 10),
            "table 'by-age': band 2: overlaps the band before it (0 to 5 and 4 to 10)",
        ),
        (HEADER + TABLE + band(0) + band(4), "band 2: overlaps the band before it (0 to ... and 4 to ...)"),
        (HEADER + TABLE + band(0, 5) + band(high=9), "band 2: overlaps the band before it (0 to 5 and ... to 9)"),
        (
            HEADER + TABLE + band(0, 5, 'upper_bound = "inclusive"') + band(5, 10),
            "band 2: overlaps the band before it at 5, which both include",
        ),
        (HEADER + TABLE + band(0, 5) + band(6, 10), "band 2: leaves a gap after the band before it (5 to 6)"),
        (
            HEADER + TABLE + band(0, 5) + band(5, 10, 'lower_bound = "exclusive"'),
            "band 2: leaves a gap at 5, which neither band includes",
        ),
        (HEADER + TABLE + band(9, 5), "table 'by-age' band 1: from 9 lies above to 5"),
        (
            HEADER + TABLE + band(0, 5, 'sex = "male"') + band(0, 5, 'sex = "female"') + band(4, 9),
            "band 3: overlaps the band before it",
        ),
    ],
)
def test_a_bad_file_names_the_place_and_the_reason(tmp_path, text, expected):
    assert expected in reason(tmp_path, text)


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    message = reason(
        tmp_path, HEADER + THRESHOLD.replace('unit = "mg/dL"\n', "").replace('label = "High CRP"', "lable = 1")
    )
    assert "lable" in message
    assert "unit" in message


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_bytes(HEADER.encode() + b"# \xff\n")
    with pytest.raises(RulebookError, match=rf"^ours\.toml: not UTF-8 text \(byte {len(HEADER) + 2}\)$"):
        load_rule_file(path)


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "ours.toml").mkdir()
    with pytest.raises(RulebookError, match=r"^ours\.toml: cannot be read: "):
        load_rule_file(tmp_path / "ours.toml")


def test_bands_may_leave_gaps_where_the_table_says_so(tmp_path):
    text = TABLE + "gaps = true\n" + band(0, 5) + band(6, 10) + band(10, 12, 'lower_bound = "exclusive"')
    table = loaded(tmp_path, HEADER + text).table("by-age")
    assert [table.find(Decimal(v)) is not None for v in ("4.9", "5", "6", "10", "10.1", "12")] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]


def test_a_table_by_sex():
    row = {"id": "t", "source": "s", "input": "age", "input_unit": "a", "unit": "g/dL"}
    rows = [Band.model_validate({"from": 15, "value": v, "sex": s}) for s, v in (("female", 12), ("male", 13))]
    table = Table(**row, band=(Band.model_validate({"from": 5, "to": 15, "value": 11}), *rows))
    assert table.find(Decimal(15), "male").value == 13
    assert table.find(Decimal(15), "female").value == 12
    assert table.find(Decimal(15)) is None
    assert table.find(Decimal(14)).value == 11
    assert table.find(Decimal(4)) is None


def test_a_band_at_its_ends():
    both = Band.model_validate({"from": 1, "to": 2, "upper_bound": "inclusive"})
    neither = Band.model_validate({"from": 1, "to": 2, "lower_bound": "exclusive"})
    assert [both.holds(Decimal(v)) for v in ("0.9", "1", "2", "2.1")] == [False, True, True, False]
    assert [neither.holds(Decimal(v)) for v in ("1", "1.5", "2")] == [False, True, False]


@pytest.mark.parametrize("number", [float, Decimal])
def test_a_range_by_its_bounds(number):
    row = {"id": "r", "source": "s", "unit": "mg", "low": 1, "high": 2}
    assert [Range(**row).contains(number(v)) for v in ("0.9", "1", "2", "2.1")] == [False, True, True, False]
    opened = Range(**row, low_bound="exclusive", high_bound="exclusive")
    assert [opened.contains(number(v)) for v in ("1", "1.5", "2")] == [False, True, False]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: r.threshold("x"), "threshold 'x' is missing from rule set 'ours'"),
        (lambda r: r.number("x"), "parameter 'x' is missing from rule set 'ours'"),
        (lambda r: r.range("x"), "range 'x' is missing"),
        (lambda r: r.table("x"), "table 'x' is missing"),
        (lambda r: r.text("x"), "text 'x' is missing"),
        (lambda r: r.count("half"), "parameter 'half' must be a whole number"),
    ],
)
def test_asking_for_what_a_file_does_not_hold_names_file_and_key(tmp_path, call, words):
    half = '\n[[parameter]]\nid = "half"\nvalue = 0.5\nunit = "1"\nsource = "paper"\n'
    with pytest.raises(RulebookError, match=f"^ours.toml: {words}"):
        call(loaded(tmp_path, HEADER + half))


def test_provenance_names_every_rule_set_that_took_part(tmp_path):
    ours = loaded(tmp_path, HEADER + THRESHOLD)
    theirs = loaded(tmp_path, HEADER.replace('id = "ours"', 'id = "theirs"') + THRESHOLD)
    provenance = ours.provenance(theirs)
    assert (provenance.id, provenance.version, provenance.sha256) == ("ours", "1.0.0", ours.sha256)
    assert [s.title for s in provenance.sources] == ["A paper"]
    assert [i.id for i in provenance.includes] == ["theirs"]


# A hospital's folder


def test_a_folder_adds_a_rule_set(tmp_path):
    write(tmp_path, HEADER + THRESHOLD)
    rulebook = load_rulebook(tmp_path)
    assert rulebook["ours"].origin == "hospital"
    assert rulebook["cdc-han-2020"].origin == "built_in"
    assert rulebook.get("ours") is rulebook["ours"]
    assert [r.id for r in rulebook.of_topic("test")] == ["ours"]
    assert [r.id for r in rulebook.all()] == sorted(r.id for r in rulebook.all())


def test_a_folder_overrides_a_built_in_rule_set_by_id(tmp_path):
    text = (BUILT_IN / "cdc-han-2020.toml").read_text(encoding="utf-8")
    write(tmp_path, text.replace("value = 38.0", "value = 38.5"), "local-cdc.toml")
    before, after = load_rulebook()["cdc-han-2020"], load_rulebook(tmp_path)["cdc-han-2020"]
    assert (before.origin, after.origin) == ("built_in", "hospital")
    assert after.threshold("fever.temperature").value == Decimal("38.5")
    assert before.sha256 != after.sha256
    assert len(load_rulebook(tmp_path).all()) == len(load_rulebook().all())


def test_other_files_of_a_folder_are_left_alone(tmp_path):
    write(tmp_path, "not a rule file", "README.md")
    assert len(load_rulebook(tmp_path).all()) == len(load_rulebook().all())


def test_a_rule_set_may_stand_in_one_file_only(tmp_path):
    write(tmp_path, HEADER + THRESHOLD, "a.toml")
    write(tmp_path, HEADER + THRESHOLD, "b.toml")
    with pytest.raises(RulebookError, match=r"^b\.toml: rule set 'ours' already stands in a\.toml$"):
        load_rulebook(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(RulebookError, match=r"^DEFERVESCE_RULES_DIR: .* is not a folder$"):
        load_rulebook(tmp_path / "nowhere")


def test_a_rule_set_that_does_not_exist():
    with pytest.raises(RulebookError, match=r"^rule set 'nope' is missing from the rulebook$"):
        Rulebook([])["nope"]
    assert Rulebook([]).get("nope") is None


def test_every_built_in_file_is_named_after_its_rule_set():
    for rules in load_rulebook().all():
        assert Path(rules.file).stem == rules.id
