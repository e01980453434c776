"""Every key of a rule file is described, and a model's own words are left alone."""

from app.clinical.rulebook.words import WORDS, describe


def test_keys_are_described_unless_the_model_says_itself_what_they_are():
    schema = {"properties": {"value": {"type": "number"}, "unit": {"description": "own words"}, "other": {}}}
    describe(schema)
    assert schema["properties"] == {
        "value": {"type": "number", "description": WORDS["value"]},
        "unit": {"description": "own words"},
        "other": {},
    }


def test_a_model_without_fields_is_left_alone():
    schema = {"type": "object"}
    describe(schema)
    assert schema == {"type": "object"}
