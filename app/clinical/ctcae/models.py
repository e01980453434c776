"""What a grading call takes and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model

from app.clinical.ctcae.grades import Grade
from app.clinical.rulebook import Provenance
from app.clinical.rulebook.ctcae_terms import FactRule
from app.clinical.struct import documented
from app.clinical.warning import Caution

Number = float | None
Sex = Literal["male", "female"]


class GradeRecord(BaseModel):
    """One finding or event to be graded. What is absent or null is unknown.

    A laboratory term takes value, unit, limits and baseline; a clinical term takes the facts that
    `GET /v1/ctcae/terms/{slug}` lists for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    term: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The term: slug, official name (in any case) or MedDRA code",
    )
    analyte: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description='Instead of a term: an analyte ("alt" or "loinc:1742-6"), graded by every term, both directions',
    )
    version: str | None = Field(default=None, max_length=40, description="CTCAE version: 4.03, 5.0 (default) or 6.0")
    value: Number = Field(default=None, description="The result in `unit`; its plausible range depends on the analyte")
    unit: str | None = Field(
        default=None,
        min_length=1,
        max_length=40,
        description='Unit of the value, of both limits, of the baseline and of mi_cutoff ("10*3/uL", "K/uL", "mmol/L")',
    )
    lower_limit: Number = Field(default=None, description="Lower limit of normal (LLN) in `unit`; 0: there is none")
    upper_limit: Number = Field(default=None, description="Upper limit of normal (ULN) in `unit`, above 0")
    baseline: Number = Field(default=None, description="Value at baseline in `unit`, above 0")
    mi_cutoff: Number = Field(
        default=None,
        description="Troponin only: the manufacturer's level of a myocardial infarction in `unit`, at or above the ULN",
    )
    limits: Literal["reference"] | None = Field(
        default=None,
        description='"reference": use paediatric reference limits by age_years and sex where no limit is sent',
    )
    age_years: Number = Field(default=None, description="Age in years, 0 to 21 as a rule (0.5 is six months)")
    sex: Sex | None = Field(default=None, description="Sex, for reference limits only")
    grade: int | None = Field(
        default=None,
        ge=Grade.NONE,
        le=Grade.DEATH,
        description="A grade stated by the caller, from 0 to 5: refused when the term does not have it, else compared",
    )
    override_plausibility: bool = Field(
        default=False, description="Accept values outside the plausible (not the possible) range"
    )


def record_model(facts: Iterable[FactRule], examples: Iterable[dict[str, Any]]) -> type[GradeRecord]:
    """Return the request model with every fact that some term of some version asks for."""
    fields = cast("dict[str, Any]", {f.name: _field(f) for f in facts})
    model = create_model("GradeRequest", __base__=GradeRecord, __doc__=GradeRecord.__doc__, **fields)
    model.model_config["json_schema_extra"] = {"examples": list(examples)}
    return model


def _field(fact: FactRule) -> tuple[Any, Any]:
    if fact.kind == "boolean":
        return bool | None, Field(default=None, description=fact.label)
    if fact.kind == "choice":
        return Literal[fact.values] | None, Field(default=None, description=fact.label)
    low, high = float(fact.low or 0), float(fact.high or 0)
    text = f"{fact.label}; {low:g} to {high:g} {fact.unit}"
    kind = int if fact.kind == "integer" else float
    return kind | None, Field(default=None, description=text, ge=low, le=high)


@documented
class GradeConversion(msgspec.Struct, gc=False):
    """In which unit a value was graded, and what it is in the analyte's canonical unit."""

    from_value: Annotated[float, Field(description="The value as sent")]
    from_unit: Annotated[str, Field(description="Its unit, by its code")]
    to_value: Annotated[float, Field(description="The value in the canonical unit, at 15 significant digits")]
    to_unit: Annotated[str, Field(description="The analyte's canonical unit")]
    graded_value: Annotated[float, Field(description="The value that was compared with the printed bounds")]
    graded_unit: Annotated[str, Field(description="The unit of those bounds")]
    text: Annotated[str, Field(description="The same in words")]


