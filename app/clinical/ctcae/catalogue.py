"""The terms as they are looked up: names, classes, the grades that exist, and how each is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.grades import Grade
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm
from app.clinical.ctcae.models import FactView, GradeView, TermDetail, TermSummary, WayView
from app.clinical.ctcae.names import ListedName
from app.clinical.ctcae.scales import band_text
from app.clinical.ctcae.terms import Graded, Version
from app.clinical.rulebook.ctcae_terms import BandRule, FactRule


class Catalogue:
    """The terms of one version, in the order of their slugs."""

    def __init__(self, version: Version) -> None:
        self._version = version
        slugs = sorted(version.listed.keys() | version.terms.keys())
        self.all = tuple(self._summary(s) for s in slugs)
        self._texts = {t.slug: f"{t.slug} {t.name} {t.meddra_code or ''}".casefold() for t in self.all}
        self.detail = lru_cache(maxsize=len(self.all))(self._detail)

    def search(self, words: str | None, after: str | None) -> Iterator[TermSummary]:
        """Yield the terms whose names hold every word, from the one after `after` on."""
        wanted = (words or "").casefold().split()
        for term in self.all:
            if (after is None or term.slug > after) and all(w in self._texts[term.slug] for w in wanted):
                yield term

    def _summary(self, slug: str) -> TermSummary:
        term = self._version.terms.get(slug)
        return _listed(self._version, self._version.listed[slug]) if term is None else _graded(self._version, term)

    def _detail(self, slug: str) -> TermDetail:
        """Show one term with how each grade is reached; KeyError for a slug that is not in the list."""
        term = self._version.terms.get(slug)
        summary = self._summary(slug)
        return TermDetail(
            **summary.model_dump(),
            units=term.unit_codes() if isinstance(term, LaboratoryTerm) else (),
            how=tuple(_how(term, summary.grades)),
            gaps=() if term is None else tuple(_gaps(term)),
            facts=() if term is None else tuple(_facts(self._version, term)),
            note=None if term is None else term.rule.note,
            routing=None if term is None else term.rule.routing,
            rules=self._version.provenance,
        )


def _listed(version: Version, row: ListedName) -> TermSummary:
    return TermSummary(
        slug=row.slug,
        name=row.name,
        part_of=None,
        soc=row.soc,
        version=version.version,
        grades=row.grades,
        kind=None,
        meddra_code=None,
        analyte=None,
        direction=None,
    )


def _graded(version: Version, term: Graded) -> TermSummary:
    rule = term.rule
    return TermSummary(
        slug=rule.slug,
        name=rule.name,
        part_of=rule.part_of,
        soc=rule.soc,
        version=version.version,
        grades=rule.grades,
        kind=rule.kind,
        meddra_code=rule.meddra_code,
        analyte=rule.analyte,
        direction=rule.direction,
    )


def _how(term: Graded | None, exist: tuple[int, ...]) -> Iterator[GradeView]:
    ways: dict[int, list[WayView]] = {}
    for band, unit in () if term is None else _bands(term):
        ways.setdefault(band.grade, []).append(WayView(criterion=band_text(band), when=band.when, unit=unit))
    for grade in (g for g in Grade if g):
        yield GradeView(grade=grade, exists=int(grade) in exist, ways=tuple(ways.get(grade, ())))


def _bands(term: Graded) -> Iterator[tuple[BandRule, str | None]]:
    yield from ((b, None) for b in term.rule.band)
    for scale in term.rule.scale:
        yield from ((b, scale.unit) for b in scale.band)


def _gaps(term: Graded) -> Iterator[WayView]:
    rule = term.rule
    gaps = (*((g, None) for g in rule.gap), *((g, s.unit) for s in rule.scale for g in s.gap))
    for gap, unit in gaps:
        yield WayView(criterion=gap.text, when=gap.when, unit=unit)


def _facts(version: Version, term: Graded) -> Iterator[FactView]:
    if isinstance(term, ClinicalTerm):
        names: Iterable[str] = term.facts
    else:
        names = dict.fromkeys(n for s in term.scales for n in s.facts if n in version.facts)
    for name in names:
        yield _fact(version.facts[name], counts_only_when_stated=name in _alternatives(term))


def _alternatives(term: Graded) -> frozenset[str]:
    """Name the facts that are mere alternatives, those that a difference is made of included."""
    return frozenset(term.alternatives(0)) if isinstance(term, ClinicalTerm) else term.scales[0].optional


def _fact(rule: FactRule, *, counts_only_when_stated: bool) -> FactView:
    return FactView(
        name=rule.name,
        label=rule.label,
        kind=rule.kind,
        unit=rule.unit,
        low=None if rule.low is None else float(rule.low),
        high=None if rule.high is None else float(rule.high),
        values=rule.values,
        counts_only_when_stated=counts_only_when_stated,
    )
