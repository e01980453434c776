"""What is asked and answered about a published table of counts. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.statistics.models import Whole
from app.statistics.table_audit_printed import P_PATTERN, PERCENT_PATTERN

LARGEST_COUNT: Final = 10_000_000
MOST_COLUMNS: Final = 12
MOST_ROWS: Final = 500
WIDEST_WINDOW: Final = 10

Kind = Literal["test", "denominators", "counts"]
TestName = Literal["fisher_exact", "fisher_doubled", "pearson_chi_square", "pearson_chi_square_yates"]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT), Whole]
Percent = (
    Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    | Annotated[str, Field(max_length=20, pattern=PERCENT_PATTERN)]
)

_TABLE_3: Final[JsonDict] = {
    "columns": [
        {"label": "IVIG", "n": 14},
        {"label": "IVIG + anakinra without corticosteroids", "n": 25},
        {"label": "IVIG + anakinra with corticosteroids", "n": 9},
    ],
    "rows": [
        {"label": "elevated LFTs", "counts": [2, 6, 7], "percents": [14, 24, 67], "p_value": "0.008"},
        {"label": "neutropenia", "counts": [1, 5, 3], "percents": [7, 20, 33], "p_value": "0.36"},
        {"label": "hemolytic anemia", "counts": [1, 1, 1], "percents": [7, 4, 11], "p_value": "0.73"},
        {"label": "rash", "counts": [0, 2, 0], "percents": [0, 8, 0], "p_value": "0.42"},
    ],
    "total_n": 46,
}
_TABLE_1: Final[JsonDict] = {
    "columns": [{"label": "IVIG", "n": 14}, {"label": "IVIG + anakinra", "n": 32}],
    "rows": [{"label": "CV shock", "counts": [3, 20], "percents": [21, 63], "p_value": "0.02"}],
}


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AuditColumn(_Asked):
    """One group of the table. Groups must not overlap: leave a column of all patients out, send total_n instead."""

    label: Label = Field(description="Head of the column")
    n: Annotated[int, Field(ge=1, le=LARGEST_COUNT), Whole] = Field(
        description="Patients in the group, as printed: 1 to 10,000,000"
    )


class AuditRow(_Asked):
    """One printed row: how many of each group."""

    label: Label = Field(description="What was counted")
    counts: list[Count | None] = Field(
        min_length=1, max_length=MOST_COLUMNS, description="Patients of each column; null where nothing is printed"
    )
    percents: list[Percent | None] | None = Field(
        default=None,
        max_length=MOST_COLUMNS,
        description='Percents as printed, one per column: numbers (63, 62.5), or text where a trailing zero counts ("'
        '63.0") or a sign is printed ("<1")',
    )
    p_value: str | None = Field(
        default=None,
        max_length=20,
        pattern=P_PATTERN,
        description='The p-value as printed, as text: "0.02", ">0.99", "<0.001", "NS" (not significant at 0.05); '
        "null or a dash when none is printed",
    )
    total: Count | None = Field(default=None, description="The count of all groups together, if the table prints one")


class TableAuditRequest(_Asked):
    """A printed table: groups, counts, percents, p-values."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TABLE_3, _TABLE_1]})

    columns: list[AuditColumn] = Field(min_length=1, max_length=MOST_COLUMNS, description="The groups: 1 to 12")
    rows: list[AuditRow] = Field(min_length=1, max_length=MOST_ROWS, description="The rows: 1 to 500")
    total_n: Annotated[int, Field(ge=1, le=LARGEST_COUNT * MOST_COLUMNS), Whole] | None = Field(
        default=None, description="Patients in all, as the publication states"
    )
    window: Annotated[int, Field(ge=0, le=WIDEST_WINDOW), Whole] = Field(
        default=2,
        description="How far from each printed n other denominators are searched: 0 (not at all) to 10",
    )


class AuditReason(_Answered):
    """One way in which a row differs from its counts."""

    code: str = Field(description="Stable snake_case name")
    message: str = Field(description="What is printed and what follows from the counts")


