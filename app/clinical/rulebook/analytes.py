"""The shape of an analyte in a rule file: its units, their exact conversion, its codes and plausible range."""

from __future__ import annotations

from app.clinical.rulebook.model import Number, RuleModel, Slug


class UnitRule(RuleModel):
    """One unit of an analyte: canonical value = sent value x factor."""

    code: str
    factor: Number
    aliases: tuple[str, ...] = ()


class AnalyteRule(RuleModel):
    """One analyte: how it is named, in which units it may come, and which values are believable."""

    slug: Slug
    label: str
    canonical: str
    source: Slug
    loinc: tuple[str, ...] = ()
    unit: tuple[UnitRule, ...]
    possible_low: Number
    possible_high: Number
    plausible_low: Number
    plausible_high: Number
    usual_low: Number | None = None
    usual_high: Number | None = None
    note: str | None = None
