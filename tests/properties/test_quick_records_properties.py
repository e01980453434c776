"""Structs that stand in for patient records read what the models read, to the letter, and never more than they."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from msgspec import UNSET, Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.api.cohort_service import read_record
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import Deriver
from app.cohorts.intake import quick
from app.cohorts.intake.canonical import canonical
from app.cohorts.intake.quick import read_quickly
from app.cohorts.records import PatientRecord
from tests.properties.test_derivation_properties import RECORD
from tests.properties.test_export_properties import records

DERIVER = Deriver(load_rulebook())
SOUND = {"patient_id": "P01"}
# Numbers as text: what is between a whole one and a broken one, signs and sizes at the edges of a double.
NUMBERS = (
    "0", "-0", "0.0", "-0.0", "1", "1.0", "1e2", "1E2", "1e-7", "0.1", "12.30", "9007199254740993", "1e22", "1e23",
    "123456789012345678901234567890", "1.7976931348623157e308", "5e-324", "4.35", "2.5e-5", "1e16", "0.00001",
    "1e400", "-1e400", "NaN", "Infinity", "01", "1.", ".5", "+1", "true", "null", '"1"', "[]", "{}",
)  # fmt: skip


# Numbers of sixteen digits and more are left to the model.
HUGE = re.compile(rb"[0-9]{16}|[eE][0-9]{2}")


def model_of(raw):
    try:
        return PatientRecord.model_validate_json(raw, strict=True)
    except ValidationError:
        return None


def same(struct, model):
    """Say whether a struct has what a model has, part by part and to the type."""
    if isinstance(model, BaseModel):
        names = type(model).model_fields
        sent = [name for name in names if getattr(struct, name) is not UNSET]
        return struct.__struct_fields__ == tuple(names) and all(
            same(getattr(struct, name), getattr(model, name)) for name in sent
        )
    if isinstance(model, tuple):
        return len(struct) == len(model) and all(map(same, struct, model))
    return type(struct) is type(model) and repr(struct) == repr(model)


def check(raw):
    read, model = read_quickly(raw), model_of(raw)
    if read is None:
        return model is None or HUGE.search(raw) is not None
    assert model is not None
    assert read.text == canonical(model)
    assert same(read.record, model)
    treatment = read.record.treatment
    assert treatment is None or treatment.model_fields_set == model.treatment.model_fields_set
    return True


@given(records)
def test_any_record_of_the_schema_is_read_as_the_model_reads_it(sent):
    assert check(json.dumps(sent, ensure_ascii=False).encode())


@given(records)
def test_a_record_with_escapes_is_read_alike_too(sent):
    check(json.dumps(sent).encode())


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "place",
    [
        '"age_years":{}',
        '"labs":[{{"analyte":"crp","unit":"mg/L","value":{}}}]',
        '"cytokines":{{"il_6":{{"fold":{}}}}}',
        '"treatment":{{"anakinra":{{"initiation_hospital_day":{}}}}}',
        '"treatment":{{"anakinra":{}}}',
        '"treatment":{{"ivig":{}}}',
        '"adverse_events":[{{"term":"rash","grade":{}}}]',
        '"adverse_events":[{{"term":"rash","facts":{{"x":{}}}}}]',
        '"icu_level_of_care":{}',
        '"outcome":{}',
        '"temperatures":[{{"hour":{},"celsius":38}}]',
        '"race_ethnicity":{}',
        '"sex":{}',
    ],
)
def test_values_of_every_kind_at_the_edges(place, number):
    assert check(('{"patient_id":"P01",' + place.format(number) + "}").encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b'{"patient_id":1}',
        b'{"patient_id":""}',
        b'\xef\xbb\xbf{"patient_id":"P01"}',
        b'{"patient_id":"P01"} x',
        b'{"patient_id":"P\xff1"}',
        b'{"patient_id":"P\xed\xa0\x801"}',
        b'{"patient_id":"P\x001"}',
        b'{"patient_id":"P01","unknown":1}',
        b'{"patient_id":"P01","labs":{}}',
        b'{"patient_id":"P01",}',
        b'{"patient_id":"' + b"x" * 65 + b'"}',
        b'{"patient_id":"P01","presentation":{"labs":' + b"[" * 5000,
        b'{"patient_id":"P01","adverse_events":[{"term":"rash","grade":6}]}',
        b'{"patient_id":"P01","adverse_events":[{"term":"rash","grade":-1}]}',
        b'{"patient_id":"P01","treatment":{"corticosteroids":[{"agent":"Jane Doe"}]}}',
        b'{"patient_id":"P01","treatment":{"corticosteroids":' + json.dumps([{}] * 21).encode() + b"}}",
        b'{"patient_id":"P01","race_ethnicity":[]}',
        b'{"patient_id":"P01","treatment":{"anakinra":true}}',
        b'{"patient_id":"P01","labs":[{"analyte":"crp"}]}',
        b'{"patient_id":"P01","cytokines":{"il_6":{"unit":""}}}',
    ],
)
def test_what_is_no_record_is_left_to_the_model(raw):
    assert read_quickly(raw) is None
    with pytest.raises(RefusedInputError):
        read_record(raw)


@pytest.mark.parametrize(
    "twice",
    [
        '"age_years":8,"age_years":9',
        '"outcome":{"died":false,"died":true}',
        '"labs":[],"labs":[]',
        '"sex":null,"sex":null',
        '"adverse_events":[{"term":"a:b","facts":{"a:b":1,"a:b":2}}]',
        '"labs":[{"analyte":"loinc:1988-5","unit":"mg/L","analyte":"loinc:1988-5"}]',
    ],
)
def test_a_key_that_came_twice_is_found(twice):
    with pytest.raises(RefusedInputError) as refused:
        read_record(('{"patient_id" : "P:01", ' + twice + "}").encode())
    assert {error.code for error in refused.value.errors} == {"duplicate_key"}


def test_colons_in_values_do_not_stand_for_keys():
    raw = b'{ "patient_id": "P01", "labs": [{"analyte": "loinc:1988-5", "unit": "mg/L", "value": 4}]}'
    read = read_record(raw)
    assert isinstance(read.record, Struct)
    assert read.whole() == model_of(raw)


@given(RECORD)
def test_a_struct_is_derived_as_the_model_is(fields):
    raw = json.dumps(SOUND | fields).encode()
    read, model = read_quickly(raw), model_of(raw)
    assert read is not None
    one, other = DERIVER.accept(*read), DERIVER.accept(model)
    assert one.derived == other.derived
    kept = read.text if one.record is read.record else canonical(one.record)
    assert kept == canonical(other.record)


def test_null_and_absent_are_kept_apart():
    read = read_quickly(b'{"patient_id":"P01","sex":null,"treatment":{"ivig":null},"outcome":{"died":null}}')
    assert read is not None
    assert read.text == '{"patient_id":"P01","sex":null,"treatment":{"ivig":null},"outcome":{"died":null}}'
    assert read.record.treatment.model_fields_set == {"ivig"}
    assert read.record.outcome.thrombosis is None


class Lax(BaseModel):
    value: int = 0


class Defaulting(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    value: int | None = 3


class Stepped(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    value: int | None = Field(default=None, multiple_of=2)


class Foreign(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    value: complex | None = None


@pytest.mark.parametrize("model", [Lax, Defaulting, Stepped, Foreign])
def test_a_model_that_no_struct_can_stand_in_for_is_refused(model):
    with pytest.raises(TypeError):
        quick._struct(model, keeps_null=False)
