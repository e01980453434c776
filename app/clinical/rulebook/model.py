"""What a rule file may hold: the shape of a rule set, each number with unit, bound, source and date.

The format is described for hospitals in docs/rules.md. Decimals are kept as written (0.1 is 0.1).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, computed_field, model_validator

from app.clinical.rulebook.words import describe

Operator = Literal[">", ">=", "<", "<="]
Bound = Literal["inclusive", "exclusive"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.+-]*$", max_length=100)]


def _no_text(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a number, without quotation marks")  # noqa: TRY004 - pydantic reports ValueErrors
    return value


# A decimal exactly as written in the file; answers show it as a JSON number.
Number = Annotated[
    Decimal,
    Field(allow_inf_nan=False),
    BeforeValidator(_no_text),
    PlainSerializer(float, return_type=float, when_used="json"),
]

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class RuleModel(BaseModel):
    """Base of everything in a rule file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=describe)


class Source(RuleModel):
    """Where a number comes from, and how closely it was read."""

    key: Slug
    title: str = Field(min_length=1)
    authors: str | None = None
    year: int
    doi: str | None = None
    url: str | None = None
    locator: str | None = None
    reading: Literal["primary", "secondary", "general_knowledge", "study", "decision"] = "secondary"


class Sourced(RuleModel):
    """What every number carries: its source, the place in it, and since when it holds."""

    id: Slug
    label: str | None = None
    source: Slug
    locator: str | None = None
    effective: date | None = None
    note: str | None = None


class Threshold(Sourced):
    """A number that divides: `operator` and `value` say on which side the criterion is met."""

    operator: Operator
    value: Number
    unit: str

    @cached_property
    def _float(self) -> float:
        return float(self.value)

    @cached_property
    def _compare(self) -> Callable[[Any, Any], bool]:
        return _COMPARE[self.operator]

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated properties
    @property
    def bound(self) -> Bound:
        """Return whether the value itself meets the criterion."""
        return "inclusive" if "=" in self.operator else "exclusive"

    def compiled(self) -> Callable[[float | Decimal], bool]:
        """Return `is_met` as a function with all looked up beforehand, for what is built once and asked often."""
        compare, exact, binary = _COMPARE[self.operator], self.value, float(self.value)
        return lambda value: compare(value, exact if isinstance(value, Decimal) else binary)

    def is_met(self, value: float | Decimal) -> bool:
        """Compare as written: a JSON 0.1 equals a rule's 0.1."""
        return self._compare(value, self.value if isinstance(value, Decimal) else self._float)

    @cached_property
    def text(self) -> str:
        """Write the threshold for people: ">= 3.0 mg/dL"."""
        return f"{self.operator} {self.value} {self.unit}".rstrip()


class Parameter(Sourced):
    """A number that is used, not compared with: a dose, a factor, a count."""

    value: Number
    unit: str


class Range(Sourced):
    """Two numbers with everything between; ranges of one `group` may touch and must not overlap."""

    low: Number
    high: Number
    low_bound: Bound = "inclusive"
    high_bound: Bound = "inclusive"
    unit: str
    group: Slug | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")
        return self

    def contains(self, value: float | Decimal) -> bool:
        """Say whether a value lies inside, each end by its own bound."""
        low, high = (self.low, self.high) if isinstance(value, Decimal) else (float(self.low), float(self.high))
        above = value >= low if self.low_bound == "inclusive" else value > low
        below = value <= high if self.high_bound == "inclusive" else value < high
        return above and below


class Band(RuleModel):
    """One row of a table: from `from` (inclusive unless said) up to `to` (exclusive unless said); absent = no end."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    lower: Number | None = Field(default=None, alias="from")
    upper: Number | None = Field(default=None, alias="to")
    lower_bound: Bound = "inclusive"
    upper_bound: Bound = "exclusive"
    sex: Literal["male", "female"] | None = None
    label: str | None = None
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    slope: Number | None = None
    intercept: Number | None = None
    points: Number | None = None
    locator: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"from {self.lower} lies above to {self.upper}")
        return self

    def holds(self, value: Decimal) -> bool:
        """Say whether the input value falls in this row."""
        if self.lower is not None and (value < self.lower or (value == self.lower and self.lower_bound == "exclusive")):
            return False
        if self.upper is None or value < self.upper:
            return True
        return self.upper_bound == "inclusive" and value == self.upper


class Table(Sourced):
    """Rows by one input (mostly age): no two rows of one sex may overlap; gaps only where said."""

    input: str
    input_unit: str
    unit: str
    gaps: bool = False
    band: tuple[Band, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _bands_in_order(self) -> Self:
        for sex in ("male", "female"):
            rows = [(i, b) for i, b in enumerate(self.band) if b.sex in {None, sex}]
            for (_, before), (i, after) in pairwise(rows):
                self._check_neighbours(before, after, i)
        return self

    def _check_neighbours(self, before: Band, after: Band, index: int) -> None:
        where = f"band {index + 1}"
        if before.upper is None or after.lower is None or after.lower < before.upper:
            raise ValueError(f"{where}: overlaps the band before it ({_span(before)} and {_span(after)})")
        if after.lower > before.upper and not self.gaps:
            raise ValueError(f"{where}: leaves a gap after the band before it ({before.upper} to {after.lower})")
        if after.lower == before.upper:
            self._check_shared_end(before, after, where)

    def _check_shared_end(self, before: Band, after: Band, where: str) -> None:
        if before.upper_bound == after.lower_bound == "inclusive":
            raise ValueError(f"{where}: overlaps the band before it at {before.upper}, which both include")
        if before.upper_bound == after.lower_bound == "exclusive" and not self.gaps:
            raise ValueError(f"{where}: leaves a gap at {before.upper}, which neither band includes")

    def find(self, value: Decimal, sex: str | None = None) -> Band | None:
        """Return the row for an input value, or None outside the table or where the row needs a sex not given."""
        return next((b for b in self.band if b.holds(value) and b.sex in {None, sex}), None)


def _span(band: Band) -> str:
    return f"{'...' if band.lower is None else band.lower} to {'...' if band.upper is None else band.upper}"


class Text(Sourced):
    """A statement that answers carry: a warning, a label rule, a limitation. Our own words, with its source."""

    text: str = Field(min_length=1)


class Uses(RuleModel):
    """How a rule set uses a person's attributes (the ONC source attributes of HTI-1)."""

    age: str = "not used"
    # No operation takes a date of birth: the age is sent in years.
    date_of_birth: str = "not used"
    sex: str = "not used"
    race: str = "not used"
    ethnicity: str = "not used"
    language: str = "not used"
    gender_identity: str = "not used"
    sexual_orientation: str = "not used"
    social_determinants: str = "not used"
    health_status: str = "not used"


class Header(RuleModel):
    """Who made a rule set, what for, and since when it holds."""

    id: Slug
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str = Field(min_length=1)
    topic: Slug
    purpose: str = Field(min_length=1)
    developer: str = Field(min_length=1)
    funding: str = "none"
    effective: date
    released: date
    revised: date
    limitations: tuple[str, ...] = ()
    uses: Uses = Uses()


class RuleRef(BaseModel):
    """Which rule set answered: id, version and the SHA-256 of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=describe)

    id: str
    version: str
    sha256: str


class SourceRef(BaseModel):
    """A source as an answer cites it."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=describe)

    title: str
    year: int
    doi: str | None = None
    url: str | None = None
    locator: str | None = None


class Provenance(RuleRef):
    """The rule set behind an answer, its sources, and every further rule set that took part."""

    sources: tuple[SourceRef, ...] = ()
    includes: tuple[RuleRef, ...] = ()