@documented
class GradeAnswer(msgspec.Struct, gc=False):
    """The grade of one term, or what remains possible and what is missing."""

    term: Annotated[str, Field(description="Slug of the term")]
    name: Annotated[str, Field(description="Its official name")]
    meddra_code: Annotated[str | None, Field(description="Its MedDRA code, for the terms that are graded here")]
    soc: Annotated[str | None, Field(description="Its class (system organ class)")]
    version: Annotated[str, Field(description="CTCAE version")]
    gradable: Annotated[bool, Field(description="Whether this service can grade the term from what may be sent")]
    grade: Annotated[
        int | None,
        Field(
            ge=Grade.NONE,
            le=Grade.DEATH,
            description="0 within limits, 1 to 5; null: cannot be graded with what was sent",
        ),
    ]
    possible_grades: Annotated[tuple[int, ...], Field(description="What remains possible; the grade itself when known")]
    criterion: Annotated[str | None, Field(description="The bound or fact that gave the grade, in our own words")]
    direction: Annotated[Literal["low", "high"] | None, Field(description="Which side of normal the term grades")]
    value_in_canonical_unit: Annotated[float | None, Field(description="The value in `canonical_unit`")]
    canonical_unit: Annotated[str | None, Field(description="The analyte's canonical unit")]
    conversion: Annotated[
        GradeConversion | None,
        Field(description="How units were handled; null when the value came and was graded in the canonical unit"),
    ]
    working: Annotated[tuple[str, ...], Field(description="The bounds with the numbers of this record put in")]
    missing: Annotated[tuple[str, ...], Field(description="The fields that would have to be known")]
    reason: Annotated[str | None, Field(description="Why there is no grade; null when there is one")]
    assumptions: Annotated[tuple[Caution, ...], Field(description="What was assumed because it was not stated")]
    warnings: Annotated[tuple[Caution, ...], Field(description="What to know before using the grade")]
    rules: Annotated[Provenance, Field(description="The rule set, its sources, and further rule sets that took part")]


@documented
class AnalyteAnswer(msgspec.Struct, gc=False):
    """Every term of one analyte, both directions; they are graded apart and never merged."""

    analyte: Annotated[str, Field(description="Our name of the analyte")]
    version: Annotated[str, Field(description="CTCAE version")]
    results: Annotated[tuple[GradeAnswer, ...], Field(description="One answer for each term of the analyte")]
    warnings: Annotated[tuple[Caution, ...], Field(description="Warnings of all results")]
    rules: Annotated[Provenance, Field(description="The rule set and its sources")]


class FactView(BaseModel):
    """A fact that a term asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The request's field")
    label: str = Field(description="What it states")
    kind: Literal["boolean", "number", "integer", "choice"] = Field(description="What is sent")
    unit: str | None = Field(description="Unit of a number")
    low: float | None = Field(description="Lowest number taken")
    high: float | None = Field(description="Highest number taken")
    values: tuple[str, ...] = Field(description="The words of a choice")
    counts_only_when_stated: bool = Field(description="true: a mere alternative, taken as absent until it is stated")


class WayView(BaseModel):
    """One way to reach a grade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: str = Field(description="In our own words")
    when: tuple[str, ...] = Field(description="The conditions that all have to hold")
    unit: str | None = Field(description="Unit of the numbers; null: ratios, or no numbers")


class GradeView(BaseModel):
    """How one grade is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grade: int = Field(description="The grade")
    exists: bool = Field(description="Whether the term has this grade")
    ways: tuple[WayView, ...] = Field(description="Any of these suffices; none: not reachable from what may be sent")


class TermSummary(BaseModel):
    """One term in the list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str = Field(description="Our name of the term")
    name: str = Field(description="Official name")
    part_of: str | None = Field(description="Slug of the official term that this is one substance of; null: official")
    soc: str = Field(description="Class (system organ class)")
    version: str = Field(description="CTCAE version")
    grades: tuple[int, ...] = Field(description="The grades that exist")
    kind: Literal["laboratory", "clinical"] | None = Field(description="How it is graded here; null: looked up only")
    meddra_code: str | None = Field(description="MedDRA code, for the terms that are graded here")
    analyte: str | None = Field(description="The analyte of a laboratory term")
    direction: Literal["low", "high"] | None = Field(description="Which side of normal a laboratory term grades")


class TermDetail(TermSummary):
    """One term with everything that decides its grades."""

    units: tuple[str, ...] = Field(description="Unit codes in which a value may come")
    how: tuple[GradeView, ...] = Field(description="How each grade is reached")
    gaps: tuple[WayView, ...] = Field(description="Values for which the standard prints no grade")
    facts: tuple[FactView, ...] = Field(description="What may be stated about the event")
    note: str | None = Field(description="How the standard is read here")
    routing: str | None = Field(description="When another term is reported instead")
    rules: Provenance = Field(description="The rule set and its sources")
