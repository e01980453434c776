"""What the models of statistics without a cohort share. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.statistics.survival_models import Note

MOST_VALUES: Final = 1_000_000
LARGEST_NUMBER: Final = 10**15

Measurement = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER, allow_inf_nan=False)]


def _whole(value: object) -> object:
    """Take a whole number that is written with a decimal point, as some programs write all their numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""On an integer of a request: 2.0 is the whole number 2, as it is by JSON Schema; 2.5 stays refused."""


class Asked(BaseModel):
    """A request: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LongLists:
    """A request with lists that may be long, and so may be read in pieces and put in their places one by one."""

    def holds_together(self) -> bool:
        """Say whether the lists fit each other, which the request's validators could not see of the pieces."""
        return True


class Answered(BaseModel):
    """An answer: finite numbers or null."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limits(Answered):
    """An estimate with its two-sided limits."""

    estimate: float | None = Field(description="The estimate; null when there is none, see warnings")
    low: float | None = Field(description="Lower limit; null when there is none or it is infinite, see warnings")
    high: float | None = Field(description="Upper limit; null when there is none or it is infinite, see warnings")


class Shift(Limits):
    """An estimate of location with limits that are values of the data, and the confidence that these really have."""

    confidence: float | None = Field(
        description="The confidence that the limits reach: at least 0.95, or less where so few values cannot reach it"
    )


class Test(Answered):
    """A significance test, two-sided, not adjusted for other tests."""

    method: str = Field(description="The test that was made")
    exact: bool = Field(description="true: the exact distribution given the data; false: an approximation")
    statistic: float | None = Field(description="The test's statistic; null when there is none")
    p_value: float | None = Field(description="Two-sided p; null when it is not defined, see warnings")
    warnings: tuple[Note, ...] = Field(default=(), description="Why something is null, and what to know; may be empty")

    @property
    def reason(self) -> str | None:
        """Why there is no p, in a sentence; None when there is one."""
        return self.warnings[0].message if self.p_value is None and self.warnings else None


__all__ = ["LARGEST_NUMBER", "MOST_VALUES", "Answered", "Asked", "Limits", "Measurement", "Note", "Shift", "Test"]
