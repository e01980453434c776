"""Large bodies read in pieces are read as they would be whole: the same model, or the same refusal."""

from __future__ import annotations

import json
import random

import pytest
from pydantic import BaseModel, TypeAdapter

from app.api import long_lists
from app.api.body import parse
from app.api.long_lists import parse_large
from app.api.problems import ProblemError
from app.statistics.rank_models import MannWhitneyRequest, SignedRankRequest, SummaryRequest
from app.statistics.survival_requests import KaplanMeierRequest, LogRankRequest, RestrictedMeanRequest

DRAWN = random.Random(3)  # noqa: S311  # numbers to read, no secrets
TIMES = [
    None if n % 97 == 0 else DRAWN.choice([n % 301, round(DRAWN.uniform(0, 300), 1), 1e-7 * n]) for n in range(9_000)
]
EVENTS = [None if n % 89 == 0 else n % 3 > 0 for n in range(9_000)]
GROUPS = [
    {"label": "a [1, 2] {", "durations": TIMES, "events": EVENTS},
    {"label": 'b "', "durations": TIMES[::-1], "events": EVENTS[::-1]},
    {"label": "few", "durations": [1, 2.5], "events": [True, None]},
]
SOUND = {
    "summary": (SummaryRequest, {"values": TIMES, "quantile_method": "linear"}),
    "mann-whitney": (MannWhitneyRequest, {"x": TIMES, "y": TIMES[:50], "method": "asymptotic"}),
    "signed rank": (SignedRankRequest, {"before": TIMES, "after": TIMES[::-1], "zeros": "pratt"}),
    "kaplan-meier": (KaplanMeierRequest, {"durations": TIMES, "events": EVENTS, "confidence": 0.9}),
    "log-rank": (LogRankRequest, {"groups": GROUPS, "weights": "gehan_breslow"}),
    "restricted mean": (RestrictedMeanRequest, {"groups": GROUPS, "horizon": 12}),
}
SUMMARY = TypeAdapter(SummaryRequest)
KAPLAN_MEIER = TypeAdapter(KaplanMeierRequest)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Take lists of some thousand characters for long, and small pieces."""
    monkeypatch.setattr(long_lists, "_LONG", 2_000)
    monkeypatch.setattr(long_lists, "_PIECE", 700)


@pytest.fixture
def whole(monkeypatch):
    """Count the bodies that were read whole after all."""
    seen = []
    monkeypatch.setattr(long_lists, "parse", lambda raw, adapter: seen.append(raw) or parse(raw, adapter))
    return seen


@pytest.mark.parametrize(("model", "body"), SOUND.values(), ids=SOUND)
@pytest.mark.parametrize("indent", [None, 1, 3])
def test_a_sound_body_is_read_in_pieces_to_the_same_model(whole, model, body, indent):
    raw, adapter = json.dumps(body, indent=indent).encode(), TypeAdapter(model)
    found = parse_large(raw, adapter)
    assert whole == []
    assert found == parse(raw, adapter)
    assert type(found) is model
    assert [type(x) for x in _numbers(found)] == [type(x) for x in _numbers(parse(raw, adapter))]


def _numbers(found):
    values = found.model_dump()
    return values.get("values") or values.get("durations") or values.get("x") or []


def broken(change) -> bytes:
    """Change the text of a sound body."""
    return change(json.dumps({"durations": [1.5] * 3_000, "events": [True] * 3_000}).encode())


LIST = json.dumps([1.5] * 3_000).encode()
REFUSED = {
    "a comma at the end": lambda raw: raw.replace(b"1.5]", b"1.5, ]"),
    "two commas": lambda raw: raw.replace(b"1.5, 1.5]", b"1.5,, 1.5]"),
    "a comma at the beginning": lambda raw: raw.replace(b"[1.5", b"[, 1.5"),
    "NaN": lambda raw: raw.replace(b"1.5]", b"NaN]"),
    "Infinity": lambda raw: raw.replace(b"1.5]", b"Infinity]"),
    "a number past all doubles": lambda raw: raw.replace(b"1.5]", b"1e999]"),
    "a whole number past all doubles": lambda raw: raw.replace(b"1.5]", b"9" * 400 + b"]"),
    "a number past the range": lambda raw: raw.replace(b"1.5]", b"2e15]"),
    "a number below the range": lambda raw: raw.replace(b"1.5]", b"-1]"),
    "a truth for a number": lambda raw: raw.replace(b"1.5]", b"true]"),
    "a number for a truth": lambda raw: raw.replace(b"true]", b"1]"),
    "a text for a number": lambda raw: raw.replace(b"1.5]", b'"1.5"]'),
    "a list for a number": lambda raw: raw.replace(b"1.5]", b"[1.5]]"),
    "a leading zero": lambda raw: raw.replace(b"1.5]", b"01.5]"),
    "a plus": lambda raw: raw.replace(b"1.5]", b"+1.5]"),
    "a comment": lambda raw: raw.replace(b"1.5]", b"1.5/*x*/]"),
    "one too few": lambda raw: raw.replace(b", true]", b"]"),
    "a field that there is not": lambda raw: raw.replace(b'"durations"', b'"duration"'),
    "a key twice": lambda raw: raw.replace(b'"events"', b'"durations": ' + LIST + b', "events"'),
    "a long list in the place of a number": lambda raw: raw[:-1] + b', "confidence": ' + LIST + b"}",
    "a long list in a text": lambda raw: raw[:-1] + b', "interval": "' + LIST + b'"}',
    "no end": lambda raw: raw[:-1],
    "no end of a list": lambda raw: raw[:-2] + b"}",
    "something behind": lambda raw: raw + b"]",
    "a long list alone": lambda _: LIST,
    "an object in a list": lambda raw: raw.replace(b"1.5]", b"{}]"),
    "bytes that are not UTF-8": lambda raw: raw.replace(b"1.5]", b"1.5\xff]"),
    "brackets without end": lambda _: b"[" * 50_000,
    "a form feed between": lambda raw: raw.replace(b"1.5]", b"\x0c1.5]"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_is_not_sound_is_refused_as_it_would_be_whole(change):
    raw = broken(change)
    with pytest.raises(ProblemError) as expected:
        parse(raw, KAPLAN_MEIER)
    with pytest.raises(ProblemError) as found:
        parse_large(raw, KAPLAN_MEIER)
    assert (found.value.kind, found.value.detail) == (expected.value.kind, expected.value.detail)
    assert found.value.errors == expected.value.errors


def test_more_values_than_a_list_may_have_are_refused():
    raw = json.dumps({"values": [1] * 1_000_001}).encode()
    with pytest.raises(ProblemError) as caught:
        parse_large(raw, SUMMARY)
    assert caught.value.errors[0].pointer == "/values"


def test_groups_that_hold_too_many_rows_together_are_refused():
    half = {"durations": [1] * 500_001, "events": [True] * 500_001}
    raw = json.dumps({"groups": [{"label": "a"} | half, {"label": "b"} | half]}).encode()
    with pytest.raises(ProblemError) as caught:
        parse_large(raw, TypeAdapter(LogRankRequest))
    assert "1,000,000 rows" in caught.value.errors[0].message


def test_a_model_that_does_not_know_of_pieces_is_read_whole(whole):
    class Other(BaseModel):
        values: list[float]

    raw = json.dumps({"values": [1.5] * 3_000}).encode()
    assert len(parse_large(raw, TypeAdapter(Other)).values) == 3_000
    assert whole == [raw]
