"""The shape of a CTCAE version in a rule file: its terms, the facts they use, and how each grade is reached.

A grade is reached when every condition of one of its bands holds. Conditions are written for people and read by
`app.clinical.ctcae.conditions`:

    "value > 3 x ULN"             a value against a multiple of a limit, of the baseline or of `mi_cutoff`
    "value <= ULN + 2"            a value against a limit and a distance
    "value >= 1.5"                a value against a number, in the unit of the scale
    "symptomatic"                 a stated fact that must be true
    "not baseline_abnormal"       a stated fact that must be false
    "symptoms in none, mild"      a stated fact that must be one of these
    "body_surface_percent > 30"   a stated number

`>=` and `<=` include the bound, `>` and `<` do not.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.clinical.rulebook.model import Number, RuleModel, Slug

Grade = Annotated[int, Field(ge=0)]
Conditions = tuple[Annotated[str, Field(min_length=1)], ...]
FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]


class FactRule(RuleModel):
    """Something that a caller states about the event: a yes or no, a number with its range, or one of several words."""

    name: FactName
    kind: Literal["boolean", "number", "integer", "choice"]
    label: str = Field(min_length=1)
    unit: str | None = None
    low: Number | None = None
    high: Number | None = None
    values: tuple[str, ...] = ()
    example: bool | Number | str | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.kind == "choice") != bool(self.values):
            raise ValueError(f"fact {self.name!r}: a choice, and only a choice, lists its values")
        ranged = self.low is not None and self.high is not None and self.unit is not None
        if (self.kind in {"number", "integer"}) != ranged:
            raise ValueError(f"fact {self.name!r}: a number, and only a number, has unit, low and high")
        return self


class BandRule(RuleModel):
    """One way to reach a grade: all conditions of `when` hold."""

    grade: Grade
    when: Conditions = Field(min_length=1)
    text: str | None = None


class GapRule(RuleModel):
    """Values for which the standard prints no grade: the grades between which it leaves the choice, and why."""

    grades: tuple[Grade, ...] = Field(min_length=2)
    when: Conditions = Field(min_length=1)
    text: str = Field(min_length=1)
    code: Slug = "gap_in_printed_ranges"


class DerivedRule(RuleModel):
    """A fact that follows from numbers unless it is stated: true when `true_when` holds, false when `false_when` does.

    Without `false_when`, a `true_when` that is known not to hold makes it false. In a clinical term both cannot hold
    at once: facts that are stated so contradict each other and are refused.
    """

    fact: FactName
    true_when: Conditions = ()
    false_when: Conditions = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.true_when and not self.false_when:
            raise ValueError(f"derived fact {self.fact!r}: needs true_when or false_when")
        return self


class AssumptionRule(RuleModel):
    """What is assumed, and said in the answer, when an input is missing that the standard needs.

    `baseline_absent`: bands that need the missing baseline are left out, and it counts as not abnormal.
    `limit_beyond_baseline`: the missing limit is taken to lie beyond the baseline, which only rules grades out.
    """

    code: Slug
    message: str = Field(min_length=1)
    kind: Literal["baseline_absent", "limit_beyond_baseline"]
    unless: tuple[FactName, ...] = ()
    minimum_grade: Grade = 0


class FactCautionRule(RuleModel):
    """What is said of a grade, from `minimum_grade` on, when a fact is known to be true; the grade stays."""

    fact: FactName
    minimum_grade: Grade
    code: Slug
    message: str = Field(min_length=1)


class ScaleRule(RuleModel):
    """The printed bounds for one unit; without a unit they are ratios and serve every unit of the analyte."""

    unit: str | None = None
    analyte: Slug | None = None
    unit_optional: bool = False
    also: tuple[str, ...] = ()
    source: Slug | None = None
    note: str | None = None
    band: tuple[BandRule, ...] = Field(min_length=1)
    gap: tuple[GapRule, ...] = ()
    caution: tuple[FactCautionRule, ...] = Field(
        default=(), description="What is said of a grade when a fact is known to be true"
    )


class RouteRule(RuleModel):
    """When an event belongs under another term: the term, and why."""

    when: Conditions = Field(min_length=1)
    to: Slug
    text: str = Field(min_length=1)


class DifferenceRule(RuleModel):
    """A number that follows from two stated ones: minuend - subtrahend."""

    fact: FactName
    minuend: FactName
    subtrahend: FactName


class StandInRule(RuleModel):
    """Another analyte that is graded by a term's bounds, and the warning that goes with it."""

    analyte: Slug
    code: Slug
    message: str = Field(min_length=1)


class CtcaeTermRule(RuleModel):
    """One graded term of one CTCAE version; `part_of`: not official, one substance of the official term that is named.

    `grades` are the grades that exist. `optional` facts are alternatives that count only when they are stated; every
    other fact that a band asks for is unknown until it is stated. `unmet` says what it means when no band is met:
    nothing of this kind happened (grade 0), or an event below the term's lowest grade.
    """

    slug: Slug
    name: str = Field(min_length=1)
    part_of: Slug | None = None
    meddra_code: str | None = Field(default=None, pattern=r"^[0-9]{8}$")
    soc: str = Field(min_length=1)
    kind: Literal["laboratory", "clinical"]
    direction: Literal["low", "high"] | None = None
    analyte: Slug | None = None
    grades: tuple[Grade, ...] = Field(min_length=1)
    source: Slug
    locator: str | None = None
    note: str | None = None
    routing: str | None = None
    optional: tuple[FactName, ...] = ()
    unmet: Literal["none", "below_lowest"] = "none"
    derived: tuple[DerivedRule, ...] = ()
    difference: tuple[DifferenceRule, ...] = ()
    stand_in: tuple[StandInRule, ...] = ()
    assumption: tuple[AssumptionRule, ...] = ()
    scale: tuple[ScaleRule, ...] = ()
    band: tuple[BandRule, ...] = ()
    gap: tuple[GapRule, ...] = ()
    route: tuple[RouteRule, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        laboratory = self.kind == "laboratory"
        if laboratory != (self.analyte is not None and self.direction is not None and bool(self.scale)):
            raise ValueError(f"term {self.slug!r}: a laboratory term, and only it, has analyte, direction and scales")
        if laboratory == bool(self.band):
            raise ValueError(f"term {self.slug!r}: a clinical term, and only it, has bands of its own")
        for band in (*self.band, *(b for s in self.scale for b in s.band)):
            if band.grade not in self.grades:
                raise ValueError(f"term {self.slug!r}: a band gives grade {band.grade}, which the term does not have")
        return self


class ReplacedRule(RuleModel):
    """A name of another version or a word in use that is no term here: what stands for it, or why nothing does.

    With `same_meaning`, a record under this name is graded by the term in `by`, and the answer says so. With
    `no_term`, it is answered that CTCAE has no such term; else it is refused, with the terms in `by`.
    """

    slug: Slug
    name: str = Field(min_length=1)
    also: tuple[str, ...] = ()
    by: tuple[Slug, ...] = ()
    same_meaning: bool = False
    no_term: bool = False
    text: str = Field(min_length=1)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.same_meaning and len(self.by) != 1:
            raise ValueError(f"replaced {self.slug!r}: exactly one term can have the same meaning")
        return self


class NamesRule(RuleModel):
    """The version's full list of names, in a CSV file beside the rule file: its SHA-256 ties it to this rule set."""

    file: str = Field(pattern=r"^[a-z0-9.-]+\.csv$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    count: int = Field(gt=0)
    source: Slug
