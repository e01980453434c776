"""The rulebook as callers read it: every rule set with its numbers, sources and source attributes."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.rulebook.analytes import AmbiguousName, AnalyteRule, UnitRule
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, FactRule, NamesRule, ReplacedRule
from app.clinical.rulebook.growth_references import GrowthRule
from app.clinical.rulebook.loader import LoadedRuleSet, Origin
from app.clinical.rulebook.model import Parameter, Range, Source, Sourced, Table, Text, Threshold, Uses


class View(BaseModel):
    """Base of what is shown of the rulebook."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleSetSummary(View):
    """One rule set in the list."""

    id: str = Field(description="Id of the rule set, as answers cite it in `rules`")
    version: str = Field(description="Semantic version")
    sha256: str = Field(description="SHA-256 of the rule file")
    title: str = Field(description="What it holds")
    topic: str = Field(description="What it is about; a hospital's protocol shares the topic of ours")
    effective: date = Field(description="Since when its numbers hold")
    origin: Origin = Field(description="built_in, or hospital: from DEFERVESCE_RULES_DIR")


class RuleSetPage(View):
    """A page of the list."""

    items: tuple[RuleSetSummary, ...] = Field(description="Rule sets by id")
    next: str | None = Field(description="Cursor of the next page; null on the last")


class SourceAttributes(View):
    """The source attributes of a rule set, as ONC's HTI-1 rule asks of evidence-based decision support."""

    id: str = Field(description="Id of the rule set")
    version: str = Field(description="Semantic version")
    purpose: str = Field(description="What it decides or works out")
    citation: tuple[str, ...] = Field(description="Bibliographic citation of the evidence, one for each source")
    developer: str = Field(description="Who wrote the rule set")
    funding: str = Field(description="Who paid for it")
    effective: date = Field(description="Since when its numbers hold")
    released: date = Field(description="First release")
    revised: date = Field(description="Last revision")
    uses: Uses = Field(description="How it uses age, sex, race, ethnicity and other attributes of a person")
    limitations: tuple[str, ...] = Field(description="What it must not be taken for")


class Row(View):
    """What is shown of every number."""

    citation: str = Field(description="Source, year, place and DOI, in one line")
    in_force_since: date = Field(description="Effective date: the number's own, else the rule set's")


class ThresholdView(Threshold, Row):
    """A number that divides."""


class ParameterView(Parameter, Row):
    """A number that is used."""


class RangeView(Range, Row):
    """Two numbers with everything between."""


class TableView(Table, Row):
    """Rows by one input."""


class TextView(Text, Row):
    """A statement that answers carry."""


class RuleSetDetail(RuleSetSummary):
    """Everything that a rule set holds."""

    source_attributes: SourceAttributes = Field(description="Who, when, why, and how attributes of a person are used")
    sources: tuple[Source, ...] = Field(description="The sources, and how closely each was read")
    thresholds: tuple[ThresholdView, ...] = Field(description="Numbers that values are compared with")
    parameters: tuple[ParameterView, ...] = Field(description="Doses, factors, counts")
    ranges: tuple[RangeView, ...] = Field(description="Intervals")
    tables: tuple[TableView, ...] = Field(description="Values by bands of an input")
    texts: tuple[TextView, ...] = Field(description="Words of answers")
    units: tuple[UnitRule, ...] = Field(description="Units and their spellings")
    analytes: tuple[AnalyteRule, ...] = Field(description="Analytes: names, units with conversion, believable ranges")
    ambiguous: tuple[AmbiguousName, ...] = Field(description="Names that could mean several analytes")
    growth: tuple[GrowthRule, ...] = Field(description="Growth references by age and sex")
    terms: tuple[CtcaeTermRule, ...] = Field(description="CTCAE terms with the conditions of each grade")
    facts: tuple[FactRule, ...] = Field(description="What callers state about an adverse event")
    replaced: tuple[ReplacedRule, ...] = Field(
        description="Names that are no term of this version, and what stands for them"
    )
    names: NamesRule | None = Field(description="The version's full list of names, tied by hash")


def summary(rules: LoadedRuleSet) -> RuleSetSummary:
    """Return a rule set's line in the list."""
    return RuleSetSummary(**_summary(rules))


def source_attributes(rules: LoadedRuleSet) -> SourceAttributes:
    """Return a rule set's source attributes."""
    header = rules.content.rule_set
    return SourceAttributes(
        id=header.id,
        version=header.version,
        purpose=header.purpose,
        citation=tuple(citation(s) for s in rules.content.source),
        developer=header.developer,
        funding=header.funding,
        effective=header.effective,
        released=header.released,
        revised=header.revised,
        uses=header.uses,
        limitations=header.limitations,
    )


def detail(rules: LoadedRuleSet) -> RuleSetDetail:
    """Return everything that a rule set holds."""
    content = rules.content
    return RuleSetDetail(
        **_summary(rules),
        source_attributes=source_attributes(rules),
        sources=content.source,
        thresholds=tuple(ThresholdView(**_row(rules, t)) for t in content.threshold),
        parameters=tuple(ParameterView(**_row(rules, p)) for p in content.parameter),
        ranges=tuple(RangeView(**_row(rules, r)) for r in content.range),
        tables=tuple(TableView(**_row(rules, t)) for t in content.table),
        texts=tuple(TextView(**_row(rules, t)) for t in content.text),
        units=content.unit,
        analytes=content.analyte,
        ambiguous=content.ambiguous,
        growth=content.growth,
        terms=content.term,
        facts=content.fact,
        replaced=content.replaced,
        names=content.names,
    )


def citation(source: Source) -> str:
    """Write a source for people: authors, title, year, place, DOI or address."""
    head = f"{source.authors.rstrip('.')}. " if source.authors else ""
    where = f", {source.locator}" if source.locator else ""
    address = f", doi {source.doi}" if source.doi else f", {source.url}" if source.url else ""
    return f"{head}{source.title} ({source.year}){where}{address}"


def _summary(rules: LoadedRuleSet) -> dict[str, Any]:
    header = rules.content.rule_set
    return {
        "id": header.id,
        "version": header.version,
        "sha256": rules.sha256,
        "title": header.title,
        "topic": header.topic,
        "effective": header.effective,
        "origin": rules.origin,
    }


def _row(rules: LoadedRuleSet, row: Sourced) -> dict[str, Any]:
    # Field by field: a row also keeps what it has worked out of them.
    fields = {name: getattr(row, name) for name in type(row).model_fields}
    since = row.effective or rules.content.rule_set.effective
    return fields | {"citation": rules.cite(row), "in_force_since": since}
