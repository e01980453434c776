"""Strict JSON: each kind of bad body, with its status, its code and the pointer to the culprit; none ends in a 500."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.problems import ProblemError
from app.api.strict_json import check_json, check_json_bulk, explain, provably_unique

PLAIN, BY_FASTAPI, BY_HAND = "/v1/example/plain", "/v1/example/named/x", "/v1/example/streamed"
HEADERS = {"content-type": "application/json"}
DEEP = b"[" * 1_000 + b"]" * 1_000


@pytest.fixture(params=[PLAIN, BY_FASTAPI, BY_HAND])
def path(request):
    """Every way into the house keeps the same rules."""
    return request.param


MALFORMED = {
    "no body": b"",
    "white space": b"  \n",
    "not JSON": b"weight_kg=25",
    "cut off": b'{"weight_kg": 2',
    "trailing comma": b'{"weight_kg": 25,}',
    "two values": b'{"weight_kg": 25} {}',
    "single quotes": b"{'weight_kg': 25}",
    "leading zero": b'{"weight_kg": 025}',
    "control character": b'{"sex": "ma\nle"}',
    "invalid UTF-8": b'{"sex": "\xff"}',
    "surrogate in UTF-8": b'{"sex": "\xed\xa0\x80"}',
    "byte order mark": b'\xef\xbb\xbf{"weight_kg": 25}',
    "UTF-16": '{"weight_kg": 25}'.encode("utf-16"),
    "1,000 deep": DEEP,
    "1,000 deep in a field": b'{"weight_kg": ' + DEEP + b"}",
    "100,000 deep, never closed": b'{"a":' * 100_000,
    "100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "65 deep": b"[" * 65 + b"]" * 65,
    "brackets in strings do not count, those outside do": b'["[[[["' + b",[" * 65 + b"]" * 66,
    "unclosed string of escapes": b'{"a": "' + b'\\"' * 200_000 + b"[" * 100,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_400(example, path, body):
    answer = example.client.post(path, content=body, headers=HEADERS)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/malformed-json"
    assert answer.json()["errors"] == []


FIELDS = {
    "duplicate key": (b'{"weight_kg": 25, "weight_kg": 250}', "/weight_kg", "duplicate_key"),
    "duplicate key, once escaped": (b'{"weight_kg": 25, "weight\\u005fkg": 250}', "/weight_kg", "duplicate_key"),
    "duplicate key, white space before its colon": (b'{"sex":"male","sex" :"male"}', "/sex", "duplicate_key"),
    "duplicate key, hidden by an escaped colon": (b'{"sex":1,"sex":"\\u003a"}', "/sex", "duplicate_key"),
    "duplicate key inside": (b'{"labs": [{"value": 1}, {"value": 1, "value": 2}]}', "/labs/1/value", "duplicate_key"),
    "duplicate key to be escaped": (b'{"a/b~": 1, "a/b~": 1}', "/a~1b~0", "duplicate_key"),
    "NaN": (b'{"weight_kg": NaN}', "/weight_kg", "not_finite"),
    "Infinity": (b'{"weight_kg": Infinity}', "/weight_kg", "not_finite"),
    "-Infinity": (b'{"labs": [{"value": -Infinity}]}', "/labs/0/value", "not_finite"),
    "10^400": (b'{"weight_kg": 1e400}', "/weight_kg", "number_too_large"),
    "-10^400": (b'{"weight_kg": -1E+400}', "/weight_kg", "number_too_large"),
    "10,000 digits": (b'{"weight_kg": ' + b"9" * 10_000 + b"}", "/weight_kg", "number_too_large"),
    "10,000 digits and a fraction": (b'{"weight_kg": ' + b"9" * 10_000 + b".5}", "/weight_kg", "number_too_large"),
    "309 digits": (b'{"weight_kg": ' + b"9" * 309 + b"}", "/weight_kg", "number_too_large"),
    "309 digits in a whole number": (b'{"doses": -' + b"9" * 309 + b"}", "/doses", "number_too_large"),
    "lone high surrogate": (b'{"sex": "\\ud800"}', "/sex", "lone_surrogate"),
    "lone low surrogate": (b'{"labs": [{"analyte": "a\\uDC00b"}]}', "/labs/0/analyte", "lone_surrogate"),
    "surrogates the wrong way round": (b'{"sex": "\\udc00\\ud800"}', "/sex", "lone_surrogate"),
    "lone surrogate in a key": (b'{"a\\ud800": 1}', "", "lone_surrogate"),
}


@pytest.mark.parametrize(("body", "pointer", "code"), FIELDS.values(), ids=FIELDS)
def test_what_json_leaves_to_chance_is_422_with_a_pointer(example, path, body, pointer, code):
    answer = example.client.post(path, content=body, headers=HEADERS)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [(e["pointer"], e["code"]) for e in errors] == [(pointer, code)]


def test_every_culprit_is_named(example):
    body = b'{"a": NaN, "b": [1e999, {"c": 1, "c": 2}], "d": "\\ud800"}'
    errors = example.client.post(PLAIN, content=body, headers=HEADERS).json()["errors"]
    assert [e["pointer"] for e in errors] == ["/a", "/b/0", "/b/1/c", "/d"]


def test_no_more_than_fifty_are_listed_and_the_rest_is_told(example):
    body = b"[" + b",".join([b"NaN"] * 1_000) + b"]"
    answer = example.client.post(PLAIN, content=body, headers=HEADERS).json()
    assert len(answer["errors"]) == 50
    assert "first 50" in answer["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"weight_kg": 25}',
        b'  {"weight_kg"\n:\t25.0 ,"sex" : "male" }\r\n',
        b'{"weight_kg": 2.5e1, "labs": [{"analyte": "loinc:1988-5", "value": 1e-400}]}',
        b'{"weight_kg": 25, "at": "2020-06-01T08:00:00-04:00"}',
        b'{"weight_kg": 25, "labs": [{"analyte": "\\"a\\" : b", "value": 1}]}',
        '{"weight_kg": 25, "labs": [{"analyte": "\\ud83d\\ude00é", "value": 1}]}'.encode(),
    ],
)
def test_sound_bodies_pass_whatever_their_spacing_and_colons(example, path, body):
    assert example.client.post(path, content=body, headers=HEADERS).status_code == 200


def test_sixty_four_levels_are_read():
    check_json(b"[" * 64 + b"]" * 64)


def test_a_deep_body_costs_little():
    body = b'{"a":' * 200_000
    started = time.process_time()
    with pytest.raises(ProblemError):
        check_json(body)
    assert time.process_time() - started < 5, "linear: some milliseconds; this bound only tells it from quadratic"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, (", ", " : "), (",", ":"), (",\n", "\t:")]), st.booleans())
def test_every_value_that_json_can_write_passes(value, separators, ascii_only):
    check_json(json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode())


@given(st.dictionaries(st.sampled_from([":", 'a":', "b", "c : d"]), st.text(':" \\a'), min_size=1), st.data())
def test_a_repeated_key_is_found_however_the_colons_lie(members, data):
    separator = data.draw(st.sampled_from([":", ": ", " :", "\t:\n"]))
    pairs = [f"{json.dumps(k)}{separator}{json.dumps(v)}" for k, v in members.items()]
    repeated = data.draw(st.sampled_from(sorted(members)))
    pairs.insert(data.draw(st.integers(0, len(pairs))), f"{json.dumps(repeated)}{separator}1")
    with pytest.raises(ProblemError) as caught:
        check_json(("{" + ",".join(pairs) + "}").encode())
    assert [e.code for e in caught.value.errors] == ["duplicate_key"]


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ 0eE+-.ntf', max_size=40).map(str.encode))
def test_any_bytes_pass_or_are_refused_as_a_problem(raw):
    try:
        check_json(raw)
    except ProblemError as problem:
        status = problem.kind.status
    else:
        json.loads(raw)
        status = 200
    assert status in {200, 400, 422}


def test_the_bulk_check_counts_and_looks_closely_only_when_it_must():
    records = b'{"records":[{"term":"a","value":1},{"term":"b","value":2}]}'
    check_json_bulk(records, members=5)
    assert provably_unique(records, 5)
    coded = records.replace(b'"a"', b'"loinc:1988-5"')
    assert provably_unique(coded, 5)
    spaced = records.replace(b'":', b'" :')
    assert provably_unique(spaced, 5)
    assert not provably_unique(spaced.replace(b'"a"', b'"a:b"'), 5), "not proved; the slow way then finds nothing"
    check_json_bulk(spaced.replace(b'"a"', b'"a:b"'), members=5)
    with pytest.raises(ProblemError) as caught:
        check_json_bulk(records.replace(b'"b"', b'"b","term":"c"'), members=5)
    assert [e.pointer for e in caught.value.errors] == ["/records/1/term"]


def test_explain_returns_when_there_is_nothing_to_explain():
    assert explain(b'{"a": 1}') is None
    assert explain(b'"\\ud83d\\ude00"') is None
