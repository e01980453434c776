"""A hospital's own protocol: other numbers simply work, and a file that cannot be right stops the start."""

import re

import pytest

from app.clinical.anakinra.catalogue import Catalogue
from app.clinical.anakinra.dose import DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import RulebookError, load_rulebook
from app.clinical.rulebook.loader import BUILT_IN

STUDY = (BUILT_IN / "childrens-national-2020.toml").read_text(encoding="utf-8")
OURS = STUDY.replace('id = "childrens-national-2020"', 'id = "our-hospital"')


def changed(text, row, **values):
    """Change keys of one row of a rule file."""
    head, tail = text.split(f'id = "{row}"\n')
    end = tail.find("\n[[")
    block, rest = tail[:end], tail[end:]
    for key, value in values.items():
        block, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", block)
        if not count:
            block += f"{key} = {value}\n"
    return f'{head}id = "{row}"\n{block}{rest}'


def without(text, row):
    pattern = rf'(?ms)^\[\[\w+\]\]\nid = "{re.escape(row)}"\n.*?(?=^\[\[|\Z)'
    shorter, count = re.subn(pattern, "", text)
    assert count == 1
    return shorter


def rulebook(folder, text):
    (folder / "ours.toml").write_text(text, encoding="utf-8")
    return load_rulebook(folder)


def parts(folder, text):
    book = rulebook(folder, text)
    return book, Protocols(book), PatientCheck(book)


def test_another_band_simply_works(tmp_path):
    text = changed(OURS, "start.critically_ill", low=5, high=9.5)
    text = changed(text, "start.not_critically_ill", low=2, high=5)
    dose = StartingDose(*parts(tmp_path, text))
    answer = dose(DoseRequest(weight_kg=20, critically_ill=True, protocol="our-hospital"))
    assert answer.protocol == "our-hospital"
    assert answer.rules.id == "our-hospital"
    assert [o.mg_kg_day for o in answer.options] == [5, 9.5]
    study = dose(DoseRequest(weight_kg=20, critically_ill=True))
    assert [o.mg_kg_day for o in study.options] == [8, 10]


def test_other_doses_a_day_cap_rounding_and_ceiling_work(tmp_path):
    text = changed(OURS, "doses_per_day", value=2)
    text = changed(text, "per_dose_cap", value=99.5)
    text = changed(text, "ceiling", value=12)
    text = changed(text, "rounding_step", value=1)
    answer = StartingDose(*parts(tmp_path, text))(
        DoseRequest(weight_kg=25, critically_ill=True, target_mg_kg_day=12, protocol="our-hospital")
    )
    target = answer.options[0]
    assert (target.doses_per_day, target.interval_hours) == (2, 12)
    assert (target.per_dose_mg, target.capped) == (99.5, True)
    assert target.rounded_per_dose_mg == 99, "rounding must not lead above the cap"
    assert target.daily_mg == 199


def test_rounding_by_exactly_the_notable_share_is_not_notable(tmp_path):
    text = changed(OURS, "rounding.notable", value=4)
    dose = StartingDose(*parts(tmp_path, text))
    request = DoseRequest(weight_kg=5, target_mg_kg_day=10, protocol="our-hospital", critically_ill=True)
    answer = dose(request)
    assert answer.options[0].rounding_percent == 4
    assert "dose_rounding" not in {w.code for w in answer.warnings}


def test_another_weaning_works(tmp_path):
    text = changed(OURS, "wean.step", value=1)
    text = changed(text, "wean.step_allowed", low=1, high=3)
    text = changed(text, "wean.interval", low=12, high=24)
    answer = Weaning(*parts(tmp_path, text))(
        WeanRequest(
            weight_kg=25, current_mg_kg_day=3, clinically_stable=True, interval_hours=12, protocol="our-hospital"
        )
    )
    assert [s.mg_kg_day for s in answer.steps] == [3, 2, 1, 0]
    assert (answer.total_hours, answer.latest_stop_hour) == (36, 72)


def test_a_hospital_can_replace_the_study_by_its_id(tmp_path):
    book = rulebook(tmp_path, changed(STUDY, "start.critically_ill", high=9))
    protocol = Protocols(book).chosen(None)
    assert protocol.critically_ill.high == 9
    assert Catalogue(Protocols(book)).all.items[0].origin == "hospital"