class Explanation(_Answered):
    """Something that would give the printed p. Evidence, not proof: the more is searched, the more fits by chance."""

    kind: Kind = Field(
        description="test: another test of the printed counts; denominators: other group sizes near the printed ones; "
        "counts: the counts that the printed percents stand for"
    )
    test: TestName = Field(description="The test that gives the printed p")
    p_value: float = Field(description="What it gives, two-sided")
    denominators: list[int] = Field(description="The group sizes that it takes")
    counts: list[int] = Field(description="The counts that it takes")
    message: str = Field(description="The same in a sentence")


class AuditedRow(_Answered):
    """One row, recomputed from its counts."""

    label: str = Field(description="What was counted")
    counts: list[int | None] = Field(description="As sent")
    percents: list[float | None] = Field(description="Recomputed, not rounded; null where there is no count")
    printed_percents: list[str | None] | None = Field(description="As sent")
    percents_agree: bool | None = Field(description="Whether each printed percent is a rounding; null: none printed")
    p_value: float | None = Field(description="Recomputed, two-sided; null where it is not defined")
    method: str | None = Field(description="The test that was recomputed; null where there is none to make")
    exact: bool | None = Field(description="Whether that test was exact")
    printed_p_value: str | None = Field(description="As sent")
    p_value_agrees: bool | None = Field(description="Whether the printed p is a rounding; null: nothing to compare")
    agrees: bool | None = Field(
        description="Whether all that is printed follows from the counts; null: nothing to compare"
    )
    reasons: list[AuditReason] = Field(description="What does not follow; empty when all does")
    explained_by: list[Explanation] = Field(description="What would give the printed p, nearest first; at most 8")


class AuditedColumn(_Answered):
    """One column, and the group sizes that its percents imply."""

    label: str = Field(description="Head of the column")
    n: int = Field(description="As sent")
    n_by_percents: list[int] | None = Field(
        description="Group sizes from half the printed n to its double with which every printed percent of the column "
        "is right: empty when there is none, null when no percents are printed or more than 20 sizes fit"
    )


class AuditFinding(_Answered):
    """Something about the table as a whole."""

    code: str = Field(
        description="columns_sum, columns_sum_differs, percents_contradict_n, no_n_fits_percents, p_values_differ, "
        "test_explains, denominators_explain, search_narrowed"
    )
    message: str = Field(description="The finding in a sentence")
    rows: list[str] = Field(default=[], description="Labels of the rows it rests on")
    columns: list[str] = Field(default=[], description="Labels of the columns it is about")
    test: TestName | None = Field(default=None, description="The test that explains these rows")
    denominators: list[int] | None = Field(default=None, description="The group sizes that explain these rows")
    only_one: bool | None = Field(
        default=None, description="Whether no other of the group sizes searched explains as many rows by that test"
    )


class AuditSearch(_Answered):
    """What was searched, so that chance can be judged."""

    window: int = Field(description="How far from each printed n; 0: not searched")
    sets_of_denominators: int = Field(description="How many sets of group sizes were tried")
    sets_by_exact_test: int = Field(
        description="Of how many of them, the nearest ones, the exact test was made: fewer in large tables, to keep "
        "the search short"
    )
    tests: list[TestName] = Field(description="By which tests")
    rows: int = Field(description="Rows with a printed p that could be recomputed")
    sets_by_rows_explained: dict[TestName, list[int]] = Field(
        description="Per test, how many sets explain none of these rows, one, two ..."
    )


class TableAuditAnswer(_Answered):
    """A printed table beside what its counts give."""

    method: str = Field(description="How rows were recomputed and compared")
    agrees: bool | None = Field(description="Whether every row agrees; null when nothing could be compared")
    n_rows: int = Field(description="Rows sent")
    n_rows_agree: int = Field(description="Rows of which all that is printed follows from the counts")
    n_missing: int = Field(description="Counts that were null")
    column_sum: int = Field(description="Sum of the columns' n")
    total_n: int | None = Field(description="As sent")
    columns: list[AuditedColumn] = Field(description="The columns, in the order sent")
    rows: list[AuditedRow] = Field(description="The rows, in the order sent")
    findings: list[AuditFinding] = Field(description="About the table as a whole; empty when there is nothing to say")
    searched: AuditSearch = Field(description="What was searched for explanations")
    warnings: list[AuditReason] = Field(description="What to know about these numbers; empty when nothing")
