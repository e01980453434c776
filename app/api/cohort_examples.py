"""Examples of the cohort operations, and how their bodies are described."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from app.api.media import JSON_TYPE, NDJSON_TYPES
from app.cohorts.builtin import example_records

CSV_TYPE: Final = "text/csv"
ROWS_TYPES: Final = (JSON_TYPE, *NDJSON_TYPES, CSV_TYPE)
RECORD, SECOND_RECORD = example_records()
_CSV: Final = (
    "patient_id,age_years,sex,phenotype.kd_like,phenotype.cv_shock,treatment.ivig.dose_g_kg,treatment.anakinra,"
    "labs.0.analyte,labs.0.value,labs.0.unit,temperatures\r\n"
    'P03,6,male,true,false,2,false,crp,154,mg/L,"[{""hour"":0,""celsius"":39.4,""site"":""oral""}]"\r\n'
    "P04,9.5,female,false,,2,,,,,\r\n"
)
_REF: Final = {"$ref": "#/components/schemas/PatientRecord"}
_PATIENTS: Final = {"type": "array", "items": _REF, "description": "The patients, each under its own pseudonym"}


def create_body(longest_name: int, longest_description: int) -> dict[str, Any]:
    """Describe the body that creates a cohort."""
    properties = {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": longest_name,
            "description": "A name for the cohort; it must not hold anything about a person",
        },
        "description": {
            "type": ["string", "null"],
            "maxLength": longest_description,
            "description": "What it is; it must not hold anything about a person",
        },
        "patients": _PATIENTS | {"type": ["array", "null"]},
    }
    schema = {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}
    example = {"name": "First look", "description": "Two invented patients", "patients": [RECORD, SECOND_RECORD]}
    return {"requestBody": {"required": True, "content": {JSON_TYPE: {"schema": schema, "example": example}}}}


def rows_body() -> dict[str, Any]:
    """Describe the bodies that add patients: JSON, NDJSON, CSV."""
    envelope = {
        "type": "object",
        "properties": {"patients": _PATIENTS},
        "required": ["patients"],
        "additionalProperties": False,
    }
    lines = "".join(
        msgspec.json.encode(SECOND_RECORD | {"patient_id": name}).decode() + "\n" for name in ("P05", "P06")
    )
    content = {
        JSON_TYPE: {
            "schema": {"anyOf": [envelope, _PATIENTS]},
            "example": {"patients": [SECOND_RECORD | {"patient_id": "P07"}]},
        },
        NDJSON_TYPES[0]: {"schema": {"type": "string", "description": "One record on each line"}, "example": lines},
        CSV_TYPE: {
            "schema": {
                "type": "string",
                "description": "One record in each row; the first line names the columns by the record's fields, "
                "joined by dots. An empty cell is absent, null is null; lists are JSON in a cell, or columns numbered "
                "from 0. Where the header names columns of a treatment (treatment.anakinra, treatment.ivig.dose_g_kg) "
                "and a row leaves all of them empty, that treatment is null, unknown; false says that it was not "
                "given, not_listed that the record does not list it, which is taken as not given with a warning. A row "
                "without any treatment's cell has no treatment: everything unknown",
            },
            "example": _CSV,
        },
    }
    return {"requestBody": {"required": True, "content": content}}
