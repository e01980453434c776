"""What is asked and answered about tables of counts. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from app.statistics.models import Answered, Asked, Limits, Test, Whole

MOST_LINES: Final = 50
LARGEST_COUNT: Final = 10**9
MOST_REPLICATES: Final = 1_000_000

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT), Whole]
Row = Annotated[list[Count], Field(min_length=2, max_length=MOST_LINES)]
FisherMethod = Literal["auto", "exact", "chi_square", "monte_carlo"]


class FisherRequest(Asked):
    """A table of counts: rows by columns."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"table": [[3, 11], [20, 12]]},
                {"table": [[2, 12], [6, 19], [7, 2]]},
            ]
        }
    )

    table: list[Row] = Field(
        min_length=2,
        max_length=MOST_LINES,
        description="Rows of equal length, 2 x 2 to 50 x 50; counts are whole numbers from 0 to 1,000,000,000 (of "
        "patients, not percents), and so is their sum",
    )
    method: FisherMethod = Field(
        default="auto",
        description="auto: exact (2 x 2 always; larger ones up to 20 million steps: about 12,000 patients in 3 x 2, "
        "250 in 3 x 3, 80 in 4 x 4), Pearson chi-square past that; exact: refused past that; chi_square: without "
        "Yates' correction; monte_carlo: seeded sample of tables with the same margins",
    )
    replicates: Annotated[int, Field(ge=1_000, le=MOST_REPLICATES), Whole] = Field(
        default=100_000, description="Tables to draw by monte_carlo: 1,000 to 1,000,000"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1), Whole] = Field(
        default=0, description="Seed of monte_carlo; the same seed, the same answer"
    )


class PearsonChiSquare(Answered):
    """Pearson's chi-square test of independence, without Yates' correction; empty rows and columns are left out."""

    statistic: float | None = Field(description="Sum of (observed - expected)^2 / expected")
    degrees_of_freedom: int = Field(description="(rows - 1)(columns - 1) of those that are not empty")
    p_value: float | None = Field(description="Upper tail of chi-square; null without a degree of freedom")


class MonteCarlo(Answered):
    """How a sampled p came about."""

    replicates: int = Field(description="Tables drawn")
    seed: int = Field(description="Seed of the generator (PCG64)")
    standard_error: float = Field(description="Standard error of p")


class Fisher(Test):
    """Fisher's exact test, or what stands for it. The statistic is the odds ratio of a 2 x 2 table.

    For larger tables: the probability of the table given its margins, or chi-square where that was made.
    """

    n: int = Field(description="Sum of all counts")
    row_totals: list[int] = Field(description="Sum of each row")
    column_totals: list[int] = Field(description="Sum of each column")
    odds_ratio: Limits | None = Field(
        default=None, description="2 x 2: conditional maximum likelihood estimate with exact 95% limits"
    )
    pearson_chi_square: PearsonChiSquare | None = Field(default=None, description="Larger tables: beside the exact p")
    monte_carlo: MonteCarlo | None = Field(default=None, description="Only with method monte_carlo")


class FisherAnswer(Fisher):
    """The test of the table that was sent."""

    n_missing: int = Field(description="Always 0: a table of counts holds what is known")
