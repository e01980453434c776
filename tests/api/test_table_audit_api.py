"""`/v1/statistics/table-audit` through HTTP."""

from __future__ import annotations

import pytest

from app.statistics.table_audit_models import TableAuditRequest

TABLE_3, TABLE_1 = TableAuditRequest.model_config["json_schema_extra"]["examples"]
PATH = "/v1/statistics/table-audit"


def row(**changes):
    return {**TABLE_1, "rows": [{**TABLE_1["rows"][0], **changes}]}


def test_a_table_that_follows_from_its_counts(client):
    answer = client.post(PATH, json=TABLE_1).json()
    assert answer["agrees"] is True
    (found,) = answer["rows"]
    assert found["p_value"] == pytest.approx(0.0230428954195)
    assert found["method"] == "Fisher's exact test"
    assert found["exact"] is True
    assert found["percents"] == [pytest.approx(300 / 14), 62.5]
    assert (found["agrees"], found["reasons"], found["explained_by"]) == (True, [], [])


def test_the_studys_table_3(client):
    answer = client.post(PATH, json=TABLE_3).json()
    assert answer["agrees"] is False
    assert [finding["code"] for finding in answer["findings"]] == [
        "columns_sum_differs",
        "no_n_fits_percents",
        "p_values_differ",
        "denominators_explain",
    ]
    last = answer["findings"][-1]
    assert (last["denominators"], last["only_one"]) == ([12, 25, 9], True)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (row(counts=[3]), "/rows/0/counts", "unequal_lengths"),
        (row(percents=[3]), "/rows/0/percents", "unequal_lengths"),
        (row(counts=[3, -1]), "/rows/0/counts/1", "out_of_range"),
        (row(counts=[3, 2.5]), "/rows/0/counts/1", "not_an_integer"),
        (row(p_value="0,02"), "/rows/0/p_value", "text_pattern"),
        (row(p_value=0.02), "/rows/0/p_value", "not_a_string"),
        (row(mean=3), "/rows/0/mean", "unknown_field"),
        ({**TABLE_1, "columns": []}, "/columns", "list_length"),
        ({**TABLE_1, "rows": []}, "/rows", "list_length"),
        ({**TABLE_1, "columns": [{"label": "a", "n": 0}, {"label": "b", "n": 3}]}, "/columns/0/n", "out_of_range"),
        ({**TABLE_1, "window": 11}, "/window", "out_of_range"),
        ({**TABLE_1, "total_n": 0}, "/total_n", "out_of_range"),
        (row(percents=[21, 150]), "/rows/0/percents/1", "out_of_range"),
        (row(percents=[21, "many"]), "/rows/0/percents/1", "text_pattern"),
    ],
)
def test_what_is_refused(client, body, pointer, code):
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


def test_whole_numbers_may_be_written_with_a_point(client):
    columns = [column | {"n": float(column["n"])} for column in TABLE_1["columns"]]
    pointed = row(counts=[3.0, 20.0]) | {"columns": columns, "window": 2.0}
    assert client.post(PATH, json=pointed).json() == client.post(PATH, json=row(counts=[3, 20])).json()


@pytest.mark.parametrize("percent", [101, -1, "many", True])
def test_what_is_no_percent_is_refused(client, percent):
    answer = client.post(PATH, json=row(percents=[21, percent]))
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/rows/0/percents/1"}
