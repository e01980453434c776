"""What the OpenAPI document says of CTCAE bodies: examples that run, and the schema of a batch."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.ctcae.models import AnalyteAnswer, GradeAnswer
from app.clinical.rulebook import Provenance

RECORD: Final[dict[str, Any]] = {
    "term": "neutrophil_count_decreased",
    "value": 0.8,
    "unit": "10*3/uL",
    "lower_limit": 1.5,
    "upper_limit": None,
    "baseline": None,
    "baseline_abnormal": None,
    "version": "5.0",
}
_RASH: Final = {"term": "rash_maculo_papular", "body_surface_percent": 20, "symptoms": "moderate"}
_POTASSIUM: Final = {"analyte": "potassium", "value": 3.2, "unit": "mmol/L", "lower_limit": 3.5, "upper_limit": 5.0}
RECORD_EXAMPLES: Final = (RECORD, _RASH, _POTASSIUM)
COLUMNS: Final[dict[str, Any]] = {
    "version": "5.0",
    "columns": {
        "term": ["alanine_aminotransferase_increased", "platelet_count_decreased", "hyponatremia"],
        "value": [130, 48, 127],
        "unit": ["U/L", "10*3/uL", "mmol/L"],
        "lower_limit": [None, 150, 135],
        "upper_limit": [40, None, 145],
        "baseline": [100, None, None],
        "symptomatic": [None, None, False],
    },
}
RECORDS: Final[dict[str, Any]] = {"version": "5.0", "records": [{k: v for k, v in RECORD.items() if v}, _RASH]}
NDJSON: Final = """{"term": "neutrophil_count_decreased", "value": 0.8, "unit": "10*3/uL"}
{"term": "fever", "temperature_celsius": 39.4}
"""
_LIST: Final = {"type": "array", "minItems": 1}
_SHARED: Final[dict[str, Any]] = {
    "version": {"type": ["string", "null"], "description": "CTCAE version of every item: 4.03, 5.0 (default) or 6.0"},
    "override_plausibility": {
        "type": "boolean",
        "default": False,
        "description": "Accept implausible (not impossible) values in every item",
    },
}
_OF_RECORDS: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Records",
    "required": ["records"],
    "additionalProperties": False,
    "properties": {
        **_SHARED,
        "records": {**_LIST, "items": {"type": "object"}, "description": "Items as for /v1/ctcae/grade"},
    },
}
_OF_COLUMNS: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Columns",
    "required": ["columns"],
    "additionalProperties": False,
    "properties": {
        **_SHARED,
        "columns": {
            "type": "object",
            "required": ["term", "value"],
            "description": "Columns of equal length, as the fields of /v1/ctcae/grade: term, value, unit, lower_limit, "
            "upper_limit, baseline, mi_cutoff, and the facts of laboratory terms; null is unknown",
            "properties": {
                "term": {**_LIST, "items": {"type": ["string", "null"]}},
                "value": {**_LIST, "items": {"type": ["number", "null"]}},
            },
            "additionalProperties": {"type": ["array", "null"]},
        },
    },
}
BATCH_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [_OF_RECORDS, _OF_COLUMNS]},
            "examples": {"columns": {"value": COLUMNS}, "records": {"value": RECORDS}},
        },
        "application/x-ndjson": {"schema": {"type": "string"}, "example": NDJSON},
    },
}


class Item(BaseModel):
    """One item of a batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(description="Position in the batch, from 0")
    status: Literal[200, 422] = Field(description="200: `result`; 422: `problem`")
    result: GradeAnswer | AnalyteAnswer | None = Field(default=None, description="As /v1/ctcae/grade answers")
    problem: dict[str, Any] | None = Field(default=None, description="A problem document")


class RecordsAnswer(BaseModel):
    """The answer to records, in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(description="CTCAE version")
    results: tuple[Item, ...] = Field(description="One for each record")
    rules: Provenance = Field(description="The rule set and its sources")


class ColumnsAnswer(BaseModel):
    """The answer to columns, in the order of their rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(description="CTCAE version")
    grade: tuple[int | None, ...] = Field(description="0 to 5; null: cannot be graded with what was sent")
    possible_grades: tuple[tuple[int, ...], ...] = Field(description="What remains possible in each row")
    problems: dict[str, str] = Field(description="By row: why it was refused")
    warnings: dict[str, tuple[int, ...]] = Field(description="By code: the rows that carry the warning")
    rules: Provenance = Field(description="The rule set and its sources")
