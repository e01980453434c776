"""Structs are to pydantic what the dataclasses they look like would be."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api.fast_json import encode
from app.clinical.case_definitions import CaseDefinitionsResult
from app.clinical.evidence import Finding
from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.rulebook import load_rulebook
from app.clinical.warning import Caution

CHILD = {"age_years": 8, "hospitalized": True, "fever": {"maximum_celsius": 39.4, "duration_hours": 120}}


def test_an_answer_that_was_written_is_read_again():
    answer = PhenotypeClassifier(load_rulebook()).classify(Presentation.model_validate_json(json.dumps(CHILD)))
    written = encode(answer.case_definitions)
    again = TypeAdapter(CaseDefinitionsResult).validate_json(written)
    assert again == answer.case_definitions
    assert again.cste_2023.possible_case_classes == answer.case_definitions.cste_2023.possible_case_classes
    assert encode(again) == written


def test_what_is_wrong_is_told_by_its_place():
    class Told(BaseModel):
        warnings: tuple[Caution, ...]

    with pytest.raises(ValidationError) as caught:
        Told.model_validate({"warnings": [{"code": 5}]})
    assert {error["loc"][-1] for error in caught.value.errors()} == {"code", "message"}


def test_a_struct_is_taken_as_it_is():
    finding = Finding("a", "A", "met", {"x": 1.0})
    assert TypeAdapter(Finding).validate_python(finding) is finding
    assert TypeAdapter(Finding).dump_python(finding)["used"] == {"x": 1.0}
