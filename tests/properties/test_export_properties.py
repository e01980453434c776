"""What goes out as CSV comes back in as the same records, null and absent kept apart; so does what is kept itself."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from app.api.cohort_service import read_record
from app.clinical.refusal import RefusedInputError
from app.cohorts.intake.cells import read_cell, write_cell
from app.cohorts.intake.columns import Column, Layout
from app.cohorts.intake.csv_rows import csv_rows
from app.cohorts.intake.csv_write import CsvWriter, columns_in_use, in_order
from app.cohorts.records import PatientRecord

SCHEMA = PatientRecord.model_json_schema()
LAYOUT = Layout(SCHEMA)
# How a cell must never start, lest a spreadsheet program runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    st.sampled_from(
        ["null", "true", "8", "=1+1", "@x", "-3", '"a"', "[", "{}", " ", "a\r\nb", "a,b", "\ufeff", "\x00"]
    ),
)
# Few digits, so that what is compared is the text and not how a float is written.
numbers = st.integers(-10_000, 10_000).map(lambda n: n / 100)


def values(node):  # noqa: PLR0911  # one way out for each kind of schema
    """Return a strategy of what a schema describes, as a JSON value."""
    if "$ref" in node:
        return values(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for name in ("anyOf", "oneOf"):
        if name in node:
            return st.one_of([values(inner) for inner in node[name]])
    if "enum" in node or "const" in node:
        return st.sampled_from(node.get("enum", [node.get("const")]))
    kind = node.get("type")
    if kind == "object" and "properties" in node:
        required = {name: values(node["properties"][name]) for name in node.get("required", ())}
        others = {name: values(inner) for name, inner in node["properties"].items() if name not in required}
        return st.fixed_dictionaries(required, optional=others)
    if kind == "object":
        return st.dictionaries(texts, values(node["additionalProperties"]), max_size=2)
    if kind == "array":
        return st.lists(values(node["items"]), max_size=2)
    return {"string": texts, "number": numbers, "integer": st.integers(-99, 99), "boolean": st.booleans()}.get(
        kind, st.none()
    )


# Any subset of the members, so that examples stay small.
member = st.sampled_from(sorted(SCHEMA["properties"])).flatmap(
    lambda name: st.tuples(st.just(name), values(SCHEMA["properties"][name]))
)
records = st.builds(
    lambda members, number: {"patient_id": f"P{number}"} | dict(members),
    st.lists(member, max_size=4),
    st.integers(1, 99),
)


def there_and_back(sent):
    writer = CsvWriter(LAYOUT, in_order(columns_in_use(sent, LAYOUT), LAYOUT))
    text = writer.header() + writer.rows(sent)
    return text, [json.loads(row.raw) for row in csv_rows([text], LAYOUT)]


@given(st.lists(records, max_size=4))
def test_csv_comes_back_as_it_was(sent):
    sent = [one for one in sent if isinstance(one["patient_id"], str)]
    _, back = there_and_back(sent)
    assert back == sent


treated = st.builds(
    lambda treatment, number: {"patient_id": f"P{number}"} | treatment,
    st.one_of(st.just({}), st.fixed_dictionaries({"treatment": values(SCHEMA["properties"]["treatment"])})),
    st.integers(1, 99),
)


@given(st.lists(treated, min_size=2, max_size=5))
def test_treatments_that_some_list_and_others_leave_out_come_back_as_they_were(sent):
    _, back = there_and_back(sent)
    assert back == sent


@given(texts)
def test_no_text_is_written_as_a_formula(text):
    column = Column("x", ("x",), frozenset({"string", "null"}))
    cell = write_cell(text, column)
    assert json.loads(read_cell(cell, column)) == text
    assert not cell.startswith(FORMULA)
    assert not {"\n", "\r"} & set(cell)


@given(records)
def test_what_is_kept_is_read_as_itself(sent):
    try:
        kept = read_record(json.dumps(sent).encode())
    except RefusedInputError:  # a text that the model refuses says nothing here
        return
    assert read_record(kept.text.encode()).text == kept.text
    assert json.loads(kept.text) == sent
    _, (back,) = there_and_back([json.loads(kept.text)])
    assert read_record(json.dumps(back).encode()).text == kept.text
