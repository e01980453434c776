"""Write one rule set's card as a page, with every number of its file in a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.clinical.rulebook import LoadedRuleSet
from app.clinical.rulebook.analytes import AnalyteRule
from app.clinical.rulebook.ctcae_terms import BandRule, CtcaeTermRule, GapRule
from app.clinical.rulebook.model import Band, Sourced
from app.safety.markdown import code, items, page, table
from app.safety.parts import AlgorithmCard, CardValidation


def card_page(card: AlgorithmCard, rules: LoadedRuleSet) -> str:
    """Return the page."""
    return page(
        f"# {card.id} {card.version}",
        f"{card.title}.\n\nSHA-256 `{card.sha256}`. Not signed off by a clinician.",
        f"## Purpose\n\n{card.purpose}",
        f"## Intended use\n\n{card.intended}",
        "## Forbidden use\n\n" + items(card.forbidden),
        _inputs(card),
        f"## Logic\n\n{card.logic}",
        *_tables(rules),
        "## Sources\n\n" + items(card.sources),
        "## Validation\n\n" + "".join(map(_validation, card.validation)),
        "## How it fails\n\n" + items(card.failures),
        f"## Subgroups\n\n{card.subgroups}",
        "Attributes of a person that it uses: "
        + ("; ".join(f"{a.name.replace('_', ' ')}: {a.use}" for a in card.attributes) or "none")
        + ".",
        "## Limitations stated in the rule file\n\n" + items(card.limitations) if card.limitations else "",
        "## Changes\n\n" + table(("version", "date", "what"), ((c.version, c.date, c.what) for c in card.change)),
    )


def _inputs(card: AlgorithmCard) -> str:
    rows = ((f"`{i.name}`", i.unit or "", i.possible or "", i.plausible or "") for i in card.inputs)
    text = "Outside the possible range a value is refused, outside the plausible one unless it is overridden."
    return f"## Inputs\n\n{text}\n\n" + table(("input", "unit", "possible", "plausible"), rows)


def _validation(one: CardValidation) -> str:
    return f"- {one.what}\n{code(one.tests)}"


def _tables(rules: LoadedRuleSet) -> Iterator[str]:
    """Yield a table for each kind of row that the file holds."""
    content = rules.content
    if content.threshold:
        yield _numbers("Thresholds", ((t, t.text) for t in content.threshold))
    if content.parameter:
        yield _numbers("Numbers", ((p, f"{p.value} {p.unit}") for p in content.parameter))
    if content.range:
        yield _numbers("Ranges", ((r, _span(r.low, r.high, r.unit)) for r in content.range))
    if content.table:
        yield _numbers("Tables", ((t, "; ".join(map(_band, t.band)) + f" ({t.unit})") for t in content.table))
    if content.text:
        yield _numbers("Statements", ((t, t.text) for t in content.text))
    if content.analyte:
        yield "### Analytes\n\n" + table(_ANALYTES, map(_analyte, content.analyte))
    if content.growth:
        rows = ((g.id, g.measure, g.sex, g.unit, len(g.row)) for g in content.growth)
        yield "### Growth references\n\n" + table(("id", "measure", "sex", "unit", "rows"), rows)
    if content.term:
        yield "### Terms\n\n" + table(("term", "grades by", "how each grade is reached"), map(_term, content.term))


def _numbers(title: str, rows: Iterable[tuple[Sourced, str]]) -> str:
    found = ((f"`{r.id}`", r.label or "", text, ", ".join(filter(None, (r.source, r.locator)))) for r, text in rows)
    return f"### {title}\n\n" + table(("id", "what", "value", "source"), found)


def _span(low: object, high: object, unit: str) -> str:
    return f"{low} to {high} {unit}"


def _band(band: Band) -> str:
    start = "..." if band.lower is None else f"{band.lower}"
    end = "..." if band.upper is None else f"{band.upper}"
    numbers = {n: getattr(band, n) for n in ("value", "low", "high", "slope", "intercept", "points")}
    told = ", ".join(f"{n} {v}" for n, v in numbers.items() if v is not None)
    return f"{start} to {end}{f' {band.sex}' if band.sex else ''}: {told or band.label or ''}"


_ANALYTES = ("analyte", "canonical unit", "units", "possible", "plausible", "usual")


def _analyte(one: AnalyteRule) -> tuple[str, ...]:
    spans = (f"{s.low} to {s.high}" for s in (one.possible, one.plausible, one.usual))
    return (one.slug, one.canonical, ", ".join(u.code for u in one.unit), *spans)


def _term(term: CtcaeTermRule) -> tuple[str, str, str]:
    scales = [(f"[{s.unit or 'ratio'}] ", s.band, s.gap) for s in term.scale] or [("", term.band, term.gap)]
    ways = "; ".join(f"{unit}{_ways(bands, gaps)}" for unit, bands, gaps in scales)
    return term.slug, term.analyte or "facts", ways


def _ways(bands: Iterable[BandRule], gaps: Iterable[GapRule]) -> str:
    found = [f"{b.grade}: {' and '.join(b.when)}" for b in bands]
    return ", ".join(found + [f"gap {g.grades}: {' and '.join(g.when)}" for g in gaps])
