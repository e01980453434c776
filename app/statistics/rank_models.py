"""What is asked and answered about medians and ranks. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from app.statistics.models import MOST_VALUES, Answered, Asked, LongLists, Measurement, Note, Shift, Test

QuantileMethod = Literal["weibull", "linear"]
RankMethod = Literal["auto", "exact", "asymptotic"]
Zeros = Literal["wilcox", "pratt"]

_RANGE: Final = "from -1e15 to 1e15, at most 1,000,000; null is missing, left out and counted in n_missing"
Values = Annotated[
    list[Measurement | None], Field(max_length=MOST_VALUES, description=f"The measured numbers, any one unit, {_RANGE}")
]


class SummaryRequest(LongLists, Asked):
    """The values of one group."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"values": [10.5, 3.5, 13, None, 8, 4, 11], "quantile_method": "weibull"}]}
    )

    values: Values
    quantile_method: QuantileMethod = Field(
        default="weibull",
        description="weibull: position p(n+1), R type 6, as GraphPad Prism (default); linear: 1+p(n-1), R type 7",
    )


class Summary(Answered):
    """Median, quartiles and range of a group; all null when it is empty."""

    n: int = Field(
        description="How many values are known: n_missing are not among them. (In the cells of a cohort's analysis "
        "n includes the missing.)"
    )
    median: float | None = Field(description="Median, in the unit of the values")
    q1: float | None = Field(description="Lower quartile")
    q3: float | None = Field(description="Upper quartile")
    minimum: float | None = Field(description="Smallest value")
    maximum: float | None = Field(description="Largest value")
    quantile_method: QuantileMethod = Field(description="The rule of the quartiles")


class SummaryAnswer(Summary):
    """A summary of what was sent."""

    n_missing: int = Field(description="How many values were null")
    method: str = Field(description="What was computed")
    warnings: tuple[Note, ...] = Field(description="What to know; empty when nothing")


class MannWhitneyRequest(LongLists, Asked):
    """Two independent groups; the example is the rotarod data of Bergmann, Ludbrook and Spooren."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "x": [22, 300, 75, 271, 300, 18, 300, 300, 163, 300, 300, 300],
                    "y": [300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300],
                    "method": "auto",
                }
            ]
        }
    )

    x: Values
    y: Values
    method: RankMethod = Field(
        default="auto",
        description="auto: exact, ties included, up to 1,000 million additions (about 240 against 240 values, or 100 "
        "against 550), and asymptotic past that; exact: refused past that; asymptotic",
    )


class MannWhitney(Test):
    """The Mann-Whitney (Wilcoxon rank sum) test; the statistic is u."""

    p_value_doubled: float | None = Field(
        description="Twice the smaller tail, at most 1; p_value is the probability of ranks at least as far from "
        "expectation. The two differ only with ties"
    )
    u: float | None = Field(description="Pairs in which x is the larger, ties as half: R's W")
    n_x: int = Field(description="How many known values x has")
    n_y: int = Field(description="How many known values y has")
    rank_biserial: float | None = Field(description="2u/(n_x n_y) - 1: from -1 (every x below every y) to 1")


class MannWhitneyAnswer(MannWhitney):
    """The test, how large the difference is, and what was left out."""

    hodges_lehmann: Shift = Field(description="Median of all differences x - y, in the unit of the values, with limits")
    n_missing: int = Field(description="Missing values in both groups")
    n_missing_x: int = Field(description="Missing values of x")
    n_missing_y: int = Field(description="Missing values of y")


class SignedRankRequest(LongLists, Asked):
    """Two measurements of the same patients in the same order; the example is Hollander and Wolfe's depression data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "before": [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30],
                    "after": [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29],
                    "zeros": "wilcox",
                    "method": "auto",
                }
            ]
        }
    )

    before: Values
    after: Annotated[Values, Field(description=f"As many as before; a pair counts when both are there; {_RANGE}")]
    zeros: Zeros = Field(
        default="wilcox",
        description="Pairs without a difference: wilcox drops them (default); pratt ranks them and drops their ranks",
    )
    method: RankMethod = Field(
        default="auto",
        description="auto: exact, ties and zeros included, up to 1,000 differences that are not zero, and asymptotic "
        "past that; exact: refused past that; asymptotic",
    )

    @field_validator("after")
    @classmethod
    def _as_many(cls, after: list[float | None], info: ValidationInfo) -> list[float | None]:
        before = info.data.get("before")
        if before is not None and len(before) != len(after):
            raise PydanticCustomError("unequal_lengths", "before and after must be lists of the same length.")
        return after

    def holds_together(self) -> bool:
        """Say whether there are as many values after as before."""
        return len(self.before) == len(self.after)


class SignedRank(Test):
    """The Wilcoxon signed rank test of differences; the statistic is w_plus."""

    w_plus: float | None = Field(description="Sum of the ranks of the differences above zero: R's V")
    w_minus: float | None = Field(description="Sum of the ranks of the differences below zero")
    n: int = Field(description="Differences that are not zero")
    n_zero: int = Field(description="Differences of zero")
    zeros: Zeros = Field(description="How zeros were taken")


class SignedRankAnswer(SignedRank):
    """The test, how large the change is, and what was left out."""

    n_pairs: int = Field(description="Pairs with both values")
    n_missing: int = Field(description="Pairs left out because a value is missing")
    median_difference: float | None = Field(description="Median of after - before over all pairs")
    pseudo_median: Shift = Field(
        description="Median of the means of every two differences (Hodges-Lehmann), zeros left out, with limits"
    )
