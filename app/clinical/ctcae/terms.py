"""The terms of each CTCAE version, compiled from the rule files and found by every name they go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.conditions import NUMBERS, Comparison, parse
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.names import ListedName, load_names
from app.clinical.quantities import Quantities
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Rulebook, RulebookError
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, FactRule, ReplacedRule
from app.clinical.rulebook.loader import BUILT_IN
from app.clinical.warning import Caution

TOPIC: Final = "ctcae"
DEFAULT_VERSION: Final = "5.0"
HOW_TO_LIST: Final = "GET /v1/ctcae/terms lists the terms."
PEDIATRIC: Final = "pediatric"
_PREFIX: Final = "ctcae-"
_NOT_WORDS: Final = re.compile(r"[^a-z0-9]+")

Graded: TypeAlias = LaboratoryTerm | ClinicalTerm


class Found(NamedTuple):
    """What a name stands for: a graded term, a name that is only listed, or something that CTCAE has no term for."""

    meant: Graded | ListedName | ReplacedRule
    caution: Caution | None = None


def slug_of(name: str) -> str:
    """Write a name as a slug: "GGT increased" is `ggt_increased`."""
    return _NOT_WORDS.sub("_", name.casefold()).strip("_")


class Version:
    """One CTCAE version. Raises `RulebookError` when its rule file cannot be compiled."""

    def __init__(self, rules: LoadedRuleSet, quantities: Quantities) -> None:
        self.rules = rules
        self.version = rules.id.removeprefix(_PREFIX)
        self.facts: Mapping[str, FactRule] = {f.name: f for f in rules.content.fact}
        self.pediatric_below = rules.number("pediatric_below_years")
        self.terms: Mapping[str, Graded] = {t.slug: self._compile(t, quantities) for t in rules.content.term}
        self.listed = _listed(rules)
        self.replaced = {n: r for r in rules.content.replaced for n in (r.slug, *r.also)}
        self.by_analyte = self._by_analyte()
        self.laboratory_facts = frozenset(self._laboratory_facts())
        self.provenance = rules.provenance()
        self._refuse_unknown_targets()
        self._by_name = self._names()

    def find(self, name: str, pointer: str = "/term", *, suggest: bool = True) -> Found:
        """Return what a slug, an official name (in any case) or a MedDRA code stands for.

        Raises `RefusedInputError`: `term_not_in_version` where another version or the common name has it,
        `term_unknown` for any other name. To search for names alike takes milliseconds: a batch limits it by `suggest`.
        """
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name.get(slug_of(name)) or self._refuse(name, pointer, suggest=suggest)
        return found

    def _compile(self, rule: CtcaeTermRule, quantities: Quantities) -> Graded:
        where = f"{self.rules.file}: term {rule.slug!r}"
        try:
            if rule.kind == "laboratory":
                return LaboratoryTerm(rule, quantities.analytes, self.rules.file)
            return ClinicalTerm(rule, self.facts)
        except ValueError as error:
            raise RulebookError(f"{where}: {error}") from error

    def _names(self) -> dict[str, Found]:
        """Index every name; a MedDRA code that two terms share is the first one's."""
        found = {slug: Found(row) for slug, row in self.listed.items()}
        for term in reversed(tuple(self.terms.values())):
            found |= {n: Found(term) for n in (slug_of(term.rule.name), term.rule.meddra_code) if n}
        found |= {slug: Found(term) for slug, term in self.terms.items()}
        for name, rule in self.replaced.items():
            if rule.no_term:
                found.setdefault(name, Found(rule))
            elif rule.same_meaning:
                caution = Caution(code="term_replaced", message=rule.text)
                found.setdefault(name, Found(self.terms[rule.by[0]], caution))
        return found

    def _refuse(self, name: str, pointer: str, *, suggest: bool) -> Found:
        slug = slug_of(name)
        rule = self.replaced.get(slug)
        if rule is not None:
            message = f"Version {self.version} has no term {rule.name}. {rule.text}"
            raise RefusedInputError(InputError(pointer, "term_not_in_version", message, rule.by))
        near = self._near(slug) if suggest else ()
        hint = " Did you mean one of those allowed here?" if near else ""
        message = f"This term is not known in version {self.version}.{hint} {HOW_TO_LIST}"
        raise RefusedInputError(InputError(pointer, "term_unknown", message, near))

    def _near(self, slug: str) -> tuple[str, ...]:
        """Return terms whose analyte is in the name ("alt_increased"), or whose slugs are written alike."""
        meant = [t.rule.slug for word in slug.split("_") for t in self.by_analyte.get(word, ())]
        return tuple(dict.fromkeys(meant)) or tuple(get_close_matches(slug, {*self.terms, *self.listed}))

    def _by_analyte(self) -> dict[str, tuple[LaboratoryTerm, ...]]:
        found: dict[str, list[LaboratoryTerm]] = {}
        for term in self.terms.values():
            if isinstance(term, LaboratoryTerm):
                for analyte in term.analytes:
                    found.setdefault(analyte, []).append(term)
        return {analyte: tuple(terms) for analyte, terms in found.items()}

    def _laboratory_facts(self) -> set[str]:
        rules = [t.rule for t in self.terms.values() if isinstance(t, LaboratoryTerm)]
        scales = [s for r in rules for s in r.scale]
        bands = (w for s in scales for b in s.band for w in b.when)
        gaps = (w for s in scales for g in s.gap for w in g.when)
        derived = (w for r in rules for d in r.derived for w in (d.fact, *d.true_when, *d.false_when))
        conditions = map(parse, chain(bands, gaps, derived))
        named = {c.name for c in conditions if not isinstance(c, Comparison)}
        named |= {c.fact for s in scales for c in s.caution}
        return (named | {PEDIATRIC}) & self.facts.keys() - set(NUMBERS)

    def _refuse_unknown_targets(self) -> None:
        content = self.rules.content
        named = [(r.slug, slug) for r in content.replaced for slug in r.by]
        named += [(t.slug, t.part_of) for t in content.term if t.part_of is not None]
        for slug, target in named:
            if target not in self.terms:
                raise RulebookError(f"{self.rules.file}: {slug!r} names {target!r}, which is no term of this file")


def _listed(rules: LoadedRuleSet) -> dict[str, ListedName]:
    return {} if rules.content.names is None else load_names(rules.content.names, BUILT_IN)


class Versions:
    """Every CTCAE version of the rulebook."""

    def __init__(self, rulebook: Rulebook, quantities: Quantities) -> None:
        self.all = {v.version: v for v in (Version(r, quantities) for r in rulebook.of_topic(TOPIC))}
        if DEFAULT_VERSION not in self.all:
            raise RulebookError(f"rule set {_PREFIX}{DEFAULT_VERSION!s} is missing from the rulebook")

    def __call__(self, version: str | None, pointer: str = "/version") -> Version:
        """Return a version by its number ("5.0", the default); raises `RefusedInputError`: `version_unknown`."""
        found = self.all.get(DEFAULT_VERSION if version is None else version)
        if found is None:
            message = "This CTCAE version is not known here."
            raise RefusedInputError(InputError(pointer, "version_unknown", message, tuple(self.all)))
        return found

    def facts(self) -> dict[str, FactRule]:
        """Return every fact of every version; raises `RulebookError` where two versions understand one differently."""
        found: dict[str, FactRule] = {}
        for version in self.all.values():
            for name, fact in version.facts.items():
                if found.setdefault(name, fact) != fact:
                    raise RulebookError(f"{version.rules.file}: fact {name!r} differs from that of another version")
        return found
