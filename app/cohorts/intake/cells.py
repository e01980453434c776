"""A cell of a CSV as JSON text, and back.

An empty cell is an absent field and `null` is null; in the columns of a treatment an empty cell is null, too, and
`not_listed` leaves the treatment out (`csv_rows` reads both). Numbers, true and false stand as in JSON, text as it is;
text that would be read as something else, or that a spreadsheet program would run as a formula, is written as a JSON
string in quotes. Lists and objects are JSON. What is written is always read back as the same value.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.intake.columns import Column, treatment_of

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+\Z", re.ASCII)
# How a formula starts, and what would break a line: in quotes neither does.
_FORMULA: Final = ("=", "+", "-", "@", "\t", " ", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMERIC: Final = frozenset({"number", "integer"})
_NESTED: Final = frozenset({"array", "object"})
_TRUTH: Final = {"true": "true", "false": "false", "TRUE": "true", "FALSE": "false", "True": "true", "False": "false"}
_NULL: Final = "null"
NOT_LISTED: Final = "not_listed"
"""In a column of a treatment: the record does not list it, which means that it was not given."""
_encode = msgspec.json.Encoder().encode
_json = msgspec.json.Decoder(msgspec.Raw).decode


def read_cell(text: str, column: Column) -> str:
    """Return a cell that is not empty as JSON text, or raise RefusedInputError for the column's pointer."""
    kinds = column.kinds
    if text == _NULL:
        return _NULL
    if text.startswith('"') and "string" in kinds:
        return _checked(text, column)
    if kinds & _NUMERIC and _NUMBER.match(text):
        return text
    if "boolean" in kinds and text in _TRUTH:
        return _TRUTH[text]
    if kinds & _NESTED and text.startswith(("[", "{")):
        return _checked(text, column)
    if "string" in kinds:
        return json.dumps(text)
    raise _refused(text, column)


def write_cell(value: Any, column: Column) -> str:  # noqa: ANN401  # any JSON value
    """Return a JSON value as a cell that `read_cell` reads as the same value."""
    if not isinstance(value, str):
        return _encode(value).decode()
    is_harmless = value and not value.startswith(_FORMULA) and not _CONTROL.search(value)
    return value if is_harmless and _reads_as_itself(value, column) else json.dumps(value)


def _reads_as_itself(text: str, column: Column) -> bool:
    try:
        return read_cell(text, column) == json.dumps(text)
    except RefusedInputError:
        return False


def _checked(text: str, column: Column) -> str:
    """Return JSON text that is one whole value: half of one would change what stands beside it."""
    try:
        _json(text.encode())
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        message = f"Column {column.name}: this cell starts like JSON, and is not well-formed JSON."
        raise RefusedInputError(InputError(pointer_of(column), "cell_not_json", message)) from None
    return text


def _refused(text: str, column: Column) -> RefusedInputError:
    if column.kinds & _NUMERIC:
        code, words = "not_a_number", "must be a number such as 39.4"
        if _DECIMAL_COMMA.match(text):
            code, words = "decimal_comma", "has a decimal comma; write numbers with a decimal point, such as 39.4"
    elif "boolean" in column.kinds:
        code, words = "not_a_boolean", _truth_words(column)
    else:
        code, words = "cell_not_json", "must be JSON: a list in [ ] or an object in { }"
    return RefusedInputError(InputError(pointer_of(column), code, f"Column {column.name} {words}."))


def _truth_words(column: Column) -> str:
    """Say what a column of truth takes, and what an empty cell means there."""
    words = "must be false" if column.has_no_true else "must be true or false"
    if column.kinds & _NESTED:
        words += ", an object in { }"
    words += ", or empty for unknown"
    return words if treatment_of(column) is None else f"{words} ({NOT_LISTED}: left out, and so taken as not given)"


def pointer_of(column: Column) -> str:
    """Return the JSON pointer of a column."""
    return "".join(f"/{step}" for step in column.steps)
