"""The shape of a growth reference in a rule file: median, low and high centile by age, for one sex."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.clinical.rulebook.model import Number, RuleModel, Slug

GrowthRow = tuple[Number, Number, Number, Number]


class GrowthRule(RuleModel):
    """One table: rows of (age in months, low centile, median, high centile), low and high at -`z` and +`z`."""

    id: Slug
    measure: Literal["weight", "height"]
    sex: Literal["male", "female"]
    unit: str
    source: Slug
    locator: str | None = None
    z: Annotated[Number, Field(gt=0)]
    row: tuple[GrowthRow, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for age, low, median, high in self.row:
            if not 0 < low < median < high:
                raise ValueError(f"growth {self.id!r}, age {age}: low, median and high must rise")
        for (before, *_), (after, *_) in pairwise(self.row):
            if after <= before:
                raise ValueError(f"growth {self.id!r}: ages must rise ({before}, then {after})")
        return self
