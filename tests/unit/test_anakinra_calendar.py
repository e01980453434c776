"""The wean as iCalendar, and the moments it stands on."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from app.clinical.anakinra.icalendar import calendar
from app.clinical.anakinra.instants import Instant, after
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

RULEBOOK = load_rulebook()
WEAN = Weaning(RULEBOOK, Protocols(RULEBOOK), PatientCheck(RULEBOOK))
NOW = datetime(2026, 11, 22, 19, 30, 15, 123456, tzinfo=UTC)
BASE = {
    "weight_kg": 25.125,
    "current_mg_kg_day": 10,
    "clinically_stable": True,
    "interval_hours": 24,
    "starts_at": "2020-06-01T08:00:00-04:00",
}


def plan(**changes):
    return WEAN(WeanRequest.model_validate(BASE | changes))


def unfolded(stream):
    return stream.replace("\r\n ", "").split("\r\n")


def values(stream, name):
    return [line.partition(":")[2] for line in unfolded(stream) if line.split(":")[0].split(";")[0] == name]


def test_one_event_for_each_dose_in_utc():
    stream = calendar(plan(), NOW)
    assert values(stream, "DTSTART") == [f"202006{day:02}T120000Z" for day in range(1, 7)]
    assert values(stream, "DTEND") == [f"202006{day:02}T120000Z" for day in range(2, 7)]
    assert values(stream, "DTSTAMP") == ["20261122T193015Z"] * 6
    assert values(stream, "SUMMARY") == [
        *(f"Anakinra {d} mg/kg/day: {mg} mg IV every 6 h" for d, mg in ((10, 63), (8, 50), (6, 38), (4, 25), (2, 13))),
        "Anakinra: stop",
    ]


def test_it_is_laid_out_as_rfc_5545_asks():
    stream = calendar(plan(), NOW)
    assert stream.endswith("END:VCALENDAR\r\n")
    assert "\n" not in stream.replace("\r\n", "")
    lines = stream.split("\r\n")
    assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
    assert all(len(line.encode()) <= 75 for line in lines)
    assert any(len(line.encode()) == 75 for line in lines), "folding must have been needed"
    assert unfolded(stream).count("BEGIN:VEVENT") == unfolded(stream).count("END:VEVENT") == 6
    for text in values(stream, "DESCRIPTION"):
        assert re.fullmatch(r"(?:[^\\,;]|\\[\\,;n])*", text), "commas, semicolons and backslashes are escaped"


def test_folding_never_cuts_a_character():
    umlauts = plan().model_copy(update={"protocol": "ä" * 100})
    stream = calendar(umlauts, NOW)
    assert all(len(line.encode()) <= 75 for line in stream.split("\r\n"))
    assert "ä" * 100 in "\n".join(unfolded(stream))


def test_the_uid_follows_from_the_plan_and_not_from_the_clock():
    first, again = (values(calendar(plan(), now), "UID") for now in (NOW, NOW + timedelta(days=1)))
    assert first == again
    assert len(set(first)) == 6
    other = values(calendar(plan(starts_at="2020-06-01T09:00:00-04:00"), NOW), "UID")
    assert not set(first) & set(other)
    same_moment = values(calendar(plan(starts_at="2020-06-01T12:00:00Z"), NOW), "UID")
    assert same_moment == first


def test_plans_of_two_weights_have_no_uid_in_common():
    plans = plan(weight_kg=25), plan(weight_kg=25.1)
    doses = [[step.rounded_per_dose_mg for step in found.steps] for found in plans]
    assert doses[0] == doses[1], "the doses must be the same once rounded"
    first, second = (values(calendar(found, NOW), "UID") for found in plans)
    assert not set(first) & set(second)


def test_an_event_says_that_a_dose_exceeds_the_label_maximum():
    found = plan(current_mg_kg_day=10)
    (message,) = (w.message for w in found.warnings if w.code == "above_label_maximum")
    escaped = message.replace(",", "\\,").replace(";", "\\;")
    assert all(escaped in text for text in values(calendar(found, NOW), "DESCRIPTION"))
    low = values(calendar(plan(current_mg_kg_day=6), NOW), "DESCRIPTION")
    assert not any(escaped in text for text in low)


def test_nothing_of_the_child_is_in_it_but_the_doses():
    stream = calendar(plan(weight_kg=57.125, age_years=3, override_plausibility=True), NOW)
    text = "\n".join(unfolded(stream))
    assert "57.125" not in text
    assert "Weight" not in text


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"clinically_stable": False}, "/clinically_stable", "no_schedule"),
        ({"clinically_stable": None}, "/clinically_stable", "no_schedule"),
        ({"interval_hours": None}, "/interval_hours", "needed_for_calendar"),
        ({"starts_at": None}, "/starts_at", "needed_for_calendar"),
    ],
)
def test_a_plan_without_moments_is_refused(changes, pointer, code):
    with pytest.raises(RefusedInputError) as caught:
        calendar(plan(**changes), NOW)
    (error,) = caught.value.errors
    assert (error.pointer, error.code) == (pointer, code)


INSTANT = TypeAdapter(Instant)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2020-06-01T08:00:00-04:00", datetime(2020, 6, 1, 12, tzinfo=UTC)),
        ("2020-06-01T08:00:00Z", datetime(2020, 6, 1, 8, tzinfo=UTC)),
        ("2020-06-01t08:00:00z", datetime(2020, 6, 1, 8, tzinfo=UTC)),
        ("2020-06-01 08:00+05:30", datetime(2020, 6, 1, 2, 30, tzinfo=UTC)),
        ("2020-06-01T08:00:00.123-04:00", datetime(2020, 6, 1, 12, 0, 0, 123000, tzinfo=UTC)),
        ("2020-02-29T23:59:59+00:00", datetime(2020, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_moments_with_an_offset_are_read(text, utc):
    assert INSTANT.validate_python(text) == utc


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2021-07-02T09:00:00", "offset_missing"),
        ("2021-07-02", "not_a_datetime"),
        ("20200601T080000Z", "not_a_datetime"),
        ("2020-W23-1T08:00:00Z", "not_a_datetime"),
        ("2021-02-29T08:00:00Z", "not_a_datetime"),
        ("2020-06-01T25:00:00Z", "not_a_datetime"),
        ("2020-06-01T08:00:00+99:00", "not_a_datetime"),
        ("0001-01-01T00:00:00+10:00", "not_a_datetime"),
        ("2020-06-01T08:00:00-04:00x", "not_a_datetime"),
        ("", "not_a_datetime"),
        (1590998400, "not_a_datetime"),
        (True, "not_a_datetime"),
    ],
)
def test_other_moments_are_refused_without_being_repeated(text, code):
    with pytest.raises(ValidationError) as caught:
        INSTANT.validate_python(text)
    (error,) = caught.value.errors()
    assert error["type"] == code
    assert len(str(text)) < 10 or str(text) not in error["msg"]


def test_hours_elapse_and_the_offset_stays():
    eastern = timezone(timedelta(hours=-4))
    start = datetime(2020, 10, 31, 20, tzinfo=eastern)
    later = after(start, Decimal("36.5"), "/starts_at")
    assert later == datetime(2020, 11, 2, 8, 30, tzinfo=eastern)
    assert later.utcoffset() == timedelta(hours=-4)


@pytest.mark.parametrize(
    "start", [datetime(9999, 12, 31, 12, tzinfo=UTC), datetime(9999, 12, 30, 22, tzinfo=timezone(timedelta(hours=-3)))]
)
def test_the_calendar_ends_somewhere(start):
    with pytest.raises(RefusedInputError) as caught:
        after(start, Decimal(24), "/starts_at")
    assert caught.value.errors[0].code == "out_of_range"
