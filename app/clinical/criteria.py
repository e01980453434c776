"""Criteria and combinations built from a rule file: label, number, source and note stand there, not in code."""

from __future__ import annotations

from decimal import Decimal

from app.clinical.compact import Compact, Plain
from app.clinical.evidence import Combination, Combine, Criterion
from app.clinical.facts import LimitCriterion, LimitSide
from app.clinical.rulebook.loader import LoadedRuleSet
from app.clinical.rulebook.model import Text, Threshold


class Criteria:
    """Builds the criteria of one rule set. A key that the file lacks raises `RulebookError`, at the start."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._rules = rules
        self._texts = {text.id: text for text in rules.content.text}

    def measured(self, name: str, key: str, *inputs: str) -> Criterion:
        """Build a criterion that compares a number with the file's threshold `key`."""
        row = self._rules.threshold(key)
        return Criterion(
            name, row.label or row.text, inputs, source=self._rules.cite(row), threshold=row, note=row.note
        )

    def stated(self, name: str, key: str, *inputs: str) -> Criterion:
        """Build a criterion that is stated outright; its words are the file's text `key`."""
        row = self._text(key)
        return Criterion(name, row.text, inputs, source=self._rules.cite(row), note=row.note)

    def beyond_limit(self, name: str, key: str, slug: str, limit: LimitSide) -> LimitCriterion:
        """Build a criterion by the laboratory's own limit; its words are the file's text `key`."""
        row = self._text(key)
        return LimitCriterion(name, row.text, slug, limit, source=self._rules.cite(row), note=row.note)

    def below_reference(self, name: str, key: str, limit: Decimal, unit: str, value: str) -> Criterion:
        """Build a criterion for an input below a reference limit that was looked up; its words are the text `key`."""
        row = self._text(key)
        threshold = Threshold(id=row.id, operator="<", value=limit, unit=unit, source=row.source)
        return Criterion(name, row.text, value, source=self._rules.cite(row), threshold=threshold, note=row.note)

    def combined(self, name: str, key: str, combine: Combine) -> Combination:
        """Build a combination; its words are the file's text `key`."""
        row = self._text(key)
        return Combination(name, row.text, combine, source=self._rules.cite(row), note=row.note)

    def compact(self, name: str, key: str, combine: Plain) -> Compact:
        """Build a combination that shows no parts; its words are the file's text `key`."""
        row = self._text(key)
        return Compact(name, row.text, combine, source=self._rules.cite(row), note=row.note)

    def at_least(self, name: str, key: str) -> Combination:
        """Build a k-of-n; k and its words are the file's parameter `key`."""
        row = self._rules.parameter(key)
        count = self._rules.count(key)
        return Combination(
            name, row.label or name, "at_least", at_least=count, source=self._rules.cite(row), note=row.note
        )

    def _text(self, key: str) -> Text:
        self._rules.text(key)
        return self._texts[key]