def test_overlapping_bands_stop_the_start(tmp_path):
    with pytest.raises(
        RulebookError, match=r"ours\.toml: .*start\.critically_ill.*overlaps.*start\.not_critically_ill"
    ):
        rulebook(tmp_path, changed(OURS, "start.critically_ill", low=7))


@pytest.mark.parametrize(
    ("row", "values", "reason"),
    [
        ("start.critically_ill", {"group": '"other"'}, "group must be 'starting_dose'"),
        ("start.critically_ill", {"unit": '"mg/kg/dose"'}, "unit must be 'mg/kg/day', not 'mg/kg/dose'"),
        ("start.critically_ill", {"high": 11}, "'start.critically_ill' reaches above threshold 'ceiling'"),
        ("start.not_critically_ill", {"low": 0}, "range 'start.not_critically_ill' must lie above 0"),
        ("start.not_critically_ill", {"low": -1}, "range 'start.not_critically_ill' must lie above 0"),
        ("doses_per_day", {"value": 5}, "'doses_per_day' must divide 24 hours evenly"),
        ("doses_per_day", {"value": 0}, "'doses_per_day' must divide 24 hours evenly"),
        ("doses_per_day", {"value": 2.5}, "'doses_per_day' must be a whole number"),
        ("per_dose_cap", {"value": 0}, "parameter 'per_dose_cap' must be above 0"),
        ("per_dose_cap", {"unit": '"g"'}, "unit must be 'mg', not 'g'"),
        ("rounding_step", {"value": 0}, "parameter 'rounding_step' must be above 0"),
        ("ceiling", {"operator": '"<"'}, "threshold 'ceiling': operator must be '<='"),
        ("ceiling", {"unit": '"mg/day"'}, "unit must be 'mg/kg/day', not 'mg/day'"),
        ("ceiling", {"value": 50}, "'ceiling' lies outside range 'dose.possible'"),
        ("wean.step", {"value": 3}, "'wean.step' lies outside range 'wean.step_allowed'"),
        ("wean.interval", {"unit": '"d"'}, "unit must be 'h', not 'd'"),
    ],
)
def test_a_file_that_cannot_be_right_stops_the_start(tmp_path, row, values, reason):
    with pytest.raises(RulebookError, match=re.escape(reason)) as caught:
        Protocols(rulebook(tmp_path, changed(OURS, row, **values)))
    assert str(caught.value).startswith("ours.toml: ")


ROWS = re.findall(r'(?m)^\[\[(?:range|parameter|threshold|text)\]\]\nid = "(.*)"$', STUDY)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_a_protocol_is_needed(tmp_path, row):
    with pytest.raises(RulebookError, match=re.escape(f"{row!r} is missing from rule set 'our-hospital'")):
        Protocols(rulebook(tmp_path, without(OURS, row)))


def test_the_study_must_be_there(tmp_path):
    text = STUDY.replace('topic = "anakinra-protocol"', 'topic = "something-else"')
    with pytest.raises(RulebookError, match=r"'childrens-national-2020' must be there and have topic"):
        Protocols(rulebook(tmp_path, text))


def test_an_unknown_protocol_is_refused_with_those_that_exist(tmp_path):
    protocols = Protocols(rulebook(tmp_path, OURS))
    assert {p.id for p in protocols.all()} == {"childrens-national-2020", "our-hospital"}
    with pytest.raises(RefusedInputError) as caught:
        protocols.chosen("elsewhere")
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == ("/protocol", "protocol_unknown")
    assert set(error.allowed) == {"childrens-national-2020", "our-hospital"}
    assert "elsewhere" not in error.message


def test_the_catalogue_shows_every_number_with_its_source(tmp_path):
    catalogue = Catalogue(Protocols(rulebook(tmp_path, OURS)))
    assert [(i.id, i.is_default) for i in catalogue.all.items] == [
        ("childrens-national-2020", True),
        ("our-hospital", False),
    ]
    detail = catalogue.by_id["our-hospital"]
    assert {n.id for n in detail.numbers} | {"evidence", "cap", "up_titration", "step_back_up"} == set(ROWS)
    assert all(n.source and n.unit for n in detail.numbers)
    assert [(b.low_mg_kg_day, b.high_mg_kg_day) for b in detail.bands] == [(6, 8), (8, 10)]
    assert detail.rules.sources
