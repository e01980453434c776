"""The terms as they are looked up: names, classes, the grades that exist, and how each is reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.grades import Grade
from app.clinical.ctcae.models import FactView, GradeView, TermDetail, TermSummary, WayView
from app.clinical.ctcae.names import ListedName
from app.clinical.ctcae.scales import band_text
from app.clinical.ctcae.terms import Graded, Version
from app.clinical.rulebook.ctcae_terms import BandRule, FactRule, GapRule


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
        if term is None:
            row = self._version.listed[slug]
            return _detail(self._version, _listed(self._version, row), (), (), (), ())
        units = () if isinstance(term, ClinicalTerm) else term.unit_codes()
        facts = tuple(_facts(self._version, term))
        ways, gaps = _ways(term), _gaps(term)
        shown = _detail(self._version, _graded(self._version, term), units, ways, gaps, facts)
        return shown.model_copy(update={"note": term.rule.note, "routing": term.rule.routing})


def _listed(version: Version, row: ListedName) -> TermSummary:
    return TermSummary(
        slug=row.slug,
        name=row.name,
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
        soc=rule.soc,
        version=version.version,
        grades=rule.grades,
        kind=rule.kind,
        meddra_code=rule.meddra_code,
        analyte=rule.analyte,
        direction=rule.direction,
    )


def _detail(
    version: Version,
    summary: TermSummary,
    units: tuple[str, ...],
    ways: Iterable[tuple[int, WayView]],
    gaps: tuple[WayView, ...],
    facts: tuple[FactView, ...],
) -> TermDetail:
    reached: dict[int, list[WayView]] = {}
    for grade, way in ways:
        reached.setdefault(grade, []).append(way)
    how = tuple(
        GradeView(grade=g, exists=int(g) in summary.grades, ways=tuple(reached.get(int(g), ()))) for g in Grade if g
    )
    return TermDetail(
        **summary.model_dump(),
        units=units,
        how=how,
        gaps=gaps,
        facts=facts,
        note=None,
        routing=None,
        rules=version.provenance,
    )


def _bands(term: Graded) -> Iterator[tuple[BandRule | GapRule, str | None]]:
    rule = term.rule
    yield from ((b, None) for b in (*rule.band, *rule.gap))
    for scale in rule.scale:
        yield from ((b, scale.unit) for b in (*scale.band, *scale.gap))


def _ways(term: Graded) -> tuple[tuple[int, WayView], ...]:
    return tuple(
        (b.grade, WayView(criterion=band_text(b), when=b.when, unit=unit))
        for b, unit in _bands(term)
        if isinstance(b, BandRule)
    )


def _gaps(term: Graded) -> tuple[WayView, ...]:
    gaps = (WayView(criterion=g.text, when=g.when, unit=unit) for g, unit in _bands(term) if isinstance(g, GapRule))
    return tuple(gaps)


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
