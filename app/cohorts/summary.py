"""What is said of a cohort: how many patients of which kind, by which rules, and what an import found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from app.cohorts.intake.rows import RowError
from app.cohorts.strata import AXES, PHENOTYPE, parse, phenotype

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
    version: int = Field(ge=1, description="Grows with every change; the ETag is this number in quotes")
    n: int = Field(ge=0, description="How many patients it has")
    read_only: bool = Field(description="A built-in cohort, which is never changed")
    created_at: datetime = Field(description="When it was created (UTC)")
    updated_at: datetime = Field(description="When it was last changed (UTC)")


class Counts(Answer):
    """How many patients there are of each kind; those of whom it is not known are counted apart."""

    treatment: dict[str, int] = Field(description="By treatment group")
    phenotype: dict[str, int] = Field(description="By phenotype; indeterminate while either flag is unknown")
    cv_shock: dict[str, int] = Field(description="By cardiovascular shock")
    kd_like: dict[str, int] = Field(description="By KD-like illness")
    corticosteroids: dict[str, int] = Field(description="By the purpose of corticosteroids")
    sex: dict[str, int] = Field(description="By sex")


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
    """Something that holds for some of the patients sent."""

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
    return Counts(**{axis: dict(counted) for axis, counted in found.items()})


def summary_of(cohort: Cohort) -> CohortSummary:
    """Return a cohort as a list shows it."""
    return CohortSummary(**_head(cohort))


def detail_of(cohort: Cohort, strata: Mapping[str, int]) -> CohortDetail:
    """Return a cohort with its counts."""
    return CohortDetail(**_head(cohort), counts=counts(strata), rules=versions_of(cohort.rules))


def changed(cohort: Cohort, strata: Mapping[str, int], report: ImportReport) -> CohortChanged:
    """Return a cohort with what an import found."""
    return CohortChanged(**_head(cohort), counts=counts(strata), rules=versions_of(cohort.rules), report=report)


def versions_of(rules: Sequence[Mapping[str, Any]]) -> tuple[RuleVersion, ...]:
    """Return the rule sets that a cohort keeps."""
    return tuple(RuleVersion(**{name: rule[name] for name in RuleVersion.model_fields}) for rule in rules)


def _head(cohort: Cohort) -> dict[str, Any]:
    return {name: getattr(cohort, name) for name in CohortSummary.model_fields}
