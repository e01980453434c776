"""What is said of a cohort: how many patients of which kind, by which rules, and what an import found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from app.cohorts.intake.rows import RowError
from app.cohorts.strata import AXES, PHENOTYPE, parse, phenotype
from app.statistics.disclosure_policy import Policy

if TYPE_CHECKING:
    from app.cohorts.store import Cohort

LISTED_PATIENTS = 10


class Answer(BaseModel):
    """Base of the answers: frozen, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleVersion(Answer):
    """A rule set by which the cohort was derived."""

    id: str = Field(description="The rule set's id")
    version: str = Field(description="Its semantic version")
    sha256: str = Field(description="SHA-256 of its file")


class CohortSummary(Answer):
    """A cohort in a list."""

    id: str = Field(description="The cohort's id", examples=["study"])
    name: str = Field(description="Its name")
    description: str | None = Field(description="What it is, in the words of whoever created it")
    version: int = Field(
        ge=1,
        description="Grows with every change; the ETag is this number in quotes, and where a disclosure profile "
        "withholds small numbers the profile's name after it",
    )
    n: int | None = Field(ge=0, description="How many patients it has; null: withheld under a disclosure profile")
    read_only: bool = Field(description="A built-in cohort, which is never changed")
    created_at: datetime = Field(description="When it was created (UTC)")
    updated_at: datetime = Field(description="When it was last changed (UTC)")
    disclosure: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="The disclosure profile under which small numbers are null; absent where nothing is withheld",
    )


Count = dict[str, int | None]


class Counts(Answer):
    """How many patients there are of each kind; those of whom it is not known are counted apart; null: withheld."""

    treatment: Count = Field(description="By treatment group")
    phenotype: Count = Field(description="By phenotype; indeterminate while either flag is unknown")
    cv_shock: Count = Field(description="By cardiovascular shock")
    kd_like: Count = Field(description="By KD-like illness")
    corticosteroids: Count = Field(description="By the purpose of corticosteroids")
    sex: Count = Field(description="By sex")


class CohortDetail(CohortSummary):
    """A cohort with its counts and the rules it was derived by."""

    counts: Counts = Field(description="Patients by group, phenotype and the other axes")
    rules: tuple[RuleVersion, ...] = Field(description="The rule sets that derived its patients")


class Refusal(Answer):
    """One field of one row that was refused."""

    @classmethod
    def of(cls, error: RowError) -> Refusal:
        """Write a reason."""
        return cls(
            line=error.line,
            pointer=error.pointer,
            code=error.code,
            message=error.message,
            allowed=error.allowed,
        )

    line: int | None = Field(default=None, description="Line of NDJSON or CSV that the row starts on; null in JSON")
    pointer: str = Field(description="JSON pointer to the field, within what was sent")
    code: str = Field(description="Stable reason in snake_case")
    message: str = Field(description="What is wrong and what is allowed, in words")
    allowed: tuple[str, ...] = Field(default=(), description="What would be accepted, where that is a list")


class Noticed(Answer):
    """Something that holds for some of the patients added."""

    code: str = Field(description="Stable name: of the warning, or the field that disagrees or was rounded")
    message: str = Field(description="What to know, in a sentence")
    n_patients: int = Field(ge=1, description="How many patients it holds for")
    patient_ids: tuple[str, ...] = Field(description=f"The first of them, at most {LISTED_PATIENTS}")


class ImportReport(Answer):
    """What became of the rows that were sent."""

    received: int = Field(ge=0, description="Rows sent")
    added: int = Field(ge=0, description="Patients added")
    skipped: int = Field(ge=0, description="Rows left out; always 0 unless on_error=skip was asked for")
    errors: tuple[Refusal, ...] = Field(description="Why rows were left out; the first 50 reasons")
    rounded: tuple[Noticed, ...] = Field(description="Values with more digits than are kept, by field")
    disagreements: tuple[Noticed, ...] = Field(description="Facts that were stated and derived differently, by field")
    warnings: tuple[Noticed, ...] = Field(description="Warnings of the derivation, by code")


class CohortChanged(CohortDetail):
    """A cohort after an import, with what the import found."""

    report: ImportReport = Field(description="What became of the rows that were sent")


def counts(strata: Mapping[str, int]) -> Counts:
    """Count the patients of each kind from the strata."""
    found: dict[str, Counter[str]] = {axis: Counter(dict.fromkeys(values, 0)) for axis, values in AXES.items()}
    found["phenotype"] = Counter(dict.fromkeys(PHENOTYPE, 0))
    for key, n in strata.items():
        stratum = parse(key)
        found["phenotype"][phenotype(stratum)] += n
        for axis, value in zip(stratum._fields, stratum, strict=True):
            found[axis][value] += n
    counted: dict[str, Count] = {axis: dict(by_value) for axis, by_value in found.items()}
    return Counts(**counted)


class Told(NamedTuple):
    """What a disclosure policy lets be told of a cohort's strata: n, the counts by axis and value, and its name."""

    n: int | None
    counts: Mapping[str, Mapping[str, int | None]]
    profile: str


Hide: TypeAlias = Callable[[Mapping[str, int]], Told] | None
"""What withholds small numbers from a cohort's strata; None: nothing is withheld."""
D = TypeVar("D", bound="CohortDetail")


def summary_of(cohort: Cohort, policy: Policy | None = None) -> CohortSummary:
    """Return a cohort as a list shows it; under a policy without a small n."""
    if policy is None:
        return CohortSummary(**_head(cohort))
    n = policy.rounded(cohort.n) if policy.safe(cohort.n) else None
    return CohortSummary(**_head(cohort) | {"n": n, "disclosure": policy.name})


def detail_of(cohort: Cohort, strata: Mapping[str, int], hide: Hide = None) -> CohortDetail:
    """Return a cohort with its counts."""
    found = CohortDetail(**_head(cohort), counts=counts(strata), rules=versions_of(cohort.rules))
    return told(found, strata, hide)


def told(detail: D, strata: Mapping[str, int], hide: Hide) -> D:
    """Return a description of a cohort without the numbers that are to be withheld."""
    if hide is None:
        return detail
    found = hide(strata)
    counted = Counts(**{axis: dict(by_value) for axis, by_value in found.counts.items()})
    return detail.model_copy(update={"n": found.n, "counts": counted, "disclosure": found.profile})


def changed(cohort: Cohort, strata: Mapping[str, int], report: ImportReport, hide: Hide = None) -> CohortChanged:
    """Return a cohort with what an import found."""
    found = CohortChanged(**_head(cohort), counts=counts(strata), rules=versions_of(cohort.rules), report=report)
    return told(found, strata, hide)


def versions_of(rules: Sequence[Mapping[str, Any]]) -> tuple[RuleVersion, ...]:
    """Return the rule sets that a cohort keeps."""
    return tuple(RuleVersion(**{name: rule[name] for name in RuleVersion.model_fields}) for rule in rules)


def _head(cohort: Cohort) -> dict[str, Any]:
    return {name: getattr(cohort, name) for name in CohortSummary.model_fields if name != "disclosure"}
