"""The shape of analytes in a rule file: their names, units with exact conversion, and believable ranges."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.clinical.rulebook.model import Number, RuleModel, Slug

ONE = Decimal(1)
Factor = Annotated[Number, Field(gt=0)]
Loinc = Annotated[str, Field(pattern=r"^[0-9]{1,7}-[0-9]$")]


class Span(RuleModel):
    """From `low` to `high`, both inclusive, in the canonical unit."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")
        return self


class UnitRule(RuleModel):
    """One unit (UCUM code where there is one) and how senders spell it.

    Spellings meet without regard to spaces and to harmless changes of case (app/clinical/units.py).
    """

    code: str = Field(min_length=1)
    spelling: tuple[str, ...] = ()
    note: str | None = None


class AnalyteUnit(RuleModel):
    """A unit in which an analyte may come: canonical value = value x multiply / divide."""

    code: str = Field(min_length=1)
    multiply: Factor = ONE
    divide: Factor = ONE
    source: Slug | None = None
    spelling: tuple[str, ...] = ()


class CautionRule(RuleModel):
    """A likely slip: when the number lies strictly between `above` and `below`, the answer carries this warning."""

    code: Slug
    message: str = Field(min_length=1)
    of: Literal["value", "lower_limit", "upper_limit"] = "value"
    above: Number | None = None
    below: Number | None = None
    source: Slug


class AnalyteRule(RuleModel):
    """One analyte: how it is named, in which units it may come, and which values are believable.

    `possible` bounds what can be at all, `plausible` what is taken without an override, `usual` what is answered
    without a warning. `field` is a request field that holds this analyte in its canonical unit (`creatinine_mg_dl`).
    """

    slug: Slug
    label: str = Field(min_length=1)
    canonical: str
    source: Slug
    loinc: tuple[Loinc, ...] = ()
    also_called: tuple[str, ...] = ()
    field: str | None = None
    unit: tuple[AnalyteUnit, ...] = Field(min_length=1)
    possible: Span
    plausible: Span
    usual: Span
    caution: tuple[CautionRule, ...] = ()
    note: str | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        canonical = [u for u in self.unit if u.code == self.canonical]
        if len(canonical) != 1 or canonical[0].multiply != canonical[0].divide:
            raise ValueError(
                f"analyte {self.slug!r}: the canonical unit must stand once among its units, with factor 1"
            )
        codes = [u.code for u in self.unit]
        if len(set(codes)) < len(codes):
            raise ValueError(f"analyte {self.slug!r}: a unit stands twice")
        spans = (self.usual, self.plausible, self.possible)
        if any(a.low < b.low or a.high > b.high for a, b in pairwise(spans)):
            raise ValueError(f"analyte {self.slug!r}: usual must lie within plausible, and plausible within possible")
        return self

    @property
    def sources(self) -> frozenset[str]:
        """Return the keys of every source that the analyte cites."""
        cited = {self.source, *(u.source for u in self.unit), *(c.source for c in self.caution)}
        return frozenset(key for key in cited if key is not None)


class AmbiguousName(RuleModel):
    """A name or LOINC code that could mean several analytes: it is refused, with the choices."""

    name: tuple[str, ...] = Field(min_length=1)
    choice: tuple[Slug, ...] = Field(min_length=1)
    message: str = Field(min_length=1)
